/* SPDX-License-Identifier: MIT */
/*
 * audit.h - who changed what, each line bound to the one before it.
 */
#ifndef WEIR_AUDIT_H
#define WEIR_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/vault.h"

/*
 * Adds a line.  actor: "weirctl root", "user alice"; action: "grant";
 * object: "account alice"; detail: free text without secrets.
 */
bool audit_add(struct db *db, const struct vault *v, struct str actor,
    struct str action, struct str object, struct str detail);

struct audit_row {
	int64_t id, at;			/* UTC ms */
	struct str actor, action, object, detail;
};
/* Newest first, ids below `before` (0: from the newest); how many, or -1. */
int audit_list(struct db *db, struct arena *a, int64_t before,
    struct audit_row **list);

/* 1: the chain is whole; 0: *bad is the first line that was changed; -1. */
int audit_check(struct db *db, const struct vault *v, int64_t *bad);

#endif
