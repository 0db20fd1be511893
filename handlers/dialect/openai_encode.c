/* SPDX-License-Identifier: MIT */
/*
 * openai_encode.c - the neutral form as a Chat Completions request.
 *
 * Members in a fixed order, so that the same request makes the same bytes and
 * the upstream's cache of prompts is hit.  A conversation whose parts are all
 * text is written with plain strings, which every compatible server reads.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/openai_neutral.h"

enum { NAME_MOST = 64, STOPS_MOST = 4, USER_MOST = 64 };

struct encoding {
	struct arena *arena;
	const struct neutral *n;
	const struct target *t;
	struct buf *out;
	struct dropped *dropped;
	struct fault *fault;
	bool first;		/* of the messages */
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
refuse(struct encoding *e, const char *param, const char *words)
{
	fault_set(e->fault, e->arena, FAULT_UNSUPPORTED_VALUE, "%s", words);
	e->fault->param = str_of(param);
	return false;
}

/* --- Content -------------------------------------------------------------- */

static bool
is_shown(const struct block *b)
{
	return b->kind == BLOCK_TEXT || b->kind == BLOCK_REFUSAL ||
	    b->kind == BLOCK_IMAGE || b->kind == BLOCK_DOC ||
	    b->kind == BLOCK_AUDIO;
}

static bool
all_text(const struct block *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_shown(&list[i]) && list[i].kind != BLOCK_TEXT &&
		    list[i].kind != BLOCK_REFUSAL)
			return false;
	return true;
}

static void
put_data_url(struct buf *b, const struct source *s)
{
	buf_put(b, S("\"data:"));
	buf_put(b, s->mime.n ? s->mime : S("application/octet-stream"));
	buf_put(b, S(";base64,"));
	buf_put(b, s->raw);
	buf_char(b, '"');
}

static bool
put_part(struct encoding *e, const struct block *b)
{
	struct buf *o = e->out;
	const struct source *s = &b->source;

	switch (b->kind) {
	case BLOCK_IMAGE:
		buf_put(o, S("{\"type\":\"image_url\",\"image_url\":{\"url\":"));
		if (s->kind == SOURCE_DATA)
			put_data_url(o, s);
		else
			buf_json(o, s->raw);
		if (s->detail.n) {
			buf_put(o, S(",\"detail\":"));
			buf_json(o, str_eq(s->detail, S("original")) ?
			    S("high") : s->detail);
		}
		buf_put(o, S("}}"));
		return s->kind == SOURCE_DATA || s->kind == SOURCE_URL ||
		    refuse(e, "messages", "An image by file id is of another "
		    "provider: send its data or a URL.");
	case BLOCK_DOC:
		if (s->kind == SOURCE_TEXT) {
			buf_put(o, S("{\"type\":\"text\",\"text\":\""));
			if (s->name.n) {
				buf_put(o, s->name);
				buf_put(o, S("\\n\\n"));
			}
			buf_put(o, s->raw);
			buf_put(o, S("\"}"));
			return true;
		}
		buf_put(o, S("{\"type\":\"file\",\"file\":{\"filename\":"));
		put_raw(o, s->name.n ? s->name : S("document.pdf"));
		buf_put(o, S(",\"file_data\":"));
		put_data_url(o, s);
		buf_put(o, S("}}"));
		return s->kind == SOURCE_DATA || refuse(e, "messages",
		    "A document by URL or file id is not available for this "
		    "model: send its data.");
	case BLOCK_AUDIO:
		buf_put(o, S("{\"type\":\"input_audio\",\"input_audio\":{"
		    "\"data\":"));
		put_raw(o, s->raw);
		buf_put(o, S(",\"format\":"));
		buf_json(o, str_skip(s->mime, 6));
		buf_put(o, S("}}"));
		return true;
	default:
		buf_put(o, S("{\"type\":\"text\",\"text\":"));
		put_raw(o, b->text);
		buf_char(o, '}');
		return true;
	}
}

/* As a string when all of it is text, joined by a blank line where the
 * target takes no more than that. */
static bool
put_content(struct encoding *e, const struct block *list, size_t n,
    struct str before)
{
	bool first = true;

	if (all_text(list, n)) {
		buf_char(e->out, '"');
		buf_put(e->out, before);
		for (size_t i = 0; i < n; i++) {
			if (!is_shown(&list[i]))
				continue;
			if (!first)
				buf_put(e->out, S("\\n\\n"));
			buf_put(e->out, list[i].text);
			first = false;
		}
		buf_char(e->out, '"');
		return true;
	}
	buf_char(e->out, '[');
	for (size_t i = 0; i < n; i++) {
		if (!is_shown(&list[i]))
			continue;
		if (!first)
			buf_char(e->out, ',');
		first = false;
		if (!put_part(e, &list[i]))
			return false;
	}
	buf_char(e->out, ']');
	return true;
}

/* --- Messages ------------------------------------------------------------- */

static void
open_message(struct encoding *e, const char *role)
{
	buf_printf(e->out, "%s{\"role\":\"%s\"", e->first ? "" : ",", role);
	e->first = false;
}

static bool
system_message(struct encoding *e, const struct block *list, size_t n)
{
	bool ok;

	if (n == 0)
		return true;
	open_message(e, e->t->developer_role ? "developer" : "system");
	buf_put(e->out, S(",\"content\":"));
	ok = put_content(e, list, n, S(""));
	buf_char(e->out, '}');
	return ok;
}

static bool
has(const struct turn *t, enum block_kind kind)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->blocks[i].kind == kind)
			return true;
	return false;
}

static void
put_call(struct encoding *e, const struct block *b)
{
	struct str id = neutral_name(e->arena, b->id, NAME_MOST);
	/* A custom tool is a function with one text here. */
	struct str args = b->custom ? ARENA_JOIN(e->arena,
	    S("{\"input\":\""), b->args, S("\"}")) : b->args;

	buf_put(e->out, S("{\"id\":"));
	buf_json(e->out, id);
	buf_put(e->out, S(",\"type\":\"function\",\"function\":{\"name\":"));
	buf_json(e->out, neutral_name(e->arena, b->name, NAME_MOST));
	buf_put(e->out, S(",\"arguments\":"));
	buf_json(e->out, args.n ? args : S("{}"));
	buf_put(e->out, S("}}"));
}

static bool
assistant_turn(struct encoding *e, const struct turn *t)
{
	bool text = has(t, BLOCK_TEXT) || has(t, BLOCK_REFUSAL), first = true;

	if (!text && !has(t, BLOCK_CALL))
		return true;
	open_message(e, "assistant");
	buf_put(e->out, S(",\"content\":"));
	if (!text)
		buf_put(e->out, S("null"));
	else if (!put_content(e, t->blocks, t->n, S("")))
		return false;
	if (e->t->reasoning_replay) {
		buf_put(e->out, S(",\"reasoning_content\":\""));
		for (size_t i = 0; i < t->n; i++)
			if (t->blocks[i].kind == BLOCK_REASONING)
				buf_put(e->out, t->blocks[i].text);
		buf_char(e->out, '"');
	}
	for (size_t i = 0; i < t->n; i++) {
		if (t->blocks[i].kind != BLOCK_CALL)
			continue;
		buf_put(e->out, first ? S(",\"tool_calls\":[") : S(","));
		first = false;
		put_call(e, &t->blocks[i]);
	}
	if (!first)
		buf_char(e->out, ']');
	buf_char(e->out, '}');
	return true;
}

/* The texts of a result; its pictures follow after all of them. */
static bool
result_message(struct encoding *e, const struct block *b)
{
	struct block *texts = arena_alloc(e->arena,
	    sizeof(*texts) * (b->n_inside + 1));
	size_t n = 0;
	bool ok;

	for (size_t i = 0; i < b->n_inside; i++)
		if (b->inside[i].kind == BLOCK_TEXT)
			texts[n++] = b->inside[i];
	open_message(e, "tool");
	buf_put(e->out, S(",\"tool_call_id\":"));
	buf_json(e->out, neutral_name(e->arena, b->id, NAME_MOST));
	buf_put(e->out, S(",\"content\":"));
	ok = put_content(e, texts, n, b->failed ? S("Error: ") : S(""));
	buf_char(e->out, '}');
	return ok;
}

static bool
user_turn(struct encoding *e, const struct turn *t)
{
	struct turn rest = { .role = ROLE_USER };
	bool ok;

	for (size_t i = 0; i < t->n; i++) {
		const struct block *b = &t->blocks[i];

		if (b->kind == BLOCK_RESULT && !result_message(e, b))
			return false;
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct block *b = &t->blocks[i];

		for (size_t j = 0; b->kind == BLOCK_RESULT &&
		    j < b->n_inside; j++)
			if (b->inside[j].kind != BLOCK_TEXT &&
			    is_shown(&b->inside[j])) {
				rest.blocks = neutral_grow(e->arena,
				    rest.blocks, rest.n, sizeof(*b));
				rest.blocks[rest.n++] = b->inside[j];
			}
		if (!is_shown(b))
			continue;
		rest.blocks = neutral_grow(e->arena, rest.blocks, rest.n,
		    sizeof(*b));
		rest.blocks[rest.n++] = *b;
	}
	if (rest.n == 0)
		return true;
	open_message(e, "user");
	buf_put(e->out, S(",\"content\":"));
	ok = put_content(e, rest.blocks, rest.n, S(""));
	buf_char(e->out, '}');
	return ok;
}

static bool
put_messages(struct encoding *e)
{
	const struct neutral *n = e->n;

	buf_put(e->out, S(",\"messages\":["));
	if (!system_message(e, n->system, n->n_system))
		return false;
	for (size_t i = 0; i < n->n_turns; i++) {
		const struct turn *t = &n->turns[i];

		if (!(t->role == ROLE_SYSTEM ? system_message(e, t->blocks,
		    t->n) : t->role == ROLE_ASSISTANT ? assistant_turn(e, t) :
		    user_turn(e, t)))
			return false;
	}
	buf_char(e->out, ']');
	return true;
}

/* --- Tools ---------------------------------------------------------------- */

static bool
is_chosen(const struct neutral *n, struct str name)
{
	for (size_t i = 0; i < n->n_chosen; i++)
		if (str_eq(n->chosen[i], name))
			return true;
	return false;
}

static bool
is_allowed(const struct neutral *n, const struct tool *t)
{
	return (n->choice != CHOICE_ALLOWED_AUTO &&
	    n->choice != CHOICE_ALLOWED_REQUIRED) || is_chosen(n, t->name);
}

static bool
put_tool(struct encoding *e, const struct tool *t)
{
	if (t->kind == TOOL_SERVER)
		return refuse(e, "tools", "A tool that the provider runs is "
		    "not available for this model.");
	buf_put(e->out, S("{\"type\":\"function\",\"function\":{\"name\":"));
	buf_json(e->out, neutral_name(e->arena, t->name, NAME_MOST));
	if (t->description.n) {
		buf_put(e->out, S(",\"description\":"));
		put_raw(e->out, t->description);
	}
	buf_put(e->out, S(",\"parameters\":"));
	buf_put(e->out, t->kind == TOOL_CUSTOM ? S("{\"type\":\"object\","
	    "\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":"
	    "[\"input\"]}") : t->schema.n ? t->schema :
	    S("{\"type\":\"object\",\"properties\":{}}"));
	if (t->strict == YES && e->t->strict_tools)
		buf_put(e->out, S(",\"strict\":true"));
	buf_put(e->out, S("}}"));
	return true;
}

static void
put_choice(struct encoding *e)
{
	const struct neutral *n = e->n;

	switch (n->choice) {
	case CHOICE_NONE:
		buf_put(e->out, S(",\"tool_choice\":\"none\""));
		break;
	case CHOICE_REQUIRED:
	case CHOICE_ALLOWED_REQUIRED:
		buf_put(e->out, S(",\"tool_choice\":\"required\""));
		break;
	case CHOICE_NAMED:
		buf_put(e->out, S(",\"tool_choice\":{\"type\":\"function\","
		    "\"function\":{\"name\":"));
		buf_json(e->out, neutral_name(e->arena, n->chosen[0],
		    NAME_MOST));
		buf_put(e->out, S("}}"));
		break;
	case CHOICE_AUTO:
	case CHOICE_ALLOWED_AUTO:
	case CHOICE_UNSAID:
		break;
	}
	if (n->parallel == NO)
		buf_put(e->out, S(",\"parallel_tool_calls\":false"));
}

static bool
put_tools(struct encoding *e)
{
	bool first = true;

	for (size_t i = 0; i < e->n->n_tools; i++) {
		if (!is_allowed(e->n, &e->n->tools[i]))
			continue;
		buf_put(e->out, first ? S(",\"tools\":[") : S(","));
		first = false;
		if (!put_tool(e, &e->n->tools[i]))
			return false;
	}
	if (first)
		return true;
	buf_char(e->out, ']');
	put_choice(e);
	return true;
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
put_format(struct encoding *e)
{
	const struct neutral *n = e->n;

	if (n->format == FORMAT_JSON)
		buf_put(e->out, S(",\"response_format\":{\"type\":"
		    "\"json_object\"}"));
	if (n->format != FORMAT_SCHEMA)
		return;
	buf_put(e->out, S(",\"response_format\":{\"type\":\"json_schema\","
	    "\"json_schema\":{\"name\":"));
	put_raw(e->out, n->schema_name.n ? n->schema_name : S("response"));
	buf_put(e->out, S(",\"schema\":"));
	buf_put(e->out, n->schema);
	if (n->schema_strict != NO)
		buf_put(e->out, S(",\"strict\":true"));
	buf_put(e->out, S("}}"));
}

/* The next word that such upstreams know. */
static const char *
effort_word(const struct neutral *n)
{
	enum effort e = n->effort;

	if (e == EFFORT_UNSAID && n->budget > 0)
		e = n->budget <= 1024 ? EFFORT_LOW : n->budget <= 8192 ?
		    EFFORT_MEDIUM : n->budget <= 24576 ? EFFORT_HIGH :
		    EFFORT_XHIGH;
	if (e == EFFORT_MAX)
		e = EFFORT_XHIGH;
	return effort_names[e];
}

static bool
put_sampling(struct encoding *e)
{
	const struct neutral *n = e->n;

	if (e->t->sampling == SAMPLING_NO) {
		if ((n->temperature.n && !drop(e, "temperature")) ||
		    (n->top_p.n && !drop(e, "top_p")))
			return false;
	} else {
		put_slice(e, "temperature", n->temperature);
		put_slice(e, "top_p", n->top_p);
	}
	if (n->top_k.n && !drop(e, "top_k"))
		return false;
	put_slice(e, "presence_penalty", n->presence_penalty);
	put_slice(e, "frequency_penalty", n->frequency_penalty);
	put_slice(e, "seed", n->seed);
	put_slice(e, "logit_bias", n->logit_bias);
	if (n->logprobs)
		buf_put(e->out, S(",\"logprobs\":true"));
	put_slice(e, "top_logprobs", n->top_logprobs);
	return true;
}

static bool
put_stops(struct encoding *e)
{
	const struct neutral *n = e->n;

	for (size_t i = 0; i < n->n_stops && i < STOPS_MOST; i++) {
		buf_put(e->out, i ? S(",") : S(",\"stop\":["));
		put_raw(e->out, n->stops[i]);
	}
	if (n->n_stops)
		buf_char(e->out, ']');
	return n->n_stops <= STOPS_MOST || drop(e, "stop");
}

bool
openai_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f)
{
	struct encoding e = { a, n, t, out, d, f, true };
	int64_t most = n->max_output;
	const char *effort = effort_word(n);

	if (t->max_output && most > t->max_output)
		most = t->max_output;
	buf_put(out, S("{\"model\":"));
	buf_json(out, t->model);
	if (!put_messages(&e) || !put_tools(&e))
		return false;
	if (most >= 0)
		buf_printf(out, ",\"%s\":%lld", t->max_completion ?
		    "max_completion_tokens" : "max_tokens", (long long)most);
	put_format(&e);
	if (!put_sampling(&e) || !put_stops(&e))
		return false;
	if (*effort && t->reasoning == REASONING_EFFORT)
		buf_printf(out, ",\"reasoning_effort\":\"%s\"", effort);
	else if (*effort && !drop(&e, "reasoning"))
		return false;
	if (n->end_user.n && t->user == USER_SAFETY &&
	    n->end_user.n <= USER_MOST) {
		buf_put(out, S(",\"safety_identifier\":"));
		buf_json(out, n->end_user);
	}
	buf_put(out, S(",\"stream\":true,\"stream_options\":{"
	    "\"include_usage\":true}}"));
	return !out->full;
}
