/* SPDX-License-Identifier: MIT */
/* openai_embed.c - embeddings of OpenAI's, for embed.h. */
#include "handlers/dialect/embed.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/openai.h"

static struct str
inside(struct str value)
{
	return str_from(value.p + 1, value.n - 2);
}

static bool
refuse(struct arena *a, struct fault *f, const char *param,
    const char *words)
{
	fault_set(f, a, FAULT_UNSUPPORTED_VALUE, "%s", words);
	f->param = str_of(param);
	return false;
}

static bool
add(struct arena *a, struct embeds *e, struct str text, struct fault *f)
{
	if (json_kind(text) != JSON_IS_STRING)
		return refuse(a, f, "input", "'input' must be texts for this "
		    "model: it does not take tokens.");
	e->texts = neutral_grow(a, e->texts, e->n, sizeof(*e->texts));
	e->texts[e->n++] = inside(text);
	return true;
}

static bool
decode(struct arena *a, enum endpoint endpoint, struct str body,
    struct embeds *out, struct fault *f)
{
	struct str input = json_get(body, S("input"));
	struct str format = json_get(body, S("encoding_format"));

	(void)endpoint;
	*out = (struct embeds){ .base64 = str_eq(format, S("\"base64\"")) };
	json_int(json_get(body, S("dimensions")), &out->dimensions);
	if (json_kind(input) == JSON_IS_STRING)
		return add(a, out, input, f);
	for (struct json_each m = json_each(input); json_next(&m);)
		if (!add(a, out, m.value, f))
			return false;
	return true;
}

static void
encode(const struct embeds *e, struct str model, struct buf *out)
{
	buf_put(out, S("{\"model\":"));
	buf_json(out, model);
	buf_put(out, S(",\"input\":["));
	for (size_t i = 0; i < e->n; i++) {
		buf_put(out, i ? S(",") : S(""));
		buf_raw(out, e->texts[i]);
	}
	buf_char(out, ']');
	if (e->dimensions)
		buf_printf(out, ",\"dimensions\":%lld",
		    (long long)e->dimensions);
	buf_put(out, S(",\"encoding_format\":\"float\"}"));
}

/* They may come in any order: each says which it is. */
static bool
read_vectors(struct observer *o, struct str body, struct vectors *out)
{
	struct str data = json_get(body, S("data"));
	struct str *list;
	size_t n = 0;

	openai_read_model(o, json_get(body, S("model")));
	openai_read_usage(o, json_get(body, S("usage")));
	for (struct json_each m = json_each(data); json_next(&m);)
		embed_add(o->arena, out, S(""));
	list = out->list;
	for (struct json_each m = json_each(data); json_next(&m); n++) {
		int64_t index = (int64_t)n;

		json_int(json_get(m.value, S("index")), &index);
		if (index < 0 || (uint64_t)index >= out->n)
			return false;
		list[index] = json_get(m.value, S("embedding"));
	}
	return out->n > 0;
}

static void
write_vectors(const struct embeds *asked, const struct vectors *v,
    const struct observer *o, struct buf *out)
{
	int64_t tokens = o->tokens.in_total >= 0 ? o->tokens.in_total :
	    asked->tokens;

	buf_put(out, S("{\"object\":\"list\",\"data\":["));
	for (size_t i = 0; i < v->n; i++) {
		buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%zu,"
		    "\"embedding\":", i ? "," : "", i);
		if (asked->base64)
			embed_base64(o->arena, v->list[i], out);
		else
			buf_put(out, v->list[i]);
		buf_char(out, '}');
	}
	buf_put(out, S("],\"model\":"));
	buf_json(out, o->asked_model);
	buf_printf(out, ",\"usage\":{\"prompt_tokens\":%lld,"
	    "\"total_tokens\":%lld}}", (long long)tokens, (long long)tokens);
}

const struct embed_dialect openai_embed = {
	.decode = decode,
	.encode = encode,
	.read = read_vectors,
	.write = write_vectors,
};
