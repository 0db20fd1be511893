/* SPDX-License-Identifier: MIT */
/*
 * health.h - which credentials are out for now.
 *
 * Parks are rows of the store; this is the process's copy of them, replaced
 * once a second and changed at once by what this process learns itself.  Any
 * thread.
 */
#ifndef WEIR_HEALTH_H
#define WEIR_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "db/park.h"
#include "handlers/dialect/dialect.h"

/* Until when (UTC ms) it is parked for this model; 0: it is not. */
int64_t health_parked(int64_t credential, int64_t model, int64_t now_utc_ms);

/* Takes the store's rows over.  For the keeper. */
void health_load(const struct park *list, int n);

/*
 * The retry budget of a model: a fifth of a retry comes with every call, at
 * most fifty are saved up, so that an outage of everything does not multiply
 * the load.  health_retry takes one; false: there is none.
 */
void health_call(int64_t model);
bool health_retry(int64_t model);

/*
 * What a failure of this kind means: what is out, for how long, and whether
 * the operator is told.  hint_ms: how long the upstream asked to wait, 0: it
 * did not say.
 */
enum health_scope { HEALTH_NOTHING, HEALTH_KEY, HEALTH_PAIR };
struct health_verdict {
	enum health_scope out; /* PAIR: of credential and model */
	int64_t ms;
	bool alert;
};
struct health_verdict health_judge(enum up_class kind, int64_t hint_ms);

/*
 * What an upstream's failure means for the credential: parks it (or the pair
 * with the model) here and in the store.  hint_ms: how long the upstream
 * asked to wait, 0: it did not say.
 */
void health_learn(struct writer *w, int64_t credential, int64_t model,
    enum up_class kind, int64_t hint_ms, int64_t now_utc_ms);

#endif
