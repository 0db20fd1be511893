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

/* MAIN: what makes it an answer of its endpoint; DATA may stand for it. */
enum tap { USAGE, ERROR, MODEL, TIER, MAIN, DATA, MORE, DURATION };

#define TAPS(main, data, more) \
	{ \
		[USAGE] = "usage", [ERROR] = "error", [MODEL] = "model", \
		[TIER] = "service_tier", [MAIN] = main, [DATA] = data, \
		[MORE] = more, [DURATION] = "duration", NULL, \
	}

static const char *const chat_taps[] = TAPS("choices", "data", "x_groq");
static const char *const data_taps[] = TAPS("data", "", "x_groq");
static const char *const result_taps[] = TAPS("results", "data", "meta");
static const char *const text_taps[] = TAPS("text", "data", "x_groq");

const char *const *
openai_body_taps(enum endpoint endpoint)
{
	switch (endpoint) {
	case ENDPOINT_CHAT:
	case ENDPOINT_COMPLETIONS:
		return chat_taps;
	case ENDPOINT_MODERATIONS:
	case ENDPOINT_RERANK:
	case ENDPOINT_RERANK_V2:
		return result_taps;
	case ENDPOINT_TRANSCRIPTIONS:
	case ENDPOINT_TRANSLATIONS:
		return text_taps;
	default:
		return data_taps;
	}
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

/* wire.md 7.1: an error, and no answer beside it. */
static bool
looks_failed(const struct watch *w)
{
	struct str error = w->tap.values[ERROR];

	if (!found(w, ERROR) || found(w, MAIN) || found(w, DATA))
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
	openai_read_usage(o, json_get(v[MORE], S("usage")));
	openai_read_usage(o, v[USAGE]);
	if (endpoint_is_text(o->endpoint))
		return;
	openai_read_billed(o, v[MORE]);
	if (o->tokens.seconds < 0)
		o->tokens.seconds = openai_seconds(v[DURATION]);
}

/* Is it what its endpoint answers with? */
static bool
is_answer(const struct observer *o, const struct watch *w)
{
	bool ranked = o->endpoint == ENDPOINT_RERANK ||
	    o->endpoint == ENDPOINT_RERANK_V2;

	return o->endpoint != ENDPOINT_SPEECH &&
	    (found(w, MAIN) || (ranked && found(w, DATA)));
}

/* How many there are in a list, up to a limit. */
static int64_t
length_of(struct str list)
{
	int64_t n = 0;

	for (struct json_each m = json_each(list); json_next(&m);)
		n++;
	return n;
}

/* The estimate of the output: of its text, if that could be read. */
static void
estimate(struct observer *o, struct watch *w, bool read)
{
	if (o->endpoint == ENDPOINT_TRANSCRIPTIONS ||
	    o->endpoint == ENDPOINT_TRANSLATIONS)
		w->count.milli = tokens_string_milli(w->tap.values[MAIN]);
	else if (o->endpoint >= ENDPOINT_EMBEDDINGS)
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
	bool chat = o->endpoint < ENDPOINT_EMBEDDINGS;
	bool counted;
	struct glance g = { .any = true, .meaning = true };

	read_facts(o, w);
	counted = o->tokens.in_total > 0 || o->tokens.out_total > 0;
	if (text.n && chat)
		openai_look(w, json_each(choices), &g);
	if (looks_failed(w) || g.failure.n) {
		openai_fail(o, w, text.n ? text : head(w), g.failure);
		buf_clear(last);
		return;
	}
	if (w->misfit || !is_answer(o, w)) {
		refuse(o, w, last);
		return;
	}
	if (!g.meaning && !g.stop && !counted) {
		o->seen |= SEEN_EMPTY;
		refuse(o, w, last);
		return;
	}
	estimate(o, w, text.n);
	if (o->pictures && text.n)
		o->tokens.pictures = length_of(choices);
	else if (w->pictures)
		o->tokens.pictures = w->pictures;
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
	judge(o, w, text,
	    json_get(text, str_of(openai_body_taps(o->endpoint)[MAIN])), last);
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

void
openai_keep_back(
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
forward(struct str piece, struct buf *out, struct buf *last)
{
	openai_keep_back(piece, LIMIT_KEEP_BACK, out, last);
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

/*
 * Pictures in a text too large to look into.  No string holds that name with
 * its quotes but as a whole, and those of base64 hold no quote at all.
 */
static void
count_pictures(struct watch *w, struct str piece)
{
	static const char name[] = "\"b64_json\"";
	const char *p = piece.p, *end = p + piece.n;

	while (p && p < end) {
		if (w->match == 0) {
			p = memchr(p, '"', (size_t)(end - p));
			w->match = p != NULL;
			p = p ? p + 1 : NULL;
			continue;
		}
		if (*p != name[w->match])
			w->match = *p == '"';
		else if (++w->match == sizeof(name) - 1) {
			w->pictures++;
			w->match = 0;
		}
		p++;
	}
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
	if (o->pictures)
		count_pictures(w, str_from(piece.p, n));
	keep = w->head.max - w->head.n;
	buf_put(&w->head, str_from(piece.p, n < keep ? n : keep));
	w->bytes += n;
	if (!w->failing && !w->misfit)
		forward(str_from(piece.p, n), out, last);
	if (!w->passed)
		return n;
	estimate(o, w, false);
	if (w->pictures)
		o->tokens.pictures = w->pictures;
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
	judge(o, w, text, w->tap.values[MAIN], last);
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
