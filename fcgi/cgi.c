/* SPDX-License-Identifier: MIT */
/*
 * cgi.c - the one request of a CGI process; see cgi.h.
 *
 * Descriptors of the outside may be pipes, sockets (often one for both
 * directions) or files.  Files cannot be watched and never make anybody wait:
 * they are read and written whenever the pair moves.  A half-closed stdout is
 * no caller who left: mod_cgid closes the request's direction of the one
 * socket when the body is through.
 */
#include "fcgi/cgi.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/cgi_part.h"
#include "fcgi/conn.h"

bool
cgi_is(void)
{
	socklen_t n = sizeof(int);
	int listens = 0;

	if (!getenv("GATEWAY_INTERFACE"))
		return false;
	return getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listens,
	    &n) < 0 || !listens;
}

/* --- Descriptors -------------------------------------------------------- */

/* Pipes and sockets can be watched, and shall not make us wait. */
static bool
open_watched(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) ||
	    S_ISSOCK(st.st_mode)))
		return false;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return true;
}

/*
 * A socket that is closed with bytes unread resets its peer, who might lose
 * our answer over it; one that is shut for reading gets no more, so it can be
 * read to its end.  On a pipe or a file this does nothing.
 */
static void
read_rest(int fd)
{
	char unread[4096];

	if (shutdown(fd, SHUT_RD) == 0)
		while (recv(fd, unread, sizeof(unread), MSG_DONTWAIT) > 0)
			;
}

/* The web server may go on: nothing of ours holds its pipes any more. */
static void
let_go(struct cgi *c)
{
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	loop_watch(c->worker->loop, &c->in, 0);
	loop_watch(c->worker->loop, &c->out, 0);
	if (nothing < 0)
		nothing = memfd_create("weir-nothing", MFD_CLOEXEC);
	if (nothing < 0)
		return;
	read_rest(c->conf->in);
	dup2(nothing, c->conf->in);
	dup2(nothing, c->conf->out);
	if (c->conf->out == STDOUT_FILENO)
		dup2(nothing, STDERR_FILENO);
	close(nothing);
}

/* --- The end ------------------------------------------------------------ */

/* Runs until the call has ended, or its time is up. */
static void
look_around(struct timer *t)
{
	struct cgi *c = holder(t, struct cgi, look);
	struct worker *w = c->worker;
	int64_t left = c->conf->due_ms ? c->conf->due_ms - WRITER_MS -
	    clock_ms() : INT64_MAX;

	if ((!w->conns && w->n_running == 0) || left <= 0) {
		loop_stop(w->loop);
		return;
	}
	if (left < LEAVE_MS / 2 && !c->told_to_stop) {
		c->told_to_stop = true;
		for (struct request *rq = w->running, *next; rq; rq = next) {
			next = rq->next;
			if (rq->stop)
				rq->stop(rq);
		}
	}
	loop_timer(w->loop, &c->look, LOOK_MS);
}

static void
close_pair(struct cgi *c)
{
	if (c->pair.fd < 0)
		return;
	loop_watch(c->worker->loop, &c->pair, 0);
	close(c->pair.fd);
	c->pair.fd = -1;
}

/* Nothing more is written; the call may still have to settle. */
static void
end_output(struct cgi *c)
{
	c->phase = PHASE_OVER;
	buf_release(&c->down);
	let_go(c);
	close_pair(c);
	look_around(&c->look);
}

static void
caller_left(struct cgi *c)
{
	if (!c->conf->due_ms)
		c->conf->due_ms = clock_ms() + LEAVE_MS;
	if (c->phase != PHASE_OVER)
		end_output(c);
}

static void
signalled(struct watch *w, unsigned events)
{
	struct cgi *c = holder(w, struct cgi, signals);
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->fd, &info, sizeof(info)) > 0)
		;
	caller_left(c);
}

/* --- Output ------------------------------------------------------------- */

/* False: stdout takes no more now, or is not ours any more. */
static bool
write_down(struct cgi *c)
{
	ssize_t n;

	while (c->down.n) {
		n = write(c->conf->out, c->down.p, c->down.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			caller_left(c);
			return false;
		}
		buf_drop(&c->down, (size_t)n);
	}
	return true;
}

/* What is asked of the pair and of the outside follows from what waits. */
static void
set_watches(struct cgi *c)
{
	struct loop *l = c->worker->loop;
	bool room = c->phase < PHASE_LAST && c->down.n < LIMIT_OUT_LOW &&
	    (c->phase == PHASE_HOLD || !cgi_holds(c));

	if (c->phase == PHASE_OVER)
		return;
	if (c->pair.fd >= 0)
		loop_watch(l, &c->pair, (room ? LOOP_READ : 0) |
		    (c->up.n ? LOOP_WRITE : 0));
	if (c->in_watched)
		loop_watch(l, &c->in, c->up.n || c->in_ended ? 0 : LOOP_READ);
	if (c->out_watched)
		loop_watch(l, &c->out, LOOP_BROKEN |
		    (c->down.n ? LOOP_WRITE : 0));
}

static void
flush_down(struct cgi *c)
{
	while (write_down(c) && c->phase != PHASE_HOLD && cgi_holds(c))
		cgi_take_held(c);
	if (c->phase == PHASE_LAST && c->down.n == 0)
		end_output(c);
}

static void
read_pair(struct cgi *c)
{
	char *bytes = c->worker->peek;
	ssize_t n = recv(c->pair.fd, bytes, LIMIT_SPOOL_MEMORY, MSG_DONTWAIT);

	if (n < 0 && cgi_must_wait())
		return;
	if (n > 0)
		cgi_take_records(c, str_from(bytes, (size_t)n));
	else
		cgi_answer_broke(c);
	flush_down(c);
}

/* --- The request -------------------------------------------------------- */

/* True: all that was queued is sent. */
static bool
send_up(struct cgi *c)
{
	while (c->up.n) {
		ssize_t n = send(c->pair.fd, c->up.p, c->up.n,
		    MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			buf_drop(&c->up, (size_t)n);
		} else if (cgi_must_wait()) {
			return false;
		} else {
			/* Closed there: the answer says why. */
			buf_clear(&c->up);
			c->in_ended = true;
		}
	}
	return true;
}

/* A piece of the body as a record, or its end; false: none is there yet. */
static bool
read_in(struct cgi *c)
{
	size_t most = c->in_left < 0 || c->in_left > PIECE ? PIECE :
	    (size_t)c->in_left;
	char *room = buf_room(&c->up, RECORD_HEAD_BYTES + PIECE);
	ssize_t n = 0;

	assert(room && !c->in_ended);
	if (most) {
		n = read(c->conf->in, room + RECORD_HEAD_BYTES, most);
		if (n < 0 && cgi_must_wait())
			return false;
	}
	/* One that stops short is refused for it by whoever reads it. */
	if (n < 0)
		n = 0;
	c->in_ended = n == 0;
	record_head((uint8_t *)room, RECORD_STDIN, REQUEST_ID, (size_t)n);
	c->up.n += RECORD_HEAD_BYTES + (size_t)n;
	if (c->in_left > 0)
		c->in_left -= n;
	return true;
}

static void
feed(struct cgi *c)
{
	while (send_up(c) && !c->in_ended && read_in(c))
		;
}

/* --- Events ------------------------------------------------------------- */

static void
pair_ready(struct watch *w, unsigned events)
{
	struct cgi *c = holder(w, struct cgi, pair);

	if (events & LOOP_WRITE)
		feed(c);
	if (events & LOOP_READ)
		read_pair(c);
	set_watches(c);
}

static void
in_ready(struct watch *w, unsigned events)
{
	struct cgi *c = holder(w, struct cgi, in);

	(void)events;
	feed(c);
	set_watches(c);
}

static void
out_ready(struct watch *w, unsigned events)
{
	struct cgi *c = holder(w, struct cgi, out);

	if (events & LOOP_BROKEN)
		caller_left(c);
	else
		flush_down(c);
	set_watches(c);
}

/* --- A call's life ------------------------------------------------------ */

static void
watch_signals(struct cgi *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	c->signals = (struct watch){ .ready = signalled,
	    .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) };
	assert(c->signals.fd >= 0);
	loop_watch(c->worker->loop, &c->signals, LOOP_READ);
}

/* Hands one end of a pair to the machine.  False: there is none to be had. */
static bool
connect_machine(struct cgi *c)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return false;
	c->pair = (struct watch){ .fd = ends[0], .ready = pair_ready };
	c->worker->n_conns++;
	conn_new(c->worker, ends[1]);
	return true;
}

static void
begin(struct cgi *c)
{
	if (!cgi_put_request(c)) {
		cgi_answer_fault(c, FAULT_HEADERS_TOO_LARGE,
		    "The request's headers are too large.");
	} else if (!connect_machine(c)) {
		log_error("no socket pair for a call: %s", strerror(errno));
		cgi_answer_fault(c, FAULT_BUSY, "The relay has no descriptors "
		    "left; try again in a moment.");
	} else {
		/* A short body goes out in one piece with its head, and is
		 * read in place. */
		while (!c->in_ended && c->up.n < LIMIT_PEEK_BYTES &&
		    read_in(c))
			;
		feed(c);
	}
	flush_down(c);
	set_watches(c);
}

struct cgi *
cgi_new(struct worker *w, struct cgi_conf *conf)
{
	struct cgi *c = xnew(struct cgi);
	const char *method;

	c->worker = w;
	c->conf = conf;
	c->in = (struct watch){ .fd = conf->in, .ready = in_ready };
	c->out = (struct watch){ .fd = conf->out, .ready = out_ready };
	c->pair.fd = -1;
	c->look.fire = look_around;
	c->held_fd = -1;
	c->up = BUF_HEAP(UP_MAX);
	c->head = BUF_HEAP(2 * LIMIT_PARAMS_BYTES);
	c->held = BUF_HEAP(LIMIT_SPOOL_MEMORY);
	c->down = BUF_HEAP(DOWN_MAX);
	method = cgi_variable(c, S("REQUEST_METHOD"));
	c->is_head = method && strcmp(method, "HEAD") == 0;
	c->in_left = cgi_body_length(c);
	c->in_watched = open_watched(conf->in);
	c->out_watched = open_watched(conf->out);
	watch_signals(c);
	begin(c);
	return c;
}

void
cgi_free(struct cgi *c)
{
	struct loop *l;

	if (!c)
		return;
	l = c->worker->loop;
	loop_watch(l, &c->in, 0);
	loop_watch(l, &c->out, 0);
	loop_watch(l, &c->signals, 0);
	close(c->signals.fd);
	close_pair(c);
	loop_clear(l, &c->look);
	if (c->held_fd >= 0)
		close(c->held_fd);
	buf_release(&c->up);
	buf_release(&c->head);
	buf_release(&c->held);
	buf_release(&c->down);
	free(c);
}
