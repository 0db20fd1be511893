/* SPDX-License-Identifier: MIT */
/*
 * shard.c - a multi handle of libcurl's on our loop: sockets and time.
 *
 * It has at most LIMIT_SHARD_TRANSFERS transfers, since starting one costs
 * time for each that runs beside it.
 */
#include "fcgi/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/transfer.h"

/* --- Sockets and time --------------------------------------------------- */

void
shard_run(struct shard *s, int fd, int what)
{
	int running;

	curl_multi_socket_action(s->multi, fd, what, &running);
	pool_finish(s);
}

void
shard_ready(struct watch *w, unsigned events)
{
	struct link *k = holder(w, struct link, watch);

	if (k->idle) {
		/* The other side closed it or talks unasked: libcurl will
		 * see to that before it uses it again. */
		loop_watch(k->all->loop, w, 0);
		return;
	}
	shard_run(k->shard, w->fd,
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
		pool_errand(t, NUDGE);
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
	struct link *k = link_of(&s->pool->links, fd);

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

int
shard_socket_made(void *data, curl_socket_t fd, curlsocktype type)
{
	struct transfer *t = data;
	struct link *k = link_of(&t->pool->links, fd);

	(void)type;
	/* libcurl means to send again: spare the connection. */
	if (t->run.asked && talk_bytes_sent(t) > 0)
		return CURL_SOCKOPT_ERROR;
	loop_watch(k->all->loop, &k->watch, 0);
	k->own = true;
	t->run.made[t->run.n_made++ % SOCKETS_TRIED] = fd + 1;
	maybe_nudge(t->easy);
	return CURL_SOCKOPT_OK;
}

int
shard_socket_close(void *data, curl_socket_t fd)
{
	struct pool *p = data;

	link_close(link_of(&p->links, fd));
	return close(fd);
}

static void
time_is_up(struct timer *timer)
{
	shard_run(holder(timer, struct shard, timer), CURL_SOCKET_TIMEOUT, 0);
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
		pool_want_round_end(s->pool);
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

struct shard *
shard_with_room(struct pool *p, bool private_ca)
{
	long idle = p->max_idle;
	struct shard *s;

	for (int i = 0; i < p->n_shards; i++) {
		s = p->shards[i];
		if (s->private_ca == private_ca &&
		    s->n_transfers < LIMIT_SHARD_TRANSFERS)
			return s;
		idle -= 2 * LIMIT_SHARD_TRANSFERS;
	}
	if (idle > 2 * LIMIT_SHARD_TRANSFERS)
		idle = 2 * LIMIT_SHARD_TRANSFERS;
	p->shards = xresize(p->shards, sizeof(*p->shards) *
	    (size_t)(p->n_shards + 1));
	/* 0 would be libcurl's own idea of a number. */
	s = shard_new(p, idle < 4 ? 4 : idle);
	s->private_ca = private_ca;
	return p->shards[p->n_shards++] = s;
}

void
shard_free(struct shard *s)
{
	curl_multi_cleanup(s->multi);
	loop_clear(s->pool->loop, &s->timer);
	free(s);
}
