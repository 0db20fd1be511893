/* SPDX-License-Identifier: MIT */
/*
 * health_whole.c - how long whole answers took that were not streamed, by
 * model and by the power of two of the output's limit.
 */
#include "fcgi/base/mem.h"
#include "handlers/relay/health_part.h"

/* Lossy: two of them that meet in one place displace each other. */
enum { WHOLES = 512 };

struct whole {
	uint64_t key;
	uint16_t times[SCORE_TIMES];
};

static uint64_t
whole_key(struct str model, int64_t output)
{
	int octave = 0;

	while (output > 1 && octave < 40) {
		output /= 2;
		octave++;
	}
	return health_hash(octave + 1, 0, model);
}

void
health_whole(struct health *h, struct str model, int64_t output, int64_t ms)
{
	uint64_t key = whole_key(model, output);
	struct score s = { 0 };
	struct whole *w;

	pthread_mutex_lock(&h->lock);
	if (!h->whole) {
		h->whole = xalloc(sizeof(*h->whole) * WHOLES);
		h->bytes += sizeof(*h->whole) * WHOLES;
	}
	w = &h->whole[key % WHOLES];
	if (w->key == key)
		memcpy(s.times, w->times, sizeof(s.times));
	score_first(&s, ms < 0 ? 0 : ms);
	w->key = key;
	memcpy(w->times, s.times, sizeof(w->times));
	pthread_mutex_unlock(&h->lock);
}

int64_t
health_whole_late(struct health *h, struct str model, int64_t output)
{
	uint64_t key = whole_key(model, output);
	int64_t ms = 0;

	pthread_mutex_lock(&h->lock);
	if (h->whole && h->whole[key % WHOLES].key == key)
		ms = score_within(h->whole[key % WHOLES].times, 950,
		    LATE_CALLS);
	pthread_mutex_unlock(&h->lock);
	return ms;
}
