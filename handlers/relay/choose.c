/* SPDX-License-Identifier: MIT */
/*
 * choose.c - the next of them.
 *
 * Entered once for each attempt.  The fault of the attempt before stays the
 * one that is told when nobody is left; it is cleared when the call goes on.
 * When all have been tried and the failure may pass, one is tried again after
 * a short wait of random length.
 *
 * Not here: how one of them is picked (pick.c), and its own limits (claim.c).
 */
#include "fcgi/base/clock.h"
#include "handlers/relay/affinity.h"
#include "handlers/relay/budget.h"
#include "handlers/relay/call.h"
#include "handlers/relay/pick.h"
#include "handlers/relay/relay.h"

/* The longest first wait; the next may be twice as long.  An outage of
 * everything must be told at once: both together stay below 200 ms. */
enum { BACK_OFF_MS = 50 };

/* --- The session ---------------------------------------------------------- */

/* What the caller calls its conversation, or how it begins; 0: none. */
static uint64_t
session_of(const struct call *c)
{
	static const int headers[] = { PARAM_HTTP_X_WEIR_SESSION,
		PARAM_HTTP_SESSION_ID, PARAM_HTTP_X_SESSION_ID };
	struct str named = { NULL, 0 };

	for (size_t i = 0; i < countof(headers) && named.n == 0; i++)
		named = c->rq->param[headers[i]];
	if (named.n == 0)
		named = c->asked.session;
	return affinity_session(c->key.id, c->asked.model, named,
	    c->asked.head_hash);
}

/* --- Nobody, or the next -------------------------------------------------- */

/* The last attempt's fault, or that all are out. */
static enum go
nobody_left(struct call *c, int64_t now)
{
	int64_t soonest = pick_soonest(&c->plan, c->relay->house->health,
	    now);

	if (c->budgeted)
		budget_unused(c->plan.asked->id);
	c->budgeted = false;
	fail(c, FAULT_UP_NONE, "Every upstream for the model '%.*s' is out at "
	    "the moment; try again later.", STR_ARGS(c->asked.model));
	if (soonest > now && (c->fault.kind == FAULT_UP_NONE ||
	    c->fault.kind == FAULT_UP_LIMITED))
		c->fault.retry_ms = soonest - now;
	return STOP;
}

static struct pick
how(struct call *c, int64_t now)
{
	struct pick p = { .health = c->relay->house->health,
		.routing = c->catalogue->routing, .now = now };

	/* Who has waited for one in vain is not given to a slow one. */
	if (c->n_attempts)
		p.routing = ROUTING_FAST;

	p.use.n[BUCKET_INPUT] = c->asked.prompt_tokens;
	p.use.n[BUCKET_OUTPUT] = c->quote->output_planned;
	p.use.n[BUCKET_REQUEST] = 1;
	if (c->unit != BUCKET_REQUEST)
		p.use.n[c->unit] = c->units;
	if (!c->session) {
		p.dice = relay_dice(c->relay, 0);
		return p;
	}
	p.dice = c->session;
	p.sticky = affinity_find(c->relay->house->affinity, c->session,
	    call_now(c));
	return p;
}

/* Is there another try in the budget?  Asked once for each that is made. */
static bool
in_budget(struct call *c)
{
	if (!c->budgeted)
		c->budgeted = budget_retry(c->plan.asked->id);
	return c->budgeted;
}

/* The first attempt always; another one by the budget, which is asked before
 * somebody's trial is taken for it. */
static bool
may_try(struct call *c, const struct pick *p)
{
	if (c->n_attempts == 0)
		return true;
	return c->n_attempts < LIMIT_ATTEMPTS &&
	    pick_any(&c->plan, p->health, p->now) && in_budget(c);
}

/* One that was tried may be tried again, after a while: true. */
static bool
waits_for_another_try(struct call *c, const struct pick *p)
{
	if (!c->transient || c->n_attempts >= LIMIT_ATTEMPTS)
		return false;
	c->next = pick_again(&c->plan, p);
	if (!c->next || !in_budget(c))
		return false;
	c->back_off_ms = c->back_off_ms ? 2 * c->back_off_ms : BACK_OFF_MS;
	c->again_due_ms = call_now(c) + (int64_t)relay_dice(c->relay,
	    (uint64_t)c->back_off_ms + 1);
	relay_count(c->relay, COUNT_BACKOFFS, 1);
	trace_line(&c->trace, "tried again in %lld ms",
	    (long long)(c->again_due_ms - call_now(c)));
	return true;
}

static enum go
go_to(struct call *c, struct candidate *next)
{
	c->fault = (struct fault){ 0 };
	c->transient = false;
	c->next = NULL;
	c->again_due_ms = 0;
	c->budgeted = false;
	next->tries++;
	settle_wasted(c);
	if (next->chain && c->plan.model != next->model)
		relay_count(c->relay, COUNT_FALLBACKS, 1);
	quote_take(c, next->model);
	if (c->attempt && !c->attempt->crosses && c->rq->body.n == 0) {
		c->again = c->attempt->body;
		c->attempt->body = (struct buf){ 0 };
	}
	if (c->attempt)
		attempt_free(c->attempt);
	c->attempt = attempt_new(c, next);
	relay_count(c->relay, COUNT_ATTEMPTS, 1);
	if (c->n_attempts > 1)
		relay_count(c->relay, COUNT_RETRIES, 1);
	trace_line(&c->trace, "channel %.*s, credential %.*s",
	    STR_ARGS(next->channel->name), STR_ARGS(next->credential->name));
	return NEXT;
}

/* One whose credential has limits of its own is asked for a place first. */
static enum go
take(struct call *c, struct candidate *next)
{
	if (!credential_limited(next->credential))
		return go_to(c, next);
	c->again_due_ms = 0;
	claim_ask(c, next);
	call_due(c, &c->store_due_ms, 1);
	return WAIT;
}

static enum go
pick_one(struct call *c)
{
	int64_t now = clock_utc_ms();
	struct candidate *next = NULL;
	struct pick p = how(c, now);

	if (may_try(c, &p))
		next = pick_next(&c->plan, &p);
	if (!next && waits_for_another_try(c, &p)) {
		call_due(c, &c->again_due_ms, 1);
		return WAIT;
	}
	if (!next)
		return nobody_left(c, now);
	if (p.sticky && next->credential->id == p.sticky)
		relay_count(c->relay, COUNT_AFFINITY_HITS, 1);
	return take(c, next);
}

/* It has a place there, or the next one is asked: no attempt was made. */
static enum go
look_at_claim(struct call *c)
{
	struct candidate *next = c->next;

	switch (claim_look(c)) {
	case CLAIM_WAITS:
		call_due(c, &c->store_due_ms, 1);
		return WAIT;
	case CLAIM_GRANTED:
		return go_to(c, next);
	case CLAIM_REFUSED:
		c->next = NULL;
		return pick_one(c);
	case CLAIM_FAILED:
		break;
	}
	return store_is_late(c);
}

enum go
choose(struct call *c)
{
	if (c->gone || c->draining) {
		claim_leave(c);
		return give_up(c);
	}
	if (c->claiming)
		return look_at_claim(c);
	claim_give_back(c);
	if (c->mend) {
		/* It answered: what it refused is left out now. */
		c->mend = false;
		return take(c, c->attempt->with);
	}
	if (c->again_due_ms) {
		if (call_now(c) >= c->again_due_ms)
			return take(c, c->next);
		call_due(c, &c->again_due_ms, 1);
		return WAIT;
	}
	if (c->n_attempts == 0) {
		budget_call(c->plan.asked->id);
		c->session = session_of(c);
	}
	return pick_one(c);
}
