/* SPDX-License-Identifier: MIT */
/* routes.h - every URL there is; the table is routes.c. */
#ifndef WEIR_ROUTES_H
#define WEIR_ROUTES_H

#include "fcgi/dispatch.h"

extern const struct route routes[];
extern const int n_routes;

/* Other ways to some of them. */
extern const struct way ways[];
extern const int n_ways;

#endif
