/* SPDX-License-Identifier: MIT */
/*
 * statement.c - the statements of a connection and the rows they find.
 *
 * Statements are found by the address of their part: a connection keeps an
 * array of them for each part.  db_one copies the row it found and resets
 * the statement at once, so that no statement, and with it no snapshot of a
 * reading connection, stays open between two calls.
 */
#include <assert.h>
#include <stdarg.h>

#include "db/conn.h"
#include "db/tab.h"
#include "fcgi/base/buf.h"
#include "fcgi/base/mem.h"

bool
row_prepare(struct row *row)
{
	struct db *db = row->db;
	const char *rest = NULL;
	int rc = sqlite3_prepare_v3(db->conn, row->sql, -1,
	    SQLITE_PREPARE_PERSISTENT, &row->stmt, &rest);

	if (rc != SQLITE_OK || !row->stmt) {
		db_fail(db, rc, row->sql);
		return false;
	}
	assert(rest[strspn(rest, " \n\t;")] == '\0');
	row->columns = sqlite3_column_count(row->stmt);
	row->parameters = sqlite3_bind_parameter_count(row->stmt);
	row->foreign = !sqlite3_stmt_readonly(row->stmt) &&
	    !strstr(row->sql, "/*tab*/");
	if (row->columns > 0)
		row->cells = xalloc((size_t)row->columns * sizeof(struct cell));
	return true;
}

static struct row *
statement(struct db *db, const struct db_part *part, size_t which)
{
	struct row *row;
	size_t i = 0;

	while (i < db->n_parts && db->parts[i].part != part)
		i++;
	assert(i < db->n_parts && which < part->n);
	row = &db->parts[i].rows[which];
	if (row->walking)
		db_reset(row);
	row->failed = !row->stmt && !row_prepare(row);
	row->copied = false;
	if (row->foreign && db->tab)
		tab_distrust(db->tab);
	return row;
}

static int
bind_str(sqlite3_stmt *stmt, int at, struct str s, bool keep)
{
	return sqlite3_bind_text(stmt, at, s.p ? s.p : "", (int)s.n,
	    keep ? SQLITE_TRANSIENT : SQLITE_STATIC);
}

/* keep: the values may go before the statement is done with. */
static bool
bind(struct row *row, bool keep, const char *letters, va_list ap)
{
	sqlite3_stmt *stmt = row->stmt;
	const int64_t *number;
	const void *bytes;
	struct str s;
	int at = 0, rc = SQLITE_OK;

	for (; *letters && rc == SQLITE_OK; letters++) {
		at++;
		switch (*letters) {
		case 'i':
			rc = sqlite3_bind_int64(stmt, at, va_arg(ap, int64_t));
			break;
		case 's':
			s = va_arg(ap, struct str);
			rc = bind_str(stmt, at, s, keep);
			break;
		case 'S':
			s = va_arg(ap, struct str);
			rc = s.p ? bind_str(stmt, at, s, keep)
				 : sqlite3_bind_null(stmt, at);
			break;
		case 'I':
			number = va_arg(ap, const int64_t *);
			rc = number ? sqlite3_bind_int64(stmt, at, *number)
				    : sqlite3_bind_null(stmt, at);
			break;
		case 'b':
			bytes = va_arg(ap, const void *);
			rc = sqlite3_bind_blob64(stmt, at, bytes,
			    va_arg(ap, size_t),
			    keep ? SQLITE_TRANSIENT : SQLITE_STATIC);
			break;
		case 'z':
			rc = sqlite3_bind_null(stmt, at);
			break;
		default:
			assert(!"letter");
		}
	}
	assert(rc != SQLITE_OK || at == row->parameters);
	if (rc != SQLITE_OK)
		db_fail(row->db, rc, row->sql);
	return rc == SQLITE_OK;
}

/* The row a statement stands on, into its cells. */
static void
copy(struct row *row)
{
	size_t used = 0;

	for (int c = 0; c < row->columns; c++) {
		struct cell *cell = &row->cells[c];
		const void *p;

		cell->type = sqlite3_column_type(row->stmt, c);
		if (cell->type == SQLITE_INTEGER) {
			cell->number = sqlite3_column_int64(row->stmt, c);
			continue;
		}
		cell->number = 0;
		cell->at = used;
		cell->n = 0;
		if (cell->type == SQLITE_NULL)
			continue;
		p = cell->type == SQLITE_BLOB
		    ? sqlite3_column_blob(row->stmt, c)
		    : (const void *)sqlite3_column_text(row->stmt, c);
		cell->n = (size_t)sqlite3_column_bytes(row->stmt, c);
		if (used + cell->n + 1 > row->room) {
			row->room = (used + cell->n + 1) * 2;
			row->text = xresize(row->text, row->room);
		}
		if (cell->n)
			memcpy(row->text + used, p, cell->n);
		row->text[used + cell->n] = '\0';
		used += cell->n + 1;
	}
	row->copied = true;
}

int
db_one(struct db *db, const struct db_part *part, size_t which,
    struct row **out, const char *letters, ...)
{
	struct row *row;
	va_list ap;
	bool ok;
	int rc;

	db_fresh(db);
	row = statement(db, part, which);
	*out = row;
	if (row->failed)
		return -1;
	va_start(ap, letters);
	ok = bind(row, false, letters, ap);
	va_end(ap);
	if (!ok)
		return -1;
	rc = sqlite3_step(row->stmt);
	if (rc == SQLITE_ROW)
		copy(row);
	else if (rc != SQLITE_DONE)
		db_fail(db, rc, row->sql);
	sqlite3_reset(row->stmt);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

int
db_run(struct db *db, const struct db_part *part, size_t which,
    const char *letters, ...)
{
	struct row *row;
	va_list ap;
	bool ok;
	int rc;

	db_fresh(db);
	row = statement(db, part, which);
	if (row->failed)
		return -1;
	va_start(ap, letters);
	ok = bind(row, false, letters, ap);
	va_end(ap);
	if (!ok)
		return -1;
	rc = sqlite3_step(row->stmt);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		db_fail(db, rc, row->sql);
	sqlite3_reset(row->stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? sqlite3_changes(db->conn)
						     : -1;
}

int64_t
db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->conn);
}

struct row *
db_each(struct db *db, const struct db_part *part, size_t which,
    const char *letters, ...)
{
	struct row *row;
	va_list ap;

	db_fresh(db);
	row = statement(db, part, which);
	if (!row->failed) {
		va_start(ap, letters);
		row->failed = !bind(row, true, letters, ap);
		va_end(ap);
	}
	row->walking = !row->failed;
	return row;
}

int
db_next(struct row *row)
{
	int rc;

	if (row->failed)
		return -1;
	if (!row->walking)
		return 0;
	rc = sqlite3_step(row->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE) {
		db_fail(row->db, rc, row->sql);
		row->failed = true;
	}
	db_reset(row);
	return rc == SQLITE_DONE ? 0 : -1;
}

void
db_reset(struct row *row)
{
	row->walking = false;
	if (row->stmt)
		sqlite3_reset(row->stmt);
}

int64_t
row_int(struct row *row, int column)
{
	assert(column < row->columns);
	return row->copied ? row->cells[column].number
			   : sqlite3_column_int64(row->stmt, column);
}

bool
row_null(struct row *row, int column)
{
	assert(column < row->columns);
	return (row->copied ? row->cells[column].type
			    : sqlite3_column_type(row->stmt, column)) ==
	    SQLITE_NULL;
}

static struct str
view(struct row *row, int column, bool blob)
{
	const struct cell *cell = &row->cells[column];
	const void *p;

	assert(column < row->columns);
	if (row->copied)
		return cell->type == SQLITE_NULL || cell->type == SQLITE_INTEGER
		    ? str_from(NULL, 0)
		    : str_from(row->text + cell->at, cell->n);
	p = blob ? sqlite3_column_blob(row->stmt, column)
		 : (const void *)sqlite3_column_text(row->stmt, column);
	return str_from(p, p ? (size_t)sqlite3_column_bytes(row->stmt, column)
			     : 0);
}

struct str
row_str(struct row *row, int column)
{
	return view(row, column, false);
}

struct str
row_bytes(struct row *row, int column)
{
	return view(row, column, true);
}

/* --- lint ----------------------------------------------------------------- */

/* Does the plan of a statement walk a table or an index from end to end? */
static int
scans(struct db *db, const char *sql, struct buf *found)
{
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *stmt = NULL;
	int n = 0, rc;

	rc = sqlite3_prepare_v2(db->conn, explain, -1, &stmt, NULL);
	while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *plan = (const char *)sqlite3_column_text(stmt, 3);

		if (strncmp(plan, "SCAN ", 5) == 0 &&
		    strcmp(plan, "SCAN CONSTANT ROW") != 0) {
			buf_printf(found, "%s; ", plan);
			n++;
		}
	}
	if (rc != SQLITE_OK) {
		db_fail(db, rc, sql);
		n = -1;
	}
	sqlite3_finalize(stmt);
	sqlite3_free(explain);
	return n;
}

int
db_scans(struct db *db, struct arena *a, struct str *report)
{
	struct buf out = BUF(a, 1 << 20);
	int total = 0;

	for (size_t i = 0; db_parts[i]; i++)
		for (size_t k = 0; k < db_parts[i]->n; k++) {
			const char *sql = db_parts[i]->sql[k];
			struct buf found = BUF(a, 65536);
			int n = scans(db, sql, &found);

			if (n < 0)
				return -1;
			if (n == 0 || strstr(sql, "/*scan*/"))
				continue;
			total++;
			buf_printf(&out, "%s %zu: %.*s in: %s\n",
			    db_parts[i]->name, k, STR_ARGS(buf_str(&found)),
			    sql);
		}
	*report = buf_str(&out);
	return total;
}
