/* SPDX-License-Identifier: MIT */
/*
 * reply.h - what goes out: a CGI answer in FastCGI records.
 *
 * Nothing here blocks.  What is written is queued and sent when the callback
 * that wrote it calls reply_flush (or ends the answer); what the socket does
 * not take waits in a bounded queue.  After the caller has left every call
 * does nothing.
 */
#ifndef WEIR_REPLY_H
#define WEIR_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/request.h"

/* The status; before the first byte of the body.  May be set again. */
void reply_status(struct request *rq, int status);

/*
 * A header.  The value must hold no control byte: such a header is left out
 * and logged.  Before the first byte of the body.
 */
void reply_header(struct request *rq, const char *name, struct str value);

/* Queues bytes of the body; the first ones fix status and headers. */
void reply_data(struct request *rq, struct str bytes);

/* Sends what is queued, as far as the socket takes it. */
void reply_flush(struct request *rq);

/* More than LIMIT_OUT_BYTES are waiting: stop until drained() is called. */
bool reply_full(const struct request *rq);

/* Bytes the caller has not taken yet. */
size_t reply_waiting(const struct request *rq);

/* Ends the answer; the connection goes on without this request. */
void reply_end(struct request *rq);

/*
 * Ends it so that the caller sees a broken transfer, not a clean end: eight
 * bytes that are no record, then close (a bare close looks clean behind
 * nginx when unbuffered).
 */
void reply_break(struct request *rq);

/* The words behind a status. */
const char *reply_reason(int status);

/* A whole answer in one go: status, type, body with its length, end. */
void reply_whole(struct request *rq, int status, const char *type,
    struct str body);

#endif
