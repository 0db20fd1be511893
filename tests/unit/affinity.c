/* SPDX-License-Identifier: MIT */
/* affinity.c - who served a session last. */
#include "handlers/relay/affinity.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { KEPT_MS = 5 * 60 * 1000, APART = 8192, THREADS = 4, EACH = 50000 };

static struct affinity *a;

static int
start(void **state)
{
	(void)state;
	a = affinity_new();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	affinity_free(a);
	return 0;
}

static void
five_minutes_after_the_last_use(void **state)
{
	(void)state;
	assert_int_equal(affinity_find(a, 77, 0), 0);
	affinity_keep(a, 77, 5, 1000);
	assert_int_equal(affinity_find(a, 77, 1000 + KEPT_MS - 1), 5);
	assert_int_equal(affinity_find(a, 77, 1000 + KEPT_MS), 0);
	assert_int_equal(affinity_find(a, 78, 1000), 0);
	/* Each use begins them anew; looking is no use. */
	affinity_keep(a, 77, 5, KEPT_MS);
	assert_int_equal(affinity_find(a, 77, 2 * KEPT_MS - 1), 5);
	affinity_keep(a, 77, 6, KEPT_MS + 1);
	assert_int_equal(affinity_find(a, 77, KEPT_MS + 1), 6);
	assert_int_equal(affinity_find(a, 77, 2 * KEPT_MS + 1), 0);
}

static void
the_oldest_of_a_place_gives_way(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 4; i++)
		affinity_keep(a, i * APART + 1, (int64_t)i, (int64_t)i);
	affinity_keep(a, 1 * APART + 1, 1, 10);	/* used again */
	affinity_keep(a, 5 * APART + 1, 5, 11);
	assert_int_equal(affinity_find(a, 2 * APART + 1, 12), 0);
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(affinity_find(a, i * APART + 1, 12),
		    i == 2 ? 0 : i);
	/* Others are not touched. */
	affinity_keep(a, 2, 9, 12);
	assert_int_equal(affinity_find(a, 1 * APART + 1, 12), 1);
}

static void
a_session_has_a_name_or_a_beginning(void **state)
{
	uint64_t named = affinity_session(1, S("m"), S("talk"), 0);

	(void)state;
	assert_int_equal(affinity_session(1, S("m"), S(""), 0), 0);
	assert_true(named != 0);
	assert_true(named == affinity_session(1, S("m"), S("talk"), 99));
	assert_true(named != affinity_session(2, S("m"), S("talk"), 0));
	assert_true(named != affinity_session(1, S("n"), S("talk"), 0));
	assert_true(named != affinity_session(1, S("m"), S("talks"), 0));
	assert_true(affinity_session(1, S("m"), S(""), 5) !=
	    affinity_session(1, S("m"), S(""), 6));
}

/* A session is only ever told one that it was kept with. */
static void *
one_loop(void *arg)
{
	uint64_t mine = (uint64_t)(uintptr_t)arg;

	for (int i = 0; i < EACH; i++) {
		uint64_t session = mine * 1000003 + (uint64_t)(i % 5000) + 1;
		int64_t found = affinity_find(a, session, i);

		if (found && found != (int64_t)session)
			return arg;
		affinity_keep(a, session, (int64_t)session, i);
		affinity_keep(a, 1, 4, i);
		if (affinity_find(a, 1, i) != 4)
			return arg;
	}
	return NULL;
}

static void
across_loops(void **state)
{
	pthread_t threads[THREADS];
	void *wrong;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_loop,
		    (void *)(uintptr_t)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(five_minutes_after_the_last_use),
		TEST(the_oldest_of_a_place_gives_way),
		TEST(a_session_has_a_name_or_a_beginning),
		TEST(across_loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
