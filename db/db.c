/* SPDX-License-Identifier: MIT */
/*
 * db.c - a connection to the store: what went wrong with it, how it is
 * opened, what it shares with others; see conn.h.
 */
#include "db/db.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/conn.h"
#include "db/frames.h"
#include "db/tab.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

/* --- what went wrong ------------------------------------------------------ */

static enum db_trouble
trouble_of(const struct db *db, int rc)
{
	/* A quota is a full disk; SQLite knows only ENOSPC as one. */
	if (rc == SQLITE_IOERR_WRITE && db->conn &&
	    sqlite3_system_errno(db->conn) == EDQUOT)
		return DB_FULL;
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return DB_BUSY;
	case SQLITE_FULL:
		return DB_FULL;
	case SQLITE_IOERR:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CANTOPEN:
		return DB_SICK;
	case SQLITE_CONSTRAINT:
		return DB_REFUSED;
	default:
		return DB_OTHER;
	}
}

/* Records the first error of a transaction and logs it. */
void
db_fail(struct db *db, int rc, const char *sql)
{
	if (db->failed)
		return;
	db->failed = true;
	db->trouble = trouble_of(db, rc);
	db->rc = rc;
	snprintf(db->words, sizeof(db->words), "%s (%d)",
	    db->conn ? sqlite3_errmsg(db->conn) : "no memory", rc);
	if (!db->quiet)
		log_line(LOG_ERROR, "database: %s in: %.200s", db->words, sql);
}

struct str
db_remedy(const struct db *db, struct arena *a, const char *path)
{
	switch (db->rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return arena_printf(a, "%s is locked by another program: end it "
		    "(an open sqlite3 shell, a copy that runs?) and try again",
		    path);
	case SQLITE_NOTADB:
		return arena_printf(a, "%s is not a database: put the right "
		    "file there, or a backup of its directory", path);
	case SQLITE_CORRUPT:
		return arena_printf(a, "%s is damaged (%s): keep a copy of it "
		    "and put a backup of its directory back", path,
		    db->words);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return arena_printf(a, "%s cannot be written: mount its file "
		    "system for writing, or correct owner and mode", path);
	case SQLITE_FULL:
		return arena_printf(a, "there is no room left on the disk of %s: "
		    "free some and try again", path);
	default:
		return arena_printf(a, "%s cannot be used: %s: look at its disk, "
		    "owner and mode", path, db->words);
	}
}

/* A call outside of a transaction begins with a clean slate. */
void
db_fresh(struct db *db)
{
	if (!db->began) {
		db->failed = false;
		db->trouble = DB_FINE;
	}
}

bool
db_failed(const struct db *db)
{
	return db->failed;
}

bool
db_unsure(const struct db *db)
{
	return db->failed && (db->rc == SQLITE_IOERR_FSYNC ||
	    db->rc == SQLITE_IOERR_DIR_FSYNC);
}

const char *
db_words(const struct db *db)
{
	return db->words;
}

enum db_trouble
db_trouble(const struct db *db)
{
	return db->failed ? db->trouble : DB_FINE;
}

bool
db_stop(struct db *db, const char *format, ...)
{
	va_list ap;

	if (!db->stopped[0]) {
		va_start(ap, format);
		vsnprintf(db->stopped, sizeof(db->stopped), format, ap);
		va_end(ap);
		log_line(LOG_ERROR, "invariant: %s", db->stopped);
	}
	if (!db->failed) {
		db->failed = true;
		db->trouble = DB_REFUSED;
		snprintf(db->words, sizeof(db->words), "invariant: %.200s",
		    db->stopped);
	}
	return false;
}

const char *
db_stopped(const struct db *db)
{
	return db->stopped[0] ? db->stopped : NULL;
}

/* --- opening -------------------------------------------------------------- */

static const char *vfs_for_writing;	/* set once, before any connection */

static void
sqlite_init(void)
{
	/* Counting its memory costs a lock on every allocation. */
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_initialize();
	vfs_for_writing = frames_vfs();
}

/* Before anything else is asked of it: afterwards it takes no settings. */
static void
sqlite_ready(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, sqlite_init);
}

/* Not for checkpoints (they are ours alone): only tells how long it is. */
static int
wal_grew(void *arg, sqlite3 *conn, const char *name, int pages)
{
	struct db *db = arg;

	(void)conn;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

/* A pragma's text answer into out (empty: none). */
static bool
pragma(struct db *db, const char *sql, char *out, size_t room)
{
	sqlite3_stmt *stmt;
	const char *text = NULL;
	int rc;

	out[0] = '\0';
	if (sqlite3_prepare_v2(db->conn, sql, -1, &stmt, NULL) != SQLITE_OK)
		return false;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		text = (const char *)sqlite3_column_text(stmt, 0);
	if (text)
		snprintf(out, room, "%s", text);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* Settings the design needs: how each is set, how it is read, and its value. */
static const struct {
	const char *set, *get, *want;
} pragmas[] = {
	{ "PRAGMA busy_timeout=2000", "PRAGMA busy_timeout", "2000" },
	{ "PRAGMA foreign_keys=ON", "PRAGMA foreign_keys", "1" },
	{ "PRAGMA trusted_schema=OFF", "PRAGMA trusted_schema", "0" },
	{ "PRAGMA cell_size_check=ON", "PRAGMA cell_size_check", "1" },
	{ "PRAGMA wal_autocheckpoint=0", "PRAGMA wal_autocheckpoint", "0" },
	{ "PRAGMA synchronous=NORMAL", "PRAGMA synchronous", "1" },
	{ "PRAGMA temp_store=MEMORY", "PRAGMA temp_store", "2" },
	{ "PRAGMA mmap_size=0", "PRAGMA mmap_size", "0" },
	{ NULL, "PRAGMA page_size", "4096" },
	{ NULL, "PRAGMA journal_mode", "wal" },
	{ "PRAGMA journal_size_limit=16777216", "PRAGMA journal_size_limit",
	    "16777216" },
};

static bool
configure(struct db *db, const char *path, struct arena *a, struct str *why)
{
	char got[64];
	int on = 0;

	sqlite3_db_config(db->conn, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &on);
	sqlite3_db_config(db->conn, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->conn, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db->conn, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_limit(db->conn, SQLITE_LIMIT_ATTACHED, 0);
	if (!on) {
		*why = S("SQLite does not take NO_CKPT_ON_CLOSE: use the "
			 "library of your distribution");
		return false;
	}
	for (size_t i = 0; i < countof(pragmas); i++) {
		bool ok = !pragmas[i].set ||
		    pragma(db, pragmas[i].set, got, sizeof(got));

		/* A build without mmap has no such setting: that is 0. */
		ok = ok && pragma(db, pragmas[i].get, got, sizeof(got)) &&
		    (strcmp(got, pragmas[i].want) == 0 ||
			(!got[0] && strstr(pragmas[i].get, "mmap")));
		if (ok)
			continue;
		if ((sqlite3_errcode(db->conn) & 0xff) < SQLITE_ROW &&
		    sqlite3_errcode(db->conn) != SQLITE_OK) {
			db_fail(db, sqlite3_errcode(db->conn), pragmas[i].get);
			*why = db_remedy(db, a, path);
		} else if (got[0] && strcmp(pragmas[i].want, "wal") == 0) {
			*why = arena_printf(a, "%s is in journal mode %s: another "
			    "program changed it; set it back with `sqlite3 %s "
			    "'PRAGMA journal_mode=wal'`", path, got, path);
		} else if (got[0] && !pragmas[i].set) {
			*why = arena_printf(a, "%s has pages of %s bytes, not "
			    "%s: another program wrote it anew; put a backup "
			    "of its directory back", path, got,
			    pragmas[i].want);
		} else {
			*why = arena_printf(a, "%s reads \"%s\" instead of \"%s\""
			    ": use the SQLite of your distribution",
			    pragmas[i].get, got, pragmas[i].want);
		}
		return false;
	}
	/* The pragma above took the hook's place, so it comes last. */
	sqlite3_wal_hook(db->conn, wal_grew, db);
	if (db->mode == DB_READ)
		return pragma(db, "PRAGMA query_only=ON", got, sizeof(got));
	return true;
}

struct db *
db_connect(const char *path, enum db_mode mode, struct arena *a,
    struct str *why)
{
	struct db *db = xnew(struct db);
	int rc;

	sqlite_ready();
	db->mode = mode;
	db->quiet = true;
	if (sqlite3_libversion_number() < 3037000) {
		*why = arena_printf(a, "SQLite %s is too old: install 3.37 or "
		    "later", sqlite3_libversion());
		free(db);
		return NULL;
	}
	rc = sqlite3_open_v2(path, &db->conn,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
		SQLITE_OPEN_EXRESCODE,
	    mode == DB_WRITE ? vfs_for_writing : NULL);
	if (rc != SQLITE_OK) {
		db_fail(db, rc, "open");
		*why = db_remedy(db, a, path);
		db_close(db);
		return NULL;
	}
	if (!configure(db, path, a, why)) {
		db_close(db);
		return NULL;
	}
	db->failed = false;
	db->quiet = false;
	return db;
}

bool
db_create(const char *path, int64_t application, int64_t version,
    struct arena *a, struct str *why)
{
	struct db db = { .quiet = true };
	char sql[128], got[64];
	bool ok;
	int rc;

	sqlite_ready();
	snprintf(sql, sizeof(sql), "PRAGMA page_size=4096; "
	    "PRAGMA application_id=%" PRId64 "; PRAGMA user_version=%" PRId64,
	    application, version);
	rc = sqlite3_open_v2(path, &db.conn,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
	    NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db.conn, sql, NULL, NULL, NULL);
	ok = rc == SQLITE_OK &&
	    pragma(&db, "PRAGMA journal_mode=WAL", got, sizeof(got)) &&
	    strcmp(got, "wal") == 0;
	if (!ok) {
		db_fail(&db, rc, "create");
		*why = db_remedy(&db, a, path);
	}
	sqlite3_close(db.conn);
	return ok;
}

bool
db_prepare(struct db *db, bool lazy, struct arena *a, struct str *why)
{
	db->quiet = true;
	for (size_t i = 0; db_parts[i]; i++) {
		const struct db_part *part = db_parts[i];
		struct row *rows = xalloc(part->n * sizeof(struct row));

		assert(db->n_parts < DB_PARTS_MAX);
		db->parts[db->n_parts++] = (struct statements){ part, rows };
		for (size_t k = 0; k < part->n; k++) {
			rows[k].db = db;
			rows[k].sql = part->sql[k];
			assert(rows[k].sql);
			if (!lazy && !row_prepare(&rows[k])) {
				*why = arena_printf(a, "the tables of the "
				    "database are not those this program knows "
				    "(statement %zu of %s: %s): they were "
				    "damaged or changed by hand; put a "
				    "backup of its directory back", k,
				    part->name, db->words);
				return false;
			}
		}
	}
	db->quiet = false;
	return true;
}

struct db *
db_open(const char *path, enum db_mode mode, bool lazy, struct arena *a,
    struct str *why)
{
	struct db *db = db_connect(path, mode, a, why);

	if (db && !db_prepare(db, lazy, a, why)) {
		db_close(db);
		return NULL;
	}
	return db;
}

void
db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < db->n_parts; i++) {
		for (size_t k = 0; k < db->parts[i].part->n; k++) {
			sqlite3_finalize(db->parts[i].rows[k].stmt);
			free(db->parts[i].rows[k].cells);
			free(db->parts[i].rows[k].text);
		}
		free(db->parts[i].rows);
	}
	sqlite3_finalize(db->begin);
	sqlite3_finalize(db->commit);
	sqlite3_close(db->conn);
	tab_free(db->tab);
	free(db);
}

void
db_share(struct db *db, struct db_site *site)
{
	db->site = site;
}

struct db_site *
db_site(struct db *db)
{
	return db->site;
}

struct db_tally *
db_tally(struct db *db)
{
	return &db->tally;
}

struct tab *
db_tab(struct db *db)
{
	return db->tab;
}

int64_t
db_clock(const struct db *db)
{
	return db->site && db->site->clock ? db->site->clock()
					   : clock_utc_ms();
}

int64_t
db_now(const struct db *db)
{
	return db->began ? db->began : db_clock(db);
}
