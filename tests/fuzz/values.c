/* SPDX-License-Identifier: MIT */
/*
 * values.c - fuzzes what is read from short texts: money, shares, times,
 * numbers.  What was read and written again is read as the same.
 */
#include "db/money.h"
#include "fcgi/base/clock.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str s = str_from(data, n);
	struct arena a;
	int64_t v = 0, again = 0;
	char text[CLOCK_TEXT];

	arena_init(&a);
	if (money_read(s, &v)) {
		assert(v >= -MONEY_MAX && v <= MONEY_MAX);
		assert(money_read(money_text(&a, v), &again) && again == v);
	}
	if (share_read(s, &v)) {
		assert(v >= 0);
		assert(share_read(share_text(&a, v), &again) && again == v);
	}
	if (clock_read(s, 1700000000000, &v) && v >= 0 &&
	    v < INT64_C(253402300800000)) {
		clock_text(v, text);
		assert(clock_read(str_of(text), 0, &again) && again == v);
	}
	if (clock_http_date(s, &v))
		assert(n > 0);
	if (str_int(s, &v))
		assert(n > 0);
	arena_release(&a);
	return 0;
}
