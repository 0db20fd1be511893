/* SPDX-License-Identifier: MIT */
/*
 * ledger.h - books, transfers between them, and the proof that they agree.
 *
 * The balances of all books sum to 0.  A call moves money by its usage row
 * (hold.h), everything else by a transfer.
 */
#ifndef WEIR_LEDGER_H
#define WEIR_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/* Books there is one of. */
enum book_id {
	BOOK_REVENUE = 1, BOOK_COST, BOOK_LOSS, BOOK_PROMOTION, BOOK_CLEARING
};

/* An account's wallet, made when it has none; its id, or -1. */
int64_t ledger_wallet(struct db *db, int64_t account);

/* Money of an account: 1, 0 no wallet yet (both are 0), -1 failed. */
int ledger_balance(struct db *db, int64_t account, int64_t *balance,
    int64_t *held);

enum ledger_verdict { LEDGER_DONE, LEDGER_SHORT, LEDGER_FAILED };

/*
 * Gives an account money, or takes it (LEDGER_SHORT: it has less that is
 * not held; *available says what, nothing was changed).  amount > 0.
 * Inside store_write.
 */
enum ledger_verdict ledger_grant(struct db *db, int64_t account,
    int64_t amount, struct str reason);
enum ledger_verdict ledger_deduct(struct db *db, int64_t account,
    int64_t amount, struct str reason, int64_t *available);

/* One transfer between two books, any kind; amount > 0.  Inside a write. */
bool ledger_transfer(struct db *db, int64_t debit, int64_t credit,
    int64_t amount, struct str kind, struct str reason,
    struct str request_id);

struct transfer_row {
	int64_t id, at;			/* UTC ms */
	struct str debit, credit;	/* "wallet alice", "revenue" */
	int64_t amount;
	struct str kind, reason, request_id;
};
/* Transfers of an account's wallet (0: all), newest first, ids below
 * `before` (0: from the newest): how many (at most LIST_MAX), or -1. */
int ledger_transfers(struct db *db, struct arena *a, int64_t account,
    int64_t before, struct transfer_row **list);

/*
 * Checks every equation on one snapshot: balances against closings, usage
 * rows and transfers; held against holds; the sum of all books; open_holds
 * and `used` of keys against holds and usage rows; charges against bounds;
 * the file's structure.  1: all hold.  0: *first is the first difference in
 * words.  -1: the database failed.  A reading connection will do.
 */
struct ledger_counts {
	int64_t books, usage, transfers, holds, attempts;
};
int ledger_check(struct db *db, struct arena *a, struct str *first,
    struct ledger_counts *counts);

/*
 * Attempts, to be joined with an upstream's own log: in order of request
 * id, those that follow (request_id, number): how many (at most LIST_MAX),
 * or -1.  A pending hold that was sent counts as an attempt in the making
 * (number 0).
 */
struct ledger_attempt {
	struct str request_id;
	int64_t number;
	struct str upstream_model, outcome;
	int status;
	int64_t started;		/* UTC ms */
	struct str state;		/* of the usage row; "pending" */
	int64_t input, output;		/* all prompt, all answer tokens */
	int64_t charge, cost, prompt_charge;
	bool estimated;
};
int ledger_attempts(struct db *db, struct arena *a, struct str after_request,
    int64_t after_number, struct ledger_attempt **list);

/* Why billing is stopped (an invariant failed), or empty.  ledger_thaw
 * lets it go on again after a clean ledger_check. */
bool ledger_frozen(struct db *db, struct arena *a, struct str *why);
bool ledger_thaw(struct db *db);

#endif
