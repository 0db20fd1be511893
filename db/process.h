/* SPDX-License-Identifier: MIT */
/*
 * process.h - the programs that serve from this store.
 *
 * Each has a row and holds a byte of weir.lock for life.  A row whose byte is
 * free is of a process that died; another one resolves its holds within
 * seconds (hold.h).
 */
#ifndef WEIR_PROCESS_H
#define WEIR_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "db/store.h"

struct process_row {
	int64_t id, pid;
	struct str program;		/* "weir.fcgi" */
	int64_t started;		/* UTC ms */
	int64_t holds, held;		/* open calls, nano-dollars for them */
	bool alive;
};

/* All, oldest first, at most LIST_MAX of group.h: how many, or -1. */
int process_list(struct store *s, struct db *db, struct arena *a,
    struct process_row **list);

#endif
