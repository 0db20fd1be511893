/* SPDX-License-Identifier: MIT */
/* code.c - codes that are typed: what is a slip is told. */
#include "fcgi/base/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void
read_back(void **state)
{
	char text[CODE_TEXT], code[CODE_CHARS], again[CODE_CHARS];
	char typed[2 * CODE_TEXT];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		size_t n = 0;

		code_make(text);
		assert_int_equal(strlen(text), CODE_TEXT - 1);
		assert_int_equal(text[CODE_GROUP], '-');
		assert_true(code_read(str_of(text), code));
		/* As people type it. */
		for (const char *p = text; *p; p++) {
			char c = *p;

			if (c == '0')
				c = "0oO"[i % 3];
			else if (c == '1')
				c = "1iIlL"[i % 5];
			else if (c >= 'A' && i % 2)
				c = (char)(c - 'A' + 'a');
			if (c == '-' && i % 3 == 0)
				c = ' ';
			typed[n++] = c;
		}
		typed[n++] = '\n';
		assert_true(code_read(str_from(typed, n), again));
		assert_memory_equal(code, again, CODE_CHARS);
	}
}

/* Every wrong character, and every two that changed places. */
static void
slips(void **state)
{
	char text[CODE_TEXT], code[CODE_CHARS], out[CODE_CHARS];

	(void)state;
	for (int round = 0; round < 20; round++) {
		code_make(text);
		assert_true(code_read(str_of(text), code));
		for (int i = 0; i < CODE_CHARS; i++) {
			char was = code[i];

			for (const char *p = letters; *p; p++) {
				code[i] = *p;
				assert_int_equal(code_read(str_from(code,
				    CODE_CHARS), out), *p == was);
			}
			code[i] = was;
			for (int k = 0; k < i; k++) {
				char other = code[k];

				code[i] = other;
				code[k] = was;
				assert_int_equal(code_read(str_from(code,
				    CODE_CHARS), out), was == other);
				code[i] = was;
				code[k] = other;
			}
		}
		assert_false(code_read(str_from(code, CODE_CHARS - 1), out));
	}
}

static void
no_codes(void **state)
{
	char text[CODE_TEXT + 1], out[CODE_CHARS];

	(void)state;
	assert_false(code_read(S(""), out));
	assert_false(code_read(S("----"), out));
	assert_false(code_read(S("hello"), out));
	code_make(text);
	text[CODE_TEXT - 1] = '0';
	assert_false(code_read(str_from(text, CODE_TEXT), out));
	code_make(text);
	text[3] = 'U';
	assert_false(code_read(str_of(text), out));
	text[3] = '\0';
	assert_false(code_read(str_from(text, CODE_TEXT - 1), out));
}

/* Each place has each letter about as often, and no code comes twice. */
static void
random_ones(void **state)
{
	enum { N = 3200 };
	static int seen[CODE_CHARS][32];
	static char all[N][CODE_TEXT];

	(void)state;
	for (int i = 0; i < N; i++) {
		char code[CODE_CHARS];

		code_make(all[i]);
		assert_true(code_read(str_of(all[i]), code));
		for (int k = 0; k < CODE_CHARS; k++)
			seen[k][strchr(letters, code[k]) - letters]++;
	}
	qsort(all, N, CODE_TEXT, (int (*)(const void *, const void *))strcmp);
	for (int i = 1; i < N; i++)
		assert_string_not_equal(all[i], all[i - 1]);
	/* 100 each; ten deviations away is no chance. */
	for (int k = 0; k < CODE_CHARS; k++)
		for (int v = 0; v < 32; v++)
			assert_in_range(seen[k][v], 1, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_back),
		cmocka_unit_test(slips),
		cmocka_unit_test(no_codes),
		cmocka_unit_test(random_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
