/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - what the loops have counted, for /metrics.
 *
 * Each loop counts for itself (relay.h); every ten seconds the keeper takes
 * what is new and adds it to the store, where the counters of all processes
 * meet.
 */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include <stddef.h>

#include "db/metric.h"
#include "handlers/relay/relay.h"

struct arena;

/* A loop's counters are taken from now on, until it leaves. */
void metrics_join(struct relay *r);
void metrics_leave(struct relay *r);

/* Counts for a thread that is no loop. */
void metrics_count(enum count which, uint64_t n);

/*
 * What was counted since the last call: how many rows, in the arena.  For the
 * keeper; one thread at a time.
 */
size_t metrics_take(struct arena *a, struct metric **list);

/* Every metric's name, kind and meaning, on stdout. */
void metrics_print(void);

#endif
