/* SPDX-License-Identifier: MIT */
/*
 * outs.h - who is out and how, in words: for status, lists and route.
 *
 * Read from the store once; a running process may know of more, for a second
 * at most.
 */
#ifndef WEIR_CTL_OUTS_H
#define WEIR_CTL_OUTS_H

#include "db/catalogue.h"
#include "db/park.h"
#include "handlers/ctl/ctl.h"

struct health;

struct outs {
	struct park *list;		/* all that is kept, in c->arena */
	int n;
	int64_t now;			/* UTC ms, of the reading */
};

/* False: the database failed. */
bool outs_load(struct ctl *c, struct outs *o);

/* A health that knows them; health_free it. */
struct health *outs_health(const struct outs *o);

/* "pair", "key", "route", "channel". */
const char *out_scope(const struct park *p);

/* "until 2026-11-22 09:30:20 (in 20 s)", and how often; of one that holds. */
struct str out_until(struct arena *a, const struct park *p, int64_t now);

/* "parked until 2026-11-22 09:30:20 (in 20 s): rate_limit (pair)"; also of
 * one that is half-open. */
struct str out_words(struct arena *a, const struct park *p, int64_t now);

/* Its members, for an object that was begun: scope, state, reason, since,
 * until, times. */
void out_json(struct buf *b, const struct park *p, int64_t now);

/*
 * The state of a channel (credential 0) or one of its credentials that is
 * on, with what is out of it: "on", "on, 2 models out", "parked until …",
 * "barred (key_dead)".  json: appends its members instead, "state" first.
 */
struct str outs_state(const struct outs *o, struct arena *a, int64_t channel,
    int64_t credential, bool on, struct buf *json);

/* "20 s", "10 min", "2 h 5 min": how long, for people. */
struct str span(struct arena *a, int64_t ms);

#endif
