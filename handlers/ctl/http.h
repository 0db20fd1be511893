/* SPDX-License-Identifier: MIT */
/*
 * http.h - how weirctl asks over HTTP: one request at a time, with the moment
 * of everything that happened.
 *
 * For `doctor`, which asks weir through its web server, and for `channel test`
 * and `channel models`, which ask an upstream as the relay would.  A redirect
 * is never followed, a proxy used only with `proxy = env`, and a key goes to
 * the URL that was given and nowhere else, never over TLS that could not be
 * verified.
 */
#ifndef WEIR_CTL_HTTP_H
#define WEIR_CTL_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"

enum { EVENTS_MAX = 64, ALSO_MAX = 24 };

struct ask {
	const char *method;		/* NULL: GET, or POST with a body */
	struct str url;
	const char *agent;		/* User-Agent; NULL: weirctl's own */
	const char *accept;		/* or NULL */
	struct str key;			/* sent as credential, if any */
	struct str key_head;		/* its header line up to it; empty:
					 * "Authorization: Bearer " */
	struct str request_id;		/* or empty */
	const struct str *also;		/* header lines more, */
	int n_also;			/* at most ALSO_MAX */
	struct str json;		/* a body */
	int64_t filler;			/* a body of so many letters */
	bool however_long;		/* filler is sent on a slow line too */
	bool piece;			/* only its first bytes are wanted */
	bool untrusted;			/* whatever its certificate: no key */
	bool identity;			/* says that nothing may be packed */
	bool fresh;			/* name and connection anew */
	struct str ca_file;		/* these roots and no others; empty:
					 * the client's */
	int64_t connect_ms;		/* name, connection, TLS; 0: 10 s */
	int64_t patience_ms;		/* for the whole answer; 0: 30 s */
	size_t most;			/* a longer answer is ended; 0: 1 MiB
					 * are kept of it */
};

enum trouble { TROUBLE_NONE, TROUBLE_NAME, TROUBLE_CONNECT,
	TROUBLE_CERTIFICATE, TROUBLE_TLS, TROUBLE_SLOW, TROUBLE_SEND,
	TROUBLE_CUT, TROUBLE_TOO_LONG, TROUBLE_TOO_MUCH };

/* How long it took, in microseconds; -1: it did not come to that. */
struct timing {
	int64_t name_us, connect_us, tls_us;	/* each alone */
	int64_t first_us, total_us;		/* from the beginning */
};

struct heard {
	enum trouble trouble;
	struct str why;			/* libcurl's words */
	bool connected;			/* then whatever came after it */
	int status;			/* 0: no answer */
	struct str body;
	struct str type, server, date, location, security, request_id;
	struct str encoding;
	bool by_weir;			/* an answer of weir's own */
	struct str error;		/* the message in an error of weir's */
	int64_t asked_ms, ended_ms;	/* UTC */
	int64_t at_ms[EVENTS_MAX];	/* of events, from the beginning */
	int n_events;
	struct timing timing;
	struct str address;		/* that was connected to */
	int64_t expires_ms;		/* the certificate; 0: none */
	int64_t would_take_s;		/* of TROUBLE_TOO_LONG */
};

/*
 * Strings that are heard live in the arena.  ca_file: the roots to trust
 * where an ask names none (empty: the system's); env_proxy: use the
 * environment's proxy.  NULL: libcurl cannot be used.
 */
struct client *client_new(struct arena *a, struct str ca_file, bool env_proxy);
void client_free(struct client *cl);

/* The parts of a URL, without the slash at its end; false: it is none. */
bool client_parts(struct arena *a, struct str url, struct str *scheme,
    struct str *host, struct str *path);

/* Blocks until the answer is there.  No copy of the key is left behind. */
void hear(struct client *cl, const struct ask *a, struct heard *h);

/* A header of the answer heard last, or the empty view. */
struct str client_header(const struct client *cl, const char *name);

#endif
