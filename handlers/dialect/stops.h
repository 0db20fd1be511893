/* SPDX-License-Identifier: MIT */
/*
 * stops.h - stop sequences for an upstream that knows none.
 *
 * The text of an answer is looked through as it comes: what may be the
 * beginning of a sequence is held back, and from the first one that is whole
 * nothing goes on.  Texts are raw; they are compared as what they mean.
 */
#ifndef WEIR_STOPS_H
#define WEIR_STOPS_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

/* STOPS_MOST: as many as a neutral request holds. */
enum { STOPS_MOST = 16, STOPS_BYTES = 1024 };

struct stops {
	const struct str *list;	/* raw, as they were asked for */
	struct str plain[STOPS_MOST];
	size_t n;
	bool met;		/* one came: */
	size_t which;
	/* What is held: as it was spelt, and what it means. */
	struct buf raw, text;
};

/* Borrows the list.  Those longer than STOPS_BYTES are never met. */
void stops_init(struct stops *s, struct arena *a, const struct str *list,
    size_t n);

/* More of the text, cut anywhere but in an escape; gives what is certain. */
void stops_feed(struct stops *s, struct str raw,
    void (*give)(void *arg, struct str raw), void *arg);

/* Nothing follows: gives what was held. */
void stops_end(struct stops *s, void (*give)(void *arg, struct str raw),
    void *arg);

#endif
