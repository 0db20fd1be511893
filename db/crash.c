/* SPDX-License-Identifier: MIT */
/*
 * crash.c - the holds of processes that died; see hold.h.
 *
 * Any living process resolves them, from what their journal says.  Nobody
 * can be wrong about who is dead: the byte of weir.lock a process holds for
 * life can be locked by another only then.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "db/channel.h"
#include "db/claim.h"
#include "db/hold.h"
#include "db/model.h"
#include "db/money.h"
#include "db/settle.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum { PAGE = 1000 };

/* A hold of a dead process. */
struct orphan {
	struct pending p;
	struct journal j;
};

enum { PROCESSES, OF_PROCESS, BURY, N_SQL };
static const char *const sql[N_SQL] = {
	[PROCESSES] = "SELECT id FROM process /*scan*/ ORDER BY id",
	[OF_PROCESS] = "SELECT " PENDING_COLUMNS ", " JOURNAL_COLUMNS
		       " FROM hold h /*scan*/ "
		       "WHERE h.process = ?1 LIMIT 1000",
	[BURY] = "DELETE FROM process /*scan*/ WHERE id = ?1",
};
const struct db_part crash_part = { "crash", sql, N_SQL };

/* The prices of a call: what it is sold at, and the list price of the same
 * model. */
struct prices {
	struct arena *arena;
	struct price sale, list;
};

/*
 * What the upstream asks for some use: the channel's own price, or its share
 * of the list price.
 */
static bool
upstream_cost(struct db *db, const struct orphan *o, const struct prices *at,
    const struct buckets *use, struct usage_row *u)
{
	const struct pending *p = &o->p;
	int64_t channel = o->j.channel;
	struct price_row row;
	struct price own;
	int64_t ppm;
	int n;

	if (channel == 0)
		return true;
	n = price_find(db, at->arena, u->model, channel, p->opened, &row);
	if (n < 0 || (ppm = channel_cost_ppm(db, channel)) < 0)
		return false;
	if (n == 1 && price_read(at->arena, &row.say, &own)) {
		u->cost_price = row.id;
		u->cost_ppm = PPM;
		return price_charge(&own, use, PPM, &u->cost);
	}
	u->cost_price = at->list.id;
	u->cost_ppm = ppm;
	return price_charge(&at->list, use, ppm, &u->cost);
}

/*
 * What a call used of everything: its prompt, so much output, its units.
 * Which of them are tokens of sound or pictures is told by the unit.
 */
static struct buckets
use_of(const struct pending *p, int64_t output)
{
	struct buckets use = { .n = { [BUCKET_REQUEST] = 1 } };
	enum bucket in = BUCKET_INPUT, out = BUCKET_OUTPUT;

	if (p->units) {
		use.n[p->unit] = p->units;
		if (p->unit == BUCKET_SECOND)
			in = BUCKET_AUDIO_IN;
		if (p->unit == BUCKET_IMAGE)
			out = BUCKET_IMAGE_OUT;
		if (p->unit == BUCKET_CHARACTER)
			out = BUCKET_AUDIO_OUT;
	}
	use.n[in] = p->prompt_tokens;
	use.n[out] = output;
	return use;
}

/*
 * Nobody knows whether the prompt went out: that is not journalled, for a
 * write before every call would cost more than it tells.  So it counts as
 * lost, at the list price where the upstream is not known.
 */
static bool
prompt_lost(struct db *db, const struct orphan *o, const struct prices *at,
    struct usage_row *u)
{
	struct buckets prompt = use_of(&o->p, 0);
	bool ok = o->j.channel ? upstream_cost(db, o, at, &prompt, u) :
	    price_charge(&at->list, &prompt, PPM, &u->cost);

	u->loss = u->cost;
	u->cost = 0;
	return ok;
}

/* The price of the hold's row, and the list price beside it if it is not. */
static bool
prices_of(struct db *db, const struct orphan *o, struct usage_row *u,
    struct prices *at)
{
	struct price_row row;
	int n;

	if (u->price == 0)
		return true;
	if (price_get(db, at->arena, u->price, &row) != 1 ||
	    !price_read(at->arena, &row.say, &at->sale))
		return db_stop(db, "price %" PRId64 " of hold %" PRId64
		    " is gone", u->price, o->p.id);
	at->sale.id = row.id;
	at->list = at->sale;
	u->fixed = price_is_sale(&row);
	if (!u->fixed)
		return true;
	at->list = (struct price){ 0 };
	n = price_find(db, at->arena, u->model, 0, o->p.opened, &row);
	if (n == 1 && price_read(at->arena, &row.say, &at->list))
		u->list_price = at->list.id = row.id;
	return n >= 0;
}

/* What is asked for the call, free ones aside. */
static bool
charge_of(const struct orphan *o, const struct prices *at,
    struct usage_row *u)
{
	const struct pending *p = &o->p;

	if (!price_charge(&at->sale, &u->use, price_discounted(u->fixed ? PPM :
	    p->markup_ppm, p->discount_ppm), &u->charge) ||
	    !price_charge(&at->list, &u->use, PPM, &u->list))
		return false;
	u->minimum = p->minimum;
	u->floor = p->floor;
	u->charge = price_at_least(u->charge, u->minimum,
	    u->floor ? u->cost : 0, p->bound);
	return true;
}

/*
 * The policy for a call whose process died.  Nothing had come: the caller
 * pays nothing, what the prompt may have cost is our loss.  Something had
 * come: the prompt and what was journalled are charged, as an estimate.
 */
static bool
crash_bill(struct db *db, const struct orphan *o, bool free,
    struct usage_row *u)
{
	struct buckets use = use_of(&o->p, o->j.out_tokens);
	struct arena a;
	struct prices at = { .arena = &a };
	bool ok;

	arena_init(&a);
	ok = prices_of(db, o, u, &at);
	u->cost_ppm = PPM;
	if (str_eq(str_of(o->p.endpoint), S("count_tokens"))) {
		;	/* no upstream asks anything for it */
	} else if (ok && !o->j.started) {
		ok = prompt_lost(db, o, &at, u);
	} else if (ok) {
		u->use = use;
		u->estimated = true;
		ok = upstream_cost(db, o, &at, &use, u) &&
		    charge_of(o, &at, u);
	}
	arena_release(&a);
	if (free) {
		u->charge = u->minimum = 0;
		u->floor = false;
		u->list_price = at.list.id;
		u->price = 0;
	}
	return ok;
}

static bool
resolve(struct db *db, const struct orphan *o)
{
	const struct pending *p = &o->p;
	const struct journal *j = &o->j;
	struct attempt_row attempt = {
		.channel = j->channel,
		.credential = j->credential,
		.upstream_model = str_of(j->upstream_model),
		.started = p->opened,
		.ms = db_now(db) > p->opened ? db_now(db) - p->opened : 0,
		.outcome = S("crash"),
	};
	struct usage_row u = {
		.state = USAGE_CRASH,
		.channel = j->channel,
		.credential = j->credential,
		.model = j->model ? j->model : p->model,
		.price = j->model ? j->price : p->price,
		.fault = "CRASH",
		.remarks = j->model && j->model != p->model ? S("fallback") :
		    S(""),
		.first_ms = -1,
		.total_ms = attempt.ms,
		.attempts = &attempt,
		.n_attempts = j->sent || j->started,
	};
	struct model_row asked, served;
	int64_t used = j->started ? p->prompt_tokens + j->out_tokens : 0;
	struct bill bill;
	struct arena a;
	bool ok;

	arena_init(&a);
	memcpy(u.request_id, p->request_id, ID_CHARS);
	ok = model_get(db, &a, p->model, &asked) >= 0 &&
	    model_get(db, &a, u.model, &served) >= 0 &&
	    crash_bill(db, o, served.free, &u);
	if (ok) {
		u.asked = asked.name;
		ok = settle_reckon(db, p, &u, &bill) &&
		    settle_close(db, p, &u, used, &bill) &&
		    claim_end_all(db, p->id, j->credential, used);
	}
	arena_release(&a);
	return ok;
}

/* All holds of one dead process; how many, or -1. */
static int
resolve_all(struct db *db, int64_t process)
{
	struct orphan *list = xalloc(PAGE * sizeof(*list));
	int total = 0, n, got;

	do {
		struct row *row = db_each(db, &crash_part, OF_PROCESS, "i",
		    process);

		n = 0;
		while (n < PAGE && (got = db_next(row)) == 1) {
			pending_read(row, &list[n].p);
			journal_read(row, &list[n++].j);
		}
		db_reset(row);
		for (int i = 0; i < n; i++)
			if (!resolve(db, &list[i]))
				goto failed;
		total += n;
	} while (n == PAGE && !db_failed(db));
	free(list);
	return db_failed(db) ||
		db_run(db, &crash_part, BURY, "i", process) < 0
	    ? -1
	    : total;
failed:
	free(list);
	return -1;
}

int
hold_recover(struct store *s, struct db *db)
{
	struct row *row = db_each(db, &crash_part, PROCESSES, "");
	struct buf ids = BUF_HEAP(1 << 20);
	int total = 0, n;
	int64_t id;

	while (db_next(row) == 1) {
		id = row_int(row, 0);
		buf_put(&ids, str_from(&id, sizeof(id)));
	}
	for (size_t at = 0; at < ids.n && total >= 0; at += sizeof(id)) {
		memcpy(&id, ids.p + at, sizeof(id));
		if (!store_dead(s, id))
			continue;
		n = resolve_all(db, id);
		store_bury(s, id);
		if (n > 0)
			log_line(LOG_WARN, "store: process %" PRId64 " died: "
			    "resolved %d calls of it", id, n);
		total = n < 0 ? -1 : total + n;
	}
	buf_release(&ids);
	return db_failed(db) ? -1 : total;
}
