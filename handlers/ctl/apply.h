/* SPDX-License-Identifier: MIT */
/*
 * apply.h - the catalogue, as JSON, made so.
 *
 * Everything runs in the caller's write transaction: when apply_text says
 * false the caller rolls back, and nothing has changed.
 */
#ifndef WEIR_CTL_APPLY_H
#define WEIR_CTL_APPLY_H

#include "handlers/ctl/noun.h"

enum fate { FATE_LEFT, FATE_CREATED, FATE_CHANGED, FATE_OFF, N_FATES };
extern const char *const fates[N_FATES];

struct applied {
	enum fate fate;
	const struct noun *noun;
	struct str name;		/* "alice/app" */
	struct str members;		/* "priority, weight", of a change */
	const char *remark;		/* or NULL */
};

struct apply {
	struct reading r;		/* all of it but `why` is given */
	struct str actor;		/* for the audit */
	bool prune;

	/* out */
	struct applied *list;		/* in the reading's arena */
	size_t n, room;
	size_t count[N_FATES];
};

/* False: a->r.why is one line that says what is wrong, and where. */
bool apply_text(struct apply *a);

/*
 * Can each fallback of a model in the store serve in its stead?  For the end
 * of a change, when everything is written; root is the whole text.
 */
bool apply_fallback(struct apply *a, const struct place *root);

/* Has no alias of a model another meaning?  Likewise. */
bool apply_alias(struct apply *a, const struct place *root);

#endif
