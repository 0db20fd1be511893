/* SPDX-License-Identifier: MIT */
/*
 * model.h - models and their dated prices.
 *
 * Handled as group.h says.  A price row is never changed: a new one
 * supersedes it, and usage rows point at theirs.
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/price.h"

struct model_row {
	int64_t id;
	struct str name;		/* may end in '*' */
	int64_t context, max_output;	/* 0: unknown */
	bool free;
	struct str fallback, aliases;	/* JSON lists; "[]": none */
	struct str capabilities;	/* JSON object */
	bool enabled;
	struct str note;
};

void model_blank(struct model_row *m, struct str name);
int model_find(struct db *db, struct arena *a, struct str name,
    struct model_row *m);
int model_get(struct db *db, struct arena *a, int64_t id,
    struct model_row *m);
bool model_put(struct db *db, struct model_row *m);
int model_list(struct db *db, struct arena *a, struct str after,
    struct model_row **list);

/* Those that have a list of fallbacks, off or on: as model_list. */
int model_fallbacks(struct db *db, struct arena *a, struct str after,
    struct model_row **list);

struct price_row {
	int64_t id;
	int64_t model;
	int64_t channel;		/* 0: the model's list price; else what
					 * this channel charges us for it */
	int64_t from_ms, until_ms;	/* UTC ms; until 0: open */
	int64_t given[N_BUCKETS];	/* nano-dollars; -1: left out */
};

/* The price in force at a time: 1, 0 none, -1 the database failed. */
int price_find(struct db *db, int64_t model, int64_t channel, int64_t at_ms,
    struct price_row *p);

/* By id. */
int price_get(struct db *db, int64_t id, struct price_row *p);

/*
 * Makes p the price from p->from_ms on.  A row that says the same and is
 * the newest is left alone (*added false).  Sets p->id.
 */
bool price_add(struct db *db, struct price_row *p, bool *added);

/*
 * Ends the price of (model, channel) now: from here on there is none.
 */
bool price_end(struct db *db, int64_t model, int64_t channel, int64_t at_ms);

/* The newest rows of a model, whose time has come or not, list price first
 * and then by channel: how many (at most LIST_MAX), or -1. */
int price_list(struct db *db, struct arena *a, int64_t model,
    struct price_row **list);

#endif
