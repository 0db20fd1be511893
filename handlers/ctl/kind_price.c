/* SPDX-License-Identifier: MIT */
/*
 * kind_price.c - prices as members: rates, tiers, multipliers, dates.
 *
 * A price is an object, or a list of them with dates.  What is over by now is
 * passed over, and what has begun has no date any more, so that a catalogue
 * says the same today and when its dates have come.
 */
#include <stdlib.h>

#include "db/model.h"
#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/kind.h"

/* A million USD: a price beyond it is a slip of the pen. */
enum { DEAREST_USD = 1000000, ROWS_MOST = 200 };

/* --- one price ------------------------------------------------------------ */

static const char *const more[] = { "tiers", "multipliers", "from", "until" };

static bool
no_rate(struct reading *r, const struct place *at, bool whole)
{
	struct buf b = BUF(r->arena, 1024);

	for (int i = 0; i < N_BUCKETS; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", bucket_names[i]);
	for (size_t i = 0; whole && i < countof(more); i++)
		buf_printf(&b, ", %s", more[i]);
	return wrong(r, at, "a %s has no such member; there are %s%.*s",
	    whole ? "price" : "tier", whole ? "" : "above, ",
	    STR_ARGS(buf_str(&b)));
}

static int
bucket_of(struct str name)
{
	int b = 0;

	while (b < N_BUCKETS && !str_eq(name, str_of(bucket_names[b])))
		b++;
	return b;
}

static bool
twice(struct reading *r, const struct place *at)
{
	return wrong(r, at, "this member is there twice");
}

static bool
read_rate(struct reading *r, const struct place *at, int64_t *given)
{
	if (*given >= 0)
		return twice(r, at);
	return json_kind(at->value) == JSON_IS_NULL ||
	    amount_of(r, at, DEAREST_USD * NANO, given);
}

struct tier {
	int64_t above;
	int64_t given[N_BUCKETS];
};

/* The members of one tier; what has no price without it has none in it. */
static bool
read_tier(struct reading *r, const struct place *at, const struct price *p,
    struct tier *t)
{
	struct json_each each = json_each(at->value);

	t->above = -1;
	for (int b = 0; b < N_BUCKETS; b++)
		t->given[b] = -1;
	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "a tier is an object like {\"above\": "
		    "200000, \"input\": \"2.50\", \"output\": \"15\"}");
	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		int b = bucket_of(each.name);

		if (str_eq(each.name, S("above"))) {
			if (t->above >= 0)
				return twice(r, &here);
			if (!json_int(each.value, &t->above) || t->above < 0 ||
			    t->above > 1000000000)
				return wrong(r, &here, "above is a whole "
				    "number of tokens, 0 to 1000000000");
		} else if (b == N_BUCKETS) {
			return no_rate(r, &here, false);
		} else if (!(p->priced & 1u << b)) {
			return wrong(r, &here, "without the tier this has no "
			    "price: give it in the price itself too");
		} else if (!read_rate(r, &here, &t->given[b])) {
			return false;
		}
	}
	if (t->above < 0)
		return wrong(r, at, "a tier needs \"above\": so many tokens "
		    "of input");
	return price_given(t->given) || wrong(r, at, "a tier needs a rate, "
	    "like \"input\": \"2.50\"");
}

static int
by_above(const void *a, const void *b)
{
	const struct tier *x = a, *y = b;

	return (x->above > y->above) - (x->above < y->above);
}

static bool
read_tiers(struct reading *r, const struct place *at, const struct price *p,
    struct str *text)
{
	struct json_each each = json_each(at->value);
	struct buf b = BUF(r->arena, PRICE_TEXT);
	struct tier list[PRICE_TIERS];
	size_t n;

	if (!list_of(r, at, &n))
		return false;
	if (n > PRICE_TIERS)
		return wrong(r, at, "a price has at most %d tiers",
		    PRICE_TIERS);
	for (size_t i = 0; json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };

		if (!read_tier(r, &here, p, &list[i]))
			return false;
	}
	qsort(list, n, sizeof(*list), by_above);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && list[i].above == list[i - 1].above)
			return wrong(r, at, "two tiers begin above %lld",
			    (long long)list[i].above);
		price_put_tier(&b, list[i].above, list[i].given);
	}
	*text = buf_str(&b);
	return true;
}

static bool
plain_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') &&
		    !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '_' &&
		    s.p[i] != '-' && s.p[i] != '.')
			return false;
	return s.n > 0 && s.n <= 64;
}

struct named {
	struct str name;
	int64_t ppm;
};

static bool
read_multipliers(struct reading *r, const struct place *at, struct str *text)
{
	struct json_each each = json_each(at->value);
	struct named list[PRICE_MULTIPLIERS];
	struct buf b = BUF(r->arena, PRICE_TEXT);
	size_t n = 0;

	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "multipliers are an object like "
		    "{\"flex\": \"0.5\", \"priority\": \"2\"}");
	for (; json_next(&each); n++) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };

		if (n == PRICE_MULTIPLIERS)
			return wrong(r, at, "a price has at most %d "
			    "multipliers", PRICE_MULTIPLIERS);
		if (!plain_name(each.name) || str_eq(each.name,
		    S("default")) || str_eq(each.name, S("standard")))
			return wrong(r, &here, "this names no tier of service "
			    "like \"batch\", \"flex\" or \"priority\"; the "
			    "default one costs what the price says");
		list[n].name = each.name;
		if (!share_of(r, &here, &list[n].ppm))
			return false;
		if (list[n].ppm == 0)
			return wrong(r, &here, "a multiplier is more than 0");
	}
	qsort(list, n, sizeof(*list), by_name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && str_eq(list[i].name, list[i - 1].name))
			return wrong(r, at, "\"%.*s\" is there twice",
			    STR_ARGS(list[i].name));
		price_put_multiplier(&b, list[i].name, list[i].ppm);
	}
	*text = buf_str(&b);
	return true;
}

/* What is no rate, by its place in `more`. */
struct others {
	struct place at[countof(more)];
	bool given[countof(more)];
};

/* The rates; the other members are kept, for tiers need them. */
static bool
read_rates(struct reading *r, const struct place *at, int64_t *given,
    struct others *o)
{
	struct json_each each = json_each(at->value);

	while (json_next(&each)) {
		struct place here = { .up = at, .name = each.name,
			.value = each.value };
		int b = bucket_of(each.name);
		size_t i = 0;

		while (i < countof(more) && !str_eq(each.name,
		    str_of(more[i])))
			i++;
		if (b == N_BUCKETS && i == countof(more))
			return no_rate(r, &here, true);
		if (b < N_BUCKETS) {
			if (!read_rate(r, &here, &given[b]))
				return false;
			continue;
		}
		if (o->at[i].value.n)
			return twice(r, &here);
		o->at[i] = here;
		o->given[i] = json_kind(each.value) != JSON_IS_NULL;
	}
	return true;
}

static bool
read_row(struct reading *r, const struct place *at, struct price_row *row)
{
	struct others o = { 0 };
	struct price p;

	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "a price is an object like {\"input\": "
		    "\"0.15\", \"output\": \"0.60\"}, USD per million tokens");
	*row = (struct price_row){ 0 };
	price_words_blank(&row->say);
	if (!read_rates(r, at, row->say.given, &o))
		return false;
	if (!price_fill(row->say.given, &p))
		return wrong(r, at, "input is missing (and "
		    "output, unless the model makes no tokens); or give "
		    "request, image, second, character or search alone");
	if ((o.given[0] && !read_tiers(r, &o.at[0], &p, &row->say.tiers)) ||
	    (o.given[1] && !read_multipliers(r, &o.at[1],
		&row->say.multipliers)) ||
	    (o.given[2] && !time_of(r, &o.at[2], &row->from_ms)) ||
	    (o.given[3] && !time_of(r, &o.at[3], &row->until_ms)))
		return false;
	return !row->until_ms || row->until_ms > row->from_ms ||
	    wrong(r, &o.at[3], "this price would end before it begins: until "
	    "is after from");
}

/* --- several, with dates -------------------------------------------------- */

static int
by_from(const void *a, const void *b)
{
	const struct price_row *x = a, *y = b;

	return (x->from_ms > y->from_ms) - (x->from_ms < y->from_ms);
}

static struct str
moment(struct reading *r, int64_t ms)
{
	char text[CLOCK_TEXT];

	clock_text(ms, text);
	return ms ? arena_str(r->arena, str_of(text)) : S("the beginning");
}

static bool
overlap(struct reading *r, const struct place *at,
    const struct price_row *first, const struct price_row *second)
{
	struct str until = first->until_ms ? arena_printf(r->arena,
	    "ends %.*s", STR_ARGS(moment(r, first->until_ms))) :
	    S("has no until");

	return wrong(r, at, "two rows overlap: the one from %.*s %.*s, and "
	    "the next begins %.*s", STR_ARGS(moment(r, first->from_ms)),
	    STR_ARGS(until), STR_ARGS(moment(r, second->from_ms)));
}

/* As of now: see the top. */
static void
pass_over(struct prices *p, int64_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct price_row row = p->list[i];

		if (row.until_ms && row.until_ms <= now)
			continue;
		if (row.from_ms <= now)
			row.from_ms = 0;
		p->list[n++] = row;
	}
	p->n = n;
}

static bool
read_price(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	bool several = json_kind(at->value) == JSON_IS_ARRAY;
	struct json_each each = json_each(at->value);
	struct prices *p = field;
	size_t n = 1;

	(void)m;
	if (several && !list_of(r, at, &n))
		return false;
	if (n == 0 || n > ROWS_MOST)
		return wrong(r, at, "a price is an object, or a list of 1 to "
		    "%d with dates; null says that there is none", ROWS_MOST);
	p->list = arena_zero(r->arena, n * sizeof(*p->list));
	p->n = n;
	if (!several && !read_row(r, at, p->list))
		return false;
	for (size_t i = 0; several && json_next(&each); i++) {
		struct place here = { .up = at, .index = i,
			.value = each.value };

		if (!read_row(r, &here, &p->list[i]))
			return false;
	}
	qsort(p->list, n, sizeof(*p->list), by_from);
	for (size_t i = 1; i < n; i++)
		if (!p->list[i - 1].until_ms ||
		    p->list[i - 1].until_ms > p->list[i].from_ms)
			return overlap(r, at, &p->list[i - 1], &p->list[i]);
	pass_over(p, r->now);
	return true;
}

static void
show_row(struct buf *b, const struct price_row *row)
{
	char before = '{';

	for (int i = 0; i < N_BUCKETS; i++) {
		if (row->say.given[i] < 0)
			continue;
		buf_printf(b, "%c\"%s\":", before, bucket_names[i]);
		show_amount(b, row->say.given[i]);
		before = ',';
	}
	if (row->say.tiers.n)
		buf_printf(b, ",\"tiers\":%.*s", STR_ARGS(row->say.tiers));
	if (row->say.multipliers.n)
		buf_printf(b, ",\"multipliers\":%.*s",
		    STR_ARGS(row->say.multipliers));
	if (row->from_ms) {
		buf_put(b, S(",\"from\":"));
		show_moment(b, row->from_ms);
	}
	if (row->until_ms) {
		buf_put(b, S(",\"until\":"));
		show_moment(b, row->until_ms);
	}
	buf_char(b, '}');
}

static void
show_price(struct buf *b, const void *field)
{
	const struct prices *p = field;

	if (p->n == 0)
		buf_put(b, S("null"));
	if (p->n > 1)
		buf_char(b, '[');
	for (size_t i = 0; i < p->n; i++) {
		if (i)
			buf_char(b, ',');
		show_row(b, &p->list[i]);
	}
	if (p->n > 1)
		buf_char(b, ']');
}

bool
prices_load(struct db *db, struct arena *a, struct price_of of,
    struct prices *prices)
{
	int n = price_schedule(db, a, &of, &prices->list);

	prices->n = n > 0 ? (size_t)n : 0;
	return n >= 0;
}

bool
prices_save(struct reading *r, struct price_of of,
    const struct prices *prices)
{
	return price_replace(r->db, r->arena, &of, prices->list,
	    (int)prices->n) || lost(r);
}

/* --- of several models ---------------------------------------------------- */

static bool
read_costs(struct reading *r, const struct place *at, const struct member *m,
    void *field)
{
	struct json_each each = json_each(at->value);
	struct costs *costs = field;
	size_t n = 0;

	if (json_kind(at->value) != JSON_IS_OBJECT)
		return wrong(r, at, "prices of models are an object "
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
		if (costs_find(costs, cost->name))
			return twice(r, &here);
		if (!read_price(r, &here, m, &cost->prices))
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
	char before = '{';

	for (size_t i = 0; i < costs->n; i++) {
		if (costs->list[i].prices.n == 0)
			continue;
		buf_char(b, before);
		before = ',';
		buf_json(b, costs->list[i].name);
		buf_char(b, ':');
		show_price(b, &costs->list[i].prices);
	}
	buf_put(b, before == '{' ? S("{}") : S("}"));
}

const struct cost *
costs_find(const struct costs *costs, struct str name)
{
	for (size_t i = 0; i < costs->n; i++)
		if (str_eq(costs->list[i].name, name))
			return &costs->list[i];
	return NULL;
}

bool
costs_load(struct db *db, struct arena *a, struct price_of of,
    struct costs *costs)
{
	struct str *names;
	int n = price_models(db, a, &of, &names);

	if (n < 0)
		return false;
	costs->list = arena_zero(a, ((size_t)n + 1) * sizeof(*costs->list));
	costs->n = 0;
	for (int i = 0; i < n; i++) {
		struct cost *cost = &costs->list[costs->n];
		struct model_row m;

		if (model_find(db, a, names[i], &m) != 1)
			return false;
		of.model = m.id;
		cost->name = names[i];
		if (!prices_load(db, a, of, &cost->prices))
			return false;
		costs->n += cost->prices.n > 0;
	}
	return true;
}

/* The prices of one model; none ends them. */
static bool
save_cost(struct reading *r, const struct place *at, struct price_of of,
    struct str name, const struct prices *prices)
{
	struct model_row m;
	int found = model_find(r->db, r->arena, name, &m);

	if (found < 0)
		return lost(r);
	if (found == 0)
		return prices->n == 0 || wrong(r, at, "there is no model "
		    "\"%.*s\": add it to models before it has a price here",
		    STR_ARGS(name));
	of.model = m.id;
	return prices_save(r, of, prices);
}

bool
costs_save(struct reading *r, const struct place *at, const char *member,
    struct price_of of, const struct costs *is, const struct costs *was)
{
	struct place here = place_in(at, str_of(member));
	static const struct prices none;

	if (is->list == was->list && is->n == was->n)
		return true;
	for (size_t i = 0; i < was->n; i++)
		if (!costs_find(is, was->list[i].name) &&
		    !save_cost(r, &here, of, was->list[i].name, &none))
			return false;
	for (size_t i = 0; i < is->n; i++)
		if (!save_cost(r, &here, of, is->list[i].name,
		    &is->list[i].prices))
			return false;
	return true;
}

const struct kind
    kind_price = { sizeof(struct prices), read_price, show_price },
    kind_costs = { sizeof(struct costs), read_costs, show_costs };
