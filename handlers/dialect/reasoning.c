/* SPDX-License-Identifier: MIT */
/* reasoning.c - how much an upstream is told to reason; see reasoning.h. */
#include "handlers/dialect/reasoning.h"

enum {
	LOW_MOST = 1024, MEDIUM_MOST = 8192, HIGH_MOST = 24576
};

/* Tokens of thought, by the effort; the most: what the limit leaves. */
static const int64_t budgets[N_EFFORTS] = {
	[EFFORT_MINIMAL] = LOW_MOST, [EFFORT_LOW] = LOW_MOST,
	[EFFORT_MEDIUM] = MEDIUM_MOST, [EFFORT_HIGH] = HIGH_MOST,
	[EFFORT_XHIGH] = 32768, [EFFORT_MAX] = INT64_MAX,
};

/* Those that are listed, or those that the style has anyway. */
static unsigned
efforts_of(const struct target *t)
{
	unsigned set = 1u << EFFORT_LOW | 1u << EFFORT_MEDIUM |
	    1u << EFFORT_HIGH;

	if (t->efforts)
		return t->efforts;
	if (t->reasoning == REASONING_ADAPTIVE)
		set |= 1u << EFFORT_MAX;
	return t->always_reasons ? set : set | 1u << EFFORT_NONE;
}

bool
reasoning_knows(const struct target *t, enum effort e)
{
	return efforts_of(t) >> e & 1;
}

enum effort
reasoning_effort(const struct target *t, enum effort e)
{
	unsigned set = efforts_of(t);

	if (e == EFFORT_UNSAID || e == EFFORT_NONE)
		return e;
	for (int far = 0; far < N_EFFORTS; far++) {
		if (e + far < N_EFFORTS && set >> (e + far) & 1)
			return (enum effort)(e + far);
		if (e - far > EFFORT_NONE && set >> (e - far) & 1)
			return (enum effort)(e - far);
	}
	return EFFORT_UNSAID;
}

static enum effort
effort_for(int64_t budget)
{
	return budget <= 0 ? EFFORT_UNSAID : budget <= LOW_MOST ? EFFORT_LOW :
	    budget <= MEDIUM_MOST ? EFFORT_MEDIUM : budget <= HIGH_MOST ?
	    EFFORT_HIGH : EFFORT_XHIGH;
}

/* Where a number must be said, one is found. */
static int64_t
budget_for(const struct neutral *n, const struct target *t, int64_t most)
{
	bool needed = t->reasoning == REASONING_BUDGET ||
	    t->reasoning == REASONING_THINKING;
	int64_t b = n->budget > 0 ? n->budget : needed &&
	    n->effort == EFFORT_UNSAID ? MEDIUM_MOST : budgets[n->effort];

	if (most >= 0 && b > most / 5 * 4 + most % 5 * 4 / 5)
		b = most / 5 * 4 + most % 5 * 4 / 5;
	return b == INT64_MAX ? 0 : b;
}

struct reasoning
reasoning_of(const struct neutral *n, const struct target *t, int64_t most)
{
	struct reasoning r = { .at = REASONING_ON, .asked = n->budget > 0 };

	if (n->effort == EFFORT_NONE) {
		r.at = REASONING_OFF;
	} else if (n->effort != EFFORT_UNSAID || n->budget || n->adaptive) {
		r.effort = reasoning_effort(t, n->effort != EFFORT_UNSAID ?
		    n->effort : effort_for(n->budget));
		r.budget = budget_for(n, t, most);
	} else {
		r.at = REASONING_UNSAID;
	}
	return r;
}
