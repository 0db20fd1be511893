/* SPDX-License-Identifier: MIT */
/*
 * text.h - what pages say, in one file a language: www/LANGUAGE.text.
 *
 * A line is "name = text"; "#" begins a comment.  "{}" in a text is a hole for
 * what only the program knows.  Templates name a text as {{t.name}}.
 */
#ifndef WEIR_PAGE_TEXT_H
#define WEIR_PAGE_TEXT_H

#include <jansson.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

/* An object "t.name": text; NULL: *why with file and line.  Read-only from
 * then on, on any thread. */
json_t *texts_read(const char *path, struct arena *a, struct str *why);

/*
 * A text with its holes filled in their order (the list ends with p NULL), in
 * the arena.  A name that the file does not have stands for itself, and is
 * logged.
 */
struct str text_say(const json_t *texts, struct arena *a, const char *name,
    const struct str *fill);

#endif
