/* SPDX-License-Identifier: MIT */
/*
 * link.h - a socket of libcurl's, and the connection that it became.
 *
 * libcurl tells the two ends' addresses of the connection that it took for a
 * request, not its descriptor.  So a connection is named by them when the
 * first request goes over it, and found by them at each later one.  A link
 * stands for its descriptor as long as the pool lives; `use` tells one
 * connection on it from the next.  Private to the pool.
 */
#ifndef WEIR_LINK_H
#define WEIR_LINK_H

#include <netinet/in.h>
#include <stdbool.h>

#include "fcgi/loop.h"

enum { LINK_BUCKETS = 1024 };

struct shard;

struct link {
	struct watch watch;
	struct links *all;
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

/* Those of one pool. */
struct links {
	struct loop *loop;
	void (*ready)(struct watch *w, unsigned events);
	struct link **by_fd;
	int n;
	struct link *named[LINK_BUCKETS];	/* by local port */
};

/* Never NULL: it is made at the first question.  Borrowed. */
struct link *link_of(struct links *all, int fd);

/* The connection of that name, or NULL. */
struct link *link_find(struct links *all, const char *remote_ip,
    int remote_port, int local_port);

/*
 * Gives the name to that one of n sockets which has this local port, and
 * returns it; or NULL.  `made` are descriptors + 1; 0 is none.
 */
struct link *link_name(struct links *all, const int made[], int n,
    const char *remote_ip, int remote_port, int local_port);

/* Its descriptor is about to be closed: not watched and not named any more. */
void link_close(struct link *k);

/* Frees what `all` holds; `all` is its owner's. */
void links_release(struct links *all);

#endif
