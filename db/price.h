/* SPDX-License-Identifier: MIT */
/*
 * price.h - what a call costs.
 *
 * Use comes in disjoint buckets; a price has a rate for each.  A rate that
 * was left out falls back: cache_read, cache_write and image_in to input,
 * cache_write_1h to cache_write, reasoning to output, request to 0; the
 * others to nothing.  If neither input nor output is given tokens are free
 * and one of request, image, second, character and search must be there.
 * What a call could use and has no price is refused before it is sent.
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
	BUCKET_AUDIO_IN,	/* tokens of sound and pictures; input and */
	BUCKET_AUDIO_OUT,	/* output do not count them */
	BUCKET_IMAGE_IN,
	BUCKET_IMAGE_OUT,
	BUCKET_CHARACTER,	/* Unicode code points that are spoken */
	BUCKET_IMAGE,		/* pictures made; this and the rest per one */
	BUCKET_SECOND,		/* of sound that is listened to, begun ones */
	BUCKET_SEARCH,		/* search units */
	N_BUCKETS
};

/* A set of buckets: what is counted by ones, and what in tokens. */
#define BUCKET_BIT(name) (1u << BUCKET_##name)
#define BUCKETS_ONES (BUCKET_BIT(REQUEST) | BUCKET_BIT(IMAGE) | \
	BUCKET_BIT(SECOND) | BUCKET_BIT(SEARCH))
#define BUCKETS_IN (BUCKET_BIT(INPUT) | BUCKET_BIT(CACHE_READ) | \
	BUCKET_BIT(CACHE_WRITE) | BUCKET_BIT(CACHE_WRITE_1H) | \
	BUCKET_BIT(AUDIO_IN) | BUCKET_BIT(IMAGE_IN))
#define BUCKETS_OUT (BUCKET_BIT(OUTPUT) | BUCKET_BIT(REASONING) | \
	BUCKET_BIT(AUDIO_OUT) | BUCKET_BIT(IMAGE_OUT))

extern const char *const bucket_names[N_BUCKETS];	/* "cache_read" … */

struct buckets {
	int64_t n[N_BUCKETS];
};

struct price {
	int64_t id;		/* row, 0: none (a free model) */
	int64_t rate[N_BUCKETS];/* after falling back; nano-dollars a million */
	unsigned priced;	/* bit b: bucket b has a price, given or fallen
				 * back to; without one its rate is 0 */
	unsigned given;		/* bit b: the price names it itself */
};

/* Tokens read, and tokens made, of all kinds. */
int64_t buckets_in(const struct buckets *use);
int64_t buckets_out(const struct buckets *use);

/*
 * Fills the rates of p (not its id) from those that were given (-1: left
 * out).  False: nothing has a price by which a call could be charged, or
 * output has one and input has not.
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
