/* SPDX-License-Identifier: MIT */
/*
 * noun_user.c - who signs in: listed and switched on and off like the
 * objects of the catalogue, but not in it.
 */
#include "db/user.h"

#include "db/group.h"
#include "handlers/ctl/noun.h"

struct user_object {
	struct user_row row;
	struct str account;		/* its name; empty: of the site */
};

#define AT(member) offsetof(struct user_object, member)
static const struct member user_members[] = {
	{ "role", &kind_text, AT(row.role), 0, 0 },
	{ "account", &kind_text, AT(account), 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
user_object_blank(void *object, const struct above *up, struct str name)
{
	struct user_object *k = object;

	(void)up;
	memset(k, 0, sizeof(*k));
	user_blank(&k->row, name);
	k->row.role = S("");
}

static int
user_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct user_object *k = object;
	struct account_row *page;
	struct str after = { 0 };
	int found, n;

	user_object_blank(k, up, name);
	found = user_find(db, a, name, &k->row);
	if (found != 1 || !k->row.account)
		return found;
	do {
		n = account_list(db, a, after, &page);
		for (int i = 0; i < n; i++) {
			after = page[i].name;
			if (page[i].id == k->row.account)
				k->account = page[i].name;
		}
	} while (n == LIST_MAX);
	return n < 0 ? -1 : 1;
}

static bool
user_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct user_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = user_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct user_row, login), &after));
	return n >= 0;
}

static bool
user_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	(void)at;
	(void)up;
	(void)was;
	return user_put(r->db, &((struct user_object *)object)->row) ||
	    lost(r);
}

const struct noun noun_user = {
	.word = "user", .list = "users", .called = "login",
	.size = sizeof(struct user_object), .id = AT(row.id),
	.name = AT(row.login), .enabled = AT(row.enabled),
	.members = user_members,
	.blank = user_object_blank, .load = user_load, .names = user_names,
	.save = user_save,
};
