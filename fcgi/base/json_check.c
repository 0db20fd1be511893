/* SPDX-License-Identifier: MIT */
/*
 * json_check.c - is this JSON, all of it?
 *
 * One loop, no recursion: what is open stands in a bitmap and in an array of
 * member counts.  Strings, which are almost all of a request, are passed
 * eight bytes at a time, long ones thirty-two.  What passes something returns
 * what follows it, or NULL when it is wrong, which has been said then.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/json_char.h"
#include "fcgi/base/limits.h"

struct check {
	const char *start, *end;
	struct json_error *e;
};

static const char *
wrong(const struct check *c, const char *at, const char *what)
{
	if (c->e)
		*c->e = (struct json_error){ (size_t)(at - c->start), what };
	return NULL;
}

static const char *
too_early(const struct check *c)
{
	return wrong(c, c->end,
	    c->start < c->end ? "the text ends too early" : "no text");
}

/*
 * --- Strings ----------------------------------------------------------------
 */

/* A quote, a backslash, a control character, or not ASCII. */
static inline bool
is_special(char c)
{
	return (signed char)c < 0x20 || c == '"' || c == '\\';
}

/* Written so that a compiler makes vectors of it. */
static inline bool
block_is_plain(const char *p)
{
	unsigned char special = 0;

	for (int i = 0; i < 32; i++)
		special |= is_special(p[i]);
	return special == 0;
}

/* The first special byte at or behind p. */
static inline const char *
plain_end(const char *p, const char *end)
{
	for (; end - p >= 8; p += 8) {
		uint64_t w = load_eight(p), hits;

		hits = string_marks(w) | (w - EACH_BYTE(0x20));
		hits &= EACH_BYTE(0x80);
		if (hits)
			return p + (__builtin_ctzll(hits) >> 3);
	}
	while (p < end && !is_special(*p))
		p++;
	return p;
}

/* The same where much may be plain. */
static const char *
long_plain_end(const char *p, const char *end)
{
	while (end - p >= 32 && block_is_plain(p))
		p += 32;
	return plain_end(p, end);
}

static const char *
check_escape(const struct check *c, const char *p, bool name)
{
	uint32_t code = 0;
	size_t n = escape(p, c->end, &code);

	if (n == 0)
		return wrong(c, p, "an escape that JSON does not have");
	if (is_half(code))
		return wrong(c, p, "half of a surrogate pair in an escape");
	if (name && code == 0)
		return wrong(c, p, "\\u0000 in a member's name");
	return p + n;
}

static const char *
check_wide(const struct check *c, const char *p)
{
	size_t n;

	while (p < c->end && (unsigned char)*p >= 0x80) {
		n = utf8_char(p, c->end);
		if (n == 0)
			return wrong(c, p, "invalid UTF-8");
		p += n;
	}
	return p;
}

/* The rest of the string that begins at `opening`, from p on. */
static const char *
check_long_string(
    const struct check *c, const char *p, const char *opening, bool name)
{
	while (p) {
		p = long_plain_end(p, c->end);
		if (p == c->end)
			return wrong(c, opening, "a string that never ends");
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p = check_escape(c, p, name);
		else if ((unsigned char)*p >= 0x80)
			p = check_wide(c, p);
		else
			return wrong(c, p,
			    "a control character in a string: escape it");
	}
	return NULL;
}

/* Names and most values are short and plain. */
static inline const char *
check_string(const struct check *c, const char *opening, bool name)
{
	const char *p = opening + 1;
	size_t left = (size_t)(c->end - p);

	p = plain_end(p, left > 16 ? p + 16 : c->end);
	if (p < c->end && *p == '"')
		return p + 1;
	return check_long_string(c, p, opening, name);
}

/*
 * --- Numbers and words ------------------------------------------------------
 */

static inline const char *
check_digits(const struct check *c, const char *p)
{
	if (p == c->end || !is_digit(*p))
		return wrong(c, p, "expected a digit");
	while (p < c->end && is_digit(*p))
		p++;
	return p;
}

static const char *
check_fraction(const struct check *c, const char *p)
{
	if (*p == '.') {
		p = check_digits(c, p + 1);
		if (!p)
			return NULL;
	}
	if (p == c->end || (*p | 0x20) != 'e')
		return p;
	p++;
	if (p < c->end && (*p == '+' || *p == '-'))
		p++;
	return check_digits(c, p);
}

static inline const char *
check_number(const struct check *c, const char *p)
{
	if (*p == '-')
		p++;
	if (p < c->end && *p == '0')
		p++;
	else
		p = check_digits(c, p);
	if (p && p < c->end && (*p == '.' || (*p | 0x20) == 'e'))
		p = check_fraction(c, p);
	return p;
}

static inline const char *
check_word(const struct check *c, const char *p, struct str word)
{
	if ((size_t)(c->end - p) < word.n || memcmp(p, word.p, word.n) != 0)
		return wrong(c, p, "expected a value");
	return p + word.n;
}

/*
 * --- Values -----------------------------------------------------------------
 */

/* What is open. */
struct levels {
	unsigned depth;
	uint64_t objects; /* bit 0: the innermost is an object; 0 if none is */
	uint32_t members[LIMIT_JSON_DEPTH];

	/* Of the outermost level, if it is an object and somebody asks. */
	struct json_members *list;
	struct str name;
	const char *value;
};

/* A member of the outermost object ends at p. */
static inline void
list_member(struct levels *l, const char *p)
{
	struct json_members *list = l->list;

	if (!list || l->depth != 1 || !(l->objects & 1))
		return;
	if (list->n == JSON_LISTED) {
		list->more = true;
		return;
	}
	list->name[list->n] = l->name;
	list->value[list->n++] = str_from(l->value, (size_t)(p - l->value));
}

static inline char
closing(const struct levels *l)
{
	return l->objects & 1 ? '}' : ']';
}

/* A value that is no object or array. */
static inline const char *
check_plain(const struct check *c, const char *p)
{
	switch (*p) {
	case '"':
		return check_string(c, p, false);
	case ']':
		return wrong(c, p, "expected a value before ']'");
	case 't':
		return check_word(c, p, S("true"));
	case 'f':
		return check_word(c, p, S("false"));
	case 'n':
		return check_word(c, p, S("null"));
	default:
		if (*p != '-' && !is_digit(*p))
			return wrong(c, p, "expected a value");
		return check_number(c, p);
	}
}

/* A member's name and its colon. */
static inline const char *
check_name(const struct check *c, const char *p, struct levels *l)
{
	const char *end;

	if (*p != '"')
		return wrong(c, p, "expected a member's name in quotes");
	if (++l->members[l->depth - 1] > LIMIT_JSON_MEMBERS)
		return wrong(c, p, "too many members in one object");
	end = check_string(c, p, true);
	if (!end)
		return NULL;
	if (l->depth == 1)
		l->name = str_from(p + 1, (size_t)(end - p) - 2);
	p = skip_blanks(end, c->end);
	if (p == c->end || *p != ':')
		return wrong(c, p, "expected ':' after a member's name");
	p = skip_blanks(p + 1, c->end);
	if (l->depth == 1)
		l->value = p;
	return p;
}

/* A value, with its name in an object; of one with brackets the opening. */
static inline const char *
check_value(const struct check *c, const char *p, struct levels *l)
{
	if (p < c->end && l->objects & 1)
		p = check_name(c, p, l);
	if (!p)
		return NULL;
	if (p == c->end)
		return too_early(c);
	if (*p != '{' && *p != '[') {
		p = check_plain(c, p);
		if (p)
			list_member(l, p);
		return p;
	}
	if (l->depth == LIMIT_JSON_DEPTH)
		return wrong(c, p, "too many levels of brackets");
	l->objects = l->objects << 1 | (*p == '{');
	l->members[l->depth++] = 0;
	return p + 1;
}

/* Behind a value: closing brackets, then a comma or the end of the text. */
static inline const char *
check_rest(const struct check *c, const char *p, struct levels *l)
{
	for (;;) {
		p = skip_blanks(p, c->end);
		if (l->depth == 0)
			return p == c->end ? p :
			    wrong(c, p, "more text behind the value");
		if (p == c->end)
			return too_early(c);
		if (*p == ',')
			return skip_blanks(p + 1, c->end);
		if (*p != closing(l))
			return wrong(c, p, l->objects & 1 ?
			    "expected ',' or '}'" : "expected ',' or ']'");
		p++;
		l->depth--;
		l->objects >>= 1;
		list_member(l, p);
	}
}

static bool
check_text(struct str text, struct json_members *list, struct json_error *e)
{
	const char *p = text.p ? text.p : ""; /* an empty view may have none */
	const struct check c = { p, p + text.n, e };
	struct levels l;
	unsigned depth;

	l.depth = 0;
	l.objects = 0;
	l.list = list;
	l.name = text;
	l.value = p;
	if (str_starts(text, S("\xef\xbb\xbf"))) {
		wrong(&c, p, "a byte order mark: leave it out");
		return false;
	}
	p = skip_blanks(p, c.end);
	do {
		depth = l.depth;
		p = check_value(&c, p, &l);
		if (!p)
			return false;
		if (l.depth > depth) {
			p = skip_blanks(p, c.end);
			if (p == c.end || *p != closing(&l))
				continue;
		}
		p = check_rest(&c, p, &l);
	} while (p && l.depth);
	return p != NULL;
}

bool
json_valid(struct str text, struct json_error *e)
{
	return check_text(text, NULL, e);
}

bool
json_members(
    struct str text, struct json_members *list, struct json_error *e)
{
	list->object = str_starts(str_trim(text), S("{"));
	list->more = false;
	list->n = 0;
	return check_text(text, list, e);
}
