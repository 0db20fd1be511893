/* SPDX-License-Identifier: MIT */
/*
 * openai_media.c - watching streams of pictures and sound, and bare bytes.
 *
 * These streams have no [DONE]: the frame that brings the finished thing is
 * the terminal one, carries the usage, and waits in `last` for the settlement.
 * Several pictures are several such frames; each goes out when the next comes.
 * A finished picture is larger than a frame that is held whole: its parts go
 * through `last`, which keeps the end back, while the tap picks the usage out.
 *
 * Sound that comes as bytes, and plain text, pass on unread but for their last
 * bytes; they are whole when their transport says so.
 */
#include "fcgi/base/limits.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/up_error.h"

enum {
	KEEP_BYTES = 1024, /* of sound or text: a moment of it, no more */
	PARTIAL_MILLI = 100000, /* of an unfinished picture */
	FINISHED_MILLI = 1056000, /* of a finished one, until somebody says */
	SOUND_MILLI = 20800, /* a second of speech */
	TYPE_BYTES = 512 /* where a large frame says what it is */
};

/* Is this what a finished thing calls itself? */
static bool
is_terminal(struct str type)
{
	return str_eq(type, S("image_generation.completed")) ||
	    str_eq(type, S("image_edit.completed")) ||
	    str_eq(type, S("speech.audio.done")) ||
	    str_eq(type, S("transcript.text.done"));
}

static bool
is_partial(struct str type)
{
	return str_ends(type, S(".partial_image"));
}

static bool
makes_pictures(const struct observer *o)
{
	return o->endpoint == ENDPOINT_IMAGES ||
	    o->endpoint == ENDPOINT_IMAGE_EDITS;
}

/* A string value without its quotes; our types hold no escapes. */
static struct str
bare(struct str value)
{
	if (json_kind(value) != JSON_IS_STRING || value.n < 2)
		return (struct str){ 0 };
	return str_from(value.p + 1, value.n - 2);
}

/* The finished thing before this one turns out not to be the last. */
static void
let_go(struct buf *out, struct buf *last)
{
	buf_put(out, buf_str(last));
	buf_clear(last);
}

static void
take_end(struct observer *o, struct watch *w, struct str usage)
{
	openai_read_usage(o, usage);
	w->ends++;
	if (makes_pictures(o))
		o->tokens.pictures = w->ends;
	o->seen |= SEEN_MEANING | SEEN_STOP;
	if (w->ends < o->pictures)
		return;
	o->seen |= SEEN_END;
	w->closed = true;
}

/* What a frame that is no end makes, about. */
static void
count_output(struct observer *o, struct watch *w, struct str type,
    struct str data)
{
	struct str text;

	if (is_partial(type)) {
		w->count.milli += PARTIAL_MILLI;
	} else if (str_eq(type, S("transcript.text.delta"))) {
		text = bare(json_get(data, S("delta")));
		tokens_add_raw(&w->count, text);
	} else if (str_eq(type, S("speech.audio.delta")) && o->sound_rate) {
		text = bare(json_get(data, S("audio")));
		w->count.milli += (int64_t)text.n * 3 / 4 * SOUND_MILLI /
		    o->sound_rate;
	}
	o->out_milli = w->count.milli;
}

static void
take_frame(struct observer *o, struct watch *w, struct str raw, struct buf *out,
    struct buf *last)
{
	struct sse_fields f;
	struct str data, type;

	sse_read(&w->sse, raw, &f);
	data = str_trim(f.data);
	type = bare(json_get(data, S("type")));
	if (type.n == 0)
		type = f.event;
	if (up_error_told(json_get(data, S("error"))) ||
	    str_eq(type, S("error")) || str_eq(f.event, S("error"))) {
		openai_fail(o, w, data, (struct str){ 0 });
		w->went = TO_NOBODY;
		return;
	}
	let_go(out, last);
	if (is_terminal(type)) {
		buf_put(last, raw);
		w->went = TO_LAST;
		take_end(o, w, json_get(data, S("usage")));
		return;
	}
	buf_put(out, raw);
	w->went = TO_OUT;
	if (f.has_data) {
		o->seen |= SEEN_MEANING;
		count_output(o, w, type, data);
	}
}

/* The first part of a large frame: its event's name, or its type member. */
static bool
begins_an_end(struct str raw)
{
	static const struct str types[] = {
		STR_INIT("image_generation.completed"),
		STR_INIT("image_edit.completed"),
		STR_INIT("speech.audio.done"),
		STR_INIT("transcript.text.done"),
	};

	raw.n = raw.n < TYPE_BYTES ? raw.n : TYPE_BYTES;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_has(raw, types[i]))
			return true;
	return false;
}

static void
begin_large(struct observer *o, struct watch *w, struct str raw,
    struct buf *out, struct buf *last)
{
	const char *brace = memchr(raw.p, '{', raw.n);

	let_go(out, last);
	w->large = true;
	w->large_end = begins_an_end(raw);
	if (makes_pictures(o))
		w->count.milli += w->large_end ? FINISHED_MILLI : PARTIAL_MILLI;
	o->out_milli = w->count.milli;
	json_tap_init(&w->tap, o->arena, openai_body_taps(o->endpoint),
	    LIMIT_KEEP_BACK);
	if (brace)
		json_tap_feed(&w->tap,
		    str_skip(raw, (size_t)(brace - raw.p)));
}

static void
take_part(struct observer *o, struct watch *w, const struct sse_frame *f,
    struct buf *out, struct buf *last)
{
	if (!w->large)
		begin_large(o, w, f->raw, out, last);
	else if (!w->tap.whole)
		json_tap_feed(&w->tap, f->raw);
	o->seen |= SEEN_MEANING;
	o->inside = f->kind == SSE_PART;
	if (!w->large_end) {
		buf_put(out, f->raw);
		w->went = TO_OUT;
	} else {
		openai_keep_back(f->raw, LIMIT_KEEP_BACK, out, last);
		w->went = TO_LAST;
	}
	if (f->kind != SSE_LAST_PART)
		return;
	w->large = false;
	if (!w->large_end)
		return;
	/* Its end is still here: nothing may stand between. */
	o->inside = true;
	take_end(o, w, w->tap.values[0]);
}

static void
take_line_feed(struct watch *w, struct buf *out, struct buf *last)
{
	if (w->went == TO_OUT)
		buf_char(out, '\n');
	else if (w->went == TO_LAST)
		buf_char(last, '\n');
}

static void
take_frames(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	struct sse_frame f;

	sse_feed(&w->sse, piece);
	while (sse_next(&w->sse, &f)) {
		if (f.kind == SSE_TAIL) {
			take_line_feed(w, out, last);
		} else if (w->closed) {
			w->went = TO_NOBODY;
		} else if (f.kind == SSE_FRAME) {
			o->inside = false;
			take_frame(o, w, f.raw, out, last);
		} else {
			take_part(o, w, &f, out, last);
		}
	}
}

void
openai_media_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	size_t n = 0;

	if (!w->began) {
		while (n < piece.n && piece.p[n] &&
		    strchr(" \t\r\n", piece.p[n]))
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

/* The last blank line may be missing; fewer pictures may have come. */
bool
openai_media_finish(
    struct observer *o, struct watch *w, struct buf *out, struct buf *last)
{
	struct str rest = sse_rest(&w->sse);
	struct sse_fields f;

	if (w->misfit)
		return openai_body_finish(o, w, last);
	if (rest.n && !w->closed && !w->sse.large) {
		sse_read(&w->sse, rest, &f);
		if (json_valid(f.data, NULL))
			take_frames(o, w, w->sse.within ? S("\n\n") : S("\n"),
			    out, last);
	}
	if (o->seen & (SEEN_ERROR | SEEN_BAD) || w->sse.large)
		return false;
	if (w->ends == 0)
		return false;
	w->closed = true;
	o->seen |= SEEN_END;
	return true;
}

/* --- Bytes --- */

void
openai_bytes_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	w->bytes += piece.n;
	if (o->endpoint != ENDPOINT_SPEECH) {
		tokens_add(&w->count, piece);
		o->out_milli = w->count.milli;
	} else if (o->sound_rate) {
		o->out_milli = (int64_t)((__int128)w->bytes * SOUND_MILLI /
		    o->sound_rate);
	}
	openai_keep_back(piece, KEEP_BYTES, out, last);
	if (w->bytes)
		o->seen |= SEEN_MEANING;
}

/* An empty transcript is one: there was silence.  Empty sound is none. */
bool
openai_bytes_finish(struct observer *o, struct watch *w)
{
	if (w->bytes == 0 && o->endpoint == ENDPOINT_SPEECH) {
		o->seen |= SEEN_BAD;
		return false;
	}
	o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
	return true;
}
