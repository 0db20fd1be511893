/* SPDX-License-Identifier: MIT */
/* subscription.c - what accounts have subscribed to; see subscription.h. */
#include "db/subscription.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "db/allowance.h"
#include "db/group.h"
#include "db/money.h"
#include "db/tab.h"
#include "fcgi/base/log.h"

const char *const subscription_states[N_SUBSCRIPTION_STATES] = { "waiting",
	"active", "unpaid", "ended" };

enum { TURN_ACCOUNTS = 100 };
#define CENT	(NANO / 100)

#define COLUMNS \
	"SELECT s.id, s.account, s.package, s.terms, s.state, s.created, " \
	"s.cancelled, s.ended, s.number, s.from_ms, s.until_ms, s.base_day, " \
	"s.base_ms, s.whole_ms, s.paid, s.charged, s.allowance, a.name, " \
	"p.name FROM subscription s JOIN account a ON a.id = s.account " \
	"JOIN package p ON p.id = s.package "
/* Accounts whose subscriptions can go on now (?1). */
#define DUE \
	"SELECT account FROM subscription WHERE ended IS NULL " \
	"AND next_ms <= ?1 UNION SELECT s.account FROM subscription s " \
	"JOIN account a ON a.id = s.account JOIN book b ON b.id = a.wallet " \
	"WHERE s.state = 'unpaid' /*scan*/ AND a.enabled " \
	"AND b.balance - b.held + b.credit >= s.due "

enum { ADD, SAVE, GET, RUNNING, LIST, SAME, TRIED, ACCOUNT_ON, DUE_ACCOUNTS,
	ANY_DUE, LOOK, VOLUMES, CHARGE, N_SQL };
static const char *const sql[N_SQL] = {
	[ADD] = "INSERT INTO /*tab*/ subscription(account, package, terms, "
		"state, created, number, from_ms, until_ms, base_day, base_ms, "
		"whole_ms, next_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
		"?9, ?10, ?11, ?7)",
	[SAVE] = "UPDATE /*tab*/ subscription SET state = ?2, cancelled = ?3, "
		 "ended = ?4, number = ?5, from_ms = ?6, until_ms = ?7, "
		 "paid = ?8, charged = ?9, allowance = ?10, due = ?11, "
		 "next_ms = ?12 WHERE id = ?1",
	[GET] = COLUMNS "WHERE s.id = ?1",
	[RUNNING] = COLUMNS "WHERE s.account = ?1 AND s.ended IS NULL "
			    "ORDER BY s.id",
	[LIST] = COLUMNS "WHERE s.id > ?2 AND (?1 = 0 OR s.account = ?1) "
			 "ORDER BY s.id LIMIT 1000",
	[SAME] = "SELECT id FROM subscription WHERE account = ?1 "
		 "AND package = ?2 AND ended IS NULL AND cancelled IS NULL",
	[TRIED] = "SELECT 1 FROM subscription WHERE account = ?1 "
		  "AND package = ?2",
	[ACCOUNT_ON] = "SELECT enabled FROM account WHERE id = ?1",
	[DUE_ACCOUNTS] = DUE "LIMIT 100",
	[ANY_DUE] = DUE "LIMIT 1",
	[LOOK] = "SELECT min(s.next_ms), "
		 "min(CASE s.state WHEN 'unpaid' THEN s.due END), "
		 "max(CASE WHEN s.state = 'active' AND NOT t.overflow "
		 "THEN s.id END), max(s.state = 'active' AND t.volume <> '') "
		 "FROM subscription s JOIN package_terms t ON t.id = s.terms "
		 "WHERE s.account = ?1 AND s.ended IS NULL",
	[VOLUMES] = "SELECT t.volume, s.charged FROM subscription s "
		    "JOIN package_terms t ON t.id = s.terms "
		    "WHERE s.account = ?1 AND s.ended IS NULL "
		    "AND s.state = 'active' AND t.volume <> ''",
	/* Not what was admitted before the period began. */
	[CHARGE] = "UPDATE /*tab*/ subscription SET charged = charged + ?3 "
		   "WHERE account = ?1 AND ended IS NULL AND from_ms <= ?2",
};
const struct db_part subscription_part = { "subscription", sql, N_SQL };

/* --- rows ----------------------------------------------------------------- */

static enum subscription_state
state_of(struct str name)
{
	int state = 0;

	while (state + 1 < N_SUBSCRIPTION_STATES &&
	    !str_eq(name, str_of(subscription_states[state])))
		state++;
	return (enum subscription_state)state;
}

static void
read_row(struct arena *a, struct row *row, struct subscription *s)
{
	*s = (struct subscription){
		.id = row_int(row, 0),
		.account = row_int(row, 1),
		.package = row_int(row, 2),
		.terms.id = row_int(row, 3),
		.state = state_of(row_str(row, 4)),
		.created = row_int(row, 5),
		.cancelled = row_int(row, 6),
		.ended = row_int(row, 7),
		.span = { row_int(row, 8), row_int(row, 9), row_int(row, 10) },
		.base = { row_int(row, 11), row_int(row, 12) },
		.whole_ms = row_int(row, 13),
		.paid = row_int(row, 14),
		.charged = row_int(row, 15),
		.allowance = row_int(row, 16),
		.account_name = arena_str(a, row_str(row, 17)),
		.package_name = arena_str(a, row_str(row, 18)),
	};
}

/* Rows of a walk, with their terms; how many, or -1. */
static int
read_all(struct db *db, struct arena *a, struct row *row, int most,
    struct subscription **list)
{
	int n = 0;

	*list = arena_alloc(a, (size_t)most * sizeof(**list));
	while (n < most && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	for (int i = 0; i < n && !db_failed(db); i++)
		if (package_terms_get(db, a, (*list)[i].terms.id,
		    &(*list)[i].terms) != 1)
			return -1;
	return db_failed(db) ? -1 : n;
}

int
subscription_get(struct db *db, struct arena *a, int64_t id,
    struct subscription *s)
{
	struct row *row;
	int n = db_one(db, &subscription_part, GET, &row, "i", id);

	if (n != 1)
		return n;
	read_row(a, row, s);
	return package_terms_get(db, a, s->terms.id, &s->terms) == 1 ? 1 : -1;
}

int
subscription_list(struct db *db, struct arena *a, int64_t account,
    int64_t after, struct subscription **list)
{
	return read_all(db, a, db_each(db, &subscription_part, LIST, "ii",
	    account, after), LIST_MAX, list);
}

static int
running(struct db *db, struct arena *a, int64_t account,
    struct subscription **list)
{
	return read_all(db, a, db_each(db, &subscription_part, RUNNING, "i",
	    account), SUBSCRIPTIONS_MAX + 1, list);
}

static const int64_t *
maybe(const int64_t *v)
{
	return *v ? v : NULL;
}

/* When it is to be looked at again. */
static int64_t
next_ms(const struct subscription *s)
{
	return s->state == SUBSCRIPTION_WAITING ? s->span.from_ms :
	    s->span.until_ms;
}

/* full: money does not help, so that nobody asks again for it. */
static bool
save(struct db *db, const struct subscription *s, bool full)
{
	int64_t due = full ? MONEY_MAX : subscription_price(s);

	return db_run(db, &subscription_part, SAVE, "isIIiiiiiIii", s->id,
		   str_of(subscription_states[s->state]), maybe(&s->cancelled),
		   maybe(&s->ended), s->span.number, s->span.from_ms,
		   s->span.until_ms, s->paid, s->charged,
		   maybe(&s->allowance), due, next_ms(s)) == 1;
}

/* --- what a period costs and gives ---------------------------------------- */

/* The share of a first period that is cut short, in whole parts of some size;
 * up: rounded so. */
static int64_t
share(const struct subscription *s, int64_t amount, int64_t part, bool up)
{
	int64_t ms = s->span.until_ms - s->span.from_ms;
	__int128 whole = (__int128)s->whole_ms * part;

	if (s->span.number > 1 || ms >= s->whole_ms)
		return amount;
	part *= (int64_t)(((__int128)amount * ms + (up ? whole - 1 : 0)) /
	    whole);
	return part < amount ? part : amount;
}

int64_t
subscription_price(const struct subscription *s)
{
	return share(s, s->terms.price, CENT, false);
}

int64_t
subscription_quota(const struct subscription *s)
{
	return share(s, s->terms.quota.amount,
	    s->terms.quota.unit == UNIT_USD ? CENT : 1, true);
}

/* --- a period begins ------------------------------------------------------ */

/* What the wallet can pay with, on credit too.  False: failed. */
static bool
wallet_free(struct db *db, int64_t account, int64_t *wallet, int64_t *free)
{
	struct tab_book *b;

	*wallet = ledger_wallet(db, account);
	b = *wallet > 0 ? tab_book(db, *wallet) : NULL;
	if (b)
		*free = b->balance - b->held + b->credit;
	return b != NULL;
}

/* As a reason of transfers, in the arena: "pro, period 3". */
static struct str
reason(struct arena *a, const struct subscription *s)
{
	return arena_printf(a, "%.*s, period %" PRId64,
	    STR_ARGS(s->package_name), s->span.number);
}

/* 1, 0 the account has too many that are not used up, -1. */
static int
open_allowance(struct db *db, struct arena *a, const struct subscription *s,
    bool bonus, struct allowance *of)
{
	int64_t now = db_now(db), from = s->span.from_ms;

	/* It is given when it is paid, not before. */
	if (s->state == SUBSCRIPTION_UNPAID || from < s->created)
		from = now;
	*of = (struct allowance){ .account = s->account, .bonus = bonus,
		.unit = bonus ? UNIT_USD : s->terms.quota.unit,
		.subscription = s->id, .period = s->span.number,
		.from = from, .until = s->span.until_ms,
		.amount = bonus ? s->terms.bonus.amount :
		subscription_quota(s) };
	if (bonus)
		of->until = s->terms.bonus.days ? period_days_on(
		    db_site(db)->zone, from, s->terms.bonus.days) : 0;
	return allowance_open(db, of, bonus ? S("bonus") : S("quota"),
	    reason(a, s));
}

/* The allowances of a period: 1, 0 there is no room for them, -1. */
static int
give(struct db *db, struct arena *a, const struct subscription *s,
    struct allowance *quota)
{
	struct allowance bonus = { .id = 0 };
	int64_t carried;
	int n = 1;

	*quota = (struct allowance){ .id = 0 };
	if (s->terms.bonus.amount && s->paid == 0)
		n = open_allowance(db, a, s, true, &bonus);
	if (n == 1 && s->terms.quota.amount)
		n = open_allowance(db, a, s, false, quota);
	if (n == 0 && bonus.id && !allowance_close(db, bonus.id, 0, 0,
	    &carried))
		return -1;
	return n;
}

/* The allowance of the last paid period ends; what it rolls over goes to the
 * next, if that follows it. */
static bool
end_allowance(struct db *db, struct subscription *s, int64_t to)
{
	struct allowance old;
	int64_t carry = 0, carried;

	if (!s->allowance)
		return true;
	if (allowance_get(db, s->allowance, &old) != 1)
		return false;
	if (to && old.period == s->span.number - 1)
		carry = package_rollover(&s->terms, old.balance - old.held);
	return allowance_close(db, old.id, to && carry ? to : 0, carry,
	    &carried);
}

/* Is the account on?  1, 0, -1. */
static int
account_on(struct db *db, int64_t account)
{
	struct row *row;
	int n = db_one(db, &subscription_part, ACCOUNT_ON, &row, "i", account);

	return n == 1 ? row_int(row, 0) != 0 : -1;
}

/*
 * The period of its span: paid and given.  1; 0: it cannot be now (*why: one of
 * enter_words; the wallet has *available), nothing was changed; -1: failed.
 */
static int
enter(struct db *db, struct arena *a, struct subscription *s,
    enum subscription_verdict *why, int64_t *available)
{
	int64_t price = subscription_price(s), wallet;
	struct allowance quota;
	int n = account_on(db, s->account);

	if (n < 0 || !wallet_free(db, s->account, &wallet, available))
		return -1;
	*why = !n ? SUBSCRIPTION_ACCOUNT_OFF : price > *available && !s->given
	    ? SUBSCRIPTION_SHORT : SUBSCRIPTION_FULL;
	if (*why != SUBSCRIPTION_FULL)
		return 0;
	n = give(db, a, s, &quota);
	if (n <= 0)
		return n;
	if (price > 0 && s->given && !ledger_transfer(db, BOOK_CLEARING,
	    wallet, price, S("voucher"), reason(a, s),
	    (struct str){ NULL, 0 }))
		return -1;
	if (price > 0 && !ledger_transfer(db, wallet, BOOK_REVENUE, price,
	    S("subscription"), reason(a, s), (struct str){ NULL, 0 }))
		return -1;
	if (!end_allowance(db, s, quota.id))
		return -1;
	s->allowance = quota.id;
	s->state = SUBSCRIPTION_ACTIVE;
	s->paid++;
	return 1;
}

/* --- and ends ------------------------------------------------------------- */

static bool
end(struct db *db, struct subscription *s, int64_t at)
{
	if (!end_allowance(db, s, 0))
		return false;
	s->state = SUBSCRIPTION_ENDED;
	s->ended = at;
	return save(db, s, false);
}

bool
subscription_last(const struct subscription *s)
{
	return s->cancelled || s->terms.period.kind == PERIOD_ONCE ||
	    (s->terms.periods && s->span.number >= s->terms.periods);
}

/*
 * The period of a time that is not before that of the span.  False: there is
 * none, and *ended is when the last one did.
 */
static bool
reach(const struct subscription *s, const struct zone *z, int64_t now,
    struct period_span *span, int64_t *ended)
{
	struct subscription at = *s;

	while (at.span.until_ms <= now) {
		*ended = at.span.until_ms;
		if (subscription_last(&at))
			return false;
		at.span = period_after(&at.terms.period, z, &at.base,
		    &at.span);
	}
	*span = at.span;
	return true;
}

/* Why a period that is due is not entered. */
static const char *const enter_words[SUBSCRIPTION_FAILED] = {
	[SUBSCRIPTION_ACCOUNT_OFF] = "the account is off",
	[SUBSCRIPTION_SHORT] = "its wallet lacks the price",
	[SUBSCRIPTION_FULL] = "the account has too many allowances",
};

static bool
turn_one(struct db *db, struct arena *a, struct subscription *s)
{
	enum subscription_state was = s->state;
	int64_t now = db_now(db), ended, available;
	enum subscription_verdict why;
	struct period_span span;
	bool moved;
	int n;

	if ((was == SUBSCRIPTION_WAITING && s->span.from_ms > now) ||
	    (was == SUBSCRIPTION_ACTIVE && s->span.until_ms > now))
		return true;
	if (!reach(s, db_site(db)->zone, now, &span, &ended))
		return end(db, s, ended);
	moved = span.number != s->span.number;
	if (moved) {
		s->span = span;
		s->charged = 0;
		s->state = SUBSCRIPTION_ACTIVE;
	}
	n = enter(db, a, s, &why, &available);
	if (n == 0 && was == SUBSCRIPTION_UNPAID && !moved &&
	    why != SUBSCRIPTION_FULL)
		return true;
	if (n == 0 && was != SUBSCRIPTION_UNPAID)
		log_line(LOG_WARN, "subscription %" PRId64 " of account %.*s "
		    "to %.*s is unpaid: %s", s->id, STR_ARGS(s->account_name),
		    STR_ARGS(s->package_name), enter_words[why]);
	if (n == 0)
		s->state = SUBSCRIPTION_UNPAID;
	return n >= 0 && save(db, s, n == 0 && why == SUBSCRIPTION_FULL);
}

static int
by_next(const void *a, const void *b)
{
	const struct subscription *x = a, *y = b;

	if (next_ms(x) != next_ms(y))
		return next_ms(x) < next_ms(y) ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* In the order in which their time came: the wallet may not last for all. */
bool
subscription_turn(struct db *db, int64_t account)
{
	struct subscription *list;
	struct arena a;
	int n;

	arena_init(&a);
	n = running(db, &a, account, &list);
	if (n > 1)
		qsort(list, (size_t)n, sizeof(*list), by_next);
	for (int i = 0; i < n; i++)
		if (!turn_one(db, &a, &list[i]))
			n = -1;
	arena_release(&a);
	return n >= 0;
}

int
subscription_turn_some(struct db *db)
{
	int64_t accounts[TURN_ACCOUNTS];
	struct row *row;
	int n = 0;

	if (!tab_flush(db))
		return -1;
	row = db_each(db, &subscription_part, DUE_ACCOUNTS, "i", db_now(db));
	while (n < TURN_ACCOUNTS && db_next(row) == 1)
		accounts[n++] = row_int(row, 0);
	db_reset(row);
	for (int i = 0; i < n; i++)
		if (!subscription_turn(db, accounts[i]))
			return -1;
	return db_failed(db) ? -1 : n;
}

int
subscription_due(struct db *db)
{
	struct row *row;

	return db_one(db, &subscription_part, ANY_DUE, &row, "i", db_now(db));
}

/* --- by hand -------------------------------------------------------------- */

/* May it begin?  DONE, or why not. */
static enum subscription_verdict
allowed(struct db *db, struct arena *a, const struct subscription *s,
    int64_t *same)
{
	bool once = s->terms.period.kind == PERIOD_ONCE;
	struct subscription *list;
	struct row *row;
	int n = running(db, a, s->account, &list);

	if (n >= SUBSCRIPTIONS_MAX)
		return SUBSCRIPTION_FULL;
	if (n >= 0 && s->terms.trial) {
		n = db_one(db, &subscription_part, TRIED, &row, "ii",
		    s->account, s->package);
		if (n == 1)
			return SUBSCRIPTION_TRIED;
	}
	/* Credit that is given once may be bought again and again. */
	if (n >= 0 && !once) {
		n = db_one(db, &subscription_part, SAME, &row, "ii",
		    s->account, s->package);
		if (n == 1) {
			*same = row_int(row, 0);
			return SUBSCRIPTION_TWICE;
		}
	}
	return n < 0 ? SUBSCRIPTION_FAILED : SUBSCRIPTION_DONE;
}

static bool
add(struct db *db, struct subscription *s)
{
	if (db_run(db, &subscription_part, ADD, "iiisiiiiiii", s->account,
	    s->package, s->terms.id, str_of(subscription_states[s->state]),
	    s->created, s->span.number, s->span.from_ms, s->span.until_ms,
	    s->base.day, s->base.ms_of_day, s->whole_ms) != 1)
		return false;
	s->id = db_last_id(db);
	return true;
}

enum subscription_verdict
subscription_new(struct db *db, struct arena *a, int64_t account,
    const struct package_row *p, int64_t from_ms, bool given,
    struct subscription *s, int64_t *available)
{
	const struct zone *z = db_site(db)->zone;
	enum subscription_verdict v;
	int64_t now = db_now(db), ended;
	int n;

	*s = (struct subscription){ .account = account, .package = p->id,
		.terms = p->terms, .created = now, .given = given,
		.package_name = p->name };
	if (!p->enabled)
		return SUBSCRIPTION_OFF;
	if (!subscription_turn(db, account))
		return SUBSCRIPTION_FAILED;
	v = allowed(db, a, s, &s->id);
	if (v != SUBSCRIPTION_DONE)
		return v;
	s->span = period_first(&s->terms.period, z, from_ms, &s->base,
	    &s->whole_ms);
	if (s->terms.period.kind == PERIOD_ONCE) {
		s->span.until_ms = period_days_on(z, from_ms,
		    s->terms.expires_days);
		s->whole_ms = s->span.until_ms - from_ms;
	}
	if (!reach(s, z, now, &s->span, &ended))
		return SUBSCRIPTION_OVER;
	if (!add(db, s))
		return SUBSCRIPTION_FAILED;
	n = from_ms > now ? 1 : enter(db, a, s, &v, available);
	if (n == 0)
		return v;
	return n == 1 && save(db, s, false) ? SUBSCRIPTION_DONE
					    : SUBSCRIPTION_FAILED;
}

int
subscription_cancel(struct db *db, struct arena *a, int64_t id,
    struct subscription *s)
{
	int n = subscription_get(db, a, id, s);

	if (n != 1)
		return n;
	if (!subscription_turn(db, s->account) ||
	    subscription_get(db, a, id, s) != 1)
		return -1;
	if (s->ended || s->cancelled)
		return 0;
	s->cancelled = db_now(db);
	return (s->state == SUBSCRIPTION_ACTIVE ? save(db, s, false) :
	    end(db, s, s->cancelled)) ? 1 : -1;
}

/* --- for calls ------------------------------------------------------------ */

bool
subscription_look(struct db *db, int64_t account, struct subscribed *s)
{
	struct row *row;

	if (db_one(db, &subscription_part, LOOK, &row, "i", account) != 1)
		return false;
	*s = (struct subscribed){
		.until = row_null(row, 0) ? INT64_MAX : row_int(row, 0),
		.unpaid = row_null(row, 1) ? INT64_MAX : row_int(row, 1),
		.closed = row_int(row, 2),
		.volume = row_int(row, 3),
	};
	return true;
}

/* Of several the largest. */
bool
subscription_discount(struct db *db, int64_t account, int64_t *ppm)
{
	struct row *row = db_each(db, &subscription_part, VOLUMES, "i",
	    account);
	int64_t until;

	for (*ppm = 0; db_next(row) == 1; ) {
		int64_t one = package_discount(row_str(row, 0),
		    row_int(row, 1), &until);

		if (one > *ppm)
			*ppm = one;
	}
	db_reset(row);
	return !db_failed(db);
}

bool
subscription_charge(struct db *db, int64_t account, int64_t admitted_ms,
    int64_t amount)
{
	return db_run(db, &subscription_part, CHARGE, "iii", account,
		   admitted_ms, amount) >= 0;
}
