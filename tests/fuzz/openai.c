/* SPDX-License-Identifier: MIT */
/*
 * openai.c - fuzzes the dialect: what it accepts as a request it can write
 * for an upstream, as JSON that asks the same; what it makes of an answer
 * does not depend on how that was cut; its faults are JSON.
 */
#include "handlers/dialect/dialect.h"

#include <stdlib.h>

#include "fcgi/base/json.h"
#include "tests/fuzz/fuzz.h"

static void
request(struct arena *a, enum endpoint endpoint, struct str text)
{
	struct asked asked = { 0 }, again = { 0 };
	struct fault f = { 0 };
	struct buf out = BUF(a, 1 << 24);
	struct json_error e;
	struct edits edits = { .model = S("up-\"name"), .force_usage = true,
		.cap_output = 7 };

	if (!openai_dialect.read_request(a, endpoint, text, &asked, &f)) {
		assert(f.kind != FAULT_NONE && f.text.n);
		openai_dialect.write_fault(&f, S("id"), &out);
		assert(json_valid(buf_str(&out), &e));
		return;
	}
	assert(json_valid(text, &e));
	assert(asked.choices >= 1 && asked.prompt_tokens >= 0);
	assert(asked.prompt_tokens <= asked.prompt_bound || asked.images ||
	    asked.unseen_input || asked.prompt_bound >= 0);
	if (!asked.stream)
		edits.force_usage = false;
	assert(openai_dialect.write_request(&asked, &edits, &out));
	assert(json_valid(buf_str(&out), &e));
	assert(openai_dialect.read_request(a, endpoint, buf_str(&out), &again,
	    &f));
	assert(str_eq(again.model, edits.model));
	assert(again.stream == asked.stream);
	assert(again.choices == asked.choices);
	assert(again.pictures == asked.pictures &&
	    again.characters == asked.characters &&
	    again.searches_most == asked.searches_most);
	assert(asked.searches_most >= asked.searches);
	if (asked.stream && endpoint_is_text(endpoint))
		assert(again.usage_wanted);
}

/* The same of a form; its boundary is what stands in its first line. */
static void
form(struct arena *a, enum endpoint endpoint, struct str text)
{
	struct str rest = str_skip(text, 2), line = str_cut(&rest, '\r');
	struct str type = ARENA_JOIN(a,
	    S("multipart/form-data; boundary=\""), line, S("\""));
	struct edits edits = { .model = S("up-name"), .cap_output = -1 };
	struct asked asked = { 0 }, again = { 0 };
	struct fault f = { 0 };
	struct buf out = BUF(a, 1 << 24);

	if (!openai_dialect.read_form(a, endpoint, type, text, &asked, &f)) {
		assert(f.kind != FAULT_NONE && f.text.n);
		return;
	}
	assert(asked.seconds_most >= asked.seconds && asked.seconds >= 0);
	assert(openai_dialect.write_request(&asked, &edits, &out));
	assert(out.n == text.n - asked.model_at.n + edits.model.n);
	assert(openai_dialect.read_form(a, endpoint, type, buf_str(&out),
	    &again, &f));
	assert(str_eq(again.model, edits.model));
	assert(again.seconds == asked.seconds);
	assert(again.pictures == asked.pictures);
}

static void
answer(struct arena *a, enum endpoint endpoint, bool stream, bool bytes,
    struct str text, uint32_t seed, struct buf *out, struct observer *o)
{
	struct buf last = BUF(a, 1 << 24);

	*o = (struct observer){ .dialect = &openai_dialect, .arena = a,
		.stream = stream, .bytes = bytes, .hide_usage = true,
		.endpoint = endpoint, .pictures = 2, .sound_rate = 16000 };
	openai_dialect.observe(o);
	while (text.n) {
		size_t n = seed ? fuzz_cut(&seed, text.n) : text.n;

		openai_dialect.feed(o, str_from(text.p, n), out, &last);
		text = str_skip(text, n);
	}
	if (openai_dialect.finish(o, out, &last))
		buf_put(out, S("<whole>"));
	buf_put(out, buf_str(&last));
}

/* However the bytes came, the same was read from them. */
static void
same_facts(const struct observer *x, const struct observer *y)
{
	const struct tokens *t = &x->tokens, *u = &y->tokens;

	assert(x->seen == y->seen);
	assert(t->in_total == u->in_total && t->out_total == u->out_total);
	assert(t->cache_read == u->cache_read &&
	    t->cache_write == u->cache_write &&
	    t->cache_write_1h == u->cache_write_1h);
	assert(t->reasoning == u->reasoning);
	assert(t->in_audio == u->in_audio && t->out_audio == u->out_audio);
	assert(t->in_image == u->in_image && t->out_image == u->out_image);
	assert(t->seconds == u->seconds && t->pictures == u->pictures &&
	    t->searches == u->searches);
	assert(t->odd == u->odd);
	/* Of plain text it is an estimate that a cut may change a little. */
	assert(x->bytes || x->out_milli == y->out_milli);
	assert(str_eq(x->model, y->model));
	assert(str_eq(x->service_tier, y->service_tier));
	assert(x->error.kind == y->error.kind);
	assert(str_eq(x->error.message, y->error.message) &&
	    str_eq(x->error.code, y->error.code) &&
	    str_eq(x->error.param, y->error.param));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_from(data, n);
	struct arena a;
	struct up_error error;

	arena_init(&a);
	for (enum endpoint e = 0; e < N_ENDPOINTS; e++)
		request(&a, e, text);
	for (enum endpoint e = ENDPOINT_IMAGE_EDITS;
	    e <= ENDPOINT_TRANSLATIONS; e++)
		if (e != ENDPOINT_SPEECH)
			form(&a, e, text);
	for (int i = 0; i < 3 * N_ENDPOINTS; i++) {
		enum endpoint e = (enum endpoint)(i / 3);
		bool stream = i % 3 == 1, bytes = i % 3 == 2;
		struct buf whole = BUF(&a, 1 << 24), cut = BUF(&a, 1 << 24);
		struct observer o, o_cut;

		answer(&a, e, stream, bytes, text, 0, &whole, &o);
		answer(&a, e, stream, bytes, text, 1, &cut, &o_cut);
		assert(str_eq(buf_str(&whole), buf_str(&cut)));
		same_facts(&o, &o_cut);
		assert(o.tokens.in_total >= -1 && o.tokens.out_total >= -1);
	}
	openai_dialect.read_error(&a, 400, S("application/json"), text,
	    &error);
	assert(error.message.n <= 2048);
	arena_release(&a);
	return 0;
}
