/* SPDX-License-Identifier: MIT */
/*
 * noun_key.c - clients' keys, in the catalogue and in lists.
 *
 * A secret that is given is compared by its hash with what is stored; a
 * revoked key is over, and nothing brings it back.
 */
#include "db/key.h"

#include "db/group.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

struct key_object {
	struct key_row row;
	struct caps caps;
	struct str secret;		/* given now; never loaded */
};

#define AT(member) offsetof(struct key_object, member)
enum { MOST = 1000000000 };
static const struct member key_members[] = {
	{ "secret", &kind_secret, AT(secret), KEY_SECRET_LEAST,
	    KEY_SECRET_MOST },
	{ "models", &kind_patterns, AT(row.models), 0, 0 },
	{ "ips", &kind_networks, AT(row.ips), 0, 0 },
	{ "rpm", &kind_count, AT(row.rpm), 1, MOST },
	{ "tpm", &kind_count, AT(row.tpm), 1, MOST },
	{ "concurrency", &kind_count, AT(row.concurrency), 1, MOST },
	{ "caps", &kind_caps, AT(caps), 0, 0 },
	{ "expires", &kind_time, AT(row.expires), 0, 0 },
	{ "strict", &kind_flag, AT(row.strict), 0, 0 },
	{ "enabled", &kind_flag, AT(row.enabled), 0, 0 },
	{ "note", &kind_text, AT(row.note), 0, 4096 },
	{ 0 }
};

static void
key_object_blank(void *object, const struct above *up, struct str name)
{
	struct key_object *k = object;

	memset(k, 0, sizeof(*k));
	key_blank(&k->row, up->account, up->project, name);
	k->caps = caps_none;
}

static int
key_load(struct db *db, struct arena *a, const struct above *up,
    struct str name, void *object)
{
	struct key_object *k = object;
	int found;

	key_object_blank(k, up, name);
	found = key_find(db, a, up->project, name, &k->row);
	if (found != 1)
		return found;
	return cap_get(db, CAP_KEY, k->row.id, &k->caps) ? 1 : -1;
}

static bool
key_names(struct db *db, struct arena *a, const struct above *up,
    struct names *out)
{
	struct key_row *page;
	struct str last;
	int64_t after = 0;
	int n;

	do {
		n = key_list(db, a, up->account, after, &page);
		for (int i = 0; i < n; i++) {
			after = page[i].id;
			if (page[i].project == up->project)
				names_take(a, out, &page[i], 1,
				    sizeof(*page),
				    offsetof(struct key_row, name), &last);
		}
	} while (n == LIST_MAX);
	return n >= 0;
}

static const char *
key_hidden(struct reading *r, const struct above *up, const void *object)
{
	const struct key_object *k = object;

	(void)up;
	return k->secret.n && (!k->row.id || key_owner(r->db, r->vault,
	    k->secret) != k->row.id) ? "secret" : NULL;
}

static bool
key_save(struct reading *r, const struct place *at, const struct above *up,
    void *object, const void *was)
{
	struct key_object *k = object;
	const struct key_object *old = was;
	struct place here = place_in(at, S("secret"));
	int64_t owner = k->secret.n ? key_owner(r->db, r->vault, k->secret) :
	    k->row.id;

	(void)up;
	if (owner < 0)
		return lost(r);
	if (k->row.revoked)
		return wrong(r, at, "key \"%.*s\" is revoked, for ever: use "
		    "another name", STR_ARGS(k->row.name));
	if (owner && owner != k->row.id)
		return wrong(r, &here, "another key has this secret already");
	if (!k->row.id && !k->secret.n)
		return wrong(r, at, "a new key needs its secret; weirctl key "
		    "new makes one");
	if (!k->row.id) {
		if (!key_add(r->db, r->vault, &k->row, k->secret))
			return lost(r);
	} else if (!key_put(r->db, &k->row) || (!owner &&
	    !key_rotate(r->db, r->vault, &k->row, k->secret))) {
		return lost(r);
	}
	return save_caps(r, at, CAP_KEY, k->row.id, &k->caps, &old->caps);
}

static bool
key_more(struct db *db, struct arena *a, const void *object, struct buf *b)
{
	const struct key_object *k = object;

	(void)db;
	(void)a;
	out_str(b, "tail", k->row.tail);
	if (k->row.weak)
		out_bool(b, "weak", true);
	if (k->row.revoked)
		out_time(b, "revoked", k->row.revoked);
	out_usd(b, "used", k->row.used);
	return true;
}

static bool
key_gone(const void *object)
{
	return ((const struct key_object *)object)->row.revoked != 0;
}

static const char *
key_remark(const void *object, const void *was)
{
	size_t n = ((const struct key_object *)object)->secret.n;

	(void)was;
	return n && n < KEY_SECRET_WEAK ? "its secret is weak: it has less "
	    "than 32 characters" : NULL;
}

const struct noun noun_key = {
	.word = "key", .list = "keys", .called = "name",
	.size = sizeof(struct key_object), .id = AT(row.id),
	.name = AT(row.name), .enabled = AT(row.enabled),
	.members = key_members, .parent = &noun_project,
	.blank = key_object_blank, .load = key_load, .names = key_names,
	.save = key_save, .hidden = key_hidden, .more = key_more,
	.gone = key_gone, .remark = key_remark,
};
