/* SPDX-License-Identifier: MIT */
/* arena.c - memory given back at once, guests in reverse, children first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fcgi/base/arena.h"

static char order[16];
static size_t n_order;

static void
note(void *object)
{
	order[n_order++] = *(char *)object;
}

static void
allocation(void **state)
{
	struct arena a;
	char *p[400];

	(void)state;
	arena_init(&a);
	assert_int_equal(a.bytes, 0);
	for (size_t i = 0; i < 400; i++) {
		p[i] = arena_alloc(&a, i * 7);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)i, i * 7);
	}
	for (size_t i = 0; i < 400; i++)
		for (size_t k = 0; k < i * 7; k++)
			assert_int_equal((unsigned char)p[i][k], i & 0xff);
	assert_true(a.bytes >= 400 * 399 / 2 * 7);
	assert_true(a.bytes < 3 * 400 * 399 / 2 * 7);
	arena_release(&a);
	assert_int_equal(a.bytes, 0);
	assert_null(a.blocks);
}

/* Something large does not waste the block it does not fit in. */
static void
large_and_small(void **state)
{
	struct arena a;
	char *first, *large, *second;

	(void)state;
	arena_init(&a);
	first = arena_alloc(&a, 16);
	large = arena_alloc(&a, 1 << 20);
	second = arena_alloc(&a, 16);
	memset(large, 1, 1 << 20);
	assert_ptr_equal(second, first + 16);
	arena_release(&a);
	large = arena_alloc(&a, 1 << 20);
	memset(large, 2, 1 << 20);
	assert_non_null(arena_alloc(&a, 1));
	arena_release(&a);
}

static void
zeroed(void **state)
{
	struct arena a;
	int *v;

	(void)state;
	arena_init(&a);
	memset(arena_alloc(&a, 512), 0xff, 512);
	v = arena_new(&a, int);
	assert_int_equal(*v, 0);
	char *z = arena_zero(&a, 5000);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(z[i], 0);
	arena_release(&a);
}

static void
guests_and_children(void **state)
{
	struct arena a, b, c, d;

	(void)state;
	n_order = 0;
	arena_init(&a);
	arena_child(&a, &b);
	arena_child(&a, &c);
	arena_child(&b, &d);
	arena_attach(&a, note, "1");
	arena_attach(&a, note, "2");
	arena_attach(&b, note, "b");
	arena_attach(&c, note, "c");
	arena_attach(&d, note, "d");
	arena_alloc(&d, 100);
	arena_release(&c);
	assert_int_equal(n_order, 1);
	arena_release(&c);
	assert_int_equal(n_order, 1);
	arena_release(&a);
	assert_int_equal(n_order, 5);
	assert_memory_equal(order, "cdb21", 5);
}

static void
texts(void **state)
{
	struct arena a;
	struct str s;

	(void)state;
	arena_init(&a);
	s = arena_str(&a, S("a\0b"));
	assert_int_equal(s.n, 3);
	assert_memory_equal(s.p, "a\0b", 4);
	s = arena_str(&a, (struct str){ NULL, 0 });
	assert_int_equal(s.n, 0);
	assert_int_equal(s.p[0], 0);
	s = arena_printf(&a, "%s-%05d", "x", 42);
	assert_string_equal(s.p, "x-00042");
	assert_int_equal(s.n, 7);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocation),
		cmocka_unit_test(large_and_small),
		cmocka_unit_test(zeroed),
		cmocka_unit_test(guests_and_children),
		cmocka_unit_test(texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
