/* SPDX-License-Identifier: MIT */
/* str.c - a borrowed view of some bytes; see str.h. */
#include "fcgi/base/str.h"

#include <strings.h>

bool
str_eq_nocase(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool
str_starts_nocase(struct str s, struct str head)
{
	return s.n >= head.n && strncasecmp(s.p, head.p, head.n) == 0;
}

bool
str_ends(struct str s, struct str tail)
{
	return s.n >= tail.n &&
	    memcmp(s.p + s.n - tail.n, tail.p, tail.n) == 0;
}

bool
str_has(struct str s, struct str needle)
{
	return needle.n == 0 ||
	    (s.n >= needle.n && memmem(s.p, s.n, needle.p, needle.n) != NULL);
}

bool
str_has_nocase(struct str s, struct str needle)
{
	for (; s.n >= needle.n; s = str_skip(s, 1))
		if (str_starts_nocase(s, needle))
			return true;
	return false;
}

/* The high bit of some byte is set if one of the eight is a control byte. */
static uint64_t
controls(uint64_t v)
{
	const uint64_t ones = UINT64_MAX / 0xff;
	uint64_t del = v ^ ones * 0x7f;

	return (((v - ones * 0x20) & ~v) | ((del - ones) & ~del)) &
	    ones * 0x80;
}

bool
str_has_control(struct str s)
{
	uint64_t v, seen = 0;

	for (; s.n >= sizeof(v); s = str_skip(s, sizeof(v))) {
		memcpy(&v, s.p, sizeof(v));
		seen |= controls(v);
	}
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return seen != 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0]))
		s = str_skip(s, 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str
str_cut(struct str *rest, char at)
{
	struct str all = *rest;
	const char *hit = all.n ? memchr(all.p, at, all.n) : NULL;

	if (!hit) {
		*rest = (struct str){ NULL, 0 };
		return all;
	}
	*rest = str_skip(all, (size_t)(hit - all.p) + 1);
	return str_from(all.p, (size_t)(hit - all.p));
}

bool
str_int(struct str s, int64_t *value)
{
	bool minus = s.n && s.p[0] == '-';
	int64_t v = 0;

	if (minus)
		s = str_skip(s, 1);
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' ||
		    __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_sub_overflow(v, s.p[i] - '0', &v))
			return false;
	}
	if (!minus && __builtin_sub_overflow((int64_t)0, v, &v))
		return false;
	*value = v;
	return true;
}

struct str
str_digits(int64_t v, char room[static STR_INT])
{
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;
	size_t i = STR_INT;

	do
		room[--i] = (char)('0' + u % 10);
	while ((u /= 10) != 0);
	if (v < 0)
		room[--i] = '-';
	return str_from(room + i, STR_INT - i);
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int d = n ? memcmp(a.p, b.p, n) : 0;

	return d ? d : (a.n > b.n) - (a.n < b.n);
}

int
str_percent(struct str *s)
{
	int c = (unsigned char)s->p[0], high, low;

	if (c != '%') {
		*s = str_skip(*s, 1);
		return c;
	}
	if (s->n < 3 || (high = str_hex(s->p[1])) < 0 ||
	    (low = str_hex(s->p[2])) < 0)
		return -1;
	*s = str_skip(*s, 3);
	return high << 4 | low;
}
