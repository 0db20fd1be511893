/* SPDX-License-Identifier: MIT */
/*
 * gemini_decode.c - a generateContent request into the neutral form.
 *
 * The body was read before (gemini_request.c): it is valid JSON and its
 * control members have the right types; what is looked at here for the first
 * time is checked here.  The model and the stream are the path's to say.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"
#include "handlers/dialect/gemini_neutral.h"

bool
gemini_decode_refuse(struct gemini_decoding *d, enum fault_kind kind,
    const char *param, const char *words)
{
	fault_set(d->fault, d->arena, kind, "%s", words);
	if (!d->fault->param.n)
		d->fault->param = str_of(param);
	return false;
}

static struct str
get(struct gemini_decoding *d, struct str object, struct str name)
{
	return gemini_get(d->arena, object, name);
}

/* --- Tables of members ---------------------------------------------------- */

struct member {
	struct str name;
	enum json_kind kind;
	bool (*read)(struct gemini_decoding *d, struct str value);
};

/* Null says nothing; a value of another kind is a mistake. */
static bool
read_members(struct gemini_decoding *d, struct str object,
    const struct member *list, size_t n)
{
	static const char *const kinds[] = {
		[JSON_IS_BOOL] = "true or false", [JSON_IS_NUMBER] =
		"a number", [JSON_IS_STRING] = "a string",
		[JSON_IS_ARRAY] = "a list", [JSON_IS_OBJECT] = "an object",
	};

	for (struct json_each m = json_each(object); json_next(&m);)
		for (size_t i = 0; i < n; i++) {
			if (!gemini_is(d->arena, m.name, list[i].name) ||
			    json_kind(m.value) == JSON_IS_NULL)
				continue;
			if (list[i].kind != JSON_IS_NONE &&
			    json_kind(m.value) != list[i].kind)
				return gemini_decode_refuse(d,
				    FAULT_BAD_REQUEST, list[i].name.p,
				    arena_printf(d->arena, "'%s' must be %s.",
				    list[i].name.p, kinds[list[i].kind]).p);
			if (!list[i].read(d, m.value))
				return false;
		}
	return true;
}

/* --- Instructions --------------------------------------------------------- */

static void
add_instruction(struct gemini_decoding *d, struct turn *t, struct str raw)
{
	if (raw.n)
		neutral_block(d->n, t, BLOCK_TEXT)->text = raw;
}

static bool
system_instruction(struct gemini_decoding *d, struct str value)
{
	struct turn t = { .role = ROLE_SYSTEM };
	struct str parts = get(d, value, S("parts"));

	if (json_kind(value) == JSON_IS_STRING)
		add_instruction(d, &t, gemini_inside(value));
	if (json_kind(parts) == JSON_IS_OBJECT)
		add_instruction(d, &t, gemini_inside(get(d, parts,
		    S("text"))));
	for (struct json_each m = json_each(parts); json_next(&m);) {
		struct str text = get(d, m.value, S("text"));

		if (m.object)
			break;
		if (json_kind(text) != JSON_IS_STRING)
			return gemini_decode_refuse(d, FAULT_UNSUPPORTED_VALUE,
			    "systemInstruction", "Only parts of text can "
			    "stand in 'systemInstruction' for this model.");
		add_instruction(d, &t, gemini_inside(text));
		if (!neutral_holds(d->n, d->fault))
			return false;
	}
	d->n->system = t.blocks;
	d->n->n_system = t.n;
	return true;
}

/* --- Tools ---------------------------------------------------------------- */

static bool
declaration(struct gemini_decoding *d, struct str value)
{
	struct str json = get(d, value, S("parametersJsonSchema"));
	struct str open = get(d, value, S("parameters"));
	struct tool *t;

	d->n->tools = neutral_grow(d->arena, d->n->tools, d->n->n_tools,
	    sizeof(*t));
	t = &d->n->tools[d->n->n_tools++];
	*t = (struct tool){
		.kind = TOOL_FUNCTION,
		.name = json_text(d->arena, get(d, value, S("name"))),
		.description = gemini_inside(get(d, value,
		    S("description"))),
		.raw = value,
	};
	if (json_kind(json) == JSON_IS_OBJECT)
		t->schema = json;
	else if (json_kind(open) == JSON_IS_OBJECT)
		t->schema = gemini_schema_read(d->arena, open);
	d->n->pieces++;
	if (t->name.n == 0)
		return gemini_decode_refuse(d, FAULT_BAD_REQUEST, "tools",
		    "Each of 'functionDeclarations' needs a 'name'.");
	return neutral_holds(d->n, d->fault);
}

static bool
tool(struct gemini_decoding *d, struct str value)
{
	struct str list = get(d, value, S("functionDeclarations"));

	for (struct json_each m = json_each(list); json_next(&m);)
		if (!m.object && !declaration(d, m.value))
			return false;
	return true;
}

static bool
tools(struct gemini_decoding *d, struct str value)
{
	if (json_kind(value) == JSON_IS_OBJECT)
		return tool(d, value);
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!tool(d, m.value))
			return false;
	return true;
}

static void
chosen(struct gemini_decoding *d, struct str names)
{
	struct neutral *n = d->n;

	for (struct json_each m = json_each(names); json_next(&m);) {
		struct str name = json_text(d->arena, m.value);

		if (!name.n)
			continue;
		n->chosen = neutral_grow(d->arena, n->chosen, n->n_chosen,
		    sizeof(name));
		n->chosen[n->n_chosen++] = name;
	}
}

static bool
tool_config(struct gemini_decoding *d, struct str value)
{
	struct str config = get(d, value, S("functionCallingConfig"));
	struct str mode = get(d, config, S("mode"));
	struct neutral *n = d->n;

	chosen(d, get(d, config, S("allowedFunctionNames")));
	if (gemini_word(mode, S("NONE")))
		n->choice = CHOICE_NONE;
	else if (gemini_word(mode, S("ANY")))
		n->choice = n->n_chosen == 1 ? CHOICE_NAMED : n->n_chosen ?
		    CHOICE_ALLOWED_REQUIRED : CHOICE_REQUIRED;
	else if (gemini_word(mode, S("AUTO")) ||
	    gemini_word(mode, S("VALIDATED")) || n->n_chosen)
		n->choice = n->n_chosen ? CHOICE_ALLOWED_AUTO : CHOICE_AUTO;
	return true;
}

/* --- How it is made ------------------------------------------------------- */

static bool
temperature(struct gemini_decoding *d, struct str value)
{
	d->n->temperature = value;
	return true;
}

static bool
top_p(struct gemini_decoding *d, struct str value)
{
	d->n->top_p = value;
	return true;
}

/* Whole ones, which may be spelt 40.0. */
static bool
top_k(struct gemini_decoding *d, struct str value)
{
	int64_t k;

	d->n->top_k = json_int(value, &k) ? arena_int(d->arena, k) : value;
	return true;
}

static bool
seed(struct gemini_decoding *d, struct str value)
{
	d->n->seed = value;
	return true;
}

static bool
presence(struct gemini_decoding *d, struct str value)
{
	d->n->presence_penalty = value;
	return true;
}

static bool
frequency(struct gemini_decoding *d, struct str value)
{
	d->n->frequency_penalty = value;
	return true;
}

static bool
max_output(struct gemini_decoding *d, struct str value)
{
	if (!json_int(value, &d->n->max_output) || d->n->max_output < 1)
		d->n->max_output = -1;
	return true;
}

static bool
choices(struct gemini_decoding *d, struct str value)
{
	json_int(value, &d->n->n);
	return true;
}

static bool
stops(struct gemini_decoding *d, struct str value)
{
	struct neutral *n = d->n;

	for (struct json_each m = json_each(value); json_next(&m);) {
		if (n->n_stops == NEUTRAL_STOPS)
			return gemini_decode_refuse(d,
			    FAULT_UNSUPPORTED_VALUE, "stopSequences",
			    "'stopSequences' takes at most 16 of them for "
			    "this model.");
		if (gemini_inside(m.value).n)
			n->stops[n->n_stops++] = gemini_inside(m.value);
	}
	return true;
}

static bool
logprobs(struct gemini_decoding *d, struct str value)
{
	d->n->logprobs = json_yes(value);
	return true;
}

static bool
top_logprobs(struct gemini_decoding *d, struct str value)
{
	d->n->top_logprobs = value;
	return true;
}

static bool
mime_type(struct gemini_decoding *d, struct str value)
{
	if (gemini_word(value, S("application/json"))) {
		if (d->n->format != FORMAT_SCHEMA)
			d->n->format = FORMAT_JSON;
		return true;
	}
	return gemini_word(value, S("text/plain")) || value.n == 2 ||
	    gemini_decode_refuse(d, FAULT_UNSUPPORTED_VALUE,
	    "responseMimeType", "'responseMimeType' is text/plain or "
	    "application/json for this model.");
}

static void
take_schema(struct gemini_decoding *d, struct str schema)
{
	d->n->format = FORMAT_SCHEMA;
	d->n->schema = schema;
	d->n->schema_name = S("response");
}

static bool
open_schema(struct gemini_decoding *d, struct str value)
{
	if (d->n->format != FORMAT_SCHEMA && !gemini_is_empty(value))
		take_schema(d, gemini_schema_read(d->arena, value));
	return true;
}

static bool
json_schema(struct gemini_decoding *d, struct str value)
{
	if (!gemini_is_empty(value))
		take_schema(d, value);
	return true;
}

/* [{"text":{"mimeType":…,"schema":…}}] */
static bool
response_format(struct gemini_decoding *d, struct str value)
{
	struct json_each m = json_each(value);
	struct str text, schema;

	if (json_kind(value) == JSON_IS_ARRAY && json_next(&m))
		value = m.value;
	text = get(d, value, S("text"));
	schema = get(d, text, S("schema"));
	if (json_kind(schema) == JSON_IS_OBJECT)
		return json_schema(d, schema);
	text = get(d, text, S("mimeType"));
	return !text.n || mime_type(d, text);
}

/* Unless it is asked for, thoughts are not shown. */
static bool
thinking(struct gemini_decoding *d, struct str value)
{
	struct str level = gemini_inside(get(d, value, S("thinkingLevel")));
	struct neutral *n = d->n;
	int64_t budget;

	if (json_yes(get(d, value, S("includeThoughts"))))
		n->want_reasoning = YES;
	if (str_eq_nocase(level, S("MINIMAL")))
		n->effort = EFFORT_MINIMAL;
	else if (str_eq_nocase(level, S("LOW")))
		n->effort = EFFORT_LOW;
	else if (str_eq_nocase(level, S("MEDIUM")))
		n->effort = EFFORT_MEDIUM;
	else if (str_eq_nocase(level, S("HIGH")))
		n->effort = EFFORT_HIGH;
	if (!json_int(get(d, value, S("thinkingBudget")), &budget))
		return true;
	if (budget == 0)
		n->effort = EFFORT_NONE;
	else if (budget > 0)
		n->budget = budget;
	return true;
}

static bool
hint(struct gemini_decoding *d, struct str value)
{
	(void)value;
	neutral_hint(d->n, "mediaResolution");
	return true;
}

static const struct member config_members[] = {
	{ STR_INIT("temperature"), JSON_IS_NUMBER, temperature },
	{ STR_INIT("topP"), JSON_IS_NUMBER, top_p },
	{ STR_INIT("topK"), JSON_IS_NUMBER, top_k },
	{ STR_INIT("seed"), JSON_IS_NUMBER, seed },
	{ STR_INIT("presencePenalty"), JSON_IS_NUMBER, presence },
	{ STR_INIT("frequencyPenalty"), JSON_IS_NUMBER, frequency },
	{ STR_INIT("maxOutputTokens"), JSON_IS_NUMBER, max_output },
	{ STR_INIT("candidateCount"), JSON_IS_NUMBER, choices },
	{ STR_INIT("stopSequences"), JSON_IS_ARRAY, stops },
	{ STR_INIT("responseLogprobs"), JSON_IS_BOOL, logprobs },
	{ STR_INIT("logprobs"), JSON_IS_NUMBER, top_logprobs },
	{ STR_INIT("responseMimeType"), JSON_IS_STRING, mime_type },
	{ STR_INIT("responseSchema"), JSON_IS_OBJECT, open_schema },
	{ STR_INIT("responseJsonSchema"), JSON_IS_OBJECT, json_schema },
	{ STR_INIT("responseFormat"), JSON_IS_NONE, response_format },
	{ STR_INIT("thinkingConfig"), JSON_IS_OBJECT, thinking },
	{ STR_INIT("mediaResolution"), JSON_IS_STRING, hint },
};

static bool
generation_config(struct gemini_decoding *d, struct str value)
{
	return read_members(d, value, config_members,
	    countof(config_members));
}

/* --- The request ---------------------------------------------------------- */

static bool
safety_settings(struct gemini_decoding *d, struct str value)
{
	if (!gemini_is_empty(value))
		neutral_hint(d->n, "safetySettings");
	return true;
}

static bool
service_tier(struct gemini_decoding *d, struct str value)
{
	if (gemini_word(value, S("flex")))
		d->n->tier = S("flex");
	else if (gemini_word(value, S("priority")))
		d->n->tier = S("priority");
	return true;
}

static bool
labels(struct gemini_decoding *d, struct str value)
{
	if (!gemini_is_empty(value))
		neutral_hint(d->n, "labels");
	return true;
}

static const struct member members[] = {
	{ STR_INIT("systemInstruction"), JSON_IS_NONE, system_instruction },
	{ STR_INIT("contents"), JSON_IS_ARRAY, gemini_history },
	{ STR_INIT("tools"), JSON_IS_NONE, tools },
	{ STR_INIT("toolConfig"), JSON_IS_OBJECT, tool_config },
	{ STR_INIT("generationConfig"), JSON_IS_OBJECT, generation_config },
	{ STR_INIT("safetySettings"), JSON_IS_ARRAY, safety_settings },
	{ STR_INIT("serviceTier"), JSON_IS_STRING, service_tier },
	{ STR_INIT("labels"), JSON_IS_OBJECT, labels },
};

bool
gemini_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f)
{
	struct gemini_decoding d = { .arena = a, .n = out, .fault = f };

	*out = (struct neutral){ .arena = a, .max_output = -1,
		.want_reasoning = NO };
	return read_members(&d, str_trim(body), members, countof(members)) &&
	    neutral_pair(out, f);
}
