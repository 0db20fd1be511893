/* SPDX-License-Identifier: MIT */
/*
 * sse.c - fuzzes the cutter of server-sent events: no byte is lost or made,
 * and frames do not depend on how the bytes were cut.
 */
#include "handlers/dialect/sse.h"

#include <stdlib.h>

#include "fcgi/base/limits.h"
#include "tests/fuzz/fuzz.h"

/* All that comes out: kinds and fields in one, raw bytes in the other. */
static void
cut(struct str text, uint32_t seed, struct buf *frames, struct buf *raw)
{
	struct sse s;
	struct sse_frame f;
	struct sse_fields fields;

	sse_init(&s);
	while (text.n) {
		size_t n = seed ? fuzz_cut(&seed, text.n) : text.n;

		sse_feed(&s, str_from(text.p, n));
		while (sse_next(&s, &f)) {
			assert(f.raw.n > 0);
			buf_put(raw, f.raw);
			if (f.kind != SSE_FRAME)
				continue;
			sse_read(&s, f.raw, &fields);
			buf_printf(frames, "%d|%.*s|%.*s\n", fields.has_data,
			    STR_ARGS(fields.event), STR_ARGS(fields.data));
		}
		text = str_skip(text, n);
	}
	buf_put(raw, sse_rest(&s));
	sse_release(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf frames = BUF_HEAP(1 << 24), raw = BUF_HEAP(1 << 24);
	struct buf frames_cut = BUF_HEAP(1 << 24), raw_cut = BUF_HEAP(1 << 24);
	struct str text = str_from(data, n);

	if (n >= LIMIT_EVENT_BYTES)
		return 0;
	cut(text, 0, &frames, &raw);
	cut(text, 1, &frames_cut, &raw_cut);
	assert(str_eq(buf_str(&raw), text));
	assert(str_eq(buf_str(&raw_cut), text));
	assert(str_eq(buf_str(&frames), buf_str(&frames_cut)));
	buf_release(&frames);
	buf_release(&raw);
	buf_release(&frames_cut);
	buf_release(&raw_cut);
	return 0;
}
