/* SPDX-License-Identifier: MIT */
/*
 * anthropic_request.c - what a request asks, as far as we need to know, and
 * its form for an upstream of the same dialect.
 *
 * One walk over the members of the body.  Those of the table are read; they
 * may stand there once, plainly spelt, because what we price must be what the
 * upstream reads.  Members that choose the model or the price and have no
 * price here are refused by name; all others pass untouched.  The words of
 * refusals begin as this API's do, with the member.
 */
#include <assert.h>
#include <stdarg.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic.h"

enum {
	MAX_LIMIT = 1000000000 /* tokens; no model comes near */
};

struct member {
	struct str name;
	bool (*read)(struct reading *r, struct str value);
	bool (*neutral)(struct str value); /* read is NULL: what may be said */
};

bool
anthropic_refuse(struct reading *r, enum fault_kind kind, const char *param,
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

static bool
is_null(struct str value)
{
	return json_kind(value) == JSON_IS_NULL;
}

static bool
is_empty(struct str value)
{
	struct json_each m = json_each(value);

	switch (json_kind(value)) {
	case JSON_IS_NULL:
		return true;
	case JSON_IS_STRING:
		return value.n == 2;
	case JSON_IS_ARRAY:
	case JSON_IS_OBJECT:
		return !json_next(&m);
	default:
		return false;
	}
}

/* --- The members --- */

static bool
read_model(struct reading *r, struct str value)
{
	struct str name = json_text(r->arena, value);

	if (name.n == 0)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "model",
		    "model: must be the name of a model, as a string");
	if (name.n > LIMIT_MODEL_BYTES || str_has_control(name))
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "model",
		    "model: is longer than %d bytes or holds a control "
		    "character; no model has such a name",
		    LIMIT_MODEL_BYTES);
	r->out->model_at = value;
	r->out->model = name;
	return true;
}

static bool
read_stream(struct reading *r, struct str value)
{
	if (!is_null(value) && json_kind(value) != JSON_IS_BOOL)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "stream",
		    "stream: must be true or false");
	r->out->stream = json_yes(value);
	if (r->out->stream && r->out->endpoint == ENDPOINT_COUNT_TOKENS)
		return anthropic_refuse(r, FAULT_UNSUPPORTED_VALUE, "stream",
		    "stream: counting tokens is not streamed; leave it out");
	return true;
}

/* 0 only warms the cache. */
static bool
read_max_tokens(struct reading *r, struct str value)
{
	int64_t limit;

	if (!json_int(value, &limit) || limit < 0 || limit > MAX_LIMIT)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "max_tokens",
		    "max_tokens: must be a whole number from 0 to %d",
		    MAX_LIMIT);
	r->out->max_tokens_at = value;
	r->out->max_output = limit;
	return true;
}

static bool
read_thinking(struct reading *r, struct str value)
{
	struct str type;

	if (is_null(value))
		return true;
	type = json_text(r->arena, json_get(value, S("type")));
	if (type.n == 0)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "thinking",
		    "thinking: must be an object with a type: enabled, "
		    "adaptive or disabled");
	r->out->reasoning = !str_eq(type, S("disabled"));
	r->out->reasoning_off = !r->out->reasoning;
	return true;
}

static bool
read_schema(struct reading *r, struct str format)
{
	struct str type = json_get(format, S("type"));

	if (str_eq(type, S("\"json_schema\""))) {
		r->out->json_schema = true;
		anthropic_count_schema(r, format);
	}
	return true;
}

static bool
read_output_config(struct reading *r, struct str value)
{
	return read_schema(r, json_get(value, S("format")));
}

/* The user also names the session: their prompts begin alike. */
static bool
read_metadata(struct reading *r, struct str value)
{
	struct str id;

	if (is_null(value))
		return true;
	if (json_kind(value) != JSON_IS_OBJECT)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "metadata",
		    "metadata: must be an object");
	id = json_get(value, S("user_id"));
	if (id.n && !is_null(id) && json_kind(id) != JSON_IS_STRING)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, "metadata",
		    "metadata.user_id: must be a string");
	r->out->end_user = json_text(r->arena, id);
	r->out->session = r->out->end_user;
	return true;
}

/* What it costs to sum a context up is not known beforehand. */
static bool
read_context_management(struct reading *r, struct str value)
{
	struct str edits = json_get(value, S("edits"));

	for (struct json_each m = json_each(edits); json_next(&m);) {
		struct str type =
		    json_text(r->arena, json_get(m.value, S("type")));

		if (!str_starts(type, S("clear_")))
			return anthropic_refuse(r, FAULT_UNSUPPORTED_VALUE,
			    "context_management",
			    "context_management: only edits that clear "
			    "something are available here; leave the others "
			    "out");
	}
	return true;
}

/* Clients that are told so in this code send the whole conversation. */
static bool
read_thread(struct reading *r, struct str value)
{
	if (is_empty(value))
		return true;
	r->fault->code = S("thread_unsupported_request");
	return anthropic_refuse(r, FAULT_UNSUPPORTED, "thread",
	    "thread: conversations are not held here; leave it out and send "
	    "all messages");
}

static bool
tier_is_neutral(struct str value)
{
	return is_empty(value) || str_eq(value, S("\"auto\"")) ||
	    str_eq(value, S("\"standard_only\""));
}

static bool
speed_is_neutral(struct str value)
{
	return is_empty(value) || str_eq(value, S("\"standard\""));
}

static bool
geo_is_neutral(struct str value)
{
	return is_empty(value) || str_eq(value, S("\"global\""));
}

/* clang-format off */
static const struct member members[] = {
	{ STR_INIT("model"), read_model, NULL },
	{ STR_INIT("messages"), anthropic_read_messages, NULL },
	{ STR_INIT("system"), anthropic_read_system, NULL },
	{ STR_INIT("max_tokens"), read_max_tokens, NULL },
	{ STR_INIT("stream"), read_stream, NULL },
	{ STR_INIT("tools"), anthropic_read_tools, NULL },
	{ STR_INIT("thinking"), read_thinking, NULL },
	{ STR_INIT("output_config"), read_output_config, NULL },
	{ STR_INIT("output_format"), read_schema, NULL },
	{ STR_INIT("metadata"), read_metadata, NULL },
	{ STR_INIT("context_management"), read_context_management, NULL },

	/* They have a price of their own. */
	{ STR_INIT("service_tier"), NULL, tier_is_neutral },
	{ STR_INIT("speed"), NULL, speed_is_neutral },
	{ STR_INIT("inference_geo"), NULL, geo_is_neutral },
	{ STR_INIT("container"), NULL, is_empty },
	{ STR_INIT("compaction"), NULL, is_empty },
	{ STR_INIT("billing_policy"), NULL, is_empty },
	{ STR_INIT("mcp_servers"), NULL, is_empty },

	/* What it refers to is held by the provider, under a key of ours. */
	{ STR_INIT("thread"), read_thread, NULL },

	/* They choose another model or another provider. */
	{ STR_INIT("fallbacks"), NULL, is_empty },
	{ STR_INIT("fallback_credit_token"), NULL, is_empty },
	{ STR_INIT("models"), NULL, is_empty },
	{ STR_INIT("route"), NULL, is_empty },
	{ STR_INIT("provider"), NULL, is_empty },
	{ STR_INIT("plugins"), NULL, is_empty },
};
/* clang-format on */

_Static_assert(countof(members) <= 64, "a bit for each member");

/* The row of a folded name, or -1. */
static int
find(struct str name)
{
	for (size_t i = 0; i < countof(members); i++)
		if (str_eq(members[i].name, name))
			return (int)i;
	return -1;
}

static bool
read_member(struct reading *r, const struct member *m, struct str value)
{
	const char *name = m->name.p;
	bool text = json_kind(value) == JSON_IS_STRING;

	if (m->read)
		return m->read(r, value);
	if (m->neutral(value))
		return true;
	return anthropic_refuse(r,
	    text ? FAULT_UNSUPPORTED_VALUE : FAULT_UNSUPPORTED, name,
	    "%s: %s is not available here; leave it out", name,
	    text ? "this value" : "this");
}

static bool
read_members(struct reading *r, struct str body)
{
	uint64_t seen = 0;

	for (struct json_each m = json_each(body); json_next(&m);) {
		struct str name = json_name(r->arena, m.name);
		int i = find(name);

		if (i < 0)
			continue;
		if (name.p != m.name.p)
			return anthropic_refuse(r, FAULT_BAD_REQUEST,
			    members[i].name.p,
			    "%s: is spelt in an unusual way; write it plainly, "
			    "in lower case",
			    members[i].name.p);
		if (seen & UINT64_C(1) << i)
			return anthropic_refuse(r, FAULT_BAD_REQUEST,
			    members[i].name.p,
			    "%s: stands there twice; send it once",
			    members[i].name.p);
		seen |= UINT64_C(1) << i;
		if (!read_member(r, &members[i], m.value))
			return false;
	}
	return true;
}

/* What no walk notices: members that are missing; then the sums. */
static bool
check_whole(struct reading *r)
{
	struct asked *out = r->out;
	const char *missing = out->model.n == 0 ? "model"
	    : r->messages == 0			? "messages"
	    : out->max_output < 0 && out->endpoint == ENDPOINT_MESSAGES
	    ? "max_tokens"
	    : NULL;

	if (missing)
		return anthropic_refuse(r, FAULT_BAD_REQUEST, missing,
		    "%s: is missing; this member is required", missing);
	out->choices = 1;
	out->prompt_tokens = (r->text.milli + r->more_milli + 999) / 1000;
	return true;
}

bool
anthropic_read_request(struct arena *a, enum endpoint endpoint,
    struct str body, struct asked *out, struct fault *f)
{
	struct json_error e;
	struct reading r = { .arena = a, .out = out, .fault = f };

	*out = (struct asked){
		.endpoint = endpoint, .body = body, .max_output = -1
	};
	if (!anthropic_dialect.path(endpoint, false))
		return fault_set(f, a, FAULT_UNKNOWN_URL,
		    "The Anthropic API has no such endpoint.");
	if (!json_valid(body, &e))
		return fault_set(f, a, FAULT_BAD_REQUEST,
		    "The body is not valid JSON: %s, at byte %zu.", e.what,
		    e.at);
	if (json_kind(str_trim(body)) != JSON_IS_OBJECT)
		return fault_set(
		    f, a, FAULT_BAD_REQUEST, "The body must be a JSON object.");
	return read_members(&r, str_trim(body)) && check_whole(&r);
}

/*
 * --- For the upstream -------------------------------------------------------
 */

/* What stands between `from` and the value `old`; the value is left out. */
static const char *
copy_to(struct buf *out, const char *from, struct str old)
{
	buf_put(out, str_from(from, (size_t)(old.p - from)));
	return old.p + old.n;
}

/* A limit that stands there is lowered, never raised. */
static bool
lowers(const struct asked *asked, const struct edits *edits)
{
	return edits->cap_output >= 0 && asked->max_tokens_at.n &&
	    asked->max_output > edits->cap_output;
}

bool
anthropic_write_request(
    const struct asked *asked, const struct edits *edits, struct buf *out)
{
	struct str model = asked->model_at, limit = asked->max_tokens_at;
	const char *at = asked->body.p, *end = at + asked->body.n;
	bool lower = lowers(asked, edits);
	bool rename = edits->model.n &&
	    (edits->edited || !str_eq(edits->model, asked->model));

	assert(model.n);
	for (int i = 0; i < 2; i++) {
		/* In the order in which they stand there. */
		bool limit_now = (limit.p < model.p) == (i == 0);

		if (limit_now && lower) {
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
