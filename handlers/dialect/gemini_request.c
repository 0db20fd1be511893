/* SPDX-License-Identifier: MIT */
/*
 * gemini_request.c - what a request asks, as far as we need to know.
 *
 * The path says which model, and whether the answer is streamed; one walk
 * over the members of the body finds the rest.  Those of the tables are read;
 * they may stand there once, in one of their two spellings, because what we
 * price must be what the upstream reads.  Members that choose the model or
 * the price and have no price here are refused by name; all others pass
 * untouched.
 */
#include <stdarg.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"

enum {
	MAX_LIMIT = 1000000000,	/* tokens; no model comes near */
	MAX_CHOICES = 32,	/* bits of struct watch */
	TIER_MOST = 32		/* bytes of a tier's name */
};

enum { GENERATES = 1, EMBEDS = 2, BATCHES = 4, COUNTS = 8,
	CONVERSES = GENERATES | COUNTS, ALL = 15 };

struct member {
	struct str name;
	unsigned where;
	bool (*read)(struct reading *r, struct str value);
	bool (*neutral)(struct str value);	/* read is NULL: what may be
						 * said */
};

bool
gemini_refuse(struct reading *r, enum fault_kind kind, const char *param,
    const char *format, ...)
{
	va_list ap;

	if (r->fault->kind == FAULT_NONE)
		r->fault->param = str_of(param);
	va_start(ap, format);
	fault_vset(r->fault, r->arena, kind, format, ap);
	va_end(ap);
	return false;
}

bool
gemini_is_empty(struct str value)
{
	struct json_each m = json_each(value);

	switch (json_kind(value)) {
	case JSON_IS_NULL:
	case JSON_IS_NONE:
		return true;
	case JSON_IS_BOOL:
		return !json_yes(value);
	case JSON_IS_STRING:
		return value.n == 2;
	case JSON_IS_ARRAY:
	case JSON_IS_OBJECT:
		return !json_next(&m);
	default:
		return false;
	}
}

static bool
is_null(struct str value)
{
	return json_kind(value) == JSON_IS_NULL;
}

/* --- The path ------------------------------------------------------------- */

static const struct {
	struct str name;
	enum endpoint endpoint;
	bool stream;
} methods[] = {
	{ STR_INIT("generateContent"), ENDPOINT_GENERATE, false },
	{ STR_INIT("streamGenerateContent"), ENDPOINT_GENERATE, true },
	{ STR_INIT("countTokens"), ENDPOINT_COUNT_TOKENS, false },
	{ STR_INIT("embedContent"), ENDPOINT_EMBED, false },
	{ STR_INIT("batchEmbedContents"), ENDPOINT_EMBED_BATCH, false },
};

/* As frames, not as one array: alt=sse. */
static bool
wants_frames(struct str query)
{
	while (query.n) {
		struct str value = str_cut(&query, '&');
		struct str name = str_cut(&value, '=');

		if ((str_eq(name, S("alt")) || str_eq(name, S("$alt")) ||
		    str_eq(name, S("%24alt"))) &&
		    str_eq_nocase(value, S("sse")))
			return true;
	}
	return false;
}

/* Where the last colon stands; rest.n: nowhere. */
static size_t
last_colon(struct str rest)
{
	for (size_t i = rest.n; i > 0; i--)
		if (rest.p[i - 1] == ':')
			return i - 1;
	return rest.n;
}

bool
gemini_read_path(struct arena *a, struct str rest, struct str query,
    struct asked *out, struct fault *f)
{
	size_t colon = last_colon(rest);
	struct str method = str_skip(rest, colon + 1);
	struct str model = gemini_model(str_from(rest.p, colon));

	for (size_t i = 0; i < countof(methods); i++) {
		if (colon == rest.n || !str_eq(method, methods[i].name))
			continue;
		if (model.n == 0 || model.n > LIMIT_MODEL_BYTES)
			return fault_set(f, a, FAULT_BAD_REQUEST, "The path "
			    "must name a model: /v1beta/models/MODEL:%s",
			    methods[i].name.p);
		out->endpoint = methods[i].endpoint;
		out->by_path = (struct by_path){ model, methods[i].stream,
			methods[i].stream && !wants_frames(query) };
		return true;
	}
	return fault_set(f, a, FAULT_UNKNOWN_URL, "There is no such method "
	    "here: a path ends in :generateContent, :streamGenerateContent, "
	    ":countTokens, :embedContent or :batchEmbedContents.");
}

/* --- The members ---------------------------------------------------------- */

/* One table's, of one object. */
static bool read_members(struct reading *r, struct str object,
    const struct member *list, size_t n, unsigned where);

/* Where the body names the model too, it must be that of the path. */
static bool
read_model(struct reading *r, struct str value)
{
	struct str name = gemini_model(json_text(r->arena, value));

	if (is_null(value) || str_eq(name, r->out->by_path.model))
		return true;
	return gemini_refuse(r, FAULT_BAD_REQUEST, "model", "'model' must be "
	    "the model that the path names, or be left out.");
}

static bool
read_max_output(struct reading *r, struct str value)
{
	if (is_null(value))
		return true;
	if (!json_int(value, &r->out->max_output) ||
	    r->out->max_output < 0 || r->out->max_output > MAX_LIMIT) {
		r->out->max_output = -1;
		return gemini_refuse(r, FAULT_BAD_REQUEST,
		    "generationConfig.maxOutputTokens", "'maxOutputTokens' "
		    "must be a whole number from 0 to %d.", MAX_LIMIT);
	}
	r->out->max_tokens_at = value;
	/* 0 says nothing there. */
	if (r->out->max_output == 0)
		r->out->max_output = -1;
	return true;
}

static bool
read_choices(struct reading *r, struct str value)
{
	int64_t n = 1;

	if (!is_null(value) && (!json_int(value, &n) || n < 0 ||
	    n > MAX_CHOICES))
		return gemini_refuse(r, FAULT_BAD_REQUEST,
		    "generationConfig.candidateCount", "'candidateCount' must "
		    "be a whole number from 1 to %d.", MAX_CHOICES);
	r->out->choices = n > 1 ? n : 1;
	return true;
}

static bool
read_thinking(struct reading *r, struct str value)
{
	struct str budget = gemini_get(r->arena, value, S("thinkingBudget"));
	int64_t n;

	r->out->reasoning = !gemini_is_empty(value) &&
	    !(json_int(budget, &n) && n == 0);
	return true;
}

static bool
read_schema(struct reading *r, struct str value)
{
	if (gemini_is_empty(value))
		return true;
	r->out->json_schema = true;
	gemini_count_schema(r, value);
	return true;
}

/* Only of text: what else can be asked for has a price of its own. */
static bool
read_format(struct reading *r, struct str value)
{
	struct json_each m = json_each(value);
	bool list = json_kind(value) == JSON_IS_ARRAY;

	while (!list || json_next(&m)) {
		struct str one = list ? m.value : value;

		for (struct json_each n = json_each(one); json_next(&n);)
			if (!gemini_is(r->arena, n.name, S("text")) &&
			    !gemini_is_empty(n.value))
				return gemini_refuse(r,
				    FAULT_UNSUPPORTED_VALUE,
				    "generationConfig.responseFormat",
				    "'responseFormat' is available here for "
				    "text only; leave the others out.");
		read_schema(r, gemini_get(r->arena, gemini_get(r->arena, one,
		    S("text")), S("schema")));
		if (!list)
			break;
	}
	return true;
}

static bool
is_text(struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);)
		if (!gemini_word(m.value, S("TEXT")) &&
		    !gemini_word(m.value, S("MODALITY_UNSPECIFIED")))
			return false;
	return json_kind(value) == JSON_IS_ARRAY || is_null(value);
}

static const struct member config_members[] = {
	{ STR_INIT("maxOutputTokens"), ALL, read_max_output, NULL },
	{ STR_INIT("candidateCount"), ALL, read_choices, NULL },
	{ STR_INIT("thinkingConfig"), ALL, read_thinking, NULL },
	{ STR_INIT("responseSchema"), ALL, read_schema, NULL },
	{ STR_INIT("responseJsonSchema"), ALL, read_schema, NULL },
	{ STR_INIT("responseFormat"), ALL, read_format, NULL },
	/* What is no text has a price of its own. */
	{ STR_INIT("responseModalities"), ALL, NULL, is_text },
	{ STR_INIT("speechConfig"), ALL, NULL, gemini_is_empty },
	{ STR_INIT("imageConfig"), ALL, NULL, gemini_is_empty },
};

static bool
read_config(struct reading *r, struct str value)
{
	if (!is_null(value) && json_kind(value) != JSON_IS_OBJECT)
		return gemini_refuse(r, FAULT_BAD_REQUEST, "generationConfig",
		    "'generationConfig' must be an object.");
	return read_members(r, value, config_members,
	    countof(config_members), ALL);
}

/* Whether it has a price is for the plan to say. */
static bool
read_tier(struct reading *r, struct str value)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
	struct str tier = json_text(r->arena, value);
	char *low = arena_alloc(r->arena, tier.n + 1);
	size_t known = 0;

	for (size_t i = 0; i < tier.n; i++) {
		low[i] = (char)(tier.p[i] >= 'A' && tier.p[i] <= 'Z' ?
		    tier.p[i] + 32 : tier.p[i]);
		known += low[i] && strchr(digits, low[i]);
	}
	if (!is_null(value) && (tier.n == 0 || tier.n > TIER_MOST ||
	    known < tier.n))
		return gemini_refuse(r, FAULT_UNSUPPORTED_VALUE,
		    "serviceTier", "This value of 'serviceTier' is not "
		    "available here: leave it out.");
	tier.p = low;
	if (str_starts(tier, S("service_tier_")))
		tier = str_skip(tier, 13);
	if (!str_eq(tier, S("standard")) && !str_eq(tier, S("unspecified")))
		r->out->service_tier = tier;
	return true;
}

static bool read_requests(struct reading *r, struct str value);
static bool read_inner(struct reading *r, struct str value);

static bool
read_title(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_STRING)
		return true;
	tokens_add_raw(&r->text, gemini_inside(value));
	tokens_cut(&r->text);
	r->out->prompt_bound += (int64_t)value.n;
	return true;
}

static const struct member members[] = {
	{ STR_INIT("model"), ALL, read_model, NULL },
	{ STR_INIT("contents"), CONVERSES, gemini_read_contents, NULL },
	{ STR_INIT("systemInstruction"), CONVERSES, gemini_read_system,
	    NULL },
	{ STR_INIT("tools"), CONVERSES, gemini_read_tools, NULL },
	{ STR_INIT("generationConfig"), CONVERSES, read_config, NULL },
	{ STR_INIT("generateContentRequest"), COUNTS, read_inner, NULL },
	{ STR_INIT("content"), EMBEDS, gemini_read_content, NULL },
	{ STR_INIT("title"), EMBEDS, read_title, NULL },
	{ STR_INIT("requests"), BATCHES, read_requests, NULL },

	/* They have a price of their own. */
	{ STR_INIT("serviceTier"), ALL, read_tier, NULL },
	/* What it refers to is held by the provider, under a key of ours. */
	{ STR_INIT("cachedContent"), ALL, NULL, gemini_is_empty },
};

/* What is counted may be told as a whole request. */
static bool
read_inner(struct reading *r, struct str value)
{
	return read_members(r, value, members, countof(members), GENERATES);
}

static bool
read_requests(struct reading *r, struct str value)
{
	if (json_kind(value) != JSON_IS_ARRAY)
		return gemini_refuse(r, FAULT_BAD_REQUEST, "requests",
		    "'requests' must be an array of requests.");
	for (struct json_each m = json_each(value); json_next(&m);) {
		int64_t before = r->contents;

		if (!read_members(r, m.value, members, countof(members),
		    EMBEDS))
			return false;
		if (r->contents == before)
			return gemini_refuse(r, FAULT_BAD_REQUEST, "requests",
			    "Each of 'requests' needs a 'content'.");
	}
	return true;
}

static bool
read_member(struct reading *r, const struct member *m, struct str value)
{
	bool text = json_kind(value) == JSON_IS_STRING;

	if (m->read)
		return m->read(r, value);
	if (m->neutral(value))
		return true;
	return gemini_refuse(r, text ? FAULT_UNSUPPORTED_VALUE :
	    FAULT_UNSUPPORTED, m->name.p, "'%s' with this value is not "
	    "available here; leave it out.", m->name.p);
}

static bool
read_members(struct reading *r, struct str object, const struct member *list,
    size_t n, unsigned where)
{
	unsigned seen = 0;

	for (struct json_each m = json_each(object); json_next(&m);) {
		size_t i = 0;

		while (i < n && !(list[i].where & where &&
		    gemini_is(r->arena, m.name, list[i].name)))
			i++;
		if (i == n)
			continue;
		if (!gemini_is_plain(m.name, list[i].name))
			return gemini_refuse(r, FAULT_BAD_REQUEST,
			    list[i].name.p, "'%s' is spelt in an unusual way; "
			    "write it plainly.", list[i].name.p);
		if (seen & 1u << i)
			return gemini_refuse(r, FAULT_BAD_REQUEST,
			    list[i].name.p, "'%s' stands there twice; send it "
			    "once.", list[i].name.p);
		seen |= 1u << i;
		if (!read_member(r, &list[i], m.value))
			return false;
	}
	return true;
}

_Static_assert(countof(members) <= 32 && countof(config_members) <= 32,
    "a bit for each member");

static unsigned
where(enum endpoint e)
{
	return e == ENDPOINT_GENERATE ? GENERATES : e == ENDPOINT_EMBED ?
	    EMBEDS : e == ENDPOINT_EMBED_BATCH ? BATCHES : COUNTS;
}

/* What no walk notices: members that are missing; then the sums. */
static bool
check_whole(struct reading *r)
{
	struct asked *out = r->out;
	const char *missing = out->endpoint == ENDPOINT_EMBED ? "content" :
	    out->endpoint == ENDPOINT_EMBED_BATCH ? "requests" : "contents";

	if (r->contents == 0)
		return gemini_refuse(r, FAULT_BAD_REQUEST, missing,
		    "'%s' is missing or empty; it is required.", missing);
	out->prompt_tokens = (r->text.milli + r->more_milli + 999) / 1000;
	return true;
}

bool
gemini_read_request(struct arena *a, enum endpoint endpoint, struct str body,
    struct asked *out, struct fault *f)
{
	struct by_path by_path = out->by_path;
	struct reading r = { .arena = a, .out = out, .fault = f };
	struct json_error e;

	*out = (struct asked){ .endpoint = endpoint, .by_path = by_path,
		.body = body, .max_output = -1, .choices = 1,
		.model = by_path.model, .stream = by_path.stream };
	if (!gemini_dialect.path(endpoint, false))
		return fault_set(f, a, FAULT_UNKNOWN_URL,
		    "The Gemini API has no such endpoint.");
	if (out->model.n == 0 || str_has_control(out->model))
		return gemini_refuse(&r, FAULT_BAD_REQUEST, "model",
		    "The path must name a model.");
	if (!json_valid(body, &e))
		return fault_set(f, a, FAULT_BAD_REQUEST,
		    "The body is not valid JSON: %s, at byte %zu.", e.what,
		    e.at);
	if (json_kind(str_trim(body)) != JSON_IS_OBJECT)
		return fault_set(f, a, FAULT_BAD_REQUEST,
		    "The body must be a JSON object.");
	return read_members(&r, str_trim(body), members, countof(members),
	    where(endpoint)) && check_whole(&r);
}
