/* SPDX-License-Identifier: MIT */
/*
 * anthropic.h - what the files of the Anthropic dialect share; nobody else's.
 *
 *	anthropic.c		the dialect's table, headers, faults
 *	anthropic_request.c	what a request asks; its form for an upstream
 *	anthropic_prompt.c	how much there is to read in it
 *	anthropic_answer.c	watching a stream
 *	anthropic_body.c	watching an answer that is one JSON text
 *	anthropic_facts.c	what both look for: text, stops, usage
 */
#ifndef WEIR_ANTHROPIC_H
#define WEIR_ANTHROPIC_H

#include "fcgi/base/json.h"
#include "handlers/dialect/pass.h"

/* --- Requests --- */

/* A request while it is read. */
struct reading {
	struct arena *arena;
	struct asked *out;
	struct fault *fault;
	struct token_count text; /* of the prompt */
	int64_t more_milli; /* tokens that are no text */
	int64_t messages;
	bool user_came; /* the first turn of the user has been hashed */
};

/* Records the fault, with the member it is about.  Returns false. */
bool anthropic_refuse(struct reading *r, enum fault_kind kind,
    const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Each reads the value of the member it is named after. */
bool anthropic_read_messages(struct reading *r, struct str value);
bool anthropic_read_system(struct reading *r, struct str value);
bool anthropic_read_tools(struct reading *r, struct str value);
void anthropic_count_schema(struct reading *r, struct str value);

bool anthropic_read_request(struct arena *a, enum endpoint endpoint,
    struct str body, struct asked *out, struct fault *f);
bool anthropic_write_request(const struct asked *asked,
    const struct edits *edits, struct buf *out);

/* --- Answers --- */

/* Counts as they stand in a usage object; -1: absent. */
struct counts {
	int64_t input, output, read, written, written_5m, written_1h;
	int64_t thinking;
};

/* What the observer remembers of an answer. */
struct watch {
	struct pass pass;
	int64_t run; /* the text that the count is in */
	struct counts counts; /* the last word on each */
};

/*
 * Looks at a content block, or at a delta of one; counts its texts into
 * w->pass.count.  True: something meaningful is in it.
 */
bool anthropic_look(struct watch *w, int64_t block, struct str value);

/* A stop reason that says something. */
bool anthropic_stopped(struct str value);

/* Merges a usage object into o->tokens, member by member. */
void anthropic_read_usage(
    struct observer *o, struct watch *w, struct str usage);

/* Takes the name of the model, the first that comes. */
void anthropic_read_model(struct observer *o, struct str value);

/* The body reports an error: it is read, and the rest swallowed. */
void anthropic_fail(struct observer *o, struct pass *p, struct str body);

/* How answers are watched: frames, and texts. */
void anthropic_frame(struct observer *o, struct pass *p, struct str raw);
extern const struct pass_words anthropic_words;
extern const char *const anthropic_taps[];

#endif
