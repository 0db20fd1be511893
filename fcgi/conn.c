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
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/dispatch.h"
#include "fcgi/machine.h"

static const size_t NO_RECORD = (size_t)-1;

/* More than anything that is queued for one caller at once. */
enum { OUT_MAX = 32 << 20, OUT_KEPT = 4096 };

/* A request that is not whole yet. */
struct spool {
	struct conn *conn;
	struct record_walk walk;
	struct buf params;		/* content of the PARAMS records */
	struct buf bytes;		/* all records, while they are few */
	int fd;				/* a memfd with all records, or -1 */
	int64_t n;			/* bytes so far */
	int64_t counted;		/* of them, in request_bytes_held */
	int64_t began_ms, last_ms;
	struct job job;
	bool read;			/* the job's result */
	bool gone;			/* the peer closed meanwhile */
};

static void conn_ready(struct watch *w, unsigned events);
static void conn_late(struct timer *t);

/* --- A connection's life -------------------------------------------------- */

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
	w->n_conns++;
	loop_watch(w->loop, &c->watch, idle_events());
}

static void
spool_free(struct conn *c)
{
	struct spool *s = c->spool;

	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	request_count_bytes(-s->counted);
	buf_release(&s->bytes);
	buf_release(&s->params);
	free(s);
	c->spool = NULL;
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

/* --- Writing -------------------------------------------------------------- */

static void
run_close(struct post *p)
{
	struct conn *c = holder(p, struct conn, closing);

	c->dead = false;
	conn_close(c);
}

/*
 * Closes after the callback that is running now, whose request may still be
 * in the middle of a step.
 */
static void
close_soon(struct conn *c)
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
		close_soon(c);
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
			close_soon(c);
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

/* --- Serving --------------------------------------------------------------- */

/* Nothing of c may be touched after this: the answer may have ended it. */
static void
serve(struct conn *c, struct request *rq)
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
		serve(c, rq);
		return;
	}
	request_free(rq);
	c->watch.fd = -1;	/* libfcgi has closed it */
	conn_close(c);
}

/* --- Spooling --------------------------------------------------------------- */

static int
memfd_of(struct str bytes)
{
	int fd = memfd_create("weir-spool", MFD_CLOEXEC);

	while (fd >= 0 && bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0) {
			close(fd);
			return -1;
		}
		bytes = str_skip(bytes, (size_t)n);
	}
	return fd;
}

/*
 * Answers before the body is there: from BEGIN and PARAMS, closed by an
 * empty STDIN.  What still comes is thrown away.
 */
static void
refuse_early(struct conn *c, enum fault_kind kind, const char *words)
{
	struct spool *s = c->spool;
	struct request *rq = request_new(c->worker);
	struct buf head = BUF(&rq->arena, 2 * LIMIT_PARAMS_BYTES);
	uint8_t record[RECORD_HEAD_BYTES];
	struct str params = buf_str(&s->params);
	int fd;

	record_head(record, RECORD_BEGIN, s->walk.id, 8);
	buf_put(&head, str_from(record, sizeof(record)));
	buf_put(&head, str_from(s->walk.begin_body, 8));
	while (params.n) {
		size_t n = params.n < RECORD_CONTENT_MAX ? params.n :
		    RECORD_CONTENT_MAX;

		record_head(record, RECORD_PARAMS, s->walk.id, n);
		buf_put(&head, str_from(record, sizeof(record)));
		buf_put(&head, str_from(params.p, n));
		params = str_skip(params, n);
	}
	record_head(record, RECORD_PARAMS, s->walk.id, 0);
	buf_put(&head, str_from(record, sizeof(record)));
	record_head(record, RECORD_STDIN, s->walk.id, 0);
	buf_put(&head, str_from(record, sizeof(record)));
	fd = memfd_of(buf_str(&head));
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
	    !request_read(rq, fd, true, INT64_MAX)) {
		request_free(rq);
		conn_close(c);
		return;
	}
	close(fd);
	fault_set(&rq->fault, &rq->arena, kind, "%s", words);
	rq->keep = false;
	c->discarding = true;
	serve(c, rq);
}

static void
run_read(struct job *j)
{
	struct spool *s = holder(j, struct spool, job);

	s->read = request_read(s->conn->rq, s->fd, false,
	    s->conn->worker->machine->conf.body_max);
}

static void
read_done(struct job *j)
{
	struct spool *s = holder(j, struct spool, job);
	struct conn *c = s->conn;
	struct request *rq = c->rq;

	c->state = CONN_SPOOL;
	c->rq = NULL;
	if (!s->read)
		s->fd = -1;	/* libfcgi closed it */
	if (!s->read || s->gone) {
		request_free(rq);
		conn_close(c);
		return;
	}
	spool_free(c);
	serve(c, rq);
}

static void
spool_whole(struct conn *c)
{
	struct spool *s = c->spool;

	loop_clear(c->worker->loop, &c->timer);
	if (s->fd < 0)
		s->fd = memfd_of(buf_str(&s->bytes));
	if (s->fd < 0 || lseek(s->fd, 0, SEEK_SET) < 0) {
		conn_close(c);
		return;
	}
	buf_release(&s->bytes);
	c->rq = request_new(c->worker);
	c->state = CONN_READING;
	s->job = (struct job){ .run = run_read, .done = read_done,
	    .loop = c->worker->loop };
	if (s->n > LIMIT_PEEK_BYTES) {
		reader_put(c->worker->machine->readers, &s->job);
		return;
	}
	run_read(&s->job);
	read_done(&s->job);
}

static bool
spool_keep(struct spool *s, struct str bytes)
{
	if (s->fd < 0 && buf_put(&s->bytes, bytes))
		return true;
	if (s->fd < 0) {
		s->fd = memfd_of(buf_str(&s->bytes));
		buf_release(&s->bytes);
	}
	while (s->fd >= 0 && bytes.n) {
		ssize_t n = write(s->fd, bytes.p, bytes.n);

		if (n < 0)
			return false;
		bytes = str_skip(bytes, (size_t)n);
	}
	return s->fd >= 0;
}

/* The parameters are there: what can be refused already is refused. */
static bool
params_ended(struct conn *c)
{
	struct spool *s = c->spool;
	struct machine *m = c->worker->machine;
	int64_t n;

	if (str_int(record_param(buf_str(&s->params), S("CONTENT_LENGTH")),
	    &n) && n > m->conf.body_max) {
		refuse_early(c, FAULT_TOO_LARGE,
		    "The body is larger than this relay takes.");
		return false;
	}
	if (request_bytes_held() > m->conf.memory_max) {
		refuse_early(c, FAULT_BUSY,
		    "The relay has no memory left; try again in a moment.");
		return false;
	}
	return true;
}

/* False: the spool is gone or whole; leave c alone. */
static bool
spool_bytes(struct conn *c, struct str bytes)
{
	struct spool *s = c->spool;
	enum record_seen seen = RECORD_MORE;
	struct machine *m = c->worker->machine;
	size_t used;

	for (struct str rest = bytes; rest.n; rest = str_skip(rest, used)) {
		seen = record_walk(&s->walk, rest, &used);
		if (seen == RECORD_PARAMS_END) {
			if (!params_ended(c))
				return false;
		} else if (seen != RECORD_MORE) {
			break;
		}
	}
	if (seen == RECORD_BAD || seen == RECORD_ABORTED ||
	    seen == RECORD_PARAMS_LARGE || !spool_keep(s, bytes)) {
		conn_close(c);
		return false;
	}
	s->n += (int64_t)bytes.n;
	request_count_bytes((int64_t)bytes.n);
	s->counted += (int64_t)bytes.n;
	if (seen == RECORD_WHOLE) {
		spool_whole(c);
		return false;
	}
	if ((int64_t)s->walk.stdin_bytes > m->conf.body_max) {
		refuse_early(c, FAULT_TOO_LARGE,
		    "The body is larger than this relay takes.");
		return false;
	}
	return true;
}

/* What comes after an early answer: nobody keeps it. */
static void
discard(struct conn *c)
{
	enum record_seen seen = RECORD_MORE;
	char *bytes = c->worker->peek;
	ssize_t n = recv(c->watch.fd, bytes, LIMIT_SPOOL_MEMORY, MSG_DONTWAIT);
	size_t used;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		seen = record_walk(&c->spool->walk,
		    str_from(bytes, (size_t)n), &used);
	if (n <= 0 || (seen != RECORD_MORE && seen != RECORD_PARAMS_END))
		close_soon(c);
}

static void
spool_read(struct conn *c)
{
	char *bytes = c->worker->peek;

	for (int round = 0; round < 4; round++) {
		ssize_t n = recv(c->watch.fd, bytes, LIMIT_SPOOL_MEMORY,
		    MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_close(c);
			return;
		}
		c->spool->last_ms = clock_ms();
		if (!spool_bytes(c, str_from(bytes, (size_t)n)))
			return;
	}
}

static void
spool_begin(struct conn *c)
{
	struct spool *s = xnew(struct spool);

	s->conn = c;
	s->fd = -1;
	s->bytes = BUF_HEAP(LIMIT_SPOOL_MEMORY);
	s->params = BUF_HEAP(LIMIT_PARAMS_BYTES);
	s->walk.params = &s->params;
	s->began_ms = s->last_ms = clock_ms();
	c->spool = s;
	c->state = CONN_SPOOL;
	loop_timer(c->worker->loop, &c->timer, LIMIT_BODY_STALL_MS);
	spool_read(c);
}

static void
spool_late(struct conn *c)
{
	struct spool *s = c->spool;
	int64_t now = clock_ms(), age = now - s->began_ms;
	bool stalled = now - s->last_ms >= LIMIT_BODY_STALL_MS;

	if (!stalled && s->n >= age * LIMIT_BODY_RATE / 1000) {
		loop_timer(c->worker->loop, &c->timer,
		    s->last_ms + LIMIT_BODY_STALL_MS - now);
		return;
	}
	if (s->walk.params_ended)
		refuse_early(c, FAULT_SLOW_BODY,
		    "The request's body did not arrive in time.");
	else
		conn_close(c);
}

/* --- Events ------------------------------------------------------------------ */

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
	if (seen == RECORD_WHOLE && rest.n == 0)
		serve_in_place(c);
	else if (seen == RECORD_MORE)
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
		discard(c);
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
