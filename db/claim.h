/* SPDX-License-Identifier: MIT */
/*
 * claim.h - a call's place at a credential that has limits of its own.
 *
 * What an upstream allows a credential (requests and tokens a minute, calls
 * at once) is kept exactly, whatever the number of processes: an attempt with
 * such a credential takes a claim before it is sent, in a transaction.  A
 * claim belongs to a hold: it ends with the attempt, and at the latest with
 * the settlement, also that of a process that died.
 */
#ifndef WEIR_CLAIM_H
#define WEIR_CLAIM_H

#include "db/writer.h"

enum claim_verdict {
	CLAIM_TAKEN,
	CLAIM_FULL,		/* `retry_ms`, `full_ms` */
	CLAIM_GONE		/* the call was settled meanwhile */
};

struct claim_take {
	struct op op;
	/* in */
	int64_t hold, credential;
	int64_t tokens;		/* estimate: prompt + output */
	/* out */
	enum claim_verdict verdict;
	const char *limit;	/* "rpm", "tpm", "concurrency" */
	int64_t retry_ms;	/* when this call may have room; of calls at
				 * once nobody knows: 1,000 */
	int64_t full_ms;	/* until then nobody has; 0: some may */
};
bool claim_take_run(struct db *db, struct op *op);

/* The attempt is over.  A claim that is gone is left alone. */
struct claim_end {
	struct op op;
	int64_t hold, credential;
	int64_t used;		/* tokens: corrects tpm */
};
bool claim_end_run(struct db *db, struct op *op);

/* All that a call has left: one used so many tokens, others none. */
bool claim_end_all(struct db *db, int64_t hold, int64_t credential,
    int64_t used);

#endif
