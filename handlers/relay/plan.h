/* SPDX-License-Identifier: MIT */
/*
 * plan.h - who could serve a model, and in what order.
 *
 * The plan is a filter over the catalogue: channels that are on, open to the
 * group, and have the model; their credentials that are on and not out.  The
 * model's own candidates come first, then those of its fallback models, one
 * after another; within each, tiers in order of priority.  weirctl route
 * shows the same plan.
 */
#ifndef WEIR_PLAN_H
#define WEIR_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "db/catalogue.h"
#include "fcgi/base/arena.h"
#include "fcgi/base/fault.h"
#include "handlers/dialect/dialect.h"
#include "handlers/relay/health.h"

struct candidate {
	const struct channel *channel;
	const struct credential *credential;
	const struct dialect *speaks;	/* to it: the channel's, or another
					 * that it has beside it */
	const struct channel_model *serves;
	const struct model *model;	/* whose price is charged */
	struct str name;		/* as asked, or of the fallback */
	int chain;			/* 0: as asked, 1: first fallback … */
	struct str upstream_model;
	struct subject about;
	uint64_t weight;		/* share within its tier */
	enum stance standing;		/* when the plan was made: STANDS,
					 * TRIAL, or EJECTED as last resort */
	int tries;			/* attempts made with it */
	bool avoid;			/* its channel was not reached */
	int64_t full_until;		/* UTC ms: its own limits are used up */
};

struct plan {
	const struct model *asked;	/* that prices what was asked for */
	const struct model *model;	/* the same, until a candidate of a
					 * fallback was chosen: then that */
	struct str name;		/* as asked */
	struct candidate *list;
	int n;
	int out;			/* left out: parked, ejected, barred */
	int64_t soonest_ms;		/* UTC: when the first comes back */
	bool resort;			/* all are ejected: tried anyway */
	uint64_t changes;		/* of health, when it was made */
};

/* What is asked of a plan. */
struct wanted {
	int64_t group;
	struct str model;
	const struct dialect *dialect;	/* of its channels; NULL: any */
	bool converses;			/* or one that it can be told in */
	bool embeds;			/* the same of embeddings */
	int64_t credential;		/* this one alone; 0: any */
	enum endpoint endpoint;		/* of that dialect, if one is named */
	const struct asked *asked;	/* what is done with its answer; NULL:
					 * not known */
	struct str allowed;		/* the key's list, as plan_allowed's */
	int64_t tokens;			/* of the prompt; fallback models whose
					 * context is smaller are left out */
	int64_t now;			/* UTC ms */
};

/*
 * False: *f is set (unknown model, no price, nobody serves it).  A plan with
 * only candidates that are out is true with n == 0.
 */
bool plan_make(struct arena *a, const struct catalogue *cat,
    struct health *health, const struct wanted *w, struct plan *p,
    struct fault *f);

/* Why this model may not stand in for the one that was asked for, or NULL. */
const char *plan_unfit(const struct model *m, const struct wanted *w);

/* Could this channel serve anybody?  It is on, and has models and a key that
 * is on and not out as a whole; ejected ones still are a last resort. */
bool plan_usable(const struct channel *ch, struct health *health,
    int64_t now);
bool plan_key_usable(const struct channel *ch, const struct credential *k,
    struct health *health, int64_t now);

/* Is this model on a key's list (JSON array; empty: every model)? */
bool plan_allowed(struct str models, struct str name);

/* Candidates of this model leave the plan. */
void plan_leave_out(struct plan *p, const struct model *m);

#endif
