/* SPDX-License-Identifier: MIT */
/*
 * openai_messages.c - the messages of a Chat Completions request.
 *
 * Content whose parts are all text is a plain string, which every compatible
 * server reads; parts are written where there is something else, or a mark of
 * what to cache.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai_neutral.h"

static bool
refuse(struct openai_encoding *e, const char *words)
{
	fault_set(e->fault, e->arena, FAULT_UNSUPPORTED_VALUE, "%s", words);
	e->fault->param = S("messages");
	return false;
}

void
openai_mark(struct openai_encoding *e, enum cache_mark mark)
{
	if (mark == CACHE_NOT)
		return;
	if (e->t->cache_marks == CACHE_BREAKPOINT)
		buf_put(e->out, S(",\"prompt_cache_breakpoint\":{\"mode\":"
		    "\"explicit\"}"));
	else
		buf_put(e->out, mark == CACHE_1H ? S(",\"cache_control\":{"
		    "\"type\":\"ephemeral\",\"ttl\":\"1h\"}") :
		    S(",\"cache_control\":{\"type\":\"ephemeral\"}"));
}

struct str
openai_id(struct openai_encoding *e, struct str id)
{
	return neutral_id(e->arena, id, e->t->ids == IDS_ALNUM9 ? ID_ALNUM9 :
	    ID_CHAT);
}

/* --- Parts ---------------------------------------------------------------- */

void
openai_data_url(struct buf *b, const struct source *s)
{
	buf_put(b, S("\"data:"));
	buf_put(b, s->mime.n ? s->mime : S("application/octet-stream"));
	buf_put(b, S(";base64,"));
	buf_put(b, s->raw);
	buf_char(b, '"');
}

static bool
put_image(struct openai_encoding *e, const struct source *s)
{
	struct buf *o = e->out;

	buf_put(o, S("{\"type\":\"image_url\",\"image_url\":{\"url\":"));
	if (s->kind == SOURCE_DATA)
		openai_data_url(o, s);
	else
		buf_json(o, s->raw);
	if (s->detail.n) {
		buf_put(o, S(",\"detail\":"));
		buf_json(o, str_eq(s->detail, S("original")) ? S("high") :
		    s->detail);
	}
	buf_char(o, '}');
	return s->kind == SOURCE_DATA || s->kind == SOURCE_URL ||
	    refuse(e, "An image by file id is of another provider: send its "
	    "data or a URL.");
}

static void
put_text(struct openai_encoding *e, struct str raw)
{
	buf_put(e->out, S("{\"type\":\"text\",\"text\":"));
	buf_raw(e->out, raw);
}

/* A text under its name, or a file. */
static bool
put_document(struct openai_encoding *e, const struct source *s)
{
	bool is_text = str_starts(s->mime, S("text/")) ||
	    str_eq(s->mime, S("application/json"));
	struct str text;

	if (s->kind != SOURCE_DATA)
		return refuse(e, "A document by URL or file id is not "
		    "available for this model: send its data.");
	if (is_text) {
		if (!neutral_text(e->arena, s->raw, &text))
			return refuse(e, "A text file must be UTF-8 in "
			    "base64.");
		put_text(e, s->name.n ? ARENA_JOIN(e->arena, s->name,
		    S("\\n\\n"), text) : text);
		return true;
	}
	buf_put(e->out, S("{\"type\":\"file\",\"file\":{\"filename\":"));
	buf_raw(e->out, s->name.n ? s->name : S("document.pdf"));
	buf_put(e->out, S(",\"file_data\":"));
	openai_data_url(e->out, s);
	buf_char(e->out, '}');
	return true;
}

static bool
put_audio(struct openai_encoding *e, const struct source *s)
{
	bool wav = str_eq(s->mime, S("audio/wav"));

	if (!wav && !str_eq(s->mime, S("audio/mp3")))
		return refuse(e, "Audio input must be wav or mp3 for this "
		    "model.");
	buf_put(e->out, S("{\"type\":\"input_audio\",\"input_audio\":{"
	    "\"data\":"));
	buf_raw(e->out, s->raw);
	buf_put(e->out, wav ? S(",\"format\":\"wav\"}") :
	    S(",\"format\":\"mp3\"}"));
	return true;
}

static bool
put_part(struct openai_encoding *e, const struct block *b)
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
		ok = put_audio(e, &b->source);
		break;
	default:
		put_text(e, b->text);
		break;
	}
	openai_mark(e, b->cache);
	buf_char(e->out, '}');
	return ok;
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
is_plain(const struct block *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_shown(&list[i]) && (list[i].cache != CACHE_NOT ||
		    (list[i].kind != BLOCK_TEXT &&
		    list[i].kind != BLOCK_REFUSAL)))
			return false;
	return true;
}

/* between: what stands between texts that become one. */
static bool
put_content(struct openai_encoding *e, const struct block *list, size_t n,
    struct str between)
{
	bool plain = is_plain(list, n), first = true;

	buf_put(e->out, S(",\"content\":"));
	buf_char(e->out, plain ? '"' : '[');
	for (size_t i = 0; i < n; i++) {
		if (!is_shown(&list[i]))
			continue;
		if (!first)
			buf_put(e->out, plain ? between : S(","));
		first = false;
		if (plain)
			buf_put(e->out, list[i].text);
		else if (!put_part(e, &list[i]))
			return false;
	}
	buf_char(e->out, plain ? '"' : ']');
	return true;
}

#define BLANK_LINE S("\\n\\n")

/* --- Messages ------------------------------------------------------------- */

static void
open_message(struct openai_encoding *e, const char *role)
{
	if (e->out->n && e->out->p[e->out->n - 1] != '[')
		buf_char(e->out, ',');
	buf_printf(e->out, "{\"role\":\"%s\"", role);
}

static bool
system_message(struct openai_encoding *e, const struct block *list, size_t n)
{
	if (n == 0)
		return true;
	open_message(e, e->t->developer_role ? "developer" : "system");
	if (!put_content(e, list, n, BLANK_LINE))
		return false;
	buf_char(e->out, '}');
	return true;
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
put_call(struct openai_encoding *e, const struct block *b)
{
	/* A custom tool is a function with one text here. */
	struct str args = b->custom ? ARENA_JOIN(e->arena,
	    S("{\"input\":\""), b->args.n ? b->args : S(""), S("\"}")) :
	    b->args;

	buf_put(e->out, S("{\"id\":"));
	buf_json(e->out, openai_id(e, b->id));
	buf_put(e->out, S(",\"type\":\"function\",\"function\":{\"name\":"));
	buf_json(e->out, neutral_name(e->arena, b->name, OPENAI_NAME));
	buf_put(e->out, S(",\"arguments\":"));
	buf_json(e->out, args.n ? args : S("{}"));
	buf_put(e->out, S("}}"));
}

static void
put_calls(struct openai_encoding *e, const struct turn *t)
{
	bool first = true;

	for (size_t i = 0; i < t->n; i++) {
		if (t->blocks[i].kind != BLOCK_CALL)
			continue;
		buf_put(e->out, first ? S(",\"tool_calls\":[") : S(","));
		first = false;
		put_call(e, &t->blocks[i]);
	}
	if (!first)
		buf_char(e->out, ']');
}

/* Each turn of a model that wants its reasoning back has some, if only "". */
static void
put_reasoning(struct openai_encoding *e, const struct turn *t)
{
	buf_put(e->out, S(",\"reasoning_content\":\""));
	for (size_t i = 0; i < t->n; i++)
		if (t->blocks[i].kind == BLOCK_REASONING)
			buf_put(e->out, t->blocks[i].text);
	buf_char(e->out, '"');
}

/* begun: an answer that the model is to go on with. */
static bool
assistant_turn(struct openai_encoding *e, const struct turn *t, bool begun)
{
	bool text = has(t, BLOCK_TEXT) || has(t, BLOCK_REFUSAL);
	bool calls = has(t, BLOCK_CALL);

	if (!text && !calls)
		return true;
	open_message(e, "assistant");
	if (!text)
		buf_put(e->out, S(",\"content\":null"));
	else if (!put_content(e, t->blocks, t->n, S("")))
		return false;
	if (e->t->reasoning_replay)
		put_reasoning(e, t);
	put_calls(e, t);
	if (begun && !calls && e->t->prefill &&
	    e->t->prefill_mark != PREFILL_PLAIN)
		buf_put(e->out, e->t->prefill_mark == PREFILL_PREFIX ?
		    S(",\"prefix\":true") : S(",\"partial\":true"));
	buf_char(e->out, '}');
	return true;
}

static bool
result_message(struct openai_encoding *e, const struct block *b)
{
	struct block *texts = arena_zero(e->arena,
	    sizeof(*texts) * (b->n_inside + 1));
	size_t n = b->n_inside;

	if (n)
		memcpy(texts, b->inside, sizeof(*texts) * n);
	for (size_t i = 0; i < n; i++)
		texts[i].cache = CACHE_NOT;
	if (n)
		texts[n - 1].cache = b->cache;
	if (b->failed) {
		texts[0].kind = BLOCK_TEXT;
		texts[0].text = ARENA_JOIN(e->arena, S("Error: "),
		    texts[0].text);
		n = n ? n : 1;
	}
	open_message(e, "tool");
	buf_put(e->out, S(",\"tool_call_id\":"));
	buf_json(e->out, openai_id(e, b->id));
	if (e->t->tool_name) {
		buf_put(e->out, S(",\"name\":"));
		buf_json(e->out, neutral_name(e->arena, b->name,
		    OPENAI_NAME));
	}
	if (!put_content(e, texts, n, BLANK_LINE))
		return false;
	buf_char(e->out, '}');
	return true;
}

static bool
user_turn(struct openai_encoding *e, const struct turn *t)
{
	if (t->blocks[0].kind == BLOCK_RESULT) {
		for (size_t i = 0; i < t->n; i++)
			if (!result_message(e, &t->blocks[i]))
				return false;
		return true;
	}
	open_message(e, "user");
	if (!put_content(e, t->blocks, t->n, BLANK_LINE))
		return false;
	buf_char(e->out, '}');
	return true;
}

bool
openai_messages(struct openai_encoding *e, const struct marked *m)
{
	size_t before = e->out->n;

	buf_put(e->out, S(",\"messages\":["));
	if (!system_message(e, m->system, m->n_system))
		return false;
	for (size_t i = 0; i < m->n_turns; i++) {
		const struct turn *t = &m->turns[i];

		if (!(t->role == ROLE_SYSTEM ? system_message(e, t->blocks,
		    t->n) : t->role == ROLE_ASSISTANT ? assistant_turn(e, t,
		    i + 1 == m->n_turns) : user_turn(e, t)))
			return false;
	}
	if (!e->out->full && e->out->n == before + S(",\"messages\":[").n)
		return refuse(e, "A message that is not empty is needed for "
		    "this model.");
	buf_char(e->out, ']');
	return true;
}
