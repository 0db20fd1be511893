/* SPDX-License-Identifier: MIT */
/*
 * fcgi.h - FastCGI from the web server's side: records out, answers in.
 *
 * Writes any record it is told to, right or wrong, into a text; reads what
 * comes back in pieces of any size.
 */
#ifndef TESTS_TOOLS_FCGI_H
#define TESTS_TOOLS_FCGI_H

#include "tests/tools/text.h"

enum {
	BEGIN = 1,
	ABORT,
	END_REQUEST,
	PARAMS,
	STDIN,
	STDOUT,
	STDERR,
	DATA,
	GET_VALUES,
	GET_VALUES_RESULT,
	UNKNOWN_TYPE
};
enum { RESPONDER = 1 };
enum { KEEP = 1 };

static inline void
record_padded(
    struct text *t, int type, int id, const void *p, size_t n, size_t pad)
{
	unsigned char head[8] = { 1, (unsigned char)type,
		(unsigned char)(id >> 8), (unsigned char)id,
		(unsigned char)(n >> 8), (unsigned char)n, (unsigned char)pad,
		0 };

	text_put(t, head, sizeof head);
	text_put(t, p, n);
	text_fill(t, 0, pad);
}

static inline void
record(struct text *t, int type, int id, const void *p, size_t n)
{
	record_padded(t, type, id, p, n, 0);
}

static inline void
record_begin(struct text *t, int id, int role, int flags)
{
	unsigned char body[8] = { (unsigned char)(role >> 8),
		(unsigned char)role, (unsigned char)flags };

	record(t, BEGIN, id, body, sizeof body);
}

/* A stream in records of at most most bytes each; its end is not written. */
static inline void
record_stream(struct text *t, int type, int id, const char *p, size_t n,
    size_t most, size_t pad)
{
	while (n) {
		size_t part = n < most ? n : most;

		record_padded(t, type, id, p, part, pad);
		p += part;
		n -= part;
	}
}

static inline void
param_length(struct text *t, size_t n)
{
	unsigned char l[4] = { (unsigned char)(n >> 24 | 0x80),
		(unsigned char)(n >> 16), (unsigned char)(n >> 8),
		(unsigned char)n };

	if (n < 128)
		text_put(t, l + 3, 1);
	else
		text_put(t, l, 4);
}

static inline void
param(struct text *t, const char *name, const char *value, size_t n)
{
	param_length(t, strlen(name));
	param_length(t, n);
	text_say(t, name);
	text_put(t, value, n);
}

/* One answer while it comes. */
struct reply {
	unsigned char head[8];
	size_t head_n, left; /* of this record's head; content and padding */
	size_t content; /* content bytes still to come */
	struct text out; /* STDOUT, at most OUT_KEPT of it */
	uint64_t out_bytes; /* all of STDOUT */
	long events; /* "data:" lines in it */
	bool ended, alien; /* END_REQUEST; bytes that are no record */
	int protocol; /* END_REQUEST's protocol status */
	int values; /* GET_VALUES_RESULT or UNKNOWN_TYPE records */
};

enum { OUT_KEPT = 65536 };

static inline void
reply_reset(struct reply *r)
{
	struct text out = r->out;

	out.n = 0;
	*r = (struct reply){ .out = out };
}

static inline void
reply_stdout(struct reply *r, const char *p, size_t n)
{
	r->out_bytes += n;
	for (size_t i = 0; i + 5 <= n; i++)
		r->events += !memcmp(p + i, "data:", 5);
	if (r->out.n < OUT_KEPT)
		text_put(&r->out, p, n);
}

static inline void
reply_head(struct reply *r)
{
	const unsigned char *h = r->head;

	r->content = (size_t)(h[4] << 8 | h[5]);
	r->left = r->content + h[6];
	r->alien = h[0] != 1 || !h[1] || h[1] > UNKNOWN_TYPE;
	if (h[1] == GET_VALUES_RESULT || h[1] == UNKNOWN_TYPE)
		r->values++;
}

/*
 * Read n bytes; returns how many belong to this answer: fewer than n once it
 * has ended.  After alien bytes nothing more is read.
 */
static inline size_t
reply_feed(struct reply *r, const char *p, size_t n)
{
	size_t at = 0, part;

	while (at < n && !r->ended && !r->alien) {
		if (r->head_n < 8) {
			r->head[r->head_n++] = (unsigned char)p[at++];
			if (r->head_n < 8)
				continue;
			reply_head(r);
		} else {
			part = n - at < r->left ? n - at : r->left;
			if (r->content) {
				part = part < r->content ? part : r->content;
				if (r->head[1] == STDOUT)
					reply_stdout(r, p + at, part);
				if (r->head[1] == END_REQUEST &&
				    r->content == 8 && part > 4)
					r->protocol = p[at + 4];
				r->content -= part;
			}
			at += part;
			r->left -= part;
		}
		if (r->head_n == 8 && !r->left) {
			r->ended = r->head[1] == END_REQUEST;
			r->head_n = 0;
		}
	}
	return at;
}

/* The answer's HTTP status; 0 when no whole head came. */
static inline long
reply_status(const struct reply *r)
{
	const char *end =
	    r->out.n ? memmem(r->out.p, r->out.n, "\r\n\r\n", 4) : NULL;
	const char *p;

	if (!end)
		return 0;
	p = memmem(r->out.p, (size_t)(end - r->out.p), "Status: ", 8);
	return p ? strtol(p + 8, NULL, 10) : 200;
}

#endif
