/* SPDX-License-Identifier: MIT */
/*
 * account.h - who pays: accounts and their projects.
 *
 * Handled as group.h says.  account_put of a new account also makes its
 * wallet and its project `default`.  Keys are in key.h, money in ledger.h,
 * limits on spending in cap.h.
 */
#ifndef WEIR_ACCOUNT_H
#define WEIR_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

struct account_row {
	int64_t id;
	struct str name;
	int64_t grp;
	int64_t markup_ppm;		/* -1: its group's */
	int64_t created;		/* UTC ms */
	bool enabled;
	struct str note;
};

void account_blank(struct account_row *c, struct str name);
int account_find(struct db *db, struct arena *a, struct str name,
    struct account_row *c);
int account_get(struct db *db, struct arena *a, int64_t id,
    struct account_row *c);		/* by its id */
bool account_put(struct db *db, struct account_row *c);
int account_list(struct db *db, struct arena *a, struct str after,
    struct account_row **list);

struct project_row {
	int64_t id, account;
	struct str name;
	bool enabled;
	struct str note;
};

void project_blank(struct project_row *p, int64_t account, struct str name);
int project_find(struct db *db, struct arena *a, int64_t account,
    struct str name, struct project_row *p);
int project_get(struct db *db, struct arena *a, int64_t id,
    struct project_row *p);
bool project_put(struct db *db, struct project_row *p);
int project_list(struct db *db, struct arena *a, int64_t account,
    struct str after, struct project_row **list);

#endif
