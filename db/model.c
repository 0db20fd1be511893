/* SPDX-License-Identifier: MIT */
/* model.c - models and their dated prices; see model.h. */
#include "db/model.h"

#include "db/group.h"
#include "db/setting.h"

#define COLUMNS \
	"id, name, context, max_output, free, fallback, aliases, " \
	"capabilities, enabled, note FROM model "
#define MORE_RATES \
	"audio_in, audio_out, image_in, image_out, character, image, second, " \
	"search"
#define PRICE \
	"SELECT id, model, channel, from_ms, until_ms, input, cache_read, " \
	"cache_write, cache_write_1h, output, reasoning, request, " \
	MORE_RATES " FROM price "

enum { FIND, GET, LIST, FALLBACKS, ADD, PUT, PRICE_AT, PRICE_GET, PRICE_LAST,
	PRICE_ADD, PRICE_LIST, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = "SELECT " COLUMNS "WHERE name = ?1",
	[GET] = "SELECT " COLUMNS "WHERE id = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1000",
	[FALLBACKS] = "SELECT " COLUMNS "WHERE name > ?1 "
		      "AND fallback <> '[]' ORDER BY name LIMIT 1000",
	[ADD] = "INSERT INTO model(name, context, max_output, free, fallback, "
		"aliases, capabilities, enabled, note) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	[PUT] = "UPDATE model SET name = ?1, context = ?2, max_output = ?3, "
		"free = ?4, fallback = ?5, aliases = ?6, capabilities = ?7, "
		"enabled = ?8, note = ?9 WHERE id = ?10",
	/* The same rule as in hold.c and catalogue.c. */
	[PRICE_AT] = PRICE "WHERE model = ?1 AND channel IS ?2 "
			   "AND from_ms <= ?3 "
			   "AND (until_ms IS NULL OR until_ms > ?3) "
			   "ORDER BY from_ms DESC, id DESC LIMIT 1",
	[PRICE_GET] = PRICE "WHERE id = ?1",
	[PRICE_LAST] = PRICE "WHERE model = ?1 AND channel IS ?2 "
			     "ORDER BY from_ms DESC, id DESC LIMIT 1",
	[PRICE_ADD] =
	    "INSERT INTO price(model, channel, from_ms, until_ms, input, "
	    "cache_read, cache_write, cache_write_1h, output, reasoning, "
	    "request, " MORE_RATES ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
	    "?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
	[PRICE_LIST] = PRICE "WHERE model = ?1 "
			     "ORDER BY channel, from_ms DESC, id DESC LIMIT 1000",
};
const struct db_part model_part = { "model", sql, N_SQL };

static void
read_row(struct arena *a, struct row *row, struct model_row *m)
{
	*m = (struct model_row){
		.id = row_int(row, 0),
		.name = arena_str(a, row_str(row, 1)),
		.context = row_int(row, 2),
		.max_output = row_int(row, 3),
		.free = row_int(row, 4),
		.fallback = arena_str(a, row_str(row, 5)),
		.aliases = arena_str(a, row_str(row, 6)),
		.capabilities = arena_str(a, row_str(row, 7)),
		.enabled = row_int(row, 8),
		.note = arena_str(a, row_str(row, 9)),
	};
}

void
model_blank(struct model_row *m, struct str name)
{
	*m = (struct model_row){ .name = name, .fallback = S("[]"),
		.aliases = S("[]"), .capabilities = S("{}"), .enabled = true };
}

int
model_find(struct db *db, struct arena *a, struct str name,
    struct model_row *m)
{
	struct row *row;
	int n = db_one(db, &model_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, m);
	return n;
}

int
model_get(struct db *db, struct arena *a, int64_t id, struct model_row *m)
{
	struct row *row;
	int n = db_one(db, &model_part, GET, &row, "i", id);

	if (n == 1)
		read_row(a, row, m);
	else
		*m = (struct model_row){ .name = S("") };
	return n;
}

bool
model_put(struct db *db, struct model_row *m)
{
	const int64_t *context = m->context ? &m->context : NULL;
	const int64_t *output = m->max_output ? &m->max_output : NULL;
	bool ok;

	if (m->id) {
		ok = db_run(db, &model_part, PUT, "sIIisssisi", m->name,
			 context, output, (int64_t)m->free, m->fallback,
			 m->aliases, m->capabilities, (int64_t)m->enabled,
			 m->note, m->id) == 1;
	} else {
		ok = db_run(db, &model_part, ADD, "sIIisssis", m->name,
			 context, output, (int64_t)m->free, m->fallback,
			 m->aliases, m->capabilities, (int64_t)m->enabled,
			 m->note) == 1;
		m->id = ok ? db_last_id(db) : 0;
	}
	return ok && setting_bump(db);
}

static int
page(struct db *db, struct arena *a, size_t which, struct str after,
    struct model_row **list)
{
	struct row *row = db_each(db, &model_part, which, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
model_list(struct db *db, struct arena *a, struct str after,
    struct model_row **list)
{
	return page(db, a, LIST, after, list);
}

int
model_fallbacks(struct db *db, struct arena *a, struct str after,
    struct model_row **list)
{
	return page(db, a, FALLBACKS, after, list);
}

/* --- prices --------------------------------------------------------------- */

_Static_assert(N_BUCKETS == 15, "a column for each, in the statements above");

static void
read_price(struct row *row, struct price_row *p)
{
	*p = (struct price_row){
		.id = row_int(row, 0),
		.model = row_int(row, 1),
		.channel = row_int(row, 2),
		.from_ms = row_int(row, 3),
		.until_ms = row_int(row, 4),
	};
	for (int b = 0; b < N_BUCKETS; b++)
		p->given[b] = row_null(row, 5 + b) ? -1 : row_int(row, 5 + b);
}

int
price_find(struct db *db, int64_t model, int64_t channel, int64_t at_ms,
    struct price_row *p)
{
	struct row *row;
	int n = db_one(db, &model_part, PRICE_AT, &row, "iIi", model,
	    channel ? &channel : NULL, at_ms);

	if (n == 1)
		read_price(row, p);
	return n;
}

int
price_get(struct db *db, int64_t id, struct price_row *p)
{
	struct row *row;
	int n = db_one(db, &model_part, PRICE_GET, &row, "i", id);

	if (n == 1)
		read_price(row, p);
	return n;
}

/* Does a row already say the same from then on? */
static bool
says_same(const struct price_row *old, const struct price_row *p)
{
	if (old->from_ms > p->from_ms || old->until_ms != p->until_ms)
		return false;
	for (int b = 0; b < N_BUCKETS; b++)
		if (old->given[b] != p->given[b])
			return false;
	return true;
}

bool
price_add(struct db *db, struct price_row *p, bool *added)
{
	const int64_t *channel = p->channel ? &p->channel : NULL;
	const int64_t *rate[N_BUCKETS];
	struct price_row old;
	struct row *row;
	int n = db_one(db, &model_part, PRICE_LAST, &row, "iI", p->model,
	    channel);

	*added = false;
	if (n < 0)
		return false;
	if (n == 1) {
		read_price(row, &old);
		if (says_same(&old, p)) {
			p->id = old.id;
			return true;
		}
	}
	/* The first holds since ever: a clock that was ahead when it was set
	 * and is put right leaves no model without a price. */
	if (n == 0 && p->from_ms <= db_now(db))
		p->from_ms = 0;
	for (int b = 0; b < N_BUCKETS; b++)
		rate[b] = p->given[b] >= 0 ? &p->given[b] : NULL;
	if (db_run(db, &model_part, PRICE_ADD, "iIiIIIIIIIIIIIIIIII", p->model,
		channel, p->from_ms, p->until_ms ? &p->until_ms : NULL,
		rate[0], rate[1], rate[2], rate[3], rate[4], rate[5],
		rate[6], rate[7], rate[8], rate[9], rate[10], rate[11],
		rate[12], rate[13], rate[14]) != 1)
		return false;
	p->id = db_last_id(db);
	*added = true;
	return setting_bump(db);
}

/* A row that gives no rate at all says: no price. */
bool
price_end(struct db *db, int64_t model, int64_t channel, int64_t at_ms)
{
	struct price_row p = { .model = model, .channel = channel,
		.from_ms = at_ms };
	struct price_row old;
	bool added;
	int n = price_find(db, model, channel, at_ms, &old);

	if (n <= 0)
		return n == 0;
	for (int b = 0; b < N_BUCKETS; b++)
		p.given[b] = -1;
	return price_add(db, &p, &added);
}

int
price_list(struct db *db, struct arena *a, int64_t model,
    struct price_row **list)
{
	struct row *row = db_each(db, &model_part, PRICE_LIST, "i", model);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_price(row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}
