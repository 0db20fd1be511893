/* SPDX-License-Identifier: MIT */
/*
 * watch_caps.c - of a look: caps of money and of tokens.
 *
 * Every cap is walked over with what is spent in its window, that is two
 * index look-ups each.  A window that has ended since the last look is looked
 * at once more: what passed in its last minute is told too.
 */
#include <inttypes.h>

#include "db/db.h"
#include "db/group.h"
#include "db/money.h"
#include "db/watch_part.h"
#include "db/zone.h"
#include "fcgi/base/mem.h"

enum {
	SPANS = 5,
	EARLY = 10	/* a forecast is made when a window's tenth is over */
};
#define CAPS_OF_MONEY RULE(ALERT_SPEND)
#define CAPS_OF_TOKENS RULE(ALERT_TOKENS)

#define START \
	"CASE c.window WHEN 'hour' THEN ?4 WHEN 'hour_tokens' THEN ?4 " \
	"WHEN 'day' THEN ?5 WHEN 'day_tokens' THEN ?5 " \
	"WHEN 'week' THEN ?6 WHEN 'week_tokens' THEN ?6 " \
	"WHEN 'month' THEN ?7 WHEN 'month_tokens' THEN ?7 ELSE 0 END"

enum { CAPS, LAST_NOTE, N_SQL };
static const char *const sql[N_SQL] = {
	[CAPS] =
	    "SELECT c.owner_kind, c.owner, c.window, c.amount, c.soft, "
	    "coalesce((SELECT s.amount FROM spent s "
	    "WHERE s.owner_kind = c.owner_kind AND s.owner = c.owner "
	    "AND s.window = c.window AND s.start = " START "), 0), "
	    "EXISTS (SELECT 1 FROM cap_note n "
	    "WHERE n.owner_kind = c.owner_kind AND n.owner = c.owner "
	    "AND n.window = c.window AND n.start = " START " "
	    "AND n.amount = c.amount AND n.percent = c.soft) "
	    "FROM cap c WHERE (c.owner_kind, c.owner, c.window) > "
	    "(?1, ?2, ?3) ORDER BY c.owner_kind, c.owner, c.window "
	    "LIMIT 1000",
	[LAST_NOTE] = "SELECT coalesce(max(id), 0) FROM cap_note",
};
const struct db_part watch_caps_part = { "watch_caps", sql, N_SQL };

/* A cap in one of its windows. */
struct capped {
	enum cap_owner kind;
	int64_t owner;
	enum cap_window window;
	int64_t amount, soft, spent;
	bool noted;
	int64_t start, end;		/* UTC ms; end 0: never */
	bool named;
	struct alert_owner of;
};

struct walking {
	struct db *db;
	struct watch *w;
	int64_t starts[SPANS];
	bool past[SPANS];		/* the one before, in a second walk */
	bool second;
};

static int64_t
start_of(struct db *db, enum cap_window span, int64_t at)
{
	static const enum zone_unit units[] = { ZONE_HOUR, ZONE_DAY, ZONE_WEEK,
		ZONE_MONTH };

	return span == CAP_TOTAL ? 0 :
	    zone_start(db_site(db)->zone, units[span], at);
}

static int64_t
end_of(struct db *db, enum cap_window span, int64_t start)
{
	static const enum zone_unit units[] = { ZONE_HOUR, ZONE_DAY, ZONE_WEEK,
		ZONE_MONTH };

	return span == CAP_TOTAL ? 0 :
	    zone_next(db_site(db)->zone, units[span], start);
}

/* --- one cap, one alert --------------------------------------------------- */

static struct str
text_of(struct arena *a, enum cap_window w, int64_t n)
{
	if (cap_of_tokens(w))
		return arena_printf(a, "%" PRId64 " tokens", n);
	return arena_printf(a, "%.*s USD", STR_ARGS(money_text(a, n)));
}

static void
about_amount(struct buf *b, const char *name, enum cap_window w, int64_t n)
{
	if (cap_of_tokens(w))
		buf_printf(b, ",\"%s\":%" PRId64, name, n);
	else
		about_usd(b, name, n);
}

static int64_t
percent_of(const struct capped *c)
{
	return c->amount ? (int64_t)((__int128)c->spent * 100 / c->amount) :
	    100;
}

/* What will be spent at the end of the window at this pace; -1: it is too
 * early to say. */
static int64_t
forecast(const struct capped *c, int64_t now)
{
	int64_t length = c->end - c->start, gone = now - c->start;
	__int128 sum;

	if (!c->end || gone >= length || gone < length / EARLY)
		return -1;
	sum = (__int128)c->spent * length / gone;
	return sum > MONEY_MAX ? MONEY_MAX : (int64_t)sum;
}

/* by: how the alert came to it, "80" percent, "soft80", "pace". */
static void
found(struct watch *w, struct watched *a, struct capped *c, struct str by,
    int64_t pace)
{
	struct arena *m = &w->arena;
	struct buf about = BUF(m, 2048);
	struct str whose = owner_text(m, c->kind, &c->of);
	struct str limit = text_of(m, c->window, c->amount);
	struct str spent = text_of(m, c->window, c->spent);
	struct finding f = { .mark = c->start ? c->start : 1 };

	f.subject = arena_printf(m, "%s %" PRId64 " %s %" PRId64 " %.*s",
	    cap_owners[c->kind], c->owner, cap_windows[c->window], c->amount,
	    STR_ARGS(by));
	if (pace >= 0)
		f.text = arena_printf(m, "%.*s will pass its cap %s of %.*s: "
		    "%.*s are spent or held, %.*s at the end of the window at "
		    "this pace", STR_ARGS(whose), cap_windows[c->window],
		    STR_ARGS(limit), STR_ARGS(spent),
		    STR_ARGS(text_of(m, c->window, pace)));
	else
		f.text = arena_printf(m, "%.*s has come to %" PRId64 " %% of "
		    "its cap %s: %.*s of %.*s are spent or held",
		    STR_ARGS(whose), percent_of(c), cap_windows[c->window],
		    STR_ARGS(spent), STR_ARGS(limit));
	about_text(&about, "of", str_of(cap_owners[c->kind]));
	about_owner(&about, &c->of);
	about_text(&about, "cap", str_of(cap_windows[c->window]));
	about_amount(&about, "limit", c->window, c->amount);
	about_amount(&about, "spent", c->window, c->spent);
	buf_printf(&about, ",\"percent\":%" PRId64, percent_of(c));
	if (pace >= 0)
		about_amount(&about, "forecast", c->window, pace);
	if (c->end) {
		about_moment(&about, "window_began", c->start);
		about_moment(&about, "window_ends", c->end);
	}
	f.about = buf_str(&about);
	watch_found(w, a, f);
}

static void
judge(struct watch *w, struct watched *a, struct capped *c)
{
	int64_t percent = figure(a, WHEN_PERCENT), pace;
	int64_t span = figure(a, WHEN_WINDOW);

	if (span >= 0 && span != (int64_t)cap_span(c->window))
		return;
	if (percent > 0 && c->spent >= cap_soft(c->amount, percent))
		found(w, a, c, arena_int(&w->arena, percent), -1);
	if (figure(a, WHEN_SOFT) == 1 && c->soft && (c->noted ||
	    c->spent >= cap_soft(c->amount, c->soft)))
		found(w, a, c, arena_printf(&w->arena, "soft%" PRId64,
		    c->soft), -1);
	if (figure(a, WHEN_FORECAST) != 1)
		return;
	pace = forecast(c, w->now);
	if (pace > c->amount)
		found(w, a, c, S("pace"), pace);
}

static bool
judge_all(struct db *db, struct watch *w, struct capped *c)
{
	enum alert_rule rule = cap_of_tokens(c->window) ? ALERT_TOKENS :
	    ALERT_SPEND;

	for (int i = 0; i < w->n; i++) {
		struct watched *a = &w->alerts[i];

		if (a->row.when.rule != rule)
			continue;
		if (!c->named && alert_owner(db, &w->arena, c->kind, c->owner,
			&c->of) < 0)
			return false;
		c->named = true;
		if (watch_is_of(a, c->of.account, c->of.project, c->of.key))
			judge(w, a, c);
	}
	return true;
}

/* --- all caps ------------------------------------------------------------- */

/* Does any alert want to know of a cap of so much?  Most are far from it, and
 * whose they are need not be found out. */
static bool
is_near(const struct watch *w, const struct capped *c)
{
	enum alert_rule rule = cap_of_tokens(c->window) ? ALERT_TOKENS :
	    ALERT_SPEND;

	for (int i = 0; i < w->n; i++) {
		const struct watched *a = &w->alerts[i];
		int64_t percent = figure(a, WHEN_PERCENT);

		if (a->row.when.rule == rule && (c->noted ||
		    figure(a, WHEN_FORECAST) == 1 || (percent > 0 &&
		    c->spent >= cap_soft(c->amount, percent)) ||
		    (c->soft && c->spent >= cap_soft(c->amount, c->soft))))
			return true;
	}
	return false;
}

static struct str
read_cap(struct walking *k, struct row *row, struct capped *c)
{
	enum cap_window span;

	*c = (struct capped){
		.kind = cap_owner_of(row_str(row, 0)),
		.owner = row_int(row, 1),
		.window = cap_window_of(row_str(row, 2)),
		.amount = row_int(row, 3),
		.soft = row_int(row, 4),
		.spent = row_int(row, 5),
		.noted = row_int(row, 6),
	};
	span = cap_span(c->window);
	c->start = k->starts[span];
	c->end = end_of(k->db, span, c->start);
	return row_str(row, 2);
}

/* One page behind *last: how many rows, or -1. */
static int
page(struct walking *k, struct capped *last, struct str *window,
    struct capped *near, int *n_near)
{
	struct row *row = db_each(k->db, &watch_caps_part, CAPS, "sisiiii",
	    last->kind < N_CAP_OWNERS ? str_of(cap_owners[last->kind]) :
	    S(""), last->owner, *window, k->starts[CAP_HOUR],
	    k->starts[CAP_DAY], k->starts[CAP_WEEK], k->starts[CAP_MONTH]);
	int n = 0;

	*n_near = 0;
	for (; n < LIST_MAX && db_next(row) == 1; n++) {
		*window = str_of(cap_windows[cap_window_of(read_cap(k, row,
		    last))]);
		if (k->second && !k->past[cap_span(last->window)])
			continue;
		if (is_near(k->w, last))
			near[(*n_near)++] = *last;
	}
	db_reset(row);
	return db_failed(k->db) ? -1 : n;
}

static bool
walk(struct walking *k)
{
	struct capped *near = arena_alloc(&k->w->arena,
	    LIST_MAX * sizeof(*near));
	struct capped last = { .kind = N_CAP_OWNERS, .owner = -1 };
	struct str window = S("");
	int n, n_near;

	do {
		n = page(k, &last, &window, near, &n_near);
		for (int i = 0; n >= 0 && i < n_near; i++)
			if (!judge_all(k->db, k->w, &near[i]))
				return false;
	} while (n == LIST_MAX);
	return n >= 0;
}

/* --- soft caps that were passed ------------------------------------------- */

static bool
note_all(struct db *db, struct watch *w, const struct cap_note *n)
{
	struct capped c = { .kind = n->kind, .owner = n->owner,
		.window = n->window, .amount = n->amount,
		.soft = n->percent, .spent = n->spent, .start = n->start,
		.end = end_of(db, cap_span(n->window), n->start) };
	enum alert_rule rule = cap_of_tokens(n->window) ? ALERT_TOKENS :
	    ALERT_SPEND;

	if (alert_owner(db, &w->arena, n->kind, n->owner, &c.of) < 0)
		return false;
	for (int i = 0; i < w->n; i++) {
		struct watched *a = &w->alerts[i];
		int64_t span = figure(a, WHEN_WINDOW);

		if (a->row.when.rule == rule && n->at >= a->row.since &&
		    figure(a, WHEN_SOFT) == 1 &&
		    (span < 0 || span == (int64_t)cap_span(n->window)) &&
		    watch_is_of(a, c.of.account, c.of.project, c.of.key))
			found(w, a, &c, arena_printf(&w->arena,
			    "soft%" PRId64, n->percent), -1);
	}
	return true;
}

/* Those since the last look, also of windows that are over by now. */
static bool
read_notes(struct db *db, struct watch *w)
{
	struct cap_note *list;
	struct row *row;
	int n;

	if (w->note_to < 0) {
		if (db_one(db, &watch_caps_part, LAST_NOTE, &row, "") != 1)
			return false;
		w->note_to = row_int(row, 0);
		return true;
	}
	do {
		n = cap_notes(db, &w->arena, w->note_to, &list);
		for (int i = 0; i < n; i++) {
			if (!note_all(db, w, &list[i]))
				return false;
			w->note_to = list[i].id;
		}
	} while (n == LIST_MAX);
	return n >= 0;
}

bool
watch_caps(struct db *db, struct watch *w)
{
	struct walking k = { .db = db, .w = w };
	bool ended = false;

	if (!watch_wants(w, CAPS_OF_MONEY | CAPS_OF_TOKENS)) {
		w->note_to = -1;
		return true;
	}
	for (int s = 0; s < SPANS; s++)
		k.starts[s] = start_of(db, (enum cap_window)s, w->now);
	if (!walk(&k) || !read_notes(db, w))
		return false;
	for (int s = 0; s < SPANS; s++) {
		int64_t was = start_of(db, (enum cap_window)s, w->looked);

		k.past[s] = was < k.starts[s] &&
		    w->looked > w->now - 10 * MINUTE_MS;
		if (k.past[s])
			k.starts[s] = was;
		ended |= k.past[s];
	}
	k.second = true;
	return !ended || walk(&k);
}
