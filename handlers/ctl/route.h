/* SPDX-License-Identifier: MIT */
/*
 * route.h - the explanation of a choice: what route.c finds out and
 * route_tell.c says.
 */
#ifndef WEIR_CTL_ROUTE_H
#define WEIR_CTL_ROUTE_H

#include "handlers/ctl/ctl.h"
#include "handlers/ctl/outs.h"
#include "handlers/relay/pick.h"

/* The tokens that the shown call answers; those of its prompt are asked. */
enum { ROUTE_OUTPUT = 500 };

/* A model of the plan: the one asked for, or one that may stand in. */
struct route_link {
	struct str name;
	const struct model *model;	/* NULL: off, or no longer there */
	int chain;			/* as the plan counts them; -1: the
					 * plan does not know it */
	const char *why;		/* it may not stand in, or NULL */
	int tiers, candidates;		/* of the plan */
};

/* How requests to a candidate are written: what is known of its model there,
 * and what its preset and channel change. */
struct route_known {
	struct str preset;		/* or empty */
	struct str list;		/* capabilities in force, words */
	struct str drop;		/* members left out, words */
	struct str set;			/* members set: a JSON object */
	struct str sent, unsent;	/* names of headers, words */
};

/* A candidate of the plan, in its order. */
struct route_choice {
	const struct candidate *with;
	int tier;			/* of its model, from 1 */
	int percent;			/* of the weight of its tier */
	double chance;			/* to be tried first in its tier */
	double relative;		/* its score: 1 is its tier's best */
	struct pick_score score;
	struct sight sight;
	int64_t clock_ms;		/* for the first content */
	bool drawn, first;		/* by the session */
	struct route_known known;
};

/* A channel or credential that the plan has left out. */
struct route_left {
	int chain;
	const struct channel *channel;
	const struct credential *credential;	/* or NULL */
	struct str upstream_model;		/* of a credential */
	struct str why;
	bool no_model;			/* the channel does not have it */
	bool out;			/* rows of the store say why */
};

struct route {
	struct ctl *c;
	struct catalogue *cat;
	struct str name;		/* as asked */
	const struct group *group;
	struct str key;			/* "alice/app", or empty */
	int64_t key_id;
	bool strict;			/* the key is */
	struct str session;		/* or empty */
	struct wanted wanted;
	struct outs outs;
	struct pick how;
	struct plan plan;
	bool planned;
	struct fault fault;		/* why not */
	struct route_link *links;
	int n_links;
	struct route_choice *choices;	/* plan.n */
	struct route_left *left;
	size_t n_left;
};

/* Does this row of the store concern that credential and model? */
bool route_concerns(const struct park *p, const struct candidate *k);
bool route_concerns_left(const struct park *p, const struct route_left *l);

/* route_known.c: in the arena, or the catalogue's. */
struct route_known route_know(const struct route *r,
    const struct candidate *k);

/* Prints all of it, for people or as JSON. */
void route_tell(const struct route *r);

#endif
