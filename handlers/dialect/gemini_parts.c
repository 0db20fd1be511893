/* SPDX-License-Identifier: MIT */
/*
 * gemini_parts.c - the turns of a conversation as contents: texts, pictures,
 * documents, sound, calls and their results.
 *
 * What proves thoughts stands on the first call behind it, and where there is
 * none on an empty text.  The thoughts themselves are not wanted back.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini_neutral.h"

struct writing {
	struct arena *arena;
	const struct target *t;
	struct buf *out;
	struct fault *fault;
	bool first;		/* part of its content */
	const struct str *proofs;	/* of the turn, that wait */
	size_t n_proofs;
	bool called;		/* a call of the turn was written */
};

static bool
refuse(struct writing *w, const char *words)
{
	fault_set(w->fault, w->arena, FAULT_UNSUPPORTED_VALUE, "%s", words);
	w->fault->param = S("messages");
	return false;
}

/* One more part: what it holds is written behind this. */
static void
begin(struct writing *w, struct str head)
{
	buf_put(w->out, w->first ? S("{") : S(",{"));
	buf_put(w->out, head);
	w->first = false;
}

/* --- Data ----------------------------------------------------------------- */

static void
put_data(struct writing *w, struct str mime, struct str base64)
{
	begin(w, S("\"inlineData\":{\"mimeType\":"));
	buf_json(w->out, mime);
	buf_put(w->out, S(",\"data\":"));
	buf_raw(w->out, base64);
	buf_put(w->out, S("}}"));
}

static void
put_text(struct writing *w, struct str raw)
{
	begin(w, S("\"text\":"));
	buf_raw(w->out, raw);
	buf_char(w->out, '}');
}

/* A text that is a file, below its name. */
static void
put_file(struct writing *w, struct str name, struct str raw)
{
	begin(w, S("\"text\":\""));
	if (name.n) {
		buf_put(w->out, name);
		buf_put(w->out, S("\\n\\n"));
	}
	buf_put(w->out, raw);
	buf_put(w->out, S("\"}"));
}

static bool
put_source(struct writing *w, const struct block *b)
{
	const struct source *s = &b->source;
	struct str mime = s->mime.n ? s->mime : neutral_sniff(s->raw);
	struct str text;

	if (s->kind == SOURCE_FILE)
		return refuse(w, "A file by its id is of another provider: "
		    "send its data.");
	if (s->kind == SOURCE_URL)
		return refuse(w, "A file by its URL is not available for this "
		    "model: send its data, as base64.");
	if (s->kind == SOURCE_TEXT) {
		put_file(w, s->name, s->raw);
		return true;
	}
	if (b->kind == BLOCK_DOC && !str_eq(mime, S("application/pdf"))) {
		if (!neutral_text(w->arena, s->raw, &text))
			return refuse(w, "Files must be PDF, or text that is "
			    "UTF-8, for this model.");
		put_file(w, s->name, text);
		return true;
	}
	if (mime.n == 0)
		return refuse(w, "It must be told, or seen, what kind of "
		    "image or sound it is.");
	put_data(w, mime, s->raw);
	return true;
}

/* --- Calls and results ---------------------------------------------------- */

/* The next proof that waits, or what stands for the one of a first call. */
static void
put_proof(struct writing *w)
{
	struct str proof = S("");

	if (w->n_proofs) {
		proof = *w->proofs++;
		w->n_proofs--;
	} else if (!w->called && w->t->reasoning == REASONING_LEVEL) {
		proof = S(GEMINI_UNSIGNED);
	}
	w->called = true;
	if (!proof.n)
		return;
	buf_put(w->out, S(",\"thoughtSignature\":"));
	buf_raw(w->out, proof);
}

static void
put_call(struct writing *w, const struct block *b)
{
	begin(w, S("\"functionCall\":{\"id\":"));
	buf_json(w->out, b->id);
	buf_put(w->out, S(",\"name\":"));
	buf_json(w->out, gemini_name(w->arena, b->name));
	buf_put(w->out, S(",\"args\":"));
	if (b->custom) {
		buf_put(w->out, S("{\"input\":"));
		buf_raw(w->out, b->args);
		buf_char(w->out, '}');
	} else {
		buf_put(w->out, b->args.n ? b->args : S("{}"));
	}
	buf_char(w->out, '}');
	put_proof(w);
	buf_char(w->out, '}');
}

static bool
is_text(const struct block *b)
{
	return b->kind == BLOCK_TEXT || b->kind == BLOCK_REFUSAL ||
	    (b->kind == BLOCK_DOC && b->source.kind == SOURCE_TEXT);
}

/* The texts of a result, joined; raw. */
static struct str
texts_of(struct writing *w, const struct block *b)
{
	struct str all = S("");
	bool any = false;

	for (size_t i = 0; i < b->n_inside; i++) {
		const struct block *in = &b->inside[i];
		struct str one = in->kind == BLOCK_DOC ? in->source.raw :
		    in->text;

		if (!is_text(in))
			continue;
		all = any ? ARENA_JOIN(w->arena, all, S("\\n"), one) : one;
		any = true;
	}
	return all;
}

/* An object as it is; anything else under a name. */
static void
put_response(struct writing *w, const struct block *b)
{
	struct str raw = texts_of(w, b);
	struct str plain = str_trim(neutral_plain(w->arena, raw));
	struct json_error e;

	if (!b->failed && json_kind(plain) == JSON_IS_OBJECT &&
	    json_valid(plain, &e)) {
		buf_put(w->out, plain);
		return;
	}
	buf_put(w->out, b->failed ? S("{\"error\":") : S("{\"output\":"));
	buf_raw(w->out, raw);
	buf_char(w->out, '}');
}

/* Pictures and documents of a result, one part each. */
static bool
put_media(struct writing *w, const struct block *b)
{
	for (size_t i = 0; i < b->n_inside; i++)
		if (!is_text(&b->inside[i]) &&
		    !put_source(w, &b->inside[i]))
			return false;
	return true;
}

static bool
has_media(const struct block *b)
{
	for (size_t i = 0; i < b->n_inside; i++)
		if (!is_text(&b->inside[i]))
			return true;
	return false;
}

static bool
put_result(struct writing *w, const struct block *b)
{
	bool ok = true;

	begin(w, S("\"functionResponse\":{\"id\":"));
	buf_json(w->out, b->id);
	buf_put(w->out, S(",\"name\":"));
	buf_json(w->out, gemini_name(w->arena, b->name));
	buf_put(w->out, S(",\"response\":"));
	put_response(w, b);
	if (w->t->result_parts && has_media(b)) {
		buf_put(w->out, S(",\"parts\":["));
		w->first = true;
		ok = put_media(w, b);
		w->first = false;
		buf_char(w->out, ']');
	}
	buf_put(w->out, S("}}"));
	return ok;
}

/* --- Contents ------------------------------------------------------------- */

static bool
put_block(struct writing *w, const struct block *b)
{
	switch (b->kind) {
	case BLOCK_TEXT:
	case BLOCK_REFUSAL:
		put_text(w, b->text);
		return true;
	case BLOCK_IMAGE:
	case BLOCK_DOC:
	case BLOCK_AUDIO:
		return put_source(w, b);
	case BLOCK_CALL:
		put_call(w, b);
		return true;
	case BLOCK_RESULT:
		return put_result(w, b);
	default:
		return true;	/* thoughts: see put_proof */
	}
}

/* What models that take no pictures in a result get behind all of them. */
static bool
put_hoisted(struct writing *w, const struct turn *t)
{
	for (size_t i = 0; i < t->n && !w->t->result_parts; i++)
		if (t->blocks[i].kind == BLOCK_RESULT &&
		    !put_media(w, &t->blocks[i]))
			return false;
	return true;
}

/* The proofs of a turn, in their order. */
static void
gather(struct writing *w, const struct turn *t)
{
	struct str *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct block *b = &t->blocks[i];

		if (b->kind != BLOCK_REASONING || !b->proved ||
		    !b->signature.n)
			continue;
		list = neutral_grow(w->arena, list, n, sizeof(*list));
		list[n++] = b->signature;
	}
	w->proofs = list;
	w->n_proofs = n;
	w->called = false;
}

static bool
put_turn(struct writing *w, const struct turn *t)
{
	bool hoisted = false;

	w->first = true;
	gather(w, t);
	for (size_t i = 0; i < t->n; i++) {
		if (t->blocks[i].kind != BLOCK_RESULT && !hoisted) {
			hoisted = true;
			if (!put_hoisted(w, t))
				return false;
		}
		if (!put_block(w, &t->blocks[i]))
			return false;
	}
	if (!hoisted && !put_hoisted(w, t))
		return false;
	for (; w->n_proofs; w->n_proofs--) {
		begin(w, S("\"text\":\"\",\"thoughtSignature\":"));
		buf_raw(w->out, *w->proofs++);
		buf_char(w->out, '}');
	}
	return true;
}

/* Is anything of it told? */
static bool
is_told(const struct turn *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->blocks[i].kind != BLOCK_REASONING ||
		    t->blocks[i].proved)
			return true;
	return false;
}

bool
gemini_contents(struct arena *a, const struct turn *turns, size_t n,
    const struct target *t, struct buf *out, struct fault *f)
{
	struct writing w = { .arena = a, .t = t, .out = out, .fault = f };
	bool any = false;

	buf_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (!is_told(&turns[i]))
			continue;
		buf_put(out, any ? S(",{\"role\":") : S("{\"role\":"));
		buf_put(out, turns[i].role == ROLE_ASSISTANT ?
		    S("\"model\",\"parts\":[") : S("\"user\",\"parts\":["));
		if (!put_turn(&w, &turns[i]))
			return false;
		buf_put(out, S("]}"));
		any = true;
	}
	buf_char(out, ']');
	return true;
}
