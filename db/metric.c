/* SPDX-License-Identifier: MIT */
/* metric.c - counters of all processes; see metric.h. */
#include "db/metric.h"

#include "db/group.h"
#include "fcgi/base/mem.h"

enum { ADD, LOAD, N_SQL };
static const char *const sql[N_SQL] = {
	[ADD] = "INSERT INTO /*tab*/ metric(name, labels, value) VALUES (?1, ?2, ?3) "
		"ON CONFLICT (name, labels) DO UPDATE "
		"SET value = value + excluded.value",
	[LOAD] = "SELECT name, labels, value FROM metric /*scan*/ "
		 "ORDER BY name, labels LIMIT 1000",
};
const struct db_part metric_part = { "metric", sql, N_SQL };

bool
metric_count(struct db *db, struct str name, int64_t n)
{
	return db_run(db, &metric_part, ADD, "ssi", name, S(""), n) == 1;
}

bool
metric_add_run(struct db *db, struct op *op)
{
	struct metric_add *m = holder(op, struct metric_add, op);

	for (size_t i = 0; i < m->n; i++)
		if (m->list[i].value != 0 &&
		    db_run(db, &metric_part, ADD, "ssi", m->list[i].name,
			m->list[i].labels, m->list[i].value) != 1)
			return false;
	return true;
}

int
metric_load(struct db *db, struct arena *a, struct metric **list)
{
	struct row *row = db_each(db, &metric_part, LOAD, "");
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		(*list)[n++] = (struct metric){
			.name = arena_str(a, row_str(row, 0)),
			.labels = arena_str(a, row_str(row, 1)),
			.value = row_int(row, 2),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
