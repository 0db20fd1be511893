/* SPDX-License-Identifier: MIT */
/*
 * tokens.c - the estimate against its plain definition, cut anywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/tokens.h"

static uint64_t seed = 4711;

static uint32_t
dice(uint32_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % sides;
}

/* The definition, a character at a time: the kind of each, 'L' 'D' 'C' 'O'
 * 'S' (a space) or 'W' (an emoji), as a string. */
static int64_t
plainly(const char *kinds)
{
	int64_t milli = 0;

	for (size_t i = 0, n; kinds[i]; i += n) {
		for (n = 1; kinds[i + n] == kinds[i]; n++)
			continue;
		switch (kinds[i]) {
		case 'L':
			milli += 1000 + (n > 7 ? 222 * (int64_t)(n - 7) : 0);
			break;
		case 'D':
			milli += 1000 * (int64_t)((n + 2) / 3);
			break;
		case 'C':
			milli += 720 * (int64_t)n;
			break;
		case 'W':
			milli += 4 * 385 * (int64_t)n;
			break;
		case 'S':
			milli +=
			    385 * (int64_t)(n - (kinds[i + n] == 'L' ? 1 : 0));
			break;
		default:
			milli += 385 * (int64_t)n;
		}
	}
	return milli;
}

static const struct {
	char kind;
	const char *text;
} letters[] = {
	{ 'L', "a" },
	{ 'L', "z" },
	{ 'L', "A" },
	{ 'L', "Z" },
	{ 'L', "q" },
	{ 'L', "\xc3\xa9" },
	{ 'L', "\xc5\xbe" },
	{ 'D', "0" },
	{ 'D', "9" },
	{ 'D', "5" },
	{ 'S', " " },
	{ 'O', "\n" },
	{ 'O', "@" },
	{ 'O', "[" },
	{ 'O', "`" },
	{ 'O', "{" },
	{ 'O', "/" },
	{ 'O', ":" },
	{ 'O', "\"" },
	{ 'O', "\\" },
	{ 'O', "\x01" },
	{ 'O', "\x7f" },
	{ 'O', "\xd0\x96" },
	{ 'O', "\xe2\x82\xac" },
	{ 'C', "\xe6\xbc\xa2" },
	{ 'C', "\xed\x95\x9c" },
	{ 'W', "\xf0\x9f\x98\x80" },
};

/* Runs of the same kind, as texts have them. */
static void
make_text(struct buf *text, struct buf *kinds)
{
	uint32_t n = dice(30);

	buf_clear(text);
	buf_clear(kinds);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t one = dice(countof(letters));
		uint32_t times = dice(8) ? 1 + dice(9) : 1 + dice(150);

		if (dice(4) == 0)
			one = dice(2) ? 10 : dice(5);
		for (uint32_t k = 0; k < times; k++) {
			buf_put(text, str_of(letters[one].text));
			buf_char(kinds, letters[one].kind);
		}
	}
}

static void
as_defined(void **state)
{
	struct buf text = BUF_HEAP(1 << 20), kinds = BUF_HEAP(1 << 20);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		make_text(&text, &kinds);
		assert_true(
		    tokens_milli(buf_str(&text)) == plainly(buf_text(&kinds)));
	}
	buf_release(&text);
	buf_release(&kinds);
}

/* Never in the middle of a character. */
static size_t
cut_at(struct str s, size_t at)
{
	while (at < s.n && ((unsigned char)s.p[at] & 0xc0) == 0x80)
		at++;
	return at < s.n ? at : s.n;
}

static void
in_pieces(void **state)
{
	struct buf text = BUF_HEAP(1 << 20), kinds = BUF_HEAP(1 << 20);

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct token_count c = { 0 };

		make_text(&text, &kinds);
		for (struct str s = buf_str(&text); s.n;) {
			size_t n = cut_at(s, 1 + dice(i % 2 ? 4 : 90));

			tokens_add(&c, str_from(s.p, n));
			s = str_skip(s, n);
		}
		assert_true(c.milli == tokens_milli(buf_str(&text)));
	}
	buf_release(&text);
	buf_release(&kinds);
}

/* The raw inside of a JSON string counts as what it means. */
static void
raw_strings(void **state)
{
	struct buf text = BUF_HEAP(1 << 20), kinds = BUF_HEAP(1 << 20);
	struct buf json = BUF_HEAP(1 << 20);

	(void)state;
	for (int i = 0; i < 5000; i++) {
		make_text(&text, &kinds);
		buf_clear(&json);
		buf_json(&json, buf_str(&text));
		assert_true(tokens_string_milli(buf_str(&json)) ==
		    tokens_milli(buf_str(&text)));
	}
	assert_true(
	    tokens_string_milli(S("\"\\u0061\\u00e9\\ud83d\\ude00\"")) ==
	    tokens_milli(S("a\xc3\xa9\xf0\x9f\x98\x80")));
	assert_int_equal(tokens_string_milli(S("12")), 0);
	assert_int_equal(tokens_string_milli(S("")), 0);
	buf_release(&text);
	buf_release(&kinds);
	buf_release(&json);
}

static void
values(void **state)
{
	struct token_count loose = { 0 }, tight = { 0 };

	(void)state;
	tokens_add_value(
	    &loose, S("{ \"type\" : \"object\",\n\t\"a\\\"b\": [ 1, 2 ] }"));
	tokens_add_value(&tight, S("{\"type\":\"object\",\"a\\\"b\":[1,2]}"));
	assert_true(loose.milli == tight.milli);
	assert_true(tight.milli ==
	    tokens_milli(S("{\"type\":\"object\",\"a\"b\":[1,2]}")));
	struct token_count open = { 0 };
	tokens_add_value(&open, S("{\"a\":\"x\\"));
	assert_true(open.milli > 0);
}

static void
known_texts(void **state)
{
	struct token_count c = { 0 };

	(void)state;
	assert_int_equal(tokens_milli(S("")), 0);
	assert_int_equal(tokens_milli(S("word")), 1000);
	assert_int_equal(tokens_milli(S(" seventy")), 1000);
	assert_int_equal(tokens_milli(S("eighteen")), 1222);
	assert_int_equal(tokens_milli(S("1234")), 2000);
	assert_int_equal(tokens_milli(S(" 12")), 1385);
	assert_int_equal(tokens_milli(S("\xe6\xbc\xa2\xe5\xad\x97")), 1440);
	/* Ten tokens in the vocabularies of 2023 and 2024. */
	assert_in_range(
	    tokens_milli(S("The quick brown fox jumps over the lazy dog.")),
	    8500, 11500);
	tokens_add(&c, S("foo"));
	tokens_cut(&c);
	tokens_add(&c, S("bar"));
	assert_int_equal(c.milli, 2000);
}

/* Any bytes: no harm, no negative count. */
static void
any_bytes(void **state)
{
	static const char some[] = "\\u\"a ";
	char bytes[200];

	(void)state;
	for (int i = 0; i < 50000; i++) {
		size_t n = dice(sizeof(bytes));
		struct token_count c = { 0 };
		char *p;

		for (size_t k = 0; k < n; k++)
			bytes[k] = dice(3) ? (char)dice(256) : some[dice(5)];
		p = malloc(n + 1);
		memcpy(p, bytes, n);
		p = realloc(p, n ? n : 1);
		tokens_add(&c, str_from(p, n));
		tokens_add_raw(&c, str_from(p, n));
		tokens_add_value(&c, str_from(p, n));
		assert_true(c.milli >= 0 && c.milli < 1000000);
		free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_defined),
		cmocka_unit_test(in_pieces),
		cmocka_unit_test(raw_strings),
		cmocka_unit_test(values),
		cmocka_unit_test(known_texts),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
