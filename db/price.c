/* SPDX-License-Identifier: MIT */
/* price.c - what a call costs; see price.h. */
#include "db/price.h"

#include <assert.h>

#include "db/money.h"

const char *const bucket_names[N_BUCKETS] = {
	[BUCKET_INPUT] = "input",
	[BUCKET_CACHE_READ] = "cache_read",
	[BUCKET_CACHE_WRITE] = "cache_write",
	[BUCKET_CACHE_WRITE_1H] = "cache_write_1h",
	[BUCKET_OUTPUT] = "output",
	[BUCKET_REASONING] = "reasoning",
	[BUCKET_REQUEST] = "request",
	[BUCKET_AUDIO_IN] = "audio_in",
	[BUCKET_AUDIO_OUT] = "audio_out",
	[BUCKET_IMAGE_IN] = "image_in",
	[BUCKET_IMAGE_OUT] = "image_out",
	[BUCKET_CHARACTER] = "character",
	[BUCKET_IMAGE] = "image",
	[BUCKET_SECOND] = "second",
	[BUCKET_SEARCH] = "search",
};

static int64_t
sum_of(const struct buckets *use, unsigned which)
{
	int64_t sum = 0;

	for (int b = 0; b < N_BUCKETS; b++)
		if (which & 1u << b)
			sum += use->n[b];
	return sum;
}

int64_t
buckets_in(const struct buckets *use)
{
	return sum_of(use, BUCKETS_IN);
}

int64_t
buckets_out(const struct buckets *use)
{
	return sum_of(use, BUCKETS_OUT);
}

/* The last part whose quotient by PPM is within MONEY_MAX: no division. */
static const __int128 part_max = (__int128)MONEY_MAX * PPM + PPM - 1;

/*
 * The sum is kept in units of 1e-12 nano-dollars (a token's rate is per
 * million, the share is per million too) until the one rounding.  The
 * limits on its terms keep it below 2^127.
 */
bool
price_charge(const struct price *p, const struct buckets *use,
    int64_t share_ppm, int64_t *nano)
{
	__int128 sum = 0;

	assert(share_ppm >= 0);
	for (int b = 0; b < N_BUCKETS; b++) {
		__int128 part = (__int128)p->rate[b] * use->n[b];

		assert(p->rate[b] >= 0 && use->n[b] >= 0);
		if (part == 0)
			continue;
		if (part > part_max)
			return false;
		if (BUCKETS_ONES & 1u << b)
			part *= PPM;
		if (part > part_max)
			return false;
		sum += part;
	}
	if (share_ppm > 0 &&
	    sum / PPM > ((__int128)MONEY_MAX * PPM) / share_ppm)
		return false;
	sum *= share_ppm;
	sum = (sum + (__int128)PPM * PPM - 1) / ((__int128)PPM * PPM);
	if (sum > MONEY_MAX)
		return false;
	*nano = (int64_t)sum;
	return true;
}

bool
price_fill(const int64_t given[static N_BUCKETS], struct price *p)
{
	int64_t r[N_BUCKETS];
	bool tokens = given[BUCKET_INPUT] >= 0 || given[BUCKET_OUTPUT] >= 0;

	for (int b = 0; b < N_BUCKETS; b++)
		r[b] = given[b];
	if (!tokens && r[BUCKET_REQUEST] < 0 && r[BUCKET_IMAGE] < 0 &&
	    r[BUCKET_SECOND] < 0 && r[BUCKET_CHARACTER] < 0 &&
	    r[BUCKET_SEARCH] < 0)
		return false;
	if (tokens && r[BUCKET_INPUT] < 0)
		return false;
	if (!tokens)
		r[BUCKET_INPUT] = r[BUCKET_OUTPUT] = 0;
	if (r[BUCKET_CACHE_READ] < 0)
		r[BUCKET_CACHE_READ] = r[BUCKET_INPUT];
	if (r[BUCKET_CACHE_WRITE] < 0)
		r[BUCKET_CACHE_WRITE] = r[BUCKET_INPUT];
	if (r[BUCKET_IMAGE_IN] < 0)
		r[BUCKET_IMAGE_IN] = r[BUCKET_INPUT];
	if (r[BUCKET_CACHE_WRITE_1H] < 0)
		r[BUCKET_CACHE_WRITE_1H] = r[BUCKET_CACHE_WRITE];
	if (r[BUCKET_REASONING] < 0)
		r[BUCKET_REASONING] = r[BUCKET_OUTPUT];
	if (r[BUCKET_REQUEST] < 0)
		r[BUCKET_REQUEST] = 0;
	p->priced = p->given = 0;
	for (int b = 0; b < N_BUCKETS; b++) {
		if (given[b] >= 0)
			p->given |= 1u << b;
		if (r[b] >= 0)
			p->priced |= 1u << b;
		p->rate[b] = r[b] >= 0 ? r[b] : 0;
	}
	return true;
}
