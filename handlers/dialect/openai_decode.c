/* SPDX-License-Identifier: MIT */
/*
 * openai_decode.c - a Chat Completions request into the neutral form.
 *
 * The body was read before (openai_request.c): control members are there once
 * and have the right types; what is looked at here for the first time is
 * checked here.  How much is to be reasoned is said in many ways by those who
 * speak this dialect; the member that OpenAI has counts most.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/openai_neutral.h"

bool
openai_decode_refuse(struct openai_decoding *d, enum fault_kind kind,
    const char *param, const char *words)
{
	fault_set(d->fault, d->arena, kind, "%s", words);
	if (!d->fault->param.n)
		d->fault->param = str_of(param);
	return false;
}

static bool
refuse(struct openai_decoding *d, enum fault_kind kind, const char *param,
    const char *words)
{
	return openai_decode_refuse(d, kind, param, words);
}

static struct str
inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : (struct str){ NULL, 0 };
}

static struct str
plain(struct openai_decoding *d, struct str value)
{
	return json_text(d->arena, value);
}

/* --- Tools ---------------------------------------------------------------- */

static enum tri
tri_of(struct str value)
{
	return json_kind(value) != JSON_IS_BOOL ? UNSAID :
	    json_yes(value) ? YES : NO;
}

static bool
tool(struct openai_decoding *d, struct str value, bool bare)
{
	struct str type = inside(json_get(value, S("type")));
	bool custom = str_eq(type, S("custom"));
	struct str f = bare ? value : json_get(value, custom ? S("custom") :
	    S("function"));
	struct tool *t;

	if (!bare && !custom && type.n && !str_eq(type, S("function")))
		return refuse(d, FAULT_UNSUPPORTED_VALUE, "tools",
		    "Tools of other types than function and custom are not "
		    "available for this model.");
	d->n->tools = neutral_grow(d->arena, d->n->tools, d->n->n_tools,
	    sizeof(*t));
	t = &d->n->tools[d->n->n_tools++];
	d->n->pieces++;
	*t = (struct tool){
		.kind = custom ? TOOL_CUSTOM : TOOL_FUNCTION,
		.name = plain(d, json_get(f, S("name"))),
		.description = inside(json_get(f, S("description"))),
		.schema = json_get(f, S("parameters")),
		.strict = tri_of(json_get(f, S("strict"))),
		.cache = openai_mark_of(value),
		.raw = value,
	};
	if (json_kind(t->schema) != JSON_IS_OBJECT)
		t->schema = (struct str){ NULL, 0 };
	if (t->name.n == 0)
		return refuse(d, FAULT_BAD_REQUEST, "tools",
		    "A tool needs a name.");
	return neutral_holds(d->n, d->fault);
}

static bool
tools(struct openai_decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!tool(d, m.value, false))
			return false;
	return true;
}

static bool
functions(struct openai_decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!tool(d, m.value, true))
			return false;
	return true;
}

static void
chosen(struct openai_decoding *d, struct str name)
{
	d->n->chosen = neutral_grow(d->arena, d->n->chosen, d->n->n_chosen,
	    sizeof(*d->n->chosen));
	d->n->chosen[d->n->n_chosen++] = plain(d, name);
}

static struct str
name_in(struct str tool)
{
	struct str f = json_get(tool, S("function"));

	return json_get(f.n ? f : json_get(tool, S("custom")), S("name"));
}

/* In the old way: none, auto, or the name of a function. */
static bool
function_call(struct openai_decoding *d, struct str value)
{
	struct str word = inside(value), name = json_get(value, S("name"));

	if (word.n)
		d->n->choice = str_eq(word, S("none")) ? CHOICE_NONE :
		    CHOICE_AUTO;
	if (json_kind(value) != JSON_IS_OBJECT)
		return true;
	d->n->choice = CHOICE_NAMED;
	d->n->n_chosen = 0;
	chosen(d, name);
	return d->n->chosen[0].n || refuse(d, FAULT_BAD_REQUEST,
	    "function_call", "'function_call' must name a function.");
}

/* By a word; some have "any" for required. */
static bool
choice_word(struct openai_decoding *d, struct str word)
{
	d->n->choice = str_eq(word, S("none")) ? CHOICE_NONE :
	    str_eq(word, S("required")) || str_eq(word, S("any")) ?
	    CHOICE_REQUIRED : CHOICE_AUTO;
	return d->n->choice != CHOICE_AUTO || str_eq(word, S("auto")) ||
	    refuse(d, FAULT_UNSUPPORTED_VALUE, "tool_choice",
	    "'tool_choice' must be none, auto, required or a tool for this "
	    "model.");
}

static bool
tool_choice(struct openai_decoding *d, struct str value)
{
	struct str word = inside(value), allowed;

	if (word.n)
		return choice_word(d, word);
	if (json_kind(value) != JSON_IS_OBJECT)
		return true;
	allowed = json_get(value, S("allowed_tools"));
	d->n->n_chosen = 0;
	if (json_kind(allowed) != JSON_IS_OBJECT) {
		d->n->choice = CHOICE_NAMED;
		chosen(d, name_in(value));
		return d->n->chosen[0].n || refuse(d, FAULT_BAD_REQUEST,
		    "tool_choice", "'tool_choice' must name a function.");
	}
	d->n->choice = str_eq(inside(json_get(allowed, S("mode"))),
	    S("required")) ? CHOICE_ALLOWED_REQUIRED : CHOICE_ALLOWED_AUTO;
	for (struct json_each m = json_each(json_get(allowed, S("tools")));
	    json_next(&m);) {
		chosen(d, name_in(m.value));
		if (!d->n->chosen[d->n->n_chosen - 1].n)
			return refuse(d, FAULT_BAD_REQUEST, "tool_choice",
			    "Each of the tools that 'tool_choice' allows "
			    "needs a name.");
	}
	return true;
}

/* --- The other members ---------------------------------------------------- */

static bool
response_format(struct openai_decoding *d, struct str value)
{
	struct str type = inside(json_get(value, S("type")));
	struct str s = json_get(value, S("json_schema"));

	if (str_eq(type, S("json_object")))
		d->n->format = FORMAT_JSON;
	if (type.n && !str_eq(type, S("json_object")) &&
	    !str_eq(type, S("json_schema")) && !str_eq(type, S("text")))
		return refuse(d, FAULT_UNSUPPORTED_VALUE, "response_format",
		    "'response_format' must be of type text, json_object or "
		    "json_schema for this model.");
	if (!str_eq(type, S("json_schema")))
		return true;
	d->n->format = FORMAT_SCHEMA;
	d->n->schema = json_get(s, S("schema"));
	d->n->schema_name = inside(json_get(s, S("name")));
	d->n->schema_description = inside(json_get(s, S("description")));
	d->n->schema_strict = tri_of(json_get(s, S("strict")));
	return json_kind(d->n->schema) == JSON_IS_OBJECT || refuse(d,
	    FAULT_BAD_REQUEST, "response_format",
	    "'response_format' of type json_schema needs a schema.");
}

static bool
stop(struct openai_decoding *d, struct str value)
{
	struct neutral *n = d->n;

	n->n_stops = 0;		/* it may stand there twice: the last counts */
	if (json_kind(value) == JSON_IS_STRING) {
		n->stops[n->n_stops++] = inside(value);
		return true;
	}
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (n->n_stops == NEUTRAL_STOPS)
			return refuse(d, FAULT_UNSUPPORTED_VALUE, "stop",
			    "'stop' has more than 16 sequences: this model "
			    "takes fewer.");
		if (inside(m.value).n)
			n->stops[n->n_stops++] = inside(m.value);
	}
	return true;
}

/* --- Reasoning, in all the ways that it is said --------------------------- */

static void
say_effort(struct openai_decoding *d, struct str word)
{
	enum effort e = effort_of(word);

	if (e == EFFORT_UNSAID)
		return;
	d->n->effort = e;
	if (d->n->want_reasoning == UNSAID)
		d->n->want_reasoning = YES;
}

/* On, with so many tokens, or as it likes; 0 of them are off. */
static void
say_tokens(struct openai_decoding *d, struct str value)
{
	int64_t most = -1;

	if (json_kind(value) == JSON_IS_NUMBER && json_int(value, &most) &&
	    most == 0) {
		d->n->effort = EFFORT_NONE;
		return;
	}
	d->n->budget = most > 0 ? most : -1;
	if (d->n->want_reasoning == UNSAID)
		d->n->want_reasoning = YES;
}

/* A switch, and tokens that may be said without it. */
static void
say_switch(struct openai_decoding *d, enum tri on, struct str tokens)
{
	if (on == NO)
		d->n->effort = EFFORT_NONE;
	else if (on == YES || json_kind(tokens) == JSON_IS_NUMBER)
		say_tokens(d, tokens);
}

/* {effort, max_tokens, enabled, exclude}: OpenRouter. */
static void
say_object(struct openai_decoding *d, struct str value)
{
	enum tri on = tri_of(json_get(value, S("enabled")));

	if (json_kind(value) != JSON_IS_OBJECT)
		return;
	if (tri_of(json_get(value, S("exclude"))) == YES)
		d->n->want_reasoning = NO;
	say_switch(d, on, json_get(value, S("max_tokens")));
	if (on != NO)
		say_effort(d, inside(json_get(value, S("effort"))));
}

/* {type, budget_tokens}: DeepSeek, Moonshot, Zhipu and others. */
static void
say_thinking(struct openai_decoding *d, struct str value)
{
	struct str type = inside(json_get(value, S("type")));

	if (str_eq(type, S("adaptive")))
		d->n->adaptive = true;
	say_switch(d, str_eq(type, S("disabled")) ? NO :
	    str_eq(type, S("enabled")) ? YES : UNSAID,
	    json_get(value, S("budget_tokens")));
}

/* {thinking_budget, thinking_level, include_thoughts}: Google. */
static void
say_config(struct openai_decoding *d, struct str value)
{
	struct str level = plain(d, json_get(value, S("thinking_level")));
	struct buf lower = BUF(d->arena, 16);

	for (size_t i = 0; i < level.n; i++)
		buf_char(&lower, (char)(level.p[i] | 0x20));
	if (tri_of(json_get(value, S("include_thoughts"))) != UNSAID)
		d->n->want_reasoning = tri_of(json_get(value,
		    S("include_thoughts")));
	say_switch(d, UNSAID, json_get(value, S("thinking_budget")));
	say_effort(d, buf_str(&lower));
}

/* The later one counts: OpenAI's own. */
static void
reasoning(struct openai_decoding *d, struct str body)
{
	struct str google = json_get(json_get(body, S("extra_body")),
	    S("google"));

	say_config(d, json_get(google, S("thinking_config")));
	say_switch(d, tri_of(json_get(body, S("enable_thinking"))),
	    json_get(body, S("thinking_budget")));
	say_thinking(d, json_get(body, S("thinking")));
	say_object(d, json_get(body, S("reasoning")));
	say_effort(d, inside(json_get(body, S("reasoning_effort"))));
}

/* --- All members ---------------------------------------------------------- */

static bool
limit(struct openai_decoding *d, struct str value)
{
	return json_kind(value) == JSON_IS_NULL ||
	    json_int(value, &d->n->max_output);
}

static bool
modalities(struct openai_decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (str_eq(inside(m.value), S("audio")))
			d->n->audio_out = true;
	return true;
}

static const struct {
	struct str name;
	bool (*read)(struct openai_decoding *d, struct str value);
} members[] = {
	{ STR_INIT("modalities"), modalities },
	{ STR_INIT("messages"), openai_history },
	{ STR_INIT("tools"), tools },
	{ STR_INIT("functions"), functions },
	{ STR_INIT("function_call"), function_call },
	{ STR_INIT("tool_choice"), tool_choice },
	{ STR_INIT("response_format"), response_format },
	{ STR_INIT("stop"), stop },
	{ STR_INIT("max_tokens"), limit },
};

/* What only those who have it could do with it. */
static void
hints(struct openai_decoding *d, struct str body)
{
	static const char *const list[] = { "prediction", "moderation",
		"min_p", "repetition_penalty" };

	for (size_t i = 0; i < countof(list); i++)
		if (json_kind(json_get(body, str_of(list[i]))) > JSON_IS_NULL)
			neutral_hint(d->n, list[i]);
}

/* Members that cross as they are spelt. */
static bool
slices(struct openai_decoding *d, struct str body)
{
	struct neutral *n = d->n;
	const struct {
		const char *name;
		struct str *to;
		enum json_kind kind;
	} list[] = {
		{ "temperature", &n->temperature, JSON_IS_NUMBER },
		{ "top_p", &n->top_p, JSON_IS_NUMBER },
		{ "top_k", &n->top_k, JSON_IS_NUMBER },
		{ "seed", &n->seed, JSON_IS_NUMBER },
		{ "presence_penalty", &n->presence_penalty, JSON_IS_NUMBER },
		{ "frequency_penalty", &n->frequency_penalty,
		    JSON_IS_NUMBER },
		{ "top_logprobs", &n->top_logprobs, JSON_IS_NUMBER },
		{ "logit_bias", &n->logit_bias, JSON_IS_OBJECT },
		{ "metadata", &n->metadata, JSON_IS_OBJECT },
		{ "web_search_options", &n->web_search, JSON_IS_OBJECT },
	};

	for (size_t i = 0; i < countof(list); i++) {
		struct str v = json_get(body, str_of(list[i].name));

		if (json_kind(v) == list[i].kind)
			*list[i].to = v;
		else if (json_kind(v) > JSON_IS_NULL)
			return refuse(d, FAULT_BAD_REQUEST, list[i].name,
			    list[i].kind == JSON_IS_NUMBER ?
			    "This member must be a number." :
			    "This member must be an object.");
	}
	n->logprobs = json_yes(json_get(body, S("logprobs")));
	n->parallel = tri_of(json_get(body, S("parallel_tool_calls")));
	n->store = tri_of(json_get(body, S("store")));
	n->verbosity = plain(d, json_get(body, S("verbosity")));
	n->tier = plain(d, json_get(body, S("service_tier")));
	n->cache_key = inside(json_get(body, S("prompt_cache_key")));
	n->end_user = plain(d, json_get(body, S("safety_identifier")));
	if (!n->end_user.n)
		n->end_user = plain(d, json_get(body, S("user")));
	return true;
}

bool
openai_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f)
{
	struct openai_decoding d = { .arena = a, .n = out, .fault = f,
		.history = "messages" };
	struct str completion;

	body = str_trim(body);
	completion = json_get(body, S("max_completion_tokens"));
	*out = (struct neutral){ .arena = a, .max_output = -1 };
	out->model = plain(&d, json_get(body, S("model")));
	out->stream = json_yes(json_get(body, S("stream")));
	json_int(json_get(body, S("n")), &out->n);
	for (struct json_each m = json_each(body); json_next(&m);)
		for (size_t i = 0; i < countof(members); i++)
			if (json_name_is(m.name, members[i].name) &&
			    !members[i].read(&d, m.value))
				return false;
	if (!slices(&d, body))
		return false;
	reasoning(&d, body);
	hints(&d, body);
	/* The newer name wins. */
	json_int(completion, &out->max_output);
	return neutral_pair(out, f);
}
