/* SPDX-License-Identifier: MIT */
/*
 * catalogue.c - the snapshot of channels, models, prices; see catalogue.h.
 *
 * Everything is read in one transaction into one arena.  The published
 * pointer and all counts are guarded by one mutex; nobody holds it for longer
 * than an addition.
 */
#include "db/catalogue.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "db/catalogue_part.h"
#include "db/key.h"
#include "db/model.h"
#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

#define RATES \
	"p.id, p.input, p.cache_read, p.cache_write, p.cache_write_1h, " \
	"p.output, p.reasoning, p.request, p.audio_in, p.audio_out, " \
	"p.image_in, p.image_out, p.character, p.image, p.second, p.search, " \
	"p.until_ms, p.tiers, p.multipliers "
/* The row in force: the newest whose time has come (as in tab.c). */
#define IN_FORCE(channel) \
	"(SELECT id FROM price WHERE model = m.id AND channel IS " channel " " \
	"AND grp IS NULL AND account IS NULL AND from_ms <= ?1 AND (until_ms IS NULL OR until_ms > ?1) " \
	"ORDER BY from_ms DESC, id DESC LIMIT 1) "

enum { COUNTS, MODELS, CHANNELS, SERVES, CREDENTIALS, GROUPS_OF, GROUPS,
	SALES, NEXT_PRICE, TIME_ZONE, ROUTING, N_SQL };
static const char *const sql[N_SQL] = {
	[COUNTS] = "SELECT (SELECT count(*) FROM model /*scan*/), "
		   "(SELECT count(*) FROM channel), "
		   "(SELECT count(*) FROM grp), "
		   "(SELECT count(*) FROM credential), "
		   "(SELECT count(*) FROM channel_model), "
		   "(SELECT count(*) FROM channel_grp), "
		   "(SELECT count(*) FROM price "
		   "WHERE grp IS NOT NULL OR account IS NOT NULL)",
	[MODELS] = "SELECT m.id, m.name, m.context, m.max_output, m.free, "
		   "m.enabled, m.aliases, m.capabilities, m.fallback, " RATES
		   "FROM model m /*scan*/ LEFT JOIN price p ON p.id = "
		   IN_FORCE("NULL") "ORDER BY m.name",
	[CHANNELS] = "SELECT id, name, dialect, base_url, priority, weight, "
		     "cost_ppm, connect_ms, first_ms, idle_ms, whole_ms, "
		     "stream_ms, on_disconnect, enabled, ca_file, "
		     "test_model, preset, quirks, body_drop, body_set, "
		     "headers, api_version FROM channel /*scan*/ ORDER BY id",
	[SERVES] = "SELECT cm.channel, cm.name, cm.upstream, " RATES
		   "FROM channel_model cm /*scan*/ "
		   "LEFT JOIN model m ON m.name = cm.name "
		   "LEFT JOIN price p ON p.id = " IN_FORCE("cm.channel")
		   "ORDER BY cm.channel, cm.name",
	[CREDENTIALS] = "SELECT id, channel, name, sealed, key_version, "
			"enabled, rpm, tpm, concurrency "
			"FROM credential /*scan*/ "
			"ORDER BY channel, id",
	[GROUPS_OF] = "SELECT channel, grp FROM channel_grp /*scan*/ "
		      "ORDER BY channel, grp",
	[GROUPS] = "SELECT id, name, markup_ppm, enabled, minimum, below_cost "
		   "FROM grp /*scan*/ ORDER BY id",
	/* At what groups and accounts buy: the newest first. */
	[SALES] = "SELECT p.model, coalesce(p.account, 0), "
		  "coalesce(p.grp, 0), " RATES "FROM price p /*scan*/ "
		  "WHERE (p.grp IS NOT NULL OR p.account IS NOT NULL) "
		  "AND p.from_ms <= ?1 "
		  "AND (p.until_ms IS NULL OR p.until_ms > ?1) "
		  "ORDER BY 2, 3, 1, p.from_ms DESC, p.id DESC",
	/* When the first price begins or ends after now. */
	[NEXT_PRICE] =
	    "SELECT min(at) FROM (SELECT min(from_ms) AS at FROM price "
	    "/*scan*/ WHERE from_ms > ?1 UNION ALL SELECT min(until_ms) "
	    "FROM price WHERE until_ms > ?1)",
	[TIME_ZONE] =
	    "SELECT value FROM setting WHERE name = 'site.time_zone'",
	[ROUTING] = "SELECT value FROM setting WHERE name = 'site.routing'",
};
const struct db_part catalogue_part = { "catalogue", sql, N_SQL };

const char *const routing_names[N_ROUTINGS] = { [ROUTING_BALANCED] =
	"balanced", [ROUTING_CHEAP] = "cheap", [ROUTING_FAST] = "fast" };

enum routing
routing_read(struct str name)
{
	for (int i = 0; i < N_ROUTINGS; i++)
		if (str_eq(name, str_of(routing_names[i])))
			return (enum routing)i;
	return ROUTING_BALANCED;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct catalogue *published;

/* --- loading -------------------------------------------------------------- */

/* How many rows of each table there are, to size the arrays. */
struct counts {
	size_t models, channels, groups, credentials, serves, groups_of, sales;
};

static bool
load_counts(struct db *db, struct counts *n)
{
	struct row *row;

	if (db_one(db, &catalogue_part, COUNTS, &row, "") != 1)
		return false;
	n->models = (size_t)row_int(row, 0);
	n->channels = (size_t)row_int(row, 1);
	n->groups = (size_t)row_int(row, 2);
	n->credentials = (size_t)row_int(row, 3);
	n->serves = (size_t)row_int(row, 4);
	n->groups_of = (size_t)row_int(row, 5);
	n->sales = (size_t)row_int(row, 6);
	return true;
}

/* A price from the columns of RATES; false: there is none. */
static bool
read_price(struct arena *a, struct row *row, int column, struct price *p,
    int64_t *until)
{
	struct price_words w;

	*until = 0;
	if (row_null(row, column))
		return false;
	p->id = row_int(row, column);
	for (int b = 0; b < N_BUCKETS; b++)
		w.given[b] = row_null(row, column + 1 + b)
		    ? -1
		    : row_int(row, column + 1 + b);
	*until = row_int(row, column + 1 + N_BUCKETS);
	w.tiers = row_str(row, column + 2 + N_BUCKETS);
	w.multipliers = row_str(row, column + 3 + N_BUCKETS);
	return price_read(a, &w, p);
}

static void
read_model(struct arena *a, struct row *row, struct model *m)
{
	*m = (struct model){
		.id = row_int(row, 0),
		.name = arena_str(a, row_str(row, 1)),
		.context = row_int(row, 2),
		.max_output = row_int(row, 3),
		.free = row_int(row, 4),
		.enabled = row_int(row, 5),
		.capabilities = model_capabilities(a, row_str(row, 7)),
	};
	m->priced = read_price(a, row, 9, &m->price, &m->price_until);
	if (!m->priced)
		m->price = (struct price){ 0 };
}

static int
by_name(const void *a, const void *b)
{
	const struct catalogue_name *x = a, *y = b;
	int d = str_cmp(x->name, y->name);

	/* A model's own name stands before an alias of another. */
	return d ? d : x->alias - y->alias;
}

static int
by_length(const void *a, const void *b)
{
	const struct model *const *x = a, *const *y = b;

	return ((*x)->name.n < (*y)->name.n) - ((*x)->name.n > (*y)->name.n);
}

/* Exact names and aliases into one sorted table, patterns into another. */
struct indexer {
	struct catalogue *c;
	size_t room;
};

static void
index_name(struct indexer *x, struct str name, const struct model *m,
    bool alias)
{
	struct catalogue *c = x->c;
	struct catalogue_name *more;

	if (c->n_names == x->room) {
		x->room = x->room * 2 + 64;
		more = arena_alloc(&c->arena, x->room * sizeof(*more));
		if (c->n_names)
			memcpy(more, c->names, c->n_names * sizeof(*more));
		c->names = more;
	}
	c->names[c->n_names++] = (struct catalogue_name){ name, m, alias };
}

/* The model of exactly this name, on; NULL: there is none. */
static const struct model *
own_name(const struct catalogue *c, struct str name)
{
	size_t low = catalogue_name_at(c, name);

	return low < c->n_names && !c->names[low].alias &&
	    str_eq(c->names[low].name, name)
	    ? c->names[low].model
	    : NULL;
}

/* The names of its fallback models become the models; what is off is not
 * among them. */
static void
read_fallback(struct catalogue *c, struct model *m, struct str list)
{
	struct json_each each = json_each(list);
	const struct model *to;

	m->fallback = arena_zero(&c->arena,
	    FALLBACK_MOST * sizeof(*m->fallback));
	while (m->n_fallback < FALLBACK_MOST && json_next(&each)) {
		to = own_name(c, json_text(&c->arena, each.value));
		if (to)
			m->fallback[m->n_fallback++] = to;
	}
}

static bool
load_models(struct db *db, struct catalogue *c, size_t room, int64_t now)
{
	struct row *row = db_each(db, &catalogue_part, MODELS, "i", now);
	struct indexer x = { .c = c };
	struct str *fallback = arena_zero(&c->arena,
	    (room + 1) * sizeof(*fallback));

	c->models = arena_zero(&c->arena, room * sizeof(*c->models));
	c->patterns = arena_zero(&c->arena, room * sizeof(*c->patterns));
	while (c->n_models < room && db_next(row) == 1) {
		struct model *m = &c->models[c->n_models++];
		struct str aliases = arena_str(&c->arena, row_str(row, 6));
		struct json_each alias = json_each(aliases);

		read_model(&c->arena, row, m);
		if (!str_eq(row_str(row, 8), S("[]")))
			fallback[m - c->models] =
			    arena_str(&c->arena, row_str(row, 8));
		if (!m->enabled)
			continue;
		if (str_ends(m->name, S("*")))
			c->patterns[c->n_patterns++] = m;
		else
			index_name(&x, m->name, m, false);
		while (json_next(&alias))
			index_name(&x, json_text(&c->arena, alias.value), m,
			    true);
	}
	db_reset(row);
	if (c->n_names)
		qsort(c->names, c->n_names, sizeof(*c->names), by_name);
	if (c->n_patterns)
		qsort(c->patterns, c->n_patterns, sizeof(*c->patterns),
		    by_length);
	for (size_t i = 0; i < c->n_models; i++)
		if (fallback[i].n)
			read_fallback(c, &c->models[i], fallback[i]);
	return !db_failed(db);
}

static bool
load_groups(struct db *db, struct catalogue *c, size_t room)
{
	struct row *row = db_each(db, &catalogue_part, GROUPS, "");

	c->groups = arena_zero(&c->arena, room * sizeof(*c->groups));
	while (c->n_groups < room && db_next(row) == 1)
		c->groups[c->n_groups++] = (struct group){
			.id = row_int(row, 0),
			.name = arena_str(&c->arena, row_str(row, 1)),
			.markup_ppm = row_int(row, 2),
			.enabled = row_int(row, 3),
			.minimum = row_int(row, 4),
			.below_cost = row_int(row, 5),
		};
	db_reset(row);
	return !db_failed(db);
}

/* One of each; a newer row that says there is none hides what is older. */
static bool
load_sales(struct db *db, struct catalogue *c, size_t room, int64_t now)
{
	struct row *row = db_each(db, &catalogue_part, SALES, "i", now);
	struct sale *list = arena_zero(&c->arena, room * sizeof(*list));
	size_t n = 0;
	int64_t until;

	while (n < room && db_next(row) == 1) {
		struct sale *s = &list[n];
		int64_t model = row_int(row, 0), account = row_int(row, 1);
		int64_t group = row_int(row, 2);

		if (n > 0 && catalogue_sale_order(&list[n - 1], account, group,
		    model) == 0)
			continue;
		s->model = model;
		s->account = account;
		s->group = group;
		s->priced = read_price(&c->arena, row, 3, &s->price, &until);
		n++;
	}
	db_reset(row);
	c->sales = list;
	c->n_sales = n;
	return !db_failed(db);
}

/* Most channels have none: nobody looks for them then. */
static struct str
read_headers(struct arena *a, struct str object)
{
	return str_eq(object, S("{}")) ? (struct str){ NULL, 0 }
				       : arena_str(a, object);
}

static bool
load_channels(struct db *db, struct catalogue *c, size_t room)
{
	struct row *row = db_each(db, &catalogue_part, CHANNELS, "");
	struct arena *a = &c->arena;

	c->channels = arena_zero(a, room * sizeof(*c->channels));
	while (c->n_channels < room && db_next(row) == 1)
		c->channels[c->n_channels++] = (struct channel){
			.id = row_int(row, 0),
			.name = arena_str(a, row_str(row, 1)),
			.dialect = arena_str(a, row_str(row, 2)),
			.base_url = arena_str(a, row_str(row, 3)),
			.priority = row_int(row, 4),
			.weight = row_int(row, 5),
			.cost_ppm = row_int(row, 6),
			.connect_ms = row_int(row, 7),
			.first_ms = row_int(row, 8),
			.idle_ms = row_int(row, 9),
			.whole_ms = row_int(row, 10),
			.stream_ms = row_int(row, 11),
			.drain = str_eq(row_str(row, 12), S("drain")),
			.enabled = row_int(row, 13),
			.ca_file = arena_str(a, row_str(row, 14)),
			.test_model = arena_str(a, row_str(row, 15)),
			.preset = arena_str(a, row_str(row, 16)),
			.quirks = arena_str(a, row_str(row, 17)),
			.drop = arena_str(a, row_str(row, 18)),
			.set = arena_str(a, row_str(row, 19)),
			.headers = read_headers(a, row_str(row, 20)),
			.api_version = arena_str(a, row_str(row, 21)),
		};
	db_reset(row);
	return !db_failed(db);
}

/* The channel with an id; rows come in order of it. */
static struct channel *
channel_of(struct catalogue *c, size_t *at, int64_t id)
{
	while (*at < c->n_channels && c->channels[*at].id < id)
		++*at;
	return *at < c->n_channels && c->channels[*at].id == id
	    ? &c->channels[*at]
	    : NULL;
}

static bool
load_serves(struct db *db, struct catalogue *c, size_t room, int64_t now)
{
	struct row *row = db_each(db, &catalogue_part, SERVES, "i", now);
	struct channel_model *list =
	    arena_zero(&c->arena, room * sizeof(*list));
	size_t at = 0, n = 0;
	int64_t until;

	while (n < room && db_next(row) == 1) {
		struct channel *ch = channel_of(c, &at, row_int(row, 0));
		struct channel_model *m = &list[n++];

		if (!ch)
			continue;
		m->name = arena_str(&c->arena, row_str(row, 1));
		if (!row_null(row, 2))
			m->upstream = arena_str(&c->arena, row_str(row, 2));
		m->cost_known = read_price(&c->arena, row, 3, &m->cost,
		    &until);
		if (!ch->models)
			ch->models = m;
		ch->n_models++;
	}
	db_reset(row);
	return !db_failed(db);
}

static bool
load_credentials(struct db *db, struct catalogue *c, size_t room)
{
	struct row *row = db_each(db, &catalogue_part, CREDENTIALS, "");
	struct credential *list = arena_zero(&c->arena, room * sizeof(*list));
	size_t at = 0;

	while (c->n_credentials < room && db_next(row) == 1) {
		struct channel *ch = channel_of(c, &at, row_int(row, 1));
		struct credential *k = &list[c->n_credentials];

		if (!ch)
			continue;
		k->id = row_int(row, 0);
		k->name = arena_str(&c->arena, row_str(row, 2));
		k->sealed = arena_str(&c->arena, row_bytes(row, 3));
		k->enabled = row_int(row, 5) && k->sealed.n > 0;
		k->rpm = row_int(row, 6);
		k->tpm = row_int(row, 7);
		k->concurrency = row_int(row, 8);
		k->index = (int)c->n_credentials++;
		k->bound = (struct seal_to){ k->id, ch->id, row_int(row, 4),
			S("") };
		/* Where it would be sent now: elsewhere it does not open. */
		if (!vault_origin(&c->arena, ch->base_url, &k->bound.origin))
			k->enabled = false;
		if (!ch->credentials)
			ch->credentials = k;
		ch->n_credentials++;
	}
	db_reset(row);
	return !db_failed(db);
}

static bool
load_groups_of(struct db *db, struct catalogue *c, size_t room)
{
	struct row *row = db_each(db, &catalogue_part, GROUPS_OF, "");
	int64_t *list = arena_zero(&c->arena, room * sizeof(*list));
	size_t at = 0, n = 0;

	while (n < room && db_next(row) == 1) {
		struct channel *ch = channel_of(c, &at, row_int(row, 0));

		list[n] = row_int(row, 1);
		if (ch && !ch->groups)
			ch->groups = &list[n];
		if (ch)
			ch->n_groups++;
		n++;
	}
	db_reset(row);
	return !db_failed(db);
}

static bool
load_rest(struct db *db, struct catalogue *c, int64_t now)
{
	struct row *row;

	c->generation = setting_generation(db);
	if (c->generation < 0 ||
	    db_one(db, &catalogue_part, NEXT_PRICE, &row, "i", now) != 1)
		return false;
	c->reload_ms = row_null(row, 0) ? INT64_MAX : row_int(row, 0);
	c->time_zone = S("UTC");
	if (db_one(db, &catalogue_part, TIME_ZONE, &row, "") == 1)
		c->time_zone = arena_str(&c->arena, row_str(row, 0));
	if (db_one(db, &catalogue_part, ROUTING, &row, "") == 1)
		c->routing = routing_read(row_str(row, 0));
	return !db_failed(db);
}

struct catalogue *
catalogue_load(struct db *db)
{
	struct catalogue *c = xnew(struct catalogue);
	int64_t now = db_now(db);
	bool own = !db_busy(db), ok;
	struct counts n;

	arena_init(&c->arena);
	c->count = 1;
	ok = (!own || db_script(db, "BEGIN")) && load_counts(db, &n) &&
	    load_models(db, c, n.models, now) &&
	    load_groups(db, c, n.groups) &&
	    load_sales(db, c, n.sales, now) &&
	    load_channels(db, c, n.channels) &&
	    load_serves(db, c, n.serves, now) &&
	    load_credentials(db, c, n.credentials) &&
	    load_groups_of(db, c, n.groups_of) && load_rest(db, c, now);
	if (own && db_busy(db))
		db_script(db, "COMMIT");
	if (ok)
		return c;
	catalogue_give(c);
	return NULL;
}

/* --- sharing -------------------------------------------------------------- */

const struct catalogue *
catalogue_take(void)
{
	struct catalogue *c;

	pthread_mutex_lock(&mutex);
	c = published;
	assert(c);
	c->count++;
	pthread_mutex_unlock(&mutex);
	return c;
}

void
catalogue_give(const struct catalogue *borrowed)
{
	struct catalogue *c = (struct catalogue *)borrowed;
	bool last;

	if (!c)
		return;
	pthread_mutex_lock(&mutex);
	assert(c->count > 0);
	last = --c->count == 0;
	pthread_mutex_unlock(&mutex);
	if (!last)
		return;
	arena_release(&c->arena);
	free(c);
}

void
catalogue_publish(struct catalogue *c)
{
	struct catalogue *old;

	pthread_mutex_lock(&mutex);
	old = published;
	published = c;
	pthread_mutex_unlock(&mutex);
	catalogue_give(old);
}
