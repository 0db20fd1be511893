/* SPDX-License-Identifier: MIT */
/*
 * anthropic_cite.c - whom a text cites, in Messages' words.
 *
 * Here a block of text as a whole stands for what it cites, so the places of
 * a citation are known when the block has ended.  Of citations only pages of
 * the web have an equivalent elsewhere.  One that is written has no index: it
 * is for showing, and no upstream takes it back (anthropic_thoughts.c).
 */
#include "fcgi/base/json.h"
#include "handlers/dialect/anthropic_neutral.h"
#include "handlers/dialect/cite.h"

static struct str
inside(struct arena *a, struct str object, struct str name)
{
	struct str value = json_get(object, name);

	return json_kind(value) == JSON_IS_STRING ?
	    arena_str(a, str_from(value.p + 1, value.n - 2)) : S("");
}

void
anthropic_cites_take(struct arena *a, struct anthropic_cites *c,
    struct str citation)
{
	struct cite cite = { .url = inside(a, citation, S("url")),
		.title = inside(a, citation, S("title")),
		.quote = inside(a, citation, S("cited_text")) };

	if (!str_eq(json_get(citation, S("type")),
	    S("\"web_search_result_location\"")) || !cite.url.n ||
	    c->n == ANTHROPIC_CITES)
		return;
	c->list = neutral_grow(a, c->list, c->n, sizeof(*c->list));
	c->list[c->n++] = cite;
}

void
anthropic_cites_give(struct event_reader *r, struct anthropic_cites *c)
{
	for (size_t i = 0; i < c->n && c->points; i++) {
		struct event e = { .kind = EVENT_NOTE, .block = BLOCK_TEXT,
			.cite = c->list[i] };

		e.cite.to = c->points;
		r->take(r, &e);
	}
	c->n = 0;
	c->points = 0;
}

void
anthropic_cite_write(struct buf *out, const struct cite *c, struct str text)
{
	buf_put(out, S("{\"type\":\"web_search_result_location\",\"url\":"));
	buf_raw(out, c->url);
	buf_put(out, S(",\"title\":"));
	if (c->title.n)
		buf_raw(out, c->title);
	else
		buf_put(out, S("null"));
	buf_put(out, S(",\"cited_text\":"));
	buf_raw(out, c->quote.n ? c->quote : cite_slice(text, c->from,
	    c->to));
	buf_put(out, S(",\"encrypted_index\":\"\"}"));
}
