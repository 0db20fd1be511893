/* SPDX-License-Identifier: MIT */
/* frame.c - what stands around every page; see frame.h. */
#include "handlers/page/frame.h"

#include <string.h>

#include "fcgi/base/mem.h"
#include "handlers/page/kit.h"
#include "handlers/page/page.h"

static const struct { unsigned who; const char *name, *path; } menu[] = {
	{ ROLES_SITE, "dashboard", "/admin" },
	{ ROLES_SITE, "channels", "/admin/channels" },
	{ ROLES_SITE, "models", "/admin/models" },
	{ ROLES_SITE, "accounts", "/admin/accounts" },
	{ ROLES_SITE, "keys", "/admin/keys" },
	{ ROLES_SITE, "users", "/admin/users" },
	{ ROLES_SITE, "ledger", "/admin/ledger" },
	{ ROLES_SITE, "usage", "/admin/usage" },
	{ ROLES_SITE, "reports", "/admin/reports" },
	{ ROLES_SITE, "audit", "/admin/audit" },
	{ ROLES_SITE, "system", "/admin/system" },
	{ ROLES_ACCOUNT, "overview", "/account" },
	{ ROLES_ACCOUNT, "keys", "/account/keys" },
	{ ROLES_ACCOUNT, "usage", "/account/usage" },
	{ ROLES_ACCOUNT, "models", "/account/models" },
};

static void
put_menu(struct page *p, json_t *frame)
{
	json_t *list = put_list(frame, "menu");

	for (size_t i = 0; i < countof(menu); i++) {
		struct str name = arena_printf(&p->arena, "nav.%s",
		    menu[i].name);
		json_t *row;

		if (!(menu[i].who & p->who->role))
			continue;
		row = put_row(list);
		put_str(row, "href", kit_href(p, "%s", menu[i].path));
		put_str(row, "label", kit_say(p, name.p));
		put_bool(row, "current", strcmp(menu[i].name,
		    p->leaf->nav) == 0);
	}
}

/* "?done=key_off": what this page was come to by. */
static void
put_done(struct page *p, json_t *frame)
{
	struct str done = kit_query(p, "done");
	struct str name = arena_printf(&p->arena, "t.done.%.*s",
	    STR_ARGS(done));
	const json_t *text = done.n ? json_object_get(page_texts(), name.p) :
	    NULL;

	put_maybe(frame, "done_text", text ?
	    str_of(json_string_value(text)) : S(""));
}

static void
put_errors(struct page *p, json_t *frame, const json_t *errors)
{
	json_t *list = put_list(frame, "errors");

	for (size_t i = 0; i < json_array_size(errors); i++) {
		json_t *e = json_array_get(errors, i), *row = put_row(list);
		const char *field = json_string_value(json_object_get(e,
		    "field"));

		json_object_set(row, "text", json_object_get(e, "text"));
		put_maybe(row, "href", field ? arena_printf(&p->arena,
		    "#f-%s", field) : S(""));
	}
	put_bool(frame, "wrong", json_array_size(errors) > 0);
}

/* The filters in force, for the fields that set them. */
static void
put_filters(struct page *p, json_t *frame)
{
	for (const char *const *f = p->leaf->filters; f && *f; f++) {
		struct str set = kit_query(p, *f);

		put_str(frame, arena_printf(&p->arena, "f_%s", *f).p,
		    set.p ? set : S(""));
	}
}

json_t *
frame_new(struct page *p, const json_t *errors)
{
	json_t *frame = page_data(p->rq);
	struct str title = arena_printf(&p->arena, "nav.%s", p->leaf->nav);

	if (!frame)
		frame = json_object();
	put_str(frame, "brand", S("weir"));
	put_str(frame, "brand_version", S(PACKAGE_VERSION));
	put_str(frame, "title", kit_say(p, title.p));
	put_str(frame, "self", kit_href(p, "%.*s", STR_ARGS(p->rq->path)));
	put_str(frame, "csrf", str_of(p->who->csrf));
	put_maybe(frame, "login", p->who->login);
	put_maybe(frame, "account_login", p->who->account_name);
	put_bool(frame, "operates", p->who->role & ROLES_OPERATE);
	put_bool(frame, "holds", p->who->role & ROLE_HOLDER);
	put_menu(p, frame);
	put_done(p, frame);
	put_errors(p, frame, errors);
	put_filters(p, frame);
	return frame;
}
