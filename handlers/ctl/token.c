/* SPDX-License-Identifier: MIT */
/*
 * token.c - weirctl token new, list, revoke: administrators' API credentials.
 *
 * A token is shown once, when it is made; the store keeps a keyed hash.  It
 * has no name: its number is what it is revoked by.
 */
#include "db/group.h"
#include "db/user.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"

/* --- new ------------------------------------------------------------------ */

struct token {
	struct str login, role;
	char secret[64];
	int64_t id;
};

static bool
make_token(struct ctl *c, struct db *db, void *arg)
{
	struct token *k = arg;
	struct user_row row;
	uint8_t hash[VAULT_HASH];
	int found = user_find(db, &c->arena, k->login, &row);

	if (found < 0)
		return false;
	if (found == 0)
		return refuse(c, "there is no user %.*s; weirctl user new "
		    "makes one", STR_ARGS(k->login));
	if (row.account)
		return refuse(c, "%.*s is a user of an account; tokens are "
		    "for users of the site", STR_ARGS(k->login));
	if (str_eq(row.role, S("auditor")) &&
	    str_eq(k->role, S("operator")))
		return refuse(c, "%.*s is an auditor and cannot have an "
		    "operator's token", STR_ARGS(k->login));
	vault_new_key("wa-", k->secret);
	vault_hash(store_vault(c->store), str_of(k->secret), hash);
	k->id = token_add(db, row.id, k->role, hash);
	return k->id > 0 && noted(c, db, "create", arena_printf(&c->arena,
	    "token %lld", (long long)k->id), arena_printf(&c->arena,
	    "%.*s for %.*s", STR_ARGS(k->role), STR_ARGS(k->login)));
}

static int
run_token(struct ctl *c)
{
	const char *user = opt(c, "user"), *role = opt(c, "role");
	struct token k = { 0 };

	if (!user || !role)
		return misused(c, "--user and --role are needed");
	k.login = str_of(user);
	k.role = str_of(role);
	if (!str_eq(k.role, S("operator")) && !str_eq(k.role, S("auditor")))
		return misused(c, "--role is operator or auditor");
	if (!change(c, make_token, &k))
		return EXIT_REFUSED;
	if (c->json) {
		printf("{\"id\":%lld,\"token\":\"%s\"}\n", (long long)k.id,
		    k.secret);
		return EXIT_DONE;
	}
	printf("%s\n", k.secret);
	fflush(stdout);
	fprintf(stderr, "token %lld of %s, shown this once; weir keeps only "
	    "a hash of it\n", (long long)k.id, user);
	return EXIT_DONE;
}

/* --- list ----------------------------------------------------------------- */

static void
put_token(struct ctl *c, struct buf *b, struct table *t,
    const struct token_row *row)
{
	char digits[STR_INT];

	if (!c->json) {
		table_add(t, arena_str(&c->arena, str_digits(row->id,
		    digits)));
		table_add(t, row->login);
		table_add(t, row->role);
		table_add(t, row->enabled ? S("on") : S("revoked"));
		table_add(t, time_short(&c->arena, row->created));
		return;
	}
	buf_put(b, b->n > 1 ? S(",\n {") : S("{"));
	out_int(b, "id", row->id);
	out_str(b, "user", row->login);
	out_str(b, "role", row->role);
	out_bool(b, "enabled", row->enabled);
	out_time(b, "created", row->created);
	buf_char(b, '}');
}

static int
run_list(struct ctl *c)
{
	static const char *const heads[] = { "id", "user", "role", "state",
		"created" };
	struct table t = { .arena = &c->arena, .columns = countof(heads),
		.right = 1 };
	struct buf b = BUF(&c->arena, 256 << 20);
	struct token_row *page;
	int64_t after = 0;
	size_t none;
	int n;

	for (size_t i = 0; i < countof(heads); i++)
		table_add(&t, str_of(heads[i]));
	none = t.n;
	buf_char(&b, '[');
	do {
		n = token_list(c->db, &c->arena, after, &page);
		for (int i = 0; i < n; i++) {
			put_token(c, &b, &t, &page[i]);
			after = page[i].id;
		}
	} while (n == LIST_MAX);
	if (n < 0)
		return failed_read(c);
	buf_put(&b, S("]\n"));
	if (c->json)
		print(&b);
	else if (t.n > none)
		table_print(&t);
	else
		printf("no tokens\n");
	return EXIT_DONE;
}

/* --- revoke --------------------------------------------------------------- */

static bool
revoke(struct ctl *c, struct db *db, void *arg)
{
	int64_t id = *(const int64_t *)arg;
	int n = token_enable(db, id, false);

	if (n == 0)
		return refuse(c, "there is no token %lld; weirctl token list "
		    "shows what there is", (long long)id);
	return n == 1 && noted(c, db, "revoke", arena_printf(&c->arena,
	    "token %lld", (long long)id), S(""));
}

static int
run_revoke(struct ctl *c)
{
	int64_t id;

	if (!str_int(str_of(c->words[0]), &id) || id < 1)
		return misused(c, "\"%s\" is no token's number: weirctl token "
		    "list shows them", c->words[0]);
	if (!change(c, revoke, &id))
		return EXIT_REFUSED;
	if (c->json)
		printf("{\"revoked\":true}\n");
	else
		printf("token %lld is revoked\n", (long long)id);
	return EXIT_DONE;
}

const struct command command_token_new = {
	.name = "token new", .usage = "--user U --role operator|auditor",
	.summary = "makes an administrator's API token and prints it, once",
	.help =
"It opens what is for administrators: GET /metrics, the pages below /admin as\n"
"JSON (an auditor's changes nothing there), and x-weir-trace on a\n"
"call.  The token alone goes to standard output.\n",
	.options = "user= role=", .run = run_token,
};

const struct command command_token_list = {
	.name = "token list", .usage = "",
	.summary = "lists the tokens: number, user, role, state",
	.run = run_list,
};

const struct command command_token_revoke = {
	.name = "token revoke", .usage = "ID",
	.summary = "ends a token for ever; ID is its number",
	.least = 1, .most = 1, .run = run_revoke,
};
