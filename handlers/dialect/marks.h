/* SPDX-License-Identifier: MIT */
/*
 * marks.h - marks of what an upstream is to cache.
 *
 * A request may hold four of them.  Those who mark more lose the marks that
 * help least.
 */
#ifndef WEIR_MARKS_H
#define WEIR_MARKS_H

#include "handlers/dialect/neutral.h"

/* Where marks stand: copies, which are changed. */
struct marked {
	struct tool *tools;
	size_t n_tools;
	struct block *system;
	size_t n_system;
	struct turn *turns;
	size_t n_turns;
};

/* At most four stay: the last on tools, the last on instructions, then those
 * of the latest turns. */
void marks_trim(struct marked *m);

/* None stays. */
void marks_strip(struct marked *m);

/* Is there any? */
bool marks_any(const struct marked *m);

#endif
