/* SPDX-License-Identifier: MIT */
/*
 * shop.h - a store in a temporary directory with something to sell.
 *
 * One model (`demo`, priced by request unless a test adds another price), one
 * group, account `alice` with project `default` and key `app`.
 */
#ifndef WEIR_TEST_SHOP_H
#define WEIR_TEST_SHOP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/account.h"
#include "db/cap.h"
#include "db/hold.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/model.h"
#include "db/money.h"
#include "db/store.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"

struct shop {
	struct arena a;
	char dir[64];
	struct store *store;
	struct db *reader;
	int64_t model, price, account, project, key;
	int64_t balance;		/* to grant, nano-dollars */
	int64_t rate[N_BUCKETS];	/* of the model; -1: none */
	struct key_row terms;		/* limits of the key */
	int64_t (*clock)(void);		/* shop_clock */
};

/* Runs one piece of work in a write transaction. */
struct shop_do {
	struct shop *shop;
	bool (*work)(struct shop *shop, struct db *db, void *arg);
	void *arg;
};

static inline bool
shop_run(struct db *db, void *arg)
{
	struct shop_do *d = arg;

	return d->work(d->shop, db, d->arg);
}

static inline bool
shop_write(struct shop *s,
    bool (*work)(struct shop *shop, struct db *db, void *arg), void *arg)
{
	struct shop_do d = { s, work, arg };

	return store_write(s->store, true, shop_run, &d);
}

static inline bool
shop_fill(struct shop *s, struct db *db, void *arg)
{
	struct model_row m;
	struct price_row p = { .from_ms = 0 };
	struct account_row account;
	struct project_row project;
	bool added;

	(void)arg;
	model_blank(&m, S("demo"));
	m.max_output = 4096;
	if (!model_put(db, &m))
		return false;
	s->model = p.model = m.id;
	memcpy(p.say.given, s->rate, sizeof(p.say.given));
	if (!price_add(db, &p, &added))
		return false;
	s->price = p.id;
	account_blank(&account, S("alice"));
	if (!account_put(db, &account) ||
	    project_find(db, &s->a, account.id, S("default"), &project) != 1)
		return false;
	s->account = account.id;
	s->project = project.id;
	s->terms.account = account.id;
	s->terms.project = project.id;
	s->terms.name = S("app");
	s->terms.enabled = true;
	if (!key_add(db, store_vault(s->store), &s->terms,
		S("sk-weir-0000000000000000000000000000000000000000000")))
		return false;
	s->key = s->terms.id;
	return s->balance == 0 ||
	    ledger_grant(db, s->account, s->balance, S("opening")) ==
		LEDGER_DONE;
}

/* Opens the store as a process of weir.fcgi. */
static inline struct store *
shop_enter(struct shop *s)
{
	struct str why = S("");
	struct store *store = store_open(s->dir, NULL, "weir.fcgi", &s->a,
	    &why);
	char id[ID_CHARS];

	if (!store)
		fprintf(stderr, "%.*s\n", STR_ARGS(why));
	/* A child has its parent's random bytes: they are used up. */
	for (int i = 0; i < 256; i++)
		id_make(0, id);
	return store;
}

static inline void
shop_open(struct shop *s)
{
	struct str why = S("");

	arena_init(&s->a);
	snprintf(s->dir, sizeof(s->dir), "/tmp/weir-unit-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	if (!store_init(s->dir, NULL, &s->a, &why))
		fail_msg("%.*s", STR_ARGS(why));
	s->store = shop_enter(s);
	assert_non_null(s->store);
	s->reader = store_reader(s->store, &s->a, &why);
	assert_non_null(s->reader);
	assert_true(shop_write(s, shop_fill, NULL));
}

/* Another clock, for ids and transactions. */
static inline void
shop_clock(struct shop *s, int64_t (*clock)(void))
{
	s->clock = clock;
	store_clock(s->store, clock);
}

/* A shop with defaults: 1 USD, one nano-dollar a request. */
static inline void
shop_init(struct shop *s)
{
	*s = (struct shop){ .balance = NANO };
	for (int b = 0; b < N_BUCKETS; b++)
		s->rate[b] = -1;
	s->rate[BUCKET_REQUEST] = 1000;
}

static inline void
shop_close(struct shop *s)
{
	char command[128];

	db_close(s->reader);
	store_close(s->store);
	arena_release(&s->a);
	snprintf(command, sizeof(command), "rm -rf '%s'", s->dir);
	assert_int_equal(system(command), 0);
}

/* The ledger agrees with itself. */
static inline void
shop_check(struct shop *s)
{
	struct ledger_counts counts;
	struct str first = S("");
	int n = ledger_check(s->reader, &s->a, &first, &counts);

	if (n != 1)
		fail_msg("ledger: %.*s", STR_ARGS(first));
}

static inline void
shop_money(struct shop *s, int64_t *balance, int64_t *held)
{
	assert_int_equal(ledger_balance(s->reader, s->account, balance, held),
	    1);
}

/* --- calls ---------------------------------------------------------------- */

static inline struct hold_open
shop_ask(struct shop *s, int64_t held, int64_t bound)
{
	struct hold_open h = {
		.process = store_process(s->store),
		.key = s->key,
		.model = s->model,
		.price = s->price,
		.markup_ppm = PPM,
		.held = held,
		.bound = bound,
		.least = held,
		.prompt_tokens = 100,
		.limit_tokens = 200,
		.endpoint = "chat",
		.stream = true,
	};

	id_make(s->clock ? s->clock() : clock_utc_ms(), h.request_id);
	return h;
}

static inline bool
shop_run_op(struct db *db, void *arg)
{
	struct op *op = arg;

	return op->run(db, op);
}

static inline enum hold_verdict
shop_admit(struct store *store, struct hold_open *h)
{
	h->op.run = hold_open_run;
	assert_true(store_write(store, false, shop_run_op, &h->op));
	return h->verdict;
}

static inline struct hold_settle
shop_bill(const struct hold_open *h, int64_t charge, int64_t cost)
{
	struct hold_settle t = {
		.hold = h->id,
		.tokens_used = 150,
		.row = { .state = USAGE_DONE, .asked = S("demo"),
		    .served = S("demo"), .status = 200,
		    .use = { { 100, 0, 0, 0, 50, 0, 1 } }, .charge = charge,
		    .cost = cost, .list = charge, .cost_ppm = PPM,
		    .first_ms = 5, .total_ms = 20, .weir_us = 100 },
	};

	memcpy(t.row.request_id, h->request_id, ID_CHARS);
	return t;
}

static inline void
shop_settle(struct store *store, struct hold_settle *t)
{
	t->op.run = hold_settle_run;
	assert_true(store_write(store, true, shop_run_op, &t->op));
}

#endif
