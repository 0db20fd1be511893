/* SPDX-License-Identifier: MIT */
/*
 * copy.c - a copy of the database as a reading connection sees it.
 */
#include <assert.h>
#include <unistd.h>

#include "db/conn.h"

enum { COPY_PAGES = 2048 };

/* A snapshot that stays what it is while pages of it are copied. */
static bool
hold_still(struct db *db)
{
	int64_t n;

	return db_exec(db, "BEGIN") &&
	    db_number(db, "SELECT count(*) FROM schema", &n) >= 0;
}

/*
 * So many pages at a time: they go to the disk before the next ones, so that
 * the commits of others never wait for all of the copy at once.
 */
static int
copy_pages(sqlite3 *to, struct db *from, int fd)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from->conn, "main");
	int rc, end;

	if (!b)
		return sqlite3_extended_errcode(to);
	do {
		rc = sqlite3_backup_step(b, COPY_PAGES);
		if (rc == SQLITE_OK && fdatasync(fd) != 0)
			rc = SQLITE_IOERR_FSYNC;
	} while (rc == SQLITE_OK);
	end = sqlite3_backup_finish(b);
	return rc == SQLITE_DONE ? end : rc;
}

bool
db_copy(struct db *from, const char *path, int fd, struct arena *a,
    struct str *why)
{
	sqlite3 *to = NULL;
	int rc;

	assert(from->mode == DB_READ);
	db_fresh(from);
	rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE |
	    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
	    NULL);
	/* The whole file is thrown away when anything fails. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(to, "PRAGMA journal_mode=OFF; "
		    "PRAGMA synchronous=OFF", NULL, NULL, NULL);
	if (rc == SQLITE_OK && !hold_still(from)) {
		*why = db_remedy(from, a, "the database");
		rc = -1;
	} else if (rc == SQLITE_OK) {
		rc = copy_pages(to, from, fd);
	}
	if (!sqlite3_get_autocommit(from->conn))
		db_exec(from, "COMMIT");
	if ((rc & 0xff) == SQLITE_FULL)
		*why = arena_printf(a, "there is no room for the copy on the "
		    "disk of %s: free some, or name another place", path);
	else if (rc > 0)
		*why = arena_printf(a, "the database cannot be copied to %s: "
		    "%s", path, sqlite3_errstr(rc));
	sqlite3_close(to);
	return rc == SQLITE_OK;
}
