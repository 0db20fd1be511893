/* SPDX-License-Identifier: MIT */
/* db.c - statements, rows, transactions and the settings they rest on. */
#include "db/db.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "db/lock.h"
#include "db/setting.h"
#include "db/zone.h"
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

/* Every statement is prepared, and none walks a table without saying so. */
static void
no_scans(void **state)
{
	struct str report = S("");
	int n = db_scans(shop.reader, &shop.a, &report);

	(void)state;
	if (n != 0)
		fail_msg("%d statements scan:\n%.*s", n, STR_ARGS(report));
}

/* Money is INTEGER in a STRICT table; its columns are checked. */
static void
schema(void **state)
{
	int64_t n;

	(void)state;
	assert_int_equal(db_number(shop.reader,
			     "SELECT count(*) FROM sqlite_master "
			     "WHERE type = 'table' AND sql NOT LIKE "
			     "'%) STRICT%' AND name NOT LIKE 'sqlite_%'",
			     &n), 1);
	assert_int_equal(n, 0);
	assert_int_equal(db_number(shop.reader,
			     "SELECT count(*) FROM sqlite_master m, "
			     "pragma_table_info(m.name) c "
			     "WHERE m.type = 'table' AND c.name IN ('balance', "
			     "'held', 'amount', 'charge', 'cost', 'list', "
			     "'bound', 'used') AND c.type <> 'INTEGER'", &n),
	    1);
	assert_int_equal(n, 0);
	assert_int_equal(db_number(shop.reader, "PRAGMA foreign_keys", &n), 1);
	assert_int_equal(n, 1);
	assert_int_equal(db_number(shop.reader, "PRAGMA wal_autocheckpoint",
			     &n), 1);
	assert_int_equal(n, 0);
	assert_int_equal(db_number(shop.reader, "PRAGMA query_only", &n), 1);
	assert_int_equal(n, 1);
}

static bool
set_and_get(struct shop *s, struct db *db, void *arg)
{
	struct str v = S("");
	int64_t before = setting_generation(db);

	(void)arg;
	return setting_set(db, S("x"), S("caf\xc3\xa9 \" ' ;")) &&
	    setting_get(db, &s->a, S("x"), &v) == 1 &&
	    str_eq(v, S("caf\xc3\xa9 \" ' ;")) &&
	    setting_generation(db) == before + 1 &&
	    setting_set(db, S("x"), S("")) &&
	    setting_get(db, &s->a, S("x"), &v) == 1 && v.n == 0 &&
	    setting_set(db, S("x"), (struct str){ NULL, 0 }) &&
	    setting_get(db, &s->a, S("x"), &v) == 0;
}

static void
letters(void **state)
{
	(void)state;
	assert_true(shop_write(&shop, set_and_get, NULL));
}

/* A reading connection does not write. */
static void
reads_only(void **state)
{
	(void)state;
	assert_false(setting_set(shop.reader, S("x"), S("y")));
	assert_true(db_failed(shop.reader));
	assert_true(strlen(db_words(shop.reader)) > 0);
	/* Outside of a transaction the next call begins anew. */
	assert_true(setting_generation(shop.reader) > 0);
	assert_false(db_failed(shop.reader));
}

static bool
half(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	assert_true(setting_set(db, S("half"), S("done")));
	return false;
}

static bool
wrong(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	assert_true(setting_set(db, S("half"), S("done")));
	assert_false(db_script(db, "UPDATE book SET held = -1"));
	assert_true(db_failed(db));
	assert_int_equal(db_trouble(db), DB_REFUSED);
	return true;		/* not seen: it is rolled back all the same */
}

static void
rolls_back(void **state)
{
	struct str v;

	(void)state;
	assert_false(shop_write(&shop, half, NULL));
	assert_int_equal(setting_get(shop.reader, &shop.a, S("half"), &v), 0);
	assert_false(shop_write(&shop, wrong, NULL));
	assert_int_equal(setting_get(shop.reader, &shop.a, S("half"), &v), 0);
}

static bool
fill_up(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	/* SQLite ends the transaction by itself when the disk is full. */
	assert_true(setting_set(db, S("half"), S("done")));
	assert_false(db_script(db, "PRAGMA max_page_count = 1; "
	    "CREATE TABLE big(x); INSERT INTO big VALUES(zeroblob(9000000))"));
	assert_int_equal(db_trouble(db), DB_FULL);
	return false;
}

static bool
room_again(struct shop *s, struct db *db, void *arg)
{
	int64_t n;

	(void)s;
	(void)arg;
	return db_number(db, "PRAGMA max_page_count = 1073741823", &n) == 1;
}

/* A full disk: nothing of it happened, and the next write is fine. */
static void
full(void **state)
{
	struct str v;

	(void)state;
	assert_false(shop_write(&shop, fill_up, NULL));
	assert_int_equal(store_trouble(shop.store), DB_FULL);
	assert_int_equal(setting_get(shop.reader, &shop.a, S("half"), &v), 0);
	assert_true(shop_write(&shop, room_again, NULL));
	assert_true(shop_write(&shop, set_and_get, NULL));
	shop_check(&shop);
}

/* --- locks ---------------------------------------------------------------- */

static void
locks(void **state)
{
	char path[128];
	int64_t at;
	int a, b;

	(void)state;
	snprintf(path, sizeof(path), "%s/lock-test", shop.dir);
	a = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	b = open(path, O_RDWR | O_CLOEXEC);
	assert_true(lock_take(a, 20, 0));
	assert_true(lock_take(a, 20, 0));
	assert_false(lock_take(b, 20, 0));
	assert_false(lock_free(b, 20));
	assert_true(lock_free(b, 21));
	assert_true(lock_take(b, 21, -1));
	at = clock_ms();
	assert_false(lock_take(b, 20, 100));
	assert_in_range(clock_ms() - at, 90, 2000);
	lock_give(a, 20);
	/* The thread that waited too long gives it back. */
	for (int i = 0; i < 100 && !lock_take(a, 20, 0); i++)
		usleep(10000);
	assert_false(lock_take(b, 20, 0));
	close(a);
	assert_true(lock_take(b, 20, 0));
	close(b);
}

/* --- time zones ----------------------------------------------------------- */

static int64_t
at(const char *text)
{
	int64_t ms;

	assert_true(clock_read(str_of(text), 0, &ms));
	return ms;
}

static void
utc(void **state)
{
	struct zone *z = zone_open(S("UTC"));
	int64_t now = at("2026-11-22T13:45:10Z");

	(void)state;
	assert_int_equal(zone_start(z, ZONE_HOUR, now),
	    at("2026-11-22T13:00:00Z"));
	assert_int_equal(zone_start(z, ZONE_DAY, now), at("2026-11-22"));
	assert_int_equal(zone_start(z, ZONE_WEEK, now), at("2026-11-16"));
	assert_int_equal(zone_start(z, ZONE_MONTH, now), at("2026-11-01"));
	assert_int_equal(zone_next(z, ZONE_WEEK, now), at("2026-11-23"));
	assert_int_equal(zone_next(z, ZONE_MONTH, at("2026-12-31T23:59:59Z")),
	    at("2027-01-01"));
	assert_int_equal(zone_start(z, ZONE_MONTH, at("2028-02-29")),
	    at("2028-02-01"));
	assert_int_equal(zone_start(z, ZONE_DAY, -1), -86400000);
	zone_close(z);
	assert_null(zone_open(S("Middle/Earth")));
	assert_null(zone_open(S("../../etc/passwd")));
	assert_null(zone_open(S("/etc/passwd")));
	assert_null(zone_open(S("")));
}

/* Winter, summer, both changes, and long after the file's last line. */
static void
berlin(void **state)
{
	struct zone *z = zone_open(S("Europe/Berlin"));

	(void)state;
	if (!z)
		skip();
	assert_int_equal(zone_offset(z, at("2026-01-10") / 1000), 3600);
	assert_int_equal(zone_offset(z, at("2026-07-10") / 1000), 7200);
	assert_int_equal(zone_offset(z, at("2060-01-10") / 1000), 3600);
	assert_int_equal(zone_offset(z, at("2060-07-10") / 1000), 7200);
	assert_int_equal(zone_start(z, ZONE_DAY, at("2026-11-22T23:30:00Z")),
	    at("2026-11-22T23:00:00Z"));
	assert_int_equal(zone_start(z, ZONE_DAY, at("2026-11-22T22:30:00Z")),
	    at("2026-11-21T23:00:00Z"));
	/* 2026-03-29: a day of 23 hours; 2026-10-25: one of 25. */
	assert_int_equal(zone_start(z, ZONE_DAY, at("2026-03-29T12:00:00Z")),
	    at("2026-03-28T23:00:00Z"));
	assert_int_equal(zone_next(z, ZONE_DAY, at("2026-03-29T12:00:00Z")),
	    at("2026-03-29T22:00:00Z"));
	assert_int_equal(zone_start(z, ZONE_DAY, at("2026-10-25T12:00:00Z")),
	    at("2026-10-24T22:00:00Z"));
	assert_int_equal(zone_next(z, ZONE_DAY, at("2026-10-25T12:00:00Z")),
	    at("2026-10-25T23:00:00Z"));
	assert_int_equal(zone_start(z, ZONE_MONTH, at("2026-07-15")),
	    at("2026-06-30T22:00:00Z"));
	zone_close(z);
}

/* Midnight does not exist on the day Chile changes its clocks. */
static void
no_midnight(void **state)
{
	struct zone *z = zone_open(S("America/Santiago"));

	(void)state;
	if (!z)
		skip();
	assert_int_equal(zone_start(z, ZONE_DAY, at("2026-09-06T12:00:00Z")),
	    at("2026-09-06T04:00:00Z"));
	assert_int_equal(zone_start(z, ZONE_DAY, at("2026-09-06T03:59:00Z")),
	    at("2026-09-05T04:00:00Z"));
	zone_close(z);
	z = zone_open(S("Asia/Kathmandu"));
	assert_non_null(z);
	assert_int_equal(zone_start(z, ZONE_HOUR, at("2026-09-06T12:10:00Z")),
	    at("2026-09-06T11:15:00Z"));
	zone_close(z);
}

/* The system's own conversion agrees, hour by hour for some years. */
static void
as_the_system(void **state)
{
	static const char *const names[] = { "America/New_York",
		"Australia/Lord_Howe", "Europe/London", "Asia/Tehran",
		"America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia" };

	(void)state;
	for (size_t i = 0; i < countof(names); i++) {
		struct zone *z = zone_open(str_of(names[i]));

		if (!z)
			continue;
		setenv("TZ", names[i], 1);
		tzset();
		for (time_t t = 1000000000; t < 2600000000; t += 36061) {
			struct tm tm;

			localtime_r(&t, &tm);
			assert_int_equal(zone_offset(z, t), tm.tm_gmtoff);
		}
		zone_close(z);
	}
	unsetenv("TZ");
	tzset();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_scans),
		cmocka_unit_test(schema),
		cmocka_unit_test(letters),
		cmocka_unit_test(reads_only),
		cmocka_unit_test(rolls_back),
		cmocka_unit_test(full),
		cmocka_unit_test(locks),
		cmocka_unit_test(utc),
		cmocka_unit_test(berlin),
		cmocka_unit_test(no_midnight),
		cmocka_unit_test(as_the_system),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
