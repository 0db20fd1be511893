/* SPDX-License-Identifier: MIT */
/*
 * watch_hours.c - of a look: what the sums by hours say, against days before.
 *
 * One walk over the sums of some days, every ten minutes: for each model how
 * much of its input was cached, for each key what it spent in each hour.
 */
#include <inttypes.h>

#include "db/money.h"
#include "db/rollup.h"
#include "db/watch_part.h"

enum {
	FIRST_ROOM = 64,
	LEAST_HOURS = 12,	/* of use, before an hour is unusual */
	LEAST_SHARE = 10	/* percent cached before, for a drop of it */
};
#define HOUR_MS ((int64_t)3600000)
#define DAY_MS (24 * HOUR_MS)
#define OF_HOURS (RULE(ALERT_CACHE) | RULE(ALERT_USAGE))

enum { MODEL, N_SQL };
static const char *const sql[N_SQL] = {
	[MODEL] = "SELECT name FROM model WHERE id = ?1",
};
const struct db_part watch_hours_part = { "watch_hours", sql, N_SQL };

/* What is known of a key, or of a model, for one alert. */
struct known {
	int alert;
	int64_t id;
	/* of a key: its hours in order, nano-dollars */
	int64_t hour, sum;		/* the one that is summed up now */
	int64_t newest, spent;		/* largest of the last two */
	int64_t hours, all, most;	/* of those before */
	/* of a model: a day, and those before */
	int64_t calls[2], input[2], cached[2];
};

struct hours {
	struct db *db;
	struct watch *w;
	int64_t hour;			/* that runs now */
	struct known *list;
	size_t n, room;
	size_t *slots;			/* 1 + index; a power of 2 */
};

/* --- a table -------------------------------------------------------------- */

static size_t *
slot_of(struct hours *h, int alert, int64_t id)
{
	uint64_t hash = ((uint64_t)id * 64 + (uint64_t)alert) *
	    0x9e3779b97f4a7c15u;
	size_t mask = h->room * 2 - 1, i = (size_t)(hash >> 32) & mask;

	while (h->slots[i] && (h->list[h->slots[i] - 1].alert != alert ||
	    h->list[h->slots[i] - 1].id != id))
		i = (i + 1) & mask;
	return &h->slots[i];
}

static void
grow(struct hours *h)
{
	struct arena *a = &h->w->arena;
	struct known *old = h->list;

	h->room = h->room ? h->room * 2 : FIRST_ROOM;
	h->list = arena_alloc(a, h->room * sizeof(*h->list));
	if (h->n)
		memcpy(h->list, old, h->n * sizeof(*h->list));
	h->slots = arena_zero(a, h->room * 2 * sizeof(*h->slots));
	for (size_t i = 0; i < h->n; i++)
		*slot_of(h, h->list[i].alert, h->list[i].id) = i + 1;
}

static struct known *
known(struct hours *h, int alert, int64_t id)
{
	size_t *slot;

	if (h->n == h->room)
		grow(h);
	slot = slot_of(h, alert, id);
	if (!*slot) {
		h->list[h->n++] = (struct known){ .alert = alert, .id = id };
		*slot = h->n;
	}
	return &h->list[*slot - 1];
}

/* --- taking in ------------------------------------------------------------ */

/* The hour of a key that was summed up is over. */
static void
close_hour(const struct hours *h, struct known *k)
{
	if (k->hour >= h->hour - HOUR_MS) {
		if (k->sum >= k->spent) {
			k->spent = k->sum;
			k->newest = k->hour;
		}
	} else if (k->sum > 0) {
		k->hours++;
		k->all += k->sum;
		if (k->sum > k->most)
			k->most = k->sum;
	}
	k->sum = 0;
}

static void
take_hour(struct hours *h, int alert, const struct rollup_line *l)
{
	struct known *k = known(h, alert, l->key);

	if (k->hour != l->at)
		close_hour(h, k);
	k->hour = l->at;
	k->sum += l->sums.charge;
}

static void
take_cache(struct hours *h, int alert, const struct rollup_line *l)
{
	struct known *k = known(h, alert, l->model);
	const int64_t *n = l->sums.use.n;
	int now = l->at > h->hour - DAY_MS;

	k->calls[now] += l->sums.calls;
	k->cached[now] += n[BUCKET_CACHE_READ];
	k->input[now] += n[BUCKET_INPUT] + n[BUCKET_CACHE_READ] +
	    n[BUCKET_CACHE_WRITE] + n[BUCKET_CACHE_WRITE_1H];
}

static void
take(void *arg, const struct rollup_line *l)
{
	struct hours *h = arg;

	for (int i = 0; i < h->w->n; i++) {
		const struct watched *a = &h->w->alerts[i];
		enum alert_rule rule = a->row.when.rule;

		if (!(OF_HOURS >> rule & 1) ||
		    l->at < h->hour - figure(a, WHEN_DAYS) * DAY_MS -
		    (rule == ALERT_CACHE ? DAY_MS : 0) ||
		    !watch_is_of(a, l->account, l->project, l->key))
			continue;
		if (rule == ALERT_USAGE)
			take_hour(h, i, l);
		else
			take_cache(h, i, l);
	}
}

/* --- judging -------------------------------------------------------------- */

static bool
judge_hour(struct hours *h, struct watched *a, const struct known *k)
{
	int64_t times = figure(a, WHEN_TIMES), usual;
	struct arena *m = &h->w->arena;
	struct buf about = BUF(m, 2048);
	struct finding f = { .mark = 0 };
	struct alert_owner o;

	if (k->hours < LEAST_HOURS || k->spent < figure(a, WHEN_LEAST) ||
	    k->spent <= k->most)
		return true;
	usual = k->all / k->hours;
	if ((__int128)k->spent < (__int128)usual * times)
		return true;
	if (alert_owner(h->db, m, CAP_KEY, k->id, &o) < 0)
		return false;
	f.subject = arena_printf(m, "key %" PRId64, k->id);
	f.text = arena_printf(m, "%.*s spent %.*s USD in an hour, and %.*s "
	    "USD in its usual one", STR_ARGS(owner_text(m, CAP_KEY, &o)),
	    STR_ARGS(money_text(m, k->spent)), STR_ARGS(money_text(m,
	    usual)));
	about_owner(&about, &o);
	about_moment(&about, "hour", k->newest);
	about_usd(&about, "spent", k->spent);
	about_usd(&about, "usual", usual);
	f.about = buf_str(&about);
	watch_found(h->w, a, f);
	return true;
}

static bool
judge_cache(struct hours *h, struct watched *a, const struct known *k)
{
	int64_t least = figure(a, WHEN_CALLS), drop = figure(a, WHEN_DROP);
	struct arena *m = &h->w->arena;
	struct buf about = BUF(m, 2048);
	struct finding f = { .mark = 0 };
	int64_t was, is;
	struct row *row;

	if (k->calls[0] < least || k->calls[1] < least || !k->input[0] ||
	    !k->input[1])
		return true;
	/* In hundredths of a percent. */
	was = (int64_t)((__int128)k->cached[0] * 10000 / k->input[0]);
	is = (int64_t)((__int128)k->cached[1] * 10000 / k->input[1]);
	if (was < LEAST_SHARE * 100 || is * 100 > was * (100 - drop))
		return true;
	if (db_one(h->db, &watch_hours_part, MODEL, &row, "i", k->id) != 1)
		return !db_failed(h->db);
	f.subject = arena_printf(m, "model %" PRId64, k->id);
	about_owner(&about, &a->owner);
	about_text(&about, "model", row_str(row, 0));
	buf_printf(&about, ",\"cached_percent\":%" PRId64
	    ",\"cached_percent_before\":%" PRId64, is / 100, was / 100);
	f.text = arena_printf(m, "of the input of %.*s for %.*s %" PRId64
	    " %% came from a cache in the last day, and %" PRId64 " %% in the "
	    "%" PRId64 " days before", STR_ARGS(a->whose),
	    STR_ARGS(row_str(row, 0)), is / 100, was / 100,
	    figure(a, WHEN_DAYS));
	f.about = buf_str(&about);
	watch_found(h->w, a, f);
	return true;
}

bool
watch_hours(struct db *db, struct watch *w)
{
	struct hours h = { .db = db, .w = w };
	struct rollup_asked q = { .until = w->now + 1 };
	int64_t days = 0;

	if (!watch_wants(w, OF_HOURS))
		return true;
	for (int i = 0; i < w->n; i++)
		if (OF_HOURS >> w->alerts[i].row.when.rule & 1 &&
		    figure(&w->alerts[i], WHEN_DAYS) > days)
			days = figure(&w->alerts[i], WHEN_DAYS);
	h.hour = rollup_hour(db, w->now);
	q.since = h.hour - (days + 1) * DAY_MS;
	if (!rollup_walk(db, &q, take, &h))
		return false;
	for (size_t i = 0; i < h.n; i++) {
		struct known *k = &h.list[i];
		struct watched *a = &w->alerts[k->alert];

		close_hour(&h, k);
		if (a->row.when.rule == ALERT_USAGE ? !judge_hour(&h, a, k) :
		    !judge_cache(&h, a, k))
			return false;
	}
	return true;
}
