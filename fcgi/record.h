/* SPDX-License-Identifier: MIT */
/*
 * record.h - FastCGI records, as far as libfcgi does not serve.
 *
 * A walk follows the records of one request through bytes cut anywhere and
 * tells when the parameters, and when the whole request, are there.  It
 * parses nothing else; libfcgi reads the request once it is whole.
 */
#ifndef WEIR_RECORD_H
#define WEIR_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

enum {
	RECORD_BEGIN = 1, RECORD_ABORT = 2, RECORD_END = 3, RECORD_PARAMS = 4,
	RECORD_STDIN = 5, RECORD_STDOUT = 6, RECORD_HEAD_BYTES = 8,
	RECORD_CONTENT_MAX = 65535
};

struct record_walk {
	uint8_t head[RECORD_HEAD_BYTES];
	unsigned head_n;		/* bytes of the head seen */
	size_t content, padding;	/* still to come of this record */
	bool begun, params_ended;
	uint8_t begin_body[8];
	unsigned begin_n;
	uint16_t id;			/* of the request */
	size_t params_bytes, stdin_bytes;
	uint8_t pair[8];		/* lengths of a name and its value */
	unsigned pair_n;		/* bytes of them seen */
	size_t pair_left;		/* of both texts, still to come */
	bool padded_end;		/* an empty record has padding: libfcgi
					 * loses its place there */
	struct buf *params;		/* collects their content, or NULL */
};

enum record_seen {
	RECORD_MORE,			/* all consumed, more is needed */
	RECORD_PARAMS_END,		/* the parameters are complete */
	RECORD_WHOLE,			/* the request is complete */
	RECORD_ABORTED,			/* the server took it back */
	RECORD_BAD,			/* not FastCGI, or not as a responder */
	RECORD_PARAMS_LARGE		/* above LIMIT_PARAMS_BYTES */
};

/*
 * Consumes bytes up to the next event; *used says how many.  Call again with
 * the rest after RECORD_PARAMS_END; every other event but RECORD_MORE ends
 * the walk.
 */
enum record_seen record_walk(struct record_walk *w, struct str bytes,
    size_t *used);

/*
 * The records of a whole request once more, without any padding; false: out
 * is full.
 */
bool record_unpad(struct str bytes, struct buf *out);

/* A record's head, written. */
void record_head(uint8_t out[static RECORD_HEAD_BYTES], int type, uint16_t id,
    size_t content);

/*
 * A parameter's value in the content of PARAMS records, or the empty view
 * (p NULL when there is no such parameter).
 */
struct str record_param(struct str params, struct str name);

#endif
