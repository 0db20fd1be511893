/* SPDX-License-Identifier: MIT */
/*
 * budget.h - how many calls of a model may be tried again.
 *
 * A fifth of a retry comes with every call, at most fifty are saved up, so
 * that an outage of everything does not multiply the load.  Models whose ids
 * meet in one place share it.  Any thread.
 */
#ifndef WEIR_BUDGET_H
#define WEIR_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

void budget_call(int64_t model);

/* Takes one; false: there is none. */
bool budget_retry(int64_t model);
/* One that was allowed was not made. */
void budget_unused(int64_t model);

/* All are full again, as at the start. */
void budget_fill(void);

#endif
