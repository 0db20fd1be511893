/* SPDX-License-Identifier: MIT */
/* backup.c - a copy of the database while it is used; see backup.h. */
#include "db/backup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/place.h"

enum { STRUCTURE, N_SQL };
static const char *const sql[N_SQL] = {
	[STRUCTURE] =
	    "SELECT integrity_check FROM pragma_integrity_check /*scan*/ "
	    "WHERE integrity_check <> 'ok' LIMIT 1",
};
const struct db_part backup_part = { "backup", sql, N_SQL };

void
backup_tidy(const char *path, struct arena *a)
{
	unlink(arena_printf(a, "%s-wal", path).p);
	unlink(arena_printf(a, "%s-shm", path).p);
	unlink(arena_printf(a, "%s-journal", path).p);
}

bool
backup_check(struct db *db, const char *name, struct arena *a,
    struct backup *b, struct str *why)
{
	struct row *row;
	int n = db_one(db, &backup_part, STRUCTURE, &row, "");

	b->unclean = S("");
	if (n == 1)
		return place_refuse(a, why, "%s is damaged: %.*s", name,
		    STR_ARGS(row_str(row, 0)));
	if (n < 0 || ledger_check(db, a, &b->unclean, &b->counts) < 0)
		return place_refuse(a, why, "%s is damaged: %s", name,
		    db_words(db));
	return true;
}

bool
backup_copy(struct db *db, const char *path, int fd, struct arena *a,
    struct backup *b, struct str *why)
{
	struct db *copy;
	struct stat st;
	bool ok;

	backup_tidy(path, a);
	ok = db_copy(db, path, fd, a, why);
	if (ok && fsync(fd) != 0)
		ok = place_refuse(a, why, "%s cannot be made durable: %s",
		    path, strerror(errno));
	copy = ok ? db_open(path, DB_READ, true, a, why) : NULL;
	ok = copy && backup_check(copy, "the copy", a, b, why);
	db_close(copy);
	backup_tidy(path, a);
	if (ok && fstat(fd, &st) == 0)
		b->bytes = st.st_size;
	return ok;
}
