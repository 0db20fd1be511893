/* SPDX-License-Identifier: MIT */
/*
 * responses.h - what the files of the Responses dialect share; nobody else's.
 *
 * It is OpenAI's other API for conversations: how members are read, what a
 * usage says and how faults look is the same (openai.h).
 *
 *	responses.c		the dialect's table, paths, faults
 *	responses_request.c	what a request asks; its form for an upstream
 *	responses_prompt.c	how much there is to read in it
 *	responses_thoughts.c	the thoughts in the text of a request
 *	responses_answer.c	watching a stream, and one JSON text
 *	responses_facts.c	what both look for: text, calls, usage
 *	responses_object.c	a response of ours, and faults
 *
 * The neutral form's side is in responses_neutral.h.
 */
#ifndef WEIR_RESPONSES_H
#define WEIR_RESPONSES_H

#include "handlers/dialect/openai.h"

/* --- Requests --- */

bool responses_read_request(struct arena *a, enum endpoint endpoint,
    struct str body, struct asked *out, struct fault *f);
bool responses_write_request(const struct asked *asked,
    const struct edits *edits, struct buf *out);
/* Behind "/v1/responses/": an id, and what is wanted of it. */
bool responses_read_path(struct arena *a, struct str rest, struct str query,
    struct asked *out, struct fault *f);

/* Each reads the value of the member it is named after. */
bool responses_read_input(struct reading *r, struct str value);
bool responses_read_tools(struct reading *r, struct str value);
bool responses_read_text(struct reading *r, struct str value);

/* --- Answers --- */

/*
 * Looks at an item of the output and counts its texts into w->pass.count.
 * True: something meaningful is in it.
 */
bool responses_look(struct watch *w, struct str item);

/* More of a text: the value of "delta"; run: which one.  True: it is some. */
bool responses_delta(struct watch *w, unsigned run, struct str value);

void responses_read_tier(struct observer *o, struct str tier);

/* Does this status (its JSON value) say that it failed? */
bool responses_failed(struct str status);

/* How answers are watched; of what is kept, whatever it says. */
extern const struct pass_words responses_words, responses_stored_words;
extern const char *const responses_taps[];

/* --- What we write ourselves --- */

/* What stands for the settings of a request that is not known any more. */
#define RESPONSES_NO_ECHO \
	"\"instructions\":null,\"metadata\":{},\"parallel_tool_calls\":true," \
	"\"temperature\":null,\"tool_choice\":\"auto\",\"tools\":[]," \
	"\"top_p\":null,\"store\":false"

struct responses_object {
	struct str id; /* raw */
	int64_t created;
	const char *status;
	const struct fault *fault; /* why it failed, or NULL */
	const char *incomplete; /* why it is incomplete, or NULL */
	struct str model; /* plain */
	struct str output; /* items, with commas between them */
	struct str echo; /* the settings, as members; empty: not known */
	const struct tokens *tokens; /* NULL: not known yet */
};
void responses_put_object(struct buf *b, const struct responses_object *r);

/* An event that tells a fault where no response was begun. */
void responses_put_fault(struct buf *b, const struct fault *f,
    int64_t number);

#endif
