/* SPDX-License-Identifier: MIT */
/*
 * claim.c - a place at a credential that has limits of its own.
 *
 * Asked for before each attempt with such a credential, and waited for as an
 * admission is.  The operation owns its memory.  A claim whose attempt failed
 * is given back at once, the last one by the settlement; so is one that was
 * granted to a call that no longer waits.
 */
#include "db/claim.h"

#include <assert.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

struct claiming {
	struct claim_take ask;
	struct post post;
	struct loop *loop;
	struct call *call;		/* NULL: it no longer waits */
	bool back;
};

static void
come_back(struct post *p)
{
	struct claiming *k = holder(p, struct claiming, post);

	k->back = true;
	if (k->call)
		call_wake(k->call, WAKE_WRITER);
	else
		free(k);
}

static void
hand_over(struct op *op)
{
	struct claiming *k = holder(op, struct claiming, ask.op);

	loop_post(k->loop, &k->post);
}

static void
let_go(struct call *c)
{
	struct claiming *k = c->claiming;

	c->claiming = NULL;
	k->call = NULL;
	if (k->back)
		free(k);
}

/* Its trial, if that was taken, is another call's to make. */
void
claim_leave(struct call *c)
{
	if (!c->claiming)
		return;
	if (c->next->standing == STANDS_TRIAL)
		health_untried(c->relay->house->health, &c->next->about,
		    clock_utc_ms());
	let_go(c);
}

void
claim_ask(struct call *c, struct candidate *with)
{
	struct claiming *k = xnew(struct claiming);

	assert(c->hold && !c->claiming);
	k->ask = (struct claim_take){
		.op = { .run = claim_take_run, .done = hand_over },
		.hold = c->hold,
		.credential = with->credential->id,
		.tokens = c->asked.prompt_tokens +
		    quote_of(c, with->model)->output_planned,
	};
	k->post.run = come_back;
	k->loop = c->rq->worker->loop;
	k->call = c;
	c->claiming = k;
	c->claims = true;
	c->next = with;
	c->store_due_ms = call_now(c) + LIMIT_STORE_WAIT_MS;
	writer_put(c->relay->house->writer, &k->ask.op);
}

/* It is skipped by this call, and by all of this process while it is full for
 * everybody. */
static void
note_full(struct call *c, const struct claim_take *t, struct candidate *with)
{
	int64_t now = clock_utc_ms();

	with->full_until = now + t->retry_ms;
	if (t->full_ms > 0)
		health_full(c->relay->house->health, &with->about, now,
		    now + t->full_ms);
	trace_line(&c->trace, "channel %.*s, credential %.*s: its %s is "
	    "reached, for %lld ms", STR_ARGS(with->channel->name),
	    STR_ARGS(with->credential->name), t->limit,
	    (long long)t->retry_ms);
}

enum claimed
claim_look(struct call *c)
{
	struct claiming *k = c->claiming;
	enum claim_verdict verdict = k->back && k->ask.op.ok ?
	    k->ask.verdict : CLAIM_GONE;

	if (!k->back && call_now(c) < c->store_due_ms)
		return CLAIM_WAITS;
	if (verdict == CLAIM_TAKEN) {
		c->claimed = c->next->credential->id;
		let_go(c);
		return CLAIM_GRANTED;
	}
	if (verdict == CLAIM_FULL)
		note_full(c, &k->ask, c->next);
	claim_leave(c);
	return verdict == CLAIM_FULL ? CLAIM_REFUSED : CLAIM_FAILED;
}

static void
ended(struct op *op)
{
	free(holder(op, struct claim_end, op));
}

void
claim_give_back(struct call *c)
{
	struct claim_end *e;

	if (!c->claimed)
		return;
	e = xnew(struct claim_end);
	*e = (struct claim_end){
		.op = { .run = claim_end_run, .done = ended, .must = true },
		.hold = c->hold,
		.credential = c->claimed,
	};
	c->claimed = 0;
	writer_put(c->relay->house->writer, &e->op);
}
