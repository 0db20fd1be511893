/* SPDX-License-Identifier: MIT */
/*
 * health_out.c - who is out, until when, and whose trial it is; see health.h.
 *
 * A call asks about four records: of its pair, its key, its route and its
 * channel; who is out is rare, so levels without anybody are not looked up.
 */
#include "handlers/relay/health_part.h"

enum {
	SECOND = 1000,
	UNPROBED_MS = 3600 * SECOND	/* a bar whose probe is so late is
					 * only a last resort's */
};

enum stance
health_stance(const struct record *r, enum park_kind kind, int64_t now)
{
	if (!r->until[kind] || r->since[kind] > now + PARK_SLACK_MS)
		return STANDS;
	/* Nobody has probed it: where weir is CGI, and tick does not run. */
	if (kind == PARK_BARRED)
		return r->until[kind] + UNPROBED_MS < now ? STANDS_EJECTED :
		    STANDS_BARRED;
	if (kind == PARK_TIMED)
		return r->until[kind] > now ? STANDS_PARKED : STANDS;
	return r->until[kind] > now || r->trial > now ? STANDS_EJECTED :
	    STANDS_TRIAL;
}

/* When it ends; a bar may end with its next probe. */
static int64_t
ends(const struct record *r, enum park_kind kind, int64_t now)
{
	if (kind == PARK_EJECTED && r->until[kind] <= now)
		return r->trial;
	return r->until[kind] > now ? r->until[kind] : now + SECOND;
}

static struct health_told
stand(struct health *h, const struct subject *s, int64_t now)
{
	static const char *const whats[] = { "pair", "key", "route",
		"channel" };
	struct health_told told = { STANDS, 0, "", "" };

	for (int level = 0; level < N_LEVELS; level++) {
		struct record *r = h->n_out[level] ? health_of(h, s,
		    (enum level)level, false) : NULL;

		for (int kind = 0; r && kind < N_PARK_KINDS; kind++) {
			enum stance how = health_stance(r,
			    (enum park_kind)kind, now);
			int64_t until = how > STANDS_TRIAL ? ends(r,
			    (enum park_kind)kind, now) : 0;

			if (until > told.until)
				told.until = until;
			if (how <= told.how)
				continue;
			told.how = how;
			told.reason = health_reason(r->reason[kind]);
			told.what = whats[level];
		}
	}
	return told;
}

struct health_told
health_tell(struct health *h, const struct subject *s, int64_t now)
{
	struct health_told told;

	pthread_mutex_lock(&h->lock);
	told = stand(h, s, now);
	pthread_mutex_unlock(&h->lock);
	return told;
}

enum stance
health_standing(struct health *h, const struct subject *s, int64_t now,
    int64_t *until)
{
	struct health_told told = health_tell(h, s, now);

	*until = told.until;
	return told.how;
}

void
health_full(struct health *h, const struct subject *s, int64_t now,
    int64_t until)
{
	struct record *r;

	pthread_mutex_lock(&h->lock);
	r = health_of(h, s, LEVEL_KEY, true);
	if (r) {
		r->full_since = now;
		r->full = until;
	}
	pthread_mutex_unlock(&h->lock);
}

int64_t
health_full_until(struct health *h, const struct subject *s, int64_t now)
{
	struct record *r;
	int64_t until = 0;

	pthread_mutex_lock(&h->lock);
	r = health_of(h, s, LEVEL_KEY, false);
	/* Full since a later moment: the clock was set back. */
	if (r && r->full > now && r->full_since <= now + PARK_SLACK_MS)
		until = r->full;
	pthread_mutex_unlock(&h->lock);
	return until;
}

bool
health_ejected(const struct record *r, int64_t now)
{
	return health_stance(r, PARK_EJECTED, now) != STANDS;
}

uint64_t
health_changes(struct health *h)
{
	return h->changes;
}

int
health_half_open(struct health *h, const struct subject *s, int64_t now,
    struct record *list[N_LEVELS])
{
	int n = 0;

	for (int level = 0; level < N_LEVELS; level++) {
		struct record *r = h->n_out[level] ? health_of(h, s,
		    (enum level)level, false) : NULL;

		if (r && health_ejected(r, now) &&
		    r->until[PARK_EJECTED] <= now)
			list[n++] = r;
	}
	return n;
}

void
health_set_trial(struct health *h, const struct subject *s, int64_t until,
    int64_t now)
{
	struct record *list[N_LEVELS];
	int n = health_half_open(h, s, now, list);

	for (int i = 0; i < n; i++) {
		list[i]->trial = until;
		health_put(h, list[i], PARK_EJECTED,
		    list[i]->reason[PARK_EJECTED],
		    list[i]->until[PARK_EJECTED], now);
	}
}

bool
health_try(struct health *h, const struct subject *s, int64_t ms, int64_t now)
{
	bool mine;

	pthread_mutex_lock(&h->lock);
	/* Another's trial, or a new ejection, makes more of it. */
	mine = stand(h, s, now).how <= STANDS_TRIAL;
	if (mine)
		health_set_trial(h, s, now + ms, now);
	pthread_mutex_unlock(&h->lock);
	return mine;
}

void
health_untried(struct health *h, const struct subject *s, int64_t now)
{
	pthread_mutex_lock(&h->lock);
	health_set_trial(h, s, 0, now);
	pthread_mutex_unlock(&h->lock);
}
