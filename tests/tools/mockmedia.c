/* SPDX-License-Identifier: MIT */
/* mockmedia.c - making those answers; see mockmedia.h. */
#include "tests/tools/mockmedia.h"

static const char said[] = "Good day. This answer comes from the mock upstream.";

bool
is_media(const struct ask *a)
{
	return a->kind >= MODERATION && a->kind <= RANKING;
}

enum kind
media_kind(struct slice path)
{
	static const struct {
		const char *tail;
		enum kind kind;
	} tails[] = {
		{ "/moderations", MODERATION },
		{ "/images/generations", PICTURE },
		{ "/images/edits", PICTURE_EDIT },
		{ "/images/variations", PICTURE },
		{ "/audio/speech", SPEECH },
		{ "/audio/transcriptions", TRANSCRIPT },
		{ "/audio/translations", TRANSCRIPT },
		{ "/rerank", RANKING },
	};

	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
		size_t n = strlen(tails[i].tail);

		if (path.n >= n &&
		    !memcmp(path.p + path.n - n, tails[i].tail, n))
			return tails[i].kind;
	}
	return NOT_FOUND;
}

/* The value of a field of a form: from its blank line to the line's end. */
static struct slice
field(const struct ask *a, const char *name)
{
	char head[64];
	const char *p, *end = a->body.p + a->body.n, *q;
	int n = snprintf(head, sizeof head, "name=\"%s\"\r\n", name);

	p = a->body.n ? memmem(a->body.p, a->body.n, head, (size_t)n) : NULL;
	if (!p)
		return (struct slice){ 0 };
	p = memmem(p, (size_t)(end - p), "\r\n\r\n", 4);
	q = p ? memmem(p + 4, (size_t)(end - p) - 4, "\r\n", 2) : NULL;
	return q ? (struct slice){ p + 4, (size_t)(q - p) - 4 }
		 : (struct slice){ 0 };
}

void
media_form(struct ask *a)
{
	struct slice v = field(a, "model");

	if (v.n)
		plain_copy(a->model, sizeof a->model, v);
	a->stream = slice_is(field(a, "stream"), "true");
	v = field(a, "n");
	a->n = v.n ? strtol(v.p, NULL, 10) : 1;
	plain_copy(a->format, sizeof a->format, field(a, "response_format"));
}

void
media_count(struct answer *a)
{
	const struct plan *p = &a->plan;

	if (!p->events)
		a->events = 3;
	a->in = p->in >= 0 ? p->in : a->ask.kind == TRANSCRIPT ? 40 : 12;
	a->out = p->out >= 0 ? p->out
	    : a->ask.kind == PICTURE || a->ask.kind == PICTURE_EDIT
	    ? 272 * a->ask.n
	    : 11;
	if (a->ask.kind == MODERATION || a->ask.kind == RANKING)
		a->out = 0;
}

static void
put_usage(struct answer *a, struct text *t)
{
	long in = a->in, out = a->out;
	size_t from;

	if (a->plan.usage == USAGE_NO)
		return;
	text_say(t, ",\"usage\":");
	from = t->n;
	if (a->ask.kind == RANKING)
		text_add(t, "{\"total_tokens\":%ld}", in);
	else
		text_add(t,
		    "{%s\"input_tokens\":%ld,\"output_tokens\":%ld,"
		    "\"total_tokens\":%ld,\"%s\":{\"text_tokens\":%ld,"
		    "\"%s_tokens\":%ld}}",
		    a->ask.kind == TRANSCRIPT ? "\"type\":\"tokens\"," : "",
		    in, out, in + out,
		    a->ask.kind == TRANSCRIPT ? "input_token_details"
					      : "input_tokens_details",
		    a->ask.kind == TRANSCRIPT ? 10 : in,
		    a->ask.kind == TRANSCRIPT ? "audio" : "image",
		    a->ask.kind == TRANSCRIPT ? in - 10 : 0);
	a->said.n = 0;
	text_put(&a->said, t->p + from, t->n - from);
}

/* One pixel, or as many bytes as the name asks for. */
static void
put_picture(const struct answer *a, struct text *t)
{
	if (a->plan.big)
		text_fill(t, 'A', (size_t)a->plan.big / 4 * 4);
	else
		text_say(t,
		    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4"
		    "nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==");
}

static const char *
transcript(struct answer *a, struct text *t)
{
	const char *f = a->ask.format;

	if (!strcmp(f, "text")) {
		text_add(t, "%s\n", said);
		return "text/plain; charset=utf-8";
	}
	if (!strcmp(f, "srt")) {
		text_add(t, "1\n00:00:00,000 --> 00:00:03,000\n%s\n\n", said);
		return "text/plain; charset=utf-8";
	}
	if (!strcmp(f, "vtt")) {
		text_add(t, "WEBVTT\n\n00:00.000 --> 00:03.000\n%s\n", said);
		return "text/vtt";
	}
	text_say(t, "{");
	if (!strcmp(f, "verbose_json"))
		text_say(t,
		    "\"task\":\"transcribe\",\"language\":\"english\","
		    "\"duration\":3.2,\"segments\":[],");
	text_add(t, "\"text\":\"%s\"", said);
	if (strcmp(f, "verbose_json") != 0)
		put_usage(a, t);
	text_say(t, "}");
	return "application/json";
}

const char *
media_body(struct answer *a, struct text *t)
{
	switch (a->ask.kind) {
	case SPEECH:
		/* Frames of MP3 by their first bytes, and nothing in them. */
		for (long i = 0; i < (a->plan.big ? a->plan.big / 417 : 16);
		     i++) {
			text_put(t, "\xff\xfb\x90\x44", 4);
			text_fill(t, 0, 413);
		}
		return "audio/mpeg";
	case TRANSCRIPT:
		return transcript(a, t);
	case MODERATION:
		text_add(t,
		    "{\"id\":\"modr-mock-%lu\",\"model\":\"%s\",\"results\":"
		    "[{\"flagged\":false,\"categories\":{\"violence\":false},"
		    "\"category_scores\":{\"violence\":0.0001},"
		    "\"category_applied_input_types\":{\"violence\":"
		    "[\"text\"]}}]}",
		    a->number, a->ask.model);
		break;
	case RANKING:
		text_add(t,
		    "{\"id\":\"rank-mock-%lu\",\"model\":\"%s\",\"results\":"
		    "[{\"index\":0,\"relevance_score\":0.75}],\"meta\":{"
		    "\"billed_units\":{\"search_units\":1}}",
		    a->number, a->ask.model);
		put_usage(a, t);
		text_say(t, "}");
		break;
	default:
		text_add(t, "{\"created\":%ld,\"data\":[", a->created);
		for (long i = 0; i < a->ask.n; i++) {
			text_say(t, i ? ",{\"b64_json\":\"" :
			    "{\"b64_json\":\"");
			put_picture(a, t);
			text_say(t, "\"}");
		}
		text_say(t, "]");
		put_usage(a, t);
		text_say(t, "}");
	}
	return "application/json";
}

static const char *
family(const struct answer *a)
{
	return a->ask.kind == PICTURE_EDIT ? "image_edit" : "image_generation";
}

void
media_event(struct answer *a, struct text *t, long i)
{
	switch (a->ask.kind) {
	case SPEECH:
		text_say(t,
		    "{\"type\":\"speech.audio.delta\",\"audio\":\"//uQRAAA\"}");
		break;
	case TRANSCRIPT:
		text_add(t,
		    "{\"type\":\"transcript.text.delta\",\"delta\":\"%s\"}",
		    i ? " day." : "Good");
		break;
	default:
		text_add(t,
		    "{\"type\":\"%s.partial_image\",\"partial_image_index\":"
		    "%ld,\"b64_json\":\"",
		    family(a), i);
		put_picture(a, t);
		text_say(t, "\"}");
	}
}

long
media_ends(const struct answer *a)
{
	return a->ask.kind == PICTURE || a->ask.kind == PICTURE_EDIT ? a->ask.n
								     : 1;
}

void
media_end(struct answer *a, struct text *t)
{
	switch (a->ask.kind) {
	case SPEECH:
		text_say(t, "{\"type\":\"speech.audio.done\"");
		break;
	case TRANSCRIPT:
		text_add(t, "{\"type\":\"transcript.text.done\",\"text\":\"%s\"",
		    said);
		break;
	default:
		text_add(t, "{\"type\":\"%s.completed\",\"created_at\":%ld,"
			    "\"b64_json\":\"", family(a), a->created);
		put_picture(a, t);
		text_say(t, "\"");
	}
	put_usage(a, t);
	text_say(t, "}");
}
