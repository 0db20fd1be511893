/* SPDX-License-Identifier: MIT */
/*
 * gemini.c - the Gemini dialect: generateContent, streamed as events or as
 * one JSON array, counting tokens, embeddings.
 *
 * The model and whether the answer is streamed stand in the path.  A stream
 * has no last frame: it ends where the connection does, so one that breaks
 * off must look broken.  gemini.h says what is in which file.
 */
#include "handlers/dialect/gemini.h"

#include <assert.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/embed.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/thoughts.h"
#include "handlers/dialect/up_error.h"

static const char *const heads[] = {
	"/v1beta",
	NULL,
};

static const char *
path(enum endpoint endpoint, bool stream)
{
	switch (endpoint) {
	case ENDPOINT_GENERATE:
		return stream ?
		    "/v1beta/{models}:streamGenerateContent?alt=sse" :
		    "/v1beta/{models}:generateContent";
	case ENDPOINT_EMBED:
		return "/v1beta/{models}:embedContent";
	case ENDPOINT_EMBED_BATCH:
		return "/v1beta/{models}:batchEmbedContents";
	case ENDPOINT_COUNT_TOKENS:
		return "/v1beta/{models}:countTokens";
	default:
		return NULL;
	}
}

/* --- Answers -------------------------------------------------------------- */

static enum answer_as
answer_as(const struct asked *asked, struct str type)
{
	if (asked->stream && str_starts_nocase(type, S("text/event-stream")))
		return AS_EVENTS;
	if (str_has_nocase(type, S("json")) || type.n == 0)
		return AS_JSON;
	return AS_FOREIGN;
}

static void
drop(void *object)
{
	struct watch *w = object;

	buf_release(&w->frame);
}

static void
observe(struct observer *o)
{
	struct watch *w = arena_new(o->arena, struct watch);

	memset(&w->counts, 0xff, sizeof(w->counts)); /* all -1: absent */
	w->frame = BUF_HEAP(2 * LIMIT_EVENT_BYTES);
	arena_attach(o->arena, drop, w);
	o->state = w;
	pass_observe(o, &w->pass, &gemini_words, gemini_taps);
}

static unsigned
feed(struct observer *o, struct str piece, struct buf *out, struct buf *last)
{
	struct watch *w = o->state;
	unsigned before = o->seen;

	assert(w);
	if (o->stream)
		pass_stream_feed(o, &w->pass, piece, out, last);
	else
		pass_body_feed(o, &w->pass, piece, out, last);
	return o->seen & ~before;
}

static bool
finish(struct observer *o, struct buf *out, struct buf *last)
{
	struct watch *w = o->state;

	assert(w);
	return o->stream ? gemini_stream_finish(o, w, out, last) :
	    pass_body_finish(o, &w->pass, last);
}

static void
write_count(int64_t tokens, struct buf *out)
{
	buf_put(out, S("{\"totalTokens\":"));
	buf_int(out, tokens);
	buf_char(out, '}');
}

/* --- Faults --------------------------------------------------------------- */

/* This API knows fewer statuses than others. */
static int
status(const struct fault *f)
{
	int s = fault_status(f);

	switch (s) {
	case 413:
		return 400;
	case 502:
		return 500;
	default:
		return s;
	}
}

static const char *
word_of(int s)
{
	switch (s) {
	case 401:
		return "UNAUTHENTICATED";
	case 403:
		return "PERMISSION_DENIED";
	case 404:
		return "NOT_FOUND";
	case 408:
	case 504:
		return "DEADLINE_EXCEEDED";
	case 429:
		return "RESOURCE_EXHAUSTED";
	case 503:
		return "UNAVAILABLE";
	default:
		return s < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
	}
}

/* Agents make their prompt shorter when they read these words. */
static void
put_message(const struct fault *f, struct buf *out)
{
	int64_t n[2];

	if (f->kind == FAULT_CONTEXT_LENGTH &&
	    !str_has(f->text, S("input token count")) &&
	    up_error_counts(f->text, n) == 2 && n[0] != n[1])
		buf_printf(out, "\"The input token count (%lld) exceeds the "
		    "maximum number of tokens allowed (%lld).\"",
		    (long long)(n[0] > n[1] ? n[0] : n[1]),
		    (long long)(n[0] < n[1] ? n[0] : n[1]));
	else
		buf_json(out, f->text);
}

/* What programs read: the reason, the member, how long to wait. */
static void
put_details(const struct fault *f, struct buf *out)
{
	struct str code = fault_code(f);
	bool first = true;

	buf_put(out, S(",\"details\":["));
	if (code.n) {
		buf_put(out, S("{\"@type\":\"type.googleapis.com/"
		    "google.rpc.ErrorInfo\",\"reason\":"));
		buf_json(out, code);
		buf_put(out, S(",\"domain\":\"weir\"}"));
		first = false;
	}
	if (f->param.n) {
		buf_put(out, first ? S("") : S(","));
		buf_put(out, S("{\"@type\":\"type.googleapis.com/"
		    "google.rpc.BadRequest\",\"fieldViolations\":"
		    "[{\"field\":"));
		buf_json(out, f->param);
		buf_put(out, S(",\"description\":"));
		buf_json(out, f->text);
		buf_put(out, S("}]}"));
		first = false;
	}
	if (f->retry_ms > 0) {
		buf_put(out, first ? S("") : S(","));
		buf_printf(out, "{\"@type\":\"type.googleapis.com/"
		    "google.rpc.RetryInfo\",\"retryDelay\":\"%llds\"}",
		    (long long)(f->retry_ms + 999) / 1000);
	}
	buf_char(out, ']');
}

static void
put_error(const struct fault *f, int code, struct buf *out)
{
	assert(f->kind != FAULT_NONE);
	buf_printf(out, "{\"error\":{\"code\":%d,\"message\":", code);
	put_message(f, out);
	buf_printf(out, ",\"status\":\"%s\"", word_of(code));
	put_details(f, out);
	buf_put(out, S("}}"));
}

static void
write_fault(const struct fault *f, struct str request_id, struct buf *out)
{
	(void)request_id;	/* in the header x-request-id */
	put_error(f, status(f), out);
}

/* Once a stream runs the request was right: whatever happens is not its. */
static int
status_in_stream(const struct fault *f)
{
	int s = status(f);

	return s < 500 && s != 429 ? 500 : s;
}

/* Not as data: clients take a line that is none for an error.  In an array it
 * is the last element, behind others. */
static void
write_fault_event(const struct fault *f, struct str request_id,
    const struct observer *o, struct buf *out)
{
	bool array = o && o->array;

	(void)request_id;
	buf_put(out, array ? S(",\n") : S(""));
	put_error(f, status_in_stream(f), out);
	buf_put(out, array ? S("]\n") : S("\n\n"));
}

const struct dialect gemini_dialect = {
	.name = "gemini",
	.history = "contents",
	.converse = ENDPOINT_GENERATE,
	.embeds = ENDPOINT_EMBED_BATCH,
	.trial = "\"contents\":[{\"role\":\"user\",\"parts\":"
	    "[{\"text\":\"Say ok.\"}]}]",
	.trial_embed = "\"requests\":[{\"content\":{\"parts\":"
	    "[{\"text\":\"ok\"}]}}]",
	.model_in_path = true,
	.heads = heads,
	.key_place = KEY_X_GOOG,
	.key_hint = "'x-goog-api-key: KEY'",
	.key_head = STR_INIT("x-goog-api-key: "),
	.models_path = "/v1beta/models?pageSize=1000",
	.base_hint = "https://generativelanguage.googleapis.com",
	.stream_type = "text/event-stream",
	.read_path = gemini_read_path,
	.read_request = gemini_read_request,
	.write_request = gemini_write_request,
	.thoughts = gemini_thoughts,
	.path = path,
	.answer_as = answer_as,
	.observe = observe,
	.feed = feed,
	.finish = finish,
	.read_error = up_error_read,
	.write_fault = write_fault,
	.write_fault_event = write_fault_event,
	.breaks_off = true,
	.write_count = write_count,
	.status = status,
	.neutral = &gemini_neutral,
	.embed = &gemini_embed,
};
