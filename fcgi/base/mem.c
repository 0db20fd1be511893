/* SPDX-License-Identifier: MIT */
/* mem.c - memory for what lives long; see mem.h. */
#include "fcgi/base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
memory_gone(size_t n)
{
	fprintf(stderr, "weir: no memory for %zu bytes\n", n);
	abort();
}

/* Larger ones may come zeroed from the system. */
enum { SMALL = 1024 };

void *
xalloc(size_t n)
{
	/* glibc's calloc goes past its cache of small pieces. */
	void *p = n <= SMALL ? malloc(n ? n : 1) : calloc(1, n);

	if (!p)
		memory_gone(n);
	return n <= SMALL ? memset(p, 0, n) : p;
}

void *
xresize(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		memory_gone(n);
	return q;
}

char *
xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xalloc(n), s, n);
}

/* glibc has had it since 2.33; other libraries give back by themselves. */
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
#define WITH_MALLINFO2
#endif
#endif

/* Less than this is soon needed again. */
enum { IDLE_BYTES = 16 << 20 };

void
mem_give_back(void)
{
#ifdef WITH_MALLINFO2
	struct mallinfo2 m = mallinfo2();

	if (m.fordblks > IDLE_BYTES)
		malloc_trim(IDLE_BYTES / 4);
#endif
}
