/* SPDX-License-Identifier: MIT */
/* probe.c - what tiny calls of our own have shown; see probe.h. */
#include "db/probe.h"

#include "db/ledger.h"
#include "fcgi/base/mem.h"

enum { ADD, TRIM, LIST, IDLE, N_SQL };
static const char *const sql[N_SQL] = {
	[ADD] = "INSERT INTO probe(at, channel, credential, model, why, "
		"status, outcome, ms, first_ms, input, output, cost) "
		"SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 "
		"WHERE EXISTS (SELECT 1 FROM credential WHERE id = ?3 "
		"AND channel = ?2)",
	[TRIM] = "DELETE FROM probe WHERE credential = ?1 AND id <= "
		 "(SELECT id FROM probe WHERE credential = ?1 "
		 "ORDER BY id DESC LIMIT 1 OFFSET ?2)",
	[LIST] = "SELECT at, channel, credential, model, why, status, "
		 "outcome, ms, first_ms, input, output, cost FROM probe "
		 "WHERE credential = ?1 ORDER BY id DESC LIMIT ?2",
	/* A model's own park says nothing of the key. */
	[IDLE] = "SELECT k.channel, k.id FROM credential k /*scan*/ "
		 "JOIN channel c ON c.id = k.channel "
		 "WHERE k.id > ?2 AND k.enabled AND c.enabled "
		 "AND NOT EXISTS (SELECT 1 FROM probe p "
		 "WHERE p.credential = k.id AND p.at >= ?1) "
		 "AND NOT EXISTS (SELECT 1 FROM score s "
		 "WHERE s.credential = k.id AND s.at >= ?1) "
		 "AND NOT EXISTS (SELECT 1 FROM park x "
		 "WHERE x.channel = k.channel AND x.credential IN (0, k.id) "
		 "AND x.model = '' AND (x.kind <> 'timed' OR x.until > ?3)) "
		 "ORDER BY k.id LIMIT ?4",
};
const struct db_part probe_part = { "probe", sql, N_SQL };

const char *const probe_whys[N_PROBE_WHYS] = {
	[PROBE_EJECTED] = "ejected",
	[PROBE_BARRED] = "barred",
	[PROBE_IDLE] = "idle",
};

bool
probe_put_run(struct db *db, struct op *op)
{
	const struct probe_put *put = holder(op, struct probe_put, op);
	const struct probe *p = &put->probe;
	const int64_t *first = p->first_ms < 0 ? NULL : &p->first_ms;

	if (db_run(db, &probe_part, ADD, "iiissisiIiii", p->at, p->channel,
		p->credential, p->model, str_of(probe_whys[p->why]),
		(int64_t)p->status, p->outcome, p->ms, first, p->input,
		p->output, p->cost) < 0 ||
	    db_run(db, &probe_part, TRIM, "ii", p->credential,
		(int64_t)PROBES_KEPT) < 0)
		return false;
	return p->cost <= 0 || ledger_transfer(db, BOOK_COST, BOOK_CLEARING,
				   p->cost, S("probe"), p->model, put->id);
}

static enum probe_why
why_of(struct str word)
{
	for (int i = 0; i < N_PROBE_WHYS; i++)
		if (str_eq(word, str_of(probe_whys[i])))
			return (enum probe_why)i;
	return PROBE_IDLE;
}

int
probe_list(struct db *db, struct arena *a, int64_t credential,
    struct probe **list)
{
	struct row *row = db_each(db, &probe_part, LIST, "ii", credential,
	    (int64_t)PROBES_KEPT);
	int n = 0;

	*list = arena_alloc(a, PROBES_KEPT * sizeof(**list));
	while (n < PROBES_KEPT && db_next(row) == 1)
		(*list)[n++] = (struct probe){
			.at = row_int(row, 0),
			.channel = row_int(row, 1),
			.credential = row_int(row, 2),
			.model = arena_str(a, row_str(row, 3)),
			.why = why_of(row_str(row, 4)),
			.status = (int)row_int(row, 5),
			.outcome = arena_str(a, row_str(row, 6)),
			.ms = row_int(row, 7),
			.first_ms = row_null(row, 8) ? -1 : row_int(row, 8),
			.input = row_int(row, 9),
			.output = row_int(row, 10),
			.cost = row_int(row, 11),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
probe_idle(struct db *db, int64_t since, int64_t after,
    struct probe_idle list[static PROBE_IDLES])
{
	struct row *row = db_each(db, &probe_part, IDLE, "iiii", since, after,
	    db_now(db), (int64_t)PROBE_IDLES);
	int n = 0;

	while (n < PROBE_IDLES && db_next(row) == 1) {
		list[n++] = (struct probe_idle){ row_int(row, 0),
			row_int(row, 1) };
	}
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
