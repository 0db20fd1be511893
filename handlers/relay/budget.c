/* SPDX-License-Identifier: MIT */
/* budget.c - how many calls of a model may be tried again; see budget.h. */
#include "handlers/relay/budget.h"

#include <stdatomic.h>

enum { BUDGETS = 1024, RETRY = 1000, PER_CALL = 200, SAVED = 50 * RETRY };

/* What is missing from full, in thousandths of a retry. */
static _Atomic int32_t missing[BUDGETS];

static void
give(int64_t model, int32_t n)
{
	_Atomic int32_t *m = &missing[(uint64_t)model % BUDGETS];
	int32_t was = *m;

	while (was > 0 && !atomic_compare_exchange_weak(m, &was,
	    was > n ? was - n : 0))
		;
}

void
budget_call(int64_t model)
{
	give(model, PER_CALL);
}

void
budget_unused(int64_t model)
{
	give(model, RETRY);
}

bool
budget_retry(int64_t model)
{
	_Atomic int32_t *m = &missing[(uint64_t)model % BUDGETS];
	int32_t was = *m;

	do
		if (was + RETRY > SAVED)
			return false;
	while (!atomic_compare_exchange_weak(m, &was, was + RETRY));
	return true;
}

void
budget_fill(void)
{
	for (int i = 0; i < BUDGETS; i++)
		missing[i] = 0;
}
