/* SPDX-License-Identifier: MIT */
/*
 * tariff.h - dated prices: what is in force when, and for whom.
 *
 * A price row is a model's list price, what a channel charges us for it, or
 * at what a group or an account buys it.  What a row says is never changed,
 * for usage rows point at theirs; only its end may come earlier or be put
 * off.  Of several whose time has come the newest is in force.  A row that
 * names no rate says: no price.
 *
 * Rows are in the arena they were read with.  Nothing here blocks but for the
 * disk.
 */
#ifndef WEIR_TARIFF_H
#define WEIR_TARIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/price.h"

/* Whose price of a model; of channel, group and account at most one is set,
 * none: the list price. */
struct price_of {
	int64_t model, channel, group, account;
};

struct price_row {
	int64_t id;
	int64_t model;
	int64_t channel, group, account;	/* as price_of */
	int64_t from_ms, until_ms;	/* UTC ms; until 0: open */
	struct price_words say;
};

/* Is it at what somebody buys, so that no markup is added? */
static inline bool
price_is_sale(const struct price_row *p)
{
	return p->group || p->account;
}

/* The price in force at a time: 1, 0 none, -1 the database failed. */
int price_find(struct db *db, struct arena *a, int64_t model, int64_t channel,
    int64_t at_ms, struct price_row *p);
int price_in_force(struct db *db, struct arena *a, const struct price_of *of,
    int64_t at_ms, struct price_row *p);

/* By id. */
int price_get(struct db *db, struct arena *a, int64_t id,
    struct price_row *p);

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
 * and then by whose they are: how many (at most LIST_MAX), or -1. */
int price_list(struct db *db, struct arena *a, int64_t model,
    struct price_row **list);

/*
 * What is in force from now on, in order of time, with gaps where there is no
 * price: how many, or -1.  from_ms 0: it is in force now.
 */
int price_schedule(struct db *db, struct arena *a, const struct price_of *of,
    struct price_row **list);

/*
 * Makes that list the schedule from now on; what was planned else never comes
 * into force.  The rows are in order of time, do not overlap and have not
 * ended.  A schedule that is the same already is left alone.
 */
bool price_replace(struct db *db, struct arena *a, const struct price_of *of,
    const struct price_row *list, int n);

/* Names of models that a channel, group or account has prices of, which have
 * not ended, in order: how many, or -1. */
int price_models(struct db *db, struct arena *a, const struct price_of *of,
    struct str **names);

#endif
