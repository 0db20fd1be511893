/* SPDX-License-Identifier: MIT */
/*
 * rewrite.h - a request's text written anew with a few of its parts changed;
 * only the dialects include it.
 *
 * What does not change is copied as it is spelt.
 */
#ifndef WEIR_REWRITE_H
#define WEIR_REWRITE_H

#include "fcgi/base/json.h"
#include "handlers/dialect/envelope.h"

struct rewriting {
	struct arena *arena;
	const struct envelope_key *key;	/* NULL: thoughts are cut */
	struct buf *out;
};

/* The list with what `put` writes of its elements; false of one: it is left
 * out.  Returns how many stay. */
size_t rewrite_list(struct rewriting *w, struct str list,
    bool (*put)(struct rewriting *w, struct str value));

/* A member's name, behind the one before it. */
void rewrite_name(struct rewriting *w, const struct json_each *m,
    bool *first);

/* What is in a string between its quotes; of anything else: nothing. */
struct str rewrite_inside(struct str value);

#endif
