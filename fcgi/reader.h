/* SPDX-License-Identifier: MIT */
/*
 * reader.h - threads for work that is long, never for waiting.
 *
 * A loop may not stand still, so what takes long (trees of large bodies,
 * pages, password hashing, reports) is a job: it runs on one of n readers,
 * and its end is told on the loop it came from.  Jobs start in the order they
 * were put, but pages take at most half of the readers (one at least), so
 * that no page keeps a call waiting for long.
 *
 * A reader is started when a job finds none that is free, and stays: a
 * process that never needs one has none, which counts where threads do.
 */
#ifndef WEIR_READER_H
#define WEIR_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/loop.h"

struct readers;

/* In the storage of whoever puts it; not to be touched until done. */
struct job {
	void (*run)(struct job *j);	/* on a reader: may take long */
	void (*done)(struct job *j);	/* on the loop: may free the job, or
					 * put it again */
	struct loop *loop;
	bool page;			/* counts against the pages' half */

	struct post post;		/* private */
	struct job *next;		/* private */
	uint64_t number;		/* private: order of arrival */
};

/* At most n > 0 readers; none is started yet. */
struct readers *readers_start(int n);

/* How many were started so far.  Any thread. */
int readers_started(struct readers *r);

/*
 * Runs what was put, then ends the threads: blocks until the last job has
 * run.  The done() of the last ones are posted to their loops, which must
 * still go round once; nothing may be put any more.  NULL is fine.
 */
void readers_stop(struct readers *r);

/*
 * Any thread.  Does not block; there is no maximum: calls are counted.  Where
 * the system allows not one thread (logged) the job runs here and now.
 */
void reader_put(struct readers *r, struct job *j);

#endif
