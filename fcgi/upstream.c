/* SPDX-License-Identifier: MIT */
/*
 * upstream.c - one HTTP exchange outwards; see upstream.h.
 *
 * libcurl's multi_socket interface on our loop.  A transfer (transfer.c) is an
 * easy handle with the exchange it serves; talk.c has what libcurl calls
 * meanwhile.  A shard (shard.c) is a multi handle; the first one with room is
 * taken, so that the connections of the first ones stay warm.  A link (link.c)
 * is a connection.  No other file knows libcurl but outbox.c, which is for a
 * thread that may wait.
 *
 * libcurl forbids most calls from inside its callbacks, and ours may come from
 * there.  So starting, resuming and cancelling only mark the transfer (an
 * errand) and are done once, at the end of the loop's round.
 */
#include "fcgi/upstream.h"

#include <assert.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/pool.h"
#include "fcgi/transfer.h"

/* --- Errands: what is done at the end of the round ---------------------- */

void
pool_want_round_end(struct pool *p)
{
	if (p->round_end_waits)
		return;
	p->round_end_waits = true;
	loop_defer(p->loop, &p->round_end);
}

void
pool_errand(struct transfer *t, unsigned what)
{
	struct pool *p = t->pool;

	t->errands |= what;
	if (t->queued)
		return;
	t->queued = true;
	t->next_errand = NULL;
	*p->errands_end = t;
	p->errands_end = &t->next_errand;
	pool_want_round_end(p);
}

/* --- Starting ----------------------------------------------------------- */

static void end_exchange(struct transfer *t, enum exchange_end end);

static void
begin(struct transfer *t)
{
	struct shard *s;
	CURLMcode code;

	if (!t->run.block)
		transfer_set(t);
	s = shard_with_room(t->pool, t->private_ca);
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
	if (x->sent && talk_bytes_sent(t) == 0)
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
	pool_errand(t, START);
}

void
pool_finish(struct shard *s)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(s->multi, &left)) != NULL) {
		CURLcode code = m->data.result;
		struct transfer *t;

		assert(m->msg == CURLMSG_DONE);
		transfer_must(curl_easy_getinfo(m->easy_handle,
		    CURLINFO_PRIVATE, &t));
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
			shard_run(p->shards[i], CURL_SOCKET_TIMEOUT, 0);
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
	pool_errand(t, START);
}

void
exchange_resume(struct exchange *x)
{
	if (x->private)
		pool_errand(x->private, RESUME);
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
	pool_errand(t, 0);
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
	p->links.loop = l;
	p->links.ready = shard_ready;
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
	links_release(&p->links);
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
