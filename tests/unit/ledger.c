/* SPDX-License-Identifier: MIT */
/* ledger.c - money moves between books, and every difference is found. */
#include "db/ledger.h"

#include <inttypes.h>

#include "db/usage.h"
#include "tests/unit/shop.h"

static struct shop shop;

static int
start(void **state)
{
	(void)state;
	shop_init(&shop);
	shop_open(&shop);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	shop_close(&shop);
	return 0;
}

/* --- by hand -------------------------------------------------------------- */

struct deal {
	int64_t amount, available;
	enum ledger_verdict verdict;
	bool deduct;
};

static bool
do_deal(struct shop *s, struct db *db, void *arg)
{
	struct deal *d = arg;

	d->verdict = d->deduct
	    ? ledger_deduct(db, s->account, d->amount, S("because"),
		  &d->available)
	    : ledger_grant(db, s->account, d->amount, S("because"));
	return d->verdict != LEDGER_FAILED;
}

static void
grants(void **state)
{
	struct deal d = { .amount = 500 };
	struct transfer_row *list;
	int64_t balance, held;

	(void)state;
	assert_true(shop_write(&shop, do_deal, &d));
	shop_money(&shop, &balance, &held);
	assert_int_equal(balance, NANO + 500);
	d = (struct deal){ .amount = NANO + 501, .deduct = true };
	assert_true(shop_write(&shop, do_deal, &d));
	assert_int_equal(d.verdict, LEDGER_SHORT);
	assert_int_equal(d.available, NANO + 500);
	d.amount = 500;
	assert_true(shop_write(&shop, do_deal, &d));
	assert_int_equal(d.verdict, LEDGER_DONE);
	shop_money(&shop, &balance, &held);
	assert_int_equal(balance, NANO);
	assert_int_equal(ledger_transfers(shop.reader, &shop.a, shop.account,
			     0, &list), 3);
	assert_string_equal(list[0].kind.p, "deduct");
	assert_string_equal(list[0].debit.p, "wallet alice");
	assert_string_equal(list[0].credit.p, "clearing");
	assert_string_equal(list[0].reason.p, "because");
	assert_string_equal(list[2].reason.p, "opening");
	assert_int_equal(ledger_transfers(shop.reader, &shop.a, shop.account,
			     list[0].id, &list), 2);
	assert_int_equal(ledger_transfers(shop.reader, &shop.a, 99, 0, &list),
	    0);
	shop_check(&shop);
}

/* What is held cannot be taken. */
static void
not_what_is_held(void **state)
{
	struct hold_open h = shop_ask(&shop, NANO / 2, NANO);
	struct hold_settle t;
	struct deal d = { .amount = NANO / 2 + 1, .deduct = true };

	(void)state;
	assert_int_equal(shop_admit(shop.store, &h), HOLD_OPENED);
	assert_true(shop_write(&shop, do_deal, &d));
	assert_int_equal(d.verdict, LEDGER_SHORT);
	assert_int_equal(d.available, NANO / 2);
	t = shop_bill(&h, 0, 0);
	shop_settle(shop.store, &t);
	shop_check(&shop);
}

static bool
from_nowhere(struct shop *s, struct db *db, void *arg)
{
	(void)arg;
	ledger_tell_account(db, UNIT_USD, 1);
	return ledger_wallet(db, s->account) > 0;
}

static bool
thaw(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return ledger_thaw(db);
}

/* A transaction whose moves do not sum to 0 does not commit. */
static void
unbalanced(void **state)
{
	struct str why;

	(void)state;
	assert_false(shop_write(&shop, from_nowhere, NULL));
	assert_true(ledger_frozen(shop.reader, &shop.a, &why));
	assert_true(str_has(why, S("from nowhere")));
	assert_true(shop_write(&shop, thaw, NULL));
	assert_false(ledger_frozen(shop.reader, &shop.a, &why));
	shop_check(&shop);
}

/* --- the proof ------------------------------------------------------------ */

static bool
run_sql(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static void
calls(int n)
{
	for (int i = 0; i < n; i++) {
		struct hold_open h = shop_ask(&shop, 1000, 2000);
		struct attempt_row a[2] = {
			{ 1, 1, S("up"), 10, 20, 503, S("overloaded") },
			{ 2, 2, S("up \"2\""), 30, 40, 200, S("ok") },
		};
		struct hold_settle t;

		assert_int_equal(shop_admit(shop.store, &h), HOLD_OPENED);
		t = shop_bill(&h, 100 + i, 50 + i);
		t.row.attempts = a;
		t.row.n_attempts = 2;
		t.row.loss = i % 2 ? 7 : 0;
		shop_settle(shop.store, &t);
	}
}

/* Each kind of difference is found, and named. */
static void
differences(void **state)
{
	static const char *const harm[][3] = {
		{ "UPDATE book SET balance = balance + 1 WHERE id = 1",
		    "UPDATE book SET balance = balance - 1 WHERE id = 1",
		    "sum to 1, not 0" },
		{ "UPDATE book SET balance = balance + 1 WHERE id = 1; "
		  "UPDATE book SET balance = balance - 1 WHERE id = 2",
		    "UPDATE book SET balance = balance - 1 WHERE id = 1; "
		    "UPDATE book SET balance = balance + 1 WHERE id = 2",
		    "(revenue of account 0) has balance" },
		{ "UPDATE usage SET charge = charge + 1 WHERE id = 3",
		    "UPDATE usage SET charge = charge - 1 WHERE id = 3",
		    "its rows say" },
		{ "UPDATE usage SET cost = cost + 1 WHERE id = 3",
		    "UPDATE usage SET cost = cost - 1 WHERE id = 3",
		    "(cost of account 0)" },
		{ "UPDATE transfer SET amount = amount + 1 WHERE id = 1",
		    "UPDATE transfer SET amount = amount - 1 WHERE id = 1",
		    "its rows say" },
		{ "UPDATE book SET held = 1 WHERE kind = 'wallet'",
		    "UPDATE book SET held = 0 WHERE kind = 'wallet'",
		    "holds 1, its pending holds say 0" },
		{ "UPDATE meter SET open_holds = 3", "UPDATE meter SET "
		    "open_holds = 0", "counts 3 open calls" },
		{ "UPDATE meter SET used = used + 1",
		    "UPDATE meter SET used = used - 1", "as used" },
		{ "UPDATE usage SET account = 77 WHERE id = 2",
		    "UPDATE usage SET account = 1 WHERE id = 2",
		    "not the wallet of account 77" },
	};
	struct ledger_counts counts;
	struct str first;

	(void)state;
	calls(10);
	assert_int_equal(ledger_check(shop.reader, &shop.a, &first, &counts),
	    1);
	assert_true(counts.usage >= 10);
	assert_true(counts.attempts >= 20);
	for (size_t i = 0; i < countof(harm); i++) {
		assert_true(shop_write(&shop, run_sql, (void *)harm[i][0]));
		first = S("");
		assert_int_equal(ledger_check(shop.reader, &shop.a, &first,
				     &counts), 0);
		if (!str_has(first, str_of(harm[i][2])))
			fail_msg("%.*s", STR_ARGS(first));
		assert_true(shop_write(&shop, run_sql, (void *)harm[i][1]));
		shop_check(&shop);
	}
}

/* A closing line stands for the rows before it. */
static void
closings(void **state)
{
	(void)state;
	assert_true(shop_write(&shop, run_sql,
	    "INSERT INTO closing(book, day, balance, usage_to, transfer_to) "
	    "SELECT id, 20000, balance, (SELECT max(id) FROM usage), "
	    "(SELECT max(id) FROM transfer) FROM book"));
	shop_check(&shop);
	calls(5);
	shop_check(&shop);
	assert_true(shop_write(&shop, run_sql,
	    "UPDATE closing SET balance = balance + 1 WHERE book = 1"));
	struct ledger_counts counts;
	struct str first;

	assert_int_equal(ledger_check(shop.reader, &shop.a, &first, &counts),
	    0);
	assert_true(shop_write(&shop, run_sql, "DELETE FROM closing"));
	shop_check(&shop);
}

/* --- reading the journal -------------------------------------------------- */

static bool
second_key(struct shop *s, struct db *db, void *arg)
{
	struct key_row k;

	key_blank(&k, s->account, s->project, S("second"));
	return key_add(db, store_vault(s->store), &k,
		   S("sk-weir-second-key-0123456789")) &&
	    (*(int64_t *)arg = k.id) > 0;
}

static void
journal(void **state)
{
	struct usage_filter f = { 0 };
	struct usage_view *list, *more;
	int64_t key, since;
	int n, all;

	(void)state;
	all = usage_list(shop.reader, &shop.a, &f, &list);
	assert_true(all > 10);
	for (int i = 1; i < all; i++)
		assert_true(list[i].id < list[i - 1].id);
	f.before = list[4].id;
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &more), all - 5);
	assert_int_equal(more[0].id, list[5].id);

	usleep(3000);
	since = clock_utc_ms();
	assert_true(shop_write(&shop, second_key, &key));
	for (int i = 0; i < 6; i++) {
		int64_t first = shop.key;

		shop.key = i % 2 ? key : first;
		calls(1);
		shop.key = first;
	}
	f = (struct usage_filter){ .since = since };
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &list), 6);
	f = (struct usage_filter){ .until = since };
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &list), all);
	f = (struct usage_filter){ .key = key };
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &list), 3);
	assert_string_equal(list[0].key_name.p, "second");
	f = (struct usage_filter){ .key = key, .account = 99 };
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &list), 0);

	/* So many that most are listed (usage_key), and the last are not. */
	for (int i = 0; i < 1100; i++) {
		int64_t first = shop.key;

		shop.key = i % 7 ? first : key;
		calls(1);
		shop.key = first;
	}
	for (int i = 0; i < 2; i++) {
		int got = 0;

		f = (struct usage_filter){ .key = i ? key : 0,
			.account = i ? 0 : shop.account, .since = since };
		while ((n = usage_list(shop.reader, &shop.a, &f, &list)) > 0) {
			for (int k = 0; k < n; k++) {
				assert_true(!f.before || list[k].id < f.before);
				assert_true(!i || list[k].key == key);
				f.before = list[k].id;
			}
			got += n;
		}
		assert_int_equal(n, 0);
		assert_int_equal(got, i ? 3 + 158 : 6 + 1100);
	}
	shop_check(&shop);

	/* An account's rows are those of its keys, in order. */
	f = (struct usage_filter){ .account = shop.account };
	f.until = since;
	n = usage_list(shop.reader, &shop.a, &f, &list);
	assert_int_equal(n, all);
	for (int i = 1; i < n; i++)
		assert_true(list[i].id < list[i - 1].id);
	f.before = list[0].id;
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &list), all - 1);
	f.model = 99;
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &list), 0);
	f = (struct usage_filter){ .account = 99 };
	assert_int_equal(usage_list(shop.reader, &shop.a, &f, &list), 0);
}

static void
attempts(void **state)
{
	struct ledger_attempt *list;
	struct attempt_row *of_one;
	struct usage_view *calls_list;
	struct usage_filter f = { 0 };
	struct hold_open h;
	struct hold_progress p = { .op = { .run = hold_progress_run },
		.sent = true, .channel = 1, .credential = 1,
		.upstream_model = S("up") };
	struct hold_settle t;
	int n, all, total = 0;
	struct str after = S("");

	(void)state;
	for (all = 0; (n = usage_list(shop.reader, &shop.a, &f,
			   &calls_list)) > 0; all += n)
		f.before = calls_list[n - 1].id;
	f.before = 0;
	assert_true(usage_list(shop.reader, &shop.a, &f, &calls_list) > 0);
	while ((n = ledger_attempts(shop.reader, &shop.a, after, &list)) > 0) {
		for (int i = 0; i < n; i++) {
			assert_int_equal(list[i].number, i % 2 + 1);
			assert_int_equal(list[i].status, i % 2 ? 200 : 503);
			assert_string_equal(list[i].upstream_model.p,
			    i % 2 ? "up \"2\"" : "up");
			assert_string_equal(list[i].outcome.p,
			    i % 2 ? "ok" : "overloaded");
			assert_string_equal(list[i].state.p, "done");
			assert_int_equal(list[i].input, 100);
			assert_int_equal(list[i].price, shop.price);
		}
		total += n;
		after = list[n - 1].request_id;
	}
	/* The first call, of another test, had none. */
	assert_int_equal(n, 0);
	assert_int_equal(total, (all - 1) * 2);
	assert_int_equal(usage_attempts(shop.reader, &shop.a,
			     calls_list[0].request_id, &of_one), 2);
	assert_int_equal(of_one[1].channel, 2);
	assert_int_equal(of_one[1].ms, 40);

	h = shop_ask(&shop, 1000, 1000);
	assert_int_equal(shop_admit(shop.store, &h), HOLD_OPENED);
	assert_int_equal(ledger_pending(shop.reader, &shop.a, S(""), &list), 0);
	p.hold = h.id;
	assert_true(store_write(shop.store, true, shop_run_op, &p.op));
	assert_int_equal(ledger_pending(shop.reader, &shop.a, S(""), &list), 1);
	assert_memory_equal(list[0].request_id.p, h.request_id, ID_CHARS);
	assert_string_equal(list[0].state.p, "pending");
	t = shop_bill(&h, 1, 0);
	shop_settle(shop.store, &t);
	assert_int_equal(ledger_pending(shop.reader, &shop.a, S(""), &list), 0);
	shop_check(&shop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants),
		cmocka_unit_test(not_what_is_held),
		cmocka_unit_test(unbalanced),
		cmocka_unit_test(differences),
		cmocka_unit_test(closings),
		cmocka_unit_test(journal),
		cmocka_unit_test(attempts),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
