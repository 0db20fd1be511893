/* SPDX-License-Identifier: MIT */
/* syncer.c - committed operations that wait for the disk; see syncer.h. */
#include "db/syncer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fcgi/base/mem.h"

struct syncer {
	struct store *store;
	void (*finish)(void *arg, struct op *op, bool ok);
	void *arg;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t news;
	struct op *first, **end;	/* under mutex */
	bool stopping;			/* under mutex */
	_Atomic int64_t oldest_us;
};

/* Under the mutex: waits for operations and takes them all. */
static struct op *
take(struct syncer *y)
{
	struct op *op;

	while (!y->first && !y->stopping)
		pthread_cond_wait(&y->news, &y->mutex);
	op = y->first;
	y->first = NULL;
	y->end = &y->first;
	return op;
}

static void
sync_and_finish(struct syncer *y, struct op *op)
{
	bool ok = store_sync(y->store);

	for (struct op *next; op; op = next) {
		next = op->next;
		op->next = NULL;
		y->finish(y->arg, op, ok);
	}
}

static void *
run(void *arg)
{
	struct syncer *y = arg;
	struct op *op;

	pthread_setname_np(pthread_self(), "weir syncer");
	pthread_mutex_lock(&y->mutex);
	while ((op = take(y))) {
		pthread_mutex_unlock(&y->mutex);
		atomic_store(&y->oldest_us, op->queued_us);
		sync_and_finish(y, op);
		atomic_store(&y->oldest_us, 0);
		pthread_mutex_lock(&y->mutex);
	}
	pthread_mutex_unlock(&y->mutex);
	return NULL;
}

struct syncer *
syncer_start(struct store *s,
    void (*finish)(void *arg, struct op *op, bool ok), void *arg)
{
	struct syncer *y = xnew(struct syncer);

	y->store = s;
	y->finish = finish;
	y->arg = arg;
	y->end = &y->first;
	pthread_mutex_init(&y->mutex, NULL);
	pthread_cond_init(&y->news, NULL);
	if (pthread_create(&y->thread, NULL, run, y) == 0)
		return y;
	pthread_cond_destroy(&y->news);
	pthread_mutex_destroy(&y->mutex);
	free(y);
	return NULL;
}

void
syncer_put(struct syncer *y, struct op *first)
{
	if (!first)
		return;
	pthread_mutex_lock(&y->mutex);
	*y->end = first;
	while (*y->end)
		y->end = &(*y->end)->next;
	pthread_cond_signal(&y->news);
	pthread_mutex_unlock(&y->mutex);
}

int64_t
syncer_oldest_us(const struct syncer *y)
{
	return atomic_load(&((struct syncer *)y)->oldest_us);
}

void
syncer_stop(struct syncer *y)
{
	pthread_mutex_lock(&y->mutex);
	y->stopping = true;
	pthread_cond_signal(&y->news);
	pthread_mutex_unlock(&y->mutex);
	pthread_join(y->thread, NULL);
	pthread_cond_destroy(&y->news);
	pthread_mutex_destroy(&y->mutex);
	free(y);
}
