/* SPDX-License-Identifier: MIT */
/*
 * user.h - making a user, which init does as well.
 */
#ifndef WEIR_CTL_USER_H
#define WEIR_CTL_USER_H

#include "handlers/ctl/ctl.h"

struct making {
	struct str login, account, role;	/* account empty: of the site */
	char hash[128];				/* Argon2id */
};

/* For change(); arg is a struct making. */
bool user_make(struct ctl *c, struct db *db, void *arg);

#endif
