/* SPDX-License-Identifier: MIT */
/*
 * responses_thoughts.c - the thoughts in the text of a Responses request.
 *
 * Items of reasoning.  Either all of them go, and with them the ids of all
 * items, by which the upstream would look for what belongs to them; or those
 * that came in an envelope are put right, and nothing else.
 */
#include "handlers/dialect/responses.h"
#include "handlers/dialect/rewrite.h"
#include "handlers/dialect/thoughts.h"

static bool
is_reasoning(struct str item)
{
	return str_eq(json_get(item, S("type")), S("\"reasoning\""));
}

static struct str
proof_of(struct str item)
{
	return rewrite_inside(json_get(item, S("encrypted_content")));
}

/* The item with one member left out, or with another value: is that empty, it
 * is left out. */
static void
put_changed(struct rewriting *w, struct str item, struct str name,
    struct str value)
{
	bool first = true;

	buf_char(w->out, '{');
	for (struct json_each m = json_each(item); json_next(&m);) {
		bool named = json_name_is(m.name, name);

		if (named && value.n == 0)
			continue;
		rewrite_name(w, &m, &first);
		if (named)
			buf_raw(w->out, value);
		else
			buf_put(w->out, m.value);
	}
	buf_char(w->out, '}');
}

static bool
put_item(struct rewriting *w, struct str item)
{
	struct envelope e;

	if (!w->key) {
		if (is_reasoning(item))
			return false;
		put_changed(w, item, S("id"), S(""));
		return true;
	}
	if (!is_reasoning(item) || !envelope_is(proof_of(item))) {
		buf_put(w->out, item);
		return true;
	}
	if (!envelope_fits(w->arena, w->key, proof_of(item), &e))
		return false;
	put_changed(w, item, S("encrypted_content"), e.value);
	return true;
}

bool
responses_thoughts(struct arena *a, struct str body,
    const struct envelope_key *k, struct buf *out)
{
	struct rewriting w = { a, k, out };
	bool first = true;

	buf_char(out, '{');
	for (struct json_each m = json_each(str_trim(body)); json_next(&m);) {
		rewrite_name(&w, &m, &first);
		if (json_name_is(m.name, S("input")) &&
		    json_kind(m.value) == JSON_IS_ARRAY)
			rewrite_list(&w, m.value, put_item);
		else
			buf_put(out, m.value);
	}
	buf_char(out, '}');
	return !out->full;
}
