/* SPDX-License-Identifier: MIT */
/*
 * outbox.h - one message outwards, waited for: a POST to a webhook, or a mail.
 *
 * For a thread of its own that sends one after another, never for a loop:
 * everything here blocks.  upstream.h, the loops' door to the network, speaks
 * no SMTP, and lives and dies with a loop; this is the other file that knows
 * libcurl.  A message goes to the URL that was given and nowhere else: no
 * redirect is followed, TLS is always verified.
 */
#ifndef WEIR_OUTBOX_H
#define WEIR_OUTBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

enum {
	OUTBOX_CONNECT_MS = 5000,
	OUTBOX_MS = 10000	/* of all of it */
};

struct message {
	struct str url;			/* http, https, smtp, smtps */
	const struct str *headers;	/* "Name: value", of a POST */
	int n_headers;
	struct str body;		/* of a mail with its headers, CRLF */
	bool guarded;			/* only addresses of the Internet */
	struct str allow;		/* but those: a JSON list of networks,
					 * or empty */
	/* of a mail */
	struct str from, to;		/* addresses */
	struct str user, password;	/* empty: no sign-in */
	bool clear;			/* may be sent without TLS, where the
					 * server offers none */
};

struct posted {
	bool taken;			/* 2xx of HTTP, 250 of SMTP */
	bool stopped;			/* was given up because of *stop */
	int status;			/* 0: no answer */
	struct str why;			/* it was not taken; in the arena */
};

struct outbox;

/*
 * ca_file: the roots to trust (NULL or empty: those libcurl was built with).
 * env_proxy: use the environment's proxy where a message is not guarded.
 * stop: ends what is under way, from another thread; or NULL.  To be called
 * before threads start, or after upstream_init.  NULL: libcurl is unusable.
 */
struct outbox *outbox_new(const char *ca_file, bool env_proxy,
    const atomic_bool *stop);
void outbox_free(struct outbox *o);

/* Blocks, at most OUTBOX_MS. */
void outbox_send(struct outbox *o, const struct message *m, struct arena *a,
    struct posted *p);

#endif
