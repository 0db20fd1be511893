/* SPDX-License-Identifier: MIT */
/*
 * gemini.c - fuzzes the dialect: what it accepts as a request it can write
 * for an upstream, as JSON that asks the same; what it makes of an answer
 * does not depend on how that was cut, as frames, as an array and as one
 * text; its faults are what they should be.
 */
#include "handlers/dialect/dialect.h"

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "tests/fuzz/fuzz.h"

static const struct dialect *const d = &gemini_dialect;

static void
request(struct arena *a, enum endpoint endpoint, struct str text)
{
	struct asked asked = { .by_path = { S("m"), false, false } };
	struct asked again = { .by_path = { S("up"), false, false } };
	struct fault f = { 0 };
	struct buf out = BUF(a, 1 << 24);
	struct edits edits = { .model = S("up"), .cap_output = 7 };
	bool capped;

	if (!d->read_request(a, endpoint, text, &asked, &f)) {
		assert(f.kind != FAULT_NONE && f.text.n);
		d->write_fault(&f, S("id"), &out);
		assert(json_valid(buf_str(&out), NULL));
		return;
	}
	assert(json_valid(text, NULL));
	assert(asked.choices >= 1 && asked.prompt_tokens >= 0);
	assert(d->write_request(&asked, &edits, &out));
	assert(json_valid(buf_str(&out), NULL));
	if (!d->read_request(a, endpoint, buf_str(&out), &again, &f))
		assert(!"what was written is read");
	capped = endpoint == ENDPOINT_GENERATE &&
	    (asked.max_output < 0 || asked.max_output > 7);
	assert(again.max_output == (capped ? 7 : asked.max_output));
	assert(again.tools == asked.tools && again.choices == asked.choices);
	assert(again.prompt_tokens == asked.prompt_tokens &&
	    again.head_hash == asked.head_hash);
}

static void
answer(struct arena *a, enum endpoint endpoint, int how, struct str text,
    uint32_t seed, struct buf *out, struct observer *o)
{
	struct buf last = BUF(a, 1 << 24);

	*o = (struct observer){ .dialect = d, .arena = a, .stream = how > 0,
		.array = how > 1, .endpoint = endpoint };
	d->observe(o);
	while (text.n) {
		size_t n = seed ? fuzz_cut(&seed, text.n) : text.n;

		d->feed(o, str_from(text.p, n), out, &last);
		text = str_skip(text, n);
	}
	if (d->finish(o, out, &last)) {
		buf_put(out, buf_str(&last));
		/* All its elements were read: they are JSON then. */
		assert(how < 2 || o->out_milli < 0 || out->p[0] == '[');
		buf_put(out, S("<whole>"));
	}
}

/* However the bytes came, the same was read from them. */
static void
same_facts(const struct observer *x, const struct observer *y)
{
	const struct tokens *t = &x->tokens, *u = &y->tokens;

	assert(x->seen == y->seen);
	assert(t->in_total == u->in_total && t->out_total == u->out_total);
	assert(t->cache_read == u->cache_read);
	assert(t->reasoning == u->reasoning && t->odd == u->odd);
	assert(x->out_milli == y->out_milli);
	assert(str_eq(x->model, y->model));
	assert(x->error.kind == y->error.kind);
	assert(str_eq(x->error.message, y->error.message));
}

/* Parts are inside of what they are parts of. */
static void
sane(const struct tokens *t)
{
	assert(t->in_total >= -1 && t->out_total >= -1);
	assert(t->in_total < 0 || (t->cache_read <= t->in_total &&
	    t->in_audio <= t->in_total && t->in_image <= t->in_total));
	assert(t->out_total < 0 || t->reasoning <= t->out_total);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum endpoint endpoints[] = { ENDPOINT_GENERATE,
		ENDPOINT_COUNT_TOKENS, ENDPOINT_EMBED, ENDPOINT_EMBED_BATCH };
	struct str text = str_from(data, n);
	struct asked asked = { 0 };
	struct fault f = { 0 };
	struct up_error error;
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < countof(endpoints); i++)
		request(&a, endpoints[i], text);
	if (d->read_path(&a, text, text, &asked, &f))
		assert(asked.by_path.model.n && d->path(asked.endpoint,
		    asked.by_path.stream));
	for (int how = 0; how < 3; how++) {
		enum endpoint e = how ? ENDPOINT_GENERATE :
		    endpoints[n % countof(endpoints)];
		struct buf whole = BUF(&a, 1 << 24), cut = BUF(&a, 1 << 24);
		struct observer o, o_cut;

		answer(&a, e, how, text, 0, &whole, &o);
		answer(&a, e, how, text, 1, &cut, &o_cut);
		assert(str_eq(buf_str(&whole), buf_str(&cut)));
		same_facts(&o, &o_cut);
		sane(&o.tokens);
	}
	d->read_error(&a, 400, S("application/json"), text, &error);
	assert(error.message.n <= 2048 && error.retry_ms >= 0);
	arena_release(&a);
	return 0;
}
