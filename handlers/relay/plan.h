/* SPDX-License-Identifier: MIT */
/*
 * plan.h - who could serve a model, and in what order.
 *
 * The plan is a filter over the catalogue: channels that are on, open to the
 * group, and have the model; their credentials that are on and not parked.
 * weirctl route shows the same plan.
 */
#ifndef WEIR_PLAN_H
#define WEIR_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "db/catalogue.h"
#include "fcgi/base/arena.h"
#include "fcgi/base/fault.h"

struct candidate {
	const struct channel *channel;
	const struct credential *credential;
	const struct channel_model *serves;
	struct str upstream_model;
	uint64_t weight;		/* share within its tier */
	bool tried;
};

struct plan {
	const struct model *model;	/* that is priced */
	struct str name;		/* as asked */
	struct candidate *list;		/* tiers in order of priority */
	int n;
	int parked;			/* left out because they are parked */
	int64_t soonest_ms;		/* UTC: when the first comes back */
};

/*
 * False: *f is set (unknown model, no price, nobody serves it).  A plan with
 * only parked candidates is true with n == 0.
 */
bool plan_make(struct arena *a, const struct catalogue *cat, int64_t group,
    struct str model, int64_t now_utc_ms, struct plan *p, struct fault *f);

/*
 * The next candidate: lowest priority number first, inside it by weight at
 * random (`dice` is any random number), never one that was tried or has been
 * parked since.  NULL: none is left.
 */
struct candidate *plan_next(struct plan *p, uint64_t dice,
    int64_t now_utc_ms);

/* Is this model on a key's list (JSON array; empty: every model)? */
bool plan_allowed(struct str models, struct str name);

#endif
