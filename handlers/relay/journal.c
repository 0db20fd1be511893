/* SPDX-License-Identifier: MIT */
/*
 * journal.c - how far a stream has come, for whoever must settle it if this
 * process dies.  Never waited for; one entry at a time is on its way.
 */
#include <stdlib.h>

#include "fcgi/base/mem.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

struct journal {
	struct hold_progress entry;
	struct post post;
	struct loop *loop;
	struct arena arena;
	struct call *call;		/* NULL: it is over */
};

static void
come_back(struct post *p)
{
	struct journal *j = holder(p, struct journal, post);

	if (j->call)
		j->call->journal = NULL;
	arena_release(&j->arena);
	free(j);
}

static void
hand_over(struct op *op)
{
	struct journal *j = holder(op, struct journal, entry.op);

	loop_post(j->loop, &j->post);
}

bool
journal_progress(struct call *c, int64_t tokens)
{
	const struct candidate *with = c->attempt->with;
	struct journal *j;

	if (c->journal)
		return false;
	j = xnew(struct journal);
	j->entry = (struct hold_progress){
		.op = { .run = hold_progress_run, .done = hand_over },
		.hold = c->hold,
		.channel = with->channel->id,
		.credential = with->credential->id,
		.sent = true,
		.started = true,
		.out_tokens = tokens,
		.model = with->model->id,
		.price = quote_of(c, with->model)->terms.price->id,
		.upstream_model = arena_str(&j->arena, with->upstream_model),
	};
	j->post.run = come_back;
	j->loop = c->rq->worker->loop;
	j->call = c;
	c->journal = j;
	writer_put(c->relay->house->writer, &j->entry.op);
	return true;
}

void
journal_leave(struct call *c)
{
	if (c->journal)
		c->journal->call = NULL;
	c->journal = NULL;
}
