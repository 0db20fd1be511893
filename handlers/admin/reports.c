/* SPDX-License-Identifier: MIT */
/*
 * reports.c - sums of what was used, paid and sold, by what one asks.
 */
#include "db/rollup.h"

#include "db/account.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "handlers/admin/admin.h"
#include "handlers/page/field.h"
#include "handlers/page/sums.h"

enum { USUAL_DAYS = 30, DAY_MS = 86400000, HOURS_MOST = 4 };

static const struct { const char *name; unsigned by; } ways[] = {
	{ "day", BY_DAY }, { "hour", BY_HOUR }, { "month", BY_MONTH },
	{ "account", BY_ACCOUNT }, { "key", BY_ACCOUNT | BY_KEY },
	{ "model", BY_MODEL }, { "channel", BY_CHANNEL },
	{ "user", BY_ACCOUNT | BY_USER }, { "tag", BY_ACCOUNT | BY_TAG },
};

static unsigned
way_of(struct page *p, struct str *name)
{
	*name = kit_query(p, "by");
	for (size_t i = 0; i < countof(ways); i++)
		if (str_eq(*name, str_of(ways[i].name)))
			return ways[i].by;
	*name = S("day");
	return BY_DAY;
}

static struct str
name_of(struct page *p, const struct rollup_line *l, unsigned by)
{
	if (by & (BY_DAY | BY_MONTH | BY_HOUR)) {
		struct str at = text_time(&p->arena, l->at);

		return str_from(at.p, by & BY_HOUR ? 16 : by & BY_DAY ? 10 :
		    7);
	}
	return by & BY_KEY ? arena_printf(&p->arena, "%.*s/%.*s",
	    STR_ARGS(l->account_name), STR_ARGS(l->key_name)) :
	    by & BY_USER ? l->user : by & BY_TAG ? l->tag :
	    by & BY_MODEL ? l->model_name : by & BY_CHANNEL ?
	    l->channel_name : l->account_name;
}

static bool
wrong(struct page *p, const char *text, struct str what)
{
	put_str(p->data, "filter_wrong", kit_say(p, text, what));
	return false;
}

/* What is asked for; a filter that is not right is said, and nothing shown. */
static bool
ask(struct page *p, struct rollup_asked *q)
{
	struct str way, since = kit_query(p, "since");
	struct str until = kit_query(p, "until");
	struct str account = kit_query(p, "account");
	int64_t now = db_now(p->db);
	struct account_row c;
	int found;

	*q = (struct rollup_asked){ .by = way_of(p, &way),
	    .since = sums_today(p->db) - (USUAL_DAYS - 1) *
		(int64_t)DAY_MS, .until = now + 1 };
	put_str(p->data, "by", way);
	if (since.n && !clock_read(since, now, &q->since))
		return wrong(p, "filter.time", since);
	if (until.n && !clock_read(until, now, &q->until))
		return wrong(p, "filter.time", until);
	if (q->until <= q->since)
		return wrong(p, "filter.order", until);
	if (!account.n)
		return true;
	found = account_find(p->db, &p->arena, account, &c);
	if (found < 0)
		return kit_failed(p);
	q->account = c.id;
	return found == 1 || wrong(p, "filter.account", account);
}

/* The lines in the order in which they are shown: how many, or -1. */
static int
read_lines(struct page *p, const struct rollup_asked *q,
    struct rollup_line **lines)
{
	int n = rollup_read(p->db, &p->arena, q, lines);

	if (n > 0 && !(q->by & (BY_DAY | BY_HOUR | BY_MONTH)))
		sums_sort(*lines, n);
	return n;
}

static void
put_line(struct page *p, json_t *list, const struct rollup_line *l,
    unsigned by)
{
	json_t *row = put_row(list);

	if (by & BY_ACCOUNT && by != BY_ACCOUNT)
		put_str(row, "account", l->account_name);
	put_str(row, "name", name_of(p, l, by));
	sums_put(p, row, &l->sums, true);
}

/* p->after: how many were shown; sums are few, and read again. */
static bool
rows(struct page *p, json_t *list, int most)
{
	struct rollup_asked q;
	struct rollup_line *lines;
	int64_t at = 0;
	int n;

	str_int(p->after, &at);
	p->after = S("");
	if (!ask(p, &q))
		return json_object_get(p->data, "filter_wrong") != NULL;
	n = read_lines(p, &q, &lines);
	if (n < 0)
		return kit_failed(p);
	for (int64_t i = at < 0 ? 0 : at; i < n; i++) {
		if ((int)json_array_size(list) == most) {
			p->after = arena_int(&p->arena, i);
			break;
		}
		put_line(p, list, &lines[i], q.by);
	}
	if (!json_object_get(p->data, "total")) {
		struct rollup_sums all = sums_of(lines, n);

		sums_put(p, put_object(p->data, "total"), &all, true);
		if (q.by & (BY_DAY | BY_HOUR))
			sums_chart(p, "chart.sold", lines, n, q.since,
			    q.until, q.by & BY_HOUR);
	}
	return true;
}

static bool
show(struct page *p)
{
	static const char *const usual[] = { "filter_wrong", "chart",
		"total" };
	json_t *list = put_list(p->data, "ways");
	struct str way;

	way_of(p, &way);
	for (size_t i = 0; i < countof(ways); i++) {
		json_t *row = put_row(list);

		put_str(row, "way", str_of(ways[i].name));
		put_str(row, "label", kit_word(p, "by", str_of(ways[i].name)));
		put_bool(row, "selected", str_eq(way, str_of(ways[i].name)));
	}
	if (!kit_rows(p))
		return false;
	for (size_t i = 0; i < countof(usual); i++)
		if (!json_object_get(p->data, usual[i]))
			put_maybe(p->data, usual[i], S(""));
	return true;
}

static const char *const filters[] = { "by", "account", "since", "until",
	NULL };

const struct leaf leaf_reports = {
	.template = "reports", .nav = "reports", .show = show, .rows = rows,
	.filters = filters,
};
