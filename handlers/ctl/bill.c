/* SPDX-License-Identifier: MIT */
/*
 * bill.c - weirctl bill recompute: does every kept call cost what its counts,
 * prices and multipliers come to?
 */
#include "db/bill.h"

#include "handlers/ctl/ctl.h"

static void
tell_json(struct ctl *c, const struct bill_check *k)
{
	struct buf b = BUF(&c->arena, 1 << 20);

	buf_char(&b, '{');
	out_bool(&b, "clean", k->wrong == 0);
	out_int(&b, "calls", k->rows);
	out_int(&b, "wrong", k->wrong);
	out_member(&b, "first");
	buf_char(&b, '[');
	for (int i = 0; i < k->n_first; i++) {
		buf_put(&b, i ? S(",") : S(""));
		buf_json(&b, k->first[i]);
	}
	buf_put(&b, S("]}\n"));
	print(&b);
}

static int
run(struct ctl *c)
{
	struct bill_check k = { 0 };

	if (!opt_time(c, "since", false, &k.since) ||
	    !opt_time(c, "until", false, &k.until))
		return EXIT_USAGE;
	if (bill_check(c->db, &c->arena, &k) < 0)
		return failed_read(c);
	if (c->json)
		tell_json(c, &k);
	if (k.wrong == 0) {
		if (!c->json)
			printf("%lld calls reckoned again: all cost what they "
			    "were charged for\n", (long long)k.rows);
		return EXIT_DONE;
	}
	for (int i = 0; i < k.n_first && !c->json; i++)
		printf("%.*s\n", STR_ARGS(k.first[i]));
	return failed(c, "%lld of %lld calls differ", (long long)k.wrong,
	    (long long)k.rows);
}

const struct command command_bill_recompute = {
	.name = "bill recompute", .usage = "[--since T] [--until T] [--json]",
	.summary = "reckons every kept charge again from what its call used",
	.help =
"Each call's row keeps its counts, the price rows they were charged at and\n"
"all multipliers.  Charge, list price and cost are reckoned from them again.\n"
"Exit status 1, and the first ten differences, when one is not the same.\n"
"\n"
"T is 2026-11-22, 2026-11-22T09:30:00Z, or how long ago: 24h, 7d.\n",
	.options = "since= until=", .run = run,
};
