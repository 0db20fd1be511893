/* SPDX-License-Identifier: MIT */
/*
 * extend.c - a stream that grows beyond its hold asks for more.
 *
 * Asked when about three quarters of what the hold pays for has been
 * forwarded, for as much again, up to the bound; the stream goes on
 * meanwhile.  Refused: it is ended honestly.  A stream that makes far more
 * tokens than its limit allows is not one of a model and is ended too.
 */
#include <assert.h>
#include <stdlib.h>

#include "fcgi/base/mem.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

/* Our count of tokens may err, and some upstreams do not count reasoning
 * against the limit: nobody is cut for that. */
enum { SLACK_TIMES = 4, SLACK_TOKENS = 4096 };

struct extension {
	struct hold_extend ask;
	struct post post;
	struct loop *loop;
	struct call *call;		/* NULL: it is over */
	bool back;
};

static void
come_back(struct post *p)
{
	struct extension *e = holder(p, struct extension, post);

	e->back = true;
	if (e->call)
		call_wake(e->call, WAKE_WRITER);
	else
		free(e);	/* what was added is settled with the hold */
}

static void
hand_over(struct op *op)
{
	struct extension *e = holder(op, struct extension, ask.op);

	loop_post(e->loop, &e->post);
}

void
extension_leave(struct call *c)
{
	struct extension *e = c->extension;

	if (!e)
		return;
	c->extension = NULL;
	e->call = NULL;
	if (e->back)
		free(e);
}

static void
ask(struct call *c, int64_t more)
{
	struct extension *e = xnew(struct extension);

	e->ask = (struct hold_extend){
		.op = { .run = hold_extend_run, .done = hand_over },
		.hold = c->hold,
		.more = more,
	};
	e->post.run = come_back;
	e->loop = c->rq->worker->loop;
	e->call = c;
	c->extension = e;
	writer_put(c->relay->house->writer, &e->ask.op);
}

/* The verdict has come: has there been enough? */
static bool
judge(struct call *c)
{
	struct extension *e = c->extension;
	bool enough = e->ask.op.ok && e->ask.verdict == HOLD_OPENED;

	if (enough)
		c->granted += e->ask.more;
	trace_line(&c->trace, "%s to hold %lld more", enough ? "allowed" :
	    "not allowed", (long long)e->ask.more);
	extension_leave(c);
	return enough;
}

bool
extend_hold(struct call *c)
{
	const struct attempt *a = c->attempt;
	int64_t tokens = (a->observer.out_milli - a->unread_milli) / 1000;
	int64_t more;

	if (tokens > SLACK_TIMES * c->quote->output_bound + SLACK_TOKENS)
		return fail(c, FAULT_UP_ERROR, "The upstream did not end its "
		    "answer at the limit of tokens.");
	if (c->extension && c->extension->back && !judge(c)) {
		c->fault.no_retry = true;
		return fail(c, FAULT_NO_CREDIT, "The balance, or a limit on "
		    "spending, was reached in the middle of the answer.");
	}
	if (tokens < c->extend_at || c->extension)
		return true;
	more = c->quote->bound - c->granted;
	if (more > c->granted)
		more = c->granted;
	c->extend_at = 2 * tokens;
	if (more > 0)
		ask(c, more);
	return true;
}
