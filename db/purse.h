/* SPDX-License-Identifier: MIT */
/*
 * purse.h - what an account has to pay with, as people are told.
 *
 * Read, never changed here; admission has its own view (funds.h).
 */
#ifndef WEIR_PURSE_H
#define WEIR_PURSE_H

#include "db/allowance.h"

struct purse {
	int64_t balance, held;		/* of the wallet, nano-dollars */
	int64_t credit;			/* so far below 0 it may go */
	int64_t available;		/* free money in all: wallet, credit
					 * (but for a subscription without
					 * overflow, which lets neither pay)
					 * and what now pays beside them */
	struct allowance *list;		/* not ended; some may begin later */
	int n;
};

/* As of a moment (UTC ms), in the arena.  False: the database failed. */
bool purse_read(struct db *db, struct arena *a, int64_t account, int64_t now,
    struct purse *p);

#endif
