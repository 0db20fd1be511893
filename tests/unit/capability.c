/* SPDX-License-Identifier: MIT */
/* capability.c - what is known of models and upstreams: the words, and every
 * row of the tables that are made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/noun.h"
#include "handlers/dialect/body_edit.h"
#include "handlers/dialect/capability.h"
#include "handlers/dialect/families.h"
#include "handlers/dialect/preset.h"

static struct arena arena;

static int
empty(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

/* Every word of the list is known, and none stands there twice. */
static void
is_known(struct str list, struct str of)
{
	struct str rest = list;

	while (rest.n) {
		struct str value = str_cut(&rest, ' ');
		struct str name = str_cut(&value, '='), why, others = rest;

		if (!capability_valid(&arena, name, value, &why))
			fail_msg("%.*s: %.*s=%.*s: %.*s", STR_ARGS(of),
			    STR_ARGS(name), STR_ARGS(value), STR_ARGS(why));
		while (others.n) {
			struct str other = str_cut(&others, ' ');

			if (str_eq(str_cut(&other, '='), name))
				fail_msg("%.*s: %.*s is there twice",
				    STR_ARGS(of), STR_ARGS(name));
		}
	}
}

/* --- words ---------------------------------------------------------------- */

static struct target
of(const char *list)
{
	struct target t = { .model = S("") };

	capability_apply(&t, str_of(list));
	return t;
}

static void
words_set_what_they_say(void **state)
{
	struct target t = of("json_schema reasoning=effort efforts=low,max "
	    "image_url=no stop_most=4 seed=random_seed tools=yes");

	(void)state;
	assert_true(t.json_schema);
	assert_int_equal(t.reasoning, REASONING_EFFORT);
	assert_int_equal(t.efforts, 1u << EFFORT_LOW | 1u << EFFORT_MAX);
	assert_true(t.no_image_url);
	assert_int_equal(t.stop_most, 4);
	assert_int_equal(t.seed, SEED_RANDOM);
	assert_false(t.no_tools);
	/* The later one counts; a word of a newer weir is passed over. */
	t = of("json_schema seed=no json_schema=no new=1 seed=seed  strict");
	assert_false(t.json_schema);
	assert_int_equal(t.seed, SEED_SEED);
	assert_true(t.strict);
}

/* Each capability, with each of its values as they are told. */
static void
each_value_that_is_told_is_one(void **state)
{
	const struct capability *k;
	struct str why;

	(void)state;
	for (size_t i = 0; (k = capability_at(i)); i++) {
		struct buf b = BUF(&arena, 4096);
		struct str rest, name = capability_name(k);

		capability_values(k, &b);
		assert_true(capability_says(k).n > 0);
		rest = buf_str(&b);
		if (str_starts(rest, S("0 to ")) ||
		    str_starts(rest, S("some of ")))
			rest = str_skip(rest, rest.p[0] == '0' ? 5 : 8);
		while (rest.n)
			assert_true(capability_valid(&arena, name,
			    str_trim(str_cut(&rest, ',')), &why));
		assert_false(capability_valid(&arena, name, S("?"), &why));
		assert_true(str_starts(why, name));
	}
	assert_false(capability_valid(&arena, S("no_such"), S(""), &why));
	assert_true(str_has(why, S("there is no such one; there are "
	    "max_completion_tokens, reasoning")));
}

/* What a target is beyond nothing, said in words, makes it again. */
static void
is_the_same(struct str list)
{
	struct target t, again;
	struct buf b = BUF(&arena, 4096), c = BUF(&arena, 4096);

	memset(&t, 0, sizeof(t));
	memset(&again, 0, sizeof(again));
	capability_apply(&t, list);
	capability_list(&t, &b);
	is_known(buf_str(&b), list);
	capability_apply(&again, buf_str(&b));
	assert_memory_equal(&t, &again, sizeof(t));
	capability_list(&again, &c);
	assert_true(str_eq(buf_str(&b), buf_str(&c)));
}

static void
a_target_is_told_in_words(void **state)
{
	struct target t = of("seed=no json_schema efforts=high,low "
	    "temp_and_top_p=no stop_most=4 tools=yes");
	struct buf b = BUF(&arena, 4096);
	const struct preset *p;
	struct str list;

	(void)state;
	capability_list(&t, &b);
	assert_string_equal(buf_text(&b), "efforts=low,high "
	    "temp_and_top_p=no seed=no stop_most=4 json_schema");
	for (size_t i = 0; family_at(i, &list).n; i++)
		is_the_same(list);
	for (size_t i = 0; (p = preset_at(i)); i++)
		is_the_same(p->quirks);
	is_the_same(S(""));
}

/* --- tables --------------------------------------------------------------- */

static void
families_are_made_of_words(void **state)
{
	struct str list, begins;
	size_t n = 0;

	(void)state;
	for (; (begins = family_at(n, &list)).n; n++)
		is_known(list, begins);
	assert_true(n > 20);
}

/* The first that fits counts: none is hidden by one before it. */
static void
each_family_is_found(void **state)
{
	struct str list, begins, found;

	(void)state;
	for (size_t i = 0; (begins = family_at(i, &list)).n; i++) {
		found = family_list(begins);
		assert_true(str_eq(found, list));
		found = family_list(ARENA_JOIN(&arena, S("maker/"), begins,
		    S("-2026")));
		assert_true(str_eq(found, list));
	}
	assert_int_equal(family_list(S("some-other-model")).n, 0);
	assert_int_equal(family_list(S("")).n, 0);
}

static void
check_edits(const struct preset *p)
{
	struct str rest = p->drop;
	struct json_error bad;

	while (rest.n)
		assert_true(body_edit_allowed(str_cut(&rest, ' ')));
	assert_true(!p->set.n || json_valid(p->set, &bad));
	for (struct json_each m = json_each(p->set); json_next(&m);)
		assert_true(body_edit_allowed(m.name));
}

static void
presets_are_whole(void **state)
{
	const struct preset *p, *before = NULL;
	struct str why;
	size_t n = 0;

	(void)state;
	for (; (p = preset_at(n)); n++, before = p) {
		if (before)
			assert_true(str_cmp(before->name, p->name) < 0);
		assert_ptr_equal(preset_find(p->name), p);
		assert_true(p->title.n > 0);
		assert_non_null(dialect_find(p->dialect));
		if (!url_allowed(&arena, p->base_url, p->plain_http, &why))
			fail_msg("%s: %s", p->name.p, why.p);
		is_known(p->quirks, p->name);
		check_edits(p);
	}
	assert_true(n > 10);
	assert_null(preset_find(S("")));
	assert_null(preset_find(S("none of them")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(words_set_what_they_say, empty),
		cmocka_unit_test_teardown(each_value_that_is_told_is_one,
		    empty),
		cmocka_unit_test_teardown(a_target_is_told_in_words, empty),
		cmocka_unit_test_teardown(families_are_made_of_words, empty),
		cmocka_unit_test_teardown(each_family_is_found, empty),
		cmocka_unit_test_teardown(presets_are_whole, empty),
	};

	arena_init(&arena);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
