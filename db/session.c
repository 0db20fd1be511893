/* SPDX-License-Identifier: MIT */
/* session.c - who is signed in, and who tried; see session.h. */
#include "db/session.h"

#include "db/group.h"

enum { STRANGERS = 4096 };	/* places for logins nobody has */

#define COLUMNS \
	"s.id, s.user, u.account, u.login, u.role, a.name, s.created, " \
	"s.seen, s.address, s.hash FROM session s JOIN user u ON u.id = s.user " \
	"LEFT JOIN account a ON a.id = u.account "

enum { ADD, FIND, SEEN, LIST, END, END_ALL, CLEAN, TRIED, TRY, GOOD,
	TRIES_CLEAN, N_SQL };
static const char *const sql[N_SQL] = {
	[ADD] = "INSERT INTO /*tab*/ session(user, hash, created, seen, "
		"address) VALUES (?1, ?2, ?3, ?3, ?4)",
	[FIND] = "SELECT " COLUMNS "WHERE s.hash = ?1 AND s.created > ?2 "
		 "AND s.seen > ?3 AND u.enabled",
	[SEEN] = "UPDATE /*tab*/ session SET seen = max(seen, ?2) "
		 "WHERE id = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE s.user = ?1 AND s.created > ?2 "
		 "AND s.seen > ?3 ORDER BY s.id DESC LIMIT 1000",
	[END] = "DELETE FROM /*tab*/ session WHERE user = ?1 "
		"AND (?2 = 0 OR id = ?2)",
	[END_ALL] = "DELETE FROM /*tab*/ session /*scan*/",
	[CLEAN] = "DELETE FROM /*tab*/ session /*scan*/ WHERE created <= ?1 "
		  "OR seen <= ?2",
	[TRIED] = "SELECT tries, next FROM signin WHERE slot = ?1",
	[TRY] = "INSERT INTO /*tab*/ signin(slot, tries, next) "
		"VALUES (?1, ?2, ?3) ON CONFLICT (slot) DO UPDATE SET "
		"tries = excluded.tries, next = excluded.next",
	[GOOD] = "DELETE FROM /*tab*/ signin WHERE slot = ?1",
	[TRIES_CLEAN] = "DELETE FROM /*tab*/ signin /*scan*/ WHERE next <= ?1",
};
const struct db_part session_part = { "session", sql, N_SQL };

static void
hash_of(const struct vault *v, struct str secret, uint8_t out[VAULT_HASH])
{
	vault_mac(v, "session", secret, out);
}

bool
session_new(struct db *db, const struct vault *v, int64_t user,
    struct str address, char secret[static SESSION_CHARS])
{
	uint8_t hash[VAULT_HASH];

	vault_new_key("", secret);
	hash_of(v, str_of(secret), hash);
	return db_run(db, &session_part, ADD, "ibis", user, hash,
	    sizeof(hash), db_now(db), address) == 1;
}

static void
read_row(struct arena *a, struct row *row, struct session *s)
{
	*s = (struct session){
		.id = row_int(row, 0),
		.user = row_int(row, 1),
		.account = row_int(row, 2),
		.login = arena_str(a, row_str(row, 3)),
		.role = arena_str(a, row_str(row, 4)),
		.account_name = arena_str(a, row_str(row, 5)),
		.created = row_int(row, 6),
		.seen = row_int(row, 7),
		.address = arena_str(a, row_str(row, 8)),
	};
}

int
session_find(struct db *db, struct arena *a, const struct vault *v,
    struct str secret, int64_t now, struct session *s)
{
	uint8_t hash[VAULT_HASH];
	struct row *row;
	int n;

	hash_of(v, secret, hash);
	n = db_one(db, &session_part, FIND, &row, "bii", hash, sizeof(hash),
	    now - SESSION_MOST_MS, now - SESSION_IDLE_MS);
	if (n == 1) {
		read_row(a, row, s);
		memcpy(s->hash, hash, sizeof(hash));
	}
	return n;
}

bool
session_seen(struct db *db, int64_t id)
{
	return db_run(db, &session_part, SEEN, "ii", id, db_now(db)) >= 0;
}

int
session_list(struct db *db, struct arena *a, int64_t user,
    struct session **list)
{
	int64_t now = db_now(db);
	struct row *row = db_each(db, &session_part, LIST, "iii", user,
	    now - SESSION_MOST_MS, now - SESSION_IDLE_MS);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
session_end(struct db *db, int64_t user, int64_t id)
{
	return db_run(db, &session_part, END, "ii", user, id);
}

bool
session_end_all(struct db *db)
{
	return db_run(db, &session_part, END_ALL, "") >= 0;
}

int
session_clean(struct db *db)
{
	int64_t now = db_now(db);
	int n = db_run(db, &session_part, CLEAN, "ii", now - SESSION_MOST_MS,
	    now - SESSION_IDLE_MS);

	return n < 0 || db_run(db, &session_part, TRIES_CLEAN, "i",
	    now - SIGNIN_WAIT_MS) < 0 ? -1 : n;
}

/* --- tries ---------------------------------------------------------------- */

int64_t
signin_slot(const struct vault *v, struct str login, int64_t user)
{
	uint8_t mac[VAULT_HASH];

	if (user)
		return user;
	vault_mac(v, "signin", login, mac);
	return -1 - (mac[0] << 8 | mac[1]) % STRANGERS;
}

/* How many tries count still, and when the next may be made. */
static int
tried(struct db *db, int64_t slot, int64_t *tries, int64_t *next)
{
	struct row *row;
	int n = db_one(db, &session_part, TRIED, &row, "i", slot);

	*tries = *next = 0;
	if (n == 1 && row_int(row, 1) + SIGNIN_WAIT_MS > db_now(db)) {
		*tries = row_int(row, 0);
		*next = row_int(row, 1);
	}
	return n;
}

/* A clock that was set back makes nobody wait longer than he has to. */
static int64_t
wait_of(struct db *db, int64_t next)
{
	int64_t ms = next - db_now(db);

	return ms < 0 ? 0 : ms > SIGNIN_WAIT_MS ? SIGNIN_WAIT_MS : ms;
}

int64_t
signin_wait(struct db *db, int64_t slot)
{
	int64_t tries, next;

	return tried(db, slot, &tries, &next) < 0 ? -1 : wait_of(db, next);
}

int64_t
signin_try(struct db *db, int64_t slot)
{
	int64_t tries, next, wait, more = 0;

	if (tried(db, slot, &tries, &next) < 0)
		return -1;
	wait = wait_of(db, next);
	if (wait)
		return wait;
	if (++tries >= SIGNIN_TRIES) {
		more = SIGNIN_FIRST_MS;
		for (int64_t i = SIGNIN_TRIES; i < tries &&
		    more < SIGNIN_WAIT_MS; i++)
			more *= 2;
		if (more > SIGNIN_WAIT_MS)
			more = SIGNIN_WAIT_MS;
	}
	return db_run(db, &session_part, TRY, "iii", slot, tries,
	    db_now(db) + more) == 1 ? 0 : -1;
}

bool
signin_good(struct db *db, int64_t slot)
{
	return db_run(db, &session_part, GOOD, "i", slot) >= 0;
}
