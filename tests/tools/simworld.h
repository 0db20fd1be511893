/* SPDX-License-Identifier: MIT */
/*
 * simworld.h - the upstreams of the simulator, and who calls.
 *
 * Six channels with two keys each serve one model at different prices and
 * speeds; a script of faults says what a request meets at a moment.  Nothing
 * here knows how requests are routed: what one meets depends on when and whom
 * it asks and on the call's own dice, so that two ways of routing see the same
 * world.  Pure: no clock, no state but the catalogue's.
 */
#ifndef WEIR_TEST_SIMWORLD_H
#define WEIR_TEST_SIMWORLD_H

#include "db/catalogue.h"
#include "handlers/dialect/dialect.h"

enum {
	WORLD_CHANNELS = 6,
	WORLD_KEYS = 2,			/* each channel's */
	WORLD_TALKS = 400,		/* conversations at a time */
	WORLD_MS = 2 * 3600 * 1000	/* the script's length */
};

/* Makes the catalogue: channels 1 to 6, keys 11, 12, 21 … */
void world_make(void);
const struct catalogue *world_catalogue(void);
struct str world_model(void);

/* One call of the trace. */
struct world_call {
	uint64_t dice;			/* its own; of all that happens to it */
	uint64_t session;		/* 0: none */
	bool stream;
	int64_t prompt, output;		/* tokens */
};

/* The trace: begins with a seed as dice and all else nought. */
struct world_trace {
	uint64_t dice;
	uint64_t talks[WORLD_TALKS];
};

/* The next ms of it: does a call come?  Then *c is it. */
bool world_next(struct world_trace *t, struct world_call *c);

/* What a request meets. */
enum world_meets {
	MEETS_ANSWER,			/* first content, then the rest */
	MEETS_ERROR,			/* of a class */
	MEETS_SILENCE,			/* connected, and nothing ever */
	MEETS_REFUSAL			/* no connection */
};
struct world_fate {
	enum world_meets how;
	int64_t after_ms;		/* the first content, error, refusal;
					 * 0: no answer to the connect */
	int64_t rest_ms;		/* from first content to the end */
	enum up_class class;
	int64_t hint_ms;
};

/* at: ms since the start; attempt: 0 is the call's first. */
struct world_fate world_meets(const struct world_call *c, int64_t channel,
    int64_t credential, int64_t at, int attempt);

uint64_t world_roll(uint64_t *dice);

#endif
