/* SPDX-License-Identifier: MIT */
/* replay.c - what proves thoughts, kept for a day; see replay.h. */
#include "db/replay.h"

#include "fcgi/base/buf.h"
#include "fcgi/base/mem.h"

enum { DAY_MS = 24 * 3600 * 1000, MOST_CALL = 256 };

enum { KEEP, FIND, PRUNE, DUE, N_SQL };
static const char *const sql[N_SQL] = {
	[KEEP] = "INSERT INTO /*tab*/ replay(key, call, at, sealed) "
		 "VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET "
		 "at = excluded.at, sealed = excluded.sealed",
	[FIND] = "SELECT sealed FROM replay WHERE key = ?1 AND call = ?2 "
		 "AND at > ?3",
	[PRUNE] = "DELETE FROM /*tab*/ replay WHERE (key, call) IN "
		  "(SELECT key, call FROM replay WHERE at <= ?1 "
		  "ORDER BY at LIMIT 4096)",
	[DUE] = "SELECT 1 FROM replay WHERE at <= ?1 LIMIT 1",
};
const struct db_part replay_part = { "replay", sql, N_SQL };

/* What a sealed row is bound to: moved to another one it does not open. */
static struct str
bound(struct arena *a, int64_t key, struct str call)
{
	return ARENA_JOIN(a, S("replay "), arena_int(a, key), S(" "), call);
}

struct replay
replay_seal(struct arena *a, const struct vault *v, int64_t key,
    struct str call, struct str text)
{
	struct buf out = BUF(a, REPLAY_BYTES * 2);

	if (call.n == 0 || call.n > MOST_CALL || text.n > REPLAY_BYTES)
		return (struct replay){ .call = { NULL, 0 } };
	vault_seal_text(v, bound(a, key, call), text, &out);
	return (struct replay){ arena_str(a, call), buf_str(&out) };
}

bool
replay_keep(struct db *db, int64_t key, const struct replay *r)
{
	return r->call.n == 0 || db_run(db, &replay_part, KEEP, "isib", key,
	    r->call, db_now(db), r->sealed.p, r->sealed.n) >= 0;
}

int
replay_find(struct db *db, struct arena *a, const struct vault *v,
    int64_t key, struct str call, struct str *text)
{
	struct row *row;
	struct str sealed;
	char *out;
	int n, found;

	if (call.n == 0 || call.n > MOST_CALL)
		return 0;
	found = db_one(db, &replay_part, FIND, &row, "isi", key, call,
	    db_now(db) - DAY_MS);
	if (found != 1)
		return found;
	sealed = row_bytes(row, 0);
	out = arena_alloc(a, sealed.n + 1);
	n = vault_open_text(v, bound(a, key, call), sealed, out, sealed.n);
	if (n < 0)
		return 0;
	*text = str_from(out, (size_t)n);
	return 1;
}

int
replay_prune(struct db *db)
{
	return db_run(db, &replay_part, PRUNE, "i", db_now(db) - DAY_MS);
}

int
replay_due(struct db *db)
{
	struct row *row;

	return db_one(db, &replay_part, DUE, &row, "i",
	    db_now(db) - DAY_MS);
}
