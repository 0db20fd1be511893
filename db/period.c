/* SPDX-License-Identifier: MIT */
/* period.c - when periods begin and end; see period.h. */
#include "db/period.h"

#include <assert.h>

const char *const period_names[N_PERIODS] = { "once", "days", "week", "month",
	"year" };

enum period_kind
period_read(struct str name)
{
	int kind = 0;

	while (kind < N_PERIODS && !str_eq(name, str_of(period_names[kind])))
		kind++;
	return (enum period_kind)kind;
}

static int64_t
month_length(int64_t year, int64_t month)
{
	return zone_days(month == 12 ? year + 1 : year,
		   month == 12 ? 1 : month + 1, 1) -
	    zone_days(year, month, 1);
}

bool
period_anchor_valid(enum period_kind kind, int64_t anchor)
{
	int64_t month = anchor / 100, day = anchor % 100;

	switch (kind) {
	case PERIOD_WEEK:
		return anchor >= 1 && anchor <= 7;
	case PERIOD_MONTH:
		return anchor >= 1 && anchor <= 31;
	case PERIOD_YEAR:
		/* 2000 has a 29 February. */
		return month >= 1 && month <= 12 && day >= 1 &&
		    day <= month_length(2000, month);
	default:
		return false;
	}
}

/* The day of the month that a month comes back to. */
static int64_t
anchor_day(const struct period *p, const struct period_base *base)
{
	int64_t year, month, day;

	if (p->anchor)
		return p->kind == PERIOD_YEAR ? p->anchor % 100 : p->anchor;
	zone_date(base->day, &year, &month, &day);
	return day;
}

/* That day, or the last, of the month so many months after that of a day. */
static int64_t
months_on(int64_t from, int64_t months, int64_t anchor)
{
	int64_t year, month, day, length;

	zone_date(from, &year, &month, &day);
	month += months - 1;
	year += month / 12 - (month % 12 < 0);
	month = (month % 12 + 12) % 12 + 1;
	length = month_length(year, month);
	return zone_days(year, month, anchor < length ? anchor : length);
}

/* When period k ends, of which 0 is the one before the first. */
static int64_t
end_of(const struct period *p, const struct zone *z,
    const struct period_base *base, int64_t k)
{
	int64_t day = base->day, anchor = anchor_day(p, base);

	switch (p->kind) {
	case PERIOD_DAYS:
		day += k * p->days;
		break;
	case PERIOD_WEEK:
		day += k * 7;
		break;
	case PERIOD_MONTH:
		day = months_on(day, k, anchor);
		break;
	case PERIOD_YEAR:
		day = months_on(day, k * 12, anchor);
		break;
	default:
		return INT64_MAX;
	}
	return zone_moment(z, day, base->ms_of_day);
}

/* The day of the anchor that is not after this one. */
static int64_t
anchored(const struct period *p, int64_t day)
{
	int64_t year, month, of_month, back, at;

	if (p->kind == PERIOD_WEEK) {
		back = ((day + 3) % 7 + 7) % 7 + 1 - p->anchor;
		return day - (back < 0 ? back + 7 : back);
	}
	if (p->kind == PERIOD_MONTH) {
		at = months_on(day, 0, p->anchor);
		return at <= day ? at : months_on(day, -1, p->anchor);
	}
	zone_date(day, &year, &month, &of_month);
	back = p->anchor / 100 - month;
	at = months_on(day, back, p->anchor % 100);
	return at <= day ? at : months_on(day, back - 12, p->anchor % 100);
}

struct period_span
period_after(const struct period *p, const struct zone *z,
    const struct period_base *base, const struct period_span *s)
{
	struct period_span next = { s->number, s->until_ms, 0 };

	assert(p->kind != PERIOD_ONCE && s->until_ms < INT64_MAX);
	/* Where a zone leaves out a day, a period of one day has no length. */
	while (next.until_ms <= next.from_ms)
		next.until_ms = end_of(p, z, base, ++next.number);
	return next;
}

struct period_span
period_first(const struct period *p, const struct zone *z, int64_t from_ms,
    struct period_base *base, int64_t *whole_ms)
{
	struct period_span s = { 1, from_ms, INT64_MAX };

	assert(p->kind < N_PERIODS && (p->kind != PERIOD_DAYS ||
	    (p->days >= 1 && p->days <= PERIOD_DAYS_MOST)));
	assert(p->anchor == 0 || period_anchor_valid(p->kind, p->anchor));
	*whole_ms = INT64_MAX;
	zone_shows(z, from_ms, &base->day, &base->ms_of_day);
	if (p->kind == PERIOD_ONCE)
		return s;
	if (p->anchor) {
		base->day = anchored(p, base->day);
		base->ms_of_day = 0;
	}
	s = period_after(p, z, base, &(struct period_span){ 0, 0, from_ms });
	*whole_ms = s.until_ms - (p->anchor ? end_of(p, z, base,
	    s.number - 1) : from_ms);
	return s;
}

struct period_span
period_reach(const struct period *p, const struct zone *z,
    const struct period_base *base, const struct period_span *s,
    int64_t now_ms)
{
	struct period_span at = *s;

	while (at.until_ms <= now_ms)
		at = period_after(p, z, base, &at);
	return at;
}

int64_t
period_days_on(const struct zone *z, int64_t from_ms, int64_t days)
{
	int64_t day, ms_of_day, at;

	zone_shows(z, from_ms, &day, &ms_of_day);
	at = zone_moment(z, day + days, ms_of_day);
	return at > from_ms ? at : from_ms + 1;
}
