/* SPDX-License-Identifier: MIT */
/*
 * allowance.c - what an account may use beside its wallet; see allowance.h.
 *
 * A book's figures are kept with the transaction (tab.h): whoever reads them
 * here flushes first.
 */
#include "db/allowance.h"

#include <assert.h>
#include <inttypes.h>

#include "db/group.h"
#include "db/tab.h"

enum { SWEEP_MAX = 500 };

#define VIEW \
	"SELECT a.id, a.account, a.book, a.bonus, a.unit, a.subscription, " \
	"a.period, a.from_ms, a.until_ms, a.amount, a.carried, a.ended, " \
	"a.closed, b.balance, b.held FROM allowance a " \
	"JOIN book b ON b.id = a.book "

/* Ended, and nobody has to decide what is carried. */
#define DUE \
	"FROM allowance a WHERE a.closed IS NULL AND a.until_ms <= ?1 AND " \
	"(a.ended IS NOT NULL OR a.subscription IS NULL OR a.bonus = 1) " \
	/* What is held is not yet left: the call's end makes it so. */ \
	"AND EXISTS (SELECT 1 FROM book b WHERE b.id = a.book " \
	"AND (b.held = 0 OR b.balance > b.held)) "

enum { GET, LIST, ADD_BOOK, ADD, COUNT, USED_UP, END, CARRIED, CLOSE, DUE_LIST,
	ANY_DUE, N_SQL };
static const char *const sql[N_SQL] = {
	[GET] = VIEW "WHERE a.id = ?1",
	[LIST] = VIEW "WHERE a.account = ?1 AND a.closed IS NULL "
		      "ORDER BY a.bonus DESC, a.until_ms IS NULL, a.until_ms, "
		      "a.id LIMIT 1000",
	[ADD_BOOK] = "INSERT INTO book(kind, account, unit) "
		     "VALUES ('allowance', ?1, ?2)",
	[ADD] = "INSERT INTO allowance(account, book, bonus, unit, "
		"subscription, period, from_ms, until_ms, amount) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[COUNT] = "SELECT count(*) FROM allowance WHERE account = ?1 "
		  "AND closed IS NULL",
	/* A subscription's own wait for their end. */
	[USED_UP] =
	    "UPDATE allowance SET closed = ?2, ended = coalesce(ended, ?2) "
	    "WHERE account = ?1 AND closed IS NULL "
	    "AND (bonus = 1 OR subscription IS NULL) AND EXISTS "
	    "(SELECT 1 FROM book b WHERE b.id = allowance.book "
	    "AND b.balance = 0 AND b.held = 0)",
	[END] =
	    "UPDATE allowance SET ended = min(coalesce(until_ms, ?2), ?2), "
	    "until_ms = max(min(coalesce(until_ms, ?2), ?2), from_ms) "
	    "WHERE id = ?1",
	[CARRIED] = "UPDATE allowance SET carried = carried + ?2 "
		    "WHERE id = ?1",
	[CLOSE] = "UPDATE allowance SET closed = ?2, "
		  "ended = coalesce(ended, until_ms) WHERE id = ?1",
	[DUE_LIST] = "SELECT a.id " DUE "LIMIT 500",
	[ANY_DUE] = "SELECT 1 " DUE "LIMIT 1",
};
const struct db_part allowance_part = { "allowance", sql, N_SQL };

static void
read_row(struct row *row, struct allowance *a)
{
	*a = (struct allowance){
		.id = row_int(row, 0),
		.account = row_int(row, 1),
		.book = row_int(row, 2),
		.bonus = row_int(row, 3),
		.unit = unit_of(row_str(row, 4)),
		.subscription = row_int(row, 5),
		.period = row_int(row, 6),
		.from = row_int(row, 7),
		.until = row_int(row, 8),
		.amount = row_int(row, 9),
		.carried = row_int(row, 10),
		.ended = row_int(row, 11),
		.closed = row_int(row, 12),
		.balance = row_int(row, 13),
		.held = row_int(row, 14),
	};
}

/* --- one begins ----------------------------------------------------------- */

/* Is there room for one more?  1, 0, -1. */
static int
room_for(struct db *db, int64_t account)
{
	struct row *row;

	if (db_run(db, &allowance_part, USED_UP, "ii", account,
		db_now(db)) < 0 ||
	    db_one(db, &allowance_part, COUNT, &row, "i", account) != 1)
		return -1;
	return row_int(row, 0) < ALLOWANCES_MAX;
}

static bool
add(struct db *db, struct allowance *a)
{
	struct str unit = str_of(unit_names[a->unit]);

	if (db_run(db, &allowance_part, ADD_BOOK, "is", a->account, unit) != 1)
		return false;
	a->book = db_last_id(db);
	if (db_run(db, &allowance_part, ADD, "iiisIiiIi", a->account, a->book,
		(int64_t)a->bonus, unit,
		a->subscription ? &a->subscription : NULL, a->period, a->from,
		a->until ? &a->until : NULL, a->amount) != 1)
		return false;
	a->id = db_last_id(db);
	return true;
}

int
allowance_open(struct db *db, struct allowance *a, struct str kind,
    struct str reason)
{
	int n;

	assert(a->amount >= 0 && a->unit < N_UNITS);
	assert(a->until == 0 || a->until >= a->from);
	n = tab_flush(db) ? room_for(db, a->account) : -1;
	if (n <= 0)
		return n;
	a->carried = a->ended = a->closed = a->balance = a->held = 0;
	if (!add(db, a))
		return -1;
	if (a->amount > 0 && !ledger_transfer(db, ledger_book(BOOK_PROMOTION,
	    a->unit), a->book, a->amount, kind, reason,
	    (struct str){ NULL, 0 }))
		return -1;
	a->balance = a->amount;
	return 1;
}

/* --- and ends ------------------------------------------------------------- */

/* What is free in it goes back; with nothing held it is closed. */
static bool
give_back(struct db *db, const struct allowance *a)
{
	int64_t left = a->balance - a->held;

	if (left > 0 && !ledger_transfer(db, a->book,
	    ledger_book(BOOK_PROMOTION, a->unit), left, S("expired"),
	    S("what was left at its end"), (struct str){ NULL, 0 }))
		return false;
	return a->held > 0 || db_run(db, &allowance_part, CLOSE, "ii", a->id,
				  db_now(db)) == 1;
}

static bool
carry_over(struct db *db, struct allowance *a, int64_t to, int64_t amount)
{
	struct allowance next;
	int n = allowance_get(db, to, &next);

	if (n < 0)
		return false;
	if (n == 0 || next.account != a->account || next.unit != a->unit ||
	    next.ended)
		return db_stop(db, "allowance %" PRId64 " cannot be carried "
		    "over to %" PRId64, a->id, to);
	a->balance -= amount;
	return ledger_transfer(db, a->book, next.book, amount, S("carry"),
		   S("from one period to the next"),
		   (struct str){ NULL, 0 }) &&
	    db_run(db, &allowance_part, CARRIED, "ii", to, amount) == 1;
}

bool
allowance_close(struct db *db, int64_t id, int64_t to, int64_t carry,
    int64_t *carried)
{
	struct allowance a;
	int64_t left;

	assert(carry >= 0 && to != id);
	*carried = 0;
	if (allowance_get(db, id, &a) != 1)
		return false;
	if (a.ended || a.closed)
		return true;
	left = a.balance - a.held;
	if (to != 0)
		*carried = carry < left ? carry : left;
	if (*carried > 0 && !carry_over(db, &a, to, *carried))
		return false;
	return tab_flush(db) &&
	    db_run(db, &allowance_part, END, "ii", id, db_now(db)) == 1 &&
	    give_back(db, &a);
}

int
allowance_sweep(struct db *db)
{
	int64_t ids[SWEEP_MAX];
	struct row *row;
	int n = 0;

	if (!tab_flush(db))
		return -1;
	row = db_each(db, &allowance_part, DUE_LIST, "i", db_now(db));
	while (n < SWEEP_MAX && db_next(row) == 1)
		ids[n++] = row_int(row, 0);
	db_reset(row);
	for (int i = 0; i < n && !db_failed(db); i++) {
		struct allowance a;

		if (allowance_get(db, ids[i], &a) != 1 || !give_back(db, &a))
			return -1;
	}
	return db_failed(db) ? -1 : n;
}

int
allowance_due(struct db *db)
{
	struct row *row;

	return db_one(db, &allowance_part, ANY_DUE, &row, "i", db_now(db));
}

/* --- reading -------------------------------------------------------------- */

int
allowance_get(struct db *db, int64_t id, struct allowance *a)
{
	struct row *row;
	int n = tab_flush(db) ? db_one(db, &allowance_part, GET, &row, "i", id)
			      : -1;

	if (n == 1)
		read_row(row, a);
	return n;
}

int
allowance_list(struct db *db, struct arena *arena, int64_t account,
    struct allowance **list)
{
	struct row *row;
	int n = 0;

	*list = arena_alloc(arena, LIST_MAX * sizeof(**list));
	if (!tab_flush(db))
		return -1;
	row = db_each(db, &allowance_part, LIST, "i", account);
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
