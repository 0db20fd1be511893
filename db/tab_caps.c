/* SPDX-License-Identifier: MIT */
/* tab_caps.c - what calls read and change of caps; see tab.h. */
#include <stddef.h>

#include "db/db.h"
#include "db/tab_part.h"
#include "db/zone.h"
#include "fcgi/base/mem.h"

enum { CAPS, SPEND, SPEND_PAST, SPEND_FIRST, N_SQL };
static const char *const sql[N_SQL] = {
	/* The caps of one owner, and what is spent in the running windows. */
	[CAPS] =
	    "SELECT c.window, c.amount, coalesce(s.amount, 0), s.id, c.soft, "
	    "c.soft > 0 AND EXISTS (SELECT 1 FROM cap_note n "
	    "WHERE n.owner_kind = c.owner_kind AND n.owner = c.owner "
	    "AND n.window = c.window AND n.start = s.start "
	    "AND n.amount = c.amount AND n.percent = c.soft) FROM cap c "
	    "LEFT JOIN spent s ON s.owner_kind = c.owner_kind "
	    "AND s.owner = c.owner AND s.window = c.window "
	    "AND s.start = CASE substr(c.window, 1, 1) WHEN 'h' THEN ?3 "
	    "WHEN 'd' THEN ?4 WHEN 'w' THEN ?5 WHEN 'm' THEN ?6 "
	    "ELSE 0 END WHERE c.owner_kind = ?1 AND c.owner = ?2",
	[SPEND] =
	    "UPDATE /*tab*/ spent SET amount = amount + ?2 WHERE id = ?1",
	[SPEND_PAST] =
	    "UPDATE /*tab*/ spent SET amount = amount + ?5 "
	    "WHERE owner_kind = ?1 AND owner = ?2 AND window = ?3 "
	    "AND start = ?4",
	[SPEND_FIRST] =
	    ("INSERT INTO /*tab*/ spent(owner_kind, owner, window, start, "
	     "amount) VALUES (?1, ?2, ?3, ?4, ?5)"),
};
const struct db_part tab_caps_part = { "tab_caps", sql, N_SQL };

/* What was spent in a window that is not among those that run, or has no cap
 * any more. */
static bool
spend_past(struct db *db, int64_t id, int window, int64_t start,
    int64_t amount)
{
	struct str kind = str_of(cap_owners[id & 3]);
	struct str name = str_of(cap_windows[window]);
	int n = db_run(db, &tab_caps_part, SPEND_PAST, "sisii", kind, id / 4, name,
	    start, amount);

	if (n == 0)
		n = db_run(db, &tab_caps_part, SPEND_FIRST, "sisii", kind, id / 4,
		    name, start, amount);
	return n == 1;
}

static bool
write_window(struct db *db, struct tab_caps *c, int w)
{
	int64_t amount = c->d_spent[w];

	c->d_spent[w] = 0;
	if (c->row[w])
		return db_run(db, &tab_caps_part, SPEND, "ii", c->row[w],
			   amount) == 1;
	if (db_run(db, &tab_caps_part, SPEND_FIRST, "sisii",
		str_of(cap_owners[c->id & 3]), c->id / 4,
		str_of(cap_windows[w]), c->start[w], amount) != 1)
		return false;
	c->row[w] = db_last_id(db);
	return true;
}

bool
tab_caps_write(struct db *db, struct tab_caps *c)
{
	bool ok = true;

	for (int w = 0; ok && w < N_CAP_WINDOWS; w++)
		ok = c->d_spent[w] == 0 || write_window(db, c, w);
	return ok;
}

/* From when to when the windows of now run. */
static void
caps_times(struct db *db, struct tab_caps *c)
{
	static const enum zone_unit units[] = { ZONE_HOUR, ZONE_DAY, ZONE_WEEK,
		ZONE_MONTH };
	int64_t now = db_now(db), end;

	cap_starts(db, c->start);
	c->since = 0;
	c->until = INT64_MAX;
	for (size_t u = 0; u < countof(units); u++) {
		end = zone_next(db_site(db)->zone, units[u], now);
		if (end < c->until)
			c->until = end;
		if (c->start[u] > c->since)
			c->since = c->start[u];
	}
}

static bool
load_caps(struct db *db, struct tab_caps *c)
{
	struct row *row;
	enum cap_window w;

	/* What is not yet written is of windows that have ended. */
	if (!tab_caps_write(db, c))
		return false;
	caps_times(db, c);
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		c->amount[i] = -1;
		c->spent[i] = c->row[i] = 0;
		c->soft[i] = INT64_MAX;
	}
	row = db_each(db, &tab_caps_part, CAPS, "siiiii",
	    str_of(cap_owners[c->id & 3]), c->id / 4, c->start[CAP_HOUR],
	    c->start[CAP_DAY], c->start[CAP_WEEK], c->start[CAP_MONTH]);
	while (db_next(row) == 1) {
		w = cap_window_of(row_str(row, 0));
		if (w == N_CAP_WINDOWS)
			continue;
		c->amount[w] = row_int(row, 1);
		c->spent[w] = row_int(row, 2);
		c->row[w] = row_int(row, 3);
		c->percent = row_int(row, 4);
		if (c->percent && !row_int(row, 5))
			c->soft[w] = cap_soft(c->amount[w], c->percent);
	}
	c->loaded = !db_failed(db);
	return c->loaded;
}

struct tab_caps *
tab_caps(struct db *db, enum cap_owner kind, int64_t owner)
{
	struct tab_caps *c = tab_item(&db_tab(db)->caps, owner * 4 + kind);
	int64_t now = db_now(db);

	if (c->loaded && now >= c->since && now < c->until)
		return c;
	return load_caps(db, c) ? c : NULL;
}

bool
tab_spend(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, int64_t amount)
{
	struct tab_caps *c = tab_caps(db, kind, owner);

	if (!c)
		return false;
	if (c->start[window] != start || c->amount[window] < 0)
		return spend_past(db, c->id, window, start, amount);
	c->d_spent[window] += amount;
	c->spent[window] += amount;
	tab_touch(&db_tab(db)->caps, c);
	return true;
}

bool
tab_soft(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start)
{
	struct tab_caps *c = tab_caps(db, kind, owner);
	struct cap_note note;

	if (!c)
		return false;
	if (c->start[window] != start || c->spent[window] < c->soft[window])
		return true;
	c->soft[window] = INT64_MAX;
	note = (struct cap_note){ .at = db_now(db), .kind = kind,
		.owner = owner, .window = window, .start = start,
		.amount = c->amount[window], .percent = c->percent,
		.spent = c->spent[window] };
	return cap_note_add(db, &note);
}
