/* SPDX-License-Identifier: MIT */
/*
 * funds.c - what an account has to pay with; see funds.h.
 *
 * Which allowances pay now is kept in the tab (tab.h) until one of them begins
 * or ends; what is free in their books is looked up there each time.
 */
#include "db/funds.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "db/money.h"
#include "db/subscription.h"
#include "db/tab_part.h"
#include "fcgi/base/json.h"

enum { ALLOWANCES, N_SQL };
static const char *const sql[N_SQL] = {
	/* In the order in which they pay; some may begin later. */
	[ALLOWANCES] =
	    "SELECT book, unit, from_ms, until_ms FROM allowance "
	    "WHERE account = ?1 AND closed IS NULL AND ended IS NULL "
	    "AND (until_ms IS NULL OR until_ms > ?2) "
	    "ORDER BY bonus DESC, until_ms IS NULL, until_ms, id",
};
const struct db_part funds_part = { "funds", sql, N_SQL };

_Static_assert((int)TAB_FUNDS == (int)ALLOWANCES_MAX, "all are kept");

/* --- parts ---------------------------------------------------------------- */

int64_t
parts_sum(const struct parts *p)
{
	int64_t sum = 0;

	for (int i = 0; i < p->n; i++)
		sum = money_add(sum, p->list[i].amount);
	return sum;
}

bool
parts_add(struct parts *p, int64_t book, int64_t amount)
{
	int i = 0;

	assert(amount >= 0);
	while (i < p->n && p->list[i].book != book)
		i++;
	if (i == PARTS_MAX)
		return false;
	if (i == p->n)
		p->list[p->n++] = (struct part){ book, 0 };
	p->list[i].amount = money_add(p->list[i].amount, amount);
	return true;
}

void
parts_first(const struct parts *from, int64_t amount, struct parts *p)
{
	for (int i = 0; i < from->n && amount > 0; i++) {
		int64_t has = from->list[i].amount;
		int64_t n = has < amount ? has : amount;

		if (!parts_add(p, from->list[i].book, n))
			break;
		amount -= n;
	}
	assert(amount == 0);
}

struct str
parts_text(const struct parts *p, char out[static PARTS_TEXT])
{
	size_t n = 0;

	for (int i = 0; i < p->n; i++)
		n += (size_t)snprintf(out + n, PARTS_TEXT - n, "%s[%" PRId64
		    ",%" PRId64 "]", i ? "," : "[", p->list[i].book,
		    p->list[i].amount);
	n += (size_t)snprintf(out + n, PARTS_TEXT - n, p->n ? "]" : "[]");
	assert(n < PARTS_TEXT);
	return str_from(out, n);
}

bool
parts_read(struct str text, struct parts *p)
{
	struct json_each each = json_each(text);

	p->n = 0;
	while (json_next(&each)) {
		struct json_each pair = json_each(each.value);
		int64_t book, amount;

		if (!json_next(&pair) || !json_int(pair.value, &book) ||
		    !json_next(&pair) || !json_int(pair.value, &amount) ||
		    amount < 0 || !parts_add(p, book, amount))
			return false;
	}
	return p->n > 0;
}

/* --- what there is -------------------------------------------------------- */

/* What ends or begins by the clock has done so before it is listed here. */
static bool
load(struct db *db, struct tab_funds *t, const struct subscribed *s)
{
	int64_t now = db_now(db);
	struct row *row = db_each(db, &funds_part, ALLOWANCES, "ii", t->id,
	    now);

	t->n = 0;
	t->since = now;
	t->until = s->until;
	t->unpaid = s->unpaid;
	t->closed = s->closed;
	t->volume = s->volume;
	while (db_next(row) == 1) {
		bool begun = row_int(row, 2) <= now;
		int64_t until = begun ? row_int(row, 3) : row_int(row, 2);

		if ((!begun || !row_null(row, 3)) && until < t->until)
			t->until = until;
		if (!begun)
			continue;
		assert(t->n < TAB_FUNDS);
		t->list[t->n].book = row_int(row, 0);
		t->list[t->n++].unit = (int)unit_of(row_str(row, 1));
	}
	db_reset(row);
	t->loaded = !db_failed(db);
	return t->loaded;
}

/*
 * Periods that are over end, and those that begin, and can be paid, do, unless
 * billing is stopped.  *s: as it is then.  False: the database failed.
 */
static bool
turn(struct db *db, int64_t account, int64_t free, struct subscribed *s)
{
	const struct tab_facts *facts = tab_facts(db);

	if (!facts || !subscription_look(db, account, s))
		return false;
	if (facts->frozen || (db_now(db) < s->until && free < s->unpaid))
		return true;
	return subscription_turn(db, account) &&
	    subscription_look(db, account, s);
}

static const struct tab_funds *
of_account(struct db *db, int64_t account, int64_t wallet)
{
	struct tab_funds *t = tab_item(&db_tab(db)->funds, account);
	const struct tab_book *w = tab_book(db, wallet);
	int64_t now = db_now(db), free;
	struct subscribed s;

	if (!w)
		return NULL;
	free = w->balance - w->held + w->credit;
	if (t->loaded && now >= t->since && now < t->until && free < t->unpaid)
		return t;
	if (!turn(db, account, free, &s))
		return NULL;
	t = tab_item(&db_tab(db)->funds, account);
	return load(db, t, &s) ? t : NULL;
}

static bool
add(struct db *db, struct funds *f, int64_t book, enum unit unit)
{
	const struct tab_book *b = tab_book(db, book);

	if (!b)
		return false;
	f->list[f->n++] = (struct source){ book, unit,
		b->balance - b->held + b->credit, b->held };
	return true;
}

bool
funds_load(struct db *db, int64_t account, int64_t wallet, bool other,
    struct funds *f)
{
	const struct tab_funds *t = other ? of_account(db, account, wallet) :
	    NULL;

	f->n = 0;
	if (other && !t)
		return false;
	f->closed = t ? t->closed : 0;
	f->volume = t && t->volume;
	for (int i = 0; t && i < t->n; i++)
		if (!add(db, f, t->list[i].book, (enum unit)t->list[i].unit))
			return false;
	return f->closed || add(db, f, wallet, UNIT_USD);
}

/* --- who pays ------------------------------------------------------------- */

/* Sums of what is free need not be exact beyond what any call costs. */
static int64_t
sum(int64_t money, int64_t free)
{
	return free > MONEY_MAX - money ? MONEY_MAX : money + free;
}

int64_t
funds_money(const struct funds *f)
{
	int64_t money = 0;

	for (int i = 0; i < f->n; i++)
		if (f->list[i].unit == UNIT_USD)
			money = sum(money, f->list[i].free);
	return money;
}

bool
funds_any_held(const struct funds *f)
{
	for (int i = 0; i < f->n; i++)
		if (f->list[i].held != 0)
			return true;
	return false;
}

const struct source *
funds_cover(const struct funds *f, int64_t money, int64_t tokens)
{
	int64_t gathered = 0;

	for (int i = 0; i < f->n && gathered < money; i++) {
		const struct source *s = &f->list[i];

		if (s->unit == UNIT_USD)
			gathered = sum(gathered, s->free);
		else if (s->unit == UNIT_TOKEN && tokens > 0 &&
		    s->free >= tokens)
			return s;
		else if (s->unit == UNIT_REQUEST && s->free >= 1)
			return s;
	}
	return NULL;
}

int64_t
funds_most(const struct funds *f, enum unit unit)
{
	int64_t most = -1;

	for (int i = 0; i < f->n; i++)
		if (f->list[i].unit == unit && f->list[i].free > most)
			most = f->list[i].free;
	return most;
}

int64_t
funds_free(const struct funds *f, int64_t book)
{
	for (int i = 0; i < f->n; i++)
		if (f->list[i].book == book)
			return f->list[i].free;
	return 0;
}

int64_t
funds_take(struct funds *f, int64_t money, struct parts *p)
{
	for (int i = 0; i < f->n && money > 0; i++) {
		struct source *s = &f->list[i];
		int64_t n = s->free < money ? s->free : money;

		if (s->unit != UNIT_USD || n <= 0 ||
		    !parts_add(p, s->book, n))
			continue;
		s->free -= n;
		money -= n;
	}
	return money;
}
