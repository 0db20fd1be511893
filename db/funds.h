/* SPDX-License-Identifier: MIT */
/*
 * funds.h - what an account has to pay with, and the order in which it pays.
 *
 * Bonuses, then allowances of packages, the soonest end first (allowance.h),
 * then the wallet, which may go below 0 as far as the account's credit allows.
 * Money adds up.  An allowance in tokens or requests pays for a call whole or
 * not at all: the first that the order comes to before the money is complete,
 * and that has enough, takes the call alone, and the call costs no money.
 *
 * Admission draws a call's hold (hold.c); its end charges the parts of the
 * hold in the same order, and draws what it needs beyond them anew
 * (settle.c).
 */
#ifndef WEIR_FUNDS_H
#define WEIR_FUNDS_H

#include "db/allowance.h"

enum { FUNDS_MAX = ALLOWANCES_MAX + 1 };

/* --- parts ---------------------------------------------------------------- */

/* An extension may come when other allowances pay than at admission. */
enum { PARTS_MAX = 2 * FUNDS_MAX, PARTS_TEXT = PARTS_MAX * 44 };

/* Amounts of books, in the order in which they pay; each book once. */
struct part {
	int64_t book, amount;
};
struct parts {
	int n;
	struct part list[PARTS_MAX];
};

int64_t parts_sum(const struct parts *p);

/* False: there is no room for one more book. */
bool parts_add(struct parts *p, int64_t book, int64_t amount);

/* Adds the first so much of `from`, which has it. */
void parts_first(const struct parts *from, int64_t amount, struct parts *p);

/* "[[12,500],[13,200]]", and back; false: it is no such list. */
struct str parts_text(const struct parts *p, char out[static PARTS_TEXT]);
bool parts_read(struct str text, struct parts *p);

/* --- what there is -------------------------------------------------------- */

struct source {
	int64_t book;
	enum unit unit;
	int64_t free, held;		/* in its unit; free: of what may be
					 * used, with the wallet's credit */
};

/* The wallet is the last; it is not there while a subscription runs that does
 * not let it pay. */
struct funds {
	int n;
	struct source list[FUNDS_MAX];
	int64_t closed;			/* the id of that; 0: none */
	bool volume;			/* what calls cost is counted */
};

/*
 * What an account has now, as this transaction sees it, when its subscriptions
 * have been turned; other: it may have more than its wallet (struct tab_key).
 * False: the database failed.  The tab may have forgotten what it knew:
 * pointers into it are not valid any more.
 */
bool funds_load(struct db *db, int64_t account, int64_t wallet, bool other,
    struct funds *f);

/* Its free money in all; what calls hold of any of it. */
int64_t funds_money(const struct funds *f);
bool funds_any_held(const struct funds *f);

/*
 * The source that takes a call alone which needs so much money and so many
 * tokens (0: it is not of those that tokens pay for), or NULL: it is paid for
 * with money.
 */
const struct source *funds_cover(const struct funds *f, int64_t money,
    int64_t tokens);

/* The most that one allowance in this unit has free; -1: there is none. */
int64_t funds_most(const struct funds *f, enum unit unit);

/* What is free in one book of it; 0: it is not among them. */
int64_t funds_free(const struct funds *f, int64_t book);

/* Takes money in order and adds it to the parts.  What it could not take. */
int64_t funds_take(struct funds *f, int64_t money, struct parts *p);

#endif
