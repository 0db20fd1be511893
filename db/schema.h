/* SPDX-License-Identifier: MIT */
/*
 * schema.h - the tables, version by version (db/schema/NNN.sql).
 */
#ifndef WEIR_SCHEMA_H
#define WEIR_SCHEMA_H

#include "db/db.h"

/* The version this program knows; what a database of it has. */
extern const int schema_count;

/* "weir" in a database's header (application_id). */
enum { SCHEMA_APPLICATION = 0x77656972 };

/*
 * Runs the files after `version`, inside a transaction of the caller's: all
 * of them or none.  False: the database failed.
 */
bool schema_migrate(struct db *db, int64_t version);

#endif
