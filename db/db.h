/* SPDX-License-Identifier: MIT */
/*
 * db.h - one connection to the store, and the statements it knows.
 *
 * Each file of this floor lists its statements in one array (a db_part);
 * db_open prepares all of them, so a misspelt column stops the program at
 * start.  Values go in by letters: i int64, s struct str, b bytes (pointer,
 * size_t), z NULL, and S / I: struct str with p == NULL or a const int64_t *
 * that may be NULL, stored as NULL then.  Only db.c names sqlite3.
 *
 * A connection belongs to one thread at a time.  Reading connections never
 * write (query_only).  Writing happens only inside db_write (locks.h order:
 * turn, write lock, BEGIN IMMEDIATE), on whichever thread calls it.
 */
#ifndef WEIR_DB_H
#define WEIR_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

struct db;
struct row;

struct db_part {
	const char *name;
	const char *const *sql;
	size_t n;
};

/* All parts there are, NULL-terminated; each file adds itself in parts.c. */
extern const struct db_part *const db_parts[];

enum db_mode { DB_READ, DB_WRITE };

/*
 * Opens PATH (which must exist and be migrated), sets and reads back every
 * pragma the design needs, prepares the statements (DB_LAZY: on first use).
 * NULL: *why holds one sentence with the remedy, from arena a.
 */
struct db *db_open(const char *path, enum db_mode mode, bool lazy,
    struct arena *a, struct str *why);
void db_close(struct db *db);

/*
 * Runs a statement.  db_one: 1 and *row (valid until the next use of this
 * statement's part), 0 for no row, -1 if the database failed (logged once,
 * db_failed() is true from then until the transaction ends).
 */
int db_one(struct db *db, const struct db_part *part, size_t which,
    struct row **row, const char *letters, ...);

/* Rows changed, or -1. */
int db_run(struct db *db, const struct db_part *part, size_t which,
    const char *letters, ...);

/* The id of the row inserted last. */
int64_t db_last_id(struct db *db);

/*
 * A walk over rows; keep it short (pages of at most 1,000 rows) and never
 * wait for anything inside.  db_next: 1, 0 at the end, -1 failed.  An
 * unfinished walk is ended by db_reset.
 */
struct row *db_each(struct db *db, const struct db_part *part, size_t which,
    const char *letters, ...);
int db_next(struct row *row);
void db_reset(struct row *row);

int64_t row_int(struct row *row, int column);
bool row_null(struct row *row, int column);
struct str row_str(struct row *row, int column);	/* until db_next */
struct str row_bytes(struct row *row, int column);	/* until db_next */

bool db_failed(const struct db *db);
/* Why the last call failed: SQLite's words, for logs. */
const char *db_words(const struct db *db);

#endif
