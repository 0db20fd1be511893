/* SPDX-License-Identifier: MIT */
/*
 * hold.c - money set aside, then settled, exactly once; see hold.h.
 *
 * Every operation reads and decides before its first write.  What a settled
 * call moves in the books that all calls share is told to the transaction
 * and written once before its COMMIT (ledger_tell).
 *
 * The invariants of the books are asserted here, inside the transaction: one
 * that does not hold rolls it back and stops billing (db_stop).
 */
#include "db/hold.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "db/account.h"
#include "db/channel.h"
#include "db/ledger.h"
#include "db/lock.h"
#include "db/model.h"
#include "db/money.h"
#include "db/zone.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { SERIAL_BITS = 36, MINUTE_US = 60000000, HOUR_MS = 3600000,
	WINDOWS_TEXT = N_CAP_OWNERS * N_CAP_WINDOWS * 20 };

enum { ADMIT, PRICE, CAPS, SPEND, SPEND_FIRST, ADD, KEY_OPEN, KEY_CLAMP, BOOK_HOLD,
	GET, DROP, KEY_CLOSE, KEY_DEBT, BOOK_SETTLE, MONEY, ROOM, USAGE, EXCESS,
	PROGRESS, EXTEND, PROCESSES, OF_PROCESS, BURY, N_SQL };

#define HOLD_COLUMNS \
	"h.id, h.request_id, h.opened, h.account, h.project, h.key, h.model, " \
	"h.price, h.markup_ppm, h.book, h.held, h.bound, h.prompt_tokens, " \
	"h.tpm_taken, h.windows, h.endpoint, h.stream, h.channel, " \
	"h.credential, h.upstream_model, h.sent, h.started, h.out_tokens"

static const char *const sql[N_SQL] = {
	[ADMIT] =
	    "SELECT k.enabled, k.revoked, k.expires, p.enabled, a.enabled, "
	    "k.rpm, k.tpm, k.concurrency, k.rpm_at, k.tpm_at, k.tpm_debt, "
	    "k.open_holds, k.project, k.account, k.capped, p.capped, a.capped, "
	    "a.raised_until, b.id, b.balance, b.held FROM key k JOIN project p ON p.id = k.project "
	    "JOIN account a ON a.id = k.account "
	    "LEFT JOIN book b ON b.id = a.wallet WHERE k.id = ?1",
	/* The same rule as in model.c and catalogue.c. */
	[PRICE] = "SELECT id FROM price WHERE model = ?1 AND channel IS NULL "
		  "AND from_ms <= ?2 AND (until_ms IS NULL OR until_ms > ?2) "
		  "ORDER BY from_ms DESC, id DESC LIMIT 1",
	/* The caps of one owner, and what is spent in the running windows. */
	[CAPS] =
	    "SELECT c.window, c.amount, coalesce(s.amount, 0) FROM cap c "
	    "LEFT JOIN spent s ON s.owner_kind = c.owner_kind "
	    "AND s.owner = c.owner AND s.window = c.window "
	    "AND s.start = CASE c.window WHEN 'hour' THEN ?3 "
	    "WHEN 'day' THEN ?4 WHEN 'week' THEN ?5 WHEN 'month' THEN ?6 "
	    "ELSE 0 END WHERE c.owner_kind = ?1 AND c.owner = ?2",
	[SPEND] = "UPDATE spent SET amount = amount + ?5 WHERE owner_kind = ?1 "
		  "AND owner = ?2 AND window = ?3 AND start = ?4",
	[SPEND_FIRST] =
	    "INSERT INTO spent(owner_kind, owner, window, start, amount) "
	    "VALUES (?1, ?2, ?3, ?4, ?5)",
	[ADD] =
	    "INSERT INTO hold(id, request_id, process, opened, account, "
	    "project, key, model, price, markup_ppm, book, held, bound, "
	    "prompt_tokens, tpm_taken, windows, endpoint, stream) VALUES "
	    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
	    "?15, ?16, ?17, ?18)",
	[KEY_OPEN] =
	    "UPDATE key SET open_holds = open_holds + 1, rpm_at = ?2, "
	    "tpm_at = ?3, tpm_debt = ?4 WHERE id = ?1",
	[KEY_CLAMP] = "UPDATE key SET rpm_at = min(rpm_at, ?2), "
		      "tpm_at = min(tpm_at, ?3) WHERE id = ?1",
	[BOOK_HOLD] = "UPDATE book SET held = held + ?2 WHERE id = ?1",

	[GET] = "SELECT " HOLD_COLUMNS " FROM hold h WHERE h.id = ?1",
	[DROP] = "DELETE FROM hold WHERE id = ?1",
	[KEY_CLOSE] =
	    "UPDATE key SET open_holds = open_holds - 1, used = used + ?2, "
	    "tpm_at = CASE WHEN tpm IS NULL THEN tpm_at ELSE "
	    "max(0, tpm_at + ?3 * 60000000 / tpm) END WHERE id = ?1",
	[KEY_DEBT] =
	    "UPDATE key SET tpm_debt = max(tpm_debt, tpm_at - ?2) "
	    "WHERE id = ?1",
	[BOOK_SETTLE] =
	    "UPDATE book SET balance = balance - ?2, held = held - ?3 "
	    "WHERE id = ?1",
	[MONEY] = "SELECT balance, held FROM book WHERE id = ?1",
	/* What a window's cap has left, of windows that still have one. */
	[ROOM] =
	    "SELECT c.amount - coalesce(s.amount, 0) FROM cap c "
	    "LEFT JOIN spent s ON s.owner_kind = ?1 AND s.owner = ?2 "
	    "AND s.window = ?3 AND s.start = ?4 "
	    "WHERE c.owner_kind = ?1 AND c.owner = ?2 AND c.window = ?3",
	[USAGE] =
	    "INSERT INTO usage(request_id, at, account, project, key, model, "
	    "book, asked, served, endpoint, stream, channel, credential, "
	    "state, status, fault, estimated, input, cache_read, cache_write, "
	    "cache_write_1h, output, reasoning, request, charge, cost, list, "
	    "held, bound, price, cost_price, markup_ppm, cost_ppm, first_ms, "
	    "total_ms, weir_us, attempts, end_user, remarks) VALUES "
	    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
	    "?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, "
	    "?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39)",
	/* ?2: now, ?3: an hour ago, ?4: tomorrow. */
	[EXCESS] =
	    "UPDATE account SET raised_until = CASE WHEN excess_since > ?3 "
	    "AND excesses >= 2 THEN ?4 ELSE raised_until END, "
	    "excesses = CASE WHEN excess_since > ?3 THEN excesses + 1 "
	    "ELSE 1 END, excess_since = CASE WHEN excess_since > ?3 "
	    "THEN excess_since ELSE ?2 END WHERE id = ?1",

	[PROGRESS] =
	    "UPDATE hold SET channel = coalesce(?2, channel), "
	    "credential = coalesce(?3, credential), "
	    "upstream_model = coalesce(?4, upstream_model), "
	    "sent = max(sent, ?5), started = max(started, ?6), "
	    "out_tokens = max(out_tokens, ?7) WHERE id = ?1",
	[EXTEND] = "UPDATE hold SET held = held + ?2 WHERE id = ?1",

	[PROCESSES] = "SELECT id FROM process /*scan*/ ORDER BY id",
	[OF_PROCESS] =
	    "SELECT " HOLD_COLUMNS " FROM hold h /*scan*/ "
	    "WHERE h.process = ?1 LIMIT 1000",
	[BURY] = "DELETE FROM process /*scan*/ WHERE id = ?1",
};
const struct db_part hold_part = { "hold", sql, N_SQL };

/* --- windows of caps ------------------------------------------------------------- */

/* "kd1763769600000 at0 ": which windows a hold is counted in. */
struct windows {
	char text[WINDOWS_TEXT];
	size_t n;
};

static void
window_add(struct windows *w, int owner, int window, int64_t start)
{
	char item[CAP_ITEM];
	struct str s = cap_item((enum cap_owner)owner,
	    (enum cap_window)window, start, item);

	assert(w->n + s.n < sizeof(w->text));
	memcpy(w->text + w->n, s.p, s.n);
	w->n += s.n;
}

/* The next window of such a text. */
struct window {
	int owner, window;
	int64_t start;
};

static bool
window_next(struct str *rest, struct window *w)
{
	static const char owners[] = "sapk", windows[] = "hdwmt";
	struct str item = str_cut(rest, ' ');
	const char *o, *u;

	if (item.n < 3)
		return false;
	o = strchr(owners, item.p[0]);
	u = strchr(windows, item.p[1]);
	if (!o || !u || !str_int(str_skip(item, 2), &w->start))
		return false;
	w->owner = (int)(o - owners);
	w->window = (int)(u - windows);
	return true;
}

/* Owners' ids by kind. */
struct owners {
	int64_t id[N_CAP_OWNERS];
};

static bool
spend(struct db *db, const struct owners *who, struct str windows,
    int64_t amount)
{
	struct window w;

	if (amount == 0)
		return true;
	while (window_next(&windows, &w)) {
		struct str kind = str_of(cap_owners[w.owner]);
		struct str window = str_of(cap_windows[w.window]);
		int n = db_run(db, &hold_part, SPEND, "sisii", kind,
		    who->id[w.owner], window, w.start, amount);

		if (n == 0)
			n = db_run(db, &hold_part, SPEND_FIRST, "sisii", kind,
			    who->id[w.owner], window, w.start, amount);
		if (n != 1)
			return false;
	}
	return true;
}

/* What the tightest of the hold's windows has left; -1 database failed. */
static int64_t
room_left(struct db *db, const struct owners *who, struct str windows)
{
	int64_t least = MONEY_MAX;
	struct window w;

	while (window_next(&windows, &w)) {
		struct row *row;
		int n = db_one(db, &hold_part, ROOM, &row, "sisi",
		    str_of(cap_owners[w.owner]), who->id[w.owner],
		    str_of(cap_windows[w.window]), w.start);

		if (n < 0)
			return -1;
		if (n == 1 && row_int(row, 0) < least)
			least = row_int(row, 0);
	}
	return least > 0 ? least : 0;
}

/* --- admission ---------------------------------------------------------------------- */

/* Everything an admission looks at, from one joined row. */
struct gate {
	bool key_on, account_on;
	int64_t expires;
	int64_t rpm, tpm, concurrency;
	int64_t rpm_at, tpm_at, tpm_debt, open_holds;
	int64_t project, account;
	bool capped[N_CAP_OWNERS];
	int64_t raised_until;
	int64_t book, balance, held;
	int64_t price;
	/* found on the way */
	int64_t now_us;
	bool clamped;			/* a clock went back */
	int64_t want;			/* to hold */
	int64_t cap_room;
	struct windows windows;
};

/* The model's price row in force now (0: none), asked for once a
 * transaction. */
static bool
price_now(struct db *db, int64_t model, int64_t *price)
{
	struct db_site *site = db_site(db);
	struct row *row;
	unsigned i;
	int n;

	for (i = 0; i < site->n_prices; i++)
		if (site->prices[i].model == model) {
			*price = site->prices[i].price;
			return true;
		}
	n = db_one(db, &hold_part, PRICE, &row, "ii", model, db_now(db));
	*price = n == 1 ? row_int(row, 0) : 0;
	if (n >= 0 && i < countof(site->prices)) {
		site->prices[i].model = model;
		site->prices[i].price = *price;
		site->n_prices++;
	}
	return n >= 0;
}

static int
gate_load(struct db *db, const struct hold_open *h, struct gate *g)
{
	struct row *row;
	int n = db_one(db, &hold_part, ADMIT, &row, "i", h->key);

	if (n != 1)
		return n;
	g->key_on = row_int(row, 0) && row_null(row, 1) && row_int(row, 3);
	g->expires = row_int(row, 2);
	g->account_on = row_int(row, 4);
	g->rpm = row_int(row, 5);
	g->tpm = row_int(row, 6);
	g->concurrency = row_int(row, 7);
	g->rpm_at = row_int(row, 8);
	g->tpm_at = row_int(row, 9);
	g->tpm_debt = row_int(row, 10);
	g->open_holds = row_int(row, 11);
	g->project = row_int(row, 12);
	g->account = row_int(row, 13);
	g->capped[CAP_KEY] = row_int(row, 14);
	g->capped[CAP_PROJECT] = row_int(row, 15);
	g->capped[CAP_ACCOUNT] = row_int(row, 16);
	g->raised_until = row_int(row, 17);
	g->book = row_int(row, 18);
	g->balance = row_int(row, 19);
	g->held = row_int(row, 20);
	g->capped[CAP_SITE] = db_site(db)->capped;
	g->now_us = db_now(db) * 1000;
	g->clamped = false;
	g->cap_room = MONEY_MAX;
	g->windows.n = 0;
	return price_now(db, h->model, &g->price) ? 1 : -1;
}

/*
 * Requests a minute.  A stored time further ahead than the whole burst comes
 * from a clock that was put back since: it counts as a full burst.
 */
static bool
rpm_good(struct gate *g, struct hold_open *h)
{
	int64_t each, burst, at = g->rpm_at;

	if (g->rpm == 0)
		return true;
	each = (MINUTE_US + g->rpm - 1) / g->rpm;
	burst = each * g->rpm;
	if (at > g->now_us + burst) {
		at = g->now_us + burst;
		g->clamped = true;
	}
	if (at < g->now_us)
		at = g->now_us;
	g->rpm_at = at;
	if (at + each > g->now_us + burst) {
		h->verdict = HOLD_RPM;
		h->retry_ms = (at + each - burst - g->now_us + 999) / 1000;
		return false;
	}
	g->rpm_at = at + each;
	return true;
}

/*
 * Tokens a minute.  A call larger than the whole burst needs a full bucket
 * and pays the rest off in time: tpm_debt says how far beyond the burst.
 */
static bool
tpm_good(struct gate *g, struct hold_open *h)
{
	int64_t at = g->tpm_at, cost, wait;

	if (g->tpm == 0)
		return true;
	cost = (int64_t)(((__int128)h->limit_tokens * MINUTE_US + g->tpm - 1) /
	    g->tpm);
	if (at > g->now_us + MINUTE_US + g->tpm_debt) {
		at = g->now_us + MINUTE_US;
		g->clamped = true;
	}
	if (at < g->now_us)
		at = g->now_us;
	g->tpm_at = at;
	wait = h->limit_tokens > g->tpm ? at - g->now_us
					: at + cost - MINUTE_US - g->now_us;
	if (wait > 0) {
		h->verdict = HOLD_TPM;
		h->retry_ms = (wait + 999) / 1000;
		return false;
	}
	g->tpm_at = at + cost;
	g->tpm_debt = h->limit_tokens > g->tpm ? cost - MINUTE_US : 0;
	return true;
}

/* Looks at all caps above this key; remembers the tightest in *h. */
static bool
caps_read(struct db *db, struct gate *g, struct hold_open *h,
    const struct owners *who, const int64_t starts[static N_CAP_WINDOWS])
{
	for (int o = 0; o < N_CAP_OWNERS; o++) {
		struct row *row;
		int n;

		if (!g->capped[o])
			continue;
		row = db_each(db, &hold_part, CAPS, "siiiii",
		    str_of(cap_owners[o]), who->id[o], starts[CAP_HOUR],
		    starts[CAP_DAY], starts[CAP_WEEK], starts[CAP_MONTH]);
		while ((n = db_next(row)) == 1) {
			int64_t amount = row_int(row, 1);
			int64_t spent = row_int(row, 2);
			int w = 0;

			while (!str_eq(row_str(row, 0), str_of(cap_windows[w])))
				w++;
			window_add(&g->windows, o, w, starts[w]);
			if (amount - spent < g->cap_room) {
				g->cap_room = amount - spent;
				h->cap_owner = cap_owners[o];
				h->cap_window = cap_windows[w];
				h->cap_amount = amount;
				h->cap_spent = spent;
			}
		}
		if (n < 0)
			return false;
	}
	return true;
}

/* When the window that refused begins anew; 0: never. */
static int64_t
cap_retry(struct db *db, const char *window)
{
	static const enum zone_unit units[] = {
		[CAP_HOUR] = ZONE_HOUR, [CAP_DAY] = ZONE_DAY,
		[CAP_WEEK] = ZONE_WEEK, [CAP_MONTH] = ZONE_MONTH,
	};
	int64_t now = db_now(db);

	for (int w = 0; w < CAP_TOTAL; w++)
		if (window == cap_windows[w])
			return zone_next(db_site(db)->zone, units[w], now) -
			    now;
	return 0;
}

/*
 * How much can be set aside: the estimate, or, while nothing else of the
 * wallet is held, as little as `least`.
 */
static bool
credit_good(struct db *db, struct gate *g, struct hold_open *h)
{
	int64_t free = g->balance - g->held;
	int64_t room = free < g->cap_room ? free : g->cap_room;

	h->available = free;
	if (room >= g->want) {
		h->granted = g->want;
		return true;
	}
	if (g->held == 0 && h->least < h->held && room >= h->least) {
		h->granted = room;
		return true;
	}
	if (g->cap_room < free) {
		h->verdict = HOLD_CAP;
		h->retry_ms = cap_retry(db, h->cap_window);
	} else {
		h->verdict = HOLD_NO_CREDIT;
	}
	return false;
}

/* True: admitted.  False: h->verdict says why not. */
static bool
admitted(struct db *db, struct gate *g, struct hold_open *h)
{
	int64_t now = db_now(db);

	if (db_site(db)->frozen || db_site(db)->outdated)
		h->verdict = HOLD_CLOSED;
	else if (!g->key_on)
		h->verdict = HOLD_KEY_OFF;
	else if (!g->account_on)
		h->verdict = HOLD_ACCOUNT_OFF;
	else if (g->expires && g->expires <= now)
		h->verdict = HOLD_KEY_EXPIRED;
	else if (g->price != h->price)
		h->verdict = HOLD_NO_PRICE;
	else if (g->concurrency && g->open_holds >= g->concurrency)
		h->verdict = HOLD_CONCURRENCY;
	else
		return rpm_good(g, h) && tpm_good(g, h) &&
		    credit_good(db, g, h);
	return false;
}

/* The hold itself, and what it changes elsewhere. */
static bool
set_aside(struct db *db, const struct gate *g, struct hold_open *h,
    const struct owners *who)
{
	struct str windows = str_from(g->windows.text, g->windows.n);
	const int64_t *price = h->price ? &h->price : NULL;

	h->id = h->process << SERIAL_BITS | ++db_site(db)->serial;
	return db_run(db, &hold_part, ADD, "isiiiiiiIiiiiiissi", h->id,
		   str_from(h->request_id, ID_CHARS), h->process, db_now(db),
		   g->account, g->project, h->key, h->model, price,
		   h->markup_ppm, g->book, h->granted, h->bound,
		   h->prompt_tokens, g->tpm ? h->limit_tokens : (int64_t)0,
		   windows, str_of(h->endpoint), (int64_t)h->stream) == 1 &&
	    db_run(db, &hold_part, KEY_OPEN, "iiii", h->key, g->rpm_at,
		g->tpm_at, g->tpm_debt) == 1 &&
	    (h->granted == 0 ||
		db_run(db, &hold_part, BOOK_HOLD, "ii", g->book,
		    h->granted) == 1) &&
	    spend(db, who, windows, h->granted);
}

bool
hold_open_run(struct db *db, struct op *op)
{
	struct hold_open *h = holder(op, struct hold_open, op);
	int64_t starts[N_CAP_WINDOWS];
	struct owners who;
	struct gate g;
	int n;

	assert(h->least >= 0 && h->least <= h->held && h->held <= h->bound);
	assert(h->prompt_tokens >= 0 && h->limit_tokens >= 0);
	h->verdict = HOLD_KEY_OFF;
	h->id = h->granted = h->available = h->retry_ms = 0;
	h->cap_owner = h->cap_window = NULL;
	h->cap_amount = h->cap_spent = 0;

	n = gate_load(db, h, &g);
	if (n <= 0)
		return n == 0;
	if (g.book == 0) {
		g.book = ledger_wallet(db, g.account);
		if (g.book < 0)
			return false;
	}
	/* Calls of this account have cost more than their estimates. */
	g.want = h->held;
	if (g.raised_until > db_now(db))
		g.want = h->held > h->bound / 4 ? h->bound : h->held * 4;
	who = (struct owners){ { 0, g.account, g.project, h->key } };
	if (g.capped[CAP_SITE] || g.capped[CAP_ACCOUNT] ||
	    g.capped[CAP_PROJECT] || g.capped[CAP_KEY]) {
		cap_starts(db, starts);
		if (!caps_read(db, &g, h, &who, starts))
			return false;
	}
	if (!admitted(db, &g, h)) {
		/* So that a clock put back costs one burst, not the time. */
		return !g.clamped ||
		    db_run(db, &hold_part, KEY_CLAMP, "iii", h->key, g.rpm_at,
			g.tpm_at) == 1;
	}
	h->verdict = HOLD_OPENED;
	return set_aside(db, &g, h, &who);
}

/* --- progress ------------------------------------------------------------------------ */

bool
hold_progress_run(struct db *db, struct op *op)
{
	struct hold_progress *h = holder(op, struct hold_progress, op);

	return db_run(db, &hold_part, PROGRESS, "iIISiii", h->hold,
		   h->channel ? &h->channel : NULL,
		   h->credential ? &h->credential : NULL, h->upstream_model,
		   (int64_t)h->sent, (int64_t)h->started, h->out_tokens) >= 0;
}

/* --- a pending hold --------------------------------------------------------------------- */

struct pending {
	int64_t id;
	char request_id[ID_CHARS];
	int64_t opened, account, project, key, model, price, markup_ppm, book;
	int64_t held, bound, prompt_tokens, tpm_taken;
	char windows[WINDOWS_TEXT];
	size_t windows_n;
	char endpoint[32];
	bool stream;
	int64_t channel, credential;
	char upstream_model[256];
	bool sent, started;
	int64_t out_tokens;
};

static size_t
keep(char *out, size_t room, struct str s)
{
	size_t n = s.n < room ? s.n : room - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n;
}

static void
pending_read(struct row *row, struct pending *p)
{
	struct str id = row_str(row, 1);

	p->id = row_int(row, 0);
	memset(p->request_id, '0', ID_CHARS);
	memcpy(p->request_id, id.p, id.n < ID_CHARS ? id.n : ID_CHARS);
	p->opened = row_int(row, 2);
	p->account = row_int(row, 3);
	p->project = row_int(row, 4);
	p->key = row_int(row, 5);
	p->model = row_int(row, 6);
	p->price = row_int(row, 7);
	p->markup_ppm = row_int(row, 8);
	p->book = row_int(row, 9);
	p->held = row_int(row, 10);
	p->bound = row_int(row, 11);
	p->prompt_tokens = row_int(row, 12);
	p->tpm_taken = row_int(row, 13);
	p->windows_n = keep(p->windows, sizeof(p->windows), row_str(row, 14));
	keep(p->endpoint, sizeof(p->endpoint), row_str(row, 15));
	p->stream = row_int(row, 16);
	p->channel = row_int(row, 17);
	p->credential = row_int(row, 18);
	keep(p->upstream_model, sizeof(p->upstream_model), row_str(row, 19));
	p->sent = row_int(row, 20);
	p->started = row_int(row, 21);
	p->out_tokens = row_int(row, 22);
}

static int
pending_get(struct db *db, int64_t id, struct pending *p)
{
	struct row *row;
	int n = db_one(db, &hold_part, GET, &row, "i", id);

	if (n == 1)
		pending_read(row, p);
	return n;
}

static struct str
windows_of(const struct pending *p)
{
	return str_from(p->windows, p->windows_n);
}

static struct owners
owners_of(const struct pending *p)
{
	return (struct owners){ { 0, p->account, p->project, p->key } };
}

/* Free money of a book: balance not held by anybody.  -1: failed. */
static int64_t
free_of(struct db *db, int64_t book)
{
	struct row *row;

	if (db_one(db, &hold_part, MONEY, &row, "i", book) != 1)
		return -1;
	return row_int(row, 0) - row_int(row, 1);
}

/* --- extending ---------------------------------------------------------------------------- */

bool
hold_extend_run(struct db *db, struct op *op)
{
	struct hold_extend *h = holder(op, struct hold_extend, op);
	struct owners who;
	struct pending p;
	int64_t more, free, room;
	int n = pending_get(db, h->hold, &p);

	h->verdict = HOLD_NO_CREDIT;
	assert(h->more >= 0);
	if (n <= 0)
		return n == 0;
	who = owners_of(&p);
	more = h->more < p.bound - p.held ? h->more : p.bound - p.held;
	free = free_of(db, p.book);
	room = room_left(db, &who, windows_of(&p));
	if (free < 0 || room < 0)
		return false;
	if (more > free || more > room) {
		h->verdict = more > free ? HOLD_NO_CREDIT : HOLD_CAP;
		return true;
	}
	h->verdict = HOLD_OPENED;
	return more == 0 ||
	    (db_run(db, &hold_part, EXTEND, "ii", h->hold, more) == 1 &&
		db_run(db, &hold_part, BOOK_HOLD, "ii", p.book, more) == 1 &&
		spend(db, &who, windows_of(&p), more));
}

/* --- settling --------------------------------------------------------------------------------- */

/* What is charged: from the hold, beyond it from free money, and lost. */
struct bill {
	int64_t charged, lost;
};

static bool
reckon(struct db *db, const struct pending *p, int64_t charge,
    struct bill *bill)
{
	struct owners who = owners_of(p);
	int64_t rest, free, room;

	if (charge > p->bound)
		charge = p->bound;
	bill->charged = charge;
	bill->lost = 0;
	if (charge <= p->held)
		return true;
	rest = charge - p->held;
	free = free_of(db, p->book);
	room = room_left(db, &who, windows_of(p));
	if (free < 0 || room < 0)
		return false;
	if (room < free)
		free = room;
	if (free < rest) {
		bill->lost = rest - free;
		bill->charged = charge - bill->lost;
	}
	return true;
}

/* The attempts as a JSON list (schema, table usage). */
static void
attempts_text(const struct usage_row *u, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < u->n_attempts; i++) {
		const struct attempt_row *t = &u->attempts[i];

		if (i)
			buf_char(out, ',');
		buf_char(out, '[');
		buf_int(out, t->channel);
		buf_char(out, ',');
		buf_int(out, t->credential);
		buf_char(out, ',');
		buf_json(out, t->upstream_model);
		buf_char(out, ',');
		buf_int(out, t->started);
		buf_char(out, ',');
		buf_int(out, t->ms);
		buf_char(out, ',');
		buf_int(out, t->status);
		buf_char(out, ',');
		buf_json(out, t->outcome);
		buf_char(out, ']');
	}
	buf_char(out, ']');
}

static bool
add_usage(struct db *db, const struct pending *p, const struct usage_row *u,
    int64_t charged)
{
	struct str none = { NULL, 0 };
	struct buf attempts = BUF_HEAP(65536);
	const int64_t *n = u->use.n;
	int64_t price = u->price ? u->price : p->price;
	bool ok;

	attempts_text(u, &attempts);
	ok = !attempts.full &&
	    db_run(db, &hold_part, USAGE,
		"siiiiiisSsiIIsiSiiiiiiiiiiiiiIIiiIiisSs",
		str_from(p->request_id, ID_CHARS), db_now(db), p->account,
		p->project, p->key, p->model, p->book, u->asked,
		u->served.n ? u->served : none, str_of(p->endpoint),
		(int64_t)p->stream, u->channel ? &u->channel : NULL,
		u->credential ? &u->credential : NULL,
		str_of(usage_states[u->state]), (int64_t)u->status,
		u->fault ? str_of(u->fault) : none, (int64_t)u->estimated,
		n[BUCKET_INPUT], n[BUCKET_CACHE_READ], n[BUCKET_CACHE_WRITE],
		n[BUCKET_CACHE_WRITE_1H], n[BUCKET_OUTPUT],
		n[BUCKET_REASONING], n[BUCKET_REQUEST], charged, u->cost,
		u->list, p->held, p->bound, price ? &price : NULL,
		u->cost_price ? &u->cost_price : NULL, p->markup_ppm,
		u->cost_ppm, u->first_ms >= 0 ? &u->first_ms : NULL,
		u->total_ms, u->weir_us, buf_str(&attempts),
		u->end_user.n ? u->end_user : none, u->remarks) == 1;
	buf_release(&attempts);
	return ok;
}

/* Cost without a charge, and charge without money: to the loss book. */
static bool
book_losses(struct db *db, const struct pending *p, int64_t cost,
    int64_t excess)
{
	struct str id = str_from(p->request_id, ID_CHARS);
	int64_t now = db_now(db);

	if (cost > 0 && !ledger_transfer(db, BOOK_LOSS, BOOK_CLEARING, cost,
		S("loss"), S("upstream cost nobody pays"), id))
		return false;
	if (excess == 0)
		return true;
	log_line(LOG_WARN, "alert: call %.*s of account %" PRId64 " cost %"
	    PRId64 " nano-dollars more than could be charged",
	    STR_ARGS(id), p->account, excess);
	return ledger_transfer(db, BOOK_LOSS, BOOK_REVENUE, excess,
		   S("excess"), S("beyond the hold and what was free"), id) &&
	    db_run(db, &hold_part, EXCESS, "iiii", p->account, now,
		now - HOUR_MS, now + 24 * (int64_t)HOUR_MS) == 1;
}

static bool
limits_back(struct db *db, const struct pending *p, int64_t charged,
    int64_t tokens_used)
{
	int64_t more;

	if (tokens_used > INT32_MAX)
		tokens_used = INT32_MAX;
	more = p->tpm_taken ? tokens_used - p->tpm_taken : 0;
	return db_run(db, &hold_part, KEY_CLOSE, "iii", p->key, charged,
		   more) == 1 &&
	    (more <= 0 ||
		db_run(db, &hold_part, KEY_DEBT, "ii", p->key,
		    db_now(db) * 1000 + MINUTE_US) == 1);
}

/* Everything a settlement writes. */
static bool
close_hold(struct db *db, const struct pending *p, const struct usage_row *u,
    int64_t tokens_used, const struct bill *bill)
{
	struct owners who = owners_of(p);

	if (db_run(db, &hold_part, DROP, "i", p->id) != 1)
		return db_stop(db, "hold %" PRId64 " could not be closed once",
		    p->id);
	if (bill->charged < 0 || bill->charged > p->bound || u->cost < 0 ||
	    u->loss < 0 || bill->lost < 0)
		return db_stop(db, "charge %" PRId64 " of hold %" PRId64
		    " is not within 0 and its bound %" PRId64, bill->charged,
		    p->id, p->bound);
	ledger_tell_wallet(db, -bill->charged);
	ledger_tell(db, BOOK_REVENUE, bill->charged);
	ledger_tell(db, BOOK_COST, -u->cost);
	ledger_tell(db, BOOK_CLEARING, u->cost);
	return ((bill->charged == 0 && p->held == 0) ||
		   db_run(db, &hold_part, BOOK_SETTLE, "iii", p->book,
		       bill->charged, p->held) == 1) &&
	    add_usage(db, p, u, bill->charged) &&
	    limits_back(db, p, bill->charged, tokens_used) &&
	    spend(db, &who, windows_of(p), bill->charged - p->held) &&
	    book_losses(db, p, u->loss, bill->lost);
}

/* A CHECK, UNIQUE or FOREIGN KEY that refuses a settlement is an invariant. */
static bool
held_good(struct db *db, bool ok, const struct pending *p)
{
	if (!ok && db_trouble(db) == DB_REFUSED)
		return db_stop(db, "hold %" PRId64 " (%.26s): %s", p->id,
		    p->request_id, db_words(db));
	return ok;
}

bool
hold_settle_run(struct db *db, struct op *op)
{
	struct hold_settle *h = holder(op, struct hold_settle, op);
	struct bill bill;
	struct pending p;
	int n;

	assert(h->row.charge >= 0 && h->row.cost >= 0 && h->row.loss >= 0);
	assert(h->row.state < N_USAGE_STATES && h->tokens_used >= 0);
	h->settled = false;
	h->charged = h->lost = 0;
	n = pending_get(db, h->hold, &p);
	if (n <= 0)
		return n == 0;
	if (memcmp(p.request_id, h->row.request_id, ID_CHARS) != 0)
		return db_stop(db, "hold %" PRId64 " is of call %.26s, not "
		    "%.26s", p.id, p.request_id, h->row.request_id);
	if (!reckon(db, &p, h->row.charge, &bill) ||
	    !held_good(db, close_hold(db, &p, &h->row, h->tokens_used, &bill),
		&p))
		return false;
	h->settled = true;
	h->charged = bill.charged;
	h->lost = bill.lost;
	return true;
}

/* --- the holds of the dead --------------------------------------------------------------------- */

/*
 * What the upstream asks for some use: the channel's own price, or its share
 * of the list price.
 */
static bool
upstream_cost(struct db *db, const struct pending *p,
    const struct price *list, const struct buckets *use, struct usage_row *u)
{
	struct price_row row;
	struct price own;
	int64_t ppm;
	int n;

	if (p->channel == 0)
		return true;
	n = price_find(db, p->model, p->channel, p->opened, &row);
	if (n < 0 || (ppm = channel_cost_ppm(db, p->channel)) < 0)
		return false;
	if (n == 1 && price_fill(row.given, &own)) {
		u->cost_price = row.id;
		u->cost_ppm = PPM;
		return price_charge(&own, use, PPM, &u->cost);
	}
	u->cost_ppm = ppm;
	return price_charge(list, use, ppm, &u->cost);
}

/*
 * The policy for a call whose process died.  Nothing had come: the caller
 * pays nothing, what the prompt may have cost is our loss.  Something had
 * come: the prompt and what was journalled are charged, as an estimate.
 */
static bool
crash_bill(struct db *db, const struct pending *p, struct usage_row *u)
{
	struct buckets use = { .n = { [BUCKET_INPUT] = p->prompt_tokens,
				   [BUCKET_OUTPUT] = p->out_tokens,
				   [BUCKET_REQUEST] = 1 } };
	struct price list = { 0 };
	struct price_row row;

	if (p->price && (price_get(db, p->price, &row) != 1 ||
			    !price_fill(row.given, &list)))
		return db_stop(db, "price %" PRId64 " of hold %" PRId64
		    " is gone", p->price, p->id);
	u->cost_ppm = PPM;
	if (!p->sent && !p->started)
		return true;
	if (!upstream_cost(db, p, &list, &use, u))
		return false;
	if (!p->started) {
		u->loss = u->cost;
		u->cost = 0;
		return true;
	}
	u->use = use;
	u->estimated = true;
	return price_charge(&list, &use, p->markup_ppm, &u->charge) &&
	    price_charge(&list, &use, PPM, &u->list);
}

static bool
resolve(struct db *db, const struct pending *p)
{
	struct attempt_row attempt = {
		.channel = p->channel,
		.credential = p->credential,
		.upstream_model = str_of(p->upstream_model),
		.started = p->opened,
		.ms = db_now(db) > p->opened ? db_now(db) - p->opened : 0,
		.outcome = S("crash"),
	};
	struct usage_row u = {
		.state = USAGE_CRASH,
		.channel = p->channel,
		.credential = p->credential,
		.fault = "CRASH",
		.first_ms = -1,
		.total_ms = attempt.ms,
		.attempts = &attempt,
		.n_attempts = p->sent || p->started,
	};
	struct model_row model;
	struct bill bill;
	struct arena a;
	bool ok;

	arena_init(&a);
	memcpy(u.request_id, p->request_id, ID_CHARS);
	ok = model_get(db, &a, p->model, &model) >= 0;
	if (ok) {
		u.asked = model.name;
		ok = crash_bill(db, p, &u) && reckon(db, p, u.charge, &bill) &&
		    held_good(db, close_hold(db, p, &u,
				      p->started ? p->prompt_tokens +
					      p->out_tokens
						 : 0,
				      &bill), p);
	}
	arena_release(&a);
	return ok;
}

/* All holds of one dead process; how many, or -1. */
static int
resolve_all(struct db *db, int64_t process)
{
	struct pending *list = xalloc(1000 * sizeof(*list));
	int total = 0, n, got;

	do {
		struct row *row = db_each(db, &hold_part, OF_PROCESS, "i",
		    process);

		n = 0;
		while (n < 1000 && (got = db_next(row)) == 1)
			pending_read(row, &list[n++]);
		db_reset(row);
		for (int i = 0; i < n; i++)
			if (!resolve(db, &list[i]))
				goto failed;
		total += n;
	} while (n == 1000 && !db_failed(db));
	free(list);
	return db_failed(db) ||
		db_run(db, &hold_part, BURY, "i", process) < 0
	    ? -1
	    : total;
failed:
	free(list);
	return -1;
}

bool
hold_any_dead(struct store *s, struct db *db)
{
	struct row *row = db_each(db, &hold_part, PROCESSES, "");
	bool dead = false;

	while (!dead && db_next(row) == 1) {
		int64_t id = row_int(row, 0);

		dead = id != store_process(s) &&
		    !lock_held(store_lock(s), id);
	}
	db_reset(row);
	return dead;
}

int
hold_recover(struct store *s, struct db *db)
{
	struct row *row = db_each(db, &hold_part, PROCESSES, "");
	struct buf ids = BUF_HEAP(1 << 20);
	int total = 0, n;
	int64_t id;

	while (db_next(row) == 1) {
		id = row_int(row, 0);
		buf_put(&ids, str_from(&id, sizeof(id)));
	}
	for (size_t at = 0; at < ids.n && total >= 0; at += sizeof(id)) {
		memcpy(&id, ids.p + at, sizeof(id));
		if (!store_dead(s, id))
			continue;
		n = resolve_all(db, id);
		store_bury(s, id);
		if (n > 0)
			log_line(LOG_WARN, "store: process %" PRId64 " died: "
			    "resolved %d calls of it", id, n);
		total = n < 0 ? -1 : total + n;
	}
	buf_release(&ids);
	return db_failed(db) ? -1 : total;
}
