/* SPDX-License-Identifier: MIT */
/*
 * health.h - how upstreams are doing, and who is out.
 *
 * What is known is about a pair of a credential and a model (by the upstream's
 * name for it), about a key (each model of a credential), a route (each
 * credential of a channel, one model) or a whole channel.  Somebody is out
 * because an upstream asked for it (parked), because of what was seen
 * (ejected), or until a probe shows that it works again (barred).
 *
 * The rows of the store are the truth that processes share (db/park.h,
 * db/score.h); this is one process's copy of them, with what it has learned
 * itself since.  Nothing here blocks or reads a clock: `now` is UTC ms.
 * Operators switch credentials off elsewhere (catalogue); nothing here
 * touches that.  Any thread.
 */
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "db/park.h"
#include "db/score.h"
#include "handlers/dialect/dialect.h"

struct health;

/* w: where parks and scores are put; NULL: nowhere (weirctl, simulations).
 * seed: of the jitter of ejections. */
struct health *health_new(struct writer *w, uint64_t seed);
void health_free(struct health *h);

/* Who is meant: a pair.  The name is borrowed. */
struct subject {
	int64_t channel, credential;
	struct str model;		/* the upstream's name for it */
	bool alone;			/* the channel's only credential */
};

/* --- Who is out ---------------------------------------------------------- */

enum stance {
	STANDS,			/* may be called */
	STANDS_TRIAL,		/* was ejected: one call at a time may try */
	STANDS_EJECTED,		/* out by what was seen; a last resort */
	STANDS_PARKED,		/* out until a moment */
	STANDS_BARRED		/* out until a probe succeeds */
};

/* The worst that holds for it, and when that ends (UTC ms; 0: it stands). */
enum stance health_standing(struct health *h, const struct subject *s,
    int64_t now, int64_t *until);

/* The same with the reason ("rate_limit"), and what is out ("pair", "key",
 * "route", "channel"), for people. */
struct health_told {
	enum stance how;
	int64_t until;
	const char *reason, *what;
};
struct health_told health_tell(struct health *h, const struct subject *s,
    int64_t now);

/* Another number whenever somebody is out who was not: while it is the same,
 * nobody's standing has become worse.  Never 0. */
uint64_t health_changes(struct health *h);

/*
 * Takes the one trial of somebody who was ejected, for so many ms at most;
 * false: another call has it.
 */
bool health_try(struct health *h, const struct subject *s, int64_t ms,
    int64_t now);
/* It was not made use of: another call may try. */
void health_untried(struct health *h, const struct subject *s, int64_t now);

/* All of a key's own limits are used up until then (db/claim.h): it need not
 * be asked meanwhile.  0: they are not, as far as is known here. */
void health_full(struct health *h, const struct subject *s, int64_t now,
    int64_t until);
int64_t health_full_until(struct health *h, const struct subject *s,
    int64_t now);

/* --- What calls tell ----------------------------------------------------- */

/* What an attempt says of its upstream. */
enum verdict {
	SAYS_NOTHING,		/* the caller's fault, or he left */
	SAYS_GOOD,		/* a whole answer */
	SAYS_ALIVE,		/* an error that is no failure: 429, 401 */
	SAYS_FAILED,		/* 5xx, no answer, a cut one */
	SAYS_LATE,		/* no first content in time */
	SAYS_UNREACHED		/* no connection could be made */
};

/*
 * An attempt begins (one more is running; stream: it waits for a first
 * content), its first content came after so many ms, and it ends: health_end
 * once for each health_begin.  trial: it was chosen although ejected, so that
 * success brings it back.
 */
void health_begin(struct health *h, const struct subject *s, bool stream,
    int64_t now);
void health_first(struct health *h, const struct subject *s, int64_t ms,
    bool trial, int64_t now);
void health_end(struct health *h, const struct subject *s,
    enum verdict verdict, bool trial, int64_t now);

/* What an error of this class means: what is out, for how long. */
enum health_scope { HEALTH_NOTHING, HEALTH_PAIR, HEALTH_KEY, HEALTH_ROUTE,
	HEALTH_CHANNEL };
struct health_verdict {
	enum health_scope out;
	enum park_kind kind;
	int64_t ms;
	bool alert;		/* the operator must look at it */
	enum verdict says;	/* for health_end */
};
/* hint_ms: how long the upstream asked to wait, 0: it did not say. */
struct health_verdict health_judge(enum up_class class, int64_t hint_ms);

/* Judges an error and parks whom it concerns, here at once and in the store;
 * returns what it says for health_end. */
enum verdict health_learn(struct health *h, const struct subject *s,
    enum up_class class, int64_t hint_ms, int64_t now);

/* The whole answers that were not streamed: how long they took, by model and
 * by the power of two of the output's limit. */
void health_whole(struct health *h, struct str model, int64_t output,
    int64_t ms);

/* --- What chooses and clocks ask ----------------------------------------- */

struct sight {
	double ok;		/* share of good calls lately; 1: none seen */
	double first_ms;	/* average to first content; 0: none seen */
	int64_t late_ms;	/* 95 of 100 first contents came within; 0:
				 * fewer than 20 seen */
	int running;		/* attempts of this process */
	bool silent;		/* calls that wait for it hear nothing: it may
				 * hang */
};
struct sight health_sight(struct health *h, const struct subject *s,
    int64_t now);

/* 95 of 100 whole answers came within so many ms; 0: fewer than 20 seen. */
int64_t health_whole_late(struct health *h, struct str model,
    int64_t output);

/* --- Probes -------------------------------------------------------------- */

/*
 * Who waits for a probe now: barred ones whose time has come, and ejected
 * ones that were not probed for `every` ms, models only while they are called
 * now and then; at most max.  They count as
 * probed from now on.  The names are in the arena.  credential 0: any of the
 * channel's; model empty: any.
 */
struct health_due {
	int64_t channel, credential;
	struct str model;
	enum park_kind kind;
	int64_t waited;			/* a bar: ms since it was refused */
};
int health_due(struct health *h, int64_t every, int64_t now,
    struct arena *a, struct health_due *list, int max);

/* A probe succeeded: it is back.  Of health_due's, or any other subject. */
void health_lift(struct health *h, int64_t channel, int64_t credential,
    struct str model, int64_t now);
/* It failed: a barred one's next probe is not before `next`; for one that was
 * ejected and could be tried again it counts as a trial that failed. */
void health_still(struct health *h, int64_t channel, int64_t credential,
    struct str model, int64_t next, int64_t now);

/* --- Sharing ------------------------------------------------------------- */

/* Takes the store's rows over; what was learned here and is not yet in them
 * stays.  For the keeper. */
void health_load_parks(struct health *h, const struct park *list, int n,
    int64_t now);
void health_load_scores(struct health *h, const struct score_row *list, int n);

/* Puts what was counted since the last time into the store.  For the
 * keeper, after loading. */
void health_share(struct health *h, int64_t now);

/* --- What is counted ----------------------------------------------------- */

/* The worst that holds for a credential, as a whole or with some model. */
enum stance health_worst(struct health *h, int64_t channel,
    int64_t credential, int64_t now);

/* How often somebody was ejected by this process. */
uint64_t health_ejections(void);

/* Bytes it has allocated. */
size_t health_bytes(struct health *h);

#endif
