/* SPDX-License-Identifier: MIT */
/*
 * metric.h - counters of all processes, added up in the database.
 *
 * Each process counts in memory and adds what is new every 10 s and at its
 * end; /metrics reads the sums.
 */
#ifndef WEIR_METRIC_H
#define WEIR_METRIC_H

#include <stdint.h>

#include "db/writer.h"

struct metric {
	struct str name;	/* "weir_calls_total" */
	struct str labels;	/* "state=\"done\"", or empty */
	int64_t value;
};

/* Adds a list of values; the list is the caller's until done. */
struct metric_add {
	struct op op;
	const struct metric *list;
	size_t n;
};
bool metric_add_run(struct db *db, struct op *op);

/* Adds to one of them, inside a write.  False: the database failed. */
bool metric_count(struct db *db, struct str name, int64_t n);

/* All sums, in order of name and labels: how many, or -1. */
int metric_load(struct db *db, struct arena *a, struct metric **list);

#endif
