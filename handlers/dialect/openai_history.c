/* SPDX-License-Identifier: MIT */
/*
 * openai_history.c - the messages of a Chat Completions request as turns.
 *
 * Instructions before the first other message lead; later ones stay where
 * they are.  Results one after another stand in one turn of the user.  Calls
 * in the old way, which have no ids, get some: a result is the one of the
 * call before it.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai_neutral.h"
#include "handlers/dialect/thoughts.h"

static bool
refuse(struct openai_decoding *d, enum fault_kind kind, const char *words)
{
	return openai_decode_refuse(d, kind, d->history, words);
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

/* --- Marks ---------------------------------------------------------------- */

enum cache_mark
openai_mark_of(struct str object)
{
	struct str mark = json_get(object, S("cache_control"));
	struct str point = json_get(object, S("prompt_cache_breakpoint"));

	if (json_kind(mark) == JSON_IS_OBJECT)
		return str_eq(inside(json_get(mark, S("ttl"))), S("1h")) ?
		    CACHE_1H : CACHE_5M;
	return json_kind(point) == JSON_IS_OBJECT ? CACHE_5M : CACHE_NOT;
}

/* The last block of a turn that may be marked. */
static struct block *
last_block(struct turn *t)
{
	for (size_t i = t->n; i > 0; i--)
		if (t->blocks[i - 1].kind != BLOCK_REASONING)
			return &t->blocks[i - 1];
	return NULL;
}

/* A mark on the whole message is its last block's; so is that of a part
 * which is left out, unless the block has one. */
static void
mark_last(struct turn *t, struct str object, bool whole)
{
	enum cache_mark mark = openai_mark_of(object);
	struct block *b = last_block(t);

	if (mark != CACHE_NOT && b && (whole || b->cache == CACHE_NOT))
		b->cache = mark;
}

/* --- Parts of a content --------------------------------------------------- */

bool
openai_image(struct openai_decoding *d, struct str at, struct str detail,
    struct block *b)
{
	struct str url = json_kind(at) == JSON_IS_OBJECT ?
	    json_get(at, S("url")) : at;

	if (json_kind(url) != JSON_IS_STRING)
		return refuse(d, FAULT_BAD_REQUEST,
		    "A picture in the content needs its url.");
	b->source.detail = plain(d, detail.n ? detail :
	    json_get(at, S("detail")));
	url = plain(d, url);
	if (neutral_data_url(d->arena, url, &b->source))
		return true;
	if (str_starts_nocase(url, S("data:")))
		return refuse(d, FAULT_BAD_REQUEST,
		    "An image in a data URL must be base64.");
	b->source.kind = SOURCE_URL;
	b->source.raw = url;
	return true;
}

/* What a file is, by the end of its name. */
static struct str
type_of_name(struct str name)
{
	static const struct {
		struct str end, mime;
	} list[] = {
		{ STR_INIT(".pdf"), STR_INIT("application/pdf") },
		{ STR_INIT(".txt"), STR_INIT("text/plain") },
		{ STR_INIT(".md"), STR_INIT("text/markdown") },
		{ STR_INIT(".csv"), STR_INIT("text/csv") },
		{ STR_INIT(".html"), STR_INIT("text/html") },
		{ STR_INIT(".xml"), STR_INIT("text/xml") },
		{ STR_INIT(".json"), STR_INIT("application/json") },
	};

	for (size_t i = 0; i < countof(list); i++)
		if (name.n > list[i].end.n && str_eq_nocase(str_skip(name,
		    name.n - list[i].end.n), list[i].end))
			return list[i].mime;
	return (struct str){ NULL, 0 };
}

/* A data URL, or bare base64, whose type the name tells, or the bytes. */
bool
openai_file(struct openai_decoding *d, struct str f, struct block *b)
{
	struct str url = plain(d, json_get(f, S("file_url")));
	struct str data = plain(d, json_get(f, S("file_data")));
	struct str name = plain(d, json_get(f, S("filename")));
	struct source *s = &b->source;

	if (url.n) {
		s->kind = SOURCE_URL;
		s->raw = url;
		s->name = neutral_raw(d->arena, name);
		return true;
	}
	if (data.n == 0)
		return refuse(d, FAULT_UNSUPPORTED,
		    "A file part needs its file_data here.");
	s->name = neutral_raw(d->arena, name);
	if (!neutral_data_url(d->arena, data, s)) {
		s->kind = SOURCE_DATA;
		if (!neutral_base64(d->arena, data, &s->raw))
			return refuse(d, FAULT_BAD_REQUEST, "The file_data of "
			    "a file part must be base64, or a data URL with "
			    "it.");
	}
	if (s->mime.n == 0)
		s->mime = type_of_name(name);
	if (s->mime.n == 0)
		s->mime = neutral_sniff(s->raw);
	return s->mime.n || refuse(d, FAULT_BAD_REQUEST, "What a file part "
	    "holds is not known: give it a filename, or a data URL with a "
	    "type.");
}

bool
openai_audio(struct openai_decoding *d, struct str part, struct block *b)
{
	struct str a = json_get(part, S("input_audio"));
	struct str format = plain(d, json_get(a, S("format")));

	b->source.kind = SOURCE_DATA;
	b->source.mime = neutral_mime(d->arena, ARENA_JOIN(d->arena,
	    S("audio/"), format));
	return neutral_base64(d->arena, plain(d, json_get(a, S("data"))),
	    &b->source.raw) || refuse(d, FAULT_BAD_REQUEST,
	    "An input_audio part needs its data, as base64.");
}

/* Reasoning that some have in the content: a text, or a list of them. */
static void
thoughts(struct openai_decoding *d, struct turn *t, struct str value)
{
	if (inside(value).n) {
		neutral_block(d->n, t, BLOCK_REASONING)->text = inside(value);
		d->n->want_reasoning = YES;
	}
	if (json_kind(value) != JSON_IS_ARRAY)
		return;
	for (struct json_each m = json_each(value); json_next(&m) &&
	    d->n->pieces <= NEUTRAL_PIECES;)
		thoughts(d, t, json_get(m.value, S("text")));
}

/* Texts of all kinds; false: it is none. */
static bool
text_part(struct openai_decoding *d, struct turn *t, struct str type,
    struct str p)
{
	struct block *b;

	if (str_eq(type, S("text"))) {
		if (inside(json_get(p, S("text"))).n == 0) {
			mark_last(t, p, false);
			return true;
		}
		b = neutral_block(d->n, t, BLOCK_TEXT);
		b->text = inside(json_get(p, S("text")));
		b->cache = openai_mark_of(p);
	} else if (str_eq(type, S("refusal"))) {
		neutral_block(d->n, t, BLOCK_REFUSAL)->text =
		    inside(json_get(p, S("refusal")));
	} else if (str_eq(type, S("thinking")) && t->role == ROLE_ASSISTANT) {
		thoughts(d, t, json_get(p, S("thinking")));
		mark_last(t, p, false);
	} else {
		return false;
	}
	return true;
}

static bool
part(struct openai_decoding *d, struct turn *t, struct str p)
{
	struct str type = inside(json_get(p, S("type")));
	struct block *b;

	if (text_part(d, t, type, p))
		return true;
	b = neutral_block(d->n, t, str_eq(type, S("image_url")) ? BLOCK_IMAGE :
	    str_eq(type, S("file")) ? BLOCK_DOC : BLOCK_AUDIO);
	b->cache = openai_mark_of(p);
	if (b->kind == BLOCK_IMAGE)
		return openai_image(d, json_get(p, S("image_url")), S(""), b);
	if (b->kind == BLOCK_DOC)
		return openai_file(d, json_get(p, S("file")), b);
	return str_eq(type, S("input_audio")) ? openai_audio(d, p, b) :
	    refuse(d, FAULT_UNSUPPORTED_VALUE,
	    "This kind of content part is not available for this model.");
}

static bool
content(struct openai_decoding *d, struct turn *t, struct str value)
{
	switch (json_kind(value)) {
	case JSON_IS_STRING:
		if (value.n > 2)
			neutral_block(d->n, t, BLOCK_TEXT)->text =
			    inside(value);
		return true;
	case JSON_IS_ARRAY:
		for (struct json_each m = json_each(value); json_next(&m);)
			if (!part(d, t, m.value) ||
			    !neutral_holds(d->n, d->fault))
				return false;
		return true;
	case JSON_IS_NONE:
	case JSON_IS_NULL:
		return true;
	default:
		return refuse(d, FAULT_BAD_REQUEST, "The content of a message "
		    "must be a text or a list of parts.");
	}
}

/* --- Messages ------------------------------------------------------------- */

static bool
instructions(struct openai_decoding *d, struct str message)
{
	struct turn t = { .role = ROLE_SYSTEM };

	if (!content(d, &t, json_get(message, S("content"))))
		return false;
	mark_last(&t, message, true);
	for (size_t i = 0; i < t.n; i++)
		if (t.blocks[i].kind != BLOCK_TEXT)
			return refuse(d, FAULT_UNSUPPORTED_VALUE,
			    "Instructions can hold nothing but text.");
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
bool
openai_arguments(struct openai_decoding *d, struct str value, struct block *b)
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
	    FAULT_BAD_REQUEST, "The arguments of a tool call in the history "
	    "are no JSON object.");
}

static bool
call(struct openai_decoding *d, struct turn *t, struct str value)
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
	return openai_arguments(d, json_get(function, S("arguments")), b);
}

/* The id of the last call in the old way. */
static struct str
old_id(struct openai_decoding *d)
{
	return arena_printf(d->arena, "call_f%zu", d->functions);
}

static bool
old_call(struct openai_decoding *d, struct turn *t, struct str value)
{
	struct block *b = neutral_block(d->n, t, BLOCK_CALL);

	d->functions++;
	b->id = old_id(d);
	b->name = plain(d, json_get(value, S("name")));
	return openai_arguments(d, json_get(value, S("arguments")), b);
}

static bool
assistant(struct openai_decoding *d, struct str message)
{
	struct turn *t = neutral_turn(d->n, ROLE_ASSISTANT);
	struct str refusal = json_get(message, S("refusal"));
	struct str old = json_get(message, S("function_call"));

	openai_thoughts(d->n, t, message);
	if (t->n == 0)
		thoughts(d, t, json_get(message, S("reasoning")));
	if (!content(d, t, json_get(message, S("content"))))
		return false;
	if (inside(refusal).n)
		neutral_block(d->n, t, BLOCK_REFUSAL)->text = inside(refusal);
	for (struct json_each m = json_each(json_get(message,
	    S("tool_calls"))); json_next(&m);)
		if (!call(d, t, m.value) || !neutral_holds(d->n, d->fault))
			return false;
	if (json_kind(old) == JSON_IS_OBJECT && !old_call(d, t, old))
		return false;
	mark_last(t, message, true);
	return true;
}

static bool
result(struct openai_decoding *d, struct str message, bool old)
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
	b->id = old ? old_id(d) : plain(d, json_get(message,
	    S("tool_call_id")));
	b->inside = in.blocks;
	b->n_inside = in.n;
	b->cache = openai_mark_of(message);
	return true;
}

static bool
user(struct openai_decoding *d, struct str message)
{
	struct turn *t = neutral_turn(d->n, ROLE_USER);

	if (!content(d, t, json_get(message, S("content"))))
		return false;
	mark_last(t, message, true);
	return true;
}

static bool
message(struct openai_decoding *d, struct str m)
{
	struct str role = inside(json_get(m, S("role")));

	if (str_eq(role, S("system")) || str_eq(role, S("developer")))
		return instructions(d, m);
	d->began = true;
	if (str_eq(role, S("assistant")))
		return assistant(d, m);
	if (str_eq(role, S("tool")) || str_eq(role, S("function")))
		return result(d, m, str_eq(role, S("function")));
	return str_eq(role, S("user")) ? user(d, m) : refuse(d,
	    FAULT_BAD_REQUEST, "The role of a message must be one of system, "
	    "developer, user, assistant, tool and function.");
}

bool
openai_history(struct openai_decoding *d, struct str messages)
{
	for (struct json_each m = json_each(messages); json_next(&m);)
		if (!message(d, m.value) || !neutral_holds(d->n, d->fault))
			return false;
	return true;
}
