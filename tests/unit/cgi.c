/* SPDX-License-Identifier: MIT */
/*
 * cgi.c - requests as CGI scripts get them, through the bridge to a machine
 * in this process and back.
 *
 * A machine serves one call on a thread of its own and ends; the test plays
 * the web server with real pipes, sockets and files.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/cgi.h"
#include "fcgi/machine.h"
#include "fcgi/reply.h"

enum { BODY_MAX = 1 << 20, FLOOD = 8 << 20, HELD = 3 << 20,
	PIECE = 16, HUGE_ANSWER = LIMIT_FOLD_BYTES + (5 << 20) };

static const char pattern[] = "0123456789abcdef";
static _Atomic int left, stopped;
static _Atomic size_t flooded;

/* --- What is served ----------------------------------------------------- */

static unsigned
sum_of(struct str s)
{
	unsigned sum = 1;

	for (size_t i = 0; i < s.n; i++)
		sum = sum * 31 + (unsigned char)s.p[i];
	return sum;
}

static void
serve_sum(struct request *rq)
{
	struct str text = arena_printf(&rq->arena, "%zu %u", rq->body.n,
	    sum_of(rq->body));

	reply_whole(rq, 200, "text/plain", text);
	request_free(rq);
}

/* What came of the environment. */
static void
serve_env(struct request *rq)
{
	reply_whole(rq, 200, "text/plain", arena_printf(&rq->arena,
	    "%.*s|%.*s|%.*s|%.*s", STR_ARGS(rq->mount), STR_ARGS(rq->path),
	    STR_ARGS(rq->param[PARAM_HTTP_AUTHORIZATION]),
	    STR_ARGS(rq->param[PARAM_REMOTE_ADDR])));
	request_free(rq);
}

static void
put_pattern(struct request *rq, size_t n)
{
	for (size_t i = 0; i < n; i += PIECE)
		reply_data(rq, str_from(pattern, PIECE));
}

/* Without a length: to be held. */
static void
serve_held(struct request *rq)
{
	reply_status(rq, 200);
	reply_header(rq, "Content-Type", S("application/json"));
	put_pattern(rq, HELD);
	reply_end(rq);
	request_free(rq);
}

static void
serve_empty(struct request *rq)
{
	reply_status(rq, 204);
	reply_end(rq);
	request_free(rq);
}

static void
serve_break(struct request *rq)
{
	reply_status(rq, 200);
	reply_header(rq, "Content-Type", S("application/json"));
	reply_header(rq, "Access-Control-Allow-Origin", S("*"));
	reply_header(rq, "x-weir-model", S("m"));
	put_pattern(rq, 200000);
	reply_break(rq);
	request_free(rq);
}

static void
serve_stream_break(struct request *rq)
{
	reply_status(rq, 200);
	reply_header(rq, "Content-Type", S("text/event-stream"));
	put_pattern(rq, 64);
	reply_break(rq);
	request_free(rq);
}

static void
on_gone(struct request *rq)
{
	left++;
	request_free(rq);
}

static void
serve_never(struct request *rq)
{
	rq->gone = on_gone;
}

static void
on_stop(struct request *rq)
{
	stopped++;
	request_free(rq);
}

/* Does not care that its caller left, until it must end. */
static void
serve_stubborn(struct request *rq)
{
	rq->stop = on_stop;
}

/* As much as the caller takes, up to an end. */
static void
flood(struct request *rq)
{
	size_t end = (size_t)rq->route->what;

	do {
		while (flooded < end && !reply_full(rq)) {
			put_pattern(rq, 4096);
			flooded += 4096;
		}
		reply_flush(rq);
	} while (flooded < end && !reply_full(rq));
	if (flooded == end) {
		reply_end(rq);
		request_free(rq);
	}
}

static void
serve_flood(struct request *rq)
{
	flooded = 0;
	rq->drained = flood;
	rq->gone = on_gone;
	reply_status(rq, 200);
	reply_header(rq, "Content-Type", rq->route->what == FLOOD ?
	    S("audio/mpeg") : S("text/plain"));
	flood(rq);
}

static void
refuse(struct request *rq, const struct fault *f)
{
	reply_whole(rq, fault_status(f), "text/plain", f->text);
	request_free(rq);
}

static const struct route routes[] = {
	{ "POST", "/sum", 0, serve_sum, 0, 0, NULL },
	{ "GET", "/env", 0, serve_env, 0, 0, NULL },
	{ "GET", "/held", 0, serve_held, 0, 0, NULL },
	{ "GET", "/empty", 0, serve_empty, 0, 0, NULL },
	{ "GET", "/break", 0, serve_break, 0, 0, NULL },
	{ "GET", "/stream-break", 0, serve_stream_break, 0, 0, NULL },
	{ "GET", "/never", 0, serve_never, 0, 0, NULL },
	{ "GET", "/stubborn", 0, serve_stubborn, 0, 0, NULL },
	{ "GET", "/flood", 0, serve_flood, FLOOD, 0, NULL },
	{ "GET", "/huge", 0, serve_flood, HUGE_ANSWER, 0, NULL },
};

static void *
own(struct worker *w)
{
	return w;
}

static void
own_free(struct worker *w)
{
	(void)w;
}

static void
write_fault(const struct fault *f, struct str id, struct buf *body)
{
	buf_printf(body, "fault %.*s %.*s", STR_ARGS(id), STR_ARGS(f->text));
}

/* --- A process of one call ---------------------------------------------- */

static struct {
	struct cgi_conf conf;
	pthread_t thread;
	char *env[300];
	int n_env;
	int to, from;			/* our ends; -1: none */
	int running;			/* calls that did not end */
	int64_t began_ms;
	struct buf answer;
	struct str body;
} cgi;

static void
at_rest(int running)
{
	cgi.running = running;
}

static void *
machine_thread(void *arg)
{
	struct machine_conf m = { .listen_fd = -1, .cgi = &cgi.conf,
	    .loops = 1, .readers = 2, .body_max = BODY_MAX,
	    .cors_origins = S("*"), .data_dir = S("/nowhere"),
	    .routes = routes, .n_routes = countof(routes), .refuse = refuse,
	    .worker_own = own, .worker_free = own_free, .at_rest = at_rest };

	(void)arg;
	return (void *)(intptr_t)machine_run(&m);
}

static void
set(const char *name, const char *value)
{
	char *line = xalloc(strlen(name) + strlen(value) + 2);

	sprintf(line, "%s=%s", name, value);
	assert_true(cgi.n_env < (int)countof(cgi.env) - 1);
	cgi.env[cgi.n_env++] = line;
}

static void
set_length(size_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%zu", n);
	set("CONTENT_LENGTH", text);
}

static int
setup(void **state)
{
	(void)state;
	memset(&cgi, 0, sizeof(cgi));
	cgi.to = cgi.from = cgi.conf.in = cgi.conf.out = -1;
	cgi.answer = BUF_HEAP(HUGE_ANSWER + 4096);
	left = stopped = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < cgi.n_env; i++)
		free(cgi.env[i]);
	buf_release(&cgi.answer);
	if (cgi.conf.in >= 0)
		close(cgi.conf.in);
	if (cgi.conf.out >= 0)
		close(cgi.conf.out);
	if (cgi.to >= 0)
		close(cgi.to);
	if (cgi.from >= 0 && cgi.from != cgi.to)
		close(cgi.from);
	return 0;
}

static void
use_pipes(void)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	cgi.conf.in = in[0];
	cgi.conf.out = out[1];
	cgi.to = in[1];
	cgi.from = out[0];
}

/* One socket for both directions, as mod_cgid has it. */
static void
use_socket(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	cgi.conf.in = ends[0];
	cgi.conf.out = dup(ends[0]);
	cgi.to = cgi.from = ends[1];
}

static void
use_files(struct str body)
{
	cgi.conf.in = memfd_create("in", 0);
	cgi.conf.out = memfd_create("out", 0);
	cgi.from = dup(cgi.conf.out);
	assert_int_equal(write(cgi.conf.in, body.p, body.n), body.n);
	lseek(cgi.conf.in, 0, SEEK_SET);
}

static void
start(const char *method, const char *path)
{
	set("REQUEST_METHOD", method);
	set("REQUEST_URI", path);
	cgi.conf.env = cgi.env;
	cgi.conf.write_fault = write_fault;
	cgi.conf.status = fault_status;
	cgi.began_ms = clock_ms();
	assert_int_equal(pthread_create(&cgi.thread, NULL, machine_thread,
	    NULL), 0);
}

static void
write_all(struct str bytes)
{
	while (bytes.n) {
		ssize_t n = write(cgi.to, bytes.p, bytes.n);

		assert_true(n > 0);
		bytes = str_skip(bytes, (size_t)n);
	}
}

static void
end_body(void)
{
	if (cgi.to == cgi.from)
		shutdown(cgi.to, SHUT_WR);
	else
		close(cgi.to);
	if (cgi.to != cgi.from)
		cgi.to = -1;
}

/* Until the answer ends, or there are n bytes of it. */
static void
read_some(size_t n)
{
	struct pollfd ready = { .fd = cgi.from, .events = POLLIN };
	char piece[65536];

	while (cgi.answer.n < n) {
		ssize_t got;

		assert_true(poll(&ready, 1, 10000) > 0);
		got = read(cgi.from, piece, sizeof(piece));
		assert_true(got >= 0);
		if (got == 0)
			return;
		assert_true(buf_put(&cgi.answer, str_from(piece,
		    (size_t)got)));
	}
}

/* The machine has ended well. */
static void
wait_end(void)
{
	void *status;

	pthread_join(cgi.thread, &status);
	assert_int_equal((intptr_t)status, 0);
}

static void
finish(void)
{
	const char *end;

	read_some(SIZE_MAX);
	wait_end();
	if (cgi.answer.n == 0 && lseek(cgi.from, 0, SEEK_SET) == 0)
		read_some(SIZE_MAX);
	assert_int_equal(cgi.running, 0);
	end = memmem(cgi.answer.p, cgi.answer.n, "\r\n\r\n", 4);
	assert_non_null(end);
	cgi.body = str_skip(buf_str(&cgi.answer),
	    (size_t)(end + 4 - cgi.answer.p));
}

static bool
head_has(const char *line)
{
	return str_has(str_from(cgi.answer.p, cgi.answer.n - cgi.body.n),
	    str_of(line));
}

static void
body_is(const char *wanted)
{
	if (!str_eq(cgi.body, str_of(wanted)))
		fail_msg("%.*s instead of %s", STR_ARGS(cgi.body), wanted);
}

static void
body_is_sum(struct str sent)
{
	char text[64];

	snprintf(text, sizeof(text), "%zu %u", sent.n, sum_of(sent));
	body_is(text);
}

static void
body_is_pattern(size_t n)
{
	assert_int_equal(cgi.body.n, n);
	for (size_t i = 0; i < n; i += PIECE)
		if (memcmp(cgi.body.p + i, pattern, PIECE) != 0)
			fail_msg("wrong bytes at %zu", i);
}

static struct str
some_body(size_t n)
{
	static char bytes[3 * BODY_MAX];

	assert_true(n <= sizeof(bytes));
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	return str_from(bytes, n);
}

/* --- Bodies ------------------------------------------------------------- */

static void
each_kind(void **state)
{
	static const size_t lengths[] = { 1, 1000, 16000, 16400, 65528, 65529,
	    200000, BODY_MAX };

	for (int kind = 0; kind < 3; kind++)
		for (size_t i = 0; i < countof(lengths); i++) {
			struct str body = some_body(lengths[i]);

			setup(state);
			if (kind == 0)
				use_pipes();
			else if (kind == 1)
				use_socket();
			else
				use_files(body);
			set_length(body.n);
			start("POST", "/sum");
			if (kind < 2) {
				write_all(body);
				end_body();
			}
			finish();
			body_is_sum(body);
			assert_true(head_has("Status: 200 OK\r\n"));
			teardown(state);
		}
	setup(state);
}

static void
in_pieces(void **state)
{
	struct str body = some_body(40000);

	(void)state;
	use_pipes();
	set_length(body.n);
	start("POST", "/sum");
	for (size_t at = 0, n = 1; at < body.n; at += n, n = n * 3 + 1) {
		if (n > body.n - at)
			n = body.n - at;
		write_all(str_from(body.p + at, n));
		usleep(3000);
	}
	/* Its length is known: the end need not be shown. */
	finish();
	body_is_sum(body);
}

static void
until_its_end(void **state)
{
	struct str body = some_body(100000);

	(void)state;
	use_pipes();
	set("HTTP_TRANSFER_ENCODING", "chunked");
	start("POST", "/sum");
	write_all(body);
	end_body();
	finish();
	body_is_sum(body);
}

static void
no_body(void **state)
{
	(void)state;
	use_pipes();		/* which stays open and says nothing */
	start("POST", "/sum");
	finish();
	body_is_sum(S(""));
}

static void
other_lengths(void **state)
{
	static const struct { const char *length; size_t sent;
		const char *status; } rows[] = {
		{ "1000", 999, "Status: 400" },
		{ "1000", 1001, "Status: 200" },
		{ "-5", 10, "Status: 400" },
		{ "ten", 10, "Status: 400" },
		{ "99999999999999999999", 10, "Status: 400" },
		{ "0", 10, "Status: 200" },
		{ "", 10, "Status: 200" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		setup(state);
		use_pipes();
		set("CONTENT_LENGTH", rows[i].length);
		write_all(some_body(rows[i].sent));
		end_body();
		start("POST", "/sum");
		finish();
		if (!head_has(rows[i].status))
			fail_msg("row %zu: %.*s", i, STR_ARGS(buf_str(
			    &cgi.answer)));
		teardown(state);
	}
	setup(state);
}

static void *
write_much(void *arg)
{
	struct str *body = arg;
	size_t n = 0;

	while (n < body->n) {
		ssize_t got = write(cgi.to, body->p + n, body->n - n);

		if (got < 0)
			break;
		n += (size_t)got;
	}
	return (void *)(intptr_t)(n == body->n);
}

/* The web server must not be left writing to a script that has answered. */
static void
too_large(void **state)
{
	for (int kind = 0; kind < 2; kind++) {
		struct str body = some_body(3 * BODY_MAX);
		pthread_t writer;
		void *whole;

		setup(state);
		if (kind)
			use_socket();
		else
			use_pipes();
		set_length(body.n);
		start("POST", "/sum");
		pthread_create(&writer, NULL, write_much, &body);
		finish();
		pthread_join(writer, &whole);
		assert_false((intptr_t)whole);
		assert_true(head_has("Status: 413 "));
		teardown(state);
	}
	setup(state);
}

/* --- Environment -------------------------------------------------------- */

static void
environment(void **state)
{
	(void)state;
	use_pipes();
	set("SCRIPT_NAME", "/api/weir.cgi");
	set("REDIRECT_HTTP_AUTHORIZATION", "Bearer one");
	set("REDIRECT_REMOTE_ADDR", "6.6.6.6");
	set("REMOTE_ADDR", "1.2.3.4");
	start("GET", "/api/env?x");
	finish();
	body_is("/api|/env|Bearer one|1.2.3.4");
}

static void
what_is_set_wins(void **state)
{
	(void)state;
	use_pipes();
	set("REDIRECT_HTTP_AUTHORIZATION", "Bearer one");
	set("HTTP_AUTHORIZATION", "Bearer two");
	set("REDIRECT_WEIR_MOUNT", "/deep/er");
	start("GET", "/deep/er/env");
	finish();
	body_is("/deep/er|/env|Bearer two|");
}

static void
large_environment(void **state)
{
	char *text = xalloc(70001);

	memset(text, 'x', 70000);
	use_pipes();
	set("SOMETHING", text);		/* not of the request */
	start("GET", "/env");
	finish();
	assert_true(head_has("Status: 200 "));
	teardown(state);
	setup(state);
	use_pipes();
	set("HTTP_X", text);
	free(text);
	start("GET", "/env");
	finish();
	assert_true(head_has("Status: 431 "));
	assert_true(str_starts(cgi.body, S("fault ")));
}

static void
many_headers(void **state)
{
	char name[32];

	(void)state;
	use_pipes();
	for (int i = 0; i <= LIMIT_HEADERS; i++) {
		snprintf(name, sizeof(name), "HTTP_X_%d", i);
		set(name, "1");
	}
	start("GET", "/env");
	finish();
	assert_true(head_has("Status: 431 "));
}

/* --- Answers ------------------------------------------------------------ */

static void
held(void **state)
{
	(void)state;
	use_pipes();
	start("GET", "/held");
	finish();
	assert_true(head_has("\r\nContent-Length: 3145728\r\n"));
	body_is_pattern(HELD);
}

/* One that is too long to be held goes out without a length. */
static void
not_held(void **state)
{
	(void)state;
	use_pipes();
	start("GET", "/huge");
	finish();
	assert_false(head_has("Content-Length"));
	body_is_pattern(HUGE_ANSWER);
}

static void
without_a_body(void **state)
{
	(void)state;
	use_pipes();
	start("GET", "/empty");
	finish();
	assert_true(head_has("Status: 204 No Content\r\n"));
	assert_false(head_has("Content-Length"));
	assert_int_equal(cgi.body.n, 0);
}

static void
broken(void **state)
{
	(void)state;
	use_pipes();
	start("GET", "/break");
	finish();
	assert_true(head_has("Status: 502 Bad Gateway\r\n"));
	assert_true(head_has("Access-Control-Allow-Origin: *\r\n"));
	assert_true(head_has("x-request-id: "));
	assert_false(head_has("x-weir-model"));
	assert_false(str_has(cgi.body, S("0123456789abcdef")));
	assert_true(str_has(cgi.body, S("broke off")));
}

/* What has been seen cannot be taken back: it stops there. */
static void
broken_stream(void **state)
{
	(void)state;
	use_pipes();
	start("GET", "/stream-break");
	finish();
	assert_true(head_has("Status: 200 OK\r\n"));
	body_is_pattern(64);
}

static void
back_pressure(void **state)
{
	for (int kind = 0; kind < 2; kind++) {
		size_t before = 0;

		setup(state);
		if (kind)
			use_socket();
		else
			use_pipes();
		start("GET", "/flood");
		read_some(1);
		do {
			before = flooded;
			usleep(100000);
		} while (flooded != before);
		/* What the queue may hold, and the pair, and the outside. */
		assert_in_range(before, LIMIT_OUT_BYTES, 2 << 20);
		finish();
		assert_int_equal(left, 0);
		body_is_pattern(FLOOD);
		teardown(state);
	}
	setup(state);
}

/* --- Callers who leave -------------------------------------------------- */

static void
left_in_time(void)
{
	wait_end();
	assert_int_equal(cgi.running, 0);
	assert_int_equal(left, 1);
	assert_true(cgi.conf.due_ms != 0);
	assert_true(clock_ms() - cgi.began_ms < 2000);
}

static void
nobody_reads(void **state)
{
	for (int kind = 0; kind < 2; kind++) {
		setup(state);
		if (kind)
			use_socket();
		else
			use_pipes();
		start("GET", "/never");
		usleep(30000);
		if (kind)
			close(cgi.to);
		else
			close(cgi.from);
		cgi.from = -1;
		if (kind)
			cgi.to = -1;
		left_in_time();
		teardown(state);
	}
	setup(state);
}

static void
left_in_a_stream(void **state)
{
	(void)state;
	use_pipes();
	start("GET", "/flood");
	read_some(100000);
	close(cgi.from);
	cgi.from = -1;
	left_in_time();
}

/* The request's direction ends: that is no caller who left. */
static void
half_closed(void **state)
{
	(void)state;
	use_socket();
	start("GET", "/never");
	shutdown(cgi.to, SHUT_WR);
	usleep(100000);
	assert_int_equal(left, 0);
	kill(getpid(), SIGTERM);
	left_in_time();
}

static void
left_before_the_body(void **state)
{
	(void)state;
	use_pipes();
	set_length(1000);
	start("POST", "/sum");
	write_all(some_body(10));
	usleep(30000);
	kill(getpid(), SIGTERM);
	wait_end();
	assert_int_equal(cgi.running, 0);
	assert_true(clock_ms() - cgi.began_ms < 1000);
}

static void
told_to_stop(void **state)
{
	(void)state;
	use_pipes();
	start("GET", "/stubborn");
	usleep(30000);
	kill(getpid(), SIGTERM);
	wait_end();
	assert_int_equal(stopped, 1);
	assert_int_equal(cgi.running, 0);
	assert_in_range(clock_ms() - cgi.began_ms, 500, 2000);
}

/* --- One that cannot serve ---------------------------------------------- */

static void
refused(void **state)
{
	struct fault f = { .kind = FAULT_STORE, .text = S("not now"),
	    .retry_ms = 1500 };

	(void)state;
	use_pipes();
	cgi.conf.write_fault = write_fault;
	cgi.conf.status = fault_status;
	cgi_refuse(&cgi.conf, &f);
	close(cgi.conf.out);
	cgi.conf.out = open("/dev/null", O_RDWR);
	read_some(SIZE_MAX);
	cgi.body = buf_str(&cgi.answer);
	assert_true(str_starts(cgi.body, S("Status: 503 Service Unavailable"
	    "\r\n")));
	assert_true(str_has(cgi.body, S("\r\nRetry-After: 2\r\n")));
	assert_true(str_ends(cgi.body, S(" not now")));
}

static void
recognised(void **state)
{
	int before = dup(0), ends[2], fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	unsetenv("GATEWAY_INTERFACE");
	assert_false(cgi_is());
	setenv("GATEWAY_INTERFACE", "CGI/1.1", 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	dup2(ends[0], 0);
	assert_true(cgi_is());
	assert_int_equal(bind(fd, (struct sockaddr *)&(struct sockaddr){
	    .sa_family = AF_UNIX }, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	dup2(fd, 0);
	assert_false(cgi_is());
	dup2(before, 0);
	close(before);
	close(fd);
	close(ends[0]);
	close(ends[1]);
	unsetenv("GATEWAY_INTERFACE");
}

int
main(void)
{
	#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(each_kind),
		TEST(in_pieces),
		TEST(until_its_end),
		TEST(no_body),
		TEST(other_lengths),
		TEST(too_large),
		TEST(environment),
		TEST(what_is_set_wins),
		TEST(large_environment),
		TEST(many_headers),
		TEST(held),
		TEST(not_held),
		TEST(without_a_body),
		TEST(broken),
		TEST(broken_stream),
		TEST(back_pressure),
		TEST(nobody_reads),
		TEST(left_in_a_stream),
		TEST(half_closed),
		TEST(left_before_the_body),
		TEST(told_to_stop),
		TEST(refused),
		TEST(recognised),
	};

	machine_prepare();
	log_mute(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
