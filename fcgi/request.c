/* SPDX-License-Identifier: MIT */
/*
 * request.c - what came in; see request.h.  The only file that names FCGX_.
 *
 * libfcgi parses.  Two of its fields are private by its header: ipcFd (so
 * that it reads from a descriptor of ours) and keepConnection (non-zero
 * before accepting, or FCGX_Finish_r would close the descriptor).
 * FCGX_Detach keeps it from polling two seconds at each close.
 */
#include "fcgi/request.h"

#include <assert.h>
#include <fcgiapp.h>
#include <stdlib.h>

#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "fcgi/machine.h"

static _Atomic int64_t bytes_held;

int64_t
request_bytes_held(void)
{
	return bytes_held;
}

void
request_count_bytes(int64_t n)
{
	bytes_held += n;
	assert(bytes_held >= 0);
}

void
request_start(void)
{
	FCGX_Init();
}

struct request *
request_new(struct worker *w)
{
	struct request *rq = xnew(struct request);

	arena_init(&rq->arena);
	rq->worker = w;
	rq->accepted_us = clock_us();
	id_make(clock_utc_ms(), rq->id);
	rq->head = BUF(&rq->arena, LIMIT_PARAMS_BYTES);
	return rq;
}

void
request_drop_body(struct request *rq)
{
	free((void *)(uintptr_t)rq->body.p);
	rq->body = (struct str){ NULL, 0 };
	request_count_bytes(-rq->body_held);
	rq->body_held = 0;
}

/* No longer one of its worker's running ones. */
static void
leave(struct request *rq)
{
	*rq->prev = rq->next;
	if (rq->next)
		rq->next->prev = rq->prev;
	rq->worker->n_running--;
	rq->worker->machine->n_running--;
}

void
request_free(struct request *rq)
{
	assert(!rq->conn);
	if (rq->prev)
		leave(rq);
	request_drop_body(rq);
	arena_release(&rq->arena);
	free(rq);
}

/* Comparing lengths first, in a row, is faster here than searching. */
static int
find_param(struct str name)
{
#define PARAM(known) if (str_eq(name, S(#known))) return PARAM_##known;
#include "fcgi/param.def"
#undef PARAM
	return -1;
}

static void
copy_params(struct request *rq, char **envp)
{
	int headers = 0;

	for (; *envp; envp++) {
		/* A NUL in a name would hide the sign. */
		const char *end = strchrnul(*envp, '=');
		struct str name = str_from(*envp, (size_t)(end - *envp));
		int i = find_param(name);

		headers += str_starts(name, S("HTTP_"));
		if (i >= 0 && !rq->param[i].p)
			rq->param[i] = arena_str(&rq->arena,
			    str_of(*end ? end + 1 : end));
	}
	if (headers > LIMIT_HEADERS)
		fault_set(&rq->fault, &rq->arena, FAULT_HEADERS_TOO_LARGE,
		    "The request has %d headers; at most %d are taken.",
		    headers, LIMIT_HEADERS);
}

/* The announced length, -1 if none was, -2 (and a fault) if it is wrong. */
static int64_t
announced(struct request *rq, int64_t body_max)
{
	struct str text = rq->param[PARAM_CONTENT_LENGTH];
	int64_t n;

	if (text.n == 0)
		return -1;
	if (text.p[0] == '-' || !str_int(text, &n)) {
		fault_set(&rq->fault, &rq->arena, FAULT_BAD_REQUEST,
		    "Content-Length is not a number.");
		return -2;
	}
	if (n > body_max) {
		fault_set(&rq->fault, &rq->arena, FAULT_TOO_LARGE,
		    "The body has %lld bytes; at most %lld are taken.",
		    (long long)n, (long long)body_max);
		return -2;
	}
	return n;
}

static void
read_body(struct request *rq, FCGX_Stream *in, int64_t body_max)
{
	int64_t length = announced(rq, body_max);
	size_t room, n = 0;
	char *p;

	if (length == -2 || length == 0)
		return;
	room = length < 0 ? LIMIT_PEEK_BYTES : (size_t)length + 1;
	p = xresize(NULL, room);
	for (;;) {
		int got = FCGX_GetStr(p + n, (int)(room - n), in);

		n += (size_t)got;
		if (n < room || length >= 0)
			break;
		if ((int64_t)room > body_max) {
			fault_set(&rq->fault, &rq->arena, FAULT_TOO_LARGE,
			    "The body has more than %lld bytes.",
			    (long long)body_max);
			break;
		}
		p = xresize(p, room *= 2);
	}
	rq->body = str_from(p, n);
	rq->body_held = (int64_t)room;
	request_count_bytes(rq->body_held);
	if (FCGX_GetError(in) || (length >= 0 && n != (size_t)length))
		fault_set(&rq->fault, &rq->arena, FAULT_BAD_REQUEST,
		    "The body has not the length that Content-Length says.");
}

/* Nothing may be left of this request in the socket. */
static void
skip_rest(FCGX_Stream *in)
{
	char skipped[4096];

	while (FCGX_GetStr(skipped, sizeof(skipped), in) > 0)
		;
}

bool
request_read(struct request *rq, int fd, bool head_only, int64_t body_max)
{
	FCGX_Request r;

	FCGX_InitRequest(&r, -1, 0);
	r.ipcFd = fd;
	r.keepConnection = 1;
	FCGX_Detach(&r);
	if (FCGX_Accept_r(&r) < 0)
		return false;
	rq->record_id = (uint16_t)r.requestId;
	rq->keep = r.keepConnection != 0;
	copy_params(rq, r.envp);
	if (!head_only && rq->fault.kind == FAULT_NONE)
		read_body(rq, r.in, body_max);
	skip_rest(r.in);
	FCGX_Free(&r, 0);
	return true;
}

bool
request_is_https(const struct request *rq)
{
	return str_eq_nocase(rq->param[PARAM_HTTPS], S("on")) ||
	    str_eq_nocase(rq->param[PARAM_REQUEST_SCHEME], S("https"));
}
