/* SPDX-License-Identifier: MIT */
/*
 * responses_neutral.h - what the Responses side of the neutral form shares;
 * nobody else's.
 *
 *	responses_decode.c	a Responses request into the neutral form
 *	responses_history.c	its items
 *	responses_encode.c	the neutral form as a Responses request
 *	responses_items.c	its items
 *	responses_events.c	an answer read as events
 *	responses_emit.c	events written as an answer
 *	responses_output.c	the items of such an answer, streamed or not
 *
 * How a request is read, what media look like and which names fit is as in
 * Chat Completions (openai_neutral.h).
 */
#ifndef WEIR_RESPONSES_NEUTRAL_H
#define WEIR_RESPONSES_NEUTRAL_H

#include "handlers/dialect/openai_neutral.h"
#include "handlers/dialect/responses.h"

/* See struct neutral_dialect. */
bool responses_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f);
bool responses_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f);
void responses_reader_init(struct event_reader *r);
void responses_reader_feed(struct event_reader *r, struct str piece);
void responses_reader_finish(struct event_reader *r);

/* --- Reading a request ---------------------------------------------------- */

/* The value of "input" as system and turns.  False: the fault. */
bool responses_history(struct openai_decoding *d, struct str input);

/* --- Writing one ---------------------------------------------------------- */

/* ,"input":[…].  False: the fault. */
bool responses_items(struct openai_encoding *e);

/* --- Writing an answer ---------------------------------------------------- */

/* What an answer is so far. */
struct responses_writer {
	struct str id; /* raw, with its prefix */
	int64_t created;
	bool started;
	int64_t number; /* of the next event */
	int64_t items; /* that have begun */
	struct buf output; /* those that have ended, with their commas */
	struct buf texts; /* parts of the open message, likewise */
	struct buf text; /* of the open part, summary or call; raw */
	struct buf notes; /* annotations of the open part */
	int64_t n_notes;
	struct buf likely; /* its log probabilities; */
	size_t told; /* of which so much was told */
	bool open; /* an item is */
	enum block_kind kind; /* of it; TEXT: a message */
	enum block_kind part; /* of the part of a message */
	bool part_open, summary_open;
	bool custom; /* the open call's tool is */
	int64_t parts; /* of the open message, that have begun */
	struct str item; /* its id; raw */
	struct str call, name; /* of the open call; raw */
	struct str proof; /* of the open thoughts; raw */
	struct tokens tokens;
	struct str echo; /* what was asked, as members */
};

/* Each as the event it is named after; out is NULL in an answer that is not
 * streamed. */
void responses_open_call(struct event_writer *w, const struct event *e,
    struct buf *out);
void responses_text(struct event_writer *w, const struct event *e,
    struct buf *out);
void responses_args(struct event_writer *w, struct str raw, struct buf *out);
void responses_sign(struct event_writer *w, struct str raw, struct buf *out);
void responses_note(struct event_writer *w, const struct cite *c,
    struct buf *out);
void responses_likely(struct event_writer *w, struct str list,
    struct buf *out);
/* The block has ended; a message goes on with the next text. */
void responses_end_block(struct event_writer *w, struct buf *out);
/* The item has ended; cut: by a limit. */
void responses_end_item(struct event_writer *w, bool cut, struct buf *out);

/* An event's head: "event: …\ndata: {"type":…,"sequence_number":N". */
void responses_event(struct event_writer *w, struct buf *out,
    const char *type);

#endif
