/* SPDX-License-Identifier: MIT */
/*
 * buf.h - bytes that grow, up to a maximum fixed at birth.
 *
 * A buffer lives on the heap (buf_release) or in an arena (gone with it; each
 * growth leaves the old copy behind, so give it a good first size).  Crossing
 * the maximum writes nothing, sets `full` and keeps it set: check once, at
 * the end.  Maxima stand in limits.h.
 */
#ifndef WEIR_BUF_H
#define WEIR_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

struct buf {
	struct arena *arena;	/* NULL: heap */
	char *p;		/* not terminated */
	size_t n;		/* bytes in use */
	size_t room;		/* bytes allocated */
	size_t max;		/* n never passes it */
	bool full;		/* something did not fit and was left out */
};

#define BUF(arena_, max_) \
	((struct buf){ .arena = (arena_), .max = (max_) })
#define BUF_HEAP(max_)		((struct buf){ .max = (max_) })

/* Frees a heap buffer's memory; the buffer is empty and usable again. */
void buf_release(struct buf *b);

/* Empty again; the memory stays. */
static inline void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->full = false;
}

/* Room for n more bytes, or NULL (and full) beyond the maximum. */
char *buf_room(struct buf *b, size_t n);

/* Each appends, or sets full.  True when all of it fitted. */
static inline bool
buf_put(struct buf *b, struct str s)
{
	char *p = b->full || s.n >= b->room - b->n ? buf_room(b, s.n) :
	    b->p + b->n;

	if (!p)
		return false;
	if (s.n)
		memcpy(p, s.p, s.n);
	b->n += s.n;
	return true;
}

static inline bool
buf_char(struct buf *b, char c)
{
	return buf_put(b, str_from(&c, 1));
}

bool buf_int(struct buf *b, int64_t v);
bool buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *format, va_list ap);

/* s as a JSON string with its quotes; control bytes become \u00XX. */
bool buf_json(struct buf *b, struct str s);

/* The inside of a JSON string, as it is spelt, in its quotes. */
bool buf_raw(struct buf *b, struct str raw);

/* Drops the first n bytes. */
void buf_drop(struct buf *b, size_t n);

static inline struct str
buf_str(const struct buf *b)
{
	return str_from(b->p, b->n);
}

/* All bytes so far, terminated by a NUL that is not counted. */
const char *buf_text(struct buf *b);

#endif
