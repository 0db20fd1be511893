/* SPDX-License-Identifier: MIT */
/*
 * call.c - one call: its buckets, how its charge came about, its attempts.
 *
 * The price is the one that was charged, by its row, so the sum that is shown
 * is the sum that was made.
 */
#include "handlers/account/usage.h"

#include "db/catalogue.h"
#include "db/money.h"
#include "db/tariff.h"
#include "db/usage.h"
#include "fcgi/base/mem.h"
#include "handlers/page/kit.h"

enum { WIDE = 600, LINE = 22 };		/* of the waterfall, in its units */

/* --- The charge --------------------------------------------------------- */

static void
put_bucket(struct page *p, json_t *list, enum bucket b, int64_t units,
    const struct price *price)
{
	json_t *row = put_row(list);
	bool ones = BUCKETS_ONES & 1u << b;
	int64_t rate = price ? price->rate[b] : 0;
	struct buckets only = { .n = { 0 } };
	int64_t nano = 0;

	only.n[b] = units;
	put_str(row, "bucket", str_of(bucket_names[b]));
	put_str(row, "bucket_text", kit_word(p, "bucket", str_of(bucket_names[b])));
	put_int(row, "units", units);
	put_str(row, "rate", money_text(&p->arena, rate));
	put_str(row, "per_text", kit_say(p, ones ? "per.one" :
	    "per.million"));
	if (price && price_charge(price, &only, PPM, &nano))
		put_usd(row, "amount", nano);
	else
		put_usd(row, "amount", 0);
}

/* The rates of the tier that this much input came into. */
static void
tier_rates(struct price *price, int64_t input)
{
	for (int i = price->n_tiers - 1; i >= 0; i--) {
		if (input <= price->tiers[i].above)
			continue;
		memcpy(price->rate, price->tiers[i].rate,
		    sizeof(price->rate));
		break;
	}
	price->n_tiers = 0;
}

static void
put_factor(struct page *p, json_t *list, const char *text, struct str value)
{
	json_t *row = put_row(list);

	put_str(row, "label", kit_say(p, text));
	put_str(row, "value", value);
}

/* What stands between the sum and the charge, as far as it did something. */
static void
put_factors(struct page *p, const struct usage_view *u)
{
	json_t *list = put_list(p->data, "factors");

	if (u->markup_ppm != PPM)
		put_factor(p, list, "charge.markup", arena_printf(&p->arena,
		    "× %.*s", STR_ARGS(share_text(&p->arena,
		    u->markup_ppm))));
	if (u->times_ppm != PPM)
		put_factor(p, list, "charge.times", arena_printf(&p->arena,
		    "× %.*s", STR_ARGS(share_text(&p->arena,
		    u->times_ppm))));
	if (u->minimum)
		put_factor(p, list, "charge.minimum", arena_printf(&p->arena,
		    "≥ %.*s", STR_ARGS(money_text(&p->arena, u->minimum))));
	if (u->unpaid)
		put_factor(p, list, "charge.unpaid", arena_printf(&p->arena,
		    "− %.*s", STR_ARGS(money_text(&p->arena, u->unpaid))));
	if (!p->who->account)
		put_factor(p, list, "charge.bound", arena_printf(&p->arena,
		    "≤ %.*s", STR_ARGS(money_text(&p->arena, u->bound))));
}

static bool
put_charge(struct page *p, const struct usage_view *u)
{
	json_t *list = put_list(p->data, "buckets");
	struct price_row row;
	struct price price;
	int found = u->price ? price_get(p->db, &p->arena, u->price, &row) :
	    0;

	if (found < 0)
		return kit_failed(p);
	if (found && !price_read(&p->arena, &row.say, &price))
		found = 0;
	if (found)
		tier_rates(&price, buckets_in(&u->use));
	for (int b = 0; b < N_BUCKETS; b++)
		if (u->use.n[b])
			put_bucket(p, list, (enum bucket)b, u->use.n[b],
			    found ? &price : NULL);
	put_factors(p, u);
	return true;
}

/* --- The attempts ------------------------------------------------------- */

/* Names live in the catalogue, which goes. */
static void
put_upstream(struct page *p, json_t *row, const struct catalogue *cat,
    const struct attempt_row *t)
{
	struct str channel = S("–"), credential = S("–");

	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];

		if (ch->id != t->channel)
			continue;
		channel = arena_str(&p->arena, ch->name);
		for (size_t j = 0; j < ch->n_credentials; j++)
			if (ch->credentials[j].id == t->credential)
				credential = arena_str(&p->arena,
				    ch->credentials[j].name);
	}
	put_str(row, "channel", channel);
	put_str(row, "credential", credential);
}

/* Strings: a template groups the digits of numbers. */
static void
put_bar(struct page *p, json_t *row, int i, int64_t from, int64_t ms,
    int64_t whole)
{
	int64_t x = from * WIDE / whole, w = ms * WIDE / whole;

	put_str(row, "x_text", arena_int(&p->arena, x < 0 ? 0 : x > WIDE - 2 ?
	    WIDE - 2 : x));
	put_str(row, "w_text", arena_int(&p->arena, w < 2 ? 2 : w > WIDE ?
	    WIDE : w));
	put_str(row, "y_text", arena_int(&p->arena, i * LINE + 4));
	put_str(row, "t_text", arena_int(&p->arena, i * LINE + 15));
}

static void
put_attempts(struct page *p, const struct usage_view *u)
{
	const struct catalogue *cat = catalogue_take();
	struct attempt_row *list;
	int n = usage_tried(&p->arena, u, &list);
	json_t *rows = put_list(p->data, "tries");
	int64_t begin = n > 0 ? list[0].started : 0, whole = u->total_ms;

	for (int i = 0; i < n; i++)
		if (list[i].started + list[i].ms - begin > whole)
			whole = list[i].started + list[i].ms - begin;
	for (int i = 0; i < n; i++) {
		json_t *row = put_row(rows);

		put_upstream(p, row, cat, &list[i]);
		put_str(row, "upstream_model", list[i].upstream_model);
		put_int(row, "after_ms", list[i].started - begin);
		put_int(row, "ms", list[i].ms);
		put_int(row, "status", list[i].status);
		put_str(row, "outcome", list[i].outcome);
		put_bool(row, "good", str_eq(list[i].outcome, S("ok")));
		put_bar(p, row, i, list[i].started - begin, list[i].ms,
		    whole ? whole : 1);
	}
	put_str(p->data, "high_text", arena_int(&p->arena, n * LINE + 4));
	catalogue_give(cat);
}

/* --- The page ----------------------------------------------------------- */

static void
put_facts(struct page *p, const struct usage_view *u)
{
	const char *state = usage_states[u->state];

	put_str(p->data, "title", kit_say(p, "title.call"));
	put_str(p->data, "request_id", u->request_id);
	put_time(p->data, "at", u->at);
	put_str(p->data, "account", u->account_name);
	put_str(p->data, "project", u->project_name);
	put_str(p->data, "key", u->key_name);
	put_str(p->data, "key_href", kit_href(p, "%s/keys/%lld", kit_base(p),
	    (long long)u->key));
	put_str(p->data, "model", u->asked);
	put_maybe(p->data, "fallback", u->fallback);
	put_str(p->data, "endpoint", u->endpoint);
	put_bool(p->data, "stream", u->stream);
	put_str(p->data, "state", str_of(state));
	put_str(p->data, "state_text", kit_word(p, "call", str_of(state)));
	put_bool(p->data, "is_done", u->state == USAGE_DONE);
	put_int(p->data, "status", u->status);
	put_maybe(p->data, "fault", u->fault);
	put_bool(p->data, "estimated", u->estimated);
	put_maybe(p->data, "end_user", u->end_user);
	put_maybe(p->data, "tag", u->tag);
	put_usd(p->data, "charge", u->charge);
	put_bool(p->data, "began", u->first_ms >= 0);
	put_int(p->data, "first_ms", u->first_ms < 0 ? 0 : u->first_ms);
	put_int(p->data, "total_ms", u->total_ms);
	put_int(p->data, "attempts", u->attempts);
}

/* What is between the operator and his upstreams. */
static void
put_inside(struct page *p, const struct usage_view *u)
{
	put_usd(p->data, "cost", u->cost);
	put_usd(p->data, "list", u->list);
	put_usd(p->data, "margin", u->charge - u->cost);
	put_usd(p->data, "held", u->held);
	put_int(p->data, "weir_us", u->weir_us);
	put_maybe(p->data, "remarks", u->remarks);
	put_maybe(p->data, "channel", u->channel_name);
	put_maybe(p->data, "credential", u->credential_name);
	put_attempts(p, u);
}

static bool
show(struct page *p)
{
	struct usage_view u;
	int found = usage_find(p->db, &p->arena, p->rq->capture, &u);
	bool site = p->who->account == 0;

	if (found < 0)
		return kit_failed(p);
	if (!found || (!site && u.account != p->who->account))
		return kit_missing(p);
	put_facts(p, &u);
	put_bool(p->data, "site", site);
	if (site)
		put_inside(p, &u);
	return put_charge(p, &u);
}

const struct leaf leaf_call = {
	.template = "call", .nav = "usage", .show = show,
};
