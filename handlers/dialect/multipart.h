/* SPDX-License-Identifier: MIT */
/*
 * multipart.h - multipart/form-data (RFC 7578) read in place, strictly.
 *
 * What several readers could read in several ways is refused, because what we
 * price must be what the upstream reads: no preamble and no epilogue, no text
 * that looks like a boundary and is none, no folded header lines, no bare LF,
 * no encodings, no names in unusual spellings.  Everything is a slice of the
 * body; a part's value is its bytes as they are.  Linear time, no memory.
 */
#ifndef WEIR_MULTIPART_H
#define WEIR_MULTIPART_H

#include <stdbool.h>

#include "fcgi/base/str.h"

enum {
	MULTIPART_BOUNDARY = 70, /* bytes of a boundary, RFC 2046 */
	MULTIPART_HEAD = 8192, /* of a part's header lines */
	MULTIPART_PARTS = 256
};

/*
 * The boundary of a content type.  NULL: it is found; else why not, for the
 * caller ("… has no boundary").
 */
const char *multipart_boundary(struct str content_type, struct str *boundary);

struct part {
	struct str name; /* of the field, as it is spelt */
	bool file; /* it has a file name */
	struct str type; /* Content-Type, or empty */
	struct str value;
};

struct multipart {
	struct str body, boundary;
	size_t at; /* of the body, read so far */
	int parts;
	const char *why; /* what is wrong, at byte `at` */
	bool ended; /* the closing boundary came */
};

/* Both must outlive the walk. */
void multipart_begin(
    struct multipart *m, struct str body, struct str boundary);

/* The next part.  False: m->why says what is wrong, NULL: it was the last. */
bool multipart_next(struct multipart *m, struct part *p);

#endif
