/* SPDX-License-Identifier: MIT */
/* frames.c - a commit is one write, and no other than SQLite's own. */
#include "db/frames.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

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

static bool
script(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static int64_t
number(struct db *db, const char *sql)
{
	int64_t n = -1;

	assert_int_equal(db_number(db, sql, &n), 1);
	return n;
}

static int64_t
wal_bytes(void)
{
	struct stat st;

	assert_int_equal(stat(arena_printf(&shop.a, "%s/weir.db-wal",
	    shop.dir).p, &st), 0);
	return st.st_size;
}

/* System calls of this process that write; -1: the system does not tell. */
static int64_t
writes(void)
{
	FILE *f = fopen("/proc/self/io", "r");
	int64_t n = -1;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "syscw: %" SCNd64, &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

static char many[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 20) INSERT INTO page(x) SELECT randomblob(3000) FROM n";

static void
one_write(void **state)
{
	int64_t before, bytes;

	(void)state;
	assert_true(shop_write(&shop, script, "CREATE TABLE page(id INTEGER "
	    "PRIMARY KEY, x BLOB) STRICT"));
	before = writes();
	if (before < 0)
		skip();
	bytes = wal_bytes();
	assert_true(shop_write(&shop, script, many));
	assert_true(wal_bytes() - bytes >= (int64_t)20 * 4120);
	assert_int_equal(writes() - before, 1);
	assert_int_equal(number(shop.reader, "SELECT count(*) FROM page"), 20);
}

/* A copy of both files, which SQLite has to recover: its checksums count. */
static int64_t
recovered(const char *sql)
{
	struct str why = S("");
	struct db *db;
	int64_t n;

	assert_int_equal(system(arena_printf(&shop.a, "mkdir %s/copy && "
	    "cp %s/weir.db %s/weir.db-wal %s/copy", shop.dir, shop.dir,
	    shop.dir, shop.dir).p), 0);
	db = db_connect(arena_printf(&shop.a, "%s/copy/weir.db", shop.dir).p,
	    DB_READ, &shop.a, &why);
	assert_non_null(db);
	assert_int_equal(number(db, "SELECT count(*) FROM "
	    "pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
	n = number(db, sql);
	db_close(db);
	assert_int_equal(system(arena_printf(&shop.a, "rm -rf %s/copy",
	    shop.dir).p), 0);
	return n;
}

/*
 * With so little memory pages are written before the commit, read again,
 * written over in their place, and their checksums once more.
 */
static void
larger_than_memory(void **state)
{
	static const char sum[] = "SELECT sum(i) FROM small";

	(void)state;
	assert_true(shop_write(&shop, script, "PRAGMA cache_size = 10; "
	    "CREATE TABLE small(id INTEGER PRIMARY KEY, i INTEGER, x BLOB) "
	    "STRICT; "
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i < 1000) INSERT INTO small(i, x) "
	    "SELECT i, zeroblob(500) FROM n; "
	    "UPDATE small SET i = i + 1; SAVEPOINT a; "
	    "UPDATE small SET i = 0, x = randomblob(700); ROLLBACK TO a; "
	    "UPDATE small SET i = i + 1 WHERE id % 2 = 0; "
	    "DELETE FROM small WHERE id > 900; RELEASE a"));
	assert_int_equal(number(shop.reader, sum), 900 * 901 / 2 + 900 + 450);
	assert_int_equal(recovered(sum), 900 * 901 / 2 + 900 + 450);
	/* Rolled back as a whole, and then something else in its place. */
	assert_false(shop_write(&shop, script, "UPDATE small SET i = 7; "
	    "UPDATE book SET held = -1"));
	assert_int_equal(number(shop.reader, sum), 900 * 901 / 2 + 900 + 450);
	assert_true(shop_write(&shop, script, "UPDATE small SET i = 1"));
	assert_int_equal(recovered(sum), 900);
	/* More than fits into one write. */
	assert_true(shop_write(&shop, script, "PRAGMA cache_size = 1000; "
	    "UPDATE small SET i = 2"));
	assert_int_equal(recovered(sum), 1800);
}

/* The disk takes a part of it: the commit has not happened. */
static void
cut(void **state)
{
	static const char count[] = "SELECT count(*) FROM page";
	struct rlimit was, less;
	int64_t rows;

	(void)state;
	assert_true(shop_write(&shop, script, "CREATE TABLE IF NOT EXISTS "
	    "page(id INTEGER PRIMARY KEY, x BLOB) STRICT"));
	rows = number(shop.reader, count);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	less = was;
	less.rlim_cur = (rlim_t)(wal_bytes() + 4120 * 5 + 100);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
	assert_false(shop_write(&shop, script, many));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_not_equal(store_trouble(shop.store), DB_FINE);
	assert_int_equal(number(shop.reader, count), rows);
	assert_int_equal(recovered(count), rows);
	assert_true(shop_write(&shop, script, many));
	assert_int_equal(recovered(count), rows + 20);
	shop_check(&shop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_write, start, stop),
		cmocka_unit_test_setup_teardown(larger_than_memory, start,
		    stop),
		cmocka_unit_test_setup_teardown(cut, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
