/* SPDX-License-Identifier: MIT */
/*
 * tab.c - what a transaction changes in keys, wallets and caps; see tab.h.
 *
 * Three hash tables by id, emptied by raising their round.  A settlement
 * needs no row: its changes are kept beside it until somebody asks for the
 * row, or the end.
 */
#include "db/tab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/db.h"
#include "fcgi/base/mem.h"

enum { MINUTE_US = 60000000, FIRST_SLOTS = 64 };

enum { KEY, BOOK, CAPS, KEY_CLOCKS, KEY_CLOSE, KEY_TOKENS, KEY_DEBT, BOOK_MOVE,
	SPEND, SPEND_FIRST, N_SQL };
static const char *const sql[N_SQL] = {
	[KEY] =
	    "SELECT k.enabled AND p.enabled AND k.revoked IS NULL, a.enabled, "
	    "k.expires, k.rpm, k.tpm, k.concurrency, m.rpm_at, m.tpm_at, "
	    "m.tpm_debt, m.open_holds, k.project, k.account, k.capped, "
	    "p.capped, a.capped, a.raised_until, a.wallet "
	    "FROM key k JOIN meter m ON m.key = k.id "
	    "JOIN project p ON p.id = k.project "
	    "JOIN account a ON a.id = k.account WHERE k.id = ?1",
	[BOOK] = "SELECT balance, held FROM book WHERE id = ?1",
	/* The caps of one owner, and what is spent in the running windows. */
	[CAPS] =
	    "SELECT c.window, c.amount, coalesce(s.amount, 0) FROM cap c "
	    "LEFT JOIN spent s ON s.owner_kind = c.owner_kind "
	    "AND s.owner = c.owner AND s.window = c.window "
	    "AND s.start = CASE c.window WHEN 'hour' THEN ?3 "
	    "WHEN 'day' THEN ?4 WHEN 'week' THEN ?5 WHEN 'month' THEN ?6 "
	    "ELSE 0 END WHERE c.owner_kind = ?1 AND c.owner = ?2",
	[KEY_CLOCKS] =
	    "UPDATE meter SET open_holds = open_holds + ?2, used = used + ?3, "
	    "rpm_at = ?4, tpm_at = ?5, tpm_debt = ?6 WHERE key = ?1",
	[KEY_CLOSE] =
	    "UPDATE meter SET open_holds = open_holds + ?2, used = used + ?3 "
	    "WHERE key = ?1",
	[KEY_TOKENS] =
	    "UPDATE meter SET tpm_at = max(0, tpm_at + ?2 * 60000000 / "
	    "(SELECT tpm FROM key WHERE id = ?1)) WHERE key = ?1 AND "
	    "(SELECT tpm FROM key WHERE id = ?1) IS NOT NULL",
	[KEY_DEBT] =
	    "UPDATE meter SET tpm_debt = max(tpm_debt, tpm_at - ?2) "
	    "WHERE key = ?1",
	[BOOK_MOVE] =
	    "UPDATE book SET balance = balance + ?2, held = held + ?3 "
	    "WHERE id = ?1",
	[SPEND] = "UPDATE spent SET amount = amount + ?5 WHERE owner_kind = ?1 "
		  "AND owner = ?2 AND window = ?3 AND start = ?4",
	[SPEND_FIRST] =
	    "INSERT INTO spent(owner_kind, owner, window, start, amount) "
	    "VALUES (?1, ?2, ?3, ?4, ?5)",
};
const struct db_part tab_part = { "tab", sql, N_SQL };

/* --- tables --------------------------------------------------------------- */

/* Items of one size that begin with their id; slots say where. */
struct table {
	size_t size;
	char *items;
	size_t n, room;
	uint32_t *slots;		/* item + 1 */
	uint32_t *rounds;		/* a slot counts if of this round */
	uint32_t round;
	size_t n_slots;			/* a power of two */
};

struct tab {
	struct table keys, books, caps;
};

static int64_t
id_at(const struct table *t, size_t i)
{
	int64_t id;

	memcpy(&id, t->items + i * t->size, sizeof(id));
	return id;
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
		memset(t->items + t->n * t->size, 0, t->size);
		memcpy(t->items + t->n * t->size, &id, sizeof(id));
		t->slots[at] = (uint32_t)++t->n;
		t->rounds[at] = t->round;
	}
	return t->items + (t->slots[at] - 1) * t->size;
}

static void
clear(struct table *t)
{
	t->n = 0;
	if (++t->round == 0) {
		memset(t->rounds, 0, t->n_slots * sizeof(*t->rounds));
		t->round = 1;
	}
}

static void
release(struct table *t)
{
	free(t->items);
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
	grow(&t->keys);
	grow(&t->books);
	grow(&t->caps);
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
	free(t);
}

void
tab_clear(struct tab *t)
{
	clear(&t->keys);
	clear(&t->books);
	clear(&t->caps);
}

/* --- keys ----------------------------------------------------------------- */

/* Tokens more or less than at admission, told in time. */
static void
take_tokens(struct tab_key *k, int64_t tokens, int64_t now_us)
{
	int64_t debt;

	if (k->tpm == 0 || tokens == 0)
		return;
	k->tpm_at += tokens * MINUTE_US / k->tpm;
	if (k->tpm_at < 0)
		k->tpm_at = 0;
	debt = k->tpm_at - now_us - MINUTE_US;
	if (tokens > 0 && debt > k->tpm_debt)
		k->tpm_debt = debt;
	k->clocks = true;
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
	k->open_holds = row_int(row, 9) + k->d_open;
	k->project = row_int(row, 10);
	k->account = row_int(row, 11);
	for (int i = 0; i < 3; i++)
		k->capped[i] = row_int(row, 12 + i);
	k->raised_until = row_int(row, 15);
	k->book = row_int(row, 16);
	take_tokens(k, k->d_tokens, db_now(db) * 1000);
	k->d_tokens = 0;
	return true;
}

struct tab_key *
tab_key(struct db *db, int64_t id)
{
	struct tab_key *k = item(&db_tab(db)->keys, id);

	return k->loaded || load_key(db, k) ? k : NULL;
}

void
tab_key_open(struct tab_key *k)
{
	assert(k->loaded && k->known);
	k->open_holds++;
	k->d_open++;
	k->clocks = true;
}

void
tab_key_close(struct db *db, int64_t id, int64_t used, int64_t tokens)
{
	struct tab_key *k = item(&db_tab(db)->keys, id);

	k->d_open--;
	k->d_used += used;
	if (k->loaded) {
		k->open_holds--;
		take_tokens(k, tokens, db_now(db) * 1000);
	} else {
		k->d_tokens += tokens;
	}
}

static bool
flush_key(struct db *db, struct tab_key *k)
{
	if (k->clocks)
		return db_run(db, &tab_part, KEY_CLOCKS, "iiiiii", k->id,
			   k->d_open, k->d_used, k->rpm_at, k->tpm_at,
			   k->tpm_debt) == 1;
	if (!k->d_open && !k->d_used && !k->d_tokens)
		return true;
	return db_run(db, &tab_part, KEY_CLOSE, "iii", k->id, k->d_open,
		   k->d_used) == 1 &&
	    (k->d_tokens == 0 ||
		db_run(db, &tab_part, KEY_TOKENS, "ii", k->id,
		    k->d_tokens) >= 0) &&
	    (k->d_tokens <= 0 ||
		db_run(db, &tab_part, KEY_DEBT, "ii", k->id,
		    db_now(db) * 1000 + MINUTE_US) == 1);
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
}

static bool
flush_book(struct db *db, struct tab_book *b)
{
	return (!b->d_balance && !b->d_held) ||
	    db_run(db, &tab_part, BOOK_MOVE, "iii", b->id, b->d_balance,
		b->d_held) == 1;
}

/* --- caps ----------------------------------------------------------------- */

static struct tab_caps *
caps_item(struct db *db, enum cap_owner kind, int64_t owner)
{
	return item(&db_tab(db)->caps, owner * 4 + kind);
}

static bool
write_spent(struct db *db, int64_t id, int window, int64_t start,
    int64_t amount)
{
	struct str kind = str_of(cap_owners[id & 3]);
	struct str name = str_of(cap_windows[window]);
	int n = db_run(db, &tab_part, SPEND, "sisii", kind, id / 4, name,
	    start, amount);

	if (n == 0)
		n = db_run(db, &tab_part, SPEND_FIRST, "sisii", kind, id / 4,
		    name, start, amount);
	return n == 1;
}

static bool
flush_caps(struct db *db, struct tab_caps *c)
{
	for (int w = 0; w < N_CAP_WINDOWS; w++) {
		if (c->d_spent[w] != 0 &&
		    !write_spent(db, c->id, w, c->start[w], c->d_spent[w]))
			return false;
		c->d_spent[w] = 0;
	}
	return true;
}

static bool
load_caps(struct db *db, struct tab_caps *c)
{
	struct row *row;

	/* What is not yet written may be of another day. */
	if (!flush_caps(db, c))
		return false;
	cap_starts(db, c->start);
	for (int w = 0; w < N_CAP_WINDOWS; w++)
		c->amount[w] = -1;
	row = db_each(db, &tab_part, CAPS, "siiiii",
	    str_of(cap_owners[c->id & 3]), c->id / 4, c->start[CAP_HOUR],
	    c->start[CAP_DAY], c->start[CAP_WEEK], c->start[CAP_MONTH]);
	while (db_next(row) == 1)
		for (int w = 0; w < N_CAP_WINDOWS; w++)
			if (str_eq(row_str(row, 0), str_of(cap_windows[w]))) {
				c->amount[w] = row_int(row, 1);
				c->spent[w] = row_int(row, 2);
			}
	c->loaded = !db_failed(db);
	return c->loaded;
}

struct tab_caps *
tab_caps(struct db *db, enum cap_owner kind, int64_t owner)
{
	struct tab_caps *c = caps_item(db, kind, owner);

	return c->loaded || load_caps(db, c) ? c : NULL;
}

bool
tab_spend(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, int64_t amount)
{
	struct tab_caps *c = caps_item(db, kind, owner);

	if (!c->loaded && c->d_spent[window] == 0)
		c->start[window] = start;
	if (c->start[window] != start)
		return write_spent(db, c->id, window, start, amount);
	c->d_spent[window] += amount;
	c->spent[window] += amount;
	return true;
}

/* --- the end -------------------------------------------------------------- */

bool
tab_flush(struct db *db)
{
	struct tab *t = db_tab(db);
	bool ok = true;

	if (!t)
		return true;
	for (size_t i = 0; ok && i < t->books.n; i++)
		ok = flush_book(db, (struct tab_book *)(void *)(t->books.items +
			     i * t->books.size));
	for (size_t i = 0; ok && i < t->keys.n; i++)
		ok = flush_key(db, (struct tab_key *)(void *)(t->keys.items +
			     i * t->keys.size));
	for (size_t i = 0; ok && i < t->caps.n; i++)
		ok = flush_caps(db, (struct tab_caps *)(void *)(t->caps.items +
			     i * t->caps.size));
	tab_clear(t);
	if (!ok && db_trouble(db) == DB_REFUSED)
		return db_stop(db, "the books of this transaction: %s",
		    db_words(db));
	return ok;
}
