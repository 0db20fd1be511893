/* SPDX-License-Identifier: MIT */
/*
 * zone.c - time zones from TZif files (RFC 8536); see zone.h.
 *
 * A file lists the moments at which the offset changed, and a rule in POSIX
 * form ("CET-1CEST,M3.5.0,M10.5.0/3") for all time after the last of them.
 */
#include "db/zone.h"

#include <assert.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/base/mem.h"

enum { DAY = 86400, FILE_MAX = 1 << 20 };

/* When summer time begins or ends: "M3.5.0/2", "J60", "59". */
struct change {
	char kind;		/* 'M', 'J', '0' */
	int month, week, day;
	int64_t time;		/* seconds after local midnight */
};

struct zone {
	size_t n;
	int64_t *at;		/* UTC seconds, ascending */
	int64_t *offset;	/* from at[i] on */
	int64_t first;		/* before at[0] */
	bool rule;		/* after the last */
	int64_t standard, summer;
	bool has_summer;
	struct change from, to;
};

/* --- dates ---------------------------------------------------------------- */

int64_t
zone_days(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 +
	    day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	    of_year - 719468;
}

void
zone_date(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 -
			of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * of_year + 2) / 153;

	*day = of_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = y + era * 400 + (*month <= 2);
}

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* --- the rule ------------------------------------------------------------- */

static bool
read_name(const char **p)
{
	const char *start = *p;

	if (**p == '<') {
		while (**p && **p != '>')
			++*p;
		if (**p != '>')
			return false;
		++*p;
		return true;
	}
	while (isalpha((unsigned char)**p))
		++*p;
	return *p - start >= 3;
}

/* "2", "-3:30", "26:00:00" in seconds. */
static bool
read_time(const char **p, int64_t *seconds)
{
	int64_t sign = 1, unit = 3600, sum = 0;

	if (**p == '+' || **p == '-')
		sign = *(*p)++ == '-' ? -1 : 1;
	for (; unit > 0; unit /= 60) {
		int64_t v = 0;

		if (!isdigit((unsigned char)**p))
			return false;
		while (isdigit((unsigned char)**p) && v < 1000)
			v = v * 10 + *(*p)++ - '0';
		sum += v * unit;
		if (**p != ':')
			break;
		++*p;
	}
	*seconds = sign * sum;
	return true;
}

static bool
read_change(const char **p, struct change *c)
{
	int used = 0;

	*c = (struct change){ .kind = '0', .time = 2 * 3600 };
	if (*(*p)++ != ',')
		return false;
	if (sscanf(*p, "M%2d.%1d.%1d%n", &c->month, &c->week, &c->day,
		&used) == 3 && used > 0)
		c->kind = 'M';
	else if (sscanf(*p, "J%3d%n", &c->day, &used) == 1 && used > 0)
		c->kind = 'J';
	else if (sscanf(*p, "%3d%n", &c->day, &used) != 1 || used == 0)
		return false;
	*p += used;
	if (c->kind == 'M' && (c->month < 1 || c->month > 12 || c->week < 1 ||
		c->week > 5 || c->day > 6))
		return false;
	if (**p != '/')
		return true;
	++*p;
	return read_time(p, &c->time);
}

static bool
read_rule(struct zone *z, const char *p)
{
	int64_t v;

	if (!read_name(&p) || !read_time(&p, &v))
		return false;
	z->standard = -v;
	z->rule = true;
	if (!*p)
		return true;
	if (!read_name(&p))
		return false;
	z->summer = z->standard + 3600;
	if (*p && *p != ',') {
		if (!read_time(&p, &v))
			return false;
		z->summer = -v;
	}
	z->has_summer = true;
	return read_change(&p, &z->from) && read_change(&p, &z->to) && !*p;
}

/* The moment of a change in a year, in seconds of local time. */
static int64_t
change_local(const struct change *c, int64_t year)
{
	bool leap = zone_days(year, 3, 1) - zone_days(year, 2, 28) == 2;
	int64_t day, weekday, length;

	if (c->kind == '0')
		return (zone_days(year, 1, 1) + c->day) * DAY + c->time;
	if (c->kind == 'J')
		return (zone_days(year, 1, 1) + c->day - 1 +
			   (leap && c->day >= 60)) * DAY + c->time;
	day = zone_days(year, c->month, 1);
	length = (c->month == 12 ? zone_days(year + 1, 1, 1)
				 : zone_days(year, c->month + 1, 1)) - day;
	weekday = ((day + 4) % 7 + 7) % 7;
	day += (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
	while (day >= zone_days(year, c->month, 1) + length)
		day -= 7;
	return day * DAY + c->time;
}

static int64_t
rule_offset(const struct zone *z, int64_t utc_s)
{
	int64_t year, month, day, from, to;

	if (!z->has_summer)
		return z->standard;
	zone_date(floor_div(utc_s + z->standard, DAY), &year, &month, &day);
	from = change_local(&z->from, year) - z->standard;
	to = change_local(&z->to, year) - z->summer;
	if (from < to)
		return utc_s >= from && utc_s < to ? z->summer : z->standard;
	return utc_s >= to && utc_s < from ? z->standard : z->summer;
}

/* --- the file ------------------------------------------------------------- */

static int64_t
big_endian(const unsigned char *p, int bytes)
{
	uint64_t v = p[0] & 0x80 ? ~(uint64_t)0 : 0;

	while (bytes-- > 0)
		v = v << 8 | *p++;
	return (int64_t)v;
}

/* Counts in a header's order: isut, isstd, leap, time, type, char. */
static size_t
block_bytes(const int64_t n[6], size_t width)
{
	return (size_t)n[3] * (width + 1) + (size_t)n[4] * 6 + (size_t)n[5] +
	    (size_t)n[2] * (width + 4) + (size_t)n[1] + (size_t)n[0];
}

static bool
header(const unsigned char *p, size_t left, int64_t n[6])
{
	if (left < 44 || memcmp(p, "TZif", 4) != 0)
		return false;
	for (int i = 0; i < 6; i++) {
		n[i] = big_endian(p + 20 + 4 * i, 4);
		if (n[i] < 0 || n[i] > FILE_MAX / 8)
			return false;
	}
	return true;
}

/* A type's offset; types stand behind times and their type numbers. */
static int64_t
type_offset(const unsigned char *block, const int64_t n[6], unsigned type)
{
	return big_endian(block + n[3] * 9 + (int64_t)type * 6, 4);
}

static bool
parse(struct zone *z, const unsigned char *p, size_t left)
{
	int64_t n[6];
	size_t skip;

	if (!header(p, left, n) || p[4] < '2')
		return false;
	skip = 44 + block_bytes(n, 4);
	if (skip > left)
		return false;
	p += skip;
	left -= skip;
	if (!header(p, left, n) || n[4] < 1 ||
	    44 + block_bytes(n, 8) > left)
		return false;
	p += 44;
	left -= 44;
	z->n = (size_t)n[3];
	z->at = xalloc(z->n * sizeof(*z->at));
	z->offset = xalloc(z->n * sizeof(*z->offset));
	z->first = type_offset(p, n, 0);
	for (size_t i = 0; i < z->n; i++) {
		unsigned type = p[(size_t)n[3] * 8 + i];

		z->at[i] = big_endian(p + i * 8, 8);
		if (type >= n[4] || (i > 0 && z->at[i] <= z->at[i - 1]))
			return false;
		z->offset[i] = type_offset(p, n, type);
	}
	p += block_bytes(n, 8);
	left -= block_bytes(n, 8);
	if (left > 2 && p[0] == '\n') {
		const unsigned char *end = memchr(p + 1, '\n', left - 1);
		char rule[128];

		if (!end || end - p - 1 >= (long)sizeof(rule))
			return false;
		snprintf(rule, sizeof(rule), "%.*s", (int)(end - p - 1),
		    (const char *)p + 1);
		return !rule[0] || read_rule(z, rule);
	}
	return true;
}

/* Only plain names below the folder of the system's zones. */
static bool
plain(struct str name)
{
	if (name.n == 0 || name.n > 64 || name.p[0] == '/' ||
	    str_has(name, S("..")))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) &&
		    !strchr("/_+-", name.p[i]))
			return false;
	return true;
}

struct zone *
zone_open(struct str name)
{
	struct zone *z = xnew(struct zone);
	unsigned char *text = NULL;
	char path[128];
	struct stat st;
	bool ok = false;
	int fd;

	if (str_eq(name, S("UTC")))
		return z;
	if (!plain(name)) {
		zone_close(z);
		return NULL;
	}
	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%.*s",
	    STR_ARGS(name));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size < FILE_MAX) {
		text = xalloc((size_t)st.st_size);
		ok = read(fd, text, (size_t)st.st_size) == st.st_size &&
		    parse(z, text, (size_t)st.st_size);
	}
	if (fd >= 0)
		close(fd);
	free(text);
	if (ok)
		return z;
	zone_close(z);
	return NULL;
}

void
zone_close(struct zone *z)
{
	if (!z)
		return;
	free(z->at);
	free(z->offset);
	free(z);
}

/* --- answers -------------------------------------------------------------- */

int64_t
zone_offset(const struct zone *z, int64_t utc_s)
{
	size_t low = 0, high = z->n;

	if (z->rule && (z->n == 0 || utc_s >= z->at[z->n - 1]))
		return rule_offset(z, utc_s);
	if (z->n == 0 || utc_s < z->at[0])
		return z->first;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (z->at[middle] <= utc_s)
			low = middle;
		else
			high = middle;
	}
	return z->offset[low];
}

/*
 * The first moment (UTC seconds) whose local time is not before `local`.
 * Offsets are within a day of UTC and change at most once in these two days,
 * at a moment that is found by halving.
 */
static int64_t
moment_of(const struct zone *z, int64_t local)
{
	int64_t low = local - DAY, high = local + DAY;
	int64_t before = zone_offset(z, low), after = zone_offset(z, high);

	if (local - before < high && zone_offset(z, local - before) == before)
		return local - before;
	if (before == after)
		return local - before;
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (zone_offset(z, middle) == before)
			low = middle;
		else
			high = middle;
	}
	return local - after > high ? local - after : high;
}

/* Local seconds of the begin of the unit `step` units from here. */
static int64_t
local_start(enum zone_unit unit, int64_t local, int step)
{
	int64_t days = floor_div(local, DAY), year, month, day;

	switch (unit) {
	case ZONE_HOUR:
		return (floor_div(local, 3600) + step) * 3600;
	case ZONE_DAY:
		return (days + step) * DAY;
	case ZONE_WEEK:
		return (days - ((days + 3) % 7 + 7) % 7 + 7 * step) * DAY;
	case ZONE_MONTH:
		zone_date(days, &year, &month, &day);
		month += step;
		if (month > 12)
			return zone_days(year + 1, 1, 1) * DAY;
		return zone_days(year, month, 1) * DAY;
	}
	return 0;
}

int64_t
zone_start(const struct zone *z, enum zone_unit unit, int64_t utc_ms)
{
	int64_t now = floor_div(utc_ms, 1000);
	int64_t offset = zone_offset(z, now);

	/* An hour is one of the clock's, of which a change may make two. */
	if (unit == ZONE_HOUR)
		return (local_start(unit, now + offset, 0) - offset) * 1000;
	return moment_of(z, local_start(unit, now + offset, 0)) * 1000;
}

int64_t
zone_next(const struct zone *z, enum zone_unit unit, int64_t utc_ms)
{
	int64_t now = floor_div(utc_ms, 1000);
	int64_t offset = zone_offset(z, now);
	int64_t next;

	if (unit == ZONE_HOUR)
		return (local_start(unit, now + offset, 1) - offset) * 1000;
	next = moment_of(z, local_start(unit, now + offset, 1));
	return (next > now ? next : now + 1) * 1000;
}

void
zone_shows(const struct zone *z, int64_t utc_ms, int64_t *days,
    int64_t *ms_of_day)
{
	int64_t local = utc_ms + zone_offset(z, floor_div(utc_ms, 1000)) * 1000;

	*days = floor_div(local, DAY * 1000);
	*ms_of_day = local - *days * DAY * 1000;
}

int64_t
zone_moment(const struct zone *z, int64_t days, int64_t ms_of_day)
{
	assert(ms_of_day >= 0 && ms_of_day < DAY * 1000);
	return moment_of(z, days * DAY + ms_of_day / 1000) * 1000 +
	    ms_of_day % 1000;
}
