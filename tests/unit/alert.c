/* SPDX-License-Identifier: MIT */
/*
 * alert.c - every rule fires when it should and not before, once, and is over
 * when it should be; and how deliveries are claimed, tried again and given up.
 *
 * A row of a table is a story: what is in the store, minute by minute, and how
 * many alerts fire and end at each look.
 */
#include "tests/unit/shop.h"

#include "db/alert.h"
#include "db/delivery.h"
#include "db/target.h"
#include "db/watch.h"
#include "fcgi/base/address.h"
#include "fcgi/base/json.h"
#include "handlers/alert/parcel.h"

enum { STEPS = 6, MINUTE = 60000, HOUR = 3600000, DAY = 86400000 };

static struct shop shop;
static int64_t now_ms;

static int64_t
tick(void)
{
	return now_ms;
}

static int
start(void **state)
{
	(void)state;
	shop_init(&shop);
	shop.balance = 100 * NANO;
	shop_open(&shop);
	now_ms = 1767265200000;		/* 2026-01-01T11:00:00Z */
	shop_clock(&shop, tick);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	shop_close(&shop);
	return 0;
}

/* --- what there is -------------------------------------------------------- */

static bool
script(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

/* In a story %T is now in ms, %D when today began, %H this hour. */
static void
run_sql(const char *sql)
{
	struct buf b = BUF(&shop.a, 1 << 20);

	for (; *sql; sql++) {
		int64_t t = now_ms;

		if (*sql != '%' || !strchr("TDH", sql[1])) {
			buf_char(&b, *sql);
			continue;
		}
		t -= *++sql == 'D' ? t % DAY : *sql == 'H' ? t % HOUR : 0;
		buf_int(&b, t);
	}
	assert_true(shop_write(&shop, script, (void *)(uintptr_t)
	    buf_text(&b)));
}

struct wanted {
	const char *rule;
	const char *figures;		/* "percent=80 soft=1" */
	enum cap_owner kind;
	int64_t owner;
};

static bool
add_alert(struct shop *s, struct db *db, void *arg)
{
	const struct wanted *w = arg;
	struct str figures = str_of(w->figures);
	struct target_row t;
	struct alert_row a;

	if (target_find(db, &s->a, S("ops"), &t) != 1) {
		target_blank(&t, S("ops"));
		t.url = S("http://127.0.0.1:9/");
		if (!target_put(db, &t) || !target_seal(db,
			store_vault(s->store), &t, S("a secret of the test")))
			return false;
	}
	alert_blank(&a, S("it"));
	a.kind = w->kind;
	a.owner = w->owner;
	a.when = alert_when(alert_rule_of(str_of(w->rule)));
	assert_int_not_equal(a.when.rule, N_ALERT_RULES);
	while (figures.n) {
		struct str value = str_cut(&figures, ' ');
		struct str name = str_cut(&value, '=');
		int i = 0;

		while (!str_eq(name, str_of(alert_figures[i].name)))
			assert_true(++i < N_WHENS);
		assert_true(str_int(value, &a.when.v[i]));
	}
	return alert_put(db, &a, true) &&
	    alert_targets_set(db, a.id, &t.id, 1);
}

static struct watch
look(bool force)
{
	struct watch w = { .op = { .run = watch_begin_run },
		.force = force };

	assert_true(store_write(shop.store, false, shop_run_op, &w.op));
	if (!w.mine)
		return w;
	assert_true(watch_look(shop.reader, &w));
	w.op.run = watch_end_run;
	assert_true(store_write(shop.store, false, shop_run_op, &w.op));
	arena_release(&w.arena);
	return w;
}

static int64_t
number(const char *sql)
{
	int64_t n = -1;

	assert_true(db_number(shop.reader, sql, &n) >= 0);
	return n;
}

/* --- stories -------------------------------------------------------------- */

struct story {
	const char *name;
	struct wanted alert;		/* owner 0 of an account etc.: the
					 * shop's */
	const char *text;		/* stands in what is told, at the end */
	struct step {
		int64_t after_ms;
		const char *sql;	/* or NULL */
		int fired, ended;
	} steps[STEPS];			/* the first has after_ms > 0 */
};

#define SPENT(kind, window, start, amount) \
	"INSERT INTO spent(owner_kind, owner, window, start, amount) VALUES " \
	"('" kind "', 1, '" window "', " start ", " amount ") ON CONFLICT " \
	"DO UPDATE SET amount = excluded.amount; "
#define CAP(kind, window, amount, soft) \
	"INSERT INTO cap VALUES ('" kind "', 1, '" window "', " amount ", " \
	soft "); "
#define CALLS(n, state, status, more) \
	"WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i " \
	"WHERE n < " #n ") INSERT INTO usage(request_id, at, account, " \
	"project, key, model, book, asked, served, endpoint, stream, state, " \
	"status, estimated, input, cache_read, cache_write, cache_write_1h, " \
	"output, reasoning, request, audio_in, audio_out, image_in, " \
	"image_out, character, image, second, search, charge, cost, list, " \
	"held, bound, markup_ppm, cost_ppm, total_ms, weir_us, attempts, " \
	"channel, remarks, unpaid) SELECT hex(randomblob(13)), %T, 1, 1, 1, " \
	"1, 6, 'demo', 'other', 'chat', 0, '" state "', " #status ", 0, 0, " \
	"0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1000000, " \
	"1000000, 1, 1, '[]', " more " FROM i; "
#define PLAIN "NULL, '', 0"
#define CHANNEL \
	"INSERT INTO channel(id, name, dialect, base_url) VALUES " \
	"(3, 'up', 'openai', 'http://127.0.0.1:9'); INSERT INTO " \
	"credential(id, channel, name, sealed, origin) VALUES " \
	"(4, 3, 'k1', x'', ''); "
#define PARK(model, kind, until) \
	"INSERT INTO park VALUES (3, 4, '" model "', '" kind "', %T, %T + " \
	until ", 1, 0, 'why'); "
/* So many hours of the key before this one, n of them, one sum each. */
#define HOURS(from, to, key, charge) \
	"WITH RECURSIVE i(n) AS (SELECT " #from " UNION ALL SELECT n + 1 " \
	"FROM i WHERE n < " #to ") INSERT INTO rollup SELECT %H - n * " \
	"3600000, 1, 1, " #key ", 1, 0, 10, 0, 0, 100, 0, 0, 0, 0, 0, 1, 0, " \
	"0, 0, 0, 0, 0, 0, 0, " #charge ", 0, 0, 0, 0, 0 FROM i; "
#define CACHED(from, to, calls, fresh, cached) \
	"WITH RECURSIVE i(n) AS (SELECT " #from " UNION ALL SELECT n + 1 " \
	"FROM i WHERE n < " #to ") INSERT INTO rollup SELECT %H - n * " \
	"3600000, 1, 1, 1, 1, 0, " #calls ", 0, 0, " #fresh ", " #cached ", " \
	"0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM i; "

static const struct story stories[] = {
	{ "percent of a cap, once a day, the next day anew",
	    { "spend", "percent=80", CAP_KEY, 0 },
	    "key alice/app has come to 85 % of its cap day: 4.25 USD of 5 USD",
	    { { MINUTE, CAP("key", "day", "5000000000", "0")
		SPENT("key", "day", "%D", "3999999999"), 0, 0 },
	    { MINUTE, SPENT("key", "day", "%D", "4000000000"), 1, 0 },
	    { MINUTE, SPENT("key", "day", "%D", "5000000000"), 0, 0 },
	    { DAY, NULL, 0, 1 },
	    { MINUTE, SPENT("key", "day", "%D", "4250000000"), 1, 0 },
	    { MINUTE, NULL, 0, 0 } } },
	{ "a cap that is raised is over; by the new one it fires again",
	    { "spend", "percent=50", CAP_SITE, 0 },
	    "account alice has come to 60 % of its cap month",
	    { { MINUTE, CAP("account", "month", "1000", "0")
		"INSERT INTO spent(owner_kind, owner, window, start, amount) "
		"VALUES ('account', 1, 'month', 1767225600000, 600); ", 1,
		0 },
	    { MINUTE, "UPDATE cap SET amount = 2000", 0, 1 },
	    { MINUTE, "UPDATE spent SET amount = 1200", 1, 0 },
	    { MINUTE, "UPDATE spent SET amount = 900", 0, 1 },
	    /* Not twice in a window. */
	    { MINUTE, "UPDATE spent SET amount = 1200", 0, 0 } } },
	{ "another's cap, another window, tokens: nothing",
	    { "spend", "percent=50 window=1", CAP_KEY, 0 }, NULL,
	    { { MINUTE, CAP("key", "hour", "10", "0")
		CAP("key", "day_tokens", "10", "0") CAP("account", "day",
		"10", "0") SPENT("key", "hour", "%H", "10") SPENT("key",
		"day_tokens", "%D", "10") SPENT("account", "day", "%D",
		"10"), 0, 0 },
	    { MINUTE, CAP("key", "day", "10", "0") SPENT("key", "day", "%D",
		"10"), 1, 0 } } },
	{ "what passed in an hour's last minute is told",
	    { "spend", "percent=80", CAP_SITE, 0 },
	    "account alice has come to 100 % of its cap hour",
	    { { 58 * MINUTE, CAP("account", "hour", "10", "0"), 0, 0 },
	    { 3 * MINUTE, "INSERT INTO spent(owner_kind, owner, window, "
		"start, amount) VALUES ('account', 1, 'hour', %H - 3600000, "
		"10)", 1, 0 },
	    { MINUTE, NULL, 0, 1 }, { MINUTE, NULL, 0, 0 } } },
	{ "soft caps, by what is spent and by their note",
	    { "spend", "soft=1", CAP_ACCOUNT, 0 },
	    "key alice/app has come to 40 % of its cap day",
	    { { MINUTE, CAP("key", "day", "100", "50") SPENT("key", "day",
		"%D", "40"), 0, 0 },
	    /* It was passed by what was held a moment. */
	    { MINUTE, "INSERT INTO cap_note(at, owner_kind, owner, window, "
		"start, amount, percent, spent) VALUES (%T, 'key', 1, 'day', "
		"%D, 100, 50, 60)", 1, 0 },
	    { MINUTE, NULL, 0, 0 },
	    { DAY, "UPDATE cap SET soft = 0", 0, 1 },
	    { MINUTE, "INSERT INTO cap_note(at, owner_kind, owner, window, "
		"start, amount, percent, spent) VALUES (%T, 'key', 1, 'day', "
		"%D - 86400000, 90, 40, 36)", 1, 0 },
	    { MINUTE, NULL, 0, 1 } } },
	{ "a forecast: at this pace; not in a window's first tenth",
	    { "tokens", "forecast=1", CAP_KEY, 0 },
	    "key alice/app will pass its cap hour_tokens of 1000 tokens: 260 "
	    "tokens are spent or held, 1040 tokens at the end",
	    { { 5 * MINUTE, CAP("key", "hour_tokens", "1000", "0")
		SPENT("key", "hour_tokens", "%H", "900"), 0, 0 },
	    { MINUTE, SPENT("key", "hour_tokens", "%H", "100"), 0, 0 },
	    { 9 * MINUTE, SPENT("key", "hour_tokens", "%H", "250"), 0, 0 },
	    { 0, SPENT("key", "hour_tokens", "%H", "260"), 1, 0 },
	    { 15 * MINUTE, NULL, 0, 1 } } },
	{ "percent of a cap of tokens in all",
	    { "tokens", "percent=100 window=4", CAP_PROJECT, 0 },
	    "project alice/default has come to 100 % of its cap total_tokens",
	    { { MINUTE, CAP("project", "total_tokens", "10", "0")
		SPENT("project", "total_tokens", "0", "9"), 0, 0 },
	    { DAY, SPENT("project", "total_tokens", "0", "10"), 1, 0 },
	    { 40 * (int64_t)DAY, NULL, 0, 0 } } },
	{ "a low balance", { "balance", "below=5000000000", CAP_SITE, 0 },
	    "account alice has 4 USD left, less than 5 USD",
	    { { MINUTE, NULL, 0, 0 },
	    { MINUTE, "UPDATE book SET balance = 4000000000 WHERE id = "
		"(SELECT wallet FROM account)", 1, 0 },
	    { MINUTE, "UPDATE book SET balance = 3000000000 WHERE id = "
		"(SELECT wallet FROM account)", 0, 0 },
	    { MINUTE, "UPDATE book SET balance = 5000000000 WHERE id = "
		"(SELECT wallet FROM account)", 0, 1 },
	    { MINUTE, "UPDATE book SET balance = 4000000000 WHERE id = "
		"(SELECT wallet FROM account)", 1, 0 },
	    { MINUTE, "UPDATE account SET enabled = 0", 0, 1 } } },
	{ "errors, of so many calls in so many minutes",
	    { "errors", "percent=50 calls=4 minutes=3", CAP_ACCOUNT, 0 },
	    "2 of 4 calls of account alice failed in the last 3 minutes "
	    "(50 %)",
	    { { MINUTE, CALLS(2, "failed", 503, PLAIN) CALLS(1, "done", 200,
		PLAIN), 0, 0 },
	    { MINUTE, CALLS(1, "done", 200, PLAIN), 1, 0 },
	    { MINUTE, NULL, 0, 0 },
	    { 4 * MINUTE, CALLS(9, "done", 200, PLAIN), 0, 0 },
	    { MINUTE, NULL, 0, 1 },
	    { MINUTE, CALLS(1, "crash", 0, PLAIN), 0, 0 } } },
	{ "errors: what a caller did wrong is none",
	    { "errors", "percent=1 calls=1", CAP_SITE, 0 }, NULL,
	    { { MINUTE, CALLS(30, "failed", 400, PLAIN) CALLS(30, "left", 200,
		PLAIN), 0, 0 },
	    { MINUTE, CALLS(5, "failed", 429, PLAIN), 1, 0 } } },
	{ "a dead credential", { "credential", "state=0", CAP_SITE, 0 },
	    "credential up/k1 is out until a probe of it succeeds (why)",
	    { { MINUTE, CHANNEL PARK("", "timed", "9999999"), 0, 0 },
	    { MINUTE, PARK("", "barred", "600000"), 1, 0 },
	    { MINUTE, NULL, 0, 0 },
	    { MINUTE, "DELETE FROM park", 0, 0 },	/* it may come again */
	    { MINUTE, NULL, 0, 1 },
	    { MINUTE, "UPDATE credential SET enabled = 0; " PARK("", "barred",
		"600000"), 0, 0 } } },
	{ "a parked credential, for long enough",
	    { "credential", "state=1", CAP_SITE, 0 },
	    "credential up/k1 for model m is out for a while (why)",
	    { { MINUTE, CHANNEL PARK("", "barred", "600000") PARK("short",
		"timed", "20000"), 0, 0 },
	    { MINUTE, PARK("m", "timed", "300000"), 1, 0 },
	    { 5 * MINUTE, NULL, 0, 1 } } },
	{ "a wrong base_url, of whichever attempt",
	    { "address", "", CAP_SITE, 0 }, "no upstream is where base_url "
	    "says, call 0123 was told by channel up",
	    { { MINUTE, CHANNEL CALLS(1, "failed", 502, PLAIN) "UPDATE usage "
		"SET attempts = '[[3,4,\"wrong_base\",1,1,503,\"server\"]]'", 0,
		0 },
	    { MINUTE, CALLS(1, "done", 200, PLAIN) "UPDATE usage SET "
		"request_id = '0123', attempts = '[[3,4,\"m\",1,1,404,"
		"\"wrong_base\"],[5,6,\"m\",1,1,200,\"ok\"]]' "
		"WHERE id = 2", 1, 0 },
	    { 60 * MINUTE, NULL, 0, 1 } } },
	{ "another model answers: the channel is the operator's to know",
	    { "mismatch", "", CAP_KEY, 0 },
	    "demo was asked for, and other answered",
	    { { MINUTE, CHANNEL CALLS(3, "done", 200, "3, '', 0"), 0, 0 },
	    { MINUTE, CALLS(3, "done", 200, "3, 'x model_mismatch', 0"), 1,
		0 },
	    { 30 * MINUTE, CALLS(1, "done", 200, "3, 'model_mismatch', 0"), 0,
		0 },
	    { 59 * MINUTE, NULL, 0, 0 },
	    { MINUTE, NULL, 0, 1 } } },
	{ "a tier without a price", { "tier", "", CAP_SITE, 0 },
	    "a service tier without a price was reported by channel up for "
	    "demo",
	    { { MINUTE, CHANNEL CALLS(1, "done", 200, "3, 'tier:flex', 0"), 0,
		0 },
	    { MINUTE, CALLS(2, "done", 200, "3, 'tier_unpriced', 0"), 1, 0 },
	    { 60 * MINUTE, NULL, 0, 1 } } },
	{ "a call that cost more than could be charged",
	    { "excess", "", CAP_SITE, 0 }, "cost 0.0000005 USD more than "
	    "could be charged",
	    { { MINUTE, CALLS(1, "done", 200, PLAIN), 0, 0 },
	    { MINUTE, CALLS(2, "done", 200, "NULL, '', 500"), 1, 0 } } },
	{ "less input from the cache than in the days before",
	    { "cache", "drop=30 calls=100 days=3", CAP_SITE, 0 },
	    "of the input of the site for demo 27 % came from a cache in the "
	    "last day, and 40 % in the 3 days before",
	    { { 10 * MINUTE, CACHED(24, 72, 10, 60, 40), 0, 0 },
	    { 10 * MINUTE, CACHED(0, 10, 9, 70, 30), 0, 0 },	/* 99 calls */
	    { 10 * MINUTE, CACHED(11, 11, 10, 70, 30), 0, 0 },	/* 30 % */
	    { 10 * MINUTE, CACHED(12, 12, 1, 100, 0), 1, 0 },
	    { MINUTE, "UPDATE rollup SET cache_read = 90, input = 10 "
		"WHERE hour > %H - 86400000", 0, 0 },
	    { 60 * MINUTE, NULL, 0, 1 } } },
	{ "an hour far above the usual", { "usage", "times=5 least=1000",
	    CAP_SITE, 0 },
	    "key alice/app spent 0.000006 USD in an hour, and 0.000001 USD in "
	    "its usual one",
	    { { 10 * MINUTE, HOURS(2, 12, 1, 1000) HOURS(0, 0, 1, 6000), 0,
		0 },			/* eleven hours are not enough */
	    { 10 * MINUTE, HOURS(13, 13, 1, 1000), 1, 0 },
	    { 3 * HOUR, NULL, 0, 1 } } },
	{ "an hour that was seen before is usual, and a small one is nothing",
	    { "usage", "times=5 least=7000", CAP_SITE, 0 }, NULL,
	    { { 10 * MINUTE, HOURS(2, 40, 1, 1000) HOURS(0, 0, 1, 6000), 0,
		0 },
	    { 10 * MINUTE, "UPDATE rollup SET charge = 8000 WHERE hour = %H",
		1, 0 },
	    { 0, "UPDATE rollup SET charge = 9000 WHERE hour = %H - 36000000",
		0, 0 },
	    { 61 * MINUTE, NULL, 0, 1 } } },
	{ "billing is stopped", { "frozen", "", CAP_SITE, 0 },
	    "billing is stopped, calls are refused: books differ",
	    { { MINUTE, NULL, 0, 0 },
	    { MINUTE, "INSERT INTO setting VALUES ('frozen', 'books differ')",
		1, 0 },
	    { MINUTE, "DELETE FROM setting WHERE name = 'frozen'", 0, 1 } } },
};

static void
tell_story(const struct story *s)
{
	struct wanted w = s->alert;
	const int64_t owners[N_CAP_OWNERS] = { 0, shop.account, shop.project,
		shop.key };
	struct occurrence *list;
	struct delivery *told;
	int fired = 0, ended = 0, n;

	w.owner = owners[w.kind];
	assert_true(shop_write(&shop, add_alert, &w));
	look(true);
	for (int i = 0; i < STEPS && (s->steps[i].after_ms ||
	    s->steps[i].sql); i++) {
		const struct step *p = &s->steps[i];
		struct watch seen;

		now_ms += p->after_ms;
		if (p->sql)
			run_sql(p->sql);
		seen = look(p->after_ms == 0);
		assert_true(seen.mine);
		fired += p->fired;
		ended += p->ended;
		if (seen.fired != p->fired || seen.ended != p->ended)
			fail_msg("%s, step %d: %d fired, %d ended, not %d and "
			    "%d", s->name, i, (int)seen.fired,
			    (int)seen.ended, p->fired, p->ended);
		/* Nobody looks twice in a minute. */
		assert_false(look(false).mine);
	}
	assert_int_equal(alert_standing(shop.reader, &shop.a, 0, &list),
	    fired - ended);
	n = delivery_list(shop.reader, &shop.a, 0, 0, &told);
	assert_int_equal(n, fired + ended);
	for (int i = 0; i < n; i++) {
		struct json_error e;

		if (!json_valid(told[i].body, &e))
			fail_msg("%.*s", STR_ARGS(told[i].body));
	}
	for (int i = 0; s->text; i++) {
		if (i == n)
			fail_msg("%s: not \"%s\" but %.*s", s->name, s->text,
			    STR_ARGS(told[0].body));
		if (str_has(told[i].body, str_of(s->text)))
			break;
	}
}

/* As before the first story, which is quicker than another store. */
static void
forget(int64_t began)
{
	now_ms = began;
	run_sql("DELETE FROM delivery; DELETE FROM occurrence; "
	    "DELETE FROM pulse; DELETE FROM alert_target; DELETE FROM alert; "
	    "DELETE FROM cap; DELETE FROM spent; DELETE FROM cap_note; "
	    "DELETE FROM usage; DELETE FROM rollup; DELETE FROM park; "
	    "DELETE FROM credential; DELETE FROM channel; "
	    "UPDATE account SET enabled = 1; UPDATE book SET balance = "
	    "100000000000 WHERE kind = 'wallet'; UPDATE watch SET at = 0, "
	    "looked = 0, usage_to = -1, note_to = -1");
}

static void
rules(void **state)
{
	int64_t began = now_ms;

	(void)state;
	for (size_t i = 0; i < countof(stories); i++) {
		tell_story(&stories[i]);
		forget(began);
	}
}

/* Each rule has a story. */
static void
all_rules(void **state)
{
	(void)state;
	for (int r = 0; r < N_ALERT_RULES; r++) {
		bool told = false;

		for (size_t i = 0; i < countof(stories); i++)
			told |= strcmp(stories[i].alert.rule,
			    alert_rules[r].name) == 0;
		if (!told)
			fail_msg("no story of rule %s", alert_rules[r].name);
	}
}

/* --- who looks ------------------------------------------------------------ */

/* Who took a minute and came too late writes nothing. */
static void
only_the_last_writes(void **state)
{
	struct wanted w = { "balance", "below=1000000000000", CAP_SITE, 0 };
	struct watch late = { .op = { .run = watch_begin_run } };

	(void)state;
	assert_int_equal(watch_due(shop.reader), 0);
	assert_true(shop_write(&shop, add_alert, &w));
	assert_int_equal(watch_due(shop.reader), 1);
	assert_true(store_write(shop.store, false, shop_run_op, &late.op));
	assert_true(late.mine);
	assert_true(watch_look(shop.reader, &late));
	assert_int_equal(look(true).fired, 1);
	late.op.run = watch_end_run;
	assert_true(store_write(shop.store, false, shop_run_op, &late.op));
	assert_int_equal(late.fired, 0);
	assert_int_equal(number("SELECT count(*) FROM occurrence"), 1);
	arena_release(&late.arena);
	/* A clock that is set back does not silence it. */
	assert_int_equal(watch_due(shop.reader), 0);
	now_ms -= 10 * (int64_t)DAY;
	assert_int_equal(watch_due(shop.reader), 1);
	assert_int_equal(look(false).mine, true);
}

struct change {
	const char *note;
	bool anew;
};

static bool
change_alert(struct shop *s, struct db *db, void *arg)
{
	const struct change *c = arg;
	struct alert_row a;

	if (alert_find(db, &s->a, S("it"), &a) != 1)
		return false;
	a.note = str_of(c->note);
	return alert_put(db, &a, c->anew);
}

/* A note changes nothing; other figures, or off and on, begin anew. */
static void
figures_change(void **state)
{
	struct wanted w = { "balance", "below=1000000000000", CAP_SITE, 0 };
	struct change note = { "a note", false }, anew = { "", true };

	(void)state;
	assert_true(shop_write(&shop, add_alert, &w));
	assert_int_equal(look(true).fired, 1);
	now_ms += MINUTE;
	assert_true(shop_write(&shop, change_alert, &note));
	assert_int_equal(look(true).fired, 0);
	assert_true(shop_write(&shop, change_alert, &anew));
	assert_int_equal(number("SELECT count(*) FROM occurrence "
	    "WHERE ended IS NULL"), 0);
	assert_int_equal(look(true).fired, 1);
	/* Nobody was told that the first was over: it was not. */
	assert_int_equal(number("SELECT count(*) FROM delivery"), 2);
	assert_int_equal(number("SELECT count(*) FROM occurrence"), 2);
}

/* --- deliveries ----------------------------------------------------------- */

static bool
claim(struct delivery_claim *c, int64_t process)
{
	*c = (struct delivery_claim){ .op = { .run = delivery_claim_run },
		.process = process };
	assert_true(store_write(shop.store, false, shop_run_op, &c->op));
	return c->got;
}

static void
end(struct delivery_claim *c, bool sent)
{
	struct delivery_end e = { .op = { .run = delivery_end_run },
		.d = &c->d, .sent = sent, .status = sent ? 200 : 500,
		.why = S("answered 500") };

	assert_true(store_write(shop.store, false, shop_run_op, &e.op));
	arena_release(&c->arena);
}

static void
one_delivery(void)
{
	struct wanted w = { "balance", "below=1000000000000", CAP_SITE, 0 };

	assert_true(shop_write(&shop, add_alert, &w));
	assert_int_equal(look(true).fired, 1);
	assert_int_equal(delivery_waits(shop.reader, 0), 1);
}

static void
claimed_by_one(void **state)
{
	int64_t mine = store_process(shop.store);
	struct delivery_claim a, b;

	(void)state;
	one_delivery();
	assert_true(claim(&a, mine));
	assert_int_equal(delivery_waits(shop.reader, 0), 0);
	assert_false(claim(&b, mine));
	/* A claim ends after a minute, */
	now_ms += MINUTE;
	assert_true(claim(&b, mine));
	assert_string_equal(a.d.uid.p, b.d.uid.p);
	/* and what the first one says then does not count, */
	end(&a, false);
	assert_int_equal(number("SELECT claimed > 0 FROM delivery"), 1);
	/* or with its process. */
	assert_false(claim(&a, mine));
	run_sql("UPDATE delivery SET taker = 15");
	assert_true(claim(&a, mine));
	end(&b, true);
	end(&a, false);
	assert_int_equal(number("SELECT state = 'sent' FROM delivery"), 1);
	assert_int_equal(number("SELECT value FROM metric "
	    "WHERE name = 'weir_alerts_sent_total'"), 1);
}

/* Later each time, for a day; what waits for the same target waits too. */
static void
tried_for_a_day(void **state)
{
	int64_t mine = store_process(shop.store), began, last = 0;
	struct delivery_claim c;
	int tries = 0;

	(void)state;
	one_delivery();
	run_sql("INSERT INTO delivery(uid, alert, target, what, title, body, "
	    "made, due, until, state) VALUES ('msg_2', 1, 1, 'test', '', '', "
	    "%T, %T, %T + 999999999, 'waiting')");
	began = now_ms;
	while (number("SELECT state = 'waiting' FROM delivery WHERE id = 1")) {
		int64_t due;

		assert_true(claim(&c, mine));
		assert_int_equal(c.d.id, 1);
		end(&c, false);
		tries++;
		due = number("SELECT due FROM delivery WHERE id = 1");
		assert_true(due - now_ms >= 2500 && due - now_ms <= 4 * HOUR);
		assert_true(number("SELECT min(due) FROM delivery WHERE id = "
		    "2") >= due || number("SELECT state = 'given_up' FROM "
		    "delivery WHERE id = 1"));
		assert_false(claim(&c, mine));
		last = now_ms;
		now_ms = due;
	}
	assert_true(last - began > DAY - 4 * HOUR && last - began <= DAY);
	assert_true(tries > 8 && tries < 25);
	assert_int_equal(number("SELECT value FROM metric "
	    "WHERE name = 'weir_alerts_given_up_total'"), 1);
	now_ms = last + 5 * HOUR;
	assert_true(claim(&c, mine));
	assert_int_equal(c.d.id, 2);
	end(&c, true);
}

static void
delays(void **state)
{
	int64_t most = 5000;

	(void)state;
	for (int64_t tries = 1; tries < 40; tries++) {
		assert_int_equal(delivery_delay(tries, 0), most / 2);
		assert_int_equal(delivery_delay(tries, (uint64_t)most / 2),
		    most);
		for (uint64_t dice = 0; dice < 2000; dice++) {
			int64_t ms = delivery_delay(tries,
			    dice * 0x9e3779b97f4a7c15u);

			assert_true(ms >= most / 2 && ms <= most);
		}
		most = most * 3 > 4 * HOUR ? 4 * HOUR : most * 3;
	}
}

/* --- signing, addresses --------------------------------------------------- */

static void
signatures(void **state)
{
	/* HMAC-SHA256 by Python's hmac. */
	static const struct {
		const char *secret, *text, *want;
	} rows[] = {
		{ "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		    "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": "
		    "2432232314}",
		    "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" },
	};
	static const char *const none[] = { "whsec_", "whsec_AAAA",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!" };
	char key[TARGET_SECRET_MOST], out[VAULT_SIGNED];

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		int n = target_key(str_of(rows[i].secret), key);

		assert_true(n > 0);
		vault_sign(str_from(key, (size_t)n), str_of(rows[i].text),
		    out);
		assert_string_equal(out, rows[i].want);
	}
	for (size_t i = 0; i < countof(none); i++)
		assert_int_equal(target_key(str_of(none[i]), key), -1);
	assert_int_equal(target_key(S("as it is"), key), 8);
}

static void
addresses(void **state)
{
	static const char *const public[] = { "1.1.1.1", "8.8.8.8",
		"172.32.0.1", "100.128.0.1", "::ffff:9.9.9.9",
		"2606:4700::1111", "2a00:1450:4001::1" };
	static const char *const special[] = { "0.0.0.0", "0.1.2.3",
		"10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255",
		"169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.1", "192.0.2.1", "192.168.1.1", "198.18.0.1",
		"198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
		"255.255.255.255", "::", "::1", "::ffff:127.0.0.1",
		"::ffff:169.254.169.254", "::7f00:1", "64:ff9b::7f00:1",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
		"2002:7f00:1::", "3fff::1", "fc00::1", "fd00:ec2::254",
		"fe80::1", "fec0::1", "ff02::1", "5f00::1" };
	uint8_t a[ADDRESS];
	int bits;

	(void)state;
	for (size_t i = 0; i < countof(public); i++)
		assert_true(address_read(str_of(public[i]), a, &bits) &&
		    address_public(a));
	for (size_t i = 0; i < countof(special); i++)
		if (!address_read(str_of(special[i]), a, &bits) ||
		    address_public(a))
			fail_msg("%s is public", special[i]);
	assert_true(address_read(S("10.1.2.3"), a, &bits));
	assert_true(address_in_list(a, S("[\"192.0.2.1\",\"10.0.0.0/8\"]")));
	assert_false(address_in_list(a, S("[\"10.2.0.0/16\"]")));
	assert_false(address_in_list(a, S("")));
	assert_true(parcel_is_near(S("smtp://10.0.0.1:25")));
	assert_true(parcel_is_near(S("smtp://localhost")));
	assert_true(parcel_is_near(S("smtp://[::1]:25")));
	assert_false(parcel_is_near(S("smtp://mail.example.com:25")));
	assert_false(parcel_is_near(S("smtp://127.0.0.1.example.com")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rules, start, stop),
		cmocka_unit_test(all_rules),
		cmocka_unit_test_setup_teardown(only_the_last_writes, start,
		    stop),
		cmocka_unit_test_setup_teardown(figures_change, start, stop),
		cmocka_unit_test_setup_teardown(claimed_by_one, start, stop),
		cmocka_unit_test_setup_teardown(tried_for_a_day, start, stop),
		cmocka_unit_test(delays),
		cmocka_unit_test(signatures),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
