/* SPDX-License-Identifier: MIT */
/*
 * health_probe.c - who waits for a probe, and what probes change.
 *
 * Not here: making them (probe.c, prober.c).
 */
#include "handlers/relay/health_part.h"

/* So long after its last call a model of an ejected key is probed. */
enum { WANTED_MS = 3600 * 1000 };

/*
 * Has anybody called it lately?  Callers can make up names where a pattern
 * has a price: they must not be probed for ever.  Who calls it again later
 * makes its trial.  Scores tell of all processes; 0: nobody knows here.
 */
static bool
is_wanted(const struct record *r, int64_t now)
{
	return r->name_n == 0 || r->news || r->known.at == 0 ||
	    now - r->known.at < WANTED_MS;
}

int
health_due(struct health *h, int64_t every, int64_t now, struct arena *a,
    struct health_due *list, int max)
{
	int n = 0;

	pthread_mutex_lock(&h->lock);
	/* Each in its turn: probes may take longer than `every`. */
	for (int left = h->out.n; left > 0 && n < max; left--) {
		struct record *r = h->out.at[++h->due_hand % h->out.n];
		bool barred = r->until[PARK_BARRED] &&
		    r->until[PARK_BARRED] <= now;

		if (!barred && (!r->until[PARK_EJECTED] ||
		    r->until[PARK_BARRED] || !is_wanted(r, now)))
			continue;
		/* Probed in the future: the clock was set back. */
		if (r->probed <= now && now - r->probed < every)
			continue;
		r->probed = now;
		list[n++] = (struct health_due){ r->channel, r->credential,
			arena_str(a, str_from(r->name, r->name_n)),
			barred ? PARK_BARRED : PARK_EJECTED,
			r->until[PARK_BARRED] - r->since[PARK_BARRED] };
	}
	h->due_hand %= h->out.n ? h->out.n : 1;
	pthread_mutex_unlock(&h->lock);
	return n;
}

void
health_lift(struct health *h, int64_t channel, int64_t credential,
    struct str model, int64_t now)
{
	struct subject s = { .channel = channel, .credential = credential,
		.model = model };

	pthread_mutex_lock(&h->lock);
	health_back(h, &s, now);
	for (int level = 0; level < N_LEVELS; level++) {
		struct record *r = h->n_out[level] ? health_of(h, &s,
		    (enum level)level, false) : NULL;

		if (r && r->until[PARK_BARRED])
			health_put(h, r, PARK_BARRED, REASON_OTHER, 0, now);
	}
	pthread_mutex_unlock(&h->lock);
}

void
health_still(struct health *h, int64_t channel, int64_t credential,
    struct str model, int64_t next, int64_t now)
{
	struct record *r;

	pthread_mutex_lock(&h->lock);
	r = health_find(h, channel, credential, model);
	if (r && r->until[PARK_BARRED])
		health_put(h, r, PARK_BARRED, r->reason[PARK_BARRED], next,
		    now);
	else if (r && health_stance(r, PARK_EJECTED, now) == STANDS_TRIAL)
		health_eject(h, r, r->reason[PARK_EJECTED], now);
	pthread_mutex_unlock(&h->lock);
}
