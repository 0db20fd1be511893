/* SPDX-License-Identifier: MIT */
/* tab_table.c - the tab's hash tables; see tab_part.h. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "db/tab_part.h"
#include "fcgi/base/mem.h"

enum { FIRST_SLOTS = 64 };

static struct tab_item *
item_at(const struct tab_table *t, size_t i)
{
	return (struct tab_item *)(void *)(t->items + i * t->size);
}

static int64_t
id_at(const struct tab_table *t, size_t i)
{
	return item_at(t, i)->id;
}

static size_t
slot_of(const struct tab_table *t, int64_t id)
{
	size_t at = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 32) &
	    (t->n_slots - 1);

	while (t->rounds[at] == t->round && id_at(t, t->slots[at] - 1) != id)
		at = (at + 1) & (t->n_slots - 1);
	return at;
}

static void
set_slot(struct tab_table *t, size_t i)
{
	size_t at = slot_of(t, id_at(t, i));

	t->slots[at] = (uint32_t)i + 1;
	t->rounds[at] = t->round;
}

static void
grow(struct tab_table *t)
{
	t->n_slots = t->n_slots ? t->n_slots * 2 : FIRST_SLOTS;
	free(t->slots);
	free(t->rounds);
	t->slots = xalloc(t->n_slots * sizeof(*t->slots));
	t->rounds = xalloc(t->n_slots * sizeof(*t->rounds));
	t->round = 1;
	t->room = t->n_slots / 2;
	t->items = xresize(t->items, t->room * t->size);
	t->dirty = xresize(t->dirty, t->room * sizeof(*t->dirty));
	for (size_t i = 0; i < t->n; i++)
		set_slot(t, i);
}

void *
tab_item(struct tab_table *t, int64_t id)
{
	size_t at;

	if (t->n == t->room)
		grow(t);
	at = slot_of(t, id);
	if (t->rounds[at] != t->round) {
		memset(item_at(t, t->n), 0, t->size);
		item_at(t, t->n)->id = id;
		t->slots[at] = (uint32_t)++t->n;
		t->rounds[at] = t->round;
	}
	return item_at(t, t->slots[at] - 1);
}

void
tab_touch(struct tab_table *t, void *changed)
{
	struct tab_item *i = changed;

	if (i->dirty)
		return;
	i->dirty = true;
	t->dirty[t->n_dirty++] =
	    (uint32_t)(((char *)changed - t->items) / (ptrdiff_t)t->size);
}

void *
tab_next_dirty(struct tab_table *t)
{
	struct tab_item *i;

	if (t->n_dirty == 0)
		return NULL;
	i = item_at(t, t->dirty[--t->n_dirty]);
	i->dirty = false;
	return i;
}

void
tab_table_clear(struct tab_table *t)
{
	t->n = t->n_dirty = 0;
	if (++t->round == 0) {
		memset(t->rounds, 0, t->n_slots * sizeof(*t->rounds));
		t->round = 1;
	}
}

void
tab_table_release(struct tab_table *t)
{
	free(t->items);
	free(t->dirty);
	free(t->slots);
	free(t->rounds);
}

void
tab_table_init(struct tab_table *t, size_t size)
{
	*t = (struct tab_table){ .size = size };
	grow(t);
}
