/* SPDX-License-Identifier: MIT */
/*
 * writer.h - the one thread of a process that writes, and its queue.
 *
 * It takes all that is queued and runs it as one transaction.  An operation
 * reads and decides before its first write, so a refusal writes nothing.
 * After a database error nothing of the batch has happened; each operation
 * is tried again alone.  Nobody is told before COMMIT returned.
 */
#ifndef WEIR_WRITER_H
#define WEIR_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/store.h"

struct writer;

struct op {
	/*
	 * Writer thread, inside a transaction.  False: the database failed
	 * (not: refused).  May run more than once (batch, then alone): it
	 * sets its results afresh each time.
	 */
	bool (*run)(struct db *db, struct op *op);

	/*
	 * Writer thread, after COMMIT (ok) or when it was given up (!ok: an
	 * admission the database failed).  Must only hand over (post to a
	 * loop); the op may be freed inside.  Operations with `must` are
	 * never given up: they stay queued until they commit.
	 */
	void (*done)(struct op *op);

	bool durable;		/* told only when it survives a power cut */
	bool must;		/* settlement: never dropped */
	bool ok;
	int64_t queued_us;	/* set by writer_put */
	struct op *next;
};

/* Starts the threads.  NULL: the system allows none (logged). */
struct writer *writer_start(struct store *s);

/* Any thread; never blocks.  The op stays the caller's, until done. */
void writer_put(struct writer *w, struct op *op);

/* Age in ms of the oldest `must` operation not yet committed (0: none). */
int64_t writer_late_ms(const struct writer *w);

/* Is the disk full, so that nothing new is admitted?  Any thread. */
bool writer_full(const struct writer *w);

/* Did the store fail in the last seconds, and not work since?  Any thread. */
bool writer_failing(const struct writer *w);

/* Waits until the queue is empty or ms have passed; true when empty. */
bool writer_drain(struct writer *w, int64_t ms);

/* Ends the thread after what is queued. */
void writer_stop(struct writer *w);

#endif
