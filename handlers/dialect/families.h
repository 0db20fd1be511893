/* SPDX-License-Identifier: MIT */
/*
 * families.h - what models can do that are known by name.
 *
 * A translation must know some things of the model it is for: how it takes
 * its limit, whether it takes a temperature, how it is told to reason.  What
 * is known of families of models stands in one table, as of August 2026; a
 * model that is not in it gets what every compatible server takes.
 */
#ifndef WEIR_FAMILIES_H
#define WEIR_FAMILIES_H

#include "handlers/dialect/neutral.h"

/* What is known of it, a list as capability.h has them; empty: nothing.  By
 * the upstream's name of the model. */
struct str family_list(struct str model);

/* One after another: the beginning of the names and the list; empty: there
 * are no more. */
struct str family_at(size_t i, struct str *list);

#endif
