/* SPDX-License-Identifier: MIT */
/*
 * visit.h - who asks for a page, and may they?
 *
 * The guard of the routes that name somebody (struct route, `who`): a browser
 * with a session, or a program with an administrator's token.  Nothing behind
 * it looks at cookies, tokens or origins again.
 *
 * What a browser posts must come from a page of ours: it carries the session's
 * CSRF token, and where the browser says where it comes from (Origin,
 * Sec-Fetch-Site), that is here.  A token needs neither, for no browser sends
 * one by itself.
 */
#ifndef WEIR_PAGE_VISIT_H
#define WEIR_PAGE_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/base/str.h"

struct db;
struct request;

/* A set of these is a route's `who`. */
enum role {
	ROLE_OWNER = 1,			/* of the site, as the next two */
	ROLE_OPERATOR = 2,
	ROLE_AUDITOR = 4,		/* sees, changes nothing */
	ROLE_HOLDER = 8,		/* of an account: its owner */
	ROLE_MEMBER = 16,		/* sees, changes nothing of money */
	ROLE_GUEST = 32,		/* need not be signed in */
	ROLE_BROWSER = 64		/* no role: not with a token */
};
#define ROLES_OPERATE	(ROLE_OWNER | ROLE_OPERATOR)
#define ROLES_SITE	(ROLES_OPERATE | ROLE_AUDITOR)
#define ROLES_ACCOUNT	(ROLE_HOLDER | ROLE_MEMBER)
#define ROLES_ANY	(ROLES_SITE | ROLES_ACCOUNT)

enum { CSRF_CHARS = 33, FORM_BYTES = 65536 };

struct visitor {
	enum role role;
	int64_t user;			/* 0: a guest */
	int64_t account;		/* 0: of the site */
	int64_t session, token;		/* one of them, or none: a guest */
	struct str login, account_name;
	char csrf[CSRF_CHARS];		/* empty without a session */
};

/* The roles of a set in words: "owner operator", into the arena. */
struct arena;
struct str roles_text(struct arena *a, unsigned roles);

/*
 * machine_conf.guard, with the loop's reading connection: rq->visitor is set,
 * or it was answered.  Reads one row; a session's `seen` is written later.
 */
bool visit_guard(struct request *rq, struct db *db);

/* Is it JSON that is wanted? */
bool visit_json(const struct request *rq);

/*
 * The session's cookie: over HTTPS, or plain on the machine's own loopback;
 * false: neither, so nobody may sign in.
 */
bool visit_may_sign_in(const struct request *rq);

/* Sets the cookie (a secret), or takes it away (empty). */
void visit_cookie(struct request *rq, struct str secret);

/* The secret of the cookie that came, or empty. */
struct str visit_secret(const struct request *rq);

/* An answer without a page of its own: a status and a text's name. */
void visit_refuse(struct request *rq, int status, const char *text);

#endif
