/* SPDX-License-Identifier: MIT */
/*
 * replay.h - what proves a model's thoughts, for callers who do not keep it.
 *
 * Most clients of Chat Completions drop members they do not know, and with
 * them what an upstream wants back in a loop of tools.  So it stays here for a
 * day, sealed, under the caller's key and the id of the answer's first call.
 */
#ifndef WEIR_REPLAY_H
#define WEIR_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

enum { REPLAY_BYTES = 64 << 10 };	/* more is not kept */

struct replay {
	struct str call;	/* the id of a call; empty: nothing to keep */
	struct str sealed;
};

/* Seals a text for the row of this key and call, into the arena. */
struct replay replay_seal(struct arena *a, const struct vault *v,
    int64_t key, struct str call, struct str text);

/* Inside a transaction; one of the same call is replaced.  False: failed. */
bool replay_keep(struct db *db, int64_t key, const struct replay *r);

/* Reading: 1 and *text, in the arena; 0: none, too old, or it cannot be
 * opened; -1: the database failed. */
int replay_find(struct db *db, struct arena *a, const struct vault *v,
    int64_t key, struct str call, struct str *text);

/* Old ones go, some thousand at once, inside a transaction: how many, or -1.
 * Are there any?  Reading will do: 1, 0, or -1. */
int replay_prune(struct db *db);
int replay_due(struct db *db);

#endif
