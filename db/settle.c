/* SPDX-License-Identifier: MIT */
/*
 * settle.c - a hold ends: what was used becomes money, exactly once.
 *
 * Whoever deletes the hold's row settles it.  What calls move in the books
 * they all share, in their key and their wallet is kept with the transaction
 * (ledger.h, tab.h) and written once before its COMMIT.
 *
 * The invariants of the books are asserted here, inside the transaction: one
 * that does not hold rolls it back and stops billing (db_stop).
 */
#include "db/settle.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

#include "db/claim.h"
#include "db/hold.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/rollup.h"
#include "db/tab.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { HOUR_MS = 3600000 };

enum { GET, DROP, ROOM, USAGE, LIST, EXCESS, N_SQL };
static const char *const sql[N_SQL] = {
	[GET] = "SELECT " PENDING_COLUMNS " FROM hold h WHERE h.id = ?1",
	[DROP] = "DELETE FROM /*tab*/ hold WHERE id = ?1",
	/* What a window's cap has left, of windows that still have one. */
	[ROOM] =
	    "SELECT c.amount - coalesce(s.amount, 0) FROM cap c "
	    "LEFT JOIN spent s ON s.owner_kind = ?1 AND s.owner = ?2 "
	    "AND s.window = ?3 AND s.start = ?4 "
	    "WHERE c.owner_kind = ?1 AND c.owner = ?2 AND c.window = ?3",
	[USAGE] =
	    "INSERT INTO /*tab*/ usage(request_id, at, account, project, key, model, "
	    "book, asked, served, endpoint, stream, channel, credential, "
	    "state, status, fault, estimated, input, cache_read, cache_write, "
	    "cache_write_1h, output, reasoning, request, audio_in, audio_out, "
	    "image_in, image_out, character, image, second, search, "
	    "charge, cost, list, "
	    "held, bound, price, cost_price, markup_ppm, cost_ppm, first_ms, "
	    "total_ms, weir_us, attempts, end_user, tag, remarks, "
	    "list_price, times_ppm, cost_times_ppm, minimum, floor, unpaid) VALUES "
	    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
	    "?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, "
	    "?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, "
	    "?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49, ?50, ?51, "
	    "?52, ?53, ?54)",
	/* The rows of keys, 512 at once (schema, table usage_key). */
	[LIST] = "INSERT INTO /*tab*/ usage_key(key, id) "
		 "SELECT key, id FROM usage "
		 "WHERE id > ?1 - 512 AND id <= ?1 ORDER BY key, id",
	/* ?2: now, ?3: an hour ago, ?4: tomorrow. */
	[EXCESS] =
	    "UPDATE account SET raised_until = CASE WHEN excess_since > ?3 "
	    "AND excesses >= 2 THEN ?4 ELSE raised_until END, "
	    "excesses = CASE WHEN excess_since > ?3 THEN excesses + 1 "
	    "ELSE 1 END, excess_since = CASE WHEN excess_since > ?3 "
	    "THEN excess_since ELSE ?2 END WHERE id = ?1",
};
const struct db_part settle_part = { "settle", sql, N_SQL };

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
	p->windows_n = keep(p->windows, sizeof(p->windows), row_str(row, 14));
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
}

void
journal_read(struct row *row, struct journal *j)
{
	j->channel = row_int(row, 22);
	j->credential = row_int(row, 23);
	keep(j->upstream_model, sizeof(j->upstream_model), row_str(row, 24));
	j->sent = row_int(row, 25);
	j->started = row_int(row, 26);
	j->out_tokens = row_int(row, 27);
	j->model = row_int(row, 28);
	j->price = row_int(row, 29);
}

/* Without what is behind its last window. */
static size_t
pending_size(const struct pending *p)
{
	return offsetof(struct pending, windows) + p->windows_n;
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
	n = db_one(db, &settle_part, GET, &row, "i", id);
	if (n == 1)
		pending_read(row, p);
	return n;
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
	struct str rest = str_from(p->windows, p->windows_n);
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
	struct str rest = str_from(p->windows, p->windows_n);
	struct tab_book *b;
	struct window w;

	room->money = room->tokens = MONEY_MAX;
	if (p->windows_n > 0 && !tab_flush(db))
		return false;
	while (window_next(p, &rest, &w)) {
		int64_t *least = cap_of_tokens(w.window) ? &room->tokens :
		    &room->money;
		struct row *row;
		int n = db_one(db, &settle_part, ROOM, &row, "sisi",
		    str_of(cap_owners[w.kind]), w.owner,
		    str_of(cap_windows[w.window]), w.start);

		if (n < 0)
			return false;
		if (n == 1 && row_int(row, 0) < *least)
			*least = row_int(row, 0) > 0 ? row_int(row, 0) : 0;
	}
	b = tab_book(db, p->book);
	if (b)
		room->free = b->balance - b->held;
	return b != NULL;
}

/* --- the bill ------------------------------------------------------------- */

bool
settle_reckon(struct db *db, const struct pending *p, int64_t charge,
    struct bill *bill)
{
	struct room room;
	int64_t rest;

	if (charge > p->bound)
		charge = p->bound;
	*bill = (struct bill){ .charged = charge };
	if (charge <= p->held)
		return true;
	if (!pending_room(db, p, &room))
		return false;
	rest = charge - p->held;
	if (room.money < room.free)
		room.free = room.money;
	if (room.free < rest) {
		bill->lost = rest - room.free;
		bill->charged = charge - bill->lost;
	}
	return true;
}

/* The attempts as a JSON list (schema, table usage). */
static void
attempts_text(const struct usage_row *u, struct buf *out)
{
	buf_char(out, '[');
	for (size_t i = 0; i < u->n_attempts; i++) {
		const struct attempt_row *t = &u->attempts[i];

		if (i)
			buf_char(out, ',');
		buf_char(out, '[');
		buf_int(out, t->channel);
		buf_char(out, ',');
		buf_int(out, t->credential);
		buf_char(out, ',');
		buf_json(out, t->upstream_model);
		buf_char(out, ',');
		buf_int(out, t->started);
		buf_char(out, ',');
		buf_int(out, t->ms);
		buf_char(out, ',');
		buf_int(out, t->status);
		buf_char(out, ',');
		buf_json(out, t->outcome);
		buf_char(out, ']');
	}
	buf_char(out, ']');
}

/* NULL for what is usual. */
static const int64_t *
unless(const int64_t *v, int64_t usual)
{
	return *v && *v != usual ? v : NULL;
}

static bool
add_usage(struct db *db, const struct pending *p, const struct usage_row *u,
    const struct bill *bill)
{
	struct str none = { NULL, 0 };
	struct buf attempts = BUF_HEAP(65536);
	const int64_t *n = u->use.n;
	int64_t model = u->model ? u->model : p->model;
	int64_t price = u->model || u->price ? u->price : p->price, id;
	bool ok;

	attempts_text(u, &attempts);
	ok = !attempts.full &&
	    db_run(db, &settle_part, USAGE,
		"siiiiiisSsiIIsiSiiiiiiiiiiiiiiiiiiiiiIIiiIiisSSsIIIiii",
		str_from(p->request_id, ID_CHARS), db_now(db), p->account,
		p->project, p->key, model, p->book, u->asked,
		u->served.n ? u->served : none, str_of(p->endpoint),
		(int64_t)p->stream, u->channel ? &u->channel : NULL,
		u->credential ? &u->credential : NULL,
		str_of(usage_states[u->state]), (int64_t)u->status,
		u->fault ? str_of(u->fault) : none, (int64_t)u->estimated,
		n[BUCKET_INPUT], n[BUCKET_CACHE_READ], n[BUCKET_CACHE_WRITE],
		n[BUCKET_CACHE_WRITE_1H], n[BUCKET_OUTPUT],
		n[BUCKET_REASONING], n[BUCKET_REQUEST], n[BUCKET_AUDIO_IN],
		n[BUCKET_AUDIO_OUT], n[BUCKET_IMAGE_IN], n[BUCKET_IMAGE_OUT],
		n[BUCKET_CHARACTER], n[BUCKET_IMAGE], n[BUCKET_SECOND],
		n[BUCKET_SEARCH], bill->charged, u->cost,
		u->list, p->held, p->bound, price ? &price : NULL,
		u->cost_price ? &u->cost_price : NULL,
		u->fixed ? PPM : p->markup_ppm, u->cost_ppm,
		u->first_ms >= 0 ? &u->first_ms : NULL,
		u->total_ms, u->weir_us, buf_str(&attempts),
		u->end_user.n ? u->end_user : none,
		u->tag.n ? u->tag : none, u->remarks,
		unless(&u->list_price, price), unless(&u->times_ppm, PPM),
		unless(&u->cost_times_ppm, PPM), u->minimum,
		(int64_t)u->floor, bill->lost) == 1;
	buf_release(&attempts);
	if (!ok)
		return false;
	id = db_last_id(db);
	return id % USAGE_CHUNK != 0 ||
	    (db_run(db, &settle_part, LIST, "i", id) >= 0 &&
	    rollup_chunk(db, id));
}

/* Cost without a charge, and charge without money: to the loss book. */
static bool
book_losses(struct db *db, const struct pending *p, int64_t cost,
    int64_t excess)
{
	struct str id = str_from(p->request_id, ID_CHARS);
	int64_t now = db_now(db);

	if (cost > 0 && !ledger_transfer(db, BOOK_LOSS, BOOK_CLEARING, cost,
		S("loss"), S("upstream cost nobody pays"), id))
		return false;
	if (excess == 0)
		return true;
	log_line(LOG_WARN, "alert: call %.*s of account %" PRId64 " cost %"
	    PRId64 " nano-dollars more than could be charged",
	    STR_ARGS(id), p->account, excess);
	return ledger_transfer(db, BOOK_LOSS, BOOK_REVENUE, excess,
		   S("excess"), S("beyond the hold and what was free"), id) &&
	    db_run(db, &settle_part, EXCESS, "iiii", p->account, now,
		now - HOUR_MS, now + 24 * (int64_t)HOUR_MS) == 1;
}

static bool
write_close(struct db *db, const struct pending *p, const struct usage_row *u,
    int64_t tokens_used, const struct bill *bill)
{
	int64_t tokens = buckets_in(&u->use) + buckets_out(&u->use);

	tab_hold_drop(db, p->id);
	if (db_run(db, &settle_part, DROP, "i", p->id) != 1)
		return db_stop(db, "hold %" PRId64 " could not be closed once",
		    p->id);
	if (bill->charged < 0 || bill->charged > p->bound || u->cost < 0 ||
	    u->loss < 0 || bill->lost < 0)
		return db_stop(db, "charge %" PRId64 " of hold %" PRId64
		    " is not within 0 and its bound %" PRId64, bill->charged,
		    p->id, p->bound);
	if (tokens_used > INT32_MAX)
		tokens_used = INT32_MAX;
	ledger_tell_account(db, UNIT_USD, -bill->charged);
	ledger_tell(db, BOOK_REVENUE, bill->charged);
	ledger_tell(db, BOOK_COST, -u->cost);
	ledger_tell(db, BOOK_CLEARING, u->cost);
	tab_book_add(db, p->book, -bill->charged, -p->held);
	return tab_key_close(db, p->key, bill->charged, tokens,
		   p->tpm_taken ? tokens_used - p->tpm_taken : 0) &&
	    add_usage(db, p, u, bill) &&
	    pending_spend(db, p, bill->charged - p->held, tokens - p->tokens,
		true) &&
	    book_losses(db, p, u->loss, bill->lost);
}

/* A CHECK, UNIQUE or FOREIGN KEY that refuses it is a broken invariant. */
bool
settle_close(struct db *db, const struct pending *p,
    const struct usage_row *u, int64_t tokens_used, const struct bill *bill)
{
	if (write_close(db, p, u, tokens_used, bill))
		return true;
	return db_trouble(db) == DB_REFUSED &&
	    db_stop(db, "hold %" PRId64 " (%.26s): %s", p->id, p->request_id,
		db_words(db));
}

bool
hold_settle_run(struct db *db, struct op *op)
{
	struct hold_settle *h = holder(op, struct hold_settle, op);
	struct bill bill;
	struct pending p;
	int n;

	assert(h->row.charge >= 0 && h->row.cost >= 0 && h->row.loss >= 0);
	assert(h->row.state < N_USAGE_STATES && h->tokens_used >= 0);
	h->settled = false;
	h->charged = h->lost = 0;
	n = pending_get(db, h->hold, &p);
	if (n <= 0)
		return n == 0;
	if (memcmp(p.request_id, h->row.request_id, ID_CHARS) != 0)
		return db_stop(db, "hold %" PRId64 " is of call %.26s, not "
		    "%.26s", p.id, p.request_id, h->row.request_id);
	if (!settle_reckon(db, &p, h->row.charge, &bill) ||
	    !settle_close(db, &p, &h->row, h->tokens_used, &bill) ||
	    (h->claims && !claim_end_all(db, p.id, h->claimed,
		h->tokens_used)) ||
	    !replay_keep(db, p.key, &h->replay))
		return false;
	h->settled = true;
	h->charged = bill.charged;
	h->lost = bill.lost;
	return true;
}
