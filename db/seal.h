/* SPDX-License-Identifier: MIT */
/*
 * seal.h - the sealed inner keys as the database keeps them (vault.h), and
 * how they change hands: a new master key, a new data key.
 *
 * The master key is a file and the sealed keys are rows, which no single act
 * changes together.  So the new key is written beside the old one (KEY.new)
 * and made durable, then the rows change, then the files change names.  Who
 * opens the store in between finds that the key does not open the rows and
 * KEY.new does, and finishes what was begun (seal_rescue): at every instant
 * exactly one of the two opens them, and the store can be read.
 */
#ifndef WEIR_SEAL_H
#define WEIR_SEAL_H

#include <stdbool.h>

#include "db/store.h"

/* The three rows.  False: one is missing or damaged, or the database failed. */
bool seals_get(struct db *db, struct vault_seals *seals);
bool seals_set(struct db *db, const struct vault_seals *seals);

/*
 * For who found that the key in the file `key` does not open the seals: does
 * that of KEY.new?  Then the files change names, the old one is kept under a
 * dated name, and the vault is returned; else NULL.  Under the write lock.
 */
struct vault *seal_rescue(const char *key, const struct vault_seals *seals,
    struct arena *a);

struct rekey {
	const char *key;	/* the master key file in force */
	const char *new_key;	/* another one, not ours to put in its place:
				 * read, or made where there is none; or NULL */
	struct str actor;	/* for the audit */
	/* out */
	const char *kept;	/* the old key's new name; NULL: it has none */
	bool made;		/* new_key was made */
	int64_t credentials;	/* sealed anew (rekey_data) */
};

/*
 * A new master key.  Running processes hold the inner keys and need not know.
 * Blocks for locks and disk.  False: *why, and the old key is in force.
 */
bool rekey_master(struct store *s, struct rekey *k, struct arena *a,
    struct str *why);

/*
 * A new data key, by which every credential is sealed anew, in one
 * transaction.  Nobody else may have the store open: they hold the old one.
 * s is of no use afterwards but to be closed.
 */
bool rekey_data(struct store *s, struct rekey *k, struct arena *a,
    struct str *why);

#endif
