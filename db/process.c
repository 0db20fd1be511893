/* SPDX-License-Identifier: MIT */
/* process.c - the programs that serve from this store; see process.h. */
#include "db/process.h"

#include "db/group.h"
#include "db/lock.h"

enum { LIST, N_SQL };
static const char *const sql[N_SQL] = {
	[LIST] = "SELECT p.id, p.pid, p.program, p.started, count(h.id), "
		 "coalesce(sum(h.held), 0) FROM process p /*scan*/ "
		 "LEFT JOIN hold h ON h.process = p.id "
		 "GROUP BY p.id ORDER BY p.id LIMIT 1000",
};
const struct db_part process_part = { "process", sql, N_SQL };

int
process_list(struct store *s, struct db *db, struct arena *a,
    struct process_row **list)
{
	struct row *row = db_each(db, &process_part, LIST, "");
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1) {
		(*list)[n] = (struct process_row){
			.id = row_int(row, 0),
			.pid = row_int(row, 1),
			.program = arena_str(a, row_str(row, 2)),
			.started = row_int(row, 3),
			.holds = row_int(row, 4),
			.held = row_int(row, 5),
			.alive = !lock_free(store_lock(s), row_int(row, 0)),
		};
		n++;
	}
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
