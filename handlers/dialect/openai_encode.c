/* SPDX-License-Identifier: MIT */
/*
 * openai_encode.c - the neutral form as a Chat Completions request.
 *
 * Members in a fixed order, so that the same request makes the same bytes and
 * the upstream's cache of prompts is hit.  What fit.h left is written as it
 * stands.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/fit.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/openai_neutral.h"

static const struct words chat_words = {
	.temperature_most = 2, .stop_most = 4, .user_bytes = 64,
	.numbers = true, .blank_stops = true, .json_object = true,
};

static void
put_slice(struct openai_encoding *e, const char *name, struct str value)
{
	if (value.n) {
		buf_printf(e->out, ",\"%s\":", name);
		buf_put(e->out, value);
	}
}

/* --- What is cached ------------------------------------------------------- */

/* A breakpoint stands on what the user and the instructions say only. */
static void
move_breakpoints(struct marked *m)
{
	for (size_t i = 0; i < m->n_tools; i++)
		m->tools[i].cache = CACHE_NOT;
	for (size_t i = 0; i < m->n_turns; i++)
		for (size_t j = 0; j < m->turns[i].n; j++)
			if (m->turns[i].role == ROLE_ASSISTANT ||
			    m->turns[i].blocks[j].kind == BLOCK_RESULT)
				m->turns[i].blocks[j].cache = CACHE_NOT;
}

static void
fit_marks(const struct target *t, struct marked *m)
{
	if (t->cache_marks != CACHE_CONTROL &&
	    t->cache_marks != CACHE_BREAKPOINT)
		marks_strip(m);
	if (t->cache_marks == CACHE_BREAKPOINT)
		move_breakpoints(m);
	marks_trim(m);
}

/* Copies of all that marks stand on. */
static struct marked
marked_of(struct openai_encoding *e)
{
	const struct neutral *n = e->n;
	struct marked m = { .n_tools = n->n_tools, .n_system = n->n_system };

	m.tools = arena_zero(e->arena, sizeof(*m.tools) * (n->n_tools + 1));
	if (n->n_tools)
		memcpy(m.tools, n->tools, sizeof(*m.tools) * n->n_tools);
	m.system = arena_zero(e->arena, sizeof(*m.system) *
	    (n->n_system + 1));
	if (n->n_system)
		memcpy(m.system, n->system, sizeof(*m.system) * n->n_system);
	openai_turns(e->arena, n, e->t, &m.turns, &m.n_turns);
	fit_marks(e->t, &m);
	return m;
}

/* --- Tools ---------------------------------------------------------------- */

/* The description, and examples for who knows no better place for them. */
void
openai_description(struct openai_encoding *e, const struct tool *t)
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

static bool
put_tool(struct openai_encoding *e, const struct tool *t)
{
	if (t->kind == TOOL_SERVER) {
		fault_set(e->fault, e->arena, FAULT_UNSUPPORTED_VALUE,
		    "A tool that the provider runs is not available for this "
		    "model.");
		e->fault->param = S("tools");
		return false;
	}
	buf_put(e->out, S("{\"type\":\"function\",\"function\":{\"name\":"));
	buf_json(e->out, neutral_name(e->arena, t->name, OPENAI_NAME));
	openai_description(e, t);
	buf_put(e->out, S(",\"parameters\":"));
	buf_put(e->out, t->kind == TOOL_CUSTOM ? S("{\"type\":\"object\","
	    "\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":"
	    "[\"input\"]}") : t->schema.n ? t->schema :
	    S("{\"type\":\"object\",\"properties\":{}}"));
	if (e->t->strict_tools)
		buf_put(e->out, t->strict == YES ? S(",\"strict\":true") :
		    S(",\"strict\":false"));
	buf_char(e->out, '}');
	openai_mark(e, t->cache);
	buf_char(e->out, '}');
	return true;
}

static void
put_choice(struct openai_encoding *e)
{
	const struct neutral *n = e->n;

	switch (n->choice) {
	case CHOICE_NONE:
		buf_put(e->out, S(",\"tool_choice\":\"none\""));
		break;
	case CHOICE_REQUIRED:
		buf_put(e->out, e->t->choices == CHOICES_ANY ?
		    S(",\"tool_choice\":\"any\"") :
		    S(",\"tool_choice\":\"required\""));
		break;
	case CHOICE_NAMED:
		buf_put(e->out, S(",\"tool_choice\":{\"type\":\"function\","
		    "\"function\":{\"name\":"));
		buf_json(e->out, neutral_name(e->arena, n->chosen[0],
		    OPENAI_NAME));
		buf_put(e->out, S("}}"));
		break;
	case CHOICE_AUTO:
		buf_put(e->out, S(",\"tool_choice\":\"auto\""));
		break;
	default:
		break;
	}
	if (n->parallel == NO)
		buf_put(e->out, S(",\"parallel_tool_calls\":false"));
}

static bool
put_tools(struct openai_encoding *e, const struct marked *m)
{
	for (size_t i = 0; i < m->n_tools; i++) {
		buf_put(e->out, i ? S(",") : S(",\"tools\":["));
		if (!put_tool(e, &m->tools[i]))
			return false;
	}
	if (m->n_tools) {
		buf_char(e->out, ']');
		put_choice(e);
	}
	return true;
}

/* --- Reasoning ------------------------------------------------------------ */

/* What can be said about it, before anything is written.  What cannot is
 * REASONING_UNSAID then. */
static bool
decide_reasoning(const struct fitting *f, const struct neutral *n,
    int64_t most, struct reasoning *r)
{
	const struct target *t = f->t;
	bool off;

	*r = reasoning_of(n, t, most);
	off = r->at == REASONING_OFF;
	switch (r->at == REASONING_UNSAID ? REASONING_NONE : t->reasoning) {
	case REASONING_EFFORT:
		if (!off || reasoning_knows(t, EFFORT_NONE))
			return true;
		if (reasoning_knows(t, EFFORT_MINIMAL)) {
			r->at = REASONING_ON;
			r->effort = EFFORT_MINIMAL;
			return true;
		}
		break;
	case REASONING_THINKING:
	case REASONING_ENABLE:
	case REASONING_OBJECT:
	case REASONING_TEMPLATE:
		if (!off || !t->always_reasons)
			return true;
		break;
	default:
		/* Who reasons only when told so is told nothing. */
		if (r->at == REASONING_UNSAID || (off && !t->always_reasons))
			return true;
		break;
	}
	r->at = REASONING_UNSAID;
	return fit_drop(f, "reasoning");
}

static void
put_effort(struct openai_encoding *e, enum effort effort)
{
	if (effort != EFFORT_UNSAID)
		buf_printf(e->out, ",\"reasoning_effort\":\"%s\"",
		    effort_names[effort]);
}

/* Tokens where the caller said them, else an effort. */
static void
put_object(struct openai_encoding *e, const struct reasoning *r)
{
	buf_put(e->out, S(",\"reasoning\":{"));
	if (r->at == REASONING_OFF)
		buf_put(e->out, S("\"effort\":\"none\""));
	else if (r->asked && r->budget && e->n->effort == EFFORT_UNSAID)
		buf_printf(e->out, "\"max_tokens\":%lld",
		    (long long)r->budget);
	else if (r->effort != EFFORT_UNSAID)
		buf_printf(e->out, "\"effort\":\"%s\"",
		    effort_names[r->effort]);
	else
		buf_put(e->out, S("\"enabled\":true"));
	buf_put(e->out, e->n->want_reasoning == NO ? S(",\"exclude\":true}") :
	    S("}"));
}

static void
put_reasoning(struct openai_encoding *e, const struct reasoning *r)
{
	bool on = r->at == REASONING_ON;

	if (r->at == REASONING_UNSAID)
		return;
	switch (e->t->reasoning) {
	case REASONING_EFFORT:
		put_effort(e, on ? r->effort : EFFORT_NONE);
		break;
	case REASONING_THINKING:
		buf_printf(e->out, ",\"thinking\":{\"type\":\"%s\"}",
		    on ? "enabled" : "disabled");
		if (on && e->t->efforts)
			put_effort(e, r->effort);
		break;
	case REASONING_ENABLE:
		buf_printf(e->out, ",\"enable_thinking\":%s", on ? "true" :
		    "false");
		if (on && r->budget)
			buf_printf(e->out, ",\"thinking_budget\":%lld",
			    (long long)r->budget);
		break;
	case REASONING_OBJECT:
		put_object(e, r);
		break;
	case REASONING_TEMPLATE:
		buf_printf(e->out, ",\"chat_template_kwargs\":{"
		    "\"enable_thinking\":%s}", on ? "true" : "false");
		break;
	default:
		break;
	}
}

/* --- The other members ---------------------------------------------------- */

static void
put_format(struct openai_encoding *e)
{
	const struct neutral *n = e->n;

	if (n->format == FORMAT_JSON)
		buf_put(e->out, S(",\"response_format\":{\"type\":"
		    "\"json_object\"}"));
	if (n->format != FORMAT_SCHEMA)
		return;
	buf_put(e->out, S(",\"response_format\":{\"type\":\"json_schema\","
	    "\"json_schema\":{\"name\":"));
	buf_raw(e->out, n->schema_name.n ? n->schema_name : S("response"));
	if (n->schema_description.n) {
		buf_put(e->out, S(",\"description\":"));
		buf_raw(e->out, n->schema_description);
	}
	buf_put(e->out, S(",\"schema\":"));
	buf_put(e->out, n->schema);
	if (n->schema_strict != UNSAID)
		buf_put(e->out, n->schema_strict == YES ?
		    S(",\"strict\":true") : S(",\"strict\":false"));
	buf_put(e->out, S("}}"));
}

static void
put_sampling(struct openai_encoding *e)
{
	const struct neutral *n = e->n;

	put_slice(e, "temperature", n->temperature);
	put_slice(e, "top_p", n->top_p);
	put_slice(e, "top_k", n->top_k);
	put_slice(e, "presence_penalty", n->presence_penalty);
	put_slice(e, "frequency_penalty", n->frequency_penalty);
	put_slice(e, e->t->seed == SEED_RANDOM ? "random_seed" : "seed",
	    n->seed);
	put_slice(e, "logit_bias", n->logit_bias);
	if (n->logprobs) {
		buf_put(e->out, S(",\"logprobs\":true"));
		put_slice(e, "top_logprobs", n->top_logprobs);
	}
	for (size_t i = 0; i < n->n_stops; i++) {
		buf_put(e->out, i ? S(",") : S(",\"stop\":["));
		buf_raw(e->out, n->stops[i]);
	}
	if (n->n_stops)
		buf_char(e->out, ']');
}

/* Who it is for, what is paid for, what is kept, and that it is streamed:
 * an answer that was not asked so is folded. */
static void
put_rest(struct openai_encoding *e, const struct fitting *f,
    const struct marked *m)
{
	const struct neutral *n = e->n;

	if (n->end_user.n && e->t->user != USER_NO) {
		buf_put(e->out, e->t->user == USER_SAFETY ?
		    S(",\"safety_identifier\":") : S(",\"user\":"));
		buf_json(e->out, fit_user(f, n->end_user));
	}
	if (n->tier.n) {
		buf_put(e->out, S(",\"service_tier\":"));
		buf_json(e->out, n->tier);
	}
	if (e->t->cache_marks == CACHE_BREAKPOINT && marks_any(m))
		buf_put(e->out, S(",\"prompt_cache_options\":{\"mode\":"
		    "\"explicit\",\"ttl\":\"30m\"}"));
	buf_put(e->out, S(",\"stream\":true"));
	if (!e->t->no_stream_usage)
		buf_put(e->out, S(",\"stream_options\":{\"include_usage\":"
		    "true}"));
	buf_char(e->out, '}');
}

/* All that is decided before anything is written. */
static bool
prepare(const struct fitting *f, struct neutral *n, int64_t most,
    struct reasoning *r)
{
	return fit_request(f, n) &&
	    (n->end_user.n == 0 || f->t->user != USER_NO ||
	    fit_drop(f, "user")) &&
	    decide_reasoning(f, n, most, r) && fit_sampling(f, n, r->at);
}

bool
openai_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f)
{
	struct neutral own = *n;
	struct openai_encoding e = { a, &own, t, out, f };
	struct fitting fit = { a, t, &chat_words, d, f };
	struct reasoning r;
	struct marked m;
	int64_t most = n->max_output;

	if (t->max_output && most > t->max_output)
		most = t->max_output;
	if (!prepare(&fit, &own, most, &r))
		return false;
	m = marked_of(&e);
	buf_put(out, S("{\"model\":"));
	buf_json(out, t->model);
	if (!openai_messages(&e, &m) || !put_tools(&e, &m))
		return false;
	if (most >= 0)
		buf_printf(out, ",\"%s\":%lld", t->max_completion ?
		    "max_completion_tokens" : "max_tokens", (long long)most);
	put_format(&e);
	put_sampling(&e);
	put_reasoning(&e, &r);
	put_rest(&e, &fit, &m);
	return !out->full;
}
