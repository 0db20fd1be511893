/* SPDX-License-Identifier: MIT */
/*
 * wallet.c - weirctl balance, grant, deduct: an account's money.
 *
 * Money is never set, only moved: every grant and deduction is a transfer
 * with a reason, and a line in the audit.
 */
#include "db/account.h"
#include "db/cap.h"
#include "db/group.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/subscription.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/kind.h"

static bool
find_account(struct ctl *c, struct db *db, struct account_row *row)
{
	struct str name = str_of(c->words[0]);
	int found = account_find(db, &c->arena, name, row);

	if (found == 0)
		return refuse(c, "there is no account %s; weirctl account "
		    "list shows what there is", c->words[0]);
	return found == 1;
}

/* --- balance -------------------------------------------------------------- */

/* What the keys of an account were charged in all. */
static bool
spent(struct ctl *c, int64_t account, int64_t *sum)
{
	struct key_row *page;
	int64_t after = 0;
	int n;

	*sum = 0;
	do {
		n = key_list(c->db, &c->arena, account, after, &page);
		for (int i = 0; i < n; i++) {
			after = page[i].id;
			*sum = money_add(*sum, page[i].used);
		}
	} while (n == LIST_MAX);
	return n >= 0;
}

struct wallet {
	int64_t balance, held, spent;
	struct caps caps, cap_spent;
};

static bool
read_wallet(struct ctl *c, int64_t account, struct wallet *w)
{
	int64_t starts[N_CAP_WINDOWS];

	return ledger_balance(c->db, account, &w->balance, &w->held) >= 0 &&
	    spent(c, account, &w->spent) &&
	    cap_get(c->db, CAP_ACCOUNT, account, &w->caps) &&
	    cap_spent(c->db, CAP_ACCOUNT, account, &w->cap_spent, starts);
}

static void
tell_wallet(struct ctl *c, const struct wallet *w)
{
	struct arena *a = &c->arena;
	struct buf b = BUF(a, 65536);

	if (c->json) {
		buf_char(&b, '{');
		out_str(&b, "account", str_of(c->words[0]));
		out_usd(&b, "balance", w->balance);
		out_usd(&b, "held", w->held);
		out_usd(&b, "available", w->balance - w->held);
		out_usd(&b, "spent", w->spent);
		for (int i = 0; i < N_CAP_WINDOWS; i++) {
			if (w->caps.amount[i] < 0)
				continue;
			out_cap(&b, arena_printf(a, "cap_%s",
			    cap_windows[i]).p, (enum cap_window)i,
			    w->caps.amount[i]);
			out_cap(&b, arena_printf(a, "cap_%s_spent",
			    cap_windows[i]).p, (enum cap_window)i,
			    w->cap_spent.amount[i]);
		}
		buf_put(&b, S("}\n"));
		print(&b);
		return;
	}
	printf("balance %.*s USD, of it held %.*s; spent in all %.*s\n",
	    STR_ARGS(money_text(a, w->balance)),
	    STR_ARGS(money_text(a, w->held)),
	    STR_ARGS(money_text(a, w->spent)));
	for (int i = 0; i < N_CAP_WINDOWS; i++)
		if (w->caps.amount[i] >= 0)
			printf("cap %s %.*s, spent or held %.*s\n",
			    cap_windows[i], STR_ARGS(cap_text(a,
			    (enum cap_window)i, w->caps.amount[i])),
			    STR_ARGS(cap_text(a, (enum cap_window)i,
			    w->cap_spent.amount[i])));
}

static int
run_balance(struct ctl *c)
{
	struct account_row row;
	struct wallet w = { 0 };

	if (!find_account(c, c->db, &row))
		return failed_read(c);
	if (!read_wallet(c, row.id, &w))
		return failed_read(c);
	tell_wallet(c, &w);
	return EXIT_DONE;
}

/* --- grant, deduct -------------------------------------------------------- */

struct moving {
	bool give;
	int64_t amount;
	struct str reason;
	int64_t balance, held;		/* afterwards */
};

static bool
move(struct ctl *c, struct db *db, void *arg)
{
	struct moving *k = arg;
	struct account_row row;
	int64_t available = 0;
	enum ledger_verdict v;

	if (!find_account(c, db, &row) || !subscription_turn(db, row.id))
		return false;
	v = k->give ? ledger_grant(db, row.id, k->amount, k->reason) :
	    ledger_deduct(db, row.id, k->amount, k->reason, &available);
	if (v == LEDGER_SHORT)
		return refuse(c, "account %s has only %.*s USD that are not "
		    "held; nothing was changed", c->words[0],
		    STR_ARGS(money_text(&c->arena, available)));
	/* What was unpaid may be paid now. */
	if (v != LEDGER_DONE || (k->give && !subscription_turn(db, row.id)) ||
	    ledger_balance(db, row.id, &k->balance, &k->held) < 0)
		return false;
	return noted(c, db, k->give ? "grant" : "deduct",
	    arena_printf(&c->arena, "account %s", c->words[0]),
	    arena_printf(&c->arena, "%.*s USD: %.*s",
	    STR_ARGS(money_text(&c->arena, k->amount)),
	    STR_ARGS(k->reason)));
}

static int
run_move(struct ctl *c, bool give)
{
	struct moving k = { .give = give };
	const char *reason = opt(c, "reason");

	if (!word_money(c, c->words[1], &k.amount))
		return EXIT_USAGE;
	if (!reason || !*reason || strlen(reason) > 1000)
		return misused(c, "--reason says why, in 1 to 1000 bytes");
	k.reason = str_of(reason);
	if (!change(c, move, &k))
		return EXIT_REFUSED;
	if (c->json)
		tell_wallet(c, &(struct wallet){ .balance = k.balance,
		    .held = k.held, .caps = caps_none });
	else
		printf("account %s has %.*s USD now\n", c->words[0],
		    STR_ARGS(money_text(&c->arena, k.balance)));
	return EXIT_DONE;
}

static int
run_grant(struct ctl *c)
{
	return run_move(c, true);
}

static int
run_deduct(struct ctl *c)
{
	return run_move(c, false);
}

const struct command command_balance = {
	.name = "balance", .usage = "ACCOUNT",
	.summary = "what an account has, holds and has spent",
	.least = 1, .most = 1, .run = run_balance,
};

const struct command command_grant = {
	.name = "grant", .usage = "ACCOUNT AMOUNT --reason R",
	.summary = "gives an account money: decimal USD",
	.options = "reason=", .least = 2, .most = 2, .run = run_grant,
};

const struct command command_deduct = {
	.name = "deduct", .usage = "ACCOUNT AMOUNT --reason R",
	.summary = "takes money from an account, never what is held",
	.options = "reason=", .least = 2, .most = 2, .run = run_deduct,
};
