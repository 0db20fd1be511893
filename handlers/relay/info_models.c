/* SPDX-License-Identifier: MIT */
/*
 * info_models.c - which models a caller may use, in the words of his path.
 *
 * Only what this key may use is listed, at this key's sale price, aliases too.
 * Nothing here names a channel or a credential.
 */
#include "db/catalogue.h"
#include "db/price.h"
#include "fcgi/base/fault.h"
#include "fcgi/request.h"
#include "handlers/dialect/dialect.h"
#include "handlers/relay/call.h"
#include "handlers/relay/info.h"
#include "handlers/relay/info_part.h"
#include "handlers/relay/plan.h"

enum {
	MAX_LIST = 8 << 20,
	TOKEN_PLACES = 21,		/* of a rate a million, times a ppm */
	ONE_PLACES = 15			/* of a rate for one */
};

struct listing;

/* How a dialect lists models. */
struct shape {
	const struct dialect *of;	/* NULL: of all others */
	struct str begin;		/* of a list */
	void (*put)(const struct listing *l, const struct model *m,
	    struct str name);
	void (*end)(const struct listing *l);
};

struct listing {
	struct request *rq;
	const struct catalogue *cat;
	const struct group *group;
	const struct key *key;
	struct buf *out;
	const struct shape *shape;
	struct str *names;
	size_t n, room;
};

/* USD a token, as OpenRouter's clients read it. */
static void
put_rate(struct buf *out, const struct terms *t, const char *name,
    enum bucket b, bool first)
{
	unsigned __int128 n = (unsigned __int128)t->price->rate[b] *
	    (unsigned __int128)t->share_ppm;

	buf_printf(out, "%s\"%s\":\"", first ? "" : ",", name);
	info_decimal(out, n, BUCKETS_ONES & 1u << b ? ONE_PLACES :
	    TOKEN_PLACES);
	buf_char(out, '"');
}

/* What else the price names: for one, or for a token or character. */
static void
put_units(struct buf *out, const struct terms *t)
{
	bool first = true;

	for (enum bucket b = BUCKET_REQUEST; b < N_BUCKETS; b++) {
		if (!(t->price->given & 1u << b))
			continue;
		if (first)
			buf_put(out, S(",\"weir\":{\"pricing\":{"));
		put_rate(out, t, bucket_names[b], b, first);
		first = false;
	}
	if (!first)
		buf_put(out, S("}}"));
}

static void
put_openai(const struct listing *l, const struct model *m, struct str name)
{
	struct terms t = catalogue_terms(l->cat, l->group, l->key, m);
	struct buf *out = l->out;

	buf_put(out, S("{\"id\":"));
	buf_json(out, name);
	buf_put(out, S(",\"object\":\"model\",\"created\":0,"
	    "\"owned_by\":\"weir\",\"context_length\":"));
	if (m->context)
		buf_int(out, m->context);
	else
		buf_put(out, S("null"));
	buf_put(out, S(",\"top_provider\":{\"max_completion_tokens\":"));
	if (m->max_output)
		buf_int(out, m->max_output);
	else
		buf_put(out, S("null"));
	buf_put(out, S("},\"pricing\":{"));
	put_rate(out, &t, "prompt", BUCKET_INPUT, true);
	put_rate(out, &t, "completion", BUCKET_OUTPUT, false);
	put_rate(out, &t, "input_cache_read", BUCKET_CACHE_READ, false);
	put_rate(out, &t, "input_cache_write", BUCKET_CACHE_WRITE, false);
	buf_char(out, '}');
	put_units(out, &t);
	buf_char(out, '}');
}

static void
end_openai(const struct listing *l)
{
	buf_put(l->out, S("]}"));
}

/* --- Messages' shape ------------------------------------------------------ */

/* When it was made is not known here; SDKs read a time. */
static void
put_anthropic(const struct listing *l, const struct model *m, struct str name)
{
	struct buf *out = l->out;

	buf_put(out, S("{\"type\":\"model\",\"id\":"));
	buf_json(out, name);
	buf_put(out, S(",\"display_name\":"));
	buf_json(out, name);
	buf_put(out, S(",\"created_at\":\"1970-01-01T00:00:00Z\","));
	info_number(out, "max_input_tokens", m->context);
	buf_char(out, ',');
	info_number(out, "max_tokens", m->max_output);
	buf_char(out, '}');
}

/* All of them are on one page. */
static void
end_anthropic(const struct listing *l)
{
	buf_put(l->out, S("],\"has_more\":false,\"first_id\":"));
	if (!l->n) {
		buf_put(l->out, S("null,\"last_id\":null}"));
		return;
	}
	buf_json(l->out, l->names[0]);
	buf_put(l->out, S(",\"last_id\":"));
	buf_json(l->out, l->names[l->n - 1]);
	buf_char(l->out, '}');
}

/* --- Gemini's shape ------------------------------------------------------- */

/* What is sold by its output is asked for that; else it only measures. */
static bool
generates(const struct model *m)
{
	return m->free || !m->priced || m->price.given & BUCKET_BIT(OUTPUT) ||
	    !(m->price.given & BUCKET_BIT(INPUT));
}

static void
put_gemini(const struct listing *l, const struct model *m, struct str name)
{
	struct buf *out = l->out;

	buf_put(out, S("{\"name\":"));
	buf_json(out, ARENA_JOIN(&l->rq->arena, S("models/"), name));
	buf_put(out, S(",\"version\":\"\",\"displayName\":"));
	buf_json(out, name);
	buf_put(out, S(",\"description\":\"\""));
	if (m->context)
		buf_printf(out, ",\"inputTokenLimit\":%lld",
		    (long long)m->context);
	if (m->max_output)
		buf_printf(out, ",\"outputTokenLimit\":%lld",
		    (long long)m->max_output);
	buf_put(out, S(",\"supportedGenerationMethods\":["));
	buf_put(out, generates(m) ? S("\"generateContent\","
	    "\"countTokens\"]}") : S("\"embedContent\","
	    "\"batchEmbedContents\"]}"));
}

/* --- All of them ---------------------------------------------------------- */

static const struct shape shapes[] = {
	{ &anthropic_dialect, STR_INIT("{\"data\":["), put_anthropic,
	    end_anthropic },
	{ &gemini_dialect, STR_INIT("{\"models\":["), put_gemini,
	    end_openai },
	{ NULL, STR_INIT("{\"object\":\"list\",\"data\":["), put_openai,
	    end_openai },
};

static const struct shape *
shape_of(const struct request *rq)
{
	const struct dialect *d = answer_dialect(rq);
	const struct shape *s = shapes;

	while (s->of && s->of != d)
		s++;
	return s;
}

/* The model behind a name, if this key could call it. */
static const struct model *
usable(const struct listing *l, struct str name)
{
	const struct model *m = catalogue_model(l->cat, name);
	struct str called = m ? model_called(m, name) : name;

	if (!m || !(m->priced || m->free) ||
	    !(plan_allowed(l->key->models, name) ||
	    plan_allowed(l->key->models, called)))
		return NULL;
	for (size_t i = 0; i < l->cat->n_channels; i++) {
		const struct channel *ch = &l->cat->channels[i];

		if (ch->enabled && channel_has_group(ch, l->group->id) &&
		    dialect_find(ch->dialect) && channel_serves(ch, called))
			return m;
	}
	return NULL;
}

static void
list_name(struct listing *l, struct str name)
{
	const struct model *m;

	if (!name.n || str_ends(name, S("*")))
		return;
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->names[i], name))
			return;
	m = usable(l, name);
	if (!m || l->n == l->room)
		return;
	if (l->n)
		buf_char(l->out, ',');
	l->names[l->n++] = name;
	l->shape->put(l, m, name);
}

/* Catalogue and group for a key; the caller gives the catalogue back. */
static bool
begin_listing(struct listing *l, struct request *rq, struct key *k,
    struct buf *out)
{
	*l = (struct listing){ .rq = rq, .key = k, .out = out,
	    .shape = shape_of(rq) };
	l->cat = catalogue_take();
	l->group = catalogue_group(l->cat, k->group);
	if (l->group)
		return true;
	catalogue_give(l->cat);
	info_store_failed(rq);
	return false;
}

void
info_models(struct request *rq)
{
	struct buf out = BUF(&rq->arena, MAX_LIST);
	struct listing l;
	struct key k;

	if (!info_caller(rq, &k) || !begin_listing(&l, rq, &k, &out))
		return;
	l.room = l.cat->n_models + l.cat->n_names;
	for (size_t i = 0; i < l.cat->n_channels; i++)
		l.room += l.cat->channels[i].n_models;
	l.names = arena_zero(&rq->arena, sizeof(*l.names) * (l.room + 1));
	buf_put(&out, l.shape->begin);
	for (size_t i = 0; i < l.cat->n_models; i++)
		list_name(&l, l.cat->models[i].name);
	for (size_t i = 0; i < l.cat->n_names; i++)
		list_name(&l, catalogue_alias(l.cat, i));
	for (size_t i = 0; i < l.cat->n_channels; i++)
		for (size_t j = 0; j < l.cat->channels[i].n_models; j++)
			list_name(&l, l.cat->channels[i].models[j].name);
	l.shape->end(&l);
	catalogue_give(l.cat);
	info_answer(rq, &out);
}

void
info_model(struct request *rq)
{
	struct buf out = BUF(&rq->arena, MAX_LIST);
	const struct model *m;
	struct str name = rq->capture;
	struct fault f = { 0 };
	struct listing l;
	struct key k;

	if (!info_caller(rq, &k) || !begin_listing(&l, rq, &k, &out))
		return;
	if (l.shape->of == &gemini_dialect && str_starts(name, S("models/")))
		name = str_skip(name, 7);
	m = usable(&l, name);
	if (m)
		l.shape->put(&l, m, name);
	catalogue_give(l.cat);
	if (m) {
		info_answer(rq, &out);
		return;
	}
	fault_set(&f, &rq->arena, FAULT_MODEL_UNKNOWN, "The model '%.*s' "
	    "does not exist here, or not for this key.", STR_ARGS(name));
	f.param = S("model");
	info_refuse(rq, &f);
}
