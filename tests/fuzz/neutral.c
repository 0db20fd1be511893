/* SPDX-License-Identifier: MIT */
/*
 * neutral.c - fuzzes what goes from one dialect to another: a request that is
 * taken is written as JSON, the same each time, or refused with words; an
 * answer is told in frames and bodies that are JSON, however it was cut, and
 * its events come in the order that readers promise.
 */
#include "handlers/dialect/neutral.h"

#include "fcgi/base/json.h"
#include "handlers/dialect/envelope.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/sse.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 1 << 24 };

static const struct target targets[] = {
	{ .model = STR_INIT("m\"1"), .max_output = 8192,
	    .reasoning = REASONING_BUDGET, .temp_or_top_p = true,
	    .prefill = true },
	{ .model = STR_INIT("m2"), .reasoning = REASONING_ADAPTIVE,
	    .sampling = SAMPLING_NO, .json_schema = true,
	    .strict_tools = true, .mid_system = true },
	{ .model = STR_INIT("m3"), .reasoning = REASONING_EFFORT,
	    .max_completion = true, .developer_role = true,
	    .reasoning_replay = true },
	{ .model = STR_INIT("m4"), .one_system = true, .strict = true },
	{ .model = STR_INIT("m5"), .reasoning = REASONING_LEVEL,
	    .always_reasons = true, .json_with_tools = true,
	    .result_parts = true },
};

/* Of these an input meets one. */
static const struct target quirky[] = {
	{ .model = STR_INIT("q1"), .choices = CHOICES_ANY, .ids = IDS_ALNUM9,
	    .tool_name = true, .seed = SEED_RANDOM, .prefill = true,
	    .prefill_mark = PREFILL_PREFIX, .no_stream_usage = true,
	    .stop_most = 1 },
	{ .model = STR_INIT("q2"), .reasoning = REASONING_THINKING,
	    .efforts = 1u << EFFORT_HIGH, .temperature_most = 1,
	    .no_schema_uri = true, .cache_marks = CACHE_CONTROL,
	    .reasoning_replay = true, .one_system = true, .top_k = true },
	{ .model = STR_INIT("q3"), .reasoning = REASONING_ENABLE,
	    .choices = CHOICES_AUTO, .no_parallel = true,
	    .no_json_object = true, .no_stop = true, .no_penalties = true,
	    .no_logit_bias = true, .seed = SEED_NO, .user = USER_USER,
	    .cache_marks = CACHE_BREAKPOINT, .service_tier = true },
	{ .model = STR_INIT("q4"), .reasoning = REASONING_OBJECT,
	    .sampling = SAMPLING_PLAIN, .always_reasons = true,
	    .no_tools = true, .no_logprobs = true, .no_image_url = true,
	    .cache_marks = CACHE_NONE, .user = USER_SAFETY },
	{ .model = STR_INIT("q5"), .reasoning = REASONING_TEMPLATE,
	    .prefill = true, .prefill_mark = PREFILL_PARTIAL,
	    .no_schema_uri = true, .json_schema = true },
};

/* --- Requests ------------------------------------------------------------- */

static bool
encode(struct arena *a, const struct neutral_dialect *to,
    const struct neutral *form, const struct target *t, struct buf *out)
{
	struct dropped d = { .names = BUF(a, 4096) };
	struct fault f = { 0 };

	*out = BUF(a, MOST);
	if (!to->encode(a, form, t, out, &d, &f)) {
		assert(out->full || (f.kind != FAULT_NONE && f.text.n));
		return false;
	}
	assert(json_valid(buf_str(out), NULL));
	return true;
}

/* Nobody's key: no envelope that is made up opens. */
static void
no_mac(const void *arg, struct str text, uint8_t mac[static ENVELOPE_MAC])
{
	(void)arg;
	(void)text;
	memset(mac, 0x5a, ENVELOPE_MAC);
}

/* Cut out of the text, or put right: JSON that is still read, and cut again
 * it is the same. */
static void
thoughts(struct arena *a, const struct dialect *from, struct str text)
{
	const struct envelope_key key = { no_mac, NULL, S("anthropic"), 1, false };
	struct buf cut = BUF(a, MOST), again = BUF(a, MOST);
	struct buf opened = BUF(a, MOST);

	if (!from->thoughts)
		return;
	assert(from->thoughts(a, text, NULL, &cut) &&
	    from->thoughts(a, buf_str(&cut), NULL, &again) &&
	    from->thoughts(a, text, &key, &opened));
	assert(json_valid(buf_str(&cut), NULL) &&
	    json_valid(buf_str(&opened), NULL) &&
	    str_eq(buf_str(&cut), buf_str(&again)));
}

static void
request(struct arena *a, const struct dialect *from, struct str text)
{
	static const struct neutral_dialect *const to[] = { &openai_neutral,
		&anthropic_neutral, &gemini_neutral, &responses_neutral };
	struct fault f = { 0 };
	struct asked asked = { .by_path.model = from->model_in_path ? S("m") :
	    S("") };
	struct neutral form;
	struct buf out, again;

	if (!from->read_request(a, from->converse, text, &asked, &f))
		return;
	thoughts(a, from, text);
	if (!from->neutral->decode(a, text, &form, &f)) {
		assert(f.kind != FAULT_NONE && f.text.n);
		return;
	}
	assert(form.n_stops <= NEUTRAL_STOPS);
	for (size_t i = 0; i <= countof(targets); i++) {
		const struct target *t = i < countof(targets) ? &targets[i] :
		    &quirky[text.n % countof(quirky)];

		for (size_t j = 0; j < countof(to); j++)
			if (encode(a, to[j], &form, t, &out)) {
				assert(encode(a, to[j], &form, t, &again));
				assert(str_eq(buf_str(&out),
				    buf_str(&again)));
			}
	}
}

/* --- Answers -------------------------------------------------------------- */

struct flow {
	struct event_reader reader;
	struct event_writer writer;
	const struct neutral_dialect *to;
	struct buf out, last;
	int starts, ends, depth;
	bool over, stopped;
};

static void
take(struct event_reader *r, const struct event *e)
{
	struct flow *x = r->arg;

	assert(!x->ends);
	switch (e->kind) {
	case EVENT_START:
		assert(x->starts++ == 0);
		break;
	case EVENT_BLOCK:
		assert(x->starts == 1 && x->depth++ == 0);
		break;
	case EVENT_TEXT:
	case EVENT_ARGS:
	case EVENT_SIGN:
		assert(x->depth == 1);
		break;
	case EVENT_BLOCK_END:
		assert(--x->depth == 0);
		break;
	case EVENT_STOP:
		assert(x->starts == 1 && x->depth == 0);
		x->stopped = true;
		/* fall through */
	case EVENT_ERROR:
		assert(!x->over);
		x->over = true;
		break;
	case EVENT_END:
		assert(x->over);
		x->ends++;
		break;
	default:
		break;
	}
	x->to->writer_put(&x->writer, e, &x->out, &x->last);
}

static void
answer(struct arena *a, const struct neutral_dialect *from, bool framed,
    const struct neutral_dialect *to, bool stream, struct str text,
    const struct neutral *asked, uint32_t seed, struct flow *x)
{
	*x = (struct flow){ .to = to, .out = BUF(a, MOST),
		.last = BUF(a, MOST) };
	x->reader = (struct event_reader){ .arena = a, .stream = framed,
		.asked = asked, .take = take, .arg = x };
	x->writer = (struct event_writer){ .arena = a, .stream = stream,
		.usage_wanted = true, .model = S("my\"model"),
		.request_id = S("id"), .now = 1 };
	from->reader_init(&x->reader);
	to->writer_init(&x->writer);
	while (text.n) {
		size_t n = seed ? fuzz_cut(&seed, text.n) : text.n;

		from->reader_feed(&x->reader, str_from(text.p, n));
		text = str_skip(text, n);
	}
	from->reader_finish(&x->reader);
	assert(x->ends == 1);
	buf_put(&x->out, buf_str(&x->last));
}

/* Every frame has data, and they are JSON. */
static void
frames_are_json(struct str text)
{
	struct sse sse;
	struct sse_frame f;
	struct sse_fields fields;

	sse_init(&sse);
	sse_feed(&sse, text);
	while (sse_next(&sse, &f)) {
		if (f.kind != SSE_FRAME)
			break;
		sse_read(&sse, f.raw, &fields);
		assert(fields.has_data);
		assert(str_eq(fields.data, S("[DONE]")) ||
		    json_valid(fields.data, NULL));
	}
	sse_release(&sse);
}

static void
answers(const struct neutral_dialect *from, const struct neutral_dialect *to,
    struct str text, const struct neutral *asked)
{
	for (int i = 0; i < 4; i++) {
		bool stream = i & 1;
		struct flow x, y;
		struct arena a;

		arena_init(&a);
		answer(&a, from, i & 2, to, stream, text, asked, 0, &x);
		answer(&a, from, i & 2, to, stream, text, asked, 1, &y);
		assert(str_eq(buf_str(&x.out), buf_str(&y.out)));
		if (stream)
			frames_are_json(buf_str(&x.out));
		else if (x.stopped)
			assert(json_valid(buf_str(&x.out), NULL));
		arena_release(&a);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str text = str_from(data, n);
	struct tool tools[] = {
		{ .kind = TOOL_CUSTOM, .name = S("p") },
		{ .kind = TOOL_FUNCTION, .name = S("f\"g") },
	};
	struct neutral asked = { .tools = tools, .n_tools = 2 };
	struct neutral schema = { .format = FORMAT_SCHEMA };
	struct neutral stops = { .stops = { S("a\\u0062"), S("\n") },
		.n_stops = 2, .logprobs = true };
	struct target tags = { .think_tags = n & 1 };
	struct arena a;

	arena_init(&a);
	asked.arena = schema.arena = stops.arena = &a;
	asked.target = &tags;
	request(&a, &openai_dialect, text);
	request(&a, &anthropic_dialect, text);
	request(&a, &gemini_dialect, text);
	request(&a, &responses_dialect, text);
	answers(&anthropic_neutral, &openai_neutral, text, &asked);
	answers(&anthropic_neutral, &openai_neutral, text, &schema);
	answers(&openai_neutral, &anthropic_neutral, text, &asked);
	answers(&openai_neutral, &openai_neutral, text, NULL);
	if (n & 2) {
		answers(&gemini_neutral, &openai_neutral, text, &asked);
		answers(&anthropic_neutral, &gemini_neutral, text, &asked);
	} else {
		answers(&gemini_neutral, &anthropic_neutral, text, NULL);
		answers(&openai_neutral, &gemini_neutral, text, &asked);
	}
	if (n & 1) {
		answers(&openai_neutral, &responses_neutral, text, &asked);
		answers(&responses_neutral, &anthropic_neutral, text, &stops);
	} else {
		answers(&anthropic_neutral, &responses_neutral, text, &asked);
		answers(&responses_neutral, &openai_neutral, text, &asked);
	}
	arena_release(&a);
	return 0;
}
