/* SPDX-License-Identifier: MIT */
/* package.c - packages in the catalogue: what is taken, kept, refused. */
#include "db/package.h"

#include "db/money.h"
#include "tests/unit/stage.h"

#define ONE(members) "{\"packages\":[{\"name\":\"p\"," members "}]}"
#define USD(n)	((int64_t)(n) * NANO)

static struct package_row
found(struct stage *s, const char *name)
{
	struct package_row p;

	assert_int_equal(package_find(s->db, &s->arena, str_of(name), &p), 1);
	return p;
}

static void
as_it_was_asked(void **state)
{
	static const char text[] = "{\"packages\":[{\"name\":\"pro\","
	    "\"price\":\"20.00\",\"quota\":{\"usd\":\"25.00\"},\"bonus\":{"
	    "\"usd\":\"5\",\"days\":30},\"anchor\":31,\"periods\":12,"
	    "\"rollover\":{\"percent\":50,\"usd\":\"10\"},\"overflow\":false,"
	    "\"volume\":[{\"above\":\"100\",\"discount\":\"0.1\"},{\"above\":"
	    "\"9.5\",\"discount\":\"0.05\"}],\"note\":\"n\"},"
	    "{\"name\":\"trial\",\"quota\":{\"tokens\":100000},\"period\":"
	    "\"once\",\"expires\":14,\"trial\":true},"
	    "{\"name\":\"daily\",\"quota\":{\"requests\":100},\"period\":{"
	    "\"days\":1},\"rollover\":{\"requests\":200}},"
	    "{\"name\":\"leap\",\"bonus\":{\"usd\":\"1\"},\"period\":\"year\","
	    "\"anchor\":\"02-29\"}]}";
	struct stage *s = *state;
	struct package_row p;

	good(s, text, 4, 0, 0, 0);
	good(s, text, 0, 0, 0, 4);
	p = found(s, "pro");
	assert_int_equal(p.terms.price, USD(20));
	assert_int_equal(p.terms.quota.unit, UNIT_USD);
	assert_int_equal(p.terms.quota.amount, USD(25));
	assert_int_equal(p.terms.bonus.amount, USD(5));
	assert_int_equal(p.terms.bonus.days, 30);
	assert_int_equal(p.terms.period.kind, PERIOD_MONTH);
	assert_int_equal(p.terms.period.anchor, 31);
	assert_int_equal(p.terms.periods, 12);
	assert_int_equal(p.terms.rollover.percent, 50);
	assert_int_equal(p.terms.rollover.most.amount, USD(10));
	assert_false(p.terms.overflow);
	assert_string_equal(p.terms.volume.p,
	    "[[9500000000,50000],[100000000000,100000]]");
	p = found(s, "trial");
	assert_int_equal(p.terms.quota.unit, UNIT_TOKEN);
	assert_int_equal(p.terms.period.kind, PERIOD_ONCE);
	assert_int_equal(p.terms.expires_days, 14);
	assert_true(p.terms.trial && p.terms.overflow);
	p = found(s, "daily");
	assert_int_equal(p.terms.quota.unit, UNIT_REQUEST);
	assert_int_equal(p.terms.period.days, 1);
	assert_int_equal(p.terms.rollover.percent, 100);
	assert_int_equal(p.terms.rollover.most.amount, 200);
	p = found(s, "leap");
	assert_int_equal(p.terms.period.anchor, 229);
	assert_int_equal(p.terms.bonus.days, 0);
}

/* Terms are never changed: an edit of what they say makes new ones. */
static void
edits_make_new_terms(void **state)
{
	struct stage *s = *state;
	struct package_row p, q;
	struct package_terms t;

	good(s, ONE("\"price\":\"1\",\"quota\":{\"usd\":\"2\"}"), 1, 0, 0, 0);
	p = found(s, "p");
	good(s, ONE("\"note\":\"x\",\"enabled\":false"), 0, 1, 0, 0);
	q = found(s, "p");
	assert_int_equal(q.terms.id, p.terms.id);
	assert_false(q.enabled);
	good(s, ONE("\"price\":\"3\""), 0, 1, 0, 0);
	q = found(s, "p");
	assert_true(q.terms.id != p.terms.id);
	assert_int_equal(q.terms.quota.amount, USD(2));
	assert_int_equal(package_terms_get(s->db, &s->arena, p.terms.id, &t),
	    1);
	assert_true(package_terms_eq(&t, &p.terms));
	assert_false(package_terms_eq(&t, &q.terms));
	/* null: as if it had never been given. */
	good(s, ONE("\"price\":null,\"quota\":{\"requests\":5}"), 0, 1, 0, 0);
	q = found(s, "p");
	assert_int_equal(q.terms.price, 0);
	assert_int_equal(q.terms.quota.unit, UNIT_REQUEST);
	s->prune = true;
	good(s, ONE("\"enabled\":true"), 0, 1, 0, 0);
	good(s, "{\"packages\":[]}", 0, 0, 1, 0);
	assert_false(found(s, "p").enabled);
}

/* --- what is refused ------------------------------------------------------ */

static const struct {
	const char *text, *words;
} wrongs[] = {
	{ ONE("\"price\":\"1\""), "packages[0]: it gives nothing" },
	{ ONE("\"price\":\"-1\",\"quota\":{\"usd\":\"1\"}"),
	    "price: \"-1\" is no amount" },
	{ ONE("\"price\":1,\"quota\":{\"usd\":\"1\"}"),
	    "price: amounts are strings" },
	{ ONE("\"price\":\"1000000.01\",\"quota\":{\"usd\":\"1\"}"),
	    "price: a price beyond a million" },
	{ ONE("\"price\":\"99999999999999999999\",\"quota\":{\"usd\":\"1\"}"),
	    "is no amount" },
	{ ONE("\"quota\":7"), "quota: a quota is an object" },
	{ ONE("\"quota\":{}"), "quota: a quota is an object" },
	{ ONE("\"quota\":{\"eur\":\"1\"}"), "quota.eur: a quota is an" },
	{ ONE("\"quota\":{\"usd\":\"0\"}"), "quota.usd: 0 is nothing" },
	{ ONE("\"quota\":{\"usd\":\"-5\"}"), "quota.usd: \"-5\" is no" },
	{ ONE("\"quota\":{\"usd\":\"0.0000000001\"}"), "is no amount" },
	{ ONE("\"quota\":{\"usd\":\"1000001\"}"), "is no amount" },
	{ ONE("\"quota\":{\"tokens\":1.5}"),
	    "quota.tokens: a whole number from 1" },
	{ ONE("\"quota\":{\"tokens\":0}"), "a whole number from 1" },
	{ ONE("\"quota\":{\"tokens\":-3}"), "a whole number from 1" },
	{ ONE("\"quota\":{\"tokens\":1e30}"), "a whole number from 1" },
	{ ONE("\"quota\":{\"tokens\":1000000000000001}"),
	    "a whole number from 1 to 1000000000000000" },
	{ ONE("\"quota\":{\"requests\":\"10\"}"), "a whole number from 1" },
	{ ONE("\"quota\":{\"usd\":\"1\",\"tokens\":5}"),
	    "quota.tokens: a package counts in one unit" },
	{ ONE("\"bonus\":{\"days\":3}"), "bonus: a bonus is an object" },
	{ ONE("\"bonus\":{\"usd\":\"1\",\"days\":0}"),
	    "bonus.days: a whole number from 1" },
	{ ONE("\"bonus\":{\"usd\":\"1\",\"usd\":\"2\"}"), "there twice" },
	{ ONE("\"bonus\":{\"tokens\":5}"), "bonus.tokens: a bonus is" },
	/* What would never begin anew. */
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"once\""),
	    "expires: what is given once would never end nor begin anew" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":{\"days\":0}"),
	    "period.days: a whole number from 1" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":{}"), "how many days?" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":{\"months\":1}"),
	    "period.months: there is no such member; there is days" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"days\""),
	    "period: \"once\", \"week\"" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"fortnight\""),
	    "period: \"once\", \"week\"" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":30"),
	    "period: \"once\", \"week\"" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":{\"days\":1e9}"),
	    "a whole number from 1 to 3660" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"expires\":30"),
	    "expires: a period that repeats ends by itself" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"once\",\"expires\":30,"
	    "\"periods\":2"), "periods: what is given once has no periods" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"once\",\"expires\":30,"
	    "\"anchor\":2"), "anchor: only weeks, months and years" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":{\"days\":2},"
	    "\"anchor\":2"), "anchor: only weeks, months and years" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"anchor\":32"),
	    "anchor: the day on which periods begin" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"anchor\":0"),
	    "anchor: the day on which periods begin" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"anchor\":\"02-30\""),
	    "anchor: the day on which periods begin" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"anchor\":\"-1-05\""),
	    "anchor: the day on which periods begin" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"anchor\":\"02-28\""),
	    "anchor: there is no such day" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"week\",\"anchor\":8"),
	    "anchor: there is no such day" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"year\",\"anchor\":5"),
	    "anchor: there is no such day" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"periods\":0"),
	    "periods: a whole number from 1" },
	/* What is left. */
	{ ONE("\"quota\":{\"usd\":\"1\"},\"rollover\":\"all\""),
	    "rollover: what rolls over is an object" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"rollover\":{}"),
	    "rollover: what rolls over is an object" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"rollover\":{\"percent\":101}"),
	    "rollover.percent: a whole number from 1 to 100" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"rollover\":{\"tokens\":10}"),
	    "rollover: its limit is counted in what the quota is" },
	{ ONE("\"bonus\":{\"usd\":\"1\"},\"rollover\":{\"percent\":10}"),
	    "rollover: there is no quota" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"period\":\"once\",\"expires\":30,"
	    "\"rollover\":{\"percent\":10}"), "rollover: nothing follows" },
	{ ONE("\"bonus\":{\"usd\":\"1\"},\"overflow\":false"),
	    "overflow: without a quota nothing would pay" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"price\":\"1\",\"trial\":true"),
	    "trial: a trial costs nothing" },
	{ ONE("\"quota\":{\"usd\":\"1\"},\"trial\":true"),
	    "trial: a trial has an end" },
	{ ONE("\"volume\":{}"), "volume: a list […] is expected" },
	{ ONE("\"volume\":[]"), "packages[0]: it gives nothing" },
	{ ONE("\"volume\":[7]"), "volume[0]: a tier is an object" },
	{ ONE("\"volume\":[{\"above\":\"1\"}]"), "a tier is an object" },
	{ ONE("\"volume\":[{\"above\":\"1\",\"discount\":\"0\"}]"),
	    "volume[0].discount: a discount is a share above 0" },
	{ ONE("\"volume\":[{\"above\":\"1\",\"discount\":\"1.1\"}]"),
	    "a discount is a share above 0" },
	{ ONE("\"volume\":[{\"above\":\"1\",\"discount\":\"-0.1\"}]"),
	    "\"-0.1\" is no share" },
	{ ONE("\"volume\":[{\"above\":\"-1\",\"discount\":\"0.1\"}]"),
	    "\"-1\" is no amount" },
	{ ONE("\"volume\":[{\"above\":\"1\",\"discount\":\"0.1\"},{\"above\":"
	    "\"1.0\",\"discount\":\"0.2\"}]"), "two tiers are above the same" },
	{ ONE("\"price\":\"1\",\"credits\":5"), "credits: there is no such "
	    "member; there are name, price, quota" },
};

static void
refused(void **state)
{
	struct stage *s = *state;
	struct package_row *list;

	for (size_t i = 0; i < countof(wrongs); i++)
		bad(s, wrongs[i].text, wrongs[i].words);
	assert_int_equal(package_list(s->db, &s->arena, S(""), &list), 0);
	/* Refused as a whole: what was there stays. */
	good(s, ONE("\"quota\":{\"usd\":\"1\"}"), 1, 0, 0, 0);
	bad(s, ONE("\"period\":\"once\""), "expires: what is given once");
	assert_int_equal(found(s, "p").terms.period.kind, PERIOD_MONTH);
}

/* --- what terms come to --------------------------------------------------- */

static void
volume(void **state)
{
	struct stage *s = *state;
	struct buf b = BUF(&s->arena, 4096);
	int64_t until;

	assert_int_equal(package_discount(S(""), USD(5), &until), 0);
	assert_true(until == INT64_MAX);
	package_put_tier(&b, USD(10), 50000);
	package_put_tier(&b, USD(100), 100000);
	assert_int_equal(package_discount(buf_str(&b), 0, &until), 0);
	assert_int_equal(until, USD(10) + 1);
	assert_int_equal(package_discount(buf_str(&b), USD(10), &until), 0);
	assert_int_equal(until, USD(10) + 1);
	assert_int_equal(package_discount(buf_str(&b), USD(10) + 1, &until),
	    50000);
	assert_int_equal(until, USD(100) + 1);
	assert_int_equal(package_discount(buf_str(&b), USD(100) + 1, &until),
	    100000);
	assert_true(until == INT64_MAX);
}

static void
rollover(void **state)
{
	struct package_terms t;

	(void)state;
	package_terms_blank(&t);
	assert_int_equal(package_rollover(&t, 1000), 0);
	t.rollover.percent = 50;
	assert_int_equal(package_rollover(&t, 1001), 500);
	assert_int_equal(package_rollover(&t, 0), 0);
	t.rollover.most.amount = 300;
	assert_int_equal(package_rollover(&t, 1001), 300);
	assert_int_equal(package_rollover(&t, 100), 50);
	t.rollover = (struct rollover){ .percent = 100 };
	assert_int_equal(package_rollover(&t, MONEY_MAX), MONEY_MAX);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(as_it_was_asked),
		TEST(edits_make_new_terms),
		TEST(refused),
		TEST(volume),
		TEST(rollover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
