/* SPDX-License-Identifier: MIT */
/*
 * responses_encode.c - the neutral form as a Responses request.
 *
 * Members in a fixed order, so that the same request makes the same bytes and
 * the upstream's cache of prompts is hit.  Nothing is kept there: thoughts
 * come back sealed, in the history.  Always streamed: an answer that was not
 * asked so is folded.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/fit.h"
#include "handlers/dialect/responses_neutral.h"

enum { LEAST_OUTPUT = 16 };	/* tokens; no limit may be lower */

static const struct words responses_fit = {
	.temperature_most = 2, .user_bytes = 64, .blank_stops = true,
	.json_object = true, .verbosity = true, .cache_key = true,
	.logprobs = true,
};

static void
put_slice(struct openai_encoding *e, const char *name, struct str value)
{
	if (value.n) {
		buf_printf(e->out, ",\"%s\":", name);
		buf_put(e->out, value);
	}
}

/* --- Instructions --------------------------------------------------------- */

static void
put_instructions(struct openai_encoding *e)
{
	bool first = true;

	for (size_t i = 0; i < e->n->n_system; i++) {
		struct str raw = e->n->system[i].text;

		if (raw.n == 0)
			continue;
		buf_put(e->out, first ? S(",\"instructions\":\"") :
		    S("\\n\\n"));
		buf_put(e->out, raw);
		first = false;
	}
	if (!first)
		buf_char(e->out, '"');
}

/* --- Tools ---------------------------------------------------------------- */

/* That it is not strict is said: left out, it would be. */
static void
put_function(struct openai_encoding *e, const struct tool *t)
{
	buf_put(e->out, S("{\"type\":\"function\",\"name\":"));
	buf_json(e->out, neutral_name(e->arena, t->name, OPENAI_NAME));
	openai_description(e, t);
	buf_put(e->out, S(",\"parameters\":"));
	buf_put(e->out, t->schema.n ? t->schema :
	    S("{\"type\":\"object\",\"properties\":{}}"));
	buf_put(e->out, t->strict == YES ? S(",\"strict\":true}") :
	    S(",\"strict\":false}"));
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
	if (t->kind == TOOL_FUNCTION) {
		put_function(e, t);
		return true;
	}
	buf_put(e->out, S("{\"type\":\"custom\",\"name\":"));
	buf_json(e->out, neutral_name(e->arena, t->name, OPENAI_NAME));
	openai_description(e, t);
	buf_char(e->out, '}');
	return true;
}

static bool
is_custom(const struct neutral *n, struct str name)
{
	const struct tool *t = neutral_tool(n, name, OPENAI_NAME);

	return t && t->kind == TOOL_CUSTOM;
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
		buf_put(e->out, S(",\"tool_choice\":\"required\""));
		break;
	case CHOICE_NAMED:
		buf_put(e->out, is_custom(n, n->chosen[0]) ?
		    S(",\"tool_choice\":{\"type\":\"custom\",\"name\":") :
		    S(",\"tool_choice\":{\"type\":\"function\",\"name\":"));
		buf_json(e->out, neutral_name(e->arena, n->chosen[0],
		    OPENAI_NAME));
		buf_char(e->out, '}');
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
put_tools(struct openai_encoding *e)
{
	for (size_t i = 0; i < e->n->n_tools; i++) {
		buf_put(e->out, i ? S(",") : S(",\"tools\":["));
		if (!put_tool(e, &e->n->tools[i]))
			return false;
	}
	if (e->n->n_tools) {
		buf_char(e->out, ']');
		put_choice(e);
	}
	return true;
}

/* --- Reasoning ------------------------------------------------------------ */

/* What can be said about it, before anything is written. */
static bool
decide_reasoning(const struct fitting *f, const struct neutral *n,
    int64_t most, struct reasoning *r)
{
	const struct target *t = f->t;

	*r = reasoning_of(n, t, most);
	if (r->at == REASONING_UNSAID)
		return true;
	if (t->reasoning == REASONING_NONE) {
		bool off = r->at == REASONING_OFF && !t->always_reasons;

		r->at = REASONING_UNSAID;
		return off || fit_drop(f, "reasoning");
	}
	if (r->at == REASONING_ON || reasoning_knows(t, EFFORT_NONE))
		return true;
	if (reasoning_knows(t, EFFORT_MINIMAL)) {
		r->at = REASONING_ON;
		r->effort = EFFORT_MINIMAL;
		return true;
	}
	r->at = REASONING_UNSAID;
	return fit_drop(f, "reasoning");
}

static bool
reasons(const struct target *t)
{
	return t->reasoning != REASONING_NONE || t->always_reasons;
}

/* Who reasons gives its thoughts back, sealed; a summary if it is wanted. */
static void
put_reasoning(struct openai_encoding *e, const struct reasoning *r)
{
	enum effort effort = r->at == REASONING_ON ? r->effort :
	    r->at == REASONING_OFF ? EFFORT_NONE : EFFORT_UNSAID;
	bool summary = e->n->want_reasoning == YES &&
	    r->at != REASONING_OFF;

	if (!reasons(e->t))
		return;
	if (effort != EFFORT_UNSAID || summary)
		buf_put(e->out, S(",\"reasoning\":{"));
	if (effort != EFFORT_UNSAID)
		buf_printf(e->out, "\"effort\":\"%s\"%s",
		    effort_names[effort], summary ? "," : "}");
	if (summary)
		buf_put(e->out, S("\"summary\":\"auto\"}"));
}

/* What is told beside the answer. */
static void
put_include(struct openai_encoding *e)
{
	bool sealed = reasons(e->t), likely = e->n->logprobs;

	if (sealed || likely)
		buf_put(e->out, S(",\"include\":["));
	if (sealed)
		buf_put(e->out, S("\"reasoning.encrypted_content\""));
	if (likely)
		buf_put(e->out, sealed ?
		    S(",\"message.output_text.logprobs\"") :
		    S("\"message.output_text.logprobs\""));
	if (sealed || likely)
		buf_char(e->out, ']');
	if (likely)
		put_slice(e, "top_logprobs", e->n->top_logprobs);
}

/* --- The other members ---------------------------------------------------- */

static void
put_schema(struct openai_encoding *e)
{
	const struct neutral *n = e->n;

	buf_put(e->out, S("\"format\":{\"type\":\"json_schema\",\"name\":"));
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
	buf_char(e->out, '}');
}

static void
put_text(struct openai_encoding *e)
{
	const struct neutral *n = e->n;

	if (n->format == FORMAT_TEXT && n->verbosity.n == 0)
		return;
	buf_put(e->out, S(",\"text\":{"));
	if (n->format == FORMAT_JSON)
		buf_put(e->out, S("\"format\":{\"type\":\"json_object\"}"));
	if (n->format == FORMAT_SCHEMA)
		put_schema(e);
	if (n->verbosity.n) {
		buf_put(e->out, n->format == FORMAT_TEXT ?
		    S("\"verbosity\":") : S(",\"verbosity\":"));
		buf_json(e->out, n->verbosity);
	}
	buf_char(e->out, '}');
}

static void
put_rest(struct openai_encoding *e, const struct fitting *f)
{
	const struct neutral *n = e->n;

	if (n->end_user.n && e->t->user != USER_NO) {
		buf_put(e->out, e->t->user == USER_SAFETY ?
		    S(",\"safety_identifier\":") : S(",\"user\":"));
		buf_json(e->out, fit_user(f, n->end_user));
	}
	if (n->cache_key.n) {
		buf_put(e->out, S(",\"prompt_cache_key\":"));
		buf_raw(e->out, n->cache_key);
	}
	if (n->tier.n) {
		buf_put(e->out, S(",\"service_tier\":"));
		buf_json(e->out, n->tier);
	}
	buf_put(e->out, S(",\"store\":false,\"stream\":true}"));
}

/* All that is decided before anything is written.  Stop sequences stay: they
 * are looked for in the answer. */
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
responses_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f)
{
	struct neutral own = *n;
	struct openai_encoding e = { a, &own, t, out, f };
	struct fitting fit = { a, t, &responses_fit, d, f };
	struct reasoning r;
	int64_t most = n->max_output;

	if (t->max_output && most > t->max_output)
		most = t->max_output;
	if (!prepare(&fit, &own, most, &r))
		return false;
	buf_put(out, S("{\"model\":"));
	buf_json(out, t->model);
	put_instructions(&e);
	if (!responses_items(&e) || !put_tools(&e))
		return false;
	if (most >= 0)
		buf_printf(out, ",\"max_output_tokens\":%lld",
		    (long long)(most < LEAST_OUTPUT ? LEAST_OUTPUT : most));
	put_text(&e);
	put_slice(&e, "temperature", own.temperature);
	put_slice(&e, "top_p", own.top_p);
	put_reasoning(&e, &r);
	put_include(&e);
	put_rest(&e, &fit);
	return !out->full;
}
