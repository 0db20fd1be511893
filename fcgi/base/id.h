/* SPDX-License-Identifier: MIT */
/*
 * id.h - request ids: 26 characters, time-ordered, unguessable.
 *
 * 48 bits of UTC milliseconds and 80 random bits in Crockford's base 32, so
 * that ids sort by time as text and an index on them grows at its end.
 */
#ifndef WEIR_ID_H
#define WEIR_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

enum { ID_CHARS = 26 };

/* Does the system give random numbers?  False: errno says why not. */
bool id_ready(void);

/* Not terminated.  May be called on any thread; aborts without entropy. */
void id_make(int64_t utc_ms, char out[static ID_CHARS]);

/* Does s have the form of an id? */
bool id_valid(struct str s);

#endif
