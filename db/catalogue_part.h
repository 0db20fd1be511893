/* SPDX-License-Identifier: MIT */
/*
 * catalogue_part.h - what loading the catalogue (catalogue.c) and asking it
 * (catalogue_ask.c) have in common: how its tables are sorted.
 */
#ifndef WEIR_CATALOGUE_PART_H
#define WEIR_CATALOGUE_PART_H

#include "db/catalogue.h"

struct catalogue_name {
	struct str name;
	const struct model *model;
	bool alias;
};

/* The first of the exact names that is not below this one. */
size_t catalogue_name_at(const struct catalogue *c, struct str name);

/* Below 0, 0, above 0: where a sale stands to one of these. */
int catalogue_sale_order(const struct sale *x, int64_t account,
    int64_t group, int64_t model);

#endif
