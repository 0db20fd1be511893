/* SPDX-License-Identifier: MIT */
/*
 * project.c - weirctl project new: a named part of an account, with keys and
 * caps of its own.
 */
#include "db/setting.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

struct projecting {
	struct str account, name, note;
	struct caps caps;
};

static bool
make_project(struct ctl *c, struct db *db, void *arg)
{
	const struct projecting *k = arg;
	struct account_row account;
	struct project_row row;
	int found = account_find(db, &c->arena, k->account, &account);

	if (found < 0)
		return false;
	if (found == 0)
		return refuse(c, "there is no account %.*s; weirctl account "
		    "list shows what there is", STR_ARGS(k->account));
	found = project_find(db, &c->arena, account.id, k->name, &row);
	if (found < 0)
		return false;
	if (found)
		return refuse(c, "account %.*s has a project %.*s already",
		    STR_ARGS(k->account), STR_ARGS(k->name));
	project_blank(&row, account.id, k->name);
	row.note = k->note;
	return project_put(db, &row) &&
	    cap_set(db, CAP_PROJECT, row.id, &k->caps) &&
	    noted(c, db, "create", arena_printf(&c->arena,
	    "project %.*s/%.*s", STR_ARGS(k->account), STR_ARGS(k->name)),
	    S(""));
}

static int
run(struct ctl *c)
{
	struct projecting k = { .account = str_of(c->words[0]),
		.name = str_of(c->words[1]) };
	const char *note = opt(c, "note");

	if (!name_valid(k.name))
		return misused(c, "\"%s\" is no name: 1 to 64 of A-Z a-z 0-9 "
		    ". _ : / @ -", c->words[1]);
	k.note = note ? str_of(note) : S("");
	if (k.note.n > 4096 || str_has_control(k.note))
		return misused(c, "--note: at most 4096 bytes, without "
		    "control characters");
	if (!opt_caps(c, &k.caps))
		return EXIT_USAGE;
	if (!change(c, make_project, &k))
		return EXIT_REFUSED;
	if (c->json)
		printf("{\"created\":true}\n");
	else
		printf("project %.*s/%.*s made\n", STR_ARGS(k.account),
		    STR_ARGS(k.name));
	return EXIT_DONE;
}

const struct command command_project_new = {
	.name = "project new",
	.usage = "ACCOUNT NAME [--cap WINDOW=AMOUNT]... [--note TEXT]",
	.summary = "makes a project: a part of an account with keys and caps",
	.help =
"Its keys are made by key new --account ACCOUNT --project NAME; its caps are\n"
"of all of them together.  Every account has a project default.\n",
	.options = "cap= note=", .least = 2, .most = 2, .run = run,
};
