/* SPDX-License-Identifier: MIT */
/*
 * syncer.h - committed operations that wait for the disk.
 *
 * A settlement may be told only when it would survive a power cut, but
 * nobody else should wait for that: the writer commits with
 * synchronous=NORMAL, puts what must be durable here, and goes on.  A thread
 * makes the write-ahead log durable (one fdatasync for all that came
 * meanwhile) and then ends the operations.  Same promise as
 * synchronous=FULL: SQLite would call the same fdatasync inside COMMIT.
 */
#ifndef WEIR_SYNCER_H
#define WEIR_SYNCER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/writer.h"

struct syncer;

/* finish(arg, op, ok) is called on the syncer's thread for each operation;
 * !ok: the disk has refused, the operation may not survive.  NULL: there is
 * no thread to be had. */
struct syncer *syncer_start(struct store *s,
    void (*finish)(void *arg, struct op *op, bool ok), void *arg);

/* Takes a list of committed operations over, linked by next, in order. */
void syncer_put(struct syncer *y, struct op *first);

/* When the oldest operation that waits was put into the writer (monotonic
 * microseconds), 0: none waits.  Any thread. */
int64_t syncer_oldest_us(const struct syncer *y);

/* Ends the thread after what it has. */
void syncer_stop(struct syncer *y);

#endif
