/* SPDX-License-Identifier: MIT */
/* affinity.c - who served a session last; see affinity.h. */
#include "handlers/relay/affinity.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "fcgi/base/mem.h"

/* Four places a session may have; the one used longest ago is given up. */
enum { SETS = 8192, WAYS = 4, KEPT_MS = 5 * 60 * 1000 };

struct place {
	uint64_t session;
	int64_t credential;
	int64_t until_ms;
};

struct affinity {
	pthread_mutex_t lock;
	struct place places[SETS][WAYS];	/* zero pages until used */
};

static uint64_t
mix(uint64_t h, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
	return (h ^ s.n) * UINT64_C(0x9e3779b97f4a7c15);
}

uint64_t
affinity_session(int64_t key, struct str model, struct str named,
    uint64_t head)
{
	uint64_t h = mix((uint64_t)key, model);

	if (named.n == 0 && head == 0)
		return 0;
	h = named.n ? mix(h, named) : h ^ head;
	return h ? h : 1;
}

struct affinity *
affinity_new(void)
{
	struct affinity *a = xnew(struct affinity);

	pthread_mutex_init(&a->lock, NULL);
	return a;
}

void
affinity_free(struct affinity *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a);
}

int64_t
affinity_find(struct affinity *a, uint64_t session, int64_t now)
{
	struct place *set = a->places[session % SETS];
	int64_t found = 0;

	assert(session);
	pthread_mutex_lock(&a->lock);
	for (int i = 0; i < WAYS; i++)
		if (set[i].session == session && set[i].until_ms > now)
			found = set[i].credential;
	pthread_mutex_unlock(&a->lock);
	return found;
}

void
affinity_keep(struct affinity *a, uint64_t session, int64_t credential,
    int64_t now)
{
	struct place *set = a->places[session % SETS];
	struct place *to = set;

	assert(session);
	pthread_mutex_lock(&a->lock);
	for (int i = 0; i < WAYS; i++) {
		if (set[i].session == session) {
			to = &set[i];
			break;
		}
		if (set[i].until_ms < to->until_ms)
			to = &set[i];
	}
	*to = (struct place){ session, credential, now + KEPT_MS };
	pthread_mutex_unlock(&a->lock);
}
