/* SPDX-License-Identifier: MIT */
/*
 * gemini_history.c - the contents of a request as turns.
 *
 * Calls may have no ids here, and results then only name their function:
 * ids are made, and a result is of the first call of its name that waits for
 * one.  Thoughts come in as many parts as they were streamed in; what proves
 * them, in an envelope, stands on the last of these, on a call, or on a part
 * of its own.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"
#include "handlers/dialect/gemini_neutral.h"

enum { SHELVES = 1024, PART_DEPTH = 2 };

/* A call that has no result yet; of those of one name the first is the next. */
struct waiting {
	struct str name, id;
	bool made;		/* the id is ours */
	bool answered;
	size_t next;		/* on its shelf, + 1; 0: it is the last */
};

struct history {
	struct gemini_decoding *d;
	struct turn *turn;	/* that is read */
	struct waiting *calls;
	size_t n_calls;
	size_t first[SHELVES], last[SHELVES];	/* + 1 */
	struct buf thoughts;	/* of the block that goes on; raw */
	bool thinks;		/* it does */
};

static struct str
get(struct history *h, struct str object, struct str name)
{
	return gemini_get(h->d->arena, object, name);
}

static bool
refuse(struct history *h, enum fault_kind kind, const char *words)
{
	return gemini_decode_refuse(h->d, kind, "contents", words);
}

static struct block *
add(struct history *h, enum block_kind kind)
{
	return neutral_block(h->d->n, h->turn, kind);
}

/* --- Thoughts ------------------------------------------------------------- */

/* The thoughts that go on end here; proof: an envelope, or empty. */
static void
end_thoughts(struct history *h, struct str proof)
{
	struct block *b;

	if (!h->thinks && !proof.n)
		return;
	b = add(h, BLOCK_REASONING);
	b->text = arena_str(h->d->arena, buf_str(&h->thoughts));
	b->signature = proof;
	h->thinks = false;
	buf_clear(&h->thoughts);
}

/* What proves something, in a part. */
static struct str
proof_of(struct history *h, struct str part)
{
	struct str proof = { NULL, 0 };

	gemini_envelope_read(h->d->arena, gemini_inside(get(h, part,
	    S("thoughtSignature"))), &proof);
	return proof;
}

static void
thought(struct history *h, struct str part)
{
	struct str proof = proof_of(h, part);

	buf_put(&h->thoughts, gemini_inside(get(h, part, S("text"))));
	h->thinks = true;
	if (proof.n)
		end_thoughts(h, proof);
}

/* --- Calls and results ---------------------------------------------------- */

static size_t
shelf_of(struct str name)
{
	uint64_t v = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < name.n; i++)
		v = (v ^ (unsigned char)name.p[i]) * UINT64_C(1099511628211);
	return (size_t)(v ^ v >> 32) % SHELVES;
}

static void
wait(struct history *h, struct str name, struct str id, bool made)
{
	size_t shelf = shelf_of(name), at;

	h->calls = neutral_grow(h->d->arena, h->calls, h->n_calls,
	    sizeof(*h->calls));
	at = h->n_calls++;
	h->calls[at] = (struct waiting){ name, id, made, false, 0 };
	if (h->last[shelf])
		h->calls[h->last[shelf] - 1].next = at + 1;
	else
		h->first[shelf] = at + 1;
	h->last[shelf] = at + 1;
}

/* The first that waits by this name, or NULL; those in front of its shelf
 * that do not wait any more are taken off it. */
static struct waiting *
find(struct history *h, struct str name)
{
	size_t shelf = shelf_of(name), at;

	while (h->first[shelf] && h->calls[h->first[shelf] - 1].answered) {
		h->first[shelf] = h->calls[h->first[shelf] - 1].next;
		if (!h->first[shelf])
			h->last[shelf] = 0;
	}
	for (at = h->first[shelf]; at; at = h->calls[at - 1].next)
		if (!h->calls[at - 1].answered &&
		    str_eq(h->calls[at - 1].name, name))
			return &h->calls[at - 1];
	return NULL;
}

static bool
call(struct history *h, struct str part, struct str value)
{
	struct arena *a = h->d->arena;
	struct str id = json_text(a, get(h, value, S("id")));
	struct str args = get(h, value, S("args"));
	struct str proof = proof_of(h, part);
	bool made = id.n == 0;
	struct block *b;

	end_thoughts(h, proof);
	if (made)
		id = arena_printf(a, "call_%zu", h->n_calls);
	b = add(h, BLOCK_CALL);
	b->id = id;
	b->name = json_text(a, get(h, value, S("name")));
	b->args = json_kind(args) == JSON_IS_OBJECT ? args : S("{}");
	wait(h, b->name, id, made);
	if (b->name.n == 0)
		return refuse(h, FAULT_BAD_REQUEST,
		    "A 'functionCall' needs a 'name'.");
	return json_kind(args) == JSON_IS_OBJECT || gemini_is_empty(args) ||
	    refuse(h, FAULT_BAD_REQUEST,
	    "The 'args' of a 'functionCall' must be an object.");
}

static bool part(struct history *h, struct str value, int depth);

/* What is told of it: {"output":…} or {"error":…} without that, else all. */
static void
told(struct history *h, struct block *b, struct str response)
{
	struct json_each m = json_each(response);
	struct str value = response;
	struct turn in = { .role = ROLE_USER };

	if (json_next(&m) && (str_eq(m.name, S("output")) ||
	    str_eq(m.name, S("error")))) {
		bool failed = str_eq(m.name, S("error"));
		struct str only = m.value;

		if (!json_next(&m)) {
			value = only;
			b->failed = failed;
		}
	}
	value = json_kind(value) == JSON_IS_STRING ? gemini_inside(value) :
	    neutral_raw(h->d->arena, value);
	if (value.n) {
		neutral_block(h->d->n, &in, BLOCK_TEXT)->text = value;
		b->inside = in.blocks;
		b->n_inside = in.n;
	}
}

/* Pictures and documents beside it. */
static bool
beside(struct history *h, struct block *b, struct str parts, int depth)
{
	struct turn in = { .role = ROLE_USER, .blocks = b->inside,
		.n = b->n_inside };
	struct turn *outer = h->turn;
	bool ok = true;

	h->turn = &in;
	for (struct json_each m = json_each(parts); ok && json_next(&m);)
		ok = part(h, m.value, depth - 1);
	h->turn = outer;
	b->inside = in.blocks;
	b->n_inside = in.n;
	for (size_t i = 0; ok && i < in.n; i++)
		if (in.blocks[i].kind == BLOCK_CALL ||
		    in.blocks[i].kind == BLOCK_RESULT)
			return refuse(h, FAULT_BAD_REQUEST, "Parts of a "
			    "'functionResponse' are data, no calls.");
	return ok;
}

static bool
result(struct history *h, struct str value, int depth)
{
	struct arena *a = h->d->arena;
	struct str name = json_text(a, get(h, value, S("name")));
	struct str id = json_text(a, get(h, value, S("id")));
	struct waiting *w = find(h, name);
	struct block b = { .kind = BLOCK_RESULT };

	b.id = id.n ? id : name;
	if (w && (id.n == 0 || w->made)) {
		w->answered = true;
		b.id = w->id;
	} else if (w && str_eq(w->id, id)) {
		w->answered = true;
	}
	told(h, &b, get(h, value, S("response")));
	if (!beside(h, &b, get(h, value, S("parts")), depth))
		return false;
	*add(h, BLOCK_RESULT) = b;
	return b.id.n || refuse(h, FAULT_BAD_REQUEST,
	    "A 'functionResponse' needs the 'name' of its function.");
}

/* --- Data ----------------------------------------------------------------- */

/* Where data or a file belongs, by its type. */
static bool
place(struct history *h, struct str mime, struct block **b)
{
	if (str_starts(mime, S("image/")))
		*b = add(h, BLOCK_IMAGE);
	else if (str_starts(mime, S("audio/")))
		*b = add(h, BLOCK_AUDIO);
	else if (str_starts(mime, S("text/")) ||
	    str_eq(mime, S("application/pdf")) ||
	    str_eq(mime, S("application/json")))
		*b = add(h, BLOCK_DOC);
	else
		return refuse(h, FAULT_UNSUPPORTED_VALUE, "Only images, "
		    "sound, PDF and text are available as data for this "
		    "model.");
	(*b)->source.mime = mime;
	return true;
}

static bool
data(struct history *h, struct str value)
{
	struct arena *a = h->d->arena;
	struct str text = json_text(a, get(h, value, S("data")));
	struct str mime = neutral_mime(a, json_text(a, get(h, value,
	    S("mimeType"))));
	struct block *b;

	if (mime.n == 0)
		mime = neutral_sniff(text);
	if (!place(h, mime, &b))
		return false;
	b->source.kind = SOURCE_DATA;
	b->source.name = gemini_inside(get(h, value, S("displayName")));
	return neutral_base64(a, text, &b->source.raw) || refuse(h,
	    FAULT_BAD_REQUEST, "The 'data' of an 'inlineData' must be base64.");
}

static bool
file(struct history *h, struct str value)
{
	struct arena *a = h->d->arena;
	struct str uri = json_text(a, get(h, value, S("fileUri")));
	struct str mime = neutral_mime(a, json_text(a, get(h, value,
	    S("mimeType"))));
	struct block *b;

	if (!str_starts_nocase(uri, S("https://")) &&
	    !str_starts_nocase(uri, S("http://")))
		return refuse(h, FAULT_UNSUPPORTED_VALUE, "A 'fileUri' must "
		    "be the https address of a file for this model; or send "
		    "the content itself as 'inlineData'.");
	if (!place(h, mime.n ? mime : S("image/"), &b))
		return false;
	b->source.kind = SOURCE_URL;
	b->source.raw = uri;
	return true;
}

/* --- Parts ---------------------------------------------------------------- */

/* Code that ran there, and what it said, for those who cannot run any. */
static void
code(struct history *h, struct str text)
{
	if (text.n)
		add(h, BLOCK_TEXT)->text = ARENA_JOIN(h->d->arena,
		    S("```\\n"), text, S("\\n```"));
}

static void
text(struct history *h, struct str value, struct str raw)
{
	struct str proof = proof_of(h, value);

	end_thoughts(h, S(""));
	if (raw.n)
		add(h, BLOCK_TEXT)->text = raw;
	end_thoughts(h, proof);
}

static bool
part(struct history *h, struct str value, int depth)
{
	struct arena *a = h->d->arena;
	bool ok = true;

	if (depth == 0 || !neutral_holds(h->d->n, h->d->fault))
		return depth != 0 ? false : refuse(h, FAULT_BAD_REQUEST,
		    "Parts of a 'functionResponse' cannot hold another one.");
	if (json_yes(get(h, value, S("thought")))) {
		thought(h, value);
		return true;
	}
	for (struct json_each m = json_each(value); ok && json_next(&m);) {
		if (gemini_is(a, m.name, S("text"))) {
			text(h, value, gemini_inside(m.value));
			continue;
		}
		if (json_kind(m.value) != JSON_IS_OBJECT)
			continue;
		if (gemini_is(a, m.name, S("functionCall"))) {
			ok = call(h, value, m.value);
			continue;
		}
		end_thoughts(h, S(""));
		if (gemini_is(a, m.name, S("functionResponse")))
			ok = result(h, m.value, depth);
		else if (gemini_is(a, m.name, S("inlineData")))
			ok = data(h, m.value);
		else if (gemini_is(a, m.name, S("fileData")))
			ok = file(h, m.value);
		else if (gemini_is(a, m.name, S("executableCode")))
			code(h, gemini_inside(get(h, m.value, S("code"))));
		else if (gemini_is(a, m.name, S("codeExecutionResult")))
			code(h, gemini_inside(get(h, m.value, S("output"))));
	}
	return ok;
}

/* Calls are the model's, their results the user's. */
static bool
is_its_own(struct history *h)
{
	const struct turn *t = h->turn;

	for (size_t i = 0; i < t->n; i++)
		if (t->blocks[i].kind == (t->role == ROLE_ASSISTANT ?
		    BLOCK_RESULT : BLOCK_CALL))
			return refuse(h, FAULT_BAD_REQUEST, "A 'functionCall' "
			    "stands in a content of the role model, a "
			    "'functionResponse' in one of the role user.");
	return true;
}

static bool
content(struct history *h, struct str value)
{
	struct str role = get(h, value, S("role"));
	struct str parts = get(h, value, S("parts"));
	bool model = gemini_word(role, S("model"));

	if (!model && role.n > 2 && !gemini_word(role, S("user")) &&
	    !gemini_word(role, S("function")) &&
	    !gemini_word(role, S("tool")) &&
	    json_kind(role) != JSON_IS_NULL)
		return refuse(h, FAULT_BAD_REQUEST,
		    "The role of a content must be user or model.");
	h->turn = neutral_turn(h->d->n, model ? ROLE_ASSISTANT : ROLE_USER);
	if (json_kind(parts) == JSON_IS_OBJECT) {
		if (!part(h, parts, PART_DEPTH))
			return false;
	} else {
		for (struct json_each m = json_each(parts); json_next(&m);)
			if (!part(h, m.value, PART_DEPTH))
				return false;
	}
	end_thoughts(h, S(""));
	return is_its_own(h) && neutral_holds(h->d->n, h->d->fault);
}

bool
gemini_history(struct gemini_decoding *d, struct str contents)
{
	struct history *h = arena_new(d->arena, struct history);

	h->d = d;
	h->thoughts = BUF(d->arena, contents.n + 1);
	for (struct json_each m = json_each(contents); json_next(&m);)
		if (!content(h, m.value))
			return false;
	return true;
}
