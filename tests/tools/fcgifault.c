/* SPDX-License-Identifier: MIT */
/*
 * fcgifault.c - one unusual or wrong FastCGI request, and what came of it.
 *
 * Each command prints one line, and then asks once properly on a connection
 * of its own: what was done to one must not harm the next.
 */
#include "tests/tools/fcgiload.h"

#include <poll.h>

/* ---- a request in parts ------------------------------------------------- */

static void
params_put(struct text *t, const char *name, const char *value)
{
	param(t, name, value, strlen(value));
}

/* What nginx sends with its usual fastcgi_params; length NULL: the true one. */
static void
params_make(struct text *t, const char *length)
{
	struct text v = { 0 };
	char digits[24];

	snprintf(digits, sizeof digits, "%zu", cfg.body.n);
	params_put(t, "QUERY_STRING", "");
	params_put(t, "REQUEST_METHOD", "POST");
	params_put(t, "CONTENT_TYPE", "application/json");
	params_put(t, "CONTENT_LENGTH", length ? length : digits);
	params_put(t, "SCRIPT_NAME", cfg.path);
	params_put(t, "REQUEST_URI", cfg.path);
	params_put(t, "DOCUMENT_URI", cfg.path);
	params_put(t, "DOCUMENT_ROOT", "/var/empty");
	params_put(t, "SERVER_PROTOCOL", "HTTP/1.1");
	params_put(t, "REQUEST_SCHEME", "http");
	params_put(t, "GATEWAY_INTERFACE", "CGI/1.1");
	params_put(t, "SERVER_SOFTWARE", "fcgiload");
	params_put(t, "REMOTE_ADDR", "127.0.0.1");
	params_put(t, "SERVER_NAME", "localhost");
	params_put(t, "HTTP_HOST", "localhost");
	if (cfg.mount)
		params_put(t, "WEIR_MOUNT", cfg.mount);
	if (cfg.key) {
		text_add(&v, "Bearer %s", cfg.key);
		param(t, "HTTP_AUTHORIZATION", v.p, v.n);
		text_drop(&v);
	}
}

static void
request_padded(
    struct text *t, int id, int flags, size_t most, size_t pad, size_t end_pad)
{
	struct text p = { 0 };

	params_make(&p, NULL);
	record_begin(t, id, RESPONDER, flags);
	record_stream(t, PARAMS, id, p.p, p.n, most, pad);
	record_padded(t, PARAMS, id, "", 0, end_pad);
	record_stream(t, STDIN, id, cfg.body.p, cfg.body.n, most, pad);
	record_padded(t, STDIN, id, "", 0, end_pad);
	text_drop(&p);
}

void
request_put(struct text *t, int id, int flags, size_t most)
{
	request_padded(t, id, flags, most, 0, 0);
}

/* ---- one connection, blocking with a deadline --------------------------- */

struct line {
	int fd;
	struct reply r;
	bool closed, reset, hung;
};

static struct line
line_open(void)
{
	struct line l = { .fd = addr_connect(&cfg.addr, 0) };

	if (l.fd < 0)
		die("cannot connect: %s", strerror(errno));
	return l;
}

/* False when the other side does not take the bytes any more. */
static bool
line_send(struct line *l, const char *p, size_t n)
{
	while (n) {
		ssize_t did = send(l->fd, p, n, MSG_NOSIGNAL);

		if (did < 0)
			return false;
		p += did;
		n -= (size_t)did;
	}
	return true;
}

/* Read until the answer has ended, so many events came, or ms are over. */
static void
line_read(struct line *l, uint64_t ns, long events)
{
	uint64_t end = now_ns() + ns, now;
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	char buf[16384];
	ssize_t n;

	while (!l->r.ended && !l->r.alien && !l->closed) {
		if (events && l->r.events >= events)
			return;
		now = now_ns();
		if (now >= end ||
		    poll(&p, 1, (int)((end - now) / 1000000) + 1) == 0) {
			l->hung = true;
			return;
		}
		n = recv(l->fd, buf, sizeof buf, 0);
		if (n > 0)
			reply_feed(&l->r, buf, (size_t)n);
		l->closed = n <= 0;
		l->reset = n < 0;
	}
}

static void
line_close(struct line *l)
{
	close(l->fd);
	text_drop(&l->r.out);
}

/*
 * What came, in a word or two: "status 400", "closed" (nothing came),
 * "cut 200" (an answer that did not end, or ended in bytes that are no
 * record), "ended 3" (END_REQUEST without an answer, its protocol status),
 * "hung".
 */
static const char *
outcome(const struct line *l)
{
	static char s[80];
	long status = reply_status(&l->r);

	if (status && l->r.ended)
		snprintf(s, sizeof s, "status %ld", status);
	else if (l->hung)
		snprintf(s, sizeof s, "hung");
	else if (status)
		snprintf(s, sizeof s, "cut %ld", status);
	else if (l->r.ended)
		snprintf(s, sizeof s, "ended %d", l->r.protocol);
	else
		snprintf(s, sizeof s, "closed");
	return s;
}

/* Does the outcome stand in the comma-separated list of what may come? */
static bool
expected(const char *what)
{
	size_t n = strlen(what);

	if (!cfg.expect)
		return strcmp(what, "hung") != 0;
	for (const char *p = cfg.expect; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, what, n) && (!p[n] || p[n] == ','))
			return true;
	}
	return false;
}

/* One proper request on a connection of its own. */
static bool
ask_properly(void)
{
	struct line l = line_open();
	struct text t = { 0 };
	bool good;

	request_put(&t, ID, 0, MOST);
	line_send(&l, t.p, t.n);
	line_read(&l, cfg.timeout_ns, 0);
	good = l.r.ended && reply_status(&l.r) == 200;
	printf(", then %s\n", outcome(&l));
	text_drop(&t);
	line_close(&l);
	return good;
}

/* Print the line of a command; its exit status. */
static int
tell(const char *name, const char *what, const char *more)
{
	bool good = expected(what);

	printf("%s: %s%s", name, what, more);
	if (!cfg.then)
		puts("");
	else if (!ask_properly())
		good = false;
	return !good;
}

/* Send the bytes, read the answer, tell. */
static int
send_and_tell(const char *name, struct text *t)
{
	struct line l = line_open();
	char more[60] = "";
	int rc;

	line_send(&l, t->p, t->n);
	line_read(&l, cfg.timeout_ns, 0);
	if (l.r.values)
		snprintf(
		    more, sizeof more, ", %d management records", l.r.values);
	rc = tell(name, outcome(&l), more);
	line_close(&l);
	text_drop(t);
	return rc;
}

static int
do_plain(const char *name, long n)
{
	struct text t = { 0 };

	(void)n;
	request_put(&t, ID, 0, MOST);
	return send_and_tell(name, &t);
}

/* ---- unusual but right (E16) -------------------------------------------- */

/* The bytes in pieces, each in a write of its own that is given time. */
static int
in_pieces(const char *name, size_t from, size_t step)
{
	struct text t = { 0 };
	struct line l;
	const char *what = "";
	char more[60];
	size_t cuts = 0;

	request_put(&t, ID, 0, MOST);
	for (size_t cut = from; cut < t.n; cut += step, cuts++) {
		l = line_open();
		line_send(&l, t.p, cut);
		usleep(300);
		line_send(&l, t.p + cut, t.n - cut);
		line_read(&l, cfg.timeout_ns, 0);
		what = outcome(&l);
		line_close(&l);
		if (!expected(what) || !l.r.ended)
			break;
	}
	snprintf(more, sizeof more, " at %zu of %zu borders", cuts, t.n - 1);
	text_drop(&t);
	return tell(name, what, more);
}

static int
do_split(const char *name, long step)
{
	return in_pieces(name, 1, step > 0 ? (size_t)step : 1);
}

static int
do_bytes(const char *name, long ms)
{
	struct text t = { 0 };
	struct line l = line_open();
	int rc;

	request_put(&t, ID, 0, MOST);
	for (size_t i = 0; i < t.n && line_send(&l, t.p + i, 1); i++)
		usleep(ms > 0 ? (useconds_t)ms * 1000 : 50);
	line_read(&l, cfg.timeout_ns, 0);
	rc = tell(name, outcome(&l), "");
	line_close(&l);
	text_drop(&t);
	return rc;
}

static int
do_small(const char *name, long n)
{
	struct text t = { 0 };

	request_put(&t, ID, 0, n > 0 ? (size_t)n : 1);
	return send_and_tell(name, &t);
}

static int
do_padding(const char *name, long n)
{
	struct text t = { 0 };

	request_padded(&t, ID, 0, 100, n >= 0 ? (size_t)n : 255, 0);
	return send_and_tell(name, &t);
}

/* The empty records that end a stream are padded too: no server does that,
 * and libfcgi loses count of it. */
static int
do_padded_end(const char *name, long n)
{
	struct text t = { 0 };

	request_padded(&t, ID, 0, MOST, 0, n >= 0 ? (size_t)n : 255);
	return send_and_tell(name, &t);
}

/* Empty records between the parts: DATA of our id, unknown ones of id 0. */
static int
do_zero(const char *name, long n)
{
	struct text t = { 0 }, p = { 0 };

	(void)n;
	params_make(&p, NULL);
	record_begin(&t, ID, RESPONDER, 0);
	record(&t, DATA, ID, "", 0);
	record_stream(&t, PARAMS, ID, p.p, p.n, 50, 0);
	record(&t, PARAMS, ID, "", 0);
	record(&t, DATA, ID, "", 0);
	record_stream(&t, STDIN, ID, cfg.body.p, cfg.body.n, 50, 0);
	record(&t, STDIN, ID, "", 0);
	text_drop(&p);
	return send_and_tell(name, &t);
}

static int
do_values(const char *name, long n)
{
	struct text t = { 0 }, v = { 0 };

	(void)n;
	params_put(&v, "FCGI_MAX_CONNS", "");
	params_put(&v, "FCGI_MPXS_CONNS", "");
	record(&t, GET_VALUES, 0, v.p, v.n);
	request_put(&t, ID, 0, MOST);
	text_drop(&v);
	return send_and_tell(name, &t);
}

/* Two whole requests in one write on a kept connection. */
static int
do_pipeline(const char *name, long n)
{
	struct text t = { 0 };
	struct line l = line_open();
	char buf[16384], what[80];
	size_t used, got = 0;
	int answers = 0;
	struct pollfd p = { .fd = l.fd, .events = POLLIN };

	(void)n;
	request_put(&t, ID, KEEP, MOST);
	request_put(&t, ID, 0, MOST);
	line_send(&l, t.p, t.n);
	while (poll(&p, 1, (int)(cfg.timeout_ns / 1000000)) > 0) {
		ssize_t in = recv(l.fd, buf, sizeof buf, 0);

		if (in <= 0)
			break;
		for (used = 0; used < (size_t)in; used += got) {
			got = reply_feed(&l.r, buf + used, (size_t)in - used);
			if (l.r.ended) {
				answers++;
				reply_reset(&l.r);
			}
			if (!got)
				break;
		}
	}
	snprintf(what, sizeof what, "answers %d", answers);
	line_close(&l);
	text_drop(&t);
	return tell(name, what, "");
}

/* ---- wrong (E14, E19) --------------------------------------------------- */

/* A request whose length, STDIN and role are as given. */
static int
odd_request(
    const char *name, const char *length, size_t body_n, int role, int id)
{
	struct text t = { 0 }, p = { 0 }, b = { 0 };

	params_make(&p, length);
	while (b.n < body_n)
		text_put(&b, b.n < cfg.body.n ? cfg.body.p + b.n : " ", 1);
	record_begin(&t, id, role, 0);
	record_stream(&t, PARAMS, id, p.p, p.n, MOST, 0);
	record(&t, PARAMS, id, "", 0);
	record_stream(&t, STDIN, id, b.p, b.n, MOST, 0);
	record(&t, STDIN, id, "", 0);
	text_drop(&p);
	text_drop(&b);
	return send_and_tell(name, &t);
}

static int
do_short(const char *name, long n)
{
	size_t less = n > 0 ? (size_t)n : 10;

	return odd_request(name, NULL,
	    cfg.body.n > less ? cfg.body.n - less : 0, RESPONDER, ID);
}

static int
do_long(const char *name, long n)
{
	return odd_request(
	    name, NULL, cfg.body.n + (n > 0 ? (size_t)n : 10), RESPONDER, ID);
}

static int
do_length(const char *name, long n)
{
	(void)n;
	if (!cfg.length)
		die("length needs the value to send, as in: length 5,5");
	return odd_request(name, cfg.length, cfg.body.n, RESPONDER, ID);
}

static int
do_role(const char *name, long role)
{
	return odd_request(
	    name, NULL, cfg.body.n, role >= 0 ? (int)role : 2, ID);
}

static int
do_id(const char *name, long id)
{
	return odd_request(
	    name, NULL, cfg.body.n, RESPONDER, id >= 0 ? (int)id : 0);
}

/* A second BEGIN_REQUEST within the first request; same id, or the one given:
 * that would be multiplexing. */
static int
do_begin_twice(const char *name, long id)
{
	struct text t = { 0 }, p = { 0 };

	params_make(&p, NULL);
	record_begin(&t, ID, RESPONDER, 0);
	record_stream(&t, PARAMS, ID, p.p, p.n, MOST, 0);
	record_begin(&t, id > 0 ? (int)id : ID, RESPONDER, 0);
	record(&t, PARAMS, ID, "", 0);
	record_stream(&t, STDIN, ID, cfg.body.p, cfg.body.n, MOST, 0);
	record(&t, STDIN, ID, "", 0);
	text_drop(&p);
	return send_and_tell(name, &t);
}

/* ABORT_REQUEST: 1 after BEGIN, 2 after PARAMS, 3 within the body, 4 after
 * the whole request. */
static int
do_abort(const char *name, long where)
{
	struct text t = { 0 }, p = { 0 };
	int at = where > 0 ? (int)where : 2;

	params_make(&p, NULL);
	record_begin(&t, ID, RESPONDER, 0);
	if (at >= 2) {
		record_stream(&t, PARAMS, ID, p.p, p.n, MOST, 0);
		record(&t, PARAMS, ID, "", 0);
	}
	if (at >= 3)
		record_stream(&t, STDIN, ID, cfg.body.p,
		    at == 3 ? cfg.body.n / 2 : cfg.body.n, MOST, 0);
	if (at >= 4)
		record(&t, STDIN, ID, "", 0);
	record(&t, ABORT, ID, "", 0);
	text_drop(&p);
	return send_and_tell(name, &t);
}

static int
do_type(const char *name, long type)
{
	struct text t = { 0 };

	record(&t, type >= 0 ? (int)type : 77, 0, "odd", 3);
	request_put(&t, ID, 0, MOST);
	return send_and_tell(name, &t);
}

static int
do_version(const char *name, long version)
{
	struct text t = { 0 };

	request_put(&t, ID, 0, MOST);
	t.p[0] = (char)(version >= 0 ? version : 2);
	return send_and_tell(name, &t);
}

static int
do_garbage(const char *name, long n)
{
	struct text t = { 0 };
	uint64_t x = 88172645463325252u;

	for (long i = 0; i < (n > 0 ? n : 4096); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		text_put(&t, &x, 1);
	}
	return send_and_tell(name, &t);
}

/* Parameters of n bytes in all: one long header, or many short ones. */
static int
big_params(const char *name, size_t n, bool many)
{
	struct text t = { 0 }, p = { 0 }, v = { 0 };
	char label[40];

	params_make(&p, NULL);
	if (many)
		for (size_t i = 0; i < n; i++) {
			snprintf(label, sizeof label, "HTTP_X_MANY_%zu", i);
			params_put(&p, label, "1");
		}
	text_fill(&v, 'v', many ? 0 : n);
	if (!many)
		param(&p, "HTTP_X_BIG", v.p, v.n);
	record_begin(&t, ID, RESPONDER, 0);
	record_stream(&t, PARAMS, ID, p.p, p.n, MOST, 0);
	record(&t, PARAMS, ID, "", 0);
	record_stream(&t, STDIN, ID, cfg.body.p, cfg.body.n, MOST, 0);
	record(&t, STDIN, ID, "", 0);
	text_drop(&p);
	text_drop(&v);
	return send_and_tell(name, &t);
}

static int
do_big_params(const char *name, long n)
{
	return big_params(name, n > 0 ? (size_t)n : 70000, false);
}

static int
do_many_params(const char *name, long n)
{
	return big_params(name, n > 0 ? (size_t)n : 300, true);
}

/* A name whose length runs beyond the end of all parameters. */
static int
do_lying_params(const char *name, long n)
{
	static const char lie[] = "\xff\xff\xff\xff\xff\xff\xff\xff"
				  "AB";
	struct text t = { 0 };

	(void)n;
	record_begin(&t, ID, RESPONDER, 0);
	record(&t, PARAMS, ID, lie, sizeof lie - 1);
	record(&t, PARAMS, ID, "", 0);
	record(&t, STDIN, ID, "", 0);
	return send_and_tell(name, &t);
}

/* ---- slow and gone (E1, E2, E3, E6) ------------------------------------- */

/* One byte every --every-ms, from the given place on, until answered. */
static int
slowly(const char *name, size_t from)
{
	struct text t = { 0 };
	struct line l = line_open();
	uint64_t begun = now_ns();
	char more[60];
	int rc;

	request_put(&t, ID, 0, MOST);
	line_send(&l, t.p, from);
	for (size_t i = from; i < t.n && !l.r.ended && !l.closed; i++) {
		line_read(&l, (uint64_t)cfg.every_ms * 1000000u, 0);
		l.hung = false;
		if (now_ns() - begun > cfg.timeout_ns ||
		    !line_send(&l, t.p + i, 1))
			break;
	}
	line_read(&l, 1000000000u, 0);
	snprintf(more, sizeof more, " after %.1f s",
	    (double)(now_ns() - begun) / 1e9);
	rc = tell(name, outcome(&l), more);
	line_close(&l);
	text_drop(&t);
	return rc;
}

static size_t
head_bytes(void)
{
	struct text t = { 0 };

	request_put(&t, ID, 0, MOST);
	t.n -= cfg.body.n + 16; /* the last two records' heads, the body */
	text_drop(&(struct text){ .p = t.p });
	return t.n;
}

static int
do_slow_body(const char *name, long n)
{
	(void)n;
	return slowly(name, head_bytes());
}

static int
do_slow_params(const char *name, long n)
{
	(void)n;
	return slowly(name, 16);
}

/* Nothing more after the first n bytes; -1: after half of the body. */
static int
do_stop(const char *name, long n)
{
	struct text t = { 0 };
	struct line l = line_open();
	uint64_t begun = now_ns();
	char more[60];
	int rc;

	request_put(&t, ID, 0, MOST);
	line_send(&l, t.p,
	    n >= 0 && (size_t)n < t.n ? (size_t)n : t.n - cfg.body.n / 2 - 8);
	line_read(&l, cfg.timeout_ns, 0);
	snprintf(more, sizeof more, " after %.1f s",
	    (double)(now_ns() - begun) / 1e9);
	rc = tell(name, outcome(&l), more);
	line_close(&l);
	text_drop(&t);
	return rc;
}

static int
do_gone_body(const char *name, long n)
{
	struct text t = { 0 };
	struct line l = line_open();

	request_put(&t, ID, 0, MOST);
	line_send(&l, t.p,
	    n >= 0 && (size_t)n < t.n ? (size_t)n : t.n - cfg.body.n / 2 - 8);
	line_close(&l);
	text_drop(&t);
	return tell(name, "gone", "");
}

/* Leave once so many events were read; 0: at once after asking. */
static int
do_gone_answer(const char *name, long events)
{
	struct text t = { 0 };
	struct line l = line_open();
	char more[60];

	request_put(&t, ID, 0, MOST);
	line_send(&l, t.p, t.n);
	if (events < 0)
		events = 1;
	if (events)
		line_read(&l, cfg.timeout_ns, events);
	snprintf(more, sizeof more, " after %ld events", l.r.events);
	line_close(&l);
	text_drop(&t);
	return tell(name, "gone", more);
}

/* ---- the commands ------------------------------------------------------- */

/* clang-format off */
static const struct {
	const char *name, *args;
	int (*run)(const char *name, long n);
	const char *help;
} commands[] = {
	{"plain", "", do_plain, "nothing unusual"},
	{"split", " [STEP]", do_split, "cut in two writes at every border, or "
	 "every STEP-th (E16)"},
	{"bytes", " [MS]", do_bytes, "byte by byte, MS apart (E16)"},
	{"small", " [N]", do_small, "records of N bytes: 1 (E16)"},
	{"padding", " [N]", do_padding, "N bytes of padding: 255 (E16)"},
	{"padded-end", " [N]", do_padded_end, "padding on the empty records "
	 "alone"},
	{"zero", "", do_zero, "empty DATA records, which no responder gets, "
	 "between the parts"},
	{"values", "", do_values, "GET_VALUES before the request"},
	{"pipeline", "", do_pipeline, "two requests in one write: 'answers N'"},
	{"short", " [N]", do_short, "STDIN N bytes shorter than "
	 "CONTENT_LENGTH: 10 (E19)"},
	{"long", " [N]", do_long, "STDIN N bytes longer (E19)"},
	{"length", " V", do_length, "CONTENT_LENGTH is V: +5, 5,5, -1, a lie "
	 "(E7, E19)"},
	{"begin-twice", " [ID]", do_begin_twice, "BEGIN_REQUEST again, with "
	 "the same id or ID (E19)"},
	{"abort", " [WHERE]", do_abort, "ABORT_REQUEST after 1 BEGIN, 2 PARAMS "
	 "(2), 3 half a body, 4 all (E19)"},
	{"role", " [N]", do_role, "role 2 (authorizer), 3, or any (E19)"},
	{"id", " [N]", do_id, "request id 0, or any"},
	{"type", " [N]", do_type, "a record of unknown type 77 first"},
	{"version", " [N]", do_version, "protocol version 2"},
	{"garbage", " [N]", do_garbage, "N bytes of noise: 4096"},
	{"big-params", " [N]", do_big_params, "a header of N bytes: 70000 "
	 "(E14)"},
	{"many-params", " [N]", do_many_params, "N headers: 300 (E14)"},
	{"lying-params", "", do_lying_params, "lengths beyond the end"},
	{"slow-body", "", do_slow_body, "a byte every --every-ms from the body "
	 "on (E6)"},
	{"slow-params", "", do_slow_params, "the same from the parameters on "
	 "(E6)"},
	{"stop", " [N]", do_stop, "nothing more after N bytes, or half of the "
	 "body (E6)"},
	{"gone-body", " [N]", do_gone_body, "close after N bytes, or half of "
	 "the body (E1)"},
	{"gone-answer", " [N]", do_gone_answer, "close after N events: 1; 0: "
	 "while waiting (E2, E3)"},
};
/* clang-format on */
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

int
fault_run(const char *name, long n)
{
	for (int i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(name, n);
	return -1;
}

void
fault_help(void)
{
	for (int i = 0; i < N_COMMANDS; i++)
		printf("  %s%-*s%s\n", commands[i].name,
		    (int)(20 - strlen(commands[i].name)), commands[i].args,
		    commands[i].help);
}
