/* SPDX-License-Identifier: MIT */
/*
 * keys.h - clients' keys: the list, one of them, a new one, its switches.
 *
 * For customers, and for operators, who see those of all accounts: which
 * ones is asked of the visitor, never of the address.
 */
#ifndef WEIR_ACCOUNT_KEYS_H
#define WEIR_ACCOUNT_KEYS_H

#include "db/key.h"
#include "handlers/page/kit.h"

extern const struct leaf leaf_keys;		/* GET …/keys */
extern const struct leaf leaf_key;		/* GET …/keys/{} */
extern const struct leaf leaf_key_new;		/* GET, POST …/keys/new */
extern const struct leaf leaf_key_edit;		/* GET, POST …/keys/{}/edit */
extern const struct leaf leaf_key_on;		/* POST …/keys/{}/on */
extern const struct leaf leaf_key_off;
extern const struct leaf leaf_key_rotate;
extern const struct leaf leaf_key_revoke;

/* The key of the page's address, if this visitor may see it: as key_get. */
int key_of_page(struct page *p, struct db *db, struct key_row *k);

/* "alice/app", "alice/team/app": how lists and the audit log name it. */
struct str key_path(struct arena *a, const struct key_row *k);

/* "on", "off", "revoked", "expired": a text's last part too. */
const char *key_state(const struct key_row *k, int64_t now);

/* Appends the row of a list. */
void key_put_row(struct page *p, json_t *list, const struct key_row *k);

#endif
