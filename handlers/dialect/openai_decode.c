/* SPDX-License-Identifier: MIT */
/*
 * openai_decode.c - a Chat Completions request into the neutral form.
 *
 * The body was read before (openai_request.c): control members are there once
 * and have the right types; what is looked at here for the first time is
 * checked here.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/openai_neutral.h"
#include "handlers/dialect/thoughts.h"

struct decoding {
	struct arena *arena;
	struct neutral *n;
	struct fault *fault;
	bool began;		/* a message that is no instruction came */
};

static bool
refuse(struct decoding *d, enum fault_kind kind, const char *param,
    const char *words)
{
	fault_set(d->fault, d->arena, kind, "%s", words);
	if (!d->fault->param.n)
		d->fault->param = str_of(param);
	return false;
}

static struct str
inside(struct str value)
{
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : (struct str){ NULL, 0 };
}

static struct str
plain(struct decoding *d, struct str value)
{
	return json_text(d->arena, value);
}

/* --- Parts of a content --------------------------------------------------- */

static enum cache_mark
mark_of(struct str part)
{
	struct str mark = json_get(part, S("cache_control"));
	struct str point = json_get(part, S("prompt_cache_breakpoint"));

	if (json_kind(mark) == JSON_IS_OBJECT)
		return str_eq(inside(json_get(mark, S("ttl"))), S("1h")) ?
		    CACHE_1H : CACHE_5M;
	return json_kind(point) == JSON_IS_OBJECT ? CACHE_5M : CACHE_NOT;
}

static bool
image(struct decoding *d, struct str part, struct block *b)
{
	struct str at = json_get(part, S("image_url"));
	struct str url = json_kind(at) == JSON_IS_OBJECT ?
	    json_get(at, S("url")) : at;

	if (json_kind(url) != JSON_IS_STRING)
		return refuse(d, FAULT_BAD_REQUEST, "messages",
		    "An image_url part needs a url.");
	b->source.detail = plain(d, json_get(at, S("detail")));
	url = plain(d, url);
	if (neutral_data_url(d->arena, url, &b->source))
		return true;
	if (str_starts_nocase(url, S("data:")))
		return refuse(d, FAULT_BAD_REQUEST, "messages",
		    "An image in a data URL must be base64.");
	b->source.kind = SOURCE_URL;
	b->source.raw = url;
	return true;
}

/* A PDF unless it says otherwise; a data URL or bare base64. */
static bool
file(struct decoding *d, struct str part, struct block *b)
{
	struct str f = json_get(part, S("file"));
	struct str data = plain(d, json_get(f, S("file_data")));
	struct str name = plain(d, json_get(f, S("filename")));

	if (data.n == 0)
		return refuse(d, FAULT_UNSUPPORTED, "messages",
		    "A file part needs its file_data here.");
	b->source.name = neutral_raw(d->arena, name);
	if (neutral_data_url(d->arena, data, &b->source))
		return true;
	b->source.kind = SOURCE_DATA;
	b->source.mime = S("application/pdf");
	return neutral_base64(d->arena, data, &b->source.raw) || refuse(d,
	    FAULT_BAD_REQUEST, "messages", "The file_data of a file part must "
	    "be base64, or a data URL with it.");
}

static bool
audio(struct decoding *d, struct str part, struct block *b)
{
	struct str a = json_get(part, S("input_audio"));
	struct str format = plain(d, json_get(a, S("format")));

	b->source.kind = SOURCE_DATA;
	b->source.mime = ARENA_JOIN(d->arena, S("audio/"), format);
	return neutral_base64(d->arena, plain(d, json_get(a, S("data"))),
	    &b->source.raw) || refuse(d, FAULT_BAD_REQUEST, "messages",
	    "An input_audio part needs its data, as base64.");
}

static bool
part(struct decoding *d, struct turn *t, struct str p)
{
	struct str type = inside(json_get(p, S("type")));
	struct block *b;

	if (str_eq(type, S("text"))) {
		if (inside(json_get(p, S("text"))).n == 0) {
			/* Its mark goes to the block before it. */
			if (t->n && t->blocks[t->n - 1].cache == CACHE_NOT)
				t->blocks[t->n - 1].cache = mark_of(p);
			return true;
		}
		b = neutral_block(d->n, t, BLOCK_TEXT);
		b->text = inside(json_get(p, S("text")));
		b->cache = mark_of(p);
		return true;
	}
	if (str_eq(type, S("refusal"))) {
		neutral_block(d->n, t, BLOCK_REFUSAL)->text =
		    inside(json_get(p, S("refusal")));
		return true;
	}
	b = neutral_block(d->n, t, str_eq(type, S("image_url")) ? BLOCK_IMAGE :
	    str_eq(type, S("file")) ? BLOCK_DOC : BLOCK_AUDIO);
	b->cache = mark_of(p);
	if (b->kind == BLOCK_IMAGE)
		return image(d, p, b);
	if (b->kind == BLOCK_DOC)
		return file(d, p, b);
	return str_eq(type, S("input_audio")) ? audio(d, p, b) :
	    refuse(d, FAULT_UNSUPPORTED_VALUE, "messages",
	    "This kind of content part is not available for this model.");
}

static bool
content(struct decoding *d, struct turn *t, struct str value)
{
	if (json_kind(value) == JSON_IS_STRING) {
		if (value.n > 2)
			neutral_block(d->n, t, BLOCK_TEXT)->text =
			    inside(value);
		return true;
	}
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!part(d, t, m.value))
			return false;
	return true;
}

/* A mark on the whole message is its last block's. */
static void
mark_last(struct turn *t, struct str message)
{
	enum cache_mark mark = mark_of(message);

	if (mark != CACHE_NOT && t->n)
		t->blocks[t->n - 1].cache = mark;
}

/* --- Messages ------------------------------------------------------------- */

static bool
instructions(struct decoding *d, struct str message)
{
	struct turn t = { .role = ROLE_SYSTEM };

	if (!content(d, &t, json_get(message, S("content"))))
		return false;
	mark_last(&t, message);
	if (d->began) {
		if (t.n)
			*neutral_turn(d->n, ROLE_SYSTEM) = t;
		return true;
	}
	for (size_t i = 0; i < t.n; i++) {
		d->n->system = neutral_grow(d->arena, d->n->system,
		    d->n->n_system, sizeof(*d->n->system));
		d->n->system[d->n->n_system++] = t.blocks[i];
	}
	return true;
}

/* The text of a call's arguments as an object. */
static bool
arguments(struct decoding *d, struct str value, struct block *b)
{
	struct str text = str_trim(plain(d, value));
	struct json_error e;

	if (text.n == 0 || str_eq(text, S("null"))) {
		b->args = S("{}");
		return true;
	}
	b->args = text;
	return (json_valid(text, &e) &&
	    json_kind(text) == JSON_IS_OBJECT) || refuse(d,
	    FAULT_BAD_REQUEST, "messages", "The arguments of a tool call in "
	    "the history are no JSON object.");
}

static bool
call(struct decoding *d, struct turn *t, struct str value)
{
	struct block *b = neutral_block(d->n, t, BLOCK_CALL);
	struct str function = json_get(value, S("function"));
	struct str custom = json_get(value, S("custom"));

	b->id = plain(d, json_get(value, S("id")));
	if (json_kind(custom) == JSON_IS_OBJECT) {
		b->custom = true;
		b->name = plain(d, json_get(custom, S("name")));
		b->args = inside(json_get(custom, S("input")));
		return true;
	}
	b->name = plain(d, json_get(function, S("name")));
	return arguments(d, json_get(function, S("arguments")), b);
}

static bool
assistant(struct decoding *d, struct str message)
{
	struct turn *t = neutral_turn(d->n, ROLE_ASSISTANT);
	struct str refusal = json_get(message, S("refusal"));
	struct str calls = json_get(message, S("tool_calls"));
	struct str old = json_get(message, S("function_call"));

	openai_thoughts(d->n, t, message);
	if (!content(d, t, json_get(message, S("content"))))
		return false;
	if (inside(refusal).n)
		neutral_block(d->n, t, BLOCK_REFUSAL)->text = inside(refusal);
	for (struct json_each m = json_each(calls); json_next(&m);)
		if (!call(d, t, m.value))
			return false;
	if (json_kind(old) == JSON_IS_OBJECT) {
		struct block *b = neutral_block(d->n, t, BLOCK_CALL);

		b->name = plain(d, json_get(old, S("name")));
		b->id = arena_printf(d->arena, "call_%zu", d->n->n_turns);
		if (!arguments(d, json_get(old, S("arguments")), b))
			return false;
	}
	mark_last(t, message);
	return true;
}

/* Results one after another stand in one turn of the user. */
static bool
result(struct decoding *d, struct str message, bool old)
{
	struct turn *t = d->n->n_turns ? &d->n->turns[d->n->n_turns - 1] :
	    NULL;
	struct turn in = { .role = ROLE_USER };
	struct block *b;

	if (!content(d, &in, json_get(message, S("content"))))
		return false;
	if (!t || t->role != ROLE_USER || t->n == 0 ||
	    t->blocks[t->n - 1].kind != BLOCK_RESULT)
		t = neutral_turn(d->n, ROLE_USER);
	b = neutral_block(d->n, t, BLOCK_RESULT);
	b->id = old ? arena_printf(d->arena, "call_%zu", d->n->n_turns - 1) :
	    plain(d, json_get(message, S("tool_call_id")));
	b->inside = in.blocks;
	b->n_inside = in.n;
	b->cache = mark_of(message);
	return true;
}

static bool
message(struct decoding *d, struct str m)
{
	struct str role = inside(json_get(m, S("role")));

	if (str_eq(role, S("system")) || str_eq(role, S("developer")))
		return instructions(d, m);
	d->began = true;
	if (str_eq(role, S("assistant")))
		return assistant(d, m);
	if (str_eq(role, S("tool")) || str_eq(role, S("function")))
		return result(d, m, str_eq(role, S("function")));
	return content(d, neutral_turn(d->n, ROLE_USER),
	    json_get(m, S("content")));
}

static bool
messages(struct decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!message(d, m.value))
			return false;
	return true;
}

/* --- Tools ---------------------------------------------------------------- */

static enum tri
tri_of(struct str value)
{
	return json_kind(value) != JSON_IS_BOOL ? UNSAID :
	    json_yes(value) ? YES : NO;
}

static bool
tool(struct decoding *d, struct str value, bool bare)
{
	struct str type = inside(json_get(value, S("type")));
	bool custom = str_eq(type, S("custom"));
	struct str f = bare ? value : json_get(value, custom ? S("custom") :
	    S("function"));
	struct tool *t;

	if (!bare && !custom && !str_eq(type, S("function")))
		return refuse(d, FAULT_UNSUPPORTED_VALUE, "tools",
		    "Tools of other types than function and custom are not "
		    "available for this model.");
	d->n->tools = neutral_grow(d->arena, d->n->tools, d->n->n_tools,
	    sizeof(*t));
	t = &d->n->tools[d->n->n_tools++];
	*t = (struct tool){
		.kind = custom ? TOOL_CUSTOM : TOOL_FUNCTION,
		.name = plain(d, json_get(f, S("name"))),
		.description = inside(json_get(f, S("description"))),
		.schema = json_get(f, S("parameters")),
		.strict = tri_of(json_get(f, S("strict"))),
		.cache = mark_of(value),
		.raw = value,
	};
	if (json_kind(t->schema) != JSON_IS_OBJECT)
		t->schema = (struct str){ NULL, 0 };
	return t->name.n || refuse(d, FAULT_BAD_REQUEST, "tools",
	    "A tool needs a name.");
}

static bool
tools(struct decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!tool(d, m.value, false))
			return false;
	return true;
}

static bool
functions(struct decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!tool(d, m.value, true))
			return false;
	return true;
}

static void
chosen(struct decoding *d, struct str name)
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

static bool
tool_choice(struct decoding *d, struct str value)
{
	struct str word = inside(value), allowed;

	if (word.n) {
		d->n->choice = str_eq(word, S("none")) ? CHOICE_NONE :
		    str_eq(word, S("required")) ? CHOICE_REQUIRED :
		    CHOICE_AUTO;
		return true;
	}
	if (json_kind(value) != JSON_IS_OBJECT)
		return true;
	allowed = json_get(value, S("allowed_tools"));
	if (json_kind(allowed) != JSON_IS_OBJECT) {
		d->n->choice = CHOICE_NAMED;
		chosen(d, name_in(value));
		return d->n->chosen[0].n || refuse(d, FAULT_BAD_REQUEST,
		    "tool_choice", "'tool_choice' must name a function.");
	}
	d->n->choice = str_eq(inside(json_get(allowed, S("mode"))),
	    S("required")) ? CHOICE_ALLOWED_REQUIRED : CHOICE_ALLOWED_AUTO;
	for (struct json_each m = json_each(json_get(allowed, S("tools")));
	    json_next(&m);)
		chosen(d, name_in(m.value));
	return true;
}

/* --- The other members ---------------------------------------------------- */

static bool
response_format(struct decoding *d, struct str value)
{
	struct str type = inside(json_get(value, S("type")));
	struct str s = json_get(value, S("json_schema"));

	if (str_eq(type, S("json_object")))
		d->n->format = FORMAT_JSON;
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
stop(struct decoding *d, struct str value)
{
	struct neutral *n = d->n;

	n->n_stops = 0;		/* it may stand there twice: the last counts */
	if (json_kind(value) == JSON_IS_STRING) {
		n->stops[n->n_stops++] = inside(value);
		return true;
	}
	for (struct json_each m = json_each(value); json_next(&m);)
		if (n->n_stops < NEUTRAL_STOPS && inside(m.value).n)
			n->stops[n->n_stops++] = inside(m.value);
	return true;
}

static bool
reasoning_effort(struct decoding *d, struct str value)
{
	d->n->effort = effort_of(inside(value));
	if (d->n->effort != EFFORT_UNSAID && d->n->want_reasoning == UNSAID)
		d->n->want_reasoning = YES;
	return true;
}

/* What OpenRouter and others call it. */
static bool
reasoning(struct decoding *d, struct str value)
{
	int64_t most;

	reasoning_effort(d, json_get(value, S("effort")));
	if (json_int(json_get(value, S("max_tokens")), &most) && most > 0)
		d->n->budget = most;
	if (tri_of(json_get(value, S("enabled"))) == NO)
		d->n->effort = EFFORT_NONE;
	if (tri_of(json_get(value, S("exclude"))) == YES)
		d->n->want_reasoning = NO;
	return true;
}

static bool
thinking(struct decoding *d, struct str value)
{
	struct str type = inside(json_get(value, S("type")));
	int64_t most;

	if (str_eq(type, S("disabled")))
		d->n->effort = EFFORT_NONE;
	if (str_eq(type, S("adaptive")))
		d->n->adaptive = true;
	if (json_int(json_get(value, S("budget_tokens")), &most) && most > 0)
		d->n->budget = most;
	if (str_eq(type, S("enabled")))
		d->n->want_reasoning = YES;
	return true;
}

static bool
limit(struct decoding *d, struct str value)
{
	return json_kind(value) == JSON_IS_NULL ||
	    json_int(value, &d->n->max_output);
}

static bool
modalities(struct decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (str_eq(inside(m.value), S("audio")))
			d->n->audio_out = true;
	return true;
}

static const struct {
	struct str name;
	bool (*read)(struct decoding *d, struct str value);
} members[] = {
	{ STR_INIT("modalities"), modalities },
	{ STR_INIT("messages"), messages },
	{ STR_INIT("tools"), tools },
	{ STR_INIT("functions"), functions },
	{ STR_INIT("tool_choice"), tool_choice },
	{ STR_INIT("response_format"), response_format },
	{ STR_INIT("stop"), stop },
	{ STR_INIT("reasoning_effort"), reasoning_effort },
	{ STR_INIT("reasoning"), reasoning },
	{ STR_INIT("thinking"), thinking },
	{ STR_INIT("max_tokens"), limit },
};

/* Members that cross as they are spelt. */
static void
slices(struct decoding *d, struct str body)
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
}

bool
openai_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f)
{
	struct decoding d = { a, out, f, false };
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
	slices(&d, body);
	/* The newer name wins. */
	json_int(completion, &out->max_output);
	return neutral_pair(out, f);
}
