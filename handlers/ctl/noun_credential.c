/* SPDX-License-Identifier: MIT */
/*
 * noun_credential.c - the sealed keys of a channel; see noun_channel.c for
 * what happens when the channel moves.
 */
#include "db/channel.h"

#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

struct credential_object {
	struct credential_row row;
	struct str secret;		/* given now; never loaded */
};

#define AT(member) offsetof(struct credential_object, member)
enum { MOST = CREDENTIAL_LIMIT_MOST };
static const struct member credential_members[] = {
	{ "secret", &kind_secret, AT(secret), 1, CREDENTIAL_SECRET_MOST },
	{ "rpm", &kind_count, AT(row.rpm), 1, MOST },
	{ "tpm", &kind_count, AT(row.tpm), 1, MOST },
	{ "concurrency", &kind_count, AT(row.concurrency), 1, MOST },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
credential_object_blank(void *object, const struct above *up, struct str name)
{
	struct credential_object *k = object;

	memset(k, 0, sizeof(*k));
	credential_blank(&k->row, up->channel, name);
}

static int
credential_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct credential_object *k = object;

	credential_object_blank(k, up, name);
	return credential_find(db, a, up->channel, name, &k->row);
}

static bool
credential_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct credential_row *list;
	struct str last;
	int n = credential_list(db, a, up->channel, &list);

	names_take(a, out, list, n, sizeof(*list),
	    offsetof(struct credential_row, name), &last);
	return n >= 0;
}

static const char *
credential_hidden(struct reading *r, const struct above *up,
    const void *object)
{
	const struct credential_object *k = object;

	return k->secret.n && (!k->row.id || !credential_same(r->vault,
	    &k->row, up->origin, k->secret)) ? "secret" : NULL;
}

static bool
credential_save(struct reading *r, const struct place *at,
    const struct above *up, void *object, const void *was)
{
	struct credential_object *k = object;
	bool reseal = credential_hidden(r, up, k) != NULL;

	(void)was;
	if (!k->row.id && !k->secret.n)
		return wrong(r, at, "a new credential needs its secret");
	if (k->row.enabled && !reseal && !str_eq(k->row.origin, up->origin))
		return wrong(r, at, "its secret is sealed for %.*s: give it "
		    "again to use it at %.*s", STR_ARGS(k->row.origin),
		    STR_ARGS(up->origin));
	if (!credential_put(r->db, &k->row))
		return lost(r);
	return !reseal || credential_seal(r->db, r->vault, &k->row,
	    up->origin, k->secret) || lost(r);
}

static bool
credential_more(struct db *db, struct arena *a, const void *object,
    struct buf *b)
{
	const struct credential_object *k = object;

	(void)db;
	(void)a;
	return buf_put(b, S(",\"tail\":")) && buf_json(b, k->row.tail);
}

const struct noun noun_credential = {
	.word = "credential", .list = "credentials", .called = "name",
	.size = sizeof(struct credential_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = credential_members, .parent = &noun_channel,
	.blank = credential_object_blank, .load = credential_load,
	.names = credential_names, .save = credential_save,
	.hidden = credential_hidden, .more = credential_more,
};
