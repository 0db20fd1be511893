/* SPDX-License-Identifier: MIT */
/*
 * str.h - a borrowed view of some bytes.
 *
 * A struct str owns nothing and is passed by value.  Its bytes may hold NUL
 * and are not terminated; whoever made the view says how long they live
 * (usually: as long as the call's arena).  The empty string may have p NULL.
 */
#ifndef WEIR_STR_H
#define WEIR_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* A literal as a view, and a view as two arguments of a "%.*s". */
#define S(literal)	((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal) { "" literal, sizeof(literal) - 1 }
#define STR_ARGS(s)	(int)(s).n, (s).p ? (s).p : ""

static inline struct str
str_of(const char *z)
{
	return (struct str){ z, z ? strlen(z) : 0 };
}

static inline struct str
str_from(const void *p, size_t n)
{
	return (struct str){ p, n };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
str_starts(struct str s, struct str head)
{
	return s.n >= head.n && (head.n == 0 ||
	    memcmp(s.p, head.p, head.n) == 0);
}

/* Equal when the case of ASCII letters is ignored. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts_nocase(struct str s, struct str head);
bool str_ends(struct str s, struct str tail);

/* Does needle stand anywhere in s? */
bool str_has(struct str s, struct str needle);
bool str_has_nocase(struct str s, struct str needle);

/* Without its first n bytes (the empty string if it is shorter). */
static inline struct str
str_skip(struct str s, size_t n)
{
	if (n > s.n)
		n = s.n;
	return n ? (struct str){ s.p + n, s.n - n } : s;
}

/* The value of a hexadecimal digit, or -1. */
static inline int
str_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Takes the first byte off *s, which is not empty; three bytes "%41" are one.
 * -1: a percent sign without two digits behind it.
 */
int str_percent(struct str *s);

/* Is there a control byte (below 0x20, or 0x7f) in s? */
bool str_has_control(struct str s);

/* Without blanks (space, tab, CR, LF) at both ends. */
struct str str_trim(struct str s);

/*
 * Cuts *rest at the first `at`: returns what stood before it and leaves in
 * *rest what stands behind it.  Without one: returns all, *rest is empty.
 */
struct str str_cut(struct str *rest, char at);

/*
 * Reads a whole string of decimal digits, with an optional leading '-', and
 * nothing else: no blank, no '+', no overflow.  False leaves *value alone.
 */
bool str_int(struct str s, int64_t *value);

/* v in decimal digits, at the end of room. */
enum { STR_INT = 24 };
struct str str_digits(int64_t v, char room[static STR_INT]);

/* Negative, 0 or positive, by bytes; a shorter string stands first. */
int str_cmp(struct str a, struct str b);

#endif
