/* SPDX-License-Identifier: MIT */
/*
 * price.h - what a call costs.
 *
 * Use comes in disjoint buckets; a price has a rate for each.  A rate that
 * was left out falls back: cache_read and cache_write to input,
 * cache_write_1h to cache_write, reasoning to output, request to 0.  If
 * neither input nor output is given tokens are free and request must be there.
 */
#ifndef WEIR_PRICE_H
#define WEIR_PRICE_H

#include <stdbool.h>
#include <stdint.h>

enum bucket {
	BUCKET_INPUT,		/* fresh prompt tokens */
	BUCKET_CACHE_READ,
	BUCKET_CACHE_WRITE,	/* kept 5 minutes */
	BUCKET_CACHE_WRITE_1H,
	BUCKET_OUTPUT,		/* without reasoning */
	BUCKET_REASONING,
	BUCKET_REQUEST,		/* requests: rate is per one, not per million */
	N_BUCKETS
};

extern const char *const bucket_names[N_BUCKETS];	/* "cache_read" … */

struct buckets {
	int64_t n[N_BUCKETS];
};

struct price {
	int64_t id;		/* row, 0: none (a free model) */
	int64_t rate[N_BUCKETS];/* after falling back; nano-dollars a million */
	unsigned priced;	/* bit b: bucket b has a price.  Only `output`
				 * (and with it `reasoning`) can lack one: a
				 * model that makes no tokens; its rate is 0 */
};

/*
 * Fills the rates of p (not its id) from those that were given (-1: left
 * out).  False: neither tokens nor requests have a price, or output has one
 * and input has not.
 */
bool price_fill(const int64_t given[static N_BUCKETS], struct price *p);

/*
 * The charge in nano-dollars for use at a price times a share in ppm (the
 * group's markup, or the channel's cost): one rounding, up.  Counts and rates
 * are >= 0.  False: it does not fit MONEY_MAX.
 */
bool price_charge(const struct price *p, const struct buckets *use,
    int64_t share_ppm, int64_t *nano);

#endif
