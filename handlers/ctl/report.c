/* SPDX-License-Identifier: MIT */
/*
 * report.c - weirctl report: sums of what was used, paid and sold.
 *
 * Reads the sums that are kept by hours (db/rollup.h), never the calls.
 */
#include "db/account.h"
#include "db/catalogue.h"
#include "db/money.h"
#include "db/rollup.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

enum { USUAL_DAYS = 30, PER_CENT = 100, TENTHS = 1000 };

/* What lines can be told apart by, in the order of their columns. */
static const struct {
	const char *name;
	enum rollup_by bit;
} dimensions[] = {
	{ "hour", BY_HOUR }, { "day", BY_DAY }, { "month", BY_MONTH },
	{ "account", BY_ACCOUNT }, { "project", BY_PROJECT },
	{ "key", BY_KEY }, { "model", BY_MODEL }, { "channel", BY_CHANNEL },
	{ "user", BY_USER }, { "tag", BY_TAG },
};

struct reporting {
	struct rollup_asked q;
	bool spread, csv;
	struct rollup_line *lines;
	int n;
};

/* --- one line ------------------------------------------------------------- */

static struct str
name_in(const struct rollup_line *l, enum rollup_by bit)
{
	switch (bit) {
	case BY_ACCOUNT:
		return l->account_name;
	case BY_PROJECT:
		return l->project_name;
	case BY_KEY:
		return l->key_name;
	case BY_MODEL:
		return l->model_name;
	case BY_CHANNEL:
		return l->channel_name;
	case BY_USER:
		return l->user;
	case BY_TAG:
		return l->tag;
	default:
		return S("");
	}
}

static bool
is_time(enum rollup_by bit)
{
	return bit == BY_HOUR || bit == BY_DAY || bit == BY_MONTH;
}

static void
put_usage(struct buf *b, const struct rollup_sums *s)
{
	out_int(b, "calls", s->calls);
	out_int(b, "failed", s->failed);
	out_int(b, "estimated", s->estimated);
	for (int i = 0; i < N_BUCKETS; i++)
		out_int(b, bucket_names[i], s->use.n[i]);
	out_int(b, "charge", s->charge);
	out_member(b, "first_ms");
	if (s->first_n)
		buf_int(b, s->first_ms / s->first_n);
	else
		buf_put(b, S("null"));
	out_member(b, "total_ms");
	if (s->calls)
		buf_int(b, s->total_ms / s->calls);
	else
		buf_put(b, S("null"));
}

static void
put_spread(struct buf *b, const struct rollup_sums *s)
{
	out_int(b, "calls", s->calls);
	out_int(b, "list", s->list);
	out_int(b, "paid", s->cost);
	out_int(b, "sold", s->charge);
	out_int(b, "margin", s->charge - s->cost);
}

static void
line_json(struct buf *b, const struct reporting *r,
    const struct rollup_line *l)
{
	buf_char(b, '{');
	for (size_t i = 0; i < countof(dimensions); i++) {
		if (!(r->q.by & dimensions[i].bit))
			continue;
		if (is_time(dimensions[i].bit))
			out_time(b, dimensions[i].name, l->at);
		else
			out_str(b, dimensions[i].name,
			    name_in(l, dimensions[i].bit));
	}
	if (r->spread)
		put_spread(b, &l->sums);
	else
		put_usage(b, &l->sums);
	buf_char(b, '}');
}

/* --- tables --------------------------------------------------------------- */

static struct str
number(struct arena *a, int64_t n)
{
	return arena_printf(a, "%lld", (long long)n);
}

/* "12.5 %" of what was sold. */
static struct str
share(struct arena *a, int64_t part, int64_t whole)
{
	__int128 tenths;

	if (whole == 0)
		return S("-");
	tenths = (__int128)part * TENTHS / whole;
	return arena_printf(a, "%s%lld.%lld %%", tenths < 0 ? "-" : "",
	    (long long)(tenths < 0 ? -tenths : tenths) / 10,
	    (long long)(tenths < 0 ? -tenths : tenths) % 10);
}

static void
table_sums(struct table *t, const struct reporting *r,
    const struct rollup_sums *s)
{
	struct arena *a = t->arena;

	table_add(t, number(a, s->calls));
	if (r->spread) {
		table_add(t, money_text(a, s->list));
		table_add(t, money_text(a, s->cost));
		table_add(t, money_text(a, s->charge));
		table_add(t, money_text(a, s->charge - s->cost));
		table_add(t, share(a, s->charge - s->cost, s->charge));
		return;
	}
	table_add(t, number(a, s->failed));
	table_add(t, number(a, buckets_in(&s->use)));
	table_add(t, number(a, s->use.n[BUCKET_CACHE_READ]));
	table_add(t, number(a, buckets_out(&s->use)));
	table_add(t, s->first_n ? number(a, s->first_ms / s->first_n) :
	    S("-"));
	table_add(t, money_text(a, s->charge));
}

static void
table_head(struct table *t, const struct reporting *r)
{
	static const char *const usage[] = { "calls", "failed", "in",
		"cached", "out", "first ms", "USD", NULL };
	static const char *const spread[] = { "calls", "list", "paid", "sold",
		"margin", "of it", NULL };
	const char *const *heads = r->spread ? spread : usage;

	for (size_t i = 0; i < countof(dimensions); i++)
		if (r->q.by & dimensions[i].bit)
			table_add(t, str_of(dimensions[i].name));
	for (; *heads; heads++) {
		t->right |= 1u << t->n;
		table_add(t, str_of(*heads));
	}
	t->columns = t->n;
}

static void
table_line(struct table *t, const struct reporting *r,
    const struct rollup_line *l)
{
	for (size_t i = 0; i < countof(dimensions); i++) {
		if (!(r->q.by & dimensions[i].bit))
			continue;
		if (is_time(dimensions[i].bit))
			table_add(t, time_short(t->arena, l->at));
		else
			table_add(t, name_in(l, dimensions[i].bit));
	}
	table_sums(t, r, &l->sums);
}

/* --- the commands --------------------------------------------------------- */

static void
tell(struct ctl *c, const struct reporting *r)
{
	struct buf b = BUF_HEAP((size_t)1 << 30);
	struct table t = { .arena = &c->arena };

	if (!c->json && !r->csv) {
		table_head(&t, r);
		for (int i = 0; i < r->n; i++)
			table_line(&t, r, &r->lines[i]);
		if (r->n)
			table_print(&t);
		else
			printf("no calls\n");
		return;
	}
	if (c->json)
		buf_char(&b, '[');
	for (int i = 0; i < r->n; i++) {
		struct buf line = BUF(&c->arena, 1 << 16);

		line_json(&line, r, &r->lines[i]);
		if (r->csv && i == 0)
			csv_line(&c->arena, &b, buf_str(&line), true);
		if (r->csv) {
			csv_line(&c->arena, &b, buf_str(&line), false);
		} else {
			buf_put(&b, i ? S(",\n ") : S(""));
			buf_put(&b, buf_str(&line));
		}
	}
	if (c->json)
		buf_put(&b, S("]\n"));
	print(&b);
	buf_release(&b);
}

static bool
read_by(struct ctl *c, const char *text, unsigned *by)
{
	struct str rest = str_of(text);

	*by = 0;
	while (rest.n) {
		struct str word = str_cut(&rest, ',');
		size_t i = 0;

		while (i < countof(dimensions) &&
		    !str_eq(word, str_of(dimensions[i].name)))
			i++;
		if (i == countof(dimensions))
			return misused(c, "--by knows hour, day, month, "
			    "account, project, key, model, channel, user and "
			    "tag, not \"%.*s\"", STR_ARGS(word)) == EXIT_DONE;
		*by |= dimensions[i].bit;
	}
	if (!!(*by & BY_HOUR) + !!(*by & BY_DAY) + !!(*by & BY_MONTH) > 1)
		return misused(c, "--by takes one of hour, day and month") ==
		    EXIT_DONE;
	return true;
}

static bool
find_account(struct ctl *c, struct reporting *r)
{
	const char *name = opt(c, "account");
	struct account_row row;
	int found = name ? account_find(c->db, &c->arena, str_of(name), &row)
			 : 1;

	if (name && found == 1)
		r->q.account = row.id;
	return found == 1 || (found == 0 && refuse(c, "there is no account "
	    "%s; weirctl account list shows what there is", name));
}

/* Models and channels that are off have sums as well. */
static bool
find_in_catalogue(struct ctl *c, struct reporting *r)
{
	const char *model = opt(c, "model"), *channel = opt(c, "channel");
	struct catalogue *cat = catalogue_load(c->db);

	if (!cat)
		return false;
	for (size_t i = 0; model && i < cat->n_models; i++)
		if (str_eq(cat->models[i].name, str_of(model)))
			r->q.model = cat->models[i].id;
	for (size_t i = 0; channel && i < cat->n_channels; i++)
		if (str_eq(cat->channels[i].name, str_of(channel)))
			r->q.channel = cat->channels[i].id;
	catalogue_give(cat);
	if (model && !r->q.model)
		return refuse(c, "there is no model %s; weirctl model list "
		    "shows what there is", model);
	return !channel || r->q.channel || refuse(c, "there is no channel %s; "
	    "weirctl channel list shows what there is", channel);
}

static bool
find_filters(struct ctl *c, struct reporting *r)
{
	struct found f;

	if (!find_account(c, r) || !find_in_catalogue(c, r))
		return false;
	if (!opt(c, "key"))
		return true;
	if (!key_pick(c, &f))
		return false;
	r->q.key = *FIELD(f.object, int64_t, f.noun->id);
	return true;
}

static int
report(struct ctl *c, bool spread, const char *usual)
{
	struct reporting r = { .spread = spread, .csv = opt(c, "csv") };
	int64_t now = clock_utc_ms();

	r.q.since = now - USUAL_DAYS * (int64_t)86400000;
	r.q.until = now + 1;
	if (r.csv && c->json)
		return misused(c, "--csv or --json, not both");
	if (!read_by(c, opt(c, "by") ? opt(c, "by") : usual, &r.q.by) ||
	    !opt_time(c, "since", false, &r.q.since) ||
	    !opt_time(c, "until", false, &r.q.until))
		return EXIT_USAGE;
	if (r.q.until <= r.q.since)
		return misused(c, "--until is not after --since");
	if (!find_filters(c, &r))
		return failed_read(c);
	if (!rollup_can(&r.q))
		return misused(c, "by user or tag there are days, months, "
		    "accounts and models only");
	r.n = rollup_read(c->db, &c->arena, &r.q, &r.lines);
	if (r.n < 0)
		return failed_read(c);
	tell(c, &r);
	return EXIT_DONE;
}

static int
run_usage(struct ctl *c)
{
	return report(c, false, "model");
}

static int
run_spread(struct ctl *c)
{
	return report(c, true, "model");
}

#define OPTIONS "by= since= until= account= project= key= model= channel= csv"
#define USAGE "[--by X[,Y ...]] [--since T] [--until T] [--account A] " \
	"[--key K [--project P]] [--model M] [--channel C] [--json | --csv]"

const struct command command_report_usage = {
	.name = "report usage", .usage = USAGE,
	.summary = "sums of what was used, by model, account, day, ...",
	.help =
"X is hour, day, month, account, project, key, model, channel, user or tag;\n"
"several are separated by commas; without --by it is model.  user is the end\n"
"user that callers name, tag what they send as x-weir-tag: calls with neither\n"
"are in no line by these.  T is 2026-11-22, 2026-11-22T09:30:00Z, or how long\n"
"ago: 24h, 7d; the last 30 days unless said.  Whole hours are counted (days, by\n"
"user or tag), of the site's time zone.  --json and --csv have each bucket, and\n"
"money in nano-dollars (1,000,000,000 = 1 USD).\n",
	.options = OPTIONS, .run = run_usage,
};

const struct command command_report_spread = {
	.name = "report spread", .usage = USAGE,
	.summary = "sums at list price, paid and sold, with the margin",
	.help =
"list: at the list prices; paid: what the channels want for it; sold: what\n"
"customers were charged; margin: sold less paid.  What upstreams want for calls\n"
"nobody is charged for is not in it (book `loss`).  Options as of report usage.\n",
	.options = OPTIONS, .run = run_spread,
};
