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

struct affinity;

struct affinity *affinity_new(void);
void affinity_free(struct affinity *a);

/* 0: not known.  session: a hash, not 0; now: monotonic ms. */
int64_t affinity_find(struct affinity *a, uint64_t session, int64_t now_ms);
void affinity_keep(struct affinity *a, uint64_t session, int64_t credential,
    int64_t now_ms);

#endif
