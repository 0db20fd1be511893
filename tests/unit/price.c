/* SPDX-License-Identifier: MIT */
/* price.c - a charge has one rounding, up, and never wraps. */
#include "db/price.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/money.h"

static const int64_t none[N_BUCKETS] = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1 };
enum {
	NO_FALLING_BACK = BUCKET_BIT(AUDIO_IN) | BUCKET_BIT(AUDIO_OUT) |
	    BUCKET_BIT(IMAGE_OUT) | BUCKET_BIT(CHARACTER) | BUCKET_BIT(IMAGE) |
	    BUCKET_BIT(SECOND) | BUCKET_BIT(SEARCH)
};

static void
simple(void **state)
{
	struct price p = { .rate = { [BUCKET_INPUT] = 150000000,
			       [BUCKET_CACHE_READ] = 75000000,
			       [BUCKET_OUTPUT] = 600000000,
			       [BUCKET_REASONING] = 600000000,
			       [BUCKET_REQUEST] = 1000 } };
	struct buckets use = { { [BUCKET_INPUT] = 12, [BUCKET_OUTPUT] = 9 } };
	int64_t nano;

	(void)state;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 12 * 150 + 9 * 600);
	use.n[BUCKET_REQUEST] = 2;
	use.n[BUCKET_CACHE_READ] = 2;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 12 * 150 + 9 * 600 + 2 * 75 + 2000);
	assert_true(price_charge(&p, &use, 340000, &nano));
	assert_int_equal(nano, ((12 * 150 + 9 * 600 + 150 + 2000) * 34 + 99) /
		100);
	assert_true(price_charge(&p, &use, 0, &nano));
	assert_int_equal(nano, 0);
}

/* Many parts below one nano-dollar are summed before they are rounded. */
static void
one_rounding(void **state)
{
	struct price p = { .rate = { [BUCKET_INPUT] = 1, [BUCKET_OUTPUT] = 1,
			       [BUCKET_CACHE_READ] = 1 } };
	struct buckets use = { { [BUCKET_INPUT] = 1, [BUCKET_OUTPUT] = 1,
	    [BUCKET_CACHE_READ] = 1 } };
	int64_t nano;

	(void)state;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 1);
	assert_true(price_charge(&p, &use, 1, &nano));
	assert_int_equal(nano, 1);
	use.n[BUCKET_INPUT] = 999998;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 1);
	use.n[BUCKET_INPUT]++;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 2);
}

/* Hostile counts and rates are refused, not wrapped. */
static void
limits(void **state)
{
	struct price p = { .rate = { [BUCKET_INPUT] = PPM } };
	struct buckets use = { { [BUCKET_INPUT] = MONEY_MAX } };
	int64_t nano = -5;

	(void)state;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, MONEY_MAX);
	use.n[BUCKET_INPUT]++;
	assert_false(price_charge(&p, &use, PPM, &nano));
	use.n[BUCKET_INPUT]--;
	assert_false(price_charge(&p, &use, PPM + 1, &nano));
	assert_int_equal(nano, MONEY_MAX);
	for (int b = 0; b < N_BUCKETS; b++) {
		p.rate[b] = INT64_MAX;
		use.n[b] = INT64_MAX;
	}
	assert_false(price_charge(&p, &use, PPM, &nano));
	assert_false(price_charge(&p, &use, INT64_MAX, &nano));
	assert_true(price_charge(&p, &use, 0, &nano) == false);
	for (int b = 0; b < N_BUCKETS; b++) {
		p.rate[b] = MONEY_MAX / N_BUCKETS;
		use.n[b] = BUCKETS_ONES & 1u << b ? 1 : PPM;
	}
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, MONEY_MAX / N_BUCKETS * N_BUCKETS);
}

static void
falls_back(void **state)
{
	int64_t given[N_BUCKETS];
	struct price p;

	(void)state;
	memcpy(given, none, sizeof(given));
	given[BUCKET_INPUT] = 10;
	given[BUCKET_OUTPUT] = 20;
	given[BUCKET_CACHE_WRITE] = 13;
	assert_true(price_fill(given, &p));
	assert_int_equal(p.rate[BUCKET_CACHE_READ], 10);
	assert_int_equal(p.rate[BUCKET_CACHE_WRITE], 13);
	assert_int_equal(p.rate[BUCKET_CACHE_WRITE_1H], 13);
	assert_int_equal(p.rate[BUCKET_REASONING], 20);
	assert_int_equal(p.rate[BUCKET_REQUEST], 0);
	assert_int_equal(p.rate[BUCKET_IMAGE_IN], 10);
	assert_int_equal(p.priced, ((1 << N_BUCKETS) - 1) & ~NO_FALLING_BACK);
	assert_int_equal(p.given, BUCKET_BIT(INPUT) | BUCKET_BIT(OUTPUT) |
	    BUCKET_BIT(CACHE_WRITE));
	given[BUCKET_IMAGE_IN] = 11;
	given[BUCKET_AUDIO_OUT] = 12;
	assert_true(price_fill(given, &p));
	assert_int_equal(p.rate[BUCKET_IMAGE_IN], 11);
	assert_true(p.priced & BUCKET_BIT(AUDIO_OUT));
	assert_false(p.priced & BUCKET_BIT(AUDIO_IN));
}

/* What is not counted in tokens: by ones, characters by the million. */
static void
units(void **state)
{
	static const enum bucket alone[] = { BUCKET_REQUEST, BUCKET_IMAGE,
		BUCKET_SECOND, BUCKET_CHARACTER, BUCKET_SEARCH };
	int64_t given[N_BUCKETS], nano;

	(void)state;
	for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
		struct buckets use = { { 0 } };
		struct price p;

		memcpy(given, none, sizeof(given));
		given[alone[i]] = 15000000;
		assert_true(price_fill(given, &p));
		assert_int_equal(p.given, 1u << alone[i]);
		assert_int_equal(p.rate[BUCKET_INPUT], 0);
		use.n[alone[i]] = 3;
		use.n[BUCKET_INPUT] = 1000;
		assert_true(price_charge(&p, &use, PPM, &nano));
		assert_int_equal(nano, alone[i] == BUCKET_CHARACTER ? 45 :
		    45000000);
	}
	/* Sound and pictures in tokens need a price of text beside them. */
	for (enum bucket b = BUCKET_AUDIO_IN; b <= BUCKET_IMAGE_OUT; b++) {
		struct price p;

		memcpy(given, none, sizeof(given));
		given[b] = 7;
		assert_false(price_fill(given, &p));
		given[BUCKET_INPUT] = 1;
		assert_true(price_fill(given, &p));
	}
}

static void
sums(void **state)
{
	struct buckets use;

	(void)state;
	for (int b = 0; b < N_BUCKETS; b++)
		use.n[b] = 1 << b;
	assert_int_equal(buckets_in(&use), BUCKETS_IN);
	assert_int_equal(buckets_out(&use), BUCKETS_OUT);
	assert_int_equal(BUCKETS_IN & BUCKETS_OUT, 0);
}

static void
left_out(void **state)
{
	int64_t given[N_BUCKETS];
	struct price p;

	(void)state;
	assert_false(price_fill(none, &p));
	memcpy(given, none, sizeof(given));
	given[BUCKET_REQUEST] = 5;
	assert_true(price_fill(given, &p));
	assert_int_equal(p.rate[BUCKET_INPUT], 0);
	assert_int_equal(p.priced, ((1 << N_BUCKETS) - 1) & ~NO_FALLING_BACK);

	/* No price of output: what makes output must be refused. */
	given[BUCKET_INPUT] = 7;
	assert_true(price_fill(given, &p));
	assert_false(p.priced & 1 << BUCKET_OUTPUT);
	assert_false(p.priced & 1 << BUCKET_REASONING);
	assert_true(p.priced & 1 << BUCKET_CACHE_WRITE_1H);

	given[BUCKET_INPUT] = -1;
	given[BUCKET_OUTPUT] = 7;
	assert_false(price_fill(given, &p));
}

/* One rounding, up, of a product that needs more than 128 bits. */
static void
multiplied(void **state)
{
	static const struct {
		int64_t rate, n, share, times, nano;
	} list[] = {
		{ 1, 1, 1, 1, 1 },
		{ 999999, 1, 1000000, 500000, 1 },
		{ 150000000, 12345, 1500000, 333333, 925875 },
		{ 2500000000, 1000000, 1000000000, 1000000000,
		    2500000000000000 },
		{ 7, 3, 1234567, 7654321, 1 },
		{ 600000000, 987654321, 340000, 500001, 100740942224 },
		{ 3, 1000000000000, 1000000, 1000000, 3000000 },
	};
	int64_t nano;

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		struct price p = { .rate = { [BUCKET_INPUT] = list[i].rate } };
		struct buckets use = { .n = { [BUCKET_INPUT] = list[i].n } };

		assert_true(price_charge_times(&p, &use, list[i].share,
		    list[i].times, &nano));
		assert_int_equal(nano, list[i].nano);
	}
}

/* The largest charge that there is, and one nano-dollar more. */
static void
multiplied_most(void **state)
{
	struct price p = { .rate = { [BUCKET_REQUEST] = MONEY_MAX } };
	struct buckets use = { .n = { [BUCKET_REQUEST] = 1 } };
	int64_t nano;

	(void)state;
	assert_true(price_charge_times(&p, &use, PPM / 4, 4 * PPM, &nano));
	assert_int_equal(nano, MONEY_MAX);
	assert_false(price_charge_times(&p, &use, PPM / 4, 4 * PPM + 1, &nano));
	assert_false(price_charge_times(&p, &use, 1000 * PPM, 1000 * PPM,
	    &nano));
	assert_false(price_charge_times(&p, &use, INT64_MAX, 2, &nano));
	for (int b = 0; b < N_BUCKETS; b++) {
		p.rate[b] = MONEY_MAX;
		use.n[b] = 1;
	}
	assert_false(price_charge_times(&p, &use, 1000 * PPM, 999 * PPM,
	    &nano));
	assert_true(price_charge_times(&p, &use, 0, 5, &nano));
	assert_int_equal(nano, 0);
}

static void
tiers_and_multipliers(void **state)
{
	static const int64_t above[N_BUCKETS] = { 50, -1, -1, -1, -1, -1, 9, -1,
		-1, -1, -1, -1, -1, -1, -1 };
	struct buf tiers = BUF_HEAP(4096), times = BUF_HEAP(4096);
	struct price_words w;
	struct buckets use = { .n = { [BUCKET_INPUT] = 5 } };
	struct arena a;
	struct price p;
	int64_t nano;

	(void)state;
	arena_init(&a);
	price_words_blank(&w);
	w.given[BUCKET_INPUT] = 20 * PPM;
	w.given[BUCKET_OUTPUT] = 30 * PPM;
	price_put_tier(&tiers, 10, above);
	w.tiers = buf_str(&tiers);
	assert_true(str_eq(w.tiers, S("[{\"above\":10,\"input\":"
	    "\"0.00000005\",\"request\":\"0.000000009\"}]")));
	/* A dearer one above it. */
	price_put_tier(&tiers, 20, (int64_t[N_BUCKETS]){ 70 * PPM, -1, -1, -1,
	    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 });
	price_put_multiplier(&times, S("flex"), 500000);
	price_put_multiplier(&times, S("priority"), 2000000);
	w.tiers = buf_str(&tiers);
	w.multipliers = buf_str(&times);
	assert_true(price_read(&a, &w, &p));
	assert_int_equal(p.n_tiers, 2);
	assert_int_equal(price_multiplier_most(&p), 2 * PPM);
	assert_true(price_multiplier(&p, S("flex"), &nano));
	assert_int_equal(nano, PPM / 2);
	assert_false(price_multiplier(&p, S("batch"), &nano));

	/* At the border the lower tier; what was cached counts. */
	use.n[BUCKET_CACHE_READ] = 5;
	use.n[BUCKET_OUTPUT] = 1;
	use.n[BUCKET_REQUEST] = 1;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 10 * 20 + 30);
	use.n[BUCKET_CACHE_WRITE] = 1;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 1 + 30 + 9);
	use.n[BUCKET_AUDIO_IN] = 10;
	assert_true(price_charge(&p, &use, PPM, &nano));
	assert_int_equal(nano, 11 * 70 + 30);
	assert_int_equal(price_dearest(&p, BUCKETS_IN, 10), 20 * PPM);
	assert_int_equal(price_dearest(&p, BUCKETS_IN, 20), 20 * PPM);
	assert_int_equal(price_dearest(&p, BUCKETS_IN, 21), 70 * PPM);

	/* Pictures have a rate of their own in it: they are told apart. */
	assert_int_equal(p.given & BUCKET_BIT(IMAGE_IN), 0);
	w.tiers = S("[{\"above\":20,\"image_in\":\"1\"}]");
	assert_true(price_read(&a, &w, &p));
	assert_true(p.given & BUCKET_BIT(IMAGE_IN));
	assert_false(p.given & BUCKET_BIT(REQUEST));

	/* What no price has written. */
	w.tiers = S("[{\"above\":20,\"input\":\"1\"},{\"above\":20,"
	    "\"input\":\"1\"}]");
	assert_false(price_read(&a, &w, &p));
	w.tiers = S("[{\"input\":\"1\"}]");
	assert_false(price_read(&a, &w, &p));
	w.tiers = S("");
	w.multipliers = S("{\"flex\":\"x\"}");
	assert_false(price_read(&a, &w, &p));
	arena_release(&a);
	buf_release(&tiers);
	buf_release(&times);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple),
		cmocka_unit_test(one_rounding),
		cmocka_unit_test(limits),
		cmocka_unit_test(falls_back),
		cmocka_unit_test(units),
		cmocka_unit_test(sums),
		cmocka_unit_test(left_out),
		cmocka_unit_test(multiplied),
		cmocka_unit_test(multiplied_most),
		cmocka_unit_test(tiers_and_multipliers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
