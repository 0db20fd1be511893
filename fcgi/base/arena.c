/* SPDX-License-Identifier: MIT */
/*
 * arena.c - all memory of one call, given back at once; see arena.h.
 *
 * Blocks start small, because ten thousand open streams each have one, and
 * double up to a limit.  What is larger than a block gets a block of its own
 * behind the newest, so that the free rest of the newest is not lost.
 *
 * Each thread keeps some blocks of the small sizes for its next arena: they
 * are too large for malloc's own cache, and what it does instead (splitting,
 * merging, trimming) showed in the profile.  Not under AddressSanitizer,
 * which would miss a use after release.
 */
#include "fcgi/base/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "fcgi/base/mem.h"

enum { FIRST_BLOCK = 2048, CHILD_BLOCK = 512, LAST_BLOCK = 65536 };

struct arena_block {
	struct arena_block *next;
	size_t bytes;
	_Alignas(ARENA_ALIGN) char data[];
};

enum { CLASSES = 4, KEPT = 32 };	/* 512 to 4096 bytes; blocks of each */

/* Under the address sanitizer, whose name is another with clang, nothing is
 * kept: it must see each use. */
#ifdef __has_feature
#define CLANG_ADDRESS	__has_feature(address_sanitizer)
#else
#define CLANG_ADDRESS	0
#endif

#if !defined(__SANITIZE_ADDRESS__) && !CLANG_ADDRESS
static _Thread_local struct {
	struct arena_block *first;
	int n;
} kept[CLASSES];

/* The class of a size, or CLASSES. */
static int
class_of(size_t bytes)
{
	int k = 0;

	while (k < CLASSES && bytes != (size_t)CHILD_BLOCK << k)
		k++;
	return k;
}

static struct arena_block *
kept_take(size_t bytes)
{
	int k = class_of(bytes);
	struct arena_block *b = k < CLASSES ? kept[k].first : NULL;

	if (b) {
		kept[k].first = b->next;
		kept[k].n--;
	}
	return b;
}

static bool
kept_give(struct arena_block *b)
{
	int k = class_of(b->bytes);

	if (k == CLASSES || kept[k].n == KEPT)
		return false;
	b->next = kept[k].first;
	kept[k].first = b;
	kept[k].n++;
	return true;
}
#else
static struct arena_block *
kept_take(size_t bytes)
{
	(void)bytes;
	return NULL;
}

static bool
kept_give(struct arena_block *b)
{
	(void)b;
	return false;
}
#endif

struct arena_guest {
	struct arena_guest *next;
	void (*drop)(void *);
	void *object;
};

void
arena_init(struct arena *a)
{
	*a = (struct arena){ 0 };
}

void
arena_child(struct arena *a, struct arena *child)
{
	arena_init(child);
	child->parent = a;
	child->sibling = a->child;
	a->child = child;
}

static void
leave_parent(struct arena *a)
{
	struct arena **at = &a->parent->child;

	while (*at != a)
		at = &(*at)->sibling;
	*at = a->sibling;
}

void
arena_release(struct arena *a)
{
	while (a->child)
		arena_release(a->child);
	if (a->parent)
		leave_parent(a);
	for (struct arena_guest *g = a->guests; g; g = g->next)
		g->drop(g->object);
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		if (!kept_give(b))
			free(b);
	}
	arena_init(a);
}

static struct arena_block *
block_new(struct arena *a, size_t bytes)
{
	struct arena_block *b = kept_take(bytes);

	if (!b)
		b = xresize(NULL, sizeof(*b) + bytes);
	b->bytes = bytes;
	b->next = NULL;
	a->bytes += bytes + sizeof(*b);
	return b;
}

static void *
alloc_large(struct arena *a, size_t n)
{
	struct arena_block *b = block_new(a, n);

	if (a->blocks) {
		b->next = a->blocks->next;
		a->blocks->next = b;
	} else {
		a->blocks = b;
		a->at = a->end = b->data + n;
	}
	return b->data;
}

void *
arena_more(struct arena *a, size_t n)
{
	size_t want, size;

	assert(n < SIZE_MAX / 2);
	want = ((n ? n : 1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (want > (size_t)(a->end - a->at)) {
		size = a->parent ? CHILD_BLOCK : FIRST_BLOCK;
		if (a->blocks && a->blocks->bytes * 2 > size)
			size = a->blocks->bytes * 2;
		if (size > LAST_BLOCK)
			size = LAST_BLOCK;
		if (want > size / 2)
			return alloc_large(a, want);
		struct arena_block *b = block_new(a, size);
		b->next = a->blocks;
		a->blocks = b;
		a->at = b->data;
		a->end = b->data + size;
	}
	return arena_alloc(a, want);
}

void *
arena_zero(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

void
arena_attach(struct arena *a, void (*drop)(void *), void *object)
{
	struct arena_guest *g = arena_alloc(a, sizeof(*g));

	*g = (struct arena_guest){ a->guests, drop, object };
	a->guests = g;
}

struct str
arena_str(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return str_from(p, s.n);
}

struct str
arena_join(struct arena *a, const struct str *list)
{
	size_t n = 0, at = 0;
	char *p;

	for (const struct str *s = list; s->p; s++)
		n += s->n;
	p = arena_alloc(a, n + 1);
	for (const struct str *s = list; s->p; at += s->n, s++)
		memcpy(p + at, s->p, s->n);
	p[n] = '\0';
	return str_from(p, n);
}

struct str
arena_int(struct arena *a, int64_t v)
{
	char digits[STR_INT];

	return arena_str(a, str_digits(v, digits));
}

struct str
arena_vprintf(struct arena *a, const char *format, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	assert(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, format, ap);
	return str_from(p, (size_t)n);
}

struct str
arena_printf(struct arena *a, const char *format, ...)
{
	va_list ap;
	struct str s;

	va_start(ap, format);
	s = arena_vprintf(a, format, ap);
	va_end(ap);
	return s;
}
