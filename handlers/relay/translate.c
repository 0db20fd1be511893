/* SPDX-License-Identifier: MIT */
/*
 * translate.c - in the upstream's words.
 *
 * Where caller and upstream speak the same dialect, the body's bytes go on
 * with the edits that are allowed; where they do not, it is read into the
 * neutral form once, and written from it for each upstream.  What a channel
 * leaves out and sets is done last, to either.  Copying or translating a large
 * body is a reader's work.  Of a body that is passed on one copy is enough:
 * what was sent is edited again if another upstream must be tried (the same
 * edits made twice change nothing more).  Not so where a channel of the plan
 * has edits of its own, or the output is limited, by what each model costs and
 * in the words of each channel: then the caller's body stays.
 */
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/embed.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/thoughts.h"
#include "handlers/relay/call.h"
#include "handlers/relay/outward.h"
#include "handlers/relay/recall.h"

enum {
	EDIT_ROOM = 4096,		/* what the edits can add */
	KEPT_TWICE = 64 << 10,		/* a body kept beside its copy */
	ON_LOOP = 256 << 10,		/* bytes copied without a reader, */
	ACROSS = LIMIT_PEEK_BYTES,	/* and translated, or edited, so */
	NAMES_BYTES = 12 << 10		/* of what could not be said */
};

/* The places of the edits, in the text that was sent last. */
static bool
find_places(struct call *c)
{
	struct asked k = { .endpoint = c->asked.endpoint,
		.by_path = c->asked.by_path };
	struct fault f = { 0 };

	if (c->dialect->model_in_path) {
		/* It finds them itself, and the name there is another. */
		c->asked.body = buf_str(&c->again);
		return true;
	}
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

/* What is known of the model there; this key may want nothing left out. */
static struct target
target_of(const struct call *c)
{
	struct target t = outward_target(c->attempt->with->channel,
	    c->plan.model, c->attempt->with->upstream_model);

	t.strict |= c->key.strict;
	return t;
}

/* --- What the channel leaves out and sets --------------------------------- */

/* Those of a body; a form has none. */
static int
edits_of(const struct call *c, const struct channel *ch,
    struct body_edit list[static OUTWARD_EDITS])
{
	return c->asked.boundary.n ? 0 : outward_edits(ch,
	    c->asked.endpoint == c->dialect->converse, list);
}

/* Is the caller's body needed as it is, whoever is tried? */
static bool
stays(const struct call *c)
{
	struct body_edit list[OUTWARD_EDITS];

	if (c->plan.n > 1 && (c->cap_output >= 0 || c->granted < c->held))
		return true;
	for (int i = 0; i < c->plan.n; i++)
		if (edits_of(c, c->plan.list[i].channel, list))
			return true;
	return false;
}

static bool
is_among(struct str name, struct str names)
{
	while (names.n)
		if (str_eq(str_cut(&names, ' '), name))
			return true;
	return false;
}

/* Asks of its own, which the caller knows nothing of. */
static bool
is_our_own(const struct call *c, struct str name)
{
	return c->attempt->crosses && str_eq_nocase(name, S("stream_options"));
}

/* What is left out of the text, for the usage row.  False: the target is
 * strict. */
static bool
note_dropped(struct call *c, const struct body_edit *e, struct str text,
    const struct target *t, struct dropped *d)
{
	for (struct json_each m = json_each(text); e->drop.n &&
	    json_next(&m);) {
		struct str name = body_edit_drops(e, m.name);

		if (name.n && !is_our_own(c, name) &&
		    !is_among(name, buf_str(&d->names)) &&
		    !neutral_drop(d, t, c->arena, &c->fault,
		    arena_str(c->arena, name).p))
			return false;
	}
	return true;
}

/* The body that was written, with one more edit. */
static bool
edit_again(struct buf *body, const struct body_edit *e)
{
	struct str text = str_trim(buf_str(body));
	size_t most = body_edit_most(text, e);
	struct buf out = BUF_HEAP(most);
	bool ok;

	buf_room(&out, most);
	ok = body_edit(text, e, &out);
	buf_release(body);
	*body = out;
	return ok;
}

/* `text` is what of the caller's may be left out. */
static void
edit_body(struct call *c, struct str text, const struct target *t,
    struct dropped *d)
{
	struct body_edit list[OUTWARD_EDITS];
	int n = edits_of(c, c->attempt->with->channel, list);

	for (int i = 0; i < n; i++)
		if (!note_dropped(c, &list[i], str_trim(text), t, d))
			return;
	for (int i = 0; i < n; i++)
		if (!edit_again(&c->attempt->body, &list[i]))
			fail(c, FAULT_INTERNAL, "The request could not be "
			    "edited for its upstream.");
}

/* Counted as long as it lives. */
static void
count_body(struct attempt *a)
{
	a->body_counted = (int64_t)a->body.room;
	request_count_bytes(a->body_counted);
}

/* --- Another dialect ------------------------------------------------------ */

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

/* Who seals its thoughts may think on without those before. */
static void
cut_thoughts(struct call *c)
{
	const struct neutral *n = c->neutral;
	struct neutral *cut = c->attempt->request;

	thoughts_cut(c->arena, cut);
	if (!c->attempt->speaks->own_proofs)
		return;
	cut->effort = n->effort;
	cut->budget = n->budget;
	cut->adaptive = n->adaptive;
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
		cut_thoughts(c);
	else
		thoughts_open(c->arena, a->request, &a->envelope);
	if (c->cap_output >= 0 && (a->request->max_output < 0 ||
	    a->request->max_output > c->cap_output))
		a->request->max_output = c->cap_output;
	if (!a->speaks->neutral->encode(c->arena, a->request, &t, &a->body,
	    &dropped, &c->fault) && c->fault.kind == FAULT_NONE)
		fail(c, FAULT_TOO_LARGE, "The request is too large in the "
		    "words of its upstream.");
	if (c->fault.kind == FAULT_NONE)
		edit_body(c, buf_str(&a->body), &t, &dropped);
	if (str_eq(c->fault.param, S("messages")))
		c->fault.param = str_of(c->dialect->history);
	c->dropped = buf_str(&dropped.names);
	count_body(a);
}

/* Embeddings: texts there, vectors back. */
static void
write_embeds(struct call *c)
{
	struct attempt *a = c->attempt;
	struct target t = target_of(c);
	struct dropped dropped = { .names = BUF(c->arena, NAMES_BYTES) };
	struct str text = c->rq->body.n ? c->rq->body : buf_str(&c->again);

	a->embeds = arena_new(c->arena, struct embeds);
	if (!c->dialect->embed->decode(c->arena, c->asked.endpoint, text,
	    a->embeds, &c->fault))
		return;
	a->embeds->tokens = c->asked.prompt_tokens;
	if (!embed_request(c->arena, a->embeds, a->speaks->embed, &t,
	    &a->body, &dropped, &c->fault) && c->fault.kind == FAULT_NONE)
		fail(c, FAULT_TOO_LARGE, "The request is too large in the "
		    "words of its upstream.");
	if (c->fault.kind == FAULT_NONE)
		edit_body(c, buf_str(&a->body), &t, &dropped);
	c->dropped = buf_str(&dropped.names);
	count_body(a);
}

/* --- The same dialect ----------------------------------------------------- */

/* Does the text hold thoughts (or citations) that must not go on as they
 * are? */
static bool
has_foreign_thoughts(const struct call *c, struct str text)
{
	return c->attempt->speaks->thoughts && (c->mended ||
	    str_has(text, S("\"wr1.")) ||
	    str_has(text, S("\"" ENVELOPE_BASE64)) ||
	    str_has(text, S("\"encrypted_index\"")));
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
	struct body_edit list[OUTWARD_EDITS];
	bool edited = edits_of(c, a->with->channel, list);
	/* Asked for where it matters: most bodies go as they are. */
	struct target t = edited || c->cap_output >= 0 ? target_of(c) :
	    (struct target){ .model = S("") };
	struct dropped dropped = { .names = BUF(c->arena, NAMES_BYTES) };
	struct edits edits = {
		.model = a->with->upstream_model,
		.force_usage = c->asked.stream,
		.cap_output = c->cap_output,
		.cap_as_completion = t.max_completion ||
		    c->asked.max_completion_at.n != 0,
	};
	bool gone = c->rq->body.n > KEPT_TWICE && !stays(c);

	change_thoughts(c);
	edits.edited = c->again.n != 0;
	if ((c->again.n && !find_places(c)) ||
	    !c->dialect->write_request(&c->asked, &edits, &a->body))
		fail(c, FAULT_INTERNAL, "The request could not be written "
		    "for its upstream.");
	else if (edited)
		edit_body(c, c->asked.body, &t, &dropped);
	c->dropped = buf_str(&dropped.names);
	count_body(a);
	/* What was read of a text that goes is slices of it. */
	if (c->again.n || gone)
		c->neutral = NULL;
	buf_release(&c->again);
	if (gone)
		request_drop_body(c->rq);
}

/* Would it be refused there as well?  What a dialect has no words for may go
 * as it is to one that speaks the caller's own; what this channel leaves out,
 * to another. */
static bool
refused_too(const struct call *c, const struct candidate *k)
{
	return c->attempt->crosses ?
	    !dialect_same(k->speaks, c->dialect) :
	    k->channel == c->attempt->with->channel;
}

/* Nothing was sent: somebody else may take it. */
static enum go
not_expressible(struct call *c)
{
	bool any = false;

	for (int i = 0; i < c->plan.n; i++) {
		struct candidate *k = &c->plan.list[i];

		if (refused_too(c, k))
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
	struct body_edit list[OUTWARD_EDITS];
	void (*how)(struct call *) = !a->crosses ? write_body :
	    endpoint_embeds(c->asked.endpoint) ? write_embeds : write_across;
	bool parses = a->crosses || edits_of(c, a->with->channel, list);

	if (n > (parses ? ACROSS : ON_LOOP)) {
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
		if (c->asked.endpoint != ENDPOINT_STORED && write(c) == WAIT)
			return WAIT;
	}
	if (c->recalling) {
		recall(c);
		if (write(c) == WAIT)
			return WAIT;
	}
	if (c->fault.kind == FAULT_NONE)
		return NEXT;
	return c->fault.kind == FAULT_INTERNAL ? STOP : not_expressible(c);
}
