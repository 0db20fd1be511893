/* SPDX-License-Identifier: MIT */
/*
 * translate.c - in the upstream's words.
 *
 * Where caller and upstream speak the same dialect, the body's bytes go on
 * with the edits that are allowed; where they do not, it is read into the
 * neutral form once, and written from it for each upstream.  Copying or
 * translating a large body is a reader's work.  Of a body that is passed on
 * one copy is enough: what was sent is edited again if another upstream must
 * be tried (the same edits made twice change nothing more).
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/capability.h"
#include "handlers/dialect/families.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/thoughts.h"
#include "handlers/relay/call.h"
#include "handlers/relay/recall.h"

enum {
	EDIT_ROOM = 4096,		/* what the edits can add */
	KEPT_TWICE = 64 << 10,		/* a body kept beside its copy */
	ON_LOOP = 256 << 10,		/* bytes copied without a reader, */
	ACROSS = LIMIT_PEEK_BYTES,	/* and translated so */
	NAMES_BYTES = 1024		/* of what could not be said */
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

/* --- Another dialect ------------------------------------------------------ */

/* What is known of the model: by its name, and by the catalogue. */
static struct target
target_of(const struct call *c)
{
	const struct attempt *a = c->attempt;
	struct target t = { .model = a->with->upstream_model,
		.max_output = c->plan.model->max_output };

	capability_apply(&t, family_list(a->with->upstream_model));
	t.max_completion |= a->with->channel->max_completion ||
	    c->plan.model->max_completion;
	return t;
}

/* The caller's text stays: what is read of it are slices. */
static bool
understood(struct call *c)
{
	struct str text = c->rq->body.n ? c->rq->body : buf_str(&c->again);

	if (c->neutral)
		return true;
	c->neutral = arena_new(c->arena, struct neutral);
	c->recalled = false;
	return c->dialect->neutral->decode(c->arena, text, c->neutral,
	    &c->fault);
}

static void
write_across(struct call *c)
{
	struct attempt *a = c->attempt;
	struct target t = target_of(c);
	struct dropped dropped = { .names = BUF(c->arena, NAMES_BYTES) };

	if (!understood(c))
		return;
	c->recalling = recall_due(c, &t);
	if (c->recalling)
		return;		/* it is written when that is done */
	a->request = arena_new(c->arena, struct neutral);
	*a->request = *c->neutral;
	a->request->target = memcpy(arena_alloc(c->arena, sizeof(t)), &t,
	    sizeof(t));
	if (c->mended)
		thoughts_cut(c->arena, a->request);
	else
		thoughts_open(c->arena, a->request, &a->envelope);
	if (c->cap_output >= 0 && (a->request->max_output < 0 ||
	    a->request->max_output > c->cap_output))
		a->request->max_output = c->cap_output;
	if (!a->speaks->neutral->encode(c->arena, a->request, &t, &a->body,
	    &dropped, &c->fault) && c->fault.kind == FAULT_NONE)
		fail(c, FAULT_TOO_LARGE, "The request is too large in the "
		    "words of its upstream.");
	c->dropped = buf_str(&dropped.names);
	a->body_counted = (int64_t)a->body.room;
	request_count_bytes(a->body_counted);
}

/* --- The same dialect ----------------------------------------------------- */

/* Does the text hold thoughts that must not go on as they are? */
static bool
has_foreign_thoughts(const struct call *c, struct str text)
{
	return c->attempt->speaks->thoughts && (c->mended ||
	    str_has(text, S("\"wr1.")));
}

/* They are put right in a copy, which stands for the caller's text. */
static void
change_thoughts(struct call *c)
{
	struct attempt *a = c->attempt;
	struct str text = c->again.n ? buf_str(&c->again) : c->rq->body;
	struct buf changed = BUF_HEAP(text.n + EDIT_ROOM);

	if (!has_foreign_thoughts(c, text))
		return;
	if (!a->speaks->thoughts(c->arena, text, c->mended ? NULL :
	    &a->envelope, &changed))
		fail(c, FAULT_INTERNAL, "The thoughts in the request could "
		    "not be rewritten for its upstream.");
	buf_release(&c->again);
	c->again = changed;
}

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

	change_thoughts(c);
	edits.edited = c->again.n != 0;
	if ((c->again.n && !find_places(c)) ||
	    !c->dialect->write_request(&c->asked, &edits, &a->body))
		fail(c, FAULT_INTERNAL, "The request could not be written "
		    "for its upstream.");
	a->body_counted = (int64_t)a->body.room;
	request_count_bytes(a->body_counted);
	/* What was read of a text that goes is slices of it. */
	if (c->again.n || c->rq->body.n > KEPT_TWICE)
		c->neutral = NULL;
	buf_release(&c->again);
	if (c->rq->body.n > KEPT_TWICE)
		request_drop_body(c->rq);
}

/* What its dialect has no words for may go as it is to one that speaks the
 * caller's own: nothing was sent. */
static enum go
not_expressible(struct call *c)
{
	bool any = false;

	for (int i = 0; i < c->plan.n; i++) {
		struct candidate *k = &c->plan.list[i];

		if (dialect_find(k->channel->dialect) != c->dialect)
			k->avoid = true;
		else
			any |= k->tries == 0 && !k->avoid;
	}
	if (!any)
		return STOP;
	attempt_end(c->attempt, "not_expressible");
	return AGAIN;
}

/* Here, or by a reader: then it WAITs. */
static enum go
write(struct call *c)
{
	const struct attempt *a = c->attempt;
	size_t n = c->again.n ? c->again.n : c->rq->body.n;
	void (*how)(struct call *) = a->crosses ? write_across : write_body;

	if (n > (a->crosses ? ACROSS : ON_LOOP)) {
		call_read(c, how);
		return WAIT;
	}
	how(c);
	return NEXT;
}

enum go
translate(struct call *c)
{
	struct attempt *a = c->attempt;

	if (c->job_out)
		return WAIT;
	if (!(c->woken & WAKE_READER)) {
		size_t n = c->again.n ? c->again.n : c->rq->body.n;

		c->dropped = (struct str){ NULL, 0 };
		a->body = BUF_HEAP(a->crosses ? LIMIT_BODY_BYTES :
		    n + EDIT_ROOM);
		/* One piece, not a doubling one. */
		buf_room(&a->body, n + EDIT_ROOM / 2);
		if (write(c) == WAIT)
			return WAIT;
	}
	if (c->recalling) {
		recall(c);
		if (write(c) == WAIT)
			return WAIT;
	}
	if (c->fault.kind == FAULT_NONE)
		return NEXT;
	return a->crosses ? not_expressible(c) : STOP;
}
