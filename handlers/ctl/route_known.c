/* SPDX-License-Identifier: MIT */
/*
 * route_known.c - how requests to a candidate are written; see route.h.  It
 * asks the same functions as the relay (handlers/relay/outward.h).
 */
#include "fcgi/base/json.h"
#include "handlers/ctl/route.h"
#include "handlers/dialect/capability.h"
#include "handlers/relay/outward.h"

enum { WORDS_BYTES = 1 << 16 };

static void
add_word(struct buf *b, struct str word)
{
	struct str rest = buf_str(b);

	while (rest.n)
		if (str_eq(str_cut(&rest, ' '), word))
			return;
	buf_printf(b, "%s%.*s", b->n ? " " : "", STR_ARGS(word));
}

static struct str
list_of(struct arena *a, const struct route *r, const struct candidate *k)
{
	struct target t = outward_target(k->channel, k->model,
	    k->upstream_model);
	struct buf b = BUF(a, WORDS_BYTES);

	t.strict |= r->strict;
	capability_list(&t, &b);
	return buf_str(&b);
}

/* The edits' names, and what they make of an empty object. */
static void
know_edits(struct arena *a, const struct channel *ch, struct route_known *k)
{
	struct body_edit list[OUTWARD_EDITS];
	struct buf b = BUF(a, WORDS_BYTES);
	int n = outward_edits(ch, true, list);

	k->set = S("{}");
	for (int i = 0; i < n; i++) {
		struct buf out = BUF(a, body_edit_most(k->set, &list[i]));
		struct str rest = list[i].drop;

		while (rest.n)
			add_word(&b, str_cut(&rest, ' '));
		if (body_edit(k->set, &list[i], &out))
			k->set = buf_str(&out);
	}
	k->drop = buf_str(&b);
}

static void
know_headers(struct arena *a, const struct channel *ch, struct route_known *k)
{
	struct buf sent = BUF(a, WORDS_BYTES), unsent = BUF(a, WORDS_BYTES);

	for (struct json_each m = json_each(ch->headers); json_next(&m);)
		add_word(json_kind(m.value) == JSON_IS_NULL ? &unsent : &sent,
		    m.name);
	k->sent = buf_str(&sent);
	k->unsent = buf_str(&unsent);
}

struct route_known
route_know(const struct route *r, const struct candidate *k)
{
	struct arena *a = &r->c->arena;
	struct route_known known = { .preset = k->channel->preset };

	known.list = list_of(a, r, k);
	know_edits(a, k->channel, &known);
	know_headers(a, k->channel, &known);
	return known;
}
