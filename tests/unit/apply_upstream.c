/* SPDX-License-Identifier: MIT */
/* apply_upstream.c - what a catalogue says of how upstreams are written to:
 * presets, quirks, capabilities, edits, headers; what is refused of it. */
#include "tests/unit/stage.h"

#include "db/channel.h"
#include "db/key.h"
#include "db/model.h"

/* {"channels":[{"name":"c",MEMBERS}]} */
static const char *
channel(struct stage *s, const char *members)
{
	return arena_printf(&s->arena, "{\"channels\":[{\"name\":\"c\",%s}]}",
	    members).p;
}

static const char *
model(struct stage *s, const char *capabilities)
{
	return arena_printf(&s->arena, "{\"models\":[{\"name\":\"m\","
	    "\"capabilities\":%s}]}", capabilities).p;
}

static struct channel_row
row_of(struct stage *s)
{
	struct channel_row row;

	assert_int_equal(channel_find(s->db, &s->arena, S("c"), &row), 1);
	return row;
}

/* The catalogue as export would write the channel, which changes nothing. */
static void
exported_is_the_same(struct stage *s)
{
	void *object = arena_zero(&s->arena, noun_channel.size);
	void *blank = arena_zero(&s->arena, noun_channel.size);
	struct above none = { 0 };
	struct buf b = BUF(&s->arena, 1 << 20);

	assert_int_equal(noun_channel.load(s->db, &s->arena, &none, S("c"),
	    object), 1);
	noun_channel.blank(blank, &none, S("c"));
	shape_show(&b, noun_channel.members, object, blank);
	good(s, channel(s, buf_text(&b) + 1), 0, 0, 0, 1);
}

/* --- presets -------------------------------------------------------------- */

static void
a_preset_brings_what_is_not_said(void **state)
{
	struct stage *s = *state;
	struct channel_row c;

	good(s, channel(s, "\"preset\":\"groq\""), 1, 0, 0, 0);
	c = row_of(s);
	assert_string_equal(c.preset.p, "groq");
	assert_string_equal(c.dialect.p, "openai");
	assert_string_equal(c.base_url.p, "https://api.groq.com/openai/v1");
	assert_false(c.plain_http);
	good(s, channel(s, "\"preset\":\"groq\""), 0, 0, 0, 1);
	exported_is_the_same(s);

	/* Another one: what came from the first goes with it. */
	good(s, channel(s, "\"preset\":\"deepseek-messages\""), 0, 1, 0, 0);
	assert_true(str_eq(s->last.list[0].members,
	    S("preset, dialect, base_url")));
	c = row_of(s);
	assert_string_equal(c.dialect.p, "anthropic");
	good(s, channel(s, "\"preset\":\"ollama\""), 0, 1, 0, 0);
	assert_true(row_of(s).plain_http);
	good(s, channel(s, "\"preset\":\"vllm\",\"plain_http\":false"), 0, 1,
	    0, 0);
	assert_false(row_of(s).plain_http);

	/* What was said stays. */
	good(s, channel(s, "\"base_url\":\"https://mine.example/v1\""), 0, 1,
	    0, 0);
	good(s, channel(s, "\"preset\":\"groq\""), 0, 1, 0, 0);
	c = row_of(s);
	assert_string_equal(c.base_url.p, "https://mine.example/v1");
	good(s, channel(s, "\"base_url\":null"), 0, 1, 0, 0);
	c = row_of(s);
	assert_string_equal(c.base_url.p, "https://api.groq.com/openai/v1");
	good(s, channel(s, "\"preset\":\"mistral\",\"base_url\":"
	    "\"https://api.groq.com/openai/v1\""), 0, 1, 0, 0);
	c = row_of(s);
	assert_string_equal(c.base_url.p, "https://api.groq.com/openai/v1");
	good(s, channel(s, "\"preset\":null"), 0, 1, 0, 0);
	c = row_of(s);
	assert_int_equal(c.preset.n, 0);
	assert_string_equal(c.dialect.p, "openai");
}

/* Where calls go is not changed under a key that was sealed for it. */
static void
a_preset_does_not_move_a_key(void **state)
{
	struct stage *s = *state;

	good(s, channel(s, "\"preset\":\"groq\",\"credentials\":[{\"name\":"
	    "\"k\",\"secret\":\"up-1\"}]"), 2, 0, 0, 0);
	bad(s, channel(s, "\"preset\":\"mistral\""),
	    "credential \"k\" is sealed for https://api.groq.com:443");
	good(s, channel(s, "\"preset\":\"mistral\",\"credentials\":[{"
	    "\"name\":\"k\",\"secret\":\"up-1\"}]"), 0, 2, 0, 0);
}

/* --- what is kept --------------------------------------------------------- */

static void
what_is_said_is_kept(void **state)
{
	struct stage *s = *state;
	struct channel_row c;
	struct model_row m;

	good(s, channel(s, "\"dialect\":\"openai\",\"base_url\":\"https://x/\","
	    "\"quirks\":[\"json_schema\",\"seed=no\",\"efforts=low,high\"],"
	    "\"drop\":[\"user\",\"x.y-z\"],"
	    "\"set\": { \"top_k\" : 40, \"a\":{\"b\": [ ] },\"n2\":null},"
	    "\"headers\":{\"X-Title\":\"a \\\"b\\\" ü\",\"anthropic-beta\":"
	    "null}"), 1, 0, 0, 0);
	c = row_of(s);
	assert_string_equal(c.quirks.p, "json_schema seed=no "
	    "efforts=low,high");
	assert_string_equal(c.drop.p, "user x.y-z");
	assert_string_equal(c.set.p, "{\"top_k\":40,\"a\":{\"b\": [ ] },"
	    "\"n2\":null}");
	assert_string_equal(c.headers.p, "{\"X-Title\":\"a \\\"b\\\" ü\","
	    "\"anthropic-beta\":null}");
	exported_is_the_same(s);
	/* Lists and maps are replaced whole, null and empty reset. */
	good(s, channel(s, "\"quirks\":[\"top_k\"],\"drop\":[],\"set\":{},"
	    "\"headers\":null"), 0, 1, 0, 0);
	assert_true(str_eq(s->last.list[0].members,
	    S("quirks, drop, set, headers")));
	c = row_of(s);
	assert_string_equal(c.quirks.p, "top_k");
	assert_int_equal(c.drop.n, 0);
	assert_int_equal(c.set.n, 0);
	assert_string_equal(c.headers.p, "{}");
	good(s, channel(s, "\"drop\":null,\"set\":null,\"headers\":{}"), 0, 0,
	    0, 1);

	good(s, model(s, "{\"json_schema\":true,\"stop_most\":4,\"seed\":"
	    "\"random_seed\",\"efforts\":[ \"low\", \"high\"],\"tools\":null,"
	    "\"logprobs\":false}"), 1, 0, 0, 0);
	assert_int_equal(model_find(s->db, &s->arena, S("m"), &m), 1);
	assert_string_equal(m.capabilities.p, "{\"json_schema\":true,"
	    "\"stop_most\":4,\"seed\":\"random_seed\",\"efforts\":[\"low\","
	    "\"high\"],\"logprobs\":false}");
	assert_true(str_eq(model_capabilities(&s->arena, m.capabilities),
	    S("json_schema=yes stop_most=4 seed=random_seed "
	    "efforts=low,high logprobs=no")));
	good(s, model(s, m.capabilities.p), 0, 0, 0, 1);
	good(s, model(s, "null"), 0, 1, 0, 0);
}

static void
keys_are_strict(void **state)
{
	struct stage *s = *state;
	struct account_row account;
	struct project_row project;
	struct key_row k;

	good(s, "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\","
	    "\"secret\":\"0123456789abcdef\",\"strict\":true}]}]}", 2, 0, 0,
	    0);
	assert_int_equal(account_find(s->db, &s->arena, S("x"), &account), 1);
	assert_int_equal(project_find(s->db, &s->arena, account.id,
	    S("default"), &project), 1);
	assert_int_equal(key_find(s->db, &s->arena, project.id, S("k"), &k),
	    1);
	assert_true(k.strict);
	good(s, "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\","
	    "\"strict\":null}]}]}", 0, 1, 0, 1);
	assert_true(str_eq(s->last.list[1].members, S("strict")));
	assert_int_equal(key_find(s->db, &s->arena, project.id, S("k"), &k),
	    1);
	assert_false(k.strict);
}

/* --- what is refused ------------------------------------------------------ */

static const struct {
	const char *members, *words;
} wrongs[] = {
	{ "\"preset\":\"none\"", "channels[0].preset: there is no preset "
	    "\"none\"; there are anthropic, deepseek, " },
	{ "\"preset\":7", "channels[0].preset: a string" },
	{ "\"quirks\":{}", "channels[0].quirks: a list" },
	{ "\"quirks\":[7]", "channels[0].quirks[0]: a string" },
	{ "\"quirks\":[\"fast\"]", "channels[0].quirks[0]: there is no such "
	    "one; there are max_completion_tokens, reasoning" },
	{ "\"quirks\":[\"top_k\",\"seed=maybe\"]", "channels[0].quirks[1]: "
	    "seed can be: seed, random_seed, no" },
	{ "\"quirks\":[\"efforts=low, high\"]", "efforts can be: some of "
	    "none,minimal,low" },
	{ "\"quirks\":[\"stop_most=-1\"]", "stop_most can be: 0 to" },
	{ "\"quirks\":[\"seed=no\",\"seed=seed\"]",
	    "quirks[1]: seed is there twice" },
	{ "\"drop\":\"a\"", "channels[0].drop: a list" },
	{ "\"drop\":[\"\"]", "drop[0]: the name of a member has 1 to 64" },
	{ "\"drop\":[\"a b\"]", "\"a b\" is no name of a member" },
	{ "\"drop\":[\"a\\u0007\"]", "control characters" },
	{ "\"drop\":[\"a\\tb\"]", "is no name of a member" },
	{ "\"drop\":[\"a\\\"\"]", "is no name of a member" },
	{ "\"drop\":[\"ü\"]", "is no name of a member" },
	{ "\"drop\":[\"a\",\"A\"]", "drop[1]: \"A\" is there twice" },
	{ "\"drop\":[\"Max_Tokens\"]", "channels[0].drop[0]: Max_Tokens is "
	    "weir's to write" },
	{ "\"set\":[]", "channels[0].set: an object like" },
	{ "\"set\":{\"model\":\"x\"}", "channels[0].set.model: model is "
	    "weir's to write" },
	{ "\"set\":{\"servic\\u0065_tier\":\"x\"}", "set.service_tier: "
	    "service_tier is weir's" },
	{ "\"set\":{\"a b\":1}", "\"a b\" is no name of a member" },
	{ "\"set\":{\"a\":1,\"\\u0061\":2}", "set.a: \"a\" is there twice" },
	{ "\"headers\":[]", "channels[0].headers: an object like" },
	{ "\"headers\":{\"X-A\":1}", "headers.X-A: the value of a header is "
	    "a string" },
	{ "\"headers\":{\"X-A\":\" \"}", "headers.X-A: the value is empty" },
	{ "\"headers\":{\"X-A\":\"a\\nb\"}", "headers.X-A: control" },
	{ "\"headers\":{\"X-A\":\"a\\tb\"}", "headers.X-A: control" },
	{ "\"headers\":{\"X A\":\"a\"}", "this is no name of a header" },
	{ "\"headers\":{\"X-A:\":\"a\"}", "this is no name of a header" },
	{ "\"headers\":{\"\":\"a\"}", "this is no name of a header" },
	{ "\"headers\":{\"x-a\":\"a\",\"X-A\":null}",
	    "headers.X-A: \"X-A\" is there twice" },
};

/* Those that weir or the way needs, and those that carry keys. */
static const char *const ours[] = { "Host", "content-length", "Content-Type",
	"Connection", "transfer-encoding", "TE", "Expect", "Accept-Encoding",
	"X-Request-Id", "x-weir-model", "User-Agent", "Accept", "Upgrade",
	"Trailer", NULL };
static const char *const secret[] = { "Authorization", "x-api-key", "API-KEY",
	"Cookie", "Proxy-Authorization", "x-goog-api-key", "X-Amz-Security-"
	"Token", "client-secret", "helicone-auth", NULL };

static void
refuse_headers(struct stage *s, const char *const *names, const char *words)
{
	for (; *names; names++) {
		bad(s, channel(s, arena_printf(&s->arena, "\"headers\":{"
		    "\"%s\":\"x\"}", *names).p), words);
		bad(s, channel(s, arena_printf(&s->arena, "\"headers\":{"
		    "\"%s\":null}", *names).p), words);
	}
}

/* FORM, n times: with its number, and a comma between. */
static const char *
many(struct stage *s, const char *before, const char *form, int n,
    const char *after)
{
	struct buf b = BUF(&s->arena, 1 << 20);
	struct str rest;

	buf_put(&b, str_of(before));
	for (int i = 0; i < n; i++) {
		buf_put(&b, i ? S(",") : S(""));
		rest = str_of(form);
		buf_put(&b, str_cut(&rest, '#'));
		buf_int(&b, i);
		buf_put(&b, rest);
	}
	buf_put(&b, str_of(after));
	return buf_text(&b);
}

static void
what_is_wrong_is_refused(void **state)
{
	struct stage *s = *state;
	struct buf b = BUF(&s->arena, 1 << 20);

	good(s, channel(s, "\"preset\":\"groq\""), 1, 0, 0, 0);
	for (size_t i = 0; i < countof(wrongs); i++)
		bad(s, channel(s, wrongs[i].members), wrongs[i].words);
	refuse_headers(s, ours, "is written by weir itself");
	refuse_headers(s, secret, "carries a secret by its name");

	good(s, channel(s, many(s, "\"drop\":[", "\"a#\"", 64, "]")), 0, 1, 0,
	    0);
	bad(s, channel(s, many(s, "\"drop\":[", "\"a#\"", 65, "]")),
	    "drop[64]: more than 64 members");
	good(s, channel(s, many(s, "\"set\":{", "\"a#\":0", 64, "}")), 0, 1,
	    0, 0);
	bad(s, channel(s, many(s, "\"set\":{", "\"a#\":0", 65, "}")),
	    "set.a64: more than 64 members");
	good(s, channel(s, many(s, "\"headers\":{", "\"x-#\":\"v\"", 16,
	    "}")), 0, 1, 0, 0);
	bad(s, channel(s, many(s, "\"headers\":{", "\"x-#\":\"v\"", 17, "}")),
	    "headers.x-16: more than 16 headers");
	buf_put(&b, S("\"headers\":{\"x\":\""));
	for (int i = 0; i < 1025; i++)
		buf_char(&b, 'v');
	buf_put(&b, S("\"}"));
	bad(s, channel(s, buf_text(&b)), "has at most 1024 bytes");
	bad(s, channel(s, many(s, "\"set\":{\"a\":[", "\"0123456789#\"",
	    1500, "]}")), "set: more than 16384 bytes");
}

static void
what_a_model_cannot_is_refused(void **state)
{
	struct stage *s = *state;

	bad(s, model(s, "[]"), "models[0].capabilities: an object like");
	bad(s, model(s, "{\"fast\":true}"), "models[0].capabilities.fast: "
	    "there is no such one; there are");
	bad(s, model(s, "{\"seed\":true}"), "capabilities.seed: seed can "
	    "be: seed, random_seed, no");
	bad(s, model(s, "{\"json_schema\":{}}"), "capabilities.json_schema: "
	    "json_schema can be: yes, no");
	bad(s, model(s, "{\"json_schema\":1.5}"), "yes, no");
	bad(s, model(s, "{\"efforts\":[]}"), "efforts can be");
	bad(s, model(s, "{\"efforts\":[\"low\",7]}"), "efforts can be");
	bad(s, model(s, "{\"efforts\":[\"low,high\"]}"), "efforts can be");
	bad(s, model(s, "{\"top_k\":true,\"top\\u005fk\":false}"),
	    "capabilities.top_k: top_k is there twice");
	bad(s, "{\"accounts\":[{\"login\":\"x\",\"keys\":[{\"name\":\"k\","
	    "\"secret\":\"0123456789abcdef\",\"strict\":\"yes\"}]}]}",
	    "keys[0].strict: true or false");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_preset_brings_what_is_not_said),
		TEST(a_preset_does_not_move_a_key),
		TEST(what_is_said_is_kept),
		TEST(keys_are_strict),
		TEST(what_is_wrong_is_refused),
		TEST(what_a_model_cannot_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
