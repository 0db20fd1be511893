/* SPDX-License-Identifier: MIT */
/* id.c - request ids: their form, their order, no two alike. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/id.h"

enum { N_IDS = 20000, N_THREADS = 4 };

static char ids[N_THREADS][N_IDS][ID_CHARS];

static void
form(void **state)
{
	char id[ID_CHARS];

	(void)state;
	id_make(0, id);
	assert_true(id_valid(str_from(id, ID_CHARS)));
	assert_memory_equal(id, "0000000000", 10);
	id_make((INT64_C(1) << 48) - 1, id);
	assert_memory_equal(id, "7zzzzzzzzz", 10);
	assert_false(id_valid(str_from(id, ID_CHARS - 1)));
	id[3] = 'u';
	assert_false(id_valid(str_from(id, ID_CHARS)));
	id[3] = '\0';
	assert_false(id_valid(str_from(id, ID_CHARS)));
	id[3] = 'A';
	assert_false(id_valid(str_from(id, ID_CHARS)));
	assert_false(id_valid(S("")));
}

/* Ids sort as text by their time. */
static void
ordered(void **state)
{
	char a[ID_CHARS], b[ID_CHARS];

	(void)state;
	for (int64_t t = 1; t < INT64_C(1) << 47; t = t * 3 + 1) {
		id_make(t - 1, a);
		id_make(t, b);
		assert_true(memcmp(a, b, ID_CHARS) < 0);
	}
}

static void *
make_many(void *into)
{
	char(*to)[ID_CHARS] = into;

	for (int i = 0; i < N_IDS; i++)
		id_make(1, to[i]);
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, ID_CHARS);
}

static void
no_two_alike(void **state)
{
	pthread_t threads[N_THREADS];
	size_t n = (size_t)N_IDS * N_THREADS;
	unsigned used[256] = { 0 };
	char(*all)[ID_CHARS] = ids[0];

	(void)state;
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, make_many, ids[i]), 0);
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(all, n, ID_CHARS, compare);
	for (size_t i = 1; i < n; i++)
		assert_int_not_equal(compare(all[i - 1], all[i]), 0);
	/* Each letter is about as frequent as the others. */
	for (size_t i = 0; i < n; i++)
		for (int k = 10; k < ID_CHARS; k++)
			used[(unsigned char)all[i][k]]++;
	for (int c = 0; c < 256; c++)
		if (used[c])
			assert_in_range(used[c], n * 16 / 32 * 9 / 10,
			    n * 16 / 32 * 11 / 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form),
		cmocka_unit_test(ordered),
		cmocka_unit_test(no_two_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
