/* SPDX-License-Identifier: MIT */
/* gemini_embed.c - embeddings of Gemini's, for embed.h. */
#include "handlers/dialect/embed.h"
#include "handlers/dialect/gemini.h"
#include "handlers/dialect/neutral.h"

static bool
refuse(struct arena *a, struct fault *f, const char *param,
    const char *words)
{
	fault_set(f, a, FAULT_UNSUPPORTED_VALUE, "%s", words);
	f->param = str_of(param);
	return false;
}

/* Parts of one content are one text. */
static bool
text_of(struct arena *a, struct str content, struct str *text,
    struct fault *f)
{
	struct str parts = gemini_get(a, content, S("parts"));
	struct buf all = BUF(a, content.n + 2);

	if (json_kind(parts) == JSON_IS_OBJECT) {
		*text = gemini_inside(gemini_get(a, parts, S("text")));
		return true;
	}
	for (struct json_each m = json_each(parts); json_next(&m);) {
		struct str one = gemini_get(a, m.value, S("text"));

		if (json_kind(one) != JSON_IS_STRING)
			return refuse(a, f, "content", "Only parts of text "
			    "can be embedded by this model.");
		buf_put(&all, all.n ? S("\\n") : S(""));
		buf_put(&all, gemini_inside(one));
	}
	*text = buf_str(&all);
	return true;
}

/* One request, alone or of a batch. */
static bool
add(struct arena *a, struct embeds *e, struct str request, struct fault *f)
{
	struct str wanted = gemini_get(a, request, S("outputDimensionality"));
	int64_t dimensions = 0;

	json_int(wanted, &dimensions);
	if (e->n && dimensions != e->dimensions)
		return refuse(a, f, "outputDimensionality", "All of 'requests' "
		    "must want vectors of the same 'outputDimensionality' for "
		    "this model.");
	e->dimensions = dimensions;
	if (!gemini_is_empty(gemini_get(a, request, S("taskType"))))
		e->hint = "taskType";
	else if (!gemini_is_empty(gemini_get(a, request, S("title"))))
		e->hint = "title";
	e->texts = neutral_grow(a, e->texts, e->n, sizeof(*e->texts));
	return text_of(a, gemini_get(a, request, S("content")),
	    &e->texts[e->n++], f);
}

static bool
decode(struct arena *a, enum endpoint endpoint, struct str body,
    struct embeds *out, struct fault *f)
{
	*out = (struct embeds){ .one = endpoint == ENDPOINT_EMBED };
	if (out->one)
		return add(a, out, str_trim(body), f);
	for (struct json_each m = json_each(gemini_get(a, str_trim(body),
	    S("requests"))); json_next(&m);)
		if (!add(a, out, m.value, f))
			return false;
	return true;
}

static void
encode(const struct embeds *e, struct str model, struct buf *out)
{
	buf_put(out, S("{\"requests\":["));
	for (size_t i = 0; i < e->n; i++) {
		buf_put(out, i ? S(",{\"model\":") : S("{\"model\":"));
		gemini_put_model(out, model);
		buf_put(out, S(",\"content\":{\"parts\":[{\"text\":"));
		buf_raw(out, e->texts[i]);
		buf_put(out, S("}]}"));
		if (e->dimensions)
			buf_printf(out, ",\"outputDimensionality\":%lld",
			    (long long)e->dimensions);
		buf_char(out, '}');
	}
	buf_put(out, S("]}"));
}

static bool
read_vectors(struct observer *o, struct str body, struct vectors *out)
{
	struct counts c;

	memset(&c, 0xff, sizeof(c)); /* all -1: absent */
	gemini_read_model(o, json_get(body, S("modelVersion")));
	gemini_read_usage(o, &c, json_get(body, S("usageMetadata")));
	for (struct json_each m = json_each(json_get(body,
	    S("embeddings"))); json_next(&m);)
		embed_add(o->arena, out, json_get(m.value, S("values")));
	return out->n > 0;
}

static void
write_vectors(const struct embeds *asked, const struct vectors *v,
    const struct observer *o, struct buf *out)
{
	buf_put(out, asked->one ? S("{\"embedding\":") :
	    S("{\"embeddings\":["));
	for (size_t i = 0; i < v->n; i++) {
		buf_put(out, i ? S(",{\"values\":") : S("{\"values\":"));
		buf_put(out, v->list[i]);
		buf_char(out, '}');
	}
	buf_put(out, asked->one ? S("") : S("]"));
	if (o->tokens.in_total >= 0)
		buf_printf(out, ",\"usageMetadata\":{\"promptTokenCount\":"
		    "%lld}", (long long)o->tokens.in_total);
	buf_char(out, '}');
}

const struct embed_dialect gemini_embed = {
	.decode = decode,
	.encode = encode,
	.read = read_vectors,
	.write = write_vectors,
};
