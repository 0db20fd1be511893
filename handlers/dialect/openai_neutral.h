/* SPDX-License-Identifier: MIT */
/*
 * openai_neutral.h - what the OpenAI side of the neutral form shares; nobody
 * else's.
 *
 *	openai_decode.c		a Chat Completions request into the neutral form
 *	openai_history.c	its messages
 *	openai_thoughts.c	the thoughts of its history
 *	openai_encode.c		the neutral form as a Chat Completions request
 *	openai_turns.c		its turns, in the order this API demands
 *	openai_messages.c	what stands in them
 *	openai_events.c		an answer read as events
 *	openai_think.c		reasoning that stands in its text
 *	openai_beside.c		what an answer says beside its text: whom it
 *				cites, how likely its words were
 *	openai_emit.c		events written as an answer
 */
#ifndef WEIR_OPENAI_NEUTRAL_H
#define WEIR_OPENAI_NEUTRAL_H

#include "handlers/dialect/marks.h"
#include "handlers/dialect/neutral.h"

/* Bytes of a name. */
enum { OPENAI_NAME = 64 };

/* Ids of the entries of reasoning_details that weir writes: behind this the
 * bytes of reasoning_content they are about, "3-17". */
#define OPENAI_THOUGHT "thought-"

/* See struct neutral_dialect. */
bool openai_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f);
bool openai_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f);
void openai_reader_init(struct event_reader *r);
void openai_reader_feed(struct event_reader *r, struct str piece);
void openai_reader_finish(struct event_reader *r);

/* --- Reading a request ---------------------------------------------------- */

struct openai_decoding {
	struct arena *arena;
	struct neutral *n;
	struct fault *fault;
	bool began;		/* a message that is no instruction came */
	size_t functions;	/* calls in the old way, so far */
	const char *history;	/* the member that holds the conversation */
};

/* The value of "messages" as system and turns.  False: the fault. */
bool openai_history(struct openai_decoding *d, struct str messages);

/* The words for the caller; returns false. */
bool openai_decode_refuse(struct openai_decoding *d, enum fault_kind kind,
    const char *param, const char *words);

/*
 * Media of a message, into its block.  An image: its URL, or an object that
 * holds that and the detail; a file: the object with file_data and the like; a
 * sound: what holds input_audio.  And the text of a call's arguments as an
 * object.
 */
bool openai_image(struct openai_decoding *d, struct str at,
    struct str detail, struct block *b);
bool openai_file(struct openai_decoding *d, struct str file, struct block *b);
bool openai_audio(struct openai_decoding *d, struct str part,
    struct block *b);
bool openai_arguments(struct openai_decoding *d, struct str value,
    struct block *b);

/* The mark of what to cache on a part, message or tool. */
enum cache_mark openai_mark_of(struct str object);

/* --- Writing one ---------------------------------------------------------- */

struct openai_encoding {
	struct arena *arena;
	const struct neutral *n;	/* as it fits the target */
	const struct target *t;
	struct buf *out;
	struct fault *fault;
};

/*
 * The turns as this API takes them: results directly behind the calls, text
 * files as text, nothing empty.  The list is in the arena, its blocks are
 * copies.
 */
void openai_turns(struct arena *a, const struct neutral *n,
    const struct target *t, struct turn **list, size_t *count);

/* ,"messages":[…].  False: the fault. */
bool openai_messages(struct openai_encoding *e, const struct marked *m);

/* ,"cache_control":{…}, or as the target calls it. */
void openai_mark(struct openai_encoding *e, enum cache_mark mark);

/* ,"description":…: a tool's, with its examples, or nothing. */
void openai_description(struct openai_encoding *e, const struct tool *t);

/* "data:…;base64,…", of a source that is data. */
void openai_data_url(struct buf *b, const struct source *s);

/* A call's id as the target takes it. */
struct str openai_id(struct openai_encoding *e, struct str id);

/* --- Beside the text ------------------------------------------------------ */

/* Citations of an answer while it is read. */
struct openai_cites {
	int64_t base;		/* code points before the last block of text */
	int64_t points;		/* of that block, so far */
	bool any;		/* some were told of */
	struct str list;	/* pages that are only listed, JSON */
};

/* A block begins; a piece of one. */
void openai_cites_block(struct openai_cites *c, enum block_kind kind);
void openai_cites_text(struct openai_cites *c, enum block_kind kind,
    struct str raw);

/* The value of "annotations": gives a NOTE for each page. */
void openai_cites_read(struct event_reader *r, struct openai_cites *c,
    struct str annotations);

/* The value of "citations", a list of addresses, of which the last counts;
 * and at the end a NOTE for each, if there were no annotations. */
void openai_cites_keep(struct arena *a, struct openai_cites *c,
    struct str list);
void openai_cites_end(struct event_reader *r, const struct openai_cites *c);

/* The value of a choice's "logprobs": gives LOGPROBS. */
void openai_logprobs_read(struct event_reader *r, struct str value);

/* --- Reasoning in the text ------------------------------------------------ */

/*
 * Of models that write their reasoning as <think>…</think> before the answer.
 * Pieces are raw and cut anywhere but in an escape.
 */
struct openai_think {
	enum { THINK_BEFORE, THINK_INSIDE, THINK_BEHIND, THINK_OVER } at;
	bool began;		/* reasoning came */
	size_t matched;		/* characters of a tag that came */
	size_t n_held;
	char held[64];		/* as they were spelt, with blanks before */
};

typedef void openai_think_give(void *arg, enum block_kind kind,
    struct str raw);

/* Gives what is certain: text or reasoning. */
void openai_think(struct openai_think *k, struct str raw,
    openai_think_give *to, void *arg);

/* Nothing follows: gives what was held. */
void openai_think_end(struct openai_think *k, openai_think_give *to,
    void *arg);

#endif
