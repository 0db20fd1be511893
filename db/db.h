/* SPDX-License-Identifier: MIT */
/*
 * db.h - one connection to the store, and the statements it knows.
 *
 * Each file of this floor lists its statements in one array (a db_part);
 * db_open prepares all of them, so a misspelt column stops the program at
 * start.  Values go in by letters: i int64, s struct str, b bytes (pointer,
 * size_t), z NULL, and S / I: struct str with p == NULL or a const int64_t *
 * that may be NULL, stored as NULL then.  Only the
 * files of conn.h name sqlite3 (and frames.c, which is below them).
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
enum { DB_PARTS_MAX = 56 };

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

enum db_trouble {
	DB_FINE,
	DB_BUSY,		/* somebody else has it locked */
	DB_FULL,		/* no room on the disk */
	DB_SICK,		/* input, output or structure: open it anew */
	DB_REFUSED,		/* a CHECK, UNIQUE or FOREIGN KEY */
	DB_OTHER
};
enum db_trouble db_trouble(const struct db *db);
/* Was it that the disk could not make durable what was written?  It may never
 * be then, even if the next sync succeeds. */
bool db_unsure(const struct db *db);
/* The same as one sentence with its remedy; path: of the database. */
struct str db_remedy(const struct db *db, struct arena *a, const char *path);

/* UTC ms: the time of this transaction (of now, outside of one). */
int64_t db_now(const struct db *db);

/*
 * An invariant of the books does not hold: marks the transaction as failed;
 * store_write rolls it back and stops billing in all processes.  False.
 */
bool db_stop(struct db *db, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Statements whose plan walks a whole table though their SQL does not say
 * so, one a line into *report: how many, or -1.
 */
int db_scans(struct db *db, struct arena *a, struct str *report);

/* --- for store.c ---------------------------------------------------------- */

struct zone;

/* What all connections of a store share. */
struct db_site {
	const struct zone *zone;	/* site.time_zone */
	int64_t serial;			/* last hold's, in this process */
	int64_t (*clock)(void);		/* UTC ms; NULL: clock_utc_ms */
};
void db_share(struct db *db, struct db_site *site);
struct db_site *db_site(struct db *db);

/* What this transaction moved in the books there is one of, and in those of
 * accounts, by unit (ledger.h). */
struct db_tally {
	int64_t book[12];
	int64_t accounts[3];
};
struct db_tally *db_tally(struct db *db);

/* What calls read and change (tab.h); NULL: no transaction began yet. */
struct tab;
struct tab *db_tab(struct db *db);

/* Turns an empty file into an empty database in WAL mode with these two
 * numbers in its header (application_id, user_version). */
bool db_create(const char *path, int64_t application, int64_t version,
    struct arena *a, struct str *why);

/* db_open in two steps, so that the schema can be looked at between. */
struct db *db_connect(const char *path, enum db_mode mode, struct arena *a,
    struct str *why);
bool db_prepare(struct db *db, bool lazy, struct arena *a, struct str *why);

/*
 * Copies what a reading connection sees into the empty file at path, open as
 * fd too, in one read transaction; what was written is handed to the disk as
 * it goes.  Blocks for the disk.  False: *why; the file is of no use.
 */
bool db_copy(struct db *from, const char *path, int fd, struct arena *a,
    struct str *why);

/* Runs several statements from text (migrations, pragmas). */
bool db_script(struct db *db, const char *sql);
/* One number from text: 1, 0 no row or NULL, -1 failed. */
int db_number(struct db *db, const char *sql, int64_t *value);

/*
 * BEGIN IMMEDIATE, COMMIT, ROLLBACK, each under the write lock.  db_begin
 * sets `synchronous` first when it has to change.  db_commit false: nothing
 * happened.
 */
bool db_begin(struct db *db, bool durable);
bool db_commit(struct db *db);
void db_rollback(struct db *db);
/* Is a transaction running?  After an error SQLite may have ended it. */
bool db_busy(const struct db *db);
/* Why db_stop was called in this transaction, or NULL. */
const char *db_stopped(const struct db *db);

/* Size of the WAL after the last commit of this connection, bytes. */
int64_t db_wal_bytes(const struct db *db);
/* Under the write lock; false: readers (or an error) kept it from ending. */
enum db_checkpoint { DB_PASSIVE, DB_RESTART, DB_TRUNCATE };
bool db_checkpoint(struct db *db, enum db_checkpoint how);

#endif
