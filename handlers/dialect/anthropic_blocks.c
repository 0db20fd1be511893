/* SPDX-License-Identifier: MIT */
/*
 * anthropic_blocks.c - the blocks of a turn in Messages' words: texts,
 * pictures, documents, calls and their results, thoughts.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic_neutral.h"

struct writing {
	struct arena *arena;
	struct buf *out;
	struct fault *fault;
	bool own;		/* see own_signatures in neutral.h */
	enum id_rule ids;
};

static bool
refuse(struct writing *e, const char *words)
{
	fault_set(e->fault, e->arena, FAULT_UNSUPPORTED_VALUE, "%s", words);
	e->fault->param = S("messages");
	return false;
}

void
anthropic_mark(struct buf *out, enum cache_mark mark)
{
	if (mark == CACHE_5M)
		buf_put(out, S(",\"cache_control\":{\"type\":"
		    "\"ephemeral\"}"));
	else if (mark == CACHE_1H)
		buf_put(out, S(",\"cache_control\":{\"type\":"
		    "\"ephemeral\",\"ttl\":\"1h\"}"));
}

/* --- Sources -------------------------------------------------------------- */

static bool
is_picture(struct str mime)
{
	return str_eq(mime, S("image/jpeg")) || str_eq(mime, S("image/png")) ||
	    str_eq(mime, S("image/gif")) || str_eq(mime, S("image/webp"));
}

static void
put_data(struct writing *e, struct str mime, struct str data)
{
	buf_put(e->out, S("{\"type\":\"base64\",\"media_type\":"));
	buf_json(e->out, mime);
	buf_put(e->out, S(",\"data\":"));
	buf_raw(e->out, data);
	buf_char(e->out, '}');
}

/* A source that is an address, or a file there. */
static bool
put_place(struct writing *e, const struct source *s)
{
	bool file = s->kind == SOURCE_FILE;

	if (file && !e->own)
		return refuse(e, "A file by its id is of another "
		    "provider: send its data or a URL.");
	buf_put(e->out, file ? S("{\"type\":\"file\",\"file_id\":") :
	    S("{\"type\":\"url\",\"url\":"));
	buf_json(e->out, s->raw);
	buf_char(e->out, '}');
	return true;
}

static bool
put_image(struct writing *e, const struct source *s)
{
	struct str mime = s->mime.n ? s->mime : neutral_sniff(s->raw);

	buf_put(e->out, S("{\"type\":\"image\",\"source\":"));
	if (s->kind != SOURCE_DATA)
		return put_place(e, s);
	put_data(e, mime, s->raw);
	return is_picture(mime) || refuse(e, "Images must be JPEG, PNG, "
	    "GIF or WebP for this model.");
}

static bool
put_document(struct writing *e, const struct source *s)
{
	struct str mime = s->mime.n ? s->mime : neutral_sniff(s->raw);
	struct str text = s->raw;
	bool is_text = s->kind == SOURCE_TEXT ||
	    str_starts(mime, S("text/")) || str_eq(mime, S("application/json"));

	buf_put(e->out, S("{\"type\":\"document\",\"source\":"));
	if (s->kind == SOURCE_URL || s->kind == SOURCE_FILE)
		return put_place(e, s);
	if (is_text) {
		if (s->kind == SOURCE_DATA && !neutral_text(e->arena, s->raw,
		    &text))
			return refuse(e, "A text file must be UTF-8 in "
			    "base64.");
		buf_put(e->out, S("{\"type\":\"text\",\"media_type\":"
		    "\"text/plain\",\"data\":"));
		buf_raw(e->out, text);
		buf_char(e->out, '}');
		return true;
	}
	put_data(e, mime, s->raw);
	return str_eq(mime, S("application/pdf")) || refuse(e, "Files must be "
	    "PDF or text for this model.");
}

/* --- Blocks --------------------------------------------------------------- */

static void
put_text(struct writing *e, struct str raw)
{
	buf_put(e->out, S("{\"type\":\"text\",\"text\":"));
	buf_raw(e->out, raw);
}

static void
put_call(struct writing *e, const struct block *b)
{
	buf_put(e->out, S("{\"type\":\"tool_use\",\"id\":"));
	buf_json(e->out, neutral_id(e->arena, b->id, e->ids));
	buf_put(e->out, S(",\"name\":"));
	buf_json(e->out, neutral_name(e->arena, b->name, ANTHROPIC_NAME));
	buf_put(e->out, S(",\"input\":"));
	if (b->custom) {
		buf_put(e->out, S("{\"input\":"));
		buf_raw(e->out, b->args);
		buf_char(e->out, '}');
	} else {
		buf_put(e->out, b->args.n ? b->args : S("{}"));
	}
}

static void
put_thoughts(struct writing *e, const struct block *b)
{
	if (b->redacted) {
		buf_put(e->out, S("{\"type\":\"redacted_thinking\",\"data\":"));
	} else {
		buf_put(e->out, S("{\"type\":\"thinking\",\"thinking\":"));
		buf_raw(e->out, b->text);
		buf_put(e->out, S(",\"signature\":"));
	}
	buf_raw(e->out, b->signature);
}

static bool put_blocks(struct writing *e, const struct block *list,
    size_t n, bool marks);

static bool
put_result(struct writing *e, const struct block *b)
{
	bool ok = true;

	buf_put(e->out, S("{\"type\":\"tool_result\",\"tool_use_id\":"));
	buf_json(e->out, neutral_id(e->arena, b->id, e->ids));
	if (b->n_inside) {
		buf_put(e->out, S(",\"content\":"));
		ok = put_blocks(e, b->inside, b->n_inside, false);
	}
	if (b->failed)
		buf_put(e->out, S(",\"is_error\":true"));
	return ok;
}

/* Its members; the mark and the brace that ends it come after. */
static bool
put_members(struct writing *e, const struct block *b)
{
	switch (b->kind) {
	case BLOCK_TEXT:
	case BLOCK_REFUSAL:
		put_text(e, b->text);
		return true;
	case BLOCK_IMAGE:
		return put_image(e, &b->source);
	case BLOCK_DOC:
		if (!put_document(e, &b->source))
			return false;
		if (b->source.name.n) {
			buf_put(e->out, S(",\"title\":"));
			buf_raw(e->out, b->source.name);
		}
		return true;
	case BLOCK_REASONING:
		put_thoughts(e, b);
		return true;
	case BLOCK_CALL:
		put_call(e, b);
		return true;
	case BLOCK_RESULT:
		return put_result(e, b);
	default:
		return refuse(e, "Audio input is not available for this "
		    "model.");
	}
}

static bool
put_block(struct writing *e, const struct block *b, bool marks)
{
	if (b->raw.n) {
		buf_put(e->out, b->raw);
		return true;
	}
	if (!put_members(e, b))
		return false;
	if (marks && b->kind != BLOCK_REASONING)
		anthropic_mark(e->out, b->cache);
	buf_char(e->out, '}');
	return true;
}

/* What is inside of a result has no marks: they are the result's. */
static bool
put_blocks(struct writing *e, const struct block *list, size_t n, bool marks)
{
	buf_char(e->out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_char(e->out, ',');
		if (!put_block(e, &list[i], marks))
			return false;
	}
	buf_char(e->out, ']');
	return true;
}

bool
anthropic_blocks(struct arena *a, const struct turn *t, bool own,
    const struct target *target, struct buf *out, struct fault *f)
{
	struct writing e = { a, out, f, own, target->ids == IDS_ALNUM9 ?
		ID_ALNUM9 : ID_MESSAGES };

	return put_blocks(&e, t->blocks, t->n, true);
}
