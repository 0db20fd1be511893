/* SPDX-License-Identifier: MIT */
/*
 * json.c - JSON text read in place, without a tree; see json.h.
 *
 * The check (json_check.c) knows the whole grammar and trusts nothing.  The
 * cursors here know quotes and brackets, because the text they walk was
 * checked; they only never leave it.  The tap (json_tap.c) is a cursor whose
 * text comes in pieces.
 */
#include "fcgi/base/json.h"

#include <assert.h>

#include "fcgi/base/json_char.h"

/* Longest spelling of a number that json_int reads. */
enum { NUMBER_BYTES = 64 };

size_t
json_utf8(struct str s)
{
	const char *p = s.p, *end;
	size_t n;

	if (s.n == 0)
		return 0;
	end = s.p + s.n;
	while (p < end) {
		if ((unsigned char)*p < 0x80) {
			p++;
			continue;
		}
		n = utf8_char(p, end);
		if (n == 0)
			break;
		p += n;
	}
	return (size_t)(p - s.p);
}

size_t
json_escape(struct str s, uint32_t *code)
{
	size_t n;

	assert(s.n > 0);
	n = escape(s.p, s.p + s.n, code);
	if (n == 0) {
		*code = (unsigned char)s.p[0];
		n = 1;
	}
	return n;
}

enum json_kind
json_kind(struct str value)
{
	if (value.n == 0)
		return JSON_IS_NONE;
	switch (value.p[0]) {
	case 'n':
		return JSON_IS_NULL;
	case 't':
	case 'f':
		return JSON_IS_BOOL;
	case '"':
		return JSON_IS_STRING;
	case '[':
		return JSON_IS_ARRAY;
	case '{':
		return JSON_IS_OBJECT;
	default:
		if (value.p[0] == '-' || is_digit(value.p[0]))
			return JSON_IS_NUMBER;
		return JSON_IS_NONE;
	}
}

/* p stands behind an opening quote: what follows the closing one, or NULL. */
static const char *
string_end(const char *p, const char *end)
{
	const char *from = p, *quote, *q;

	while ((quote = memchr(p, '"', (size_t)(end - p)))) {
		for (q = quote; q > from && q[-1] == '\\'; q--)
			continue;
		if ((quote - q) % 2 == 0)
			return quote + 1;
		p = quote + 1;
	}
	return NULL;
}

/* p stands on an opening bracket: what follows its partner, or NULL. */
static const char *
container_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p && p < end) {
		switch (*p++) {
		case '"':
			p = string_end(p, end);
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return p;
			break;
		default:
			break;
		}
	}
	return NULL;
}

static const char *
value_end(const char *p, const char *end)
{
	if (*p == '"')
		return string_end(p + 1, end);
	if (*p == '{' || *p == '[')
		return container_end(p, end);
	while (p < end && *p != ',' && *p != ']' && *p != '}' && !is_blank(*p))
		p++;
	return p;
}

struct json_each
json_each(struct str container)
{
	struct json_each m = { 0 };
	enum json_kind kind = json_kind(container);

	m.object = kind == JSON_IS_OBJECT;
	if (kind == JSON_IS_OBJECT || kind == JSON_IS_ARRAY)
		m.rest = str_skip(container, 1);
	return m;
}

/* Reads the name and passes its colon; NULL when there is none. */
static const char *
next_name(struct json_each *m, const char *p, const char *end)
{
	const char *q;

	if (*p != '"')
		return NULL;
	q = string_end(++p, end);
	if (!q)
		return NULL;
	m->name = str_from(p, (size_t)(q - p) - 1);
	q = skip_blanks(q, end);
	return q < end && *q == ':' ? skip_blanks(q + 1, end) : NULL;
}

bool
json_next(struct json_each *m)
{
	const char *end, *p, *q = NULL;

	if (m->rest.n == 0)
		return false;
	end = m->rest.p + m->rest.n;
	p = skip_blanks(m->rest.p, end);
	if (p < end && *p == ',')
		p = skip_blanks(p + 1, end);
	m->rest.n = 0;
	if (p == end || *p == '}' || *p == ']')
		return false;
	if (m->object)
		p = next_name(m, p, end);
	if (p && p < end)
		q = value_end(p, end);
	if (!q || q == p)
		return false;
	m->value = str_from(p, (size_t)(q - p));
	m->rest = str_from(q, (size_t)(end - q));
	return true;
}

static size_t
put_utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Takes the next character of a raw text. */
static uint32_t
next_char(struct str *s)
{
	uint32_t code = (unsigned char)s->p[0];
	size_t n = 1;

	if (code == '\\') {
		n = json_escape(*s, &code);
	} else if (code >= 0x80) {
		n = utf8_char(s->p, s->p + s->n);
		if (n == 2)
			code = (code & 0x1f) << 6 | (s->p[1] & 0x3f);
		else if (n == 3)
			code = (code & 0x0f) << 12 | (s->p[1] & 0x3f) << 6 |
			    (s->p[2] & 0x3f);
		else if (n == 4)
			code = (code & 0x07) << 18 | (s->p[1] & 0x3f) << 12 |
			    (s->p[2] & 0x3f) << 6 | (s->p[3] & 0x3f);
		else
			n = 1; /* not UTF-8: the byte as a character */
	}
	*s = str_skip(*s, n);
	return code;
}

static uint32_t
fold(uint32_t code)
{
	if (code >= 'A' && code <= 'Z')
		return code | 0x20;
	return code == 0x17f ? 's' : code == 0x212a ? 'k' : code;
}

bool
json_name_is(struct str raw_name, struct str want)
{
	struct str s = raw_name;

	if (s.n < want.n)
		return false;
	if (s.n == want.n && memcmp(s.p, want.p, s.n) == 0)
		return true;
	for (size_t i = 0; i < want.n; i++)
		if (s.n == 0 ||
		    fold(next_char(&s)) != fold((unsigned char)want.p[i]))
			return false;
	return s.n == 0;
}

struct str
json_name(struct arena *a, struct str raw_name)
{
	struct str s = raw_name;
	char *out, *to;
	size_t i = 0;

	while (i < s.n && s.p[i] != '\\' && (unsigned char)s.p[i] < 0x80 &&
	    (s.p[i] < 'A' || s.p[i] > 'Z'))
		i++;
	if (i == s.n)
		return raw_name;
	out = to = arena_alloc(a, s.n * 2);
	while (s.n) {
		uint32_t code = fold(next_char(&s));

		to += put_utf8(is_half(code) ? 0xfffd : code, to);
	}
	return str_from(out, (size_t)(to - out));
}

/* No escape is shorter than what it stands for: out has room for raw.n. */
static size_t
unescape(struct str raw, char *out)
{
	char *to = out;
	uint32_t code;
	const char *slash;
	size_t plain;

	while (raw.n) {
		slash = memchr(raw.p, '\\', raw.n);
		plain = slash ? (size_t)(slash - raw.p) : raw.n;
		memcpy(to, raw.p, plain);
		to += plain;
		raw = str_skip(raw, plain);
		if (raw.n) {
			raw = str_skip(raw, json_escape(raw, &code));
			to += put_utf8(is_half(code) ? 0xfffd : code, to);
		}
	}
	return (size_t)(to - out);
}

struct str
json_text(struct arena *a, struct str value)
{
	struct str raw;
	char *out;

	if (value.n < 2 || value.p[0] != '"' || value.p[value.n - 1] != '"')
		return (struct str){ 0 };
	raw = str_from(value.p + 1, value.n - 2);
	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
		return raw;
	out = arena_alloc(a, raw.n);
	return str_from(out, unescape(raw, out));
}

/* Is a raw name exactly this one, after unescaping? */
static bool
name_equals(struct str raw, struct str want)
{
	char text[JSON_TAP_NAME * 6];

	if (str_eq(raw, want))
		return true;
	if (raw.n <= want.n || raw.n > sizeof(text) ||
	    !memchr(raw.p, '\\', raw.n))
		return false;
	return str_eq(str_from(text, unescape(raw, text)), want);
}

struct str
json_get(struct str object, struct str name)
{
	struct json_each m = json_each(object);

	if (m.object)
		while (json_next(&m))
			if (name_equals(m.name, name))
				return m.value;
	return (struct str){ 0 };
}

bool
json_yes(struct str value)
{
	return str_eq(value, S("true"));
}

/* The exponent behind an 'e', cut to what can be counted with. */
static int64_t
exponent(struct str s)
{
	bool minus = s.p[0] == '-';
	int64_t e = 0;

	if (minus || s.p[0] == '+')
		s = str_skip(s, 1);
	for (size_t i = 0; i < s.n && e < 100000; i++)
		e = e * 10 + (s.p[i] - '0');
	return minus ? -e : e;
}

/* Multiplies by a power of ten; false if a fraction or too much is left. */
static bool
scale(int64_t *v, int64_t power)
{
	for (; power < 0 && *v; power++) {
		if (*v % 10)
			return false;
		*v /= 10;
	}
	for (; power > 0 && *v; power--)
		if (__builtin_mul_overflow(*v, 10, v))
			return false;
	return true;
}

bool
json_int(struct str value, int64_t *v)
{
	char digits[NUMBER_BYTES];
	size_t n = 0, first = value.n && value.p[0] == '-';
	bool fraction = false;
	int64_t power = 0, whole;

	if (value.n > sizeof(digits) || json_kind(value) != JSON_IS_NUMBER ||
	    !json_valid(value, NULL))
		return false;
	for (size_t i = 0; i < value.n; i++) {
		if ((value.p[i] | 0x20) == 'e') {
			power += exponent(str_skip(value, i + 1));
			break;
		}
		if (value.p[i] == '.') {
			fraction = true;
			continue;
		}
		digits[n++] = value.p[i];
		power -= fraction;
	}
	for (; n > first + 1 && digits[n - 1] == '0'; n--)
		power++;
	if (!str_int(str_from(digits, n), &whole) || !scale(&whole, power))
		return false;
	*v = whole;
	return true;
}
