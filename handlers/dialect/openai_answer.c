/* SPDX-License-Identifier: MIT */
/*
 * openai_answer.c - watching a stream go by.
 *
 * Not passed on are the usage chunk that only we asked for, and an error (the
 * relay writes its own).  [DONE] is the end.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/up_error.h"

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
	w->pass.count = before->count;
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
	const struct mark before = { w->pass.count, w->run };

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

static bool
is_object(struct str value)
{
	return json_kind(value) == JSON_IS_OBJECT;
}

static void
take_chunk(struct observer *o, struct watch *w, struct str raw,
    const struct sse_fields *f)
{
	struct str data = str_trim(f->data);
	struct chunk c;
	const struct glance *g = &c.glance;

	read_chunk(o, w, data, &c);
	o->out_milli = w->pass.count.milli;
	if (is_object(c.groq))
		openai_read_usage(o, json_get(c.groq, S("usage")));
	if (c.usage.n)
		openai_read_usage(o, c.usage);
	if (up_error_told(c.error) || g->failure.n ||
	    str_eq(f->event, S("error"))) {
		openai_fail(o, &w->pass, data, g->failure);
		return;
	}
	if (g->meaning || g->stop)
		o->seen |= SEEN_MEANING;
	if (g->stop)
		o->seen |= SEEN_STOP;
	if (!g->any && o->hide_usage && is_object(c.usage))
		w->pass.went = TO_NOBODY;
	else
		pass_frame(o, &w->pass, raw, g->meaning && !g->stop);
}

void
openai_frame(struct observer *o, struct pass *p, struct str raw)
{
	struct sse_fields f;
	struct str data;

	sse_read(&p->sse, raw, &f);
	data = str_trim(f.data);
	if (str_starts(data, S("[DONE]")))
		pass_end(o, p, raw);
	else if (str_eq(f.event, S("error")) || (data.n && data.p[0] == '{'))
		take_chunk(o, holder(p, struct watch, pass), raw, &f);
	else
		pass_frame(o, p, raw, false);
}
