/* SPDX-License-Identifier: MIT */
/*
 * anthropic_neutral.h - what the Anthropic side of the neutral form shares;
 * nobody else's.
 *
 *	anthropic_decode.c	a Messages request into the neutral form
 *	anthropic_encode.c	the neutral form as a Messages request
 *	anthropic_blocks.c	what stands in its turns
 *	anthropic_turns.c	its turns, in the order this API demands
 *	anthropic_schema.c	the JSON Schemas that it takes
 *	anthropic_events.c	an answer read as events
 *	anthropic_emit.c	events written as an answer
 */
#ifndef WEIR_ANTHROPIC_NEUTRAL_H
#define WEIR_ANTHROPIC_NEUTRAL_H

#include "handlers/dialect/neutral.h"

/* Bytes of a name. */
enum { ANTHROPIC_NAME = 64 };

/* See struct neutral_dialect. */
bool anthropic_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f);
bool anthropic_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f);
void anthropic_reader_init(struct event_reader *r);
void anthropic_reader_feed(struct event_reader *r, struct str piece);
void anthropic_reader_finish(struct event_reader *r);

/*
 * The turns as this API takes them: roles in turns, the first the user's,
 * all results of a turn's calls first in the next one, nothing blank.  The
 * list is in the arena, its blocks are copies.  False: *f.
 */
bool anthropic_turns(struct arena *a, const struct neutral *n,
    const struct target *t, struct turn **list, size_t *count,
    struct fault *f);

/* The blocks of a turn as a list; own: as own_signatures.  False: *f. */
bool anthropic_blocks(struct arena *a, const struct turn *t, bool own,
    const struct target *target, struct buf *out, struct fault *f);

/* ,"cache_control":{…} */
void anthropic_mark(struct buf *out, enum cache_mark mark);

/*
 * A schema for output_config and for strict tools: keywords that are not
 * known there go, limits become words of the description.
 */
void anthropic_schema(struct arena *a, struct str schema, struct buf *out);

#endif
