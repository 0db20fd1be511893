/* SPDX-License-Identifier: MIT */
/*
 * money.h - amounts: int64 nano-dollars (1e-9 USD), never a double.
 */
#ifndef WEIR_MONEY_H
#define WEIR_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

#define NANO	((int64_t)1000000000)
#define PPM	((int64_t)1000000)
#define MONEY_MAX (INT64_MAX / 4)	/* amounts beyond it are refused */

/*
 * Reads decimal USD ("5", "0.15", "-2.50"): at most 9 decimals, no
 * exponent, no '+', within MONEY_MAX.  False leaves *nano alone.
 */
bool money_read(struct str s, int64_t *nano);

/* The same for a share: "0.34", "1.00" -> ppm; at most 6 places, >= 0. */
bool share_read(struct str s, int64_t *ppm);

/*
 * Reads a JSON number ("15", "0.15", "1.5e-07") in whole parts of 10^-places,
 * the nearest one.  False: it is no number from 0 to most of them.
 */
bool number_read(struct str s, int places, int64_t most, int64_t *parts);

/* "0.000021", "10", "-2.5": shortest exact decimal. */
struct str money_text(struct arena *a, int64_t nano);
struct str share_text(struct arena *a, int64_t ppm);

/* Sums that stop the program instead of wrapping. */
int64_t money_add(int64_t a, int64_t b);

#endif
