/* SPDX-License-Identifier: MIT */
/*
 * park.h - credentials that are out for a while, shared by all processes.
 */
#ifndef WEIR_PARK_H
#define WEIR_PARK_H

#include "db/writer.h"

struct park {
	int64_t credential, model;	/* model 0: for every model */
	int64_t until;			/* UTC ms */
	char reason[32];
	int64_t since;			/* UTC ms; one that begins later than
					 * now is of a clock that was set back,
					 * and not in force */
};

/* Clocks read a moment before or after each other may differ by that. */
enum { PARK_SLACK_MS = 1000 };

struct park_put {
	struct op op;
	struct park park;		/* until 0: takes the park away */
};
bool park_put_run(struct db *db, struct op *op);

/* Removes those that have ended: how many, or -1.  Inside store_write. */
int park_clean(struct db *db);

/* Parks in force at now; count, or -1.  *list is in the arena. */
int park_load(struct db *db, int64_t now, struct arena *a, struct park **list);

#endif
