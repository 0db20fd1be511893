/* SPDX-License-Identifier: MIT */
/*
 * openai_answer.c - watching a stream go by.
 *
 * Every frame is passed on as its bytes came, or not at all.  Not passed are:
 * the usage chunk that only we asked for, an error (the relay writes its own),
 * and all that follows [DONE].  [DONE] itself goes to `last`.  Because some
 * upstreams never send it, what follows a finish reason is kept until more
 * content or [DONE] shows that it was not the end; if the upstream closes
 * instead, that is the terminal part and goes to `last`.  So nobody has a
 * complete answer before it is settled.
 */
#include "fcgi/base/limits.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/up_error.h"

enum { MILLI_A_BYTE = 250 /* of a frame that is not read */ };

/* What is of interest in a chunk. */
struct chunk {
	struct glance glance;
	struct str usage, error, groq;
};

/* What was counted before, if the choices do not count. */
struct mark {
	struct token_count count;
	unsigned run;
};

static void
count_from(struct watch *w, const struct mark *before)
{
	w->count = before->count;
	w->run = before->run;
}

/* Of several choices members the last one counts, of a damaged one nothing. */
static void
read_choices(struct watch *w, struct json_each *m, const struct mark *before,
    struct glance *g)
{
	count_from(w, before);
	openai_look(w, json_inside(m), g);
	if (json_pass(m).n)
		return;
	count_from(w, before);
	*g = (struct glance){ 0 };
}

static void
read_chunk(struct observer *o, struct watch *w, struct str data,
    struct chunk *c)
{
	const struct mark before = { w->count, w->run };

	*c = (struct chunk){ 0 };
	for (struct json_each m = json_each(data); json_reach(&m);) {
		if (str_eq(m.name, S("choices"))) {
			read_choices(w, &m, &before, &c->glance);
		} else if (str_eq(m.name, S("usage"))) {
			c->usage = json_pass(&m);
		} else if (str_eq(m.name, S("error"))) {
			c->error = json_pass(&m);
		} else if (str_eq(m.name, S("x_groq"))) {
			c->groq = json_pass(&m);
		} else if (str_eq(m.name, S("model"))) {
			openai_read_model(o, m.value);
		} else if (str_eq(m.name, S("service_tier"))) {
			openai_read_tier(o, m.value);
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

static bool
is_object(struct str value)
{
	return json_kind(value) == JSON_IS_OBJECT;
}

static void
take_chunk(struct observer *o, struct watch *w, struct str raw,
    const struct sse_fields *f, struct buf *out)
{
	struct str data = str_trim(f->data);
	struct chunk c;
	const struct glance *g = &c.glance;

	read_chunk(o, w, data, &c);
	o->out_milli = w->count.milli;
	if (is_object(c.groq))
		openai_read_usage(o, json_get(c.groq, S("usage")));
	if (c.usage.n)
		openai_read_usage(o, c.usage);
	if (up_error_told(c.error) || g->failure.n ||
	    str_eq(f->event, S("error"))) {
		openai_fail(o, w, data, g->failure);
		w->went = TO_NOBODY;
		return;
	}
	if (g->meaning || g->stop)
		o->seen |= SEEN_MEANING;
	if (g->stop)
		o->seen |= SEEN_STOP;
	if (!g->any && o->hide_usage && is_object(c.usage))
		w->went = TO_NOBODY;
	else
		pass(o, w, raw, g->meaning && !g->stop, out);
}

/* The end: an answer in which nothing came at all is none. */
static void
take_done(struct observer *o, struct watch *w, struct str raw, struct buf *out,
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

static void
take_frame(struct observer *o, struct watch *w, struct str raw, struct buf *out,
    struct buf *last)
{
	struct sse_fields f;
	struct str data;

	sse_read(&w->sse, raw, &f);
	data = str_trim(f.data);
	if (str_starts(data, S("[DONE]")))
		take_done(o, w, raw, out, last);
	else if (str_eq(f.event, S("error")) || (data.n && data.p[0] == '{'))
		take_chunk(o, w, raw, &f, out);
	else
		pass(o, w, raw, false, out);
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
void
openai_look_at_begin(struct observer *o, struct watch *w, char first)
{
	w->began = true;
	w->misfit = first == '{';
	if (first == '<') {
		o->seen |= SEEN_BAD;
		w->closed = true;
	}
}

void
openai_stream_feed(struct observer *o, struct watch *w, struct str piece,
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
			openai_look_at_begin(o, w, piece.p[0]);
	}
	if (w->misfit)
		openai_body_feed(o, w, piece, out, last);
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
	if (str_starts(str_trim(f.data), S("[DONE]")) ||
	    json_valid(f.data, NULL))
		take_frames(
		    o, w, w->sse.within ? S("\n\n") : S("\n"), out, last);
}

bool
openai_stream_finish(
    struct observer *o, struct watch *w, struct buf *out, struct buf *last)
{
	if (w->misfit)
		return openai_body_finish(o, w, last);
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
