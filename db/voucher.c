/* SPDX-License-Identifier: MIT */
/* voucher.c - codes that are worth something; see voucher.h. */
#include "db/voucher.h"

#include <assert.h>

#include "db/allowance.h"
#include "db/group.h"

enum { HOUR_MS = 3600000 };

#define COLUMNS \
	"SELECT v.id, v.name, v.made, v.money, v.bonus, v.bonus_days, " \
	"v.package, v.uses, v.expires, v.enabled, v.note, " \
	"coalesce(p.name, ''), " \
	"(SELECT count(*) FROM voucher_code c WHERE c.voucher = v.id), " \
	"(SELECT sum(used) FROM voucher_code c WHERE c.voucher = v.id) " \
	"FROM voucher v LEFT JOIN package p ON p.id = v.package "

enum { FIND, LIST, ADD, PUT, ADD_CODE, CODE, USED_BY, USE, ADD_USE,
	ACCOUNT_ON, FORGET, GUESSES, GUESS, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = COLUMNS "WHERE v.name = ?1",
	[LIST] = COLUMNS "WHERE v.name > ?1 ORDER BY v.name LIMIT 1000",
	[ADD] = "INSERT INTO voucher(name, made, money, bonus, bonus_days, "
		"package, uses, expires, enabled, note) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[PUT] = "UPDATE voucher SET enabled = ?2, note = ?3 WHERE id = ?1",
	[ADD_CODE] = "INSERT INTO voucher_code(hash, voucher) VALUES (?1, ?2)",
	[CODE] = "SELECT v.name, c.used FROM voucher_code c "
		 "JOIN voucher v ON v.id = c.voucher WHERE c.hash = ?1",
	[USED_BY] = "SELECT 1 FROM voucher_use WHERE hash = ?1 "
		    "AND account = ?2",
	[USE] = "UPDATE voucher_code SET used = used + 1 WHERE hash = ?1 "
		"AND used < ?2",
	[ADD_USE] = "INSERT INTO voucher_use(hash, account, at) "
		    "VALUES (?1, ?2, ?3)",
	[ACCOUNT_ON] = "SELECT enabled FROM account WHERE id = ?1",
	/* Those of a clock that was put back are forgotten, too. */
	[FORGET] = "DELETE FROM voucher_guess WHERE account = ?1 "
		   "AND (at <= ?2 OR at > ?3)",
	[GUESSES] = "SELECT count(*), min(at) FROM voucher_guess "
		    "WHERE account = ?1 AND at > ?2 AND at <= ?3",
	[GUESS] = "INSERT INTO voucher_guess(account, at) VALUES (?1, ?2)",
};
const struct db_part voucher_part = { "voucher", sql, N_SQL };

/* --- batches -------------------------------------------------------------- */

static void
read_row(struct arena *a, struct row *row, struct voucher_row *v)
{
	*v = (struct voucher_row){
		.id = row_int(row, 0),
		.name = arena_str(a, row_str(row, 1)),
		.made = row_int(row, 2),
		.money = row_int(row, 3),
		.bonus = { row_int(row, 4), row_int(row, 5) },
		.package = row_int(row, 6),
		.uses = row_int(row, 7),
		.expires = row_int(row, 8),
		.enabled = row_int(row, 9),
		.note = arena_str(a, row_str(row, 10)),
		.package_name = arena_str(a, row_str(row, 11)),
		.codes = row_int(row, 12),
		.used = row_int(row, 13),
	};
}

void
voucher_blank(struct voucher_row *v, struct str name)
{
	*v = (struct voucher_row){ .name = name, .uses = 1, .enabled = true,
		.note = S(""), .package_name = S("") };
}

int
voucher_find(struct db *db, struct arena *a, struct str name,
    struct voucher_row *v)
{
	struct row *row;
	int n = db_one(db, &voucher_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, v);
	return n;
}

bool
voucher_put(struct db *db, struct voucher_row *v)
{
	return db_run(db, &voucher_part, PUT, "iis", v->id,
		   (int64_t)v->enabled, v->note) == 1;
}

int
voucher_list(struct db *db, struct arena *a, struct str after,
    struct voucher_row **list)
{
	struct row *row = db_each(db, &voucher_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

static void
hash_of(const struct vault *vault, const char code[static CODE_CHARS],
    uint8_t hash[static VAULT_HASH])
{
	vault_mac(vault, "voucher", str_from(code, CODE_CHARS), hash);
}

bool
voucher_new(struct db *db, const struct vault *vault, struct voucher_row *v,
    int n, char (*codes)[CODE_TEXT])
{
	const int64_t *package = v->package ? &v->package : NULL;
	const int64_t *expires = v->expires ? &v->expires : NULL;

	assert(n > 0 && n <= VOUCHER_CODES_MOST && v->uses > 0);
	assert((v->money > 0) + (v->bonus.amount > 0) + (v->package > 0) == 1);
	v->made = db_now(db);
	if (db_run(db, &voucher_part, ADD, "siiiiIiIis", v->name, v->made,
	    v->money, v->bonus.amount, v->bonus.days, package, v->uses,
	    expires, (int64_t)v->enabled, v->note) != 1)
		return false;
	v->id = db_last_id(db);
	for (int i = 0; i < n; i++) {
		char code[CODE_CHARS];
		uint8_t hash[VAULT_HASH];

		code_make(codes[i]);
		if (!code_read(str_of(codes[i]), code))
			return false;
		hash_of(vault, code, hash);
		if (db_run(db, &voucher_part, ADD_CODE, "bi", hash,
		    sizeof(hash), v->id) != 1)
			return false;
	}
	return true;
}

/* --- redeeming ------------------------------------------------------------ */

/* Has the account guessed too often?  DONE: no. */
static enum voucher_verdict
guessed(struct db *db, int64_t account, int64_t *retry_ms)
{
	int64_t now = db_now(db);
	struct row *row;

	if (db_one(db, &voucher_part, GUESSES, &row, "iii", account,
	    now - HOUR_MS, now) != 1)
		return VOUCHER_FAILED;
	if (row_int(row, 0) < VOUCHER_GUESSES)
		return VOUCHER_DONE;
	*retry_ms = row_int(row, 1) + HOUR_MS - now;
	return VOUCHER_GUESSED;
}

static enum voucher_verdict
count_guess(struct db *db, int64_t account)
{
	int64_t now = db_now(db);

	return db_run(db, &voucher_part, FORGET, "iii", account,
		   now - HOUR_MS, now) >= 0 &&
	    db_run(db, &voucher_part, GUESS, "ii", account, now) == 1
	    ? VOUCHER_UNKNOWN
	    : VOUCHER_FAILED;
}

/* Is the code of this batch good for the account?  DONE: yes. */
static enum voucher_verdict
good(struct db *db, const struct voucher_row *v, int64_t used,
    const uint8_t hash[static VAULT_HASH], int64_t account)
{
	struct row *row;
	int n;

	if (!v->enabled)
		return VOUCHER_OFF;
	if (v->expires && v->expires <= db_now(db))
		return VOUCHER_EXPIRED;
	n = db_one(db, &voucher_part, USED_BY, &row, "bi", hash,
	    (size_t)VAULT_HASH, account);
	if (n != 0)
		return n < 0 ? VOUCHER_FAILED : VOUCHER_HAD;
	if (used >= v->uses)
		return VOUCHER_USED_UP;
	n = db_one(db, &voucher_part, ACCOUNT_ON, &row, "i", account);
	if (n != 1)
		return VOUCHER_FAILED;
	return row_int(row, 0) ? VOUCHER_DONE : VOUCHER_ACCOUNT_OFF;
}

static enum voucher_verdict
give_money(struct db *db, struct arena *a, const struct voucher_row *v,
    int64_t account)
{
	int64_t wallet = ledger_wallet(db, account);

	/* What was unpaid may be paid now. */
	return wallet > 0 && subscription_turn(db, account) &&
	    ledger_transfer(db, BOOK_CLEARING, wallet, v->money, S("voucher"),
		arena_printf(a, "voucher %.*s", STR_ARGS(v->name)),
		(struct str){ NULL, 0 }) &&
	    subscription_turn(db, account) ? VOUCHER_DONE : VOUCHER_FAILED;
}

static enum voucher_verdict
give_bonus(struct db *db, struct arena *a, const struct voucher_row *v,
    int64_t account)
{
	int64_t now = db_now(db);
	struct allowance bonus = { .account = account, .bonus = true,
		.unit = UNIT_USD, .from = now, .amount = v->bonus.amount };
	int n;

	if (v->bonus.days)
		bonus.until = period_days_on(db_site(db)->zone, now,
		    v->bonus.days);
	n = allowance_open(db, &bonus, S("voucher"), arena_printf(a,
	    "voucher %.*s", STR_ARGS(v->name)));
	return n < 0 ? VOUCHER_FAILED : n ? VOUCHER_DONE : VOUCHER_FULL;
}

static enum voucher_verdict
give_package(struct db *db, struct arena *a, int64_t account,
    struct redeemed *out)
{
	struct package_row p;
	int64_t available;

	if (package_find(db, a, out->voucher.package_name, &p) != 1)
		return VOUCHER_FAILED;
	out->why = subscription_new(db, a, account, &p, db_now(db), true,
	    &out->subscription, &available);
	if (out->why == SUBSCRIPTION_FAILED)
		return VOUCHER_FAILED;
	return out->why == SUBSCRIPTION_DONE ? VOUCHER_DONE : VOUCHER_PACKAGE;
}

static enum voucher_verdict
give(struct db *db, struct arena *a, int64_t account, struct redeemed *out)
{
	const struct voucher_row *v = &out->voucher;

	if (v->money)
		return give_money(db, a, v, account);
	if (v->bonus.amount)
		return give_bonus(db, a, v, account);
	return give_package(db, a, account, out);
}

enum voucher_verdict
voucher_redeem(struct db *db, const struct vault *vault, struct arena *a,
    int64_t account, struct str typed, struct redeemed *out)
{
	uint8_t hash[VAULT_HASH];
	char code[CODE_CHARS];
	enum voucher_verdict v;
	struct row *row;
	struct str name;
	int64_t used;
	int n;

	*out = (struct redeemed){ .retry_ms = 0 };
	if (!code_read(typed, code))
		return VOUCHER_MISTYPED;
	v = guessed(db, account, &out->retry_ms);
	if (v != VOUCHER_DONE)
		return v;
	hash_of(vault, code, hash);
	n = db_one(db, &voucher_part, CODE, &row, "b", hash, sizeof(hash));
	if (n != 1)
		return n < 0 ? VOUCHER_FAILED : count_guess(db, account);
	name = arena_str(a, row_str(row, 0));
	used = row_int(row, 1);
	if (voucher_find(db, a, name, &out->voucher) != 1)
		return VOUCHER_FAILED;
	v = good(db, &out->voucher, used, hash, account);
	if (v != VOUCHER_DONE)
		return v;
	if (db_run(db, &voucher_part, USE, "bi", hash, sizeof(hash),
	    out->voucher.uses) != 1 ||
	    db_run(db, &voucher_part, ADD_USE, "bii", hash, sizeof(hash),
	    account, db_now(db)) != 1)
		return VOUCHER_FAILED;
	return give(db, a, account, out);
}
