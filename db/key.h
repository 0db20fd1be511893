/* SPDX-License-Identifier: MIT */
/*
 * key.h - client keys and administrators' tokens, found by their hash.
 */
#ifndef WEIR_KEY_H
#define WEIR_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

struct key {
	int64_t id, project, account, group;
	bool on;			/* key, project, account all enabled,
					 * not revoked */
	int64_t expires;		/* UTC ms, 0: never */
	int64_t rpm, tpm, concurrency;	/* 0: no limit */
	struct str name, models, ips;	/* in the arena; JSON lists or empty */
};

/* 1 and *k (strings in the arena), 0 no such key, -1 the database failed. */
int key_by_hash(struct db *db, const uint8_t hash[static VAULT_HASH],
    struct arena *a, struct key *k);

enum token_role { TOKEN_NONE, TOKEN_AUDITOR, TOKEN_OPERATOR };

/* Role of an administrator's token; TOKEN_NONE: unknown or off; -1 failed. */
int token_by_hash(struct db *db, const uint8_t hash[static VAULT_HASH]);

#endif
