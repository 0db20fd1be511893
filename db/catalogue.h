/* SPDX-License-Identifier: MIT */
/*
 * catalogue.h - channels, models, prices, groups, settings: a snapshot.
 *
 * Immutable, reference-counted, in memory; every process loads a new one
 * within a second of a change of setting.generation.  Keys and money are not
 * in it.  Taking and giving are cheap and allowed on any thread; whoever
 * takes one gives it back.
 */
#ifndef WEIR_CATALOGUE_H
#define WEIR_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/price.h"
#include "db/vault.h"

struct model {
	int64_t id;
	struct str name;		/* may end in '*' */
	int64_t context, max_output;	/* tokens; 0: unknown */
	bool free, enabled;
	struct str capabilities;	/* "name=value name=value" */
	bool priced;
	struct price price;		/* in force when loaded */
	int64_t price_until;		/* UTC ms; reloaded then */
	const struct model **fallback;	/* in their order; enabled ones with
					 * a name of their own, no pattern */
	size_t n_fallback;
};

enum { FALLBACK_MOST = 8 };

/* What channels and lists of keys call the model that was asked for so: an
 * alias is its model's own name, what fits a pattern is what it is. */
static inline struct str
model_called(const struct model *m, struct str asked)
{
	return str_ends(m->name, S("*")) ? asked : m->name;
}

struct credential {
	int64_t id;
	struct str name;
	struct str sealed;
	struct seal_to bound;
	int64_t rpm, tpm, concurrency;	/* the upstream's limits; 0: none */
	bool enabled;
	int index;			/* dense, for health tables */
};

static inline bool
credential_limited(const struct credential *k)
{
	return k->rpm || k->tpm || k->concurrency;
}

struct channel_model {
	struct str name;		/* may end in '*' */
	struct str upstream;		/* p NULL: under the same name */
	bool cost_known;		/* a price table of the channel's own */
	struct price cost;
};

enum { CHANNEL_HEADERS = 16 };	/* of a channel, at most */

struct channel {
	int64_t id;
	struct str name, dialect, base_url;
	int64_t priority, weight;
	int64_t cost_ppm;		/* share of the list price */
	int64_t connect_ms, first_ms, idle_ms, whole_ms, stream_ms;
	bool drain;			/* on_disconnect: drain, else cancel */
	bool enabled;
	struct str preset;		/* its name; empty: none */
	struct str quirks;		/* "name=value name" */
	struct str drop;		/* members left out: "name name" */
	struct str set;			/* members set: a JSON object, or
					 * empty */
	struct str headers;		/* JSON object, null: that one is not
					 * sent; or empty */
	struct str ca_file;
	struct str test_model;		/* empty: none is named */
	struct str api_version;		/* of Azure's API; may be empty */
	struct channel_model *models;
	size_t n_models;
	struct credential *credentials;
	size_t n_credentials;
	int64_t *groups;		/* ids */
	size_t n_groups;
};

struct group {
	int64_t id;
	struct str name;
	int64_t markup_ppm;
	int64_t minimum;		/* of a call that costs something */
	bool below_cost;		/* may pay less than a call costs us */
	bool enabled;
};

/* At what an account or a group buys a model. */
struct sale {
	int64_t account, group, model;	/* account or group is 0 */
	bool priced;
	struct price price;
};

/* What a key pays for a model: its account's price of it, else its group's,
 * else the list price times the markup. */
struct terms {
	const struct price *price;
	int64_t share_ppm;		/* PPM if the price is fixed */
	bool fixed;
};

/* What weighs most among the candidates of one tier. */
enum routing { ROUTING_BALANCED, ROUTING_CHEAP, ROUTING_FAST, N_ROUTINGS };
extern const char *const routing_names[N_ROUTINGS];	/* "cheap" … */

/* By its name; ROUTING_BALANCED if there is none so called. */
enum routing routing_read(struct str name);

struct catalogue {
	int64_t generation;
	struct model *models;
	size_t n_models;
	struct channel *channels;
	size_t n_channels;
	struct group *groups;
	size_t n_groups;
	const struct sale *sales;	/* in force when loaded, in order */
	size_t n_sales;
	size_t n_credentials;
	struct str time_zone;
	enum routing routing;		/* setting site.routing */
	int64_t reload_ms;		/* UTC ms: a price changes then */
	/* private */
	struct arena arena;
	int count;
	struct catalogue_name *names;	/* exact ones and aliases, sorted */
	size_t n_names;
	const struct model **patterns;	/* longest first */
	size_t n_patterns;
};

/* Loads a snapshot with one reference; NULL if the database failed. */
struct catalogue *catalogue_load(struct db *db);

/* The published one, with a reference; catalogue_give it. */
const struct catalogue *catalogue_take(void);
void catalogue_give(const struct catalogue *c);

/* Publishes c (its reference is taken over); the old one goes when unused. */
void catalogue_publish(struct catalogue *c);

/* Exact name, else the longest pattern, else NULL.  Enabled ones only. */
const struct model *catalogue_model(const struct catalogue *c,
    struct str name);

/* Name i of n_names, if it is an alias; else empty. */
struct str catalogue_alias(const struct catalogue *c, size_t i);

/* What a channel calls this model: entry, or NULL when it has none. */
const struct channel_model *channel_serves(const struct channel *ch,
    struct str model);

/* The price is the catalogue's, valid as long as it. */
struct key;
struct terms catalogue_terms(const struct catalogue *c, const struct group *g,
    const struct key *k, const struct model *m);

const struct group *catalogue_group(const struct catalogue *c, int64_t id);

bool channel_has_group(const struct channel *ch, int64_t group);

#endif
