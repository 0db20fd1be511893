/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the process: loops, readers, the listening socket, signals.
 *
 * Knows no LLM, no SQL, no money: what it serves comes in as a table of
 * routes.  Loop 0 alone accepts and gives each connection to the loop with
 * the fewest.  SIGTERM and SIGINT stop accepting and let running requests
 * end for drain_s; SIGHUP calls `hup`.  Under plain CGI there is one loop, no
 * socket and one request (cgi.h), and SIGTERM says that its caller has left.
 */
#ifndef WEIR_MACHINE_H
#define WEIR_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/dispatch.h"
#include "fcgi/loop.h"
#include "fcgi/reader.h"
#include "fcgi/request.h"
#include "fcgi/upstream.h"

struct cgi_conf;
struct machine;

/* One loop and what belongs to it. */
struct worker {
	struct machine *machine;
	int number;
	struct loop *loop;
	struct pool *pool;		/* connections to upstreams */
	void *own;			/* machine_conf.worker_own's */
	struct conn *conns;
	struct request *running;
	_Atomic int n_conns;		/* open FastCGI connections */
	_Atomic int n_running;		/* requests being served */
	char *peek;			/* LIMIT_PEEK_BYTES, then a 64 KiB
					 * buffer for spooling */
};

struct machine_conf {
	int listen_fd;			/* -1 with `cgi` */
	struct cgi_conf *cgi;		/* serves this one call, then ends;
					 * NULL: not plain CGI */
	int loops, readers;		/* readers: at most */
	int64_t body_max, memory_max;
	int calls_max;
	int64_t drain_ms;
	struct str cors_origins;
	struct str data_dir;		/* must not lie below a document root */
	const struct route *routes;
	int n_routes;
	const struct way *ways;		/* other paths to them */
	int n_ways;

	/* Answers a fault in the dialect of the request's path. */
	void (*refuse)(struct request *rq, const struct fault *f);
	/*
	 * May this request use its route, whose `who` is not 0?  On the loop;
	 * must not block.  False: it was answered, and is gone.
	 */
	bool (*guard)(struct request *rq);
	/* The own part of a worker, made and freed on the starting thread. */
	void *(*worker_own)(struct worker *w);
	void (*worker_free)(struct worker *w);
	void (*hup)(void);
	/*
	 * The loops have stopped and are still there: waits until nothing
	 * can be posted to them any more.  `running` calls did not end.  May
	 * be NULL.
	 */
	void (*at_rest)(int running);
	/* False: admit nothing new (the store says so); *why for the log. */
	bool (*ready)(void);
};

struct machine {
	struct machine_conf conf;
	struct worker *workers;
	struct readers *readers;
	struct watch listen;
	int conns_max;			/* FastCGI connections at once */
	int64_t full_told_ms;		/* loop 0's */
	_Atomic bool stopping;		/* SIGTERM came */
	_Atomic int n_running;
};

/*
 * Once, before any thread is made: signals are blocked in all of them, so
 * that the machine alone takes them.
 */
void machine_prepare(void);

/* Serves until a signal, or the one call's end, has ended it.  0, or 1 if it
 * could not start. */
int machine_run(const struct machine_conf *conf);

/* Requests running in the whole process. */
int machine_running(const struct machine *m);

#endif
