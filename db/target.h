/* SPDX-License-Identifier: MIT */
/*
 * target.h - where alerts are told: webhooks and mailboxes, and the server
 * that takes mail.
 *
 * Handled as group.h says.  Secrets are sealed with the vault's data key: a
 * webhook's is bound to its row, the mail server's password to the server and
 * the user, so that neither opens for another.
 */
#ifndef WEIR_TARGET_H
#define WEIR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

/* Bytes of a secret: of a webhook, of a mail server. */
enum { TARGET_SECRET_LEAST = 16, TARGET_SECRET_MOST = 256 };

struct target_row {
	int64_t id;
	struct str name;
	int64_t account;		/* whose it is; 0: the site's */
	struct str url;			/* of a webhook, else empty */
	struct str email;		/* of a mailbox, else empty */
	struct str sealed;		/* bytes; empty: no secret yet */
	bool enabled;
	struct str note;
};

void target_blank(struct target_row *t, struct str name);
int target_find(struct db *db, struct arena *a, struct str name,
    struct target_row *t);
bool target_put(struct db *db, struct target_row *t);
int target_list(struct db *db, struct arena *a, struct str after,
    struct target_row **list);

/* Gives it a secret; the row must have an id.  False: the database failed. */
bool target_seal(struct db *db, const struct vault *v, struct target_row *t,
    struct str secret);

/* Its secret into out: the length, or -1 when it does not open.  Wipe out. */
int target_open(const struct vault *v, int64_t id, struct str sealed,
    char out[static TARGET_SECRET_MOST]);

/* Is this its secret? */
bool target_same(const struct vault *v, const struct target_row *t,
    struct str secret);

/*
 * What a secret signs with: the bytes behind "whsec_" (base64 of 24 to 64, as
 * Standard Webhooks has it), or the secret itself.  How many are in key, or
 * -1: it begins so and is not.
 */
int target_key(struct str secret, char key[static TARGET_SECRET_MOST]);

/* --- the server that takes mail ------------------------------------------- */

struct mail_row {
	struct str url;			/* "smtps://host:465"; empty: none */
	struct str sender;		/* the address mail comes from */
	struct str user;		/* empty: it wants no sign-in */
	struct str sealed;
};

/* 1, 0 none is set, -1 the database failed. */
int mail_get(struct db *db, struct arena *a, struct mail_row *m);

/* Sets it (url empty: takes it away); sealed is kept as it is given. */
bool mail_put(struct db *db, const struct mail_row *m);

/* Seals a password for url and user of the row, into the arena. */
void mail_seal(const struct vault *v, struct arena *a, struct mail_row *m,
    struct str password);

/* The password: its length, -1 when it does not open; 0: there is none. */
int mail_open(const struct vault *v, const struct mail_row *m,
    char out[static TARGET_SECRET_MOST]);

/*
 * Seals all of these secrets anew, for a new data key: how many, or -1; *bad
 * names what does not open (else the database failed).  Inside a transaction.
 */
int targets_reseal(struct db *db, struct arena *a, const struct vault *was,
    const struct vault *is, struct str *bad);

#endif
