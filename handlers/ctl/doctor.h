/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what the parts of weirctl doctor share.
 *
 * doctor.c has the order of the checks and prints; a check asks
 * (http.h) or looks (doctor_files.c), says what it found, and names the
 * line to change (doctor_cure.c) for the web server that answers.
 */
#ifndef WEIR_CTL_DOCTOR_H
#define WEIR_CTL_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/arena.h"
#include "fcgi/base/str.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/http.h"

enum server { SERVER_OTHER, SERVER_NGINX, SERVER_LIGHTTPD, SERVER_APACHE,
	N_SERVERS };

/* A mistake that each web server has a line against. */
enum cure { CURE_REACH, CURE_PATH, CURE_MOUNT, CURE_SCHEME, CURE_HOST,
	CURE_TLS, CURE_KEY, CURE_STREAM, CURE_BODY, CURE_SILENCE, CURE_ROOT,
	N_CURES };

enum state { STATE_GOOD, STATE_HINT, STATE_SKIPPED, STATE_BAD };

enum { FIXES_MAX = 16 };

struct doctor {
	struct ctl *c;
	struct client *client;
	struct str url;			/* without /v1 and slash at its end */
	struct str root;		/* of the same host: "https://host" */
	struct str scheme, host, path;	/* of url; path "" or "/ai" */
	struct str key;			/* empty: none was given */
	struct str key_head;		/* x-api-key, where Authorization
					 * does not arrive */
	bool thorough;			/* --long */
	int64_t silence_s;
	enum server server;
	struct str server_name;		/* its Server header */
	const char *data;		/* the data directory; NULL: unknown */
	bool data_given;

	struct str fixes[FIXES_MAX];	/* for the line said next */
	int n_fixes;
	int n_bad, n_said;
	bool cut_off;			/* the web server cannot reach weir */
	struct buf out;			/* JSON */
};

/* --- doctor.c: what was found --------------------------------------------- */

/* A line to change, under the line that is said next. */
void fix(struct doctor *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One line: "✓ streaming  …"; what fix() collected stands below it. */
void say(struct doctor *d, enum state state, const char *name,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* --- doctor_cure.c -------------------------------------------------------- */

/* Which web server calls itself so? */
enum server server_of(struct str header);

/* fix() with the line of this server; of each, when it is not known. */
void cure(struct doctor *d, enum cure cure);

/* --- checks --------------------------------------------------------------- */

/* doctor_web.c: false when nothing else can be asked. */
bool check_weir(struct doctor *d);
void check_links(struct doctor *d, const struct heard *h);
void check_tls(struct doctor *d, const struct heard *h);
void check_clock(struct doctor *d, const struct heard *h);
bool check_key(struct doctor *d);
void check_limit(struct doctor *d);

/* doctor_call.c */
void check_stream(struct doctor *d);
void check_silence(struct doctor *d);
void check_call(struct doctor *d, const char *model);

/* doctor_files.c */
void check_private(struct doctor *d);
void check_files(struct doctor *d);

#endif
