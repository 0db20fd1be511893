/* SPDX-License-Identifier: MIT */
/*
 * talk.c - what is said in one exchange: libcurl's callbacks for the request
 * and the answer.
 *
 * Two things libcurl 7.88 would do are prevented here: sending a request
 * again when a kept connection dies unanswered (before_request), and taking a
 * kept connection on which an answer nobody asked for is waiting
 * (connection_dirty).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/pool.h"
#include "fcgi/transfer.h"

enum {
	KEEP_VALUE_BYTES = 1024		/* a longer header is not looked at */
};

/* --- The answer: callbacks of libcurl ---------------------------------------
 *
 * After each call of the exchange's, t->x tells whether it was cancelled
 * there.  A cancelled transfer swallows what comes until the round's end.
 */

bool
talk_has_control(struct str s)
{
	if (!str_has_control(s))
		return false;
	/* Nearly always that was all; a tab alone is allowed. */
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
	if (value.n <= KEEP_VALUE_BYTES && !talk_has_control(line)) {
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
	transfer_leave_link(t);
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

long
talk_bytes_sent(struct transfer *t)
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

static void
link_join(struct link *k, struct transfer *t)
{
	k->unanswered++;
	t->run.link = k;
	t->run.link_use = k->use;
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
	struct links *all = &t->pool->links;
	long new_connections = 0;
	struct link *k;

	(void)local_ip;
	if (!x || (t->run.asked && talk_bytes_sent(t) > 0))
		return CURL_PREREQFUNC_ABORT;
	transfer_leave_link(t);
	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &new_connections);
	x->reused = new_connections == 0;
	k = x->reused ?
	    link_find(all, remote_ip, remote_port, local_port) :
	    link_name(all, t->run.made, SOCKETS_TRIED, remote_ip, remote_port,
	    local_port);
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

void
talk_set(struct transfer *t)
{
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
}
