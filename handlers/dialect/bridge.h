/* SPDX-License-Identifier: MIT */
/*
 * bridge.h - an answer watched, whoever speaks.
 *
 * Where caller and upstream speak the same dialect, that dialect watches its
 * own bytes go by; where they do not, what the upstream says is read as events
 * and told in the caller's words.  To the relay both are one observer
 * (dialect.h), and these are its three calls.
 */
#ifndef WEIR_BRIDGE_H
#define WEIR_BRIDGE_H

#include "handlers/dialect/dialect.h"

/* Can a conversation of one of them be told in the other's words?  And its
 * embeddings? */
bool bridge_joins(const struct dialect *caller,
    const struct dialect *upstream);
bool bridge_embeds(const struct dialect *caller,
    const struct dialect *upstream);

/* As the functions of struct dialect; o->upstream is set where it is not the
 * caller's own dialect, with what is said beside it. */
void bridge_observe(struct observer *o);
unsigned bridge_feed(struct observer *o, struct str piece, struct buf *out,
    struct buf *last);
bool bridge_finish(struct observer *o, struct buf *out, struct buf *last);

#endif
