/* SPDX-License-Identifier: MIT */
/*
 * zone.h - where hours, days, weeks and months begin.
 *
 * A time zone by its name ("UTC", "Europe/Berlin"), read from the system's
 * files once and immutable then: unlike localtime() any thread may ask, and
 * nothing depends on TZ.
 */
#ifndef WEIR_ZONE_H
#define WEIR_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

struct zone;

/* NULL: the system does not know it. */
struct zone *zone_open(struct str name);
void zone_close(struct zone *z);

/* Seconds to add to UTC at a time (UTC seconds). */
int64_t zone_offset(const struct zone *z, int64_t utc_s);

enum zone_unit { ZONE_HOUR, ZONE_DAY, ZONE_WEEK, ZONE_MONTH };

/*
 * The begin of the hour, day, week (Monday) or month that utc_ms is in, and
 * of the next one, both UTC ms.  Where midnight does not exist a day begins
 * at the first moment after it.
 */
int64_t zone_start(const struct zone *z, enum zone_unit unit, int64_t utc_ms);
int64_t zone_next(const struct zone *z, enum zone_unit unit, int64_t utc_ms);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back; month
 * 1 to 12. */
int64_t zone_days(int64_t year, int64_t month, int64_t day);
void zone_date(int64_t days, int64_t *year, int64_t *month, int64_t *day);

/*
 * What calendar and clock show at a time, and the moment when they show it:
 * the first one if there are two, the first after it if there is none.  UTC
 * ms; ms_of_day: 0 to 86399999.
 */
void zone_shows(const struct zone *z, int64_t utc_ms, int64_t *days,
    int64_t *ms_of_day);
int64_t zone_moment(const struct zone *z, int64_t days, int64_t ms_of_day);

#endif
