/* SPDX-License-Identifier: MIT */
/*
 * anthropic.c - the Anthropic dialect: Messages, and counting their tokens.
 *
 * Also spoken by other providers beside their own.  anthropic.h says what is
 * in which file.
 */
#include "handlers/dialect/anthropic.h"

#include <assert.h>
#include <ctype.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/neutral.h"
#include "handlers/dialect/thoughts.h"
#include "handlers/dialect/up_error.h"

static const char *const heads[] = {
	"/v1/messages",
	"/messages",
	"/anthropic",
	NULL,
};

static const char *
path(enum endpoint endpoint, bool stream)
{
	(void)stream;		/* the body says it */
	switch (endpoint) {
	case ENDPOINT_MESSAGES:
		return "/v1/messages";
	case ENDPOINT_COUNT_TOKENS:
		return "/v1/messages/count_tokens";
	default:
		return NULL;
	}
}

/* --- Headers ------------------------------------------------------------- */

/*
 * What callers may switch on: the shape of requests and answers, never what
 * has a price of its own (fast mode, contexts above the ordinary ones, tools
 * that the provider runs, compaction) or reaches for what is stored there
 * (files, skills).  The date behind the name does not matter.
 */
static const struct str betas[] = {
	STR_INIT("adaptive-thinking-"),
	STR_INIT("advanced-tool-use-"),
	STR_INIT("cache-diagnosis-"),
	STR_INIT("claude-code-"),
	STR_INIT("context-management-"),
	STR_INIT("effort-"),
	STR_INIT("extended-cache-ttl-"),
	STR_INIT("fine-grained-tool-streaming-"),
	STR_INIT("interleaved-thinking-"),
	STR_INIT("mid-conversation-output-config-"),
	STR_INIT("mid-conversation-system-"),
	STR_INIT("mid-conversation-tool-changes-"),
	STR_INIT("model-context-window-exceeded-"),
	STR_INIT("output-128k-"),
	STR_INIT("output-300k-"),
	STR_INIT("pdfs-"),
	STR_INIT("prompt-caching-"),
	STR_INIT("redact-thinking-"),
	STR_INIT("structured-outputs-"),
	STR_INIT("task-budgets-"),
	STR_INIT("thinking-binding-controls-"),
	STR_INIT("thinking-display-updates-"),
	STR_INIT("thinking-token-count-"),
	STR_INIT("token-counting-"),
	STR_INIT("token-efficient-tools-"),
	STR_INIT("tool-examples-"),
};

/* A name of those, with a date: 2025-05-14 or 20250219. */
static bool
passes(struct str beta)
{
	for (size_t i = 0; i < countof(betas); i++) {
		struct str date = str_skip(beta, betas[i].n);
		bool good = str_starts(beta, betas[i]) && date.n;

		for (size_t j = 0; good && j < date.n; j++)
			good = isalnum((unsigned char)date.p[j]) ||
			    date.p[j] == '-';
		if (good)
			return true;
	}
	return false;
}

static bool
is_date(struct str s)
{
	static const char shape[] = "0000-00-00";

	if (s.n != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (shape[i] == '-' ? s.p[i] != '-'
				    : !isdigit((unsigned char)s.p[i]))
			return false;
	return true;
}

static int
write_headers(struct arena *a, const struct caller_headers *h,
    struct str lines[static DIALECT_HEADERS])
{
	struct str version = str_trim(h->version), rest = h->beta;
	struct buf beta = BUF(a, LIMIT_PARAMS_BYTES);

	lines[0] = ARENA_JOIN(a, S("anthropic-version: "),
	    is_date(version) ? version : S("2023-06-01"));
	while (rest.n) {
		struct str one = str_trim(str_cut(&rest, ','));

		if (!passes(one))
			continue;
		buf_put(&beta, beta.n ? S(",") : S("anthropic-beta: "));
		buf_put(&beta, one);
	}
	lines[1] = buf_str(&beta);
	return beta.n ? 2 : 1;
}

/* --- Answers ------------------------------------------------------------- */

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

	memset(&w->counts, 0xff, sizeof(w->counts)); /* all -1: absent */
	o->state = w;
	pass_observe(o, &w->pass, &anthropic_words, anthropic_taps);
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
	buf_put(out, S("{\"input_tokens\":"));
	buf_int(out, tokens);
	buf_char(out, '}');
}

/* --- Faults -------------------------------------------------------------- */

/* Of the kinds whose status is not that of fault.def, or whose type is not
 * that of their status. */
static const struct {
	int status;
	const char *type;
} own[N_FAULTS] = {
	[FAULT_UP_ERROR] = { 500, NULL },
	[FAULT_UP_BAD_ANSWER] = { 500, NULL },
	[FAULT_UP_NONE] = { 529, NULL },
	[FAULT_UP_OVERLOADED] = { 529, NULL },
	[FAULT_BUSY] = { 529, NULL },
	[FAULT_STORE] = { 529, NULL },
	[FAULT_BAD_METHOD] = { 0, "invalid_request_error" },
};

static int
status(const struct fault *f)
{
	if (!f->status && own[f->kind].status)
		return own[f->kind].status;
	return fault_status(f);
}

static const char *
type_of(const struct fault *f)
{
	int s = status(f);

	if (own[f->kind].type)
		return own[f->kind].type;
	switch (s) {
	case 401:
		return "authentication_error";
	case 403:
		return "permission_error";
	case 404:
		return "not_found_error";
	case 413:
		return "request_too_large";
	case 429:
		return "rate_limit_error";
	case 504:
		return "timeout_error";
	case 529:
		return "overloaded_error";
	default:
		return s < 500 ? "invalid_request_error" : "api_error";
	}
}

/* Coding agents make their prompt shorter when they read these words. */
static void
put_too_long(struct buf *out, struct str text)
{
	static const struct str words = STR_INIT("prompt is too long");
	int64_t n[2];
	size_t at;

	if (str_has(text, words)) {
		buf_json(out, text);
		return;
	}
	buf_printf(out, "\"%s: ", words.p);
	if (up_error_counts(text, n) == 2 && n[0] != n[1]) {
		buf_printf(out, "%lld tokens > %lld maximum\"",
		    (long long)(n[0] > n[1] ? n[0] : n[1]),
		    (long long)(n[0] < n[1] ? n[0] : n[1]));
		return;
	}
	at = out->n;
	buf_json(out, text);
	if (out->full)
		return;
	/* The text's own first quote goes. */
	memmove(out->p + at, out->p + at + 1, out->n - at - 1);
	out->n--;
}

static void
put_error(const struct fault *f, const char *type, struct str id,
    struct buf *out)
{
	assert(f->kind != FAULT_NONE);
	buf_put(out, S("{\"type\":\"error\",\"error\":{\"type\":"));
	buf_json(out, str_of(type));
	buf_put(out, S(",\"message\":"));
	if (f->kind == FAULT_CONTEXT_LENGTH)
		put_too_long(out, f->text);
	else
		buf_json(out, f->text);
	if (f->code.n) {
		buf_put(out, S(",\"details\":{\"error_code\":"));
		buf_json(out, f->code);
		buf_char(out, '}');
	}
	buf_put(out, S("},\"request_id\":"));
	buf_json(out, id);
	buf_char(out, '}');
}

static void
write_fault(const struct fault *f, struct str request_id, struct buf *out)
{
	put_error(f, type_of(f), request_id, out);
}

/* Once a stream runs the request was right: whatever happens is not its. */
static void
write_fault_event(const struct fault *f, struct str request_id,
    const struct observer *o, struct buf *out)
{
	const char *type = type_of(f);
	int s = status(f);

	(void)o;
	if (s < 500 && s != 429)
		type = "api_error";
	buf_put(out, S("event: error\ndata: "));
	put_error(f, type, request_id, out);
	buf_put(out, S("\n\n"));
}

static const char *const limit_headers[] = {
	"anthropic-ratelimit-requests-limit",
	"anthropic-ratelimit-requests-remaining",
	"anthropic-ratelimit-requests-reset",
	"anthropic-ratelimit-tokens-limit",
	"anthropic-ratelimit-tokens-remaining",
	"anthropic-ratelimit-tokens-reset",
};

const struct dialect anthropic_dialect = {
	.name = "anthropic",
	.history = "messages",
	.converse = ENDPOINT_MESSAGES,
	.embeds = N_ENDPOINTS,
	.trial = "\"max_tokens\":64,\"messages\":[{\"role\":\"user\","
	    "\"content\":\"Say ok.\"}]",
	.heads = heads,
	.id_header = "request-id",
	.limit_headers = limit_headers,
	.limit_dates = true,
	.key_place = KEY_X_API,
	.key_hint = "'x-api-key: KEY'",
	.key_head = STR_INIT("x-api-key: "),
	.write_headers = write_headers,
	.mid_system_beta = STR_INIT("mid-conversation-system-2026-04-07"),
	.models_path = "/v1/models?limit=1000",
	.base_hint = "https://api.anthropic.com",
	.stream_type = "text/event-stream; charset=utf-8",
	.read_request = anthropic_read_request,
	.write_request = anthropic_write_request,
	.thoughts = anthropic_thoughts,
	.path = path,
	.answer_as = answer_as,
	.observe = observe,
	.feed = feed,
	.finish = finish,
	.read_error = up_error_read,
	.write_fault = write_fault,
	.write_fault_event = write_fault_event,
	.write_count = write_count,
	.keep_alive = STR_INIT("event: ping\ndata: {\"type\":\"ping\"}\n\n"),
	.status = status,
	.neutral = &anthropic_neutral,
};
