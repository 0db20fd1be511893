/* SPDX-License-Identifier: MIT */
/*
 * extend.c - a stream that grows beyond its hold asks for more.
 *
 * Asked when about three quarters of what the hold pays for has been
 * forwarded, for as much again, up to the bound; the stream goes on
 * meanwhile.  The same goes for output that a cap of tokens counts.  Refused,
 * it goes on for as long as the hold pays, asks once more (others may have
 * ended by then), and is ended honestly.  A stream that makes far more tokens
 * than its limit allows is not one of a model and is ended too.
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
	int64_t covered;		/* tokens that are paid for anyway */
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
ask(struct call *c, int64_t more, int64_t more_tokens, int64_t covered)
{
	struct extension *e = xnew(struct extension);

	e->ask = (struct hold_extend){
		.op = { .run = hold_extend_run, .done = hand_over },
		.hold = c->hold,
		.more = more,
		.more_tokens = more_tokens,
	};
	e->post.run = come_back;
	e->loop = c->rq->worker->loop;
	e->call = c;
	e->covered = covered;
	c->extension = e;
	writer_put(c->relay->house->writer, &e->ask.op);
}

/* The verdict has come: has there been enough? */
static bool
judge(struct call *c)
{
	struct extension *e = c->extension;
	bool enough = e->ask.op.ok && e->ask.verdict == HOLD_OPENED;

	if (!enough && !c->refused) {
		/* What it has is not used up yet. */
		c->refused = enough = true;
		c->extend_at = e->ask.more ? e->covered : c->extend_at;
		c->count_at = e->ask.more_tokens ? e->covered : c->count_at;
	} else if (enough) {
		if (c->refused && e->ask.more)
			c->extend_at += c->extend_at / 2;
		c->refused = false;
		c->granted += e->ask.more;
		c->tokens_out += e->ask.more_tokens;
		extend_count(c);
	}
	trace_line(&c->trace, "%s to hold %lld more and %lld tokens",
	    c->refused ? "not allowed" : "allowed", (long long)e->ask.more,
	    (long long)e->ask.more_tokens);
	extension_leave(c);
	return enough;
}

void
extend_count(struct call *c)
{
	c->count_at = c->counts_tokens &&
	    c->tokens_out < c->quote->output_bound ? c->tokens_out * 3 / 4 :
	    INT64_MAX;
}

/* What its output will need beyond what is held; nothing yet: 0. */
static int64_t
more_money(struct call *c, int64_t tokens)
{
	int64_t more = c->quote->bound - c->granted;

	if (tokens < c->extend_at)
		return 0;
	c->extend_at = c->refused ? c->extend_at : 2 * tokens;
	return more > c->granted ? c->granted : more > 0 ? more : 0;
}

static int64_t
more_tokens(const struct call *c, int64_t tokens)
{
	int64_t more = c->quote->output_bound - c->tokens_out;

	if (tokens < c->count_at)
		return 0;
	return more > c->tokens_out && c->tokens_out ? c->tokens_out : more;
}

/* How many tokens the hold, and what is counted, are enough for. */
static int64_t
covered(const struct call *c, int64_t asked_at, int64_t money, int64_t count)
{
	int64_t paid = money > 0 ? asked_at / 3 * 4 : INT64_MAX;

	return count > 0 && c->tokens_out < paid ? c->tokens_out : paid;
}

bool
extend_hold(struct call *c)
{
	const struct attempt *a = c->attempt;
	int64_t tokens = (a->observer.out_milli - a->unread_milli) / 1000;
	int64_t paid = c->extend_at, money, count;

	if (tokens > SLACK_TIMES * c->quote->output_bound + SLACK_TOKENS)
		return fail(c, FAULT_UP_ERROR, "The upstream did not end its "
		    "answer at the limit of tokens.");
	if (c->extension && c->extension->back && !judge(c)) {
		c->fault.no_retry = true;
		return fail(c, FAULT_NO_CREDIT, "The balance, or a limit on "
		    "spending or tokens, was reached in the middle of the "
		    "answer.");
	}
	if (c->extension)
		return true;
	money = more_money(c, tokens);
	count = more_tokens(c, tokens);
	if (money > 0 || count > 0)
		ask(c, money, count, covered(c, paid, money, count));
	return true;
}
