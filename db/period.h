/* SPDX-License-Identifier: MIT */
/*
 * period.h - when the periods of a subscription begin and end.
 *
 * Pure arithmetic of calendars in a time zone.  A period begins at the same
 * time of the local clock each time, on the day of the anchor: a month's 31st
 * is its last day where it has less, and comes back; 29 February is the 28th
 * in other years.  Of a time that a clock shows twice the first counts, of one
 * that it leaves out the moment after.
 *
 * Periods are numbered from 1 and leave no gap: each begins where the one
 * before it ended, also when the site's time zone has changed in between.
 */
#ifndef WEIR_PERIOD_H
#define WEIR_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

#include "db/zone.h"

enum period_kind {
	PERIOD_ONCE,			/* one, which nothing follows */
	PERIOD_DAYS, PERIOD_WEEK, PERIOD_MONTH, PERIOD_YEAR, N_PERIODS
};
extern const char *const period_names[N_PERIODS];	/* "once" … */

/* By its name; N_PERIODS: there is none so called. */
enum period_kind period_read(struct str name);

enum { PERIOD_DAYS_MOST = 3660 };

/*
 * anchor: 0: the day on which it is bought, at that time of day.  Else periods
 * begin at midnight, and the first is cut short: month: of its day 1 to 31;
 * week: of its day, Monday is 1; year: of month * 100 + day.
 */
struct period {
	enum period_kind kind;
	int64_t days;			/* of PERIOD_DAYS: so many */
	int64_t anchor;
};

/* Is there such an anchor? */
bool period_anchor_valid(enum period_kind kind, int64_t anchor);

/* Where a series of periods begins: what the local clock shows when the first
 * one, if it were whole, does. */
struct period_base {
	int64_t day;			/* since 1970-01-01 */
	int64_t ms_of_day;
};

struct period_span {
	int64_t number;			/* from 1 */
	int64_t from_ms, until_ms;	/* UTC; until INT64_MAX: for ever */
};

/*
 * The first period of what begins at from_ms, and the base of those that
 * follow.  *whole_ms: how long it would be, were it not cut short.
 */
struct period_span period_first(const struct period *p, const struct zone *z,
    int64_t from_ms, struct period_base *base, int64_t *whole_ms);

/* The period after one; not of PERIOD_ONCE. */
struct period_span period_after(const struct period *p, const struct zone *z,
    const struct period_base *base, const struct period_span *s);

/* The first period after one that ends after now_ms; s itself if it does. */
struct period_span period_reach(const struct period *p, const struct zone *z,
    const struct period_base *base, const struct period_span *s,
    int64_t now_ms);

/* So many days after a time, by the calendar. */
int64_t period_days_on(const struct zone *z, int64_t from_ms, int64_t days);

#endif
