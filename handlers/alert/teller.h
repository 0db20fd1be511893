/* SPDX-License-Identifier: MIT */
/*
 * teller.h - looks whether something is to be told, and tells it.
 *
 * In weir.fcgi a thread of its own, which is neither a loop nor the writer:
 * each second it sends what is due, each minute one process looks at what
 * alerts are about (db/watch.h).  weirctl does the same without a thread.
 */
#ifndef WEIR_ALERT_TELLER_H
#define WEIR_ALERT_TELLER_H

#include "db/delivery.h"
#include "db/store.h"
#include "db/writer.h"
#include "fcgi/outbox.h"

struct teller;

struct teller_conf {
	struct store *store;
	struct writer *writer;		/* NULL: it writes by itself */
	const char *ca_file;		/* as outbox.h has it */
	bool env_proxy;
};

/* NULL: *why.  The configuration's texts are borrowed. */
struct teller *teller_new(const struct teller_conf *conf, struct arena *a,
    struct str *why);
void teller_free(struct teller *t);

/* Looks now; force: although somebody did so in this minute.  How many began
 * and ended.  1, 0 there is nothing to look at, -1 the database failed. */
int teller_look(struct teller *t, bool force, int64_t *fired,
    int64_t *ended);

/*
 * Sends one delivery that is due (only: that one, or 0), which takes as long
 * as the other side wants, at most OUTBOX_MS.  1 and how it went, in the
 * arena; 0 nothing is due; -1 the database failed.
 */
struct tried {
	int64_t id;
	struct str alert, target;
	struct posted posted;
};
int teller_send(struct teller *t, int64_t only, struct arena *a,
    struct tried *tried);

/* The thread.  False: the system allows none. */
bool teller_start(struct teller *t);

/* Ends what is under way and the thread, if it runs; before writer_stop. */
void teller_stop(struct teller *t);

#endif
