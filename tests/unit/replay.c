/* SPDX-License-Identifier: MIT */
/* replay.c - what proves thoughts, kept for a day for one key. */
#include "db/replay.h"

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
	shop_open(s);
	the_time = INT64_C(1763812800000);
	shop_clock(s, fixed_clock);
	*state = s;
	return 0;
}

static int
close_shop(void **state)
{
	struct shop *s = *state;

	shop_close(s);
	free(s);
	return 0;
}

struct keeping {
	int64_t key;
	struct replay row;
};

static bool
keep_row(struct shop *s, struct db *db, void *arg)
{
	const struct keeping *k = arg;

	(void)s;
	return replay_keep(db, k->key, &k->row);
}

static void
keep(struct shop *s, int64_t key, const char *call, const char *text)
{
	struct keeping k = { key, replay_seal(&s->a, store_vault(s->store),
	    key, str_of(call), str_of(text)) };

	assert_int_equal(k.row.call.n, strlen(call));
	assert_true(shop_write(s, keep_row, &k));
}

/* NULL: there is none. */
static void
finds(struct shop *s, int64_t key, const char *call, const char *want)
{
	struct str text;
	int n = replay_find(s->reader, &s->a, store_vault(s->store), key,
	    str_of(call), &text);

	assert_int_equal(n, want != NULL);
	if (want)
		assert_true(str_eq(text, str_of(want)));
}

static bool
prune(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	*(int *)arg = replay_prune(db);
	return *(int *)arg >= 0;
}

static void
gives_back_what_a_key_left(void **state)
{
	struct shop *s = *state;

	keep(s, 1, "toolu_1", "{\"a\":1}");
	keep(s, 1, "toolu_2", "two");
	keep(s, 2, "toolu_1", "other");
	finds(s, 1, "toolu_1", "{\"a\":1}");
	finds(s, 1, "toolu_2", "two");
	finds(s, 2, "toolu_1", "other");
	finds(s, 2, "toolu_2", NULL);
	finds(s, 1, "toolu_", NULL);
	finds(s, 1, "", NULL);
	keep(s, 1, "toolu_1", "again");
	finds(s, 1, "toolu_1", "again");
}

static bool
move(struct shop *s, struct db *db, void *arg)
{
	(void)s;
	(void)arg;
	return db_script(db, "UPDATE replay SET key = 3 WHERE key = 1");
}

static void
does_not_open_in_another_row(void **state)
{
	struct shop *s = *state;

	keep(s, 1, "toolu_1", "mine");
	assert_true(shop_write(s, move, NULL));
	finds(s, 1, "toolu_1", NULL);
	finds(s, 3, "toolu_1", NULL);
}

static void
goes_after_a_day(void **state)
{
	struct shop *s = *state;
	int gone = 0;

	keep(s, 1, "old", "x");
	the_time += 23 * 3600 * 1000;
	keep(s, 1, "new", "y");
	assert_int_equal(replay_due(s->reader), 0);
	finds(s, 1, "old", "x");
	the_time += 3600 * 1000;
	finds(s, 1, "old", NULL);
	finds(s, 1, "new", "y");
	assert_int_equal(replay_due(s->reader), 1);
	assert_true(shop_write(s, prune, &gone));
	assert_int_equal(gone, 1);
	assert_int_equal(replay_due(s->reader), 0);
	finds(s, 1, "new", "y");
}

static void
keeps_nothing_that_is_too_large(void **state)
{
	struct shop *s = *state;
	char *large = arena_alloc(&s->a, REPLAY_BYTES + 1);
	struct replay r;

	memset(large, 'x', REPLAY_BYTES + 1);
	r = replay_seal(&s->a, store_vault(s->store), 1, S("c"),
	    str_from(large, REPLAY_BYTES + 1));
	assert_int_equal(r.call.n, 0);
	r = replay_seal(&s->a, store_vault(s->store), 1, S("c"),
	    str_from(large, REPLAY_BYTES));
	assert_int_equal(r.call.n, 1);
	r = replay_seal(&s->a, store_vault(s->store), 1,
	    str_from(large, 257), S("x"));
	assert_int_equal(r.call.n, 0);
	r = replay_seal(&s->a, store_vault(s->store), 1, S(""), S("x"));
	assert_int_equal(r.call.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_shop, close_shop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gives_back_what_a_key_left),
		TEST(does_not_open_in_another_row),
		TEST(goes_after_a_day),
		TEST(keeps_nothing_that_is_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
