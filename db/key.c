/* SPDX-License-Identifier: MIT */
/* key.c - client keys and tokens; see key.h. */
#include "db/key.h"

#include "db/gcra.h"
#include "db/group.h"
#include "db/setting.h"

#define COLUMNS \
	"k.id, k.project, k.account, k.name, k.tail, k.weak, k.models, k.ips, " \
	"k.rpm, k.tpm, k.concurrency, k.expires, k.created, k.revoked, " \
	"m.used, m.open_holds, k.enabled, k.note, p.name, a.name, k.strict "
#define TABLES \
	"FROM key k JOIN project p ON p.id = k.project " \
	"JOIN account a ON a.id = k.account "
#define METERED TABLES "JOIN meter m ON m.key = k.id "

enum { BY_HASH, LEFT, TOKEN, OWNER, FIND, GET, LIST, LIST_ALL, ADD, ADD_METER,
	PUT, ROTATE, REVOKE, N_SQL };
static const char *const sql[N_SQL] = {
	[BY_HASH] =
	    "SELECT k.id, k.project, k.account, a.grp, k.enabled AND "
	    "p.enabled AND a.enabled AND k.revoked IS NULL, k.expires, k.rpm, "
	    "k.tpm, k.concurrency, k.name, k.models, k.ips, a.markup_ppm, "
	    "k.strict " TABLES
	    "WHERE k.hash = ?1",
	[LEFT] = "SELECT k.rpm, k.tpm, m.rpm_at, m.tpm_at, m.tpm_debt "
		 "FROM key k JOIN meter m ON m.key = k.id WHERE k.id = ?1",
	[TOKEN] = "SELECT t.role FROM token t JOIN user u ON u.id = t.user "
		  "WHERE t.hash = ?1 AND t.enabled AND u.enabled "
		  "AND u.account IS NULL",
	[OWNER] = "SELECT id FROM key WHERE hash = ?1",
	[FIND] = "SELECT " COLUMNS METERED "WHERE k.project = ?1 "
		 "AND k.name = ?2",
	[GET] = "SELECT " COLUMNS METERED "WHERE k.id = ?1",
	[LIST] = "SELECT " COLUMNS METERED "WHERE k.account = ?1 AND k.id > ?2 "
		 "ORDER BY k.id LIMIT 1000",
	[LIST_ALL] = "SELECT " COLUMNS METERED "WHERE k.id > ?1 "
		     "ORDER BY k.id LIMIT 1000",
	[ADD] = "INSERT INTO key(project, account, name, hash, tail, weak, "
		"models, ips, rpm, tpm, concurrency, expires, created, "
		"enabled, note, strict) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
		"?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
	[ADD_METER] = "INSERT INTO meter(key) VALUES (?1)",
	[PUT] = "UPDATE key SET name = ?2, models = ?3, ips = ?4, rpm = ?5, "
		"tpm = ?6, concurrency = ?7, expires = ?8, enabled = ?9, "
		"note = ?10, strict = ?11 WHERE id = ?1",
	[ROTATE] = "UPDATE key SET hash = ?2, tail = ?3, weak = ?4, "
		   "revoked = NULL WHERE id = ?1",
	[REVOKE] = "UPDATE key SET revoked = coalesce(revoked, ?2) "
		   "WHERE id = ?1",
};
const struct db_part key_part = { "key", sql, N_SQL };

int
key_by_hash(struct db *db, const uint8_t hash[static VAULT_HASH],
    struct arena *a, struct key *k)
{
	struct row *row;
	int n = db_one(db, &key_part, BY_HASH, &row, "b", hash,
	    (size_t)VAULT_HASH);

	if (n == 1)
		*k = (struct key){
			.id = row_int(row, 0),
			.project = row_int(row, 1),
			.account = row_int(row, 2),
			.group = row_int(row, 3),
			.on = row_int(row, 4),
			.expires = row_int(row, 5),
			.rpm = row_int(row, 6),
			.tpm = row_int(row, 7),
			.concurrency = row_int(row, 8),
			.name = arena_str(a, row_str(row, 9)),
			.models = arena_str(a, row_str(row, 10)),
			.ips = arena_str(a, row_str(row, 11)),
			.own_markup = !row_null(row, 12),
			.markup_ppm = row_int(row, 12),
			.strict = row_int(row, 13),
		};
	return n;
}

int
key_left(struct db *db, int64_t id, struct gcra_left *left)
{
	struct row *row;
	int n = db_one(db, &key_part, LEFT, &row, "i", id);

	if (n == 1)
		gcra_left(&(struct gcra){ row_int(row, 2), row_int(row, 3),
		    row_int(row, 4), false }, row_int(row, 0),
		    row_int(row, 1), db_now(db) * 1000, left);
	return n;
}

int
token_by_hash(struct db *db, const uint8_t hash[static VAULT_HASH])
{
	struct row *row;
	int n = db_one(db, &key_part, TOKEN, &row, "b", hash,
	    (size_t)VAULT_HASH);

	if (n != 1)
		return n < 0 ? -1 : TOKEN_NONE;
	return str_eq(row_str(row, 0), S("operator")) ? TOKEN_OPERATOR
						      : TOKEN_AUDITOR;
}

/* --- for administration --------------------------------------------------- */

/* A list that may be absent. */
static struct str
text_or_null(struct arena *a, struct row *row, int column)
{
	return row_null(row, column) ? (struct str){ NULL, 0 }
				     : arena_str(a, row_str(row, column));
}

static void
read_row(struct arena *a, struct row *row, struct key_row *k)
{
	*k = (struct key_row){
		.id = row_int(row, 0),
		.project = row_int(row, 1),
		.account = row_int(row, 2),
		.name = arena_str(a, row_str(row, 3)),
		.tail = arena_str(a, row_str(row, 4)),
		.weak = row_int(row, 5),
		.models = text_or_null(a, row, 6),
		.ips = text_or_null(a, row, 7),
		.rpm = row_int(row, 8),
		.tpm = row_int(row, 9),
		.concurrency = row_int(row, 10),
		.expires = row_int(row, 11),
		.created = row_int(row, 12),
		.revoked = row_int(row, 13),
		.used = row_int(row, 14),
		.open_holds = row_int(row, 15),
		.enabled = row_int(row, 16),
		.note = arena_str(a, row_str(row, 17)),
		.project_name = arena_str(a, row_str(row, 18)),
		.account_name = arena_str(a, row_str(row, 19)),
		.strict = row_int(row, 20),
	};
}

void
key_blank(struct key_row *k, int64_t account, int64_t project,
    struct str name)
{
	*k = (struct key_row){ .account = account, .project = project,
		.name = name, .enabled = true };
}

int
key_find(struct db *db, struct arena *a, int64_t project, struct str name,
    struct key_row *k)
{
	struct row *row;
	int n = db_one(db, &key_part, FIND, &row, "is", project, name);

	if (n == 1)
		read_row(a, row, k);
	return n;
}

int
key_get(struct db *db, struct arena *a, int64_t id, struct key_row *k)
{
	struct row *row;
	int n = db_one(db, &key_part, GET, &row, "i", id);

	if (n == 1)
		read_row(a, row, k);
	return n;
}

int
key_list(struct db *db, struct arena *a, int64_t account, int64_t after,
    struct key_row **list)
{
	struct row *row = account
	    ? db_each(db, &key_part, LIST, "ii", account, after)
	    : db_each(db, &key_part, LIST_ALL, "i", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

static const int64_t *
set_or_null(const int64_t *v)
{
	return *v ? v : NULL;
}

bool
key_put(struct db *db, struct key_row *k)
{
	return db_run(db, &key_part, PUT, "isSSIIIIisi", k->id, k->name,
		   k->models, k->ips, set_or_null(&k->rpm),
		   set_or_null(&k->tpm), set_or_null(&k->concurrency),
		   set_or_null(&k->expires), (int64_t)k->enabled,
		   k->note, (int64_t)k->strict) == 1 &&
	    setting_bump(db);
}

static void
describe(struct key_row *k, struct str secret)
{
	k->weak = secret.n < 32;
	k->tail = str_skip(secret, secret.n > 4 ? secret.n - 4 : 0);
}

bool
key_add(struct db *db, const struct vault *v, struct key_row *k,
    struct str secret)
{
	uint8_t hash[VAULT_HASH];

	vault_hash(v, secret, hash);
	describe(k, secret);
	k->created = db_now(db);
	if (db_run(db, &key_part, ADD, "iisbsiSSIIIIiisi", k->project,
		k->account, k->name, hash, sizeof(hash), k->tail,
		(int64_t)k->weak, k->models, k->ips, set_or_null(&k->rpm),
		set_or_null(&k->tpm), set_or_null(&k->concurrency),
		set_or_null(&k->expires), k->created, (int64_t)k->enabled,
		k->note, (int64_t)k->strict) != 1)
		return false;
	k->id = db_last_id(db);
	return db_run(db, &key_part, ADD_METER, "i", k->id) == 1;
}

int64_t
key_owner(struct db *db, const struct vault *v, struct str secret)
{
	uint8_t hash[VAULT_HASH];
	struct row *row;
	int n;

	vault_hash(v, secret, hash);
	n = db_one(db, &key_part, OWNER, &row, "b", hash, sizeof(hash));
	return n == 1 ? row_int(row, 0) : n;
}

bool
key_rotate(struct db *db, const struct vault *v, struct key_row *k,
    struct str secret)
{
	uint8_t hash[VAULT_HASH];

	vault_hash(v, secret, hash);
	describe(k, secret);
	k->revoked = 0;
	return db_run(db, &key_part, ROTATE, "ibsi", k->id, hash,
		   sizeof(hash), k->tail, (int64_t)k->weak) == 1 &&
	    setting_bump(db);
}

bool
key_revoke(struct db *db, struct key_row *k)
{
	k->revoked = db_now(db);
	return db_run(db, &key_part, REVOKE, "ii", k->id, k->revoked) == 1 &&
	    setting_bump(db);
}
