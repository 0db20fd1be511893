/* SPDX-License-Identifier: MIT */
/*
 * health.c - which credentials are out for now; see health.h.
 *
 * What each class does to a key stands in one table.  A park learned here
 * counts at once in this process; the row makes it count everywhere within a
 * second.  What the store tells may be older than what was learned here: an
 * entry of our own outlives it until the row is written and was read since.
 * Parks are few, so they are a list.
 */
#include "handlers/relay/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const struct {
	enum health_scope out;	/* what is parked */
	int64_t ms;		/* for how long, when no hint came */
	bool hinted;		/* the upstream may say how long */
	bool alert;		/* an operator must look at it */
} rules[N_UP_CLASSES] = {
	[UP_MODEL_MISSING]  = { HEALTH_PAIR, 10 * MINUTE, false, false },
	[UP_KEY_DEAD]       = { HEALTH_KEY, HOUR, false, true },
	[UP_KEY_BROKE]      = { HEALTH_KEY, 30 * MINUTE, false, true },
	[UP_NO_PERMISSION]  = { HEALTH_PAIR, 10 * MINUTE, false, true },
	[UP_REGION_BLOCKED] = { HEALTH_KEY, 10 * MINUTE, false, true },
	[UP_RATE_LIMIT]     = { HEALTH_PAIR, 20 * SECOND, true, false },
	[UP_QUOTA_DAILY]    = { HEALTH_PAIR, HOUR, true, false },
	[UP_OVERLOADED]     = { HEALTH_PAIR, 10 * SECOND, true, false },
	[UP_WRONG_BASE]     = { HEALTH_NOTHING, 0, false, true },
};

/* Loads that an entry of our own outlives. */
enum { NONE = 0, WRITTEN = 2, NOT_WRITTEN = 60, WRITING = 1 << 30 };

struct known {
	struct park park;
	int loads;
};

static struct {
	pthread_rwlock_t lock;
	struct known *list;
	int n, room;
	int any;	/* n, to be read without the lock */
} parks = { .lock = PTHREAD_RWLOCK_INITIALIZER };

/* --- The retry budget --------------------------------------------------- */

enum { BUDGETS = 1024, RETRY = 1000, PER_CALL = 200, SAVED = 50 * RETRY };

/* What is missing from full, in thousandths of a retry; models whose ids
 * meet in one place share it. */
static _Atomic int32_t missing[BUDGETS];

void
health_call(int64_t model)
{
	_Atomic int32_t *m = &missing[(uint64_t)model % BUDGETS];
	int32_t was = *m;

	while (was > 0 && !atomic_compare_exchange_weak(m, &was,
	    was > PER_CALL ? was - PER_CALL : 0))
		;
}

bool
health_retry(int64_t model)
{
	_Atomic int32_t *m = &missing[(uint64_t)model % BUDGETS];
	int32_t was = *m;

	do
		if (was + RETRY > SAVED)
			return false;
	while (!atomic_compare_exchange_weak(m, &was, was + RETRY));
	return true;
}

/* --- Parks -------------------------------------------------------------- */

int64_t
health_parked(int64_t credential, int64_t model, int64_t now)
{
	int64_t until = 0;

	if (__atomic_load_n(&parks.any, __ATOMIC_RELAXED) == 0)
		return 0;
	pthread_rwlock_rdlock(&parks.lock);
	for (int i = 0; i < parks.n; i++) {
		const struct park *p = &parks.list[i].park;

		if (p->credential == credential && p->until > now &&
		    p->since <= now + PARK_SLACK_MS &&
		    (p->model == 0 || p->model == model) && p->until > until)
			until = p->until;
	}
	pthread_rwlock_unlock(&parks.lock);
	return until;
}

/* Under the lock: the entry of that pair, or NULL. */
static struct known *
find(int64_t credential, int64_t model)
{
	for (int i = 0; i < parks.n; i++)
		if (parks.list[i].park.credential == credential &&
		    parks.list[i].park.model == model)
			return &parks.list[i];
	return NULL;
}

static void
put(const struct park *p, int loads)
{
	struct known *k = find(p->credential, p->model);

	if (!k) {
		if (parks.n == parks.room) {
			parks.room = parks.room ? parks.room * 2 : 16;
			parks.list = xresize(parks.list, sizeof(*parks.list) *
			    (size_t)parks.room);
		}
		k = &parks.list[parks.n++];
	}
	k->park = *p;
	k->loads = loads;
}

static void
unlock(void)
{
	__atomic_store_n(&parks.any, parks.n, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&parks.lock);
}

void
health_load(const struct park *list, int n)
{
	int kept = 0;

	pthread_rwlock_wrlock(&parks.lock);
	for (int i = 0; i < parks.n; i++) {
		struct known *k = &parks.list[i];

		if (k->loads == NONE)
			continue;
		if (k->loads != WRITING)
			k->loads--;
		parks.list[kept++] = *k;
	}
	parks.n = kept;
	for (int i = 0; i < n; i++)
		if (!find(list[i].credential, list[i].model))
			put(&list[i], NONE);
	unlock();
}

/* Writer thread: one load that began before the commit may be under way. */
static void
stored(struct op *op)
{
	struct park_put *p = holder(op, struct park_put, op);
	struct known *k;

	pthread_rwlock_wrlock(&parks.lock);
	k = find(p->park.credential, p->park.model);
	if (k && k->loads == WRITING && k->park.until == p->park.until)
		k->loads = op->ok ? WRITTEN : NOT_WRITTEN;
	pthread_rwlock_unlock(&parks.lock);
	free(p);
}

static void
store(struct writer *w, const struct park *p)
{
	struct park_put *put_op = xnew(struct park_put);

	put_op->op.run = park_put_run;
	put_op->op.done = stored;
	put_op->park = *p;
	writer_put(w, &put_op->op);
}

struct health_verdict
health_judge(enum up_class kind, int64_t hint_ms)
{
	struct health_verdict v = { rules[kind].out, rules[kind].ms,
		rules[kind].alert };

	if (rules[kind].hinted && hint_ms > 0)
		v.ms = hint_ms < HOUR ? hint_ms : HOUR;
	return v;
}

void
health_learn(struct writer *w, int64_t credential, int64_t model,
    enum up_class kind, int64_t hint_ms, int64_t now)
{
	struct health_verdict v = health_judge(kind, hint_ms);
	struct park p = { .credential = credential };

	if (v.alert)
		log_warn("credential %lld: %s; look at it",
		    (long long)credential, up_class_name(kind));
	if (v.out == HEALTH_NOTHING)
		return;
	p.model = v.out == HEALTH_KEY ? 0 : model;
	p.since = now;
	p.until = now + v.ms;
	snprintf(p.reason, sizeof(p.reason), "%s", up_class_name(kind));
	pthread_rwlock_wrlock(&parks.lock);
	put(&p, WRITING);
	unlock();
	store(w, &p);
}
