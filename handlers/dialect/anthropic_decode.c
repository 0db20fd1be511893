/* SPDX-License-Identifier: MIT */
/*
 * anthropic_decode.c - a Messages request into the neutral form.
 *
 * The body was read before (anthropic_request.c): it is valid JSON and its
 * control members have the right types; what is looked at here for the first
 * time is checked here.  The words of refusals begin as this API's do, with
 * the member.  Blocks that only this API knows stay as they are, for targets
 * that speak it too; others pass over them.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic_neutral.h"

struct decoding {
	struct arena *arena;
	struct neutral *n;
	struct fault *fault;
};

static bool
refuse(struct decoding *d, enum fault_kind kind, const char *param,
    const char *words)
{
	fault_set(d->fault, d->arena, kind, "%s: %s", param, words);
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

static struct str
type_of(struct str value)
{
	return inside(json_get(value, S("type")));
}

static enum cache_mark
mark_of(struct str value)
{
	struct str mark = json_get(value, S("cache_control"));

	if (json_kind(mark) != JSON_IS_OBJECT)
		return CACHE_NOT;
	return str_eq(inside(json_get(mark, S("ttl"))), S("1h")) ? CACHE_1H :
	    CACHE_5M;
}

/* A mark of a block that is left out goes to the one before it. */
static void
mark_last(struct turn *t, enum cache_mark mark)
{
	if (mark != CACHE_NOT && t->n && t->blocks[t->n - 1].cache == CACHE_NOT)
		t->blocks[t->n - 1].cache = mark;
}

/* --- Blocks --------------------------------------------------------------- */

static void
add_text(struct decoding *d, struct turn *t, struct str raw)
{
	if (raw.n)
		neutral_block(d->n, t, BLOCK_TEXT)->text = raw;
}

/* The texts of a list of text blocks, joined. */
static struct str
texts_of(struct decoding *d, struct str list)
{
	struct buf b = BUF(d->arena, list.n * 2 + 2);

	if (json_kind(list) == JSON_IS_STRING)
		return inside(list);
	for (struct json_each m = json_each(list); json_next(&m);) {
		struct str text = inside(json_get(m.value, S("text")));

		if (text.n == 0)
			continue;
		if (b.n)
			buf_put(&b, S("\\n\\n"));
		buf_put(&b, text);
	}
	return buf_str(&b);
}

static bool
source(struct decoding *d, struct str value, struct source *s)
{
	struct str from = json_get(value, S("source"));
	struct str type = type_of(from), data = json_get(from, S("data"));

	if (str_eq(type, S("base64"))) {
		s->kind = SOURCE_DATA;
		s->mime = neutral_mime(d->arena,
		    plain(d, json_get(from, S("media_type"))));
		neutral_base64(d->arena, plain(d, data), &s->raw);
	} else if (str_eq(type, S("url"))) {
		s->kind = SOURCE_URL;
		s->raw = plain(d, json_get(from, S("url")));
	} else if (str_eq(type, S("file"))) {
		s->kind = SOURCE_FILE;
		s->raw = plain(d, json_get(from, S("file_id")));
	} else if (str_eq(type, S("text"))) {
		s->kind = SOURCE_TEXT;
		s->mime = S("text/plain");
		s->raw = inside(data);
	} else if (str_eq(type, S("content"))) {
		s->kind = SOURCE_TEXT;
		s->mime = S("text/plain");
		s->raw = texts_of(d, json_get(from, S("content")));
	}
	return s->raw.n || refuse(d, FAULT_BAD_REQUEST, "messages", "an image "
	    "or a document needs a source: base64, text, content, a url or a "
	    "file, with what belongs to it");
}

/* What was found, with its title and where it was found. */
static void
search_result(struct decoding *d, struct turn *t, struct str value)
{
	struct block *b = neutral_block(d->n, t, BLOCK_DOC);
	struct str title = inside(json_get(value, S("title")));
	struct str from = inside(json_get(value, S("source")));

	b->source.kind = SOURCE_TEXT;
	b->source.mime = S("text/plain");
	b->source.name = title.n && from.n ? ARENA_JOIN(d->arena, title,
	    S("\\n"), from) : title.n ? title : from;
	b->source.raw = texts_of(d, json_get(value, S("content")));
}

/* Titles and addresses, for those who do not know such a block. */
static void
web_result(struct decoding *d, struct turn *t, struct str value)
{
	struct block *b = neutral_block(d->n, t, BLOCK_TEXT);
	struct buf list = BUF(d->arena, value.n * 2 + 2);

	for (struct json_each m = json_each(json_get(value, S("content")));
	    json_next(&m);) {
		struct str url = inside(json_get(m.value, S("url")));

		if (url.n == 0)
			continue;
		if (list.n)
			buf_put(&list, S("\\n"));
		buf_put(&list, inside(json_get(m.value, S("title"))));
		buf_put(&list, S(" "));
		buf_put(&list, url);
	}
	b->text = buf_str(&list);
	b->raw = value;
}

static bool
call(struct decoding *d, struct turn *t, struct str value)
{
	struct block *b = neutral_block(d->n, t, BLOCK_CALL);
	struct str input = json_get(value, S("input"));

	b->id = plain(d, json_get(value, S("id")));
	b->name = plain(d, json_get(value, S("name")));
	b->args = input.n && json_kind(input) != JSON_IS_NULL ? input : S("{}");
	if (b->id.n == 0 || b->name.n == 0)
		return refuse(d, FAULT_BAD_REQUEST, "messages",
		    "a tool_use block needs an id and a name");
	return json_kind(b->args) == JSON_IS_OBJECT || refuse(d,
	    FAULT_BAD_REQUEST, "messages",
	    "the input of a tool_use block must be an object");
}

static bool content(struct decoding *d, struct turn *t, struct str value);

static bool
result(struct decoding *d, struct turn *t, struct str value)
{
	struct turn in = { .role = ROLE_USER };
	struct block *b;

	if (!content(d, &in, json_get(value, S("content"))))
		return false;
	b = neutral_block(d->n, t, BLOCK_RESULT);
	b->id = plain(d, json_get(value, S("tool_use_id")));
	b->failed = json_yes(json_get(value, S("is_error")));
	b->inside = in.blocks;
	b->n_inside = in.n;
	return b->id.n || refuse(d, FAULT_BAD_REQUEST, "messages",
	    "a tool_result block needs the tool_use_id of its call");
}

static bool
block(struct decoding *d, struct turn *t, struct str value)
{
	struct str type = type_of(value);
	struct block *b;

	if (str_eq(type, S("text"))) {
		add_text(d, t, inside(json_get(value, S("text"))));
		return true;
	}
	if (str_eq(type, S("tool_use")))
		return call(d, t, value);
	if (str_eq(type, S("tool_result")))
		return result(d, t, value);
	if (str_eq(type, S("image")))
		return source(d, value,
		    &neutral_block(d->n, t, BLOCK_IMAGE)->source);
	if (str_eq(type, S("document"))) {
		b = neutral_block(d->n, t, BLOCK_DOC);
		b->source.name = inside(json_get(value, S("title")));
		return source(d, value, &b->source);
	}
	if (str_eq(type, S("thinking"))) {
		b = neutral_block(d->n, t, BLOCK_REASONING);
		b->text = inside(json_get(value, S("thinking")));
		b->signature = inside(json_get(value, S("signature")));
	} else if (str_eq(type, S("redacted_thinking"))) {
		b = neutral_block(d->n, t, BLOCK_REASONING);
		b->redacted = true;
		b->signature = inside(json_get(value, S("data")));
	} else if (str_eq(type, S("search_result"))) {
		search_result(d, t, value);
	} else if (str_eq(type, S("web_search_tool_result"))) {
		web_result(d, t, value);
	} else {
		neutral_block(d->n, t, BLOCK_OPAQUE)->raw = value;
	}
	return true;
}

static bool
content(struct decoding *d, struct turn *t, struct str value)
{
	if (json_kind(value) == JSON_IS_STRING) {
		add_text(d, t, inside(value));
		return true;
	}
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (!block(d, t, m.value) || !neutral_holds(d->n, d->fault))
			return false;
		mark_last(t, mark_of(m.value));
	}
	return true;
}

/* --- Messages ------------------------------------------------------------- */

static bool
system_blocks(struct decoding *d, struct str value)
{
	struct turn t = { .role = ROLE_SYSTEM };

	if (!content(d, &t, value))
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (t.blocks[i].kind != BLOCK_TEXT)
			return refuse(d, FAULT_BAD_REQUEST, "system",
			    "only blocks of text can stand here");
	d->n->system = t.blocks;
	d->n->n_system = t.n;
	return true;
}

/* Calls are the assistant's, their results the user's. */
static bool
is_its_own(struct decoding *d, const struct turn *t)
{
	for (size_t i = 0; i < t->n; i++)
		if ((t->blocks[i].kind == BLOCK_CALL &&
		    t->role != ROLE_ASSISTANT) ||
		    (t->blocks[i].kind == BLOCK_RESULT &&
		    t->role != ROLE_USER))
			return refuse(d, FAULT_BAD_REQUEST, "messages",
			    "a tool_use block stands in a message of the "
			    "assistant, a tool_result block in one of the "
			    "user");
	return true;
}

static bool
messages(struct decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		struct str role = inside(json_get(m.value, S("role")));
		enum role r = str_eq(role, S("user")) ? ROLE_USER :
		    str_eq(role, S("assistant")) ? ROLE_ASSISTANT :
		    ROLE_SYSTEM;
		struct turn *t;

		if (r == ROLE_SYSTEM && !str_eq(role, S("system")))
			return refuse(d, FAULT_BAD_REQUEST, "messages",
			    "a role must be user, assistant or system");
		t = neutral_turn(d->n, r);
		if (!content(d, t, json_get(m.value, S("content"))) ||
		    !is_its_own(d, t) || !neutral_holds(d->n, d->fault))
			return false;
	}
	return true;
}

/* --- Tools ---------------------------------------------------------------- */

static enum tri
tri_of(struct str value)
{
	return json_kind(value) != JSON_IS_BOOL ? UNSAID :
	    json_yes(value) ? YES : NO;
}

/* A list that is not empty, or nothing. */
static struct str
list_of(struct str object, struct str name)
{
	struct str list = json_get(object, name);
	struct json_each m = json_each(list);

	return json_kind(list) == JSON_IS_ARRAY && json_next(&m) ? list :
	    (struct str){ NULL, 0 };
}

static bool
tools(struct decoding *d, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		struct str type = type_of(m.value);
		struct str schema = json_get(m.value, S("input_schema"));
		struct tool *t;

		d->n->tools = neutral_grow(d->arena, d->n->tools,
		    d->n->n_tools, sizeof(*t));
		t = &d->n->tools[d->n->n_tools++];
		*t = (struct tool){
			.kind = type.n && !str_eq(type, S("custom")) ?
			    TOOL_SERVER : TOOL_FUNCTION,
			.name = plain(d, json_get(m.value, S("name"))),
			.description = inside(json_get(m.value,
			    S("description"))),
			.strict = tri_of(json_get(m.value, S("strict"))),
			.cache = mark_of(m.value),
			.examples = list_of(m.value, S("input_examples")),
			.raw = m.value,
		};
		if (json_kind(schema) == JSON_IS_OBJECT)
			t->schema = schema;
		if (t->kind == TOOL_FUNCTION && t->name.n == 0)
			return refuse(d, FAULT_BAD_REQUEST, "tools",
			    "each tool needs a name");
		d->n->pieces++;
		if (!neutral_holds(d->n, d->fault))
			return false;
	}
	return true;
}

static bool
tool_choice(struct decoding *d, struct str value)
{
	struct str type = type_of(value), name;

	if (json_yes(json_get(value, S("disable_parallel_tool_use"))))
		d->n->parallel = NO;
	if (str_eq(type, S("auto")))
		d->n->choice = CHOICE_AUTO;
	else if (str_eq(type, S("any")))
		d->n->choice = CHOICE_REQUIRED;
	else if (str_eq(type, S("none")))
		d->n->choice = CHOICE_NONE;
	if (!str_eq(type, S("tool")))
		return d->n->choice != CHOICE_UNSAID || refuse(d,
		    FAULT_BAD_REQUEST, "tool_choice",
		    "its type must be auto, any, tool or none");
	name = plain(d, json_get(value, S("name")));
	d->n->choice = CHOICE_NAMED;
	d->n->chosen = neutral_grow(d->arena, NULL, 0, sizeof(name));
	d->n->chosen[0] = name;
	d->n->n_chosen = 1;
	return name.n || refuse(d, FAULT_BAD_REQUEST, "tool_choice",
	    "a choice of type tool needs the tool's name");
}

/* --- The other members ---------------------------------------------------- */

static bool
format(struct decoding *d, struct str value)
{
	if (json_kind(value) != JSON_IS_OBJECT)
		return true;
	if (!str_eq(type_of(value), S("json_schema")))
		return refuse(d, FAULT_UNSUPPORTED_VALUE, "output_config",
		    "a format is of type json_schema for this model");
	d->n->format = FORMAT_SCHEMA;
	d->n->schema = json_get(value, S("schema"));
	d->n->schema_name = S("response");
	d->n->schema_strict = YES;
	return json_kind(d->n->schema) == JSON_IS_OBJECT || refuse(d,
	    FAULT_BAD_REQUEST, "output_config",
	    "a format of type json_schema needs a schema");
}

static bool
output_config(struct decoding *d, struct str value)
{
	d->n->spend = effort_of(inside(json_get(value, S("effort"))));
	if (d->n->effort != EFFORT_NONE)
		d->n->effort = d->n->spend;
	return format(d, json_get(value, S("format")));
}

/* Thinking that is switched off stays off, whatever the effort. */
static bool
thinking(struct decoding *d, struct str value)
{
	struct str type = type_of(value);
	bool on = str_eq(type, S("enabled")) || str_eq(type, S("adaptive"));
	int64_t most;

	if (str_eq(type, S("disabled")))
		d->n->effort = EFFORT_NONE;
	d->n->adaptive = str_eq(type, S("adaptive"));
	if (on && json_int(json_get(value, S("budget_tokens")), &most) &&
	    most > 0)
		d->n->budget = most;
	if (on)
		d->n->want_reasoning = str_eq(inside(json_get(value,
		    S("display"))), S("omitted")) ? NO : YES;
	return true;
}

static bool
stop_sequences(struct decoding *d, struct str value)
{
	struct neutral *n = d->n;

	for (struct json_each m = json_each(value); json_next(&m);) {
		if (n->n_stops == NEUTRAL_STOPS)
			return refuse(d, FAULT_UNSUPPORTED_VALUE,
			    "stop_sequences", "this model takes fewer of "
			    "them; send at most 16");
		if (inside(m.value).n)
			n->stops[n->n_stops++] = inside(m.value);
	}
	return true;
}

/* 0 only fills a cache, which nobody else offers. */
static bool
max_tokens(struct decoding *d, struct str value)
{
	if (json_int(value, &d->n->max_output) && d->n->max_output > 0)
		return true;
	return refuse(d, FAULT_UNSUPPORTED_VALUE, "max_tokens",
	    "must be at least 1 for this model");
}

static bool
metadata(struct decoding *d, struct str value)
{
	d->n->end_user = plain(d, json_get(value, S("user_id")));
	return true;
}

static bool
service_tier(struct decoding *d, struct str value)
{
	struct str tier = plain(d, value);

	d->n->tier = str_eq(tier, S("standard_only")) ? S("default") : tier;
	return true;
}

static bool
temperature(struct decoding *d, struct str value)
{
	d->n->temperature = value;
	return true;
}

static bool
top_p(struct decoding *d, struct str value)
{
	d->n->top_p = value;
	return true;
}

static bool
top_k(struct decoding *d, struct str value)
{
	d->n->top_k = value;
	return true;
}

/* What only this API could do with it. */
static bool
context_management(struct decoding *d, struct str value)
{
	(void)value;
	neutral_hint(d->n, "context_management");
	return true;
}

static const struct {
	struct str name;
	enum json_kind kind;
	bool (*read)(struct decoding *d, struct str value);
} members[] = {
	{ STR_INIT("context_management"), JSON_IS_OBJECT,
	    context_management },
	{ STR_INIT("messages"), JSON_IS_ARRAY, messages },
	{ STR_INIT("tools"), JSON_IS_ARRAY, tools },
	{ STR_INIT("tool_choice"), JSON_IS_OBJECT, tool_choice },
	{ STR_INIT("thinking"), JSON_IS_OBJECT, thinking },
	{ STR_INIT("output_config"), JSON_IS_OBJECT, output_config },
	{ STR_INIT("output_format"), JSON_IS_OBJECT, format },
	{ STR_INIT("stop_sequences"), JSON_IS_ARRAY, stop_sequences },
	{ STR_INIT("max_tokens"), JSON_IS_NUMBER, max_tokens },
	{ STR_INIT("metadata"), JSON_IS_OBJECT, metadata },
	{ STR_INIT("service_tier"), JSON_IS_STRING, service_tier },
	{ STR_INIT("temperature"), JSON_IS_NUMBER, temperature },
	{ STR_INIT("top_p"), JSON_IS_NUMBER, top_p },
	{ STR_INIT("top_k"), JSON_IS_NUMBER, top_k },
};

/* Null says nothing; a value of another kind is a mistake. */
static bool
member(struct decoding *d, struct str name, struct str value)
{
	static const char *const kinds[] = {
		[JSON_IS_NUMBER] = "must be a number",
		[JSON_IS_STRING] = "must be a string",
		[JSON_IS_ARRAY] = "must be a list",
		[JSON_IS_OBJECT] = "must be an object",
	};

	for (size_t i = 0; i < countof(members); i++) {
		if (!json_name_is(name, members[i].name))
			continue;
		if (json_kind(value) == members[i].kind)
			return members[i].read(d, value);
		return json_kind(value) == JSON_IS_NULL || refuse(d,
		    FAULT_BAD_REQUEST, members[i].name.p,
		    kinds[members[i].kind]);
	}
	return true;
}

/* The mark of the whole request is its last block's. */
static void
mark_request(struct neutral *n, enum cache_mark mark)
{
	for (size_t i = n->n_turns; mark != CACHE_NOT && i > 0; i--)
		if (n->turns[i - 1].n) {
			mark_last(&n->turns[i - 1], mark);
			return;
		}
}

bool
anthropic_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f)
{
	struct decoding d = { a, out, f };

	body = str_trim(body);
	*out = (struct neutral){
		.arena = a,
		.model = json_text(a, json_get(body, S("model"))),
		.stream = json_yes(json_get(body, S("stream"))),
		.own_signatures = true,
		.max_output = -1,
	};
	if (!system_blocks(&d, json_get(body, S("system"))))
		return false;
	for (struct json_each m = json_each(body); json_next(&m);)
		if (!member(&d, m.name, m.value))
			return false;
	mark_request(out, mark_of(body));
	return neutral_pair(out, f);
}
