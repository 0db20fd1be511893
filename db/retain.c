/* SPDX-License-Identifier: MIT */
/* retain.c - rows of calls go when they are old enough; see retain.h. */
#include "db/retain.h"

#include "db/ledger.h"
#include "db/setting.h"
#include "db/usage.h"
#include "db/zone.h"

enum { DAY_MS = 86400000, AT_ONCE = 8 * USAGE_CHUNK };

enum { FIRST, LAST, AT, DAY, CLOSE, DROP_LISTED, DROP, N_SQL };
static const char *const sql[N_SQL] = {
	[FIRST] = "SELECT min(id) FROM usage",
	[LAST] = "SELECT max(id) FROM usage",
	/* The last row up to an id. */
	[AT] = "SELECT at FROM usage WHERE id <= ?1 ORDER BY id DESC LIMIT 1",
	/* Each time revenue has a line. */
	[DAY] = "SELECT coalesce(max(day), 0) FROM closing WHERE book = 1",
	/* The books that rows up to ?2 moved: what the last line said and
	 * these rows.  Transfers stay, and are in no line. */
	[CLOSE] =
	    "INSERT INTO /*tab*/ closing(book, day, balance, usage_to, "
	    "transfer_to) "
	    "SELECT e.book, ?1, sum(e.amount) + coalesce((SELECT c.balance "
	    "FROM closing c WHERE c.book = e.book ORDER BY c.day DESC "
	    "LIMIT 1), 0), ?2, 0 FROM ("
	    "SELECT book, -sum(charge) AS amount FROM usage WHERE id <= ?2 "
	    "AND parts IS NULL GROUP BY book UNION ALL "
	    "SELECT book, -sum(amount) FROM (" USAGE_PARTS " AND u.id <= ?2) "
	    "GROUP BY book UNION ALL "
	    "SELECT CASE covered WHEN 'token' THEN 6 ELSE 9 END, sum(amount) "
	    "FROM (" USAGE_PARTS " AND u.id <= ?2) WHERE covered IS NOT NULL "
	    "GROUP BY covered UNION ALL "
	    "SELECT 1, sum(charge) FROM usage WHERE id <= ?2 UNION ALL "
	    "SELECT 2, -sum(cost) FROM usage WHERE id <= ?2 UNION ALL "
	    "SELECT 5, sum(cost) FROM usage WHERE id <= ?2) e /*scan*/ "
	    "GROUP BY e.book ON CONFLICT DO UPDATE SET "
	    "balance = excluded.balance, usage_to = excluded.usage_to",
	[DROP_LISTED] = ("DELETE FROM /*tab*/ usage_key WHERE (key, id) IN "
			 "(SELECT key, id FROM usage WHERE id <= ?1)"),
	[DROP] = "DELETE FROM /*tab*/ usage WHERE id <= ?1",
};
const struct db_part retain_part = { "retain", sql, N_SQL };
_Static_assert(BOOK_REVENUE == 1 && BOOK_COST == 2 && BOOK_CLEARING == 5 &&
    BOOK_REVENUE_TOKEN == 6 && BOOK_REVENUE_REQUEST == 9,
    "they stand in the statements above");

/* 1 and a number, 0 none, -1 failed. */
static int
number(struct db *db, size_t which, int64_t *n)
{
	struct row *row;
	int found = db_one(db, &retain_part, which, &row, "");

	if (found == 1 && row_null(row, 0))
		return 0;
	*n = found == 1 ? row_int(row, 0) : 0;
	return found;
}

/* Rows settled before this day go; 0: all stay. */
static int
oldest_day(struct db *db, int64_t *day)
{
	struct str text;
	struct arena a;
	int64_t days = 0;
	int found;

	arena_init(&a);
	found = setting_get(db, &a, S("site.usage_days"), &text);
	if (found == 1 && !str_int(text, &days))
		days = 0;
	arena_release(&a);
	*day = days > 0 ? zone_start(db_site(db)->zone, ZONE_DAY,
	    db_now(db) - days * DAY_MS) : 0;
	return found < 0 ? -1 : days > 0;
}

/*
 * The end of the first chunk, if all of it is older than the day.  The last
 * chunk stays, because the next row's id is one more than the highest.
 */
static int
old_chunk(struct db *db, int64_t day, int64_t *end)
{
	struct row *row;
	int64_t first, last;
	int found = number(db, FIRST, &first);

	if (found == 1)
		found = number(db, LAST, &last);
	if (found != 1)
		return found;
	*end = (first + USAGE_CHUNK - 1) / USAGE_CHUNK * USAGE_CHUNK;
	if (*end >= last)
		return 0;
	found = db_one(db, &retain_part, AT, &row, "i", *end);
	return found == 1 ? row_int(row, 0) < day : found;
}

int
retain_due(struct db *db)
{
	int64_t day, end;
	int found = oldest_day(db, &day);

	return found == 1 ? old_chunk(db, day, &end) : found;
}

/* The books get a line that says what rows up to this one said. */
static bool
close_books(struct db *db, int64_t day, int64_t end)
{
	int64_t last;

	if (number(db, DAY, &last) < 0)
		return false;
	return db_run(db, &retain_part, CLOSE, "ii", day > last ? day : last,
		   end) >= 0;
}

int64_t
retain_some(struct db *db)
{
	int64_t day, end, n = 0;
	int found = oldest_day(db, &day);

	if (found != 1)
		return found;
	while (n < AT_ONCE && (found = old_chunk(db, day, &end)) == 1) {
		int gone;

		if (!close_books(db, day, end) ||
		    db_run(db, &retain_part, DROP_LISTED, "i", end) < 0)
			return -1;
		gone = db_run(db, &retain_part, DROP, "i", end);
		if (gone < 0)
			return -1;
		n += gone;
	}
	return found < 0 ? -1 : n;
}
