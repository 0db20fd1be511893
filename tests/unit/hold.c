/* SPDX-License-Identifier: MIT */
/* hold.c - money is set aside, then settled, exactly once. */
#include "db/hold.h"

#include <signal.h>
#include <sys/wait.h>

#include "db/setting.h"
#include "db/usage.h"
#include "fcgi/base/id.h"
#include "tests/unit/shop.h"

static int64_t the_time;

static int64_t
fixed_clock(void)
{
	return the_time;
}

static int
open_shop(void **state)
{
	struct shop *s = xnew(struct shop);

	shop_init(s);
	*state = s;
	return 0;
}

static int
close_shop(void **state)
{
	shop_close(*state);
	free(*state);
	return 0;
}

/* --- the ordinary call ---------------------------------------------------- */

static void
ordinary(void **state)
{
	struct shop *s = *state;
	struct usage_view u;
	struct hold_open h;
	struct hold_settle t;
	int64_t balance, held;

	shop_open(s);
	h = shop_ask(s, 500, 900);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(h.granted, 500);
	assert_int_equal(h.available, NANO);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO);
	assert_int_equal(held, 500);
	shop_check(s);

	t = shop_bill(&h, 300, 200);
	shop_settle(s->store, &t);
	assert_true(t.settled);
	assert_int_equal(t.charged, 300);
	assert_int_equal(t.lost, 0);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO - 300);
	assert_int_equal(held, 0);
	shop_check(s);

	assert_int_equal(usage_find(s->reader, &s->a,
			     str_from(h.request_id, ID_CHARS), &u), 1);
	assert_int_equal(u.charge, 300);
	assert_int_equal(u.cost, 200);
	assert_int_equal(u.held, 500);
	assert_int_equal(u.bound, 900);
	assert_int_equal(u.price, s->price);
	assert_int_equal(u.state, USAGE_DONE);
	assert_string_equal(u.key_name.p, "app");
	assert_string_equal(u.account_name.p, "alice");
	assert_int_equal(u.use.n[BUCKET_OUTPUT], 50);
	assert_int_equal(u.attempts, 0);
}

/* The second settlement of a hold finds nothing to do. */
static void
idempotent(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t, again;
	int64_t balance, held;

	shop_open(s);
	h = shop_ask(s, 500, 900);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = again = shop_bill(&h, 300, 0);
	shop_settle(s->store, &t);
	shop_settle(s->store, &again);
	assert_true(t.settled);
	assert_false(again.settled);
	assert_int_equal(again.charged, 0);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO - 300);
	shop_check(s);
}

/* --- refusals ------------------------------------------------------------- */

static bool
switch_off(struct shop *s, struct db *db, void *arg)
{
	struct account_row account;
	struct key_row key;
	const char *what = arg;

	if (account_find(db, &s->a, S("alice"), &account) != 1 ||
	    key_find(db, &s->a, s->project, S("app"), &key) != 1)
		return false;
	account.enabled = strcmp(what, "account") != 0;
	key.enabled = strcmp(what, "key") != 0;
	key.expires = strcmp(what, "expired") == 0 ? clock_utc_ms() - 1 : 0;
	if (strcmp(what, "revoked") == 0 && !key_revoke(db, &key))
		return false;
	return account_put(db, &account) && key_put(db, &key);
}

static void
refused(void **state)
{
	static const struct {
		const char *what;
		enum hold_verdict verdict;
	} all[] = {
		{ "account", HOLD_ACCOUNT_OFF },
		{ "key", HOLD_KEY_OFF },
		{ "expired", HOLD_KEY_EXPIRED },
		{ "nothing", HOLD_OPENED },
		{ "revoked", HOLD_KEY_OFF },
	};
	struct shop *s = *state;
	struct hold_open h;

	shop_open(s);
	for (size_t i = 0; i < countof(all); i++) {
		assert_true(shop_write(s, switch_off, (void *)all[i].what));
		h = shop_ask(s, 1, 1);
		assert_int_equal(shop_admit(s->store, &h), all[i].verdict);
	}
	h = shop_ask(s, 1, 1);
	h.key = 4711;
	assert_int_equal(shop_admit(s->store, &h), HOLD_KEY_OFF);
	shop_check(s);
}

static bool
new_price(struct shop *s, struct db *db, void *arg)
{
	struct price_row p = { .model = s->model, .from_ms = db_now(db),
		.say.given = { 7, -1, -1, -1, 7, -1, -1 } };
	bool added;

	*(int64_t *)arg = price_add(db, &p, &added) && added ? p.id : 0;
	return *(int64_t *)arg != 0;
}

static bool
end_price(struct shop *s, struct db *db, void *arg)
{
	(void)arg;
	return price_end(db, s->model, 0, db_now(db));
}

/* What was planned at a price that is no longer in force is refused. */
static void
superseded(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	int64_t id;

	shop_open(s);
	assert_true(shop_write(s, new_price, &id));
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_NO_PRICE);
	h = shop_ask(s, 1, 1);
	h.price = id;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_true(shop_write(s, end_price, NULL));
	h = shop_ask(s, 1, 1);
	h.price = id;
	assert_int_equal(shop_admit(s->store, &h), HOLD_NO_PRICE);
}

static bool
other_model(struct shop *s, struct db *db, void *arg)
{
	struct price_row p = { .from_ms = 0,
		.say.given = { 20000000, -1, -1, -1, 300000000, -1, -1 } };
	struct model_row m;
	bool added;

	(void)s;
	for (int b = BUCKET_AUDIO_IN; b < N_BUCKETS; b++)
		p.say.given[b] = -1;
	model_blank(&m, S("other"));
	if (!model_put(db, &m))
		return false;
	p.model = m.id;
	if (!price_add(db, &p, &added))
		return false;
	((int64_t *)arg)[0] = m.id;
	((int64_t *)arg)[1] = p.id;
	return true;
}

/* Nor may a fallback be charged at a price that is no longer in force. */
static void
superseded_fallback(void **state)
{
	struct shop *s = *state;
	struct usage_view u;
	struct hold_settle t;
	struct hold_open h;
	int64_t other[2];

	shop_open(s);
	assert_true(shop_write(s, other_model, other));
	h = shop_ask(s, 100, 100);
	h.n_others = 1;
	h.others[0].model = other[0];
	h.others[0].price = other[1] + 1;
	assert_int_equal(shop_admit(s->store, &h), HOLD_NO_PRICE);
	h.others[0].price = other[1];
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 90, 70);
	t.row.model = other[0];
	t.row.price = other[1];
	t.row.remarks = S("fallback");
	shop_settle(s->store, &t);
	assert_int_equal(usage_find(s->reader, &s->a,
	    str_from(h.request_id, ID_CHARS), &u), 1);
	assert_int_equal(u.model, other[0]);
	assert_int_equal(u.price, other[1]);
	assert_string_equal(u.asked.p, "demo");
	assert_string_equal(u.fallback.p, "other");
	shop_check(s);
}

static void
credit(void **state)
{
	struct shop *s = *state;
	struct hold_open h, second;

	s->balance = 1000;
	shop_open(s);
	h = shop_ask(s, 1001, 2000);
	assert_int_equal(shop_admit(s->store, &h), HOLD_NO_CREDIT);
	assert_int_equal(h.available, 1000);

	/* Less is admitted only while nothing else is held. */
	h = shop_ask(s, 1001, 2000);
	h.least = 400;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(h.granted, 1000);
	second = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &second), HOLD_NO_CREDIT);
	struct hold_settle t = shop_bill(&h, 500, 0);
	shop_settle(s->store, &t);
	second = shop_ask(s, 300, 300);
	assert_int_equal(shop_admit(s->store, &second), HOLD_OPENED);
	h = shop_ask(s, 1001, 2000);
	h.least = 100;
	assert_int_equal(shop_admit(s->store, &h), HOLD_NO_CREDIT);
	assert_int_equal(h.available, 200);
	shop_check(s);
}

/* 200 at once, in one batch, on a balance for 20. */
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

static void
exactly_twenty(void **state)
{
	struct shop *s = *state;
	struct crowd *c = xnew(struct crowd);
	int64_t balance, held;
	int opened = 0;

	s->balance = 20 * 1000;
	shop_open(s);
	for (int i = 0; i < 200; i++)
		c->h[i] = shop_ask(s, 1000, 1000);
	assert_true(store_write(s->store, false, admit_all, c));
	for (int i = 0; i < 200; i++)
		if (c->h[i].verdict == HOLD_OPENED) {
			struct hold_settle t = shop_bill(&c->h[i], 1000, 0);

			opened++;
			shop_settle(s->store, &t);
			assert_true(t.settled);
		}
	assert_int_equal(opened, 20);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, 0);
	assert_int_equal(held, 0);
	shop_check(s);
	free(c);
}

/* --- charges beyond the hold ---------------------------------------------- */

static void
beyond(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;
	int64_t balance, held;

	s->balance = 1000;
	shop_open(s);

	/* From what is free in the wallet. */
	h = shop_ask(s, 200, 900);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 700, 0);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 700);
	assert_int_equal(t.lost, 0);

	/* Never beyond the bound. */
	h = shop_ask(s, 100, 150);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 5000, 0);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 150);
	assert_int_equal(t.lost, 0);

	/* What neither hold nor wallet can pay is lost. */
	h = shop_ask(s, 100, 900);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 900, 0);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 150);
	assert_int_equal(t.lost, 750);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, 0);
	assert_int_equal(held, 0);
	shop_check(s);
}

/* The money other calls hold is not free. */
static void
not_of_others(void **state)
{
	struct shop *s = *state;
	struct hold_open h, other;
	struct hold_settle t;
	int64_t balance, held;

	s->balance = 1000;
	shop_open(s);
	h = shop_ask(s, 300, 900);
	other = shop_ask(s, 600, 600);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(shop_admit(s->store, &other), HOLD_OPENED);
	t = shop_bill(&h, 900, 0);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 400);
	assert_int_equal(t.lost, 500);
	t = shop_bill(&other, 600, 0);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 600);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, 0);
	shop_check(s);
}

static bool
top_up(struct shop *s, struct db *db, void *arg)
{
	return ledger_grant(db, s->account, *(int64_t *)arg, S("more")) ==
	    LEDGER_DONE;
}

/* Three calls that cost too much raise the account's estimates for a day. */
static void
raised(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;
	int64_t much = 1000000;

	s->balance = 400;
	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	for (int i = 0; i < 3; i++) {
		h = shop_ask(s, 100, 1000);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		assert_int_equal(h.granted, 100);
		t = shop_bill(&h, 1000, 0);
		shop_settle(s->store, &t);
		assert_int_equal(t.lost, i == 0 ? 600 : 900);
		if (i < 2) {
			int64_t some = 100;

			assert_true(shop_write(s, top_up, &some));
		}
	}
	assert_true(shop_write(s, top_up, &much));
	h = shop_ask(s, 100, 1000);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(h.granted, 400);
	h = shop_ask(s, 300, 1000);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(h.granted, 1000);
	the_time += 25 * 3600000;
	h = shop_ask(s, 100, 1000);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(h.granted, 100);
	shop_check(s);
}

static void
losses(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;
	struct transfer_row *list;

	shop_open(s);
	h = shop_ask(s, 500, 900);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 0, 0);
	t.row.state = USAGE_FAILED;
	t.row.status = 502;
	t.row.fault = "UP_ERROR";
	t.row.loss = 77;
	shop_settle(s->store, &t);
	assert_true(t.settled);
	assert_int_equal(ledger_transfers(s->reader, &s->a, 0, 0, &list), 2);
	assert_string_equal(list[0].debit.p, "loss");
	assert_string_equal(list[0].credit.p, "clearing");
	assert_string_equal(list[0].kind.p, "loss");
	assert_int_equal(list[0].amount, 77);
	assert_string_equal(list[1].credit.p, "wallet alice");
	shop_check(s);
}

/* --- limits --------------------------------------------------------------- */

static void
requests_a_minute(void **state)
{
	struct shop *s = *state;
	struct hold_open h;

	s->terms.rpm = 60;
	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	for (int i = 0; i < 60; i++) {
		h = shop_ask(s, 1, 1);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	}
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_RPM);
	assert_int_equal(h.retry_ms, 1000);
	the_time += 999;
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_RPM);
	assert_int_equal(h.retry_ms, 1);
	the_time += 1;
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_RPM);

	/* A clock that goes back a day costs one burst, not a day. */
	the_time -= 86400000;
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_RPM);
	the_time += 60000;
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	shop_check(s);
}

/* For all i < j: accepted <= burst + rate * time; and what fits is let in. */
static void
rate_holds(void **state)
{
	static int64_t at[20000];
	struct shop *s = *state;
	uint64_t r = 88172645463325252ull;
	int n = 0;

	s->terms.rpm = 7;
	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	for (int i = 0; i < 3000; i++) {
		struct hold_open h = shop_ask(s, 0, 0);

		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		the_time += (int64_t)(r % 9000);
		if (r % 41 == 0)
			the_time += 100000;
		if (shop_admit(s->store, &h) == HOLD_OPENED)
			at[n++] = the_time;
	}
	assert_true(n > 500);
	for (int i = 0; i < n; i++)
		for (int j = i; j < n && j < i + 200; j++) {
			int64_t most = 7 + 7 * (at[j] - at[i]) / 60000 + 1;

			assert_true(j - i + 1 <= most);
		}
}

static void
tokens_a_minute(void **state)
{
	struct shop *s = *state;
	struct hold_open h, large;
	struct hold_settle t;

	s->terms.tpm = 1000;
	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	h = shop_ask(s, 1, 1);
	h.limit_tokens = 600;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	large = h;

	/* The bucket is 600 short; then the settlement gives 500 back. */
	h = shop_ask(s, 1, 1);
	h.limit_tokens = 500;
	assert_int_equal(shop_admit(s->store, &h), HOLD_TPM);
	assert_int_equal(h.retry_ms, 6000);
	t = shop_bill(&large, 1, 0);
	t.tokens_used = 100;
	shop_settle(s->store, &t);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);

	/* A call larger than the limit waits for a full bucket, then pays. */
	large = shop_ask(s, 1, 1);
	large.limit_tokens = 5000;
	assert_int_equal(shop_admit(s->store, &large), HOLD_TPM);
	assert_int_equal(large.retry_ms, 36000);
	the_time += 36000;
	assert_int_equal(shop_admit(s->store, &large), HOLD_OPENED);
	h = shop_ask(s, 1, 1);
	h.limit_tokens = 1;
	assert_int_equal(shop_admit(s->store, &h), HOLD_TPM);
	assert_int_equal(h.retry_ms, 4 * 60000 + 60);
	the_time += 4 * 60000;
	assert_int_equal(shop_admit(s->store, &h), HOLD_TPM);
	the_time += 60;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);

	/* A clock that goes back. */
	the_time -= 7 * (int64_t)86400000;
	h = shop_ask(s, 1, 1);
	h.limit_tokens = 1000;
	assert_int_equal(shop_admit(s->store, &h), HOLD_TPM);
	the_time += 60000;
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	shop_check(s);
}

static void
concurrency(void **state)
{
	struct shop *s = *state;
	struct hold_open h[3];
	struct hold_settle t;

	s->terms.concurrency = 2;
	shop_open(s);
	for (int i = 0; i < 3; i++) {
		h[i] = shop_ask(s, 1, 1);
		assert_int_equal(shop_admit(s->store, &h[i]),
		    i < 2 ? HOLD_OPENED : HOLD_CONCURRENCY);
	}
	t = shop_bill(&h[0], 1, 0);
	shop_settle(s->store, &t);
	assert_int_equal(shop_admit(s->store, &h[2]), HOLD_OPENED);
	shop_check(s);
}

/* --- caps ----------------------------------------------------------------- */

struct cap_change {
	enum cap_owner kind;
	int64_t owner;
	struct caps caps;
};

static bool
change_caps(struct shop *s, struct db *db, void *arg)
{
	struct cap_change *c = arg;

	(void)s;
	return cap_set(db, c->kind, c->owner, &c->caps);
}

static void
cap(struct shop *s, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t amount)
{
	struct cap_change c = { kind, owner, caps_none };

	c.caps.amount[window] = amount;
	assert_true(shop_write(s, change_caps, &c));
}

/* Each owner's cap holds, in its window, and is free again in the next. */
static void
caps(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;

	the_time = 1763800000000;	/* 2025-11-22T08:26:40Z */
	shop_open(s);
	shop_clock(s, fixed_clock);
	for (int kind = 0; kind < N_CAP_OWNERS; kind++) {
		int64_t owner[] = { 0, s->account, s->project, s->key };

		cap(s, (enum cap_owner)kind, owner[kind], CAP_DAY, 1000);
		h = shop_ask(s, 600, 800);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		t = shop_bill(&h, 400, 0);
		h = shop_ask(s, 600, 600);
		assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
		assert_string_equal(h.cap_owner, cap_owners[kind]);
		assert_string_equal(h.cap_window, "day");
		assert_int_equal(h.cap_amount, 1000);
		assert_int_equal(h.cap_spent, 600);
		assert_int_equal(h.retry_ms,
		    86400000 - the_time % 86400000);
		shop_settle(s->store, &t);

		/* 400 spent: 600 fit, and settle at most up to the cap. */
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		t = shop_bill(&h, 600, 0);
		shop_settle(s->store, &t);
		h = shop_ask(s, 1, 1);
		assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
		the_time += 86400000;
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		t = shop_bill(&h, 1, 0);
		shop_settle(s->store, &t);
		/* Back in the day before, its row is found again. */
		the_time -= 86400000;
		h = shop_ask(s, 1, 1);
		assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
		the_time += 3 * (int64_t)86400000;
		cap(s, (enum cap_owner)kind, owner[kind], CAP_DAY, -1);
	}
	shop_check(s);
}

/* A charge beyond the hold stops at the cap; the rest is lost. */
static void
cap_beyond(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;

	shop_open(s);
	cap(s, CAP_KEY, s->key, CAP_TOTAL, 1000);
	h = shop_ask(s, 600, 5000);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 3000, 0);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 1000);
	assert_int_equal(t.lost, 2000);
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
	assert_int_equal(h.retry_ms, 0);
	shop_check(s);
}

/* A cap below what was spent does not keep out what costs nothing. */
static void
cap_of_nothing(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;

	shop_open(s);
	cap(s, CAP_KEY, s->key, CAP_TOTAL, 1000);
	h = shop_ask(s, 600, 600);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 600, 0);
	shop_settle(s->store, &t);
	cap(s, CAP_KEY, s->key, CAP_TOTAL, 500);
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
	h = shop_ask(s, 0, 0);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 0, 0);
	shop_settle(s->store, &t);
	shop_check(s);
}

/* A cap that is new counts what was spent before it, and what is held. */
static void
cap_late(void **state)
{
	struct shop *s = *state;
	struct hold_open h, open;
	struct hold_settle t;
	struct caps spent;
	int64_t starts[N_CAP_WINDOWS];

	shop_open(s);
	h = shop_ask(s, 500, 500);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 300, 0);
	shop_settle(s->store, &t);
	open = shop_ask(s, 500, 500);
	assert_int_equal(shop_admit(s->store, &open), HOLD_OPENED);
	for (int w = CAP_DAY; w <= CAP_TOTAL; w++)
		for (int kind = 0; kind < N_CAP_OWNERS; kind++) {
			int64_t owner[] = { 0, s->account, s->project,
				s->key };

			cap(s, (enum cap_owner)kind, owner[kind],
			    (enum cap_window)w, 1000);
			assert_true(cap_spent(s->reader,
			    (enum cap_owner)kind, owner[kind], &spent,
			    starts));
			assert_int_equal(spent.amount[w], 800);
			h = shop_ask(s, 201, 201);
			assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
		}
	t = shop_bill(&open, 100, 0);
	shop_settle(s->store, &t);
	assert_true(cap_spent(s->reader, CAP_KEY, s->key, &spent, starts));
	assert_int_equal(spent.amount[CAP_TOTAL], 400);
	assert_true(cap_spent(s->reader, CAP_SITE, 0, &spent, starts));
	assert_int_equal(spent.amount[CAP_DAY], 400);
	shop_check(s);
}

/* --- caps of tokens, soft caps -------------------------------------------- */

static struct hold_open
ask_tokens(struct shop *s, int64_t tokens)
{
	struct hold_open h = shop_ask(s, 10, 10);

	h.limit_tokens = tokens;
	return h;
}

/* A call that used so many tokens ends. */
static void
used_tokens(struct shop *s, const struct hold_open *h, int64_t tokens)
{
	struct hold_settle t = shop_bill(h, 1, 0);

	t.row.use.n[BUCKET_INPUT] = tokens;
	t.row.use.n[BUCKET_OUTPUT] = 0;
	t.tokens_used = tokens;
	shop_settle(s->store, &t);
	assert_true(t.settled);
}

/* The estimate is taken, what was used stays; each owner, and each window. */
static void
cap_tokens(void **state)
{
	struct shop *s = *state;
	struct hold_open h, other;
	int64_t end;

	the_time = 1763800000000;	/* a Saturday */
	shop_open(s);
	shop_clock(s, fixed_clock);
	for (int kind = 0; kind < N_CAP_OWNERS; kind++) {
		int64_t owner[] = { 0, s->account, s->project, s->key };
		enum cap_window w = (enum cap_window)(CAP_HOUR_TOKENS + kind);

		cap(s, (enum cap_owner)kind, owner[kind], w, 1000);
		h = ask_tokens(s, 600);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		assert_true(h.counts_tokens);
		other = ask_tokens(s, 401);
		assert_int_equal(shop_admit(s->store, &other), HOLD_CAP);
		assert_true(other.cap_tokens);
		assert_string_equal(other.cap_owner, cap_owners[kind]);
		assert_string_equal(other.cap_window, cap_windows[w]);
		assert_int_equal(other.cap_amount, 1000);
		assert_int_equal(other.cap_spent, 600);
		end = other.cap_until;
		assert_int_equal(other.retry_ms, end - the_time);
		/* 500 come back: 900 fit. */
		used_tokens(s, &h, 100);
		h = ask_tokens(s, 900);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		/* More than was estimated is counted all the same. */
		used_tokens(s, &h, 1200);
		h = ask_tokens(s, 1);
		assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
		assert_int_equal(h.cap_spent, 1300);
		/* What makes no tokens goes on. */
		h = ask_tokens(s, 0);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		used_tokens(s, &h, 0);
		the_time = end;
		h = ask_tokens(s, 1000);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		used_tokens(s, &h, 1);
		shop_check(s);
		cap(s, (enum cap_owner)kind, owner[kind], w, -1);
		h = ask_tokens(s, 5000);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		assert_false(h.counts_tokens);
		used_tokens(s, &h, 1);
		the_time += 40 * (int64_t)86400000;
	}
	shop_check(s);
}

/* A cap that is new counts the tokens before it, and those that are held. */
static void
cap_tokens_late(void **state)
{
	struct shop *s = *state;
	struct hold_open h, open;
	int64_t starts[N_CAP_WINDOWS];
	struct caps spent;

	shop_open(s);
	h = ask_tokens(s, 700);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	used_tokens(s, &h, 300);
	open = ask_tokens(s, 500);
	assert_int_equal(shop_admit(s->store, &open), HOLD_OPENED);
	for (int kind = 0; kind < N_CAP_OWNERS; kind++) {
		int64_t owner[] = { 0, s->account, s->project, s->key };

		cap(s, (enum cap_owner)kind, owner[kind], CAP_TOTAL_TOKENS,
		    1000);
		assert_true(cap_spent(s->reader, (enum cap_owner)kind,
		    owner[kind], &spent, starts));
		assert_int_equal(spent.amount[CAP_TOTAL_TOKENS], 800);
		h = ask_tokens(s, 201);
		assert_int_equal(shop_admit(s->store, &h), HOLD_CAP);
		assert_int_equal(h.retry_ms, 0);
	}
	shop_check(s);
	used_tokens(s, &open, 50);
	assert_true(cap_spent(s->reader, CAP_KEY, s->key, &spent, starts));
	assert_int_equal(spent.amount[CAP_TOTAL_TOKENS], 350);
	shop_check(s);
}

/* 200 at once in one batch, in a cap for 20: money and tokens. */
static void
caps_in_a_batch(void **state)
{
	struct shop *s = *state;
	struct crowd *c = xnew(struct crowd);
	int opened[2] = { 0, 0 };

	shop_open(s);
	for (int tokens = 0; tokens < 2; tokens++) {
		cap(s, CAP_PROJECT, s->project, tokens ? CAP_TOTAL_TOKENS :
		    CAP_TOTAL, tokens ? 20 * 200 + 199 : 20 * 1000 + 999);
		for (int i = 0; i < 200; i++)
			c->h[i] = shop_ask(s, 1000, 1000);
		assert_true(store_write(s->store, false, admit_all, c));
		shop_check(s);
		for (int i = 0; i < 200; i++) {
			struct hold_settle t = shop_bill(&c->h[i], 0, 0);

			if (c->h[i].verdict != HOLD_OPENED)
				continue;
			opened[tokens]++;
			t.row.use = (struct buckets){ { 0 } };
			t.tokens_used = 0;
			shop_settle(s->store, &t);
		}
		shop_check(s);
	}
	assert_int_equal(opened[0], 20);
	assert_int_equal(opened[1], 20);
	free(c);
}

struct fitting {
	struct caps caps;
	enum cap_window window;
	int64_t held;
	int fits;
};

static bool
try_caps(struct shop *s, struct db *db, void *arg)
{
	struct fitting *f = arg;

	f->fits = cap_fits(db, CAP_KEY, s->key, &f->caps, &f->window,
	    &f->held);
	return true;
}

/* What open calls hold is the least that a cap can be. */
static void
cap_below_held(void **state)
{
	static const struct {
		enum cap_window window;
		int64_t amount;
		int fits;
	} all[] = {
		{ CAP_DAY, 499, 0 }, { CAP_DAY, 500, 1 },
		{ CAP_TOTAL, 499, 0 }, { CAP_HOUR_TOKENS, 199, 0 },
		{ CAP_HOUR_TOKENS, 200, 1 }, { CAP_TOTAL_TOKENS, 199, 0 },
	};
	struct shop *s = *state;
	struct hold_open h;

	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	h = shop_ask(s, 9000, 9000);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	used_tokens(s, &h, 9000);
	h = shop_ask(s, 500, 500);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	for (size_t i = 0; i < countof(all); i++) {
		struct fitting f = { .caps = caps_none };

		f.caps.amount[all[i].window] = all[i].amount;
		assert_true(shop_write(s, try_caps, &f));
		assert_int_equal(f.fits, all[i].fits);
		if (f.fits)
			continue;
		assert_int_equal(f.window, all[i].window);
		assert_int_equal(f.held, cap_of_tokens(f.window) ? 200 : 500);
	}
}

static int
notes_of(struct shop *s, struct cap_note **list)
{
	return cap_notes(s->reader, &s->a, 0, list);
}

/* Once a window, when a call ends; anew in the next, or of another cap. */
static void
cap_soft_noted(void **state)
{
	struct shop *s = *state;
	struct cap_change c = { CAP_KEY, 0, caps_none };
	struct hold_open h, other;
	struct hold_settle t;
	struct cap_note *list;
	int64_t n;

	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	c.owner = s->key;
	c.caps.amount[CAP_DAY] = 1001;
	c.caps.amount[CAP_TOTAL_TOKENS] = 10000;
	c.caps.soft = 80;
	assert_true(shop_write(s, change_caps, &c));
	for (int day = 0; day < 2; day++) {
		/* A hold that comes back is no spending. */
		h = shop_ask(s, 1000, 1000);
		assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
		t = shop_bill(&h, 800, 0);
		shop_settle(s->store, &t);
		assert_int_equal(notes_of(s, &list), day);
		for (int i = 0; i < 3; i++) {
			h = shop_ask(s, 10, 10);
			other = shop_ask(s, 10, 10);
			assert_int_equal(shop_admit(s->store, &h),
			    HOLD_OPENED);
			assert_int_equal(shop_admit(s->store, &other),
			    HOLD_OPENED);
			t = shop_bill(&h, 1, 0);
			shop_settle(s->store, &t);
			t = shop_bill(&other, 0, 0);
			shop_settle(s->store, &t);
		}
		assert_int_equal(notes_of(s, &list), day + 1);
		assert_int_equal(list[day].kind, CAP_KEY);
		assert_int_equal(list[day].owner, s->key);
		assert_int_equal(list[day].window, CAP_DAY);
		assert_int_equal(list[day].amount, 1001);
		assert_int_equal(list[day].percent, 80);
		assert_int_equal(list[day].spent, 811);
		assert_int_equal(list[day].at, the_time);
		the_time += 86400000;
	}
	/* The tokens of all days: 150 a call. */
	c.caps.soft = 21;
	assert_true(shop_write(s, change_caps, &c));
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 0, 0);
	shop_settle(s->store, &t);
	assert_int_equal(notes_of(s, &list), 3);
	assert_int_equal(list[2].window, CAP_TOTAL_TOKENS);
	assert_int_equal(list[2].spent, 15 * 150);
	assert_int_equal(cap_noted(s->reader, CAP_KEY, s->key,
	    CAP_TOTAL_TOKENS, 0, &c.caps), the_time);
	assert_int_equal(db_number(s->reader, "SELECT value FROM metric WHERE "
	    "name = 'weir_soft_caps_total'", &n), 1);
	assert_int_equal(n, 3);
	shop_check(s);
}

/* Differences in what caps count are found. */
static bool
spoil_caps(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static void
cap_differences(void **state)
{
	static const struct {
		const char *spoil, *mend, *words;
	} all[] = {
		{ "UPDATE spent SET amount = amount + 1 WHERE window = "
		  "'total_tokens'", "UPDATE spent SET amount = amount - 1 "
		  "WHERE window = 'total_tokens'", "the total_tokens of key" },
		{ "UPDATE spent SET amount = amount - 1 WHERE window = "
		  "'total'", "UPDATE spent SET amount = amount + 1 "
		  "WHERE window = 'total'", "the total of key" },
		{ "UPDATE meter SET tokens = tokens + 1",
		  "UPDATE meter SET tokens = tokens - 1", "tokens, its usage" },
		{ "UPDATE spent SET amount = 199 WHERE window = 'day_tokens'",
		  "UPDATE spent SET amount = 350 WHERE window = 'day_tokens'",
		  "open calls hold 200 in the window kD" },
	};
	struct cap_change c = { CAP_KEY, 0, caps_none };
	struct ledger_counts counts;
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;
	struct str why;

	shop_open(s);
	c.owner = s->key;
	c.caps.amount[CAP_TOTAL] = c.caps.amount[CAP_TOTAL_TOKENS] =
	    c.caps.amount[CAP_DAY_TOKENS] = 10000;
	assert_true(shop_write(s, change_caps, &c));
	h = shop_ask(s, 5, 5);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	t = shop_bill(&h, 3, 0);
	shop_settle(s->store, &t);
	h = shop_ask(s, 5, 5);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	shop_check(s);
	for (size_t i = 0; i < countof(all); i++) {
		assert_true(shop_write(s, spoil_caps, (void *)all[i].spoil));
		assert_int_equal(ledger_check(s->reader, &s->a, &why,
		    &counts), 0);
		assert_true(str_has(why, str_of(all[i].words)));
		assert_true(shop_write(s, spoil_caps, (void *)all[i].mend));
		shop_check(s);
	}
}

/* --- extending ------------------------------------------------------------ */

static enum hold_verdict
extend(struct shop *s, int64_t hold, int64_t more)
{
	struct hold_extend x = { .op = { .run = hold_extend_run },
		.hold = hold, .more = more };

	assert_true(store_write(s->store, false, shop_run_op, &x.op));
	return x.verdict;
}

static void
extends(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;
	int64_t balance, held;

	s->balance = 1000;
	shop_open(s);
	h = shop_ask(s, 300, 800);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(extend(s, h.id, 200), HOLD_OPENED);
	shop_money(s, &balance, &held);
	assert_int_equal(held, 500);
	/* Never beyond the bound. */
	assert_int_equal(extend(s, h.id, 1000), HOLD_OPENED);
	shop_money(s, &balance, &held);
	assert_int_equal(held, 800);
	shop_check(s);
	t = shop_bill(&h, 700, 0);
	shop_settle(s->store, &t);
	assert_int_equal(t.charged, 700);
	h = shop_ask(s, 200, 800);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_int_equal(extend(s, h.id, 101), HOLD_NO_CREDIT);
	cap(s, CAP_KEY, s->key, CAP_TOTAL, 950);
	assert_int_equal(extend(s, h.id, 60), HOLD_CAP);
	assert_int_equal(extend(s, h.id, 50), HOLD_OPENED);
	t = shop_bill(&h, 0, 0);
	shop_settle(s->store, &t);
	assert_int_equal(extend(s, h.id, 1), HOLD_NO_CREDIT);
	shop_check(s);
}

/* Tokens alone, while there is room in their caps. */
static void
extends_tokens(void **state)
{
	struct shop *s = *state;
	struct hold_extend x = { .op = { .run = hold_extend_run } };
	struct hold_open h;

	shop_open(s);
	cap(s, CAP_KEY, s->key, CAP_TOTAL_TOKENS, 1000);
	h = ask_tokens(s, 400);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	x.hold = h.id;
	x.more_tokens = 601;
	assert_true(store_write(s->store, false, shop_run_op, &x.op));
	assert_int_equal(x.verdict, HOLD_CAP);
	x.more_tokens = 600;
	assert_true(store_write(s->store, false, shop_run_op, &x.op));
	assert_int_equal(x.verdict, HOLD_OPENED);
	shop_check(s);
	used_tokens(s, &h, 300);
	shop_check(s);
	h = ask_tokens(s, 700);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
}

/* --- the dead ------------------------------------------------------------- */

enum { DEAD = 12 };

/* What the calls of the next child use beside tokens. */
static enum bucket dead_unit;
static int64_t dead_units;

static bool
add_channel_price(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return db_script(db, "INSERT INTO channel(id, name, dialect, base_url, "
	    "cost_ppm) VALUES (1, 'up', 'openai', 'https://x', 500000)");
}

/* The model that serves, and its price; 0: not journalled. */
static int64_t dead_serves[2];
static int64_t dead_minimum;
static const char *dead_endpoint = "chat";

/* A child with open holds is killed; the next one resolves them. */
static void
die(struct shop *s, int pipe_fd)
{
	struct store *store = shop_enter(s);
	char request_id[ID_CHARS];

	if (!store)
		_exit(1);
	for (int i = 0; i < DEAD; i++) {
		struct hold_open h = shop_ask(s, 500000, 900000);
		struct hold_progress p = { .op = { .run = hold_progress_run } };

		h.process = store_process(store);
		h.prompt_tokens = 1000;
		h.unit = dead_unit;
		h.units = dead_units;
		h.minimum = dead_minimum;
		h.endpoint = dead_endpoint;
		if (shop_admit(store, &h) != HOLD_OPENED)
			_exit(1);
		p.hold = h.id;
		p.channel = 1;
		p.credential = 1;
		p.upstream_model = S("up-model");
		p.sent = i % 3 > 0;
		p.started = i % 3 > 1;
		p.out_tokens = i % 3 > 1 ? 200 : 0;
		p.model = dead_serves[0];
		p.price = dead_serves[1];
		if (!store_write(store, true, shop_run_op, &p.op))
			_exit(1);
		memcpy(request_id, h.request_id, ID_CHARS);
	}
	if (write(pipe_fd, request_id, ID_CHARS) != ID_CHARS)
		_exit(1);
	pause();
}

static bool
recover(struct shop *s, struct db *db, void *arg)
{
	*(int *)arg = hold_recover(s->store, db);
	return *(int *)arg >= 0;
}

static void
dead(void **state)
{
	struct shop *s = *state;
	char request_id[ID_CHARS];
	struct usage_view u;
	struct attempt_row *attempts;
	struct transfer_row *list;
	int64_t balance, held, lost = 0;
	int to[2], n, status;
	pid_t pid;

	s->rate[BUCKET_INPUT] = 10000000;
	s->rate[BUCKET_OUTPUT] = 100000000;
	shop_open(s);
	assert_true(shop_write(s, add_channel_price, NULL));
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0)
		die(s, to[1]);
	assert_int_equal(read(to[0], request_id, ID_CHARS), ID_CHARS);
	close(to[0]);
	close(to[1]);
	shop_money(s, &balance, &held);
	assert_int_equal(held, DEAD * 500000);
	assert_int_equal(store_any_dead(s->store, s->reader), 0);

	/* Alive, even if it does nothing: SIGSTOP. */
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(store_any_dead(s->store, s->reader), 1);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, DEAD);
	assert_int_equal(store_any_dead(s->store, s->reader), 0);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, 0);

	/* A third had started: 1000 * 10 + 200 * 100 + 1000 each. */
	shop_money(s, &balance, &held);
	assert_int_equal(held, 0);
	assert_int_equal(balance, NANO - DEAD / 3 * 31000);
	assert_int_equal(usage_find(s->reader, &s->a,
			     str_from(request_id, ID_CHARS), &u), 1);
	assert_int_equal(u.state, USAGE_CRASH);
	assert_true(u.estimated);
	assert_int_equal(u.charge, 31000);
	assert_int_equal(u.cost, 15500);
	assert_int_equal(u.use.n[BUCKET_OUTPUT], 200);
	assert_string_equal(u.asked.p, "demo");
	assert_int_equal(usage_attempts(s->reader, &s->a,
			     str_from(request_id, ID_CHARS), &attempts), 1);
	assert_string_equal(attempts[0].upstream_model.p, "up-model");
	assert_string_equal(attempts[0].outcome.p, "crash");

	/* Two thirds had not: what their prompts may have cost is our loss. */
	n = ledger_transfers(s->reader, &s->a, 0, 0, &list);
	for (int i = 0; i < n; i++)
		if (str_eq(list[i].kind, S("loss")))
			lost += list[i].amount;
	assert_int_equal(lost, 2 * (DEAD / 3) * 5500);
	shop_check(s);
}

/* What had begun was of a fallback: charged as that. */
static void
dead_fallback(void **state)
{
	struct shop *s = *state;
	char request_id[ID_CHARS];
	int64_t balance, held;
	struct usage_view u;
	int to[2], n, status;
	pid_t pid;

	s->rate[BUCKET_INPUT] = 10000000;
	s->rate[BUCKET_OUTPUT] = 100000000;
	shop_open(s);
	assert_true(shop_write(s, add_channel_price, NULL));
	assert_true(shop_write(s, other_model, dead_serves));
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0)
		die(s, to[1]);
	assert_int_equal(read(to[0], request_id, ID_CHARS), ID_CHARS);
	close(to[0]);
	close(to[1]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, DEAD);
	/* A third had started: 1000 * 20 + 200 * 300 each. */
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO - DEAD / 3 * 80000);
	assert_int_equal(usage_find(s->reader, &s->a,
	    str_from(request_id, ID_CHARS), &u), 1);
	assert_int_equal(u.model, dead_serves[0]);
	assert_int_equal(u.price, dead_serves[1]);
	assert_int_equal(u.charge, 80000);
	assert_int_equal(u.list, 80000);
	assert_int_equal(u.cost, 40000);
	assert_string_equal(u.asked.p, "demo");
	assert_string_equal(u.fallback.p, "other");
	memset(dead_serves, 0, sizeof(dead_serves));
	shop_check(s);
}

static bool
free_model(struct shop *s, struct db *db, void *arg)
{
	struct model_row m;

	(void)s;
	model_blank(&m, S("gift"));
	m.free = true;
	dead_serves[1] = 0;
	return model_put(db, &m) && (*(int64_t *)arg = m.id) > 0;
}

/* A fallback without a price is free: no minimum is asked for it either. */
static void
dead_free(void **state)
{
	struct shop *s = *state;
	char request_id[ID_CHARS];
	int64_t balance, held;
	struct usage_view u;
	int to[2], n, status;
	pid_t pid;

	shop_open(s);
	assert_true(shop_write(s, add_channel_price, NULL));
	assert_true(shop_write(s, free_model, dead_serves));
	dead_minimum = 7000;
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0)
		die(s, to[1]);
	dead_minimum = 0;
	assert_int_equal(read(to[0], request_id, ID_CHARS), ID_CHARS);
	close(to[0]);
	close(to[1]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, DEAD);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO);
	assert_int_equal(usage_find(s->reader, &s->a,
	    str_from(request_id, ID_CHARS), &u), 1);
	assert_int_equal(u.model, dead_serves[0]);
	assert_int_equal(u.charge, 0);
	memset(dead_serves, 0, sizeof(dead_serves));
	shop_check(s);
}

/* Tokens are counted for nothing, also by upstreams. */
static void
dead_counting(void **state)
{
	struct shop *s = *state;
	struct transfer_row *list;
	int64_t balance, held;
	char request_id[ID_CHARS];
	int to[2], n, status;
	pid_t pid;

	s->rate[BUCKET_INPUT] = 10000000;
	shop_open(s);
	dead_endpoint = "count_tokens";
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0)
		die(s, to[1]);
	dead_endpoint = "chat";
	assert_int_equal(read(to[0], request_id, ID_CHARS), ID_CHARS);
	close(to[0]);
	close(to[1]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, DEAD);
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO);
	n = ledger_transfers(s->reader, &s->a, 0, 0, &list);
	for (int i = 0; i < n; i++)
		assert_false(str_eq(list[i].kind, S("loss")));
	shop_check(s);
}

/* Sound that was listened to, tokens of it too, and what came of it. */
static void
dead_listener(void **state)
{
	struct shop *s = *state;
	char request_id[ID_CHARS];
	struct transfer_row *list;
	int64_t balance, held, lost = 0;
	struct usage_view u;
	int to[2], n, status;
	pid_t pid;

	s->rate[BUCKET_INPUT] = 10000000;
	s->rate[BUCKET_OUTPUT] = 100000000;
	s->rate[BUCKET_AUDIO_IN] = 20000000;
	s->rate[BUCKET_SECOND] = 70;
	dead_unit = BUCKET_SECOND;
	dead_units = 30;
	shop_open(s);
	assert_true(shop_write(s, add_channel_price, NULL));
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0)
		die(s, to[1]);
	dead_units = 0;
	assert_int_equal(read(to[0], request_id, ID_CHARS), ID_CHARS);
	close(to[0]);
	close(to[1]);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(shop_write(s, recover, &n));
	assert_int_equal(n, DEAD);

	/* 1000 * 20 + 200 * 100 + 30 * 70 + 1000 each, a third of them. */
	shop_money(s, &balance, &held);
	assert_int_equal(held, 0);
	assert_int_equal(balance, NANO - DEAD / 3 * 43100);
	assert_int_equal(usage_find(s->reader, &s->a,
			     str_from(request_id, ID_CHARS), &u), 1);
	assert_int_equal(u.state, USAGE_CRASH);
	assert_int_equal(u.use.n[BUCKET_SECOND], 30);
	assert_int_equal(u.use.n[BUCKET_AUDIO_IN], 1000);
	assert_int_equal(u.use.n[BUCKET_INPUT], 0);
	n = ledger_transfers(s->reader, &s->a, 0, 0, &list);
	for (int i = 0; i < n; i++)
		if (str_eq(list[i].kind, S("loss")))
			lost += list[i].amount;
	assert_int_equal(lost, 2 * (DEAD / 3) * 11550);
	shop_check(s);
}

/* Calls without end, in batches, some with a break between the two halves. */
static void
call_for_ever(struct shop *s, uint64_t seed)
{
	struct store *store = shop_enter(s);
	struct crowd *c = xnew(struct crowd);
	int64_t mine = store ? store_process(store) : 0;

	if (!store)
		_exit(1);
	for (uint64_t used = 0; used < 200; used++)
		shop_ask(s, 0, 0);	/* random bytes copied by fork() */
	for (uint64_t r = seed;; r = r * 6364136223846793005u + 1) {
		for (int i = 0; i < 200; i++) {
			c->h[i] = shop_ask(s, 1000, 3000);
			c->h[i].process = mine;
		}
		if (!store_write(store, false, admit_all, c))
			_exit(1);
		for (int i = 0; i < 200; i += 1 + (int)(r >> 60)) {
			struct hold_settle t = shop_bill(&c->h[i],
			    (int64_t)(r >> 52), 10);

			if (c->h[i].verdict == HOLD_OPENED)
				shop_settle(store, &t);
		}
	}
}

/* Killed at any instant: the next one finds books that agree. */
static void
killed(void **state)
{
	struct cap_change c = { CAP_KEY, 0, caps_none };
	struct shop *s = *state;
	int64_t balance, held, n_usage = 0, n;
	int resolved, total = 0;
	pid_t pid;

	s->balance = 1000 * NANO;
	shop_open(s);
	c.owner = s->key;
	c.caps.amount[CAP_TOTAL] = 999 * NANO;
	c.caps.amount[CAP_TOTAL_TOKENS] = c.caps.amount[CAP_HOUR_TOKENS] =
	    999 * NANO;
	assert_true(shop_write(s, change_caps, &c));
	for (int i = 0; i < 25; i++) {
		pid = fork();
		if (pid == 0)
			call_for_ever(s, (uint64_t)i * 1103515245u + 12345);
		assert_true(pid > 0);
		/* Longer, while a busy machine has let none end a call. */
		usleep(15000 + (useconds_t)i * 7919 % 40000 +
		    (n_usage && total ? 0 : (useconds_t)i * 20000));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_true(shop_write(s, recover, &resolved));
		total += resolved;
		shop_money(s, &balance, &held);
		assert_int_equal(held, 0);
		shop_check(s);
		assert_int_equal(db_number(s->reader,
				     "SELECT count(*) FROM usage", &n), 1);
		assert_true(n >= n_usage);
		n_usage = n;
	}
	assert_true(n_usage > 0);
	assert_true(total > 0);
}

/* --- invariants ----------------------------------------------------------- */

static bool
spoil(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return db_script(db, arg);
}

static bool
thaw(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return ledger_thaw(db);
}

/* Books that were tampered with stop all billing; nothing was changed. */
static void
frozen(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;
	struct ledger_counts counts;
	struct str why;

	shop_open(s);
	h = shop_ask(s, 500, 500);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	assert_true(shop_write(s, spoil,
	    "UPDATE book SET held = 100 WHERE kind = 'wallet'"));
	assert_int_equal(ledger_check(s->reader, &s->a, &why, &counts), 0);
	assert_true(str_has(why, S("holds 100")));
	t = shop_bill(&h, 300, 0);
	t.op.run = hold_settle_run;
	assert_false(store_write(s->store, true, shop_run_op, &t.op));
	assert_true(ledger_frozen(s->reader, &s->a, &why));
	assert_true(str_has(why, S("CHECK")));
	assert_int_equal(usage_find(s->reader, &s->a,
			     str_from(h.request_id, ID_CHARS),
			     &(struct usage_view){ 0 }), 0);
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_CLOSED);

	assert_true(shop_write(s, spoil,
	    "UPDATE book SET held = 500 WHERE kind = 'wallet'"));
	assert_true(shop_write(s, thaw, NULL));
	shop_settle(s->store, &t);
	assert_true(t.settled);
	h = shop_ask(s, 1, 1);
	assert_int_equal(shop_admit(s->store, &h), HOLD_OPENED);
	shop_check(s);
}

/* --- what is kept between transactions ------------------------------------ */

/* Runs work in a process of its own, with a store of its own. */
static void
elsewhere(struct shop *s,
    bool (*work)(struct shop *shop, struct db *db, void *arg), void *arg)
{
	struct shop_do d = { s, work, arg };
	struct str why = S("");
	int status = 1;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *store = store_open(s->dir, NULL, "weirctl",
		    &s->a, &why);

		if (store)
			store_clock(store, s->clock);
		_exit(!store || !store_write(store, true, shop_run, &d));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool
freeze(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return setting_set(db, S("frozen"), str_of(arg));
}

static bool
deduct(struct shop *s, struct db *db, void *arg)
{
	int64_t available;

	return ledger_deduct(db, s->account, *(int64_t *)arg, S("less"),
		   &available) == LEDGER_DONE;
}

static bool
limit(struct shop *s, struct db *db, void *arg)
{
	struct key_row key;

	if (key_find(db, &s->a, s->project, S("app"), &key) != 1)
		return false;
	key.concurrency = *(int64_t *)arg;
	return key_put(db, &key);
}

/* As another weir.fcgi would: a call that stays open. */
static bool
occupy(struct shop *s, struct db *db, void *arg)
{
	struct hold_open *h = arg;

	(void)s;
	return hold_open_run(db, &h->op) && h->verdict == HOLD_OPENED;
}

static enum hold_verdict
admits(struct shop *s, int64_t held)
{
	struct hold_open h = shop_ask(s, held, held);
	struct hold_settle t;
	enum hold_verdict verdict = shop_admit(s->store, &h);

	if (verdict == HOLD_OPENED) {
		t = shop_bill(&h, 0, 0);
		shop_settle(s->store, &t);
		assert_true(t.settled);
	}
	return verdict;
}

/*
 * A key, its account, wallet, caps, price and the site are changed by another
 * process, or by this one beside the calls: the next call knows.
 */
static void
told(void **state)
{
	struct cap_change caps[N_CAP_OWNERS];
	struct cap_change no_caps[N_CAP_OWNERS];
	struct shop *s = *state;
	struct hold_settle t;
	int64_t all = NANO - 100, one = 1, two = 2, none = 0, price;

	shop_open(s);
	for (int k = 0; k < N_CAP_OWNERS; k++) {
		int64_t owner[] = { 0, s->account, s->project, s->key };

		caps[k] = no_caps[k] = (struct cap_change){ (enum cap_owner)k,
			owner[k], caps_none };
		caps[k].caps.amount[CAP_DAY] = 99;
	}
	for (int far = 0; far < 2; far++) {
		struct hold_open h = shop_ask(s, 1, 1);
		const struct {
			bool (*work)(struct shop *s, struct db *db, void *arg);
			void *arg;
			enum hold_verdict verdict;
		} steps[] = {
			{ switch_off, "key", HOLD_KEY_OFF },
			{ switch_off, "account", HOLD_ACCOUNT_OFF },
			{ switch_off, "expired", HOLD_KEY_EXPIRED },
			{ switch_off, "nothing", HOLD_OPENED },
			{ deduct, &all, HOLD_NO_CREDIT },
			{ top_up, &one, HOLD_OPENED },
			{ deduct, &one, HOLD_NO_CREDIT },
			{ top_up, &all, HOLD_OPENED },
			{ change_caps, &caps[0], HOLD_CAP },
			{ change_caps, &no_caps[0], HOLD_OPENED },
			{ change_caps, &caps[1], HOLD_CAP },
			{ change_caps, &no_caps[1], HOLD_OPENED },
			{ change_caps, &caps[2], HOLD_CAP },
			{ change_caps, &no_caps[2], HOLD_OPENED },
			{ change_caps, &caps[3], HOLD_CAP },
			{ change_caps, &no_caps[3], HOLD_OPENED },
			{ freeze, "a test", HOLD_CLOSED },
			{ thaw, NULL, HOLD_OPENED },
			{ limit, &one, HOLD_OPENED },
			{ occupy, &h, HOLD_CONCURRENCY },
			{ limit, &two, HOLD_OPENED },
			{ limit, &none, HOLD_OPENED },
		};

		h.op.run = hold_open_run;
		for (size_t i = 0; i < countof(steps); i++) {
			if (far)
				elsewhere(s, steps[i].work, steps[i].arg);
			else
				assert_true(shop_write(s, steps[i].work,
				    steps[i].arg));
			assert_int_equal(admits(s, 101), steps[i].verdict);
		}
		shop_check(s);
		t = shop_bill(&h, 0, 0);
		if (!far)
			shop_settle(s->store, &t);
	}
	elsewhere(s, new_price, &price);
	assert_int_equal(admits(s, 1), HOLD_NO_PRICE);
}

static bool
priced(struct shop *s, struct db *db, void *arg)
{
	struct price_row p = { .model = s->model, .from_ms = db_now(db) + 1000,
		.say.given = { 7, -1, -1, -1, 7, -1, -1 } };
	bool added;

	*(int64_t *)arg = price_add(db, &p, &added) && added ? p.id : 0;
	return *(int64_t *)arg && price_end(db, s->model, 0, db_now(db) + 3000);
}

/* Nobody writes: the time alone puts prices in force, and ends them. */
static void
in_time(void **state)
{
	struct shop *s = *state;
	int64_t old, new = 0;

	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	assert_true(shop_write(s, priced, &new));
	old = s->price;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(admits(s, 1), HOLD_OPENED);
		the_time += 1000;
		assert_int_equal(admits(s, 1), HOLD_NO_PRICE);
		s->price = new;
		assert_int_equal(admits(s, 1), HOLD_OPENED);
		the_time += 2000;
		assert_int_equal(admits(s, 1), HOLD_NO_PRICE);
		s->price = new + 1;	/* the row that ends it */
		assert_int_equal(admits(s, 1), HOLD_OPENED);
		/* The clock is put back. */
		the_time -= 3000;
		s->price = old;
	}
	shop_check(s);
}

static bool
admit_and_fail(struct db *db, void *arg)
{
	struct hold_open *h = arg;

	assert_true(hold_open_run(db, &h->op));
	assert_int_equal(h->verdict, HOLD_OPENED);
	return false;
}

/* What is rolled back is not remembered either. */
static void
rolled_back(void **state)
{
	struct shop *s = *state;
	struct hold_open h;
	struct hold_settle t;
	int64_t balance, held;

	s->terms.concurrency = 1;
	shop_open(s);
	cap(s, CAP_KEY, s->key, CAP_DAY, 900);
	for (int i = 0; i < 3; i++) {
		h = shop_ask(s, 900, 900);
		h.op.run = hold_open_run;
		assert_false(store_write(s->store, false, admit_and_fail, &h));
		t = shop_bill(&h, 1, 0);
		shop_settle(s->store, &t);
		assert_false(t.settled);
		assert_int_equal(admits(s, 900), HOLD_OPENED);
	}
	shop_money(s, &balance, &held);
	assert_int_equal(balance, NANO);
	assert_int_equal(held, 0);
	shop_check(s);
}

/* More keys in turn than are kept. */
static void
many_keys(void **state)
{
	enum { MORE = 6000 };
	struct shop *s = *state;
	struct crowd *c = xnew(struct crowd);
	struct hold_settle t;

	shop_open(s);
	assert_true(shop_write(s, spoil, "WITH RECURSIVE s(n) AS (SELECT 1000 "
	    "UNION ALL SELECT n + 1 FROM s WHERE n < 6999) "
	    "INSERT INTO key(id, project, account, name, hash, created) "
	    "SELECT n, project, account, n, CAST(n AS BLOB), 0 FROM s, key "
	    "WHERE key.name = 'app'"));
	assert_true(shop_write(s, spoil,
	    "INSERT INTO meter(key) SELECT id FROM key WHERE id >= 1000"));
	for (int round = 0; round < 2; round++)
		for (int k = 0; k < MORE; k += 200) {
			for (int i = 0; i < 200; i++) {
				c->h[i] = shop_ask(s, 10, 10);
				c->h[i].key = 1000 + k + i;
			}
			assert_true(store_write(s->store, false, admit_all, c));
			for (int i = 0; i < 200; i += 50) {
				assert_int_equal(c->h[i].verdict, HOLD_OPENED);
				t = shop_bill(&c->h[i], 10, 0);
				shop_settle(s->store, &t);
				assert_true(t.settled);
			}
		}
	shop_check(s);
	free(c);
}

/* --- many at random ------------------------------------------------------- */

/* No window of money has more than its cap, after any step. */
static void
within_caps(struct shop *s, const struct cap_change *c)
{
	int64_t starts[N_CAP_WINDOWS];
	struct caps spent;

	assert_true(cap_spent(s->reader, c->kind, c->owner, &spent, starts));
	for (int w = 0; w <= CAP_TOTAL; w++)
		if (c->caps.amount[w] >= 0)
			assert_true(spent.amount[w] <= c->caps.amount[w]);
}

/* Caps of all four owners and all windows at once, as the time goes on: each
 * call is admitted if, and only if, there is room in all of them. */
static void
nested_caps(void **state)
{
	enum { OPEN = 24, CAP = 60000 };
	struct shop *s = *state;
	struct cap_change c[N_CAP_OWNERS];
	struct hold_open h[OPEN];
	bool used[OPEN] = { false };
	uint64_t r = 7654321;
	int refused = 0, tokens = 0;

	the_time = 1763800000000;
	shop_open(s);
	shop_clock(s, fixed_clock);
	for (int k = 0; k < N_CAP_OWNERS; k++) {
		int64_t owner[] = { 0, s->account, s->project, s->key };

		c[k] = (struct cap_change){ (enum cap_owner)k, owner[k],
			caps_none };
		c[k].caps.amount[k] = CAP + 1000 * k * k;
		c[k].caps.amount[CAP_HOUR_TOKENS + k] = CAP + 1500 * k * k;
		if (k == CAP_KEY)
			c[k].caps.amount[CAP_TOTAL] = 900000;
		c[k].caps.soft = 50;
		assert_true(shop_write(s, change_caps, &c[k]));
	}
	for (int i = 0; i < 1500; i++) {
		int at = (int)(r % OPEN);
		struct hold_settle t;

		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		the_time += (int64_t)(r % 5000000);
		if (used[at]) {
			t = shop_bill(&h[at], (int64_t)(r % 9000), 1);
			t.row.use.n[BUCKET_INPUT] = (int64_t)(r >> 20) % 4000;
			shop_settle(s->store, &t);
			assert_true(t.settled && t.charged <= h[at].bound);
			used[at] = false;
		} else {
			h[at] = shop_ask(s, (int64_t)(r % 3000),
			    (int64_t)(r % 3000) * 3);
			h[at].limit_tokens = (int64_t)(r >> 30) % 3000;
			used[at] = shop_admit(s->store, &h[at]) ==
			    HOLD_OPENED;
			refused += !used[at];
			tokens += !used[at] && h[at].cap_tokens;
			if (!used[at])
				assert_true(h[at].cap_amount - h[at].cap_spent <
				    (h[at].cap_tokens ? h[at].limit_tokens :
				    h[at].bound));
		}
		for (int k = 0; k < N_CAP_OWNERS; k++)
			within_caps(s, &c[k]);
		if (i % 250 == 0)
			shop_check(s);
	}
	shop_check(s);
	assert_true(tokens > 20 && refused > tokens + 20);
}

/* Holds of all sizes, charges up to three times as much: never below 0. */
static void
random_calls(void **state)
{
	enum { OPEN = 40 };
	struct shop *s = *state;
	struct hold_open h[OPEN];
	bool used[OPEN] = { false };
	uint64_t r = 1234567;
	int64_t balance, held, charged = 0;

	s->balance = 200000;
	shop_open(s);
	cap(s, CAP_ACCOUNT, s->account, CAP_DAY, 150000);
	for (int i = 0; i < 3000; i++) {
		int at = (int)(r % OPEN);

		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		if (!used[at]) {
			int64_t estimate = (int64_t)(r % 1000);

			h[at] = shop_ask(s, estimate, estimate * 3 + 10);
			h[at].least = estimate / 3;
			used[at] = shop_admit(s->store, &h[at]) == HOLD_OPENED;
		} else {
			struct hold_settle t = shop_bill(&h[at],
			    (int64_t)(r % 3000), (int64_t)(r % 100));

			shop_settle(s->store, &t);
			assert_true(t.settled);
			assert_true(t.charged <= h[at].bound);
			charged += t.charged;
			used[at] = false;
		}
		shop_money(s, &balance, &held);
		assert_true(balance - held >= 0);
		assert_int_equal(balance, 200000 - charged);
		assert_true(charged <= 150000);
	}
	shop_check(s);
	assert_true(charged > 140000);
}

#define shop_test(f) cmocka_unit_test_setup_teardown(f, open_shop, close_shop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		shop_test(ordinary),
		shop_test(idempotent),
		shop_test(refused),
		shop_test(superseded),
		shop_test(superseded_fallback),
		shop_test(credit),
		shop_test(exactly_twenty),
		shop_test(beyond),
		shop_test(not_of_others),
		shop_test(raised),
		shop_test(losses),
		shop_test(requests_a_minute),
		shop_test(rate_holds),
		shop_test(tokens_a_minute),
		shop_test(concurrency),
		shop_test(caps),
		shop_test(cap_beyond),
		shop_test(cap_of_nothing),
		shop_test(cap_late),
		shop_test(cap_tokens),
		shop_test(cap_tokens_late),
		shop_test(caps_in_a_batch),
		shop_test(cap_below_held),
		shop_test(cap_soft_noted),
		shop_test(cap_differences),
		shop_test(extends),
		shop_test(extends_tokens),
		shop_test(dead),
		shop_test(dead_fallback),
		shop_test(dead_free),
		shop_test(dead_counting),
		shop_test(dead_listener),
		shop_test(killed),
		shop_test(frozen),
		shop_test(told),
		shop_test(in_time),
		shop_test(rolled_back),
		shop_test(many_keys),
		shop_test(random_calls),
		shop_test(nested_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
