/* SPDX-License-Identifier: MIT */
/* embed.c - embeddings across dialects; see embed.h. */
#include "handlers/dialect/embed.h"

#include <sodium.h>
#include <stdlib.h>

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/up_error.h"

enum { DIGITS_MOST = 64 };	/* of one number that is read */

bool
embed_request(struct arena *a, const struct embeds *e,
    const struct embed_dialect *to, const struct target *t, struct buf *out,
    struct dropped *d, struct fault *f)
{
	if (e->hint && !neutral_drop(d, t, a, f, e->hint))
		return false;
	to->encode(e, t->model, out);
	return !out->full;
}

void
embed_add(struct arena *a, struct vectors *v, struct str list)
{
	v->list = neutral_grow(a, v->list, v->n, sizeof(*v->list));
	v->list[v->n++] = list;
}

static float
float_of(struct str number)
{
	char z[DIGITS_MOST + 1];
	size_t n = number.n < DIGITS_MOST ? number.n : DIGITS_MOST;

	memcpy(z, number.p, n);
	z[n] = '\0';
	return strtof(z, NULL);
}

void
embed_base64(struct arena *a, struct str list, struct buf *out)
{
	unsigned char *bytes;
	size_t n = 0, room;
	char *text;

	for (struct json_each m = json_each(list); json_next(&m);)
		n++;
	bytes = arena_alloc(a, n * 4 + 1);
	n = 0;
	for (struct json_each m = json_each(list); json_next(&m);) {
		float v = float_of(m.value);
		uint32_t bits;

		memcpy(&bits, &v, sizeof(bits));
		for (int i = 0; i < 4; i++)
			bytes[n++] = (unsigned char)(bits >> 8 * i);
	}
	room = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
	text = arena_alloc(a, room);
	sodium_bin2base64(text, room, bytes, n,
	    sodium_base64_VARIANT_ORIGINAL);
	buf_raw(out, str_from(text, room - 1));
}

/* --- Watching ------------------------------------------------------------- */

static void
release(void *object)
{
	buf_release(object);
}

void
embed_observe(struct observer *o)
{
	struct buf *body = arena_new(o->arena, struct buf);

	*body = BUF_HEAP(LIMIT_FOLD_BYTES);
	arena_attach(o->arena, release, body);
	o->state = body;
	o->seen = 0;
	o->tokens = TOKENS_ABSENT;
	o->out_milli = 0;
	o->model = o->service_tier = (struct str){ 0 };
	o->error = (struct up_error){ 0 };
	o->inside = false;
}

void
embed_feed(struct observer *o, struct str piece)
{
	buf_put(o->state, piece);
}

/* One that is as long as what was asked. */
static bool
told(struct observer *o, struct str body, struct buf *out)
{
	const struct embeds *asked = o->embeds;
	struct vectors v = { NULL, 0 };

	if (!o->upstream->embed->read(o, body, &v) || v.n != asked->n)
		return false;
	for (size_t i = 0; i < v.n; i++)
		if (json_kind(v.list[i]) != JSON_IS_ARRAY)
			return false;
	o->dialect->embed->write(asked, &v, o, out);
	return !out->full;
}

bool
embed_finish(struct observer *o, struct buf *out, struct buf *last)
{
	struct str body = str_trim(buf_str(o->state)), whole;
	struct buf answer = BUF_HEAP(LIMIT_FOLD_BYTES);
	bool ok = false;

	if (((struct buf *)o->state)->full || !json_valid(body, NULL)) {
		o->seen |= SEEN_BAD;
	} else if (up_error_told(json_get(body, S("error")))) {
		up_error_read(o->arena, 200, S("application/json"), body,
		    &o->error);
		o->seen |= SEEN_ERROR;
	} else if (!told(o, body, &answer)) {
		o->seen |= SEEN_BAD;
	} else {
		o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
		whole = buf_str(&answer);
		if (whole.n > LIMIT_KEEP_BACK) {
			size_t n = whole.n - LIMIT_KEEP_BACK;

			buf_put(out, str_from(whole.p, n));
			whole = str_skip(whole, n);
		}
		buf_put(last, whole);
		ok = true;
	}
	buf_release(&answer);
	return ok;
}
