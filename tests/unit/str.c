/* SPDX-License-Identifier: MIT */
/* str.c - views: comparing, searching, cutting, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "fcgi/base/mem.h"
#include "fcgi/base/str.h"

static const struct str none = { NULL, 0 };

static void
equality(void **state)
{
	(void)state;
	assert_true(str_eq(S("a\0b"), S("a\0b")));
	assert_false(str_eq(S("a\0b"), S("a\0c")));
	assert_true(str_eq(none, S("")));
	assert_true(str_eq(str_of(NULL), none));
	assert_false(str_eq(S("a"), none));
	assert_true(str_eq_nocase(S("Content-Type"), S("content-tYPE")));
	assert_false(str_eq_nocase(S("a"), S("ab")));
	assert_true(str_eq_nocase(none, none));
	assert_true(str_starts(S("abc"), S("ab")));
	assert_true(str_starts(S("abc"), S("")));
	assert_false(str_starts(S("a"), S("ab")));
	assert_true(str_starts_nocase(S("Bearer x"), S("bearer ")));
	assert_true(str_ends(S("abc"), S("bc")));
	assert_false(str_ends(S("c"), S("bc")));
	assert_true(str_has(S("hello world"), S("o w")));
	assert_true(str_has(S("x"), S("")));
	assert_true(str_has(none, S("")));
	assert_false(str_has(S("hell"), S("hello")));
	assert_true(str_has_nocase(S("a TEXT/Html b"), S("text/html")));
	assert_false(str_has_nocase(S("text"), S("texts")));
	assert_true(str_cmp(S("a"), S("b")) < 0);
	assert_true(str_cmp(S("b"), S("a")) > 0);
	assert_true(str_cmp(S("a"), S("aa")) < 0);
	assert_true(str_cmp(S("a\xff"), S("ab")) > 0);
	assert_int_equal(str_cmp(none, S("")), 0);
}

static void
cutting(void **state)
{
	struct str rest = S("a,b,,c"), s;

	(void)state;
	assert_true(str_eq(str_cut(&rest, ','), S("a")));
	assert_true(str_eq(str_cut(&rest, ','), S("b")));
	assert_true(str_eq(str_cut(&rest, ','), S("")));
	assert_true(str_eq(str_cut(&rest, ','), S("c")));
	assert_int_equal(rest.n, 0);
	assert_int_equal(str_cut(&rest, ',').n, 0);
	rest = S("x,");
	assert_true(str_eq(str_cut(&rest, ','), S("x")));
	assert_int_equal(rest.n, 0);
	assert_true(str_eq(str_trim(S(" \t\r\n a b \n")), S("a b")));
	assert_int_equal(str_trim(S(" \t ")).n, 0);
	assert_int_equal(str_trim(none).n, 0);
	s = S("abc");
	assert_true(str_eq(str_skip(s, 1), S("bc")));
	assert_int_equal(str_skip(s, 3).n, 0);
	assert_int_equal(str_skip(s, 99).n, 0);
	assert_int_equal(str_skip(none, 5).n, 0);
}

/* Every byte at every place of strings around the eight looked at at once. */
static void
control_bytes(void **state)
{
	char text[26];

	(void)state;
	assert_false(str_has_control((struct str){ NULL, 0 }));
	for (size_t n = 1; n <= sizeof(text); n++)
		for (size_t at = 0; at < n; at++)
			for (int c = 0; c < 256; c++) {
				memset(text, c & 1 ? ' ' : '\xff', n);
				text[at] = (char)c;
				assert_int_equal(str_has_control(str_from(text,
				    n)), c < 0x20 || c == 0x7f);
			}
}

static void
numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t v;
	} good[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "007", 7 },
		{ "-12", -12 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
	};
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1.0",
		"0x1", "--1", "9223372036854775808", "-9223372036854775809",
		"99999999999999999999", "1\n" };

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		int64_t v = 42;

		assert_true(str_int(str_of(good[i].text), &v));
		assert_true(v == good[i].v);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		int64_t v = 42;

		if (str_int(str_of(bad[i]), &v))
			fail_msg("taken: '%s'", bad[i]);
		assert_int_equal(v, 42);
	}
	assert_false(str_int(none, &(int64_t){ 0 }));
	assert_false(str_int(S("1\0"), &(int64_t){ 0 }));
}

static void
percent_signs(void **state)
{
	static const char *const bad[] = { "%", "%4", "%4g", "%g4", "%%41" };
	struct str s = S("a%41%2f%fF%00+");
	const int want[] = { 'a', 'A', '/', 0xff, 0, '+' };

	(void)state;
	for (size_t i = 0; i < countof(want); i++)
		assert_int_equal(str_percent(&s), want[i]);
	assert_int_equal(s.n, 0);
	for (size_t i = 0; i < countof(bad); i++) {
		s = str_of(bad[i]);
		assert_int_equal(str_percent(&s), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality),
		cmocka_unit_test(cutting),
		cmocka_unit_test(control_bytes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(percent_signs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
