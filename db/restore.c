/* SPDX-License-Identifier: MIT */
/* restore.c - another database in the old one's place; see restore.h. */
#include "db/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/lock.h"
#include "db/place.h"
#include "db/schema.h"
#include "db/seal.h"
#include "db/session.h"
#include "db/setting.h"
#include "fcgi/base/mem.h"

enum { PIECE = 1 << 20 };

/* A restore under way. */
struct work {
	struct restore *r;
	struct arena *arena;
	struct str *why;
	const char *dir, *path, *draft, *key;
	int lock;
};

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* --- may we? -------------------------------------------------------------- */

static bool
is_ours(struct work *w)
{
	return is_there(w->path) || is_there(w->key) ||
	    is_there(arena_printf(w->arena, "%s/weir.lock", w->dir).p) ||
	    place_refuse(w->arena, w->why, "%s is not a data directory of "
		"weir: make one with `weirctl --data %s init`, put the master "
		"key of the backup in the place of the new one, and restore "
		"again", w->dir, w->dir);
}

/* Nobody has the store open, or opens it until the lock is given back. */
static bool
alone(struct work *w)
{
	if (!lock_take_write(w->lock, 10000))
		return place_refuse(w->arena, w->why, "another process has "
		    "kept the write lock of %s for 10 s: end it", w->dir);
	if (!lock_free_from(w->lock, BYTE_PROCESS))
		place_refuse(w->arena, w->why, "a weir serves from %s: end it "
		    "first (weirctl status shows its process); nothing was "
		    "changed", w->dir);
	else if (!lock_take(w->lock, BYTE_USE, 0))
		place_refuse(w->arena, w->why, "another weirctl has %s open: "
		    "let it end first; nothing was changed", w->dir);
	else
		return true;
	lock_give(w->lock, BYTE_WRITE);
	return false;
}

static void
let_in(struct work *w)
{
	lock_give(w->lock, BYTE_USE);
	lock_give(w->lock, BYTE_WRITE);
}

/* --- the copy beside it --------------------------------------------------- */

static void
remove_draft(struct work *w)
{
	unlink(w->draft);
	backup_tidy(w->draft, w->arena);
}

/* Copies all of it.  False: errno, and *writing tells on which side. */
static bool
pour(int from, int to, char *piece, bool *writing)
{
	ssize_t n, done;

	for (;;) {
		*writing = false;
		n = read(from, piece, PIECE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		*writing = true;
		for (ssize_t at = 0; at < n; at += done) {
			done = write(to, piece + at, (size_t)(n - at));
			if (done < 0 && errno == EINTR)
				done = 0;
			if (done < 0)
				return false;
		}
	}
}

static bool
lay_beside(struct work *w)
{
	static const char magic[16] = "SQLite format 3";
	char *piece = arena_alloc(w->arena, PIECE);
	char head[sizeof(magic)] = "";
	bool ok, writing = true;
	int fd;

	remove_draft(w);
	fd = open(w->draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	ok = fd >= 0 && pour(w->r->fd, fd, piece, &writing);
	if (ok) {
		writing = true;
		ok = fsync(fd) == 0;
	}
	if (!ok && writing)
		place_refuse(w->arena, w->why, errno == ENOSPC ||
		    errno == EDQUOT ? "there is no room for %s on the disk "
		    "of %s: nothing was changed" : "%s cannot be copied into "
		    "%s: nothing was changed", w->r->name, w->dir);
	else if (!ok)
		place_refuse(w->arena, w->why, "%s cannot be read: %s",
		    w->r->name, strerror(errno));
	else if (pread(fd, head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head, magic, sizeof(magic)) != 0)
		ok = place_refuse(w->arena, w->why, "%s is no backup of weir: "
		    "it is %s", w->r->name, head[0] ? "no database" : "empty");
	if (fd >= 0)
		close(fd);
	return ok;
}

/* --- is it whole, ours, and for our key? ---------------------------------- */

/* A version that we know; older ones are brought to ours. */
static bool
right_version(struct work *w, struct db *db)
{
	int64_t application = 0;

	if (db_number(db, "PRAGMA application_id", &application) < 0 ||
	    application != SCHEMA_APPLICATION ||
	    db_number(db, "SELECT version FROM schema", &w->r->schema) != 1)
		return place_refuse(w->arena, w->why, "%s is no backup of weir"
		    ": it is another program's database", w->r->name);
	if (w->r->schema > schema_count)
		return place_refuse(w->arena, w->why, "%s was made by a newer "
		    "weir (schema %" PRId64 ", this program knows %d): install "
		    "that one", w->r->name, w->r->schema, schema_count);
	if (w->r->schema < schema_count &&
	    !(db_begin(db, true) && schema_migrate(db, w->r->schema) &&
		db_commit(db))) {
		if (db_busy(db))
			db_rollback(db);
		return place_refuse(w->arena, w->why, "the update of %s to "
		    "schema %d failed: %s", w->r->name, schema_count,
		    db_words(db));
	}
	return true;
}

static struct vault *
open_with(struct work *w, const char *key, const struct vault_seals *seals,
    uint8_t master[static VAULT_MASTER])
{
	return place_key_read(key, master, w->arena, w->why)
	    ? vault_open(master, seals) : NULL;
}

/* The master key opens its seals; *anew: it does so since we sealed them. */
static bool
right_key(struct work *w, struct db *db, struct vault_seals *seals, bool *anew)
{
	uint8_t master[VAULT_MASTER], other[VAULT_MASTER];
	const char *key = w->r->other_key;
	struct vault *v = NULL;
	bool ok = seals_get(db, seals);

	*anew = false;
	*w->why = S("");
	if (!ok)
		return place_refuse(w->arena, w->why, "%s is damaged: its "
		    "sealed keys are missing", w->r->name);
	v = open_with(w, w->key, seals, master);
	ok = v || w->why->n == 0;	/* the key itself is in order */
	if (!v && ok && key) {
		v = open_with(w, key, seals, other);
		*anew = v != NULL;
		if (v)
			vault_reseal(v, master, seals);
		vault_wipe(other, sizeof(other));
	}
	vault_wipe(master, sizeof(master));
	if (v)
		vault_close(v);
	if (!v && w->why->n == 0 && key)
		place_refuse(w->arena, w->why, "neither %s nor %s is the "
		    "master key of %s: nothing was changed", w->key, key,
		    w->r->name);
	else if (!v && w->why->n == 0)
		place_refuse(w->arena, w->why, "%s is not the master key of "
		    "%s: name the one of the time when it was made with "
		    "--key-file (weirctl rekey keeps old ones under a dated "
		    "name); nothing was changed", w->key, w->r->name);
	return v != NULL;
}

/* What makes it a database of its own. */
static bool
give_number(struct work *w, struct db *db, const struct vault_seals *seals,
    bool anew)
{
	int64_t number;
	char text[64];

	if (!vault_random(&number))
		return place_refuse(w->arena, w->why, "the system gives no "
		    "random numbers: check /dev/urandom");
	number &= 0x7fffffff;
	snprintf(text, sizeof(text), "PRAGMA user_version=%" PRId64, number);
	if (db_begin(db, true) && db_script(db, text) &&
	    setting_set(db, S("database"), arena_int(w->arena, number)) &&
	    session_end_all(db) &&
	    (!anew || seals_set(db, seals)) && db_commit(db) &&
	    db_checkpoint(db, DB_TRUNCATE))
		return true;
	if (db_busy(db))
		db_rollback(db);
	return place_refuse(w->arena, w->why, "the copy of %s cannot be "
	    "written (%s): nothing was changed", w->r->name, db_words(db));
}

static bool
make_ready(struct work *w)
{
	struct vault_seals seals;
	struct str why = S("");
	struct db *db = db_connect(w->draft, DB_WRITE, w->arena, &why);
	bool anew, ok;

	if (!db)
		return place_refuse(w->arena, w->why, "%s cannot be used: it "
		    "is damaged, or not made by weirctl backup (%.*s)",
		    w->r->name, STR_ARGS(why));
	ok = right_version(w, db) && db_prepare(db, true, w->arena, w->why) &&
	    backup_check(db, w->r->name, w->arena, &w->r->backup, w->why);
	if (ok && w->r->backup.unclean.n && !w->r->force)
		ok = place_refuse(w->arena, w->why, "the books of %s do not "
		    "agree (%.*s): --force takes it all the same", w->r->name,
		    STR_ARGS(w->r->backup.unclean));
	ok = ok && right_key(w, db, &seals, &anew) &&
	    give_number(w, db, &seals, anew);
	db_close(db);
	return ok;
}

/* Its file on the disk, and nothing beside it. */
static bool
make_durable(struct work *w)
{
	int fd = open(w->draft, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	bool ok = fd >= 0 && fsync(fd) == 0 && fstat(fd, &st) == 0;

	if (ok)
		w->r->backup.bytes = st.st_size;
	if (fd >= 0)
		close(fd);
	backup_tidy(w->draft, w->arena);
	return ok || place_refuse(w->arena, w->why, "%s cannot be made "
	    "durable: %s", w->draft, strerror(errno));
}

/* --- the old one ---------------------------------------------------------- */

enum old { OLD_NONE, OLD_WHOLE, OLD_SICK, OLD_BUSY };

/* Do the database, its WAL and weir.lock say the same number? */
static bool
is_one(struct work *w, struct db *db)
{
	char text[32] = "", want[32];
	int64_t number = 0, stored = -1;
	ssize_t n;

	if (db_number(db, "PRAGMA user_version", &number) != 1 ||
	    db_number(db, "SELECT CAST(value AS INTEGER) FROM setting "
		"WHERE name = 'database'", &stored) != 1 || number != stored)
		return false;
	snprintf(want, sizeof(want), "%" PRId64 "\n", number);
	/* Nothing, or a piece of it: whoever opens the store writes it. */
	n = pread(w->lock, text, sizeof(text) - 1, 0);
	return n == 0 || (n > 0 && text[n - 1] != '\n') ||
	    strcmp(text, want) == 0;
}

/*
 * Folds its WAL into it, so that one file is all of it.  What cannot be
 * opened, or has another's WAL, stays in pieces as it was found.
 */
static enum old
fold(struct work *w)
{
	enum old is = OLD_SICK;
	struct str why;
	struct db *db;

	if (!is_there(w->path))
		return OLD_NONE;
	db = db_connect(w->path, DB_WRITE, w->arena, &why);
	if (db && is_one(w, db)) {
		if (db_checkpoint(db, DB_TRUNCATE))
			is = OLD_WHOLE;
		else if (!db_failed(db) || db_trouble(db) == DB_FULL)
			is = OLD_BUSY;
	}
	db_close(db);
	return is;
}

/* A second name for what lies beside the old database. */
static bool
keep_beside(struct work *w, const char *tail)
{
	const char *from = arena_printf(w->arena, "%s%s", w->path, tail).p;
	const char *to = w->r->kept ?
	    arena_printf(w->arena, "%s%s", w->r->kept, tail).p :
	    place_keep(from, w->arena);

	return !is_there(from) || (to && (is_there(to) || link(from, to) == 0));
}

static bool
keep_pieces(struct work *w)
{
	return keep_beside(w, "-wal") && keep_beside(w, "-journal") &&
	    place_sync(w->dir);
}

/* --- names change --------------------------------------------------------- */

/*
 * Until the last line but one the old database is what is opened; a sick one
 * is away before its WAL is, so that it is never opened without.
 */
static bool
change_names(struct work *w)
{
	enum old old = fold(w);
	bool ok;

	if (old == OLD_BUSY)
		return place_refuse(w->arena, w->why, "the WAL of %s cannot be "
		    "folded into it (is it open in another program, is the "
		    "disk full?): nothing was changed", w->path);
	if (old != OLD_NONE &&
	    !(w->r->kept = place_keep(w->path, w->arena)))
		return place_refuse(w->arena, w->why, "%s cannot be kept under "
		    "another name: %s", w->path, strerror(errno));
	ok = old == OLD_WHOLE ? place_sync(w->dir) : keep_pieces(w);
	if (ok && old == OLD_SICK)
		ok = unlink(w->path) == 0 && place_sync(w->dir);
	if (ok) {
		backup_tidy(w->path, w->arena);
		ok = ftruncate(w->lock, 0) == 0 && fsync(w->lock) == 0 &&
		    place_sync(w->dir) && rename(w->draft, w->path) == 0;
	}
	if (!ok)
		return place_refuse(w->arena, w->why, "names cannot be changed"
		    " in %s: %s", w->dir, strerror(errno));
	return place_sync(w->dir) || place_refuse(w->arena, w->why,
	    "%s cannot be made durable: %s", w->dir, strerror(errno));
}

/* While the copy is made and checked others may go on; not when it moves. */
static bool
replace(struct work *w)
{
	bool ok;

	if (!alone(w))
		return false;
	let_in(w);
	ok = lay_beside(w) && make_ready(w) && make_durable(w) && alone(w);
	if (ok) {
		ok = change_names(w);
		let_in(w);
	}
	if (!ok)
		remove_draft(w);
	return ok;
}

bool
restore_run(struct restore *r, struct arena *a, struct str *why)
{
	struct work w = { .r = r, .arena = a, .why = why, .lock = -1 };
	bool ok;

	r->kept = NULL;
	w.dir = place_resolved(r->dir, a);
	w.path = arena_printf(a, "%s/weir.db", w.dir).p;
	w.draft = arena_printf(a, "%s/weir.db.restore", w.dir).p;
	w.key = r->key ? r->key : arena_printf(a, "%s/master.key", w.dir).p;
	ok = place_good(w.dir, "weirctl", a, why) && is_ours(&w) &&
	    (w.lock = place_lock_open(w.dir, a, why)) >= 0;
	if (ok && !lock_take(w.lock, BYTE_RESTORE, 0))
		ok = place_refuse(a, why, "another restore is at work in %s: "
		    "let it end first", w.dir);
	ok = ok && replace(&w);
	if (w.lock >= 0)
		close(w.lock);
	return ok;
}
