/* SPDX-License-Identifier: MIT */
/*
 * responses_history.c - the items of a Responses request as turns.
 *
 * What the model said, thought and called, one after another, is one turn of
 * it; outputs of calls one after another are one turn of the user.  Messages
 * of instructions before the first other item lead; later ones stay where
 * they are.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/responses_neutral.h"

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

/* --- Parts of a content --------------------------------------------------- */

static void
add_text(struct openai_decoding *d, struct turn *t, struct str raw,
    enum cache_mark mark)
{
	struct block *b;

	if (raw.n == 0)
		return;
	b = neutral_block(d->n, t, BLOCK_TEXT);
	b->text = raw;
	b->cache = mark;
}

static bool
is_text(struct str type)
{
	return str_eq(type, S("input_text")) ||
	    str_eq(type, S("output_text")) || str_eq(type, S("text"));
}

static bool
part(struct openai_decoding *d, struct turn *t, struct str p)
{
	struct str type = inside(json_get(p, S("type")));
	enum cache_mark mark = openai_mark_of(p);
	struct block *b;

	if (is_text(type)) {
		add_text(d, t, inside(json_get(p, S("text"))), mark);
		return true;
	}
	if (str_eq(type, S("refusal"))) {
		neutral_block(d->n, t, BLOCK_REFUSAL)->text =
		    inside(json_get(p, S("refusal")));
		return true;
	}
	b = neutral_block(d->n, t, str_eq(type, S("input_image")) ?
	    BLOCK_IMAGE : str_eq(type, S("input_file")) ? BLOCK_DOC :
	    BLOCK_AUDIO);
	b->cache = mark;
	if (b->kind == BLOCK_IMAGE)
		return openai_image(d, json_get(p, S("image_url")),
		    json_get(p, S("detail")), b);
	if (b->kind == BLOCK_DOC)
		return openai_file(d, p, b);
	return str_eq(type, S("input_audio")) ? openai_audio(d, p, b) :
	    refuse(d, FAULT_UNSUPPORTED_VALUE,
	    "This kind of content part is not available for this model.");
}

static bool
content(struct openai_decoding *d, struct turn *t, struct str value)
{
	if (json_kind(value) == JSON_IS_STRING) {
		add_text(d, t, inside(value), CACHE_NOT);
		return true;
	}
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!part(d, t, m.value) || !neutral_holds(d->n, d->fault))
			return false;
	return json_kind(value) <= JSON_IS_NULL ||
	    json_kind(value) == JSON_IS_ARRAY || refuse(d,
	    FAULT_BAD_REQUEST,
	    "The content of an item must be a text or a list of parts.");
}

/* --- Items ---------------------------------------------------------------- */

/* The turn that goes on, or a new one. */
static struct turn *
assistant(struct openai_decoding *d)
{
	struct neutral *n = d->n;

	d->began = true;
	if (n->n_turns && n->turns[n->n_turns - 1].role == ROLE_ASSISTANT)
		return &n->turns[n->n_turns - 1];
	return neutral_turn(n, ROLE_ASSISTANT);
}

static bool
instructions(struct openai_decoding *d, struct str value)
{
	struct turn t = { .role = ROLE_SYSTEM };
	struct neutral *n = d->n;

	if (!content(d, &t, value))
		return false;
	for (size_t i = 0; i < t.n; i++)
		if (t.blocks[i].kind != BLOCK_TEXT)
			return refuse(d, FAULT_UNSUPPORTED_VALUE,
			    "Instructions can hold nothing but text.");
	if (d->began) {
		if (t.n)
			*neutral_turn(n, ROLE_SYSTEM) = t;
		return true;
	}
	for (size_t i = 0; i < t.n; i++) {
		n->system = neutral_grow(d->arena, n->system, n->n_system,
		    sizeof(*n->system));
		n->system[n->n_system++] = t.blocks[i];
	}
	return true;
}

static bool
message(struct openai_decoding *d, struct str item)
{
	struct str role = inside(json_get(item, S("role")));
	struct str value = json_get(item, S("content"));

	if (str_eq(role, S("system")) || str_eq(role, S("developer")))
		return instructions(d, value);
	if (str_eq(role, S("assistant")))
		return content(d, assistant(d), value);
	d->began = true;
	return str_eq(role, S("user")) ? content(d, neutral_turn(d->n,
	    ROLE_USER), value) : refuse(d, FAULT_BAD_REQUEST, "The role of a "
	    "message must be one of system, developer, user and assistant.");
}

static bool
call(struct openai_decoding *d, struct str item, bool custom)
{
	struct block *b = neutral_block(d->n, assistant(d), BLOCK_CALL);

	b->id = plain(d, json_get(item, S("call_id")));
	b->name = plain(d, json_get(item, S("name")));
	b->custom = custom;
	if (b->id.n == 0 || b->name.n == 0)
		return refuse(d, FAULT_BAD_REQUEST,
		    "A call needs its call_id and a name.");
	if (!custom)
		return openai_arguments(d, json_get(item, S("arguments")), b);
	b->args = inside(json_get(item, S("input")));
	return true;
}

static bool
output(struct openai_decoding *d, struct str item)
{
	struct neutral *n = d->n;
	struct turn *t = n->n_turns ? &n->turns[n->n_turns - 1] : NULL;
	struct turn in = { .role = ROLE_USER };
	struct block *b;

	if (!content(d, &in, json_get(item, S("output"))))
		return false;
	d->began = true;
	if (!t || t->role != ROLE_USER || t->n == 0 ||
	    t->blocks[t->n - 1].kind != BLOCK_RESULT)
		t = neutral_turn(n, ROLE_USER);
	b = neutral_block(n, t, BLOCK_RESULT);
	b->id = plain(d, json_get(item, S("call_id")));
	b->inside = in.blocks;
	b->n_inside = in.n;
	return true;
}

/* The texts of a list of parts, a blank line between them. */
static struct str
texts_of(struct openai_decoding *d, struct str list)
{
	struct buf b = BUF(d->arena, list.n * 2 + 2);

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
reasoning(struct openai_decoding *d, struct str item)
{
	struct block *b = neutral_block(d->n, assistant(d), BLOCK_REASONING);

	b->text = texts_of(d, json_get(item, S("summary")));
	if (b->text.n == 0)
		b->text = texts_of(d, json_get(item, S("content")));
	b->signature = inside(json_get(item, S("encrypted_content")));
	return true;
}

static bool
item(struct openai_decoding *d, struct str value)
{
	struct str type = inside(json_get(value, S("type")));

	if (type.n == 0 || str_eq(type, S("message")))
		return message(d, value);
	if (str_eq(type, S("function_call")))
		return call(d, value, false);
	if (str_eq(type, S("custom_tool_call")))
		return call(d, value, true);
	if (str_eq(type, S("function_call_output")) ||
	    str_eq(type, S("custom_tool_call_output")))
		return output(d, value);
	return str_eq(type, S("reasoning")) ? reasoning(d, value) :
	    refuse(d, FAULT_UNSUPPORTED_VALUE,
	    "This kind of item is not available for this model.");
}

bool
responses_history(struct openai_decoding *d, struct str input)
{
	if (json_kind(input) == JSON_IS_STRING)
		return content(d, neutral_turn(d->n, ROLE_USER), input);
	for (struct json_each m = json_each(input); json_next(&m);)
		if (!item(d, m.value) || !neutral_holds(d->n, d->fault))
			return false;
	return true;
}
