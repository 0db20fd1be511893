/* SPDX-License-Identifier: MIT */
/*
 * gemini.c - the dialect alone: what paths and requests ask, what is counted
 * in them, their form for an upstream; answers however they are cut; usage in
 * every bucket; statuses and words of faults; schemas; signatures.
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
#include "handlers/dialect/gemini_neutral.h"
#include "handlers/relay/outward.h"

static const struct dialect *const d = &gemini_dialect;
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

static void
expect(struct str have, const char *want)
{
	if (!str_eq(have, str_of(want)))
		fail_msg("want %s\n  have %.*s", want, STR_ARGS(have));
}

/* --- Paths ---------------------------------------------------------------- */

static void
what_paths_say(void **state)
{
	static const struct {
		const char *rest, *query, *model;
		enum endpoint endpoint;
		bool stream, array;
	} list[] = {
		{ "m:generateContent", "", "m", ENDPOINT_GENERATE, false,
		    false },
		{ "m:streamGenerateContent", "", "m", ENDPOINT_GENERATE, true,
		    true },
		{ "m:streamGenerateContent", "key=k&alt=sse", "m",
		    ENDPOINT_GENERATE, true, false },
		{ "models/a:b:countTokens", "", "a:b", ENDPOINT_COUNT_TOKENS,
		    false, false },
		{ "tunedModels/x:embedContent", "", "tunedModels/x",
		    ENDPOINT_EMBED, false, false },
		{ "m:batchEmbedContents", "alt=json", "m",
		    ENDPOINT_EMBED_BATCH, false, false },
	};
	struct asked k = { 0 };
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		assert_true(d->read_path(&a, str_of(list[i].rest),
		    str_of(list[i].query), &k, &f));
		expect(k.by_path.model, list[i].model);
		assert_int_equal(k.endpoint, list[i].endpoint);
		assert_int_equal(k.by_path.stream, list[i].stream);
		assert_int_equal(k.by_path.array, list[i].array);
	}
	assert_false(d->read_path(&a, S("m"), S(""), &k, &f));
	assert_int_equal(f.kind, FAULT_UNKNOWN_URL);
	f = (struct fault){ 0 };
	assert_false(d->read_path(&a, S(":generateContent"), S(""), &k, &f));
	assert_int_equal(f.kind, FAULT_BAD_REQUEST);
}

static void
where_upstreams_are(void **state)
{
	const struct channel ch = { .dialect = S("gemini") };
	const char *path = d->path(ENDPOINT_GENERATE, true);

	(void)state;
	expect(outward_path(&a, &ch, path, S("gem-1")),
	    "/v1beta/models/gem-1:streamGenerateContent?alt=sse");
	expect(outward_path(&a, &ch, path, S("tunedModels/a b")),
	    "/v1beta/tunedModels/a%20b:streamGenerateContent?alt=sse");
	expect(outward_path(&a, &ch, "/x/{model}/y", S("a/b:c")),
	    "/x/a%2Fb%3Ac/y");
	expect(outward_path(&a, &ch, "/chat/completions", S("m")),
	    "/chat/completions");
	expect(outward_url(&a, S("https://h"), S("/v1beta/x"), false),
	    "https://h/v1beta/x");
	expect(outward_url(&a, S("https://h/v1beta/"), S("/v1beta/x"), false),
	    "https://h/v1beta/x");
	expect(outward_url(&a, S("https://h/v1"), S("/v1beta/x"), false),
	    "https://h/v1/x");
	assert_null(d->path(ENDPOINT_CHAT, false));
}

/* --- Requests ------------------------------------------------------------- */

static bool
read(const char *text, struct asked *q, struct fault *f)
{
	*q = (struct asked){ .by_path = { S("m"), false, false } };
	*f = (struct fault){ 0 };
	return d->read_request(&a, ENDPOINT_GENERATE, str_of(text), q, f);
}

static struct asked
asks(const char *text)
{
	struct asked q;
	struct fault f;

	if (!read(text, &q, &f))
		fail_msg("%s: %.*s", text, STR_ARGS(f.text));
	return q;
}

#define HI "\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}]"
#define WITH(part) "{\"contents\":[{\"parts\":[" part "]}]}"
#define TEN "one two three four five six seven eight nine ten"

static void
what_is_asked(void **state)
{
	struct asked q = asks("{" HI ",\"generation_config\":{"
	    "\"max_output_tokens\":7,\"candidateCount\":3,\"thinkingConfig\":"
	    "{\"thinkingLevel\":\"low\"},\"responseJsonSchema\":{\"a\":1}},"
	    "\"tools\":[{\"function_declarations\":[{\"name\":\"f\"}]}],"
	    "\"serviceTier\":\"FLEX\"}");

	(void)state;
	expect(q.model, "m");
	assert_int_equal(q.max_output, 7);
	assert_int_equal(q.choices, 3);
	assert_true(q.tools && q.json_schema && q.reasoning);
	expect(q.service_tier, "flex");
	assert_true(q.head_hash != 0);
	assert_false(asks("{" HI ",\"generationConfig\":{\"thinkingConfig\":"
	    "{\"thinkingBudget\":0}}}").reasoning);
	assert_int_equal(asks("{" HI "}").max_output, -1);
}

static void
what_is_counted(void **state)
{
	int64_t none = asks(WITH("{\"text\":\"\"}")).prompt_tokens;
	struct asked q;

	(void)state;
	assert_int_equal(asks(WITH("{\"text\":\"" TEN "\"}")).prompt_tokens,
	    none + 10);
	assert_in_range(asks(WITH("{\"functionResponse\":{\"name\":\"f\","
	    "\"response\":{\"output\":\"" TEN "\"}}}")).prompt_tokens,
	    none + 11, none + 20);
	q = asks(WITH("{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":"
	    "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}"));
	assert_int_equal(q.images, 1);
	assert_false(q.unseen_input);
	assert_true(q.prompt_bound < 100);
	q = asks(WITH("{\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":"
	    "\"AAAA\"}}"));
	assert_true(q.sound_in && q.sound_tokens >= 32);
	assert_true(asks(WITH("{\"fileData\":{\"fileUri\":\"https://x/y\"}}"))
	    .unseen_input);
	assert_true(asks(WITH("{\"somethingNew\":{}}")).unseen_input);
}

static void
what_is_refused(void **state)
{
	static const struct {
		const char *text, *param;
	} list[] = {
		{ "{" HI ",\"cachedContent\":\"c\"}", "cachedContent" },
		{ "{" HI ",\"cached_content\":\"c\"}", "cachedContent" },
		{ "{" HI ",\"cached\\u0043ontent\":\"c\"}", "cachedContent" },
		{ "{" HI ",\"tools\":[{\"googleSearch\":{}}]}", "tools" },
		{ "{" HI ",\"generationConfig\":{\"imageConfig\":{\"a\":1}}}",
		    "imageConfig" },
		{ "{" HI ",\"generationConfig\":{\"responseModalities\":"
		    "[\"AUDIO\"]}}", "responseModalities" },
		{ "{" HI ",\"generationConfig\":{\"maxOutputTokens\":-1}}",
		    "generationConfig.maxOutputTokens" },
		{ "{" HI ",\"generationConfig\":{\"responseFormat\":[{"
		    "\"image\":{\"a\":1}}]}}",
		    "generationConfig.responseFormat" },
		{ "{\"contents\":[1]}", "contents" },
		{ "{}", "contents" },
		{ WITH("{\"fileData\":{\"fileUri\":\"files/a\"}}"),
		    "fileData" },
	};
	struct asked q;
	struct fault f;

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		if (read(list[i].text, &q, &f))
			fail_msg("taken: %s", list[i].text);
		expect(f.param, list[i].param);
	}
}

static void
what_upstreams_get(void **state)
{
	static const struct {
		enum endpoint endpoint;
		const char *text, *want;
		int64_t cap;
	} list[] = {
		{ ENDPOINT_GENERATE, "{" HI "}", "{" HI "}", -1 },
		{ ENDPOINT_GENERATE, "{" HI "}", "{\"generationConfig\":{"
		    "\"maxOutputTokens\":9}," HI "}", 9 },
		{ ENDPOINT_GENERATE, "{" HI ",\"generationConfig\":null}",
		    "{" HI ",\"generationConfig\":{\"maxOutputTokens\":9}}",
		    9 },
		{ ENDPOINT_GENERATE, "{" HI ",\"generationConfig\":{"
		    "\"topK\":1.0}}", "{" HI ",\"generationConfig\":{"
		    "\"maxOutputTokens\":9,\"topK\":1.0}}", 9 },
		{ ENDPOINT_GENERATE, "{" HI ",\"generationConfig\":{"
		    "\"maxOutputTokens\":8}}", "{" HI ",\"generationConfig\":{"
		    "\"maxOutputTokens\":8}}", 9 },
		{ ENDPOINT_GENERATE, "{\"model\":\"m\"," HI "}",
		    "{\"model\":\"models/up\\\"1\"," HI "}", -1 },
		{ ENDPOINT_EMBED_BATCH, "{\"requests\":[{\"content\":{}}]}",
		    "{\"requests\":[{\"model\":\"models/up\\\"1\","
		    "\"content\":{}}]}", -1 },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct edits edits = { .model = S("up\"1"),
			.cap_output = list[i].cap };
		struct asked q = { .by_path = { S("m"), false, false } };
		struct buf out = BUF(&a, 4096);
		struct fault f = { 0 };

		assert_true(d->read_request(&a, list[i].endpoint,
		    str_of(list[i].text), &q, &f));
		assert_true(d->write_request(&q, &edits, &out));
		expect(buf_str(&out), list[i].want);
	}
}

/* --- Answers -------------------------------------------------------------- */

/* Reads usageMetadata out of a whole answer. */
static struct tokens
used(const char *usage)
{
	struct observer o = { .dialect = d, .arena = &a,
		.endpoint = ENDPOINT_GENERATE };
	struct buf out = BUF(&a, 4096), last = BUF(&a, 4096);

	d->observe(&o);
	d->feed(&o, ARENA_JOIN(&a, S("{\"candidates\":[{\"finishReason\":"
	    "\"STOP\"}],\"usageMetadata\":"), str_of(usage), S("}")), &out,
	    &last);
	assert_true(d->finish(&o, &out, &last));
	return o.tokens;
}

static void
what_was_used(void **state)
{
	struct tokens t = used("{\"promptTokenCount\":20,"
	    "\"toolUsePromptTokenCount\":5,\"cachedContentTokenCount\":8,"
	    "\"candidatesTokenCount\":151,\"thoughtsTokenCount\":382,"
	    "\"totalTokenCount\":558,\"promptTokensDetails\":[{\"modality\":"
	    "\"AUDIO\",\"tokenCount\":3},{\"modality\":\"IMAGE\","
	    "\"tokenCount\":4}]}");

	(void)state;
	assert_int_equal(t.in_total, 25);
	assert_int_equal(t.cache_read, 8);
	assert_int_equal(t.out_total, 533);
	assert_int_equal(t.reasoning, 382);
	assert_int_equal(t.in_audio, 3);
	assert_int_equal(t.in_image, 4);
	assert_false(t.odd);
	/* Thoughts that the total shows to be inside already. */
	t = used("{\"promptTokenCount\":20,\"candidatesTokenCount\":400,"
	    "\"thoughtsTokenCount\":382,\"totalTokenCount\":420}");
	assert_int_equal(t.out_total, 400);
	/* Without candidates the total says it. */
	t = used("{\"promptTokenCount\":20,\"thoughtsTokenCount\":7,"
	    "\"totalTokenCount\":27}");
	assert_int_equal(t.out_total, 7);
	t = used("{\"trafficType\":\"ON_DEMAND\"}");
	assert_int_equal(t.in_total, -1);
	t = used("{\"promptTokenCount\":-5,\"candidatesTokenCount\":1e99}");
	assert_true(t.odd);
	t = used("{\"promptTokenCount\":5,\"cachedContentTokenCount\":50}");
	assert_int_equal(t.cache_read, 5);
}

/* Frames cut at each byte: the same bytes, as frames and as an array. */
static void
cut_anywhere(void **state)
{
	static const char text[] = ": wait\r\n\r\ndata: {\"candidates\":[{"
	    "\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n"
	    "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n"
	    "data: {\"usageMetadata\":{\"promptTokenCount\":1}}\n\n"
	    "data: [DONE]\n\n";
	struct str first = { NULL, 0 };

	(void)state;
	for (int array = 0; array < 2; array++)
		for (size_t cut = 0; cut < sizeof(text); cut++) {
			struct observer o = { .dialect = d, .arena = &a,
				.stream = true, .array = array,
				.endpoint = ENDPOINT_GENERATE };
			struct buf out = BUF(&a, 4096), last = BUF(&a, 4096);

			d->observe(&o);
			d->feed(&o, str_from(text, cut), &out, &last);
			d->feed(&o, str_from(text + cut,
			    sizeof(text) - 1 - cut), &out, &last);
			/* The end waits for the settlement. */
			assert_false(str_has(buf_str(&out), S("STOP")));
			assert_true(d->finish(&o, &out, &last));
			buf_put(&out, buf_str(&last));
			if (cut == 0)
				first = buf_str(&out);
			assert_true(str_eq(buf_str(&out), first));
			assert_false(str_has(first, S("wait")));
			assert_false(str_has(first, S("[DONE]")));
			if (array)
				assert_true(json_valid(first, NULL));
		}
}

/* --- Faults --------------------------------------------------------------- */

static struct str
told(enum fault_kind kind, const char *words, int64_t retry_ms)
{
	struct fault f = { .kind = kind, .text = str_of(words),
		.retry_ms = retry_ms };
	struct buf out = BUF(&a, 4096);

	d->write_fault(&f, S("id"), &out);
	assert_true(json_valid(buf_str(&out), NULL));
	return buf_str(&out);
}

static void
faults_are_told(void **state)
{
	(void)state;
	expect(told(FAULT_NO_KEY, "no", 0), "{\"error\":{\"code\":401,"
	    "\"message\":\"no\",\"status\":\"UNAUTHENTICATED\",\"details\":"
	    "[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
	    "\"reason\":\"invalid_api_key\",\"domain\":\"weir\"}]}}");
	assert_true(str_has(told(FAULT_UP_LIMITED, "slow", 1500),
	    S("\"retryDelay\":\"2s\"")));
	assert_true(str_has(told(FAULT_TOO_LARGE, "big", 0),
	    S("\"code\":400,")));
	assert_true(str_has(told(FAULT_UP_ERROR, "x", 0),
	    S("\"code\":500,")));
	assert_true(str_has(told(FAULT_CONTEXT_LENGTH,
	    "maximum context length is 8192 tokens, you sent 9000", 0),
	    S("The input token count (9000) exceeds the maximum number of "
	    "tokens allowed (8192).")));
}

static void
waits_are_heard(void **state)
{
	static const struct {
		const char *delay;
		int64_t ms;
	} list[] = { { "37s", 37000 }, { "1.5s", 2000 }, { "0s", 0 },
		{ "x", 0 }, { "12", 0 }, { "99999999999s", 0 } };

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct up_error e;

		d->read_error(&a, 429, S("application/json"), ARENA_JOIN(&a,
		    S("[{\"error\":{\"code\":429,\"status\":"
		    "\"RESOURCE_EXHAUSTED\",\"message\":\"m\",\"details\":"
		    "[{\"retryDelay\":\""), str_of(list[i].delay),
		    S("\"}]}}]")), &e);
		assert_int_equal(e.kind, UP_RATE_LIMIT);
		assert_int_equal(e.retry_ms, list[i].ms);
	}
}

/* --- Schemas and signatures ----------------------------------------------- */

static void
schemas_there(void **state)
{
	static const char *const list[][2] = {
		{ "{\"type\":\"object\",\"properties\":{\"type\":{\"const\":"
		    "\"x\"},\"format\":{\"enum\":[1,null]}},\"$schema\":\"u\"}",
		    "{\"type\":\"object\",\"properties\":{\"type\":{\"enum\":"
		    "[\"x\"]},\"format\":{\"enum\":[1]}}}" },
		{ "{\"$ref\":\"#/definitions/a\",\"title\":\"t\","
		    "\"definitions\":{\"a\":{\"pattern\":\"p\"}}}",
		    "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{}}}" },
		{ "{\"type\":\"integer\",\"exclusiveMinimum\":3}",
		    "{\"type\":\"integer\",\"minimum\":4}" },
		{ "{\"exclusiveMaximum\":0.5}", "{\"maximum\":0.5}" },
		{ "{\"items\":[{\"type\":\"string\"},true]}",
		    "{\"prefixItems\":[{\"type\":\"string\"},{}]}" },
		{ "{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"default\":1}",
		    "{\"$ref\":\"#/$defs/a\"}" },
		{ "{\"allOf\":[{\"type\":\"string\"},{\"type\":\"x\","
		    "\"title\":\"t\"}]}",
		    "{\"type\":\"string\",\"title\":\"t\"}" },
		{ "{\"const\":true}", "{}" },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct buf out = BUF(&a, 4096);

		gemini_schema_write(&a, str_of(list[i][0]), &out);
		expect(buf_str(&out), list[i][1]);
		assert_true(json_valid(buf_str(&out), NULL));
	}
}

static void
schemas_back(void **state)
{
	(void)state;
	expect(gemini_schema_read(&a, S("{\"type\":\"OBJECT\",\"properties\":{"
	    "\"type\":{\"type\":\"STRING\",\"nullable\":true},\"n\":{"
	    "\"any_of\":[{\"type\":\"INTEGER\"}],\"minItems\":\"3\"}},"
	    "\"propertyOrdering\":[\"n\"]}")),
	    "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":"
	    "[\"string\",\"null\"]},\"n\":{\"anyOf\":[{\"type\":"
	    "\"integer\"}],\"minItems\":3}}}");
}

static void
signatures_are_base64(void **state)
{
	struct str raw = gemini_envelope_write(&a, S("wr1.a-_b.c")), back;

	(void)state;
	assert_true(gemini_envelope_read(&a, raw, &back));
	expect(back, "wr1.a-_b.c");
	/* As clients spell it who use the other alphabet, or escapes. */
	assert_true(gemini_envelope_read(&a, S("d3IxLmE_\\u0062Pw"), &back));
	assert_false(gemini_envelope_read(&a, S("c2ln"), &back));
	assert_false(gemini_envelope_read(&a, S("d3IxL!"), &back));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, done)
	const struct CMUnitTest tests[] = {
		TEST(what_paths_say), TEST(where_upstreams_are),
		TEST(what_is_asked), TEST(what_is_counted),
		TEST(what_is_refused), TEST(what_upstreams_get),
		TEST(what_was_used), TEST(cut_anywhere),
		TEST(faults_are_told), TEST(waits_are_heard),
		TEST(schemas_there), TEST(schemas_back),
		TEST(signatures_are_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
