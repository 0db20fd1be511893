/* SPDX-License-Identifier: MIT */
/*
 * conn.c - one FastCGI connection from a web server; see conn.h.
 *
 * The common request is whole in the socket's buffer when the descriptor
 * becomes readable: a peek shows it and libfcgi reads it in place.  What is
 * larger or comes slowly is drained into a spool (memory, then a memfd) and
 * read from there, by a reader thread when it is long.  A request that must
 * be refused before its body has come is answered from its parameters alone,
 * and the rest of the body is thrown away.
 */
#include "fcgi/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/dispatch.h"
#include "fcgi/machine.h"
#include "fcgi/spool.h"

static const size_t NO_RECORD = (size_t)-1;

/* More than anything that is queued for one caller at once. */
enum { OUT_MAX = 32 << 20, OUT_KEPT = 4096 };

static void conn_ready(struct watch *w, unsigned events);
static void conn_late(struct timer *t);

/* --- A connection's life ------------------------------------------------ */

static unsigned
idle_events(void)
{
	return LOOP_READ | LOOP_GONE;
}

void
conn_new(struct worker *w, int fd)
{
	struct conn *c = xnew(struct conn);
	struct timeval second = { .tv_sec = 1 };

	/* A miscounted request cannot hang the loop for longer than that. */
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	c->worker = w;
	c->watch = (struct watch){ .fd = fd, .ready = conn_ready };
	c->timer.fire = conn_late;
	c->out = BUF_HEAP(OUT_MAX);
	c->open_record = NO_RECORD;
	c->next = w->conns;
	c->prev = &w->conns;
	if (c->next)
		c->next->prev = &c->next;
	w->conns = c;
	loop_watch(w->loop, &c->watch, idle_events());
}

void
conn_close(struct conn *c)
{
	struct worker *w = c->worker;
	struct request *rq = c->rq;

	if (c->dead)
		return;		/* it is on its way */
	if (c->state == CONN_READING) {
		/* A reader has it; the job's end comes back here. */
		c->spool->gone = true;
		loop_watch(w->loop, &c->watch, 0);
		return;
	}
	loop_watch(w->loop, &c->watch, 0);
	loop_clear(w->loop, &c->timer);
	if (c->watch.fd >= 0)
		close(c->watch.fd);
	spool_free(c);
	buf_release(&c->out);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	w->n_conns--;
	free(c);
	if (rq) {
		rq->conn = NULL;
		if (rq->gone)
			rq->gone(rq);
	}
}

/* --- Writing ------------------------------------------------------------ */

static void
run_close(struct post *p)
{
	struct conn *c = holder(p, struct conn, closing);

	c->dead = false;
	conn_close(c);
}

void
conn_close_soon(struct conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	c->closing.run = run_close;
	loop_watch(c->worker->loop, &c->watch, 0);
	loop_defer(c->worker->loop, &c->closing);
}

static void
out_is_empty(struct conn *c)
{
	if (c->out.room > OUT_KEPT)
		buf_release(&c->out);
	c->open_record = NO_RECORD;
	if (!c->discarding || c->close_after)
		loop_clear(c->worker->loop, &c->timer);
	if (c->rq) {
		loop_watch(c->worker->loop, &c->watch, c->watch.events &
		    ~(unsigned)LOOP_WRITE);
	} else if (c->close_after) {
		conn_close_soon(c);
	} else if (!c->discarding) {
		c->state = CONN_IDLE;
		loop_watch(c->worker->loop, &c->watch, idle_events());
	} else {
		loop_watch(c->worker->loop, &c->watch, idle_events());
	}
}

void
conn_flush(struct conn *c)
{
	ssize_t n;

	if (c->dead)
		return;
	assert(!c->out.full);
	if (c->out.n) {
		n = send(c->watch.fd, c->out.p, c->out.n,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			conn_close_soon(c);
			return;
		}
		if (n > 0) {
			buf_drop(&c->out, (size_t)n);
			c->open_record = NO_RECORD;
		}
		if (c->out.n) {
			c->was_full |= c->out.n > LIMIT_OUT_BYTES;
			if (n > 0 || !c->timer.slot)
				loop_timer(c->worker->loop, &c->timer,
				    LIMIT_WRITE_STALL_MS);
			loop_watch(c->worker->loop, &c->watch,
			    c->watch.events | LOOP_WRITE);
			return;
		}
	}
	out_is_empty(c);
}

void
conn_end_request(struct conn *c)
{
	struct request *rq = c->rq;

	assert(rq && rq->conn == c);
	if (!rq->keep && !c->discarding)
		c->close_after = true;
	rq->conn = NULL;
	c->rq = NULL;
	conn_flush(c);
}

static void
writable(struct conn *c)
{
	struct request *rq;

	conn_flush(c);
	rq = c->dead ? NULL : c->rq;
	if (rq && c->was_full && c->out.n < LIMIT_OUT_LOW) {
		c->was_full = false;
		if (rq->drained)
			rq->drained(rq);
	}
}

/* --- Serving ------------------------------------------------------------ */

void
conn_serve(struct conn *c, struct request *rq)
{
	struct worker *w = c->worker;
	struct machine *m = w->machine;

	c->state = CONN_BUSY;
	c->rq = rq;
	rq->conn = c;
	rq->next = w->running;
	rq->prev = &w->running;
	if (rq->next)
		rq->next->prev = &rq->next;
	w->running = rq;
	w->n_running++;
	if (++m->n_running > m->conf.calls_max)
		fault_set(&rq->fault, &rq->arena, FAULT_BUSY,
		    "The relay is full; try again in a moment.");
	else if (request_bytes_held() > m->conf.memory_max)
		fault_set(&rq->fault, &rq->arena, FAULT_BUSY,
		    "The relay has no memory left; try again in a moment.");
	else if (m->stopping)
		fault_set(&rq->fault, &rq->arena, FAULT_BUSY,
		    "The relay is restarting; try again in a moment.");
	if (rq->fault.kind == FAULT_BUSY)
		rq->fault.retry_ms = 1000;
	dispatch(rq);
}

static void
serve_in_place(struct conn *c)
{
	struct request *rq = request_new(c->worker);

	if (request_read(rq, c->watch.fd, false,
	    c->worker->machine->conf.body_max)) {
		conn_serve(c, rq);
		return;
	}
	request_free(rq);
	c->watch.fd = -1;	/* libfcgi has closed it */
	conn_close(c);
}

/* --- Events ------------------------------------------------------------- */

static void
readable(struct conn *c)
{
	struct record_walk walk = { 0 };
	char *bytes = c->worker->peek;
	enum record_seen seen;
	struct str rest;
	size_t used;
	ssize_t n;

	n = recv(c->watch.fd, bytes, LIMIT_PEEK_BYTES, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	rest = str_from(bytes, (size_t)n);
	do {
		seen = record_walk(&walk, rest, &used);
		rest = str_skip(rest, used);
	} while (seen == RECORD_PARAMS_END);
	if (seen == RECORD_WHOLE && rest.n == 0 && !walk.padded_end)
		serve_in_place(c);
	else if (seen == RECORD_MORE || seen == RECORD_WHOLE)
		spool_begin(c);
	else
		conn_close(c);
}

/* While it is served: the server has closed, or sends what it must not. */
static void
busy_event(struct conn *c, unsigned events)
{
	char byte;

	if (c->discarding && events & LOOP_READ) {
		spool_discard(c);
		return;
	}
	if (events & LOOP_GONE ||
	    recv(c->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
		conn_close(c);
		return;
	}
	c->close_after = true;
	loop_watch(c->worker->loop, &c->watch, (c->watch.events &
	    ~(unsigned)LOOP_READ) | LOOP_GONE);
}

static void
conn_ready(struct watch *w, unsigned events)
{
	struct conn *c = holder(w, struct conn, watch);

	if (c->state == CONN_BUSY) {
		if (events & (LOOP_READ | LOOP_GONE))
			busy_event(c, events);
		else
			writable(c);
	} else if (c->state == CONN_SPOOL) {
		spool_read(c);
	} else if (c->state == CONN_IDLE) {
		readable(c);
	} else if (events & LOOP_GONE) {
		conn_close(c);
	} else {
		loop_watch(c->worker->loop, &c->watch, LOOP_GONE);
	}
}

static void
conn_late(struct timer *t)
{
	struct conn *c = holder(t, struct conn, timer);

	if (c->state == CONN_SPOOL)
		spool_late(c);
	else
		conn_close(c);
}
