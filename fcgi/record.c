/* SPDX-License-Identifier: MIT */
/*
 * record.c - FastCGI records; see record.h.  The format is that of the
 * FastCGI specification 1.0, sections 3.3 and 3.4.
 */
#include "fcgi/record.h"

#include <assert.h>

#include "fcgi/base/limits.h"

enum { VERSION = 1, ROLE_RESPONDER = 1 };

static enum record_seen
begin_body(struct record_walk *w, struct str content)
{
	if (w->begin_n + content.n > sizeof(w->begin_body))
		return RECORD_BAD;
	memcpy(w->begin_body + w->begin_n, content.p, content.n);
	w->begin_n += (unsigned)content.n;
	if (w->begin_n >= 2 &&
	    (w->begin_body[0] << 8 | w->begin_body[1]) != ROLE_RESPONDER)
		return RECORD_BAD;
	return RECORD_MORE;
}

static unsigned
length_bytes(uint8_t first)
{
	return first & 0x80 ? 4 : 1;
}

static size_t
length_of(const uint8_t *p)
{
	if (length_bytes(p[0]) == 1)
		return p[0];
	return (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 |
	    (size_t)p[2] << 8 | p[3];
}

/*
 * Names and values must fill the parameters exactly: libfcgi allocates what
 * their lengths say, up to 4 GiB, and ends the process when it cannot.
 */
static enum record_seen
take_params(struct record_walk *w, struct str content)
{
	unsigned name;
	size_t n;

	while (content.n) {
		n = w->pair_left < content.n ? w->pair_left : content.n;
		w->pair_left -= n;
		content = str_skip(content, n);
		if (!content.n)
			break;
		w->pair[w->pair_n++] = (uint8_t)content.p[0];
		content = str_skip(content, 1);
		name = length_bytes(w->pair[0]);
		if (w->pair_n <= name ||
		    w->pair_n < name + length_bytes(w->pair[name]))
			continue;
		w->pair_left = length_of(w->pair) + length_of(w->pair + name);
		w->pair_n = 0;
		if (w->pair_left > LIMIT_PARAMS_BYTES)
			return RECORD_BAD;
	}
	return RECORD_MORE;
}

static enum record_seen
take_content(struct record_walk *w, struct str content)
{
	switch (w->head[1]) {
	case RECORD_BEGIN:
		return begin_body(w, content);
	case RECORD_PARAMS:
		w->params_bytes += content.n;
		if (w->params_bytes > LIMIT_PARAMS_BYTES)
			return RECORD_PARAMS_LARGE;
		if (w->params)
			buf_put(w->params, content);
		return take_params(w, content);
	case RECORD_STDIN:
		w->stdin_bytes += content.n;
		return RECORD_MORE;
	default:
		return RECORD_BAD;
	}
}

/* A head is complete: is this record allowed here? */
static enum record_seen
take_head(struct record_walk *w)
{
	uint16_t id = (uint16_t)(w->head[2] << 8 | w->head[3]);
	int type = w->head[1];

	w->content = (size_t)w->head[4] << 8 | w->head[5];
	w->padding = w->head[6];
	w->padded_end |= w->content == 0 && w->padding > 0;
	if (w->head[0] != VERSION || id == 0)
		return RECORD_BAD;
	if (type == RECORD_BEGIN) {
		if (w->begun || w->content != 8)
			return RECORD_BAD;
		w->begun = true;
		w->id = id;
		return RECORD_MORE;
	}
	if (!w->begun || id != w->id)
		return RECORD_BAD;
	if (type == RECORD_ABORT)
		return RECORD_ABORTED;
	if (type == RECORD_PARAMS)
		return w->params_ended ? RECORD_BAD : RECORD_MORE;
	if (type == RECORD_STDIN)
		return w->params_ended ? RECORD_MORE : RECORD_BAD;
	return RECORD_BAD;
}

/* A record is over: an empty one may have ended something. */
static enum record_seen
end_record(struct record_walk *w)
{
	bool empty = w->head[4] == 0 && w->head[5] == 0;
	int type = w->head[1];

	w->head_n = 0;
	if (type == RECORD_PARAMS && empty) {
		w->params_ended = true;
		if (w->pair_n || w->pair_left)
			return RECORD_BAD;
		return RECORD_PARAMS_END;
	}
	return type == RECORD_STDIN && empty ? RECORD_WHOLE : RECORD_MORE;
}

enum record_seen
record_walk(struct record_walk *w, struct str bytes, size_t *used)
{
	struct str rest = bytes;
	enum record_seen seen = RECORD_MORE;

	while (seen == RECORD_MORE && rest.n) {
		size_t n;

		if (w->head_n < RECORD_HEAD_BYTES) {
			n = RECORD_HEAD_BYTES - w->head_n;
			if (n > rest.n)
				n = rest.n;
			memcpy(w->head + w->head_n, rest.p, n);
			w->head_n += (unsigned)n;
			rest = str_skip(rest, n);
			if (w->head_n < RECORD_HEAD_BYTES)
				continue;
			seen = take_head(w);
		} else {
			n = w->content ? w->content : w->padding;
			if (n > rest.n)
				n = rest.n;
			if (w->content) {
				seen = take_content(w, str_from(rest.p, n));
				w->content -= n;
			} else {
				w->padding -= n;
			}
			rest = str_skip(rest, n);
		}
		if (seen == RECORD_MORE && w->head_n == RECORD_HEAD_BYTES &&
		    w->content == 0 && w->padding == 0)
			seen = end_record(w);
	}
	*used = bytes.n - rest.n;
	return seen;
}

bool
record_unpad(struct str bytes, struct buf *out)
{
	while (bytes.n >= RECORD_HEAD_BYTES) {
		const uint8_t *head = (const uint8_t *)bytes.p;
		size_t content = (size_t)head[4] << 8 | head[5];
		size_t whole = RECORD_HEAD_BYTES + content + head[6];

		buf_put(out, str_from(bytes.p, RECORD_HEAD_BYTES + content));
		if (!out->full)
			out->p[out->n - content - 2] = 0;
		bytes = str_skip(bytes, whole);
	}
	return !out->full;
}

void
record_head(uint8_t out[static RECORD_HEAD_BYTES], int type, uint16_t id,
    size_t content)
{
	assert(content <= RECORD_CONTENT_MAX);
	out[0] = VERSION;
	out[1] = (uint8_t)type;
	out[2] = (uint8_t)(id >> 8);
	out[3] = (uint8_t)id;
	out[4] = (uint8_t)(content >> 8);
	out[5] = (uint8_t)content;
	out[6] = 0;
	out[7] = 0;
}

static bool
read_length(struct str *s, size_t *n)
{
	const uint8_t *p = (const uint8_t *)s->p;

	if (s->n == 0 || s->n < length_bytes(p[0]))
		return false;
	*n = length_of(p);
	*s = str_skip(*s, length_bytes(p[0]));
	return true;
}

struct str
record_param(struct str params, struct str name)
{
	size_t name_n, value_n;

	while (params.n && read_length(&params, &name_n) &&
	    read_length(&params, &value_n)) {
		if (name_n > params.n || value_n > params.n - name_n)
			break;
		if (str_eq(str_from(params.p, name_n), name))
			return str_from(params.p + name_n, value_n);
		params = str_skip(params, name_n + value_n);
	}
	return (struct str){ NULL, 0 };
}
