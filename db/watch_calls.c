/* SPDX-License-Identifier: MIT */
/*
 * watch_calls.c - of a look: what the calls that ended since the last one say.
 *
 * Rows of calls are read once, behind the last that was seen.  For alerts on
 * errors they are counted by minutes (table pulse); what a row remarks is an
 * alert of its own.  After a long time without a look the oldest are left out.
 */
#include <inttypes.h>

#include "db/money.h"
#include "db/watch_part.h"
#include "fcgi/base/json.h"

enum {
	PAGE = 1000,
	MOST_ROWS = 200000	/* in a look */
};
#define OF_ERRORS RULE(ALERT_ERRORS)
#define OF_CALLS (OF_ERRORS | RULE(ALERT_ADDRESS) | RULE(ALERT_MISMATCH) | \
	RULE(ALERT_TIER) | RULE(ALERT_EXCESS))
#define WRONG_BASE "wrong_base"		/* what an attempt came to */

enum { LAST, ROWS, SUMS, CHANNEL, N_SQL };
static const char *const sql[N_SQL] = {
	[LAST] = "SELECT coalesce(max(id), 0) FROM usage",
	/* A caller's own mistake is no failure of anybody else's. */
	[ROWS] = "SELECT id, at, account, project, key, coalesce(channel, 0), "
		 "state IN ('cut', 'crash') OR (state = 'failed' "
		 "AND (status >= 500 OR status = 429)), remarks, unpaid, "
		 "request_id, asked, coalesce(served, ''), "
		 "CASE WHEN instr(attempts, '\"" WRONG_BASE "\"') "
		 "THEN attempts ELSE '' END FROM usage "
		 "WHERE id > ?1 ORDER BY id LIMIT 1000",
	[SUMS] = ("SELECT coalesce(sum(calls), 0), coalesce(sum(failed), 0) "
		  "FROM pulse WHERE alert = ?1 AND minute > ?2"),
	[CHANNEL] = "SELECT name FROM channel WHERE id = ?1",
};
const struct db_part watch_calls_part = { "watch_calls", sql, N_SQL };

/* A call, as far as alerts ask. */
struct ended {
	int64_t id, at, account, project, key, channel, unpaid;
	bool failed;
	struct str remarks, request_id, asked, served;
	struct str attempts;		/* if one had a wrong base_url */
};

/* --- counting ------------------------------------------------------------- */

static void
count(const struct watch *w, struct watched *a, const struct ended *c)
{
	int64_t minute = (c->at < w->now ? c->at : w->now) / MINUTE_MS;
	struct pulse *p = &a->pulse[minute % PULSES];

	if (minute <= w->now / MINUTE_MS - PULSES)
		return;
	p->minute = minute;
	p->calls++;
	p->failed += c->failed;
}

/* All of the last minutes, known and new. */
static bool
look_at_errors(struct db *db, struct watch *w, struct watched *a)
{
	int64_t minutes = figure(a, WHEN_MINUTES), calls, failed;
	int64_t before = w->now / MINUTE_MS - minutes;
	int64_t percent = figure(a, WHEN_PERCENT);
	struct buf about = BUF(&w->arena, 2048);
	struct finding f = { .subject = S("errors") };
	struct row *row;

	if (db_one(db, &watch_calls_part, SUMS, &row, "ii", a->row.id,
		before) != 1)
		return false;
	calls = row_int(row, 0);
	failed = row_int(row, 1);
	for (int i = 0; i < PULSES; i++)
		if (a->pulse[i].minute > before) {
			calls += a->pulse[i].calls;
			failed += a->pulse[i].failed;
		}
	if (calls < figure(a, WHEN_CALLS) || failed * 100 < percent * calls)
		return true;
	f.text = arena_printf(&w->arena, "%" PRId64 " of %" PRId64 " calls of "
	    "%.*s failed in the last %" PRId64 " minutes (%" PRId64 " %%)",
	    failed, calls, STR_ARGS(a->whose), minutes,
	    failed * 100 / calls);
	about_owner(&about, &a->owner);
	buf_printf(&about, ",\"calls\":%" PRId64 ",\"failed\":%" PRId64
	    ",\"minutes\":%" PRId64, calls, failed, minutes);
	f.about = buf_str(&about);
	watch_found(w, a, f);
	return true;
}

/* --- what rows remark ----------------------------------------------------- */

/* " by channel up", if that is the reader's to know; the row is of a call. */
static struct str
by_channel(struct db *db, struct watch *w, const struct watched *a,
    int64_t channel, struct buf *about)
{
	struct str name = S("");
	struct row *row;

	if (a->row.kind != CAP_SITE || db_one(db, &watch_calls_part, CHANNEL,
		&row, "i", channel) != 1)
		return S("");
	name = arena_str(&w->arena, row_str(row, 0));
	about_text(about, "channel", name);
	return arena_printf(&w->arena, " by channel %.*s", STR_ARGS(name));
}

static void
remarked(struct db *db, struct watch *w, struct watched *a,
    const struct ended *c)
{
	struct arena *m = &w->arena;
	struct buf about = BUF(m, 4096);
	struct finding f = { .mark = 0 };
	struct str by = S("");

	about_text(&about, "call", c->request_id);
	about_text(&about, "asked", c->asked);
	if (a->row.when.rule == ALERT_EXCESS) {
		f.subject = arena_printf(m, "account %" PRId64, c->account);
		f.text = arena_printf(m, "call %.*s cost %.*s USD more than "
		    "could be charged", STR_ARGS(c->request_id),
		    STR_ARGS(money_text(m, c->unpaid)));
		about_usd(&about, "unpaid", c->unpaid);
	} else if (a->row.when.rule == ALERT_TIER) {
		by = by_channel(db, w, a, c->channel, &about);
		f.subject = arena_printf(m, "channel %" PRId64, c->channel);
		f.text = arena_printf(m, "a service tier without a price was "
		    "reported%.*s for %.*s: such calls are charged at the "
		    "list price", STR_ARGS(by), STR_ARGS(c->asked));
	} else {
		by = by_channel(db, w, a, c->channel, &about);
		f.subject = arena_printf(m, "channel %" PRId64 " %.*s",
		    c->channel, STR_ARGS(c->asked));
		f.text = arena_printf(m, "%.*s was asked for, and %.*s "
		    "answered%.*s", STR_ARGS(c->asked), STR_ARGS(c->served),
		    STR_ARGS(by));
		about_text(&about, "served", c->served);
	}
	f.about = buf_str(&about);
	watch_found(w, a, f);
}

/* [channel, credential, model, started, ms, status, outcome] */
static void
misled(struct db *db, struct watch *w, struct watched *a,
    const struct ended *c)
{
	struct json_each each = json_each(c->attempts);
	struct arena *m = &w->arena;

	while (json_next(&each)) {
		struct json_each part = json_each(each.value);
		struct buf about = BUF(m, 2048);
		struct finding f = { .mark = 0 };
		struct str last = S("");
		int64_t channel = 0;

		for (int i = 0; json_next(&part); i++) {
			if (i == 0 && !json_int(part.value, &channel))
				channel = 0;
			last = part.value;
		}
		if (!str_eq(last, S("\"" WRONG_BASE "\"")))
			continue;
		f.subject = arena_printf(m, "channel %" PRId64, channel);
		f.text = arena_printf(m, "no upstream is where base_url "
		    "says, call %.*s was told%.*s", STR_ARGS(c->request_id),
		    STR_ARGS(by_channel(db, w, a, channel, &about)));
		about_text(&about, "call", c->request_id);
		f.about = buf_str(&about);
		watch_found(w, a, f);
	}
}

static bool
concerns(const struct watched *a, const struct ended *c)
{
	switch (a->row.when.rule) {
	case ALERT_ERRORS: return true;
	case ALERT_ADDRESS: return c->attempts.n > 0;
	case ALERT_MISMATCH: return str_has(c->remarks, S("model_mismatch"));
	case ALERT_TIER: return str_has(c->remarks, S("tier_unpriced"));
	case ALERT_EXCESS: return c->unpaid > 0;
	default: return false;
	}
}

static void
heed(struct db *db, struct watch *w, const struct ended *c)
{
	for (int i = 0; i < w->n; i++) {
		struct watched *a = &w->alerts[i];

		if (c->at < a->row.since || !concerns(a, c) ||
		    !watch_is_of(a, c->account, c->project, c->key))
			continue;
		if (a->row.when.rule == ALERT_ERRORS)
			count(w, a, c);
		else if (a->row.when.rule == ALERT_ADDRESS)
			misled(db, w, a, c);
		else if (a->n < FINDINGS)
			remarked(db, w, a, c);
	}
}

/* --- reading -------------------------------------------------------------- */

static int
page(struct db *db, struct arena *arena, int64_t after, struct ended *list)
{
	struct row *row = db_each(db, &watch_calls_part, ROWS, "i", after);
	int n = 0;

	for (; n < PAGE && db_next(row) == 1; n++)
		list[n] = (struct ended){
			.id = row_int(row, 0),
			.at = row_int(row, 1),
			.account = row_int(row, 2),
			.project = row_int(row, 3),
			.key = row_int(row, 4),
			.channel = row_int(row, 5),
			.failed = row_int(row, 6),
			.remarks = arena_str(arena, row_str(row, 7)),
			.unpaid = row_int(row, 8),
			.request_id = arena_str(arena, row_str(row, 9)),
			.asked = arena_str(arena, row_str(row, 10)),
			.served = arena_str(arena, row_str(row, 11)),
			.attempts = arena_str(arena, row_str(row, 12)),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

static bool
read_rows(struct db *db, struct watch *w)
{
	struct ended *list = arena_alloc(&w->arena, PAGE * sizeof(*list));
	struct arena texts;
	int n;

	arena_init(&texts);
	do {
		n = page(db, &texts, w->usage_to, list);
		for (int i = 0; i < n; i++)
			heed(db, w, &list[i]);
		if (n > 0)
			w->usage_to = list[n - 1].id;
		arena_release(&texts);
	} while (n == PAGE);
	return n >= 0;
}

bool
watch_calls(struct db *db, struct watch *w)
{
	struct row *row;
	int64_t last;

	if (!watch_wants(w, OF_CALLS)) {
		w->usage_to = -1;
		return true;
	}
	if (db_one(db, &watch_calls_part, LAST, &row, "") != 1)
		return false;
	last = row_int(row, 0);
	if (w->usage_to < 0)
		w->usage_to = last;
	if (w->usage_to < last - MOST_ROWS)
		w->usage_to = last - MOST_ROWS;
	if (!read_rows(db, w))
		return false;
	for (int i = 0; i < w->n; i++)
		if (w->alerts[i].row.when.rule == ALERT_ERRORS &&
		    !look_at_errors(db, w, &w->alerts[i]))
			return false;
	return true;
}
