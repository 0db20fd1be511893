/* SPDX-License-Identifier: MIT */
/*
 * gemini_body.c - what is looked for in an answer that is one JSON text.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"

enum tap { USAGE, ERROR, MODEL, CANDIDATES, FEEDBACK, TOTAL, EMBEDDING,
	EMBEDDINGS };

const char *const gemini_taps[] = {
	[USAGE] = "usageMetadata",
	[ERROR] = "error",
	[MODEL] = "modelVersion",
	[CANDIDATES] = "candidates",
	[FEEDBACK] = "promptFeedback",
	[TOTAL] = "totalTokens",
	[EMBEDDING] = "embedding",
	[EMBEDDINGS] = "embeddings",
	NULL,
};

_Static_assert(countof(gemini_taps) == JSON_TAPS + 1, "a tap for each");

/* Is it what its endpoint answers with? */
static bool
is_answer(const struct observer *o, const struct pass *p)
{
	switch (o->endpoint) {
	case ENDPOINT_COUNT_TOKENS:
		return pass_found(p, TOTAL);
	case ENDPOINT_EMBED:
		return pass_found(p, EMBEDDING);
	case ENDPOINT_EMBED_BATCH:
		return pass_found(p, EMBEDDINGS);
	default:
		return pass_found(p, CANDIDATES) || pass_found(p, FEEDBACK) ||
		    pass_found(p, USAGE);
	}
}

static void
judge(struct observer *o, struct pass *p, struct str text,
    struct str candidates)
{
	struct watch *w = holder(p, struct watch, pass);
	const struct str *v = p->tap.values;
	struct glance g = { false, false };
	bool converses = o->endpoint == ENDPOINT_GENERATE, good;
	bool answer = !p->misfit && is_answer(o, p);

	gemini_read_model(o, v[MODEL]);
	gemini_read_usage(o, &w->counts, v[USAGE]);
	if (text.n)
		gemini_look(w, candidates, &g);
	good = !converses || !text.n || g.meaning || g.stop ||
	    gemini_blocked(v[FEEDBACK]) || pass_counted(o);
	if (answer && !good)
		o->seen |= SEEN_EMPTY;
	if (!answer || !good) {
		pass_refuse(o, p);
		return;
	}
	if (converses)
		o->out_milli = text.n ? p->count.milli :
		    (int64_t)p->bytes * PASS_MILLI_A_BYTE;
	o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
}

const struct pass_words gemini_words = {
	.frame = gemini_frame,
	.part = gemini_part,
	.error = ERROR,
	.main = CANDIDATES,
	.answers = 1u << CANDIDATES | 1u << FEEDBACK | 1u << TOTAL |
	    1u << EMBEDDING | 1u << EMBEDDINGS,
	.judge = judge,
	.fail = gemini_fail,
};
