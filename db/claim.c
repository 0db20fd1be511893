/* SPDX-License-Identifier: MIT */
/*
 * claim.c - places at credentials that have limits of their own; see claim.h.
 *
 * A refusal writes nothing, but for a clock that was put right.
 */
#include "db/claim.h"

#include <assert.h>

#include "db/gcra.h"
#include "db/settle.h"
#include "fcgi/base/mem.h"

enum {
	SOON_MS = 1000,		/* told of calls at once */
	BUSY_MS = 20		/* so long nobody asks again for a place */
};

enum { LIMITS, ADD, METER, GET, ANY, DROP, N_SQL };
static const char *const sql[N_SQL] = {
	[LIMITS] =
	    "SELECT c.rpm, c.tpm, c.concurrency, m.rpm_at, m.tpm_at, "
	    "m.tpm_debt, m.open FROM credential c LEFT JOIN claim_meter m "
	    "ON m.credential = c.id WHERE c.id = ?1",
	[ADD] = "INSERT INTO /*tab*/ claim(hold, credential, tokens) "
		"VALUES (?1, ?2, ?3)",
	[METER] =
	    "INSERT INTO /*tab*/ claim_meter(credential, rpm_at, tpm_at, "
	    "tpm_debt, open) VALUES (?1, ?2, ?3, ?4, ?5) "
	    "ON CONFLICT(credential) DO UPDATE SET rpm_at = excluded.rpm_at, "
	    "tpm_at = excluded.tpm_at, tpm_debt = excluded.tpm_debt, "
	    "open = excluded.open",
	[GET] = "SELECT tokens FROM claim WHERE hold = ?1 AND credential = ?2",
	[ANY] = "SELECT credential FROM claim WHERE hold = ?1 LIMIT 1",
	[DROP] = "DELETE FROM /*tab*/ claim WHERE hold = ?1 "
		 "AND credential = ?2",
};
const struct db_part claim_part = { "claim", sql, N_SQL };

/* A credential's limits, and how much of them is used. */
struct limits {
	int64_t credential, rpm, tpm, concurrency, open;
	struct gcra clocks;
};

/* 1, 0 no such credential, -1 failed. */
static int
limits_read(struct db *db, int64_t credential, struct limits *l)
{
	struct row *row;
	int n = db_one(db, &claim_part, LIMITS, &row, "i", credential);

	*l = (struct limits){ .credential = credential };
	if (n != 1)
		return n;
	l->rpm = row_int(row, 0);
	l->tpm = row_int(row, 1);
	l->concurrency = row_int(row, 2);
	l->clocks.rpm_at = row_int(row, 3);
	l->clocks.tpm_at = row_int(row, 4);
	l->clocks.tpm_debt = row_int(row, 5);
	l->open = row_int(row, 6);
	return 1;
}

static bool
limits_write(struct db *db, const struct limits *l)
{
	return db_run(db, &claim_part, METER, "iiiii", l->credential,
		   l->clocks.rpm_at, l->clocks.tpm_at, l->clocks.tpm_debt,
		   l->open) == 1;
}

/* --- beginning ------------------------------------------------------------ */

/* True: there is room; the clocks have moved. */
static bool
has_room(struct limits *l, struct claim_take *t, int64_t now_us)
{
	struct gcra before = l->clocks;
	int64_t full;

	if (l->concurrency && l->open >= l->concurrency) {
		t->limit = "concurrency";
		t->retry_ms = SOON_MS;
		t->full_ms = BUSY_MS;
		return false;
	}
	if (!gcra_request(&l->clocks, l->rpm, now_us, &t->retry_ms)) {
		t->limit = "rpm";
		t->full_ms = t->retry_ms;
		return false;
	}
	before.clamped |= l->clocks.clamped;
	if (gcra_tokens(&l->clocks, l->tpm, t->tokens, now_us, &t->retry_ms))
		return true;
	t->limit = "tpm";
	/* The request was not made.  Is there room for a smaller one? */
	l->clocks.rpm_at = before.rpm_at;
	before = l->clocks;
	t->full_ms = gcra_tokens(&before, l->tpm, 1, now_us, &full) ? 0 :
	    full;
	return false;
}

bool
claim_take_run(struct db *db, struct op *op)
{
	struct claim_take *t = holder(op, struct claim_take, op);
	struct pending p;
	struct limits l;
	int n = pending_get(db, t->hold, &p);

	assert(t->tokens >= 0);
	t->verdict = CLAIM_GONE;
	t->limit = NULL;
	t->retry_ms = t->full_ms = 0;
	if (n == 1)
		n = limits_read(db, t->credential, &l);
	if (n <= 0)
		return n == 0;
	t->verdict = CLAIM_FULL;
	if (!has_room(&l, t, db_now(db) * 1000))
		return !l.clocks.clamped || limits_write(db, &l);
	t->verdict = CLAIM_TAKEN;
	l.open++;
	return db_run(db, &claim_part, ADD, "iii", t->hold, t->credential,
		   t->tokens) == 1 && limits_write(db, &l);
}

/* --- ending --------------------------------------------------------------- */

static bool
end_one(struct db *db, int64_t hold, int64_t credential, int64_t used)
{
	struct row *row;
	struct limits l;
	int64_t taken;
	int n = db_one(db, &claim_part, GET, &row, "ii", hold, credential);

	if (n <= 0)
		return n == 0;
	taken = row_int(row, 0);
	if (db_run(db, &claim_part, DROP, "ii", hold, credential) != 1 ||
	    limits_read(db, credential, &l) != 1)
		return false;
	l.open--;
	if (used > INT32_MAX)
		used = INT32_MAX;
	gcra_correct(&l.clocks, l.tpm, used - taken, db_now(db) * 1000);
	return limits_write(db, &l);
}

bool
claim_end_run(struct db *db, struct op *op)
{
	struct claim_end *e = holder(op, struct claim_end, op);

	return end_one(db, e->hold, e->credential, e->used);
}

bool
claim_end_all(struct db *db, int64_t hold, int64_t credential, int64_t used)
{
	struct row *row;
	int n;

	while ((n = db_one(db, &claim_part, ANY, &row, "i", hold)) == 1) {
		int64_t one = row_int(row, 0);

		if (!end_one(db, hold, one, one == credential ? used : 0))
			return false;
	}
	return n == 0;
}
