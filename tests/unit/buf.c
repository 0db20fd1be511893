/* SPDX-License-Identifier: MIT */
/* buf.c - bytes that grow up to a maximum, on the heap and in an arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/json.h"

static struct arena arena;

/* The same on the heap (which = 0) and in an arena. */
static struct buf
make(int which, size_t max)
{
	return which ? BUF(&arena, max) : BUF_HEAP(max);
}

static void
drop(struct buf *b)
{
	if (!b->arena)
		buf_release(b);
}

static void
growing(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		struct buf b = make(which, 100000);

		for (int i = 0; i < 10000; i++)
			assert_true(buf_put(&b, S("0123456789")));
		assert_int_equal(b.n, 100000);
		assert_false(b.full);
		for (size_t i = 0; i < b.n; i++)
			assert_int_equal(b.p[i], '0' + i % 10);
		assert_int_equal(strlen(buf_text(&b)), 100000);
		assert_false(buf_char(&b, 'x'));
		assert_true(b.full && b.n == 100000);
		drop(&b);
	}
}

/* What does not fit is left out whole, and so is all behind it. */
static void
fullness(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		struct buf b = make(which, 8);

		assert_true(buf_put(&b, S("abcdef")));
		assert_false(buf_put(&b, S("ghi")));
		assert_false(buf_put(&b, S("g")));
		assert_false(buf_printf(&b, "%d", 1));
		assert_string_equal(buf_text(&b), "abcdef");
		assert_true(b.full);
		buf_clear(&b);
		assert_true(!b.full && b.n == 0);
		assert_true(buf_put(&b, S("12345678")));
		assert_null(buf_room(&b, 1));
		drop(&b);
	}
}

static void
writing(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		struct buf b = make(which, 1000);

		assert_string_equal(buf_text(&b), "");
		buf_put(&b, (struct str){ NULL, 0 });
		buf_printf(&b, "%s=%03d", "a", 7);
		buf_char(&b, ';');
		buf_int(&b, INT64_MIN);
		assert_string_equal(buf_text(&b), "a=007;-9223372036854775808");
		buf_drop(&b, 6);
		assert_string_equal(buf_text(&b), "-9223372036854775808");
		buf_drop(&b, b.n);
		assert_int_equal(buf_str(&b).n, 0);
		memcpy(buf_room(&b, 3), "xyz", 3);
		b.n += 3;
		assert_string_equal(buf_text(&b), "xyz");
		drop(&b);
	}
}

static void
json_strings(void **state)
{
	struct buf b = BUF_HEAP(1 << 16);
	char all[256];

	(void)state;
	buf_json(&b, S("a\"b\\c/\n\r\t\x01\x1f\x7f\xc3\xa9"));
	assert_string_equal(buf_text(&b),
	    "\"a\\\"b\\\\c/\\n\\r\\t\\u0001\\u001f\\u007f\xc3\xa9\"");
	buf_clear(&b);
	buf_json(&b, (struct str){ NULL, 0 });
	assert_string_equal(buf_text(&b), "\"\"");
	for (int i = 0; i < 128; i++)
		all[i] = (char)i;
	buf_clear(&b);
	buf_json(&b, str_from(all, 128));
	assert_true(json_valid(buf_str(&b), NULL));
	assert_true(str_eq(json_text(&arena, buf_str(&b)), str_from(all, 128)));
	buf_release(&b);

	b = BUF_HEAP(4);
	assert_false(buf_json(&b, S("abc")));
	assert_true(b.full);
	buf_release(&b);
}

static int
set_up(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(growing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fullness, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    json_strings, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
