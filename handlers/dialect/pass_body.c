/* SPDX-License-Identifier: MIT */
/*
 * pass_body.c - watching an answer that is one JSON text; see pass.h.
 *
 * A short text that comes in one piece, as most do, is read where it lies.
 */
#include "fcgi/base/limits.h"
#include "handlers/dialect/pass.h"
#include "handlers/dialect/up_error.h"

_Static_assert(PASS_HEAD_BYTES >= LIMIT_KEEP_BACK &&
    PASS_HEAD_BYTES <= LIMIT_ERROR_BYTES, "what is kept back can be judged");

void
pass_refuse(struct observer *o, struct pass *p)
{
	o->seen |= SEEN_BAD;
	p->closed = true;
	buf_clear(p->last);
}

/* wire.md 7.1. */
bool
pass_looks_failed(const struct pass *p)
{
	struct str error = p->tap.values[p->words->error];

	if (!pass_found(p, p->words->error) ||
	    p->tap.found & p->words->answers)
		return false;
	return error.n == 0 || up_error_told(error);
}

struct str
pass_head(const struct pass *p)
{
	return str_trim(buf_str(&p->head));
}

static void
fail(struct observer *o, struct pass *p, struct str text)
{
	p->words->fail(o, p, text);
	buf_clear(p->last);
}

/* All of it has come. */
static void
judge(struct observer *o, struct pass *p, struct str text, struct str main)
{
	if (pass_looks_failed(p))
		fail(o, p, text.n ? text : pass_head(p));
	else
		p->words->judge(o, p, text, main);
}

/* What was fed to the tap is whole. */
static void
judge_fed(struct observer *o, struct pass *p)
{
	const char *main = p->tap.names[p->words->main];
	struct str text = { 0 };

	if (p->head.n == p->bytes) {
		if (!json_valid(buf_str(&p->head), NULL)) {
			pass_refuse(o, p);
			return;
		}
		text = pass_head(p);
	}
	judge(o, p, text, json_get(text, str_of(main)));
}

/* More than what is kept back has come. */
static void
decide(struct observer *o, struct pass *p)
{
	if (pass_looks_failed(p) || p->misfit) {
		p->failing = true;
		buf_clear(p->last);
	} else {
		p->passed = true;
		o->seen |= SEEN_MEANING;
	}
}

void
pass_keep_back(
    struct str piece, size_t keep, struct buf *out, struct buf *last)
{
	size_t all = last->n + piece.n, over, old;

	if (all > keep) {
		over = all - keep;
		old = over < last->n ? over : last->n;
		buf_put(out, str_from(last->p, old));
		buf_drop(last, old);
		buf_put(out, str_from(piece.p, over - old));
		piece = str_skip(piece, over - old);
	}
	buf_put(last, piece);
}

static void
forward(struct pass *p, struct str piece)
{
	if (!p->failing && !p->misfit)
		pass_keep_back(piece, LIMIT_KEEP_BACK, p->out, p->last);
}

/* Behind the text: blanks belong to it, all else is swallowed. */
static void
take_blanks(struct pass *p, struct str piece)
{
	size_t n = 0;

	while (n < piece.n && piece.p[n] && strchr(" \t\r\n", piece.p[n]))
		n++;
	if (n < piece.n)
		p->closed = true;
	forward(p, str_from(piece.p, n));
}

/* Takes the next bytes of the text; returns how many. */
static size_t
take(struct observer *o, struct pass *p, struct str piece)
{
	size_t n = piece.n, keep;

	if (p->bytes < LIMIT_KEEP_BACK && n > LIMIT_KEEP_BACK - p->bytes)
		n = LIMIT_KEEP_BACK - p->bytes;
	n = json_tap_feed(&p->tap, str_from(piece.p, n));
	keep = p->head.max - p->head.n;
	buf_put(&p->head, str_from(piece.p, n < keep ? n : keep));
	p->bytes += n;
	forward(p, str_from(piece.p, n));
	if (p->words->more)
		p->words->more(o, p, str_from(piece.p, n));
	else if (p->passed)
		o->out_milli = (int64_t)p->bytes * PASS_MILLI_A_BYTE;
	return n;
}

/*
 * The first piece, if it is all there is: checked and judged without the
 * tap, which would go through each byte of it once more and copy it.  False:
 * nothing has happened.
 */
static bool
take_whole(struct observer *o, struct pass *p, struct str piece)
{
	struct str text = str_trim(piece);
	struct json_members list;

	if (p->bytes || piece.n > LIMIT_KEEP_BACK || !str_ends(text, S("}")) ||
	    !json_members(text, &list, NULL) ||
	    !json_tap_whole(&p->tap, &list))
		return false;
	p->bytes = piece.n;
	forward(p, piece);
	judge(o, p, text, p->tap.values[p->words->main]);
	return true;
}

void
pass_body_feed(struct observer *o, struct pass *p, struct str piece,
    struct buf *out, struct buf *last)
{
	struct str rest = str_trim(piece);

	p->out = out;
	p->last = last;
	if (!p->began && rest.n) {
		p->began = true;
		if (rest.p[0] != '{')
			pass_refuse(o, p);
	}
	if (!p->closed && take_whole(o, p, piece))
		return;
	if (p->head.max == 0)
		p->head = BUF(o->arena, PASS_HEAD_BYTES);
	while (piece.n && !p->closed) {
		if (p->tap.whole) {
			take_blanks(p, piece);
			return;
		}
		if (p->bytes >= LIMIT_KEEP_BACK && !p->passed && !p->failing)
			decide(o, p);
		piece = str_skip(piece, take(o, p, piece));
		if (p->tap.bad)
			pass_refuse(o, p);
		else if (p->tap.whole)
			judge_fed(o, p);
	}
}

bool
pass_body_finish(struct observer *o, struct pass *p, struct buf *last)
{
	p->last = last;
	if (o->seen & (SEEN_ERROR | SEEN_BAD))
		return false;
	if (o->seen & SEEN_END)
		return true;
	if (p->failing)
		fail(o, p, pass_head(p));
	else if (!p->passed)
		pass_refuse(o, p);
	return false;
}
