/* SPDX-License-Identifier: MIT */
/* init.c - a new data directory; see store_init in store.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/place.h"
#include "db/schema.h"
#include "db/seal.h"
#include "db/setting.h"
#include "db/store.h"

/* An empty file of our own, in WAL mode, for SQLite to fill. */
static bool
empty_database(const char *path, int64_t identity, struct arena *a,
    struct str *why)
{
	int fd;

	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0600);
	if (fd < 0)
		return place_refuse(a, why, "%s cannot be made: %s", path,
		    strerror(errno));
	close(fd);
	return db_create(path, SCHEMA_APPLICATION, identity, a, why);
}

static bool
fill(struct db *db, const struct vault_seals *seals, int64_t identity,
    struct arena *a)
{
	struct str text = arena_printf(a, "%" PRId64, identity);
	struct str why;

	return db_begin(db, true) && schema_migrate(db, 0) &&
	    db_prepare(db, true, a, &why) && seals_set(db, seals) &&
	    setting_set(db, S("database"), text) && db_commit(db);
}

/*
 * The database is made under another name and gets its own only when it is
 * whole, so that a break in between leaves nothing that looks like one.
 */
static bool
make_database(const char *dir, const uint8_t master[static VAULT_MASTER],
    struct arena *a, struct str *why)
{
	const char *path = arena_printf(a, "%s/weir.db", dir).p;
	const char *draft = arena_printf(a, "%s/weir.db.new", dir).p;
	struct vault_seals seals;
	struct db *db = NULL;
	int64_t identity = 0;
	bool ok = false;

	if (!vault_make(master, &seals) || !vault_random(&identity))
		return place_refuse(a, why, "the system gives no random numbers: "
		    "check /dev/urandom");
	identity &= 0x7fffffff;
	if (!empty_database(draft, identity, a, why))
		goto out;
	db = db_connect(draft, DB_WRITE, a, why);
	if (!db)
		goto out;
	ok = fill(db, &seals, identity, a) && db_checkpoint(db, DB_TRUNCATE);
	if (!ok)
		*why = db_remedy(db, a, draft);
	db_close(db);
	if (ok && (link(draft, path) != 0 || !place_sync(dir)))
		ok = place_refuse(a, why, errno == EEXIST
			? "%s is there already: nothing was changed%s"
			: "%s cannot be made: %s",
		    path, errno == EEXIST ? "" : strerror(errno));
out:
	unlink(draft);
	unlink(arena_printf(a, "%s-wal", draft).p);
	unlink(arena_printf(a, "%s-shm", draft).p);
	return ok;
}

bool
store_init(const char *dir, const char *master_key_file, struct arena *a,
    struct str *why)
{
	uint8_t master[VAULT_MASTER];
	const char *key, *path;
	bool ok, made;
	struct stat st;
	int fd;

	if (place_served(str_of(dir)))
		return place_refuse(a, why, "%s is a place web servers publish: "
		    "choose a directory outside of it", dir);
	made = mkdir(dir, 0700) == 0;
	if (!made && errno != EEXIST)
		return place_refuse(a, why, "%s cannot be made: %s", dir,
		    strerror(errno));
	if (made && chmod(dir, 0700) != 0)
		return place_refuse(a, why, "%s cannot be made private: %s", dir,
		    strerror(errno));
	dir = place_resolved(dir, a);
	path = arena_printf(a, "%s/weir.db", dir).p;
	key = master_key_file
	    ? master_key_file
	    : arena_printf(a, "%s/master.key", dir).p;
	ok = (!place_served(str_of(dir)) ||
		 place_refuse(a, why, "%s is a place web servers publish: choose a "
		     "directory outside of it", dir)) &&
	    place_good(dir, "weirctl", a, why) &&
	    (lstat(path, &st) != 0 ||
		place_refuse(a, why, "%s is there already: nothing was changed",
		    path)) &&
	    (lstat(key, &st) == 0 ? place_key_read(key, master, a, why)
				  : place_key_create(key, master, a, why)) &&
	    make_database(dir, master, a, why);
	vault_wipe(master, sizeof(master));
	if (!ok) {
		if (made)
			rmdir(dir);
		return false;
	}
	fd = place_lock_open(dir, a, why);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}
