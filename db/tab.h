/* SPDX-License-Identifier: MIT */
/*
 * tab.h - what the calls of one transaction change in keys, wallets, caps.
 *
 * A batch of the writer touches the same few of them again and again.
 * Their rows are read once a transaction, changed here, and written once
 * before its COMMIT (tab_flush; the CHECKs of the tables judge then).
 * Whoever reads or writes those columns by a statement of his own inside a
 * transaction flushes first.  A rolled back transaction takes its tab with
 * it.
 */
#ifndef WEIR_TAB_H
#define WEIR_TAB_H

#include <stdbool.h>
#include <stdint.h>

#include "db/account.h"

/* A wallet.  loaded: balance and held are what they are now. */
struct tab_book {
	int64_t id;
	bool loaded;
	int64_t balance, held;
	int64_t d_balance, d_held;	/* not yet written */
};

/* A key.  loaded: everything below is what it is now. */
struct tab_key {
	int64_t id;
	bool loaded, known;		/* known: it has a row */
	/* not yet written */
	int64_t d_open, d_used, d_tokens;
	bool clocks;			/* rpm_at, tpm_at, tpm_debt changed */
	/* the row, its project, account and wallet */
	bool on, account_on;
	bool capped[3];			/* key, project, account */
	int64_t expires, rpm, tpm, concurrency;
	int64_t rpm_at, tpm_at, tpm_debt, open_holds;
	int64_t project, account, raised_until, book;
};

/*
 * What one owner spent or holds in the windows that run now, and may.
 */
struct tab_caps {
	int64_t id;			/* owner * 4 + kind */
	bool loaded;
	int64_t amount[N_CAP_WINDOWS];	/* the cap; -1: none */
	int64_t spent[N_CAP_WINDOWS];
	int64_t start[N_CAP_WINDOWS];
	int64_t d_spent[N_CAP_WINDOWS];	/* not yet written */
};

struct tab;
struct tab *tab_new(void);
void tab_free(struct tab *t);
void tab_clear(struct tab *t);		/* at BEGIN and ROLLBACK */

/* As of now; NULL: the database failed.  Valid until the next of its kind. */
struct tab_key *tab_key(struct db *db, int64_t id);
struct tab_book *tab_book(struct db *db, int64_t id);
struct tab_caps *tab_caps(struct db *db, enum cap_owner kind, int64_t owner);

/* A call has begun: one more open, its limits' clocks as they are now. */
void tab_key_open(struct tab_key *k);

/*
 * A call has ended: one less open, `used` more charged, `tokens` more (or
 * less) taken from tpm than at admission.
 */
void tab_key_close(struct db *db, int64_t id, int64_t used, int64_t tokens);

/* Adds to a wallet, unseen: the CHECK judges at the end. */
void tab_book_add(struct db *db, int64_t id, int64_t balance, int64_t held);

/* Adds to what was spent in a window that began at start.  False: the
 * database failed. */
bool tab_spend(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, int64_t amount);

/* Writes all of it; nothing is in the tab afterwards. */
bool tab_flush(struct db *db);

#endif
