/* SPDX-License-Identifier: MIT */
/*
 * mockplan.h - what a name asks the mock upstream to do.
 *
 * A name is "mock" and then words, each with its numbers, joined by '-':
 * mock-delay-200-u-100-20.  Words of one name add up; a later name (model,
 * then base path, then key) overrules an earlier one.
 */
#ifndef TESTS_TOOLS_MOCKPLAN_H
#define TESTS_TOOLS_MOCKPLAN_H

#include "tests/tools/text.h"

enum {
	BODY_PLAIN,
	BODY_HTML,
	BODY_BAD,
	BODY_HALF,
	BODY_EMPTY,
	BODY_GZIP,
	BODY_BOMB,
	BODY_ERROR,
	BODY_TYPE,
	BODY_ECHO,
	BODY_HEAD,
	BODY_NULLS
};
enum { FAULT_NONE, FAULT_RESET, FAULT_CLOSE, FAULT_HANG };
enum { CUT_NONE, CUT_FIN, CUT_RST, CUT_STALL, CUT_ERROR, CUT_LINE };
enum { RETRY_NONE, RETRY_S, RETRY_DATE, RETRY_MS, RETRY_BAD };
enum {
	USAGE_GOOD,
	USAGE_NO,
	USAGE_NULL,
	USAGE_ZERO,
	USAGE_NEG,
	USAGE_FLOAT,
	USAGE_STRING,
	USAGE_HUGE,
	USAGE_CACHED,
	USAGE_TWICE,
	USAGE_EARLY,
	USAGE_EACH,
	USAGE_FINISH,
	USAGE_RANDOM
};
enum { LENGTH_RIGHT, LENGTH_LONG, LENGTH_SHORT, LENGTH_BOTH, LENGTH_NONE };
enum {
	HEAD_MANY = 1,
	HEAD_8BIT,
	HEAD_NUL,
	HEAD_CR,
	HEAD_LF,
	HEAD_FOLD,
	HEAD_KEY
};
enum {
	WHY_NONE,
	WHY_QUOTA,
	WHY_CONTEXT,
	WHY_POLICY,
	WHY_MODEL,
	WHY_KEY,
	WHY_NAME
};

struct plan {
	long status, retry, retry_by, why, fail_percent;
	long delay_ms, fault, early, hints;
	long body, big, tools, demo, odd;
	long events, gap_ms, pad, timed, longline, pings, ping_ms;
	long cut, cut_at, nodone, after, crlf, finish_length;
	long piece, piece_ms, length, head, head_big;
	long usage, in, out, cached, written, reasoned, maxed;
	long stop; /* the rest of the name is not ours to read */
};

/*
 * Read one name into *p, whose in and out are -1 while nobody set them.  A
 * name that does not begin with "mock" (or is not "demo") asks for nothing.
 * False: a word or number in it is unknown, and *wrong holds from where.
 */
bool plan_read(struct plan *p, struct slice name, struct slice *wrong);

/* The words and what they do, on stdout. */
void plan_help(void);

#endif
