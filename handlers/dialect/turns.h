/* SPDX-License-Identifier: MIT */
/* turns.h - a conversation's turns as user and model, one after the other. */
#ifndef WEIR_TURNS_H
#define WEIR_TURNS_H

#include "handlers/dialect/neutral.h"

/*
 * The turns as such an API takes them: roles in turns, the first the user's,
 * all results of a turn's calls first in the next one, nothing blank.  The
 * list is in the arena, its blocks are copies.  False: *f.
 */
bool turns_alternate(struct arena *a, const struct neutral *n,
    const struct target *t, struct turn **list, size_t *count,
    struct fault *f);

#endif
