/* SPDX-License-Identifier: MIT */
/*
 * multipart.c - fuzzes the reader of forms: what it accepts is made of its
 * parts and their boundaries alone, in their order; the first line of the
 * input is the content type, if it is none it is a boundary.
 */
#include "handlers/dialect/multipart.h"

#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct str body = str_from(data, n), rest = body, boundary, b;
	struct str line = str_cut(&rest, '\n');
	struct multipart m;
	struct part p;
	const char *end = body.p;
	bool closed;

	if (!multipart_boundary(line, &boundary)) {
		assert(boundary.n >= 1 && boundary.n <= MULTIPART_BOUNDARY);
		body = rest;
	} else {
		boundary = str_trim(str_skip(line, 2));
	}
	if (boundary.n == 0 || boundary.n > MULTIPART_BOUNDARY)
		return 0;
	end = body.p;
	multipart_begin(&m, body, boundary);
	while (multipart_next(&m, &p)) {
		assert(p.name.n > 0 && p.name.p > end);
		assert(p.value.p > p.name.p);
		assert(p.value.p + p.value.n <= body.p + body.n);
		/* Its boundary stands behind it, and not in it. */
		b = str_skip(str_from(p.value.p,
		    (size_t)(body.p + body.n - p.value.p)), p.value.n);
		assert(str_starts(b, S("\r\n--")));
		assert(str_starts(str_skip(b, 4), boundary));
		end = p.value.p + p.value.n;
	}
	closed = m.ended;
	assert(m.at <= body.n);
	assert(m.why || closed);
	assert(!multipart_next(&m, &p));
	return 0;
}
