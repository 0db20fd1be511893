/* SPDX-License-Identifier: MIT */
/*
 * anthropic_body.c - what is looked for in an answer that is one JSON text.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic.h"

enum tap { USAGE, ERROR, MODEL, CONTENT, STOP, INPUT };

const char *const anthropic_taps[] = {
	[USAGE] = "usage",
	[ERROR] = "error",
	[MODEL] = "model",
	[CONTENT] = "content",
	[STOP] = "stop_reason",
	[INPUT] = "input_tokens",
	NULL,
};

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

static void
judge(struct observer *o, struct pass *p, struct str text, struct str content)
{
	struct watch *w = holder(p, struct watch, pass);
	const struct str *v = p->tap.values;
	bool counting = o->endpoint == ENDPOINT_COUNT_TOKENS, good;
	bool answer = !p->misfit && pass_found(p, counting ? INPUT : CONTENT);

	anthropic_read_model(o, v[MODEL]);
	anthropic_read_usage(o, w, v[USAGE]);
	good = counting || !text.n || look_at_content(w, content) ||
	    anthropic_stopped(v[STOP]) || pass_counted(o);
	if (answer && !good)
		o->seen |= SEEN_EMPTY;
	if (!answer || !good) {
		pass_refuse(o, p);
		return;
	}
	o->out_milli = text.n ? p->count.milli
			      : (int64_t)p->bytes * PASS_MILLI_A_BYTE;
	o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
}

const struct pass_words anthropic_words = {
	.frame = anthropic_frame,
	.error = ERROR,
	.main = CONTENT,
	.answers = 1u << CONTENT | 1u << INPUT,
	.judge = judge,
	.fail = anthropic_fail,
};
