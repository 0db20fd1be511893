/* SPDX-License-Identifier: MIT */
/*
 * affinity.h - which credential a session was served by last.
 *
 * Providers keep the beginning of a prompt in a cache of each account; a
 * conversation that stays with one credential is served from it.  Kept in
 * memory for five minutes after its last use, and forgotten when the table is
 * full: processes that do not know a session draw the same two candidates
 * from its hash (pick.h), so that no row is written for it.  Any thread.
 */
#ifndef WEIR_AFFINITY_H
#define WEIR_AFFINITY_H

#include <stdint.h>

#include "fcgi/base/str.h"

struct affinity;

/*
 * The session of a key's calls for a model: what the caller names it, or how
 * its conversation begins (a hash; 0: unknown).  0: none.
 */
uint64_t affinity_session(int64_t key, struct str model, struct str named,
    uint64_t head);

struct affinity *affinity_new(void);
void affinity_free(struct affinity *a);

/* 0: not known.  session: a hash, not 0; now: monotonic ms. */
int64_t affinity_find(struct affinity *a, uint64_t session, int64_t now_ms);
void affinity_keep(struct affinity *a, uint64_t session, int64_t credential,
    int64_t now_ms);

#endif
