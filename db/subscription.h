/* SPDX-License-Identifier: MIT */
/*
 * subscription.h - what accounts have subscribed to.
 *
 * A subscription keeps the terms of its package as they were when it began.
 * Its periods follow each other by the calendar (period.h): at the begin of
 * each the wallet pays the price, and the period's quota is a new allowance.
 * Where the wallet lacks the price the subscription is unpaid, gives nothing,
 * and asks again until that period is over.
 *
 * Nothing happens by itself: whoever is about to use or change what an account
 * has turns its subscriptions first (subscription_turn), the keeper those of
 * accounts nobody calls for.  What comes of it does not depend on when that
 * was, but for one thing: a period that was over before anybody looked (weir
 * did not run) is neither paid nor given.
 *
 * All writing is inside store_write.
 */
#ifndef WEIR_SUBSCRIPTION_H
#define WEIR_SUBSCRIPTION_H

#include "db/package.h"

enum subscription_state {
	SUBSCRIPTION_WAITING,		/* it has not begun */
	SUBSCRIPTION_ACTIVE,
	SUBSCRIPTION_UNPAID,
	SUBSCRIPTION_ENDED,
	N_SUBSCRIPTION_STATES
};
extern const char *const subscription_states[N_SUBSCRIPTION_STATES];

/* So many of an account may run at a time. */
enum { SUBSCRIPTIONS_MAX = 32 };

struct subscription {
	int64_t id, account, package;
	struct package_terms terms;
	enum subscription_state state;
	int64_t created, cancelled, ended;	/* UTC ms; 0: not */
	struct period_span span;	/* the period that runs, or is first */
	struct period_base base;
	int64_t whole_ms;		/* of the first, if it were whole */
	int64_t paid;			/* periods so far */
	int64_t charged;		/* to calls admitted in this period,
					 * nano-dollars; kept for volume */
	int64_t allowance;		/* of the last paid period, 0: none */
	bool given;			/* see subscription_new; not kept */
	/* joined, read only */
	struct str account_name, package_name;
};

enum subscription_verdict {
	SUBSCRIPTION_DONE,
	SUBSCRIPTION_OFF,		/* the package cannot be had */
	SUBSCRIPTION_ACCOUNT_OFF,
	SUBSCRIPTION_TWICE,		/* it runs already, id says which */
	SUBSCRIPTION_TRIED,		/* the trial was had before */
	SUBSCRIPTION_SHORT,		/* the wallet has `available` */
	SUBSCRIPTION_FULL,		/* too many run, or too many allowances
					 * are not used up */
	SUBSCRIPTION_OVER,		/* all its periods have passed */
	SUBSCRIPTION_FAILED
};

/*
 * Subscribes an account to a package from a time on, and enters the period of
 * now.  given: what that costs comes with a voucher.  s: what came of it.
 * Unless DONE the caller rolls back.
 */
enum subscription_verdict subscription_new(struct db *db, struct arena *a,
    int64_t account, const struct package_row *p, int64_t from_ms, bool given,
    struct subscription *s, int64_t *available);

/* It runs to the end of its period, or ends now if that is not paid: 1, 0 there
 * is none or it has ended or was cancelled before (s), -1 failed. */
int subscription_cancel(struct db *db, struct arena *a, int64_t id,
    struct subscription *s);

/* Brings what an account has subscribed to up to now.  False: failed. */
bool subscription_turn(struct db *db, int64_t account);

/* The same for some accounts for which it is time: how many, or -1; and is
 * there any?  Reading will do: 1, 0, -1. */
int subscription_turn_some(struct db *db);
int subscription_due(struct db *db);

/* What they ask of who admits calls and ends them, as of now. */
struct subscribed {
	int64_t until;			/* UTC ms: turn again then, */
	int64_t unpaid;			/* or when the wallet has so much;
					 * INT64_MAX: not */
	int64_t closed;			/* the one without overflow: wallet
					 * and credit pay for nothing; 0 */
	bool volume;			/* what calls cost is counted */
};
bool subscription_look(struct db *db, int64_t account, struct subscribed *s);

/* By how much (ppm) calls that are admitted now cost less; false: failed. */
bool subscription_discount(struct db *db, int64_t account, int64_t *ppm);

/* A call that was admitted at a time was charged so much. */
bool subscription_charge(struct db *db, int64_t account, int64_t admitted_ms,
    int64_t amount);

/* By id: 1, 0 there is none, -1 failed. */
int subscription_get(struct db *db, struct arena *a, int64_t id,
    struct subscription *s);

/* Those of an account (0: of all), ids above `after`, ended ones too: how many
 * (at most LIST_MAX of group.h), or -1. */
int subscription_list(struct db *db, struct arena *a, int64_t account,
    int64_t after, struct subscription **list);

/* Does it end with the period that runs? */
bool subscription_last(const struct subscription *s);

/* What a period of it costs and gives.  Of a first one that is cut short its
 * share: the price in whole cents, down, the quota in cents or its unit, up. */
int64_t subscription_price(const struct subscription *s);
int64_t subscription_quota(const struct subscription *s);

#endif
