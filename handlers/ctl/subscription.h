/* SPDX-License-Identifier: MIT */
/*
 * subscription.h - what the commands about subscriptions and vouchers share.
 */
#ifndef WEIR_CTL_SUBSCRIPTION_H
#define WEIR_CTL_SUBSCRIPTION_H

#include "db/subscription.h"

struct ctl;

/* refuse() in words for why there is no such subscription (not DONE); false. */
bool refuse_subscription(struct ctl *c, enum subscription_verdict v,
    const struct subscription *s, int64_t available);

/* "25 USD", "1 request", "1000 tokens". */
struct str amount_text(struct arena *a, enum unit unit, int64_t n);

#endif
