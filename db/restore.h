/* SPDX-License-Identifier: MIT */
/*
 * restore.h - another database in the place of the one there is.
 *
 * The copy is laid beside it, checked, given a number of its own, and takes
 * its place by one rename while nobody has the store open.  The number
 * stands in weir.lock too, so that a WAL of the old database is never taken
 * for one of the new; while names change weir.lock is empty, and who opens
 * the store next writes there which of the two it has found.
 */
#ifndef WEIR_RESTORE_H
#define WEIR_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/backup.h"

struct restore {
	const char *dir;	/* the data directory */
	const char *key;	/* its master key file; NULL: DIR/master.key */
	const char *name;	/* of the backup, for words */
	int fd;			/* it, from its beginning: a file or a pipe */
	const char *other_key;	/* the master key file of the time when it was
				 * made, if that was another; or NULL */
	bool force;		/* although its books do not agree */
	/* out */
	struct backup backup;
	int64_t schema;		/* its version, before it was brought to ours */
	const char *kept;	/* the old database; NULL: there was none */
};

/*
 * False: *why, and the database that was there is there still.  Killed at
 * any instant: the old one or the new one, whole.  Only an old one that
 * cannot be opened itself may be found under its dated name alone.
 * Blocks for locks and disk.
 */
bool restore_run(struct restore *r, struct arena *a, struct str *why);

#endif
