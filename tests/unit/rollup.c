/* SPDX-License-Identifier: MIT */
/*
 * rollup.c - sums by hours, days and months agree with the calls one by one;
 * rows that are too old go, and every balance is still proven.
 */
#include "db/rollup.h"

#include "db/retain.h"
#include "db/setting.h"
#include "tests/unit/shop.h"

enum { CALLS = 1500, AT_ONCE = 100, STEP_MS = 2710000 };

static struct shop shop;
static int64_t now_ms;

static int64_t
tick(void)
{
	return now_ms;
}

/* A zone whose hours are shifted by half of one. */
static bool
set_zone(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return setting_set(db, S("site.time_zone"), str_of(arg));
}

static int
start(void **state)
{
	struct str why;

	(void)state;
	shop_init(&shop);
	shop.balance = 1000 * NANO;
	shop_open(&shop);
	assert_true(shop_write(&shop, set_zone, "Asia/Kolkata"));
	/* The zone is read when a store is opened. */
	db_close(shop.reader);
	store_close(shop.store);
	shop.store = shop_enter(&shop);
	assert_non_null(shop.store);
	shop.reader = store_reader(shop.store, &shop.a, &why);
	assert_non_null(shop.reader);
	now_ms = 1767225600000;		/* 2026-01-01T00:00:00Z */
	shop_clock(&shop, tick);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	shop_close(&shop);
	return 0;
}

/* The i-th call: what it costs, and whose it is, by its number. */
static int64_t
charge_of(int i)
{
	return 1000 + i % 7;
}

struct batch {
	int from;
};

static bool
some_calls(struct shop *s, struct db *db, void *arg)
{
	const struct batch *b = arg;

	for (int i = b->from; i < b->from + AT_ONCE; i++) {
		struct hold_open h = shop_ask(s, 2000, 2000);
		struct hold_settle t;

		h.op.run = hold_open_run;
		if (!h.op.run(db, &h.op) || h.verdict != HOLD_OPENED)
			return false;
		t = shop_bill(&h, charge_of(i), 300);
		t.row.state = i % 10 == 0 ? USAGE_CUT : USAGE_DONE;
		t.row.first_ms = i % 2 ? 40 : -1;
		t.row.end_user = i % 3 == 0 ? S("ann") : S("");
		t.row.tag = i % 3 == 1 ? S("web") : S("");
		t.op.run = hold_settle_run;
		if (!t.op.run(db, &t.op))
			return false;
	}
	return true;
}

/* One transaction has one time. */
static void
make_calls(void)
{
	for (struct batch b = { 0 }; b.from < CALLS; b.from += AT_ONCE) {
		now_ms += AT_ONCE * (int64_t)STEP_MS;
		assert_true(shop_write(&shop, some_calls, &b));
	}
}

static struct rollup_asked
all(unsigned by)
{
	return (struct rollup_asked){ .by = by, .until = now_ms + 1 };
}

/* Of all calls, or of those with a number that leaves r when divided by m. */
static void
assert_sums(const struct rollup_sums *s, int m, int r)
{
	struct rollup_sums want = { 0 };

	for (int i = 0; i < CALLS; i++) {
		if (i % m != r)
			continue;
		want.calls++;
		want.failed += i % 10 == 0;
		want.charge += charge_of(i);
		want.first_n += i % 2;
	}
	assert_int_equal(s->calls, want.calls);
	assert_int_equal(s->failed, want.failed);
	assert_int_equal(s->charge, want.charge);
	assert_int_equal(s->cost, 300 * want.calls);
	assert_int_equal(s->first_n, want.first_n);
	assert_int_equal(s->first_ms, 40 * want.first_n);
	assert_int_equal(s->total_ms, 20 * want.calls);
	assert_int_equal(s->use.n[BUCKET_INPUT], 100 * want.calls);
	assert_int_equal(s->use.n[BUCKET_OUTPUT], 50 * want.calls);
	assert_int_equal(s->use.n[BUCKET_REQUEST], want.calls);
}

static void
in_all(void **state)
{
	struct rollup_asked q;
	struct rollup_line *l;

	(void)state;
	make_calls();
	q = all(BY_ACCOUNT | BY_MODEL);
	assert_int_equal(rollup_read(shop.reader, &shop.a, &q, &l), 1);
	assert_sums(&l->sums, 1, 0);
	assert_string_equal(l->account_name.p, "alice");
	assert_string_equal(l->model_name.p, "demo");
	q.account = shop.account + 1;
	assert_int_equal(rollup_read(shop.reader, &shop.a, &q, &l), 0);
	shop_check(&shop);
}

/* Each transaction of 100 calls is at one time: so many a line. */
static void
in_time(unsigned by, int64_t unit_ms, int64_t shift_ms)
{
	struct rollup_asked q;
	struct rollup_line *l;
	int64_t sum = 0, last = -1;
	int n;

	make_calls();
	q = all(by);
	n = rollup_read(shop.reader, &shop.a, &q, &l);
	assert_true(n > 1);
	for (int i = 0; i < n; i++) {
		assert_int_equal(l[i].sums.calls % AT_ONCE, 0);
		assert_true(l[i].at > last);
		if (unit_ms)
			assert_int_equal((l[i].at + shift_ms) % unit_ms, 0);
		last = l[i].at;
		sum += l[i].sums.calls;
	}
	assert_int_equal(sum, CALLS);
}

enum { HALF_HOUR = 1800000, HOUR = 3600000, DAY = 86400000 };

static void
in_hours(void **state)
{
	(void)state;
	in_time(BY_HOUR, HOUR, HALF_HOUR);
}

static void
in_days(void **state)
{
	(void)state;
	in_time(BY_DAY, DAY, 5 * HOUR + HALF_HOUR);
}

static void
in_months(void **state)
{
	(void)state;
	in_time(BY_MONTH, 0, 0);
}

/* From an hour to an hour: the rest is not counted. */
static void
a_part(void **state)
{
	struct rollup_asked q;
	struct rollup_line *l;
	int64_t first;

	(void)state;
	make_calls();
	q = all(0);
	first = now_ms - (CALLS - AT_ONCE) * (int64_t)STEP_MS;
	q.since = first + 5 * AT_ONCE * (int64_t)STEP_MS;
	q.until = first + 8 * AT_ONCE * (int64_t)STEP_MS - HOUR;
	assert_int_equal(rollup_read(shop.reader, &shop.a, &q, &l), 1);
	assert_int_equal(l->sums.calls, 3 * AT_ONCE);
}

static void
users_and_tags(void **state)
{
	struct rollup_asked q, wrong = all(BY_TAG | BY_KEY);
	struct rollup_line *l;

	(void)state;
	make_calls();
	q = all(BY_USER);
	assert_false(rollup_can(&wrong));
	assert_true(rollup_can(&q));
	/* Those with a tag and no user have a line too. */
	assert_int_equal(rollup_read(shop.reader, &shop.a, &q, &l), 2);
	assert_int_equal(l[0].user.n, 0);
	assert_sums(&l[0].sums, 3, 1);
	assert_string_equal(l[1].user.p, "ann");
	assert_sums(&l[1].sums, 3, 0);
	q.by = BY_TAG | BY_USER;
	assert_int_equal(rollup_read(shop.reader, &shop.a, &q, &l), 2);
	assert_int_equal(l[1].tag.n, 0);
	assert_string_equal(l[0].tag.p, "web");
	assert_sums(&l[0].sums, 3, 1);
}

/* --- what is too old ------------------------------------------------------ */

static bool
keep_days(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return setting_set(db, S("site.usage_days"), str_of(arg));
}

static bool
retain(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	*(int64_t *)arg = retain_some(db);
	return *(int64_t *)arg >= 0;
}

static int64_t
rows(void)
{
	int64_t n = -1;

	assert_int_equal(db_number(shop.reader, "SELECT count(*) FROM usage",
	    &n), 1);
	return n;
}

static void
old_rows_go(void **state)
{
	struct rollup_asked q = all(0);
	struct rollup_line *l;
	int64_t gone;

	(void)state;
	make_calls();
	assert_true(shop_write(&shop, retain, &gone));
	assert_int_equal(gone, 0);	/* not set: they stay for ever */
	assert_true(shop_write(&shop, keep_days, "3"));
	assert_int_equal(retain_due(shop.reader), 1);
	assert_true(shop_write(&shop, retain, &gone));
	/* 1,500 calls in 47 days: of chunks of 512 two are old enough. */
	assert_int_equal(gone, 1024);
	assert_int_equal(rows(), CALLS - 1024);
	assert_int_equal(retain_due(shop.reader), 0);
	shop_check(&shop);
	q.until = now_ms + 1;
	assert_int_equal(rollup_read(shop.reader, &shop.a, &q, &l), 1);
	assert_sums(&l->sums, 1, 0);
	/* Once more, on top of the closing lines. */
	make_calls();
	assert_true(shop_write(&shop, retain, &gone));
	assert_int_equal(gone, 1024 + 512);
	shop_check(&shop);
}

static bool
falsify(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static bool
cap_month(struct shop *s, struct db *db, void *arg)
{
	struct caps caps = caps_none;

	(void)arg;
	caps.amount[CAP_MONTH] = 100 * NANO;
	caps.amount[CAP_MONTH_TOKENS] = CAP_TOKENS_MOST;
	return cap_set(db, CAP_KEY, s->key, &caps);
}

/* A new cap counts from the beginning of its window, gone rows or not. */
static void
a_cap_counts_what_is_gone(void **state)
{
	int64_t starts[N_CAP_WINDOWS], gone, want = 0, calls = 0, at;
	struct caps before, spent;

	(void)state;
	make_calls();
	assert_true(shop_write(&shop, cap_month, NULL));
	assert_true(cap_spent(shop.reader, CAP_KEY, shop.key, &before,
	    starts));
	assert_true(shop_write(&shop, falsify, "DELETE FROM cap; "
	    "DELETE FROM spent"));
	assert_true(shop_write(&shop, keep_days, "3"));
	assert_true(shop_write(&shop, retain, &gone));
	assert_true(shop_write(&shop, cap_month, NULL));
	assert_true(cap_spent(shop.reader, CAP_KEY, shop.key, &spent, starts));
	at = now_ms - CALLS * (int64_t)STEP_MS;
	for (int i = 0; i < CALLS; i++) {
		if (i % AT_ONCE == 0)
			at += AT_ONCE * (int64_t)STEP_MS;
		if (at < starts[CAP_MONTH])
			continue;
		want += charge_of(i);
		calls++;
	}
	assert_true(CALLS - calls < gone);
	assert_int_equal(before.amount[CAP_MONTH], want);
	assert_int_equal(spent.amount[CAP_MONTH], want);
	assert_int_equal(spent.amount[CAP_MONTH_TOKENS],
	    before.amount[CAP_MONTH_TOKENS]);
	shop_check(&shop);
}

/* A sum that is booked to another key is found out, rows gone or not. */
static void
a_false_sum(void **state)
{
	struct ledger_counts counts;
	struct str first;

	(void)state;
	make_calls();
	assert_true(shop_write(&shop, falsify, "UPDATE rollup SET output = "
	    "output + 1 WHERE hour = (SELECT min(hour) FROM rollup)"));
	assert_int_equal(ledger_check(shop.reader, &shop.a, &first, &counts),
	    0);
	assert_true(str_has(first, S("the sums by hours say")));
	assert_true(shop_write(&shop, falsify, "UPDATE rollup SET output = "
	    "output - 1, key = key + 1 "
	    "WHERE hour = (SELECT min(hour) FROM rollup)"));
	assert_int_equal(ledger_check(shop.reader, &shop.a, &first, &counts),
	    0);
}

/* A closing line is what its rows said: another is found out. */
static void
a_false_closing(void **state)
{
	struct ledger_counts counts;
	struct str first;
	int64_t gone;

	(void)state;
	make_calls();
	assert_true(shop_write(&shop, keep_days, "3"));
	assert_true(shop_write(&shop, retain, &gone));
	assert_true(shop_write(&shop, falsify,
	    "UPDATE closing SET balance = balance + 1 WHERE book = 1"));
	assert_int_equal(ledger_check(shop.reader, &shop.a, &first, &counts),
	    0);
	assert_true(shop_write(&shop, falsify,
	    "UPDATE closing SET balance = balance - 1 WHERE book = 1"));
	shop_check(&shop);
	assert_true(shop_write(&shop, falsify,
	    "UPDATE rollup SET charge = charge + 1 WHERE "
	    "hour = (SELECT min(hour) FROM rollup)"));
	assert_int_equal(ledger_check(shop.reader, &shop.a, &first, &counts),
	    0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_all, start, stop),
		cmocka_unit_test_setup_teardown(in_hours, start, stop),
		cmocka_unit_test_setup_teardown(in_days, start, stop),
		cmocka_unit_test_setup_teardown(in_months, start, stop),
		cmocka_unit_test_setup_teardown(a_part, start, stop),
		cmocka_unit_test_setup_teardown(users_and_tags, start, stop),
		cmocka_unit_test_setup_teardown(old_rows_go, start, stop),
		cmocka_unit_test_setup_teardown(a_false_closing, start, stop),
		cmocka_unit_test_setup_teardown(a_false_sum, start, stop),
		cmocka_unit_test_setup_teardown(a_cap_counts_what_is_gone,
		    start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
