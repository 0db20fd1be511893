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

/* What weirctl route tells is what happens. */
static void
chances_are_what_happens(void **state)
{
	struct candidate list[3];
	struct plan p = three(list, 1000, 3000, 2000);
	struct pick how = { .health = health, .now = 1000 };
	int chosen[3] = { 0 };
	double chance[3], sum = 0;

	(void)state;
	list[2].channel = &channels[0];
	for (int i = 0; i < 2; i++) {
		health_begin(health, &list[1].about, true, 0);
		health_end(health, &list[1].about, SAYS_FAILED, false, 1000);
	}
	pick_chances(&p, &how, chance);
	for (how.dice = 0; how.dice < 20000; how.dice++) {
		struct candidate *two[2], *k;

		assert_int_equal(pick_two(&p, &how, two), 2);
		assert_ptr_not_equal(two[0], two[1]);
		k = pick_next(&p, &how);
		assert_true(k == two[0] || k == two[1]);
		chosen[k - list]++;
	}
	for (int i = 0; i < 3; i++) {
		int wanted = (int)(chance[i] * 20000);

		sum += chance[i];
		assert_in_range(chosen[i], wanted > 300 ? wanted - 300 : 0,
		    wanted + 300);
	}
	assert_true(sum > 0.999 && sum < 1.001);
	assert_true(chance[1] < 0.2);	/* the failing one, half the weight */
}

static void
no_candidate_no_chance(void **state)
{
	struct candidate list[3], *two[2];
	struct plan p = three(list, 1000, 3000, 2000);
	struct pick how = { .health = health, .now = 1000 };
	double chance[3];

	(void)state;
	list[0].tries = list[1].tries = 1;
	pick_chances(&p, &how, chance);
	assert_true(chance[0] == 0 && chance[1] == 0 && chance[2] == 1);
	assert_int_equal(pick_two(&p, &how, two), 1);
	assert_ptr_equal(two[0], &list[2]);
	list[2].tries = 1;
	pick_chances(&p, &how, chance);
	assert_true(chance[2] == 0);
	assert_int_equal(pick_two(&p, &how, two), 0);
}

static void
a_channel_is_usable_while_one_key_is(void **state)
{
	struct credential keys[] = { { .id = 1, .enabled = true },
		{ .id = 2, .enabled = true } };
	struct channel ch = { .id = 9, .enabled = true,
		.dialect = STR_INIT("openai"), .models = &serves,
		.n_models = 1, .credentials = keys, .n_credentials = 2 };
	struct subject one = { 9, 1, S("m"), false }, two = { 9, 2, S("m"),
		false };

	(void)state;
	assert_true(plan_usable(&ch, health, 1000));
	/* A pair is not the key; a dead key is. */
	health_learn(health, &one, UP_RATE_LIMIT, 0, 1000);
	assert_true(plan_key_usable(&ch, &keys[0], health, 1000));
	health_learn(health, &one, UP_KEY_DEAD, 0, 1000);
	assert_false(plan_key_usable(&ch, &keys[0], health, 1000));
	assert_true(plan_usable(&ch, health, 1000));
	keys[1].enabled = false;
	assert_false(plan_usable(&ch, health, 1000));
	/* What was ejected is a last resort. */
	keys[1].enabled = true;
	for (int i = 0; i < 9; i++) {
		health_begin(health, &two, true, 0);
		health_end(health, &two, SAYS_UNREACHED, false, 1000);
	}
	assert_int_equal(health_worst(health, 9, 2, 1000), STANDS_EJECTED);
	assert_true(plan_usable(&ch, health, 1000));
	health_learn(health, &two, UP_REGION_BLOCKED, 0, 1000);
	assert_false(plan_usable(&ch, health, 1000));
	assert_int_equal(health_worst(health, 9, 1, 1000), STANDS_BARRED);
	ch.enabled = false;
	assert_false(plan_usable(&ch, health, 700000));
	ch.enabled = true;
	assert_true(plan_usable(&ch, health, 700000));
	ch.n_models = 0;
	assert_false(plan_usable(&ch, health, 700000));
}

/* 60 s and as long again for each 50,000 tokens; four times what 95 of 100
 * took when that is known, 8 s at least. */
static void
the_clock_of_the_first_content(void **state)
{
	struct channel ch = { .id = 9, .first_ms = 60000 };
	struct candidate k = { .channel = &ch, .about = { 9, 1, S("m"),
		true } };

	(void)state;
	assert_int_equal(pick_first_ms(&k, health, 0, false, 1000), 60000);
	assert_int_equal(pick_first_ms(&k, health, 50000, false, 1000), 120000);
	assert_int_equal(pick_first_ms(&k, health, 0, true, 1000), 300000);
	for (int i = 0; i < 25; i++) {
		health_begin(health, &k.about, true, 0);
		health_first(health, &k.about, i < 19 ? 100 : 5000, false,
		    1000);
		health_end(health, &k.about, SAYS_GOOD, false, 1000);
	}
	assert_in_range(pick_first_ms(&k, health, 0, false, 1000), 20000,
	    32000);
	/* What takes others long is no reason to give up a long prompt. */
	assert_in_range(pick_first_ms(&k, health, 50000, false, 1000), 40000,
	    64000);
	assert_in_range(pick_first_ms(&k, health, 0, true, 1000), 100000,
	    160000);
	ch.first_ms = 9000;
	assert_int_equal(pick_first_ms(&k, health, 0, false, 1000), 9000);
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
		cmocka_unit_test_setup_teardown(chances_are_what_happens,
		    fresh, done),
		cmocka_unit_test_setup_teardown(no_candidate_no_chance, fresh,
		    done),
		cmocka_unit_test_setup_teardown(
		    a_channel_is_usable_while_one_key_is, fresh, done),
		cmocka_unit_test_setup_teardown(
		    the_clock_of_the_first_content, fresh, done),
		cmocka_unit_test(model_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
