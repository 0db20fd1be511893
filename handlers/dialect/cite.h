/* SPDX-License-Identifier: MIT */
/*
 * cite.h - where an answer says that it has something from a page.
 *
 * Dialects count places in a text in ways of their own: characters of the
 * whole answer, bytes of a part, or not at all.  In events (neutral.h) they
 * are code points of the block that is open; here is what counts and turns
 * them.  A raw text is the inside of a JSON string, as it was spelt.
 */
#ifndef WEIR_CITE_H
#define WEIR_CITE_H

#include "handlers/dialect/neutral.h"

/* Code points of a raw text; a pair of surrogates is one. */
int64_t cite_points(struct str raw);

/* How many code points the first bytes of it are, unescaped, as UTF-8; and
 * how many bytes the first points. */
int64_t cite_points_of(struct str raw, int64_t bytes);
int64_t cite_bytes_of(struct str raw, int64_t points);

/* The points from `from` up to `to` of it, within what there is. */
struct str cite_slice(struct str raw, int64_t from, int64_t to);

/* Inside a block of so many points that begins at base of the answer. */
void cite_within(struct cite *c, int64_t base, int64_t points);

/*
 * OpenAI's way, alike in both of its APIs but for one more object around it:
 * "url", "title", "start_index", "end_index" of this object.  False: it has no
 * url.  Slices of the object.
 */
bool cite_read(struct str object, struct cite *c);

/* The same members, without braces; places are moved by base. */
void cite_write(struct buf *out, const struct cite *c, int64_t base);

#endif
