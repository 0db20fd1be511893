/* SPDX-License-Identifier: MIT */
/* chart.c - bars over time, as inline SVG; see chart.h. */
#include "handlers/page/chart.h"

enum { WIDE = 720, HIGH = 120, MOST = 400 };

static struct str
coordinate(struct page *p, int64_t n)
{
	return arena_int(&p->arena, n);
}

static void
put_bar(struct page *p, json_t *list, const struct bar *b, int i, int n,
    int64_t top)
{
	json_t *row = put_row(list);
	int64_t x = (int64_t)i * WIDE / n;
	int64_t next = (int64_t)(i + 1) * WIDE / n;
	int64_t h = b->value <= 0 ? 0 : (int64_t)((__int128)b->value * HIGH /
	    top);

	if (b->value > 0 && h == 0)
		h = 1;
	put_str(row, "x", coordinate(p, x + (next - x > 3)));
	put_str(row, "w", coordinate(p, next - x > 3 ? next - x - 2 :
	    next - x ? next - x : 1));
	put_str(row, "y", coordinate(p, HIGH - h));
	put_str(row, "h", coordinate(p, h));
	put_str(row, "label", b->label);
	put_str(row, "value", b->text);
}

void
chart_put(struct page *p, struct str title, const struct bar *bars, int n)
{
	int64_t top = 0;
	int highest = 0;
	json_t *chart, *list;

	if (n > MOST)
		n = MOST;
	for (int i = 0; i < n; i++)
		if (bars[i].value > top)
			top = bars[highest = i].value;
	if (top == 0) {
		put_maybe(p->data, "chart", S(""));
		return;
	}
	chart = put_object(p->data, "chart");
	put_str(chart, "chart_title", title);
	put_str(chart, "first", bars[0].label);
	put_str(chart, "last", n > 1 ? bars[n - 1].label : S(""));
	put_str(chart, "top", bars[highest].text);
	put_str(chart, "wide", coordinate(p, WIDE));
	put_str(chart, "high", coordinate(p, HIGH));
	list = put_list(chart, "bars");
	for (int i = 0; i < n; i++)
		put_bar(p, list, &bars[i], i, n, top);
}
