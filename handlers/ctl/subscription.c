/* SPDX-License-Identifier: MIT */
/*
 * subscription.c - weirctl subscription new, list, cancel: what accounts have
 * subscribed to.
 */
#include "handlers/ctl/subscription.h"

#include "db/account.h"
#include "db/allowance.h"
#include "db/group.h"
#include "db/money.h"
#include "handlers/ctl/ctl.h"

static bool
find_account(struct ctl *c, struct db *db, struct str name,
    struct account_row *row)
{
	int found = account_find(db, &c->arena, name, row);

	if (found == 0)
		return refuse(c, "there is no account %.*s; weirctl account "
		    "list shows what there is", STR_ARGS(name));
	return found == 1;
}

struct str
amount_text(struct arena *a, enum unit unit, int64_t n)
{
	if (unit == UNIT_USD)
		return arena_printf(a, "%.*s USD", STR_ARGS(money_text(a, n)));
	return arena_printf(a, "%lld %s%s", (long long)n, unit_names[unit],
	    n == 1 ? "" : "s");
}

/* --- new ------------------------------------------------------------------ */

struct subscribing {
	struct str account, package;
	int64_t from;			/* 0: now */
	struct subscription s;
	int64_t balance, held;		/* of the wallet, then */
};

bool
refuse_subscription(struct ctl *c, enum subscription_verdict v,
    const struct subscription *s, int64_t available)
{
	struct str p = s->package_name;

	switch (v) {
	case SUBSCRIPTION_OFF:
		return refuse(c, "package %.*s is off: weirctl package on "
		    "%.*s", STR_ARGS(p), STR_ARGS(p));
	case SUBSCRIPTION_ACCOUNT_OFF:
		return refuse(c, "the account is off; nothing was changed");
	case SUBSCRIPTION_TWICE:
		return refuse(c, "the account has %.*s already: it is "
		    "subscription %lld; weirctl subscription cancel ends that "
		    "first", STR_ARGS(p), (long long)s->id);
	case SUBSCRIPTION_TRIED:
		return refuse(c, "%.*s is a trial, and the account has had it "
		    "before", STR_ARGS(p));
	case SUBSCRIPTION_SHORT:
		return refuse(c, "%.*s costs %.*s USD, and the wallet has "
		    "%.*s that are not held; nothing was changed", STR_ARGS(p),
		    STR_ARGS(money_text(&c->arena, subscription_price(s))),
		    STR_ARGS(money_text(&c->arena, available)));
	case SUBSCRIPTION_FULL:
		return refuse(c, "the account has too many subscriptions or "
		    "allowances that are not used up (%d); nothing was "
		    "changed", SUBSCRIPTIONS_MAX);
	case SUBSCRIPTION_OVER:
		return refuse(c, "all its periods have passed by now: give a "
		    "later --from");
	default:
		return false;
	}
}

static bool
subscribe(struct ctl *c, struct db *db, void *arg)
{
	struct subscribing *k = arg;
	struct account_row account;
	struct package_row p;
	enum subscription_verdict v;
	int64_t available = 0;
	int found;

	if (!find_account(c, db, k->account, &account))
		return false;
	found = package_find(db, &c->arena, k->package, &p);
	if (found == 0)
		return refuse(c, "there is no package %.*s; weirctl package "
		    "list shows what there is", STR_ARGS(k->package));
	if (found < 0)
		return false;
	v = subscription_new(db, &c->arena, account.id, &p,
	    k->from ? k->from : db_now(db), false, &k->s, &available);
	if (v != SUBSCRIPTION_DONE)
		return refuse_subscription(c, v, &k->s, available);
	return ledger_balance(db, account.id, &k->balance, &k->held) >= 0 &&
	    noted(c, db, "subscribe", arena_printf(&c->arena, "account %.*s",
	    STR_ARGS(k->account)), arena_printf(&c->arena, "package %.*s, "
	    "subscription %lld", STR_ARGS(k->package), (long long)k->s.id));
}

static int
run_new(struct ctl *c)
{
	struct subscribing k = { .account = str_of(c->words[0]),
		.package = str_of(c->words[1]) };
	struct arena *a = &c->arena;

	if (!opt_time(c, "from", true, &k.from))
		return EXIT_USAGE;
	if (!change(c, subscribe, &k))
		return EXIT_REFUSED;
	if (c->json) {
		struct buf b = BUF(a, 65536);

		buf_char(&b, '{');
		out_int(&b, "subscription", k.s.id);
		out_str(&b, "state",
		    str_of(subscription_states[k.s.state]));
		out_time(&b, "from", k.s.span.from_ms);
		out_time(&b, "until", k.s.span.until_ms);
		out_usd(&b, "balance", k.balance);
		buf_put(&b, S("}\n"));
		print(&b);
		return EXIT_DONE;
	}
	if (k.s.state == SUBSCRIPTION_WAITING)
		printf("subscription %lld of account %.*s to %.*s begins "
		    "%.*s\n", (long long)k.s.id, STR_ARGS(k.account),
		    STR_ARGS(k.package),
		    STR_ARGS(time_short(a, k.s.span.from_ms)));
	else
		printf("subscription %lld of account %.*s to %.*s runs until "
		    "%.*s; the wallet has %.*s USD now\n", (long long)k.s.id,
		    STR_ARGS(k.account), STR_ARGS(k.package),
		    STR_ARGS(time_short(a, k.s.span.until_ms)),
		    STR_ARGS(money_text(a, k.balance)));
	return EXIT_DONE;
}

/* --- list ----------------------------------------------------------------- */

struct listing {
	struct ctl *c;
	struct table t;
	struct buf b;
	int64_t n;
};

/* What is left of the quota of its period: "3 of 10 USD". */
static bool
left_of(struct listing *l, const struct subscription *s,
    struct allowance *left)
{
	*left = (struct allowance){ .id = 0 };
	return !s->allowance ||
	    allowance_get(l->c->db, s->allowance, left) == 1;
}

static void
list_json(struct listing *l, const struct subscription *s,
    const struct allowance *left)
{
	struct buf *b = &l->b;

	buf_put(b, l->n ? S(",\n {") : S("{"));
	out_int(b, "subscription", s->id);
	out_str(b, "account", s->account_name);
	out_str(b, "package", s->package_name);
	out_str(b, "state", str_of(subscription_states[s->state]));
	out_int(b, "period", s->span.number);
	out_time(b, "from", s->span.from_ms);
	out_time(b, "until", s->span.until_ms);
	out_usd(b, "price", subscription_price(s));
	out_int(b, "paid", s->paid);
	if (left->id) {
		out_str(b, "unit", str_of(unit_names[left->unit]));
		(left->unit == UNIT_USD ? out_usd : out_int)(b, "granted",
		    left->amount + left->carried);
		(left->unit == UNIT_USD ? out_usd : out_int)(b, "left",
		    left->balance);
	}
	if (s->terms.volume.n)
		out_usd(b, "charged", s->charged);
	out_time(b, "cancelled", s->cancelled);
	out_time(b, "ended", s->ended);
	buf_char(b, '}');
}

static void
list_row(struct listing *l, const struct subscription *s,
    const struct allowance *left)
{
	struct arena *a = &l->c->arena;

	table_add(&l->t, arena_printf(a, "%lld", (long long)s->id));
	table_add(&l->t, s->account_name);
	table_add(&l->t, s->package_name);
	table_add(&l->t, s->cancelled && !s->ended ? S("cancelled") :
	    str_of(subscription_states[s->state]));
	table_add(&l->t, arena_printf(a, "%lld", (long long)s->span.number));
	table_add(&l->t, time_short(a, s->ended ? s->ended :
	    s->state == SUBSCRIPTION_WAITING ? s->span.from_ms :
	    s->span.until_ms));
	table_add(&l->t, money_text(a, subscription_price(s)));
	table_add(&l->t, left->id && !s->ended ? amount_text(a, left->unit,
	    left->balance) : S(""));
}

static bool
list_page(struct listing *l, const struct subscription *list, int n, bool all)
{
	for (int i = 0; i < n; i++) {
		struct allowance left;

		if (list[i].ended && !all)
			continue;
		if (!left_of(l, &list[i], &left))
			return false;
		if (l->c->json)
			list_json(l, &list[i], &left);
		else
			list_row(l, &list[i], &left);
		l->n++;
	}
	return true;
}

static int
run_list(struct ctl *c)
{
	static const char *const heads[] = { "id", "account", "package",
		"state", "period", "until", "price", "left" };
	struct listing l = { .c = c, .b = BUF(&c->arena, 256 << 20),
		.t = { .arena = &c->arena, .columns = 8, .right = 1 | 1 << 4 |
		1 << 6 | 1 << 7 } };
	struct account_row account = { .id = 0 };
	struct subscription *list;
	int64_t after = 0;
	int n;

	if (c->n_words && !find_account(c, c->db, str_of(c->words[0]),
	    &account))
		return failed_read(c);
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++)
		table_add(&l.t, str_of(heads[i]));
	buf_char(&l.b, '[');
	do {
		n = subscription_list(c->db, &c->arena, account.id, after,
		    &list);
		if (n < 0 || !list_page(&l, list, n, opt(c, "all") != NULL))
			return failed_read(c);
		if (n)
			after = list[n - 1].id;
	} while (n == LIST_MAX);
	if (c->json) {
		buf_put(&l.b, S("]\n"));
		print(&l.b);
	} else if (l.n) {
		table_print(&l.t);
	} else {
		printf("no subscriptions\n");
	}
	return EXIT_DONE;
}

/* --- cancel --------------------------------------------------------------- */

struct cancelling {
	int64_t id;
	struct subscription s;
};

static bool
cancel(struct ctl *c, struct db *db, void *arg)
{
	struct cancelling *k = arg;
	int n = subscription_cancel(db, &c->arena, k->id, &k->s);

	if (n < 0)
		return false;
	if (n == 0 && !k->s.id)
		return refuse(c, "there is no subscription %lld; weirctl "
		    "subscription list shows what there is",
		    (long long)k->id);
	if (n == 0)
		return refuse(c, "subscription %lld %s already",
		    (long long)k->id, k->s.ended ? "has ended" :
		    "is cancelled");
	return noted(c, db, "cancel", arena_printf(&c->arena, "account %.*s",
	    STR_ARGS(k->s.account_name)), arena_printf(&c->arena,
	    "package %.*s, subscription %lld", STR_ARGS(k->s.package_name),
	    (long long)k->id));
}

static int
run_cancel(struct ctl *c)
{
	struct cancelling k = { .id = 0 };

	if (!str_int(str_of(c->words[0]), &k.id) || k.id <= 0)
		return misused(c, "\"%s\" is no subscription: a number that "
		    "subscription list shows", c->words[0]);
	if (!change(c, cancel, &k))
		return EXIT_REFUSED;
	if (c->json) {
		struct buf b = BUF(&c->arena, 4096);

		buf_char(&b, '{');
		out_int(&b, "subscription", k.id);
		out_time(&b, "until", k.s.ended ? k.s.ended :
		    k.s.span.until_ms);
		buf_put(&b, S("}\n"));
		print(&b);
	} else if (k.s.ended) {
		printf("subscription %lld has ended\n", (long long)k.id);
	} else {
		printf("subscription %lld ends %.*s\n", (long long)k.id,
		    STR_ARGS(time_short(&c->arena, k.s.span.until_ms)));
	}
	return EXIT_DONE;
}

const struct command command_subscription_new = {
	.name = "subscription new", .usage = "ACCOUNT PACKAGE [--from T]",
	.summary = "subscribes an account to a package",
	.help =
"The wallet pays the price of the period that runs now; without enough in it\n"
"nothing is changed.  The subscription keeps the package as it is now.\n"
"\n"
"  --from T  the day on which its periods begin, and the time of day.  Later\n"
"            than now: it waits, and is paid then.  Earlier: what is over is\n"
"            neither paid nor given.\n",
	.options = "from=", .least = 2, .most = 2, .run = run_new,
};

const struct command command_subscription_list = {
	.name = "subscription list", .usage = "[ACCOUNT] [--all]",
	.summary = "lists what accounts have subscribed to; --all: ended too",
	.help =
"waiting: it has not begun.  unpaid: the wallet lacks the price of this\n"
"period, which gives nothing until it has it.  left: of the period's quota.\n",
	.options = "all", .least = 0, .most = 1, .run = run_list,
};

const struct command command_subscription_cancel = {
	.name = "subscription cancel", .usage = "ID",
	.summary = "ends a subscription when its period ends",
	.help =
"What is paid runs to its end; one that is unpaid or waits ends now.\n",
	.least = 1, .most = 1, .run = run_cancel,
};
