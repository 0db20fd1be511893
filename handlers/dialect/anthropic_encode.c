/* SPDX-License-Identifier: MIT */
/*
 * anthropic_encode.c - the neutral form as a Messages request.
 *
 * Members in a fixed order, so that the same request makes the same bytes and
 * the upstream's cache of prompts is hit.  Always streamed: an answer that
 * was not asked so is folded.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic_neutral.h"
#include "handlers/dialect/fit.h"
#include "handlers/dialect/marks.h"
#include "handlers/dialect/turns.h"

enum {
	OUTPUT_DEFAULT = 4096,
	BUDGET_LEAST = 1024
};

static const struct words messages_words = {
	.temperature_most = 1, .user_bytes = 256, .top_k = true,
	.schema_tool = true, .cool = true,
};

struct encoding {
	struct arena *arena;
	const struct neutral *n;	/* as it fits the target */
	const struct target *t;
	struct buf *out;
	struct fitting fit;
	int64_t most;		/* max_tokens */
	struct marked m;	/* what is sent */
	bool as_tool;		/* the schema of the answer is a tool */
	struct reasoning r;
	bool thinks;
};

/* --- Messages ------------------------------------------------------------- */

static bool
put_messages(struct encoding *e)
{
	static const char *const roles[] = { "user", "assistant", "system" };

	buf_put(e->out, S(",\"messages\":["));
	for (size_t i = 0; i < e->m.n_turns; i++) {
		const struct turn *t = &e->m.turns[i];

		buf_printf(e->out, "%s{\"role\":\"%s\",\"content\":",
		    i ? "," : "", roles[t->role]);
		if (!anthropic_blocks(e->arena, t, e->n->own_signatures,
		    e->t, e->out, e->fit.fault))
			return false;
		buf_char(e->out, '}');
	}
	buf_char(e->out, ']');
	return true;
}

static void
put_text(struct encoding *e, struct str raw, enum cache_mark mark)
{
	buf_put(e->out, S("{\"type\":\"text\",\"text\":"));
	buf_raw(e->out, raw);
	anthropic_mark(e->out, mark);
	buf_char(e->out, '}');
}

static void
put_system(struct encoding *e)
{
	bool first = true;

	for (size_t i = 0; i < e->m.n_system; i++) {
		const struct block *b = &e->m.system[i];

		if (neutral_is_blank(b->text))
			continue;
		buf_put(e->out, first ? S(",\"system\":[") : S(","));
		first = false;
		put_text(e, b->text, b->cache);
	}
	if (!first)
		buf_char(e->out, ']');
}

/* --- Tools ---------------------------------------------------------------- */

static void
put_schema(struct encoding *e, const struct tool *t, bool strict)
{
	if (t->kind == TOOL_CUSTOM) {
		buf_put(e->out, S("{\"type\":\"object\",\"properties\":"
		    "{\"input\":{\"type\":\"string\"}},\"required\":"
		    "[\"input\"]}"));
	} else if (t->schema.n == 0) {
		buf_put(e->out, S("{\"type\":\"object\",\"properties\":{}}"));
	} else if (strict) {
		anthropic_schema(e->arena, t->schema, e->out);
	} else if (anthropic_is_choice(t->schema)) {
		anthropic_merge(e->arena, t->schema, e->out);
	} else if (json_get(t->schema, S("type")).n) {
		buf_put(e->out, t->schema);
	} else {
		struct json_each m = json_each(t->schema);

		buf_put(e->out, S("{\"type\":\"object\""));
		if (json_next(&m))
			buf_char(e->out, ',');
		buf_put(e->out, str_skip(t->schema, 1));
	}
}

static bool
put_tool(struct encoding *e, const struct tool *t)
{
	bool strict = t->strict == YES;

	if (t->kind == TOOL_SERVER && !e->n->own_signatures) {
		fault_set(e->fit.fault, e->arena, FAULT_UNSUPPORTED_VALUE,
		    "A tool that the provider runs is not available for this "
		    "model.");
		e->fit.fault->param = S("tools");
		return false;
	}
	if (t->kind == TOOL_SERVER) {
		buf_put(e->out, t->raw);
		return true;
	}
	buf_put(e->out, S("{\"name\":"));
	buf_json(e->out, neutral_name(e->arena, t->name, ANTHROPIC_NAME));
	if (t->description.n) {
		buf_put(e->out, S(",\"description\":"));
		buf_raw(e->out, t->description);
	}
	buf_put(e->out, S(",\"input_schema\":"));
	put_schema(e, t, strict);
	if (strict)
		buf_put(e->out, S(",\"strict\":true"));
	if (t->examples.n) {
		buf_put(e->out, S(",\"input_examples\":"));
		buf_put(e->out, t->examples);
	}
	anthropic_mark(e->out, t->cache);
	buf_char(e->out, '}');
	return true;
}

static bool
is_forced(const struct encoding *e)
{
	enum choice c = e->n->choice;

	return e->as_tool || c == CHOICE_REQUIRED || c == CHOICE_NAMED;
}

static void
put_choice(struct encoding *e)
{
	const struct neutral *n = e->n;
	bool one = n->parallel == NO;

	if (n->choice == CHOICE_NONE) {
		buf_put(e->out, S(",\"tool_choice\":{\"type\":\"none\"}"));
		return;
	}
	if (n->choice == CHOICE_UNSAID && !one)
		return;
	if (n->choice == CHOICE_NAMED) {
		buf_put(e->out, S(",\"tool_choice\":{\"type\":\"tool\","
		    "\"name\":"));
		buf_json(e->out, neutral_name(e->arena, n->chosen[0],
		    ANTHROPIC_NAME));
	} else {
		buf_printf(e->out, ",\"tool_choice\":{\"type\":\"%s\"",
		    is_forced(e) ? "any" : "auto");
	}
	buf_put(e->out, one ? S(",\"disable_parallel_tool_use\":true}") :
	    S("}"));
}

static bool
put_tools(struct encoding *e)
{
	if (e->as_tool) {
		struct tool t = { .name = NEUTRAL_JSON_TOOL,
			.description = S("The answer, in the form that is "
			    "asked for."), .schema = e->n->schema };

		buf_put(e->out, S(",\"tools\":["));
		put_tool(e, &t);
		buf_put(e->out, e->t->choices == CHOICES_ANY ?
		    S("],\"tool_choice\":{\"type\":\"any\"}") :
		    S("],\"tool_choice\":{\"type\":\"tool\","
		    "\"name\":\"json\"}"));
		return true;
	}
	for (size_t i = 0; i < e->m.n_tools; i++) {
		buf_put(e->out, i ? S(",") : S(",\"tools\":["));
		if (!put_tool(e, &e->m.tools[i]))
			return false;
	}
	if (e->m.n_tools) {
		buf_char(e->out, ']');
		put_choice(e);
	}
	return true;
}

/* --- Reasoning ------------------------------------------------------------ */

/* Is a turn with calls going on whose thoughts nobody kept?  With a budget
 * such a one is refused. */
static bool
lost_thoughts(const struct encoding *e)
{
	const struct turn *t;

	if (e->m.n_turns < 2 ||
	    e->m.turns[e->m.n_turns - 1].blocks[0].kind != BLOCK_RESULT)
		return false;
	t = &e->m.turns[e->m.n_turns - 2];
	return t->role == ROLE_ASSISTANT &&
	    t->blocks[0].kind != BLOCK_REASONING;
}

static bool
is_budget(const struct target *t)
{
	return t->reasoning == REASONING_BUDGET ||
	    t->reasoning == REASONING_THINKING;
}

/* What is decided about thinking, before anything is written. */
static bool
decide_thinking(struct encoding *e)
{
	const struct target *t = e->t;
	bool can = t->reasoning == REASONING_ADAPTIVE || is_budget(t);

	e->r = reasoning_of(e->n, t, e->most);
	if (e->r.at == REASONING_UNSAID)
		return true;
	if (e->r.at == REASONING_OFF)
		return !t->always_reasons || fit_drop(&e->fit, "reasoning");
	if (t->reasoning == REASONING_EFFORT)
		return true;
	/* A call cannot be forced while it thinks. */
	if (is_forced(e))
		can = e->n->own_signatures && !e->as_tool && can;
	if (is_budget(t))
		can = can && e->r.budget >= BUDGET_LEAST && !lost_thoughts(e);
	e->thinks = can;
	return can || fit_drop(&e->fit, "reasoning");
}

/* Some think unless they are told not to. */
static bool
is_told_not_to(const struct encoding *e)
{
	const struct target *t = e->t;

	return !e->thinks && !t->always_reasons &&
	    (t->reasoning == REASONING_ADAPTIVE ||
	    t->reasoning == REASONING_THINKING) &&
	    (e->r.at != REASONING_UNSAID || e->as_tool);
}

static void
put_thinking(struct encoding *e)
{
	const char *display = e->n->want_reasoning == YES ? "summarized" :
	    "omitted";

	if (e->thinks && is_budget(e->t))
		buf_printf(e->out, ",\"thinking\":{\"type\":\"enabled\","
		    "\"budget_tokens\":%lld,\"display\":\"%s\"}",
		    (long long)e->r.budget, display);
	else if (e->thinks)
		buf_printf(e->out, ",\"thinking\":{\"type\":\"adaptive\","
		    "\"display\":\"%s\"}", display);
	else if (is_told_not_to(e))
		buf_put(e->out, S(",\"thinking\":{\"type\":\"disabled\"}"));
}

/* How much is spent: on thoughts, and what is spent where there are none,
 * which is never more than high. */
static enum effort
effort_of_target(const struct encoding *e)
{
	const struct target *t = e->t;
	enum effort spend;

	if (e->r.at == REASONING_ON)
		return t->reasoning == REASONING_EFFORT ||
		    (e->thinks && (t->reasoning == REASONING_ADAPTIVE ||
		    (t->reasoning == REASONING_THINKING && t->efforts))) ?
		    e->r.effort : EFFORT_UNSAID;
	if (e->r.at != REASONING_OFF || t->reasoning != REASONING_ADAPTIVE)
		return EFFORT_UNSAID;
	spend = reasoning_effort(t, e->n->spend);
	return spend > EFFORT_HIGH ? EFFORT_HIGH : spend;
}

/* The effort, and the form of the answer. */
static void
put_output_config(struct encoding *e)
{
	enum effort effort = effort_of_target(e);
	bool schema = e->n->format == FORMAT_SCHEMA && !e->as_tool;

	if (effort == EFFORT_UNSAID && !schema)
		return;
	buf_put(e->out, S(",\"output_config\":{"));
	if (effort != EFFORT_UNSAID)
		buf_printf(e->out, "\"effort\":\"%s\"%s",
		    effort_names[effort], schema ? "," : "");
	if (schema) {
		buf_put(e->out, S("\"format\":{\"type\":\"json_schema\","
		    "\"schema\":"));
		anthropic_schema(e->arena, e->n->schema, e->out);
		buf_char(e->out, '}');
	}
	buf_char(e->out, '}');
}

/* --- The other members ---------------------------------------------------- */

static void
put_slice(struct encoding *e, const char *name, struct str value)
{
	if (value.n) {
		buf_printf(e->out, ",\"%s\":", name);
		buf_put(e->out, value);
	}
}

static void
put_sampling(struct encoding *e)
{
	const struct neutral *n = e->n;

	put_slice(e, "temperature", n->temperature);
	put_slice(e, "top_p", n->top_p);
	put_slice(e, "top_k", n->top_k);
	for (size_t i = 0; i < n->n_stops; i++) {
		buf_put(e->out, i ? S(",") : S(",\"stop_sequences\":["));
		buf_raw(e->out, n->stops[i]);
	}
	if (n->n_stops)
		buf_char(e->out, ']');
}

static void
put_user(struct encoding *e)
{
	if (e->n->end_user.n == 0)
		return;
	buf_put(e->out, S(",\"metadata\":{\"user_id\":"));
	buf_json(e->out, fit_user(&e->fit, e->n->end_user));
	buf_char(e->out, '}');
}

static void
put_tier(struct encoding *e)
{
	struct str tier = e->n->tier;

	if (str_eq(tier, S("auto")) || str_eq(tier, S("priority")) ||
	    str_eq(tier, S("fast")))
		buf_put(e->out, S(",\"service_tier\":\"auto\""));
	else if (tier.n)
		buf_put(e->out, S(",\"service_tier\":\"standard_only\""));
}

/* Copies of all that marks stand on. */
static bool
take_marked(struct encoding *e)
{
	const struct neutral *n = e->n;
	struct marked *m = &e->m;

	m->n_tools = n->n_tools;
	m->tools = arena_zero(e->arena, sizeof(*m->tools) * (n->n_tools + 1));
	if (n->n_tools)
		memcpy(m->tools, n->tools, sizeof(*m->tools) * n->n_tools);
	m->n_system = n->n_system;
	m->system = arena_zero(e->arena, sizeof(*m->system) *
	    (n->n_system + 1));
	if (n->n_system)
		memcpy(m->system, n->system, sizeof(*m->system) *
		    n->n_system);
	if (!turns_alternate(e->arena, n, e->t, &m->turns, &m->n_turns,
	    e->fit.fault))
		return false;
	if (e->t->cache_marks == CACHE_NONE)
		marks_strip(m);
	marks_trim(m);
	return true;
}

static bool
prepare(struct encoding *e, struct neutral *own)
{
	const struct target *t = e->t;

	if (!fit_request(&e->fit, own))
		return false;
	e->most = own->max_output >= 0 ? own->max_output : t->max_output ?
	    t->max_output : OUTPUT_DEFAULT;
	if (t->max_output && e->most > t->max_output)
		e->most = t->max_output;
	if (e->most < 1)
		e->most = 1;
	e->as_tool = fit_is_tool(&e->fit, own);
	return take_marked(e) && decide_thinking(e) && fit_sampling(&e->fit,
	    own, e->thinks ? REASONING_ON : e->r.at == REASONING_OFF &&
	    !t->always_reasons ? REASONING_OFF : REASONING_UNSAID);
}

bool
anthropic_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f)
{
	struct neutral own = *n;
	struct encoding e = { .arena = a, .n = &own, .t = t, .out = out,
		.fit = { a, t, &messages_words, d, f } };

	if (!prepare(&e, &own))
		return false;
	buf_put(out, S("{\"model\":"));
	buf_json(out, t->model);
	buf_printf(out, ",\"max_tokens\":%lld", (long long)e.most);
	put_system(&e);
	if (!put_messages(&e) || !put_tools(&e))
		return false;
	put_thinking(&e);
	put_output_config(&e);
	put_sampling(&e);
	put_user(&e);
	put_tier(&e);
	buf_put(out, S(",\"stream\":true}"));
	return !out->full;
}
