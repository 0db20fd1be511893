/* SPDX-License-Identifier: MIT */
/*
 * hist.h - a histogram of times with 1.6 % resolution and fixed size.
 *
 * Buckets: 64 linear ones per power of two, so that a percentile is never
 * off by more than 1/64 from a nanosecond to hours.
 */
#ifndef TESTS_TOOLS_HIST_H
#define TESTS_TOOLS_HIST_H

#include <stdint.h>
#include <stdio.h>

enum { HIST_PART = 64, HIST_N = 48 * HIST_PART };

struct hist {
	uint64_t n, max, bucket[HIST_N];
};

static inline unsigned
hist_slot(uint64_t v)
{
	unsigned top, slot;

	if (v < HIST_PART)
		return (unsigned)v;
	top = 63 - (unsigned)__builtin_clzll(v); /* 6 and more */
	slot = (top - 5) * HIST_PART + (unsigned)(v >> (top - 6)) - HIST_PART;
	return slot < HIST_N ? slot : HIST_N - 1;
}

/* The middle of the values that share a slot. */
static inline double
hist_value(unsigned slot)
{
	unsigned part = slot / HIST_PART, rest = slot % HIST_PART;

	if (!part)
		return slot;
	return ((double)(HIST_PART + rest) + 0.5) *
	    (double)(1ull << (part - 1));
}

static inline void
hist_add(struct hist *h, uint64_t v)
{
	h->n++;
	h->bucket[hist_slot(v)]++;
	if (v > h->max)
		h->max = v;
}

static inline void
hist_merge(struct hist *into, const struct hist *h)
{
	into->n += h->n;
	if (h->max > into->max)
		into->max = h->max;
	for (unsigned i = 0; i < HIST_N; i++)
		into->bucket[i] += h->bucket[i];
}

/* The value that a share q of all values does not exceed. */
static inline double
hist_at(const struct hist *h, double q)
{
	uint64_t want = (uint64_t)((double)h->n * q), seen = 0;

	for (unsigned i = 0; i < HIST_N; i++) {
		seen += h->bucket[i];
		if (seen > want)
			return hist_value(i);
	}
	return (double)h->max;
}

/* As a JSON member in milliseconds. */
static inline void
hist_print(const char *name, const struct hist *h)
{
	printf(",\"%s\":{\"n\":%llu,\"p50\":%.4f,\"p90\":%.4f,\"p99\":%.4f,"
	       "\"p999\":%.4f,\"max\":%.4f}",
	    name, (unsigned long long)h->n, hist_at(h, .5) / 1e6,
	    hist_at(h, .9) / 1e6, hist_at(h, .99) / 1e6, hist_at(h, .999) / 1e6,
	    (double)h->max / 1e6);
}

#endif
