/* SPDX-License-Identifier: MIT */
/* group.c - accounts that share channels and a markup; see group.h. */
#include "db/group.h"

#include "db/money.h"
#include "db/setting.h"

#define COLUMNS "id, name, markup_ppm, minimum, below_cost, enabled, note FROM grp "

enum { FIND, LIST, ADD, PUT, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = "SELECT " COLUMNS "WHERE name = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1000",
	[ADD] = "INSERT INTO grp(name, markup_ppm, minimum, below_cost, "
		"enabled, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[PUT] = "UPDATE grp SET name = ?1, markup_ppm = ?2, minimum = ?3, "
		"below_cost = ?4, enabled = ?5, note = ?6 WHERE id = ?7",
};
const struct db_part group_part = { "group", sql, N_SQL };

static void
read_row(struct arena *a, struct row *row, struct group_row *g)
{
	*g = (struct group_row){
		.id = row_int(row, 0),
		.name = arena_str(a, row_str(row, 1)),
		.markup_ppm = row_int(row, 2),
		.minimum = row_int(row, 3),
		.below_cost = row_int(row, 4),
		.enabled = row_int(row, 5),
		.note = arena_str(a, row_str(row, 6)),
	};
}

void
group_blank(struct group_row *g, struct str name)
{
	*g = (struct group_row){ .name = name, .markup_ppm = PPM,
		.enabled = true };
}

int
group_find(struct db *db, struct arena *a, struct str name,
    struct group_row *g)
{
	struct row *row;
	int n = db_one(db, &group_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, g);
	return n;
}

bool
group_put(struct db *db, struct group_row *g)
{
	bool ok;

	if (g->id) {
		ok = db_run(db, &group_part, PUT, "siiiisi", g->name,
			 g->markup_ppm, g->minimum, (int64_t)g->below_cost,
			 (int64_t)g->enabled, g->note, g->id) == 1;
	} else {
		ok = db_run(db, &group_part, ADD, "siiiis", g->name,
			 g->markup_ppm, g->minimum, (int64_t)g->below_cost,
			 (int64_t)g->enabled, g->note) == 1;
		g->id = ok ? db_last_id(db) : 0;
	}
	return ok && setting_bump(db);
}

int
group_list(struct db *db, struct arena *a, struct str after,
    struct group_row **list)
{
	struct row *row = db_each(db, &group_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
