/* SPDX-License-Identifier: MIT */
/* writer.c - one thread writes; nobody is told before COMMIT returned. */
#include "db/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "db/setting.h"
#include "tests/unit/shop.h"

static struct shop shop;
static struct writer *writer;

static int
start(void **state)
{
	(void)state;
	shop_init(&shop);
	shop_open(&shop);
	writer = writer_start(shop.store);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	writer_stop(writer);
	shop_close(&shop);
	return 0;
}

/* --- an operation that notes what became of it ---------------------------- */

struct note {
	struct op op;
	const char *sql;
	bool verdict;			/* that run returns */
	atomic_int runs, done;
	bool ok;
	pthread_t by;
};

static bool
note_run(struct db *db, struct op *op)
{
	struct note *n = holder(op, struct note, op);

	atomic_fetch_add(&n->runs, 1);
	n->by = pthread_self();
	return (!n->sql || db_script(db, n->sql)) && n->verdict;
}

static void
note_done(struct op *op)
{
	struct note *n = holder(op, struct note, op);

	n->ok = op->ok;
	atomic_fetch_add(&n->done, 1);
}

static void
note_put(struct note *n, const char *sql, bool must)
{
	*n = (struct note){ .op = { .run = note_run, .done = note_done,
				.must = must, .durable = must },
		.sql = sql, .verdict = true };
	writer_put(writer, &n->op);
}

static void
wait_for(struct note *n)
{
	for (int i = 0; i < 5000 && !atomic_load(&n->done); i++)
		usleep(1000);
	assert_int_equal(atomic_load(&n->done), 1);
}

#define ADD "UPDATE setting SET value = value + 1 WHERE name = 'sum'"

static int64_t
sum(void)
{
	int64_t v = -1;

	db_number(shop.reader, "SELECT CAST(value AS INTEGER) FROM setting "
	    "WHERE name = 'sum'", &v);
	return v;
}

static bool
zero(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return setting_set(db, S("sum"), S("0"));
}

/* --- tests ---------------------------------------------------------------- */

static void
runs(void **state)
{
	struct note a, b;

	(void)state;
	assert_true(shop_write(&shop, zero, NULL));
	note_put(&a, ADD, false);
	wait_for(&a);
	note_put(&b, ADD, true);
	wait_for(&b);
	assert_true(a.ok && b.ok);
	assert_int_equal(sum(), 2);
	assert_false(pthread_equal(a.by, pthread_self()));
	assert_true(pthread_equal(a.by, b.by));
	assert_true(writer_drain(writer, 1000));
	assert_int_equal(writer_late_ms(writer), 0);
}

/* One that fails does not take the others of its batch with it. */
static void
alone(void **state)
{
	enum { MANY = 50 };
	struct note n[MANY];

	(void)state;
	assert_true(shop_write(&shop, zero, NULL));
	for (int i = 0; i < MANY; i++)
		note_put(&n[i], i == 20 ? "UPDATE book SET held = -1" : ADD,
		    false);
	for (int i = 0; i < MANY; i++) {
		wait_for(&n[i]);
		assert_int_equal(n[i].ok, i != 20);
	}
	assert_int_equal(sum(), MANY - 1);
	shop_check(&shop);
}

struct crowd {
	struct note n[200];
};

static void *
put_many(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < 200; i++)
		note_put(&c->n[i], ADD, i % 2);
	return NULL;
}

/* Four threads put as fast as they can; each operation is run and told once. */
static void
crowded(void **state)
{
	struct crowd *c = xalloc(4 * sizeof(*c));
	pthread_t threads[4];
	int runs = 0;

	(void)state;
	assert_true(shop_write(&shop, zero, NULL));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, put_many,
				     &c[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(writer_drain(writer, 10000));
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 200; k++) {
			assert_int_equal(atomic_load(&c[i].n[k].done), 1);
			assert_true(c[i].n[k].ok);
			runs += atomic_load(&c[i].n[k].runs);
		}
	assert_int_equal(runs, 800);
	assert_int_equal(sum(), 800);
	free(c);
}

/* SQLite ends the transaction by itself; what is alone right still happens. */
static void
autocommit(void **state)
{
	static const char big[] = "PRAGMA max_page_count = 1; CREATE TABLE "
	    "big(x BLOB) STRICT; INSERT INTO big VALUES (zeroblob(9000000))";
	struct note full, before, after, room;

	(void)state;
	assert_true(shop_write(&shop, zero, NULL));
	note_put(&before, ADD, false);
	note_put(&full, big, false);
	note_put(&after, ADD, true);
	wait_for(&before);
	wait_for(&full);
	assert_false(full.ok);
	/* A full disk: what must not be lost waits for room. */
	note_put(&room, "PRAGMA max_page_count = 1073741823", true);
	wait_for(&after);
	wait_for(&room);
	assert_true(after.ok);
	assert_true(sum() >= 1 && sum() <= 2);
	assert_int_equal(sum(), 1 + before.ok);
	shop_check(&shop);

	/* The ballast is made again, and all is as before. */
	usleep(1200000);
	note_put(&before, ADD, false);
	wait_for(&before);
	assert_true(before.ok);
}

static atomic_int broken;

static bool
fails_at_first(struct db *db, struct op *op)
{
	atomic_fetch_add(&holder(op, struct note, op)->runs, 1);
	return atomic_load(&broken) ? db_script(db, "this is no SQL")
				    : db_script(db, ADD);
}

/* What must happen is tried until it does; others are given up. */
static void
must(void **state)
{
	struct note a, b, c;

	(void)state;
	assert_true(shop_write(&shop, zero, NULL));
	atomic_store(&broken, 1);
	a = (struct note){ .op = { .run = fails_at_first, .done = note_done,
			       .must = true } };
	b = (struct note){ .op = { .run = fails_at_first,
			       .done = note_done } };
	writer_put(writer, &a.op);
	writer_put(writer, &b.op);
	wait_for(&b);
	assert_false(b.ok);
	usleep(300000);
	assert_int_equal(atomic_load(&a.done), 0);
	assert_true(atomic_load(&a.runs) > 2);
	assert_true(writer_late_ms(writer) >= 250);
	assert_false(writer_drain(writer, 10));
	/* Others go on beside it. */
	note_put(&c, ADD, true);
	wait_for(&c);
	assert_true(c.ok);
	atomic_store(&broken, 0);
	wait_for(&a);
	assert_true(a.ok);
	assert_true(writer_drain(writer, 1000));
	assert_int_equal(writer_late_ms(writer), 0);
	assert_int_equal(sum(), 2);
}

/* All that is queued is written before the thread ends. */
static void
stops(void **state)
{
	struct crowd *c = xnew(struct crowd);

	(void)state;
	assert_true(shop_write(&shop, zero, NULL));
	put_many(c);
	writer_stop(writer);
	assert_int_equal(sum(), 200);
	for (int i = 0; i < 200; i++)
		assert_true(c->n[i].ok);
	writer = writer_start(shop.store);
	free(c);
}

/* A settlement that cannot be written does not keep the process for ever. */
static void
stops_broken(void **state)
{
	struct note a;
	int64_t at;

	(void)state;
	atomic_store(&broken, 1);
	a = (struct note){ .op = { .run = fails_at_first, .done = note_done,
			       .must = true } };
	writer_put(writer, &a.op);
	at = clock_ms();
	writer_stop(writer);
	assert_in_range(clock_ms() - at, 4000, 9000);
	assert_int_equal(atomic_load(&a.done), 1);
	assert_false(a.ok);
	writer = writer_start(shop.store);
}

static void
ballast(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(arena_printf(&shop.a, "%s/ballast", shop.dir).p,
			     &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, 1 << 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs),
		cmocka_unit_test(alone),
		cmocka_unit_test(crowded),
		cmocka_unit_test(autocommit),
		cmocka_unit_test(must),
		cmocka_unit_test(stops),
		cmocka_unit_test(stops_broken),
		cmocka_unit_test(ballast),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
