/* SPDX-License-Identifier: MIT */
/*
 * spool.h - a request that is not whole yet.
 *
 * A slow or large request is drained here without blocking, bounded by the
 * body limit and by a least rate.  One that must be refused before its body
 * has come is answered from its parameters alone; the rest of the body is
 * thrown away.  Used by conn.c only, on the connection's loop.
 */
#ifndef WEIR_SPOOL_H
#define WEIR_SPOOL_H

#include "fcgi/conn.h"
#include "fcgi/reader.h"
#include "fcgi/record.h"

struct spool {
	struct conn *conn;
	struct record_walk walk;
	struct buf params;		/* content of the PARAMS records */
	struct buf bytes;		/* all records, while they are few */
	int fd;				/* a memfd with all records, or -1 */
	int64_t n;			/* bytes so far */
	int64_t counted;		/* of them, in request_bytes_held */
	int64_t began_ms, last_ms;
	struct job job;
	bool read;			/* the job's result */
	bool gone;			/* the peer closed meanwhile */
};

/*
 * Begins, and takes what is there.  This and the next three may serve or
 * close the connection: it is not to be touched after them.
 */
void spool_begin(struct conn *c);

/* Takes what has come. */
void spool_read(struct conn *c);

/* The timer has fired: too slow is refused. */
void spool_late(struct conn *c);

/* After an early answer: takes what has come and throws it away. */
void spool_discard(struct conn *c);

/* Gives the memory back; no spool is fine. */
void spool_free(struct conn *c);

#endif
