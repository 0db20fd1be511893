/* SPDX-License-Identifier: MIT */
/*
 * voucher.h - codes that are worth something, made in batches.
 *
 * A batch gives money to the wallet, a bonus, or a package.  Its codes are told
 * once, when they are made; the store has their keyed hashes.  A code is good
 * for so many accounts, for each of them once.  An account that has given ten
 * codes that do not exist within an hour is refused until the first of them is
 * an hour old.
 */
#ifndef WEIR_VOUCHER_H
#define WEIR_VOUCHER_H

#include "db/subscription.h"
#include "db/vault.h"
#include "fcgi/base/code.h"

enum { VOUCHER_CODES_MOST = 10000, VOUCHER_GUESSES = 10 };

/* One of money, bonus and package. */
struct voucher_row {
	int64_t id;
	struct str name;
	int64_t made;			/* UTC ms */
	int64_t money;			/* nano-dollars */
	struct bonus bonus;
	int64_t package;		/* its price is paid for, once */
	int64_t uses;			/* of each code */
	int64_t expires;		/* UTC ms, 0: never */
	bool enabled;
	struct str note;
	/* read only */
	struct str package_name;
	int64_t codes, used;		/* how many codes; uses of all */
};

/* Handled as group.h says, but for new ones. */
void voucher_blank(struct voucher_row *v, struct str name);
int voucher_find(struct db *db, struct arena *a, struct str name,
    struct voucher_row *v);
bool voucher_put(struct db *db, struct voucher_row *v);
int voucher_list(struct db *db, struct arena *a, struct str after,
    struct voucher_row **list);

/* A new batch with n codes, which are told here and nowhere else. */
bool voucher_new(struct db *db, const struct vault *vault,
    struct voucher_row *v, int n, char (*codes)[CODE_TEXT]);

enum voucher_verdict {
	VOUCHER_DONE,
	VOUCHER_MISTYPED,		/* no code could be so */
	VOUCHER_UNKNOWN,		/* there is none; it was counted */
	VOUCHER_GUESSED,		/* too many of these: `retry_ms` */
	VOUCHER_OFF, VOUCHER_EXPIRED,
	VOUCHER_USED_UP,
	VOUCHER_HAD,			/* by this account */
	VOUCHER_ACCOUNT_OFF,
	VOUCHER_FULL,			/* of allowances that are not used up */
	VOUCHER_PACKAGE,		/* `why` it cannot be had */
	VOUCHER_FAILED,
	N_VOUCHER_VERDICTS
};

struct redeemed {
	struct voucher_row voucher;
	struct subscription subscription;
	enum subscription_verdict why;
	int64_t retry_ms;
};

/*
 * An account redeems a code.  The caller commits what is DONE or UNKNOWN, and
 * rolls all else back.  Inside store_write.
 */
enum voucher_verdict voucher_redeem(struct db *db, const struct vault *vault,
    struct arena *a, int64_t account, struct str typed,
    struct redeemed *out);

#endif
