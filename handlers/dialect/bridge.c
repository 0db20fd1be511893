/* SPDX-License-Identifier: MIT */
/*
 * bridge.c - an answer of one dialect, watched and told in another's words.
 *
 * To the relay it is a dialect's observer like any other: fed with what the
 * upstream sent, it appends what the caller gets now and what waits for the
 * settlement, and says what it has seen.  Between the two stand the events.
 */
#include "handlers/dialect/bridge.h"

#include <assert.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/embed.h"
#include "handlers/dialect/envelope.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/tokens.h"

struct bridge {
	struct observer *observer;
	struct event_reader reader;
	struct event_writer writer;
	struct token_count count;	/* of the output */
	struct buf *out, *last;		/* of the feed that runs */
	struct buf folded;		/* an answer that is not streamed */
	bool whole;
};

static void
count(struct bridge *b, struct str raw)
{
	tokens_add_raw(&b->count, raw);
	b->observer->out_milli = b->count.milli;
}

/* What the relay must know of an event. */
static void
note(struct bridge *b, const struct event *e)
{
	struct observer *o = b->observer;

	switch (e->kind) {
	case EVENT_START:
		if (e->name.n)
			o->model = arena_str(o->arena, e->name);
		break;
	case EVENT_TEXT:
	case EVENT_ARGS:
		o->seen |= SEEN_MEANING;
		count(b, e->text);
		break;
	case EVENT_BLOCK:
		if (e->block == BLOCK_CALL)
			o->seen |= SEEN_MEANING;
		tokens_cut(&b->count);
		break;
	case EVENT_SIGN:
		o->seen |= SEEN_MEANING;
		break;
	case EVENT_USAGE:
		o->tokens = e->tokens;
		break;
	case EVENT_STOP:
		o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
		b->whole = true;
		break;
	case EVENT_ERROR:
		if (e->error.kind == UP_OK)
			break;		/* cut: finish says so */
		o->seen |= SEEN_ERROR;
		o->error = e->error;
		break;
	default:
		break;
	}
}

/* An answer that is not streamed waits in `last` but for its beginning. */
static void
keep_back(struct bridge *b)
{
	struct str whole = buf_str(&b->folded);

	if (whole.n > LIMIT_KEEP_BACK) {
		buf_put(b->out, str_from(whole.p, whole.n - LIMIT_KEEP_BACK));
		whole = str_skip(whole, whole.n - LIMIT_KEEP_BACK);
	}
	buf_put(b->last, whole);
	buf_release(&b->folded);
}

/* Did nothing come, neither text nor a count? */
static bool
is_empty(const struct observer *o)
{
	return !(o->seen & SEEN_MEANING) && o->tokens.in_total <= 0 &&
	    o->tokens.out_total <= 0;
}

/* An end for no reason, after nothing, is no answer. */
static bool
ends_empty(const struct observer *o, const struct event *e)
{
	return e->unsaid && is_empty(o);
}

static void
tell(struct bridge *b, const struct event *e)
{
	struct observer *o = b->observer;

	o->dialect->neutral->writer_put(&b->writer, e, b->out, o->stream ?
	    b->last : &b->folded);
	o->spoken = b->writer.spoken;
	o->inside |= b->writer.inside;
}

/* The caller keeps it, but it is the upstream's. */
static void
tell_signature(struct bridge *b, const struct event *e)
{
	const struct envelope_key *k = b->observer->envelope;
	struct event closed = *e;

	if (!k)
		return;
	closed.text = envelope_close(b->observer->arena, k, e->text,
	    e->redacted);
	tell(b, &closed);
}

/* The text of thoughts that the caller asked to be left out. */
static bool
is_unwanted(const struct bridge *b, const struct event *e)
{
	return e->kind == EVENT_TEXT && e->block == BLOCK_REASONING &&
	    b->reader.asked && b->reader.asked->want_reasoning == NO;
}

static void
take(struct event_reader *r, const struct event *e)
{
	struct bridge *b = r->arg;
	struct observer *o = b->observer;

	if (ends_empty(o, e)) {
		o->seen |= SEEN_BAD | SEEN_EMPTY;
		return;
	}
	note(b, e);
	if (e->kind == EVENT_SIGN)
		tell_signature(b, e);
	else if (!is_unwanted(b, e))
		tell(b, e);
	o->kept = b->writer.kept;
	o->kept_call = b->writer.kept_call;
	if (!o->stream && b->folded.full)
		o->seen |= SEEN_BAD;	/* nobody can hold that */
	else if (!o->stream && e->kind == EVENT_STOP)
		keep_back(b);
}

static void
drop(void *object)
{
	struct bridge *b = object;

	buf_release(&b->folded);
}

static void
begin(struct observer *o)
{
	struct bridge *b = arena_new(o->arena, struct bridge);

	assert(bridge_joins(o->dialect, o->upstream));
	b->observer = o;
	b->folded = BUF_HEAP(LIMIT_FOLD_BYTES);
	arena_attach(o->arena, drop, b);
	b->reader = (struct event_reader){ .arena = o->arena,
		.stream = o->upstream_stream, .asked = o->request,
		.take = take, .arg = b };
	b->writer = (struct event_writer){ .arena = o->arena,
		.stream = o->stream, .array = o->array,
		.usage_wanted = !o->hide_usage,
		.model = o->asked_model, .request_id = o->request_id,
		.now = o->now, .asked = o->request };
	o->upstream->neutral->reader_init(&b->reader);
	o->dialect->neutral->writer_init(&b->writer);
	o->state = b;
	o->seen = 0;
	o->tokens = TOKENS_ABSENT;
	o->out_milli = 0;
	o->model = o->service_tier = (struct str){ 0 };
	o->error = (struct up_error){ 0 };
	o->inside = false;
}

/* --- One observer --------------------------------------------------------- */

bool
bridge_joins(const struct dialect *caller, const struct dialect *upstream)
{
	return dialect_same(caller, upstream) ||
	    (caller->neutral && upstream->neutral);
}

bool
bridge_embeds(const struct dialect *caller, const struct dialect *upstream)
{
	return caller == upstream || (caller->embed && upstream->embed);
}

void
bridge_observe(struct observer *o)
{
	if (o->embeds)
		embed_observe(o);
	else if (o->upstream)
		begin(o);
	else
		o->dialect->observe(o);
}

unsigned
bridge_feed(struct observer *o, struct str piece, struct buf *out,
    struct buf *last)
{
	struct bridge *b = o->state;
	unsigned before = o->seen;

	if (o->embeds) {
		embed_feed(o, piece);
		return 0;
	}
	if (!o->upstream)
		return o->dialect->feed(o, piece, out, last);
	b->out = out;
	b->last = last;
	o->upstream->neutral->reader_feed(&b->reader, piece);
	return o->seen & ~before;
}

static bool
finish(struct observer *o, struct buf *out, struct buf *last)
{
	struct bridge *b = o->state;

	if (o->embeds)
		return embed_finish(o, out, last);
	if (!o->upstream)
		return o->dialect->finish(o, out, last);
	b->out = out;
	b->last = last;
	o->upstream->neutral->reader_finish(&b->reader);
	return b->whole && !(o->seen & SEEN_BAD);
}

/* A stream that ends in order and has said nothing is an empty answer. */
bool
bridge_finish(struct observer *o, struct buf *out, struct buf *last)
{
	bool whole = finish(o, out, last);
	bool stream = o->upstream ? o->upstream_stream : o->stream;

	if (!whole && stream && is_empty(o) &&
	    !(o->seen & (SEEN_ERROR | SEEN_BAD)) &&
	    endpoint_is_text(o->endpoint))
		o->seen |= SEEN_BAD | SEEN_EMPTY;
	return whole;
}
