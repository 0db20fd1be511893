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

#endif
