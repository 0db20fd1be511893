/* SPDX-License-Identifier: MIT */
/*
 * anthropic_encode.c - the neutral form as a Messages request.
 *
 * Members in a fixed order, so that the same request makes the same bytes and
 * the upstream's cache of prompts is hit.  Always streamed: an answer that
 * was not asked so is folded.
 */
#include <sodium.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic_neutral.h"

enum {
	MARKS_MOST = 4,
	OUTPUT_DEFAULT = 4096,
	BUDGET_LEAST = 1024,
	USER_MOST = 256,
	HASH_BYTES = 16,
	DIGITS_MOST = 6		/* of an exponent */
};

struct encoding {
	struct arena *arena;
	const struct neutral *n;
	const struct target *t;
	struct buf *out;
	struct dropped *dropped;
	struct fault *fault;
	int64_t most;		/* max_tokens */
	struct turn *turns;
	size_t n_turns;
	struct block *system;	/* copies: marks are taken off them */
	struct tool *tools;	/* those that are sent */
	size_t n_tools;
	bool as_tool;		/* the schema of the answer is a tool */
	bool thinks;
};

static void
put_raw(struct buf *b, struct str raw)
{
	buf_char(b, '"');
	buf_put(b, raw);
	buf_char(b, '"');
}

static bool
drop(struct encoding *e, const char *name)
{
	return neutral_drop(e->dropped, e->t, e->arena, e->fault, name);
}

static bool
refuse(struct encoding *e, enum fault_kind kind, const char *param,
    const char *words)
{
	fault_set(e->fault, e->arena, kind, "%s", words);
	e->fault->param = str_of(param);
	return false;
}

/* --- Numbers -------------------------------------------------------------- */

/* A JSON number against 1: negative, 0 or positive.  Its digits are looked
 * at, because a double would make 1.00000000000000001 be 1. */
static int
against_one(struct str number)
{
	struct str rest = number, exponent;
	int64_t e = 0, place = 0;	/* of the first digit that is no 0 */
	int first = 0;
	bool point = false, more = false;
	size_t i;

	for (i = 0; i < rest.n && rest.p[i] != 'e' && rest.p[i] != 'E'; i++) {
		char c = rest.p[i];

		if (c == '-')
			return -1;
		if (c == '.') {
			point = true;
			continue;
		}
		more |= first && c != '0';
		if (first && !point)
			place++;
		else if (!first && point)
			place--;
		if (!first && c != '0')
			first = c - '0';
	}
	exponent = str_skip(rest, i + 1);
	if (exponent.n && exponent.p[0] == '+')
		exponent = str_skip(exponent, 1);
	if (exponent.n && (exponent.n > DIGITS_MOST || !str_int(exponent, &e)))
		e = exponent.p[0] == '-' ? -1000000 : 1000000;
	place += e;
	if (first == 0)
		return -1;
	return place ? (place < 0 ? -1 : 1) : first > 1 || more;
}

static bool
is_zero(struct str number)
{
	for (size_t i = 0; i < number.n; i++) {
		if (number.p[i] == 'e' || number.p[i] == 'E')
			break;
		if (number.p[i] >= '1' && number.p[i] <= '9')
			return false;
	}
	return true;
}

/* --- Messages ------------------------------------------------------------- */

static bool
put_messages(struct encoding *e)
{
	static const char *const roles[] = { "user", "assistant", "system" };

	buf_put(e->out, S(",\"messages\":["));
	for (size_t i = 0; i < e->n_turns; i++) {
		const struct turn *t = &e->turns[i];

		buf_printf(e->out, "%s{\"role\":\"%s\",\"content\":",
		    i ? "," : "", roles[t->role]);
		if (!anthropic_blocks(e->arena, t, e->n->own_signatures,
		    e->out, e->fault))
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
	put_raw(e->out, raw);
	anthropic_mark(e->out, mark);
	buf_char(e->out, '}');
}

static void
put_system(struct encoding *e)
{
	const struct neutral *n = e->n;
	bool first = true;

	for (size_t i = 0; i < n->n_system; i++) {
		if (neutral_is_blank(e->system[i].text))
			continue;
		buf_put(e->out, first ? S(",\"system\":[") : S(","));
		first = false;
		put_text(e, e->system[i].text, e->system[i].cache);
	}
	if (n->format == FORMAT_JSON) {
		buf_put(e->out, first ? S(",\"system\":[") : S(","));
		first = false;
		put_text(e, S("Answer with a single JSON object and nothing "
		    "else."), CACHE_NOT);
	}
	if (!first)
		buf_char(e->out, ']');
}

/* --- Marks ---------------------------------------------------------------- */

static size_t
count_marks(const struct encoding *e)
{
	size_t marks = 0;

	for (size_t i = 0; i < e->n_tools; i++)
		marks += e->tools[i].cache != CACHE_NOT;
	for (size_t i = 0; i < e->n->n_system; i++)
		marks += e->system[i].cache != CACHE_NOT;
	for (size_t i = 0; i < e->n_turns; i++)
		for (size_t j = 0; j < e->turns[i].n; j++)
			marks += e->turns[i].blocks[j].cache != CACHE_NOT;
	return marks;
}

/* A mark stays as long as some are left. */
static void
keep_mark(size_t *left, enum cache_mark *mark)
{
	if (*mark == CACHE_NOT)
		return;
	if (*left)
		--*left;
	else
		*mark = CACHE_NOT;
}

/* At most four: the last on tools, the last on instructions, then those of
 * the latest turns. */
static void
trim_marks(struct encoding *e)
{
	size_t left = MARKS_MOST, one = 1;

	if (count_marks(e) <= MARKS_MOST)
		return;
	for (size_t i = e->n_tools; i > 0; i--)
		keep_mark(&one, &e->tools[i - 1].cache);
	left -= 1 - one;
	one = 1;
	for (size_t i = e->n->n_system; i > 0; i--)
		keep_mark(&one, &e->system[i - 1].cache);
	left -= 1 - one;
	for (size_t i = e->n_turns; i > 0; i--)
		for (size_t j = e->turns[i - 1].n; j > 0; j--)
			keep_mark(&left,
			    &e->turns[i - 1].blocks[j - 1].cache);
}

/* --- Tools ---------------------------------------------------------------- */

static bool
is_sent(const struct neutral *n, const struct tool *t)
{
	if (n->choice != CHOICE_ALLOWED_AUTO &&
	    n->choice != CHOICE_ALLOWED_REQUIRED)
		return true;
	for (size_t i = 0; i < n->n_chosen; i++)
		if (str_eq(n->chosen[i], t->name))
			return true;
	return false;
}

static void
choose_tools(struct encoding *e)
{
	const struct neutral *n = e->n;

	e->tools = arena_zero(e->arena, sizeof(*e->tools) * (n->n_tools + 1));
	for (size_t i = 0; i < n->n_tools; i++)
		if (is_sent(n, &n->tools[i]))
			e->tools[e->n_tools++] = n->tools[i];
}

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
	bool strict = t->strict == YES && e->t->strict_tools &&
	    t->kind == TOOL_FUNCTION;

	if (t->kind == TOOL_SERVER) {
		buf_put(e->out, t->raw);
		return e->n->own_signatures || refuse(e,
		    FAULT_UNSUPPORTED_VALUE, "tools", "A tool that the "
		    "provider runs is not available for this model.");
	}
	if (t->strict == YES && !strict && !drop(e, "strict"))
		return false;
	buf_put(e->out, S("{\"name\":"));
	buf_json(e->out, neutral_name(e->arena, t->name, ANTHROPIC_NAME));
	if (t->description.n) {
		buf_put(e->out, S(",\"description\":"));
		put_raw(e->out, t->description);
	}
	buf_put(e->out, S(",\"input_schema\":"));
	put_schema(e, t, strict);
	if (strict)
		buf_put(e->out, S(",\"strict\":true"));
	anthropic_mark(e->out, t->cache);
	buf_char(e->out, '}');
	return true;
}

static bool
is_forced(const struct encoding *e)
{
	enum choice c = e->n->choice;

	return e->as_tool || (e->n_tools && (c == CHOICE_REQUIRED ||
	    c == CHOICE_NAMED || c == CHOICE_ALLOWED_REQUIRED));
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
		buf_put(e->out, S("],\"tool_choice\":{\"type\":\"tool\","
		    "\"name\":\"json\"}"));
		return true;
	}
	if (e->n_tools == 0)
		return e->n->choice != CHOICE_ALLOWED_REQUIRED || refuse(e,
		    FAULT_BAD_REQUEST, "tool_choice", "None of the tools that "
		    "'tool_choice' allows is among 'tools'.");
	buf_put(e->out, S(",\"tools\":["));
	for (size_t i = 0; i < e->n_tools; i++) {
		if (i)
			buf_char(e->out, ',');
		if (!put_tool(e, &e->tools[i]))
			return false;
	}
	buf_char(e->out, ']');
	put_choice(e);
	return true;
}

/* --- Reasoning ------------------------------------------------------------ */

/* Tokens of thought, by the effort; the most: 80 % of the output. */
static const int64_t budgets[N_EFFORTS] = {
	[EFFORT_MINIMAL] = 1024, [EFFORT_LOW] = 1024,
	[EFFORT_MEDIUM] = 8192, [EFFORT_HIGH] = 24576,
	[EFFORT_XHIGH] = 32768, [EFFORT_MAX] = INT64_MAX,
};

static bool
wants_thoughts(const struct neutral *n)
{
	return n->effort > EFFORT_NONE || (n->effort == EFFORT_UNSAID &&
	    (n->budget != 0 || n->adaptive));
}

static const char *
effort_word(const struct neutral *n)
{
	enum effort e = n->effort;

	if (e == EFFORT_UNSAID && n->budget > 0)
		e = n->budget <= 1024 ? EFFORT_LOW : n->budget <= 8192 ?
		    EFFORT_MEDIUM : n->budget <= 24576 ? EFFORT_HIGH :
		    EFFORT_XHIGH;
	if (e == EFFORT_MINIMAL)
		e = EFFORT_LOW;
	return effort_names[e];
}

static int64_t
budget(const struct encoding *e)
{
	int64_t b = e->n->effort == EFFORT_UNSAID ? e->n->budget :
	    e->n->budget > 0 ? e->n->budget : budgets[e->n->effort];
	int64_t most = e->most / 5 * 4 + e->most % 5 * 4 / 5;

	return b < most ? b : most;
}

/* Is a turn with calls going on whose thoughts nobody kept?  With a budget
 * such a one is refused. */
static bool
lost_thoughts(const struct encoding *e)
{
	const struct turn *t;

	if (e->n_turns < 2 ||
	    e->turns[e->n_turns - 1].blocks[0].kind != BLOCK_RESULT)
		return false;
	t = &e->turns[e->n_turns - 2];
	return t->role == ROLE_ASSISTANT &&
	    t->blocks[0].kind != BLOCK_REASONING;
}

/* What is decided about thinking, before anything is written. */
static bool
decide_thinking(struct encoding *e)
{
	const struct neutral *n = e->n;
	bool can = e->t->reasoning == REASONING_ADAPTIVE ||
	    e->t->reasoning == REASONING_BUDGET;

	if (!wants_thoughts(n) || e->t->reasoning == REASONING_EFFORT)
		return true;
	/* A call cannot be forced while it thinks. */
	if (is_forced(e))
		can = n->own_signatures && !e->as_tool && can;
	if (e->t->reasoning == REASONING_BUDGET)
		can = can && budget(e) >= BUDGET_LEAST && !lost_thoughts(e);
	e->thinks = can;
	return can || drop(e, "reasoning");
}

static void
put_thinking(struct encoding *e)
{
	const char *display = e->n->want_reasoning == YES ? "summarized" :
	    "omitted";

	if (e->thinks && e->t->reasoning == REASONING_BUDGET)
		buf_printf(e->out, ",\"thinking\":{\"type\":\"enabled\","
		    "\"budget_tokens\":%lld,\"display\":\"%s\"}",
		    (long long)budget(e), display);
	else if (e->thinks)
		buf_printf(e->out, ",\"thinking\":{\"type\":\"adaptive\","
		    "\"display\":\"%s\"}", display);
	else if (e->t->reasoning == REASONING_ADAPTIVE &&
	    (e->n->effort == EFFORT_NONE || wants_thoughts(e->n) ||
	    e->as_tool))
		/* Such models think unless they are told not to. */
		buf_put(e->out, S(",\"thinking\":{\"type\":\"disabled\"}"));
}

/* The effort, and the form of the answer. */
static void
put_output_config(struct encoding *e)
{
	const struct neutral *n = e->n;
	const char *word = effort_word(n);
	bool effort = *word && n->effort != EFFORT_NONE &&
	    ((e->t->reasoning == REASONING_ADAPTIVE && e->thinks) ||
	    e->t->reasoning == REASONING_EFFORT);
	bool schema = n->format == FORMAT_SCHEMA && !e->as_tool;

	if (!effort && !schema)
		return;
	buf_put(e->out, S(",\"output_config\":{"));
	if (effort)
		buf_printf(e->out, "\"effort\":\"%s\"%s", word,
		    schema ? "," : "");
	if (schema) {
		buf_put(e->out, S("\"format\":{\"type\":\"json_schema\","
		    "\"schema\":"));
		anthropic_schema(e->arena, n->schema, e->out);
		buf_char(e->out, '}');
	}
	buf_char(e->out, '}');
}

/* --- The other members ---------------------------------------------------- */

static bool
put_sampling(struct encoding *e)
{
	const struct neutral *n = e->n;
	bool off = e->t->sampling == SAMPLING_NO || e->thinks;
	bool warm = n->temperature.n && !(off &&
	    against_one(n->temperature) == 0);
	bool top = n->top_p.n != 0;

	if (off)
		return (!warm || drop(e, "temperature")) &&
		    (!top || drop(e, "top_p")) &&
		    (n->top_k.n == 0 || drop(e, "top_k"));
	if (warm) {
		buf_put(e->out, S(",\"temperature\":"));
		buf_put(e->out, against_one(n->temperature) > 0 ? S("1") :
		    n->temperature.p[0] == '-' ? S("0") : n->temperature);
	}
	if (top && warm && e->t->temp_or_top_p) {
		if (!drop(e, "top_p"))
			return false;
	} else if (top) {
		buf_put(e->out, S(",\"top_p\":"));
		buf_put(e->out, n->top_p);
	}
	if (n->top_k.n) {
		buf_put(e->out, S(",\"top_k\":"));
		buf_put(e->out, n->top_k);
	}
	return true;
}

/* Blank ones are refused there, and would stop nothing of use. */
static void
put_stops(struct encoding *e)
{
	bool first = true;

	for (size_t i = 0; i < e->n->n_stops; i++) {
		if (neutral_is_blank(e->n->stops[i]))
			continue;
		buf_put(e->out, first ? S(",\"stop_sequences\":[") : S(","));
		first = false;
		put_raw(e->out, e->n->stops[i]);
	}
	if (!first)
		buf_char(e->out, ']');
}

/* Who it is for: not by what is long, or looks like an address. */
static void
put_user(struct encoding *e)
{
	struct str id = e->n->end_user;
	unsigned char hash[HASH_BYTES];
	char hex[HASH_BYTES * 2 + 1];

	if (id.n == 0)
		return;
	buf_put(e->out, S(",\"metadata\":{\"user_id\":"));
	if (id.n > USER_MOST || memchr(id.p, '@', id.n)) {
		crypto_generichash(hash, sizeof(hash),
		    (const unsigned char *)id.p, id.n, NULL, 0);
		sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
		id = str_from(hex, sizeof(hex) - 1);
	}
	buf_json(e->out, id);
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

static bool
is_empty(struct str container)
{
	struct json_each m = json_each(container);

	return !json_next(&m);
}

/* What has no equivalent there, and is a hint only. */
static bool
drop_hints(struct encoding *e)
{
	const struct neutral *n = e->n;
	const struct {
		const char *name;
		bool said;
	} list[] = {
		{ "seed", n->seed.n > 0 },
		{ "presence_penalty", !is_zero(n->presence_penalty) },
		{ "frequency_penalty", !is_zero(n->frequency_penalty) },
		{ "logit_bias", !is_empty(n->logit_bias) },
		{ "metadata", !is_empty(n->metadata) },
		{ "store", n->store == YES },
		{ "verbosity", n->verbosity.n > 0 },
		{ "prompt_cache_key", n->cache_key.n > 0 },
	};

	for (size_t i = 0; i < countof(list); i++)
		if (list[i].said && !drop(e, list[i].name))
			return false;
	return true;
}

/* What the answer could not be without. */
static bool
refuse_shapes(struct encoding *e)
{
	const struct neutral *n = e->n;

	if (n->n > 1)
		return refuse(e, FAULT_UNSUPPORTED, "n",
		    "'n' greater than 1 is not available for this model.");
	if (n->logprobs)
		return refuse(e, FAULT_UNSUPPORTED, "logprobs",
		    "'logprobs' is not available for this model.");
	if (n->audio_out)
		return refuse(e, FAULT_UNSUPPORTED_VALUE, "modalities",
		    "Audio output is not available for this model.");
	if (n->web_search.n)
		return refuse(e, FAULT_UNSUPPORTED, "web_search_options",
		    "'web_search_options' is not available for this model.");
	if (n->format == FORMAT_SCHEMA && !e->t->json_schema && n->n_tools)
		return refuse(e, FAULT_UNSUPPORTED_VALUE, "response_format",
		    "This model takes either tools or a schema for its "
		    "answer, not both.");
	return true;
}

static bool
prepare(struct encoding *e)
{
	const struct neutral *n = e->n;
	size_t bytes = sizeof(*e->system) * n->n_system;

	if (!refuse_shapes(e) || !drop_hints(e))
		return false;
	e->most = n->max_output >= 0 ? n->max_output : e->t->max_output ?
	    e->t->max_output : OUTPUT_DEFAULT;
	if (e->t->max_output && e->most > e->t->max_output)
		e->most = e->t->max_output;
	if (e->most < 1)
		e->most = 1;
	e->as_tool = n->format == FORMAT_SCHEMA && !e->t->json_schema;
	choose_tools(e);
	e->system = arena_zero(e->arena, bytes + 1);
	if (bytes)
		memcpy(e->system, n->system, bytes);
	if (!anthropic_turns(e->arena, n, e->t, &e->turns, &e->n_turns,
	    e->fault))
		return false;
	trim_marks(e);
	return decide_thinking(e);
}

bool
anthropic_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f)
{
	struct encoding e = { .arena = a, .n = n, .t = t, .out = out,
		.dropped = d, .fault = f };

	if (!prepare(&e))
		return false;
	buf_put(out, S("{\"model\":"));
	buf_json(out, t->model);
	buf_printf(out, ",\"max_tokens\":%lld", (long long)e.most);
	put_system(&e);
	if (!put_messages(&e) || !put_tools(&e))
		return false;
	put_thinking(&e);
	put_output_config(&e);
	if (!put_sampling(&e))
		return false;
	put_stops(&e);
	put_user(&e);
	put_tier(&e);
	buf_put(out, S(",\"stream\":true}"));
	return !out->full;
}
