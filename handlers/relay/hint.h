/* SPDX-License-Identifier: MIT */
/* hint.h - how long an upstream asks to be left alone. */
#ifndef WEIR_HINT_H
#define WEIR_HINT_H

#include "fcgi/upstream.h"

/*
 * Milliseconds, 0 when the answer does not say, in this order:
 * retry-after-ms, retry-after (seconds or a date), x-ratelimit-reset-* (a
 * duration like 6m0s, of the limit that is used up).  Garbage says nothing.
 */
int64_t hint_ms(const struct exchange *x, int64_t now_utc_ms);

/* The same of an answer whose headers are found by a function of its own,
 * which gives the empty view for one that is not there. */
int64_t hint_of(struct str (*header)(const void *from, const char *name),
    const void *from, int64_t now_utc_ms);

/* "1.5", "6m0s", "17ms", "120": milliseconds, or -1. */
int64_t hint_duration(struct str s);

#endif
