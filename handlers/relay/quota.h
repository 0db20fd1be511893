/* SPDX-License-Identifier: MIT */
/*
 * quota.h - what a caller hears of the limits it has here: headers of every
 * answer to a key with limits of its own, and why a cap refused a call.
 */
#ifndef WEIR_QUOTA_H
#define WEIR_QUOTA_H

#include "db/hold.h"

struct dialect;
struct key;
struct relay;
struct request;

/* Headers, before the head goes out, in the words of the caller's dialect;
 * none for limits the key does not have. */
void quota_tell(struct request *rq, const struct dialect *d,
    const struct gcra_left *left);

/* The same for an answer without an admission: reads the key's meter, if it
 * has limits. */
void quota_look(struct relay *r, struct request *rq,
    const struct dialect *d, const struct key *k);

/* Which cap, of whom, how much of it, and when there is room again; of a
 * HOLD_CAP. */
struct str quota_cap(struct arena *a, const struct hold_open *h);

/* What the account of a call that was refused with HOLD_NO_CREDIT lacks. */
struct str quota_credit(struct arena *a, const struct hold_open *h);

#endif
