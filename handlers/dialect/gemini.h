/* SPDX-License-Identifier: MIT */
/*
 * gemini.h - what the files of the Gemini dialect share; nobody else's.
 *
 *	gemini.c		the dialect's table, paths, faults
 *	gemini_names.c		names in either spelling
 *	gemini_request.c	what a request asks: the members that matter
 *	gemini_prompt.c		how much there is to read in it
 *	gemini_write.c		the request for an upstream
 *	gemini_answer.c		watching a stream
 *	gemini_body.c		watching an answer that is one JSON text
 *	gemini_facts.c		what both look for: text, stops, usage
 */
#ifndef WEIR_GEMINI_H
#define WEIR_GEMINI_H

#include "fcgi/base/json.h"
#include "handlers/dialect/pass.h"

/* --- Names ---------------------------------------------------------------- */

/*
 * Members come as maxOutputTokens or as max_output_tokens; `want` is always
 * the first.  Is a raw name this one, whatever stands for its letters (case,
 * escapes, underscores)?
 */
bool gemini_is(struct arena *a, struct str raw, struct str want);

/* Is it spelt in one of the two ways, letter by letter? */
bool gemini_is_plain(struct str raw, struct str want);

/* The value of the first such member, or the empty slice. */
struct str gemini_get(struct arena *a, struct str object, struct str want);

/* A word of an enumeration, in any case; value has its quotes. */
bool gemini_word(struct str value, struct str want);

/* The inside of a string value, as it is spelt; else empty. */
static inline struct str
gemini_inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : (struct str){ NULL, 0 };
}

/* Without "models/". */
struct str gemini_model(struct str name);

/* --- Requests ------------------------------------------------------------- */

/* A request while it is read. */
struct reading {
	struct arena *arena;
	struct asked *out;
	struct fault *fault;
	struct token_count text;	/* of the prompt */
	int64_t more_milli;		/* tokens that are no text */
	int64_t contents;
	bool user_came;			/* the first turn of the user has been
					 * hashed */
};

/* Records the fault, with the member it is about.  Returns false. */
bool gemini_refuse(struct reading *r, enum fault_kind kind,
    const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* null, false, "", [] or {}. */
bool gemini_is_empty(struct str value);

/* Each reads the value of the member it is named after. */
bool gemini_read_contents(struct reading *r, struct str value);
bool gemini_read_content(struct reading *r, struct str value);
bool gemini_read_system(struct reading *r, struct str value);
bool gemini_read_tools(struct reading *r, struct str value);
void gemini_count_schema(struct reading *r, struct str value);

/* See struct dialect. */
bool gemini_read_path(struct arena *a, struct str rest, struct str query,
    struct asked *out, struct fault *f);
bool gemini_read_request(struct arena *a, enum endpoint endpoint,
    struct str body, struct asked *out, struct fault *f);
/* The name of a model as a resource: "models/NAME", in its quotes. */
void gemini_put_model(struct buf *out, struct str model);
bool gemini_write_request(const struct asked *asked,
    const struct edits *edits, struct buf *out);

/* --- Answers -------------------------------------------------------------- */

/* Counts as they stand in usageMetadata; -1: absent. */
struct counts {
	int64_t prompt, cached, candidates, thoughts, tool_use, total;
	int64_t in_audio, in_image, out_audio, out_image;
};

/* What the observer remembers of an answer. */
struct watch {
	struct pass pass;
	int64_t run;		/* the text that the count is in */
	struct counts counts;	/* the last word on each */
	unsigned begun, ended;	/* candidates, a bit for each */
	bool any;		/* an element of the array was written */
	bool large;		/* inside a frame that is not held whole */
	struct buf frame;	/* one, as it goes out */
};

/* What candidates show, of a frame or of a whole answer. */
struct glance {
	bool meaning;		/* text, a call, a picture */
	bool stop;		/* a reason to stop, or a prompt refused */
};

/* Walks over candidates and counts their texts into w->pass.count. */
void gemini_look(struct watch *w, struct str candidates, struct glance *g);

/* Was the prompt refused? */
bool gemini_blocked(struct str feedback);

/* Have all candidates that began ended? */
static inline bool
gemini_all_ended(const struct watch *w)
{
	return !(w->begun & ~w->ended);
}

/* Merges usageMetadata into o->tokens. */
void gemini_read_usage(struct observer *o, struct counts *c,
    struct str usage);

/* Takes the name of the model, the first that comes. */
void gemini_read_model(struct observer *o, struct str value);

/* The body reports an error: it is read, and the rest swallowed. */
void gemini_fail(struct observer *o, struct pass *p, struct str body);

/* How answers are watched: frames, and texts. */
void gemini_frame(struct observer *o, struct pass *p, struct str raw);
void gemini_part(struct observer *o, struct pass *p,
    const struct sse_frame *f);
bool gemini_stream_finish(struct observer *o, struct watch *w,
    struct buf *out, struct buf *last);
extern const struct pass_words gemini_words;
extern const char *const gemini_taps[];

#endif
