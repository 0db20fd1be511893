/* SPDX-License-Identifier: MIT */
/*
 * anthropic_schema.c - the JSON Schemas that the Anthropic API takes for
 * answers and for strict tools.
 *
 * One walk over the text, written as it goes.  Names of properties are names,
 * whatever keyword they look like: each level knows what it holds.  What the
 * API refuses but a model understands (limits, patterns) becomes words of the
 * description, so that it is still asked for.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic_neutral.h"

struct cleaning {
	struct arena *arena;
	struct buf *out;
};

/* What a keyword's value is. */
enum fate {
	GOES,		/* not known there, and nothing to say about it */
	STAYS,		/* as it is */
	SCHEMA,		/* a schema, or a list of them */
	SCHEMAS,	/* an object of named schemas */
	WORDS,		/* goes into the description */
	FORMAT,		/* stays if it is one of some */
	DESCRIPTION
};

static const struct {
	struct str name;
	enum fate fate;
} keywords[] = {
	{ STR_INIT("type"), STAYS },
	{ STR_INIT("properties"), SCHEMAS },
	{ STR_INIT("required"), STAYS },
	{ STR_INIT("items"), SCHEMA },
	{ STR_INIT("enum"), STAYS },
	{ STR_INIT("const"), STAYS },
	{ STR_INIT("anyOf"), SCHEMA },
	{ STR_INIT("oneOf"), SCHEMA },
	{ STR_INIT("allOf"), SCHEMA },
	{ STR_INIT("$ref"), STAYS },
	{ STR_INIT("$defs"), SCHEMAS },
	{ STR_INIT("definitions"), SCHEMAS },
	{ STR_INIT("title"), STAYS },
	{ STR_INIT("description"), DESCRIPTION },
	{ STR_INIT("default"), STAYS },
	{ STR_INIT("$schema"), STAYS },
	{ STR_INIT("$id"), STAYS },
	{ STR_INIT("format"), FORMAT },
	{ STR_INIT("minimum"), WORDS },
	{ STR_INIT("maximum"), WORDS },
	{ STR_INIT("exclusiveMinimum"), WORDS },
	{ STR_INIT("exclusiveMaximum"), WORDS },
	{ STR_INIT("multipleOf"), WORDS },
	{ STR_INIT("minLength"), WORDS },
	{ STR_INIT("maxLength"), WORDS },
	{ STR_INIT("pattern"), WORDS },
	{ STR_INIT("minItems"), WORDS },
	{ STR_INIT("maxItems"), WORDS },
	{ STR_INIT("uniqueItems"), WORDS },
	{ STR_INIT("minProperties"), WORDS },
	{ STR_INIT("maxProperties"), WORDS },
	{ STR_INIT("not"), WORDS },
};

static const struct str formats[] = {
	STR_INIT("date-time"), STR_INIT("time"), STR_INIT("date"),
	STR_INIT("duration"), STR_INIT("email"), STR_INIT("hostname"),
	STR_INIT("uri"), STR_INIT("ipv4"), STR_INIT("ipv6"), STR_INIT("uuid"),
};

static enum fate
fate_of(struct str name, struct str value)
{
	enum fate fate = GOES;

	for (size_t i = 0; i < countof(keywords); i++)
		if (str_eq(name, keywords[i].name))
			fate = keywords[i].fate;
	if (fate != FORMAT)
		return fate;
	for (size_t i = 0; i < countof(formats); i++)
		if (value.n > 2 && str_eq(formats[i],
		    str_from(value.p + 1, value.n - 2)))
			return STAYS;
	return WORDS;
}

static void
comma(struct cleaning *c, bool *first)
{
	if (!*first)
		buf_char(c->out, ',');
	*first = false;
}

static void
put_name(struct cleaning *c, struct str raw, bool *first)
{
	comma(c, first);
	buf_char(c->out, '"');
	buf_put(c->out, raw);
	buf_put(c->out, S("\":"));
}

static void clean(struct cleaning *c, struct str schema);

static void
clean_list(struct cleaning *c, struct str list)
{
	bool first = true;

	buf_char(c->out, '[');
	for (struct json_each m = json_each(list); json_next(&m);) {
		comma(c, &first);
		clean(c, m.value);
	}
	buf_char(c->out, ']');
}

/* A tuple's items may each be any of them. */
static void
clean_schema(struct cleaning *c, struct str name, struct str value)
{
	bool tuple = json_kind(value) == JSON_IS_ARRAY &&
	    str_eq(name, S("items"));

	if (tuple)
		buf_put(c->out, S("{\"anyOf\":"));
	if (json_kind(value) == JSON_IS_ARRAY)
		clean_list(c, value);
	else
		clean(c, value);
	if (tuple)
		buf_char(c->out, '}');
}

static void
clean_named(struct cleaning *c, struct str value)
{
	bool first = true;

	buf_char(c->out, '{');
	for (struct json_each m = json_each(value); json_next(&m);) {
		put_name(c, m.name, &first);
		clean(c, m.value);
	}
	buf_char(c->out, '}');
}

static bool
is_object(struct str schema)
{
	struct str type = json_get(schema, S("type"));

	if (json_kind(type) == JSON_IS_ARRAY) {
		for (struct json_each m = json_each(type); json_next(&m);)
			if (str_eq(m.value, S("\"object\"")))
				return true;
		return false;
	}
	return str_eq(type, S("\"object\"")) || (type.n == 0 &&
	    json_get(schema, S("properties")).n);
}

/* The description, and what could not be said otherwise. */
static void
put_description(struct cleaning *c, struct str schema, bool *first)
{
	struct str text = json_get(schema, S("description"));
	struct buf words = BUF(c->arena, schema.n * 6 + 64);

	for (struct json_each m = json_each(schema); json_next(&m);) {
		if (fate_of(m.name, m.value) != WORDS)
			continue;
		if (words.n)
			buf_put(&words, S("; "));
		buf_put(&words, m.name);
		buf_put(&words, S(": "));
		buf_put(&words, json_kind(m.value) == JSON_IS_STRING ?
		    str_from(m.value.p + 1, m.value.n - 2) :
		    neutral_raw(c->arena, m.value));
	}
	text = json_kind(text) == JSON_IS_STRING ?
	    str_from(text.p + 1, text.n - 2) : S("");
	if (text.n == 0 && words.n == 0)
		return;
	put_name(c, S("description"), first);
	buf_char(c->out, '"');
	buf_put(c->out, text);
	if (text.n && words.n)
		buf_put(c->out, S(" ("));
	buf_put(c->out, buf_str(&words));
	buf_put(c->out, text.n && words.n ? S(")\"") : S("\""));
}

/* any: an anyOf stands beside it. */
static void
put_keyword(struct cleaning *c, bool any, const struct json_each *m,
    bool *first)
{
	struct str name = m->name;

	if (str_eq(name, S("oneOf"))) {
		/* Beside an anyOf it cannot be one too. */
		if (any)
			return;
		name = S("anyOf");
	}
	switch (fate_of(m->name, m->value)) {
	case STAYS:
		put_name(c, name, first);
		buf_put(c->out, m->value);
		break;
	case SCHEMA:
		put_name(c, name, first);
		clean_schema(c, name, m->value);
		break;
	case SCHEMAS:
		put_name(c, name, first);
		clean_named(c, m->value);
		break;
	default:
		break;
	}
}

/* The depth is that of the text, which json_valid has limited. */
static void
clean(struct cleaning *c, struct str schema)
{
	struct str ref = json_get(schema, S("$ref"));
	bool any = json_get(schema, S("anyOf")).n > 0, first = true;

	if (json_kind(schema) != JSON_IS_OBJECT) {
		/* true: anything; false cannot be said there. */
		buf_put(c->out, S("{}"));
		return;
	}
	buf_char(c->out, '{');
	if (ref.n) {
		put_name(c, S("$ref"), &first);
		buf_put(c->out, ref);
		buf_char(c->out, '}');
		return;
	}
	for (struct json_each m = json_each(schema); json_next(&m);)
		put_keyword(c, any, &m, &first);
	put_description(c, schema, &first);
	if (is_object(schema)) {
		put_name(c, S("additionalProperties"), &first);
		buf_put(c->out, S("false"));
	}
	buf_char(c->out, '}');
}

void
anthropic_schema(struct arena *a, struct str schema, struct buf *out)
{
	struct cleaning c = { a, out };

	clean(&c, schema);
}
