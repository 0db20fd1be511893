/* SPDX-License-Identifier: MIT */
/*
 * channel.h - upstreams, what they serve, and their sealed credentials.
 *
 * Handled as group.h says.  A credential is sealed to its channel's origin:
 * when base_url moves to another origin each credential needs its secret
 * anew (credential_seal); until then it does not open.
 */
#ifndef WEIR_CHANNEL_H
#define WEIR_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

struct channel_row {
	int64_t id;
	struct str name, dialect, base_url;
	int64_t priority, weight;
	int64_t cost_ppm;
	int64_t connect_ms, first_ms, idle_ms, whole_ms, stream_ms;
	bool drain;			/* on_disconnect: drain */
	bool plain_http;
	struct str ca_file;		/* empty: none */
	struct str headers;		/* JSON object; null: not sent */
	struct str preset;		/* empty: none */
	struct str quirks;		/* "name=value name" */
	struct str drop;		/* members: "name name" */
	struct str set;			/* JSON object, or empty */
	struct str test_model;		/* empty: none is named */
	struct str api_version;		/* empty: none */
	bool enabled;
	struct str note;
};

void channel_blank(struct channel_row *c, struct str name);
int channel_find(struct db *db, struct arena *a, struct str name,
    struct channel_row *c);
int channel_get(struct db *db, struct arena *a, int64_t id,
    struct channel_row *c);		/* by its id */
bool channel_put(struct db *db, struct channel_row *c);
/* What it charges as a share of the list price, ppm; -1 failed. */
int64_t channel_cost_ppm(struct db *db, int64_t channel);
int channel_list(struct db *db, struct arena *a, struct str after,
    struct channel_row **list);

/* What it serves, in order of name; *_set replaces all. */
struct channel_serve {
	struct str name;		/* may end in '*' */
	struct str upstream;		/* p NULL: under the same name */
};
int channel_models(struct db *db, struct arena *a, int64_t channel,
    struct channel_serve **list);
bool channel_models_set(struct db *db, int64_t channel,
    const struct channel_serve *list, size_t n);

/* The names and patterns that channels serve, off or on, each once and in
 * order: how many, or -1. */
int channel_served(struct db *db, struct arena *a, struct str **list);

/* Ids of its groups, ascending; *_set replaces all. */
int channel_groups(struct db *db, struct arena *a, int64_t channel,
    int64_t **list);
bool channel_groups_set(struct db *db, int64_t channel, const int64_t *list,
    size_t n);

struct credential_row {
	int64_t id, channel;
	struct str name;
	struct str sealed;		/* bytes; empty: none yet */
	struct str origin;		/* it is sealed to */
	int64_t key_version;
	struct str tail;		/* last 4 characters, for lists */
	int64_t rpm, tpm, concurrency;	/* the upstream's limits; 0: none */
	bool enabled;
	struct str note;
};

void credential_blank(struct credential_row *c, int64_t channel,
    struct str name);
int credential_find(struct db *db, struct arena *a, int64_t channel,
    struct str name, struct credential_row *c);
int credential_get(struct db *db, struct arena *a, int64_t id,
    struct credential_row *c);
int credential_list(struct db *db, struct arena *a, int64_t channel,
    struct credential_row **list);

/* Writes everything but the secret.  A new row needs credential_seal next. */
bool credential_put(struct db *db, struct credential_row *c);

/*
 * Seals a secret into the row (which has an id) for an origin
 * (vault_origin) and writes it; parks of it are taken away.
 */
bool credential_seal(struct db *db, const struct vault *v,
    struct credential_row *c, struct str origin, struct str secret);

/* Is this the secret that is sealed in the row, for this origin? */
bool credential_same(const struct vault *v, const struct credential_row *c,
    struct str origin, struct str secret);

#endif
