/* SPDX-License-Identifier: MIT */
/*
 * dispatch.h - from a path to who serves it, past the guards.
 */
#ifndef WEIR_DISPATCH_H
#define WEIR_DISPATCH_H

#include <stdbool.h>

#include "fcgi/request.h"

enum route_guard {
	ROUTE_API = 1,		/* below /v1: CORS; also found without /v1 */
	ROUTE_JSON_BODY = 2,	/* takes application/json without encoding */
	ROUTE_FORM_BODY = 4,	/* takes multipart/form-data, likewise */
	ROUTE_WHOLE_PATH = 8	/* not found without its /v1 */
};

struct leaf;

struct route {
	const char *method;	/* "GET" (serves HEAD too, but on the API) */
	const char *path;	/* "/v1/models/{}"; {} takes the rest, and
				 * with something behind it one segment */
	unsigned guard;
	void (*serve)(struct request *rq);	/* on the loop; ends the
						 * request now or later */
	int what;		/* the handler's own: which endpoint … */
	unsigned who;		/* what machine_conf.guard lets pass, in its
				 * own words; 0: everybody */
	const struct leaf *leaf;	/* the handler's own: which page */
};

/*
 * Other ways to write what some paths begin with: what is below `from` is
 * served as what is below `to`.  A `from` that ends in "{}" has a name there,
 * of one segment or more, up to what is a route below `to`: the request's
 * `named`.  The first that fits counts.
 */
struct way {
	const char *from;	/* "/openai/v1", "/openai/deployments/{}" */
	const char *to;		/* "/v1" */
	int what;		/* the handler's own */
};

/* Serves a request, or refuses it.  On its loop. */
void dispatch(struct request *rq);

/*
 * The canonical path of a request and its mount (house rule "Path").
 * False: rq->fault is set.
 */
bool dispatch_path(struct request *rq);

#endif
