/* SPDX-License-Identifier: MIT */
/*
 * key_form.c - a new key with all its limits on one form, and the same form
 * for one that is there.
 *
 * A new key is the answer itself, shown this once: nobody keeps it, so nothing
 * could show it behind a redirect.
 */
#include "handlers/account/keys.h"

#include "db/account.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/json.h"
#include "handlers/page/caps.h"

enum { MOST = 1000000000, NOTE = 4096, GIVEN = 9 };

struct making {
	struct str account, project;
	struct key_row row;		/* as it was asked for */
	struct caps caps;
};

static const struct field who_fields[] = {
	{ "account", "text", NULL, true, false, 64 },
	{ "project", "text", NULL, false, true, 64 },
	{ "name", "text", NULL, true, true, 64 },
	{ 0 }
};
static const struct field own_fields[] = {	/* of a customer */
	{ "project", "text", NULL, false, true, 64 },
	{ "name", "text", NULL, true, true, 64 },
	{ 0 }
};
static const struct field limit_fields[] = {
	{ "models", "textarea", NULL, false, true, 0 },
	{ "ips", "textarea", NULL, false, true, 0 },
	{ "rpm", "number", NULL, false, true, 12 },
	{ "tpm", "number", NULL, false, true, 12 },
	{ "concurrency", "number", NULL, false, true, 12 },
	{ "expires", "text", NULL, false, true, 40 },
	{ 0 }
};
static const struct field more_fields[] = {
	{ "strict", "checkbox", NULL, false, true, 0 },
	{ "note", "text", NULL, false, false, NOTE },
	{ 0 }
};

/* --- The form ----------------------------------------------------------- */

static void
put_group(struct page *p, json_t *groups, const char *name,
    const struct field *fields, const struct given *given)
{
	json_t *g = put_row(groups);

	put_str(g, "legend", kit_word(p, "group", str_of(name)));
	fields_put(p, g, "fields", fields, given);
}

static struct str
number(struct arena *a, int64_t n)
{
	return n ? arena_int(a, n) : S("");
}

/* A list one a line, as it is typed. */
static struct str
lines(struct arena *a, struct str list)
{
	struct json_each each = json_each(list);
	struct buf b = BUF(a, 1 << 20);

	while (list.n && json_next(&each)) {
		buf_put(&b, b.n ? S("\n") : S(""));
		buf_put(&b, json_text(a, each.value));
	}
	return buf_str(&b);
}

static struct str
moment(struct arena *a, int64_t utc_ms)
{
	char text[CLOCK_TEXT];

	clock_text(utc_ms, text);
	return utc_ms ? arena_str(a, str_of(text)) : S("");
}

static void
put_form(struct page *p, const struct key_row *k, const struct caps *caps)
{
	struct given of_caps[N_CAP_WINDOWS + 2] = { 0 };
	const struct given given[GIVEN + 1] = {
		{ "account", k->account_name, NULL },
		{ "project", k->project_name, NULL },
		{ "name", k->name, NULL },
		{ "models", lines(&p->arena, k->models), NULL },
		{ "ips", lines(&p->arena, k->ips), NULL },
		{ "rpm", number(&p->arena, k->rpm), NULL },
		{ "tpm", number(&p->arena, k->tpm), NULL },
		{ "concurrency", number(&p->arena, k->concurrency), NULL },
		{ "expires", moment(&p->arena, k->expires), NULL },
	};
	const struct given more[] = {
		{ "strict", k->strict ? S("1") : S(""), NULL },
		{ "note", k->note, NULL },
		{ 0 }
	};
	json_t *groups = put_list(p->data, "groups");

	caps_given(p, caps, of_caps);
	if (!k->id)
		put_group(p, groups, "key_who", p->who->account ?
		    own_fields : who_fields, given);
	put_group(p, groups, "key_limits", limit_fields, given);
	put_group(p, groups, "key_caps", caps_fields, of_caps);
	put_group(p, groups, "key_more", more_fields, more);
	put_str(p->data, "action_href", kit_href(p, "%.*s",
	    STR_ARGS(p->rq->path)));
}

static bool
new_show(struct page *p)
{
	struct str account = kit_query(p, "account");
	struct key_row blank;

	key_blank(&blank, 0, 0, S(""));
	blank.account_name = account.p ? account : S("");
	blank.project_name = S("default");
	put_str(p->data, "title", kit_say(p, "title.key_new"));
	put_str(p->data, "button", kit_say(p, "key.make"));
	put_form(p, &blank, &caps_none);
	return true;
}

static bool
edit_show(struct page *p)
{
	struct key_row k;
	struct caps caps;
	int found = key_of_page(p, p->db, &k);

	if (found == 0 || (found == 1 && k.revoked))
		return kit_missing(p);
	if (found < 0 || !cap_get(p->db, CAP_KEY, k.id, &caps))
		return kit_failed(p);
	put_str(p->data, "title", key_path(&p->arena, &k));
	put_str(p->data, "button", kit_say(p, "key.save"));
	put_form(p, &k, &caps);
	return true;
}

/* --- Reading it --------------------------------------------------------- */

static bool
pattern(struct arena *a, struct str s, struct str *full)
{
	(void)a;
	*full = s;
	return pattern_valid(s);
}

/* Every field is looked at, so that all that is wrong is said at once. */
static bool
take_limits(struct page *p, struct making *m)
{
	struct key_row *k = &m->row;
	bool good = field_list(p, "models", pattern, "wrong.model",
	    &k->models);

	good &= field_list(p, "ips", network_valid, "wrong.network",
	    &k->ips);
	good &= field_count(p, "rpm", 1, MOST, &k->rpm);
	good &= field_count(p, "tpm", 1, MOST, &k->tpm);
	good &= field_count(p, "concurrency", 1, MOST, &k->concurrency);
	good &= field_time(p, "expires", &k->expires);
	good &= caps_take(p, &m->caps);
	good &= field_text(p, "note", NOTE, false, &k->note);
	k->strict = kit_sent(p, "strict").n > 0;
	return good;
}

static bool
new_take(struct page *p)
{
	struct making *m = p->own;
	bool good = field_name(p, "name", &m->row.name);

	m->project = kit_sent(p, "project");
	if (!m->project.n)
		m->project = S("default");
	m->account = p->who->account_name;
	if (!p->who->account)
		good &= field_name(p, "account", &m->account);
	return take_limits(p, m) && good;
}

static bool
edit_take(struct page *p)
{
	return take_limits(p, p->own);
}

/* --- Writing ------------------------------------------------------------ */

static int
find_project(struct page *p, struct db *db, const struct making *m,
    struct account_row *account, struct project_row *project)
{
	int found = p->who->account ?
	    account_get(db, &p->arena, p->who->account, account) :
	    account_find(db, &p->arena, m->account, account);

	if (found == 0)
		kit_wrong(p, "account", "wrong.no_account", m->account);
	if (found != 1)
		return found;
	found = project_find(db, &p->arena, account->id, m->project, project);
	if (found == 0)
		kit_wrong(p, "project", "wrong.no_project", m->project);
	return found;
}

/* What the form says of it. */
static void
set_limits(struct key_row *k, const struct key_row *said)
{
	k->models = said->models;
	k->ips = said->ips;
	k->rpm = said->rpm;
	k->tpm = said->tpm;
	k->concurrency = said->concurrency;
	k->expires = said->expires;
	k->strict = said->strict;
	k->note = said->note;
}

static struct str
words(struct arena *a, const struct key_row *k, const struct caps *caps)
{
	return arena_printf(a, "models %.*s, ips %.*s, rpm %lld, tpm %lld, "
	    "concurrency %lld, expires %lld, strict %d, caps %.*s",
	    STR_ARGS(k->models.n ? k->models : S("any")),
	    STR_ARGS(k->ips.n ? k->ips : S("any")), (long long)k->rpm,
	    (long long)k->tpm, (long long)k->concurrency,
	    (long long)k->expires, k->strict, STR_ARGS(caps_text(a, caps)));
}

static bool
show_once(struct page *p, const struct key_row *k, const char *secret)
{
	json_object_clear(p->data);
	put_str(p->data, "key", str_of(secret));
	put_str(p->data, "path", key_path(&p->arena, k));
	put_str(p->data, "id", arena_int(&p->arena, k->id));
	put_str(p->data, "key_href", kit_href(p, "%s/keys/%lld", kit_base(p),
	    (long long)k->id));
	put_str(p->data, "title", kit_say(p, "title.key_new"));
	p->shown = true;
	p->status = 201;
	p->template = "key_made";
	return true;
}

static bool
new_write(struct page *p, struct db *db)
{
	struct making *m = p->own;
	struct account_row account;
	struct project_row project;
	struct key_row k, other;
	char secret[64];
	int found = find_project(p, db, m, &account, &project);

	if (found != 1)
		return found == 0;
	found = key_find(db, &p->arena, project.id, m->row.name, &other);
	if (found == 1)
		kit_wrong(p, "name", other.revoked ? "wrong.key_revoked" :
		    "wrong.key_taken", m->row.name);
	if (found != 0)
		return found == 1;
	key_blank(&k, account.id, project.id, m->row.name);
	k.account_name = account.name;
	k.project_name = project.name;
	set_limits(&k, &m->row);
	vault_new_key("sk-weir-", secret);
	found = key_add(db, kit_vault(), &k, str_of(secret)) &&
	    cap_set(db, CAP_KEY, k.id, &m->caps) && kit_note(p, db, "create",
	    arena_printf(&p->arena, "key %.*s", STR_ARGS(key_path(&p->arena,
	    &k))), words(&p->arena, &k, &m->caps)) &&
	    show_once(p, &k, secret);
	vault_wipe(secret, sizeof(secret));
	return found;
}

static bool
edit_write(struct page *p, struct db *db)
{
	struct making *m = p->own;
	struct key_row k;
	struct caps was;
	struct str before;
	int found = key_of_page(p, db, &k);

	if (found == 0 || (found == 1 && k.revoked)) {
		kit_missing(p);
		return true;
	}
	if (found < 0 || !cap_get(db, CAP_KEY, k.id, &was) ||
	    !caps_fit(p, db, CAP_KEY, k.id, &m->caps))
		return false;
	if (kit_is_wrong(p))
		return true;
	before = words(&p->arena, &k, &was);
	set_limits(&k, &m->row);
	p->to = arena_printf(&p->arena, "%s/keys/%lld", kit_base(p),
	    (long long)k.id);
	p->done = "saved";
	return key_put(db, &k) && cap_set(db, CAP_KEY, k.id, &m->caps) &&
	    kit_note(p, db, "change", arena_printf(&p->arena, "key %.*s",
	    STR_ARGS(key_path(&p->arena, &k))), arena_printf(&p->arena,
	    "%.*s; before: %.*s", STR_ARGS(words(&p->arena, &k, &m->caps)),
	    STR_ARGS(before)));
}

const struct leaf leaf_key_new = {
	.template = "key_form", .nav = "keys", .show = new_show,
	.take = new_take, .write = new_write, .own = sizeof(struct making),
};

const struct leaf leaf_key_edit = {
	.template = "key_form", .nav = "keys", .show = edit_show,
	.take = edit_take, .write = edit_write, .own = sizeof(struct making),
};
