/* SPDX-License-Identifier: MIT */
/*
 * openai.c - the OpenAI dialect: requests read and rewritten, answers watched
 * however they are cut, usage, errors, faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/redact.h"
#include "handlers/dialect/tokens.h"

static uint64_t seed = 99;

static uint32_t
dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % sides;
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A copy whose end is the end of an allocation, for the sanitizer. */
static struct str
exact(struct arena *a, struct str s)
{
	char *p = malloc(s.n ? s.n : 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	arena_attach(a, free, p);
	return str_from(p, s.n);
}

/* --- Requests --- */

#define CHAT_REST "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define CHAT_HEAD "{\"model\":\"m\","

static bool
read_chat(struct arena *a, const char *text, struct asked *q, struct fault *f)
{
	*f = (struct fault){ 0 };
	return openai_dialect.read_request(
	    a, ENDPOINT_CHAT, exact(a, str_of(text)), q, f);
}

static void
refused_requests(void **state)
{
	static const struct {
		const char *text;
		enum fault_kind kind;
		const char *param, *words;
	} list[] = {
		{ "", FAULT_BAD_REQUEST, "", "not valid JSON: no text" },
		{ "{\"model\":}", FAULT_BAD_REQUEST, "", "at byte 9" },
		{ "[]", FAULT_BAD_REQUEST, "", "must be a JSON object" },
		{ "{}", FAULT_BAD_REQUEST, "model", "'model' is missing" },
		{ "{\"model\":\"m\"}", FAULT_BAD_REQUEST, "messages",
		    "'messages' is missing" },
		{ "{\"model\":1," CHAT_REST, FAULT_BAD_REQUEST, "model",
		    "as a string" },
		{ "{\"model\":\"\"," CHAT_REST, FAULT_BAD_REQUEST, "model",
		    "as a string" },
		{ "{\"model\":\"a\\nb\"," CHAT_REST, FAULT_BAD_REQUEST, "model",
		    "control character" },
		{ "{\"model\":\"m\",\"model\":\"n\"," CHAT_REST,
		    FAULT_BAD_REQUEST, "model", "twice" },
		{ "{\"Model\":\"m\"," CHAT_REST, FAULT_BAD_REQUEST, "model",
		    "unusual" },
		{ "{\"\\u006dodel\":\"m\"," CHAT_REST, FAULT_BAD_REQUEST,
		    "model", "unusual" },
		{ CHAT_HEAD "\"STREAM\":true," CHAT_REST, FAULT_BAD_REQUEST,
		    "stream", "unusual" },
		{ CHAT_HEAD "\"\xc5\xbftream\":true," CHAT_REST,
		    FAULT_BAD_REQUEST, "stream", "unusual" },
		{ CHAT_HEAD "\"n\":1,\"n\":1," CHAT_REST, FAULT_BAD_REQUEST,
		    "n", "twice" },
		{ CHAT_HEAD "\"stream\":\"true\"," CHAT_REST, FAULT_BAD_REQUEST,
		    "stream", "true or false" },
		{ CHAT_HEAD "\"stream\":1," CHAT_REST, FAULT_BAD_REQUEST,
		    "stream", "true or false" },
		{ CHAT_HEAD "\"stream_options\":true," CHAT_REST,
		    FAULT_BAD_REQUEST, "stream_options", "an object" },
		{ CHAT_HEAD
		    "\"stream_options\":{\"include_usage\":1}," CHAT_REST,
		    FAULT_BAD_REQUEST, "stream_options", "true or false" },
		{ CHAT_HEAD "\"stream_options\":{\"include_usage\":true,"
			    "\"Include_usage\":false}," CHAT_REST,
		    FAULT_BAD_REQUEST, "stream_options", "once" },
		{ CHAT_HEAD "\"max_tokens\":0," CHAT_REST, FAULT_BAD_REQUEST,
		    "max_tokens", "whole number from 1" },
		{ CHAT_HEAD "\"max_tokens\":-0," CHAT_REST, FAULT_BAD_REQUEST,
		    "max_tokens", "whole number" },
		{ CHAT_HEAD "\"max_tokens\":1.5," CHAT_REST, FAULT_BAD_REQUEST,
		    "max_tokens", "whole number" },
		{ CHAT_HEAD "\"max_tokens\":1e400," CHAT_REST,
		    FAULT_BAD_REQUEST, "max_tokens", "whole number" },
		{ CHAT_HEAD "\"max_tokens\":9223372036854775808," CHAT_REST,
		    FAULT_BAD_REQUEST, "max_tokens", "whole number" },
		{ CHAT_HEAD "\"max_completion_tokens\":-7," CHAT_REST,
		    FAULT_BAD_REQUEST, "max_completion_tokens", "whole" },
		{ CHAT_HEAD "\"max_tokens\":\"7\"," CHAT_REST,
		    FAULT_BAD_REQUEST, "max_tokens", "whole number" },
		{ CHAT_HEAD "\"n\":129," CHAT_REST, FAULT_BAD_REQUEST, "n",
		    "from 1 to 128" },
		{ CHAT_HEAD "\"n\":1000000000," CHAT_REST, FAULT_BAD_REQUEST,
		    "n", "from 1 to 128" },
		{ CHAT_HEAD "\"n\":0," CHAT_REST, FAULT_BAD_REQUEST, "n",
		    "from 1 to 128" },
		{ CHAT_HEAD "\"messages\":[]}", FAULT_BAD_REQUEST, "messages",
		    "empty" },
		{ CHAT_HEAD "\"messages\":\"hi\"}", FAULT_BAD_REQUEST,
		    "messages", "array" },
		{ CHAT_HEAD "\"messages\":[{\"role\":\"user\"},\"x\"]}",
		    FAULT_BAD_REQUEST, "messages", "'messages[1]'" },
		{ CHAT_HEAD "\"models\":[\"a\"]," CHAT_REST, FAULT_UNSUPPORTED,
		    "models", "not available here" },
		{ CHAT_HEAD "\"route\":\"fallback\"," CHAT_REST,
		    FAULT_UNSUPPORTED, "route", "leave it out" },
		{ CHAT_HEAD "\"provider\":{\"order\":[]}," CHAT_REST,
		    FAULT_UNSUPPORTED, "provider", "" },
		{ CHAT_HEAD "\"plugins\":[{}]," CHAT_REST, FAULT_UNSUPPORTED,
		    "plugins", "" },
		{ CHAT_HEAD "\"service_tier\":7," CHAT_REST,
		    FAULT_UNSUPPORTED_VALUE, "service_tier", "" },
		{ CHAT_HEAD "\"web_search_options\":{}," CHAT_REST,
		    FAULT_UNSUPPORTED, "web_search_options", "" },
		{ CHAT_HEAD "\"modalities\":[\"text\",\"image\"]," CHAT_REST,
		    FAULT_UNSUPPORTED_VALUE, "modalities", "" },
		{ CHAT_HEAD "\"modalities\":\"audio\"," CHAT_REST,
		    FAULT_UNSUPPORTED_VALUE, "modalities", "" },
		{ CHAT_HEAD "\"background\":true," CHAT_REST,
		    FAULT_UNSUPPORTED_VALUE, "background", "" },
		{ CHAT_HEAD "\"previous_response_id\":\"r\"," CHAT_REST,
		    FAULT_UNSUPPORTED, "previous_response_id", "" },
		{ CHAT_HEAD "\"prompt\":{\"id\":\"p\"}," CHAT_REST,
		    FAULT_UNSUPPORTED, "prompt", "" },
		{ CHAT_HEAD "\"data_sources\":[1]," CHAT_REST,
		    FAULT_UNSUPPORTED, "data_sources", "" },
		{ CHAT_HEAD
		    "\"search_parameters\":{\"mode\":\"on\"}," CHAT_REST,
		    FAULT_UNSUPPORTED, "search_parameters", "" },
		{ CHAT_HEAD "\"tools\":[{\"type\":\"web_search\"}]," CHAT_REST,
		    FAULT_UNSUPPORTED_VALUE, "tools", "'function'" },
		{ CHAT_HEAD "\"tools\":[{\"type\":\"function\",\"type\":"
			    "\"mcp\"}]," CHAT_REST,
		    FAULT_UNSUPPORTED_VALUE, "tools", "" },
		{ CHAT_HEAD "\"tools\":[{\"google_search\":{}}]," CHAT_REST,
		    FAULT_UNSUPPORTED_VALUE, "tools", "" },
		{ CHAT_HEAD "\"messages\":[{\"role\":\"user\",\"content\":"
			    "[{\"type\":\"file\",\"file\":{\"file_id\":"
			    "\"f\"}}]}]}",
		    FAULT_UNSUPPORTED, "file_id", "send the content" },
		{ CHAT_HEAD "\"messages\":[{\"role\":\"user\",\"content\":"
			    "[{\"type\":\"file\",\"file\":{\"File_\\u0069d\":"
			    "\"f\"}}]}]}",
		    FAULT_UNSUPPORTED, "file_id", "" },
		{ CHAT_HEAD "\"messages\":[{\"role\":\"user\",\"content\":"
			    "[{\"type\":\"input_audio\",\"input_audio\":"
			    "{\"data\":7}}]}]}",
		    FAULT_BAD_REQUEST, "messages", "'data'" },
		{ CHAT_HEAD "\"messages\":[{\"role\":\"assistant\","
			    "\"audio\":{\"id\":\"a\"}}]}",
		    FAULT_UNSUPPORTED, "audio", "" },
	};
	struct asked q = { 0 };
	struct fault f;
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(list); i++) {
		if (read_chat(&a, list[i].text, &q, &f))
			fail_msg("taken: %s", list[i].text);
		if (f.kind != list[i].kind ||
		    !str_eq(f.param, str_of(list[i].param)) ||
		    !str_has(f.text, str_of(list[i].words)))
			fail_msg("%s: %s about '%.*s': %.*s", list[i].text,
			    fault_table[f.kind].name, STR_ARGS(f.param),
			    STR_ARGS(f.text));
	}
	arena_release(&a);
}

/* Values that say nothing pass, and so does what nobody knows. */
static void
taken_requests(void **state)
{
	static const char *const members[] = {
		"\"models\":null,\"route\":\"\",\"plugins\":[ ],",
		"\"provider\":{ },\"audio\":null,\"web_search_options\":null,",
		"\"service_tier\":\"auto\",\"modalities\":[\"text\"],",
		"\"service_tier\":\"default\",\"background\":false,",
		"\"service_tier\":null,\"modalities\":null,\"n\":null,",
		"\"n\":1,\"best_of\":1,\"prompt\":null,\"data_sources\":[],",
		"\"previous_response_id\":null,\"max_tokens\":null,",
		"\"stream\":null,\"stream_options\":null,",
		"\"max_tokens\":1e3,\"max_completion_tokens\":2.0,",
		"\"x_new\":1.50e400,\"X_New\":{\"model\":1,\"model\":2},",
		"\"Temperature\":0.1,\"temperature\":0.10,",
		"\"tools\":[],\"functions\":[],\"tool_choice\":\"none\",",
		"\"tools\":[{\"type\":\"custom\",\"custom\":{}}],",
		"\"enable_search\":false,\"search_parameters\":{},",
	};
	struct asked q = { 0 };
	struct fault f;
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(members); i++) {
		struct str text = arena_printf(
		    &a, "%s%s%s", CHAT_HEAD, members[i], CHAT_REST);

		if (!read_chat(&a, text.p, &q, &f))
			fail_msg("%s: %.*s", members[i], STR_ARGS(f.text));
		assert_int_equal(q.choices, 1);
		assert_true(str_eq(q.model, S("m")));
	}
	arena_release(&a);
}

static void
what_is_asked(void **state)
{
	static const char text[] =
	    " { \"model\" : \"gp\\u0074-x\", \"stream\":true,"
	    "\"stream_options\":{\"include_usage\":true},\"max_tokens\":7,"
	    "\"max_completion_tokens\":9,\"n\":3,\"best_of\":5,"
	    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
	    "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}},"
	    "\"reasoning_effort\":\"high\",\"user\":\"u\","
	    "\"safety_identifier\":\"s\\u00e9\",\"prompt_cache_key\":\"k\","
	    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"look\"},{\"type\":\"image_url\",\"image_url\":"
	    "{\"url\":\"data:image/png;base64,AAAAAAAAAAAAAAAAAAAAAAAAAAA\"}},"
	    "{\"type\":\"image_url\",\"image_url\":\"https://x/y\"}]}]} \n";
	struct asked q = { 0 };
	struct fault f;
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_true(read_chat(&a, text, &q, &f));
	assert_true(str_eq(q.model, S("gpt-x")));
	assert_true(str_eq(q.model_at, S("\"gp\\u0074-x\"")));
	assert_true(q.stream && q.usage_wanted && q.tools && q.json_schema &&
	    q.reasoning && !q.unseen_input);
	assert_int_equal(q.max_output, 9);
	assert_int_equal(q.choices, 5);
	assert_int_equal(q.images, 2);
	assert_true(str_eq(q.end_user, S("s\xc3\xa9")));
	assert_true(str_eq(q.session, S("k")));
	assert_true(str_eq(q.max_tokens_at, S("7")));
	assert_true(str_eq(q.max_completion_at, S("9")));
	assert_in_range(q.prompt_tokens, 3208, 3280);
	assert_in_range(q.prompt_bound, 150, 400);
	assert_int_equal(q.body.n, sizeof(text) - 1);

	assert_true(read_chat(&a,
	    CHAT_HEAD
	    "\"messages\":[{\"role\":\"user\","
	    "\"content\":[{\"type\":\"video_url\",\"video_url\":\"x\"}]}]}",
	    &q, &f));
	assert_true(q.unseen_input);
	assert_true(read_chat(&a,
	    CHAT_HEAD
	    "\"messages\":[{\"role\":\"user\","
	    "\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":\"x\"}}]"
	    "}]}",
	    &q, &f));
	assert_true(q.unseen_input);
	arena_release(&a);
}

static int64_t
prompt_of(enum endpoint endpoint, const char *text, struct asked *q)
{
	struct fault f = { 0 };
	struct arena a;

	arena_init(&a);
	if (!openai_dialect.read_request(&a, endpoint, str_of(text), q, &f))
		fail_msg("%s: %.*s", text, STR_ARGS(f.text));
	arena_release(&a);
	return q->prompt_tokens;
}

static void
estimates(void **state)
{
	struct asked q = { 0 }, p = { 0 };
	struct fault f = { 0 };
	struct arena a;

	(void)state;
	/* +4 a message, +3 a call */
	assert_int_equal(
	    prompt_of(ENDPOINT_CHAT,
		CHAT_HEAD "\"messages\":[{\"role\":\"user\",\"content\":"
			  "\"one two three\"}]}",
		&q),
	    3 + 4 + 3);
	assert_int_equal(
	    prompt_of(ENDPOINT_CHAT,
		CHAT_HEAD
		"\"messages\":[{\"role\":\"system\",\"content\":\"a\"},"
		"{\"role\":\"assistant\",\"content\":null,"
		"\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
		"\"function\":{\"name\":\"get\",\"arguments\":\"x\"}}]},"
		"{\"role\":\"tool\",\"content\":\"b\"}]}",
		&q),
	    1 + 2 + 1 + 12 + 3);
	assert_int_equal(prompt_of(ENDPOINT_COMPLETIONS,
			     CHAT_HEAD "\"prompt\":\"one two\"}", &q),
	    2);
	assert_int_equal(q.choices, 1);
	assert_int_equal(
	    prompt_of(ENDPOINT_COMPLETIONS,
		CHAT_HEAD "\"n\":2,\"prompt\":[\"one\",\"two\",\"six\"]}", &q),
	    3);
	assert_int_equal(q.choices, 6);
	assert_int_equal(prompt_of(ENDPOINT_COMPLETIONS,
			     CHAT_HEAD "\"prompt\":[1,2,3,4]}", &q),
	    4);
	assert_int_equal(q.choices, 1);
	assert_int_equal(prompt_of(ENDPOINT_COMPLETIONS,
			     CHAT_HEAD "\"prompt\":[[1,2],[3]]}", &q),
	    3);
	assert_int_equal(q.choices, 2);
	assert_int_equal(prompt_of(ENDPOINT_EMBEDDINGS,
			     CHAT_HEAD "\"input\":[\"one\",\"two\"]}", &q),
	    2);
	assert_int_equal(q.choices, 1);
	assert_int_equal(prompt_of(ENDPOINT_EMBEDDINGS,
			     CHAT_HEAD "\"input\":[[5,6,7]]}", &q),
	    3);
	assert_in_range(q.prompt_bound, 3, 8);

	/* The same beginning has the same hash, another one has not. */
	prompt_of(ENDPOINT_CHAT, CHAT_HEAD CHAT_REST, &q);
	prompt_of(ENDPOINT_CHAT,
	    CHAT_HEAD "\"messages\":[{\"content\":\"hi\",\"role\":\"user\"},"
		      "{\"role\":\"user\",\"content\":\"more\"}]}",
	    &p);
	assert_true(q.head_hash == p.head_hash && q.head_hash);
	prompt_of(ENDPOINT_CHAT,
	    CHAT_HEAD "\"messages\":[{\"role\":\"user\",\"content\":\"ho\"}]}",
	    &p);
	assert_true(q.head_hash != p.head_hash);

	arena_init(&a);
	static const char *const bad[] = { "{}", "[]", "null", "[true]",
		"[\"a\",1]", "[1,\"a\"]", "[[1,\"a\"]]", "7" };
	for (size_t i = 0; i < countof(bad); i++) {
		f = (struct fault){ 0 };
		assert_false(
		    openai_dialect.read_request(&a, ENDPOINT_COMPLETIONS,
			arena_printf(&a, CHAT_HEAD "\"prompt\":%s}", bad[i]),
			&q, &f));
		assert_true(str_eq(f.param, S("prompt")));
	}
	f = (struct fault){ 0 };
	assert_false(openai_dialect.read_request(&a, ENDPOINT_EMBEDDINGS,
	    S(CHAT_HEAD "\"stream\":true,\"input\":\"x\"}"), &q, &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED_VALUE);
	arena_release(&a);
}

/* More input than any tokenizer makes of it, and never less than estimated
 * for ordinary text. */
static void
bounds(void **state)
{
	struct asked q = { 0 };

	(void)state;
	prompt_of(ENDPOINT_CHAT, CHAT_HEAD CHAT_REST, &q);
	assert_in_range(q.prompt_bound, 8, 60);
	assert_true(q.prompt_tokens <= q.prompt_bound);
	prompt_of(ENDPOINT_EMBEDDINGS, CHAT_HEAD "\"input\":\"abc\"}", &q);
	assert_in_range(q.prompt_bound, 3, 6);
}

static void
rewritten(const char *text, struct edits e, const char *want)
{
	struct asked q = { 0 };
	struct fault f;
	struct arena a;
	struct buf out;

	arena_init(&a);
	out = BUF(&a, 1 << 16);
	if (!read_chat(&a, text, &q, &f))
		fail_msg("%s: %.*s", text, STR_ARGS(f.text));
	assert_true(openai_dialect.write_request(&q, &e, &out));
	assert_string_equal(buf_text(&out), want);
	assert_true(json_valid(buf_str(&out), NULL));
	arena_release(&a);
}

static void
rewriting(void **state)
{
	const struct edits none = { .cap_output = -1 };
	const struct edits name = { .model = STR_INIT("a\"b"),
		.cap_output = -1 };
	const struct edits same = { .model = STR_INIT("m"), .cap_output = -1 };
	const struct edits usage = { .force_usage = true, .cap_output = -1 };
	const struct edits cap = { .cap_output = 50 };
	const struct edits cap2 = { .cap_output = 50,
		.cap_as_completion = true };
	const struct edits all = {
		.model = STR_INIT("up"), .force_usage = true, .cap_output = 5
	};

	(void)state;
	rewritten(" {\"model\" :  \"m\" , \"x\":1.0e2," CHAT_REST " \n", none,
	    " {\"model\" :  \"m\" , \"x\":1.0e2," CHAT_REST " \n");
	rewritten(" {\"model\" :  \"m\" , \"x\":1.0e2," CHAT_REST, name,
	    " {\"model\" :  \"a\\\"b\" , \"x\":1.0e2," CHAT_REST);
	rewritten("{\"model\":\"\\u006d\"," CHAT_REST, same,
	    "{\"model\":\"\\u006d\"," CHAT_REST);

	/* Usage is forced on streams only, and once. */
	rewritten(CHAT_HEAD CHAT_REST, usage, CHAT_HEAD CHAT_REST);
	rewritten(CHAT_HEAD "\"stream\":true," CHAT_REST, usage,
	    "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\","
	    "\"stream\":true," CHAT_REST);
	rewritten(CHAT_HEAD
	    "\"stream\":true,\"stream_options\":null," CHAT_REST,
	    usage,
	    CHAT_HEAD "\"stream\":true,\"stream_options\":"
		      "{\"include_usage\":true}," CHAT_REST);
	rewritten(CHAT_HEAD "\"stream\":true,\"stream_options\":{ }," CHAT_REST,
	    usage,
	    CHAT_HEAD "\"stream\":true,\"stream_options\":"
		      "{\"include_usage\":true }," CHAT_REST);
	rewritten(CHAT_HEAD
	    "\"stream\":true,\"stream_options\":{\"x\":1}," CHAT_REST,
	    usage,
	    CHAT_HEAD "\"stream\":true,\"stream_options\":"
		      "{\"include_usage\":true,\"x\":1}," CHAT_REST);
	rewritten(CHAT_HEAD "\"stream\":true,\"stream_options\":{\"x\":1,"
			    "\"include_usage\" : false}," CHAT_REST,
	    usage,
	    CHAT_HEAD "\"stream\":true,\"stream_options\":{\"x\":1,"
		      "\"include_usage\" : true}," CHAT_REST);
	rewritten(CHAT_HEAD "\"stream\":true,\"stream_options\":"
			    "{\"include_usage\":true}," CHAT_REST,
	    usage,
	    CHAT_HEAD "\"stream\":true,\"stream_options\":"
		      "{\"include_usage\":true}," CHAT_REST);

	/* A limit is set, or lowered; never raised. */
	rewritten(CHAT_HEAD CHAT_REST, cap,
	    "{\"max_tokens\":50,\"model\":\"m\"," CHAT_REST);
	rewritten(CHAT_HEAD CHAT_REST, cap2,
	    "{\"max_completion_tokens\":50,\"model\":\"m\"," CHAT_REST);
	rewritten(CHAT_HEAD "\"max_tokens\":100," CHAT_REST, cap,
	    CHAT_HEAD "\"max_tokens\":50," CHAT_REST);
	rewritten(CHAT_HEAD "\"max_tokens\":1e1," CHAT_REST, cap,
	    CHAT_HEAD "\"max_tokens\":1e1," CHAT_REST);
	rewritten(CHAT_HEAD "\"max_tokens\":100," CHAT_REST, cap2,
	    CHAT_HEAD "\"max_tokens\":50," CHAT_REST);
	rewritten(CHAT_HEAD "\"max_tokens\":null," CHAT_REST, cap,
	    CHAT_HEAD "\"max_tokens\":50," CHAT_REST);
	rewritten(CHAT_HEAD "\"max_tokens\":null," CHAT_REST, cap2,
	    "{\"max_completion_tokens\":50,\"model\":\"m\","
	    "\"max_tokens\":null," CHAT_REST);
	rewritten(CHAT_HEAD
	    "\"max_completion_tokens\":70,\"max_tokens\":60," CHAT_REST,
	    cap2,
	    CHAT_HEAD
	    "\"max_completion_tokens\":50,\"max_tokens\":50," CHAT_REST);

	rewritten("{\"max_tokens\":9,\"stream_options\":{},\"stream\":true,"
		  "\"model\":\"m\"," CHAT_REST,
	    all,
	    "{\"max_tokens\":5,\"stream_options\":{\"include_usage\":true},"
	    "\"stream\":true,\"model\":\"up\"," CHAT_REST);
	assert_string_equal(
	    openai_dialect.path(ENDPOINT_CHAT, false), "/chat/completions");
	assert_string_equal(
	    openai_dialect.path(ENDPOINT_EMBEDDINGS, false), "/embeddings");
}

/* --- Answers --- */

struct result {
	struct arena arena;
	struct observer o;
	struct buf out, last;
	unsigned told; /* all bits that feed() returned */
	bool whole;
};

static void
feed(struct result *r, struct str piece)
{
	struct arena a;
	unsigned before = r->o.seen, bits;

	arena_init(&a);
	bits = openai_dialect.feed(&r->o, exact(&a, piece), &r->out, &r->last);
	assert_int_equal(r->o.seen, before | bits);
	assert_int_equal(before & bits, 0);
	r->told |= bits;
	arena_release(&a);
}

static void
watch(struct result *r, struct str text, bool stream, bool hide,
    enum endpoint endpoint, size_t cut, size_t step)
{
	memset(r, 0, sizeof(*r));
	arena_init(&r->arena);
	r->out = BUF_HEAP(8 << 20);
	r->last = BUF_HEAP(LIMIT_EVENT_BYTES + LIMIT_KEEP_BACK);
	r->o = (struct observer){ .dialect = &openai_dialect,
		.arena = &r->arena,
		.stream = stream,
		.hide_usage = hide,
		.endpoint = endpoint };
	openai_dialect.observe(&r->o);
	if (cut)
		feed(r, str_from(text.p, cut));
	for (size_t at = cut; at < text.n; at += step)
		feed(r,
		    str_from(
			text.p + at, text.n - at < step ? text.n - at : step));
	r->whole = openai_dialect.finish(&r->o, &r->out, &r->last);
	assert_false(r->out.full || r->last.full);
}

static void
result_release(struct result *r)
{
	arena_release(&r->arena);
	buf_release(&r->out);
	buf_release(&r->last);
}

static void
same_result(const struct result *a, const struct result *b, size_t cut)
{
	if (!str_eq(buf_str(&a->out), buf_str(&b->out)) ||
	    !str_eq(buf_str(&a->last), buf_str(&b->last)) ||
	    a->o.seen != b->o.seen || a->whole != b->whole ||
	    a->o.out_milli != b->o.out_milli ||
	    memcmp(&a->o.tokens, &b->o.tokens, offsetof(struct tokens, odd)) ||
	    a->o.tokens.odd != b->o.tokens.odd ||
	    a->o.error.kind != b->o.error.kind ||
	    !str_eq(a->o.error.message, b->o.error.message) ||
	    !str_eq(a->o.model, b->o.model))
		fail_msg("cut at %zu: seen %x, out %.*s, last %.*s\n"
			 "whole: seen %x, out %.*s, last %.*s",
		    cut, b->o.seen, STR_ARGS(buf_str(&b->out)),
		    STR_ARGS(buf_str(&b->last)), a->o.seen,
		    STR_ARGS(buf_str(&a->out)), STR_ARGS(buf_str(&a->last)));
}

/* Watches it whole, then cut at every byte, then byte by byte. */
static void
watch_cut(struct result *r, struct str text, bool stream, bool hide,
    enum endpoint endpoint)
{
	struct result cut;

	watch(r, text, stream, hide, endpoint, text.n, 1);
	for (size_t at = 0; at < text.n; at++) {
		watch(&cut, text, stream, hide, endpoint, at, text.n);
		same_result(r, &cut, at);
		result_release(&cut);
	}
	for (size_t step = 1; step < 8; step++) {
		watch(&cut, text, stream, hide, endpoint, 0, step);
		same_result(r, &cut, step);
		result_release(&cut);
	}
}

#define ROLE \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":" \
	"\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n"
#define HEL \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n"
#define LO \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\n"
#define STOP \
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9," \
	"\"completion_tokens\":2,\"total_tokens\":11}}\n\n"
#define DONE "data: [DONE]\n\n"
#define FAILED \
	"data: {\"error\":{\"message\":\"Overloaded\",\"type\":" \
	"\"server_error\",\"code\":\"server_is_overloaded\"}}\n\n"

enum {
	M = SEEN_MEANING,
	T = SEEN_STOP,
	E = SEEN_END,
	X = SEEN_ERROR,
	B = SEEN_BAD,
	N = SEEN_BAD | SEEN_EMPTY
};

static const struct stream {
	const char *text;
	bool hide;
	const char *out, *last;
	unsigned seen;
	bool whole;
	int64_t in, made, milli; /* tokens told; estimated output */
} streams[] = {
	{ ROLE HEL LO STOP USAGE DONE, true, ROLE HEL LO STOP, DONE, M | T | E,
	    true, 9, 2, 1000 },
	{ ROLE HEL LO STOP USAGE DONE, false, ROLE HEL LO STOP USAGE, DONE,
	    M | T | E, true, 9, 2, 1000 },
	/* [DONE] and what follows it */
	{ HEL STOP "data:[DONE]\n\n" HEL FAILED, true, HEL STOP,
	    "data:[DONE]\n\n", M | T | E, true, -1, -1, 1000 },
	{ HEL STOP "data: [DONE] \r\n\r\n"
		   ": bye\n\n",
	    true, HEL STOP, "data: [DONE] \r\n\r\n", M | T | E, true, -1, -1,
	    1000 },
	{ HEL "data: [DONE]\r\r", true, HEL, "data: [DONE]\r\r", M | E, true,
	    -1, -1, 1000 },
	{ HEL STOP "data: [DONE]", true, HEL STOP, DONE, M | T | E, true, -1,
	    -1, 1000 },
	{ HEL STOP "data: [DONE]\n", true, HEL STOP, DONE, M | T | E, true, -1,
	    -1, 1000 },
	/* no [DONE]: the stop waits for the end */
	{ HEL STOP, true, HEL, STOP, M | T, true, -1, -1, 1000 },
	{ HEL STOP USAGE, true, HEL, STOP, M | T, true, 9, 2, 1000 },
	{ HEL STOP USAGE, false, HEL, STOP USAGE, M | T, true, 9, 2, 1000 },
	{ HEL STOP ": c\n\n" LO, true, HEL STOP ": c\n\n" LO, "", M | T, true,
	    -1, -1, 1000 },
	/* cut */
	{ HEL LO, true, HEL LO, "", M, false, -1, -1, 1000 },
	{ HEL "data: {\"choices\":[{\"delta\":{\"con", true, HEL, "", M, false,
	    -1, -1, 1000 },
	{ "", true, "", "", 0, false, -1, -1, 0 },
	{ ROLE, true, ROLE, "", 0, false, -1, -1, 0 },
	/* without meaning: comments, roles, empty texts, Azure's first */
	{ ": OPENROUTER PROCESSING\n\n" ROLE
	  "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n",
	    true,
	    ": OPENROUTER PROCESSING\n\n" ROLE
	    "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n",
	    "", 0, false, -1, -1, 0 },
	{ ROLE DONE, true, ROLE, "", N, false, -1, -1, 0 },
	{ USAGE DONE, true, "", DONE, M | E, true, 9, 2, 0 },
	/* each kind of meaning */
	{ "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\","
	  "\"reasoning\":\"hm\"}}]}\n\n",
	    true,
	    "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\","
	    "\"reasoning\":\"hm\"}}]}\n\n",
	    "", M, false, -1, -1, 1000 },
	{ "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,"
	  "\"id\":\"c\",\"function\":{\"name\":\"go\",\"arguments\":\"\"}}]}}]}"
	  "\n\n",
	    true,
	    "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,"
	    "\"id\":\"c\",\"function\":{\"name\":\"go\",\"arguments\":\"\"}}]"
	    "}}]}\n\n",
	    "", M, false, -1, -1, 1000 },
	{ "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":"
	  "\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"so\"}]}]}}"
	  "]}\n\n",
	    true,
	    "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":"
	    "\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"so\"}]"
	    "}]}}]}\n\n",
	    "", M, false, -1, -1, 1000 },
	{ "data: {\"choices\":[{\"delta\":{\"reasoning_details\":[{\"text\":"
	  "\"so\"}]}}]}\n\n",
	    true,
	    "data: {\"choices\":[{\"delta\":{\"reasoning_details\":[{\"text\":"
	    "\"so\"}]}}]}\n\n",
	    "", M, false, -1, -1, 1000 },
	{ "data: {\"choices\":[{\"delta\":{\"content\":null},"
	  "\"finish_reason\":\"\"}]}\n\n",
	    true,
	    "data: {\"choices\":[{\"delta\":{\"content\":null},"
	    "\"finish_reason\":\"\"}]}\n\n",
	    "", 0, false, -1, -1, 0 },
	/* usage on the finish chunk is never taken away; the last one counts */
	{ HEL
	    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}"
	    "],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}}\n\n" USAGE
		DONE,
	    true,
	    HEL "data: {\"choices\":[{\"delta\":{},\"finish_reason\":"
		"\"length\"}],\"usage\":{\"prompt_tokens\":3,"
		"\"completion_tokens\":1}}\n\n",
	    DONE, M | T | E, true, 9, 2, 1000 },
	{ HEL "data: {\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":"
	      "4,\"completion_tokens\":5}}}\n\n" STOP DONE,
	    true,
	    HEL "data: {\"choices\":[],\"x_groq\":{\"usage\":"
		"{\"prompt_tokens\":4,\"completion_tokens\":5}}}\n\n" STOP,
	    DONE, M | T | E, true, 4, 5, 1000 },
	/* errors in the stream are not passed, nor anything behind them */
	{ FAILED HEL DONE, true, "", "", X, false, -1, -1, 0 },
	{ HEL FAILED HEL DONE, true, HEL, "", M | X, false, -1, -1, 1000 },
	{ HEL "data: {\"choices\":[{\"delta\":{\"content\":\"\"},"
	      "\"finish_reason\":\"error\"}]}\n\n",
	    true, HEL, "", M | X, false, -1, -1, 1000 },
	{ HEL STOP "event: error\ndata: {\"message\":\"x\"}\n\n", true, HEL, "",
	    M | T | X, false, -1, -1, 1000 },
	{ HEL "data: {\"choices\":[{\"delta\":{\"content\":\" a\"}}],"
	      "\"error\":null}\n\n" DONE,
	    true,
	    HEL "data: {\"choices\":[{\"delta\":{\"content\":\" a\"}}],"
		"\"error\":null}\n\n",
	    DONE, M | E, true, -1, -1, 2000 },
	/* not a stream at all */
	{ "<html><body>502</body></html>", true, "", "", B, false, -1, -1, 0 },
	{ "\n {\"error\":{\"message\":\"no\"}}", true, "\n", "", X, false, -1,
	    -1, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}", true, "", "", B,
	    false, -1, -1, 0 },
	/* CRLF, a data line in two, an unknown event, damage */
	{ "data: {\"choices\":\r\ndata: [{\"delta\":{\"content\":\"a\"}}]}"
	  "\r\n\r\nevent: x\r\ndata: {}\r\n\r\ndata: {\"choices\r\n\r\n" DONE,
	    true,
	    "data: {\"choices\":\r\ndata: [{\"delta\":{\"content\":\"a\"}}]}"
	    "\r\n\r\nevent: x\r\ndata: {}\r\n\r\ndata: {\"choices\r\n\r\n",
	    DONE, M | E, true, -1, -1, 1000 },
	/* two choices: the second goes on when the first has stopped */
	{ STOP "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}"
	       "}]}\n\n" DONE,
	    true,
	    STOP "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":"
		 "\"b\"}}]}\n\n",
	    DONE, M | T | E, true, -1, -1, 1000 },
};

static void
streams_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(streams); i++) {
		const struct stream *s = &streams[i];
		struct result r;

		watch_cut(&r, str_of(s->text), true, s->hide, ENDPOINT_CHAT);
		if (!str_eq(buf_str(&r.out), str_of(s->out)) ||
		    !str_eq(buf_str(&r.last), str_of(s->last)))
			fail_msg("%s\nout: %.*s\nlast: %.*s", s->text,
			    STR_ARGS(buf_str(&r.out)),
			    STR_ARGS(buf_str(&r.last)));
		if (r.o.seen != s->seen || r.whole != s->whole ||
		    r.o.tokens.in_total != s->in ||
		    r.o.tokens.out_total != s->made ||
		    r.o.out_milli != s->milli)
			fail_msg("%s\nseen %x whole %d in %lld out %lld "
				 "milli %lld",
			    s->text, r.o.seen, r.whole,
			    (long long)r.o.tokens.in_total,
			    (long long)r.o.tokens.out_total,
			    (long long)r.o.out_milli);
		result_release(&r);
	}
}

static void
stream_facts(void **state)
{
	struct result r;

	(void)state;
	watch(&r,
	    S("data: {\"model\":\"\",\"choices\":[]}\n\n"
	      "data: {\"model\":\"gpt-x-2026\",\"service_tier\":null}\n\n"
	      "data: {\"model\":\"other\",\"service_tier\":\"flex\"}\n\n"),
	    true, true, ENDPOINT_CHAT, 0, 5);
	assert_true(str_eq(r.o.model, S("gpt-x-2026")));
	assert_true(str_eq(r.o.service_tier, S("flex")));
	result_release(&r);

	watch(&r, S(FAILED), true, true, ENDPOINT_CHAT, 0, 5);
	assert_int_equal(r.o.error.kind, UP_OVERLOADED);
	assert_true(str_eq(r.o.error.message, S("Overloaded")));
	result_release(&r);

	watch(&r, S("data: {\"choices\":[{\"text\":\"abc\"}]}\n\n" DONE), true,
	    true, ENDPOINT_COMPLETIONS, 0, 5);
	assert_true(r.whole && r.o.out_milli == 1000);
	result_release(&r);
}

/* faults.md U18: what is too large to hold passes in parts. */
static void
large_event(void **state)
{
	static const char head[] = "data: {\"choices\":[{\"delta\":{\"x\":\"";
	struct buf text = BUF_HEAP(4 << 20);
	struct result r;
	size_t large = 1 << 20;
	static const size_t steps[] = { 1000, 65536, 4 << 20 };

	(void)state;
	buf_put(&text, S(HEL));
	buf_put(&text, str_of(head));
	memset(buf_room(&text, large), 'x', large);
	text.n += large;
	buf_put(&text, S("\"}}]}\n\n" STOP USAGE));
	for (size_t i = 0; i < countof(steps); i++) {
		watch(&r, buf_str(&text), true, false, ENDPOINT_CHAT, 0,
		    steps[i]);
		assert_true(r.whole && r.o.tokens.in_total == 9);
		assert_int_equal(r.out.n + r.last.n, text.n);
		assert_memory_equal(r.out.p, text.p, r.out.n);
		assert_int_equal(r.o.out_milli / 1000,
		    1 + (sizeof(head) - 1 + large + 7) / 4);
		assert_false(r.o.inside);
		result_release(&r);
	}
	watch(
	    &r, str_from(text.p, large), true, false, ENDPOINT_CHAT, 0, 65536);
	assert_true(!r.whole && r.o.inside);
	result_release(&r);
	buf_release(&text);
}

static const struct body {
	const char *text;
	enum endpoint endpoint;
	unsigned seen;
	bool whole;
	int64_t in, made, milli;
} bodies[] = {
	{ "{\"id\":\"x\",\"choices\":[{\"message\":{\"content\":\"Hi you\"},"
	  "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,"
	  "\"completion_tokens\":2}}\n",
	    0, M | T | E, true, 9, 2, 2000 },
	{ "{\"choices\":[{\"message\":{\"content\":\"one two\"}}]}", 0,
	    M | T | E, true, -1, -1, 2000 },
	{ "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,"
	  "\"completion_tokens\":0}}",
	    0, M | T | E, true, 1, 0, 0 },
	{ "{\"choices\":[{\"text\":\"one\"}],\"error\":null}",
	    ENDPOINT_COMPLETIONS, M | T | E, true, -1, -1, 1000 },
	{ "{\"data\":[{\"embedding\":[0.1,-2e-3]}],\"usage\":"
	  "{\"prompt_tokens\":4,\"total_tokens\":4}}",
	    ENDPOINT_EMBEDDINGS, M | T | E, true, 4, 0, 0 },
	{ "{\"data\":[],\"usage\":{\"total_tokens\":4}}", ENDPOINT_EMBEDDINGS,
	    M | T | E, true, 4, 0, 0 },
	{ "{\"error\":{\"message\":\"no\",\"code\":\"rate_limit_exceeded\"}}",
	    0, X, false, -1, -1, 0 },
	{ "{\"error\":\"no\"}", 0, X, false, -1, -1, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":"
	  "\"error\"}]}",
	    0, X, false, -1, -1, 0 },
	{ "{\"choices\":[],\"usage\":null}", 0, N, false, -1, -1, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":null}}]}", 0, N, false, -1,
	    -1, 0 },
	{ "{\"message\":\"what\"}", 0, B, false, -1, -1, 0 },
	{ "{}", 0, B, false, -1, -1, 0 },
	{ "", 0, B, false, -1, -1, 0 },
	{ "<html></html>", 0, B, false, -1, -1, 0 },
	{ "[]", 0, B, false, -1, -1, 0 },
	{ "OK", 0, B, false, -1, -1, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":\"cu", 0, B, false, -1, -1,
	    0 },
	{ "{\"choices\":[{\"message\":{\"content\":\"x\"}},]}", 0, B, false, -1,
	    -1, 0 },
	{ "{\"choices\":[{\"message\":{\"content\":\"x\"}]}", 0, B, false, -1,
	    -1, 0 },
	{ "{\"choices\":NaN}", 0, B, false, -1, -1, 0 },
};

static void
bodies_cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(bodies); i++) {
		const struct body *b = &bodies[i];
		struct result r;

		watch_cut(&r, str_of(b->text), false, true, b->endpoint);
		assert_int_equal(r.out.n, 0);
		if (!str_eq(
			buf_str(&r.last), b->whole ? str_of(b->text) : S("")) ||
		    r.o.seen != b->seen || r.whole != b->whole ||
		    r.o.tokens.in_total != b->in ||
		    r.o.tokens.out_total != b->made ||
		    r.o.out_milli != b->milli)
			fail_msg("%s\nseen %x whole %d in %lld out %lld milli "
				 "%lld last %.*s",
			    b->text, r.o.seen, r.whole,
			    (long long)r.o.tokens.in_total,
			    (long long)r.o.tokens.out_total,
			    (long long)r.o.out_milli,
			    STR_ARGS(buf_str(&r.last)));
		result_release(&r);
	}
}

/* Behind the end only blanks pass. */
static void
body_tail(void **state)
{
	struct result r;

	(void)state;
	watch_cut(&r, S("{\"choices\":[{\"text\":\"x\"}]} \n{\"error\":1}"),
	    false, true, ENDPOINT_COMPLETIONS);
	assert_true(r.whole);
	assert_true(
	    str_eq(buf_str(&r.last), S("{\"choices\":[{\"text\":\"x\"}]} \n")));
	result_release(&r);
}

/* An answer of `words` words, as one JSON text. */
static void
make_body(struct buf *b, const char *head, size_t words, const char *tail)
{
	buf_clear(b);
	buf_put(b, str_of(head));
	for (size_t i = 0; i < words; i++)
		buf_put(b, S(" word"));
	buf_put(b, str_of(tail));
}

static void
large_bodies(void **state)
{
	static const size_t words[] = { 3000, 3260, 3270, 3280, 3300, 12000,
		13100, 60000 };
	static const size_t steps[] = { 997, 16384, 1 << 20 };
	struct buf b = BUF_HEAP(4 << 20);
	struct result r;

	(void)state;
	for (size_t i = 0; i < countof(words); i++)
		for (size_t k = 0; k < countof(steps); k++) {
			make_body(&b, "{\"choices\":[{\"text\":\"", words[i],
			    "\"}],\"model\":\"m\",\"usage\":{\"prompt_tokens\""
			    ":5,\"completion_tokens\":6}}\n");
			watch(&r, buf_str(&b), false, true,
			    ENDPOINT_COMPLETIONS, 0, steps[k]);
			assert_true(r.whole && r.o.tokens.in_total == 5);
			assert_true(str_eq(r.o.model, S("m")));
			assert_int_equal(r.last.n,
			    b.n < LIMIT_KEEP_BACK ? b.n : LIMIT_KEEP_BACK);
			assert_int_equal(r.out.n + r.last.n, b.n);
			assert_memory_equal(r.out.p, b.p, r.out.n);
			assert_memory_equal(r.last.p, b.p + r.out.n, r.last.n);
			/* five bytes a word, a token each */
			assert_in_range(r.o.out_milli / 1000, words[i],
			    words[i] * 13 / 10 + 40);
			result_release(&r);

			make_body(
			    &b, "{\"error\":{\"message\":\"", words[i], "\"}}");
			watch(&r, buf_str(&b), false, true,
			    ENDPOINT_COMPLETIONS, 0, steps[k]);
			assert_true(!r.whole && r.o.seen == SEEN_ERROR);
			assert_int_equal(r.out.n + r.last.n, 0);
			if (b.n < 65536)
				assert_true(str_starts(
				    r.o.error.message, S(" word word")));
			result_release(&r);

			/* Cut in the middle. */
			make_body(
			    &b, "{\"choices\":[{\"text\":\"", words[i], "");
			watch(&r, buf_str(&b), false, true,
			    ENDPOINT_COMPLETIONS, 0, steps[k]);
			assert_false(r.whole);
			assert_int_equal(r.o.seen,
			    b.n > LIMIT_KEEP_BACK ? SEEN_MEANING : SEEN_BAD);
			result_release(&r);
		}
	buf_release(&b);
}

/* No pictures, seconds, searches. */
#define REST -1, -1, -1, -1, -1

static const struct usage_case {
	const char *usage;
	struct tokens want;
} usages[] = {
	{ "{\"prompt_tokens\":1000,\"completion_tokens\":50,\"total_tokens\":"
	  "1050,\"prompt_tokens_details\":{\"cached_tokens\":800,"
	  "\"audio_tokens\":0},\"completion_tokens_details\":"
	  "{\"reasoning_tokens\":30,\"audio_tokens\":1}}",
	    { 1000, 800, -1, -1, 50, 30, 0, 1, REST, false } },
	{ "{\"prompt_tokens\":1,\"completion_tokens\":0}",
	    { 1, -1, -1, -1, 0, -1, -1, -1, REST, false } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"prompt_tokens_details\":null,\"completion_tokens_details\":"
	  "{\"reasoning_tokens\":null}}",
	    { 10, -1, -1, -1, 5, -1, -1, -1, REST, false } },
	/* DeepSeek, Moonshot, Mistral, Qwen, gpt-5.6 */
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"prompt_cache_hit_tokens\":4,\"prompt_cache_miss_tokens\":6}",
	    { 10, 4, -1, -1, 5, -1, -1, -1, REST, false } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,\"cached_tokens\":3}",
	    { 10, 3, -1, -1, 5, -1, -1, -1, REST, false } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"num_cached_tokens\":2}",
	    { 10, 2, -1, -1, 5, -1, -1, -1, REST, false } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"prompt_tokens_details\":{\"cached_tokens\":2,"
	  "\"cache_creation_input_tokens\":7}}",
	    { 10, 2, 7, -1, 5, -1, -1, -1, REST, false } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"prompt_tokens_details\":{\"cache_write_tokens\":9}}",
	    { 10, -1, 9, -1, 5, -1, -1, -1, REST, false } },
	/* xAI: reasoning outside; a cache larger than the prompt outside */
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":35,"
	  "\"completion_tokens_details\":{\"reasoning_tokens\":20}}",
	    { 10, -1, -1, -1, 25, 20, -1, -1, REST, false } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"prompt_tokens_details\":{\"cached_tokens\":11}}",
	    { 21, 11, -1, -1, 5, -1, -1, -1, REST, true } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"completion_tokens_details\":{\"reasoning_tokens\":6}}",
	    { 10, -1, -1, -1, 5, 5, -1, -1, REST, true } },
	/* hostile */
	{ "{\"prompt_tokens\":-1,\"completion_tokens\":5}",
	    { -1, -1, -1, -1, 5, -1, -1, -1, REST, true } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":1.5}",
	    { 10, -1, -1, -1, -1, -1, -1, -1, REST, true } },
	{ "{\"prompt_tokens\":\"10\",\"completion_tokens\":5}",
	    { -1, -1, -1, -1, 5, -1, -1, -1, REST, true } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":1e18}",
	    { 10, -1, -1, -1, -1, -1, -1, -1, REST, true } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":1e400}",
	    { 10, -1, -1, -1, -1, -1, -1, -1, REST, true } },
	{ "{\"prompt_tokens\":null,\"completion_tokens\":5}",
	    { -1, -1, -1, -1, 5, -1, -1, -1, REST, true } },
	{ "{\"prompt_tokens\":10,\"completion_tokens\":5,"
	  "\"prompt_tokens_details\":{\"cached_tokens\":-3}}",
	    { 10, -1, -1, -1, 5, -1, -1, -1, REST, true } },
	{ "\"many\"", { -1, -1, -1, -1, -1, -1, -1, -1, REST, true } },
	{ "null", { -1, -1, -1, -1, -1, -1, -1, -1, REST, false } },
	{ "{}", { -1, -1, -1, -1, -1, -1, -1, -1, REST, false } },
};

static void
usage_spellings(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(usages) * 2; i++) {
		const struct usage_case *u = &usages[i / 2];
		bool stream = i % 2;
		char text[1024];
		struct result r;

		snprintf(text, sizeof(text),
		    "%s{\"choices\":[{\"text\":\"x\"}],\"usage\":%s}\n\n",
		    stream ? "data: " : "", u->usage);
		watch(&r, str_of(text), stream, true, ENDPOINT_CHAT, 0, 7);
		if (memcmp(
			&r.o.tokens, &u->want, offsetof(struct tokens, odd)) ||
		    r.o.tokens.odd != u->want.odd)
			fail_msg("%s: in %lld cached %lld written %lld out "
				 "%lld reasoning %lld odd %d",
			    u->usage, (long long)r.o.tokens.in_total,
			    (long long)r.o.tokens.cache_read,
			    (long long)r.o.tokens.cache_write,
			    (long long)r.o.tokens.out_total,
			    (long long)r.o.tokens.reasoning, r.o.tokens.odd);
		result_release(&r);
	}
}

/* --- Errors and faults --- */

static const struct error_case {
	int status;
	const char *type, *body;
	enum up_class kind;
	const char *message; /* NULL: not looked at */
} errors[] = {
	{ 401, "",
	    "{\"error\":{\"message\":\"Incorrect API key provided: "
	    "sk-abcd1234. You can find your API key at https://platform.openai"
	    ".com/account/api-keys.\",\"type\":\"invalid_request_error\","
	    "\"param\":null,\"code\":\"invalid_api_key\"}}",
	    UP_KEY_DEAD,
	    "Incorrect API key provided: [redacted] You can find your API key "
	    "at https:[redacted]" },
	{ 429, "",
	    "{\"error\":{\"message\":\"You exceeded your current "
	    "quota\",\"type\":\"insufficient_quota\",\"code\":"
	    "\"insufficient_quota\"}}",
	    UP_KEY_BROKE, NULL },
	{ 429, "",
	    "{\"error\":{\"message\":\"Rate limit reached for gpt-x in "
	    "organization org-AbCdEfGhIj on tokens per min\",\"type\":\"tokens\","
	    "\"code\":\"rate_limit_exceeded\"}}",
	    UP_RATE_LIMIT,
	    "Rate limit reached for gpt-x in organization [redacted] on tokens "
	    "per min" },
	{ 429, "",
	    "{\"error\":{\"message\":\"Request too large for gpt-x on "
	    "tokens per min (TPM): Limit 10\",\"type\":\"tokens\",\"code\":"
	    "\"rate_limit_exceeded\"}}",
	    UP_KEY_TOO_SMALL, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"This model's maximum context "
	    "length is 8192 tokens.\",\"code\":\"context_length_exceeded\"}}",
	    UP_CONTEXT_LENGTH, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"This model's maximum context "
	    "length is 8192 tokens.\",\"code\":null}}",
	    UP_CONTEXT_LENGTH, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"x\",\"code\":"
	    "\"string_above_max_length\"}}",
	    UP_BAD_REQUEST, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"x\",\"code\":\"content_filter\","
	    "\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
	    UP_CONTENT_POLICY, NULL },
	{ 404, "",
	    "{\"error\":{\"message\":\"The model `x` does not exist or "
	    "you do not have access to it.\",\"code\":\"model_not_found\"}}",
	    UP_MODEL_MISSING, NULL },
	{ 404, "text/html", "<html>nginx</html>", UP_WRONG_BASE, "" },
	{ 404, "", "", UP_WRONG_BASE, "" },
	{ 404, "", "{\"error\":{\"message\":\"x\"}}", UP_BAD_REQUEST, "x" },
	{ 503, "", "{\"error\":{\"message\":\"The server is overloaded\"}}",
	    UP_OVERLOADED, NULL },
	{ 500, "text/html", "<html>oops</html>", UP_SERVER, "" },
	{ 502, "", "", UP_SERVER, "" },
	{ 408, "", "", UP_TIMEOUT, NULL },
	{ 504, "", "", UP_TIMEOUT, NULL },
	{ 409, "", "", UP_SERVER, NULL },
	{ 302, "", "", UP_SERVER, NULL },
	{ 413, "", "", UP_TOO_LARGE, NULL },
	{ 422, "",
	    "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field "
	    "required\"}]}",
	    UP_BAD_REQUEST, "field required" },
	{ 402, "", "{\"error\":{\"message\":\"Insufficient Balance\"}}",
	    UP_KEY_BROKE, NULL },
	{ 402, "",
	    "{\"error\":{\"code\":\"in_flight_budget_exhausted\","
	    "\"message\":\"x\"}}",
	    UP_RATE_LIMIT, NULL },
	{ 403, "",
	    "{\"error\":{\"code\":403,\"message\":\"flagged\","
	    "\"metadata\":{\"reasons\":[\"x\"],\"flagged_input\":\"y\"}}}",
	    UP_CONTENT_POLICY, NULL },
	{ 403, "", "{\"error\":{\"code\":403,\"message\":\"no\"}}",
	    UP_NO_PERMISSION, NULL },
	{ 200, "", "{\"error\":{\"code\":429,\"message\":\"slow\"}}",
	    UP_RATE_LIMIT, NULL },
	{ 200, "",
	    "{\"error\":{\"code\":502,\"message\":\"down\","
	    "\"metadata\":{\"provider_name\":\"P\"}}}",
	    UP_OVERLOADED, NULL },
	{ 200, "", "{\"code\":\"x\",\"error\":\"some words\"}", UP_SERVER,
	    "some words" },
	{ 400, "",
	    "{\"object\":\"error\",\"message\":\"flat\",\"type\":\"t\","
	    "\"code\":null}",
	    UP_BAD_REQUEST, "flat" },
	{ 400, "", "{\"error\":{\"code\":\"1261\",\"message\":\"long\"}}",
	    UP_CONTEXT_LENGTH, NULL },
	{ 400, "", "{\"error\":{\"code\":\"1113\",\"message\":\"x\"}}",
	    UP_KEY_BROKE, NULL },
	{ 403, "",
	    "{\"message\":\"\xe8\xb4\xa6\xe6\x88\xb7\xe4\xbd\x99\xe9"
	    "\xa2\x9d\xe4\xb8\x8d\xe8\xb6\xb3\"}",
	    UP_KEY_BROKE, NULL },
	{ 429, "",
	    "{\"error\":{\"code\":\"Throttling.RateQuota\","
	    "\"message\":\"x\"}}",
	    UP_RATE_LIMIT, NULL },
	{ 400, "",
	    "[{\"error\":{\"code\":400,\"message\":\"API key not "
	    "valid.\",\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"reason\":"
	    "\"API_KEY_INVALID\"}]}}]",
	    UP_KEY_DEAD, NULL },
	{ 429, "",
	    "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\","
	    "\"details\":[{\"violations\":[{\"quotaId\":\"RequestsPerDay\"}]}]}}",
	    UP_QUOTA_DAILY, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"Your credit balance is too low "
	    "to access\"}}",
	    UP_KEY_BROKE, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"You have reached your specified "
	    "workspace API usage limits.\"}}",
	    UP_KEY_BROKE, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"You have reached your specified "
	    "API usage limits.\"}}",
	    UP_KEY_BROKE, NULL },
	/* The caller's own words say nothing about our key. */
	{ 400, "",
	    "{\"error\":{\"message\":\"Invalid value: 'Your credit "
	    "balance is too low'. Supported are 'a' and 'b'.\"}}",
	    UP_BAD_REQUEST, NULL },
	{ 400, "",
	    "{\"error\":{\"message\":\"messages: the text ends with "
	    "this: your credit balance is too low, insufficient balance\"}}",
	    UP_BAD_REQUEST, NULL },
	{ 422, "",
	    "{\"detail\":[{\"msg\":\"bad input \\\"insufficient "
	    "balance\\\"\"}]}",
	    UP_BAD_REQUEST, NULL },
	{ 400, "text/plain", "just words", UP_BAD_REQUEST, "just words" },
	{ 400, "", "{\"error\":{\"message\":\"cut her", UP_BAD_REQUEST, NULL },
};

static void
error_shapes(void **state)
{
	struct arena a;
	struct up_error e;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(errors); i++) {
		const struct error_case *c = &errors[i];

		openai_dialect.read_error(&a, c->status, str_of(c->type),
		    exact(&a, str_of(c->body)), &e);
		if (e.kind != c->kind ||
		    (c->message && !str_eq(e.message, str_of(c->message))))
			fail_msg("%d %s: %s: %.*s", c->status, c->body,
			    up_class_name(e.kind), STR_ARGS(e.message));
	}
	openai_dialect.read_error(&a, 400, S(""),
	    S("{\"error\":{\"message\":\"m\",\"param\":\"p\",\"code\":\"c\"}}"),
	    &e);
	assert_true(str_eq(e.code, S("c")) && str_eq(e.param, S("p")));
	openai_dialect.read_error(&a, 400, S(""),
	    S("{\"error\":{\"message\":\"m\",\"code\":7}}"), &e);
	assert_int_equal(e.code.n, 0);
	for (unsigned k = 0; k < N_UP_CLASSES; k++)
		assert_non_null(up_class_name((enum up_class)k));
	arena_release(&a);
}

static void
redacted(void **state)
{
	static const struct {
		const char *text, *want;
	} list[] = {
		{ "key sk-proj-abcDEF_123-456 bad", "key [redacted] bad" },
		{ "AIzaSyA1234567 AKIAIOSFODNN7 gsk_abcdef",
		    "[redacted] [redacted] [redacted]" },
		{ "Authorization: Bearer abc.def.ghi!",
		    "Authorization: Bearer [redacted]" },
		{ "see https://api.openai.com/v1/x?y=z now",
		    "see https:[redacted] now" },
		{ "connect to api.deepseek.com:443 or 10.0.0.7:80",
		    "connect to [redacted]:443 or [redacted]:80" },
		{ "localhost/v1 failed", "[redacted] failed" },
		{ "'messages.0.content' at v1.2 of gpt-4.1 is 3.5",
		    "'messages.0.content' at v1.2 of gpt-4.1 is 3.5" },
		{ "a sk-x and organ org-x", "a sk-x and organ org-x" },
		{ "line\none\ttwo\x01", "line one two " },
		{ "bad \xff\xc3 utf \xc3\xa9", "bad ?? utf \xc3\xa9" },
	};
	char large[8192];
	struct arena a;
	struct str s;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(list); i++) {
		s = redact(&a, str_of(list[i].text), 2048);
		if (!str_eq(s, str_of(list[i].want)))
			fail_msg("%s: %.*s", list[i].text, STR_ARGS(s));
	}
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = "\xc3\xa9"[i % 2];
	s = redact(&a, str_from(large, sizeof(large)), 2047);
	assert_int_equal(s.n, 2046);
	assert_int_equal(json_utf8(s), s.n);
	arena_release(&a);
}

static void
faults_written(void **state)
{
	struct fault f = { 0 };
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a);
	out = BUF(&a, 4096);
	fault_set(&f, &a, FAULT_UNSUPPORTED, "'%s' \"is\" not", "x\n");
	f.param = S("x");
	openai_dialect.write_fault(&f, S("id"), &out);
	assert_string_equal(buf_text(&out),
	    "{\"error\":{\"message\":\"'x\\n' \\\"is\\\" not\",\"type\":"
	    "\"invalid_request_error\",\"param\":\"x\",\"code\":"
	    "\"unsupported_parameter\"}}");
	buf_clear(&out);
	f = (struct fault){ 0 };
	fault_set(&f, &a, FAULT_BAD_REQUEST, "no");
	openai_dialect.write_fault(&f, S("id"), &out);
	assert_string_equal(buf_text(&out),
	    "{\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\""
	    ",\"param\":null,\"code\":null}}");
	buf_clear(&out);
	openai_dialect.write_fault_event(&f, S("id"), NULL, &out);
	assert_string_equal(buf_text(&out),
	    "data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\","
	    "\"param\":null,\"code\":null}}\n\n");
	f.code = S("up\"code");
	buf_clear(&out);
	openai_dialect.write_fault(&f, S("id"), &out);
	assert_true(json_valid(buf_str(&out), NULL));
	assert_true(str_has(buf_str(&out), S("\"code\":\"up\\\"code\"")));
	assert_int_equal(openai_dialect.status(&f), 400);
	for (int k = FAULT_NONE + 1; k < N_FAULTS; k++) {
		f = (struct fault){ .kind = (enum fault_kind)k };
		buf_clear(&out);
		openai_dialect.write_fault(&f, S("id"), &out);
		openai_dialect.status(&f);
		assert_true(json_valid(buf_str(&out), NULL));
	}
	assert_true(str_eq(openai_dialect.keep_alive, S(": keep-alive\n\n")));
	assert_ptr_equal(dialect_find(S("openai")), &openai_dialect);
	assert_null(dialect_find(S("openai2")));
	arena_release(&a);
}

/* --- Anything --- */

static const char scraps[] = "{}[]\",:\\\n\r 0123456789-eE.ud<\xc3\xff\x00";

static struct str
mutated(struct buf *b, struct str text)
{
	buf_clear(b);
	buf_put(b, text);
	for (uint32_t k = dice(4) + 1; k && b->n; k--) {
		size_t at = dice((uint32_t)b->n), n;

		switch (dice(4)) {
		case 0:
			b->p[at] = scraps[dice(sizeof(scraps) - 1)];
			break;
		case 1:
			b->n = at;
			break;
		case 2:
			n = dice(40) + 1;
			n = n < b->n - at ? n : b->n - at;
			memmove(b->p + at, b->p + at + n, b->n - at - n);
			b->n -= n;
			break;
		default:
			n = dice(60) + 1;
			n = n < b->n - at ? n : b->n - at;
			buf_room(b, n);
			memmove(b->p + b->n, b->p + at, n);
			b->n += n;
		}
	}
	return buf_str(b);
}

static void
any_answer(void **state)
{
	struct buf b = BUF_HEAP(1 << 20);
	double end = now_s() + 2;
	struct result one, two;

	(void)state;
	for (size_t i = 0; now_s() < end && i < 200000; i++) {
		bool stream = dice(3), fed = dice(4);
		const char *from = stream == fed
		    ? streams[dice(countof(streams))].text
		    : bodies[dice(countof(bodies))].text;
		struct str text = mutated(&b, str_of(from));
		enum endpoint endpoint = (enum endpoint)dice(N_ENDPOINTS);

		watch(&one, text, stream, i & 1, endpoint, text.n, 1);
		watch(&two, text, stream, i & 1, endpoint,
		    text.n ? dice((uint32_t)text.n) : 0, 1 + dice(9));
		same_result(&one, &two, 0);
		assert_true(one.out.n + one.last.n <= text.n + 2);
		result_release(&one);
		result_release(&two);
	}
	buf_release(&b);
}

static void
any_request(void **state)
{
	static const char text[] =
	    "{\"model\":\"m\",\"stream\":true,\"stream_options\":{},\"n\":2,"
	    "\"max_tokens\":100,\"tools\":[{\"type\":\"function\"}],"
	    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"a\\u00e9 b\"},{\"type\":\"image_url\",\"image_url\":"
	    "{\"url\":\"data:\"}}]}]}";
	struct buf b = BUF_HEAP(1 << 20);
	const struct edits e = {
		.model = STR_INIT("up"), .force_usage = true, .cap_output = 3
	};
	double end = now_s() + 1;
	size_t taken = 0;

	(void)state;
	for (size_t i = 0; now_s() < end && i < 200000; i++) {
		struct arena a;
		struct asked q = { 0 }, again = { 0 };
		struct fault f = { 0 }, none = { 0 };
		struct up_error error;
		struct buf out;
		struct str body;

		arena_init(&a);
		out = BUF(&a, 1 << 16);
		body = exact(&a, mutated(&b, str_from(text, sizeof(text) - 1)));
		if (openai_dialect.read_request(
			&a, ENDPOINT_CHAT, body, &q, &f)) {
			taken++;
			assert_true(q.prompt_bound >= 0 && q.choices >= 1);
			assert_true(openai_dialect.write_request(&q, &e, &out));
			assert_true(openai_dialect.read_request(
			    &a, ENDPOINT_CHAT, buf_str(&out), &again, &none));
			assert_true(str_eq(again.model, S("up")));
			assert_true(again.stream == q.stream &&
			    again.choices == q.choices &&
			    again.max_output <= 3);
			assert_true(!q.stream || again.usage_wanted);
		} else {
			assert_true(f.kind != FAULT_NONE && f.text.n);
		}
		openai_dialect.read_error(
		    &a, (int)dice(600), S(""), body, &error);
		arena_release(&a);
	}
	assert_true(taken > 0);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_requests),
		cmocka_unit_test(taken_requests),
		cmocka_unit_test(what_is_asked),
		cmocka_unit_test(estimates),
		cmocka_unit_test(bounds),
		cmocka_unit_test(rewriting),
		cmocka_unit_test(streams_cut_anywhere),
		cmocka_unit_test(stream_facts),
		cmocka_unit_test(large_event),
		cmocka_unit_test(bodies_cut_anywhere),
		cmocka_unit_test(body_tail),
		cmocka_unit_test(large_bodies),
		cmocka_unit_test(usage_spellings),
		cmocka_unit_test(error_shapes),
		cmocka_unit_test(redacted),
		cmocka_unit_test(faults_written),
		cmocka_unit_test(any_answer),
		cmocka_unit_test(any_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
