/* SPDX-License-Identifier: MIT */
/*
 * exchanges.c - what one small exchange with an upstream costs.
 *
 * A child answers every request on kept connections with the same 300 bytes;
 * we keep COUNT exchanges going until TOTAL are done and print our own CPU
 * time (the child's is not in it) and the wall time of one.
 *
 *	exchanges [TOTAL [COUNT [BODY_BYTES [URL [CA_FILE]]]]]
 *
 * By default 50000, 64 and 300.  With a URL there is no child, and the server
 * is somebody else's: https for HTTP/2, as far as it offers it.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "fcgi/upstream.h"

static int total = 50000, done, failed, at_once = 64, n_reused;
static struct loop *loop;
static struct pool *pool;
static char url[256];

/* --- The child: an upstream that thinks of nothing ------------------------ */

/* Bytes of the request that are still to come, by descriptor. */
static long missing[4096];

static void
answer(int fd)
{
	static char out[512];
	static size_t n;

	if (n == 0)
		n = (size_t)snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\n"
		    "Content-Type: application/json\r\n"
		    "Content-Length: 200\r\nx-request-id: 0123456789\r\n\r\n"
		    "{\"id\":\"x\",\"usage\":{\"prompt_tokens\":10}%*s", 162,
		    "}");
	if (write(fd, out, n) < 0)
		close(fd);
}

static void
serve_some(int fd)
{
	static char in[65536];
	ssize_t n = read(fd, in, sizeof(in) - 1);
	char *end, *length;

	if (n <= 0) {
		missing[fd] = 0;
		close(fd);
		return;
	}
	in[n] = '\0';
	if (missing[fd] > 0) {
		missing[fd] -= n;
	} else {
		end = strstr(in, "\r\n\r\n");
		length = strstr(in, "Content-Length: ");
		if (!end)
			return;
		missing[fd] = (length ? atol(length + 16) : 0) -
		    (n - (end + 4 - in));
	}
	if (missing[fd] == 0)
		answer(fd);
}

static void
serve(int listener)
{
	int ep = epoll_create1(0), one = 1;
	struct epoll_event e = { .events = EPOLLIN, .data.fd = listener };
	struct epoll_event got[64];

	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int n = epoll_wait(ep, got, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = got[i].data.fd;

			if (fd != listener) {
				serve_some(fd);
				continue;
			}
			fd = accept(listener, NULL, NULL);
			assert(fd >= 0 && fd < 4096);
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
			    sizeof(one));
			e = (struct epoll_event){ .events = EPOLLIN,
			    .data.fd = fd };
			epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
		}
	}
}

/* --- The measured side ---------------------------------------------------- */

static void
got_head(struct exchange *x)
{
	if (x->status != 200)
		failed++;
}

static bool
got_data(struct exchange *x, struct str bytes)
{
	(void)x;
	(void)bytes;
	return true;
}

static void
got_end(struct exchange *x, enum exchange_end end)
{
	if (end != EXCHANGE_DONE)
		failed++;
	n_reused += x->reused;
	if (++done >= total)
		loop_stop(loop);
	else if (done <= total - at_once)
		exchange_start(pool, x);
}

static int64_t
cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	    u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void
start_child(pid_t *child)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	if (bind(listener, (struct sockaddr *)&a, n) < 0 ||
	    listen(listener, 1024) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &n) < 0) {
		perror("exchanges: listen on 127.0.0.1");
		exit(1);
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/v1/chat/completions",
	    ntohs(a.sin_port));
	*child = fork();
	if (*child == 0)
		serve(listener);
	close(listener);
}

int
main(int argc, char **argv)
{
	struct str headers[] = { STR_INIT("Content-Type: application/json"),
	    STR_INIT("Authorization: Bearer 0123456789abcdef") };
	int64_t cpu, wall;
	size_t body_bytes = 300;
	struct exchange *x;
	pid_t child = 0;
	char *body;

	if (argc > 1)
		total = atoi(argv[1]);
	if (argc > 2)
		at_once = atoi(argv[2]);
	if (argc > 3)
		body_bytes = (size_t)atol(argv[3]);
	if (total < at_once || at_once < 1 || at_once > 4000) {
		fprintf(stderr, "usage: exchanges [TOTAL [COUNT [BODY_BYTES "
		    "[URL [CA_FILE]]]]]; COUNT from 1 to 4000 and TOTAL\n");
		return 2;
	}
	if (argc > 4)
		snprintf(url, sizeof(url), "%s", argv[4]);
	else
		start_child(&child);
	if (!upstream_init())
		return 1;
	loop = loop_new();
	pool = pool_new(loop, 4096);
	body = xalloc(body_bytes + 1);
	memset(body, 'x', body_bytes);
	x = xalloc(sizeof(*x) * (size_t)at_once);
	cpu = cpu_us();
	wall = clock_us();
	for (int i = 0; i < at_once; i++) {
		x[i] = (struct exchange){ .url = str_of(url),
		    .method = "POST", .headers = headers, .n_headers = 2,
		    .body = { body, body_bytes }, .connect_ms = 3000,
		    .ca_file = str_of(argc > 5 ? argv[5] : NULL),
		    .head = got_head, .data = got_data, .done = got_end };
		exchange_start(pool, &x[i]);
	}
	loop_run(loop);
	cpu = cpu_us() - cpu;
	wall = clock_us() - wall;
	printf("%d exchanges, %d at once, body %zu: %.1f us of CPU each, "
	    "%.0f/s, %d on kept connections, %d failed\n", done, at_once,
	    body_bytes, (double)cpu / done, done * 1e6 / (double)wall,
	    n_reused, failed);
	pool_free(pool);
	loop_free(loop);
	free(x);
	free(body);
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return failed != 0;
}
