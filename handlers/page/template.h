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
 * There is no raw form.  Names are looked up in the innermost object first.
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

/* s with & < > " ' as references. */
void html_escape(struct buf *out, struct str s);

#endif
