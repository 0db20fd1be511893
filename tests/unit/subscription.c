/* SPDX-License-Identifier: MIT */
/*
 * subscription.c - subscriptions through simulated years: what is paid, given,
 * rolled over and taken back is exact, whenever somebody looks.
 */
#include "db/subscription.h"

#include "db/allowance.h"
#include "db/setting.h"
#include "fcgi/base/log.h"
#include "tests/unit/shop.h"

#define USD(n)	((int64_t)(n) * NANO)
#define CENT(n)	((int64_t)(n) * (NANO / 100))

static int64_t the_time;

static int64_t
fixed_clock(void)
{
	return the_time;
}

static int64_t
at(const char *text)
{
	int64_t ms;

	if (!clock_read(str_of(text), 0, &ms))
		fail_msg("%s is no time", text);
	return ms;
}

/* Nobody waits for the disk here. */
static bool
change(struct shop *s,
    bool (*work)(struct shop *shop, struct db *db, void *arg), void *arg)
{
	struct shop_do d = { s, work, arg };

	return store_write(s->store, false, shop_run, &d);
}

static bool
do_zone(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return setting_set(db, S("site.time_zone"), str_of(arg));
}

/* A shop in a zone, at a time, whose account has nothing. */
static struct shop *
start(const char *zone, const char *now)
{
	struct shop *s = xnew(struct shop);
	struct str why;

	shop_init(s);
	s->balance = 0;
	the_time = at(now);
	shop_open(s);
	assert_true(change(s, do_zone, (void *)(uintptr_t)zone));
	db_close(s->reader);
	store_close(s->store);
	s->store = shop_enter(s);
	assert_non_null(s->store);
	shop_clock(s, fixed_clock);
	s->reader = store_reader(s->store, &s->a, &why);
	assert_non_null(s->reader);
	return s;
}

static void
stop(struct shop *s)
{
	shop_check(s);
	shop_close(s);
	free(s);
}

/* --- what is done in transactions ----------------------------------------- */

struct buying {
	const char *name;
	struct package_terms terms;
	int64_t from;			/* 0: now */
	bool off;
	/* out */
	enum subscription_verdict verdict;
	struct subscription s;
	int64_t available;
};

static bool
do_buy(struct shop *s, struct db *db, void *arg)
{
	struct buying *b = arg;
	struct package_row p;
	int n = package_find(db, &s->a, str_of(b->name), &p);

	if (n == 0)
		package_blank(&p, str_of(b->name));
	if (n >= 0 && (n == 0 || b->terms.price || b->terms.quota.amount)) {
		p.terms = b->terms;
		p.enabled = !b->off;
		if (!package_put(db, &s->a, &p))
			return false;
	}
	b->verdict = subscription_new(db, &s->a, s->account, &p,
	    b->from ? b->from : db_now(db), false, &b->s, &b->available);
	return b->verdict == SUBSCRIPTION_DONE;
}

/* The id of the subscription. */
static int64_t
buy(struct shop *s, struct buying *b)
{
	if (!change(s, do_buy, b))
		fail_msg("%s was not to be had: %d", b->name, (int)b->verdict);
	return b->s.id;
}

static void
not_to_be_had(struct shop *s, struct buying *b, enum subscription_verdict v)
{
	assert_false(change(s, do_buy, b));
	assert_int_equal(b->verdict, v);
}

static bool
do_turn(struct shop *s, struct db *db, void *arg)
{
	(void)arg;
	return subscription_turn(db, s->account);
}

static bool
do_some(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	*(int *)arg = subscription_turn_some(db);
	return *(int *)arg >= 0 && allowance_sweep(db) >= 0;
}

static bool
do_cancel(struct shop *s, struct db *db, void *arg)
{
	struct subscription sub;
	int64_t *id = arg;

	*id = subscription_cancel(db, &s->a, *id, &sub);
	return *id >= 0;
}

static bool
do_grant(struct shop *s, struct db *db, void *arg)
{
	/* Who moves money in an account turns what it has first. */
	return subscription_turn(db, s->account) &&
	    ledger_grant(db, s->account, *(int64_t *)arg, S("test")) ==
		LEDGER_DONE && subscription_turn(db, s->account);
}

static void
grant(struct shop *s, int64_t amount)
{
	assert_true(change(s, do_grant, &amount));
}

/* Uses so much of the allowances of subscriptions, as calls would. */
static bool
do_use(struct shop *s, struct db *db, void *arg)
{
	int64_t left = *(int64_t *)arg;
	struct allowance *list;
	int n = allowance_list(db, &s->a, s->account, &list);

	for (int i = 0; i < n && left > 0; i++) {
		int64_t free = list[i].balance - list[i].held;
		int64_t part = free < left ? free : left;

		if (list[i].ended || list[i].from > db_now(db) || part == 0 ||
		    (list[i].until && list[i].until <= db_now(db)))
			continue;
		if (!ledger_transfer(db, list[i].book, ledger_book(BOOK_REVENUE,
		    list[i].unit), part, S("test"), S("used"),
		    (struct str){ NULL, 0 }))
			return false;
		left -= part;
	}
	*(int64_t *)arg = left;
	return n >= 0 && subscription_turn(db, s->account);
}

static void
use(struct shop *s, int64_t amount)
{
	assert_true(change(s, do_turn, NULL));
	assert_true(change(s, do_use, &amount));
	assert_int_equal(amount, 0);
}

static bool
do_sql(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static int64_t
number(struct shop *s, const char *sql)
{
	int64_t v = 0;

	assert_true(db_number(s->reader, sql, &v) >= 0);
	return v;
}

static int64_t
wallet(struct shop *s)
{
	int64_t balance, held;

	shop_money(s, &balance, &held);
	return balance;
}

/* What may be used now, of allowances. */
static int64_t
left(struct shop *s)
{
	struct allowance *list;
	int n = allowance_list(s->reader, &s->a, s->account, &list);
	int64_t sum = 0;

	assert_true(n >= 0);
	for (int i = 0; i < n; i++)
		if (!list[i].ended && list[i].from <= the_time &&
		    (!list[i].until || list[i].until > the_time))
			sum += list[i].balance - list[i].held;
	return sum;
}

static struct subscription
look(struct shop *s, int64_t id)
{
	struct subscription sub;

	assert_int_equal(subscription_get(s->reader, &s->a, id, &sub), 1);
	return sub;
}

static void
go(struct shop *s, const char *now)
{
	the_time = at(now);
	assert_true(change(s, do_turn, NULL));
}

/* --- through the years ---------------------------------------------------- */

enum act { BUY, LOOK, GRANT, USE, CANCEL };

/* What happens to one subscription, and what is true afterwards. */
struct step {
	const char *now;
	enum act act;
	int64_t amount;			/* granted, used */
	/* afterwards */
	enum subscription_state state;
	int64_t number;			/* of the period that runs */
	const char *until;
	int64_t wallet, left;
};

struct story {
	const char *name, *zone;
	struct package_terms terms;
	int64_t wallet;			/* to begin with */
	struct step steps[14];
};

#define MONTHLY .period = { PERIOD_MONTH, 0, 0 }
#define W SUBSCRIPTION_WAITING
#define A SUBSCRIPTION_ACTIVE
#define U SUBSCRIPTION_UNPAID
#define E SUBSCRIPTION_ENDED

static const struct story stories[] = {
	{ "the 31st, through a leap year", "UTC",
	    { .price = USD(20), .quota = { UNIT_USD, USD(25) }, MONTHLY },
	    USD(1000), {
	    { "2027-12-31T10:00:00Z", BUY, 0, A, 1, "2028-01-31T10:00:00Z",
		USD(980), USD(25) },
	    { "2028-01-15", USE, USD(7), A, 1, "2028-01-31T10:00:00Z",
		USD(980), USD(18) },
	    { "2028-01-31T09:59:59.999Z", LOOK, 0, A, 1,
		"2028-01-31T10:00:00Z", USD(980), USD(18) },
	    { "2028-01-31T10:00:00Z", LOOK, 0, A, 2, "2028-02-29T10:00:00Z",
		USD(960), USD(25) },
	    { "2028-02-29T10:00:00Z", LOOK, 0, A, 3, "2028-03-31T10:00:00Z",
		USD(940), USD(25) },
	    { "2028-03-31T09:00:00Z", LOOK, 0, A, 3, "2028-03-31T10:00:00Z",
		USD(940), USD(25) },
	    { "2028-04-01", LOOK, 0, A, 4, "2028-04-30T10:00:00Z", USD(920),
		USD(25) },
	    { "2028-05-01", CANCEL, 0, A, 5, "2028-05-31T10:00:00Z", USD(900),
		USD(25) },
	    { "2028-05-31T09:00:00Z", USE, USD(25), A, 5,
		"2028-05-31T10:00:00Z", USD(900), 0 },
	    { "2028-05-31T10:00:00Z", LOOK, 0, E, 5, "2028-05-31T10:00:00Z",
		USD(900), 0 },
	    { "2030-01-01", LOOK, 0, E, 5, "2028-05-31T10:00:00Z", USD(900),
		0 } } },
	{ "a leap day's years", "UTC",
	    { .price = USD(100), .quota = { UNIT_TOKEN, 1000 },
	    .period = { PERIOD_YEAR, 0, 0 }, .periods = 5 }, USD(1000), {
	    { "2024-02-29T06:00:00Z", BUY, 0, A, 1, "2025-02-28T06:00:00Z",
		USD(900), 1000 },
	    { "2025-02-28T06:00:00Z", LOOK, 0, A, 2, "2026-02-28T06:00:00Z",
		USD(800), 1000 },
	    { "2026-03-01", USE, 10, A, 3, "2027-02-28T06:00:00Z", USD(700),
		990 },
	    { "2027-03-01", LOOK, 0, A, 4, "2028-02-29T06:00:00Z", USD(600),
		1000 },
	    { "2028-02-29T05:59:59Z", LOOK, 0, A, 4, "2028-02-29T06:00:00Z",
		USD(600), 1000 },
	    { "2028-02-29T06:00:00Z", LOOK, 0, A, 5, "2029-02-28T06:00:00Z",
		USD(500), 1000 },
	    { "2029-02-28T06:00:00Z", LOOK, 0, E, 5, "2029-02-28T06:00:00Z",
		USD(500), 0 } } },
	{ "summer and winter", "Europe/Berlin",
	    { .price = USD(1), .quota = { UNIT_REQUEST, 10 },
	    .period = { PERIOD_DAYS, 1, 0 } }, USD(10), {
	    { "2026-03-27T11:00:00Z", BUY, 0, A, 1, "2026-03-28T11:00:00Z",
		USD(9), 10 },
	    { "2026-03-28T11:00:00Z", LOOK, 0, A, 2, "2026-03-29T10:00:00Z",
		USD(8), 10 },
	    { "2026-03-29T09:59:59Z", USE, 3, A, 2, "2026-03-29T10:00:00Z",
		USD(8), 7 },
	    { "2026-03-29T10:00:00Z", LOOK, 0, A, 3, "2026-03-30T10:00:00Z",
		USD(7), 10 } } },
	{ "a given day, the first month is short", "Europe/Berlin",
	    { .price = USD(30), .quota = { UNIT_REQUEST, 1000 },
	    .period = { PERIOD_MONTH, 0, 1 } }, USD(100), {
	    /* 15 of 30 days, in local time. */
	    { "2026-11-15T23:00:00Z", BUY, 0, A, 1, "2026-11-30T23:00:00Z",
		USD(85), 500 },
	    { "2026-11-30T23:00:00Z", LOOK, 0, A, 2, "2026-12-31T23:00:00Z",
		USD(55), 1000 },
	    { "2027-03-31T22:00:00Z", LOOK, 0, A, 6, "2027-04-30T22:00:00Z",
		USD(25), 1000 } } },
	/* 17 of 31 days: prices in whole cents down, quotas up. */
	{ "shares of the first month", "UTC",
	    { .price = USD(10), .quota = { UNIT_USD, USD(25) },
	    .period = { PERIOD_MONTH, 0, 1 } }, USD(100), {
	    { "2026-12-15", BUY, 0, A, 1, "2027-01-01", CENT(10000 - 548),
		CENT(1371) },
	    { "2027-01-01", LOOK, 0, A, 2, "2027-02-01",
		CENT(9000 - 548), USD(25) } } },
	{ "half of what is left, but ten at most", "UTC",
	    { .price = USD(5), .quota = { UNIT_USD, USD(10) }, MONTHLY,
	    .rollover = { 50, { UNIT_USD, USD(6) } } }, USD(100), {
	    { "2026-01-01", BUY, 0, A, 1, "2026-02-01", USD(95), USD(10) },
	    { "2026-01-02", USE, USD(4), A, 1, "2026-02-01", USD(95),
		USD(6) },
	    { "2026-02-01", LOOK, 0, A, 2, "2026-03-01", USD(90), USD(13) },
	    { "2026-03-01", LOOK, 0, A, 3, "2026-04-01", USD(85), USD(16) },
	    { "2026-04-01", LOOK, 0, A, 4, "2026-05-01", USD(80), USD(16) },
	    { "2026-04-02", USE, USD(16), A, 4, "2026-05-01", USD(80), 0 },
	    { "2026-05-01", LOOK, 0, A, 5, "2026-06-01", USD(75),
		USD(10) } } },
	{ "unpaid, then paid, then not again", "UTC",
	    { .price = USD(10), .quota = { UNIT_USD, USD(12) }, MONTHLY,
	    .rollover = { 100, { UNIT_USD, 0 } } }, USD(15), {
	    { "2026-01-10", BUY, 0, A, 1, "2026-02-10", USD(5), USD(12) },
	    { "2026-02-01", USE, USD(2), A, 1, "2026-02-10", USD(5),
		USD(10) },
	    { "2026-02-10", LOOK, 0, U, 2, "2026-03-10", USD(5), 0 },
	    { "2026-02-15", GRANT, CENT(499), U, 2, "2026-03-10", CENT(999),
		0 },
	    /* What was left of the first period is not lost. */
	    { "2026-02-20", GRANT, CENT(1), A, 2, "2026-03-10", 0, USD(22) },
	    { "2026-03-10", LOOK, 0, U, 3, "2026-04-10", 0, 0 },
	    { "2026-04-09", LOOK, 0, U, 3, "2026-04-10", 0, 0 },
	    { "2026-04-10", LOOK, 0, U, 4, "2026-05-10", 0, 0 },
	    /* Of a period that was paid two months ago it is. */
	    { "2026-04-11", GRANT, USD(10), A, 4, "2026-05-10", 0,
		USD(12) },
	    { "2026-05-10", LOOK, 0, U, 5, "2026-06-10", 0, 0 },
	    { "2026-05-11", CANCEL, 0, E, 5, "2026-06-10", 0, 0 } } },
	{ "credit that expires", "UTC",
	    { .price = USD(10), .quota = { UNIT_USD, USD(10) },
	    .bonus = { USD(2), 30 }, .period = { PERIOD_ONCE, 0, 0 },
	    .expires_days = 365 }, USD(10), {
	    { "2027-06-01T12:00:00Z", BUY, 0, A, 1, "2028-05-31T12:00:00Z", 0,
		USD(12) },
	    /* The bonus pays first, and ends first. */
	    { "2027-06-02", USE, USD(1), A, 1, "2028-05-31T12:00:00Z", 0,
		USD(11) },
	    { "2027-07-01T12:00:00Z", LOOK, 0, A, 1, "2028-05-31T12:00:00Z",
		0, USD(10) },
	    { "2028-05-31T11:59:59Z", USE, USD(3), A, 1,
		"2028-05-31T12:00:00Z", 0, USD(7) },
	    { "2028-05-31T12:00:00Z", LOOK, 0, E, 1, "2028-05-31T12:00:00Z",
		0, 0 } } },
	/* Weir did not run: months that were over are not paid for. */
	{ "nobody looked for a quarter", "UTC",
	    { .price = USD(10), .quota = { UNIT_USD, USD(10) }, MONTHLY,
	    .rollover = { 100, { UNIT_USD, 0 } } }, USD(100), {
	    { "2026-01-01", BUY, 0, A, 1, "2026-02-01", USD(90), USD(10) },
	    { "2026-05-15", LOOK, 0, A, 5, "2026-06-01", USD(80),
		USD(10) } } },
};

static void
does(struct shop *s, const struct story *k, const struct step *step,
    int64_t *id)
{
	struct buying b = { .name = "p", .terms = k->terms };

	the_time = at(step->now);
	switch (step->act) {
	case BUY:
		b.terms.overflow = true;
		b.terms.volume = S("");
		*id = buy(s, &b);
		break;
	case LOOK:
		assert_true(change(s, do_turn, NULL));
		break;
	case GRANT:
		grant(s, step->amount);
		break;
	case USE:
		use(s, step->amount);
		break;
	case CANCEL: {
		int64_t done = *id;

		assert_true(change(s, do_cancel, &done));
		assert_int_equal(done, 1);
		break;
	}
	}
}

static void
as_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(stories); i++) {
		const struct story *k = &stories[i];
		struct shop *s = start(k->zone, k->steps[0].now);
		int64_t id = 0;

		grant(s, k->wallet);
		for (const struct step *step = k->steps; step->now; step++) {
			struct subscription sub;

			does(s, k, step, &id);
			sub = look(s, id);
			if (sub.state != step->state ||
			    sub.span.number != step->number ||
			    sub.span.until_ms != at(step->until) ||
			    wallet(s) != step->wallet ||
			    left(s) != step->left)
				fail_msg("%s, %s: %s, period %lld until %lld, "
				    "wallet %lld, left %lld", k->name,
				    step->now, subscription_states[sub.state],
				    (long long)sub.span.number,
				    (long long)sub.span.until_ms,
				    (long long)wallet(s), (long long)left(s));
			shop_check(s);
		}
		stop(s);
	}
}

/* --- it does not matter when somebody looks ------------------------------- */

/* Ten years of a few subscriptions at once; money comes now and then.  Every
 * `pause` ms the keeper looks.  What it came to, as text. */
static struct str
ten_years(int64_t pause, struct arena *a)
{
	static const struct package_terms terms[] = {
		{ .price = USD(20), .quota = { UNIT_USD, USD(30) }, MONTHLY,
		  .rollover = { 50, { UNIT_USD, 0 } } },
		{ .price = USD(3), .quota = { UNIT_TOKEN, 1000 },
		  .period = { PERIOD_WEEK, 0, 1 }, .periods = 300 },
		{ .price = USD(7), .quota = { UNIT_REQUEST, 70 },
		  .period = { PERIOD_MONTH, 0, 31 } },
		{ .quota = { UNIT_REQUEST, 1 }, .period = { PERIOD_DAYS, 7, 0 },
		  .rollover = { 100, { UNIT_REQUEST, 5 } } },
	};
	const int64_t day = 86400000;
	struct shop *s = start("Europe/Berlin", "2026-01-31T09:30:00Z");
	int64_t begun = the_time, next = the_time, v[8];
	struct buf b = BUF(a, 65536);

	grant(s, USD(100));
	for (size_t i = 0; i < countof(terms); i++) {
		struct buying one = { .terms = terms[i] };

		one.name = arena_printf(a, "p%zu", i).p;
		one.terms.overflow = true;
		one.terms.volume = S("");
		buy(s, &one);
	}
	/* A week is the shortest period: nobody looks away for longer. */
	for (int week = 1; week <= 522; week++) {
		int64_t until = begun + week * 7 * day - 3 * 3600000;
		int n;

		for (; next < until; next += pause) {
			the_time = next;
			assert_true(change(s, do_some, &n));
		}
		the_time = until;
		if (week % 4 == 0)
			grant(s, USD(week % 52 == 0 ? 5 : 33));
		else
			assert_true(change(s, do_turn, NULL));
		if (week % 3 == 0) {
			int64_t amount = 5;

			assert_true(change(s, do_use, &amount));
		}
	}
	assert_true(change(s, do_some, &(int){ 0 }));
	v[0] = wallet(s);
	v[1] = number(s, "SELECT balance FROM book WHERE id = 1");
	v[2] = number(s, "SELECT balance FROM book WHERE id = 4");
	v[3] = number(s, "SELECT balance FROM book WHERE id = 8");
	v[4] = number(s, "SELECT balance FROM book WHERE id = 11");
	v[5] = number(s, "SELECT sum(paid) FROM subscription");
	v[6] = number(s, "SELECT sum(amount) FROM transfer "
			 "WHERE kind = 'carry'");
	v[7] = number(s, "SELECT sum(number * id) FROM subscription");
	for (size_t i = 0; i < countof(v); i++)
		buf_printf(&b, "%lld ", (long long)v[i]);
	stop(s);
	return buf_str(&b);
}

static void
whenever_somebody_looks(void **state)
{
	const int64_t hour = 3600000;
	struct arena a;
	struct str first, other;

	(void)state;
	arena_init(&a);
	first = ten_years(7 * 24 * hour, &a);
	other = ten_years(31 * hour, &a);
	if (!str_eq(first, other))
		fail_msg("%.*s\nand %.*s", STR_ARGS(first), STR_ARGS(other));
	arena_release(&a);
}

/* --- what is refused ------------------------------------------------------ */

static void
refused(void **state)
{
	struct shop *s = start("UTC", "2026-01-10T00:00:00Z");
	struct package_terms t = { .price = USD(10), .overflow = true,
		.quota = { UNIT_USD, USD(12) }, MONTHLY, .volume = S("") };
	struct buying b = { .name = "p", .terms = t }, off = b, many;
	int64_t id;

	(void)state;
	not_to_be_had(s, &b, SUBSCRIPTION_SHORT);
	assert_int_equal(b.available, 0);
	grant(s, USD(1000));
	off.off = true;
	not_to_be_had(s, &off, SUBSCRIPTION_OFF);
	id = buy(s, &b);
	not_to_be_had(s, &b, SUBSCRIPTION_TWICE);
	assert_int_equal(b.s.id, id);
	assert_int_equal(wallet(s), USD(990));
	/* One that is cancelled may be bought anew. */
	assert_true(change(s, do_cancel, &(int64_t){ id }));
	assert_int_equal(look(s, id).state, SUBSCRIPTION_ACTIVE);
	buy(s, &b);
	/* Again is nothing. */
	assert_true(change(s, do_cancel, &id));
	assert_int_equal(id, 0);
	id = 99;
	assert_true(change(s, do_cancel, &id));
	assert_int_equal(id, 0);
	/* An account that is off gets nothing, and pays nothing. */
	assert_true(change(s, do_sql, "UPDATE account SET enabled = 0"));
	off = (struct buying){ .name = "q", .terms = t };
	not_to_be_had(s, &off, SUBSCRIPTION_ACCOUNT_OFF);
	go(s, "2026-02-10");
	assert_int_equal(wallet(s), USD(980));
	assert_int_equal(look(s, b.s.id).state, SUBSCRIPTION_UNPAID);
	assert_true(change(s, do_sql, "UPDATE account SET enabled = 1"));
	assert_int_equal(subscription_due(s->reader), 1);
	go(s, "2026-02-11");
	assert_int_equal(wallet(s), USD(970));
	assert_int_equal(subscription_due(s->reader), 0);
	/* So many at a time. */
	many = (struct buying){ .name = "once", .terms = t };
	many.terms.period = (struct period){ PERIOD_ONCE, 0, 0 };
	many.terms.expires_days = 1;
	for (int i = 1; i < SUBSCRIPTIONS_MAX; i++)
		buy(s, &many);
	not_to_be_had(s, &many, SUBSCRIPTION_FULL);
	stop(s);
}

static void
once_per_account(void **state)
{
	struct shop *s = start("UTC", "2026-01-10T00:00:00Z");
	struct buying b = { .name = "trial", .terms = { .trial = true,
		.quota = { UNIT_TOKEN, 1000 }, .overflow = true,
		.period = { PERIOD_ONCE, 0, 0 }, .expires_days = 14,
		.volume = S("") } };
	int64_t id;

	(void)state;
	id = buy(s, &b);
	assert_int_equal(left(s), 1000);
	not_to_be_had(s, &b, SUBSCRIPTION_TRIED);
	go(s, "2026-01-24");
	assert_int_equal(look(s, id).state, SUBSCRIPTION_ENDED);
	assert_int_equal(look(s, id).ended, at("2026-01-24"));
	assert_int_equal(left(s), 0);
	not_to_be_had(s, &b, SUBSCRIPTION_TRIED);
	stop(s);
}

/* --- later, earlier ------------------------------------------------------- */

static void
from_a_time(void **state)
{
	struct shop *s = start("UTC", "2026-01-10T00:00:00Z");
	struct package_terms t = { .price = USD(10), .overflow = true,
		.quota = { UNIT_USD, USD(12) }, .bonus = { USD(3), 0 },
		MONTHLY, .volume = S(""), .periods = 4 };
	struct buying b = { .name = "later", .terms = t,
		.from = at("2026-02-01") };
	int64_t id;

	(void)state;
	id = buy(s, &b);
	assert_int_equal(look(s, id).state, SUBSCRIPTION_WAITING);
	go(s, "2026-01-31T23:59:59Z");
	assert_int_equal(look(s, id).state, SUBSCRIPTION_WAITING);
	go(s, "2026-02-01");
	assert_int_equal(look(s, id).state, SUBSCRIPTION_UNPAID);
	the_time = at("2026-02-02");
	grant(s, USD(100));
	assert_int_equal(look(s, id).state, SUBSCRIPTION_ACTIVE);
	assert_int_equal(left(s), USD(15));
	assert_int_equal(wallet(s), USD(90));
	/* The bonus comes once, and has no end. */
	go(s, "2026-03-01");
	assert_int_equal(left(s), USD(15));
	assert_int_equal(wallet(s), USD(80));
	go(s, "2027-03-01");
	assert_int_equal(left(s), USD(3));
	assert_int_equal(look(s, id).ended, at("2026-06-01"));
	/* From the past: what is over is neither paid nor given. */
	b = (struct buying){ .name = "earlier", .terms = t,
		.from = at("2026-12-31") };
	id = buy(s, &b);
	assert_int_equal(look(s, id).span.number, 3);
	assert_int_equal(look(s, id).span.until_ms, at("2027-03-31"));
	assert_int_equal(wallet(s), USD(70));
	assert_int_equal(left(s), USD(18));
	b.from = at("2026-01-01");
	b.name = "long ago";
	not_to_be_had(s, &b, SUBSCRIPTION_OVER);
	/* Waiting ends at once. */
	b = (struct buying){ .name = "never", .terms = t,
		.from = at("2027-12-31") };
	id = buy(s, &b);
	assert_true(change(s, do_cancel, &(int64_t){ id }));
	assert_int_equal(look(s, id).state, SUBSCRIPTION_ENDED);
	stop(s);
}

/* An edit of the package is for others. */
static void
as_it_was(void **state)
{
	struct shop *s = start("UTC", "2026-01-01T00:00:00Z");
	struct buying b = { .name = "p", .terms = { .price = USD(10),
		.quota = { UNIT_USD, USD(12) }, MONTHLY, .overflow = true,
		.volume = S("") } };
	int64_t id;

	(void)state;
	grant(s, USD(100));
	id = buy(s, &b);
	b.terms.price = USD(99);
	b.terms.quota.amount = USD(1);
	b.off = true;
	not_to_be_had(s, &b, SUBSCRIPTION_OFF);
	assert_true(change(s, do_sql, "UPDATE package SET enabled = 0"));
	go(s, "2026-02-01");
	assert_int_equal(wallet(s), USD(80));
	assert_int_equal(left(s), USD(12));
	assert_int_equal(look(s, id).terms.price, USD(10));
	stop(s);
}

/* The site's zone changes while a period runs. */
static void
another_zone(void **state)
{
	struct shop *s = start("Europe/Berlin", "2026-01-31T23:00:00Z");
	struct buying b = { .name = "p", .terms = { .price = USD(10),
		.quota = { UNIT_USD, USD(12) }, .overflow = true,
		.period = { PERIOD_MONTH, 0, 1 }, .volume = S("") } };
	struct str why;
	int64_t id;

	(void)state;
	grant(s, USD(100));
	id = buy(s, &b);
	assert_int_equal(look(s, id).span.until_ms,
	    at("2026-02-28T23:00:00Z"));
	assert_true(change(s, do_zone, (void *)(uintptr_t)
	    "America/Los_Angeles"));
	store_close(s->store);
	s->store = shop_enter(s);
	shop_clock(s, fixed_clock);
	db_close(s->reader);
	s->reader = store_reader(s->store, &s->a, &why);
	go(s, "2026-02-28T22:59:59Z");
	assert_int_equal(look(s, id).span.number, 1);
	go(s, "2026-02-28T23:00:00Z");
	assert_int_equal(look(s, id).span.number, 2);
	assert_int_equal(look(s, id).span.from_ms,
	    at("2026-02-28T23:00:00Z"));
	assert_int_equal(look(s, id).span.until_ms,
	    at("2026-04-01T07:00:00Z"));
	assert_int_equal(wallet(s), USD(80));
	stop(s);
}

/* --- volume, overflow ----------------------------------------------------- */

struct asking {
	struct subscribed s;
	int64_t ppm, admitted, amount;
};

static bool
do_ask(struct shop *s, struct db *db, void *arg)
{
	struct asking *k = arg;

	return subscription_turn(db, s->account) &&
	    (!k->amount || subscription_charge(db, s->account, k->admitted,
	    k->amount)) &&
	    subscription_look(db, s->account, &k->s) &&
	    subscription_discount(db, s->account, &k->ppm);
}

static struct asking
charge(struct shop *s, int64_t admitted, int64_t amount)
{
	struct asking k = { .admitted = admitted, .amount = amount };

	assert_true(change(s, do_ask, &k));
	return k;
}

static void
what_calls_ask(void **state)
{
	struct shop *s = start("UTC", "2026-01-01T00:00:00Z");
	struct buying b = { .name = "p", .terms = { .price = USD(10),
		.overflow = true, MONTHLY,
		.volume = S("[[10000000000,50000],[20000000000,250000]]") } };
	struct asking k = charge(s, the_time, 0);
	int64_t before;

	(void)state;
	assert_true(k.s.until == INT64_MAX && k.s.unpaid == INT64_MAX);
	assert_true(!k.s.closed && !k.s.volume && k.ppm == 0);
	grant(s, USD(15));
	buy(s, &b);
	k = charge(s, the_time, 0);
	assert_int_equal(k.s.until, at("2026-02-01"));
	assert_true(k.s.volume && !k.s.closed);
	assert_int_equal(charge(s, the_time, USD(10)).ppm, 0);
	assert_int_equal(charge(s, the_time, 1).ppm, 50000);
	assert_int_equal(charge(s, the_time, USD(10)).ppm, 250000);
	/* Unpaid: no discount; the next look is when it could be paid. */
	before = the_time;
	the_time = at("2026-02-01");
	k = charge(s, before, USD(50));
	assert_int_equal(k.ppm, 0);
	assert_int_equal(k.s.unpaid, USD(10));
	assert_int_equal(k.s.until, at("2026-03-01"));
	grant(s, USD(5));
	/* What was admitted before the period counts for the one before. */
	assert_int_equal(charge(s, before, USD(50)).ppm, 0);
	assert_int_equal(charge(s, the_time, USD(11)).ppm, 50000);
	grant(s, USD(100));
	b = (struct buying){ .name = "closed", .terms = { .price = USD(1),
		.quota = { UNIT_USD, USD(1) }, MONTHLY, .volume = S("") } };
	buy(s, &b);
	assert_int_equal(charge(s, the_time, 0).s.closed, b.s.id);
	stop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_told),
		cmocka_unit_test(whenever_somebody_looks),
		cmocka_unit_test(refused),
		cmocka_unit_test(once_per_account),
		cmocka_unit_test(from_a_time),
		cmocka_unit_test(as_it_was),
		cmocka_unit_test(another_zone),
		cmocka_unit_test(what_calls_ask),
	};

	/* They would tell what is unpaid, a hundred times. */
	log_mute(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
