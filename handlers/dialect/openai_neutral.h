/* SPDX-License-Identifier: MIT */
/*
 * openai_neutral.h - what the OpenAI side of the neutral form shares; nobody
 * else's.
 *
 *	openai_decode.c		a Chat Completions request into the neutral form
 *	openai_thoughts.c	the thoughts of its history
 *	openai_encode.c		the neutral form as a Chat Completions request
 *	openai_events.c		an answer read as events
 *	openai_emit.c		events written as an answer
 */
#ifndef WEIR_OPENAI_NEUTRAL_H
#define WEIR_OPENAI_NEUTRAL_H

#include "handlers/dialect/neutral.h"

/* Ids of the entries of reasoning_details that weir writes: behind this the
 * bytes of reasoning_content they are about, "3-17". */
#define OPENAI_THOUGHT "thought-"

/* See struct neutral_dialect. */
bool openai_decode(struct arena *a, struct str body, struct neutral *out,
    struct fault *f);
bool openai_encode(struct arena *a, const struct neutral *n,
    const struct target *t, struct buf *out, struct dropped *d,
    struct fault *f);
void openai_reader_init(struct event_reader *r);
void openai_reader_feed(struct event_reader *r, struct str piece);
void openai_reader_finish(struct event_reader *r);

#endif
