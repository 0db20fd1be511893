/* SPDX-License-Identifier: MIT */
/*
 * listen.h - the socket the web server connects to.
 */
#ifndef WEIR_LISTEN_H
#define WEIR_LISTEN_H

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

/*
 * Opens "unix:PATH" or "HOST:PORT" ("127.0.0.1:9000", "[::1]:9000"), or takes
 * descriptor 0 when `where` is empty.  A unix socket gets mode 0660 and the
 * group (empty: the web server's, when we are root, else our own); its
 * directory is made 0750 if it is missing, only checked if it is there.  A
 * stale socket is replaced, one that answers is not.  -1: *why.
 */
int listen_open(struct str where, struct str group, struct arena *a,
    struct str *why);

/* The listening socket does not block, from now on and from any thread. */
void listen_unblock(int fd);

#endif
