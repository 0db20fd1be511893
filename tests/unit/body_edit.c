/* SPDX-License-Identifier: MIT */
/* body_edit.c - members of a request left out and set, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/body_edit.h"

static const struct {
	const char *body, *drop, *set, *out;
} edits[] = {
	{ "{}", "a", "", "{}" },
	{ "{}", "", "{\"a\":1}", "{\"a\":1}" },
	{ "{ }", "", "{\"a\":1,\"b\":{\"c\":[]}}",
	    "{\"a\":1,\"b\":{\"c\":[]}}" },
	{ "{\"a\":1}", "", "{}", "{\"a\":1}" },
	{ "{\"a\":1,\"b\":2,\"c\":3}", "b", "", "{\"a\":1,\"c\":3}" },
	{ "{\"a\":1,\"b\":2,\"c\":3}", "a c", "", "{\"b\":2}" },
	{ "{\"a\":1}", "a", "", "{}" },
	{ "{\"a\":1}", "a", "{\"b\":2}", "{\"b\":2}" },
	/* In its place, however it was spelt; twice becomes once. */
	{ "{\"a\":1,\"b\":2}", "", "{\"a\":9}", "{\"a\":9,\"b\":2}" },
	{ "{\"A\":1,\"b\":2}", "", "{\"a\":9}", "{\"a\":9,\"b\":2}" },
	{ "{\"\\u0061\":1,\"b\":2,\"a\":3}", "", "{\"a\":9}",
	    "{\"a\":9,\"b\":2}" },
	{ "{\"a\":1,\"\\u0061\":2,\"A\":3}", "a", "", "{}" },
	{ "{\"top\\u005fk\":1,\"top\":2}", "top_k", "", "{\"top\":2}" },
	{ "{\"a\":1}", "a", "{\"a\":2}", "{\"a\":2}" },
	/* Values stay as they were spelt; what is inside is not looked at. */
	{ "{\"a\":1.50e2,\"m\":[{\"b\":1},{\"b\":\"}\"}],\"b\":{\"b\":{}}}",
	    "b", "", "{\"a\":1.50e2,\"m\":[{\"b\":1},{\"b\":\"}\"}]}" },
	{ " {\"s\" : \"{\\\"a\\\":1,}\" ,\n\"a\": [ ] } ", "a", "{\"z\":null}",
	    "{\"s\":\"{\\\"a\\\":1,}\",\"z\":null}" },
};

static void
edits_what_it_is_told(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(edits); i++) {
		struct body_edit e = { str_of(edits[i].drop),
			str_of(edits[i].set) };
		struct str body = str_trim(str_of(edits[i].body));
		struct buf out = BUF(&a, body_edit_most(body, &e));
		struct json_error bad;

		assert_true(body_edit(body, &e, &out));
		assert_string_equal(buf_text(&out), edits[i].out);
		assert_true(json_valid(buf_str(&out), &bad));
	}
	arena_release(&a);
}

/* The same twice is the same once. */
static void
a_second_time_changes_nothing(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < countof(edits); i++) {
		struct body_edit e = { str_of(edits[i].drop),
			str_of(edits[i].set) };
		struct buf out = BUF(&a, 4096);

		assert_true(body_edit(str_of(edits[i].out), &e, &out));
		assert_string_equal(buf_text(&out), edits[i].out);
	}
	arena_release(&a);
}

static void
says_when_there_is_no_room(void **state)
{
	struct body_edit e = { { NULL, 0 }, S("{\"a\":12345}") };
	struct buf out = BUF_HEAP(10);

	(void)state;
	assert_false(body_edit(S("{\"b\":1}"), &e, &out));
	buf_release(&out);
}

static void
names_who_drops_it(void **state)
{
	struct body_edit e = { S("top_k user"), { NULL, 0 } };

	(void)state;
	assert_true(str_eq(body_edit_drops(&e, S("USER")), S("user")));
	assert_true(str_eq(body_edit_drops(&e, S("top\\u005fk")),
	    S("top_k")));
	assert_int_equal(body_edit_drops(&e, S("top")).n, 0);
	assert_int_equal(body_edit_drops(&e, S("")).n, 0);
	assert_true(body_edit_any(&e));
	e.drop = S("");
	assert_false(body_edit_any(&e));
}

static void
some_are_not_the_operators(void **state)
{
	static const char *const ours[] = { "model", "Model", "stream",
		"max_tokens", "MAX_TOKENS", "n", "messages", "tools",
		"service_tier", "" };
	static const char *const theirs[] = { "top_k", "user", "stream_options",
		"temperature", "modell", "thinking" };

	(void)state;
	for (size_t i = 0; i < countof(ours); i++)
		assert_false(body_edit_allowed(str_of(ours[i])));
	for (size_t i = 0; i < countof(theirs); i++)
		assert_true(body_edit_allowed(str_of(theirs[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edits_what_it_is_told),
		cmocka_unit_test(a_second_time_changes_nothing),
		cmocka_unit_test(says_when_there_is_no_room),
		cmocka_unit_test(names_who_drops_it),
		cmocka_unit_test(some_are_not_the_operators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
