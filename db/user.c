/* SPDX-License-Identifier: MIT */
/* user.c - who signs in, and administrators' tokens; see user.h. */
#include "db/user.h"

#include "db/group.h"

#define COLUMNS \
	"id, login, account, role, pass, created, enabled, note FROM user "
#define TOKEN \
	"t.id, t.user, u.login, t.role, t.created, t.enabled " \
	"FROM token t JOIN user u ON u.id = t.user "

enum { FIND, GET, LIST, ADD, PUT, TOKEN_ADD, TOKEN_FIND,
	TOKEN_LIST, TOKEN_ENABLE, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = "SELECT " COLUMNS "WHERE login = ?1",
	[GET] = "SELECT " COLUMNS "WHERE id = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE login > ?1 ORDER BY login "
		 "LIMIT 1000",
	[ADD] = "INSERT INTO user(login, account, role, pass, created, "
		"enabled, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[PUT] = "UPDATE user SET login = ?1, account = ?2, role = ?3, "
		"pass = ?4, enabled = ?5, note = ?6 WHERE id = ?7",
	[TOKEN_ADD] = "INSERT INTO token(user, role, hash, created) "
		      "VALUES (?1, ?2, ?3, ?4)",
	[TOKEN_FIND] = "SELECT " TOKEN "WHERE t.hash = ?1 AND t.enabled "
		       "AND u.enabled AND u.account IS NULL",
	[TOKEN_LIST] = "SELECT " TOKEN "WHERE t.id > ?1 ORDER BY t.id LIMIT 1000",
	[TOKEN_ENABLE] = "UPDATE token SET enabled = ?2 WHERE id = ?1",
};
const struct db_part user_part = { "user", sql, N_SQL };

static void
read_row(struct arena *a, struct row *row, struct user_row *u)
{
	*u = (struct user_row){
		.id = row_int(row, 0),
		.login = arena_str(a, row_str(row, 1)),
		.account = row_int(row, 2),
		.role = arena_str(a, row_str(row, 3)),
		.pass = arena_str(a, row_str(row, 4)),
		.created = row_int(row, 5),
		.enabled = row_int(row, 6),
		.note = arena_str(a, row_str(row, 7)),
	};
}

void
user_blank(struct user_row *u, struct str login)
{
	*u = (struct user_row){ .login = login, .role = S("member"),
		.enabled = true };
}

int
user_find(struct db *db, struct arena *a, struct str login,
    struct user_row *u)
{
	struct row *row;
	int n = db_one(db, &user_part, FIND, &row, "s", login);

	if (n == 1)
		read_row(a, row, u);
	return n;
}

int
user_get(struct db *db, struct arena *a, int64_t id, struct user_row *u)
{
	struct row *row;
	int n = db_one(db, &user_part, GET, &row, "i", id);

	if (n == 1)
		read_row(a, row, u);
	return n;
}

bool
user_put(struct db *db, struct user_row *u)
{
	const int64_t *account = u->account ? &u->account : NULL;
	struct str pass = u->pass.n ? u->pass : (struct str){ NULL, 0 };

	if (u->id)
		return db_run(db, &user_part, PUT, "sIsSisi", u->login,
			   account, u->role, pass, (int64_t)u->enabled,
			   u->note, u->id) == 1;
	u->created = db_now(db);
	if (db_run(db, &user_part, ADD, "sIsSiis", u->login, account, u->role,
		pass, u->created, (int64_t)u->enabled, u->note) != 1)
		return false;
	u->id = db_last_id(db);
	return true;
}

int
user_list(struct db *db, struct arena *a, struct str after,
    struct user_row **list)
{
	struct row *row = db_each(db, &user_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int64_t
token_add(struct db *db, int64_t user, struct str role,
    const uint8_t hash[static VAULT_HASH])
{
	return db_run(db, &user_part, TOKEN_ADD, "isbi", user, role, hash,
		   (size_t)VAULT_HASH, db_now(db)) == 1
	    ? db_last_id(db)
	    : -1;
}

static void
read_token(struct arena *a, struct row *row, struct token_row *t)
{
	*t = (struct token_row){
		.id = row_int(row, 0),
		.user = row_int(row, 1),
		.login = arena_str(a, row_str(row, 2)),
		.role = arena_str(a, row_str(row, 3)),
		.created = row_int(row, 4),
		.enabled = row_int(row, 5),
	};
}

int
token_find(struct db *db, struct arena *a,
    const uint8_t hash[static VAULT_HASH], struct token_row *t)
{
	struct row *row;
	int n = db_one(db, &user_part, TOKEN_FIND, &row, "b", hash,
	    (size_t)VAULT_HASH);

	if (n == 1)
		read_token(a, row, t);
	return n;
}

int
token_list(struct db *db, struct arena *a, int64_t after,
    struct token_row **list)
{
	struct row *row = db_each(db, &user_part, TOKEN_LIST, "i", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_token(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
token_enable(struct db *db, int64_t id, bool enabled)
{
	return db_run(db, &user_part, TOKEN_ENABLE, "ii", id,
	    (int64_t)enabled);
}
