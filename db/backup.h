/* SPDX-License-Identifier: MIT */
/*
 * backup.h - a copy of the database while it is used, and the proof of it.
 *
 * A copy is one moment of the database (a single read transaction), a file
 * of its own without a WAL.  It has all that the database has: keys and
 * passwords as hashes, upstream keys sealed.  The master key is not in it.
 */
#ifndef WEIR_BACKUP_H
#define WEIR_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "db/ledger.h"

struct backup {
	int64_t bytes;
	struct ledger_counts counts;
	struct str unclean;	/* first difference in its books, or empty */
};

/*
 * Copies what db (reading) sees into the empty file at path, which is open as
 * fd and has no links in its path, makes it durable and checks it.  Writers
 * go on meanwhile; blocks for the disk.  False: *why, and the file is of no
 * use; its -wal, -shm and -journal are gone in any case.
 */
bool backup_copy(struct db *db, const char *path, int fd, struct arena *a,
    struct backup *b, struct str *why);

/*
 * Is the file whole (each page, index and reference), and do its books
 * agree?  name: how to call it.  False: *why; books that do not agree are in
 * b->unclean and no reason for false.
 */
bool backup_check(struct db *db, const char *name, struct arena *a,
    struct backup *b, struct str *why);

/* Removes path-wal, path-shm and path-journal, which SQLite may have left. */
void backup_tidy(const char *path, struct arena *a);

#endif
