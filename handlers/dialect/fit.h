/* SPDX-License-Identifier: MIT */
/*
 * fit.h - a request as its target takes it.
 *
 * What a target has no words for is left out and noted, turned into what it
 * has, or refused, before a dialect writes anything: one place for what all
 * dialects do alike.  What is left can be written as it stands.
 */
#ifndef WEIR_FIT_H
#define WEIR_FIT_H

#include "handlers/dialect/neutral.h"
#include "handlers/dialect/reasoning.h"

/* What a dialect has words for, whoever is spoken to. */
struct words {
	int64_t temperature_most;
	int64_t stop_most;	/* 0: any number */
	size_t user_bytes;	/* of an end user's name */
	bool numbers;		/* seed, penalties, logit_bias, logprobs */
	bool top_k;		/* all who speak it take top_k */
	bool blank_stops;	/* a stop may be blank */
	bool json_object;
	bool schema_tool;	/* the schema of an answer can be a tool's */
	bool cool;		/* no sampling while it thinks */
	bool verbosity, cache_key, logprobs;	/* has members for them */
};

struct fitting {
	struct arena *arena;
	const struct target *t;
	const struct words *words;
	struct dropped *dropped;
	struct fault *fault;
};

/*
 * Changes n, a copy of what was decoded (its lists are not touched, but
 * replaced), to what can be said: tools, their choice, the form of the
 * answer, pictures, hints.  False: the fault, it cannot be said.
 *
 * After it, choice is one of UNSAID, AUTO, NONE, REQUIRED and NAMED, tools
 * are those that are sent, and format is SCHEMA only if it is native or
 * fit_is_tool.
 */
bool fit_request(const struct fitting *f, struct neutral *n);

/* Is the schema of the answer to be sent as NEUTRAL_JSON_TOOL? */
bool fit_is_tool(const struct fitting *f, const struct neutral *n);

/* The same of sampling and stops, once it is known whether it reasons. */
bool fit_sampling(const struct fitting *f, struct neutral *n,
    enum reasoning_switch reasons);

/* Who it is for: not by what is too long, or looks like an address. */
struct str fit_user(const struct fitting *f, struct str id);

/* Notes a member that is left out; false when the target is strict. */
bool fit_drop(const struct fitting *f, const char *name);

#endif
