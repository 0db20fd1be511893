/* SPDX-License-Identifier: MIT */
/* ledger.c - the transfers between books, newest first. */
#include "db/ledger.h"

#include "db/account.h"
#include "db/group.h"
#include "handlers/admin/admin.h"
#include "handlers/page/kit.h"

static bool
rows(struct page *p, json_t *list, int most)
{
	struct str name = kit_query(p, "account");
	struct transfer_row *t;
	struct account_row c = { .id = 0 };
	int64_t before = 0;
	int n = 1, shown = 0;

	str_int(p->after, &before);
	p->after = S("");
	if (name.n)
		n = account_find(p->db, &p->arena, name, &c);
	if (n == 1)
		n = ledger_transfers(p->db, &p->arena, c.id, before, &t);
	if (n < 0)
		return kit_failed(p);
	for (; shown < n && shown < most; shown++) {
		json_t *row = put_row(list);

		put_int(row, "id", t[shown].id);
		put_time(row, "at", t[shown].at);
		put_str(row, "kind", t[shown].kind);
		put_str(row, "from", t[shown].debit);
		put_str(row, "to", t[shown].credit);
		put_usd(row, "amount", t[shown].amount);
		put_str(row, "reason", t[shown].reason);
		put_maybe(row, "request_id", t[shown].request_id);
	}
	if (shown < n || (shown && shown == LIST_MAX))
		p->after = arena_int(&p->arena, t[shown - 1].id);
	return true;
}

static const char *const filters[] = { "account", NULL };

const struct leaf leaf_ledger = {
	.template = "ledger", .nav = "ledger", .show = kit_rows,
	.rows = rows, .filters = filters,
};
