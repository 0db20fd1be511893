/* SPDX-License-Identifier: MIT */
/*
 * anthropic_facts.c - what is looked for in an answer: text, stops, usage.
 *
 * Answers are foreign and unchecked; the cursors that walk them end quietly
 * where a text is damaged.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/anthropic.h"
#include "handlers/dialect/up_error.h"

enum {
	NAME_BYTES = 256, /* of a model's name that is kept */
	SEALED_BYTES = 6, /* of thoughts that are not shown, a token */
	MAX_COUNT = 1000000000 /* tokens; more is no count */
};

/* Which text of a block a piece belongs to. */
enum text_kind { TEXT, THINKING, NAME, INPUT, N_TEXTS };

/*
 * --- Text -------------------------------------------------------------------
 */

static bool
is_text(struct str value)
{
	return value.n > 2 && value.p[0] == '"';
}

/* Pieces of the same text are counted as one. */
static void
begin_run(struct watch *w, int64_t block, enum text_kind kind)
{
	int64_t run = (block & 0xffffff) * N_TEXTS + kind;

	if (w->run != run) {
		tokens_cut(&w->pass.count);
		w->run = run;
	}
}

static bool
count_text(struct watch *w, int64_t block, enum text_kind kind, struct str v)
{
	if (!is_text(v))
		return false;
	begin_run(w, block, kind);
	tokens_add_raw(&w->pass.count, str_from(v.p + 1, v.n - 2));
	return true;
}

/* Arguments that come whole; {} stands where they will come in pieces. */
static bool
count_input(struct watch *w, int64_t block, struct str v)
{
	struct json_each m = json_each(v);

	if (!json_next(&m))
		return false;
	begin_run(w, block, INPUT);
	tokens_add_value(&w->pass.count, v);
	return true;
}

/* Does a block of this type say something by beginning? */
static bool
type_speaks(struct str type)
{
	return is_text(type) && !str_eq(type, S("\"text\"")) &&
	    !str_eq(type, S("\"thinking\"")) &&
	    !str_ends(type, S("_delta\""));
}

bool
anthropic_look(struct watch *w, int64_t block, struct str value)
{
	bool meaning = false;

	for (struct json_each m = json_each(value); json_next(&m);) {
		if (str_eq(m.name, S("text"))) {
			meaning |= count_text(w, block, TEXT, m.value);
		} else if (str_eq(m.name, S("thinking"))) {
			meaning |= count_text(w, block, THINKING, m.value);
		} else if (str_eq(m.name, S("partial_json"))) {
			meaning |= count_text(w, block, INPUT, m.value);
		} else if (str_eq(m.name, S("name"))) {
			count_text(w, block, NAME, m.value);
		} else if (str_eq(m.name, S("input"))) {
			meaning |= count_input(w, block, m.value);
		} else if (str_eq(m.name, S("data"))) {
			w->pass.count.milli +=
			    (int64_t)m.value.n * 1000 / SEALED_BYTES;
		} else if (str_eq(m.name, S("signature"))) {
			meaning |= is_text(m.value);
		} else if (str_eq(m.name, S("citation"))) {
			meaning = true;
		} else if (str_eq(m.name, S("type"))) {
			meaning |= type_speaks(m.value);
		}
	}
	return meaning;
}

bool
anthropic_stopped(struct str value)
{
	return is_text(value);
}

/*
 * --- Usage ------------------------------------------------------------------
 */

struct place {
	struct str name;
	size_t offset; /* in struct counts */
};

#define PLACE(name, member) \
	{ \
		STR_INIT(name), offsetof(struct counts, member) \
	}

static const struct place top_places[] = {
	PLACE("input_tokens", input),
	PLACE("output_tokens", output),
	PLACE("cache_read_input_tokens", read),
	PLACE("cache_creation_input_tokens", written),
};

static const struct place written_places[] = {
	PLACE("ephemeral_5m_input_tokens", written_5m),
	PLACE("ephemeral_1h_input_tokens", written_1h),
};

static const struct place output_places[] = {
	PLACE("thinking_tokens", thinking),
};

/* Fills the count that m is, if it is one; null says nothing, and a hostile
 * one neither. */
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
		else if (json_kind(m->value) != JSON_IS_NULL)
			*odd = true;
		return;
	}
}

static void
read_counts(struct counts *c, const struct place *places, size_t n,
    struct str object, bool *odd)
{
	for (struct json_each m = json_each(object); json_next(&m);)
		read_count(c, places, n, &m, odd);
}

static int64_t
none_is_0(int64_t v)
{
	return v > 0 ? v : 0;
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

/* What was read and written in the cache lies outside of the input here. */
static void
convert(const struct counts *c, struct tokens *t)
{
	int64_t split = none_is_0(c->written_5m) + none_is_0(c->written_1h);

	t->cache_read = c->read;
	t->cache_write = c->written;
	if (t->cache_write < 0 && (c->written_5m >= 0 || c->written_1h >= 0))
		t->cache_write = split;
	t->cache_write_1h = c->written_1h;
	part_of(&t->cache_write_1h, t->cache_write, &t->odd);
	t->in_total = -1;
	if (c->input >= 0)
		t->in_total = c->input + none_is_0(t->cache_read) +
		    none_is_0(t->cache_write);
	t->out_total = c->output;
	t->reasoning = c->thinking;
	part_of(&t->reasoning, t->out_total, &t->odd);
}

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
anthropic_read_usage(struct observer *o, struct watch *w, struct str usage)
{
	struct counts *c = &w->counts;
	bool *odd = &o->tokens.odd;

	if (json_kind(usage) != JSON_IS_OBJECT) {
		if (usage.n && json_kind(usage) != JSON_IS_NULL)
			*odd = true;
		return;
	}
	for (struct json_each m = json_each(usage); json_next(&m);) {
		if (str_eq(m.name, S("cache_creation")))
			read_counts(c, written_places,
			    countof(written_places), m.value, odd);
		else if (str_eq(m.name, S("output_tokens_details")))
			read_counts(c, output_places, countof(output_places),
			    m.value, odd);
		else if (str_eq(m.name, S("service_tier")) ||
		    str_eq(m.name, S("speed"))) {
			/* The ordinary one is what has a price. */
			if (!str_eq(m.value, S("\"standard\"")))
				keep_name(o, &o->service_tier, m.value);
		} else {
			read_count(
			    c, top_places, countof(top_places), &m, odd);
		}
	}
	convert(c, &o->tokens);
}

/*
 * --- Names and errors -------------------------------------------------------
 */

void
anthropic_read_model(struct observer *o, struct str value)
{
	keep_name(o, &o->model, value);
}

void
anthropic_fail(struct observer *o, struct pass *p, struct str body)
{
	up_error_read(o->arena, 200, S("application/json"), body, &o->error);
	pass_failed(o, p);
}
