/* SPDX-License-Identifier: MIT */
/*
 * settle.h - a pending hold, and how it ends.
 *
 * What hold.c (which makes it), pending.c (which reads it), settle.c (which
 * ends it) and crash.c (which ends it for a process that died) share; nobody
 * else needs it.
 */
#ifndef WEIR_SETTLE_H
#define WEIR_SETTLE_H

#include "db/cap.h"
#include "db/funds.h"
#include "db/usage.h"

enum { WINDOWS_TEXT = N_CAP_OWNERS * N_CAP_WINDOWS * 20 };

/* What only who ends a dead process's hold asks for. */
struct journal {
	int64_t channel, credential;
	char upstream_model[256];
	bool sent, started;
	int64_t out_tokens;
	int64_t model, price;	/* that serve; model 0: none yet */
};

struct pending {
	int64_t id;
	char request_id[ID_CHARS];
	bool stream;
	int64_t opened, account, project, key, model, price, markup_ppm, book;
	int64_t held, bound, prompt_tokens, tokens, tpm_taken;
	int64_t minimum;	/* as in usage.h */
	int64_t discount_ppm;	/* -1: what it costs is counted for none */
	bool floor;
	enum bucket unit;	/* of units; 0: nothing but tokens */
	enum unit covered;	/* not UNIT_USD: an allowance pays in that */
	int64_t units;
	char endpoint[16];
	/* Its windows, "kd1763769600000 at0 ", and behind them its parts
	 * (funds.h; none: the wallet's). */
	size_t windows_n, parts_n;
	char text[WINDOWS_TEXT + PARTS_TEXT];
};

/* The columns of hold (as h) that pending_read reads, and journal_read. */
#define PENDING_COLUMNS \
	"h.id, h.request_id, h.opened, h.account, h.project, h.key, h.model, " \
	"h.price, h.markup_ppm, h.book, h.held, h.bound, h.prompt_tokens, " \
	"h.tpm_taken, h.windows, h.endpoint, h.stream, h.unit, h.units, " \
	"h.tokens, h.minimum, h.floor, h.covered, h.parts, " \
	"h.discount_ppm"
#define JOURNAL_COLUMNS \
	"h.channel, h.credential, h.upstream_model, h.sent, h.started, " \
	"h.out_tokens, h.serves, h.serves_price"
void pending_read(struct row *row, struct pending *p);
void journal_read(struct row *row, struct journal *j);	/* they come after */

/* A hold that was made here is kept, so that nobody need read it. */
void pending_keep(struct db *db, const struct pending *p);

/* 1, 0 gone, -1 the database failed. */
int pending_get(struct db *db, int64_t id, struct pending *p);

/* Adds to what is spent in the windows a hold is counted in: money, tokens.
 * ended: so it is for good, and soft caps that it passes are noted. */
bool pending_spend(struct db *db, const struct pending *p, int64_t amount,
    int64_t tokens, bool ended);

/* Its parts: those of its row, or all of it in the wallet. */
bool pending_parts(struct db *db, const struct pending *p, struct parts *parts);
/* They become those; none, if that says it all. */
void pending_set_parts(struct pending *p, const struct parts *parts);
/* As they are stored: NULL for none. */
struct str pending_parts_text(const struct pending *p);

/* What the tightest of its caps has left, of money and of tokens. */
struct room {
	int64_t money, tokens;
};
/* False: the database failed. */
bool pending_room(struct db *db, const struct pending *p, struct room *room);

/* What its account has to pay with now.  False: the database failed. */
bool pending_funds(struct db *db, const struct pending *p, struct funds *f);

/*
 * What is charged: from the hold and what is free beyond it; and lost, which
 * is in the unit that covers the call.
 */
struct bill {
	int64_t charged, lost;
	struct parts parts;	/* none: the wallet pays what is charged */
};
bool settle_reckon(struct db *db, const struct pending *p,
    const struct usage_row *u, struct bill *bill);

/* Everything that the end of a hold writes. */
bool settle_close(struct db *db, const struct pending *p,
    const struct usage_row *u, int64_t tokens_used, const struct bill *bill);

#endif
