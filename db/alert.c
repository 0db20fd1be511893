/* SPDX-License-Identifier: MIT */
/* alert.c - what is told when; see alert.h. */
#include "db/alert.h"

#include <assert.h>

#include "db/group.h"
#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

enum { PARAMS_BYTES = 1024, MINUTE_MS = 60000, HOUR_MS = 3600000 };

/* --- rules ---------------------------------------------------------------- */

static const char *const spans[] = { "hour", "day", "week", "month", "total",
	NULL };
static const char *const states[] = { "dead", "parked", NULL };
_Static_assert(CAP_TOTAL == 4, "spans: in the order of cap_span");

const struct alert_figures alert_figures[N_WHENS] = {
	[WHEN_PERCENT] = { "percent", FORM_COUNT, 1, 100, NULL },
	[WHEN_FORECAST] = { "forecast", FORM_FLAG, 0, 1, NULL },
	[WHEN_SOFT] = { "soft", FORM_FLAG, 0, 1, NULL },
	[WHEN_WINDOW] = { "window", FORM_WORD, 0, CAP_TOTAL, spans },
	[WHEN_BELOW] = { "below", FORM_MONEY, 1, MONEY_MAX, NULL },
	[WHEN_CALLS] = { "calls", FORM_COUNT, 1, 1000000, NULL },
	[WHEN_MINUTES] = { "minutes", FORM_COUNT, 1, 60, NULL },
	[WHEN_STATE] = { "state", FORM_WORD, 0, STATE_PARKED, states },
	[WHEN_DROP] = { "drop", FORM_COUNT, 1, 100, NULL },
	[WHEN_DAYS] = { "days", FORM_COUNT, 1, 31, NULL },
	[WHEN_TIMES] = { "times", FORM_COUNT, 2, 1000, NULL },
	[WHEN_LEAST] = { "least", FORM_MONEY, 1, MONEY_MAX, NULL },
};

#define BIT(which) (1u << (which))
enum { OF_CAPS = BIT(WHEN_PERCENT) | BIT(WHEN_FORECAST) | BIT(WHEN_SOFT) };

const struct alert_rules alert_rules[N_ALERT_RULES] = {
	[ALERT_SPEND] = { .name = "spend", .takes = OF_CAPS |
	    BIT(WHEN_WINDOW), .needs = OF_CAPS, .once = true },
	[ALERT_TOKENS] = { .name = "tokens", .takes = OF_CAPS |
	    BIT(WHEN_WINDOW), .needs = OF_CAPS, .once = true },
	[ALERT_BALANCE] = { .name = "balance", .takes = BIT(WHEN_BELOW),
	    .needs = BIT(WHEN_BELOW) },
	[ALERT_ERRORS] = { .name = "errors", .takes = BIT(WHEN_PERCENT) |
	    BIT(WHEN_CALLS) | BIT(WHEN_MINUTES), .linger_ms = 5 * MINUTE_MS,
	    .usual = { [WHEN_PERCENT] = 20, [WHEN_CALLS] = 20,
	    [WHEN_MINUTES] = 10 } },
	[ALERT_CREDENTIAL] = { .name = "credential", .takes =
	    BIT(WHEN_STATE) | BIT(WHEN_MINUTES), .site_only = true,
	    .linger_ms = 2 * MINUTE_MS, .usual = { [WHEN_MINUTES] = 5 } },
	[ALERT_ADDRESS] = { .name = "address", .site_only = true,
	    .linger_ms = HOUR_MS },
	[ALERT_MISMATCH] = { .name = "mismatch", .linger_ms = HOUR_MS },
	[ALERT_TIER] = { .name = "tier", .linger_ms = HOUR_MS },
	[ALERT_EXCESS] = { .name = "excess", .site_only = true,
	    .linger_ms = HOUR_MS },
	[ALERT_CACHE] = { .name = "cache", .takes = BIT(WHEN_DROP) |
	    BIT(WHEN_CALLS) | BIT(WHEN_DAYS), .slow = true,
	    .linger_ms = HOUR_MS, .usual = { [WHEN_DROP] = 30,
	    [WHEN_CALLS] = 100, [WHEN_DAYS] = 7 } },
	[ALERT_USAGE] = { .name = "usage", .takes = BIT(WHEN_TIMES) |
	    BIT(WHEN_LEAST) | BIT(WHEN_DAYS), .slow = true,
	    .linger_ms = HOUR_MS, .usual = { [WHEN_TIMES] = 5,
	    [WHEN_LEAST] = NANO, [WHEN_DAYS] = 7 } },
	[ALERT_FROZEN] = { .name = "frozen", .site_only = true },
};

enum alert_rule
alert_rule_of(struct str name)
{
	int r = 0;

	while (r < N_ALERT_RULES && !str_eq(name,
	    str_of(alert_rules[r].name)))
		r++;
	return (enum alert_rule)r;
}

struct alert_when
alert_when(enum alert_rule rule)
{
	struct alert_when w = { .rule = rule };

	for (int i = 0; i < N_WHENS; i++)
		w.v[i] = -1;
	return w;
}

int64_t
alert_figure(const struct alert_when *w, enum alert_figure which)
{
	int64_t usual = alert_rules[w->rule].usual[which];

	return w->v[which] >= 0 ? w->v[which] : usual ? usual : -1;
}

/* --- rows ----------------------------------------------------------------- */

#define COLUMNS \
	"id, name, owner_kind, owner, rule, params, since, enabled, note " \
	"FROM alert "

enum {
	FIND, LIST, ADD, PUT, END, PULSES, TARGETS, TARGETS_DROP, TARGETS_ADD,
	NOW, STANDING, OF_ACCOUNT, OF_PROJECT, OF_KEY, N_SQL
};
static const char *const sql[N_SQL] = {
	[FIND] = "SELECT " COLUMNS "WHERE name = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1000",
	[ADD] = "INSERT INTO alert(name, owner_kind, owner, rule, params, "
		"since, enabled, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
		"?8)",
	[PUT] = "UPDATE alert SET name = ?1, owner_kind = ?2, owner = ?3, "
		"rule = ?4, params = ?5, since = ?6, enabled = ?7, note = ?8 "
		"WHERE id = ?9",
	[END] = "UPDATE occurrence SET ended = ?2 WHERE alert = ?1 "
		"AND ended IS NULL",
	[PULSES] = "DELETE FROM pulse WHERE alert = ?1",
	[TARGETS] = "SELECT t.id FROM alert_target x "
		    "JOIN target t ON t.id = x.target WHERE x.alert = ?1 "
		    "ORDER BY t.name",
	[TARGETS_DROP] = "DELETE FROM alert_target WHERE alert = ?1",
	[TARGETS_ADD] = "INSERT INTO alert_target(alert, target) "
			"VALUES (?1, ?2)",
	[NOW] = "SELECT (SELECT count(*) FROM occurrence WHERE alert = ?1 "
		"AND ended IS NULL), (SELECT max(began) FROM occurrence "
		"WHERE alert = ?1)",
	[STANDING] = "SELECT o.id, o.began, a.name, o.text "
		     "FROM occurrence o /*scan*/ JOIN alert a "
		     "ON a.id = o.alert WHERE o.ended IS NULL AND o.id > ?1 "
		     "ORDER BY o.id LIMIT 1000",
	[OF_ACCOUNT] = "SELECT id, 0, 0, name, '', '' FROM account "
		       "WHERE id = ?1",
	[OF_PROJECT] = "SELECT a.id, p.id, 0, a.name, p.name, '' "
		       "FROM project p JOIN account a ON a.id = p.account "
		       "WHERE p.id = ?1",
	[OF_KEY] = "SELECT a.id, p.id, k.id, a.name, p.name, k.name "
		   "FROM key k JOIN project p ON p.id = k.project "
		   "JOIN account a ON a.id = k.account WHERE k.id = ?1",
};
const struct db_part alert_part = { "alert", sql, N_SQL };

static struct alert_when
read_when(struct str rule, struct str params)
{
	enum alert_rule r = alert_rule_of(rule);
	struct alert_when w = alert_when(r < N_ALERT_RULES ? r : ALERT_SPEND);
	struct json_each each = json_each(params);

	while (json_next(&each))
		for (int i = 0; i < N_WHENS; i++)
			if (str_eq(each.name, str_of(alert_figures[i].name)) &&
			    !json_int(each.value, &w.v[i]))
				w.v[i] = -1;
	return w;
}

static struct str
params_of(const struct alert_when *w, struct buf *b)
{
	char before = '{';

	for (int i = 0; i < N_WHENS; i++) {
		if (w->v[i] < 0)
			continue;
		buf_char(b, before);
		buf_json(b, str_of(alert_figures[i].name));
		buf_char(b, ':');
		buf_int(b, w->v[i]);
		before = ',';
	}
	buf_put(b, before == '{' ? S("{}") : S("}"));
	assert(!b->full);
	return buf_str(b);
}

static void
read_row(struct arena *a, struct row *row, struct alert_row *w)
{
	*w = (struct alert_row){
		.id = row_int(row, 0),
		.name = arena_str(a, row_str(row, 1)),
		.kind = cap_owner_of(row_str(row, 2)),
		.owner = row_int(row, 3),
		.when = read_when(row_str(row, 4), row_str(row, 5)),
		.since = row_int(row, 6),
		.enabled = row_int(row, 7),
		.note = arena_str(a, row_str(row, 8)),
	};
}

void
alert_blank(struct alert_row *w, struct str name)
{
	*w = (struct alert_row){ .name = name, .kind = CAP_SITE,
		.when = alert_when(N_ALERT_RULES), .enabled = true };
}

int
alert_find(struct db *db, struct arena *a, struct str name,
    struct alert_row *w)
{
	struct row *row;
	int n = db_one(db, &alert_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, w);
	return n;
}

bool
alert_put(struct db *db, struct alert_row *w, bool anew)
{
	struct buf b = BUF_HEAP(PARAMS_BYTES);
	struct str params = params_of(&w->when, &b);
	struct str rule = str_of(alert_rules[w->when.rule].name);
	struct str kind = str_of(cap_owners[w->kind]);
	int64_t now = db_now(db), on = w->enabled;
	bool ok = true;

	if (anew || !w->id)
		w->since = now;
	if (w->id && anew)
		ok = db_run(db, &alert_part, END, "ii", w->id, now) >= 0 &&
		    db_run(db, &alert_part, PULSES, "i", w->id) >= 0;
	if (w->id) {
		ok = ok && db_run(db, &alert_part, PUT, "ssissiisi", w->name,
		    kind, w->owner, rule, params, w->since, on, w->note,
		    w->id) == 1;
	} else {
		ok = db_run(db, &alert_part, ADD, "ssissiis", w->name, kind,
			 w->owner, rule, params, now, on, w->note) == 1;
		w->id = ok ? db_last_id(db) : 0;
	}
	buf_release(&b);
	return ok && setting_bump(db);
}

int
alert_list(struct db *db, struct arena *a, struct str after,
    struct alert_row **list)
{
	struct row *row = db_each(db, &alert_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

/* --- targets, and what stands --------------------------------------------- */

int
alert_targets(struct db *db, struct arena *a, int64_t alert, int64_t **list)
{
	struct row *row = db_each(db, &alert_part, TARGETS, "i", alert);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		(*list)[n++] = row_int(row, 0);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

bool
alert_targets_set(struct db *db, int64_t alert, const int64_t *list, size_t n)
{
	if (db_run(db, &alert_part, TARGETS_DROP, "i", alert) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (db_run(db, &alert_part, TARGETS_ADD, "ii", alert,
			list[i]) != 1)
			return false;
	return true;
}

bool
alert_now(struct db *db, int64_t alert, int64_t *standing, int64_t *fired)
{
	struct row *row;

	if (db_one(db, &alert_part, NOW, &row, "i", alert) != 1)
		return false;
	*standing = row_int(row, 0);
	*fired = row_null(row, 1) ? 0 : row_int(row, 1);
	return true;
}

int
alert_standing(struct db *db, struct arena *a, int64_t after,
    struct occurrence **list)
{
	struct row *row = db_each(db, &alert_part, STANDING, "i", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		(*list)[n++] = (struct occurrence){
			.id = row_int(row, 0),
			.began = row_int(row, 1),
			.alert = arena_str(a, row_str(row, 2)),
			.text = arena_str(a, row_str(row, 3)),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
alert_owner(struct db *db, struct arena *a, enum cap_owner kind, int64_t id,
    struct alert_owner *o)
{
	static const size_t which[N_CAP_OWNERS] = { [CAP_ACCOUNT] = OF_ACCOUNT,
		[CAP_PROJECT] = OF_PROJECT, [CAP_KEY] = OF_KEY };
	struct row *row;
	int n;

	*o = (struct alert_owner){ 0 };
	if (kind == CAP_SITE)
		return 1;
	n = db_one(db, &alert_part, which[kind], &row, "i", id);
	if (n == 1)
		*o = (struct alert_owner){
			.account = row_int(row, 0),
			.project = row_int(row, 1),
			.key = row_int(row, 2),
			.account_name = arena_str(a, row_str(row, 3)),
			.project_name = arena_str(a, row_str(row, 4)),
			.key_name = arena_str(a, row_str(row, 5)),
		};
	return n;
}
