/* SPDX-License-Identifier: MIT */
/*
 * funds.c - who pays for a call: bonus, package, wallet, credit.
 *
 * A table says what an account has, what a call asks for, what it uses and
 * what every book says then; after each line the ledger is proved and all
 * charges are reckoned again.
 */
#include "db/funds.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#include "db/bill.h"
#include "db/retain.h"
#include "db/setting.h"
#include "db/usage.h"
#include "tests/unit/shop.h"

enum { GIVEN = 5, DAY = 86400000 };

static int64_t the_time;

static int64_t
fixed_clock(void)
{
	return the_time;
}

/* What an account has beside its wallet, in the order in which it is given;
 * their books are 13, 14, ...; the wallet is 12. */
struct give {
	enum unit unit;
	int64_t amount;
	int64_t days;			/* until it ends; 0: it does not */
	bool bonus;
};

static bool
do_give(struct shop *s, struct db *db, void *arg)
{
	const struct give *g = arg;
	struct allowance a = { .account = s->account, .unit = g->unit,
		.amount = g->amount, .bonus = g->bonus, .from = the_time,
		.until = g->days ? the_time + g->days * DAY : 0 };

	return allowance_open(db, &a, S("package"), S("")) == 1 &&
	    a.book >= 13;
}

static bool
do_credit(struct shop *s, struct db *db, void *arg)
{
	int64_t needed;

	return ledger_set_credit(db, s->account, *(int64_t *)arg, &needed) ==
	    LEDGER_DONE;
}

static bool
do_sql(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static bool
do_sweep(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return allowance_sweep(db) >= 0;
}

static struct shop *
start(int64_t wallet, int64_t credit, const struct give *give)
{
	struct shop *s = xnew(struct shop);

	shop_init(s);
	s->balance = wallet;
	/* One nano-dollar a token, and nothing else. */
	s->rate[BUCKET_REQUEST] = -1;
	s->rate[BUCKET_INPUT] = s->rate[BUCKET_OUTPUT] = 1000000;
	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	if (credit)
		assert_true(shop_write(s, do_credit, &credit));
	for (int i = 0; give && i < GIVEN && give[i].amount; i++)
		assert_true(shop_write(s, do_give, (void *)&give[i]));
	return s;
}

/* Every charge that is kept can be reckoned again. */
static void
recompute(struct shop *s)
{
	struct bill_check c = { 0 };

	assert_int_equal(bill_check(s->reader, &s->a, &c), 1);
	if (c.wrong)
		fail_msg("bill: %.*s", STR_ARGS(c.first[0]));
}

static void
stop(struct shop *s)
{
	shop_check(s);
	recompute(s);
	shop_close(s);
	free(s);
}

/* 1 if the database says so. */
static int64_t
number(struct shop *s, const char *sql)
{
	int64_t n = -1;

	db_number(s->reader, sql, &n);
	return n;
}

static void
same_text(struct shop *s, const char *what, const char *sql, const char *want)
{
	struct str q = arena_printf(&s->a, "SELECT coalesce((%s), '') = '%s'",
	    sql, want);

	if (number(s, q.p) != 1)
		fail_msg("%s: %s is not '%s'", what, sql, want);
}

/* "12:50/0 13:0/5": balance and what is held of each book of the account. */
static void
books(struct shop *s, const char *what, const char *want)
{
	same_text(s, what, "SELECT group_concat(id || ':' || balance || '/' || "
	    "held, ' ') FROM (SELECT * FROM book WHERE id > 11 ORDER BY id)",
	    want);
}

/* A call that is asked for: money, tokens, and money at least. */
static struct hold_open
ask(struct shop *s, int64_t held, int64_t tokens)
{
	struct hold_open h = shop_ask(s, held, held * 4);

	h.limit_tokens = tokens;
	h.prompt_tokens = 1;
	return h;
}

/* Its end: so many tokens, each of them one nano-dollar. */
static struct hold_settle
bill(const struct hold_open *h, int64_t tokens)
{
	struct hold_settle t = shop_bill(h, tokens, 0);

	memset(&t.row.use, 0, sizeof(t.row.use));
	t.row.use.n[BUCKET_OUTPUT] = tokens;
	t.row.use.n[BUCKET_REQUEST] = tokens > 0;
	t.row.model = 0;
	t.tokens_used = tokens;
	return t;
}

/* --- the order ------------------------------------------------------------ */

struct line {
	const char *name;
	int64_t wallet, credit;
	struct give give[GIVEN];
	int64_t held, tokens, least;	/* least 0: all of it */
	enum hold_verdict verdict;
	const char *covered, *parts;	/* of the hold */
	int64_t used;			/* tokens and money alike */
	const char *paid;		/* parts of the usage row */
	int64_t charged, lost;
	const char *after;		/* all books */
};

#define USD_(n, days, bonus)	{ UNIT_USD, n, days, bonus }
#define TOKENS(n, days, bonus)	{ UNIT_TOKEN, n, days, bonus }
#define CALLS(n, days, bonus)	{ UNIT_REQUEST, n, days, bonus }

static const struct line lines[] = {
	{ "the wallet alone", 100, 0, { { 0 } }, 60, 60, 0, HOLD_OPENED,
	    "", "", 50, "", 50, 0, "12:50/0" },
	{ "an allowance alone", 100, 0, { USD_(80, 1, 0) }, 60, 60, 0,
	    HOLD_OPENED, "", "[[13,60]]", 50, "[[13,50]]", 50, 0,
	    "12:100/0 13:30/0" },
	{ "allowance and wallet", 100, 0, { USD_(40, 1, 0) }, 60, 60, 0,
	    HOLD_OPENED, "", "[[13,40],[12,20]]", 50, "[[13,40],[12,10]]", 50,
	    0, "12:90/0 13:0/0" },
	{ "the first part is enough", 100, 0, { USD_(40, 1, 0) }, 60, 60, 0,
	    HOLD_OPENED, "", "[[13,40],[12,20]]", 30, "[[13,30]]", 30, 0,
	    "12:100/0 13:10/0" },
	{ "nothing used", 100, 0, { USD_(40, 1, 0) }, 60, 60, 0,
	    HOLD_OPENED, "", "[[13,40],[12,20]]", 0, "", 0, 0,
	    "12:100/0 13:40/0" },
	{ "bonus first, soonest end first, then wallet", 10, 0,
	    { USD_(10, 9, 0), USD_(10, 2, 0), USD_(10, 0, 1),
	    USD_(10, 8, 1), USD_(10, 0, 0) }, 60, 60, 0, HOLD_OPENED, "",
	    "[[16,10],[15,10],[14,10],[13,10],[17,10],[12,10]]", 45,
	    "[[16,10],[15,10],[14,10],[13,10],[17,5]]", 45, 0,
	    "12:10/0 13:0/0 14:0/0 15:0/0 16:0/0 17:5/0" },
	{ "and credit last", 10, 20, { USD_(10, 1, 0) }, 40, 40, 0,
	    HOLD_OPENED, "", "[[13,10],[12,30]]", 40, "[[13,10],[12,30]]", 40,
	    0, "12:-20/0 13:0/0" },
	{ "credit alone", 0, 100, { { 0 } }, 60, 60, 0, HOLD_OPENED, "", "",
	    60, "", 60, 0, "12:-60/0" },
	{ "all together is too little", 10, 5, { USD_(10, 1, 0) }, 26, 26, 0,
	    HOLD_NO_CREDIT, "", "", 0, "", 0, 0, "12:10/0 13:10/0" },
	{ "exactly all of it", 10, 5, { USD_(10, 1, 0) }, 25, 25, 0,
	    HOLD_OPENED, "", "[[13,10],[12,15]]", 25, "[[13,10],[12,15]]", 25,
	    0, "12:-5/0 13:0/0" },
	{ "less than the estimate", 10, 5, { USD_(10, 1, 0) }, 40, 40, 20,
	    HOLD_OPENED, "", "[[13,10],[12,15]]", 21, "[[13,10],[12,11]]", 21,
	    0, "12:-1/0 13:0/0" },
	{ "less than the least", 10, 5, { USD_(10, 1, 0) }, 40, 40, 26,
	    HOLD_NO_CREDIT, "", "", 0, "", 0, 0, "12:10/0 13:10/0" },
	{ "more than the hold, from all that is free", 30, 5,
	    { USD_(30, 1, 0) }, 20, 20, 0, HOLD_OPENED, "", "[[13,20]]", 60,
	    "[[13,30],[12,30]]", 60, 0, "12:0/0 13:0/0" },
	{ "and no more than that", 30, 5, { USD_(30, 1, 0) }, 20, 20, 0,
	    HOLD_OPENED, "", "[[13,20]]", 70, "[[13,30],[12,35]]", 65, 5,
	    "12:-5/0 13:0/0" },
	{ "an empty bonus is passed over", 30, 0, { USD_(1, 1, 1),
	    USD_(9, 1, 0) }, 1, 1, 0, HOLD_OPENED, "", "[[13,1]]", 3,
	    "[[13,1],[14,2]]", 3, 0, "12:30/0 13:0/0 14:7/0" },

	/* Units: whole or not at all. */
	{ "tokens cover it", 100, 0, { TOKENS(80, 1, 0) }, 60, 60, 0,
	    HOLD_OPENED, "token", "[[13,60]]", 50, "[[13,50]]", 0, 0,
	    "12:100/0 13:30/0" },
	{ "tokens that are too few are left", 100, 0, { TOKENS(59, 1, 0) },
	    60, 60, 0, HOLD_OPENED, "", "", 50, "", 50, 0,
	    "12:50/0 13:59/0" },
	{ "money that does not do is left", 100, 0, { USD_(59, 1, 0),
	    TOKENS(80, 2, 0) }, 60, 60, 0, HOLD_OPENED, "token", "[[14,60]]",
	    60, "[[14,60]]", 0, 0, "12:100/0 13:59/0 14:20/0" },
	{ "money that does comes first", 100, 0, { USD_(60, 1, 0),
	    TOKENS(80, 2, 0) }, 60, 60, 0, HOLD_OPENED, "", "[[13,60]]", 60,
	    "[[13,60]]", 60, 0, "12:100/0 13:0/0 14:80/0" },
	{ "tokens that end first come first", 100, 0, { USD_(60, 2, 0),
	    TOKENS(80, 1, 0) }, 60, 60, 0, HOLD_OPENED, "token", "[[14,60]]",
	    10, "[[14,10]]", 0, 0, "12:100/0 13:60/0 14:70/0" },
	{ "two of tokens are not added up", 0, 0, { TOKENS(40, 1, 0),
	    TOKENS(40, 2, 0) }, 60, 60, 0, HOLD_NO_CREDIT, "", "", 0, "", 0,
	    0, "12:0/0 13:40/0 14:40/0" },
	{ "the second has enough", 0, 0, { TOKENS(40, 1, 0),
	    TOKENS(60, 2, 0) }, 60, 60, 0, HOLD_OPENED, "token", "[[14,60]]",
	    60, "[[14,60]]", 0, 0, "12:0/0 13:40/0 14:0/0" },
	{ "one request", 0, 0, { CALLS(2, 1, 0) }, 60, 60, 0, HOLD_OPENED,
	    "request", "[[13,1]]", 50, "[[13,1]]", 0, 0, "12:0/0 13:1/0" },
	{ "a request that used nothing", 0, 0, { CALLS(2, 1, 0) }, 60, 60, 0,
	    HOLD_OPENED, "request", "[[13,1]]", 0, "", 0, 0,
	    "12:0/0 13:2/0" },
	{ "more tokens than were held", 9, 0, { TOKENS(80, 1, 0) }, 20, 20, 0,
	    HOLD_OPENED, "token", "[[13,20]]", 75, "[[13,75]]", 0, 0,
	    "12:9/0 13:5/0" },
	{ "more tokens than there are", 9, 0, { TOKENS(40, 1, 0) }, 20, 20, 0,
	    HOLD_OPENED, "token", "[[13,20]]", 75, "[[13,40]]", 0, 35,
	    "12:9/0 13:0/0" },
	{ "a call that is free takes nothing of it", 9, 0,
	    { TOKENS(80, 1, 0) }, 0, 20, 0, HOLD_OPENED, "", "", 0, "", 0, 0,
	    "12:9/0 13:80/0" },
};

/* The proof that nothing is lost: all units sum to 0 in shop_check; what was
 * used of each unit is in its revenue. */
static void
walk(const struct line *l)
{
	struct shop *s = start(l->wallet, l->credit, l->give);
	struct hold_open h = ask(s, l->held, l->tokens);
	struct hold_settle t;

	h.least = l->least ? l->least : l->held;
	if (shop_admit(s->store, &h) != l->verdict)
		fail_msg("%s: verdict %d", l->name, h.verdict);
	same_text(s, l->name, "SELECT covered FROM hold", l->covered);
	same_text(s, l->name, "SELECT parts FROM hold", l->parts);
	shop_check(s);
	if (l->verdict == HOLD_OPENED) {
		struct usage_view u;

		t = bill(&h, l->used);
		shop_settle(s->store, &t);
		if (t.charged != l->charged || t.lost != l->lost)
			fail_msg("%s: charged %" PRId64 ", lost %" PRId64,
			    l->name, t.charged, t.lost);
		same_text(s, l->name, "SELECT parts FROM usage", l->paid);
		same_text(s, l->name, "SELECT covered FROM usage",
		    l->covered);
		assert_int_equal(usage_find(s->reader, &s->a,
		    str_from(h.request_id, ID_CHARS), &u), 1);
		assert_int_equal(u.charge, l->charged);
		assert_int_equal(u.unpaid, l->lost);
		assert_int_equal(u.list, l->used);
	}
	books(s, l->name, l->after);
	stop(s);
}

static void
order(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(lines); i++)
		walk(&lines[i]);
}

/* --- what tokens do not pay for ------------------------------------------- */

static void
not_for_tokens(void **state)
{
	static const struct give give[GIVEN] = { TOKENS(1000, 1, 0) };
	struct shop *s = start(100, 0, give);
	struct hold_open h = ask(s, 60, 60);

	(void)state;
	/* A picture: its few tokens are not what it costs. */
	h.unit = BUCKET_IMAGE;
	h.units = 1;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	books(s, "a picture", "12:100/60 13:1000/0");
	/* No tokens are expected at all: not the tokens' either. */
	h = ask(s, 40, 0);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	books(s, "no tokens", "12:100/100 13:1000/0");
	/* Refused: what there is is told. */
	h = ask(s, 10, 1001);
	assert_int_equal(shop_admit(s->store, &h), HOLD_NO_CREDIT);
	assert_int_equal(h.available, 0);
	assert_int_equal(h.quota_tokens, 1000);
	assert_int_equal(h.quota_requests, -1);
	stop(s);
}

/* Caps of money do not count what units cover; those of tokens do. */
static bool
set_caps(struct shop *s, struct db *db, void *arg)
{
	struct caps caps = caps_none;

	caps.amount[CAP_DAY] = *(int64_t *)arg;
	caps.amount[CAP_DAY_TOKENS] = 100;
	return cap_set(db, CAP_KEY, s->key, &caps);
}

static void
caps(void **state)
{
	static const struct give give[GIVEN] = { TOKENS(90, 1, 0),
		USD_(500, 2, 0) };
	int64_t money = 50;
	struct shop *s = start(100, 0, give);
	struct hold_open h, second;
	struct hold_settle t;

	(void)state;
	assert_true(shop_write(s, set_caps, &money));
	h = ask(s, 60, 60);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_true(h.counts_tokens);
	assert_int_equal(number(s, "SELECT amount FROM spent "
	    "WHERE window = 'day_tokens'"), 60);
	assert_int_equal(number(s, "SELECT coalesce(sum(amount), 0) "
	    "FROM spent WHERE window = 'day'"), 0);
	/* Money, of which 50 may be spent; tokens, of which 40 are left. */
	second = ask(s, 51, 31);
	assert_int_equal(shop_admit(s->store, &second), HOLD_CAP);
	assert_string_equal(second.cap_window, "day");
	second = ask(s, 50, 41);
	assert_int_equal(shop_admit(s->store, &second), HOLD_CAP);
	assert_string_equal(second.cap_window, "day_tokens");
	second = ask(s, 50, 40);
	assert_int_equal(shop_admit(s->store, &second), HOLD_OPENED);
	t = bill(&second, 30);
	shop_settle(s->store, &t);
	t = bill(&h, 60);
	shop_settle(s->store, &t);
	assert_int_equal(number(s, "SELECT amount FROM spent "
	    "WHERE window = 'day'"), 30);
	assert_int_equal(number(s, "SELECT amount FROM spent "
	    "WHERE window = 'day_tokens'"), 90);
	/* What is beyond the hold stops at the cap. */
	h = ask(s, 5, 5);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	books(s, "caps", "12:100/0 13:30/5 14:470/0");
	stop(s);
}

/* While anything of the account is held, nobody gets less than he asks. */
static void
less_only_alone(void **state)
{
	static const struct give give[GIVEN] = { TOKENS(10, 1, 0),
		USD_(20, 2, 0) };
	struct shop *s = start(20, 0, give);
	struct hold_open h = ask(s, 5, 5), second = ask(s, 50, 50);
	struct hold_settle t;

	(void)state;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	second.least = 10;
	assert_int_equal(shop_admit(s->store, &second), HOLD_NO_CREDIT);
	assert_int_equal(second.available, 40);
	assert_int_equal(second.quota_tokens, 5);
	t = bill(&h, 5);
	shop_settle(s->store, &t);
	assert_int_equal(shop_admit(s->store, &second), HOLD_OPENED);
	assert_int_equal(second.granted, 40);
	books(s, "all of it", "12:20/20 13:5/0 14:20/20");
	stop(s);
}

/* --- while a call runs ---------------------------------------------------- */

static enum hold_verdict
extend(struct shop *s, const struct hold_open *h, int64_t more,
    int64_t tokens)
{
	struct hold_extend x = { .op = { .run = hold_extend_run },
		.hold = h->id, .more = more, .more_tokens = tokens };

	assert_true(store_write(s->store, false, shop_run_op, &x.op));
	shop_check(s);
	return x.verdict;
}

static void
extends_money(void **state)
{
	static const struct give give[GIVEN] = { USD_(30, 1, 1),
		USD_(30, 2, 0) };
	struct shop *s = start(30, 10, give);
	struct hold_open h = ask(s, 40, 40);
	struct hold_settle t;

	(void)state;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	same_text(s, "at first", "SELECT parts FROM hold",
	    "[[13,30],[14,10]]");
	assert_int_equal(extend(s, &h, 61, 0), HOLD_NO_CREDIT);
	assert_int_equal(extend(s, &h, 30, 0), HOLD_OPENED);
	same_text(s, "more", "SELECT parts FROM hold",
	    "[[13,30],[14,30],[12,10]]");
	assert_int_equal(extend(s, &h, 30, 0), HOLD_OPENED);
	books(s, "all", "12:30/40 13:30/30 14:30/30");
	assert_int_equal(extend(s, &h, 1, 0), HOLD_NO_CREDIT);
	t = bill(&h, 65);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 65);
	books(s, "in its order", "12:25/0 13:0/0 14:0/0");
	stop(s);
}

/* A call of the wallet's whose account gets a bonus while it runs. */
static void
extends_by_a_bonus(void **state)
{
	static const struct give bonus = USD_(30, 1, 1);
	struct shop *s = start(30, 0, NULL);
	struct hold_open h = ask(s, 20, 20), free = ask(s, 0, 0);
	struct hold_settle t;

	(void)state;
	free.bound = 100;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(shop_admit(s->store, &free), HOLD_OPENED);
	assert_true(shop_write(s, do_give, (void *)&bonus));
	assert_int_equal(extend(s, &h, 25, 0), HOLD_OPENED);
	same_text(s, "after it", "SELECT parts FROM hold WHERE held > 0",
	    "[[12,20],[13,25]]");
	assert_int_equal(extend(s, &free, 15, 0), HOLD_OPENED);
	same_text(s, "from nothing", "SELECT parts FROM hold ORDER BY id DESC",
	    "[[13,5],[12,10]]");
	t = bill(&h, 22);
	shop_settle(s->store, &t);
	t = bill(&free, 3);
	shop_settle(s->store, &t);
	books(s, "both", "12:10/0 13:25/0");
	stop(s);
}

static void
extends_units(void **state)
{
	static const struct give give[GIVEN] = { TOKENS(100, 1, 0),
		CALLS(1, 2, 0) };
	struct shop *s = start(50, 0, give);
	struct hold_open h = ask(s, 40, 60), one = ask(s, 40, 60);
	struct hold_settle t;

	(void)state;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_true(h.counts_tokens);
	assert_int_equal(h.granted, 40);
	/* Its money is no matter; of tokens there are 40 more. */
	assert_int_equal(extend(s, &h, 100, 0), HOLD_OPENED);
	assert_int_equal(extend(s, &h, 0, 41), HOLD_NO_CREDIT);
	assert_int_equal(extend(s, &h, 10, 30), HOLD_OPENED);
	books(s, "tokens", "12:50/0 13:100/90 14:1/0");
	assert_int_equal(number(s, "SELECT tokens FROM hold"), 90);
	assert_int_equal(shop_admit(s->store, &one), HOLD_OPENED);
	assert_int_equal(extend(s, &one, 100, 500), HOLD_OPENED);
	books(s, "a request", "12:50/0 13:100/90 14:1/1");
	t = bill(&h, 80);
	shop_settle(s->store, &t);
	t = bill(&one, 400);
	shop_settle(s->store, &t);
	books(s, "both", "12:50/0 13:20/0 14:0/0");
	stop(s);
}

/* --- across the end of an allowance --------------------------------------- */

/* Charged to the book that was held, which has ended; never to its rest. */
static void
straddles(void **state)
{
	static const struct give give[GIVEN] = { USD_(100, 1, 0),
		TOKENS(100, 1, 0) };
	static const struct {
		bool sweep;
		int64_t used, charged, lost;
		const char *ended, *after;
	} all[] = {
		{ false, 50, 50, 0, "12:30/0 13:100/60 14:100/0",
		    "12:30/0 13:50/0 14:100/0" },
		{ true, 50, 50, 0, "12:30/0 13:60/60 14:0/0",
		    "12:30/0 13:10/0 14:0/0" },
		/* More than was held: from what pays now, the wallet. */
		{ false, 80, 80, 0, "12:30/0 13:100/60 14:100/0",
		    "12:10/0 13:40/0 14:100/0" },
		{ true, 120, 90, 30, "12:30/0 13:60/60 14:0/0",
		    "12:0/0 13:0/0 14:0/0" },
	};

	(void)state;
	for (size_t i = 0; i < countof(all); i++) {
		struct shop *s = start(30, 0, give);
		struct hold_open h = ask(s, 60, 600), next;
		struct hold_settle t;

		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		the_time += DAY;
		if (all[i].sweep)
			assert_true(shop_write(s, do_sweep, NULL));
		books(s, "ended", all[i].ended);
		next = ask(s, 31, 31);
		assert_int_equal(shop_admit(s->store, &next), HOLD_NO_CREDIT);
		t = bill(&h, all[i].used);
		shop_settle(s->store, &t);
		assert_int_equal(t.charged, all[i].charged);
		assert_int_equal(t.lost, all[i].lost);
		books(s, "settled", all[i].after);
		shop_check(s);
		/* What it gave back is nobody's. */
		assert_true(shop_write(s, do_sweep, NULL));
		assert_int_equal(number(s, "SELECT sum(balance) FROM book "
		    "WHERE kind = 'allowance'"), 0);
		assert_int_equal(number(s, "SELECT count(*) FROM allowance "
		    "WHERE closed IS NULL"), 0);
		stop(s);
	}
}

static void
straddles_units(void **state)
{
	static const struct give give[GIVEN] = { TOKENS(100, 1, 0) };
	struct shop *s = start(30, 0, give);
	struct hold_open h = ask(s, 10, 60);
	struct hold_settle t;

	(void)state;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	the_time += DAY;
	/* What is beyond the hold was free, but is not any more. */
	assert_int_equal(extend(s, &h, 0, 10), HOLD_NO_CREDIT);
	t = bill(&h, 75);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 0);
	assert_int_equal(t.lost, 15);
	books(s, "settled", "12:30/0 13:40/0");
	assert_int_equal(number(s, "SELECT balance FROM book WHERE id = 7"),
	    -15);
	assert_int_equal(number(s, "SELECT balance FROM book WHERE id = 6"),
	    75);
	stop(s);
}

/* One that begins later pays from then on, to the millisecond. */
static void
begins_and_ends(void **state)
{
	struct shop *s = start(0, 0, NULL);
	struct hold_open h;
	struct hold_settle t;
	int64_t day = the_time;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct give g = USD_(10, 1, 0);

		the_time = day + (i + 1) * (int64_t)DAY;
		assert_true(shop_write(s, do_give, &g));
	}
	for (int i = 0; i < 5; i++)
		for (int ms = -1; ms <= 0; ms++) {
			bool pays = ms < 0 ? i > 0 && i < 4 : i < 3;

			the_time = day + (i + 1) * (int64_t)DAY + ms;
			h = ask(s, 2, 2);
			if (shop_admit(s->store, &h) !=
			    (pays ? HOLD_OPENED : HOLD_NO_CREDIT))
				fail_msg("day %d, %d ms", i, ms);
			if (!pays)
				continue;
			t = bill(&h, 2);
			shop_settle(s->store, &t);
		}
	books(s, "each its own", "12:0/0 13:6/0 14:6/0 15:6/0");
	stop(s);
}

/* --- many at once --------------------------------------------------------- */

struct crowd {
	struct hold_open h[200];
};

static bool
admit_all(struct db *db, void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < 200; i++)
		if (!hold_open_run(db, &c->h[i].op))
			return false;
	return true;
}

/* 200 in one transaction: as many as bonus, package, wallet, credit, tokens
 * and requests pay for, and every book ends exactly empty. */
static void
exactly_all(void **state)
{
	static const struct give give[GIVEN] = { USD_(7500, 3, 1),
		USD_(12500, 2, 0), TOKENS(5999, 4, 0), CALLS(4, 5, 0) };
	struct shop *s = start(8000, 2000, give);
	struct crowd *c = xnew(struct crowd);
	int opened = 0, by_tokens = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		c->h[i] = ask(s, 1000, 1000);
		c->h[i].bound = 1000;
	}
	assert_true(store_write(s->store, false, admit_all, c));
	shop_check(s);
	for (int i = 0; i < 200; i++)
		if (c->h[i].verdict == HOLD_OPENED) {
			struct hold_settle t = bill(&c->h[i], 1000);

			opened++;
			shop_settle(s->store, &t);
			by_tokens += t.charged == 0;
		}
	/* 20 of 1000 fit the money of packages, 5 the tokens, 4 requests, and
	 * 10 what the wallet and its credit have. */
	assert_int_equal(opened, 20 + 5 + 4 + 10);
	assert_int_equal(by_tokens, 5 + 4);
	books(s, "nothing is left", "12:-2000/0 13:0/0 14:0/0 15:999/0 "
	    "16:0/0");
	stop(s);
	free(c);
}

/* --- the dead ------------------------------------------------------------- */

enum { DEAD = 9 };

static void
die(struct shop *s, int to)
{
	struct store *store = shop_enter(s);

	if (!store)
		_exit(1);
	store_clock(store, fixed_clock);
	for (int i = 0; i < DEAD; i++) {
		struct hold_open h = ask(s, 100, 100);
		struct hold_progress p = { .op = { .run = hold_progress_run } };

		h.process = store_process(store);
		h.prompt_tokens = 30;
		if (shop_admit(store, &h) != HOLD_OPENED)
			_exit(1);
		p.hold = h.id;
		p.sent = p.started = i % 3 > 0;
		p.out_tokens = i % 3 > 0 ? 10 + i : 0;
		if (!store_write(store, true, shop_run_op, &p.op))
			_exit(1);
	}
	if (write(to, "x", 1) != 1)
		_exit(1);
	pause();
}

static bool
recover(struct shop *s, struct db *db, void *arg)
{
	return (*(int *)arg = hold_recover(s->store, db)) >= 0;
}

/* 3 in a bonus and the package, 3 in tokens, 3 in the wallet. */
static void
dead(void **state)
{
	static const struct give give[GIVEN] = { USD_(150, 3, 1),
		USD_(150, 4, 0), TOKENS(399, 5, 0) };
	struct shop *s = start(500, 0, give);
	int to[2], n, status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0)
		die(s, to[1]);
	assert_int_equal(read(to[0], &byte, 1), 1);
	close(to[0]);
	close(to[1]);
	books(s, "held", "12:500/300 13:150/150 14:150/150 15:399/300");
	shop_check(s);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, DEAD);
	/* Of each three one had not begun; the others: 30 and 11 to 18. */
	books(s, "resolved", "12:405/0 13:109/0 14:108/0 15:310/0");
	assert_int_equal(number(s, "SELECT count(*) FROM usage "
	    "WHERE state = 'crash'"), DEAD);
	stop(s);
}

/* --- rows go -------------------------------------------------------------- */

static bool
keep_days(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return setting_set(db, S("site.usage_days"), S("3"));
}

static bool
retain(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return (*(int64_t *)arg = retain_some(db)) >= 0;
}

/* What is gone is in the closing lines, by every book. */
static void
old_rows_go(void **state)
{
	static const struct give give[GIVEN] = { USD_(500, 90, 1),
		TOKENS(1000, 80, 0), CALLS(100, 70, 0) };
	struct shop *s = start(9000, 0, give);
	int64_t gone = 0;

	(void)state;
	for (int i = 0; i < 1100; i++) {
		struct hold_open h = ask(s, 10, 10);
		struct hold_settle t;

		the_time += 600000;
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		t = bill(&h, i % 7 + 2);
		shop_settle(s->store, &t);
	}
	shop_check(s);
	recompute(s);
	assert_true(shop_write(s, keep_days, NULL));
	for (int round = 0; round < 2; round++) {
		assert_true(shop_write(s, retain, &gone));
		assert_int_equal(gone, round ? 0 : 512);
		shop_check(s);
		the_time += DAY;
	}
	assert_true(shop_write(s, do_sql, "UPDATE closing SET balance = "
	    "balance + 1 WHERE book = 6"));
	struct ledger_counts counts;
	struct str first;

	assert_int_equal(ledger_check(s->reader, &s->a, &first, &counts), 0);
	assert_true(shop_write(s, do_sql, "UPDATE closing SET balance = "
	    "balance - 1 WHERE book = 6"));
	stop(s);
}

/* --- the proofs find what is wrong ---------------------------------------- */

static void
differences(void **state)
{
	static const char *const harm[][3] = {
		{ "UPDATE usage SET parts = '[[13,41],[12,9]]' WHERE id = 1",
		    "UPDATE usage SET parts = '[[13,40],[12,10]]' WHERE id = 1",
		    "its rows say" },
		{ "UPDATE usage SET parts = '[[13,40],[12,10],[14,1]]' "
		    "WHERE id = 1; UPDATE book SET balance = balance - 1 "
		    "WHERE id = 14; UPDATE book SET balance = balance + 1 "
		    "WHERE id = 6",
		    "UPDATE usage SET parts = '[[13,40],[12,10]]' WHERE id = 1;"
		    "UPDATE book SET balance = balance + 1 WHERE id = 14; "
		    "UPDATE book SET balance = balance - 1 WHERE id = 6",
		    "has balance" },
		{ "UPDATE hold SET parts = '[[14,59]]'",
		    "UPDATE hold SET parts = '[[14,60]]'",
		    "holds 60, its pending holds say 59" },
		{ "UPDATE hold SET held = 1",
		    "UPDATE hold SET held = 0", "holds 1, its parts say 60" },
		{ "UPDATE usage SET account = 7 WHERE id = 1",
		    "UPDATE usage SET account = 1 WHERE id = 1",
		    "not the wallet of account 7" },
		{ "UPDATE usage SET covered = 'token' WHERE id = 1",
		    "UPDATE usage SET covered = NULL WHERE id = 1",
		    "has balance" },
	};
	static const struct give give[GIVEN] = { USD_(40, 1, 0),
		TOKENS(69, 2, 0) };
	struct shop *s = start(100, 0, give);
	struct hold_open h = ask(s, 40, 70);
	struct hold_settle t;

	(void)state;
	h.bound = 50;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = bill(&h, 50);
	shop_settle(s->store, &t);
	h = ask(s, 60, 60);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	for (size_t i = 0; i < countof(harm); i++) {
		struct ledger_counts counts;
		struct str first = S("");

		shop_check(s);
		assert_true(shop_write(s, do_sql, (void *)harm[i][0]));
		assert_int_equal(ledger_check(s->reader, &s->a, &first,
		    &counts), 0);
		if (!str_has(first, str_of(harm[i][2])))
			fail_msg("%s: %.*s", harm[i][0], STR_ARGS(first));
		assert_true(shop_write(s, do_sql, (void *)harm[i][1]));
	}
	t = bill(&h, 60);
	shop_settle(s->store, &t);
	stop(s);
}

/* What recompute finds: units that are not what was counted. */
static void
recomputed(void **state)
{
	static const char *const harm[][2] = {
		{ "UPDATE usage SET parts = '[[13,49]]'",
		    "UPDATE usage SET parts = '[[13,50]]'" },
		{ "UPDATE usage SET parts = NULL",
		    "UPDATE usage SET parts = '[[13,50]]'" },
		{ "UPDATE usage SET parts = 'x'",
		    "UPDATE usage SET parts = '[[13,50]]'" },
		{ "UPDATE usage SET covered = 'request'",
		    "UPDATE usage SET covered = 'token'" },
		{ "UPDATE usage SET unpaid = 1", "UPDATE usage SET unpaid = 0" },
		{ "UPDATE usage SET output = 51",
		    "UPDATE usage SET output = 50" },
		{ "UPDATE usage SET list = 51", "UPDATE usage SET list = 50" },
	};
	static const struct give give[GIVEN] = { TOKENS(60, 2, 0) };
	struct shop *s = start(100, 0, give);
	struct hold_open h = ask(s, 40, 60);
	struct hold_settle t;

	(void)state;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = bill(&h, 50);
	shop_settle(s->store, &t);
	for (size_t i = 0; i < countof(harm); i++) {
		struct bill_check c = { 0 };

		recompute(s);
		assert_true(shop_write(s, do_sql, (void *)harm[i][0]));
		assert_int_equal(bill_check(s->reader, &s->a, &c), 1);
		if (c.wrong != 1)
			fail_msg("%s", harm[i][0]);
		assert_true(shop_write(s, do_sql, (void *)harm[i][1]));
	}
	stop(s);
}

/* --- parts as text -------------------------------------------------------- */

static void
texts(void **state)
{
	static const char *const wrong[] = { "", "[]", "{}", "7", "[7]",
		"[[7]]", "[[1,-2]]", "[[1,\"2\"]]", "[[1,2],[3]]", "[[1,2.5]]" };
	static struct parts p, q;
	char text[PARTS_TEXT];

	(void)state;
	p.n = 0;
	for (int i = 0; i < PARTS_MAX; i++)
		assert_true(parts_add(&p, INT64_MAX - i, MONEY_MAX / 128));
	assert_false(parts_add(&p, 1, 1));
	assert_true(parts_add(&p, INT64_MAX, 5));
	assert_true(parts_read(parts_text(&p, text), &q));
	assert_int_equal(q.n, PARTS_MAX);
	assert_memory_equal(p.list, q.list, sizeof(p.list));
	assert_int_equal(parts_sum(&p), PARTS_MAX * (MONEY_MAX / 128) + 5);
	for (size_t i = 0; i < countof(wrong); i++)
		if (parts_read(str_of(wrong[i]), &q))
			fail_msg("%s", wrong[i]);
	p.n = 0;
	assert_string_equal(parts_text(&p, text).p, "[]");
}

/* --- credit --------------------------------------------------------------- */

static void
credit(void **state)
{
	struct shop *s = start(10, 100, NULL);
	struct hold_open h = ask(s, 60, 60);
	struct hold_settle t;
	int64_t less = 49, enough = 50;

	(void)state;
	assert_int_equal(ledger_credit(s->reader, s->account), 100);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(h.available, 110);
	/* Not below what is owed, nor below what calls hold. */
	assert_false(shop_write(s, do_credit, &less));
	assert_int_equal(ledger_credit(s->reader, s->account), 100);
	assert_true(shop_write(s, do_credit, &enough));
	t = bill(&h, 60);
	shop_settle(s->store, &t);
	assert_false(shop_write(s, do_credit, &less));
	h = ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_NO_CREDIT);
	assert_int_equal(h.available, 0);
	stop(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(not_for_tokens),
		cmocka_unit_test(caps),
		cmocka_unit_test(less_only_alone),
		cmocka_unit_test(extends_money),
		cmocka_unit_test(extends_by_a_bonus),
		cmocka_unit_test(extends_units),
		cmocka_unit_test(straddles),
		cmocka_unit_test(straddles_units),
		cmocka_unit_test(begins_and_ends),
		cmocka_unit_test(exactly_all),
		cmocka_unit_test(dead),
		cmocka_unit_test(old_rows_go),
		cmocka_unit_test(differences),
		cmocka_unit_test(recomputed),
		cmocka_unit_test(texts),
		cmocka_unit_test(credit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
