/* SPDX-License-Identifier: MIT */
/* mem.c - memory for what lives long; see mem.h. */
#include "fcgi/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
memory_gone(size_t n)
{
	fprintf(stderr, "weir: no memory for %zu bytes\n", n);
	abort();
}

void *
xalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		memory_gone(n);
	return p;
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
