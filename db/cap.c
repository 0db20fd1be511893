/* SPDX-License-Identifier: MIT */
/* cap.c - limits on what is spent in a window; see cap.h. */
#include "db/cap.h"

#include <assert.h>
#include <inttypes.h>

#include "db/group.h"
#include "db/metric.h"
#include "db/setting.h"
#include "db/tab.h"
#include "db/usage.h"
#include "db/zone.h"
#include "fcgi/base/id.h"
#include "fcgi/base/log.h"

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
	[CAP_HOUR_TOKENS] = "hour_tokens",
	[CAP_DAY_TOKENS] = "day_tokens",
	[CAP_WEEK_TOKENS] = "week_tokens",
	[CAP_MONTH_TOKENS] = "month_tokens",
	[CAP_TOTAL_TOKENS] = "total_tokens",
};

const struct caps caps_none = { { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
	0 };

/* Statements of which there is one for each kind of owner, in its order. */
enum {
	CAPS, DROP, ADD, SPENT_SET, SPENT_GET, NOTE_ADD, NOTE_GET, NOTES,
	GONE, CAPPED_SITE, CAPPED_ACCOUNT, CAPPED_PROJECT, CAPPED_KEY,
	USED_SITE, USED_ACCOUNT, USED_PROJECT, USED_KEY,
	SINCE_SITE, SINCE_ACCOUNT, SINCE_PROJECT, SINCE_KEY,
	HOURS_SITE, HOURS_ACCOUNT, HOURS_PROJECT, HOURS_KEY,
	OPEN_SITE, OPEN_ACCOUNT, OPEN_PROJECT, OPEN_KEY,
	JOIN_SITE, JOIN_ACCOUNT, JOIN_PROJECT, JOIN_KEY, N_SQL
};

/* Each of these sums money first, then tokens. */
#define USED "SELECT coalesce(sum(m.used), 0), coalesce(sum(m.tokens), 0) "

/* What was charged to calls admitted from a request id on; the index by
 * request id is the one to use, hence the plus signs. */
#define SINCE "SELECT coalesce(sum(charge), 0), " \
	"coalesce(sum(" USAGE_TOKENS "), 0) FROM usage WHERE request_id >= ?2 "
/* The same of calls that ended from then on, by the sums that are kept. */
#define HOURS "SELECT coalesce(sum(charge), 0), coalesce(sum(tokens), 0) " \
	"FROM (SELECT /*scan*/ account, project, key, charge, " \
	USAGE_TOKENS " AS tokens FROM rollup WHERE hour >= ?2 UNION ALL " \
	"SELECT account, project, key, charge, " USAGE_TOKENS " FROM usage " \
	"WHERE id > (SELECT max(id) FROM usage) / 512 * 512 AND at >= ?2) "
#define OPEN "SELECT coalesce(sum(held), 0), coalesce(sum(tokens), 0) " \
	"FROM hold /*scan*/ WHERE opened >= ?2 "
#define JOIN "UPDATE hold /*scan*/ SET windows = windows || ?3 " \
	"WHERE opened >= ?2 AND instr(windows, ?3) = 0 "

static const char *const sql[N_SQL] = {
	[CAPS] = "SELECT window, amount, soft FROM cap WHERE owner_kind = ?1 "
		 "AND owner = ?2",
	[DROP] = "DELETE FROM cap WHERE owner_kind = ?1 AND owner = ?2",
	[ADD] = "INSERT INTO cap(owner_kind, owner, window, amount, soft) "
		"VALUES (?1, ?2, ?3, ?4, ?5)",
	[SPENT_SET] =
	    "INSERT INTO spent(owner_kind, owner, window, start, amount) "
	    "VALUES (?1, ?2, ?3, ?4, ?5) "
	    "ON CONFLICT (owner_kind, owner, window, start) "
	    "DO UPDATE SET amount = excluded.amount",
	[SPENT_GET] = "SELECT amount FROM spent WHERE owner_kind = ?1 "
		      "AND owner = ?2 AND window = ?3 AND start = ?4",
	[NOTE_ADD] =
	    "INSERT INTO /*tab*/ cap_note(at, owner_kind, owner, window, "
	    "start, amount, percent, spent) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
	    "ON CONFLICT (owner_kind, owner, window, start, amount, percent) "
	    "DO NOTHING",
	[NOTE_GET] =
	    "SELECT at FROM cap_note WHERE owner_kind = ?1 AND owner = ?2 "
	    "AND window = ?3 AND start = ?4 AND amount = ?5 AND percent = ?6",
	[NOTES] = "SELECT id, at, owner_kind, owner, window, start, amount, "
		  "percent, spent FROM cap_note WHERE id > ?1 ORDER BY id "
		  "LIMIT 1000",
	/* Rows of calls of that time are gone (retain.h). */
	[GONE] = "SELECT at > ?1 AND EXISTS (SELECT 1 FROM closing /*scan*/) "
		 "FROM usage ORDER BY id LIMIT 1",
	/* A site has no row to say so; admission asks for its caps. */
	[CAPPED_SITE] = "SELECT ?1, ?2",
	[CAPPED_ACCOUNT] = "UPDATE account SET capped = ?2 WHERE id = ?1",
	[CAPPED_PROJECT] = "UPDATE project SET capped = ?2 WHERE id = ?1",
	[CAPPED_KEY] = "UPDATE key SET capped = ?2 WHERE id = ?1",
	[USED_SITE] = USED "FROM meter m /*scan*/ WHERE ?1 = 0",
	[USED_ACCOUNT] = USED "FROM key k JOIN meter m ON m.key = k.id "
			 "WHERE k.account = ?1",
	[USED_PROJECT] = USED "FROM key k JOIN meter m ON m.key = k.id "
			 "WHERE k.project = ?1",
	[USED_KEY] = "SELECT used, tokens FROM meter WHERE key = ?1",
	[SINCE_SITE] = SINCE "AND ?1 = 0",
	[SINCE_ACCOUNT] = SINCE "AND +account = ?1",
	[SINCE_PROJECT] = SINCE "AND +project = ?1",
	[SINCE_KEY] = SINCE "AND +key = ?1",
	[HOURS_SITE] = HOURS "WHERE ?1 = 0",
	[HOURS_ACCOUNT] = HOURS "WHERE account = ?1",
	[HOURS_PROJECT] = HOURS "WHERE project = ?1",
	[HOURS_KEY] = HOURS "WHERE key = ?1",
	[OPEN_SITE] = OPEN "AND ?1 = 0",
	[OPEN_ACCOUNT] = OPEN "AND account = ?1",
	[OPEN_PROJECT] = OPEN "AND project = ?1",
	[OPEN_KEY] = OPEN "AND key = ?1",
	[JOIN_SITE] = JOIN "AND ?1 = 0",
	[JOIN_ACCOUNT] = JOIN "AND account = ?1",
	[JOIN_PROJECT] = JOIN "AND project = ?1",
	[JOIN_KEY] = JOIN "AND key = ?1",
};
const struct db_part cap_part = { "cap", sql, N_SQL };

/* --- windows -------------------------------------------------------------- */

enum cap_window
cap_window_of(struct str name)
{
	int w = 0;

	while (w < N_CAP_WINDOWS && !str_eq(name, str_of(cap_windows[w])))
		w++;
	return (enum cap_window)w;
}

enum cap_owner
cap_owner_of(struct str name)
{
	int k = 0;

	while (k < N_CAP_OWNERS && !str_eq(name, str_of(cap_owners[k])))
		k++;
	return (enum cap_owner)k;
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
	for (int w = CAP_HOUR_TOKENS; w < N_CAP_WINDOWS; w++)
		starts[w] = starts[cap_span((enum cap_window)w)];
}

int64_t
cap_end(struct db *db, enum cap_window window)
{
	static const enum zone_unit units[] = {
		[CAP_HOUR] = ZONE_HOUR, [CAP_DAY] = ZONE_DAY,
		[CAP_WEEK] = ZONE_WEEK, [CAP_MONTH] = ZONE_MONTH,
	};
	enum cap_window span = cap_span(window);

	return span == CAP_TOTAL ? 0 :
	    zone_next(db_site(db)->zone, units[span], db_now(db));
}

struct str
cap_item(enum cap_owner kind, enum cap_window window, int64_t start,
    char out[static CAP_ITEM])
{
	char digits[STR_INT];
	struct str s = str_digits(start, digits);

	/* Not by printf: every admission under a cap makes some. */
	out[0] = "sapk"[kind];
	out[1] = "hdwmtHDWMT"[window];
	memcpy(out + 2, s.p, s.n);
	out[2 + s.n] = ' ';
	return str_from(out, s.n + 3);
}

/* --- setting them --------------------------------------------------------- */

bool
cap_get(struct db *db, enum cap_owner kind, int64_t owner, struct caps *caps)
{
	struct row *row = db_each(db, &cap_part, CAPS, "si",
	    str_of(cap_owners[kind]), owner);

	*caps = caps_none;
	while (db_next(row) == 1) {
		enum cap_window w = cap_window_of(row_str(row, 0));

		if (w < N_CAP_WINDOWS) {
			caps->amount[w] = row_int(row, 1);
			caps->soft = row_int(row, 2);
		}
	}
	return !db_failed(db);
}

/* Adds what such a statement sums: money, or tokens. */
static bool
sum(struct db *db, int which, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, int64_t *total)
{
	size_t at = (size_t)which + kind;
	char id[ID_CHARS];
	struct row *row;
	int n;

	/* A request id begins with its time. */
	id_make(start, id);
	if (which == SINCE_SITE)
		n = db_one(db, &cap_part, at, &row, "is", owner,
		    str_from(id, 10));
	else if (which == OPEN_SITE || which == HOURS_SITE)
		n = db_one(db, &cap_part, at, &row, "ii", owner, start);
	else
		n = db_one(db, &cap_part, at, &row, "i", owner);
	if (n == 1)
		*total += row_int(row, cap_of_tokens(window));
	return n == 1;
}

int
cap_fits(struct db *db, enum cap_owner kind, int64_t owner,
    const struct caps *caps, enum cap_window *window, int64_t *held)
{
	int64_t starts[N_CAP_WINDOWS];
	struct caps old;

	cap_starts(db, starts);
	if (!cap_get(db, kind, owner, &old))
		return -1;
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		if (caps->amount[w] < 0 || caps->amount[w] == old.amount[w])
			continue;
		*window = (enum cap_window)w;
		*held = 0;
		if (!sum(db, OPEN_SITE, kind, owner, *window, starts[w], held))
			return -1;
		if (caps->amount[w] < *held)
			return 0;
	}
	return 1;
}

/* The statements that say what was charged since then; -1: failed. */
static int
counted_by(struct db *db, enum cap_window window, int64_t start)
{
	struct row *row;
	int n;

	if (cap_span(window) == CAP_TOTAL)
		return USED_SITE;
	n = db_one(db, &cap_part, GONE, &row, "i", start);
	if (n < 0)
		return -1;
	return n == 1 && row_int(row, 0) ? HOURS_SITE : SINCE_SITE;
}

/*
 * A window that was not capped until now: counts what was charged in it and
 * is held, and makes the pending holds count themselves into it.
 */
static bool
count_up(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start)
{
	int which = counted_by(db, window, start);
	int64_t total = 0;
	char item[CAP_ITEM];

	return which >= 0 &&
	    sum(db, which, kind, owner, window, start, &total) &&
	    sum(db, OPEN_SITE, kind, owner, window, start, &total) &&
	    db_run(db, &cap_part, SPENT_SET, "sisii", str_of(cap_owners[kind]),
		owner, str_of(cap_windows[window]), start, total) == 1 &&
	    db_run(db, &cap_part, JOIN_SITE + kind, "iis", owner, start,
		cap_item(kind, window, start, item)) >= 0;
}

bool
cap_set(struct db *db, enum cap_owner kind, int64_t owner,
    const struct caps *caps)
{
	int64_t starts[N_CAP_WINDOWS], capped = 0;
	struct str name = str_of(cap_owners[kind]);
	struct caps old;

	assert(kind != CAP_SITE || owner == 0);
	assert(caps->soft >= 0 && caps->soft <= 100);
	cap_starts(db, starts);
	if (!tab_flush(db) || !cap_get(db, kind, owner, &old) ||
	    db_run(db, &cap_part, DROP, "si", name, owner) < 0)
		return false;
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		if (caps->amount[w] < 0)
			continue;
		capped = 1;
		if (db_run(db, &cap_part, ADD, "sisii", name, owner,
			str_of(cap_windows[w]), caps->amount[w],
			caps->soft) != 1)
			return false;
		if (old.amount[w] < 0 &&
		    !count_up(db, kind, owner, (enum cap_window)w, starts[w]))
			return false;
	}
	return db_run(db, &cap_part, CAPPED_SITE + kind, "ii", owner,
		   capped) >= 0 &&
	    setting_bump(db);
}

bool
cap_spent(struct db *db, enum cap_owner kind, int64_t owner,
    struct caps *spent, int64_t starts[static N_CAP_WINDOWS])
{
	cap_starts(db, starts);
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		struct row *row;
		int n = db_one(db, &cap_part, SPENT_GET, &row, "sisi",
		    str_of(cap_owners[kind]), owner, str_of(cap_windows[w]),
		    starts[w]);

		if (n < 0)
			return false;
		spent->amount[w] = n == 1 ? row_int(row, 0) : 0;
	}
	spent->soft = 0;
	return true;
}

/* --- soft caps ------------------------------------------------------------ */

int64_t
cap_soft(int64_t amount, int64_t percent)
{
	return (int64_t)(((__int128)amount * percent + 99) / 100);
}

bool
cap_note_add(struct db *db, const struct cap_note *n)
{
	int added = db_run(db, &cap_part, NOTE_ADD, "isisiiii", n->at,
	    str_of(cap_owners[n->kind]), n->owner,
	    str_of(cap_windows[n->window]), n->start, n->amount, n->percent,
	    n->spent);

	if (added <= 0)
		return added == 0;
	log_line(LOG_WARN, "alert: %s %" PRId64 " has passed %" PRId64
	    " %% of its cap %s: %" PRId64 " of %" PRId64 " %s are spent or "
	    "held", cap_owners[n->kind], n->owner, n->percent,
	    cap_windows[n->window], n->spent, n->amount,
	    cap_of_tokens(n->window) ? "tokens" : "nano-dollars");
	return metric_count(db, S("weir_soft_caps_total"), 1);
}

int64_t
cap_noted(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, const struct caps *caps)
{
	struct row *row;
	int n = db_one(db, &cap_part, NOTE_GET, &row, "sisiii",
	    str_of(cap_owners[kind]), owner, str_of(cap_windows[window]),
	    start, caps->amount[window], caps->soft);

	return n == 1 ? row_int(row, 0) : n;
}

int
cap_notes(struct db *db, struct arena *a, int64_t after,
    struct cap_note **list)
{
	struct row *row = db_each(db, &cap_part, NOTES, "i", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		(*list)[n++] = (struct cap_note){
			.id = row_int(row, 0),
			.at = row_int(row, 1),
			.kind = cap_owner_of(row_str(row, 2)),
			.owner = row_int(row, 3),
			.window = cap_window_of(row_str(row, 4)),
			.start = row_int(row, 5),
			.amount = row_int(row, 6),
			.percent = row_int(row, 7),
			.spent = row_int(row, 8),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
