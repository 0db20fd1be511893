/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - what a process must notice by itself.
 *
 * A thread that looks once a second: has the catalogue changed or a price's
 * time come (catalogue_publish), who is out, how calls went, has a process
 * died (its holds are resolved by the writer), has the database become too
 * new for us (store_current).  Once a minute: what is too old, and whose
 * subscription's period is over.  Every 10 s it adds this process's counters to
 * those of all.
 */
#ifndef WEIR_KEEPER_H
#define WEIR_KEEPER_H

#include "db/metric.h"
#include "db/park.h"
#include "db/score.h"
#include "db/writer.h"

struct keeper;

/* What it tells and asks; each runs on its thread and may be NULL. */
struct keeper_hooks {
	void *arg;

	/* Who is out now, and the scores that have changed; the lists are
	 * gone afterwards. */
	void (*parks)(void *arg, const struct park *list, int n);
	void (*scores)(void *arg, const struct score_row *list, int n);

	/* To put what was learned of upstreams into the store: after each
	 * look, and at the end. */
	void (*share)(void *arg);

	/* Not NULL: it looks at the start only, through this connection, has
	 * no thread, and adds the counters at the end: for a process that
	 * serves one call.  The connection stays the caller's. */
	struct db *once;

	/* What was counted since the last time, into the arena: how many. */
	size_t (*metrics)(void *arg, struct arena *a, struct metric **list);
};

/*
 * Looks once, so that a catalogue is published when this returns, and starts
 * the thread.  NULL: *why.
 */
struct keeper *keeper_start(struct store *s, struct writer *w,
    const struct keeper_hooks *hooks, struct arena *a, struct str *why);

/* Looks now instead of within a second (SIGHUP).  Any thread. */
void keeper_look(struct keeper *k);

/* Adds the last counters and ends the thread; before writer_stop. */
void keeper_stop(struct keeper *k);

#endif
