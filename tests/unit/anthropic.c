/* SPDX-License-Identifier: MIT */
/*
 * anthropic.c - the dialect alone: what a request asks, what is counted in
 * it, its form for an upstream; answers however they are cut; usage in every
 * bucket; headers, statuses and words of faults; errors of upstreams.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/dialect.h"

static const struct dialect *const d = &anthropic_dialect;

/* --- Requests --- */

static struct arena a;

static int
fresh(void **state)
{
	(void)state;
	arena_init(&a);
	return 0;
}

static int
done(void **state)
{
	(void)state;
	arena_release(&a);
	return 0;
}

static struct asked
asks(const char *text)
{
	struct asked q = { 0 };
	struct fault f = { 0 };

	if (!d->read_request(&a, ENDPOINT_MESSAGES, str_of(text), &q, &f))
		fail_msg("%s: %.*s", text, STR_ARGS(f.text));
	return q;
}

#define HI "\"model\":\"m\",\"max_tokens\":10,\"messages\":[" \
	"{\"role\":\"user\",\"content\":\"hi\"}]"

static void
what_is_asked(void **state)
{
	struct asked q = asks("{\"max_tokens\":7,\"model\":\"m\\u0061\","
	    "\"stream\":true,\"thinking\":{\"type\":\"adaptive\"},"
	    "\"metadata\":{\"user_id\":\"u\"},\"output_config\":{\"format\":"
	    "{\"type\":\"json_schema\",\"schema\":{}}},\"tools\":[{\"name\":"
	    "\"t\",\"input_schema\":{}}],\"messages\":[{\"role\":\"user\","
	    "\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"base64\","
	    "\"data\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}]}]}");

	(void)state;
	assert_true(str_eq(q.model, S("ma")));
	assert_int_equal(q.max_output, 7);
	assert_int_equal(q.choices, 1);
	assert_int_equal(q.images, 1);
	assert_true(q.stream && q.reasoning && q.tools && q.json_schema);
	assert_false(q.unseen_input);
	assert_true(str_eq(q.end_user, S("u")) && str_eq(q.session, S("u")));
	assert_true(str_eq(q.model_at, S("\"m\\u0061\"")));
	assert_true(str_eq(q.max_tokens_at, S("7")));
	assert_true(q.head_hash != 0);
	assert_false(asks("{" HI ",\"thinking\":{\"type\":\"disabled\"}}")
	    .reasoning);
	assert_int_equal(asks("{\"model\":\"m\",\"max_tokens\":0,\"messages\":"
	    "[{\"role\":\"user\",\"content\":\"hi\"}]}").max_output, 0);
}

static int64_t
tokens_of(const char *text)
{
	return asks(text).prompt_tokens;
}

#define WITH(content) "{\"model\":\"m\",\"max_tokens\":1,\"messages\":[" \
	"{\"role\":\"user\",\"content\":" content "}]}"
#define TEN "one two three four five six seven eight nine ten"

static void
what_is_counted(void **state)
{
	int64_t none = tokens_of(WITH("\"\""));

	(void)state;
	assert_int_equal(tokens_of(WITH("\"" TEN "\"")), none + 10);
	assert_int_equal(tokens_of(WITH("[{\"type\":\"text\",\"text\":\"" TEN
	    "\"}]")), none + 10);
	assert_int_equal(tokens_of(WITH("[{\"type\":\"tool_result\",\"content\""
	    ":[{\"type\":\"text\",\"text\":\"" TEN "\"}]}]")), none + 10);
	assert_int_equal(tokens_of(WITH("[{\"type\":\"thinking\",\"thinking\":"
	    "\"" TEN "\",\"signature\":\"AAAA\"}]")), none + 10);
	assert_int_equal(tokens_of(WITH("[{\"type\":\"document\",\"source\":{"
	    "\"type\":\"text\",\"data\":\"" TEN "\"}}]")), none + 10);
	assert_int_equal(tokens_of(WITH("[{\"type\":\"image\",\"source\":{"
	    "\"type\":\"url\",\"url\":\"https://x/y\"}}]")), none + 1600);
	assert_in_range(tokens_of(WITH("[{\"type\":\"tool_use\",\"name\":\"a\","
	    "\"input\":{\"b\":\"" TEN "\"}}]")), none + 11, none + 20);
	assert_in_range(tokens_of("{\"system\":[{\"type\":\"text\",\"text\":\""
	    TEN "\"}]," HI "}") - tokens_of("{" HI "}"), 10, 20);
}

/* What is not in the body is bounded by the model's context. */
static void
what_is_not_seen(void **state)
{
	static const char *const list[] = {
		"[{\"type\":\"document\",\"source\":{\"type\":\"url\",\"url\":"
		"\"https://x\"}}]",
		"[{\"type\":\"document\",\"source\":{\"type\":\"base64\","
		"\"data\":\"AAAA\"}}]",
		"[{\"type\":\"of_tomorrow\"}]",
		"[{\"type\":\"image\",\"type\":\"document\",\"source\":{"
		"\"type\":\"base64\",\"data\":\"AAAA\"}}]",
		"[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":"
		"\"AAAA\",\"data\":\"B\"}}]",
		"[{\"type\":\"image\",\"source\":{\"data\":\"AAAA\"},\"source\""
		":{\"data\":\"AAAA\"}}]",
		"[{\"type\":\"image\",\"source\":{\"type\":\"text\",\"data\":"
		"\"AAAA\"}}]",
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		snprintf(text, sizeof(text), WITH("%s"), list[i]);
		if (!asks(text).unseen_input)
			fail_msg("%s is seen", list[i]);
	}
	assert_false(asks("{" HI "}").unseen_input);
}

static void
sessions(void **state)
{
	uint64_t one = asks("{\"system\":\"s\"," HI "}").head_hash;

	(void)state;
	assert_true(one == asks("{\"system\":\"s\",\"x\":1," HI "}").head_hash);
	assert_false(one == asks("{\"system\":\"t\"," HI "}").head_hash);
	assert_false(one == asks("{\"system\":\"s\",\"model\":\"m\","
	    "\"max_tokens\":10,\"messages\":[{\"role\":\"user\",\"content\":"
	    "\"ho\"}]}").head_hash);
}

static void
written(void **state)
{
	static const struct {
		const char *text, *want;
		int64_t cap;
	} list[] = {
		{ "{" HI "}", "{\"model\":\"up\\\"\",\"max_tokens\":10,"
		    "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
		    -1 },
		{ " {\"max_tokens\" : 10 ,\"x\":1.0,\"messages\":[{}],"
		  "\"model\": \"m\"} ",
		    " {\"max_tokens\" : 4 ,\"x\":1.0,\"messages\":[{}],"
		    "\"model\": \"up\\\"\"} ", 4 },
		{ "{\"model\":\"m\",\"messages\":[{}],\"max_tokens\":3}",
		    "{\"model\":\"up\\\"\",\"messages\":[{}],\"max_tokens\":3}",
		    4 },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct asked q = asks(list[i].text);
		struct edits e = { .model = S("up\""),
			.cap_output = list[i].cap };
		struct buf out = BUF(&a, 4096);

		assert_true(d->write_request(&q, &e, &out));
		assert_string_equal(buf_text(&out), list[i].want);
	}
}

static void
other_endpoints(void **state)
{
	struct asked q = { 0 };
	struct fault f = { 0 };

	(void)state;
	assert_false(d->read_request(&a, ENDPOINT_CHAT, S("{" HI "}"), &q,
	    &f));
	assert_int_equal(f.kind, FAULT_UNKNOWN_URL);
	assert_null(d->path(ENDPOINT_CHAT, false));
	assert_null(openai_dialect.path(ENDPOINT_MESSAGES, false));
	f = (struct fault){ 0 };
	assert_false(openai_dialect.read_request(&a, ENDPOINT_COUNT_TOKENS,
	    S("{" HI "}"), &q, &f));
	f = (struct fault){ 0 };
	assert_true(d->read_request(&a, ENDPOINT_COUNT_TOKENS, S("{\"model\":"
	    "\"m\",\"messages\":[{}]}"), &q, &f));
}

static void
paths(void **state)
{
	(void)state;
	assert_ptr_equal(dialect_of_path(S("/v1/messages")), d);
	assert_ptr_equal(dialect_of_path(S("/messages/count_tokens")), d);
	assert_ptr_equal(dialect_of_path(S("/anthropic")), d);
	assert_ptr_equal(dialect_of_path(S("/v1/messages2")),
	    &openai_dialect);
	assert_ptr_equal(dialect_of_path(S("/")), &openai_dialect);
	assert_ptr_equal(dialect_find(S("anthropic")), d);
	assert_null(dialect_at(99));
}

/* --- Answers --- */

struct result {
	struct arena arena;
	struct observer o;
	struct buf out, last;
	bool whole;
};

static void
watch(struct result *r, struct str text, bool stream, size_t first,
    size_t step)
{
	memset(r, 0, sizeof(*r));
	arena_init(&r->arena);
	r->out = BUF_HEAP(8 << 20);
	r->last = BUF_HEAP(LIMIT_EVENT_BYTES + LIMIT_KEEP_BACK);
	r->o = (struct observer){ .dialect = d, .arena = &r->arena,
		.stream = stream, .endpoint = ENDPOINT_MESSAGES };
	d->observe(&r->o);
	for (size_t at = 0, n = first; at < text.n; at += n, n = step) {
		if (n > text.n - at)
			n = text.n - at;
		d->feed(&r->o, str_from(text.p + at, n), &r->out, &r->last);
	}
	r->whole = d->finish(&r->o, &r->out, &r->last);
	assert_false(r->out.full || r->last.full);
}

static void
release(struct result *r)
{
	arena_release(&r->arena);
	buf_release(&r->out);
	buf_release(&r->last);
}

static void
same(const struct result *x, const struct result *y, size_t cut)
{
	if (!str_eq(buf_str(&x->out), buf_str(&y->out)) ||
	    !str_eq(buf_str(&x->last), buf_str(&y->last)) ||
	    x->o.seen != y->o.seen || x->whole != y->whole ||
	    x->o.out_milli != y->o.out_milli ||
	    memcmp(&x->o.tokens, &y->o.tokens, offsetof(struct tokens, odd)))
		fail_msg("cut at %zu: seen %x, out %zu, last %zu; whole: seen "
		    "%x, out %zu, last %zu", cut, y->o.seen, y->out.n,
		    y->last.n, x->o.seen, x->out.n, x->last.n);
}

/* At every border, and in pieces of every small size. */
static void
watch_cut(struct result *r, struct str text, bool stream)
{
	struct result cut;

	watch(r, text, stream, text.n, 1);
	for (size_t at = 1; at < text.n; at++) {
		watch(&cut, text, stream, at, text.n);
		same(r, &cut, at);
		release(&cut);
	}
	for (size_t step = 1; step < 8; step++) {
		watch(&cut, text, stream, step, step);
		same(r, &cut, step);
		release(&cut);
	}
}

#define EVENT(name, data) "event: " name "\ndata: {\"type\":\"" name "\"" \
	data "}\n\n"
#define START EVENT("message_start", ",\"message\":{\"model\":\"m-1\"," \
	"\"usage\":{\"input_tokens\":12,\"cache_creation_input_tokens\":300," \
	"\"cache_read_input_tokens\":2000,\"cache_creation\":{" \
	"\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":200}" \
	",\"output_tokens\":1,\"service_tier\":\"standard\"}}")
#define TEXT_DELTA EVENT("content_block_delta", ",\"index\":0,\"delta\":{" \
	"\"type\":\"text_delta\",\"text\":\"one two\"}")
#define BLOCK EVENT("content_block_start", ",\"index\":0,\"content_block\":{" \
	"\"type\":\"text\",\"text\":\"\"}")
#define DELTA EVENT("message_delta", ",\"delta\":{\"stop_reason\":" \
	"\"end_turn\"},\"usage\":{\"input_tokens\":null,\"output_tokens\":90," \
	"\"output_tokens_details\":{\"thinking_tokens\":40}}")
#define STOP EVENT("message_stop", "")

static void
streams(void **state)
{
	static const struct {
		const char *text;
		unsigned seen;
		bool whole;
		const char *last; /* NULL: nothing */
		size_t swallowed;
	} list[] = {
		{ START BLOCK TEXT_DELTA DELTA STOP, SEEN_MEANING | SEEN_STOP |
		    SEEN_END, true, STOP, 0 },
		/* What comes behind the end is nobody's. */
		{ START BLOCK TEXT_DELTA DELTA STOP "data: x\n\n", SEEN_MEANING
		    | SEEN_STOP | SEEN_END, true, STOP, 9 },
		/* No message_stop: what came from the stop on is the end. */
		{ START BLOCK TEXT_DELTA DELTA, SEEN_MEANING | SEEN_STOP, true,
		    DELTA, 0 },
		{ START BLOCK TEXT_DELTA DELTA "data: [DONE]\n\n", SEEN_MEANING
		    | SEEN_STOP, true, DELTA, 14 },
		/* Cut. */
		{ START BLOCK TEXT_DELTA, SEEN_MEANING, false, NULL, 0 },
		{ START BLOCK, 0, false, NULL, 0 },
		/* Without a blank line at the end: it is put there. */
		{ START BLOCK TEXT_DELTA DELTA "event: message_stop\n"
		    "data: {\"type\":\"message_stop\"}\n", SEEN_MEANING |
		    SEEN_STOP | SEEN_END, true, STOP, (size_t)-1 },
		{ START "data: {\"type\":\"error\",\"error\":{\"type\":"
		    "\"overloaded_error\",\"message\":\"x\"}}\n\n" STOP,
		    SEEN_ERROR, false, NULL, 69 + sizeof(STOP) + 1 },
		{ STOP, SEEN_BAD | SEEN_EMPTY, false, NULL, sizeof(STOP) - 1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct str text = str_of(list[i].text);
		struct result r;

		watch_cut(&r, text, true);
		if (r.o.seen != list[i].seen || r.whole != list[i].whole ||
		    !str_eq(buf_str(&r.last), str_of(list[i].last)))
			fail_msg("stream %zu: seen %x, whole %d, last %.*s", i,
			    r.o.seen, r.whole, STR_ARGS(buf_str(&r.last)));
		if (!(r.o.seen & SEEN_ERROR))
			assert_int_equal(r.out.n + r.last.n,
			    text.n - list[i].swallowed);
		assert_true(str_starts(text, buf_str(&r.out)));
		release(&r);
	}
}

static void
meaning(void **state)
{
	static const struct {
		const char *text;
		bool means;
	} list[] = {
		{ START, false },
		{ EVENT("ping", ""), false },
		{ BLOCK, false },
		{ TEXT_DELTA, true },
		{ EVENT("content_block_delta", ",\"delta\":{\"type\":"
		    "\"text_delta\",\"text\":\"\"}"), false },
		{ EVENT("content_block_start", ",\"content_block\":{\"type\":"
		    "\"tool_use\",\"name\":\"a\",\"input\":{}}"), true },
		{ EVENT("content_block_start", ",\"content_block\":{\"type\":"
		    "\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"),
		    false },
		{ EVENT("content_block_start", ",\"content_block\":{\"type\":"
		    "\"redacted_thinking\",\"data\":\"AAAA\"}"), true },
		{ EVENT("content_block_delta", ",\"delta\":{\"type\":"
		    "\"signature_delta\",\"signature\":\"AAAA\"}"), true },
		{ EVENT("content_block_delta", ",\"delta\":{\"type\":"
		    "\"thinking_delta\",\"thinking\":\"hm\"}"), true },
		{ EVENT("message_delta", ",\"delta\":{\"stop_reason\":null}"),
		    false },
		{ DELTA, true },
		{ "data: {\"delta\":{\"text\":\"a\"},\"type\":"
		  "\"content_block_delta\"}\n\n", true },
		{ "event: content_block_delta\ndata: {\"delta\":{\"text\":"
		  "\"a\"}}\n\n", true },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct str text = str_of(list[i].text);
		struct result r;

		watch(&r, text, true, text.n, 1);
		if (!(r.o.seen & SEEN_MEANING) == list[i].means)
			fail_msg("%s: %x", list[i].text, r.o.seen);
		release(&r);
	}
}

/* The worked example of what lies outside of input_tokens. */
static void
usage(void **state)
{
	struct result r;

	(void)state;
	watch(&r, S(START BLOCK TEXT_DELTA DELTA STOP), true, 1, 1);
	assert_int_equal(r.o.tokens.in_total, 2312);
	assert_int_equal(r.o.tokens.cache_read, 2000);
	assert_int_equal(r.o.tokens.cache_write, 300);
	assert_int_equal(r.o.tokens.cache_write_1h, 200);
	assert_int_equal(r.o.tokens.out_total, 90);
	assert_int_equal(r.o.tokens.reasoning, 40);
	assert_false(r.o.tokens.odd);
	assert_int_equal(r.o.out_milli, 2000);
	assert_true(str_eq(r.o.model, S("m-1")));
	assert_int_equal(r.o.service_tier.n, 0);
	release(&r);
	/* No split, no reads, a hostile count. */
	watch(&r, S("{\"content\":[],\"stop_reason\":\"end_turn\",\"usage\":{"
	    "\"input_tokens\":5,\"cache_creation_input_tokens\":7,"
	    "\"output_tokens\":-1,\"service_tier\":\"priority\"}}"), false,
	    9999, 1);
	assert_true(r.whole && r.o.tokens.odd);
	assert_int_equal(r.o.tokens.in_total, 12);
	assert_int_equal(r.o.tokens.cache_write, 7);
	assert_int_equal(r.o.tokens.cache_write_1h, -1);
	assert_int_equal(r.o.tokens.out_total, -1);
	assert_true(str_eq(r.o.service_tier, S("priority")));
	release(&r);
}

static void
bodies(void **state)
{
	static const struct {
		const char *text;
		unsigned seen;
		bool whole;
	} list[] = {
		{ "{\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}\n",
		    SEEN_MEANING | SEEN_STOP | SEEN_END, true },
		{ "{\"content\":[],\"usage\":{\"input_tokens\":1}}",
		    SEEN_MEANING | SEEN_STOP | SEEN_END, true },
		{ "{\"content\":[]}", SEEN_BAD | SEEN_EMPTY, false },
		{ "{\"input_tokens\":4}", SEEN_BAD, false },
		{ "{\"content\":[{\"type\":\"text\"", SEEN_BAD, false },
		{ "<html>", SEEN_BAD, false },
		{ "", SEEN_BAD, false },
		{ "{\"error\":{\"type\":\"api_error\"}}", SEEN_ERROR, false },
		{ "{\"error\":null,\"content\":[{\"type\":\"tool_use\"}]}",
		    SEEN_MEANING | SEEN_STOP | SEEN_END, true },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct str text = str_of(list[i].text);
		struct result r;

		watch_cut(&r, text, false);
		if (r.o.seen != list[i].seen || r.whole != list[i].whole)
			fail_msg("%s: seen %x, whole %d", list[i].text,
			    r.o.seen, r.whole);
		assert_int_equal(r.out.n, 0);
		assert_int_equal(r.last.n, r.whole ? text.n : 0);
		release(&r);
	}
}

/* Larger than what is held: the end is kept back, the counts are read. */
static void
large_body(void **state)
{
	struct buf text = BUF_HEAP(1 << 20);
	struct result r;

	(void)state;
	buf_put(&text, S("{\"usage\":{\"input_tokens\":3,\"output_tokens\":4},"
	    "\"content\":[{\"type\":\"text\",\"text\":\""));
	for (int i = 0; i < 30000; i++)
		buf_put(&text, S("word "));
	buf_put(&text, S("\"}]}"));
	for (size_t step = 1000; step < 200000; step += 60000) {
		watch(&r, buf_str(&text), false, step, step);
		assert_true(r.whole);
		assert_int_equal(r.last.n, LIMIT_KEEP_BACK);
		assert_int_equal(r.out.n + r.last.n, text.n);
		assert_int_equal(r.o.tokens.in_total, 3);
		assert_int_equal(r.o.tokens.out_total, 4);
		release(&r);
	}
	buf_release(&text);
}

/* --- Headers, faults, errors --- */

static void
headers(void **state)
{
	static const struct {
		const char *version, *beta;
		const char *want, *want_beta;
	} list[] = {
		{ "", "", "2023-06-01", NULL },
		{ "2024-01-02", " interleaved-thinking-2025-05-14 ,x-1",
		    "2024-01-02", "interleaved-thinking-2025-05-14" },
		{ "2024-1-2", "effort-2025-11-24,effort-", "2023-06-01",
		    "effort-2025-11-24" },
		{ "2024-01-0x", "fast-mode-2026-02-01,context-1m-2025-08-07",
		    "2023-06-01", NULL },
		{ "", "effort-1\r\nx-api-key: k", "2023-06-01", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		const struct caller_headers h = {
			.version = str_of(list[i].version),
			.beta = str_of(list[i].beta)
		};
		struct str lines[DIALECT_HEADERS];
		int n = d->write_headers(&a, &h, lines);

		assert_int_equal(n, list[i].want_beta ? 2 : 1);
		assert_true(str_ends(lines[0], str_of(list[i].want)));
		if (n == 2)
			assert_true(str_eq(lines[1], ARENA_JOIN(&a,
			    S("anthropic-beta: "),
			    str_of(list[i].want_beta))));
	}
}

static void
faults(void **state)
{
	static const struct {
		enum fault_kind kind;
		int status, want;
		const char *type;
	} list[] = {
		{ FAULT_BAD_REQUEST, 0, 400, "invalid_request_error" },
		{ FAULT_BAD_REQUEST, 404, 404, "not_found_error" },
		{ FAULT_BAD_REQUEST, 422, 422, "invalid_request_error" },
		{ FAULT_CONTEXT_LENGTH, 0, 400, "invalid_request_error" },
		{ FAULT_NO_KEY, 0, 401, "authentication_error" },
		{ FAULT_MODEL_DENIED, 0, 403, "permission_error" },
		{ FAULT_MODEL_UNKNOWN, 0, 404, "not_found_error" },
		{ FAULT_BAD_METHOD, 0, 405, "invalid_request_error" },
		{ FAULT_SLOW_BODY, 0, 408, "invalid_request_error" },
		{ FAULT_TOO_LARGE, 0, 413, "request_too_large" },
		{ FAULT_MEDIA_TYPE, 0, 415, "invalid_request_error" },
		{ FAULT_NO_CREDIT, 0, 429, "rate_limit_error" },
		{ FAULT_TOO_FAST, 0, 429, "rate_limit_error" },
		{ FAULT_HEADERS_TOO_LARGE, 0, 431, "invalid_request_error" },
		{ FAULT_INTERNAL, 0, 500, "api_error" },
		{ FAULT_UP_ERROR, 0, 500, "api_error" },
		{ FAULT_UP_BAD_ANSWER, 0, 500, "api_error" },
		{ FAULT_UP_NONE, 0, 529, "overloaded_error" },
		{ FAULT_UP_OVERLOADED, 0, 529, "overloaded_error" },
		{ FAULT_BUSY, 0, 529, "overloaded_error" },
		{ FAULT_STORE, 0, 529, "overloaded_error" },
		{ FAULT_UP_TIMEOUT, 0, 504, "timeout_error" },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct fault f = { .kind = list[i].kind,
			.status = list[i].status, .text = S("say \"it\"") };
		struct buf out = BUF(&a, 4096);
		struct str error;

		assert_int_equal(d->status(&f), list[i].want);
		d->write_fault(&f, S("id1"), &out);
		assert_true(json_valid(buf_str(&out), NULL));
		error = json_get(buf_str(&out), S("error"));
		assert_true(str_eq(json_text(&a, json_get(error, S("type"))),
		    str_of(list[i].type)));
		assert_true(str_eq(json_text(&a, json_get(buf_str(&out),
		    S("request_id"))), S("id1")));
	}
}

/* In a stream nothing is the request's fault any more. */
static void
fault_events(void **state)
{
	static const struct {
		enum fault_kind kind;
		const char *type;
	} list[] = {
		{ FAULT_BAD_REQUEST, "\"api_error\"" },
		{ FAULT_UP_ERROR, "\"api_error\"" },
		{ FAULT_UP_OVERLOADED, "\"overloaded_error\"" },
		{ FAULT_UP_LIMITED, "\"rate_limit_error\"" },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct fault f = { .kind = list[i].kind, .text = S("w") };
		struct buf out = BUF(&a, 4096);

		d->write_fault_event(&f, S("id1"), NULL, &out);
		assert_true(str_starts(buf_str(&out),
		    S("event: error\ndata: {\"type\":\"error\",")));
		assert_true(str_ends(buf_str(&out), S("}\n\n")));
		assert_true(str_has(buf_str(&out), str_of(list[i].type)));
	}
}

static void
errors(void **state)
{
	static const struct {
		int status;
		const char *type, *words;
		enum up_class want;
	} list[] = {
		{ 401, "authentication_error", "invalid x-api-key",
		    UP_KEY_DEAD },
		{ 401, "authentication_error", "OAuth token has been revoked",
		    UP_KEY_DEAD },
		{ 402, "billing_error", "x", UP_KEY_BROKE },
		{ 400, "invalid_request_error", "Your credit balance is too "
		    "low to access the Anthropic API", UP_KEY_BROKE },
		{ 400, "invalid_request_error", "You have reached your "
		    "specified API usage limits.", UP_KEY_BROKE },
		{ 400, "invalid_request_error", "You have reached your "
		    "specified workspace API usage limits.", UP_KEY_BROKE },
		{ 400, "invalid_request_error", "This organization has been "
		    "disabled.", UP_KEY_DEAD },
		{ 403, "permission_error", "x", UP_NO_PERMISSION },
		{ 404, "not_found_error", "model: claude-9", UP_MODEL_MISSING },
		{ 404, "not_found_error", "Not found", UP_BAD_REQUEST },
		{ 413, "request_too_large", "x", UP_TOO_LARGE },
		{ 429, "rate_limit_error", "x", UP_RATE_LIMIT },
		{ 429, "rate_limit_error", "Extra usage is required for long "
		    "context requests", UP_NO_PERMISSION },
		{ 529, "overloaded_error", "Overloaded", UP_OVERLOADED },
		{ 200, "overloaded_error", "Overloaded", UP_OVERLOADED },
		{ 200, "rate_limit_error", "x", UP_RATE_LIMIT },
		{ 200, "api_error", "x", UP_SERVER },
		{ 500, "api_error", "x", UP_SERVER },
		{ 504, "timeout_error", "x", UP_TIMEOUT },
		{ 400, "invalid_request_error", "prompt is too long: 2 tokens "
		    "> 1 maximum", UP_CONTEXT_LENGTH },
		{ 400, "invalid_request_error", "input length and `max_tokens` "
		    "exceed context limit: 1 + 2 > 2", UP_CONTEXT_LENGTH },
		{ 400, "invalid_request_error", "Output blocked by content "
		    "filtering policy", UP_CONTENT_POLICY },
		{ 400, "invalid_request_error", "messages.1: Invalid "
		    "`signature` in `thinking` block", UP_SIGNATURE },
		{ 400, "invalid_request_error", "messages.1.content.0."
		    "thinking.signature: Field required", UP_SIGNATURE },
		{ 400, "invalid_request_error", "messages.1.content.0.type: "
		    "Expected `thinking` or `redacted_thinking`, but found "
		    "`text`", UP_SIGNATURE },
		{ 400, "invalid_request_error", "x: Extra inputs are not "
		    "permitted", UP_BAD_REQUEST },
		{ 400, "invalid_request_error", "messages.0: prompt is too "
		    "odd", UP_BAD_REQUEST },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct up_error e;
		struct str body = arena_printf(&a, "{\"type\":\"error\","
		    "\"error\":{\"type\":\"%s\",\"message\":\"%s\"}}",
		    list[i].type, list[i].words);

		d->read_error(&a, list[i].status, S("application/json"), body,
		    &e);
		if (e.kind != list[i].want)
			fail_msg("%d %s: %s instead of %s", list[i].status,
			    list[i].words, up_class_name(e.kind),
			    up_class_name(list[i].want));
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_asked),
		T(what_is_counted),
		T(what_is_not_seen),
		T(sessions),
		T(written),
		T(other_endpoints),
		T(paths),
		T(streams),
		T(meaning),
		T(usage),
		T(bodies),
		T(large_body),
		T(headers),
		T(faults),
		T(fault_events),
		T(errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
