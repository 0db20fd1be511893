/* SPDX-License-Identifier: MIT */
/* hint.c - durations as rate-limit headers spell them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "handlers/relay/hint.h"

static void
durations(void **state)
{
	static const struct { struct str text; int64_t ms; } rows[] = {
		{ STR_INIT("20"), 20000 }, { STR_INIT("1.5"), 1500 },
		{ STR_INIT("0"), 0 }, { STR_INIT("17ms"), 17 },
		{ STR_INIT("6m0s"), 360000 }, { STR_INIT("1h2m3s"), 3723000 },
		{ STR_INIT("1.25s"), 1250 }, { STR_INIT(" 7s "), 7000 },
		{ STR_INIT("1d"), 86400000 },
		{ STR_INIT(""), -1 }, { STR_INIT("soon"), -1 },
		{ STR_INIT("-5"), -1 }, { STR_INIT("5x"), -1 },
		{ STR_INIT("1m junk"), -1 },
		{ STR_INIT("99999999999999999999"), -1 },
		{ STR_INIT("99999999999d"), -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(hint_duration(rows[i].text), rows[i].ms);
}

/* Headers as name, value, name, value … */
static struct str
header(const void *from, const char *name)
{
	for (const char *const *at = from; *at; at += 2)
		if (strcmp(at[0], name) == 0)
			return str_of(at[1]);
	return S("");
}

static void
headers(void **state)
{
	static const struct { const char *list[5]; int64_t ms; } rows[] = {
		{ { NULL }, 0 },
		{ { "retry-after-ms", "12.5", "retry-after", "9" }, 12 },
		{ { "retry-after", "9" }, 9000 },
		{ { "retry-after", "315360000" }, 3600000 },
		{ { "retry-after-ms", "9999999999" }, 3600000 },
		{ { "retry-after", "Fri, 01 Jan 2100 00:00:00 GMT" },
		    3600000 },
		{ { "retry-after", "in a while" }, 0 },
		{ { "x-ratelimit-remaining-tokens", "0",
		    "x-ratelimit-reset-tokens", "6m0s" }, 360000 },
		{ { "x-ratelimit-remaining-tokens", "1",
		    "x-ratelimit-reset-tokens", "6m0s" }, 0 },
		{ { "anthropic-ratelimit-input-tokens-remaining", "0",
		    "anthropic-ratelimit-input-tokens-reset",
		    "1970-01-01T00:01:30Z" }, 30000 },
		{ { "anthropic-ratelimit-requests-remaining", "0",
		    "anthropic-ratelimit-requests-reset",
		    "1970-01-01T00:00:30Z" }, 0 },
		{ { "anthropic-ratelimit-requests-remaining", "0",
		    "anthropic-ratelimit-requests-reset",
		    "9970-01-01T00:00:30Z" }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(hint_of(header, rows[i].list, 60000),
		    rows[i].ms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
