/* SPDX-License-Identifier: MIT */
/* health.c - who is out, for how long, and how they come back. */
#include "handlers/relay/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/health_part.h"

static const int64_t T = INT64_C(1800000000000);

enum { S_MS = 1000, MIN = 60 * S_MS, HOUR = 60 * MIN };

static struct health *h;
static struct subject one, other, elsewhere;

static int
start(void **state)
{
	(void)state;
	log_mute(true);
	h = health_new(NULL, 7);
	/* Two keys of one channel, and a key of another. */
	one = (struct subject){ 1, 11, S("m"), false };
	other = (struct subject){ 1, 12, S("m"), false };
	elsewhere = (struct subject){ 2, 21, S("m"), true };
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	health_free(h);
	return 0;
}

/* --- in few words --------------------------------------------------------- */

static void
begin(const struct subject *s, int64_t now)
{
	health_begin(h, s, true, now);
}

static void
call(const struct subject *s, enum verdict says, bool trial, int64_t now)
{
	begin(s, now);
	health_end(h, s, says, trial, now);
}

static void
calls(int n, const struct subject *s, enum verdict says, int64_t now)
{
	for (int i = 0; i < n; i++)
		call(s, says, false, now);
}

static enum stance
how(const struct subject *s, int64_t now)
{
	int64_t until;

	return health_standing(h, s, now, &until);
}

static int64_t
until(const struct subject *s, int64_t now)
{
	int64_t ms;

	health_standing(h, s, now, &ms);
	return ms;
}

static const char *
what(const struct subject *s, int64_t now)
{
	return health_tell(h, s, now).what;
}

/* Out at now: it is half-open at the returned moment. */
static int64_t
half_open_at(const struct subject *s, int64_t now)
{
	int64_t at = until(s, now);

	assert_int_equal(how(s, now), STANDS_EJECTED);
	assert_int_equal(how(s, at), STANDS_TRIAL);
	return at;
}

/* --- classes -------------------------------------------------------------- */

static void
what_each_class_means(void **state)
{
	static const struct {
		enum up_class class;
		enum health_scope out;
		enum park_kind kind;
		int64_t ms;
		enum verdict says;
		bool alert, hint;
	} rows[] = {
		{ UP_BAD_REQUEST, HEALTH_NOTHING, 0, 0, SAYS_ALIVE, 0, 0 },
		{ UP_CONTEXT_LENGTH, HEALTH_NOTHING, 0, 0, SAYS_ALIVE, 0, 0 },
		{ UP_TOO_LARGE, HEALTH_NOTHING, 0, 0, SAYS_ALIVE, 0, 0 },
		{ UP_CONTENT_POLICY, HEALTH_NOTHING, 0, 0, SAYS_ALIVE, 0, 0 },
		{ UP_SIGNATURE, HEALTH_NOTHING, 0, 0, SAYS_ALIVE, 0, 0 },
		{ UP_KEY_TOO_SMALL, HEALTH_NOTHING, 0, 0, SAYS_ALIVE, 0, 0 },
		{ UP_MODEL_MISSING, HEALTH_PAIR, PARK_TIMED, 10 * MIN,
		    SAYS_ALIVE, 0, 0 },
		{ UP_KEY_DEAD, HEALTH_KEY, PARK_BARRED, 10 * MIN, SAYS_ALIVE,
		    1, 0 },
		{ UP_KEY_BROKE, HEALTH_KEY, PARK_BARRED, 30 * MIN, SAYS_ALIVE,
		    1, 0 },
		{ UP_NO_PERMISSION, HEALTH_PAIR, PARK_TIMED, 10 * MIN,
		    SAYS_ALIVE, 1, 0 },
		{ UP_REGION_BLOCKED, HEALTH_CHANNEL, PARK_TIMED, 10 * MIN,
		    SAYS_ALIVE, 1, 0 },
		{ UP_RATE_LIMIT, HEALTH_PAIR, PARK_TIMED, 20 * S_MS,
		    SAYS_ALIVE, 0, 1 },
		{ UP_QUOTA_DAILY, HEALTH_PAIR, PARK_TIMED, HOUR, SAYS_ALIVE,
		    0, 1 },
		{ UP_OVERLOADED, HEALTH_PAIR, PARK_EJECTED, 10 * S_MS,
		    SAYS_FAILED, 0, 1 },
		{ UP_SERVER, HEALTH_NOTHING, 0, 0, SAYS_FAILED, 0, 0 },
		{ UP_TIMEOUT, HEALTH_NOTHING, 0, 0, SAYS_FAILED, 0, 0 },
		{ UP_WRONG_BASE, HEALTH_NOTHING, 0, 0, SAYS_FAILED, 1, 0 },
	};

	(void)state;
	assert_int_equal(countof(rows), N_UP_CLASSES - 1);
	for (size_t i = 0; i < countof(rows); i++) {
		struct health_verdict v = health_judge(rows[i].class, 0);

		assert_int_equal(v.out, rows[i].out);
		assert_int_equal(v.kind, rows[i].kind);
		assert_int_equal(v.ms, rows[i].ms);
		assert_int_equal(v.says, rows[i].says);
		assert_int_equal(v.alert, rows[i].alert);
		v = health_judge(rows[i].class, 1234);
		assert_int_equal(v.ms, rows[i].hint ? 1234 : rows[i].ms);
		v = health_judge(rows[i].class, 5 * (int64_t)HOUR);
		assert_int_equal(v.ms, rows[i].hint ? HOUR : rows[i].ms);
	}
}

static void
whom_an_error_takes_out(void **state)
{
	struct subject same_key = { 1, 11, S("n"), false };

	(void)state;
	health_learn(h, &one, UP_MODEL_MISSING, 0, T);
	assert_int_equal(how(&one, T), STANDS_PARKED);
	assert_string_equal(what(&one, T), "pair");
	assert_int_equal(how(&same_key, T), STANDS);
	assert_int_equal(how(&other, T), STANDS);
	assert_int_equal(until(&one, T), T + 10 * MIN);
	assert_int_equal(how(&one, T + 10 * MIN), STANDS);

	health_learn(h, &one, UP_KEY_DEAD, 0, T);
	assert_int_equal(how(&one, T), STANDS_BARRED);
	assert_int_equal(how(&same_key, T), STANDS_BARRED);
	assert_string_equal(what(&same_key, T), "key");
	assert_string_equal(health_tell(h, &same_key, T).reason, "key_dead");
	assert_int_equal(how(&other, T), STANDS);

	health_learn(h, &other, UP_REGION_BLOCKED, 0, T);
	assert_int_equal(how(&other, T), STANDS_PARKED);
	assert_string_equal(what(&other, T), "channel");
	assert_int_equal(how(&elsewhere, T), STANDS);
	/* The worst of several holds. */
	assert_int_equal(how(&one, T), STANDS_BARRED);
}

static void
a_rate_limit_is_no_failure(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		enum verdict says = health_learn(h, &one, UP_RATE_LIMIT,
		    2 * S_MS, T);

		begin(&one, T);
		health_end(h, &one, says, false, T);
	}
	assert_int_equal(how(&one, T), STANDS_PARKED);
	assert_int_equal(until(&one, T), T + 2 * S_MS);
	assert_int_equal(how(&one, T + 2 * S_MS), STANDS);
	assert_true(health_sight(h, &one, T).ok == 1);
}

static void
the_later_end_of_parks_stays(void **state)
{
	(void)state;
	health_learn(h, &one, UP_RATE_LIMIT, 60 * S_MS, T);
	health_learn(h, &one, UP_RATE_LIMIT, 5 * S_MS, T + 1);
	assert_int_equal(until(&one, T + 1), T + 60 * S_MS);
	health_learn(h, &one, UP_RATE_LIMIT, 90 * S_MS, T + 2);
	assert_int_equal(until(&one, T + 2), T + 2 + 90 * S_MS);
	/* A short hint counts anew when it is over. */
	health_learn(h, &other, UP_RATE_LIMIT, 200, T);
	health_learn(h, &other, UP_RATE_LIMIT, 200, T + 300);
	assert_int_equal(until(&other, T + 300), T + 500);
}

/* --- ejection ------------------------------------------------------------- */

static void
five_failures_in_a_row(void **state)
{
	(void)state;
	calls(4, &elsewhere, SAYS_FAILED, T);
	call(&elsewhere, SAYS_GOOD, false, T);
	calls(4, &elsewhere, SAYS_FAILED, T);
	assert_int_equal(how(&elsewhere, T), STANDS);
	call(&elsewhere, SAYS_FAILED, false, T);
	assert_int_equal(how(&elsewhere, T), STANDS_EJECTED);
	assert_string_equal(health_tell(h, &elsewhere, T).reason, "failures");
	assert_in_range(until(&elsewhere, T), T + 27 * S_MS, T + 33 * S_MS);
}

static void
three_late_first_contents(void **state)
{
	(void)state;
	calls(2, &one, SAYS_LATE, T);
	begin(&one, T);
	health_first(h, &one, 10, false, T);
	health_end(h, &one, SAYS_GOOD, false, T);
	calls(2, &one, SAYS_LATE, T);
	assert_int_equal(how(&one, T), STANDS);
	call(&one, SAYS_LATE, false, T);
	assert_int_equal(how(&one, T), STANDS_EJECTED);
	assert_string_equal(health_tell(h, &one, T).reason, "late");
}

/* So many calls, of which each third (say) does not fail. */
static void
mixed(const struct subject *s, int n, int good_every, int64_t now)
{
	for (int i = 1; i <= n; i++)
		call(s, i % good_every ? SAYS_FAILED : SAYS_GOOD, false, now);
}

static void
fewer_than_half_of_twenty(void **state)
{
	(void)state;
	/* Twelve of eighteen fail: too few calls. */
	mixed(&elsewhere, 18, 3, T);
	assert_int_equal(how(&elsewhere, T), STANDS);
	mixed(&elsewhere, 3, 3, T);
	assert_int_equal(how(&elsewhere, T), STANDS_EJECTED);
	assert_string_equal(health_tell(h, &elsewhere, T).reason, "share");
	/* Half of them is not fewer than half. */
	for (int i = 0; i < 100; i++)
		call(&one, i % 2 ? SAYS_FAILED : SAYS_GOOD, false, T);
	assert_int_equal(how(&one, T), STANDS);
}

static void
the_window_is_a_minute(void **state)
{
	(void)state;
	for (int i = 0; i < 12; i++) {
		mixed(&elsewhere, 3, 3, T + i * 10 * S_MS);
		assert_int_equal(how(&elsewhere, T + i * 10 * S_MS), STANDS);
	}
	mixed(&elsewhere, 3, 3, T + 115 * S_MS);
	assert_int_equal(how(&elsewhere, T + 115 * S_MS), STANDS_EJECTED);
}

static void
longer_each_time(void **state)
{
	int64_t now = T, seen[32] = { 0 };
	int different = 0;

	(void)state;
	calls(5, &elsewhere, SAYS_FAILED, now);
	for (int n = 1; n <= 14; n++) {
		int64_t usual = 30 * S_MS * (n < 10 ? n : 10), at;

		at = half_open_at(&elsewhere, now);
		assert_in_range(at - now, usual * 9 / 10, usual * 11 / 10);
		seen[n] = (at - now) * 1000 / usual;
		different += seen[n] != seen[1];
		now = at;
		assert_true(health_try(h, &elsewhere, MIN, now));
		call(&elsewhere, SAYS_FAILED, true, now);
	}
	assert_true(different > 3);	/* not the same jitter each time */
}

static void
it_begins_anew_after_ten_good_minutes(void **state)
{
	int64_t at, now = T;

	(void)state;
	for (int n = 1; n <= 2; n++) {
		calls(5, &elsewhere, SAYS_FAILED, now);
		at = half_open_at(&elsewhere, now);
		assert_in_range(at - now, n * 27 * S_MS, n * 33 * S_MS);
		assert_true(health_try(h, &elsewhere, MIN, at));
		call(&elsewhere, SAYS_GOOD, true, at);
		assert_int_equal(how(&elsewhere, at), STANDS);
		now = at + 9 * MIN;
	}
	now = at + 10 * MIN + 1;
	calls(5, &elsewhere, SAYS_FAILED, now);
	assert_in_range(until(&elsewhere, now) - now, 27 * S_MS, 33 * S_MS);
}

static void
one_trial_at_a_time(void **state)
{
	int64_t at;

	(void)state;
	calls(5, &one, SAYS_FAILED, T);
	assert_false(health_try(h, &one, MIN, T + 1));	/* not yet */
	at = half_open_at(&one, T);
	assert_true(health_try(h, &one, MIN, at));
	assert_int_equal(how(&one, at), STANDS_EJECTED);
	assert_int_equal(until(&one, at), at + MIN);
	assert_false(health_try(h, &one, MIN, at));
	/* It told nothing, or an error that is none of its own. */
	call(&one, SAYS_NOTHING, true, at + 5);
	assert_int_equal(how(&one, at + 5), STANDS_TRIAL);
	assert_true(health_try(h, &one, MIN, at + 5));
	call(&one, SAYS_ALIVE, true, at + 6);
	assert_true(health_try(h, &one, MIN, at + 6));
	/* Whoever dies with it does not keep it for ever. */
	assert_false(health_try(h, &one, MIN, at + 7));
	assert_true(health_try(h, &one, MIN, at + 6 + MIN));
}

static void
success_brings_back_and_forgets(void **state)
{
	int64_t at;

	(void)state;
	begin(&elsewhere, T);
	health_first(h, &elsewhere, 400, false, T);
	health_end(h, &elsewhere, SAYS_GOOD, false, T);
	calls(5, &elsewhere, SAYS_FAILED, T);
	assert_true(health_sight(h, &elsewhere, T).ok < 0.4);
	at = half_open_at(&elsewhere, T);
	assert_true(health_try(h, &elsewhere, MIN, at));
	begin(&elsewhere, at);
	health_first(h, &elsewhere, 200, true, at);
	assert_int_equal(how(&elsewhere, at), STANDS);
	assert_true(health_sight(h, &elsewhere, at).ok == 1);
	/* How fast it was is still known. */
	assert_in_range((int64_t)health_sight(h, &elsewhere, at).first_ms,
	    201, 399);
	health_end(h, &elsewhere, SAYS_GOOD, false, at);
	calls(4, &elsewhere, SAYS_FAILED, at);
	assert_int_equal(how(&elsewhere, at), STANDS);
}

static void
an_old_success_brings_nobody_back(void **state)
{
	int64_t at;

	(void)state;
	begin(&elsewhere, T);		/* before the ejection */
	calls(5, &elsewhere, SAYS_FAILED, T);
	at = half_open_at(&elsewhere, T);
	health_first(h, &elsewhere, 10, false, at);
	health_end(h, &elsewhere, SAYS_GOOD, false, at);
	assert_int_equal(how(&elsewhere, at), STANDS_TRIAL);
	/* Nor does an old failure count as the trial's. */
	call(&elsewhere, SAYS_FAILED, false, at);
	assert_int_equal(how(&elsewhere, at), STANDS_TRIAL);
}

static void
overloaded_is_out_softly_and_then_longer(void **state)
{
	int64_t at, now = T;

	(void)state;
	assert_int_equal(health_learn(h, &elsewhere, UP_OVERLOADED, 0, T),
	    SAYS_FAILED);
	assert_int_equal(how(&elsewhere, T), STANDS_EJECTED);
	assert_int_equal(until(&elsewhere, T), T + 10 * S_MS);
	for (int n = 1; n <= 3; n++) {
		at = half_open_at(&elsewhere, now);
		assert_true(health_try(h, &elsewhere, MIN, at));
		begin(&elsewhere, at);
		health_learn(h, &elsewhere, UP_OVERLOADED, 0, at);
		health_end(h, &elsewhere, SAYS_FAILED, true, at);
		assert_in_range(until(&elsewhere, at) - at, n * 27 * S_MS,
		    n * 33 * S_MS);
		now = at;
	}
	/* With a hint it is a park. */
	health_learn(h, &one, UP_OVERLOADED, 3 * S_MS, T);
	assert_int_equal(how(&one, T), STANDS_PARKED);
	assert_int_equal(how(&one, T + 3 * S_MS), STANDS);
}

static void
a_route_needs_several_keys(void **state)
{
	struct subject third = { 1, 13, S("m"), false };
	struct subject another_model = { 1, 13, S("n"), false };

	(void)state;
	calls(20, &one, SAYS_FAILED, T);
	assert_string_equal(what(&one, T), "pair");
	assert_int_equal(how(&third, T), STANDS);
	/* A good answer of any key clears it. */
	call(&third, SAYS_GOOD, false, T);
	calls(2, &one, SAYS_FAILED, T);
	calls(2, &other, SAYS_FAILED, T);
	assert_int_equal(how(&third, T), STANDS);
	call(&one, SAYS_FAILED, false, T);
	assert_int_equal(how(&third, T), STANDS_EJECTED);
	assert_string_equal(what(&third, T), "route");
	assert_int_equal(how(&another_model, T), STANDS);
	assert_int_equal(how(&elsewhere, T), STANDS);
}

static void
a_channel_goes_by_what_was_not_reached(void **state)
{
	struct subject another_model = { 2, 22, S("n"), false };

	(void)state;
	calls(4, &elsewhere, SAYS_UNREACHED, T);
	/* Any answer shows that it is there. */
	call(&another_model, SAYS_ALIVE, false, T);
	call(&another_model, SAYS_UNREACHED, false, T);
	assert_int_equal(how(&another_model, T), STANDS);
	calls(4, &another_model, SAYS_UNREACHED, T);
	assert_int_equal(how(&another_model, T), STANDS_EJECTED);
	assert_int_equal(how(&(struct subject){ 2, 29, S("q"), false }, T),
	    STANDS_EJECTED);
	assert_string_equal(health_tell(h, &(struct subject){ 2, 29, S("q"),
	    false }, T).what, "channel");
}

static void
bars_end_by_a_probe_only(void **state)
{
	struct health_due due[4];
	struct arena a;

	(void)state;
	arena_init(&a);
	health_learn(h, &one, UP_KEY_BROKE, 0, T);
	call(&one, SAYS_GOOD, false, T + 1);
	call(&one, SAYS_GOOD, true, T + 1);
	assert_int_equal(how(&one, T + HOUR), STANDS_BARRED);
	/* Told again, it keeps the time of its next probe. */
	health_learn(h, &one, UP_KEY_BROKE, 0, T + MIN);
	assert_int_equal(health_due(h, 15 * S_MS, T + 29 * MIN, &a, due, 4),
	    0);
	assert_int_equal(health_due(h, 15 * S_MS, T + 30 * MIN, &a, due, 4),
	    1);
	assert_int_equal(due[0].credential, 11);
	assert_int_equal(due[0].kind, PARK_BARRED);
	assert_int_equal(due[0].model.n, 0);
	health_still(h, 1, 11, S(""), T + 2 * HOUR, T + 30 * MIN);
	assert_int_equal(health_due(h, 15 * S_MS, T + HOUR, &a, due, 4), 0);
	assert_int_equal(health_due(h, 15 * S_MS, T + 2 * HOUR, &a, due, 4),
	    1);
	health_lift(h, 1, 11, S(""), T + 2 * HOUR);
	assert_int_equal(how(&one, T + 2 * HOUR), STANDS);
	arena_release(&a);
}

/* Where nobody probes: a last resort, an hour after the probe was due. */
static void
a_bar_that_nobody_probes(void **state)
{
	int64_t late = T + 2 * (int64_t)HOUR;

	(void)state;
	health_learn(h, &one, UP_KEY_DEAD, 0, T);
	assert_int_equal(how(&one, late), STANDS_EJECTED);
	begin(&one, late);
	health_end(h, &one, health_learn(h, &one, UP_KEY_DEAD, 0, late), true,
	    late);
	assert_int_equal(how(&one, late), STANDS_BARRED);
	assert_int_equal(how(&one, late + HOUR), STANDS_BARRED);
	late += 2 * (int64_t)HOUR;
	call(&one, SAYS_GOOD, true, late);
	assert_int_equal(how(&one, late), STANDS);
}

static void
probes_of_those_ejected(void **state)
{
	struct health_due due[4];
	struct arena a;
	int64_t at;

	(void)state;
	arena_init(&a);
	calls(5, &elsewhere, SAYS_FAILED, T);
	assert_int_equal(health_due(h, 15 * S_MS, T + 14 * S_MS, &a, due, 4),
	    0);
	assert_int_equal(health_due(h, 15 * S_MS, T + 15 * S_MS, &a, due, 4),
	    1);
	assert_int_equal(due[0].kind, PARK_EJECTED);
	assert_string_equal(due[0].model.p, "m");
	assert_int_equal(health_due(h, 15 * S_MS, T + 29 * S_MS, &a, due, 4),
	    0);
	/* Before its time a failed probe changes nothing, ... */
	at = until(&elsewhere, T);
	health_still(h, 2, 21, S("m"), T + HOUR, T + 1);
	assert_int_equal(until(&elsewhere, T), at);
	/* ... when it could be tried it is a trial that failed. */
	health_still(h, 2, 21, S("m"), T + HOUR, at);
	assert_in_range(until(&elsewhere, at) - at, 54 * S_MS, 66 * S_MS);
	health_lift(h, 2, 21, S("m"), at + 1);
	assert_int_equal(how(&elsewhere, at + 1), STANDS);
	assert_true(health_sight(h, &elsewhere, at + 1).ok == 1);
	/* Somebody parked is not probed. */
	health_learn(h, &one, UP_RATE_LIMIT, 0, at);
	assert_int_equal(health_due(h, 15 * S_MS, at + MIN, &a, due, 4), 0);
	arena_release(&a);
}

/* Names that callers made up are not probed for ever. */
static void
probes_that_nobody_needs(void **state)
{
	struct health_due due[4];
	struct arena a;
	int64_t now = T;

	(void)state;
	arena_init(&a);
	calls(5, &elsewhere, SAYS_FAILED, now);
	health_share(h, now);
	while ((now += 20 * S_MS) < T + HOUR)
		if (health_due(h, 15 * S_MS, now, &a, due, 4))
			health_still(h, 2, 21, S("m"), 0, now);
		else
			assert_int_equal(how(&elsewhere, now),
			    STANDS_EJECTED);
	now += 20 * S_MS;
	assert_int_equal(health_due(h, 15 * S_MS, now, &a, due, 4), 0);
	/* A call that tries it shows that it is wanted. */
	now = until(&elsewhere, now) + MIN;
	assert_int_equal(how(&elsewhere, now), STANDS_TRIAL);
	call(&elsewhere, SAYS_FAILED, true, now);
	health_share(h, now);
	now += 20 * S_MS;
	assert_int_equal(health_due(h, 15 * S_MS, now, &a, due, 4), 1);
	arena_release(&a);
}

/* --- clocks that jump ----------------------------------------------------- */

static void
a_clock_set_back(void **state)
{
	int64_t past = T - 3 * (int64_t)HOUR;
	struct health_due due[4];
	struct arena a;

	(void)state;
	arena_init(&a);
	health_learn(h, &one, UP_KEY_DEAD, 0, T);
	health_learn(h, &other, UP_RATE_LIMIT, 0, T);
	calls(5, &elsewhere, SAYS_FAILED, T);
	/* What begins in the future is not in force ... */
	assert_int_equal(how(&one, past), STANDS);
	assert_int_equal(how(&other, past), STANDS);
	assert_int_equal(how(&elsewhere, past), STANDS);
	/* ... and what happens now is: nothing is lost by the jump. */
	health_learn(h, &one, UP_KEY_DEAD, 0, past);
	assert_int_equal(how(&one, past), STANDS_BARRED);
	health_learn(h, &other, UP_RATE_LIMIT, 0, past);
	assert_int_equal(until(&other, past), past + 20 * S_MS);
	call(&elsewhere, SAYS_FAILED, false, past);
	assert_int_equal(how(&elsewhere, past), STANDS_EJECTED);
	assert_true(until(&elsewhere, past) < past + 2 * MIN);
	assert_int_equal(health_due(h, 15 * S_MS, past + 15 * S_MS, &a, due,
	    4), 1);
	/* Who was full is not so for as long as the jump. */
	health_full(h, &one, T, T + MIN);
	assert_int_equal(health_full_until(h, &one, T + 1), T + MIN);
	assert_int_equal(health_full_until(h, &one, T + MIN), 0);
	assert_int_equal(health_full_until(h, &one, past), 0);
	/* A second's difference between processes is no jump. */
	health_learn(h, &other, UP_RATE_LIMIT, 0, T);
	assert_int_equal(how(&other, T - 900), STANDS_PARKED);
	arena_release(&a);
}

static void
a_clock_set_ahead(void **state)
{
	int64_t future = T + 1000 * (int64_t)HOUR;

	(void)state;
	calls(5, &elsewhere, SAYS_FAILED, T);
	health_learn(h, &other, UP_RATE_LIMIT, 0, T);
	assert_int_equal(how(&other, future), STANDS);
	assert_int_equal(how(&elsewhere, future), STANDS_TRIAL);
	assert_true(health_sight(h, &elsewhere, future).ok == 1);
	mixed(&one, 21, 3, future);
	assert_int_equal(how(&one, future), STANDS_EJECTED);
	/* And back again: sums do not become negative, or stay for ever. */
	for (int i = 0; i < 10; i++) {
		struct sight s;

		call(&other, SAYS_FAILED, false, i % 2 ? T : future);
		s = health_sight(h, &other, T);
		assert_true(s.ok > 0 && s.ok <= 1);
	}
	assert_true(health_sight(h, &other, T + HOUR).ok == 1);
}

/* --- what choosing asks --------------------------------------------------- */

static void
sights(void **state)
{
	struct sight s = health_sight(h, &one, T);

	(void)state;
	assert_true(s.ok == 1 && s.first_ms == 0);
	assert_int_equal(s.late_ms, 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(health_sight(h, &one, T).late_ms, 0);
		begin(&one, T);
		health_first(h, &one, i < 10 ? 100 : 300, false, T);
	}
	s = health_sight(h, &one, T);
	assert_int_equal(s.running, 20);
	assert_true(s.first_ms == 200);
	assert_in_range(s.late_ms, 256, 362);	/* the class of 300 */
	for (int i = 0; i < 10; i++)
		health_end(h, &one, i < 5 ? SAYS_GOOD : SAYS_FAILED, false, T);
	s = health_sight(h, &one, T);
	assert_int_equal(s.running, 10);
	assert_true(s.ok == 6.0 / 11);
	/* Half of it has gone after a minute, all after a while. */
	s = health_sight(h, &one, T + MIN);
	assert_true(s.ok > 3.4 / 6 && s.ok < 3.6 / 6);
	assert_true(s.first_ms > 199 && s.first_ms < 201);
	s = health_sight(h, &one, T + 15 * MIN);
	assert_true(s.first_ms == 0 && s.ok > 0.999);
}

static void
silence(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		begin(&one, T);
		health_first(h, &one, 1500, false, T);
		health_end(h, &one, SAYS_GOOD, false, T);
	}
	begin(&one, T);
	begin(&one, T);
	health_begin(h, &one, false, T);	/* not a stream: it may take
						 * its time */
	assert_false(health_sight(h, &one, T + 9 * S_MS).silent);
	begin(&one, T + S_MS);
	assert_false(health_sight(h, &one, T + 2 * S_MS).silent);
	assert_true(health_sight(h, &one, T + 4 * S_MS).silent);
	/* The end of an older one is no sign of life, an error is. */
	health_end(h, &one, SAYS_GOOD, false, T + 4 * S_MS);
	assert_true(health_sight(h, &one, T + 4 * S_MS).silent);
	health_end(h, &one, SAYS_FAILED, false, T + 4 * S_MS);
	assert_false(health_sight(h, &one, T + 4 * S_MS).silent);
	/* Those who leave take what they say with them, and it grows old. */
	for (int i = 0; i < 3; i++)
		begin(&one, T);
	assert_true(health_sight(h, &one, T + 4 * S_MS).silent);
	assert_false(health_sight(h, &one, T + 2 * MIN).silent);
	health_end(h, &one, SAYS_NOTHING, false, T + 4 * S_MS);
	assert_false(health_sight(h, &one, T + 4 * S_MS).silent);
	/* A first content ends it. */
	begin(&one, T);
	assert_true(health_sight(h, &one, T + 4 * S_MS).silent);
	health_first(h, &one, 4000, false, T + 4 * S_MS);
	assert_false(health_sight(h, &one, T + 9 * S_MS).silent);
}

static void
whole_answers(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(health_whole_late(h, S("m"), 1000), 0);
		health_whole(h, S("m"), 1000, 20 * S_MS);
	}
	assert_in_range(health_whole_late(h, S("m"), 1000), 16384, 23170);
	assert_in_range(health_whole_late(h, S("m"), 600), 16384, 23170);
	assert_int_equal(health_whole_late(h, S("m"), 400), 0);
	assert_int_equal(health_whole_late(h, S("n"), 1000), 0);
}

/* --- memory --------------------------------------------------------------- */

static void
used_once(int64_t channel, const char *format, int i, int64_t now)
{
	char name[64];
	int n = snprintf(name, sizeof(name), format, i);
	struct subject s = { channel, channel, str_from(name, (size_t)n),
		true };

	begin(&s, now);
	health_first(h, &s, 300, false, now);
	health_end(h, &s, SAYS_GOOD, false, now);
}

static void
a_site_of_twenty_thousand_pairs(void **state)
{
	(void)state;
	for (int c = 1; c <= 1000; c++)
		for (int m = 0; m < 20; m++)
			used_once(c, "some-model-of-a-usual-length-%d", m, T);
	health_share(h, T);
	assert_true(health_bytes(h) <= 8 << 20);
	assert_int_equal(h->n_records, 20000);
	health_share(h, T + HOUR);	/* it is not crowded: nobody goes */
	assert_int_equal(h->n_records, 20000);
}

static void
names_that_nobody_has(void **state)
{
	size_t most = 0;

	(void)state;
	begin(&one, T);			/* it runs, and is kept */
	for (int i = 0; i < 1000000; i++) {
		int64_t now = T + i / 100;	/* 100,000 a second */

		used_once(3, "no-such-model-%d", i, now);
		if (i % 100000 == 0)
			health_share(h, now);
		if (health_bytes(h) > most)
			most = health_bytes(h);
	}
	assert_true(most < 40 << 20);
	for (int i = 0; i < 20; i++)
		health_share(h, T + HOUR + i * S_MS);
	assert_true(h->n_records <= 32768);
	assert_int_equal(health_sight(h, &one, T + HOUR).running, 1);
	/* And there is room for new ones. */
	calls(5, &elsewhere, SAYS_FAILED, T + HOUR);
	assert_int_equal(how(&elsewhere, T + HOUR), STANDS_EJECTED);
}

static void
ended_parks_are_let_go(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct subject s = { 1, i + 1, S("m"), false };

		health_learn(h, &s, UP_RATE_LIMIT, 0, T);
	}
	assert_int_equal(h->n_out[LEVEL_PAIR], 1000);
	health_share(h, T + MIN);
	assert_int_equal(h->n_out[LEVEL_PAIR], 0);
	assert_int_equal(h->out.n, 0);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(what_each_class_means),
		TEST(whom_an_error_takes_out),
		TEST(a_rate_limit_is_no_failure),
		TEST(the_later_end_of_parks_stays),
		TEST(five_failures_in_a_row),
		TEST(three_late_first_contents),
		TEST(fewer_than_half_of_twenty),
		TEST(the_window_is_a_minute),
		TEST(longer_each_time),
		TEST(it_begins_anew_after_ten_good_minutes),
		TEST(one_trial_at_a_time),
		TEST(success_brings_back_and_forgets),
		TEST(an_old_success_brings_nobody_back),
		TEST(overloaded_is_out_softly_and_then_longer),
		TEST(a_route_needs_several_keys),
		TEST(a_channel_goes_by_what_was_not_reached),
		TEST(bars_end_by_a_probe_only),
		TEST(a_bar_that_nobody_probes),
		TEST(probes_of_those_ejected),
		TEST(probes_that_nobody_needs),
		TEST(a_clock_set_back),
		TEST(a_clock_set_ahead),
		TEST(sights),
		TEST(silence),
		TEST(whole_answers),
		TEST(a_site_of_twenty_thousand_pairs),
		TEST(names_that_nobody_has),
		TEST(ended_parks_are_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
