/* SPDX-License-Identifier: MIT */
/*
 * up_error.c - what an upstream's error says; see up_error.h.
 *
 * The body is foreign and unchecked: cursors only, which end quietly where
 * the text is damaged.
 */
#include "handlers/dialect/up_error.h"

#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/redact.h"

enum {
	MESSAGE_BYTES = 2048,
	PLAIN_BYTES = 300, /* of a body that is no JSON */
	CODE_BYTES = 64,
	DELAY_MOST_S = 7 * 86400,
	COUNT_DIGITS = 3 /* a count of tokens has so many, or more */
};

bool
up_error_told(struct str value)
{
	return value.n && json_kind(value) != JSON_IS_NULL &&
	    !str_eq(value, S("false")) && !str_eq(value, S("\"\"")) &&
	    !str_eq(value, S("0"));
}

static struct str
first_element(struct str array)
{
	struct json_each m = json_each(array);

	return !m.object && json_next(&m) ? m.value : (struct str){ 0 };
}

static void
add_code(struct up_report *r, struct str code)
{
	if (code.n && code.n <= CODE_BYTES && r->n_codes < UP_CODES)
		r->codes[r->n_codes++] = code;
}

/* A code may be a string or a number; a number may be a status. */
static void
read_code(struct arena *a, struct up_report *r, struct str value)
{
	struct str text = json_text(a, value);
	int64_t n;

	if (text.n == 0 && json_kind(value) == JSON_IS_NUMBER)
		text = value;
	add_code(r, text);
	if (r->status == 0 && str_int(text, &n) && n >= 400 && n < 600)
		r->status = (int)n;
}

/* "37s", "1.5s" in milliseconds, begun ones counting as whole seconds; else
 * 0. */
static int64_t
duration_ms(struct str text)
{
	struct str whole = str_cut(&text, '.');
	bool more = text.n != 0;
	int64_t n;

	if (str_ends(whole, S("s")))
		whole.n--;
	else if (!more)
		return 0;
	return str_int(whole, &n) && n >= 0 && n <= DELAY_MOST_S ?
	    (n + more) * 1000 : 0;
}

/* Anthropic's object has a code.  Google's list: ErrorInfo has a reason,
 * QuotaFailure the quota's name, RetryInfo how long to wait. */
static void
read_details(struct arena *a, struct up_report *r, struct str details)
{
	add_code(r, json_text(a, json_get(details, S("error_code"))));
	for (struct json_each m = json_each(details); json_next(&m);) {
		struct str delay = json_get(m.value, S("retryDelay"));

		add_code(r, json_text(a, json_get(m.value, S("reason"))));
		if (delay.n)
			r->retry_ms = duration_ms(json_text(a, delay));
	}
	if (str_has(details, S("PerDay")))
		add_code(r, S("*per_day"));
}

/* OpenRouter's: the names with a star are ours. */
static void
read_metadata(struct up_report *r, struct str metadata)
{
	if (json_get(metadata, S("flagged_input")).n ||
	    json_get(metadata, S("reasons")).n)
		add_code(r, S("*moderation"));
	if (json_get(metadata, S("provider_name")).n)
		add_code(r, S("*provider"));
}

static void
read_codes(struct arena *a, struct up_report *r, struct str e)
{
	struct str inner = json_get(e, S("innererror"));

	read_code(a, r, json_get(e, S("code")));
	add_code(r, json_text(a, json_get(inner, S("code"))));
	read_code(a, r, json_get(e, S("type")));
	read_code(a, r, json_get(e, S("status")));
	add_code(r, json_text(a, json_get(e, S("__type"))));
	read_details(a, r, json_get(e, S("details")));
	read_metadata(r, json_get(e, S("metadata")));
}

/* The first of the members that may hold the words. */
static struct str
message_of(struct arena *a, struct str e)
{
	static const struct str names[] = {
		STR_INIT("message"),
		STR_INIT("Message"),
		STR_INIT("error"),
		STR_INIT("detail"),
		STR_INIT("msg"),
		STR_INIT("error_msg"),
	};
	struct str text;

	for (size_t i = 0; i < countof(names); i++) {
		text = json_text(a, json_get(e, names[i]));
		if (text.n)
			return text;
	}
	text = first_element(json_get(e, S("detail")));
	text = json_text(a, json_get(text, S("msg")));
	if (text.n)
		return text;
	text = first_element(json_get(e, S("errors")));
	return json_text(a, json_get(text, S("message")));
}

static struct str
read_json(struct arena *a, struct up_report *r, struct str body)
{
	struct str error;

	if (body.p[0] == '[')
		body = first_element(body);
	error = json_get(body, S("error"));
	if (json_kind(error) == JSON_IS_OBJECT) {
		read_codes(a, r, error);
		r->message = message_of(a, error);
	}
	read_codes(a, r, body);
	if (r->message.n == 0)
		r->message = message_of(a, body);
	return json_kind(error) == JSON_IS_OBJECT ? error : body;
}

void
up_error_read(struct arena *a, int status, struct str content_type,
    struct str body, struct up_error *out)
{
	struct up_report r = { .status = status >= 300 ? status : 0 };
	struct str e = { 0 }, code;

	body = str_trim(body);
	if (body.n > LIMIT_ERROR_BYTES)
		body.n = LIMIT_ERROR_BYTES;
	r.empty = body.n == 0;
	r.html = (body.n && body.p[0] == '<') ||
	    str_has_nocase(content_type, S("html"));
	if (body.n && (body.p[0] == '{' || body.p[0] == '['))
		e = read_json(a, &r, body);
	if (r.message.n == 0 && !r.html)
		r.message = str_from(
		    body.p, body.n < PLAIN_BYTES ? body.n : PLAIN_BYTES);
	if (r.message.n > MESSAGE_BYTES)
		r.message.n = MESSAGE_BYTES;
	code = json_text(a, json_get(e, S("code")));
	if (code.n == 0)
		code = json_text(
		    a, json_get(json_get(e, S("details")), S("error_code")));
	*out = (struct up_error){
		.kind = up_judge(&r),
		.message = redact(a, r.message, MESSAGE_BYTES),
		.code = redact(a, code, CODE_BYTES),
		.param = redact(
		    a, json_text(a, json_get(e, S("param"))), 2 * CODE_BYTES),
		.retry_ms = r.retry_ms,
	};
}

int
up_error_counts(struct str text, int64_t counts[static 2])
{
	int n = 0;

	for (size_t i = 0, end; i < text.n && n < 2; i = end + 1) {
		for (end = i; end < text.n && text.p[end] >= '0' &&
		    text.p[end] <= '9';)
			end++;
		if (end - i >= COUNT_DIGITS && str_int(str_from(text.p + i,
		    end - i), &counts[n]))
			n++;
	}
	return n;
}
