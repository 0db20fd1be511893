/* SPDX-License-Identifier: MIT */
/*
 * key.h - client keys and administrators' tokens, found by their hash.
 */
#ifndef WEIR_KEY_H
#define WEIR_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

struct key {
	int64_t id, project, account, group;
	bool on;			/* key, project, account all enabled,
					 * not revoked */
	int64_t expires;		/* UTC ms, 0: never */
	int64_t rpm, tpm, concurrency;	/* 0: no limit */
	bool own_markup;		/* its account's, instead of its */
	int64_t markup_ppm;		/* group's */
	bool strict;			/* nothing is left out for it */
	struct str name, models, ips;	/* in the arena; JSON lists or empty */
};

/* 1 and *k (strings in the arena), 0 no such key, -1 the database failed. */
int key_by_hash(struct db *db, const uint8_t hash[static VAULT_HASH],
    struct arena *a, struct key *k);

struct gcra_left;

/* What is left of its limits of requests and tokens a minute, now: 1, 0 no
 * such key, -1 the database failed. */
int key_left(struct db *db, int64_t id, struct gcra_left *left);

enum token_role { TOKEN_NONE, TOKEN_AUDITOR, TOKEN_OPERATOR };

/* Role of an administrator's token; TOKEN_NONE: unknown or off; -1 failed. */
int token_by_hash(struct db *db, const uint8_t hash[static VAULT_HASH]);

/* --- for administration; handled as group.h says -------------------------- */

struct key_row {
	int64_t id, project, account;
	struct str name;
	struct str tail;		/* last 4 characters */
	bool weak;			/* a given secret under 32 characters */
	struct str models, ips;		/* JSON lists; p NULL: any */
	int64_t rpm, tpm, concurrency;	/* 0: no limit */
	int64_t expires;		/* UTC ms, 0: never */
	int64_t created, revoked;	/* UTC ms; revoked 0: no */
	int64_t used;			/* charged so far, nano-dollars */
	int64_t open_holds;
	bool strict;			/* what an upstream cannot be told is
					 * refused, not left out */
	bool enabled;
	struct str note;
	/* joined, read only */
	struct str project_name, account_name;
};

void key_blank(struct key_row *k, int64_t account, int64_t project,
    struct str name);
int key_find(struct db *db, struct arena *a, int64_t project, struct str name,
    struct key_row *k);

int key_get(struct db *db, struct arena *a, int64_t id, struct key_row *k);

/* Those of an account (0: of all), ids above `after`. */
int key_list(struct db *db, struct arena *a, int64_t account, int64_t after,
    struct key_row **list);

/* Writes everything but the secret, the counters and `revoked`.  A new row
 * takes `secret` too: false if another key has the same. */
bool key_put(struct db *db, struct key_row *k);
bool key_add(struct db *db, const struct vault *v, struct key_row *k,
    struct str secret);

/* Is this the key's secret?  Does any key have it (then its id, else 0)? */
int64_t key_owner(struct db *db, const struct vault *v, struct str secret);

/* Gives a key another secret; the old one is refused from then on. */
bool key_rotate(struct db *db, const struct vault *v, struct key_row *k,
    struct str secret);

/* For ever. */
bool key_revoke(struct db *db, struct key_row *k);

#endif
