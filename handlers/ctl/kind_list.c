/* SPDX-License-Identifier: MIT */
/*
 * kind_list.c - the kinds of members that are lists: of model names, of
 * networks, of groups, of fallback models.
 */
#include "handlers/ctl/kind.h"

#include <stdlib.h>

#include "db/setting.h"
#include "fcgi/base/json.h"

/* A list of strings that each pass a check, kept as JSON text. */
static bool
read_strings(struct reading *r, const struct place *at, void *field,
    bool (*check)(struct reading *r, const struct place *at, struct str *s))
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, 1 << 20);
	size_t n;

	if (!list_of(r, at, &n))
		return false;
	if (n == 0)
		return wrong(r, at, "an empty list would allow nothing: null "
		    "allows all, \"enabled\": false switches off");
	buf_char(&b, '[');
	for (size_t i = 0; json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };
		struct str text;

		if (!text_of(r, &here, &text) || !check(r, &here, &text))
			return false;
		if (i)
			buf_char(&b, ',');
		buf_json(&b, text);
	}
	buf_char(&b, ']');
	*(struct str *)field = buf_str(&b);
	return !b.full || wrong(r, at, "this list is too long");
}

static bool
check_pattern(struct reading *r, const struct place *at, struct str *s)
{
	return pattern_valid(*s) || wrong(r, at, "\"%.*s\" is no model name: "
	    "1 to 64 of A-Z a-z 0-9 . _ : / @ -, a * may be the last",
	    STR_ARGS(*s));
}

static bool
check_network(struct reading *r, const struct place *at, struct str *s)
{
	return network_valid(r->arena, *s, s) || wrong(r, at, "\"%.*s\" is no "
	    "address or network like \"192.0.2.7\", \"10.0.0.0/8\", "
	    "\"2001:db8::/32\"", STR_ARGS(*s));
}

static bool
read_patterns(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	(void)m;
	return read_strings(r, at, field, check_pattern);
}

static bool
read_networks(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	(void)m;
	return read_strings(r, at, field, check_network);
}

/* A few names of models, no patterns, none twice; `what` they are. */
enum { ALIASES_MOST = 32, NAMES_MOST = ALIASES_MOST };

static bool
read_model_names(struct reading *r, const struct place *at, const char *what,
    size_t most, struct str *out)
{
	struct json_each each = json_each(at->value);
	struct str seen[NAMES_MOST];
	struct buf b = BUF(r->arena, 4096);
	size_t n;

	if (!list_of(r, at, &n))
		return false;
	if (n > most)
		return wrong(r, at, "a model has at most %zu %s, and these "
		    "are %zu", most, what, n);
	buf_char(&b, '[');
	for (size_t i = 0; json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };

		if (!text_of(r, &here, &seen[i]))
			return false;
		if (str_ends(seen[i], S("*")) && pattern_valid(seen[i]))
			return wrong(r, &here, "\"%.*s\" is a pattern: %s "
			    "are names of one model each", STR_ARGS(seen[i]),
			    what);
		if (!name_valid(seen[i]))
			return wrong(r, &here, "\"%.*s\" is no model name: 1 "
			    "to 64 of A-Z a-z 0-9 . _ : / @ -",
			    STR_ARGS(seen[i]));
		for (size_t j = 0; j < i; j++)
			if (str_eq(seen[i], seen[j]))
				return wrong(r, &here, "\"%.*s\" is there "
				    "twice", STR_ARGS(seen[i]));
		buf_put(&b, i ? S(",") : S(""));
		buf_json(&b, seen[i]);
	}
	buf_char(&b, ']');
	*out = buf_str(&b);
	return true;
}

/* Whether these models can be fallen back to depends on the rest of the
 * catalogue: apply_fallback.c. */
static bool
read_fallback(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	(void)m;
	return read_model_names(r, at, "fallbacks", FALLBACK_MOST, field);
}

/* Whether nobody else is called so: apply_alias.c. */
static bool
read_aliases(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	(void)m;
	return read_model_names(r, at, "aliases", ALIASES_MOST, field);
}

/* JSON already, or nothing: any. */
static void
show_json(struct buf *b, const void *field)
{
	const struct str *json = field;

	buf_put(b, json->n ? *json : S("null"));
}

static bool
read_names(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct names *names = field;
	size_t n;

	(void)m;
	if (!list_of(r, at, &n))
		return false;
	names->list = arena_zero(r->arena, (n + 1) * sizeof(*names->list));
	names->n = 0;
	for (size_t i = 0; json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };
		struct str *s = &names->list[i];

		if (!text_of(r, &here, s))
			return false;
		if (!name_valid(*s))
			return wrong(r, &here, "\"%.*s\" is no name: 1 to 64 "
			    "of A-Z a-z 0-9 . _ : / @ -", STR_ARGS(*s));
		for (size_t j = 0; j < i; j++)
			if (str_eq(*s, names->list[j]))
				return wrong(r, &here, "\"%.*s\" is there "
				    "twice", STR_ARGS(*s));
		names->n++;
	}
	if (n > 1)
		qsort(names->list, n, sizeof(*names->list), by_name);
	return true;
}

static void
show_names(struct buf *b, const void *field)
{
	const struct names *names = field;

	buf_char(b, '[');
	for (size_t i = 0; i < names->n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, names->list[i]);
	}
	buf_char(b, ']');
}

const struct kind
    kind_patterns = { sizeof(struct str), read_patterns, show_json },
    kind_networks = { sizeof(struct str), read_networks, show_json },
    kind_names = { sizeof(struct names), read_names, show_names },
    kind_aliases = { sizeof(struct str), read_aliases, show_json },
    kind_fallback = { sizeof(struct str), read_fallback, show_json };
