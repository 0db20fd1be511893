/* SPDX-License-Identifier: MIT */
/* plan.c - which candidate is next, and what a key may call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "handlers/relay/pick.h"

static struct channel channels[] = {
	{ .id = 1, .name = STR_INIT("first"), .priority = 0 },
	{ .id = 2, .name = STR_INIT("second"), .priority = 0 },
	{ .id = 3, .name = STR_INIT("spare"), .priority = 1 },
};
static struct credential credentials[] = { { .id = 1 }, { .id = 2 },
	{ .id = 3 } };
static struct model model = { .id = 7 };
static struct channel_model serves;
static struct health *health;

static int
fresh(void **state)
{
	(void)state;
	health_free(health);
	health = health_new(NULL, 1);
	return 0;
}

static int
done(void **state)
{
	(void)state;
	health_free(health);
	health = NULL;
	return 0;
}

static struct plan
three(struct candidate *list, uint64_t a, uint64_t b, uint64_t spare)
{
	uint64_t weights[] = { a, b, spare };

	for (int i = 0; i < 3; i++)
		list[i] = (struct candidate){ .channel = &channels[i],
		    .credential = &credentials[i], .weight = weights[i],
		    .model = &model, .serves = &serves,
		    .about = { channels[i].id, credentials[i].id, S("m"),
			true } };
	return (struct plan){ .asked = &model, .model = &model, .list = list,
	    .n = 3 };
}

static struct candidate *
next(struct plan *p, uint64_t dice, int64_t now)
{
	struct pick how = { .health = health, .dice = dice, .now = now };

	return pick_next(p, &how);
}

static void
by_weight(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 3000, 9000);
	int chosen[3] = { 0 };

	(void)state;
	for (uint64_t dice = 0; dice < 4000; dice++)
		chosen[next(&p, dice, 0) - list]++;
	assert_in_range(chosen[0], 850, 1150);
	assert_int_equal(chosen[0] + chosen[1], 4000);
	assert_int_equal(chosen[2], 0);
}

static void
lower_tier_only_when_the_upper_is_used_up(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 1000, 1000);

	(void)state;
	list[0].tries = 1;
	for (uint64_t dice = 0; dice < 100; dice++)
		assert_ptr_equal(next(&p, dice * 997, 0), &list[1]);
	list[1].tries = 1;
	assert_ptr_equal(next(&p, 5, 0), &list[2]);
	list[2].tries = 1;
	assert_null(next(&p, 5, 0));
}

static void
weight_nought_is_a_last_resort(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 0, 1000, 0);

	(void)state;
	for (uint64_t dice = 0; dice < 100; dice++)
		assert_ptr_equal(next(&p, dice * 31, 0), &list[1]);
	list[1].tries = 1;
	assert_ptr_equal(next(&p, 77, 0), &list[0]);
}

static void
those_that_are_out_are_left_out(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 1000, 1000);
	struct park parks[] = { { .channel = 1, .credential = 1, .until = 100 },
	    { .channel = 2, .credential = 2, .model = S("m"), .until = 200 },
	    { .channel = 3, .credential = 3, .model = S("n"), .until = 300 } };

	(void)state;
	health_load_parks(health, parks, 3, 0);
	assert_ptr_equal(next(&p, 1, 50), &list[2]);
	assert_ptr_equal(next(&p, 1, 150), &list[0]);
	assert_int_equal(pick_soonest(&p, health, 50), 100);
}

static void
a_session_stays(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 1000, 1000);
	struct pick how = { .health = health, .sticky = 2 };

	(void)state;
	for (how.dice = 0; how.dice < 50; how.dice++)
		assert_ptr_equal(pick_next(&p, &how), &list[1]);
	list[1].tries = 1;
	assert_ptr_equal(pick_next(&p, &how), &list[0]);
}

static void
model_lists(void **state)
{
	struct str list = S("[\"gpt-4o\",\"claude-*\"]");

	(void)state;
	assert_true(plan_allowed(S(""), S("anything")));
	assert_true(plan_allowed(list, S("gpt-4o")));
	assert_false(plan_allowed(list, S("gpt-4o-mini")));
	assert_true(plan_allowed(list, S("claude-haiku")));
	assert_false(plan_allowed(list, S("claude")));
	assert_false(plan_allowed(S("[]"), S("gpt-4o")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_weight, fresh, done),
		cmocka_unit_test_setup_teardown(
		    lower_tier_only_when_the_upper_is_used_up, fresh, done),
		cmocka_unit_test_setup_teardown(weight_nought_is_a_last_resort,
		    fresh, done),
		cmocka_unit_test_setup_teardown(
		    those_that_are_out_are_left_out, fresh, done),
		cmocka_unit_test_setup_teardown(a_session_stays, fresh, done),
		cmocka_unit_test(model_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
