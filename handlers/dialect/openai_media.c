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
#include "fcgi/base/mem.h"
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
let_go(struct pass *p)
{
	buf_put(p->out, buf_str(p->last));
	buf_clear(p->last);
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
	w->pass.closed = true;
}

/* What a frame that is no end makes, about. */
static void
count_output(struct observer *o, struct watch *w, struct str type,
    struct str data)
{
	struct str text;

	if (is_partial(type)) {
		w->pass.count.milli += PARTIAL_MILLI;
	} else if (str_eq(type, S("transcript.text.delta"))) {
		text = bare(json_get(data, S("delta")));
		tokens_add_raw(&w->pass.count, text);
	} else if (str_eq(type, S("speech.audio.delta")) && o->sound_rate) {
		text = bare(json_get(data, S("audio")));
		w->pass.count.milli += (int64_t)text.n * 3 / 4 * SOUND_MILLI /
		    o->sound_rate;
	}
	o->out_milli = w->pass.count.milli;
}

void
openai_media_frame(struct observer *o, struct pass *p, struct str raw)
{
	struct watch *w = holder(p, struct watch, pass);
	struct sse_fields f;
	struct str data, type;

	sse_read(&p->sse, raw, &f);
	data = str_trim(f.data);
	type = bare(json_get(data, S("type")));
	if (type.n == 0)
		type = f.event;
	if (up_error_told(json_get(data, S("error"))) ||
	    str_eq(type, S("error")) || str_eq(f.event, S("error"))) {
		openai_fail(o, p, data, (struct str){ 0 });
		return;
	}
	let_go(p);
	if (is_terminal(type)) {
		buf_put(p->last, raw);
		p->went = TO_LAST;
		take_end(o, w, json_get(data, S("usage")));
		return;
	}
	buf_put(p->out, raw);
	p->went = TO_OUT;
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
begin_large(struct observer *o, struct watch *w, struct str raw)
{
	const char *brace = memchr(raw.p, '{', raw.n);
	struct pass *p = &w->pass;

	let_go(p);
	w->large = true;
	w->large_end = begins_an_end(raw);
	if (makes_pictures(o))
		p->count.milli += w->large_end ? FINISHED_MILLI : PARTIAL_MILLI;
	o->out_milli = p->count.milli;
	json_tap_init(&p->tap, o->arena, openai_body_taps(o->endpoint),
	    LIMIT_KEEP_BACK);
	if (brace)
		json_tap_feed(&p->tap,
		    str_skip(raw, (size_t)(brace - raw.p)));
}

void
openai_media_part(
    struct observer *o, struct pass *p, const struct sse_frame *f)
{
	struct watch *w = holder(p, struct watch, pass);

	if (!w->large)
		begin_large(o, w, f->raw);
	else if (!p->tap.whole)
		json_tap_feed(&p->tap, f->raw);
	o->seen |= SEEN_MEANING;
	o->inside = f->kind == SSE_PART;
	if (!w->large_end) {
		buf_put(p->out, f->raw);
		p->went = TO_OUT;
	} else {
		pass_keep_back(f->raw, LIMIT_KEEP_BACK, p->out, p->last);
		p->went = TO_LAST;
	}
	if (f->kind != SSE_LAST_PART)
		return;
	w->large = false;
	if (!w->large_end)
		return;
	/* Its end is still here: nothing may stand between. */
	o->inside = true;
	take_end(o, w, p->tap.values[0]);
}

/* Fewer pictures may have come than were asked for. */
bool
openai_media_finish(struct observer *o, struct watch *w)
{
	pass_rest(o, &w->pass);
	if (o->seen & (SEEN_ERROR | SEEN_BAD) || w->pass.sse.large ||
	    w->ends == 0)
		return false;
	w->pass.closed = true;
	o->seen |= SEEN_END;
	return true;
}

/* --- Bytes --- */

void
openai_bytes_feed(struct observer *o, struct watch *w, struct str piece,
    struct buf *out, struct buf *last)
{
	w->pass.bytes += piece.n;
	if (o->endpoint != ENDPOINT_SPEECH) {
		tokens_add(&w->pass.count, piece);
		o->out_milli = w->pass.count.milli;
	} else if (o->sound_rate) {
		o->out_milli = (int64_t)((__int128)w->pass.bytes * SOUND_MILLI /
		    o->sound_rate);
	}
	pass_keep_back(piece, KEEP_BYTES, out, last);
	if (w->pass.bytes)
		o->seen |= SEEN_MEANING;
}

/* An empty transcript is one: there was silence.  Empty sound is none. */
bool
openai_bytes_finish(struct observer *o, struct watch *w)
{
	if (w->pass.bytes == 0 && o->endpoint == ENDPOINT_SPEECH) {
		o->seen |= SEEN_BAD;
		return false;
	}
	o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
	return true;
}
