/* SPDX-License-Identifier: MIT */
/*
 * users.c - who may sign in: the list, a new one, a new password, on and off.
 *
 * Users of the site are the site owner's to make and change, so that nobody
 * gives himself or others more than he has; users of accounts any operator's.
 */
#include "db/user.h"

#include "db/account.h"
#include "db/group.h"
#include "handlers/admin/admin.h"
#include "handlers/page/field.h"
#include "handlers/page/form.h"

enum { PASSWORD_LEAST = 8, PASSWORD_MOST = 1024 };

struct asked {
	struct str login, account, role, password;
	char hash[128];
};

/* --- The list ----------------------------------------------------------- */

static struct str
role_text(struct page *p, const struct user_row *u)
{
	return kit_word(p, "role", arena_printf(&p->arena, "%s%.*s",
	    u->account ? "account-" : "", STR_ARGS(u->role)));
}

static bool
rows(struct page *p, json_t *list, int most)
{
	struct str after = p->after;
	struct user_row *users;
	int n = user_list(p->db, &p->arena, after, &users), shown = 0;

	p->after = S("");
	if (n < 0)
		return kit_failed(p);
	for (; shown < n && shown < most; shown++) {
		const struct user_row *u = &users[shown];
		struct account_row c = { .name = S("") };
		json_t *row = put_row(list);

		if (u->account && account_get(p->db, &p->arena, u->account,
		    &c) < 0)
			return kit_failed(p);
		put_str(row, "id", arena_int(&p->arena, u->id));
		put_str(row, "login", u->login);
		put_maybe(row, "account", c.name);
		put_str(row, "role", u->role);
		put_str(row, "role_text", role_text(p, u));
		put_bool(row, "enabled", u->enabled);
		put_bool(row, "may", p->who->role == ROLE_OWNER ||
		    (p->who->role == ROLE_OPERATOR && u->account));
		put_time(row, "created", u->created);
		put_maybe(row, "note", u->note);
		put_str(row, "do_href", kit_href(p, "/admin/users/%lld",
		    (long long)u->id));
	}
	if (shown < n || (shown && shown == LIST_MAX))
		p->after = users[shown - 1].login;
	return true;
}

static bool
list_show(struct page *p)
{
	put_str(p->data, "new_href", kit_href(p, "/admin/users/new"));
	return kit_rows(p);
}

const struct leaf leaf_users = {
	.template = "users", .nav = "users", .show = list_show, .rows = rows,
};

/* --- A new one ---------------------------------------------------------- */

static const struct field new_fields[] = {
	{ "login", "text", NULL, true, true, 64 },
	{ "account", "text", NULL, false, true, 64 },
	{ "role", "select", NULL, true, true, 0 },
	{ "new", "password", "new-password", true, true, PASSWORD_MOST },
	{ "again", "password", "new-password", true, false, PASSWORD_MOST },
	{ 0 }
};
static const struct field password_fields[] = {
	{ "new", "password", "new-password", true, true, PASSWORD_MOST },
	{ "again", "password", "new-password", true, false, PASSWORD_MOST },
	{ 0 }
};

static bool
new_show(struct page *p)
{
	static const struct str roles[] = { STR_INIT("member"),
		STR_INIT("owner"), STR_INIT("operator"),
		STR_INIT("auditor") };
	struct choice choices[5] = { { { NULL, 0 }, { NULL, 0 } } };
	const struct given given[] = {
		{ "account", kit_query(p, "account"), NULL },
		{ "role", S("member"), choices },
		{ 0 }
	};

	for (int i = 0; i < 4; i++)
		choices[i] = (struct choice){ roles[i], kit_word(p,
		    "role.of", roles[i]) };
	put_str(p->data, "title", kit_say(p, "title.user_new"));
	put_str(p->data, "action_href", kit_href(p, "/admin/users/new"));
	put_str(p->data, "button", kit_say(p, "user.make"));
	fields_put(p, p->data, "fields", new_fields, given);
	return true;
}

static bool
take_password(struct page *p, struct asked *k)
{
	struct str again = form_field(p->rq->body, &p->arena, "again");

	k->password = form_field(p->rq->body, &p->arena, "new");
	if (k->password.n < PASSWORD_LEAST || k->password.n > PASSWORD_MOST)
		return kit_wrong(p, "new", "wrong.password");
	return str_eq(k->password, again) || kit_wrong(p, "again",
	    "wrong.again");
}

static bool
new_take(struct page *p)
{
	struct asked *k = p->own;
	bool good = field_name(p, "login", &k->login), site;

	k->account = kit_sent(p, "account");
	k->role = kit_sent(p, "role");
	site = !k->account.n;
	if (!str_eq(k->role, S("owner")) && !(site ?
	    str_eq(k->role, S("operator")) || str_eq(k->role, S("auditor")) :
	    str_eq(k->role, S("member"))))
		good = kit_wrong(p, "role", site ? "wrong.role_site" :
		    "wrong.role_account");
	else if (site && p->who->role != ROLE_OWNER)
		good = kit_wrong(p, "account", "wrong.owner_only");
	return take_password(p, k) && good;
}

static bool
hash_it(struct page *p)
{
	struct asked *k = p->own;
	bool good = vault_password(k->password, k->hash);

	vault_wipe((void *)(uintptr_t)k->password.p, k->password.n);
	return good || kit_wrong(p, NULL, "wrong.memory");
}

static bool
new_write(struct page *p, struct db *db)
{
	struct asked *k = p->own;
	struct account_row c = { .id = 0 };
	struct user_row u;
	int found = user_find(db, &p->arena, k->login, &u);

	if (found == 1)
		kit_wrong(p, "login", "wrong.login_taken", k->login);
	if (found != 0)
		return found == 1;
	found = k->account.n ? account_find(db, &p->arena, k->account, &c) :
	    1;
	if (found == 0)
		kit_wrong(p, "account", "wrong.no_account", k->account);
	if (found != 1)
		return found == 0;
	user_blank(&u, k->login);
	u.account = c.id;
	u.role = k->role;
	u.pass = str_of(k->hash);
	p->to = S("/admin/users");
	p->done = "user_new";
	return user_put(db, &u) && kit_note(p, db, "create",
	    arena_printf(&p->arena, "user %.*s", STR_ARGS(k->login)),
	    arena_printf(&p->arena, "%.*s of %.*s", STR_ARGS(k->role),
	    STR_ARGS(c.id ? c.name : S("the site"))));
}

const struct leaf leaf_user_new = {
	.template = "form", .nav = "users", .show = new_show,
	.take = new_take, .prove = hash_it, .write = new_write,
	.own = sizeof(struct asked),
};

/* --- What is done to one ------------------------------------------------ */

/* 1 if this visitor may change it. */
static int
the_user(struct page *p, struct db *db, struct user_row *u)
{
	int found = p->id ? user_get(db, &p->arena, p->id, u) : 0;

	p->to = S("/admin/users");
	if (found == 0)
		kit_missing(p);
	if (found == 1 && !u->account && p->who->role != ROLE_OWNER) {
		kit_wrong(p, NULL, "wrong.owner_only");
		return 0;
	}
	return found;
}

static bool
turn(struct page *p, struct db *db, bool on)
{
	struct user_row u;
	int found = the_user(p, db, &u);

	if (found == 1 && !on && u.id == p->who->user) {
		kit_wrong(p, NULL, "wrong.yourself");
		found = 0;
	}
	p->done = on ? "user_on" : "user_off";
	if (found != 1)
		return found == 0;
	if (u.enabled == on)
		return true;
	u.enabled = on;
	return user_put(db, &u) && kit_note(p, db, on ? "switch on" :
	    "switch off", arena_printf(&p->arena, "user %.*s",
	    STR_ARGS(u.login)), S(""));
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
password_show(struct page *p)
{
	struct user_row u;
	int found = p->id ? user_get(p->db, &p->arena, p->id, &u) : 0;

	if (found == 0)
		return kit_missing(p);
	if (found < 0)
		return kit_failed(p);
	put_str(p->data, "title", kit_say(p, "title.password", u.login));
	put_str(p->data, "action_href", kit_href(p,
	    "/admin/users/%lld/password", (long long)u.id));
	put_str(p->data, "button", kit_say(p, "profile.change"));
	fields_put(p, p->data, "fields", password_fields, NULL);
	return true;
}

static bool
password_take(struct page *p)
{
	return take_password(p, p->own);
}

static bool
password_write(struct page *p, struct db *db)
{
	struct asked *k = p->own;
	struct user_row u;
	int found = the_user(p, db, &u);

	p->done = "user_password";
	if (found != 1)
		return found == 0;
	u.pass = str_of(k->hash);
	return user_put(db, &u) && kit_note(p, db, "password",
	    arena_printf(&p->arena, "user %.*s", STR_ARGS(u.login)),
	    S("all sessions end"));
}

const struct leaf leaf_user_on = { .template = "users", .nav = "users",
	.show = list_show, .rows = rows, .write = on_write };
const struct leaf leaf_user_off = { .template = "users", .nav = "users",
	.show = list_show, .rows = rows, .write = off_write };
const struct leaf leaf_user_password = {
	.template = "form", .nav = "users", .show = password_show,
	.take = password_take, .prove = hash_it, .write = password_write,
	.own = sizeof(struct asked),
};
