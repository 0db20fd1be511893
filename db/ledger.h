/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - books, transfers between them, and the proof that they agree.
 *
 * The balances of all books in a unit sum to 0.  A call moves money by its
 * usage row (hold.h), everything else by a transfer.
 */
#ifndef WEIR_LEDGER_H
#define WEIR_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* What a book counts: nano-dollars, tokens or requests. */
enum unit { UNIT_USD, UNIT_TOKEN, UNIT_REQUEST, N_UNITS };
extern const char *const unit_names[N_UNITS];
extern const char *const unit_counted[N_UNITS];	/* "tokens" */
enum unit unit_of(struct str name);	/* N_UNITS: none so called */
/* Of a column that says what covers a call: UNIT_USD where it says nothing. */
enum unit unit_column(struct row *row, int column);

/* Books there is one of; cost and clearing are of money only. */
enum book_id {
	BOOK_REVENUE = 1, BOOK_COST, BOOK_LOSS, BOOK_PROMOTION, BOOK_CLEARING,
	BOOK_REVENUE_TOKEN, BOOK_LOSS_TOKEN, BOOK_PROMOTION_TOKEN,
	BOOK_REVENUE_REQUEST, BOOK_LOSS_REQUEST, BOOK_PROMOTION_REQUEST,
	N_BOOKS
};

/* Revenue, loss or promotion in a unit. */
enum book_id ledger_book(enum book_id of, enum unit unit);

/* An account's wallet, made when it has none; its id, or -1. */
int64_t ledger_wallet(struct db *db, int64_t account);

/* Money of an account: 1, 0 no wallet yet (both are 0), -1 failed. */
int ledger_balance(struct db *db, int64_t account, int64_t *balance,
    int64_t *held);

enum ledger_verdict { LEDGER_DONE, LEDGER_SHORT, LEDGER_FAILED };

/*
 * An account's credit: so far below 0 its wallet may go.  ledger_set_credit:
 * LEDGER_SHORT if the wallet, less what calls hold of it, is farther down than
 * that already; *needed is the least it takes, and nothing was changed.
 * ledger_credit: the credit, or -1 failed.
 */
int64_t ledger_credit(struct db *db, int64_t account);
enum ledger_verdict ledger_set_credit(struct db *db, int64_t account,
    int64_t credit, int64_t *needed);

/*
 * Gives an account money, or takes it (LEDGER_SHORT: it has less that is
 * not held, credit aside; *available says what, nothing was changed).
 * amount > 0.
 * Inside store_write.
 */
enum ledger_verdict ledger_grant(struct db *db, int64_t account,
    int64_t amount, struct str reason);
enum ledger_verdict ledger_deduct(struct db *db, int64_t account,
    int64_t amount, struct str reason, int64_t *available);

/* One transfer between two books of one unit, any kind; amount > 0.  Inside
 * a write. */
bool ledger_transfer(struct db *db, int64_t debit, int64_t credit,
    int64_t amount, struct str kind, struct str reason,
    struct str request_id);

/*
 * A call's money, told to the transaction: ledger_flush (store_write's,
 * before COMMIT) adds the sums to the books there is one of, and stops
 * billing if what was moved in a unit does not sum to 0.
 */
void ledger_tell(struct db *db, enum book_id book, int64_t amount);
void ledger_tell_account(struct db *db, enum unit unit, int64_t amount);
bool ledger_flush(struct db *db);

struct transfer_row {
	int64_t id, at;			/* UTC ms */
	struct str debit, credit;	/* "wallet alice", "revenue" */
	int64_t amount;
	struct str kind, reason, request_id;
};
/* Transfers of an account's books (0: all), newest first, ids below
 * `before` (0: from the newest): how many (at most LIST_MAX), or -1. */
int ledger_transfers(struct db *db, struct arena *a, int64_t account,
    int64_t before, struct transfer_row **list);

/*
 * Checks every equation on one snapshot: balances against closings, usage
 * rows and transfers; held against holds; the sum of all books; open_holds,
 * `used` and `tokens` of keys against holds and usage rows; the totals of caps
 * against keys and holds, other windows against holds; charges against bounds;
 * the file's structure.  1: all hold.  0: *first is the first difference in
 * words.  -1: the database failed.  A reading connection will do.
 */
struct ledger_counts {
	int64_t books, usage, transfers, holds, attempts;
};
int ledger_check(struct db *db, struct arena *a, struct str *first,
    struct ledger_counts *counts);

/*
 * Attempts, to be joined with an upstream's own log: those of the calls
 * whose request ids follow `after_request` (empty: from the first), in that
 * order, whole calls: how many, 0 at the end, or -1.
 */
struct ledger_attempt {
	struct str request_id;
	int64_t number;			/* from 1; 0: of a pending hold */
	struct str upstream_model;
	struct str outcome;		/* "ok", or a class; "crash" */
	int status;
	int64_t started;		/* UTC ms */
	/* of the call */
	struct str state;		/* usage_states, or "pending" */
	int64_t input, output;		/* all prompt and all answer tokens */
	int64_t charge, cost, list;
	int64_t price, markup_ppm;	/* price_get: the prompt's price */
	int64_t times_ppm;		/* its multiplier */
	bool estimated;
	bool covered;			/* an allowance in tokens or requests
					 * paid: charge is 0 */
};
int ledger_attempts(struct db *db, struct arena *a, struct str after_request,
    struct ledger_attempt **list);

/* The same for calls that were sent and are not settled yet: at most
 * LIST_MAX of group.h. */
int ledger_pending(struct db *db, struct arena *a, struct str after_request,
    struct ledger_attempt **list);

/* Why billing is stopped (an invariant failed), or empty.  ledger_thaw
 * lets it go on again after a clean ledger_check. */
bool ledger_frozen(struct db *db, struct arena *a, struct str *why);
bool ledger_thaw(struct db *db);

#endif
