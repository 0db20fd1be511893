/* SPDX-License-Identifier: MIT */
/*
 * health_share.c - what two processes on one store know of upstreams.
 *
 * Two healths with a writer each; "a second" is a load and a share of both,
 * as their keepers do it.
 */
#include <pthread.h>

#include "db/channel.h"
#include "fcgi/base/log.h"
#include "handlers/relay/health_part.h"
#include "tests/unit/shop.h"

enum { DRAIN_MS = 10000, S_MS = 1000 };

static struct shop shop;

static struct process {
	struct store *store;
	struct writer *writer;
	struct health *health;
} a, b;

static struct subject one, other;

static bool
make_channel(struct shop *s, struct db *db, void *arg)
{
	struct credential_row k;
	struct channel_row c;

	(void)s;
	(void)arg;
	channel_blank(&c, S("up"));
	c.dialect = S("openai");
	c.base_url = S("https://api.example/v1");
	if (!channel_put(db, &c))
		return false;
	for (int i = 0; i < 2; i++) {
		credential_blank(&k, c.id, i ? S("k2") : S("k1"));
		if (!credential_put(db, &k))
			return false;
		*(i ? &other : &one) = (struct subject){ c.id, k.id, S("m"),
			false };
	}
	return true;
}

static void
enter(struct process *p, struct store *store)
{
	p->store = store;
	p->writer = writer_start(store);
	assert_non_null(p->writer);
	p->health = health_new(p->writer, 3);
}

static int
start(void **state)
{
	(void)state;
	log_mute(true);
	shop_init(&shop);
	shop_open(&shop);
	assert_true(shop_write(&shop, make_channel, NULL));
	enter(&a, shop.store);
	enter(&b, shop_enter(&shop));
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	writer_stop(a.writer);
	writer_stop(b.writer);
	health_free(a.health);
	health_free(b.health);
	store_close(b.store);
	shop_close(&shop);
	return 0;
}

static void
drain(void)
{
	assert_true(writer_drain(a.writer, DRAIN_MS));
	assert_true(writer_drain(b.writer, DRAIN_MS));
}

static void
load(struct process *p)
{
	int64_t now = clock_utc_ms();
	struct score_row *scores;
	struct park *parks;
	struct arena arena;
	int n;

	arena_init(&arena);
	n = park_load(shop.reader, now, &arena, &parks);
	assert_true(n >= 0);
	health_load_parks(p->health, parks, n, now);
	n = score_load(shop.reader, 0, &arena, &scores);
	assert_true(n >= 0);
	health_load_scores(p->health, scores, n);
	arena_release(&arena);
}

static void
second(void)
{
	load(&a);
	load(&b);
	health_share(a.health, clock_utc_ms());
	health_share(b.health, clock_utc_ms());
	drain();
}

static enum stance
how(struct process *p, const struct subject *s)
{
	int64_t until;

	return health_standing(p->health, s, clock_utc_ms(), &until);
}

static void
calls(struct process *p, const struct subject *s, int n, enum verdict says)
{
	for (int i = 0; i < n; i++) {
		int64_t now = clock_utc_ms();

		health_begin(p->health, s, true, now);
		if (says == SAYS_GOOD)
			health_first(p->health, s, 100, false, now);
		health_end(p->health, s, says, false, now);
	}
}

static void
parks_are_known_after_a_load(void **state)
{
	int64_t until;

	(void)state;
	health_learn(a.health, &one, UP_RATE_LIMIT, 60 * S_MS,
	    clock_utc_ms());
	health_learn(a.health, &other, UP_KEY_DEAD, 0, clock_utc_ms());
	assert_int_equal(how(&a, &one), STANDS_PARKED);
	assert_int_equal(how(&b, &one), STANDS);
	drain();
	load(&b);
	assert_int_equal(how(&b, &one), STANDS_PARKED);
	assert_int_equal(how(&b, &other), STANDS_BARRED);
	assert_string_equal(health_tell(b.health, &one,
	    clock_utc_ms()).reason, "rate_limit");
	health_standing(b.health, &one, clock_utc_ms(), &until);
	assert_in_range(until - clock_utc_ms(), 50 * S_MS, 60 * S_MS);
	/* Lifted in one, it is gone in the other too. */
	health_lift(b.health, other.channel, other.credential, S(""),
	    clock_utc_ms());
	assert_int_equal(how(&b, &other), STANDS);
	drain();
	for (int i = 0; i < 4; i++)
		second();
	assert_int_equal(how(&a, &other), STANDS);
	assert_int_equal(how(&b, &other), STANDS);
	assert_int_equal(how(&a, &one), STANDS_PARKED);
}

static void
own_news_outlive_an_older_load(void **state)
{
	struct park *parks;
	struct arena arena;
	int64_t now = clock_utc_ms();
	int n;

	(void)state;
	arena_init(&arena);
	n = park_load(shop.reader, now, &arena, &parks);
	health_learn(a.health, &one, UP_RATE_LIMIT, 60 * S_MS, now);
	drain();
	health_load_parks(a.health, parks, n, now);	/* read before */
	assert_int_equal(how(&a, &one), STANDS_PARKED);
	for (int i = 0; i < 4; i++)
		second();
	assert_int_equal(how(&a, &one), STANDS_PARKED);
	/* The same of one brought back: the old row does not return. */
	n = park_load(shop.reader, now, &arena, &parks);
	assert_int_equal(n, 1);
	calls(&a, &other, 5, SAYS_FAILED);
	drain();
	n = park_load(shop.reader, now, &arena, &parks);
	assert_int_equal(n, 2);
	health_lift(a.health, other.channel, other.credential, S("m"), now);
	drain();
	health_load_parks(a.health, parks, n, now);
	assert_int_equal(how(&a, &other), STANDS);
	arena_release(&arena);
}

static bool
lift_all(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return park_lift(db, one.channel, 0) >= 0;
}

static void
lifted_by_hand(void **state)
{
	(void)state;
	health_learn(a.health, &one, UP_KEY_DEAD, 0, clock_utc_ms());
	calls(&a, &other, 5, SAYS_FAILED);
	drain();
	for (int i = 0; i < 4; i++)
		second();
	assert_int_equal(how(&b, &one), STANDS_BARRED);
	assert_int_equal(how(&b, &other), STANDS_EJECTED);
	assert_true(shop_write(&shop, lift_all, NULL));
	load(&a);
	load(&b);
	assert_int_equal(how(&a, &one), STANDS);
	assert_int_equal(how(&b, &one), STANDS);
	/* It begins anew: one failure more is not the sixth. */
	calls(&a, &other, 1, SAYS_FAILED);
	assert_int_equal(how(&a, &other), STANDS);
}

static void
a_trial_is_everybodys(void **state)
{
	int64_t until, now;

	(void)state;
	calls(&a, &one, 5, SAYS_FAILED);
	drain();
	load(&b);
	assert_int_equal(how(&b, &one), STANDS_EJECTED);
	health_standing(b.health, &one, clock_utc_ms(), &until);
	now = until;
	assert_true(health_try(a.health, &one, 60 * S_MS, now));
	drain();
	load(&b);
	assert_false(health_try(b.health, &one, 60 * S_MS, now));
	/* Given back in one, free in the other. */
	health_begin(a.health, &one, true, now);
	health_end(a.health, &one, SAYS_NOTHING, true, now);
	drain();
	load(&b);
	assert_true(health_try(b.health, &one, 60 * S_MS, now));
}

static void
scores_add_up(void **state)
{
	struct sight s;

	(void)state;
	calls(&a, &one, 30, SAYS_GOOD);
	calls(&b, &one, 30, SAYS_GOOD);
	second();
	calls(&b, &one, 4, SAYS_FAILED);
	second();
	second();
	for (struct process *p = &a;; p = &b) {
		s = health_sight(p->health, &one, clock_utc_ms());
		/* 61 of 65, whoever asks; some of it has faded. */
		assert_true(s.ok > 0.92 && s.ok < 0.955);
		assert_true(s.first_ms > 95 && s.first_ms < 105);
		assert_in_range(s.late_ms, 90, 128);
		if (p == &b)
			break;
	}
	/* Four failed there, the fifth in a row is here. */
	calls(&a, &one, 1, SAYS_FAILED);
	assert_int_equal(how(&a, &one), STANDS_EJECTED);
	drain();
	load(&b);
	assert_int_equal(how(&b, &one), STANDS_EJECTED);
}

static void
who_is_back_is_so_for_all(void **state)
{
	struct score_row *rows;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	calls(&a, &one, 4, SAYS_FAILED);
	calls(&b, &one, 4, SAYS_GOOD);
	second();
	second();
	calls(&a, &one, 5, SAYS_FAILED);
	drain();
	second();
	assert_int_equal(how(&b, &one), STANDS_EJECTED);
	health_lift(a.health, one.channel, one.credential, S("m"),
	    clock_utc_ms());
	calls(&a, &one, 2, SAYS_GOOD);
	for (int i = 0; i < 5; i++)
		second();
	assert_int_equal(how(&b, &one), STANDS);
	assert_true(health_sight(a.health, &one, clock_utc_ms()).ok == 1);
	assert_true(health_sight(b.health, &one, clock_utc_ms()).ok == 1);
	/* Both have forgotten it, and nothing was taken away twice. */
	assert_int_equal(score_load(shop.reader, 0, &arena, &rows), 1);
	assert_in_range(rows[0].score.good, 1500, 2000);
	assert_int_equal(rows[0].score.bad, 0);
	arena_release(&arena);
}

static void
more_models_than_are_kept(void **state)
{
	int64_t now = clock_utc_ms();
	struct park *parks;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (int i = 0; i < PARK_MODELS + 10; i++) {
		struct subject s = one;

		s.model = arena_printf(&arena, "no-such-model-%d", i);
		health_learn(a.health, &s, UP_MODEL_MISSING, 0, now);
	}
	drain();
	for (int i = 0; i < 4; i++)
		second();
	assert_int_equal(park_load(shop.reader, now, &arena, &parks),
	    PARK_MODELS);
	/* Those beyond are in force where they were learned. */
	one.model = arena_printf(&arena, "no-such-model-%d", PARK_MODELS + 5);
	assert_int_equal(how(&a, &one), STANDS_PARKED);
	assert_int_equal(how(&b, &one), STANDS);
	/* Of those that are kept everybody still hears what changes. */
	one.model = S("no-such-model-5");
	health_learn(a.health, &one, UP_RATE_LIMIT, 3600 * S_MS, now);
	drain();
	load(&b);
	assert_string_equal(health_tell(b.health, &one, now).reason,
	    "rate_limit");
	arena_release(&arena);
}

/* --- loops, a keeper and a writer at once: for the thread sanitizer ------- */

enum { LOOPS = 3, EACH = 3000 };

static void *
one_loop(void *arg)
{
	unsigned mine = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < EACH; i++) {
		int64_t now = clock_utc_ms();
		struct subject s = (i + mine) % 2 ? one : other;
		bool trial = health_try(a.health, &s, 1000, now);
		int64_t until;

		health_begin(a.health, &s, true, now);
		if (i % 3)
			health_first(a.health, &s, 100, trial, now);
		if (i % 100 == mine)
			health_learn(a.health, &s, UP_OVERLOADED, 0, now);
		health_end(a.health, &s, i % 7 ? SAYS_GOOD : SAYS_FAILED,
		    trial, now);
		health_standing(a.health, &s, now, &until);
		health_sight(a.health, &s, now);
		health_whole(a.health, s.model, 100, 5);
		health_whole_late(a.health, s.model, 100);
	}
	return NULL;
}

static void
many_threads(void **state)
{
	pthread_t threads[LOOPS];

	(void)state;
	for (int i = 0; i < LOOPS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_loop,
		    (void *)(uintptr_t)i), 0);
	for (int i = 0; i < 5; i++)
		second();
	for (int i = 0; i < LOOPS; i++)
		pthread_join(threads[i], NULL);
	second();
	assert_int_equal(health_sight(a.health, &one, clock_utc_ms()).running,
	    0);
	assert_int_equal(health_sight(a.health, &other,
	    clock_utc_ms()).running, 0);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(parks_are_known_after_a_load),
		TEST(own_news_outlive_an_older_load),
		TEST(lifted_by_hand),
		TEST(a_trial_is_everybodys),
		TEST(scores_add_up),
		TEST(who_is_back_is_so_for_all),
		TEST(more_models_than_are_kept),
		TEST(many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
