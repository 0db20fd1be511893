/* SPDX-License-Identifier: MIT */
/* channel.c - upstreams and their credentials; see channel.h. */
#include "db/channel.h"

#include "db/group.h"
#include "db/money.h"
#include "db/setting.h"

#define COLUMNS \
	"id, name, dialect, base_url, priority, weight, cost_ppm, " \
	"connect_ms, first_ms, idle_ms, whole_ms, stream_ms, on_disconnect, " \
	"plain_http, ca_file, headers, enabled, note, test_model, preset, " \
	"quirks, body_drop, body_set, api_version FROM channel "
#define CREDENTIAL \
	"SELECT id, channel, name, sealed, origin, key_version, tail, " \
	"enabled, note, rpm, tpm, concurrency FROM credential "

enum {
	FIND, GET, LIST, ADD, PUT, COST, MODELS, MODELS_DROP, MODELS_ADD,
	SERVED, GROUPS, GROUPS_DROP, GROUPS_ADD, CREDENTIAL_GET,
	CREDENTIAL_FIND, CREDENTIAL_LIST, CREDENTIAL_ADD, CREDENTIAL_PUT,
	CREDENTIAL_SEAL, UNPARK, N_SQL
};
static const char *const sql[N_SQL] = {
	[GET] = "SELECT " COLUMNS "WHERE id = ?1",
	[FIND] = "SELECT " COLUMNS "WHERE name = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1000",
	[ADD] = "INSERT INTO channel(name, dialect, base_url, priority, "
		"weight, cost_ppm, connect_ms, first_ms, idle_ms, whole_ms, "
		"stream_ms, on_disconnect, plain_http, ca_file, headers, "
		"enabled, note, test_model, preset, quirks, body_drop, "
		"body_set, api_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
		"?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, "
		"?20, ?21, ?22, ?23)",
	[PUT] = "UPDATE channel SET name = ?1, dialect = ?2, base_url = ?3, "
		"priority = ?4, weight = ?5, cost_ppm = ?6, connect_ms = ?7, "
		"first_ms = ?8, idle_ms = ?9, whole_ms = ?10, stream_ms = ?11, "
		"on_disconnect = ?12, plain_http = ?13, ca_file = ?14, "
		"headers = ?15, enabled = ?16, note = ?17, test_model = ?18, "
		"preset = ?19, quirks = ?20, body_drop = ?21, body_set = ?22, "
		"api_version = ?23 WHERE id = ?24",
	[COST] = "SELECT cost_ppm FROM channel WHERE id = ?1",
	[MODELS] = "SELECT name, upstream FROM channel_model "
		   "WHERE channel = ?1 ORDER BY name",
	[MODELS_DROP] = "DELETE FROM channel_model WHERE channel = ?1",
	[MODELS_ADD] = "INSERT INTO channel_model(channel, name, upstream) "
		       "VALUES (?1, ?2, ?3)",
	[SERVED] = "SELECT DISTINCT name FROM channel_model /*scan*/ "
		   "ORDER BY name",
	[GROUPS] = "SELECT grp FROM channel_grp WHERE channel = ?1 "
		   "ORDER BY grp",
	[GROUPS_DROP] = "DELETE FROM channel_grp WHERE channel = ?1",
	[GROUPS_ADD] = "INSERT INTO channel_grp(channel, grp) VALUES (?1, ?2) "
		       "ON CONFLICT DO NOTHING",
	[CREDENTIAL_GET] = CREDENTIAL "WHERE id = ?1",
	[CREDENTIAL_FIND] = CREDENTIAL "WHERE channel = ?1 AND name = ?2",
	[CREDENTIAL_LIST] = CREDENTIAL "WHERE channel = ?1 ORDER BY name "
				       "LIMIT 1000",
	[CREDENTIAL_ADD] =
	    "INSERT INTO credential(channel, name, sealed, origin, "
	    "key_version, tail, enabled, note, rpm, tpm, concurrency) "
	    "VALUES (?1, ?2, x'', '', 0, '', ?3, ?4, ?5, ?6, ?7)",
	[CREDENTIAL_PUT] = "UPDATE credential SET name = ?2, enabled = ?3, "
			   "note = ?4, rpm = ?5, tpm = ?6, "
			   "concurrency = ?7 WHERE id = ?1",
	[CREDENTIAL_SEAL] = "UPDATE credential SET sealed = ?2, origin = ?3, "
			    "key_version = ?4, tail = ?5 WHERE id = ?1",
	[UNPARK] = "DELETE FROM park /*scan*/ WHERE credential = ?1",
};
const struct db_part channel_part = { "channel", sql, N_SQL };

static void
read_row(struct arena *a, struct row *row, struct channel_row *c)
{
	*c = (struct channel_row){
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
		.plain_http = row_int(row, 13),
		.ca_file = arena_str(a, row_str(row, 14)),
		.headers = arena_str(a, row_str(row, 15)),
		.enabled = row_int(row, 16),
		.note = arena_str(a, row_str(row, 17)),
		.test_model = arena_str(a, row_str(row, 18)),
		.preset = arena_str(a, row_str(row, 19)),
		.quirks = arena_str(a, row_str(row, 20)),
		.drop = arena_str(a, row_str(row, 21)),
		.set = arena_str(a, row_str(row, 22)),
		.api_version = arena_str(a, row_str(row, 23)),
	};
}

void
channel_blank(struct channel_row *c, struct str name)
{
	*c = (struct channel_row){
		.name = name,
		.weight = 1,
		.cost_ppm = PPM,
		.connect_ms = 3000,
		.first_ms = 60000,
		.idle_ms = 120000,
		.whole_ms = 600000,
		.stream_ms = 3600000,
		.headers = S("{}"),
		.enabled = true,
	};
}

int
channel_find(struct db *db, struct arena *a, struct str name,
    struct channel_row *c)
{
	struct row *row;
	int n = db_one(db, &channel_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, c);
	return n;
}

int
channel_get(struct db *db, struct arena *a, int64_t id, struct channel_row *c)
{
	struct row *row;
	int n = db_one(db, &channel_part, GET, &row, "i", id);

	if (n == 1)
		read_row(a, row, c);
	return n;
}

bool
channel_put(struct db *db, struct channel_row *c)
{
	struct str ca = c->ca_file.n ? c->ca_file : (struct str){ NULL, 0 };
	struct str test =
	    c->test_model.n ? c->test_model : (struct str){ NULL, 0 };
	struct str preset =
	    c->preset.n ? c->preset : (struct str){ NULL, 0 };
	struct str left = c->drain ? S("drain") : S("cancel");
	bool ok;

	if (c->id) {
		ok = db_run(db, &channel_part, PUT, "sssiiiiiiiisiSsisSSssssi",
			 c->name, c->dialect, c->base_url, c->priority,
			 c->weight, c->cost_ppm, c->connect_ms, c->first_ms,
			 c->idle_ms, c->whole_ms, c->stream_ms, left,
			 (int64_t)c->plain_http, ca, c->headers,
			 (int64_t)c->enabled, c->note, test, preset,
			 c->quirks, c->drop, c->set, c->api_version,
			 c->id) == 1;
	} else {
		ok = db_run(db, &channel_part, ADD, "sssiiiiiiiisiSsisSSssss",
			 c->name, c->dialect, c->base_url, c->priority,
			 c->weight, c->cost_ppm, c->connect_ms, c->first_ms,
			 c->idle_ms, c->whole_ms, c->stream_ms, left,
			 (int64_t)c->plain_http, ca, c->headers,
			 (int64_t)c->enabled, c->note, test, preset,
			 c->quirks, c->drop, c->set, c->api_version) == 1;
		c->id = ok ? db_last_id(db) : 0;
	}
	return ok && setting_bump(db);
}

int
channel_list(struct db *db, struct arena *a, struct str after,
    struct channel_row **list)
{
	struct row *row = db_each(db, &channel_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int64_t
channel_cost_ppm(struct db *db, int64_t channel)
{
	struct row *row;

	return db_one(db, &channel_part, COST, &row, "i", channel) == 1
	    ? row_int(row, 0)
	    : -1;
}

/* --- what it serves, and to whom ------------------------------------------ */

int
channel_models(struct db *db, struct arena *a, int64_t channel,
    struct channel_serve **list)
{
	struct row *row = db_each(db, &channel_part, MODELS, "i", channel);
	size_t room = 0, n = 0;

	*list = NULL;
	while (db_next(row) == 1) {
		if (n == room) {
			struct channel_serve *more;

			room = room ? room * 2 : 64;
			more = arena_alloc(a, room * sizeof(*more));
			if (n)
				memcpy(more, *list, n * sizeof(*more));
			*list = more;
		}
		(*list)[n++] = (struct channel_serve){
			.name = arena_str(a, row_str(row, 0)),
			.upstream = row_null(row, 1)
			    ? (struct str){ NULL, 0 }
			    : arena_str(a, row_str(row, 1)),
		};
	}
	return db_failed(db) ? -1 : (int)n;
}

bool
channel_models_set(struct db *db, int64_t channel,
    const struct channel_serve *list, size_t n)
{
	if (db_run(db, &channel_part, MODELS_DROP, "i", channel) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (db_run(db, &channel_part, MODELS_ADD, "isS", channel,
			list[i].name, list[i].upstream) != 1)
			return false;
	return setting_bump(db);
}

int
channel_served(struct db *db, struct arena *a, struct str **list)
{
	struct row *row = db_each(db, &channel_part, SERVED, "");
	size_t room = 0, n = 0;

	*list = NULL;
	while (db_next(row) == 1) {
		if (n == room) {
			struct str *more;

			room = room ? room * 2 : 64;
			more = arena_alloc(a, room * sizeof(*more));
			if (n)
				memcpy(more, *list, n * sizeof(*more));
			*list = more;
		}
		(*list)[n++] = arena_str(a, row_str(row, 0));
	}
	return db_failed(db) ? -1 : (int)n;
}

int
channel_groups(struct db *db, struct arena *a, int64_t channel,
    int64_t **list)
{
	struct row *row = db_each(db, &channel_part, GROUPS, "i", channel);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		(*list)[n++] = row_int(row, 0);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

bool
channel_groups_set(struct db *db, int64_t channel, const int64_t *list,
    size_t n)
{
	if (db_run(db, &channel_part, GROUPS_DROP, "i", channel) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (db_run(db, &channel_part, GROUPS_ADD, "ii", channel,
			list[i]) < 0)
			return false;
	return setting_bump(db);
}

/* --- credentials ---------------------------------------------------------- */

static void
read_credential(struct arena *a, struct row *row, struct credential_row *c)
{
	*c = (struct credential_row){
		.id = row_int(row, 0),
		.channel = row_int(row, 1),
		.name = arena_str(a, row_str(row, 2)),
		.sealed = arena_str(a, row_bytes(row, 3)),
		.origin = arena_str(a, row_str(row, 4)),
		.key_version = row_int(row, 5),
		.tail = arena_str(a, row_str(row, 6)),
		.enabled = row_int(row, 7),
		.note = arena_str(a, row_str(row, 8)),
		.rpm = row_int(row, 9),
		.tpm = row_int(row, 10),
		.concurrency = row_int(row, 11),
	};
}

void
credential_blank(struct credential_row *c, int64_t channel, struct str name)
{
	*c = (struct credential_row){ .channel = channel, .name = name,
		.enabled = true };
}

int
credential_find(struct db *db, struct arena *a, int64_t channel,
    struct str name, struct credential_row *c)
{
	struct row *row;
	int n = db_one(db, &channel_part, CREDENTIAL_FIND, &row, "is", channel,
	    name);

	if (n == 1)
		read_credential(a, row, c);
	return n;
}

int
credential_get(struct db *db, struct arena *a, int64_t id,
    struct credential_row *c)
{
	struct row *row;
	int n = db_one(db, &channel_part, CREDENTIAL_GET, &row, "i", id);

	if (n == 1)
		read_credential(a, row, c);
	return n;
}

int
credential_list(struct db *db, struct arena *a, int64_t channel,
    struct credential_row **list)
{
	struct row *row = db_each(db, &channel_part, CREDENTIAL_LIST, "i",
	    channel);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_credential(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

bool
credential_put(struct db *db, struct credential_row *c)
{
	const int64_t *rpm = c->rpm ? &c->rpm : NULL;
	const int64_t *tpm = c->tpm ? &c->tpm : NULL;
	const int64_t *concurrency = c->concurrency ? &c->concurrency : NULL;
	bool ok;

	if (c->id) {
		ok = db_run(db, &channel_part, CREDENTIAL_PUT, "isisIII",
			 c->id, c->name, (int64_t)c->enabled, c->note, rpm,
			 tpm, concurrency) == 1;
	} else {
		ok = db_run(db, &channel_part, CREDENTIAL_ADD, "isisIII",
			 c->channel, c->name, (int64_t)c->enabled, c->note,
			 rpm, tpm, concurrency) == 1;
		c->id = ok ? db_last_id(db) : 0;
	}
	return ok && setting_bump(db);
}

bool
credential_seal(struct db *db, const struct vault *v,
    struct credential_row *c, struct str origin, struct str secret)
{
	struct seal_to to = { c->id, c->channel, c->key_version + 1, origin };
	struct buf sealed = BUF_HEAP(65536);
	bool ok;

	vault_seal(v, &to, secret, &sealed);
	c->origin = origin;
	c->key_version = to.key_version;
	/* Less than half of a short secret is nobody's business either. */
	c->tail = secret.n >= 12 ? str_skip(secret, secret.n - 4) : S("");
	ok = !sealed.full &&
	    db_run(db, &channel_part, CREDENTIAL_SEAL, "ibsis", c->id,
		sealed.p, sealed.n, origin, c->key_version, c->tail) == 1 &&
	    db_run(db, &channel_part, UNPARK, "i", c->id) >= 0;
	buf_release(&sealed);
	return ok && setting_bump(db);
}

bool
credential_same(const struct vault *v, const struct credential_row *c,
    struct str origin, struct str secret)
{
	struct seal_to to = { c->id, c->channel, c->key_version, origin };
	char text[8192];
	int n = vault_open_sealed(v, &to, c->sealed, text, sizeof(text));
	bool same = n >= 0 && str_eq(secret, str_from(text, (size_t)n));

	vault_wipe(text, sizeof(text));
	return same;
}
