/* SPDX-License-Identifier: MIT */
/* schema.c - JSON Schemas without some of their words; see schema.h. */
#include "handlers/dialect/schema.h"

#include "fcgi/base/buf.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

/* Keywords that hold a schema or a list of them; what is not here (const,
 * enum, default …) is data, whatever it looks like. */
static const struct str holders[] = {
	STR_INIT("items"), STR_INIT("prefixItems"), STR_INIT("contains"),
	STR_INIT("additionalProperties"), STR_INIT("additionalItems"),
	STR_INIT("propertyNames"), STR_INIT("unevaluatedItems"),
	STR_INIT("unevaluatedProperties"), STR_INIT("anyOf"),
	STR_INIT("oneOf"), STR_INIT("allOf"), STR_INIT("not"),
	STR_INIT("if"), STR_INIT("then"), STR_INIT("else"),
};

/* Keywords that hold schemas by names. */
static const struct str shelves[] = {
	STR_INIT("properties"), STR_INIT("patternProperties"),
	STR_INIT("$defs"), STR_INIT("definitions"),
	STR_INIT("dependentSchemas"),
};

static bool
is_among(struct str name, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, list[i]))
			return true;
	return false;
}

static void
put_name(struct buf *out, struct str raw, bool *first)
{
	if (!*first)
		buf_char(out, ',');
	*first = false;
	buf_char(out, '"');
	buf_put(out, raw);
	buf_put(out, S("\":"));
}

static void put_schema(struct buf *out, struct str schema);

static void
put_list(struct buf *out, struct str list)
{
	bool first = true;

	buf_char(out, '[');
	for (struct json_each m = json_each(list); json_next(&m);) {
		if (!first)
			buf_char(out, ',');
		first = false;
		put_schema(out, m.value);
	}
	buf_char(out, ']');
}

static void
put_named(struct buf *out, struct str value)
{
	bool first = true;

	if (json_kind(value) != JSON_IS_OBJECT) {
		buf_put(out, value);
		return;
	}
	buf_char(out, '{');
	for (struct json_each m = json_each(value); json_next(&m);) {
		put_name(out, m.name, &first);
		put_schema(out, m.value);
	}
	buf_char(out, '}');
}

/* The depth is that of the text, which json_valid has limited. */
static void
put_schema(struct buf *out, struct str schema)
{
	bool first = true;

	if (json_kind(schema) == JSON_IS_ARRAY) {
		put_list(out, schema);
		return;
	}
	if (json_kind(schema) != JSON_IS_OBJECT) {
		buf_put(out, schema);
		return;
	}
	buf_char(out, '{');
	for (struct json_each m = json_each(schema); json_next(&m);) {
		if (str_eq(m.name, S("$schema")))
			continue;
		put_name(out, m.name, &first);
		if (is_among(m.name, holders, countof(holders)))
			put_schema(out, m.value);
		else if (is_among(m.name, shelves, countof(shelves)))
			put_named(out, m.value);
		else
			buf_put(out, m.value);
	}
	buf_char(out, '}');
}

struct str
schema_without_uri(struct arena *a, struct str schema)
{
	struct buf out = BUF(a, schema.n + 2);

	if (!str_has(schema, S("$schema")))
		return schema;
	put_schema(&out, schema);
	return buf_str(&out);
}
