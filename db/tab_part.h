/* SPDX-License-Identifier: MIT */
/*
 * tab_part.h - what the rooms of the tab (tab.h) share; nobody else needs it.
 *
 * Hash tables by id, emptied by raising their round, each with a list of the
 * items that have changes.
 */
#ifndef WEIR_TAB_PART_H
#define WEIR_TAB_PART_H

#include "db/tab.h"

/* What all items begin with. */
struct tab_item {
	int64_t id;
	bool loaded, dirty;
};

/* Items of one size; slots say where. */
struct tab_table {
	size_t size;
	char *items;
	size_t n, room;
	uint32_t *dirty;		/* items with changes */
	size_t n_dirty;
	uint32_t *slots;		/* item + 1 */
	uint32_t *rounds;		/* a slot counts if of this round */
	uint32_t round;
	size_t n_slots;			/* a power of two */
};

void tab_table_init(struct tab_table *t, size_t size);
void tab_table_clear(struct tab_table *t);
void tab_table_release(struct tab_table *t);

/* The item of an id; a new one is zero but for it.  Valid until the next. */
void *tab_item(struct tab_table *t, int64_t id);

/* An item has changes now. */
void tab_touch(struct tab_table *t, void *changed);

/* The next item with changes, which counts as written; NULL: none. */
void *tab_next_dirty(struct tab_table *t);

/* A hold and what was kept of it; counts if of the tab's round. */
struct tab_kept {
	int64_t id;
	uint64_t round;
	_Alignas(int64_t) char bytes[TAB_HOLD_BYTES];
};

struct tab {
	struct tab_table keys, books, caps, prices, funds;
	struct tab_facts facts;
	bool looked;			/* facts are known */
	bool distrusted;		/* forget all after the next flush */
	struct tab_kept *holds;		/* TAB_HOLDS; NULL: none yet */
	uint64_t round;
};

/* Writes the changes of one owner's windows. */
bool tab_caps_write(struct db *db, struct tab_caps *c);

#endif
