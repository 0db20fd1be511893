/* SPDX-License-Identifier: MIT */
/*
 * pick.c - the choice of two by each dial, sessions, trials, fallbacks, other
 * attempts.  Plans by hand; tests/unit/plan.c has the tiers and weights.
 */
#include "handlers/relay/pick.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "db/money.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { N = 4, MANY = 2000 };

static const int64_t T = INT64_C(1800000000000);

static struct channel channels[N] = {
	{ .id = 1, .cost_ppm = PPM, .connect_ms = 3000, .first_ms = 60000 },
	{ .id = 2, .cost_ppm = PPM, .connect_ms = 3000, .first_ms = 60000 },
	{ .id = 3, .cost_ppm = PPM, .connect_ms = 3000, .first_ms = 60000 },
	{ .id = 4, .cost_ppm = PPM, .connect_ms = 3000, .first_ms = 60000 },
};
static struct credential credentials[N] = { { .id = 11 }, { .id = 12 },
	{ .id = 13 }, { .id = 14 } };
static struct model model = { .id = 7 };
static struct channel_model serves;
static struct health *health;
static struct candidate list[N];
static struct plan plan;

static int
start(void **state)
{
	(void)state;
	log_mute(true);
	health = health_new(NULL, 1);
	model.price.rate[BUCKET_INPUT] = NANO;
	for (int i = 0; i < N; i++) {
		channels[i].cost_ppm = PPM;
		list[i] = (struct candidate){ .channel = &channels[i],
			.credential = &credentials[i], .weight = 1000,
			.model = &model, .serves = &serves,
			.about = { channels[i].id, credentials[i].id, S("m"),
			    true } };
	}
	plan = (struct plan){ .asked = &model, .model = &model, .list = list,
		.n = 2 };
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	health_free(health);
	return 0;
}

static struct pick
how(enum routing routing, uint64_t dice)
{
	struct pick p = { .health = health, .routing = routing, .dice = dice,
		.now = T };

	p.use.n[BUCKET_INPUT] = 1000;
	return p;
}

static void
answered(int i, int n, int64_t first_ms)
{
	for (; n > 0; n--) {
		health_begin(health, &list[i].about, true, T);
		health_first(health, &list[i].about, first_ms, false, T);
		health_end(health, &list[i].about, SAYS_GOOD, false, T);
	}
}

static void
failed(int i, int n, int64_t now)
{
	for (; n > 0; n--) {
		health_begin(health, &list[i].about, true, now);
		health_end(health, &list[i].about, SAYS_FAILED, false, now);
	}
}

/* How often, of many, each is taken. */
static void
shares(enum routing routing, int taken[static N])
{
	for (int i = 0; i < N; i++)
		taken[i] = 0;
	for (uint64_t dice = 0; dice < MANY; dice++) {
		struct pick p = how(routing, dice * 7919);

		taken[pick_next(&plan, &p) - list]++;
	}
}

static void
each_dial(void **state)
{
	int taken[N];

	(void)state;
	/* The first is cheap and slow: half the price, four
	 * times the time. */
	channels[0].cost_ppm = PPM / 2;
	answered(0, 30, 1600);
	answered(1, 30, 400);
	shares(ROUTING_CHEAP, taken);
	assert_int_equal(taken[0], MANY);
	shares(ROUTING_FAST, taken);
	assert_int_equal(taken[1], MANY);
	shares(ROUTING_BALANCED, taken);
	assert_int_equal(taken[1], MANY);
	/* Four times cheaper weighs as much as four times slower: whoever was
	 * drawn first is kept. */
	channels[0].cost_ppm = PPM / 4;
	shares(ROUTING_BALANCED, taken);
	assert_in_range(taken[0], MANY * 4 / 10, MANY * 6 / 10);
}

static void
who_fails_gets_less(void **state)
{
	int taken[N];

	(void)state;
	answered(0, 30, 400);
	answered(1, 30, 400);
	for (int i = 0; i < 12; i++) {
		failed(0, 1, T);
		answered(0, 1, 400);
	}
	shares(ROUTING_BALANCED, taken);
	assert_int_equal(taken[1], MANY);
}

/* What nobody would feel decides nothing. */
static void
a_few_ms_are_no_difference(void **state)
{
	int taken[N];

	(void)state;
	answered(0, 30, 3);
	answered(1, 30, 48);
	for (int i = 0; i < 3; i++) {
		shares((enum routing)i, taken);
		assert_in_range(taken[0], MANY * 4 / 10, MANY * 6 / 10);
	}
	answered(1, 300, 200);
	shares(ROUTING_BALANCED, taken);
	assert_int_equal(taken[0], MANY);
}

static void
who_is_busy_gets_less(void **state)
{
	int taken[N];

	(void)state;
	answered(0, 30, 400);
	answered(1, 30, 400);
	for (int i = 0; i < 3; i++)
		health_begin(health, &list[0].about, false, T);
	shares(ROUTING_BALANCED, taken);
	assert_int_equal(taken[1], MANY);
}

static void
no_sample_is_the_median(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 1);

	(void)state;
	plan.n = 4;
	answered(0, 30, 100);
	answered(1, 30, 700);
	answered(2, 30, 900);
	assert_true(pick_score(&plan, &list[3], &p).first_ms > 699 &&
	    pick_score(&plan, &list[3], &p).first_ms < 701);
	assert_true(pick_score(&plan, &list[3], &p).ok == 1);
	/* Only of its own tier. */
	list[3].chain = 1;
	assert_true(pick_score(&plan, &list[3], &p).first_ms == 0);
}

static void
the_same_dice_draw_the_same(void **state)
{
	int taken[N];

	(void)state;
	plan.n = 4;
	shares(ROUTING_BALANCED, taken);
	for (int i = 0; i < N; i++)
		assert_in_range(taken[i], MANY / 5, MANY * 3 / 10);
	for (uint64_t dice = 0; dice < 200; dice++) {
		struct pick p = how(ROUTING_BALANCED, dice);
		struct candidate *first = pick_next(&plan, &p);

		assert_ptr_equal(pick_next(&plan, &p), first);
	}
}

static void
two_of_different_channels(void **state)
{
	struct candidate *two[2];

	(void)state;
	plan.n = 3;
	list[1].channel = &channels[0];		/* two keys of one */
	for (uint64_t dice = 0; dice < 500; dice++) {
		struct pick p = how(ROUTING_BALANCED, dice);

		assert_int_equal(pick_two(&plan, &p, two), 2);
		assert_ptr_not_equal(two[0]->channel, two[1]->channel);
	}
	/* When there are no others, the other key. */
	plan.n = 2;
	for (uint64_t dice = 0; dice < 100; dice++) {
		struct pick p = how(ROUTING_BALANCED, dice);

		assert_int_equal(pick_two(&plan, &p, two), 2);
		assert_ptr_not_equal(two[0], two[1]);
	}
}

static void
a_session_stays_while_he_is_well(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 5);

	(void)state;
	answered(0, 30, 400);
	answered(1, 30, 150);
	p.sticky = 11;
	assert_ptr_equal(pick_next(&plan, &p), &list[0]);
	/* Not for one that is far better, ... */
	answered(0, 300, 4000);
	assert_ptr_equal(pick_next(&plan, &p), &list[1]);
	p.sticky = 12;
	assert_ptr_equal(pick_next(&plan, &p), &list[1]);
	/* ... nor while he is out, or only to be tried. */
	failed(1, 5, T);
	assert_ptr_equal(pick_next(&plan, &p), &list[0]);
	p.now = T + 60000;
	for (p.dice = 0; p.dice < 20; p.dice++)
		if (pick_next(&plan, &p) == &list[0])
			return;
	fail_msg("a trial is drawn, not kept to");
}

static void
who_is_silent_is_passed_over(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 5);

	(void)state;
	answered(0, 30, 400);
	answered(1, 30, 400);
	for (int i = 0; i < 3; i++)
		health_begin(health, &list[0].about, true, T);
	assert_int_equal(pick_first_ms(&list[0], health, 0, false, T), 8000);
	p.now = T + 1500;
	p.sticky = 11;
	for (p.dice = 0; p.dice < 100; p.dice++)
		assert_ptr_equal(pick_next(&plan, &p), &list[1]);
	/* It still is better than nobody. */
	plan.n = 1;
	assert_ptr_equal(pick_next(&plan, &p), &list[0]);
}

static void
a_trial_is_taken_once(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 0);
	int trials = 0;

	(void)state;
	answered(1, 30, 1);		/* far better, were it a choice */
	failed(0, 5, T);
	for (p.dice = 0; p.dice < 50; p.dice++)
		assert_ptr_equal(pick_next(&plan, &p), &list[1]);
	p.now = T + 40000;
	for (p.dice = 0; p.dice < 50; p.dice++) {
		struct candidate *k = pick_next(&plan, &p);

		trials += k == &list[0];
		if (k == &list[0])
			assert_int_equal(k->standing, STANDS_TRIAL);
	}
	assert_int_equal(trials, 1);
}

static void
the_last_resort(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 0);

	(void)state;
	failed(0, 5, T);
	failed(1, 5, T);
	assert_null(pick_next(&plan, &p));
	assert_false(pick_any(&plan, health, T));
	assert_in_range(pick_soonest(&plan, health, T), T + 27000, T + 33000);
	plan.resort = true;
	assert_non_null(pick_next(&plan, &p));
	/* Who is parked or barred stays out. */
	health_learn(health, &list[0].about, UP_RATE_LIMIT, 0, T);
	health_learn(health, &list[1].about, UP_KEY_DEAD, 0, T);
	assert_null(pick_next(&plan, &p));
}

static void
fallbacks_in_their_order(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 0);
	int64_t order[] = { 0, 0, 1, 2 };

	(void)state;
	plan.n = 4;
	for (int i = 0; i < N; i++)
		list[i].chain = (int)order[i];
	for (p.dice = 0; p.dice < 100; p.dice++)
		assert_true(pick_next(&plan, &p) <= &list[1]);
	list[0].tries = 1;
	list[1].full_until = T + 500;
	assert_ptr_equal(pick_next(&plan, &p), &list[2]);
	assert_int_equal(pick_soonest(&plan, health, T), T + 500);
	health_learn(health, &list[2].about, UP_MODEL_MISSING, 0, T);
	assert_ptr_equal(pick_next(&plan, &p), &list[3]);
	list[3].avoid = true;
	assert_null(pick_next(&plan, &p));
	assert_false(pick_any(&plan, health, T));
	assert_true(pick_any(&plan, health, T + 500));
}

static void
again_the_one_with_fewest_tries(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 0);

	(void)state;
	plan.n = 3;
	list[0].tries = 2;
	list[1].tries = 1;
	list[2].tries = 1;
	list[2].avoid = true;
	assert_ptr_equal(pick_again(&plan, &p), &list[1]);
	failed(1, 5, T);
	assert_ptr_equal(pick_again(&plan, &p), &list[2]);
	health_learn(health, &list[2].about, UP_RATE_LIMIT, 0, T);
	assert_ptr_equal(pick_again(&plan, &p), &list[0]);
	/* Half-open ones belong to whoever takes the trial. */
	list[1].tries = 0;
	p.now = T + 40000;
	list[2].full_until = T + 90000;
	assert_ptr_equal(pick_again(&plan, &p), &list[0]);
	plan.resort = true;
	assert_ptr_equal(pick_again(&plan, &p), &list[1]);
}

static void
a_plan_hears_of_changes(void **state)
{
	struct pick p = how(ROUTING_BALANCED, 0);

	(void)state;
	/* As plan_make notes it: nothing is asked while nothing changes. */
	plan.changes = health_changes(health);
	assert_non_null(pick_next(&plan, &p));
	health_learn(health, &list[0].about, UP_RATE_LIMIT, 0, T);
	for (p.dice = 0; p.dice < 50; p.dice++)
		assert_ptr_equal(pick_next(&plan, &p), &list[1]);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(each_dial),
		TEST(who_fails_gets_less),
		TEST(a_few_ms_are_no_difference),
		TEST(who_is_busy_gets_less),
		TEST(no_sample_is_the_median),
		TEST(the_same_dice_draw_the_same),
		TEST(two_of_different_channels),
		TEST(a_session_stays_while_he_is_well),
		TEST(who_is_silent_is_passed_over),
		TEST(a_trial_is_taken_once),
		TEST(the_last_resort),
		TEST(fallbacks_in_their_order),
		TEST(again_the_one_with_fewest_tries),
		TEST(a_plan_hears_of_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
