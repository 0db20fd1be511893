/* SPDX-License-Identifier: MIT */
/* buf.c - bytes that grow up to a maximum; see buf.h. */
#include "fcgi/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/mem.h"

void
buf_release(struct buf *b)
{
	assert(!b->arena);
	free(b->p);
	*b = BUF_HEAP(b->max);
}

/* One byte more than asked is always there, for buf_text's NUL. */
static void
grow(struct buf *b, size_t need)
{
	size_t room = b->room ? b->room * 2 : 256;
	char *p;

	if (room < need + 1)
		room = need + 1;
	if (room > b->max + 1)
		room = b->max + 1;
	if (b->arena) {
		p = arena_alloc(b->arena, room);
		if (b->n)
			memcpy(p, b->p, b->n);
	} else {
		p = xresize(b->p, room);
	}
	b->p = p;
	b->room = room;
}

char *
buf_room(struct buf *b, size_t n)
{
	assert(b->n <= b->max);
	if (n > b->max - b->n || b->full) {
		b->full = true;
		return NULL;
	}
	if (b->n + n + 1 > b->room)
		grow(b, b->n + n);
	return b->p + b->n;
}

bool
buf_int(struct buf *b, int64_t v)
{
	char digits[STR_INT];

	return buf_put(b, str_digits(v, digits));
}

bool
buf_vprintf(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	assert(n >= 0);
	p = buf_room(b, (size_t)n);
	if (!p)
		return false;
	vsnprintf(p, (size_t)n + 1, format, ap);
	b->n += (size_t)n;
	return true;
}

bool
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	bool fits;

	va_start(ap, format);
	fits = buf_vprintf(b, format, ap);
	va_end(ap);
	return fits;
}

static bool
put_escaped(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':	return buf_put(b, S("\\\""));
	case '\\':	return buf_put(b, S("\\\\"));
	case '\n':	return buf_put(b, S("\\n"));
	case '\r':	return buf_put(b, S("\\r"));
	case '\t':	return buf_put(b, S("\\t"));
	default:	return buf_printf(b, "\\u%04x", c);
	}
}

bool
buf_raw(struct buf *b, struct str raw)
{
	buf_char(b, '"');
	buf_put(b, raw);
	return buf_char(b, '"');
}

bool
buf_json(struct buf *b, struct str s)
{
	size_t from = 0;

	buf_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buf_put(b, str_from(s.p + from, i - from));
		put_escaped(b, c);
		from = i + 1;
	}
	buf_put(b, str_skip(s, from));
	return buf_char(b, '"');
}

void
buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->n);
	b->n -= n;
	if (b->n && n)
		memmove(b->p, b->p + n, b->n);
}

const char *
buf_text(struct buf *b)
{
	if (!b->p || b->n + 1 > b->room)
		grow(b, b->n);
	b->p[b->n] = '\0';
	return b->p;
}
