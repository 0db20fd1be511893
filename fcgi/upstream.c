/* SPDX-License-Identifier: MIT */
/*
 * upstream.c - one HTTP exchange outwards; see upstream.h.
 *
 * libcurl's multi_socket interface on our loop.  A transfer is an easy handle
 * with the exchange it serves; handles are kept for the next exchange, because
 * making one costs more than a small exchange does.  A shard is a multi handle
 * with at most LIMIT_SHARD_TRANSFERS transfers, since starting one costs time
 * for each that runs beside it; the first shard with room is taken, so that
 * the connections of the first ones stay warm.
 *
 * libcurl forbids most calls from inside its callbacks, and ours may come from
 * there.  So starting, resuming and cancelling only mark the transfer (an
 * errand) and are done once, at the end of the loop's round.
 *
 * Three things libcurl 7.88 would do are prevented here: sending a request
 * again when a kept connection dies unanswered (before_request), taking a
 * kept connection on which an answer nobody asked for is waiting
 * (connection_dirty), and waiting for a resolver that hangs (QUICK_EXIT).
 */
#include "fcgi/upstream.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum {
	RECEIVE_BYTES = 16384,		/* a TLS record */
	RECEIVE_SMALL_BYTES = 2048,	/* for streams: some events */
	SEND_BYTES = 65536,
	SEND_SMALL_BYTES = 16384,	/* libcurl's least */
	COPY_BYTES = 16384,		/* a body up to this leaves together
					 * with the head, from a copy */
	KEEP_TRANSFERS = 256,		/* easy handles kept, of each kind */
	KEEP_HEADS_BYTES = 4096,	/* of a kept handle's header store */
	KEEP_VALUE_BYTES = 1024,	/* a longer header is not looked at */
	IDLE_CONNECTION_S = 118,
	DNS_CACHE_S = 60,		/* failures are never kept */
	KEEPALIVE_IDLE_S = 60,
	KEEPALIVE_EVERY_S = 15,
	SOCKETS_TRIED = 4,		/* remembered of those made last */
	LINK_BUCKETS = 1024
};

enum { START = 1, RESUME = 2, NUDGE = 4 };

/* What belongs to one exchange; zeroed for the next. */
struct run {
	size_t body_n, body_at;	/* bytes of the body, and read by libcurl */
	char *copy;		/* a small body, or NULL */
	void *block;		/* URL and request headers */
	struct curl_slist *headers;	/* in the block */
	int head_lines;		/* received, of 1xx and trailers too */
	size_t head_bytes;
	size_t last_head;	/* where the last kept header begins */
	int64_t length;		/* Content-Length, or -1 */
	int status;
	int made[SOCKETS_TRIED];	/* sockets opened for it + 1 */
	int n_made;
	struct link *link;	/* whose answer it waits for, if still ... */
	unsigned link_use;	/* ... in this use */
	bool in_head;		/* the status line has come */
	bool chunked;		/* a Transfer-Encoding was seen */
	bool head_done;		/* x->head was called */
	bool asked;		/* the request began to go out */
	bool paused;
	bool too_large;
	bool dirty;		/* the connection had bytes waiting */
	bool spent;		/* do not keep the handle */
};

struct transfer {
	CURL *easy;
	struct pool *pool;
	struct transfer *next, **prev;	/* among the pool's */
	struct transfer *next_kept;
	struct transfer *next_errand;
	struct shard *shard;		/* it was added to, or NULL */
	struct exchange *x;		/* NULL: none, cancelled or ended */
	unsigned errands;		/* START, RESUME, NUDGE */
	bool queued;			/* is on the list of errands */
	bool small;			/* has small buffers, for ever */
	bool https, private_ca, env_proxy;	/* how it is set */
	struct buf heads;		/* "name: value\n" ... */
	struct run run;
	char why[CURL_ERROR_SIZE];
};

/* A socket of libcurl's, by its descriptor; and a connection, once named. */
struct link {
	struct watch watch;
	struct pool *pool;
	struct shard *shard;
	bool own;		/* we hear of its closing */
	bool idle;		/* libcurl does not wait for it */

	unsigned use;		/* raised when the descriptor is closed */
	int unanswered;		/* requests without the head of an answer */
	bool many;		/* HTTP/2: bytes may come at any time */
	int local_port, remote_port;	/* 0: has no name yet */
	char remote_ip[INET6_ADDRSTRLEN];
	struct link *next_named;
};

struct shard {
	CURLM *multi;
	struct pool *pool;
	struct timer timer;
	int n_transfers;
	bool due;		/* libcurl wants to run at once */
};

struct pool {
	struct loop *loop;
	CURLSH *share;			/* addresses and TLS sessions */
	const curl_version_info_data *curl;
	int max_idle;
	struct shard **shards;
	int n_shards;
	struct link **links;		/* by descriptor */
	int n_links;
	struct link *named[LINK_BUCKETS];	/* by local port */
	int (*tls_pending)(const void *);	/* OpenSSL's, or NULL */
	struct transfer *transfers;	/* all */
	struct transfer *kept[2];	/* free ones, by .small */
	int n_kept[2];
	struct transfer *errands, **errands_end;
	struct post round_end;
	bool round_end_waits;
	struct transfer *ended;		/* while done() runs */
	struct exchange *ended_x;
};

static void
must(CURLcode code)
{
	/* Memory, or an option this libcurl does not know: upstream_init
	 * has looked at its version. */
	assert(code == CURLE_OK && "libcurl refused an option");
}

#define SET(t, option, value) \
	must(curl_easy_setopt((t)->easy, option, value))

/* --- Errands: what is done at the end of the round ---------------------- */

static void
want_round_end(struct pool *p)
{
	if (p->round_end_waits)
		return;
	p->round_end_waits = true;
	loop_defer(p->loop, &p->round_end);
}

static void
errand(struct transfer *t, unsigned what)
{
	struct pool *p = t->pool;

	t->errands |= what;
	if (t->queued)
		return;
	t->queued = true;
	t->next_errand = NULL;
	*p->errands_end = t;
	p->errands_end = &t->next_errand;
	want_round_end(p);
}

/* --- Links: which connection a transfer is on -------------------------------
 *
 * libcurl tells the two ends' addresses of the connection that it took for a
 * request, not its descriptor.  So a connection is named by them when the
 * first request goes over it.
 */

static void socket_ready(struct watch *w, unsigned events);

static struct link *
link_of(struct pool *p, int fd)
{
	assert(fd >= 0);
	if (fd >= p->n_links) {
		int n = p->n_links ? p->n_links : 64;

		while (n <= fd)
			n *= 2;
		p->links = xresize(p->links, sizeof(*p->links) * (size_t)n);
		while (p->n_links < n)
			p->links[p->n_links++] = NULL;
	}
	if (!p->links[fd]) {
		p->links[fd] = xnew(struct link);
		p->links[fd]->pool = p;
		p->links[fd]->watch = (struct watch){ .fd = fd,
		    .ready = socket_ready };
	}
	return p->links[fd];
}

static struct link **
bucket_of(struct pool *p, int local_port)
{
	return &p->named[(unsigned)local_port % LINK_BUCKETS];
}

static void
link_forget_name(struct link *k)
{
	struct link **at = bucket_of(k->pool, k->local_port);

	if (!k->local_port)
		return;
	while (*at != k)
		at = &(*at)->next_named;
	*at = k->next_named;
	k->local_port = 0;
}

static struct link *
link_find(struct pool *p, const char *remote_ip, int remote_port,
    int local_port)
{
	struct link *k = *bucket_of(p, local_port);

	while (k && (k->local_port != local_port ||
	    k->remote_port != remote_port ||
	    strcmp(k->remote_ip, remote_ip) != 0))
		k = k->next_named;
	return k;
}

static int
local_port_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a;
	socklen_t n = sizeof(a);

	if (getsockname(fd, &a.any, &n) < 0)
		return -1;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port :
	    a.v4.sin_port);
}

/* One of the sockets opened for t has become its connection. */
static struct link *
link_name(struct transfer *t, const char *remote_ip, int remote_port,
    int local_port)
{
	for (int i = 0; i < SOCKETS_TRIED; i++) {
		int fd = t->run.made[i] - 1;
		struct link *k = fd < 0 ? NULL : link_of(t->pool, fd);

		if (!k || !k->own || local_port_of(fd) != local_port ||
		    strlen(remote_ip) >= sizeof(k->remote_ip))
			continue;
		link_forget_name(k);
		memcpy(k->remote_ip, remote_ip, strlen(remote_ip) + 1);
		k->remote_port = remote_port;
		k->local_port = local_port;
		k->next_named = *bucket_of(t->pool, local_port);
		*bucket_of(t->pool, local_port) = k;
		return k;
	}
	return NULL;
}

static void
link_join(struct link *k, struct transfer *t)
{
	k->unanswered++;
	t->run.link = k;
	t->run.link_use = k->use;
}

static void
link_leave(struct transfer *t)
{
	struct link *k = t->run.link;

	if (k && k->use == t->run.link_use)
		k->unanswered--;
	t->run.link = NULL;
}

/* --- The answer: callbacks of libcurl ---------------------------------------
 *
 * After each call of the exchange's, t->x tells whether it was cancelled
 * there.  A cancelled transfer swallows what comes until the round's end.
 */

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t')
			return true;
	return s.n && memchr(s.p, 0x7f, s.n) != NULL;
}

static bool
read_status(struct transfer *t, struct str line)
{
	int64_t status;

	if (str_starts(line, S("HTTP/2")) && t->run.link)
		t->run.link->many = true;
	str_cut(&line, ' ');
	if (line.n < 3 || !str_int(str_from(line.p, 3), &status) ||
	    status < 100)
		return false;
	t->run.status = (int)status;
	t->run.in_head = true;
	t->run.chunked = false;
	t->run.length = -1;
	t->run.last_head = 0;
	buf_clear(&t->heads);
	return true;
}

/* Looks at what says how long the body is; false: they contradict. */
static bool
read_framing(struct transfer *t, struct str name, struct str value)
{
	int64_t n;

	if (str_eq_nocase(name, S("transfer-encoding"))) {
		t->run.chunked = true;
	} else if (str_eq_nocase(name, S("content-length"))) {
		if (!str_int(value, &n) || n < 0 ||
		    (t->run.length >= 0 && t->run.length != n))
			return false;
		t->run.length = n;
	}
	return true;
}

static bool
read_header(struct transfer *t, struct str line)
{
	struct str value = line, name = str_cut(&value, ':');

	if (line.p[0] == ' ' || line.p[0] == '\t') {
		/* A folded line: what it belongs to is not kept. */
		t->heads.n = t->run.last_head;
		return true;
	}
	t->run.last_head = t->heads.n;
	name = str_trim(name);
	value = str_trim(value);
	if (!read_framing(t, name, value))
		return false;
	if (value.n <= KEEP_VALUE_BYTES && !has_control(line)) {
		buf_put(&t->heads, name);
		buf_put(&t->heads, S(": "));
		buf_put(&t->heads, value);
		buf_char(&t->heads, '\n');
	}
	return true;
}

/* A body that is out is not needed for the rest of a long stream. */
static void
free_copy(struct transfer *t)
{
	curl_off_t out = 0;

	if (!t->run.copy)
		return;
	curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &out);
	if (out < (curl_off_t)t->run.body_n)
		return;
	free(t->run.copy);
	t->run.copy = NULL;
}

static void
end_head(struct transfer *t)
{
	t->run.in_head = false;
	if (t->run.status < 200)
		return;
	t->run.head_done = true;
	link_leave(t);
	if (t->run.chunked && t->run.length >= 0) {
		/* Two lengths: the other side may see another end of this
		 * answer than we do. */
		SET(t, CURLOPT_FORBID_REUSE, 1L);
		t->run.spent = true;
	}
	free_copy(t);
	t->x->status = t->run.status;
	t->x->head(t->x);
}

/* One line of a head, with its end: of 1xx, of the answer, or a trailer. */
static size_t
take_header(char *p, size_t size, size_t n, void *data)
{
	struct transfer *t = data;
	struct str line = str_from(p, n);

	(void)size;
	if (!t->x)
		return n;
	while (line.n && (p[line.n - 1] == '\n' || p[line.n - 1] == '\r'))
		line.n--;
	t->run.head_bytes += n;
	if (t->run.head_bytes > LIMIT_UP_HEADER_BYTES ||
	    ++t->run.head_lines > LIMIT_UP_HEADERS) {
		t->run.too_large = true;
		return 0;
	}
	if (t->run.head_done)
		return n;
	if (!t->run.in_head)
		return read_status(t, line) ? n : 0;
	if (line.n == 0)
		end_head(t);
	else if (!read_header(t, line))
		return 0;
	return n;
}

static size_t
take_body(char *p, size_t size, size_t n, void *data)
{
	struct transfer *t = data;

	(void)size;
	if (!t->x || n == 0)
		return n;
	if (!t->run.head_done)
		return CURL_WRITEFUNC_ERROR;
	if (t->x->data(t->x, str_from(p, n)) || !t->x)
		return n;
	t->run.paused = true;
	return CURL_WRITEFUNC_PAUSE;
}

/* --- The request: callbacks of libcurl ---------------------------------- */

static void
body_is_out(struct exchange *x)
{
	x->body_taken = true;
	x->sent_us = clock_us();
}

static size_t
give_body(char *p, size_t size, size_t n, void *data)
{
	struct transfer *t = data;
	size_t left = t->run.body_n - t->run.body_at;

	n *= size;
	if (!t->x)
		return CURL_READFUNC_ABORT;
	if (left == 0)
		return 0;
	if (n > left)
		n = left;
	memcpy(p, t->x->body.p + t->run.body_at, n);
	t->run.body_at += n;
	if (n == left)
		body_is_out(t->x);
	return n;
}

/* Going back would be sending a second time. */
static int
seek_body(void *data, curl_off_t offset, int origin)
{
	struct transfer *t = data;

	return offset == 0 && origin == SEEK_SET && t->run.body_at == 0 ?
	    CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static long
bytes_sent(struct transfer *t)
{
	long n = 0;

	curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &n);
	return n;
}

/*
 * Does something wait on a kept HTTP/1 connection before we asked for it?
 * 7.88 would take it for the answer to the next request, which is another
 * caller's.  A close that came just now is found here too.  One that is taken
 * before its first request is answered must speak HTTP/2.
 */
static bool
connection_dirty(struct transfer *t, struct link *k)
{
	struct curl_tlssessioninfo *tls = NULL;
	char byte;

	if (k->many || k->unanswered > 0)
		return false;
	if (recv(k->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	    (errno != EAGAIN && errno != EWOULDBLOCK))
		return true;
	/* Decrypted already: libcurl read no further than the body's end. */
	return t->https && t->pool->tls_pending &&
	    curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &tls) ==
	    CURLE_OK && tls->internals &&
	    tls->backend == CURLSSLBACKEND_OPENSSL &&
	    t->pool->tls_pending(tls->internals) > 0;
}

/*
 * libcurl has a connection and is about to write the request: for the first
 * time, or once more because a kept connection died without an answer.  The
 * second is right only when nothing went out the first time.
 */
static int
before_request(void *data, char *remote_ip, char *local_ip, int remote_port,
    int local_port)
{
	struct transfer *t = data;
	struct exchange *x = t->x;
	long new_connections = 0;
	struct link *k;

	(void)local_ip;
	if (!x || (t->run.asked && bytes_sent(t) > 0))
		return CURL_PREREQFUNC_ABORT;
	link_leave(t);
	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &new_connections);
	x->reused = new_connections == 0;
	k = x->reused ? link_find(t->pool, remote_ip, remote_port, local_port)
	    : link_name(t, remote_ip, remote_port, local_port);
	if (x->reused && (!k || connection_dirty(t, k))) {
		t->run.dirty = true;
		return CURL_PREREQFUNC_ABORT;
	}
	if (k)
		link_join(k, t);
	t->run.asked = true;
	x->sent = true;
	if (t->run.copy || t->run.body_n == 0)
		body_is_out(x);
	return CURL_PREREQFUNC_OK;
}

/* --- Sockets and time --------------------------------------------------- */

static void finish_transfers(struct shard *s);

static void
run_shard(struct shard *s, int fd, int what)
{
	int running;

	curl_multi_socket_action(s->multi, fd, what, &running);
	finish_transfers(s);
}

static void
socket_ready(struct watch *w, unsigned events)
{
	struct link *k = holder(w, struct link, watch);

	if (k->idle) {
		/* The other side closed it or talks unasked: libcurl will
		 * see to that before it uses it again. */
		loop_watch(k->pool->loop, w, 0);
		return;
	}
	run_shard(k->shard, w->fd,
	    (events & LOOP_READ ? CURL_CSELECT_IN : 0) |
	    (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

/*
 * Before 8.4, when an address does not answer, libcurl means to try the next
 * one and then forgets to until the whole time is up.
 */
static void
maybe_nudge(CURL *easy)
{
	struct transfer *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	if (t && t->x && !t->run.asked && t->pool->curl->version_num < 0x080400)
		errand(t, NUDGE);
}

/*
 * What libcurl wants to know of a socket.  At the end of an exchange it wants
 * nothing more of a connection that it keeps, and at the next one the same as
 * before: so the watch stays, which saves two system calls an exchange.
 */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *unused)
{
	struct shard *s = data;
	struct link *k = link_of(s->pool, fd);

	(void)unused;
	if (what == CURL_POLL_REMOVE && k->own)
		maybe_nudge(easy);
	k->shard = s;
	k->idle = what == CURL_POLL_REMOVE;
	if (!k->idle)
		loop_watch(s->pool->loop, &k->watch,
		    (what & CURL_POLL_IN ? LOOP_READ : 0) |
		    (what & CURL_POLL_OUT ? LOOP_WRITE : 0));
	else if (!k->own || k->watch.events != LOOP_READ)
		loop_watch(s->pool->loop, &k->watch, 0);
	return 0;
}

static int
socket_made(void *data, curl_socket_t fd, curlsocktype type)
{
	struct transfer *t = data;
	struct link *k = link_of(t->pool, fd);


	(void)type;
	/* libcurl means to send again: spare the connection. */
	if (t->run.asked && bytes_sent(t) > 0)
		return CURL_SOCKOPT_ERROR;
	loop_watch(k->pool->loop, &k->watch, 0);
	k->own = true;
	t->run.made[t->run.n_made++ % SOCKETS_TRIED] = fd + 1;
	maybe_nudge(t->easy);
	return CURL_SOCKOPT_OK;
}

static int
close_socket(void *data, curl_socket_t fd)
{
	struct link *k = link_of(data, fd);

	loop_watch(k->pool->loop, &k->watch, 0);
	link_forget_name(k);
	k->own = k->many = false;
	k->unanswered = 0;
	k->use++;
	return close(fd);
}

static void
time_is_up(struct timer *timer)
{
	run_shard(holder(timer, struct shard, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int
set_timer(CURLM *multi, long ms, void *data)
{
	struct shard *s = data;

	(void)multi;
	s->due = ms == 0;
	if (ms > 0)
		loop_timer(s->pool->loop, &s->timer, ms);
	else
		loop_clear(s->pool->loop, &s->timer);
	if (s->due)
		want_round_end(s->pool);
	return 0;
}

/* --- Shards ------------------------------------------------------------- */

static struct shard *
shard_new(struct pool *p, long max_idle)
{
	struct shard *s = xnew(struct shard);

	s->pool = p;
	s->timer.fire = time_is_up;
	s->multi = curl_multi_init();
	assert(s->multi);
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
	curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, max_idle);
	curl_multi_setopt(s->multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
	    (long)LIMIT_H2_STREAMS);
	return s;
}

/* The first one with room.  Idle connections are shared out in that order. */
static struct shard *
shard_with_room(struct pool *p)
{
	long idle = p->max_idle;

	for (int i = 0; i < p->n_shards; i++) {
		if (p->shards[i]->n_transfers < LIMIT_SHARD_TRANSFERS)
			return p->shards[i];
		idle -= 2 * LIMIT_SHARD_TRANSFERS;
	}
	if (idle > 2 * LIMIT_SHARD_TRANSFERS)
		idle = 2 * LIMIT_SHARD_TRANSFERS;
	p->shards = xresize(p->shards, sizeof(*p->shards) *
	    (size_t)(p->n_shards + 1));
	/* 0 would be libcurl's own idea of a number. */
	return p->shards[p->n_shards++] = shard_new(p, idle < 4 ? 4 : idle);
}

static void
shard_free(struct shard *s)
{
	curl_multi_cleanup(s->multi);
	loop_clear(s->pool->loop, &s->timer);
	free(s);
}

/* --- Transfers ---------------------------------------------------------- */

static void
set_roots(struct transfer *t, const char *file)
{
	const curl_version_info_data *v = t->pool->curl;

	/* libcurl keeps parsed roots (15 ms of work) only without a path. */
	SET(t, CURLOPT_CAINFO, file ? file : v->cainfo);
	SET(t, CURLOPT_CAPATH, file || v->cainfo ? NULL : v->capath);
	t->private_ca = file != NULL;
}

static void
set_env_proxy(struct transfer *t, bool on)
{
	SET(t, CURLOPT_PROXY, on ? NULL : "");
	SET(t, CURLOPT_NOPROXY, on ? NULL : "*");
	t->env_proxy = on;
}

/*
 * HTTP/2 is only spoken where TLS has agreed on it; waiting for an open
 * connection to see whether it takes more streams makes sense only there.
 */
static void
set_https(struct transfer *t, bool on)
{
	bool h2 = on && (t->pool->curl->features & CURL_VERSION_HTTP2);

	SET(t, CURLOPT_HTTP_VERSION, h2 ? (long)CURL_HTTP_VERSION_2TLS :
	    (long)CURL_HTTP_VERSION_1_1);
	SET(t, CURLOPT_PIPEWAIT, h2 ? 1L : 0L);
	t->https = on;
}

/* What is the same for every exchange. */
static void
set_for_ever(struct transfer *t)
{
	SET(t, CURLOPT_PRIVATE, t);
	SET(t, CURLOPT_ERRORBUFFER, t->why);
	SET(t, CURLOPT_SHARE, t->pool->share);
	SET(t, CURLOPT_NOSIGNAL, 1L);
	SET(t, CURLOPT_QUICK_EXIT, 1L);
	/* Never changed later: 7.88 may keep a buffer of the old size. */
	SET(t, CURLOPT_BUFFERSIZE,
	    t->small ? (long)RECEIVE_SMALL_BYTES : (long)RECEIVE_BYTES);
	SET(t, CURLOPT_UPLOAD_BUFFERSIZE,
	    t->small ? (long)SEND_SMALL_BYTES : (long)SEND_BYTES);

	SET(t, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(t, CURLOPT_FOLLOWLOCATION, 0L);
	SET(t, CURLOPT_HTTP09_ALLOWED, 0L);
	SET(t, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(t, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(t, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(t, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(t, CURLOPT_SSL_VERIFYHOST, 2L);
	SET(t, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
	SET(t, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_S);
	SET(t, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(t, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_S);
	SET(t, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_EVERY_S);

	SET(t, CURLOPT_HEADERFUNCTION, take_header);
	SET(t, CURLOPT_HEADERDATA, t);
	SET(t, CURLOPT_WRITEFUNCTION, take_body);
	SET(t, CURLOPT_WRITEDATA, t);
	SET(t, CURLOPT_READFUNCTION, give_body);
	SET(t, CURLOPT_READDATA, t);
	SET(t, CURLOPT_SEEKFUNCTION, seek_body);
	SET(t, CURLOPT_SEEKDATA, t);
	SET(t, CURLOPT_PREREQFUNCTION, before_request);
	SET(t, CURLOPT_PREREQDATA, t);
	SET(t, CURLOPT_SOCKOPTFUNCTION, socket_made);
	SET(t, CURLOPT_SOCKOPTDATA, t);
	SET(t, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(t, CURLOPT_CLOSESOCKETDATA, t->pool);
}

static struct transfer *
transfer_new(struct pool *p, bool small)
{
	struct transfer *t = xnew(struct transfer);

	t->pool = p;
	t->small = small;
	t->heads = BUF_HEAP(LIMIT_UP_HEADER_BYTES);
	t->easy = curl_easy_init();
	assert(t->easy);
	t->next = p->transfers;
	t->prev = &p->transfers;
	if (t->next)
		t->next->prev = &t->next;
	p->transfers = t;
	set_for_ever(t);
	set_https(t, false);
	set_roots(t, NULL);
	set_env_proxy(t, false);
	return t;
}

static struct transfer *
transfer_take(struct pool *p, bool small)
{
	struct transfer *t = p->kept[small];

	if (!t)
		return transfer_new(p, small);
	p->kept[small] = t->next_kept;
	p->n_kept[small]--;
	return t;
}

/*
 * Bytes that wait in a paused transfer are taken out first: on a connection
 * that others use too, 7.88 would never free them.
 */
static void
transfer_detach(struct transfer *t)
{
	if (!t->shard)
		return;
	if (t->run.paused && !t->x)
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
	link_leave(t);
	curl_multi_remove_handle(t->shard->multi, t->easy);
	t->shard->n_transfers--;
	t->shard = NULL;
}

static void
run_release(struct transfer *t)
{
	free(t->run.copy);
	free(t->run.block);
	t->run = (struct run){ .length = -1 };
	buf_clear(&t->heads);
	if (t->heads.room > KEEP_HEADS_BYTES)
		buf_release(&t->heads);
}

static void
transfer_free(struct transfer *t)
{
	transfer_detach(t);
	curl_easy_cleanup(t->easy);
	run_release(t);
	buf_release(&t->heads);
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	free(t);
}

/* It serves nobody any more: kept for the next exchange, or freed. */
static void
transfer_retire(struct transfer *t)
{
	struct pool *p = t->pool;

	assert(!t->x && !t->shard && !t->queued);
	if (t->run.spent || p->n_kept[t->small] >= KEEP_TRANSFERS) {
		transfer_free(t);
		return;
	}
	run_release(t);
	t->next_kept = p->kept[t->small];
	p->kept[t->small] = t;
	p->n_kept[t->small]++;
}

/* --- Starting ----------------------------------------------------------- */

static bool
has_header(const struct exchange *x, struct str name)
{
	for (int i = 0; i < x->n_headers; i++)
		if (str_starts_nocase(x->headers[i], name))
			return true;
	return false;
}

/* The list that libcurl wants, and the URL, in one block of memory. */
static const char *
make_block(struct transfer *t, const struct exchange *x)
{
	struct str extra[3] = { S("Expect:") };
	int n_extra = 1, n;
	size_t size = x->url.n + 1;
	struct curl_slist *list;
	char *p;

	if (!has_header(x, S("accept-encoding:")))
		extra[n_extra++] = S("Accept-Encoding: identity");
	if (!has_header(x, S("content-type:")))
		extra[n_extra++] = S("Content-Type:");
	n = x->n_headers + n_extra;
	for (int i = 0; i < n; i++)
		size += sizeof(*list) + 1 + (i < n_extra ? extra[i].n :
		    x->headers[i - n_extra].n);
	t->run.block = list = xalloc(size);
	p = (char *)(list + n);
	for (int i = 0; i < n; i++) {
		struct str s = i < n_extra ? extra[i] :
		    x->headers[i - n_extra];

		assert(!has_control(s) && memchr(s.p, ':', s.n));
		list[i].data = memcpy(p, s.p, s.n);
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
		p += s.n + 1;
	}
	t->run.headers = list;
	assert(!memchr(x->url.p, '\0', x->url.n));
	return memcpy(p, x->url.p, x->url.n);
}

static void
set_body(struct transfer *t, const struct exchange *x)
{
	const char *fields = x->body.n ? NULL : "";

	t->run.body_n = x->body.n;
	if (x->body.n && x->body.n <= COPY_BYTES)
		fields = t->run.copy = memcpy(xalloc(x->body.n), x->body.p,
		    x->body.n);
	SET(t, CURLOPT_POST, 1L);
	SET(t, CURLOPT_POSTFIELDS, fields);
	SET(t, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.n);
}

static void
set_method(struct transfer *t, const struct exchange *x)
{
	bool get = strcmp(x->method, "GET") == 0;
	bool head = strcmp(x->method, "HEAD") == 0;

	SET(t, CURLOPT_HTTPGET, 1L);
	if (head)
		SET(t, CURLOPT_NOBODY, 1L);
	else if (!get || x->body.n)
		set_body(t, x);
	SET(t, CURLOPT_CUSTOMREQUEST, strcmp(x->method, "POST") == 0 || head ||
	    (get && !x->body.n) ? NULL : x->method);
}

static void
set_exchange(struct transfer *t, const struct exchange *x)
{
	bool https = str_starts_nocase(x->url, S("https:"));

	SET(t, CURLOPT_URL, make_block(t, x));
	SET(t, CURLOPT_HTTPHEADER, t->run.headers);
	set_method(t, x);
	SET(t, CURLOPT_CONNECTTIMEOUT_MS, (long)x->connect_ms);
	if (t->https != https)
		set_https(t, https);
	if (x->ca_file.n) {
		char *file = xalloc(x->ca_file.n + 1);

		memcpy(file, x->ca_file.p, x->ca_file.n);
		set_roots(t, file);
		free(file);
	} else if (t->private_ca) {
		set_roots(t, NULL);
	}
	if (t->env_proxy != x->env_proxy)
		set_env_proxy(t, x->env_proxy);
}

static void end_exchange(struct transfer *t, enum exchange_end end);

static void
begin(struct transfer *t)
{
	struct shard *s = shard_with_room(t->pool);
	CURLMcode code;

	if (!t->run.block)
		set_exchange(t, t->x);
	t->why[0] = '\0';
	code = curl_multi_add_handle(s->multi, t->easy);
	if (code != CURLM_OK) {
		snprintf(t->why, sizeof(t->why), "%s",
		    curl_multi_strerror(code));
		t->run.spent = true;
		end_exchange(t, EXCHANGE_REFUSED);
		return;
	}
	t->shard = s;
	s->n_transfers++;
}

/* --- Ending ------------------------------------------------------------- */

/* Nothing was sent: what was in the way? */
static enum exchange_end
why_not_sent(struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EXCHANGE_DNS;
	case CURLE_OPERATION_TIMEDOUT:
		/* Only its words tell this from waiting for the handshake of
		 * a connection that is to be shared. */
		return str_starts(str_of(t->why), S("Resolving")) ?
		    EXCHANGE_DNS : EXCHANGE_CONNECT_LATE;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_USE_SSL_FAILED:
		return EXCHANGE_TLS;
	default:
		return EXCHANGE_REFUSED;
	}
}

/* When in doubt, something was sent. */
static enum exchange_end
judge(struct transfer *t, CURLcode code)
{
	struct exchange *x = t->x;

	if (code == CURLE_OK && t->run.head_done)
		return EXCHANGE_DONE;
	t->run.spent = true;
	if (t->why[0] == '\0')
		snprintf(t->why, sizeof(t->why), "%s", code == CURLE_OK ?
		    "the answer's head is cut" : curl_easy_strerror(code));
	/* One header beyond libcurl's own limit: it has no better name. */
	if (t->run.too_large ||
	    (code == CURLE_OUT_OF_MEMORY && t->run.asked &&
	    !t->run.head_done))
		return EXCHANGE_TOO_LARGE;
	if (x->sent && bytes_sent(t) == 0)
		x->sent = false;
	return x->sent ? EXCHANGE_BROKE : why_not_sent(t, code);
}

static void
end_exchange(struct transfer *t, enum exchange_end end)
{
	struct pool *p = t->pool;
	struct exchange *x = t->x;

	assert(!p->ended);
	transfer_detach(t);
	t->x = NULL;
	x->private = NULL;
	p->ended = t;
	p->ended_x = x;
	x->done(x, end);
	p->ended = NULL;
	p->ended_x = NULL;
	if (!t->queued)		/* else its errand sees to it */
		transfer_retire(t);
}

/*
 * The kept connection was not fit for use, and is closed by now: once more,
 * over a new one.
 */
static void
begin_afresh(struct transfer *t)
{
	transfer_detach(t);
	t->run.dirty = false;
	t->run.spent = true;
	SET(t, CURLOPT_FRESH_CONNECT, 1L);
	errand(t, START);
}

static void
finish_transfers(struct shard *s)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
		CURLcode code = m->data.result;
		struct transfer *t;

		assert(m->msg == CURLMSG_DONE);
		must(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t));
		if (!t->x)
			continue;	/* cancelled: its errand waits */
		if (t->run.dirty)
			begin_afresh(t);
		else
			end_exchange(t, judge(t, code));
	}
}

/* A cancelled transfer. */
static void
drop(struct transfer *t)
{
	if (t->shard)
		t->run.spent = true;
	transfer_detach(t);
	transfer_retire(t);
}

static void
resume(struct transfer *t)
{
	CURLcode code;

	if (!t->run.paused)
		return;
	t->run.paused = false;
	code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
	if (code != CURLE_OK && t->x)
		end_exchange(t, judge(t, code));
}

/* Leaving a pause is libcurl's only way to run one transfer soon. */
static void
nudge(struct transfer *t)
{
	if (!t->shard || t->run.asked)
		return;
	curl_easy_pause(t->easy, CURLPAUSE_SEND);
	curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

static void
at_round_end(struct post *post)
{
	struct pool *p = holder(post, struct pool, round_end);
	struct transfer *t = p->errands, *next;

	p->round_end_waits = false;
	p->errands = NULL;
	p->errands_end = &p->errands;
	for (; t; t = next) {
		unsigned what = t->errands;

		next = t->next_errand;
		t->queued = false;
		t->errands = 0;
		if (!t->x)
			drop(t);
		else if (what & START)
			begin(t);
		else if (what & RESUME)
			resume(t);
		else
			nudge(t);
	}
	for (int i = 0; i < p->n_shards; i++)
		if (p->shards[i]->due) {
			p->shards[i]->due = false;
			run_shard(p->shards[i], CURL_SOCKET_TIMEOUT, 0);
		}
}

/* --- The door ----------------------------------------------------------- */

void
exchange_start(struct pool *p, struct exchange *x)
{
	struct transfer *t;

	assert(!x->private && x->method && x->head && x->data && x->done);
	t = transfer_take(p, x->small_buffer);
	t->run.length = -1;
	t->x = x;
	x->private = t;
	x->pool = p;
	x->status = 0;
	x->sent = x->reused = x->body_taken = false;
	x->sent_us = 0;
	errand(t, START);
}

void
exchange_resume(struct exchange *x)
{
	if (x->private)
		errand(x->private, RESUME);
}

void
exchange_cancel(struct exchange *x)
{
	struct transfer *t = x->private;

	if (!t)
		return;
	assert(t->x == x);
	t->x = NULL;
	x->private = NULL;
	errand(t, 0);
}

static struct transfer *
transfer_of(const struct exchange *x)
{
	if (!x->private && x->pool && x->pool->ended_x == x)
		return x->pool->ended;
	return x->private;
}

struct str
exchange_header(const struct exchange *x, const char *name)
{
	struct transfer *t = transfer_of(x);
	struct str rest = t ? buf_str(&t->heads) : (struct str){ 0 };

	while (rest.n) {
		struct str value = str_cut(&rest, '\n');

		if (str_eq_nocase(str_cut(&value, ':'), str_of(name)))
			return str_skip(value, 1);
	}
	return (struct str){ 0 };
}

struct str
exchange_why(const struct exchange *x)
{
	struct transfer *t = transfer_of(x);

	return t ? str_of(t->why) : (struct str){ 0 };
}

const char *
exchange_end_name(enum exchange_end end)
{
	static const char *const names[] = {
		[EXCHANGE_DONE] = "done",
		[EXCHANGE_REFUSED] = "refused",
		[EXCHANGE_DNS] = "no address",
		[EXCHANGE_TLS] = "TLS failed",
		[EXCHANGE_CONNECT_LATE] = "connect time-out",
		[EXCHANGE_BROKE] = "broke",
		[EXCHANGE_TOO_LARGE] = "headers too large",
		[EXCHANGE_CANCELLED] = "cancelled",
	};

	assert((size_t)end < countof(names));
	return names[end];
}

struct pool *
pool_new(struct loop *l, int max_idle)
{
	struct pool *p = xnew(struct pool);

	p->loop = l;
	p->max_idle = max_idle;
	p->errands_end = &p->errands;
	p->round_end.run = at_round_end;
	p->curl = curl_version_info(CURLVERSION_NOW);
	/* libcurl has it loaded; no call of ours would need it otherwise. */
	*(void **)&p->tls_pending = dlsym(RTLD_DEFAULT, "SSL_pending");
	p->share = curl_share_init();
	assert(p->share);
	/* Of one thread alone: no locks are needed. */
	curl_share_setopt(p->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
	curl_share_setopt(p->share, CURLSHOPT_SHARE,
	    CURL_LOCK_DATA_SSL_SESSION);
	return p;
}

void
pool_free(struct pool *p)
{
	if (!p)
		return;
	assert(!p->ended);
	for (struct transfer *t = p->transfers; t; t = t->next) {
		if (t->x)
			t->x->private = NULL;
		t->x = NULL;
	}
	while (p->transfers)
		transfer_free(p->transfers);
	for (int i = 0; i < p->n_shards; i++)
		shard_free(p->shards[i]);
	curl_share_cleanup(p->share);
	loop_undefer(p->loop, &p->round_end);
	for (int i = 0; i < p->n_links; i++)
		free(p->links[i]);
	free(p->links);
	free(p->shards);
	free(p);
}

bool
upstream_init(void)
{
	const curl_version_info_data *v;
	CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

	if (code != CURLE_OK) {
		log_error("libcurl cannot be used: %s",
		    curl_easy_strerror(code));
		return false;
	}
	/* OpenSSL writes to sockets without MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	v = curl_version_info(CURLVERSION_NOW);
	if (v->version_num < 0x075700) {
		log_error("libcurl %s is too old: install 7.87 or later",
		    v->version);
		return false;
	}
	if (!(v->features & CURL_VERSION_ASYNCHDNS) ||
	    !(v->features & CURL_VERSION_SSL)) {
		log_error("libcurl %s was built without %s: install one "
		    "that has it", v->version,
		    v->features & CURL_VERSION_SSL ?
		    "a resolver that does not block" : "TLS");
		return false;
	}
	if (!(v->features & CURL_VERSION_HTTP2))
		log_warn("libcurl %s has no HTTP/2: each running call takes "
		    "a connection of its own", v->version);
	return true;
}
