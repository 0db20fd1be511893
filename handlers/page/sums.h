/* SPDX-License-Identifier: MIT */
/*
 * sums.h - what reports, the dashboard and a customer's overview share: sums
 * of calls as rows and as bars over time.
 */
#ifndef WEIR_PAGE_SUMS_H
#define WEIR_PAGE_SUMS_H

#include "db/rollup.h"
#include "handlers/page/kit.h"

/* When today began, in site.time_zone. */
int64_t sums_today(struct db *db);

/* All of some lines together. */
struct rollup_sums sums_of(const struct rollup_line *lines, int n);

/* calls, failed, input, cached, output, charge, first_ms; with `inside` also
 * list, cost, margin, and margin_share_text. */
void sums_put(struct page *p, json_t *row, const struct rollup_sums *s,
    bool inside);

/* The dearest n first. */
void sums_sort(struct rollup_line *lines, int n);

/*
 * A bar for each step (an hour, else a day) from since to until, with what was
 * charged in it: p->data's "chart".  The lines are in order of time.
 */
void sums_chart(struct page *p, const char *title,
    const struct rollup_line *lines, int n, int64_t since, int64_t until,
    bool hours);

#endif
