/* SPDX-License-Identifier: MIT */
/*
 * understand.c - what they ask.
 *
 * The caller's dialect checks the body and says what routing, limits and
 * money need to know of it.  A body above the peek window is a reader's work.
 */
#include "handlers/relay/call.h"

static void
read_body(struct call *c)
{
	c->understood = c->dialect->read_request(c->arena,
	    c->asked.endpoint, c->rq->body, &c->asked, &c->fault);
}

enum go
understand(struct call *c)
{
	enum endpoint endpoint = c->asked.endpoint;

	if (c->job_out)
		return WAIT;
	if (!(c->woken & WAKE_READER) && c->rq->body.n > LIMIT_PEEK_BYTES) {
		call_read(c, read_body);
		return WAIT;
	}
	if (!(c->woken & WAKE_READER))
		read_body(c);
	c->asked.endpoint = endpoint;
	if (c->gone || c->draining)
		return fail(c, FAULT_BUSY, "The relay is restarting.");
	if (!c->understood)
		return STOP;
	trace_line(&c->trace, "model %.*s%s, about %lld tokens in",
	    STR_ARGS(c->asked.model), c->asked.stream ? ", streamed" : "",
	    (long long)c->asked.prompt_tokens);
	return NEXT;
}
