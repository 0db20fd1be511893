/* SPDX-License-Identifier: MIT */
/*
 * transfer.h - one easy handle of libcurl's, and the exchange that it serves.
 *
 * Handles are kept for the next exchange, because making one costs more than
 * a small exchange does.  Private to the pool.  A transfer without an exchange
 * is kept, or was cancelled and waits for the end of the round.
 */
#ifndef WEIR_TRANSFER_H
#define WEIR_TRANSFER_H

#include <assert.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

struct exchange;
struct link;
struct pool;
struct shard;

enum { SOCKETS_TRIED = 4 };	/* remembered of those made last */

/* What belongs to one exchange; zeroed for the next. */
struct run {
	size_t body_n, body_at;	/* bytes of the body, and read by libcurl */
	char *copy;		/* a small body, or NULL */
	void *block;		/* request headers; wiped when it ends */
	size_t block_n;
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
	char *url;			/* how it is set: URL, ... */
	CURLU *parts;			/* ... the same in parts, ... */
	bool https, private_ca, env_proxy;	/* ... and more */
	struct buf heads;		/* "name: value\n" ... */
	struct run run;
	char why[CURL_ERROR_SIZE];
};

/* Memory, or an option this libcurl does not know: upstream_init has looked
 * at its version. */
#define SET(t, option, value) \
	transfer_must(curl_easy_setopt((t)->easy, option, value))

static inline void
transfer_must(CURLcode code)
{
	assert(code == CURLE_OK && "libcurl refused an option");
}

/* --- transfer.c --------------------------------------------------------- */

/* A kept one or a new one, which serves nobody yet. */
struct transfer *transfer_take(struct pool *p, bool small);

/* It serves nobody any more: kept for the next exchange, or freed. */
void transfer_retire(struct transfer *t);

/* With its connection, if it is at work. */
void transfer_free(struct transfer *t);

/* Has libcurl do t->x; copies what it needs of it but for a large body. */
void transfer_set(struct transfer *t);

/* Takes it from its shard, if it is in one. */
void transfer_detach(struct transfer *t);

/* Its connection waits for no answer to it any more. */
void transfer_leave_link(struct transfer *t);

/* --- talk.c ------------------------------------------------------------- */

/* Gives libcurl the callbacks that carry request and answer. */
void talk_set(struct transfer *t);

/* Of the request, head included. */
long talk_bytes_sent(struct transfer *t);

/* Bytes that no line of a head may have. */
bool talk_has_control(struct str line);

#endif
