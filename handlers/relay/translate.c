/* SPDX-License-Identifier: MIT */
/*
 * translate.c - in the upstream's words.
 *
 * Caller and upstream speak the same dialect: the body's bytes go on with
 * the edits that are allowed.  Copying a large body is a reader's work, and
 * one copy of it is enough: what was sent is edited again if another
 * upstream must be tried (the same edits made twice change nothing more).
 */
#include "handlers/relay/call.h"

enum {
	EDIT_ROOM = 4096,		/* what the edits can add */
	KEPT_TWICE = 64 << 10,		/* a body kept beside its copy */
	ON_LOOP = 256 << 10		/* bytes copied without a reader */
};

/* The places of the edits, in the text that was sent last. */
static bool
find_places(struct call *c)
{
	struct asked k = { .endpoint = c->asked.endpoint };
	struct fault f = { 0 };

	if (c->asked.boundary.n ? !c->dialect->read_form(c->arena, k.endpoint,
	    c->rq->param[PARAM_CONTENT_TYPE], buf_str(&c->again), &k, &f) :
	    !c->dialect->read_request(c->arena, k.endpoint,
	    buf_str(&c->again), &k, &f))
		return false;
	c->asked.body = k.body;
	c->asked.model_at = k.model_at;
	c->asked.stream_options_at = k.stream_options_at;
	c->asked.max_tokens_at = k.max_tokens_at;
	c->asked.max_completion_at = k.max_completion_at;
	return true;
}

static void
write_body(struct call *c)
{
	struct attempt *a = c->attempt;
	const struct channel *ch = a->with->channel;
	struct edits edits = {
		.model = a->with->upstream_model,
		.edited = c->again.n != 0,
		.force_usage = c->asked.stream,
		.cap_output = c->cap_output,
		.cap_as_completion = ch->max_completion ||
		    c->plan.model->max_completion ||
		    c->asked.max_completion_at.n != 0,
	};

	if ((c->again.n && !find_places(c)) ||
	    !c->dialect->write_request(&c->asked, &edits, &a->body))
		fail(c, FAULT_INTERNAL, "The request could not be written "
		    "for its upstream.");
	a->body_counted = (int64_t)a->body.room;
	request_count_bytes(a->body_counted);
	buf_release(&c->again);
	if (c->rq->body.n > KEPT_TWICE)
		request_drop_body(c->rq);
}

enum go
translate(struct call *c)
{
	struct attempt *a = c->attempt;

	if (c->job_out)
		return WAIT;
	if (!(c->woken & WAKE_READER)) {
		size_t n = c->again.n ? c->again.n : c->rq->body.n;

		a->body = BUF_HEAP(n + EDIT_ROOM);
		/* One piece, not a doubling one. */
		buf_room(&a->body, n + EDIT_ROOM / 2);
		if (n > ON_LOOP) {
			call_read(c, write_body);
			return WAIT;
		}
		write_body(c);
	}
	return c->fault.kind == FAULT_NONE ? NEXT : STOP;
}
