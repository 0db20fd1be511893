/* SPDX-License-Identifier: MIT */
/* account.c - accounts and their projects; see account.h. */
#include "db/account.h"

#include "db/group.h"
#include "db/ledger.h"
#include "db/setting.h"

#define COLUMNS "id, name, grp, created, enabled, note, markup_ppm FROM account "
#define PROJECT "id, account, name, enabled, note FROM project "

enum { FIND, GET, LIST, ADD, PUT, PROJECT_FIND, PROJECT_GET,
	PROJECT_LIST, PROJECT_ADD, PROJECT_PUT, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = "SELECT " COLUMNS "WHERE name = ?1",
	[GET] = "SELECT " COLUMNS "WHERE id = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1000",
	[ADD] = "INSERT INTO account(name, grp, created, enabled, note, "
		"markup_ppm) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[PUT] = "UPDATE account SET name = ?1, grp = ?2, enabled = ?3, "
		"note = ?4, markup_ppm = ?6 WHERE id = ?5",
	[PROJECT_FIND] = "SELECT " PROJECT "WHERE account = ?1 AND name = ?2",
	[PROJECT_GET] = "SELECT " PROJECT "WHERE id = ?1",
	[PROJECT_LIST] = "SELECT " PROJECT "WHERE account = ?1 AND name > ?2 "
			 "ORDER BY name LIMIT 1000",
	[PROJECT_ADD] = "INSERT INTO project(account, name, enabled, note) "
			"VALUES (?1, ?2, ?3, ?4)",
	[PROJECT_PUT] = "UPDATE project SET name = ?1, enabled = ?2, "
			"note = ?3 WHERE id = ?4",
};
const struct db_part account_part = { "account", sql, N_SQL };

static void
read_row(struct arena *a, struct row *row, struct account_row *c)
{
	*c = (struct account_row){
		.id = row_int(row, 0),
		.name = arena_str(a, row_str(row, 1)),
		.grp = row_int(row, 2),
		.created = row_int(row, 3),
		.enabled = row_int(row, 4),
		.note = arena_str(a, row_str(row, 5)),
		.markup_ppm = row_null(row, 6) ? -1 : row_int(row, 6),
	};
}

void
account_blank(struct account_row *c, struct str name)
{
	*c = (struct account_row){ .name = name, .grp = 1, .enabled = true,
		.markup_ppm = -1 };
}

int
account_find(struct db *db, struct arena *a, struct str name,
    struct account_row *c)
{
	struct row *row;
	int n = db_one(db, &account_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, c);
	return n;
}

int
account_get(struct db *db, struct arena *a, int64_t id, struct account_row *c)
{
	struct row *row;
	int n = db_one(db, &account_part, GET, &row, "i", id);

	if (n == 1)
		read_row(a, row, c);
	return n;
}

bool
account_put(struct db *db, struct account_row *c)
{
	const int64_t *markup = c->markup_ppm >= 0 ? &c->markup_ppm : NULL;
	struct project_row p;

	if (c->id)
		return db_run(db, &account_part, PUT, "siisiI", c->name, c->grp,
			   (int64_t)c->enabled, c->note, c->id, markup) == 1 &&
		    setting_bump(db);
	c->created = db_now(db);
	if (db_run(db, &account_part, ADD, "siiisI", c->name, c->grp,
		c->created, (int64_t)c->enabled, c->note, markup) != 1)
		return false;
	c->id = db_last_id(db);
	project_blank(&p, c->id, S("default"));
	return ledger_wallet(db, c->id) > 0 && project_put(db, &p) &&
	    setting_bump(db);
}

int
account_list(struct db *db, struct arena *a, struct str after,
    struct account_row **list)
{
	struct row *row = db_each(db, &account_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

/* --- projects ------------------------------------------------------------- */

static void
read_project(struct arena *a, struct row *row, struct project_row *p)
{
	*p = (struct project_row){
		.id = row_int(row, 0),
		.account = row_int(row, 1),
		.name = arena_str(a, row_str(row, 2)),
		.enabled = row_int(row, 3),
		.note = arena_str(a, row_str(row, 4)),
	};
}

void
project_blank(struct project_row *p, int64_t account, struct str name)
{
	*p = (struct project_row){ .account = account, .name = name,
		.enabled = true };
}

int
project_find(struct db *db, struct arena *a, int64_t account,
    struct str name, struct project_row *p)
{
	struct row *row;
	int n = db_one(db, &account_part, PROJECT_FIND, &row, "is", account,
	    name);

	if (n == 1)
		read_project(a, row, p);
	return n;
}

int
project_get(struct db *db, struct arena *a, int64_t id, struct project_row *p)
{
	struct row *row;
	int n = db_one(db, &account_part, PROJECT_GET, &row, "i", id);

	if (n == 1)
		read_project(a, row, p);
	return n;
}

bool
project_put(struct db *db, struct project_row *p)
{
	if (p->id)
		return db_run(db, &account_part, PROJECT_PUT, "sisi", p->name,
			   (int64_t)p->enabled, p->note, p->id) == 1 &&
		    setting_bump(db);
	if (db_run(db, &account_part, PROJECT_ADD, "isis", p->account, p->name,
		(int64_t)p->enabled, p->note) != 1)
		return false;
	p->id = db_last_id(db);
	return setting_bump(db);
}

int
project_list(struct db *db, struct arena *a, int64_t account,
    struct str after, struct project_row **list)
{
	struct row *row = db_each(db, &account_part, PROJECT_LIST, "is",
	    account, after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_project(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
