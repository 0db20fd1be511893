/* SPDX-License-Identifier: MIT */
/*
 * retain.h - rows of calls go when they are old enough.
 *
 * Setting site.usage_days says how long they stay (not set: for ever).  Before
 * rows go each book gets a closing line with what they said, so that
 * ledger_check still proves every balance; the sums of reports stay.
 */
#ifndef WEIR_RETAIN_H
#define WEIR_RETAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/*
 * Takes away some of what is too old, a few thousand rows, so that nobody
 * waits long for the write lock.  Inside a transaction.  How many rows went
 * (0: nothing is too old), or -1.
 */
int64_t retain_some(struct db *db);

/* Is there anything for it to do?  Reading will do: 1, 0, or -1. */
int retain_due(struct db *db);

#endif
