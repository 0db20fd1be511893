/* SPDX-License-Identifier: MIT */
/*
 * journal.c - how far streams have come, for whoever must settle them if this
 * process dies.  Never waited for; a call has one entry on its way.
 *
 * A transaction of its own for each entry would cost more than the entry:
 * those of a loop go to the writer together, one batch GATHER_MS after the
 * last.  A loop that sent none for so long does not wait.  An entry whose call
 * ends before it was sent is never written: the settlement says it all.
 */
#include <stdlib.h>

#include "fcgi/base/mem.h"
#include "handlers/relay/call.h"
#include "handlers/relay/relay.h"

enum { GATHER_MS = 50 };

struct journal {
	struct hold_progress entry;	/* its op is not queued: the batch's */
	struct call *call;		/* NULL: it is over */
	bool sent;			/* the batch has it */
	struct journal *next, **prev;
	char model[];
};

/* What a loop has to send. */
struct journals {
	struct relay *relay;
	struct journal *first;
	struct timer timer;
	int64_t next_ms;		/* not before */
};

/* What is on its way to the writer and back. */
struct batch {
	struct op op;
	struct post post;
	struct loop *loop;
	struct journal *first;
};

/* --- To the writer and back --------------------------------------------- */

static bool
batch_run(struct db *db, struct op *op)
{
	struct batch *b = holder(op, struct batch, op);

	for (struct journal *j = b->first; j; j = j->next)
		if (!hold_progress_run(db, &j->entry.op))
			return false;
	return true;
}

static void
come_back(struct post *p)
{
	struct batch *b = holder(p, struct batch, post);

	for (struct journal *j = b->first, *next; j; j = next) {
		next = j->next;
		if (j->call)
			j->call->journal = NULL;
		free(j);
	}
	free(b);
}

static void
hand_over(struct op *op)
{
	struct batch *b = holder(op, struct batch, op);

	loop_post(b->loop, &b->post);
}

static void
send_batch(struct timer *t)
{
	struct journals *js = holder(t, struct journals, timer);
	struct loop *loop = js->relay->worker->loop;
	struct batch *b;

	if (!js->first)
		return;
	b = xnew(struct batch);
	b->op = (struct op){ .run = batch_run, .done = hand_over };
	b->post.run = come_back;
	b->loop = loop;
	b->first = js->first;
	for (struct journal *j = b->first; j; j = j->next)
		j->sent = true;
	js->first = NULL;
	js->next_ms = loop_now_ms(loop) + GATHER_MS;
	writer_put(js->relay->house->writer, &b->op);
}

/* --- Of a call ---------------------------------------------------------- */

bool
journal_progress(struct call *c, int64_t tokens)
{
	const struct candidate *with = c->attempt->with;
	struct journals *js = c->relay->journals;
	struct str model = with->upstream_model;
	struct journal *j;
	int64_t wait = js->next_ms - call_now(c);

	if (c->journal)
		return false;
	j = xalloc(sizeof(*j) + model.n);
	if (model.n)
		memcpy(j->model, model.p, model.n);
	j->entry = (struct hold_progress){
		.hold = c->hold,
		.channel = with->channel->id,
		.credential = with->credential->id,
		.sent = true,
		.started = true,
		.out_tokens = tokens,
		.upstream_model = str_from(j->model, model.n),
	};
	j->call = c;
	c->journal = j;
	j->prev = &js->first;
	j->next = js->first;
	if (j->next)
		j->next->prev = &j->next;
	js->first = j;
	if (!js->timer.slot)
		loop_timer(js->relay->worker->loop, &js->timer,
		    wait > 0 ? wait : 0);
	return true;
}

static void
leave(struct journal *j)
{
	j->call->journal = NULL;
	j->call = NULL;
	if (j->sent)
		return;		/* come_back frees it */
	*j->prev = j->next;
	if (j->next)
		j->next->prev = j->prev;
	free(j);
}

void
journal_leave(struct call *c)
{
	if (c->journal)
		leave(c->journal);
}

struct journals *
journals_new(struct relay *r)
{
	struct journals *js = xnew(struct journals);

	js->relay = r;
	js->timer.fire = send_batch;
	return js;
}

void
journals_free(struct journals *js)
{
	if (!js)
		return;
	while (js->first)
		leave(js->first);
	loop_clear(js->relay->worker->loop, &js->timer);
	free(js);
}
