/* SPDX-License-Identifier: MIT */
/*
 * mockreply.c - framing, unstreamed answers, streams, and how they break; see
 * mockreply.h.
 */
#include "tests/tools/mockreply.h"

#include "tests/tools/mockmedia.h"

/* The event or body in the making; each thread has its own. */
static _Thread_local struct text said;

/* ---- framing ----------------------------------------------------------- */

static const char *
status_text(long status)
{
	switch (status) {
	case 200:
		return "OK";
	case 302:
		return "Found";
	case 307:
		return "Temporary Redirect";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 402:
		return "Payment Required";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	default:
		return "Mock";
	}
}

static void
head_retry(struct text *t, const struct plan *p)
{
	char date[64];
	struct tm tm;
	time_t when = time(NULL) + p->retry;

	switch (p->retry_by) {
	case RETRY_S:
		text_add(t, "retry-after: %ld\r\n", p->retry);
		break;
	case RETRY_MS:
		text_add(t, "retry-after-ms: %ld\r\n", p->retry);
		break;
	case RETRY_BAD:
		text_say(t, "retry-after: in a while\r\n");
		break;
	case RETRY_DATE:
		gmtime_r(&when, &tm);
		strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		text_add(t, "retry-after: %s\r\n", date);
	}
}

static void
head_odd(struct text *t, const struct answer *a)
{
	switch (a->plan.head) {
	case HEAD_MANY:
		for (int i = 0; i < 1000; i++)
			text_add(t, "x-mock-%d: %d\r\n", i, i);
		break;
	case HEAD_8BIT:
		text_say(t, "x-mock: gr\xfc\xdf \xe2\x82\xac\r\n");
		break;
	case HEAD_NUL:
		text_put(t, "x-mock: a\0b\r\n", 13);
		break;
	case HEAD_CR:
		text_say(t, "x-mock: a\rset-cookie: b\r\n");
		break;
	case HEAD_LF:
		text_say(t, "x-mock: a\nset-cookie: b\r\n");
		break;
	case HEAD_FOLD:
		text_say(t, "x-mock: a\r\n folded\r\n");
		break;
	case HEAD_KEY:
		text_add(t, "x-mock-key: Bearer %s\r\n", a->ask.key);
	}
	if (a->plan.head_big) {
		text_say(t, "x-mock-big: ");
		text_fill(t, 'h', (size_t)a->plan.head_big);
		text_say(t, "\r\n");
	}
}

/* Status line and headers; length < 0: chunked. */
static void
head(struct reply *r, long status, const char *type, long length)
{
	const struct plan *p = &r->a.plan;
	struct text *t = &r->out;

	r->status = status;
	for (long i = 0; i < p->hints; i++)
		text_say(t, "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
	text_add(t, "HTTP/1.1 %ld %s\r\ncontent-type: %s\r\n", status,
	    status_text(status), type);
	r->chunked = length < 0;
	if (p->length == LENGTH_NONE || p->length == LENGTH_LONG)
		r->close_after = true;
	if (p->length == LENGTH_NONE)
		r->chunked = false;
	else if (length < 0)
		text_say(t, "transfer-encoding: chunked\r\n");
	else
		text_add(t, "content-length: %ld\r\n",
		    length +
			(p->length == LENGTH_LONG           ? 100
				: p->length == LENGTH_SHORT ? -10
							    : 0));
	if (p->length == LENGTH_LONG || p->length == LENGTH_SHORT)
		r->cut = "mock";
	if (p->length == LENGTH_BOTH)
		text_say(t,
		    length < 0 ? "content-length: 50\r\n"
			       : "transfer-encoding: chunked\r\n");
	if (p->body == BODY_GZIP || p->body == BODY_BOMB)
		text_say(t, "content-encoding: gzip\r\n");
	if (status >= 300 && status < 400)
		text_add(t, "location: %s\r\n", mock.redirect_to);
	if (r->close_after)
		text_say(t, "connection: close\r\n");
	text_add(t, "x-request-id: mock-%lu\r\n", r->a.number);
	head_retry(t, p);
	head_odd(t, &r->a);
	text_say(t, "\r\n");
}

static void
chunk(struct reply *r, const char *p, size_t n)
{
	if (r->chunked)
		text_add(&r->out, "%zx\r\n", n);
	text_put(&r->out, p, n);
	if (r->chunked)
		text_say(&r->out, "\r\n");
}

/* Events are made in said: begin, write the JSON, end. */
static struct text *
event_begin(void)
{
	said.n = 0;
	text_say(&said, "data: ");
	return &said;
}

static enum step
event_end(struct reply *r)
{
	text_say(&said, r->a.plan.crlf ? "\r\n\r\n" : "\n\n");
	chunk(r, said.p, said.n);
	return GO;
}

/* gzip without compression: one stored block, at most 65,535 bytes. */
static void
gzip_store(struct text *t, const char *p, size_t n)
{
	uint32_t crc = ~0u, size = (uint32_t)n;
	unsigned char block[5] = { 1, n & 255, (n >> 8) & 255, ~n & 255,
		(~n >> 8) & 255 };

	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned char)p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	crc = ~crc;
	text_put(t, "\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
	text_put(t, block, 5);
	text_put(t, p, n);
	text_put(t, &crc, 4); /* little-endian, as on every machine we test */
	text_put(t, &size, 4);
}

/* 64 gzip members, each of them a MiB of spaces in 1 KiB. */
static void
gzip_bomb(struct text *t)
{
	static const char front[] =
	    "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xed\xc1\x31\x01\0\0\0\xc2\xa0"
	    "\x2a\xeb\x9f\xd2\x10\xbe\x40\x01";
	static const char back[] = "\x7c\x06\xa7\x02\x03\xf1\0\0\x10";

	for (int i = 0; i < 64; i++) {
		text_put(t, front, sizeof front - 1);
		text_fill(t, 0, 1015);
		text_put(t, back, sizeof back);
	}
}

/* ---- unstreamed answers ------------------------------------------------- */

/* The body of a 200 that is not a stream, into *t; returns its type. */
static const char *
body_make(struct reply *r, struct text *t)
{
	struct answer *a = &r->a;
	struct text inner = { 0 };
	const char *type = "application/json";

	switch (a->plan.body) {
	case BODY_HTML:
		text_say(t,
		    "<!doctype html><title>Sorry</title><p>Checking "
		    "your browser.");
		return "text/html";
	case BODY_BAD:
		text_say(t, "{\"id\":\"chatcmpl-mock\",\"choices\":[}");
		return type;
	case BODY_NULLS:
		text_say(t, "{\"id\":\"x\",\"choices\":null}");
		return type;
	case BODY_ERROR:
		error_object(a, t, 500);
		return type;
	case BODY_EMPTY:
		return type;
	case BODY_BOMB:
		gzip_bomb(t);
		return type;
	}
	if (a->plan.cut == CUT_ERROR) {
		error_object(a, t, 500);
		return type;
	}
	if (is_media(&a->ask))
		type = media_body(a, t);
	else if (a->ask.kind == EMBEDDING)
		body_embedding(a, t);
	else
		body_choices(a, t);
	a->sent = a->events;
	r->content = a->plan.body != BODY_HALF;
	if (a->plan.body == BODY_GZIP) {
		inner = *t;
		*t = (struct text){ 0 };
		gzip_store(t, inner.p, inner.n < 65536 ? inner.n : 65535);
		text_drop(&inner);
	}
	if (a->plan.body == BODY_HALF)
		t->n /= 2;
	return a->plan.body == BODY_TYPE ? "text/plain" : type;
}

/* What is no answer of a model. */
static bool
body_other(const struct answer *a, struct text *t)
{
	static const char *const names[] = { "mock", "mock-tools", "demo" };

	switch (a->ask.kind) {
	case MODEL_LIST:
		text_say(t, "{\"object\":\"list\",\"data\":[");
		for (int i = mock.demo ? 2 : 0; i < 3; i++) {
			body_model(t, names[i]);
			text_say(t, i < 2 ? "," : "]}");
		}
		return true;
	case MODEL_ONE:
		body_model(t, a->ask.model);
		return true;
	case COUNT:
		text_add(t, "{\"requests\":%lu}",
		    __atomic_load_n(&mock.requests, __ATOMIC_RELAXED));
		return true;
	default:
		return false;
	}
}

/* An answer of N bytes of content: front now, the rest by the pump. */
static enum step
answer_big(struct reply *r)
{
	struct answer *a = &r->a;
	struct text *t = &said;

	body_front(a, t);
	choice_open(a, t, 0);
	choice_close(a, &r->rest);
	body_tail(a, &r->rest);
	r->fill = (size_t)a->plan.big;
	r->fill_with = 'a';
	r->content = true;
	a->sent = a->events;
	head(r, 200, "application/json", (long)(t->n + r->fill + r->rest.n));
	text_put(&r->out, t->p, t->n);
	r->phase = END;
	return GO;
}

static enum step
answer_whole(struct reply *r)
{
	struct answer *a = &r->a;
	struct text *t = &said;
	const char *type = "application/json";
	long status = a->plan.status ? a->plan.status : 200;

	t->n = 0;
	r->phase = END;
	if (a->ask.kind == NOT_FOUND && status == 200)
		status = 404;
	if (status >= 300)
		error_object(a, t, status);
	else if (!body_other(a, t)) {
		if (a->plan.big && !is_media(&a->ask))
			return answer_big(r);
		type = body_make(r, t);
	}
	head(r, status, type, (long)t->n);
	if (a->plan.cut && a->plan.cut != CUT_ERROR && r->content) {
		t->n /= 2;
		a->sent = a->events / 2;
		a->said.n = 0;
		r->phase = CUT;
	}
	text_put(&r->out, t->p, t->n);
	if (a->plan.early)
		text_say(&r->out,
		    "HTTP/1.1 200 OK\r\ncontent-type: "
		    "application/json\r\ncontent-length: 34"
		    "\r\n\r\n{\"poison\":\"of an earlier "
		    "request\"}");
	return GO;
}

/* ---- streams ----------------------------------------------------------- */

static bool
streams(const struct answer *a)
{
	static const bool may[] = { [BODY_PLAIN] = true,
		[BODY_BAD] = true,
		[BODY_HALF] = true,
		[BODY_EMPTY] = true,
		[BODY_TYPE] = true,
		[BODY_ECHO] = true,
		[BODY_HEAD] = true,
		[BODY_NULLS] = true };

	return a->ask.stream &&
	    (a->ask.kind <= COMPLETION || is_media(&a->ask)) &&
	    a->plan.status < 300 && a->plan.body < (long)sizeof may &&
	    may[a->plan.body];
}

static enum step
stream_front(struct reply *r)
{
	const struct plan *p = &r->a.plan;

	head(r, 200, p->body == BODY_TYPE ? "text/plain" : "text/event-stream",
	    -1);
	r->phase = p->body == BODY_EMPTY ? DONE : PING;
	r->start = now_ns();
	return GO;
}

/* Wait until n steps of ms each have passed since r->start. */
static bool
not_yet(struct reply *r, long n, long ms)
{
	uint64_t due = r->start + (uint64_t)(n * ms) * 1000000u;

	if (!ms || now_ns() >= due)
		return false;
	r->due = due;
	return true;
}

static enum step
stream_ping(struct reply *r)
{
	const struct plan *p = &r->a.plan;

	if (r->i == p->pings) {
		r->i = 0;
		r->phase = ROLE;
		return GO;
	}
	if (not_yet(r, r->i, p->ping_ms))
		return WAIT;
	chunk(r, ": ping\n\n", 8);
	r->i++;
	return GO;
}

/* The delta that only names the role, for each choice. */
static enum step
stream_role(struct reply *r)
{
	struct answer *a = &r->a;

	for (long n = 0; n < a->ask.n && a->ask.kind == CHAT; n++) {
		chunk_begin(a, event_begin(), n);
		text_say(&said, "\"role\":\"assistant\",\"content\":\"\"");
		chunk_end(a, &said, NULL);
		event_end(r);
	}
	if (a->plan.usage == USAGE_EARLY) {
		chunk_usage(a, event_begin(), a->out);
		event_end(r);
	}
	r->start = now_ns();
	r->phase = CONTENT;
	return GO;
}

/* One event of N bytes: its front, N times 'a' by the pump, its end. */
static enum step
stream_longline(struct reply *r)
{
	struct answer *a = &r->a;
	struct text *t = event_begin();

	chunk_begin(a, t, 0);
	text_say(t, a->ask.kind == CHAT ? "\"content\":\"" : "\"text\":\"");
	text_say(&r->rest, a->ask.kind == CHAT ? "\"" : "\",");
	chunk_end(a, &r->rest, NULL);
	text_say(&r->rest, "\n\n");
	r->fill = (size_t)a->plan.longline;
	r->fill_with = 'a';
	if (r->chunked) {
		text_add(&r->out, "%zx\r\n", t->n + r->fill + r->rest.n);
		text_say(&r->rest, "\r\n");
	}
	text_put(&r->out, t->p, t->n);
	return GO;
}

static enum step
stream_content(struct reply *r)
{
	static const char unknown[] =
	    "event: x-unknown\nid: 7\ndata: [1,2]\n\n";
	struct answer *a = &r->a;
	struct plan *p = &a->plan;

	if (p->cut && r->i == p->cut_at) {
		r->phase = CUT;
		return GO;
	}
	if (a->events >= 0 && r->i >= a->events) {
		r->phase = FINISH;
		return GO;
	}
	if (not_yet(r, r->i, p->gap_ms))
		return WAIT;
	r->i++;
	a->sent++;
	r->content = p->body != BODY_BAD && p->body != BODY_HALF &&
	    p->body != BODY_NULLS;
	if (p->longline && r->i == 1)
		return stream_longline(r);
	event_begin();
	if (is_media(&a->ask))
		media_event(a, &said, r->i - 1);
	else if (p->body == BODY_NULLS)
		text_say(&said, "{\"id\":\"x\",\"choices\":null}");
	else
		chunk_content(a, &said, r->i - 1);
	if (!r->content && p->body != BODY_NULLS)
		said.n -= said.n / 3;
	if (p->odd)
		chunk(r, unknown, sizeof unknown - 1);
	return event_end(r);
}

static enum step
stream_finish(struct reply *r)
{
	struct answer *a = &r->a;

	for (long n = 0; is_media(&a->ask) && n < media_ends(a); n++) {
		media_end(a, event_begin());
		event_end(r);
	}
	if (is_media(&a->ask)) {
		a->plan.nodone = true;
		r->phase = DONE;
		return GO;
	}
	for (long n = 0; n < a->ask.n; n++) {
		chunk_begin(a, event_begin(), n);
		if (a->ask.kind == COMPLETION)
			text_say(&said, "\"text\":\"\",");
		chunk_end(a, &said, finish_reason(a));
		event_end(r);
	}
	r->phase = USAGE;
	return GO;
}

static enum step
stream_usage(struct reply *r)
{
	struct answer *a = &r->a;
	long kind = a->plan.usage;

	r->phase = DONE;
	if (!a->ask.include_usage || kind == USAGE_NO || kind == USAGE_EARLY)
		return GO;
	if (kind == USAGE_TWICE) {
		chunk_usage(a, event_begin(), a->out / 2);
		event_end(r);
	}
	chunk_usage(a, event_begin(), a->out);
	return event_end(r);
}

static enum step
stream_done(struct reply *r)
{
	struct answer *a = &r->a;

	if (!a->plan.nodone) {
		text_say(event_begin(), "[DONE]");
		event_end(r);
	}
	if (a->plan.after) {
		chunk_content(a, event_begin(), 0);
		event_end(r);
	}
	if (r->chunked)
		text_say(&r->out, "0\r\n\r\n");
	r->phase = END;
	return GO;
}

/* ---- the row of steps --------------------------------------------------- */

/* Add the words of one name; a wrong one becomes a 404 that shows it. */
static void
begin_name(struct answer *a, struct slice name)
{
	struct slice wrong;

	if (plan_read(&a->plan, name, &wrong))
		return;
	a->plan.status = 404;
	a->plan.why = WHY_NAME;
	plain_copy(a->ask.key, sizeof a->ask.key, wrong);
}

/* A base path may name behaviour too: /mock-503/v1/chat/completions. */
static void
begin_path(struct answer *a)
{
	const char *p = a->ask.where, *end;

	while (*p) {
		end = strchrnul(p + 1, '/');
		if (!strncmp(p, "/mock-", 6))
			begin_name(
			    a, (struct slice){ p + 1, (size_t)(end - p - 1) });
		p = end;
	}
}

static void
begin_echo(struct answer *a)
{
	const struct ask *k = &a->ask;
	const char *key = NULL;
	size_t n = strlen(k->key), before = k->head.n;

	if (a->plan.body == BODY_ECHO)
		text_quote(&a->echo, k->body.p, k->body.n);
	if (a->plan.body != BODY_HEAD)
		return;
	if (n > 4)
		key = memmem(k->head.p, k->head.n, k->key, n);
	if (key)
		before = (size_t)(key - k->head.p);
	text_quote(&a->echo, k->head.p, before);
	if (key) {
		text_say(&a->echo, "(key)");
		text_quote(&a->echo, key + n - 4, k->head.n - before - n + 4);
	}
}

/* So many of 100 requests have the status named, or 503; others have none. */
static void
begin_fail(struct answer *a)
{
	long chance = (long)(a->number * 2654435761u >> 8 & 0xffff) * 100 >> 16;

	if (chance >= a->plan.fail_percent)
		a->plan.status = 0;
	else if (!a->plan.status)
		a->plan.status = 503;
}

void
reply_begin(struct reply *r)
{
	struct answer *a = &r->a;
	struct plan of_key;
	struct slice wrong;
	const struct ask *k = &a->ask;

	a->plan = (struct plan){ .in = -1, .out = -1 };
	a->number = __atomic_add_fetch(&mock.requests, 1, __ATOMIC_RELAXED);
	a->created = (long)time(NULL);
	if (mock.demo) {
		a->plan.demo = 1;
	} else {
		begin_name(a, (struct slice){ k->model, strlen(k->model) });
		begin_path(a);
		/* A key is only a name if all of it can be read as one. */
		of_key = a->plan;
		of_key.stop = 0;
		if (plan_read(&of_key, (struct slice){ k->key, strlen(k->key) },
			&wrong))
			a->plan = of_key;
	}
	if (a->plan.demo) {
		a->plan.gap_ms = 35;
		ask_text(&a->ask);
	}
	if (a->plan.fail_percent)
		begin_fail(a);
	answer_count(a);
	begin_echo(a);
	r->close_after = !k->keep;
	r->phase = FRONT;
	r->due = a->plan.delay_ms
	    ? now_ns() + (uint64_t)a->plan.delay_ms * 1000000u
	    : 0;
}

static enum step
reply_front(struct reply *r)
{
	if (r->due && now_ns() < r->due)
		return WAIT;
	if (r->a.plan.fault)
		r->cut = "mock";
	switch (r->a.plan.fault) {
	case FAULT_RESET:
		return RESET;
	case FAULT_CLOSE:
		return CLOSE;
	case FAULT_HANG:
		return FOREVER;
	}
	return streams(&r->a) ? stream_front(r) : answer_whole(r);
}

/* The place where the answer breaks off. */
static enum step
reply_cut(struct reply *r)
{
	struct answer *a = &r->a;
	struct text *t;

	r->cut = "mock";
	switch (a->plan.cut) {
	case CUT_ERROR:
		error_object(a, event_begin(), 500);
		event_end(r);
		r->phase = DONE;
		return GO;
	case CUT_LINE:
		if (a->plan.cut_at < 0) /* half of the line has left */
			return CLOSE;
		t = event_begin();
		chunk_content(a, t, a->sent);
		chunk(r, t->p, t->n / 2);
		a->plan.cut_at = -1;
		return GO;
	case CUT_RST:
		return RESET;
	case CUT_STALL:
		return FOREVER;
	default:
		return CLOSE;
	}
}

enum step
reply_step(struct reply *r)
{
	switch (r->phase) {
	case FRONT:
		return reply_front(r);
	case PING:
		return stream_ping(r);
	case ROLE:
		return stream_role(r);
	case CONTENT:
		return stream_content(r);
	case FINISH:
		return stream_finish(r);
	case USAGE:
		return stream_usage(r);
	case DONE:
		return stream_done(r);
	case CUT:
		return reply_cut(r);
	default:
		return ENDED;
	}
}

void
reply_reset(struct reply *r)
{
	struct text out = r->out;

	text_drop(&r->a.said);
	text_drop(&r->a.echo);
	text_drop(&r->a.demo);
	text_drop(&r->rest);
	*r = (struct reply){ .out = out, .close_after = r->close_after };
}
