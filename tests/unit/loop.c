/* SPDX-License-Identifier: MIT */
/*
 * loop.c - descriptors that end in each other's callbacks, timers against a
 * plain list, posts from many threads.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "fcgi/loop.h"

static struct loop *loop;
static struct timer too_long;

static void
took_too_long(struct timer *t)
{
	(void)t;
	fail_msg("nothing happened for 10 s");
}

static int
setup(void **state)
{
	(void)state;
	loop = loop_new();
	too_long = (struct timer){ .fire = took_too_long };
	loop_timer(loop, &too_long, 10000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void
stop(struct timer *t)
{
	(void)t;
	loop_stop(loop);
}

/* --- Descriptors ---------------------------------------------------------- */

struct end {
	struct watch watch;
	int other;		/* the peer's descriptor */
	unsigned seen;		/* events of the last call */
	int calls;
	void (*then)(struct end *e);
};

static void
end_ready(struct watch *w, unsigned events)
{
	struct end *e = holder(w, struct end, watch);

	e->seen = events;
	e->calls++;
	e->then(e);
}

static void
end_open(struct end *e, void (*then)(struct end *e))
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, fds), 0);
	*e = (struct end){ .watch = { .fd = fds[0], .ready = end_ready },
	    .other = fds[1], .then = then };
}

static void
end_close(struct end *e)
{
	loop_watch(loop, &e->watch, 0);
	close(e->watch.fd);
	close(e->other);
}

static void
then_stop(struct end *e)
{
	(void)e;
	loop_stop(loop);
}

static void
reading(void **state)
{
	struct end e;

	(void)state;
	end_open(&e, then_stop);
	loop_watch(loop, &e.watch, LOOP_READ);
	assert_int_equal(write(e.other, "x", 1), 1);
	loop_run(loop);
	assert_int_equal(e.seen, LOOP_READ);
	assert_int_equal(e.calls, 1);
	end_close(&e);
}

static void
read_then_write(struct end *e)
{
	char c;

	if (e->calls == 1) {
		assert_int_equal(e->seen, LOOP_READ);
		assert_int_equal(read(e->watch.fd, &c, 1), 1);
		loop_watch(loop, &e->watch, LOOP_WRITE);
		return;
	}
	assert_int_equal(e->seen, LOOP_WRITE);
	loop_stop(loop);
}

static void
changing_what_is_asked(void **state)
{
	struct end e;

	(void)state;
	end_open(&e, read_then_write);
	loop_watch(loop, &e.watch, LOOP_READ);
	assert_int_equal(write(e.other, "x", 1), 1);
	loop_run(loop);
	assert_int_equal(e.calls, 2);
	end_close(&e);
}

/* A peer that leaves is seen without reading, whether it wrote or not. */
static void
gone(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct end e;

		end_open(&e, then_stop);
		loop_watch(loop, &e.watch, LOOP_GONE);
		if (i & 1)
			assert_int_equal(write(e.other, "bytes", 5), 5);
		if (i & 2)
			shutdown(e.other, SHUT_WR);
		else
			close(e.other);
		loop_run(loop);
		assert_int_equal(e.seen, LOOP_GONE);
		assert_int_equal(e.calls, 1);
		end_close(&e);
		teardown(NULL);
		setup(NULL);
	}
}

/* Bytes alone are no reason to call who asked for LOOP_GONE alone. */
static void
not_gone(void **state)
{
	struct timer t = { .fire = stop };
	struct end e;

	(void)state;
	end_open(&e, then_stop);
	loop_watch(loop, &e.watch, LOOP_GONE);
	assert_int_equal(write(e.other, "bytes", 5), 5);
	loop_timer(loop, &t, 20);
	loop_run(loop);
	assert_int_equal(e.calls, 0);
	end_close(&e);
}

enum { CROWD = 100 };

static struct end *crowd[CROWD];
static int crowd_calls;

/* Whoever comes first ends and frees all others of the same round. */
static void
end_all_others(struct end *me)
{
	crowd_calls++;
	for (int i = 0; i < CROWD; i++) {
		struct end *e = crowd[i];

		if (e == me)
			continue;
		end_close(e);
		memset(e, 0x5a, sizeof(*e));
		free(e);
	}
	loop_watch(loop, &me->watch, 0);
	end_close(me);
	free(me);
}

static void
ended_in_the_same_round(void **state)
{
	struct timer t = { .fire = stop };

	(void)state;
	crowd_calls = 0;
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = xnew(struct end);
		end_open(crowd[i], end_all_others);
		loop_watch(loop, &crowd[i]->watch, LOOP_READ);
		assert_int_equal(write(crowd[i]->other, "x", 1), 1);
	}
	loop_timer(loop, &t, 30);
	loop_run(loop);
	assert_int_equal(crowd_calls, 1);
}

/*
 * The same watch with a new descriptor of the same number: what was ready
 * before is not told of it.
 */
static struct end *victim;

static void
replace_victim(struct end *me)
{
	struct end *e = me == crowd[0] ? crowd[1] : crowd[0];
	int number = e->watch.fd;

	loop_watch(loop, &me->watch, 0);
	end_close(e);
	end_open(e, then_stop);
	assert_true(e->watch.fd == number || e->other == number);
	loop_watch(loop, &e->watch, LOOP_READ);
	victim = e;
}

static void
replaced_in_the_same_round(void **state)
{
	struct timer t = { .fire = stop };

	(void)state;
	for (int i = 0; i < 2; i++) {
		crowd[i] = xnew(struct end);
		end_open(crowd[i], replace_victim);
		loop_watch(loop, &crowd[i]->watch, LOOP_READ);
		assert_int_equal(write(crowd[i]->other, "x", 1), 1);
	}
	loop_timer(loop, &t, 30);
	loop_run(loop);
	assert_int_equal(victim->calls, 0);
	for (int i = 0; i < 2; i++) {
		end_close(crowd[i]);
		free(crowd[i]);
	}
}

/* --- Timers --------------------------------------------------------------- */

enum { TIMERS = 500 };

static struct tick {
	struct timer timer;
	int64_t due;
	int fired;
	bool cleared;
} ticks[TIMERS];
static int ticks_left;
static int64_t last_due;

static uint64_t seed = 20261122;

static uint32_t
dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % sides;
}

static void
set_tick(struct tick *t, int64_t ms)
{
	loop_timer(loop, &t->timer, ms);
	t->due = t->timer.due_ms;
}

static void
tick(struct timer *timer)
{
	struct tick *t = holder(timer, struct tick, timer);

	t->fired++;
	assert_false(t->cleared);
	assert_true(clock_ms() >= t->due);
	assert_true(t->due >= last_due);
	last_due = t->due;
	if (--ticks_left == 0)
		loop_stop(loop);
}

static void
timers_in_order(void **state)
{
	(void)state;
	ticks_left = TIMERS;
	last_due = 0;
	for (int i = 0; i < TIMERS; i++) {
		ticks[i] = (struct tick){ .timer.fire = tick };
		set_tick(&ticks[i], dice(100));
	}
	/* Some moved, some cleared (once and again), some both. */
	for (int i = 0; i < 3 * TIMERS; i++) {
		struct tick *t = &ticks[dice(TIMERS)];

		switch (dice(3)) {
		case 0:
			if (!t->cleared)
				ticks_left--;
			t->cleared = true;
			loop_clear(loop, &t->timer);
			loop_clear(loop, &t->timer);
			break;
		default:
			if (t->cleared)
				ticks_left++;
			t->cleared = false;
			set_tick(t, dice(100));
			break;
		}
	}
	loop_run(loop);
	for (int i = 0; i < TIMERS; i++)
		assert_int_equal(ticks[i].fired, !ticks[i].cleared);
}

static struct timer first, second;
static int firings;

static void
clear_the_other(struct timer *t)
{
	firings++;
	loop_clear(loop, t == &first ? &second : &first);
}

static void
cleared_by_another(void **state)
{
	struct timer t = { .fire = stop };

	(void)state;
	firings = 0;
	first = second = (struct timer){ .fire = clear_the_other };
	loop_timer(loop, &first, 5);
	loop_timer(loop, &second, 5);
	loop_timer(loop, &t, 30);
	loop_run(loop);
	assert_int_equal(firings, 1);
}

static void
again(struct timer *t)
{
	if (++firings == 1000)
		loop_stop(loop);
	else
		loop_timer(loop, t, 0);
}

/* A timer of 0 ms that sets itself does not keep others from their turn. */
static void
busy_timer(void **state)
{
	struct timer t = { .fire = again };
	struct end e;

	(void)state;
	firings = 0;
	end_open(&e, then_stop);
	loop_watch(loop, &e.watch, LOOP_READ);
	loop_timer(loop, &t, 0);
	loop_run(loop);
	assert_int_equal(firings, 1000);
	teardown(NULL);
	setup(NULL);

	firings = -2000000000;
	e.watch.events = 0;
	loop_watch(loop, &e.watch, LOOP_READ);
	assert_int_equal(write(e.other, "x", 1), 1);
	t = (struct timer){ .fire = again };
	loop_timer(loop, &t, 0);
	loop_run(loop);
	assert_int_equal(e.calls, 1);
	end_close(&e);
}

static void
not_early(void **state)
{
	(void)state;
	for (int ms = 0; ms < 8; ms++) {
		struct timer t = { .fire = stop };
		int64_t began = clock_us();

		loop_timer(loop, &t, ms);
		loop_run(loop);
		/* Milliseconds are cut, so one may be missing in part. */
		assert_true(clock_us() - began >= ms * 1000 - 1000);
		assert_true(loop_now_ms(loop) <= clock_ms());
		teardown(NULL);
		setup(NULL);
	}
}

/* --- Posts and what is put off -------------------------------------------- */

enum { POSTERS = 4, POSTS = 20000 };

static struct parcel {
	struct post post;
	int thread, number;
} *parcels[POSTERS];
static int next_number[POSTERS], parcels_left;

static void
take_parcel(struct post *p)
{
	struct parcel *c = holder(p, struct parcel, post);

	assert_int_equal(c->number, next_number[c->thread]);
	next_number[c->thread]++;
	memset(c, 0x5a, sizeof(*c));
	if (--parcels_left == 0)
		loop_stop(loop);
}

static void *
post_all(void *arg)
{
	struct parcel *c = arg;

	for (int i = 0; i < POSTS; i++) {
		c[i].number = i;
		c[i].post.run = take_parcel;
		loop_post(loop, &c[i].post);
		if (i % 1000 == 0)
			usleep(500);	/* the loop goes to sleep */
	}
	return NULL;
}

static void
posts_of_many_threads(void **state)
{
	pthread_t threads[POSTERS];

	(void)state;
	parcels_left = POSTERS * POSTS;
	for (int i = 0; i < POSTERS; i++) {
		parcels[i] = xalloc(POSTS * sizeof(struct parcel));
		next_number[i] = 0;
		for (int j = 0; j < POSTS; j++)
			parcels[i][j].thread = i;
		assert_int_equal(pthread_create(&threads[i], NULL, post_all,
		    parcels[i]), 0);
	}
	loop_run(loop);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(next_number[i], POSTS);
		free(parcels[i]);
	}
}

/* A post that meets a loop on its way to sleep. */
enum { ROUNDS = 50000 };

static struct post single;
static _Atomic int taken;

static void
take_single(struct post *p)
{
	(void)p;
	if (++taken == ROUNDS)
		loop_stop(loop);
}

/* The next one as soon as the last is taken, with nobody else to wake it. */
static void *
post_one_by_one(void *unused)
{
	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		loop_post(loop, &single);
		while (taken == i)
			sched_yield();
	}
	return NULL;
}

static void
no_wake_up_is_lost(void **state)
{
	pthread_t thread;

	(void)state;
	taken = 0;
	single.run = take_single;
	assert_int_equal(pthread_create(&thread, NULL, post_one_by_one, NULL),
	    0);
	loop_run(loop);
	pthread_join(thread, NULL);
	assert_int_equal(taken, ROUNDS);
}

static char said[64];
static struct post posts[6];

static void
say(struct post *p)
{
	char c[2] = { (char)('a' + (p - posts)), '\0' };

	strcat(said, c);
	if (p == &posts[0])
		loop_defer(loop, &posts[5]);	/* f: in the next round */
	else if (p == &posts[2])
		loop_undefer(loop, &posts[3]);	/* d: never */
	else if (p == &posts[5])
		loop_stop(loop);
}

static void
say_two(struct end *e)
{
	(void)e;
	strcat(said, "1");
	loop_watch(loop, &e->watch, 0);
	for (int i = 0; i < 5; i++)
		loop_defer(loop, &posts[i]);
	loop_undefer(loop, &posts[1]);		/* b: never */
	loop_undefer(loop, &posts[1]);
	strcat(said, "2");
}

static void
put_off(void **state)
{
	struct end e;

	(void)state;
	said[0] = '\0';
	for (size_t i = 0; i < countof(posts); i++)
		posts[i] = (struct post){ .run = say };
	end_open(&e, say_two);
	loop_watch(loop, &e.watch, LOOP_WRITE);
	loop_run(loop);
	assert_string_equal(said, "12acef");
	end_close(&e);
}

static void
taken_back(void **state)
{
	struct timer t = { .fire = stop };

	(void)state;
	said[0] = '\0';
	/* The last one too: what comes after it is not lost. */
	loop_defer(loop, &posts[1]);
	loop_defer(loop, &posts[2]);
	loop_undefer(loop, &posts[2]);
	loop_undefer(loop, &posts[1]);
	loop_defer(loop, &posts[4]);
	loop_timer(loop, &t, 10);
	loop_run(loop);
	assert_string_equal(said, "e");
}

static void *
stop_soon(void *unused)
{
	(void)unused;
	usleep(20000);
	loop_stop(loop);
	return NULL;
}

static void
nothing(int number)
{
	(void)number;
}

static void *
disturb(void *arg)
{
	for (int i = 0; i < 10; i++) {
		usleep(1000);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	return NULL;
}

/* From another thread, and signals meanwhile do no harm. */
static void
stopped_from_outside(void **state)
{
	struct sigaction quiet = { .sa_handler = nothing };
	pthread_t me = pthread_self(), stopper, disturber;

	(void)state;
	sigaction(SIGUSR1, &quiet, NULL);
	assert_int_equal(pthread_create(&stopper, NULL, stop_soon, NULL), 0);
	assert_int_equal(pthread_create(&disturber, NULL, disturb, &me), 0);
	loop_run(loop);
	pthread_join(stopper, NULL);
	pthread_join(disturber, NULL);
}

int
main(void)
{
	#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(reading),
		TEST(changing_what_is_asked),
		TEST(gone),
		TEST(not_gone),
		TEST(ended_in_the_same_round),
		TEST(replaced_in_the_same_round),
		TEST(timers_in_order),
		TEST(cleared_by_another),
		TEST(busy_timer),
		TEST(not_early),
		TEST(posts_of_many_threads),
		TEST(no_wake_up_is_lost),
		TEST(put_off),
		TEST(taken_back),
		TEST(stopped_from_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
