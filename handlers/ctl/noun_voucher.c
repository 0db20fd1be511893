/* SPDX-License-Identifier: MIT */
/*
 * noun_voucher.c - batches of vouchers: listed and switched on and off like
 * the objects of the catalogue, but not in it.
 */
#include "db/group.h"
#include "db/voucher.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

#define AT(member) offsetof(struct voucher_row, member)
static const struct member voucher_members[] = {
	{ "money", &kind_money, AT(money), 0, 0 },
	{ "bonus", &kind_bonus, AT(bonus), 0, 0 },
	{ "package", &kind_text, AT(package_name), 0, 64 },
	{ "uses", &kind_count, AT(uses), 1, INT64_MAX },
	{ "expires", &kind_time, AT(expires), 0, 0 },
	{ "enabled", &kind_flag, AT(enabled), 0, 0 },
	{ "note", &kind_text, AT(note), 0, 4096 },
	{ 0 }
};

static void
voucher_object_blank(void *object, const struct above *up, struct str name)
{
	(void)up;
	voucher_blank(object, name);
}

static int
voucher_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	voucher_object_blank(object, up, name);
	return voucher_find(db, a, name, object);
}

static bool
voucher_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	(void)at;
	(void)up;
	(void)was;
	return voucher_put(r->db, object) || lost(r);
}

static bool
voucher_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct voucher_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = voucher_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct voucher_row, name), &after));
	return n >= 0;
}

static bool
voucher_more(struct db *db, struct arena *a, const void *object,
    struct buf *b)
{
	const struct voucher_row *v = object;

	(void)db;
	(void)a;
	out_int(b, "codes", v->codes);
	out_int(b, "used", v->used);
	return true;
}

const struct noun noun_voucher = {
	.word = "voucher", .list = "vouchers", .called = "name",
	.size = sizeof(struct voucher_row), .id = AT(id),
	.name = AT(name), .enabled = AT(enabled),
	.members = voucher_members,
	.blank = voucher_object_blank, .load = voucher_load,
	.names = voucher_names, .save = voucher_save, .more = voucher_more,
};
#undef AT
