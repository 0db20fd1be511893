/* SPDX-License-Identifier: MIT */
/*
 * ledger_check.c - the proof that the books agree; see ledger.h.
 *
 * A list of queries, each of which returns the rows that are wrong, in words;
 * all run on one snapshot.
 */
#include "db/ledger.h"

#include "db/usage.h"

enum {
	/* each row of these is a difference */
	CHECK_STRUCTURE, CHECK_FOREIGN, CHECK_SUM, CHECK_FREE, CHECK_BALANCE,
	CHECK_HELD, CHECK_BOOKS, CHECK_BOUND, CHECK_BOTH, CHECK_KEY,
	CHECK_USED, CHECK_TOKENS, CHECK_ROLLUP, CHECK_OWNER, CHECK_SPENT,
	CHECK_TOTAL, CHECK_WINDOWS, CHECK_INDEX, CHECK_CLAIM, CHECK_OPEN,
	CHECK_ALLOWANCE, CHECK_PARTS, CHECK_HOLD_PARTS, CHECK_SUBSCRIPTION,
	CHECK_VOUCHER, N_CHECKS,
	COUNTS = N_CHECKS, N_SQL
};

/* Sums of keys, or of holds, for each owner of caps. */
#define PARTS(name, sums, key) \
	name " AS (SELECT 'key' AS kind, " key " AS owner, " sums \
	" GROUP BY 2 UNION ALL SELECT 'project', k.project, " sums \
	" GROUP BY 2 UNION ALL SELECT 'account', k.account, " sums \
	" GROUP BY 2 UNION ALL SELECT 'site', 0, " sums ")"

/* USAGE_PARTS of pending holds. */
#define HOLD_PARTS \
	"SELECT h.id AS id, json_extract(j.value, '$[0]') AS book, " \
	"json_extract(j.value, '$[1]') AS amount " \
	"FROM hold h, json_each(h.parts) j WHERE h.parts IS NOT NULL"

/* Are all books (b) of a call's parts its account's, in the unit that pays? */
#define FITS(call) \
	"min(coalesce(b.account = " #call ".account AND b.kind IN ('wallet', " \
	"'allowance') AND b.unit = coalesce(" #call ".covered, 'usd'), 0))"

static const char *const sql[N_SQL] = {
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
	    "(SELECT book, sum(held) AS held FROM (SELECT book, held FROM hold "
	    "WHERE parts IS NULL UNION ALL SELECT book, amount "
	    "FROM (" HOLD_PARTS ")) GROUP BY book) h "
	    "ON h.book = b.id WHERE b.held <> coalesce(h.held, 0)",
	[CHECK_BOOKS] =
	    "SELECT 'call ' || u.request_id || ' was charged to book ' || "
	    "u.book || ', which is not the wallet of account ' || u.account "
	    "FROM usage u /*scan*/ LEFT JOIN book b ON b.id = u.book "
	    "WHERE b.account IS NOT u.account OR b.kind <> 'wallet' LIMIT 1",
	[CHECK_BOUND] =
	    "SELECT 'call ' || request_id || ' was charged ' || charge || "
	    "' and its bound is ' || bound FROM usage /*scan*/ "
	    "WHERE charge < 0 OR charge > bound OR "
	    "(covered IS NOT NULL AND charge <> 0) LIMIT 1",
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
	/* What a call was charged is the sum of its parts, all of them of its
	 * account and in the unit that pays. */
	[CHECK_PARTS] =
	    "SELECT 'call ' || u.request_id || ' was charged ' || u.charge || "
	    "', its parts say ' || p.amount || CASE WHEN p.fits THEN '' ELSE "
	    "' and name a book that is not to pay for it' END FROM ("
	    "SELECT q.id AS id, sum(q.amount) AS amount, " FITS(v) " AS fits "
	    "FROM (" USAGE_PARTS ") q JOIN usage v ON v.id = q.id "
	    "LEFT JOIN book b ON b.id = q.book GROUP BY q.id) p /*scan*/ "
	    "JOIN usage u ON u.id = p.id WHERE NOT p.fits OR "
	    "(u.covered IS NULL AND p.amount <> u.charge) LIMIT 1",
	[CHECK_HOLD_PARTS] =
	    "SELECT 'hold ' || h.id || ' holds ' || h.held || ', its parts "
	    "say ' || p.amount || CASE WHEN p.fits THEN '' ELSE "
	    "' and name a book that is not to pay for it' END FROM ("
	    "SELECT q.id AS id, sum(q.amount) AS amount, " FITS(v) " AS fits "
	    "FROM (" HOLD_PARTS ") q JOIN hold v ON v.id = q.id "
	    "LEFT JOIN book b ON b.id = q.book GROUP BY q.id) p /*scan*/ "
	    "JOIN hold h ON h.id = p.id WHERE NOT p.fits OR "
	    "p.amount <> CASE WHEN h.covered IS NULL THEN h.held "
	    "ELSE p.amount - h.held END LIMIT 1",
	[CHECK_SUBSCRIPTION] =
	    "SELECT 'subscription ' || s.id || ' of account ' || s.account || "
	    "' gives an allowance that is not its own or has ended' "
	    "FROM subscription s /*scan*/ JOIN allowance a "
	    "ON a.id = s.allowance WHERE a.account <> s.account "
	    "OR a.subscription IS NOT s.id "
	    "OR (s.ended IS NULL AND a.ended IS NOT NULL) LIMIT 1",
	[CHECK_VOUCHER] =
	    "SELECT 'a code of voucher ' || c.voucher || ' counts ' || c.used "
	    "|| ' uses, and ' || coalesce(u.n, 0) || ' are known' "
	    "FROM voucher_code c /*scan*/ LEFT JOIN (SELECT hash, "
	    "count(*) AS n FROM voucher_use GROUP BY hash) u "
	    "ON u.hash = c.hash WHERE c.used <> coalesce(u.n, 0) LIMIT 1",
	[COUNTS] =
	    "SELECT (SELECT count(*) FROM book /*scan*/), "
	    "(SELECT count(*) FROM usage), (SELECT count(*) FROM transfer), "
	    "(SELECT count(*) FROM hold), "
	    "(SELECT coalesce(sum(json_array_length(attempts)), 0) "
	    "FROM usage)",
};
const struct db_part ledger_check_part = { "ledger_check", sql, N_SQL };

static int
first_row(struct db *db, struct arena *a, int which, struct str *first)
{
	struct row *row;
	int n = db_one(db, &ledger_check_part, (size_t)which, &row, "");

	if (n == 1)
		*first = arena_str(a, row_str(row, 0));
	return n;
}

static int
check_all(struct db *db, struct arena *a, struct str *first,
    struct ledger_counts *counts)
{
	struct row *row;

	for (int which = 0; which < N_CHECKS; which++) {
		int n = first_row(db, a, which, first);

		if (n != 0)
			return n < 0 ? -1 : 0;
	}
	if (db_one(db, &ledger_check_part, COUNTS, &row, "") != 1)
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
