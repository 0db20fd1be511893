/* SPDX-License-Identifier: MIT */
/*
 * capability.h - what models and upstreams can do, by name.
 *
 * A list is words separated by blanks: "json_schema reasoning=effort
 * efforts=low,high image_url=no".  A word alone means yes.  Tables of what is
 * known (families, presets), a channel's quirks and a model's capabilities
 * are such lists, and the later one counts.
 */
#ifndef WEIR_CAPABILITY_H
#define WEIR_CAPABILITY_H

#include "handlers/dialect/neutral.h"

struct capability;

/* One after another; NULL: there are no more. */
const struct capability *capability_at(size_t i);
struct str capability_name(const struct capability *k);
/* "yes, no", or the words it may be: for help and errors. */
void capability_values(const struct capability *k, struct buf *out);
/* What it says, a line. */
struct str capability_says(const struct capability *k);

/* Is this one a capability with a value it can have?  False: *why, what can
 * be said instead, in the arena. */
bool capability_valid(struct arena *a, struct str name, struct str value,
    struct str *why);

/* What t is beyond a target of which nothing is known, as such a list, in the
 * table's order: capability_apply makes t of it again. */
void capability_list(const struct target *t, struct buf *out);

/* Changes t by what a list says; words it does not know are passed over (a
 * newer weir may have written them). */
void capability_apply(struct target *t, struct str list);

#endif
