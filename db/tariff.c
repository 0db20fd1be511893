/* SPDX-License-Identifier: MIT */
/* tariff.c - dated prices; see tariff.h. */
#include "db/tariff.h"

#include <stdlib.h>

#include "db/group.h"
#include "db/setting.h"

#define RATES \
	"input, cache_read, cache_write, cache_write_1h, output, reasoning, " \
	"request, audio_in, audio_out, image_in, image_out, character, image, " \
	"second, search"
#define PRICE \
	"SELECT id, model, channel, grp, account, from_ms, until_ms, tiers, " \
	"multipliers, " RATES " FROM price "
#define OF \
	"WHERE model = ?1 AND channel IS ?2 AND grp IS ?3 AND account IS ?4 "
#define NEWEST "ORDER BY from_ms DESC, id DESC LIMIT "
#define MODELS(whose) \
	"SELECT DISTINCT m.name FROM price p JOIN model m ON m.id = p.model " \
	"WHERE p." whose " = ?1 AND (p.until_ms IS NULL OR p.until_ms > ?2) " \
	"ORDER BY m.name LIMIT 10000"

enum { AT, GET, LAST, ADD, LIST, AHEAD, END, PUT_OFF, OF_CHANNEL, OF_GROUP,
	OF_ACCOUNT, N_SQL };
enum { MODELS_MOST = 10000 };
static const char *const sql[N_SQL] = {
	/* The same rule as in tab.c and catalogue.c. */
	[AT] = PRICE OF "AND from_ms <= ?5 "
			"AND (until_ms IS NULL OR until_ms > ?5) " NEWEST "1",
	[GET] = PRICE "WHERE id = ?1",
	[LAST] = PRICE OF NEWEST "1",
	[ADD] = "INSERT INTO price(model, channel, grp, account, from_ms, "
		"until_ms, tiers, multipliers, " RATES ") VALUES (?1, ?2, ?3, "
		"?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "
		"?17, ?18, ?19, ?20, ?21, ?22, ?23)",
	[LIST] = PRICE "WHERE model = ?1 ORDER BY channel, grp, account, "
		       "from_ms DESC, id DESC LIMIT 1000",
	/* Without what was planned once and never comes. */
	[AHEAD] = PRICE OF "AND (until_ms IS NULL OR (until_ms > ?5 AND "
			   "until_ms > from_ms)) " NEWEST "1000",
	[END] = "UPDATE price SET until_ms = max(from_ms, ?5) " OF
		"AND (until_ms IS NULL OR until_ms > ?5) AND id <> ?6",
	[PUT_OFF] = "UPDATE price SET until_ms = ?2 WHERE id = ?1",
	[OF_CHANNEL] = MODELS("channel"),
	[OF_GROUP] = MODELS("grp"),
	[OF_ACCOUNT] = MODELS("account"),
};
const struct db_part tariff_part = { "tariff", sql, N_SQL };

_Static_assert(N_BUCKETS == 15, "a column for each, in the statements above");

static void
read_price(struct arena *a, struct row *row, struct price_row *p)
{
	*p = (struct price_row){
		.id = row_int(row, 0),
		.model = row_int(row, 1),
		.channel = row_int(row, 2),
		.group = row_int(row, 3),
		.account = row_int(row, 4),
		.from_ms = row_int(row, 5),
		.until_ms = row_int(row, 6),
		.say.tiers = arena_str(a, row_str(row, 7)),
		.say.multipliers = arena_str(a, row_str(row, 8)),
	};
	for (int b = 0; b < N_BUCKETS; b++)
		p->say.given[b] = row_null(row, 9 + b) ? -1
						       : row_int(row, 9 + b);
}

static const int64_t *
set_or_null(const int64_t *id)
{
	return *id ? id : NULL;
}

/* The four values of OF. */
#define OWNER(of) \
	(of)->model, set_or_null(&(of)->channel), set_or_null(&(of)->group), \
	    set_or_null(&(of)->account)

int
price_in_force(struct db *db, struct arena *a, const struct price_of *of,
    int64_t at_ms, struct price_row *p)
{
	struct row *row;
	int n = db_one(db, &tariff_part, AT, &row, "iIIIi", OWNER(of), at_ms);

	if (n == 1)
		read_price(a, row, p);
	return n;
}

int
price_find(struct db *db, struct arena *a, int64_t model, int64_t channel,
    int64_t at_ms, struct price_row *p)
{
	struct price_of of = { .model = model, .channel = channel };

	return price_in_force(db, a, &of, at_ms, p);
}

int
price_get(struct db *db, struct arena *a, int64_t id, struct price_row *p)
{
	struct row *row;
	int n = db_one(db, &tariff_part, GET, &row, "i", id);

	if (n == 1)
		read_price(a, row, p);
	return n;
}

static struct str
text_or_null(struct str s)
{
	return s.n ? s : (struct str){ NULL, 0 };
}

static bool
insert(struct db *db, struct price_row *p)
{
	const int64_t *rate[N_BUCKETS];

	for (int b = 0; b < N_BUCKETS; b++)
		rate[b] = p->say.given[b] >= 0 ? &p->say.given[b] : NULL;
	if (db_run(db, &tariff_part, ADD, "iIIIiISSIIIIIIIIIIIIIII", OWNER(p),
		p->from_ms, set_or_null(&p->until_ms),
		text_or_null(p->say.tiers), text_or_null(p->say.multipliers),
		rate[0], rate[1], rate[2], rate[3], rate[4], rate[5], rate[6],
		rate[7], rate[8], rate[9], rate[10], rate[11], rate[12],
		rate[13], rate[14]) != 1)
		return false;
	p->id = db_last_id(db);
	return true;
}

bool
price_add(struct db *db, struct price_row *p, bool *added)
{
	struct price_row old;
	struct arena a;
	struct row *row;
	bool same = false;
	int n = db_one(db, &tariff_part, LAST, &row, "iIII", OWNER(p));

	*added = false;
	if (n < 0)
		return false;
	if (n == 1) {
		arena_init(&a);
		read_price(&a, row, &old);
		same = old.from_ms <= p->from_ms &&
		    old.until_ms == p->until_ms &&
		    price_words_eq(&old.say, &p->say);
		p->id = old.id;
		arena_release(&a);
	}
	if (same)
		return true;
	/* The first holds since ever: a clock that was ahead when it was set
	 * and is put right leaves no model without a price. */
	if (n == 0 && p->from_ms <= db_now(db))
		p->from_ms = 0;
	*added = insert(db, p) && setting_bump(db);
	return *added;
}

/* A row that gives no rate at all says: no price. */
bool
price_end(struct db *db, int64_t model, int64_t channel, int64_t at_ms)
{
	struct price_row p = { .model = model, .channel = channel,
		.from_ms = at_ms };
	struct price_row old;
	struct arena a;
	bool added;
	int n;

	arena_init(&a);
	n = price_find(db, &a, model, channel, at_ms, &old);
	arena_release(&a);
	if (n <= 0)
		return n == 0;
	price_words_blank(&p.say);
	return price_add(db, &p, &added);
}

/* The rows of a statement. */
static int
take_all(struct db *db, struct arena *a, struct row *row,
    struct price_row **list)
{
	size_t n = 0, room = 4;

	*list = arena_alloc(a, room * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1) {
		if (n == room) {
			struct price_row *more = arena_alloc(a,
			    2 * room * sizeof(*more));

			memcpy(more, *list, room * sizeof(*more));
			*list = more;
			room *= 2;
		}
		read_price(a, row, &(*list)[n++]);
	}
	db_reset(row);
	return db_failed(db) ? -1 : (int)n;
}

int
price_list(struct db *db, struct arena *a, int64_t model,
    struct price_row **list)
{
	return take_all(db, a, db_each(db, &tariff_part, LIST, "i", model),
	    list);
}

/* --- what comes ----------------------------------------------------------- */

static int
by_time(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* When it may change: now, and each beginning and end after it. */
static size_t
moments_of(const struct price_row *rows, int n, int64_t now, int64_t *moments)
{
	size_t count = 0;

	moments[count++] = now;
	for (int i = 0; i < n; i++) {
		if (rows[i].from_ms > now)
			moments[count++] = rows[i].from_ms;
		if (rows[i].until_ms > now)
			moments[count++] = rows[i].until_ms;
	}
	qsort(moments, count, sizeof(*moments), by_time);
	return count;
}

/* The rows are newest first. */
static const struct price_row *
force_at(const struct price_row *rows, int n, int64_t at)
{
	for (int i = 0; i < n; i++)
		if (rows[i].from_ms <= at &&
		    (!rows[i].until_ms || rows[i].until_ms > at))
			return price_given(rows[i].say.given) ? &rows[i]
							      : NULL;
	return NULL;
}

int
price_schedule(struct db *db, struct arena *a, const struct price_of *of,
    struct price_row **list)
{
	int64_t now = db_now(db), *moments;
	const struct price_row *is, *was = NULL;
	struct price_row *rows, *out;
	size_t count;
	int got, n = 0;

	got = take_all(db, a, db_each(db, &tariff_part, AHEAD, "iIIIi",
	    OWNER(of), now), &rows);
	if (got < 0)
		return -1;
	moments = arena_alloc(a, (2 * (size_t)got + 1) * sizeof(*moments));
	count = moments_of(rows, got, now, moments);
	*list = out = arena_alloc(a, count * sizeof(*out));
	for (size_t i = 0; i < count; i++) {
		is = force_at(rows, got, moments[i]);
		if (was && (!is || !price_words_eq(&is->say, &was->say)))
			out[n - 1].until_ms = moments[i];
		if (is && (!was || !price_words_eq(&is->say, &was->say))) {
			out[n] = *is;
			out[n].from_ms = i ? moments[i] : 0;
			out[n++].until_ms = 0;
		}
		was = is;
	}
	return n;
}

/* The first of the new list goes on if it is what is in force. */
static bool
goes_on(const struct price_row *is, int n_is, const struct price_row *list,
    int n)
{
	return n > 0 && n_is > 0 && !list[0].from_ms && !is[0].from_ms &&
	    price_words_eq(&is[0].say, &list[0].say);
}

bool
price_replace(struct db *db, struct arena *a, const struct price_of *of,
    const struct price_row *list, int n)
{
	int64_t now = db_now(db), keep = 0;
	struct price_row *is, one;
	struct row *row;
	int n_is = price_schedule(db, a, of, &is), i = 0, any;

	if (n_is < 0)
		return false;
	while (i < n && i < n_is && is[i].from_ms == list[i].from_ms &&
	    is[i].until_ms == list[i].until_ms &&
	    price_words_eq(&is[i].say, &list[i].say))
		i++;
	if (i == n && i == n_is)
		return true;
	any = db_one(db, &tariff_part, LAST, &row, "iIII", OWNER(of));
	if (any < 0)
		return false;
	i = goes_on(is, n_is, list, n);
	keep = i ? is[0].id : 0;
	if (db_run(db, &tariff_part, END, "iIIIii", OWNER(of), now, keep) < 0 ||
	    (keep && db_run(db, &tariff_part, PUT_OFF, "iI", keep,
		set_or_null(&list[0].until_ms)) != 1))
		return false;
	for (; i < n; i++) {
		one = list[i];
		one.model = of->model;
		one.channel = of->channel;
		one.group = of->group;
		one.account = of->account;
		/* As price_add: the first holds since ever. */
		if (!one.from_ms && any)
			one.from_ms = now;
		if (!insert(db, &one))
			return false;
	}
	return setting_bump(db);
}

int
price_models(struct db *db, struct arena *a, const struct price_of *of,
    struct str **names)
{
	size_t which = of->channel ? OF_CHANNEL
	    : of->group		   ? OF_GROUP
				   : OF_ACCOUNT;
	struct row *row = db_each(db, &tariff_part, which, "ii",
	    of->channel   ? of->channel
		: of->group ? of->group
			    : of->account,
	    db_now(db));
	size_t n = 0, room = 16;

	*names = arena_alloc(a, room * sizeof(**names));
	while (n < MODELS_MOST && db_next(row) == 1) {
		if (n == room) {
			struct str *more = arena_alloc(a,
			    2 * room * sizeof(*more));

			memcpy(more, *names, room * sizeof(*more));
			*names = more;
			room *= 2;
		}
		(*names)[n++] = arena_str(a, row_str(row, 0));
	}
	db_reset(row);
	return db_failed(db) ? -1 : (int)n;
}
