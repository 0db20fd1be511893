/* SPDX-License-Identifier: MIT */
/* model.c - models; see model.h. */
#include "db/model.h"

#include "db/group.h"
#include "db/setting.h"
#include "fcgi/base/json.h"

#define COLUMNS \
	"id, name, context, max_output, free, fallback, aliases, " \
	"capabilities, enabled, note FROM model "

enum { FIND, GET, LIST, FALLBACKS, ADD, PUT, N_SQL };
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

/* --- capabilities --------------------------------------------------------- */

enum { CAPABILITIES_BYTES = 1 << 16 };

/* Lists are cut at blanks and commas. */
static bool
is_word(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == ',')
			return false;
	return s.n > 0;
}

static struct str
words(struct arena *a, struct str list)
{
	struct json_each each = json_each(list);
	struct buf b = BUF(a, CAPABILITIES_BYTES);

	while (json_next(&each)) {
		struct str word = json_text(a, each.value);

		if (!is_word(word))
			return S("");
		buf_put(&b, b.n ? S(",") : S(""));
		buf_put(&b, word);
	}
	return buf_str(&b);
}

struct str
model_capability(struct arena *a, struct str value)
{
	struct str text = { NULL, 0 };
	int64_t n;

	switch (json_kind(value)) {
	case JSON_IS_BOOL:
		return json_yes(value) ? S("yes") : S("no");
	case JSON_IS_NUMBER:
		return json_int(value, &n) ? arena_printf(a, "%lld",
		    (long long)n) : text;
	case JSON_IS_STRING:
		text = json_text(a, value);
		return is_word(text) ? text : S("");
	case JSON_IS_ARRAY:
		return words(a, value);
	default:
		return text;
	}
}

struct str
model_capabilities(struct arena *a, struct str object)
{
	struct json_each each = json_each(object);
	struct buf b = BUF(a, CAPABILITIES_BYTES);

	while (json_next(&each)) {
		struct str value = model_capability(a, each.value);

		if (value.n && is_word(each.name))
			buf_printf(&b, "%s%.*s=%.*s", b.n ? " " : "",
			    STR_ARGS(each.name), STR_ARGS(value));
	}
	return arena_str(a, buf_str(&b));
}

/* --- lists ---------------------------------------------------------------- */

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
