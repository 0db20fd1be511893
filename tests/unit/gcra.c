/* SPDX-License-Identifier: MIT */
/* gcra.c - limits of so many a minute, on a clock that the test moves. */
#include "db/gcra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SECOND = 1000000, MINUTE = 60 * SECOND };

static const int64_t noon = INT64_C(1763812800) * SECOND;

static void
the_burst_then_one_a_second(void **state)
{
	struct gcra g = { 0 };
	int64_t retry = 0;

	(void)state;
	for (int i = 0; i < 60; i++)
		assert_true(gcra_request(&g, 60, noon, &retry));
	assert_false(gcra_request(&g, 60, noon, &retry));
	assert_int_equal(retry, 1000);
	assert_false(gcra_request(&g, 60, noon + SECOND / 2, &retry));
	assert_int_equal(retry, 500);
	assert_true(gcra_request(&g, 60, noon + SECOND, &retry));
	assert_false(gcra_request(&g, 60, noon + SECOND, &retry));
	assert_false(g.clamped);
	/* None is no limit. */
	for (int i = 0; i < 1000; i++)
		assert_true(gcra_request(&g, 0, noon, &retry));
}

/* In any minute after the first no more than the figure. */
static void
never_more_than_the_figure(void **state)
{
	static const int64_t figures[] = { 1, 2, 7, 59, 61, 3500 };

	(void)state;
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		struct gcra g = { 0 };
		int64_t n = 0, retry;

		for (int64_t t = 0; t < 10 * MINUTE; t += 1777777)
			while (gcra_request(&g, figures[i], noon + t, &retry))
				n++;
		assert_in_range(n, 10 * figures[i], 11 * figures[i]);
	}
}

/*
 * A million decisions at moments made up: for all i < j the accepted ones are
 * at most the burst and what the time between them allows; whoever is refused
 * is let in when he was told to come, and not 2 ms before.
 */
static void
a_million_decisions(void **state)
{
	static const int64_t figures[] = { 1, 7, 60, 1000, 3500 };
	uint64_t r = 88172645463325252u;

	(void)state;
	for (size_t f = 0; f < sizeof(figures) / sizeof(*figures); f++) {
		int64_t rpm = figures[f], now = noon, n = 0, retry;
		/* Least of i * MINUTE - rpm * t_i, all times rpm's units. */
		int64_t least = INT64_MAX, at;
		struct gcra g = { 0 }, before;

		for (int i = 0; i < 200000; i++) {
			r ^= r << 13;
			r ^= r >> 7;
			r ^= r << 17;
			now += (int64_t)(r % (uint64_t)(2 * MINUTE / rpm));
			before = g;
			if (gcra_request(&g, rpm, now, &retry)) {
				at = n++ * MINUTE - rpm * (now - noon);
				if (at < least)
					least = at;
				assert_true(at + MINUTE - least <=
				    rpm * MINUTE);
				continue;
			}
			assert_true(retry > 0);
			g = before;
			assert_true(gcra_request(&g, rpm, now + retry * 1000,
			    &at));
			g = before;
			assert_true(retry < 2 || !gcra_request(&g, rpm,
			    now + (retry - 2) * 1000, &at));
			g = before;
		}
	}
}

static void
tokens_in_one_bucket(void **state)
{
	struct gcra g = { 0 };
	int64_t retry;

	(void)state;
	assert_true(gcra_tokens(&g, 6000, 4000, noon, &retry));
	assert_false(gcra_tokens(&g, 6000, 4000, noon, &retry));
	assert_int_equal(retry, 20000);
	assert_true(gcra_tokens(&g, 6000, 2000, noon, &retry));
	assert_false(gcra_tokens(&g, 6000, 1, noon, &retry));
	/* Less was used than was taken. */
	gcra_correct(&g, 6000, -3000, noon);
	assert_true(gcra_tokens(&g, 6000, 3000, noon, &retry));
	assert_false(gcra_tokens(&g, 6000, 1, noon, &retry));
}

/* Larger than the bucket: a full one is needed, and the rest is paid off. */
static void
larger_than_the_bucket(void **state)
{
	struct gcra g = { 0 };
	int64_t retry;

	(void)state;
	assert_true(gcra_tokens(&g, 6000, 1, noon, &retry));
	assert_false(gcra_tokens(&g, 6000, 18000, noon, &retry));
	assert_int_equal(retry, 10);
	assert_true(gcra_tokens(&g, 6000, 18000, noon + SECOND, &retry));
	assert_false(gcra_tokens(&g, 6000, 1, noon + 2 * MINUTE, &retry));
	assert_true(gcra_tokens(&g, 6000, 1, noon + 2 * MINUTE + 2 * SECOND,
	    &retry));
	assert_false(g.clamped);
}

/* More than was taken is a debt that no clock set back explains away. */
static void
more_than_was_taken(void **state)
{
	struct gcra g = { 0 };
	int64_t retry;

	(void)state;
	assert_true(gcra_tokens(&g, 6000, 6000, noon, &retry));
	gcra_correct(&g, 6000, 12000, noon);
	assert_false(gcra_tokens(&g, 6000, 6000, noon, &retry));
	assert_int_equal(retry, 180000);
	assert_false(g.clamped);
}

static void
a_clock_set_back_costs_a_burst(void **state)
{
	struct gcra g = { 0 };
	int64_t retry;

	(void)state;
	for (int i = 0; i < 60; i++)
		assert_true(gcra_request(&g, 60, noon, &retry));
	assert_true(gcra_tokens(&g, 600, 600, noon, &retry));
	assert_false(gcra_request(&g, 60, noon - 60 * (int64_t)MINUTE,
	    &retry));
	assert_int_equal(retry, 1000);
	assert_true(g.clamped);
	assert_false(gcra_tokens(&g, 600, 600, noon - 60 * (int64_t)MINUTE,
	    &retry));
	assert_int_equal(retry, 60000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_burst_then_one_a_second),
		cmocka_unit_test(never_more_than_the_figure),
		cmocka_unit_test(a_million_decisions),
		cmocka_unit_test(tokens_in_one_bucket),
		cmocka_unit_test(larger_than_the_bucket),
		cmocka_unit_test(more_than_was_taken),
		cmocka_unit_test(a_clock_set_back_costs_a_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
