/* SPDX-License-Identifier: MIT */
/*
 * health_record.c - the table of what is known of pairs, keys, routes and
 * channels.
 *
 * Found by (channel, credential, model).  It is bounded: names that nobody
 * has any more are forgotten, because callers can make some up.
 */
#include <stdlib.h>

#include "fcgi/base/mem.h"
#include "handlers/relay/health_part.h"

enum {
	FIRST_BUCKETS = 256,
	MOST_RECORDS = 65536,		/* of which those of names that nobody
					 * has are soon forgotten */
	IDLE_MS = 10 * 60 * 1000,
	CROWDED_IDLE_MS = 10 * 1000	/* when few places are left */
};

/* The name eight bytes at a time, mixed with the ids: a decision asks for it
 * a hundred times. */
uint64_t
health_hash(int64_t channel, int64_t credential, struct str model)
{
	uint64_t h = (uint64_t)channel * UINT64_C(0x9e3779b97f4a7c15) ^
	    (uint64_t)credential * UINT64_C(0x94d049bb133111eb) ^ model.n;

	for (size_t i = 0; i < model.n; i += 8) {
		size_t n = model.n - i < 8 ? model.n - i : 8;
		uint64_t part = 0;

		memcpy(&part, model.p + i, n);
		h = (h ^ part) * UINT64_C(0xbf58476d1ce4e5b9);
		h ^= h >> 29;
	}
	h *= UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 32;
}

static struct record **
bucket_of(struct health *h, uint64_t hash)
{
	return &h->buckets[hash & (h->n_buckets - 1)];
}

struct record *
health_find(struct health *h, int64_t channel, int64_t credential,
    struct str model)
{
	uint64_t hash = health_hash(channel, credential, model);
	struct record *r = *bucket_of(h, hash);

	while (r && !(r->hash == hash && r->channel == channel &&
	    r->credential == credential && r->name_n == model.n &&
	    (model.n == 0 || memcmp(r->name, model.p, model.n) == 0)))
		r = r->next;
	return r;
}

static void
grow(struct health *h)
{
	struct record **old = h->buckets;
	size_t n = h->n_buckets;

	h->n_buckets = n * 2;
	h->buckets = xalloc(sizeof(*h->buckets) * h->n_buckets);
	h->bytes += sizeof(*h->buckets) * n;
	for (size_t i = 0; i < n; i++)
		for (struct record *r = old[i], *next; r; r = next) {
			struct record **to = bucket_of(h, r->hash);

			next = r->next;
			r->next = *to;
			*to = r;
		}
	free(old);
}

static size_t
bytes_of(const struct record *r)
{
	return sizeof(*r) + r->name_n + 1;
}

void
health_evict(struct health *h, int64_t now)
{
	bool crowded = h->n_records > MOST_RECORDS / 4 * 3;
	int64_t idle_since = now - (crowded ? CROWDED_IDLE_MS : IDLE_MS);

	for (size_t n = 0; h->n_records > MOST_RECORDS / 2 &&
	    n < h->n_buckets / 8; n++) {
		struct record **at = &h->buckets[h->hand++ &
		    (h->n_buckets - 1)];

		while (*at) {
			struct record *r = *at;

			/* Used in the future: the clock was set back. */
			if (r->running || r->listed || r->dirty || r->on_way ||
			    (r->known.at > idle_since && r->known.at <= now)) {
				at = &r->next;
				continue;
			}
			*at = r->next;
			h->n_channels -= r->level == LEVEL_CHANNEL;
			h->n_records--;
			h->bytes -= bytes_of(r);
			free(r);
		}
	}
}

struct record *
health_make(struct health *h, int64_t channel, int64_t credential,
    struct str model)
{
	struct record *r = health_find(h, channel, credential, model);
	struct record **at;

	if (r || h->n_records >= MOST_RECORDS || model.n > UINT16_MAX)
		return r;
	if (h->n_records >= h->n_buckets)
		grow(h);
	r = xalloc(sizeof(*r) + model.n + 1);
	r->hash = health_hash(channel, credential, model);
	r->channel = channel;
	r->credential = credential;
	r->level = credential ? model.n ? LEVEL_PAIR : LEVEL_KEY :
	    model.n ? LEVEL_ROUTE : LEVEL_CHANNEL;
	r->name_n = (uint16_t)model.n;
	if (model.n)
		memcpy(r->name, model.p, model.n);
	at = bucket_of(h, r->hash);
	r->next = *at;
	*at = r;
	h->n_records++;
	h->n_channels += r->level == LEVEL_CHANNEL;
	h->bytes += bytes_of(r);
	return r;
}

/* The subject's record of a level; made when asked for. */
struct record *
health_of(struct health *h, const struct subject *s, enum level level,
    bool make)
{
	int64_t credential = level <= LEVEL_KEY ? s->credential : 0;
	struct str model = level == LEVEL_PAIR || level == LEVEL_ROUTE ?
	    s->model : S("");

	return make ? health_make(h, s->channel, credential, model) :
	    health_find(h, s->channel, credential, model);
}

struct health *
health_new(struct writer *w, uint64_t seed)
{
	struct health *h = xnew(struct health);

	pthread_mutex_init(&h->lock, NULL);
	h->writer = w;
	h->dice = seed;
	h->changes = 1;
	h->n_buckets = FIRST_BUCKETS;
	h->buckets = xalloc(sizeof(*h->buckets) * h->n_buckets);
	h->bytes = sizeof(*h) + sizeof(*h->buckets) * h->n_buckets;
	return h;
}

void
health_free(struct health *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < h->n_buckets; i++)
		for (struct record *r = h->buckets[i], *next; r; r = next) {
			next = r->next;
			free(r->news);
			free(r);
		}
	free(h->buckets);
	free(h->out.at);
	free(h->dirty.at);
	free(h->whole);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

size_t
health_bytes(struct health *h)
{
	size_t n;

	pthread_mutex_lock(&h->lock);
	n = h->bytes + sizeof(struct record *) *
	    (size_t)(h->out.room + h->dirty.room);
	pthread_mutex_unlock(&h->lock);
	return n;
}
