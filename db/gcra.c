/* SPDX-License-Identifier: MIT */
/* gcra.c - limits of so many a minute; see gcra.h. */
#include "db/gcra.h"

enum { MINUTE_US = 60000000 };

static int64_t
ms_of(int64_t us)
{
	return (us + 999) / 1000;
}

bool
gcra_request(struct gcra *g, int64_t rpm, int64_t now_us, int64_t *retry_ms)
{
	int64_t each, burst;

	if (rpm == 0)
		return true;
	each = (MINUTE_US + rpm - 1) / rpm;
	burst = each * rpm;
	if (g->rpm_at > now_us + burst) {
		g->rpm_at = now_us + burst;
		g->clamped = true;
	}
	if (g->rpm_at < now_us)
		g->rpm_at = now_us;
	if (g->rpm_at + each > now_us + burst) {
		*retry_ms = ms_of(g->rpm_at + each - burst - now_us);
		return false;
	}
	g->rpm_at += each;
	return true;
}

bool
gcra_tokens(struct gcra *g, int64_t tpm, int64_t tokens, int64_t now_us,
    int64_t *retry_ms)
{
	int64_t cost, wait;

	if (tpm == 0)
		return true;
	cost = (int64_t)(((__int128)tokens * MINUTE_US + tpm - 1) / tpm);
	if (g->tpm_at > now_us + MINUTE_US + g->tpm_debt) {
		g->tpm_at = now_us + MINUTE_US;
		g->clamped = true;
	}
	if (g->tpm_at < now_us)
		g->tpm_at = now_us;
	wait = tokens > tpm ? g->tpm_at - now_us :
	    g->tpm_at + cost - MINUTE_US - now_us;
	if (wait > 0) {
		*retry_ms = ms_of(wait);
		return false;
	}
	g->tpm_at += cost;
	g->tpm_debt = tokens > tpm ? cost - MINUTE_US : 0;
	return true;
}

void
gcra_correct(struct gcra *g, int64_t tpm, int64_t tokens, int64_t now_us)
{
	int64_t debt;

	if (tpm == 0 || tokens == 0)
		return;
	g->tpm_at += tokens * MINUTE_US / tpm;
	if (g->tpm_at < 0)
		g->tpm_at = 0;
	debt = g->tpm_at - now_us - MINUTE_US;
	if (tokens > 0 && debt > g->tpm_debt)
		g->tpm_debt = debt;
}

/* How long a clock that may run `burst` ahead takes to stand at now again. */
static int64_t
ahead(int64_t at, int64_t now_us, int64_t burst)
{
	int64_t us = at > now_us ? at - now_us : 0;

	return us < burst ? us : burst;
}

void
gcra_left(const struct gcra *g, int64_t rpm, int64_t tpm, int64_t now_us,
    struct gcra_left *left)
{
	*left = (struct gcra_left){ .rpm = rpm, .tpm = tpm };
	if (rpm) {
		int64_t each = (MINUTE_US + rpm - 1) / rpm;
		int64_t us = ahead(g->rpm_at, now_us, each * rpm);

		left->requests = (each * rpm - us) / each;
		left->requests_ms = ms_of(us);
	}
	if (tpm) {
		int64_t us = ahead(g->tpm_at, now_us,
		    MINUTE_US + g->tpm_debt);

		if (us < MINUTE_US)
			left->tokens = (int64_t)((__int128)(MINUTE_US - us) *
			    tpm / MINUTE_US);
		left->tokens_ms = ms_of(us);
	}
}
