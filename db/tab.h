/* SPDX-License-Identifier: MIT */
/*
 * tab.h - what calls read and change in keys, books, caps and prices.
 *
 * Calls touch the same few rows again and again.  They are read once, changed
 * here, and written once a transaction before its COMMIT (tab_flush; the
 * CHECKs of the tables judge then).  Whoever reads or writes those columns by
 * a statement of his own inside a transaction flushes first.
 *
 * What was read stays for the next transactions: all writers pass the write
 * lock, and BEGIN tells whether another connection has written since our last
 * COMMIT (db_begin); if so, or after a ROLLBACK, all of it is read anew.  The
 * same goes for our own connection: a statement that writes and does not say
 * that the tab knows what it changes, by the comment "tab" in its SQL, makes
 * the tab forget what it has (statement.c).  What depends on the time (prices,
 * windows) is kept until that moment.
 */
#ifndef WEIR_TAB_H
#define WEIR_TAB_H

#include <stdbool.h>
#include <stdint.h>

#include "db/cap.h"

/* Members of all: dirty: it has changes that are not yet written. */

/* A wallet or an allowance.  loaded: all but the last two are what they are
 * now. */
struct tab_book {
	int64_t id;
	bool loaded, dirty;
	int64_t balance, held, credit;
	int64_t d_balance, d_held;	/* not yet written */
};

/* A key.  loaded: everything below is what it is now. */
struct tab_key {
	int64_t id;
	bool loaded, dirty;
	bool known;			/* it has a row */
	int64_t d_open, d_used, d_tokens;	/* not yet written */
	/* the row, its project, account and wallet */
	bool on, account_on;
	bool capped[3];			/* key, project, account */
	bool funded;			/* the account may have more to pay
					 * with than its wallet */
	int64_t expires, rpm, tpm, concurrency;
	int64_t rpm_at, tpm_at, tpm_debt, open_holds;
	int64_t project, account, group, raised_until, book;
};

/*
 * What one owner spent or holds in the windows that run now, and may.
 */
struct tab_caps {
	int64_t id;			/* owner * 4 + kind */
	bool loaded, dirty;
	int64_t since, until;		/* when all these windows run */
	int64_t amount[N_CAP_WINDOWS];	/* the cap; -1: none */
	int64_t spent[N_CAP_WINDOWS];
	int64_t start[N_CAP_WINDOWS];
	int64_t row[N_CAP_WINDOWS];	/* in table spent; 0: none yet */
	int64_t soft[N_CAP_WINDOWS];	/* noted from so much on; INT64_MAX:
					 * not, or it was noted already */
	int64_t percent;		/* that makes `soft` */
	int64_t d_spent[N_CAP_WINDOWS];	/* not yet written */
};

/* A price in force: a model's, or at what somebody buys it.  The same rule as
 * in tariff.c and catalogue.c. */
struct tab_price {
	int64_t id;			/* of the model, and whose it is */
	bool loaded, dirty;
	int64_t since, until;		/* UTC ms */
	int64_t price;			/* 0: none */
};

/* The allowances that pay for an account's calls, in their order (funds.c);
 * id: the account. */
enum { TAB_FUNDS = 32 };
struct tab_funds {
	int64_t id;
	bool loaded, dirty;
	int64_t since, until;		/* UTC ms: when these pay, */
	int64_t unpaid;			/* unless the wallet has so much */
	int64_t closed;			/* subscription.h, struct subscribed */
	bool volume;
	int n;
	struct {
		int64_t book;
		int unit;		/* ledger.h */
	} list[TAB_FUNDS];
};

/* What every admission asks of the whole site. */
struct tab_facts {
	int64_t min_reader;		/* schema.min_reader */
	bool frozen;			/* billing is stopped */
	bool capped;			/* the site has caps */
	bool sales;			/* groups or accounts have prices */
};

struct tab;
struct tab *tab_new(void);
void tab_free(struct tab *t);
void tab_clear(struct tab *t);		/* all is read anew */
/* A transaction begins; same: nobody else has written since our last. */
void tab_begin(struct tab *t, bool same);
/* A statement of somebody else's is about to write. */
void tab_distrust(struct tab *t);

/* As of now; NULL: the database failed.  Valid until the next of its kind. */
struct tab_key *tab_key(struct db *db, int64_t id);
struct tab_book *tab_book(struct db *db, int64_t id);
struct tab_caps *tab_caps(struct db *db, enum cap_owner kind, int64_t owner);
const struct tab_facts *tab_facts(struct db *db);

/* The id of the price row in force now by which a key pays for a model: its
 * account's, else its group's, else the list price (0: none); or -1. */
int64_t tab_price(struct db *db, const struct tab_key *k, int64_t model);

/* The clocks of a key's limits were changed. */
void tab_key_clocks(struct db *db, struct tab_key *k);

/* A call has begun: one more open, its limits' clocks as they are now. */
void tab_key_open(struct db *db, struct tab_key *k);

/*
 * A call has ended: one less open, so much more charged and so many tokens
 * used, `more` (or less) of them taken from tpm than at admission.  False:
 * the database failed.
 */
bool tab_key_close(struct db *db, int64_t id, int64_t charged,
    int64_t tokens, int64_t more);

/* Adds to a wallet or allowance, unseen: the CHECK judges at the end. */
void tab_book_add(struct db *db, int64_t id, int64_t balance, int64_t held);

/* Adds to what was spent in a window that began at start.  False: the
 * database failed. */
bool tab_spend(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start, int64_t amount);

/* Notes it if what is spent in a window that runs now has passed its soft
 * cap.  False: the database failed. */
bool tab_soft(struct db *db, enum cap_owner kind, int64_t owner,
    enum cap_window window, int64_t start);

/* Writes all changes. */
bool tab_flush(struct db *db);

/*
 * Holds that were opened here, as bytes (settle.h), so that who ends them
 * need not read them: the last so many, as long as they fit.
 */
enum { TAB_HOLDS = 2048, TAB_HOLD_BYTES = 328 };
void tab_hold_keep(struct db *db, int64_t id, const void *bytes, size_t n);
const void *tab_hold(struct db *db, int64_t id);	/* NULL: not kept */
void tab_hold_drop(struct db *db, int64_t id);

#endif
