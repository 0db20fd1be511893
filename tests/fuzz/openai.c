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
	struct asked asked, again;
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
	if (asked.stream)
		assert(again.usage_wanted);
}

static void
answer(struct arena *a, bool stream, struct str text, uint32_t seed,
    struct buf *out, struct observer *o)
{
	struct buf last = BUF(a, 1 << 24);

	*o = (struct observer){ .dialect = &openai_dialect, .arena = a,
		.stream = stream, .hide_usage = true,
		.endpoint = ENDPOINT_CHAT };
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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_from(data, n);
	struct arena a;
	struct up_error error;

	arena_init(&a);
	for (enum endpoint e = 0; e < N_ENDPOINTS; e++)
		request(&a, e, text);
	for (int stream = 0; stream < 2; stream++) {
		struct buf whole = BUF(&a, 1 << 24), cut = BUF(&a, 1 << 24);
		struct observer o, o_cut;

		answer(&a, stream, text, 0, &whole, &o);
		answer(&a, stream, text, 1, &cut, &o_cut);
		assert(str_eq(buf_str(&whole), buf_str(&cut)));
		assert(o.seen == o_cut.seen);
		assert(o.tokens.in_total == o_cut.tokens.in_total);
		assert(o.tokens.out_total == o_cut.tokens.out_total);
		assert(o.tokens.in_total >= -1 && o.tokens.out_total >= -1);
	}
	openai_dialect.read_error(&a, 400, S("application/json"), text,
	    &error);
	assert(error.message.n <= 2048);
	arena_release(&a);
	return 0;
}
