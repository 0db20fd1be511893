/* SPDX-License-Identifier: MIT */
/*
 * json_tap.c - some members of an object whose text comes in pieces.
 *
 * A state for each place where the text can be cut.  What is kept is copied
 * in runs, not byte by byte: `from` is where the run of this piece begins.
 */
#include <assert.h>

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"

/* Where in a member of the outermost object the text stands. */
enum part { NAME, IN_NAME, COLON, VALUE, IN_VALUE };

void
json_tap_init(
    struct json_tap *t, struct arena *a, const char *const *names, size_t max)
{
	size_t n = 0;

	while (names[n])
		n++;
	assert(n <= JSON_TAPS);
	*t = (struct json_tap){
		.names = names, .arena = a, .max = max, .want = -1
	};
}

/* p stands in a string: its closing quote or end; *escaped is carried. */
static const char *
string_pass(const char *p, const char *end, bool *escaped)
{
	const char *quote, *slash;

	while (p < end) {
		quote = memchr(p, '"', (size_t)(end - p));
		if (!quote)
			quote = end;
		while (p < quote) {
			slash = NULL;
			if (!*escaped)
				slash = memchr(p, '\\', (size_t)(quote - p));
			p = *escaped ? p + 1 : slash ? slash + 1 : quote;
			*escaped = slash != NULL;
		}
		if (quote == end || !*escaped)
			return quote;
		*escaped = false;
		p = quote + 1;
	}
	return end;
}

static void
keep(struct json_tap *t, const char *from, const char *to)
{
	if (t->want >= 0)
		buf_put(&t->kept, str_from(from, (size_t)(to - from)));
}

static void
name_add(struct json_tap *t, const char *from, const char *to)
{
	size_t n = (size_t)(to - from);

	if (n > sizeof(t->name) - t->name_n) {
		t->name_long = true;
		return;
	}
	memcpy(t->name + t->name_n, from, n);
	t->name_n += n;
}

static bool
name_matches(const struct json_tap *t, const char *want)
{
	struct str raw = str_from(t->name, t->name_n), w = str_of(want);
	struct str s = raw;
	uint32_t code;

	if (str_eq(raw, w))
		return true;
	for (size_t i = 0; i < w.n; i++) {
		if (s.n == 0)
			return false;
		code = (unsigned char)s.p[0];
		s = str_skip(s, code == '\\' ? json_escape(s, &code) : 1);
		if (code != (unsigned char)w.p[i])
			return false;
	}
	return s.n == 0;
}

static void
value_begins(struct json_tap *t)
{
	t->part = IN_VALUE;
	t->want = -1;
	if (t->name_long)
		return;
	for (int i = 0; t->names[i]; i++)
		if (t->names[i][0] && name_matches(t, t->names[i])) {
			t->want = i;
			t->found |= 1u << i;
			t->values[i] = (struct str){ 0 };
			t->kept = BUF(t->arena, t->max);
			return;
		}
}

static void
value_ends(struct json_tap *t)
{
	if (t->want >= 0 && t->kept.full)
		t->lost = true;
	else if (t->want >= 0)
		t->values[t->want] = buf_str(&t->kept);
	t->want = -1;
	t->part = NAME;
}

static void
opens(struct json_tap *t, bool object)
{
	if (t->depth == LIMIT_JSON_DEPTH) {
		t->bad = true;
		return;
	}
	if (t->depth == 0)
		t->object = object;
	t->objects = t->objects << 1 | object;
	t->depth++;
}

static bool
closes(struct json_tap *t, bool object)
{
	if (t->depth == 0 || (t->objects & 1) != object) {
		t->bad = true;
		return false;
	}
	t->objects >>= 1;
	t->depth--;
	t->whole = t->depth == 0;
	return true;
}

/*
 * One byte outside of strings.  *from is where the run to be kept begins;
 * p is behind the byte.
 */
static void
step(struct json_tap *t, const char *p, const char **from)
{
	char c = p[-1];
	bool top = t->object && t->depth == 1;
	bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';

	/* A number or a word of the outermost object ends before this. */
	if (top && t->part == IN_VALUE && (blank || c == ',' || c == '}')) {
		keep(t, *from, p - 1);
		value_ends(t);
	}
	if (blank)
		return;
	if (top && t->part == VALUE && c != '}' && c != ']' && c != ',') {
		value_begins(t);
		*from = p - 1;
	}
	switch (c) {
	case '"':
		t->string = true;
		if (top && t->part == NAME) {
			t->part = IN_NAME;
			t->name_n = 0;
			t->name_long = false;
		}
		break;
	case '{':
	case '[':
		opens(t, c == '{');
		break;
	case '}':
	case ']':
		if (closes(t, c == '}') && t->object && t->depth == 1) {
			keep(t, *from, p);
			value_ends(t);
		}
		break;
	case ':':
		if (top && t->part == COLON)
			t->part = VALUE;
		break;
	case ',':
		if (top)
			t->part = NAME;
		break;
	default:
		break;
	}
}

/* The inside of a string up to its quote, or to the end of the piece. */
static const char *
pass_string(
    struct json_tap *t, const char *p, const char *end, const char **from)
{
	const char *q = string_pass(p, end, &t->escaped);
	bool top = t->object && t->depth == 1;

	if (top && t->part == IN_NAME)
		name_add(t, p, q);
	if (q == end)
		return end;
	t->string = false;
	if (top && t->part == IN_NAME) {
		t->part = COLON;
	} else if (top && t->part == IN_VALUE) {
		keep(t, *from, q + 1);
		value_ends(t);
	}
	t->whole = t->depth == 0;
	return q + 1;
}

/* Bytes that mean nothing below the outermost level. */
static const char *
pass_plain(const char *p, const char *end)
{
	while (p < end && *p != '"' && (*p & 0x5f) != '[' && (*p & 0x5f) != ']')
		p++;
	return p;
}

size_t
json_tap_feed(struct json_tap *t, struct str piece)
{
	const char *p = piece.p, *end = piece.p + piece.n, *from = p;

	while (p < end && !t->whole && !t->bad) {
		if (t->string) {
			p = pass_string(t, p, end, &from);
			continue;
		}
		if (t->depth > 1)
			p = pass_plain(p, end);
		if (p < end)
			step(t, ++p, &from);
	}
	if (t->part == IN_VALUE)
		keep(t, from, p);
	return (size_t)(p - piece.p);
}

/* The index of a name without escapes, or -1. */
static int
index_of(const struct json_tap *t, struct str name)
{
	for (int i = 0; t->names[i]; i++)
		if (name.n && t->names[i][0] == name.p[0] &&
		    str_eq(str_of(t->names[i]), name))
			return i;
	return -1;
}

bool
json_tap_whole(struct json_tap *t, const struct json_members *list)
{
	struct str values[JSON_TAPS] = { 0 };
	unsigned found = 0;

	assert(!t->whole && !t->found);
	if (!list->object || list->more)
		return false;
	for (size_t j = 0; j < list->n; j++) {
		struct str name = list->name[j];
		int i = index_of(t, name);

		if (memchr(name.p, '\\', name.n) ||
		    (i >= 0 && found & 1u << i))
			return false;
		if (i < 0)
			continue;
		values[i] = list->value[j];
		found |= 1u << i;
	}
	memcpy(t->values, values, sizeof(values));
	t->found = found;
	t->object = t->whole = true;
	return true;
}
