/* SPDX-License-Identifier: MIT */
/*
 * state.h - how channels and credentials are: in or out, why, until when, and
 * how their calls of the last minutes went.
 *
 * Read from the store, which each process tells within a second.
 */
#ifndef WEIR_ADMIN_STATE_H
#define WEIR_ADMIN_STATE_H

#include "db/park.h"
#include "db/score.h"
#include "handlers/page/kit.h"

struct states {
	struct park *parks;
	int n_parks;
	struct score_row *scores;
	int n_scores;
	int64_t now;
};

/* False: the database failed. */
bool state_look(struct page *p, struct states *h);

/*
 * Members of a channel (credential 0) or credential: state, state_text, tone
 * (a class of the stylesheet), reason, until; and of calls: ok_text, p50_ms,
 * p95_ms (null: none were made).
 */
void state_put(struct page *p, const struct states *h, json_t *row,
    int64_t channel, int64_t credential, bool on);

#endif
