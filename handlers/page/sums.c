/* SPDX-License-Identifier: MIT */
/* sums.c - sums of calls, as rows and as bars; see sums.h. */
#include "handlers/page/sums.h"

#include <stdlib.h>

#include "db/cap.h"
#include "handlers/page/chart.h"

enum { HOUR_MS = 3600000, DAY_MS = 86400000, STEPS = 370 };

int64_t
sums_today(struct db *db)
{
	int64_t starts[N_CAP_WINDOWS];

	cap_starts(db, starts);
	return starts[CAP_DAY];
}

struct rollup_sums
sums_of(const struct rollup_line *lines, int n)
{
	struct rollup_sums all = { 0 };

	for (int i = 0; i < n; i++) {
		const struct rollup_sums *s = &lines[i].sums;

		all.calls += s->calls;
		all.failed += s->failed;
		all.estimated += s->estimated;
		for (int b = 0; b < N_BUCKETS; b++)
			all.use.n[b] += s->use.n[b];
		all.charge += s->charge;
		all.cost += s->cost;
		all.list += s->list;
		all.first_n += s->first_n;
		all.first_ms += s->first_ms;
		all.total_ms += s->total_ms;
	}
	return all;
}

void
sums_put(struct page *p, json_t *row, const struct rollup_sums *s,
    bool inside)
{
	put_int(row, "calls", s->calls);
	put_int(row, "failed", s->failed);
	put_str(row, "failed_text", text_share(&p->arena, s->failed,
	    s->calls));
	put_int(row, "input", buckets_in(&s->use));
	put_int(row, "cached", s->use.n[BUCKET_CACHE_READ]);
	put_int(row, "output", buckets_out(&s->use));
	put_usd(row, "charge", s->charge);
	if (s->first_n)
		put_int(row, "first_ms", s->first_ms / s->first_n);
	else
		put_maybe(row, "first_ms", S(""));
	if (!inside)
		return;
	put_usd(row, "list", s->list);
	put_usd(row, "cost", s->cost);
	put_usd(row, "margin", s->charge - s->cost);
	put_str(row, "margin_share_text", text_share(&p->arena,
	    s->charge - s->cost, s->charge));
}

static int
by_charge(const void *a, const void *b)
{
	int64_t x = ((const struct rollup_line *)a)->sums.charge;
	int64_t y = ((const struct rollup_line *)b)->sums.charge;

	return (x < y) - (x > y);
}

void
sums_sort(struct rollup_line *lines, int n)
{
	if (n > 1)
		qsort(lines, (size_t)n, sizeof(*lines), by_charge);
}

/* A day may have 23 or 25 hours: the lines say when one begins, and where
 * nothing was called a bar is one that is empty. */
void
sums_chart(struct page *p, const char *title,
    const struct rollup_line *lines, int n, int64_t since, int64_t until,
    bool hours)
{
	int64_t step = hours ? HOUR_MS : DAY_MS;
	int64_t steps = (until - since + step - 1) / step;
	struct bar *bars;

	if (steps < 1 || steps > STEPS) {
		put_maybe(p->data, "chart", S(""));
		return;
	}
	bars = arena_zero(&p->arena, sizeof(*bars) * (size_t)steps);
	for (int64_t i = 0; i < steps; i++) {
		struct str at = text_time(&p->arena, since + i * step);

		bars[i].label = hours ? str_from(at.p + 11, 5) :
		    str_from(at.p, 10);
		bars[i].text = S("0.00");
	}
	for (int i = 0; i < n; i++) {
		int64_t k = (lines[i].at - since + step / 2) / step;

		if (lines[i].at < since - step / 2 || k >= steps)
			continue;
		bars[k].value += lines[i].sums.charge;
		bars[k].text = text_usd(&p->arena, bars[k].value);
	}
	chart_put(p, kit_say(p, title), bars, (int)steps);
}
