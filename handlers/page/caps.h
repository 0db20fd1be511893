/* SPDX-License-Identifier: MIT */
/*
 * caps.h - limits on spending in forms and on pages.
 */
#ifndef WEIR_PAGE_CAPS_H
#define WEIR_PAGE_CAPS_H

#include "db/cap.h"
#include "handlers/page/field.h"

/* One a window, cap_day …, then cap_soft; ends with name NULL. */
extern const struct field caps_fields[N_CAP_WINDOWS + 2];

/* What they hold now: N_CAP_WINDOWS + 1 of them, from out on. */
void caps_given(struct page *p, const struct caps *caps, struct given *out);

/* Reads these fields; false: something is wrong, and said. */
bool caps_take(struct page *p, struct caps *caps);

/* Sets them; a cap below what runs is said to be wrong and not set.  False:
 * the database failed.  Inside write; before anything else is written. */
bool caps_fit(struct page *p, struct db *db, enum cap_owner kind,
    int64_t owner, const struct caps *caps);

/* "day 5.00 USD, soft 80 %", for the audit log. */
struct str caps_text(struct arena *a, const struct caps *caps);

/* The list "caps" of p->data: what is spent of each.  False: failed. */
bool caps_put_spent(struct page *p, enum cap_owner kind, int64_t owner);

#endif
