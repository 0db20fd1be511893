/* SPDX-License-Identifier: MIT */
/*
 * bill.h - the proof of every charge: usage rows reckoned again.
 *
 * A usage row keeps its counts, its price rows and its multipliers (schema,
 * table usage).  What they come to is compared with the charge, the list
 * price and the cost that the row has; and multipliers and markup with what
 * its prices have.
 */
#ifndef WEIR_BILL_H
#define WEIR_BILL_H

#include <stdint.h>

#include "db/db.h"

enum { BILL_SHOWN = 10 };

struct bill_check {
	int64_t since, until;		/* UTC ms: [since, until) of `at`;
					 * until 0: open */
	/* out */
	int64_t rows, wrong;		/* looked at; that differ */
	struct str first[BILL_SHOWN];	/* of these, in words; in the arena */
	int n_first;
};

/*
 * Reckons all rows again, in pages of their own.  1, or -1 if the database
 * failed.
 */
int bill_check(struct db *db, struct arena *a, struct bill_check *c);

#endif
