/* SPDX-License-Identifier: MIT */
/*
 * openai_body.c - what is looked for in an answer that is one JSON text.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"

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

static void
read_facts(struct observer *o, const struct pass *p)
{
	const struct str *v = p->tap.values;

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
is_answer(const struct observer *o, const struct pass *p)
{
	bool ranked = o->endpoint == ENDPOINT_RERANK ||
	    o->endpoint == ENDPOINT_RERANK_V2;

	return o->endpoint != ENDPOINT_SPEECH &&
	    (pass_found(p, MAIN) || (ranked && pass_found(p, DATA)));
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
estimate(struct observer *o, struct pass *p, bool read)
{
	if (o->endpoint == ENDPOINT_TRANSCRIPTIONS ||
	    o->endpoint == ENDPOINT_TRANSLATIONS)
		p->count.milli = tokens_string_milli(p->tap.values[MAIN]);
	else if (o->endpoint >= ENDPOINT_EMBEDDINGS)
		return;
	o->out_milli = read ? p->count.milli
			    : (int64_t)p->bytes * PASS_MILLI_A_BYTE;
}

static void
fail(struct observer *o, struct pass *p, struct str text)
{
	openai_fail(o, p, text, (struct str){ 0 });
}

/* main: the choices, or what stands for them at this endpoint. */
static void
judge(struct observer *o, struct pass *p, struct str text, struct str main)
{
	struct watch *w = holder(p, struct watch, pass);
	struct glance g = { .any = true, .meaning = true };
	bool answer = !p->misfit && is_answer(o, p), empty;

	read_facts(o, p);
	if (text.n && o->endpoint < ENDPOINT_EMBEDDINGS)
		openai_look(w, json_each(main), &g);
	if (g.failure.n) {
		openai_fail(o, p, text, g.failure);
		buf_clear(p->last);
		return;
	}
	empty = !g.meaning && !g.stop && !pass_counted(o);
	if (answer && empty)
		o->seen |= SEEN_EMPTY;
	if (!answer || empty) {
		pass_refuse(o, p);
		return;
	}
	estimate(o, p, text.n);
	if (o->pictures && text.n)
		o->tokens.pictures = length_of(main);
	else if (w->pictures)
		o->tokens.pictures = w->pictures;
	o->seen |= SEEN_MEANING | SEEN_STOP | SEEN_END;
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

static void
more(struct observer *o, struct pass *p, struct str piece)
{
	struct watch *w = holder(p, struct watch, pass);

	if (o->pictures)
		count_pictures(w, piece);
	if (!p->passed)
		return;
	estimate(o, p, false);
	if (w->pictures)
		o->tokens.pictures = w->pictures;
}

#define TEXT \
	.error = ERROR, .main = MAIN, .answers = 1u << MAIN | 1u << DATA, \
	.judge = judge, .fail = fail, .more = more

const struct pass_words openai_words = {
	.frame = openai_frame, .end_mark = STR_INIT("[DONE]"), TEXT
}, openai_media_words = {
	.frame = openai_media_frame, .part = openai_media_part, TEXT
};
