/* SPDX-License-Identifier: MIT */
/*
 * openai_body.c - watching an answer that is one JSON text.
 *
 * Its bytes go on unchanged, the last LIMIT_KEEP_BACK of them only when it is
 * settled.  Until more than those have come it may still turn out to be an
 * error or no answer at all; then nothing of it is passed on.  A text up to
 * HEAD_BYTES is checked and read as a whole; of a larger one the tap takes
 * what stands at the top, and its output is estimated by its size.  A short
 * text that comes in one piece, as most do, is read where it lies.
 */
#include "fcgi/base/limits.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/up_error.h"

enum {
	HEAD_BYTES = 65536,
	MILLI_A_BYTE = 250 /* of a text too large to look into */
};

_Static_assert(HEAD_BYTES >= LIMIT_KEEP_BACK && HEAD_BYTES <= LIMIT_ERROR_BYTES,
    "what is kept back can be judged");

enum tap { USAGE, ERROR, MODEL, TIER, CHOICES, DATA, GROQ };

const char *const openai_body_taps[] = {
	[USAGE] = "usage",
	[ERROR] = "error",
	[MODEL] = "model",
	[TIER] = "service_tier",
	[CHOICES] = "choices",
	[DATA] = "data",
	[GROQ] = "x_groq",
	NULL,
};

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

/* wire.md 7.1: an error, and no answer beside it. */
static bool
looks_failed(const struct watch *w)
{
	struct str error = w->tap.values[ERROR];

	if (!found(w, ERROR) || found(w, CHOICES) || found(w, DATA))
		return false;
	return error.n == 0 || up_error_told(error);
}

/* The first bytes, as far as they are kept. */
static struct str
head(const struct watch *w)
{
	return str_trim(buf_str(&w->head));
}

static void
read_facts(struct observer *o, struct watch *w)
{
	const struct str *v = w->tap.values;

	openai_read_model(o, v[MODEL]);
	openai_read_tier(o, v[TIER]);
	openai_read_usage(o, json_get(v[GROQ], S("usage")));
	openai_read_usage(o, v[USAGE]);
}

/* The estimate of the output: of its text, if that could be read. */
static void
estimate(struct observer *o, struct watch *w, bool read)
{
	if (o->endpoint == ENDPOINT_EMBEDDINGS)
		return;
	o->out_milli = read ? w->count.milli : (int64_t)w->bytes * MILLI_A_BYTE;
}

/*
 * All of it has come: is it an answer?  text is what is left to look into,
 * checked, and choices a part of it; empty: too large, the tap must do.
 */
static void
judge(struct observer *o, struct watch *w, struct str text,
    struct str choices, struct buf *last)
{
	bool embeddings = o->endpoint == ENDPOINT_EMBEDDINGS;
	bool counted;
	struct glance g = { .any = true, .meaning = true };

	read_facts(o, w);
	counted = o->tokens.in_total >= 0 || o->tokens.out_total >= 0;
	if (text.n && !embeddings)
		openai_look(w, json_each(choices), &g);
	if (looks_failed(w) || g.failure.n) {
		openai_fail(o, w, text.n ? text : head(w), g.failure);
		buf_clear(last);
		return;
	}
	if (w->misfit || !found(w, embeddings ? DATA : CHOICES) ||
	    (!g.meaning && !g.stop && !counted)) {
		refuse(o, w, last);
		return;
	}
	estimate(o, w, text.n);
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
		text = head(w);
	}
	judge(o, w, text, json_get(text, S("choices")), last);
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

	while (n < piece.n && strchr(" \t\r\n", piece.p[n]) && piece.p[n])
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
		estimate(o, w, false);
	return n;
}

/*
 * The first piece, if it is all there is: checked and judged without the
 * tap, which would go through each byte of it once more and copy it.  False:
 * nothing has happened.
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
	judge(o, w, text, w->tap.values[CHOICES], last);
	return true;
}

void
openai_body_feed(struct observer *o, struct watch *w, struct str piece,
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
openai_body_finish(struct observer *o, struct watch *w, struct buf *last)
{
	if (o->seen & (SEEN_ERROR | SEEN_BAD))
		return false;
	if (o->seen & SEEN_END)
		return true;
	if (w->failing) {
		openai_fail(o, w, head(w), (struct str){ 0 });
		buf_clear(last);
	} else if (!w->passed) {
		refuse(o, w, last);
	}
	return false;
}
