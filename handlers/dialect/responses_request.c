/* SPDX-License-Identifier: MIT */
/*
 * responses_request.c - what a request asks, as far as we need to know, and
 * its form for an upstream of the same dialect.
 *
 * The members that matter, by openai_members.h's rules.  A conversation that
 * goes on from an answer which an upstream keeps is priced by what that one
 * had: whoever made it knows, and the relay looks it up (asked.earlier).
 */
#include <assert.h>
#include <ctype.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai_members.h"
#include "handlers/dialect/responses.h"

enum {
	RESPONSES = 1 << ENDPOINT_RESPONSES,
	COMPACT = 1 << ENDPOINT_COMPACT,
	COUNT = 1 << ENDPOINT_COUNT_TOKENS,
	ALL = RESPONSES | COMPACT | COUNT,
	ID_MOST = 128 /* bytes of an id */
};

/* --- The members --- */

static bool
read_stream(struct reading *r, struct str value)
{
	if (!openai_read_flag(r, value, "stream", &r->out->stream))
		return false;
	if (r->out->stream && r->out->endpoint != ENDPOINT_RESPONSES)
		return openai_refuse(r, FAULT_UNSUPPORTED_VALUE, "stream",
		    "'stream' true is not available here.");
	return true;
}

static bool
read_max_output_tokens(struct reading *r, struct str value)
{
	r->out->max_tokens_at = value;
	return openai_read_count(r, value, "max_output_tokens",
	    OPENAI_MAX_LIMIT, &r->out->max_output);
}

static bool
read_instructions(struct reading *r, struct str value)
{
	r->out->prompt_bound += (int64_t)value.n;
	openai_count_text(r, value);
	openai_hash(r, value);
	return true;
}

/* More work for the same words has another price. */
static bool
read_reasoning(struct reading *r, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);

		if (str_eq(name, S("mode")) && !openai_is_empty(m.value) &&
		    !str_eq(m.value, S("\"standard\"")))
			return openai_refuse(r, FAULT_UNSUPPORTED_VALUE,
			    "reasoning", "This value of 'reasoning.mode' is "
			    "not available here: leave it out.");
		if (str_eq(name, S("effort")) && !openai_is_empty(m.value)) {
			r->out->reasoning = !str_eq(m.value, S("\"none\""));
			r->out->reasoning_off = !r->out->reasoning;
		}
	}
	return true;
}

static bool
read_store(struct reading *r, struct str value)
{
	bool yes = true;

	if (!openai_is_null(value) && !openai_read_flag(r, value, "store",
	    &yes))
		return false;
	r->out->kept = yes;
	return true;
}

static bool
id_is_good(struct str id)
{
	for (size_t i = 0; i < id.n; i++)
		if (!isalnum((unsigned char)id.p[i]) && id.p[i] != '_' &&
		    id.p[i] != '-')
			return false;
	return id.n > 0 && id.n <= ID_MOST;
}

/* What it brings is not in the body. */
static bool
read_previous(struct reading *r, struct str value)
{
	if (openai_is_empty(value))
		return true;
	r->out->earlier = json_text(r->arena, value);
	r->out->unseen_input = true;
	return id_is_good(r->out->earlier) || openai_refuse(r,
	    FAULT_BAD_REQUEST, "previous_response_id",
	    "'previous_response_id' must be the id of a response.");
}

/* clang-format off */
static const struct member members[] = {
	{ STR_INIT("model"), SET, ALL, openai_read_model_name, NULL },
	{ STR_INIT("input"), READ, ALL, responses_read_input, NULL },
	{ STR_INIT("instructions"), READ, ALL, read_instructions, NULL },
	{ STR_INIT("stream"), READ, ALL, read_stream, NULL },
	{ STR_INIT("max_output_tokens"), PRICED, ALL, read_max_output_tokens, NULL },
	{ STR_INIT("tools"), PRICED, ALL, responses_read_tools, NULL },
	{ STR_INIT("text"), PRICED, ALL, responses_read_text, NULL },
	{ STR_INIT("reasoning"), READ, ALL, read_reasoning, NULL },
	{ STR_INIT("previous_response_id"), PRICED, ALL, read_previous, NULL },
	{ STR_INIT("store"), READ, RESPONSES, read_store, NULL },
	{ STR_INIT("safety_identifier"), READ, ALL, openai_read_safety_identifier, NULL },
	{ STR_INIT("user"), READ, ALL, openai_read_user, NULL },
	{ STR_INIT("prompt_cache_key"), READ, ALL, openai_read_prompt_cache_key, NULL },
	{ STR_INIT("service_tier"), PRICED, ALL, openai_read_service_tier, NULL },

	/* They choose another model or another provider. */
	{ STR_INIT("models"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("route"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("provider"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("plugins"), REFUSED, ALL, NULL, openai_is_empty },

	/* They have a price of their own. */
	{ STR_INIT("context_management"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("moderation"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("web_search_options"), REFUSED, ALL, NULL, openai_is_null },
	{ STR_INIT("search_parameters"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("enable_search"), REFUSED, ALL, NULL, openai_is_empty },

	/* They bring what is held under a key of ours, or an answer later. */
	{ STR_INIT("background"), REFUSED_VALUE, ALL, NULL, openai_is_empty },
	{ STR_INIT("conversation"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("prompt"), REFUSED, ALL, NULL, openai_is_empty },
	{ STR_INIT("data_sources"), REFUSED, ALL, NULL, openai_is_empty },
};
/* clang-format on */

_Static_assert(countof(members) <= OPENAI_MEMBERS, "a bit for each member");

/* What no walk notices: members that are missing; then the sums. */
static bool
check_whole(struct reading *r)
{
	struct asked *out = r->out;

	if (out->model.n == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "model",
		    "'model' is missing: name the model to use.");
	if (r->prompts == 0 && out->earlier.n == 0)
		return openai_refuse(r, FAULT_BAD_REQUEST, "input",
		    "'input' is missing.");
	out->choices = 1;
	out->prompt_tokens = (r->text.milli + r->more_milli + 999) / 1000;
	return true;
}

bool
responses_read_request(struct arena *a, enum endpoint endpoint,
    struct str body, struct asked *out, struct fault *f)
{
	struct json_error e;
	struct reading r = { .arena = a, .out = out, .fault = f };

	*out = (struct asked){ .endpoint = endpoint, .body = body,
		.max_output = -1, .kept = endpoint == ENDPOINT_RESPONSES };
	if (!(1u << endpoint & ALL))
		return fault_set(f, a, FAULT_UNKNOWN_URL,
		    "The Responses API has no such endpoint.");
	if (!json_valid(body, &e))
		return fault_set(f, a, FAULT_BAD_REQUEST,
		    "The body is not valid JSON: %s, at byte %zu.", e.what,
		    e.at);
	if (json_kind(str_trim(body)) != JSON_IS_OBJECT)
		return fault_set(
		    f, a, FAULT_BAD_REQUEST, "The body must be a JSON object.");
	return openai_read_members(&r, members, countof(members),
		   str_trim(body)) &&
	    check_whole(&r);
}

/* --- What an upstream keeps --- */

/* Parameters that only say how it is told. */
static bool
may_pass(struct str name)
{
	static const struct str known[] = {
		STR_INIT("include"), STR_INIT("include[]"),
		STR_INIT("include%5B%5D"), STR_INIT("include%5b%5d"),
		STR_INIT("include_obfuscation"), STR_INIT("stream"),
		STR_INIT("starting_after"), STR_INIT("limit"),
		STR_INIT("order"), STR_INIT("after"), STR_INIT("before"),
	};

	for (size_t i = 0; i < countof(known); i++)
		if (str_eq(name, known[i]))
			return true;
	return false;
}

/* With its '?', or empty. */
static void
read_query(struct arena *a, struct str query, struct asked *out)
{
	struct buf kept = BUF(a, query.n + 1);

	while (query.n) {
		struct str one = str_cut(&query, '&'), value = one;
		struct str name = str_cut(&value, '=');

		if (!may_pass(name) || str_has_control(one))
			continue;
		if (str_eq(name, S("stream")))
			out->stream = str_eq(value, S("true"));
		buf_char(&kept, kept.n ? '&' : '?');
		buf_put(&kept, one);
	}
	out->query = buf_str(&kept);
}

bool
responses_read_path(struct arena *a, struct str rest, struct str query,
    struct asked *out, struct fault *f)
{
	struct str id = str_cut(&rest, '/');

	if (!id_is_good(id) || (rest.n && !str_eq(rest, S("cancel")) &&
	    !str_eq(rest, S("input_items"))))
		return fault_set(f, a, FAULT_UNKNOWN_URL,
		    "The Responses API has no such endpoint.");
	out->earlier = id;
	out->below = rest;
	out->max_output = -1;
	out->choices = 1;
	read_query(a, query, out);
	return true;
}

/* --- For the upstream --- */

/* A limit that stands there is lowered, never raised. */
static bool
lowers(const struct asked *asked, const struct edits *edits)
{
	return edits->cap_output >= 0 && (asked->max_output < 0 ||
	    asked->max_output > edits->cap_output);
}

static const char *
copy_to(struct buf *out, const char *from, struct str old)
{
	buf_put(out, str_from(from, (size_t)(old.p - from)));
	return old.p + old.n;
}

bool
responses_write_request(
    const struct asked *asked, const struct edits *edits, struct buf *out)
{
	struct str model = asked->model_at, limit = asked->max_tokens_at;
	struct str body = asked->body;
	const char *end = body.p + body.n, *at = body.p;
	const char *brace = memchr(body.p, '{', body.n);
	bool lower = lowers(asked, edits);
	bool rename = edits->model.n &&
	    (edits->edited || !str_eq(edits->model, asked->model));

	assert(model.n && brace);
	if (lower && limit.n == 0) {
		at = copy_to(out, at, str_from(brace, 1));
		buf_printf(out, "{\"max_output_tokens\":%lld,",
		    (long long)edits->cap_output);
	}
	for (int i = 0; i < 2; i++) {
		/* In the order in which they stand there. */
		bool limit_now = (limit.p < model.p) == (i == 0);

		if (limit_now && lower && limit.n) {
			at = copy_to(out, at, limit);
			buf_int(out, edits->cap_output);
		} else if (!limit_now && rename) {
			at = copy_to(out, at, model);
			buf_json(out, edits->model);
		}
	}
	buf_put(out, str_from(at, (size_t)(end - at)));
	return !out->full;
}
