/* SPDX-License-Identifier: MIT */
/*
 * account.h - who pays: accounts, their projects, and caps on spending.
 *
 * Handled as group.h says.  account_put of a new account also makes its
 * wallet and its project `default`.  Keys are in key.h, money in ledger.h.
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
	int64_t created;		/* UTC ms */
	bool enabled;
	struct str note;
};

void account_blank(struct account_row *c, struct str name);
int account_find(struct db *db, struct arena *a, struct str name,
    struct account_row *c);
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
bool project_put(struct db *db, struct project_row *p);
int project_list(struct db *db, struct arena *a, int64_t account,
    struct str after, struct project_row **list);

/* Whose cap it is; the owner of a site's is 0. */
enum cap_owner { CAP_SITE, CAP_ACCOUNT, CAP_PROJECT, CAP_KEY, N_CAP_OWNERS };
enum cap_window { CAP_HOUR, CAP_DAY, CAP_WEEK, CAP_MONTH, CAP_TOTAL,
	N_CAP_WINDOWS };
extern const char *const cap_owners[N_CAP_OWNERS];
extern const char *const cap_windows[N_CAP_WINDOWS];

/*
 * The caps of one owner, nano-dollars by window (-1: none).  cap_set
 * replaces all; what the owner spent or holds in a window that was not
 * capped before is counted up then, so a new cap counts from the window's
 * beginning.
 */
struct caps {
	int64_t amount[N_CAP_WINDOWS];
};
bool cap_get(struct db *db, enum cap_owner kind, int64_t owner,
    struct caps *caps);
bool cap_set(struct db *db, enum cap_owner kind, int64_t owner,
    const struct caps *caps);

/* When the windows running now began (UTC ms, in the site's time zone); the
 * one of `total` at 0. */
void cap_starts(struct db *db, int64_t starts[N_CAP_WINDOWS]);

/* How hold.windows names a window: "kd1763769600000 ". */
enum { CAP_ITEM = 32 };
struct str cap_item(enum cap_owner kind, enum cap_window window,
    int64_t start, char out[CAP_ITEM]);

/* What is spent and held in the window running now (0 where there is no
 * cap), and when each began (UTC ms). */
bool cap_spent(struct db *db, enum cap_owner kind, int64_t owner,
    struct caps *spent, int64_t starts[N_CAP_WINDOWS]);

#endif
