/* SPDX-License-Identifier: MIT */
/*
 * tab.c - what calls read and change in keys and wallets; see tab.h.
 *
 * Its tables are bounded: one that has grown too large is emptied before the
 * next transaction.  Caps are in tab_caps.c.
 */
#include "db/tab.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "db/gcra.h"
#include "db/tab_part.h"
#include "fcgi/base/mem.h"

enum { MOST_ITEMS = 4096 };

enum { FACTS, PRICE, KEY, BOOK, KEY_WRITE, BOOK_MOVE, N_SQL };
static const char *const sql[N_SQL] = {
	[FACTS] = "SELECT min_reader, "
		  "EXISTS (SELECT 1 FROM setting WHERE name = 'frozen'), "
		  "EXISTS (SELECT 1 FROM cap WHERE owner_kind = 'site'), "
		  "EXISTS (SELECT 1 FROM price WHERE grp IS NOT NULL) OR "
		  "EXISTS (SELECT 1 FROM price WHERE account IS NOT NULL) "
		  "FROM schema WHERE id = 1",
	/* The row in force, and when that may change. */
	[PRICE] =
	    "SELECT (SELECT id FROM price WHERE model = ?1 AND channel IS NULL "
	    "AND grp IS ?3 AND account IS ?4 AND from_ms <= ?2 AND (until_ms IS NULL OR until_ms > ?2) "
	    "ORDER BY from_ms DESC, id DESC LIMIT 1), "
	    "(SELECT min(CASE WHEN from_ms > ?2 THEN from_ms ELSE until_ms "
	    "END) FROM price WHERE model = ?1 AND channel IS NULL "
	    "AND grp IS ?3 AND account IS ?4 "
	    "AND (from_ms > ?2 OR until_ms > ?2))",
	[KEY] =
	    "SELECT k.enabled AND p.enabled AND k.revoked IS NULL, a.enabled, "
	    "k.expires, k.rpm, k.tpm, k.concurrency, m.rpm_at, m.tpm_at, "
	    "m.tpm_debt, m.open_holds, k.project, k.account, k.capped, "
	    "p.capped, a.capped, a.raised_until, a.wallet, "
	    "a.grp, EXISTS (SELECT 1 FROM allowance n "
	    "WHERE n.account = a.id AND n.closed IS NULL) "
	    "OR EXISTS (SELECT 1 FROM subscription s "
	    "WHERE s.account = a.id AND s.ended IS NULL) "
	    "FROM key k JOIN meter m ON m.key = k.id "
	    "JOIN project p ON p.id = k.project "
	    "JOIN account a ON a.id = k.account WHERE k.id = ?1",
	[BOOK] = "SELECT balance, held, credit FROM book WHERE id = ?1",
	[KEY_WRITE] =
	    "UPDATE /*tab*/ meter SET open_holds = open_holds + ?2, "
	    "used = used + ?3, rpm_at = ?4, tpm_at = ?5, tpm_debt = ?6, "
	    "tokens = tokens + ?7 WHERE key = ?1",
	[BOOK_MOVE] =
	    ("UPDATE /*tab*/ book SET balance = balance + ?2, held = held + ?3 "
	     "WHERE id = ?1"),
};
const struct db_part tab_part = { "tab", sql, N_SQL };

struct tab *
tab_new(void)
{
	struct tab *t = xnew(struct tab);

	tab_table_init(&t->keys, sizeof(struct tab_key));
	tab_table_init(&t->books, sizeof(struct tab_book));
	tab_table_init(&t->caps, sizeof(struct tab_caps));
	tab_table_init(&t->prices, sizeof(struct tab_price));
	tab_table_init(&t->funds, sizeof(struct tab_funds));
	t->round = 1;
	return t;
}

void
tab_free(struct tab *t)
{
	if (!t)
		return;
	tab_table_release(&t->keys);
	tab_table_release(&t->books);
	tab_table_release(&t->caps);
	tab_table_release(&t->prices);
	tab_table_release(&t->funds);
	free(t->holds);
	free(t);
}

void
tab_clear(struct tab *t)
{
	tab_table_clear(&t->keys);
	tab_table_clear(&t->books);
	tab_table_clear(&t->caps);
	tab_table_clear(&t->prices);
	tab_table_clear(&t->funds);
	t->looked = t->distrusted = false;
	t->round++;
}

static bool
unwritten(const struct tab *t)
{
	return t->keys.n_dirty || t->books.n_dirty || t->caps.n_dirty;
}

void
tab_begin(struct tab *t, bool same)
{
	assert(!unwritten(t));
	if (!same || t->distrusted || t->keys.n > MOST_ITEMS ||
	    t->books.n > MOST_ITEMS || t->caps.n > MOST_ITEMS ||
	    t->prices.n > MOST_ITEMS || t->funds.n > MOST_ITEMS)
		tab_clear(t);
}

/* Changes that are not yet written are of rows the statement lets alone: its
 * caller would have flushed. */
void
tab_distrust(struct tab *t)
{
	if (unwritten(t))
		t->distrusted = true;
	else
		tab_clear(t);
}

/* --- the site, prices ----------------------------------------------------- */

const struct tab_facts *
tab_facts(struct db *db)
{
	struct tab *t = db_tab(db);
	struct row *row;

	if (t->looked)
		return &t->facts;
	if (db_one(db, &tab_part, FACTS, &row, "") != 1)
		return NULL;
	t->facts = (struct tab_facts){ .min_reader = row_int(row, 0),
		.frozen = row_int(row, 1), .capped = row_int(row, 2),
		.sales = row_int(row, 3) };
	t->looked = true;
	return &t->facts;
}

/* The price of a model that a group or an account (0: none) has. */
static int64_t
price_of(struct db *db, int64_t model, int64_t group, int64_t account)
{
	/* Ids are counted from 1: none of them is this large. */
	int64_t id = model | (group | account) << 32 |
	    (account ? INT64_MIN : 0);
	struct tab_price *p = tab_item(&db_tab(db)->prices, id);
	int64_t now = db_now(db);
	struct row *row;

	assert(model >> 32 == 0 && (group | account) >> 31 == 0);
	if (p->loaded && now >= p->since && now < p->until)
		return p->price;
	if (db_one(db, &tab_part, PRICE, &row, "iiII", model, now,
		group ? &group : NULL, account ? &account : NULL) != 1)
		return -1;
	p->price = row_int(row, 0);
	p->since = now;
	p->until = row_null(row, 1) ? INT64_MAX : row_int(row, 1);
	p->loaded = true;
	return p->price;
}

int64_t
tab_price(struct db *db, const struct tab_key *k, int64_t model)
{
	const struct tab_facts *facts = tab_facts(db);
	int64_t price = 0;

	if (!facts)
		return -1;
	if (facts->sales)
		price = price_of(db, model, 0, k->account);
	if (facts->sales && price == 0)
		price = price_of(db, model, k->group, 0);
	return price ? price : price_of(db, model, 0, 0);
}

/* --- keys ----------------------------------------------------------------- */

/* Tokens more or less than at admission, told in time. */
static void
take_tokens(struct tab_key *k, int64_t tokens, int64_t now_us)
{
	struct gcra g = { k->rpm_at, k->tpm_at, k->tpm_debt, false };

	gcra_correct(&g, k->tpm, tokens, now_us);
	k->tpm_at = g.tpm_at;
	k->tpm_debt = g.tpm_debt;
}

static bool
load_key(struct db *db, struct tab_key *k)
{
	struct row *row;
	int n = db_one(db, &tab_part, KEY, &row, "i", k->id);

	if (n < 0)
		return false;
	k->loaded = true;
	k->known = n == 1;
	if (n == 0)
		return true;
	k->on = row_int(row, 0);
	k->account_on = row_int(row, 1);
	k->expires = row_int(row, 2);
	k->rpm = row_int(row, 3);
	k->tpm = row_int(row, 4);
	k->concurrency = row_int(row, 5);
	k->rpm_at = row_int(row, 6);
	k->tpm_at = row_int(row, 7);
	k->tpm_debt = row_int(row, 8);
	k->open_holds = row_int(row, 9);
	k->project = row_int(row, 10);
	k->account = row_int(row, 11);
	for (int i = 0; i < 3; i++)
		k->capped[i] = row_int(row, 12 + i);
	k->raised_until = row_int(row, 15);
	k->book = row_int(row, 16);
	k->group = row_int(row, 17);
	k->funded = row_int(row, 18);
	return true;
}

struct tab_key *
tab_key(struct db *db, int64_t id)
{
	struct tab_key *k = tab_item(&db_tab(db)->keys, id);

	return k->loaded || load_key(db, k) ? k : NULL;
}

void
tab_key_clocks(struct db *db, struct tab_key *k)
{
	assert(k->loaded && k->known);
	tab_touch(&db_tab(db)->keys, k);
}

void
tab_key_open(struct db *db, struct tab_key *k)
{
	k->open_holds++;
	k->d_open++;
	tab_key_clocks(db, k);
}

bool
tab_key_close(struct db *db, int64_t id, int64_t charged, int64_t tokens,
    int64_t more)
{
	struct tab_key *k = tab_key(db, id);

	if (!k)
		return false;
	if (!k->known)
		return db_stop(db, "key %" PRId64 " of a hold is gone", id);
	k->open_holds--;
	k->d_open--;
	k->d_used += charged;
	k->d_tokens += tokens;
	take_tokens(k, more, db_now(db) * 1000);
	tab_touch(&db_tab(db)->keys, k);
	return true;
}

static bool
write_key(struct db *db, struct tab_key *k)
{
	int64_t open = k->d_open, used = k->d_used, tokens = k->d_tokens;

	k->d_open = k->d_used = k->d_tokens = 0;
	return db_run(db, &tab_part, KEY_WRITE, "iiiiiii", k->id, open, used,
		   k->rpm_at, k->tpm_at, k->tpm_debt, tokens) == 1;
}

/* --- books ---------------------------------------------------------------- */

struct tab_book *
tab_book(struct db *db, int64_t id)
{
	struct tab_book *b = tab_item(&db_tab(db)->books, id);
	struct row *row;

	if (b->loaded)
		return b;
	if (db_one(db, &tab_part, BOOK, &row, "i", id) != 1)
		return NULL;
	b->balance = row_int(row, 0) + b->d_balance;
	b->held = row_int(row, 1) + b->d_held;
	b->credit = row_int(row, 2);
	b->loaded = true;
	return b;
}

void
tab_book_add(struct db *db, int64_t id, int64_t balance, int64_t held)
{
	struct tab_book *b = tab_item(&db_tab(db)->books, id);

	b->d_balance += balance;
	b->d_held += held;
	b->balance += balance;
	b->held += held;
	tab_touch(&db_tab(db)->books, b);
}

static bool
write_book(struct db *db, struct tab_book *b)
{
	int64_t balance = b->d_balance, held = b->d_held;

	b->d_balance = b->d_held = 0;
	return (!balance && !held) ||
	    db_run(db, &tab_part, BOOK_MOVE, "iii", b->id, balance, held) == 1;
}

/* --- holds ---------------------------------------------------------------- */

static struct tab_kept *
place_of(struct tab *t, int64_t id)
{
	return &t->holds[id & (TAB_HOLDS - 1)];
}

void
tab_hold_keep(struct db *db, int64_t id, const void *bytes, size_t n)
{
	struct tab *t = db_tab(db);
	struct tab_kept *k;

	if (n > TAB_HOLD_BYTES)
		return;
	if (!t->holds)
		t->holds = xalloc(TAB_HOLDS * sizeof(*t->holds));
	k = place_of(t, id);
	k->id = id;
	k->round = t->round;
	memcpy(k->bytes, bytes, n);
}

const void *
tab_hold(struct db *db, int64_t id)
{
	struct tab *t = db_tab(db);
	struct tab_kept *k = t && t->holds ? place_of(t, id) : NULL;

	return k && k->id == id && k->round == t->round ? k->bytes : NULL;
}

void
tab_hold_drop(struct db *db, int64_t id)
{
	struct tab *t = db_tab(db);

	if (tab_hold(db, id))
		place_of(t, id)->round = 0;
}

/* --- the end -------------------------------------------------------------- */

bool
tab_flush(struct db *db)
{
	struct tab *t = db_tab(db);
	bool ok = true;
	void *p;

	if (!t)
		return true;
	while (ok && (p = tab_next_dirty(&t->books)))
		ok = write_book(db, p);
	while (ok && (p = tab_next_dirty(&t->keys)))
		ok = write_key(db, p);
	while (ok && (p = tab_next_dirty(&t->caps)))
		ok = tab_caps_write(db, p);
	if (!ok || t->distrusted)
		tab_clear(t);
	if (!ok && db_trouble(db) == DB_REFUSED)
		return db_stop(db, "the books of this transaction: %s",
		    db_words(db));
	return ok;
}
