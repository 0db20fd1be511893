/* SPDX-License-Identifier: MIT */
/*
 * anthropic_answer.c - watching a stream go by.
 *
 * Every frame is passed on as its bytes came, or not at all.  Not passed are:
 * an error (the relay writes its own), [DONE], which other providers add, and
 * all that follows message_stop.  message_stop itself goes to `last`.  Because
 * some upstreams never send it, what follows a stop reason is kept until more
 * content or message_stop shows that it was not the end; if the upstream
 * closes instead, that is the terminal part and goes to `last`.  So nobody has
 * a complete answer before it is settled.
 *
 * Which event it is says the type in the data; a frame whose data does not say
 * is what its event line says.
 */
#include "fcgi/base/limits.h"
#include "handlers/dialect/anthropic.h"
#include "handlers/dialect/up_error.h"

enum { MILLI_A_BYTE = 250 /* of a frame that is not read */ };

/* What is of interest in an event. */
struct event {
	struct str type; /* without quotes */
	struct str index, delta, block, message, usage, error;
};

static void
read_event(const struct sse_fields *f, struct str data, struct event *e)
{
	*e = (struct event){ .type = str_trim(f->event) };
	for (struct json_each m = json_each(data); json_next(&m);) {
		if (str_eq(m.name, S("type"))) {
			if (m.value.n > 2 && m.value.p[0] == '"')
				e->type =
				    str_from(m.value.p + 1, m.value.n - 2);
		} else if (str_eq(m.name, S("index"))) {
			e->index = m.value;
		} else if (str_eq(m.name, S("delta"))) {
			e->delta = m.value;
		} else if (str_eq(m.name, S("content_block"))) {
			e->block = m.value;
		} else if (str_eq(m.name, S("message"))) {
			e->message = m.value;
		} else if (str_eq(m.name, S("usage"))) {
			e->usage = m.value;
		} else if (str_eq(m.name, S("error"))) {
			e->error = m.value;
		}
	}
}

/* What was kept turns out not to be the end. */
static void
flush_tail(struct watch *w, struct buf *out)
{
	if (w->tail.n)
		buf_put(out, buf_str(&w->tail));
	buf_clear(&w->tail);
}

/* Passes a frame on; behind a stop it waits, unless it brings content. */
static void
pass(struct observer *o, struct watch *w, struct str raw, bool content,
    struct buf *out)
{
	bool wait = (o->seen & SEEN_STOP) && !content;

	if (wait && raw.n < w->tail.max - w->tail.n) {
		buf_put(&w->tail, raw);
		w->went = TO_TAIL;
		return;
	}
	flush_tail(w, out);
	buf_put(out, raw);
	w->went = TO_OUT;
}

/* The end: an answer in which nothing came at all is none. */
static void
take_end(struct observer *o, struct watch *w, struct str raw, struct buf *out,
    struct buf *last)
{
	bool counted = o->tokens.in_total > 0 || o->tokens.out_total > 0;

	w->closed = true;
	w->went = TO_NOBODY;
	if (!(o->seen & SEEN_MEANING) && !counted) {
		o->seen |= SEEN_BAD | SEEN_EMPTY;
		return;
	}
	flush_tail(w, out);
	buf_put(last, raw);
	w->went = TO_LAST;
	o->seen |= SEEN_MEANING | SEEN_END;
}

/* What an event brings.  True: content. */
static bool
read_facts(struct observer *o, struct watch *w, const struct event *e)
{
	int64_t block = 0;
	bool content = false;

	json_int(e->index, &block);
	if (str_eq(e->type, S("content_block_delta"))) {
		content = anthropic_look(w, block, e->delta);
	} else if (str_eq(e->type, S("content_block_start"))) {
		content = anthropic_look(w, block, e->block);
	} else if (str_eq(e->type, S("message_start"))) {
		anthropic_read_model(o, json_get(e->message, S("model")));
		anthropic_read_usage(
		    o, w, json_get(e->message, S("usage")));
	} else if (str_eq(e->type, S("message_delta"))) {
		anthropic_read_usage(o, w, e->usage);
		if (anthropic_stopped(json_get(e->delta, S("stop_reason"))))
			o->seen |= SEEN_MEANING | SEEN_STOP;
	}
	o->out_milli = w->count.milli;
	if (content)
		o->seen |= SEEN_MEANING;
	return content;
}

static void
take_event(struct observer *o, struct watch *w, struct str raw,
    const struct sse_fields *f, struct buf *out, struct buf *last)
{
	struct str data = str_trim(f->data);
	struct event e;

	read_event(f, data, &e);
	if (str_eq(e.type, S("error")) || up_error_told(e.error) ||
	    str_eq(str_trim(f->event), S("error"))) {
		anthropic_fail(o, w, data);
		w->went = TO_NOBODY;
	} else if (str_eq(e.type, S("message_stop"))) {
		take_end(o, w, raw, out, last);
	} else {
		pass(o, w, raw, read_facts(o, w, &e), out);
	}
}

static void
take_frame(struct observer *o, struct watch *w, struct str raw, struct buf *out,
    struct buf *last)
{
	struct sse_fields f;

	sse_read(&w->sse, raw, &f);
	if (str_starts(str_trim(f.data), S("[DONE]")))
		w->went = TO_NOBODY;
	else
		take_event(o, w, raw, &f, out, last);
}

/* A part of a frame too large to look into: surely content. */
static void
take_part(struct observer *o, struct watch *w, const struct sse_frame *f,
    struct buf *out)
{
	o->seen |= SEEN_MEANING;
	w->count.milli += (int64_t)f->raw.n * MILLI_A_BYTE;
	o->out_milli = w->count.milli;
	o->inside = f->kind == SSE_PART;
	pass(o, w, f->raw, true, out);
}

/* The LF of a CRLF goes where its frame went. */
static void
take_line_feed(struct watch *w, struct buf *out, struct buf *last)
{
	if (w->went == TO_OUT)
		buf_char(out, '\n');
	else if (w->went == TO_LAST)
		buf_char(last, '\n');
	else if (w->went == TO_TAIL)
		buf_char(&w->tail, '\n');
}

static void
take_frames(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	struct sse_frame f;

	sse_feed(&w->sse, piece);
	while (sse_next(&w->sse, &f)) {
		if (f.kind == SSE_TAIL)
			take_line_feed(w, out, last);
		else if (w->closed)
			w->went = TO_NOBODY;
		else if (f.kind == SSE_FRAME)
			take_frame(o, w, f.raw, out, last);
		else
			take_part(o, w, &f, out);
	}
}

/* What begins as no stream does is a page, or a JSON text. */
static void
look_at_begin(struct observer *o, struct watch *w, char first)
{
	w->began = true;
	w->misfit = first == '{';
	if (first == '<') {
		o->seen |= SEEN_BAD;
		w->closed = true;
	}
}

void
anthropic_stream_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	size_t n = 0;

	if (!w->began) {
		while (
		    n < piece.n && piece.p[n] && strchr(" \t\r\n", piece.p[n]))
			n++;
		take_frames(o, w, str_from(piece.p, n), out, last);
		piece = str_skip(piece, n);
		if (piece.n)
			look_at_begin(o, w, piece.p[0]);
	}
	if (w->misfit)
		anthropic_body_feed(o, w, piece, out, last);
	else
		take_frames(o, w, piece, out, last);
}

/*
 * Some leave the last blank line out.  A frame that is whole but for it is
 * ended for them, because more may be written behind it; anything else was
 * cut.
 */
static void
take_rest(
    struct observer *o, struct watch *w, struct buf *out, struct buf *last)
{
	struct str rest = sse_rest(&w->sse);
	struct sse_fields f;

	if (rest.n == 0 || w->closed || w->sse.large)
		return;
	sse_read(&w->sse, rest, &f);
	if (json_valid(f.data, NULL))
		take_frames(
		    o, w, w->sse.within ? S("\n\n") : S("\n"), out, last);
}

bool
anthropic_stream_finish(
    struct observer *o, struct watch *w, struct buf *out, struct buf *last)
{
	if (w->misfit)
		return anthropic_body_finish(o, w, last);
	take_rest(o, w, out, last);
	if (o->seen & (SEEN_ERROR | SEEN_BAD))
		return false;
	if (o->seen & SEEN_END)
		return true;
	if (!(o->seen & SEEN_STOP) || w->sse.large)
		return false;
	buf_put(last, buf_str(&w->tail));
	buf_clear(&w->tail);
	w->closed = true;
	return true;
}
