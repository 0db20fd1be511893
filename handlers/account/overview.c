/* SPDX-License-Identifier: MIT */
/* overview.c - what is left, what was spent; see overview.h. */
#include "handlers/account/overview.h"

#include "db/ledger.h"
#include "db/rollup.h"
#include "handlers/page/caps.h"
#include "handlers/page/sums.h"

enum { DAYS = 30, DAY_MS = 86400000, TOP = 10 };

static int
read_by(struct page *p, unsigned by, int64_t since,
    struct rollup_line **lines)
{
	struct rollup_asked q = { .by = by, .since = since,
		.until = db_now(p->db) + 1, .account = p->who->account };

	return rollup_read(p->db, &p->arena, &q, lines);
}

static bool
put_days(struct page *p, int64_t today, int64_t since)
{
	struct rollup_line *lines;
	struct rollup_sums all, now = { 0 };
	json_t *list = put_list(p->data, "days");
	int n = read_by(p, BY_DAY, since, &lines);

	if (n < 0)
		return false;
	all = sums_of(lines, n);
	if (n && lines[n - 1].at >= today)
		now = lines[n - 1].sums;
	sums_put(p, put_object(p->data, "today"), &now, false);
	sums_put(p, put_object(p->data, "month"), &all, false);
	sums_chart(p, "chart.spent_days", lines, n, since,
	    today + DAY_MS, false);
	for (int i = n - 1; i >= 0; i--) {
		json_t *row = put_row(list);

		put_str(row, "day", str_from(text_time(&p->arena,
		    lines[i].at).p, 10));
		sums_put(p, row, &lines[i].sums, false);
	}
	return true;
}

static bool
put_models(struct page *p, int64_t since)
{
	json_t *list = put_list(p->data, "models");
	struct rollup_line *lines;
	int n = read_by(p, BY_MODEL, since, &lines);

	if (n > 0)
		sums_sort(lines, n);
	for (int i = 0; i < n && i < TOP; i++) {
		json_t *row = put_row(list);

		put_str(row, "name", lines[i].model_name);
		sums_put(p, row, &lines[i].sums, false);
	}
	return n >= 0;
}

static bool
show(struct page *p)
{
	int64_t today = sums_today(p->db), balance = 0, held = 0;
	int64_t since = today - (DAYS - 1) * (int64_t)DAY_MS;

	if (ledger_balance(p->db, p->who->account, &balance, &held) < 0)
		return kit_failed(p);
	put_str(p->data, "account", p->who->account_name);
	put_usd(p->data, "balance", balance);
	put_usd(p->data, "held", held);
	put_usd(p->data, "available", balance - held);
	return (put_days(p, today, since) && put_models(p, since) &&
	    caps_put_spent(p, CAP_ACCOUNT, p->who->account)) ||
	    kit_failed(p);
}

const struct leaf leaf_overview = {
	.template = "overview", .nav = "overview", .show = show,
};
