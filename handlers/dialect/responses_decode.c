/* SPDX-License-Identifier: MIT */
/*
 * responses_decode.c - a Responses request into the neutral form.
 *
 * The body was read before (responses_request.c): control members are there
 * once and have the right types; what is looked at here for the first time is
 * checked here.  What needs an upstream that keeps things, or that knows this
 * API's own tools, is refused.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/responses_neutral.h"

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

static struct str
type_of(struct str value)
{
	return inside(json_get(value, S("type")));
}

static enum tri
tri_of(struct str value)
{
	return json_kind(value) != JSON_IS_BOOL ? UNSAID :
	    json_yes(value) ? YES : NO;
}

/* --- Tools ---------------------------------------------------------------- */

static bool
add_tool(struct openai_decoding *d, struct str value, enum tool_kind kind)
{
	struct str schema = json_get(value, S("parameters"));
	struct tool *t;

	d->n->tools = neutral_grow(d->arena, d->n->tools, d->n->n_tools,
	    sizeof(*t));
	t = &d->n->tools[d->n->n_tools++];
	d->n->pieces++;
	*t = (struct tool){
		.kind = kind,
		.name = plain(d, json_get(value, S("name"))),
		.description = inside(json_get(value, S("description"))),
		.strict = tri_of(json_get(value, S("strict"))),
		.raw = value,
	};
	if (json_kind(schema) == JSON_IS_OBJECT)
		t->schema = schema;
	if (t->name.n == 0)
		return refuse(d, FAULT_BAD_REQUEST, "tools",
		    "A tool needs a name.");
	return neutral_holds(d->n, d->fault);
}

/* Functions and custom tools; those of a namespace stand for themselves. */
static bool
tool(struct openai_decoding *d, struct str value, bool within)
{
	struct str type = type_of(value);

	if (str_eq(type, S("function")))
		return add_tool(d, value, TOOL_FUNCTION);
	if (str_eq(type, S("custom")))
		return add_tool(d, value, TOOL_CUSTOM);
	if (within || !str_eq(type, S("namespace")))
		return refuse(d, FAULT_UNSUPPORTED_VALUE, "tools",
		    "Tools of other types than function and custom are not "
		    "available for this model.");
	for (struct json_each m = json_each(json_get(value, S("tools")));
	    json_next(&m);)
		if (!tool(d, m.value, true))
			return false;
	return true;
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
choose(struct openai_decoding *d, struct str tool)
{
	struct str name = plain(d, json_get(tool, S("name")));

	d->n->chosen = neutral_grow(d->arena, d->n->chosen, d->n->n_chosen,
	    sizeof(*d->n->chosen));
	d->n->chosen[d->n->n_chosen++] = name;
	return name.n || refuse(d, FAULT_BAD_REQUEST, "tool_choice",
	    "Each tool that 'tool_choice' names needs its name.");
}

static bool
choose_allowed(struct openai_decoding *d, struct str value)
{
	d->n->choice = str_eq(inside(json_get(value, S("mode"))),
	    S("required")) ? CHOICE_ALLOWED_REQUIRED : CHOICE_ALLOWED_AUTO;
	for (struct json_each m = json_each(json_get(value, S("tools")));
	    json_next(&m);)
		if (!choose(d, m.value))
			return false;
	return true;
}

static bool
tool_choice(struct openai_decoding *d, struct str value)
{
	struct str word = inside(value), type = type_of(value);

	if (word.n)
		d->n->choice = str_eq(word, S("none")) ? CHOICE_NONE :
		    str_eq(word, S("required")) ? CHOICE_REQUIRED :
		    str_eq(word, S("auto")) ? CHOICE_AUTO : CHOICE_UNSAID;
	else if (str_eq(type, S("allowed_tools")))
		return choose_allowed(d, value);
	else if (str_eq(type, S("function")) || str_eq(type, S("custom"))) {
		d->n->choice = CHOICE_NAMED;
		return choose(d, value);
	}
	return d->n->choice != CHOICE_UNSAID ||
	    json_kind(value) == JSON_IS_NULL || refuse(d,
	    FAULT_UNSUPPORTED_VALUE, "tool_choice", "'tool_choice' must be "
	    "none, auto, required or a tool of yours for this model.");
}

/* --- The other members ---------------------------------------------------- */

static bool
text(struct openai_decoding *d, struct str value)
{
	struct str f = json_get(value, S("format")), type = type_of(f);

	d->n->verbosity = plain(d, json_get(value, S("verbosity")));
	if (str_eq(type, S("json_object")))
		d->n->format = FORMAT_JSON;
	if (!str_eq(type, S("json_schema")))
		return type.n == 0 || str_eq(type, S("text")) ||
		    str_eq(type, S("json_object")) || refuse(d,
		    FAULT_UNSUPPORTED_VALUE, "text", "'text.format' must be "
		    "of type text, json_object or json_schema for this "
		    "model.");
	d->n->format = FORMAT_SCHEMA;
	d->n->schema = json_get(f, S("schema"));
	d->n->schema_name = inside(json_get(f, S("name")));
	d->n->schema_description = inside(json_get(f, S("description")));
	d->n->schema_strict = tri_of(json_get(f, S("strict")));
	return json_kind(d->n->schema) == JSON_IS_OBJECT || refuse(d,
	    FAULT_BAD_REQUEST, "text",
	    "'text.format' of type json_schema needs a schema.");
}

static bool
reasoning(struct openai_decoding *d, struct str value)
{
	struct str summary = json_get(value, S("summary"));

	d->n->effort = effort_of(inside(json_get(value, S("effort"))));
	if (json_kind(summary) == JSON_IS_NONE)
		summary = json_get(value, S("generate_summary"));
	if (inside(summary).n)
		d->n->want_reasoning = YES;
	return true;
}

/* What proves thoughts is told anyway; other things there are none. */
static bool
include(struct openai_decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (str_eq(inside(m.value), S("message.output_text.logprobs")))
			d->n->logprobs = true;
	return true;
}

static bool
truncation(struct openai_decoding *d, struct str value)
{
	if (str_eq(inside(value), S("auto")))
		neutral_hint(d->n, "truncation");
	return true;
}

static bool
max_tool_calls(struct openai_decoding *d, struct str value)
{
	if (json_kind(value) == JSON_IS_NUMBER)
		neutral_hint(d->n, "max_tool_calls");
	return true;
}

static bool
instructions(struct openai_decoding *d, struct str value)
{
	struct str raw = inside(value);

	if (raw.n) {
		d->n->system = neutral_grow(d->arena, d->n->system,
		    d->n->n_system, sizeof(*d->n->system));
		d->n->system[d->n->n_system++] = (struct block){
			.kind = BLOCK_TEXT, .text = raw };
		return true;
	}
	/* Some give them as items. */
	return json_kind(value) != JSON_IS_ARRAY || responses_history(d,
	    value);
}

static const struct {
	struct str name;
	bool (*read)(struct openai_decoding *d, struct str value);
} members[] = {
	{ STR_INIT("tools"), tools },
	{ STR_INIT("tool_choice"), tool_choice },
	{ STR_INIT("text"), text },
	{ STR_INIT("reasoning"), reasoning },
	{ STR_INIT("include"), include },
	{ STR_INIT("truncation"), truncation },
	{ STR_INIT("max_tool_calls"), max_tool_calls },
};

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
		{ "top_logprobs", &n->top_logprobs, JSON_IS_NUMBER },
		{ "metadata", &n->metadata, JSON_IS_OBJECT },
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
	json_int(json_get(body, S("max_output_tokens")), &n->max_output);
	n->parallel = tri_of(json_get(body, S("parallel_tool_calls")));
	n->store = tri_of(json_get(body, S("store")));
	n->tier = plain(d, json_get(body, S("service_tier")));
	n->cache_key = inside(json_get(body, S("prompt_cache_key")));
	n->end_user = plain(d, json_get(body, S("safety_identifier")));
	if (!n->end_user.n)
		n->end_user = plain(d, json_get(body, S("user")));
	return true;
}

static bool
pair(struct openai_decoding *d)
{
	if (neutral_pair(d->n, d->fault))
		return true;
	d->fault->param = str_of(d->history);
	return false;
}

bool
responses_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f)
{
	struct openai_decoding d = { .arena = a, .n = out, .fault = f,
		.history = "input" };

	body = str_trim(body);
	*out = (struct neutral){ .arena = a, .max_output = -1 };
	out->model = plain(&d, json_get(body, S("model")));
	out->stream = json_yes(json_get(body, S("stream")));
	if (!instructions(&d, json_get(body, S("instructions"))) ||
	    !responses_history(&d, json_get(body, S("input"))))
		return false;
	for (struct json_each m = json_each(body); json_next(&m);)
		for (size_t i = 0; i < countof(members); i++)
			if (json_name_is(m.name, members[i].name) &&
			    json_kind(m.value) != JSON_IS_NULL &&
			    !members[i].read(&d, m.value))
				return false;
	return slices(&d, body) && pair(&d);
}
