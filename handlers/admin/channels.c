/* SPDX-License-Identifier: MIT */
/*
 * channels.c - upstreams and their keys: how they are, and their switches.
 *
 * What a channel is made of stands in the catalogue (weirctl apply); here are
 * the things an operator does in a hurry.
 */
#include "db/channel.h"

#include "db/group.h"
#include "db/park.h"
#include "handlers/admin/admin.h"
#include "handlers/admin/state.h"

/* --- The list ----------------------------------------------------------- */

static bool
put_credentials(struct page *p, const struct states *h, json_t *row,
    const struct channel_row *c)
{
	json_t *list = put_list(row, "credentials");
	struct credential_row *k;
	int n = credential_list(p->db, &p->arena, c->id, &k);

	for (int i = 0; i < n; i++) {
		json_t *one = put_row(list);

		put_str(one, "id", arena_int(&p->arena, k[i].id));
		put_str(one, "name", k[i].name);
		put_str(one, "tail", k[i].tail);
		state_put(p, h, one, c->id, k[i].id, k[i].enabled);
		put_str(one, "do_href", kit_href(p, "/admin/credentials/"
		    "%lld", (long long)k[i].id));
	}
	return n >= 0;
}

static bool
put_channel(struct page *p, const struct states *h, json_t *list,
    const struct channel_row *c)
{
	json_t *row = put_row(list);
	struct channel_serve *serves;
	int n = channel_models(p->db, &p->arena, c->id, &serves);

	put_str(row, "id", arena_int(&p->arena, c->id));
	put_str(row, "name", c->name);
	put_str(row, "dialect", c->dialect);
	put_str(row, "base_url", c->base_url);
	put_int(row, "priority", c->priority);
	put_int(row, "weight", c->weight);
	put_int(row, "models", n > 0 ? n : 0);
	put_maybe(row, "note", c->note);
	state_put(p, h, row, c->id, 0, c->enabled);
	put_str(row, "do_href", kit_href(p, "/admin/channels/%lld",
	    (long long)c->id));
	return n >= 0 && put_credentials(p, h, row, c);
}

static bool
rows(struct page *p, json_t *list, int most)
{
	struct str after = p->after;
	struct channel_row *channels;
	struct states h;
	int n = channel_list(p->db, &p->arena, after, &channels), shown = 0;

	p->after = S("");
	if (n < 0 || !state_look(p, &h))
		return kit_failed(p);
	if (most > ROWS_SHOWN / 2)
		most = ROWS_SHOWN / 2;
	for (; shown < n && shown < most; shown++)
		if (!put_channel(p, &h, list, &channels[shown]))
			return kit_failed(p);
	if (shown < n || (shown && shown == LIST_MAX))
		p->after = channels[shown - 1].name;
	return true;
}

const struct leaf leaf_channels = {
	.template = "channels", .nav = "channels", .show = kit_rows,
	.rows = rows,
};

/* --- Switches ----------------------------------------------------------- */

/* A credential, if the page's leaf is about one, and its channel. */
struct upstream {
	struct channel_row channel;
	struct credential_row credential;	/* id 0: of none */
	struct str name;			/* "channel a", … */
};

static int
of_page(struct page *p, struct db *db, bool credential, struct upstream *u)
{
	int64_t channel = p->id;
	int found = 1;

	u->credential.id = 0;
	p->to = S("/admin/channels");
	if (credential) {
		found = p->id ? credential_get(db, &p->arena, p->id,
		    &u->credential) : 0;
		channel = found == 1 ? u->credential.channel : 0;
	}
	if (found == 1)
		found = channel ? channel_get(db, &p->arena, channel,
		    &u->channel) : 0;
	if (found == 0)
		kit_missing(p);
	if (found == 1)
		u->name = credential ? arena_printf(&p->arena,
		    "credential %.*s/%.*s", STR_ARGS(u->channel.name),
		    STR_ARGS(u->credential.name)) : arena_printf(&p->arena,
		    "channel %.*s", STR_ARGS(u->channel.name));
	return found;
}

static bool
turn(struct page *p, struct db *db, bool credential, bool on)
{
	struct upstream u;
	int found = of_page(p, db, credential, &u);
	bool *is = credential ? &u.credential.enabled : &u.channel.enabled;

	p->done = on ? "upstream_on" : "upstream_off";
	if (found != 1)
		return found == 0;
	if (*is == on)
		return true;
	*is = on;
	return (credential ? credential_put(db, &u.credential) :
	    channel_put(db, &u.channel)) && kit_note(p, db, on ?
	    "switch on" : "switch off", u.name, S(""));
}

static bool
recover(struct page *p, struct db *db, bool credential)
{
	struct upstream u;
	int found = of_page(p, db, credential, &u), lifted;

	p->done = "recover";
	if (found != 1)
		return found == 0;
	lifted = park_lift(db, u.channel.id, u.credential.id);
	return lifted >= 0 && kit_note(p, db, "recover", u.name,
	    arena_printf(&p->arena, "%d ended", lifted));
}

#define SWITCH(leaf_name, write_it, what) \
	static bool write_it(struct page *p, struct db *db) \
	{ return what; } \
	const struct leaf leaf_name = { .template = "channels", \
	    .nav = "channels", .show = kit_rows, .rows = rows, \
	    .write = write_it }
SWITCH(leaf_channel_on, channel_on, turn(p, db, false, true));
SWITCH(leaf_channel_off, channel_off, turn(p, db, false, false));
SWITCH(leaf_channel_recover, channel_recover, recover(p, db, false));
SWITCH(leaf_credential_on, credential_on, turn(p, db, true, true));
SWITCH(leaf_credential_off, credential_off, turn(p, db, true, false));
SWITCH(leaf_credential_recover, credential_recover, recover(p, db, true));
