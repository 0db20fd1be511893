/* SPDX-License-Identifier: MIT */
/*
 * transfer.c - one easy handle: how it is set, and kept; see transfer.h.
 *
 * Waiting for a resolver that hangs, which libcurl 7.88 would do, is
 * prevented here (QUICK_EXIT).
 */
#include "fcgi/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/pool.h"

enum {
	RECEIVE_BYTES = 16384,		/* a TLS record */
	RECEIVE_SMALL_BYTES = 2048,	/* for streams: some events */
	SEND_BYTES = 65536,
	SEND_SMALL_BYTES = 16384,	/* libcurl's least */
	COPY_BYTES = 16384,		/* a body up to this leaves together
					 * with the head, from a copy */
	KEEP_TRANSFERS = 256,		/* easy handles kept, of each kind */
	KEEP_HEADS_BYTES = 4096,	/* of a kept handle's header store */
	IDLE_CONNECTION_S = 118,
	DNS_CACHE_S = 60,		/* failures are never kept */
	KEEPALIVE_IDLE_S = 60,
	KEEPALIVE_EVERY_S = 15
};

/* Instead of those libcurl was built to look for; set before all threads. */
static const char *roots;

void
upstream_roots(const char *file)
{
	roots = file && *file ? file : NULL;
}

static void
set_roots(struct transfer *t, const char *file)
{
	const curl_version_info_data *v = t->pool->curl;

	/* libcurl keeps parsed roots (15 ms of work) only without a path. */
	SET(t, CURLOPT_CAINFO, file ? file : roots ? roots : v->cainfo);
	SET(t, CURLOPT_CAPATH, file || roots || v->cainfo ? NULL : v->capath);
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

	SET(t, CURLOPT_SOCKOPTFUNCTION, shard_socket_made);
	SET(t, CURLOPT_SOCKOPTDATA, t);
	SET(t, CURLOPT_CLOSESOCKETFUNCTION, shard_socket_close);
	SET(t, CURLOPT_CLOSESOCKETDATA, t->pool);
	talk_set(t);
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

struct transfer *
transfer_take(struct pool *p, bool small)
{
	struct transfer *t = p->kept[small];

	if (!t)
		return transfer_new(p, small);
	p->kept[small] = t->next_kept;
	p->n_kept[small]--;
	return t;
}

void
transfer_leave_link(struct transfer *t)
{
	struct link *k = t->run.link;

	if (k && k->use == t->run.link_use)
		k->unanswered--;
	t->run.link = NULL;
}

/*
 * Bytes that wait in a paused transfer are taken out first: on a connection
 * that others use too, 7.88 would never free them.
 */
void
transfer_detach(struct transfer *t)
{
	if (!t->shard)
		return;
	if (t->run.paused && !t->x)
		curl_easy_pause(t->easy, CURLPAUSE_CONT);
	transfer_leave_link(t);
	curl_multi_remove_handle(t->shard->multi, t->easy);
	t->shard->n_transfers--;
	t->shard = NULL;
}

static void
run_release(struct transfer *t)
{
	free(t->run.copy);
	if (t->run.block)
		explicit_bzero(t->run.block, t->run.block_n);
	free(t->run.block);
	t->run = (struct run){ .length = -1 };
	buf_clear(&t->heads);
	if (t->heads.room > KEEP_HEADS_BYTES)
		buf_release(&t->heads);
}

void
transfer_free(struct transfer *t)
{
	transfer_detach(t);
	curl_easy_cleanup(t->easy);
	curl_url_cleanup(t->parts);
	free(t->url);
	run_release(t);
	buf_release(&t->heads);
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	free(t);
}

void
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
/* --- What one exchange asks for ----------------------------------------- */

static bool
has_header(const struct exchange *x, struct str name)
{
	for (int i = 0; i < x->n_headers; i++)
		if (str_starts_nocase(x->headers[i], name))
			return true;
	return false;
}

/*
 * Parsing a URL and writing it out again costs libcurl as much as taking a kept
 * connection, and most handles are asked for the same one each time.  So it is
 * given in parts, which it only copies; the text is set too, because 7.88
 * parses that when it has to connect once more.  A URL that has no parts is
 * left to libcurl, which says what is wrong with it.
 */
static void
set_url(struct transfer *t, struct str url)
{
	bool https = str_starts_nocase(url, S("https:"));

	if (t->url && str_eq(str_of(t->url), url))
		return;
	assert(!memchr(url.p, '\0', url.n));
	free(t->url);
	t->url = memcpy(xalloc(url.n + 1), url.p, url.n);
	curl_url_cleanup(t->parts);
	t->parts = curl_url();
	assert(t->parts);
	if (curl_url_set(t->parts, CURLUPART_URL, t->url, CURLU_GUESS_SCHEME |
	    CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
		curl_url_cleanup(t->parts);
		t->parts = NULL;
	}
	SET(t, CURLOPT_URL, t->url);
	SET(t, CURLOPT_CURLU, t->parts);
	if (t->https != https)
		set_https(t, https);
}

/* The list that libcurl wants, in one block of memory. */
static void
make_block(struct transfer *t, const struct exchange *x)
{
	struct str extra[3] = { S("Expect:") };
	int n_extra = 1, n;
	size_t size = 0;
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
	t->run.block_n = size;
	p = (char *)(list + n);
	for (int i = 0; i < n; i++) {
		struct str s = i < n_extra ? extra[i] :
		    x->headers[i - n_extra];

		assert(!talk_has_control(s) && memchr(s.p, ':', s.n));
		list[i].data = memcpy(p, s.p, s.n);
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
		p += s.n + 1;
	}
	t->run.headers = list;
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

void
transfer_set(struct transfer *t)
{
	const struct exchange *x = t->x;

	set_url(t, x->url);
	make_block(t, x);
	SET(t, CURLOPT_HTTPHEADER, t->run.headers);
	set_method(t, x);
	SET(t, CURLOPT_CONNECTTIMEOUT_MS, (long)x->connect_ms);
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
