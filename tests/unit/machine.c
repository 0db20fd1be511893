/* SPDX-License-Identifier: MIT */
/*
 * machine.c - a whole machine in this process, and a rude FastCGI client.
 *
 * The one route answers with the length and a sum of the body, so that a
 * byte lost or doubled anywhere between socket, spool, reader and libfcgi
 * shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/listen.h"
#include "fcgi/machine.h"
#include "fcgi/record.h"
#include "fcgi/reply.h"

enum { BODY_MAX = 1 << 20 };

static char dir[] = "/tmp/weir-machine-XXXXXX";
static char path[64];
static _Atomic int left;

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

static void
serve_large(struct request *rq)
{
	struct buf out = BUF(&rq->arena, 4 << 20);

	while (out.n < 3 << 20)
		buf_put(&out, S("0123456789abcdef"));
	reply_whole(rq, 200, "text/plain", buf_str(&out));
	request_free(rq);
}

static void
on_gone(struct request *rq)
{
	left++;
	request_free(rq);
}

/* Never answers: its caller has to leave. */
static void
serve_never(struct request *rq)
{
	rq->gone = on_gone;
}

static void
refuse(struct request *rq, const struct fault *f)
{
	reply_whole(rq, fault_status(f), "text/plain", f->text);
	request_free(rq);
}

static const struct route routes[] = {
	{ "POST", "/sum", 0, serve_sum, 0, 0, NULL },
	{ "GET", "/large", 0, serve_large, 0, 0, NULL },
	{ "GET", "/never", 0, serve_never, 0, 0, NULL },
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

static void *
machine_thread(void *arg)
{
	struct machine_conf conf = { .listen_fd = *(int *)arg, .loops = 2,
	    .readers = 2, .body_max = BODY_MAX, .drain_ms = 1000,
	    .cors_origins = S("*"), .data_dir = S("/nowhere"),
	    .routes = routes, .n_routes = countof(routes), .refuse = refuse,
	    .worker_own = own, .worker_free = own_free };

	return (void *)(intptr_t)machine_run(&conf);
}

/* --- The client --------------------------------------------------------- */

static int
dial(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval ten = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path + 5);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
	    0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ten, sizeof(ten));
	return fd;
}

static void
put_record(struct buf *b, int type, struct str content, unsigned padding)
{
	uint8_t head[RECORD_HEAD_BYTES];

	record_head(head, type, 1, content.n);
	head[6] = (uint8_t)padding;
	buf_put(b, str_from(head, sizeof(head)));
	buf_put(b, content);
	for (unsigned i = 0; i < padding; i++)
		buf_char(b, 'x');
}

static void
put_param(struct buf *b, const char *name, const char *value)
{
	buf_char(b, (char)strlen(name));
	buf_char(b, (char)strlen(value));
	buf_put(b, str_of(name));
	buf_put(b, str_of(value));
}

struct ask {
	const char *method, *uri;
	struct str body;
	const char *length;	/* NULL: the true one */
	unsigned padding;
	size_t record;		/* largest STDIN record */
	bool keep;
};

static struct buf
request_bytes(const struct ask *q)
{
	struct buf b = BUF_HEAP(8 << 20), params = BUF_HEAP(65536);
	struct str rest = q->body;
	char length[24];

	snprintf(length, sizeof(length), "%zu", q->body.n);
	put_record(&b, RECORD_BEGIN, q->keep ?
	    str_from("\0\1\1\0\0\0\0\0", 8) :
	    str_from("\0\1\0\0\0\0\0\0", 8), 0);
	put_param(&params, "REQUEST_METHOD", q->method);
	put_param(&params, "REQUEST_URI", q->uri);
	put_param(&params, "CONTENT_LENGTH", q->length ? q->length : length);
	put_record(&b, RECORD_PARAMS, buf_str(&params), q->padding);
	put_record(&b, RECORD_PARAMS, S(""), q->padding);
	while (rest.n) {
		size_t n = rest.n < q->record ? rest.n : q->record;

		put_record(&b, RECORD_STDIN, str_from(rest.p, n), q->padding);
		rest = str_skip(rest, n);
	}
	put_record(&b, RECORD_STDIN, S(""), q->padding);
	buf_release(&params);
	return b;
}

/* The STDOUT bytes of one answer; ended: END_REQUEST came. */
static struct buf
read_answer(int fd, bool *ended)
{
	struct buf out = BUF_HEAP(8 << 20);
	uint8_t head[RECORD_HEAD_BYTES];

	*ended = false;
	while (recv(fd, head, sizeof(head), MSG_WAITALL) == sizeof(head)) {
		size_t n = (size_t)head[4] << 8 | head[5];
		char *p = buf_room(&out, n);

		assert_int_equal(head[0], 1);
		if (n)
			assert_int_equal(recv(fd, p, n, MSG_WAITALL), n);
		if (head[1] == RECORD_STDOUT)
			out.n += n;
		if (head[1] == RECORD_END) {
			*ended = true;
			break;
		}
	}
	return out;
}

static void
check_sum(int fd, struct str body)
{
	char want[64];
	bool ended;
	struct buf out = read_answer(fd, &ended);

	snprintf(want, sizeof(want), "\r\n\r\n%zu %u", body.n, sum_of(body));
	assert_true(ended);
	assert_true(str_starts(buf_str(&out), S("Status: 200 OK\r\n")));
	assert_true(str_ends(buf_str(&out), str_of(want)));
	buf_release(&out);
}

static void
check_status(int fd, const char *status)
{
	bool ended;
	struct buf out = read_answer(fd, &ended);

	assert_true(ended);
	assert_true(str_starts(buf_str(&out), str_of(status)));
	buf_release(&out);
}

static void
send_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		s = str_skip(s, (size_t)n);
	}
}

static struct str
body_of(size_t n)
{
	static char bytes[2 << 20];

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	return str_from(bytes, n);
}

/* --- Tests -------------------------------------------------------------- */

static void
whole_requests(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 8191, 8192, 15000, 16384,
	    65536, 70000, 300000, BODY_MAX };

	(void)state;
	for (size_t i = 0; i < countof(sizes); i++)
		for (unsigned padding = 0; padding <= 255; padding += 255) {
			struct ask q = { .method = "POST", .uri = "/sum",
			    .body = body_of(sizes[i]), .padding = padding,
			    .record = i % 2 ? 65535 : 1000 };
			struct buf b = request_bytes(&q);
			int fd = dial();

			send_all(fd, buf_str(&b));
			check_sum(fd, q.body);
			/* Not kept: the machine closes. */
			assert_int_equal(recv(fd, &q, 1, 0), 0);
			close(fd);
			buf_release(&b);
		}
}

static void
split_at_every_byte(void **state)
{
	struct ask q = { .method = "POST", .uri = "/sum",
	    .body = body_of(40), .record = 13, .keep = true };
	struct buf b = request_bytes(&q);
	int fd = dial();

	(void)state;
	for (size_t at = 1; at < b.n; at++) {
		send_all(fd, str_from(b.p, at));
		usleep(300);
		send_all(fd, str_skip(buf_str(&b), at));
		check_sum(fd, q.body);
	}
	/* And byte by byte. */
	for (size_t at = 0; at < b.n; at++)
		send_all(fd, str_from(b.p + at, 1));
	check_sum(fd, q.body);
	close(fd);
	buf_release(&b);
}

static void
kept_and_small_after_large(void **state)
{
	struct ask large = { .method = "POST", .uri = "/sum",
	    .body = body_of(200000), .record = 65535, .keep = true };
	struct ask small = { .method = "POST", .uri = "/sum",
	    .body = body_of(10), .record = 65535, .keep = true };
	struct buf a = request_bytes(&large), b = request_bytes(&small);
	int fd = dial();

	(void)state;
	for (int i = 0; i < 20; i++) {
		send_all(fd, buf_str(&a));
		check_sum(fd, large.body);
		send_all(fd, buf_str(&b));
		check_sum(fd, small.body);
	}
	close(fd);
	buf_release(&a);
	buf_release(&b);
}

static void
wrong_lengths(void **state)
{
	static const struct { const char *length; size_t body; } rows[] = {
		{ "11", 10 }, { "9", 10 }, { "+10", 10 }, { "10,10", 10 },
		{ "-1", 10 }, { "0x0a", 10 }, { "99999999999999999999", 10 },
		{ "200001", 200000 }, { "199999", 200000 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct ask q = { .method = "POST", .uri = "/sum",
		    .body = body_of(rows[i].body), .record = 60000,
		    .length = rows[i].length };
		struct buf b = request_bytes(&q);
		int fd = dial();

		send_all(fd, buf_str(&b));
		check_status(fd, "Status: 400 ");
		close(fd);
		buf_release(&b);
	}
}

/* Refused as soon as the parameters are there, before any body. */
static void
too_large_is_refused_early(void **state)
{
	struct ask q = { .method = "POST", .uri = "/sum",
	    .body = body_of(20000), .record = 65535, .length = "2000000" };
	struct buf b = request_bytes(&q);
	int64_t before = request_bytes_held();
	int fd = dial();

	(void)state;
	send_all(fd, str_from(b.p, b.n - 8 - 10000));
	check_status(fd, "Status: 413 ");
	for (int i = 0; i < 50; i++)
		send_all(fd, body_of(100000));
	assert_true(request_bytes_held() - before <= 65536);
	close(fd);
	buf_release(&b);
}

static void
callers_who_leave(void **state)
{
	struct ask q = { .method = "GET", .uri = "/never" };
	struct buf b = request_bytes(&q);
	int fd;

	(void)state;
	left = 0;
	for (int i = 0; i < 10; i++) {
		fd = dial();
		send_all(fd, buf_str(&b));
		usleep(10000);
		close(fd);
	}
	/* In the middle of a body: nothing is served at all. */
	for (size_t n = 1; n < b.n; n += 7) {
		fd = dial();
		send_all(fd, str_from(b.p, n));
		close(fd);
	}
	for (int i = 0; i < 300 && left < 10; i++)
		usleep(10000);
	assert_int_equal(left, 10);
	buf_release(&b);
}

static void
slow_reader_gets_everything(void **state)
{
	struct ask q = { .method = "GET", .uri = "/large" };
	struct buf b = request_bytes(&q), out;
	int fd = dial();
	bool ended;

	(void)state;
	send_all(fd, buf_str(&b));
	usleep(200000);
	out = read_answer(fd, &ended);
	assert_true(ended);
	assert_true(str_ends(buf_str(&out), S("0123456789abcdef")));
	assert_true(out.n > 3 << 20);
	close(fd);
	buf_release(&b);
	buf_release(&out);
}

static void
unknown_and_not_fastcgi(void **state)
{
	struct ask q = { .method = "GET", .uri = "/nothing" };
	struct buf b = request_bytes(&q);
	char byte;
	int fd = dial();

	(void)state;
	send_all(fd, buf_str(&b));
	check_status(fd, "Status: 404 ");
	close(fd);
	fd = dial();
	send_all(fd, S("GET / HTTP/1.1\r\n\r\n"));
	assert_true(recv(fd, &byte, 1, 0) <= 0);
	close(fd);
	buf_release(&b);
	q.uri = "/sum";
	b = request_bytes(&q);
	fd = dial();
	send_all(fd, buf_str(&b));
	check_status(fd, "Status: 405 ");
	close(fd);
	buf_release(&b);
}

/* Whoever gave us descriptor 0 shares it, and may make it block again. */
static void
zero_that_blocks_again(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int before = dup(0), s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct arena a = { 0 };
	struct str why;

	(void)state;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/zero", dir);
	assert_return_code(bind(s, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(listen(s, 8), errno);
	assert_return_code(dup2(s, 0), errno);
	assert_int_equal(listen_open(S(""), S(""), &a, &why), 0);
	fcntl(s, F_SETFL, fcntl(s, F_GETFL) & ~O_NONBLOCK);
	alarm(10);	/* or it waits for ever */
	assert_int_equal(accept(0, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	alarm(0);
	listen_unblock(0);
	assert_true(fcntl(s, F_GETFL) & O_NONBLOCK);
	dup2(before, 0);
	close(before);
	close(s);
	unlink(at.sun_path);
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_requests),
		cmocka_unit_test(split_at_every_byte),
		cmocka_unit_test(kept_and_small_after_large),
		cmocka_unit_test(wrong_lengths),
		cmocka_unit_test(too_large_is_refused_early),
		cmocka_unit_test(callers_who_leave),
		cmocka_unit_test(slow_reader_gets_everything),
		cmocka_unit_test(unknown_and_not_fastcgi),
		cmocka_unit_test(zero_that_blocks_again),
	};
	struct arena a = { 0 };
	struct str why;
	pthread_t thread;
	void *status;
	int fd, failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "unix:%s/s", dir);
	machine_prepare();
	fd = listen_open(str_of(path), S(""), &a, &why);
	if (fd < 0)
		return 1;
	pthread_create(&thread, NULL, machine_thread, &fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	kill(getpid(), SIGTERM);
	pthread_join(thread, &status);
	arena_release(&a);
	close(fd);
	unlink(path + 5);
	rmdir(dir);
	return failed || status;
}
