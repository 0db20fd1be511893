/* SPDX-License-Identifier: MIT */
/*
 * responses.c - OpenAI's Responses: conversations, and what is kept of them.
 *
 * responses.h says what is in which file.
 */
#include "handlers/dialect/responses.h"

#include <assert.h>

#include "handlers/dialect/neutral.h"
#include "handlers/dialect/thoughts.h"
#include "handlers/dialect/up_error.h"

static const char *const heads[] = {
	"/v1/responses",
	"/responses",
	NULL,
};

static const char *
path(enum endpoint endpoint, bool stream)
{
	(void)stream; /* the body says it */
	switch (endpoint) {
	case ENDPOINT_RESPONSES:
	case ENDPOINT_STORED:
		return "/responses";
	case ENDPOINT_COMPACT:
		return "/responses/compact";
	case ENDPOINT_COUNT_TOKENS:
		return "/responses/input_tokens";
	default:
		return NULL;
	}
}

/* --- Answers --- */

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
observe(struct observer *o)
{
	struct watch *w = arena_new(o->arena, struct watch);
	bool makes = o->endpoint == ENDPOINT_RESPONSES ||
	    o->endpoint == ENDPOINT_COMPACT;

	o->state = w;
	pass_observe(o, &w->pass,
	    makes ? &responses_words : &responses_stored_words,
	    responses_taps);
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
	return o->stream ? pass_stream_finish(o, &w->pass, out, last)
			 : pass_body_finish(o, &w->pass, last);
}

static void
write_count(int64_t tokens, struct buf *out)
{
	buf_put(out,
	    S("{\"object\":\"response.input_tokens\",\"input_tokens\":"));
	buf_int(out, tokens);
	buf_char(out, '}');
}

/* --- Faults --- */

/* A response that was begun fails; before that there is none to fail. */
static void
write_fault_event(const struct fault *f, struct str request_id,
    const struct observer *o, struct buf *out)
{
	struct responses_object r = { .status = "failed", .fault = f };

	(void)request_id;
	if (!o || o->spoken.id.n == 0) {
		responses_put_fault(out, f, o ? o->spoken.events : 0);
		return;
	}
	r.id = o->spoken.id;
	r.created = o->spoken.created ? o->spoken.created : o->now;
	r.model = o->upstream ? o->asked_model : o->model;
	buf_printf(out, "event: response.failed\ndata: {\"type\":"
			"\"response.failed\",\"sequence_number\":%lld,"
			"\"response\":",
	    (long long)o->spoken.events);
	responses_put_object(out, &r);
	buf_put(out, S("}\n\n"));
}

const struct dialect responses_dialect = {
	.name = "openai_responses",
	.history = "input",
	.converse = ENDPOINT_RESPONSES,
	.embeds = N_ENDPOINTS,
	.trial = "\"input\":\"Say ok.\",\"store\":false",
	.heads = heads,
	.limit_headers = openai_limit_headers,
	.key_hint = "'Authorization: Bearer KEY'",
	.key_head = STR_INIT("Authorization: Bearer "),
	.models_path = "/models",
	.base_hint = "https://api.openai.com/v1",
	.stream_type = "text/event-stream; charset=utf-8",
	.read_path = responses_read_path,
	.read_request = responses_read_request,
	.write_request = responses_write_request,
	.thoughts = responses_thoughts,
	.own_proofs = true,
	.path = path,
	.answer_as = answer_as,
	.observe = observe,
	.feed = feed,
	.finish = finish,
	.read_error = up_error_read,
	.write_fault = openai_write_fault,
	.write_fault_event = write_fault_event,
	.write_count = write_count,
	.keep_alive = STR_INIT(": keep-alive\n\n"),
	.status = fault_status,
	.neutral = &responses_neutral,
};
