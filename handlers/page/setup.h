/* SPDX-License-Identifier: MIT */
/*
 * setup.h - the page on which the set-up token makes the first site owner.
 *
 * Where it is entered: GET and POST /setup.  The token itself is the secret,
 * so the form needs no other protection against being sent by somebody else.
 */
#ifndef WEIR_PAGE_SETUP_H
#define WEIR_PAGE_SETUP_H

#include "fcgi/base/conf.h"

struct request;
struct store;

/* Where the store is: conf's data directory, when the page is asked for. */
void page_setup_start(const struct conf *conf);

/* The house has opened it (NULL: will close it). */
void page_setup_house(struct store *store);

void page_setup(struct request *rq);		/* GET /setup */
void page_setup_use(struct request *rq);	/* POST /setup */

/*
 * The same page as the answer to whatever was asked, with status 503: the
 * form, or, with `trouble`, why there cannot be one yet.
 */
void page_setup_wait(struct request *rq, struct str trouble);

#endif
