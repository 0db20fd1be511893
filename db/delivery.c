/* SPDX-License-Identifier: MIT */
/* delivery.c - what is sent to targets, and how that went; see delivery.h. */
#include "db/delivery.h"

#include <inttypes.h>

#include "db/group.h"
#include "db/metric.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/id.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum {
	FIRST_MS = 5000,		/* until the second try */
	LONGEST_MS = 4 * 3600 * 1000,
	DAY_MS = 86400000,
	CLAIM_MS = 60000,		/* more than a try can take */
	KEPT = 10000,
	BODY_BYTES = 16384,
	WHY_BYTES = 300
};

const char *const delivery_whats[N_TOLDS] = { "fired", "over", "test" };
const char *const delivery_states[N_DELIVERY_STATES] = { "waiting", "sent",
	"given_up" };

#define COLUMNS \
	"SELECT d.id, d.uid, a.name, t.name, d.what, d.state, d.title, " \
	"d.body, d.made, d.due, d.until, coalesce(d.ended, 0), d.tries, " \
	"d.status, d.why, t.id, coalesce(t.account, 0), t.url, t.email, " \
	"t.sealed, d.claimed FROM delivery d " \
	"JOIN alert a ON a.id = d.alert JOIN target t ON t.id = d.target "

/* One that waits, whose time has come (?1; an hour's beyond the longest wait
 * is of a clock that was set back), and that nobody is sending: a claim of a
 * process that is gone, or that ends later than any could, is none. */
#define FREE \
	"FROM delivery d /*scan*/ JOIN target t ON t.id = d.target " \
	"WHERE d.state = 'waiting' AND t.enabled " \
	"AND (d.due <= ?1 OR d.due > ?1 + 18000000) " \
	"AND (d.claimed <= ?1 OR d.claimed > ?1 + 60000 OR (d.taker <> 0 " \
	"AND NOT EXISTS (SELECT 1 FROM process p WHERE p.id = d.taker))) " \
	"AND (?2 = 0 OR d.id = ?2) "
_Static_assert(CLAIM_MS == 60000 && LONGEST_MS + 3600000 == 18000000,
    "they stand in the statement above");

enum {
	TARGETS, ADD, WAITS, PICK, CLAIM, GET, SENT, FAILED, BACK, OTHERS,
	LIST, LIST_OF, AGAIN, TRIM, N_SQL
};
static const char *const sql[N_SQL] = {
	[TARGETS] = "SELECT t.id, t.email IS NOT NULL FROM alert_target x "
		    "JOIN target t ON t.id = x.target "
		    "WHERE x.alert = ?1 AND t.enabled ORDER BY t.id",
	[ADD] = "INSERT INTO delivery(uid, alert, target, occurrence, what, "
		"title, body, made, due, until, state) VALUES (?1, ?2, ?3, "
		"?4, ?5, ?6, ?7, ?8, ?8, ?9, 'waiting')",
	[WAITS] = "SELECT 1 " FREE "LIMIT 1",
	[PICK] = "SELECT d.id " FREE "ORDER BY d.due, d.id LIMIT 1",
	[CLAIM] = "UPDATE delivery SET tries = tries + 1, claimed = ?2, "
		  "taker = ?3 WHERE id = ?1",
	[GET] = COLUMNS "WHERE d.id = ?1",
	[SENT] = "UPDATE delivery SET state = 'sent', status = ?2, why = '', "
		 "ended = ?3, claimed = 0 WHERE id = ?1 "
		 "AND state = 'waiting'",
	/* Another may have claimed it since. */
	[FAILED] = "UPDATE delivery SET state = ?2, status = ?3, why = ?4, "
		   "due = ?5, ended = ?6, claimed = 0 "
		   "WHERE id = ?1 AND state = 'waiting' AND claimed = ?7",
	[BACK] = "UPDATE delivery SET tries = tries - 1, claimed = 0 "
		 "WHERE id = ?1 AND state = 'waiting' AND claimed = ?2",
	[OTHERS] = "UPDATE delivery SET due = ?2 WHERE target = ?1 "
		   "AND state = 'waiting' AND due < ?2 AND claimed <= ?3",
	[LIST] = COLUMNS "WHERE d.id < ?1 ORDER BY d.id DESC LIMIT 1000",
	[LIST_OF] = COLUMNS "WHERE d.id < ?1 AND d.alert = ?2 "
			    "ORDER BY d.id DESC LIMIT 1000",
	[AGAIN] = "UPDATE delivery SET state = 'waiting', due = ?2, "
		  "until = ?3, tries = 0, ended = NULL WHERE id = ?1",
	[TRIM] = "DELETE FROM delivery WHERE id <= (SELECT max(id) "
		 "FROM delivery) - ?1 AND state <> 'waiting'",
};
const struct db_part delivery_part = { "delivery", sql, N_SQL };

/* --- what is told --------------------------------------------------------- */

static void
put_time(struct buf *b, int64_t ms)
{
	char text[CLOCK_TEXT];

	if (ms == 0) {
		buf_put(b, S("null"));
		return;
	}
	clock_text(ms, text);
	buf_json(b, str_of(text));
}

static void
put_json(struct buf *b, const struct told *t, int64_t now)
{
	buf_printf(b, "{\"type\":\"alert.%s\",\"timestamp\":",
	    delivery_whats[t->what]);
	put_time(b, now);
	buf_put(b, S(",\"data\":{\"alert\":"));
	buf_json(b, t->alert->name);
	buf_printf(b, ",\"rule\":\"%s\",\"occurrence\":",
	    alert_rules[t->alert->when.rule].name);
	if (t->occurrence)
		buf_int(b, t->occurrence);
	else
		buf_put(b, S("null"));
	buf_put(b, S(",\"began\":"));
	put_time(b, t->began);
	buf_put(b, S(",\"ended\":"));
	put_time(b, t->ended);
	buf_put(b, S(",\"text\":"));
	buf_json(b, t->text);
	buf_put(b, S(",\"about\":"));
	buf_put(b, t->about.n ? t->about : S("{}"));
	buf_put(b, S("}}"));
}

static void
put_line(struct buf *b, const char *name, int64_t ms)
{
	char text[CLOCK_TEXT];

	if (ms == 0)
		return;
	clock_text(ms, text);
	buf_printf(b, "%s  %s\n", name, text);
}

static void
put_mail(struct buf *b, const struct told *t)
{
	buf_printf(b, "%s%.*s.\n\nalert  %.*s (%s)\n",
	    t->what == TOLD_OVER ? "This is over: " : "", STR_ARGS(t->text),
	    STR_ARGS(t->alert->name), alert_rules[t->alert->when.rule].name);
	put_line(b, "began", t->began);
	put_line(b, "ended", t->ended);
}

static bool
add(struct db *db, const struct told *t, int64_t target, bool mail)
{
	static const char *const after[N_TOLDS] = { "", " is over",
		" (a test)" };
	struct buf title = BUF_HEAP(200), body = BUF_HEAP(BODY_BYTES);
	const int64_t *of = t->occurrence ? &t->occurrence : NULL;
	int64_t now = db_now(db);
	char uid[4 + ID_CHARS] = "msg_";
	bool ok;

	id_make(now, uid + 4);
	buf_printf(&title, "weir: %.*s%s", STR_ARGS(t->alert->name),
	    after[t->what]);
	if (mail)
		put_mail(&body, t);
	else
		put_json(&body, t, now);
	ok = db_run(db, &delivery_part, ADD, "siiIsssii",
	    str_from(uid, sizeof(uid)), t->alert->id, target, of,
	    str_of(delivery_whats[t->what]), buf_str(&title), buf_str(&body),
	    now, now + DAY_MS) == 1;
	buf_release(&title);
	buf_release(&body);
	return ok;
}

int
delivery_tell(struct db *db, const struct told *t)
{
	struct row *row = db_each(db, &delivery_part, TARGETS, "i",
	    t->alert->id);
	struct {
		int64_t id;
		bool mail;
	} list[LIST_MAX];
	int n = 0;

	while (n < LIST_MAX && db_next(row) == 1) {
		list[n].id = row_int(row, 0);
		list[n++].mail = row_int(row, 1);
	}
	db_reset(row);
	if (db_failed(db))
		return -1;
	for (int i = 0; i < n; i++)
		if (!add(db, t, list[i].id, list[i].mail))
			return -1;
	return n;
}

/* --- sending -------------------------------------------------------------- */

int
delivery_waits(struct db *db, int64_t only)
{
	struct row *row;

	return db_one(db, &delivery_part, WAITS, &row, "ii", db_now(db), only);
}

static int
index_of(struct str word, const char *const *words, int n)
{
	int i = 0;

	while (i < n - 1 && !str_eq(word, str_of(words[i])))
		i++;
	return i;
}

static void
read_row(struct arena *a, struct row *row, struct delivery *d)
{
	*d = (struct delivery){
		.id = row_int(row, 0),
		.uid = arena_str(a, row_str(row, 1)),
		.alert = arena_str(a, row_str(row, 2)),
		.target = arena_str(a, row_str(row, 3)),
		.what = (enum delivery_what)index_of(row_str(row, 4),
		    delivery_whats, N_TOLDS),
		.state = (enum delivery_state)index_of(row_str(row, 5),
		    delivery_states, N_DELIVERY_STATES),
		.title = arena_str(a, row_str(row, 6)),
		.body = arena_str(a, row_str(row, 7)),
		.made = row_int(row, 8),
		.due = row_int(row, 9),
		.until = row_int(row, 10),
		.ended = row_int(row, 11),
		.tries = row_int(row, 12),
		.status = row_int(row, 13),
		.why = arena_str(a, row_str(row, 14)),
		.target_id = row_int(row, 15),
		.account = row_int(row, 16),
		.url = arena_str(a, row_str(row, 17)),
		.email = arena_str(a, row_str(row, 18)),
		.sealed = arena_str(a, row_bytes(row, 19)),
		.claimed = row_int(row, 20),
	};
}

int
delivery_get(struct db *db, struct arena *a, int64_t id, struct delivery *d)
{
	struct row *row;
	int n = db_one(db, &delivery_part, GET, &row, "i", id);

	if (n == 1)
		read_row(a, row, d);
	return n;
}

bool
delivery_claim_run(struct db *db, struct op *op)
{
	struct delivery_claim *c = holder(op, struct delivery_claim, op);
	struct row *row;
	int64_t id, now = db_now(db);
	int n = db_one(db, &delivery_part, PICK, &row, "ii", now, c->only);

	c->got = false;
	if (n != 1)
		return n == 0;
	id = row_int(row, 0);
	if (db_run(db, &delivery_part, CLAIM, "iii", id, now + CLAIM_MS,
		c->process) != 1)
		return false;
	c->got = delivery_get(db, &c->arena, id, &c->d) == 1;
	return c->got;
}

int64_t
delivery_delay(int64_t tries, uint64_t dice)
{
	int64_t ms = FIRST_MS;

	while (--tries > 0 && ms < LONGEST_MS)
		ms *= 3;
	if (ms > LONGEST_MS)
		ms = LONGEST_MS;
	/* From half of it to all of it, so that many do not come at once. */
	return ms / 2 + (int64_t)(dice % (uint64_t)(ms / 2 + 1));
}

static bool
give_up(struct db *db, const struct delivery_end *e)
{
	log_line(LOG_WARN, "alert: delivery %" PRId64 " of %.*s to %.*s is "
	    "given up after %" PRId64 " tries: %.*s", e->d->id,
	    STR_ARGS(e->d->alert), STR_ARGS(e->d->target), e->d->tries,
	    STR_ARGS(e->why));
	return metric_count(db, S("weir_alerts_given_up_total"), 1);
}

static bool
try_later(struct db *db, const struct delivery_end *e)
{
	const struct delivery *d = e->d;
	int64_t now = db_now(db), due, dice = now;
	bool over;
	int n;

	vault_random(&dice);
	due = now + delivery_delay(d->tries, (uint64_t)dice);
	over = e->never || due > d->until;
	n = db_run(db, &delivery_part, FAILED, "isisiIi", d->id,
	    str_of(delivery_states[over ? DELIVERY_GIVEN_UP :
	    DELIVERY_WAITING]), e->status, str_from(e->why.p, e->why.n <
	    WHY_BYTES ? e->why.n : WHY_BYTES), due, over ? &now : NULL,
	    d->claimed);
	if (n <= 0)
		return n == 0;
	/* Whatever else is for it would fail as well. */
	if (!e->never && db_run(db, &delivery_part, OTHERS, "iii",
		d->target_id, due, now) < 0)
		return false;
	return !over || give_up(db, e);
}

bool
delivery_end_run(struct db *db, struct op *op)
{
	const struct delivery_end *e = holder(op, struct delivery_end, op);

	if (e->given_back)
		return db_run(db, &delivery_part, BACK, "ii", e->d->id,
			   e->d->claimed) >= 0;
	if (!e->sent)
		return try_later(db, e);
	return db_run(db, &delivery_part, SENT, "iii", e->d->id, e->status,
		   db_now(db)) >= 0 &&
	    metric_count(db, S("weir_alerts_sent_total"), 1);
}

/* --- the log -------------------------------------------------------------- */

int
delivery_list(struct db *db, struct arena *a, int64_t before, int64_t alert,
    struct delivery **list)
{
	struct row *row;
	int n = 0;

	if (before == 0)
		before = INT64_MAX;
	row = alert ? db_each(db, &delivery_part, LIST_OF, "ii", before,
	    alert) : db_each(db, &delivery_part, LIST, "i", before);
	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
delivery_again(struct db *db, int64_t id)
{
	int64_t now = db_now(db);

	return db_run(db, &delivery_part, AGAIN, "iii", id, now,
	    now + DAY_MS);
}

bool
delivery_trim(struct db *db)
{
	return db_run(db, &delivery_part, TRIM, "i", (int64_t)KEPT) >= 0;
}
