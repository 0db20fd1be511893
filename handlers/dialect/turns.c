/* SPDX-License-Identifier: MIT */
/*
 * turns.c - a conversation's turns in the order that some APIs demand; see
 * turns.h.
 *
 * Turns of one role become one; the results of all calls of a turn stand
 * first in the next one, in the order of the calls; texts without a letter
 * are left out, and turns in which nothing is left.  Instructions in the
 * middle stay where they were, as text of the user's turn when the model
 * takes no others.  Nothing is invented but a "." before an answer that has
 * no question.
 */
#include "handlers/dialect/turns.h"

#include <assert.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/envelope.h"

struct turning {
	struct arena *arena;
	const struct neutral *n;
	const struct target *t;
	struct fault *fault;
	struct turn *list;
	size_t count;
	size_t pending;		/* the turn of n whose calls wait for their
				 * results, and how many turns are */
	size_t n_pending;
};

static bool
refuse(struct turning *g, const char *words)
{
	fault_set(g->fault, g->arena, FAULT_UNSUPPORTED_VALUE, "%s", words);
	g->fault->param = S("messages");
	return false;
}

static struct turn *
last(struct turning *g)
{
	return g->count ? &g->list[g->count - 1] : NULL;
}

/* One more block of a role; a turn begins only with one. */
static void
push(struct turning *g, enum role role, const struct block *b)
{
	struct turn *t = last(g);

	if (!t || t->role != role) {
		g->list = neutral_grow(g->arena, g->list, g->count,
		    sizeof(*t));
		t = &g->list[g->count++];
		*t = (struct turn){ .role = role };
	}
	t->blocks = neutral_grow(g->arena, t->blocks, t->n, sizeof(*b));
	t->blocks[t->n++] = *b;
}

/* A block that is left out leaves its mark to the one before it. */
static void
leave_out(struct turning *g, enum role role, const struct block *b)
{
	struct turn *t = last(g);

	if (b->cache != CACHE_NOT && t && t->role == role &&
	    t->blocks[t->n - 1].cache == CACHE_NOT &&
	    t->blocks[t->n - 1].kind != BLOCK_REASONING)
		t->blocks[t->n - 1].cache = b->cache;
}

/* Only its maker's own signature proves thoughts; others ask for no proof. */
static bool
is_believed(const struct turning *g, const struct block *b)
{
	return (b->signature.n && (b->proved ||
	    (g->n->own_signatures && !envelope_is(b->signature)))) ||
	    (g->t->reasoning_replay && !b->redacted && b->text.n);
}

static bool
is_kept(const struct turning *g, const struct block *b)
{
	switch (b->kind) {
	case BLOCK_TEXT:
		return !neutral_is_blank(b->text) ||
		    (b->raw.n && g->n->own_signatures);
	case BLOCK_REFUSAL:
		return !neutral_is_blank(b->text);
	case BLOCK_REASONING:
		return is_believed(g, b);
	case BLOCK_OPAQUE:
		return g->n->own_signatures;
	default:
		return true;
	}
}

/* A mark inside a result is the result's: there is nothing behind it. */
static struct block
whole_result(struct turning *g, const struct block *b)
{
	struct block r = *b;
	size_t n = 0;

	r.inside = arena_zero(g->arena, sizeof(*b) * (b->n_inside + 1));
	for (size_t i = 0; i < b->n_inside; i++) {
		if (b->inside[i].cache != CACHE_NOT)
			r.cache = b->inside[i].cache;
		if (is_kept(g, &b->inside[i]))
			r.inside[n++] = b->inside[i];
	}
	r.n_inside = n;
	return r;
}

/* The turn after the calls begins: all their results first. */
static void
push_results(struct turning *g)
{
	for (size_t i = g->pending; i < g->pending + g->n_pending; i++)
		for (size_t j = 0; j < g->n->turns[i].n; j++) {
			const struct block *b = &g->n->turns[i].blocks[j];
			struct block whole;

			if (b->kind != BLOCK_CALL || !b->result)
				continue;
			whole = whole_result(g, b->result);
			push(g, ROLE_USER, &whole);
		}
	g->n_pending = 0;
}

static void
push_blocks(struct turning *g, enum role role, const struct turn *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct block *b = &t->blocks[i];

		if (b->kind == BLOCK_RESULT)
			continue;	/* it went where it belongs */
		if (is_kept(g, b))
			push(g, role, b);
		else
			leave_out(g, role, b);
	}
}

/* Instructions as text of the user's turn. */
static void
push_as_text(struct turning *g, const struct turn *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct block b = t->blocks[i];

		if (neutral_is_blank(b.text))
			continue;
		b.text = ARENA_JOIN(g->arena, S("<system>"), b.text,
		    S("</system>"));
		push(g, ROLE_USER, &b);
	}
}

static void
push_turn(struct turning *g, size_t i)
{
	const struct turn *t = &g->n->turns[i];

	if (t->role == ROLE_ASSISTANT) {
		if (g->n_pending == 0)
			g->pending = i;
		g->n_pending = i + 1 - g->pending;
		push_blocks(g, ROLE_ASSISTANT, t);
		return;
	}
	push_results(g);
	if (t->role == ROLE_USER)
		push_blocks(g, ROLE_USER, t);
	else if (g->t->mid_system && !g->t->one_system && g->count)
		push_blocks(g, ROLE_SYSTEM, t);
	else
		push_as_text(g, t);
}

/* Without the blanks at its end, spelt in any way but as \u0020. */
static struct str
trim_end(struct str raw)
{
	for (;;) {
		size_t n = raw.n;

		if (n && raw.p[n - 1] == ' ') {
			raw.n--;
		} else if (n > 1 && raw.p[n - 2] == '\\' &&
		    strchr("nrt", raw.p[n - 1])) {
			size_t slashes = 0;

			while (slashes < n - 1 &&
			    raw.p[n - 2 - slashes] == '\\')
				slashes++;
			if (slashes % 2 == 0)
				return raw;
			raw.n -= 2;
		} else {
			return raw;
		}
	}
}

/* An answer that was begun, which the model goes on with. */
static bool
begun_answer(struct turning *g)
{
	struct turn *t = last(g);
	struct block *b;

	if (!t || t->role != ROLE_ASSISTANT)
		return true;
	b = &t->blocks[t->n - 1];
	if (!g->t->prefill || b->kind != BLOCK_TEXT)
		return refuse(g, "The last message must be the user's or a "
		    "tool's: this model does not go on with an answer that "
		    "was begun.");
	if (b->raw.n)
		return true;		/* it stands for another one */
	b->text = trim_end(b->text);
	assert(b->text.n);
	return true;
}

/* An answer without a question gets the shortest one there is. */
static void
begin_with_user(struct turning *g)
{
	struct block *dot = arena_new(g->arena, struct block);
	struct turn *list;

	if (g->list[0].role != ROLE_ASSISTANT)
		return;
	*dot = (struct block){ .kind = BLOCK_TEXT, .text = S(".") };
	list = arena_zero(g->arena, sizeof(*list) * (g->count + 1));
	list[0] = (struct turn){ .role = ROLE_USER, .blocks = dot, .n = 1 };
	memcpy(list + 1, g->list, sizeof(*list) * g->count);
	g->list = list;
	g->count++;
}

bool
turns_alternate(struct arena *a, const struct neutral *n,
    const struct target *t, struct turn **list, size_t *count,
    struct fault *f)
{
	struct turning g = { .arena = a, .n = n, .t = t, .fault = f };

	for (size_t i = 0; i < n->n_turns; i++)
		push_turn(&g, i);
	if (g.count == 0)
		return refuse(&g, "A message of the user that is not empty is "
		    "needed for this model.");
	if (!begun_answer(&g))
		return false;
	begin_with_user(&g);
	*list = g.list;
	*count = g.count;
	return true;
}
