/* SPDX-License-Identifier: MIT */
/*
 * pending.c - a pending hold as it is read and kept, and the windows of caps
 * that it is counted in; see settle.h.
 */
#include <inttypes.h>
#include <stddef.h>

#include "db/hold.h"
#include "db/money.h"
#include "db/settle.h"
#include "db/tab.h"
#include "fcgi/base/mem.h"

enum { GET, ROOM, N_SQL };
static const char *const sql[N_SQL] = {
	[GET] = "SELECT " PENDING_COLUMNS " FROM hold h WHERE h.id = ?1",
	/* What a window's cap has left, of windows that still have one. */
	[ROOM] =
	    "SELECT c.amount - coalesce(s.amount, 0) FROM cap c "
	    "LEFT JOIN spent s ON s.owner_kind = ?1 AND s.owner = ?2 "
	    "AND s.window = ?3 AND s.start = ?4 "
	    "WHERE c.owner_kind = ?1 AND c.owner = ?2 AND c.window = ?3",
};
const struct db_part pending_part = { "pending", sql, N_SQL };

/* --- a pending hold ------------------------------------------------------- */

static size_t
keep(char *out, size_t room, struct str s)
{
	size_t n = s.n < room ? s.n : room - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = '\0';
	return n;
}

void
pending_read(struct row *row, struct pending *p)
{
	struct str id = row_str(row, 1);

	p->id = row_int(row, 0);
	memset(p->request_id, '0', ID_CHARS);
	memcpy(p->request_id, id.p, id.n < ID_CHARS ? id.n : ID_CHARS);
	p->opened = row_int(row, 2);
	p->account = row_int(row, 3);
	p->project = row_int(row, 4);
	p->key = row_int(row, 5);
	p->model = row_int(row, 6);
	p->price = row_int(row, 7);
	p->markup_ppm = row_int(row, 8);
	p->book = row_int(row, 9);
	p->held = row_int(row, 10);
	p->bound = row_int(row, 11);
	p->prompt_tokens = row_int(row, 12);
	p->tpm_taken = row_int(row, 13);
	keep(p->endpoint, sizeof(p->endpoint), row_str(row, 15));
	p->stream = row_int(row, 16);
	p->unit = BUCKET_REQUEST;
	for (int b = 0; b < N_BUCKETS; b++)
		if (str_eq(row_str(row, 17), str_of(bucket_names[b])))
			p->unit = (enum bucket)b;
	p->units = row_int(row, 18);
	p->tokens = row_int(row, 19);
	p->minimum = row_int(row, 20);
	p->floor = row_int(row, 21);
	p->discount_ppm = row_null(row, 24) ? -1 : row_int(row, 24);
	p->covered = unit_column(row, 22);
	p->windows_n = keep(p->text, WINDOWS_TEXT, row_str(row, 14));
	p->parts_n = keep(p->text + p->windows_n, PARTS_TEXT,
	    row_str(row, 23));
}

void
journal_read(struct row *row, struct journal *j)
{
	j->channel = row_int(row, 25);
	j->credential = row_int(row, 26);
	keep(j->upstream_model, sizeof(j->upstream_model), row_str(row, 27));
	j->sent = row_int(row, 28);
	j->started = row_int(row, 29);
	j->out_tokens = row_int(row, 30);
	j->model = row_int(row, 31);
	j->price = row_int(row, 32);
}

/* Without what is behind its text. */
static size_t
pending_size(const struct pending *p)
{
	return offsetof(struct pending, text) + p->windows_n + p->parts_n;
}

void
pending_keep(struct db *db, const struct pending *p)
{
	tab_hold_keep(db, p->id, p, pending_size(p));
}

int
pending_get(struct db *db, int64_t id, struct pending *p)
{
	const struct pending *kept = tab_hold(db, id);
	struct row *row;
	int n;

	if (kept) {
		memcpy(p, kept, pending_size(kept));
		return 1;
	}
	n = db_one(db, &pending_part, GET, &row, "i", id);
	if (n == 1)
		pending_read(row, p);
	return n;
}

/* --- what pays ------------------------------------------------------------ */

bool
pending_parts(struct db *db, const struct pending *p, struct parts *parts)
{
	int64_t sum;

	if (p->parts_n == 0) {
		parts->n = p->held > 0;
		parts->list[0] = (struct part){ p->book, p->held };
		return true;
	}
	if (!parts_read(str_from(p->text + p->windows_n, p->parts_n), parts))
		return db_stop(db, "the parts of hold %" PRId64 " cannot be "
		    "read", p->id);
	sum = parts_sum(parts);
	if (p->covered ? p->held != 0 || parts->n != 1 : sum != p->held)
		return db_stop(db, "hold %" PRId64 " holds %" PRId64
		    ", its parts %" PRId64, p->id, p->held, sum);
	return true;
}

void
pending_set_parts(struct pending *p, const struct parts *parts)
{
	p->parts_n = 0;
	if (parts->n > 1 || (parts->n == 1 && parts->list[0].book != p->book))
		p->parts_n = parts_text(parts, p->text + p->windows_n).n;
}

struct str
pending_parts_text(const struct pending *p)
{
	if (p->parts_n == 0)
		return (struct str){ NULL, 0 };
	return str_from(p->text + p->windows_n, p->parts_n);
}

bool
pending_funds(struct db *db, const struct pending *p, struct funds *f)
{
	const struct tab_key *k = tab_key(db, p->key);

	return k && funds_load(db, p->account, p->book, k->funded, f);
}

/* --- the windows of its caps ---------------------------------------------- */

struct window {
	enum cap_owner kind;
	int64_t owner;
	enum cap_window window;
	int64_t start;
};

/* The next of a hold's windows. */
static bool
window_next(const struct pending *p, struct str *rest, struct window *w)
{
	static const char kinds[] = "sapk", windows[] = "hdwmtHDWMT";
	const int64_t owners[] = { 0, p->account, p->project, p->key };
	struct str item = str_cut(rest, ' ');
	const char *k, *u;

	if (item.n < 3)
		return false;
	k = strchr(kinds, item.p[0]);
	u = strchr(windows, item.p[1]);
	if (!k || !u || !str_int(str_skip(item, 2), &w->start))
		return false;
	w->kind = (enum cap_owner)(k - kinds);
	w->owner = owners[w->kind];
	w->window = (enum cap_window)(u - windows);
	return true;
}

bool
pending_spend(struct db *db, const struct pending *p, int64_t amount,
    int64_t tokens, bool ended)
{
	struct str rest = str_from(p->text, p->windows_n);
	struct window w;

	while (window_next(p, &rest, &w)) {
		int64_t n = cap_of_tokens(w.window) ? tokens : amount;

		if ((n != 0 && !tab_spend(db, w.kind, w.owner, w.window,
		    w.start, n)) || (ended && !tab_soft(db, w.kind, w.owner,
		    w.window, w.start)))
			return false;
	}
	return true;
}

bool
pending_room(struct db *db, const struct pending *p, struct room *room)
{
	struct str rest = str_from(p->text, p->windows_n);
	struct window w;

	room->money = room->tokens = MONEY_MAX;
	if (p->windows_n > 0 && !tab_flush(db))
		return false;
	while (window_next(p, &rest, &w)) {
		int64_t *least = cap_of_tokens(w.window) ? &room->tokens :
		    &room->money;
		struct row *row;
		int n = db_one(db, &pending_part, ROOM, &row, "sisi",
		    str_of(cap_owners[w.kind]), w.owner,
		    str_of(cap_windows[w.window]), w.start);

		if (n < 0)
			return false;
		if (n == 1 && row_int(row, 0) < *least)
			*least = row_int(row, 0) > 0 ? row_int(row, 0) : 0;
	}
	return true;
}
