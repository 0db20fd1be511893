/* SPDX-License-Identifier: MIT */
/* account.c - accounts, projects and caps; see account.h. */
#include "db/account.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "db/group.h"
#include "db/ledger.h"
#include "db/setting.h"
#include "db/tab.h"
#include "db/zone.h"
#include "fcgi/base/id.h"

const char *const cap_owners[N_CAP_OWNERS] = {
	[CAP_SITE] = "site",
	[CAP_ACCOUNT] = "account",
	[CAP_PROJECT] = "project",
	[CAP_KEY] = "key",
};

const char *const cap_windows[N_CAP_WINDOWS] = {
	[CAP_HOUR] = "hour",
	[CAP_DAY] = "day",
	[CAP_WEEK] = "week",
	[CAP_MONTH] = "month",
	[CAP_TOTAL] = "total",
};

#define COLUMNS "id, name, grp, created, enabled, note FROM account "
#define PROJECT "id, account, name, enabled, note FROM project "

/* Statements of which there is one for each kind of owner, in its order. */
enum {
	FIND, LIST, ADD, PUT, PROJECT_FIND, PROJECT_LIST, PROJECT_ADD,
	PROJECT_PUT, CAPS, CAPS_DROP, CAP_ADD, SPENT_SET, SPENT_GET,
	CAPPED_SITE, CAPPED_ACCOUNT, CAPPED_PROJECT, CAPPED_KEY,
	USED_SITE, USED_ACCOUNT, USED_PROJECT, USED_KEY,
	SINCE_SITE, SINCE_ACCOUNT, SINCE_PROJECT, SINCE_KEY,
	OPEN_SITE, OPEN_ACCOUNT, OPEN_PROJECT, OPEN_KEY,
	JOIN_SITE, JOIN_ACCOUNT, JOIN_PROJECT, JOIN_KEY, N_SQL
};

/* What was charged to calls admitted from a request id on; the index by
 * request id is the one to use, hence the plus signs. */
#define SINCE "SELECT coalesce(sum(charge), 0) FROM usage " \
	"WHERE request_id >= ?2 "
#define OPEN "SELECT coalesce(sum(held), 0) FROM hold /*scan*/ " \
	"WHERE opened >= ?2 "
#define JOIN "UPDATE hold /*scan*/ SET windows = windows || ?3 " \
	"WHERE opened >= ?2 AND instr(windows, ?3) = 0 "

static const char *const sql[N_SQL] = {
	[FIND] = "SELECT " COLUMNS "WHERE name = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1000",
	[ADD] = "INSERT INTO account(name, grp, created, enabled, note) "
		"VALUES (?1, ?2, ?3, ?4, ?5)",
	[PUT] = "UPDATE account SET name = ?1, grp = ?2, enabled = ?3, "
		"note = ?4 WHERE id = ?5",
	[PROJECT_FIND] = "SELECT " PROJECT "WHERE account = ?1 AND name = ?2",
	[PROJECT_LIST] = "SELECT " PROJECT "WHERE account = ?1 AND name > ?2 "
			 "ORDER BY name LIMIT 1000",
	[PROJECT_ADD] = "INSERT INTO project(account, name, enabled, note) "
			"VALUES (?1, ?2, ?3, ?4)",
	[PROJECT_PUT] = "UPDATE project SET name = ?1, enabled = ?2, "
			"note = ?3 WHERE id = ?4",
	[CAPS] = "SELECT window, amount FROM cap WHERE owner_kind = ?1 "
		 "AND owner = ?2",
	[CAPS_DROP] = "DELETE FROM cap WHERE owner_kind = ?1 AND owner = ?2",
	[CAP_ADD] = "INSERT INTO cap(owner_kind, owner, window, amount) "
		    "VALUES (?1, ?2, ?3, ?4)",
	[SPENT_SET] =
	    "INSERT INTO spent(owner_kind, owner, window, start, amount) "
	    "VALUES (?1, ?2, ?3, ?4, ?5) "
	    "ON CONFLICT (owner_kind, owner, window, start) "
	    "DO UPDATE SET amount = excluded.amount",
	[SPENT_GET] = "SELECT amount FROM spent WHERE owner_kind = ?1 "
		      "AND owner = ?2 AND window = ?3 AND start = ?4",
	/* A site has no row to say so; admission asks for its caps. */
	[CAPPED_SITE] = "SELECT ?1, ?2",
	[CAPPED_ACCOUNT] = "UPDATE account SET capped = ?2 WHERE id = ?1",
	[CAPPED_PROJECT] = "UPDATE project SET capped = ?2 WHERE id = ?1",
	[CAPPED_KEY] = "UPDATE key SET capped = ?2 WHERE id = ?1",
	[USED_SITE] = "SELECT coalesce(sum(used), 0) FROM meter /*scan*/ "
		      "WHERE ?1 = 0",
	[USED_ACCOUNT] = "SELECT coalesce(sum(m.used), 0) FROM key k "
			 "JOIN meter m ON m.key = k.id WHERE k.account = ?1",
	[USED_PROJECT] = "SELECT coalesce(sum(m.used), 0) FROM key k "
			 "JOIN meter m ON m.key = k.id WHERE k.project = ?1",
	[USED_KEY] = "SELECT used FROM meter WHERE key = ?1",
	[SINCE_SITE] = SINCE "AND ?1 = 0",
	[SINCE_ACCOUNT] = SINCE "AND +account = ?1",
	[SINCE_PROJECT] = SINCE "AND +project = ?1",
	[SINCE_KEY] = SINCE "AND +key = ?1",
	[OPEN_SITE] = OPEN "AND ?1 = 0",
	[OPEN_ACCOUNT] = OPEN "AND account = ?1",
	[OPEN_PROJECT] = OPEN "AND project = ?1",
	[OPEN_KEY] = OPEN "AND key = ?1",
	[JOIN_SITE] = JOIN "AND ?1 = 0",
	[JOIN_ACCOUNT] = JOIN "AND account = ?1",
	[JOIN_PROJECT] = JOIN "AND project = ?1",
	[JOIN_KEY] = JOIN "AND key = ?1",
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
	};
}

void
account_blank(struct account_row *c, struct str name)
{
	*c = (struct account_row){ .name = name, .grp = 1, .enabled = true };
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

bool
account_put(struct db *db, struct account_row *c)
{
	struct project_row p;

	if (c->id)
		return db_run(db, &account_part, PUT, "siisi", c->name, c->grp,
			   (int64_t)c->enabled, c->note, c->id) == 1 &&
		    setting_bump(db);
	c->created = db_now(db);
	if (db_run(db, &account_part, ADD, "siiis", c->name, c->grp,
		c->created, (int64_t)c->enabled, c->note) != 1)
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

/* --- caps ----------------------------------------------------------------- */

static int
window_of(struct str name)
{
	int w = 0;

	while (w < N_CAP_WINDOWS && !str_eq(name, str_of(cap_windows[w])))
		w++;
	return w;
}

bool
cap_get(struct db *db, enum cap_owner kind, int64_t owner, struct caps *caps)
{
	struct row *row = db_each(db, &account_part, CAPS, "si",
	    str_of(cap_owners[kind]), owner);

	for (int w = 0; w < N_CAP_WINDOWS; w++)
		caps->amount[w] = -1;
	while (db_next(row) == 1) {
		int w = window_of(row_str(row, 0));

		if (w < N_CAP_WINDOWS)
			caps->amount[w] = row_int(row, 1);
	}
	return !db_failed(db);
}

void
cap_starts(struct db *db, int64_t starts[static N_CAP_WINDOWS])
{
	const struct zone *z = db_site(db)->zone;
	int64_t now = db_now(db);

	starts[CAP_HOUR] = zone_start(z, ZONE_HOUR, now);
	starts[CAP_DAY] = zone_start(z, ZONE_DAY, now);
	starts[CAP_WEEK] = zone_start(z, ZONE_WEEK, now);
	starts[CAP_MONTH] = zone_start(z, ZONE_MONTH, now);
	starts[CAP_TOTAL] = 0;
}

struct str
cap_item(enum cap_owner kind, enum cap_window window, int64_t start,
    char out[static CAP_ITEM])
{
	char digits[STR_INT];
	struct str s = str_digits(start, digits);

	/* Not by printf: every admission under a cap makes some. */
	out[0] = "sapk"[kind];
	out[1] = "hdwmt"[window];
	memcpy(out + 2, s.p, s.n);
	out[2 + s.n] = ' ';
	return str_from(out, s.n + 3);
}

static bool
sum(struct db *db, int which, enum cap_owner kind, int64_t owner,
    const char *letters, int64_t start, int64_t *total)
{
	char id[ID_CHARS];
	struct row *row;
	size_t at = (size_t)which + kind;
	int n;

	/* A request id begins with its time. */
	id_make(start, id);
	if (strcmp(letters, "is") == 0)
		n = db_one(db, &account_part, at, &row, letters, owner,
		    str_from(id, 10));
	else if (strcmp(letters, "ii") == 0)
		n = db_one(db, &account_part, at, &row, letters, owner, start);
	else
		n = db_one(db, &account_part, at, &row, letters, owner);
	if (n == 1)
		*total += row_int(row, 0);
	return n == 1;
}

/*
 * A window that was not capped until now: counts what was charged in it and
 * is held, and makes the pending holds count themselves into it.
 */
static bool
count_up(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start)
{
	int64_t total = 0;
	char item[CAP_ITEM];

	if (window == CAP_TOTAL
		? !sum(db, USED_SITE, kind, owner, "i", start, &total)
		: !sum(db, SINCE_SITE, kind, owner, "is", start, &total))
		return false;
	return sum(db, OPEN_SITE, kind, owner, "ii", start, &total) &&
	    db_run(db, &account_part, SPENT_SET, "sisii",
		str_of(cap_owners[kind]), owner, str_of(cap_windows[window]),
		start, total) == 1 &&
	    db_run(db, &account_part, JOIN_SITE + kind, "iis", owner, start,
		cap_item(kind, window, start, item)) >= 0;
}

bool
cap_set(struct db *db, enum cap_owner kind, int64_t owner,
    const struct caps *caps)
{
	int64_t starts[N_CAP_WINDOWS], capped = 0;
	struct caps old;

	assert(kind != CAP_SITE || owner == 0);
	cap_starts(db, starts);
	if (!tab_flush(db) || !cap_get(db, kind, owner, &old) ||
	    db_run(db, &account_part, CAPS_DROP, "si",
		str_of(cap_owners[kind]), owner) < 0)
		return false;
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		if (caps->amount[w] < 0)
			continue;
		capped = 1;
		if (db_run(db, &account_part, CAP_ADD, "sisi",
			str_of(cap_owners[kind]), owner,
			str_of(cap_windows[w]), caps->amount[w]) != 1)
			return false;
		if (old.amount[w] < 0 &&
		    !count_up(db, kind, owner, (enum cap_window)w, starts[w]))
			return false;
	}
	return db_run(db, &account_part, CAPPED_SITE + kind, "ii", owner,
		   capped) >= 0 &&
	    setting_bump(db);
}

bool
cap_spent(struct db *db, enum cap_owner kind, int64_t owner,
    struct caps *spent, int64_t starts[N_CAP_WINDOWS])
{
	cap_starts(db, starts);
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		struct row *row;
		int n = db_one(db, &account_part, SPENT_GET, &row, "sisi",
		    str_of(cap_owners[kind]), owner, str_of(cap_windows[w]),
		    starts[w]);

		if (n < 0)
			return false;
		spent->amount[w] = n == 1 ? row_int(row, 0) : 0;
	}
	return true;
}
