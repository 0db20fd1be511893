/* SPDX-License-Identifier: MIT */
/*
 * responses.c - the dialect of Responses by itself: what a request asks, the
 * edits on its way, how a stream is ended by a fault; stop sequences that an
 * upstream does not know; and which models are asked in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/stops.h"
#include "handlers/relay/outward.h"

static struct arena arena;

static int
empty(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void
is(struct str have, const char *want)
{
	if (!str_eq(have, str_of(want)))
		fail_msg("\n  want %s\n  have %.*s", want, STR_ARGS(have));
}

static struct asked
asked_by(const char *body)
{
	struct asked k;
	struct fault f = { 0 };

	if (!responses_dialect.read_request(&arena, ENDPOINT_RESPONSES,
	    str_of(body), &k, &f))
		fail_msg("%s: %.*s", body, STR_ARGS(f.text));
	return k;
}

/* --- Requests ------------------------------------------------------------- */

static void
asks(void **state)
{
	struct asked k = asked_by("{\"model\":\"m\",\"input\":\"hi\"}");

	(void)state;
	is(k.model, "m");
	assert_true(k.kept && !k.stream && !k.tools && !k.unseen_input);
	assert_int_equal(k.max_output, -1);
	assert_int_equal(k.choices, 1);
	assert_true(k.prompt_tokens > 1 && k.prompt_tokens < 20);

	k = asked_by("{\"model\":\"m\",\"store\":false,\"stream\":true,"
	    "\"max_output_tokens\":7,\"reasoning\":{\"effort\":\"none\"},"
	    "\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}},"
	    "\"tools\":[{\"type\":\"function\",\"name\":\"f\"}],"
	    "\"prompt_cache_key\":\"k\",\"safety_identifier\":\"u\","
	    "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":"
	    "\"input_image\",\"image_url\":\"https://x/\"}]}]}");
	assert_true(!k.kept && k.stream && k.tools && k.json_schema);
	assert_true(k.reasoning_off && !k.reasoning);
	assert_int_equal(k.max_output, 7);
	assert_int_equal(k.images, 1);
	is(k.session, "k");
	is(k.end_user, "u");

	/* What is not in the body may be as long as the model takes it. */
	k = asked_by("{\"model\":\"m\",\"previous_response_id\":\"resp_1\"}");
	is(k.earlier, "resp_1");
	assert_true(k.unseen_input);
	k = asked_by("{\"model\":\"m\",\"input\":[{\"type\":\"new\"}]}");
	assert_true(k.unseen_input);
	k = asked_by("{\"model\":\"m\",\"input\":[{\"role\":\"user\","
	    "\"content\":[{\"type\":\"input_file\",\"file_url\":\"x\"}]}]}");
	assert_true(k.unseen_input && k.prompt_tokens > 4000);
	k = asked_by("{\"model\":\"m\",\"reasoning\":{\"effort\":\"low\"},"
	    "\"input\":[{\"type\":\"reasoning\",\"summary\":[{\"text\":"
	    "\"a b\"}],\"encrypted_content\":\"0123456789\"}]}");
	assert_true(k.reasoning && !k.unseen_input);
}

static void
writes_to(const char *body, int64_t cap, const char *want)
{
	struct asked k = asked_by(body);
	struct edits edits = { .model = S("up\""), .cap_output = cap };
	struct buf out = BUF(&arena, 4096);

	assert_true(responses_dialect.write_request(&k, &edits, &out));
	is(buf_str(&out), want);
}

static void
edits(void **state)
{
	(void)state;
	writes_to(" {\"input\":\"hi\",\"model\":\"m\",\"x\":1.0}\n", -1,
	    " {\"input\":\"hi\",\"model\":\"up\\\"\",\"x\":1.0}\n");
	writes_to("{\"model\":\"m\",\"input\":\"hi\"}", 9,
	    "{\"max_output_tokens\":9,\"model\":\"up\\\"\",\"input\":\"hi\"}");
	writes_to("{\"model\":\"m\",\"max_output_tokens\":50,\"input\":"
	    "\"hi\"}", 9, "{\"model\":\"up\\\"\",\"max_output_tokens\":9,"
	    "\"input\":\"hi\"}");
	writes_to("{\"max_output_tokens\":null,\"model\":\"m\",\"input\":"
	    "\"hi\"}", 9, "{\"max_output_tokens\":9,\"model\":\"up\\\"\","
	    "\"input\":\"hi\"}");
	/* Never raised. */
	writes_to("{\"max_output_tokens\":5,\"model\":\"m\",\"input\":\"hi\"}",
	    9, "{\"max_output_tokens\":5,\"model\":\"up\\\"\",\"input\":"
	    "\"hi\"}");
}

static bool
path_is(const char *rest, const char *query, struct asked *k)
{
	struct fault f = { 0 };

	*k = (struct asked){ .endpoint = ENDPOINT_STORED };
	return responses_dialect.read_path(&arena, str_of(rest),
	    str_of(query), k, &f);
}

static void
paths(void **state)
{
	struct asked k;

	(void)state;
	assert_true(path_is("resp_1-a", "", &k));
	is(k.earlier, "resp_1-a");
	is(k.query, "");
	assert_true(path_is("resp_1/input_items", "limit=2&key=x&order=asc",
	    &k));
	is(k.below, "input_items");
	is(k.query, "?limit=2&order=asc");
	assert_true(path_is("resp_1", "stream=true", &k) && k.stream);
	assert_false(path_is("resp_1/other", "", &k));
	assert_false(path_is("resp%2e", "", &k));
	assert_false(path_is("/x", "", &k));
}

/* --- A fault in a stream -------------------------------------------------- */

static void
fault_events(void **state)
{
	struct observer o = { .model = S("gpt\"x") };
	struct fault f = { 0 };
	struct buf out = BUF(&arena, 4096);

	(void)state;
	fault_set(&f, &arena, FAULT_UP_LIMITED, "full \"now\"");
	responses_dialect.write_fault_event(&f, S("id"), &o, &out);
	is(buf_str(&out), "event: error\ndata: {\"type\":\"error\","
	    "\"sequence_number\":0,\"code\":\"upstream_rate_limited\","
	    "\"message\":\"full \\\"now\\\"\",\"param\":null,\"error\":{"
	    "\"type\":\"rate_limit_error\",\"code\":\"upstream_rate_limited\","
	    "\"message\":\"full \\\"now\\\"\",\"param\":null}}\n\n");
	o.spoken = (struct spoken){ S("resp_1"), 17, 4 };
	buf_clear(&out);
	responses_dialect.write_fault_event(&f, S("id"), &o, &out);
	is(buf_str(&out), "event: response.failed\ndata: {\"type\":"
	    "\"response.failed\",\"sequence_number\":4,\"response\":{\"id\":"
	    "\"resp_1\",\"object\":\"response\",\"created_at\":17,"
	    "\"status\":\"failed\",\"error\":{\"code\":"
	    "\"rate_limit_exceeded\",\"message\":\"full \\\"now\\\"\"},"
	    "\"incomplete_details\":null,\"model\":\"gpt\\\"x\",\"output\":"
	    "[],\"instructions\":null,\"metadata\":{},"
	    "\"parallel_tool_calls\":true,\"temperature\":null,"
	    "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null,"
	    "\"store\":false,\"usage\":null}}\n\n");
}

/* --- Stop sequences ------------------------------------------------------- */

static void
keep(void *arg, struct str raw)
{
	buf_put(arg, raw);
}

/* The same however it is cut (but in an escape). */
static void
stops_at(const struct str *list, size_t n, const char *raw, const char *want,
    int which)
{
	for (size_t step = 1; step < 4; step++) {
		struct str rest = str_of(raw);
		struct buf out = BUF(&arena, 4096);
		struct stops s;

		stops_init(&s, &arena, list, n);
		while (rest.n) {
			size_t cut = 0, units = 0;

			for (; cut < rest.n && units < step; units++)
				cut += rest.p[cut] != '\\' ? 1 :
				    rest.p[cut + 1] != 'u' ? 2 :
				    rest.p[cut + 2] == 'd' ? 12 : 6;
			stops_feed(&s, str_from(rest.p, cut), keep, &out);
			rest = str_skip(rest, cut);
		}
		stops_end(&s, keep, &out);
		is(buf_str(&out), want);
		assert_int_equal(s.met, which >= 0);
		assert_true(which < 0 || s.which == (size_t)which);
	}
}

static void
stop_sequences(void **state)
{
	static const struct str end[] = { STR_INIT("END"),
		STR_INIT("\\n\\n"), STR_INIT("") };
	static const struct str within[] = { STR_INIT("abcd"),
		STR_INIT("bc") };
	static const struct str face[] = { STR_INIT("\\ud83d\\ude00!") };

	(void)state;
	stops_at(end, 3, "one two", "one two", -1);
	stops_at(end, 3, "one EN EEND two", "one EN E", 0);
	stops_at(end, 3, "a\\nb\\u000a\\nc", "a\\nb", 1);
	stops_at(end, 3, "END", "", 0);
	stops_at(end, 3, "one EN", "one EN", -1);
	stops_at(within, 2, "xabce", "xa", 1);
	stops_at(within, 2, "abab", "abab", -1);
	stops_at(face, 1, "a \\ud83d\\ude00? \\ud83d\\ude00! b",
	    "a \\ud83d\\ude00? ", 0);
}

/* --- Who is asked in it --------------------------------------------------- */

static const struct dialect *
spoken_to(const char *dialect, const char *quirks, const char *model,
    bool tools, bool reasoning, bool off)
{
	struct channel ch = { .dialect = str_of(dialect),
		.quirks = str_of(quirks) };
	struct asked k = { .tools = tools, .reasoning = reasoning,
		.reasoning_off = off };

	return outward_dialect(&ch, NULL, str_of(model), &k);
}

static void
tools_need_responses(void **state)
{
	const struct dialect *chat = &openai_dialect;
	const struct dialect *responses = &responses_dialect;

	(void)state;
	assert_ptr_equal(spoken_to("openai", "", "gpt-4o", true, true, false),
	    chat);
	assert_ptr_equal(spoken_to("openai", "", "gpt-5.5", true, false,
	    false), responses);
	assert_ptr_equal(spoken_to("openai", "", "gpt-5.5", true, false,
	    true), chat);
	assert_ptr_equal(spoken_to("openai", "", "gpt-5.5", false, true,
	    false), chat);
	assert_ptr_equal(spoken_to("openai", "", "gpt-5.4", true, false,
	    false), chat);
	assert_ptr_equal(spoken_to("openai", "", "gpt-5.4", true, true,
	    false), responses);
	assert_ptr_equal(spoken_to("openai", "tools_need_responses=no",
	    "gpt-5.5", true, true, false), chat);
	assert_ptr_equal(spoken_to("openai", "tools_need_responses", "own",
	    true, false, false), responses);
	assert_ptr_equal(spoken_to("anthropic", "tools_need_responses", "own",
	    true, false, false), &anthropic_dialect);
	assert_ptr_equal(spoken_to("openai_responses", "", "gpt-4o", false,
	    false, false), responses);
	assert_null(spoken_to("none", "", "m", true, true, false));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(asks, empty),
		cmocka_unit_test_teardown(edits, empty),
		cmocka_unit_test_teardown(paths, empty),
		cmocka_unit_test_teardown(fault_events, empty),
		cmocka_unit_test_teardown(stop_sequences, empty),
		cmocka_unit_test(tools_need_responses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
