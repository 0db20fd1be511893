/* SPDX-License-Identifier: MIT */
/*
 * gemini_answer.c - watching a stream go by.
 *
 * Every frame is a partial answer.  There is no last one: the answer is whole
 * when all candidates have said why they stopped and the connection ends in
 * order.  So the frame that says it waits, with what comes behind it, until
 * the end.  To clients who want one JSON array the frames' data are its
 * elements.
 *
 * Not passed on are errors (the relay writes its own), and lines that are no
 * data: some clients take them for errors.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"
#include "handlers/dialect/up_error.h"

/* What stands before an element of the array. */
static struct str
before(struct watch *w)
{
	bool first = !w->any;

	w->any = true;
	return first ? S("[") : S(",\n");
}

/* A frame as it goes out: as its bytes came, where it is nothing but data. */
static struct str
told(const struct observer *o, struct watch *w, struct str raw,
    const struct sse_fields *f, struct str data)
{
	bool plain = str_starts(raw, S("data: ")) && !f->event.n &&
	    !str_has(raw, S("\n:")) && !str_has(raw, S("\nid")) &&
	    !str_has(raw, S("\nretry"));

	if (!o->array && plain)
		return raw;
	buf_clear(&w->frame);
	buf_put(&w->frame, o->array ? before(w) : S("data: "));
	buf_put(&w->frame, data);
	if (!o->array)
		buf_put(&w->frame, S("\r\n\r\n"));
	return buf_str(&w->frame);
}

/* What a frame brings.  True: content, and not the last of it. */
static bool
read_facts(struct observer *o, struct watch *w, struct str data)
{
	struct glance g = { false, false };
	bool ends;

	gemini_read_model(o, json_get(data, S("modelVersion")));
	gemini_read_usage(o, &w->counts, json_get(data, S("usageMetadata")));
	gemini_look(w, json_get(data, S("candidates")), &g);
	g.stop |= gemini_blocked(json_get(data, S("promptFeedback")));
	ends = g.stop && gemini_all_ended(w);
	if (ends)
		o->seen |= SEEN_STOP;
	if (g.meaning || g.stop)
		o->seen |= SEEN_MEANING;
	o->out_milli = w->pass.count.milli;
	return (g.meaning || g.stop) && !ends;
}

void
gemini_frame(struct observer *o, struct pass *p, struct str raw)
{
	struct watch *w = holder(p, struct watch, pass);
	struct sse_fields f;
	struct str data, bare = str_trim(raw);

	sse_read(&p->sse, raw, &f);
	data = str_trim(f.data);
	p->went = TO_NOBODY;
	if (up_error_told(json_get(data, S("error"))))
		gemini_fail(o, p, data);
	else if (bare.n && bare.p[0] == '{' &&
	    up_error_told(json_get(bare, S("error"))))
		gemini_fail(o, p, bare);
	else if (data.n && data.p[0] == '{') {
		bool content = read_facts(o, w, data);
		struct str out = told(o, w, raw, &f, data);

		pass_frame(o, p, out, content);
		/* A line feed that is late is not this text's. */
		if (out.p != raw.p)
			p->went = TO_NOBODY;
	}
}

/* A part of a frame too large to look into: surely content. */
void
gemini_part(struct observer *o, struct pass *p, const struct sse_frame *f)
{
	struct watch *w = holder(p, struct watch, pass);
	struct str raw = f->raw;

	o->seen |= SEEN_MEANING;
	p->count.milli += (int64_t)raw.n * PASS_MILLI_A_BYTE;
	o->out_milli = p->count.milli;
	o->inside = f->kind == SSE_PART;
	if (o->array && !w->large) {
		pass_frame(o, p, before(w), true);
		raw = str_skip(raw, str_starts(raw, S("data:")) ? 5 : 0);
	}
	w->large = o->inside;
	pass_frame(o, p, raw, true);
}

bool
gemini_stream_finish(struct observer *o, struct watch *w, struct buf *out,
    struct buf *last)
{
	struct str rest = str_trim(sse_rest(&w->pass.sse));
	bool misfit = w->pass.misfit, whole;

	if (!misfit && rest.n && rest.p[0] == '{' &&
	    up_error_told(json_get(rest, S("error"))))
		gemini_fail(o, &w->pass, rest);
	whole = pass_stream_finish(o, &w->pass, out, last);
	if (!misfit && !gemini_all_ended(w))
		return false;
	if (whole && !misfit && o->array)
		buf_put(last, S("]\n"));
	return whole;
}
