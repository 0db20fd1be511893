/* SPDX-License-Identifier: MIT */
/*
 * conn.h - the inside of a connection, for the files of this floor that are
 * db.h: db.c (opening, errors), statement.c, transact.c, copy.c.  Only they
 * name sqlite3, and frames.c, which stands between it and the disk.
 */
#ifndef WEIR_CONN_H
#define WEIR_CONN_H

#include <sqlite3.h>

#include "db/db.h"

struct cell {
	int type;
	int64_t number;
	size_t at, n;		/* of text in row.text */
};

/* A statement and, after db_one, the row it found. */
struct row {
	struct db *db;
	sqlite3_stmt *stmt;
	const char *sql;
	bool walking;		/* between db_each and its end */
	bool failed;
	bool copied;		/* cells hold the row */
	bool foreign;		/* changes what the tab may have (tab.h) */
	int columns;
	int parameters;
	struct cell *cells;
	char *text;
	size_t room;
};

struct statements {
	const struct db_part *part;
	struct row *rows;
};

struct db {
	sqlite3 *conn;
	sqlite3_stmt *begin, *commit;	/* prepared on first use */
	enum db_mode mode;
	struct statements parts[DB_PARTS_MAX];
	size_t n_parts;
	bool failed;
	bool quiet;		/* opening: the caller says what is wrong */
	enum db_trouble trouble;
	int rc;
	char words[256];
	char stopped[256];
	bool durable;		/* synchronous is FULL */
	int wal_pages;
	int64_t began;		/* UTC ms of BEGIN, 0: outside */
	struct db_site *site;
	struct db_tally tally;
	struct tab *tab;
	unsigned version;	/* of the data after our last COMMIT, or 0 */
};

/* Records the first error of a transaction and logs it. */
void db_fail(struct db *db, int rc, const char *sql);

/* A call outside of a transaction begins with a clean slate. */
void db_fresh(struct db *db);

/* UTC ms now, by the store's clock. */
int64_t db_clock(const struct db *db);

/* Gives row->sql its statement.  False: db_fail was called. */
bool row_prepare(struct row *row);

/* Text as it is, without a look at what the tab has. */
bool db_exec(struct db *db, const char *sql);

#endif
