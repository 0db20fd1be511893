/* SPDX-License-Identifier: MIT */
/*
 * signin.h - signing in and out, and what everybody signed in has: his
 * password and his sessions.
 */
#ifndef WEIR_PAGE_SIGNIN_H
#define WEIR_PAGE_SIGNIN_H

struct leaf;

extern const struct leaf leaf_signin;		/* GET, POST /signin */
extern const struct leaf leaf_signout;		/* POST /signout */
extern const struct leaf leaf_profile;		/* GET /profile */
extern const struct leaf leaf_password;		/* POST /profile/password */
extern const struct leaf leaf_session_end;	/* POST …/sessions/{}/end */

#endif
