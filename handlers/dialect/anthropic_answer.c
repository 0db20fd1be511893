/* SPDX-License-Identifier: MIT */
/*
 * anthropic_answer.c - watching a stream go by.
 *
 * Not passed on are an error (the relay writes its own) and [DONE], which
 * other providers add.  message_stop is the end.
 *
 * Which event it is says the type in the data; a frame whose data does not say
 * is what its event line says.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic.h"
#include "handlers/dialect/up_error.h"

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
	o->out_milli = w->pass.count.milli;
	if (content)
		o->seen |= SEEN_MEANING;
	return content;
}

static void
take_event(struct observer *o, struct watch *w, struct str raw,
    const struct sse_fields *f)
{
	struct str data = str_trim(f->data);
	struct event e;

	read_event(f, data, &e);
	if (str_eq(e.type, S("error")) || up_error_told(e.error) ||
	    str_eq(str_trim(f->event), S("error")))
		anthropic_fail(o, &w->pass, data);
	else if (str_eq(e.type, S("message_stop")))
		pass_end(o, &w->pass, raw);
	else
		pass_frame(o, &w->pass, raw, read_facts(o, w, &e));
}

void
anthropic_frame(struct observer *o, struct pass *p, struct str raw)
{
	struct sse_fields f;

	sse_read(&p->sse, raw, &f);
	if (str_starts(str_trim(f.data), S("[DONE]")))
		p->went = TO_NOBODY;
	else
		take_event(o, holder(p, struct watch, pass), raw, &f);
}
