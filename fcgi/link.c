/* SPDX-License-Identifier: MIT */
/*
 * link.c - the sockets of libcurl's, and which connection a transfer is on;
 * see link.h.
 */
#include "fcgi/link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/base/mem.h"

struct link *
link_of(struct links *all, int fd)
{
	assert(fd >= 0);
	if (fd >= all->n) {
		int n = all->n ? all->n : 64;

		while (n <= fd)
			n *= 2;
		all->by_fd = xresize(all->by_fd,
		    sizeof(*all->by_fd) * (size_t)n);
		while (all->n < n)
			all->by_fd[all->n++] = NULL;
	}
	if (!all->by_fd[fd]) {
		all->by_fd[fd] = xnew(struct link);
		all->by_fd[fd]->all = all;
		all->by_fd[fd]->watch = (struct watch){ .fd = fd,
		    .ready = all->ready };
	}
	return all->by_fd[fd];
}

static struct link **
bucket_of(struct links *all, int local_port)
{
	return &all->named[(unsigned)local_port % LINK_BUCKETS];
}

static void
forget_name(struct link *k)
{
	struct link **at = bucket_of(k->all, k->local_port);

	if (!k->local_port)
		return;
	while (*at != k)
		at = &(*at)->next_named;
	*at = k->next_named;
	k->local_port = 0;
}

struct link *
link_find(struct links *all, const char *remote_ip, int remote_port,
    int local_port)
{
	struct link *k = *bucket_of(all, local_port);

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

struct link *
link_name(struct links *all, const int made[], int n,
    const char *remote_ip, int remote_port, int local_port)
{
	for (int i = 0; i < n; i++) {
		int fd = made[i] - 1;
		struct link *k = fd < 0 ? NULL : link_of(all, fd);

		if (!k || !k->own || local_port_of(fd) != local_port ||
		    strlen(remote_ip) >= sizeof(k->remote_ip))
			continue;
		forget_name(k);
		memcpy(k->remote_ip, remote_ip, strlen(remote_ip) + 1);
		k->remote_port = remote_port;
		k->local_port = local_port;
		k->next_named = *bucket_of(all, local_port);
		*bucket_of(all, local_port) = k;
		return k;
	}
	return NULL;
}

void
link_close(struct link *k)
{
	loop_watch(k->all->loop, &k->watch, 0);
	forget_name(k);
	k->own = k->many = false;
	k->unanswered = 0;
	k->use++;
}

void
links_release(struct links *all)
{
	for (int i = 0; i < all->n; i++)
		free(all->by_fd[i]);
	free(all->by_fd);
}
