/* SPDX-License-Identifier: MIT */
/*
 * anthropic.c - fuzzes the dialect: what it accepts as a request it can write
 * for an upstream, as JSON that asks the same; what it makes of an answer
 * does not depend on how that was cut, and nothing is in it that the upstream
 * did not send; its faults and headers are what they should be.
 */
#include "handlers/dialect/dialect.h"

#include "fcgi/base/json.h"
#include "tests/fuzz/fuzz.h"

static const struct dialect *const d = &anthropic_dialect;

static void
request(struct arena *a, enum endpoint endpoint, struct str text)
{
	struct asked asked = { 0 }, again = { 0 };
	struct fault f = { 0 };
	struct buf out = BUF(a, 1 << 24);
	struct edits edits = { .model = S("up-\"name"), .cap_output = 7 };

	if (!d->read_request(a, endpoint, text, &asked, &f)) {
		assert(f.kind != FAULT_NONE && f.text.n);
		d->write_fault(&f, S("id"), &out);
		assert(json_valid(buf_str(&out), NULL));
		return;
	}
	assert(json_valid(text, NULL));
	assert(asked.choices == 1 && asked.prompt_tokens >= 0);
	assert(asked.max_output >= 0 || endpoint == ENDPOINT_COUNT_TOKENS);
	assert(d->write_request(&asked, &edits, &out));
	assert(json_valid(buf_str(&out), NULL));
	assert(d->read_request(a, endpoint, buf_str(&out), &again, &f));
	assert(str_eq(again.model, edits.model));
	assert(again.stream == asked.stream && again.tools == asked.tools);
	assert(again.max_output == (asked.max_output < 7 ? asked.max_output :
	    7));
	assert(again.prompt_tokens == asked.prompt_tokens &&
	    again.prompt_bound == asked.prompt_bound &&
	    again.head_hash == asked.head_hash);
}

static void
answer(struct arena *a, enum endpoint endpoint, bool stream, struct str text,
    uint32_t seed, struct buf *out, struct observer *o)
{
	struct buf last = BUF(a, 1 << 24);

	*o = (struct observer){ .dialect = d, .arena = a, .stream = stream,
		.endpoint = endpoint };
	d->observe(o);
	while (text.n) {
		size_t n = seed ? fuzz_cut(&seed, text.n) : text.n;

		d->feed(o, str_from(text.p, n), out, &last);
		text = str_skip(text, n);
	}
	if (d->finish(o, out, &last))
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
	assert(t->reasoning == u->reasoning && t->odd == u->odd);
	assert(x->out_milli == y->out_milli);
	assert(str_eq(x->model, y->model));
	assert(str_eq(x->service_tier, y->service_tier));
	assert(x->error.kind == y->error.kind);
	assert(str_eq(x->error.message, y->error.message));
}

/* Parts are inside of what they are parts of. */
static void
sane(const struct tokens *t)
{
	assert(t->in_total >= -1 && t->out_total >= -1);
	assert(t->cache_write_1h <= t->cache_write || t->cache_write < 0);
	assert(t->in_total < 0 || (t->cache_read <= t->in_total &&
	    t->cache_write <= t->in_total));
	assert(t->out_total < 0 || t->reasoning <= t->out_total);
}

static void
headers(struct arena *a, struct str text)
{
	const struct caller_headers h = { .version = text, .beta = text };
	struct str lines[DIALECT_HEADERS];
	int n = d->write_headers(a, &h, lines);

	assert(n >= 1 && n <= DIALECT_HEADERS);
	for (int i = 0; i < n; i++)
		assert(!str_has_control(lines[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_from(data, n);
	struct arena a;
	struct up_error error;

	arena_init(&a);
	request(&a, ENDPOINT_MESSAGES, text);
	request(&a, ENDPOINT_COUNT_TOKENS, text);
	for (int i = 0; i < 3; i++) {
		enum endpoint e = i ? ENDPOINT_MESSAGES : ENDPOINT_COUNT_TOKENS;
		struct buf whole = BUF(&a, 1 << 24), cut = BUF(&a, 1 << 24);
		struct observer o, o_cut;

		answer(&a, e, i == 2, text, 0, &whole, &o);
		answer(&a, e, i == 2, text, 1, &cut, &o_cut);
		assert(str_eq(buf_str(&whole), buf_str(&cut)));
		same_facts(&o, &o_cut);
		sane(&o.tokens);
	}
	headers(&a, text);
	d->read_error(&a, 400, S("application/json"), text, &error);
	assert(error.message.n <= 2048);
	arena_release(&a);
	return 0;
}
