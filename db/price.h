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
 *
 * A tier has other rates for whole requests whose input, of all kinds, is
 * above so many tokens; what it leaves out is as without it.  A multiplier is
 * for requests that the upstream reports to have served in another way
 * ("batch", "flex", "priority"): all they cost is multiplied by it.
 */
#ifndef WEIR_PRICE_H
#define WEIR_PRICE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"

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

enum { PRICE_TIERS = 8, PRICE_MULTIPLIERS = 16, PRICE_TEXT = 16384 };

/* What a price says, as it is written down. */
struct price_words {
	int64_t given[N_BUCKETS];	/* nano-dollars; -1: left out */
	struct str tiers;		/* [{"above":200000,"input":"2.5"}], */
	struct str multipliers;		/* {"flex":"0.5"}: in order, without
					 * blanks; empty: none */
};

struct price_tier {
	int64_t above;
	int64_t rate[N_BUCKETS];
};

struct multiplier {
	struct str name;
	int64_t ppm;
};

struct price {
	int64_t id;		/* row, 0: none (a free model) */
	int64_t rate[N_BUCKETS];/* after falling back; nano-dollars a million */
	unsigned priced;	/* bit b: bucket b has a price, given or fallen
				 * back to; without one its rate is 0 */
	unsigned given;		/* bit b: the price names it itself */
	int n_tiers, n_multipliers;
	const struct price_tier *tiers;	/* by `above`, rising */
	const struct multiplier *multipliers;
};

/* Tokens read, and tokens made, of all kinds. */
int64_t buckets_in(const struct buckets *use);
int64_t buckets_out(const struct buckets *use);

/*
 * Fills the rates of p (not its id) from those that were given (-1: left
 * out); it has no tiers and no multipliers then.  False: nothing has a price
 * by which a call could be charged, or output has one and input has not.
 */
bool price_fill(const int64_t given[static N_BUCKETS], struct price *p);

/*
 * The same with tiers and multipliers, which are in the arena then.  False
 * too if their text is not as price_words has it.
 */
bool price_read(struct arena *a, const struct price_words *w,
    struct price *p);

/* No price at all; has it any rate?  Do two say the same? */
void price_words_blank(struct price_words *w);
bool price_given(const int64_t given[static N_BUCKETS]);
bool price_words_eq(const struct price_words *a,
    const struct price_words *b);

/* One tier and one multiplier, as price_words has them; the first of the
 * text is told by the text, which is empty then. */
void price_put_tier(struct buf *text, int64_t above,
    const int64_t given[static N_BUCKETS]);
void price_put_multiplier(struct buf *text, struct str name, int64_t ppm);
/* The rates of a tier's JSON object that it gives itself, and `above`. */
bool price_read_tier(struct str object, int64_t *above,
    int64_t given[static N_BUCKETS]);

/*
 * The charge in nano-dollars for use at a price times a share in ppm (the
 * group's markup, or the channel's cost): one rounding, up.  The tier is that
 * of the input in use.  Counts and rates are >= 0.  False: it does not fit
 * MONEY_MAX.
 */
bool price_charge(const struct price *p, const struct buckets *use,
    int64_t share_ppm, int64_t *nano);

/* The same times a multiplier in ppm; still one rounding. */
bool price_charge_times(const struct price *p, const struct buckets *use,
    int64_t share_ppm, int64_t times_ppm, int64_t *nano);

/* What is asked for a call that used something: its charge, but at least the
 * minimum and what it cost (0: below cost is fine), and at most the bound. */
int64_t price_at_least(int64_t charge, int64_t minimum, int64_t cost,
    int64_t bound);

/* A share that costs so much (ppm) less. */
static inline int64_t
price_discounted(int64_t share_ppm, int64_t discount_ppm)
{
	return discount_ppm > 0 ? (int64_t)((__int128)share_ppm *
	    (1000000 - discount_ppm) / 1000000) : share_ppm;
}

/* The multiplier for what an upstream reports; false: there is none. */
bool price_multiplier(const struct price *p, struct str name, int64_t *ppm);

/* The dearest multiplier, at least PPM. */
int64_t price_multiplier_most(const struct price *p);

/* The dearest rate among some buckets, of the tiers that a request of so much
 * input may reach. */
int64_t price_dearest(const struct price *p, unsigned which,
    int64_t input_most);

#endif
