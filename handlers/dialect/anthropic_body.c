/* SPDX-License-Identifier: MIT */
/*
 * anthropic_body.c - watching an answer that is one JSON text.
 *
 * Its bytes go on unchanged, the last LIMIT_KEEP_BACK of them only when it is
 * settled.  Until more than those have come it may still turn out to be an
 * error or no answer at all; then nothing of it is passed on.  A text up to
 * HEAD_BYTES is checked and read as a whole; of a larger one the tap takes
 * what stands at the top, and its output is estimated by its size.
 */
#include "fcgi/base/limits.h"
#include "handlers/dialect/anthropic.h"
#include "handlers/dialect/up_error.h"

enum {
	HEAD_BYTES = 65536,
	MILLI_A_BYTE = 250 /* of a text too large to look into */
};

enum tap { USAGE, ERROR, MODEL, CONTENT, STOP, INPUT };

static const char *const taps[] = {
	[USAGE] = "usage",
	[ERROR] = "error",
	[MODEL] = "model",
	[CONTENT] = "content",
	[STOP] = "stop_reason",
	[INPUT] = "input_tokens",
	NULL,
};

void
anthropic_body_init(struct observer *o, struct watch *w)
{
	json_tap_init(&w->tap, o->arena, taps, LIMIT_KEEP_BACK);
}

static bool
found(const struct watch *w, enum tap tap)
{
	return w->tap.found & 1u << tap;
}

/* It cannot be what was asked for: nothing that is kept may go out. */
static void
refuse(struct observer *o, struct watch *w, struct buf *last)
{
	o->seen |= SEEN_BAD;
	w->closed = true;
	buf_clear(last);
}

/* An error, and no answer beside it. */
static bool
looks_failed(const struct watch *w)
{
	struct str error = w->tap.values[ERROR];

	if (!found(w, ERROR) || found(w, CONTENT) || found(w, INPUT))
		return false;
	return error.n == 0 || up_error_told(error);
}

static void
fail(struct observer *o, struct watch *w, struct str text, struct buf *last)
{
	anthropic_fail(o, w, text);
	buf_clear(last);
}

/* How many tokens the texts of the content are. */
static bool
look_at_content(struct watch *w, struct str content)
{
	bool meaning = false;
	int64_t n = 0;

	for (struct json_each m = json_each(content); json_next(&m);)
		meaning |= anthropic_look(w, n++, m.value);
	return meaning;
}

/*
 * All of it has come: is it an answer?  text is what is left to look into,
 * checked; empty: too large, the tap must do.
 */
static void
judge(struct observer *o, struct watch *w, struct str text, struct str content,
    struct buf *last)
{
	const struct str *v = w->tap.values;
	bool counting = o->endpoint == ENDPOINT_COUNT_TOKENS, good;

	if (looks_failed(w)) {
		fail(o, w, text.n ? text : str_trim(buf_str(&w->head)), last);
		return;
	}
	anthropic_read_model(o, v[MODEL]);
	anthropic_read_usage(o, w, v[USAGE]);
	good = counting || !text.n || look_at_content(w, content) ||
	    anthropic_stopped(v[STOP]) || o->tokens.in_total > 0 ||
	    o->tokens.out_total > 0;
	if (w->misfit || !found(w, counting ? INPUT : CONTENT)) {
		refuse(o, w, last);
		return;
	}
	if (!good) {
		o->seen |= SEEN_EMPTY;
		refuse(o, w, last);
		return;
	}
	o->out_milli =
	    text.n ? w->count.milli : (int64_t)w->bytes * MILLI_A_BYTE;
	o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
}

/* What was fed to the tap is whole. */
static void
judge_fed(struct observer *o, struct watch *w, struct buf *last)
{
	struct str text = { 0 };

	if (w->head.n == w->bytes) {
		if (!json_valid(buf_str(&w->head), NULL)) {
			refuse(o, w, last);
			return;
		}
		text = str_trim(buf_str(&w->head));
	}
	judge(o, w, text, json_get(text, S("content")), last);
}

/* More than what is kept back has come. */
static void
decide(struct observer *o, struct watch *w, struct buf *last)
{
	if (looks_failed(w) || w->misfit) {
		w->failing = true;
		buf_clear(last);
	} else {
		w->passed = true;
		o->seen |= SEEN_MEANING;
	}
}

/* Through `last`, whose newest LIMIT_KEEP_BACK bytes stay. */
static void
forward(struct str piece, struct buf *out, struct buf *last)
{
	size_t all = last->n + piece.n, over, old;

	if (all > LIMIT_KEEP_BACK) {
		over = all - LIMIT_KEEP_BACK;
		old = over < last->n ? over : last->n;
		buf_put(out, str_from(last->p, old));
		buf_drop(last, old);
		buf_put(out, str_from(piece.p, over - old));
		piece = str_skip(piece, over - old);
	}
	buf_put(last, piece);
}

/* Behind the text: blanks belong to it, all else is swallowed. */
static void
take_blanks(
    struct watch *w, struct str piece, struct buf *out, struct buf *last)
{
	size_t n = 0;

	while (n < piece.n && piece.p[n] && strchr(" \t\r\n", piece.p[n]))
		n++;
	if (n < piece.n)
		w->closed = true;
	if (!w->failing && !w->misfit)
		forward(str_from(piece.p, n), out, last);
}

/* Takes the next bytes of the text; returns how many. */
static size_t
take(struct observer *o, struct watch *w, struct str piece, struct buf *out,
    struct buf *last)
{
	size_t n = piece.n, keep;

	if (w->bytes < LIMIT_KEEP_BACK && n > LIMIT_KEEP_BACK - w->bytes)
		n = LIMIT_KEEP_BACK - w->bytes;
	n = json_tap_feed(&w->tap, str_from(piece.p, n));
	keep = w->head.max - w->head.n;
	buf_put(&w->head, str_from(piece.p, n < keep ? n : keep));
	w->bytes += n;
	if (!w->failing && !w->misfit)
		forward(str_from(piece.p, n), out, last);
	if (w->passed)
		o->out_milli = (int64_t)w->bytes * MILLI_A_BYTE;
	return n;
}

/*
 * The first piece, if it is all there is: checked and judged without the
 * tap.  False: nothing has happened.
 */
static bool
take_whole(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	struct str text = str_trim(piece);
	struct json_members list;

	if (w->bytes || piece.n > LIMIT_KEEP_BACK || !str_ends(text, S("}")) ||
	    !json_members(text, &list, NULL) ||
	    !json_tap_whole(&w->tap, &list))
		return false;
	w->bytes = piece.n;
	if (!w->misfit)
		forward(piece, out, last);
	judge(o, w, text, w->tap.values[CONTENT], last);
	return true;
}

void
anthropic_body_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	struct str rest = str_trim(piece);

	if (!w->began && rest.n) {
		w->began = true;
		if (rest.p[0] != '{')
			refuse(o, w, last);
	}
	if (!w->closed && take_whole(o, w, piece, out, last))
		return;
	if (w->head.max == 0)
		w->head = BUF(o->arena, HEAD_BYTES);
	while (piece.n && !w->closed) {
		if (w->tap.whole) {
			take_blanks(w, piece, out, last);
			return;
		}
		if (w->bytes >= LIMIT_KEEP_BACK && !w->passed && !w->failing)
			decide(o, w, last);
		piece = str_skip(piece, take(o, w, piece, out, last));
		if (w->tap.bad)
			refuse(o, w, last);
		else if (w->tap.whole)
			judge_fed(o, w, last);
	}
}

bool
anthropic_body_finish(struct observer *o, struct watch *w, struct buf *last)
{
	if (o->seen & (SEEN_ERROR | SEEN_BAD))
		return false;
	if (o->seen & SEEN_END)
		return true;
	if (w->failing)
		fail(o, w, str_trim(buf_str(&w->head)), last);
	else if (!w->passed)
		refuse(o, w, last);
	return false;
}
