/* SPDX-License-Identifier: MIT */
/*
 * gemini_write.c - the request for an upstream of the same dialect.
 *
 * The bytes go on as they came but for two things: the name of the model,
 * where the body has one (and must have one, in each request of a batch), and
 * the limit of the output.
 */
#include "handlers/dialect/gemini.h"

struct writing {
	struct arena *arena;
	const struct edits *edits;
	struct buf *out;
	const char *at;		/* what stands before it is written */
};

/* Writes what stands before the place, which is passed. */
static void
copy_to(struct writing *w, struct str place)
{
	buf_put(w->out, str_from(w->at, (size_t)(place.p - w->at)));
	w->at = place.p + place.n;
}

/* Behind the brace that opens an object. */
static void
copy_into(struct writing *w, struct str object)
{
	copy_to(w, str_from(object.p, 0));
	buf_char(w->out, '{');
	w->at = object.p + 1;
}

void
gemini_put_model(struct buf *out, struct str model)
{
	bool whole = str_has(model, S("/"));
	size_t at = out->n;

	if (!whole)
		buf_put(out, S("\"models/"));
	buf_json(out, model);
	if (whole || out->full)
		return;
	/* Its own first quote goes. */
	at += sizeof("\"models/") - 1;
	memmove(out->p + at, out->p + at + 1, out->n - at - 1);
	out->n--;
}

static void
put_model(struct writing *w)
{
	gemini_put_model(w->out, w->edits->model);
}

/* In an object; must: it is put there when it is not. */
static void
write_model(struct writing *w, struct str object, bool must)
{
	struct str old = gemini_get(w->arena, object, S("model"));

	if (old.n) {
		copy_to(w, old);
		put_model(w);
	} else if (must && json_kind(object) == JSON_IS_OBJECT) {
		copy_into(w, object);
		buf_put(w->out, S("\"model\":"));
		put_model(w);
		buf_put(w->out, gemini_is_empty(object) ? S("") : S(","));
	}
}

static void
write_limit(struct writing *w, struct str config)
{
	struct str old = gemini_get(w->arena, config, S("maxOutputTokens"));

	if (old.n) {
		copy_to(w, old);
		buf_int(w->out, w->edits->cap_output);
	} else if (json_kind(config) == JSON_IS_OBJECT) {
		copy_into(w, config);
		buf_printf(w->out, "\"maxOutputTokens\":%lld%s",
		    (long long)w->edits->cap_output,
		    gemini_is_empty(config) ? "" : ",");
	} else {		/* null */
		copy_to(w, config);
		buf_printf(w->out, "{\"maxOutputTokens\":%lld}",
		    (long long)w->edits->cap_output);
	}
}

/* A limit that stands there is lowered, never raised. */
static bool
limits(const struct asked *asked, const struct edits *edits)
{
	return edits->cap_output >= 0 &&
	    asked->endpoint == ENDPOINT_GENERATE &&
	    (asked->max_output < 0 || asked->max_output > edits->cap_output);
}

/* What there is to write at each member, in their order. */
static void
write_member(struct writing *w, const struct asked *asked,
    const struct json_each *m, bool limit)
{
	if (gemini_is(w->arena, m->name, S("model"))) {
		copy_to(w, m->value);
		put_model(w);
	} else if (gemini_is(w->arena, m->name, S("requests")) &&
	    asked->endpoint == ENDPOINT_EMBED_BATCH) {
		for (struct json_each n = json_each(m->value); json_next(&n);)
			write_model(w, n.value, true);
	} else if (gemini_is(w->arena, m->name,
	    S("generateContentRequest"))) {
		write_model(w, m->value, false);
	} else if (limit && gemini_is(w->arena, m->name,
	    S("generationConfig"))) {
		write_limit(w, m->value);
	}
}

bool
gemini_write_request(const struct asked *asked, const struct edits *edits,
    struct buf *out)
{
	struct arena a;
	struct str body = str_trim(asked->body);
	struct writing w = { &a, edits, out, body.p };
	bool limit = limits(asked, edits);

	arena_init(&a);
	if (limit && !gemini_get(&a, body, S("generationConfig")).n) {
		copy_into(&w, body);
		buf_printf(out, "\"generationConfig\":{\"maxOutputTokens\":"
		    "%lld},", (long long)edits->cap_output);
	}
	for (struct json_each m = json_each(body); json_next(&m);)
		write_member(&w, asked, &m, limit);
	copy_to(&w, str_from(body.p + body.n, 0));
	arena_release(&a);
	return !out->full;
}
