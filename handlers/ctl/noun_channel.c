/* SPDX-License-Identifier: MIT */
/*
 * noun_channel.c - channels and their credentials.
 *
 * A credential is sealed to its channel's origin.  When base_url moves to
 * another origin every credential that is on must get its secret again in
 * the same change: the one who may edit a URL must not be able to send a
 * key to a place of their choice.
 */
#include "db/channel.h"

#include <stdlib.h>

#include "db/group.h"
#include "db/setting.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/kind.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/preset.h"

struct channel_object {
	struct channel_row row;
	struct timeouts timeouts;
	struct serves serves;
	struct names groups;
	struct costs costs;
};

#define AT(member) offsetof(struct channel_object, member)
static const struct member channel_members[] = {
	{ "preset", &kind_preset, AT(row.preset), 0, 0 },
	{ "dialect", &kind_text, AT(row.dialect), 0, 64 },
	{ "base_url", &kind_url, AT(row.base_url), 0, 1024 },
	{ "credentials", &kind_list, 0, 0, 0 },
	{ "models", &kind_serves, AT(serves), 0, 0 },
	{ "priority", &kind_count, AT(row.priority), -1000000, 1000000 },
	{ "weight", &kind_count, AT(row.weight), 0, 1000000 },
	{ "groups", &kind_names, AT(groups), 0, 0 },
	{ "cost", &kind_share, AT(row.cost_ppm), 0, 0 },
	{ "price", &kind_costs, AT(costs), 0, 0 },
	{ "timeouts", &kind_timeouts, AT(timeouts), 0, 0 },
	{ "on_disconnect", &kind_drain, AT(row.drain), 0, 0 },
	{ "plain_http", &kind_flag, AT(row.plain_http), 0, 0 },
	{ "ca_file", &kind_file, AT(row.ca_file), 0, 0 },
	{ "quirks", &kind_quirks, AT(row.quirks), 0, 0 },
	{ "drop", &kind_drop, AT(row.drop), 0, 0 },
	{ "set", &kind_set, AT(row.set), 0, 0 },
	{ "headers", &kind_headers, AT(row.headers), 0, 0 },
	{ "api_version", &kind_version, AT(row.api_version), 0, 32 },
	{ "test_model", &kind_text, AT(row.test_model), 0, 64 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ "proxy", &kind_later, 0, 0, 0 },
	{ 0 }
};

static void
channel_object_blank(void *object, const struct above *up, struct str name)
{
	static struct str usual = STR_INIT("default");
	struct channel_object *c = object;

	(void)up;
	memset(c, 0, sizeof(*c));
	channel_blank(&c->row, name);
	c->timeouts = (struct timeouts){ c->row.connect_ms, c->row.first_ms,
	    c->row.idle_ms, c->row.whole_ms, c->row.stream_ms };
	c->groups = (struct names){ &usual, 1 };
}

/* --- loading -------------------------------------------------------------- */

static bool
load_groups(struct db *db, struct arena *a, struct channel_object *c)
{
	struct group_row *page;
	struct str after = { 0 };
	int64_t *ids;
	int n, n_ids = channel_groups(db, a, c->row.id, &ids);

	if (n_ids < 0)
		return false;
	c->groups.list = arena_zero(a,
	    ((size_t)n_ids + 1) * sizeof(*c->groups.list));
	c->groups.n = 0;
	do {
		n = group_list(db, a, after, &page);
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n_ids; j++)
				if (page[i].id == ids[j])
					c->groups.list[c->groups.n++] =
					    page[i].name;
		if (n > 0)
			after = page[n - 1].name;
	} while (n == LIST_MAX);
	if (c->groups.n > 1)
		qsort(c->groups.list, c->groups.n, sizeof(struct str),
		    by_name);
	return n >= 0;
}

static int
channel_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct channel_object *c = object;
	int found, n;

	channel_object_blank(c, up, name);
	found = channel_find(db, a, name, &c->row);
	if (found != 1)
		return found;
	c->timeouts = (struct timeouts){ c->row.connect_ms, c->row.first_ms,
	    c->row.idle_ms, c->row.whole_ms, c->row.stream_ms };
	n = channel_models(db, a, c->row.id, &c->serves.list);
	if (n < 0)
		return -1;
	c->serves.n = (size_t)n;
	if (n > 1)
		qsort(c->serves.list, c->serves.n, sizeof(*c->serves.list),
		    by_name);
	if (!load_groups(db, a, c) || !costs_load(db, a,
	    (struct price_of){ .channel = c->row.id }, &c->costs))
		return -1;
	return 1;
}

static bool
channel_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct channel_row *page;
	struct str after = { 0 };
	int n;

	(void)up;
	do
		n = channel_list(db, a, after, &page);
	while (names_take(a, out, page, n, sizeof(*page),
	    offsetof(struct channel_row, name), &after));
	return n >= 0;
}

/* --- what a preset brings ------------------------------------------------- */

/* Does the preset say this member?  When it has none, and when it has what the
 * preset before said and nobody says another. */
static bool
follows(const struct place *at, const char *member, struct str is,
    struct str then)
{
	return is.n == 0 || (then.n && str_eq(is, then) &&
	    json_get(at->value, str_of(member)).n == 0);
}

static void
channel_fill(const struct place *at, void *object, const void *was)
{
	struct channel_object *c = object;
	const struct channel_object *old = was;
	const struct preset *now = preset_find(c->row.preset);
	const struct preset *then = preset_find(old->row.preset);

	if (!now)
		return;
	if (then == now)
		then = NULL;
	if (follows(at, "dialect", c->row.dialect, then ? then->dialect :
	    S("")))
		c->row.dialect = now->dialect;
	if (!follows(at, "base_url", c->row.base_url, then ? then->base_url :
	    S("")))
		return;
	c->row.base_url = now->base_url;
	if (json_get(at->value, S("plain_http")).n == 0)
		c->row.plain_http = now->plain_http;
}

/* --- saving --------------------------------------------------------------- */

/* Does the channel serve it, by its name or by a pattern? */
static bool
serves_model(const struct serves *serves, struct str name)
{
	for (size_t i = 0; i < serves->n; i++) {
		struct str each = serves->list[i].name;

		if (str_eq(each, name) || (str_ends(each, S("*")) &&
		    str_starts(name, str_from(each.p, each.n - 1))))
			return true;
	}
	return false;
}

/* "openai", "anthropic" */
static struct str
all_dialects(struct arena *a)
{
	struct buf b = BUF(a, 1024);

	for (size_t i = 0; dialect_at(i); i++)
		buf_printf(&b, "%s\"%s\"", i ? ", " : "",
		    dialect_at(i)->name);
	return buf_str(&b);
}

static bool
check_channel(struct reading *r, const struct place *at,
    const struct channel_object *c)
{
	struct place url = place_in(at, S("base_url"));
	struct place test = place_in(at, S("test_model"));
	struct place version = place_in(at, S("api_version"));
	const struct dialect *speaks;
	struct str why, model = c->row.test_model;

	if (c->row.dialect.n == 0)
		return wrong(r, at, "a channel needs a dialect, like "
		    "\"openai\", or a preset (weirctl channel presets)");
	speaks = dialect_find(c->row.dialect);
	if (!speaks)
		return wrong(r, at, "dialect \"%.*s\" is not built yet in this "
		    "version of weir: there is %.*s; every compatible server "
		    "speaks \"openai\"", STR_ARGS(c->row.dialect),
		    STR_ARGS(all_dialects(r->arena)));
	if (c->row.base_url.n == 0)
		return wrong(r, at, "a channel needs a base_url, like "
		    "\"%s\", or a preset", speaks->base_hint);
	if (c->row.api_version.n && !speaks->below)
		return wrong(r, &version, "dialect \"%s\" has no versions: "
		    "leave api_version out, or null", speaks->name);
	if (!url_allowed(r->arena, c->row.base_url, c->row.plain_http, &why))
		return wrong(r, &url, "%.*s", STR_ARGS(why));
	if (model.n && (!name_valid(model) || !serves_model(&c->serves,
	    model)))
		return wrong(r, &test, "test_model \"%.*s\" is not among the "
		    "channel's models: name one that it serves, or null",
		    STR_ARGS(model));
	return true;
}

static bool
save_groups(struct reading *r, const struct place *at,
    const struct channel_object *c)
{
	struct place here = place_in(at, S("groups"));
	int64_t *ids = arena_zero(r->arena,
	    (c->groups.n + 1) * sizeof(*ids));

	for (size_t i = 0; i < c->groups.n; i++) {
		struct group_row g;
		int found = group_find(r->db, r->arena, c->groups.list[i],
		    &g);

		if (found < 0)
			return lost(r);
		if (found == 0)
			return wrong(r, &here, "there is no group \"%.*s\": add "
			    "it to groups", STR_ARGS(c->groups.list[i]));
		ids[i] = g.id;
	}
	return channel_groups_set(r->db, c->row.id, ids, c->groups.n) ||
	    lost(r);
}

static bool
serves_name(const struct serves *serves, struct str name)
{
	for (size_t i = 0; i < serves->n; i++)
		if (str_eq(serves->list[i].name, name))
			return true;
	return false;
}

static bool
save_costs(struct reading *r, const struct place *at,
    const struct channel_object *c, const struct channel_object *old)
{
	struct place here = place_in(at, S("price"));

	for (size_t i = 0; i < c->costs.n; i++)
		if (!serves_name(&c->serves, c->costs.list[i].name))
			return wrong(r, &here, "the channel's models do not "
			    "have \"%.*s\"",
			    STR_ARGS(c->costs.list[i].name));
	return costs_save(r, at, "price",
	    (struct price_of){ .channel = c->row.id }, &c->costs,
	    &old->costs);
}

/* Prices of models it no longer serves go, unless the change named them. */
static void
drop_costs(struct channel_object *c, const struct channel_object *old)
{
	size_t n = 0;

	for (size_t i = 0; i < c->costs.n; i++)
		if (serves_name(&c->serves, c->costs.list[i].name) ||
		    !serves_name(&old->serves, c->costs.list[i].name))
			c->costs.list[n++] = c->costs.list[i];
	c->costs.n = n;
}

static bool
channel_save(struct reading *r, const struct place *at,
    const struct above *up, void *object, const void *was)
{
	struct channel_object *c = object;
	const struct channel_object *old = was;
	struct costs kept = c->costs;

	(void)up;
	if (!check_channel(r, at, c))
		return false;
	c->row.connect_ms = c->timeouts.connect_ms;
	c->row.first_ms = c->timeouts.first_ms;
	c->row.idle_ms = c->timeouts.idle_ms;
	c->row.whole_ms = c->timeouts.whole_ms;
	c->row.stream_ms = c->timeouts.stream_ms;
	if (!channel_put(r->db, &c->row))
		return lost(r);
	if (!channel_models_set(r->db, c->row.id, c->serves.list,
	    c->serves.n))
		return lost(r);
	if (kept.list == old->costs.list) {
		c->costs.list = arena_alloc(r->arena,
		    (kept.n + 1) * sizeof(*kept.list));
		if (kept.n)
			memcpy(c->costs.list, kept.list,
			    kept.n * sizeof(*kept.list));
		drop_costs(c, old);
	}
	return save_groups(r, at, c) && save_costs(r, at, c, old);
}

/* --- what stands in a channel -------------------------------------------- */

static bool
channel_enter(struct db *db, struct arena *a, const void *object,
    struct above *up)
{
	const struct channel_object *c = object;

	(void)db;
	up->channel = c->row.id;
	return vault_origin(a, c->row.base_url, &up->origin);
}

static bool
channel_fits(struct reading *r, const struct place *at, const void *object)
{
	const struct channel_object *c = object;
	struct place url = place_in(at, S("base_url"));
	struct credential_row *list;
	struct str origin;
	int n = credential_list(r->db, r->arena, c->row.id, &list);

	if (n < 0 || !vault_origin(r->arena, c->row.base_url, &origin))
		return lost(r);
	for (int i = 0; i < n; i++)
		if (list[i].enabled && !str_eq(list[i].origin, origin))
			return wrong(r, &url, "credential \"%.*s\" is sealed "
			    "for %.*s: give its secret again to use it at "
			    "%.*s, or switch it off", STR_ARGS(list[i].name),
			    STR_ARGS(list[i].origin), STR_ARGS(origin));
	return true;
}

static const struct noun *const in_channel[] = { &noun_credential, NULL };

const struct noun noun_channel = {
	.word = "channel", .list = "channels", .called = "name",
	.size = sizeof(struct channel_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = channel_members, .inside = in_channel,
	.blank = channel_object_blank, .load = channel_load,
	.names = channel_names, .fill = channel_fill, .save = channel_save,
	.enter = channel_enter, .fits = channel_fits,
};
