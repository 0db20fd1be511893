/* SPDX-License-Identifier: MIT */
/*
 * teller.c - looks whether something is to be told, and tells it; see
 * teller.h.
 *
 * A delivery is claimed by a write, sent, and its end written: nothing is
 * open while the network is waited for.  When weir ends meanwhile, the claim
 * is given back and the next process sends it.
 */
#include "handlers/alert/teller.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "db/setting.h"
#include "db/watch.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/alert/parcel.h"

struct teller {
	struct teller_conf conf;
	struct db *db;
	struct outbox *outbox;
	atomic_bool stop;
	bool running;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
};

struct teller *
teller_new(const struct teller_conf *conf, struct arena *a, struct str *why)
{
	struct teller *t = xnew(struct teller);
	pthread_condattr_t attr;

	t->conf = *conf;
	pthread_mutex_init(&t->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->cond, &attr);
	pthread_condattr_destroy(&attr);
	t->db = store_reader(conf->store, a, why);
	t->outbox = outbox_new(conf->ca_file, conf->env_proxy, &t->stop);
	if (t->db && t->outbox)
		return t;
	if (t->db)
		*why = S("libcurl cannot be used");
	teller_free(t);
	return NULL;
}

void
teller_free(struct teller *t)
{
	if (!t)
		return;
	outbox_free(t->outbox);
	if (t->db)
		db_close(t->db);
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->mutex);
	free(t);
}

/* --- writing -------------------------------------------------------------- */

/* An operation that is waited for. */
struct errand {
	struct op op;
	struct op *what;
	struct teller *teller;
	bool ended;
};

static bool
run_what(struct db *db, struct op *op)
{
	struct op *what = holder(op, struct errand, op)->what;

	return what->run(db, what);
}

static void
ended(struct op *op)
{
	struct errand *e = holder(op, struct errand, op);
	struct teller *t = e->teller;

	pthread_mutex_lock(&t->mutex);
	e->ended = true;
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->mutex);
}

static bool
run_here(struct db *db, void *arg)
{
	struct op *what = arg;

	return what->run(db, what);
}

/* True: it was committed. */
static bool
write_it(struct teller *t, struct op *what)
{
	struct errand e = { .op = { .run = run_what, .done = ended },
		.what = what, .teller = t };

	if (!t->conf.writer)
		return store_write(t->conf.store, false, run_here, what);
	writer_put(t->conf.writer, &e.op);
	pthread_mutex_lock(&t->mutex);
	while (!e.ended)
		pthread_cond_wait(&t->cond, &t->mutex);
	pthread_mutex_unlock(&t->mutex);
	return e.op.ok;
}

/* --- looking -------------------------------------------------------------- */

int
teller_look(struct teller *t, bool force, int64_t *fired, int64_t *over)
{
	struct watch w = { .op = { .run = watch_begin_run },
		.force = force };
	int due = force ? 1 : watch_due(t->db);
	bool ok;

	*fired = *over = 0;
	if (due != 1)
		return due;
	if (!write_it(t, &w.op))
		return -1;
	if (!w.mine)
		return 0;
	ok = watch_look(t->db, &w);
	w.op = (struct op){ .run = watch_end_run };
	ok = ok && write_it(t, &w.op);
	arena_release(&w.arena);
	*fired = w.fired;
	*over = w.ended;
	return ok ? 1 : -1;
}

/* --- sending -------------------------------------------------------------- */

static void
send_it(struct teller *t, const struct delivery *d, struct arena *a,
    struct posted *posted)
{
	struct parcel *p = arena_new(a, struct parcel);
	struct str allow = S(""), why = S("");
	struct mail_row mail;

	*posted = (struct posted){ .why = S("") };
	if (mail_get(t->db, a, &mail) < 0 ||
	    setting_get(t->db, a, S("site.fetch_allow"), &allow) < 0)
		posted->stopped = true;
	else if (parcel_make(p, store_vault(t->conf.store), d, &mail, allow,
	    db_now(t->db), a, &why))
		outbox_send(t->outbox, &p->message, a, posted);
	else
		posted->why = why;
	vault_wipe(p->secret, sizeof(p->secret));
}

int
teller_send(struct teller *t, int64_t only, struct arena *a,
    struct tried *tried)
{
	struct delivery_claim claim = { .op = { .run = delivery_claim_run },
		.process = store_process(t->conf.store), .only = only };
	struct delivery_end end = { .op = { .run = delivery_end_run },
		.d = &claim.d };
	int due = delivery_waits(t->db, only);
	bool ok;

	if (due != 1)
		return due;
	ok = write_it(t, &claim.op);
	if (ok && claim.got) {
		send_it(t, &claim.d, a, &tried->posted);
		tried->id = claim.d.id;
		tried->alert = arena_str(a, claim.d.alert);
		tried->target = arena_str(a, claim.d.target);
		end.sent = tried->posted.taken;
		end.given_back = tried->posted.stopped;
		/* Gone, it says, for ever. */
		end.never = tried->posted.status == 410;
		end.status = tried->posted.status;
		end.why = tried->posted.why;
		ok = write_it(t, &end.op);
	}
	arena_release(&claim.arena);
	return ok ? claim.got : -1;
}

/* --- the thread ----------------------------------------------------------- */

/* Until something may be due again; false: it is time to end. */
static bool
rest(struct teller *t)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_mutex_lock(&t->mutex);
	while (!atomic_load(&t->stop) && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&t->cond, &t->mutex, &until);
	pthread_mutex_unlock(&t->mutex);
	return !atomic_load(&t->stop);
}

static void *
run(void *arg)
{
	struct teller *t = arg;
	int64_t fired, over;
	int sent;

	while (rest(t)) {
		/* One that does not answer must not keep a minute waiting. */
		do {
			struct arena a;
			struct tried tried;

			arena_init(&a);
			teller_look(t, false, &fired, &over);
			sent = teller_send(t, 0, &a, &tried);
			arena_release(&a);
		} while (sent == 1 && !atomic_load(&t->stop));
	}
	return NULL;
}

bool
teller_start(struct teller *t)
{
	t->running = pthread_create(&t->thread, NULL, run, t) == 0;
	return t->running;
}

void
teller_stop(struct teller *t)
{
	pthread_mutex_lock(&t->mutex);
	atomic_store(&t->stop, true);
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->mutex);
	if (t->running)
		pthread_join(t->thread, NULL);
	t->running = false;
}
