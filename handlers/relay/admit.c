/* SPDX-License-Identifier: MIT */
/*
 * admit.c - may they: the hold.
 *
 * The writer decides inside one transaction; nothing goes upstream before it
 * has committed.  A call waits at most LIMIT_STORE_WAIT_MS.  The admission
 * owns its memory: one that comes back after its call has gone is undone by
 * itself.
 */
#include <assert.h>
#include <stdlib.h>

#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/call.h"
#include "handlers/relay/quota.h"
#include "handlers/relay/relay.h"
#include "handlers/relay/units.h"

struct admission {
	struct hold_open ask;
	struct post post;
	struct loop *loop;
	struct writer *writer;
	struct call *call;		/* NULL: it no longer waits */
	bool back;
};

/* A settlement of nothing, for a hold nobody waits for. */
struct undo {
	struct hold_settle settle;
};

static void
undone(struct op *op)
{
	free(holder(op, struct undo, settle.op));
}

static void
undo_hold(struct admission *a)
{
	struct undo *u = xnew(struct undo);

	u->settle.op.run = hold_settle_run;
	u->settle.op.done = undone;
	u->settle.op.must = true;
	u->settle.hold = a->ask.id;
	memcpy(u->settle.row.request_id, a->ask.request_id, ID_CHARS);
	u->settle.row.state = USAGE_VOID;
	u->settle.row.status = 503;
	u->settle.row.first_ms = -1;
	writer_put(a->writer, &u->settle.op);
}

static void
come_back(struct post *p)
{
	struct admission *a = holder(p, struct admission, post);

	a->back = true;
	if (a->call) {
		call_wake(a->call, WAKE_WRITER);
		return;
	}
	if (a->ask.op.ok && a->ask.verdict == HOLD_OPENED)
		undo_hold(a);
	free(a);
}

/* Writer thread. */
static void
hand_over(struct op *op)
{
	struct admission *a = holder(op, struct admission, ask.op);

	loop_post(a->loop, &a->post);
}

void
admission_leave(struct call *c)
{
	struct admission *a = c->admission;

	if (!a)
		return;
	c->admission = NULL;
	a->call = NULL;
	if (a->back)
		free(a);
}

/* Whichever of the plan's models serves, at the price it was planned at. */
static void
ask_for_models(const struct call *c, struct hold_open *h)
{
	int64_t output = 0;

	for (int i = 0; i < c->n_quotes; i++) {
		const struct quote *q = &c->quotes[i];

		if (q->output_planned > output)
			output = q->output_planned;
		if (q->model == c->plan.asked)
			continue;
		assert(h->n_others < HOLD_OTHERS);
		h->others[h->n_others].model = q->model->id;
		h->others[h->n_others++].price = q->terms.price->id;
	}
	if (!endpoint_is_free(c->asked.endpoint))
		h->limit_tokens = c->asked.prompt_tokens + output;
}

static void
ask(struct call *c)
{
	struct admission *a = xnew(struct admission);
	struct hold_open *h = &a->ask;
	struct terms terms = catalogue_terms(c->catalogue, c->group, &c->key,
	    c->plan.asked);

	*h = (struct hold_open){
		.op = { .run = hold_open_run, .done = hand_over },
		.process = store_process(c->relay->house->store),
		.key = c->key.id,
		.model = c->plan.asked->id,
		.price = terms.price->id,
		.markup_ppm = c->key.own_markup ? c->key.markup_ppm :
		    c->group->markup_ppm,
		.minimum = c->group->minimum,
		.floor = !c->group->below_cost,
		.held = c->held,
		.bound = c->bound,
		.least = c->quotes[0].least,
		.prompt_tokens = c->asked.prompt_tokens,
		.unit = c->unit,
		.units = c->unit == BUCKET_REQUEST ? 0 : c->units,
		.endpoint = endpoint_name(c->asked.endpoint),
		.stream = c->asked.stream,
	};
	memcpy(h->request_id, c->rq->id, ID_CHARS);
	ask_for_models(c, h);
	a->post.run = come_back;
	a->loop = c->rq->worker->loop;
	a->writer = c->relay->house->writer;
	a->call = c;
	c->admission = a;
	writer_put(a->writer, &h->op);
}

/* --- The verdict -------------------------------------------------------- */

static enum go
no_credit(struct call *c, const struct hold_open *h)
{
	struct str why = quota_credit(c->arena, h);

	c->fault.no_retry = true;
	return fail(c, FAULT_NO_CREDIT, "%.*s", STR_ARGS(why));
}

static enum go
over_cap(struct call *c, const struct hold_open *h)
{
	struct str why = quota_cap(c->arena, h);

	c->fault.no_retry = true;
	c->fault.retry_ms = h->retry_ms;
	return fail(c, FAULT_NO_CREDIT, "%.*s", STR_ARGS(why));
}

static enum go
too_fast(struct call *c, const struct hold_open *h, const char *limit,
    int64_t figure)
{
	c->fault.retry_ms = h->retry_ms > 0 ? h->retry_ms : 1000;
	return fail(c, FAULT_TOO_FAST, "This key's limit of %lld %s is "
	    "reached; try again in %lld s.", (long long)figure, limit,
	    (long long)(c->fault.retry_ms + 999) / 1000);
}

/*
 * Less than the estimate was granted.  It is enough for the model that was
 * asked for; a dearer fallback that it does not pay for is not tried.
 */
static void
drop_unpaid(struct call *c)
{
	for (int i = 0; i < c->n_quotes; i++)
		if (c->quotes[i].least > c->granted)
			plan_leave_out(&c->plan, c->quotes[i].model);
}

static enum go
judge(struct call *c, const struct hold_open *h)
{
	quota_tell(c->rq, c->dialect, &h->left);
	c->limits_told = true;
	switch (h->verdict) {
	case HOLD_OPENED:
		c->hold = h->id;
		c->granted = h->granted;
		c->discount_ppm = h->discount_ppm;
		c->counts_tokens = h->counts_tokens;
		c->tokens_out = h->limit_tokens > h->prompt_tokens ?
		    h->limit_tokens - h->prompt_tokens : 0;
		drop_unpaid(c);
		return NEXT;
	case HOLD_KEY_OFF:
	case HOLD_KEY_EXPIRED:
	case HOLD_ACCOUNT_OFF:
		return fail(c, FAULT_NO_KEY, "Incorrect API key provided. "
		    "Ask whoever runs this relay for one.");
	case HOLD_NO_CREDIT:
		return no_credit(c, h);
	case HOLD_CAP:
		return over_cap(c, h);
	case HOLD_RPM:
		return too_fast(c, h, "requests a minute", c->key.rpm);
	case HOLD_TPM:
		return too_fast(c, h, "tokens a minute", c->key.tpm);
	case HOLD_CONCURRENCY:
		return too_fast(c, h, "calls at once", c->key.concurrency);
	case HOLD_CLOSED:
		c->fault.retry_ms = 30000;
		return fail(c, FAULT_STORE, "The relay does not take calls "
		    "that cost money at the moment; its operator must look "
		    "at it.");
	case HOLD_NO_PRICE:
		break;
	}
	return anew_later(c, "The price of this model has just changed; try "
	    "again.");
}

enum go
store_is_late(struct call *c)
{
	c->fault.retry_ms = 1000;
	return fail(c, FAULT_STORE, "The relay's store does not answer in "
	    "time; nothing was charged. Try again in a moment.");
}

enum go
admit(struct call *c)
{
	struct admission *a = c->admission;
	enum go go;

	if (!a) {
		go = c->anew_due_ms ? anew_plan(c) : NEXT;
		if (go != NEXT)
			return go;
		if (writer_late_ms(c->relay->house->writer) >
		    LIMIT_STORE_WAIT_MS)
			return store_is_late(c);
		ask(c);
		c->store_due_ms = call_now(c) + LIMIT_STORE_WAIT_MS;
		call_due(c, &c->store_due_ms, 1);
		return WAIT;
	}
	if (a->back) {
		if (!a->ask.op.ok) {
			admission_leave(c);
			return store_is_late(c);
		}
		go = judge(c, &a->ask);
		admission_leave(c);
		if (go == NEXT && (c->gone || c->draining))
			return give_up(c);
		return go;
	}
	if (c->draining || call_now(c) >= c->store_due_ms) {
		admission_leave(c);
		return store_is_late(c);
	}
	call_due(c, &c->store_due_ms, 1);
	return WAIT;
}

/* --- What was granted --------------------------------------------------- */

enum { MILLION = 1000000 };

/* The output that was granted, of this model: its cost grows evenly. */
static int64_t
paid_output(const struct call *c, const struct quote *q)
{
	__int128 more = (__int128)c->granted - q->held;

	if (more >= 0)
		more = q->output_rate ? more * MILLION / q->output_rate :
		    INT64_MAX / 4;
	else
		more = more * (q->output_planned - q->output_least) /
		    (q->held - q->least);
	more += q->output_planned;
	return more < INT64_MAX / 4 ? (int64_t)more : INT64_MAX / 4;
}

const struct quote *
quote_of(const struct call *c, const struct model *m)
{
	const struct quote *q = c->quotes;

	while (q->model != m)
		q++;
	assert(q < c->quotes + c->n_quotes);
	return q;
}

void
quote_take(struct call *c, const struct model *m)
{
	const struct quote *q = quote_of(c, m);
	int64_t output;

	assert(q->least <= c->granted);
	c->plan.model = m;
	c->quote = q;
	c->cap_output = -1;
	output = paid_output(c, q);
	if (c->granted < q->held) {
		c->cap_output = output / c->asked.choices;
		if (c->cap_output < 1)
			c->cap_output = 1;
		output = c->cap_output * c->asked.choices;
		trace_line(&c->trace, "granted %lld of %lld, output capped at "
		    "%lld", (long long)c->granted, (long long)q->held,
		    (long long)c->cap_output);
	}
	c->extend_at = q->output_planned && q->bound ? output * 3 / 4 :
	    INT64_MAX;
	extend_count(c);
}
