/* SPDX-License-Identifier: MIT */
/* seal.c - the sealed inner keys and how they change; see seal.h. */
#include "db/seal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/audit.h"
#include "db/lock.h"
#include "db/place.h"
#include "db/setting.h"
#include "db/target.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/log.h"

enum { GET, SET, CREDENTIALS, RESEAL, N_SQL };
static const char *const sql[N_SQL] = {
	[GET] = "SELECT sealed FROM seal WHERE name = ?1",
	[SET] = "INSERT INTO seal(name, sealed) VALUES (?1, ?2) "
		"ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed",
	[CREDENTIALS] =
	    "SELECT id, channel, key_version, origin, sealed, name "
	    "FROM credential WHERE id > ?1 ORDER BY id LIMIT 1",
	[RESEAL] = "UPDATE credential SET sealed = ?2 WHERE id = ?1",
};
const struct db_part seal_part = { "seal", sql, N_SQL };

enum { SECRET_MOST = 65536 };

/* --- the rows ------------------------------------------------------------- */

static bool
get(struct db *db, struct str name, uint8_t out[static VAULT_SEALED])
{
	struct row *row;
	struct str sealed;

	if (db_one(db, &seal_part, GET, &row, "s", name) != 1)
		return false;
	sealed = row_bytes(row, 0);
	if (sealed.n != VAULT_SEALED)
		return false;
	memcpy(out, sealed.p, VAULT_SEALED);
	return true;
}

static bool
set(struct db *db, struct str name, const uint8_t sealed[static VAULT_SEALED])
{
	return db_run(db, &seal_part, SET, "sb", name, sealed,
		   (size_t)VAULT_SEALED) == 1;
}

bool
seals_get(struct db *db, struct vault_seals *seals)
{
	return get(db, S("data"), seals->data) &&
	    get(db, S("hash"), seals->hash) &&
	    get(db, S("check"), seals->check);
}

bool
seals_set(struct db *db, const struct vault_seals *seals)
{
	return set(db, S("data"), seals->data) &&
	    set(db, S("hash"), seals->hash) &&
	    set(db, S("check"), seals->check);
}

/* --- the files ------------------------------------------------------------ */

static const char *
folder_of(const char *path, struct arena *a)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	return slash == path ? "/"
	    : arena_str(a, str_from(path, (size_t)(slash - path))).p;
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/*
 * KEY.new becomes KEY, which is kept under a dated name.  Nothing to do when
 * somebody else has done so.  Under the write lock.
 */
static bool
change_names(const char *key, const char **kept, struct arena *a,
    struct str *why)
{
	const char *fresh = arena_printf(a, "%s.new", key).p;

	if (!is_there(fresh))
		return true;
	if (is_there(key) && !(*kept = place_keep(key, a)))
		return place_refuse(a, why, "%s cannot be kept under another "
		    "name: %s", key, strerror(errno));
	if (rename(fresh, key) != 0 || !place_sync(folder_of(key, a)))
		return place_refuse(a, why, "%s cannot become %s: %s", fresh,
		    key, strerror(errno));
	return true;
}

struct vault *
seal_rescue(const char *key, const struct vault_seals *seals, struct arena *a)
{
	const char *fresh = arena_printf(a, "%s.new", key).p;
	const char *kept = NULL;
	uint8_t master[VAULT_MASTER];
	struct vault *v = NULL;
	struct str why;

	if (!is_there(fresh) || !place_key_read(fresh, master, a, &why))
		return NULL;
	v = vault_open(master, seals);
	vault_wipe(master, sizeof(master));
	if (v && !change_names(key, &kept, a, &why))
		log_line(LOG_WARN, "store: %.*s: rename it by hand",
		    STR_ARGS(why));
	return v;
}

/* --- a new master key ----------------------------------------------------- */

struct sealing {
	struct store *store;
	struct rekey *k;
	const uint8_t *master;
	struct vault *vault;	/* with the new data key */
	struct arena *arena;
	struct str why;
};

static bool
opens(const struct vault_seals *seals, const uint8_t *master)
{
	struct vault *v = vault_open(master, seals);

	if (v)
		vault_close(v);
	return v != NULL;
}

/* The key file must be the one in force, and the new key another one. */
static bool
reseal(struct db *db, void *arg)
{
	struct sealing *w = arg;
	uint8_t master[VAULT_MASTER];
	struct vault_seals seals;
	bool ok;

	if (!seals_get(db, &seals) ||
	    !place_key_read(w->k->key, master, w->arena, &w->why))
		return false;
	ok = opens(&seals, master) || place_refuse(w->arena, &w->why,
	    "%s does not open this database any more: another rekey came "
	    "first; nothing was changed", w->k->key);
	if (ok && opens(&seals, w->master))
		ok = place_refuse(w->arena, &w->why, "%s is the key that is in "
		    "force: nothing was changed", w->k->new_key);
	vault_wipe(master, sizeof(master));
	if (!ok)
		return false;
	vault_reseal(store_vault(w->store), w->master, &seals);
	return seals_set(db, &seals) &&
	    audit_add(db, store_vault(w->store), w->k->actor, S("rekey"),
		S("master key"), S(""));
}

static bool
unwritten(struct store *s, const struct sealing *w, struct arena *a,
    struct str *why)
{
	if (w->why.n)
		*why = w->why;
	else if (store_trouble(s) == DB_BUSY)
		place_refuse(a, why, "another process keeps the write lock: "
		    "nothing was changed");
	else
		place_refuse(a, why, "the database cannot be written (is the "
		    "disk full, or read-only?): nothing was changed");
	return false;
}

/* The new key, in its file. */
static bool
new_master(const struct rekey *k, const char *fresh,
    uint8_t master[static VAULT_MASTER], bool *made, struct arena *a,
    struct str *why)
{
	*made = !k->new_key || !is_there(k->new_key);
	if (!*made)
		return place_key_read(k->new_key, master, a, why);
	if (place_key_create(fresh, master, a, why))
		return place_sync(folder_of(fresh, a)) ||
		    place_refuse(a, why, "%s cannot be made durable: %s",
			fresh, strerror(errno));
	if (!k->new_key)
		*why = arena_printf(a, "%.*s: if the key is not yours to "
		    "write, name a file for the new one with --new-key-file",
		    STR_ARGS(*why));
	return false;
}

/* A KEY.new that an earlier try left is not in force: ours opens the rows. */
static bool
clear_way(struct store *s, const char *key, const char *fresh,
    struct arena *a, struct str *why)
{
	uint8_t master[VAULT_MASTER];
	struct vault_seals seals;
	struct str none;
	struct db *db;
	bool ok;

	if (!is_there(fresh))
		return true;
	db = store_reader(s, a, why);
	if (!db)
		return false;
	ok = seals_get(db, &seals) &&
	    place_key_read(key, master, a, &none) && opens(&seals, master);
	vault_wipe(master, sizeof(master));
	db_close(db);
	if (!ok)
		return place_refuse(a, why, "%s is the key in force, but could "
		    "not take the place of %s: rename it by hand", fresh, key);
	return unlink(fresh) == 0 || place_refuse(a, why,
	    "%s is in the way and cannot be removed: %s", fresh,
	    strerror(errno));
}

bool
rekey_master(struct store *s, struct rekey *k, struct arena *a,
    struct str *why)
{
	const char *beside = arena_printf(a, "%s.new", k->key).p;
	const char *fresh = k->new_key ? k->new_key : beside;
	struct sealing w = { .store = s, .k = k, .arena = a, .why = S("") };
	uint8_t master[VAULT_MASTER];
	bool ok;

	k->kept = NULL;
	if (!clear_way(s, k->key, beside, a, why) ||
	    !new_master(k, fresh, master, &k->made, a, why))
		return false;
	w.master = master;
	ok = store_write(s, true, reseal, &w);
	vault_wipe(master, sizeof(master));
	if (!ok) {
		/* After trouble with the disk nobody knows whether it was
		 * committed: then the file stays, for seal_rescue. */
		if (k->made && store_trouble(s) != DB_SICK)
			unlink(fresh);
		return unwritten(s, &w, a, why);
	}
	if (k->new_key)
		return true;
	if (!lock_take_write(store_lock(s), 10000))
		return place_refuse(a, why, "the new key is in force, but "
		    "another process keeps the write lock: the next program "
		    "that opens the store gives %s its name", fresh);
	ok = change_names(k->key, &k->kept, a, why);
	lock_give(store_lock(s), BYTE_WRITE);
	return ok;
}

/* --- a new data key ------------------------------------------------------- */

/* 1: one was sealed anew, *after is its id; 0: that was all; -1: failed. */
static int
next_credential(struct db *db, struct sealing *w, int64_t *after)
{
	struct buf sealed = BUF_HEAP(SECRET_MOST * 2);
	char *text = arena_alloc(w->arena, SECRET_MOST);
	struct seal_to to;
	struct row *row;
	int got = db_one(db, &seal_part, CREDENTIALS, &row, "i", *after), n;

	if (got != 1)
		return got;
	*after = row_int(row, 0);
	to = (struct seal_to){ *after, row_int(row, 1), row_int(row, 2),
		arena_str(w->arena, row_str(row, 3)) };
	if (row_bytes(row, 4).n == 0)
		return 1;		/* has no secret yet */
	n = vault_open_sealed(store_vault(w->store), &to, row_bytes(row, 4),
	    text, SECRET_MOST);
	if (n < 0) {
		place_refuse(w->arena, &w->why, "credential %.*s cannot be "
		    "opened: give it its key again with weirctl credential "
		    "add, then repeat this (nothing was changed)",
		    STR_ARGS(row_str(row, 5)));
		return -1;
	}
	vault_seal(w->vault, &to, str_from(text, (size_t)n), &sealed);
	vault_wipe(text, SECRET_MOST);
	w->k->credentials++;
	got = !sealed.full && db_run(db, &seal_part, RESEAL, "ib", *after,
	    sealed.p, sealed.n) == 1 ? 1 : -1;
	buf_release(&sealed);
	return got;
}

/* And what alerts are signed with. */
static bool
renew_targets(struct db *db, struct sealing *w)
{
	struct str bad = S("");

	if (targets_reseal(db, w->arena, store_vault(w->store), w->vault,
		&bad) >= 0)
		return true;
	return bad.n && place_refuse(w->arena, &w->why, "the secret of %.*s "
	    "cannot be opened: give it again with weirctl apply, then repeat "
	    "this (nothing was changed)", STR_ARGS(bad));
}

static bool
renew(struct db *db, void *arg)
{
	struct sealing *w = arg;
	struct vault_seals seals;
	int64_t after = 0;
	int n;

	if (!lock_free_from(store_lock(w->store), BYTE_PROCESS))
		return place_refuse(w->arena, &w->why, "a weir serves from "
		    "this data directory and holds the old key: end it first "
		    "(weirctl status shows its process)");
	if (!lock_take(store_lock(w->store), BYTE_USE, 0))
		return place_refuse(w->arena, &w->why, "another weirctl has "
		    "this data directory open: let it end first");
	if (!seals_get(db, &seals) || !opens(&seals, w->master))
		return place_refuse(w->arena, &w->why, "%s does not open this "
		    "database any more: another rekey came first; nothing was "
		    "changed", w->k->key);
	while ((n = next_credential(db, w, &after)) == 1)
		;
	if (n < 0 || !renew_targets(db, w))
		return false;
	vault_reseal(w->vault, w->master, &seals);
	return seals_set(db, &seals) && setting_bump(db) &&
	    audit_add(db, w->vault, w->k->actor, S("rekey"), S("data key"),
		arena_printf(w->arena, "%" PRId64 " credentials",
		    w->k->credentials));
}

bool
rekey_data(struct store *s, struct rekey *k, struct arena *a, struct str *why)
{
	struct sealing w = { .store = s, .k = k, .arena = a, .why = S("") };
	uint8_t master[VAULT_MASTER];
	bool ok;

	k->credentials = 0;
	if (!place_key_read(k->key, master, a, why))
		return false;
	w.master = master;
	w.vault = vault_renew(store_vault(s));
	ok = w.vault && store_write(s, true, renew, &w);
	vault_wipe(master, sizeof(master));
	if (!w.vault)
		return place_refuse(a, why, "there is no memory to lock for "
		    "keys: see ulimit -l");
	vault_close(w.vault);
	return ok || unwritten(s, &w, a, why);
}
