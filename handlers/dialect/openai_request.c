/* SPDX-License-Identifier: MIT */
/*
 * openai_request.c - what a request asks, as far as we need to know.
 *
 * The members that matter, by openai_members.h's rules, and what is missing
 * where none of them notices.
 */
#include <assert.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai_members.h"

enum {
	CHAT = 1 << ENDPOINT_CHAT,
	COMPLETIONS = 1 << ENDPOINT_COMPLETIONS,
	EMBEDDINGS = 1 << ENDPOINT_EMBEDDINGS,
	MODERATIONS = 1 << ENDPOINT_MODERATIONS,
	IMAGES = 1 << ENDPOINT_IMAGES,
	EDITS = 1 << ENDPOINT_IMAGE_EDITS,
	SPEECH = 1 << ENDPOINT_SPEECH,
	RERANK = 1 << ENDPOINT_RERANK | 1 << ENDPOINT_RERANK_V2,
	TEXT = CHAT | COMPLETIONS | EMBEDDINGS,
	ALL = (1 << N_ENDPOINTS) - 1
};

/* --- The members --- */

static bool
read_stream(struct reading *r, struct str value)
{
	if (!openai_read_flag(r, value, "stream", &r->out->stream))
		return false;
	/* Speech streams anyway; as events if `stream_format` says so. */
	r->out->stream &= r->out->endpoint != ENDPOINT_SPEECH;
	if (r->out->stream && 1u << r->out->endpoint &
	    (EMBEDDINGS | MODERATIONS | RERANK))
		return openai_refuse(r, FAULT_UNSUPPORTED_VALUE, "stream",
		    "'stream' true is not available for %s.",
		    r->out->endpoint == ENDPOINT_EMBEDDINGS ? "embeddings" :
		    r->out->endpoint == ENDPOINT_MODERATIONS ? "moderations" :
		    "reranking");
	return true;
}

static bool
read_stream_options(struct reading *r, struct str value)
{
	struct json_each m = json_each(value);
	bool seen = false;

	r->out->stream_options_at = value;
	if (openai_is_null(value))
		return true;
	if (!m.object)
		return openai_refuse(r, FAULT_BAD_REQUEST, "stream_options",
		    "'stream_options' must be an object.");
	while (json_next(&m)) {
		if (!json_name_is(m.name, S("include_usage")))
			continue;
		if (seen || !str_eq(m.name, S("include_usage")))
			return openai_refuse(r, FAULT_BAD_REQUEST,
			    "stream_options",
			    "'stream_options.include_usage' must stand there "
			    "once, spelt plainly.");
		seen = true;
		if (!openai_is_null(m.value) &&
		    json_kind(m.value) != JSON_IS_BOOL)
			return openai_refuse(r, FAULT_BAD_REQUEST,
			    "stream_options",
			    "'stream_options.include_usage' must be true or "
			    "false.");
		r->out->usage_wanted = json_yes(m.value);
	}
	return true;
}

/* With both limits sent, which one counts is the upstream's choice. */
static bool
read_limit(
    struct reading *r, struct str value, const char *name, struct str *at)
{
	int64_t limit;

	if (!openai_read_count(r, value, name, OPENAI_MAX_LIMIT, &limit))
		return false;
	*at = value;
	if (limit > r->out->max_output)
		r->out->max_output = limit;
	return true;
}

static bool
read_max_tokens(struct reading *r, struct str value)
{
	return read_limit(r, value, "max_tokens", &r->out->max_tokens_at);
}

static bool
read_max_completion_tokens(struct reading *r, struct str value)
{
	return read_limit(
	    r, value, "max_completion_tokens", &r->out->max_completion_at);
}

/* Nothing but choices, vectors and pictures is made in numbers. */
bool
openai_take_count(struct reading *r, const char *name, int64_t n)
{
	r->n = n;
	if (n > 1 && 1u << r->out->endpoint & (MODERATIONS | SPEECH | RERANK))
		return openai_refuse(r, FAULT_UNSUPPORTED_VALUE, name,
		    "'%s' greater than 1 is not available here.", name);
	return true;
}

static bool
read_n(struct reading *r, struct str value)
{
	int64_t n;

	return openai_read_count(r, value, "n", LIMIT_CHOICES, &n) &&
	    openai_take_count(r, "n", n);
}

static bool
read_best_of(struct reading *r, struct str value)
{
	return openai_read_count(r, value, "best_of", LIMIT_CHOICES, &r->best_of);
}

static bool
read_reasoning(struct reading *r, struct str value)
{
	if (str_eq(value, S("\"none\"")))
		r->out->reasoning_off = true;
	else if (!openai_is_empty(value))
		r->out->reasoning = true;
	return true;
}

static bool
is_text_alone(struct str value)
{
	struct json_each m = json_each(value);

	if (openai_is_empty(value))
		return true;
	while (json_next(&m))
		if (m.object || !str_eq(m.value, S("\"text\"")))
			return false;
	return json_kind(value) == JSON_IS_ARRAY;
}

static bool
read_stream_format(struct reading *r, struct str value)
{
	if (openai_is_null(value) || str_eq(value, S("\"audio\"")))
		return true;
	if (!str_eq(value, S("\"sse\"")))
		return openai_refuse(r, FAULT_BAD_REQUEST, "stream_format",
		    "'stream_format' must be \"sse\" or \"audio\".");
	r->out->stream = true;
	return true;
}

/* clang-format off */
static const struct member members[] = {
	{ STR_INIT("model"), SET, ALL, openai_read_model_name, NULL },
	{ STR_INIT("messages"), READ, CHAT, openai_read_messages, NULL },
	{ STR_INIT("prompt"), READ, COMPLETIONS, openai_read_prompt, NULL },
	{ STR_INIT("suffix"), READ, COMPLETIONS, openai_read_suffix, NULL },
	{ STR_INIT("input"), READ, EMBEDDINGS | MODERATIONS, openai_read_input, NULL },
	{ STR_INIT("input"), PRICED, SPEECH, openai_read_speech, NULL },
	{ STR_INIT("instructions"), READ, SPEECH, openai_read_instructions, NULL },
	{ STR_INIT("response_format"), READ, SPEECH, openai_read_speech_format, NULL },
	{ STR_INIT("stream_format"), READ, SPEECH, read_stream_format, NULL },
	{ STR_INIT("prompt"), READ, IMAGES | EDITS, openai_read_picture_prompt, NULL },
	{ STR_INIT("images"), READ, EDITS, openai_read_pictures, NULL },
	{ STR_INIT("image"), READ, EDITS, openai_read_pictures, NULL },
	{ STR_INIT("mask"), READ, EDITS, openai_read_pictures, NULL },
	{ STR_INIT("query"), PRICED, RERANK, openai_read_query, NULL },
	{ STR_INIT("documents"), PRICED, RERANK, openai_read_documents, NULL },
	{ STR_INIT("stream"), READ, ALL, read_stream, NULL },
	{ STR_INIT("stream_options"), SET, TEXT, read_stream_options, NULL },
	{ STR_INIT("max_tokens"), PRICED, TEXT, read_max_tokens, NULL },
	{ STR_INIT("max_completion_tokens"), PRICED, TEXT, read_max_completion_tokens, NULL },
	{ STR_INIT("n"), PRICED, ALL, read_n, NULL },
	{ STR_INIT("best_of"), PRICED, TEXT, read_best_of, NULL },
	{ STR_INIT("tools"), PRICED, TEXT, openai_read_tools, NULL },
	{ STR_INIT("functions"), PRICED, TEXT, openai_read_functions, NULL },
	{ STR_INIT("response_format"), PRICED, TEXT, openai_read_response_format, NULL },
	{ STR_INIT("reasoning_effort"), READ, ALL, read_reasoning, NULL },
	{ STR_INIT("reasoning"), READ, ALL, read_reasoning, NULL },
	{ STR_INIT("thinking"), READ, ALL, read_reasoning, NULL },
	{ STR_INIT("enable_thinking"), READ, CHAT, read_reasoning, NULL },
	{ STR_INIT("safety_identifier"), READ, ALL, openai_read_safety_identifier, NULL },
	{ STR_INIT("user"), READ, ALL, openai_read_user, NULL },
	{ STR_INIT("prompt_cache_key"), READ, ALL, openai_read_prompt_cache_key, NULL },

	/* They choose another model or another provider. */
	{ STR_INIT("models"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("route"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("provider"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("plugins"), REFUSED, ALL, NULL, openai_is_empty },

	/* They have a price of their own. */
	{ STR_INIT("service_tier"), PRICED, ALL, openai_read_service_tier, NULL },
	{ STR_INIT("web_search_options"), REFUSED, ALL, NULL, openai_is_null },
	{ STR_INIT("search_parameters"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("enable_search"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("modalities"), PRICED, CHAT, openai_read_modalities, NULL },
	{ STR_INIT("modalities"), REFUSED_VALUE, COMPLETIONS | EMBEDDINGS, NULL, is_text_alone },
	{ STR_INIT("audio"), PRICED, CHAT, openai_read_audio, NULL },
	{ STR_INIT("audio"), REFUSED, COMPLETIONS | EMBEDDINGS, NULL, openai_is_empty },

	/* They bring input that is not in the body, or an answer later. */
	{ STR_INIT("background"), REFUSED_VALUE, TEXT, NULL, openai_is_empty },
	{ STR_INIT("deferred"), REFUSED_VALUE, ALL, NULL, openai_is_empty },
	{ STR_INIT("previous_response_id"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("prompt"), REFUSED, CHAT | EMBEDDINGS, NULL, openai_is_empty },
	{ STR_INIT("data_sources"), REFUSED, ALL, NULL, openai_is_empty },
};
/* clang-format on */

_Static_assert(countof(members) <= OPENAI_MEMBERS, "a bit for each member");

/* What no walk notices: members that are missing. */
static void sum_up(struct reading *r);

bool
openai_check_whole(struct reading *r)
{
	static const char *const input[N_ENDPOINTS] = {
		[ENDPOINT_CHAT] = "messages",
		[ENDPOINT_COMPLETIONS] = "prompt",
		[ENDPOINT_EMBEDDINGS] = "input",
		[ENDPOINT_MODERATIONS] = "input",
		[ENDPOINT_IMAGES] = "prompt",
		[ENDPOINT_IMAGE_EDITS] = "prompt",
		[ENDPOINT_IMAGE_VARIATIONS] = "image",
		[ENDPOINT_SPEECH] = "input",
		[ENDPOINT_TRANSCRIPTIONS] = "file",
		[ENDPOINT_TRANSLATIONS] = "file",
		[ENDPOINT_RERANK] = "documents",
		[ENDPOINT_RERANK_V2] = "documents",
	};
	const char *name = input[r->out->endpoint];

	if (r->out->by_path.model.n && !openai_take_model(r, S("")))
		return false;
	if (r->out->model.n == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "model",
		    "'model' is missing: name the model to use.");
	if (r->prompts == 0)
		return openai_refuse(
		    r, FAULT_BAD_REQUEST, name, "'%s' is missing.", name);
	if (1u << r->out->endpoint & RERANK && r->query_bound == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "query",
		    "'query' is missing.");
	sum_up(r);
	return true;
}

/* The query is read with each document; a search unit is 100 of those. */
static void
sum_up_documents(struct reading *r)
{
	struct asked *out = r->out;

	r->more_milli += r->query_milli * r->documents;
	out->prompt_bound += r->query_bound * r->documents_most;
	out->searches = (r->documents + 99) / 100;
	out->searches_most = (r->documents_most + 99) / 100;
}

static void
sum_up(struct reading *r)
{
	struct asked *out = r->out;

	out->choices = r->n > r->best_of ? r->n : r->best_of;
	switch (out->endpoint) {
	case ENDPOINT_IMAGES:
	case ENDPOINT_IMAGE_EDITS:
	case ENDPOINT_IMAGE_VARIATIONS:
		out->pictures = r->n > 1 ? r->n : 1;
		break;
	case ENDPOINT_RERANK:
	case ENDPOINT_RERANK_V2:
		sum_up_documents(r);
		break;
	default:
		break;
	}
	if (out->choices < 1 || out->endpoint >= ENDPOINT_EMBEDDINGS)
		out->choices = 1;
	if (out->endpoint == ENDPOINT_COMPLETIONS)
		out->choices *= r->prompts;
	out->prompt_tokens = (r->text.milli + r->more_milli + 999) / 1000;
}

bool
openai_read_request(struct arena *a, enum endpoint endpoint, struct str body,
    struct asked *out, struct fault *f)
{
	struct json_error e;
	struct reading r = { .arena = a, .out = out, .fault = f };

	assert(endpoint < N_ENDPOINTS);
	*out = (struct asked){ .endpoint = endpoint, .body = body,
		.by_path = out->by_path, .model = out->by_path.model,
		.max_output = -1 };
	if (!openai_dialect.path(endpoint, false))
		return fault_set(f, a, FAULT_UNKNOWN_URL,
		    "The OpenAI API has no such endpoint.");
	if (!json_valid(body, &e))
		return fault_set(f, a, FAULT_BAD_REQUEST,
		    "The body is not valid JSON: %s, at byte %zu.", e.what,
		    e.at);
	if (json_kind(str_trim(body)) != JSON_IS_OBJECT)
		return fault_set(
		    f, a, FAULT_BAD_REQUEST, "The body must be a JSON object.");
	return openai_read_members(&r, members, countof(members),
		   str_trim(body)) &&
	    openai_check_whole(&r);
}
