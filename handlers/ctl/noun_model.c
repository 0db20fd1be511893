/* SPDX-License-Identifier: MIT */
/*
 * noun_model.c - models with their prices, groups, and the site itself.
 */
#include "db/group.h"
#include "db/model.h"
#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/noun.h"

/* --- models --------------------------------------------------------------- */

struct model_object {
	struct model_row row;
	struct prices prices;
};

#define AT(member) offsetof(struct model_object, member)
static const struct member model_members[] = {
	{ "context", &kind_count, AT(row.context), 1, 1000000000 },
	{ "max_output", &kind_count, AT(row.max_output), 1, 1000000000 },
	{ "price", &kind_price, AT(prices), 0, 0 },
	{ "free", &kind_flag, AT(row.free), 0, 0 },
	{ "fallback", &kind_fallback, AT(row.fallback), 0, 0 },
	{ "aliases", &kind_aliases, AT(row.aliases), 0, 0 },
	{ "capabilities", &kind_capabilities, AT(row.capabilities), 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
model_object_blank(void *object, const struct above *up, struct str name)
{
	struct model_object *m = object;

	(void)up;
	model_blank(&m->row, name);
	m->prices = (struct prices){ 0 };
}

static int
model_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct model_object *m = object;
	int found;

	model_object_blank(m, up, name);
	found = model_find(db, a, name, &m->row);
	if (found != 1)
		return found;
	return prices_load(db, a, (struct price_of){ .model = m->row.id },
	    &m->prices) ? 1 : -1;
}

static bool
model_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	struct model_object *m = object;
	const struct model_object *old = was;
	struct place aliases = place_in(at, S("aliases"));

	(void)up;
	if (str_ends(m->row.name, S("*")) && !str_eq(m->row.aliases, S("[]")))
		return wrong(r, &aliases, "\"%.*s\" is a pattern: it has no "
		    "other names", STR_ARGS(m->row.name));
	if (!model_put(r->db, &m->row))
		return lost(r);
	if (m->prices.list == old->prices.list)
		return true;
	return prices_save(r, (struct price_of){ .model = m->row.id },
	    &m->prices);
}

static bool
model_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct model_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = model_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct model_row, name), &after));
	return n >= 0;
}

const struct noun noun_model = {
	.word = "model", .list = "models", .called = "name", .star = true,
	.size = sizeof(struct model_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = model_members,
	.blank = model_object_blank, .load = model_load,
	.names = model_names, .save = model_save,
};
#undef AT

/* --- groups --------------------------------------------------------------- */

struct group_object {
	struct group_row row;
	struct costs prices;
};

#define AT(member) offsetof(struct group_object, member)
static const struct member group_members[] = {
	{ "markup", &kind_share, AT(row.markup_ppm), 0, 0 },
	{ "prices", &kind_costs, AT(prices), 0, 0 },
	{ "minimum", &kind_money, AT(row.minimum), 0, 0 },
	{ "below_cost", &kind_flag, AT(row.below_cost), 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
group_object_blank(void *object, const struct above *up, struct str name)
{
	struct group_object *g = object;

	(void)up;
	*g = (struct group_object){ 0 };
	group_blank(&g->row, name);
}

static int
group_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct group_object *g = object;
	int found;

	group_object_blank(object, up, name);
	found = group_find(db, a, name, &g->row);
	if (found != 1)
		return found;
	return costs_load(db, a, (struct price_of){ .group = g->row.id },
	    &g->prices) ? 1 : -1;
}

static bool
group_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	struct group_object *g = object;
	const struct group_object *old = was;

	(void)up;
	if (!group_put(r->db, &g->row))
		return lost(r);
	return costs_save(r, at, "prices",
	    (struct price_of){ .group = g->row.id }, &g->prices,
	    &old->prices);
}

static bool
group_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct group_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = group_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct group_row, name), &after));
	return n >= 0;
}

const struct noun noun_group = {
	.word = "group", .list = "groups", .called = "name",
	.size = sizeof(struct group_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = group_members,
	.blank = group_object_blank, .load = group_load,
	.names = group_names, .save = group_save,
};
#undef AT

/* --- the site ------------------------------------------------------------- */

struct site_object {
	int64_t id;
	struct str name;
	bool enabled;
	struct str time_zone, note;
	enum routing routing;
	struct caps caps;
	int64_t usage_days;		/* 0: for ever */
	struct str fetch_allow;		/* JSON list of networks, or empty */
	struct mail mail;
};

#define AT(member) offsetof(struct site_object, member)
static const struct member site_members[] = {
	{ "time_zone", &kind_zone, AT(time_zone), 0, 0 },
	{ "caps", &kind_caps, AT(caps), 0, 0 },
	{ "routing", &kind_routing, AT(routing), 0, 0 },
	{ "usage_days", &kind_count, AT(usage_days), 1, 36500 },
	{ "fetch_allow", &kind_networks, AT(fetch_allow), 0, 0 },
	{ "mail", &kind_mail, AT(mail), 0, 0 },
	{ "note", &kind_text, AT(note), 0, 4096 },
	{ "enabled", &kind_later, 0, 0, 0 },
	{ 0 }
};

static void
site_blank(void *object, const struct above *up, struct str name)
{
	struct site_object *s = object;

	(void)up;
	*s = (struct site_object){ .id = 1, .name = name, .enabled = true,
		.time_zone = S("UTC"), .caps = caps_none };
}

static int
site_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct site_object *s = object;
	struct str routing = { 0 }, days = { 0 };

	site_blank(s, up, name);
	if (setting_get(db, a, S("site.time_zone"), &s->time_zone) < 0 ||
	    setting_get(db, a, S("site.note"), &s->note) < 0 ||
	    setting_get(db, a, S("site.routing"), &routing) < 0 ||
	    setting_get(db, a, S("site.usage_days"), &days) < 0 ||
	    setting_get(db, a, S("site.fetch_allow"), &s->fetch_allow) < 0 ||
	    mail_get(db, a, &s->mail.row) < 0 ||
	    !cap_get(db, CAP_SITE, 0, &s->caps))
		return -1;
	s->routing = routing_read(routing);
	if (!str_int(days, &s->usage_days))
		s->usage_days = 0;
	return 1;
}

static bool
site_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	const struct site_object *s = object, *old = was;
	struct str note = s->note.n ? s->note : (struct str){ 0 };
	char digits[STR_INT];
	struct str routing = s->routing == ROUTING_BALANCED
	    ? (struct str){ 0 }
	    : str_of(routing_names[s->routing]);

	(void)up;
	if (!str_eq(s->time_zone, old->time_zone) &&
	    !setting_set(r->db, S("site.time_zone"), s->time_zone))
		return lost(r);
	if (!str_eq(s->note, old->note) &&
	    !setting_set(r->db, S("site.note"), note))
		return lost(r);
	if (s->routing != old->routing &&
	    !setting_set(r->db, S("site.routing"), routing))
		return lost(r);
	if (s->usage_days != old->usage_days && !setting_set(r->db,
	    S("site.usage_days"), s->usage_days ? str_digits(s->usage_days,
	    digits) : (struct str){ 0 }))
		return lost(r);
	if (!str_eq(s->fetch_allow, old->fetch_allow) && !setting_set(r->db,
	    S("site.fetch_allow"), s->fetch_allow.n ? s->fetch_allow :
	    (struct str){ 0 }))
		return lost(r);
	return mail_save(r, at, &s->mail, &old->mail) &&
	    save_caps(r, at, CAP_SITE, 0, &s->caps, &old->caps);
}

static const char *
site_hidden(struct reading *r, const struct above *up, const void *object)
{
	(void)up;
	return mail_hidden(r, &((const struct site_object *)object)->mail) ?
	    "mail.password" : NULL;
}

/* Windows of a running process would otherwise change under its calls. */
static const char *
site_remark(const void *object, const void *was)
{
	const struct site_object *s = object, *old = was;

	return str_eq(s->time_zone, old->time_zone) ? NULL : "weir counts "
	    "days in the new time zone when it is started again";
}

const struct noun noun_site = {
	.word = "site", .list = "site", .called = "name",
	.size = sizeof(struct site_object), .id = AT(id), .name = AT(name),
	.enabled = AT(enabled), .members = site_members,
	.blank = site_blank, .load = site_load, .save = site_save,
	.hidden = site_hidden, .remark = site_remark,
};

/* --- all of them ---------------------------------------------------------- */

const struct noun *
noun_find(struct str word)
{
	static const struct noun *const nouns[] = { &noun_account,
		&noun_project, &noun_key, &noun_user, &noun_channel,
		&noun_credential, &noun_model, &noun_group, &noun_package,
		&noun_target, &noun_alert, &noun_voucher };

	for (size_t i = 0; i < countof(nouns); i++)
		if (str_eq(word, str_of(nouns[i]->word)))
			return nouns[i];
	return NULL;
}

bool
names_take(struct arena *a, struct names *out, const void *rows, int n,
    size_t size, size_t name, struct str *after)
{
	struct str *list;

	if (n <= 0)
		return false;
	list = arena_alloc(a, (out->n + (size_t)n) * sizeof(*list));
	if (out->n)
		memcpy(list, out->list, out->n * sizeof(*list));
	out->list = list;
	for (int i = 0; i < n; i++) {
		*after = *CFIELD(rows, struct str, (size_t)i * size + name);
		out->list[out->n++] = *after;
	}
	return n == LIST_MAX;
}
