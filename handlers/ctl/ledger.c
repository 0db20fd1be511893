/* SPDX-License-Identifier: MIT */
/*
 * ledger.c - weirctl ledger check: do the books agree, with each other and
 * with what an upstream says it did?
 */
#include "db/ledger.h"

#include "handlers/ctl/ctl.h"
#include "handlers/ctl/truth.h"

/* Lets billing go on after an invariant had stopped it. */
static bool
thaw(struct ctl *c, struct db *db, void *arg)
{
	(void)arg;
	return ledger_thaw(db) && noted(c, db, "thaw", S("billing"), S(""));
}

static int
tell_bad(struct ctl *c, struct str first)
{
	struct buf b = BUF(&c->arena, 65536);

	if (c->json) {
		buf_char(&b, '{');
		out_bool(&b, "clean", false);
		out_str(&b, "first", first);
		buf_put(&b, S("}\n"));
		print(&b);
	}
	return failed(c, "the ledger is not clean: %.*s", STR_ARGS(first));
}

static int
tell_good(struct ctl *c, const struct ledger_counts *n,
    const struct truth *t, struct str frozen)
{
	struct buf b = BUF(&c->arena, 65536);

	if (c->json) {
		buf_char(&b, '{');
		out_bool(&b, "clean", true);
		out_int(&b, "books", n->books);
		out_int(&b, "usage", n->usage);
		out_int(&b, "transfers", n->transfers);
		out_int(&b, "holds", n->holds);
		out_int(&b, "attempts", n->attempts);
		if (opt(c, "truth")) {
			out_int(&b, "truth_requests", t->requests);
			out_int(&b, "truth_calls", (int64_t)t->n);
		}
		out_str(&b, "frozen", frozen);
		buf_put(&b, S("}\n"));
		print(&b);
		return EXIT_DONE;
	}
	printf("clean: %lld books, %lld calls, %lld attempts, %lld transfers, "
	    "%lld open holds\n", (long long)n->books, (long long)n->usage,
	    (long long)n->attempts, (long long)n->transfers,
	    (long long)n->holds);
	if (opt(c, "truth"))
		printf("truth: %lld requests of %zu calls, all accounted "
		    "for\n", (long long)t->requests, t->n);
	if (frozen.n)
		printf("billing is stopped (%.*s): ledger check --thaw lets it "
		    "go on\n", STR_ARGS(frozen));
	return EXIT_DONE;
}

static int
run(struct ctl *c)
{
	struct ledger_counts counts = { 0 };
	const char *log = opt(c, "truth");
	struct truth t = { 0 };
	struct str first = S(""), frozen = S("");
	int verdict, status;

	if (log && !truth_load(c, log, &t))
		return EXIT_REFUSED;
	verdict = ledger_check(c->db, &c->arena, &first, &counts);
	if (verdict > 0 && log)
		verdict = truth_check(c, &t, &first);
	if (verdict < 0)
		status = failed_read(c);
	else if (verdict == 0)
		status = tell_bad(c, first);
	else if (opt(c, "thaw") && !change(c, thaw, NULL))
		status = EXIT_REFUSED;
	else {
		ledger_frozen(c->db, &c->arena, &frozen);
		status = tell_good(c, &counts, &t, frozen);
	}
	truth_release(&t);
	return status;
}

const struct command command_ledger_check = {
	.name = "ledger check", .usage = "[--truth LOG] [--thaw]",
	.summary = "checks every equation of the books",
	.help =
"Exit status 1, and the first difference, when one does not hold.\n"
"\n"
"  --truth LOG  joins the books with an upstream's own log (JSON lines as\n"
"               tests/tools/mockup writes them): every request that reached\n"
"               it has its call and attempt, what was served whole is charged\n"
"  --thaw       lets billing go on, when it was stopped and all is clean\n",
	.options = "truth= thaw", .run = run,
};
