/* SPDX-License-Identifier: MIT */
/*
 * openai_turns.c - a conversation's turns in the order that Chat Completions
 * demand.
 *
 * The results of a turn's calls stand directly behind it, each a message of
 * its own; what a result holds beside text follows in a message of the user
 * behind all of them.  Instructions in the middle stay where they were, as
 * text of the user's turn beside them when the target takes no others.  Turns
 * of one role stay apart, as the caller had them.
 */
#include "fcgi/base/mem.h"
#include "handlers/dialect/openai_neutral.h"

struct turning {
	struct arena *arena;
	const struct neutral *n;
	const struct target *t;
	struct turn *list;
	size_t count;
	bool open;		/* the last one is the user's, and what it
				 * holds is no message of his own */
};

static struct turn *
last(struct turning *g)
{
	return g->count ? &g->list[g->count - 1] : NULL;
}

static struct turn *
add_turn(struct turning *g, enum role role)
{
	struct turn *t;

	g->list = neutral_grow(g->arena, g->list, g->count, sizeof(*t));
	t = &g->list[g->count++];
	*t = (struct turn){ .role = role };
	g->open = false;
	return t;
}

static void
add_block(struct turning *g, struct turn *t, const struct block *b)
{
	t->blocks = neutral_grow(g->arena, t->blocks, t->n, sizeof(*b));
	t->blocks[t->n++] = *b;
}

static bool
is_users(const struct turn *t)
{
	return t && t->role == ROLE_USER && t->n &&
	    t->blocks[0].kind != BLOCK_RESULT;
}

/* For the user, but not said by him: into a turn of his beside it. */
static void
lend(struct turning *g, const struct block *b)
{
	if (!is_users(last(g))) {
		add_turn(g, ROLE_USER);
		g->open = true;
	}
	add_block(g, last(g), b);
}

/* A text file is text under its name. */
static struct block
as_text(struct turning *g, const struct block *b)
{
	struct block text = *b;

	if (b->kind != BLOCK_DOC || b->source.kind != SOURCE_TEXT)
		return text;
	text.kind = BLOCK_TEXT;
	text.text = b->source.name.n ? ARENA_JOIN(g->arena, b->source.name,
	    S("\\n\\n"), b->source.raw) : b->source.raw;
	return text;
}

static bool
is_kept(enum role role, const struct block *b)
{
	return b->kind != BLOCK_OPAQUE && b->kind != BLOCK_RESULT &&
	    (b->kind != BLOCK_REASONING || role == ROLE_ASSISTANT) &&
	    (b->kind != BLOCK_TEXT || b->text.n);
}

/* A result with its texts alone, and a mark that stood inside. */
static struct block
text_result(struct turning *g, const struct block *b)
{
	struct block r = *b;
	size_t n = 0;

	r.inside = arena_zero(g->arena, sizeof(*b) * (b->n_inside + 1));
	for (size_t i = 0; i < b->n_inside; i++) {
		struct block in = as_text(g, &b->inside[i]);

		if (in.cache != CACHE_NOT)
			r.cache = in.cache;
		if (in.kind == BLOCK_TEXT && in.text.n)
			r.inside[n++] = in;
	}
	r.n_inside = n;
	return r;
}

static void
push_results(struct turning *g, const struct turn *t)
{
	struct turn *results = NULL;

	for (size_t i = 0; i < t->n; i++) {
		const struct block *b = t->blocks[i].result;
		struct block r;

		if (t->blocks[i].kind != BLOCK_CALL || !b)
			continue;
		r = text_result(g, b);
		if (!results)
			results = add_turn(g, ROLE_USER);
		add_block(g, results, &r);
	}
	for (size_t i = 0; results && i < t->n; i++) {
		const struct block *b = t->blocks[i].result;

		for (size_t j = 0; t->blocks[i].kind == BLOCK_CALL && b &&
		    j < b->n_inside; j++) {
			struct block in = as_text(g, &b->inside[j]);

			in.cache = CACHE_NOT;
			if (is_kept(ROLE_USER, &in) && in.kind != BLOCK_TEXT)
				lend(g, &in);
		}
	}
}

static void
push_turn(struct turning *g, const struct turn *t)
{
	struct turn *to = NULL;

	for (size_t i = 0; i < t->n; i++) {
		struct block b = as_text(g, &t->blocks[i]);

		if (!is_kept(t->role, &b))
			continue;
		if (!to && t->role == ROLE_USER && g->open)
			to = last(g);
		else if (!to)
			to = add_turn(g, t->role);
		g->open = false;
		add_block(g, to, &b);
	}
	if (t->role == ROLE_ASSISTANT)
		push_results(g, t);
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
		lend(g, &b);
	}
}

void
openai_turns(struct arena *a, const struct neutral *n,
    const struct target *t, struct turn **list, size_t *count)
{
	struct turning g = { .arena = a, .n = n, .t = t };

	for (size_t i = 0; i < n->n_turns; i++)
		if (n->turns[i].role == ROLE_SYSTEM && t->one_system)
			push_as_text(&g, &n->turns[i]);
		else
			push_turn(&g, &n->turns[i]);
	*list = g.list;
	*count = g.count;
}
