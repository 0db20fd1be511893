/* SPDX-License-Identifier: MIT */
/*
 * pool.h - what upstream.c, shard.c, transfer.c and talk.c share: the pool of
 * a loop, and its shards.
 *
 * Private to them; the door is upstream.h.  Everything here belongs to one
 * loop's thread.
 */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "fcgi/link.h"
#include "fcgi/loop.h"
#include "fcgi/upstream.h"

struct transfer;

/* A multi handle of libcurl's, with its own cache of connections. */
struct shard {
	CURLM *multi;
	struct pool *pool;
	struct timer timer;
	int n_transfers;
	bool private_ca;	/* for those with roots of their own */
	bool due;		/* libcurl wants to run at once */
};

struct pool {
	struct loop *loop;
	CURLSH *share;			/* addresses and TLS sessions */
	const curl_version_info_data *curl;
	int max_idle;
	struct shard **shards;
	int n_shards;
	struct links links;
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

/* --- upstream.c --------------------------------------------------------- */

enum errand { START = 1, RESUME = 2, NUDGE = 4 };

/*
 * Has it done at the end of this round, when no callback of libcurl's runs;
 * what 0: only what a cancelled transfer needs.
 */
void pool_errand(struct transfer *t, unsigned what);

/* Asks for the end of the round: errands, and shards that are due. */
void pool_want_round_end(struct pool *p);

/* Ends the exchanges whose transfers libcurl reports as finished. */
void pool_finish(struct shard *s);

/* --- shard.c ------------------------------------------------------------ */

/*
 * The first one with room, or a new one.  Idle connections are shared out in
 * that order.  Those with roots of their own have other shards: libcurl keeps
 * one set of parsed roots a shard, and to parse the system's again stops the
 * loop for some 20 ms.
 */
struct shard *shard_with_room(struct pool *p, bool private_ca);

/* Lets libcurl work: as curl_multi_socket_action. */
void shard_run(struct shard *s, int fd, int what);
void shard_free(struct shard *s);

/* For the pool's links: what epoll has to say of one. */
void shard_ready(struct watch *w, unsigned events);

/* libcurl's callbacks for opening and closing a transfer's sockets. */
int shard_socket_made(void *transfer, curl_socket_t fd, curlsocktype type);
int shard_socket_close(void *pool, curl_socket_t fd);

#endif
