/* SPDX-License-Identifier: MIT */
/*
 * usage.h - what a call used: its journal line.
 */
#ifndef WEIR_USAGE_H
#define WEIR_USAGE_H

#include "db/db.h"
#include "db/price.h"
#include "fcgi/base/id.h"

enum usage_state {
	USAGE_DONE,		/* served whole */
	USAGE_FAILED,		/* no content reached the caller */
	USAGE_CUT,		/* broke after content */
	USAGE_LEFT,		/* the caller left, upstream cancelled */
	USAGE_DRAINED,		/* the caller left, upstream read on */
	USAGE_CRASH,		/* its process died */
	USAGE_VOID,		/* admitted too late; nothing was sent */
	N_USAGE_STATES
};
extern const char *const usage_states[N_USAGE_STATES];

struct attempt_row {
	int64_t channel, credential;
	struct str upstream_model;
	int64_t started;	/* UTC ms */
	int64_t ms;
	int status;		/* 0: none came */
	struct str outcome;	/* "ok", or a class: "rate_limit", "refused" */
};

struct usage_row {
	char request_id[ID_CHARS];
	enum usage_state state;
	struct str asked, served;	/* model names; served may be empty */
	int64_t channel, credential;	/* 0: none */
	int status;			/* that the caller saw */
	const char *fault;		/* name, or NULL */
	bool estimated;
	struct buckets use;
	int64_t charge;			/* wanted, <= bound */
	int64_t cost;
	int64_t list;			/* at list price, no markup */
	int64_t cost_price, cost_ppm;
	int64_t first_ms, total_ms;	/* first_ms < 0: nothing came */
	int64_t weir_us;
	struct attempt_row *attempts;
	size_t n_attempts;
	struct str end_user;
	struct str remarks;		/* "capped:512 model_mismatch" */
	int64_t loss;			/* upstream cost nobody pays */
};

#endif
