/* SPDX-License-Identifier: MIT */
/*
 * kind.h - what the kinds of members share; only kind*.c and commands that
 * take the same values as options include it.
 */
#ifndef WEIR_CTL_KIND_H
#define WEIR_CTL_KIND_H

#include "handlers/ctl/noun.h"

struct ctl;

/* A string without control characters. */
bool text_of(struct reading *r, const struct place *at, struct str *text);

/* A decimal string of 0 to `most` nano-dollars. */
bool amount_of(struct reading *r, const struct place *at, int64_t most,
    int64_t *nano);
void show_amount(struct buf *b, int64_t nano);

/* A decimal string from 0 to 1000, at most 6 places, as ppm. */
bool share_of(struct reading *r, const struct place *at, int64_t *ppm);

/* A time with a date; spans are for people. */
bool time_of(struct reading *r, const struct place *at, int64_t *ms);
void show_moment(struct buf *b, int64_t ms);

/* A list, and how many elements it has. */
bool list_of(struct reading *r, const struct place *at, size_t *n);

bool read_count(struct reading *r, const struct place *at,
    const struct member *m, void *field);

/* For qsort of structs whose first member is a struct str. */
int by_name(const void *a, const void *b);

/* Every --cap WINDOW=AMOUNT, of something new or over what caps has ("none"
 * ends one).  False: misuse was printed. */
bool opt_caps(struct ctl *c, struct caps *caps);
bool opt_caps_over(struct ctl *c, struct caps *caps);

/* Is there any, but for the soft one?  Else that is wrong with a soft one. */
bool caps_any(const struct caps *caps);
extern const char soft_alone[];

/* An amount in its window's unit: "5.00 USD", "1000 tokens"; as a member. */
struct str cap_text(struct arena *a, enum cap_window w, int64_t n);
void out_cap(struct buf *b, const char *name, enum cap_window w, int64_t n);

/* What is wrong with a cap that is less than what open calls hold. */
struct str cap_too_low(struct arena *a, enum cap_window window, int64_t cap,
    int64_t held);

#endif
