/* SPDX-License-Identifier: MIT */
/* claim.c - places at credentials that have limits of their own. */
#include "db/claim.h"

#include <signal.h>
#include <sys/wait.h>

#include "db/channel.h"
#include "tests/unit/shop.h"

static int64_t the_time;

static int64_t
fixed_clock(void)
{
	return the_time;
}

/* A shop, and a channel with a credential. */
struct scene {
	struct shop shop;
	struct credential_row key;
};

static int
open_scene(void **state)
{
	struct scene *s = xnew(struct scene);

	shop_init(&s->shop);
	*state = s;
	return 0;
}

static int
close_scene(void **state)
{
	struct scene *s = *state;

	shop_close(&s->shop);
	free(s);
	return 0;
}

static bool
add_credential(struct shop *shop, struct db *db, void *arg)
{
	struct credential_row *k = arg, limits = *k;
	struct channel_row c;

	(void)shop;
	channel_blank(&c, S("up"));
	c.dialect = S("openai");
	c.base_url = S("https://api.example/v1");
	if (!channel_put(db, &c))
		return false;
	credential_blank(k, c.id, S("k1"));
	k->rpm = limits.rpm;
	k->tpm = limits.tpm;
	k->concurrency = limits.concurrency;
	return credential_put(db, k);
}

static bool
change_limits(struct shop *shop, struct db *db, void *arg)
{
	(void)shop;
	return credential_put(db, arg);
}

static void
set(struct scene *s, int64_t rpm, int64_t tpm, int64_t concurrency)
{
	shop_open(&s->shop);
	the_time = INT64_C(1763812800000);
	shop_clock(&s->shop, fixed_clock);
	s->key = (struct credential_row){ .rpm = rpm, .tpm = tpm,
		.concurrency = concurrency };
	assert_true(shop_write(&s->shop, add_credential, &s->key));
}

static struct hold_open
call(struct scene *s)
{
	struct hold_open h = shop_ask(&s->shop, 10, 10);

	assert_int_equal(shop_admit(s->shop.store, &h), HOLD_OPENED);
	return h;
}

static struct claim_take
take(struct scene *s, int64_t hold, int64_t tokens)
{
	struct claim_take t = { .op = { .run = claim_take_run }, .hold = hold,
		.credential = s->key.id, .tokens = tokens };

	assert_true(store_write(s->shop.store, false, shop_run_op, &t.op));
	return t;
}

static void
end(struct scene *s, int64_t hold, int64_t used)
{
	struct claim_end e = { .op = { .run = claim_end_run }, .hold = hold,
		.credential = s->key.id, .used = used };

	assert_true(store_write(s->shop.store, false, shop_run_op, &e.op));
}

static void
settle(struct scene *s, const struct hold_open *h, int64_t used)
{
	struct hold_settle t = shop_bill(h, 10, 0);

	t.tokens_used = used;
	t.claims = true;
	t.claimed = s->key.id;
	shop_settle(s->shop.store, &t);
	assert_true(t.settled);
}

static void
calls_at_once(void **state)
{
	struct scene *s = *state;
	struct hold_open h[3];
	struct claim_take t;

	set(s, 0, 0, 2);
	for (int i = 0; i < 3; i++)
		h[i] = call(s);
	assert_int_equal(take(s, h[0].id, 1).verdict, CLAIM_TAKEN);
	assert_int_equal(take(s, h[1].id, 1).verdict, CLAIM_TAKEN);
	t = take(s, h[2].id, 1);
	assert_int_equal(t.verdict, CLAIM_FULL);
	assert_string_equal(t.limit, "concurrency");
	assert_true(t.retry_ms > 0 && t.full_ms > 0);
	shop_check(&s->shop);
	/* Its attempt failed; ending it twice is ending it once. */
	end(s, h[0].id, 0);
	end(s, h[0].id, 0);
	assert_int_equal(take(s, h[2].id, 1).verdict, CLAIM_TAKEN);
	assert_int_equal(take(s, h[0].id, 1).verdict, CLAIM_FULL);
	/* A settlement ends what is left. */
	settle(s, &h[2], 1);
	assert_int_equal(take(s, h[0].id, 1).verdict, CLAIM_TAKEN);
	settle(s, &h[0], 1);
	settle(s, &h[1], 1);
	shop_check(&s->shop);
}

/* Nothing is claimed for a call that is over. */
static void
too_late(void **state)
{
	struct scene *s = *state;
	struct hold_open h;

	set(s, 0, 0, 2);
	h = call(s);
	settle(s, &h, 1);
	assert_int_equal(take(s, h.id, 1).verdict, CLAIM_GONE);
	shop_check(&s->shop);
}

static void
requests_a_minute(void **state)
{
	struct scene *s = *state;
	struct hold_open h;
	struct claim_take t;

	set(s, 3, 0, 0);
	h = call(s);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(take(s, h.id, 1).verdict, CLAIM_TAKEN);
		end(s, h.id, 0);
	}
	t = take(s, h.id, 1);
	assert_int_equal(t.verdict, CLAIM_FULL);
	assert_string_equal(t.limit, "rpm");
	assert_int_equal(t.retry_ms, 20000);
	assert_int_equal(t.full_ms, 20000);
	the_time += 20000;
	assert_int_equal(take(s, h.id, 1).verdict, CLAIM_TAKEN);
	settle(s, &h, 1);
	shop_check(&s->shop);
}

static void
tokens_a_minute(void **state)
{
	struct scene *s = *state;
	struct hold_open h;
	struct claim_take t;

	set(s, 0, 6000, 0);
	h = call(s);
	assert_int_equal(take(s, h.id, 5000).verdict, CLAIM_TAKEN);
	/* A failed attempt gives them back, a good one what it did not use. */
	end(s, h.id, 0);
	assert_int_equal(take(s, h.id, 6000).verdict, CLAIM_TAKEN);
	end(s, h.id, 2000);
	t = take(s, h.id, 6000);
	assert_int_equal(t.verdict, CLAIM_FULL);
	assert_string_equal(t.limit, "tpm");
	assert_int_equal(t.retry_ms, 20000);
	assert_int_equal(t.full_ms, 0);		/* a smaller one has room */
	assert_int_equal(take(s, h.id, 4000).verdict, CLAIM_TAKEN);
	settle(s, &h, 4000);
	h = call(s);
	t = take(s, h.id, 6000);
	assert_int_equal(t.verdict, CLAIM_FULL);
	assert_int_equal(t.retry_ms, 60000);
	assert_int_equal(t.full_ms, 10);
	shop_check(&s->shop);
}

/* A refusal for its tokens takes no request. */
static void
both(void **state)
{
	struct scene *s = *state;
	struct hold_open h;

	set(s, 1, 100, 0);
	h = call(s);
	assert_int_equal(take(s, h.id, 60).verdict, CLAIM_TAKEN);
	end(s, h.id, 60);
	the_time += 60000;
	h = call(s);
	assert_int_equal(take(s, h.id, 99).verdict, CLAIM_TAKEN);
	end(s, h.id, 160);
	the_time += 60000;
	assert_string_equal(take(s, h.id, 99).limit, "tpm");
	assert_int_equal(take(s, h.id, 10).verdict, CLAIM_TAKEN);
	end(s, h.id, 10);
	assert_string_equal(take(s, h.id, 1).limit, "rpm");
	shop_check(&s->shop);
}

/* Limits that were changed meanwhile hold for the next one. */
static void
changed(void **state)
{
	struct scene *s = *state;
	struct hold_open h[2];

	set(s, 0, 0, 1);
	h[0] = call(s);
	h[1] = call(s);
	assert_int_equal(take(s, h[0].id, 1).verdict, CLAIM_TAKEN);
	assert_int_equal(take(s, h[1].id, 1).verdict, CLAIM_FULL);
	s->key.concurrency = 2;
	assert_true(shop_write(&s->shop, change_limits, &s->key));
	assert_int_equal(take(s, h[1].id, 1).verdict, CLAIM_TAKEN);
	s->key.concurrency = 0;
	assert_true(shop_write(&s->shop, change_limits, &s->key));
	settle(s, &h[0], 1);
	settle(s, &h[1], 1);
	shop_check(&s->shop);
}

/* The claims of a process that died go with its holds. */
static void
die(struct scene *s, int pipe_fd)
{
	struct store *store = shop_enter(&s->shop);

	if (store)
		store_clock(store, fixed_clock);
	for (int i = 0; i < 2; i++) {
		struct hold_open h = shop_ask(&s->shop, 10, 10);
		struct claim_take t = { .op = { .run = claim_take_run },
			.credential = s->key.id, .tokens = 100 };

		if (!store)
			_exit(1);
		h.process = store_process(store);
		if (shop_admit(store, &h) != HOLD_OPENED)
			_exit(1);
		t.hold = h.id;
		if (!store_write(store, true, shop_run_op, &t.op) ||
		    t.verdict != CLAIM_TAKEN)
			_exit(1);
	}
	if (write(pipe_fd, "x", 1) != 1)
		_exit(1);
	pause();
}

static bool
recover(struct shop *shop, struct db *db, void *arg)
{
	*(int *)arg = hold_recover(shop->store, db);
	return *(int *)arg >= 0;
}

static void
dead(void **state)
{
	struct scene *s = *state;
	struct hold_open h;
	int to[2], n, status;
	char x;
	pid_t pid;

	set(s, 0, 1000, 2);
	h = call(s);
	assert_int_equal(pipe(to), 0);
	pid = fork();
	if (pid == 0)
		die(s, to[1]);
	assert_int_equal(read(to[0], &x, 1), 1);
	close(to[0]);
	close(to[1]);
	assert_int_equal(take(s, h.id, 1).verdict, CLAIM_FULL);
	shop_check(&s->shop);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(shop_write(&s->shop, recover, &n));
	assert_int_equal(n, 2);
	shop_check(&s->shop);
	assert_int_equal(take(s, h.id, 1000).verdict, CLAIM_TAKEN);
	settle(s, &h, 1000);
	shop_check(&s->shop);
}

static bool
add_claim(struct shop *shop, struct db *db, void *arg)
{
	(void)shop;
	return db_script(db, arg);
}

/* What ledger check finds. */
static void
found_out(void **state)
{
	static const struct {
		const char *sql, *words;
	} all[] = {
		{ "INSERT INTO claim(hold, credential, tokens) VALUES "
		  "(77, 1, 5)", "claimed by hold 77" },
		{ "DELETE FROM claim; INSERT INTO claim_meter VALUES "
		  "(1, 0, 0, 0, 3)", "counts 3 open calls" },
	};
	struct scene *s = *state;
	struct ledger_counts counts;
	struct str first;

	set(s, 0, 0, 2);
	for (size_t i = 0; i < countof(all); i++) {
		assert_true(shop_write(&s->shop, add_claim,
		    (void *)all[i].sql));
		assert_int_equal(ledger_check(s->shop.reader, &s->shop.a,
		    &first, &counts), 0);
		assert_non_null(strstr(first.p, all[i].words));
	}
}

#define scene_test(f) \
	cmocka_unit_test_setup_teardown(f, open_scene, close_scene)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scene_test(calls_at_once),
		scene_test(too_late),
		scene_test(requests_a_minute),
		scene_test(tokens_a_minute),
		scene_test(both),
		scene_test(changed),
		scene_test(dead),
		scene_test(found_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
