/* SPDX-License-Identifier: MIT */
/*
 * conn.h - one FastCGI connection from a web server.
 *
 * It carries one request at a time: waits, peeks, has the request read in
 * place when it is whole and small, spools it otherwise, and then writes the
 * answer's records.  It belongs to one loop.  Its states:
 *
 *	IDLE -> (SPOOL -> READING) -> BUSY -> IDLE or closed
 */
#ifndef WEIR_CONN_H
#define WEIR_CONN_H

#include "fcgi/base/buf.h"
#include "fcgi/loop.h"
#include "fcgi/reader.h"
#include "fcgi/record.h"
#include "fcgi/request.h"

enum conn_state { CONN_IDLE, CONN_SPOOL, CONN_READING, CONN_BUSY };

struct spool;

struct conn {
	struct worker *worker;
	struct watch watch;
	struct timer timer;		/* body stall, write stall */
	enum conn_state state;
	struct request *rq;		/* while READING or BUSY */
	struct spool *spool;		/* while SPOOL or READING; kept to
					 * discard the rest of a body */
	struct buf out;			/* records not sent yet */
	size_t open_record;		/* offset of the STDOUT record that can
					 * still grow, or (size_t)-1 */
	bool discarding;		/* the answer came before the body's
					 * end */
	bool close_after;		/* when out is empty */
	bool was_full;
	bool dead;			/* closing says when */
	struct post closing;
	struct conn *next, **prev;	/* of the worker's */
};

/* Takes fd over. */
void conn_new(struct worker *w, int fd);

/* Closes it now; its request, if any, is told that its caller left. */
void conn_close(struct conn *c);

/*
 * Closes after the callback that is running now, whose request may still be
 * in the middle of a step.
 */
void conn_close_soon(struct conn *c);

/* Nothing of c may be touched after this: the answer may have ended it. */
void conn_serve(struct conn *c, struct request *rq);

/* reply.c: sends what is queued; may close the connection. */
void conn_flush(struct conn *c);

/* reply.c: the answer is complete. */
void conn_end_request(struct conn *c);

#endif
