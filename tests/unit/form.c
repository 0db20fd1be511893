/* SPDX-License-Identifier: MIT */
/* form.c - fields of a form, and which program it is. */
#include "handlers/page/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/base/conf.h"

static void
check(const char *form, const char *name, const char *want)
{
	struct arena a = { 0 };
	struct str got = form_field(str_of(form), &a, name);

	if (want)
		assert_true(str_eq(got, str_of(want)) && got.p);
	else
		assert_null(got.p);
	arena_release(&a);
}

static void
fields(void **state)
{
	(void)state;
	check("a=1&b=2", "a", "1");
	check("a=1&b=2", "b", "2");
	check("a=1&b=2", "c", NULL);
	check("", "a", NULL);
	check("&&=&a", "a", "");
	check("a=", "a", "");
	check("a=x+y%26z%3D%2B", "a", "x y&z=+");
	check("a=1&a=2", "a", "1");
	check("%61=1", "a", "1");
	check("ab=1&a=2", "a", "2");
	check("a=b=c", "a", "b=c");
	check("a=%C3%a9", "a", "\xc3\xa9");
}

static void
broken(void **state)
{
	(void)state;
	check("a=%", "a", "");
	check("a=x%4", "a", "");
	check("a=%zz&b=1", "b", "1");
	check("%zz=1&a=2", "a", "2");
}

/* A NUL is a byte like any other: it does not end the field. */
static void
nul(void **state)
{
	struct arena a = { 0 };
	struct str got = form_field(S("a=x%00y&b=1"), &a, "a");

	(void)state;
	assert_int_equal(got.n, 3);
	assert_memory_equal(got.p, "x\0y", 3);
	arena_release(&a);
}

static void
types(void **state)
{
	(void)state;
	assert_true(form_type(S("application/x-www-form-urlencoded")));
	assert_true(form_type(
	    S("Application/X-WWW-Form-Urlencoded; charset=UTF-8")));
	assert_false(form_type(S("application/json")));
	assert_false(form_type(S("multipart/form-data; boundary=x")));
	assert_false(form_type(S("")));
}

/* --- conf.h: where the program is ----------------------------------------- */

static void
program(void **state)
{
	struct conf c;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	conf_init(&c);
	/* Not started by a loader: argv[0] may say what it likes. */
	assert_string_equal(conf_program(&c, "/bin/sh"), exe);
	assert_string_equal(conf_program(&c, NULL), exe);
	assert_string_equal(conf_folder(&c, "/a/b/c"), "/a/b");
	assert_string_equal(conf_folder(&c, "/c"), "/");
	assert_string_equal(conf_folder(&c, NULL), ".");
	conf_release(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(broken),
		cmocka_unit_test(nul),
		cmocka_unit_test(types),
		cmocka_unit_test(program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
