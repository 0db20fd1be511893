/* SPDX-License-Identifier: MIT */
/*
 * httpload.c - load for a web server, and what came of it as one JSON object.
 *
 * Three ways to ask, one way to read.  Closed: N connections ask again as
 * soon as they have their answer.  Open (--rate): requests are due at fixed
 * times and their latency counts from there, so a stall is not hidden by the
 * load waiting for it.  Streams: K requests start one after another, each is
 * read to its end, and each content event is checked for order and for its
 * delay: the mock writes '#number@nanoseconds' into it (same machine, same
 * CLOCK_MONOTONIC).  The first two ways check events too, when asked to
 * (--stream --events).
 *
 * Each thread has its own epoll, connections and histograms; they meet only
 * at the end.  It reads HTTP/1.1 with Content-Length, chunks or close.
 */
#include "tests/tools/hist.h"
#include "tests/tools/text.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>

enum { READ_BYTES = 65536, HEAD_BYTES = 65536, TICK_NS = 100000000 };
enum { MARK_BYTES = 160 };

static struct {
	struct addr addr;
	const char *url, *path;
	struct text *requests; /* one for each key; a connection has its own */
	long keys;
	long connections, threads, rate, count, streams, ramp_us, events;
	long parts; /* of the duration, each with latencies of its own */
	uint64_t duration_ns, timeout_ns, start;
	bool keep, finish;
	bool watch; /* events are checked */
	const char *mark; /* header that tells who answered */
	FILE *errors;
} cfg = { .connections = 64, .threads = 1, .ramp_us = 1000, .keep = true };

enum state {
	IDLE,
	WAITING,
	HEAD,
	SIZED,
	CHUNK_SIZE,
	CHUNK,
	CHUNK_END,
	TRAILER,
	TO_CLOSE
};

struct conn {
	int fd;
	const struct text *request;
	enum state state; /* WAITING: nothing of the answer has come */
	bool want_out, last;
	size_t sent, left; /* of the request; of the body or chunk */
	long status, expect;
	uint64_t due; /* start of the request, or when it should */
	bool done, broken; /* saw [DONE]; saw an error event */
	struct text head, line;
	char mark[MARK_BYTES];
};

struct tally {
	uint64_t requests, bytes, events, opened, unread;
	uint64_t connect, closed, timeout, bad, disorder, no_done, in_stream;
	uint64_t short_of, complete, status[600];
	struct hist latency, first, delay;
	struct hist starting; /* delay while there were streams to start */
	struct hist *part;
};

struct load {
	int epoll_fd, timer_fd, index;
	long conns_n, started, todo;
	struct conn *conns;
	uint64_t now, end, next_tick, interval_ns;
	struct tally t;
	char buf[READ_BYTES];
};

/* ---- asking ------------------------------------------------------------- */

static void
conn_close(struct conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = IDLE;
	c->want_out = false;
}

static void
conn_watch(struct load *l, struct conn *c, bool out)
{
	struct epoll_event e = { .data.ptr = c };

	if (c->want_out == out)
		return;
	c->want_out = out;
	e.events = EPOLLIN | (out ? (unsigned)EPOLLOUT : 0u);
	epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static bool
conn_open(struct load *l, struct conn *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };

	c->fd = addr_connect(&cfg.addr, SOCK_NONBLOCK);
	if (c->fd < 0) {
		l->t.connect++;
		return false;
	}
	l->t.opened++;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
	return true;
}

/* Send as much of the request as goes; the first call may find the socket
 * still connecting, which looks like a full one. */
static void
conn_send(struct load *l, struct conn *c)
{
	ssize_t n;

	while (c->sent < c->request->n) {
		n = send(c->fd, c->request->p + c->sent,
		    c->request->n - c->sent, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
			conn_watch(l, c, true);
			return;
		}
		if (n < 0) {
			/* An early answer may wait behind a reset body. */
			c->sent = c->request->n;
			break;
		}
		c->sent += (size_t)n;
	}
	conn_watch(l, c, false);
}

static void
conn_ask(struct load *l, struct conn *c, uint64_t due)
{
	if (c->fd < 0 && !conn_open(l, c))
		return;
	c->state = WAITING;
	c->sent = 0;
	c->due = due;
	c->last = !cfg.keep;
	c->status = c->expect = 0;
	c->done = c->broken = false;
	c->head.n = c->line.n = 0;
	c->mark[0] = '\0';
	conn_send(l, c);
}

/* When request number n of this thread is due. */
static uint64_t
due_at(const struct load *l, long n)
{
	uint64_t at = cfg.start + (uint64_t)n * l->interval_ns +
	    (uint64_t)l->index * l->interval_ns / (uint64_t)cfg.threads;

	/* Streams that tick in step would come in bursts: spread them. */
	if (cfg.streams)
		at += (uint64_t)n * 2654435761u % (l->interval_ns + 1);
	return at;
}

/* An idle connection takes what there is to do. */
static void
conn_next(struct load *l, struct conn *c)
{
	if (l->now >= l->end || l->started >= l->todo)
		return;
	if (l->interval_ns && due_at(l, l->started) > l->now)
		return;
	conn_ask(l, c, l->interval_ns ? due_at(l, l->started) : l->now);
	if (c->state != IDLE)
		l->started++;
	else if (cfg.streams)
		l->started++; /* counted as a failed connect */
}

/* ---- reading ------------------------------------------------------------ */

/* A line for --errors. */
static void
error_note(const struct load *l, const struct conn *c, const char *why)
{
	if (cfg.errors && why)
		fprintf(cfg.errors,
		    "{\"from\":%llu,\"to\":%llu,\"why\":\"%s\","
		    "\"status\":%ld,\"mark\":\"%s\"}\n",
		    (unsigned long long)c->due, (unsigned long long)l->now,
		    why, c->status, c->mark);
}

/* What is wrong with an answer that came, or NULL. */
static const char *
answer_wrong(const struct conn *c)
{
	if (c->status < 200 || c->status > 299)
		return "status";
	if (!cfg.watch || c->status != 200)
		return NULL;
	if (c->broken)
		return "error event";
	if (!c->done)
		return "no [DONE]";
	return cfg.events && c->expect != cfg.events ? "short" : NULL;
}

static void
answer_end(struct load *l, struct conn *c)
{
	struct tally *t = &l->t;
	const char *wrong = answer_wrong(c);

	t->requests++;
	t->status[c->status]++;
	hist_add(&t->latency, l->now - c->due);
	if (cfg.parts && !wrong && c->due - cfg.start < cfg.duration_ns)
		hist_add(&t->part[(c->due - cfg.start) /
			     (cfg.duration_ns / (uint64_t)cfg.parts + 1)],
		    l->now - c->due);
	if (cfg.watch && c->status == 200) {
		t->no_done += !c->done;
		t->short_of += cfg.events && c->expect != cfg.events;
		t->complete += !wrong;
	}
	error_note(l, c, wrong);
	c->state = IDLE;
	if (c->last || cfg.streams)
		conn_close(c);
	conn_next(l, c);
}

static void
answer_lost(struct load *l, struct conn *c, uint64_t *why)
{
	++*why;
	error_note(l, c, why == &l->t.connect ? "connect"
		: why == &l->t.closed	      ? "closed"
		: why == &l->t.timeout	      ? "timeout"
					      : "unreadable");
	conn_close(c);
	if (why != &l->t.connect)
		conn_next(l, c);
}

static bool
data_is(const char *p, size_t n, const char *begin)
{
	return n >= strlen(begin) && !memcmp(p, begin, strlen(begin));
}

/* A line of Chat Completions' events, or of Anthropic's. */
static void
line_read(struct load *l, struct conn *c, const char *p, size_t n)
{
	static const char mark[] = "\":\"#"; /* "content" or "text" */
	const char *at;
	uint64_t sent;
	char *end;
	long i;

	if (!data_is(p, n, "data: "))
		return;
	p += 6;
	n -= 6;
	if (data_is(p, n, "[DONE]") ||
	    data_is(p, n, "{\"type\":\"message_stop\"")) {
		c->done = true;
		return;
	}
	if (data_is(p, n, "{\"error\"") ||
	    data_is(p, n, "{\"type\":\"error\"")) {
		c->broken = true;
		l->t.in_stream++;
	}
	at = memmem(p, n, mark, sizeof mark - 1);
	if (!at)
		return;
	i = strtol(at + sizeof mark - 1, &end, 10);
	sent = *end == '@' ? strtoull(end + 1, NULL, 10) : 0;
	l->t.disorder += i != c->expect;
	if (!c->expect)
		hist_add(&l->t.first, l->now - c->due);
	c->expect = i + 1;
	l->t.events++;
	if (sent && sent <= l->now) {
		hist_add(&l->t.delay, l->now - sent);
		if (cfg.streams && l->started < l->todo)
			hist_add(&l->t.starting, l->now - sent);
	}
}

/* Body bytes: events are told apart, all else is only counted. */
static void
body_read(struct load *l, struct conn *c, const char *p, size_t n)
{
	const char *end = p + n, *nl;

	l->t.bytes += n;
	if (!cfg.watch)
		return;
	while ((nl = memchr(p, '\n', (size_t)(end - p)))) {
		if (c->line.n) {
			text_put(&c->line, p, (size_t)(nl - p));
			text_put(&c->line, "\n", 1);
			line_read(l, c, c->line.p, c->line.n - 1);
			c->line.n = 0;
		} else {
			line_read(l, c, p, (size_t)(nl - p));
		}
		p = nl + 1;
	}
	text_put(&c->line, p, (size_t)(end - p));
}

static bool
header_is(const char *line, const char *name)
{
	return !strncasecmp(line, name, strlen(name));
}

/* Who answered, as far as it can stand in a line of --errors. */
static void
mark_keep(struct conn *c, const char *v)
{
	size_t n = 0;

	for (; *v && *v != '\r' && n < MARK_BYTES - 1; v++)
		if ((unsigned char)*v >= ' ' && *v != '"' && *v != '\\')
			c->mark[n++] = *v;
	c->mark[n] = '\0';
}

/* The whole head is in c->head: what follows it? False: unreadable. */
static bool
head_read(struct conn *c)
{
	char *p = c->head.p, *v;

	if (c->head.n < 13 || memcmp(p, "HTTP/1.", 7))
		return false;
	c->status = strtol(p + 9, NULL, 10);
	if (c->status < 100 || c->status > 599)
		return false;
	c->state = TO_CLOSE;
	while ((p = strstr(p, "\r\n"))) {
		p += 2;
		v = strchr(p, ':');
		if (!v)
			break;
		v += 1 + strspn(v + 1, " ");
		if (header_is(p, "content-length:")) {
			c->left = strtoull(v, NULL, 10);
			c->state = SIZED;
		} else if (header_is(p, "transfer-encoding:")) {
			c->state = CHUNK_SIZE;
		} else if (header_is(p, "connection:") &&
		    header_is(v, "close")) {
			c->last = true;
		} else if (cfg.mark && header_is(p, cfg.mark) &&
		    p[strlen(cfg.mark)] == ':') {
			mark_keep(c, v);
		}
	}
	if (c->status < 200) /* 100, 103: the real one follows */
		c->state = WAITING;
	if (c->state == TO_CLOSE)
		c->last = true;
	return true;
}

/* Bytes into c->head up to the line that ends with the given tail. */
static const char *
gather(struct conn *c, const char *p, const char *end, const char *tail,
    bool *whole)
{
	size_t tail_n = strlen(tail);

	for (*whole = false; p < end && !*whole;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *to = nl ? nl + 1 : end;

		text_put(&c->head, p, (size_t)(to - p));
		p = to;
		*whole = nl && c->head.n >= tail_n &&
		    !memcmp(c->head.p + c->head.n - tail_n, tail, tail_n);
		if (c->head.n > HEAD_BYTES)
			break;
	}
	if (*whole)
		text_put(&c->head, "", 1); /* now a string */
	return p;
}

/* One piece of the answer from p on; returns what follows, NULL if bad. */
static const char *
answer_piece(struct load *l, struct conn *c, const char *p, const char *end)
{
	size_t n = (size_t)(end - p);
	bool whole;

	switch (c->state) {
	case WAITING:
	case HEAD:
		c->state = HEAD;
		p = gather(c, p, end, "\r\n\r\n", &whole);
		if ((whole && !head_read(c)) || c->head.n > HEAD_BYTES)
			return NULL;
		if (whole)
			c->head.n = 0;
		break;
	case CHUNK_SIZE:
	case CHUNK_END:
	case TRAILER:
		p = gather(c, p, end, "\r\n", &whole);
		if (!whole)
			break;
		if (c->state == TRAILER && c->head.n == 3) {
			c->left = 0; /* the blank line: all was read */
			c->state = SIZED;
		} else if (c->state == CHUNK_END) {
			c->state = CHUNK_SIZE;
		} else if (c->state == CHUNK_SIZE) {
			c->left = strtoull(c->head.p, NULL, 16);
			c->state = c->left ? CHUNK : TRAILER;
		}
		c->head.n = 0;
		break;
	default:
		if (c->state != TO_CLOSE && n > c->left)
			n = c->left;
		body_read(l, c, p, n);
		c->left -= c->state == TO_CLOSE ? 0 : n;
		p += n;
		if (c->state == CHUNK && !c->left)
			c->state = CHUNK_END;
	}
	return p;
}

/* Whatever came: as much of it as there is; what is left over is an error. */
static void
answer_read(struct load *l, struct conn *c, const char *p, size_t n)
{
	const char *end = p + n;

	do {
		p = answer_piece(l, c, p, end);
		if (!p) {
			answer_lost(l, c, &l->t.bad);
			return;
		}
		if (c->state == SIZED && !c->left) {
			if (p < end) {
				l->t.unread++;
				c->last = true;
			}
			answer_end(l, c);
			return;
		}
	} while (p < end);
}

static void
conn_input(struct load *l, struct conn *c)
{
	ssize_t n = recv(c->fd, l->buf, sizeof l->buf, 0);
	int e = errno;

	l->now = now_ns();
	if (n < 0 && e == EAGAIN)
		return;
	if (n > 0 && c->state != IDLE) {
		answer_read(l, c, l->buf, (size_t)n);
	} else if (c->state == IDLE) {
		conn_close(c);
		conn_next(l, c);
	} else if (n == 0 && c->state == TO_CLOSE) {
		answer_end(l, c);
	} else if (n < 0 && (e == ECONNREFUSED || e == ENOENT)) {
		answer_lost(l, c, &l->t.connect);
	} else {
		answer_lost(l, c, &l->t.closed);
	}
}

/* ---- a thread ----------------------------------------------------------- */

/* Ten times a second: give up on what waits too long, restart the idle. */
static void
load_tick(struct load *l)
{
	struct conn *c;

	l->next_tick = l->now + TICK_NS;
	for (long i = 0; i < l->conns_n; i++) {
		c = &l->conns[i];
		if (c->state != IDLE && l->now > c->due + cfg.timeout_ns)
			answer_lost(l, c, &l->t.timeout);
		else if (c->state == IDLE && !l->interval_ns)
			conn_next(l, c);
	}
}

/* Start what is due; streams each have their own connection. */
static void
load_due(struct load *l)
{
	long from = cfg.streams ? l->started : 0;

	if (!l->interval_ns)
		return;
	for (long i = from; i < l->conns_n && l->started < l->todo &&
	     due_at(l, l->started) <= l->now;
	     i++)
		if (l->conns[i].state == IDLE)
			conn_next(l, &l->conns[i]);
}

static bool
load_over(const struct load *l)
{
	if (l->now >= l->end && cfg.duration_ns && !cfg.finish)
		return true;
	if (l->started < l->todo && l->now < l->end)
		return false;
	for (long i = 0; i < l->conns_n; i++)
		if (l->conns[i].state != IDLE)
			return false;
	return true;
}

static void
load_arm(struct load *l)
{
	struct itimerspec when = { 0 };
	uint64_t due = l->next_tick;

	if (l->interval_ns && l->started < l->todo && l->now < l->end &&
	    due_at(l, l->started) < due)
		due = due_at(l, l->started);
	if (due <= l->now) /* overdue, but no connection is free */
		due = l->now + 1000000;
	if (due > l->end && l->now < l->end)
		due = l->end;
	when.it_value.tv_sec = (time_t)(due / 1000000000u);
	when.it_value.tv_nsec = (long)(due % 1000000000u);
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
load_event(struct load *l, const struct epoll_event *e)
{
	struct conn *c = e->data.ptr;

	if (!c || c->fd < 0)
		return;
	if (e->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		conn_input(l, c);
	if (c->fd >= 0 && c->want_out && (e->events & EPOLLOUT))
		conn_send(l, c);
}

static void *
load_run(void *p)
{
	struct load *l = p;
	struct epoll_event events[256], e = { .events = EPOLLIN };
	bool timed = true;
	int n;

	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->timer_fd, &e);
	l->conns = must(calloc((size_t)l->conns_n, sizeof *l->conns));
	l->t.part = must(calloc((size_t)cfg.parts + 1, sizeof *l->t.part));
	for (long i = 0; i < l->conns_n; i++)
		l->conns[i] = (struct conn){
			.fd = -1,
			.request = &cfg.requests[(i * cfg.threads + l->index) %
			    cfg.keys],
		};
	l->end = cfg.duration_ns ? cfg.start + cfg.duration_ns : UINT64_MAX / 2;
	do {
		l->now = now_ns();
		if (l->now >= l->next_tick)
			load_tick(l);
		load_due(l);
		if (timed)
			load_arm(l);
		n = epoll_wait(l->epoll_fd, events, 256, -1);
		l->now = now_ns();
		timed = l->interval_ns > 0;
		for (int i = 0; i < n; i++) {
			timed = timed || !events[i].data.ptr;
			load_event(l, &events[i]);
		}
	} while (!load_over(l));
	return NULL;
}

/* ---- the sum ------------------------------------------------------------ */

static void
tally_add(struct tally *into, const struct tally *t)
{
	const uint64_t *from = &t->requests;
	uint64_t *to = &into->requests;

	for (; to < (uint64_t *)&into->latency; to++, from++)
		*to += *from;
	hist_merge(&into->latency, &t->latency);
	hist_merge(&into->first, &t->first);
	hist_merge(&into->delay, &t->delay);
	hist_merge(&into->starting, &t->starting);
	for (long i = 0; i < cfg.parts; i++)
		hist_merge(&into->part[i], &t->part[i]);
}

#define N(member) (unsigned long long)t->member

static void
tally_print(const struct tally *t, double seconds)
{
	struct rusage use;
	const char *comma = "";

	getrusage(RUSAGE_SELF, &use);
	printf("{\"seconds\":%.3f,\"requests\":%llu,\"rate\":%.1f,"
	       "\"bytes\":%llu,\"opened\":%llu,\"cpu_s\":%.4f,\"status\":{",
	    seconds, N(requests), (double)t->requests / seconds, N(bytes),
	    N(opened),
	    (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
	for (int i = 0; i < 600; i++)
		if (t->status[i]) {
			printf("%s\"%d\":%llu", comma, i, N(status[i]));
			comma = ",";
		}
	printf("},\"errors\":{\"connect\":%llu,\"closed\":%llu,\"timeout\":%llu"
	       ",\"unreadable\":%llu,\"unasked\":%llu}",
	    N(connect), N(closed), N(timeout), N(bad), N(unread));
	hist_print("ms", &t->latency);
	for (long i = 0; i < cfg.parts; i++) {
		char name[32];

		snprintf(name, sizeof name, "part_%ld_ms", i + 1);
		hist_print(name, &t->part[i]);
	}
	if (cfg.watch) {
		printf(",\"streams\":%ld,\"complete\":%llu,\"events\":%llu,"
		       "\"disorder\":%llu,\"no_done\":%llu,\"short\":%llu,"
		       "\"error_events\":%llu",
		    cfg.streams, N(complete), N(events), N(disorder),
		    N(no_done), N(short_of), N(in_stream));
		hist_print("ttfb_ms", &t->first);
		hist_print("delay_ms", &t->delay);
	}
	if (cfg.streams)
		hist_print("starting_ms", &t->starting);
	puts("}");
}

/* ---- main --------------------------------------------------------------- */

static void
help(void)
{
	puts(
	    "usage: httpload [OPTION …] http://HOST:PORT/PATH\n\n"
	    "Asks one web server for the same thing many times; prints one "
	    "JSON object. Times are\nin milliseconds. Exit 0 if every "
	    "request had an answer with a 2xx status (streams:\nand was "
	    "complete, in order), else 1; 2 for wrong usage.\n\n"
	    "how much\n"
	    "  --connections N  keep N requests open at once (64)\n"
	    "  --duration S     for S seconds; or\n"
	    "  --count N        N requests in all\n"
	    "  --rate R         R requests a second on at most --connections; "
	    "latency counts\n                   from when a request was due\n"
	    "  --streams K      K streams instead, each on its own "
	    "connection; --duration, if\n                   given, ends "
	    "them all at once, as callers that leave\n"
	    "  --ramp-us N      start one stream every N microseconds (1000), "
	    "spread at random\n"
	    "  --events N       each stream must bring N content events; with "
	    "--stream each\n                   request is such a stream\n"
	    "  --threads N      (1)     --timeout S  for one request (60)\n"
	    "  --no-keep        a connection for each request\n"
	    "  --finish         at the end of --duration ask no more, but wait "
	    "for the answers\n"
	    "  --parts N        latencies of good answers for each of N parts "
	    "of --duration too\n"
	    "  --errors F       a JSON line in F for each request that failed:"
	    " from, to (ns,\n                   CLOCK_MONOTONIC), why, "
	    "status, mark\n"
	    "  --mark NAME      the answer's header NAME is the mark of such a "
	    "line\n\n"
	    "what\n"
	    "  --key K          Authorization: Bearer K; --key-file F: a key a "
	    "line, shared out\n                   among the connections\n"
	    "  --model M        a chat request for M (mock); with --stream, "
	    "--max-tokens N and\n"
	    "  --body-bytes N   filled up to N bytes (300)\n"
	    "  --body TEXT, --body-file F  this body instead\n"
	    "  --get            no body, method GET\n"
	    "  --header LINE    one more header, may be repeated");
}

static void
body_from(struct text *body, const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		die("cannot open %s: %s", path, strerror(errno));
	do {
		n = fread(text_room(body, READ_BYTES), 1, READ_BYTES, f);
		body->n += n;
	} while (n);
	fclose(f);
}

struct asked {
	struct text body, headers, key;
	const char *model;
	long body_bytes, max_tokens;
	bool stream, get;
};

static void
body_make(struct asked *a)
{
	static const char tail[] = "\"}]}";
	struct text *b = &a->body;

	text_add(b, "{\"model\":\"%s\"", a->model);
	if (a->stream)
		text_say(b, ",\"stream\":true");
	if (a->max_tokens)
		text_add(b, ",\"max_tokens\":%ld", a->max_tokens);
	text_say(b, ",\"messages\":[{\"role\":\"user\",\"content\":\"");
	while (b->n + sizeof tail - 1 < (size_t)a->body_bytes)
		text_put(b, &"word "[b->n % 5], 1);
	text_say(b, tail);
}

static void
request_make(struct text *r, const struct asked *a, const char *key, size_t n)
{
	text_add(r, "%s %s HTTP/1.1\r\nHost: %s\r\n", a->get ? "GET" : "POST",
	    cfg.path, cfg.url);
	if (n)
		text_add(r, "Authorization: Bearer %.*s\r\n", (int)n, key);
	text_put(r, a->headers.p, a->headers.n);
	if (!cfg.keep)
		text_say(r, "Connection: close\r\n");
	if (!a->get)
		text_add(r,
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n",
		    a->body.n);
	text_say(r, "\r\n");
	text_put(r, a->body.p, a->body.n);
}

/* A request for each line of the keys, or one without a key. */
static void
requests_make(struct asked *a)
{
	const char *p, *end, *nl;

	if (!a->key.n)
		text_say(&a->key, "\n");
	p = a->key.p;
	end = p + a->key.n;
	if (!a->body.n && !a->get)
		body_make(a);
	do {
		nl = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
		nl = nl ? nl : end;
		if (nl == p && cfg.keys)
			break;
		cfg.requests = must(realloc(cfg.requests,
		    (size_t)(cfg.keys + 1) * sizeof *cfg.requests));
		cfg.requests[cfg.keys] = (struct text){ 0 };
		request_make(&cfg.requests[cfg.keys++], a, p, (size_t)(nl - p));
		p = nl + 1;
	} while (p < end);
}

static void
url_read(char *url)
{
	char *slash;

	if (strncmp(url, "http://", 7))
		die("the address must begin with http://, not '%s'", url);
	url += 7;
	slash = strchr(url, '/');
	cfg.path = slash ? strdup(slash) : "/";
	if (slash)
		*slash = 0;
	cfg.url = url;
	cfg.addr = addr_parse(url);
}

static long
count(const char *text)
{
	return number("a count", text, 1, 100000000);
}

static long
few(const char *what)
{
	return number(what, optarg, 1, 64);
}

static uint64_t
span(const char *what)
{
	return seconds(what, optarg);
}

static void
options_read(int argc, char **argv, struct asked *a)
{
	static const struct option options[] = {
		{ "connections", 1, 0, 'c' },
		{ "duration", 1, 0, 'd' },
		{ "count", 1, 0, 'n' },
		{ "rate", 1, 0, 'r' },
		{ "streams", 1, 0, 's' },
		{ "ramp-us", 1, 0, 'u' },
		{ "events", 1, 0, 'e' },
		{ "threads", 1, 0, 't' },
		{ "timeout", 1, 0, 'o' },
		{ "no-keep", 0, 0, 'k' },
		{ "key", 1, 0, 'K' },
		{ "key-file", 1, 0, 'F' },
		{ "model", 1, 0, 'm' },
		{ "stream", 0, 0, 'S' },
		{ "max-tokens", 1, 0, 'M' },
		{ "body-bytes", 1, 0, 'B' },
		{ "body", 1, 0, 'b' },
		{ "body-file", 1, 0, 'f' },
		{ "get", 0, 0, 'G' },
		{ "header", 1, 0, 'H' },
		{ "finish", 0, 0, 'i' },
		{ "parts", 1, 0, 'p' },
		{ "errors", 1, 0, 'E' },
		{ "mark", 1, 0, 'a' },
		{ "help", 0, 0, 'h' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		// clang-format off
		switch (o) {
		case 'c': cfg.connections = count(optarg); break;
		case 'n': cfg.count = count(optarg); break;
		case 'r': cfg.rate = count(optarg); break;
		case 's': cfg.streams = count(optarg); break;
		case 'u': cfg.ramp_us = count(optarg); break;
		case 'e': cfg.events = count(optarg); break;
		case 't': cfg.threads = few("--threads"); break;
		case 'd': cfg.duration_ns = span("--duration"); break;
		case 'o': cfg.timeout_ns = span("--timeout"); break;
		case 'k': cfg.keep = false; break;
		case 'K': text_say(&a->key, optarg); break;
		case 'F': body_from(&a->key, optarg); break;
		case 'm': a->model = optarg; break;
		case 'S': a->stream = true; break;
		case 'M': a->max_tokens = count(optarg); break;
		case 'B': a->body_bytes = count(optarg); break;
		case 'b': text_say(&a->body, optarg); break;
		case 'f': body_from(&a->body, optarg); break;
		case 'G': a->get = true; break;
		case 'H': text_add(&a->headers, "%s\r\n", optarg); break;
		case 'i': cfg.finish = true; break;
		case 'p': cfg.parts = number("--parts", optarg, 1, 100); break;
		case 'E': cfg.errors = fopen(optarg, "we"); break;
		case 'a': cfg.mark = optarg; break;
		case 'h': help(); leave(0);
		default: leave(2);
		}
		// clang-format on
		if (o == 'E' && !cfg.errors)
			die("cannot write %s: %s", optarg, strerror(errno));
	}
	if (optind + 1 != argc)
		die("give one address: http://HOST:PORT/PATH (see --help)");
	url_read(argv[optind]);
}

/* The share of total that thread i of n has. */
static long
share(long total, int i)
{
	return total / cfg.threads + (i < total % cfg.threads);
}

static void
loads_run(struct tally *sum)
{
	struct load *l = must(calloc((size_t)cfg.threads, sizeof *l));
	pthread_t *id = must(calloc((size_t)cfg.threads, sizeof *id));
	uint64_t apart = 0;

	if (cfg.streams)
		apart = (uint64_t)cfg.ramp_us * 1000u;
	else if (cfg.rate)
		apart = 1000000000u / (uint64_t)cfg.rate;
	cfg.start = now_ns();
	for (int i = 0; i < cfg.threads; i++) {
		l[i].index = i;
		l[i].interval_ns = apart * (uint64_t)cfg.threads;
		l[i].conns_n =
		    share(cfg.streams ? cfg.streams : cfg.connections, i);
		l[i].todo = cfg.streams ? l[i].conns_n
		    : cfg.count         ? share(cfg.count, i)
					: INT32_MAX;
		if (pthread_create(&id[i], NULL, load_run, &l[i]))
			die("cannot start a thread");
	}
	for (int i = 0; i < cfg.threads; i++) {
		pthread_join(id[i], NULL);
		tally_add(sum, &l[i].t);
	}
}

int
main(int argc, char **argv)
{
	static struct tally sum;
	struct asked a = { .model = "mock", .body_bytes = 300 };
	struct rlimit files;
	uint64_t good = 0;

	cfg.timeout_ns = 60000000000u;
	options_read(argc, argv, &a);
	if (!cfg.duration_ns && !cfg.count && !cfg.streams)
		die("say how much: --duration, --count or --streams");
	if ((cfg.finish || cfg.parts) && !cfg.duration_ns)
		die("--finish and --parts are of a --duration: give one");
	if (cfg.streams)
		a.stream = true;
	cfg.watch = cfg.streams || (a.stream && cfg.events);
	sum.part = must(calloc((size_t)cfg.parts + 1, sizeof *sum.part));
	requests_make(&a);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGPIPE, SIG_IGN);
	loads_run(&sum);
	tally_print(&sum, (double)(now_ns() - cfg.start) / 1e9);
	for (int i = 200; i < 300; i++)
		good += sum.status[i];
	leave(!(good == sum.requests && sum.requests &&
	    !(sum.connect + sum.closed + sum.timeout + sum.bad + sum.unread +
		sum.disorder) &&
	    (!cfg.watch || sum.complete == sum.requests) &&
	    (!cfg.streams || (long)sum.complete == cfg.streams)));
}
