/* SPDX-License-Identifier: MIT */
/*
 * group.h - accounts that share channels and a markup.
 *
 * This floor's nouns are all handled alike: x_find by name, change members
 * of the row, x_put it back (id 0: a new one, x_blank gave its defaults);
 * x_list reads a page in order of name.  Strings are in the arena.  Names
 * are valid (setting.h) before they get here.
 */
#ifndef WEIR_GROUP_H
#define WEIR_GROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

enum { LIST_MAX = 1000 };	/* rows of a page */

struct group_row {
	int64_t id;
	struct str name;
	int64_t markup_ppm;
	int64_t minimum;	/* nano-dollars a call, catalogue.h */
	bool below_cost;
	bool enabled;
	struct str note;
};

void group_blank(struct group_row *g, struct str name);

/* 1, 0 none of this name, -1 the database failed. */
int group_find(struct db *db, struct arena *a, struct str name,
    struct group_row *g);

/* Writes it; sets the id of a new one. */
bool group_put(struct db *db, struct group_row *g);

/* Up to LIST_MAX rows whose names follow `after` (empty: from the first);
 * how many, or -1. */
int group_list(struct db *db, struct arena *a, struct str after,
    struct group_row **list);

#endif
