/* SPDX-License-Identifier: MIT */
/*
 * anthropic_thoughts.c - the thoughts in the text of a Messages request.
 *
 * Either all of them go, and with them what asks for thinking or supposes it;
 * or those that came in an envelope are put right.  Citations that weir made
 * of another upstream's (they have no index) go in any case: nobody else takes
 * them.  What does not change is copied as it is spelt.
 */
#include "handlers/dialect/rewrite.h"
#include "handlers/dialect/thoughts.h"

static struct str
type_of(struct str value)
{
	struct str type = json_get(value, S("type"));

	return json_kind(type) == JSON_IS_STRING ?
	    str_from(type.p + 1, type.n - 2) : S("");
}

/* --- Blocks --------------------------------------------------------------- */

/* Where a block of thoughts has its proof; empty: it is none. */
static struct str
proof_name(struct str block)
{
	struct str type = type_of(block);

	return str_eq(type, S("thinking")) ? S("signature") :
	    str_eq(type, S("redacted_thinking")) ? S("data") : S("");
}

static struct str
proof_of(struct str block)
{
	struct str name = proof_name(block), value = { 0 };

	if (name.n)
		value = json_get(block, name);
	return json_kind(value) == JSON_IS_STRING ?
	    str_from(value.p + 1, value.n - 2) : S("");
}

/* A citation for showing only. */
static bool
is_for_show(struct str citation)
{
	return str_eq(json_get(citation, S("encrypted_index")), S("\"\""));
}

static bool
shows(struct str block)
{
	struct json_each m = json_each(json_get(block, S("citations")));

	while (json_next(&m))
		if (is_for_show(m.value))
			return true;
	return false;
}

static bool
changes(const struct rewriting *w, struct str block)
{
	if (shows(block))
		return true;
	return w->key ? envelope_is(proof_of(block)) :
	    proof_name(block).n > 0;
}

static bool
put_citation(struct rewriting *w, struct str citation)
{
	buf_put(w->out, citation);
	return !is_for_show(citation);
}

/* A block without those. */
static void
put_unshown(struct rewriting *w, struct str block)
{
	bool first = true;

	buf_char(w->out, '{');
	for (struct json_each m = json_each(block); json_next(&m);) {
		size_t before = w->out->n;

		rewrite_name(w, &m, &first);
		if (!json_name_is(m.name, S("citations"))) {
			buf_put(w->out, m.value);
		} else if (rewrite_list(w, m.value, put_citation) == 0) {
			w->out->n = before;
			first = w->out->p[before - 1] == '{';
		}
	}
	buf_char(w->out, '}');
}

/* A block whose proof is taken out of its envelope. */
static void
put_opened(struct rewriting *w, struct str block, const struct envelope *e)
{
	struct str name = proof_name(block);
	bool first = true;

	if (e->redacted) {
		buf_put(w->out, S("{\"type\":\"redacted_thinking\","
		    "\"data\":\""));
		buf_put(w->out, e->value);
		buf_put(w->out, S("\"}"));
		return;
	}
	buf_char(w->out, '{');
	for (struct json_each m = json_each(block); json_next(&m);) {
		rewrite_name(w, &m, &first);
		if (!str_eq(m.name, name)) {
			buf_put(w->out, m.value);
			continue;
		}
		buf_char(w->out, '"');
		buf_put(w->out, e->value);
		buf_char(w->out, '"');
	}
	buf_char(w->out, '}');
}

static bool
put_block(struct rewriting *w, struct str block)
{
	struct envelope e;

	if (!changes(w, block)) {
		buf_put(w->out, block);
		return true;
	}
	if (shows(block)) {
		put_unshown(w, block);
		return true;
	}
	if (!w->key || !envelope_fits(w->arena, w->key, proof_of(block), &e))
		return false;
	put_opened(w, block, &e);
	return true;
}

/* --- Messages ------------------------------------------------------------- */

/* False: nothing is left of it. */
static bool
put_message(struct rewriting *w, struct str message)
{
	bool any = false, first = true;
	size_t left = 1;

	for (struct json_each m = json_each(json_get(message, S("content")));
	    json_next(&m);)
		any |= changes(w, m.value);
	if (!any) {
		buf_put(w->out, message);
		return true;
	}
	buf_char(w->out, '{');
	for (struct json_each m = json_each(message); json_next(&m);) {
		rewrite_name(w, &m, &first);
		if (json_name_is(m.name, S("content")))
			left = rewrite_list(w, m.value, put_block);
		else
			buf_put(w->out, m.value);
	}
	buf_char(w->out, '}');
	return left > 0;
}

/* --- What supposes thinking ----------------------------------------------- */

/* No model takes the two highest efforts and no thoughts. */
static void
put_config(struct rewriting *w, struct str config)
{
	bool first = true;

	if (json_kind(config) != JSON_IS_OBJECT) {
		buf_put(w->out, config);
		return;
	}
	buf_char(w->out, '{');
	for (struct json_each m = json_each(config); json_next(&m);) {
		bool high = str_eq(m.value, S("\"xhigh\"")) ||
		    str_eq(m.value, S("\"max\""));

		rewrite_name(w, &m, &first);
		buf_put(w->out, high && json_name_is(m.name, S("effort")) ?
		    S("\"high\"") : m.value);
	}
	buf_char(w->out, '}');
}

static bool
put_edit(struct rewriting *w, struct str edit)
{
	buf_put(w->out, edit);
	return !str_starts(type_of(edit), S("clear_thinking"));
}

static void
put_management(struct rewriting *w, struct str value)
{
	bool first = true;

	if (json_kind(value) != JSON_IS_OBJECT) {
		buf_put(w->out, value);
		return;
	}
	buf_char(w->out, '{');
	for (struct json_each m = json_each(value); json_next(&m);) {
		rewrite_name(w, &m, &first);
		if (json_name_is(m.name, S("edits")) &&
		    json_kind(m.value) == JSON_IS_ARRAY)
			rewrite_list(w, m.value, put_edit);
		else
			buf_put(w->out, m.value);
	}
	buf_char(w->out, '}');
}

/* --- The request ---------------------------------------------------------- */

static void
put_member(struct rewriting *w, const struct json_each *m)
{
	if (json_name_is(m->name, S("messages")) &&
	    json_kind(m->value) == JSON_IS_ARRAY)
		rewrite_list(w, m->value, put_message);
	else if (w->key)
		buf_put(w->out, m->value);
	else if (json_name_is(m->name, S("output_config")))
		put_config(w, m->value);
	else if (json_name_is(m->name, S("context_management")))
		put_management(w, m->value);
	else
		buf_put(w->out, m->value);
}

bool
anthropic_thoughts(struct arena *a, struct str body,
    const struct envelope_key *k, struct buf *out)
{
	struct rewriting w = { a, k, out };
	bool first = true;

	buf_char(out, '{');
	for (struct json_each m = json_each(str_trim(body)); json_next(&m);) {
		if (!k && json_name_is(m.name, S("thinking")))
			continue;
		rewrite_name(&w, &m, &first);
		put_member(&w, &m);
	}
	/* Said, because newer models think when nothing is. */
	buf_put(out, k ? S("}") : first ?
	    S("\"thinking\":{\"type\":\"disabled\"}}") :
	    S(",\"thinking\":{\"type\":\"disabled\"}}"));
	return !out->full;
}
