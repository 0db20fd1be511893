/* SPDX-License-Identifier: MIT */
/* score.c - sums that fade, and classes of times. */
#include "db/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fcgi/base/mem.h"

static const int64_t T = INT64_C(1800000000000);

static void
borders_of_classes(void **state)
{
	static const struct {
		int64_t ms;
		int class;
	} rows[] = {
		{ 0, 0 }, { 15, 0 }, { 16, 1 }, { 22, 1 }, { 23, 2 },
		{ 31, 2 }, { 32, 3 }, { 45, 3 }, { 46, 4 }, { 63, 4 },
		{ 64, 5 }, { 1023, 12 }, { 1024, 13 }, { 8191, 18 },
		{ 8192, 19 }, { 524287, 30 }, { 524288, 31 },
		{ 3600000, 31 }, { INT64_MAX / 20000, 31 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_int_equal(score_class(rows[i].ms), rows[i].class);
	for (int64_t ms = 1; ms < 300000; ms++)
		assert_in_range(score_class(ms) - score_class(ms - 1), 0, 1);
}

static void
within(void **state)
{
	struct score s = { .at = T };

	(void)state;
	assert_int_equal(score_within(s.times, 950, 0), 0);
	for (int i = 0; i < 19; i++)
		score_first(&s, 100);
	assert_int_equal(score_within(s.times, 950, 20), 0);
	score_first(&s, 5000);
	/* 19 of 20 are 95 of 100: all of the class 90 to 128. */
	assert_int_equal(score_within(s.times, 950, 20), 128);
	assert_in_range(score_within(s.times, 500, 20), 105, 112);
	assert_in_range(score_within(s.times, 951, 20), 4096, 5793);
	assert_int_equal(score_within(s.times, 1000, 20), 5792);
	/* It never tells less than what it was told by more than a class. */
	for (int64_t ms = 16; ms < 500000; ms = ms * 11 / 10) {
		struct score one = { .at = T };
		int64_t told;

		score_first(&one, ms);
		told = score_within(one.times, 950, 1);
		assert_true(told >= ms * 1000 / 1415 - 1 &&
		    told <= ms * 1415 / 1000 + 1);
	}
}

static void
times_are_halved(void **state)
{
	struct score s = { .at = T };
	int n = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		score_first(&s, i % 2 ? 100 : 1000);
	for (int i = 0; i < SCORE_TIMES; i++)
		n += s.times[i];
	assert_in_range(n, 400, 1000);
	/* What is new outweighs what was long ago. */
	for (int i = 0; i < 6000; i++)
		score_first(&s, 20000);
	assert_in_range(score_within(s.times, 500, 20), 16384, 23170);
}

static void
half_a_minute(void **state)
{
	struct score s = { .at = T, .good = 1000000, .bad = 2000000,
		.first_n = 1000000, .first_ms = 300000000 };

	(void)state;
	score_age(&s, T + 999);
	assert_int_equal(s.good, 1000000);
	assert_int_equal(s.at, T);		/* what is less is not lost */
	score_age(&s, T + 60500);
	assert_in_range(s.good, 499000, 501000);
	assert_in_range(s.bad, 999000, 1001000);
	assert_int_equal(s.at, T + 60000);
	for (int i = 1; i <= 60; i++)
		score_age(&s, T + 60000 + i * 1000);
	assert_in_range(s.good, 249000, 251000);
	assert_in_range(s.first_ms / s.first_n, 299, 301);
	score_age(&s, T + INT64_C(1000000000));
	assert_int_equal(s.good + s.bad + s.first_n, 0);
}

static void
set_back(void **state)
{
	struct score s = { .at = T, .good = 1000 };

	(void)state;
	score_age(&s, T - 3600000);
	assert_int_equal(s.good, 1000);
	score_age(&s, T - 3600000 + 60000);
	assert_in_range(s.good, 499, 501);
	score_age(&s, INT64_MAX / 4);
	assert_int_equal(s.good, 0);
}

static void
sums(void **state)
{
	struct score a = { .at = T, .good = 1000 }, b = { .at = T,
		.good = 2000, .bad = 3000 };

	(void)state;
	score_first(&a, 100);
	score_first(&b, 300);
	score_sum(&a, &b);
	assert_int_equal(a.good, 3000);
	assert_int_equal(a.bad, 3000);
	assert_int_equal(a.first_n, 2000);
	assert_int_equal(a.first_ms, 400000);
	assert_int_equal(a.times[score_class(100)], 1);
	assert_int_equal(a.times[score_class(300)], 1);
	a.failures = a.late = 4;
	score_forget(&a);
	assert_int_equal(a.good + a.bad + a.failures + a.late, 0);
	assert_int_equal(a.first_n, 2000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(borders_of_classes),
		cmocka_unit_test(within),
		cmocka_unit_test(times_are_halved),
		cmocka_unit_test(half_a_minute),
		cmocka_unit_test(set_back),
		cmocka_unit_test(sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
