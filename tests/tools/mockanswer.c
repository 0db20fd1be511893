/* SPDX-License-Identifier: MIT */
/* mockanswer.c - making those texts; see mockanswer.h. */
#include "tests/tools/mockanswer.h"

#include "tests/tools/mockmedia.h"

static const char *const fixed_words[] = {
	"Good",
	" day",
	".",
	" This",
	" answer",
	" comes",
	" from",
	" the",
	" mock",
	" upstream",
	".",
};
enum { N_FIXED = sizeof fixed_words / sizeof fixed_words[0] };

/* ---- what is counted ---------------------------------------------------
 *
 * A right usage: prompt 20 tokens unless -u- says otherwise; completion one
 * token an event and choice, at most max_tokens a choice.  The demonstration
 * counts 4 characters as a token, rounded up, and 4 tokens more a message.
 */

static void
demo_make(struct answer *a)
{
	char text[1024];

	snprintf(text, sizeof text,
	    "This is a demonstration answer, written by a small program "
	    "on this machine. It is not a language model and understands "
	    "nothing. It counted %ld word%s and %ld character%s in what "
	    "you sent. The way was the real one: your key was checked, "
	    "the cost was held, this answer streamed through, and the "
	    "call was settled and written down. Add a provider's key "
	    "and the same request reaches a real model.",
	    a->ask.words, a->ask.words == 1 ? "" : "s", a->ask.chars,
	    a->ask.chars == 1 ? "" : "s");
	for (char *p = text, *q; *p; p = q) {
		q = strchr(p + 1, ' ');
		if (!q)
			q = p + strlen(p);
		text_put(&a->demo, p, (size_t)(q - p));
		text_put(&a->demo, "", 1);
		a->events++;
	}
}

/* The n-th word of the demonstration. */
static const char *
demo_word(const struct answer *a, long n)
{
	const char *p = a->demo.p;

	while (n--)
		p += strlen(p) + 1;
	return p;
}

void
answer_count(struct answer *a)
{
	const struct plan *p = &a->plan;
	long limit = a->ask.max_tokens, chars = 0;

	if (p->demo)
		demo_make(a);
	else
		a->events = p->events ? p->events : p->tools ? 3 : N_FIXED;
	if (limit >= 0 && limit < a->events && !p->timed && !p->tools) {
		a->events = limit;
		a->plan.finish_length = 1;
	}
	if (p->demo) {
		for (long i = 0; i < a->events; i++)
			chars += (long)strlen(demo_word(a, i));
		a->in = (a->ask.chars + 3) / 4 + 4 * a->ask.messages;
		a->out = (chars + 3) / 4;
		if (limit >= 0 && a->out > limit)
			a->out = limit;
		return;
	}
	if (is_media(&a->ask)) {
		media_count(a);
		return;
	}
	a->in = p->in >= 0 ? p->in : 20;
	a->out = p->out;
	if (p->maxed)
		a->out = limit * a->ask.n;
	else if (a->out < 0)
		a->out = a->events;
	if (p->out < 0 && !p->maxed && limit >= 0 && a->out > limit)
		a->out = limit;
	if (p->out < 0 && !p->maxed)
		a->out *= a->ask.n;
	if (a->out < 0)
		a->out = 0;
	if (a->ask.kind == EMBEDDING)
		a->out = 0;
	if (a->ask.stream && a->events > 0)
		a->events *= a->ask.n;
}

long
answer_out(const struct answer *a)
{
	if (a->events <= 0)
		return a->sent;
	return a->sent >= a->events ? a->out : a->out * a->sent / a->events;
}

static unsigned long
chance(unsigned long *state, unsigned long below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 33) % below;
}

/* A member that may be what it should be, or anything else, or missing. */
static void
random_member(
    struct text *t, const char *name, long right, unsigned long *state)
{
	static const char *const odd[] = { "-1", "-9223372036854775808", "1.5",
		"2e3", "1e400", "-0", "\"12\"", "\"\"", "null", "true", "[7]",
		"{\"tokens\":7}", "1000000000000000000",
		"9223372036854775807", "99999999999999999999", "4294967296",
		"2147483648", "0" };
	unsigned long which = chance(state, 40);

	if (which == 39)
		return;
	text_add(t, "%s\"%s\":", t->p[t->n - 1] == '{' ? "" : ",", name);
	if (which < sizeof odd / sizeof *odd)
		text_say(t, odd[which]);
	else if (which < 25)
		text_add(t, "%lu", chance(state, 200000));
	else
		text_add(t, "%ld", right);
}

/* Every fourth one is right; the others, what a broken upstream may say. */
static void
usage_random(const struct answer *a, struct text *t, long out)
{
	static const char *const whole[] = { "null", "[]", "{}", "7",
		"\"none\"" };
	unsigned long state = a->number * 2654435761u + 1, x;

	x = chance(&state, 20);
	if (x < sizeof whole / sizeof *whole) {
		text_say(t, whole[x]);
		return;
	}
	text_say(t, "{");
	if (x < 10) {
		text_add(t,
		    "\"prompt_tokens\":%ld,\"completion_tokens\":%ld,"
		    "\"total_tokens\":%ld}",
		    a->in, out, a->in + out);
		return;
	}
	random_member(t, "prompt_tokens", a->in, &state);
	random_member(t, "completion_tokens", out, &state);
	random_member(t, "total_tokens", a->in + out, &state);
	if (chance(&state, 3)) {
		text_add(t, "%s\"prompt_tokens_details\":{",
		    t->p[t->n - 1] == '{' ? "" : ",");
		random_member(t, "cached_tokens", a->in / 2, &state);
		random_member(t, "cache_write_tokens", 0, &state);
		random_member(t, "audio_tokens", 0, &state);
		text_say(t, "}");
		text_say(t, ",\"completion_tokens_details\":{");
		random_member(t, "reasoning_tokens", out / 2, &state);
		random_member(t, "audio_tokens", 0, &state);
		text_say(t, "}");
	}
	text_say(t, "}");
}

static void
usage_object(struct answer *a, struct text *t, long out)
{
	static const char *const odd[] = {
		[USAGE_NULL] = "null",
		[USAGE_ZERO] = "{\"prompt_tokens\":0,\"completion_tokens\":0,"
			       "\"total_tokens\":0}",
		[USAGE_NEG] = "{\"prompt_tokens\":-5,\"completion_tokens\":"
			      "-7,\"total_tokens\":-12}",
		[USAGE_FLOAT] = "{\"prompt_tokens\":1.5,\"completion_tokens\":"
				"2e3,\"total_tokens\":2001.5}",
		[USAGE_STRING] = "{\"prompt_tokens\":\"12\","
				 "\"completion_tokens\":\"9\","
				 "\"total_tokens\":\"21\"}",
		[USAGE_HUGE] = "{\"prompt_tokens\":1000000000000000000,"
			       "\"completion_tokens\":1000000000000000000,"
			       "\"total_tokens\":2000000000000000000}",
		[USAGE_EACH] = NULL,
		[USAGE_FINISH] = NULL,
	};
	const struct plan *p = &a->plan;
	long cached = p->usage == USAGE_CACHED ? a->in + 1000 : p->cached;
	size_t from = t->n;

	if (p->usage < (long)(sizeof odd / sizeof *odd) && odd[p->usage])
		text_say(t, odd[p->usage]);
	else if (p->usage == USAGE_RANDOM)
		usage_random(a, t, out);
	else if (a->ask.kind == EMBEDDING)
		text_add(t, "{\"prompt_tokens\":%ld,\"total_tokens\":%ld}",
		    a->in, a->in);
	else
		text_add(t,
		    "{\"prompt_tokens\":%ld,\"completion_tokens\":%ld,"
		    "\"total_tokens\":%ld,\"prompt_tokens_details\":{"
		    "\"cached_tokens\":%ld,\"cache_write_tokens\":%ld},"
		    "\"completion_tokens_details\":{"
		    "\"reasoning_tokens\":%ld}}",
		    a->in, out, a->in + out, cached, p->written, p->reasoned);
	a->said.n = 0;
	text_put(&a->said, t->p + from, t->n - from);
}

/* ---- content ----------------------------------------------------------- */

/* The n-th piece of content, escaped for JSON. */
static void
content_piece(const struct answer *a, struct text *t, long n)
{
	if (a->plan.body == BODY_ECHO || a->plan.body == BODY_HEAD) {
		if (!n)
			text_put(t, a->echo.p, a->echo.n);
	} else if (a->plan.demo) {
		text_say(t, demo_word(a, n));
	} else if (a->plan.timed) {
		text_add(t, "#%ld@%llu ", n, (unsigned long long)now_ns());
	} else {
		text_say(t, fixed_words[n % N_FIXED]);
	}
	text_fill(t, 'x', (size_t)a->plan.pad);
}

const char *
finish_reason(const struct answer *a)
{
	return a->plan.finish_length ? "length"
	    : a->plan.tools          ? "tool_calls"
				     : "stop";
}

/* Members no client and no relay has heard of, in spellings that a parser
 * which reads and rewrites would change. */
#define ODD_MEMBERS \
	",\"x_unknown\":{\"a\":1e2,\"b\":0.10,\"c\":1.0E-7," \
	"\"d\":123456789012345678901234567890," \
	"\"\\u0065\":\"\\/\\ud83d\\ude00\"}"

/* The front of an unstreamed answer, up to its first choice. */
void
body_front(const struct answer *a, struct text *t)
{
	bool chat = a->ask.kind == CHAT;

	text_add(t,
	    "{\"id\":\"%s-mock-%lu\",\"object\":\"%s\",\"created\":%ld,"
	    "\"model\":\"%s\"%s,\"choices\":[",
	    chat ? "chatcmpl" : "cmpl", a->number,
	    chat ? "chat.completion" : "text_completion", a->created,
	    a->ask.model, a->plan.odd ? ODD_MEMBERS : "");
}

/* Choice n up to where its content stands, within the quotes. */
void
choice_open(const struct answer *a, struct text *t, long n)
{
	text_add(t, "%s{\"index\":%ld,%s", n ? "," : "", n,
	    a->ask.kind == CHAT ? "\"message\":{\"role\":\"assistant\","
				  "\"content\":\""
				: "\"text\":\"");
}

void
choice_close(const struct answer *a, struct text *t)
{
	text_add(t, "\"%s,\"logprobs\":null,\"finish_reason\":\"%s\"}",
	    a->ask.kind == CHAT ? ",\"refusal\":null,\"annotations\":[]}" : "",
	    finish_reason(a));
}

static void
choice_tools(const struct answer *a, struct text *t, long n)
{
	text_add(t,
	    "%s{\"index\":%ld,\"message\":{\"role\":\"assistant\","
	    "\"content\":null,\"refusal\":null,\"tool_calls\":[{"
	    "\"id\":\"call_mock_1\",\"type\":\"function\",\"function\":"
	    "{\"name\":\"weather\",\"arguments\":"
	    "\"{\\\"city\\\":\\\"Graz\\\"}\"}}]},\"logprobs\":null,"
	    "\"finish_reason\":\"%s\"}",
	    n ? "," : "", n, finish_reason(a));
}

void
body_tail(struct answer *a, struct text *t)
{
	text_say(t, "]");
	if (a->plan.usage != USAGE_NO) {
		text_say(t, ",\"usage\":");
		usage_object(a, t, a->out);
	}
	text_say(t,
	    ",\"service_tier\":\"default\",\"system_fingerprint\":"
	    "\"fp_mock\"}");
}

void
body_choices(struct answer *a, struct text *t)
{
	body_front(a, t);
	for (long n = 0; n < a->ask.n; n++) {
		if (a->plan.tools && a->ask.kind == CHAT) {
			choice_tools(a, t, n);
			continue;
		}
		choice_open(a, t, n);
		for (long i = 0; i < a->events; i++)
			content_piece(a, t, i);
		choice_close(a, t);
	}
	body_tail(a, t);
}

static void
base64_floats(struct text *t, const float *v, size_t n)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
				  "qrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)v;

	for (size_t i = 0, end = n * sizeof *v; i < end; i += 3) {
		unsigned b1 = i + 1 < end ? p[i + 1] : 0;
		unsigned b2 = i + 2 < end ? p[i + 2] : 0;
		unsigned w = (unsigned)p[i] << 16 | b1 << 8 | b2;

		text_add(t, "%c%c%c%c", set[w >> 18], set[w >> 12 & 63],
		    i + 1 < end ? set[w >> 6 & 63] : '=',
		    i + 2 < end ? set[w & 63] : '=');
	}
}

/* One vector of eight numbers an input; its text decides nothing. */
void
body_embedding(struct answer *a, struct text *t)
{
	static const float v[8] = { 0.5f, -0.25f, 0.125f, 0, 1, -1, .75f, .5f };

	text_say(t, "{\"object\":\"list\",\"data\":[");
	for (long i = 0; i < a->ask.inputs; i++) {
		text_add(t,
		    "%s{\"object\":\"embedding\",\"index\":%ld,"
		    "\"embedding\":",
		    i ? "," : "", i);
		if (a->ask.base64) {
			text_say(t, "\"");
			base64_floats(t, v, 8);
			text_say(t, "\"}");
		} else {
			text_say(t, "[0.5,-0.25,0.125,0,1,-1,0.75,0.5]}");
		}
	}
	text_add(t, "],\"model\":\"%s\"", a->ask.model);
	if (a->plan.usage != USAGE_NO) {
		text_say(t, ",\"usage\":");
		usage_object(a, t, 0);
	}
	text_say(t, "}");
}

void
body_model(struct text *t, const char *name)
{
	text_add(t,
	    "{\"id\":\"%s\",\"object\":\"model\",\"created\":"
	    "1700000000,\"owned_by\":\"mockup\"}",
	    name);
}

/* ---- events ------------------------------------------------------------ */

/* A chunk up to its delta; then the caller writes the delta, then chunk_end */
void
chunk_begin(const struct answer *a, struct text *t, long index)
{
	bool chat = a->ask.kind == CHAT;

	text_add(t,
	    "{\"id\":\"%s-mock-%lu\",\"object\":\"%s\",\"created\":%ld,"
	    "\"model\":\"%s\"%s,\"choices\":[{\"index\":%ld,%s",
	    chat ? "chatcmpl" : "cmpl", a->number,
	    chat ? "chat.completion.chunk" : "text_completion", a->created,
	    a->ask.model, a->plan.odd ? ODD_MEMBERS : "", index,
	    chat ? "\"delta\":{" : "");
}

void
chunk_end(struct answer *a, struct text *t, const char *reason)
{
	bool shown = a->plan.usage == USAGE_EACH ||
	    (a->plan.usage == USAGE_FINISH && reason);

	text_add(t, "%s\"logprobs\":null,\"finish_reason\":%s%s%s}]",
	    a->ask.kind == CHAT ? "}," : "", reason ? "\"" : "",
	    reason ? reason : "null", reason ? "\"" : "");
	if (shown) {
		text_say(t, ",\"usage\":");
		usage_object(a, t, reason ? a->out : answer_out(a));
	} else if (a->ask.include_usage && a->plan.usage != USAGE_NO) {
		text_say(t, ",\"usage\":null");
	}
	text_say(t, "}");
}

/* The delta of content event i: a word, or a part of a tool call. */
void
chunk_content(struct answer *a, struct text *t, long i)
{
	static const char *const arguments[] = {
		"{\\\"city\\\":", "\\\"Graz\\\"", "}"
	};

	chunk_begin(a, t, i % a->ask.n);
	if (a->plan.tools && i < 3) {
		text_say(t, "\"tool_calls\":[{\"index\":0,");
		if (!i)
			text_say(t,
			    "\"id\":\"call_mock_1\",\"type\":"
			    "\"function\",");
		text_add(t, "\"function\":{%s\"arguments\":\"%s\"}}]",
		    i ? "" : "\"name\":\"weather\",", arguments[i]);
	} else {
		text_say(
		    t, a->ask.kind == CHAT ? "\"content\":\"" : "\"text\":\"");
		content_piece(a, t, i / a->ask.n);
		text_say(t, a->ask.kind == CHAT ? "\"" : "\",");
	}
	chunk_end(a, t, NULL);
}

void
chunk_usage(struct answer *a, struct text *t, long out)
{
	text_add(t,
	    "{\"id\":\"%s-mock-%lu\",\"object\":\"%s\",\"created\":%ld,"
	    "\"model\":\"%s\",\"choices\":[],\"usage\":",
	    a->ask.kind == CHAT ? "chatcmpl" : "cmpl", a->number,
	    a->ask.kind == CHAT ? "chat.completion.chunk" : "text_completion",
	    a->created, a->ask.model);
	usage_object(a, t, out);
	text_say(t, "}");
}

/* ---- errors ------------------------------------------------------------ */

void
error_object(const struct answer *a, struct text *t, long status)
{
	static const struct {
		long status, why;
		const char *type, *code, *message;
	} errors[] = {
		{ 429, WHY_QUOTA, "insufficient_quota", "insufficient_quota",
		    "You have used all of your quota; see plan and billing" },
		{ 402, WHY_QUOTA, "billing_error", "credit_balance_exhausted",
		    "Your credit balance is too low" },
		{ 400, WHY_QUOTA, "invalid_request_error", "billing",
		    "Your account has an insufficient balance" },
		{ 400, WHY_CONTEXT, "invalid_request_error",
		    "context_length_exceeded",
		    "This model's maximum context length is 8192 tokens" },
		{ 400, WHY_POLICY, "invalid_request_error",
		    "content_policy_violation", "The content was refused" },
		{ 404, WHY_MODEL, "invalid_request_error", "model_not_found",
		    "The model does not exist or is not for you" },
		{ 400, WHY_KEY, "invalid_request_error", "invalid_value",
		    "Cannot do this with the key " },
		{ 404, WHY_NAME, "invalid_request_error", "mock_word",
		    "mockup knows no such behaviour (see --help): " },
		{ 401, 0, "invalid_request_error", "invalid_api_key",
		    "Incorrect API key provided" },
		{ 403, 0, "permission_error", "forbidden",
		    "This key may not do that" },
		{ 429, 0, "requests", "rate_limit_exceeded",
		    "Rate limit reached for requests" },
		{ 503, 0, "server_error", "server_is_overloaded",
		    "The server is overloaded" },
		{ 0, 0, "server_error", "mock_error",
		    "The mock was told to "
		    "answer with this status" },
	};
	int i = 0;

	while (errors[i].status &&
	    (errors[i].status != status || errors[i].why != a->plan.why))
		i++;
	text_add(t,
	    "{\"error\":{\"message\":\"%s%s\",\"type\":\"%s\","
	    "\"param\":null,\"code\":\"%s\"}}",
	    errors[i].message, a->plan.why >= WHY_KEY ? a->ask.key : "",
	    !errors[i].status && status < 500 ? "invalid_request_error"
					      : errors[i].type,
	    errors[i].code);
}
