/* SPDX-License-Identifier: MIT */
/*
 * gcra.h - limits of so many a minute, exact, in one integer each.
 *
 * A clock stands where all that was admitted would have been used up at an
 * even pace; the whole figure may be used at once (rpm 60: 60, then one a
 * second).  Of keys (hold.c, tab.c) and of credentials (claim.c).  Times are
 * UTC microseconds.  A stored time further ahead than a full burst comes from
 * a system clock that was put back since: it counts as a full burst.
 */
#ifndef WEIR_GCRA_H
#define WEIR_GCRA_H

#include <stdbool.h>
#include <stdint.h>

struct gcra {
	int64_t rpm_at, tpm_at;
	int64_t tpm_debt;	/* how far beyond a full burst tpm_at may be:
				 * of a call larger than the whole burst */
	bool clamped;		/* a system clock went back: keep it so */
};

/*
 * Is there room for a request, or for so many tokens?  True: the clock has
 * moved.  False: *retry_ms says when there is.  A limit of 0 is none.  A call
 * larger than tpm needs a full bucket and pays the rest off in time.
 */
bool gcra_request(struct gcra *g, int64_t rpm, int64_t now_us,
    int64_t *retry_ms);
bool gcra_tokens(struct gcra *g, int64_t tpm, int64_t tokens, int64_t now_us,
    int64_t *retry_ms);

/* So many tokens more, or less, than were taken. */
void gcra_correct(struct gcra *g, int64_t tpm, int64_t tokens,
    int64_t now_us);

/*
 * What is left of the limits now, and after how long all of it would be if
 * nothing more is taken, for whoever is to know.  A limit of 0 is none.
 */
struct gcra_left {
	int64_t rpm, requests, requests_ms;
	int64_t tpm, tokens, tokens_ms;
};
void gcra_left(const struct gcra *g, int64_t rpm, int64_t tpm, int64_t now_us,
    struct gcra_left *left);

#endif
