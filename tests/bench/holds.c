/* SPDX-License-Identifier: MIT */
/*
 * holds.c - what admission and settlement cost.
 *
 *	holds [DIR]
 *
 * Makes a store below DIR (a temporary directory unless given), and runs
 * calls in batches: one transaction of n admissions, one of n settlements,
 * as the writer does.  Prints CPU microseconds for one admission together
 * with its settlement (the best of ten parts of a run: other programs on the
 * machine make it dearer, nothing makes it cheaper), the wall-clock time of
 * the transactions, and what one fdatasync costs on this disk.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "db/account.h"
#include "db/cap.h"
#include "db/hold.h"
#include "db/key.h"
#include "db/ledger.h"
#include "db/model.h"
#include "db/money.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/id.h"
#include "fcgi/base/mem.h"

enum { KEYS = 64, MOST = 1000 };

struct site {
	struct arena *a;
	struct store *store;
	int64_t keys[KEYS];
	int n_keys;			/* of them in use */
	int64_t model, price;
	bool limits;			/* rpm, tpm, concurrency, caps */
};

static void
die(const char *what)
{
	fprintf(stderr, "holds: %s\n", what);
	exit(1);
}

static int64_t
cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000ll +
	    u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static bool
fill(struct db *db, void *arg)
{
	struct site *s = arg;
	struct model_row m;
	struct price_row p = { .say.given = { 150000000, -1, -1, -1, 600000000,
				   -1, 1000 } };
	bool added;

	model_blank(&m, S("gpt-4o-mini"));
	if (!model_put(db, &m))
		return false;
	s->model = p.model = m.id;
	if (!price_add(db, &p, &added))
		return false;
	s->price = p.id;
	for (int i = 0; i < KEYS; i++) {
		struct caps caps = caps_none;
		struct account_row account;
		struct project_row project;
		struct key_row key;
		struct str name = arena_printf(s->a, "a%d", i);

		account_blank(&account, name);
		if (!account_put(db, &account) ||
		    project_find(db, s->a, account.id, S("default"),
			&project) != 1 ||
		    ledger_grant(db, account.id, 1000000 * NANO, S("bench")) !=
			LEDGER_DONE)
			return false;
		key_blank(&key, account.id, project.id, S("k"));
		if (s->limits) {
			key.rpm = 1000000000;
			key.tpm = 1000000000000;
			key.concurrency = 100000;
		}
		if (!key_add(db, store_vault(s->store), &key,
			arena_printf(s->a, "sk-weir-bench-%d-%d", i,
			    s->limits)))
			return false;
		caps.amount[CAP_DAY] = 1000 * NANO;
		if (s->limits && !cap_set(db, CAP_KEY, key.id, &caps))
			return false;
		s->keys[i] = key.id;
	}
	return true;
}

struct batch {
	struct hold_open *open;
	struct hold_settle *settle;
	int n;
};

static bool
open_all(struct db *db, void *arg)
{
	struct batch *b = arg;

	for (int i = 0; i < b->n; i++)
		if (!hold_open_run(db, &b->open[i].op) ||
		    b->open[i].verdict != HOLD_OPENED)
			return false;
	return true;
}

static bool
settle_all(struct db *db, void *arg)
{
	struct batch *b = arg;

	for (int i = 0; i < b->n; i++)
		if (!hold_settle_run(db, &b->settle[i].op) ||
		    !b->settle[i].settled)
			return false;
	return true;
}

/* `calls` calls, n at a time. */
static void
measure(struct site *s, int n, int calls)
{
	struct hold_open *open = xalloc(MOST * sizeof(*open));
	struct hold_settle *settle = xalloc(MOST * sizeof(*settle));
	struct attempt_row attempt = { 1, 1, S("gpt-4o-mini-2024-07-18"),
		clock_utc_ms(), 812, 200, S("ok") };
	struct batch b = { open, settle, n };
	int64_t cpu, wall, open_us = 0, settle_us = 0, part;
	int rounds = calls / n, each = rounds / 10 ? rounds / 10 : 1;
	double best = 1e9, mean;

	part = cpu = cpu_us();
	wall = clock_us();
	for (int r = 0; r < rounds; r++) {
		int64_t at = clock_us();

		for (int i = 0; i < n; i++) {
			open[i] = (struct hold_open){
				.process = store_process(s->store),
				.key = s->keys[(r * n + i) % s->n_keys],
				.model = s->model,
				.price = s->price,
				.markup_ppm = PPM,
				.held = 100000,
				.bound = 400000,
				.least = 50000,
				.prompt_tokens = 120,
				.limit_tokens = 620,
				.endpoint = "chat",
				.stream = true,
			};
			id_make(clock_utc_ms(), open[i].request_id);
		}
		if (!store_write(s->store, false, open_all, &b))
			die("admission failed");
		open_us += clock_us() - at;
		for (int i = 0; i < n; i++) {
			settle[i] = (struct hold_settle){
				.hold = open[i].id,
				.tokens_used = 150,
				.row = { .state = USAGE_DONE,
				    .asked = S("gpt-4o-mini"),
				    .served = S("gpt-4o-mini"),
				    .channel = 1,
				    .credential = 1,
				    .status = 200,
				    .use = { { 120, 0, 0, 0, 30, 0, 1 } },
				    .charge = 37000,
				    .cost = 36000,
				    .list = 37000,
				    .cost_ppm = PPM,
				    .first_ms = 310,
				    .total_ms = 812,
				    .weir_us = 400,
				    .attempts = &attempt,
				    .n_attempts = 1,
				    .end_user = S("user-1234") },
			};
			memcpy(settle[i].row.request_id, open[i].request_id,
			    ID_CHARS);
		}
		at = clock_us();
		if (!store_write(s->store, true, settle_all, &b))
			die("settlement failed");
		settle_us += clock_us() - at;
		if ((r + 1) % each == 0) {
			mean = (double)(cpu_us() - part) / (each * n);
			best = mean < best ? mean : best;
			part = cpu_us();
		}
	}
	cpu = cpu_us() - cpu;
	wall = clock_us() - wall;
	printf("%6d %8.2f %8.2f %13.1f %13.1f %11.0f\n", n, best,
	    (double)cpu / (rounds * n), (double)open_us / rounds,
	    (double)settle_us / rounds, rounds * n / (wall / 1e6));
	free(open);
	free(settle);
}

static void
sync_cost(const char *dir)
{
	char path[8192], page[4096] = { 0 };
	int64_t at;
	int fd;

	snprintf(path, sizeof(path), "%s/sync", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		die("no file for fdatasync");
	at = clock_us();
	for (int i = 0; i < 200; i++)
		if (pwrite(fd, page, sizeof(page), (off_t)i * 4096) !=
			sizeof(page) || fdatasync(fd) != 0)
			die("fdatasync failed");
	printf("fdatasync of one page: %.0f us\n",
	    (double)(clock_us() - at) / 200);
	close(fd);
	unlink(path);
}

static void
run(const char *dir, bool limits, int n_keys)
{
	struct str why = S("");
	struct arena a;
	struct site s = { .a = &a, .limits = limits, .n_keys = n_keys };

	arena_init(&a);
	if (!store_init(dir, NULL, &a, &why))
		die(why.p);
	s.store = store_open(dir, NULL, "weir.fcgi", &a, &why);
	if (!s.store)
		die(why.p);
	if (!store_write(s.store, true, fill, &s))
		die("the catalogue could not be made");
	printf("\n%d keys %s\n%6s %8s %8s %13s %13s %11s\n",
	    n_keys, limits ? "with rpm, tpm, concurrency and a cap" : "without limits",
	    "batch", "CPU us", "mean", "open us/batch", "settle us/b",
	    "calls/s");
	measure(&s, 1000, 20000);
	measure(&s, 1, 3000);
	measure(&s, 30, 15000);
	measure(&s, 1000, 100000);
	store_close(s.store);
	arena_release(&a);
}

int
main(int argc, char **argv)
{
	char base[4096], dir[4200], command[4300];

	snprintf(base, sizeof(base), "%s", argc > 1 ? argv[1] : "/tmp");
	snprintf(dir, sizeof(dir), "%s/weir-holds-XXXXXX", base);
	if (!mkdtemp(dir))
		die("no temporary directory");
	snprintf(base, sizeof(base), "%.4000s", dir);
	sync_cost(base);
	for (int i = 0; i < 4; i++) {
		snprintf(dir, sizeof(dir), "%s/%d", base, i);
		run(dir, i & 1, i & 2 ? KEYS : 1);
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	return system(command) != 0;
}
