/* SPDX-License-Identifier: MIT */
/* budget.c - how many calls of a model may be tried again. */
#include "handlers/relay/budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

enum { THREADS = 4, EACH = 100000 };

static int
full(void **state)
{
	(void)state;
	budget_fill();
	return 0;
}

static int
taken(int64_t model)
{
	int n = 0;

	while (budget_retry(model))
		n++;
	return n;
}

static void
fifty_at_first_then_a_fifth_of_the_calls(void **state)
{
	(void)state;
	assert_int_equal(taken(1), 50);
	assert_false(budget_retry(1));
	for (int i = 0; i < 4; i++)
		budget_call(1);
	assert_false(budget_retry(1));
	budget_call(1);
	assert_true(budget_retry(1));
	assert_false(budget_retry(1));
	for (int i = 0; i < 100; i++)
		budget_call(1);
	assert_int_equal(taken(1), 20);
	/* No more than fifty are saved up. */
	for (int i = 0; i < 10000; i++)
		budget_call(1);
	assert_int_equal(taken(1), 50);
	assert_int_equal(taken(2), 50);
}

static atomic_int got;

static void *
one_thread(void *arg)
{
	(void)arg;
	for (int i = 0; i < EACH; i++) {
		budget_call(3);
		if (budget_retry(3))
			atomic_fetch_add(&got, 1);
	}
	return NULL;
}

static void
exact_across_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_thread,
		    NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* Whoever called while nothing was missing saved nothing up. */
	assert_in_range(got + taken(3), THREADS * EACH / 5,
	    50 + THREADS * EACH / 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    fifty_at_first_then_a_fifth_of_the_calls, full),
		cmocka_unit_test_setup(exact_across_threads, full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
