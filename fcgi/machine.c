/* SPDX-License-Identifier: MIT */
/*
 * machine.c - the process: loops, readers, the listening socket, signals.
 *
 * See machine.h.  Signals are taken by a thread of their own that sleeps in
 * sigwait, so that nothing runs in a handler.  Stopping: the listening socket
 * is no longer watched, idle connections close, running requests go on;
 * after drain_ms they are told to end, and a little later the loops stop.
 */
#include "fcgi/machine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "fcgi/cgi.h"
#include "fcgi/conn.h"
#include "fcgi/listen.h"

enum {
	ACCEPTS_A_ROUND = 64,
	ACCEPT_PAUSE_MS = 100,		/* out of descriptors */
	FULL_TOLD_MS = 60000,		/* that is told so often */
	OWN_FILES = 64,			/* descriptors that no call needs */
	LAST_WORDS_MS = 3000,		/* between "end now" and the end */
	LARGE_BYTES = 128 << 10		/* the C library's own limit at first */
};

int
machine_running(const struct machine *m)
{
	return m->n_running;
}

/* --- Accepting ---------------------------------------------------------- */

struct arrival {
	struct post post;
	struct worker *worker;
	int fd;
};

static void
arrive(struct post *p)
{
	struct arrival *a = holder(p, struct arrival, post);

	conn_new(a->worker, a->fd);
	free(a);
}

/* The loop with the fewest connections; loop 0 while it is not above them. */
static struct worker *
least_loaded(struct machine *m)
{
	struct worker *best = &m->workers[0];

	for (int i = 1; i < m->conf.loops; i++)
		if (m->workers[i].n_conns < best->n_conns)
			best = &m->workers[i];
	return best;
}

static void
hand_over(struct machine *m, int fd)
{
	struct worker *w = least_loaded(m);
	struct arrival *a;

	/* Counted here: a burst is spread before the first of it arrives. */
	w->n_conns++;

	if (w == &m->workers[0]) {
		conn_new(w, fd);
		return;
	}
	a = xnew(struct arrival);
	a->worker = w;
	a->fd = fd;
	a->post.run = arrive;
	loop_post(w->loop, &a->post);
}

struct accept_pause {
	struct timer timer;
	struct machine *machine;
};

static void
accept_again(struct timer *t)
{
	struct accept_pause *p = holder(t, struct accept_pause, timer);

	if (!p->machine->stopping)
		loop_watch(p->machine->workers[0].loop, &p->machine->listen,
		    LOOP_READ);
	free(p);
}

/* Out of descriptors: what is open goes on, new ones wait in the backlog. */
static void
pause_accepting(struct machine *m, const char *why)
{
	struct accept_pause *p = xnew(struct accept_pause);
	int64_t now = clock_ms();

	if (!m->full_told_ms || now - m->full_told_ms >= FULL_TOLD_MS) {
		log_warn("no descriptor left for a new connection: %s", why);
		m->full_told_ms = now;
	}
	p->machine = m;
	p->timer.fire = accept_again;
	loop_watch(m->workers[0].loop, &m->listen, 0);
	loop_timer(m->workers[0].loop, &p->timer, ACCEPT_PAUSE_MS);
}

/* Callers may not take what their own calls need towards upstreams. */
static bool
room_for_more(const struct machine *m)
{
	int n = 0;

	for (int i = 0; i < m->conf.loops; i++)
		n += m->workers[i].n_conns;
	return n < m->conns_max;
}

static void
accept_ready(struct watch *w, unsigned events)
{
	struct machine *m = holder(w, struct machine, listen);

	(void)events;
	for (int i = 0; i < ACCEPTS_A_ROUND && !m->stopping; i++) {
		int fd;

		if (!room_for_more(m)) {
			pause_accepting(m, "raise LimitNOFILE or ulimit -n");
			return;
		}
		fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			hand_over(m, fd);
		} else if (errno == EMFILE || errno == ENFILE ||
		    errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(m, strerror(errno));
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

/* --- Stopping ----------------------------------------------------------- */

struct order {
	struct post post;
	struct worker *worker;
};

static void
give_order(struct machine *m, void (*run)(struct post *))
{
	for (int i = 0; i < m->conf.loops; i++) {
		struct order *o = xnew(struct order);

		o->worker = &m->workers[i];
		o->post.run = run;
		loop_post(o->worker->loop, &o->post);
	}
}

static void
close_idle(struct worker *w)
{
	for (struct conn *c = w->conns, *next; c; c = next) {
		next = c->next;
		if (c->state == CONN_IDLE)
			conn_close(c);
	}
}

static void
order_no_more(struct post *p)
{
	struct order *o = holder(p, struct order, post);

	if (o->worker->number == 0)
		loop_watch(o->worker->loop, &o->worker->machine->listen, 0);
	close_idle(o->worker);
	free(o);
}

static void
order_end_now(struct post *p)
{
	struct order *o = holder(p, struct order, post);

	for (struct request *rq = o->worker->running, *next; rq; rq = next) {
		next = rq->next;
		if (rq->stop)
			rq->stop(rq);
	}
	free(o);
}

static void
wait_for_calls(struct machine *m, int64_t ms)
{
	int64_t until = clock_ms() + ms;

	while (m->n_running && clock_ms() < until)
		usleep(10000);
}

static void
drain(struct machine *m)
{
	log_info("stopping: %d calls are running", (int)m->n_running);
	m->stopping = true;
	give_order(m, order_no_more);
	wait_for_calls(m, m->conf.drain_ms);
	if (m->n_running) {
		log_warn("%d calls did not end in time and are ended now",
		    (int)m->n_running);
		give_order(m, order_end_now);
		wait_for_calls(m, LAST_WORDS_MS + LIMIT_STORE_WAIT_MS);
	}
	readers_stop(m->readers);
	usleep(20000);	/* what is queued for callers goes out */
	for (int i = 0; i < m->conf.loops; i++)
		loop_stop(m->workers[i].loop);
}

static void *
signal_thread(void *arg)
{
	struct machine *m = arg;
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	for (;;) {
		if (sigwait(&set, &signal) != 0)
			continue;
		if (signal != SIGHUP)
			break;
		listen_unblock(m->conf.listen_fd);
		if (m->conf.hup)
			m->conf.hup();
	}
	drain(m);
	return NULL;
}

/* --- Starting ----------------------------------------------------------- */

/*
 * A body above this is the system's again as soon as it is freed.  Left to
 * itself the C library raises the limit when the first one is freed, and keeps
 * those that follow in its heaps (1,500 of 150 KB: 25 MiB more at the peak, 20
 * MiB more afterwards).
 */
static void
give_back_large(void)
{
#ifdef M_MMAP_THRESHOLD
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
#endif
}

/* With little address space (ulimit -v) a thread has to do without the 64 MiB
 * that the C library sets aside for it. */
static void
save_addresses(void)
{
#ifdef M_ARENA_MAX
	struct rlimit r;

	if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
		mallopt(M_ARENA_MAX, 1);
#endif
}

void
machine_prepare(void)
{
	sigset_t set;

	give_back_large();
	save_addresses();

	/* libfcgi puts handlers of its own where none is; ours come after. */
	request_start();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* As many descriptors as the system lets us have. */
static int
files_allowed(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return 1024;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	getrlimit(RLIMIT_NOFILE, &r);
	return r.rlim_cur > 1000000 ? 1000000 : (int)r.rlim_cur;
}

/* A call takes two, one of them towards its upstream.  What is left over
 * connections may have. */
static void
share_files(struct machine *m)
{
	int files = files_allowed();
	bool few = files < 2 * OWN_FILES;
	int calls = few ? files / 8 : (files - OWN_FILES) / 2;

	if (!m->conf.calls_max || m->conf.calls_max > calls)
		m->conf.calls_max = calls;
	m->conns_max = files - m->conf.calls_max -
	    (few ? OWN_FILES / 2 : OWN_FILES);
	if (m->conns_max < 1)
		m->conns_max = 1;
}

/* The number that a file of the system begins with; -1: none. */
static int64_t
number_in(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	char *end = text;
	long long value = strtoll(text, &end, 10);

	if (fd >= 0)
		close(fd);
	return n > 0 && end != text ? value : -1;
}

/* Half of what the machine, our cgroup or ulimit -v leaves us. */
static int64_t
memory_that_fits(void)
{
	int64_t page = sysconf(_SC_PAGESIZE);
	int64_t bytes = sysconf(_SC_PHYS_PAGES) * page, left;
	struct rlimit r;

	left = number_in("/sys/fs/cgroup/memory.max");
	if (left >= 0 && left < bytes)
		bytes = left;
	if (getrlimit(RLIMIT_AS, &r) == 0 && r.rlim_cur != RLIM_INFINITY) {
		left = (int64_t)r.rlim_cur -
		    number_in("/proc/self/statm") * page;
		if (left < bytes)
			bytes = left < 0 ? 0 : left;
	}
	return bytes / 2;
}

static void *
loop_thread(void *arg)
{
	struct worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "weir loop %d", w->number);
	pthread_setname_np(pthread_self(), name);
	loop_run(w->loop);
	return NULL;
}

static bool
worker_start(struct machine *m, int i)
{
	struct worker *w = &m->workers[i];

	w->machine = m;
	w->number = i;
	w->loop = loop_new();
	w->pool = pool_new(w->loop, m->conf.calls_max);
	w->peek = xalloc(LIMIT_SPOOL_MEMORY);
	w->own = m->conf.worker_own(w);
	return w->own != NULL;
}

static void
worker_stop(struct worker *w)
{
	while (w->conns) {
		struct conn *c = w->conns;

		c->dead = false;
		conn_close(c);
		if (w->conns == c)
			break;	/* a reader still has it */
	}
	if (w->own)
		w->machine->conf.worker_free(w);
	if (w->pool)
		pool_free(w->pool);
	loop_free(w->loop);
	free(w->peek);
}

/* Serves what is accepted, until a signal ends it. */
static void
serve_many(struct machine *m)
{
	pthread_t threads[64], signals;

	m->listen = (struct watch){ .fd = m->conf.listen_fd,
	    .ready = accept_ready };
	loop_watch(m->workers[0].loop, &m->listen, LOOP_READ);
	pthread_setname_np(pthread_self(), "weir loop 0");
	pthread_create(&signals, NULL, signal_thread, m);
	for (int i = 1; i < m->conf.loops; i++)
		pthread_create(&threads[i], NULL, loop_thread,
		    &m->workers[i]);
	loop_run(m->workers[0].loop);
	for (int i = 1; i < m->conf.loops; i++)
		pthread_join(threads[i], NULL);
	pthread_join(signals, NULL);
}

/* Serves the one call of this process, on this thread. */
static void
serve_one(struct machine *m)
{
	struct cgi *call = cgi_new(&m->workers[0], m->conf.cgi);

	loop_run(m->workers[0].loop);
	cgi_free(call);
	readers_stop(m->readers);
}

/* What was on its way to the loops arrives, and nothing comes after it. */
static void
come_to_rest(struct machine *m)
{
	if (m->conf.at_rest)
		m->conf.at_rest(m->n_running);
	for (int i = 0; i < m->conf.loops; i++)
		loop_run(m->workers[i].loop);	/* stopped: posts only */
}

int
machine_run(const struct machine_conf *conf)
{
	struct machine m = { .conf = *conf };
	bool ok = true;

	assert(conf->loops >= 1 && conf->loops <= 64);
	assert(!conf->cgi || conf->loops == 1);
	share_files(&m);
	if (!m.conf.memory_max)
		m.conf.memory_max = memory_that_fits();
	m.workers = xalloc(sizeof(*m.workers) * (size_t)conf->loops);
	m.readers = readers_start(conf->readers);
	for (int i = 0; ok && i < conf->loops; i++)
		ok = worker_start(&m, i);
	if (!ok)
		readers_stop(m.readers);
	else if (conf->cgi)
		serve_one(&m);
	else
		serve_many(&m);
	if (ok)
		come_to_rest(&m);
	for (int i = 0; i < conf->loops; i++)
		if (m.workers[i].loop)
			worker_stop(&m.workers[i]);
	free(m.workers);
	return ok ? 0 : 1;
}
