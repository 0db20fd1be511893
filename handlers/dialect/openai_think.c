/* SPDX-License-Identifier: MIT */
/*
 * openai_think.c - reasoning that stands in the text of an answer.
 *
 * Servers that do not part a model's reasoning from its answer pass both on
 * as the model wrote them: <think>…</think> and then the text.  A tag may be
 * cut anywhere, and its brackets may be escapes.  Only the beginning counts:
 * tags in the middle of an answer are text.
 */
#include "fcgi/base/json.h"
#include "handlers/dialect/openai_neutral.h"

static const struct str opens = STR_INIT("<think>");
static const struct str closes = STR_INIT("</think>");

static bool
is_blank(uint32_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
give(enum block_kind kind, struct str raw, openai_think_give *to, void *arg)
{
	if (raw.n)
		to(arg, kind, raw);
}

/* What was held is no tag. */
static void
let_go(struct openai_think *k, openai_think_give *to, void *arg)
{
	give(k->at == THINK_INSIDE ? BLOCK_REASONING : BLOCK_TEXT,
	    str_from(k->held, k->n_held), to, arg);
	k->n_held = k->matched = 0;
}

static bool
hold(struct openai_think *k, struct str unit)
{
	if (unit.n > sizeof(k->held) - k->n_held)
		return false;
	memcpy(k->held + k->n_held, unit.p, unit.n);
	k->n_held += unit.n;
	return true;
}

/* One more character of a tag; with its last one, what is behind it begins. */
static void
match(struct openai_think *k, struct str tag)
{
	if (++k->matched < tag.n)
		return;
	k->n_held = k->matched = 0;
	k->at = k->at == THINK_BEFORE ? THINK_INSIDE : THINK_BEHIND;
}

/* True: the character was taken; else it is looked at again. */
static bool
before(struct openai_think *k, struct str unit, uint32_t c,
    openai_think_give *to, void *arg)
{
	bool tag = c == (unsigned char)opens.p[k->matched];

	if ((tag || (k->matched == 0 && is_blank(c))) && hold(k, unit)) {
		if (tag)
			match(k, opens);
		return true;
	}
	let_go(k, to, arg);
	k->at = THINK_OVER;
	return false;
}

static bool
inside(struct openai_think *k, struct str unit, uint32_t c,
    openai_think_give *to, void *arg)
{
	if (c == (unsigned char)closes.p[k->matched] && hold(k, unit)) {
		match(k, closes);
		return true;
	}
	if (k->matched) {
		k->began = true;
		let_go(k, to, arg);
		return false;
	}
	/* Blanks before the first word of it are none of it. */
	k->began = !is_blank(c);
	return !k->began;
}

/* The head of raw that surely begins no tag: whole characters, because
 * nothing that could be a part of one ends it. */
static struct str
run_of(const struct openai_think *k, struct str raw)
{
	struct str rest = raw;

	if (k->at != THINK_INSIDE || k->matched || !k->began)
		return S("");
	while (rest.n) {
		uint32_t c = (unsigned char)rest.p[0];
		size_t n = c == '\\' ? json_escape(rest, &c) : 1;

		if (c == '<')
			break;
		rest = str_skip(rest, n);
	}
	return str_from(raw.p, raw.n - rest.n);
}

void
openai_think(struct openai_think *k, struct str raw, openai_think_give *to,
    void *arg)
{
	while (raw.n && k->at != THINK_OVER) {
		uint32_t c = (unsigned char)raw.p[0];
		struct str run = run_of(k, raw);
		struct str unit = str_from(raw.p, c == '\\' ?
		    json_escape(raw, &c) : 1);
		bool taken = true;

		if (run.n) {
			give(BLOCK_REASONING, run, to, arg);
			raw = str_skip(raw, run.n);
			continue;
		}
		if (k->at == THINK_BEFORE)
			taken = before(k, unit, c, to, arg);
		else if (k->at == THINK_INSIDE)
			taken = inside(k, unit, c, to, arg);
		else if (!is_blank(c)) {
			k->at = THINK_OVER;
			taken = false;
		}
		if (taken)
			raw = str_skip(raw, unit.n);
	}
	give(BLOCK_TEXT, raw, to, arg);
}

void
openai_think_end(struct openai_think *k, openai_think_give *to, void *arg)
{
	let_go(k, to, arg);
	k->at = THINK_OVER;
}
