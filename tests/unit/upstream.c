/* SPDX-License-Identifier: MIT */
/*
 * upstream.c - exchanges against a server that behaves as each test says.
 *
 * The server is plain: one thread accepts, one thread a connection runs the
 * test's function with the descriptor.  Names are answered by the
 * getaddrinfo of this program, which hangs or fails when the test says so.
 * TLS comes from `openssl s_server`, HTTP/2 from nginx, where installed.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/upstream.h"

extern char **environ;

/* --- Names ---------------------------------------------------------------- */

static int
call_real(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **out)
{
	int (*real)(const char *, const char *, const struct addrinfo *,
	    struct addrinfo **);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, out);
}

/* A loopback address where nobody answers, then the server's. */
static int
several_addresses(const char *service, const struct addrinfo *hints,
    struct addrinfo **out)
{
	static const char *const nodes[] = { "127.0.0.2", "127.0.0.1" };

	for (size_t i = 0; i < countof(nodes); i++) {
		int error = call_real(nodes[i], service, hints, out);

		if (error)
			return error;
		out = &(*out)->ai_next;
		if (i + 1 < countof(nodes) && *out) {
			freeaddrinfo(*out);
			*out = NULL;
		}
	}
	return 0;
}

/* Libraries of this program find this one before libc's. */
int
getaddrinfo(const char *node, const char *service,
    const struct addrinfo *hints, struct addrinfo **out)
{
	if (node && strcmp(node, "hangs.test") == 0) {
		usleep(1000 * 1000);
		return EAI_AGAIN;
	}
	if (node && strcmp(node, "nowhere.test") == 0)
		return EAI_NONAME;
	if (node && strcmp(node, "other.test") == 0)
		node = "127.0.0.1";
	if (node && strcmp(node, "several.test") == 0)
		return several_addresses(service, hints, out);
	return call_real(node, service, hints, out);
}

/* --- The server ----------------------------------------------------------- */

enum { SERVER_THREADS = 1200 };

static struct {
	int fd, port;
	void (*serve)(int fd, int number);
	pthread_t thread, threads[SERVER_THREADS];
	int n_threads;
	_Atomic int connections;	/* accepted */
	_Atomic int requests;		/* read whole, or to their cut end */
	_Atomic int go;			/* what a test tells its server */
} server;

static void *
serve_one(void *arg)
{
	int *a = arg;

	server.serve(a[0], a[1]);
	close(a[0]);
	free(a);
	return NULL;
}

static void *
accept_all(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC), *a;
		struct timeval most = { .tv_sec = 5 };

		if (fd < 0)
			return NULL;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
		a = xalloc(2 * sizeof(int));
		a[0] = fd;
		a[1] = atomic_fetch_add(&server.connections, 1);
		if (server.n_threads == SERVER_THREADS ||
		    pthread_create(&server.threads[server.n_threads++], NULL,
		    serve_one, a) != 0)
			abort();
	}
}

static struct sockaddr_in
loopback(int last, int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(0x7f000000 + (unsigned)last) };
}

static int
listen_here(int backlog, int *port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = loopback(1, 0);
	socklen_t n = sizeof(a);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void
server_start(void (*serve)(int fd, int number))
{
	memset(&server, 0, sizeof(server));
	server.serve = serve;
	server.fd = listen_here(1024, &server.port);
	assert_int_equal(pthread_create(&server.thread, NULL, accept_all,
	    NULL), 0);
}

static void
server_stop(void)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	for (int i = 0; i < server.n_threads; i++)
		pthread_join(server.threads[i], NULL);
	close(server.fd);
}

/* Reads one request, body and all, as text; 0 at the connection's end. */
static size_t
read_request(int fd, char *text, size_t room)
{
	size_t n = 0, want = room - 1;
	bool head = true;

	while (n < want) {
		ssize_t got = read(fd, text + n, head ? 1 : want - n);

		if (got <= 0)
			return 0;
		n += (size_t)got;
		text[n] = '\0';
		if (head && n > 4 && memcmp(text + n - 4, "\r\n\r\n", 4) == 0) {
			char *length = strcasestr(text, "content-length: ");

			head = false;
			want = n + (length ? (size_t)atol(length + 16) : 0);
			if (want >= room)
				abort();
		}
	}
	server.requests++;
	return n;
}

static void
say(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t done = write(fd, text, n);

		if (done <= 0)
			return;
		text += done;
		n -= (size_t)done;
	}
}

static void
answer(int fd, const char *body)
{
	char text[8192];

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Type: "
	    "text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
	say(fd, text);
}

/* What most tests serve: one fixed text after each request. */
static const char *fixed_answer;

static void
serve_fixed(int fd, int number)
{
	char text[65536];

	(void)number;
	while (read_request(fd, text, sizeof(text)))
		say(fd, fixed_answer);
}

/* The same, then the connection is closed. */
static void
serve_fixed_once(int fd, int number)
{
	char text[65536];

	(void)number;
	if (read_request(fd, text, sizeof(text)))
		say(fd, fixed_answer);
}

/* --- The caller ----------------------------------------------------------- */

struct call {
	struct exchange x;
	char url[128];
	char *got;
	size_t n;
	int heads, datas, ends, refuse;	/* refuse: data() says no so often */
	enum exchange_end end;
	bool stops;			/* the loop, when it ends */
	char why[256];
	void (*at_head)(struct call *c);
	void (*at_data)(struct call *c);
	void (*at_end)(struct call *c);
};

static struct loop *loop;
static struct pool *pool;
static struct timer too_long;
static struct str two_headers[] = {
	STR_INIT("Content-Type: application/json"),
	STR_INIT("X-Mine: yes"),
};

static void
took_too_long(struct timer *t)
{
	(void)t;
	fail_msg("nothing happened for 20 s");
}

static void
on_head(struct exchange *x)
{
	struct call *c = holder(x, struct call, x);

	c->heads++;
	if (c->at_head)
		c->at_head(c);
}

static bool
on_data(struct exchange *x, struct str bytes)
{
	struct call *c = holder(x, struct call, x);

	assert_int_equal(c->heads, 1);
	assert_true(bytes.n > 0);
	if (c->refuse > 0) {
		c->refuse--;
		if (c->at_data)
			c->at_data(c);
		return false;
	}
	c->datas++;
	c->got = xresize(c->got, c->n + bytes.n + 1);
	memcpy(c->got + c->n, bytes.p, bytes.n);
	c->n += bytes.n;
	c->got[c->n] = '\0';
	if (c->at_data)
		c->at_data(c);
	return true;
}

static void
on_end(struct exchange *x, enum exchange_end end)
{
	struct call *c = holder(x, struct call, x);

	c->ends++;
	c->end = end;
	snprintf(c->why, sizeof(c->why), "%.*s", STR_ARGS(exchange_why(x)));
	if (c->at_end)
		c->at_end(c);
	if (c->stops)
		loop_stop(loop);
}

static void
call_init(struct call *c, const char *method, struct str body)
{
	*c = (struct call){ .stops = true, .x = { .method = method,
	    .headers = two_headers, .n_headers = 2, .body = body,
	    .connect_ms = 3000, .head = on_head, .data = on_data,
	    .done = on_end } };
	snprintf(c->url, sizeof(c->url), "http://127.0.0.1:%d/v1/x",
	    server.port);
	c->x.url = str_of(c->url);
}

/* A loop that was stopped does not run again: each wait has a new run. */
static void
loop_begin(void)
{
	loop = loop_new();
	pool = pool_new(loop, 1024);
	too_long = (struct timer){ .fire = took_too_long };
	loop_timer(loop, &too_long, 20000);
}

static void
loop_end(void)
{
	pool_free(pool);
	loop_free(loop);
}

static int
setup(void **state)
{
	(void)state;
	loop_begin();
	return 0;
}

/* Programs that a test started, or 0: they end with it, however it ends. */
static pid_t tls_pid, h2_pid;
static int pipes[2];		/* to and from one of them, or 0 */

static void
end_program(pid_t *pid)
{
	if (*pid == 0)
		return;
	kill(*pid, SIGTERM);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

static int
teardown(void **state)
{
	(void)state;
	loop_end();
	end_program(&tls_pid);
	end_program(&h2_pid);
	for (int i = 0; i < 2; i++) {
		if (pipes[i])
			close(pipes[i]);
		pipes[i] = 0;
	}
	if (server.serve)
		server_stop();
	memset(&server, 0, sizeof(server));
	return 0;
}

/* One exchange from start to end in the pool of the test. */
static void
run(struct call *c)
{
	exchange_start(pool, &c->x);
	assert_int_equal(c->heads + c->ends, 0);
	loop_run(loop);
	assert_int_equal(c->ends, 1);
}

/* A while later, so that a callback that must not come could have come. */
static struct timer linger_timer;

static void
stop_loop(struct timer *t)
{
	(void)t;
	loop_stop(loop);
}

static void
linger(struct call *c)
{
	(void)c;
	linger_timer = (struct timer){ .fire = stop_loop };
	loop_timer(loop, &linger_timer, 60);
}

static struct post next_post;
static struct call *next_call;

static void
start_next(struct post *p)
{
	(void)p;
	exchange_start(pool, &next_call->x);
}

static struct timer pause_timer;

static void
start_after(struct timer *t)
{
	(void)t;
	exchange_start(pool, &next_call->x);
}

static void
then_next(struct call *c)
{
	(void)c;
	loop_defer(loop, &next_post);
}

static void
then_next_later(struct call *c)
{
	(void)c;
	pause_timer = (struct timer){ .fire = start_after };
	loop_timer(loop, &pause_timer, 50);
}

/* Two exchanges, the second when the first has ended. */
static void
run_two(struct call *a, struct call *b, void (*then)(struct call *))
{
	a->stops = false;
	a->at_end = then;
	next_call = b;
	next_post = (struct post){ .run = start_next };
	exchange_start(pool, &a->x);
	loop_run(loop);
	assert_int_equal(a->ends, 1);
	assert_int_equal(b->ends, 1);
}

static void
call_end(struct call *c)
{
	free(c->got);
	c->got = NULL;
}

static void
expect(struct call *c, enum exchange_end end)
{
	if (c->end != end)
		print_error("ended with \"%s\" (%s), expected \"%s\"\n",
		    exchange_end_name(c->end), c->why,
		    exchange_end_name(end));
	assert_int_equal(c->end, end);
	assert_int_equal(c->ends, 1);
}

/* One exchange that gets fixed_answer and ends so. */
static void
try(const char *method, const char *text, enum exchange_end end,
    struct call *c)
{
	fixed_answer = text;
	server_start(serve_fixed_once);
	call_init(c, method, S("{}"));
	run(c);
	expect(c, end);
	call_end(c);
}

/* --- The plain ways ------------------------------------------------------- */

static char last_request[65536];

static void
serve_and_keep(int fd, int number)
{
	char text[65536];

	(void)number;
	while (read_request(fd, text, sizeof(text))) {
		strcpy(last_request, text);
		answer(fd, "hello");
	}
}

static int
count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strcasestr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void
plain(void **state)
{
	struct call a, b;

	(void)state;
	server_start(serve_and_keep);
	call_init(&a, "POST", S("{\"a\":1}"));
	call_init(&b, "POST", S("{\"b\":2}"));
	run_two(&a, &b, then_next);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_DONE);
	assert_string_equal(a.got, "hello");
	assert_string_equal(b.got, "hello");
	assert_int_equal(b.x.status, 200);
	assert_true(b.x.sent && b.x.body_taken && b.x.sent_us > 0);
	assert_false(a.x.reused);
	assert_true(b.x.reused);
	assert_int_equal(server.connections, 1);
	assert_int_equal(server.requests, 2);

	/* What went out: what was asked for, and little else. */
	assert_int_equal(strncmp(last_request, "POST /v1/x HTTP/1.1\r\n",
	    21), 0);
	assert_non_null(strstr(last_request, "\r\n\r\n{\"b\":2}"));
	assert_int_equal(count(last_request, "\r\nhost:"), 1);
	assert_int_equal(count(last_request, "content-length: 7\r\n"), 1);
	assert_int_equal(count(last_request, "content-type:"), 1);
	assert_int_equal(count(last_request,
	    "content-type: application/json\r\n"), 1);
	assert_int_equal(count(last_request, "x-mine: yes\r\n"), 1);
	assert_int_equal(count(last_request, "expect:"), 0);
	assert_int_equal(count(last_request,
	    "accept-encoding: identity\r\n"), 1);
	assert_int_equal(count(last_request, "accept-encoding:"), 1);
	assert_int_equal(count(last_request, "user-agent:"), 0);
	assert_int_equal(count(last_request, "cookie"), 0);
	call_end(&a);
	call_end(&b);
}

static void
check_method(const char *method, struct str body, const char *line,
    const char *has, const char *hasnt)
{
	struct call c;

	server_start(serve_and_keep);
	call_init(&c, method, body);
	c.x.n_headers = 0;
	run(&c);
	expect(&c, EXCHANGE_DONE);
	assert_int_equal(strncmp(last_request, line, strlen(line)), 0);
	if (has)
		assert_non_null(strcasestr(last_request, has));
	if (hasnt)
		assert_null(strcasestr(last_request, hasnt));
	call_end(&c);
	teardown(NULL);
	setup(NULL);
}

static void
methods(void **state)
{
	(void)state;
	check_method("GET", S(""), "GET /v1/x HTTP/1.1\r\n", NULL,
	    "content-length");
	check_method("POST", S(""), "POST /v1/x HTTP/1.1\r\n",
	    "content-length: 0\r\n", "content-type:");
	check_method("PUT", S("abc"), "PUT /v1/x HTTP/1.1\r\n", "\r\n\r\nabc",
	    "expect");
	check_method("DELETE", S(""), "DELETE /v1/x HTTP/1.1\r\n", NULL,
	    "content-type:");
	check_method("GET", S("abc"), "GET /v1/x HTTP/1.1\r\n", "\r\n\r\nabc",
	    NULL);
}

static void
serve_head(int fd, int number)
{
	char text[4096];

	(void)number;
	while (read_request(fd, text, sizeof(text)))
		say(fd, strncmp(text, "HEAD", 4) == 0 ? "HTTP/1.1 200 OK\r\n"
		    "Content-Length: 10\r\n\r\n" : "HTTP/1.1 200 OK\r\n"
		    "Content-Length: 2\r\n\r\nok");
}

/* A handle that asked without a body is used again to ask with one. */
static void
head_then_post(void **state)
{
	struct call a, b;

	(void)state;
	server_start(serve_head);
	call_init(&a, "HEAD", S(""));
	call_init(&b, "POST", S("x"));
	run_two(&a, &b, then_next);
	expect(&a, EXCHANGE_DONE);
	assert_int_equal(a.n, 0);
	assert_string_equal(exchange_end_name(a.end), "done");
	expect(&b, EXCHANGE_DONE);
	assert_string_equal(b.got, "ok");
	call_end(&b);
}

enum { BIG = 3 << 20 };

static _Atomic unsigned long sum_seen;

static unsigned long
sum_of(const char *p, size_t n)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)p[i];
	return sum;
}

static void
serve_sum(int fd, int number)
{
	char *text = xalloc(BIG + 65536);
	size_t n;

	(void)number;
	while ((n = read_request(fd, text, BIG + 65536)) > 0) {
		char *body = strstr(text, "\r\n\r\n") + 4;

		sum_seen = sum_of(body, n - (size_t)(body - text));
		answer(fd, "ok");
	}
	free(text);
}

static char *
pattern(size_t n)
{
	char *p = xalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (i * 7 + i / 251) % 26);
	return p;
}

static void
bodies_of_all_sizes(void **state)
{
	static const size_t sizes[] = { 1, 16383, 16384, 16385, 65536,
	    200000, BIG };
	char *body = pattern(BIG);

	(void)state;
	server_start(serve_sum);
	for (size_t i = 0; i < 2 * countof(sizes); i++) {
		size_t n = sizes[i / 2];
		struct call c;

		call_init(&c, "POST", str_from(body, n));
		c.x.small_buffer = i % 2;
		run(&c);
		expect(&c, EXCHANGE_DONE);
		assert_true(c.x.body_taken && c.x.sent_us > 0);
		assert_int_equal(sum_seen, sum_of(body, n));
		call_end(&c);
		loop_end();
		loop_begin();
	}
	free(body);
}

/* --- At most once --------------------------------------------------------- */

/* Answers the first request of a connection and dies on the second. */
static void
serve_one_then_die(int fd, int number)
{
	char *text = xalloc(400000);

	(void)number;
	if (read_request(fd, text, 400000)) {
		answer(fd, "first");
		read_request(fd, text, 400000);
	}
	free(text);
}

static void
never_sent_twice(void **state)
{
	char *big = pattern(300000);
	const struct { const char *method; size_t n; } tries[] = {
		{ "POST", 0 }, { "POST", 10 }, { "POST", 20000 },
		{ "POST", 300000 }, { "GET", 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(tries); i++) {
		struct call a, b;

		server_start(serve_one_then_die);
		call_init(&a, "POST", S("{}"));
		call_init(&b, tries[i].method, str_from(big, tries[i].n));
		run_two(&a, &b, then_next);
		expect(&a, EXCHANGE_DONE);
		expect(&b, EXCHANGE_BROKE);
		assert_true(b.x.sent && b.x.reused);
		assert_int_equal(server.requests, 2);
		assert_int_equal(server.connections, 1);
		assert_true(b.why[0]);
		call_end(&a);
		teardown(NULL);
		setup(NULL);
	}
	free(big);
}

/* Nor over another kept connection. */
static int firsts_left;
static struct call *firsts[2];

static void
both_ended(struct call *c)
{
	(void)c;
	if (--firsts_left == 0)
		loop_defer(loop, &next_post);
}

static void
serve_two_then_die(int fd, int number)
{
	char text[4096];

	(void)number;
	if (!read_request(fd, text, sizeof(text)))
		return;
	while (server.requests < 2)
		usleep(1000);
	answer(fd, "first");
	read_request(fd, text, sizeof(text));
}

static void
never_sent_over_another(void **state)
{
	struct call a, b, c;

	(void)state;
	server_start(serve_two_then_die);
	firsts[0] = &a;
	firsts[1] = &b;
	firsts_left = 2;
	for (int i = 0; i < 2; i++) {
		call_init(firsts[i], "POST", S("{}"));
		firsts[i]->stops = false;
		firsts[i]->at_end = both_ended;
		exchange_start(pool, &firsts[i]->x);
	}
	call_init(&c, "POST", S("{}"));
	next_call = &c;
	next_post = (struct post){ .run = start_next };
	loop_run(loop);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_DONE);
	expect(&c, EXCHANGE_BROKE);
	assert_int_equal(server.connections, 2);
	assert_int_equal(server.requests, 3);
	call_end(&a);
	call_end(&b);
}

/* The same without keeping: reset in place of an answer. */
static void
serve_reset(int fd, int number)
{
	struct linger hard = { 1, 0 };
	char text[4096];

	(void)number;
	read_request(fd, text, sizeof(text));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

static void
reset_unanswered(void **state)
{
	struct call c;

	(void)state;
	server_start(serve_reset);
	call_init(&c, "POST", S("{}"));
	run(&c);
	expect(&c, EXCHANGE_BROKE);
	assert_true(c.x.sent);
	assert_int_equal(c.heads, 0);
	assert_int_equal(server.requests, 1);
}

/* A kept connection that was closed meanwhile costs nothing but a new one. */
static void
closed_while_idle(void **state)
{
	struct call a, b;

	(void)state;
	fixed_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	server_start(serve_fixed_once);
	call_init(&a, "POST", S("{}"));
	call_init(&b, "POST", S("{}"));
	run_two(&a, &b, then_next_later);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_DONE);
	assert_false(b.x.reused);
	assert_int_equal(server.requests, 2);
	call_end(&a);
	call_end(&b);
}

/* --- Answers nobody asked for --------------------------------------------- */

static void
serve_two_answers(int fd, int number)
{
	char text[4096];

	(void)number;
	while (read_request(fd, text, sizeof(text))) {
		bool later = strstr(text, "later") != NULL;

		say(fd, later ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
		    "good" : "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
		    "goodHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
		if (later) {
			usleep(5000);
			say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
			    "evil");
		}
	}
}

static void
second_answer_not_taken(void **state)
{
	(void)state;
	server_start(serve_two_answers);
	for (int i = 0; i < 16; i++) {
		bool later = i % 2;
		struct call a, b;

		call_init(&a, "POST", later ? S("later") : S("now"));
		call_init(&b, "POST", later ? S("later") : S("now"));
		a.x.small_buffer = b.x.small_buffer = i & 4;
		run_two(&a, &b, later ? then_next_later : then_next);
		expect(&a, EXCHANGE_DONE);
		expect(&b, EXCHANGE_DONE);
		assert_string_equal(a.got, "good");
		assert_string_equal(b.got, "good");
		assert_false(b.x.reused);
		call_end(&a);
		call_end(&b);
		loop_end();
		loop_begin();
	}
	assert_int_equal(server.requests, 32);
	assert_int_equal(server.connections, 32);
}

/*
 * The end of the first answer falls on the end of libcurl's buffer, so that
 * what is behind it is never seen together with it.
 */
static void
serve_edge(int fd, int number)
{
	char text[4096], out[8192];
	int head, n;

	(void)number;
	while (read_request(fd, text, sizeof(text))) {
		head = snprintf(out, sizeof(out),
		    "HTTP/1.1 200 OK\r\nContent-Length: %05d\r\n\r\n", 0);
		n = 2048 - head;
		head = snprintf(out, sizeof(out),
		    "HTTP/1.1 200 OK\r\nContent-Length: %05d\r\n\r\n", n);
		memset(out + head, 'g', (size_t)n);
		strcpy(out + head + n, "HTTP/1.1 200 OK\r\nContent-Length: 4"
		    "\r\n\r\nevil");
		say(fd, out);
	}
}

static void
second_answer_behind_the_buffer(void **state)
{
	struct call a, b;

	(void)state;
	server_start(serve_edge);
	call_init(&a, "POST", S("{}"));
	call_init(&b, "POST", S("{}"));
	a.x.small_buffer = b.x.small_buffer = true;
	run_two(&a, &b, then_next);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_DONE);
	assert_int_equal(b.got[0], 'g');
	assert_int_equal(a.n, b.n);
	assert_int_equal(server.connections, 2);
	call_end(&a);
	call_end(&b);
}

/* --- Pausing -------------------------------------------------------------- */

static void
serve_much(int fd, int number)
{
	char text[4096], *body = pattern(BIG);

	(void)number;
	if (read_request(fd, text, sizeof(text))) {
		snprintf(text, sizeof(text),
		    "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BIG);
		say(fd, text);
		say(fd, body);
	}
	free(body);
}

static struct call *paused_call;
static int resumes;

static void
resume_now(struct timer *t)
{
	(void)t;
	resumes++;
	exchange_resume(&paused_call->x);
	assert_int_equal(paused_call->refuse, 0);
}

/* Each time some bytes were taken, the next ones are refused for a while. */
static void
refuse_next(struct call *c)
{
	if (c->refuse == 0 && c->datas % 7 == 0 && resumes < 40)
		c->refuse = 1;
	else if (c->datas % 7 == 0 && resumes < 40)
		return;
}

static void
refused_or_taken(struct call *c)
{
	static int seen;

	if (c->datas == seen && c->refuse == 0) {
		/* Refused just now. */
		pause_timer = (struct timer){ .fire = resume_now };
		loop_timer(loop, &pause_timer, resumes % 3);
		return;
	}
	seen = c->datas;
	refuse_next(c);
}

static void
paused_and_resumed(void **state)
{
	char *body = pattern(BIG);

	(void)state;
	for (int small = 0; small < 2; small++) {
		struct call c;

		resumes = 0;
		server_start(serve_much);
		call_init(&c, "POST", S("{}"));
		c.x.small_buffer = small;
		c.at_data = refused_or_taken;
		paused_call = &c;
		run(&c);
		expect(&c, EXCHANGE_DONE);
		assert_int_equal(c.n, BIG);
		assert_memory_equal(c.got, body, BIG);
		assert_true(resumes >= 10);
		call_end(&c);
		teardown(NULL);
		setup(NULL);
	}
	free(body);
}

static void
resume_at_once(struct call *c)
{
	/* From inside data(): nothing may happen before it has returned. */
	int datas = c->datas;

	exchange_resume(&c->x);
	exchange_resume(&c->x);
	assert_int_equal(c->datas, datas);
}

static void
resumed_inside_data(void **state)
{
	char *body = pattern(BIG);
	struct call c;

	(void)state;
	server_start(serve_much);
	call_init(&c, "POST", S("{}"));
	c.at_data = resume_at_once;
	c.refuse = 3;
	run(&c);
	expect(&c, EXCHANGE_DONE);
	assert_int_equal(c.n, BIG);
	assert_memory_equal(c.got, body, BIG);
	assert_int_equal(c.refuse, 0);
	free(body);
	call_end(&c);
}

/* A paused exchange leaves the other side's bytes where they are. */
static void
pausing_holds_back(void **state)
{
	struct call c;

	(void)state;
	server_start(serve_much);
	call_init(&c, "POST", S("{}"));
	c.refuse = 1;
	c.at_data = linger;
	exchange_start(pool, &c.x);
	loop_run(loop);
	assert_int_equal(c.heads, 1);
	assert_int_equal(c.refuse, 0);	/* asked once, not again and again */
	assert_int_equal(c.datas + c.ends, 0);
	exchange_cancel(&c.x);
}

/* --- Cancelling ----------------------------------------------------------- */

static struct call *victim;
static int cancelled;

static void
cancel_victim(struct call *c)
{
	if (!victim)
		return;
	exchange_cancel(&victim->x);
	cancelled++;
	linger(c);
	if (victim != c) {
		call_end(victim);
		memset(victim, 0x5a, sizeof(*victim));
		free(victim);
	}
	victim = NULL;
}

static void
serve_slowly(int fd, int number)
{
	char text[4096];

	(void)number;
	if (!read_request(fd, text, sizeof(text)))
		return;
	say(fd, "HTTP/1.1 200 OK\r\n\r\n");
	for (int i = 0; i < 20; i++) {
		say(fd, "some more bytes of an endless answer\n");
		usleep(2000);
	}
}

static void
cancelled_in_own_callbacks(void **state)
{
	(void)state;
	for (int where = 0; where < 3; where++) {
		struct call c;

		server_start(serve_slowly);
		call_init(&c, "POST", S("{}"));
		c.stops = false;
		victim = &c;
		cancelled = 0;
		if (where == 0)
			c.at_head = cancel_victim;
		else
			c.at_data = cancel_victim;
		c.refuse = where == 2;	/* refuses and cancels */
		exchange_start(pool, &c.x);
		loop_run(loop);
		assert_int_equal(cancelled, 1);
		assert_int_equal(c.heads, 1);
		assert_int_equal(c.datas, where == 1);
		assert_int_equal(c.ends, 0);
		exchange_cancel(&c.x);	/* once more: nothing */
		call_end(&c);
		teardown(NULL);
		setup(NULL);
	}
}

static void
cancel_own(struct call *c)
{
	exchange_cancel(&c->x);
	cancelled++;
}

static void
cancelled_in_done(void **state)
{
	struct call c;

	(void)state;
	cancelled = 0;
	fixed_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	server_start(serve_fixed);
	call_init(&c, "POST", S("{}"));
	c.at_end = cancel_own;
	run(&c);
	assert_int_equal(cancelled, 1);
	exchange_cancel(&c.x);
	call_end(&c);
}

/* One exchange cancels another, which is freed at once. */
static void
cancelled_by_another(void **state)
{
	(void)state;
	server_start(serve_slowly);
	for (int where = 0; where < 6; where++) {
		struct call c;

		victim = xalloc(sizeof(*victim));
		call_init(victim, "POST", S("{}"));
		victim->stops = false;
		victim->refuse = where == 3;
		call_init(&c, "POST", S("{}"));
		c.stops = false;
		cancelled = 0;
		if (where == 0)
			c.at_head = cancel_victim;
		else if (where < 4)
			c.at_data = cancel_victim;
		else
			c.at_end = cancel_victim;
		exchange_start(pool, &c.x);
		if (where == 5)
			exchange_start(pool, &victim->x);
		else if (where != 2)
			exchange_start(pool, &victim->x);
		loop_run(loop);
		assert_int_equal(cancelled, 1);
		if (where >= 4)
			assert_int_equal(c.ends, 1);
		exchange_cancel(&c.x);
		call_end(&c);
		loop_end();
		loop_begin();
	}
}

static void
cancelled_before_it_began(void **state)
{
	struct timer t = { .fire = stop_loop };
	struct call c;

	(void)state;
	server_start(serve_slowly);
	call_init(&c, "POST", S("{}"));
	exchange_start(pool, &c.x);
	exchange_cancel(&c.x);
	memset(&c, 0x5a, sizeof(c));
	loop_timer(loop, &t, 30);
	loop_run(loop);
	assert_int_equal(server.connections, 0);
}

/* Started anew from its own done(). */
static int rounds;

static void
start_again(struct call *c)
{
	assert_true(str_eq(exchange_header(&c->x, "content-length"),
	    S("2")));
	if (++rounds < 50) {
		c->heads = c->ends = 0;
		exchange_start(pool, &c->x);
	} else {
		loop_stop(loop);
	}
}

static void
again_from_done(void **state)
{
	struct call c;

	(void)state;
	rounds = 0;
	fixed_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	server_start(serve_fixed);
	call_init(&c, "POST", S("{}"));
	c.stops = false;
	c.at_end = start_again;
	exchange_start(pool, &c.x);
	loop_run(loop);
	assert_int_equal(rounds, 50);
	assert_int_equal(c.n, 100);
	assert_int_equal(server.connections, 1);
	call_end(&c);
}

static void
pool_freed_in_mid_air(void **state)
{
	struct timer t = { .fire = stop_loop };
	struct call c[5];

	(void)state;
	server_start(serve_slowly);
	for (int i = 0; i < 5; i++) {
		call_init(&c[i], "POST", S("{}"));
		c[i].refuse = i == 1;
		if (i < 3)
			exchange_start(pool, &c[i].x);
	}
	loop_timer(loop, &t, 20);
	loop_run(loop);
	exchange_start(pool, &c[3].x);
	exchange_start(pool, &c[4].x);
	exchange_cancel(&c[4].x);
	loop_end();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(c[i].ends, 0);
		exchange_cancel(&c[i].x);	/* nothing */
		call_end(&c[i]);
	}
	loop_begin();
}

/* --- No connection -------------------------------------------------------- */

static void
refused(void **state)
{
	int fd = listen_here(1, &server.port);
	int64_t began = clock_ms();
	struct call c;

	(void)state;
	close(fd);
	call_init(&c, "POST", S("{}"));
	run(&c);
	expect(&c, EXCHANGE_REFUSED);
	assert_false(c.x.sent);
	assert_false(c.x.body_taken);
	assert_true(clock_ms() - began < 1000);
	assert_non_null(strstr(c.why, "onnect"));
}

/* A listener whose queue is full drops what asks for a connection. */
static struct {
	int listener, fds[8];
} hole;

static void
hole_dig(int last, int port)
{
	struct sockaddr_in a = loopback(last, port);

	hole.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(hole.listener, (struct sockaddr *)&a,
	    sizeof(a)), 0);
	assert_int_equal(listen(hole.listener, 0), 0);
	for (size_t i = 0; i < countof(hole.fds); i++) {
		hole.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(hole.fds[i], (struct sockaddr *)&a,
		    sizeof(a)) < 0)
			assert_int_equal(errno, EINPROGRESS);
	}
}

static void
hole_fill(void)
{
	for (size_t i = 0; i < countof(hole.fds); i++)
		close(hole.fds[i]);
	close(hole.listener);
}

static void
black_hole(void **state)
{
	int64_t began;
	struct call c;

	(void)state;
	close(listen_here(1, &server.port));
	hole_dig(1, server.port);
	call_init(&c, "POST", S("{}"));
	c.x.connect_ms = 200;
	began = clock_ms();
	run(&c);
	expect(&c, EXCHANGE_CONNECT_LATE);
	assert_false(c.x.sent);
	assert_in_range(clock_ms() - began, 150, 1000);
	hole_fill();
}

static void
no_such_name(void **state)
{
	struct call c;

	(void)state;
	call_init(&c, "POST", S("{}"));
	c.x.url = S("http://nowhere.test/v1");
	run(&c);
	expect(&c, EXCHANGE_DNS);
	assert_false(c.x.sent);
}

/* The first address refuses. */
static void
second_address(void **state)
{
	int64_t began = clock_ms();
	struct call c;

	(void)state;
	server_start(serve_and_keep);
	call_init(&c, "POST", S("{}"));
	snprintf(c.url, sizeof(c.url), "http://several.test:%d/", server.port);
	c.x.url = str_of(c.url);
	run(&c);
	expect(&c, EXCHANGE_DONE);
	assert_true(clock_ms() - began < 500);
	call_end(&c);
}

/*
 * The first address is silent: libcurl gives it half of the time, closes its
 * socket, and the next one gets the same number.
 */
static void
silent_address(void **state)
{
	int64_t began = clock_ms();
	struct call c;

	(void)state;
	server_start(serve_and_keep);
	hole_dig(2, server.port);
	call_init(&c, "POST", S("{}"));
	snprintf(c.url, sizeof(c.url), "http://several.test:%d/", server.port);
	c.x.url = str_of(c.url);
	c.x.connect_ms = 600;
	run(&c);
	expect(&c, EXCHANGE_DONE);
	assert_in_range(clock_ms() - began, 250, 580);
	hole_fill();
	call_end(&c);
}

static int64_t last_tick, longest_gap;
static struct timer ticker;

static void
tick(struct timer *t)
{
	int64_t now = clock_ms();

	if (now - last_tick > longest_gap)
		longest_gap = now - last_tick;
	last_tick = now;
	loop_timer(loop, t, 5);
}

/*
 * A resolver that hangs ends one exchange late and is joined by nobody: the
 * loop goes on meanwhile, at the end of the exchange too.
 */
static void
resolver_hangs(void **state)
{
	struct timer t = { .fire = stop_loop };
	struct call c, d;
	int64_t began = clock_ms();

	(void)state;
	call_init(&c, "POST", S("{}"));
	c.x.url = S("http://hangs.test/v1");
	c.x.connect_ms = 200;
	c.stops = false;
	call_init(&d, "POST", S("{}"));
	d.x.url = S("http://hangs.test/v2");
	last_tick = clock_ms();
	longest_gap = 0;
	ticker = (struct timer){ .fire = tick };
	loop_timer(loop, &ticker, 5);
	exchange_start(pool, &c.x);
	exchange_start(pool, &d.x);
	loop_timer(loop, &t, 400);
	loop_run(loop);
	expect(&c, EXCHANGE_DNS);
	assert_int_equal(d.ends, 0);
	exchange_cancel(&d.x);
	assert_true(longest_gap < 150);
	loop_end();
	assert_true(clock_ms() - began < 800);
	loop_begin();
	usleep(1000 * 1000);	/* the threads end before the program does */
}

static void
bad_urls(void **state)
{
	static const char *const urls[] = { "ftp://127.0.0.1/x",
	    "file:///etc/passwd", "http://", "http://a b/", "nonsense://x" };
	(void)state;

	for (size_t i = 0; i < countof(urls); i++) {
		struct call c;

		call_init(&c, "POST", S("{}"));
		c.x.url = str_of(urls[i]);
		run(&c);
		expect(&c, EXCHANGE_REFUSED);
		assert_false(c.x.sent);
		assert_true(c.why[0]);
		loop_end();
		loop_begin();
	}
}

/* What it is asked for, and under which name. */
static void
serve_asked(int fd, int number)
{
	char text[2048], *host, body[4200];

	(void)number;
	while (read_request(fd, text, sizeof(text))) {
		host = strcasestr(text, "\r\nhost: ") + 8;
		host[strcspn(host, "\r:")] = '\0';
		text[strcspn(text, "\r")] = '\0';
		snprintf(body, sizeof(body), "%s %s", host, text);
		answer(fd, body);
	}
}

/* The one behind c, when c's handle is free again. */
static void
then_following(struct call *c)
{
	next_call = c + 1;
	loop_defer(loop, &next_post);
}

/*
 * A handle remembers the URL it was set to: each exchange must go where it
 * says, after the same one, another one, one that is no URL, and one that
 * would be a path of the one before.
 */
static void
one_url_after_another(void **state)
{
	static const struct {
		const char *url, *asked;	/* %d: the port; NULL: no */
	} steps[] = {
		{ "http://127.0.0.1:%d/a/b", "127.0.0.1 POST /a/b HTTP/1.1" },
		{ "http://127.0.0.1:%d/a/b", "127.0.0.1 POST /a/b HTTP/1.1" },
		{ "http://127.0.0.1:%d/a", "127.0.0.1 POST /a HTTP/1.1" },
		{ "http://127.0.0.1:%d/a/b", "127.0.0.1 POST /a/b HTTP/1.1" },
		{ "http://other.test:%d/a/b", "other.test POST /a/b HTTP/1.1" },
		{ "http://127.0.0.1:%d/?d=e", "127.0.0.1 POST /?d=e HTTP/1.1" },
		{ "http://127.0.0.1:%d", "127.0.0.1 POST / HTTP/1.1" },
		{ "HTTP://127.0.0.1:%d/a/../f", "127.0.0.1 POST /f HTTP/1.1" },
		{ "http://", NULL },
		{ "http://127.0.0.1:%d/a", "127.0.0.1 POST /a HTTP/1.1" },
		{ "/g", NULL },
		{ "http://127.0.0.1:%d/a", "127.0.0.1 POST /a HTTP/1.1" },
		{ "nonsense://x", NULL },
		{ "http://127.0.0.1:%d/a/b", "127.0.0.1 POST /a/b HTTP/1.1" },
	};
	struct call c[countof(steps)];
	size_t last = countof(steps) - 1;
	(void)state;

	server_start(serve_asked);
	for (size_t i = 0; i <= last; i++) {
		call_init(&c[i], "POST", S("{}"));
		snprintf(c[i].url, sizeof(c[i].url), steps[i].url,
		    server.port);
		c[i].x.url = str_of(c[i].url);
		c[i].stops = i == last;
		c[i].at_end = i == last ? NULL : then_following;
	}
	next_post = (struct post){ .run = start_next };
	exchange_start(pool, &c[0].x);
	loop_run(loop);
	for (size_t i = 0; i <= last; i++) {
		expect(&c[i], steps[i].asked ? EXCHANGE_DONE :
		    EXCHANGE_REFUSED);
		if (steps[i].asked)
			assert_string_equal(c[i].got, steps[i].asked);
		else
			assert_true(c[i].why[0]);
		call_end(&c[i]);
	}
}

static void
proxies(void **state)
{
	int fd = listen_here(1, &server.port), dead = server.port;
	char proxy[64];
	struct call a, b;

	(void)state;
	close(fd);
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d", dead);
	setenv("http_proxy", proxy, 1);
	fixed_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	server_start(serve_fixed);
	call_init(&a, "POST", S("{}"));
	call_init(&b, "POST", S("{}"));
	b.x.env_proxy = true;
	run_two(&a, &b, then_next);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_REFUSED);
	assert_false(b.x.sent);
	unsetenv("http_proxy");
	call_end(&a);
}

/* --- Strange answers ------------------------------------------------------ */

static char *
many_headers(int n, size_t value)
{
	size_t room = 256 + (size_t)n * (value + 64), at;
	char *text = xalloc(room);

	at = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
	for (int i = 0; i < n; i++) {
		at += (size_t)sprintf(text + at, "x-header-%d: ", i);
		memset(text + at, 'v', value);
		at += value;
		at += (size_t)sprintf(text + at, "\r\n");
	}
	sprintf(text + at, "\r\n");
	return text;
}

static void
too_many_headers(void **state)
{
	const struct { int n; size_t value; enum exchange_end end; } tries[] = {
		{ 150, 10, EXCHANGE_DONE },
		{ 1000, 10, EXCHANGE_TOO_LARGE },
		{ 60, 2000, EXCHANGE_TOO_LARGE },
		{ 1, 70000, EXCHANGE_TOO_LARGE },
		{ 1, 1 << 20, EXCHANGE_TOO_LARGE },
	};

	(void)state;
	for (size_t i = 0; i < countof(tries); i++) {
		char *text = many_headers(tries[i].n, tries[i].value);
		struct call c;

		try("POST", text, tries[i].end, &c);
		assert_int_equal(c.heads, tries[i].end == EXCHANGE_DONE);
		teardown(NULL);
		setup(NULL);
		free(text);
	}
}

static void
interim_answers(void **state)
{
	char text[65536] = "";
	struct call c;

	(void)state;
	try("POST", "HTTP/1.1 100 Continue\r\nx-a: 1\r\n\r\n"
	    "HTTP/1.1 103 Early Hints\r\nx-a: 2\r\n\r\n"
	    "HTTP/1.1 200 OK\r\nx-b: 3\r\nContent-Length: 2\r\n\r\nok",
	    EXCHANGE_DONE, &c);
	assert_int_equal(c.heads, 1);
	assert_int_equal(c.x.status, 200);
	assert_int_equal(c.n, 2);
	teardown(NULL);
	setup(NULL);

	for (int i = 0; i < 1000; i++)
		strcat(text, "HTTP/1.1 100 Continue\r\n\r\n");
	strcat(text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	try("POST", text, EXCHANGE_TOO_LARGE, &c);
	assert_int_equal(c.heads, 0);
}

static void
check_headers(struct call *c)
{
	const struct exchange *x = &c->x;

	assert_true(str_eq(exchange_header(x, "X-REQUEST-ID"), S("abc")));
	assert_true(str_eq(exchange_header(x, "retry-after"), S("7")));
	assert_true(str_eq(exchange_header(x, "x-eight"), S("caf\xc3\xa9")));
	assert_true(str_eq(exchange_header(x, "x-tab"), S("a\tb")));
	assert_true(str_eq(exchange_header(x, "x-after"), S("z")));
	assert_true(str_eq(exchange_header(x, "x-empty"), S("")));
	assert_int_equal(exchange_header(x, "x-folded").n, 0);
	assert_int_equal(exchange_header(x, "x-control").n, 0);
	assert_int_equal(exchange_header(x, "x-cr").n, 0);
	assert_int_equal(exchange_header(x, "x-large").n, 0);
	assert_int_equal(exchange_header(x, "x").n, 0);
	assert_int_equal(exchange_header(x, "x-interim").n, 0);
	assert_int_equal(exchange_header(x, "x-trailer").n, 0);
}

static void
headers_kept(void **state)
{
	char text[8192], large[2001];
	struct call c;

	(void)state;
	memset(large, 'l', 2000);
	large[2000] = '\0';
	snprintf(text, sizeof(text), "HTTP/1.1 103 x\r\nx-interim: 1\r\n\r\n"
	    "HTTP/1.1 200 OK\r\n"
	    "x-request-id:   abc  \r\nRetry-After:7\r\nx-empty:\r\n"
	    "x-folded: one\r\n two\r\n\tthree\r\nx-after: z\r\n"
	    "x-control: a\x01z\r\nx-cr: a\rb\r\nx-large: %s\r\n"
	    "x-eight: caf\xc3\xa9\r\nx-tab: a\tb\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n"
	    "2\r\nok\r\n0\r\nx-trailer: t\r\n\r\n", large);
	fixed_answer = text;
	server_start(serve_fixed_once);
	call_init(&c, "POST", S("{}"));
	c.at_head = check_headers;
	c.at_end = check_headers;
	run(&c);
	expect(&c, EXCHANGE_DONE);
	assert_string_equal(c.got, "ok");
	assert_int_equal(exchange_header(&c.x, "retry-after").n, 0);
	call_end(&c);
}

/* Each of these is broken in its own way and never DONE. */
static void
broken_answers(void **state)
{
	static const char *const texts[] = {
		"",
		"HTTP/1.1 200 OK\r\nContent-Le",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ntoo short",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "2\r\nab\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n"
		    "\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: nine\r\n\r\nabc",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"<html>not HTTP at all</html>",
	};

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		struct call c;

		try("POST", texts[i], EXCHANGE_BROKE, &c);
		assert_true(c.x.sent);
		assert_true(c.why[0]);
		teardown(NULL);
		setup(NULL);
	}
}

static void
odd_but_whole(void **state)
{
	const struct { const char *text, *body; int status; } tries[] = {
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n", "abcdefg", 200 },
		{ "HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end",
		    200 },
		{ "HTTP/1.0 500 Oh\r\n\r\nno", "no", 500 },
		{ "HTTP/1.1 204 No Content\r\n\r\n", NULL, 204 },
		{ "HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:1/\r\n"
		    "Content-Length: 2\r\n\r\nxy", "xy", 307 },
		{ "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic\r\n"
		    "Content-Length: 2\r\n\r\nxy", "xy", 401 },
		{ "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
		    "Content-Length: 4\r\n\r\n\x1f\x8bzz", "\x1f\x8bzz", 200 },
		{ "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok", 200 },
	};

	(void)state;
	for (size_t i = 0; i < countof(tries); i++) {
		struct call c;

		fixed_answer = tries[i].text;
		server_start(serve_fixed_once);
		call_init(&c, "POST", S("{}"));
		run(&c);
		expect(&c, EXCHANGE_DONE);
		assert_int_equal(c.x.status, tries[i].status);
		assert_int_equal(server.requests, 1);
		if (tries[i].body)
			assert_string_equal(c.got, tries[i].body);
		else
			assert_int_equal(c.n, 0);
		call_end(&c);
		teardown(NULL);
		setup(NULL);
	}
}

static void
two_lengths_not_kept(void **state)
{
	struct call a, b;

	(void)state;
	fixed_answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
	server_start(serve_fixed);
	call_init(&a, "POST", S("{}"));
	call_init(&b, "POST", S("{}"));
	run_two(&a, &b, then_next);
	expect(&a, EXCHANGE_DONE);
	assert_string_equal(a.got, "ok");
	assert_false(b.x.reused);
	assert_int_equal(server.connections, 2);
	call_end(&a);
	call_end(&b);
}

/* An answer before the body is out: taken, and the connection not kept. */
static void
serve_early(int fd, int number)
{
	char text[512];
	ssize_t n = 0;

	(void)number;
	while (n < 100) {
		ssize_t got = read(fd, text, sizeof(text));

		if (got <= 0)
			return;
		n += got;
	}
	server.requests++;
	say(fd, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
	shutdown(fd, SHUT_WR);
	while (read(fd, text, sizeof(text)) > 0)
		;
}

static void
early_answer(void **state)
{
	char *body = pattern(BIG);
	struct call a, b;

	(void)state;
	server_start(serve_early);
	call_init(&a, "POST", str_from(body, BIG));
	call_init(&b, "POST", str_from(body, BIG));
	run_two(&a, &b, then_next);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_DONE);
	assert_int_equal(a.x.status, 413);
	assert_int_equal(server.connections, 2);
	free(body);
	call_end(&a);
	call_end(&b);
}

/* --- Many ----------------------------------------------------------------- */

enum { MANY = 300 };	/* more than one shard takes */

static void
serve_together(int fd, int number)
{
	char text[4096], *body;

	(void)number;
	while (read_request(fd, text, sizeof(text))) {
		body = strstr(text, "\r\n\r\n") + 4;
		/* Nobody is answered before all have asked. */
		for (int i = 0; i < 5000 && server.requests < MANY; i++)
			usleep(1000);
		answer(fd, body);
	}
}

static int many_left;

static void
one_of_many(struct call *c)
{
	(void)c;
	if (--many_left == 0)
		loop_stop(loop);
}

static void
many_at_once(void **state)
{
	struct call *c = xalloc(MANY * sizeof(*c));
	char (*bodies)[32] = xalloc(MANY * sizeof(*bodies));

	(void)state;
	server_start(serve_together);
	many_left = MANY;
	for (int i = 0; i < MANY; i++) {
		snprintf(bodies[i], sizeof(bodies[i]), "I am number %d", i);
		call_init(&c[i], "POST", str_of(bodies[i]));
		c[i].stops = false;
		c[i].at_end = one_of_many;
		exchange_start(pool, &c[i].x);
	}
	loop_run(loop);
	for (int i = 0; i < MANY; i++) {
		expect(&c[i], EXCHANGE_DONE);
		assert_string_equal(c[i].got, bodies[i]);
		call_end(&c[i]);
	}
	assert_int_equal(server.requests, MANY);
	assert_int_equal(server.connections, MANY);
	free(bodies);
	free(c);
}

/*
 * Some thousand exchanges over few connections, with a body each of its own,
 * cancelled and paused at random: nobody gets another's bytes.
 */
static void
serve_echo_randomly(int fd, int number)
{
	char text[8192], out[16384];
	unsigned seed = (unsigned)number;

	while (read_request(fd, text, sizeof(text))) {
		char *body = strstr(text, "\r\n\r\n") + 4;
		int n = 1 + rand_r(&seed) % 200, at;

		at = snprintf(out, sizeof(out), "HTTP/1.1 200 OK\r\n"
		    "Content-Length: %zu\r\n\r\n", strlen(body) * (size_t)n);
		for (int i = 0; i < n; i++)
			at += sprintf(out + at, "%s", body);
		/* With the answer: later it could not be told from the
		 * answer to the next request. */
		if (rand_r(&seed) % 50 == 0)
			strcat(out, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
			    "\r\nwrong");
		say(fd, out);
		if (rand_r(&seed) % 50 == 0)
			return;
	}
}

enum { SWARM = 24, SWARM_CALLS = 4000 };

static struct swarm_call {
	struct call c;
	char body[32];
	struct timer again;
} *swarm;
static int swarm_done, swarm_number, swarm_bad;
static unsigned swarm_seed = 20261122;

static void swarm_start(struct swarm_call *s);

static void
swarm_resume(struct timer *t)
{
	struct swarm_call *s = holder(t, struct swarm_call, again);

	if (rand_r(&swarm_seed) % 4 == 0) {
		exchange_cancel(&s->c.x);
		swarm_start(s);
	} else {
		exchange_resume(&s->c.x);
	}
}

static void
swarm_data(struct call *c)
{
	struct swarm_call *s = holder(c, struct swarm_call, c);

	if (c->datas == 0) {	/* refused */
		s->again.fire = swarm_resume;
		loop_timer(loop, &s->again, rand_r(&swarm_seed) % 3);
	} else if (rand_r(&swarm_seed) % 20 == 0) {
		exchange_cancel(&c->x);
		swarm_start(s);
	}
}

static void
swarm_end(struct call *c)
{
	struct swarm_call *s = holder(c, struct swarm_call, c);
	size_t n = strlen(s->body);

	if (c->end == EXCHANGE_DONE) {
		if (c->n == 0 || c->n % n)
			swarm_bad++;
		for (size_t i = 0; i < c->n; i += n)
			swarm_bad += memcmp(c->got + i, s->body, n) != 0;
	} else if (c->end != EXCHANGE_BROKE) {
		swarm_bad++;
	}
	if (++swarm_done >= SWARM_CALLS)
		loop_stop(loop);
	swarm_start(s);
}

static void
swarm_start(struct swarm_call *s)
{
	loop_clear(loop, &s->again);
	call_end(&s->c);
	snprintf(s->body, sizeof(s->body), "<call %06d>", swarm_number++);
	call_init(&s->c, "POST", str_of(s->body));
	s->c.stops = false;
	s->c.refuse = rand_r(&swarm_seed) % 8 == 0;
	s->c.x.small_buffer = rand_r(&swarm_seed) % 2;
	s->c.at_data = swarm_data;
	s->c.at_end = swarm_end;
	exchange_start(pool, &s->c.x);
}

static void
nobody_elses_bytes(void **state)
{
	(void)state;
	server_start(serve_echo_randomly);
	swarm = xalloc(SWARM * sizeof(*swarm));
	for (int i = 0; i < SWARM; i++)
		swarm_start(&swarm[i]);
	loop_run(loop);
	assert_true(swarm_done >= SWARM_CALLS);
	assert_int_equal(swarm_bad, 0);
	loop_end();
	for (int i = 0; i < SWARM; i++)
		call_end(&swarm[i].c);
	free(swarm);
	loop_begin();
}

/* --- TLS ------------------------------------------------------------------ */

static bool
read_line(int fd, char *line, size_t room)
{
	size_t n = 0;

	while (n < room - 1 && read(fd, line + n, 1) == 1)
		if (line[n++] == '\n')
			break;
	line[n] = '\0';
	return n > 0;
}

static char tls_folder[] = "/tmp/weir-upstream-XXXXXX";
static char tls_cert[64], tls_key[64];
static bool have_cert;

/* Runs to its end; true when it exits with 0. */
static bool
run_program(char *const argv[])
{
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status, error;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&pid, argv[0], &quiet, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	return error == 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* A certificate for 127.0.0.1 that signs itself. */
static int
make_certificate(void **state)
{
	char *argv[] = { "openssl", "req", "-x509", "-newkey", "ec",
	    "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
	    "2", "-subj", "/CN=weir test", "-addext",
	    "subjectAltName=IP:127.0.0.1", "-keyout", tls_key, "-out",
	    tls_cert, NULL };

	(void)state;
	if (!upstream_init() || !mkdtemp(tls_folder))
		return -1;
	snprintf(tls_cert, sizeof(tls_cert), "%s/cert", tls_folder);
	snprintf(tls_key, sizeof(tls_key), "%s/key", tls_folder);
	have_cert = run_program(argv);
	return 0;
}

static int
remove_certificate(void **state)
{
	char *argv[] = { "rm", "-rf", tls_folder, NULL };

	(void)state;
	run_program(argv);
	return 0;
}

/*
 * `openssl s_server` on a port that the kernel chose; false: not here.  What
 * is written to pipes[0] it sends, what it receives is read from pipes[1].
 */
static bool
tls_server_start(const char *const options[])
{
	const char *argv[16] = { "openssl", "s_server", "-accept",
	    "127.0.0.1:0", "-cert", tls_cert, "-key", tls_key };
	posix_spawn_file_actions_t ends;
	int to[2], from[2], n = 8, error;
	char line[256];

	if (!have_cert)
		return false;
	while (*options)
		argv[n++] = *options++;
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&ends);
	posix_spawn_file_actions_adddup2(&ends, to[0], 0);
	posix_spawn_file_actions_adddup2(&ends, from[1], 1);
	posix_spawn_file_actions_addopen(&ends, 2, "/dev/null", O_WRONLY, 0);
	error = posix_spawnp(&tls_pid, argv[0], &ends, NULL,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&ends);
	if (error)
		tls_pid = 0;
	close(to[0]);
	close(from[1]);
	server.port = 0;
	while (!error && server.port == 0 &&
	    read_line(from[0], line, sizeof(line)))
		sscanf(line, "ACCEPT 127.0.0.1:%d", &server.port);
	if (server.port == 0)
		end_program(&tls_pid);
	/* Kept open, or it would end at the end of its input. */
	pipes[0] = to[1];
	pipes[1] = from[0];
	return server.port != 0;
}

static void
try_tls(const char *host, const char *ca_file, enum exchange_end end)
{
	struct call c;

	call_init(&c, "GET", S(""));
	snprintf(c.url, sizeof(c.url), "https://%s:%d/", host, server.port);
	c.x.url = str_of(c.url);
	c.x.ca_file = str_of(ca_file);
	run(&c);
	expect(&c, end);
	assert_int_equal(c.x.sent, end == EXCHANGE_DONE);
	assert_int_equal(c.n > 0, end == EXCHANGE_DONE);
	assert_int_equal(c.why[0] != 0, end != EXCHANGE_DONE);
	call_end(&c);
	loop_end();
	loop_begin();
}

static const char *const with_pages[] = { "-www", NULL };

static void
certificates(void **state)
{
	(void)state;
	if (!tls_server_start(with_pages))
		skip();
	try_tls("127.0.0.1", NULL, EXCHANGE_TLS);
	try_tls("127.0.0.1", tls_cert, EXCHANGE_DONE);
	try_tls("other.test", tls_cert, EXCHANGE_TLS);
	try_tls("127.0.0.1", "/nonexistent/roots.pem", EXCHANGE_TLS);
}

/* The private roots of one channel are not those of the next. */
static void
roots_do_not_stay(void **state)
{
	struct call a, b;

	(void)state;
	if (!tls_server_start(with_pages))
		skip();
	call_init(&a, "GET", S(""));
	snprintf(a.url, sizeof(a.url), "https://127.0.0.1:%d/", server.port);
	a.x.ca_file = str_of(tls_cert);
	a.x.url = str_of(a.url);
	call_init(&b, "GET", S(""));
	b.x.url = str_of(a.url);
	run_two(&a, &b, then_next);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_TLS);
	assert_false(b.x.sent);
	call_end(&a);
}

static void
old_tls_refused(void **state)
{
	static const char *const old[] = { "-www", "-cipher",
	    "DEFAULT:@SECLEVEL=0", "-tls1_1", NULL };

	(void)state;
	if (!tls_server_start(old))
		skip();
	try_tls("127.0.0.1", tls_cert, EXCHANGE_TLS);
}

/*
 * The end of the first answer and the whole of one nobody asked for are in
 * one TLS record: libcurl reads the first alone, and OpenSSL holds the rest
 * where no look at the socket shows it.
 */
static void *
speak_tls(void *unused)
{
	char line[256];

	for (int i = 0; i < 2; i++) {
		do
			if (!read_line(pipes[1], line, sizeof(line)))
				return unused;
		while (strcmp(line, "\r\n") != 0);
		say(pipes[0], "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
		usleep(30000);
		say(pipes[0], "goodHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
		    "evil");
	}
	return unused;
}

static void
second_answer_in_a_record(void **state)
{
	static const char *const quiet[] = { NULL };
	pthread_t thread;
	struct call a, b;

	(void)state;
	if (!tls_server_start(quiet))
		skip();
	assert_int_equal(pthread_create(&thread, NULL, speak_tls, NULL), 0);
	call_init(&a, "GET", S(""));
	snprintf(a.url, sizeof(a.url), "https://127.0.0.1:%d/", server.port);
	a.x.ca_file = str_of(tls_cert);
	a.x.url = str_of(a.url);
	b = a;
	run_two(&a, &b, then_next);
	pthread_join(thread, NULL);
	expect(&a, EXCHANGE_DONE);
	expect(&b, EXCHANGE_DONE);
	assert_string_equal(a.got, "good");
	assert_string_equal(b.got, "good");
	assert_false(b.x.reused);
	call_end(&a);
	call_end(&b);
}

static void
serve_nothing(int fd, int number)
{
	char text[64];

	(void)number;
	if (read(fd, text, sizeof(text)) < 0)
		return;
}

static void
serve_silence(int fd, int number)
{
	char text[512];

	(void)number;
	while (read(fd, text, sizeof(text)) > 0)
		;
}

/* One that shakes hands, one that waits to share its connection. */
static void
handshake_stalls(void **state)
{
	struct call c[2];
	int64_t began = clock_ms();

	(void)state;
	server_start(serve_silence);
	for (int i = 0; i < 2; i++) {
		call_init(&c[i], "POST", S("{}"));
		snprintf(c[i].url, sizeof(c[i].url), "https://127.0.0.1:%d/",
		    server.port);
		c[i].x.url = str_of(c[i].url);
		c[i].x.connect_ms = 200 + 50 * i;
		c[i].stops = i == 1;
		exchange_start(pool, &c[i].x);
	}
	loop_run(loop);
	for (int i = 0; i < 2; i++) {
		expect(&c[i], EXCHANGE_CONNECT_LATE);
		assert_false(c[i].x.sent);
	}
	assert_true(clock_ms() - began < 1000);
}

static void
serve_in_clear(int fd, int number)
{
	char text[512];

	(void)number;
	if (read(fd, text, sizeof(text)) > 0)
		say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

static void
no_handshake(void **state)
{
	(void)state;
	server_start(serve_nothing);
	try_tls("127.0.0.1", NULL, EXCHANGE_TLS);
	server_stop();
	server_start(serve_in_clear);
	try_tls("127.0.0.1", NULL, EXCHANGE_TLS);
}

/* --- HTTP/2 --------------------------------------------------------------- */

static int h2_port;

/*
 * nginx with TLS and HTTP/2 before the plain server; it inherits a socket
 * whose port the kernel chose.  False: no such nginx here.
 */
static bool
h2_start(void)
{
	char conf[80], arg[32];
	char *argv[] = { "nginx", "-p", tls_folder, "-c", conf, "-e",
	    "stderr", NULL };
	posix_spawn_file_actions_t quiet;
	int fd, error;
	FILE *f;

	if (!have_cert)
		return false;
	fd = listen_here(64, &h2_port);
	snprintf(conf, sizeof(conf), "%s/nginx.conf", tls_folder);
	f = fopen(conf, "we");
	assert_non_null(f);
	fprintf(f, "%sdaemon off;\nworker_processes 1;\npid nginx.pid;\n"
	    "events { worker_connections 1000; }\n"
	    "http {\n"
	    "	access_log off;\n"
	    "	client_max_body_size 10m;\n"
	    "	client_body_temp_path b;\n"
	    "	proxy_temp_path p;\n"
	    "	fastcgi_temp_path f;\n"
	    "	uwsgi_temp_path u;\n"
	    "	scgi_temp_path s;\n"
	    "	server {\n"
	    "		listen 127.0.0.1:%d ssl http2;\n"
	    "		ssl_certificate %s;\n"
	    "		ssl_certificate_key %s;\n"
	    "		location / {\n"
	    "			proxy_pass http://127.0.0.1:%d;\n"
	    "			proxy_buffering off;\n"
	    "			add_header x-connection $connection;\n"
	    "		}\n"
	    "	}\n"
	    "}\n", geteuid() == 0 ? "user root;\n" : "", h2_port, tls_cert,
	    tls_key, server.port);
	fclose(f);
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&quiet, fd, fd);	/* inherited */
	snprintf(arg, sizeof(arg), "%d;", fd);
	setenv("NGINX", arg, 1);
	error = posix_spawnp(&h2_pid, argv[0], &quiet, NULL, argv, environ);
	if (error)
		h2_pid = 0;
	unsetenv("NGINX");
	posix_spawn_file_actions_destroy(&quiet);
	close(fd);
	return error == 0;
}

static void
h2_call(struct call *c, const char *method, struct str body)
{
	call_init(c, method, body);
	snprintf(c->url, sizeof(c->url), "https://127.0.0.1:%d/", h2_port);
	c->x.url = str_of(c->url);
	c->x.ca_file = str_of(tls_cert);
}

enum { STREAMS = 40 };

/* How many streams each connection has carried. */
static struct {
	int64_t number;
	int streams;
} carried[STREAMS];
static int n_carried, streams_wanted;

static void
note_connection(struct call *c)
{
	struct str s = exchange_header(&c->x, "x-connection");
	int64_t number;
	int i = 0;

	assert_true(str_int(s, &number));
	while (i < n_carried && carried[i].number != number)
		i++;
	if (i == n_carried)
		carried[n_carried++].number = number;
	carried[i].streams++;
}

static void
serve_in_step(int fd, int number)
{
	char text[4096];

	(void)number;
	if (!read_request(fd, text, sizeof(text)))
		return;
	for (int i = 0; i < 5000 && server.requests < streams_wanted; i++)
		usleep(1000);
	answer(fd, strstr(text, "\r\n\r\n") + 4);
}

static struct call streams[STREAMS];
static int streams_left, streams_reused;

static void
stream_ended(struct call *c)
{
	streams_reused += c->x.reused;
	if (--streams_left == 0)
		loop_defer(loop, &next_post);
}

/* So many at once; next_post when all have ended. */
static void
start_streams(int n)
{
	static char bodies[STREAMS][32];

	streams_left = n;
	streams_wanted = server.requests + n;
	streams_reused = n_carried = 0;
	memset(carried, 0, sizeof(carried));
	for (int i = 0; i < n; i++) {
		snprintf(bodies[i], sizeof(bodies[i]), "I am stream %d", i);
		h2_call(&streams[i], "POST", str_of(bodies[i]));
		streams[i].stops = false;
		streams[i].at_head = note_connection;
		streams[i].at_end = stream_ended;
		exchange_start(pool, &streams[i].x);
	}
}

static void
check_streams(int n)
{
	for (int i = 0; i < n; i++) {
		expect(&streams[i], EXCHANGE_DONE);
		assert_true(str_eq(streams[i].x.body,
		    str_from(streams[i].got, streams[i].n)));
		call_end(&streams[i]);
	}
	for (int i = 0; i < n_carried; i++)
		assert_in_range(carried[i].streams, 1, LIMIT_H2_STREAMS);
}

static int h2_step;

static void
next_streams(struct post *p)
{
	int n = h2_step < 2 ? LIMIT_H2_STREAMS : STREAMS;

	(void)p;
	check_streams(n);
	if (h2_step == 0) {
		/* They waited for the one handshake. */
		assert_int_equal(n_carried, 1);
		assert_int_equal(streams_reused, n - 1);
	} else if (h2_step == 1) {
		assert_int_equal(n_carried, 1);
		assert_int_equal(streams_reused, n);
	} else {
		/* libcurl opens one each when all it knows are full. */
		assert_in_range(n_carried, 3, 1 + n - LIMIT_H2_STREAMS);
		loop_stop(loop);
		return;
	}
	start_streams(++h2_step < 2 ? LIMIT_H2_STREAMS : STREAMS);
}

static void
streams_share_connections(void **state)
{
	(void)state;
	server_start(serve_in_step);
	if (!h2_start())
		skip();
	h2_step = 0;
	next_post = (struct post){ .run = next_streams };
	start_streams(LIMIT_H2_STREAMS);
	loop_run(loop);
	assert_int_equal(h2_step, 2);
}

static void
serve_much_and_sum(int fd, int number)
{
	char *text = xalloc(BIG + 65536), *body, *much = pattern(BIG);
	size_t n = read_request(fd, text, BIG + 65536);

	(void)number;
	if (n) {
		body = strstr(text, "\r\n\r\n") + 4;
		sum_seen = sum_of(body, n - (size_t)(body - text));
		sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
		    BIG);
		say(fd, text);
		say(fd, much);
	}
	free(much);
	free(text);
}

static void
cancel_first(struct timer *t)
{
	(void)t;
	exchange_cancel(&firsts[0]->x);
}

static void
cancel_soon(struct call *c)
{
	(void)c;
	linger_timer = (struct timer){ .fire = cancel_first };
	loop_timer(loop, &linger_timer, 20);
}

/*
 * Two large ones over one connection: one is paused with bytes in hand and
 * cancelled, the other is paused now and then and comes whole.
 */
static void
paused_among_streams(void **state)
{
	char *body = pattern(BIG);
	struct call a, b;

	(void)state;
	server_start(serve_much_and_sum);
	if (!h2_start())
		skip();
	h2_call(&a, "POST", str_from(body, 100));
	a.refuse = 1;
	a.at_data = cancel_soon;
	firsts[0] = &a;
	h2_call(&b, "POST", str_from(body, BIG));
	b.at_data = refused_or_taken;
	paused_call = &b;
	resumes = 0;
	exchange_start(pool, &a.x);
	exchange_start(pool, &b.x);
	loop_run(loop);
	expect(&b, EXCHANGE_DONE);
	assert_int_equal(b.n, BIG);
	assert_memory_equal(b.got, body, BIG);
	assert_true(resumes >= 10);
	assert_int_equal(a.refuse, 0);
	assert_int_equal(a.datas + a.ends, 0);
	assert_true(b.x.body_taken);
	exchange_cancel(&a.x);
	free(body);
	call_end(&b);
}

int
main(void)
{
	#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(plain),
		TEST(methods),
		TEST(head_then_post),
		TEST(bodies_of_all_sizes),
		TEST(never_sent_twice),
		TEST(never_sent_over_another),
		TEST(reset_unanswered),
		TEST(closed_while_idle),
		TEST(second_answer_not_taken),
		TEST(second_answer_behind_the_buffer),
		TEST(paused_and_resumed),
		TEST(resumed_inside_data),
		TEST(pausing_holds_back),
		TEST(cancelled_in_own_callbacks),
		TEST(cancelled_in_done),
		TEST(cancelled_by_another),
		TEST(cancelled_before_it_began),
		TEST(again_from_done),
		TEST(pool_freed_in_mid_air),
		TEST(refused),
		TEST(black_hole),
		TEST(no_such_name),
		TEST(second_address),
		TEST(silent_address),
		TEST(resolver_hangs),
		TEST(bad_urls),
		TEST(one_url_after_another),
		TEST(proxies),
		TEST(too_many_headers),
		TEST(interim_answers),
		TEST(headers_kept),
		TEST(broken_answers),
		TEST(odd_but_whole),
		TEST(two_lengths_not_kept),
		TEST(early_answer),
		TEST(many_at_once),
		TEST(nobody_elses_bytes),
		TEST(certificates),
		TEST(roots_do_not_stay),
		TEST(old_tls_refused),
		TEST(second_answer_in_a_record),
		TEST(no_handshake),
		TEST(handshake_stalls),
		TEST(streams_share_connections),
		TEST(paused_among_streams),
	};

	return cmocka_run_group_tests(tests, make_certificate,
	    remove_certificate);
}
