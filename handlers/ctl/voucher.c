/* SPDX-License-Identifier: MIT */
/*
 * voucher.c - weirctl voucher new, redeem: codes that are worth something.
 *
 * Codes are printed once, when they are made; the store has their hashes.
 */
#include "db/voucher.h"

#include "db/account.h"
#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/subscription.h"

/* --- new ------------------------------------------------------------------ */

struct making {
	struct voucher_row v;
	struct str package;		/* empty: none */
	int64_t n;
	char (*codes)[CODE_TEXT];
};

static bool
make_vouchers(struct ctl *c, struct db *db, void *arg)
{
	struct making *k = arg;
	struct voucher_row was;
	struct package_row p;
	int found = voucher_find(db, &c->arena, k->v.name, &was);

	if (found < 0)
		return false;
	if (found)
		return refuse(c, "there is a voucher %.*s already: choose "
		    "another name", STR_ARGS(k->v.name));
	if (k->v.expires && k->v.expires <= db_now(db))
		return refuse(c, "--expires is over already: such a code "
		    "would be good for nothing");
	if (k->package.n) {
		found = package_find(db, &c->arena, k->package, &p);
		if (found == 0)
			return refuse(c, "there is no package %.*s; weirctl "
			    "package list shows what there is",
			    STR_ARGS(k->package));
		if (found < 0)
			return false;
		k->v.package = p.id;
	}
	return voucher_new(db, store_vault(c->store), &k->v, (int)k->n,
	    k->codes) && noted(c, db, "create", arena_printf(&c->arena,
	    "voucher %.*s", STR_ARGS(k->v.name)), arena_printf(&c->arena,
	    "%lld codes", (long long)k->n));
}

/* What each gives, from --money, --bonus and --package: just one of them. */
static bool
read_gift(struct ctl *c, struct making *k)
{
	const char *money = opt(c, "money"), *bonus = opt(c, "bonus"),
	    *package = opt(c, "package");

	if (!!money + !!bonus + !!package != 1) {
		misused(c, "give one of --money, --bonus and --package");
		return false;
	}
	if (opt(c, "days") && !bonus) {
		misused(c, "--days is of a bonus: without one it says "
		    "nothing");
		return false;
	}
	if ((money && !word_money(c, money, &k->v.money)) ||
	    (bonus && !word_money(c, bonus, &k->v.bonus.amount)) ||
	    !opt_count(c, "days", 1, &k->v.bonus.days))
		return false;
	if (k->v.money > PACKAGE_DEAREST ||
	    k->v.bonus.amount > PACKAGE_DEAREST ||
	    k->v.bonus.days > PACKAGE_DAYS_MOST) {
		misused(c, "at most a million USD, and %d days",
		    PACKAGE_DAYS_MOST);
		return false;
	}
	k->package = str_of(package);
	return true;
}

static bool
read_batch(struct ctl *c, struct making *k)
{
	const char *note = opt(c, "note");

	if (!name_valid(k->v.name)) {
		misused(c, "\"%s\" is no name: 1 to 64 of A-Z a-z 0-9 . _ : / "
		    "@ -", c->words[0]);
		return false;
	}
	if (!opt(c, "codes")) {
		misused(c, "--codes says how many");
		return false;
	}
	if (!opt_count(c, "codes", 1, &k->n) ||
	    !opt_count(c, "uses", 1, &k->v.uses) ||
	    !opt_time(c, "expires", true, &k->v.expires) || !read_gift(c, k))
		return false;
	if (k->n > VOUCHER_CODES_MOST || k->v.uses > 1000000000) {
		misused(c, "at most %d codes at once, and 1000000000 uses",
		    VOUCHER_CODES_MOST);
		return false;
	}
	k->v.note = note ? str_of(note) : S("");
	if (k->v.note.n > 4096 || str_has_control(k->v.note)) {
		misused(c, "--note: at most 4096 bytes, without control "
		    "characters");
		return false;
	}
	return true;
}

static struct str
gift_text(struct arena *a, const struct making *k)
{
	if (k->package.n)
		return arena_printf(a, "package %.*s", STR_ARGS(k->package));
	return arena_printf(a, "%s%.*s USD", k->v.money ? "" : "bonus ",
	    STR_ARGS(money_text(a, k->v.money ? k->v.money :
	    k->v.bonus.amount)));
}

static void
print_codes(struct ctl *c, const struct making *k)
{
	struct arena *a = &c->arena;
	struct buf b = BUF(a, 64 << 20), one = BUF(a, 4096);

	if (c->json) {
		buf_char(&b, '{');
		out_str(&b, "voucher", k->v.name);
		out_member(&b, "codes");
		for (int64_t i = 0; i < k->n; i++)
			buf_printf(&b, "%s\"%s\"", i ? ",\n " : "[",
			    k->codes[i]);
		buf_put(&b, S("]}\n"));
		print(&b);
		return;
	}
	for (int64_t i = 0; i < k->n; i++) {
		buf_clear(&one);
		buf_char(&one, '{');
		out_str(&one, "code", str_of(k->codes[i]));
		out_str(&one, "voucher", k->v.name);
		out_str(&one, "gives", gift_text(a, k));
		out_int(&one, "uses", k->v.uses);
		out_time(&one, "expires", k->v.expires);
		buf_char(&one, '}');
		if (i == 0)
			csv_line(a, &b, buf_str(&one), true);
		csv_line(a, &b, buf_str(&one), false);
	}
	print(&b);
}

static int
run_new(struct ctl *c)
{
	struct making k = { .n = 0 };

	voucher_blank(&k.v, str_of(c->words[0]));
	if (!read_batch(c, &k))
		return EXIT_USAGE;
	k.codes = arena_zero(&c->arena, (size_t)k.n * sizeof(*k.codes));
	if (!change(c, make_vouchers, &k))
		return EXIT_REFUSED;
	print_codes(c, &k);
	return EXIT_DONE;
}

/* --- redeem --------------------------------------------------------------- */

struct redeeming {
	struct str account, code;
	struct redeemed r;
	enum voucher_verdict verdict;
	int64_t balance, held;
};

static bool
refuse_code(struct ctl *c, const struct redeeming *k)
{
	static const char *const words[N_VOUCHER_VERDICTS] = {
		[VOUCHER_MISTYPED] = "this is no code: a character is wrong "
		    "or missing",
		[VOUCHER_UNKNOWN] = "there is no such code",
		[VOUCHER_OFF] = "this code has been withdrawn",
		[VOUCHER_EXPIRED] = "this code has expired",
		[VOUCHER_USED_UP] = "this code has been used",
		[VOUCHER_HAD] = "this account has used this code already",
		[VOUCHER_ACCOUNT_OFF] = "the account is off",
		[VOUCHER_FULL] = "the account has too many bonuses and "
		    "allowances that are not used up",
	};

	if (k->verdict == VOUCHER_GUESSED)
		return refuse(c, "this account has given %d wrong codes "
		    "within an hour; try again in %lld minutes",
		    VOUCHER_GUESSES, (long long)(k->r.retry_ms + 59999) /
		    60000);
	if (k->verdict == VOUCHER_PACKAGE)
		return refuse_subscription(c, k->r.why, &k->r.subscription, 0);
	return words[k->verdict] ? refuse(c, "%s", words[k->verdict]) : false;
}

static bool
redeem(struct ctl *c, struct db *db, void *arg)
{
	struct redeeming *k = arg;
	struct account_row account;
	int found = account_find(db, &c->arena, k->account, &account);

	if (found == 0)
		return refuse(c, "there is no account %.*s; weirctl account "
		    "list shows what there is", STR_ARGS(k->account));
	if (found < 0)
		return false;
	k->verdict = voucher_redeem(db, store_vault(c->store), &c->arena,
	    account.id, k->code, &k->r);
	/* That it was wrong is kept. */
	if (k->verdict == VOUCHER_UNKNOWN)
		return true;
	if (k->verdict != VOUCHER_DONE)
		return refuse_code(c, k);
	return ledger_balance(db, account.id, &k->balance, &k->held) >= 0 &&
	    noted(c, db, "redeem", arena_printf(&c->arena, "account %.*s",
	    STR_ARGS(k->account)), arena_printf(&c->arena, "voucher %.*s",
	    STR_ARGS(k->r.voucher.name)));
}

static void
tell_redeemed(struct ctl *c, const struct redeeming *k)
{
	const struct voucher_row *v = &k->r.voucher;
	struct making gift = { .v = *v, .package = v->package_name };
	struct buf b = BUF(&c->arena, 4096);

	if (!c->json) {
		printf("account %.*s got %.*s from voucher %.*s; the wallet "
		    "has %.*s USD now\n", STR_ARGS(k->account),
		    STR_ARGS(gift_text(&c->arena, &gift)), STR_ARGS(v->name),
		    STR_ARGS(money_text(&c->arena, k->balance)));
		return;
	}
	buf_char(&b, '{');
	out_str(&b, "voucher", v->name);
	if (v->money)
		out_usd(&b, "money", v->money);
	if (v->bonus.amount)
		out_usd(&b, "bonus", v->bonus.amount);
	if (v->package)
		out_int(&b, "subscription", k->r.subscription.id);
	out_usd(&b, "balance", k->balance);
	buf_put(&b, S("}\n"));
	print(&b);
}

static int
run_redeem(struct ctl *c)
{
	struct redeeming k = { .account = str_of(c->words[0]) };

	if (!read_secret(c, "code", &k.code))
		return EXIT_REFUSED;
	if (!change(c, redeem, &k))
		return EXIT_REFUSED;
	if (k.verdict != VOUCHER_DONE) {
		refuse_code(c, &k);
		return failed(c, "%.*s", STR_ARGS(c->why));
	}
	tell_redeemed(c, &k);
	return EXIT_DONE;
}

const struct command command_voucher_new = {
	.name = "voucher new",
	.usage = "NAME --codes N --money USD|--bonus USD [--days N]|--package P\n"
	    "  [--uses N] [--expires T] [--note TEXT]",
	.summary = "makes codes that accounts redeem, and prints them once",
	.help =
"CSV; nobody can print the codes again.  Each gives money to the wallet, a\n"
"bonus, or a package whose first period is paid for.\n"
"\n"
"  --codes N    so many\n"
"  --days N     the bonus ends after so many days\n"
"  --uses N     each code is good for so many accounts, once for each; else 1\n"
"  --expires T  until then they can be redeemed\n"
"\n"
"voucher list shows how many were used; voucher off NAME withdraws the rest.\n",
	.options = "codes= money= bonus= days= package= uses= expires= note=",
	.least = 1, .most = 1, .run = run_new,
};

const struct command command_voucher_redeem = {
	.name = "voucher redeem", .usage = "ACCOUNT",
	.summary = "gives an account what a code is worth; code on stdin",
	.help =
"Case, blanks, dashes and quotes do not matter.  An account that has given ten codes\n"
"which do not exist within an hour is refused until the first of them is an\n"
"hour old.\n",
	.least = 1, .most = 1, .run = run_redeem,
};
