/* SPDX-License-Identifier: MIT */
/*
 * outward.h - what holds for every request to an upstream, whoever makes it:
 * a call on its way, or the operator who tries a channel (handlers/ctl).
 */
#ifndef WEIR_OUTWARD_H
#define WEIR_OUTWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "db/price.h"
#include "fcgi/base/arena.h"
#include "handlers/dialect/dialect.h"

/*
 * The URL of a path ("/chat/completions") below a channel's base_url, which
 * is never lengthened, except that an empty path of it gets /v1; for an
 * endpoint of version 2 it gets /v2, and a /v1 at the end becomes one.  A path
 * that has its /v1 itself ("/v1/messages") brings it where base_url does not
 * end in one.
 */
struct str outward_url(struct arena *a, struct str base_url, struct str path,
    bool second);

/*
 * Overlapping wire counts of text as disjoint buckets, inside what was
 * possible, with one request.
 */
struct buckets outward_use(const struct tokens *t, int64_t in_most,
    int64_t out_most);

#endif
