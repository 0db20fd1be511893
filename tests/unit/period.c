/* SPDX-License-Identifier: MIT */
/* period.c - periods of subscriptions through the years, by the calendar. */
#include "db/period.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"

static int64_t
at(const char *text)
{
	int64_t ms;

	if (!clock_read(str_of(text), 0, &ms))
		fail_msg("%s is no time", text);
	return ms;
}

static struct zone *
zone(const char *name)
{
	struct zone *z = zone_open(str_of(name));

	if (!z)
		fail_msg("this system has no zone %s (tzdata)", name);
	return z;
}

/* --- what the calendar says ----------------------------------------------- */

/* What is bought, and when its first periods end, UTC. */
static const struct {
	const char *zone;
	struct period p;
	const char *from;
	const char *ends[6];
} table[] = {
	/* The day it is bought, and its time of day. */
	{ "UTC", { PERIOD_MONTH, 0, 0 }, "2026-01-15T10:20:30.456Z",
	    { "2026-02-15T10:20:30.456Z", "2026-03-15T10:20:30.456Z",
	    "2026-04-15T10:20:30.456Z" } },
	/* 29th to 31st: the last day of a month, and back again. */
	{ "UTC", { PERIOD_MONTH, 0, 0 }, "2026-01-31T08:00:00Z",
	    { "2026-02-28T08:00:00Z", "2026-03-31T08:00:00Z",
	    "2026-04-30T08:00:00Z", "2026-05-31T08:00:00Z",
	    "2026-06-30T08:00:00Z", "2026-07-31T08:00:00Z" } },
	{ "UTC", { PERIOD_MONTH, 0, 0 }, "2027-12-30T00:00:00Z",
	    { "2028-01-30", "2028-02-29", "2028-03-30", "2028-04-30" } },
	{ "UTC", { PERIOD_MONTH, 0, 0 }, "2027-01-29T00:00:00Z",
	    { "2027-02-28", "2027-03-29", "2027-04-29" } },
	{ "UTC", { PERIOD_MONTH, 0, 0 }, "2028-01-29T00:00:00Z",
	    { "2028-02-29", "2028-03-29" } },
	/* A given day: the first period is cut short. */
	{ "UTC", { PERIOD_MONTH, 0, 1 }, "2026-11-23T01:41:46Z",
	    { "2026-12-01", "2027-01-01", "2027-02-01" } },
	{ "UTC", { PERIOD_MONTH, 0, 31 }, "2026-02-10T12:00:00Z",
	    { "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31" } },
	{ "UTC", { PERIOD_MONTH, 0, 31 }, "2026-02-28T00:00:00Z",
	    { "2026-03-31", "2026-04-30", "2026-05-31" } },
	{ "UTC", { PERIOD_MONTH, 0, 30 }, "2028-02-29T00:00:00Z",
	    { "2028-03-30", "2028-04-30" } },
	{ "UTC", { PERIOD_MONTH, 0, 1 }, "2026-12-01T00:00:00Z",
	    { "2027-01-01", "2027-02-01" } },
	{ "UTC", { PERIOD_MONTH, 0, 15 }, "2026-12-31T23:59:59.999Z",
	    { "2027-01-15", "2027-02-15" } },
	/* Years, and the day that most of them have not. */
	{ "UTC", { PERIOD_YEAR, 0, 0 }, "2024-02-29T06:00:00Z",
	    { "2025-02-28T06:00:00Z", "2026-02-28T06:00:00Z",
	    "2027-02-28T06:00:00Z", "2028-02-29T06:00:00Z",
	    "2029-02-28T06:00:00Z" } },
	{ "UTC", { PERIOD_YEAR, 0, 0 }, "2096-02-29T00:00:00Z",
	    { "2097-02-28", "2098-02-28", "2099-02-28", "2100-02-28",
	    "2101-02-28", "2102-02-28" } },
	{ "UTC", { PERIOD_YEAR, 0, 229 }, "2026-03-01T00:00:00Z",
	    { "2027-02-28", "2028-02-29", "2029-02-28" } },
	{ "UTC", { PERIOD_YEAR, 0, 101 }, "2026-11-23T09:00:00Z",
	    { "2027-01-01", "2028-01-01" } },
	{ "UTC", { PERIOD_YEAR, 0, 1231 }, "2026-12-31T00:00:00Z",
	    { "2027-12-31", "2028-12-31" } },
	/* Weeks and days. */
	{ "UTC", { PERIOD_WEEK, 0, 0 }, "2026-12-29T18:00:00Z",
	    { "2027-01-05T18:00:00Z", "2027-01-12T18:00:00Z" } },
	{ "UTC", { PERIOD_WEEK, 0, 1 }, "2026-11-22T23:59:59Z",
	    { "2026-11-23", "2026-11-30", "2026-12-07" } },
	{ "UTC", { PERIOD_WEEK, 0, 7 }, "2026-11-22T00:00:00Z",
	    { "2026-11-29", "2026-12-06" } },
	{ "UTC", { PERIOD_WEEK, 0, 3 }, "2026-11-24T12:00:00Z",
	    { "2026-11-25", "2026-12-02" } },
	{ "UTC", { PERIOD_DAYS, 30, 0 }, "2028-02-01T01:00:00Z",
	    { "2028-03-02T01:00:00Z", "2028-04-01T01:00:00Z" } },
	{ "UTC", { PERIOD_DAYS, 1, 0 }, "2026-02-28T23:59:00Z",
	    { "2026-03-01T23:59:00Z", "2026-03-02T23:59:00Z" } },
	/* The local clock, summer and winter: 23 and 25 hours. */
	{ "Europe/Berlin", { PERIOD_DAYS, 1, 0 }, "2026-03-28T11:00:00Z",
	    { "2026-03-29T10:00:00Z", "2026-03-30T10:00:00Z" } },
	{ "Europe/Berlin", { PERIOD_DAYS, 1, 0 }, "2026-10-24T10:00:00Z",
	    { "2026-10-25T11:00:00Z", "2026-10-26T11:00:00Z" } },
	{ "Europe/Berlin", { PERIOD_MONTH, 0, 1 }, "2026-03-10T12:00:00Z",
	    { "2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z",
	    "2026-05-31T22:00:00Z" } },
	{ "Europe/Berlin", { PERIOD_MONTH, 0, 31 }, "2026-10-01T00:00:00Z",
	    { "2026-10-30T23:00:00Z", "2026-11-29T23:00:00Z",
	    "2026-12-30T23:00:00Z" } },
	/* What is the 1st there is the 31st here. */
	{ "Europe/Berlin", { PERIOD_MONTH, 0, 0 }, "2026-01-31T23:30:00Z",
	    { "2026-02-28T23:30:00Z", "2026-03-31T22:30:00Z" } },
	{ "America/New_York", { PERIOD_MONTH, 0, 0 }, "2026-02-01T04:30:00Z",
	    { "2026-03-01T04:30:00Z", "2026-04-01T03:30:00Z" } },
	/* 02:30 is left out on 2026-03-29, and is twice on 2026-10-25. */
	{ "Europe/Berlin", { PERIOD_DAYS, 1, 0 }, "2026-03-28T01:30:00Z",
	    { "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z" } },
	{ "Europe/Berlin", { PERIOD_DAYS, 1, 0 }, "2026-10-24T00:30:00Z",
	    { "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z" } },
	{ "Europe/Berlin", { PERIOD_DAYS, 1, 0 }, "2026-10-25T01:30:00Z",
	    { "2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z" } },
	/* Midnight is left out; half an hour more or less. */
	{ "America/Santiago", { PERIOD_WEEK, 0, 7 }, "2026-09-01T12:00:00Z",
	    { "2026-09-06T04:00:00Z", "2026-09-13T03:00:00Z" } },
	{ "Australia/Lord_Howe", { PERIOD_MONTH, 0, 4 },
	    "2026-09-20T00:00:00Z",
	    { "2026-10-03T13:30:00Z", "2026-11-03T13:00:00Z" } },
	/* A day that was left out: half of one, and none without a length. */
	{ "Pacific/Apia", { PERIOD_DAYS, 1, 0 }, "2011-12-28T22:00:00Z",
	    { "2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z",
	    "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z" } },
	{ "Pacific/Apia", { PERIOD_DAYS, 1, 0 }, "2011-12-28T10:00:00Z",
	    { "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z",
	    "2011-12-31T10:00:00Z" } },
	{ "UTC", { PERIOD_ONCE, 0, 0 }, "2026-01-15T10:20:30Z", { NULL } },
};

static void
by_the_calendar(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(table); i++) {
		struct zone *z = zone(table[i].zone);
		struct period_base base;
		int64_t whole;
		struct period_span s = period_first(&table[i].p, z,
		    at(table[i].from), &base, &whole);

		assert_int_equal(s.from_ms, at(table[i].from));
		assert_int_equal(s.number, 1);
		if (!table[i].ends[0])
			assert_true(s.until_ms == INT64_MAX &&
			    whole == INT64_MAX);
		for (int k = 0; k < 6 && table[i].ends[k]; k++) {
			char text[CLOCK_TEXT];

			if (k)
				s = period_after(&table[i].p, z, &base, &s);
			clock_text(s.until_ms, text);
			if (s.until_ms != at(table[i].ends[k]))
				fail_msg("row %zu, from %s: period %d ends %s, "
				    "not %s", i, table[i].from, k + 1, text,
				    table[i].ends[k]);
			assert_true(s.until_ms > s.from_ms);
		}
		zone_close(z);
	}
}

/* How long the first period would be, so that its share can be told. */
static void
cut_short(void **state)
{
	const int64_t day = 86400000;
	struct zone *z = zone("UTC");
	struct period p = { PERIOD_MONTH, 0, 1 };
	struct period_base base;
	struct period_span s;
	int64_t whole;

	(void)state;
	s = period_first(&p, z, at("2026-11-16"), &base, &whole);
	assert_int_equal(s.until_ms - s.from_ms, 15 * day);
	assert_int_equal(whole, 30 * day);
	s = period_first(&p, z, at("2026-11-01"), &base, &whole);
	assert_int_equal(s.until_ms - s.from_ms, whole);
	p.anchor = 0;
	s = period_first(&p, z, at("2026-11-16T09:00:00Z"), &base, &whole);
	assert_int_equal(s.until_ms - s.from_ms, whole);
	zone_close(z);
}

static void
anchors(void **state)
{
	(void)state;
	assert_true(period_anchor_valid(PERIOD_MONTH, 31));
	assert_false(period_anchor_valid(PERIOD_MONTH, 32));
	assert_false(period_anchor_valid(PERIOD_MONTH, 0));
	assert_true(period_anchor_valid(PERIOD_WEEK, 7));
	assert_false(period_anchor_valid(PERIOD_WEEK, 8));
	assert_true(period_anchor_valid(PERIOD_YEAR, 229));
	assert_false(period_anchor_valid(PERIOD_YEAR, 230));
	assert_false(period_anchor_valid(PERIOD_YEAR, 431));
	assert_false(period_anchor_valid(PERIOD_YEAR, 1301));
	assert_false(period_anchor_valid(PERIOD_YEAR, -101));
	assert_false(period_anchor_valid(PERIOD_DAYS, 1));
	assert_false(period_anchor_valid(PERIOD_ONCE, 1));
	for (int k = 0; k < N_PERIODS; k++)
		assert_int_equal(period_read(str_of(period_names[k])), k);
	assert_int_equal(period_read(S("fortnight")), N_PERIODS);
}

/* --- as the system's own calendar has it ---------------------------------- */

static struct tm
local(int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	localtime_r(&t, &tm);
	return tm;
}

static int
second_of_day(const struct tm *tm)
{
	return tm->tm_hour * 3600 + tm->tm_min * 60 + tm->tm_sec;
}

static int
last_day(int year, int month)
{
	struct tm tm = { .tm_year = year, .tm_mon = month + 1, .tm_mday = 0,
		.tm_hour = 12 };

	timegm(&tm);
	return tm.tm_mday;
}

/*
 * A period ends when the clock shows the time it began at: the first such
 * moment, or the one at which that time was left out.
 */
static void
right_time(int64_t end, int second)
{
	struct tm is = local(end), before = local(end - 1000),
	    hour = local(end - 3600000);

	if (second_of_day(&is) != second) {
		assert_true(second_of_day(&is) > second);
		assert_true(second_of_day(&before) < second ||
		    before.tm_mday != is.tm_mday);
	} else {
		assert_true(second_of_day(&hour) != second ||
		    hour.tm_mday != is.tm_mday);
	}
}

static void
years_of(const char *name, const struct period *p, int64_t from)
{
	struct zone *z = zone(name);
	struct period_base base;
	int64_t whole, jump;
	struct period_span s = period_first(p, z, from, &base, &whole), far;
	struct tm first = local(from), tm;
	int wanted = p->anchor ? (int)p->anchor : first.tm_mday, last, months;
	int second = p->anchor ? 0 : second_of_day(&first);
	int n = p->kind == PERIOD_MONTH ? 240 : 20;

	for (int k = 1; k <= n; k++) {
		tm = local(s.until_ms);
		last = last_day(tm.tm_year, tm.tm_mon);
		assert_int_equal(tm.tm_mday, wanted < last ? wanted : last);
		months = (tm.tm_year - first.tm_year) * 12 + tm.tm_mon -
		    first.tm_mon;
		if (p->kind == PERIOD_YEAR)
			assert_int_equal(months, k * 12);
		else if (!p->anchor)
			assert_int_equal(months, k);
		right_time(s.until_ms, second);
		jump = s.until_ms;
		s = period_after(p, z, &base, &s);
		assert_int_equal(s.from_ms, jump);
	}
	/* In one jump, as when nobody looked. */
	far = period_first(p, z, from, &base, &whole);
	far = period_reach(p, z, &base, &far, s.from_ms);
	assert_memory_equal(&far, &s, sizeof(s));
	far = period_reach(p, z, &base, &s, s.until_ms - 1);
	assert_memory_equal(&far, &s, sizeof(s));
	zone_close(z);
}

/* Twenty years of each, begun on each day of two years. */
static void
twenty_years(void **state)
{
	static const char *const zones[] = { "UTC", "Europe/Berlin",
		"America/New_York", "Australia/Lord_Howe", "America/Santiago",
		"Asia/Tehran" };

	(void)state;
	for (size_t i = 0; i < countof(zones); i++) {
		setenv("TZ", zones[i], 1);
		tzset();
		for (int day = 0; day < 731; day += i ? 17 : 1) {
			int64_t from = at("2027-01-01") + day * 86400000LL +
			    (day * 7919 % 1440) * 60000LL;

			years_of(zones[i], &(struct period){ PERIOD_MONTH, 0,
			    day % 3 ? 0 : 1 + day % 31 }, from);
			years_of(zones[i], &(struct period){ PERIOD_YEAR, 0,
			    0 }, from);
		}
	}
	unsetenv("TZ");
	tzset();
}

/* Days and weeks, each of so many local days, for ten years. */
static void
ten_years_of_days(void **state)
{
	static const int64_t lengths[] = { 1, 2, 30, 90, 365 };
	struct zone *z = zone("Europe/Berlin");

	(void)state;
	for (size_t i = 0; i <= countof(lengths); i++) {
		bool week = i == countof(lengths);
		struct period p = { week ? PERIOD_WEEK : PERIOD_DAYS,
			week ? 0 : lengths[i], 0 };
		struct period_base base;
		int64_t whole, day, ms, from = at("2026-05-05T12:34:56Z");
		struct period_span s = period_first(&p, z, from, &base, &whole);

		for (int64_t k = 1; s.until_ms < at("2036-05-05"); k++) {
			assert_int_equal(s.number, k);
			zone_shows(z, s.until_ms, &day, &ms);
			assert_int_equal(day, base.day + k * (week ? 7 :
			    p.days));
			assert_int_equal(ms, base.ms_of_day);
			s = period_after(&p, z, &base, &s);
		}
	}
	zone_close(z);
}

/* --- where it is changed -------------------------------------------------- */

/* The zone is changed while it runs: one period is some hours longer or
 * shorter, none is there twice and none is missing. */
static void
another_zone(void **state)
{
	static const char *const zones[] = { "Europe/Berlin",
		"Pacific/Kiritimati", "America/Los_Angeles", "UTC",
		"Pacific/Pago_Pago", "Asia/Kathmandu" };
	const int64_t day = 86400000;
	struct period kinds[] = { { PERIOD_MONTH, 0, 1 },
		{ PERIOD_MONTH, 0, 0 }, { PERIOD_WEEK, 0, 1 } };

	(void)state;
	for (size_t i = 0; i < countof(kinds); i++) {
		struct zone *z = zone(zones[0]);
		int64_t whole, nominal = kinds[i].kind == PERIOD_WEEK ? 7 : 28;
		struct period_base base;
		struct period_span s = period_first(&kinds[i], z,
		    at("2026-01-31T23:30:00Z"), &base, &whole);

		for (int k = 1; k < 120; k++) {
			struct period_span next;

			zone_close(z);
			z = zone(zones[(k / 3) % (int)countof(zones)]);
			next = period_after(&kinds[i], z, &base, &s);
			assert_int_equal(next.number, s.number + 1);
			assert_int_equal(next.from_ms, s.until_ms);
			assert_true(next.until_ms - next.from_ms >
			    (nominal - 2) * day);
			s = next;
		}
		zone_close(z);
	}
}

static void
days_on(void **state)
{
	struct zone *z = zone("Europe/Berlin");

	(void)state;
	assert_int_equal(period_days_on(z, at("2026-03-28T12:00:00Z"), 1),
	    at("2026-03-29T11:00:00Z"));
	assert_int_equal(period_days_on(z, at("2027-03-01T12:00:00Z"), 365),
	    at("2028-02-29T12:00:00Z"));
	zone_close(z);
	z = zone("Pacific/Apia");
	assert_true(period_days_on(z, at("2011-12-29T22:00:00Z"), 1) >
	    at("2011-12-29T22:00:00Z"));
	zone_close(z);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_the_calendar),
		cmocka_unit_test(cut_short),
		cmocka_unit_test(anchors),
		cmocka_unit_test(twenty_years),
		cmocka_unit_test(ten_years_of_days),
		cmocka_unit_test(another_zone),
		cmocka_unit_test(days_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
