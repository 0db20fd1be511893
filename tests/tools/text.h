/* SPDX-License-Identifier: MIT */
/*
 * text.h - growing bytes and a small JSON reader for the test tools.
 *
 * The reader walks the text and builds no tree: a value is the slice of text
 * that spells it.  It is quick on the large strings of request bodies
 * (memchr), and lenient: it finds members, it does not validate.
 */
#ifndef TESTS_TOOLS_TEXT_H
#define TESTS_TOOLS_TEXT_H

#include "tests/tools/net.h"

struct slice {
	const char *p; /* NULL: not there */
	size_t n;
};

#define S(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

static inline bool
slice_is(struct slice s, const char *word)
{
	return s.p && s.n == strlen(word) && !memcmp(s.p, word, s.n);
}

struct text {
	char *p;
	size_t n, room;
};

/* Room for n more bytes behind the text; returns where they go. */
static inline char *
text_room(struct text *t, size_t n)
{
	if (t->n + n > t->room) {
		t->room = (t->room + n) * 2;
		t->p = must(realloc(t->p, t->room));
	}
	return t->p + t->n;
}

static inline void
text_put(struct text *t, const void *p, size_t n)
{
	if (n)
		memcpy(text_room(t, n), p, n);
	t->n += n;
}

static inline void
text_say(struct text *t, const char *s)
{
	text_put(t, s, strlen(s));
}

static inline void
text_fill(struct text *t, char c, size_t n)
{
	memset(text_room(t, n + 1), c, n);
	t->n += n;
}

__attribute__((format(printf, 2, 3))) static inline void
text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	text_room(t, 256);
	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, t->room - t->n, fmt, ap);
	va_end(ap);
	if ((size_t)n >= t->room - t->n) {
		text_room(t, (size_t)n + 1);
		va_start(ap, fmt);
		vsnprintf(t->p + t->n, t->room - t->n, fmt, ap);
		va_end(ap);
	}
	t->n += (size_t)n;
}

static inline void
text_drop(struct text *t)
{
	free(t->p);
	*t = (struct text){ 0 };
}

/* The bytes as the inside of a JSON string. */
static inline void
text_quote(struct text *t, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '"' || c == '\\')
			text_add(t, "\\%c", c);
		else if (c < 0x20)
			text_add(t, "\\u%04x", c);
		else
			text_put(t, p + i, 1);
	}
}

static inline const char *
json_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* p stands on a quote; returns what follows the closing one. */
static inline const char *
json_string_end(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		const char *q = memchr(p, '"', (size_t)(end - p)), *b = q;

		if (!q)
			return end;
		while (b > p && b[-1] == '\\')
			b--;
		if ((q - b) % 2 == 0)
			return q + 1;
		p = q;
	}
	return end;
}

/* What follows the value that begins at p. */
static inline const char *
json_skip(const char *p, const char *end)
{
	int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = json_string_end(p, end);
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
			continue;
		} else if (*p == '}' || *p == ']') {
			depth--;
			p++;
		} else if (depth) {
			p++;
			continue;
		} else {
			while (p < end && !strchr(",]} \t\r\n", *p))
				p++;
			return p;
		}
		if (depth <= 0)
			return p;
	}
	return end;
}

/*
 * Step through the members of an object or the elements of an array: *at
 * begins as the whole text and is consumed.  name may be NULL for arrays.
 */
static inline bool
json_next(struct slice *at, struct slice *name, struct slice *value)
{
	const char *p = at->p, *end = at->p ? at->p + at->n : NULL;

	p = json_blank(p, end);
	if (p < end && strchr("{[,", *p))
		p = json_blank(p + 1, end);
	if (p >= end || *p == '}' || *p == ']')
		return false;
	if (name) {
		if (*p != '"')
			return false;
		name->p = p + 1;
		p = json_string_end(p, end);
		name->n = (size_t)(p - name->p) - 1;
		p = json_blank(p, end);
		if (p >= end || *p != ':')
			return false;
		p = json_blank(p + 1, end);
	}
	value->p = p;
	p = json_skip(p, end);
	value->n = (size_t)(p - value->p);
	p = json_blank(p, end);
	*at = (struct slice){ p, (size_t)(end - p) };
	return value->n > 0;
}

/* The member of that name, as text; a string keeps its quotes. */
static inline struct slice
json_get(struct slice object, const char *want)
{
	struct slice name, value;

	if (!object.p || !object.n || *object.p != '{')
		return (struct slice){ 0 };
	while (json_next(&object, &name, &value))
		if (slice_is(name, want))
			return value;
	return (struct slice){ 0 };
}

/* The inside of a string value, escapes as they are; or nothing. */
static inline struct slice
json_string(struct slice v)
{
	if (!v.p || v.n < 2 || *v.p != '"')
		return (struct slice){ 0 };
	return (struct slice){ v.p + 1, v.n - 2 };
}

static inline long
json_long(struct slice v, long otherwise)
{
	char digits[24] = "";

	if (!v.p || !v.n || v.n >= sizeof digits || *v.p < '0' || *v.p > '9')
		return otherwise;
	memcpy(digits, v.p, v.n);
	return strtol(digits, NULL, 10);
}

#endif
