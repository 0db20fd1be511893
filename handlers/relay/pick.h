/* SPDX-License-Identifier: MIT */
/*
 * pick.h - which candidate of a plan is next.
 *
 * The first tier that has one left.  Inside it two are drawn by weight, and
 * of these the one with the lower
 *
 *	cost^a * (first content * load)^b * ok^-c
 *
 * is taken; the site's routing sets the exponents.  A session keeps to its
 * last one, so that the provider's cache of the prompt stays warm, unless he
 * is out or the one drawn is twice as good.  Reads no clock and rolls no dice
 * of its own.
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

/* The two that are drawn of the first tier that has one left: how many there
 * were, 0 to 2; pick_next takes one of them, unless a session has its own.
 * Takes nothing, and is drawn by the same dice. */
int pick_two(struct plan *p, const struct pick *how,
    struct candidate *two[static 2]);

/* How often a call without a session is given to each candidate at first:
 * chance[i] of list[i], which are 1 together.  Those of later tiers have 0. */
void pick_chances(struct plan *p, const struct pick *how, double *chance);

/*
 * How long its first content may take, ms: what the channel allows, less where
 * most come much earlier: four times what 95 of 100 took, twice that long
 * where nothing has been heard lately, but not less than FIRST_LEAST_MS.  As
 * long again for each 50,000 tokens of the prompt, and five times as long for
 * a call that asks for reasoning.  Worth asking again every FIRST_LOOK_MS from
 * then on.
 */
enum { FIRST_LEAST_MS = 8000, FIRST_LOOK_MS = 2000 };
int64_t pick_first_ms(const struct candidate *k, struct health *health,
    int64_t tokens, bool reasons, int64_t now);

#endif
