/* SPDX-License-Identifier: MIT */
/*
 * openai_write.c - the request for the upstream.
 *
 * The caller's bytes, with values replaced or inserted where the edits say
 * so; everything between is copied as it is.
 */
#include <assert.h>

#include "handlers/dialect/openai.h"

enum what {
	MODEL,
	USAGE_OBJECT, /* all of stream_options */
	USAGE_MEMBER, /* include_usage into it */
	USAGE_VALUE, /* true for what it says */
	LIMIT
};

/* Text to put in the place of `old`, which may be empty: an insertion. */
struct splice {
	enum what what;
	struct str old;
	bool more; /* USAGE_MEMBER: others follow */
};

enum { MAX_SPLICES = 4 };

struct splices {
	struct splice list[MAX_SPLICES];
	size_t n;
};

static void
add(struct splices *s, enum what what, struct str old, bool more)
{
	size_t i = s->n++;

	assert(s->n <= MAX_SPLICES);
	for (; i > 0 && s->list[i - 1].old.p > old.p; i--)
		s->list[i] = s->list[i - 1];
	s->list[i] = (struct splice){ what, old, more };
}

static void
add_usage(struct splices *s, const struct asked *asked)
{
	struct str at = asked->stream_options_at;
	struct json_each m = json_each(at);
	bool any = false;

	if (json_kind(at) != JSON_IS_OBJECT) {
		if (at.n)
			add(s, USAGE_OBJECT, at, false);
		return;
	}
	for (; json_next(&m); any = true)
		if (json_name_is(m.name, S("include_usage"))) {
			add(s, USAGE_VALUE, m.value, false);
			return;
		}
	add(s, USAGE_MEMBER, str_from(at.p + 1, 0), any);
}

/* A limit that stands there is lowered, never raised. */
static bool
add_limit(struct splices *s, struct str at, int64_t cap)
{
	int64_t limit;

	if (at.n == 0)
		return false;
	if (json_int(at, &limit) && limit <= cap)
		return true;
	add(s, LIMIT, at, false);
	return true;
}

/*
 * Adds what replaces limits.  True if one must be inserted: neither is there,
 * or only the other one, as null.
 */
static bool
add_limits(
    struct splices *s, const struct asked *asked, const struct edits *edits)
{
	struct str mine = asked->max_tokens_at,
		   other = asked->max_completion_at;
	bool there;

	if (edits->cap_as_completion) {
		mine = asked->max_completion_at;
		other = asked->max_tokens_at;
	}
	there = add_limit(s, mine, edits->cap_output);
	if (json_kind(other) == JSON_IS_NUMBER)
		there |= add_limit(s, other, edits->cap_output);
	return !there;
}

static void
put_splice(struct buf *out, const struct splice *s, const struct edits *edits)
{
	switch (s->what) {
	case MODEL:
		buf_json(out, edits->model);
		break;
	case USAGE_OBJECT:
		buf_put(out, S("{\"include_usage\":true}"));
		break;
	case USAGE_MEMBER:
		buf_put(out, S("\"include_usage\":true"));
		if (s->more)
			buf_char(out, ',');
		break;
	case USAGE_VALUE:
		buf_put(out, S("true"));
		break;
	case LIMIT:
		buf_int(out, edits->cap_output);
		break;
	}
}

static bool
renames(const struct asked *asked, const struct edits *edits)
{
	return edits->model.n && (edits->edited || asked->by_path.model.n ||
	    !str_eq(edits->model, asked->model));
}

/* As the first part of a form, which begins with its boundary. */
static void
put_model_part(const struct asked *asked, const struct edits *edits,
    struct buf *out)
{
	buf_put(out, S("--"));
	buf_put(out, asked->boundary);
	buf_put(out, S("\r\nContent-Disposition: form-data; "
	    "name=\"model\"\r\n\r\n"));
	buf_put(out, edits->model);
	buf_put(out, S("\r\n"));
}

/* A form: only the model's value is changed, which is text as it is. */
static bool
write_form(
    const struct asked *asked, const struct edits *edits, struct buf *out)
{
	struct str body = asked->body, old = asked->model_at;
	const char *end = body.p + body.n;

	if (old.n == 0)
		put_model_part(asked, edits, out);
	if (old.n == 0 || !renames(asked, edits))
		return buf_put(out, body);
	buf_put(out, str_from(body.p, (size_t)(old.p - body.p)));
	buf_put(out, edits->model);
	buf_put(out, str_from(old.p + old.n, (size_t)(end - old.p) - old.n));
	return !out->full;
}

bool
openai_write_request(
    const struct asked *asked, const struct edits *edits, struct buf *out)
{
	struct splices s = { .n = 0 };
	struct str body = asked->body;
	const char *brace = memchr(body.p, '{', body.n), *at;
	const char *end = body.p + body.n;
	bool usage = edits->force_usage && asked->stream &&
	    !asked->usage_wanted && endpoint_is_text(asked->endpoint);

	assert(asked->model_at.n || asked->by_path.model.n);
	if (asked->boundary.n)
		return write_form(asked, edits, out);
	assert(brace);
	at = brace + 1;
	if (asked->model_at.n && renames(asked, edits))
		add(&s, MODEL, asked->model_at, false);
	if (usage)
		add_usage(&s, asked);
	buf_put(out, str_from(body.p, (size_t)(at - body.p)));
	if (asked->model_at.n == 0) {
		buf_put(out, S("\"model\":"));
		buf_json(out, edits->model);
		buf_char(out, ',');
	}
	if (usage && asked->stream_options_at.n == 0)
		buf_put(out, S("\"stream_options\":{\"include_usage\":true},"));
	if (edits->cap_output >= 0 && add_limits(&s, asked, edits))
		buf_printf(out, "\"%s\":%lld,",
		    edits->cap_as_completion ? "max_completion_tokens"
					     : "max_tokens",
		    (long long)edits->cap_output);
	for (size_t i = 0; i < s.n; i++) {
		buf_put(out, str_from(at, (size_t)(s.list[i].old.p - at)));
		put_splice(out, &s.list[i], edits);
		at = s.list[i].old.p + s.list[i].old.n;
	}
	buf_put(out, str_from(at, (size_t)(end - at)));
	return !out->full;
}
