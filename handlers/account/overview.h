/* SPDX-License-Identifier: MIT */
/* overview.h - a customer's first page: what is left, what was spent. */
#ifndef WEIR_ACCOUNT_OVERVIEW_H
#define WEIR_ACCOUNT_OVERVIEW_H

struct leaf;

extern const struct leaf leaf_overview;		/* GET /account */

#endif
