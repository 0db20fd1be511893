/* SPDX-License-Identifier: MIT */
/*
 * cgi_part.h - what the three rooms of CGI share: cgi.c (descriptors and the
 * call's life), cgi_env.c (the request as records), cgi_answer.c (records as
 * the answer).  Nobody else includes it.
 */
#ifndef WEIR_CGI_PART_H
#define WEIR_CGI_PART_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/limits.h"
#include "fcgi/cgi.h"
#include "fcgi/loop.h"
#include "fcgi/machine.h"
#include "fcgi/record.h"

enum {
	REQUEST_ID = 1,
	PIECE = 65528,			/* of a body in one record */
	UP_MAX = LIMIT_PARAMS_BYTES + 4 * PIECE,
	DOWN_MAX = 2 * LIMIT_OUT_BYTES,
	HELD_MAX = LIMIT_FOLD_BYTES,	/* more of an answer is not held */
	LEAVE_MS = 1800,		/* from SIGTERM until we are gone … */
	WRITER_MS = 300,		/* … with that much for the store */
	LOOK_MS = 2,			/* has the call ended? */
	REFUSE_MS = 5000
};

/* What is done with the answer's bytes. */
enum phase {
	PHASE_HEAD,			/* its header is not whole yet */
	PHASE_PASS,			/* they go out as they come */
	PHASE_HOLD,			/* they are kept until it is whole */
	PHASE_LAST,			/* no more come; what waits goes out */
	PHASE_OVER			/* stdout is not ours any more */
};

struct cgi {
	struct worker *worker;
	struct cgi_conf *conf;
	struct watch in, out, pair, signals;
	bool in_watched, out_watched;	/* they are no files */
	struct timer look;
	bool told_to_stop;

	/* To the machine. */
	int64_t in_left;		/* of the body; -1: until its end */
	bool in_ended;			/* the empty STDIN record is queued */
	struct buf up;			/* records not sent yet */

	/* From the machine: the record that is being read. */
	uint8_t record[RECORD_HEAD_BYTES];
	unsigned record_n;
	size_t content, padding;

	enum phase phase;
	bool is_head;			/* HEAD: there will be no body */
	struct buf head;		/* the answer's, with its empty line */
	struct buf held;		/* the first of its body */
	int held_fd;			/* a memfd with the rest, or -1 */
	int64_t in_memfd, out_of_memfd;	/* bytes */
	struct buf down;		/* for stdout, not written yet */
};

static inline bool
cgi_must_wait(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* cgi_env.c: a variable of the request, or NULL. */
const char *cgi_variable(const struct cgi *c, struct str name);

/* BEGIN_REQUEST and PARAMS, into `up`.  False: more than a request may have. */
bool cgi_put_request(struct cgi *c);

/*
 * How much of stdin is the body: CONTENT_LENGTH bytes.  -1: a server that has
 * undone a chunked body does not know its length and ends it.
 */
int64_t cgi_body_length(const struct cgi *c);

/* cgi_answer.c: bytes of the machine's records, cut anywhere. */
void cgi_take_records(struct cgi *c, struct str bytes);

/* Nothing more comes, and it was not the end. */
void cgi_answer_broke(struct cgi *c);

/* The answer is replaced; nothing of it has gone out yet. */
void cgi_answer_fault(struct cgi *c, enum fault_kind kind, const char *words);

/* Is there something of the answer's body kept back? */
bool cgi_holds(const struct cgi *c);

/* The next piece of what was held, into the empty `down`. */
void cgi_take_held(struct cgi *c);

#endif
