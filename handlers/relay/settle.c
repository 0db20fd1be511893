/* SPDX-License-Identifier: MIT */
/*
 * settle.c - turn what was used into money, exactly once.
 *
 * Runs at the end of every call that has a hold, whatever happened before.
 * Counts become disjoint buckets, buckets become a charge (one rounding, up)
 * that never passes the bound, and one durable transaction closes the hold
 * and writes the usage row.  The settlement owns its memory: it commits even
 * if the call stops waiting for it.
 *
 * Not here: prices (db/price.c), counting (dialect/), limits (admission).
 */
#include <assert.h>
#include <stdlib.h>

#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/call.h"
#include "handlers/relay/kept.h"
#include "handlers/relay/outward.h"
#include "handlers/relay/recall.h"
#include "handlers/relay/relay.h"
#include "handlers/relay/units.h"

enum { REMARKS_BYTES = 16 << 10 };

struct settlement {
	struct hold_settle settle;
	struct post post;
	struct loop *loop;
	struct arena arena;
	struct call *call;		/* NULL: it no longer waits */
	bool back;
};

static void
settlement_free(struct settlement *s)
{
	arena_release(&s->arena);
	free(s);
}

static void
come_back(struct post *p)
{
	struct settlement *s = holder(p, struct settlement, post);

	s->back = true;
	if (s->call)
		call_wake(s->call, WAKE_WRITER);
	else
		settlement_free(s);
}

static void
hand_over(struct op *op)
{
	struct settlement *s = holder(op, struct settlement, settle.op);

	loop_post(s->loop, &s->post);
}

void
settlement_leave(struct call *c)
{
	struct settlement *s = c->settlement;

	if (!s)
		return;
	c->settlement = NULL;
	s->call = NULL;
	if (s->back)
		settlement_free(s);
}

/* --- Counts ------------------------------------------------------------- */

/* Overlapping wire counts as disjoint buckets, inside what was possible. */
static struct buckets
buckets_of(const struct call *c, const struct tokens *t)
{
	struct buckets b = outward_use(t, c->quote->input_bound,
	    c->quote->output_bound);

	units_part(c, t, &b);
	return b;
}

/* Counted by us: the prompt, and what was forwarded. */
static struct tokens
estimated(const struct call *c)
{
	struct tokens t = TOKENS_ABSENT;

	t.in_total = c->asked.prompt_tokens;
	t.in_audio = c->asked.sound_tokens;
	t.out_total = c->attempt ?
	    (c->attempt->observer.out_milli + 999) / 1000 : 0;
	/* Words and sound are not told apart: the dearer is assumed. */
	t.out_audio = c->asked.sound_out ? t.out_total : -1;
	return t;
}

/* A folded answer that broke off: a fault was told in its stead, and nothing
 * of it was forwarded. */
static bool
told_instead(const struct call *c)
{
	const struct attempt *a = c->attempt;

	return c->content && a->crosses && !a->observer.stream &&
	    !a->complete && c->told && !c->broken;
}

/* What was used, if anything is to be paid. */
static bool
used(const struct call *c, struct usage_row *row)
{
	const struct attempt *a = c->attempt;
	const struct tokens *told = a ? &a->observer.tokens : NULL;
	struct tokens t;
	bool whole = a && a->complete;
	bool left = c->gone && a && a->exchange.sent && !c->told;

	if ((!c->content && !left) || told_instead(c) ||
	    endpoint_is_free(c->asked.endpoint))
		return false;
	if (!endpoint_is_text(c->asked.endpoint)) {
		units_used(c, &row->use, &row->estimated);
		return true;
	}
	t = estimated(c);
	row->estimated = true;
	if (c->content && told->in_total >= 0 && (whole ||
	    told->out_total >= 0)) {
		/* A last word of the upstream, or its last snapshot. */
		row->estimated = told->out_total < 0;
		if (told->out_total < 0)
			t.in_total = told->in_total;
		else
			t = *told;
	}
	if (!whole && t.out_total * 1000 < a->observer.out_milli) {
		t.out_total = (a->observer.out_milli + 999) / 1000;
		row->estimated = true;
	}
	row->use = buckets_of(c, &t);
	return true;
}

/* --- Money -------------------------------------------------------------- */

static int64_t
charge(const struct price *p, const struct buckets *use, int64_t share,
    int64_t times)
{
	int64_t nano = 0;

	/* Counts are inside bounds whose price was found countable. */
	if (!price_charge_times(p, use, share, times, &nano))
		nano = MONEY_MAX;
	return nano;
}

/* The tier of service that the answer reports, if it is not the usual one. */
static struct str
tier_of(const struct call *c)
{
	struct str tier = c->attempt && c->content ?
	    c->attempt->observer.service_tier : S("");

	return str_eq(tier, S("default")) || str_eq(tier, S("standard")) ?
	    S("") : tier;
}

/* The multiplier of a price for it; what has none is at the list price. */
static int64_t
times_of(const struct call *c, const struct price *p)
{
	struct str tier = tier_of(c);
	int64_t ppm = PPM;

	if (tier.n)
		price_multiplier(p, tier, &ppm);
	return ppm;
}

/* What the channel charges us, by its own table or as a share of the list. */
static int64_t
cost_of(const struct call *c, const struct candidate *k,
    const struct buckets *use)
{
	const struct price *list = &c->plan.model->price;
	const struct price *own = &k->serves->cost;

	if (k->serves->cost_known)
		return charge(own, use, PPM, times_of(c, own));
	return charge(list, use, k->channel->cost_ppm, times_of(c, list));
}

/* Does the answer come from another model than the one we asked for? */
static bool
another_model(const struct call *c)
{
	const struct attempt *a = c->attempt;
	struct str named = a->observer.model;
	const struct model *other = NULL;

	/* Of a deployment the answer names the model, which only the operator
	 * knows; unless it is one with a price of its own. */
	if (a->speaks->below)
		other = catalogue_model(c->catalogue, named);
	if (a->speaks->below && (!other || other == a->with->model))
		return false;
	/* Dated variants begin with the name they are variants of. */
	return c->content && named.n &&
	    !str_starts(named, a->with->upstream_model);
}

/* A price at which the call may be charged. */
struct sold {
	struct terms terms;
	const struct price *list;
	int64_t times_ppm;
	int64_t charge;
};

static struct sold
sold(const struct call *c, struct terms t, const struct model *m,
    const struct buckets *use)
{
	int64_t times = times_of(c, t.price);

	return (struct sold){ t, &m->price, times,
	    charge(t.price, use, price_discounted(t.share_ppm,
	    c->discount_ppm), times) };
}

/* The price of the model asked for, or of the one that answered. */
static struct sold
dearer(const struct call *c, const struct buckets *use)
{
	struct sold asked = sold(c, c->quote->terms, c->plan.model, use);
	const struct model *m = another_model(c) ?
	    catalogue_model(c->catalogue, c->attempt->observer.model) : NULL;
	struct sold other;

	if (!m || !m->priced || c->plan.model->free)
		return asked;
	other = sold(c, catalogue_terms(c->catalogue, c->group, &c->key, m),
	    m, use);
	return other.charge > asked.charge ? other : asked;
}

/* For its prompt an upstream may want its due, though nobody pays it. */
static int64_t
due_for_nothing(const struct call *c)
{
	struct buckets prompt = { { 0 } };

	if (endpoint_is_free(c->asked.endpoint))
		return 0;
	units_sent(c, &prompt);
	return cost_of(c, c->attempt->with, &prompt);
}

static int64_t
sum(int64_t a, int64_t b)
{
	return a < MONEY_MAX - b ? a + b : MONEY_MAX;
}

void
settle_wasted(struct call *c)
{
	if (c->wasted)
		c->lost = sum(c->lost, due_for_nothing(c));
	c->wasted = false;
}

/* What the caller pays for what was used. */
static void
put_charge(const struct call *c, struct usage_row *row)
{
	struct sold s = dearer(c, &row->use);

	row->list_price = s.list->id;
	row->times_ppm = s.times_ppm;
	row->list = charge(s.list, &row->use, PPM, s.times_ppm);
	if (costs_nothing(c, c->plan.model)) {
		row->price = 0;
		return;
	}
	row->price = s.terms.price->id;
	row->fixed = s.terms.fixed;
	row->minimum = c->group->minimum;
	row->floor = !c->group->below_cost;
	row->charge = price_at_least(s.charge, row->minimum,
	    row->floor ? row->cost : 0, c->bound);
}

static void
put_money(const struct call *c, struct usage_row *row)
{
	const struct attempt *a = c->attempt;
	const struct candidate *with = a ? a->with : NULL;
	const struct price *list = &c->plan.model->price;
	struct terms terms = catalogue_terms(c->catalogue, c->group, &c->key,
	    c->plan.model);

	row->model = c->plan.model->id;
	row->price = terms.price->id;
	row->fixed = terms.fixed;
	row->list_price = list->id;
	if (with) {
		bool own = with->serves->cost_known;

		row->cost_ppm = own ? PPM : with->channel->cost_ppm;
		row->cost_price = own ? with->serves->cost.id : list->id;
		row->cost_times_ppm = times_of(c, own ? &with->serves->cost :
		    list);
	}
	if (used(c, row)) {
		row->cost = cost_of(c, with, &row->use);
		put_charge(c, row);
	} else if (with && (c->wasted || told_instead(c))) {
		row->loss = due_for_nothing(c);
	}
	row->loss = sum(row->loss, c->lost);
}

/* --- The row ------------------------------------------------------------ */

static enum usage_state
state_of(const struct call *c)
{
	const struct attempt *a = c->attempt;

	if (c->gone && !(a && a->complete && !c->drain_due_ms))
		return a && a->complete ? USAGE_DRAINED : USAGE_LEFT;
	if (a && a->complete && c->fault.kind == FAULT_NONE)
		return USAGE_DONE;
	return c->content ? USAGE_CUT : USAGE_FAILED;
}

static struct str
remarks(const struct call *c, struct arena *a)
{
	const struct attempt *at = c->attempt;
	struct str dropped = c->dropped, tier = tier_of(c);
	struct buf b = BUF(a, REMARKS_BYTES);
	int64_t ppm;

	while (dropped.n) {
		struct str name = str_cut(&dropped, ' ');

		buf_printf(&b, "dropped:%.*s ", STR_ARGS(name));
	}
	if (c->cap_output >= 0)
		buf_printf(&b, "capped:%lld ", (long long)c->cap_output);
	if (c->plan.model != c->plan.asked)
		buf_put(&b, S("fallback "));
	if (c->mended)
		buf_put(&b, S("thoughts_cut "));
	if (!at || !c->content)
		return str_trim(buf_str(&b));
	if (another_model(c)) {
		buf_put(&b, S("model_mismatch "));
		log_warn("call %.*s: asked channel %.*s for %.*s, got %.*s",
		    ID_CHARS, c->rq->id, STR_ARGS(at->with->channel->name),
		    STR_ARGS(at->with->upstream_model),
		    STR_ARGS(at->observer.model));
	}
	if (tier.n && price_multiplier(c->quote->terms.price, tier, &ppm)) {
		buf_printf(&b, "tier:%.*s ", STR_ARGS(tier));
	} else if (tier.n) {
		buf_put(&b, S("tier_unpriced "));
		log_warn("call %.*s: channel %.*s reports the tier %.*s, which "
		    "has no price: charged at the list price", ID_CHARS,
		    c->rq->id, STR_ARGS(at->with->channel->name),
		    STR_ARGS(tier));
	}
	if (at->observer.tokens.odd)
		buf_put(&b, S("odd_usage "));
	return str_trim(buf_str(&b));
}

static void
copy_attempts(const struct call *c, struct arena *a, struct usage_row *row)
{
	size_t n = (size_t)c->n_attempts;

	row->attempts = arena_zero(a, sizeof(*row->attempts) * (n + 1));
	for (size_t i = 0; i < n; i++) {
		row->attempts[i] = c->rows[i];
		row->attempts[i].upstream_model = arena_str(a,
		    c->rows[i].upstream_model);
	}
	row->n_attempts = n;
}

static void
fill(const struct call *c, struct arena *a, struct usage_row *row)
{
	const struct attempt *at = c->attempt;
	int64_t now = clock_us(), upstream = c->upstream_us;

	memcpy(row->request_id, c->rq->id, ID_CHARS);
	row->state = state_of(c);
	row->asked = arena_str(a, c->asked.model);
	if (at) {
		row->channel = at->with->channel->id;
		row->credential = at->with->credential->id;
		row->served = arena_str(a, at->observer.model.n && c->content ?
		    at->observer.model : at->with->upstream_model);
	}
	row->status = c->fault.kind != FAULT_NONE && !c->rq->status ?
	    fault_status(&c->fault) : c->rq->status ? c->rq->status : 200;
	row->fault = c->fault.kind == FAULT_NONE ? NULL :
	    fault_table[c->fault.kind].name;
	row->first_ms = c->first_us ?
	    (c->first_us - c->rq->accepted_us) / 1000 : -1;
	row->total_ms = (now - c->rq->accepted_us) / 1000;
	row->weir_us = now - c->rq->accepted_us - upstream;
	row->end_user = arena_str(a, c->asked.end_user);
	row->tag = arena_str(a, c->rq->param[PARAM_HTTP_X_WEIR_TAG]);
	row->remarks = remarks(c, a);
	copy_attempts(c, a, row);
	put_money(c, row);
}

static void
ask(struct call *c)
{
	struct settlement *s = xnew(struct settlement);
	struct usage_row *row = &s->settle.row;

	s->settle.op = (struct op){ .run = hold_settle_run,
	    .done = hand_over, .durable = true, .must = true };
	s->settle.hold = c->hold;
	fill(c, &s->arena, row);
	s->settle.replay = recall_keep(c, &s->arena);
	s->settle.stored = kept_take(c, &s->arena);
	s->settle.tokens_used = buckets_in(&row->use) + buckets_out(&row->use);
	s->settle.claims = c->claims;
	s->settle.claimed = c->claimed;
	s->post.run = come_back;
	s->loop = c->rq->worker->loop;
	s->call = c;
	c->settlement = s;
	c->estimated = row->estimated;
	c->use = row->use;
	c->state = row->state;
	writer_put(c->relay->house->writer, &s->settle.op);
}

enum go
settle(struct call *c)
{
	struct settlement *s = c->settlement;

	if (!c->hold)
		return NEXT;
	if (!s) {
		if (c->attempt && c->attempt->running)
			attempt_end(c->attempt, "ended");
		ask(c);
		c->store_due_ms = call_now(c) + LIMIT_STORE_WAIT_MS;
		loop_clear(c->rq->worker->loop, &c->timer);
		call_due(c, &c->store_due_ms, 1);
		return WAIT;
	}
	if (s->back) {
		c->settled = s->settle.op.ok;
		c->charged = s->settle.charged;
		trace_line(&c->trace, "charged %lld nano-dollars, hold closed",
		    (long long)c->charged);
		settlement_leave(c);
		return NEXT;
	}
	if (call_now(c) < c->store_due_ms) {
		call_due(c, &c->store_due_ms, 1);
		return WAIT;
	}
	/* It stays queued; the caller must not take this for a whole answer. */
	log_error("request %.*s: its settlement is late", ID_CHARS, c->rq->id);
	settlement_leave(c);
	return NEXT;
}
