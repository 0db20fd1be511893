/* SPDX-License-Identifier: MIT */
/*
 * health_share.c - what processes tell each other of upstreams, through the
 * store.
 *
 * Who is out is written at once; scores are counted here and added to the
 * store's rows once a second.  What the store tells may be older than what
 * was learned here: an entry of our own outlives it until its row is written
 * and was read since, and a score that is being written is not overwritten.
 */
#include <stdlib.h>

#include "fcgi/base/mem.h"
#include "handlers/relay/health_part.h"

enum { SHARED_AT_ONCE = 500 };	/* scores of one operation */

static void
append(struct list *l, struct record *r)
{
	if (l->n == l->room) {
		l->room = l->room ? l->room * 2 : 16;
		l->at = xresize(l->at, sizeof(*l->at) * (size_t)l->room);
	}
	l->at[l->n++] = r;
}

/* --- Who is out ----------------------------------------------------------- */

void
health_list(struct health *h, struct record *r)
{
	if (r->listed)
		return;
	r->listed = true;
	h->n_out[r->level]++;
	append(&h->out, r);
}

/* Is there a reason left to keep it in the list? */
static bool
stays(struct record *r, int64_t now)
{
	if (r->until[PARK_TIMED] <= now && !r->own[PARK_TIMED])
		r->until[PARK_TIMED] = 0;
	for (int kind = 0; kind < N_PARK_KINDS; kind++)
		if (r->until[kind] || r->own[kind])
			return true;
	return false;
}

static void
tidy(struct health *h, int64_t now)
{
	int kept = 0;

	for (int i = 0; i < h->out.n; i++) {
		struct record *r = h->out.at[i];

		if (stays(r, now)) {
			h->out.at[kept++] = r;
			continue;
		}
		r->listed = false;
		h->n_out[r->level]--;
	}
	h->out.n = kept;
}

struct written {
	struct park_put put;
	struct health *health;
};

/* Writer thread: one load that began before the commit may be under way. */
static void
written(struct op *op)
{
	struct written *w = holder(op, struct written, put.op);
	const struct park *p = &w->put.park;
	struct health *h = w->health;
	struct record *r;

	pthread_mutex_lock(&h->lock);
	r = health_find(h, p->channel, p->credential, p->model);
	/* The last one of several is what we know. */
	if (r && --r->writing[p->kind] == 0)
		r->own[p->kind] = op->ok && w->put.kept ? OWN_WRITTEN :
		    OWN_LOST;
	pthread_mutex_unlock(&h->lock);
	arena_release(&w->put.arena);
	free(w);
}

static void
write_park(struct health *h, const struct record *r, enum park_kind kind)
{
	struct written *w = xnew(struct written);

	w->health = h;
	w->put.op.run = park_put_run;
	w->put.op.done = written;
	w->put.park = (struct park){
		.channel = r->channel,
		.credential = r->credential,
		.model = arena_str(&w->put.arena,
		    str_from(r->name, r->name_n)),
		.kind = kind,
		.until = r->until[kind],
		.times = r->times,
		.trial = r->trial,
		.reason = str_of(health_reason(r->reason[kind])),
	};
	writer_put(h->writer, &w->put.op);
}

static _Atomic uint64_t ejections;

uint64_t
health_ejections(void)
{
	return ejections;
}

enum stance
health_worst(struct health *h, int64_t channel, int64_t credential,
    int64_t now)
{
	enum stance worst = STANDS;

	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < h->out.n; i++) {
		const struct record *r = h->out.at[i];

		if (r->channel != channel || (r->credential &&
		    r->credential != credential))
			continue;
		for (int k = 0; k < N_PARK_KINDS; k++) {
			enum stance how = health_stance(r, (enum park_kind)k,
			    now);

			if (how > worst)
				worst = how;
		}
	}
	pthread_mutex_unlock(&h->lock);
	return worst;
}

void
health_put(struct health *h, struct record *r, enum park_kind kind,
    enum reason reason, int64_t until, int64_t now)
{
	/* Taking a trial, or more of the same, is no new one. */
	if (kind == PARK_EJECTED && until > now && r->until[kind] <= now)
		ejections++;
	h->changes++;
	r->until[kind] = until;
	r->since[kind] = now;
	r->reason[kind] = (uint8_t)reason;
	health_list(h, r);
	if (!h->writer || r->writing[kind] == UINT16_MAX)
		return;
	r->own[kind] = OWN_WRITING;
	r->writing[kind]++;
	write_park(h, r, kind);
}

static enum reason
reason_of(struct str word)
{
	for (int i = 0; i < N_REASONS; i++)
		if (str_eq(word, str_of(health_reason((enum reason)i))))
			return (enum reason)i;
	return REASON_OTHER;
}

/* A row of the store, unless we know better. */
static void
take_park(struct health *h, const struct park *p)
{
	struct record *r = health_make(h, p->channel, p->credential,
	    p->model);

	if (!r)
		return;
	health_list(h, r);
	r->seen[p->kind] = true;
	if (r->own[p->kind])
		return;
	if (p->kind == PARK_EJECTED && !r->until[PARK_EJECTED])
		r->probed = p->since;
	r->until[p->kind] = p->until;
	r->since[p->kind] = p->since;
	r->reason[p->kind] = (uint8_t)reason_of(p->reason);
	if (p->kind == PARK_EJECTED) {
		r->times = (uint16_t)p->times;
		r->trial = p->trial;
	}
}

/* Another process has brought it back. */
static void
gone(struct record *r, enum park_kind kind, int64_t now)
{
	r->until[kind] = 0;
	if (kind == PARK_EJECTED)
		health_forget(r, now);
}

void
health_load_parks(struct health *h, const struct park *list, int n,
    int64_t now)
{
	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < h->out.n; i++) {
		struct record *r = h->out.at[i];

		memset(r->seen, 0, sizeof(r->seen));
		for (int k = 0; k < N_PARK_KINDS; k++)
			if (r->own[k] && r->own[k] != OWN_WRITING)
				r->own[k]--;
	}
	h->changes++;
	for (int i = 0; i < n; i++)
		take_park(h, &list[i]);
	for (int i = 0; i < h->out.n; i++) {
		struct record *r = h->out.at[i];

		for (int k = 0; k < N_PARK_KINDS; k++)
			if (r->until[k] && !r->seen[k] && !r->own[k])
				gone(r, (enum park_kind)k, now);
	}
	tidy(h, now);
	pthread_mutex_unlock(&h->lock);
}

/* --- Scores --------------------------------------------------------------- */

struct news *
health_news(struct health *h, struct record *r, int64_t now)
{
	if (!r->news) {
		r->news = xnew(struct news);
		r->news->score.at = now;
		h->bytes += sizeof(*r->news);
	}
	score_age(&r->news->score, now);
	if (!r->dirty) {
		r->dirty = true;
		append(&h->dirty, r);
	}
	return r->news;
}

/* What was counted becomes part of what is known. */
static void
settle(struct health *h, struct record *r, int64_t now)
{
	r->known = health_score(r, now);
	free(r->news);
	h->bytes -= sizeof(*r->news);
	r->news = NULL;
	r->dirty = false;
}

struct sharing {
	struct score_add add;
	struct health *health;
};

static void
shared(struct op *op)
{
	struct sharing *s = holder(op, struct sharing, add.op);
	struct health *h = s->health;

	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < s->add.n; i++) {
		struct record *r = s->add.list[i].mark;

		r->on_way = false;	/* so long it was not freed */
	}
	pthread_mutex_unlock(&h->lock);
	arena_release(&s->add.arena);
	free(s);
}

/* One record's news into the operation. */
static void
share_one(struct health *h, struct sharing *s, struct record *r, int64_t now)
{
	s->add.list[s->add.n++] = (struct score_row){
		.credential = r->credential,
		.model = arena_str(&s->add.arena,
		    str_from(r->name, r->name_n)),
		.score = r->news->score,
		.ended_failures = r->news->ended_failures,
		.ended_late = r->news->ended_late,
		.anew = r->news->anew,
		.mark = r,
	};
	r->on_way = true;
	settle(h, r, now);
}

void
health_share(struct health *h, int64_t now)
{
	struct sharing *s = NULL;
	int kept = 0;

	pthread_mutex_lock(&h->lock);
	tidy(h, now);
	health_evict(h, now);
	if (h->writer && h->dirty.n) {
		s = xnew(struct sharing);
		s->health = h;
		s->add.op.run = score_add_run;
		s->add.op.done = shared;
		s->add.list = arena_zero(&s->add.arena,
		    sizeof(*s->add.list) * (size_t)(h->dirty.n <
		    SHARED_AT_ONCE ? h->dirty.n : SHARED_AT_ONCE));
	}
	for (int i = 0; i < h->dirty.n; i++) {
		struct record *r = h->dirty.at[i];

		if (!s)
			settle(h, r, now);
		else if (s->add.n < SHARED_AT_ONCE && !r->on_way)
			share_one(h, s, r, now);
		else
			h->dirty.at[kept++] = r;
	}
	h->dirty.n = kept;
	pthread_mutex_unlock(&h->lock);
	if (s && s->add.n == 0) {
		arena_release(&s->add.arena);
		free(s);
	} else if (s) {
		writer_put(h->writer, &s->add.op);
	}
}

void
health_load_scores(struct health *h, const struct score_row *list, int n)
{
	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < n; i++) {
		struct record *r = health_make(h, list[i].channel,
		    list[i].credential, list[i].model);

		if (r && !r->on_way)
			r->known = list[i].score;
	}
	pthread_mutex_unlock(&h->lock);
}
