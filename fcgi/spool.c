/* SPDX-License-Identifier: MIT */
/*
 * spool.c - a request that is not whole yet; see spool.h.
 *
 * Bytes are kept in memory while they are few, then in a memfd, from which
 * libfcgi reads the whole request: on a reader thread when it is long.
 */
#include "fcgi/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/machine.h"

void
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

static void
forget_body(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buf_release(&s->bytes);
	request_count_bytes(-s->counted);
	s->counted = 0;
}

/*
 * Answers before the body is there: from BEGIN and PARAMS, closed by an
 * empty STDIN.  What has come and what still comes is thrown away.
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
	forget_body(s);
	c->discarding = true;
	conn_serve(c, rq);
}

/* The spool again, without the padding that libfcgi cannot read. */
static void
unpad(struct spool *s)
{
	struct buf plain = BUF_HEAP((size_t)s->n);
	void *all = mmap(NULL, (size_t)s->n, PROT_READ, MAP_PRIVATE, s->fd, 0);

	if (all == MAP_FAILED)
		return;
	if (record_unpad(str_from(all, (size_t)s->n), &plain)) {
		close(s->fd);
		s->fd = memfd_of(buf_str(&plain));
		lseek(s->fd, 0, SEEK_SET);
	}
	munmap(all, (size_t)s->n);
	buf_release(&plain);
}

static void
run_read(struct job *j)
{
	struct spool *s = holder(j, struct spool, job);

	if (s->walk.padded_end)
		unpad(s);
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
	conn_serve(c, rq);
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
	return true;
}

/* False: the spool is gone or whole; leave c alone. */
static bool
spool_bytes(struct conn *c, struct str bytes)
{
	struct spool *s = c->spool;
	enum record_seen seen = RECORD_MORE;
	struct machine *m = c->worker->machine;
	bool ended = false;
	size_t used;

	for (struct str rest = bytes; rest.n; rest = str_skip(rest, used)) {
		seen = record_walk(&s->walk, rest, &used);
		ended |= seen == RECORD_PARAMS_END;
		if (seen != RECORD_MORE && seen != RECORD_PARAMS_END)
			break;
	}
	/* Only now: what is discarded is walked on from the end of bytes. */
	if (ended && (seen == RECORD_MORE || seen == RECORD_PARAMS_END) &&
	    !params_ended(c))
		return false;
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
	/* Many may have begun while there was room for each of them. */
	if (s->walk.params_ended && request_bytes_held() > m->conf.memory_max) {
		refuse_early(c, FAULT_BUSY,
		    "The relay has no memory left; try again in a moment.");
		return false;
	}
	return true;
}

/* What comes after an early answer: nobody keeps it. */
void
spool_discard(struct conn *c)
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
		conn_close_soon(c);
}

void
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

void
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

void
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
