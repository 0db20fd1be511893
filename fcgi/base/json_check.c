/* SPDX-License-Identifier: MIT */
/*
 * json_check.c - is this JSON, all of it?
 *
 * One loop, no recursion: what is open stands in a bitmap and in an array of
 * member counts.  Strings, which are almost all of a request, are passed
 * eight bytes at a time.
 */
#include <endian.h>

#include "fcgi/base/json.h"
#include "fcgi/base/json_char.h"
#include "fcgi/base/limits.h"

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/*
 * The first byte at or behind p that is a quote, a backslash, a control or
 * not ASCII.  The masks may also mark bytes above the first hit (a borrow);
 * only the lowest is used.
 */
static const char *
plain_end(const char *p, const char *end)
{
	uint64_t w, quote, slash, hits;

	for (; end - p >= 8; p += 8) {
		memcpy(&w, p, 8);
		w = le64toh(w);
		quote = w ^ EACH_BYTE('"');
		slash = w ^ EACH_BYTE('\\');
		hits = (w - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) |
		    (slash - EACH_BYTE(1)) | w;
		hits &= EACH_BYTE(0x80);
		if (hits)
			return p + (__builtin_ctzll(hits) >> 3);
	}
	while (p < end && (unsigned char)*p >= 0x20 && *p != '"' &&
	    *p != '\\' && (unsigned char)*p < 0x80)
		p++;
	return p;
}

enum expect { VALUE, FIRST_VALUE, NAME, FIRST_NAME, REST };

struct check {
	const char *start, *p, *end;
	struct json_error *e;
	enum expect expect;
	unsigned depth;
	uint64_t objects; /* bit i: level i is an object */
	uint32_t members[LIMIT_JSON_DEPTH];
};

static bool
wrong(struct check *c, const char *at, const char *what)
{
	if (c->e)
		*c->e = (struct json_error){ (size_t)(at - c->start), what };
	return false;
}

static bool
check_escape(struct check *c, bool name)
{
	uint32_t code = 0;
	size_t n = escape(c->p, c->end, &code);

	if (n == 0)
		return wrong(c, c->p, "an escape that JSON does not have");
	if (is_half(code))
		return wrong(c, c->p, "half of a surrogate pair in an escape");
	if (name && code == 0)
		return wrong(c, c->p, "\\u0000 in a member's name");
	c->p += n;
	return true;
}

static bool
check_string(struct check *c, bool name)
{
	const char *opening = c->p++;
	size_t n;

	for (;;) {
		c->p = plain_end(c->p, c->end);
		if (c->p == c->end)
			return wrong(c, opening, "a string that never ends");
		if (*c->p == '"') {
			c->p++;
			return true;
		}
		if (*c->p == '\\') {
			if (!check_escape(c, name))
				return false;
			continue;
		}
		if ((unsigned char)*c->p < 0x20)
			return wrong(c, c->p,
			    "a control character in a string: escape it");
		while (c->p < c->end && (unsigned char)*c->p >= 0x80) {
			n = utf8_char(c->p, c->end);
			if (n == 0)
				return wrong(c, c->p, "invalid UTF-8");
			c->p += n;
		}
	}
}

static bool
check_digits(struct check *c)
{
	if (c->p == c->end || !is_digit(*c->p))
		return wrong(c, c->p, "expected a digit");
	while (c->p < c->end && is_digit(*c->p))
		c->p++;
	return true;
}

static bool
check_number(struct check *c)
{
	if (*c->p == '-')
		c->p++;
	if (c->p < c->end && *c->p == '0')
		c->p++;
	else if (!check_digits(c))
		return false;
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		if (!check_digits(c))
			return false;
	}
	if (c->p < c->end && (*c->p | 0x20) == 'e') {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		return check_digits(c);
	}
	return true;
}

static bool
check_word(struct check *c, struct str word)
{
	if (!str_starts(str_from(c->p, (size_t)(c->end - c->p)), word))
		return wrong(c, c->p, "expected a value");
	c->p += word.n;
	return true;
}

static bool
check_open(struct check *c, bool object)
{
	if (c->depth == LIMIT_JSON_DEPTH)
		return wrong(c, c->p, "too many levels of brackets");
	c->objects = c->objects << 1 | object;
	c->members[c->depth++] = 0;
	c->p++;
	c->expect = object ? FIRST_NAME : FIRST_VALUE;
	return true;
}

static bool
check_close(struct check *c)
{
	c->p++;
	c->depth--;
	c->objects >>= 1;
	c->expect = REST;
	return true;
}

static bool
check_value(struct check *c)
{
	bool first = c->expect == FIRST_VALUE;

	c->expect = REST;
	switch (*c->p) {
	case '"':
		return check_string(c, false);
	case '{':
	case '[':
		return check_open(c, *c->p == '{');
	case ']':
		if (first)
			return check_close(c);
		return wrong(c, c->p, "expected a value before ']'");
	case 't':
		return check_word(c, S("true"));
	case 'f':
		return check_word(c, S("false"));
	case 'n':
		return check_word(c, S("null"));
	default:
		if (*c->p != '-' && !is_digit(*c->p))
			return wrong(c, c->p, "expected a value");
		return check_number(c);
	}
}

static bool
check_name(struct check *c)
{
	if (*c->p == '}' && c->expect == FIRST_NAME)
		return check_close(c);
	if (*c->p != '"')
		return wrong(c, c->p, "expected a member's name in quotes");
	if (++c->members[c->depth - 1] > LIMIT_JSON_MEMBERS)
		return wrong(c, c->p, "too many members in one object");
	if (!check_string(c, true))
		return false;
	c->p = skip_blanks(c->p, c->end);
	if (c->p == c->end || *c->p != ':')
		return wrong(c, c->p, "expected ':' after a member's name");
	c->p++;
	c->expect = VALUE;
	return true;
}

static bool
check_rest(struct check *c)
{
	bool object = c->objects & 1;

	if (*c->p == ',') {
		c->p++;
		c->expect = object ? NAME : VALUE;
		return true;
	}
	if (*c->p == (object ? '}' : ']'))
		return check_close(c);
	if (object)
		return wrong(c, c->p, "expected ',' or '}'");
	return wrong(c, c->p, "expected ',' or ']'");
}

bool
json_valid(struct str text, struct json_error *e)
{
	struct check c;
	bool good = true;

	if (!text.p) /* an empty view may have no address */
		text = S("");
	c.start = c.p = text.p;
	c.end = text.p + text.n;
	c.e = e;
	c.expect = VALUE;
	c.depth = 0;
	c.objects = 0;
	if (str_starts(text, S("\xef\xbb\xbf")))
		return wrong(&c, c.p, "a byte order mark: leave it out");
	while (good) {
		c.p = skip_blanks(c.p, c.end);
		if (c.depth == 0 && c.expect == REST)
			return c.p == c.end ||
			    wrong(&c, c.p, "more text behind the value");
		if (c.p == c.end)
			return wrong(&c, c.p,
			    text.n ? "the text ends too early" : "no text");
		if (c.expect == REST)
			good = check_rest(&c);
		else if (c.expect == NAME || c.expect == FIRST_NAME)
			good = check_name(&c);
		else
			good = check_value(&c);
	}
	return false;
}
