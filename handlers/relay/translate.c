/* SPDX-License-Identifier: MIT */
/*
 * translate.c - in the upstream's words.
 *
 * Caller and upstream speak the same dialect: the body's bytes go on with
 * the edits that are allowed.  Copying a large body is a reader's work.
 */
#include "handlers/relay/call.h"

enum {
	EDIT_ROOM = 4096,		/* what the edits can add */
	ON_LOOP = 256 << 10		/* bytes copied without a reader */
};

static void
write_body(struct call *c)
{
	struct attempt *a = c->attempt;
	const struct channel *ch = a->with->channel;
	struct edits edits = {
		.model = a->with->upstream_model,
		.force_usage = c->asked.stream,
		.cap_output = c->cap_output,
		.cap_as_completion = ch->max_completion ||
		    c->plan.model->max_completion ||
		    c->asked.max_completion_at.n != 0,
	};

	if (!c->dialect->write_request(&c->asked, &edits, &a->body))
		fail(c, FAULT_INTERNAL, "The request could not be written "
		    "for its upstream.");
}

enum go
translate(struct call *c)
{
	struct attempt *a = c->attempt;

	if (c->job_out)
		return WAIT;
	if (!(c->woken & WAKE_READER)) {
		a->body = BUF_HEAP(c->rq->body.n + EDIT_ROOM);
		/* One piece, not a doubling one. */
		buf_room(&a->body, c->rq->body.n + EDIT_ROOM / 2);
		if (c->rq->body.n > ON_LOOP) {
			call_read(c, write_body);
			return WAIT;
		}
		write_body(c);
	}
	return c->fault.kind == FAULT_NONE ? NEXT : STOP;
}
