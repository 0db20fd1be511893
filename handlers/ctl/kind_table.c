/* SPDX-License-Identifier: MIT */
/*
 * kind_table.c - the kinds of members that are small tables: prices, timeouts,
 * what a channel serves and what it charges us.
 */
#include <stdlib.h>

#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/kind.h"

/* A million USD: a price beyond it is a slip of the pen. */
enum { DEAREST_USD = 1000000 };

/* --- prices --------------------------------------------------------------- */

/* Members of a price that later versions will know. */
static const char *const later[] = { "tiers", "from", "until", NULL };

bool
price_given(const int64_t given[static N_BUCKETS])
{
	for (int b = 0; b < N_BUCKETS; b++)
		if (given[b] >= 0)
			return true;
	return false;
}

static bool
no_rate(struct reading *r, const struct place *at)
{
	struct buf b = BUF(r->arena, 1024);

	for (const char *const *name = later; *name; name++)
		if (str_eq(at->name, str_of(*name)))
			return wrong(r, at, "%s is not built yet in this "
			    "version of weir: leave it out", *name);
	for (int i = 0; i < N_BUCKETS; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", bucket_names[i]);
	return wrong(r, at, "a price has no such member; there are %.*s",
	    STR_ARGS(buf_str(&b)));
}

static bool
read_price(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	int64_t *given = field;
	struct price p;

	(void)m;
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "a price is an object like {\"input\": "
		    "\"0.15\", \"output\": \"0.60\"}, USD per million tokens");
	for (int b = 0; b < N_BUCKETS; b++)
		given[b] = -1;
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		int b = 0;

		while (b < N_BUCKETS &&
		    !str_eq(each.name, str_of(bucket_names[b])))
			b++;
		if (b == N_BUCKETS)
			return no_rate(r, &here);
		if (given[b] >= 0)
			return wrong(r, &here, "this member is there twice");
		if (json_kind(each.value) != JSON_IS_NULL &&
		    !amount_of(r, &here, DEAREST_USD * NANO, &given[b]))
			return false;
	}
	return price_fill(given, &p) || wrong(r, at, "input is missing (and "
	    "output, unless the model makes no tokens); or give request, "
	    "image, second, character or search alone");
}

static void
show_price(struct buf *b, const void *field)
{
	const int64_t *given = field;
	char before = '{';

	if (!price_given(given)) {
		buf_put(b, S("null"));
		return;
	}
	for (int i = 0; i < N_BUCKETS; i++) {
		if (given[i] < 0)
			continue;
		buf_printf(b, "%c\"%s\":", before, bucket_names[i]);
		show_amount(b, given[i]);
		before = ',';
	}
	buf_char(b, '}');
}

static bool
read_costs(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct costs *costs = field;
	size_t n = 0;

	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "the prices of a channel are an object "
		    "{\"MODEL\": {\"input\": \"0.10\", …}}");
	while (json_next(&each))
		n++;
	costs->list = arena_zero(r->arena, (n + 1) * sizeof(*costs->list));
	costs->n = 0;
	for (each = json_each(at->value); json_next(&each); costs->n++) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		struct cost *cost = &costs->list[costs->n];

		cost->name = each.name;
		for (size_t i = 0; i < costs->n; i++)
			if (str_eq(cost->name, costs->list[i].name))
				return wrong(r, &here, "this member is there "
				    "twice");
		if (!read_price(r, &here, m, cost->given))
			return false;
	}
	if (n > 1)
		qsort(costs->list, n, sizeof(*costs->list), by_name);
	return true;
}

static void
show_costs(struct buf *b, const void *field)
{
	const struct costs *costs = field;

	buf_char(b, '{');
	for (size_t i = 0; i < costs->n; i++) {
		if (i)
			buf_char(b, ',');
		buf_json(b, costs->list[i].name);
		buf_char(b, ':');
		show_price(b, costs->list[i].given);
	}
	buf_char(b, '}');
}

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
    kind_price = { sizeof(int64_t[N_BUCKETS]), read_price, show_price },
    kind_costs = { sizeof(struct costs), read_costs, show_costs },
    kind_serves = { sizeof(struct serves), read_serves, show_serves },
    kind_timeouts = { sizeof(struct timeouts), read_timeouts,
	show_timeouts };
