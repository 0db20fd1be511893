/* SPDX-License-Identifier: MIT */
/*
 * neutral.c - requests and answers that go from one dialect to another.
 *
 * Each request is read by the dialect it came in, as a call is, decoded,
 * encoded for another and looked into.  Answers are fed whole, in single
 * bytes and cut at every place; each piece is gone before the next one comes.
 */
#include "tests/unit/crossing.h"

/* --- Requests --- */

static const struct target old_claude = {
	.model = STR_INIT("claude-old"), .max_output = 8192,
	.reasoning = REASONING_BUDGET, .temp_or_top_p = true, .prefill = true,
};
static const struct target new_claude = {
	.model = STR_INIT("claude-new"), .max_output = 64000,
	.reasoning = REASONING_ADAPTIVE, .sampling = SAMPLING_NO,
	.json_schema = true, .strict_tools = true,
};
static const struct target mid_claude = {
	.model = STR_INIT("claude-mid"), .mid_system = true,
};
static const struct target strict_claude = {
	.model = STR_INIT("claude-old"), .strict = true,
};
static const struct target chat = {
	.model = STR_INIT("gpt"), .reasoning = REASONING_EFFORT,
	.json_schema = true, .user = USER_SAFETY,
};
static const struct target deepseek = {
	.model = STR_INIT("deep"), .reasoning_replay = true,
};

struct request {
	const char *name;
	const struct target *t;
	const char *text;
	const char *dropped;
	const char *pairs[24];
};

static void
run_requests(const struct dialect *from, const struct request *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct arena a;
		struct buf out, again;
		struct dropped d;
		struct fault f;
		struct json_error e;

		arena_init(&a);
		if (!translate(&a, from, list[i].text, list[i].t, &out, &d,
		    &f)) {
			print_error("%s: refused: %.*s\n", list[i].name,
			    STR_ARGS(f.text));
			fail();
		}
		if (!json_valid(buf_str(&out), &e)) {
			print_error("%s: %s at %zu of %.*s\n", list[i].name,
			    e.what, e.at, STR_ARGS(buf_str(&out)));
			fail();
		}
		expect_text(list[i].name, buf_str(&d.names),
		    list[i].dropped ? list[i].dropped : "");
		expect_values(list[i].name, buf_str(&out), list[i].pairs);
		assert_true(translate(&a, from, list[i].text, list[i].t,
		    &again, &d, &f));
		assert_true(str_eq(buf_str(&out), buf_str(&again)));
		arena_release(&a);
	}
}

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define USER "{\"role\":\"user\",\"content\":\"hi\"}"
#define CALL(id, args) "{\"id\":\"" id "\",\"type\":\"function\"," \
	"\"function\":{\"name\":\"f\",\"arguments\":\"" args "\"}}"
#define TOOL(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"parameters\":{\"type\":\"object\"}}}"
#define TOOLS "\"tools\":[" TOOL("a") "," TOOL("b") "]"
#define MARKED(text) "{\"type\":\"text\",\"text\":\"" text "\"," \
	"\"cache_control\":{\"type\":\"ephemeral\"}}"

static const struct request to_claude[] = {
	{ "chat-basic-A", &old_claude, "{\"model\":\"m\",\"messages\":["
	    "{\"role\":\"system\",\"content\":\"S\"}," USER "]}", NULL, {
	    "model", "\"claude-old\"",
	    "max_tokens", "8192",
	    "system", "[{\"type\":\"text\",\"text\":\"S\"}]",
	    "messages", "[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
	    "\"text\":\"hi\"}]}]",
	    "stream", "true", "temperature", NULL, "tools", NULL } },
	{ "chat-developer-A", &mid_claude, "{\"model\":\"m\",\"messages\":["
	    "{\"role\":\"developer\",\"content\":\"D\"},{\"role\":\"system\","
	    "\"content\":\"S\"}," USER "]}", NULL, {
	    "max_tokens", "4096",
	    "system.0.text", "\"D\"", "system.1.text", "\"S\"",
	    "system.2", NULL } },
	{ "late-system-A", &old_claude, "{\"model\":\"m\",\"messages\":["
	    USER ",{\"role\":\"assistant\",\"content\":\"yes\"},"
	    "{\"role\":\"system\",\"content\":\"X\"}," USER "]}", NULL, {
	    "system", NULL,
	    "messages.2.role", "\"user\"",
	    "messages.2.content.0.text", "\"<system>X</system>\"",
	    "messages.2.content.1.text", "\"hi\"", "messages.3", NULL } },
	{ "late-system-A, native", &mid_claude, "{\"model\":\"m\","
	    "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":"
	    "\"yes\"},{\"role\":\"system\",\"content\":\"X\"}," USER "]}",
	    NULL, {
	    "messages.2.role", "\"system\"",
	    "messages.2.content.0.text", "\"X\"",
	    "messages.3.role", "\"user\"" } },
	{ "tools-parallel-A", &old_claude, "{\"model\":\"m\",\"messages\":["
	    USER ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
	    CALL("c1", "{\\\"x\\\": 1.50}") "," CALL("c2", "") "]},"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"two\"},"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"},"
	    "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"no\"},"
	    "{\"role\":\"user\",\"content\":\"go\"}]}", NULL, {
	    "messages.1.content.0", "{\"type\":\"tool_use\",\"id\":\"c1\","
	    "\"name\":\"f\",\"input\":{\"x\": 1.50}}",
	    "messages.1.content.1.input", "{}",	/* tool-empty-args */
	    "messages.2.content.0.tool_use_id", "\"c1\"",
	    "messages.2.content.0.content.0.text", "\"one\"",
	    "messages.2.content.1.tool_use_id", "\"c2\"",
	    "messages.2.content.2.text", "\"go\"",	/* tool-dup */
	    "messages.2.content.3", NULL, "messages.3", NULL } },
	{ "results after other turns", &old_claude, "{\"model\":\"m\","
	    "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":"
	    "\" \",\"tool_calls\":[" CALL("c1", "null") "]},"
	    "{\"role\":\"user\",\"content\":\"wait\"},{\"role\":\"assistant\","
	    "\"content\":\"ok\"},{\"role\":\"tool\",\"tool_call_id\":\"c1\","
	    "\"content\":\"\"}," USER "]}", NULL, {
	    "messages.1.content.0.type", "\"tool_use\"",
	    "messages.2.content.0", "{\"type\":\"tool_result\","
	    "\"tool_use_id\":\"c1\"}",
	    "messages.2.content.1.text", "\"wait\"",
	    "messages.3.content.0.text", "\"ok\"",
	    "messages.4.content.0.text", "\"hi\"",
	    "messages.4.content.1", NULL } },
	{ "same roles, nothing in some", &old_claude, "{\"model\":\"m\","
	    "\"messages\":[" USER "," USER ",{\"role\":\"assistant\","
	    "\"content\":\" \\n\"}," USER "]}", NULL, {
	    "messages.0.content.2.text", "\"hi\"", "messages.1", NULL } },
	{ "answer first, answer begun", &old_claude, "{\"model\":\"m\","
	    "\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}," USER
	    ",{\"role\":\"assistant\",\"content\":\"It \\\\n \\n\"}]}", NULL,
	    {
	    "messages.0.content.0.text", "\".\"",
	    "messages.3.content.0.text", "\"It \\\\n\"" } },
	{ "choice-map required, parallel off", &old_claude, "{\"model\":\"m\","
	    HI "," TOOLS ",\"tool_choice\":\"required\","
	    "\"parallel_tool_calls\":false}", NULL, {
	    "tool_choice", "{\"type\":\"any\","
	    "\"disable_parallel_tool_use\":true}",
	    "tools.1", "{\"name\":\"b\",\"input_schema\":{\"type\":"
	    "\"object\"}}" } },
	{ "choice-map none", &old_claude, "{\"model\":\"m\"," HI "," TOOLS
	    ",\"tool_choice\":\"none\"}", NULL, {
	    "tool_choice", "{\"type\":\"none\"}" } },
	{ "choice-map named", &old_claude, "{\"model\":\"m\"," HI "," TOOLS
	    ",\"tool_choice\":{\"type\":\"function\",\"function\":"
	    "{\"name\":\"b\"}}}", NULL, {
	    "tool_choice", "{\"type\":\"tool\",\"name\":\"b\"}" } },
	{ "choice-map only parallel off", &old_claude, "{\"model\":\"m\"," HI
	    "," TOOLS ",\"parallel_tool_calls\":false}", NULL, {
	    "tool_choice", "{\"type\":\"auto\","
	    "\"disable_parallel_tool_use\":true}" } },
	{ "choice-map without tools", &old_claude, "{\"model\":\"m\"," HI
	    ",\"tool_choice\":\"auto\"}", NULL, {
	    "tool_choice", NULL, "tools", NULL } },
	{ "allowed-tools", &old_claude, "{\"model\":\"m\"," HI "," TOOLS
	    ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":"
	    "{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\","
	    "\"function\":{\"name\":\"a\"}}]}}}", NULL, {
	    "tools.0.name", "\"a\"", "tools.1", NULL,
	    "tool_choice", "{\"type\":\"auto\"}" } },
	{ "a tool without schema, a custom tool", &old_claude,
	    "{\"model\":\"m\"," HI ",\"tools\":[{\"type\":\"function\","
	    "\"function\":{\"name\":\"a\",\"description\":\"d\\u00e9\"}},"
	    "{\"type\":\"function\",\"function\":{\"name\":\"p\","
	    "\"parameters\":{\"properties\":{\"q\":{}}}}},{\"type\":"
	    "\"custom\",\"custom\":{\"name\":\"c\"}}]}", NULL, {
	    "tools.0", "{\"name\":\"a\",\"description\":\"d\\u00e9\","
	    "\"input_schema\":{\"type\":\"object\",\"properties\":{}}}",
	    "tools.1.input_schema", "{\"type\":\"object\",\"properties\":"
	    "{\"q\":{}}}",
	    "tools.2.input_schema.required", "[\"input\"]" } },
	{ "a call of a custom tool", &old_claude, "{\"model\":\"m\","
	    "\"messages\":[" USER ",{\"role\":\"assistant\",\"tool_calls\":"
	    "[{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":"
	    "\"p\",\"input\":\"a\\n\\\"b\"}}]},{\"role\":\"tool\","
	    "\"tool_call_id\":\"c\",\"content\":\"x\"}]}", NULL, {
	    "messages.1.content.0.input", "{\"input\":\"a\\n\\\"b\"}" } },
	{ "a call of a custom tool, Chat", &chat, "{\"model\":\"m\","
	    "\"messages\":[" USER ",{\"role\":\"assistant\",\"tool_calls\":"
	    "[{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":"
	    "\"p\",\"input\":\"a\\n\\\"b\"}}]},{\"role\":\"tool\","
	    "\"tool_call_id\":\"c\",\"content\":\"x\"}]}", NULL, {
	    "messages.1.tool_calls.0.function.arguments",
	    "\"{\\\"input\\\":\\\"a\\\\n\\\\\\\"b\\\"}\"" } },
	{ "image-data-A", &old_claude, "{\"model\":\"m\",\"messages\":["
	    "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
	    "\"image_url\":{\"url\":\"data:image/jpg;base64,_9j-\"}},"
	    "{\"type\":\"image_url\",\"image_url\":{\"url\":"
	    "\"https://x/y.png\"}}]}]}", NULL, {
	    "messages.0.content.0", "{\"type\":\"image\",\"source\":{\"type\":"
	    "\"base64\",\"media_type\":\"image/jpeg\",\"data\":\"/9j+\"}}",
	    "messages.0.content.1.source", "{\"type\":\"url\",\"url\":"
	    "\"https://x/y.png\"}" } },
	{ "pdf-A", &old_claude, "{\"model\":\"m\",\"messages\":["
	    "{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":"
	    "{\"filename\":\"x.pdf\",\"file_data\":\"JVBERi0=\"}},"
	    "{\"type\":\"file\",\"file\":{\"filename\":\"y.txt\","
	    "\"file_data\":\"data:text/plain;base64,YSJi\"}}]}]}", NULL, {
	    "messages.0.content.0", "{\"type\":\"document\",\"source\":"
	    "{\"type\":\"base64\",\"media_type\":\"application/pdf\","
	    "\"data\":\"JVBERi0=\"},\"title\":\"x.pdf\"}",
	    "messages.0.content.1.source", "{\"type\":\"text\","
	    "\"media_type\":\"text/plain\",\"data\":\"a\\\"b\"}" } },
	{ "clamp-A", &old_claude, "{\"model\":\"m\"," HI ",\"temperature\":"
	    "1.7,\"top_p\":0.9,\"max_tokens\":99999}", "top_p", {
	    "temperature", "1", "top_p", NULL, "max_tokens", "8192" } },
	{ "a temperature below 1", &old_claude, "{\"model\":\"m\"," HI
	    ",\"temperature\":0.999999999999999999999}", NULL, {
	    "temperature", "0.999999999999999999999" } },
	{ "one, spelt strangely", &old_claude, "{\"model\":\"m\"," HI
	    ",\"temperature\":0.01E+2}", NULL, { "temperature", "0.01E+2" } },
	{ "more than one, hardly", &old_claude, "{\"model\":\"m\"," HI
	    ",\"temperature\":10.0000000000000000001e-1}", NULL, {
	    "temperature", "1" } },
	{ "top_p alone", &old_claude, "{\"model\":\"m\"," HI
	    ",\"top_p\":0.9}", NULL, { "top_p", "0.9" } },
	{ "sampling-new-claude", &new_claude, "{\"model\":\"m\"," HI
	    ",\"temperature\":0.2,\"top_p\":0.5,\"top_k\":3}",
	    "temperature top_p top_k", {
	    "temperature", NULL, "top_p", NULL, "top_k", NULL } },
	{ "effort-adaptive", &new_claude, "{\"model\":\"m\"," HI
	    ",\"reasoning_effort\":\"medium\",\"max_tokens\":5000}", NULL, {
	    "thinking", "{\"type\":\"adaptive\",\"display\":\"summarized\"}",
	    "output_config", "{\"effort\":\"medium\"}",
	    "max_tokens", "5000" } },
	{ "effort-budget", &old_claude, "{\"model\":\"m\"," HI
	    ",\"reasoning_effort\":\"high\",\"max_tokens\":4000,"
	    "\"temperature\":0.3}", "temperature", {
	    "thinking", "{\"type\":\"enabled\",\"budget_tokens\":3200,"
	    "\"display\":\"summarized\"}",
	    "temperature", NULL, "max_tokens", "4000" } },
	{ "effort-budget, too small", &old_claude, "{\"model\":\"m\"," HI
	    ",\"reasoning_effort\":\"high\",\"max_tokens\":1000,"
	    "\"temperature\":0.3}", "reasoning", {
	    "thinking", NULL, "temperature", "0.3" } },
	{ "effort, thoughts of the turn lost", &old_claude, "{\"model\":\"m\","
	    "\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":null,"
	    "\"reasoning_content\":\"hm\",\"tool_calls\":[" CALL("c1", "{}")
	    "]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
	    "\"1\"}],\"reasoning_effort\":\"low\"}", "reasoning", {
	    "thinking", NULL,
	    "messages.1.content.0.type", "\"tool_use\"" } },
	{ "effort, a call forced", &new_claude, "{\"model\":\"m\"," HI ","
	    TOOLS ",\"tool_choice\":\"required\",\"reasoning_effort\":"
	    "\"low\"}", "reasoning", {
	    "thinking", "{\"type\":\"disabled\"}", "output_config", NULL } },
	{ "effort-none-new", &new_claude, "{\"model\":\"m\"," HI
	    ",\"reasoning_effort\":\"none\"}", NULL, {
	    "thinking", "{\"type\":\"disabled\"}", "output_config", NULL } },
	{ "schema-A", &new_claude, "{\"model\":\"m\"," HI
	    ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
	    "{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":"
	    "{\"type\":{\"type\":\"string\",\"minLength\":3,\"pattern\":"
	    "\"^a\\\"\",\"description\":\"d\"},\"u\":{\"oneOf\":[{\"type\":"
	    "\"integer\",\"minimum\":0.50},{\"$ref\":\"#/$defs/x\",\"title\":"
	    "\"t\"}]},\"f\":{\"type\":\"string\",\"format\":\"date\"},\"g\":"
	    "{\"type\":\"string\",\"format\":\"regex\"}},\"required\":"
	    "[\"type\"],\"additionalProperties\":true}}}}", NULL, {
	    "output_config.format", "{\"type\":\"json_schema\",\"schema\":"
	    "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":"
	    "\"string\",\"description\":\"d (minLength: 3; pattern: ^a\\\")\"},"
	    "\"u\":{\"anyOf\":[{\"type\":\"integer\",\"description\":"
	    "\"minimum: 0.50\"},{\"$ref\":\"#/$defs/x\"}]},\"f\":{\"type\":"
	    "\"string\",\"format\":\"date\"},\"g\":{\"type\":\"string\","
	    "\"description\":\"format: regex\"}},\"required\":[\"type\"],"
	    "\"additionalProperties\":false}}",
	    "tools", NULL } },
	{ "schema-A-old", &old_claude, "{\"model\":\"m\"," HI
	    ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
	    "{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"x\":1}}}}",
	    NULL, {
	    "tools.0.name", "\"json\"",
	    "tools.0.input_schema", "{\"type\":\"object\",\"x\":1}",
	    "tool_choice", "{\"type\":\"tool\",\"name\":\"json\"}",
	    "output_config", NULL } },
	{ "json_object", &old_claude, "{\"model\":\"m\"," HI
	    ",\"response_format\":{\"type\":\"json_object\"}}", NULL, {
	    "system.0.text", "\"Answer with a single JSON object and nothing "
	    "else.\"" } },
	{ "strict tools", &new_claude, "{\"model\":\"m\"," HI
	    ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\","
	    "\"strict\":true,\"parameters\":{\"type\":\"object\","
	    "\"properties\":{\"n\":{\"type\":\"number\",\"maximum\":9}}}}}]}",
	    NULL, {
	    "tools.0", "{\"name\":\"a\",\"input_schema\":{\"type\":\"object\","
	    "\"properties\":{\"n\":{\"type\":\"number\",\"description\":"
	    "\"maximum: 9\"}},\"additionalProperties\":false},"
	    "\"strict\":true}" } },
	{ "cache-marks", &old_claude, "{\"model\":\"m\",\"tools\":["
	    "{\"type\":\"function\",\"function\":{\"name\":\"a\"},"
	    "\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":"
	    "\"function\",\"function\":{\"name\":\"b\"},\"cache_control\":"
	    "{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}],\"messages\":["
	    "{\"role\":\"system\",\"content\":[" MARKED("S") "]},"
	    "{\"role\":\"user\",\"content\":[" MARKED("1") "," MARKED("2")
	    "," MARKED("3") "]}]}", NULL, {
	    "tools.0.cache_control", NULL,
	    "tools.1.cache_control", "{\"type\":\"ephemeral\",\"ttl\":"
	    "\"1h\"}",
	    "system.0.cache_control", "{\"type\":\"ephemeral\"}",
	    "messages.0.content.0.cache_control", NULL,
	    "messages.0.content.1.cache_control", "{\"type\":\"ephemeral\"}",
	    "messages.0.content.2.cache_control", "{\"type\":"
	    "\"ephemeral\"}" } },
	{ "hints", &old_claude, "{\"model\":\"m\"," HI ",\"seed\":1,"
	    "\"presence_penalty\":0.5,\"frequency_penalty\":0.0,"
	    "\"logit_bias\":{\"1\":2},\"metadata\":{\"a\":\"b\"},\"store\":"
	    "true,\"verbosity\":\"low\",\"prompt_cache_key\":\"k\"}",
	    "seed presence_penalty logit_bias metadata store verbosity "
	    "prompt_cache_key", { "seed", NULL, "metadata", NULL } },
	{ "stops, user", &old_claude, "{\"model\":\"m\"," HI
	    ",\"stop\":[\"a\\n\",\" \",\"\\n\"],\"safety_identifier\":"
	    "\"u-1\"}", NULL, {
	    "stop_sequences", "[\"a\\n\"]",
	    "metadata", "{\"user_id\":\"u-1\"}" } },
	{ "a user by address", &old_claude, "{\"model\":\"m\"," HI
	    ",\"user\":\"a@b.c\"}", NULL, {
	    "metadata.user_id", "\"2e2265455a226678bd28a853f059f019\"" } },
};

static void
chat_to_claude(void **state)
{
	(void)state;
	run_requests(&openai_dialect, to_claude, countof(to_claude));
}

#define ANT "{\"model\":\"m\",\"max_tokens\":100,"

static const struct request to_chat[] = {
	{ "plain", &chat, ANT "\"system\":\"S\"," HI ",\"temperature\":0.10,"
	    "\"top_k\":4,\"stop_sequences\":[\"x\"],\"metadata\":{\"user_id\":"
	    "\"u\"}}", "top_k", {
	    "messages", "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":"
	    "\"user\",\"content\":\"hi\"}]",
	    "temperature", "0.10", "max_tokens", "100", "stop", "[\"x\"]",
	    "safety_identifier", "\"u\"",
	    "stream_options", "{\"include_usage\":true}" } },
	{ "ant-to-chat-tools", &chat, ANT "\"messages\":[" USER
	    ",{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","
	    "\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\": 1e2}},{\"type\":"
	    "\"tool_use\",\"id\":\"t2\",\"name\":\"f\",\"input\":{}}]},"
	    "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
	    "\"tool_use_id\":\"t1\",\"content\":[{\"type\":\"image\","
	    "\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
	    "\"data\":\"AAAA\"}},{\"type\":\"text\",\"text\":\"one\"}]},"
	    "{\"type\":\"text\",\"text\":\"go\"},{\"type\":\"tool_result\","
	    "\"tool_use_id\":\"t2\",\"content\":\"two\",\"is_error\":true}"
	    "]}]}", NULL, {
	    "messages.1.tool_calls.0", "{\"id\":\"t1\",\"type\":\"function\","
	    "\"function\":{\"name\":\"f\",\"arguments\":"
	    "\"{\\\"a\\\": 1e2}\"}}",
	    "messages.2", "{\"role\":\"tool\",\"tool_call_id\":\"t1\","
	    "\"content\":\"one\"}",
	    "messages.3", "{\"role\":\"tool\",\"tool_call_id\":\"t2\","
	    "\"content\":\"Error: two\"}",
	    "messages.4.role", "\"user\"",
	    "messages.4.content.0.image_url.url",
	    "\"data:image/png;base64,AAAA\"",
	    "messages.4.content.1.text", "\"go\"" } },
	{ "ant-thinking-replay C", &chat, ANT "\"messages\":[" USER
	    ",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
	    "\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":"
	    "\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"text\","
	    "\"text\":\"yes\"}]}," USER "]}", NULL, {
	    "messages.1", "{\"role\":\"assistant\",\"content\":\"yes\"}" } },
	{ "ant-thinking-replay DeepSeek", &deepseek, ANT "\"messages\":[" USER
	    ",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
	    "\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"text\","
	    "\"text\":\"yes\"}]}," USER "]}", NULL, {
	    "messages.1.reasoning_content", "\"hm\"" } },
	{ "tools and their choice", &chat, ANT HI ",\"tools\":[{\"name\":"
	    "\"f\",\"description\":\"d\",\"input_schema\":{\"type\":"
	    "\"object\",\"properties\":{\"x\":{\"minimum\":1.0}}}}],"
	    "\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":"
	    "true}}", NULL, {
	    "tools.0.function.parameters", "{\"type\":\"object\","
	    "\"properties\":{\"x\":{\"minimum\":1.0}}}",
	    "tool_choice", "\"required\"",
	    "parallel_tool_calls", "false" } },
	{ "a named tool", &chat, ANT HI ",\"tools\":[{\"name\":\"f\","
	    "\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":"
	    "{\"type\":\"tool\",\"name\":\"f\"}}", NULL, {
	    "tool_choice", "{\"type\":\"function\",\"function\":{\"name\":"
	    "\"f\"}}" } },
	{ "a budget", &chat, ANT HI ",\"thinking\":{\"type\":\"enabled\","
	    "\"budget_tokens\":5000}}", NULL, {
	    "reasoning_effort", "\"medium\"" } },
	{ "an effort", &chat, ANT HI ",\"thinking\":{\"type\":\"adaptive\"},"
	    "\"output_config\":{\"effort\":\"max\"}}", NULL, {
	    "reasoning_effort", "\"high\"" } },
	{ "thinking off beats the effort", &chat, ANT HI ",\"thinking\":"
	    "{\"type\":\"disabled\"},\"output_config\":{\"effort\":"
	    "\"max\"}}", NULL, { "reasoning_effort", "\"none\"" } },
	{ "a form of the answer", &chat, ANT HI ",\"output_config\":"
	    "{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
	    "\"object\",\"minimum\":1}}}}", NULL, {
	    "response_format", "{\"type\":\"json_schema\",\"json_schema\":"
	    "{\"name\":\"response\",\"schema\":{\"type\":\"object\","
	    "\"minimum\":1},\"strict\":true}}" } },
	{ "documents", &chat, ANT "\"messages\":[{\"role\":\"user\","
	    "\"content\":[{\"type\":\"document\",\"source\":{\"type\":"
	    "\"base64\",\"media_type\":\"application/pdf\",\"data\":"
	    "\"JVBERi0=\"},\"title\":\"x.pdf\"},{\"type\":\"document\","
	    "\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
	    "\"data\":\"abc\"},\"title\":\"T\"},{\"type\":\"image\","
	    "\"source\":{\"type\":\"url\",\"url\":\"https://x/\\\"y\"}}]}]}",
	    NULL, {
	    "messages.0.content.0.file", "{\"filename\":\"x.pdf\","
	    "\"file_data\":\"data:application/pdf;base64,JVBERi0=\"}",
	    "messages.0.content.1.text", "\"T\\n\\nabc\"",
	    "messages.0.content.2.image_url.url", "\"https://x/\\\"y\"" } },
	{ "instructions in the middle", &chat, ANT "\"messages\":[" USER
	    ",{\"role\":\"assistant\",\"content\":\"a\"},{\"role\":\"system\","
	    "\"content\":\"X\"}," USER "]}", NULL, {
	    "messages.2", "{\"role\":\"system\",\"content\":\"X\"}" } },
	{ "blanks around", &chat, " \n" ANT "\"system\":[{\"type\":\"text\","
	    "\"text\":\"S\"}]," HI "}\n", NULL, {
	    "messages.0.content", "\"S\"" } },
};

static void
claude_to_chat(void **state)
{
	(void)state;
	run_requests(&anthropic_dialect, to_chat, countof(to_chat));
}

/* From one Claude to another: what only they know is kept. */
static const struct request to_itself[] = {
	{ "ant-thinking-replay A", &new_claude, ANT "\"messages\":[" USER
	    ",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
	    "\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":\"thinking\","
	    "\"thinking\":\"\",\"signature\":\"t\"},{\"type\":"
	    "\"redacted_thinking\",\"data\":\"d\"},{\"type\":\"thinking\","
	    "\"thinking\":\"of another\",\"signature\":\"wr1.x.y\"},"
	    "{\"type\":\"thinking\",\"thinking\":\"unsigned\",\"signature\":"
	    "\"\"},{\"type\":\"text\",\"text\":\"yes\"},{\"type\":"
	    "\"server_tool_use\",\"id\":\"x\",\"name\":\"web_search\","
	    "\"input\":{}}]}," USER "],\"thinking\":{\"type\":\"adaptive\","
	    "\"display\":\"omitted\"}}", NULL, {
	    "messages.1.content", "[{\"type\":\"thinking\",\"thinking\":"
	    "\"hm\",\"signature\":\"s\"},{\"type\":\"thinking\",\"thinking\":"
	    "\"\",\"signature\":\"t\"},{\"type\":\"redacted_thinking\","
	    "\"data\":\"d\"},{\"type\":\"text\",\"text\":\"yes\"},{\"type\":"
	    "\"server_tool_use\",\"id\":\"x\",\"name\":\"web_search\","
	    "\"input\":{}}]",
	    "thinking", "{\"type\":\"adaptive\",\"display\":"
	    "\"omitted\"}" } },
	{ "marks", &old_claude, ANT "\"cache_control\":{\"type\":"
	    "\"ephemeral\"},\"messages\":[{\"role\":\"user\",\"content\":["
	    "{\"type\":\"text\",\"text\":\"a\"}," MARKED("") "]},"
	    "{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":\"user\","
	    "\"content\":\"c\"}]}", NULL, {
	    "messages.0.content.0.cache_control", "{\"type\":"
	    "\"ephemeral\"}",
	    "messages.2.content.0.cache_control", "{\"type\":"
	    "\"ephemeral\"}" } },
};

static void
claude_to_claude(void **state)
{
	(void)state;
	run_requests(&anthropic_dialect, to_itself, countof(to_itself));
}

static void
refusals(void **state)
{
	static const struct {
		const char *name;
		const struct dialect *from;
		const struct target *t;
		const char *text;
		enum fault_kind kind;
		const char *param, *words;
	} list[] = {
		{ "tool-orphan", &openai_dialect, &old_claude,
		    "{\"model\":\"m\",\"messages\":[" USER ",{\"role\":\"tool\","
		    "\"tool_call_id\":\"zz9\",\"content\":\"x\"}]}",
		    FAULT_BAD_REQUEST, "messages", "zz9" },
		{ "a call without result", &openai_dialect, &old_claude,
		    "{\"model\":\"m\",\"messages\":[" USER ",{\"role\":"
		    "\"assistant\",\"tool_calls\":[" CALL("c7", "{}") "]},"
		    USER "]}", FAULT_BAD_REQUEST, "messages", "c7" },
		{ "tool-bad-args", &openai_dialect, &old_claude,
		    "{\"model\":\"m\",\"messages\":[" USER ",{\"role\":"
		    "\"assistant\",\"tool_calls\":[" CALL("c", "not json") "]},"
		    "{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":"
		    "\"x\"}]}", FAULT_BAD_REQUEST, "messages", "no JSON" },
		{ "audio-A", &openai_dialect, &old_claude, "{\"model\":\"m\","
		    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		    "\"input_audio\",\"input_audio\":{\"data\":\"UklGRg==\","
		    "\"format\":\"wav\"}}]}]}", FAULT_UNSUPPORTED_VALUE,
		    "messages", "Audio" },
		{ "audio out", &openai_dialect, &old_claude, "{\"model\":"
		    "\"m\"," HI ",\"modalities\":[\"text\",\"audio\"],"
		    "\"audio\":{\"voice\":\"a\",\"format\":\"wav\"}}",
		    FAULT_UNSUPPORTED_VALUE, "modalities", "Audio output" },
		{ "n2-A", &openai_dialect, &old_claude, "{\"model\":\"m\"," HI
		    ",\"n\":2}", FAULT_UNSUPPORTED, "n", "'n' greater" },
		{ "logprobs", &openai_dialect, &old_claude, "{\"model\":\"m\","
		    HI ",\"logprobs\":true}", FAULT_UNSUPPORTED, "logprobs",
		    "logprobs" },
		{ "strict", &openai_dialect, &strict_claude, "{\"model\":"
		    "\"m\"," HI ",\"seed\":1}", FAULT_UNSUPPORTED, "seed",
		    "seed" },
		{ "a schema beside tools", &openai_dialect, &old_claude,
		    "{\"model\":\"m\"," HI "," TOOLS ",\"response_format\":"
		    "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
		    "\"schema\":{\"type\":\"object\"}}}}",
		    FAULT_UNSUPPORTED_VALUE, "response_format", "not both" },
		{ "an answer begun", &openai_dialect, &new_claude,
		    "{\"model\":\"m\",\"messages\":[" USER ",{\"role\":"
		    "\"assistant\",\"content\":\"It\"}]}",
		    FAULT_UNSUPPORTED_VALUE, "messages", "begun" },
		{ "nothing said", &openai_dialect, &old_claude,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":\" \"}]}", FAULT_UNSUPPORTED_VALUE,
		    "messages", "not empty" },
		{ "a picture of no known kind", &openai_dialect, &old_claude,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":[{\"type\":\"image_url\",\"image_url\":"
		    "{\"url\":\"data:image/tiff;base64,AAAA\"}}]}]}",
		    FAULT_UNSUPPORTED_VALUE, "messages", "JPEG" },
		{ "no base64 in a data URL", &openai_dialect, &old_claude,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":[{\"type\":\"image_url\",\"image_url\":"
		    "{\"url\":\"data:image/png;base64,AA\\\"},\\\"x\\\":{\\\"\""
		    "}}]}]}", FAULT_BAD_REQUEST, "messages", "base64" },
		{ "no base64 in a file", &openai_dialect, &chat,
		    "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
		    "\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":"
		    "\"AA\\\",\\\"x\\\":\\\"\"}}]}]}", FAULT_BAD_REQUEST,
		    "messages", "base64" },
		{ "no base64 in a document", &anthropic_dialect, &chat, ANT
		    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		    "\"document\",\"source\":{\"type\":\"base64\","
		    "\"media_type\":\"application/pdf\",\"data\":\"A\\\"A\"}}"
		    "]}]}", FAULT_BAD_REQUEST, "messages", "source" },
		{ "max_tokens 0", &anthropic_dialect, &chat, "{\"model\":\"m\","
		    "\"max_tokens\":0," HI "}", FAULT_UNSUPPORTED_VALUE,
		    "max_tokens", "at least 1" },
		{ "a result alone", &anthropic_dialect, &chat, ANT
		    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
		    "\"tool_result\",\"tool_use_id\":\"q1\"}]}]}",
		    FAULT_BAD_REQUEST, "messages", "q1" },
		{ "input that is no object", &anthropic_dialect, &chat, ANT
		    "\"messages\":[" USER ",{\"role\":\"assistant\","
		    "\"content\":[{\"type\":\"tool_use\",\"id\":\"a\","
		    "\"name\":\"f\",\"input\":\"x\"}]}]}", FAULT_BAD_REQUEST,
		    "messages", "object" },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		struct arena a;
		struct buf out;
		struct dropped d;
		struct fault f;

		arena_init(&a);
		if (translate(&a, list[i].from, list[i].text, list[i].t, &out,
		    &d, &f)) {
			print_error("%s: not refused: %.*s\n", list[i].name,
			    STR_ARGS(buf_str(&out)));
			fail();
		}
		if (f.kind != list[i].kind ||
		    !str_eq(f.param, str_of(list[i].param)) ||
		    !str_has(f.text, str_of(list[i].words))) {
			print_error("%s: %d %.*s: %.*s\n", list[i].name,
			    f.kind, STR_ARGS(f.param), STR_ARGS(f.text));
			fail();
		}
		arena_release(&a);
	}
}

/* id-charset: the same on call and result, and the next time. */
static void
ids(void **state)
{
	static const char text[] = "{\"model\":\"m\",\"messages\":[" USER
	    ",{\"role\":\"assistant\",\"tool_calls\":["
	    CALL("functions.Bash:0", "{}") "," CALL("functions.Bash_0", "{}")
	    "]},{\"role\":\"tool\",\"tool_call_id\":\"functions.Bash_0\","
	    "\"content\":\"b\"},{\"role\":\"tool\",\"tool_call_id\":"
	    "\"functions.Bash:0\",\"content\":\"a\"}]}";
	struct arena a;
	struct buf out;
	struct dropped d;
	struct fault f;
	struct str call, result, other;

	(void)state;
	arena_init(&a);
	assert_true(translate(&a, &openai_dialect, text, &old_claude, &out,
	    &d, &f));
	call = at(buf_str(&out), "messages.1.content.0.id");
	other = at(buf_str(&out), "messages.1.content.1.id");
	result = at(buf_str(&out), "messages.2.content.0.tool_use_id");
	assert_true(str_starts(call, S("\"functions_Bash_0")));
	assert_false(str_has(call, S(":")));
	assert_false(str_eq(call, other));
	assert_true(str_eq(call, result));
	assert_true(str_eq(other, at(buf_str(&out),
	    "messages.2.content.1.tool_use_id")));
	arena_release(&a);
}

/* Many calls cost what they are, not the square of it. */
static void
many_calls(void **state)
{
	enum { MANY = 60000 };
	struct arena a;
	struct buf text, out;
	struct dropped d;
	struct fault f;

	(void)state;
	arena_init(&a);
	text = BUF(&a, LIMIT_FOLD_BYTES);
	buf_put(&text, S(ANT "\"messages\":[{\"role\":\"assistant\","
	    "\"content\":["));
	for (int i = 0; i < MANY; i++)
		buf_printf(&text, "%s{\"type\":\"tool_use\",\"id\":\"c%d\","
		    "\"name\":\"f\",\"input\":{}}", i ? "," : "", i);
	buf_put(&text, S("]},{\"role\":\"user\",\"content\":["));
	for (int i = MANY; i > 0; i--)
		buf_printf(&text, "{\"type\":\"tool_result\","
		    "\"tool_use_id\":\"c%d\"}%s", i - 1, i > 1 ? "," : "");
	buf_put(&text, S("]}]}"));
	assert_true(translate(&a, &anthropic_dialect, buf_text(&text),
	    &old_claude, &out, &d, &f));
	expect_text("order", at(buf_str(&out),
	    "messages.2.content.0.tool_use_id"), "\"c0\"");
	arena_release(&a);
}

/* --- Answers --- */

struct flow {
	struct arena arena;
	struct event_reader r;
	struct event_writer w;
	const struct neutral_dialect *to;
	struct buf out, last;
	struct event ended;	/* STOP or ERROR */
	int starts, ends, depth, usages;
	bool stopped;
};

/* Also sees to the order that readers promise. */
static void
take(struct event_reader *r, const struct event *e)
{
	struct flow *x = r->arg;

	assert_int_equal(x->ends, 0);
	switch (e->kind) {
	case EVENT_START:
		assert_int_equal(x->starts++, 0);
		break;
	case EVENT_BLOCK:
		assert_int_equal(x->starts, 1);
		assert_int_equal(x->depth++, 0);
		break;
	case EVENT_BLOCK_END:
		assert_int_equal(--x->depth, 0);
		break;
	case EVENT_TEXT:
	case EVENT_ARGS:
	case EVENT_SIGN:
		assert_int_equal(x->depth, 1);
		break;
	case EVENT_STOP:
		assert_int_equal(x->starts, 1);
		assert_int_equal(x->depth, 0);
		/* fall through */
	case EVENT_ERROR:
		assert_false(x->stopped);
		x->stopped = true;
		x->ended = *e;
		break;
	case EVENT_END:
		assert_true(x->stopped);
		x->ends++;
		break;
	default:
		break;
	}
	/* Only in an envelope, of which a reader of the writer's own dialect
	 * knows nothing (unit/envelope). */
	if (e->kind != EVENT_SIGN || x->to != &openai_neutral)
		x->to->writer_put(&x->w, e, &x->out, &x->last);
}

static void
flow_init(struct flow *x, const struct neutral_dialect *from,
    const struct neutral_dialect *to, bool up_stream, bool stream,
    const struct neutral *asked)
{
	*x = (struct flow){ .to = to };
	arena_init(&x->arena);
	x->out = BUF_HEAP(LIMIT_FOLD_BYTES);
	x->last = BUF_HEAP(LIMIT_FOLD_BYTES);
	x->r = (struct event_reader){ .arena = &x->arena, .stream = up_stream,
		.asked = asked, .take = take, .arg = x };
	x->w = (struct event_writer){ .arena = &x->arena, .stream = stream,
		.usage_wanted = true, .model = S("my-model"),
		.request_id = S("0RELAY"), .now = 1700000000 };
	from->reader_init(&x->r);
	to->writer_init(&x->w);
}

static void
feed(struct flow *x, const struct neutral_dialect *from, struct str piece)
{
	char *copy = malloc(piece.n ? piece.n : 1);

	if (piece.n)
		memcpy(copy, piece.p, piece.n);
	from->reader_feed(&x->r, str_from(copy, piece.n));
	memset(copy, '#', piece.n);
	free(copy);
}

static void
flow_finish(struct flow *x, const struct neutral_dialect *from)
{
	from->reader_finish(&x->r);
	assert_int_equal(x->ends, 1);
	buf_put(&x->out, buf_str(&x->last));
}

static void
flow_release(struct flow *x)
{
	buf_release(&x->out);
	buf_release(&x->last);
	arena_release(&x->arena);
}

/* The answer as a caller gets it, however it is cut; to be released. */
static void
convert(struct flow *x, const struct neutral_dialect *from,
    const struct neutral_dialect *to, const char *text, bool up_stream,
    bool stream, const struct neutral *asked)
{
	struct str all = str_of(text);

	flow_init(x, from, to, up_stream, stream, asked);
	feed(x, from, all);
	flow_finish(x, from);
	for (size_t cut = 0; cut <= all.n; cut++) {
		struct flow y;

		flow_init(&y, from, to, up_stream, stream, asked);
		if (cut == 0)
			for (size_t i = 0; i < all.n; i++)
				feed(&y, from, str_from(all.p + i, 1));
		else
			feed(&y, from, str_from(all.p, cut));
		if (cut)
			feed(&y, from, str_skip(all, cut));
		flow_finish(&y, from);
		if (!str_eq(buf_str(&x->out), buf_str(&y.out))) {
			print_error("cut at %zu:\n%.*s\nnot:\n%.*s\n", cut,
			    STR_ARGS(buf_str(&y.out)),
			    STR_ARGS(buf_str(&x->out)));
			fail();
		}
		assert_int_equal(x->ended.kind, y.ended.kind);
		flow_release(&y);
	}
}

/*
 * What is streamed is what is folded: the stream that was written, read
 * again and folded, is the fold.
 */
static void
stream_is_fold(const struct neutral_dialect *from,
    const struct neutral_dialect *to, const char *text,
    const struct neutral *asked)
{
	struct flow s, f, g;

	flow_init(&s, from, to, true, true, asked);
	feed(&s, from, str_of(text));
	flow_finish(&s, from);
	flow_init(&f, from, to, true, false, asked);
	feed(&f, from, str_of(text));
	flow_finish(&f, from);
	flow_init(&g, to, to, true, false, NULL);
	feed(&g, to, buf_str(&s.out));
	flow_finish(&g, to);
	assert_true(json_valid(buf_str(&f.out), &(struct json_error){ 0 }));
	if (!str_eq(buf_str(&f.out), buf_str(&g.out))) {
		print_error("fold\n%.*s\nof the stream\n%.*s\n",
		    STR_ARGS(buf_str(&f.out)), STR_ARGS(buf_str(&g.out)));
		fail();
	}
	flow_release(&s);
	flow_release(&f);
	flow_release(&g);
}

static size_t
count(struct str s, const char *what)
{
	size_t n = 0, w = strlen(what);

	for (size_t i = 0; i + w <= s.n; i++)
		n += memcmp(s.p + i, what, w) == 0;
	return n;
}

/* These stand there, in this order. */
static void
expect_row(struct str s, const char *const *row)
{
	for (; *row; row++) {
		struct str want = str_of(*row);
		size_t i = 0;

		while (i + want.n <= s.n &&
		    memcmp(s.p + i, want.p, want.n) != 0)
			i++;
		if (i + want.n > s.n) {
			print_error("no %s in\n%.*s\n", *row, STR_ARGS(s));
			fail();
		}
		s = str_skip(s, i + want.n);
	}
}

#define EV(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest \
	"}\n\n"
#define USAGE_53 "\"usage\":{\"input_tokens\":12," \
	"\"cache_creation_input_tokens\":300,\"cache_creation\":" \
	"{\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":" \
	"200},\"cache_read_input_tokens\":2000,\"output_tokens\":1}"
#define START_A EV("message_start", ",\"message\":{\"id\":\"msg_1\"," \
	"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\"," \
	"\"content\":[]," USAGE_53 "}")
#define BLOCK_A(i, block) EV("content_block_start", ",\"index\":" i \
	",\"content_block\":" block)
#define DELTA_A(i, delta) EV("content_block_delta", ",\"index\":" i \
	",\"delta\":" delta)
#define STOP_A(i) EV("content_block_stop", ",\"index\":" i)
#define TEXT_A(i, text) DELTA_A(i, "{\"type\":\"text_delta\",\"text\":\"" \
	text "\"}")
#define END_A(reason) EV("message_delta", ",\"delta\":{\"stop_reason\":\"" \
	reason "\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":90," \
	"\"output_tokens_details\":{\"thinking_tokens\":40}}") \
	EV("message_stop", "")

static const char stream_a[] =
    START_A
    EV("ping", "")
    BLOCK_A("0", "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":"
	"\"\"}")
    DELTA_A("0", "{\"type\":\"thinking_delta\",\"thinking\":\"Let \\u00e9\"}")
    DELTA_A("0", "{\"type\":\"signature_delta\",\"signature\":\"sig\"}")
    STOP_A("0")
    BLOCK_A("1", "{\"type\":\"text\",\"text\":\"\"}")
    TEXT_A("1", "Hel") TEXT_A("1", "lo \xf0\x9f\x98\x80\\n\\\"")
    STOP_A("1")
    BLOCK_A("2", "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":"
	"\"web_search\",\"input\":{}}")
    DELTA_A("2", "{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}")
    STOP_A("2")
    BLOCK_A("3", "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\","
	"\"input\":{}}")
    DELTA_A("3", "{\"type\":\"input_json_delta\",\"partial_json\":\"\"}")
    DELTA_A("3", "{\"type\":\"input_json_delta\",\"partial_json\":"
	"\"{\\\"a\\\": 1.\"}")
    DELTA_A("3", "{\"type\":\"input_json_delta\",\"partial_json\":"
	"\"50, \\\"b\\\": \\\"\\\\n\\\"}\"}")
    STOP_A("3")
    BLOCK_A("4", "{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"g\","
	"\"input\":{}}")
    STOP_A("4")
    END_A("tool_use");

#define CHAT_USAGE_53 "\"usage\":{\"prompt_tokens\":2312," \
	"\"completion_tokens\":90,\"total_tokens\":2402," \
	"\"prompt_tokens_details\":{\"cached_tokens\":2000," \
	"\"cache_write_tokens\":300,\"audio_tokens\":0}," \
	"\"completion_tokens_details\":{\"reasoning_tokens\":40," \
	"\"audio_tokens\":0}}"

/* 42 and, in its usage, 53. */
static void
stream_a_to_c(void **state)
{
	static const char *const row[] = {
		"\"role\":\"assistant\"",
		"\"reasoning_content\":\"Let \\u00e9\"",
		"\"content\":\"Hel\"",
		"\"content\":\"lo \xf0\x9f\x98\x80\\n\\\"\"",
		"{\"index\":0,\"id\":\"toolu_1\",\"type\":\"function\","
		"\"function\":{\"name\":\"f\",\"arguments\":\"\"}}",
		"{\"index\":0,\"function\":{\"arguments\":"
		"\"{\\\"a\\\": 1.\"}}",
		"{\"index\":0,\"function\":{\"arguments\":"
		"\"50, \\\"b\\\": \\\"\\\\n\\\"}\"}}",
		"{\"index\":1,\"id\":\"toolu_2\"",
		"{\"index\":1,\"function\":{\"arguments\":\"{}\"}}",
		"\"finish_reason\":\"tool_calls\"",
		"\"choices\":[]," CHAT_USAGE_53,
		"data: [DONE]\n\n", NULL };
	struct flow x;
	struct str out;

	(void)state;
	convert(&x, &anthropic_neutral, &openai_neutral, stream_a, true, true,
	    NULL);
	out = buf_str(&x.out);
	expect_row(out, row);
	assert_int_equal(count(out, "\"role\""), 1);
	assert_int_equal(count(out, "web_search"), 0);
	assert_int_equal(count(out, "\"model\":\"my-model\""),
	    count(out, "data: ") - 1);
	assert_true(str_ends(out, S("data: [DONE]\n\n")));
	flow_release(&x);
	flow_init(&x, &anthropic_neutral, &openai_neutral, true, true, NULL);
	x.w.usage_wanted = false;
	feed(&x, &anthropic_neutral, str_of(stream_a));
	flow_finish(&x, &anthropic_neutral);
	assert_int_equal(count(buf_str(&x.out), "usage"), 0);
	flow_release(&x);
	stream_is_fold(&anthropic_neutral, &openai_neutral, stream_a, NULL);
}

static void
fold_a_to_c(void **state)
{
	static const char *const pairs[] = {
		"object", "\"chat.completion\"",
		"choices.0.message.content",
		"\"Hello \xf0\x9f\x98\x80\\n\\\"\"",
		"choices.0.message.reasoning_content", "\"Let \\u00e9\"",
		"choices.0.message.tool_calls.0.function.arguments",
		"\"{\\\"a\\\": 1.50, \\\"b\\\": \\\"\\\\n\\\"}\"",
		"choices.0.message.tool_calls.1.function.arguments",
		"\"{}\"",
		"choices.0.finish_reason", "\"tool_calls\"",
		"usage.prompt_tokens", "2312",
		"usage.prompt_tokens_details.cache_write_tokens", "300",
		"usage.completion_tokens_details.reasoning_tokens", "40",
		"usage.total_tokens", "2402", NULL };
	/* The same as one body. */
	static const char whole[] = " {\"id\":\"msg_1\",\"type\":\"message\","
	    "\"model\":\"claude-x\",\"content\":[{\"type\":\"thinking\","
	    "\"thinking\":\"Let \\u00e9\",\"signature\":\"sig\"},{\"type\":"
	    "\"text\",\"text\":\"Hello \xf0\x9f\x98\x80\\n\\\"\"},{\"type\":"
	    "\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":"
	    "{\"a\": 1.50, \"b\": \"\\n\"}},{\"type\":\"tool_use\",\"id\":"
	    "\"toolu_2\",\"name\":\"g\",\"input\":{}}],\"stop_reason\":"
	    "\"tool_use\",\"usage\":{\"input_tokens\":12,"
	    "\"cache_creation_input_tokens\":300,\"cache_read_input_tokens\":"
	    "2000,\"output_tokens\":90,\"output_tokens_details\":"
	    "{\"thinking_tokens\":40}}}\n";
	struct flow x, y;

	(void)state;
	convert(&x, &anthropic_neutral, &openai_neutral, stream_a, true,
	    false, NULL);
	expect_values("fold", buf_str(&x.out), pairs);
	convert(&y, &anthropic_neutral, &openai_neutral, whole, false, false,
	    NULL);
	assert_true(str_eq(buf_str(&x.out), buf_str(&y.out)));
	flow_release(&y);
	/* A body where a stream was asked for. */
	convert(&y, &anthropic_neutral, &openai_neutral, whole, true, false,
	    NULL);
	assert_true(str_eq(buf_str(&x.out), buf_str(&y.out)));
	flow_release(&x);
	flow_release(&y);
}

#define CHUNK(delta) "data: {\"id\":\"chatcmpl-1\",\"object\":" \
	"\"chat.completion.chunk\",\"created\":5,\"model\":\"gpt-x\"," \
	"\"choices\":[{\"index\":0,\"delta\":" delta \
	",\"finish_reason\":null}]}\n\n"
#define PIECE(i, rest) CHUNK("{\"tool_calls\":[{\"index\":" i "," rest "}]}")
#define FINISH(reason) "data: {\"id\":\"chatcmpl-1\",\"choices\":[{" \
	"\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"

static const char stream_c[] =
    "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n"
    CHUNK("{\"role\":\"assistant\",\"content\":\"\"}")
    CHUNK("{\"reasoning_content\":\"hm\"}")
    ": keep-alive\n\n"
    CHUNK("{\"content\":\"Hi \"}") CHUNK("{\"content\":\"you\\t\"}")
    PIECE("0", "\"id\":\"c0\",\"type\":\"function\",\"function\":{\"name\":"
	"\"f\",\"arguments\":\"\"}")
    PIECE("1", "\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
	"\"g\",\"arguments\":\"{\\\"y\\\":\"}")
    PIECE("0", "\"function\":{\"arguments\":\"{\\\"x\\\":\"}")
    PIECE("1", "\"function\":{\"arguments\":\"2}\"}")
    PIECE("0", "\"function\":{\"arguments\":\"1}\"}")
    FINISH("tool_calls")
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,"
    "\"completion_tokens\":50,\"total_tokens\":1050,"
    "\"prompt_tokens_details\":{\"cached_tokens\":800},"
    "\"completion_tokens_details\":{\"reasoning_tokens\":30}}}\n\n"
    "data: [DONE]\n\n";

/* 43 */
static void
stream_c_to_a(void **state)
{
	static const char *const row[] = {
		"event: message_start\ndata: {\"type\":\"message_start\","
		"\"message\":{\"id\":\"msg_0RELAY\"", "\"content\":[],",
		"\"usage\":{\"input_tokens\":0,",
		"\"index\":0,\"content_block\":{\"type\":\"thinking\"",
		"\"index\":0,\"delta\":{\"type\":\"thinking_delta\","
		"\"thinking\":\"hm\"",
		"content_block_stop\",\"index\":0}",
		"\"index\":1,\"content_block\":{\"type\":\"text\"",
		"\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":"
		"\"Hi \"", "\"text\":\"you\\t\"",
		"content_block_stop\",\"index\":1}",
		"\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":"
		"\"c0\",\"name\":\"f\",\"input\":{}}",
		"\"partial_json\":\"{\\\"x\\\":\"", "\"partial_json\":\"1}\"",
		"content_block_stop\",\"index\":2}",
		"\"index\":3,\"content_block\":{\"type\":\"tool_use\",\"id\":"
		"\"c1\"", "\"partial_json\":\"{\\\"y\\\":2}\"",
		"content_block_stop\",\"index\":3}",
		"event: message_delta\ndata: {\"type\":\"message_delta\","
		"\"delta\":{\"stop_reason\":\"tool_use\",",
		"\"usage\":{\"input_tokens\":200,"
		"\"cache_creation_input_tokens\":0,\"cache_creation\":null,"
		"\"cache_read_input_tokens\":800,\"output_tokens\":50,"
		"\"output_tokens_details\":{\"thinking_tokens\":30}",
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		NULL };
	struct flow x;
	struct str out;

	(void)state;
	convert(&x, &openai_neutral, &anthropic_neutral, stream_c, true, true,
	    NULL);
	out = buf_str(&x.out);
	expect_row(out, row);
	assert_int_equal(count(out, "event: message_start"), 1);
	assert_int_equal(count(out, "event: content_block_start"), 4);
	assert_int_equal(count(out, "event: content_block_stop"), 4);
	assert_int_equal(count(out, "signature_delta"), 0);
	assert_int_equal(count(out, "[DONE]"), 0);
	flow_release(&x);
	stream_is_fold(&openai_neutral, &anthropic_neutral, stream_c, NULL);
}

static void
fold_c_to_a(void **state)
{
	static const char *const pairs[] = {
		"id", "\"msg_0RELAY\"", "type", "\"message\"",
		"model", "\"my-model\"",
		"content", "[{\"type\":\"thinking\",\"thinking\":\"hm\","
		"\"signature\":\"\"},{\"type\":\"text\",\"text\":"
		"\"Hi you\\t\",\"citations\":null},{\"type\":\"tool_use\","
		"\"id\":\"c0\",\"name\":\"f\",\"input\":{\"x\":1}},{\"type\":"
		"\"tool_use\",\"id\":\"c1\",\"name\":\"g\",\"input\":"
		"{\"y\":2}}]",
		"stop_reason", "\"tool_use\"",
		"usage.input_tokens", "200",
		"usage.cache_read_input_tokens", "800", NULL };
	static const char whole[] = "{\"id\":\"chatcmpl-1\",\"model\":"
	    "\"gpt-x\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
	    "\"assistant\",\"reasoning_content\":\"hm\",\"content\":"
	    "\"Hi you\\t\",\"tool_calls\":[{\"id\":\"c0\",\"type\":"
	    "\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
	    "\"{\\\"x\\\":1}\"}},{\"id\":\"c1\",\"type\":\"function\","
	    "\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"y\\\":2}\"}}]},"
	    "\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":"
	    "1000,\"completion_tokens\":50,\"total_tokens\":1050,"
	    "\"prompt_tokens_details\":{\"cached_tokens\":800},"
	    "\"completion_tokens_details\":{\"reasoning_tokens\":30}}}";
	struct flow x, y;

	(void)state;
	convert(&x, &openai_neutral, &anthropic_neutral, stream_c, true,
	    false, NULL);
	expect_values("fold", buf_str(&x.out), pairs);
	convert(&y, &openai_neutral, &anthropic_neutral, whole, false, false,
	    NULL);
	assert_true(str_eq(buf_str(&x.out), buf_str(&y.out)));
	flow_release(&x);
	flow_release(&y);
}

/* Each stop reason, in both directions. */
static void
stops(void **state)
{
	static const struct {
		const char *a, *c;
	} down[] = {
		{ "end_turn", "stop" }, { "stop_sequence", "stop" },
		{ "max_tokens", "length" }, { "pause_turn", "stop" },
		{ "model_context_window_exceeded", "length" },
		{ "refusal", "content_filter" }, { "compaction", "stop" },
		{ "tool_use", "stop" },
	}, up[] = {
		{ "end_turn", "stop" }, { "max_tokens", "length" },
		{ "refusal", "content_filter" }, { "end_turn", "eos" },
	};
	char text[4096];
	struct flow x;

	(void)state;
	for (size_t i = 0; i < countof(down); i++) {
		snprintf(text, sizeof(text), "%sdata: {\"type\":"
		    "\"message_delta\",\"delta\":{\"stop_reason\":\"%s\"}}\n\n"
		    "data: {\"type\":\"message_stop\"}\n\n", START_A,
		    down[i].a);
		flow_init(&x, &anthropic_neutral, &openai_neutral, true,
		    false, NULL);
		feed(&x, &anthropic_neutral, str_of(text));
		flow_finish(&x, &anthropic_neutral);
		snprintf(text, sizeof(text), "\"%s\"", down[i].c);
		expect_text(down[i].a, at(buf_str(&x.out),
		    "choices.0.finish_reason"), text);
		expect_text(down[i].a, at(buf_str(&x.out),
		    "choices.0.message.content"), "\"\"");
		flow_release(&x);
	}
	for (size_t i = 0; i < countof(up); i++) {
		snprintf(text, sizeof(text), CHUNK("{\"content\":\"x\"}")
		    "data: {\"choices\":[{\"index\":0,\"delta\":{},"
		    "\"finish_reason\":\"%s\"}]}\n\n", up[i].c);
		flow_init(&x, &openai_neutral, &anthropic_neutral, true,
		    false, NULL);
		feed(&x, &openai_neutral, str_of(text));
		flow_finish(&x, &openai_neutral);
		snprintf(text, sizeof(text), "\"%s\"", up[i].a);
		expect_text(up[i].c, at(buf_str(&x.out), "stop_reason"),
		    text);
		flow_release(&x);
	}
}

/* 48, 50: never an end that was not one. */
static void
cuts(void **state)
{
	static const struct {
		const char *name;
		bool messages;	/* they come, else chunks */
		const char *text;
		enum event_kind end;
		enum up_class kind;
	} list[] = {
		{ "cut-A-C", true, START_A BLOCK_A("0", "{\"type\":\"text\","
		    "\"text\":\"\"}") TEXT_A("0", "a") TEXT_A("0", "b")
		    TEXT_A("0", "c"), EVENT_ERROR, UP_OK },
		{ "in the middle of a frame", true, START_A "event: x\ndata: "
		    "{\"type\":\"mess", EVENT_ERROR, UP_OK },
		{ "nothing", true, "", EVENT_ERROR, UP_OK },
		{ "a page", true, "<html>\n\n</html>\n\n", EVENT_ERROR,
		    UP_OK },
		{ "err-in-stream", true, START_A BLOCK_A("0", "{\"type\":"
		    "\"text\",\"text\":\"\"}") TEXT_A("0", "a")
		    EV("error", ",\"error\":{\"type\":\"overloaded_error\","
		    "\"message\":\"Overloaded\"}"), EVENT_ERROR,
		    UP_OVERLOADED },
		{ "an error as a body", true, "{\"type\":\"error\",\"error\":"
		    "{\"type\":\"rate_limit_error\",\"message\":\"slow\"}}",
		    EVENT_ERROR, UP_RATE_LIMIT },
		{ "api_error", true, EV("error", ",\"error\":{\"type\":"
		    "\"api_error\",\"message\":\"x\"}"), EVENT_ERROR,
		    UP_SERVER },
		{ "not JSON", true, START_A "data: {\"type\":\"content_block_"
		    "delta\",\"delta\":{\"text\":\"a\ndata: b\"}}\n\n",
		    EVENT_ERROR, UP_SERVER },
		{ "closed after the reason", true, START_A BLOCK_A("0",
		    "{\"type\":\"text\",\"text\":\"\"}") TEXT_A("0", "a")
		    EV("message_delta", ",\"delta\":{\"stop_reason\":"
		    "\"end_turn\"}"), EVENT_STOP, UP_OK },
		{ "the last blank line is missing", true, START_A
		    "data: {\"type\":\"message_stop\"}", EVENT_STOP, UP_OK },
		{ "[DONE]", true, START_A "data: [DONE]\n\n", EVENT_ERROR,
		    UP_OK },
		{ "chunks cut", false, CHUNK("{\"content\":\"x\"}"),
		    EVENT_ERROR, UP_OK },
		{ "an error in chunks", false, CHUNK("{\"content\":\"x\"}")
		    "data: {\"error\":{\"message\":\"no\",\"type\":"
		    "\"server_error\"}}\n\n", EVENT_ERROR, UP_SERVER },
		{ "chunks without a reason", false, CHUNK("{\"content\":"
		    "\"x\"}") "data: [DONE]\n\n", EVENT_STOP, UP_OK },
		{ "chunks without [DONE]", false, CHUNK("{\"content\":\"x\"}")
		    FINISH("stop"), EVENT_STOP, UP_OK },
	};

	(void)state;
	for (size_t i = 0; i < countof(list); i++) {
		const struct neutral_dialect *from = list[i].messages ?
		    &anthropic_neutral : &openai_neutral;
		const struct neutral_dialect *to = list[i].messages ?
		    &openai_neutral : &anthropic_neutral;
		struct flow x;

		convert(&x, from, to, list[i].text, true, true, NULL);
		if (x.ended.kind != list[i].end ||
		    (x.ended.kind == EVENT_ERROR &&
		    x.ended.error.kind != list[i].kind)) {
			print_error("%s: %d %d\n", list[i].name,
			    x.ended.kind, x.ended.error.kind);
			fail();
		}
		if (list[i].end == EVENT_ERROR) {
			struct str out = buf_str(&x.out);

			assert_int_equal(x.last.n, 0);
			assert_int_equal(count(out, "[DONE]") +
			    count(out, "message_stop") +
			    count(out, "finish_reason\":\""), 0);
		}
		flow_release(&x);
	}
}

/* What servers send that are no good copy of the original. */
static void
odd_streams(void **state)
{
	static const char odd[] = "data: {\"type\":\"message_start\","
	    "\"message\":{\"id\":\"x\",\"model\":\"k\",\"usage\":"
	    "{\"input_tokens\":0,\"output_tokens\":0}}}\r\n\r\n"
	    "data: {\"type\":\"message_start\",\"message\":{}}\r\n\r\n"
	    "data: {\"type\":\"content_block_start\",\"index\":0,"
	    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\r\n\r\n"
	    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
	    "{\"type\":\"thinking_delta\",\"thinking\":\"t\"}}\r\n\r\n"
	    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
	    "{\"type\":\"text_delta\",\"text\":\"a\"}}\r\n\r\n"
	    "data: {\"type\":\"content_block_start\",\"index\":1,"
	    "\"content_block\":{\"type\":\"tool_use\",\"id\":\"i\",\"name\":"
	    "\"f\",\"input\":{\"q\": 1}}}\r\n\r\n"
	    "data: {\"type\":\"content_block_stop\",\"index\":1}\r\n\r\n"
	    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
	    "\"end_turn\"},\"usage\":{\"input_tokens\":7,\"output_tokens\":"
	    "3}}\r\n\r\ndata: {\"type\":\"message_stop\"}\r\n\r\n"
	    "data: [DONE]\r\n\r\n";
	static const char *const pairs[] = {
		"id", "\"chatcmpl-0RELAY\"",
		"choices.0.message.reasoning_content", "\"t\"",
		"choices.0.message.content", "\"a\"",
		"choices.0.message.tool_calls.0.function.arguments",
		"\"{\\\"q\\\": 1}\"",
		"choices.0.finish_reason", "\"tool_calls\"",
		"usage.prompt_tokens", "7", "usage.completion_tokens", "3",
		NULL };
	struct flow x;

	(void)state;
	convert(&x, &anthropic_neutral, &openai_neutral, odd, true, false,
	    NULL);
	expect_values("odd", buf_str(&x.out), pairs);
	flow_release(&x);
}

/* Thoughts that are signed or sealed, from one Claude to another. */
static void
thoughts(void **state)
{
	static const char text[] = START_A
	    BLOCK_A("0", "{\"type\":\"thinking\",\"thinking\":\"\","
		"\"signature\":\"\"}")
	    DELTA_A("0", "{\"type\":\"signature_delta\",\"signature\":"
		"\"only\"}") STOP_A("0")
	    BLOCK_A("1", "{\"type\":\"redacted_thinking\",\"data\":\"d1\"}")
	    STOP_A("1")
	    BLOCK_A("2", "{\"type\":\"redacted_thinking\",\"data\":\"d2\"}")
	    STOP_A("2")
	    BLOCK_A("3", "{\"type\":\"text\",\"text\":\"\"}") STOP_A("3")
	    BLOCK_A("4", "{\"type\":\"text\",\"text\":\"\"}")
	    TEXT_A("4", "x") STOP_A("4")
	    EV("message_delta", ",\"delta\":{\"stop_reason\":"
		"\"stop_sequence\",\"stop_sequence\":\"\\n\"},\"usage\":{}")
	    EV("message_stop", "");
	static const char *const pairs[] = {
		"id", "\"msg_1\"",
		"content", "[{\"type\":\"thinking\",\"thinking\":\"\","
		"\"signature\":\"only\"},{\"type\":\"redacted_thinking\","
		"\"data\":\"d1\"},{\"type\":\"redacted_thinking\",\"data\":"
		"\"d2\"},{\"type\":\"text\",\"text\":\"x\",\"citations\":"
		"null}]",
		"stop_reason", "\"stop_sequence\"",
		"stop_sequence", "\"\\n\"",
		"usage.input_tokens", "12",
		"usage.cache_creation.ephemeral_1h_input_tokens", "200",
		NULL };
	struct flow x;

	(void)state;
	convert(&x, &anthropic_neutral, &anthropic_neutral, text, true, false,
	    NULL);
	expect_values("thoughts", buf_str(&x.out), pairs);
	flow_release(&x);
	stream_is_fold(&anthropic_neutral, &anthropic_neutral, text, NULL);
	convert(&x, &anthropic_neutral, &anthropic_neutral, text, true, true,
	    NULL);
	assert_int_equal(count(buf_str(&x.out), "event: content_block_start"),
	    4);
	assert_int_equal(count(buf_str(&x.out), "event: content_block_stop"),
	    4);
	flow_release(&x);
}

/* 28: the tool that we forced is the text of the answer. */
static void
schema_as_tool(void **state)
{
	static const char text[] = START_A
	    BLOCK_A("0", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":"
		"\"json\",\"input\":{}}")
	    DELTA_A("0", "{\"type\":\"input_json_delta\",\"partial_json\":"
		"\"{\\\"a\\\":\"}")
	    DELTA_A("0", "{\"type\":\"input_json_delta\",\"partial_json\":"
		"\"\\\"\\\\n\\\"}\"}") STOP_A("0") END_A("tool_use");
	static const char *const pairs[] = {
		"choices.0.message.content", "\"{\\\"a\\\":\\\"\\\\n\\\"}\"",
		"choices.0.message.tool_calls", NULL,
		"choices.0.finish_reason", "\"stop\"", NULL };
	struct neutral asked = { .format = FORMAT_SCHEMA };
	struct flow x;

	(void)state;
	convert(&x, &anthropic_neutral, &openai_neutral, text, true, false,
	    &asked);
	expect_values("json", buf_str(&x.out), pairs);
	flow_release(&x);
	stream_is_fold(&anthropic_neutral, &openai_neutral, text, &asked);
}

/* A name that was shortened for the upstream is the caller's own again. */
static void
names_come_back(void **state)
{
	struct arena a;
	struct tool tool = { .name = S("a.very/odd name") };
	struct neutral asked = { .tools = &tool, .n_tools = 1 };
	struct str sent;
	char text[4096];
	struct flow x;

	(void)state;
	arena_init(&a);
	asked.arena = &a;
	sent = neutral_name(&a, tool.name, 64);
	assert_false(str_eq(sent, tool.name));
	snprintf(text, sizeof(text), "%sdata: {\"type\":"
	    "\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
	    "\"tool_use\",\"id\":\"t\",\"name\":\"%.*s\",\"input\":{}}}\n\n%s",
	    START_A, STR_ARGS(sent), END_A("tool_use"));
	convert(&x, &anthropic_neutral, &openai_neutral, text, true, false,
	    &asked);
	expect_text("name", at(buf_str(&x.out),
	    "choices.0.message.tool_calls.0.function.name"),
	    "\"a.very/odd name\"");
	flow_release(&x);
	arena_release(&a);
}

/* A custom tool's input comes back out of its wrapping. */
static void
custom_tools(void **state)
{
	static const char text[] = START_A
	    BLOCK_A("0", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":"
		"\"p\",\"input\":{}}")
	    DELTA_A("0", "{\"type\":\"input_json_delta\",\"partial_json\":"
		"\"{\\\"input\\\": \\\"a\\\\n\"}")
	    DELTA_A("0", "{\"type\":\"input_json_delta\",\"partial_json\":"
		"\"b\\\"}\"}") STOP_A("0") END_A("tool_use");
	static const char *const pairs[] = {
		"choices.0.message.tool_calls", "[{\"id\":\"t\",\"type\":"
		"\"custom\",\"custom\":{\"name\":\"p\",\"input\":"
		"\"a\\nb\"}}]", NULL };
	static const char *const row[] = {
		"\"id\":\"t\",\"type\":\"custom\",\"custom\":{\"name\":"
		"\"p\",\"input\":\"\"}",
		"\"custom\":{\"input\":\"a\\nb\"}", NULL };
	struct arena a;
	struct tool tool = { .kind = TOOL_CUSTOM, .name = S("p") };
	struct neutral asked = { .tools = &tool, .n_tools = 1 };
	struct flow x;

	(void)state;
	arena_init(&a);
	asked.arena = &a;
	convert(&x, &anthropic_neutral, &openai_neutral, text, true, false,
	    &asked);
	expect_values("custom", buf_str(&x.out), pairs);
	flow_release(&x);
	convert(&x, &anthropic_neutral, &openai_neutral, text, true, true,
	    &asked);
	expect_row(buf_str(&x.out), row);
	flow_release(&x);
	arena_release(&a);
}

/* Text between the pieces of a call waits for the calls' end. */
static void
text_among_calls(void **state)
{
	static const char text[] =
	    CHUNK("{\"content\":\"a\"}")
	    PIECE("0", "\"id\":\"c0\",\"function\":{\"name\":\"f\","
		"\"arguments\":\"{\"}")
	    CHUNK("{\"content\":\"b\"}")
	    PIECE("0", "\"function\":{\"arguments\":\"}\"}")
	    FINISH("stop") CHUNK("{\"content\":\"c\"}");
	static const char *const pairs[] = {
		"content.0.text", "\"a\"", "content.1.input", "{}",
		"content.2.text", "\"bc\"", "content.3", NULL,
		"stop_reason", "\"tool_use\"", NULL };
	struct flow x;

	(void)state;
	convert(&x, &openai_neutral, &anthropic_neutral, text, true, false,
	    NULL);
	expect_values("text among calls", buf_str(&x.out), pairs);
	flow_release(&x);
}

/* Any number of calls; frames and bodies that are too large to read. */
static void
large_answers(void **state)
{
	static char text[LIMIT_EVENT_BYTES * 2];
	struct flow x;
	size_t n;

	(void)state;
	flow_init(&x, &anthropic_neutral, &openai_neutral, true, false, NULL);
	feed(&x, &anthropic_neutral, S(START_A));
	for (int i = 0; i < 300; i++)
		feed(&x, &anthropic_neutral, S(BLOCK_A("0", "{\"type\":"
		    "\"tool_use\",\"id\":\"t\",\"name\":\"f\","
		    "\"input\":{}}") STOP_A("0")));
	feed(&x, &anthropic_neutral, S(END_A("tool_use")));
	flow_finish(&x, &anthropic_neutral);
	assert_int_equal(count(buf_str(&x.out), "\"arguments\":\"{}\""), 300);
	flow_release(&x);
	for (int i = 0; i < 2; i++) {
		const struct neutral_dialect *from = i ? &openai_neutral :
		    &anthropic_neutral;
		const char *head = i ? "data: {\"choices\":[{\"index\":0,"
		    "\"delta\":{\"content\":\"" : START_A "data: {\"type\":"
		    "\"content_block_delta\",\"delta\":{\"type\":"
		    "\"text_delta\",\"text\":\"";

		n = (size_t)snprintf(text, sizeof(text), "%s", head);
		memset(text + n, 'a', sizeof(text) - n);
		flow_init(&x, from, i ? &anthropic_neutral : &openai_neutral,
		    true, true, NULL);
		feed(&x, from, str_from(text, sizeof(text)));
		feed(&x, from, i ? S("\"},\"finish_reason\":\"stop\"}]}\n\n"
		    "data: [DONE]\n\n") : S("\"}}\n\n" END_A("end_turn")));
		flow_finish(&x, from);
		assert_int_equal(x.ended.kind, EVENT_ERROR);
		assert_int_equal(x.last.n, 0);
		flow_release(&x);
	}
}

/* What a model writes as the input of a custom tool may be no JSON: it comes
 * as it is, and no line of it begins a frame. */
static void
custom_tool_broken(void **state)
{
	static const char text[] = START_A
	    BLOCK_A("0", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":"
		"\"p\",\"input\":{}}")
	    DELTA_A("0", "{\"type\":\"input_json_delta\",\"partial_json\":"
		"\"{\\\"input\\\": \\\"a\\n\\ndata: x\\n\\n\\\"}\"}")
	    STOP_A("0") END_A("tool_use");
	struct arena a;
	struct tool tool = { .kind = TOOL_CUSTOM, .name = S("p") };
	struct neutral asked = { .tools = &tool, .n_tools = 1 };
	struct flow x;

	(void)state;
	arena_init(&a);
	asked.arena = &a;
	convert(&x, &anthropic_neutral, &openai_neutral, text, true, true,
	    &asked);
	assert_int_equal(count(buf_str(&x.out), "\n\ndata: x"), 0);
	flow_release(&x);
	convert(&x, &anthropic_neutral, &openai_neutral, text, true, false,
	    &asked);
	assert_true(json_valid(buf_str(&x.out), &(struct json_error){ 0 }));
	assert_int_equal(count(buf_str(&x.out), "a\\n\\ndata: x"), 1);
	flow_release(&x);
	arena_release(&a);
}

/* A member that is not looked at before may stand there any number of times:
 * the last one counts. */
static void
stops_again(void **state)
{
	struct arena a;
	struct buf text, out;
	struct dropped d;
	struct fault f;

	(void)state;
	arena_init(&a);
	text = BUF(&a, 1 << 16);
	buf_put(&text, S("{\"model\":\"m\"," HI));
	for (int i = 0; i < 4 * NEUTRAL_STOPS; i++)
		buf_printf(&text, ",\"stop\":\"s%d\"", i);
	buf_put(&text, S("}"));
	buf_char(&text, '\0');
	assert_true(translate(&a, &openai_dialect, text.p, &old_claude, &out,
	    &d, &f));
	expect_text("stops", at(buf_str(&out), "stop_sequences"),
	    "[\"s63\"]");
	arena_release(&a);
}

/* A member so often, behind a head and before a tail. */
static const char *
repeat(struct buf *text, const char *head, const char *one, int times,
    const char *tail)
{
	buf_put(text, str_of(head));
	for (int i = 0; i < times; i++) {
		buf_put(text, i ? S(",") : S(""));
		buf_printf(text, one, i);
	}
	buf_put(text, str_of(tail));
	buf_char(text, '\0');
	return text->p;
}

/* Two long lists, of which each is looked for in the other. */
static void
many_tools(void **state)
{
	enum { TIMES = 50000 };
	struct buf choice = BUF_HEAP(LIMIT_FOLD_BYTES), out;
	struct buf text = BUF_HEAP(LIMIT_FOLD_BYTES);
	struct arena a;
	struct dropped d;
	struct fault f;

	(void)state;
	arena_init(&a);
	repeat(&choice, "],\"tool_choice\":{\"type\":\"allowed_tools\","
	    "\"allowed_tools\":{\"mode\":\"auto\",\"tools\":["
	    "{\"function\":{\"name\":\"t17\"}},", "{\"function\":{"
	    "\"name\":\"u%d\"}}", TIMES, "]}}}");
	repeat(&text, "{\"model\":\"m\"," HI ",\"tools\":[", "{\"type\":"
	    "\"function\",\"function\":{\"name\":\"t%d\"}}", TIMES,
	    choice.p);
	assert_true(translate(&a, &openai_dialect, text.p, &old_claude, &out,
	    &d, &f));
	expect_text("allowed", at(buf_str(&out), "tools.0.name"), "\"t17\"");
	assert_int_equal(at(buf_str(&out), "tools.1").n, 0);
	buf_release(&choice);
	buf_release(&text);
	arena_release(&a);
}

/* A keyword as often as an object may have members. */
static void
many_keywords(void **state)
{
	const struct target t = { .model = S("claude-x"),
		.strict_tools = true };
	struct buf text = BUF_HEAP(LIMIT_FOLD_BYTES), out;
	struct arena a;
	struct dropped d;
	struct fault f;

	(void)state;
	arena_init(&a);
	repeat(&text, "{\"model\":\"m\"," HI ",\"tools\":[{\"type\":"
	    "\"function\",\"function\":{\"name\":\"a\",\"strict\":true,"
	    "\"parameters\":{", "\"oneOf\":[%d]", LIMIT_JSON_MEMBERS - 1,
	    "}}}]}");
	assert_true(translate(&a, &openai_dialect, text.p, &t, &out, &d, &f));
	assert_true(at(buf_str(&out), "tools.0.input_schema.anyOf").n);
	buf_release(&text);
	arena_release(&a);
}

/* Little bodies that would need much memory. */
static void
many_pieces(void **state)
{
	static const struct {
		const struct dialect *from;
		const char *head, *one, *tail;
	} bodies[] = {
		{ &openai_dialect, "{\"model\":\"m\",\"messages\":[{"
		    "\"role\":\"user\",\"content\":[",
		    "{\"type\":\"text\",\"text\":\"a\"}", "]}]}" },
		{ &openai_dialect, "{\"model\":\"m\",\"messages\":[",
		    "{\"role\":\"user\",\"content\":\"a\"}", "]}" },
		{ &openai_dialect, "{\"model\":\"m\",\"messages\":[{"
		    "\"role\":\"assistant\",\"content\":\"a\","
		    "\"reasoning_details\":[", "{\"data\":\"wr1.\","
		    "\"id\":\"thought-0-0\"}", "]}]}" },
		{ &openai_dialect, "{\"model\":\"m\",\"messages\":[{"
		    "\"role\":\"assistant\",\"content\":\"a\","
		    "\"reasoning\":[", "{\"text\":\"a\"}", "]}]}" },
		{ &openai_dialect, "{\"model\":\"m\"," HI ",\"tools\":[",
		    "{\"type\":\"function\",\"function\":{\"name\":"
		    "\"a\"}}", "]}" },
		{ &anthropic_dialect, "{\"model\":\"m\",\"max_tokens\":5,"
		    "\"messages\":[{\"role\":\"user\",\"content\":[",
		    "{\"type\":\"text\",\"text\":\"a\"}", "]}]}" },
		{ &anthropic_dialect, "{\"model\":\"m\",\"max_tokens\":5,"
		    HI ",\"tools\":[", "{\"name\":\"a\","
		    "\"input_schema\":{\"type\":\"object\"}}", "]}" },
	};

	(void)state;
	for (size_t i = 0; i < countof(bodies); i++) {
		struct buf text = BUF_HEAP(LIMIT_FOLD_BYTES), out;
		struct arena a;
		struct dropped d;
		struct fault f;

		arena_init(&a);
		repeat(&text, bodies[i].head, bodies[i].one,
		    NEUTRAL_PIECES + 1, bodies[i].tail);
		assert_false(translate(&a, bodies[i].from, text.p,
		    &old_claude, &out, &d, &f));
		assert_int_equal(f.kind, FAULT_TOO_LARGE);
		buf_release(&text);
		arena_release(&a);
	}
}

/* Of what is too large to be held no part is told as if it were all. */
static void
large_folds(void **state)
{
	static char piece[200000];
	const char *const kinds[] = { "content", "reasoning_content",
		"refusal", "tool_calls" };

	(void)state;
	memset(piece, 'a', sizeof(piece));
	for (size_t i = 0; i < countof(kinds); i++) {
		bool calls = i == 3;
		struct buf frame = BUF_HEAP(LIMIT_EVENT_BYTES);
		struct flow x;

		buf_printf(&frame, "data: {\"choices\":[{\"index\":0,"
		    "\"delta\":{\"%s\":%s\"", kinds[i], calls ? "[{\"index\":"
		    "0,\"id\":\"c\",\"function\":{\"name\":\"f\","
		    "\"arguments\":" : "");
		buf_put(&frame, str_from(piece, sizeof(piece)));
		buf_put(&frame, calls ? S("\"}}]}}]}\n\n") :
		    S("\"}}]}\n\n"));
		flow_init(&x, &openai_neutral, &openai_neutral, true, false,
		    NULL);
		for (size_t n = 0; n <= LIMIT_FOLD_BYTES / sizeof(piece) + 1;
		    n++)
			feed(&x, &openai_neutral, buf_str(&frame));
		feed(&x, &openai_neutral, S("data: {\"choices\":[{\"index\":0,"
		    "\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
		    "data: [DONE]\n\n"));
		flow_finish(&x, &openai_neutral);
		assert_true(x.last.full || x.ended.kind == EVENT_ERROR);
		flow_release(&x);
		buf_release(&frame);
	}
}

/* Calls that wait for the first one's end: none loses a part. */
static void
large_waiting_calls(void **state)
{
	static char piece[200000];
	struct buf frame = BUF_HEAP(LIMIT_EVENT_BYTES);
	struct flow x;

	(void)state;
	memset(piece, 'a', sizeof(piece));
	flow_init(&x, &openai_neutral, &anthropic_neutral, true, true, NULL);
	feed(&x, &openai_neutral, S("data: {\"choices\":[{\"index\":0,"
	    "\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\","
	    "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n"));
	for (size_t n = 0; n <= LIMIT_FOLD_BYTES / sizeof(piece) + 1; n++) {
		buf_clear(&frame);
		buf_printf(&frame, "data: {\"choices\":[{\"index\":0,"
		    "\"delta\":{\"tool_calls\":[{\"index\":%zu,\"id\":"
		    "\"c%zu\",\"function\":{\"name\":\"f\",\"arguments\":\"",
		    n % 3 + 1, n % 3);
		buf_put(&frame, str_from(piece, sizeof(piece)));
		buf_put(&frame, S("\"}}]}}]}\n\n"));
		feed(&x, &openai_neutral, buf_str(&frame));
	}
	feed(&x, &openai_neutral, S("data: {\"choices\":[{\"index\":0,"
	    "\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
	    "data: [DONE]\n\n"));
	flow_finish(&x, &openai_neutral);
	assert_int_equal(x.ended.kind, EVENT_ERROR);
	flow_release(&x);
	buf_release(&frame);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chat_to_claude),
		cmocka_unit_test(claude_to_chat),
		cmocka_unit_test(claude_to_claude),
		cmocka_unit_test(refusals),
		cmocka_unit_test(ids),
		cmocka_unit_test(many_calls),
		cmocka_unit_test(stream_a_to_c),
		cmocka_unit_test(fold_a_to_c),
		cmocka_unit_test(stream_c_to_a),
		cmocka_unit_test(fold_c_to_a),
		cmocka_unit_test(stops),
		cmocka_unit_test(cuts),
		cmocka_unit_test(odd_streams),
		cmocka_unit_test(thoughts),
		cmocka_unit_test(schema_as_tool),
		cmocka_unit_test(names_come_back),
		cmocka_unit_test(custom_tools),
		cmocka_unit_test(text_among_calls),
		cmocka_unit_test(large_answers),
		cmocka_unit_test(custom_tool_broken),
		cmocka_unit_test(stops_again),
		cmocka_unit_test(many_tools),
		cmocka_unit_test(many_keywords),
		cmocka_unit_test(many_pieces),
		cmocka_unit_test(large_folds),
		cmocka_unit_test(large_waiting_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
