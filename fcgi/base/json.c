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

/* As string_end, for strings that are long or hold an escape. */
static const char *
long_string_end(const char *p, const char *end)
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

/*
 * p stands behind an opening quote: what follows the closing one, or NULL.
 * Names and most values end within a few bytes.
 */
static inline const char *
string_end(const char *p, const char *end)
{
	for (int i = 0; i < 4 && end - p >= 8; i++, p += 8) {
		uint64_t hits = string_marks(load_eight(p)) & EACH_BYTE(0x80);
		const char *hit;

		if (hits == 0)
			continue;
		hit = p + (__builtin_ctzll(hits) >> 3);
		if (*hit == '"')
			return hit + 1;
		break;
	}
	return long_string_end(p, end);
}

/* What a byte outside of strings means to a cursor. */
enum { QUOTES = 1, OPENS = 2, CLOSES = 4, PARTS = 8, BLANK = 16 };
static const unsigned char meaning[256] = {
	['"'] = QUOTES,
	['{'] = OPENS,
	['['] = OPENS,
	['}'] = CLOSES,
	[']'] = CLOSES,
	[','] = PARTS,
	[' '] = BLANK,
	['\t'] = BLANK,
	['\r'] = BLANK,
	['\n'] = BLANK,
};

static inline unsigned
means(const char *p)
{
	return meaning[(unsigned char)*p];
}

/* p stands on an opening bracket: what follows its partner, or NULL. */
static const char *
container_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p && p < end) {
		unsigned what = means(p++) & (QUOTES | OPENS | CLOSES);

		if (what == 0)
			continue;
		if (what == QUOTES)
			p = string_end(p, end);
		else if (what == OPENS)
			depth++;
		else if (--depth == 0)
			return p;
	}
	return NULL;
}

struct json_each
json_each(struct str container)
{
	struct json_each m = { 0 };

	if (container.n && means(container.p) == OPENS) {
		m.object = container.p[0] == '{';
		m.rest = str_from(container.p + 1, container.n - 1);
	}
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

/*
 * To the next value, which is at least one byte long: its beginning, or NULL;
 * the rest is empty then.
 */
static const char *
next_value(struct json_each *m)
{
	const char *p = m->rest.p, *end = p + m->rest.n;

	m->rest.n = 0;
	if (m->reached) {
		m->reached = false;
		p = container_end(p, end);
		if (!p)
			return NULL;
	}
	p = skip_blanks(p, end);
	if (p < end && *p == ',')
		p = skip_blanks(p + 1, end);
	if (p == end)
		return NULL;
	if (means(p) == CLOSES) {
		if (m->outer) {
			m->outer->rest = str_from(p + 1, (size_t)(end - p) - 1);
			m->outer->reached = false;
		}
		return NULL;
	}
	if (m->object)
		p = next_name(m, p, end);
	return p && p < end ? p : NULL;
}

static const char *
value_end(const char *p, const char *end)
{
	if (means(p) == QUOTES)
		return string_end(p + 1, end);
	if (means(p) == OPENS)
		return container_end(p, end);
	while (p < end && !(means(p) & (PARTS | CLOSES | BLANK)))
		p++;
	return p;
}

static bool
advance(struct json_each *m, bool pass)
{
	const char *end, *p, *q;

	if (m->rest.n == 0)
		return false;
	end = m->rest.p + m->rest.n;
	p = next_value(m);
	if (p && means(p) == OPENS && !pass) {
		m->reached = true;
		m->value = m->rest = str_from(p, (size_t)(end - p));
		return true;
	}
	q = p ? value_end(p, end) : NULL;
	if (!q || q == p)
		return false;
	m->value = str_from(p, (size_t)(q - p));
	m->rest = str_from(q, (size_t)(end - q));
	return true;
}

bool
json_next(struct json_each *m)
{
	return advance(m, true);
}

bool
json_reach(struct json_each *m)
{
	return advance(m, false);
}

struct json_each
json_inside(struct json_each *m)
{
	struct json_each inner = json_each(m->value);

	inner.outer = m;
	return inner;
}

struct str
json_pass(struct json_each *m)
{
	const char *end = m->rest.p + m->rest.n, *q;

	if (!m->reached)
		return m->value;
	m->reached = false;
	q = container_end(m->rest.p, end);
	if (q) {
		m->value.n = (size_t)(q - m->value.p);
		m->rest = str_from(q, (size_t)(end - q));
	} else {
		m->value.n = m->rest.n = 0;
	}
	return m->value;
}
size_t
json_put_utf8(uint32_t c, char out[static 4])
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

		to += json_put_utf8(is_half(code) ? 0xfffd : code, to);
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
			to += json_put_utf8(is_half(code) ? 0xfffd : code, to);
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

void
json_get_all(struct str object, const struct str *names, struct str *values,
    size_t n)
{
	struct json_each m = json_each(object);
	size_t left = n;

	for (size_t i = 0; i < n; i++)
		values[i] = (struct str){ 0 };
	while (left && m.object && json_next(&m))
		for (size_t i = 0; i < n; i++)
			if (values[i].n == 0 &&
			    name_equals(m.name, names[i])) {
				values[i] = m.value;
				left--;
				break;
			}
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

/* Digits alone, as nearly all numbers are that somebody reads. */
static bool
plain_int(struct str value, int64_t *v)
{
	int64_t sum = 0;

	if (value.n == 0 || value.n > 18 || (value.p[0] == '0' && value.n > 1))
		return false;
	for (size_t i = 0; i < value.n; i++) {
		if (!is_digit(value.p[i]))
			return false;
		sum = sum * 10 + (value.p[i] - '0');
	}
	*v = sum;
	return true;
}

bool
json_int(struct str value, int64_t *v)
{
	char digits[NUMBER_BYTES];
	size_t n = 0, first = value.n && value.p[0] == '-';
	bool fraction = false;
	int64_t power = 0, whole;

	if (plain_int(value, v))
		return true;
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
