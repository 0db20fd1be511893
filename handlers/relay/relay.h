/* SPDX-License-Identifier: MIT */
/*
 * relay.h - what the relay of one loop has at hand.
 */
#ifndef WEIR_RELAY_H
#define WEIR_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "db/catalogue.h"
#include "db/key.h"
#include "db/writer.h"
#include "fcgi/base/conf.h"
#include "fcgi/machine.h"

/* What all loops share; made by main(), read-only afterwards. */
struct house {
	const struct conf *conf;
	struct store *store;
	struct writer *writer;
	struct health *health;
	struct keeper *keeper;		/* NULL: it does not look by itself */
	struct affinity *affinity;
	bool one_call;			/* plain CGI: nobody is left to read
					 * on for a caller who has left */
	struct db *reader;		/* and one reading connection does for
					 * the one thread there is; else NULL */
};

/* Counters of one loop; the keeper adds them up (metrics.c). */
enum count {
	COUNT_CALLS, COUNT_STREAMS, COUNT_FAULTS, COUNT_ATTEMPTS,
	COUNT_RETRIES, COUNT_LEFT, COUNT_INPUT_TOKENS, COUNT_OUTPUT_TOKENS,
	COUNT_CHARGED_NANO, COUNT_BYTES_OUT, COUNT_EJECTIONS,
	COUNT_FALLBACKS, COUNT_AFFINITY_HITS, COUNT_BACKOFFS,
	COUNT_PROBES_GOOD, COUNT_PROBES_BAD,
	COUNT_SOFT_CAPS,	/* counted by the store (db/cap.h), as are */
	COUNT_ALERTS, COUNT_ALERTS_SENT, COUNT_ALERTS_GIVEN_UP,
	N_COUNTS
};

struct relay {
	struct worker *worker;
	const struct house *house;
	struct db *db;			/* this loop's reading connection */
	struct key_cache *keys;
	uint64_t dice;			/* state of random choices */
	_Atomic uint64_t counts[N_COUNTS];
};

/* NULL: the store cannot be read. */
struct relay *relay_new(struct worker *w, const struct house *house);
void relay_free(struct relay *r);

/* 0 <= result < n; not for secrets. */
uint64_t relay_dice(struct relay *r, uint64_t n);

static inline void
relay_count(struct relay *r, enum count which, uint64_t n)
{
	r->counts[which] += n;
}

/*
 * Who a request's credentials belong to, by wire rules for the path.
 * 1: *k is filled (strings live as long as the request).  0: rq->fault is
 * set (401, 403, 503).
 */
int relay_key(struct relay *r, struct request *rq, struct fault *f,
    struct key *k);

/* A request's administrator's token; TOKEN_NONE without one. */
enum token_role relay_token(struct relay *r, const struct request *rq);
enum token_role relay_token_text(struct relay *r, struct str token);

#endif
