/* SPDX-License-Identifier: MIT */
/*
 * kind.h - what the kinds of members share; only kind*.c and commands that
 * take the same values as options include it.
 */
#ifndef WEIR_CTL_KIND_H
#define WEIR_CTL_KIND_H

#include "handlers/ctl/noun.h"

/* A string without control characters. */
bool text_of(struct reading *r, const struct place *at, struct str *text);

/* A decimal string of 0 to `most` nano-dollars. */
bool amount_of(struct reading *r, const struct place *at, int64_t most,
    int64_t *nano);
void show_amount(struct buf *b, int64_t nano);

/* A list, and how many elements it has. */
bool list_of(struct reading *r, const struct place *at, size_t *n);

bool read_count(struct reading *r, const struct place *at,
    const struct member *m, void *field);

/* For qsort of structs whose first member is a struct str. */
int by_name(const void *a, const void *b);

/* An address or network; *full always has a prefix length. */
bool network_valid(struct arena *a, struct str s, struct str *full);

#endif
