/* SPDX-License-Identifier: MIT */
/*
 * recall.h - thoughts that a caller did not send back; see db/replay.h.
 */
#ifndef WEIR_RECALL_H
#define WEIR_RECALL_H

#include <stdbool.h>

#include "handlers/dialect/neutral.h"
#include "handlers/relay/call.h"

/*
 * Does a loop of tools go on in which thoughts are missing that this target
 * would take?  Any thread.
 */
bool recall_due(const struct call *c, const struct target *t);

/* Puts those that are kept into c->neutral.  On the loop: it reads the
 * store. */
void recall(struct call *c);

/* What the settlement keeps of an answer, in this arena. */
struct replay recall_keep(const struct call *c, struct arena *a);

#endif
