/* SPDX-License-Identifier: MIT */
/* keeper.c - what a process must notice by itself; see keeper.h. */
#include "db/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "db/allowance.h"
#include "db/catalogue.h"
#include "db/hold.h"
#include "db/replay.h"
#include "db/stored.h"
#include "db/retain.h"
#include "db/setting.h"
#include "db/subscription.h"
#include "db/tab.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum {
	LOOK_MS = 1000,
	METRICS_MS = 10000,
	TRIM_MS = 60000,
	SCORES_MS = 3600 * 1000,	/* older ones tell nothing */
	OVERLAP_MS = 5000,		/* of commits that come late */
	RETAIN_MS = 60000,		/* between looks for what is too old, */
	TURN_MS = 60000			/* and for what subscriptions ask */
};

struct keeper {
	struct store *store;
	struct writer *writer;
	struct keeper_hooks hooks;
	struct db *db;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool stopping, now;		/* under the mutex */
	int64_t generation;
	int64_t loaded_ms, reload_ms;	/* UTC: its prices are those of then */
	int64_t scores_ms;		/* UTC: scores are known until then */
	int64_t metrics_ms;		/* monotonic: when to add them next */
	int64_t trim_ms;		/* and to give memory back */
	bool failing;			/* said so in the log */
	atomic_bool recovering;		/* the writer has our operation */
	struct recovery {
		struct op op;
		struct keeper *keeper;
	} recovery;
	int64_t retain_ms;		/* monotonic: when to look next */
	atomic_bool retaining;		/* the writer has our operation */
	struct recovery retention;
	int64_t turn_ms;		/* the same of subscriptions */
	atomic_bool turning;
	struct recovery turn;
};

/* --- what it looks at ----------------------------------------------------- */

static bool
look_at_catalogue(struct keeper *k)
{
	int64_t generation = setting_generation(k->db);
	int64_t now = db_now(k->db);
	struct catalogue *c;

	if (generation < 0)
		return false;
	/* A clock that was put back may be before a price of it. */
	if (generation == k->generation && now >= k->loaded_ms &&
	    now < k->reload_ms)
		return true;
	c = catalogue_load(k->db);
	if (!c)
		return false;
	k->generation = c->generation;
	k->loaded_ms = now;
	k->reload_ms = c->reload_ms;
	catalogue_publish(c);
	return true;
}

static bool
look_at_parks(struct keeper *k)
{
	struct park *list;
	struct arena a;
	int n;

	if (!k->hooks.parks)
		return true;
	arena_init(&a);
	n = park_load(k->db, db_now(k->db), &a, &list);
	if (n >= 0)
		k->hooks.parks(k->hooks.arg, list, n);
	arena_release(&a);
	return n >= 0;
}

static bool
look_at_scores(struct keeper *k)
{
	int64_t now = db_now(k->db);
	struct score_row *list;
	struct arena a;
	int n;

	if (!k->hooks.scores)
		return true;
	if (k->scores_ms < now - SCORES_MS || k->scores_ms > now)
		k->scores_ms = now - SCORES_MS;
	arena_init(&a);
	n = score_load(k->db, k->scores_ms, &a, &list);
	if (n >= 0) {
		k->hooks.scores(k->hooks.arg, list, n);
		k->scores_ms = now - OVERLAP_MS;
	}
	arena_release(&a);
	return n >= 0;
}

static void
share(struct keeper *k)
{
	if (k->hooks.share)
		k->hooks.share(k->hooks.arg);
}

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

	atomic_store(&r->keeper->recovering, false);
}

static bool
look_at_processes(struct keeper *k)
{
	int n = store_any_dead(k->store, k->db);

	if (n <= 0)
		return n == 0;
	if (!atomic_exchange(&k->recovering, true)) {
		k->recovery = (struct recovery){
			.op = { .run = recover, .done = recovered,
			    .durable = true },
			.keeper = k,
		};
		writer_put(k->writer, &k->recovery.op);
	}
	return true;
}

/* --- what is too old ------------------------------------------------------ */

static bool
retain(struct db *db, struct op *op)
{
	(void)op;
	return retain_some(db) >= 0 && replay_prune(db) >= 0 &&
	    stored_prune(db) >= 0;
}

static void
retained(struct op *op)
{
	struct recovery *r = holder(op, struct recovery, op);

	atomic_store(&r->keeper->retaining, false);
}

/* Some rows a second, until none is too old. */
static bool
look_at_age(struct keeper *k)
{
	int due;

	if (clock_ms() < k->retain_ms)
		return true;
	due = retain_due(k->db);
	if (due == 0)
		due = replay_due(k->db);
	if (due == 0)
		due = stored_due(k->db);
	if (due <= 0)
		k->retain_ms = clock_ms() + RETAIN_MS;
	if (due > 0 && !atomic_exchange(&k->retaining, true)) {
		k->retention = (struct recovery){
			.op = { .run = retain, .done = retained },
			.keeper = k,
		};
		writer_put(k->writer, &k->retention.op);
	}
	return due >= 0;
}

/* --- subscriptions -------------------------------------------------------- */

static bool
turn(struct db *db, struct op *op)
{
	const struct tab_facts *facts = tab_facts(db);

	(void)op;
	return facts && (facts->frozen || (subscription_turn_some(db) >= 0 &&
	    allowance_sweep(db) >= 0));
}

static void
turned(struct op *op)
{
	struct recovery *r = holder(op, struct recovery, op);

	atomic_store(&r->keeper->turning, false);
}

/* Those of accounts that nobody calls for; the others are turned by calls. */
static bool
look_at_periods(struct keeper *k)
{
	int due;

	if (clock_ms() < k->turn_ms)
		return true;
	due = subscription_due(k->db);
	if (due == 0)
		due = allowance_due(k->db);
	if (due <= 0)
		k->turn_ms = clock_ms() + TURN_MS;
	if (due > 0 && !atomic_exchange(&k->turning, true)) {
		k->turn = (struct recovery){
			.op = { .run = turn, .done = turned, .durable = true },
			.keeper = k,
		};
		writer_put(k->writer, &k->turn.op);
	}
	return due >= 0;
}

/* --- metrics -------------------------------------------------------------- */

struct note {
	struct metric_add add;
	struct arena arena;
};

static void
noted(struct op *op)
{
	struct note *n = holder(op, struct note, add.op);

	if (!op->ok)
		log_line(LOG_WARN, "keeper: 10 seconds of metrics are lost");
	arena_release(&n->arena);
	free(n);
}

static void
add_metrics(struct keeper *k)
{
	struct note *n = xnew(struct note);
	struct metric *list = NULL;

	k->metrics_ms = clock_ms() + METRICS_MS;
	arena_init(&n->arena);
	if (k->hooks.metrics)
		n->add.n = k->hooks.metrics(k->hooks.arg, &n->arena, &list);
	n->add.list = list;
	if (n->add.n == 0) {
		arena_release(&n->arena);
		free(n);
		return;
	}
	n->add.op.run = metric_add_run;
	n->add.op.done = noted;
	writer_put(k->writer, &n->add.op);
}

/* --- the thread ----------------------------------------------------------- */

static bool
look(struct keeper *k)
{
	return store_look(k->store, k->db) && look_at_catalogue(k) &&
	    look_at_parks(k) && look_at_scores(k) && look_at_processes(k) &&
	    (k->hooks.once || (look_at_age(k) && look_at_periods(k)));
}

/* How long until the next look: a price's time is not slept over. */
static int64_t
rest_ms(const struct keeper *k)
{
	int64_t ms = k->reload_ms - db_now(k->db);

	if (k->failing || ms > LOOK_MS)
		return LOOK_MS;
	return ms > 1 ? ms : 1;
}

/* Until then; false: it is time to end. */
static bool
rest(struct keeper *k)
{
	struct timespec until;
	int64_t ms = rest_ms(k);
	int rc = 0;
	bool go;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&k->mutex);
	while (!k->stopping && !k->now && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&k->cond, &k->mutex, &until);
	go = !k->stopping;
	k->now = false;
	pthread_mutex_unlock(&k->mutex);
	return go;
}

static void *
run(void *arg)
{
	struct keeper *k = arg;

	while (rest(k)) {
		bool ok = look(k);

		if (!ok && !k->failing)
			log_line(LOG_ERROR, "keeper: the database cannot be "
			    "read: %s", db_words(k->db));
		else if (ok && k->failing)
			log_line(LOG_WARN, "keeper: the database can be read "
			    "again");
		k->failing = !ok;
		share(k);
		if (clock_ms() >= k->metrics_ms)
			add_metrics(k);
		if (clock_ms() >= k->trim_ms) {
			k->trim_ms = clock_ms() + TRIM_MS;
			mem_give_back();
		}
	}
	share(k);
	add_metrics(k);
	return NULL;
}

static void
keeper_free(struct keeper *k)
{
	if (!k->hooks.once)
		db_close(k->db);
	pthread_cond_destroy(&k->cond);
	pthread_mutex_destroy(&k->mutex);
	free(k);
}

struct keeper *
keeper_start(struct store *s, struct writer *w,
    const struct keeper_hooks *hooks, struct arena *a, struct str *why)
{
	struct keeper *k = xnew(struct keeper);
	pthread_condattr_t attr;
	int rc;

	k->store = s;
	k->writer = w;
	if (hooks)
		k->hooks = *hooks;
	k->generation = -1;
	k->metrics_ms = clock_ms() + METRICS_MS;
	pthread_mutex_init(&k->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->cond, &attr);
	pthread_condattr_destroy(&attr);
	k->db = k->hooks.once ? k->hooks.once : store_reader(s, a, why);
	if (k->db && !look(k))
		*why = db_remedy(k->db, a, "the database");
	else if (k->db && k->hooks.once)
		return k;
	else if (k->db) {
		rc = pthread_create(&k->thread, NULL, run, k);
		if (rc == 0)
			return k;
		*why = arena_printf(a, "no thread for the keeper: %s",
		    strerror(rc));
		writer_drain(w, 5000);
	}
	keeper_free(k);
	return NULL;
}

void
keeper_look(struct keeper *k)
{
	pthread_mutex_lock(&k->mutex);
	k->now = true;
	pthread_cond_signal(&k->cond);
	pthread_mutex_unlock(&k->mutex);
}

void
keeper_stop(struct keeper *k)
{
	pthread_mutex_lock(&k->mutex);
	k->stopping = true;
	pthread_cond_signal(&k->cond);
	pthread_mutex_unlock(&k->mutex);
	if (k->hooks.once) {
		share(k);
		add_metrics(k);
	} else {
		pthread_join(k->thread, NULL);
	}
	/* What may be under way is ours. */
	while (atomic_load(&k->recovering) || atomic_load(&k->retaining) ||
	    atomic_load(&k->turning))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	keeper_free(k);
}
