/* SPDX-License-Identifier: MIT */
/*
 * upstream.h - one HTTP exchange outwards.
 *
 * The loops' only door to the network; behind it are the only files of theirs
 * that know libcurl (upstream.c names them).  Each loop has its own pool of
 * connections (several curl multi handles, filled first-fit); an exchange lives
 * on one loop and its callbacks run there.  No redirect is followed, nothing is
 * resent: one POST goes out at most once (CURLOPT_SEEKFUNCTION fails once a
 * byte was taken).
 */
#ifndef WEIR_UPSTREAM_H
#define WEIR_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"
#include "fcgi/loop.h"

struct pool;

/* How an exchange ended. */
enum exchange_end {
	EXCHANGE_DONE,		/* the answer came whole */
	EXCHANGE_REFUSED,	/* nothing was sent: no connection */
	EXCHANGE_DNS,		/* nothing was sent: no address */
	EXCHANGE_TLS,		/* nothing was sent: not who it should be */
	EXCHANGE_CONNECT_LATE,	/* nothing was sent: connect time-out */
	EXCHANGE_BROKE,		/* broke after something was sent */
	EXCHANGE_TOO_LARGE,	/* response headers beyond the limits */
	EXCHANGE_CANCELLED	/* by exchange_cancel */
};
const char *exchange_end_name(enum exchange_end end);

struct exchange {
	/* in: valid until done; header lines are "Name: value" */
	struct str url;
	const char *method;		/* "POST", "GET" */
	struct str *headers;		/* without control bytes */
	int n_headers;
	struct str body;
	int64_t connect_ms;		/* name, connection and handshake */
	struct str ca_file;		/* trust these roots and no others;
					 * empty: the system's */
	bool env_proxy;			/* use the environment's proxy */
	bool small_buffer;		/* the answer is a stream: less memory
					 * for it, more calls of data() */

	/* The answer's head is complete (never for 1xx). */
	void (*head)(struct exchange *x);

	/*
	 * Bytes of the body.  False: not taken, the exchange is paused until
	 * exchange_resume, which delivers them again.
	 */
	bool (*data)(struct exchange *x, struct str bytes);

	/*
	 * The end; the exchange is no longer known to the pool and may be
	 * freed or started again from here.  Not called after
	 * exchange_cancel.
	 */
	void (*done)(struct exchange *x, enum exchange_end end);

	/* out */
	int status;
	bool sent;			/* a byte of the request went out */
	bool reused;			/* on a connection that was open */
	bool body_taken;		/* body was read to its end: it may be
					 * freed */
	int64_t sent_us;		/* monotonic: when the body was out */

	/* the pool's own; NULL before the first start */
	void *private;
	struct pool *pool;
};

/* max_idle: connections kept open.  NULL never. */
struct pool *pool_new(struct loop *l, int max_idle);

/*
 * Ends every exchange, without done(), and every connection.  On the loop's
 * thread, not from a callback of an exchange.
 */
void pool_free(struct pool *p);

/*
 * Begins.  The callbacks come later, never from inside this call.  A header
 * with a control byte and a URL with a NUL are asserted against.  Members
 * under "out" are set anew; `headers` may name anything but Host,
 * Content-Length, Transfer-Encoding and Expect; "Accept-Encoding: identity"
 * is added when it is missing.
 */
void exchange_start(struct pool *p, struct exchange *x);

/*
 * Goes on after data() returned false; the bytes come again later, never
 * from inside this call.  Does nothing when x does not wait.
 */
void exchange_resume(struct exchange *x);

/*
 * Ends it: no callback comes after this call, and x, its body and its headers
 * may be freed.  From any callback, and on an exchange that has ended or was
 * never started too (does nothing).
 */
void exchange_cancel(struct exchange *x);

/*
 * A response header by name (case ignored), or the empty view; from head()
 * until done() has returned.  Values above 1 KiB, folded ones and those with
 * control bytes are not kept.
 */
struct str exchange_header(const struct exchange *x, const char *name);

/*
 * Why it did not end well, in words for the operator's eyes only ("SSL
 * certificate problem: ..."), or the empty view; inside done().
 */
struct str exchange_why(const struct exchange *x);

/*
 * Once, before threads start; ignores SIGPIPE.  False: libcurl is unusable,
 * and the log says why.
 */
bool upstream_init(void);

/*
 * Once, before threads start: the file of the certificate authorities to
 * trust where an exchange names none (borrowed; NULL or empty: those libcurl
 * was built with).
 */
void upstream_roots(const char *file);

#endif
