/* SPDX-License-Identifier: MIT */
/*
 * mockreply.h - one HTTP answer of the mock upstream as a row of steps.
 *
 * Each step writes bytes into out and says what comes next; the server sends
 * out (and the fill and rest behind it) before it asks for the next step.
 * Knows no socket: that is mockup.c.
 */
#ifndef TESTS_TOOLS_MOCKREPLY_H
#define TESTS_TOOLS_MOCKREPLY_H

#include "tests/tools/mockanswer.h"

enum phase {
	READING,
	FRONT,
	PING,
	ROLE,
	CONTENT,
	FINISH,
	USAGE,
	DONE,
	CUT,
	END
};

enum step {
	GO, /* send what is there, then the next step */
	WAIT, /* the same step again at due */
	FOREVER, /* nothing more will come */
	CLOSE, /* close the connection now */
	RESET, /* the same, by a reset */
	ENDED, /* the answer is over */
};

struct reply {
	enum phase phase;
	struct answer a;
	struct text out;
	size_t fill; /* so many bytes of fill_with follow out … */
	char fill_with;
	struct text rest; /* … and then these */
	bool close_after; /* no next request on this connection */
	long status; /* as sent; 0: nothing was */
	bool content; /* some of the model's own words were sent */
	bool chunked;
	const char *cut; /* who ended it early, or NULL */
	long i; /* position within the phase */
	uint64_t start, due; /* of the first event; of a WAIT */
};

/* What the program was started with. */
struct mock {
	bool demo; /* every model gives the demonstration */
	const char *redirect_to; /* where 3xx answers point */
	unsigned long requests; /* read so far; atomic */
};
extern struct mock mock;

/* The request in r->a.ask was understood, p is its first byte: what will the
 * answer be? Afterwards the input is not looked at again. */
void reply_begin(struct reply *r);

enum step reply_step(struct reply *r);

/* Ready for the next answer; keeps out. */
void reply_reset(struct reply *r);

#endif
