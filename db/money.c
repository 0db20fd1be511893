/* SPDX-License-Identifier: MIT */
/*
 * money.c - reading and writing decimal amounts exactly; see money.h.
 *
 * An amount is a whole number of some smallest part (a nano-dollar, a part
 * per million); its text has that number of places at most.
 */
#include "db/money.h"

#include <assert.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/*
 * Digits, then perhaps a point and 1 to `places` more digits; the value in
 * units of 10^-places.
 */
static bool
decimal_read(struct str s, int places, int64_t max, int64_t *value)
{
	__int128 v = 0;
	size_t i = 0;
	int left = places;

	if (s.n == 0 || !is_digit(s.p[0]))
		return false;
	for (; i < s.n && is_digit(s.p[i]); i++) {
		v = v * 10 + (s.p[i] - '0');
		if (v > max)
			return false;
	}
	if (i < s.n) {
		if (s.p[i++] != '.' || i == s.n)
			return false;
		for (; i < s.n; i++, left--) {
			if (!is_digit(s.p[i]) || left == 0)
				return false;
			v = v * 10 + (s.p[i] - '0');
		}
	}
	for (; left > 0; left--)
		v *= 10;
	if (v > max)
		return false;
	*value = (int64_t)v;
	return true;
}

bool
money_read(struct str s, int64_t *nano)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	int64_t v;

	if (!decimal_read(str_skip(s, minus), 9, MONEY_MAX, &v))
		return false;
	*nano = minus ? -v : v;
	return true;
}

bool
share_read(struct str s, int64_t *ppm)
{
	return decimal_read(s, 6, MONEY_MAX, ppm);
}

/* The digits of s, without its point; those after the 30th do not count.
 * *places: how many of them stand behind the point. */
static bool
digits_read(struct str *s, __int128 *v, int64_t *places)
{
	bool behind = false, any = false;
	int n = 0;

	*v = *places = 0;
	for (; s->n && (is_digit(s->p[0]) || (s->p[0] == '.' && !behind));
	    *s = str_skip(*s, 1)) {
		if (s->p[0] == '.') {
			behind = true;
			continue;
		}
		any = true;
		if (n < 30) {
			*v = *v * 10 + (s->p[0] - '0');
			n += *v > 0;
			*places += behind;
		} else if (!behind) {
			return false;
		}
	}
	return any;
}

bool
number_read(struct str s, int places, int64_t most, int64_t *parts)
{
	int64_t behind, exponent = 0;
	__int128 v;

	if (!digits_read(&s, &v, &behind))
		return false;
	if (s.n && (s.p[0] == 'e' || s.p[0] == 'E')) {
		s = str_skip(s, 1);
		if (s.n && s.p[0] == '+')
			s = str_skip(s, 1);
		if (!str_int(s, &exponent) || exponent < -400 ||
		    exponent > 400)
			return false;
		s.n = 0;
	}
	exponent += places - behind;
	for (; exponent > 0 && v && v <= most; exponent--)
		v *= 10;
	for (; exponent < -1 && v; exponent++)
		v /= 10;
	if (exponent == -1)
		v = (v + 5) / 10;
	if (s.n || v > most)
		return false;
	*parts = (int64_t)v;
	return true;
}

/* Written by hand, from its end: every whole answer says what it cost. */
static struct str
decimal_text(struct arena *a, int64_t value, int places)
{
	uint64_t v = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char room[STR_INT];
	size_t at = sizeof(room);

	while (places > 0 && v % 10 == 0) {
		v /= 10;
		places--;
	}
	for (int left = places; left >= 0 || v; left--, v /= 10) {
		if (left == 0 && places > 0)
			room[--at] = '.';
		room[--at] = (char)('0' + v % 10);
	}
	if (value < 0)
		room[--at] = '-';
	return arena_str(a, str_from(room + at, sizeof(room) - at));
}

struct str
money_text(struct arena *a, int64_t nano)
{
	return decimal_text(a, nano, 9);
}

struct str
share_text(struct arena *a, int64_t ppm)
{
	return decimal_text(a, ppm, 6);
}

int64_t
money_add(int64_t a, int64_t b)
{
	int64_t sum;
	bool wraps = __builtin_add_overflow(a, b, &sum);

	assert(!wraps);
	return sum;
}
