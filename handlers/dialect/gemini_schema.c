/* SPDX-License-Identifier: MIT */
/*
 * gemini_schema.c - schemas for tools and answers, there and back.
 *
 * There: JSON Schema, with the keywords that this API knows; a node with $ref
 * holds nothing else, and what it refuses but others take (const, tuples,
 * definitions, limits that exclude) is said in other words.  Back: this API's
 * own kind, where types are written large and null is a flag, as JSON Schema.
 * Names of properties are names, whatever keyword they look like: each level
 * knows what it holds.  Depth is that of the text, which json_valid has
 * limited.
 */
#include <ctype.h>

#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"
#include "handlers/dialect/gemini_neutral.h"

struct cleaning {
	struct arena *arena;
	struct buf *out;
};

static void
put_name(struct cleaning *c, struct str name, bool *first)
{
	buf_put(c->out, *first ? S("\"") : S(",\""));
	*first = false;
	buf_put(c->out, name);
	buf_put(c->out, S("\":"));
}

/* A list of what put writes of its elements. */
static void
put_list(struct cleaning *c, struct str list,
    void (*put)(struct cleaning *c, struct str value))
{
	bool first = true;

	buf_char(c->out, '[');
	for (struct json_each m = json_each(list); json_next(&m);) {
		buf_put(c->out, first ? S("") : S(","));
		first = false;
		put(c, m.value);
	}
	buf_char(c->out, ']');
}

/* An object of named schemas. */
static void
put_named(struct cleaning *c, struct str value,
    void (*put)(struct cleaning *c, struct str value))
{
	bool first = true;

	buf_char(c->out, '{');
	for (struct json_each m = json_each(value); json_next(&m);) {
		put_name(c, m.name, &first);
		put(c, m.value);
	}
	buf_char(c->out, '}');
}

/* --- There ---------------------------------------------------------------- */

static void clean(struct cleaning *c, struct str schema);

/* Go on as they are. */
static const struct str plain[] = {
	STR_INIT("$id"), STR_INIT("$anchor"), STR_INIT("type"),
	STR_INIT("format"), STR_INIT("title"), STR_INIT("description"),
	STR_INIT("minItems"), STR_INIT("maxItems"), STR_INIT("minimum"),
	STR_INIT("maximum"), STR_INIT("required"),
	STR_INIT("propertyOrdering"),
};

static bool
is_plain(struct str name)
{
	for (size_t i = 0; i < countof(plain); i++)
		if (str_eq(name, plain[i]))
			return true;
	return false;
}

/* Definitions are called $defs. */
static void
put_ref(struct cleaning *c, struct str ref)
{
	static const struct str old = STR_INIT("#/definitions/");
	struct str raw = gemini_inside(ref);

	buf_put(c->out, S("\"$ref\":\""));
	if (str_starts(raw, old)) {
		buf_put(c->out, S("#/$defs/"));
		raw = str_skip(raw, old.n);
	}
	buf_put(c->out, raw);
	buf_char(c->out, '"');
}

/* Texts and numbers only. */
static void
put_enum(struct cleaning *c, struct str list, bool *first)
{
	bool none = true;

	for (struct json_each m = json_each(list); json_next(&m);)
		if (json_kind(m.value) == JSON_IS_BOOL)
			return;
	put_name(c, S("enum"), first);
	buf_char(c->out, '[');
	for (struct json_each m = json_each(list); json_next(&m);) {
		if (json_kind(m.value) != JSON_IS_STRING &&
		    json_kind(m.value) != JSON_IS_NUMBER)
			continue;
		buf_put(c->out, none ? S("") : S(","));
		none = false;
		buf_put(c->out, m.value);
	}
	buf_char(c->out, ']');
}

/* A whole number next to it, where only those count; else itself. */
static void
put_limit(struct cleaning *c, struct str schema, const struct json_each *m,
    bool *first)
{
	bool least = str_eq(m->name, S("exclusiveMinimum"));
	struct str name = least ? S("minimum") : S("maximum");
	int64_t n;

	if (json_kind(m->value) != JSON_IS_NUMBER || json_get(schema, name).n)
		return;
	put_name(c, name, first);
	if (str_eq(json_get(schema, S("type")), S("\"integer\"")) &&
	    json_int(m->value, &n) && n > INT64_MIN && n < INT64_MAX)
		buf_int(c->out, least ? n + 1 : n - 1);
	else
		buf_put(c->out, m->value);
}

static void
put_items(struct cleaning *c, struct str value, bool *first)
{
	bool tuple = json_kind(value) == JSON_IS_ARRAY;

	put_name(c, tuple ? S("prefixItems") : S("items"), first);
	if (tuple)
		put_list(c, value, clean);
	else
		clean(c, value);
}

static void
put_keyword(struct cleaning *c, struct str schema, const struct json_each *m,
    bool *first)
{
	bool list = json_kind(m->value) == JSON_IS_ARRAY;
	bool object = json_kind(m->value) == JSON_IS_OBJECT;
	struct str name = m->name;

	if (is_plain(name)) {
		put_name(c, name, first);
		buf_put(c->out, m->value);
	} else if (str_eq(name, S("enum")) && list) {
		put_enum(c, m->value, first);
	} else if (str_eq(name, S("const")) &&
	    !json_get(schema, S("enum")).n) {
		put_enum(c, ARENA_JOIN(c->arena, S("["), m->value, S("]")),
		    first);
	} else if (str_eq(name, S("items"))) {
		put_items(c, m->value, first);
	} else if ((str_eq(name, S("anyOf")) || str_eq(name, S("oneOf")) ||
	    str_eq(name, S("prefixItems"))) && list) {
		put_name(c, name, first);
		put_list(c, m->value, clean);
	} else if ((str_eq(name, S("properties")) ||
	    str_eq(name, S("$defs")) || str_eq(name, S("definitions"))) &&
	    object) {
		put_name(c, str_eq(name, S("definitions")) ? S("$defs") : name,
		    first);
		put_named(c, m->value, clean);
	} else if (str_eq(name, S("additionalProperties"))) {
		put_name(c, name, first);
		if (object)
			clean(c, m->value);
		else
			buf_put(c->out, m->value);
	} else if (str_starts(name, S("exclusiveM"))) {
		put_limit(c, schema, m, first);
	}
}

/* Members of the parts of an allOf that nobody before them has. */
static void
put_all(struct cleaning *c, struct str schema, bool *first)
{
	struct str list = json_get(schema, S("allOf"));

	for (struct json_each m = json_each(list); json_next(&m);) {
		struct str ref = json_get(m.value, S("$ref"));

		if (ref.n && *first) {
			put_ref(c, ref);
			*first = false;
			return;		/* nothing may stand beside it */
		}
		for (struct json_each n = json_each(m.value);
		    json_next(&n);) {
			bool had = json_get(schema, n.name).n > 0;

			for (struct json_each p = json_each(list);
			    !had && json_next(&p) && p.value.p < m.value.p;)
				had = json_get(p.value, n.name).n > 0;
			if (!had)
				put_keyword(c, m.value, &n, first);
		}
	}
}

static void
clean(struct cleaning *c, struct str schema)
{
	struct str ref = json_get(schema, S("$ref"));
	bool first = true;

	if (json_kind(schema) != JSON_IS_OBJECT) {
		/* true: anything; false cannot be said there. */
		buf_put(c->out, S("{}"));
		return;
	}
	buf_char(c->out, '{');
	if (ref.n) {
		put_ref(c, ref);
		first = false;
		for (struct json_each m = json_each(schema); json_next(&m);)
			if (str_eq(m.name, S("$defs")) ||
			    str_eq(m.name, S("definitions")))
				put_keyword(c, schema, &m, &first);
		buf_char(c->out, '}');
		return;
	}
	for (struct json_each m = json_each(schema); json_next(&m);)
		put_keyword(c, schema, &m, &first);
	put_all(c, schema, &first);
	buf_char(c->out, '}');
}

void
gemini_schema_write(struct arena *a, struct str schema, struct buf *out)
{
	struct cleaning c = { a, out };

	clean(&c, schema);
}

/* --- Back ----------------------------------------------------------------- */

static void open(struct cleaning *c, struct str schema);

/* In its usual spelling, where there are two. */
static struct str
usual(struct cleaning *c, struct str name)
{
	static const struct str names[] = {
		STR_INIT("anyOf"), STR_INIT("minItems"), STR_INIT("maxItems"),
		STR_INIT("minLength"), STR_INIT("maxLength"),
		STR_INIT("minProperties"), STR_INIT("maxProperties"),
		STR_INIT("propertyOrdering"),
	};

	for (size_t i = 0; i < countof(names); i++)
		if (gemini_is(c->arena, name, names[i]))
			return names[i];
	return name;
}

static void
put_small(struct cleaning *c, struct str raw)
{
	buf_char(c->out, '"');
	for (size_t i = 0; i < raw.n; i++)
		buf_char(c->out, (char)tolower((unsigned char)raw.p[i]));
	buf_char(c->out, '"');
}

static void
put_type(struct cleaning *c, struct str value, bool nullable)
{
	if (json_kind(value) != JSON_IS_STRING) {
		buf_put(c->out, value);
		return;
	}
	buf_put(c->out, nullable ? S("[") : S(""));
	put_small(c, gemini_inside(value));
	buf_put(c->out, nullable ? S(",\"null\"]") : S(""));
}

/* "3" is 3 where a number is meant. */
static void
put_number(struct cleaning *c, struct str value)
{
	struct str raw = gemini_inside(value);
	int64_t n;

	if (str_int(raw, &n))
		buf_int(c->out, n);
	else
		buf_put(c->out, value);
}

static void
put_open(struct cleaning *c, struct str name, struct str value,
    bool nullable, bool *first)
{
	if (str_eq(name, S("nullable")) || str_eq(name, S("example")) ||
	    str_eq(name, S("propertyOrdering")) ||
	    (str_eq(name, S("type")) &&
	    gemini_word(value, S("TYPE_UNSPECIFIED"))) ||
	    (str_eq(name, S("format")) && str_eq(value, S("\"enum\""))))
		return;
	put_name(c, name, first);
	if (str_eq(name, S("type")))
		put_type(c, value, nullable);
	else if (str_eq(name, S("properties")))
		put_named(c, value, open);
	else if (str_eq(name, S("items")))
		open(c, value);
	else if (str_eq(name, S("anyOf")))
		put_list(c, value, open);
	else if (str_starts(name, S("min")) || str_starts(name, S("max")))
		put_number(c, value);
	else
		buf_put(c->out, value);
}

static void
open(struct cleaning *c, struct str schema)
{
	bool nullable = json_yes(json_get(schema, S("nullable")));
	bool first = true;

	if (json_kind(schema) != JSON_IS_OBJECT) {
		buf_put(c->out, schema);
		return;
	}
	buf_char(c->out, '{');
	for (struct json_each m = json_each(schema); json_next(&m);)
		put_open(c, usual(c, m.name), m.value, nullable, &first);
	buf_char(c->out, '}');
}

struct str
gemini_schema_read(struct arena *a, struct str schema)
{
	/* Each node may get "null" in a list: twice its bytes is enough. */
	struct buf out = BUF(a, schema.n * 2 + 64);
	struct cleaning c = { a, &out };

	open(&c, schema);
	return buf_str(&out);
}
