/* SPDX-License-Identifier: MIT */
/*
 * user.h - who signs in, and administrators' tokens.
 *
 * Handled as group.h says.  A call's token is looked up by token_by_hash
 * (key.h), which tells its role alone.
 */
#ifndef WEIR_USER_H
#define WEIR_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

struct user_row {
	int64_t id;
	struct str login;
	int64_t account;		/* 0: a user of the site */
	struct str role;		/* owner member operator auditor */
	struct str pass;		/* Argon2id string; empty: none */
	int64_t created;		/* UTC ms */
	bool enabled;
	struct str note;
};

void user_blank(struct user_row *u, struct str login);
int user_find(struct db *db, struct arena *a, struct str login,
    struct user_row *u);
int user_get(struct db *db, struct arena *a, int64_t id,
    struct user_row *u);		/* by its id */
bool user_put(struct db *db, struct user_row *u);
int user_list(struct db *db, struct arena *a, struct str after,
    struct user_row **list);

/* A token by its hash (vault_hash); role "operator" or "auditor".  Its id,
 * or -1. */
int64_t token_add(struct db *db, int64_t user, struct str role,
    const uint8_t hash[static VAULT_HASH]);

struct token_row {
	int64_t id, user;
	struct str login, role;
	int64_t created;
	bool enabled;
};
/* That of a hash, if it is on and so is its user: 1, 0 none, -1 failed. */
int token_find(struct db *db, struct arena *a,
    const uint8_t hash[static VAULT_HASH], struct token_row *t);
int token_list(struct db *db, struct arena *a, int64_t after,
    struct token_row **list);
/* Rows changed (0: no such token), or -1. */
int token_enable(struct db *db, int64_t id, bool enabled);

#endif
