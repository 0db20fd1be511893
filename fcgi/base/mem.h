/* SPDX-License-Identifier: MIT */
/*
 * mem.h - memory for what lives long.
 *
 * Everything that belongs to one call comes from its arena (arena.h).  The
 * rest comes from here.  When memory is gone these abort: input-sized data is
 * bounded and counted elsewhere (limits.h), so no client can reach that, and
 * sibling processes recover what a dead one held.
 */
#ifndef WEIR_MEM_H
#define WEIR_MEM_H

#include <stddef.h>

/* n zeroed bytes, never NULL.  Given back with free(). */
void *xalloc(size_t n) __attribute__((malloc, returns_nonnull));

/* A grown or shrunk block; new bytes are not zeroed.  Never NULL for n > 0. */
void *xresize(void *p, size_t n) __attribute__((returns_nonnull));

/* A copy of the string s, never NULL.  Given back with free(). */
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

/* Gives memory that lies idle back to the system, if it is much: what a peak
 * needed is not kept for ever.  Takes a millisecond or a few; any thread. */
void mem_give_back(void);

#define xnew(type)	((type *)xalloc(sizeof(type)))

/* The structure that holds a member, from the member's address. */
#define holder(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define countof(array)	(sizeof(array) / sizeof((array)[0]))

#endif
