/* SPDX-License-Identifier: MIT */
/*
 * rollup.h - what was used and earned, summed up by hours and by days.
 *
 * Reports read sums, never the rows of calls.  The settlement that fills a
 * chunk of usage rows (USAGE_CHUNK) adds the whole chunk to the sums in its
 * own transaction, so that a call costs next to nothing for it; the rows
 * behind the last chunk are summed up when they are asked for.  So a report
 * is always whole, and counts each call once.
 *
 * Hours are those of site.time_zone; a day or month is the sum of its hours.
 */
#ifndef WEIR_ROLLUP_H
#define WEIR_ROLLUP_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/price.h"

/* Adds the chunk that ends with this usage row.  Inside a transaction. */
bool rollup_chunk(struct db *db, int64_t last);

/* What lines are told apart by. */
enum rollup_by {
	BY_ACCOUNT = 1, BY_PROJECT = 2, BY_KEY = 4, BY_MODEL = 8,
	BY_CHANNEL = 16, BY_HOUR = 32, BY_DAY = 64, BY_MONTH = 128,
	BY_USER = 256, BY_TAG = 512
};

struct rollup_asked {
	unsigned by;
	int64_t since, until;		/* UTC ms; moved outward to whole hours
					 * (days, by user or tag) */
	int64_t account, project, key, model, channel;	/* 0: all */
};

struct rollup_sums {
	int64_t calls;
	int64_t failed;			/* of these: failed, cut, crashed */
	int64_t estimated;		/* of these: without told usage */
	struct buckets use;
	int64_t charge, cost, list;	/* nano-dollars */
	int64_t first_n, first_ms;	/* how many had content, after how
					 * long in all */
	int64_t total_ms;
};

struct rollup_line {
	int64_t at;			/* UTC ms: the hour, day, month; 0 */
	int64_t account, project, key, model, channel;	/* 0: not asked, or
							 * none */
	struct str account_name, project_name, key_name, model_name,
	    channel_name;
	struct str user, tag;
	struct rollup_sums sums;
};

/* May these be asked together?  By user or tag there is no project, key,
 * channel or hour. */
bool rollup_can(const struct rollup_asked *q);

/*
 * The lines in order of time, then names, in the arena: how many, or -1.  On
 * one snapshot of its own, which it opens unless a transaction runs.
 */
int rollup_read(struct db *db, struct arena *a, const struct rollup_asked *q,
    struct rollup_line **list);

/*
 * The sums one by one, in order of time, by hour, account, project, key, model
 * and channel; several may be of the same.  A line has no names.  Each page is
 * read by itself, so that no snapshot lasts long: what a chunk that is filled
 * meanwhile adds to an hour that was passed is not among them.  False: the
 * database failed.
 */
bool rollup_walk(struct db *db, const struct rollup_asked *q,
    void (*take)(void *arg, const struct rollup_line *l), void *arg);

/* When the hour began that a time is in (UTC ms). */
int64_t rollup_hour(struct db *db, int64_t at);

#endif
