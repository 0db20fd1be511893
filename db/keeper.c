/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - what a serving process looks after; see keeper.h.
 *
 * Only reads here; what it writes goes through the writer like everything
 * else.  A read that fails is tried again a second later.
 */
#include "db/keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "db/catalogue.h"
#include "db/hold.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { BEAT_MS = 1000, COUNT_BEATS = 10, MAX_METRICS = 256 };

struct keeper {
	struct store *store;
	struct writer *writer;
	struct db *db;
	void (*parks)(const struct park *list, int n);
	size_t (*counts)(struct metric *list, size_t room);

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t news;
	bool stopping;			/* under lock */
	bool recovering;		/* under lock: one is on its way */

	int64_t generation;		/* of the catalogue published */
	int64_t stale_at;		/* UTC ms: a price changes then; 0 */
};

/* --- The catalogue ---------------------------------------------------------------- */

static int64_t
next_change(const struct catalogue *c)
{
	int64_t at = 0;

	for (size_t i = 0; i < c->n_models; i++) {
		int64_t until = c->models[i].price_until;

		if (until && (!at || until < at))
			at = until;
	}
	return at;
}

static bool
publish(struct keeper *k)
{
	struct catalogue *c = catalogue_load(k->db);

	if (!c)
		return false;
	k->generation = c->generation;
	k->stale_at = next_change(c);
	catalogue_publish(c);
	return true;
}

static void
look_at_catalogue(struct keeper *k)
{
	int64_t generation = setting_generation(k->db);

	if (generation < 0)
		return;
	if (generation != k->generation ||
	    (k->stale_at && clock_utc_ms() >= k->stale_at))
		publish(k);
}

static void
look_at_parks(struct keeper *k)
{
	struct arena a;
	struct park *list;
	int n;

	arena_init(&a);
	n = park_load(k->db, clock_utc_ms(), &a, &list);
	if (n >= 0)
		k->parks(list, n);
	arena_release(&a);
}

/* --- The holds of the dead ----------------------------------------------------------- */

struct recovery {
	struct op op;
	struct keeper *keeper;
};

static bool
recover(struct db *db, struct op *op)
{
	struct recovery *r = holder(op, struct recovery, op);

	return hold_recover(r->keeper->store, db) >= 0;
}

static void
recovered(struct op *op)
{
	struct recovery *r = holder(op, struct recovery, op);
	struct keeper *k = r->keeper;

	free(r);
	pthread_mutex_lock(&k->lock);
	k->recovering = false;
	pthread_cond_signal(&k->news);
	pthread_mutex_unlock(&k->lock);
}

/* A look at the process table first: the writer is asked only for a reason. */
static void
look_at_processes(struct keeper *k)
{
	struct recovery *r;
	bool busy;

	if (!hold_any_dead(k->store, k->db))
		return;
	pthread_mutex_lock(&k->lock);
	busy = k->recovering;
	k->recovering = true;
	pthread_mutex_unlock(&k->lock);
	if (busy)
		return;
	r = xnew(struct recovery);
	r->op = (struct op){ .run = recover, .done = recovered,
	    .durable = true };
	r->keeper = k;
	writer_put(k->writer, &r->op);
}

/* --- Counts ------------------------------------------------------------------------------ */

struct counting {
	struct metric_add add;
	struct metric list[MAX_METRICS];
};

static void
counted(struct op *op)
{
	free(holder(op, struct counting, add.op));
}

static void
add_counts(struct keeper *k)
{
	struct counting *c = xnew(struct counting);

	c->add.n = k->counts(c->list, MAX_METRICS);
	c->add.list = c->list;
	c->add.op = (struct op){ .run = metric_add_run, .done = counted };
	if (c->add.n)
		writer_put(k->writer, &c->add.op);
	else
		free(c);
}

/* --- The thread --------------------------------------------------------------------------- */

/* Until the next beat, or the end. */
static bool
rest(struct keeper *k)
{
	struct timespec until;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += BEAT_MS / 1000;
	pthread_mutex_lock(&k->lock);
	while (!k->stopping && pthread_cond_timedwait(&k->news, &k->lock,
	    &until) == 0)
		;
	go_on = !k->stopping;
	pthread_mutex_unlock(&k->lock);
	return go_on;
}

static void *
keeper_thread(void *arg)
{
	struct keeper *k = arg;

	pthread_setname_np(pthread_self(), "weir keeper");
	for (int beat = 1; rest(k); beat++) {
		look_at_catalogue(k);
		look_at_parks(k);
		look_at_processes(k);
		if (beat % COUNT_BEATS == 0)
			add_counts(k);
	}
	return NULL;
}

static void
keeper_free(struct keeper *k)
{
	if (k->db)
		db_close(k->db);
	pthread_cond_destroy(&k->news);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

struct keeper *
keeper_start(struct store *s, struct writer *w,
    void (*parks)(const struct park *list, int n),
    size_t (*counts)(struct metric *list, size_t room))
{
	struct keeper *k = xnew(struct keeper);
	pthread_condattr_t monotonic;
	struct arena a;
	struct str why = S("");

	k->store = s;
	k->writer = w;
	k->parks = parks;
	k->counts = counts;
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&k->news, &monotonic);
	pthread_condattr_destroy(&monotonic);
	arena_init(&a);
	k->db = store_reader(s, &a, &why);
	if (!k->db || !publish(k)) {
		log_error("the catalogue cannot be read: %.*s", STR_ARGS(why));
		keeper_free(k);
		k = NULL;
	} else {
		look_at_parks(k);
		look_at_processes(k);
		if (pthread_create(&k->thread, NULL, keeper_thread, k) != 0)
			abort();
	}
	arena_release(&a);
	return k;
}

void
keeper_stop(struct keeper *k)
{
	pthread_mutex_lock(&k->lock);
	k->stopping = true;
	pthread_cond_signal(&k->news);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	add_counts(k);
	pthread_mutex_lock(&k->lock);
	while (k->recovering)
		pthread_cond_wait(&k->news, &k->lock);
	pthread_mutex_unlock(&k->lock);
	catalogue_publish(NULL);
	keeper_free(k);
}
