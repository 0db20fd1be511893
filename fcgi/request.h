/* SPDX-License-Identifier: MIT */
/*
 * request.h - what came in, and the handle for what goes out.
 *
 * A request lives on one loop from its last byte to the end of its answer.
 * Its memory is its arena; its body is a buffer of its own that can be given
 * back early.  The connection may disappear under it (the caller left):
 * `conn` is NULL then and every reply call does nothing.
 */
#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/fault.h"
#include "fcgi/base/id.h"
#include "fcgi/base/str.h"

struct conn;
struct route;
struct visitor;
struct way;
struct worker;

enum param {
#define PARAM(name) PARAM_##name,
#include "fcgi/param.def"
#undef PARAM
	N_PARAMS
};

struct request {
	struct arena arena;
	char id[ID_CHARS];		/* x-request-id */
	struct str param[N_PARAMS];	/* p NULL: not given */
	struct str body;		/* freed by request_drop_body */
	int64_t body_held;		/* bytes counted for it */
	uint16_t record_id;
	bool keep;			/* the connection stays */
	int64_t accepted_us;		/* monotonic */
	struct fault fault;		/* what was wrong with it already */

	/* dispatch.c */
	const struct route *route;
	struct str mount;		/* "" or "/weir" */
	struct str path;		/* canonical, below the mount, as its
					 * route has it */
	const struct way *way;		/* it was another one; or NULL */
	struct str named;		/* what {} in the way took */
	struct str query;		/* raw */
	struct str capture;		/* what {} in the route's path took */
	const struct visitor *visitor;	/* the guard's: who asks; may be
					 * NULL */

	struct worker *worker;
	struct conn *conn;		/* NULL: the caller has left */
	struct request *next, **prev;	/* of the worker's running ones */

	/* reply.c */
	bool head_sent;			/* status and headers are fixed */
	bool ended;
	struct buf head;		/* header lines collected so far */
	int status;

	/*
	 * What a handler that does not answer at once wants to know; may be
	 * NULL.  Called on the loop.  `gone`: the caller has left; `drained`:
	 * there is room again after reply_full; `stop`: the time after SIGTERM
	 * is up, end now.
	 */
	void (*gone)(struct request *rq);
	void (*drained)(struct request *rq);
	void (*stop)(struct request *rq);
	void *handler;			/* the handler's own */
};

/*
 * Reads a whole request from fd (a socket that holds all of it, or a spool)
 * with libfcgi.  False: fd has been closed (bad records).  A request that is
 * readable but wrong has rq->fault set.  `head_only`: the body was not
 * collected; its length is not checked.  Does not block when the request is
 * whole.  Allowed on any thread.
 */
bool request_read(struct request *rq, int fd, bool head_only,
    int64_t body_max);

/* Once, before threads and signal handlers: libfcgi sets handlers too. */
void request_start(void);

struct request *request_new(struct worker *w);

/* Gives all memory back.  The answer must have ended, or the caller left. */
void request_free(struct request *rq);

/* The body's memory is given back; rq->body is empty then. */
void request_drop_body(struct request *rq);

/* Bytes of bodies and spools held by this process now. */
int64_t request_bytes_held(void);
void request_count_bytes(int64_t n);

static inline struct str
request_id(const struct request *rq)
{
	return str_from(rq->id, ID_CHARS);
}

/* Was the request made over HTTPS, as the web server says? */
bool request_is_https(const struct request *rq);

#endif
