/* SPDX-License-Identifier: MIT */
/*
 * mockanswer.h - the JSON the mock upstream says: plain answers, events,
 * usage, errors, the demonstration text.  Pure: text in, text out.
 */
#ifndef TESTS_TOOLS_MOCKANSWER_H
#define TESTS_TOOLS_MOCKANSWER_H

#include "tests/tools/mockask.h"

/*
 * Everything that is known of one answer while it is made.  The slices of ask
 * are gone once the request was understood; its numbers and copies stay.
 */
struct answer {
	struct plan plan;
	struct ask ask;
	unsigned long number; /* of the request; part of the answer's id */
	long created;
	long events; /* content events planned; -1: no end */
	long sent; /* of them written so far */
	long in, out; /* tokens, as a right usage would say */
	struct text said; /* the usage object as it was sent, or empty */
	struct text echo; /* what an echo answers, JSON-escaped */
	struct text demo; /* words, each ends in NUL */
};

/* Decide how many events and tokens the answer has; plan and ask are set. */
void answer_count(struct answer *a);

/* The part of the completion's tokens that was delivered. */
long answer_out(const struct answer *a);

/* An unstreamed chat or completion is body_front, then for each choice
 * choice_open, content, choice_close, then body_tail. */
void body_choices(struct answer *a, struct text *t);
void body_front(const struct answer *a, struct text *t);
void choice_open(const struct answer *a, struct text *t, long n);
void choice_close(const struct answer *a, struct text *t);
void body_tail(struct answer *a, struct text *t);

void body_embedding(struct answer *a, struct text *t);
void body_model(struct text *t, const char *name);

/* A chunk up to its delta (completion: choice); its end, with the reason that
 * finished it or NULL; a whole one with content event i; the usage chunk. */
void chunk_begin(const struct answer *a, struct text *t, long index);
void chunk_end(struct answer *a, struct text *t, const char *reason);
void chunk_content(struct answer *a, struct text *t, long i);
void chunk_usage(struct answer *a, struct text *t, long out);
const char *finish_reason(const struct answer *a);

/* {"error":{…}} as fits the status and the plan. */
void error_object(const struct answer *a, struct text *t, long status);

#endif
