/* SPDX-License-Identifier: MIT */
/*
 * tab.c - what calls read and change in keys, wallets and caps; see tab.h.
 *
 * Hash tables by id, emptied by raising their round, each with a list of the
 * items that have changes.  They are bounded: one that has grown too large is
 * emptied before the next transaction.
 */
#include "db/tab.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "db/gcra.h"
#include "db/zone.h"
#include "fcgi/base/mem.h"

enum { FIRST_SLOTS = 64, MOST_ITEMS = 4096 };

enum { FACTS, PRICE, KEY, BOOK, CAPS, KEY_WRITE, BOOK_MOVE, SPEND, SPEND_PAST,
	SPEND_FIRST, N_SQL };
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
	    "a.grp "
	    "FROM key k JOIN meter m ON m.key = k.id "
	    "JOIN project p ON p.id = k.project "
	    "JOIN account a ON a.id = k.account WHERE k.id = ?1",
	[BOOK] = "SELECT balance, held FROM book WHERE id = ?1",
	/* The caps of one owner, and what is spent in the running windows. */
	[CAPS] =
	    "SELECT c.window, c.amount, coalesce(s.amount, 0), s.id, c.soft, "
	    "c.soft > 0 AND EXISTS (SELECT 1 FROM cap_note n "
	    "WHERE n.owner_kind = c.owner_kind AND n.owner = c.owner "
	    "AND n.window = c.window AND n.start = s.start "
	    "AND n.amount = c.amount AND n.percent = c.soft) FROM cap c "
	    "LEFT JOIN spent s ON s.owner_kind = c.owner_kind "
	    "AND s.owner = c.owner AND s.window = c.window "
	    "AND s.start = CASE substr(c.window, 1, 1) WHEN 'h' THEN ?3 "
	    "WHEN 'd' THEN ?4 WHEN 'w' THEN ?5 WHEN 'm' THEN ?6 "
	    "ELSE 0 END WHERE c.owner_kind = ?1 AND c.owner = ?2",
	[KEY_WRITE] =
	    "UPDATE /*tab*/ meter SET open_holds = open_holds + ?2, "
	    "used = used + ?3, rpm_at = ?4, tpm_at = ?5, tpm_debt = ?6, "
	    "tokens = tokens + ?7 WHERE key = ?1",
	[BOOK_MOVE] =
	    "UPDATE /*tab*/ book SET balance = balance + ?2, held = held + ?3 "
	    "WHERE id = ?1",
	[SPEND] =
	    "UPDATE /*tab*/ spent SET amount = amount + ?2 WHERE id = ?1",
	[SPEND_PAST] =
	    "UPDATE /*tab*/ spent SET amount = amount + ?5 "
	    "WHERE owner_kind = ?1 AND owner = ?2 AND window = ?3 "
	    "AND start = ?4",
	[SPEND_FIRST] =
	    "INSERT INTO /*tab*/ spent(owner_kind, owner, window, start, "
	    "amount) VALUES (?1, ?2, ?3, ?4, ?5)",
};
const struct db_part tab_part = { "tab", sql, N_SQL };

/* --- tables --------------------------------------------------------------- */

/* What all items begin with. */
struct item {
	int64_t id;
	bool loaded, dirty;
};

/* Items of one size; slots say where. */
struct table {
	size_t size;
	char *items;
	size_t n, room;
	uint32_t *dirty;		/* items with changes */
	size_t n_dirty;
	uint32_t *slots;		/* item + 1 */
	uint32_t *rounds;		/* a slot counts if of this round */
	uint32_t round;
	size_t n_slots;			/* a power of two */
};

/* A hold and what was kept of it; counts if of the tab's round. */
struct kept {
	int64_t id;
	uint64_t round;
	_Alignas(int64_t) char bytes[TAB_HOLD_BYTES];
};

struct tab {
	struct table keys, books, caps, prices;
	struct tab_facts facts;
	bool looked;			/* facts are known */
	bool distrusted;		/* forget all after the next flush */
	struct kept *holds;		/* TAB_HOLDS; NULL: none yet */
	uint64_t round;
};

static struct item *
item_at(const struct table *t, size_t i)
{
	return (struct item *)(void *)(t->items + i * t->size);
}

static int64_t
id_at(const struct table *t, size_t i)
{
	return item_at(t, i)->id;
}

static size_t
slot_of(const struct table *t, int64_t id)
{
	size_t at = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 32) &
	    (t->n_slots - 1);

	while (t->rounds[at] == t->round && id_at(t, t->slots[at] - 1) != id)
		at = (at + 1) & (t->n_slots - 1);
	return at;
}

static void
set_slot(struct table *t, size_t i)
{
	size_t at = slot_of(t, id_at(t, i));

	t->slots[at] = (uint32_t)i + 1;
	t->rounds[at] = t->round;
}

static void
grow(struct table *t)
{
	t->n_slots = t->n_slots ? t->n_slots * 2 : FIRST_SLOTS;
	free(t->slots);
	free(t->rounds);
	t->slots = xalloc(t->n_slots * sizeof(*t->slots));
	t->rounds = xalloc(t->n_slots * sizeof(*t->rounds));
	t->round = 1;
	t->room = t->n_slots / 2;
	t->items = xresize(t->items, t->room * t->size);
	t->dirty = xresize(t->dirty, t->room * sizeof(*t->dirty));
	for (size_t i = 0; i < t->n; i++)
		set_slot(t, i);
}

/* The item of an id; a new one is zero but for it. */
static void *
item(struct table *t, int64_t id)
{
	size_t at;

	if (t->n == t->room)
		grow(t);
	at = slot_of(t, id);
	if (t->rounds[at] != t->round) {
		memset(item_at(t, t->n), 0, t->size);
		item_at(t, t->n)->id = id;
		t->slots[at] = (uint32_t)++t->n;
		t->rounds[at] = t->round;
	}
	return item_at(t, t->slots[at] - 1);
}

static void
touch(struct table *t, void *changed)
{
	struct item *i = changed;

	if (i->dirty)
		return;
	i->dirty = true;
	t->dirty[t->n_dirty++] =
	    (uint32_t)(((char *)changed - t->items) / (ptrdiff_t)t->size);
}

/* The next item with changes, which counts as written; NULL: none. */
static void *
next_dirty(struct table *t)
{
	struct item *i;

	if (t->n_dirty == 0)
		return NULL;
	i = item_at(t, t->dirty[--t->n_dirty]);
	i->dirty = false;
	return i;
}

static void
clear(struct table *t)
{
	t->n = t->n_dirty = 0;
	if (++t->round == 0) {
		memset(t->rounds, 0, t->n_slots * sizeof(*t->rounds));
		t->round = 1;
	}
}

static void
release(struct table *t)
{
	free(t->items);
	free(t->dirty);
	free(t->slots);
	free(t->rounds);
}

struct tab *
tab_new(void)
{
	struct tab *t = xnew(struct tab);

	t->keys.size = sizeof(struct tab_key);
	t->books.size = sizeof(struct tab_book);
	t->caps.size = sizeof(struct tab_caps);
	t->prices.size = sizeof(struct tab_price);
	grow(&t->keys);
	grow(&t->books);
	grow(&t->caps);
	grow(&t->prices);
	t->round = 1;
	return t;
}

void
tab_free(struct tab *t)
{
	if (!t)
		return;
	release(&t->keys);
	release(&t->books);
	release(&t->caps);
	release(&t->prices);
	free(t->holds);
	free(t);
}

void
tab_clear(struct tab *t)
{
	clear(&t->keys);
	clear(&t->books);
	clear(&t->caps);
	clear(&t->prices);
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
	    t->prices.n > MOST_ITEMS)
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
	struct tab_price *p = item(&db_tab(db)->prices, id);
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
	return true;
}

struct tab_key *
tab_key(struct db *db, int64_t id)
{
	struct tab_key *k = item(&db_tab(db)->keys, id);

	return k->loaded || load_key(db, k) ? k : NULL;
}

void
tab_key_clocks(struct db *db, struct tab_key *k)
{
	assert(k->loaded && k->known);
	touch(&db_tab(db)->keys, k);
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
	touch(&db_tab(db)->keys, k);
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

/* --- wallets -------------------------------------------------------------- */

struct tab_book *
tab_book(struct db *db, int64_t id)
{
	struct tab_book *b = item(&db_tab(db)->books, id);
	struct row *row;

	if (b->loaded)
		return b;
	if (db_one(db, &tab_part, BOOK, &row, "i", id) != 1)
		return NULL;
	b->balance = row_int(row, 0) + b->d_balance;
	b->held = row_int(row, 1) + b->d_held;
	b->loaded = true;
	return b;
}

void
tab_book_add(struct db *db, int64_t id, int64_t balance, int64_t held)
{
	struct tab_book *b = item(&db_tab(db)->books, id);

	b->d_balance += balance;
	b->d_held += held;
	b->balance += balance;
	b->held += held;
	touch(&db_tab(db)->books, b);
}

static bool
write_book(struct db *db, struct tab_book *b)
{
	int64_t balance = b->d_balance, held = b->d_held;

	b->d_balance = b->d_held = 0;
	return (!balance && !held) ||
	    db_run(db, &tab_part, BOOK_MOVE, "iii", b->id, balance, held) == 1;
}

/* --- caps ----------------------------------------------------------------- */

/* What was spent in a window that is not among those that run, or has no cap
 * any more. */
static bool
spend_past(struct db *db, int64_t id, int window, int64_t start,
    int64_t amount)
{
	struct str kind = str_of(cap_owners[id & 3]);
	struct str name = str_of(cap_windows[window]);
	int n = db_run(db, &tab_part, SPEND_PAST, "sisii", kind, id / 4, name,
	    start, amount);

	if (n == 0)
		n = db_run(db, &tab_part, SPEND_FIRST, "sisii", kind, id / 4,
		    name, start, amount);
	return n == 1;
}

static bool
write_window(struct db *db, struct tab_caps *c, int w)
{
	int64_t amount = c->d_spent[w];

	c->d_spent[w] = 0;
	if (c->row[w])
		return db_run(db, &tab_part, SPEND, "ii", c->row[w],
			   amount) == 1;
	if (db_run(db, &tab_part, SPEND_FIRST, "sisii",
		str_of(cap_owners[c->id & 3]), c->id / 4,
		str_of(cap_windows[w]), c->start[w], amount) != 1)
		return false;
	c->row[w] = db_last_id(db);
	return true;
}

static bool
write_caps(struct db *db, struct tab_caps *c)
{
	bool ok = true;

	for (int w = 0; ok && w < N_CAP_WINDOWS; w++)
		ok = c->d_spent[w] == 0 || write_window(db, c, w);
	return ok;
}

/* From when to when the windows of now run. */
static void
caps_times(struct db *db, struct tab_caps *c)
{
	static const enum zone_unit units[] = { ZONE_HOUR, ZONE_DAY, ZONE_WEEK,
		ZONE_MONTH };
	int64_t now = db_now(db), end;

	cap_starts(db, c->start);
	c->since = 0;
	c->until = INT64_MAX;
	for (size_t u = 0; u < countof(units); u++) {
		end = zone_next(db_site(db)->zone, units[u], now);
		if (end < c->until)
			c->until = end;
		if (c->start[u] > c->since)
			c->since = c->start[u];
	}
}

static bool
load_caps(struct db *db, struct tab_caps *c)
{
	struct row *row;
	enum cap_window w;

	/* What is not yet written is of windows that have ended. */
	if (!write_caps(db, c))
		return false;
	caps_times(db, c);
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		c->amount[i] = -1;
		c->spent[i] = c->row[i] = 0;
		c->soft[i] = INT64_MAX;
	}
	row = db_each(db, &tab_part, CAPS, "siiiii",
	    str_of(cap_owners[c->id & 3]), c->id / 4, c->start[CAP_HOUR],
	    c->start[CAP_DAY], c->start[CAP_WEEK], c->start[CAP_MONTH]);
	while (db_next(row) == 1) {
		w = cap_window_of(row_str(row, 0));
		if (w == N_CAP_WINDOWS)
			continue;
		c->amount[w] = row_int(row, 1);
		c->spent[w] = row_int(row, 2);
		c->row[w] = row_int(row, 3);
		c->percent = row_int(row, 4);
		if (c->percent && !row_int(row, 5))
			c->soft[w] = cap_soft(c->amount[w], c->percent);
	}
	c->loaded = !db_failed(db);
	return c->loaded;
}

struct tab_caps *
tab_caps(struct db *db, enum cap_owner kind, int64_t owner)
{
	struct tab_caps *c = item(&db_tab(db)->caps, owner * 4 + kind);
	int64_t now = db_now(db);

	if (c->loaded && now >= c->since && now < c->until)
		return c;
	return load_caps(db, c) ? c : NULL;
}

bool
tab_spend(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, int64_t amount)
{
	struct tab_caps *c = tab_caps(db, kind, owner);

	if (!c)
		return false;
	if (c->start[window] != start || c->amount[window] < 0)
		return spend_past(db, c->id, window, start, amount);
	c->d_spent[window] += amount;
	c->spent[window] += amount;
	touch(&db_tab(db)->caps, c);
	return true;
}

bool
tab_soft(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start)
{
	struct tab_caps *c = tab_caps(db, kind, owner);
	struct cap_note note;

	if (!c)
		return false;
	if (c->start[window] != start || c->spent[window] < c->soft[window])
		return true;
	c->soft[window] = INT64_MAX;
	note = (struct cap_note){ .at = db_now(db), .kind = kind,
		.owner = owner, .window = window, .start = start,
		.amount = c->amount[window], .percent = c->percent,
		.spent = c->spent[window] };
	return cap_note_add(db, &note);
}

/* --- holds ---------------------------------------------------------------- */

static struct kept *
place_of(struct tab *t, int64_t id)
{
	return &t->holds[id & (TAB_HOLDS - 1)];
}

void
tab_hold_keep(struct db *db, int64_t id, const void *bytes, size_t n)
{
	struct tab *t = db_tab(db);
	struct kept *k;

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
	struct kept *k = t && t->holds ? place_of(t, id) : NULL;

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
	while (ok && (p = next_dirty(&t->books)))
		ok = write_book(db, p);
	while (ok && (p = next_dirty(&t->keys)))
		ok = write_key(db, p);
	while (ok && (p = next_dirty(&t->caps)))
		ok = write_caps(db, p);
	if (!ok || t->distrusted)
		tab_clear(t);
	if (!ok && db_trouble(db) == DB_REFUSED)
		return db_stop(db, "the books of this transaction: %s",
		    db_words(db));
	return ok;
}
