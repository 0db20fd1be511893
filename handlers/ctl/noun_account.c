/* SPDX-License-Identifier: MIT */
/*
 * noun_account.c - accounts and their projects.
 *
 * `balance` of an account is an opening grant: applied when the account is
 * made, not shown afterwards and without meaning then.
 */
#include "db/account.h"

#include "db/group.h"
#include "db/ledger.h"
#include "db/money.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

struct str
cap_too_low(struct arena *a, enum cap_window window, int64_t cap,
    int64_t held)
{
	return arena_printf(a, "a cap of %.*s is less than what calls that run "
	    "now hold, %.*s: give at least that, or wait until they end",
	    STR_ARGS(cap_text(a, window, cap)),
	    STR_ARGS(cap_text(a, window, held)));
}

bool
save_caps(struct reading *r, const struct place *at, enum cap_owner kind,
    int64_t owner, const struct caps *is, const struct caps *was)
{
	struct place caps = place_in(at, S("caps"));
	enum cap_window w;
	int64_t held;
	int fits;

	if (memcmp(is, was, sizeof(*is)) == 0)
		return true;
	fits = cap_fits(r->db, kind, owner, is, &w, &held);
	if (fits == 0) {
		struct place here = place_in(&caps, str_of(cap_windows[w]));

		return wrong(r, &here, "%.*s", STR_ARGS(cap_too_low(r->arena,
		    w, is->amount[w], held)));
	}
	return (fits > 0 && cap_set(r->db, kind, owner, is)) || lost(r);
}

/* --- accounts ------------------------------------------------------------- */

struct account_object {
	struct account_row row;
	struct str group;		/* its name */
	int64_t opening;		/* nano-dollars, -1: not given */
	int64_t credit;
	struct costs prices;
	struct caps caps;
};

#define AT(member) offsetof(struct account_object, member)
static const struct member account_members[] = {
	{ "group", &kind_text, AT(group), 0, 64 },
	{ "markup", &kind_markup, AT(row.markup_ppm), 0, 0 },
	{ "prices", &kind_costs, AT(prices), 0, 0 },
	{ "balance", &kind_amount, AT(opening), 0, 0 },
	{ "credit", &kind_money, AT(credit), 0, 0 },
	{ "caps", &kind_caps, AT(caps), 0, 0 },
	{ "keys", &kind_list, 0, 0, 0 },
	{ "projects", &kind_list, 0, 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
account_object_blank(void *object, const struct above *up, struct str name)
{
	struct account_object *k = object;

	(void)up;
	memset(k, 0, sizeof(*k));
	account_blank(&k->row, name);
	k->group = S("default");
	k->opening = -1;
	k->caps = caps_none;
}

static bool
group_name(struct db *db, struct arena *a, int64_t id, struct str *name)
{
	struct group_row *page;
	struct str after = { 0 };
	int n;

	do {
		n = group_list(db, a, after, &page);
		for (int i = 0; i < n; i++) {
			after = page[i].name;
			if (page[i].id == id)
				*name = page[i].name;
		}
	} while (n == LIST_MAX);
	return n >= 0;
}

static int
account_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct account_object *k = object;
	int found;

	account_object_blank(k, up, name);
	found = account_find(db, a, name, &k->row);
	if (found != 1)
		return found;
	k->credit = ledger_credit(db, k->row.id);
	return k->credit >= 0 && group_name(db, a, k->row.grp, &k->group) &&
	    costs_load(db, a, (struct price_of){ .account = k->row.id },
		&k->prices) &&
	    cap_get(db, CAP_ACCOUNT, k->row.id, &k->caps) ? 1 : -1;
}

static bool
account_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct account_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = account_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct account_row, name), &after));
	return n >= 0;
}

static bool
save_credit(struct reading *r, const struct place *at,
    const struct account_object *k, const struct account_object *old)
{
	struct place here = place_in(at, S("credit"));
	enum ledger_verdict v = LEDGER_DONE;
	int64_t needed = 0;

	if (k->credit != old->credit)
		v = ledger_set_credit(r->db, k->row.id, k->credit, &needed);
	if (v == LEDGER_SHORT)
		return wrong(r, &here, "a credit of %.*s USD is less than what "
		    "the account owes and its calls hold now, %.*s USD: give "
		    "at least that, or grant it money first",
		    STR_ARGS(money_text(r->arena, k->credit)),
		    STR_ARGS(money_text(r->arena, needed)));
	return v == LEDGER_DONE || lost(r);
}

static bool
account_save(struct reading *r, const struct place *at,
    const struct above *up, void *object, const void *was)
{
	struct account_object *k = object;
	const struct account_object *old = was;
	bool fresh = k->row.id == 0;
	struct group_row g;
	int found = group_find(r->db, r->arena, k->group, &g);

	(void)up;
	if (found < 0)
		return lost(r);
	if (found == 0) {
		struct place here = place_in(at, S("group"));

		return wrong(r, &here, "there is no group \"%.*s\": add it "
		    "to groups", STR_ARGS(k->group));
	}
	k->row.grp = g.id;
	if (!account_put(r->db, &k->row))
		return lost(r);
	if (fresh && k->opening > 0 && ledger_grant(r->db, k->row.id,
	    k->opening, S("opening balance")) != LEDGER_DONE)
		return lost(r);
	return save_credit(r, at, k, old) && costs_save(r, at, "prices",
	    (struct price_of){ .account = k->row.id }, &k->prices,
	    &old->prices) &&
	    save_caps(r, at, CAP_ACCOUNT, k->row.id, &k->caps, &old->caps);
}

static bool
account_enter(struct db *db, struct arena *a, const void *object,
    struct above *up)
{
	const struct account_object *k = object;
	struct project_row p;

	up->account = k->row.id;
	if (project_find(db, a, k->row.id, S("default"), &p) != 1)
		return false;
	up->project = p.id;
	return true;
}

static bool
account_more(struct db *db, struct arena *a, const void *object,
    struct buf *b)
{
	const struct account_object *k = object;
	int64_t balance = 0, held = 0;

	(void)a;
	if (ledger_balance(db, k->row.id, &balance, &held) < 0)
		return false;
	out_usd(b, "balance", balance);
	out_usd(b, "held", held);
	out_usd(b, "credit", k->credit);
	return true;
}

/* The keys of project default may stand in two places, but not in both. */
static bool
account_fits(struct reading *r, const struct place *at, const void *object)
{
	struct place projects = place_in(at, S("projects"));
	struct json_each each = json_each(projects.value);

	(void)object;
	if (json_kind(json_get(at->value, S("keys"))) != JSON_IS_ARRAY ||
	    json_kind(projects.value) != JSON_IS_ARRAY)
		return true;
	for (size_t i = 0; json_next(&each); i++) {
		struct str name = json_text(r->arena,
		    json_get(each.value, S("name")));
		struct place here = { .up = &projects, .index = i,
			.value = each.value };

		if (str_eq(name, S("default")) && json_kind(json_get(
		    each.value, S("keys"))) == JSON_IS_ARRAY)
			return wrong(r, &here, "the account's keys are those "
			    "of project default: give them in one place");
	}
	return true;
}

/* --- projects ------------------------------------------------------------- */

struct project_object {
	struct project_row row;
	struct caps caps;
};

#undef AT
#define AT(member) offsetof(struct project_object, member)
static const struct member project_members[] = {
	{ "caps", &kind_caps, AT(caps), 0, 0 },
	{ "keys", &kind_list, 0, 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
project_object_blank(void *object, const struct above *up, struct str name)
{
	struct project_object *k = object;

	memset(k, 0, sizeof(*k));
	project_blank(&k->row, up->account, name);
	k->caps = caps_none;
}

static int
project_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct project_object *k = object;
	int found;

	project_object_blank(k, up, name);
	found = project_find(db, a, up->account, name, &k->row);
	if (found != 1)
		return found;
	return cap_get(db, CAP_PROJECT, k->row.id, &k->caps) ? 1 : -1;
}

static bool
project_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct project_row *page;
	struct str after = { 0 };
	int n;

	do
		n = project_list(db, a, up->account, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct project_row, name), &after));
	return n >= 0;
}

static bool
project_save(struct reading *r, const struct place *at,
    const struct above *up, void *object, const void *was)
{
	struct project_object *k = object;
	const struct project_object *old = was;

	(void)up;
	if (!project_put(r->db, &k->row))
		return lost(r);
	return save_caps(r, at, CAP_PROJECT, k->row.id, &k->caps,
	    &old->caps);
}

static bool
project_enter(struct db *db, struct arena *a, const void *object,
    struct above *up)
{
	const struct project_object *k = object;

	(void)db;
	(void)a;
	up->account = k->row.account;
	up->project = k->row.id;
	return true;
}

static const struct noun *const in_project[] = { &noun_key, NULL };

const struct noun noun_project = {
	.word = "project", .list = "projects", .called = "name",
	.size = sizeof(struct project_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = project_members, .parent = &noun_account,
	.inside = in_project,
	.blank = project_object_blank, .load = project_load,
	.names = project_names, .save = project_save,
	.enter = project_enter,
};
#undef AT

#define AT(member) offsetof(struct account_object, member)
static const struct noun *const in_account[] = { &noun_key, &noun_project,
	NULL };

const struct noun noun_account = {
	.word = "account", .list = "accounts", .called = "login",
	.size = sizeof(struct account_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = account_members, .inside = in_account,
	.blank = account_object_blank, .load = account_load,
	.names = account_names, .save = account_save,
	.enter = account_enter, .more = account_more, .fits = account_fits,
};
#undef AT
