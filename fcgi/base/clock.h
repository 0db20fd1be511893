/* SPDX-License-Identifier: MIT */
/*
 * clock.h - two clocks and their spelling.
 *
 * Monotonic time measures and drives timers inside a process and is never
 * stored; UTC milliseconds are stored and never drive a timer.
 */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

/* Monotonic since an arbitrary start. */
int64_t clock_us(void);
int64_t clock_ms(void);

/* Wall clock, UTC milliseconds since 1970. */
int64_t clock_utc_ms(void);

/* "2026-11-22T09:30:00.123Z"; out is terminated. */
enum { CLOCK_TEXT = 32 };
void clock_text(int64_t utc_ms, char out[static CLOCK_TEXT]);

/*
 * Reads RFC 3339 with any offset ("2026-11-22T09:30:00Z"), a date alone
 * (midnight UTC), or how long before now ("24h", "7d", "30m", "90s").
 */
bool clock_read(struct str s, int64_t now_utc_ms, int64_t *utc_ms);

/*
 * Reads an HTTP date (RFC 9110 5.6.7, its preferred form) as UTC ms.
 */
bool clock_http_date(struct str s, int64_t *utc_ms);

#endif
