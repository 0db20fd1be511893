/* SPDX-License-Identifier: MIT */
/*
 * probe.h - which upstreams are tried with a tiny call, with what, and what
 * the outcome changes.
 *
 * What the prober of a weir.fcgi (prober.h) and weirctl tick share; the call
 * itself is theirs.  A probe serves nobody: it has no hold, is told to the
 * upstream by a request id that no call has, and what it costs is booked with
 * its outcome (db/probe.h).  It is no customer's call either: it can bring
 * somebody back, or show that a key is dead, but never counts as a failure.
 */
#ifndef WEIR_PROBE_H
#define WEIR_PROBE_H

#include "db/probe.h"
#include "fcgi/base/id.h"
#include "handlers/relay/health.h"
#include "handlers/relay/trial.h"

enum {
	PROBE_EVERY_MS = 15000,		/* each that was ejected */
	PROBE_ANSWER_MS = 20000		/* at most, beside connecting */
};

/* Somebody who is to be tried. */
struct probe_want {
	int64_t channel;
	int64_t credential;		/* 0: any of the channel's */
	struct str model;		/* the upstream's name; empty: any */
	enum probe_why why;
	int64_t waited;			/* of a bar whose time is over: how
					 * long it was; 0: its time goes on */
};

/* What health_due lists, as a want. */
struct probe_want probe_wanted(const struct health_due *due);

/* "probe-" and an id: no call's, so nobody takes it for one. */
enum { PROBE_ID_CHARS = 6 + ID_CHARS };

/* A probe, chosen.  Strings are the catalogue's, or the want's. */
struct probing {
	struct trial trial;
	const struct credential *with;
	struct subject about;
	struct probe_want want;
	char id[PROBE_ID_CHARS];	/* of the request */
};

/*
 * Chooses model and credential.  False: it is not probed now: off, gone, out
 * for other reasons, or there is no cheap call whose cost is known; a bar
 * that no probe can end is then ended, so that a call tries the key.
 */
bool probe_choose(const struct catalogue *cat, struct health *h,
    const struct probe_want *want, int64_t now, struct probing *p);

/* What came of it. */
struct probe_result {
	int status;			/* 0: no answer */
	bool good;
	const char *outcome;
	enum up_class kind;		/* UP_OK: no error was told */
	int64_t hint_ms;		/* it asks to wait so long; 0 */
	struct tokens tokens;
	int64_t cost;			/* nano-dollars; -1: unknown */
	int64_t at;			/* UTC ms: when it was sent */
	int64_t ms, first_ms;		/* first_ms -1: no byte came */
};

/* Health learns from it, and the store keeps it: once for each probing. */
void probe_end(const struct probing *p, const struct probe_result *r,
    struct health *h, struct writer *w, int64_t now);

#endif
