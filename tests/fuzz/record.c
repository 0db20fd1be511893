/* SPDX-License-Identifier: MIT */
/*
 * record.c - fuzzes the walk over FastCGI records: it ends with the same
 * verdict and the same parameters however the bytes are cut, and parameters
 * are found inside what was collected.
 */
#include "fcgi/record.h"

#include "fcgi/base/limits.h"
#include "tests/fuzz/fuzz.h"

static enum record_seen
walk(struct str text, uint32_t seed, struct buf *params, size_t *at)
{
	struct record_walk w = { .params = params };
	enum record_seen seen = RECORD_MORE;
	size_t used;

	for (*at = 0; text.n; text = str_skip(text, used), *at += used) {
		size_t n = seed ? fuzz_cut(&seed, text.n) : text.n;

		seen = record_walk(&w, str_from(text.p, n), &used);
		assert(used <= n);
		assert(w.params_bytes <= LIMIT_PARAMS_BYTES ||
		    seen == RECORD_PARAMS_LARGE);
		if (seen == RECORD_MORE)
			assert(used == n);
		else if (seen != RECORD_PARAMS_END)
			break;
	}
	return seen == RECORD_PARAMS_END ? RECORD_MORE : seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf whole = BUF_HEAP(LIMIT_PARAMS_BYTES);
	struct buf cut = BUF_HEAP(LIMIT_PARAMS_BYTES);
	struct str text = str_from(data, n), value;
	enum record_seen seen;
	size_t at, at_cut;

	seen = walk(text, 0, &whole, &at);
	assert(seen == walk(text, 1, &cut, &at_cut));
	/* Nobody reads the parameters of what is refused. */
	if (seen != RECORD_BAD && seen != RECORD_PARAMS_LARGE)
		assert(str_eq(buf_str(&whole), buf_str(&cut)));
	value = record_param(buf_str(&whole), S("REQUEST_URI"));
	assert(value.n <= whole.n);
	/* Foreign bytes as the content of PARAMS, too. */
	value = record_param(text, S("A"));
	assert(!value.p || value.n < n);
	buf_release(&whole);
	buf_release(&cut);
	return 0;
}
