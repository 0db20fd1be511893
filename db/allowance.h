/* SPDX-License-Identifier: MIT */
/*
 * allowance.h - what an account may use beside its wallet.
 *
 * A bonus (money or units given, with an end of its own) or what a period of
 * a subscription comes with.  Each is a book of the account, in money, tokens
 * or requests, granted from the promotion book of that unit; what calls use of
 * it goes to revenue (hold.h), what is left at its end goes back.  Nothing is
 * ever reset: the next period is another allowance.
 *
 * It pays for calls that are admitted from `from` until `until`, in the order
 * of allowance_list.  A call that it was held for settles with it also after
 * its end.
 */
#ifndef WEIR_ALLOWANCE_H
#define WEIR_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "db/ledger.h"

/* So many may be open in an account: a call's hold has a part in each. */
enum { ALLOWANCES_MAX = 32 };

struct allowance {
	int64_t id, account;
	int64_t book;
	bool bonus;			/* pays before the others */
	enum unit unit;			/* of amount, carried, balance, held */
	int64_t subscription, period;	/* 0: of none */
	int64_t from, until;		/* UTC ms; until 0: it does not end */
	int64_t amount;			/* granted */
	int64_t carried;		/* came over from others */
	/* read only */
	int64_t ended;			/* UTC ms, when it stopped to pay, at
					 * until or before; 0: not told yet */
	int64_t closed;			/* UTC ms, when nothing was left or
					 * held in it; 0: not yet */
	int64_t balance, held;
};

/*
 * Makes one, with its book, and grants it a->amount (>= 0) under this kind and
 * reason of a transfer.  Sets id and book.  1; 0: the account has
 * ALLOWANCES_MAX that are not used up (nothing was changed); -1: the database
 * failed.  Inside store_write; until is 0 or not before from.
 */
int allowance_open(struct db *db, struct allowance *a, struct str kind,
    struct str reason);

/*
 * Ends one now, or as of its `until` if that is past: of what is free in it at
 * most `carry` goes to the allowance `to` (same account and unit; 0: nothing
 * is carried), the rest back.  *carried: how much went over.  What running
 * calls hold in it stays until they end.  One that has ended already: true, and
 * nothing happens.  False: the database failed.  Inside store_write.
 */
bool allowance_close(struct db *db, int64_t id, int64_t to, int64_t carry,
    int64_t *carried);

/* By id: 1, 0 there is none, -1 failed. */
int allowance_get(struct db *db, int64_t id, struct allowance *a);

/*
 * Those of an account that are not closed, in the order in which they pay:
 * bonuses first, the soonest end first.  Some may not have begun, or have
 * ended.  How many (at most LIST_MAX of group.h), or -1.
 */
int allowance_list(struct db *db, struct arena *arena, int64_t account,
    struct allowance **list);

/*
 * What is left in those that have ended goes back, and what calls left that
 * held some of them; the empty ones are closed.  An allowance of a
 * subscription that is no bonus waits until somebody has ended it
 * (allowance_close), because of what may be carried.  Some hundreds at once:
 * how many were looked at (0: nothing is to be done), or -1.  Inside a
 * transaction.
 */
int allowance_sweep(struct db *db);

/* Is there anything for it to do?  Reading will do: 1, 0, or -1. */
int allowance_due(struct db *db);

#endif
