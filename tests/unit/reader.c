/* SPDX-License-Identifier: MIT */
/*
 * reader.c - jobs run once each, elsewhere, and end where they came from;
 * pages leave half of the readers to others; stopping drains.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/reader.h"

struct work {
	struct job job;
	pthread_t ran_on;
	_Atomic int runs;
	int dones, order;
};

static struct loop *loop;
static struct readers *readers;
static struct timer too_long;
static int left;		/* jobs whose end the loop waits for */
static _Atomic int running, running_most, pages, pages_most, started;
static _Atomic bool gate;	/* jobs that wait for it go on */

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
	running = running_most = pages = pages_most = started = 0;
	gate = false;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	gate = true;
	readers_stop(readers);
	readers = NULL;
	loop_free(loop);
	return 0;
}

static void
raise_to(_Atomic int *most, int n)
{
	int seen = *most;

	while (n > seen && !atomic_compare_exchange_weak(most, &seen, n))
		;
}

static void
run(struct job *j)
{
	struct work *w = holder(j, struct work, job);

	w->order = atomic_fetch_add(&started, 1);
	w->ran_on = pthread_self();
	w->runs++;
	raise_to(&running_most, ++running);
	if (j->page)
		raise_to(&pages_most, ++pages);
	usleep(200);
	if (j->page)
		pages--;
	running--;
}

static void
run_until_gate(struct job *j)
{
	struct work *w = holder(j, struct work, job);

	w->order = atomic_fetch_add(&started, 1);
	w->runs++;
	while (!gate)
		usleep(500);
}

static void
done(struct job *j)
{
	struct work *w = holder(j, struct work, job);

	assert_int_equal(w->runs, 1);
	w->dones++;
	if (--left == 0)
		loop_stop(loop);
}

static void
put(struct work *w, bool page, void (*how)(struct job *))
{
	*w = (struct work){ .job = { .run = how, .done = done, .loop = loop,
	    .page = page } };
	reader_put(readers, &w->job);
}

static void
wait_for(_Atomic int *n, int value)
{
	for (int i = 0; i < 5000 && *n != value; i++)
		usleep(1000);
	assert_int_equal(*n, value);
}

enum { MANY = 400 };

static void
all_run_once(void **state)
{
	static struct work w[MANY];

	(void)state;
	readers = readers_start(4);
	assert_non_null(readers);
	left = MANY;
	for (int i = 0; i < MANY; i++)
		put(&w[i], i % 3 == 0, run);
	loop_run(loop);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(w[i].dones, 1);
		assert_false(pthread_equal(w[i].ran_on, pthread_self()));
	}
	assert_true(running_most > 1);
	assert_true(running_most <= 4);
	assert_true(pages_most <= 2);
}

/* Pages that never end do not stop others, and other pages wait. */
static void
pages_take_half(void **state)
{
	static struct work page[5], other[20];

	(void)state;
	readers = readers_start(4);
	left = 20;
	for (int i = 0; i < 5; i++)
		put(&page[i], true, run_until_gate);
	wait_for(&started, 2);
	for (int i = 0; i < 20; i++)
		put(&other[i], false, run);
	loop_run(loop);
	assert_int_equal(started, 22);
	for (int i = 0; i < 20; i++)
		assert_int_equal(other[i].dones, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(page[i].runs, i < 2);
	gate = true;
	wait_for(&started, 25);
}

/* One reader alone does pages too. */
static void
one_reader(void **state)
{
	struct work w[6];

	(void)state;
	readers = readers_start(1);
	left = 6;
	for (int i = 0; i < 6; i++)
		put(&w[i], i % 2, run);
	loop_run(loop);
	/* In the order they came, pages or not. */
	for (int i = 0; i < 6; i++)
		assert_int_equal(w[i].order, i);
}

static void
stopping_drains(void **state)
{
	static struct work w[50];
	int runs = 0;

	(void)state;
	readers = readers_start(2);
	left = 50;
	for (int i = 0; i < 50; i++)
		put(&w[i], i % 2, run);
	readers_stop(readers);
	readers = NULL;
	for (int i = 0; i < 50; i++)
		runs += w[i].runs;
	assert_int_equal(runs, 50);
	loop_run(loop);			/* their ends are posted */
	for (int i = 0; i < 50; i++)
		assert_int_equal(w[i].dones, 1);
}

/* done() puts its job again, then frees it. */
static int rounds;

static void
put_again(struct job *j)
{
	struct work *w = holder(j, struct work, job);

	if (++rounds < 100) {
		reader_put(readers, j);
		return;
	}
	assert_int_equal(w->runs, 100);
	memset(w, 0x5a, sizeof(*w));
	free(w);
	loop_stop(loop);
}

static void
again_and_freed(void **state)
{
	struct work *w = xnew(struct work);

	(void)state;
	rounds = 0;
	readers = readers_start(3);
	w->job = (struct job){ .run = run, .done = put_again, .loop = loop };
	reader_put(readers, &w->job);
	loop_run(loop);
	assert_int_equal(rounds, 100);
}

/* Two loops put jobs; each hears of its own. */
static struct side {
	struct loop *loop;
	pthread_t thread, self;
	struct work work[100];
	int left;
} sides[2];

static void
side_done(struct job *j)
{
	struct work *w = holder(j, struct work, job);
	struct side *s = &sides[w->order];

	assert_true(pthread_equal(s->self, pthread_self()));
	w->dones++;
	if (--s->left == 0)
		loop_stop(s->loop);
}

static void
run_little(struct job *j)
{
	holder(j, struct work, job)->runs++;
}

static void *
run_side(void *arg)
{
	struct side *s = arg;

	s->self = pthread_self();
	for (int i = 0; i < 100; i++) {
		s->work[i] = (struct work){ .order = (int)(s - sides), .job = {
		    .run = run_little, .done = side_done, .loop = s->loop } };
		reader_put(readers, &s->work[i].job);
	}
	loop_run(s->loop);
	return NULL;
}

static void
ends_on_its_loop(void **state)
{
	(void)state;
	readers = readers_start(2);
	for (int i = 0; i < 2; i++) {
		sides[i].loop = loop_new();
		sides[i].left = 100;
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&sides[i].thread, NULL,
		    run_side, &sides[i]), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(sides[i].thread, NULL);
		for (int j = 0; j < 100; j++)
			assert_int_equal(sides[i].work[j].dones, 1);
		loop_free(sides[i].loop);
	}
}

static _Atomic int caught_by_reader;
static pthread_t main_thread;

static void
catch(int number)
{
	(void)number;
	if (!pthread_equal(pthread_self(), main_thread))
		caught_by_reader = 1;
}

static void
run_and_block(struct job *j)
{
	sigset_t now;

	(void)j;
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	if (!sigismember(&now, SIGTERM) || !sigismember(&now, SIGUSR1))
		caught_by_reader = 1;
	holder(j, struct work, job)->runs++;
}

/* Signals are for others. */
static void
no_signals(void **state)
{
	struct sigaction a = { .sa_handler = catch };
	struct work w;

	(void)state;
	main_thread = pthread_self();
	caught_by_reader = 0;
	sigaction(SIGUSR1, &a, NULL);
	readers = readers_start(2);
	left = 1;
	put(&w, false, run_and_block);
	kill(getpid(), SIGUSR1);
	loop_run(loop);
	assert_int_equal(caught_by_reader, 0);
}

/* A thread is made when a job waits and none is free; it stays. */
static void
started_on_demand(void **state)
{
	static struct work w[20], held[3];
	struct loop *old[20];

	(void)state;
	readers = readers_start(3);
	assert_int_equal(readers_started(readers), 0);
	for (int i = 0; i < 20; i++) {
		left = 1;
		put(&w[i], i % 2, run);
		loop_run(loop);
		old[i] = loop;	/* a reader may still be waking it */
		loop = loop_new();
		usleep(1000);	/* until it waits again */
	}
	/* As a rule one; a second only if the first had not come to rest. */
	assert_true(readers_started(readers) <= 2);
	started = 0;
	for (int i = 0; i < 3; i++)
		put(&held[i], false, run_until_gate);
	wait_for(&started, 3);
	assert_int_equal(readers_started(readers), 3);
	/* A page that may not begin is no reason for one more. */
	put(&w[0], false, run);
	put(&w[1], true, run);
	assert_int_equal(readers_started(readers), 3);
	left = 5;
	gate = true;
	loop_run(loop);
	readers_stop(readers);
	readers = NULL;
	for (int i = 0; i < 20; i++)
		loop_free(old[i]);
}

static void
pages_start_their_half(void **state)
{
	static struct work page[6];

	(void)state;
	readers = readers_start(4);
	for (int i = 0; i < 6; i++)
		put(&page[i], true, run_until_gate);
	wait_for(&started, 2);
	assert_int_equal(readers_started(readers), 2);
	left = 6;
	gate = true;
	loop_run(loop);
}

/* Where no thread can be made the work is done all the same. */
static void
without_threads(void **state)
{
	pthread_attr_t before, huge;
	struct work w[2];

	(void)state;
	assert_int_equal(pthread_getattr_default_np(&before), 0);
	pthread_attr_init(&huge);
	pthread_attr_setstacksize(&huge, (size_t)1 << 60);
	assert_int_equal(pthread_setattr_default_np(&huge), 0);
	readers = readers_start(2);
	left = 2;
	log_mute(true);
	put(&w[0], false, run);
	put(&w[1], true, run);
	log_mute(false);
	assert_int_equal(readers_started(readers), 0);
	assert_true(pthread_equal(w[0].ran_on, pthread_self()));
	assert_int_equal(w[0].dones, 0);	/* told in a later round */
	pthread_setattr_default_np(&before);
	loop_run(loop);
	assert_int_equal(w[1].dones, 1);
}

static void
nothing_to_stop(void **state)
{
	(void)state;
	readers_stop(NULL);
	readers = readers_start(8);
	assert_non_null(readers);
}

int
main(void)
{
	#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_run_once),
		TEST(pages_take_half),
		TEST(one_reader),
		TEST(stopping_drains),
		TEST(again_and_freed),
		TEST(ends_on_its_loop),
		TEST(no_signals),
		TEST(started_on_demand),
		TEST(pages_start_their_half),
		TEST(without_threads),
		TEST(nothing_to_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
