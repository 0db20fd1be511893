/* SPDX-License-Identifier: MIT */
/*
 * pick.h - which candidate of a plan is next.
 *
 * The first tier that has one left.  Inside it the session's last one, so
 * that the provider's cache of the prompt stays warm; else two are drawn by
 * weight, and of these the one with the lower
 *
 *	cost^a * (first content * load)^b * ok^-c
 *
 * is taken; the site's routing sets the exponents.  Reads no clock and rolls
 * no dice of its own.
 */
#ifndef WEIR_PICK_H
#define WEIR_PICK_H

#include "handlers/relay/plan.h"

struct pick {
	struct health *health;
	enum routing routing;
	uint64_t dice;			/* random; of a session: its hash, so
					 * that everybody draws the same two */
	int64_t sticky;			/* the session's last credential; 0 */
	struct buckets use;		/* it may be, for its cost */
	int64_t now;			/* UTC ms */
};

/*
 * NULL: none is left that was not tried and is neither out nor full.  A
 * candidate that was ejected is only returned with its trial taken.
 */
struct candidate *pick_next(struct plan *p, const struct pick *how);

/* The same among those that were tried or avoided: when nothing else is
 * left.  The one with the fewest tries. */
struct candidate *pick_again(struct plan *p, const struct pick *how);

/* Would pick_next find one?  Takes nothing. */
bool pick_any(const struct plan *p, struct health *health, int64_t now);

/* When the first of those that are out or full comes back; 0: none is. */
int64_t pick_soonest(const struct plan *p, struct health *health,
    int64_t now);

/* The factors of one candidate's score, for people: lower is better. */
struct pick_score {
	double cost_nano, first_ms, load, ok;
	double score;			/* the fourth power of it */
};
struct pick_score pick_score(const struct plan *p,
    const struct candidate *k, const struct pick *how);

#endif
