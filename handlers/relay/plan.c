/* SPDX-License-Identifier: MIT */
/*
 * plan.c - who could serve, and what it may cost; see plan.h.
 *
 * The sale price is the model's list price times the group's markup, so all
 * candidates of a call cost its caller the same; what they cost us is
 * settled from the one that served.
 */
#include "handlers/relay/plan.h"

#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"
#include "handlers/relay/call.h"
#include "handlers/relay/health.h"
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

	if (x->channel->priority != y->channel->priority)
		return x->channel->priority < y->channel->priority ? -1 : 1;
	return x->credential->id < y->credential->id ? -1 : 1;
}

static void
add_channel(struct plan *p, const struct channel *ch,
    const struct channel_model *serves, int64_t now)
{
	uint64_t usable = 0;

	for (size_t i = 0; i < ch->n_credentials; i++)
		usable += ch->credentials[i].enabled;
	for (size_t i = 0; i < ch->n_credentials; i++) {
		const struct credential *k = &ch->credentials[i];
		int64_t until;

		if (!k->enabled || p->n == LIMIT_CANDIDATES)
			continue;
		until = health_parked(k->id, p->model->id, now);
		if (until) {
			p->parked++;
			if (!p->soonest_ms || until < p->soonest_ms)
				p->soonest_ms = until;
			continue;
		}
		p->list[p->n++] = (struct candidate){ .channel = ch,
		    .credential = k, .serves = serves,
		    .upstream_model = serves->upstream.p ? serves->upstream :
		    p->name, .weight = (uint64_t)ch->weight * WEIGHT_SCALE /
		    usable };
	}
}

/* What the channel calls the model, if it is open to the group; or NULL. */
static const struct channel_model *
serving(const struct channel *ch, int64_t group, struct str model)
{
	if (!ch->enabled || !channel_has_group(ch, group) ||
	    !dialect_find(ch->dialect))
		return NULL;
	return channel_serves(ch, model);
}

/* Room for that many candidates is enough. */
static size_t
how_many(const struct catalogue *cat, int64_t group, struct str model)
{
	size_t n = 0;

	for (size_t i = 0; i < cat->n_channels && n < LIMIT_CANDIDATES; i++)
		if (serving(&cat->channels[i], group, model))
			n += cat->channels[i].n_credentials;
	return n < LIMIT_CANDIDATES ? n : LIMIT_CANDIDATES;
}

bool
plan_make(struct arena *a, const struct catalogue *cat, int64_t group,
    struct str model, int64_t now, struct plan *p, struct fault *f)
{
	*p = (struct plan){ .name = model };
	p->model = catalogue_model(cat, model);
	if (!p->model || (!p->model->priced && !p->model->free)) {
		fault_set(f, a, FAULT_MODEL_UNKNOWN, "The model '%.*s' does "
		    "not exist here%s. GET /v1/models lists those that do.",
		    STR_ARGS(model), p->model ? " (it has no price)" : "");
		f->param = S("model");
		return false;
	}
	p->list = arena_alloc(a, sizeof(*p->list) * how_many(cat, group,
	    model));
	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];
		const struct channel_model *serves = serving(ch, group, model);

		if (serves)
			add_channel(p, ch, serves, now);
	}
	if (p->n == 0 && p->parked == 0) {
		fault_set(f, a, FAULT_MODEL_UNKNOWN, "No channel of this relay "
		    "serves the model '%.*s' for you.", STR_ARGS(model));
		f->param = S("model");
		return false;
	}
	qsort(p->list, (size_t)p->n, sizeof(*p->list), by_priority);
	return true;
}

struct candidate *
plan_next(struct plan *p, uint64_t dice, int64_t now)
{
	uint64_t total = 0;
	struct candidate *first = NULL;

	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < p->n; i++) {
			struct candidate *k = &p->list[i];

			if (k->tried || (first && k->channel->priority !=
			    first->channel->priority) ||
			    health_parked(k->credential->id, p->model->id,
			    now))
				continue;
			if (!first)
				first = k;
			if (pass == 0)
				total += k->weight;
			else if (dice < k->weight)
				return k;
			else
				dice -= k->weight;
		}
		if (total == 0)
			return first;
		dice %= total;
	}
	return first;
}

/* --- What it may cost --------------------------------------------------- */

static int64_t
dearest(const struct price *p, unsigned which)
{
	int64_t rate = 0;

	for (int b = 0; b < N_BUCKETS; b++)
		if (which & 1u << b && p->rate[b] > rate)
			rate = p->rate[b];
	return rate;
}

/* A call of so many tokens and units at the dearest rates of the price. */
static bool
cost_of(const struct call *c, int64_t input, int64_t output, int64_t units,
    int64_t *nano)
{
	const struct price *p = &c->plan.model->price;
	struct price worst = { .id = p->id };
	struct buckets use = { { 0 } };
	unsigned reach = units_reach(c);

	worst.rate[BUCKET_INPUT] = dearest(p, reach & BUCKETS_IN);
	worst.rate[BUCKET_OUTPUT] = dearest(p, reach & BUCKETS_OUT);
	worst.rate[BUCKET_REQUEST] = p->rate[BUCKET_REQUEST];
	worst.rate[c->unit] = p->rate[c->unit];
	use.n[BUCKET_INPUT] = input;
	use.n[BUCKET_OUTPUT] = output;
	use.n[c->unit] = units;
	use.n[BUCKET_REQUEST] = 1;
	return price_charge(&worst, &use, c->group->markup_ppm, nano);
}

static int64_t
least_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Tokens one choice may make: assumed, and at most. */
static void
output_of(const struct call *c, int64_t *assumed, int64_t *most)
{
	const struct asked *k = &c->asked;
	int64_t max = c->plan.model->max_output;

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
estimate(struct call *c)
{
	const struct asked *k = &c->asked;
	const struct model *m = c->plan.model;
	int64_t assumed, most, prompt, context;

	context = m->context ? m->context : UNKNOWN_CONTEXT;
	c->unit = BUCKET_REQUEST;
	if (!endpoint_is_text(k->endpoint))
		units_plan(c);
	output_of(c, &assumed, &most);
	prompt = least_of(k->prompt_tokens + k->prompt_tokens / 4 + 1,
	    k->prompt_bound + k->images * IMAGE_BOUND);
	c->input_bound = k->unseen_input ? context :
	    k->prompt_bound + k->images * IMAGE_BOUND;
	if (endpoint_is_text(k->endpoint)) {
		c->output_planned = assumed * k->choices;
		c->output_least = least_of(c->output_planned,
		    LEAST_OUTPUT * k->choices);
		c->output_bound = most * k->choices;
	} else {
		c->output_least = c->output_planned;
	}
	if (m->free) {
		c->held = c->bound = c->least = 0;
		return true;
	}
	return cost_of(c, prompt, c->output_planned, c->units, &c->held) &&
	    cost_of(c, c->input_bound, c->output_bound, c->units_bound,
		&c->bound) &&
	    cost_of(c, prompt, c->output_least, c->units, &c->least);
}

enum go
plan(struct call *c)
{
	int64_t now = clock_utc_ms();

	if (!plan_allowed(c->key.models, c->asked.model)) {
		c->fault.param = S("model");
		return fail(c, FAULT_MODEL_DENIED, "This key may not use the "
		    "model '%.*s'.", STR_ARGS(c->asked.model));
	}
	if (!plan_make(c->arena, c->catalogue, c->key.group, c->asked.model,
	    now, &c->plan, &c->fault))
		return STOP;
	if (c->plan.n == 0) {
		c->fault.retry_ms = c->plan.soonest_ms - now;
		return fail(c, FAULT_UP_NONE, "Every upstream for the model "
		    "'%.*s' is out at the moment; try again later.",
		    STR_ARGS(c->asked.model));
	}
	if (!units_priced(c))
		return STOP;
	if (!estimate(c))
		return fail(c, FAULT_BAD_REQUEST, "This call could cost more "
		    "than this relay can count.");
	if (c->bound < c->held)
		c->bound = c->held;
	trace_line(&c->trace, "%d candidates, %d parked; hold %lld, at most "
	    "%lld nano-dollars", c->plan.n, c->plan.parked,
	    (long long)c->held, (long long)c->bound);
	return NEXT;
}
