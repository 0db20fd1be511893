/* SPDX-License-Identifier: MIT */
/* park.c - credentials that are out for a while; see park.h. */
#include "db/park.h"

#include "db/group.h"
#include "fcgi/base/mem.h"

enum { PUT, DROP, LOAD, OLD, N_SQL };
static const char *const sql[N_SQL] = {
	/* One that ends later stays, whoever came first, unless the clock
	 * was set back since. */
	[PUT] = "INSERT INTO park(credential, model, since, until, reason) "
		"SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS "
		"(SELECT 1 FROM credential WHERE id = ?1) "
		"ON CONFLICT (credential, model) DO UPDATE SET "
		"reason = CASE WHEN excluded.until >= until "
		"OR since > excluded.since "
		"THEN excluded.reason ELSE reason END, "
		"until = CASE WHEN since > excluded.since "
		"THEN excluded.until ELSE max(until, excluded.until) END, "
		"since = min(since, excluded.since)",
	[DROP] = "DELETE FROM park WHERE credential = ?1 AND model = ?2",
	[LOAD] =
		("SELECT credential, model, until, reason, since "
		"FROM park /*scan*/ WHERE until > ?1 AND since <= ?2 "
		"ORDER BY credential, model LIMIT 1000"),
	[OLD] = "DELETE FROM park /*scan*/ WHERE until <= ?1",
};
const struct db_part park_part = { "park", sql, N_SQL };

bool
park_put_run(struct db *db, struct op *op)
{
	struct park_put *p = holder(op, struct park_put, op);

	if (p->park.until == 0)
		return db_run(db, &park_part, DROP, "ii", p->park.credential,
			   p->park.model) >= 0;
	return db_run(db, &park_part, OLD, "i", db_now(db)) >= 0 &&
	    db_run(db, &park_part, PUT, "iiiis", p->park.credential,
		p->park.model, db_now(db), p->park.until,
		str_from(p->park.reason,
		    strnlen(p->park.reason, sizeof(p->park.reason)))) >= 0;
}

int
park_clean(struct db *db)
{
	return db_run(db, &park_part, OLD, "i", db_now(db));
}

int
park_load(struct db *db, int64_t now, struct arena *a, struct park **list)
{
	struct row *row = db_each(db, &park_part, LOAD, "ii", now,
	    now + PARK_SLACK_MS);
	int n = 0;

	*list = arena_zero(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1) {
		struct park *p = &(*list)[n++];
		struct str reason = row_str(row, 3);
		size_t len = reason.n < sizeof(p->reason) - 1
		    ? reason.n
		    : sizeof(p->reason) - 1;

		p->credential = row_int(row, 0);
		p->model = row_int(row, 1);
		p->until = row_int(row, 2);
		p->since = row_int(row, 4);
		if (len)
			memcpy(p->reason, reason.p, len);
	}
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
