/* SPDX-License-Identifier: MIT */
/*
 * gemini_encode.c - the neutral form as a generateContent request.
 *
 * Members in a fixed order, so that the same request makes the same bytes and
 * the upstream's cache of prompts is hit.  The model and the stream stand in
 * the path.  What fit.h left is written as it stands.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/fit.h"
#include "handlers/dialect/gemini_neutral.h"
#include "handlers/dialect/turns.h"

enum {
	GEMINI_NAME = 63,	/* bytes of a name, but for one in front */
	BUDGET_MOST = 24576,	/* tokens of thought that all models take */
	BUDGET_LEAST = 128	/* of those that always think */
};

static const struct words generate_words = {
	.temperature_most = 2, .stop_most = 5, .user_bytes = 64,
	.numbers = true, .top_k = true, .blank_stops = true,
	.json_object = true,
};

struct encoding {
	struct arena *arena;
	const struct neutral *n;	/* as it fits the target */
	const struct target *t;
	struct buf *out;
	struct fitting fit;
	struct turn *turns;
	size_t n_turns;
	struct reasoning r;
	bool config;		/* generationConfig was begun */
};

static bool
refuse(struct encoding *e, const char *param, const char *words)
{
	fault_set(e->fit.fault, e->arena, FAULT_UNSUPPORTED_VALUE, "%s",
	    words);
	e->fit.fault->param = str_of(param);
	return false;
}

/* --- Names ---------------------------------------------------------------- */

/* They begin with a letter or an underscore. */
struct str
gemini_name(struct arena *a, struct str plain)
{
	struct str name = neutral_name(a, plain, GEMINI_NAME);
	bool digit = name.n && (name.p[0] == '-' ||
	    (name.p[0] >= '0' && name.p[0] <= '9'));

	return digit ? ARENA_JOIN(a, S("_"), name) : name;
}

const struct tool *
gemini_tool(struct arena *a, const struct neutral *n, struct str name)
{
	const struct tool *t = neutral_tool(n, name, GEMINI_NAME);

	if (t || !n || !str_starts(name, S("_")))
		return t;
	t = neutral_tool(n, str_skip(name, 1), GEMINI_NAME);
	return t && str_eq(gemini_name(a, t->name), name) ? t : NULL;
}

/* --- Instructions and tools ----------------------------------------------- */

static void
put_system(struct encoding *e)
{
	bool first = true;

	for (size_t i = 0; i < e->n->n_system; i++) {
		const struct block *b = &e->n->system[i];

		if (neutral_is_blank(b->text))
			continue;
		buf_put(e->out, first ?
		    S(",\"systemInstruction\":{\"parts\":[{\"text\":") :
		    S(",{\"text\":"));
		buf_raw(e->out, b->text);
		buf_char(e->out, '}');
		first = false;
	}
	if (!first)
		buf_put(e->out, S("]}"));
}

/* The description, and examples for who knows no better place for them. */
static void
put_description(struct encoding *e, const struct tool *t)
{
	bool first = t->description.n == 0;

	if (first && t->examples.n == 0)
		return;
	buf_put(e->out, S(",\"description\":\""));
	buf_put(e->out, t->description);
	for (struct json_each m = json_each(t->examples); json_next(&m);) {
		buf_put(e->out, first ? S("Example: ") : S("\\nExample: "));
		buf_put(e->out, neutral_raw(e->arena, m.value));
		first = false;
	}
	buf_char(e->out, '"');
}

/* Has it properties?  Without any there is nothing to be said. */
static bool
says(struct str schema)
{
	struct json_each m = json_each(json_get(schema, S("properties")));
	struct json_each n = json_each(schema);
	size_t others = 0;

	while (json_next(&n))
		others += !str_eq(n.name, S("type")) &&
		    !str_eq(n.name, S("properties")) &&
		    !str_eq(n.name, S("required")) &&
		    !str_eq(n.name, S("$schema")) &&
		    !str_eq(n.name, S("additionalProperties"));
	return json_next(&m) || others;
}

static bool
put_tool(struct encoding *e, const struct tool *t)
{
	if (t->kind == TOOL_SERVER)
		return refuse(e, "tools", "A tool that the provider runs is "
		    "not available for this model.");
	buf_put(e->out, S("{\"name\":"));
	buf_json(e->out, gemini_name(e->arena, t->name));
	put_description(e, t);
	if (t->kind == TOOL_CUSTOM) {
		buf_put(e->out, S(",\"parametersJsonSchema\":{\"type\":"
		    "\"object\",\"properties\":{\"input\":{\"type\":"
		    "\"string\"}},\"required\":[\"input\"]}"));
	} else if (says(t->schema)) {
		buf_put(e->out, S(",\"parametersJsonSchema\":"));
		gemini_schema_write(e->arena, t->schema, e->out);
	}
	buf_char(e->out, '}');
	return true;
}

static bool
any_strict(const struct neutral *n)
{
	for (size_t i = 0; i < n->n_tools; i++)
		if (n->tools[i].strict == YES)
			return true;
	return false;
}

static void
put_choice(struct encoding *e)
{
	const struct neutral *n = e->n;
	const char *mode = n->choice == CHOICE_NONE ? "NONE" :
	    n->choice == CHOICE_REQUIRED || n->choice == CHOICE_NAMED ?
	    "ANY" : any_strict(n) ? "VALIDATED" :
	    n->choice == CHOICE_AUTO ? "AUTO" : NULL;

	if (!mode)
		return;
	buf_printf(e->out, ",\"toolConfig\":{\"functionCallingConfig\":"
	    "{\"mode\":\"%s\"", mode);
	if (n->choice == CHOICE_NAMED) {
		buf_put(e->out, S(",\"allowedFunctionNames\":["));
		buf_json(e->out, gemini_name(e->arena, n->chosen[0]));
		buf_char(e->out, ']');
	}
	buf_put(e->out, S("}}"));
}

static bool
put_tools(struct encoding *e)
{
	for (size_t i = 0; i < e->n->n_tools; i++) {
		buf_put(e->out, i ? S(",") :
		    S(",\"tools\":[{\"functionDeclarations\":["));
		if (!put_tool(e, &e->n->tools[i]))
			return false;
	}
	if (e->n->n_tools) {
		buf_put(e->out, S("]}]"));
		put_choice(e);
	}
	return true;
}

/* --- How it is made ------------------------------------------------------- */

static void
config(struct encoding *e, const char *name)
{
	buf_printf(e->out, e->config ? ",\"%s\":" :
	    ",\"generationConfig\":{\"%s\":", name);
	e->config = true;
}

static void
put_slice(struct encoding *e, const char *name, struct str value)
{
	if (value.n) {
		config(e, name);
		buf_put(e->out, value);
	}
}

static void
put_sampling(struct encoding *e)
{
	const struct neutral *n = e->n;

	put_slice(e, "temperature", n->temperature);
	put_slice(e, "topP", n->top_p);
	put_slice(e, "topK", n->top_k);
	if (n->n > 1) {
		config(e, "candidateCount");
		buf_int(e->out, n->n);
	}
	if (n->max_output >= 0) {
		config(e, "maxOutputTokens");
		buf_int(e->out, n->max_output);
	}
	for (size_t i = 0; i < n->n_stops; i++) {
		if (i == 0)
			config(e, "stopSequences");
		buf_put(e->out, i ? S(",") : S("["));
		buf_raw(e->out, n->stops[i]);
	}
	if (n->n_stops)
		buf_char(e->out, ']');
	put_slice(e, "seed", n->seed);
	put_slice(e, "presencePenalty", n->presence_penalty);
	put_slice(e, "frequencyPenalty", n->frequency_penalty);
	if (n->logprobs) {
		config(e, "responseLogprobs");
		buf_put(e->out, S("true"));
		put_slice(e, "logprobs", n->top_logprobs);
	}
}

static void
put_format(struct encoding *e)
{
	const struct neutral *n = e->n;

	if (n->format == FORMAT_TEXT)
		return;
	config(e, "responseMimeType");
	buf_put(e->out, S("\"application/json\""));
	if (n->format != FORMAT_SCHEMA)
		return;
	config(e, "responseJsonSchema");
	gemini_schema_write(e->arena, n->schema, e->out);
}

/* The lowest that it has. */
static enum effort
lowest(const struct target *t)
{
	for (int i = EFFORT_MINIMAL; i < N_EFFORTS; i++)
		if (reasoning_knows(t, (enum effort)i))
			return (enum effort)i;
	return EFFORT_LOW;
}

static void
put_level(struct encoding *e)
{
	enum effort effort = e->r.at == REASONING_OFF ? lowest(e->t) :
	    e->r.effort;
	static const char *const levels[N_EFFORTS] = {
		[EFFORT_MINIMAL] = "MINIMAL", [EFFORT_LOW] = "LOW",
		[EFFORT_MEDIUM] = "MEDIUM", [EFFORT_HIGH] = "HIGH",
		[EFFORT_XHIGH] = "HIGH", [EFFORT_MAX] = "HIGH",
	};

	if (levels[effort])
		buf_printf(e->out, ",\"thinkingLevel\":\"%s\"",
		    levels[effort]);
}

static void
put_budget(struct encoding *e)
{
	int64_t budget = e->r.budget;

	if (e->r.at == REASONING_OFF)
		budget = e->t->always_reasons ? BUDGET_LEAST : 0;
	else if (budget <= 0)
		budget = -1;	/* as it likes */
	else if (budget > BUDGET_MOST)
		budget = BUDGET_MOST;
	else if (budget < BUDGET_LEAST)
		budget = BUDGET_LEAST;
	buf_printf(e->out, ",\"thinkingBudget\":%lld", (long long)budget);
}

static bool
put_thinking(struct encoding *e)
{
	bool level = e->t->reasoning == REASONING_LEVEL;
	bool knows = level || e->t->reasoning == REASONING_BUDGET;
	bool on = e->r.at != REASONING_OFF || e->t->always_reasons;
	bool shown = e->n->want_reasoning == YES && on;

	if (!knows)
		return e->r.at != REASONING_ON ||
		    fit_drop(&e->fit, "reasoning");
	if (e->r.at == REASONING_UNSAID && !shown)
		return true;
	if (level && e->r.at == REASONING_OFF &&
	    !fit_drop(&e->fit, "reasoning"))
		return false;
	config(e, "thinkingConfig");
	buf_put(e->out, shown ? S("{\"includeThoughts\":true") :
	    S("{\"includeThoughts\":false"));
	if (e->r.at != REASONING_UNSAID && level)
		put_level(e);
	else if (e->r.at != REASONING_UNSAID)
		put_budget(e);
	buf_char(e->out, '}');
	return true;
}

static bool
put_config(struct encoding *e)
{
	put_sampling(e);
	put_format(e);
	if (!put_thinking(e))
		return false;
	if (e->config)
		buf_char(e->out, '}');
	if (e->n->tier.n && (str_eq(e->n->tier, S("flex")) ||
	    str_eq(e->n->tier, S("priority")))) {
		buf_put(e->out, S(",\"serviceTier\":"));
		buf_json(e->out, e->n->tier);
	}
	return true;
}

/* --- The request ---------------------------------------------------------- */

/* What all of its models have, and what none has. */
static struct target
known(const struct target *t)
{
	struct target own = *t;

	own.json_schema = true;
	own.service_tier = true;
	own.no_logit_bias = true;
	own.no_parallel = true;
	own.prefill = true;	/* for turns_alternate: any turn may be last */
	own.mid_system = false;
	own.reasoning_replay = false;
	return own;
}

static bool
prepare(struct encoding *e, struct neutral *own)
{
	bool form;

	own->own_signatures = false;	/* whatever they are, they are not
					 * this API's */
	if (!fit_request(&e->fit, own))
		return false;
	form = own->format != FORMAT_TEXT && own->n_tools &&
	    own->choice != CHOICE_NONE;
	if (form && !e->t->json_with_tools)
		return refuse(e, "response_format", "This model takes either "
		    "tools or a form for its answer, not both.");
	if (own->end_user.n && !fit_drop(&e->fit, "safety_identifier"))
		return false;
	if (own->max_output >= 0 && e->t->max_output &&
	    own->max_output > e->t->max_output)
		own->max_output = e->t->max_output;
	e->r = reasoning_of(own, e->t, own->max_output);
	return fit_sampling(&e->fit, own, e->r.at) &&
	    turns_alternate(e->arena, own, e->t, &e->turns, &e->n_turns,
	    e->fit.fault);
}

bool
gemini_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f)
{
	struct neutral own = *n;
	struct target all = known(t);
	struct encoding e = { .arena = a, .n = &own, .t = &all, .out = out,
		.fit = { a, &all, &generate_words, d, f } };

	if (!prepare(&e, &own))
		return false;
	buf_put(out, S("{\"contents\":"));
	if (!gemini_contents(a, e.turns, e.n_turns, &all, out, f))
		return false;
	put_system(&e);
	if (!put_tools(&e) || !put_config(&e))
		return false;
	buf_char(out, '}');
	return !out->full;
}
