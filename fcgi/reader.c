/* SPDX-License-Identifier: MIT */
/*
 * reader.c - threads for work that is long; see reader.h.
 *
 * Two queues under one mutex, for pages and for the rest.  A reader takes the
 * job that came first, and looks at pages only while their half is not used
 * up; the reader that ends a page looks again itself, so that a page which had
 * to wait needs no wake-up of its own.  Whoever puts a job that no free reader
 * will take starts one more, under the mutex: it happens n times in a life.
 */
#include "fcgi/reader.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

struct queue {
	struct job *first, **end;
	int n;
};

struct readers {
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct queue pages, others;
	int pages_running, pages_most;
	uint64_t n_put;
	bool stopping;
	int free;			/* readers that wait for a job, or have
					 * not looked for one yet */
	int n, most;
	pthread_t threads[];
};

static void
queue_put(struct queue *q, struct job *j)
{
	j->next = NULL;
	*q->end = j;
	q->end = &j->next;
	q->n++;
}

static struct job *
queue_take(struct queue *q)
{
	struct job *j = q->first;

	q->first = j->next;
	if (!q->first)
		q->end = &q->first;
	q->n--;
	return j;
}

/* The job to run now, or NULL.  The lock is held. */
static struct job *
next_job(struct readers *r)
{
	struct job *page = r->pages_running < r->pages_most ?
	    r->pages.first : NULL;
	struct job *other = r->others.first;

	if (page && (!other || page->number < other->number)) {
		r->pages_running++;
		return queue_take(&r->pages);
	}
	return other ? queue_take(&r->others) : NULL;
}

static void
tell_loop(struct post *p)
{
	struct job *j = holder(p, struct job, post);

	j->done(j);
}

static void
run_job(struct job *j)
{
	j->run(j);
	j->post.run = tell_loop;
	loop_post(j->loop, &j->post);	/* j is not ours now */
}

static void *
reader(void *arg)
{
	struct readers *r = arg;
	struct job *j;

	pthread_mutex_lock(&r->lock);
	r->free--;
	for (;;) {
		bool page;

		j = next_job(r);
		if (!j) {
			/* A page that waits here is taken by whoever runs
			 * the page in its way. */
			if (r->stopping)
				break;
			r->free++;
			pthread_cond_wait(&r->news, &r->lock);
			r->free--;
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		page = j->page;
		run_job(j);
		pthread_mutex_lock(&r->lock);
		r->pages_running -= page;
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* Signals are for the thread that waits for them, never for a reader. */
static int
start_thread(struct readers *r, int i)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&r->threads[i], NULL, reader, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

struct readers *
readers_start(int n)
{
	struct readers *r;

	assert(n > 0);
	r = xalloc(sizeof(*r) + sizeof(r->threads[0]) * (size_t)n);
	r->most = n;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->news, NULL);
	r->pages.end = &r->pages.first;
	r->others.end = &r->others.first;
	r->pages_most = n / 2 ? n / 2 : 1;
	return r;
}

int
readers_started(struct readers *r)
{
	int n;

	pthread_mutex_lock(&r->lock);
	n = r->n;
	pthread_mutex_unlock(&r->lock);
	return n;
}

void
readers_stop(struct readers *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->lock);
	for (int i = 0; i < r->n; i++)
		pthread_join(r->threads[i], NULL);
	assert(!r->pages.first && !r->others.first);
	pthread_cond_destroy(&r->news);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Jobs that could run now if there were readers enough.  The lock is held. */
static int
startable(const struct readers *r)
{
	int pages = r->pages_most - r->pages_running;

	if (pages > r->pages.n)
		pages = r->pages.n;
	return r->others.n + pages;
}

/*
 * One more reader, if there are more jobs than free ones.  A reader that was
 * woken and has not come to its job yet counts as free, its job as waiting.
 */
static void
start_another(struct readers *r)
{
	int error;

	if (r->n == r->most || startable(r) <= r->free)
		return;
	error = start_thread(r, r->n);
	if (!error) {
		r->n++;
		r->free++;
		return;
	}
	log_warn("reader %d of %d cannot be started: %s; allow more threads "
	    "or set readers lower", r->n + 1, r->most, strerror(error));
	if (r->n)
		r->most = r->n;	/* these do it all */
}

void
reader_put(struct readers *r, struct job *j)
{
	bool alone;

	assert(j->run && j->done && j->loop);
	pthread_mutex_lock(&r->lock);
	assert(!r->stopping);
	j->number = r->n_put++;
	queue_put(j->page ? &r->pages : &r->others, j);
	start_another(r);
	alone = r->n == 0;
	if (alone)
		queue_take(j->page ? &r->pages : &r->others);
	else
		pthread_cond_signal(&r->news);
	pthread_mutex_unlock(&r->lock);
	if (alone)
		run_job(j);
}
