/* SPDX-License-Identifier: MIT */
/*
 * template.h - text with five kinds of holes.
 *
 *	{{name}}		the value, always escaped for HTML
 *	{{#list}}…{{/list}}	once for each element (or once, if true)
 *	{{^list}}…{{/list}}	once, if empty, false or missing
 *	{{>part}}		another template
 *	{{!note}}		nothing
 *
 * A line that holds one tag but {{name}} and nothing else leaves no line.
 * There is no raw form.  Names are looked up in the innermost object first.
 * A whole number is shown in groups of three digits, from 10,000 on; what must
 * not be (ids in addresses, coordinates) is given as a string.
 */
#ifndef WEIR_TEMPLATE_H
#define WEIR_TEMPLATE_H

#include <jansson.h>
#include <stdbool.h>

#include "fcgi/base/buf.h"

struct templates;

/* All *.html files of a folder, checked; NULL: *why with file and line. */
struct templates *templates_open(const char *dir, struct arena *a,
    struct str *why);
void templates_free(struct templates *t);

bool templates_have(const struct templates *t, const char *name);

/* Appends the template's text with the data in its holes. */
void template_render(const struct templates *t, const char *name,
    const json_t *data, struct buf *out);

/* The same where names that data does not have are looked up in `around`, the
 * last of its n first. */
void template_render_in(const struct templates *t, const char *name,
    const json_t *const *around, int n, const json_t *data, struct buf *out);

/* The first {{name}} that begins with head and that `known` does not have, as
 * "template keys.html: …" in the arena; or empty. */
struct str templates_unknown(const struct templates *t, struct str head,
    const json_t *known, struct arena *a);

/* s with & < > " ' as references. */
void html_escape(struct buf *out, struct str s);

#endif
