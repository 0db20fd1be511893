/* SPDX-License-Identifier: MIT */
/* stored.c - answers that an upstream keeps, and for whom; see stored.h. */
#include "db/stored.h"

#include "fcgi/base/mem.h"

#define MONTH_MS (INT64_C(30) * 24 * 3600 * 1000)

enum { KEEP, FIND, PRUNE, DUE, N_SQL };
static const char *const sql[N_SQL] = {
	[KEEP] = "INSERT INTO /*tab*/ stored(account, id, at, channel, "
		 "credential, model, tokens) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
		 "?7) ON CONFLICT DO UPDATE SET at = excluded.at, "
		 "channel = excluded.channel, "
		 "credential = excluded.credential, "
		 "model = excluded.model, tokens = excluded.tokens",
	[FIND] = "SELECT channel, credential, model, tokens FROM stored "
		 "WHERE account = ?1 AND id = ?2 AND at > ?3",
	[PRUNE] = "DELETE FROM /*tab*/ stored WHERE (account, id) IN "
		  "(SELECT account, id FROM stored WHERE at <= ?1 "
		  "ORDER BY at LIMIT 4096)",
	[DUE] = "SELECT 1 FROM stored WHERE at <= ?1 LIMIT 1",
};
const struct db_part stored_part = { "stored", sql, N_SQL };

bool
stored_keep(struct db *db, const struct stored *s)
{
	return s->id.n == 0 || db_run(db, &stored_part, KEEP, "isiiisi",
	    s->account, s->id, db_now(db), s->channel, s->credential,
	    s->model, s->tokens) >= 0;
}

int
stored_find(struct db *db, struct arena *a, int64_t account, struct str id,
    struct stored *s)
{
	struct row *row;
	int n = db_one(db, &stored_part, FIND, &row, "isi", account, id,
	    db_now(db) - MONTH_MS);

	if (n != 1)
		return n;
	*s = (struct stored){
		.id = id,
		.account = account,
		.channel = row_int(row, 0),
		.credential = row_int(row, 1),
		.model = arena_str(a, row_str(row, 2)),
		.tokens = row_int(row, 3),
	};
	return 1;
}

int
stored_prune(struct db *db)
{
	return db_run(db, &stored_part, PRUNE, "i", db_now(db) - MONTH_MS);
}

int
stored_due(struct db *db)
{
	struct row *row;

	return db_one(db, &stored_part, DUE, &row, "i",
	    db_now(db) - MONTH_MS);
}
