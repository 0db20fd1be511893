/* SPDX-License-Identifier: MIT */
/*
 * body_edit.h - the last edits of a request: members left out and set.
 *
 * Works on the text of a JSON object and touches nothing but the members it
 * is told: all else stays as it was spelt and where it stood.
 */
#ifndef WEIR_BODY_EDIT_H
#define WEIR_BODY_EDIT_H

#include <stdbool.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

/* One after another: drop, then set.  A member that is there gets its new
 * value in its place, another stands at the end.  Names are met as dialects
 * meet them: unescaped, in any case; one that is set is then spelt as here, and
 * stands once. */
struct body_edit {
	struct str drop;		/* names: "a b"; of the top object */
	struct str set;			/* a JSON object, or empty */
};

enum { BODY_EDIT_MOST = 64 };		/* members of drop, and of set */

/* Is there anything to do? */
static inline bool
body_edit_any(const struct body_edit *e)
{
	return e->drop.n || e->set.n;
}

/* The name by which a member (its raw name) is dropped, or empty. */
struct str body_edit_drops(const struct body_edit *e, struct str name);

/* So many bytes it has then, at most. */
static inline size_t
body_edit_most(struct str body, const struct body_edit *e)
{
	return body.n + e->set.n + 2;
}

/* Appends body, a JSON object that was checked, with the edits.  False: out
 * is full. */
bool body_edit(struct str body, const struct body_edit *e, struct buf *out);

/* May an operator drop or set this member?  Those that choose the model, the
 * answer's form or what is paid are weir's to write. */
bool body_edit_allowed(struct str name);

#endif
