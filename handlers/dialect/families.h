/* SPDX-License-Identifier: MIT */
/*
 * families.h - what models can do that are known by name.
 *
 * A translation must know some things of the model it is for: how it takes
 * its limit, whether it takes a temperature, how it is told to think.  What
 * is known of families of models stands in one table, as of August 2026; a
 * model that is not in it gets what every compatible server takes.
 */
#ifndef WEIR_FAMILIES_H
#define WEIR_FAMILIES_H

#include "handlers/dialect/neutral.h"

/* By the upstream's name of the model; its name is set, max_output is not. */
struct target family_target(struct str model);

#endif
