/* SPDX-License-Identifier: MIT */
/*
 * conf.c - values of each type at their edges, which source wins, and that
 * each mistake is answered with where it stands and what to write instead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/base/conf.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"

static char folder[] = "/tmp/weir-conf-XXXXXX";
static char path[64];
static struct conf conf;
static struct str why;

static int
setup(void **state)
{
	(void)state;
	for (enum conf_id id = 0; id < N_CONF; id++) {
		char name[64];

		snprintf(name, sizeof(name), "WEIR_%s", conf_table[id].name);
		for (char *p = name; *p; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		unsetenv(name);
	}
	unsetenv("WEIR_CONF");
	conf_init(&conf);
	why = (struct str){ 0 };
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	conf_release(&conf);
	unlink(path);
	return 0;
}

static void
write_conf(const char *text, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void
assert_why(const char *what)
{
	assert_non_null(why.p);
	if (!str_has(why, str_of(what)))
		print_error("\"%.*s\" does not say \"%s\"\n", STR_ARGS(why),
		    what);
	assert_true(str_has(why, str_of(what)));
}

static bool
set(enum conf_id id, const char *value)
{
	why = (struct str){ 0 };
	return conf_set(&conf, id, str_of(value), "command line", &why);
}

/* --- The table ------------------------------------------------------------ */

static void
the_table(void **state)
{
	(void)state;
	for (enum conf_id id = 0; id < N_CONF; id++) {
		const struct conf_row *row = &conf_table[id];

		assert_non_null(row->name);
		assert_non_null(row->fallback);
		assert_true(row->help && row->help[0]);
		assert_int_equal(conf_find(str_of(row->name)), id);
		assert_string_equal(conf.source[id], "built-in");
		assert_string_equal(conf.text[id].p, row->fallback);
	}
	assert_int_equal(conf_find(S("nonsense")), N_CONF);
	assert_int_equal(conf_find(S("DATA")), N_CONF);
	assert_int_equal(conf_find(S("")), N_CONF);
	assert_int_equal(conf.number[CONF_BODY_MAX], 64 << 20);
	assert_int_equal(conf.number[CONF_READERS], 2);
	assert_int_equal(conf.number[CONF_TRACE], 0);
}

static void
numbers(void **state)
{
	static const char *const bad[] = { "", "-1", "65", "1.5", " 1", "1 ",
	    "one", "0x10", "+1", "9223372036854775808", "1K", "1\n" };

	(void)state;
	assert_true(set(CONF_LOOPS, "0"));
	assert_true(set(CONF_LOOPS, "64"));
	assert_int_equal(conf.number[CONF_LOOPS], 64);
	assert_string_equal(conf.source[CONF_LOOPS], "command line");
	for (size_t i = 0; i < countof(bad); i++) {
		assert_false(set(CONF_LOOPS, bad[i]));
		assert_why("loops: \"");
		assert_why("is not a whole number from 0 to 64");
		assert_int_equal(conf.number[CONF_LOOPS], 64);
	}
	assert_false(set(CONF_READERS, "0"));
	assert_why("from 1 to 64");
	assert_false(set(CONF_TRACE, "2"));
	assert_why("from 0 to 1");
	assert_true(set(CONF_TRACE, "1"));
	assert_int_equal(conf.number[CONF_TRACE], 1);
}

static void
bytes(void **state)
{
	const struct { const char *text; int64_t value; } good[] = {
		{ "1024", 1024 }, { "1K", 1024 }, { "64k", 65536 },
		{ "2M", 2 << 20 }, { "64m", 64 << 20 },
	};
	static const char *const bad[] = { "", "K", "1023", "65M", "1G",
	    "-5M", "-1", "1T", "1KB", "M1", "1 M", "9223372036854775807K",
	    "9223372036854775807G", "-9223372036854775808G" };

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		assert_true(set(CONF_BODY_MAX, good[i].text));
		assert_int_equal(conf.number[CONF_BODY_MAX], good[i].value);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		assert_false(set(CONF_BODY_MAX, bad[i]));
		assert_why("body_max: \"");
		assert_why("(K, M and G may stand behind it)");
	}
	assert_true(set(CONF_MEMORY_MAX, "3G"));
	assert_int_equal(conf.number[CONF_MEMORY_MAX], (int64_t)3 << 30);
}

static void
texts(void **state)
{
	(void)state;
	assert_true(set(CONF_LISTEN, "unix:/run/weir/weir.sock"));
	assert_string_equal(conf.text[CONF_LISTEN].p,
	    "unix:/run/weir/weir.sock");
	assert_true(set(CONF_LISTEN, ""));
	assert_int_equal(conf.text[CONF_LISTEN].n, 0);
	assert_false(conf_set(&conf, CONF_LISTEN, S("a\0b"), "file", &why));
	assert_why("listen: a NUL byte");
	assert_int_equal(conf.text[CONF_LISTEN].n, 0);
}

/* --- The file ------------------------------------------------------------- */

static void
a_whole_file(void **state)
{
	static const char text[] = "# weir.conf\n\n   # indented\n"
	    "data = /srv/weir\n"
	    "\tloops=3\r\n"
	    "public_url = https://x.test/a?b=c#d \n"
	    "  log  =  /var/log/my log  \n"
	    "proxy =\n"
	    "body_max = 1M";		/* no end of line */

	(void)state;
	write_conf(text, sizeof(text) - 1);
	assert_true(conf_load(&conf, path, "/nonexistent", &why));
	assert_string_equal(conf.text[CONF_DATA].p, "/srv/weir");
	assert_int_equal(conf.number[CONF_LOOPS], 3);
	assert_string_equal(conf.text[CONF_PUBLIC_URL].p,
	    "https://x.test/a?b=c#d");
	assert_string_equal(conf.text[CONF_LOG].p, "/var/log/my log");
	assert_int_equal(conf.text[CONF_PROXY].n, 0);
	assert_int_equal(conf.number[CONF_BODY_MAX], 1 << 20);
	assert_string_equal(conf.source[CONF_DATA], "file");
	assert_string_equal(conf.source[CONF_PROXY], "file");
	assert_string_equal(conf.source[CONF_READERS], "built-in");
}

static void
mistakes_in_a_file(void **state)
{
	const struct { const char *text; size_t n; const char *what, *where; }
	tries[] = {
		{ "data = /x\nloops 3\n", 18, "expected \"name = value\"",
		    "line 2" },
		{ "\n\nlops = 3\n", 11, "there is no setting \"lops\"; "
		    "weir.fcgi --settings lists them", "line 3" },
		{ "loops = many\n", 13, "\"many\" is not a whole number from "
		    "0 to 64", "line 1" },
		{ "= 3\n", 4, "there is no setting \"\"", "line 1" },
		{ "data = /a\0b\n", 12, "data: a NUL byte", "line 1" },
		{ "loops = 1\nloops = 2\n", 20, "loops stands in the file "
		    "twice; keep one line", "line 2" },
		{ "[section]\n", 10, "expected \"name = value\"", "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < countof(tries); i++) {
		write_conf(tries[i].text, tries[i].n);
		assert_false(conf_load(&conf, path, "/nonexistent", &why));
		assert_why(path);
		assert_why(tries[i].where);
		assert_why(tries[i].what);
		teardown(NULL);
		setup(NULL);
	}
}

static void
no_such_file(void **state)
{
	(void)state;
	assert_false(conf_load(&conf, "/nonexistent/weir.conf", "/x", &why));
	assert_why("/nonexistent/weir.conf: No such file or directory");
	setenv("WEIR_CONF", "/nonexistent/other.conf", 1);
	assert_false(conf_load(&conf, NULL, "/x", &why));
	assert_why("/nonexistent/other.conf: No such file");
	/* A folder can be opened, but not read. */
	assert_false(conf_load(&conf, folder, "/x", &why));
	assert_why(folder);
	assert_why(": Is a directory");
}

/* --- Which source wins ---------------------------------------------------- */

static void
precedence(void **state)
{
	static const char text[] = "loops = 1\nreaders = 11\ndrain_s = 21\n"
	    "calls_max = 31\n";

	(void)state;
	write_conf(text, sizeof(text) - 1);
	setenv("WEIR_LOOPS", "2", 1);
	setenv("WEIR_READERS", "12", 1);
	setenv("WEIR_BODY_MAX", "2M", 1);
	assert_true(set(CONF_LOOPS, "3"));
	assert_true(set(CONF_DRAIN_S, "23"));
	assert_true(conf_load(&conf, path, "/nonexistent", &why));
	assert_int_equal(conf.number[CONF_LOOPS], 3);
	assert_int_equal(conf.number[CONF_READERS], 12);
	assert_int_equal(conf.number[CONF_DRAIN_S], 23);
	assert_int_equal(conf.number[CONF_CALLS_MAX], 31);
	assert_int_equal(conf.number[CONF_BODY_MAX], 2 << 20);
	assert_string_equal(conf.source[CONF_LOOPS], "command line");
	assert_string_equal(conf.source[CONF_READERS], "environment");
	assert_string_equal(conf.source[CONF_CALLS_MAX], "file");
}

static void
mistake_in_the_environment(void **state)
{
	(void)state;
	setenv("WEIR_READERS", "none", 1);
	write_conf("", 0);
	assert_false(conf_load(&conf, path, "/nonexistent", &why));
	assert_why("WEIR_READERS: readers: \"none\" is not a whole number");
}

static void
looked_for(void **state)
{
	static const char text[] = "drain_s = 77\n";

	(void)state;
	write_conf(text, sizeof(text) - 1);
	/* Beside the program: the folder of the test has a weir.conf. */
	assert_true(conf_load(&conf, NULL, folder, &why));
	assert_int_equal(conf.number[CONF_DRAIN_S], 77);
	teardown(NULL);
	setup(NULL);
	write_conf(text, sizeof(text) - 1);
	setenv("WEIR_CONF", path, 1);
	assert_true(conf_load(&conf, NULL, "/nonexistent", &why));
	assert_int_equal(conf.number[CONF_DRAIN_S], 77);
}

static int
make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/weir.conf", folder);
	return 0;
}

static int
remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

int
main(void)
{
	#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_table),
		TEST(numbers),
		TEST(bytes),
		TEST(texts),
		TEST(a_whole_file),
		TEST(mistakes_in_a_file),
		TEST(no_such_file),
		TEST(precedence),
		TEST(mistake_in_the_environment),
		TEST(looked_for),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
