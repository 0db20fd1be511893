/* SPDX-License-Identifier: MIT */
/*
 * noun_alert.c - what is told when.
 *
 * What an account is told goes to targets of its own or of the site; what is
 * the site's goes to those of the site alone.
 */
#include "db/alert.h"

#include <stdlib.h>

#include "db/group.h"
#include "db/key.h"
#include "db/target.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

struct alert_object {
	struct alert_row row;
	struct str account, project, key;	/* names of the owner */
	struct names to;
};

#define AT(member) offsetof(struct alert_object, member)
static const struct member alert_members[] = {
	{ "when", &kind_when, AT(row.when), 0, 0 },
	{ "account", &kind_text, AT(account), 1, 64 },
	{ "project", &kind_text, AT(project), 1, 64 },
	{ "key", &kind_text, AT(key), 1, 64 },
	{ "to", &kind_names, AT(to), 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
alert_object_blank(void *object, const struct above *up, struct str name)
{
	struct alert_object *w = object;

	(void)up;
	memset(w, 0, sizeof(*w));
	alert_blank(&w->row, name);
}

/* --- loading -------------------------------------------------------------- */

static bool
load_targets(struct db *db, struct arena *a, struct alert_object *w)
{
	struct target_row *page;
	struct str after = { 0 };
	int64_t *ids;
	int n, n_ids = alert_targets(db, a, w->row.id, &ids);

	if (n_ids < 0)
		return false;
	w->to.list = arena_zero(a, ((size_t)n_ids + 1) * sizeof(struct str));
	w->to.n = 0;
	do {
		n = target_list(db, a, after, &page);
		for (int i = 0; i < n; i++) {
			after = page[i].name;
			for (int j = 0; j < n_ids; j++)
				if (page[i].id == ids[j])
					w->to.list[w->to.n++] = after;
		}
	} while (n == LIST_MAX);
	return n >= 0;
}

static int
alert_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct alert_object *w = object;
	struct alert_owner o;
	int found;

	alert_object_blank(w, up, name);
	found = alert_find(db, a, name, &w->row);
	if (found != 1)
		return found;
	if (!load_targets(db, a, w) ||
	    alert_owner(db, a, w->row.kind, w->row.owner, &o) != 1)
		return -1;
	w->account = o.account_name;
	w->project = o.project_name;
	w->key = o.key_name;
	/* The project default goes without saying where a key is named. */
	if (o.key && str_eq(o.project_name, S("default")))
		w->project = S("");
	return 1;
}

static bool
alert_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct alert_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = alert_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct alert_row, name), &after));
	return n >= 0;
}

/* --- saving --------------------------------------------------------------- */

/* As it is loaded. */
static void
alert_fill(const struct place *at, void *object, const void *was)
{
	struct alert_object *w = object;

	(void)at;
	(void)was;
	if (w->key.n && str_eq(w->project, S("default")))
		w->project = S("");
}

static bool
none_such(struct reading *r, const struct place *at, const char *what,
    struct str name, int found)
{
	struct place here = place_in(at, str_of(what));

	return found < 0 ? lost(r) : wrong(r, &here, "there is no %s "
	    "\"%.*s\"", what, STR_ARGS(name));
}

/* The owner by its names; *account: whose that is, 0 is the site. */
static bool
find_owner(struct reading *r, const struct place *at, struct alert_object *w,
    int64_t *account)
{
	struct str project = w->project.n ? w->project : S("default");
	struct account_row a;
	struct project_row p;
	struct key_row k;
	int found;

	*account = 0;
	w->row.kind = CAP_SITE;
	w->row.owner = 0;
	if (!w->account.n)
		return (!w->project.n && !w->key.n) || wrong(r, at, "whose "
		    "%s is it? name its account too", w->key.n ? "key" :
		    "project");
	found = account_find(r->db, r->arena, w->account, &a);
	if (found != 1)
		return none_such(r, at, "account", w->account, found);
	*account = w->row.owner = a.id;
	w->row.kind = CAP_ACCOUNT;
	if (!w->project.n && !w->key.n)
		return true;
	found = project_find(r->db, r->arena, a.id, project, &p);
	if (found != 1)
		return none_such(r, at, "project", project, found);
	w->row.owner = p.id;
	w->row.kind = CAP_PROJECT;
	if (!w->key.n)
		return true;
	found = key_find(r->db, r->arena, p.id, w->key, &k);
	if (found != 1)
		return none_such(r, at, "key", w->key, found);
	w->row.owner = k.id;
	w->row.kind = CAP_KEY;
	return true;
}

static bool
check_rule(struct reading *r, const struct place *at,
    const struct alert_object *w)
{
	struct place when = place_in(at, S("when"));
	enum alert_rule rule = w->row.when.rule;

	if (rule == N_ALERT_RULES)
		return wrong(r, at, "an alert needs its rule: \"when\": "
		    "{\"spend\": {\"percent\": 80}}");
	if (alert_rules[rule].site_only && w->row.kind != CAP_SITE)
		return wrong(r, &when, "the rule %s is of the site alone: it "
		    "is about upstreams or losses of the operator",
		    alert_rules[rule].name);
	if (rule == ALERT_BALANCE && w->row.kind > CAP_ACCOUNT)
		return wrong(r, &when, "a balance is an account's: leave "
		    "project and key out");
	return true;
}

static bool
find_targets(struct reading *r, const struct place *at,
    const struct alert_object *w, int64_t account, int64_t *ids)
{
	struct place to = place_in(at, S("to"));

	if (w->to.n == 0)
		return wrong(r, at, "an alert needs to whom it is told: "
		    "\"to\": [names of targets]");
	for (size_t i = 0; i < w->to.n; i++) {
		struct target_row t;
		int found = target_find(r->db, r->arena, w->to.list[i], &t);

		if (found < 0)
			return lost(r);
		if (found == 0)
			return wrong(r, &to, "there is no target \"%.*s\": "
			    "add it to targets", STR_ARGS(w->to.list[i]));
		if (t.account && t.account != account)
			return wrong(r, &to, "target \"%.*s\" is of an "
			    "account that this is not to be told to",
			    STR_ARGS(w->to.list[i]));
		ids[i] = t.id;
	}
	return true;
}

/* Would what stands say something else? */
static bool
is_anew(const struct alert_row *is, const struct alert_row *was)
{
	if (is->kind != was->kind || is->owner != was->owner ||
	    is->enabled != was->enabled || is->when.rule != was->when.rule)
		return true;
	return memcmp(is->when.v, was->when.v, sizeof(is->when.v)) != 0;
}

static bool
alert_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	struct alert_object *w = object;
	const struct alert_object *old = was;
	int64_t *ids = arena_zero(r->arena, (w->to.n + 1) * sizeof(*ids));
	int64_t account;

	(void)up;
	if (!find_owner(r, at, w, &account) || !check_rule(r, at, w) ||
	    !find_targets(r, at, w, account, ids))
		return false;
	return (alert_put(r->db, &w->row, is_anew(&w->row, &old->row)) &&
	    alert_targets_set(r->db, w->row.id, ids, w->to.n)) || lost(r);
}

static bool
alert_more(struct db *db, struct arena *a, const void *object, struct buf *b)
{
	const struct alert_object *w = object;
	int64_t standing, fired;

	(void)a;
	if (!alert_now(db, w->row.id, &standing, &fired))
		return false;
	out_int(b, "standing", standing);
	if (fired)
		out_time(b, "fired", fired);
	return true;
}

const struct noun noun_alert = {
	.word = "alert", .list = "alerts", .called = "name",
	.size = sizeof(struct alert_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = alert_members,
	.blank = alert_object_blank, .load = alert_load,
	.names = alert_names, .fill = alert_fill, .save = alert_save,
	.more = alert_more,
};
