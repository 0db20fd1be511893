/* SPDX-License-Identifier: MIT */
/* plan.c - which candidate is next, and what a key may call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "handlers/relay/health.h"
#include "handlers/relay/plan.h"

static struct channel channels[] = {
	{ .id = 1, .name = STR_INIT("first"), .priority = 0 },
	{ .id = 2, .name = STR_INIT("second"), .priority = 0 },
	{ .id = 3, .name = STR_INIT("spare"), .priority = 1 },
};
static struct credential credentials[] = { { .id = 1 }, { .id = 2 },
	{ .id = 3 } };
static struct model model = { .id = 7 };

static struct plan
three(struct candidate *list, uint64_t a, uint64_t b, uint64_t spare)
{
	uint64_t weights[] = { a, b, spare };

	for (int i = 0; i < 3; i++)
		list[i] = (struct candidate){ .channel = &channels[i],
		    .credential = &credentials[i], .weight = weights[i] };
	return (struct plan){ .model = &model, .list = list, .n = 3 };
}

static void
by_weight(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 3000, 9000);
	int chosen[3] = { 0 };

	(void)state;
	for (uint64_t dice = 0; dice < 4000; dice++)
		chosen[plan_next(&p, dice, 0) - list]++;
	assert_int_equal(chosen[0], 1000);
	assert_int_equal(chosen[1], 3000);
	assert_int_equal(chosen[2], 0);
}

static void
lower_tier_only_when_the_upper_is_used_up(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 1000, 1000);

	(void)state;
	list[0].tried = true;
	for (uint64_t dice = 0; dice < 100; dice++)
		assert_ptr_equal(plan_next(&p, dice * 997, 0), &list[1]);
	list[1].tried = true;
	assert_ptr_equal(plan_next(&p, 5, 0), &list[2]);
	list[2].tried = true;
	assert_null(plan_next(&p, 5, 0));
}

static void
weight_nought_is_a_last_resort(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 0, 1000, 0);

	(void)state;
	for (uint64_t dice = 0; dice < 100; dice++)
		assert_ptr_equal(plan_next(&p, dice * 31, 0), &list[1]);
	list[1].tried = true;
	assert_ptr_equal(plan_next(&p, 77, 0), &list[0]);
}

static void
parked_ones_are_left_out(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 1000, 1000);
	struct park parks[] = { { .credential = 1, .model = 0, .until = 100 },
	    { .credential = 2, .model = 7, .until = 200 },
	    { .credential = 3, .model = 8, .until = 300 } };

	(void)state;
	health_load(parks, 3);
	assert_ptr_equal(plan_next(&p, 1, 50), &list[2]);
	assert_ptr_equal(plan_next(&p, 1, 150), &list[0]);
	assert_int_equal(health_parked(2, 7, 150), 200);
	assert_int_equal(health_parked(2, 9, 150), 0);
	assert_int_equal(health_parked(1, 9, 99), 100);
	health_load(NULL, 0);
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
		cmocka_unit_test(by_weight),
		cmocka_unit_test(lower_tier_only_when_the_upper_is_used_up),
		cmocka_unit_test(weight_nought_is_a_last_resort),
		cmocka_unit_test(parked_ones_are_left_out),
		cmocka_unit_test(model_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
