/* SPDX-License-Identifier: MIT */
/* pass_stream.c - watching a stream go by; see pass.h. */
#include "fcgi/base/limits.h"
#include "handlers/dialect/pass.h"

static void
drop(void *object)
{
	struct pass *p = object;

	sse_release(&p->sse);
	buf_release(&p->tail);
}

void
pass_observe(struct observer *o, struct pass *p,
    const struct pass_words *words, const char *const *taps)
{
	p->words = words;
	sse_init(&p->sse);
	p->tail = BUF_HEAP(LIMIT_EVENT_BYTES);
	json_tap_init(&p->tap, o->arena, taps, LIMIT_KEEP_BACK);
	arena_attach(o->arena, drop, p);
	o->seen = 0;
	o->tokens = TOKENS_ABSENT;
	o->out_milli = 0;
	o->model = o->service_tier = (struct str){ 0 };
	o->error = (struct up_error){ 0 };
	o->inside = false;
}

/* --- Frames --------------------------------------------------------------- */

/* What was kept turns out not to be the end. */
static void
flush_tail(struct pass *p)
{
	if (p->tail.n)
		buf_put(p->out, buf_str(&p->tail));
	buf_clear(&p->tail);
}

void
pass_frame(struct observer *o, struct pass *p, struct str raw, bool content)
{
	bool wait = (o->seen & SEEN_STOP) && !content;

	if (wait && raw.n < p->tail.max - p->tail.n) {
		buf_put(&p->tail, raw);
		p->went = TO_TAIL;
		return;
	}
	flush_tail(p);
	buf_put(p->out, raw);
	p->went = TO_OUT;
}

bool
pass_counted(const struct observer *o)
{
	return o->tokens.in_total > 0 || o->tokens.out_total > 0;
}

void
pass_end(struct observer *o, struct pass *p, struct str raw)
{
	p->closed = true;
	p->went = TO_NOBODY;
	if (!(o->seen & SEEN_MEANING) && !pass_counted(o)) {
		o->seen |= SEEN_BAD | SEEN_EMPTY;
		return;
	}
	flush_tail(p);
	buf_put(p->last, raw);
	p->went = TO_LAST;
	o->seen |= SEEN_MEANING | SEEN_END;
}

void
pass_failed(struct observer *o, struct pass *p)
{
	o->seen |= SEEN_ERROR;
	p->closed = true;
	p->went = TO_NOBODY;
	buf_clear(&p->tail);
}

/* A part of a frame too large to look into: surely content. */
static void
take_part(struct observer *o, struct pass *p, const struct sse_frame *f)
{
	o->seen |= SEEN_MEANING;
	p->count.milli += (int64_t)f->raw.n * PASS_MILLI_A_BYTE;
	o->out_milli = p->count.milli;
	o->inside = f->kind == SSE_PART;
	pass_frame(o, p, f->raw, true);
}

/* The LF of a CRLF goes where its frame went. */
static void
take_line_feed(struct pass *p)
{
	if (p->went == TO_OUT)
		buf_char(p->out, '\n');
	else if (p->went == TO_LAST)
		buf_char(p->last, '\n');
	else if (p->went == TO_TAIL)
		buf_char(&p->tail, '\n');
}

static void
take_frames(struct observer *o, struct pass *p, struct str piece)
{
	struct sse_frame f;

	sse_feed(&p->sse, piece);
	while (sse_next(&p->sse, &f)) {
		if (f.kind == SSE_TAIL) {
			take_line_feed(p);
		} else if (p->closed) {
			p->went = TO_NOBODY;
		} else if (f.kind == SSE_FRAME) {
			o->inside = false;
			p->words->frame(o, p, f.raw);
		} else if (p->words->part) {
			p->words->part(o, p, &f);
		} else {
			take_part(o, p, &f);
		}
	}
}

/* --- The stream ----------------------------------------------------------- */

/* What begins as no stream does is a page, or a JSON text. */
static void
look_at_begin(struct observer *o, struct pass *p, char first)
{
	p->began = true;
	p->misfit = first == '{';
	if (first == '<') {
		o->seen |= SEEN_BAD;
		p->closed = true;
	}
}

void
pass_stream_feed(struct observer *o, struct pass *p, struct str piece,
    struct buf *out, struct buf *last)
{
	size_t n = 0;

	p->out = out;
	p->last = last;
	if (!p->began) {
		while (
		    n < piece.n && piece.p[n] && strchr(" \t\r\n", piece.p[n]))
			n++;
		take_frames(o, p, str_from(piece.p, n));
		piece = str_skip(piece, n);
		if (piece.n)
			look_at_begin(o, p, piece.p[0]);
	}
	if (p->misfit)
		pass_body_feed(o, p, piece, out, last);
	else
		take_frames(o, p, piece);
}

void
pass_rest(struct observer *o, struct pass *p)
{
	struct str rest = sse_rest(&p->sse), mark = p->words->end_mark;
	struct sse_fields f;

	if (rest.n == 0 || p->closed || p->sse.large)
		return;
	sse_read(&p->sse, rest, &f);
	/* Anything else was cut. */
	if ((mark.n && str_starts(str_trim(f.data), mark)) ||
	    json_valid(f.data, NULL))
		take_frames(o, p, p->sse.within ? S("\n\n") : S("\n"));
}

bool
pass_stream_finish(
    struct observer *o, struct pass *p, struct buf *out, struct buf *last)
{
	if (p->misfit)
		return pass_body_finish(o, p, last);
	p->out = out;
	p->last = last;
	pass_rest(o, p);
	if (o->seen & (SEEN_ERROR | SEEN_BAD))
		return false;
	if (o->seen & SEEN_END)
		return true;
	if (!(o->seen & SEEN_STOP) || p->sse.large)
		return false;
	buf_put(last, buf_str(&p->tail));
	buf_clear(&p->tail);
	p->closed = true;
	return true;
}
