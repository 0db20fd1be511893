/* SPDX-License-Identifier: MIT */
/*
 * noun_package.c - packages: what accounts can subscribe to.
 */
#include "db/group.h"
#include "db/package.h"
#include "handlers/ctl/noun.h"

#define AT(member) offsetof(struct package_row, member)
static const struct member package_members[] = {
	{ "price", &kind_money, AT(terms.price), 0, 0 },
	{ "quota", &kind_quota, AT(terms.quota), 0, 0 },
	{ "bonus", &kind_bonus, AT(terms.bonus), 0, 0 },
	{ "period", &kind_period, AT(terms.period), 0, 0 },
	{ "anchor", &kind_anchor, AT(terms.period.anchor), 0, 0 },
	{ "periods", &kind_count, AT(terms.periods), 1, 1000000 },
	{ "expires", &kind_count, AT(terms.expires_days), 1,
	    PACKAGE_DAYS_MOST },
	{ "rollover", &kind_rollover, AT(terms.rollover), 0, 0 },
	{ "overflow", &kind_flag, AT(terms.overflow), 0, 0 },
	{ "trial", &kind_flag, AT(terms.trial), 0, 0 },
	{ "volume", &kind_volume, AT(terms.volume), 0, 0 },
	{ "enabled", &kind_flag, AT(enabled), 0, 0 },
	{ "note", &kind_text, AT(note), 0, 4096 },
	{ 0 }
};

static void
package_object_blank(void *object, const struct above *up, struct str name)
{
	(void)up;
	package_blank(object, name);
}

static int
package_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	package_object_blank(object, up, name);
	return package_find(db, a, name, object);
}

static bool
package_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	struct package_row *p = object;
	const char *member, *why = package_wrong(&p->terms, &member);
	struct place here = place_in(at, str_of(member));

	(void)up;
	(void)was;
	if (why)
		return wrong(r, *member ? &here : at, "%s", why);
	if (p->terms.price > PACKAGE_DEAREST) {
		here = place_in(at, S("price"));
		return wrong(r, &here, "a price beyond a million USD is a "
		    "slip of the pen");
	}
	return package_put(r->db, r->arena, p) || lost(r);
}

static bool
package_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct package_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = package_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct package_row, name), &after));
	return n >= 0;
}

/* Who has subscribed has the terms of then. */
static const char *
package_remark(const void *object, const void *was)
{
	const struct package_row *p = object, *old = was;

	return !old->id || package_terms_eq(&p->terms, &old->terms) ? NULL :
	    "who has subscribed already keeps what it was then";
}

const struct noun noun_package = {
	.word = "package", .list = "packages", .called = "name",
	.size = sizeof(struct package_row), .id = AT(id),
	.name = AT(name), .enabled = AT(enabled),
	.members = package_members,
	.blank = package_object_blank, .load = package_load,
	.names = package_names, .save = package_save,
	.remark = package_remark,
};
#undef AT
