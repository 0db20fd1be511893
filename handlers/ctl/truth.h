/* SPDX-License-Identifier: MIT */
/*
 * truth.h - an upstream's own log, joined with the ledger.
 */
#ifndef WEIR_CTL_TRUTH_H
#define WEIR_CTL_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/base/id.h"
#include "handlers/ctl/ctl.h"

/* What the upstream saw of one call. */
struct seen {
	char id[ID_CHARS];
	int requests;
	bool served;		/* content was sent, and the answer whole */
	bool honest;		/* and the usage it reported is what it used */
	int64_t in, out;	/* tokens of the answer that was served */

	/* of the ledger, by truth_check */
	int attempts;
	bool known;
};

struct truth {
	struct seen *list;	/* heap; by id */
	size_t n, room;
	int64_t requests;
};

/* False: it was said why. */
bool truth_load(struct ctl *c, const char *path, struct truth *t);
void truth_release(struct truth *t);

/* 1: all is accounted for; 0: *first is the first difference; -1: the
 * database failed. */
int truth_check(struct ctl *c, struct truth *t, struct str *first);

#endif
