/* SPDX-License-Identifier: MIT */
/*
 * setup.h - before the house is furnished: the room in which a relay waits
 * for its first owner.
 *
 * A tenant of a web server has no shell.  So a program that a web server
 * started without a data directory makes one at the first request, puts the
 * set-up token into it, and answers everything with the page that asks for
 * it, until somebody who can read that file has entered it.
 */
#ifndef WEIR_SETUP_ROOM_H
#define WEIR_SETUP_ROOM_H

#include <stdbool.h>

#include "fcgi/base/conf.h"

struct cgi_conf;

struct setup {
	struct conf *conf;
	const char *program;	/* its own file, or NULL */
	bool by_web_server;	/* who may have the directory made */
	struct cgi_conf *cgi;	/* a process of one call, or NULL */

	/* What setup_find finds. */
	bool waits;		/* setup_wait comes first */
	bool to_make;		/* the data directory is not there yet */
	struct str trouble;	/* why it cannot be made */
};

/*
 * Which data directory, where none is named: CONF_DATA is set then.  False:
 * there is none and none may be made; *why.
 */
bool setup_find(struct setup *s, struct str *why);

/*
 * Serves the set-up page on listen_fd until there is an owner; true: go on
 * with the house.  False: *status is to be the process's, which for one call
 * is always so.  After page_start.
 */
bool setup_wait(struct setup *s, int listen_fd, int *status);

#endif
