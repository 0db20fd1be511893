/* SPDX-License-Identifier: MIT */
/*
 * park.h - who is out for a while, shared by all processes.
 *
 * A row is about a pair (a credential and a model by the upstream's name), a
 * key (a credential), a route (a channel and a model) or a whole channel.
 * Each may be out in three ways at once; they differ in how they end.
 */
#ifndef WEIR_PARK_H
#define WEIR_PARK_H

#include "db/writer.h"

enum park_kind {
	PARK_TIMED,		/* at `until`: as an upstream asked */
	PARK_EJECTED,		/* after `until` one call at a time tries it */
	PARK_BARRED,		/* when a probe succeeds; until: the next */
	N_PARK_KINDS
};
extern const char *const park_kinds[N_PARK_KINDS];

struct park {
	int64_t channel;
	int64_t credential;		/* 0: each of the channel's */
	struct str model;		/* the upstream's name; empty: each */
	enum park_kind kind;
	int64_t since, until;		/* UTC ms; one that begins later than
					 * now is of a clock that was set back,
					 * and not in force */
	int64_t times;			/* ejections one after another */
	int64_t trial;			/* UTC ms: until then somebody's call
					 * tries it; 0: nobody's */
	struct str reason;		/* "rate_limit", "failures" … */
};

/* Has its ejection ended, and nobody's call tries it just now?  Is it out? */
bool park_half_open(const struct park *p, int64_t now);
bool park_holds(const struct park *p, int64_t now);

/* "parked", "ejected", "trial", "barred". */
const char *park_state(const struct park *p, int64_t now);

/* Clocks read a moment before or after each other may differ by that. */
enum { PARK_SLACK_MS = 1000 };

/*
 * Writes a park, or takes it away (until 0).  Of two that are timed the
 * later end stays; of the others the newer one.  since is set.  A credential
 * has at most PARK_MODELS rows about models: those beyond are not kept, they
 * are in force in their own process only.
 */
enum { PARK_MODELS = 500 };
struct park_put {
	struct op op;
	struct park park;		/* its strings: in the arena */
	bool kept;			/* the store has it now */
	struct arena arena;
};
bool park_put_run(struct db *db, struct op *op);

/* Removes those that have ended, and ejections nobody has touched for a day:
 * how many, or -1.  Inside store_write. */
int park_clean(struct db *db);

/*
 * Takes away all parks of a channel, or of one of its credentials (0: all),
 * and what they failed: how many parks, or -1.  Inside store_write.
 */
int park_lift(struct db *db, int64_t channel, int64_t credential);

/* Those to be known of at now (ejections and bars stay after their end):
 * count, or -1.  *list is in the arena. */
int park_load(struct db *db, int64_t now, struct arena *a, struct park **list);

#endif
