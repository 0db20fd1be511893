/* SPDX-License-Identifier: MIT */
/*
 * anthropic_neutral.h - what the Anthropic side of the neutral form shares;
 * nobody else's.
 *
 *	anthropic_decode.c	a Messages request into the neutral form
 *	anthropic_encode.c	the neutral form as a Messages request
 *	anthropic_blocks.c	what stands in its turns
 *	anthropic_schema.c	the JSON Schemas that it takes
 *	anthropic_merge.c	those of tools that are a choice of several
 *	anthropic_events.c	an answer read as events
 *	anthropic_cite.c	whom its text cites
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

/* The blocks of a turn as a list; own: as own_signatures.  False: *f. */
bool anthropic_blocks(struct arena *a, const struct turn *t, bool own,
    const struct target *target, struct buf *out, struct fault *f);

/* ,"cache_control":{…} */
void anthropic_mark(struct buf *out, enum cache_mark mark);

/* Citations of the block that is read, until it ends. */
enum { ANTHROPIC_CITES = 256 };
struct anthropic_cites {
	struct cite *list;
	size_t n;
	int64_t points;		/* of its text, so far */
};

/* A citation, as JSON; those of other things than pages are left out. */
void anthropic_cites_take(struct arena *a, struct anthropic_cites *c,
    struct str citation);

/* The block ends: gives a NOTE for each, of all of its text. */
void anthropic_cites_give(struct event_reader *r, struct anthropic_cites *c);

/* As JSON; text: of the block (raw), as far as it is known. */
void anthropic_cite_write(struct buf *out, const struct cite *c,
    struct str text);

/* Is the schema of a tool a choice of several at its top, and such a one as
 * one object. */
bool anthropic_is_choice(struct str schema);
void anthropic_merge(struct arena *a, struct str schema, struct buf *out);

/*
 * A schema for output_config and for strict tools: keywords that are not
 * known there go, limits become words of the description.
 */
void anthropic_schema(struct arena *a, struct str schema, struct buf *out);

#endif
