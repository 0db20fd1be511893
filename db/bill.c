/* SPDX-License-Identifier: MIT */
/* bill.c - usage rows reckoned again; see bill.h. */
#include "db/bill.h"

#include <inttypes.h>
#include <stdlib.h>

#include "db/funds.h"
#include "db/money.h"
#include "db/tariff.h"
#include "db/usage.h"
#include "fcgi/base/mem.h"

enum { PAGE, N_SQL };
enum { PAGE_ROWS = 1000 };
static const char *const sql[N_SQL] = {
	[PAGE] =
	    "SELECT id, request_id, at, price, list_price, cost_price, "
	    "markup_ppm, cost_ppm, coalesce(times_ppm, 1000000), "
	    "coalesce(cost_times_ppm, 1000000), minimum, floor, unpaid, "
	    "bound, charge, list, cost, input, cache_read, cache_write, "
	    "cache_write_1h, output, reasoning, request, audio_in, audio_out, "
	    "image_in, image_out, character, image, second, search, account, "
	    "covered, parts, coalesce(discount_ppm, 0) FROM usage WHERE id > ?1 ORDER BY id LIMIT 1000",
};
const struct db_part bill_part = { "bill", sql, N_SQL };

_Static_assert(N_BUCKETS == 15, "a column for each, in the statement above");

/* What a row keeps. */
struct kept {
	int64_t id, at;
	char request_id[64];
	int64_t price, list_price, cost_price;
	int64_t markup_ppm, cost_ppm, times_ppm, cost_times_ppm;
	int64_t minimum, unpaid, bound, account, discount_ppm;
	bool floor;
	int64_t charge, list, cost;
	struct buckets use;
	enum unit covered;		/* UNIT_USD: it was paid for in money */
	bool parted;			/* it has parts: */
	int64_t parts;			/* their sum; -1: no such list */
};

/* A price, and whose it is. */
struct known {
	struct price price;
	int64_t account;		/* 0: of no account */
	bool sale;			/* no markup is added */
};

/* The prices that were met, by id. */
struct rates {
	struct arena *arena;
	struct known **list;
	size_t n, room;
};

static void
read_kept(struct row *row, struct kept *k)
{
	struct str id = row_str(row, 1);
	struct parts parts;
	size_t n = id.n < sizeof(k->request_id) ? id.n
						: sizeof(k->request_id) - 1;

	*k = (struct kept){
		.id = row_int(row, 0),
		.at = row_int(row, 2),
		.price = row_int(row, 3),
		.list_price = row_int(row, 4),
		.cost_price = row_int(row, 5),
		.markup_ppm = row_int(row, 6),
		.cost_ppm = row_int(row, 7),
		.times_ppm = row_int(row, 8),
		.cost_times_ppm = row_int(row, 9),
		.minimum = row_int(row, 10),
		.floor = row_int(row, 11),
		.unpaid = row_int(row, 12),
		.bound = row_int(row, 13),
		.charge = row_int(row, 14),
		.list = row_int(row, 15),
		.cost = row_int(row, 16),
	};
	memcpy(k->request_id, id.p, n);
	for (int b = 0; b < N_BUCKETS; b++)
		k->use.n[b] = row_int(row, 17 + b);
	k->account = row_int(row, 17 + N_BUCKETS);
	k->covered = row_null(row, 18 + N_BUCKETS) ? UNIT_USD :
	    unit_of(row_str(row, 18 + N_BUCKETS));
	k->discount_ppm = row_int(row, 20 + N_BUCKETS);
	k->parted = !row_null(row, 19 + N_BUCKETS);
	if (k->parted)
		k->parts = parts_read(row_str(row, 19 + N_BUCKETS), &parts) ?
		    parts_sum(&parts) : -1;
}

/* The first of the list that is not below this id. */
static size_t
place_of(const struct rates *r, int64_t id)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->list[middle]->price.id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* 1 and *p, 0 there is no such price, -1 the database failed. */
static int
price_by_id(struct db *db, struct rates *r, int64_t id, struct known **p)
{
	size_t at = place_of(r, id);
	struct price_row row;
	int found;

	if (at < r->n && r->list[at]->price.id == id) {
		*p = r->list[at];
		return 1;
	}
	found = price_get(db, r->arena, id, &row);
	if (found != 1)
		return found;
	*p = arena_zero(r->arena, sizeof(**p));
	if (!price_read(r->arena, &row.say, &(*p)->price))
		return 0;
	(*p)->price.id = id;
	(*p)->account = row.account;
	(*p)->sale = price_is_sale(&row);
	if (r->n == r->room) {
		r->room = r->room * 2 + 64;
		r->list = xresize(r->list, r->room * sizeof(*r->list));
	}
	memmove(r->list + at + 1, r->list + at,
	    (r->n++ - at) * sizeof(*r->list));
	r->list[at] = *p;
	return 1;
}

/* What the counts come to at a price (0: nothing); 1, 0, -1. */
static int
reckon(struct db *db, struct rates *r, int64_t id, const struct buckets *use,
    int64_t share_ppm, int64_t times_ppm, int64_t *nano)
{
	struct known *p;
	int found = 1;

	*nano = 0;
	if (id == 0)
		return 1;
	found = price_by_id(db, r, id, &p);
	if (found == 1 && !price_charge_times(&p->price, use, share_ppm,
	    times_ppm, nano))
		*nano = MONEY_MAX;
	return found;
}

/* Is it a multiplier that the price has? */
static bool
multiplies(const struct price *p, int64_t ppm)
{
	int i = 0;

	while (i < p->n_multipliers && p->multipliers[i].ppm != ppm)
		i++;
	return ppm == PPM || i < p->n_multipliers;
}

/* What the price does not have that the row was charged by; NULL: nothing. */
static const char *
odd(struct db *db, struct rates *r, const struct kept *k)
{
	struct known *p;

	if (k->price && price_by_id(db, r, k->price, &p) == 1) {
		if (!multiplies(&p->price, k->times_ppm))
			return "a multiplier that its price does not have";
		if (p->account && p->account != k->account)
			return "the price of another account";
		if (p->sale && k->markup_ppm != price_discounted(PPM,
		    k->discount_ppm))
			return "a markup on a price that has none";
	}
	if (k->cost_price && price_by_id(db, r, k->cost_price, &p) == 1 &&
	    !multiplies(&p->price, k->cost_times_ppm))
		return "a multiplier that the price of its cost does not have";
	return NULL;
}

static void
note(struct bill_check *c, struct arena *a, const struct kept *k,
    const char *what, int64_t kept, int64_t again)
{
	if (c->n_first == BILL_SHOWN)
		return;
	c->first[c->n_first++] = arena_printf(a, "call %s: its %s is %.*s "
	    "USD, its counts and prices come to %.*s USD", k->request_id, what,
	    STR_ARGS(money_text(a, kept)), STR_ARGS(money_text(a, again)));
}

/* why NULL: a price is gone. */
static void
note_odd(struct bill_check *c, struct arena *a, const struct kept *k,
    const char *why)
{
	if (c->n_first == BILL_SHOWN)
		return;
	c->first[c->n_first++] = why ? arena_printf(a, "call %s was reckoned "
	    "by %s", k->request_id, why) : arena_printf(a, "call %s: one of "
	    "its prices (%" PRId64 ", %" PRId64 ", %" PRId64 ") is gone",
	    k->request_id, k->price, k->list_price, k->cost_price);
}

/* What a row that names more than its wallet should not say; NULL: nothing. */
static const char *
odd_parts(const struct kept *k, int64_t charge)
{
	int64_t units = usage_units(k->covered, charge, &k->use);

	if (k->covered == N_UNITS || k->parts < 0)
		return "parts that cannot be read";
	if (k->covered == UNIT_USD)
		return !k->parted || k->parts == k->charge ? NULL :
		    "parts whose sum is not its charge";
	return k->parts + k->unpaid == units ? NULL :
	    "another number of units than its counts come to";
}

/* One row; false if the database failed. */
static bool
check_row(struct db *db, struct arena *a, struct rates *r,
    const struct kept *k, struct bill_check *c)
{
	int64_t due = 0, charge = 0, list = 0, cost = 0;
	const char *why = NULL;
	int found = 1;

	c->rows++;
	/* Who used something has made a request. */
	if (k->use.n[BUCKET_REQUEST] > 0) {
		why = odd(db, r, k);
		found = reckon(db, r, k->cost_price, &k->use, k->cost_ppm,
		    k->cost_times_ppm, &cost);
		if (found == 1)
			found = reckon(db, r, k->list_price ? k->list_price :
			    k->price, &k->use, PPM, k->times_ppm, &list);
		if (found == 1)
			found = reckon(db, r, k->price, &k->use,
			    k->markup_ppm, k->times_ppm, &due);
		if (k->price) {
			due = price_at_least(due, k->minimum,
			    k->floor ? cost : 0, k->bound);
			charge = k->covered ? 0 : due - k->unpaid;
		}
	}
	why = why ? why : odd_parts(k, due);
	if (found < 0)
		return false;
	if (found == 0 || why)
		note_odd(c, a, k, found ? why : NULL);
	else if (charge != k->charge)
		note(c, a, k, "charge", k->charge, charge);
	else if (list != k->list)
		note(c, a, k, "list price", k->list, list);
	else if (cost != k->cost)
		note(c, a, k, "cost", k->cost, cost);
	else
		return true;
	c->wrong++;
	return true;
}

/* The rows behind an id: how many, or -1. */
static int
take_page(struct db *db, int64_t after, struct kept *list)
{
	struct row *row = db_each(db, &bill_part, PAGE, "i", after);
	int n = 0;

	while (n < PAGE_ROWS && db_next(row) == 1)
		read_kept(row, &list[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
bill_check(struct db *db, struct arena *a, struct bill_check *c)
{
	struct kept *list = xalloc(PAGE_ROWS * sizeof(*list));
	struct rates r = { .arena = a };
	int64_t after = 0;
	int n;

	c->rows = c->wrong = 0;
	c->n_first = 0;
	do {
		n = take_page(db, after, list);
		for (int i = 0; i < n; i++) {
			const struct kept *k = &list[i];

			after = k->id;
			if (k->at < c->since || (c->until && k->at >= c->until))
				continue;
			if (!check_row(db, a, &r, k, c)) {
				n = -1;
				break;
			}
		}
	} while (n == PAGE_ROWS);
	free(r.list);
	free(list);
	return n < 0 ? -1 : 1;
}
