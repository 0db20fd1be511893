/* SPDX-License-Identifier: MIT */
/*
 * openai_beside.c - what an answer in Chat Completions' words says beside its
 * text: whom it cites, and how likely its words were.
 *
 * Places of citations are counted through the whole content, which here may
 * be several blocks.  Some providers only list the pages' addresses, at the
 * end or again and again.
 */
#include "fcgi/base/json.h"
#include "handlers/dialect/cite.h"
#include "handlers/dialect/openai_neutral.h"

/* --- Citations ------------------------------------------------------------ */

void
openai_cites_block(struct openai_cites *c, enum block_kind kind)
{
	if (kind != BLOCK_TEXT)
		return;
	c->base += c->points;
	c->points = 0;
}

void
openai_cites_text(struct openai_cites *c, enum block_kind kind,
    struct str raw)
{
	if (kind == BLOCK_TEXT)
		c->points += cite_points(raw);
}

static void
note(struct event_reader *r, struct cite cite)
{
	struct event e = { .kind = EVENT_NOTE, .block = BLOCK_TEXT,
		.cite = cite };

	r->take(r, &e);
}

void
openai_cites_read(struct event_reader *r, struct openai_cites *c,
    struct str annotations)
{
	for (struct json_each m = json_each(annotations); json_next(&m);) {
		struct cite cite;

		if (!cite_read(json_get(m.value, S("url_citation")), &cite))
			continue;
		cite_within(&cite, c->base, c->points);
		c->any = true;
		note(r, cite);
	}
}

void
openai_cites_keep(struct arena *a, struct openai_cites *c, struct str list)
{
	if (json_kind(list) == JSON_IS_ARRAY && !str_eq(list, c->list))
		c->list = arena_str(a, list);
}

void
openai_cites_end(struct event_reader *r, const struct openai_cites *c)
{
	struct json_each m = json_each(c->list);

	while (!c->any && json_next(&m))
		if (json_kind(m.value) == JSON_IS_STRING && m.value.n > 2)
			note(r, (struct cite){ .url =
			    str_from(m.value.p + 1, m.value.n - 2) });
}

/* --- Log probabilities ---------------------------------------------------- */

static void
logprobs(struct event_reader *r, enum block_kind kind, struct str list)
{
	struct json_each m = json_each(list);
	struct event e = { .kind = EVENT_LOGPROBS, .block = kind,
		.text = list };

	if (json_kind(list) == JSON_IS_ARRAY && json_next(&m))
		r->take(r, &e);
}

void
openai_logprobs_read(struct event_reader *r, struct str value)
{
	if (json_kind(value) != JSON_IS_OBJECT)
		return;
	logprobs(r, BLOCK_TEXT, json_get(value, S("content")));
	logprobs(r, BLOCK_REFUSAL, json_get(value, S("refusal")));
}
