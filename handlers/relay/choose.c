/* SPDX-License-Identifier: MIT */
/*
 * choose.c - the next of them.
 *
 * Entered once for each attempt.  The fault of the attempt before stays the
 * one that is told when nobody is left; it is cleared when the call goes on.
 */
#include "fcgi/base/clock.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

enum go
choose(struct call *c)
{
	struct candidate *next = NULL;

	if (c->gone || c->draining)
		return give_up(c);
	if (c->n_attempts < LIMIT_ATTEMPTS)
		next = plan_next(&c->plan, relay_dice(c->relay, 0),
		    clock_utc_ms());
	if (!next)
		return fail(c, FAULT_UP_NONE, "Every upstream for the model "
		    "'%.*s' is out at the moment; try again later.",
		    STR_ARGS(c->asked.model));
	c->fault = (struct fault){ 0 };
	next->tried = true;
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
