/* SPDX-License-Identifier: MIT */
/*
 * delivery.h - what is sent to targets, and how that went.
 *
 * A delivery is a row from the moment something is told until long after it
 * was sent.  Whoever wants to send one claims it first, in a write: no two
 * processes send the same at once.  A claim ends with its process or after a
 * minute, so what was sent and not noted is sent again, under the same name
 * (uid): at least once.  What fails is tried again, later each time, for a
 * day; whatever else waits for that target waits as long.
 */
#ifndef WEIR_DELIVERY_H
#define WEIR_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "db/alert.h"
#include "db/writer.h"

enum delivery_what { TOLD_FIRED, TOLD_OVER, TOLD_TEST, N_TOLDS };
extern const char *const delivery_whats[N_TOLDS];	/* "fired" … */

enum delivery_state { DELIVERY_WAITING, DELIVERY_SENT, DELIVERY_GIVEN_UP,
	N_DELIVERY_STATES };
extern const char *const delivery_states[N_DELIVERY_STATES];

/* What is told. */
struct told {
	const struct alert_row *alert;
	enum delivery_what what;
	int64_t occurrence;		/* 0: none */
	int64_t began, ended;		/* UTC ms; 0: not yet */
	struct str text;		/* for people */
	struct str about;		/* a JSON object */
};

/*
 * Makes a delivery for each of its targets that is on: how many, or -1.
 * Inside a transaction.
 */
int delivery_tell(struct db *db, const struct told *t);

struct delivery {
	int64_t id;
	struct str uid;			/* "msg_…" */
	struct str alert, target;	/* names */
	enum delivery_what what;
	enum delivery_state state;
	struct str title, body;		/* of mail; of either */
	int64_t made, due, until;	/* UTC ms */
	int64_t ended;			/* 0: waits */
	int64_t tries;
	int64_t status;			/* of HTTP or SMTP; 0: no answer */
	struct str why;			/* it was not taken */
	/* for who sends it */
	int64_t target_id, account;	/* of the target */
	struct str url, email, sealed;
	int64_t claimed;
};

/* Does one wait whose time has come?  1, 0, or -1.  only: that one (0: any). */
int delivery_waits(struct db *db, int64_t only);

/* Claims the next whose time has come. */
struct delivery_claim {
	struct op op;
	int64_t process;		/* 0: weirctl */
	int64_t only;			/* that one, or 0 */
	bool got;			/* out: */
	struct delivery d;
	struct arena arena;
};
bool delivery_claim_run(struct db *db, struct op *op);

/* How a try ended. */
struct delivery_end {
	struct op op;
	const struct delivery *d;
	bool sent;			/* it was taken */
	bool given_back;		/* nobody tried: due at once */
	bool never;			/* will not be taken later either */
	int64_t status;
	struct str why;
};
bool delivery_end_run(struct db *db, struct op *op);

/* Newest first, ids below before (0: from the newest), of an alert (0: all):
 * how many, at most LIST_MAX of group.h, or -1. */
int delivery_list(struct db *db, struct arena *a, int64_t before,
    int64_t alert, struct delivery **list);

/* 1 and it, 0 there is none, -1. */
int delivery_get(struct db *db, struct arena *a, int64_t id,
    struct delivery *d);

/* To be sent once more, now, as it was: 1, 0 there is none, -1.  Inside a
 * transaction. */
int delivery_again(struct db *db, int64_t id);

/* Takes away old ones; the newest 10,000 stay.  False: it failed. */
bool delivery_trim(struct db *db);

/* --- for tests ------------------------------------------------------------ */

/* How long until the next try after so many, ms; dice: any number. */
int64_t delivery_delay(int64_t tries, uint64_t dice);

#endif
