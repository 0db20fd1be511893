/* SPDX-License-Identifier: MIT */
/*
 * noun_account.c - accounts, their projects, and clients' keys.
 *
 * `balance` of an account is an opening grant: applied when the account is
 * made, not shown afterwards and without meaning then.
 */
#include "db/account.h"

#include "db/group.h"
#include "db/key.h"
#include "db/ledger.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

static const struct caps no_caps = { { -1, -1, -1, -1, -1 } };

static bool
save_caps(struct reading *r, enum cap_owner kind, int64_t owner,
    const struct caps *is, const struct caps *was)
{
	return memcmp(is, was, sizeof(*is)) == 0 ||
	    cap_set(r->db, kind, owner, is) || lost(r);
}

/* --- accounts ------------------------------------------------------------------ */

struct account_object {
	struct account_row row;
	struct str group;		/* its name */
	int64_t opening;		/* nano-dollars, -1: not given */
	struct caps caps;
};

#define AT(member) offsetof(struct account_object, member)
static const struct member account_members[] = {
	{ "group", &kind_text, AT(group), 0, 64 },
	{ "balance", &kind_amount, AT(opening), 0, 0 },
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
	k->caps = no_caps;
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
	return group_name(db, a, k->row.grp, &k->group) &&
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
	return save_caps(r, CAP_ACCOUNT, k->row.id, &k->caps, &old->caps);
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

/* --- projects ------------------------------------------------------------------ */

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
	k->caps = no_caps;
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

	(void)at;
	(void)up;
	if (!project_put(r->db, &k->row))
		return lost(r);
	return save_caps(r, CAP_PROJECT, k->row.id, &k->caps, &old->caps);
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

/* --- keys ---------------------------------------------------------------------- */

struct key_object {
	struct key_row row;
	struct caps caps;
	struct str secret;		/* given now; never loaded */
};

#undef AT
#define AT(member) offsetof(struct key_object, member)
enum { MOST = 1000000000 };
static const struct member key_members[] = {
	{ "secret", &kind_secret, AT(secret), KEY_SECRET_LEAST,
	    KEY_SECRET_MOST },
	{ "models", &kind_patterns, AT(row.models), 0, 0 },
	{ "ips", &kind_networks, AT(row.ips), 0, 0 },
	{ "rpm", &kind_count, AT(row.rpm), 1, MOST },
	{ "tpm", &kind_count, AT(row.tpm), 1, MOST },
	{ "concurrency", &kind_count, AT(row.concurrency), 1, MOST },
	{ "caps", &kind_caps, AT(caps), 0, 0 },
	{ "expires", &kind_time, AT(row.expires), 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
key_object_blank(void *object, const struct above *up, struct str name)
{
	struct key_object *k = object;

	memset(k, 0, sizeof(*k));
	key_blank(&k->row, up->account, up->project, name);
	k->caps = no_caps;
}

static int
key_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct key_object *k = object;
	int found;

	key_object_blank(k, up, name);
	found = key_find(db, a, up->project, name, &k->row);
	if (found != 1)
		return found;
	return cap_get(db, CAP_KEY, k->row.id, &k->caps) ? 1 : -1;
}

static bool
key_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct key_row *page;
	struct str last;
	int64_t after = 0;
	int n;

	do {
		n = key_list(db, a, up->account, after, &page);
		for (int i = 0; i < n; i++) {
			after = page[i].id;
			if (page[i].project == up->project)
				names_take(a, out, &page[i], 1,
				    sizeof(*page),
				    offsetof(struct key_row, name), &last);
		}
	} while (n == LIST_MAX);
	return n >= 0;
}

static const char *
key_hidden(struct reading *r, const struct above *up, const void *object)
{
	const struct key_object *k = object;

	(void)up;
	return k->secret.n && (!k->row.id || key_owner(r->db, r->vault,
	    k->secret) != k->row.id) ? "secret" : NULL;
}

static bool
key_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	struct key_object *k = object;
	const struct key_object *old = was;
	struct place here = place_in(at, S("secret"));
	int64_t owner = k->secret.n ? key_owner(r->db, r->vault, k->secret) :
	    k->row.id;

	(void)up;
	if (owner < 0)
		return lost(r);
	if (k->row.revoked)
		return wrong(r, at, "key \"%.*s\" is revoked, for ever: use "
		    "another name", STR_ARGS(k->row.name));
	if (owner && owner != k->row.id)
		return wrong(r, &here, "another key has this secret already");
	if (!k->row.id && !k->secret.n)
		return wrong(r, at, "a new key needs its secret; weirctl key "
		    "new makes one");
	if (!k->row.id) {
		if (!key_add(r->db, r->vault, &k->row, k->secret))
			return lost(r);
	} else if (!key_put(r->db, &k->row) || (!owner &&
	    !key_rotate(r->db, r->vault, &k->row, k->secret))) {
		return lost(r);
	}
	return save_caps(r, CAP_KEY, k->row.id, &k->caps, &old->caps);
}

static bool
key_more(struct db *db, struct arena *a, const void *object, struct buf *b)
{
	const struct key_object *k = object;

	(void)db;
	(void)a;
	out_str(b, "tail", k->row.tail);
	if (k->row.weak)
		out_bool(b, "weak", true);
	if (k->row.revoked)
		out_time(b, "revoked", k->row.revoked);
	out_usd(b, "used", k->row.used);
	return true;
}

static bool
key_gone(const void *object)
{
	return ((const struct key_object *)object)->row.revoked != 0;
}

static const char *
key_remark(const void *object)
{
	size_t n = ((const struct key_object *)object)->secret.n;

	return n && n < KEY_SECRET_WEAK ? "its secret is weak: it has less "
	    "than 32 characters" : NULL;
}

const struct noun noun_key = {
	.word = "key", .list = "keys", .called = "name",
	.size = sizeof(struct key_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = key_members, .parent = &noun_project,
	.blank = key_object_blank, .load = key_load, .names = key_names,
	.save = key_save, .hidden = key_hidden, .more = key_more,
	.gone = key_gone, .remark = key_remark,
};
#undef AT

#define AT(member) offsetof(struct project_object, member)
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
