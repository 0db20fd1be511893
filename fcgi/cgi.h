/* SPDX-License-Identifier: MIT */
/*
 * cgi.h - the one request of a process that was started as a CGI script.
 *
 * The machine speaks FastCGI, so this plays its web server: one end of a
 * socket pair is a connection like any other; the other end belongs to a
 * bridge on the same loop.  It writes there what environment and stdin say
 * and takes the answer's records to stdout, bounded in both directions: stdin
 * is read while the machine takes bytes, the machine is read while stdout
 * takes bytes.
 *
 * A stream (events, audio, bytes without a type), and whatever says its own
 * length, goes out as it comes.  Any other answer is held until it is whole,
 * so that one that breaks off becomes a fault and not half a body.
 *
 * stdout closed by its reader, or SIGTERM: the caller has left.  The call is
 * given that news as by any web server, and two seconds to settle.
 */
#ifndef WEIR_CGI_H
#define WEIR_CGI_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/buf.h"
#include "fcgi/base/fault.h"

struct cgi;
struct worker;

struct cgi_conf {
	int in, out;			/* descriptors 0 and 1 */
	char *const *env;
	/* The body of an answer that is a fault, and its status. */
	void (*write_fault)(const struct fault *f, struct str request_id,
	    struct buf *body);
	int (*status)(const struct fault *f);

	/* Set by the bridge when the caller has left or SIGTERM came: the
	 * moment (clock_ms) by which the process should be gone; else 0. */
	int64_t due_ms;
};

/* Has a web server started this process as a CGI script? */
bool cgi_is(void);

/*
 * Opens the connection and sends what is there of the request; the rest goes
 * on w's loop, which is stopped when the answer is out and the call has
 * ended.  Once the answer is out in, out and stderr lead nowhere, so that
 * the web server need not wait for us.  SIGTERM and SIGINT must be blocked.
 */
struct cgi *cgi_new(struct worker *w, struct cgi_conf *conf);

/* After the loop has stopped.  NULL is fine. */
void cgi_free(struct cgi *c);

/*
 * For a process that cannot serve at all: writes the fault as the answer.
 * May block, for some seconds at most.
 */
void cgi_refuse(const struct cgi_conf *conf, const struct fault *f);

#endif
