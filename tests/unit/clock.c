/* SPDX-License-Identifier: MIT */
/* clock.c - times written and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"

/* 2026-11-22T09:30:00Z */
enum { NOW_S = 1795339800 };
static const int64_t now = (int64_t)NOW_S * 1000;

static void
written(void **state)
{
	char text[CLOCK_TEXT];

	(void)state;
	clock_text(now + 123, text);
	assert_string_equal(text, "2026-11-22T09:30:00.123Z");
	clock_text(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	clock_text(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	clock_text(INT64_C(4102444800000), text);
	assert_string_equal(text, "2100-01-01T00:00:00.000Z");
	clock_text(INT64_C(2147483648000), text);
	assert_string_equal(text, "2038-01-19T03:14:08.000Z");
}

static void
read_back(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{ "2026-11-22T09:30:00Z", now },
		{ "2026-11-22t09:30:00z", now },
		{ "2026-11-22 09:30:00Z", now },
		{ "2026-11-22T09:30:00.5Z", now + 500 },
		{ "2026-11-22T09:30:00.123456789Z", now + 123 },
		{ "2026-11-22T10:30:00+01:00", now },
		{ "2026-11-22T04:00:00-05:30", now },
		{ "2026-11-22", now - (9 * 60 + 30) * 60000 },
		{ "2024-02-29", INT64_C(1709164800000) },
		{ "1970-01-01", 0 },
		{ "24h", now - 86400000 },
		{ "7d", now - 7 * INT64_C(86400000) },
		{ "30m", now - 1800000 },
		{ "90s", now - 90000 },
		{ "0s", now },
	};
	static const char *const bad[] = { "", "2026", "2026-13-01",
		"2026-02-30", "2025-02-29", "2026-00-10", "2026-11-00",
		"2026-11-22T", "2026-11-22T09:30Z", "2026-11-22T24:00:00Z",
		"2026-11-22T09:60:00Z", "2026-11-22T09:30:00",
		"2026-11-22T09:30:00Zx", "2026-11-22T09:30:00+1:00",
		"2026-11-22T09:30:00+24:00", "h", "-1h", "1y", "1.5h",
		"99999999999d", "yesterday", "2026/11/22" };
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < countof(good); i++) {
		if (!clock_read(str_of(good[i].text), now, &ms) ||
		    ms != good[i].ms)
			fail_msg("%s: %lld", good[i].text, (long long)ms);
	}
	for (size_t i = 0; i < countof(bad); i++)
		if (clock_read(str_of(bad[i]), now, &ms))
			fail_msg("taken: %s", bad[i]);
	for (int64_t t = 0; t < INT64_C(4200000000000);
	     t += INT64_C(123456789017)) {
		char text[CLOCK_TEXT];

		clock_text(t, text);
		assert_true(clock_read(str_of(text), now, &ms) && ms == t);
	}
}

static void
http_dates(void **state)
{
	static const char *const bad[] = { "", "Sun, 06 Nov 1994 08:49:37",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
		"Sun, 06 Xxx 1994 08:49:37 GMT",
		"Sun, 06 anF 1994 08:49:37 GMT",
		"Sun, 31 Feb 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun. 06 Nov 1994 08:49:37 GMT" };
	int64_t ms = 0;

	(void)state;
	assert_true(clock_http_date(S("Sun, 06 Nov 1994 08:49:37 GMT"), &ms));
	assert_true(ms == INT64_C(784111777000));
	for (size_t i = 0; i < countof(bad); i++)
		if (clock_http_date(str_of(bad[i]), &ms))
			fail_msg("taken: %s", bad[i]);
}

static void
running(void **state)
{
	int64_t us = clock_us(), ms = clock_ms();

	(void)state;
	assert_true(clock_us() >= us);
	assert_true(clock_ms() >= ms && clock_ms() - us / 1000 < 1000);
	assert_true(clock_utc_ms() > INT64_C(1700000000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(read_back),
		cmocka_unit_test(http_dates),
		cmocka_unit_test(running),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
