/* SPDX-License-Identifier: MIT */
/* record.c - FastCGI records followed through bytes cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fcgi/base/limits.h"
#include "fcgi/record.h"

static void
put_record(struct buf *b, int type, uint16_t id, struct str content,
    unsigned padding)
{
	uint8_t head[RECORD_HEAD_BYTES];

	record_head(head, type, id, content.n);
	head[6] = (uint8_t)padding;
	buf_put(b, str_from(head, sizeof(head)));
	buf_put(b, content);
	for (unsigned i = 0; i < padding; i++)
		buf_char(b, 'x');
}

/* A request with two parameters and a body in two records. */
static struct buf
request_bytes(unsigned padding)
{
	struct buf b = BUF_HEAP(65536);

	put_record(&b, RECORD_BEGIN, 1, str_from("\0\1\1\0\0\0\0\0", 8), 0);
	put_record(&b, RECORD_PARAMS, 1, S("\x0e\x02" "CONTENT_LENGTH10"
	    "\x01\x01" "AB"), padding);
	put_record(&b, RECORD_PARAMS, 1, S(""), padding);
	put_record(&b, RECORD_STDIN, 1, S("01234"), padding);
	put_record(&b, RECORD_STDIN, 1, S("56789"), padding);
	put_record(&b, RECORD_STDIN, 1, S(""), padding);
	return b;
}

static enum record_seen
walk_in_pieces(struct str bytes, size_t piece, struct buf *params,
    size_t *body)
{
	struct record_walk w = { .params = params };
	enum record_seen seen = RECORD_MORE;
	bool params_seen = false;

	while (bytes.n) {
		size_t n = bytes.n < piece ? bytes.n : piece, used;

		seen = record_walk(&w, str_from(bytes.p, n), &used);
		bytes = str_skip(bytes, used);
		params_seen |= seen == RECORD_PARAMS_END;
		if (seen != RECORD_MORE && seen != RECORD_PARAMS_END)
			break;
	}
	if (seen == RECORD_WHOLE)
		assert_true(params_seen);
	*body = w.stdin_bytes;
	return seen;
}

static void
whole_however_it_is_cut(void **state)
{
	(void)state;
	for (unsigned padding = 0; padding <= 255; padding += 51) {
		struct buf b = request_bytes(padding);

		for (size_t piece = 1; piece <= b.n; piece++) {
			struct buf params = BUF_HEAP(LIMIT_PARAMS_BYTES);
			size_t body;

			assert_int_equal(walk_in_pieces(buf_str(&b), piece,
			    &params, &body), RECORD_WHOLE);
			assert_int_equal(body, 10);
			assert_true(str_eq(record_param(buf_str(&params),
			    S("CONTENT_LENGTH")), S("10")));
			assert_true(str_eq(record_param(buf_str(&params),
			    S("A")), S("B")));
			assert_null(record_param(buf_str(&params),
			    S("C")).p);
			buf_release(&params);
		}
		buf_release(&b);
	}
}

static void
not_whole_without_its_end(void **state)
{
	struct buf b = request_bytes(3);
	size_t body;

	(void)state;
	for (size_t n = 1; n < b.n; n++)
		assert_int_not_equal(walk_in_pieces(str_from(b.p, n), n, NULL,
		    &body), RECORD_WHOLE);
	buf_release(&b);
}

static enum record_seen
after_begin(int type, uint16_t id, struct str content)
{
	struct buf b = BUF_HEAP(65536);
	enum record_seen seen;
	size_t body;

	put_record(&b, RECORD_BEGIN, 1, str_from("\0\1\0\0\0\0\0\0", 8), 0);
	put_record(&b, type, id, content, 0);
	seen = walk_in_pieces(buf_str(&b), b.n, NULL, &body);
	buf_release(&b);
	return seen;
}

static void
refused(void **state)
{
	struct buf b = BUF_HEAP(65536);
	size_t body;

	(void)state;
	assert_int_equal(after_begin(RECORD_BEGIN, 1,
	    str_from("\0\1\0\0\0\0\0\0", 8)), RECORD_BAD);
	assert_int_equal(after_begin(RECORD_ABORT, 1, S("")), RECORD_ABORTED);
	assert_int_equal(after_begin(RECORD_PARAMS, 2, S("x")), RECORD_BAD);
	assert_int_equal(after_begin(RECORD_STDIN, 1, S("x")), RECORD_BAD);
	assert_int_equal(after_begin(77, 1, S("x")), RECORD_BAD);

	/* A role other than responder. */
	put_record(&b, RECORD_BEGIN, 1, str_from("\0\2\0\0\0\0\0\0", 8), 0);
	assert_int_equal(walk_in_pieces(buf_str(&b), b.n, NULL, &body),
	    RECORD_BAD);
	buf_clear(&b);
	/* Not FastCGI at all. */
	buf_put(&b, S("GET / HTTP/1.1\r\n\r\n"));
	assert_int_equal(walk_in_pieces(buf_str(&b), b.n, NULL, &body),
	    RECORD_BAD);
	buf_release(&b);
}

static void
large_parameters(void **state)
{
	struct buf b = BUF_HEAP(1 << 20);
	char block[4096];
	size_t body;

	(void)state;
	memset(block, 'p', sizeof(block));
	put_record(&b, RECORD_BEGIN, 1, str_from("\0\1\0\0\0\0\0\0", 8), 0);
	for (int i = 0; i < 17; i++)
		put_record(&b, RECORD_PARAMS, 1, str_from(block,
		    sizeof(block)), 0);
	assert_int_equal(walk_in_pieces(buf_str(&b), b.n, NULL, &body),
	    RECORD_PARAMS_LARGE);
	buf_release(&b);
}

static void
hostile_parameters(void **state)
{
	static const struct str texts[] = {
		STR_INIT("\x7f"), STR_INIT("\x01\x7f" "A"),
		STR_INIT("\xff\xff\xff\xff\x01" "A"),
		STR_INIT("\x80\x00\x00\x01"), STR_INIT("\x01\xff\xff"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_null(record_param(texts[i], S("A")).p);
}

static void
without_padding(void **state)
{
	struct buf padded = request_bytes(255), plain = request_bytes(0);
	struct buf out = BUF_HEAP(65536), tight = BUF_HEAP(20);
	struct record_walk w = { 0 };
	size_t used;

	(void)state;
	assert_int_equal(record_walk(&w, buf_str(&padded), &used),
	    RECORD_PARAMS_END);
	assert_true(w.padded_end);
	assert_true(record_unpad(buf_str(&padded), &out));
	assert_true(str_eq(buf_str(&out), buf_str(&plain)));
	assert_false(record_unpad(buf_str(&padded), &tight));
	buf_release(&padded);
	buf_release(&plain);
	buf_release(&out);
	buf_release(&tight);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_however_it_is_cut),
		cmocka_unit_test(not_whole_without_its_end),
		cmocka_unit_test(refused),
		cmocka_unit_test(large_parameters),
		cmocka_unit_test(hostile_parameters),
		cmocka_unit_test(without_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
