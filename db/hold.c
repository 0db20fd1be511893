/* SPDX-License-Identifier: MIT */
/*
 * hold.c - admission: money is set aside for a call; see hold.h.
 *
 * Every operation reads and decides before its first write.  Keys, wallets,
 * caps and prices are read and changed in the tab (tab.h), so that a batch
 * mostly writes.
 *
 * Not here: how a hold ends (settle.c), or ends for a dead process (crash.c).
 */
#include "db/hold.h"

#include <assert.h>
#include <stdio.h>

#include "db/gcra.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/schema.h"
#include "db/settle.h"
#include "db/subscription.h"
#include "db/tab.h"
#include "fcgi/base/mem.h"

enum { SERIAL_BITS = 36 };

enum { ADD, PROGRESS, EXTEND, N_SQL };
static const char *const sql[N_SQL] = {
	[ADD] =
	    "INSERT INTO /*tab*/ hold(id, request_id, process, opened, account, "
	    "project, key, model, price, markup_ppm, book, held, bound, "
	    "prompt_tokens, tpm_taken, windows, endpoint, stream, unit, units, "
	    "tokens, minimum, floor, covered, parts, discount_ppm) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
	    "?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, "
	    "?26)",
	[PROGRESS] =
	    "UPDATE /*tab*/ hold SET channel = coalesce(?2, channel), "
	    "credential = coalesce(?3, credential), "
	    "upstream_model = coalesce(?4, upstream_model), "
	    "sent = max(sent, ?5), started = max(started, ?6), "
	    "out_tokens = max(out_tokens, ?7), serves = coalesce(?8, serves), "
	    "serves_price = coalesce(?9, serves_price) WHERE id = ?1",
	[EXTEND] =
	    "UPDATE /*tab*/ hold "
	    "SET held = held + ?2, tokens = tokens + ?3, parts = ?4 "
	    "WHERE id = ?1",
};
const struct db_part hold_part = { "hold", sql, N_SQL };

/* The cap that has least room, of those in its unit. */
struct tightest {
	enum cap_owner kind;
	enum cap_window window;
	int64_t amount, spent;
	int64_t room;			/* MONEY_MAX: there is no cap */
};

/* What an admission looks at, and what it makes of it. */
struct gate {
	struct db *db;
	const struct tab_facts *facts;
	struct tab_key *key;
	struct funds funds;		/* what there is to pay with */
	struct parts parts;		/* what of it is drawn */
	bool priced;			/* as planned */
	int64_t now_us;
	struct gcra clocks;		/* if it is admitted */
	int64_t want;			/* to hold */
	struct pending p;		/* owners and windows of the hold */
	struct tightest money, tokens;
};

/* --- limits --------------------------------------------------------------- */

static bool
rpm_good(struct gate *g, struct hold_open *h)
{
	if (gcra_request(&g->clocks, g->key->rpm, g->now_us, &h->retry_ms))
		return true;
	h->verdict = HOLD_RPM;
	return false;
}

static bool
tpm_good(struct gate *g, struct hold_open *h)
{
	if (gcra_tokens(&g->clocks, g->key->tpm, h->limit_tokens, g->now_us,
	    &h->retry_ms))
		return true;
	h->verdict = HOLD_TPM;
	return false;
}

/* --- caps ----------------------------------------------------------------- */

/* Counts the hold into the windows of one owner. */
static bool
caps_of(struct gate *g, enum cap_owner kind, int64_t owner)
{
	struct tab_caps *c = tab_caps(g->db, kind, owner);
	char item[CAP_ITEM];

	if (!c)
		return false;
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		struct tightest *t = w < CAP_HOUR_TOKENS ? &g->money :
		    &g->tokens;
		struct str s;

		if (c->amount[w] < 0)
			continue;
		s = cap_item(kind, (enum cap_window)w, c->start[w], item);
		assert(g->p.windows_n + s.n < WINDOWS_TEXT);
		memcpy(g->p.text + g->p.windows_n, s.p, s.n);
		g->p.windows_n += s.n;
		if (c->amount[w] - c->spent[w] < t->room)
			*t = (struct tightest){ kind, (enum cap_window)w,
				c->amount[w], c->spent[w],
				c->amount[w] - c->spent[w] };
	}
	return true;
}

static bool
caps_read(struct gate *g)
{
	const struct tab_key *k = g->key;

	return (!g->facts->capped || caps_of(g, CAP_SITE, 0)) &&
	    (!k->capped[2] || caps_of(g, CAP_ACCOUNT, k->account)) &&
	    (!k->capped[1] || caps_of(g, CAP_PROJECT, k->project)) &&
	    (!k->capped[0] || caps_of(g, CAP_KEY, k->id));
}

static bool
over_cap(struct gate *g, struct hold_open *h, const struct tightest *t)
{
	int64_t end = cap_end(g->db, t->window);

	h->verdict = HOLD_CAP;
	h->cap_owner = cap_owners[t->kind];
	h->cap_window = cap_windows[t->window];
	h->cap_amount = t->amount;
	h->cap_spent = t->spent;
	h->cap_tokens = cap_of_tokens(t->window);
	h->cap_until = end;
	h->retry_ms = end ? end - db_now(g->db) : 0;
	return false;
}

/* --- admission ------------------------------------------------------------ */

/* Does an allowance in tokens or requests take it alone? */
static bool
covered(struct gate *g, struct hold_open *h)
{
	/* Tokens do not pay for pictures, seconds and the like. */
	int64_t tokens = h->units ? 0 : h->limit_tokens;
	const struct source *s = funds_cover(&g->funds, g->want, tokens);

	if (!s)
		return false;
	g->p.covered = s->unit;
	parts_add(&g->parts, s->book, s->unit == UNIT_TOKEN ? tokens : 1);
	h->granted = g->want;
	/* Its stream asks for more when it has made these. */
	h->counts_tokens |= s->unit == UNIT_TOKEN;
	return true;
}

/* What is set aside is drawn, in order. */
static bool
grant(struct gate *g, struct hold_open *h, int64_t money)
{
	int64_t missing = funds_take(&g->funds, money, &g->parts);

	assert(missing == 0);
	h->granted = money;
	return true;
}

/* Which subscription does not let the wallet pay. */
static void
tell_package(const struct gate *g, struct hold_open *h)
{
	struct subscription s;
	struct arena a;

	arena_init(&a);
	if (subscription_get(g->db, &a, g->funds.closed, &s) == 1) {
		snprintf(h->package, sizeof(h->package), "%.*s",
		    STR_ARGS(s.package_name));
		h->package_until = s.span.until_ms;
		h->package_ends = subscription_last(&s);
	}
	arena_release(&a);
}

/*
 * How much can be set aside: the estimate, or, while nothing else of the
 * account is held, as little as `least`.
 */
static bool
credit_good(struct gate *g, struct hold_open *h)
{
	int64_t free = funds_money(&g->funds);
	int64_t room = free < g->money.room ? free : g->money.room;

	/* A cap may be below what was spent: what is free passes it. */
	if (room < 0)
		room = 0;
	h->available = free;
	if (covered(g, h))
		return true;
	if (room >= g->want)
		return grant(g, h, g->want);
	if (h->least < h->held && room >= h->least &&
	    !funds_any_held(&g->funds))
		return grant(g, h, room);
	if (g->money.room < free)
		return over_cap(g, h, &g->money);
	h->verdict = HOLD_NO_CREDIT;
	if (g->funds.closed)
		tell_package(g, h);
	h->quota_tokens = funds_most(&g->funds, UNIT_TOKEN);
	h->quota_requests = funds_most(&g->funds, UNIT_REQUEST);
	return false;
}

/* Tokens are not lent: who asks for more than is left may ask for less. */
static bool
tokens_good(struct gate *g, struct hold_open *h)
{
	h->counts_tokens = g->tokens.room < MONEY_MAX;
	return h->limit_tokens == 0 || h->limit_tokens <= g->tokens.room ||
	    over_cap(g, h, &g->tokens);
}

/* True: admitted.  False: h->verdict says why not. */
static bool
admitted(struct gate *g, struct hold_open *h)
{
	const struct tab_key *k = g->key;

	if (g->facts->frozen || g->facts->min_reader > schema_count)
		h->verdict = HOLD_CLOSED;
	else if (!k->on)
		h->verdict = HOLD_KEY_OFF;
	else if (!k->account_on)
		h->verdict = HOLD_ACCOUNT_OFF;
	else if (k->expires && k->expires <= db_now(g->db))
		h->verdict = HOLD_KEY_EXPIRED;
	else if (!g->priced)
		h->verdict = HOLD_NO_PRICE;
	else if (k->concurrency && k->open_holds >= k->concurrency)
		h->verdict = HOLD_CONCURRENCY;
	else
		return rpm_good(g, h) && tpm_good(g, h) &&
		    tokens_good(g, h) && credit_good(g, h);
	return false;
}

/* Are the prices in force those that the call was planned at? */
static bool
prices_read(struct gate *g, const struct hold_open *h)
{
	int64_t price = tab_price(g->db, g->key, h->model);

	g->priced = price == h->price;
	for (int i = 0; i < h->n_others && price >= 0; i++) {
		price = tab_price(g->db, g->key, h->others[i].model);
		g->priced &= price == h->others[i].price;
	}
	return price >= 0;
}

/*
 * The key, and what its account has to pay with: before anything else, for
 * the tab may forget what it knows when a period begins.
 */
static int
payer_load(struct gate *g, int64_t key)
{
	struct tab_key *k = tab_key(g->db, key);

	if (!k || !k->known)
		return k ? 0 : -1;
	if (k->book == 0)
		k->book = ledger_wallet(g->db, k->account);
	if (k->book <= 0 || !funds_load(g->db, k->account, k->book, k->funded,
	    &g->funds))
		return -1;
	g->key = tab_key(g->db, key);
	g->parts.n = 0;
	return g->key && g->key->known ? 1 : -1;
}

/* 1 and the gate is filled, 0 no such key, -1 the database failed. */
static int
gate_load(struct gate *g, struct hold_open *h)
{
	int n = payer_load(g, h->key);
	struct tab_key *k = g->key;

	if (n <= 0)
		return n;
	g->facts = tab_facts(g->db);
	if (!g->facts || !prices_read(g, h))
		return -1;
	g->now_us = db_now(g->db) * 1000;
	g->clocks = (struct gcra){ k->rpm_at, k->tpm_at, k->tpm_debt, false };
	g->money.room = g->tokens.room = MONEY_MAX;
	g->p.windows_n = g->p.parts_n = 0;
	g->p.covered = UNIT_USD;
	g->p.account = k->account;
	g->p.project = k->project;
	g->p.key = k->id;
	/* Calls of this account have cost more than their estimates. */
	g->want = h->held;
	if (k->raised_until > db_now(g->db))
		g->want = h->held > h->bound / 4 ? h->bound : h->held * 4;
	return caps_read(g) ? 1 : -1;
}

/* The hold itself, and what it changes elsewhere. */
static bool
set_aside(struct gate *g, struct hold_open *h)
{
	struct str windows = str_from(g->p.text, g->p.windows_n);
	struct str none = { NULL, 0 };
	const int64_t *price = h->price ? &h->price : NULL;
	struct tab_key *k = g->key;
	struct pending *p = &g->p;
	struct db *db = g->db;

	h->id = p->id = h->process << SERIAL_BITS | ++db_site(db)->serial;
	memcpy(p->request_id, h->request_id, ID_CHARS);
	p->opened = db_now(db);
	p->model = h->model;
	p->price = h->price;
	p->markup_ppm = h->markup_ppm;
	p->book = k->book;
	p->held = p->covered ? 0 : h->granted;
	p->bound = h->bound;
	p->prompt_tokens = h->prompt_tokens;
	p->tokens = h->limit_tokens;
	p->tpm_taken = k->tpm ? h->limit_tokens : 0;
	p->stream = h->stream;
	p->unit = h->unit;
	p->units = h->units;
	p->minimum = h->minimum;
	p->floor = h->floor;
	snprintf(p->endpoint, sizeof(p->endpoint), "%s", h->endpoint);
	pending_set_parts(p, &g->parts);
	if (db_run(db, &hold_part, ADD, "isiiiiiiIiiiiiissiSiiiiSSI", p->id,
		str_from(p->request_id, ID_CHARS), h->process, p->opened,
		p->account, p->project, p->key, p->model, price,
		p->markup_ppm, p->book, p->held, p->bound, p->prompt_tokens,
		p->tpm_taken, windows, str_of(p->endpoint),
		(int64_t)p->stream, p->units ?
		str_of(bucket_names[p->unit]) : none, p->units, p->tokens,
		p->minimum, (int64_t)p->floor, p->covered ?
		str_of(unit_names[p->covered]) : none,
		pending_parts_text(p), p->discount_ppm < 0 ? NULL :
		&p->discount_ppm) != 1)
		return false;
	pending_keep(db, p);
	k->rpm_at = g->clocks.rpm_at;
	k->tpm_at = g->clocks.tpm_at;
	k->tpm_debt = g->clocks.tpm_debt;
	tab_key_open(db, k);
	for (int i = 0; i < g->parts.n; i++)
		tab_book_add(db, g->parts.list[i].book, 0,
		    g->parts.list[i].amount);
	return pending_spend(db, p, p->held, p->tokens, false);
}

static void
tell_left(const struct gate *g, const struct gcra *clocks, struct hold_open *h)
{
	if (g->key->rpm || g->key->tpm)
		gcra_left(clocks, g->key->rpm, g->key->tpm, g->now_us,
		    &h->left);
}

/* What the call costs less, for what was charged in the period so far. */
static bool
discount(struct gate *g, struct hold_open *h)
{
	g->p.discount_ppm = -1;
	if (!g->funds.volume)
		return true;
	if (!subscription_discount(g->db, g->p.account, &h->discount_ppm))
		return false;
	g->p.discount_ppm = h->discount_ppm;
	return true;
}

bool
hold_open_run(struct db *db, struct op *op)
{
	struct hold_open *h = holder(op, struct hold_open, op);
	struct gate g;
	int n;

	assert(h->least >= 0 && h->least <= h->held && h->held <= h->bound);
	assert(h->prompt_tokens >= 0 && h->limit_tokens >= 0);
	assert(h->minimum >= 0);
	assert(h->unit < N_BUCKETS && h->units >= 0);
	assert(h->n_others >= 0 && h->n_others <= HOLD_OTHERS);
	h->verdict = HOLD_KEY_OFF;
	h->id = h->granted = h->available = h->retry_ms = 0;
	h->cap_owner = h->cap_window = NULL;
	h->cap_amount = h->cap_spent = h->cap_until = 0;
	h->cap_tokens = h->counts_tokens = false;
	h->quota_tokens = h->quota_requests = -1;
	h->discount_ppm = h->package_until = 0;
	h->package[0] = '\0';
	h->package_ends = false;
	h->left = (struct gcra_left){ 0 };

	g.db = db;
	n = gate_load(&g, h);
	if (n <= 0)
		return n == 0;
	if (admitted(&g, h)) {
		h->verdict = HOLD_OPENED;
		if (!discount(&g, h))
			return false;
		tell_left(&g, &g.clocks, h);
		return set_aside(&g, h);
	}
	tell_left(&g, &(struct gcra){ g.key->rpm_at, g.key->tpm_at,
	    g.key->tpm_debt, false }, h);
	/* So that a clock put back costs one burst, not the time. */
	if (g.clocks.clamped) {
		g.key->rpm_at = g.clocks.rpm_at;
		g.key->tpm_at = g.clocks.tpm_at;
		tab_key_clocks(db, g.key);
	}
	return true;
}

/* --- while it runs -------------------------------------------------------- */

bool
hold_progress_run(struct db *db, struct op *op)
{
	struct hold_progress *h = holder(op, struct hold_progress, op);

	return db_run(db, &hold_part, PROGRESS, "iIISiiiII", h->hold,
		   h->channel ? &h->channel : NULL,
		   h->credential ? &h->credential : NULL, h->upstream_model,
		   (int64_t)h->sent, (int64_t)h->started, h->out_tokens,
		   h->model ? &h->model : NULL,
		   h->price ? &h->price : NULL) >= 0;
}

/* More of the allowance that covers it, or of the account's money. */
static bool
draw_more(struct db *db, const struct pending *p, int64_t money,
    int64_t tokens, struct parts *parts, bool *enough)
{
	struct funds f;

	*enough = true;
	if (p->covered ? tokens == 0 : money == 0)
		return true;
	if (!pending_funds(db, p, &f))
		return false;
	if (p->covered == UNIT_USD) {
		*enough = funds_money(&f) >= money &&
		    funds_take(&f, money, parts) == 0;
	} else if (p->covered == UNIT_TOKEN) {
		*enough = funds_free(&f, parts->list[0].book) >= tokens &&
		    parts_add(parts, parts->list[0].book, tokens);
	}
	return true;
}

/* What was added to the parts is held too. */
static void
hold_more(struct db *db, const struct parts *was, const struct parts *is)
{
	for (int i = 0; i < is->n; i++) {
		int64_t more = is->list[i].amount;

		if (i < was->n)
			more -= was->list[i].amount;
		if (more)
			tab_book_add(db, is->list[i].book, 0, more);
	}
}

bool
hold_extend_run(struct db *db, struct op *op)
{
	struct hold_extend *h = holder(op, struct hold_extend, op);
	struct parts was, is;
	struct pending p;
	struct room room;
	int64_t more;
	bool enough;
	int n = pending_get(db, h->hold, &p);

	h->verdict = HOLD_NO_CREDIT;
	assert(h->more >= 0 && h->more_tokens >= 0);
	if (n <= 0)
		return n == 0;
	more = h->more < p.bound - p.held ? h->more : p.bound - p.held;
	if (p.covered)
		more = 0;
	if (!pending_room(db, &p, &room) || !pending_parts(db, &p, &was))
		return false;
	is = was;
	if (!draw_more(db, &p, more, h->more_tokens, &is, &enough))
		return false;
	if (!enough || more > room.money || h->more_tokens > room.tokens) {
		h->verdict = enough ? HOLD_CAP : HOLD_NO_CREDIT;
		return true;
	}
	h->verdict = HOLD_OPENED;
	if (more == 0 && h->more_tokens == 0)
		return true;
	tab_hold_drop(db, h->hold);
	hold_more(db, &was, &is);
	pending_set_parts(&p, &is);
	return db_run(db, &hold_part, EXTEND, "iiiS", h->hold, more,
		   h->more_tokens, pending_parts_text(&p)) == 1 &&
	    pending_spend(db, &p, more, h->more_tokens, false);
}
