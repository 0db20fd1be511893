/* SPDX-License-Identifier: MIT */
/*
 * loop.h - one thread that never blocks: descriptors, timers, wake-ups.
 *
 * A loop belongs to the thread that runs it; only loop_post and loop_stop
 * may be called from elsewhere.  Callbacks run one at a time.  A callback may
 * unwatch or clear anything, itself included.
 */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

enum {
	LOOP_READ = 1, LOOP_WRITE = 2,
	LOOP_GONE = 4,		/* the peer closed, or writes no more */
	LOOP_BROKEN = 8		/* nobody will ever read or write there */
};

/* A descriptor that is watched; in the storage of whoever owns it. */
struct watch {
	int fd;
	unsigned events;		/* asked for; 0: not watched */
	void (*ready)(struct watch *w, unsigned events);
};

/* A moment; in the storage of whoever owns it.  Fires once. */
struct timer {
	int64_t due_ms;			/* clock_ms() */
	int slot;			/* private: place in the heap + 1 */
	void (*fire)(struct timer *t);
};

/* Something handed over from another thread. */
struct post {
	struct post *next;		/* private */
	void (*run)(struct post *p);
};

struct loop *loop_new(void);
void loop_free(struct loop *l);

/* Runs until loop_stop; returns when stopped. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);		/* any thread */

/*
 * Watches w->fd for events (LOOP_READ | LOOP_WRITE | …), or changes what is
 * asked of it; 0 ends it.  LOOP_GONE alone reports that the peer has closed
 * or half-closed, without reading; LOOP_BROKEN alone says nothing of a
 * half-close.  Regular files cannot be watched.
 */
void loop_watch(struct loop *l, struct watch *w, unsigned events);

/*
 * Sets or moves a timer to ms from the beginning of this round;
 * loop_clear is allowed on any state.
 */
void loop_timer(struct loop *l, struct timer *t, int64_t ms);
void loop_clear(struct loop *l, struct timer *t);

/*
 * Any thread: p->run will be called on the loop, once.  One wake-up serves
 * all that is posted until the loop gets to it.
 */
void loop_post(struct loop *l, struct post *p);

/*
 * Runs p after the callbacks of this round; loop's own thread only.  p must
 * not be waiting already.  loop_undefer takes it back; on one that does not
 * wait it does nothing.
 */
void loop_defer(struct loop *l, struct post *p);
void loop_undefer(struct loop *l, struct post *p);

/* Monotonic ms at the start of this round: cheap, a little old. */
int64_t loop_now_ms(const struct loop *l);

#endif
