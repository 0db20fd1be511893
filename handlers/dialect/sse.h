/* SPDX-License-Identifier: MIT */
/*
 * sse.h - server-sent events, cut out of a stream of bytes.
 *
 * Fed with pieces cut anywhere, it gives whole frames: everything up to and
 * with the blank line, as the bytes came.  A frame that came in one piece is
 * a slice of that piece; only what is cut is copied.  A frame larger than
 * LIMIT_EVENT_BYTES is given in parts, unread, so that memory is bounded by
 * that figure.  Frames, their order and their bytes do not depend on the cuts,
 * but for the parts of such a large one.
 */
#ifndef WEIR_SSE_H
#define WEIR_SSE_H

#include <stdbool.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

enum sse_kind {
	SSE_FRAME, /* whole */
	SSE_PART, /* of a frame too large to read */
	SSE_LAST_PART, /* with its blank line */
	SSE_TAIL /* the LF of a CRLF whose CR ended the frame before */
};

struct sse {
	struct buf kept; /* an unfinished frame */
	struct buf joined; /* data that stood in several lines */
	struct str in; /* of the piece, not yet looked at */
	bool given; /* kept was given out: drop it at the next step */
	bool within; /* the line at the end has a character */
	bool cr; /* the last byte was a CR */
	bool tail; /* a CR ended a frame: its LF may follow */
	bool large; /* in a frame that is given in parts */
};

struct sse_frame {
	enum sse_kind kind;
	struct str raw; /* valid until the next call */
};

/* The caller's storage; takes memory only for frames that are cut. */
void sse_init(struct sse *s);
void sse_release(struct sse *s);

/*
 * Gives it the next piece, which must stay until sse_next has answered false;
 * then all of it has been taken.
 */
void sse_feed(struct sse *s, struct str piece);
bool sse_next(struct sse *s, struct sse_frame *f);

/* What has come of a frame that is not finished. */
struct str sse_rest(const struct sse *s);

struct sse_fields {
	struct str event; /* empty: none */
	struct str data; /* lines joined by LF */
	bool has_data;
};

/*
 * Reads the fields of a whole frame; comments, id and retry are passed over.
 * Slices of raw, or of s until the next call.
 */
void sse_read(struct sse *s, struct str raw, struct sse_fields *f);

#endif
