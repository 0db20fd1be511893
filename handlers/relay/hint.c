/* SPDX-License-Identifier: MIT */
/* hint.c - how long an upstream asks to be left alone; see hint.h. */
#include "handlers/relay/hint.h"

#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"

static const int64_t LONGEST = (int64_t)366 * 24 * 3600 * 1000;

/* Nobody is left alone for longer, nor any caller told so. */
enum { MOST_MS = 3600 * 1000 };

/* Digits with an optional fraction, in thousandths; -1: none. */
static int64_t
thousandths(struct str *s)
{
	int64_t v = 0, unit = 100;
	size_t digits = 0;

	for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; digits++) {
		if (v > LONGEST)
			return -1;
		v = v * 10 + (s->p[0] - '0');
		*s = str_skip(*s, 1);
	}
	v *= 1000;
	if (s->n > 1 && s->p[0] == '.') {
		*s = str_skip(*s, 1);
		for (; s->n && s->p[0] >= '0' && s->p[0] <= '9'; unit /= 10) {
			v += (s->p[0] - '0') * unit;
			*s = str_skip(*s, 1);
		}
	}
	return digits ? v : -1;
}

int64_t
hint_duration(struct str s)
{
	static const struct { struct str name; int64_t ms; } units[] = {
		{ STR_INIT("ms"), 1 }, { STR_INIT("s"), 1000 },
		{ STR_INIT("m"), 60000 }, { STR_INIT("h"), 3600000 },
		{ STR_INIT("d"), 86400000 },
	};
	int64_t total = 0, v;

	s = str_trim(s);
	if (s.n == 0)
		return -1;
	while (s.n) {
		size_t i = 0;

		v = thousandths(&s);
		if (v < 0)
			return -1;
		if (s.n == 0 && total == 0)
			return v;	/* seconds */
		while (i < 5 && !(str_starts(s, units[i].name) &&
		    (s.n == units[i].name.n || (s.p[units[i].name.n] >= '0' &&
		    s.p[units[i].name.n] <= '9'))))
			i++;
		if (i == 5 || v > LONGEST)
			return -1;
		total += v * units[i].ms / 1000;
		if (total > LONGEST)
			return -1;
		s = str_skip(s, units[i].name.n);
	}
	return total;
}

/* A moment, or a duration, whose tokens or requests are used up; -1: none. */
static int64_t
reset_of(struct str (*header)(const void *from, const char *name),
    const void *from, const char *left, const char *reset, int64_t now)
{
	struct str text = str_trim(header(from, reset));
	int64_t n, at;

	if (!str_int(str_trim(header(from, left)), &n) || n > 0)
		return -1;
	if (str_has(text, S("T")) && clock_read(text, now, &at))
		return at - now;
	return hint_duration(text);
}

static const struct { const char *left, *reset; } limits[] = {
	{ "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests" },
	{ "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens" },
	{ "anthropic-ratelimit-requests-remaining",
	    "anthropic-ratelimit-requests-reset" },
	{ "anthropic-ratelimit-tokens-remaining",
	    "anthropic-ratelimit-tokens-reset" },
	{ "anthropic-ratelimit-input-tokens-remaining",
	    "anthropic-ratelimit-input-tokens-reset" },
	{ "anthropic-ratelimit-output-tokens-remaining",
	    "anthropic-ratelimit-output-tokens-reset" },
};

static int64_t
at_most(int64_t ms)
{
	return ms < MOST_MS ? ms : MOST_MS;
}

int64_t
hint_of(struct str (*header)(const void *from, const char *name),
    const void *from, int64_t now)
{
	struct str s = str_trim(header(from, "retry-after-ms"));
	int64_t ms, date;

	ms = thousandths(&s);
	if (ms > 0 && s.n == 0)
		return at_most(ms / 1000);
	s = header(from, "retry-after");
	ms = hint_duration(s);
	if (ms > 0)
		return at_most(ms);
	if (clock_http_date(str_trim(s), &date) && date > now)
		return at_most(date - now);
	ms = 0;
	for (size_t i = 0; i < countof(limits) && ms <= 0; i++)
		ms = reset_of(header, from, limits[i].left, limits[i].reset,
		    now);
	return ms > 0 && ms < LONGEST ? at_most(ms) : 0;
}

static struct str
header_of(const void *from, const char *name)
{
	return exchange_header(from, name);
}

int64_t
hint_ms(const struct exchange *x, int64_t now)
{
	return hint_of(header_of, x, now);
}
