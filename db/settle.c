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

#include "db/claim.h"
#include "db/hold.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/rollup.h"
#include "db/subscription.h"
#include "db/tab.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { HOUR_MS = 3600000 };

enum { DROP, USAGE, LIST, EXCESS, N_SQL };
static const char *const sql[N_SQL] = {
	[DROP] = "DELETE FROM /*tab*/ hold WHERE id = ?1",
	[USAGE] =
	    "INSERT INTO /*tab*/ usage(request_id, at, account, project, key, model, "
	    "book, asked, served, endpoint, stream, channel, credential, "
	    "state, status, fault, estimated, input, cache_read, cache_write, "
	    "cache_write_1h, output, reasoning, request, audio_in, audio_out, "
	    "image_in, image_out, character, image, second, search, "
	    "charge, cost, list, "
	    "held, bound, price, cost_price, markup_ppm, cost_ppm, first_ms, "
	    "total_ms, weir_us, attempts, end_user, tag, remarks, "
	    "list_price, times_ppm, cost_times_ppm, minimum, floor, unpaid, "
	    "covered, parts, discount_ppm) VALUES "
	    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
	    "?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, "
	    "?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, "
	    "?40, ?41, ?42, ?43, ?44, ?45, ?46, ?47, ?48, ?49, ?50, ?51, "
	    "?52, ?53, ?54, ?55, ?56, ?57)",
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

/* --- the bill ------------------------------------------------------------- */

/* An allowance in tokens or requests pays, and nothing else does. */
static bool
reckon_units(struct db *db, const struct pending *p,
    const struct usage_row *u, struct bill *bill)
{
	int64_t want = usage_units(p->covered, u->charge, &u->use), free;
	struct parts held;
	struct funds f;

	bill->charged = 0;
	if (!pending_parts(db, p, &held))
		return false;
	if (want > held.list[0].amount) {
		if (!pending_funds(db, p, &f))
			return false;
		free = funds_free(&f, held.list[0].book);
		bill->lost = want - held.list[0].amount;
		bill->lost = bill->lost > free ? bill->lost - free : 0;
	}
	if (want > bill->lost)
		parts_add(&bill->parts, held.list[0].book, want - bill->lost);
	return true;
}

/* More than is held: from what is free, inside the caps. */
static bool
reckon_excess(struct db *db, const struct pending *p, struct bill *bill)
{
	int64_t rest = bill->charged - p->held, most;
	struct room room;
	struct funds f;

	if (!pending_room(db, p, &room) || !pending_funds(db, p, &f))
		return false;
	most = rest < room.money ? rest : room.money;
	bill->lost = rest - most + funds_take(&f, most, &bill->parts);
	bill->charged -= bill->lost;
	return true;
}

bool
settle_reckon(struct db *db, const struct pending *p,
    const struct usage_row *u, struct bill *bill)
{
	struct parts held;

	bill->charged = u->charge < p->bound ? u->charge : p->bound;
	bill->lost = 0;
	bill->parts.n = 0;
	if (p->covered != UNIT_USD)
		return reckon_units(db, p, u, bill);
	if (p->parts_n == 0 && bill->charged <= p->held)
		return true;
	if (!pending_parts(db, p, &held))
		return false;
	parts_first(&held, bill->charged < p->held ? bill->charged : p->held,
	    &bill->parts);
	if (bill->charged > p->held && !reckon_excess(db, p, bill))
		return false;
	if (bill->parts.n == 1 && bill->parts.list[0].book == p->book)
		bill->parts.n = 0;
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
	char parts[PARTS_TEXT];
	bool ok;

	attempts_text(u, &attempts);
	ok = !attempts.full &&
	    db_run(db, &settle_part, USAGE,
		"siiiiiisSsiIIsiSiiiiiiiiiiiiiiiiiiiiiIIiiIiisSSsIIIiiiSSI",
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
		price_discounted(u->fixed ? PPM : p->markup_ppm,
		    p->discount_ppm), u->cost_ppm,
		u->first_ms >= 0 ? &u->first_ms : NULL,
		u->total_ms, u->weir_us, buf_str(&attempts),
		u->end_user.n ? u->end_user : none,
		u->tag.n ? u->tag : none, u->remarks,
		unless(&u->list_price, price), unless(&u->times_ppm, PPM),
		unless(&u->cost_times_ppm, PPM), u->minimum,
		(int64_t)u->floor, bill->lost,
		p->covered ? str_of(unit_names[p->covered]) : none,
		bill->parts.n ? parts_text(&bill->parts, parts) : none,
		p->discount_ppm > 0 ? &p->discount_ppm : NULL) == 1;
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
	log_line(LOG_WARN, "alert: call %.*s of account %" PRId64 " used %"
	    PRId64 " %s more than could be charged", STR_ARGS(id), p->account,
	    excess, unit_counted[p->covered]);
	return ledger_transfer(db, ledger_book(BOOK_LOSS, p->covered),
		   ledger_book(BOOK_REVENUE, p->covered), excess, S("excess"),
		   S("beyond the hold and what was free"), id) &&
	    (p->covered || (db_run(db, &settle_part, EXCESS, "iiii",
		p->account, now, now - HOUR_MS,
		now + 24 * (int64_t)HOUR_MS) == 1 &&
		/* The tab's keys know nothing of it. */
		tab_flush(db)));
}

/* Out of the books that pay, and what was held there is free again. */
static bool
move_money(struct db *db, const struct pending *p, const struct bill *bill)
{
	int64_t paid = p->covered ? parts_sum(&bill->parts) : bill->charged;
	struct parts held;

	ledger_tell_account(db, p->covered, -paid);
	ledger_tell(db, ledger_book(BOOK_REVENUE, p->covered), paid);
	if (p->parts_n == 0 && bill->parts.n == 0) {
		tab_book_add(db, p->book, -bill->charged, -p->held);
		return true;
	}
	if (bill->parts.n && !p->covered &&
	    parts_sum(&bill->parts) != bill->charged)
		return db_stop(db, "charge %" PRId64 " of hold %" PRId64
		    " is not the sum of its parts", bill->charged, p->id);
	if (!pending_parts(db, p, &held))
		return false;
	for (int i = 0; i < held.n; i++)
		tab_book_add(db, held.list[i].book, 0, -held.list[i].amount);
	for (int i = 0; i < bill->parts.n; i++)
		tab_book_add(db, bill->parts.list[i].book,
		    -bill->parts.list[i].amount, 0);
	if (bill->parts.n == 0)
		tab_book_add(db, p->book, -bill->charged, 0);
	return true;
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
	ledger_tell(db, BOOK_COST, -u->cost);
	ledger_tell(db, BOOK_CLEARING, u->cost);
	return move_money(db, p, bill) &&
	    tab_key_close(db, p->key, bill->charged, tokens,
		   p->tpm_taken ? tokens_used - p->tpm_taken : 0) &&
	    add_usage(db, p, u, bill) &&
	    pending_spend(db, p, bill->charged - p->held, tokens - p->tokens,
		true) &&
	    (p->discount_ppm < 0 || bill->charged == 0 ||
	    subscription_charge(db, p->account, p->opened, bill->charged)) &&
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
	if (!settle_reckon(db, &p, &h->row, &bill) ||
	    !settle_close(db, &p, &h->row, h->tokens_used, &bill) ||
	    (h->claims && !claim_end_all(db, p.id, h->claimed,
		h->tokens_used)) ||
	    !replay_keep(db, p.key, &h->replay) ||
	    !stored_keep(db, &h->stored))
		return false;
	h->settled = true;
	h->charged = bill.charged;
	h->lost = bill.lost;
	return true;
}
