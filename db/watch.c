/* SPDX-License-Identifier: MIT */
/* watch.c - whether something is to be told; see watch.h. */
#include "db/watch.h"

#include <inttypes.h>

#include "db/delivery.h"
#include "db/group.h"
#include "db/metric.h"
#include "db/money.h"
#include "db/watch_part.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum {
	SLOW_MS = 10 * MINUTE_MS,
	KEPT = 10000			/* occurrences */
};
#define KEPT_MS ((int64_t)40 * 86400000)	/* longer than any window */

enum {
	DUE, READ, BEGIN, END, STANDING, SEEN, FIRE, OVER, PULSE_ADD,
	PULSE_TRIM, TRIM, N_SQL
};
static const char *const sql[N_SQL] = {
	[DUE] = "SELECT at, EXISTS (SELECT 1 FROM alert /*scan*/ "
		"WHERE enabled) FROM watch WHERE id = 1",
	[READ] = "SELECT at, looked, serial, usage_to, note_to FROM watch "
		 "WHERE id = 1",
	[BEGIN] = "UPDATE watch SET at = ?1, serial = serial + 1 "
		  "WHERE id = 1",
	[END] = "UPDATE watch SET looked = ?2, usage_to = ?3, note_to = ?4 "
		"WHERE id = 1 AND serial = ?1",
	[STANDING] = "SELECT id, subject, mark, began, seen, text, about "
		     "FROM occurrence WHERE alert = ?1 AND ended IS NULL "
		     "ORDER BY subject LIMIT 1000",
	[SEEN] = "UPDATE occurrence SET seen = ?2 WHERE id = ?1",
	[FIRE] = "INSERT INTO occurrence(alert, subject, mark, began, seen, "
		 "text, about) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6) "
		 "ON CONFLICT (alert, subject, mark) DO NOTHING",
	[OVER] = "UPDATE occurrence SET ended = ?2 WHERE id = ?1",
	[PULSE_ADD] = "INSERT INTO pulse(alert, minute, calls, failed) "
		      "VALUES (?1, ?2, ?3, ?4) "
		      "ON CONFLICT (alert, minute) DO UPDATE SET "
		      "calls = calls + excluded.calls, "
		      "failed = failed + excluded.failed",
	[PULSE_TRIM] = "DELETE FROM pulse WHERE alert = ?1 AND minute < ?2",
	[TRIM] = "DELETE FROM occurrence WHERE id <= (SELECT max(id) "
		 "FROM occurrence) - ?1 AND ended < ?2",
};
const struct db_part watch_part = { "watch", sql, N_SQL };

/* --- the minute ----------------------------------------------------------- */

/* A look in the future is of a clock that was set back. */
static bool
is_due(int64_t at, int64_t now)
{
	return at / MINUTE_MS < now / MINUTE_MS || at > now + MINUTE_MS;
}

int
watch_due(struct db *db)
{
	struct row *row;
	int n = db_one(db, &watch_part, DUE, &row, "");

	return n == 1 ? is_due(row_int(row, 0), db_now(db)) && row_int(row, 1)
		      : n;
}

bool
watch_begin_run(struct db *db, struct op *op)
{
	struct watch *w = holder(op, struct watch, op);
	struct row *row;
	int64_t at;

	w->mine = false;
	if (db_one(db, &watch_part, READ, &row, "") != 1)
		return false;
	at = row_int(row, 0);
	w->now = db_now(db);
	w->looked = row_int(row, 1);
	w->serial = row_int(row, 2) + 1;
	w->usage_to = row_int(row, 3);
	w->note_to = row_int(row, 4);
	w->slow = w->force || at / SLOW_MS != w->now / SLOW_MS;
	if (!w->force && !is_due(at, w->now))
		return true;
	w->mine = db_run(db, &watch_part, BEGIN, "i", w->now) == 1;
	return w->mine;
}

/* --- looking -------------------------------------------------------------- */

static bool
load(struct db *db, struct watch *w)
{
	struct alert_row *page;
	struct str after = S("");
	int n, room = 0;

	w->n = 0;
	do {
		n = alert_list(db, &w->arena, after, &page);
		if (n <= 0)
			break;
		if (w->n + n > room) {
			struct watched *more = arena_zero(&w->arena,
			    (size_t)(w->n + n) * sizeof(*more));

			if (w->n)
				memcpy(more, w->alerts,
				    (size_t)w->n * sizeof(*more));
			w->alerts = more;
			room = w->n + n;
		}
		for (int i = 0; i < n; i++) {
			after = page[i].name;
			if (page[i].enabled)
				w->alerts[w->n++].row = page[i];
		}
	} while (n == LIST_MAX);
	return n >= 0;
}

static bool
find_owners(struct db *db, struct watch *w)
{
	for (int i = 0; i < w->n; i++) {
		struct watched *a = &w->alerts[i];

		if (alert_owner(db, &w->arena, a->row.kind, a->row.owner,
			&a->owner) < 0)
			return false;
		a->whose = owner_text(&w->arena, a->row.kind, &a->owner);
	}
	return true;
}

bool
watch_wants(const struct watch *w, unsigned rules)
{
	for (int i = 0; i < w->n; i++)
		if (rules >> w->alerts[i].row.when.rule & 1)
			return true;
	return false;
}

bool
watch_look(struct db *db, struct watch *w)
{
	if (!load(db, w) || !find_owners(db, w))
		return false;
	for (int i = 0; i < w->n; i++)
		w->alerts[i].looked = w->slow ||
		    !alert_rules[w->alerts[i].row.when.rule].slow;
	return watch_caps(db, w) && watch_states(db, w) &&
	    watch_calls(db, w) && (!w->slow || watch_hours(db, w));
}

/* --- what is found -------------------------------------------------------- */

bool
watch_is_of(const struct watched *a, int64_t account, int64_t project,
    int64_t key)
{
	switch (a->row.kind) {
	case CAP_ACCOUNT: return account == a->row.owner;
	case CAP_PROJECT: return project == a->row.owner;
	case CAP_KEY: return key == a->row.owner;
	default: return true;
	}
}

void
watch_found(struct watch *w, struct watched *a, struct finding f)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].mark == f.mark &&
		    str_eq(a->list[i].subject, f.subject))
			return;
	if (a->n == FINDINGS) {
		a->more = true;
		return;
	}
	if (a->n == a->room) {
		size_t room = a->room ? a->room * 2 : 8;
		struct finding *more = arena_alloc(&w->arena,
		    room * sizeof(*more));

		if (a->n)
			memcpy(more, a->list, a->n * sizeof(*more));
		a->list = more;
		a->room = room;
	}
	if (f.about.n)
		f.about = arena_printf(&w->arena, "{%.*s}",
		    STR_ARGS(str_skip(f.about, 1)));
	a->list[a->n++] = f;
}

void
about_text(struct buf *b, const char *name, struct str text)
{
	buf_printf(b, ",\"%s\":", name);
	buf_json(b, text);
}

void
about_moment(struct buf *b, const char *name, int64_t utc_ms)
{
	char text[CLOCK_TEXT];

	clock_text(utc_ms, text);
	about_text(b, name, str_of(text));
}

void
about_usd(struct buf *b, const char *name, int64_t nano)
{
	struct arena a;

	arena_init(&a);
	about_text(b, name, money_text(&a, nano));
	arena_release(&a);
}

void
about_owner(struct buf *b, const struct alert_owner *o)
{
	if (o->account)
		about_text(b, "account", o->account_name);
	if (o->project)
		about_text(b, "project", o->project_name);
	if (o->key)
		about_text(b, "key", o->key_name);
}

struct str
owner_text(struct arena *a, enum cap_owner kind, const struct alert_owner *o)
{
	bool usual = str_eq(o->project_name, S("default"));
	struct str project = usual && kind == CAP_KEY ? S("") :
	    o->project_name;

	if (kind == CAP_SITE)
		return S("the site");
	return arena_printf(a, "%s %.*s%s%.*s%s%.*s", cap_owners[kind],
	    STR_ARGS(o->account_name), project.n ? "/" : "",
	    STR_ARGS(project), o->key_name.n ? "/" : "",
	    STR_ARGS(o->key_name));
}

/* --- writing it ----------------------------------------------------------- */

/* What stands, of one alert. */
struct standing {
	int64_t id, mark, began, seen;
	struct str subject, text, about;
	bool found;
};

static int
read_standing(struct db *db, struct arena *a, int64_t alert,
    struct standing **list)
{
	struct row *row = db_each(db, &watch_part, STANDING, "i", alert);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		(*list)[n++] = (struct standing){
			.id = row_int(row, 0),
			.subject = arena_str(a, row_str(row, 1)),
			.mark = row_int(row, 2),
			.began = row_int(row, 3),
			.seen = row_int(row, 4),
			.text = arena_str(a, row_str(row, 5)),
			.about = arena_str(a, row_str(row, 6)),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

static bool
fire(struct db *db, struct watch *w, const struct watched *a,
    const struct finding *f)
{
	struct told told = { .alert = &a->row, .what = TOLD_FIRED,
		.began = w->now, .text = f->text, .about = f->about };
	int n = db_run(db, &watch_part, FIRE, "isiiss", a->row.id, f->subject,
	    f->mark ? f->mark : w->now, w->now, f->text, f->about.n ?
	    f->about : S("{}"));

	/* 0: it fired in this window already, and was over. */
	if (n <= 0)
		return n == 0;
	told.occurrence = db_last_id(db);
	w->fired++;
	log_line(LOG_WARN, "alert: %.*s: %.*s", STR_ARGS(a->row.name),
	    STR_ARGS(f->text));
	return delivery_tell(db, &told) >= 0 &&
	    metric_count(db, S("weir_alerts_total"), 1);
}

static bool
end(struct db *db, struct watch *w, const struct watched *a,
    const struct standing *s)
{
	struct told told = { .alert = &a->row, .what = TOLD_OVER,
		.occurrence = s->id, .began = s->began, .ended = w->now,
		.text = s->text, .about = s->about };

	w->ended++;
	log_line(LOG_INFO, "alert: %.*s is over: %.*s", STR_ARGS(a->row.name),
	    STR_ARGS(s->text));
	return db_run(db, &watch_part, OVER, "ii", s->id, w->now) == 1 &&
	    delivery_tell(db, &told) >= 0;
}

/* The one of these that a finding is. */
static struct standing *
same(struct standing *list, int n, const struct finding *f)
{
	for (int i = 0; i < n; i++)
		if (str_eq(list[i].subject, f->subject) &&
		    (!f->mark || list[i].mark == f->mark))
			return &list[i];
	return NULL;
}

static bool
write_alert(struct db *db, struct watch *w, const struct watched *a,
    struct arena *arena)
{
	int64_t linger = alert_rules[a->row.when.rule].linger_ms;
	struct standing *list;
	int n = read_standing(db, arena, a->row.id, &list);

	if (n < 0)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		struct standing *s = same(list, n, &a->list[i]);

		if (s ? linger && !s->found && db_run(db, &watch_part, SEEN,
			"ii", s->id, w->now) < 0 : !fire(db, w, a,
			&a->list[i]))
			return false;
		if (s)
			s->found = true;
	}
	if (a->more)
		log_line(LOG_WARN, "alert: %.*s: there is more than %d times "
		    "to tell", STR_ARGS(a->row.name), FINDINGS);
	/* What was not found may only be among those that are too many. */
	for (int i = 0; i < n && !a->more; i++)
		if (!list[i].found && (w->now - list[i].seen >= linger ||
		    list[i].seen > w->now + MINUTE_MS) &&
		    !end(db, w, a, &list[i]))
			return false;
	return true;
}

static bool
write_pulses(struct db *db, const struct watch *w, const struct watched *a)
{
	for (int i = 0; i < PULSES; i++) {
		const struct pulse *p = &a->pulse[i];

		if (p->calls && db_run(db, &watch_part, PULSE_ADD, "iiii",
			a->row.id, p->minute, p->calls, p->failed) < 0)
			return false;
	}
	return db_run(db, &watch_part, PULSE_TRIM, "ii", a->row.id,
		   w->now / MINUTE_MS - PULSES) >= 0;
}

/* Is the row as it was when it was looked at? */
static int
still(struct db *db, struct arena *arena, const struct watched *a)
{
	struct alert_row row;
	int n = alert_find(db, arena, a->row.name, &row);

	return n == 1 ? row.id == a->row.id && row.since == a->row.since : n;
}

static bool
write_all(struct db *db, struct watch *w, struct arena *arena)
{
	for (int i = 0; i < w->n; i++) {
		const struct watched *a = &w->alerts[i];
		int n = a->looked ? still(db, arena, a) : 0;

		if (n < 0 || (n == 1 && !(write_alert(db, w, a, arena) &&
		    (a->row.when.rule != ALERT_ERRORS ||
		    write_pulses(db, w, a)))))
			return false;
	}
	return db_run(db, &watch_part, TRIM, "ii", (int64_t)KEPT,
		   w->now - KEPT_MS) >= 0 && delivery_trim(db);
}

bool
watch_end_run(struct db *db, struct op *op)
{
	struct watch *w = holder(op, struct watch, op);
	struct arena arena;
	bool ok;
	int n;

	w->fired = w->ended = 0;
	n = db_run(db, &watch_part, END, "iiii", w->serial, w->now,
	    w->usage_to, w->note_to);
	if (n <= 0)
		return n == 0;
	arena_init(&arena);
	ok = write_all(db, w, &arena);
	arena_release(&arena);
	return ok;
}
