/* SPDX-License-Identifier: MIT */
/* session.c - who is signed in, when it ends, and tries that have to wait. */
#include "db/session.h"

#include "db/user.h"
#include "tests/unit/shop.h"

static int64_t now;			/* UTC ms, for the store's clock */

static int64_t
its_clock(void)
{
	return now;
}

struct scene {
	struct user_row user;
	char secret[SESSION_CHARS];
	int64_t wait, slot;
	int ended;
};

static bool
begin(struct shop *s, struct db *db, void *arg)
{
	struct scene *c = arg;

	(void)s;
	user_blank(&c->user, S("root"));
	c->user.role = S("operator");
	c->user.pass = S("$argon2id$one");
	return user_put(db, &c->user);
}

static bool
sign_in(struct shop *s, struct db *db, void *arg)
{
	struct scene *c = arg;

	return session_new(db, store_vault(s->store), c->user.id,
	    S("127.0.0.1"), c->secret);
}

static bool
change(struct shop *s, struct db *db, void *arg)
{
	struct scene *c = arg;

	(void)s;
	return user_put(db, &c->user);
}

static bool
try(struct shop *s, struct db *db, void *arg)
{
	struct scene *c = arg;

	(void)s;
	c->wait = signin_try(db, c->slot);
	return c->wait >= 0;
}

static bool
end(struct shop *s, struct db *db, void *arg)
{
	struct scene *c = arg;

	(void)s;
	c->ended = session_end(db, c->user.id, 0);
	return c->ended >= 0;
}

static bool
seen(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	return session_seen(db, *(int64_t *)arg);
}

static int
find(struct shop *s, const char *secret, struct session *found)
{
	return session_find(s->reader, &s->a, store_vault(s->store),
	    str_of(secret), now, found);
}

static int
start(void **state)
{
	struct shop *s = xnew(struct shop);

	shop_init(s);
	shop_open(s);
	*state = s;
	return 0;
}

static int
stop(void **state)
{
	shop_close(*state);
	free(*state);
	return 0;
}

static void
open_scene(struct shop *s, struct scene *c)
{
	memset(c, 0, sizeof(*c));
	now = clock_utc_ms();
	shop_clock(s, its_clock);
	assert_true(shop_write(s, begin, c));
	assert_true(shop_write(s, sign_in, c));
}

static void
lives(void **state)
{
	struct shop *s = *state;
	struct session found;
	struct scene c;

	open_scene(s, &c);
	assert_true(strlen(c.secret) >= 22);	/* 128 bits */
	assert_int_equal(find(s, c.secret, &found), 1);
	assert_true(str_eq(found.login, S("root")));
	assert_true(str_eq(found.role, S("operator")));
	assert_int_equal(found.account, 0);
	assert_int_equal(find(s, "x", &found), 0);
	now += SESSION_IDLE_MS - 1;
	assert_int_equal(find(s, c.secret, &found), 1);
	now += 1;
	assert_int_equal(find(s, c.secret, &found), 0);
}

static void
ends_though_it_is_used(void **state)
{
	struct shop *s = *state;
	struct session found;
	struct scene c;
	int64_t opened;

	open_scene(s, &c);
	opened = now;
	while (now + SESSION_IDLE_MS / 2 < opened + SESSION_MOST_MS) {
		now += SESSION_IDLE_MS / 2;
		assert_int_equal(find(s, c.secret, &found), 1);
		assert_true(shop_write(s, seen, &found.id));
	}
	now = opened + SESSION_MOST_MS - 1;
	assert_int_equal(find(s, c.secret, &found), 1);
	now++;
	assert_int_equal(find(s, c.secret, &found), 0);
}

static void
ends_with_what_it_was_for(void **state)
{
	struct shop *s = *state;
	struct session found, *list;
	struct scene c;

	open_scene(s, &c);
	assert_true(shop_write(s, change, &c));
	assert_int_equal(find(s, c.secret, &found), 1);
	c.user.note = S("nothing of weight");
	assert_true(shop_write(s, change, &c));
	assert_int_equal(find(s, c.secret, &found), 1);

	c.user.pass = S("$argon2id$two");
	assert_true(shop_write(s, change, &c));
	assert_int_equal(find(s, c.secret, &found), 0);

	assert_true(shop_write(s, sign_in, &c));
	c.user.role = S("auditor");
	assert_true(shop_write(s, change, &c));
	assert_int_equal(find(s, c.secret, &found), 0);

	assert_true(shop_write(s, sign_in, &c));
	c.user.enabled = false;
	assert_true(shop_write(s, change, &c));
	assert_int_equal(find(s, c.secret, &found), 0);
	c.user.enabled = true;
	assert_true(shop_write(s, change, &c));
	assert_int_equal(find(s, c.secret, &found), 0);

	assert_true(shop_write(s, sign_in, &c));
	assert_true(shop_write(s, sign_in, &c));
	assert_int_equal(session_list(s->reader, &s->a, c.user.id, &list), 2);
	assert_true(shop_write(s, end, &c));
	assert_int_equal(c.ended, 2);
	assert_int_equal(find(s, c.secret, &found), 0);
}

static void
waits(void **state)
{
	struct shop *s = *state;
	int64_t wait = SIGNIN_FIRST_MS;
	struct scene c;

	open_scene(s, &c);
	c.slot = signin_slot(store_vault(s->store), S("root"), c.user.id);
	for (int i = 0; i < SIGNIN_TRIES; i++) {
		assert_true(shop_write(s, try, &c));
		assert_int_equal(c.wait, 0);
	}
	for (int i = 0; i < 12; i++) {
		assert_true(shop_write(s, try, &c));
		assert_int_equal(c.wait, wait);
		assert_int_equal(signin_wait(s->reader, c.slot), wait);
		now += wait;
		assert_int_equal(signin_wait(s->reader, c.slot), 0);
		assert_true(shop_write(s, try, &c));
		assert_int_equal(c.wait, 0);
		wait = wait * 2 > SIGNIN_WAIT_MS ? SIGNIN_WAIT_MS : wait * 2;
	}
	assert_int_equal(wait, SIGNIN_WAIT_MS);

	/* A clock that is set back keeps nobody out for longer. */
	now -= 24 * 3600000;
	assert_int_equal(signin_wait(s->reader, c.slot), SIGNIN_WAIT_MS);
	now += 24 * 3600000;

	/* A new password lets him in at once. */
	c.user.pass = S("$argon2id$new");
	assert_true(shop_write(s, change, &c));
	assert_int_equal(signin_wait(s->reader, c.slot), 0);
}

static void
forgets_after_a_quiet_time(void **state)
{
	struct shop *s = *state;
	struct scene c;

	open_scene(s, &c);
	c.slot = signin_slot(store_vault(s->store), S("root"), c.user.id);
	for (int i = 0; i < SIGNIN_TRIES; i++)
		assert_true(shop_write(s, try, &c));
	now += SIGNIN_FIRST_MS + SIGNIN_WAIT_MS;
	for (int i = 0; i < SIGNIN_TRIES; i++) {
		assert_true(shop_write(s, try, &c));
		assert_int_equal(c.wait, 0);
	}
	assert_true(shop_write(s, try, &c));
	assert_int_equal(c.wait, SIGNIN_FIRST_MS);
}

/* Logins that nobody has share places, so that they fill no disk. */
static void
strangers(void **state)
{
	struct shop *s = *state;
	const struct vault *v = store_vault(s->store);
	int64_t least = 0;

	for (int i = 0; i < 20000; i++) {
		char login[32];
		int64_t slot;

		snprintf(login, sizeof(login), "made-up-%d", i);
		slot = signin_slot(v, str_of(login), 0);
		assert_true(slot < 0);
		assert_int_equal(slot, signin_slot(v, str_of(login), 0));
		if (slot < least)
			least = slot;
	}
	assert_true(least >= -4096);
	assert_int_equal(signin_slot(v, S("root"), 7), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lives),
		TEST(ends_though_it_is_used),
		TEST(ends_with_what_it_was_for),
		TEST(waits),
		TEST(forgets_after_a_quiet_time),
		TEST(strangers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
