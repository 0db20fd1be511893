/* SPDX-License-Identifier: MIT */
/* trace.c - what a line of a trace looks like, and that off is off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/trace.h"

/* Lines go to stderr before log_start: there is a pipe instead of it. */
static int ends[2], real_stderr;

static int
setup(void **state)
{
	(void)state;
	real_stderr = dup(STDERR_FILENO);
	return pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0 &&
	    close(ends[1]) == 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	return close(ends[0]);
}

/* All that was written; nothing may be written afterwards. */
static size_t
read_lines(char *text, size_t room)
{
	size_t n = 0;
	ssize_t got;

	dup2(real_stderr, STDERR_FILENO);
	while ((got = read(ends[0], text + n, room - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	return n;
}

static void
one_line(void **state)
{
	struct trace t = { .on = true, .began_us = clock_us() - 12345600,
	    .id = S("01JDABCDEFGHJKMNPQRST7F3AX"), .step = "translate" };
	char text[1024], when[64], level[16], tail[16], step[32], rest[128];
	double ms;

	(void)state;
	trace_line(&t, "openai -> %s, %d messages", "anthropic", 3);
	read_lines(text, sizeof(text));
	assert_int_equal(sscanf(text, "%63s %15s %lf %15s %31s %127[^\n]",
	    when, level, &ms, tail, step, rest), 6);
	assert_int_equal(strlen(when), strlen("2026-11-22T09:30:00.123Z"));
	assert_string_equal(level, "info");
	assert_true(ms >= 12345.6 && ms < 13345.6);
	assert_string_equal(tail, "T7F3AX");
	assert_string_equal(step, "translate");
	assert_string_equal(rest, "openai -> anthropic, 3 messages");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void
off(void **state)
{
	struct trace t = { .on = false };
	char text[64];
	int evaluated = 0;

	(void)state;
	trace_line(&t, "%d", ++evaluated);
	assert_int_equal(read_lines(text, sizeof(text)), 0);
	assert_int_equal(evaluated, 0);
}

/* A short id, a step of none, a text too long, bytes that would break lines. */
static void
odd_lines(void **state)
{
	struct trace t = { .on = true, .began_us = clock_us(), .id = S("a"),
	    .step = "" };
	char text[8192], *second, *third;
	static char large[3000];

	(void)state;
	memset(large, 'l', sizeof(large) - 1);
	trace_line(&t, "x");
	trace_line(&t, "two\nlines\r\x01");
	trace_line(&t, "%s", large);
	read_lines(text, sizeof(text));
	second = strchr(text, '\n') + 1;
	third = strchr(second, '\n') + 1;
	assert_non_null(strstr(text, " a "));
	assert_non_null(strstr(second, "two?lines??\n"));
	assert_null(strchr(strchr(third, '\n') + 1, '\n'));
	assert_true(strlen(third) > 1000 && strlen(third) < 1200);
}

int
main(void)
{
	#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_line),
		TEST(off),
		TEST(odd_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
