/* SPDX-License-Identifier: MIT */
/*
 * user.c - weirctl user new, user passwd; and the first owner.
 */
#include "handlers/ctl/user.h"

#include "db/account.h"
#include "db/setting.h"
#include "db/setup.h"
#include "db/user.h"

bool
user_make(struct ctl *c, struct db *db, void *arg)
{
	const struct making *k = arg;
	struct account_row account;
	struct user_row row;
	int found = user_find(db, &c->arena, k->login, &row);

	if (found < 0)
		return false;
	if (found)
		return refuse(c, "there is a user %.*s already; weirctl user "
		    "passwd %.*s sets the password", STR_ARGS(k->login),
		    STR_ARGS(k->login));
	user_blank(&row, k->login);
	if (k->account.n) {
		found = account_find(db, &c->arena, k->account, &account);
		if (found < 0)
			return false;
		if (found == 0)
			return refuse(c, "there is no account %.*s; weirctl "
			    "account list shows what there is",
			    STR_ARGS(k->account));
		row.account = account.id;
	}
	row.role = k->role;
	row.pass = str_of(k->hash);
	/* With a site owner there is nothing left to set up. */
	if (!row.account && str_eq(k->role, S("owner")) && !setup_close(db))
		return false;
	return user_put(db, &row) && noted(c, db, "create",
	    arena_printf(&c->arena, "user %.*s", STR_ARGS(k->login)),
	    k->role);
}

static int
run_new(struct ctl *c)
{
	struct making k = { .login = str_of(c->words[0]) };
	const char *role = opt(c, "role"), *account = opt(c, "account");
	struct str password;

	if (!name_valid(k.login))
		return misused(c, "\"%s\" is no name: 1 to 64 of A-Z a-z 0-9 "
		    ". _ : / @ -", c->words[0]);
	k.account = account ? str_of(account) : S("");
	k.role = role ? str_of(role) : account ? S("member") : S("");
	if (account && !str_eq(k.role, S("owner")) &&
	    !str_eq(k.role, S("member")))
		return misused(c, "--role: in an account a user is owner or "
		    "member");
	if (!account && !str_eq(k.role, S("owner")) &&
	    !str_eq(k.role, S("operator")) && !str_eq(k.role, S("auditor")))
		return misused(c, "--role: a user of the site is owner, "
		    "operator or auditor");
	if (!read_password(c, &password))
		return EXIT_REFUSED;
	if (!vault_password(password, k.hash))
		return failed(c, "there is not enough memory to hash a "
		    "password");
	if (!change(c, user_make, &k))
		return EXIT_REFUSED;
	if (!k.account.n && str_eq(k.role, S("owner")))
		setup_forget(store_dir(c->store));
	if (c->json)
		printf("{\"created\":true}\n");
	else
		printf("user %s made\n", c->words[0]);
	return EXIT_DONE;
}

/* --- user passwd ---------------------------------------------------------- */

static bool
set_password(struct ctl *c, struct db *db, void *arg)
{
	const struct making *k = arg;
	struct user_row row;
	int found = user_find(db, &c->arena, k->login, &row);

	if (found < 0)
		return false;
	if (found == 0)
		return refuse(c, "there is no user %.*s; weirctl user list "
		    "shows what there is", STR_ARGS(k->login));
	row.pass = str_of(k->hash);
	return user_put(db, &row) && noted(c, db, "password",
	    arena_printf(&c->arena, "user %.*s", STR_ARGS(k->login)),
	    S(""));
}

static int
run_passwd(struct ctl *c)
{
	struct making k = { .login = str_of(c->words[0]) };
	struct str password;

	if (!read_password(c, &password))
		return EXIT_REFUSED;
	if (!vault_password(password, k.hash))
		return failed(c, "there is not enough memory to hash a "
		    "password");
	if (!change(c, set_password, &k))
		return EXIT_REFUSED;
	if (c->json)
		printf("{\"changed\":true}\n");
	else
		printf("user %s has a new password\n", c->words[0]);
	return EXIT_DONE;
}

const struct command command_user_new = {
	.name = "user new",
	.usage = "LOGIN --role ROLE | LOGIN --account A [--role ROLE]",
	.summary = "makes somebody who signs in, password on standard input",
	.help =
"A user of the site is owner, operator or auditor; a user of an account is\n"
"owner or member (the default).  A password has 8 characters or more.\n",
	.options = "role= account=", .least = 1, .most = 1, .run = run_new,
};

const struct command command_user_passwd = {
	.name = "user passwd", .usage = "LOGIN",
	.summary = "sets a password, read from standard input",
	.least = 1, .most = 1, .run = run_passwd,
};
