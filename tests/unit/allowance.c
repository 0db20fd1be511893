/* SPDX-License-Identifier: MIT */
/* allowance.c - allowances begin, end, and nothing of them is lost. */
#include "db/allowance.h"

#include "tests/unit/shop.h"

static int64_t the_time;

static int64_t
fixed_clock(void)
{
	return the_time;
}

static struct shop *
start(void)
{
	struct shop *s = xnew(struct shop);

	shop_init(s);
	shop_open(s);
	the_time = 1763800000000;
	shop_clock(s, fixed_clock);
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

struct opening {
	struct allowance a;
	int got;
};

static bool
do_open(struct shop *s, struct db *db, void *arg)
{
	struct opening *o = arg;

	o->a.account = s->account;
	o->got = allowance_open(db, &o->a, S("package"), S("for a test"));
	return o->got >= 0;
}

/* Opens one and gives its id; from now. */
static int64_t
open_one(struct shop *s, bool bonus, enum unit unit, int64_t amount,
    int64_t subscription, int64_t until)
{
	struct opening o = { .a = { .bonus = bonus, .unit = unit,
		.amount = amount, .subscription = subscription,
		.from = the_time, .until = until } };

	assert_true(shop_write(s, do_open, &o));
	return o.got == 1 ? o.a.id : 0;
}

struct closing {
	int64_t id, to, carry, carried;
};

static bool
do_close(struct shop *s, struct db *db, void *arg)
{
	struct closing *c = arg;

	(void)s;
	return allowance_close(db, c->id, c->to, c->carry, &c->carried);
}

static int64_t
close_one(struct shop *s, int64_t id, int64_t to, int64_t carry)
{
	struct closing c = { .id = id, .to = to, .carry = carry };

	assert_true(shop_write(s, do_close, &c));
	return c.carried;
}

static bool
do_sweep(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return (*(int *)arg = allowance_sweep(db)) >= 0;
}

static int
sweep(struct shop *s)
{
	int n;

	assert_true(shop_write(s, do_sweep, &n));
	return n;
}

static bool
do_sql(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static struct allowance
look(struct shop *s, int64_t id)
{
	struct allowance a;

	assert_int_equal(allowance_get(s->reader, id, &a), 1);
	return a;
}

static int64_t
number(struct shop *s, const char *sql)
{
	int64_t n;

	assert_true(db_number(s->reader, sql, &n) >= 0);
	return n;
}

/* --- begin and end -------------------------------------------------------- */

static void
begins(void **state)
{
	struct shop *s = start();
	struct allowance a, *list;
	int64_t id;

	(void)state;
	id = open_one(s, false, UNIT_TOKEN, 5000, 7, the_time + 1000);
	a = look(s, id);
	assert_int_equal(a.account, s->account);
	assert_int_equal(a.unit, UNIT_TOKEN);
	assert_int_equal(a.subscription, 7);
	assert_int_equal(a.amount, 5000);
	assert_int_equal(a.balance, 5000);
	assert_int_equal(a.held, 0);
	assert_int_equal(a.ended, 0);
	assert_int_equal(a.closed, 0);
	assert_int_equal(number(s, "SELECT balance FROM book WHERE id = 8"),
	    -5000);
	assert_int_equal(number(s, "SELECT debit FROM transfer WHERE id = 2"),
	    BOOK_PROMOTION_TOKEN);
	assert_int_equal(allowance_get(s->reader, 99, &a), 0);
	assert_int_equal(allowance_list(s->reader, &s->a, 99, &list), 0);

	/* Nothing granted: it waits for what is carried over. */
	id = open_one(s, false, UNIT_REQUEST, 0, 8, 0);
	assert_int_equal(look(s, id).balance, 0);
	assert_int_equal(look(s, id).until, 0);
	stop(s);
}

/* Bonuses first, the soonest end first, what never ends last. */
static void
order(void **state)
{
	struct shop *s = start();
	struct allowance *list;
	int64_t want[6];

	(void)state;
	want[4] = open_one(s, false, UNIT_USD, 1, 1, 0);
	want[3] = open_one(s, false, UNIT_TOKEN, 1, 1, the_time + 900);
	want[2] = open_one(s, true, UNIT_USD, 1, 0, 0);
	want[1] = open_one(s, true, UNIT_REQUEST, 1, 0, the_time + 800);
	want[0] = open_one(s, true, UNIT_USD, 1, 0, the_time + 700);
	want[5] = open_one(s, false, UNIT_USD, 1, 1, 0);
	assert_int_equal(allowance_list(s->reader, &s->a, s->account, &list),
	    6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(list[i].id, want[i]);
	stop(s);
}

static void
closed_by_hand(void **state)
{
	struct shop *s = start();
	int64_t id = open_one(s, false, UNIT_USD, 700, 3, the_time + 1000);
	struct allowance a, *list;

	(void)state;
	the_time += 10;
	assert_int_equal(close_one(s, id, 0, 0), 0);
	a = look(s, id);
	assert_int_equal(a.ended, the_time);
	assert_int_equal(a.until, the_time);
	assert_int_equal(a.closed, the_time);
	assert_int_equal(a.balance, 0);
	assert_int_equal(number(s, "SELECT balance FROM book WHERE id = 4"), 0);
	assert_int_equal(allowance_list(s->reader, &s->a, s->account, &list),
	    0);
	/* Twice is once. */
	the_time += 10;
	assert_int_equal(close_one(s, id, 0, 0), 0);
	assert_int_equal(look(s, id).closed, the_time - 10);

	/* Late: it has ended when it was to end. */
	id = open_one(s, false, UNIT_USD, 700, 3, the_time + 1000);
	the_time += 5000;
	assert_int_equal(close_one(s, id, 0, 0), 0);
	assert_int_equal(look(s, id).ended, the_time - 4000);
	assert_int_equal(look(s, id).closed, the_time);

	/* One that has not begun. */
	struct opening o = { .a = { .amount = 5, .from = the_time + 60 } };

	assert_true(shop_write(s, do_open, &o));
	assert_int_equal(close_one(s, o.a.id, 0, 0), 0);
	assert_int_equal(look(s, o.a.id).closed, the_time);
	stop(s);
}

/* What is free goes over, as far as it is allowed to. */
static void
carries(void **state)
{
	static const struct {
		int64_t left, carry, carried;
	} all[] = {
		{ 1000, 0, 0 },
		{ 1000, 400, 400 },
		{ 1000, 1000, 1000 },
		{ 1000, 5000, 1000 },
		{ 0, 5000, 0 },
	};
	struct shop *s = start();

	(void)state;
	for (size_t i = 0; i < countof(all); i++) {
		int64_t old = open_one(s, false, UNIT_REQUEST, all[i].left, 3,
		    the_time + 100);
		int64_t next = open_one(s, false, UNIT_REQUEST, 50, 3,
		    the_time + 200);
		struct allowance a;

		the_time += 100;
		assert_int_equal(close_one(s, old, next, all[i].carry),
		    all[i].carried);
		assert_int_equal(look(s, old).balance, 0);
		assert_int_equal(look(s, old).closed, the_time);
		a = look(s, next);
		assert_int_equal(a.amount, 50);
		assert_int_equal(a.carried, all[i].carried);
		assert_int_equal(a.balance, 50 + all[i].carried);
		shop_check(s);
	}
	stop(s);
}

static bool
thaw(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return ledger_thaw(db);
}

/* To another unit, account, or one that has ended: never. */
static void
carries_nowhere_else(void **state)
{
	struct shop *s = start();
	int64_t old = open_one(s, false, UNIT_TOKEN, 10, 3, 0);
	int64_t other = open_one(s, false, UNIT_USD, 10, 3, 0);
	int64_t ended = open_one(s, false, UNIT_TOKEN, 10, 3, 0);
	int64_t to[] = { other, ended, 99 };

	(void)state;
	close_one(s, ended, 0, 0);
	for (size_t i = 0; i < countof(to); i++) {
		struct closing c = { .id = old, .to = to[i], .carry = 5 };

		assert_false(shop_write(s, do_close, &c));
		assert_true(shop_write(s, thaw, NULL));
		assert_int_equal(look(s, old).balance, 10);
		assert_int_equal(look(s, old).ended, 0);
	}
	stop(s);
}

/* --- what runs out by itself ---------------------------------------------- */

static void
swept(void **state)
{
	struct shop *s = start();
	int64_t bonus = open_one(s, true, UNIT_USD, 10, 0, the_time + 100);
	int64_t of_one = open_one(s, true, UNIT_TOKEN, 20, 3, the_time + 100);
	int64_t period = open_one(s, false, UNIT_USD, 30, 3, the_time + 100);
	int64_t later = open_one(s, true, UNIT_USD, 40, 0, the_time + 200);
	int64_t never = open_one(s, true, UNIT_USD, 50, 0, 0);

	(void)state;
	assert_int_equal(allowance_due(s->reader), 0);
	the_time += 99;
	assert_int_equal(sweep(s), 0);
	the_time += 1;
	/* A reader has the system's clock: by that all of them have ended. */
	assert_int_equal(allowance_due(s->reader), 1);
	assert_int_equal(sweep(s), 2);
	assert_int_equal(sweep(s), 0);
	assert_int_equal(look(s, bonus).closed, the_time);
	assert_int_equal(look(s, bonus).ended, the_time);
	assert_int_equal(look(s, of_one).closed, the_time);
	assert_int_equal(look(s, period).closed, 0);
	assert_int_equal(look(s, period).balance, 30);
	assert_int_equal(look(s, later).balance, 40);
	the_time += 1000000;
	assert_int_equal(sweep(s), 1);
	assert_int_equal(close_one(s, period, never, 99), 30);
	assert_int_equal(look(s, never).balance, 80);
	assert_int_equal(sweep(s), 0);
	stop(s);
}

/* What a call holds stays, and goes back when the call has left it. */
static void
swept_but_held(void **state)
{
	struct shop *s = start();
	int64_t id = open_one(s, false, UNIT_USD, 100, 3, 0);
	char sql[128];

	(void)state;
	snprintf(sql, sizeof(sql), "UPDATE book SET held = 40 WHERE id = %d",
	    (int)look(s, id).book);
	assert_true(shop_write(s, do_sql, sql));
	assert_int_equal(close_one(s, id, 0, 0), 0);
	assert_int_equal(look(s, id).balance, 40);
	assert_int_equal(look(s, id).closed, 0);
	assert_int_equal(sweep(s), 0);
	/* 25 of it were used for another call that held the rest. */
	snprintf(sql, sizeof(sql), "UPDATE book SET held = 15 WHERE id = %d",
	    (int)look(s, id).book);
	assert_true(shop_write(s, do_sql, sql));
	assert_int_equal(sweep(s), 1);
	assert_int_equal(look(s, id).balance, 15);
	assert_int_equal(sweep(s), 0);
	snprintf(sql, sizeof(sql), "UPDATE book SET held = 0 WHERE id = %d",
	    (int)look(s, id).book);
	assert_true(shop_write(s, do_sql, sql));
	assert_int_equal(sweep(s), 1);
	assert_true(look(s, id).closed > 0);
	assert_int_equal(look(s, id).balance, 0);
	stop(s);
}

/* So many at once; those that are used up make room. */
static void
too_many(void **state)
{
	struct shop *s = start();
	int64_t first = 0, id;
	char sql[160];

	(void)state;
	for (int i = 0; i < ALLOWANCES_MAX; i++) {
		id = open_one(s, true, UNIT_USD, i + 1, 0, 0);
		assert_true(id > 0);
		first = first ? first : id;
	}
	assert_int_equal(open_one(s, true, UNIT_USD, 1, 0, 0), 0);
	assert_int_equal(number(s, "SELECT count(*) FROM allowance"),
	    ALLOWANCES_MAX);
	snprintf(sql, sizeof(sql), "UPDATE book SET balance = balance - 1 "
	    "WHERE id = %d; UPDATE book SET balance = balance + 1 "
	    "WHERE id = 4; UPDATE transfer SET amount = 0 WHERE 0",
	    (int)look(s, first).book);
	assert_true(shop_write(s, do_sql, sql));
	assert_true(open_one(s, true, UNIT_USD, 1, 0, 0) > 0);
	assert_int_equal(open_one(s, true, UNIT_USD, 1, 0, 0), 0);
	assert_true(look(s, first).closed > 0);
	/* Put back what was moved by hand. */
	snprintf(sql, sizeof(sql), "UPDATE book SET balance = balance + 1 "
	    "WHERE id = %d; UPDATE book SET balance = balance - 1 "
	    "WHERE id = 4; UPDATE allowance SET closed = NULL WHERE id = %d",
	    (int)look(s, first).book, (int)first);
	assert_true(shop_write(s, do_sql, sql));
	stop(s);
}

/* --- what the tables refuse ----------------------------------------------- */

static void
refused_by_tables(void **state)
{
	static const char *const wrong[] = {
		"UPDATE book SET balance = -1 WHERE kind = 'allowance'",
		"UPDATE book SET held = balance + 1 WHERE kind = 'allowance'",
		"UPDATE book SET credit = -1 WHERE kind = 'wallet'",
		"UPDATE book SET credit = 5, balance = -6 "
		    "WHERE kind = 'wallet'",
		"UPDATE book SET unit = 'dollar' WHERE kind = 'wallet'",
		"UPDATE book SET account = 0, unit = 'token', "
		    "kind = 'revenue' WHERE kind = 'wallet'",
		"UPDATE allowance SET until_ms = from_ms - 1",
		"UPDATE allowance SET amount = -1",
		"INSERT INTO book(kind, account) VALUES ('wallet', 1)",
	};
	struct shop *s = start();

	(void)state;
	open_one(s, false, UNIT_USD, 100, 0, 0);
	for (size_t i = 0; i < countof(wrong); i++)
		if (shop_write(s, do_sql, (void *)wrong[i]))
			fail_msg("%s", wrong[i]);
	assert_true(shop_write(s, do_sql, "UPDATE book SET credit = 7, "
	    "held = balance + 7 WHERE kind = 'wallet'"));
	assert_true(shop_write(s, do_sql, "UPDATE book SET credit = 0, "
	    "held = 0 WHERE kind = 'wallet'"));
	stop(s);
}

/* The proof finds what is wrong with them. */
static void
differences(void **state)
{
	static const char *const harm[][3] = {
		{ "UPDATE allowance SET closed = 1 WHERE id = 1",
		    "UPDATE allowance SET closed = NULL WHERE id = 1",
		    "not empty, and allowance 1 is closed" },
		{ "UPDATE allowance SET unit = 'request' WHERE id = 1",
		    "UPDATE allowance SET unit = 'token' WHERE id = 1",
		    "not of allowance 1" },
		{ "UPDATE book SET balance = balance + 1 WHERE id = 8",
		    "UPDATE book SET balance = balance - 1 WHERE id = 8",
		    "in token sum to 1" },
		{ "UPDATE transfer SET amount = amount + 1 WHERE id = 2",
		    "UPDATE transfer SET amount = amount - 1 WHERE id = 2",
		    "its rows say" },
	};
	struct shop *s = start();

	(void)state;
	assert_int_equal(open_one(s, false, UNIT_TOKEN, 100, 0, 0), 1);
	for (size_t i = 0; i < countof(harm); i++) {
		struct ledger_counts counts;
		struct str first = S("");

		assert_true(shop_write(s, do_sql, (void *)harm[i][0]));
		assert_int_equal(ledger_check(s->reader, &s->a, &first,
		    &counts), 0);
		if (!str_has(first, str_of(harm[i][2])))
			fail_msg("%.*s", STR_ARGS(first));
		assert_true(shop_write(s, do_sql, (void *)harm[i][1]));
		shop_check(s);
	}
	stop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins),
		cmocka_unit_test(order),
		cmocka_unit_test(closed_by_hand),
		cmocka_unit_test(carries),
		cmocka_unit_test(carries_nowhere_else),
		cmocka_unit_test(swept),
		cmocka_unit_test(swept_but_held),
		cmocka_unit_test(too_many),
		cmocka_unit_test(refused_by_tables),
		cmocka_unit_test(differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
