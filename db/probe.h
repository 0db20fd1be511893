/* SPDX-License-Identifier: MIT */
/*
 * probe.h - what tiny calls of our own have shown of upstreams.
 *
 * Nobody's call is charged for a probe: what it costs is the operator's, and
 * booked with its row by a transfer from cost to clearing.
 */
#ifndef WEIR_PROBE_ROWS_H
#define WEIR_PROBE_ROWS_H

#include "db/writer.h"

enum probe_why {
	PROBE_EJECTED,		/* it was out by what was seen */
	PROBE_BARRED,		/* its key was refused, or without money */
	PROBE_IDLE,		/* nobody had used it for a while */
	N_PROBE_WHYS
};
extern const char *const probe_whys[N_PROBE_WHYS];

struct probe {
	int64_t at;			/* UTC ms: when it was sent */
	int64_t channel, credential;
	struct str model;		/* the upstream's name */
	enum probe_why why;
	int status;			/* of HTTP, 0: no answer */
	struct str outcome;		/* "ok", "key_dead", "refused" … */
	int64_t ms, first_ms;		/* all of it; to the first byte of an
					 * answer, -1: none came */
	int64_t input, output;		/* tokens */
	int64_t cost;			/* nano-dollars, 0: none, unknown */
};

/* Keeps it, with PROBES_KEPT of the same credential, and books its cost. */
enum { PROBES_KEPT = 20 };
struct probe_put {
	struct op op;
	struct probe probe;		/* its strings: in the arena */
	struct str id;			/* as it was sent to the upstream */
	struct arena arena;
};
bool probe_put_run(struct db *db, struct op *op);

/* Those of a credential, newest first: count, or -1.  In the arena. */
int probe_list(struct db *db, struct arena *a, int64_t credential,
    struct probe **list);

/*
 * Credentials that are on and not out, of channels that are on, which no call
 * and no probe has used since (UTC ms); in order of their ids, from the first
 * after `after`, at most PROBE_IDLES: count, or -1.
 */
enum { PROBE_IDLES = 64 };
struct probe_idle {
	int64_t channel, credential;
};
int probe_idle(struct db *db, int64_t since, int64_t after,
    struct probe_idle list[static PROBE_IDLES]);

#endif
