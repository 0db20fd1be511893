/* SPDX-License-Identifier: MIT */
/*
 * openai.h - what the files of the OpenAI dialect share; nobody else's.
 *
 *	openai.c		the dialect's table, paths, faults
 *	openai_request.c	what a request asks: the members that matter
 *	openai_prompt.c		how much there is to read in it
 *	openai_write.c		the request for the upstream
 *	openai_answer.c		watching a stream
 *	openai_body.c		watching an answer that is one JSON text
 *	openai_facts.c		what both look for: text, stops, usage
 */
#ifndef WEIR_OPENAI_H
#define WEIR_OPENAI_H

#include "fcgi/base/json.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/sse.h"
#include "handlers/dialect/tokens.h"

/* --- Requests --- */

/* A request while it is read. */
struct reading {
	struct arena *arena;
	struct asked *out;
	struct fault *fault;
	struct token_count text; /* of the prompt */
	int64_t more_milli; /* tokens that are no text */
	int64_t n, best_of, prompts; /* 0: not said */
};

/* Records the fault, with the member it is about.  Returns false. */
bool openai_refuse(struct reading *r, enum fault_kind kind, const char *param,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* null, false, "", [] or {}. */
bool openai_is_empty(struct str value);

/* Each reads the value of the member it is named after. */
bool openai_read_messages(struct reading *r, struct str value);
bool openai_read_prompt(struct reading *r, struct str value);
bool openai_read_input(struct reading *r, struct str value);
bool openai_read_tools(struct reading *r, struct str value);
bool openai_read_functions(struct reading *r, struct str value);
bool openai_read_response_format(struct reading *r, struct str value);
bool openai_read_suffix(struct reading *r, struct str value);

bool openai_read_request(struct arena *a, enum endpoint endpoint,
    struct str body, struct asked *out, struct fault *f);
bool openai_write_request(const struct asked *asked,
    const struct edits *edits, struct buf *out);

/* --- Answers --- */

/* What the observer remembers of an answer. */
struct watch {
	bool closed; /* the rest is swallowed */
	struct token_count count; /* of the output */
	unsigned run; /* the text that the count is in */

	/* A stream. */
	struct sse sse;
	struct buf tail; /* frames from the stop on, not forwarded yet */
	enum { TO_OUT, TO_LAST, TO_TAIL, TO_NOBODY } went; /* the last frame */
	bool began; /* the first byte that is no blank has come */
	bool misfit; /* it is a JSON text, not a stream */

	/* A JSON text. */
	struct json_tap tap;
	struct buf head; /* its first bytes */
	size_t bytes; /* of it, so far */
	bool passed; /* forwarding has begun */
	bool failing; /* it begins as an error: nothing is forwarded */
};

/* What some choices show, of a chunk or of a whole answer. */
struct glance {
	bool any; /* there is a choice */
	bool meaning; /* text, reasoning, a call */
	bool stop; /* a finish reason */
	struct str failure; /* a finish reason that is one; raw */
};

/* Walks over choices and counts their texts into w->count. */
void openai_look(struct watch *w, struct json_each choices, struct glance *g);

/* Merges a usage object into o->tokens. */
void openai_read_usage(struct observer *o, struct str usage);

/* Takes the names of the model and of the tier, the first that come. */
void openai_read_model(struct observer *o, struct str value);
void openai_read_tier(struct observer *o, struct str value);

/* The answer is, or holds, an error. */
void openai_fail(struct observer *o, struct watch *w, struct str body,
    struct str failure);

void openai_stream_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last);
bool openai_stream_finish(struct observer *o, struct watch *w,
    struct buf *out, struct buf *last);

void openai_body_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last);
bool openai_body_finish(struct observer *o, struct watch *w,
    struct buf *last);
extern const char *const openai_body_taps[];

#endif
