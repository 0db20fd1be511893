/* SPDX-License-Identifier: MIT */
/*
 * transact.c - transactions of a connection, and its checkpoints.
 */
#include <assert.h>

#include "db/conn.h"
#include "db/frames.h"
#include "db/tab.h"
#include "fcgi/base/mem.h"

bool
db_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->conn, sql, NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		db_fail(db, rc, sql);
	return rc == SQLITE_OK;
}

bool
db_script(struct db *db, const char *sql)
{
	db_fresh(db);
	if (db->tab)
		tab_distrust(db->tab);
	return db_exec(db, sql);
}

int
db_number(struct db *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *stmt = NULL;
	int found = -1, rc;

	db_fresh(db);
	rc = sqlite3_prepare_v2(db->conn, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		found = sqlite3_column_type(stmt, 0) != SQLITE_NULL;
		*value = sqlite3_column_int64(stmt, 0);
	} else if (rc == SQLITE_DONE) {
		found = 0;
	} else {
		db_fail(db, rc, sql);
	}
	sqlite3_finalize(stmt);
	return found;
}

/* BEGIN and COMMIT, of which there is one each a batch. */
static bool
step(struct db *db, sqlite3_stmt **stmt, const char *sql)
{
	int rc = SQLITE_OK;

	if (!*stmt)
		rc = sqlite3_prepare_v3(db->conn, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, stmt, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(*stmt);
		if (rc != SQLITE_DONE)
			db_fail(db, rc, sql);
		sqlite3_reset(*stmt);
	} else {
		db_fail(db, rc, sql);
	}
	return rc == SQLITE_DONE;
}

/*
 * A number that changes when anybody commits: inside a transaction it is
 * still that of our last COMMIT if nobody else has written since.
 */
static unsigned
data_version(struct db *db)
{
	unsigned version = 0;

	sqlite3_file_control(db->conn, "main", SQLITE_FCNTL_DATA_VERSION,
	    &version);
	return version;
}

bool
db_begin(struct db *db, bool durable)
{
	assert(db->mode == DB_WRITE && !db->began);
	db->failed = false;
	db->stopped[0] = '\0';
	memset(&db->tally, 0, sizeof(db->tally));
	if (!db->tab)
		db->tab = tab_new();
	if (durable != db->durable) {
		if (!db_exec(db, durable ? "PRAGMA synchronous=FULL"
					: "PRAGMA synchronous=NORMAL"))
			return false;
		db->durable = durable;
	}
	if (!step(db, &db->begin, "BEGIN IMMEDIATE"))
		return false;
	tab_begin(db->tab, db->version && db->version == data_version(db));
	db->began = db_clock(db);
	return true;
}

bool
db_commit(struct db *db)
{
	bool ok = db->began && !db->failed;

	if (ok) {
		frames_gather(db->conn);
		ok = step(db, &db->commit, "COMMIT");
		frames_end(db->conn);
	}
	if (!ok) {
		db_rollback(db);
		return false;
	}
	db->began = 0;
	db->version = data_version(db);
	return true;
}

/*
 * After some errors (a full disk, no memory, input and output) SQLite has
 * rolled back by itself; a second ROLLBACK would be an error of its own.
 */
void
db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->conn))
		sqlite3_exec(db->conn, "ROLLBACK", NULL, NULL, NULL);
	assert(sqlite3_get_autocommit(db->conn));
	if (db->tab)
		tab_clear(db->tab);
	db->began = 0;
}

bool
db_busy(const struct db *db)
{
	return !sqlite3_get_autocommit(db->conn);
}

int64_t
db_wal_bytes(const struct db *db)
{
	return (int64_t)db->wal_pages * 4096;
}

bool
db_checkpoint(struct db *db, enum db_checkpoint how)
{
	static const int modes[] = {
		[DB_PASSIVE] = SQLITE_CHECKPOINT_PASSIVE,
		[DB_RESTART] = SQLITE_CHECKPOINT_RESTART,
		[DB_TRUNCATE] = SQLITE_CHECKPOINT_TRUNCATE,
	};
	int in_wal = 0, done = 0, rc;

	assert(db->mode == DB_WRITE && !db->began);
	/* Everybody who writes waits for this: not 2 s for one reader. */
	sqlite3_busy_timeout(db->conn, 100);
	rc = sqlite3_wal_checkpoint_v2(db->conn, NULL, modes[how], &in_wal,
	    &done);
	sqlite3_busy_timeout(db->conn, 2000);
	if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
		db->failed = false;
		db_fail(db, rc, "checkpoint");
	}
	return rc == SQLITE_OK && in_wal == done;
}
