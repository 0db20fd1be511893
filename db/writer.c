/* SPDX-License-Identifier: MIT */
/*
 * writer.c - the thread that writes; see writer.h.
 *
 * The queue is a stack that producers push onto and the writer takes whole;
 * only who finds it empty wakes the writer.
 *
 * A batch that fails has not happened at all; each of its operations is then
 * run alone.  When the trouble is the store's and not an operation's (locked,
 * full, sick) the rest is not even tried: operations without `must` are given
 * up, the others wait, longer each time.
 *
 * What must be durable is committed like everything else and handed to the
 * syncer, so that no admission waits for the disk behind a settlement.
 *
 * A ballast file is removed when the disk is full, so that what is running
 * can settle; until it could be made again nothing new is admitted.
 */
#include "db/writer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "db/syncer.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { BALLAST_BYTES = 1 << 20, BALLAST_EVERY_MS = 1000,
	MEND_EVERY_MS = 1000, WAIT_FIRST_MS = 10,
	WAIT_MOST_MS = 1000, STOP_MS = 5000, FAILED_MS = 5000,
	BUSY_OPS = 6,		/* a batch of so many: it pays to gather … */
	GATHER_US = 300 };	/* … from one batch's beginning to the next's */

struct list {
	struct op *first, **end;
};

struct writer {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t mutex;		/* of awake */
	pthread_cond_t cond;
	bool awake;
	_Atomic(struct op *) pushed;	/* newest first */
	atomic_long pending;		/* put and not yet done */
	_Atomic int64_t oldest_us;	/* of `must` operations, 0: none */
	atomic_bool stopping;
	/* writer thread only */
	struct list late;		/* `must` operations that failed */
	int64_t wait_ms, again_ms;	/* back-off; when to try them */
	char ballast[4096];
	atomic_bool full;		/* the ballast is out; any thread */
	_Atomic int64_t failed_ms;	/* when the store was in trouble last;
					 * 0: it worked since; any thread */
	struct syncer *syncer;
	int64_t ballast_ms;		/* when to try to make it */
	int64_t mend_ms;		/* when to try store_mend */
	int64_t stop_ms;
	int64_t began_us;		/* the last batch */
	int ops;			/* of it */
};

static void
list_clear(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void
list_put(struct list *l, struct op *op)
{
	op->next = NULL;
	*l->end = op;
	l->end = &op->next;
}

static struct op *
list_take(struct list *l)
{
	struct op *op = l->first;

	if (op) {
		l->first = op->next;
		if (!l->first)
			l->end = &l->first;
		op->next = NULL;
	}
	return op;
}

/* --- producers ------------------------------------------------------------ */

static void
wake(struct writer *w)
{
	pthread_mutex_lock(&w->mutex);
	w->awake = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->mutex);
}

void
writer_put(struct writer *w, struct op *op)
{
	int64_t none = 0;
	struct op *was;

	op->queued_us = clock_us();
	op->ok = false;
	atomic_fetch_add(&w->pending, 1);
	if (op->must)
		atomic_compare_exchange_strong(&w->oldest_us, &none,
		    op->queued_us);
	was = atomic_load_explicit(&w->pushed, memory_order_relaxed);
	do
		op->next = was;
	while (!atomic_compare_exchange_weak_explicit(&w->pushed, &was, op,
	    memory_order_acq_rel, memory_order_relaxed));
	/* From here on op may be gone. */
	if (!was)
		wake(w);
}

int64_t
writer_late_ms(const struct writer *w)
{
	int64_t oldest = atomic_load(&((struct writer *)w)->oldest_us);
	int64_t synced = syncer_oldest_us(w->syncer), age;

	if (store_unsure(w->store))
		return INT64_MAX;
	if (synced && (!oldest || synced < oldest))
		oldest = synced;
	age = oldest ? (clock_us() - oldest) / 1000 : 0;
	return age > 0 ? age : 0;
}

bool
writer_full(const struct writer *w)
{
	return atomic_load(&((struct writer *)w)->full);
}

/* Nobody may write while a load balancer keeps calls away: trouble that was
 * not seen for a while may be over. */
bool
writer_failing(const struct writer *w)
{
	int64_t at = atomic_load(&((struct writer *)w)->failed_ms);

	return at && clock_ms() - at < FAILED_MS;
}

bool
writer_drain(struct writer *w, int64_t ms)
{
	int64_t end = clock_ms() + ms;

	while (atomic_load(&w->pending) > 0 && clock_ms() < end)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return atomic_load(&w->pending) == 0;
}

/* --- ballast -------------------------------------------------------------- */

/* Makes the file; false: there is no room for it. */
static bool
ballast_make(struct writer *w)
{
	int fd = open(w->ballast,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = posix_fallocate(fd, 0, BALLAST_BYTES) == 0;
	close(fd);
	if (!ok)
		unlink(w->ballast);
	return ok;
}

static void
ballast_release(struct writer *w)
{
	w->ballast_ms = clock_ms() + BALLAST_EVERY_MS;
	if (w->full)
		return;
	w->full = true;
	unlink(w->ballast);
	log_line(LOG_ERROR, "store: the disk is full: running calls settle, "
	    "no new ones are admitted until there is room in %s",
	    store_dir(w->store));
}

static void
ballast_again(struct writer *w)
{
	if (!w->full || clock_ms() < w->ballast_ms)
		return;
	w->ballast_ms = clock_ms() + BALLAST_EVERY_MS;
	if (!ballast_make(w))
		return;
	w->full = false;
	log_line(LOG_WARN, "store: there is room on the disk again");
}

/* --- running -------------------------------------------------------------- */

static void
finish(struct writer *w, struct op *op, bool ok)
{
	op->ok = ok;
	op->done(op);
	atomic_fetch_sub(&w->pending, 1);
}

static void
synced(void *arg, struct op *op, bool ok)
{
	struct writer *w = arg;

	finish(w, op, ok);
	/* There is something to mend. */
	if (!ok)
		wake(w);
}

static bool
run_all(struct db *db, void *arg)
{
	for (struct op *op = arg; op; op = op->next)
		if (!op->run(db, op) || db_failed(db))
			return false;
	return true;
}

static bool
run_one(struct db *db, void *arg)
{
	struct op *op = arg;

	return op->run(db, op) && !db_failed(db);
}

/* The store's trouble, not that of the operation that met it. */
static bool
general(enum db_trouble t)
{
	return t == DB_BUSY || t == DB_FULL || t == DB_SICK;
}

static void
put_off(struct writer *w, struct op *op)
{
	if (op->must)
		list_put(&w->late, op);
	else
		finish(w, op, false);
}

/* Each alone, until the store itself is in trouble. */
static void
run_each(struct writer *w, struct list *batch)
{
	bool broken = false;
	struct op *op;

	while ((op = list_take(batch))) {
		if (broken) {
			put_off(w, op);
			continue;
		}
		if (store_write(w->store, op->durable, run_one, op)) {
			w->failed_ms = 0;
			finish(w, op, true);
			continue;
		}
		if (store_trouble(w->store) == DB_FULL) {
			ballast_release(w);
			/* Once more with the room that is now there. */
			if (op->must && store_write(w->store, op->durable,
				run_one, op)) {
				finish(w, op, true);
				continue;
			}
		}
		broken = general(store_trouble(w->store));
		if (broken)
			w->failed_ms = clock_ms();
		put_off(w, op);
	}
}

static void
run_batch(struct writer *w, struct list *batch)
{
	struct list durable;
	struct op *op;

	w->ops = 0;
	for (op = batch->first; op; op = op->next)
		w->ops++;
	if (!batch->first)
		return;
	if (store_write(w->store, false, run_all, batch->first)) {
		w->failed_ms = 0;
		list_clear(&durable);
		while ((op = list_take(batch)))
			if (op->durable)
				list_put(&durable, op);
			else
				finish(w, op, true);
		syncer_put(w->syncer, durable.first);
		return;
	}
	if (store_trouble(w->store) == DB_FULL)
		ballast_release(w);
	run_each(w, batch);
}

/*
 * The file is missing: another process has given its room away, which is for
 * what runs there.  Asked before each transaction: a tenth of a second is
 * enough to admit calls that cannot be settled.
 */
static void
ballast_look(struct writer *w)
{
	if (w->full || access(w->ballast, F_OK) == 0)
		return;
	w->full = true;
	w->ballast_ms = clock_ms() + BALLAST_EVERY_MS;
	log_line(LOG_WARN, "store: %s is gone (the disk was full): no new "
	    "calls are admitted until it can be made again", w->ballast);
}

/* The stack, oldest first, behind what was late. */
static void
take(struct writer *w, struct list *batch)
{
	struct op *op = atomic_exchange_explicit(&w->pushed, NULL,
	    memory_order_acq_rel);
	struct op *turned = NULL;

	while (op) {
		struct op *next = op->next;

		op->next = turned;
		turned = op;
		op = next;
	}
	while (turned) {
		struct op *next = turned->next;

		if (w->full && !turned->must)
			finish(w, turned, false);
		else
			list_put(batch, turned);
		turned = next;
	}
}

static void
note_oldest(struct writer *w, const struct op *op)
{
	int64_t oldest = 0;

	for (; op; op = op->next)
		if (op->must && (!oldest || op->queued_us < oldest))
			oldest = op->queued_us;
	atomic_store(&w->oldest_us, oldest);
}

/* Calls that wait for it are not admitted meanwhile. */
static void
mend(struct writer *w)
{
	if (!store_unsure(w->store) || clock_ms() < w->mend_ms)
		return;
	if (!store_mend(w->store))
		w->mend_ms = clock_ms() + MEND_EVERY_MS;
}

/* Sleeps until something is put, or something late is due. */
static void
rest(struct writer *w)
{
	struct timespec until;
	int64_t now = clock_ms(), due = 0, ms;
	int rc = 0;

	if (w->late.first)
		due = w->again_ms;
	if (w->full && (!due || w->ballast_ms < due))
		due = w->ballast_ms;
	if (store_unsure(w->store) && (!due || w->mend_ms < due))
		due = w->mend_ms + 1;
	if (due) {
		ms = due > now ? due - now : 0;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += ms / 1000;
		until.tv_nsec += ms % 1000 * 1000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
	}
	pthread_mutex_lock(&w->mutex);
	while (!w->awake && rc != ETIMEDOUT)
		rc = due ? pthread_cond_timedwait(&w->cond, &w->mutex, &until)
			 : pthread_cond_wait(&w->cond, &w->mutex);
	w->awake = false;
	pthread_mutex_unlock(&w->mutex);
}

/*
 * Under load a transaction for each operation would cost more than the
 * operations: batches begin some time apart.  A writer that was idle does
 * not wait.
 */
static void
gather(struct writer *w)
{
	int64_t now = clock_us(), left = w->began_us + GATHER_US - now;

	if (w->ops >= BUSY_OPS && left > 0) {
		nanosleep(&(struct timespec){ .tv_nsec = left * 1000 }, NULL);
		now = clock_us();
	}
	w->began_us = now;
}

static void
turn(struct writer *w)
{
	struct list batch;

	gather(w);
	mend(w);
	ballast_again(w);
	ballast_look(w);
	list_clear(&batch);
	if (w->late.first && clock_ms() >= w->again_ms) {
		batch.first = w->late.first;
		batch.end = w->late.end;
		list_clear(&w->late);
	}
	take(w, &batch);
	if (batch.first && !w->late.first)
		note_oldest(w, batch.first);
	run_batch(w, &batch);
	if (!w->late.first) {
		w->wait_ms = WAIT_FIRST_MS;
	} else if (clock_ms() >= w->again_ms) {
		w->again_ms = clock_ms() + w->wait_ms;
		w->wait_ms = w->wait_ms * 2 < WAIT_MOST_MS ? w->wait_ms * 2
							   : WAIT_MOST_MS;
	}
	note_oldest(w, w->late.first);
}

/* At the end nobody waits for ever for a store that stays broken: the holds
 * are resolved by another process, or by the next one. */
static bool
give_up(struct writer *w)
{
	struct op *op;

	if (!w->stop_ms)
		w->stop_ms = clock_ms() + STOP_MS;
	if (atomic_load(&w->pushed) || (w->late.first &&
		clock_ms() < w->stop_ms))
		return false;
	while ((op = list_take(&w->late))) {
		log_line(LOG_ERROR, "store: a settlement could not be written "
		    "before the end: it is resolved from its journal");
		finish(w, op, false);
	}
	return true;
}

static void *
run(void *arg)
{
	struct writer *w = arg;

	pthread_setname_np(pthread_self(), "weir writer");
	prctl(PR_SET_TIMERSLACK, 1000UL);
	do {
		rest(w);
		turn(w);
	} while (!atomic_load(&w->stopping) || !give_up(w));
	return NULL;
}

static void
writer_free(struct writer *w)
{
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->mutex);
	free(w);
}

struct writer *
writer_start(struct store *s)
{
	struct writer *w = xnew(struct writer);
	pthread_condattr_t attr;

	w->store = s;
	w->wait_ms = WAIT_FIRST_MS;
	list_clear(&w->late);
	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->cond, &attr);
	pthread_condattr_destroy(&attr);
	snprintf(w->ballast, sizeof(w->ballast), "%s/ballast", store_dir(s));
	if (!ballast_make(w)) {
		w->full = true;
		log_line(LOG_ERROR, "store: no room for %s: no calls are "
		    "admitted until there is", w->ballast);
	}
	w->syncer = syncer_start(s, synced, w);
	if (w->syncer && pthread_create(&w->thread, NULL, run, w) == 0)
		return w;
	log_line(LOG_ERROR, "writer: the system allows no thread for it");
	if (w->syncer)
		syncer_stop(w->syncer);
	writer_free(w);
	return NULL;
}

void
writer_stop(struct writer *w)
{
	atomic_store(&w->stopping, true);
	wake(w);
	pthread_join(w->thread, NULL);
	syncer_stop(w->syncer);
	assert(atomic_load(&w->pending) == 0);
	writer_free(w);
}
