/* SPDX-License-Identifier: MIT */
/*
 * store.c - the data directory and its one write connection; see store.h.
 *
 * Everything that reads or changes the database is first checked: whose it
 * is, who may read it, what file system it lies on.  The file itself is
 * looked at only through SQLite: closing a descriptor of our own on it would
 * drop SQLite's POSIX locks.
 */
#include "db/store.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "db/ledger.h"
#include "db/lock.h"
#include "db/place.h"
#include "db/schema.h"
#include "db/seal.h"
#include "db/setting.h"
#include "db/tab.h"
#include "db/zone.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

struct store {
	char *dir, *path, *program;
	int lock;
	int64_t process;
	int64_t wait_ms;		/* for the write lock; < 0: for ever */
	struct vault *vault;
	struct zone *zone;
	struct db_site site;

	pthread_mutex_t mutex;		/* of what follows */
	struct db *db;
	bool sick;			/* open it anew before the next use */
	enum db_trouble trouble;
	int64_t passive, restart;	/* thresholds, bytes */
	int64_t tried;			/* size at the last checkpoint */
	void (*see)(void *arg, enum store_act act, bool begins);
	void *see_arg;
	atomic_bool current;
	atomic_bool unsure;		/* a sync failed (store_sync) */
	int wal;			/* weir.db-wal, for store_sync; -1 */
	ino_t wal_inode;
};

enum { CGI_WAL_BYTES = 256 << 10 };

enum { MIN_READER, ADD_PROCESS, END_PROCESS, OWNS_HOLDS, PROCESSES,
	N_SQL };
static const char *const sql[N_SQL] = {
	[MIN_READER] = "SELECT min_reader FROM schema WHERE id = 1",
	[ADD_PROCESS] =
	    "INSERT INTO process(pid, program, started) VALUES (?1, ?2, ?3)",
	[END_PROCESS] = "DELETE FROM process /*scan*/ WHERE id = ?1",
	[OWNS_HOLDS] =
	    "SELECT 1 FROM hold /*scan*/ WHERE process = ?1 LIMIT 1",
	[PROCESSES] = "SELECT id FROM process /*scan*/",
};
const struct db_part store_part = { "store", sql, N_SQL };

/* --- opening one ---------------------------------------------------------- */

static bool
open_vault(struct store *s, const char *master_key_file, struct arena *a,
    struct str *why)
{
	const char *key = master_key_file
	    ? master_key_file
	    : arena_printf(a, "%s/master.key", s->dir).p;
	uint8_t master[VAULT_MASTER];
	struct vault_seals seals;

	if (!seals_get(s->db, &seals))
		return place_refuse(a, why, "%s is damaged: its sealed keys are "
		    "missing; put a backup of its directory back",
		    s->path);
	if (!place_key_read(key, master, a, why))
		return false;
	s->vault = vault_open(master, &seals);
	vault_wipe(master, sizeof(master));
	if (!s->vault)
		s->vault = seal_rescue(key, &seals, a);
	return s->vault || place_refuse(a, why, "%s is not the master key of this "
	    "database: put the right one there (nothing was changed)", key);
}

/*
 * The number of the database stands in weir.lock as well, where no page of a
 * foreign WAL can replace it.  A file where it is missing (it was lost, or its
 * writing was) gets it now.
 */
static bool
lock_belongs(struct store *s, int64_t identity)
{
	char text[32] = "", want[32];
	ssize_t n = pread(s->lock, text, sizeof(text) - 1, 0);

	snprintf(want, sizeof(want), "%" PRId64 "\n", identity);
	if (n >= 0 && (n == 0 || text[n - 1] != '\n'))
		n = ftruncate(s->lock, 0) < 0 ? -1 :
		    pwrite(s->lock, want, strlen(want), 0);
	else if (strcmp(text, want) != 0)
		return false;
	return n == (ssize_t)strlen(want);
}

/* Ours, of a version we know, and with its own WAL? */
static bool
known(struct store *s, int64_t *version, struct arena *a, struct str *why)
{
	int64_t application = 0, identity = 0, stored = -1;

	if (db_number(s->db, "PRAGMA application_id", &application) < 0 ||
	    db_number(s->db, "PRAGMA user_version", &identity) < 0)
		return place_refuse(a, why, "%s",
		    db_remedy(s->db, a, s->path).p);
	if (application != SCHEMA_APPLICATION)
		return place_refuse(a, why, "%s is not a database of weir: name "
		    "weir's data directory with --data", s->path);
	if (db_number(s->db, "SELECT version FROM schema", version) != 1 ||
	    db_number(s->db, "SELECT CAST(value AS INTEGER) FROM setting "
		"WHERE name = 'database'", &stored) < 0)
		return place_refuse(a, why, "%s", db_remedy(s->db, a, s->path).p);
	if (stored != identity || !lock_belongs(s, identity))
		return place_refuse(a, why, "%s, its -wal and weir.lock are not of "
		    "one database: put those back that belong together, or "
		    "a backup of the whole directory", s->path);
	if (*version > schema_count)
		return place_refuse(a, why, "%s was made by a newer weir (schema "
		    "%" PRId64 ", this program knows %d): install that one "
		    "(nothing was changed)", s->path, *version, schema_count);
	return true;
}

static bool
open_database(struct store *s, bool lazy, struct arena *a, struct str *why)
{
	int64_t version = 0;

	s->db = db_connect(s->path, DB_WRITE, a, why);
	if (!s->db || !known(s, &version, a, why))
		return false;
	db_share(s->db, &s->site);
	if (version < schema_count &&
	    !(db_begin(s->db, true) && schema_migrate(s->db, version) &&
		db_commit(s->db))) {
		if (db_busy(s->db))
			db_rollback(s->db);
		return place_refuse(a, why, "the update of %s to schema %d failed "
		    "(%s): nothing was changed", s->path, schema_count,
		    db_words(s->db));
	}
	return db_prepare(s->db, lazy, a, why);
}

static bool
open_zone(struct store *s, struct arena *a, struct str *why)
{
	struct str name;

	if (setting_get(s->db, a, S("site.time_zone"), &name) != 1)
		name = S("UTC");
	s->zone = zone_open(name);
	s->site.zone = s->zone;
	return s->zone || place_refuse(a, why, "this system does not know the time "
	    "zone %.*s: install tzdata, or set another with `weirctl apply`",
	    STR_ARGS(name));
}

/* Under the write lock: our row and our byte. */
static bool
enrol(struct store *s, struct arena *a, struct str *why)
{
	if (strcmp(s->program, "weirctl") == 0)
		return true;
	if (!db_begin(s->db, false) ||
	    db_run(s->db, &store_part, ADD_PROCESS, "isi", (int64_t)getpid(),
		str_of(s->program), db_now(s->db)) != 1 ||
	    (s->process = db_last_id(s->db), !db_commit(s->db))) {
		if (db_busy(s->db))
			db_rollback(s->db);
		return place_refuse(a, why, "%s", db_remedy(s->db, a, s->path).p);
	}
	return lock_take(s->lock, s->process, 0) ||
	    place_refuse(a, why, "%s/weir.lock does not take locks: choose a "
		"directory on a disk of this machine", s->dir);
}

/* Is any other registered process alive?  Under the write lock. */
static bool
alone(struct store *s)
{
	struct row *row = db_each(s->db, &store_part, PROCESSES, "");
	bool others = false;

	while (!others && db_next(row) == 1) {
		int64_t id = row_int(row, 0);

		others = id != s->process && !lock_free(s->lock, id);
	}
	db_reset(row);
	return !others;
}

/* Has somebody left something in the WAL?  Before it is opened. */
static bool
wal_left(const struct store *s, struct arena *a)
{
	struct stat st;

	return stat(arena_printf(a, "%s-wal", s->path).p, &st) == 0 &&
	    st.st_size > 0;
}

/*
 * Takes the write lock, and our share of BYTE_USE for as long as the store is
 * open.  Who has that byte alone (restore) does not keep it for long.
 */
static bool
come_in(int lock)
{
	for (int tries = 0; lock_take_write(lock, 10000); tries++) {
		if (lock_share(lock, BYTE_USE))
			return true;
		lock_give(lock, BYTE_WRITE);
		if (tries == 400)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = 25000000 }, NULL);
	}
	return false;
}

struct store *
store_open(const char *dir, const char *master_key_file, const char *program,
    struct arena *a, struct str *why)
{
	struct store *s = xnew(struct store);
	bool ctl = strcmp(program, "weirctl") == 0;
	bool ok, left;

	s->dir = xstrdup(place_resolved(dir, a));
	s->path = xstrdup(arena_printf(a, "%s/weir.db", s->dir).p);
	s->program = xstrdup(program);
	s->lock = s->wal = -1;
	s->wait_ms = ctl ? 10000 : -1;
	s->passive = 4 << 20;
	s->restart = 32 << 20;
	atomic_init(&s->current, true);
	pthread_mutex_init(&s->mutex, NULL);
	ok = place_good(s->dir, program, a, why) &&
	    place_files_good(s->dir, a, why) &&
	    (s->lock = place_lock_open(s->dir, a, why)) >= 0;
	if (ok && !come_in(s->lock)) {
		ok = place_refuse(a, why, "another process has kept the write lock of"
		    " %s for 10 s: see which with `fuser %s/weir.lock` and end "
		    "it", s->dir, s->dir);
		close(s->lock);
		s->lock = -1;
	}
	left = strcmp(program, "weir.fcgi") == 0 && wal_left(s, a);
	ok = ok && open_database(s, strcmp(program, "weir.fcgi") != 0, a,
		       why) &&
	    open_vault(s, master_key_file, a, why) && open_zone(s, a, why) &&
	    enrol(s, a, why);
	/* Who died may have known that the disk did not take all of the WAL
	 * (store_sync): it is written anew. */
	if (ok && left && alone(s))
		db_checkpoint(s->db, DB_TRUNCATE);
	if (s->lock >= 0)
		lock_give(s->lock, BYTE_WRITE);
	if (ok)
		return s;
	db_close(s->db);
	s->db = NULL;
	store_close(s);
	return NULL;
}

/* --- closing -------------------------------------------------------------- */

static void
leave(struct store *s)
{
	bool cgi = strcmp(s->program, "weir.cgi") == 0;
	struct row *row;

	if (s->process && db_begin(s->db, false)) {
		if (db_one(s->db, &store_part, OWNS_HOLDS, &row, "i",
			s->process) == 0)
			db_run(s->db, &store_part, END_PROCESS, "i",
			    s->process);
		db_commit(s->db);
	}
	/* CGI processes are alone again and again: a short WAL waits. */
	if (cgi ? db_wal_bytes(s->db) > CGI_WAL_BYTES : alone(s))
		db_checkpoint(s->db, DB_TRUNCATE);
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db && !s->sick && lock_take_write(s->lock, 10000)) {
		leave(s);
		lock_give(s->lock, BYTE_WRITE);
	}
	db_close(s->db);
	if (s->wal >= 0)
		close(s->wal);
	if (s->lock >= 0)
		close(s->lock);
	if (s->vault)
		vault_close(s->vault);
	zone_close(s->zone);
	pthread_mutex_destroy(&s->mutex);
	free(s->dir);
	free(s->path);
	free(s->program);
	free(s);
}

/* --- members -------------------------------------------------------------- */

const struct vault *
store_vault(const struct store *s)
{
	return s->vault;
}

int64_t
store_process(const struct store *s)
{
	return s->process;
}

const char *
store_dir(const struct store *s)
{
	return s->dir;
}

int
store_lock(const struct store *s)
{
	return s->lock;
}

enum db_trouble
store_trouble(const struct store *s)
{
	return s->trouble;
}

bool
store_current(struct store *s)
{
	return atomic_load(&s->current);
}

void
store_watch(struct store *s,
    void (*see)(void *arg, enum store_act act, bool begins), void *arg)
{
	s->see = see;
	s->see_arg = arg;
}

void
store_thresholds(struct store *s, int64_t passive, int64_t restart)
{
	s->passive = passive;
	s->restart = restart;
}

void
store_clock(struct store *s, int64_t (*clock)(void))
{
	s->site.clock = clock;
}

struct db *
store_reader(struct store *s, struct arena *a, struct str *why)
{
	/* The write connection has prepared every statement already. */
	struct db *db = db_open(s->path, DB_READ, true, a, why);

	if (db)
		db_share(db, &s->site);
	return db;
}

int
store_any_dead(struct store *s, struct db *db)
{
	struct row *row = db_each(db, &store_part, PROCESSES, "");
	bool dead = false;

	while (!dead && db_next(row) == 1)
		dead = row_int(row, 0) != s->process &&
		    lock_free(s->lock, row_int(row, 0));
	db_reset(row);
	return db_failed(db) ? -1 : dead;
}

bool
store_dead(struct store *s, int64_t process)
{
	return process != s->process && lock_take(s->lock, process, 0);
}

void
store_bury(struct store *s, int64_t process)
{
	lock_give(s->lock, process);
}

/* --- writing -------------------------------------------------------------- */

static void
doubt(struct store *s)
{
	if (!atomic_exchange(&s->unsure, true))
		log_line(LOG_ERROR, "store: the disk could not make the "
		    "database durable: nothing is admitted and no call's end "
		    "is told until all of the WAL was written anew; check the "
		    "disk of %s", s->dir);
}

/*
 * A descriptor of our own: SQLite keeps no lock on this file that closing
 * one would drop.  The file is the same as long as a connection is open.
 */
bool
store_sync(struct store *s)
{
	char path[4096];
	struct stat now;

	snprintf(path, sizeof(path), "%s-wal", s->path);
	if (s->wal >= 0 &&
	    (stat(path, &now) < 0 || now.st_ino != s->wal_inode)) {
		close(s->wal);
		s->wal = -1;
	}
	if (s->wal < 0) {
		s->wal = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (s->wal < 0 || fstat(s->wal, &now) < 0)
			return false;
		s->wal_inode = now.st_ino;
	}
	if (!s->unsure && fdatasync(s->wal) == 0)
		return true;
	doubt(s);
	return false;
}

bool
store_unsure(const struct store *s)
{
	return s->unsure;
}

static void
saw(struct store *s, enum store_act act, bool begins)
{
	if (s->see)
		s->see(s->see_arg, act, begins);
}

/* After an error of the disk the connection is not trusted any further. */
static bool
reopen(struct store *s)
{
	struct str why = S("");
	struct arena a;
	struct db *db;

	arena_init(&a);
	db = db_open(s->path, DB_WRITE, false, &a, &why);
	if (db) {
		db_close(s->db);
		s->db = db;
		db_share(db, &s->site);
		s->sick = false;
	} else {
		log_line(LOG_ERROR, "store: %.*s", STR_ARGS(why));
	}
	arena_release(&a);
	return db != NULL;
}

static void
note_reader(struct store *s, int64_t min_reader)
{
	if (min_reader > schema_count && atomic_exchange(&s->current, false))
		log_line(LOG_WARN, "store: the database was changed by a newer "
		    "weir: admitting no calls any more; restart this program");
}

bool
store_look(struct store *s, struct db *db)
{
	struct row *row;

	if (db_one(db, &store_part, MIN_READER, &row, "") != 1)
		return false;
	note_reader(s, row_int(row, 0));
	return true;
}

/* Has a newer program made this database too new for us? */
static bool
look_around(struct store *s)
{
	const struct tab_facts *facts = tab_facts(s->db);

	if (facts)
		note_reader(s, facts->min_reader);
	return facts != NULL;
}

/* In a transaction of its own: one that failed cannot say why it did. */
static void
freeze(struct store *s, const char *why)
{
	struct arena a;
	struct str text;

	arena_init(&a);
	text = arena_str(&a, str_of(why));
	if (!db_begin(s->db, true) || !setting_set(s->db, S("frozen"), text) ||
	    !db_commit(s->db)) {
		if (db_busy(s->db))
			db_rollback(s->db);
		log_line(LOG_ERROR, "store: billing could not be stopped");
	} else {
		log_line(LOG_ERROR, "store: billing is stopped: %s",
		    text.p);
	}
	arena_release(&a);
}

static bool
transact(struct store *s, bool durable,
    bool (*work)(struct db *db, void *arg), void *arg)
{
	bool ok;

	if (!db_begin(s->db, durable))
		return false;
	ok = look_around(s) && work(s->db, arg) && !db_failed(s->db) &&
	    ledger_flush(s->db);
	saw(s, STORE_COMMIT, true);
	if (ok)
		ok = db_commit(s->db);
	else
		db_rollback(s->db);
	saw(s, STORE_COMMIT, false);
	return ok;
}

/*
 * Under the write lock.  A try that readers kept from ending is repeated
 * only when the WAL has grown by as much again.
 */
static void
checkpoint(struct store *s)
{
	int64_t size = db_wal_bytes(s->db);

	if (size < s->tried)
		s->tried = 0;
	if (size < s->passive || size < s->tried + s->passive)
		return;
	s->tried = size;
	saw(s, STORE_CHECKPOINT, true);
	db_checkpoint(s->db, size < s->restart ? DB_PASSIVE : DB_RESTART);
	saw(s, STORE_CHECKPOINT, false);
	if (db_unsure(s->db))
		doubt(s);
}

/*
 * Under the write lock: is the connection one to be used?  What a sync has
 * left in doubt is in the WAL; in the database it is written once more.
 */
static bool
ready(struct store *s)
{
	if (s->sick && !reopen(s))
		return false;
	if (!s->unsure)
		return true;
	saw(s, STORE_CHECKPOINT, true);
	if (db_checkpoint(s->db, DB_TRUNCATE)) {
		atomic_store(&s->unsure, false);
		s->tried = 0;
		log_line(LOG_WARN, "store: the disk makes the database durable "
		    "again");
	}
	saw(s, STORE_CHECKPOINT, false);
	return !s->unsure;
}

bool
store_mend(struct store *s)
{
	bool ok;

	pthread_mutex_lock(&s->mutex);
	ok = lock_take_write(s->lock, s->wait_ms);
	if (ok) {
		ok = ready(s);
		lock_give(s->lock, BYTE_WRITE);
	}
	pthread_mutex_unlock(&s->mutex);
	return ok;
}

bool
store_write(struct store *s, bool durable,
    bool (*work)(struct db *db, void *arg), void *arg)
{
	bool ok = false;

	pthread_mutex_lock(&s->mutex);
	s->trouble = DB_BUSY;
	if (!lock_take_write(s->lock, s->wait_ms)) {
		log_line(LOG_ERROR, "store: another process has kept the write "
		    "lock of %s for 10 s", s->dir);
		goto out;
	}
	s->trouble = DB_SICK;
	if (ready(s)) {
		ok = transact(s, durable, work, arg);
		s->trouble = ok ? DB_FINE : db_trouble(s->db);
		s->sick = s->trouble == DB_SICK;
		if (!ok && db_unsure(s->db))
			doubt(s);
		if (!ok && db_stopped(s->db))
			freeze(s, db_stopped(s->db));
		if (ok)
			checkpoint(s);
	}
	lock_give(s->lock, BYTE_WRITE);
out:
	pthread_mutex_unlock(&s->mutex);
	return ok;
}

bool
store_fold(struct store *s, int64_t *before, int64_t *left)
{
	char path[4096];
	struct stat st;
	bool ok;

	snprintf(path, sizeof(path), "%s-wal", s->path);
	pthread_mutex_lock(&s->mutex);
	ok = lock_take_write(s->lock, s->wait_ms);
	if (ok) {
		*before = stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
		ok = (!s->sick || reopen(s)) &&
		    (*before == 0 || db_checkpoint(s->db, DB_TRUNCATE) ||
			!db_failed(s->db));
		*left = stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
		s->tried = 0;
		lock_give(s->lock, BYTE_WRITE);
	}
	pthread_mutex_unlock(&s->mutex);
	return ok;
}
