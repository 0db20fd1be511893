/* SPDX-License-Identifier: MIT */
/* purse.c - what an account has to pay with; see purse.h. */
#include "db/purse.h"

#include "db/money.h"
#include "db/subscription.h"

bool
purse_read(struct db *db, struct arena *a, int64_t account, int64_t now,
    struct purse *p)
{
	int n = allowance_list(db, a, account, &p->list);
	struct subscribed s;

	p->n = 0;
	if (n < 0 ||
	    ledger_balance(db, account, &p->balance, &p->held) < 0 ||
	    (p->credit = ledger_credit(db, account)) < 0 ||
	    !subscription_look(db, account, &s))
		return false;
	p->available = s.closed && s.until > now ? 0 : p->balance - p->held +
	    p->credit;
	for (int i = 0; i < n; i++) {
		const struct allowance *w = &p->list[i];

		if (w->ended || (w->until && w->until <= now))
			continue;
		if (w->unit == UNIT_USD && w->from <= now)
			p->available = money_add(p->available,
			    w->balance - w->held);
		p->list[p->n++] = *w;
	}
	return true;
}
