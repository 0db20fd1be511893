/* SPDX-License-Identifier: MIT */
/*
 * audit.c - who changed what, newest first; ?verify=1 walks the whole chain.
 */
#include "db/audit.h"

#include "db/group.h"
#include "handlers/admin/admin.h"
#include "handlers/page/kit.h"

static bool
rows(struct page *p, json_t *list, int most)
{
	struct audit_row *lines;
	int64_t before = 0;
	int n, shown = 0;

	str_int(p->after, &before);
	p->after = S("");
	n = audit_list(p->db, &p->arena, before, &lines);
	if (n < 0)
		return kit_failed(p);
	for (; shown < n && shown < most; shown++) {
		json_t *row = put_row(list);

		put_int(row, "id", lines[shown].id);
		put_time(row, "at", lines[shown].at);
		put_str(row, "actor", lines[shown].actor);
		put_str(row, "action", lines[shown].action);
		put_str(row, "object", lines[shown].object);
		put_str(row, "detail", lines[shown].detail);
	}
	if (shown < n || (shown && shown == LIST_MAX))
		p->after = arena_int(&p->arena, lines[shown - 1].id);
	return true;
}

static bool
show(struct page *p)
{
	int64_t bad = 0;
	int whole = -1;
	bool asked = kit_query(p, "verify").n > 0;

	if (asked)
		whole = audit_check(p->db, kit_vault(), &bad);
	if (asked && whole < 0)
		return kit_failed(p);
	put_str(p->data, "verify_href", kit_href(p,
	    "/admin/audit?verify=1"));
	put_bool(p->data, "whole", whole == 1);
	put_maybe(p->data, "broken", whole == 0 ? kit_say(p, "audit.broken",
	    arena_int(&p->arena, bad)) : S(""));
	return kit_rows(p);
}

const struct leaf leaf_audit = {
	.template = "audit", .nav = "audit", .show = show, .rows = rows,
};
