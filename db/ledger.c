/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - books and transfers, and the proof that they agree; see
 * ledger.h.
 *
 * The proof is a list of queries, each of which returns the rows that are
 * wrong, in words; all run on one snapshot.
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
	WALLET, ADD_WALLET, SET_WALLET, BALANCE, MOVE, TRANSFER, TRANSFERS,
	ATTEMPTS, PENDING, COUNTS, FROZEN,
	/* each row of these is a difference */
	CHECK_STRUCTURE, CHECK_FOREIGN, CHECK_SUM, CHECK_FREE, CHECK_BALANCE,
	CHECK_HELD, CHECK_BOOKS, CHECK_BOUND, CHECK_BOTH, CHECK_KEY,
	CHECK_USED, CHECK_TOKENS, CHECK_ROLLUP, CHECK_OWNER, CHECK_SPENT,
	CHECK_TOTAL, CHECK_WINDOWS, CHECK_INDEX, CHECK_CLAIM, CHECK_OPEN,
	CHECK_ALLOWANCE,
	N_SQL
};

/* Sums of keys, or of holds, for each owner of caps. */
#define PARTS(name, sums, key) \
	name " AS (SELECT 'key' AS kind, " key " AS owner, " sums \
	" GROUP BY 2 UNION ALL SELECT 'project', k.project, " sums \
	" GROUP BY 2 UNION ALL SELECT 'account', k.account, " sums \
	" GROUP BY 2 UNION ALL SELECT 'site', 0, " sums ")"

static const char *const sql[N_SQL] = {
	[WALLET] = "SELECT wallet FROM account WHERE id = ?1",
	[ADD_WALLET] = "INSERT INTO /*tab*/ book(kind, account) "
		       "VALUES ('wallet', ?1)",
	[SET_WALLET] = "UPDATE /*tab*/ account SET wallet = ?2 WHERE id = ?1",
	[BALANCE] = "SELECT b.balance, b.held FROM account a "
		    "JOIN book b ON b.id = a.wallet WHERE a.id = ?1",
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
	    "coalesce(times_ppm, 1000000) FROM usage WHERE request_id > ?1 "
	    "ORDER BY request_id LIMIT 1000",
	[PENDING] =
	    "SELECT request_id, coalesce(upstream_model, ''), opened, "
	    "prompt_tokens, out_tokens FROM hold /*scan*/ "
	    "WHERE sent = 1 AND request_id > ?1 ORDER BY request_id "
	    "LIMIT 1000",
	[COUNTS] =
	    "SELECT (SELECT count(*) FROM book /*scan*/), "
	    "(SELECT count(*) FROM usage), (SELECT count(*) FROM transfer), "
	    "(SELECT count(*) FROM hold), "
	    "(SELECT coalesce(sum(json_array_length(attempts)), 0) "
	    "FROM usage)",
	[FROZEN] = "SELECT value FROM setting WHERE name = 'frozen'",

	[CHECK_STRUCTURE] =
	    "SELECT 'the file is damaged: ' || quick_check "
	    "FROM pragma_quick_check /*scan*/ WHERE quick_check <> 'ok'",
	[CHECK_FOREIGN] =
	    "SELECT 'table ' || \"table\" || ' row ' || coalesce(rowid, '?') "
	    "|| ' points at a row of ' || parent || ' that is not there' "
	    "FROM pragma_foreign_key_check /*scan*/",
	[CHECK_SUM] =
	    "SELECT 'the balances of all books in ' || unit || ' sum to ' || "
	    "sum(balance) || ', not 0' FROM book /*scan*/ GROUP BY unit "
	    "HAVING sum(balance) <> 0",
	[CHECK_FREE] =
	    "SELECT 'book ' || id || ' (' || kind || ' of account ' || "
	    "account || ') has balance ' || balance || ' and holds ' || held "
	    "FROM book /*scan*/ WHERE held < 0 OR "
	    "(kind IN ('wallet', 'allowance') AND balance - held < -credit)",
	/* What each book's rows after its last closing line (if any) say. */
	[CHECK_BALANCE] =
	    "WITH last AS (SELECT book, max(day) AS day FROM closing "
	    "/*scan*/ GROUP BY book), "
	    "closed AS (SELECT c.book, c.balance, c.usage_to, c.transfer_to "
	    "FROM last JOIN closing c USING (book, day)), "
	    "charged AS (SELECT book, sum(amount) AS amount FROM ("
	    "SELECT u.book AS book, u.charge AS amount FROM usage u "
	    "LEFT JOIN closed c ON c.book = u.book "
	    "WHERE u.parts IS NULL AND u.id > coalesce(c.usage_to, 0) "
	    "UNION ALL SELECT p.book, p.amount FROM (" USAGE_PARTS ") p "
	    "LEFT JOIN closed c ON c.book = p.book "
	    "WHERE p.id > coalesce(c.usage_to, 0)) GROUP BY book), "
	    "moved AS (SELECT book, sum(amount) AS amount FROM ("
	    "SELECT t.credit AS book, t.amount AS amount FROM transfer t "
	    "LEFT JOIN closed c ON c.book = t.credit "
	    "WHERE t.id > coalesce(c.transfer_to, 0) UNION ALL "
	    "SELECT t.debit, -t.amount FROM transfer t "
	    "LEFT JOIN closed c ON c.book = t.debit "
	    "WHERE t.id > coalesce(c.transfer_to, 0)) GROUP BY book), "
	    "truth AS (SELECT b.id, b.kind, b.account, b.balance, "
	    "coalesce(c.balance, 0) + coalesce(m.amount, 0) + CASE b.kind "
	    "WHEN 'revenue' THEN CASE b.unit "
	    "WHEN 'usd' THEN (SELECT coalesce(sum(charge), 0) FROM usage "
	    "WHERE id > coalesce(c.usage_to, 0)) "
	    "ELSE (SELECT coalesce(sum(p.amount), 0) FROM (" USAGE_PARTS ") p "
	    "WHERE p.covered = b.unit AND p.id > coalesce(c.usage_to, 0)) "
	    "END "
	    "WHEN 'cost' THEN -(SELECT coalesce(sum(cost), 0) FROM usage "
	    "WHERE id > coalesce(c.usage_to, 0)) "
	    "WHEN 'clearing' THEN (SELECT coalesce(sum(cost), 0) FROM usage "
	    "WHERE id > coalesce(c.usage_to, 0)) "
	    "ELSE -coalesce(u.amount, 0) END AS rows "
	    "FROM book b LEFT JOIN closed c ON c.book = b.id "
	    "LEFT JOIN charged u ON u.book = b.id "
	    "LEFT JOIN moved m ON m.book = b.id) "
	    "SELECT 'book ' || id || ' (' || kind || ' of account ' || "
	    "account || ') has balance ' || balance || ', its rows say ' || "
	    "rows FROM truth WHERE balance <> rows",
	[CHECK_HELD] =
	    "SELECT 'book ' || b.id || ' (' || b.kind || ' of account ' || "
	    "b.account || ') holds ' || b.held || ', its pending holds say ' "
	    "|| coalesce(h.held, 0) FROM book b /*scan*/ LEFT JOIN "
	    "(SELECT book, sum(held) AS held FROM hold GROUP BY book) h "
	    "ON h.book = b.id WHERE b.held <> coalesce(h.held, 0)",
	[CHECK_BOOKS] =
	    "SELECT 'call ' || u.request_id || ' was charged to book ' || "
	    "u.book || ', which is not the wallet of account ' || u.account "
	    "FROM usage u /*scan*/ LEFT JOIN book b ON b.id = u.book "
	    "WHERE b.account IS NOT u.account OR b.kind <> 'wallet' LIMIT 1",
	[CHECK_BOUND] =
	    "SELECT 'call ' || request_id || ' was charged ' || charge || "
	    "' and its bound is ' || bound FROM usage /*scan*/ "
	    "WHERE charge < 0 OR charge > bound LIMIT 1",
	[CHECK_BOTH] =
	    "SELECT 'call ' || h.request_id || ' has a usage row and a "
	    "pending hold' FROM hold h /*scan*/ JOIN usage u "
	    "ON u.request_id = h.request_id LIMIT 1",
	[CHECK_KEY] =
	    "SELECT 'key ' || m.key || ' counts ' || "
	    "m.open_holds || ' open calls, its pending holds say ' || "
	    "coalesce(h.n, 0) FROM meter m /*scan*/ LEFT JOIN "
	    "(SELECT key, count(*) AS n FROM hold GROUP BY key) h "
	    "ON h.key = m.key WHERE m.open_holds <> coalesce(h.n, 0)",
	/* Rows before a closing line may be gone, so only without one. */
	[CHECK_USED] =
	    "SELECT 'key ' || m.key || ' counts ' || "
	    "m.used || ' as used, its usage rows say ' || "
	    "coalesce(u.charge, 0) FROM meter m /*scan*/ LEFT JOIN "
	    "(SELECT key, sum(charge) AS charge FROM usage GROUP BY key) u "
	    "ON u.key = m.key WHERE m.used <> coalesce(u.charge, 0) "
	    "AND NOT EXISTS (SELECT 1 FROM closing)",
	[CHECK_TOKENS] =
	    "SELECT 'key ' || m.key || ' counts ' || "
	    "m.tokens || ' tokens, its usage rows say ' || "
	    "coalesce(u.tokens, 0) FROM meter m /*scan*/ LEFT JOIN "
	    "(SELECT key, sum(" USAGE_TOKENS ") AS tokens FROM usage GROUP BY key) u "
	    "ON u.key = m.key WHERE m.tokens <> coalesce(u.tokens, 0) "
	    "AND NOT EXISTS (SELECT 1 FROM closing)",
	/* Counts what is gone as well. */
	[CHECK_ROLLUP] =
	    "SELECT 'key ' || m.key || ' counts ' || m.used || ' as used and "
	    "' || m.tokens || ' tokens, the sums by hours say ' || "
	    "coalesce(s.charge, 0) || ' and ' || coalesce(s.tokens, 0) "
	    "FROM meter m /*scan*/ LEFT JOIN (SELECT key, "
	    "sum(charge) AS charge, sum(tokens) AS tokens FROM ("
	    "SELECT key, charge, " USAGE_TOKENS " AS tokens FROM rollup UNION ALL "
	    "SELECT key, charge, " USAGE_TOKENS " FROM usage WHERE id > "
	    "(SELECT max(id) FROM usage) / 512 * 512) GROUP BY key) s "
	    "ON s.key = m.key WHERE m.used <> coalesce(s.charge, 0) "
	    "OR m.tokens <> coalesce(s.tokens, 0) LIMIT 1",
	[CHECK_OWNER] =
	    "SELECT 'hold ' || h.id || ' belongs to process ' || h.process || "
	    "', which is not there' FROM hold h /*scan*/ LEFT JOIN process p "
	    "ON p.id = h.process WHERE p.id IS NULL LIMIT 1",
	[CHECK_SPENT] =
	    "SELECT 'spent by ' || owner_kind || ' ' || owner || ' in a ' || "
	    "window || ' is ' || amount FROM spent /*scan*/ WHERE amount < 0 "
	    "LIMIT 1",
	/* A window without an end is all that was used and is held. */
	[CHECK_TOTAL] =
	    "WITH " PARTS("used", "sum(m.used) AS money, "
	    "sum(m.tokens) AS tokens FROM key k "
	    "JOIN meter m ON m.key = k.id", "k.id") ", "
	    PARTS("open", "sum(k.held) AS money, "
	    "sum(k.tokens) AS tokens FROM hold k", "k.key") " "
	    "SELECT 'the ' || c.window || ' of ' || c.owner_kind || ' ' || "
	    "c.owner || ' counts ' || coalesce(s.amount, 0) || ', its keys "
	    "and holds say ' || (CASE c.window WHEN 'total' "
	    "THEN coalesce(u.money, 0) + coalesce(h.money, 0) "
	    "ELSE coalesce(u.tokens, 0) + coalesce(h.tokens, 0) END) "
	    "FROM cap c /*scan*/ LEFT JOIN spent s "
	    "ON s.owner_kind = c.owner_kind AND s.owner = c.owner "
	    "AND s.window = c.window AND s.start = 0 "
	    "LEFT JOIN used u ON u.kind = c.owner_kind AND u.owner = c.owner "
	    "LEFT JOIN open h ON h.kind = c.owner_kind AND h.owner = c.owner "
	    "WHERE c.window IN ('total', 'total_tokens') "
	    "AND coalesce(s.amount, 0) <> (CASE c.window WHEN 'total' "
	    "THEN coalesce(u.money, 0) + coalesce(h.money, 0) "
	    "ELSE coalesce(u.tokens, 0) + coalesce(h.tokens, 0) END) LIMIT 1",
	/* What open calls hold is in each window they name. */
	[CHECK_WINDOWS] =
	    "WITH named AS (SELECT substr(j.value, 1, 2) AS what, "
	    "CASE substr(j.value, 1, 1) WHEN 's' THEN 0 "
	    "WHEN 'a' THEN h.account WHEN 'p' THEN h.project ELSE h.key END "
	    "AS owner, CAST(substr(j.value, 3) AS INTEGER) AS start, "
	    "CASE WHEN substr(j.value, 2, 1) < 'a' THEN h.tokens "
	    "ELSE h.held END AS amount FROM hold h /*scan*/, "
	    "json_each('[\"' || replace(rtrim(h.windows), ' ', '\",\"') || "
	    "'\"]') j WHERE h.windows <> ''), "
	    "summed AS (SELECT what, owner, start, sum(amount) AS amount "
	    "FROM named GROUP BY what, owner, start) "
	    "SELECT 'open calls hold ' || n.amount || ' in the window ' || "
	    "n.what || n.start || ' of ' || n.owner || ', which counts ' || "
	    "coalesce(s.amount, 0) FROM summed n LEFT JOIN spent s "
	    "ON s.owner_kind = CASE substr(n.what, 1, 1) WHEN 's' THEN 'site' "
	    "WHEN 'a' THEN 'account' WHEN 'p' THEN 'project' ELSE 'key' END "
	    "AND s.owner = n.owner AND s.window = CASE lower("
	    "substr(n.what, 2, 1)) WHEN 'h' THEN 'hour' WHEN 'd' THEN 'day' "
	    "WHEN 'w' THEN 'week' WHEN 'm' THEN 'month' ELSE 'total' END || "
	    "CASE WHEN substr(n.what, 2, 1) < 'a' THEN '_tokens' ELSE '' END "
	    "AND s.start = n.start WHERE coalesce(s.amount, 0) < n.amount "
	    "LIMIT 1",
	[CHECK_INDEX] =
	    "SELECT 'the rows of keys list ' || listed || ' calls of ' || all_ "
	    "FROM (SELECT (SELECT count(*) FROM usage_key /*scan*/) AS listed, "
	    "(SELECT count(*) FROM usage WHERE id <= (SELECT max(id) / 512 * "
	    "512 FROM usage)) AS all_) WHERE listed <> all_",
	[CHECK_CLAIM] =
	    "SELECT 'credential ' || c.credential || ' is claimed by hold ' || "
	    "c.hold || ', which is not there' FROM claim c /*scan*/ "
	    "LEFT JOIN hold h ON h.id = c.hold WHERE h.id IS NULL LIMIT 1",
	[CHECK_OPEN] =
	    "SELECT 'credential ' || m.credential || ' counts ' || m.open || "
	    "' open calls, its claims say ' || coalesce(c.n, 0) "
	    "FROM claim_meter m /*scan*/ LEFT JOIN "
	    "(SELECT credential, count(*) AS n FROM claim GROUP BY credential) "
	    "c ON c.credential = m.credential WHERE m.open <> coalesce(c.n, 0)",
	[CHECK_ALLOWANCE] =
	    "SELECT 'book ' || b.id || ' of account ' || b.account || ' is ' "
	    "|| CASE WHEN a.id IS NULL THEN 'no allowance' "
	    "WHEN a.closed IS NULL THEN 'not of allowance ' || a.id "
	    "ELSE 'not empty, and allowance ' || a.id || ' is closed' END "
	    "FROM book b /*scan*/ LEFT JOIN allowance a ON a.book = b.id "
	    "WHERE b.kind = 'allowance' AND (a.id IS NULL "
	    "OR a.account <> b.account OR a.unit <> b.unit OR "
	    "(a.closed IS NOT NULL AND (b.balance <> 0 OR b.held <> 0)))",
};
const struct db_part ledger_part = { "ledger", sql, N_SQL };

/* --- books ---------------------------------------------------------------- */

const char *const unit_names[N_UNITS] = {
	[UNIT_USD] = "usd",
	[UNIT_TOKEN] = "token",
	[UNIT_REQUEST] = "request",
};

static const char *const counted[N_UNITS] = {
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
			    "from nowhere", sums[u], counted[u]);
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
	*available = balance - held;
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

/* --- the proof ------------------------------------------------------------ */

static int
first_row(struct db *db, struct arena *a, int which, struct str *first)
{
	struct row *row;
	int n = db_one(db, &ledger_part, (size_t)which, &row, "");

	if (n == 1)
		*first = arena_str(a, row_str(row, 0));
	return n;
}

static int
check_all(struct db *db, struct arena *a, struct str *first,
    struct ledger_counts *counts)
{
	struct row *row;

	for (int which = CHECK_STRUCTURE; which < N_SQL; which++) {
		int n = first_row(db, a, which, first);

		if (n != 0)
			return n < 0 ? -1 : 0;
	}
	if (db_one(db, &ledger_part, COUNTS, &row, "") != 1)
		return -1;
	*counts = (struct ledger_counts){ row_int(row, 0), row_int(row, 1),
		row_int(row, 2), row_int(row, 3), row_int(row, 4) };
	return 1;
}

int
ledger_check(struct db *db, struct arena *a, struct str *first,
    struct ledger_counts *counts)
{
	int n;

	*counts = (struct ledger_counts){ 0 };
	if (db_busy(db))
		return check_all(db, a, first, counts);
	if (!db_script(db, "BEGIN"))
		return -1;
	n = check_all(db, a, first, counts);
	db_script(db, "COMMIT");
	return n;
}

bool
ledger_frozen(struct db *db, struct arena *a, struct str *why)
{
	*why = S("");
	return first_row(db, a, FROZEN, why) == 1;
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
