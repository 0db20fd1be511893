/* SPDX-License-Identifier: MIT */
/*
 * hold.h - money set aside, then settled, exactly once.
 *
 * No byte goes upstream without a committed hold.  Three operations for the
 * writer: open (admission: status, expiry, limits, caps and credit are all
 * decided here), progress (a stream's journal), settle (charge, usage row,
 * attempts).  A hold row exists while it is pending; whoever deletes it (one
 * row affected) settles it, so settling is idempotent.
 */
#ifndef WEIR_HOLD_H
#define WEIR_HOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "db/gcra.h"
#include "db/replay.h"
#include "db/stored.h"
#include "db/usage.h"
#include "db/writer.h"

enum hold_verdict {
	HOLD_OPENED,
	HOLD_KEY_OFF,		/* disabled, revoked or gone */
	HOLD_KEY_EXPIRED,
	HOLD_ACCOUNT_OFF,
	HOLD_NO_CREDIT,		/* `available` says what there is */
	HOLD_RPM, HOLD_TPM,	/* `retry_ms` */
	HOLD_CONCURRENCY,
	HOLD_CAP,		/* `cap_window`, `cap_owner` say which */
	HOLD_NO_PRICE,		/* a price is superseded: plan again */
	HOLD_CLOSED		/* billing is stopped in all processes, or this
				 * program is too old for the database: 503 */
};

enum { HOLD_OTHERS = 8 };		/* fallback models of a call, at most */

struct hold_open {
	struct op op;
	/* in */
	char request_id[ID_CHARS];
	int64_t process, key, model, price, markup_ppm;
	int64_t minimum;	/* of the charge, for a crash; as is */
	bool floor;		/* never below cost */
	struct {
		int64_t model, price;
	} others[HOLD_OTHERS];	/* that may serve instead, at these prices */
	int n_others;
	int64_t held;		/* the estimate of the dearest, nano-dollars */
	int64_t bound;		/* at most */
	int64_t least;		/* admit with as little, if no other hold is
				 * open; == held: no */
	int64_t prompt_tokens;	/* estimate, for a crash */
	enum bucket unit;	/* and what it uses beside tokens, so many of */
	int64_t units;		/* it; 0: nothing */
	int64_t limit_tokens;	/* for tpm and caps: prompt + output */
	const char *endpoint;
	bool stream;
	/* out */
	enum hold_verdict verdict;
	int64_t id;		/* the hold */
	int64_t granted;	/* == held, or less (>= least); up to 4 x held
				 * for a day when the account's calls have cost
				 * more than their holds (never above bound) */
	int64_t available;	/* free money of the account before this hold,
				 * with its credit */
	int64_t quota_tokens;	/* NO_CREDIT: the most that an allowance in */
	int64_t quota_requests;	/* these has left; -1: there is none */
	int64_t retry_ms;
	const char *cap_owner, *cap_window;
	int64_t cap_amount, cap_spent;	/* tokens if cap_tokens */
	int64_t cap_until;	/* UTC ms, when that window ends; 0: never */
	bool cap_tokens;
	bool counts_tokens;	/* OPENED: it is in a window of tokens */
	int64_t discount_ppm;	/* OPENED: it costs so much less */
	char package[68];	/* NO_CREDIT: its subscription to that does */
	int64_t package_until;	/* not let the wallet pay until then, UTC ms, */
	bool package_ends;	/* when it ends, or its next period begins */
	struct gcra_left left;	/* of the key's own limits, after this */
};
bool hold_open_run(struct db *db, struct op *op);

/* Nothing is told back; a hold that is gone is left alone. */
struct hold_progress {
	struct op op;
	int64_t hold;
	int64_t channel, credential;
	int64_t model, price;		/* that serve; model 0: not known */
	bool sent, started;
	int64_t out_tokens;
	struct str upstream_model;	/* of the running attempt */
};
bool hold_progress_run(struct db *db, struct op *op);

/* More money, or tokens, for a running stream: verdict OPENED or NO_CREDIT /
 * CAP. */
struct hold_extend {
	struct op op;
	int64_t hold, more, more_tokens;
	enum hold_verdict verdict;
};
bool hold_extend_run(struct db *db, struct op *op);

struct hold_settle {
	struct op op;
	/* in */
	int64_t hold;
	int64_t tokens_used;	/* corrects tpm */
	bool claims;		/* it has asked for claims: they end too, */
	int64_t claimed;	/* that of the credential that used these
				 * tokens (0: none) and all others */
	struct usage_row row;
	struct replay replay;	/* kept for the key's next calls, or none */
	struct stored stored;	/* the upstream keeps its answer, or none */
	/* out */
	bool settled;		/* false: it was settled before */
	int64_t charged;	/* what the books could pay */
	int64_t lost;		/* the rest, booked to loss */
};
bool hold_settle_run(struct db *db, struct op *op);

/*
 * Resolves the holds of processes that died (their byte of weir.lock can be
 * locked).  Inside store_write.  Count resolved, or -1.
 */
int hold_recover(struct store *s, struct db *db);

#endif
