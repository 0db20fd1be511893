/* SPDX-License-Identifier: MIT */
/*
 * setup.c - the way from an empty store to its first site owner; see setup.h.
 *
 * The token file is written before the database, and removed after the owner
 * was committed, so that a break at any point leaves a store that waits for
 * its owner or one that has it, never one that nobody can enter.
 */
#include "db/setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/audit.h"
#include "db/place.h"
#include "db/setting.h"
#include "db/user.h"
#include "fcgi/base/buf.h"

/* What who has no shell can do. */
#define NAME_ONE	"make an empty directory elsewhere, mode 700, and " \
			"write data = DIR into a weir.conf beside the program"

enum { TRIES = 10, TRIES_MS = 60000, TOKEN_LEAST = 40 };

enum { OWNER, N_SQL };
static const char *const sql[N_SQL] = {
	[OWNER] = "SELECT id FROM user WHERE account IS NULL AND "
		  "role = 'owner' LIMIT 1 /*scan*/",
};
const struct db_part setup_part = { "setup", sql, N_SQL };

/* --- where ---------------------------------------------------------------- */

static const char *
user_name(struct arena *a, uid_t uid)
{
	struct passwd *pw = getpwuid(uid);

	return pw ? arena_str(a, str_of(pw->pw_name)).p
		  : arena_printf(a, "#%u", (unsigned)uid).p;
}

bool
setup_home(const char *program, struct arena *a, const char **dir,
    struct str *why)
{
	struct passwd *pw;
	const char *home;
	struct stat st;

	if (!program || stat(program, &st) != 0)
		return place_refuse(a, why, "weir does not know where it lies "
		    "itself: " NAME_ONE);
	if (st.st_uid != geteuid())
		return place_refuse(a, why, "the program %s belongs to user "
		    "%s, but runs as user %s, whose home is not its place: "
		    NAME_ONE, program,
		    user_name(a, st.st_uid), user_name(a, geteuid()));
	pw = getpwuid(st.st_uid);
	home = pw ? pw->pw_dir : getenv("HOME");
	if (!home || home[0] != '/' || stat(home, &st) != 0 ||
	    !S_ISDIR(st.st_mode))
		return place_refuse(a, why, "user %s has no home directory: "
		    NAME_ONE,
		    user_name(a, geteuid()));
	home = place_resolved(home, a);
	*dir = arena_printf(a, "%s/" SETUP_FOLDER,
	    strcmp(home, "/") == 0 ? "" : home).p;
	return true;
}

static bool
is_in(const char *dir, const char *name)
{
	struct arena a;
	struct stat st;
	bool there;

	arena_init(&a);
	there = lstat(arena_printf(&a, "%s/%s", dir, name).p, &st) == 0;
	arena_release(&a);
	return there;
}

bool
setup_made(const char *dir)
{
	return is_in(dir, "weir.db");
}

bool
setup_waits(const char *dir)
{
	return is_in(dir, SETUP_FILE);
}

bool
setup_empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0 &&
		    strcmp(e->d_name, SETUP_FILE ".new") != 0;
	if (d)
		closedir(d);
	return d && n == 0;
}

/* --- the token and its file ----------------------------------------------- */

static struct str
hash_of(const struct vault *v, struct str token, struct arena *a)
{
	uint8_t hash[VAULT_HASH];
	struct buf hex = BUF(a, 2 * VAULT_HASH + 1);

	vault_mac(v, "setup", token, hash);
	for (int i = 0; i < VAULT_HASH; i++)
		buf_printf(&hex, "%02x", hash[i]);
	return buf_str(&hex);
}

/* In a time that does not tell where they differ. */
static bool
same(struct str x, struct str y)
{
	unsigned char differ = x.n != y.n;

	for (size_t i = 0; i < x.n && i < y.n; i++)
		differ |= (unsigned char)(x.p[i] ^ y.p[i]);
	return !differ;
}

bool
setup_open(struct db *db, const struct vault *v, char token[static 64])
{
	struct arena a;
	bool ok;

	arena_init(&a);
	vault_new_key("setup-", token);
	ok = setting_set(db, S("setup"), hash_of(v, str_of(token), &a));
	arena_release(&a);
	return ok;
}

bool
setup_close(struct db *db)
{
	return setting_set(db, S("setup"), (struct str){ 0 }) &&
	    setting_set(db, S("setup_tries"), (struct str){ 0 });
}

void
setup_forget(const char *dir)
{
	struct arena a;

	arena_init(&a);
	if (unlink(arena_printf(&a, "%s/" SETUP_FILE, dir).p) == 0)
		place_sync(dir);
	arena_release(&a);
}

/* The token in the file, or the empty string. */
static struct str
file_read(const char *dir, struct arena *a)
{
	char text[128];
	int fd = open(arena_printf(a, "%s/" SETUP_FILE, dir).p,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	struct str token = str_trim(str_from(text, n > 0 ? (size_t)n : 0));

	if (fd >= 0)
		close(fd);
	token = token.n < TOKEN_LEAST ? S("") : arena_str(a, token);
	vault_wipe(text, sizeof(text));
	return token;
}

static bool
file_write(const char *dir, struct str token, struct arena *a,
    struct str *why)
{
	const char *path = arena_printf(a, "%s/" SETUP_FILE, dir).p;
	const char *draft = arena_printf(a, "%s.new", path).p;
	struct str line = arena_printf(a, "%.*s\n", STR_ARGS(token));
	bool ok;
	int fd;

	unlink(draft);
	fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	ok = fd >= 0 && write(fd, line.p, line.n) == (ssize_t)line.n &&
	    fsync(fd) == 0 && rename(draft, path) == 0 && place_sync(dir);
	if (!ok)
		place_refuse(a, why, "%s cannot be written: %s", path,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	if (!ok)
		unlink(draft);
	return ok;
}

/* --- preparing ------------------------------------------------------------ */

struct preparing {
	struct store *store;
	const char *dir;
	struct arena *arena;
	struct str why;
	bool owned;
};

/* What the file says is the token, unless there is an owner already. */
static bool
agree(struct db *db, void *arg)
{
	struct preparing *k = arg;
	const struct vault *v = store_vault(k->store);
	struct row *row;
	struct str token, hash, known = S("");
	int owner = db_one(db, &setup_part, OWNER, &row, "");
	char fresh[64];

	k->owned = owner == 1;
	if (owner != 0)
		return owner == 1 && setup_close(db);
	token = file_read(k->dir, k->arena);
	if (!token.n) {
		vault_new_key("setup-", fresh);
		token = arena_str(k->arena, str_of(fresh));
		if (!file_write(k->dir, token, k->arena, &k->why))
			return false;
	}
	hash = hash_of(v, token, k->arena);
	if (setting_get(db, k->arena, S("setup"), &known) < 0)
		return false;
	return same(hash, known) || setting_set(db, S("setup"), hash);
}

static bool
make_store(const char *dir, const char *key, struct arena *a,
    struct str *why)
{
	char token[64];

	vault_new_key("setup-", token);
	if (!file_write(dir, str_of(token), a, why))
		return false;
	if (store_init(dir, key, a, why))
		return true;
	setup_forget(dir);
	return false;
}

/* The folder is locked: no other process prepares it now. */
static bool
prepare_locked(const char *dir, const char *key, struct arena *a,
    struct str *why)
{
	struct preparing k = { .dir = dir, .arena = a };
	bool ok;

	if (setup_made(dir) && !setup_waits(dir))
		return true;		/* another one was here before us */
	if (!setup_made(dir) && !make_store(dir, key, a, why))
		return false;
	k.store = store_open(dir, key, "weirctl", a, why);
	if (!k.store)
		return false;
	ok = store_write(k.store, true, agree, &k);
	store_close(k.store);
	if (!ok)
		*why = k.why.n ? k.why : arena_printf(a, "the database in %s "
		    "cannot be written: is the disk full or read-only?", dir);
	if (ok && k.owned)
		setup_forget(dir);
	return ok;
}

bool
setup_prepare(const char *dir, const char *master_key_file,
    struct arena *a, struct str *why)
{
	bool made, ok;
	int fd;

	if (place_served(str_of(dir)))
		return place_refuse(a, why, "%s is a place web servers publish: "
		    NAME_ONE, dir);
	made = mkdir(dir, 0700) == 0;
	fd = made || errno == EEXIST ?
	    open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0)
		return place_refuse(a, why, "the data directory %s cannot be "
		    "made or entered (%s): make it, mode 700; or " NAME_ONE,
		    dir, strerror(errno));
	ok = flock(fd, LOCK_EX) == 0 ||
	    place_refuse(a, why, "%s cannot be locked: %s", dir,
		strerror(errno));
	ok = ok && place_good(dir, "weirctl", a, why) &&
	    prepare_locked(dir, master_key_file, a, why);
	if (!ok && made)
		rmdir(dir);
	close(fd);
	return ok;
}

/* --- using it ------------------------------------------------------------- */

struct trying {
	struct str hash;
	struct arena *arena;
	const struct vault *vault;
	const struct setup_owner *owner;
	enum setup_answer answer;
};

/* RIGHT, WRONG, DONE or FAILED; changes nothing. */
static enum setup_answer
compare(struct db *db, struct arena *a, struct str hash)
{
	struct str known;
	int n = setting_get(db, a, S("setup"), &known);

	if (n < 0)
		return SETUP_FAILED;
	if (n == 0)
		return SETUP_DONE;
	return same(known, hash) ? SETUP_RIGHT : SETUP_WRONG;
}

/* How many wrong ones there were in this minute; -1: the database failed. */
static int64_t
tries(struct db *db, struct arena *a, int64_t *since)
{
	struct str text, number;
	int64_t n = 0, now = db_now(db);
	int found = setting_get(db, a, S("setup_tries"), &text);

	*since = now;
	if (found <= 0)
		return found;
	number = str_cut(&text, ' ');
	if (!str_int(number, &n) || !str_int(text, since) || *since > now ||
	    now - *since >= TRIES_MS) {
		*since = now;
		return 0;
	}
	return n;
}

static bool
count_wrong(struct db *db, void *arg)
{
	struct trying *k = arg;
	int64_t since, n = tries(db, k->arena, &since);

	if (n < 0)
		return false;
	k->answer = n >= TRIES ? SETUP_LATER : SETUP_WRONG;
	return n >= TRIES || setting_set(db, S("setup_tries"),
	    arena_printf(k->arena, "%lld %lld", (long long)n + 1,
		(long long)since));
}

enum setup_answer
setup_look(struct store *s, struct arena *a, struct str token)
{
	struct str why, hash = hash_of(store_vault(s), token, a);
	struct db *db = store_reader(s, a, &why);
	enum setup_answer answer;
	int64_t since;

	if (!db)
		return SETUP_FAILED;
	answer = compare(db, a, hash);
	if (answer == SETUP_WRONG && !token.p)
		answer = SETUP_RIGHT;
	else if (answer == SETUP_WRONG && tries(db, a, &since) >= TRIES)
		answer = SETUP_LATER;
	db_close(db);
	return answer;
}

enum setup_answer
setup_try(struct store *s, struct arena *a, struct str token)
{
	struct trying k = { .arena = a };

	k.answer = setup_look(s, a, token);
	if (k.answer == SETUP_WRONG && !store_write(s, false, count_wrong, &k))
		k.answer = SETUP_FAILED;
	return k.answer;
}

static bool
use(struct db *db, void *arg)
{
	struct trying *k = arg;
	struct user_row row;
	int found;

	k->answer = compare(db, k->arena, k->hash);
	if (k->answer != SETUP_RIGHT)
		return k->answer != SETUP_FAILED;
	found = user_find(db, k->arena, k->owner->login, &row);
	if (found < 0)
		return false;
	if (found) {
		k->answer = SETUP_TAKEN;
		return true;
	}
	user_blank(&row, k->owner->login);
	row.role = S("owner");
	row.pass = k->owner->pass;
	return user_put(db, &row) && setup_close(db) &&
	    audit_add(db, k->vault, S("set-up token"), S("create"),
		arena_printf(k->arena, "user %.*s",
		    STR_ARGS(k->owner->login)), S("owner"));
}

enum setup_answer
setup_use(struct store *s, struct arena *a, struct str token,
    const struct setup_owner *o)
{
	struct trying k = { .arena = a, .owner = o,
		.vault = store_vault(s) };

	k.hash = hash_of(k.vault, token, a);
	if (!store_write(s, true, use, &k))
		return SETUP_FAILED;
	if (k.answer == SETUP_RIGHT)
		setup_forget(store_dir(s));
	return k.answer;
}
