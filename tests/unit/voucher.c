/* SPDX-License-Identifier: MIT */
/*
 * voucher.c - codes give what they are worth, as often as they may, however
 * many want it at once; who guesses is stopped.
 *
 * The race is small; $WEIR_RACE = "1000x100" (codes, accounts) makes it large.
 */
#include "db/voucher.h"

#include <sys/wait.h>

#include "db/allowance.h"
#include "tests/unit/shop.h"

#define USD(n)	((int64_t)(n) * NANO)

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

	the_time = 1763800000000;
	shop_init(s);
	s->balance = 0;
	shop_open(s);
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

struct batch {
	struct voucher_row v;
	const struct package_terms *terms;	/* of its package */
	int n;
	char (*codes)[CODE_TEXT];
};

static bool
do_make(struct shop *s, struct db *db, void *arg)
{
	struct batch *b = arg;
	struct package_row p;

	if (b->terms) {
		package_blank(&p, S("p"));
		p.terms = *b->terms;
		p.terms.volume = S("");
		if (!package_put(db, &s->a, &p))
			return false;
		b->v.package = p.id;
	}
	return voucher_new(db, store_vault(s->store), &b->v, b->n, b->codes);
}

static struct batch
make(struct shop *s, const char *name, int n, int64_t money, int64_t uses)
{
	struct batch b = { .n = n };

	voucher_blank(&b.v, str_of(name));
	b.v.money = money;
	b.v.uses = uses;
	b.codes = arena_zero(&s->a, (size_t)n * sizeof(*b.codes));
	return b;
}

struct trying {
	int64_t account;
	const char *code;
	enum voucher_verdict verdict;
	struct redeemed r;
};

static bool
do_try(struct shop *s, struct db *db, void *arg)
{
	struct trying *t = arg;
	struct arena a;

	arena_init(&a);
	t->verdict = voucher_redeem(db, store_vault(s->store), &a, t->account,
	    str_of(t->code), &t->r);
	arena_release(&a);
	return t->verdict == VOUCHER_DONE || t->verdict == VOUCHER_UNKNOWN;
}

static struct trying
try(struct shop *s, int64_t account, const char *code, enum voucher_verdict v)
{
	struct trying t = { .account = account, .code = code };
	bool written = shop_write(s, do_try, &t);

	if (t.verdict != v)
		fail_msg("verdict %d, not %d", (int)t.verdict, (int)v);
	assert_int_equal(written, v == VOUCHER_DONE || v == VOUCHER_UNKNOWN);
	return t;
}

struct opening {
	int n;
	int64_t *ids;
};

static bool
do_accounts(struct shop *s, struct db *db, void *arg)
{
	struct opening *o = arg;

	for (int i = 0; i < o->n; i++) {
		struct account_row row;

		account_blank(&row, arena_printf(&s->a, "racer%d", i));
		if (!account_put(db, &row))
			return false;
		o->ids[i] = row.id;
	}
	return true;
}

static int64_t *
accounts(struct shop *s, int n)
{
	struct opening o = { n, arena_zero(&s->a, (size_t)n * 8) };

	assert_true(shop_write(s, do_accounts, &o));
	return o.ids;
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
wallet(struct shop *s, int64_t account)
{
	int64_t balance, held;

	assert_int_equal(ledger_balance(s->reader, account, &balance, &held),
	    1);
	return balance;
}

/* --- what they give ------------------------------------------------------- */

static void
money(void **state)
{
	struct shop *s = start();
	struct batch b = make(s, "x", 2, USD(10), 1);
	struct voucher_row v;
	int64_t *who = accounts(s, 2);
	char lower[CODE_TEXT];

	(void)state;
	assert_true(shop_write(s, do_make, &b));
	for (int i = 0; i < CODE_TEXT; i++)
		lower[i] = b.codes[0][i] == '-' ? ' ' : b.codes[0][i] >= 'A' ?
		    (char)(b.codes[0][i] | 0x20) : b.codes[0][i];
	try(s, who[0], lower, VOUCHER_DONE);
	assert_int_equal(wallet(s, who[0]), USD(10));
	try(s, who[0], b.codes[0], VOUCHER_HAD);
	try(s, who[1], b.codes[0], VOUCHER_USED_UP);
	try(s, who[1], b.codes[1], VOUCHER_DONE);
	assert_int_equal(wallet(s, who[1]), USD(10));
	assert_int_equal(voucher_find(s->reader, &s->a, S("x"), &v), 1);
	assert_int_equal(v.codes, 2);
	assert_int_equal(v.used, 2);
	assert_int_equal(number(s, "SELECT sum(amount) FROM transfer "
	    "WHERE kind = 'voucher'"), USD(20));
	stop(s);
}

static void
bonus(void **state)
{
	struct shop *s = start();
	struct batch b = make(s, "x", 1, 0, 3);
	int64_t *who = accounts(s, 4);
	struct allowance *list;

	(void)state;
	b.v.bonus = (struct bonus){ USD(5), 10 };
	assert_true(shop_write(s, do_make, &b));
	for (int i = 0; i < 3; i++)
		try(s, who[i], b.codes[0], VOUCHER_DONE);
	try(s, who[3], b.codes[0], VOUCHER_USED_UP);
	assert_int_equal(wallet(s, who[0]), 0);
	assert_int_equal(allowance_list(s->reader, &s->a, who[2], &list), 1);
	assert_true(list[0].bonus);
	assert_int_equal(list[0].balance, USD(5));
	assert_int_equal(list[0].until, the_time + 10 * 86400000LL);
	stop(s);
}

static void
package(void **state)
{
	static const struct package_terms terms = { .price = USD(20),
		.quota = { UNIT_TOKEN, 1000 }, .overflow = true,
		.period = { PERIOD_MONTH, 0, 0 } };
	struct shop *s = start();
	struct batch b = make(s, "x", 2, 0, 1);
	int64_t *who = accounts(s, 2);
	struct trying t;

	(void)state;
	b.terms = &terms;
	assert_true(shop_write(s, do_make, &b));
	t = try(s, who[0], b.codes[0], VOUCHER_DONE);
	assert_int_equal(t.r.subscription.state, SUBSCRIPTION_ACTIVE);
	assert_int_equal(wallet(s, who[0]), 0);
	/* What it paid for was sold. */
	assert_int_equal(number(s, "SELECT balance FROM book WHERE id = 1"),
	    USD(20));
	/* A second one is not used up by who has it already. */
	t = try(s, who[0], b.codes[1], VOUCHER_PACKAGE);
	assert_int_equal(t.r.why, SUBSCRIPTION_TWICE);
	try(s, who[1], b.codes[1], VOUCHER_DONE);
	stop(s);
}

/* --- what is refused ------------------------------------------------------ */

static void
refused(void **state)
{
	struct shop *s = start();
	struct batch b = make(s, "x", 3, USD(10), 1);
	int64_t *who = accounts(s, 1);
	char code[CODE_TEXT];

	(void)state;
	b.v.expires = the_time + 1000;
	assert_true(shop_write(s, do_make, &b));
	try(s, who[0], "", VOUCHER_MISTYPED);
	memcpy(code, b.codes[0], sizeof(code));
	code[0] = code[0] == 'A' ? 'B' : 'A';
	try(s, who[0], code, VOUCHER_MISTYPED);
	assert_true(shop_write(s, do_sql, "UPDATE voucher SET enabled = 0"));
	try(s, who[0], b.codes[0], VOUCHER_OFF);
	assert_true(shop_write(s, do_sql, "UPDATE voucher SET enabled = 1"));
	assert_true(shop_write(s, do_sql, "UPDATE account SET enabled = 0"));
	try(s, who[0], b.codes[0], VOUCHER_ACCOUNT_OFF);
	assert_true(shop_write(s, do_sql, "UPDATE account SET enabled = 1"));
	the_time += 999;
	try(s, who[0], b.codes[0], VOUCHER_DONE);
	the_time += 1;
	try(s, who[0], b.codes[1], VOUCHER_EXPIRED);
	assert_int_equal(wallet(s, who[0]), USD(10));
	stop(s);
}

/* Ten wrong codes an hour, exactly, and for each account by itself. */
static void
guesses(void **state)
{
	struct shop *s = start();
	struct batch b = make(s, "x", 2, USD(10), 5);
	int64_t *who = accounts(s, 2), begin = the_time;
	struct trying t;
	char code[CODE_TEXT];

	(void)state;
	assert_true(shop_write(s, do_make, &b));
	for (int i = 0; i < 10; i++) {
		the_time = begin + i * 60000;
		code_make(code);
		try(s, who[0], code, VOUCHER_UNKNOWN);
		/* Slips are not counted. */
		code[3] = code[3] == 'A' ? 'B' : 'A';
		try(s, who[0], code, VOUCHER_MISTYPED);
	}
	code_make(code);
	t = try(s, who[0], code, VOUCHER_GUESSED);
	assert_int_equal(t.r.retry_ms, 3600000 - 9 * 60000);
	/* Not even a right one; another account may. */
	try(s, who[0], b.codes[0], VOUCHER_GUESSED);
	try(s, who[1], b.codes[0], VOUCHER_DONE);
	the_time = begin + 3600000 - 1;
	try(s, who[0], b.codes[0], VOUCHER_GUESSED);
	the_time = begin + 3600000;
	try(s, who[0], code, VOUCHER_UNKNOWN);
	try(s, who[0], b.codes[0], VOUCHER_GUESSED);
	the_time = begin + 3660000;
	try(s, who[0], b.codes[0], VOUCHER_DONE);
	/* They do not pile up. */
	assert_true(number(s, "SELECT count(*) FROM voucher_guess") <= 10);
	stop(s);
}

/* Codes are nowhere in the store. */
static void
only_hashes(void **state)
{
	struct shop *s = start();
	struct batch b = make(s, "x", 1, USD(10), 1);
	char path[128], plain[CODE_CHARS];
	char *text = xalloc(8 << 20);
	size_t n;

	(void)state;
	assert_true(shop_write(s, do_make, &b));
	assert_true(code_read(str_of(b.codes[0]), plain));
	for (int i = 0; i < 2; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/weir.db%s", s->dir,
		    i ? "-wal" : "");
		f = fopen(path, "r");
		assert_non_null(f);
		n = fread(text, 1, 8 << 20, f);
		fclose(f);
		assert_true(i == 0 || n > 1000);
		assert_false(str_has(str_from(text, n), str_of(b.codes[0])));
		assert_false(str_has(str_from(text, n),
		    str_from(plain, CODE_CHARS)));
	}
	free(text);
	stop(s);
}

/* --- the race ------------------------------------------------------------- */

struct race {
	struct batch *batch;
	int64_t *who;
	int n;				/* accounts */
};

/* What came of a process's tries, written into a pipe. */
struct tally {
	int64_t done, used_up, had, other;
};

static void
try_one(struct shop *s, const struct race *r, int account, int code,
    struct tally *sum)
{
	struct trying t = { .account = r->who[account],
		.code = r->batch->codes[code] };
	struct shop_do d = { s, do_try, &t };

	store_write(s->store, false, shop_run, &d);
	if (t.verdict == VOUCHER_DONE)
		sum->done++;
	else if (t.verdict == VOUCHER_USED_UP)
		sum->used_up++;
	else if (t.verdict == VOUCHER_HAD)
		sum->had++;
	else
		sum->other++;
}

/* Every second account tries every code, in an order of its own; the first
 * account does so in both processes. */
static struct tally
run(struct shop *s, const struct race *r, int half)
{
	struct tally sum = { 0, 0, 0, 0 };
	int n = r->batch->n, step = 7919 % n ? 7919 : 1;

	for (int k = 0; k < n; k++) {
		int code = (int)(((int64_t)k * step + half) % n);

		for (int i = half; i < r->n; i += 2)
			try_one(s, r, i, code, &sum);
		if (half)
			try_one(s, r, 0, code, &sum);
	}
	return sum;
}

/* In a process of its own, with the store opened there. */
static void
child(struct shop *s, const struct race *r, int half, int out)
{
	struct tally sum;
	struct str why;

	s->store = store_open(s->dir, NULL, "weirctl", &s->a, &why);
	if (!s->store)
		_exit(1);
	sum = run(s, r, half);
	_exit(write(out, &sum, sizeof(sum)) == sizeof(sum) ? 0 : 1);
}

static void
race(void **state)
{
	enum { USES = 3 };
	const char *size = getenv("WEIR_RACE");
	int codes = 20, n = 20, out[2], status;
	struct shop *s = start();
	struct tally sum = { 0, 0, 0, 0 }, one;
	struct str why;
	struct batch b;
	struct race r;
	pid_t pid[2];

	(void)state;
	if (size && sscanf(size, "%dx%d", &codes, &n) != 2)
		fail_msg("WEIR_RACE is CODESxACCOUNTS");
	b = make(s, "x", codes, USD(1), USES);
	assert_true(n > USES && shop_write(s, do_make, &b));
	r = (struct race){ &b, accounts(s, n), n };
	db_close(s->reader);
	store_close(s->store);
	assert_int_equal(pipe(out), 0);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			child(s, &r, i, out[1]);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
		assert_int_equal(read(out[0], &one, sizeof(one)), sizeof(one));
		sum.done += one.done;
		sum.used_up += one.used_up;
		sum.had += one.had;
		sum.other += one.other;
	}
	close(out[0]);
	close(out[1]);
	s->store = shop_enter(s);
	assert_non_null(s->store);
	s->reader = store_reader(s->store, &s->a, &why);
	assert_int_equal(sum.done, (int64_t)codes * USES);
	assert_int_equal(sum.used_up + sum.had,
	    (int64_t)codes * (n + 1 - USES));
	assert_int_equal(sum.other, 0);
	assert_int_equal(number(s, "SELECT sum(balance) FROM book "
	    "WHERE kind = 'wallet'"), USD(codes * USES));
	assert_int_equal(number(s, "SELECT count(*) FROM voucher_code "
	    "WHERE used <> 3"), 0);
	assert_int_equal(number(s, "SELECT count(*) FROM voucher_use"),
	    codes * USES);
	stop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(money),
		cmocka_unit_test(bonus),
		cmocka_unit_test(package),
		cmocka_unit_test(refused),
		cmocka_unit_test(guesses),
		cmocka_unit_test(only_hashes),
		cmocka_unit_test(race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
