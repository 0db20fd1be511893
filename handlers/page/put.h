/* SPDX-License-Identifier: MIT */
/*
 * put.h - data of a page: members for its template and for JSON.
 *
 * Times and money are there twice: exact ("at": RFC 3339, "charge": decimal
 * USD), and as NAME_text for people.  Text that is not UTF-8, or has control
 * bytes, is made good.
 */
#ifndef WEIR_PAGE_PUT_H
#define WEIR_PAGE_PUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

json_t *put_string(struct str s);	/* a new reference */

void put_str(json_t *o, const char *name, struct str s);
void put_maybe(json_t *o, const char *name, struct str s);	/* or null */
void put_int(json_t *o, const char *name, int64_t n);
void put_bool(json_t *o, const char *name, bool yes);
void put_time(json_t *o, const char *name, int64_t utc_ms);	/* 0: null */
void put_usd(json_t *o, const char *name, int64_t nano);

/* A new list or object of o, borrowed. */
json_t *put_list(json_t *o, const char *name);
json_t *put_object(json_t *o, const char *name);
json_t *put_row(json_t *list);

/* "2026-11-22 09:30:20"; "12.34", "0.000021": as people read it. */
struct str text_time(struct arena *a, int64_t utc_ms);
struct str text_usd(struct arena *a, int64_t nano);

/* "20 s", "10 min", "2 h 5 min", "3 d". */
struct str text_span(struct arena *a, int64_t ms);

/* "12.5 %" of a whole. */
struct str text_share(struct arena *a, int64_t part, int64_t whole);

#endif
