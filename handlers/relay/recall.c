/* SPDX-License-Identifier: MIT */
/* recall.c - thoughts that a caller did not send back; see recall.h. */
#include "handlers/relay/recall.h"

#include "db/replay.h"
#include "db/store.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/thoughts.h"
#include "handlers/relay/relay.h"

enum { MOST_TURNS = 32 };		/* looked for, the last ones */

/* The first call of an answer that has none of its thoughts; or NULL. */
static const struct block *
forgotten(const struct turn *t)
{
	const struct block *call = NULL;

	if (t->role != ROLE_ASSISTANT)
		return NULL;
	for (size_t i = 0; i < t->n; i++) {
		if (t->blocks[i].kind == BLOCK_REASONING)
			return NULL;
		if (t->blocks[i].kind == BLOCK_CALL && !call)
			call = &t->blocks[i];
	}
	return call;
}

/* Does the caller say something himself in it? */
static bool
is_question(const struct turn *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->role == ROLE_USER && t->blocks[i].kind != BLOCK_RESULT)
			return true;
	return false;
}

/* The first turn of the loop that goes on: what is before his last question
 * nobody wants back. */
static size_t
loop_start(const struct neutral *n)
{
	size_t i = n->n_turns;

	while (i > 0 && !is_question(&n->turns[i - 1]))
		i--;
	return n->n_turns - i > MOST_TURNS ? n->n_turns - MOST_TURNS : i;
}

bool
recall_due(const struct call *c, const struct target *t)
{
	const struct neutral *n = c->neutral;
	bool thinks = n->effort > EFFORT_NONE || n->budget || n->adaptive;

	bool wanted = t->reasoning == REASONING_LEVEL || (thinks &&
	    (t->reasoning == REASONING_BUDGET ||
	    t->reasoning == REASONING_ADAPTIVE));

	if (c->recalled || c->mended || !wanted || n->own_signatures)
		return false;
	for (size_t i = loop_start(n); i < n->n_turns; i++)
		if (forgotten(&n->turns[i]))
			return true;
	return false;
}

/* In front of what the turn has. */
static void
put_back(struct neutral *n, struct turn *t, struct str message)
{
	enum tri wanted = n->want_reasoning;
	struct turn thoughts = { .role = t->role };
	size_t bytes = sizeof(*t->blocks);
	struct block *list;

	openai_thoughts(n, &thoughts, message);
	n->want_reasoning = wanted;
	if (thoughts.n == 0)
		return;
	list = arena_zero(n->arena, bytes * (thoughts.n + t->n));
	memcpy(list, thoughts.blocks, bytes * thoughts.n);
	memcpy(list + thoughts.n, t->blocks, bytes * t->n);
	t->blocks = list;
	t->n += thoughts.n;
}

void
recall(struct call *c)
{
	const struct vault *v = store_vault(c->relay->house->store);
	struct neutral *n = c->neutral;

	c->recalled = true;
	for (size_t i = loop_start(n); i < n->n_turns; i++) {
		const struct block *call = forgotten(&n->turns[i]);
		struct str text;
		int found;

		if (!call)
			continue;
		found = replay_find(c->relay->db, c->arena, v, c->key.id,
		    call->id, &text);
		if (found < 0)
			return;		/* it goes without, as most do */
		if (found)
			put_back(n, &n->turns[i], text);
	}
}

struct replay
recall_keep(const struct call *c, struct arena *a)
{
	const struct attempt *t = c->attempt;

	if (!t || !t->complete || t->observer.kept.n == 0)
		return (struct replay){ .call = { NULL, 0 } };
	return replay_seal(a, store_vault(c->relay->house->store),
	    c->key.id, t->observer.kept_call, t->observer.kept);
}
