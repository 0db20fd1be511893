/* SPDX-License-Identifier: MIT */
/*
 * pass.h - an answer that is passed on as it comes, and watched: what all
 * dialects have in common of it; only dialects include it.
 *
 * Of a stream every frame goes on as its bytes came, or not at all.  The frame
 * that ends the answer goes to `last`; because some upstreams never send it,
 * what follows a stop is kept until more content or the end shows that it was
 * not the end; if the upstream closes instead, that is the terminal part.  So
 * nobody has a complete answer before it is settled.
 *
 * Of a JSON text the bytes go on unchanged, the last LIMIT_KEEP_BACK of them
 * only when it is settled.  Until more than those have come it may still turn
 * out to be an error or no answer at all; then nothing of it is passed on.  A
 * text up to PASS_HEAD_BYTES is checked and read as a whole; of a larger one
 * the tap takes what stands at the top.
 */
#ifndef WEIR_PASS_H
#define WEIR_PASS_H

#include "fcgi/base/json.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/sse.h"
#include "handlers/dialect/tokens.h"

enum {
	PASS_HEAD_BYTES = 65536,
	PASS_MILLI_A_BYTE = 250 /* estimate of what is not looked into */
};

struct pass;

/* What a dialect says of its answers. */
struct pass_words {
	/* A whole frame: pass_frame, pass_end or neither passes it on. */
	void (*frame)(struct observer *o, struct pass *p, struct str raw);
	/* A part of one too large to be held; NULL: it is content. */
	void (*part)(struct observer *o, struct pass *p,
	    const struct sse_frame *f);
	/* What stands at the close without its blank line is a frame if this
	 * is in it, or JSON. */
	struct str end_mark;

	/* By their places among the taps: the error; which of them show that
	 * it is an answer all the same (bits); what is looked into. */
	int error, main;
	unsigned answers;
	/* The text is whole: is it an answer?  text is all of it, checked,
	 * main the value of that tap; empty: too large, the taps must do. */
	void (*judge)(struct observer *o, struct pass *p, struct str text,
	    struct str main);
	/* The answer is, or holds, an error: reads it. */
	void (*fail)(struct observer *o, struct pass *p, struct str text);
	/* More of a text that is passed on has come; may be NULL. */
	void (*more)(struct observer *o, struct pass *p, struct str piece);
};

/* What an observer remembers; a dialect's own state begins with it. */
struct pass {
	const struct pass_words *words;
	struct buf *out, *last; /* of the feed that runs */
	bool closed; /* the rest is swallowed */
	struct token_count count; /* of the output */

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

/* Makes o and p ready for an answer; taps: as json_tap_init takes them. */
void pass_observe(struct observer *o, struct pass *p,
    const struct pass_words *words, const char *const *taps);

/* As feed and finish of struct dialect, of a stream and of a text. */
void pass_stream_feed(struct observer *o, struct pass *p, struct str piece,
    struct buf *out, struct buf *last);
bool pass_stream_finish(struct observer *o, struct pass *p, struct buf *out,
    struct buf *last);
void pass_body_feed(struct observer *o, struct pass *p, struct str piece,
    struct buf *out, struct buf *last);
bool pass_body_finish(struct observer *o, struct pass *p, struct buf *last);

/* --- For a dialect's words ------------------------------------------------ */

/* Passes a frame on; behind a stop it waits, unless it brings content. */
void pass_frame(struct observer *o, struct pass *p, struct str raw,
    bool content);

/* The frame that ends the answer; one in which nothing came at all, and
 * nothing was counted, is none. */
void pass_end(struct observer *o, struct pass *p, struct str raw);
bool pass_counted(const struct observer *o);

/* The rest of a frame without its blank line is ended for who left that out:
 * more may be written behind it. */
void pass_rest(struct observer *o, struct pass *p);

/* An error was read: nothing of the answer goes on any more. */
void pass_failed(struct observer *o, struct pass *p);

/* A text that is no answer: nothing that is kept may go out. */
void pass_refuse(struct observer *o, struct pass *p);

/* An error, and no answer beside it? */
bool pass_looks_failed(const struct pass *p);

/* Was this tap's member there? */
static inline bool
pass_found(const struct pass *p, int tap)
{
	return p->tap.found >> tap & 1;
}

/* The first bytes of a text, as far as they are kept. */
struct str pass_head(const struct pass *p);

/* Through `last`, whose newest `keep` bytes stay. */
void pass_keep_back(
    struct str piece, size_t keep, struct buf *out, struct buf *last);

#endif
