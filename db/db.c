/* SPDX-License-Identifier: MIT */
/*
 * db.c - a connection to the store; the only file that names sqlite3, but
 * for what stands between it and the disk (frames.c).
 *
 * Statements are found by the address of their part: a connection keeps an
 * array of them for each part.  db_one copies the row it found and resets
 * the statement at once, so that no statement, and with it no snapshot of a
 * reading connection, stays open between two calls.
 */
#include "db/db.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/frames.h"
#include "db/tab.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

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

/* --- what went wrong ------------------------------------------------------ */

static enum db_trouble
trouble_of(int rc)
{
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
static void
failed(struct db *db, int rc, const char *sql)
{
	if (db->failed)
		return;
	db->failed = true;
	db->trouble = trouble_of(rc);
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
static void
fresh(struct db *db)
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
			failed(db, sqlite3_errcode(db->conn), pragmas[i].get);
			*why = db_remedy(db, a, path);
		} else if (!got[0] || strcmp(pragmas[i].want, "wal") != 0) {
			*why = arena_printf(a, "%s reads \"%s\" instead of \"%s\""
			    ": use the SQLite of your distribution",
			    pragmas[i].get, got, pragmas[i].want);
		} else {
			*why = arena_printf(a, "%s is in journal mode %s: another "
			    "program changed it; set it back with `sqlite3 %s "
			    "'PRAGMA journal_mode=wal'`", path, got, path);
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
		failed(db, rc, "open");
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
		failed(&db, rc, "create");
		*why = db_remedy(&db, a, path);
	}
	sqlite3_close(db.conn);
	return ok;
}

static bool
prepare(struct row *row)
{
	struct db *db = row->db;
	const char *rest = NULL;
	int rc = sqlite3_prepare_v3(db->conn, row->sql, -1,
	    SQLITE_PREPARE_PERSISTENT, &row->stmt, &rest);

	if (rc != SQLITE_OK || !row->stmt) {
		failed(db, rc, row->sql);
		return false;
	}
	assert(rest[strspn(rest, " \n\t;")] == '\0');
	row->columns = sqlite3_column_count(row->stmt);
	row->parameters = sqlite3_bind_parameter_count(row->stmt);
	row->foreign = !sqlite3_stmt_readonly(row->stmt) &&
	    !strstr(row->sql, "/*tab*/");
	if (row->columns > 0)
		row->cells = xalloc((size_t)row->columns * sizeof(struct cell));
	return true;
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
			if (!lazy && !prepare(&rows[k])) {
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

static int64_t
clock_of(const struct db *db)
{
	return db->site && db->site->clock ? db->site->clock()
					   : clock_utc_ms();
}

int64_t
db_now(const struct db *db)
{
	return db->began ? db->began : clock_of(db);
}

/* --- statements ----------------------------------------------------------- */

static struct row *
statement(struct db *db, const struct db_part *part, size_t which)
{
	struct row *row;
	size_t i = 0;

	while (i < db->n_parts && db->parts[i].part != part)
		i++;
	assert(i < db->n_parts && which < part->n);
	row = &db->parts[i].rows[which];
	if (row->walking)
		db_reset(row);
	row->failed = !row->stmt && !prepare(row);
	row->copied = false;
	if (row->foreign && db->tab)
		tab_distrust(db->tab);
	return row;
}

static int
bind_str(sqlite3_stmt *stmt, int at, struct str s, bool keep)
{
	return sqlite3_bind_text(stmt, at, s.p ? s.p : "", (int)s.n,
	    keep ? SQLITE_TRANSIENT : SQLITE_STATIC);
}

/* keep: the values may go before the statement is done with. */
static bool
bind(struct row *row, bool keep, const char *letters, va_list ap)
{
	sqlite3_stmt *stmt = row->stmt;
	const int64_t *number;
	const void *bytes;
	struct str s;
	int at = 0, rc = SQLITE_OK;

	for (; *letters && rc == SQLITE_OK; letters++) {
		at++;
		switch (*letters) {
		case 'i':
			rc = sqlite3_bind_int64(stmt, at, va_arg(ap, int64_t));
			break;
		case 's':
			s = va_arg(ap, struct str);
			rc = bind_str(stmt, at, s, keep);
			break;
		case 'S':
			s = va_arg(ap, struct str);
			rc = s.p ? bind_str(stmt, at, s, keep)
				 : sqlite3_bind_null(stmt, at);
			break;
		case 'I':
			number = va_arg(ap, const int64_t *);
			rc = number ? sqlite3_bind_int64(stmt, at, *number)
				    : sqlite3_bind_null(stmt, at);
			break;
		case 'b':
			bytes = va_arg(ap, const void *);
			rc = sqlite3_bind_blob64(stmt, at, bytes,
			    va_arg(ap, size_t),
			    keep ? SQLITE_TRANSIENT : SQLITE_STATIC);
			break;
		case 'z':
			rc = sqlite3_bind_null(stmt, at);
			break;
		default:
			assert(!"letter");
		}
	}
	assert(rc != SQLITE_OK || at == row->parameters);
	if (rc != SQLITE_OK)
		failed(row->db, rc, row->sql);
	return rc == SQLITE_OK;
}

/* The row a statement stands on, into its cells. */
static void
copy(struct row *row)
{
	size_t used = 0;

	for (int c = 0; c < row->columns; c++) {
		struct cell *cell = &row->cells[c];
		const void *p;

		cell->type = sqlite3_column_type(row->stmt, c);
		if (cell->type == SQLITE_INTEGER) {
			cell->number = sqlite3_column_int64(row->stmt, c);
			continue;
		}
		cell->number = 0;
		cell->at = used;
		cell->n = 0;
		if (cell->type == SQLITE_NULL)
			continue;
		p = cell->type == SQLITE_BLOB
		    ? sqlite3_column_blob(row->stmt, c)
		    : (const void *)sqlite3_column_text(row->stmt, c);
		cell->n = (size_t)sqlite3_column_bytes(row->stmt, c);
		if (used + cell->n + 1 > row->room) {
			row->room = (used + cell->n + 1) * 2;
			row->text = xresize(row->text, row->room);
		}
		if (cell->n)
			memcpy(row->text + used, p, cell->n);
		row->text[used + cell->n] = '\0';
		used += cell->n + 1;
	}
	row->copied = true;
}

int
db_one(struct db *db, const struct db_part *part, size_t which,
    struct row **out, const char *letters, ...)
{
	struct row *row;
	va_list ap;
	bool ok;
	int rc;

	fresh(db);
	row = statement(db, part, which);
	*out = row;
	if (row->failed)
		return -1;
	va_start(ap, letters);
	ok = bind(row, false, letters, ap);
	va_end(ap);
	if (!ok)
		return -1;
	rc = sqlite3_step(row->stmt);
	if (rc == SQLITE_ROW)
		copy(row);
	else if (rc != SQLITE_DONE)
		failed(db, rc, row->sql);
	sqlite3_reset(row->stmt);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
db_run(struct db *db, const struct db_part *part, size_t which,
    const char *letters, ...)
{
	struct row *row;
	va_list ap;
	bool ok;
	int rc;

	fresh(db);
	row = statement(db, part, which);
	if (row->failed)
		return -1;
	va_start(ap, letters);
	ok = bind(row, false, letters, ap);
	va_end(ap);
	if (!ok)
		return -1;
	rc = sqlite3_step(row->stmt);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		failed(db, rc, row->sql);
	sqlite3_reset(row->stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? sqlite3_changes(db->conn)
						     : -1;
}

int64_t
db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->conn);
}

struct row *
db_each(struct db *db, const struct db_part *part, size_t which,
    const char *letters, ...)
{
	struct row *row;
	va_list ap;

	fresh(db);
	row = statement(db, part, which);
	if (!row->failed) {
		va_start(ap, letters);
		row->failed = !bind(row, true, letters, ap);
		va_end(ap);
	}
	row->walking = !row->failed;
	return row;
}

int
db_next(struct row *row)
{
	int rc;

	if (row->failed)
		return -1;
	if (!row->walking)
		return 0;
	rc = sqlite3_step(row->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE) {
		failed(row->db, rc, row->sql);
		row->failed = true;
	}
	db_reset(row);
	return rc == SQLITE_DONE ? 0 : -1;
}

void
db_reset(struct row *row)
{
	row->walking = false;
	if (row->stmt)
		sqlite3_reset(row->stmt);
}

int64_t
row_int(struct row *row, int column)
{
	assert(column < row->columns);
	return row->copied ? row->cells[column].number
			   : sqlite3_column_int64(row->stmt, column);
}

bool
row_null(struct row *row, int column)
{
	assert(column < row->columns);
	return (row->copied ? row->cells[column].type
			    : sqlite3_column_type(row->stmt, column)) ==
	    SQLITE_NULL;
}

static struct str
view(struct row *row, int column, bool blob)
{
	const struct cell *cell = &row->cells[column];
	const void *p;

	assert(column < row->columns);
	if (row->copied)
		return cell->type == SQLITE_NULL || cell->type == SQLITE_INTEGER
		    ? str_from(NULL, 0)
		    : str_from(row->text + cell->at, cell->n);
	p = blob ? sqlite3_column_blob(row->stmt, column)
		 : (const void *)sqlite3_column_text(row->stmt, column);
	return str_from(p, p ? (size_t)sqlite3_column_bytes(row->stmt, column)
			     : 0);
}

struct str
row_str(struct row *row, int column)
{
	return view(row, column, false);
}

struct str
row_bytes(struct row *row, int column)
{
	return view(row, column, true);
}

/* --- transactions --------------------------------------------------------- */

static bool
script(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->conn, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		failed(db, rc, sql);
	return rc == SQLITE_OK;
}

bool
db_script(struct db *db, const char *sql)
{
	fresh(db);
	if (db->tab)
		tab_distrust(db->tab);
	return script(db, sql);
}

int
db_number(struct db *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int found = -1, rc;

	fresh(db);
	rc = sqlite3_prepare_v2(db->conn, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		found = sqlite3_column_type(stmt, 0) != SQLITE_NULL;
		*value = sqlite3_column_int64(stmt, 0);
	} else if (rc == SQLITE_DONE) {
		found = 0;
	} else {
		failed(db, rc, sql);
	}
	sqlite3_finalize(stmt);
	return found;
}

/* BEGIN and COMMIT, of which there is one each a batch. */
static bool
step(struct db *db, sqlite3_stmt **stmt, const char *sql)
{
	int rc = SQLITE_OK;

	if (!*stmt)
		rc = sqlite3_prepare_v3(db->conn, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, stmt, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(*stmt);
		if (rc != SQLITE_DONE)
			failed(db, rc, sql);
		sqlite3_reset(*stmt);
	} else {
		failed(db, rc, sql);
	}
	return rc == SQLITE_DONE;
}

/*
 * A number that changes when anybody commits: inside a transaction it is
 * still that of our last COMMIT if nobody else has written since.
 */
static unsigned
data_version(struct db *db)
{
	unsigned version = 0;

	sqlite3_file_control(db->conn, "main", SQLITE_FCNTL_DATA_VERSION,
	    &version);
	return version;
}

bool
db_begin(struct db *db, bool durable)
{
	assert(db->mode == DB_WRITE && !db->began);
	db->failed = false;
	db->stopped[0] = '\0';
	memset(&db->tally, 0, sizeof(db->tally));
	if (!db->tab)
		db->tab = tab_new();
	if (durable != db->durable) {
		if (!script(db, durable ? "PRAGMA synchronous=FULL"
					: "PRAGMA synchronous=NORMAL"))
			return false;
		db->durable = durable;
	}
	if (!step(db, &db->begin, "BEGIN IMMEDIATE"))
		return false;
	tab_begin(db->tab, db->version && db->version == data_version(db));
	db->began = clock_of(db);
	return true;
}

bool
db_commit(struct db *db)
{
	bool ok = db->began && !db->failed;

	if (ok) {
		frames_gather(db->conn);
		ok = step(db, &db->commit, "COMMIT");
		frames_end(db->conn);
	}
	if (!ok) {
		db_rollback(db);
		return false;
	}
	db->began = 0;
	db->version = data_version(db);
	return true;
}

/*
 * After some errors (a full disk, no memory, input and output) SQLite has
 * rolled back by itself; a second ROLLBACK would be an error of its own.
 */
void
db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->conn))
		sqlite3_exec(db->conn, "ROLLBACK", NULL, NULL, NULL);
	assert(sqlite3_get_autocommit(db->conn));
	if (db->tab)
		tab_clear(db->tab);
	db->began = 0;
}

bool
db_busy(const struct db *db)
{
	return !sqlite3_get_autocommit(db->conn);
}

int64_t
db_wal_bytes(const struct db *db)
{
	return (int64_t)db->wal_pages * 4096;
}

bool
db_checkpoint(struct db *db, enum db_checkpoint how)
{
	static const int modes[] = {
		[DB_PASSIVE] = SQLITE_CHECKPOINT_PASSIVE,
		[DB_RESTART] = SQLITE_CHECKPOINT_RESTART,
		[DB_TRUNCATE] = SQLITE_CHECKPOINT_TRUNCATE,
	};
	int in_wal = 0, done = 0, rc;

	assert(db->mode == DB_WRITE && !db->began);
	/* Everybody who writes waits for this: not 2 s for one reader. */
	sqlite3_busy_timeout(db->conn, 100);
	rc = sqlite3_wal_checkpoint_v2(db->conn, NULL, modes[how], &in_wal,
	    &done);
	sqlite3_busy_timeout(db->conn, 2000);
	if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
		db->failed = false;
		failed(db, rc, "checkpoint");
	}
	return rc == SQLITE_OK && in_wal == done;
}

/* --- copying -------------------------------------------------------------- */

enum { COPY_PAGES = 2048 };

/* A snapshot that stays what it is while pages of it are copied. */
static bool
hold_still(struct db *db)
{
	int64_t n;

	return script(db, "BEGIN") &&
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
	fresh(from);
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
		script(from, "COMMIT");
	if ((rc & 0xff) == SQLITE_FULL)
		*why = arena_printf(a, "there is no room for the copy on the "
		    "disk of %s: free some, or name another place", path);
	else if (rc > 0)
		*why = arena_printf(a, "the database cannot be copied to %s: "
		    "%s", path, sqlite3_errstr(rc));
	sqlite3_close(to);
	return rc == SQLITE_OK;
}

/* --- lint ----------------------------------------------------------------- */

/* Does the plan of a statement walk a table or an index from end to end? */
static int
scans(struct db *db, const char *sql, struct buf *found)
{
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *stmt = NULL;
	int n = 0, rc;

	rc = sqlite3_prepare_v2(db->conn, explain, -1, &stmt, NULL);
	while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *plan = (const char *)sqlite3_column_text(stmt, 3);

		if (strncmp(plan, "SCAN ", 5) == 0 &&
		    strcmp(plan, "SCAN CONSTANT ROW") != 0) {
			buf_printf(found, "%s; ", plan);
			n++;
		}
	}
	if (rc != SQLITE_OK) {
		failed(db, rc, sql);
		n = -1;
	}
	sqlite3_finalize(stmt);
	sqlite3_free(explain);
	return n;
}

int
db_scans(struct db *db, struct arena *a, struct str *report)
{
	struct buf out = BUF(a, 1 << 20);
	int total = 0;

	for (size_t i = 0; db_parts[i]; i++)
		for (size_t k = 0; k < db_parts[i]->n; k++) {
			const char *sql = db_parts[i]->sql[k];
			struct buf found = BUF(a, 65536);
			int n = scans(db, sql, &found);

			if (n < 0)
				return -1;
			if (n == 0 || strstr(sql, "/*scan*/"))
				continue;
			total++;
			buf_printf(&out, "%s %zu: %.*s in: %s\n",
			    db_parts[i]->name, k, STR_ARGS(buf_str(&found)),
			    sql);
		}
	*report = buf_str(&out);
	return total;
}
