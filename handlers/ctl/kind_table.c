/* SPDX-License-Identifier: MIT */
/*
 * kind_table.c - the kinds of members that are small tables: timeouts, what a
 * channel serves.
 */
#include <stdlib.h>

#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/kind.h"

/* --- what a channel serves ------------------------------------------------ */

static bool
read_serve(struct reading *r, const struct place *at,
    struct channel_serve *serve)
{
	serve->name = at->name;
	serve->upstream = (struct str){ 0 };
	if (!pattern_valid(at->name))
		return wrong(r, at, "\"%.*s\" is no model name: 1 to 64 of "
		    "A-Z a-z 0-9 . _ : / @ -, a * may be the last",
		    STR_ARGS(at->name));
	if (json_kind(at->value) == JSON_IS_NULL)
		return true;
	if (!text_of(r, at, &serve->upstream))
		return false;
	return (secret_valid(serve->upstream, 1, 256) &&
	    !memchr(serve->upstream.p, '*', serve->upstream.n)) ||
	    wrong(r, at, "the upstream's name of a model has 1 to 256 visible "
	    "ASCII characters and no *; null means the same name");
}

static bool
read_serves(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct serves *serves = field;
	size_t n = 0;

	(void)m;
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "the models of a channel are an object "
		    "{\"NAME\": \"UPSTREAM'S NAME\" or null}");
	while (json_next(&each))
		n++;
	serves->list = arena_zero(r->arena, (n + 1) * sizeof(*serves->list));
	serves->n = 0;
	for (each = json_each(at->value); json_next(&each); serves->n++) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };

		if (!read_serve(r, &here, &serves->list[serves->n]))
			return false;
	}
	if (n > 1)
		qsort(serves->list, n, sizeof(*serves->list), by_name);
	for (size_t i = 1; i < n; i++)
		if (str_eq(serves->list[i].name, serves->list[i - 1].name))
			return wrong(r, at, "\"%.*s\" is there twice",
			    STR_ARGS(serves->list[i].name));
	return true;
}

static void
show_serves(struct buf *b, const void *field)
{
	const struct serves *serves = field;

	buf_char(b, '{');
	for (size_t i = 0; i < serves->n; i++) {
		const struct channel_serve *k = &serves->list[i];

		if (i)
			buf_char(b, ',');
		buf_json(b, k->name);
		buf_char(b, ':');
		if (k->upstream.p)
			buf_json(b, k->upstream);
		else
			buf_put(b, S("null"));
	}
	buf_char(b, '}');
}

/* --- timeouts ------------------------------------------------------------- */

enum { SHORTEST_MS = 100, LONGEST_MS = 86400000 };

static bool
read_clock(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	int64_t ms;

	if (!json_int(at->value, &ms) || ms < m->least || ms > m->most)
		return wrong(r, at, "a clock has a whole number of "
		    "milliseconds from %lld to %lld (a day): a shorter one "
		    "would give up on upstreams that are well",
		    (long long)m->least, (long long)m->most);
	*(int64_t *)field = ms;
	return true;
}

static void
show_clock(struct buf *b, const void *field)
{
	buf_int(b, *(const int64_t *)field);
}

static const struct kind kind_clock = { sizeof(int64_t), read_clock,
	show_clock };

#define MS(name) { #name, &kind_clock, offsetof(struct timeouts, name), \
	SHORTEST_MS, LONGEST_MS }
static const struct member timeout_members[] = {
	MS(connect_ms), MS(first_ms), MS(idle_ms), MS(whole_ms),
	MS(stream_ms), { 0 }
};

/* The defaults, which the row of a new channel has as well. */
static struct timeouts
usual(void)
{
	struct channel_row row;

	channel_blank(&row, S(""));
	return (struct timeouts){ row.connect_ms, row.first_ms, row.idle_ms,
	    row.whole_ms, row.stream_ms };
}

/* Replaced whole: what is left out gets its default. */
static bool
read_timeouts(struct reading *r, const struct place *at,
    const struct member *m, void *field)
{
	struct timeouts blank = usual();

	(void)m;
	*(struct timeouts *)field = blank;
	return shape_read(r, at, timeout_members, NULL, field, &blank);
}

static void
show_timeouts(struct buf *b, const void *field)
{
	struct timeouts blank = usual();
	struct buf in = BUF_HEAP(4096);

	shape_show(&in, timeout_members, field, &blank);
	buf_char(b, '{');
	buf_put(b, str_skip(buf_str(&in), 1));
	buf_char(b, '}');
	buf_release(&in);
}

const struct kind
    kind_serves = { sizeof(struct serves), read_serves, show_serves },
    kind_timeouts = { sizeof(struct timeouts), read_timeouts,
	show_timeouts };
