/* SPDX-License-Identifier: MIT */
/*
 * kept.h - answers that an upstream keeps, as calls meet them; see
 * db/stored.h.
 */
#ifndef WEIR_KEPT_H
#define WEIR_KEPT_H

#include "handlers/relay/call.h"
#include "handlers/relay/plan.h"

/* Finds c->stored, if the call goes on from a kept answer, and counts what is
 * in it.  False: the store cannot be read.  On the loop. */
bool kept_find(struct call *c);

/* The same for a call that asks for one, and so has no body. */
enum go kept_ask(struct call *c);

/* The id is nobody's, or whoever keeps it is gone: STOP, and the fault.  w is
 * what was asked of the plan. */
enum go kept_missing(struct call *c, const struct wanted *w);

/* Method and what stands behind the path of a call that asks for one. */
const char *kept_method(const struct call *c);
struct str kept_path(const struct call *c, struct arena *a);

/* What the settlement writes down of an answer, in this arena. */
struct stored kept_take(const struct call *c, struct arena *a);

#endif
