/* SPDX-License-Identifier: MIT */
/*
 * wallet.c - weirctl balance, grant, deduct: an account's money.
 *
 * Money is never set, only moved: every grant and deduction is a transfer
 * with a reason, and a line in the audit.  A grant with an end of its own, or
 * in tokens or requests, is a bonus beside the wallet (db/allowance.h).
 */
#include "db/account.h"
#include "db/cap.h"
#include "db/group.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/purse.h"
#include "db/subscription.h"
#include "fcgi/base/clock.h"
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
	struct purse purse;
	int64_t spent;
	struct caps caps, cap_spent;
};

static bool
read_wallet(struct ctl *c, int64_t account, struct wallet *w)
{
	int64_t starts[N_CAP_WINDOWS];

	return purse_read(c->db, &c->arena, account, clock_utc_ms(),
		&w->purse) &&
	    spent(c, account, &w->spent) &&
	    cap_get(c->db, CAP_ACCOUNT, account, &w->caps) &&
	    cap_spent(c->db, CAP_ACCOUNT, account, &w->cap_spent, starts);
}

/* What is left of one, or was granted: in its unit. */
static struct str
in_unit(struct arena *a, enum unit unit, int64_t n)
{
	return unit == UNIT_USD ? arena_printf(a, "%.*s USD",
	    STR_ARGS(money_text(a, n))) : arena_printf(a, "%lld %s",
	    (long long)n, unit_counted[unit]);
}

static void
allowance_json(struct buf *b, const struct allowance *w)
{
	bool money = w->unit == UNIT_USD;
	void (*put)(struct buf *b, const char *name, int64_t n) =
	    money ? out_usd : out_int;

	buf_char(b, '{');
	out_int(b, "id", w->id);
	out_str(b, "unit", str_of(unit_names[w->unit]));
	out_bool(b, "bonus", w->bonus);
	put(b, "amount", w->amount);
	put(b, "carried", w->carried);
	put(b, "left", w->balance);
	put(b, "held", w->held);
	out_time(b, "from", w->from);
	out_time(b, "until", w->until);
	buf_char(b, '}');
}

static void
wallet_json(struct ctl *c, const struct wallet *w)
{
	const struct purse *p = &w->purse;
	struct arena *a = &c->arena;
	struct buf b = BUF(a, 65536);

	buf_char(&b, '{');
	out_str(&b, "account", str_of(c->words[0]));
	out_usd(&b, "balance", p->balance);
	out_usd(&b, "held", p->held);
	out_usd(&b, "credit", p->credit);
	out_usd(&b, "available", p->available);
	out_usd(&b, "spent", w->spent);
	for (int i = 0; i < N_CAP_WINDOWS; i++) {
		if (w->caps.amount[i] < 0)
			continue;
		out_cap(&b, arena_printf(a, "cap_%s", cap_windows[i]).p,
		    (enum cap_window)i, w->caps.amount[i]);
		out_cap(&b, arena_printf(a, "cap_%s_spent",
		    cap_windows[i]).p, (enum cap_window)i,
		    w->cap_spent.amount[i]);
	}
	out_member(&b, "allowances");
	for (int i = 0; i < p->n; i++) {
		buf_char(&b, i ? ',' : '[');
		allowance_json(&b, &p->list[i]);
	}
	buf_put(&b, p->n ? S("]}\n") : S("[]}\n"));
	print(&b);
}

static void
tell_allowance(struct ctl *c, const struct allowance *w)
{
	struct arena *a = &c->arena;
	bool later = w->from > clock_utc_ms();

	printf("%s %lld: %.*s of %.*s left, of it held %.*s; ",
	    w->bonus ? "bonus" : "allowance", (long long)w->id,
	    STR_ARGS(in_unit(a, w->unit, w->balance)),
	    STR_ARGS(in_unit(a, w->unit, w->amount + w->carried)),
	    STR_ARGS(in_unit(a, w->unit, w->held)));
	if (later)
		printf("from %.*s ", STR_ARGS(time_short(a, w->from)));
	if (w->until)
		printf("until %.*s\n", STR_ARGS(time_short(a, w->until)));
	else
		printf("without an end\n");
}

static void
tell_wallet(struct ctl *c, const struct wallet *w)
{
	const struct purse *p = &w->purse;
	struct arena *a = &c->arena;

	if (c->json) {
		wallet_json(c, w);
		return;
	}
	printf("balance %.*s USD, of it held %.*s; spent in all %.*s\n",
	    STR_ARGS(money_text(a, p->balance)),
	    STR_ARGS(money_text(a, p->held)),
	    STR_ARGS(money_text(a, w->spent)));
	if (p->credit)
		printf("credit %.*s USD\n", STR_ARGS(money_text(a,
		    p->credit)));
	for (int i = 0; i < p->n; i++)
		tell_allowance(c, &p->list[i]);
	if (p->credit || p->n)
		printf("to pay with: %.*s USD\n", STR_ARGS(money_text(a,
		    p->available)));
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
	bool bonus;			/* beside the wallet: */
	enum unit unit;
	int64_t until;			/* UTC ms; 0: it does not end */
	struct wallet now;		/* afterwards */
};

/* A bonus beside the wallet. */
static bool
give_bonus(struct ctl *c, struct db *db, const struct moving *k,
    int64_t account)
{
	struct allowance a = { .account = account, .bonus = true,
		.unit = k->unit, .amount = k->amount, .from = db_now(db),
		.until = k->until };
	int n;

	if (k->until && k->until <= a.from)
		return refuse(c, "--until is not after now: nothing was "
		    "granted");
	n = allowance_open(db, &a, S("grant"), k->reason);
	return n > 0 || (n == 0 && refuse(c, "account %s has %d allowances "
	    "that are not used up yet, which is as many as there may be; "
	    "nothing was granted", c->words[0], ALLOWANCES_MAX));
}

static bool
move_wallet(struct ctl *c, struct db *db, const struct moving *k,
    int64_t account)
{
	int64_t available = 0;
	enum ledger_verdict v;

	v = k->give ? ledger_grant(db, account, k->amount, k->reason) :
	    ledger_deduct(db, account, k->amount, k->reason, &available);
	if (v == LEDGER_SHORT)
		return refuse(c, "account %s has only %.*s USD that are not "
		    "held; nothing was changed", c->words[0],
		    STR_ARGS(money_text(&c->arena, available)));
	return v == LEDGER_DONE;
}

static bool
move(struct ctl *c, struct db *db, void *arg)
{
	struct moving *k = arg;
	struct account_row row;

	k->now = (struct wallet){ .caps = caps_none };
	return find_account(c, db, &row) && subscription_turn(db, row.id) &&
	    (k->bonus ? give_bonus(c, db, k, row.id) :
		move_wallet(c, db, k, row.id)) &&
	    /* What was unpaid may be paid now. */
	    (!k->give || subscription_turn(db, row.id)) &&
	    purse_read(db, &c->arena, row.id, db_now(db), &k->now.purse) &&
	    noted(c, db, k->give ? "grant" : "deduct",
		arena_printf(&c->arena, "account %s", c->words[0]),
		arena_printf(&c->arena, "%.*s%s: %.*s",
		    STR_ARGS(in_unit(&c->arena, k->unit, k->amount)),
		    k->bonus ? " as a bonus" : "", STR_ARGS(k->reason)));
}

/* How much, of what, until when. */
static bool
read_grant(struct ctl *c, struct moving *k)
{
	const char *unit = opt(c, "unit");

	k->bonus = unit || opt(c, "until");
	if (unit) {
		k->unit = unit_of(str_of(unit));
		if (k->unit == N_UNITS) {
			misused(c, "--unit: \"%s\" is none; usd, token or "
			    "request", unit);
			return false;
		}
	}
	if (!opt_time(c, "until", true, &k->until))
		return false;
	if (k->unit == UNIT_USD)
		return word_money(c, c->words[1], &k->amount);
	if (str_int(str_of(c->words[1]), &k->amount) && k->amount > 0 &&
	    k->amount <= CAP_TOKENS_MOST)
		return true;
	misused(c, "\"%s\" is no number of %s: a whole one from 1 on",
	    c->words[1], unit_counted[k->unit]);
	return false;
}

static int
run_move(struct ctl *c, bool give)
{
	struct moving k = { .give = give };
	const char *reason = opt(c, "reason");

	if (!read_grant(c, &k))
		return EXIT_USAGE;
	if (!reason || !*reason || strlen(reason) > 1000)
		return misused(c, "--reason says why, in 1 to 1000 bytes");
	k.reason = str_of(reason);
	if (!change(c, move, &k))
		return EXIT_REFUSED;
	if (c->json || k.bonus)
		tell_wallet(c, &k.now);
	else
		printf("account %s has %.*s USD now\n", c->words[0],
		    STR_ARGS(money_text(&c->arena, k.now.purse.balance)));
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
	.summary = "what an account has, holds, owes and has spent",
	.least = 1, .most = 1, .run = run_balance,
};

const struct command command_grant = {
	.name = "grant",
	.usage = "ACCOUNT AMOUNT --reason R [--until T] [--unit U]",
	.summary = "gives an account money: decimal USD",
	.help =
"With --until or --unit it is a bonus beside the wallet: it pays before\n"
"anything else does, the soonest end first, and what is left then is gone.\n"
"\n"
"  --until T  when it ends: 2026-12-31, 2026-12-31T12:00:00Z, or how long\n"
"             from now: 24h, 30d; absent: it does not end\n"
"  --unit U   usd, or token, request: so many of these.  They pay for a call\n"
"             whole or not at all, and it costs no money then\n",
	.options = "reason= until= unit=", .least = 2, .most = 2,
	.run = run_grant,
};

const struct command command_deduct = {
	.name = "deduct", .usage = "ACCOUNT AMOUNT --reason R",
	.summary = "takes money from an account, never what is held",
	.options = "reason=", .least = 2, .most = 2, .run = run_deduct,
};
