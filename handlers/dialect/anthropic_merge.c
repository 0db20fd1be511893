/* SPDX-License-Identifier: MIT */
/*
 * anthropic_merge.c - a tool's schema that is a choice of schemas.
 *
 * The arguments of a tool are one object here: anyOf, oneOf and allOf at the
 * top of a schema are refused.  Their members become properties of the one
 * object; wanted is what all of the choices want (of allOf: what any wants),
 * so that whatever a choice allowed is still allowed.  What cannot be looked
 * into (a $ref to elsewhere, a choice that is no object) allows everything.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic_neutral.h"

enum { BRANCHES = 64, NAMES = 512 };

struct merging {
	struct arena *arena;
	struct str top;			/* the whole schema */
	struct str of[BRANCHES + 1];	/* the top itself, then its choices */
	size_t n;
	bool any[BRANCHES + 1];		/* one of several, not all of them */
	struct str names[NAMES];	/* of properties, raw */
	size_t n_names;
};

static const struct str keywords[] = {
	STR_INIT("anyOf"),
	STR_INIT("oneOf"),
	STR_INIT("allOf"),
};

bool
anthropic_is_choice(struct str schema)
{
	for (size_t i = 0; i < countof(keywords); i++)
		if (json_get(schema, keywords[i]).n)
			return true;
	return false;
}

/* "#/$defs/x" of the top; else the schema itself. */
static struct str
resolve(const struct merging *m, struct str schema)
{
	struct str ref = json_text(m->arena, json_get(schema, S("$ref")));
	struct str at = m->top;

	if (!str_starts(ref, S("#/")))
		return schema;
	ref = str_skip(ref, 2);
	while (ref.n)
		at = json_get(at, str_cut(&ref, '/'));
	return at.n ? at : schema;
}

static void
find_branches(struct merging *m)
{
	m->of[m->n++] = m->top;
	for (size_t i = 0; i < countof(keywords); i++) {
		struct json_each each = json_each(json_get(m->top,
		    keywords[i]));

		while (m->n <= BRANCHES && json_next(&each)) {
			m->any[m->n] = i < 2;
			m->of[m->n++] = resolve(m, each.value);
		}
	}
}

static bool
is_new(struct merging *m, struct str name)
{
	for (size_t i = 0; i < m->n_names; i++)
		if (str_eq(m->names[i], name))
			return false;
	if (m->n_names == NAMES)
		return false;
	m->names[m->n_names++] = name;
	return true;
}

static void
put_properties(struct merging *m, struct buf *out)
{
	buf_put(out, S("\"properties\":{"));
	for (size_t i = 0; i < m->n; i++) {
		struct json_each each = json_each(json_get(m->of[i],
		    S("properties")));

		while (json_next(&each)) {
			if (!each.object || !is_new(m, each.name))
				continue;
			if (m->n_names > 1)
				buf_char(out, ',');
			buf_raw(out, each.name);
			buf_char(out, ':');
			buf_put(out, each.value);
		}
	}
	buf_char(out, '}');
}

static bool
wants(struct str schema, struct str name)
{
	struct json_each each = json_each(json_get(schema, S("required")));

	while (json_next(&each))
		if (each.value.n > 2 && str_eq(str_from(each.value.p + 1,
		    each.value.n - 2), name))
			return true;
	return false;
}

/* By the top, by one of allOf, or by all that may be chosen. */
static bool
is_wanted(const struct merging *m, struct str name)
{
	size_t choices = 0, wanting = 0;

	for (size_t i = 0; i < m->n; i++) {
		bool here = wants(m->of[i], name);

		if (here && !m->any[i])
			return true;
		choices += m->any[i];
		wanting += here;
	}
	return choices && wanting == choices;
}

static void
put_required(const struct merging *m, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < m->n_names; i++) {
		if (!is_wanted(m, m->names[i]))
			continue;
		buf_put(out, first ? S(",\"required\":[") : S(","));
		buf_raw(out, m->names[i]);
		first = false;
	}
	if (!first)
		buf_char(out, ']');
}

/* Written anew, or said by none of the choices alone. */
static bool
is_merged(struct str name)
{
	for (size_t i = 0; i < countof(keywords); i++)
		if (json_name_is(name, keywords[i]))
			return true;
	return json_name_is(name, S("type")) ||
	    json_name_is(name, S("properties")) ||
	    json_name_is(name, S("required")) ||
	    json_name_is(name, S("additionalProperties"));
}

void
anthropic_merge(struct arena *a, struct str schema, struct buf *out)
{
	struct merging *m = arena_new(a, struct merging);
	struct json_each each = json_each(schema);

	m->arena = a;
	m->top = schema;
	find_branches(m);
	buf_put(out, S("{\"type\":\"object\","));
	put_properties(m, out);
	put_required(m, out);
	while (json_next(&each)) {
		if (is_merged(each.name))
			continue;
		buf_char(out, ',');
		buf_raw(out, each.name);
		buf_char(out, ':');
		buf_put(out, each.value);
	}
	buf_char(out, '}');
}
