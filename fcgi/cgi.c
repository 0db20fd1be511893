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
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/id.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/conn.h"
#include "fcgi/machine.h"
#include "fcgi/record.h"
#include "fcgi/reply.h"

enum {
	REQUEST_ID = 1,
	PIECE = 65528,			/* of a body in one record */
	UP_MAX = LIMIT_PARAMS_BYTES + 4 * PIECE,
	DOWN_MAX = 2 * LIMIT_OUT_BYTES,
	HELD_MAX = LIMIT_FOLD_BYTES,	/* more of an answer is not held */
	LEAVE_MS = 1800,		/* from SIGTERM until we are gone … */
	WRITER_MS = 300,		/* … with that much for the store */
	LOOK_MS = 2,			/* has the call ended? */
	REFUSE_MS = 5000
};

/* What is done with the answer's bytes. */
enum phase {
	PHASE_HEAD,			/* its header is not whole yet */
	PHASE_PASS,			/* they go out as they come */
	PHASE_HOLD,			/* they are kept until it is whole */
	PHASE_LAST,			/* no more come; what waits goes out */
	PHASE_OVER			/* stdout is not ours any more */
};

struct cgi {
	struct worker *worker;
	struct cgi_conf *conf;
	struct watch in, out, pair, signals;
	bool in_watched, out_watched;	/* they are no files */
	struct timer look;
	bool told_to_stop;

	/* To the machine. */
	int64_t in_left;		/* of the body; -1: until its end */
	bool in_ended;			/* the empty STDIN record is queued */
	struct buf up;			/* records not sent yet */

	/* From the machine: the record that is being read. */
	uint8_t record[RECORD_HEAD_BYTES];
	unsigned record_n;
	size_t content, padding;

	enum phase phase;
	bool is_head;			/* HEAD: there will be no body */
	struct buf head;		/* the answer's, with its empty line */
	struct buf held;		/* the first of its body */
	int held_fd;			/* a memfd with the rest, or -1 */
	int64_t in_memfd, out_of_memfd;	/* bytes */
	struct buf down;		/* for stdout, not written yet */
};

static const char *const names[] = {
#define PARAM(name) #name,
#include "fcgi/param.def"
#undef PARAM
};

/* --- The environment ---------------------------------------------------- */

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

/* A variable of the request, or NULL. */
static const char *
variable(const struct cgi *c, struct str name)
{
	for (char *const *e = c->conf->env; *e; e++)
		if (strncmp(*e, name.p, name.n) == 0 && (*e)[name.n] == '=')
			return *e + name.n + 1;
	return NULL;
}

/*
 * The variables of the request are what weir reads, and every header (they
 * are counted).  The rest of the environment is nobody's business.
 */
static bool
is_of_request(struct str name)
{
	if (str_starts(name, S("HTTP_")))
		return true;
	for (size_t i = 0; i < countof(names); i++)
		if (str_eq(name, str_of(names[i])))
			return true;
	return false;
}

static void
put_length(struct buf *b, size_t n)
{
	if (n >= 128) {
		buf_char(b, (char)(0x80 | n >> 24));
		buf_char(b, (char)(n >> 16));
		buf_char(b, (char)(n >> 8));
	}
	buf_char(b, (char)n);
}

static void
put_param(struct buf *b, struct str name, struct str value)
{
	put_length(b, name.n);
	put_length(b, value.n);
	buf_put(b, name);
	buf_put(b, value);
}

/*
 * After an internal redirect of Apache (mod_rewrite in .htaccess) what was
 * set before it is called REDIRECT_… .  No header can have such a name.
 */
static void
put_redirected(const struct cgi *c, struct buf *params)
{
	static const struct str set[] = { STR_INIT("HTTP_AUTHORIZATION"),
	    STR_INIT("WEIR_MOUNT") };
	struct str prefixed[] = { STR_INIT("REDIRECT_HTTP_AUTHORIZATION"),
	    STR_INIT("REDIRECT_WEIR_MOUNT") };

	for (size_t i = 0; i < countof(set); i++) {
		const char *value = variable(c, prefixed[i]);

		if (value && !variable(c, set[i]))
			put_param(params, set[i], str_of(value));
	}
}

static void
put_record(struct buf *b, int type, struct str content)
{
	uint8_t head[RECORD_HEAD_BYTES];

	record_head(head, type, REQUEST_ID, content.n);
	buf_put(b, str_from(head, sizeof(head)));
	buf_put(b, content);
}

/* BEGIN_REQUEST and PARAMS.  False: more than a request may have. */
static bool
put_request(struct cgi *c)
{
	static const char responder[8] = { 0, 1 };
	struct buf params = BUF_HEAP(LIMIT_PARAMS_BYTES);
	bool fits;

	put_record(&c->up, RECORD_BEGIN, str_from(responder, 8));
	for (char *const *e = c->conf->env; *e; e++) {
		struct str value = str_of(*e), name = str_cut(&value, '=');

		if (is_of_request(name))
			put_param(&params, name, value);
	}
	put_redirected(c, &params);
	fits = !params.full;
	for (struct str rest = buf_str(&params); rest.n; ) {
		size_t n = rest.n < PIECE ? rest.n : PIECE;

		put_record(&c->up, RECORD_PARAMS, str_from(rest.p, n));
		rest = str_skip(rest, n);
	}
	put_record(&c->up, RECORD_PARAMS, S(""));
	buf_release(&params);
	return fits;
}

/*
 * How much of stdin is the body: CONTENT_LENGTH bytes.  A server that has
 * undone a chunked body does not know its length and ends it.
 */
static int64_t
body_length(const struct cgi *c)
{
	struct str length = str_of(variable(c, S("CONTENT_LENGTH")));
	int64_t n;

	if (length.n == 0)
		return variable(c, S("HTTP_TRANSFER_ENCODING")) ? -1 : 0;
	/* What is no number is refused by whoever reads the request. */
	return str_int(length, &n) && n >= 0 ? n : 0;
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

static bool
must_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
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

static bool
holds(const struct cgi *c)
{
	return c->held.n || c->out_of_memfd < c->in_memfd;
}

/* The next piece of what was held, into the empty `down`. */
static void
take_held(struct cgi *c)
{
	int64_t left = c->in_memfd - c->out_of_memfd;
	size_t n = left < PIECE ? (size_t)left : PIECE;
	ssize_t got;

	if (c->held.n) {
		buf_put(&c->down, buf_str(&c->held));
		buf_release(&c->held);
		return;
	}
	got = pread(c->held_fd, buf_room(&c->down, n), n, c->out_of_memfd);
	assert(got > 0);	/* memory, and all of it is there */
	c->down.n = (size_t)got;
	c->out_of_memfd += got;
}

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
	    (c->phase == PHASE_HOLD || !holds(c));

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
	while (write_down(c) && c->phase != PHASE_HOLD && holds(c))
		take_held(c);
	if (c->phase == PHASE_LAST && c->down.n == 0)
		end_output(c);
}

/* --- A fault instead of an answer --------------------------------------- */

/* A whole CGI answer; `lines`: more header lines, each with its end. */
static void
put_fault(const struct cgi_conf *conf, const struct fault *f, struct str id,
    struct str lines, struct buf *out)
{
	struct buf body = BUF_HEAP(LIMIT_ERROR_BYTES);
	int status = conf->status(f);

	conf->write_fault(f, id, &body);
	buf_printf(out, "Status: %d %s\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n", status, reply_reason(status), body.n);
	if (f->retry_ms > 0)
		buf_printf(out, "Retry-After: %lld\r\n",
		    (long long)(f->retry_ms + 999) / 1000);
	buf_put(out, lines);
	buf_put(out, S("\r\n"));
	buf_put(out, buf_str(&body));
	buf_release(&body);
}

/* Headers that are of the call and not of the answer that broke. */
static void
lines_of_call(const struct cgi *c, struct buf *out, struct str *id)
{
	static const struct str stay[] = { STR_INIT("x-request-id:"),
	    STR_INIT("Access-Control-"), STR_INIT("Vary:") };
	struct str rest = buf_str(&c->head);

	while (rest.n) {
		struct str line = str_cut(&rest, '\n');

		for (size_t i = 0; i < countof(stay); i++) {
			if (!str_starts_nocase(line, stay[i]))
				continue;
			if (i == 0)
				*id = str_trim(str_skip(line, stay[0].n));
			buf_put(out, str_trim(line));
			buf_put(out, S("\r\n"));
		}
	}
}

/* The answer is replaced; nothing of it has gone out yet. */
static void
answer_fault(struct cgi *c, enum fault_kind kind, const char *words)
{
	struct buf lines = BUF_HEAP(2 * LIMIT_PARAMS_BYTES);
	struct fault f = { .kind = kind, .text = str_of(words) };
	struct str id = S("");

	lines_of_call(c, &lines, &id);
	buf_clear(&c->held);
	c->out_of_memfd = c->in_memfd;
	put_fault(c->conf, &f, id, buf_str(&lines), &c->down);
	buf_release(&lines);
	c->phase = PHASE_LAST;
}

void
cgi_refuse(const struct cgi_conf *conf, const struct fault *f)
{
	struct buf out = BUF_HEAP(2 * LIMIT_ERROR_BYTES);
	struct buf line = BUF_HEAP(256);
	struct pollfd ready = { .fd = conf->out, .events = POLLOUT };
	char id[ID_CHARS];
	ssize_t n;

	id_make(clock_utc_ms(), id);
	buf_printf(&line, "x-request-id: %.*s\r\n", ID_CHARS, id);
	put_fault(conf, f, str_from(id, ID_CHARS), buf_str(&line), &out);
	while (out.n) {
		n = write(conf->out, out.p, out.n);
		if (n > 0)
			buf_drop(&out, (size_t)n);
		else if (n == 0 || !must_wait() ||
		    poll(&ready, 1, REFUSE_MS) <= 0)
			break;
	}
	buf_release(&out);
	buf_release(&line);
}

/* --- The answer --------------------------------------------------------- */

/* A header's value in the answer's head; p NULL: there is none. */
static struct str
header(const struct cgi *c, struct str name)
{
	struct str rest = buf_str(&c->head);

	while (rest.n) {
		struct str value = str_cut(&rest, '\n');

		if (str_eq_nocase(str_cut(&value, ':'), name))
			return str_trim(value);
	}
	return (struct str){ NULL, 0 };
}

static bool
is_stream(struct str type)
{
	return str_starts_nocase(type, S("text/event-stream")) ||
	    str_starts_nocase(type, S("audio/")) ||
	    str_starts_nocase(type, S("application/octet-stream"));
}

/* Have statuses such as this one no body, and say no length? */
static bool
is_bodiless(struct str status)
{
	return str_starts(status, S("204")) || str_starts(status, S("304"));
}

static bool
hold(struct cgi *c, struct str bytes)
{
	if (c->held_fd < 0) {
		if (buf_put(&c->held, bytes))
			return true;
		c->held.full = false;
		c->held_fd = memfd_create("weir-answer", MFD_CLOEXEC);
	}
	while (c->held_fd >= 0 && bytes.n) {
		ssize_t n = write(c->held_fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		c->in_memfd += n;
		bytes = str_skip(bytes, (size_t)n);
	}
	return bytes.n == 0;
}

/* The header has ended: what becomes of the body? */
static void
head_is_whole(struct cgi *c)
{
	if (!header(c, S("Content-Length")).p &&
	    !is_stream(header(c, S("Content-Type")))) {
		c->phase = PHASE_HOLD;
		return;
	}
	buf_put(&c->down, buf_str(&c->head));
	c->phase = PHASE_PASS;
}

/* Nothing more comes, and it was not the end. */
static void
answer_broke(struct cgi *c)
{
	if (c->phase == PHASE_PASS)
		c->phase = PHASE_LAST;	/* the caller sees where it stops */
	else
		answer_fault(c, FAULT_UP_ERROR, "The answer broke off before "
		    "it was whole; try again.");
}

static void
answer_ended(struct cgi *c)
{
	int64_t n = (int64_t)c->held.n + c->in_memfd;

	if (c->phase == PHASE_HEAD) {
		answer_broke(c);
		return;
	}
	if (c->phase == PHASE_HOLD) {
		buf_put(&c->down, str_from(c->head.p, c->head.n - 2));
		if (!c->is_head && !is_bodiless(header(c, S("Status"))))
			buf_printf(&c->down, "Content-Length: %lld\r\n",
			    (long long)n);
		buf_put(&c->down, S("\r\n"));
	}
	c->phase = PHASE_LAST;
}

static void
take_body(struct cgi *c, struct str bytes)
{
	if (c->phase == PHASE_PASS && !holds(c)) {
		buf_put(&c->down, bytes);
		assert(!c->down.full);
		return;
	}
	if (!hold(c, bytes)) {
		if (c->phase == PHASE_PASS)
			c->phase = PHASE_LAST;
		else
			answer_fault(c, FAULT_BUSY, "The relay has no memory "
			    "left to hold the answer.");
		return;
	}
	/* Too long: what there is goes out, then the rest as it comes. */
	if (c->phase == PHASE_HOLD &&
	    (int64_t)c->held.n + c->in_memfd > HELD_MAX) {
		buf_put(&c->down, buf_str(&c->head));
		c->phase = PHASE_PASS;
	}
}

static void
take_answer(struct cgi *c, struct str bytes)
{
	size_t before = c->head.n, more;
	const char *end;

	if (c->phase == PHASE_HEAD) {
		if (!buf_put(&c->head, bytes)) {
			answer_broke(c);
			return;
		}
		end = memmem(c->head.p, c->head.n, "\r\n\r\n", 4);
		if (!end)
			return;
		c->head.n = (size_t)(end + 4 - c->head.p);
		more = before + bytes.n - c->head.n;
		bytes = str_from(bytes.p + bytes.n - more, more);
		head_is_whole(c);
	}
	if (bytes.n)
		take_body(c, bytes);
}

/* --- Records from the machine ------------------------------------------- */

/* A record's head is there.  False: it is none. */
static bool
begin_record(struct cgi *c)
{
	c->content = (size_t)c->record[4] << 8 | c->record[5];
	c->padding = c->record[6];
	return c->record[0] == 1;
}

static void
take_records(struct cgi *c, struct str rest)
{
	while (rest.n && c->phase < PHASE_LAST) {
		size_t n = c->content ? c->content : c->padding;

		if (c->record_n < RECORD_HEAD_BYTES) {
			c->record[c->record_n++] = (uint8_t)rest.p[0];
			rest = str_skip(rest, 1);
			if (c->record_n < RECORD_HEAD_BYTES)
				continue;
			if (!begin_record(c)) {
				answer_broke(c);
				return;
			}
		} else {
			if (n > rest.n)
				n = rest.n;
			if (c->content && c->record[1] == RECORD_STDOUT)
				take_answer(c, str_from(rest.p, n));
			if (c->content)
				c->content -= n;
			else
				c->padding -= n;
			rest = str_skip(rest, n);
		}
		if (c->content || c->padding)
			continue;
		c->record_n = 0;
		if (c->record[1] == RECORD_END && c->phase < PHASE_LAST)
			answer_ended(c);
	}
}

static void
read_pair(struct cgi *c)
{
	char *bytes = c->worker->peek;
	ssize_t n = recv(c->pair.fd, bytes, LIMIT_SPOOL_MEMORY, MSG_DONTWAIT);

	if (n < 0 && must_wait())
		return;
	if (n > 0)
		take_records(c, str_from(bytes, (size_t)n));
	else
		answer_broke(c);
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
		} else if (must_wait()) {
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
		if (n < 0 && must_wait())
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
	if (!put_request(c)) {
		answer_fault(c, FAULT_HEADERS_TOO_LARGE,
		    "The request's headers are too large.");
	} else if (!connect_machine(c)) {
		log_error("no socket pair for a call: %s", strerror(errno));
		answer_fault(c, FAULT_BUSY, "The relay has no descriptors "
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
	method = variable(c, S("REQUEST_METHOD"));
	c->is_head = method && strcmp(method, "HEAD") == 0;
	c->in_left = body_length(c);
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
