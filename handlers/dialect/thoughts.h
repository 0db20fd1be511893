/* SPDX-License-Identifier: MIT */
/*
 * thoughts.h - the thoughts of a history, made fit for one upstream.
 *
 * A signature proves thoughts to its maker alone.  On the way to an upstream
 * envelopes (envelope.h) are opened: one of its own family becomes the
 * signature it holds, any other leaves the thoughts without proof, and
 * dialects that want one pass over them.  Where an upstream refuses a
 * signature all thoughts are cut and thinking is switched off.
 */
#ifndef WEIR_THOUGHTS_H
#define WEIR_THOUGHTS_H

#include "fcgi/base/buf.h"
#include "handlers/dialect/envelope.h"
#include "handlers/dialect/neutral.h"

/* Of the neutral form: the turns that change are copies in the arena, so that
 * a form that was copied from another leaves that one as it is. */
void thoughts_open(struct arena *a, struct neutral *n,
    const struct envelope_key *k);
void thoughts_cut(struct arena *a, struct neutral *n);

/*
 * The thoughts of an assistant's message of Chat Completions (or of what
 * event_writer.kept holds) as blocks of its turn: all of reasoning_content,
 * each part with what proves it.
 */
void openai_thoughts(struct neutral *n, struct turn *t, struct str message);

/*
 * Of the text of a request (struct dialect's thoughts): see there.
 */
bool anthropic_thoughts(struct arena *a, struct str body,
    const struct envelope_key *k, struct buf *out);
bool responses_thoughts(struct arena *a, struct str body,
    const struct envelope_key *k, struct buf *out);

/* The same of a generateContent request. */
bool gemini_thoughts(struct arena *a, struct str body,
    const struct envelope_key *k, struct buf *out);

#endif
