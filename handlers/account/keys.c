/* SPDX-License-Identifier: MIT */
/* keys.c - clients' keys, listed and shown; see keys.h. */
#include "handlers/account/keys.h"

#include "db/account.h"
#include "db/cap.h"
#include "db/group.h"
#include "fcgi/base/json.h"
#include "handlers/page/caps.h"

int
key_of_page(struct page *p, struct db *db, struct key_row *k)
{
	int found = p->id ? key_get(db, &p->arena, p->id, k) : 0;

	return found == 1 && p->who->account &&
	    k->account != p->who->account ? 0 : found;
}

struct str
key_path(struct arena *a, const struct key_row *k)
{
	bool plain = str_eq(k->project_name, S("default"));

	return arena_printf(a, "%.*s/%.*s%s%.*s", STR_ARGS(k->account_name),
	    plain ? 0 : (int)k->project_name.n, k->project_name.p ?
	    k->project_name.p : "", plain ? "" : "/", STR_ARGS(k->name));
}

const char *
key_state(const struct key_row *k, int64_t now)
{
	return k->revoked ? "revoked" : !k->enabled ? "off" :
	    k->expires && k->expires <= now ? "expired" : "on";
}

/* A JSON list of strings as "a, b". */
static struct str
words_of(struct arena *a, struct str list)
{
	struct json_each each = json_each(list);
	struct buf b = BUF(a, 1 << 20);

	while (list.n && json_next(&each)) {
		buf_put(&b, b.n ? S(", ") : S(""));
		buf_put(&b, json_text(a, each.value));
	}
	return buf_str(&b);
}

static void
put_key(struct page *p, json_t *row, const struct key_row *k)
{
	const char *state = key_state(k, db_now(p->db));

	put_str(row, "id", arena_int(&p->arena, k->id));
	put_str(row, "href", kit_href(p, "%s/keys/%lld", kit_base(p),
	    (long long)k->id));
	if (!p->who->account)
		put_str(row, "account", k->account_name);
	put_str(row, "project", k->project_name);
	put_str(row, "name", k->name);
	put_str(row, "state", str_of(state));
	put_str(row, "state_text", kit_word(p, "state", str_of(state)));
	put_bool(row, "is_on", state[0] == 'o' && state[1] == 'n');
	put_str(row, "tail", k->tail);
	put_bool(row, "weak", k->weak);
	put_maybe(row, "models", words_of(&p->arena, k->models));
	put_maybe(row, "ips", words_of(&p->arena, k->ips));
	put_maybe(row, "rpm", k->rpm ? arena_int(&p->arena, k->rpm) : S(""));
	put_maybe(row, "tpm", k->tpm ? arena_int(&p->arena, k->tpm) : S(""));
	put_maybe(row, "concurrency", k->concurrency ?
	    arena_int(&p->arena, k->concurrency) : S(""));
	put_usd(row, "used", k->used);
	put_int(row, "open_calls", k->open_holds);
	put_bool(row, "strict", k->strict);
	put_time(row, "expires", k->expires);
	put_time(row, "created", k->created);
	put_time(row, "revoked", k->revoked);
	put_maybe(row, "note", k->note);
}

void
key_put_row(struct page *p, json_t *list, const struct key_row *k)
{
	put_key(p, put_row(list), k);
}

/* --- The list ----------------------------------------------------------- */

/* Whose keys: the visitor's, those of ?account=, or (0) all. */
static int
whose(struct page *p, int64_t *account)
{
	struct str name = kit_query(p, "account");
	struct account_row row;
	int found;

	*account = p->who->account;
	if (*account || !name.n)
		return 1;
	found = account_find(p->db, &p->arena, name, &row);
	if (found == 1)
		*account = row.id;
	return found;
}

static bool
rows(struct page *p, json_t *list, int most)
{
	int64_t account, after = 0;
	struct key_row *keys;
	int n = whose(p, &account), shown = 0;

	str_int(p->after, &after);
	p->after = S("");
	if (n == 1)
		n = key_list(p->db, &p->arena, account, after, &keys);
	if (n < 0)
		return kit_failed(p);
	for (; shown < n && shown < most; shown++)
		key_put_row(p, list, &keys[shown]);
	if (shown < n || shown == LIST_MAX)
		p->after = arena_int(&p->arena, keys[shown - 1].id);
	return true;
}

static bool
keys_show(struct page *p)
{
	put_bool(p->data, "site", p->who->account == 0);
	put_bool(p->data, "may", p->who->role & (ROLES_OPERATE |
	    ROLE_HOLDER));
	put_str(p->data, "new_href", kit_href(p, "%s/keys/new",
	    kit_base(p)));
	return kit_rows(p);
}

static const char *const filters[] = { "account", NULL };

const struct leaf leaf_keys = {
	.template = "keys", .nav = "keys", .show = keys_show, .rows = rows,
	.filters = filters,
};

/* --- One of them -------------------------------------------------------- */

static bool
key_show(struct page *p)
{
	struct key_row k;
	int found = key_of_page(p, p->db, &k);
	struct str path;

	if (found < 0)
		return kit_failed(p);
	if (!found)
		return kit_missing(p);
	put_key(p, p->data, &k);
	path = key_path(&p->arena, &k);
	put_str(p->data, "title", path);
	put_bool(p->data, "may", !k.revoked && p->who->role &
	    (ROLES_OPERATE | ROLE_HOLDER));
	put_str(p->data, "usage_href", kit_href(p, "%s/usage?key=%lld",
	    kit_base(p), (long long)k.id));
	return caps_put_spent(p, CAP_KEY, k.id) || kit_failed(p);
}

const struct leaf leaf_key = {
	.template = "key", .nav = "keys", .show = key_show,
};

/* --- Its switches ------------------------------------------------------- */

/* Once it is over, it is over. */
static int
running_key(struct page *p, struct db *db, struct key_row *k)
{
	int found = key_of_page(p, db, k);

	if (found == 0)
		kit_missing(p);
	if (found == 1 && k->revoked) {
		kit_wrong(p, NULL, "wrong.revoked");
		found = 0;
	}
	p->to = arena_printf(&p->arena, "%s/keys/%lld", kit_base(p),
	    (long long)p->id);
	return found;
}

static bool
turn(struct page *p, struct db *db, bool on)
{
	struct key_row k;
	int found = running_key(p, db, &k);

	p->done = on ? "key_on" : "key_off";
	if (found != 1)
		return found == 0;
	if (k.enabled == on)
		return true;
	k.enabled = on;
	return key_put(db, &k) && kit_note(p, db, on ? "switch on" :
	    "switch off", arena_printf(&p->arena, "key %.*s",
	    STR_ARGS(key_path(&p->arena, &k))), S(""));
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
revoke_write(struct page *p, struct db *db)
{
	struct key_row k;
	int found = running_key(p, db, &k);

	p->done = "key_revoke";
	if (found != 1)
		return found == 0;
	return key_revoke(db, &k) && kit_note(p, db, "revoke",
	    arena_printf(&p->arena, "key %.*s", STR_ARGS(key_path(&p->arena,
	    &k))), S(""));
}

static bool
rotate_write(struct page *p, struct db *db)
{
	const struct vault *v = kit_vault();
	struct key_row k;
	int found = running_key(p, db, &k);
	char secret[64];

	if (found != 1)
		return found == 0;
	vault_new_key("sk-weir-", secret);
	json_object_clear(p->data);
	put_str(p->data, "key", str_of(secret));
	put_str(p->data, "path", key_path(&p->arena, &k));
	put_str(p->data, "key_href", kit_href(p, "%s/keys/%lld",
	    kit_base(p), (long long)k.id));
	vault_wipe(secret, sizeof(secret));
	p->shown = true;
	p->template = "key_made";
	return key_rotate(db, v, &k, str_of(json_string_value(
	    json_object_get(p->data, "key")))) &&
	    kit_note(p, db, "rotate", arena_printf(&p->arena, "key %.*s",
	    STR_ARGS(key_path(&p->arena, &k))), S(""));
}

#define SWITCH(leaf_name, write_it) const struct leaf leaf_name = { \
	.template = "key", .nav = "keys", .show = key_show, \
	.write = (write_it) }
SWITCH(leaf_key_on, on_write);
SWITCH(leaf_key_off, off_write);
SWITCH(leaf_key_rotate, rotate_write);
SWITCH(leaf_key_revoke, revoke_write);
