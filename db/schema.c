/* SPDX-License-Identifier: MIT */
/* schema.c - the tables, version by version; see schema.h. */
#include "db/schema.h"

#include <stdio.h>

/* Made from db/schema by the build. */
extern const char *const schema_sql[];

bool
schema_migrate(struct db *db, int64_t version)
{
	char text[96];

	for (int v = (int)version; v < schema_count; v++) {
		snprintf(text, sizeof(text),
		    "UPDATE schema SET version = %d WHERE id = 1", v + 1);
		if (!db_script(db, schema_sql[v]) || !db_script(db, text))
			return false;
	}
	return true;
}
