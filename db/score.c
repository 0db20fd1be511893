/* SPDX-License-Identifier: MIT */
/* score.c - how calls have gone; see score.h. */
#include "db/score.h"

#include <assert.h>

#include "fcgi/base/mem.h"

enum {
	SECOND_MS = 1000,
	FORGET_MS = 7 * 24 * 3600 * 1000,
	SHORTEST_MS = 16,		/* the first class ends there */
	FULL = 1000,			/* times, before all are halved */
	ROOM = 64
};

enum { GET, PUT, LOAD, OLD, N_SQL };
static const char *const sql[N_SQL] = {
	[GET] = "SELECT at, good, bad, first_n, first_ms, failures, late, "
		"times FROM score WHERE credential = ?1 AND model = ?2",
	[PUT] = "INSERT INTO score(credential, model, at, good, bad, first_n, "
		"first_ms, failures, late, times) "
		"SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE EXISTS "
		"(SELECT 1 FROM credential WHERE id = ?1) "
		"ON CONFLICT (credential, model) DO UPDATE SET "
		"at = excluded.at, good = excluded.good, bad = excluded.bad, "
		"first_n = excluded.first_n, first_ms = excluded.first_ms, "
		"failures = excluded.failures, late = excluded.late, "
		"times = excluded.times",
	[LOAD] = "SELECT s.at, s.good, s.bad, s.first_n, s.first_ms, "
		 "s.failures, s.late, s.times, s.credential, s.model, "
		 "k.channel FROM score s JOIN credential k "
		 "ON k.id = s.credential WHERE s.at >= ?1 ORDER BY s.at",
	[OLD] = "DELETE FROM score WHERE at < ?1",
};
const struct db_part score_part = { "score", sql, N_SQL };

/* --- sums ----------------------------------------------------------------- */

/* What a sum has left after so many seconds, of 2^32: half after sixty. */
static uint64_t
left_after(int64_t seconds)
{
	/* After 1, 2, 4, 8 … seconds. */
	static const uint64_t steps[] = {
		4245635389U, 4196870107U, 4101013462U, 3915818271U,
		3570139579U, 2967635313U, 2050506731U, 978954568U,
		223133724U, 11592325U, 31288U,
	};
	uint64_t left = UINT64_C(1) << 32;

	if (seconds >> countof(steps))
		return 0;
	for (size_t i = 0; i < countof(steps); i++)
		if (seconds >> i & 1)
			left = left * steps[i] >> 32;
	return left;
}

static int64_t
part(int64_t sum, uint64_t left)
{
	return (int64_t)((__int128)sum * (__int128)left >> 32);
}

void
score_age(struct score *s, int64_t now)
{
	int64_t seconds = (now - s->at) / SECOND_MS;
	uint64_t left;

	if (seconds < 0)
		s->at = now;		/* the clock was set back */
	if (seconds <= 0)
		return;
	if (s->good | s->bad | s->first_n) {
		left = left_after(seconds);
		s->good = part(s->good, left);
		s->bad = part(s->bad, left);
		s->first_n = part(s->first_n, left);
		s->first_ms = part(s->first_ms, left);
	}
	s->at += seconds * SECOND_MS;
}

int
score_class(int64_t ms)
{
	int i = 0;

	/* Borders: 16, 22.6, 32, 45.3 … */
	for (int64_t low = SHORTEST_MS; i < SCORE_TIMES - 1 && ms >= low;
	    low *= 2)
		i += ms * 10000 >= low * 14142 ? 2 : 1;
	return i < SCORE_TIMES ? i : SCORE_TIMES - 1;
}

static void
halve(uint16_t *times)
{
	int n = 0;

	for (int i = 0; i < SCORE_TIMES; i++)
		n += times[i];
	for (int i = 0; n >= FULL && i < SCORE_TIMES; i++)
		times[i] /= 2;
}

void
score_first(struct score *s, int64_t ms)
{
	assert(ms >= 0);
	s->first_n += SCORE_CALL;
	s->first_ms += ms * SCORE_CALL;
	s->times[score_class(ms)]++;
	halve(s->times);
}

void
score_sum(struct score *s, const struct score *more)
{
	s->good += more->good;
	s->bad += more->bad;
	s->first_n += more->first_n;
	s->first_ms += more->first_ms;
	for (int i = 0; i < SCORE_TIMES; i++)
		s->times[i] = (uint16_t)(s->times[i] + more->times[i]);
	halve(s->times);
}

/* Where a class ends: 16, 22, 32, 45 … */
static int64_t
border(int i)
{
	int64_t octave = (int64_t)SHORTEST_MS << i / 2;

	return i % 2 ? octave * 14142 / 10000 : octave;
}

void
score_forget(struct score *s)
{
	s->good = s->bad = 0;
	s->failures = s->late = 0;
}

int64_t
score_within(const uint16_t times[static SCORE_TIMES], int64_t thousandths,
    int least)
{
	int64_t n = 0, low = 0, wanted;

	for (int i = 0; i < SCORE_TIMES; i++)
		n += times[i];
	if (n == 0 || n < least)
		return 0;
	wanted = (n * thousandths + 999) / 1000;
	for (int i = 0;; i++) {
		int64_t high = border(i);

		/* As if those of one class were spread evenly over it. */
		if (wanted <= times[i] || i == SCORE_TIMES - 1)
			return low + (high - low) * wanted /
			    (times[i] ? times[i] : 1);
		wanted -= times[i];
		low = high;
	}
}

/* --- rows ----------------------------------------------------------------- */

static void
read_score(struct row *row, struct score *s)
{
	struct str times = row_bytes(row, 7);

	*s = (struct score){
		.at = row_int(row, 0),
		.good = row_int(row, 1),
		.bad = row_int(row, 2),
		.first_n = row_int(row, 3),
		.first_ms = row_int(row, 4),
		.failures = (int32_t)row_int(row, 5),
		.late = (int32_t)row_int(row, 6),
	};
	/* Two bytes each, the lower one first. */
	for (size_t i = 0; i < SCORE_TIMES && 2 * i + 1 < times.n; i++)
		s->times[i] = (uint16_t)((unsigned char)times.p[2 * i] |
		    (unsigned char)times.p[2 * i + 1] << 8);
}

static bool
add_one(struct db *db, const struct score_row *more)
{
	struct score s = { .at = db_now(db) }, add = more->score;
	unsigned char times[2 * SCORE_TIMES];
	struct row *row;
	int n = db_one(db, &score_part, GET, &row, "is", more->credential,
	    more->model);

	if (n < 0)
		return false;
	if (n == 1)
		read_score(row, &s);
	score_age(&s, db_now(db));
	score_age(&add, db_now(db));
	if (more->anew)
		score_forget(&s);
	score_sum(&s, &add);
	s.failures = add.failures + (more->ended_failures ? 0 : s.failures);
	s.late = add.late + (more->ended_late ? 0 : s.late);
	for (int i = 0; i < SCORE_TIMES; i++) {
		times[2 * i] = (unsigned char)s.times[i];
		times[2 * i + 1] = (unsigned char)(s.times[i] >> 8);
	}
	return db_run(db, &score_part, PUT, "isiiiiiiib", more->credential,
		   more->model, db_now(db), s.good, s.bad, s.first_n,
		   s.first_ms, (int64_t)s.failures, (int64_t)s.late, times,
		   sizeof(times)) >= 0;
}

bool
score_add_run(struct db *db, struct op *op)
{
	struct score_add *a = holder(op, struct score_add, op);

	for (int i = 0; i < a->n; i++)
		if (!add_one(db, &a->list[i]))
			return false;
	return true;
}

int
score_load(struct db *db, int64_t since, struct arena *a,
    struct score_row **list)
{
	struct row *row = db_each(db, &score_part, LOAD, "i", since);
	struct score_row *all = NULL;
	int n = 0, room = 0;

	while (db_next(row) == 1) {
		if (n == room) {
			struct score_row *more = arena_alloc(a,
			    sizeof(*more) * (size_t)(room * 2 + ROOM));

			if (n)
				memcpy(more, all, sizeof(*all) * (size_t)n);
			all = more;
			room = room * 2 + ROOM;
		}
		all[n] = (struct score_row){
			.credential = row_int(row, 8),
			.channel = row_int(row, 10),
			.model = arena_str(a, row_str(row, 9)),
		};
		read_score(row, &all[n++].score);
	}
	db_reset(row);
	*list = all;
	return db_failed(db) ? -1 : n;
}

int
score_clean(struct db *db)
{
	return db_run(db, &score_part, OLD, "i", db_now(db) - FORGET_MS);
}
