/* SPDX-License-Identifier: MIT */
/*
 * score.h - how the calls of a credential and a model have gone, shared by
 * all processes.
 *
 * A score is a set of sums that lose half their weight each minute, so that
 * several processes can add to one: each adds what it saw since the last
 * time.  It holds no call of its own and is worth nothing after a while.
 */
#ifndef WEIR_SCORE_H
#define WEIR_SCORE_H

#include "db/writer.h"

/* Times to the first content: two classes an octave, from 16 ms to 17 min. */
enum { SCORE_TIMES = 32, SCORE_CALL = 1000 };

struct score {
	int64_t at;			/* UTC ms: the sums are as of then */
	int64_t good, bad;		/* calls, in thousandths */
	int64_t first_n, first_ms;	/* first contents: thousandths, and
					 * the sum of their ms times that */
	int32_t failures;		/* hard ones, in a row */
	int32_t late;			/* first contents that did not come in
					 * time, in a row */
	uint16_t times[SCORE_TIMES];	/* first contents of each class; all
					 * are halved when they are 1,000 */
};

/* Takes from it what the time until now has taken. */
void score_age(struct score *s, int64_t now);

/* One more time to the first content, and all of one added to another. */
void score_first(struct score *s, int64_t ms);

/* The sums of `more` added to s; both as of the same moment. */
void score_sum(struct score *s, const struct score *more);

/* It begins anew: no call failed, and none went well.  How fast it was is
 * still known. */
void score_forget(struct score *s);

/*
 * So many ms were enough for this share (thousandths) of the times; 0: there
 * are less than `least` of them.
 */
int64_t score_within(const uint16_t times[static SCORE_TIMES],
    int64_t thousandths, int least);
/* The class of a time. */
int score_class(int64_t ms);

struct score_row {
	int64_t channel;		/* only of those that were loaded */
	int64_t credential;
	struct str model;		/* the upstream's name */
	struct score score;
	/* of what is added: there was a success since, so that the failures
	 * (late ones) before it no longer count in the row */
	bool ended_failures, ended_late;
	bool anew;			/* it was brought back since: what
					 * failed before counts no more */
	void *mark;			/* whoever adds it may use it */
};

/* Adds rows to those in the store.  Strings and list: in the arena. */
struct score_add {
	struct op op;
	struct score_row *list;
	int n;
	struct arena arena;
};
bool score_add_run(struct db *db, struct op *op);

/* Rows changed at or after since (UTC ms): count, or -1.  In the arena. */
int score_load(struct db *db, int64_t since, struct arena *a,
    struct score_row **list);

/* Removes those that are worth nothing any more: how many, or -1. */
int score_clean(struct db *db);

#endif
