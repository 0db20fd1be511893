/* SPDX-License-Identifier: MIT */
/* pages.c - what pages put and say: texts, numbers for people, CSV cells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/money.h"
#include "handlers/page/csv.h"
#include "handlers/page/put.h"
#include "handlers/page/text.h"

static void
money(void **state)
{
	static const struct { int64_t nano; const char *text; } list[] = {
		{ 0, "0.00" }, { NANO, "1.0000" }, { 12 * NANO, "12.00" },
		{ 1234567 * NANO + NANO / 2, "1,234,567.50" },
		{ NANO / 100, "0.0100" }, { 21000, "0.000021" },
		{ 1, "0.000001" }, { -3 * NANO / 2, "-1.5000" },
		{ 999, "0.000001" }, { 1999999, "0.002000" },
	};
	struct arena a = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		assert_string_equal(text_usd(&a, list[i].nano).p ?
		    arena_str(&a, text_usd(&a, list[i].nano)).p : "",
		    list[i].text);
	arena_release(&a);
}

static void
spans(void **state)
{
	struct arena a = { 0 };

	(void)state;
	assert_string_equal(text_span(&a, 1).p, "1 s");
	assert_string_equal(text_span(&a, 119000).p, "119 s");
	assert_string_equal(text_span(&a, 121000).p, "3 min");
	assert_string_equal(text_span(&a, 7500000).p, "2 h 5 min");
	assert_string_equal(text_span(&a, -5).p, "0 s");
	assert_string_equal(text_share(&a, 1, 8).p, "12.5 %");
	assert_string_equal(text_share(&a, -1, 8).p, "-12.5 %");
	assert_string_equal(text_share(&a, 5, 0).p, "–");
	arena_release(&a);
}

/* No text can keep a page from being shown. */
static void
strings(void **state)
{
	static const struct { struct str in; const char *out; } list[] = {
		{ STR_INIT("plain"), "plain" },
		{ STR_INIT("a\0b"), "a?b" },
		{ STR_INIT("a\x1b[31mb"), "a?[31mb" },
		{ STR_INIT("\xff\xfe\xc3"), "???" },
		{ STR_INIT("gr\xc3\xbc\xc3\x9f\x65"), "gr\xc3\xbc\xc3\x9f\x65" },
		{ STR_INIT("two\nlines\x7f"), "two\nlines?" },
		{ STR_INIT(""), "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		json_t *v = put_string(list[i].in);

		assert_non_null(v);
		assert_string_equal(json_string_value(v), list[i].out);
		json_decref(v);
	}
}

static void
cells(void **state)
{
	struct arena a = { 0 };
	struct buf b = BUF(&a, 65536);
	json_t *row = json_loads("{\"a\":\"=1+1\",\"b\":\"+x\",\"c\":\"@y\","
	    "\"d\":\"-z\",\"e\":\"\\tt\",\"f\":\"say \\\"hi\\\", you\","
	    "\"g\":12345,\"h\":\"-1.5\",\"i\":null,\"j\":true,"
	    "\"j_text\":\"no\",\"href\":\"/no\",\"k\":[1],\"l\":\"-1+1\"}",
	    0, NULL);

	(void)state;
	csv_names(&b, row);
	assert_string_equal(buf_text(&b), "a,b,c,d,e,f,g,h,i,j,l\r\n");
	buf_clear(&b);
	csv_cells(&b, row);
	assert_string_equal(buf_text(&b), "\"'=1+1\",\"'+x\",\"'@y\",\"'-z\","
	    "\"'\tt\",\"say \"\"hi\"\", you\",12345,\"-1.5\",,true,"
	    "\"'-1+1\"\r\n");
	buf_clear(&b);
	ndjson_line(&b, row);
	assert_non_null(strstr(buf_text(&b), "\"k\":[1]"));
	assert_null(strstr(buf_text(&b), "href"));
	json_decref(row);
	arena_release(&a);
}

static char file[] = "/tmp/weir-texts-XXXXXX";

static json_t *
texts(const char *text, struct arena *a, struct str *why)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return texts_read(file, a, why);
}

static void
said(void **state)
{
	const struct str fill[] = { S("A"), S("B{}"), { NULL, 0 } };
	struct arena a = { 0 };
	struct str why = S("");
	json_t *t = texts("# note\n\nx = {} and {}, {}\ny.z =\nw = a = b\n",
	    &a, &why);

	(void)state;
	assert_non_null(t);
	assert_true(str_eq(text_say(t, &a, "x", fill), S("A and B{}, ")));
	assert_true(str_eq(text_say(t, &a, "y.z", NULL), S("")));
	assert_true(str_eq(text_say(t, &a, "w", NULL), S("a = b")));
	json_decref(t);
	assert_null(texts("a = 1\nno sign\n", &a, &why));
	assert_true(str_has(why, S("line 2")));
	assert_null(texts("a = 1\na = 2\n", &a, &why));
	assert_null(texts("a = \xff\n", &a, &why));
	arena_release(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(money),
		cmocka_unit_test(spans),
		cmocka_unit_test(strings),
		cmocka_unit_test(cells),
		cmocka_unit_test(said),
	};
	int fd = mkstemp(file), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(file);
	return failed;
}
