/* SPDX-License-Identifier: MIT */
/*
 * net.h - what every test tool needs: clock, addresses, sockets, death.
 *
 * An address is written HOST:PORT (numeric IPv4 or "localhost") or unix:PATH.
 * The tools share no code with weir on purpose: a mistake there must not be
 * mirrored here.
 */
#ifndef TESTS_TOOLS_NET_H
#define TESTS_TOOLS_NET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* accept4, memmem, strchrnul; so: include this first */
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct addr {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_un un;
	} u;
	socklen_t n;
};

/*
 * The end of a tool.  What it allocated for its whole life is left to the
 * kernel, and a leak checker has nothing to say about that.
 */
__attribute__((noreturn)) static inline void
leave(int status)
{
	fflush(NULL);
	_exit(status);
}

/* Print the sentence and leave with status 2: wrong usage or no start. */
__attribute__((format(printf, 1, 2), noreturn)) static inline void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	leave(2);
}

/* CLOCK_MONOTONIC in nanoseconds: the same for all processes of a machine. */
static inline uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Whole non-negative decimal number between lo and hi, or die naming it. */
static inline long
number(const char *what, const char *text, long lo, long hi)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < lo || n > hi)
		die("%s must be a whole number from %ld to %ld, not '%s'", what,
		    lo, hi, text);
	return n;
}

/* Seconds, with a fraction if need be, as nanoseconds; or die naming them. */
static inline uint64_t
seconds(const char *what, const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end || !(s > 0) || s > 1e6)
		die("%s must be a number of seconds above 0, not '%s'", what,
		    text);
	return (uint64_t)(s * 1e9);
}

static inline void *
must(void *p)
{
	if (!p)
		die("out of memory");
	return p;
}

static inline struct addr
addr_parse(const char *text)
{
	struct addr a = { 0 };
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t n;

	if (!strncmp(text, "unix:", 5)) {
		n = strlen(text + 5);
		if (!n || n >= sizeof a.u.un.sun_path)
			die("socket path must have 1 to %zu bytes: %s",
			    sizeof a.u.un.sun_path - 1, text);
		a.u.un.sun_family = AF_UNIX;
		memcpy(a.u.un.sun_path, text + 5, n);
		a.n = sizeof a.u.un;
		return a;
	}
	if (!colon || (size_t)(colon - text) >= sizeof host)
		die("address must be HOST:PORT or unix:PATH, not '%s'", text);
	n = (size_t)(colon - text);
	memcpy(host, text, n);
	host[n] = 0;
	a.u.in.sin_family = AF_INET;
	a.u.in.sin_port = htons((uint16_t)number("port", colon + 1, 0, 65535));
	if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1",
		&a.u.in.sin_addr) != 1)
		die("host must be a numeric IPv4 address, not '%s'", host);
	a.n = sizeof a.u.in;
	return a;
}

static inline void
nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/*
 * A bound socket that listens with that backlog (negative: bound only, so
 * that a connect is refused while the port stays ours).  Writes the port the
 * kernel chose into *a.
 */
static inline int
addr_listen(struct addr *a, int backlog)
{
	int fd, one = 1;

	fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (a->u.any.sa_family == AF_INET) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	}
	if (bind(fd, &a->u.any, a->n))
		die("cannot bind: %s", strerror(errno));
	if (backlog >= 0 && listen(fd, backlog))
		die("cannot listen: %s", strerror(errno));
	a->n = sizeof a->u;
	getsockname(fd, &a->u.any, &a->n);
	return fd;
}

/* A connected socket, or -1 with errno.  flags: SOCK_NONBLOCK or 0. */
static inline int
addr_connect(const struct addr *a, int flags)
{
	int fd, saved;

	fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd < 0)
		return -1;
	if (a->u.any.sa_family == AF_INET)
		nodelay(fd);
	if (connect(fd, &a->u.any, a->n) && errno != EINPROGRESS) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* Close so that the other side sees a reset, not an orderly end. */
static inline void
close_reset(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

/* Say the port on stdout, and in a file that appears whole or not at all. */
static inline void
port_tell(const struct addr *a, const char *file)
{
	char tmp[4096];
	FILE *f;

	printf("%d\n", ntohs(a->u.in.sin_port));
	fflush(stdout);
	if (!file)
		return;
	snprintf(tmp, sizeof tmp, "%s.tmp", file);
	f = fopen(tmp, "we");
	if (!f || fprintf(f, "%d\n", ntohs(a->u.in.sin_port)) < 0 ||
	    fclose(f) || rename(tmp, file))
		die("cannot write %s: %s", file, strerror(errno));
}

#endif
