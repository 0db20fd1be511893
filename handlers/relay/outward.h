/* SPDX-License-Identifier: MIT */
/*
 * outward.h - what holds for every request to an upstream, whoever makes it:
 * a call on its way, or the operator who tries a channel (handlers/ctl).
 */
#ifndef WEIR_OUTWARD_H
#define WEIR_OUTWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "db/catalogue.h"
#include "db/price.h"
#include "fcgi/base/arena.h"
#include "handlers/dialect/body_edit.h"
#include "handlers/dialect/dialect.h"
#include "handlers/dialect/neutral.h"

/*
 * The URL of a path ("/chat/completions") below a channel's base_url, which
 * is never lengthened, except that an empty path of it gets /v1; for an
 * endpoint of version 2 it gets /v2, and a /v1 at the end becomes one.  A path
 * that has its /v1, /v1beta or /openai itself ("/v1/messages") brings it where
 * base_url does not end in one.
 */
struct str outward_url(struct arena *a, struct str base_url, struct str path,
    bool second);

/* A dialect's path as a channel has it: with the upstream's name of the model
 * (empty: none is asked) in its places, percent-encoded, and with what the
 * version of the channel's API wants before and behind it. */
struct str outward_path(struct arena *a, const struct channel *ch,
    const char *path, struct str model);

/*
 * What is known of a model at a channel, by the upstream's name of it: of its
 * family, by the channel's preset, by the channel, by the catalogue's model
 * (or NULL); the later one counts.  Strings are the catalogue's.
 */
struct target outward_target(const struct channel *ch, const struct model *m,
    struct str upstream_model);

/*
 * The dialect that a channel is spoken to in: its own; but OpenAI's other API,
 * below the same address, where what is asked (NULL: not known) needs that by
 * the model's capability.  NULL: there is no such dialect.
 */
const struct dialect *outward_dialect(const struct channel *ch,
    const struct model *m, struct str upstream_model,
    const struct asked *asked);

/* The last edits of a JSON body for a channel, one after another: its preset's,
 * which sets members of conversations only, its API version's, and its own.
 * Returns how many there are. */
enum { OUTWARD_EDITS = 3 };
int outward_edits(const struct channel *ch, bool converses,
    struct body_edit list[static OUTWARD_EDITS]);

/* Header lines for every request to a channel, but for the key's: what the
 * dialect wants, as the channel changes it.  Returns how many. */
enum { OUTWARD_HEADERS = DIALECT_HEADERS + CHANNEL_HEADERS };
int outward_headers(struct arena *a, const struct channel *ch,
    const struct dialect *d, const struct caller_headers *said,
    struct str lines[static OUTWARD_HEADERS]);

/*
 * Overlapping wire counts of text as disjoint buckets, inside what was
 * possible, with one request.
 */
struct buckets outward_use(const struct tokens *t, int64_t in_most,
    int64_t out_most);

#endif
