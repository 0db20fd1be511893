/* SPDX-License-Identifier: MIT */
/*
 * keys.h - the client keys a loop has seen within the last second.
 */
#ifndef WEIR_KEYS_H
#define WEIR_KEYS_H

#include "db/key.h"

struct key_cache;

struct key_cache *keys_new(void);
void keys_free(struct key_cache *c);

/*
 * 1 and *k (its strings copied into the arena), 0 for an unknown key (never
 * stored), -1 when the store failed.
 */
int keys_find(struct key_cache *c, struct db *db,
    const uint8_t hash[static VAULT_HASH], struct arena *a, struct key *k);

#endif
