/* SPDX-License-Identifier: MIT */
/*
 * usage.c - reading the journal of calls; see usage.h.
 *
 * Rows are in the order in which calls were settled.  A time is turned into
 * the id that was reached then by halving, so that pages need no index by
 * time.  An account's rows are those of its keys, merged: one more index
 * would cost every settlement more than it would save a page.
 */
#include "db/usage.h"

#include "db/funds.h"
#include "db/group.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/json.h"

const char *const usage_states[N_USAGE_STATES] = {
	[USAGE_DONE] = "done",
	[USAGE_FAILED] = "failed",
	[USAGE_CUT] = "cut",
	[USAGE_LEFT] = "left",
	[USAGE_DRAINED] = "drained",
	[USAGE_CRASH] = "crash",
	[USAGE_VOID] = "void",
};

int64_t
usage_units(enum unit covered, int64_t charge, const struct buckets *use)
{
	if (charge == 0 || covered == UNIT_USD)
		return 0;
	return covered == UNIT_TOKEN ? buckets_in(use) + buckets_out(use) :
	    use->n[BUCKET_REQUEST] > 0;
}

#define VIEW \
	"SELECT u.id, u.request_id, u.at, u.account, u.project, u.key, " \
	"u.model, a.name, p.name, k.name, u.asked, u.served, u.endpoint, " \
	"u.stream, u.channel, u.credential, c.name, d.name, u.state, " \
	"u.status, u.fault, u.estimated, u.input, u.cache_read, " \
	"u.cache_write, u.cache_write_1h, u.output, u.reasoning, u.request, " \
	"u.audio_in, u.audio_out, u.image_in, u.image_out, u.character, " \
	"u.image, u.second, u.search, " \
	"u.charge, u.cost, u.list, u.held, u.bound, u.price, u.cost_price, " \
	"u.markup_ppm, u.cost_ppm, u.first_ms, u.total_ms, u.weir_us, " \
	"json_array_length(u.attempts), u.end_user, u.remarks, " \
	"CASE WHEN u.remarks LIKE '%fallback%' THEN m.name END, " \
	"u.attempts, u.tag, u.list_price, coalesce(u.times_ppm, 1000000), " \
	"coalesce(u.cost_times_ppm, 1000000), u.minimum, u.floor, u.unpaid, " \
	"u.covered, u.parts, coalesce(u.discount_ppm, 0) " \
	"FROM usage u " \
	"LEFT JOIN account a ON a.id = u.account " \
	"LEFT JOIN project p ON p.id = u.project " \
	"LEFT JOIN key k ON k.id = u.key " \
	"LEFT JOIN channel c ON c.id = u.channel " \
	"LEFT JOIN credential d ON d.id = u.credential " \
	"LEFT JOIN model m ON m.id = u.model "

/* ?1 <= id < ?2, ?3: a model or 0; newest first. */
#define PAGE \
	"u.id >= ?1 AND u.id < ?2 AND (?3 = 0 OR u.model = ?3) "
#define NEWEST "ORDER BY u.id DESC LIMIT 1000"

enum { FIND, ALL, TAIL_OF_KEY, TAIL_OF_ACCOUNT, OF_KEY, KEYS, NEXT_OF_KEY,
	BY_ID, LAST, AT, ATTEMPTS, PARTS, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = VIEW "WHERE u.request_id = ?1",
	[ALL] = VIEW "WHERE " PAGE NEWEST,
	/* Rows that are not listed yet: fewer than a chunk. */
	[TAIL_OF_KEY] = VIEW "WHERE " PAGE "AND u.key = ?4 " NEWEST,
	[TAIL_OF_ACCOUNT] = VIEW "WHERE " PAGE "AND u.account = ?4 " NEWEST,
	[OF_KEY] = VIEW "JOIN usage_key l ON l.id = u.id WHERE l.key = ?4 "
			"AND l.id >= ?1 AND l.id < ?2 "
			"AND (?3 = 0 OR u.model = ?3) "
			"ORDER BY l.id DESC LIMIT 1000",
	[KEYS] = "SELECT id FROM key WHERE account = ?1 ORDER BY id",
	[NEXT_OF_KEY] = "SELECT max(id) FROM usage_key WHERE key = ?1 "
			"AND id < ?2",
	[BY_ID] = VIEW "WHERE u.id = ?1",
	[LAST] = "SELECT max(id) FROM usage",
	/* The first row from an id on. */
	[AT] = "SELECT id, at FROM usage WHERE id >= ?1 ORDER BY id LIMIT 1",
	[ATTEMPTS] = "SELECT attempts FROM usage WHERE request_id = ?1",
	[PARTS] = "SELECT json_extract(j.value, '$[0]'), "
		  "json_extract(j.value, '$[1]'), n.id, n.bonus, "
		  "n.subscription FROM usage u, json_each(u.parts) j "
		  "/*scan*/ LEFT JOIN allowance n "
		  "ON n.book = json_extract(j.value, '$[0]') "
		  "WHERE u.id = ?1 ORDER BY j.key",
};
const struct db_part usage_part = { "usage", sql, N_SQL };

static struct str
text(struct arena *a, struct row *row, int column)
{
	return row_null(row, column) ? S("")
				     : arena_str(a, row_str(row, column));
}

static enum usage_state
state_of(struct str name)
{
	int s = 0;

	while (s < N_USAGE_STATES - 1 && !str_eq(name, str_of(usage_states[s])))
		s++;
	return (enum usage_state)s;
}

static void
read_view(struct arena *a, struct row *row, struct usage_view *u)
{
	*u = (struct usage_view){
		.id = row_int(row, 0),
		.request_id = text(a, row, 1),
		.at = row_int(row, 2),
		.account = row_int(row, 3),
		.project = row_int(row, 4),
		.key = row_int(row, 5),
		.model = row_int(row, 6),
		.account_name = text(a, row, 7),
		.project_name = text(a, row, 8),
		.key_name = text(a, row, 9),
		.asked = text(a, row, 10),
		.served = text(a, row, 11),
		.endpoint = text(a, row, 12),
		.stream = row_int(row, 13),
		.channel = row_int(row, 14),
		.credential = row_int(row, 15),
		.channel_name = text(a, row, 16),
		.credential_name = text(a, row, 17),
		.state = state_of(row_str(row, 18)),
		.status = (int)row_int(row, 19),
		.fault = text(a, row, 20),
		.estimated = row_int(row, 21),
		.charge = row_int(row, 37),
		.cost = row_int(row, 38),
		.list = row_int(row, 39),
		.held = row_int(row, 40),
		.bound = row_int(row, 41),
		.price = row_int(row, 42),
		.cost_price = row_int(row, 43),
		.markup_ppm = row_int(row, 44),
		.cost_ppm = row_int(row, 45),
		.first_ms = row_null(row, 46) ? -1 : row_int(row, 46),
		.total_ms = row_int(row, 47),
		.weir_us = row_int(row, 48),
		.attempts = row_int(row, 49),
		.end_user = text(a, row, 50),
		.remarks = text(a, row, 51),
		.fallback = text(a, row, 52),
		.tried = text(a, row, 53),
		.tag = text(a, row, 54),
		.list_price = row_int(row, 55),
		.times_ppm = row_int(row, 56),
		.cost_times_ppm = row_int(row, 57),
		.minimum = row_int(row, 58),
		.floor = row_int(row, 59),
		.unpaid = row_int(row, 60),
		.covered = unit_column(row, 61),
		.parts = text(a, row, 62),
		.discount_ppm = row_int(row, 63),
	};
	for (int b = 0; b < N_BUCKETS; b++)
		u->use.n[b] = row_int(row, 22 + b);
}

int
usage_find(struct db *db, struct arena *a, struct str request_id,
    struct usage_view *u)
{
	struct row *row;
	int n = db_one(db, &usage_part, FIND, &row, "s", request_id);

	if (n == 1)
		read_view(a, row, u);
	return n;
}

/*
 * The lowest id that was settled at or after a time.  `at` grows with the id
 * but for steps of the clock, where the answer is one of those possible.
 */
static int64_t
id_at(struct db *db, int64_t ms)
{
	struct row *row;
	int64_t low = 0, high;

	if (db_one(db, &usage_part, LAST, &row, "") != 1)
		return -1;
	high = row_int(row, 0) + 1;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		int n = db_one(db, &usage_part, AT, &row, "i", middle);

		if (n < 0)
			return -1;
		if (n == 1 && row_int(row, 1) < ms)
			low = row_int(row, 0) + 1;
		else
			high = middle;
	}
	return low;
}

/* A page being filled: what is asked for, and what came. */
struct page {
	struct db *db;
	struct arena *a;
	const struct usage_filter *f;
	int64_t from, to;		/* ids: [from, to) */
	struct usage_view *list;
	int n, most;
};

/* Rows of one statement with ?1 .. ?4: from, to, model, owner. */
static bool
page_add(struct page *p, size_t which, int64_t from, int64_t to,
    int64_t owner)
{
	struct row *row = owner
	    ? db_each(p->db, &usage_part, which, "iiii", from, to,
		  p->f->model, owner)
	    : db_each(p->db, &usage_part, which, "iii", from, to,
		  p->f->model);

	while (p->n < p->most && db_next(row) == 1) {
		/* A key of another account is nobody's here. */
		if (p->f->account && row_int(row, 3) != p->f->account)
			continue;
		read_view(p->a, row, &p->list[p->n++]);
	}
	db_reset(row);
	return !db_failed(p->db);
}

/* A key and the newest of its rows not yet in the page; 0: none. */
struct head {
	int64_t key, id;
};

static bool
head_next(struct page *p, struct head *h)
{
	struct row *row;
	int n = db_one(p->db, &usage_part, NEXT_OF_KEY, &row, "ii", h->key,
	    h->id);

	h->id = n == 1 && row_int(row, 0) >= p->from ? row_int(row, 0) : 0;
	return n >= 0;
}

/* An account's listed rows below `to`: always the newest of its keys'. */
static bool
page_merge(struct page *p, int64_t to)
{
	struct row *row = db_each(p->db, &usage_part, KEYS, "i",
	    p->f->account);
	struct buf heads = BUF(p->a, 1 << 24);
	struct head h, *head;
	size_t n_heads;

	while (db_next(row) == 1) {
		h = (struct head){ row_int(row, 0), to };
		buf_put(&heads, str_from(&h, sizeof(h)));
	}
	head = (struct head *)(void *)heads.p;
	n_heads = heads.n / sizeof(h);
	for (size_t i = 0; i < n_heads; i++)
		if (!head_next(p, &head[i]))
			return false;
	while (p->n < p->most) {
		struct head *newest = NULL;

		for (size_t i = 0; i < n_heads; i++)
			if (head[i].id && (!newest || head[i].id > newest->id))
				newest = &head[i];
		if (!newest)
			break;
		if (db_one(p->db, &usage_part, BY_ID, &row, "i",
			newest->id) != 1)
			return false;
		if (!p->f->model || row_int(row, 6) == p->f->model)
			read_view(p->a, row, &p->list[p->n++]);
		if (!head_next(p, newest))
			return false;
	}
	return true;
}

/* First the rows after the last whole chunk, then those that are listed. */
static bool
page_fill(struct page *p)
{
	int64_t owner = p->f->key ? p->f->key : p->f->account;
	struct row *row;
	int64_t listed;

	if (!owner)
		return page_add(p, ALL, p->from, p->to, 0);
	if (db_one(p->db, &usage_part, LAST, &row, "") != 1)
		return false;
	listed = row_int(row, 0) / USAGE_CHUNK * USAGE_CHUNK;
	if (p->to > listed + 1 &&
	    !page_add(p, p->f->key ? TAIL_OF_KEY : TAIL_OF_ACCOUNT,
		p->from > listed ? p->from : listed + 1, p->to, owner))
		return false;
	if (listed >= p->to)
		listed = p->to - 1;
	return p->f->key ? page_add(p, OF_KEY, p->from, listed + 1, owner)
			 : page_merge(p, listed + 1);
}

int
usage_list(struct db *db, struct arena *a, const struct usage_filter *f,
    struct usage_view **list)
{
	struct page p = { .db = db, .a = a, .f = f, .most = f->most > 0 &&
	    f->most < LIST_MAX ? f->most : LIST_MAX };

	p.from = f->since ? id_at(db, f->since) : 0;
	p.to = f->until ? id_at(db, f->until) : INT64_MAX;
	if (p.from < 0 || p.to < 0)
		return -1;
	if (f->before && f->before < p.to)
		p.to = f->before;
	*list = p.list = arena_alloc(a, (size_t)p.most * sizeof(**list));
	return page_fill(&p) && !db_failed(db) ? p.n : -1;
}

int
usage_parts(struct db *db, struct arena *a, const struct usage_view *u,
    struct usage_part **list)
{
	struct row *row;
	int n = 0;

	*list = arena_alloc(a, PARTS_MAX * sizeof(**list));
	if (u->parts.n == 0)
		return 0;
	row = db_each(db, &usage_part, PARTS, "i", u->id);
	while (n < PARTS_MAX && db_next(row) == 1)
		(*list)[n++] = (struct usage_part){
			.book = row_int(row, 0),
			.amount = row_int(row, 1),
			.allowance = row_int(row, 2),
			.bonus = row_int(row, 3),
			.subscription = row_int(row, 4),
		};
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
usage_tried(struct arena *a, const struct usage_view *u,
    struct attempt_row **list)
{
	enum { ROOM = 64 };
	struct json_each item = json_each(u->tried);
	int n;

	*list = arena_zero(a, ROOM * sizeof(**list));
	for (n = 0; n < ROOM && json_next(&item); n++) {
		struct json_each member = json_each(item.value);
		struct attempt_row *t = &(*list)[n];
		struct str v[7] = { { 0 } };
		int64_t status = 0;

		for (int i = 0; i < 7 && json_next(&member); i++)
			v[i] = member.value;
		json_int(v[0], &t->channel);
		json_int(v[1], &t->credential);
		t->upstream_model = arena_str(a, json_text(a, v[2]));
		json_int(v[3], &t->started);
		json_int(v[4], &t->ms);
		json_int(v[5], &status);
		t->status = (int)status;
		t->outcome = arena_str(a, json_text(a, v[6]));
	}
	return n;
}

int
usage_attempts(struct db *db, struct arena *a, struct str request_id,
    struct attempt_row **list)
{
	struct usage_view u = { 0 };
	struct row *row;
	int n = db_one(db, &usage_part, ATTEMPTS, &row, "s", request_id);

	if (n == 1)
		u.tried = text(a, row, 0);
	return n < 0 ? n : usage_tried(a, &u, list);
}
