/* SPDX-License-Identifier: MIT */
/* park.c - who is out for a while; see park.h. */
#include "db/park.h"

#include "fcgi/base/mem.h"

enum { FORGET_MS = 24 * 3600 * 1000, ROOM = 64 };

enum { PUT, DROP, LOAD, OLD, LIFT, ANEW, N_SQL };
static const char *const sql[N_SQL] = {
	/* Of two timed ones the later end stays, whoever came first, unless
	 * the clock was set back since. */
	[PUT] = "INSERT INTO park(channel, credential, model, kind, since, "
		"until, times, trial, reason) "
		"SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 WHERE EXISTS "
		"(SELECT 1 FROM channel WHERE id = ?1) AND (?2 = 0 OR EXISTS "
		"(SELECT 1 FROM credential WHERE id = ?2 AND channel = ?1)) "
		"AND (?3 = '' OR (SELECT count(*) FROM park "
		"WHERE channel = ?1 AND credential = ?2) < ?10 OR EXISTS "
		"(SELECT 1 FROM park WHERE channel = ?1 AND credential = ?2 "
		"AND model = ?3 AND kind = ?4)) "
		"ON CONFLICT (channel, credential, model, kind) DO UPDATE SET "
		"reason = CASE WHEN kind <> 'timed' OR excluded.until >= until "
		"OR since > excluded.since "
		"THEN excluded.reason ELSE reason END, "
		"until = CASE WHEN kind <> 'timed' OR since > excluded.since "
		"THEN excluded.until ELSE max(until, excluded.until) END, "
		"times = excluded.times, trial = excluded.trial, "
		"since = CASE WHEN kind = 'timed' "
		"THEN min(since, excluded.since) ELSE excluded.since END",
	[DROP] = "DELETE FROM park WHERE channel = ?1 AND credential = ?2 "
		 "AND model = ?3 AND kind = ?4",
	[LOAD] = "SELECT channel, credential, model, kind, since, until, "
		 "times, trial, reason FROM park /*scan*/ "
		 "WHERE (kind <> 'timed' OR until > ?1) AND since <= ?2 "
		 "ORDER BY channel, credential, model, kind",
	[OLD] = "DELETE FROM park /*scan*/ WHERE (kind = 'timed' "
		"AND until <= ?1) OR (kind = 'ejected' AND until <= ?2)",
	[LIFT] = "DELETE FROM park WHERE channel = ?1 "
		 "AND (?2 = 0 OR credential = ?2)",
	/* What failed before must not take them out again at once. */
	[ANEW] = "UPDATE score SET good = 0, bad = 0, failures = 0, late = 0, "
		 "at = ?3 WHERE credential IN (SELECT id FROM credential "
		 "WHERE channel = ?1 AND (?2 = 0 OR id = ?2))",
};
const struct db_part park_part = { "park", sql, N_SQL };

const char *const park_kinds[N_PARK_KINDS] = {
	[PARK_TIMED] = "timed",
	[PARK_EJECTED] = "ejected",
	[PARK_BARRED] = "barred",
};

bool
park_half_open(const struct park *p, int64_t now)
{
	return p->kind == PARK_EJECTED && p->until <= now && p->trial <= now;
}

bool
park_holds(const struct park *p, int64_t now)
{
	return !park_half_open(p, now) &&
	    (p->kind != PARK_TIMED || p->until > now);
}

const char *
park_state(const struct park *p, int64_t now)
{
	return p->kind == PARK_BARRED ? "barred" :
	    p->kind == PARK_TIMED ? "parked" :
	    park_half_open(p, now) ? "trial" : "ejected";
}

int
park_clean(struct db *db)
{
	int64_t now = db_now(db);

	return db_run(db, &park_part, OLD, "ii", now, now - FORGET_MS);
}

bool
park_put_run(struct db *db, struct op *op)
{
	struct park_put *put = holder(op, struct park_put, op);
	const struct park *p = &put->park;
	struct str kind = str_of(park_kinds[p->kind]);
	int n;

	put->kept = true;
	if (p->until == 0)
		return db_run(db, &park_part, DROP, "iiss", p->channel,
			   p->credential, p->model, kind) >= 0;
	if (park_clean(db) < 0)
		return false;
	n = db_run(db, &park_part, PUT, "iissiiiisi", p->channel,
	    p->credential, p->model, kind, db_now(db), p->until, p->times,
	    p->trial, p->reason, (int64_t)PARK_MODELS);
	put->kept = n > 0;
	return n >= 0;
}

int
park_lift(struct db *db, int64_t channel, int64_t credential)
{
	if (db_run(db, &park_part, ANEW, "iii", channel, credential,
	    db_now(db)) < 0)
		return -1;
	return db_run(db, &park_part, LIFT, "ii", channel, credential);
}

static enum park_kind
kind_of(struct str word)
{
	for (int i = 0; i < N_PARK_KINDS; i++)
		if (str_eq(word, str_of(park_kinds[i])))
			return (enum park_kind)i;
	return PARK_TIMED;
}

int
park_load(struct db *db, int64_t now, struct arena *a, struct park **list)
{
	struct row *row = db_each(db, &park_part, LOAD, "ii", now,
	    now + PARK_SLACK_MS);
	struct park *all = NULL;
	int n = 0, room = 0;

	while (db_next(row) == 1) {
		if (n == room) {
			struct park *more = arena_alloc(a,
			    sizeof(*more) * (size_t)(room * 2 + ROOM));

			if (n)
				memcpy(more, all, sizeof(*all) * (size_t)n);
			all = more;
			room = room * 2 + ROOM;
		}
		all[n++] = (struct park){
			.channel = row_int(row, 0),
			.credential = row_int(row, 1),
			.model = arena_str(a, row_str(row, 2)),
			.kind = kind_of(row_str(row, 3)),
			.since = row_int(row, 4),
			.until = row_int(row, 5),
			.times = row_int(row, 6),
			.trial = row_int(row, 7),
			.reason = arena_str(a, row_str(row, 8)),
		};
	}
	db_reset(row);
	*list = all;
	return db_failed(db) ? -1 : n;
}
