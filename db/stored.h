/* SPDX-License-Identifier: MIT */
/*
 * stored.h - answers that an upstream keeps, and for whom.
 *
 * An upstream of Responses keeps its answers under the key that they were made
 * with, which is ours and serves many callers.  So it is written down whose an
 * answer is and which credential made it: only its account may ask for it
 * again, or go on from it, and is sent there.
 */
#ifndef WEIR_STORED_H
#define WEIR_STORED_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

struct stored {
	struct str id;		/* the upstream's; empty: nothing to keep */
	int64_t account;
	int64_t channel, credential;
	struct str model;	/* as it was asked for */
	int64_t tokens;		/* that it read and made */
};

/* Inside a transaction; one of the same id is replaced.  False: failed. */
bool stored_keep(struct db *db, const struct stored *s);

/* Reading: 1 and *s, in the arena; 0: there is none of this account, or it is
 * too old; -1: the database failed. */
int stored_find(struct db *db, struct arena *a, int64_t account,
    struct str id, struct stored *s);

/* Old ones go, some thousand at once, inside a transaction: how many, or -1.
 * Are there any?  Reading will do: 1, 0, or -1. */
int stored_prune(struct db *db);
int stored_due(struct db *db);

#endif
