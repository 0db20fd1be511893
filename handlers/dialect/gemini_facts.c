/* SPDX-License-Identifier: MIT */
/*
 * gemini_facts.c - what is looked for in an answer: text, stops, usage.
 *
 * Answers are foreign and unchecked; the cursors that walk them end quietly
 * where a text is damaged.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/gemini.h"
#include "handlers/dialect/up_error.h"

enum {
	NAME_BYTES = 256,	/* of a model's name that is kept */
	SEALED_BYTES = 6,	/* of thoughts that are not shown, a token */
	MOST_CANDIDATES = 32,	/* bits of struct watch */
	MAX_COUNT = 1000000000	/* tokens; more is no count */
};

/* --- Text ----------------------------------------------------------------- */

/* Pieces of the same text are counted as one. */
static void
begin_run(struct watch *w, int64_t run)
{
	if (w->run != run)
		tokens_cut(&w->pass.count);
	w->run = run;
}

static bool
count_text(struct watch *w, int64_t run, struct str v)
{
	struct str raw = gemini_inside(v);

	if (raw.n == 0)
		return false;
	begin_run(w, run);
	tokens_add_raw(&w->pass.count, raw);
	return true;
}

/* The text of a part, of its thoughts, or what else it holds. */
static bool
look_at_part(struct watch *w, int64_t index, struct str part)
{
	bool thought = json_yes(json_get(part, S("thought")));
	bool meaning = false;

	for (struct json_each m = json_each(part); json_next(&m);) {
		if (str_eq(m.name, S("text"))) {
			meaning |= count_text(w, index * 4 + 1 + thought,
			    m.value);
		} else if (str_eq(m.name, S("thoughtSignature"))) {
			w->pass.count.milli +=
			    (int64_t)m.value.n * 1000 / SEALED_BYTES;
			meaning |= m.value.n > 2;
		} else if (str_eq(m.name, S("inlineData")) ||
		    str_eq(m.name, S("fileData"))) {
			meaning = true;
		} else if (json_kind(m.value) == JSON_IS_OBJECT) {
			begin_run(w, index * 4 + 3);
			tokens_add_value(&w->pass.count, m.value);
			meaning = true;
		}
	}
	return meaning;
}

static bool
stopped(struct str value)
{
	struct str word = gemini_inside(value);

	return word.n && !str_eq(word, S("FINISH_REASON_UNSPECIFIED"));
}

static void
look_at_candidate(struct watch *w, struct str candidate, struct glance *g)
{
	struct str content = json_get(candidate, S("content"));
	int64_t index = 0;

	json_int(json_get(candidate, S("index")), &index);
	if (index < 0 || index >= MOST_CANDIDATES)
		index = MOST_CANDIDATES - 1;
	w->begun |= 1u << index;
	for (struct json_each m = json_each(json_get(content, S("parts")));
	    json_next(&m);)
		g->meaning |= look_at_part(w, index, m.value);
	if (!stopped(json_get(candidate, S("finishReason"))))
		return;
	w->ended |= 1u << index;
	g->stop = true;
}

void
gemini_look(struct watch *w, struct str candidates, struct glance *g)
{
	for (struct json_each m = json_each(candidates); json_next(&m);)
		look_at_candidate(w, m.value, g);
}

bool
gemini_blocked(struct str feedback)
{
	struct str reason = gemini_inside(json_get(feedback,
	    S("blockReason")));

	return reason.n && !str_eq(reason, S("BLOCK_REASON_UNSPECIFIED"));
}

/* --- Usage ---------------------------------------------------------------- */

static const struct {
	struct str name;
	size_t offset;		/* in struct counts */
} places[] = {
	{ STR_INIT("promptTokenCount"), offsetof(struct counts, prompt) },
	{ STR_INIT("cachedContentTokenCount"),
	    offsetof(struct counts, cached) },
	{ STR_INIT("candidatesTokenCount"),
	    offsetof(struct counts, candidates) },
	{ STR_INIT("thoughtsTokenCount"), offsetof(struct counts, thoughts) },
	{ STR_INIT("toolUsePromptTokenCount"),
	    offsetof(struct counts, tool_use) },
	{ STR_INIT("totalTokenCount"), offsetof(struct counts, total) },
};

static bool
is_count(struct str value, int64_t *n)
{
	return json_int(value, n) && *n >= 0 && *n <= MAX_COUNT;
}

/* Fills the count that m is, if it is one; null says nothing, and a hostile
 * one neither. */
static void
read_count(struct counts *c, const struct json_each *m, bool *odd)
{
	for (size_t i = 0; i < countof(places); i++) {
		int64_t n, *to = (int64_t *)(void *)((char *)c +
		    places[i].offset);

		if (!str_eq(m->name, places[i].name))
			continue;
		if (is_count(m->value, &n))
			*to = n;
		else if (json_kind(m->value) != JSON_IS_NULL)
			*odd = true;
		return;
	}
}

/* [{"modality":"AUDIO","tokenCount":12},…] */
static void
read_kinds(struct str list, int64_t *audio, int64_t *image)
{
	for (struct json_each m = json_each(list); json_next(&m);) {
		struct str kind = json_get(m.value, S("modality"));
		int64_t n;

		if (!is_count(json_get(m.value, S("tokenCount")), &n))
			continue;
		if (gemini_word(kind, S("AUDIO")))
			*audio = n;
		else if (gemini_word(kind, S("IMAGE")))
			*image = n;
	}
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

/* Thoughts lie outside of the candidates, unless the total says otherwise;
 * where there are no candidates it says how much was made. */
static int64_t
made(const struct counts *c, int64_t in)
{
	int64_t thoughts = none_is_0(c->thoughts);

	if (c->candidates < 0 && c->total >= in)
		return c->total - in;
	if (c->candidates < 0)
		return c->thoughts;
	if (c->total >= 0 && in + c->candidates == c->total)
		thoughts = 0;
	return c->candidates + thoughts;
}

static void
convert(const struct counts *c, struct tokens *t)
{
	if (c->prompt < 0)
		return;		/* early frames say only whose traffic it is */
	t->in_total = c->prompt + none_is_0(c->tool_use);
	t->cache_read = c->cached;
	part_of(&t->cache_read, t->in_total, &t->odd);
	t->out_total = made(c, t->in_total);
	t->reasoning = c->thoughts;
	part_of(&t->reasoning, t->out_total, &t->odd);
	t->in_audio = c->in_audio;
	part_of(&t->in_audio, t->in_total, &t->odd);
	t->in_image = c->in_image;
	part_of(&t->in_image, t->in_total, &t->odd);
	t->out_audio = c->out_audio;
	part_of(&t->out_audio, none_is_0(t->out_total), &t->odd);
	t->out_image = c->out_image;
	part_of(&t->out_image, none_is_0(t->out_total), &t->odd);
}

static void
keep_name(struct observer *o, struct str *into, struct str value)
{
	struct str name;

	if (into->n || gemini_inside(value).n == 0 || value.n > NAME_BYTES)
		return;
	name = json_text(o->arena, value);
	name.n = json_utf8(name);
	*into = arena_str(o->arena, gemini_model(name));
}

void
gemini_read_usage(struct observer *o, struct counts *c, struct str usage)
{
	bool *odd = &o->tokens.odd;

	if (json_kind(usage) != JSON_IS_OBJECT) {
		*odd |= usage.n && json_kind(usage) != JSON_IS_NULL;
		return;
	}
	for (struct json_each m = json_each(usage); json_next(&m);) {
		if (str_eq(m.name, S("promptTokensDetails")) ||
		    str_eq(m.name, S("promptTokenDetails")))
			read_kinds(m.value, &c->in_audio, &c->in_image);
		else if (str_eq(m.name, S("candidatesTokensDetails")))
			read_kinds(m.value, &c->out_audio, &c->out_image);
		else if (str_eq(m.name, S("serviceTier")))
			keep_name(o, &o->service_tier, m.value);
		else
			read_count(c, &m, odd);
	}
	convert(c, &o->tokens);
	/* An embedding is no text. */
	if (endpoint_embeds(o->endpoint) && o->tokens.in_total >= 0) {
		o->tokens.out_total = 0;
		o->tokens.reasoning = o->tokens.out_audio =
		    o->tokens.out_image = -1;
	}
}

/* --- Names and errors ----------------------------------------------------- */

void
gemini_read_model(struct observer *o, struct str value)
{
	keep_name(o, &o->model, value);
}

void
gemini_fail(struct observer *o, struct pass *p, struct str body)
{
	up_error_read(o->arena, 200, S("application/json"), body, &o->error);
	pass_failed(o, p);
}
