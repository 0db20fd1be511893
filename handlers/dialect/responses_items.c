/* SPDX-License-Identifier: MIT */
/*
 * responses_items.c - the items of a Responses request.
 *
 * A turn is a row of items in its order: what was thought, said and called.
 * Outputs of calls hold pictures and files themselves.  Ids of items are left
 * out: nothing is kept there by which they could be found.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/responses_neutral.h"

static bool
refuse(struct openai_encoding *e, const char *words)
{
	fault_set(e->fault, e->arena, FAULT_UNSUPPORTED_VALUE, "%s", words);
	e->fault->param = S("messages");
	return false;
}

/* Opens an item behind what stands there. */
static void
open_item(struct openai_encoding *e, const char *head)
{
	if (e->out->n && e->out->p[e->out->n - 1] != '[')
		buf_char(e->out, ',');
	buf_put(e->out, str_of(head));
}

static struct str
call_id(struct openai_encoding *e, struct str id)
{
	return neutral_id(e->arena, id, ID_CHAT);
}

/* --- Parts ---------------------------------------------------------------- */

static void
put_text(struct openai_encoding *e, const char *type, struct str raw)
{
	buf_printf(e->out, "{\"type\":\"%s\",\"text\":", type);
	buf_raw(e->out, raw);
}

static bool
put_image(struct openai_encoding *e, const struct source *s)
{
	buf_put(e->out, S("{\"type\":\"input_image\",\"image_url\":"));
	if (s->kind == SOURCE_DATA)
		openai_data_url(e->out, s);
	else
		buf_json(e->out, s->raw);
	if (s->detail.n) {
		buf_put(e->out, S(",\"detail\":"));
		buf_json(e->out, s->detail);
	}
	return s->kind == SOURCE_DATA || s->kind == SOURCE_URL ||
	    refuse(e, "An image by file id is of another provider: send its "
	    "data or a URL.");
}

/* The text of a file, under its name; false: it is none. */
static bool
text_of(struct openai_encoding *e, const struct source *s, struct str *text)
{
	bool is_text = str_starts(s->mime, S("text/")) ||
	    str_eq(s->mime, S("application/json"));

	if (s->kind == SOURCE_TEXT)
		*text = s->raw;
	else if (s->kind != SOURCE_DATA || !is_text ||
	    !neutral_text(e->arena, s->raw, text))
		return false;
	if (s->name.n)
		*text = ARENA_JOIN(e->arena, s->name, S("\\n\\n"), *text);
	return true;
}

static bool
put_document(struct openai_encoding *e, const struct source *s)
{
	struct str text;

	if (text_of(e, s, &text)) {
		put_text(e, "input_text", text);
		return true;
	}
	buf_put(e->out, S("{\"type\":\"input_file\","));
	if (s->kind == SOURCE_URL) {
		buf_put(e->out, S("\"file_url\":"));
		buf_json(e->out, s->raw);
		return true;
	}
	buf_put(e->out, S("\"filename\":"));
	buf_raw(e->out, s->name.n ? s->name : S("document.pdf"));
	buf_put(e->out, S(",\"file_data\":"));
	openai_data_url(e->out, s);
	return s->kind == SOURCE_DATA || refuse(e, "A document by file id is "
	    "of another provider: send its data or a URL.");
}

static bool
put_part(struct openai_encoding *e, const struct block *b, bool said)
{
	bool ok = true;

	switch (b->kind) {
	case BLOCK_IMAGE:
		ok = put_image(e, &b->source);
		break;
	case BLOCK_DOC:
		ok = put_document(e, &b->source);
		break;
	case BLOCK_AUDIO:
		return refuse(e, "Audio input is not available for this "
		    "model.");
	case BLOCK_REFUSAL:
		if (said) {
			buf_put(e->out, S("{\"type\":\"refusal\","
			    "\"refusal\":"));
			buf_raw(e->out, b->text);
			break;
		}
		/* fallthrough */
	default:
		put_text(e, said ? "output_text" : "input_text", b->text);
		break;
	}
	if (b->cache != CACHE_NOT && !said &&
	    e->t->cache_marks == CACHE_BREAKPOINT)
		openai_mark(e, b->cache);
	buf_char(e->out, '}');
	return ok;
}

static bool
is_shown(const struct block *b)
{
	switch (b->kind) {
	case BLOCK_TEXT:
	case BLOCK_REFUSAL:
		return b->text.n > 0;
	case BLOCK_IMAGE:
	case BLOCK_DOC:
	case BLOCK_AUDIO:
		return true;
	default:
		return false;
	}
}

static bool
put_parts(struct openai_encoding *e, const struct block *list, size_t n,
    bool said)
{
	bool first = true;

	buf_char(e->out, '[');
	for (size_t i = 0; i < n; i++) {
		if (!is_shown(&list[i]))
			continue;
		if (!first)
			buf_char(e->out, ',');
		first = false;
		if (!put_part(e, &list[i], said))
			return false;
	}
	buf_char(e->out, ']');
	return true;
}

/* --- Messages ------------------------------------------------------------- */

static bool
any_shown(const struct block *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_shown(&list[i]))
			return true;
	return false;
}

static bool
put_message(struct openai_encoding *e, const char *role,
    const struct block *list, size_t n, bool said)
{
	if (!any_shown(list, n))
		return true;
	open_item(e, "{\"type\":\"message\",\"role\":\"");
	buf_printf(e->out, "%s\",\"content\":", role);
	if (!put_parts(e, list, n, said))
		return false;
	buf_char(e->out, '}');
	return true;
}

/* --- What the user answers ------------------------------------------------ */

static bool
all_text(const struct block *b)
{
	for (size_t i = 0; i < b->n_inside; i++)
		if (b->inside[i].kind != BLOCK_TEXT)
			return false;
	return true;
}

static bool
put_output(struct openai_encoding *e, const struct block *b)
{
	bool first = true;

	open_item(e, b->custom ? "{\"type\":\"custom_tool_call_output\"," :
	    "{\"type\":\"function_call_output\",");
	buf_put(e->out, S("\"call_id\":"));
	buf_json(e->out, call_id(e, b->id));
	buf_put(e->out, S(",\"output\":"));
	if (!all_text(b)) {
		if (!put_parts(e, b->inside, b->n_inside, false))
			return false;
		buf_char(e->out, '}');
		return true;
	}
	buf_put(e->out, b->failed ? S("\"Error: ") : S("\""));
	for (size_t i = 0; i < b->n_inside; i++) {
		if (b->inside[i].text.n == 0)
			continue;
		if (!first)
			buf_put(e->out, S("\\n\\n"));
		buf_put(e->out, b->inside[i].text);
		first = false;
	}
	buf_put(e->out, S("\"}"));
	return true;
}

/* Outputs first, then what the user says. */
static bool
user_turn(struct openai_encoding *e, const struct turn *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->blocks[i].kind == BLOCK_RESULT &&
		    !put_output(e, &t->blocks[i]))
			return false;
	return put_message(e, "user", t->blocks, t->n, false);
}

/* --- What the model said -------------------------------------------------- */

static void
put_call(struct openai_encoding *e, const struct block *b)
{
	open_item(e, b->custom ? "{\"type\":\"custom_tool_call\"," :
	    "{\"type\":\"function_call\",");
	buf_put(e->out, S("\"call_id\":"));
	buf_json(e->out, call_id(e, b->id));
	buf_put(e->out, S(",\"name\":"));
	buf_json(e->out, neutral_name(e->arena, b->name, OPENAI_NAME));
	if (b->custom) {
		buf_put(e->out, S(",\"input\":"));
		buf_raw(e->out, b->args);
	} else {
		buf_put(e->out, S(",\"arguments\":"));
		buf_json(e->out, b->args.n ? b->args : S("{}"));
	}
	buf_char(e->out, '}');
}

/* Thoughts that this upstream has sealed itself; others are of no use. */
static void
put_thoughts(struct openai_encoding *e, const struct block *b)
{
	if (!b->proved || b->signature.n == 0)
		return;
	open_item(e, "{\"type\":\"reasoning\",\"summary\":[");
	if (b->text.n) {
		buf_put(e->out, S("{\"type\":\"summary_text\",\"text\":"));
		buf_raw(e->out, b->text);
		buf_char(e->out, '}');
	}
	buf_put(e->out, S("],\"encrypted_content\":"));
	buf_raw(e->out, b->signature);
	buf_char(e->out, '}');
}

static bool
assistant_turn(struct openai_encoding *e, const struct turn *t)
{
	for (size_t i = 0, n; i < t->n; i += n) {
		const struct block *b = &t->blocks[i];

		for (n = 0; i + n < t->n && is_shown(&b[n]); n++)
			;
		if (n) {
			if (!put_message(e, "assistant", b, n, true))
				return false;
			continue;
		}
		n = 1;
		if (b->kind == BLOCK_CALL)
			put_call(e, b);
		else if (b->kind == BLOCK_REASONING)
			put_thoughts(e, b);
	}
	return true;
}

bool
responses_items(struct openai_encoding *e)
{
	const char *role = e->t->developer_role ? "developer" : "system";
	const struct neutral *n = e->n;
	size_t before = e->out->n;

	buf_put(e->out, S(",\"input\":["));
	for (size_t i = 0; i < n->n_turns; i++) {
		const struct turn *t = &n->turns[i];

		if (!(t->role == ROLE_SYSTEM ? put_message(e, role, t->blocks,
		    t->n, false) : t->role == ROLE_ASSISTANT ?
		    assistant_turn(e, t) : user_turn(e, t)))
			return false;
	}
	if (!e->out->full && e->out->n == before + S(",\"input\":[").n)
		return refuse(e, "A message that is not empty is needed for "
		    "this model.");
	buf_char(e->out, ']');
	return true;
}
