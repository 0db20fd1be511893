/* SPDX-License-Identifier: MIT */
/* usage.c - the list of calls; see usage.h. */
#include "handlers/account/usage.h"

#include "db/account.h"
#include "db/group.h"
#include "db/key.h"
#include "db/model.h"
#include "db/usage.h"
#include "fcgi/base/clock.h"
#include "handlers/page/kit.h"

static void
put_call(struct page *p, json_t *list, const struct usage_view *u)
{
	json_t *row = put_row(list);
	const char *state = usage_states[u->state];
	bool site = p->who->account == 0;

	put_str(row, "request_id", u->request_id);
	put_str(row, "href", kit_href(p, "%s/usage/%.*s", kit_base(p),
	    STR_ARGS(u->request_id)));
	put_time(row, "at", u->at);
	if (site)
		put_str(row, "account", u->account_name);
	put_str(row, "project", u->project_name);
	put_str(row, "key", u->key_name);
	put_str(row, "model", u->asked);
	put_maybe(row, "fallback", u->fallback);
	put_str(row, "endpoint", u->endpoint);
	put_bool(row, "stream", u->stream);
	put_str(row, "state", str_of(state));
	put_str(row, "state_text", kit_word(p, "call", str_of(state)));
	put_bool(row, "is_done", u->state == USAGE_DONE);
	put_int(row, "status", u->status);
	put_maybe(row, "fault", u->fault);
	put_bool(row, "estimated", u->estimated);
	put_int(row, "input", buckets_in(&u->use));
	put_int(row, "cached", u->use.n[BUCKET_CACHE_READ]);
	put_int(row, "output", buckets_out(&u->use));
	put_usd(row, "charge", u->charge);
	if (u->first_ms >= 0)
		put_int(row, "first_ms", u->first_ms);
	else
		put_maybe(row, "first_ms", S(""));
	put_int(row, "total_ms", u->total_ms);
	put_int(row, "attempts", u->attempts);
	put_maybe(row, "end_user", u->end_user);
	put_maybe(row, "tag", u->tag);
	if (!site)
		return;
	put_usd(row, "cost", u->cost);
	put_usd(row, "list", u->list);
	put_maybe(row, "channel", u->channel_name);
	put_maybe(row, "credential", u->credential_name);
	put_str(row, "remarks", u->remarks);
}

/* --- Filters ------------------------------------------------------------ */

/* What a filter that is not right says; the list is empty then. */
static bool
no_such(struct page *p, const char *text, struct str what)
{
	put_str(p->data, "filter_wrong", kit_say(p, text, what));
	return false;
}

static bool
time_of(struct page *p, const char *name, int64_t *utc_ms)
{
	struct str s = kit_query(p, name);

	return s.n == 0 || clock_read(s, clock_utc_ms(), utc_ms) ||
	    no_such(p, "filter.time", s);
}

static bool
key_of(struct page *p, struct usage_filter *f)
{
	struct str s = kit_query(p, "key");
	struct key_row k;
	int64_t id;
	int found;

	if (!s.n)
		return true;
	if (!str_int(s, &id))
		return no_such(p, "filter.key", s);
	found = key_get(p->db, &p->arena, id, &k);
	if (found < 0)
		return kit_failed(p);
	if (!found || (f->account && k.account != f->account))
		return no_such(p, "filter.key", s);
	f->key = id;
	put_str(p->data, "key_name", arena_printf(&p->arena, "%.*s/%.*s",
	    STR_ARGS(k.account_name), STR_ARGS(k.name)));
	return true;
}

static bool
filter(struct page *p, struct usage_filter *f)
{
	struct str account = kit_query(p, "account");
	struct str model = kit_query(p, "model");
	struct account_row a;
	struct model_row m;
	int found = 1;

	*f = (struct usage_filter){ .account = p->who->account };
	if (!f->account && account.n) {
		found = account_find(p->db, &p->arena, account, &a);
		f->account = a.id;
		if (found == 0)
			return no_such(p, "filter.account", account);
	}
	if (found == 1 && model.n) {
		found = model_find(p->db, &p->arena, model, &m);
		f->model = m.id;
		if (found == 0)
			return no_such(p, "filter.model", model);
	}
	if (found < 0)
		return kit_failed(p);
	return key_of(p, f) && time_of(p, "since", &f->since) &&
	    time_of(p, "until", &f->until);
}

static bool
rows(struct page *p, json_t *list, int most)
{
	struct usage_filter f;
	struct usage_view *calls;
	int n, shown = 0;

	if (!filter(p, &f)) {
		p->after = S("");
		return json_object_get(p->data, "filter_wrong") != NULL;
	}
	str_int(p->after, &f.before);
	p->after = S("");
	f.most = most + 1;
	n = usage_list(p->db, &p->arena, &f, &calls);
	if (n < 0)
		return kit_failed(p);
	for (; shown < n && shown < most; shown++)
		put_call(p, list, &calls[shown]);
	if (shown < n || (shown && shown == LIST_MAX))
		p->after = arena_int(&p->arena, calls[shown - 1].id);
	return true;
}

static bool
show(struct page *p)
{
	put_bool(p->data, "site", p->who->account == 0);
	put_maybe(p->data, "filter_wrong", S(""));
	put_maybe(p->data, "key_name", S(""));
	json_object_del(p->data, "filter_wrong");
	if (!kit_rows(p))
		return false;
	if (!json_object_get(p->data, "filter_wrong"))
		put_maybe(p->data, "filter_wrong", S(""));
	return true;
}

static const char *const filters[] = { "account", "key", "model", "since",
	"until", NULL };

const struct leaf leaf_usage = {
	.template = "usage", .nav = "usage", .show = show, .rows = rows,
	.filters = filters,
};
