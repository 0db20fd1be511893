/* SPDX-License-Identifier: MIT */
/*
 * usage.c - weirctl usage: what calls used, newest first.
 *
 * Read in pages, each a read transaction of its own, so that a long listing
 * does not keep the log of the database from being folded in.  The members of
 * a row stand in one place, usage_json(); CSV has the same columns.
 */
#include "handlers/ctl/usage.h"

#include "db/account.h"
#include "db/catalogue.h"
#include "db/funds.h"
#include "db/group.h"
#include "db/money.h"
#include "handlers/ctl/noun.h"

enum { SHOWN = 100 };			/* rows for people, unless --limit */

/* One attempt; an upstream that is no longer there has no name. */
static void
put_attempt(struct buf *b, const struct attempt_row *t,
    const struct catalogue *cat)
{
	struct str channel = { NULL, 0 }, credential = { NULL, 0 };

	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];

		if (ch->id != t->channel)
			continue;
		channel = ch->name;
		for (size_t j = 0; j < ch->n_credentials; j++)
			if (ch->credentials[j].id == t->credential)
				credential = ch->credentials[j].name;
	}
	buf_char(b, '{');
	out_maybe(b, "channel", channel);
	out_maybe(b, "credential", credential);
	out_str(b, "upstream_model", t->upstream_model);
	out_time(b, "at", t->started);
	out_int(b, "ms", t->ms);
	out_int(b, "status", t->status);
	out_str(b, "class", t->outcome);
	buf_char(b, '}');
}

static void
put_attempts(struct buf *b, const struct usage_view *u,
    const struct catalogue *cat)
{
	struct attempt_row *list;
	struct arena a;
	int n;

	arena_init(&a);
	n = usage_tried(&a, u, &list);
	out_member(b, "tried");
	buf_char(b, '[');
	for (int i = 0; i < n; i++) {
		buf_put(b, i ? S(",") : S(""));
		put_attempt(b, &list[i], cat);
	}
	buf_char(b, ']');
	arena_release(&a);
}

void
usage_json(struct buf *b, const struct usage_view *u,
    const struct catalogue *cat)
{
	buf_char(b, '{');
	out_int(b, "id", u->id);
	out_str(b, "request_id", u->request_id);
	out_time(b, "at", u->at);
	out_str(b, "account", u->account_name);
	out_str(b, "project", u->project_name);
	out_str(b, "key", u->key_name);
	out_str(b, "model", u->asked);
	out_maybe(b, "served", u->served);
	out_maybe(b, "fallback", u->fallback);
	out_str(b, "endpoint", u->endpoint);
	out_bool(b, "stream", u->stream);
	out_maybe(b, "channel", u->channel_name);
	out_maybe(b, "credential", u->credential_name);
	out_str(b, "state", str_of(usage_states[u->state]));
	out_int(b, "status", u->status);
	out_maybe(b, "fault", u->fault);
	out_bool(b, "estimated", u->estimated);
	for (int i = 0; i < N_BUCKETS; i++)
		out_int(b, bucket_names[i], u->use.n[i]);
	out_int(b, "charge", u->charge);
	out_int(b, "cost", u->cost);
	out_int(b, "list", u->list);
	out_int(b, "held", u->held);
	out_int(b, "bound", u->bound);
	out_int(b, "price", u->price);
	out_int(b, "list_price", u->list_price ? u->list_price : u->price);
	out_int(b, "cost_price", u->cost_price);
	out_int(b, "markup_ppm", u->markup_ppm);
	out_int(b, "discount_ppm", u->discount_ppm);
	out_int(b, "cost_ppm", u->cost_ppm);
	out_int(b, "times_ppm", u->times_ppm);
	out_int(b, "cost_times_ppm", u->cost_times_ppm);
	out_int(b, "minimum", u->minimum);
	out_bool(b, "floor", u->floor);
	out_int(b, "unpaid", u->unpaid);
	out_member(b, "first_ms");
	if (u->first_ms < 0)
		buf_put(b, S("null"));
	else
		buf_int(b, u->first_ms);
	out_int(b, "total_ms", u->total_ms);
	out_int(b, "weir_us", u->weir_us);
	out_int(b, "attempts", u->attempts);
	out_maybe(b, "end_user", u->end_user);
	out_maybe(b, "tag", u->tag);
	out_str(b, "remarks", u->remarks);
	out_maybe(b, "covered", u->covered ?
	    str_of(unit_names[u->covered]) : S(""));
	out_member(b, "parts");
	buf_put(b, u->parts.n ? u->parts : S("null"));
	if (cat)
		put_attempts(b, u, cat);
	buf_char(b, '}');
}

/* --- tables --------------------------------------------------------------- */

int64_t
usage_in(const struct usage_view *u)
{
	return buckets_in(&u->use);
}

int64_t
usage_out(const struct usage_view *u)
{
	return buckets_out(&u->use);
}

/* What the call cost: money, or what of an allowance. */
static struct str
paid(struct arena *a, const struct usage_view *u)
{
	struct parts parts;

	if (u->covered == UNIT_USD)
		return money_text(a, u->charge);
	return arena_printf(a, "%lld %s", parts_read(u->parts, &parts) ?
	    (long long)parts_sum(&parts) : 0, unit_counted[u->covered]);
}

static void
table_row(struct table *t, const struct usage_view *u)
{
	struct arena *a = t->arena;

	table_add(t, time_short(a, u->at));
	table_add(t, arena_printf(a, "%.*s/%.*s", STR_ARGS(u->account_name),
	    STR_ARGS(u->key_name)));
	table_add(t, u->fallback.n ? arena_printf(a, "%.*s>%.*s",
	    STR_ARGS(u->asked), STR_ARGS(u->fallback)) : u->asked);
	table_add(t, str_of(usage_states[u->state]));
	table_add(t, arena_printf(a, "%d", u->status));
	table_add(t, arena_printf(a, "%lld", (long long)usage_in(u)));
	table_add(t, arena_printf(a, "%lld", (long long)usage_out(u)));
	table_add(t, arena_printf(a, "%.*s%s", STR_ARGS(paid(a, u)),
	    u->estimated ? "~" : ""));
	table_add(t, arena_printf(a, "%lld", (long long)u->total_ms));
	table_add(t, u->channel_name);
	table_add(t, u->request_id);
}

static void
table_head(struct table *t)
{
	static const char *const heads[] = { "time (UTC)", "key", "model",
		"state", "status", "in", "out", "USD", "ms", "channel",
		"request" };

	t->columns = sizeof(heads) / sizeof(*heads);
	t->right = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8;
	for (size_t i = 0; i < t->columns; i++)
		table_add(t, str_of(heads[i]));
}

/* --- the command ---------------------------------------------------------- */

struct using {
	struct usage_filter f;
	struct str asked;		/* of a model met by a pattern */
	int64_t limit, n;
	bool csv;
	struct catalogue *cat;		/* for JSON */
	struct buf b;
	struct table t;
};

static void
put_csv(struct arena *a, struct buf *b, const struct usage_view *u,
    bool names)
{
	struct buf row = BUF(a, 1 << 20);

	usage_json(&row, u, NULL);
	csv_line(a, b, buf_str(&row), names);
}

static void
put_row(struct ctl *c, struct arena *page, struct using *k,
    const struct usage_view *u)
{
	if (k->csv) {
		put_csv(page, &k->b, u, false);
	} else if (c->json) {
		buf_put(&k->b, k->n ? S(",\n ") : S(""));
		usage_json(&k->b, u, k->cat);
	} else {
		table_row(&k->t, u);
	}
	k->n++;
}

static bool
put_rows(struct ctl *c, struct using *k)
{
	struct arena page;
	int n;

	do {
		struct usage_view *list;

		/* A table's cells stay until its widths are known. */
		arena_init(&page);
		n = usage_list(c->db, k->csv || c->json ? &page : &c->arena,
		    &k->f, &list);
		for (int i = 0; i < n && k->n < k->limit; i++) {
			k->f.before = list[i].id;
			if (!k->asked.n || str_eq(list[i].asked, k->asked))
				put_row(c, &page, k, &list[i]);
		}
		print(&k->b);
		arena_release(&page);
	} while (n == LIST_MAX && k->n < k->limit);
	return n >= 0;
}

/* --model: one of the catalogue, or a name that one of its patterns meets. */
static bool
find_model(struct ctl *c, struct using *k, struct str name)
{
	struct catalogue *cat = catalogue_load(c->db);
	const struct model *m;

	if (!cat)
		return false;
	/* Those that are off have rows as well. */
	for (size_t i = 0; i < cat->n_models; i++)
		if (str_eq(cat->models[i].name, name))
			k->f.model = cat->models[i].id;
	m = k->f.model ? NULL : catalogue_model(cat, name);
	if (m) {
		k->f.model = m->id;
		k->asked = name;
	}
	catalogue_give(cat);
	return k->f.model || refuse(c, "there is no model %.*s; weirctl model "
	    "list shows what there is", STR_ARGS(name));
}

static bool
find_filters(struct ctl *c, struct using *k)
{
	const char *account = opt(c, "account");
	struct account_row row;
	struct found f;

	if (account) {
		int found = account_find(c->db, &c->arena, str_of(account),
		    &row);

		if (found <= 0)
			return found == 0 && refuse(c, "there is no account "
			    "%s; weirctl account list shows what there is",
			    account);
		k->f.account = row.id;
	}
	if (opt(c, "key")) {
		if (!key_pick(c, &f))
			return false;
		k->f.key = *FIELD(f.object, int64_t, f.noun->id);
	}
	return !opt(c, "model") || find_model(c, k, str_of(opt(c, "model")));
}

static int
run(struct ctl *c)
{
	struct using k = { .csv = opt(c, "csv") != NULL,
		.b = BUF_HEAP((size_t)1 << 30), .t = { .arena = &c->arena } };
	bool good;

	k.limit = k.csv || c->json ? INT64_MAX : SHOWN;
	if (k.csv && c->json)
		return misused(c, "--csv or --json, not both");
	if (!opt_time(c, "since", false, &k.f.since) ||
	    !opt_time(c, "until", false, &k.f.until) ||
	    !opt_count(c, "limit", 1, &k.limit) ||
	    !opt_count(c, "before", 1, &k.f.before))
		return EXIT_USAGE;
	if (!find_filters(c, &k))
		return failed_read(c);
	if (k.csv)
		put_csv(&c->arena, &k.b, &(struct usage_view){ 0 }, true);
	else if (c->json)
		buf_char(&k.b, '[');
	else
		table_head(&k.t);
	k.cat = c->json ? catalogue_load(c->db) : NULL;
	good = (k.cat || !c->json) && put_rows(c, &k);
	if (k.cat)
		catalogue_give(k.cat);
	if (c->json)
		buf_put(&k.b, S("]\n"));
	print(&k.b);
	buf_release(&k.b);
	if (!good)
		return failed_read(c);
	if (!k.csv && !c->json) {
		if (k.n)
			table_print(&k.t);
		else
			printf("no calls\n");
		if (k.n == k.limit)
			fprintf(stderr, "older ones: --before %lld\n",
			    (long long)k.f.before);
	}
	return EXIT_DONE;
}

const struct command command_usage = {
	.name = "usage",
	.usage = "[--since T] [--until T] [--account A] "
	    "[--key K [--project P]] [--model M] [--limit N] [--before ID] "
	    "[--json | --csv]",
	.summary = "what calls used and cost, newest first",
	.help =
"T is 2026-11-22, 2026-11-22T09:30:00Z, or how long ago: 24h, 7d.  For people\n"
"100 rows are shown unless --limit says otherwise; --before ID is the next\n"
"page.  --json and --csv print all; charge, cost, list, held and bound are in\n"
"nano-dollars there (1,000,000,000 = 1 USD), and --json lists the attempts:\n"
"to whom, how long, with what outcome.  ~ marks an estimated charge, and\n"
"a>b that the fallback b served a call for a.  parts are the books that paid,\n"
"in this order, if it was not the wallet alone; covered names the unit if it\n"
"was an allowance in tokens or requests, and the call cost no money then.\n",
	.options = "since= until= account= project= key= model= limit= before= csv",
	.run = run,
};
