/* SPDX-License-Identifier: MIT */
/*
 * arena.h - all memory of one call, given back at once.
 *
 * Allocation moves a pointer; nothing is freed alone.  Foreign objects (a
 * json_t, a descriptor) are attached with their destructor and go, last
 * attached first, when the arena does.  A child has its own memory and dies
 * with its parent at the latest.  An arena belongs to one thread at a time.
 */
#ifndef WEIR_ARENA_H
#define WEIR_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "fcgi/base/str.h"

struct arena_block;
struct arena_guest;

struct arena {
	struct arena_block *blocks;	/* newest first */
	struct arena_guest *guests;	/* attached objects, newest first */
	struct arena *parent, *child, *sibling;
	char *at, *end;			/* free bytes of the newest block */
	size_t bytes;			/* taken from the system in all */
};

/* Caller's storage; takes no memory before the first allocation. */
void arena_init(struct arena *a);

/* Children, guests, memory: all gone, and the arena is as after arena_init. */
void arena_release(struct arena *a);

/* Makes *child (caller's storage) a child of a; release it when you like. */
void arena_child(struct arena *a, struct arena *child);

/* n bytes, aligned for anything, never NULL (see mem.h). */
static inline void *arena_alloc(struct arena *a, size_t n)
    __attribute__((returns_nonnull));
void *arena_zero(struct arena *a, size_t n) __attribute__((returns_nonnull));

/* Private: what arena_alloc does when the newest block has no room. */
void *arena_more(struct arena *a, size_t n) __attribute__((returns_nonnull));

/* Blocks begin and end at multiples of ARENA_ALIGN, so what fits, fits. */
enum { ARENA_ALIGN = 16 };

static inline void *
arena_alloc(struct arena *a, size_t n)
{
	char *p = a->at;

	if (n == 0 || n > (size_t)(a->end - p))
		return arena_more(a, n);
	a->at += (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	return p;
}

/* Runs drop(object) when the arena is released. */
void arena_attach(struct arena *a, void (*drop)(void *), void *object);

/* A copy of s, terminated by a NUL that is not counted. */
struct str arena_str(struct arena *a, struct str s);

/* Several views one after another, terminated; the last has p NULL. */
struct str arena_join(struct arena *a, const struct str *list);
#define ARENA_JOIN(a, ...) \
	arena_join((a), (const struct str[]){ __VA_ARGS__, { NULL, 0 } })

/* A number in decimal digits, terminated: cheaper than arena_printf. */
struct str arena_int(struct arena *a, int64_t v);

/* Formatted text, terminated; the view does not count the NUL. */
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *a, const char *format, va_list ap);

#define arena_new(a, type)	((type *)arena_zero((a), sizeof(type)))

#endif
