/* SPDX-License-Identifier: MIT */
/*
 * chart.h - bars over time, as inline SVG; www/chart.html draws them.
 *
 * A picture of a table that stands beside it, never the only place of a
 * figure.
 */
#ifndef WEIR_PAGE_CHART_H
#define WEIR_PAGE_CHART_H

#include "handlers/page/kit.h"

struct bar {
	struct str label, text;		/* "14:00", "1.23": what it says */
	int64_t value;			/* in any unit; below 0 is 0 */
};

/* The object "chart" of p->data, or null where there is nothing to see. */
void chart_put(struct page *p, struct str title, const struct bar *bars,
    int n);

#endif
