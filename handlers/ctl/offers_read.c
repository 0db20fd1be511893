/* SPDX-License-Identifier: MIT */
/*
 * offers_read.c - what the three kinds of public price files say; see
 * offers.h.
 */
#include "handlers/ctl/offers.h"

#include <stdlib.h>

#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

/* The places of a rate in nano-dollars: of a million, given for a million;
 * given for one; and of one, given for a thousand. */
enum { OF_MILLION = 9, OF_ONE = 15, OF_THOUSAND = 6, PER_ONE = 9 };

struct unit {
	const char *name;
	enum bucket bucket;
	int places;
};

static const struct unit genai_units[] = {
	{ "input_mtok", BUCKET_INPUT, OF_MILLION },
	{ "output_mtok", BUCKET_OUTPUT, OF_MILLION },
	{ "cache_read_mtok", BUCKET_CACHE_READ, OF_MILLION },
	{ "cache_write_mtok", BUCKET_CACHE_WRITE, OF_MILLION },
	{ "cache_write_1h_mtok", BUCKET_CACHE_WRITE_1H, OF_MILLION },
	{ "output_reasoning_mtok", BUCKET_REASONING, OF_MILLION },
	{ "input_audio_mtok", BUCKET_AUDIO_IN, OF_MILLION },
	{ "output_audio_mtok", BUCKET_AUDIO_OUT, OF_MILLION },
	{ "input_image_mtok", BUCKET_IMAGE_IN, OF_MILLION },
	{ "output_image_mtok", BUCKET_IMAGE_OUT, OF_MILLION },
	{ "requests_kcount", BUCKET_REQUEST, OF_THOUSAND },
};

static const struct unit dev_units[] = {
	{ "input", BUCKET_INPUT, OF_MILLION },
	{ "output", BUCKET_OUTPUT, OF_MILLION },
	{ "cache_read", BUCKET_CACHE_READ, OF_MILLION },
	{ "cache_write", BUCKET_CACHE_WRITE, OF_MILLION },
	{ "reasoning", BUCKET_REASONING, OF_MILLION },
	{ "input_audio", BUCKET_AUDIO_IN, OF_MILLION },
	{ "output_audio", BUCKET_AUDIO_OUT, OF_MILLION },
};

static const struct unit litellm_units[] = {
	{ "input_cost_per_token", BUCKET_INPUT, OF_ONE },
	{ "output_cost_per_token", BUCKET_OUTPUT, OF_ONE },
	{ "cache_read_input_token_cost", BUCKET_CACHE_READ, OF_ONE },
	{ "cache_creation_input_token_cost", BUCKET_CACHE_WRITE, OF_ONE },
	{ "cache_creation_input_token_cost_above_1hr", BUCKET_CACHE_WRITE_1H,
	    OF_ONE },
	{ "output_cost_per_reasoning_token", BUCKET_REASONING, OF_ONE },
	{ "input_cost_per_audio_token", BUCKET_AUDIO_IN, OF_ONE },
	{ "output_cost_per_audio_token", BUCKET_AUDIO_OUT, OF_ONE },
	{ "input_cost_per_image_token", BUCKET_IMAGE_IN, OF_ONE },
	{ "output_cost_per_image_token", BUCKET_IMAGE_OUT, OF_ONE },
	{ "input_cost_per_character", BUCKET_CHARACTER, OF_ONE },
	{ "output_cost_per_image", BUCKET_IMAGE, PER_ONE },
	{ "input_cost_per_second", BUCKET_SECOND, PER_ONE },
	{ "input_cost_per_query", BUCKET_SEARCH, PER_ONE },
	{ "input_cost_per_request", BUCKET_REQUEST, PER_ONE },
};

/* As members of the catalogue are bounded. */
enum { TOKENS_MOST = 1000000000 };

/* What calls through weir cannot use: tools that providers run. */
static const char *const unused[] = { "web_searches_kcount",
	"search_context_cost_per_query", "code_interpreter_cost_per_session",
	"file_search_cost_per_1k_calls", "file_search_cost_per_gb_per_day",
	"vector_store_cost_per_gb_per_day",
	"computer_use_input_cost_per_1k_tokens",
	"computer_use_output_cost_per_1k_tokens", "annotation_cost_per_page" };

/* --- an offer in the making ----------------------------------------------- */

struct tier_rates {
	int64_t above;
	int64_t given[N_BUCKETS];
};

/* One price: its base, its tiers, and the same by other tiers of service. */
struct making {
	struct offers *o;
	struct offer *offer;
	int64_t given[N_BUCKETS];
	struct tier_rates tiers[PRICE_TIERS];
	int n_tiers;
	int64_t as[3][N_BUCKETS];	/* services */
};

static const struct {
	const char *suffix, *name;
} services[3] = { { "_batches", "batch" }, { "_flex", "flex" },
	{ "_priority", "priority" } };

static void
no_rates(int64_t given[static N_BUCKETS])
{
	for (int b = 0; b < N_BUCKETS; b++)
		given[b] = -1;
}

static struct making
begin(struct offers *o, struct offer *offer)
{
	struct making m = { .o = o, .offer = offer };

	no_rates(m.given);
	for (size_t i = 0; i < countof(services); i++)
		no_rates(m.as[i]);
	return m;
}

/* The first reason stays. */
static void
cannot(struct making *m, const char *what, struct str name)
{
	if (m->offer->why_not.n == 0)
		m->offer->why_not = arena_printf(m->o->arena, what,
		    STR_ARGS(name));
}

static void
put_rate(struct making *m, const struct unit *u, struct str name,
    struct str value, int64_t given[static N_BUCKETS])
{
	if (!number_read(value, u->places, 1000000 * NANO,
	    &given[u->bucket]))
		cannot(m, "%.*s is no rate up to a million USD", name);
}

static int64_t *
tier_at(struct making *m, int64_t above)
{
	if (above < 0 || above > TOKENS_MOST)
		cannot(m, "it has a tier that begins at no number of %.*s",
		    S("tokens"));
	for (int i = 0; i < m->n_tiers; i++)
		if (m->tiers[i].above == above)
			return m->tiers[i].given;
	if (m->n_tiers == PRICE_TIERS) {
		cannot(m, "it has more than %.*s tiers", S("8"));
		return m->tiers[0].given;
	}
	m->tiers[m->n_tiers].above = above;
	no_rates(m->tiers[m->n_tiers].given);
	return m->tiers[m->n_tiers++].given;
}

static const struct unit *
unit_of(const struct unit *units, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(name, str_of(units[i].name)))
			return &units[i];
	return NULL;
}

static bool
is_unused(struct str name)
{
	for (size_t i = 0; i < countof(unused); i++)
		if (str_eq(name, str_of(unused[i])))
			return true;
	return false;
}

/* A price of what weir cannot count is none only if it is 0. */
static void
foreign(struct making *m, struct str name, struct str value)
{
	int64_t v;

	if (is_unused(name) || json_kind(value) == JSON_IS_NULL)
		return;
	if (json_kind(value) != JSON_IS_NUMBER ||
	    !number_read(value, OF_ONE, MONEY_MAX, &v) || v != 0)
		cannot(m, "weir has no unit for %.*s", name);
}

static int
by_above(const void *a, const void *b)
{
	const struct tier_rates *x = a, *y = b;

	return (x->above > y->above) - (x->above < y->above);
}

/* The multiplier that makes one set of rates of the other; 0: none does. */
static int64_t
ratio(const int64_t base[static N_BUCKETS],
    const int64_t as[static N_BUCKETS])
{
	int64_t ppm = 0;

	for (int b = 0; b < N_BUCKETS; b++) {
		__int128 n = as[b] < 0 ? 0 : (__int128)as[b] * PPM;

		if (as[b] < 0 || (base[b] == 0 && as[b] == 0))
			continue;
		if (base[b] <= 0 || n % base[b] ||
		    (ppm && n / base[b] != ppm) || n / base[b] > 1000 * PPM)
			return 0;
		ppm = (int64_t)(n / base[b]);
	}
	return ppm;
}

/* The making as words. */
static void
finish(struct making *m, struct price_words *w)
{
	struct buf tiers = BUF(m->o->arena, PRICE_TEXT);
	struct buf times = BUF(m->o->arena, PRICE_TEXT);
	struct price p = { 0 };

	price_words_blank(w);
	memcpy(w->given, m->given, sizeof(w->given));
	qsort(m->tiers, (size_t)m->n_tiers, sizeof(*m->tiers), by_above);
	for (int i = 0; i < m->n_tiers; i++)
		if (price_given(m->tiers[i].given))
			price_put_tier(&tiers, m->tiers[i].above,
			    m->tiers[i].given);
	for (size_t i = 0; i < countof(services); i++) {
		int64_t ppm = ratio(m->given, m->as[i]);

		if (ppm)
			price_put_multiplier(&times, str_of(services[i].name),
			    ppm);
	}
	w->tiers = buf_str(&tiers);
	w->multipliers = buf_str(&times);
	if (!price_given(w->given))
		cannot(m, "it has no %.*s", S("price"));
	else if (!price_fill(w->given, &p))
		cannot(m, "it has a price of output or sound and none of %.*s",
		    S("input"));
	else if (!price_read(m->o->arena, w, &p))
		cannot(m, "its %.*s cannot be read", S("tiers"));
	for (int i = 0; i < m->n_tiers; i++)
		for (int b = 0; b < N_BUCKETS; b++)
			if (m->tiers[i].given[b] >= 0 &&
			    !(p.priced & 1u << b))
				cannot(m, "only a tier has a price of %.*s",
				    str_of(bucket_names[b]));
}

/* A limit of the model; what no catalogue could say is not said. */
static void
limit(struct str value, int64_t *tokens)
{
	if (!json_int(value, tokens) || *tokens < 0 || *tokens > TOKENS_MOST)
		*tokens = 0;
}

static struct offer *
add(struct offers *o, struct str name, struct str provider)
{
	struct offer *f;

	if (o->n == o->room) {
		size_t room = o->room ? o->room * 2 : 256;
		struct offer *more = arena_alloc(o->arena,
		    room * sizeof(*more));

		if (o->n)
			memcpy(more, o->list, o->n * sizeof(*more));
		o->list = more;
		o->room = room;
	}
	f = &o->list[o->n++];
	*f = (struct offer){ .name = name, .provider = provider };
	if (!name_valid(name))
		f->why_not = S("its name is none in weir: 1 to 64 of A-Z a-z "
		    "0-9 . _ : / @ -");
	return f;
}

/* One price without dates. */
static void
only(struct making *m)
{
	struct prices *p = &m->offer->prices;

	p->list = arena_zero(m->o->arena, sizeof(*p->list));
	p->n = 1;
	finish(m, &p->list[0].say);
}

/* --- genai-prices --------------------------------------------------------- */

/* {"base":3,"tiers":[{"start":200000,"price":6}]} */
static void
genai_tiers(struct making *m, const struct unit *u, struct str name,
    struct str value)
{
	struct json_each each = json_each(json_get(value, S("tiers")));
	int64_t start;

	put_rate(m, u, name, json_get(value, S("base")), m->given);
	while (json_next(&each)) {
		if (!json_int(json_get(each.value, S("start")), &start) ||
		    start < 0) {
			cannot(m, "a tier of %.*s has no start", name);
			return;
		}
		put_rate(m, u, name, json_get(each.value, S("price")),
		    tier_at(m, start));
	}
}

static void
genai_price(struct making *m, struct str prices)
{
	struct json_each each = json_each(prices);

	while (json_next(&each)) {
		const struct unit *u = unit_of(genai_units,
		    countof(genai_units), each.name);

		if (!u)
			foreign(m, each.name, each.value);
		else if (json_kind(each.value) == JSON_IS_OBJECT)
			genai_tiers(m, u, each.name, each.value);
		else if (json_kind(each.value) != JSON_IS_NULL)
			put_rate(m, u, each.name, each.value, m->given);
	}
}

/* One that holds from a date on; the next one ends it. */
static void
genai_dated(struct offers *o, struct offer *f, struct str item)
{
	struct str constraint = json_get(item, S("constraint"));
	struct price_row *row = &f->prices.list[f->prices.n];
	struct str date = json_text(o->arena, json_get(constraint,
	    S("start_date")));
	struct making m = begin(o, f);

	if (json_kind(constraint) == JSON_IS_OBJECT && (!date.n ||
	    !clock_read(date, o->now, &row->from_ms)))
		cannot(&m, "its price depends on the %.*s", S("time of day"));
	if (f->prices.n > 0 && row->from_ms <= row[-1].from_ms)
		cannot(&m, "its prices are not in order of %.*s", S("time"));
	if (f->prices.n > 0)
		row[-1].until_ms = row->from_ms;
	genai_price(&m, json_get(item, S("prices")));
	finish(&m, &row->say);
	f->prices.n++;
}

/* What is over by now goes. */
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

static void
genai_model(struct offers *o, struct str provider, struct str model)
{
	struct str prices = json_get(model, S("prices"));
	struct json_each each = json_each(prices);
	struct offer *f = add(o, json_text(o->arena, json_get(model,
	    S("id"))), provider);
	struct making m = begin(o, f);
	size_t n = 0;

	limit(json_get(model, S("context_window")), &f->context);
	if (json_kind(prices) != JSON_IS_ARRAY) {
		genai_price(&m, prices);
		only(&m);
		return;
	}
	while (json_next(&each))
		n++;
	f->prices.list = arena_zero(o->arena,
	    (n + 1) * sizeof(*f->prices.list));
	for (each = json_each(prices); json_next(&each); )
		genai_dated(o, f, each.value);
	pass_over(&f->prices, o->now);
}

static void
read_genai(struct offers *o, struct str text)
{
	struct json_each p = json_each(text);

	while (json_next(&p)) {
		struct str id = json_text(o->arena, json_get(p.value,
		    S("id")));
		struct json_each m = json_each(json_get(p.value,
		    S("models")));

		while (json_next(&m))
			genai_model(o, id, m.value);
	}
}

/* --- models.dev ----------------------------------------------------------- */

static void dev_rates(struct making *m, struct str cost, int64_t *given);

/* [{"input":6,"tier":{"type":"context","size":200000}}] */
static void
dev_tiers(struct making *m, struct str list)
{
	struct json_each each = json_each(list);
	int64_t size;

	while (json_next(&each)) {
		struct str tier = json_get(each.value, S("tier"));

		if (!str_eq(json_get(tier, S("type")), S("\"context\"")) ||
		    !json_int(json_get(tier, S("size")), &size) || size < 0)
			cannot(m, "it has tiers of another kind than %.*s",
			    S("context"));
		else
			dev_rates(m, each.value, tier_at(m, size));
	}
}

static void
dev_rates(struct making *m, struct str cost, int64_t *given)
{
	struct json_each each = json_each(cost);

	while (json_next(&each)) {
		const struct unit *u = unit_of(dev_units, countof(dev_units),
		    each.name);

		if (u && json_kind(each.value) != JSON_IS_NULL)
			put_rate(m, u, each.name, each.value, given);
		else if (!u && given == m->given && str_eq(each.name,
		    S("context_over_200k")))
			dev_rates(m, each.value, tier_at(m, 200000));
		else if (!u && given == m->given && str_eq(each.name,
		    S("tiers")))
			dev_tiers(m, each.value);
		else if (!u && (given == m->given || !str_eq(each.name,
		    S("tier"))))
			foreign(m, each.name, each.value);
	}
}

static void
read_dev(struct offers *o, struct str text)
{
	struct json_each p = json_each(text);

	while (json_next(&p)) {
		struct json_each each = json_each(json_get(p.value,
		    S("models")));

		while (json_next(&each)) {
			struct str limits = json_get(each.value, S("limit"));
			struct offer *f = add(o, each.name, p.name);
			struct making m = begin(o, f);

			limit(json_get(limits, S("context")), &f->context);
			limit(json_get(limits, S("output")),
			    &f->max_output);
			dev_rates(&m, json_get(each.value, S("cost")),
			    m.given);
			only(&m);
		}
	}
}

/* --- LiteLLM -------------------------------------------------------------- */

/* "input_cost_per_token_above_200k_tokens" is of a tier, "…_flex" of a
 * service.  What is of both is left: weir multiplies tiers as well. */
static void
litellm_rate(struct making *m, struct str name, struct str value)
{
	static const struct str above = STR_INIT("_above_"),
		tokens = STR_INIT("k_tokens");
	const struct unit *u = unit_of(litellm_units, countof(litellm_units),
	    name);
	struct str base = name;
	int64_t thousands;

	if (u) {
		put_rate(m, u, name, value, m->given);
		return;
	}
	for (size_t i = 0; i < countof(services); i++) {
		struct str suffix = str_of(services[i].suffix);

		if (!str_ends(name, suffix))
			continue;
		base.n = name.n - suffix.n;
		u = unit_of(litellm_units, countof(litellm_units), base);
		if (u)
			put_rate(m, u, name, value, m->as[i]);
		return;
	}
	for (size_t i = 0; i + above.n < name.n; i++) {
		struct str rest = str_skip(name, i + above.n);

		base.n = i;
		u = unit_of(litellm_units, countof(litellm_units), base);
		if (!u || !str_starts(str_skip(name, i), above) ||
		    !str_ends(rest, tokens))
			continue;
		rest.n -= tokens.n;
		if (!str_int(rest, &thousands) || thousands <= 0 ||
		    thousands > 1000000)
			break;
		put_rate(m, u, name, value, tier_at(m, thousands * 1000));
		return;
	}
	foreign(m, name, value);
}

static void
read_litellm(struct offers *o, struct str text)
{
	struct json_each each = json_each(text);

	while (json_next(&each)) {
		struct str provider = json_text(o->arena, json_get(each.value,
		    S("litellm_provider")));
		struct json_each member = json_each(each.value);
		struct str name = each.name;
		struct offer *f;
		struct making m;

		if (str_eq(name, S("sample_spec")))
			continue;
		if (provider.n && str_starts(name, provider) &&
		    name.n > provider.n && name.p[provider.n] == '/')
			name = str_skip(name, provider.n + 1);
		f = add(o, name, provider);
		m = begin(o, f);
		limit(json_get(each.value, S("max_input_tokens")),
		    &f->context);
		limit(json_get(each.value, S("max_output_tokens")),
		    &f->max_output);
		while (json_next(&member))
			if (str_has(member.name, S("cost")) &&
			    json_kind(member.value) != JSON_IS_NULL)
				litellm_rate(&m, member.name, member.value);
		only(&m);
	}
}

void
offers_take(struct offers *o, struct str text)
{
	switch (o->file) {
	case OFFERS_GENAI:
		read_genai(o, text);
		break;
	case OFFERS_MODELS_DEV:
		read_dev(o, text);
		break;
	case OFFERS_LITELLM:
		read_litellm(o, text);
		break;
	case N_OFFER_FILES:
		break;
	}
}
