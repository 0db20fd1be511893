/* SPDX-License-Identifier: MIT */
/*
 * usage.h - calls: the list with its filters, and one of them with how its
 * charge came about.
 *
 * A customer sees his own, without what names an upstream or what it costs us.
 */
#ifndef WEIR_ACCOUNT_USAGE_H
#define WEIR_ACCOUNT_USAGE_H

struct leaf;

extern const struct leaf leaf_usage;	/* GET …/usage */
extern const struct leaf leaf_call;	/* GET …/usage/{} */

#endif
