/* SPDX-License-Identifier: MIT */
/*
 * gemini_thoughts.c - what proves thoughts, in this API's words.
 *
 * In the text of a request either all signatures go, or those that came in an
 * envelope are put right.  A call must have one with some models: where its
 * own is lost, what Google gave a name to stands for it.  What does not change
 * is copied as it is spelt.
 */
#include <sodium.h>

#include "handlers/dialect/gemini.h"
#include "handlers/dialect/gemini_neutral.h"
#include "handlers/dialect/thoughts.h"

/* --- Envelopes ------------------------------------------------------------ */

struct str
gemini_envelope_write(struct arena *a, struct str envelope)
{
	size_t room = sodium_base64_encoded_len(envelope.n,
	    sodium_base64_VARIANT_ORIGINAL);
	char *p = arena_alloc(a, room);

	sodium_bin2base64(p, room, (const unsigned char *)envelope.p,
	    envelope.n, sodium_base64_VARIANT_ORIGINAL);
	return str_from(p, room - 1);
}

bool
gemini_envelope_read(struct arena *a, struct str raw, struct str *envelope)
{
	struct str base64;
	unsigned char *p;
	size_t n;

	if (!str_starts(raw, S(ENVELOPE_BASE64)) ||
	    !neutral_base64(a, neutral_plain(a, raw), &base64))
		return false;
	p = arena_alloc(a, base64.n);
	if (sodium_base642bin(p, base64.n, base64.p, base64.n, NULL, &n, NULL,
	    sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    !envelope_is(str_from(p, n)) || memchr(p, '"', n) ||
	    memchr(p, '\\', n))
		return false;
	*envelope = str_from(p, n);
	return true;
}

/* --- The text of a request ------------------------------------------------ */

struct rewriting {
	struct arena *arena;
	const struct envelope_key *key;	/* NULL: signatures are cut */
	struct buf *out;
	const char *at;		/* what stands before it is written */
};

static void
copy_to(struct rewriting *w, const char *p)
{
	buf_put(w->out, str_from(w->at, (size_t)(p - w->at)));
	w->at = p;
}

/* What it becomes; empty: it cannot stand. */
static struct str
becomes(struct rewriting *w, struct str part, struct str value)
{
	bool call = gemini_get(w->arena, part, S("functionCall")).n > 0;
	struct str closed;
	struct envelope e;

	if (w->key && !gemini_envelope_read(w->arena, gemini_inside(value),
	    &closed))
		return gemini_inside(value);	/* its own */
	if (w->key && envelope_fits(w->arena, w->key, closed, &e))
		return e.value;
	return call ? S(GEMINI_UNSIGNED) : S("");
}

static void
put_part(struct rewriting *w, struct str part)
{
	struct str old = gemini_get(w->arena, part, S("thoughtSignature"));
	struct str now;

	if (json_kind(old) != JSON_IS_STRING)
		return;
	now = becomes(w, part, old);
	copy_to(w, old.p);
	w->at = old.p + old.n;
	if (now.n)
		buf_raw(w->out, now);
	else
		buf_put(w->out, S("null"));
}

static void
put_content(struct rewriting *w, struct str content)
{
	struct str parts = gemini_get(w->arena, content, S("parts"));

	if (json_kind(parts) == JSON_IS_OBJECT)
		put_part(w, parts);
	for (struct json_each m = json_each(parts); json_next(&m);)
		if (!m.object)
			put_part(w, m.value);
}

bool
gemini_thoughts(struct arena *a, struct str body,
    const struct envelope_key *k, struct buf *out)
{
	struct rewriting w = { a, k, out, body.p };
	struct str contents = gemini_get(a, str_trim(body), S("contents"));

	for (struct json_each m = json_each(contents); json_next(&m);)
		put_content(&w, m.value);
	copy_to(&w, body.p + body.n);
	return !out->full;
}
