/* SPDX-License-Identifier: MIT */
/*
 * watch_states.c - of a look: what is so now, in a row or a few: wallets, who
 * is out, whether billing is stopped.
 */
#include <inttypes.h>

#include "db/group.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/park.h"
#include "db/watch_part.h"

enum { WALLETS, WALLET, OUT, N_SQL };
static const char *const sql[N_SQL] = {
	[WALLETS] = "SELECT a.id, a.name, b.balance FROM account a "
		    "JOIN book b ON b.id = a.wallet WHERE a.id > ?1 "
		    "AND a.enabled AND b.balance < ?2 ORDER BY a.id "
		    "LIMIT 1000",
	[WALLET] = "SELECT a.id, a.name, b.balance FROM account a "
		   "JOIN book b ON b.id = a.wallet WHERE a.id = ?1 "
		   "AND a.enabled AND b.balance < ?2",
	[OUT] = "SELECT c.name, coalesce(k.name, '') FROM channel c "
		"LEFT JOIN credential k ON k.id = ?2 AND k.channel = c.id "
		"WHERE c.id = ?1 AND c.enabled "
		"AND (?2 = 0 OR k.enabled)",
};
const struct db_part watch_states_part = { "watch_states", sql, N_SQL };

/* --- wallets -------------------------------------------------------------- */

static void
low(struct watch *w, struct watched *a, struct row *row)
{
	int64_t below = figure(a, WHEN_BELOW), balance = row_int(row, 2);
	struct arena *m = &w->arena;
	struct buf about = BUF(m, 1024);
	struct finding f = { .mark = 0 };
	struct str name = arena_str(m, row_str(row, 1));

	f.subject = arena_printf(m, "account %" PRId64 " below %" PRId64,
	    row_int(row, 0), below);
	f.text = arena_printf(m, "account %.*s has %.*s USD left, less than "
	    "%.*s USD", STR_ARGS(name), STR_ARGS(money_text(m, balance)),
	    STR_ARGS(money_text(m, below)));
	about_text(&about, "account", name);
	about_usd(&about, "balance", balance);
	about_usd(&about, "below", below);
	f.about = buf_str(&about);
	watch_found(w, a, f);
}

static bool
look_at_wallets(struct db *db, struct watch *w, struct watched *a)
{
	int64_t below = figure(a, WHEN_BELOW), after = 0;
	struct row *row;
	int n;

	if (a->row.kind != CAP_SITE) {
		n = db_one(db, &watch_states_part, WALLET, &row, "ii",
		    a->owner.account, below);
		if (n == 1)
			low(w, a, row);
		return n >= 0;
	}
	do {
		row = db_each(db, &watch_states_part, WALLETS, "ii", after,
		    below);
		for (n = 0; n < LIST_MAX && db_next(row) == 1; n++) {
			after = row_int(row, 0);
			low(w, a, row);
		}
		db_reset(row);
	} while (n == LIST_MAX && !a->more);
	return !db_failed(db);
}

/* --- who is out ----------------------------------------------------------- */

static bool
wanted(const struct watch *w, const struct watched *a, const struct park *p)
{
	int64_t state = figure(a, WHEN_STATE);
	int64_t ms = figure(a, WHEN_MINUTES) * MINUTE_MS;

	if (p->kind == PARK_BARRED)
		return state != STATE_PARKED;
	return state != STATE_DEAD && p->until > w->now &&
	    (p->until - p->since >= ms || w->now - p->since >= ms);
}

static void
out(struct watch *w, struct watched *a, const struct park *p, struct str what)
{
	struct arena *m = &w->arena;
	struct buf about = BUF(m, 2048);
	bool dead = p->kind == PARK_BARRED;
	struct finding f = { .mark = 0 };

	f.subject = arena_printf(m, "park %" PRId64 " %" PRId64 " %s %.*s",
	    p->channel, p->credential, dead ? "dead" : "parked",
	    STR_ARGS(p->model));
	f.text = arena_printf(m, "%s %.*s%s%.*s is %s (%.*s)", p->credential ?
	    "credential" : "channel", STR_ARGS(what), p->model.n ?
	    " for model " : "", STR_ARGS(p->model), dead ?
	    "out until a probe of it succeeds" : "out for a while",
	    STR_ARGS(p->reason));
	about_text(&about, p->credential ? "credential" : "channel", what);
	if (p->model.n)
		about_text(&about, "model", p->model);
	about_text(&about, "state", dead ? S("dead") : S("parked"));
	about_text(&about, "reason", p->reason);
	about_moment(&about, dead ? "next_probe" : "until", p->until);
	f.about = buf_str(&about);
	watch_found(w, a, f);
}

static bool
look_at_parks(struct db *db, struct watch *w)
{
	struct park *list;
	int n = park_load(db, w->now, &w->arena, &list);

	for (int i = 0; i < n; i++) {
		const struct park *p = &list[i];
		struct str what = { 0 };
		struct row *row;
		int found = db_one(db, &watch_states_part, OUT, &row, "ii",
		    p->channel, p->credential);

		if (found < 0)
			return false;
		if (found == 0)
			continue;
		what = arena_printf(&w->arena, "%.*s%s%.*s",
		    STR_ARGS(row_str(row, 0)), p->credential ? "/" : "",
		    STR_ARGS(row_str(row, 1)));
		for (int j = 0; j < w->n; j++)
			if (w->alerts[j].row.when.rule == ALERT_CREDENTIAL &&
			    wanted(w, &w->alerts[j], p))
				out(w, &w->alerts[j], p, what);
	}
	return n >= 0;
}

/* --- billing -------------------------------------------------------------- */

static bool
look_at_billing(struct db *db, struct watch *w, struct watched *a)
{
	struct buf about = BUF(&w->arena, 4096);
	struct finding f = { .subject = S("frozen") };
	struct str why = S("");

	if (!ledger_frozen(db, &w->arena, &why))
		return !db_failed(db);
	f.text = arena_printf(&w->arena, "billing is stopped, calls are "
	    "refused: %.*s", STR_ARGS(why));
	about_text(&about, "reason", why);
	f.about = buf_str(&about);
	watch_found(w, a, f);
	return true;
}

bool
watch_states(struct db *db, struct watch *w)
{
	if (watch_wants(w, RULE(ALERT_CREDENTIAL)) && !look_at_parks(db, w))
		return false;
	for (int i = 0; i < w->n; i++) {
		struct watched *a = &w->alerts[i];
		enum alert_rule rule = a->row.when.rule;

		if ((rule == ALERT_BALANCE && !look_at_wallets(db, w, a)) ||
		    (rule == ALERT_FROZEN && !look_at_billing(db, w, a)))
			return false;
	}
	return true;
}
