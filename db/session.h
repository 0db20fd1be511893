/* SPDX-License-Identifier: MIT */
/*
 * session.h - who is signed in, and how often somebody tried.
 *
 * A session is a secret of 256 bits that a browser keeps; here is its keyed
 * hash.  It ends when it was idle for SESSION_IDLE_MS, when it is
 * SESSION_MOST_MS old, when it is ended, and with each change of its user's
 * password, role, account or being on (a trigger of the schema sees to that,
 * whoever changes it).
 *
 * A try is counted before the password is looked at, so that tries at the same
 * moment are counted too.  After SIGNIN_TRIES wrong ones each further try has
 * to wait, longer each time, SIGNIN_WAIT_MS at most: nobody can lock a user
 * out for good.  What is counted goes with the right password, with a new one
 * (weirctl user passwd), and after a quiet quarter of an hour.
 */
#ifndef WEIR_SESSION_H
#define WEIR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

enum {
	SESSION_IDLE_MS = 30 * 60000,
	SESSION_MOST_MS = 12 * 3600000,
	SESSION_SEEN_MS = 60000,	/* `seen` is that exact */
	SESSION_CHARS = 64,		/* of a secret, with its NUL */
	SIGNIN_TRIES = 5,
	SIGNIN_FIRST_MS = 30000,	/* then twice as long, … */
	SIGNIN_WAIT_MS = 15 * 60000	/* … at most; and a quiet time */
};

struct session {
	int64_t id, user;
	int64_t account;		/* 0: a user of the site */
	struct str login, role;		/* as in user.h */
	struct str account_name;	/* empty: of the site */
	int64_t created, seen;		/* UTC ms */
	struct str address;		/* that it was opened from */
	uint8_t hash[VAULT_HASH];
};

/* A new one; its secret, terminated.  False: the database failed.  Inside a
 * write. */
bool session_new(struct db *db, const struct vault *v, int64_t user,
    struct str address, char secret[static SESSION_CHARS]);

/* By its secret, if it runs at now (UTC ms): 1, 0 it does not, -1 failed. */
int session_find(struct db *db, struct arena *a, const struct vault *v,
    struct str secret, int64_t now, struct session *s);

/* It was used now.  Inside a write, when `seen` is SESSION_SEEN_MS old. */
bool session_seen(struct db *db, int64_t id);

/* Those of a user that run, newest first: how many (at most LIST_MAX of
 * group.h), or -1.  Without their hashes. */
int session_list(struct db *db, struct arena *a, int64_t user,
    struct session **list);

/* Ends one of a user's sessions (0: all of them): how many, or -1. */
int session_end(struct db *db, int64_t user, int64_t id);

/* Ends every session there is: of a database that was restored. */
bool session_end_all(struct db *db);

/* Rows that tell nothing any more go: how many, or -1.  Inside a write. */
int session_clean(struct db *db);

/* --- tries ---------------------------------------------------------------- */

/*
 * Where tries for a login are counted: `user` is its id, or 0 where there is
 * no such user; these share a fixed number of places, so that made-up logins
 * fill no disk.
 */
int64_t signin_slot(const struct vault *v, struct str login, int64_t user);

/* For how long must a try wait (ms)?  0: not; -1: the database failed. */
int64_t signin_wait(struct db *db, int64_t slot);

/* Counts a try, unless it has to wait: as signin_wait.  Inside a write. */
int64_t signin_try(struct db *db, int64_t slot);

/* The password was right.  Inside a write. */
bool signin_good(struct db *db, int64_t slot);

#endif
