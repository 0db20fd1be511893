/* SPDX-License-Identifier: MIT */
/*
 * mockup.c - a mock of an OpenAI-compatible provider, with a truth log.
 *
 * The server: sockets, timers, the log.  Each thread has its own listening
 * socket (SO_REUSEPORT), epoll and timers; nothing is shared but the request
 * counter and the log.  The next step of an answer (mockreply.h) runs when
 * the bytes of the one before have left, so a slow reader holds only its own
 * answer back.  What the answer is comes from names in the request
 * (mockplan.h): there is no state that one test could leave to the next.
 *
 * The truth log (--truth FILE): one JSON object a line, one write(2) each on
 * an O_APPEND descriptor.  A line for each request read whole, and one when
 * its answer was given to the kernel whole or ended early:
 *
 * {"t":MS,"ev":"request","n":N,"rid":"ID"|null,"path":"/v1/chat/completions",
 *  "model":"mock","stream":true,"key":"ab12","bytes":BODY_BYTES}
 * {"t":MS,"ev":"answer","n":N,"rid":"ID"|null,"path":…,"model":…,"key":…,
 *  "status":200,"content":true,"whole":true,"cut":null|"mock"|"caller",
 *  "events":64,"in":20,"out":64,"usage":{…}|null}
 *
 * t: UTC milliseconds.  n: number of the request in this mock's life, joins
 * the two lines.  rid: the request's x-request-id.  key: last four characters
 * of the bearer key.  status 0: no byte of an answer was sent.  content: some
 * of the model's own content was sent.  whole: all of the answer was sent and
 * its framing was right; else cut says who ended it.  events: content events
 * sent.  in, out: the tokens really used (out: the part that was delivered).
 * usage: the usage object exactly as it was sent last, or null.
 */
#include "tests/tools/mockreply.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

enum { FILL_BYTES = 65536, TURNS = 64, INPUT_KEPT = 1 << 20 };

struct conn {
	int fd;
	struct text in;
	size_t sent; /* of r.out */
	bool want_out; /* waits for room in the socket */
	struct reply r;
	uint64_t due; /* timer */
	size_t at; /* its place in the heap, 0: none */
};

struct worker {
	struct addr addr;
	int listen_fd, epoll_fd, timer_fd;
	struct conn **heap; /* 1-based, the soonest first */
	size_t heap_n, heap_room;
	uint64_t armed;
	char scratch[FILL_BYTES];
};

struct mock mock;
static int truth_fd = -1;

/* ---- timers ------------------------------------------------------------ */

static void
heap_put(struct worker *w, size_t at, struct conn *c)
{
	w->heap[at] = c;
	c->at = at;
}

/* Let the entry at that place sink or rise to where it belongs. */
static void
heap_settle(struct worker *w, size_t at)
{
	struct conn *c = w->heap[at];
	size_t kid;

	for (; at > 1 && w->heap[at / 2]->due > c->due; at /= 2)
		heap_put(w, at, w->heap[at / 2]);
	while ((kid = at * 2) <= w->heap_n) {
		if (kid < w->heap_n &&
		    w->heap[kid + 1]->due < w->heap[kid]->due)
			kid++;
		if (w->heap[kid]->due >= c->due)
			break;
		heap_put(w, at, w->heap[kid]);
		at = kid;
	}
	heap_put(w, at, c);
}

static void
timer_stop(struct worker *w, struct conn *c)
{
	size_t at = c->at;

	if (!at)
		return;
	c->at = 0;
	if (at < w->heap_n) {
		heap_put(w, at, w->heap[w->heap_n--]);
		heap_settle(w, at);
	} else {
		w->heap_n--;
	}
}

static void
timer_set(struct worker *w, struct conn *c, uint64_t due)
{
	c->due = due;
	if (!c->at) {
		if (w->heap_n + 2 > w->heap_room) {
			w->heap_room = w->heap_room * 2 + 64;
			w->heap = must(
			    realloc(w->heap, w->heap_room * sizeof *w->heap));
		}
		heap_put(w, ++w->heap_n, c);
	}
	heap_settle(w, c->at);
}

static void
timer_arm(struct worker *w)
{
	struct itimerspec when = { 0 };
	uint64_t due = w->heap_n ? w->heap[1]->due : 0;

	if (due == w->armed)
		return;
	w->armed = due;
	when.it_value.tv_sec = (time_t)(due / 1000000000u);
	when.it_value.tv_nsec = (long)(due % 1000000000u);
	timerfd_settime(w->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* ---- the truth --------------------------------------------------------- */

static void
truth_answer(struct text *t, const struct reply *r)
{
	const struct answer *a = &r->a;

	text_add(t,
	    ",\"status\":%ld,\"content\":%s,\"whole\":%s,\"cut\":", r->status,
	    r->content ? "true" : "false", r->cut ? "false" : "true");
	text_add(t, r->cut ? "\"%s\"" : "null", r->cut);
	text_add(t,
	    ",\"events\":%ld,\"in\":%ld,\"out\":%ld,\"usage\":", a->sent, a->in,
	    answer_out(a));
	if (a->said.n)
		text_put(t, a->said.p, a->said.n);
	else
		text_say(t, "null");
}

static void
truth(const struct reply *r, const char *event)
{
	const struct ask *k = &r->a.ask;
	struct text t = { 0 };
	struct timespec now;

	if (truth_fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	text_add(&t, "{\"t\":%lld,\"ev\":\"%s\",\"n\":%lu,\"rid\":",
	    (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, event,
	    r->a.number);
	text_add(&t, k->id[0] ? "\"%s\"" : "null", k->id);
	text_add(&t, ",\"path\":\"%s\",\"model\":\"%s\",\"key\":\"%s\"",
	    k->where, k->model, k->last4);
	if (*event == 'a')
		truth_answer(&t, r);
	else
		text_add(&t, ",\"stream\":%s,\"bytes\":%zu",
		    k->stream ? "true" : "false", k->body_n);
	text_say(&t, "}\n");
	if (write(truth_fd, t.p, t.n) != (ssize_t)t.n)
		die("cannot write the truth log: %s", strerror(errno));
	text_drop(&t);
}

/* ---- a connection ------------------------------------------------------- */

static void
conn_end(struct worker *w, struct conn *c, bool reset)
{
	if (c->r.phase != READING)
		truth(&c->r, "answer");
	timer_stop(w, c);
	if (reset)
		close_reset(c->fd);
	else
		close(c->fd);
	reply_reset(&c->r);
	text_drop(&c->r.out);
	text_drop(&c->in);
	free(c);
}

static void
conn_watch(struct worker *w, struct conn *c, bool out)
{
	struct epoll_event e = { .data.ptr = c };

	if (c->want_out == out)
		return;
	c->want_out = out;
	e.events = EPOLLIN | (out ? (unsigned)EPOLLOUT : 0u);
	epoll_ctl(w->epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

/* Is a whole request there? Then begin its answer. */
static enum step
conn_read(struct conn *c)
{
	static const char no_length[] =
	    "HTTP/1.1 411 Length Required\r\ncontent-length: 0\r\n"
	    "connection: close\r\n\r\n";
	struct ask *k = &c->r.a.ask;
	size_t n;

	if (!c->in.n)
		return FOREVER;
	if (!k->head_n || k->head.p != c->in.p) {
		switch (ask_head(k, c->in.p, c->in.n)) {
		case -1:
			return CLOSE;
		case 0:
			return FOREVER;
		}
		if (k->chunked) {
			send(c->fd, no_length, sizeof no_length - 1,
			    MSG_NOSIGNAL);
			return CLOSE;
		}
		text_room(&c->in, k->head_n + k->body_n - c->in.n);
		k->head.p = NULL; /* the buffer may have moved: read again */
	}
	n = k->head_n + k->body_n;
	if (c->in.n < n)
		return FOREVER;
	ask_head(k, c->in.p, c->in.n);
	ask_rest(k);
	reply_begin(&c->r);
	truth(&c->r, "request");
	c->in.n -= n;
	memmove(c->in.p, c->in.p + n, c->in.n);
	if (c->in.room > INPUT_KEPT && !c->in.n)
		text_drop(&c->in);
	return GO;
}

/* Send what is there. ENDED: all of it left; else as reply_step says. */
static enum step
conn_send(struct worker *w, struct conn *c)
{
	struct text *out = &c->r.out;
	const struct plan *p = &c->r.a.plan;
	size_t n;
	ssize_t got;

	while (c->sent < out->n) {
		n = out->n - c->sent;
		if (p->piece && n > (size_t)p->piece)
			n = (size_t)p->piece;
		got = send(c->fd, out->p + c->sent, n, MSG_NOSIGNAL);
		if (got < 0 && errno == EAGAIN) {
			conn_watch(w, c, true);
			return FOREVER;
		}
		if (got < 0) {
			c->r.cut = "caller";
			return CLOSE;
		}
		c->sent += (size_t)got;
		if (p->piece_ms) {
			c->r.due = now_ns() + (uint64_t)p->piece_ms * 1000000u;
			return WAIT;
		}
	}
	conn_watch(w, c, false);
	c->sent = 0;
	out->n = 0;
	return ENDED;
}

/* More of what is sent without being a step: fill bytes, then the rest. */
static bool
conn_refill(struct reply *r)
{
	size_t n = r->fill < FILL_BYTES ? r->fill : FILL_BYTES;

	if (n) {
		text_fill(&r->out, r->fill_with, n);
		r->fill -= n;
		return true;
	}
	text_put(&r->out, r->rest.p, r->rest.n);
	n = r->rest.n;
	r->rest.n = 0;
	return n > 0;
}

/* The answer is over: say so in the log and make room for the next. */
static enum step
conn_next(struct conn *c)
{
	truth(&c->r, "answer");
	reply_reset(&c->r);
	return c->r.close_after ? CLOSE : GO;
}

static enum step
conn_step(struct worker *w, struct conn *c)
{
	enum step step = conn_send(w, c);

	if (step != ENDED)
		return step;
	if (conn_refill(&c->r))
		return GO;
	if (c->r.phase == READING)
		return conn_read(c);
	step = reply_step(&c->r);
	return step == ENDED ? conn_next(c) : step;
}

/* Go on as far as it goes; after some turns others have theirs. */
static void
conn_run(struct worker *w, struct conn *c)
{
	enum step step = GO;

	for (int turn = 0; turn < TURNS && step == GO; turn++)
		step = conn_step(w, c);
	if (step == CLOSE || step == RESET)
		conn_end(w, c, step == RESET);
	else if (step != FOREVER)
		timer_set(w, c, step == WAIT ? c->r.due : now_ns());
}

static void
conn_input(struct worker *w, struct conn *c)
{
	ssize_t n = recv(c->fd, w->scratch, sizeof w->scratch, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		text_put(&c->in, w->scratch, (size_t)n);
	if (n <= 0 || (c->r.phase != READING && c->in.n > INPUT_KEPT)) {
		if (c->r.phase != READING && !c->r.cut)
			c->r.cut = "caller";
		conn_end(w, c, false);
	} else if (c->r.phase == READING) {
		conn_run(w, c);
	}
}

/* ---- a thread ----------------------------------------------------------- */

static void
worker_accept(struct worker *w)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct conn *c;
	int fd;

	for (int i = 0; i < 64; i++) {
		fd = accept4(
		    w->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		nodelay(fd);
		c = must(calloc(1, sizeof *c));
		c->fd = fd;
		e.data.ptr = c;
		epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &e);
	}
}

static void
worker_timers(struct worker *w)
{
	uint64_t now = now_ns();
	struct conn *c;

	while (w->heap_n && w->heap[1]->due <= now) {
		c = w->heap[1];
		timer_stop(w, c);
		conn_run(w, c);
	}
	timer_arm(w);
}

static void
worker_event(struct worker *w, const struct epoll_event *e)
{
	struct conn *c = e->data.ptr;
	if (!c) {
		worker_accept(w);
	} else if ((void *)c == (void *)w) {
		w->armed = UINT64_MAX; /* setting it anew clears it */
	} else if (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		conn_input(w, c);
	} else {
		conn_run(w, c);
	}
}

static void *
worker_run(void *p)
{
	struct worker *w = p;
	struct epoll_event e = { .events = EPOLLIN }, events[256];
	int n;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	w->timer_fd =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->listen_fd, &e);
	e.data.ptr = w;
	epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, w->timer_fd, &e);
	for (;;) {
		n = epoll_wait(w->epoll_fd, events, 256, -1);
		for (int i = 0; i < n; i++)
			worker_event(w, &events[i]);
		worker_timers(w);
	}
	return NULL;
}

/* ---- main --------------------------------------------------------------- */

static void
help(void)
{
	puts("usage: mockup [--listen 127.0.0.1:PORT] [--port-file FILE] "
	     "[--truth FILE]\n"
	     "              [--threads N] [--redirect-to URL] [--demo]\n\n"
	     "A mock of an OpenAI-compatible provider. Port 0 (the default) "
	     "lets the kernel\nchoose; the port is printed. Any path prefix "
	     "is taken: POST …/chat/completions,\n…/completions, "
	     "…/embeddings, …/moderations, …/images/generations, "
	     "…/images/edits, …/images/variations,\n…/audio/speech, "
	     "…/audio/transcriptions, …/audio/translations, …/rerank; GET …/models, …/models/ID, …/mock/count "
	     "(requests read so far).\n\n"
	     "  --truth FILE      JSON lines of what really happened; the "
	     "format stands at\n                    the top of mockup.c\n"
	     "  --redirect-to URL where a 3xx answer points "
	     "(http://169.254.169.254/)\n"
	     "  --demo            a demonstration for people without a "
	     "provider's key: every\n                    model answers word "
	     "by word, 35 ms apart, that it is a\n                    "
	     "demonstration; no other behaviour is available. Its usage:\n"
	     "                    prompt = characters / 4, rounded up, + 4 a "
	     "message;\n                    completion = characters / 4, "
	     "rounded up, at most max_tokens.\n\n"
	     "Behaviour is asked for by a name: \"mock\", then words with "
	     "their numbers, joined\nby '-', as in mock-delay-200-u-100-20. "
	     "The name is the model; a segment of the\npath "
	     "(/mock-503/v1/…) and the bearer key (mock-401-key-anything) "
	     "add to it. A\nname that does not begin with mock is answered "
	     "plainly. Default: 11 content\nevents; usage 20 prompt tokens, "
	     "one completion token an event and choice, at\nmost max_tokens "
	     "a choice; u-IN-OUT sets both exactly.\n");
	plan_help();
}

static void
threads_start(const char *listen_on, const char *port_file, int n)
{
	struct addr addr = addr_parse(listen_on);
	struct worker *w = must(calloc((size_t)n, sizeof *w));
	pthread_t id;

	for (int i = 0; i < n; i++) {
		w[i].listen_fd = addr_listen(&addr, 4096);
		fcntl(w[i].listen_fd, F_SETFL, O_NONBLOCK);
	}
	port_tell(&addr, port_file);
	for (int i = 1; i < n; i++)
		if (pthread_create(&id, NULL, worker_run, &w[i]))
			die("cannot start a thread");
	worker_run(&w[0]);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", 1, 0, 'l' },
		{ "port-file", 1, 0, 'p' },
		{ "truth", 1, 0, 't' },
		{ "threads", 1, 0, 'n' },
		{ "demo", 0, 0, 'd' },
		{ "redirect-to", 1, 0, 'r' },
		{ "help", 0, 0, 'h' },
		{ 0 },
	};
	const char *listen_on = "127.0.0.1:0", *port_file = NULL;
	struct rlimit files;
	int threads = 1, o;

	mock.redirect_to = "http://169.254.169.254/";
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'l':
			listen_on = optarg;
			break;
		case 'p':
			port_file = optarg;
			break;
		case 'n':
			threads = (int)number("--threads", optarg, 1, 64);
			break;
		case 'd':
			mock.demo = true;
			break;
		case 'r':
			mock.redirect_to = optarg;
			break;
		case 'h':
			help();
			return 0;
		case 't':
			truth_fd = open(optarg,
			    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
			if (truth_fd < 0)
				die("cannot open %s: %s", optarg,
				    strerror(errno));
			break;
		default:
			return 2;
		}
	}
	if (optind < argc)
		die("mockup takes options only, not '%s'; see --help",
		    argv[optind]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	threads_start(listen_on, port_file, threads);
}
