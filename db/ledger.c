/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - books, and transfers between them; see ledger.h.
 *
 * Not here: the proof that they agree (ledger_check.c).
 */
#include "db/ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "db/group.h"
#include "db/money.h"
#include "db/setting.h"
#include "db/tab.h"
#include "db/usage.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

enum {
	WALLET, ADD_WALLET, SET_WALLET, BALANCE, CREDIT, SET_CREDIT, MOVE,
	TRANSFER, TRANSFERS, ATTEMPTS, PENDING, FROZEN, N_SQL
};

static const char *const sql[N_SQL] = {
	[WALLET] = "SELECT wallet FROM account WHERE id = ?1",
	[ADD_WALLET] = "INSERT INTO /*tab*/ book(kind, account) "
		       "VALUES ('wallet', ?1)",
	[SET_WALLET] = "UPDATE /*tab*/ account SET wallet = ?2 WHERE id = ?1",
	[BALANCE] = "SELECT b.balance, b.held FROM account a "
		    "JOIN book b ON b.id = a.wallet WHERE a.id = ?1",
	[CREDIT] = "SELECT b.credit FROM account a "
		   "JOIN book b ON b.id = a.wallet WHERE a.id = ?1",
	[SET_CREDIT] = "UPDATE book SET credit = ?2 WHERE id = ?1",
	[MOVE] = "UPDATE /*tab*/ book SET balance = balance + ?2 WHERE id = ?1",
	[TRANSFER] =
	    "INSERT INTO /*tab*/ transfer(at, debit, credit, amount, kind, reason, "
	    "request_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[TRANSFERS] =
	    "SELECT t.id, t.at, "
	    "d.kind || coalesce(' ' || da.name, ''), "
	    "c.kind || coalesce(' ' || ca.name, ''), "
	    "t.amount, t.kind, t.reason, t.request_id "
	    "FROM transfer t /*scan*/ JOIN book d ON d.id = t.debit "
	    "JOIN book c ON c.id = t.credit "
	    "LEFT JOIN account da ON da.id = d.account "
	    "LEFT JOIN account ca ON ca.id = c.account "
	    "WHERE t.id < ?2 AND (?1 = 0 OR d.account = ?1 OR "
	    "c.account = ?1) ORDER BY t.id DESC LIMIT 1000",
	[ATTEMPTS] =
	    "SELECT request_id, attempts, state, input + cache_read + "
	    "cache_write + cache_write_1h + audio_in + image_in, "
	    "output + reasoning + audio_out + image_out, charge, cost, "
	    "estimated, list, price, markup_ppm, "
	    "coalesce(times_ppm, 1000000), covered IS NOT NULL "
	    "FROM usage WHERE request_id > ?1 "
	    "ORDER BY request_id LIMIT 1000",
	[PENDING] =
	    "SELECT request_id, coalesce(upstream_model, ''), opened, "
	    "prompt_tokens, out_tokens FROM hold /*scan*/ "
	    "WHERE sent = 1 AND request_id > ?1 ORDER BY request_id "
	    "LIMIT 1000",
	[FROZEN] = "SELECT value FROM setting WHERE name = 'frozen'",
};
const struct db_part ledger_part = { "ledger", sql, N_SQL };

/* --- books ---------------------------------------------------------------- */

const char *const unit_names[N_UNITS] = {
	[UNIT_USD] = "usd",
	[UNIT_TOKEN] = "token",
	[UNIT_REQUEST] = "request",
};

const char *const unit_counted[N_UNITS] = {
	[UNIT_USD] = "nano-dollars",
	[UNIT_TOKEN] = "tokens",
	[UNIT_REQUEST] = "requests",
};

_Static_assert(sizeof(((struct db_tally *)0)->book) == N_BOOKS *
    sizeof(int64_t) && sizeof(((struct db_tally *)0)->accounts) == N_UNITS *
    sizeof(int64_t), "a sum for each");

enum unit
unit_of(struct str name)
{
	int u = 0;

	while (u < N_UNITS && !str_eq(name, str_of(unit_names[u])))
		u++;
	return (enum unit)u;
}

enum unit
unit_column(struct row *row, int column)
{
	enum unit unit = row_null(row, column) ? UNIT_USD :
	    unit_of(row_str(row, column));

	return unit == N_UNITS ? UNIT_USD : unit;
}

static enum unit
unit_of_book(enum book_id book)
{
	return book < BOOK_REVENUE_TOKEN ? UNIT_USD :
	    book < BOOK_REVENUE_REQUEST ? UNIT_TOKEN : UNIT_REQUEST;
}

enum book_id
ledger_book(enum book_id of, enum unit unit)
{
	static const enum book_id books[][N_UNITS] = {
		[BOOK_REVENUE] = { BOOK_REVENUE, BOOK_REVENUE_TOKEN,
		    BOOK_REVENUE_REQUEST },
		[BOOK_LOSS] = { BOOK_LOSS, BOOK_LOSS_TOKEN,
		    BOOK_LOSS_REQUEST },
		[BOOK_PROMOTION] = { BOOK_PROMOTION, BOOK_PROMOTION_TOKEN,
		    BOOK_PROMOTION_REQUEST },
	};

	assert(of == BOOK_REVENUE || of == BOOK_LOSS || of == BOOK_PROMOTION);
	return books[of][unit];
}

int64_t
ledger_wallet(struct db *db, int64_t account)
{
	struct row *row;
	int64_t id;

	if (db_one(db, &ledger_part, WALLET, &row, "i", account) != 1)
		return -1;
	if (!row_null(row, 0))
		return row_int(row, 0);
	if (db_run(db, &ledger_part, ADD_WALLET, "i", account) != 1)
		return -1;
	id = db_last_id(db);
	return db_run(db, &ledger_part, SET_WALLET, "ii", account, id) == 1
	    ? id
	    : -1;
}

int
ledger_balance(struct db *db, int64_t account, int64_t *balance,
    int64_t *held)
{
	struct row *row;
	int n = tab_flush(db)
	    ? db_one(db, &ledger_part, BALANCE, &row, "i", account)
	    : -1;

	*balance = n == 1 ? row_int(row, 0) : 0;
	*held = n == 1 ? row_int(row, 1) : 0;
	return n;
}

int64_t
ledger_credit(struct db *db, int64_t account)
{
	struct row *row;
	int n = db_one(db, &ledger_part, CREDIT, &row, "i", account);

	return n == 1 ? row_int(row, 0) : n;
}

enum ledger_verdict
ledger_set_credit(struct db *db, int64_t account, int64_t credit,
    int64_t *needed)
{
	int64_t wallet = ledger_wallet(db, account), balance, held;

	assert(credit >= 0);
	*needed = 0;
	if (wallet < 0 || ledger_balance(db, account, &balance, &held) < 0)
		return LEDGER_FAILED;
	if (balance - held < 0)
		*needed = held - balance;
	if (credit < *needed)
		return LEDGER_SHORT;
	return db_run(db, &ledger_part, SET_CREDIT, "ii", wallet, credit) == 1
	    ? LEDGER_DONE
	    : LEDGER_FAILED;
}

void
ledger_tell(struct db *db, enum book_id book, int64_t amount)
{
	int64_t *sum = &db_tally(db)->book[book];

	*sum = money_add(*sum, amount);
}

void
ledger_tell_account(struct db *db, enum unit unit, int64_t amount)
{
	int64_t *sum = &db_tally(db)->accounts[unit];

	*sum = money_add(*sum, amount);
}

bool
ledger_flush(struct db *db)
{
	struct db_tally *t = db_tally(db);
	int64_t sums[N_UNITS];

	if (!tab_flush(db))
		return false;
	memcpy(sums, t->accounts, sizeof(sums));
	memset(t->accounts, 0, sizeof(t->accounts));
	for (int b = BOOK_REVENUE; b < N_BOOKS; b++) {
		int64_t *sum = &sums[unit_of_book((enum book_id)b)];

		if (t->book[b] == 0)
			continue;
		*sum = money_add(*sum, t->book[b]);
		if (db_run(db, &ledger_part, MOVE, "ii", (int64_t)b,
			t->book[b]) != 1)
			return false;
		t->book[b] = 0;
	}
	for (int u = 0; u < N_UNITS; u++)
		if (sums[u] != 0)
			return db_stop(db, "a transaction moves %" PRId64 " %s "
			    "from nowhere", sums[u], unit_counted[u]);
	return true;
}

/* --- transfers ------------------------------------------------------------ */

/* unit: what an account's book counts. */
static void
move(struct db *db, int64_t book, enum unit unit, int64_t amount)
{
	if (book < N_BOOKS) {
		ledger_tell(db, (enum book_id)book, amount);
		return;
	}
	ledger_tell_account(db, unit, amount);
	tab_book_add(db, book, amount, 0);
}

bool
ledger_transfer(struct db *db, int64_t debit, int64_t credit, int64_t amount,
    struct str kind, struct str reason, struct str request_id)
{
	/* What goes from account to account sums to 0 in any unit. */
	enum unit unit = debit < N_BOOKS ? unit_of_book((enum book_id)debit) :
	    credit < N_BOOKS ? unit_of_book((enum book_id)credit) : UNIT_USD;

	assert(amount > 0 && debit > 0 && credit > 0);
	assert(credit >= N_BOOKS || unit_of_book((enum book_id)credit) == unit);
	move(db, debit, unit, -amount);
	move(db, credit, unit, amount);
	return db_run(db, &ledger_part, TRANSFER, "iiiissS", db_now(db), debit,
		credit, amount, kind, reason, request_id) == 1;
}

enum ledger_verdict
ledger_grant(struct db *db, int64_t account, int64_t amount,
    struct str reason)
{
	int64_t wallet = ledger_wallet(db, account);

	return wallet > 0 && ledger_transfer(db, BOOK_CLEARING, wallet, amount,
				 S("grant"), reason, (struct str){ NULL, 0 })
	    ? LEDGER_DONE
	    : LEDGER_FAILED;
}

enum ledger_verdict
ledger_deduct(struct db *db, int64_t account, int64_t amount,
    struct str reason, int64_t *available)
{
	int64_t wallet = ledger_wallet(db, account), balance, held;

	if (wallet < 0 || ledger_balance(db, account, &balance, &held) < 0)
		return LEDGER_FAILED;
	*available = balance > held ? balance - held : 0;
	if (*available < amount)
		return LEDGER_SHORT;
	return ledger_transfer(db, wallet, BOOK_CLEARING, amount, S("deduct"),
		   reason, (struct str){ NULL, 0 })
	    ? LEDGER_DONE
	    : LEDGER_FAILED;
}

int
ledger_transfers(struct db *db, struct arena *a, int64_t account,
    int64_t before, struct transfer_row **list)
{
	struct row *row = db_each(db, &ledger_part, TRANSFERS, "ii", account,
	    before ? before : INT64_MAX);
	int n = 0, got;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && (got = db_next(row)) == 1)
		(*list)[n++] = (struct transfer_row){
			.id = row_int(row, 0),
			.at = row_int(row, 1),
			.debit = arena_str(a, row_str(row, 2)),
			.credit = arena_str(a, row_str(row, 3)),
			.amount = row_int(row, 4),
			.kind = arena_str(a, row_str(row, 5)),
			.reason = arena_str(a, row_str(row, 6)),
			.request_id = arena_str(a, row_str(row, 7)),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

/* --- is billing stopped? -------------------------------------------------- */

bool
ledger_frozen(struct db *db, struct arena *a, struct str *why)
{
	struct row *row;
	int n = db_one(db, &ledger_part, FROZEN, &row, "");

	*why = n == 1 ? arena_str(a, row_str(row, 0)) : S("");
	return n == 1;
}

bool
ledger_thaw(struct db *db)
{
	return setting_set(db, S("frozen"), (struct str){ NULL, 0 });
}

/* --- attempts, for the upstream's log ------------------------------------- */

/* The items of one usage row's list that follow `after`. */
static int
unfold(struct arena *a, struct row *row, struct ledger_attempt *out, int room)
{
	struct str id = arena_str(a, row_str(row, 0));
	struct str text = arena_str(a, row_str(row, 1));
	struct str state = arena_str(a, row_str(row, 2));
	struct json_each item = json_each(text);
	int64_t number = 0;
	int n = 0;

	while (json_next(&item) && n < room) {
		struct str v[7] = { { 0 } };
		struct json_each member = json_each(item.value);
		int64_t status = 0, started = 0;

		for (int i = 0; i < 7 && json_next(&member); i++)
			v[i] = member.value;
		json_int(v[3], &started);
		json_int(v[5], &status);
		out[n++] = (struct ledger_attempt){
			.request_id = id,
			.number = ++number,
			.upstream_model = arena_str(a, json_text(a, v[2])),
			.outcome = arena_str(a, json_text(a, v[6])),
			.status = (int)status,
			.started = started,
			.state = state,
			.input = row_int(row, 3),
			.output = row_int(row, 4),
			.charge = row_int(row, 5),
			.cost = row_int(row, 6),
			.estimated = row_int(row, 7),
			.list = row_int(row, 8),
			.price = row_int(row, 9),
			.markup_ppm = row_int(row, 10),
			.times_ppm = row_int(row, 11),
			.covered = row_int(row, 12),
		};
	}
	return n;
}

int
ledger_attempts(struct db *db, struct arena *a, struct str after_request,
    struct ledger_attempt **list)
{
	struct row *row = db_each(db, &ledger_part, ATTEMPTS, "s",
	    after_request);
	enum { ROOM = LIST_MAX * 4 };
	int n = 0;

	*list = arena_alloc(a, ROOM * sizeof(**list));
	/* A call has a few attempts; whole calls only, so that the last
	 * request id is where the next page begins. */
	while (n + 16 <= ROOM && db_next(row) == 1)
		n += unfold(a, row, *list + n, 16);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
ledger_pending(struct db *db, struct arena *a, struct str after_request,
    struct ledger_attempt **list)
{
	struct row *row = db_each(db, &ledger_part, PENDING, "s",
	    after_request);
	int n = 0;

	*list = arena_zero(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		(*list)[n++] = (struct ledger_attempt){
			.request_id = arena_str(a, row_str(row, 0)),
			.upstream_model = arena_str(a, row_str(row, 1)),
			.state = S("pending"),
			.started = row_int(row, 2),
			.input = row_int(row, 3),
			.output = row_int(row, 4),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
