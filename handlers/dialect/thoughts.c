/* SPDX-License-Identifier: MIT */
/* thoughts.c - the thoughts of a neutral request; see thoughts.h. */
#include "handlers/dialect/thoughts.h"

#include "fcgi/base/mem.h"

static bool
is_closed(const struct block *b)
{
	return b->kind == BLOCK_REASONING && envelope_is(b->signature);
}

static bool
is_thought(const struct block *b)
{
	return b->kind == BLOCK_REASONING;
}

static bool
any(const struct turn *t, bool (*is)(const struct block *b))
{
	for (size_t i = 0; i < t->n; i++)
		if (is(&t->blocks[i]))
			return true;
	return false;
}

/* The turns are the form's own from here on; their blocks are not. */
static void
own_turns(struct arena *a, struct neutral *n)
{
	struct turn *list = arena_zero(a, sizeof(*list) * (n->n_turns + 1));

	if (n->n_turns)
		memcpy(list, n->turns, sizeof(*list) * n->n_turns);
	n->turns = list;
}

static void
own_blocks(struct arena *a, struct turn *t)
{
	struct block *list = arena_zero(a, sizeof(*list) * (t->n + 1));

	memcpy(list, t->blocks, sizeof(*list) * t->n);
	t->blocks = list;
}

static void
open_block(struct arena *a, struct block *b, const struct envelope_key *k)
{
	struct envelope e;

	if (!envelope_fits(a, k, b->signature, &e)) {
		b->signature = S("");
		return;
	}
	b->signature = e.value;
	b->redacted = e.redacted;
	b->proved = true;
}

void
thoughts_open(struct arena *a, struct neutral *n,
    const struct envelope_key *k)
{
	own_turns(a, n);
	for (size_t i = 0; i < n->n_turns; i++) {
		struct turn *t = &n->turns[i];

		if (!any(t, is_closed))
			continue;
		own_blocks(a, t);
		for (size_t j = 0; j < t->n; j++)
			if (is_closed(&t->blocks[j]))
				open_block(a, &t->blocks[j], k);
	}
}

void
thoughts_cut(struct arena *a, struct neutral *n)
{
	own_turns(a, n);
	for (size_t i = 0; i < n->n_turns; i++) {
		struct turn *t = &n->turns[i];
		size_t kept = 0;

		if (!any(t, is_thought))
			continue;
		own_blocks(a, t);
		for (size_t j = 0; j < t->n; j++)
			if (!is_thought(&t->blocks[j]))
				t->blocks[kept++] = t->blocks[j];
		t->n = kept;
	}
	n->effort = EFFORT_NONE;
	n->budget = 0;
	n->adaptive = false;
}
