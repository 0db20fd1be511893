/* SPDX-License-Identifier: MIT */
/*
 * plan.c - who could serve, and what it may cost; see plan.h.
 *
 * The sale price is the same for all candidates of a model (catalogue_terms),
 * but for groups that must not pay less than a call costs us: then what each
 * of them charges counts too.  Held is the estimate at the dearest of them, in
 * the dearest tier that the prompt may reach.
 */
#include "handlers/relay/plan.h"

#include <stdlib.h>

#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"
#include "handlers/dialect/bridge.h"
#include "handlers/relay/call.h"
#include "handlers/relay/kept.h"
#include "handlers/relay/outward.h"
#include "handlers/relay/relay.h"
#include "handlers/relay/units.h"

enum {
	STREAMED_OUTPUT = 4096,		/* assumed when no limit is given */
	PLAIN_OUTPUT = 16384,
	LEAST_OUTPUT = 256,		/* a call is not admitted for less */
	UNKNOWN_OUTPUT = 131072,	/* of a model without max_output */
	UNKNOWN_CONTEXT = 1048576,
	IMAGE_BOUND = 50000,		/* gpt-4o-mini, 8 tiles */
	WEIGHT_SCALE = 1000
};

static bool
name_matches(struct str pattern, struct str name)
{
	if (!str_ends(pattern, S("*")))
		return str_eq(pattern, name);
	pattern.n--;
	return str_starts(name, pattern);
}

bool
plan_allowed(struct str models, struct str name)
{
	struct json_each each = json_each(models);

	if (models.n == 0)
		return true;
	while (json_next(&each)) {
		struct str pattern = each.value;

		/* Names hold no character that JSON would escape. */
		if (pattern.n >= 2 && name_matches(str_from(pattern.p + 1,
		    pattern.n - 2), name))
			return true;
	}
	return false;
}

static int
by_priority(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->chain != y->chain)
		return x->chain - y->chain;
	if (x->channel->priority != y->channel->priority)
		return x->channel->priority < y->channel->priority ? -1 : 1;
	return x->credential->id < y->credential->id ? -1 : 1;
}

/* Most sites have one priority, and the catalogue is in order. */
static void
sort(struct plan *p)
{
	int i = 1;

	while (i < p->n && by_priority(&p->list[i - 1], &p->list[i]) < 0)
		i++;
	if (i < p->n)
		qsort(p->list, (size_t)p->n, sizeof(*p->list), by_priority);
}

/* One model of the plan: the one that was asked for, or a fallback. */
struct link {
	struct plan *plan;
	struct health *health;
	const struct model *model;
	struct str name;
	int chain;
	int64_t now;
	int64_t credential;		/* this one alone; 0: any */
};

static void
left_out(struct plan *p, int64_t until)
{
	p->out++;
	if (until && (!p->soonest_ms || until < p->soonest_ms))
		p->soonest_ms = until;
}

static void
add_channel(const struct link *l, const struct channel *ch,
    const struct channel_model *serves, const struct dialect *speaks)
{
	struct plan *p = l->plan;
	size_t usable = 0;

	for (size_t i = 0; i < ch->n_credentials; i++)
		usable += ch->credentials[i].enabled;
	for (size_t i = 0; i < ch->n_credentials; i++) {
		const struct credential *k = &ch->credentials[i];
		struct str as = serves->upstream.p ? serves->upstream :
		    l->name;
		struct candidate one = { .channel = ch, .credential = k,
			.speaks = speaks,
			.serves = serves, .model = l->model, .name = l->name,
			.chain = l->chain, .upstream_model = as,
			.about = { ch->id, k->id, as, usable == 1 },
			.weight = usable ? (uint64_t)ch->weight *
			    WEIGHT_SCALE / usable : 0 };
		int64_t until;

		if (!k->enabled || p->n == LIMIT_CANDIDATES ||
		    (l->credential && l->credential != k->id))
			continue;
		if (credential_limited(k) && (until = health_full_until(
		    l->health, &one.about, l->now)) > 0) {
			left_out(p, until);
			continue;
		}
		one.standing = health_standing(l->health, &one.about, l->now,
		    &until);
		if (one.standing > (p->resort ? STANDS_EJECTED : STANDS_TRIAL))
			left_out(p, until);
		else
			p->list[p->n++] = one;
	}
}

/* Can what is asked be said in these words, which are others than the
 * caller's? */
static bool
speaks_for(const struct dialect *d, const struct wanted *w)
{
	return dialect_same(d, w->dialect) ?
	    d->path(w->endpoint, false) != NULL :
	    (w->converses && bridge_joins(w->dialect, d)) ||
	    (w->embeds && bridge_embeds(w->dialect, d));
}

/* What the channel calls the model, if it is open to the group, and in what
 * words it is asked; or NULL. */
static const struct channel_model *
serving(const struct channel *ch, const struct wanted *w,
    const struct link *l, const struct dialect **speaks)
{
	const struct channel_model *serves = ch->enabled &&
	    channel_has_group(ch, w->group) ? channel_serves(ch, l->name) :
	    NULL;

	if (!serves)
		return NULL;
	*speaks = outward_dialect(ch, l->model, serves->upstream.p ?
	    serves->upstream : l->name, w->converses ? w->asked : NULL);
	if (!*speaks || (w->dialect && *speaks != w->dialect &&
	    !speaks_for(*speaks, w)))
		return NULL;
	return serves;
}

/* Who serves one model of the plan; room for that many is enough. */
static size_t
add_link(const struct catalogue *cat, const struct wanted *w,
    const struct link *l)
{
	size_t n = 0;

	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];
		const struct dialect *speaks;
		const struct channel_model *serves = serving(ch, w, l,
		    &speaks);

		if (!serves)
			continue;
		n += ch->n_credentials;
		if (l->plan->list)
			add_channel(l, ch, serves, speaks);
	}
	return n;
}

const char *
plan_unfit(const struct model *m, const struct wanted *w)
{
	if (!m->priced && !m->free)
		return "it has no price";
	if (!plan_allowed(w->allowed, m->name))
		return "the key may not use it";
	if (m->context && w->tokens > m->context)
		return "its context is smaller than the prompt";
	return NULL;
}

bool
plan_key_usable(const struct channel *ch, const struct credential *k,
    struct health *health, int64_t now)
{
	struct subject whole = { .channel = ch->id, .credential = k->id,
		.model = S("") };
	int64_t until;

	return k->enabled && health_standing(health, &whole, now, &until) <=
	    STANDS_EJECTED;
}

bool
plan_usable(const struct channel *ch, struct health *health, int64_t now)
{
	if (!ch->enabled || ch->n_models == 0 || !dialect_find(ch->dialect))
		return false;
	for (size_t i = 0; i < ch->n_credentials; i++)
		if (plan_key_usable(ch, &ch->credentials[i], health, now))
			return true;
	return false;
}

/* The asked model and those that stand in for it: how many keys they have. */
static size_t
add_all(const struct catalogue *cat, struct health *health,
    const struct wanted *w, const struct model *asked, struct plan *p)
{
	struct link l = { p, health, asked, model_called(asked, w->model), 0,
		w->now, w->credential };
	size_t n = add_link(cat, w, &l);

	for (size_t i = 0; i < asked->n_fallback; i++) {
		l.model = asked->fallback[i];
		l.name = l.model->name;
		l.chain = (int)i + 1;
		if (!plan_unfit(l.model, w))
			n += add_link(cat, w, &l);
	}
	return n < LIMIT_CANDIDATES ? n : LIMIT_CANDIDATES;
}

bool
plan_make(struct arena *a, const struct catalogue *cat,
    struct health *health, const struct wanted *w, struct plan *p,
    struct fault *f)
{
	const struct model *m = catalogue_model(cat, w->model);
	size_t room;

	*p = (struct plan){ .name = w->model, .asked = m,
		.model = m, .changes = health_changes(health) };
	if (!m || (!m->priced && !m->free)) {
		fault_set(f, a, FAULT_MODEL_UNKNOWN, "The model '%.*s' does "
		    "not exist here%s. GET /v1/models lists those that do.",
		    STR_ARGS(w->model), m ? " (it has no price)" : "");
		f->param = S("model");
		return false;
	}
	room = add_all(cat, health, w, m, p);
	if (room) {
		p->list = arena_alloc(a, sizeof(*p->list) * room);
		add_all(cat, health, w, m, p);
	}
	if (p->n == 0 && p->out) {
		/* Who was only ejected is better than nobody. */
		p->resort = true;
		p->out = 0;
		p->soonest_ms = 0;
		add_all(cat, health, w, m, p);
	}
	if (p->n == 0 && p->out == 0) {
		fault_set(f, a, FAULT_MODEL_UNKNOWN, "No channel of this relay "
		    "serves the model '%.*s' for you.", STR_ARGS(w->model));
		f->param = S("model");
		return false;
	}
	sort(p);
	return true;
}

/* --- What it may cost --------------------------------------------------- */

/* A price that the call may have to pay, and how it is multiplied. */
struct rated {
	const struct price *price;
	int64_t share_ppm;
	int64_t times_ppm, times_most;	/* for the hold; at most */
};

/* A call of so many tokens and units at the dearest rates of a price. */
static bool
cost_of(const struct call *c, const struct quote *q, const struct rated *r,
    const struct buckets *use, int64_t times_ppm, int64_t *nano)
{
	struct price worst = { .id = r->price->id };
	unsigned reach = units_reach(c);
	int64_t cost;

	for (int b = 0; b < N_BUCKETS; b++)
		if (use->n[b])
			worst.rate[b] = price_dearest(r->price,
			    b == BUCKET_INPUT ? reach & BUCKETS_IN :
			    b == BUCKET_OUTPUT ? reach & BUCKETS_OUT :
			    1u << b, q->input_bound);
	if (!price_charge_times(&worst, use, r->share_ppm, times_ppm, &cost))
		return false;
	if (cost > *nano)
		*nano = cost;
	return true;
}

static struct buckets
use_of(const struct call *c, int64_t input, int64_t output, int64_t units)
{
	struct buckets use = { .n = { [BUCKET_INPUT] = input,
		[BUCKET_OUTPUT] = output } };

	use.n[c->unit] = units;
	use.n[BUCKET_REQUEST] = 1;
	return use;
}

/* Raises a quote to what the call costs by one of its prices. */
static bool
raise_by(const struct call *c, struct quote *q, const struct rated *r,
    int64_t prompt)
{
	struct buckets held = use_of(c, prompt, q->output_planned, c->units);
	struct buckets least = use_of(c, prompt, q->output_least, c->units);
	struct buckets bound = use_of(c, q->input_bound, q->output_bound,
	    c->units_bound);
	struct buckets million = { .n = { [BUCKET_OUTPUT] = 1000000 } };

	return cost_of(c, q, r, &million, r->times_most, &q->output_rate) &&
	    cost_of(c, q, r, &held, r->times_ppm, &q->held) &&
	    cost_of(c, q, r, &bound, r->times_most, &q->bound) &&
	    cost_of(c, q, r, &least, r->times_ppm, &q->least);
}

/* What the tier that is asked for may cost: it, or that of all others. */
static struct rated
rated(const struct call *c, const struct price *p, int64_t share_ppm)
{
	struct rated r = { p, share_ppm, PPM, price_multiplier_most(p) };

	if (c->asked.service_tier.n && (!price_multiplier(p,
	    c->asked.service_tier, &r.times_ppm) || r.times_ppm < PPM))
		r.times_ppm = PPM;
	return r;
}

/* What its candidates ask of us, where that may be more than the price. */
static bool
raise_to_cost(const struct call *c, struct quote *q, int64_t prompt)
{
	const struct channel_model *last = NULL;

	for (int i = 0; i < c->plan.n; i++) {
		const struct candidate *k = &c->plan.list[i];
		bool own = k->serves->cost_known;
		struct rated r;

		if (k->model != q->model || k->serves == last || (!own &&
		    !q->terms.fixed && k->channel->cost_ppm <=
		    q->terms.share_ppm))
			continue;
		last = k->serves;
		r = rated(c, own ? &k->serves->cost : &k->model->price,
		    own ? PPM : k->channel->cost_ppm);
		if (!raise_by(c, q, &r, prompt))
			return false;
	}
	return true;
}

/* All that the call may have to pay. */
static bool
amounts(const struct call *c, struct quote *q, int64_t prompt)
{
	struct rated r = rated(c, q->terms.price, q->terms.share_ppm);

	if (costs_nothing(c, q->model))
		return true;
	q->held = q->bound = q->least = c->group->minimum;
	return raise_by(c, q, &r, prompt) && (c->group->below_cost ||
	    raise_to_cost(c, q, prompt));
}

static int64_t
least_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Tokens one choice may make: assumed, and at most. */
static void
output_of(const struct asked *k, const struct model *m, int64_t *assumed,
    int64_t *most)
{
	int64_t max = m->max_output;

	if (k->endpoint >= ENDPOINT_EMBEDDINGS) {
		*assumed = *most = 0;
		return;
	}
	if (k->max_output >= 0) {
		*most = max ? least_of(k->max_output, max) : k->max_output;
		*assumed = *most;
		return;
	}
	*most = max ? max : UNKNOWN_OUTPUT;
	*assumed = least_of(*most, k->stream ? STREAMED_OUTPUT :
	    PLAIN_OUTPUT);
}

/* The hold (an estimate), and the most that the call can be charged. */
static bool
estimate(const struct call *c, struct quote *q)
{
	const struct asked *k = &c->asked;
	const struct model *m = q->model;
	int64_t assumed, most, prompt;

	prompt = least_of(k->prompt_tokens + k->prompt_tokens / 4 + 1,
	    k->prompt_bound + k->images * IMAGE_BOUND);
	q->input_bound = !k->unseen_input ? k->prompt_bound + k->images *
	    IMAGE_BOUND : m->context ? m->context : UNKNOWN_CONTEXT;
	if (endpoint_is_text(k->endpoint)) {
		output_of(k, m, &assumed, &most);
		q->output_planned = assumed * k->choices;
		q->output_least = least_of(q->output_planned,
		    LEAST_OUTPUT * k->choices);
		q->output_bound = most * k->choices;
	} else {
		units_output(c, m, &q->output_planned, &q->output_bound);
		q->output_least = q->output_planned;
	}
	if (!amounts(c, q, prompt))
		return false;
	if (q->bound < q->held)
		q->bound = q->held;
	return true;
}

void
plan_leave_out(struct plan *p, const struct model *m)
{
	int n = 0;

	for (int i = 0; i < p->n; i++)
		if (p->list[i].model != m)
			p->list[n++] = p->list[i];
	p->n = n;
}

/* Has a price the tier of service that is asked for? */
static bool
tier_priced(struct call *c, const struct price *p)
{
	int64_t ppm;

	if (!c->asked.service_tier.n || price_multiplier(p,
	    c->asked.service_tier, &ppm))
		return true;
	c->fault.param = S("service_tier");
	return fail(c, FAULT_UNSUPPORTED_VALUE, "This value of 'service_tier' "
	    "is not available here: leave 'service_tier' out.");
}

/* One more model of the plan.  False: this call cannot be charged by it. */
static bool
quote(struct call *c, const struct model *m)
{
	struct quote *q = &c->quotes[c->n_quotes];

	*q = (struct quote){ .model = m, .terms = catalogue_terms(
	    c->catalogue, c->group, &c->key, m) };
	if (!units_priced(c, m, q->terms.price) ||
	    !tier_priced(c, q->terms.price))
		return false;
	if (!estimate(c, q))
		return fail(c, FAULT_BAD_REQUEST, "This call could cost more "
		    "than this relay can count.");
	c->n_quotes++;
	if (q->held > c->held)
		c->held = q->held;
	if (q->bound > c->bound)
		c->bound = q->bound;
	return true;
}

static bool
quoted(const struct call *c, const struct model *m)
{
	for (int i = 0; i < c->n_quotes; i++)
		if (c->quotes[i].model == m)
			return true;
	return false;
}

/*
 * A quote of each model that has a candidate: any of them may serve, and what
 * is held is what the dearest may cost.  A fallback that has no price for
 * what is asked leaves the plan.
 */
static bool
quote_all(struct call *c)
{
	struct plan *p = &c->plan;
	struct terms terms = catalogue_terms(c->catalogue, c->group, &c->key,
	    p->asked);

	if (!units_priced(c, p->asked, terms.price) ||
	    !tier_priced(c, terms.price))
		return false;
	c->quotes = arena_alloc(c->arena, sizeof(*c->quotes) *
	    (1 + p->asked->n_fallback));
	c->unit = BUCKET_REQUEST;
	if (!endpoint_is_text(c->asked.endpoint))
		units_plan(c);
	for (int i = 0; i < p->n; i++) {
		const struct model *m = p->list[i].model;

		if (quoted(c, m) || quote(c, m))
			continue;
		if (m == p->asked)
			return false;
		c->fault = (struct fault){ 0 };
		plan_leave_out(p, m);
		i--;
	}
	c->quote = c->quotes;
	return true;
}

static enum go
all_are_out(struct call *c, int64_t now)
{
	if (c->plan.soonest_ms > now)
		c->fault.retry_ms = c->plan.soonest_ms - now;
	return fail(c, FAULT_UP_NONE, "Every upstream for the model '%.*s' is "
	    "out at the moment; try again later.", STR_ARGS(c->asked.model));
}

/*
 * Nobody speaks the caller's dialect.  Tokens are counted without an upstream
 * then, of a model that there is (answer.c).
 */
static enum go
counted_here(struct call *c, struct wanted *w)
{
	struct fault none = { 0 };

	w->dialect = NULL;
	if (c->asked.endpoint != ENDPOINT_COUNT_TOKENS ||
	    !plan_make(c->arena, c->catalogue, c->relay->house->health, w,
	    &c->plan, &none))
		return STOP;
	c->fault = (struct fault){ 0 };
	return fail(c, FAULT_UP_NONE, "No upstream counts tokens for the model "
	    "'%.*s'.", STR_ARGS(c->asked.model));
}

enum go
plan(struct call *c)
{
	int64_t now = clock_utc_ms();
	const struct model *m = catalogue_model(c->catalogue, c->asked.model);
	struct wanted w = { .group = c->key.group, .model = c->asked.model,
		.dialect = c->dialect, .allowed = c->key.models, .now = now,
		.endpoint = c->asked.endpoint,
		.converses = c->asked.endpoint == c->dialect->converse,
		.credential = c->stored.credential, .asked = &c->asked,
		.embeds = endpoint_embeds(c->asked.endpoint),
		.tokens = c->asked.prompt_tokens };

	if (!plan_allowed(c->key.models, c->asked.model) && !(m &&
	    plan_allowed(c->key.models, model_called(m, c->asked.model)))) {
		c->fault.param = S("model");
		return fail(c, FAULT_MODEL_DENIED, "This key may not use the "
		    "model '%.*s'.", STR_ARGS(c->asked.model));
	}
	if (c->asked.earlier.n && !w.credential)
		return kept_missing(c, &w);
	if (!plan_make(c->arena, c->catalogue, c->relay->house->health, &w,
	    &c->plan, &c->fault))
		return w.credential ? kept_missing(c, &w) :
		    counted_here(c, &w);
	if (c->plan.n == 0)
		return all_are_out(c, now);
	if (!quote_all(c))
		return STOP;
	if (c->plan.n == 0)
		return all_are_out(c, now);
	trace_line(&c->trace, "%d candidates, %d out; hold %lld, at most "
	    "%lld nano-dollars", c->plan.n, c->plan.out,
	    (long long)c->held, (long long)c->bound);
	return NEXT;
}
