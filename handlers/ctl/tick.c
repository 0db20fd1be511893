/* SPDX-License-Identifier: MIT */
/*
 * tick.c - weirctl tick: the housekeeping that a running weir.fcgi does by
 * itself, for cron on hosts where weir runs as CGI: there a process that
 * was killed is found dead only when the next call comes.
 */
#include "db/allowance.h"
#include "db/hold.h"
#include "db/ledger.h"
#include "db/metric.h"
#include "db/park.h"
#include "db/process.h"
#include "db/replay.h"
#include "db/stored.h"
#include "db/retain.h"
#include "db/subscription.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "handlers/alert/teller.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/tick_probes.h"

enum { TELL_MS = 60000 };

struct done {
	int64_t dead;			/* processes */
	int resolved, ended, alive;
	bool serves;			/* one of them is a weir.fcgi */
	int64_t gone;			/* usage rows that were too old */
	int64_t wal, left;		/* bytes */
	struct str frozen;
	struct ticked probes;
	int64_t fired, over;		/* alerts */
	int told, untold;		/* deliveries */
};

/* Subscriptions whose period is over, and allowances; some hundred thousand at
 * most, for calls wait meanwhile. */
static bool
keep_periods(struct db *db)
{
	int n = 1;

	for (int i = 0; i < 1000 && n > 0; i++)
		n = subscription_turn_some(db);
	for (int i = 0; i < 1000 && n >= 0; i++)
		if ((n = allowance_sweep(db)) == 0)
			break;
	return n >= 0;
}

/* Nothing is written when there is nothing to do. */
static bool
keep_house(struct ctl *c, struct db *db, void *arg)
{
	struct done *d = arg;

	d->resolved = hold_recover(c->store, db);
	d->ended = d->resolved < 0 ? -1 : park_clean(db);
	d->gone = d->ended < 0 ? -1 : retain_some(db);
	return d->gone >= 0 && replay_prune(db) >= 0 &&
	    stored_prune(db) >= 0 && keep_periods(db);
}

static bool
count(struct ctl *c, struct done *d)
{
	struct process_row *list;
	int n = process_list(c->store, c->db, &c->arena, &list);

	d->dead = d->alive = 0;
	for (int i = 0; i < n; i++)
		if (list[i].alive) {
			d->alive++;
			d->serves |= str_eq(list[i].program, S("weir.fcgi"));
		} else {
			d->dead++;
		}
	return n >= 0;
}

static void
tell_probes(const struct ticked *t)
{
	if (t->elsewhere && !t->made) {
		printf("probes     a running weir.fcgi makes them\n");
		return;
	}
	printf("probes     %d made, %d answered", t->made, t->good);
	if (t->left)
		printf("; no time for %d more: the next tick has", t->left);
	printf("\n%.*s", STR_ARGS(buf_str(&t->text)));
}

static void
tell(struct ctl *c, const struct done *d)
{
	struct buf b = BUF(&c->arena, 2 << 20);

	if (c->json) {
		buf_char(&b, '{');
		out_int(&b, "processes_alive", d->alive);
		out_int(&b, "processes_dead", d->dead);
		out_int(&b, "calls_resolved", d->resolved);
		out_int(&b, "parks_ended", d->ended);
		out_int(&b, "usage_rows_ended", d->gone);
		out_int(&b, "wal_bytes_before", d->wal);
		out_int(&b, "wal_bytes", d->left);
		out_int(&b, "alerts_fired", d->fired);
		out_int(&b, "alerts_over", d->over);
		out_int(&b, "alerts_told", d->told);
		out_int(&b, "alerts_to_tell_later", d->untold);
		out_str(&b, "frozen", d->frozen);
		out_bool(&b, "probes_elsewhere", d->probes.elsewhere);
		out_int(&b, "probes_left", d->probes.left);
		out_member(&b, "probes");
		buf_printf(&b, "[%.*s]}\n", STR_ARGS(buf_str(
		    &d->probes.json)));
		print(&b);
		return;
	}
	printf("processes  %d alive, %lld found dead and removed, %d calls of "
	    "theirs resolved\n", d->alive, (long long)d->dead, d->resolved);
	printf("parks      %d ended\n", d->ended);
	if (d->gone)
		printf("usage      %lld rows were too old\n",
		    (long long)d->gone);
	printf("wal        %lld bytes, now %lld%s\n", (long long)d->wal,
	    (long long)d->left, d->left ? ": a reader keeps the rest" : "");
	if (d->fired || d->over || d->told || d->untold)
		printf("alerts     %lld began, %lld are over; %d told, %d to "
		    "be tried again\n", (long long)d->fired,
		    (long long)d->over, d->told, d->untold);
	tell_probes(&d->probes);
}

/* A running weir.fcgi tells what is found by itself. */
static bool
alert(struct ctl *c, struct done *d)
{
	int64_t end = clock_ms() + TELL_MS;
	struct teller *t = alert_teller(c);
	int sent = 0;
	bool ok;

	if (!t)
		return false;
	log_mute(true);
	ok = teller_look(t, true, &d->fired, &d->over) >= 0;
	while (ok && !d->serves && clock_ms() < end) {
		struct tried tried;

		sent = teller_send(t, 0, &c->arena, &tried);
		if (sent != 1)
			break;
		if (tried.posted.taken)
			d->told++;
		else
			d->untold++;
	}
	log_mute(false);
	teller_free(t);
	return (ok && sent >= 0) || (failed_read(c), false);
}

/*
 * The sums of all processes, for a collector that reads a file: under CGI
 * there may be no /metrics that it could reach.
 */
static bool
tell_metrics(struct ctl *c)
{
	struct metric *list;
	int n = metric_load(c->db, &c->arena, &list);

	for (int i = 0; i < n; i++) {
		if (i == 0 || !str_eq(list[i].name, list[i - 1].name))
			printf("# TYPE %.*s counter\n", STR_ARGS(list[i].name));
		printf("%.*s%s%.*s%s %lld\n", STR_ARGS(list[i].name),
		    list[i].labels.n ? "{" : "", STR_ARGS(list[i].labels),
		    list[i].labels.n ? "}" : "", (long long)list[i].value);
	}
	return n >= 0;
}

static int
run(struct ctl *c)
{
	struct done d = { .frozen = S("") };
	bool ok;

	if (!count(c, &d))
		return failed_read(c);
	log_mute(true);
	ok = change(c, keep_house, &d);
	log_mute(false);
	if (!ok)
		return EXIT_REFUSED;
	if (!alert(c, &d))
		return EXIT_REFUSED;
	ledger_frozen(c->db, &c->arena, &d.frozen);
	/* What they cost could not be booked. */
	if (!d.frozen.n && !tick_probes(c, opt(c, "probe"), &d.probes))
		return EXIT_REFUSED;
	if (!store_fold(c->store, &d.wal, &d.left))
		return failed(c, "the WAL cannot be folded into the database: "
		    "is the disk full, or another process at it?");
	if (!opt(c, "metrics"))
		tell(c, &d);
	else if (!tell_metrics(c))
		return failed_read(c);
	return d.frozen.n ? failed(c, "billing is stopped (%.*s): weirctl "
	    "ledger check shows the difference", STR_ARGS(d.frozen)) :
	    EXIT_DONE;
}

const struct command command_tick = {
	.name = "tick", .usage = "[--probe] [--metrics]",
	.summary = "does now the housekeeping that otherwise runs by itself",
	.help =
"Resolves the calls of processes that died, removes parks that have ended and\n"
"usage rows that are older than site.usage_days,\n"
"renews or ends subscriptions whose period is over,\n"
"looks at what alerts are about and tells it, tries upstreams that are out, or\n"
"idle, with tiny calls, folds the write-ahead log into the database, and prints\n"
"what was done.  A running weir.fcgi does so\n"
"itself; where weir runs as CGI let cron do it:\n"
"\n"
"  */5 * * * *  weirctl --data DIR tick >/dev/null\n"
"\n"
"  --probe    tries all that is ejected or barred now, whether its time has\n"
"             come or not and although a weir.fcgi runs: after a repair\n"
"  --metrics  prints the counters of all processes instead, as Prometheus\n"
"             reads them: for a collector that takes them from a file\n"
"\n"
"Exit status 1, and the reason, when it could not, or when billing is stopped.\n",
	.options = "probe metrics", .run = run,
};
