/* SPDX-License-Identifier: MIT */
/*
 * openai_facts.c - what is looked for in an answer: text, stops, usage.
 *
 * Answers are foreign and unchecked; the cursors that walk them end quietly
 * where a text is damaged.  Each spelling that OpenAI-compatible providers use
 * is read wherever it comes from: they borrow from each other.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai.h"
#include "handlers/dialect/up_error.h"

enum {
	TEXT_DEPTH = 4, /* of a content that is a list of lists */
	NAME_BYTES = 256, /* of a model's name that is kept */
	MAX_COUNT = 1000000000 /* tokens; more is no count */
};

/* Which text of a choice a piece belongs to. */
enum text_kind { CONTENT, REASONING, REFUSAL, CALL_NAME, CALL_TEXT, N_TEXTS };

/*
 * --- Text -------------------------------------------------------------------
 */

static bool
is_text(struct str value)
{
	return value.n > 2 && value.p[0] == '"';
}

/* A piece of text; pieces of the same text are counted as one. */
static void
count_text(struct watch *w, struct glance *g, unsigned run, struct str value)
{
	if (!is_text(value))
		return;
	g->meaning = true;
	if (w->run != run) {
		tokens_cut(&w->pass.count);
		w->run = run;
	}
	tokens_add_raw(&w->pass.count, str_from(value.p + 1, value.n - 2));
}

/* A content that is a list: the strings named text, thinking or summary. */
static void
count_list(struct watch *w, struct glance *g, unsigned run, struct str value,
    int depth)
{
	if (depth == 0)
		return;
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (m.object && !str_eq(m.name, S("text")) &&
		    !str_eq(m.name, S("thinking")) &&
		    !str_eq(m.name, S("summary")))
			continue;
		if (is_text(m.value))
			count_text(w, g, run, m.value);
		else
			count_list(w, g, run, m.value, depth - 1);
	}
}

static void
count_content(struct watch *w, struct glance *g, unsigned run, struct str value)
{
	if (json_kind(value) == JSON_IS_ARRAY)
		count_list(w, g, run, value, TEXT_DEPTH);
	else
		count_text(w, g, run, value);
}

/* {"name":…,"arguments":…}, or "input" of a custom tool. */
static void
count_function(
    struct watch *w, struct glance *g, unsigned run, struct str value)
{
	for (struct json_each m = json_each(value); json_next(&m);) {
		if (str_eq(m.name, S("name")))
			count_text(w, g, run + CALL_NAME, m.value);
		else if (str_eq(m.name, S("arguments")) ||
		    str_eq(m.name, S("input")))
			count_text(w, g, run + CALL_TEXT, m.value);
	}
}

static void
count_calls(struct watch *w, struct glance *g, unsigned run, struct str value)
{
	for (struct json_each call = json_each(value); json_next(&call);) {
		g->meaning = true;
		for (struct json_each m = json_each(call.value); json_next(&m);)
			if (str_eq(m.name, S("function")) ||
			    str_eq(m.name, S("custom")))
				count_function(w, g, run, m.value);
	}
}

/* Providers that send both spellings of reasoning send the same text. */
struct thoughts {
	struct str content, plain, details;
};

static void
count_thoughts(
    struct watch *w, struct glance *g, unsigned run, const struct thoughts *t)
{
	run += REASONING;
	if (is_text(t->content))
		count_text(w, g, run, t->content);
	if (is_text(t->plain) && !str_eq(t->plain, t->content))
		count_text(w, g, run, t->plain);
	if (!is_text(t->content) && !is_text(t->plain))
		count_list(w, g, run, t->details, TEXT_DEPTH);
}

/* Sound in a message: 48,000 bytes a second as PCM, 21 tokens. */
static void
count_sound(
    struct watch *w, struct glance *g, unsigned run, struct str value)
{
	enum { BASE64_BYTES_A_TOKEN = 48000 * 4 / 3 / 21 };
	struct str data = json_get(value, S("data"));

	if (json_kind(value) != JSON_IS_OBJECT)
		return;
	g->meaning = true;
	count_text(w, g, run + CONTENT, json_get(value, S("transcript")));
	w->pass.count.milli += (int64_t)data.n * 1000 / BASE64_BYTES_A_TOKEN;
}

/* A delta, or a whole message. */
static void
look_at_message(
    struct watch *w, struct glance *g, unsigned run, struct json_each m)
{
	struct thoughts t = { 0 };

	while (json_next(&m)) {
		if (m.value.n < 3 || m.value.p[0] == 'n')
			continue;
		if (str_eq(m.name, S("content")))
			count_content(w, g, run + CONTENT, m.value);
		else if (str_eq(m.name, S("reasoning_content")))
			t.content = m.value;
		else if (str_eq(m.name, S("reasoning")))
			t.plain = m.value;
		else if (str_eq(m.name, S("reasoning_details")))
			t.details = m.value;
		else if (str_eq(m.name, S("refusal")))
			count_text(w, g, run + REFUSAL, m.value);
		else if (str_eq(m.name, S("tool_calls")))
			count_calls(w, g, run, m.value);
		else if (str_eq(m.name, S("function_call")))
			count_function(w, g, run, m.value);
		else if (str_eq(m.name, S("audio")))
			count_sound(w, g, run, m.value);
	}
	if (t.content.n || t.plain.n || t.details.n)
		count_thoughts(w, g, run, &t);
}

static void
look_at_stop(struct glance *g, struct str reason)
{
	static const struct str failures[] = {
		STR_INIT("\"error\""),
		STR_INIT("\"insufficient_system_resource\""),
		STR_INIT("\"network_error\""),
	};

	if (!is_text(reason))
		return;
	g->stop = true;
	for (size_t i = 0; i < countof(failures); i++)
		if (str_eq(reason, failures[i]))
			g->failure = reason;
}

void
openai_look(struct watch *w, struct json_each c, struct glance *g)
{
	*g = (struct glance){ 0 };
	while (json_reach(&c)) {
		unsigned run = 0;
		int64_t index;

		g->any = true;
		for (struct json_each m = json_inside(&c); json_reach(&m);) {
			if (str_eq(m.name, S("delta")) ||
			    str_eq(m.name, S("message")))
				look_at_message(w, g, run, json_inside(&m));
			else if (str_eq(m.name, S("text")))
				count_text(w, g, run + CONTENT, m.value);
			else if (str_eq(m.name, S("finish_reason")))
				look_at_stop(g, m.value);
			else if (str_eq(m.name, S("index")) &&
			    json_int(m.value, &index))
				run = (unsigned)index * N_TEXTS;
		}
	}
}

/*
 * --- Usage ------------------------------------------------------------------
 */

struct counts {
	int64_t prompt, completion, total, reasoning;
	int64_t cached, cached_hit, cached_flat, cached_num;
	int64_t written, created, in_audio, out_audio;
	int64_t input, output, in_text, in_image, out_image;
};

struct place {
	struct str name;
	size_t offset; /* in struct counts */
	bool needed; /* null is odd here */
};

#define PLACE(name, member, needed) \
	{ \
		STR_INIT(name), offsetof(struct counts, member), needed \
	}

static const struct place top_places[] = {
	PLACE("prompt_tokens", prompt, true),
	PLACE("completion_tokens", completion, true),
	PLACE("total_tokens", total, false),
	PLACE("prompt_cache_hit_tokens", cached_hit, false),
	PLACE("cached_tokens", cached_flat, false),
	PLACE("num_cached_tokens", cached_num, false),
	PLACE("input_tokens", input, false),
	PLACE("output_tokens", output, false),
};

static const struct place prompt_places[] = {
	PLACE("cached_tokens", cached, false),
	PLACE("cache_write_tokens", written, false),
	PLACE("cache_creation_input_tokens", created, false),
	PLACE("audio_tokens", in_audio, false),
	PLACE("image_tokens", in_image, false),
	PLACE("text_tokens", in_text, false),
};

static const struct place completion_places[] = {
	PLACE("reasoning_tokens", reasoning, false),
	PLACE("audio_tokens", out_audio, false),
	PLACE("image_tokens", out_image, false),
};

/* Fills the count that m is, if it is one; a hostile one stays absent. */
static void
read_count(struct counts *c, const struct place *places, size_t n,
    const struct json_each *m, bool *odd)
{
	for (size_t i = 0; i < n; i++) {
		int64_t v,
		    *to = (int64_t *)(void *)((char *)c + places[i].offset);

		if (!str_eq(m->name, places[i].name))
			continue;
		if (json_int(m->value, &v) && v >= 0 && v <= MAX_COUNT)
			*to = v;
		else if (places[i].needed ||
		    json_kind(m->value) != JSON_IS_NULL)
			*odd = true;
		return;
	}
}

static void
read_counts(struct counts *c, const struct place *places, size_t n,
    struct json_each m, bool *odd)
{
	while (json_reach(&m))
		read_count(c, places, n, &m, odd);
}

static int64_t
first_of(int64_t a, int64_t b)
{
	return a >= 0 ? a : b;
}

/* A part is never larger than the whole it belongs to. */
static void
part_of(int64_t *part, int64_t whole, bool *odd)
{
	if (*part > whole && whole >= 0) {
		*part = whole;
		*odd = true;
	}
}

/* What the tokens of an endpoint are, where nobody says so. */
static void
sort_out(struct tokens *t, const struct counts *c, enum endpoint endpoint)
{
	switch (endpoint) {
	case ENDPOINT_EMBEDDINGS:
	case ENDPOINT_MODERATIONS:
	case ENDPOINT_RERANK:
	case ENDPOINT_RERANK_V2:
		t->in_total = first_of(t->in_total, c->total);
		t->out_total = t->in_total >= 0 ? 0 : -1;
		break;
	case ENDPOINT_IMAGES:
	case ENDPOINT_IMAGE_EDITS:
	case ENDPOINT_IMAGE_VARIATIONS:
		t->out_image = first_of(t->out_image, t->out_total);
		break;
	case ENDPOINT_SPEECH:
		t->out_audio = first_of(t->out_audio, t->out_total);
		break;
	case ENDPOINT_TRANSCRIPTIONS:
	case ENDPOINT_TRANSLATIONS:
		if (t->in_audio < 0 && t->in_total >= 0)
			t->in_audio = c->in_text > 0 &&
				c->in_text <= t->in_total
			    ? t->in_total - c->in_text
			    : t->in_total;
		break;
	default:
		break;
	}
}

/* From a provider's counts to ours; the sanity rules of this conversion. */
static struct tokens
convert(const struct counts *c, enum endpoint endpoint, bool odd)
{
	struct tokens t = TOKENS_ABSENT;
	int64_t cache;

	t.odd = odd;
	t.in_total = first_of(c->prompt, c->input);
	t.out_total = first_of(c->completion, c->output);
	t.reasoning = c->reasoning;
	t.cache_read = first_of(first_of(c->cached, c->cached_hit),
	    first_of(c->cached_flat, c->cached_num));
	t.cache_write = first_of(c->written, c->created);
	t.in_audio = c->in_audio;
	t.out_audio = c->out_audio;
	t.in_image = c->in_image;
	t.out_image = c->out_image;
	sort_out(&t, c, endpoint);
	/* Reasoning that the total has beside the completion lies outside. */
	if (t.reasoning > 0 && t.in_total >= 0 && t.out_total >= 0 &&
	    c->total == t.in_total + t.out_total + t.reasoning)
		t.out_total += t.reasoning;
	/* A cache larger than the prompt lies outside of it. */
	cache = (t.cache_read > 0 ? t.cache_read : 0) +
	    (t.cache_write > 0 ? t.cache_write : 0);
	if (t.in_total >= 0 && cache > t.in_total) {
		t.in_total += cache;
		t.odd = true;
	}
	part_of(&t.reasoning, t.out_total, &t.odd);
	part_of(&t.in_audio, t.in_total, &t.odd);
	part_of(&t.out_audio, t.out_total, &t.odd);
	part_of(&t.in_image, t.in_total, &t.odd);
	part_of(&t.out_image, t.out_total, &t.odd);
	return t;
}

static void
merge(int64_t *into, int64_t v)
{
	if (v >= 0)
		*into = v;
}

void
openai_read_usage(struct observer *o, struct str usage)
{
	struct counts c;
	struct tokens t;
	bool odd = false;

	if (json_kind(usage) != JSON_IS_OBJECT) {
		if (usage.n && json_kind(usage) != JSON_IS_NULL)
			o->tokens.odd = true;
		return;
	}
	memset(&c, 0xff, sizeof(c)); /* all -1: absent */
	for (struct json_each m = json_each(usage); json_reach(&m);) {
		if (str_eq(m.name, S("prompt_tokens_details")) ||
		    str_eq(m.name, S("prompt_token_details")) ||
		    str_eq(m.name, S("input_tokens_details")) ||
		    str_eq(m.name, S("input_token_details")))
			read_counts(&c, prompt_places, countof(prompt_places),
			    json_inside(&m), &odd);
		else if (str_eq(m.name, S("seconds")))
			merge(&o->tokens.seconds, openai_seconds(m.value));
		else if (str_eq(m.name, S("completion_tokens_details")) ||
		    str_eq(m.name, S("output_tokens_details")))
			read_counts(&c, completion_places,
			    countof(completion_places), json_inside(&m), &odd);
		else
			read_count(&c, top_places, countof(top_places), &m,
			    &odd);
	}
	t = convert(&c, o->endpoint, odd);
	merge(&o->tokens.in_total, t.in_total);
	merge(&o->tokens.cache_read, t.cache_read);
	merge(&o->tokens.cache_write, t.cache_write);
	merge(&o->tokens.out_total, t.out_total);
	merge(&o->tokens.reasoning, t.reasoning);
	merge(&o->tokens.in_audio, t.in_audio);
	merge(&o->tokens.out_audio, t.out_audio);
	merge(&o->tokens.in_image, t.in_image);
	merge(&o->tokens.out_image, t.out_image);
	o->tokens.odd |= t.odd;
}

void
openai_read_billed(struct observer *o, struct str meta)
{
	struct str units = json_get(meta, S("billed_units"));
	int64_t n;

	if (json_int(json_get(units, S("search_units")), &n) && n >= 0 &&
	    n <= MAX_COUNT)
		o->tokens.searches = n;
}

/*
 * --- Names and errors -------------------------------------------------------
 */

static void
keep_name(struct observer *o, struct str *into, struct str value)
{
	struct str name;

	if (into->n || !is_text(value) || value.n > NAME_BYTES)
		return;
	name = json_text(o->arena, value);
	name.n = json_utf8(name);
	*into = arena_str(o->arena, name);
}

void
openai_read_model(struct observer *o, struct str value)
{
	keep_name(o, &o->model, value);
}

void
openai_read_tier(struct observer *o, struct str value)
{
	keep_name(o, &o->service_tier, value);
}

void
openai_fail(
    struct observer *o, struct pass *p, struct str body, struct str failure)
{
	if (up_error_told(json_get(body, S("error"))) || failure.n == 0)
		up_error_read(
		    o->arena, 200, S("application/json"), body, &o->error);
	else
		o->error = (struct up_error){ .kind = UP_SERVER,
			.message = S("The model stopped with an error.") };
	if (str_eq(failure, S("\"insufficient_system_resource\"")))
		o->error.kind = UP_OVERLOADED;
	pass_failed(o, p);
}
