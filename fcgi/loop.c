/* SPDX-License-Identifier: MIT */
/*
 * loop.c - one thread that never blocks; see loop.h.
 *
 * In the manner of Redis' ae, over epoll: the only file that names it.
 * Timers are a binary heap; posts are a stack that other threads push onto
 * and the loop takes whole.  Only the push onto the empty stack of a loop that
 * may be asleep writes the eventfd: the loop says so before it looks at the
 * stack for the last time, the pusher asks after it has pushed, so one of the
 * two sees the other.  The eventfd is watched for edges and never read.
 */
#include "fcgi/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"

enum { EVENTS_A_ROUND = 256 };

struct loop {
	int epoll_fd;
	int64_t now_ms;
	_Atomic bool stop;

	struct timer **heap;		/* heap[0] is due first */
	int n_timers, room;

	_Atomic(struct post *) posts;	/* newest first */
	_Atomic bool asleep;		/* it may wait: a post must wake it */
	struct post *deferred, **deferred_end;	/* oldest first */
	int n_deferred;
	struct watch wake;

	struct epoll_event events[EVENTS_A_ROUND];
	int n_events;			/* of this round; for forgetting */
};

/* Nothing to do but to have been woken. */
static void
woken(struct watch *w, unsigned events)
{
	(void)w;
	(void)events;
}

struct loop *
loop_new(void)
{
	struct loop *l = xnew(struct loop);
	struct epoll_event e = { .events = EPOLLIN | EPOLLET,
	    .data.ptr = &l->wake };

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->wake = (struct watch){ .ready = woken,
	    .events = LOOP_READ,
	    .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	assert(l->epoll_fd >= 0 && l->wake.fd >= 0);
	l->deferred_end = &l->deferred;
	l->now_ms = clock_ms();
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake.fd, &e) < 0)
		assert(!"eventfd cannot be watched");
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	close(l->wake.fd);
	close(l->epoll_fd);
	free(l->heap);
	free(l);
}

static uint32_t
to_epoll(unsigned events)
{
	return (events & LOOP_READ ? EPOLLIN : 0) |
	    (events & LOOP_WRITE ? EPOLLOUT : 0) |
	    (events & LOOP_GONE ? EPOLLRDHUP : 0);
}

/* An event of this round for a watch that has just ended is forgotten. */
static void
forget_events(struct loop *l, struct watch *w)
{
	for (int i = 0; i < l->n_events; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
}

void
loop_watch(struct loop *l, struct watch *w, unsigned events)
{
	struct epoll_event e = { .events = to_epoll(events), .data.ptr = w };
	int how;

	if (events == w->events)
		return;
	how = events == 0 ? EPOLL_CTL_DEL :
	    w->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	w->events = events;
	if (epoll_ctl(l->epoll_fd, how, w->fd, &e) < 0)
		assert(how == EPOLL_CTL_DEL && "descriptor cannot be watched");
	if (events == 0)
		forget_events(l, w);
}

/* --- Timers: a binary heap by due time ---------------------------------- */

static void
heap_put(struct loop *l, int i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void
heap_up(struct loop *l, int i, struct timer *t)
{
	while (i > 0 && l->heap[(i - 1) / 2]->due_ms > t->due_ms) {
		heap_put(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_put(l, i, t);
}

static void
heap_down(struct loop *l, int i, struct timer *t)
{
	for (int c; (c = 2 * i + 1) < l->n_timers; i = c) {
		if (c + 1 < l->n_timers &&
		    l->heap[c + 1]->due_ms < l->heap[c]->due_ms)
			c++;
		if (l->heap[c]->due_ms >= t->due_ms)
			break;
		heap_put(l, i, l->heap[c]);
	}
	heap_put(l, i, t);
}

void
loop_clear(struct loop *l, struct timer *t)
{
	int i = t->slot - 1;
	struct timer *last;

	if (i < 0)
		return;
	assert(i < l->n_timers && l->heap[i] == t);
	t->slot = 0;
	last = l->heap[--l->n_timers];
	if (last == t)
		return;
	if (i > 0 && l->heap[(i - 1) / 2]->due_ms > last->due_ms)
		heap_up(l, i, last);
	else
		heap_down(l, i, last);
}

void
loop_timer(struct loop *l, struct timer *t, int64_t ms)
{
	assert(ms >= 0 && t->fire);
	loop_clear(l, t);
	t->due_ms = l->now_ms + ms;
	if (l->n_timers == l->room) {
		l->room = l->room ? l->room * 2 : 64;
		l->heap = xresize(l->heap, sizeof(*l->heap) *
		    (size_t)l->room);
	}
	heap_up(l, l->n_timers++, t);
}

/* As many as there are now: one that sets itself to 0 ms must not hold us. */
static void
fire_timers(struct loop *l)
{
	for (int n = l->n_timers; n > 0 && l->n_timers &&
	    l->heap[0]->due_ms <= l->now_ms; n--) {
		struct timer *t = l->heap[0];

		loop_clear(l, t);
		t->fire(t);
	}
}

static int
wait_ms(struct loop *l)
{
	int64_t ms;

	if (l->deferred)
		return 0;
	atomic_store(&l->asleep, true);
	if (atomic_load(&l->posts))
		return 0;
	if (l->n_timers == 0)
		return -1;
	ms = l->heap[0]->due_ms - clock_ms();
	return ms < 0 ? 0 : ms > 3600000 ? 3600000 : (int)ms;
}

/* --- Wake-ups ----------------------------------------------------------- */

static void
wake(struct loop *l)
{
	uint64_t one = 1;

	while (write(l->wake.fd, &one, sizeof(one)) < 0)
		assert(errno == EINTR || errno == EAGAIN);
}

void
loop_post(struct loop *l, struct post *p)
{
	struct post *head = atomic_load(&l->posts);

	do
		p->next = head;
	while (!atomic_compare_exchange_weak(&l->posts, &head, p));
	if (!head && atomic_exchange(&l->asleep, false))
		wake(l);
}

void
loop_defer(struct loop *l, struct post *p)
{
	p->next = NULL;
	*l->deferred_end = p;
	l->deferred_end = &p->next;
	l->n_deferred++;
}

void
loop_undefer(struct loop *l, struct post *p)
{
	struct post **at = &l->deferred;

	while (*at && *at != p)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = p->next;
	if (!*at)
		l->deferred_end = at;
	l->n_deferred--;
}

static void
run_posts(struct loop *l)
{
	struct post *p = atomic_exchange(&l->posts, NULL), *next, *fifo = NULL;

	for (; p; p = next) {
		next = p->next;
		p->next = fifo;
		fifo = p;
	}
	for (p = fifo; p; p = next) {
		next = p->next;
		p->run(p);
	}
}

/* What these defer in turn runs in the next round. */
static void
run_deferred(struct loop *l)
{
	for (int n = l->n_deferred; n > 0 && l->deferred; n--) {
		struct post *p = l->deferred;

		loop_undefer(l, p);
		p->run(p);
	}
}

void
loop_stop(struct loop *l)
{
	atomic_store(&l->stop, true);
	wake(l);
}

/* --- The round ---------------------------------------------------------- */

static void
dispatch_event(struct epoll_event *e)
{
	struct watch *w = e->data.ptr;
	unsigned events = 0;

	if (!w)
		return;
	if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		events |= LOOP_READ;
	if (e->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		events |= LOOP_WRITE;
	if (e->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		events |= LOOP_GONE;
	if (e->events & (EPOLLHUP | EPOLLERR))
		events |= LOOP_BROKEN;
	events &= w->events;
	if (events)
		w->ready(w, events);
}

void
loop_run(struct loop *l)
{
	while (!atomic_load(&l->stop)) {
		int n = epoll_wait(l->epoll_fd, l->events, EVENTS_A_ROUND,
		    wait_ms(l));

		assert(n >= 0 || errno == EINTR);
		atomic_store(&l->asleep, false);
		l->now_ms = clock_ms();
		l->n_events = n < 0 ? 0 : n;
		for (int i = 0; i < l->n_events; i++)
			dispatch_event(&l->events[i]);
		l->n_events = 0;
		run_posts(l);
		fire_timers(l);
		run_deferred(l);
	}
	run_posts(l);
	run_deferred(l);
}

int64_t
loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}
