/* SPDX-License-Identifier: MIT */
/*
 * key.c - weirctl key new, rotate, revoke.
 *
 * A key is shown once, when it is made; the store keeps a keyed hash.
 */
#include "db/key.h"

#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

struct keying {
	struct key_row row;		/* what was asked for; no ids yet */
	struct caps caps;
	struct str account, project;
	char secret[64];
	struct str name;		/* "alice/app" */
};

static void
tell_key(struct ctl *c, const struct keying *k)
{
	struct buf b = BUF(&c->arena, 4096);

	if (c->json) {
		buf_char(&b, '{');
		out_str(&b, "name", k->name);
		out_str(&b, "key", str_of(k->secret));
		buf_put(&b, S("}\n"));
		print(&b);
		return;
	}
	printf("%s\n", k->secret);
	fflush(stdout);
	fprintf(stderr, "key %.*s, shown this once; weir keeps only a hash "
	    "of it\n", STR_ARGS(k->name));
}

/* --- new ------------------------------------------------------------------ */

/* "a,b" as a JSON list, each checked; *list stays empty without the option. */
static bool
opt_list(struct ctl *c, const char *name, const char *what,
    bool (*good)(struct arena *a, struct str s, struct str *full),
    struct str *list)
{
	const char *text = opt(c, name);
	struct buf b = BUF(&c->arena, 1 << 20);
	struct str rest;

	if (!text)
		return true;
	rest = str_of(text);
	do {
		struct str each = str_trim(str_cut(&rest, ',')), full;

		if (!good(&c->arena, each, &full)) {
			misused(c, "--%s: \"%.*s\" is no %s", name,
			    STR_ARGS(each), what);
			return false;
		}
		buf_char(&b, b.n ? ',' : '[');
		buf_json(&b, full);
	} while (rest.n);
	buf_char(&b, ']');
	*list = buf_str(&b);
	return true;
}

static bool
is_pattern(struct arena *a, struct str s, struct str *full)
{
	(void)a;
	*full = s;
	return pattern_valid(s);
}

static bool
find_project(struct ctl *c, struct db *db, const struct keying *k,
    struct account_row *account, struct project_row *project)
{
	int found = account_find(db, &c->arena, k->account, account);

	if (found < 0)
		return false;
	if (found == 0)
		return refuse(c, "there is no account %.*s; weirctl account "
		    "list shows what there is", STR_ARGS(k->account));
	found = project_find(db, &c->arena, account->id, k->project, project);
	if (found < 0)
		return false;
	return found || refuse(c, "account %.*s has no project %.*s; weirctl "
	    "project list %.*s shows what there is", STR_ARGS(k->account),
	    STR_ARGS(k->project), STR_ARGS(k->account));
}

static bool
make_key(struct ctl *c, struct db *db, void *arg)
{
	struct keying *k = arg;
	struct account_row account;
	struct project_row project;
	struct key_row row, other;
	int found;

	if (!find_project(c, db, k, &account, &project))
		return false;
	found = key_find(db, &c->arena, project.id, k->row.name, &other);
	if (found < 0)
		return false;
	if (found)
		return refuse(c, "there is a key %.*s already%s",
		    STR_ARGS(k->row.name), other.revoked ? " (revoked): use "
		    "another name" : "; key rotate gives it a new secret");
	key_blank(&row, account.id, project.id, k->row.name);
	row.models = k->row.models;
	row.ips = k->row.ips;
	row.rpm = k->row.rpm;
	row.tpm = k->row.tpm;
	row.concurrency = k->row.concurrency;
	row.expires = k->row.expires;
	row.strict = k->row.strict;
	vault_new_key("sk-weir-", k->secret);
	if (!key_add(db, store_vault(c->store), &row, str_of(k->secret)) ||
	    !cap_set(db, CAP_KEY, row.id, &k->caps))
		return false;
	return noted(c, db, "create", arena_printf(&c->arena, "key %.*s",
	    STR_ARGS(k->name)), S(""));
}

static int
run_new(struct ctl *c)
{
	const char *project = opt(c, "project");
	struct keying k = { 0 };

	if (!opt(c, "account") || !opt(c, "name"))
		return misused(c, "--account and --name are needed");
	k.account = str_of(opt(c, "account"));
	k.project = project ? str_of(project) : S("default");
	k.row.name = str_of(opt(c, "name"));
	if (!name_valid(k.row.name))
		return misused(c, "--name: \"%s\" is no name: 1 to 64 of "
		    "A-Z a-z 0-9 . _ : / @ -", opt(c, "name"));
	if (!opt_list(c, "models", "model name", is_pattern,
	    &k.row.models) || !opt_list(c, "ips", "address or network like "
	    "10.0.0.0/8", network_valid, &k.row.ips) ||
	    !opt_count(c, "rpm", 1, &k.row.rpm) ||
	    !opt_count(c, "tpm", 1, &k.row.tpm) ||
	    !opt_count(c, "concurrency", 1, &k.row.concurrency) ||
	    !opt_time(c, "expires", true, &k.row.expires) ||
	    !opt_caps(c, &k.caps))
		return EXIT_USAGE;
	k.row.strict = opt(c, "strict") != NULL;
	if (k.row.expires && k.row.expires <= clock_utc_ms())
		return misused(c, "--expires: %s has passed",
		    opt(c, "expires"));
	k.name = project ? arena_printf(&c->arena, "%.*s/%s/%.*s",
	    STR_ARGS(k.account), project, STR_ARGS(k.row.name)) :
	    arena_printf(&c->arena, "%.*s/%.*s", STR_ARGS(k.account),
	    STR_ARGS(k.row.name));
	if (!change(c, make_key, &k))
		return EXIT_REFUSED;
	tell_key(c, &k);
	return EXIT_DONE;
}

/* --- rotate, revoke ------------------------------------------------------- */

/* The row of the key that the words mean. */
static bool
pick_key(struct ctl *c, struct db *db, struct keying *k, struct key_row *row)
{
	struct found f;
	int found;

	if (!noun_pick(c, db, &noun_key, c->words, c->n_words, &f))
		return false;
	k->name = found_name(&c->arena, &f);
	found = key_find(db, &c->arena, f.up.project, f.path[f.depth - 1],
	    row);
	if (found != 1)
		return false;
	return !row->revoked || refuse(c, "key %.*s is revoked, for ever",
	    STR_ARGS(k->name));
}

static bool
rotate(struct ctl *c, struct db *db, void *arg)
{
	struct keying *k = arg;
	struct key_row row;

	if (!pick_key(c, db, k, &row))
		return false;
	vault_new_key("sk-weir-", k->secret);
	return key_rotate(db, store_vault(c->store), &row,
	    str_of(k->secret)) && noted(c, db, "rotate",
	    arena_printf(&c->arena, "key %.*s", STR_ARGS(k->name)), S(""));
}

static int
run_rotate(struct ctl *c)
{
	struct keying k = { 0 };

	if (!change(c, rotate, &k))
		return EXIT_REFUSED;
	tell_key(c, &k);
	return EXIT_DONE;
}

static bool
revoke(struct ctl *c, struct db *db, void *arg)
{
	struct keying *k = arg;
	struct key_row row;

	return pick_key(c, db, k, &row) && key_revoke(db, &row) &&
	    noted(c, db, "revoke", arena_printf(&c->arena, "key %.*s",
	    STR_ARGS(k->name)), S(""));
}

static int
run_revoke(struct ctl *c)
{
	struct keying k = { 0 };

	if (!change(c, revoke, &k))
		return EXIT_REFUSED;
	if (c->json)
		printf("{\"revoked\":true}\n");
	else
		printf("key %.*s is revoked\n", STR_ARGS(k.name));
	return EXIT_DONE;
}

const struct command command_key_new = {
	.name = "key new",
	.usage = "--account A [--project P] --name N [--models a,b] "
	    "[--ips CIDR,...] [--rpm N] [--tpm N] [--concurrency N] "
	    "[--cap WINDOW=AMOUNT]... [--expires T] [--strict]",
	.summary = "makes a client's key and prints it, once",
	.help =
"Without --models and --ips every model and address is allowed; a model may\n"
"end in *.  --cap may be repeated: hour, day, week, month, total in USD,\n"
"day_tokens=N and its like, soft=PERCENT of the others to be warned at.\n"
"T is 2027-01-01, 2027-01-01T09:30:00Z, or a span from now on: 24h, 7d.\n"
"With --strict a call is refused when something in it would be left out for\n"
"its upstream; without, it is left out and noted in the usage row.\n"
"The key alone goes to standard output: KEY=$(weirctl key new ...)\n",
	.options = "account= project= name= models= ips= rpm= tpm= "
	    "concurrency= cap= expires= strict",
	.run = run_new,
};

const struct command command_key_rotate = {
	.name = "key rotate", .usage = "[ACCOUNT [PROJECT]] NAME",
	.summary = "gives a key a new secret, the old one is refused",
	.least = 1, .most = 3, .run = run_rotate,
};

const struct command command_key_revoke = {
	.name = "key revoke", .usage = "[ACCOUNT [PROJECT]] NAME",
	.summary = "ends a key for ever (key off can be taken back)",
	.least = 1, .most = 3, .run = run_revoke,
};
