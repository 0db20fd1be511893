/* SPDX-License-Identifier: MIT */
/*
 * sse.c - frames of known streams, cut at every byte; large frames in parts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/dialect/sse.h"

static const struct {
	const char *text;
	const char *frames; /* event|data; of each whole frame, - for none */
	const char *rest;
} streams[] = {
	{ "data: a\n\ndata: b\n\n", "|a;|b;", "" },
	{ "data: a\r\n\r\ndata: b\r\n\r\n", "|a;|b;", "" },
	{ "data: a\r\rdata: b\r\r", "|a;|b;", "" },
	{ "data: a\r\n\ndata: b\n\r\n", "|a;|b;", "" },
	{ "data: a\n\r\ndata: b\r\r\n", "|a;|b;", "" },
	{ "data:a\n\ndata:  b\n\ndata\n\ndata:\n\n", "|a;| b;|;|;", "" },
	{ "event: x\ndata: 1\n\n", "x|1;", "" },
	{ "data: 1\nevent:x\nevent: y\n\n", "y|1;", "" },
	{ ": ping\n\ndata: 1\n\n", "-;|1;", "" },
	{ ": ping\r\n\r\n:\n\n", "-;-;", "" },
	{ "data: 1\n: c\ndata: 2\nid: 7\nretry: 9\n\n", "|1\n2;", "" },
	{ "data: 1\r\ndata: 2\r\ndata:\r\n\r\n", "|1\n2\n;", "" },
	{ "\n\n\r\n\rdata: 1\n\n", "-;-;-;-;|1;", "" },
	{ "\xef\xbb\xbf"
	  "data: 1\n\n",
	    "|1;", "" },
	{ "event: only\n\n", "only|-;", "" },
	{ "data: a\n\ndata: [DONE]", "|a;", "data: [DONE]" },
	{ "data: a\n", "", "data: a\n" },
	{ "data: a\r\n", "", "data: a\r\n" },
	{ "dat: a\n\nxdata: b\n\n", "-;-;", "" },
	{ "data: \xc3\xa9\xe6\xbc\xa2\n\n", "|\xc3\xa9\xe6\xbc\xa2;", "" },
};

/* What came out, written down. */
struct seen {
	struct buf frames, bytes;
	bool parts;
};

static void
take(struct sse *s, struct str piece, struct seen *out)
{
	struct sse_frame f;
	struct sse_fields fields;
	char *p = malloc(piece.n ? piece.n : 1);

	memcpy(p, piece.p, piece.n);
	sse_feed(s, str_from(p, piece.n));
	while (sse_next(s, &f)) {
		assert_true(f.raw.n > 0);
		buf_put(&out->bytes, f.raw);
		if (f.kind == SSE_TAIL) {
			assert_true(str_eq(f.raw, S("\n")));
			continue;
		}
		if (f.kind != SSE_FRAME) {
			out->parts = true;
			continue;
		}
		sse_read(s, f.raw, &fields);
		if (fields.event.n || fields.has_data) {
			buf_put(&out->frames, fields.event);
			buf_char(&out->frames, '|');
		}
		if (fields.has_data)
			buf_put(&out->frames, fields.data);
		else
			buf_char(&out->frames, '-');
		buf_char(&out->frames, ';');
	}
	free(p);
}

static void
cut_and_compare(size_t i, size_t cut, size_t step)
{
	struct seen out = { BUF_HEAP(4096), BUF_HEAP(4096), false };
	struct str text = str_of(streams[i].text);
	struct sse s;

	sse_init(&s);
	take(&s, str_from(text.p, cut), &out);
	for (size_t at = cut; at < text.n; at += step)
		take(&s,
		    str_from(
			text.p + at, text.n - at < step ? text.n - at : step),
		    &out);
	assert_string_equal(buf_text(&out.frames), streams[i].frames);
	assert_true(str_eq(sse_rest(&s), str_of(streams[i].rest)));
	buf_put(&out.bytes, sse_rest(&s));
	assert_true(str_eq(buf_str(&out.bytes), text));
	assert_false(out.parts);
	sse_release(&s);
	buf_release(&out.frames);
	buf_release(&out.bytes);
}

static void
cut_anywhere(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(streams); i++)
		for (size_t cut = 0; cut <= strlen(streams[i].text); cut++) {
			cut_and_compare(i, cut, 4096);
			cut_and_compare(i, cut, 1);
			cut_and_compare(i, cut, 2);
		}
}

/* faults.md U18: memory stays, bytes pass, the next frame is read again. */
static void
large_frame(size_t bytes, size_t step, bool parts)
{
	struct buf text = BUF_HEAP(8 << 20);
	struct seen out = { BUF_HEAP(8 << 20), BUF_HEAP(8 << 20), false };
	struct sse s;
	size_t room = 0;

	buf_put(&text, S("data: a\n\ndata: "));
	memset(buf_room(&text, bytes), 'x', bytes);
	text.n += bytes;
	buf_put(&text, S("\r\n\r\ndata: b\n\n"));
	sse_init(&s);
	for (size_t at = 0; at < text.n; at += step) {
		take(&s,
		    str_from(
			text.p + at, text.n - at < step ? text.n - at : step),
		    &out);
		room = s.kept.room > room ? s.kept.room : room;
	}
	assert_true(room <= LIMIT_EVENT_BYTES + 1);
	assert_true(str_eq(buf_str(&out.bytes), buf_str(&text)));
	assert_int_equal(out.parts, parts);
	if (parts)
		assert_string_equal(buf_text(&out.frames), "|a;|b;");
	else
		assert_int_equal(out.frames.n, bytes + 8);
	sse_release(&s);
	buf_release(&text);
	buf_release(&out.frames);
	buf_release(&out.bytes);
}

static void
large_frames(void **state)
{
	/* "data: ", the first CRLF and a CR count, the last LF does not. */
	size_t fits = LIMIT_EVENT_BYTES - 1 - 6 - 2 - 1;
	static const size_t steps[] = { 1, 7, 4096, 65536, 300000, 8 << 20 };

	(void)state;
	for (size_t i = 0; i < countof(steps); i++) {
		large_frame(fits, steps[i], false);
		large_frame(fits + 1, steps[i], true);
		large_frame(fits + 2, steps[i], true);
		large_frame(1 << 20, steps[i], true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(large_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
