/* SPDX-License-Identifier: MIT */
/* marks.c - marks of what an upstream is to cache; see marks.h. */
#include "handlers/dialect/marks.h"

enum { MARKS_MOST = 4 };

static size_t
count(const struct marked *m)
{
	size_t marks = 0;

	for (size_t i = 0; i < m->n_tools; i++)
		marks += m->tools[i].cache != CACHE_NOT;
	for (size_t i = 0; i < m->n_system; i++)
		marks += m->system[i].cache != CACHE_NOT;
	for (size_t i = 0; i < m->n_turns; i++)
		for (size_t j = 0; j < m->turns[i].n; j++)
			marks += m->turns[i].blocks[j].cache != CACHE_NOT;
	return marks;
}

/* A mark stays as long as some are left. */
static void
keep(size_t *left, enum cache_mark *mark)
{
	if (*mark == CACHE_NOT)
		return;
	if (*left)
		--*left;
	else
		*mark = CACHE_NOT;
}

static void
keep_some(struct marked *m, size_t left)
{
	size_t one = left > 0;

	for (size_t i = m->n_tools; i > 0; i--)
		keep(&one, &m->tools[i - 1].cache);
	left -= left && !one;
	one = left > 0;
	for (size_t i = m->n_system; i > 0; i--)
		keep(&one, &m->system[i - 1].cache);
	left -= left && !one;
	for (size_t i = m->n_turns; i > 0; i--)
		for (size_t j = m->turns[i - 1].n; j > 0; j--)
			keep(&left, &m->turns[i - 1].blocks[j - 1].cache);
}

void
marks_trim(struct marked *m)
{
	if (count(m) > MARKS_MOST)
		keep_some(m, MARKS_MOST);
}

void
marks_strip(struct marked *m)
{
	keep_some(m, 0);
}

bool
marks_any(const struct marked *m)
{
	return count(m) > 0;
}
