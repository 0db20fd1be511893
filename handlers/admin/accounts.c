/* SPDX-License-Identifier: MIT */
/*
 * accounts.c - who pays: the list, a new one, and one of them with its money,
 * its projects and keys.
 */
#include "db/account.h"

#include "db/cap.h"
#include "db/group.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/setting.h"
#include "handlers/admin/admin.h"
#include "handlers/page/caps.h"
#include "handlers/page/field.h"

enum { REASON = 500, KEYS_SHOWN = 20 };

struct asked {
	struct str name, group, note, reason;
	int64_t nano;
};

/* --- The list ----------------------------------------------------------- */

static bool
put_account(struct page *p, json_t *row, const struct account_row *c,
    struct str group)
{
	int64_t balance = 0, held = 0;

	if (ledger_balance(p->db, c->id, &balance, &held) < 0)
		return false;
	put_str(row, "id", arena_int(&p->arena, c->id));
	put_str(row, "href", kit_href(p, "/admin/accounts/%lld",
	    (long long)c->id));
	put_str(row, "name", c->name);
	put_str(row, "group", group);
	put_bool(row, "enabled", c->enabled);
	put_usd(row, "balance", balance);
	put_usd(row, "held", held);
	put_time(row, "created", c->created);
	put_maybe(row, "note", c->note);
	return true;
}

/* The name of a group by its id; there are few of them. */
static struct str
group_name(const struct group_row *groups, int n, int64_t id)
{
	for (int i = 0; i < n; i++)
		if (groups[i].id == id)
			return groups[i].name;
	return S("");
}

static bool
rows(struct page *p, json_t *list, int most)
{
	struct str after = p->after;
	struct account_row *accounts;
	struct group_row *groups;
	int g = group_list(p->db, &p->arena, S(""), &groups);
	int n = account_list(p->db, &p->arena, after, &accounts), shown = 0;

	p->after = S("");
	if (g < 0 || n < 0)
		return kit_failed(p);
	for (; shown < n && shown < most; shown++)
		if (!put_account(p, put_row(list), &accounts[shown],
		    group_name(groups, g, accounts[shown].grp)))
			return kit_failed(p);
	if (shown < n || (shown && shown == LIST_MAX))
		p->after = accounts[shown - 1].name;
	return true;
}

static bool
list_show(struct page *p)
{
	put_str(p->data, "new_href", kit_href(p, "/admin/accounts/new"));
	return kit_rows(p);
}

const struct leaf leaf_accounts = {
	.template = "accounts", .nav = "accounts", .show = list_show,
	.rows = rows,
};

/* --- A new one ---------------------------------------------------------- */

static const struct field new_fields[] = {
	{ "name", "text", NULL, true, true, 64 },
	{ "group", "select", NULL, true, false, 0 },
	{ "opening", "number", NULL, false, true, 24 },
	{ "note", "text", NULL, false, false, 4096 },
	{ 0 }
};

static bool
new_show(struct page *p)
{
	struct group_row *groups;
	int n = group_list(p->db, &p->arena, S(""), &groups);
	struct choice *choices;
	struct given given[2] = { { "group", S("default"), NULL }, { 0 } };

	if (n < 0)
		return kit_failed(p);
	choices = arena_zero(&p->arena, sizeof(*choices) * ((size_t)n + 1));
	for (int i = 0; i < n; i++)
		choices[i] = (struct choice){ groups[i].name,
		    groups[i].name };
	given[0].choices = choices;
	put_str(p->data, "title", kit_say(p, "title.account_new"));
	put_str(p->data, "action_href", kit_href(p, "/admin/accounts/new"));
	put_str(p->data, "button", kit_say(p, "account.make"));
	fields_put(p, p->data, "fields", new_fields, given);
	return true;
}

static bool
new_take(struct page *p)
{
	struct asked *k = p->own;
	bool good = field_name(p, "name", &k->name);

	k->group = kit_sent(p, "group");
	if (!k->group.n)
		k->group = S("default");
	good &= field_usd(p, "opening", false, &k->nano);
	return field_text(p, "note", 4096, false, &k->note) && good;
}

static bool
new_write(struct page *p, struct db *db)
{
	struct asked *k = p->own;
	struct account_row c;
	struct group_row g;
	int found = account_find(db, &p->arena, k->name, &c);

	if (found == 1)
		kit_wrong(p, "name", "wrong.account_taken", k->name);
	if (found != 0)
		return found == 1;
	found = group_find(db, &p->arena, k->group, &g);
	if (found == 0)
		kit_wrong(p, "group", "wrong.no_group", k->group);
	if (found != 1)
		return found == 0;
	account_blank(&c, k->name);
	c.grp = g.id;
	c.note = k->note;
	if (!account_put(db, &c) || (k->nano > 0 && ledger_grant(db, c.id,
	    k->nano, S("opening balance")) != LEDGER_DONE))
		return false;
	p->to = arena_printf(&p->arena, "/admin/accounts/%lld",
	    (long long)c.id);
	p->done = "account_new";
	return kit_note(p, db, "create", arena_printf(&p->arena,
	    "account %.*s", STR_ARGS(k->name)), arena_printf(&p->arena,
	    "group %.*s, opening balance %.*s", STR_ARGS(k->group),
	    STR_ARGS(k->nano > 0 ? text_usd(&p->arena, k->nano) :
	    S("none"))));
}

const struct leaf leaf_account_new = {
	.template = "form", .nav = "accounts", .show = new_show,
	.take = new_take, .write = new_write, .own = sizeof(struct asked),
};

/* --- One of them -------------------------------------------------------- */

static const struct field grant_fields[] = {
	{ "amount", "number", NULL, true, true, 24 },
	{ "reason", "text", NULL, true, true, REASON },
	{ 0 }
};

static void
put_state(struct page *p, json_t *row, bool revoked, bool on)
{
	put_str(row, "state_text", kit_say(p, revoked ? "state.revoked" :
	    on ? "state.on" : "state.off"));
	put_bool(row, "is_on", on && !revoked);
}

static bool
put_inside(struct page *p, const struct account_row *c)
{
	json_t *projects = put_list(p->data, "projects");
	json_t *keys = put_list(p->data, "keys");
	struct project_row *list;
	struct key_row *k;
	int n = project_list(p->db, &p->arena, c->id, S(""), &list);
	int m = key_list(p->db, &p->arena, c->id, 0, &k);

	for (int i = 0; i < n && i < KEYS_SHOWN; i++) {
		json_t *row = put_row(projects);

		put_str(row, "name", list[i].name);
		put_state(p, row, false, list[i].enabled);
	}
	for (int i = 0; i < m && i < KEYS_SHOWN; i++) {
		json_t *row = put_row(keys);

		put_str(row, "name", k[i].name);
		put_str(row, "project", k[i].project_name);
		put_str(row, "href", kit_href(p, "/admin/keys/%lld",
		    (long long)k[i].id));
		put_str(row, "tail", k[i].tail);
		put_usd(row, "used", k[i].used);
		put_state(p, row, k[i].revoked != 0, k[i].enabled);
	}
	return n >= 0 && m >= 0;
}

static bool
account_show(struct page *p)
{
	struct account_row c;
	struct group_row *groups;
	int g = group_list(p->db, &p->arena, S(""), &groups);
	int found = account_get(p->db, &p->arena, p->id, &c);

	if (found == 0)
		return kit_missing(p);
	if (g < 0 || found < 0 || !put_account(p, p->data, &c,
	    group_name(groups, g, c.grp)) || !put_inside(p, &c) ||
	    !caps_put_spent(p, CAP_ACCOUNT, c.id))
		return kit_failed(p);
	put_state(p, p->data, false, c.enabled);
	put_str(p->data, "title", c.name);
	put_str(p->data, "self_href", kit_href(p, "/admin/accounts/%lld",
	    (long long)c.id));
	put_str(p->data, "keys_href", kit_href(p, "/admin/keys?account=%.*s",
	    STR_ARGS(c.name)));
	put_str(p->data, "key_new_href", kit_href(p,
	    "/admin/keys/new?account=%.*s", STR_ARGS(c.name)));
	put_str(p->data, "ledger_href", kit_href(p,
	    "/admin/ledger?account=%.*s", STR_ARGS(c.name)));
	put_str(p->data, "usage_href", kit_href(p,
	    "/admin/usage?account=%.*s", STR_ARGS(c.name)));
	fields_put(p, p->data, "fields", grant_fields, NULL);
	return true;
}

const struct leaf leaf_account = {
	.template = "account", .nav = "accounts", .show = account_show,
};

/* --- What is done to it ------------------------------------------------- */

static int
the_account(struct page *p, struct db *db, struct account_row *c)
{
	int found = account_get(db, &p->arena, p->id, c);

	if (found == 0)
		kit_missing(p);
	p->to = arena_printf(&p->arena, "/admin/accounts/%lld",
	    (long long)p->id);
	return found;
}

static bool
turn(struct page *p, struct db *db, bool on)
{
	struct account_row c;
	int found = the_account(p, db, &c);

	p->done = on ? "account_on" : "account_off";
	if (found != 1)
		return found == 0;
	if (c.enabled == on)
		return true;
	c.enabled = on;
	return account_put(db, &c) && kit_note(p, db, on ? "switch on" :
	    "switch off", arena_printf(&p->arena, "account %.*s",
	    STR_ARGS(c.name)), S(""));
}

static bool
on_write(struct page *p, struct db *db)
{
	return turn(p, db, true);
}

static bool
off_write(struct page *p, struct db *db)
{
	return turn(p, db, false);
}

static bool
money_take(struct page *p)
{
	struct asked *k = p->own;
	bool good = field_usd(p, "amount", true, &k->nano);

	return field_text(p, "reason", REASON, true, &k->reason) && good;
}

static bool
move(struct page *p, struct db *db, bool give)
{
	struct asked *k = p->own;
	struct account_row c;
	int64_t balance = 0, held = 0, available = 0;
	enum ledger_verdict v;
	int found = the_account(p, db, &c);

	if (found != 1)
		return found == 0;
	if (ledger_balance(db, c.id, &balance, &held) < 0)
		return false;
	v = give ? ledger_grant(db, c.id, k->nano, k->reason) :
	    ledger_deduct(db, c.id, k->nano, k->reason, &available);
	if (v == LEDGER_SHORT)
		kit_wrong(p, "amount", "wrong.short", text_usd(&p->arena,
		    available));
	if (v != LEDGER_DONE)
		return v == LEDGER_SHORT;
	p->done = give ? "grant" : "deduct";
	return kit_note(p, db, give ? "grant" : "deduct",
	    arena_printf(&p->arena, "account %.*s", STR_ARGS(c.name)),
	    arena_printf(&p->arena, "%.*s: %.*s; balance before %.*s",
	    STR_ARGS(text_usd(&p->arena, k->nano)), STR_ARGS(k->reason),
	    STR_ARGS(text_usd(&p->arena, balance))));
}

static bool
grant_write(struct page *p, struct db *db)
{
	return move(p, db, true);
}

static bool
deduct_write(struct page *p, struct db *db)
{
	return move(p, db, false);
}

#define ACTION(leaf_name, take_it, write_it) const struct leaf leaf_name = { \
	.template = "account", .nav = "accounts", .show = account_show, \
	.take = (take_it), .write = (write_it), \
	.own = sizeof(struct asked) }
ACTION(leaf_account_on, NULL, on_write);
ACTION(leaf_account_off, NULL, off_write);
ACTION(leaf_grant, money_take, grant_write);
ACTION(leaf_deduct, money_take, deduct_write);
