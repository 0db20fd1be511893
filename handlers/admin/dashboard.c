/* SPDX-License-Identifier: MIT */
/*
 * dashboard.c - is all well, and what is going on today?
 */
#include "db/channel.h"
#include "db/ledger.h"
#include "db/rollup.h"
#include "handlers/admin/admin.h"
#include "handlers/admin/state.h"
#include "handlers/page/sums.h"

enum { TOP = 8, CHANNELS = 30, DAY_MS = 86400000 };

static int
read_by(struct page *p, unsigned by, int64_t since,
    struct rollup_line **lines)
{
	struct rollup_asked q = { .by = by, .since = since,
		.until = db_now(p->db) + 1 };

	return rollup_read(p->db, &p->arena, &q, lines);
}

static bool
put_today(struct page *p, int64_t since)
{
	struct rollup_line *lines;
	struct rollup_sums all;
	int n = read_by(p, BY_HOUR, since, &lines);

	if (n < 0)
		return false;
	all = sums_of(lines, n);
	sums_put(p, put_object(p->data, "today"), &all, true);
	sums_chart(p, "chart.sold_hours", lines, n, since, since + DAY_MS,
	    true);
	return true;
}

static bool
put_top(struct page *p, const char *name, unsigned by, int64_t since)
{
	json_t *list = put_list(p->data, name);
	struct rollup_line *lines;
	int n = read_by(p, by, since, &lines);

	if (n > 0)
		sums_sort(lines, n);
	for (int i = 0; i < n && i < TOP; i++) {
		json_t *row = put_row(list);
		const struct rollup_line *l = &lines[i];

		put_str(row, "name", by & BY_KEY ? arena_printf(&p->arena,
		    "%.*s/%.*s", STR_ARGS(l->account_name),
		    STR_ARGS(l->key_name)) : l->model_name);
		put_maybe(row, "href", by & BY_KEY ? kit_href(p,
		    "/admin/keys/%lld", (long long)l->key) : S(""));
		sums_put(p, row, &l->sums, true);
	}
	return n >= 0;
}

static bool
put_channels(struct page *p)
{
	json_t *list = put_list(p->data, "channels");
	struct channel_row *channels;
	struct states h;
	int n = channel_list(p->db, &p->arena, S(""), &channels);

	if (n < 0 || !state_look(p, &h))
		return false;
	/* Times of all of them together. */
	state_put(p, &h, put_object(p->data, "all"), 0, 0, true);
	for (int i = 0; i < n && i < CHANNELS; i++) {
		json_t *row = put_row(list);

		put_str(row, "name", channels[i].name);
		state_put(p, &h, row, channels[i].id, 0,
		    channels[i].enabled);
	}
	return true;
}

static bool
show(struct page *p)
{
	int64_t since = sums_today(p->db);
	struct str frozen = S("");

	ledger_frozen(p->db, &p->arena, &frozen);
	put_maybe(p->data, "frozen", frozen);
	put_time(p->data, "since", since);
	return (put_today(p, since) && put_top(p, "models", BY_MODEL, since) &&
	    put_top(p, "keys", BY_ACCOUNT | BY_KEY, since) &&
	    put_channels(p)) || kit_failed(p);
}

const struct leaf leaf_dashboard = {
	.template = "dashboard", .nav = "dashboard", .show = show,
};
