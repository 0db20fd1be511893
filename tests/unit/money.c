/* SPDX-License-Identifier: MIT */
/* money.c - amounts are read and written exactly, or refused. */
#include "db/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
reads(void **state)
{
	static const struct {
		const char *text;
		int64_t nano;
	} good[] = {
		{ "0", 0 },
		{ "5", 5 * NANO },
		{ "0.15", 150000000 },
		{ "-2.50", -2500000000 },
		{ "0.000000001", 1 },
		{ "-0.000000001", -1 },
		{ "00012", 12 * NANO },
		{ "2305843009.213693951", MONEY_MAX },
		{ "-2305843009.213693951", -MONEY_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t v = 77;

		assert_true(money_read(str_of(good[i].text), &v));
		assert_int_equal(v, good[i].nano);
	}
}

static void
refuses(void **state)
{
	static const char *const bad[] = { "", "-", ".", ".5", "5.", "+5",
		"1e3", " 5", "5 ", "1,5", "0x1", "--1", "-+1", "1.0000000001",
		"2305843009.213693952", "99999999999999999999999999999999999",
		"-2305843009.213693952", "1.2.3", "1.-2", "NaN" };
	int64_t v = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(money_read(str_of(bad[i]), &v));
		assert_int_equal(v, 77);
	}
	assert_false(money_read(str_from("1\0", 2), &v));
}

static void
shares(void **state)
{
	int64_t v = 77;

	(void)state;
	assert_true(share_read(S("0.34"), &v));
	assert_int_equal(v, 340000);
	assert_true(share_read(S("1"), &v));
	assert_int_equal(v, PPM);
	assert_true(share_read(S("1.000001"), &v));
	assert_int_equal(v, 1000001);
	assert_false(share_read(S("-1"), &v));
	assert_false(share_read(S("0.0000001"), &v));
	assert_int_equal(v, 1000001);
}

static void
writes(void **state)
{
	static const struct {
		int64_t nano;
		const char *text;
	} all[] = {
		{ 21000, "0.000021" },
		{ 10 * NANO, "10" },
		{ -2500000000, "-2.5" },
		{ 0, "0" },
		{ 1, "0.000000001" },
		{ -1, "-0.000000001" },
		{ MONEY_MAX, "2305843009.213693951" },
		{ INT64_MIN, "-9223372036.854775808" },
	};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct str s = money_text(&a, all[i].nano);

		assert_string_equal(s.p, all[i].text);
		assert_int_equal(s.n, strlen(all[i].text));
	}
	assert_string_equal(share_text(&a, 340000).p, "0.34");
	assert_string_equal(share_text(&a, PPM).p, "1");
	arena_release(&a);
}

/* What is written is read back as the same. */
static void
round_trip(void **state)
{
	uint64_t r = 88172645463325252ull;
	struct arena a;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t v, back;

		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		v = (int64_t)(r % (2 * (uint64_t)MONEY_MAX)) - MONEY_MAX;
		v >>= i % 50;
		arena_init(&a);
		assert_true(money_read(money_text(&a, v), &back));
		assert_int_equal(v, back);
		arena_release(&a);
	}
}

/* A sum that would wrap ends the program. */
static void
sums(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(money_add(INT64_MAX - 1, 1), INT64_MAX);
	assert_int_equal(money_add(-5, 3), -2);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(2);
		signal(SIGABRT, SIG_DFL);
		money_add(INT64_MAX, 1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}

static void
json_numbers(void **state)
{
	static const struct {
		const char *text;
		int places;
		int64_t parts;		/* -1: refused */
	} list[] = {
		{ "0", 9, 0 }, { "15", 9, 15 * NANO }, { "0.15", 9, 150000000 },
		{ "1.5e-07", 15, 150000000 }, { "1E+3", 0, 1000 },
		{ "7.500000000000001E-8", 15, 75000000 },
		{ "2.9999999999999997e-07", 15, 300000000 },
		{ "0.0000000004", 9, 0 }, { "0.0000000005", 9, 1 },
		{ "1e-400", 9, 0 }, { "0e400", 9, 0 }, { "5e400", 9, -1 },
		{ "1e-401", 9, -1 }, { "-1", 9, -1 }, { "", 9, -1 },
		{ ".", 9, -1 }, { "1.2.3", 9, -1 }, { "1e", 9, -1 },
		{ "\"1\"", 9, -1 }, { "1x", 9, -1 }, { "1e300", 15, -1 },
		{ "1000", 0, 1000 }, { "1001", 0, -1 },
		{ "0.00000000000000000000000000000000000001e38", 0, 1 },
		{ "1.000000000000000000000000000000000000001", 0, 1 },
		{ "1000000000000000000000000000000000000000e-38", 0, -1 },
	};
	int64_t v, most;

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		v = -1;
		most = list[i].places ? MONEY_MAX : 1000;
		assert_int_equal(number_read(str_of(list[i].text),
		    list[i].places, most, &v), list[i].parts >= 0);
		assert_int_equal(v, list[i].parts);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(shares),
		cmocka_unit_test(writes),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(sums),
		cmocka_unit_test(json_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
