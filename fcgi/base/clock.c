/* SPDX-License-Identifier: MIT */
/* clock.c - two clocks and their spelling; see clock.h. */
#include "fcgi/base/clock.h"

#include <time.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static int64_t
read_us(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
clock_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
clock_utc_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

/* Log lines ask for the same second again and again: it is kept. */
void
clock_text(int64_t utc_ms, char out[static CLOCK_TEXT])
{
	static _Thread_local char second[CLOCK_TEXT];
	static _Thread_local time_t kept = -1;
	static _Thread_local size_t n;
	time_t s = (time_t)(utc_ms / SECOND);
	int ms = (int)(utc_ms % SECOND);
	struct tm tm;

	if (ms < 0) {
		ms += SECOND;
		s--;
	}
	if (s != kept || n == 0) {
		gmtime_r(&s, &tm);
		n = strftime(second, CLOCK_TEXT - 6, "%Y-%m-%dT%H:%M:%S",
		    &tm);
		kept = s;
	}
	memcpy(out, second, n);
	out[n] = '.';
	out[n + 1] = (char)('0' + ms / 100);
	out[n + 2] = (char)('0' + ms / 10 % 10);
	out[n + 3] = (char)('0' + ms % 10);
	out[n + 4] = 'Z';
	out[n + 5] = '\0';
}

/* Exactly n digits at the head of *s. */
static bool
digits(struct str *s, size_t n, int *value)
{
	int v = 0;

	if (s->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = str_skip(*s, n);
	*value = v;
	return true;
}

static bool
mark(struct str *s, const char *any)
{
	if (s->n == 0 || s->p[0] == '\0' || !strchr(any, s->p[0]))
		return false;
	*s = str_skip(*s, 1);
	return true;
}

static bool
read_age(struct str s, int64_t now, int64_t *utc_ms)
{
	static const struct { char unit; int64_t ms; } units[] = {
		{ 's', SECOND }, { 'm', MINUTE }, { 'h', HOUR },
		{ 'd', 24 * (int64_t)HOUR },
	};
	int64_t n;

	if (s.n < 2 || s.n > 10 || s.p[0] == '-' ||
	    !str_int(str_from(s.p, s.n - 1), &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].unit == s.p[s.n - 1]) {
			*utc_ms = now - n * units[i].ms;
			return true;
		}
	return false;
}

static bool
date_exists(const struct tm *tm)
{
	struct tm copy = *tm;

	return timegm(&copy) != (time_t)-1 && copy.tm_mday == tm->tm_mday &&
	    copy.tm_mon == tm->tm_mon;
}

static bool
read_offset(struct str *s, int64_t *offset_ms)
{
	bool west = s->n && s->p[0] == '-';
	int h, m;

	if (mark(s, "Zz"))
		return true;
	if (!mark(s, "+-") || !digits(s, 2, &h) || !mark(s, ":") ||
	    !digits(s, 2, &m) || h > 23 || m > 59)
		return false;
	*offset_ms = ((int64_t)h * HOUR + (int64_t)m * MINUTE) *
	    (west ? -1 : 1);
	return true;
}

bool
clock_read(struct str s, int64_t now_utc_ms, int64_t *utc_ms)
{
	struct tm tm = { 0 };
	int64_t offset = 0, ms = 0;
	int year, month;

	if (read_age(s, now_utc_ms, utc_ms))
		return true;
	if (!digits(&s, 4, &year) || !mark(&s, "-") ||
	    !digits(&s, 2, &month) || !mark(&s, "-") ||
	    !digits(&s, 2, &tm.tm_mday))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	if (month < 1 || month > 12 || tm.tm_mday < 1 || !date_exists(&tm))
		return false;
	if (s.n) {
		if (!mark(&s, "Tt ") || !digits(&s, 2, &tm.tm_hour) ||
		    !mark(&s, ":") || !digits(&s, 2, &tm.tm_min) ||
		    !mark(&s, ":") || !digits(&s, 2, &tm.tm_sec) ||
		    tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
			return false;
		if (mark(&s, "."))
			for (int64_t unit = 100; s.n && s.p[0] >= '0' &&
			    s.p[0] <= '9'; unit /= 10, s = str_skip(s, 1))
				ms += (s.p[0] - '0') * unit;
		if (!read_offset(&s, &offset) || s.n)
			return false;
	}
	*utc_ms = (int64_t)timegm(&tm) * SECOND + ms - offset;
	return true;
}

bool
clock_http_date(struct str s, int64_t *utc_ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm = { 0 };
	int year;
	const char *m;

	if (s.n != 29 || !str_ends(s, S(" GMT")) || s.p[3] != ',')
		return false;
	s = str_skip(s, 5);
	if (!digits(&s, 2, &tm.tm_mday) || !mark(&s, " "))
		return false;
	m = memmem(months, sizeof(months) - 1, s.p, 3);
	if (!m || (m - months) % 3)
		return false;
	tm.tm_mon = (int)(m - months) / 3;
	s = str_skip(s, 3);
	if (!mark(&s, " ") || !digits(&s, 4, &year) || !mark(&s, " ") ||
	    !digits(&s, 2, &tm.tm_hour) || !mark(&s, ":") ||
	    !digits(&s, 2, &tm.tm_min) || !mark(&s, ":") ||
	    !digits(&s, 2, &tm.tm_sec))
		return false;
	tm.tm_year = year - 1900;
	if (tm.tm_mday < 1 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60 || !date_exists(&tm))
		return false;
	*utc_ms = (int64_t)timegm(&tm) * SECOND;
	return true;
}
