/* SPDX-License-Identifier: MIT */
/*
 * subscribed.c - calls of accounts that have subscribed to something: periods
 * that turn while calls run, what the wallet may not pay, what volume brings.
 */
#include "db/allowance.h"
#include "db/bill.h"
#include "db/subscription.h"
#include "fcgi/base/log.h"
#include "tests/unit/shop.h"

#define USD(n)	((int64_t)(n) * NANO)

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

	assert_true(clock_read(str_of(text), 0, &ms));
	return ms;
}

/* An account with so much in its wallet. */
static struct shop *
start(int64_t balance)
{
	struct shop *s = xnew(struct shop);

	the_time = at("2026-01-01");
	shop_init(s);
	s->balance = balance;
	shop_open(s);
	shop_clock(s, fixed_clock);
	return s;
}

static void
stop(struct shop *s)
{
	struct bill_check c = { .rows = 0 };

	shop_check(s);
	assert_int_equal(bill_check(s->reader, &s->a, &c), 1);
	if (c.wrong)
		fail_msg("%.*s", STR_ARGS(c.first[0]));
	shop_close(s);
	free(s);
}

struct buying {
	const char *name;
	struct package_terms terms;
	struct subscription s;
};

static bool
do_buy(struct shop *s, struct db *db, void *arg)
{
	struct buying *b = arg;
	struct package_row p;
	int64_t available;

	package_blank(&p, str_of(b->name));
	p.terms = b->terms;
	p.terms.volume = p.terms.volume.p ? p.terms.volume : S("");
	return package_put(db, &s->a, &p) && subscription_new(db, &s->a,
	    s->account, &p, db_now(db), false, &b->s, &available) ==
	    SUBSCRIPTION_DONE;
}

static int64_t
buy(struct shop *s, const char *name, struct package_terms terms)
{
	struct buying b = { name, terms, { .id = 0 } };

	assert_true(shop_write(s, do_buy, &b));
	return b.s.id;
}

static int64_t
number(struct shop *s, const char *sql)
{
	int64_t v = 0;

	assert_true(db_number(s->reader, sql, &v) >= 0);
	return v;
}

static struct subscription
look(struct shop *s, int64_t id)
{
	struct subscription sub;

	assert_int_equal(subscription_get(s->reader, &s->a, id, &sub), 1);
	return sub;
}

static struct allowance
quota(struct shop *s, int64_t id)
{
	struct allowance a;

	assert_int_equal(allowance_get(s->reader, id, &a), 1);
	return a;
}

static int64_t
wallet(struct shop *s)
{
	int64_t balance, held;

	shop_money(s, &balance, &held);
	return balance;
}

static struct hold_open
admit(struct shop *s, int64_t held, enum hold_verdict v)
{
	struct hold_open h = shop_ask(s, held, held);

	assert_int_equal(shop_admit(s->store, &h), v);
	return h;
}

static void
settle(struct shop *s, const struct hold_open *h, int64_t charge)
{
	struct hold_settle t = shop_bill(h, charge, 0);

	/* So that what is charged can be reckoned again: by requests. */
	t.row.use = (struct buckets){ { 0 } };
	t.row.use.n[BUCKET_REQUEST] = charge / 1000;
	t.row.price = s->price;
	t.row.list = charge;
	shop_settle(s->store, &t);
	assert_true(t.settled);
}

#define MONTHLY .period = { PERIOD_MONTH, 0, 0 }

/* --- the end of a period -------------------------------------------------- */

/* Who calls turns what has ended; a call settles where it was held. */
static void
held_before_settled_after(void **state)
{
	struct shop *s = start(USD(100));
	int64_t id = buy(s, "p", (struct package_terms){ .price = USD(10),
		.quota = { UNIT_USD, USD(12) }, MONTHLY, .overflow = true,
		.rollover = { 50, { UNIT_USD, 0 } } });
	int64_t first = look(s, id).allowance, second;
	struct hold_open a = admit(s, USD(4), HOLD_OPENED),
	    b = admit(s, USD(2), HOLD_OPENED), c;

	(void)state;
	settle(s, &b, USD(2));
	assert_int_equal(quota(s, first).balance, USD(10));
	assert_int_equal(quota(s, first).held, USD(4));
	the_time = at("2026-02-01");
	c = admit(s, USD(1), HOLD_OPENED);
	second = look(s, id).allowance;
	assert_true(second != first);
	assert_int_equal(look(s, id).span.number, 2);
	assert_int_equal(wallet(s), USD(80));
	/* Half of the six that were free rolled over, the rest is gone. */
	assert_int_equal(quota(s, second).carried, USD(3));
	assert_int_equal(quota(s, second).balance, USD(15));
	assert_int_equal(quota(s, second).held, USD(1));
	assert_int_equal(quota(s, first).balance, USD(4));
	assert_int_equal(quota(s, first).held, USD(4));
	shop_check(s);
	settle(s, &a, USD(3));
	settle(s, &c, USD(1));
	assert_int_equal(quota(s, second).balance, USD(14));
	assert_int_equal(quota(s, first).held, 0);
	assert_int_equal(wallet(s), USD(80));
	/* Sold: two periods; used: six; given and not used: the rest. */
	assert_int_equal(number(s, "SELECT balance FROM book WHERE id = 1"),
	    USD(20 + 6));
	stop(s);
}

/* Calls at each boundary of three years, of one that comes late. */
static void
years_of_calls(void **state)
{
	struct shop *s = start(USD(10000));
	int64_t id = buy(s, "p", (struct package_terms){ .price = USD(1),
		.quota = { UNIT_REQUEST, 3 }, MONTHLY, .overflow = true });
	int64_t from = look(s, id).span.until_ms;
	struct hold_open late;

	(void)state;
	for (int month = 1; month <= 36; month++) {
		the_time = from - 1;
		late = admit(s, 1000, HOLD_OPENED);
		the_time = from;
		for (int i = 0; i < 3; i++) {
			struct hold_open h = admit(s, 1000, HOLD_OPENED);

			if (i == 0)
				settle(s, &late, 1000);
			settle(s, &h, 1000);
		}
		assert_int_equal(look(s, id).span.number, month + 1);
		from = look(s, id).span.until_ms;
		shop_check(s);
	}
	/* Where the three were used the fourth call of a month cost money. */
	assert_int_equal(number(s, "SELECT sum(json_extract(parts, "
	    "'$[0][1]')) FROM usage WHERE covered = 'request'"), 36 * 3 + 1);
	assert_int_equal(number(s, "SELECT count(*) FROM usage"), 36 * 4);
	assert_int_equal(wallet(s), USD(10000 - 37) - 35 * 1000);
	stop(s);
}

static bool
do_grant(struct shop *s, struct db *db, void *arg)
{
	return ledger_grant(db, s->account, *(int64_t *)arg, S("test")) ==
	    LEDGER_DONE;
}

/* It is paid by the first call that finds enough in the wallet. */
static void
unpaid(void **state)
{
	struct shop *s = start(USD(15));
	int64_t id = buy(s, "p", (struct package_terms){ .price = USD(10),
		.quota = { UNIT_USD, USD(12) }, MONTHLY, .overflow = true });
	int64_t five = USD(5);
	struct hold_open h;

	(void)state;
	the_time = at("2026-02-01");
	h = admit(s, USD(6), HOLD_NO_CREDIT);
	assert_int_equal(h.available, USD(5));
	assert_int_equal(look(s, id).state, SUBSCRIPTION_UNPAID);
	h = admit(s, USD(1), HOLD_OPENED);
	assert_true(shop_write(s, do_grant, &five));
	/* One is held, and one more is missing. */
	admit(s, USD(10), HOLD_NO_CREDIT);
	settle(s, &h, 0);
	h = admit(s, USD(12), HOLD_OPENED);
	assert_int_equal(look(s, id).state, SUBSCRIPTION_ACTIVE);
	assert_int_equal(wallet(s), 0);
	settle(s, &h, USD(12));
	stop(s);
}

/* --- the wallet does not pay ---------------------------------------------- */

static void
no_overflow(void **state)
{
	struct shop *s = start(USD(100));
	int64_t id;
	struct hold_open h, g;

	(void)state;
	id = buy(s, "closed", (struct package_terms){ .price = USD(10),
		.quota = { UNIT_USD, USD(12) }, MONTHLY, .periods = 2 });
	h = admit(s, USD(8), HOLD_OPENED);
	g = admit(s, USD(5), HOLD_NO_CREDIT);
	assert_string_equal(g.package, "closed");
	assert_int_equal(g.package_until, at("2026-02-01"));
	assert_int_equal(g.available, USD(4));
	settle(s, &h, USD(8));
	assert_int_equal(wallet(s), USD(90));
	the_time = at("2026-02-01");
	h = admit(s, USD(12), HOLD_OPENED);
	/* What a call cost beyond its hold is not the wallet's, either. */
	{
		struct hold_settle t = shop_bill(&h, USD(12), 0);

		shop_settle(s->store, &t);
	}
	admit(s, 1, HOLD_NO_CREDIT);
	assert_int_equal(wallet(s), USD(80));
	/* When it is over the wallet pays again. */
	the_time = at("2026-03-01");
	h = admit(s, USD(1), HOLD_OPENED);
	settle(s, &h, USD(1));
	assert_int_equal(look(s, id).state, SUBSCRIPTION_ENDED);
	assert_int_equal(wallet(s), USD(79));
	shop_check(s);
	shop_close(s);
	free(s);
}

/* --- volume --------------------------------------------------------------- */

/* A call at a price by request, as its share says; what it was charged. */
static int64_t
call(struct shop *s, int64_t requests)
{
	struct hold_open h = shop_ask(s, requests * 1000, requests * 1000);
	int64_t charge;
	struct hold_settle t;

	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	charge = (requests * price_discounted(PPM, h.discount_ppm) * 1000 +
	    PPM - 1) / PPM;
	t = shop_bill(&h, charge, 0);
	t.row.use = (struct buckets){ { 0 } };
	t.row.use.n[BUCKET_REQUEST] = requests;
	t.row.price = s->price;
	t.row.list = requests * 1000;
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, charge);
	return charge;
}

static void
volume(void **state)
{
	struct shop *s = start(USD(100));
	int64_t id;

	(void)state;
	/* 100 requests cost 100,000 nano-dollars. */
	assert_int_equal(call(s, 100), 100000);
	id = buy(s, "v", (struct package_terms){ .price = USD(1), MONTHLY,
		.overflow = true, .volume = S("[[150000,100000],"
		"[300000,333333]]") });
	assert_int_equal(call(s, 100), 100000);
	assert_int_equal(call(s, 50), 50000);
	assert_int_equal(look(s, id).charged, 150000);
	/* "Above" 150,000. */
	assert_int_equal(call(s, 1), 1000);
	assert_int_equal(call(s, 100), 90000);
	assert_int_equal(call(s, 100), 90000);
	/* One rounding, up. */
	assert_int_equal(call(s, 3), 2001);
	assert_int_equal(look(s, id).charged, 333001);
	assert_int_equal(number(s, "SELECT discount_ppm FROM usage "
	    "ORDER BY id DESC LIMIT 1"), 333333);
	assert_int_equal(number(s, "SELECT markup_ppm FROM usage "
	    "ORDER BY id DESC LIMIT 1"), 666667);
	/* The next period begins anew. */
	the_time = at("2026-02-01");
	assert_int_equal(call(s, 100), 100000);
	assert_int_equal(look(s, id).charged, 100000);
	stop(s);
}

/* What was admitted with a discount has it, also in the next period. */
static void
volume_over_the_end(void **state)
{
	struct shop *s = start(USD(100));
	int64_t id = buy(s, "v", (struct package_terms){ .price = USD(1),
		MONTHLY, .overflow = true, .volume = S("[[0,500000]]") });
	struct hold_open h;

	(void)state;
	call(s, 10);
	h = admit(s, 100000, HOLD_OPENED);
	assert_int_equal(h.discount_ppm, 500000);
	the_time = at("2026-02-01");
	assert_int_equal(call(s, 10), 10000);
	{
		struct hold_settle t = shop_bill(&h, 50000, 0);

		t.row.use = (struct buckets){ { 0 } };
		t.row.use.n[BUCKET_REQUEST] = 100;
		t.row.price = s->price;
		t.row.list = 100000;
		shop_settle(s->store, &t);
	}
	/* It counts for the period in which it was admitted, which is over. */
	assert_int_equal(look(s, id).charged, 10000);
	stop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_before_settled_after),
		cmocka_unit_test(years_of_calls),
		cmocka_unit_test(unpaid),
		cmocka_unit_test(no_overflow),
		cmocka_unit_test(volume),
		cmocka_unit_test(volume_over_the_end),
	};

	log_mute(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
