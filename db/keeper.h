/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - what a serving process looks after, once a second.
 *
 * A thread of its own: it publishes a new catalogue when the old one is out
 * of date, hands the parks of all processes over, resolves the holds of
 * processes that died, and adds what was counted to the store.
 */
#ifndef WEIR_KEEPER_H
#define WEIR_KEEPER_H

#include <stddef.h>

#include "db/metric.h"
#include "db/park.h"
#include "db/store.h"
#include "db/writer.h"

struct keeper;

/*
 * Publishes the first catalogue, then starts the thread.  parks is given
 * those in force each second; counts fills at most `room` rows with what is
 * new and is asked every ten seconds and at the end.  Both are called on the
 * keeper's thread.  NULL: the store cannot be read (logged).
 */
struct keeper *keeper_start(struct store *s, struct writer *w,
    void (*parks)(const struct park *list, int n),
    size_t (*counts)(struct metric *list, size_t room));

/* Adds the last counts and ends the thread. */
void keeper_stop(struct keeper *k);

#endif
