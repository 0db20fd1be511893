/* SPDX-License-Identifier: MIT */
/* rollup.c - what was used and earned, summed up; see rollup.h. */
#include "db/rollup.h"

#include <stdlib.h>

#include "db/usage.h"
#include "db/zone.h"
#include "fcgi/base/mem.h"

enum { PAGE = 1000, HOUR_MS = 3600000, FIRST_ROOM = 256 };

/* The sums, in the order of struct rollup_sums. */
#define SUMS \
	"calls, failed, estimated, input, cache_read, cache_write, " \
	"cache_write_1h, output, reasoning, request, audio_in, audio_out, " \
	"image_in, image_out, character, image, second, search, charge, " \
	"cost, list, first_n, first_ms, total_ms "
#define FAILED "state IN ('failed', 'cut', 'crash')"
#define OF_ONE \
	"1, " FAILED ", estimated, input, cache_read, cache_write, " \
	"cache_write_1h, output, reasoning, request, audio_in, audio_out, " \
	"image_in, image_out, character, image, second, search, charge, " \
	"cost, list, first_ms IS NOT NULL, coalesce(first_ms, 0), total_ms "
#define OF_MANY \
	"count(*), sum(" FAILED "), sum(estimated), sum(input), " \
	"sum(cache_read), sum(cache_write), sum(cache_write_1h), " \
	"sum(output), sum(reasoning), sum(request), sum(audio_in), " \
	"sum(audio_out), sum(image_in), sum(image_out), sum(character), " \
	"sum(image), sum(second), sum(search), sum(charge), sum(cost), " \
	"sum(list), count(first_ms), coalesce(sum(first_ms), 0), " \
	"sum(total_ms) "
#define PLUS(name) #name " = " #name " + excluded." #name
#define ADD_SUMS \
	PLUS(calls) ", " PLUS(failed) ", " PLUS(estimated) ", " \
	PLUS(input) ", " PLUS(cache_read) ", " PLUS(cache_write) ", " \
	PLUS(cache_write_1h) ", " PLUS(output) ", " PLUS(reasoning) ", " \
	PLUS(request) ", " PLUS(audio_in) ", " PLUS(audio_out) ", " \
	PLUS(image_in) ", " PLUS(image_out) ", " PLUS(character) ", " \
	PLUS(image) ", " PLUS(second) ", " PLUS(search) ", " \
	PLUS(charge) ", " PLUS(cost) ", " PLUS(list) ", " PLUS(first_n) \
	", " PLUS(first_ms) ", " PLUS(total_ms)
_Static_assert(N_BUCKETS == 15, "a column for each, in the lists above");
_Static_assert(USAGE_CHUNK == 512, "it stands in the statements below");

enum { ADD_HOURS, ADD_DAY, SPAN, HOURS, DAYS, TAIL, NAMES, N_SQL };
static const char *const sql[N_SQL] = {
	/* ?1: the last row of the chunk, ?2: how hours are shifted. */
	[ADD_HOURS] =
	    "INSERT INTO /*tab*/ rollup(hour, account, project, key, model, "
	    "channel, " SUMS ") "
	    "SELECT at - (at + ?2) % 3600000, account, project, key, model, "
	    "coalesce(channel, 0), " OF_MANY "FROM usage "
	    "WHERE id > ?1 - 512 AND id <= ?1 GROUP BY 1, 2, 3, 4, 5, 6 "
	    "ON CONFLICT DO UPDATE SET " ADD_SUMS,
	/* ?2, ?3: a day of it. */
	[ADD_DAY] =
	    "INSERT INTO /*tab*/ rollup_user(day, account, model, end_user, "
	    "tag, " SUMS ") "
	    "SELECT ?2, account, model, coalesce(end_user, ''), "
	    "coalesce(tag, ''), " OF_MANY "FROM usage "
	    "WHERE id > ?1 - 512 AND id <= ?1 AND at >= ?2 AND at < ?3 "
	    "AND (end_user IS NOT NULL OR tag IS NOT NULL) "
	    "GROUP BY 2, 3, 4, 5 ON CONFLICT DO UPDATE SET " ADD_SUMS,
	/* From when to when, of the rows that name a user or have a tag. */
	[SPAN] = "SELECT min(at), max(at) FROM usage "
		 "WHERE id > ?1 - 512 AND id <= ?1 "
		 "AND (end_user IS NOT NULL OR tag IS NOT NULL)",
	[HOURS] =
	    "SELECT hour, account, project, key, model, channel, '', '', "
	    SUMS "FROM rollup "
	    "WHERE (hour, account, project, key, model, channel) > "
	    "(?1, ?2, ?3, ?4, ?5, ?6) AND hour < ?7 "
	    "ORDER BY hour, account, project, key, model, channel LIMIT 1000",
	[DAYS] =
	    "SELECT day, account, 0, 0, model, 0, end_user, tag, "
	    SUMS "FROM rollup_user "
	    "WHERE (day, account, model, end_user, tag) > "
	    "(?1, ?2, ?3, ?4, ?5) AND day < ?6 "
	    "ORDER BY day, account, model, end_user, tag LIMIT 1000",
	/* Rows that are in no chunk yet. */
	[TAIL] =
	    "SELECT at, account, project, key, model, coalesce(channel, 0), "
	    "coalesce(end_user, ''), coalesce(tag, ''), " OF_ONE
	    "FROM usage WHERE id > (SELECT max(id) FROM usage) / 512 * 512 "
	    "AND at >= ?1 AND at < ?2",
	[NAMES] =
	    "SELECT (SELECT name FROM account WHERE id = ?1), "
	    "(SELECT name FROM project WHERE id = ?2), "
	    "(SELECT name FROM key WHERE id = ?3), "
	    "(SELECT name FROM model WHERE id = ?4), "
	    "(SELECT name FROM channel WHERE id = ?5)",
};
const struct db_part rollup_part = { "rollup", sql, N_SQL };

/* --- time ----------------------------------------------------------------- */

/* Hours begin where those of the zone do: some are shifted by half of one. */
static int64_t
shift_of(struct db *db, int64_t at)
{
	int64_t s = zone_offset(db_site(db)->zone, at / 1000);

	return (s % 3600 + 3600) % 3600 * 1000;
}

static int64_t
hour_of(struct db *db, int64_t at)
{
	return at - (at + shift_of(db, at)) % HOUR_MS;
}

static int64_t
begin_of(struct db *db, unsigned by, int64_t at)
{
	const struct zone *z = db_site(db)->zone;

	if (by & BY_MONTH)
		return zone_start(z, ZONE_MONTH, at);
	if (by & BY_DAY)
		return zone_start(z, ZONE_DAY, at);
	return by & BY_HOUR ? hour_of(db, at) : 0;
}

/* --- writing -------------------------------------------------------------- */

static bool
add_days(struct db *db, int64_t last)
{
	const struct zone *z = db_site(db)->zone;
	int64_t from, to, day, next;
	struct row *row;

	if (db_one(db, &rollup_part, SPAN, &row, "i", last) != 1)
		return false;
	if (row_null(row, 0))
		return true;
	from = row_int(row, 0);
	to = row_int(row, 1);
	for (day = zone_start(z, ZONE_DAY, from); day <= to; day = next) {
		next = zone_next(z, ZONE_DAY, day);
		if (db_run(db, &rollup_part, ADD_DAY, "iii", last, day,
			next) < 0)
			return false;
	}
	return true;
}

bool
rollup_chunk(struct db *db, int64_t last)
{
	return db_run(db, &rollup_part, ADD_HOURS, "ii", last,
		   shift_of(db, db_now(db))) >= 0 &&
	    add_days(db, last);
}

/* --- reading -------------------------------------------------------------- */

/* One sum, with what it is of. */
struct piece {
	int64_t at, id[5];		/* account, project, key, model,
					 * channel */
	struct str user, tag;
	struct rollup_sums sums;
};

struct folding {
	struct db *db;
	struct arena *arena;
	const struct rollup_asked *q;
	void (*take)(void *arg, const struct rollup_line *l);	/* or NULL */
	void *arg;
	struct rollup_line *lines;
	size_t n, room;
	size_t *slots;			/* 1 + index of a line; a power of 2 */
	size_t n_slots;
};

static void
read_piece(struct row *row, struct piece *p)
{
	int64_t *to[] = { &p->sums.charge, &p->sums.cost, &p->sums.list,
	    &p->sums.first_n, &p->sums.first_ms, &p->sums.total_ms };

	p->at = row_int(row, 0);
	for (int i = 0; i < 5; i++)
		p->id[i] = row_int(row, 1 + i);
	p->user = row_str(row, 6);
	p->tag = row_str(row, 7);
	p->sums.calls = row_int(row, 8);
	p->sums.failed = row_int(row, 9);
	p->sums.estimated = row_int(row, 10);
	for (int b = 0; b < N_BUCKETS; b++)
		p->sums.use.n[b] = row_int(row, 11 + b);
	for (size_t i = 0; i < countof(to); i++)
		*to[i] = row_int(row, 11 + N_BUCKETS + (int)i);
}

static bool
is_asked(const struct rollup_asked *q, const struct piece *p)
{
	const int64_t want[] = { q->account, q->project, q->key, q->model,
		q->channel };

	for (size_t i = 0; i < countof(want); i++)
		if (want[i] && want[i] != p->id[i])
			return false;
	return true;
}

/* What is not asked for is the same for all. */
static struct rollup_line
line_of(struct folding *f, const struct piece *p)
{
	unsigned by = f->q->by;

	return (struct rollup_line){
		.at = begin_of(f->db, by, p->at),
		.account = by & BY_ACCOUNT ? p->id[0] : 0,
		.project = by & BY_PROJECT ? p->id[1] : 0,
		.key = by & BY_KEY ? p->id[2] : 0,
		.model = by & BY_MODEL ? p->id[3] : 0,
		.channel = by & BY_CHANNEL ? p->id[4] : 0,
		.user = by & BY_USER ? p->user : S(""),
		.tag = by & BY_TAG ? p->tag : S(""),
	};
}

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static uint64_t
hash(const struct rollup_line *l)
{
	uint64_t h = mix(0, (uint64_t)l->at);

	h = mix(mix(h, (uint64_t)l->account), (uint64_t)l->project);
	h = mix(mix(h, (uint64_t)l->key), (uint64_t)l->model);
	h = mix(h, (uint64_t)l->channel);
	for (size_t i = 0; i < l->user.n; i++)
		h = mix(h, (unsigned char)l->user.p[i]);
	for (size_t i = 0; i < l->tag.n; i++)
		h = mix(h, 256u + (unsigned char)l->tag.p[i]);
	return h;
}

static bool
same(const struct rollup_line *a, const struct rollup_line *b)
{
	return a->at == b->at && a->account == b->account &&
	    a->project == b->project && a->key == b->key &&
	    a->model == b->model && a->channel == b->channel &&
	    str_eq(a->user, b->user) && str_eq(a->tag, b->tag);
}

static size_t *
slot_of(struct folding *f, const struct rollup_line *l)
{
	size_t i = hash(l) & (f->n_slots - 1);

	while (f->slots[i] && !same(&f->lines[f->slots[i] - 1], l))
		i = (i + 1) & (f->n_slots - 1);
	return &f->slots[i];
}

static void
grow(struct folding *f)
{
	size_t room = f->room ? f->room * 2 : FIRST_ROOM;
	struct rollup_line *more = arena_alloc(f->arena,
	    room * sizeof(*more));

	if (f->n)
		memcpy(more, f->lines, f->n * sizeof(*more));
	f->lines = more;
	f->room = room;
	f->n_slots = room * 2;
	f->slots = arena_zero(f->arena, f->n_slots * sizeof(*f->slots));
	for (size_t i = 0; i < f->n; i++)
		*slot_of(f, &f->lines[i]) = i + 1;
}

static void
add_sums(struct rollup_sums *to, const struct rollup_sums *s)
{
	to->calls += s->calls;
	to->failed += s->failed;
	to->estimated += s->estimated;
	for (int b = 0; b < N_BUCKETS; b++)
		to->use.n[b] += s->use.n[b];
	to->charge += s->charge;
	to->cost += s->cost;
	to->list += s->list;
	to->first_n += s->first_n;
	to->first_ms += s->first_ms;
	to->total_ms += s->total_ms;
}

static void
fold(struct folding *f, const struct piece *p)
{
	struct rollup_line l = line_of(f, p);
	size_t *slot;

	if (!is_asked(f->q, p))
		return;
	if (f->take) {
		l.sums = p->sums;
		f->take(f->arg, &l);
		return;
	}
	if (f->n == f->room)
		grow(f);
	slot = slot_of(f, &l);
	if (!*slot) {
		l.user = arena_str(f->arena, l.user);
		l.tag = arena_str(f->arena, l.tag);
		f->lines[f->n++] = l;
		*slot = f->n;
	}
	add_sums(&f->lines[*slot - 1].sums, &p->sums);
}

/* One page behind p, which becomes its last: how many rows, or -1. */
static int
page_of_hours(struct folding *f, struct piece *p, int64_t until)
{
	struct row *row = db_each(f->db, &rollup_part, HOURS, "iiiiiii", p->at,
	    p->id[0], p->id[1], p->id[2], p->id[3], p->id[4], until);
	int n = 0;

	for (; db_next(row) == 1; n++) {
		read_piece(row, p);
		fold(f, p);
	}
	return db_failed(f->db) ? -1 : n;
}

static int
page_of_days(struct folding *f, struct piece *p, int64_t until)
{
	struct row *row = db_each(f->db, &rollup_part, DAYS, "iiissi", p->at,
	    p->id[0], p->id[3], p->user, p->tag, until);
	int n = 0;

	for (; db_next(row) == 1; n++) {
		read_piece(row, p);
		fold(f, p);
		p->user = arena_str(f->arena, p->user);
		p->tag = arena_str(f->arena, p->tag);
	}
	return db_failed(f->db) ? -1 : n;
}

static bool
by_users(const struct rollup_asked *q)
{
	return q->by & (BY_USER | BY_TAG);
}

/* The sums that are kept. */
static bool
read_kept(struct folding *f, int64_t since, int64_t until)
{
	/* Ids begin with 1, so that nothing of `since` is passed over. */
	struct piece p = { .at = since, .id = { -1, -1, -1, -1, -1 } };
	int n;

	p.user = p.tag = S("");
	do
		n = by_users(f->q) ? page_of_days(f, &p, until)
				   : page_of_hours(f, &p, until);
	while (n == PAGE);
	return n >= 0;
}

/* And the calls that are not among them yet. */
static bool
read_tail(struct folding *f, int64_t since, int64_t until)
{
	struct row *row = db_each(f->db, &rollup_part, TAIL, "ii", since,
	    until);
	struct piece p;

	while (db_next(row) == 1) {
		read_piece(row, &p);
		if (!by_users(f->q) || p.user.n || p.tag.n)
			fold(f, &p);
	}
	return !db_failed(f->db);
}

/* --- lines ---------------------------------------------------------------- */

static bool
name_lines(struct folding *f)
{
	for (size_t i = 0; i < f->n; i++) {
		struct rollup_line *l = &f->lines[i];
		struct str *to[] = { &l->account_name, &l->project_name,
			&l->key_name, &l->model_name, &l->channel_name };
		struct row *row;

		if (db_one(f->db, &rollup_part, NAMES, &row, "iiiii",
			l->account, l->project, l->key, l->model,
			l->channel) != 1)
			return false;
		for (size_t j = 0; j < countof(to); j++)
			*to[j] = row_null(row, (int)j)
			    ? S("")
			    : arena_str(f->arena, row_str(row, (int)j));
	}
	return true;
}

static int
order(const void *a, const void *b)
{
	const struct rollup_line *x = a, *y = b;
	const struct str left[] = { x->account_name, x->project_name,
		x->key_name, x->model_name, x->channel_name, x->user, x->tag };
	const struct str right[] = { y->account_name, y->project_name,
		y->key_name, y->model_name, y->channel_name, y->user, y->tag };

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	for (size_t i = 0; i < countof(left); i++) {
		int c = str_cmp(left[i], right[i]);

		if (c != 0)
			return c;
	}
	return 0;
}

bool
rollup_can(const struct rollup_asked *q)
{
	return !by_users(q) || !(q->by & (BY_PROJECT | BY_KEY | BY_CHANNEL |
	    BY_HOUR) || q->project || q->key || q->channel);
}

static bool
read_all(struct folding *f)
{
	const struct zone *z = db_site(f->db)->zone;
	const struct rollup_asked *q = f->q;
	int64_t since = q->since, until = q->until;

	if (by_users(q)) {
		since = zone_start(z, ZONE_DAY, since);
		if (zone_start(z, ZONE_DAY, until) != until)
			until = zone_next(z, ZONE_DAY, until);
	} else {
		since = hour_of(f->db, since);
		if (hour_of(f->db, until) != until)
			until = hour_of(f->db, until) + HOUR_MS;
	}
	return read_kept(f, since, until) && read_tail(f, since, until) &&
	    name_lines(f);
}

/* On one snapshot. */
static bool
read_at_once(struct folding *f)
{
	bool own = !db_busy(f->db), ok;

	if (own && !db_script(f->db, "BEGIN"))
		return false;
	ok = read_all(f);
	if (own)
		db_script(f->db, "COMMIT");
	return ok;
}

bool
rollup_walk(struct db *db, const struct rollup_asked *q,
    void (*take)(void *arg, const struct rollup_line *l), void *arg)
{
	struct rollup_asked each = *q;
	struct folding f = { .db = db, .q = &each, .take = take, .arg = arg };

	each.by = BY_HOUR | BY_ACCOUNT | BY_PROJECT | BY_KEY | BY_MODEL |
	    BY_CHANNEL;
	return read_all(&f);
}

int64_t
rollup_hour(struct db *db, int64_t at)
{
	return hour_of(db, at);
}

int
rollup_read(struct db *db, struct arena *a, const struct rollup_asked *q,
    struct rollup_line **list)
{
	struct folding f = { .db = db, .arena = a, .q = q };
	bool ok = read_at_once(&f);

	if (f.n > 1)
		qsort(f.lines, f.n, sizeof(*f.lines), order);
	*list = f.lines;
	return ok ? (int)f.n : -1;
}
