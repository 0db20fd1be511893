/* SPDX-License-Identifier: MIT */
/*
 * noun_target.c - where alerts are told: webhooks and mailboxes.
 */
#include "db/target.h"

#include "db/group.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

struct target_object {
	struct target_row row;
	struct str account;		/* its name; empty: the site's */
	struct str secret;		/* given now; never loaded */
};

#define AT(member) offsetof(struct target_object, member)
static const struct member target_members[] = {
	{ "url", &kind_url, AT(row.url), 1, 1024 },
	{ "secret", &kind_secret, AT(secret), TARGET_SECRET_LEAST,
	    TARGET_SECRET_MOST },
	{ "email", &kind_text, AT(row.email), 1, 254 },
	{ "account", &kind_text, AT(account), 1, 64 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
target_object_blank(void *object, const struct above *up, struct str name)
{
	struct target_object *t = object;

	(void)up;
	memset(t, 0, sizeof(*t));
	target_blank(&t->row, name);
}

static int
target_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct target_object *t = object;
	struct alert_owner owner;
	int found;

	target_object_blank(t, up, name);
	found = target_find(db, a, name, &t->row);
	if (found != 1 || !t->row.account)
		return found;
	found = alert_owner(db, a, CAP_ACCOUNT, t->row.account, &owner);
	t->account = owner.account_name;
	return found;
}

static bool
target_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct target_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = target_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct target_row, name), &after));
	return n >= 0;
}

static const char *
target_hidden(struct reading *r, const struct above *up, const void *object)
{
	const struct target_object *t = object;

	(void)up;
	return t->secret.n && (!t->row.id || !target_same(r->vault, &t->row,
	    t->secret)) ? "secret" : NULL;
}

/* Whose it is; a target stays whose it was. */
static bool
find_account(struct reading *r, const struct place *at,
    struct target_object *t, const struct target_object *was)
{
	struct place here = place_in(at, S("account"));
	struct account_row account;
	int found;

	t->row.account = 0;
	if (t->account.n) {
		found = account_find(r->db, r->arena, t->account, &account);
		if (found < 0)
			return lost(r);
		if (found == 0)
			return wrong(r, &here, "there is no account "
			    "\"%.*s\"", STR_ARGS(t->account));
		t->row.account = account.id;
	}
	return !was->row.id || was->row.account == t->row.account ||
	    wrong(r, &here, "a target stays whose it is: give another one "
	    "another name");
}

static bool
check_secret(struct reading *r, const struct place *at,
    const struct target_object *t)
{
	struct place here = place_in(at, S("secret"));
	char key[TARGET_SECRET_MOST];
	int n;

	if (!t->secret.n)
		return t->row.sealed.n || wrong(r, at, "a new webhook needs "
		    "its secret, which what it is sent is signed with, like "
		    "\"whsec_\" and the output of openssl rand -base64 32");
	n = target_key(t->secret, key);
	vault_wipe(key, sizeof(key));
	return n >= 0 || wrong(r, &here, "behind \"whsec_\" base64 of 24 to "
	    "64 bytes is expected");
}

static bool
check_target(struct reading *r, const struct place *at,
    const struct target_object *t)
{
	struct place url = place_in(at, S("url"));
	struct place email = place_in(at, S("email"));
	struct place secret = place_in(at, S("secret"));
	struct str why;

	if (!t->row.url.n == !t->row.email.n)
		return wrong(r, at, "a target is a webhook with a url, or a "
		    "mailbox with an email%s", t->row.url.n ?
		    ": one of them" : "");
	if (t->row.email.n && !mailbox_valid(t->row.email))
		return wrong(r, &email, "\"%.*s\" is no mailbox like "
		    "\"ops@example.com\"", STR_ARGS(t->row.email));
	if (t->row.email.n)
		return !t->secret.n || wrong(r, &secret, "mail is not signed: "
		    "leave the secret out");
	if (!url_allowed_webhook(r->arena, t->row.url, t->row.account != 0,
	    &why))
		return wrong(r, &url, "%.*s", STR_ARGS(why));
	return check_secret(r, at, t);
}

static bool
target_save(struct reading *r, const struct place *at,
    const struct above *up, void *object, const void *was)
{
	struct target_object *t = object;
	bool fresh;

	if (!find_account(r, at, t, was) || !check_target(r, at, t))
		return false;
	fresh = target_hidden(r, up, t) != NULL;
	if (!target_put(r->db, &t->row))
		return lost(r);
	return !fresh || target_seal(r->db, r->vault, &t->row, t->secret) ||
	    lost(r);
}

const struct noun noun_target = {
	.word = "target", .list = "targets", .called = "name",
	.size = sizeof(struct target_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = target_members,
	.blank = target_object_blank, .load = target_load,
	.names = target_names, .save = target_save,
	.hidden = target_hidden,
};
