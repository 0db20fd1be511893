/* SPDX-License-Identifier: MIT */
/*
 * reasoning.h - how much an upstream is told to reason.
 *
 * Callers say it as an effort, as tokens or as a switch; upstreams take one
 * of them each.  What is to be said is decided here for all of them; a
 * dialect only finds the words.  The output limit includes the reasoning, so
 * a budget is never more than four fifths of it.
 */
#ifndef WEIR_REASONING_H
#define WEIR_REASONING_H

#include "handlers/dialect/neutral.h"

enum reasoning_switch {
	REASONING_UNSAID,	/* nothing is to be said */
	REASONING_OFF,
	REASONING_ON
};

struct reasoning {
	enum reasoning_switch at;
	enum effort effort;	/* ON: one that the target knows, or UNSAID */
	int64_t budget;		/* ON: tokens, 0: none to be said */
	bool asked;		/* ... and the caller said it in tokens */
};

/* most: the output limit that is sent, or -1. */
struct reasoning reasoning_of(const struct neutral *n,
    const struct target *t, int64_t most);

/* The one of the target's efforts that is next to it; of two that are as
 * near, the higher.  UNSAID stays. */
enum effort reasoning_effort(const struct target *t, enum effort e);

/* Is this effort one of the target's? */
bool reasoning_knows(const struct target *t, enum effort e);

#endif
