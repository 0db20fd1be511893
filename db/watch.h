/* SPDX-License-Identifier: MIT */
/*
 * watch.h - whether something is to be told.
 *
 * Once a minute one of the processes looks at everything that alerts are
 * about: it takes the minute in a write, reads on a connection of its own,
 * and writes what it found.  Who died in between is followed by the next
 * minute's.  An alert that fires stands until what it is about is over; it is
 * told when it fires and when it is over, and those of caps fire once a
 * window.
 *
 * It reads sums: windows of caps, wallets, who is out, sums by hours.  Rows of
 * calls are read once each, those of the last minute.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "db/alert.h"
#include "db/writer.h"

struct watched;

/* One look; its three parts are done one after another. */
struct watch {
	struct op op;			/* of the first, then of the last */
	bool force;			/* whether the minute is done or not */
	struct arena arena;		/* release it when all is over */

	/* out */
	bool mine;			/* go on with watch_look */
	int64_t fired, ended;		/* alerts, now */

	/* private */
	int64_t serial, now, looked, usage_to, note_to;
	bool slow;
	struct watched *alerts;
	int n;
};

/* Is there a look to be taken?  1, 0, or -1.  Reading will do. */
int watch_due(struct db *db);

/* Takes this minute.  A write. */
bool watch_begin_run(struct db *db, struct op *op);

/* Reads; may take a second or two where there are many keys.  False: the
 * database failed, and nothing must be written. */
bool watch_look(struct db *db, struct watch *w);

/* Writes what was found, unless somebody else has taken the minute since. */
bool watch_end_run(struct db *db, struct op *op);

#endif
