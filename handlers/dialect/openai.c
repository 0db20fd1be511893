/* SPDX-License-Identifier: MIT */
/*
 * openai.c - the OpenAI dialect: Chat Completions, Completions, Embeddings,
 * Moderations, Images, Audio; and Rerank, which those servers have beside them.
 *
 * Also spoken by every server that calls itself compatible.  openai.h says
 * what is in which file.
 */
#include "handlers/dialect/openai.h"

#include <assert.h>

#include "fcgi/base/limits.h"
#include "handlers/dialect/embed.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/up_error.h"

static const char *
path(enum endpoint endpoint, bool stream)
{
	static const char *const paths[N_ENDPOINTS] = {
		[ENDPOINT_CHAT] = "/chat/completions",
		[ENDPOINT_COMPLETIONS] = "/completions",
		[ENDPOINT_EMBEDDINGS] = "/embeddings",
		[ENDPOINT_MODERATIONS] = "/moderations",
		[ENDPOINT_IMAGES] = "/images/generations",
		[ENDPOINT_IMAGE_EDITS] = "/images/edits",
		[ENDPOINT_IMAGE_VARIATIONS] = "/images/variations",
		[ENDPOINT_SPEECH] = "/audio/speech",
		[ENDPOINT_TRANSCRIPTIONS] = "/audio/transcriptions",
		[ENDPOINT_TRANSLATIONS] = "/audio/translations",
		[ENDPOINT_RERANK] = "/rerank",
		[ENDPOINT_RERANK_V2] = "/rerank",
	};

	(void)stream; /* the body says it */
	assert(endpoint < N_ENDPOINTS);
	return paths[endpoint];
}

/* --- Answers --- */

enum answer_as
openai_answer_as(const struct asked *asked, struct str type)
{
	enum endpoint e = asked->endpoint;
	bool transcript =
	    e == ENDPOINT_TRANSCRIPTIONS || e == ENDPOINT_TRANSLATIONS;

	if (asked->stream && str_starts_nocase(type, S("text/event-stream")))
		return AS_EVENTS;
	if (str_has_nocase(type, S("html")))
		return AS_FOREIGN;
	if (str_has_nocase(type, S("json")))
		return AS_JSON;
	if (transcript && asked->text_wanted &&
	    (type.n == 0 || str_starts_nocase(type, S("text/")) ||
		str_has_nocase(type, S("subrip"))))
		return AS_BYTES;
	if (e == ENDPOINT_SPEECH &&
	    (type.n == 0 || str_starts_nocase(type, S("audio/")) ||
		str_starts_nocase(type, S("video/")) ||
		str_starts_nocase(type, S("application/octet-stream")) ||
		str_starts_nocase(type, S("application/ogg"))))
		return AS_BYTES;
	return type.n ? AS_FOREIGN : AS_JSON;
}

/* Streams of pictures and sound end in ways of their own. */
static bool
is_media(const struct observer *o)
{
	return !endpoint_is_text(o->endpoint);
}

void
openai_observe(struct observer *o)
{
	struct watch *w = arena_new(o->arena, struct watch);

	o->state = w;
	pass_observe(o, &w->pass,
	    is_media(o) ? &openai_media_words : &openai_words,
	    openai_body_taps(o->endpoint));
}

unsigned
openai_feed(struct observer *o, struct str piece, struct buf *out,
    struct buf *last)
{
	struct watch *w = o->state;
	unsigned before = o->seen;

	assert(w);
	if (o->bytes)
		openai_bytes_feed(o, w, piece, out, last);
	else if (o->stream)
		pass_stream_feed(o, &w->pass, piece, out, last);
	else
		pass_body_feed(o, &w->pass, piece, out, last);
	return o->seen & ~before;
}

bool
openai_finish(struct observer *o, struct buf *out, struct buf *last)
{
	struct watch *w = o->state;

	assert(w);
	if (o->bytes)
		return openai_bytes_finish(o, w);
	if (!o->stream || w->pass.misfit)
		return pass_body_finish(o, &w->pass, last);
	w->pass.out = out;
	w->pass.last = last;
	return is_media(o) ? openai_media_finish(o, w)
			   : pass_stream_finish(o, &w->pass, out, last);
}

/* --- Faults --- */

static void
put_text(struct buf *out, struct str s)
{
	if (s.n)
		buf_json(out, s);
	else
		buf_put(out, S("null"));
}

void
openai_put_error(const struct fault *f, const char *type, struct buf *out)
{
	assert(f->kind != FAULT_NONE);
	buf_put(out, S("{\"error\":{\"message\":"));
	buf_json(out, f->text);
	buf_put(out, S(",\"type\":"));
	buf_json(out, str_of(type));
	buf_put(out, S(",\"param\":"));
	put_text(out, f->param);
	buf_put(out, S(",\"code\":"));
	put_text(out, fault_code(f));
	buf_put(out, S("}}"));
}

void
openai_write_fault(const struct fault *f, struct str request_id,
    struct buf *out)
{
	(void)request_id; /* in the header x-request-id */
	openai_put_error(f, fault_table[f->kind].type, out);
}

/* Once a stream runs the request was right: whatever happens is not its. */
const char *
openai_late_type(const struct fault *f)
{
	const char *type = fault_table[f->kind].type;

	return str_eq(str_of(type), S("invalid_request_error")) ?
	    "server_error" : type;
}

void
openai_write_fault_event(const struct fault *f, struct str request_id,
    const struct observer *o, struct buf *out)
{
	(void)request_id;
	(void)o;
	buf_put(out, S("data: "));
	openai_put_error(f, openai_late_type(f), out);
	buf_put(out, S("\n\n"));
}

const char *const openai_limit_headers[] = {
	"x-ratelimit-limit-requests",
	"x-ratelimit-remaining-requests",
	"x-ratelimit-reset-requests",
	"x-ratelimit-limit-tokens",
	"x-ratelimit-remaining-tokens",
	"x-ratelimit-reset-tokens",
};

const struct dialect openai_dialect = {
	.name = "openai",
	.key_hint = "'Authorization: Bearer KEY'",
	.key_head = STR_INIT("Authorization: Bearer "),
	.models_path = "/models",
	.base_hint = "https://api.openai.com/v1",
	.path = path,
	OPENAI_WORDS,
};
