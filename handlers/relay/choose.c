/* SPDX-License-Identifier: MIT */
/*
 * choose.c - the next of them.
 *
 * Entered once for each attempt.  The fault of the attempt before stays the
 * one that is told when nobody is left; it is cleared when the call goes on.
 */
#include "fcgi/base/clock.h"
#include "handlers/relay/call.h"
#include "handlers/relay/health.h"
#include "handlers/relay/relay.h"

/* When the first of the candidates comes back; 0: none is out. */
static int64_t
soonest_return(const struct call *c, int64_t now)
{
	int64_t soonest = c->plan.soonest_ms;

	for (int i = 0; i < c->plan.n; i++) {
		int64_t until = health_parked(
		    c->plan.list[i].credential->id, c->plan.model->id, now);

		if (until && (!soonest || until < soonest))
			soonest = until;
	}
	return soonest;
}

/* Nobody is left: the last attempt's fault, or that all are out. */
static enum go
nobody_left(struct call *c, int64_t now)
{
	int64_t soonest = soonest_return(c, now);

	fail(c, FAULT_UP_NONE, "Every upstream for the model '%.*s' is out at "
	    "the moment; try again later.", STR_ARGS(c->asked.model));
	if (soonest > now && (c->fault.kind == FAULT_UP_NONE ||
	    c->fault.kind == FAULT_UP_LIMITED))
		c->fault.retry_ms = soonest - now;
	return STOP;
}

enum go
choose(struct call *c)
{
	int64_t now = clock_utc_ms();
	struct candidate *next = NULL;

	if (c->gone || c->draining)
		return give_up(c);
	if (c->n_attempts == 0)
		health_call(c->plan.model->id);
	if (c->n_attempts < LIMIT_ATTEMPTS)
		next = plan_next(&c->plan, relay_dice(c->relay, 0), now);
	if (!next || (c->n_attempts && !health_retry(c->plan.model->id)))
		return nobody_left(c, now);
	c->fault = (struct fault){ 0 };
	next->tried = true;
	if (c->attempt && c->rq->body.n == 0) {
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
