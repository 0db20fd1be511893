/* SPDX-License-Identifier: MIT */
/*
 * units.h - what calls use beside text: pictures, sound, characters, search
 * units.  A page for plan.c, admit.c and settle.c, which do the rest.
 *
 * Each endpoint beside the text ones has one unit that is counted (struct
 * bill_by) and can be charged by it, or by tokens.  A model is refused there
 * if its price has neither, or lacks a rate for tokens that the call could
 * use.
 */
#ifndef WEIR_UNITS_H
#define WEIR_UNITS_H

#include <stdbool.h>

#include "handlers/relay/call.h"

/* "transcriptions": as usage rows name it. */
const char *endpoint_name(enum endpoint e);

/* Has the price at which this model is sold all that the endpoint needs?
 * False: c->fault. */
bool units_priced(struct call *c, const struct model *m,
    const struct price *p);

/*
 * Fills in what the dialect could not know: tokens of sound into c->asked,
 * units into c->unit, c->units and c->units_bound; once a call.  And the
 * tokens that a model may make of it.  For endpoints that are not text.
 */
void units_plan(struct call *c);
void units_output(const struct call *c, const struct model *m,
    int64_t *planned, int64_t *bound);

/* The buckets of tokens that the call can fill. */
unsigned units_reach(const struct call *c);

/*
 * Tokens of sound and pictures go from input and output into their own
 * buckets, where they have a price or nobody else could have used them.
 */
void units_part(const struct call *c, const struct tokens *t,
    struct buckets *b);

/* What a call that is not text used, as far as it came; estimated: some of it
 * that costs money was not told. */
void units_used(const struct call *c, struct buckets *b, bool *estimated);

/* Of a call that was wasted: what was sent. */
void units_sent(const struct call *c, struct buckets *b);

#endif
