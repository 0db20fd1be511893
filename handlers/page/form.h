/* SPDX-License-Identifier: MIT */
/*
 * form.h - what a browser sends from a form.
 */
#ifndef WEIR_PAGE_FORM_H
#define WEIR_PAGE_FORM_H

#include <stdbool.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/str.h"

/*
 * A field of an application/x-www-form-urlencoded text, decoded, in the
 * arena; p NULL when it is not there.  The first one of a name counts; what
 * is written wrong (a broken percent sign) is an empty field.
 */
struct str form_field(struct str form, struct arena *a, const char *name);

/* Appends s as it may stand in a query or a form. */
void form_encode(struct buf *out, struct str s);

/* Is this Content-Type that of a form we read? */
bool form_type(struct str content_type);

#endif
