/* SPDX-License-Identifier: MIT */
/*
 * model.h - models; their prices are in tariff.h.
 *
 * Handled as group.h says.
 */
#ifndef WEIR_MODEL_H
#define WEIR_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"
#include "db/tariff.h"

struct model_row {
	int64_t id;
	struct str name;		/* may end in '*' */
	int64_t context, max_output;	/* 0: unknown */
	bool free;
	struct str fallback, aliases;	/* JSON lists; "[]": none */
	struct str capabilities;	/* JSON object */
	bool enabled;
	struct str note;
};

void model_blank(struct model_row *m, struct str name);
int model_find(struct db *db, struct arena *a, struct str name,
    struct model_row *m);
int model_get(struct db *db, struct arena *a, int64_t id,
    struct model_row *m);
bool model_put(struct db *db, struct model_row *m);
int model_list(struct db *db, struct arena *a, struct str after,
    struct model_row **list);

/* Those that have a list of fallbacks, off or on: as model_list. */
int model_fallbacks(struct db *db, struct arena *a, struct str after,
    struct model_row **list);

/*
 * A capability's value as a list of words has it, in the arena: true and false
 * are "yes" and "no", a list is "a,b".  Empty: it cannot stand in one.
 */
struct str model_capability(struct arena *a, struct str value);

/* All of them, "name=value name=value", in the arena. */
struct str model_capabilities(struct arena *a, struct str object);

#endif
