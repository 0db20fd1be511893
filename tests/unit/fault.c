/* SPDX-License-Identifier: MIT */
/* fault.c - the first fault wins; the table is complete and consistent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "fcgi/base/fault.h"
#include "fcgi/base/mem.h"

static void
first_wins(void **state)
{
	struct fault f = { 0 };
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_false(fault_set(&f, &a, FAULT_NO_KEY, "no key %d", 1));
	assert_false(fault_set(&f, &a, FAULT_STORE, "store"));
	assert_int_equal(f.kind, FAULT_NO_KEY);
	assert_true(str_eq(f.text, S("no key 1")));
	assert_int_equal(fault_status(&f), 401);
	assert_true(str_eq(fault_code(&f), S("invalid_api_key")));
	f.status = 499;
	f.code = S("other");
	assert_int_equal(fault_status(&f), 499);
	assert_true(str_eq(fault_code(&f), S("other")));
	f = (struct fault){ .kind = FAULT_BAD_REQUEST };
	assert_int_equal(fault_code(&f).n, 0);
	arena_release(&a);
}

/* The SDKs retry 408, 409, 429 and 5xx: never a caller's own mistake, and
 * never do we tell a caller that a key of ours is dead. */
static void
table(void **state)
{
	(void)state;
	for (int k = FAULT_NONE + 1; k < N_FAULTS; k++) {
		const struct fault_row *r = &fault_table[k];

		assert_non_null(r->name);
		assert_non_null(r->type);
		assert_in_range(r->status, 400, 599);
		assert_int_not_equal(r->status, 402);
		if (r->status >= 500)
			assert_string_equal(r->type, "server_error");
		else
			assert_string_not_equal(r->type, "server_error");
		if (r->elsewhere)
			assert_true(r->status >= 500 || r->status == 429 ||
			    k == FAULT_MODEL_MISSING);
		for (int i = FAULT_NONE + 1; i < k; i++)
			assert_string_not_equal(r->name, fault_table[i].name);
	}
	assert_int_equal(fault_table[FAULT_TOO_LARGE].status, 413);
	assert_int_equal(fault_table[FAULT_UP_TIMEOUT].status, 504);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_wins),
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
