/* SPDX-License-Identifier: MIT */
/* package.c - packages and their terms; see package.h. */
#include "db/package.h"

#include <assert.h>

#include "db/group.h"
#include "db/setting.h"
#include "fcgi/base/json.h"

/* The columns of package_terms (as t) that read_terms reads. */
#define TERMS \
	"t.id, t.price, t.unit, t.quota, t.bonus, t.bonus_days, t.period, " \
	"t.days, t.anchor, t.periods, t.expires_days, t.rollover, " \
	"t.rollover_most, t.overflow, t.trial, t.volume"
#define PACKAGES \
	"SELECT " TERMS ", p.id, p.name, p.enabled, p.note FROM package p " \
	"JOIN package_terms t ON t.id = p.terms "
enum { AFTER_TERMS = 16 };

enum { FIND, LIST, ADD, PUT, ADD_TERMS, GET_TERMS, NAME, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = PACKAGES "WHERE p.name = ?1",
	[LIST] = PACKAGES "WHERE p.name > ?1 ORDER BY p.name LIMIT 1000",
	[ADD] = "INSERT INTO package(name, terms, enabled, note) "
		"VALUES (?1, ?2, ?3, ?4)",
	[PUT] = "UPDATE package SET name = ?1, terms = ?2, enabled = ?3, "
		"note = ?4 WHERE id = ?5",
	[ADD_TERMS] =
	    "INSERT INTO package_terms(price, unit, quota, bonus, bonus_days, "
	    "period, days, anchor, periods, expires_days, rollover, "
	    "rollover_most, overflow, trial, volume) VALUES (?1, ?2, ?3, ?4, "
	    "?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
	[GET_TERMS] = "SELECT " TERMS " FROM package_terms t WHERE t.id = ?1",
	[NAME] = "SELECT name FROM package WHERE id = ?1",
};
const struct db_part package_part = { "package", sql, N_SQL };

/* --- terms ---------------------------------------------------------------- */

void
package_terms_blank(struct package_terms *t)
{
	*t = (struct package_terms){ .period = { .kind = PERIOD_MONTH },
		.overflow = true, .volume = S("") };
}

static bool
quota_eq(struct quota a, struct quota b)
{
	return a.amount == b.amount && (a.unit == b.unit || !a.amount);
}

bool
package_terms_eq(const struct package_terms *a, const struct package_terms *b)
{
	return a->price == b->price && quota_eq(a->quota, b->quota) &&
	    a->bonus.amount == b->bonus.amount &&
	    a->bonus.days == b->bonus.days &&
	    a->period.kind == b->period.kind &&
	    a->period.days == b->period.days &&
	    a->period.anchor == b->period.anchor &&
	    a->periods == b->periods && a->expires_days == b->expires_days &&
	    a->rollover.percent == b->rollover.percent &&
	    quota_eq(a->rollover.most, b->rollover.most) &&
	    a->overflow == b->overflow && a->trial == b->trial &&
	    str_eq(a->volume, b->volume);
}

/* What the period asks of the other members. */
static const char *
period_wrong(const struct package_terms *t, const char **member)
{
	bool once = t->period.kind == PERIOD_ONCE;

	*member = "expires";
	if (once && !t->expires_days)
		return "what is given once would never end nor begin anew: "
		    "say after how many days it ends, like 365, or choose a "
		    "period that repeats";
	if (!once && t->expires_days)
		return "a period that repeats ends by itself: make expires "
		    "null, or the period \"once\"";
	*member = "anchor";
	if (t->period.anchor && (once || t->period.kind == PERIOD_DAYS))
		return "only weeks, months and years have an anchor: make it "
		    "null";
	if (t->period.anchor && !period_anchor_valid(t->period.kind,
	    t->period.anchor))
		return "there is no such day: a month has 1 to 31, a week 1 "
		    "(Monday) to 7, a year \"01-01\" to \"12-31\"";
	*member = "periods";
	if (once && t->periods)
		return "what is given once has no periods: make it null";
	*member = "rollover";
	if (once && t->rollover.percent)
		return "nothing follows what is given once: make it null";
	return NULL;
}

const char *
package_wrong(const struct package_terms *t, const char **member)
{
	const char *why = period_wrong(t, member);

	if (why)
		return why;
	if (t->rollover.percent && !t->quota.amount)
		return "there is no quota of which something could be left: "
		    "give one, or make rollover null";
	if (t->rollover.most.amount &&
	    t->rollover.most.unit != t->quota.unit)
		return "its limit is counted in what the quota is: give it in "
		    "the same unit";
	*member = "overflow";
	if (!t->overflow && !t->quota.amount)
		return "without a quota nothing would pay for calls: give "
		    "one, or let the wallet pay (\"overflow\": true)";
	*member = "trial";
	if (t->trial && t->price)
		return "a trial costs nothing: make its price null";
	if (t->trial && t->period.kind != PERIOD_ONCE && !t->periods)
		return "a trial has an end: give \"periods\": 1, or make the "
		    "period \"once\"";
	*member = "";
	if (!t->quota.amount && !t->bonus.amount && !t->volume.n)
		return "it gives nothing: a package has a quota, a bonus or "
		    "volume tiers";
	return NULL;
}

/* --- volume, rollover ----------------------------------------------------- */

void
package_put_tier(struct buf *volume, int64_t above, int64_t discount_ppm)
{
	if (volume->n)
		volume->n--;
	buf_put(volume, volume->n ? S(",") : S("["));
	buf_printf(volume, "[%lld,%lld]]", (long long)above,
	    (long long)discount_ppm);
}

int64_t
package_discount(struct str volume, int64_t charged, int64_t *until)
{
	struct json_each tier = json_each(volume);
	int64_t discount = 0;

	*until = INT64_MAX;
	while (json_next(&tier)) {
		struct json_each each = json_each(tier.value);
		int64_t v[2] = { 0, 0 };

		for (int i = 0; i < 2 && json_next(&each); i++)
			json_int(each.value, &v[i]);
		/* "Above": a charge of just that is not there yet. */
		if (charged <= v[0]) {
			*until = v[0] + 1;
			break;
		}
		discount = v[1];
	}
	return discount;
}

int64_t
package_rollover(const struct package_terms *t, int64_t left)
{
	int64_t next = (int64_t)((__int128)left * t->rollover.percent /
	    ROLLOVER_ALL);

	assert(left >= 0);
	return t->rollover.most.amount && next > t->rollover.most.amount
	    ? t->rollover.most.amount
	    : next;
}

/* --- rows ----------------------------------------------------------------- */

static void
read_terms(struct arena *a, struct row *row, struct package_terms *t)
{
	*t = (struct package_terms){
		.id = row_int(row, 0),
		.price = row_int(row, 1),
		.quota = { unit_of(row_str(row, 2)), row_int(row, 3) },
		.bonus = { row_int(row, 4), row_int(row, 5) },
		.period = { period_read(row_str(row, 6)), row_int(row, 7),
		    row_int(row, 8) },
		.periods = row_int(row, 9),
		.expires_days = row_int(row, 10),
		.rollover.percent = row_int(row, 11),
		.overflow = row_int(row, 13),
		.trial = row_int(row, 14),
		.volume = arena_str(a, row_str(row, 15)),
	};
	t->rollover.most = (struct quota){ t->quota.unit, row_int(row, 12) };
}

static void
read_row(struct arena *a, struct row *row, struct package_row *p)
{
	read_terms(a, row, &p->terms);
	p->id = row_int(row, AFTER_TERMS);
	p->name = arena_str(a, row_str(row, AFTER_TERMS + 1));
	p->enabled = row_int(row, AFTER_TERMS + 2);
	p->note = arena_str(a, row_str(row, AFTER_TERMS + 3));
}

void
package_blank(struct package_row *p, struct str name)
{
	*p = (struct package_row){ .name = name, .enabled = true };
	package_terms_blank(&p->terms);
}

int
package_find(struct db *db, struct arena *a, struct str name,
    struct package_row *p)
{
	struct row *row;
	int n = db_one(db, &package_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, p);
	return n;
}

int
package_terms_get(struct db *db, struct arena *a, int64_t id,
    struct package_terms *t)
{
	struct row *row;
	int n = db_one(db, &package_part, GET_TERMS, &row, "i", id);

	if (n == 1)
		read_terms(a, row, t);
	return n;
}

struct str
package_name(struct db *db, struct arena *a, int64_t id)
{
	struct row *row;

	return db_one(db, &package_part, NAME, &row, "i", id) == 1
	    ? arena_str(a, row_str(row, 0))
	    : S("");
}

static bool
add_terms(struct db *db, struct package_terms *t)
{
	if (db_run(db, &package_part, ADD_TERMS, "isiiisiiiiiiiis", t->price,
	    str_of(unit_names[t->quota.unit]), t->quota.amount,
	    t->bonus.amount, t->bonus.days,
	    str_of(period_names[t->period.kind]), t->period.days,
	    t->period.anchor, t->periods, t->expires_days,
	    t->rollover.percent, t->rollover.most.amount,
	    (int64_t)t->overflow, (int64_t)t->trial, t->volume) != 1)
		return false;
	t->id = db_last_id(db);
	return true;
}

bool
package_put(struct db *db, struct arena *a, struct package_row *p)
{
	struct package_terms were;

	if (p->terms.id) {
		if (package_terms_get(db, a, p->terms.id, &were) != 1)
			return false;
		if (!package_terms_eq(&were, &p->terms))
			p->terms.id = 0;
	}
	if (!p->terms.id && !add_terms(db, &p->terms))
		return false;
	if (p->id)
		return db_run(db, &package_part, PUT, "siisi", p->name,
			   p->terms.id, (int64_t)p->enabled, p->note,
			   p->id) == 1 && setting_bump(db);
	if (db_run(db, &package_part, ADD, "siis", p->name, p->terms.id,
	    (int64_t)p->enabled, p->note) != 1)
		return false;
	p->id = db_last_id(db);
	return setting_bump(db);
}

int
package_list(struct db *db, struct arena *a, struct str after,
    struct package_row **list)
{
	struct row *row = db_each(db, &package_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
