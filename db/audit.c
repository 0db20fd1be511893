/* SPDX-License-Identifier: MIT */
/*
 * audit.c - who changed what; see audit.h.
 *
 * A line's chain value is the keyed hash of the line before's and of its own
 * members, each with its length before it.  Who can write the database but
 * does not have the hash key cannot change, drop or insert a line unseen;
 * only lines cut off at the end are not missed.
 */
#include "db/audit.h"

#include "db/group.h"
#include "fcgi/base/buf.h"

enum { LAST, ADD, LIST, ALL, N_SQL };
static const char *const sql[N_SQL] = {
	[LAST] = "SELECT id, chain FROM audit "
		 "WHERE id = (SELECT max(id) FROM audit)",
	[ADD] = "INSERT INTO audit(id, at, actor, action, object, detail, "
		"chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[LIST] = "SELECT id, at, actor, action, object, detail FROM audit "
		 "WHERE id < ?1 ORDER BY id DESC LIMIT 1000",
	[ALL] = "SELECT id, at, actor, action, object, detail, chain "
		"FROM audit WHERE id > ?1 ORDER BY id LIMIT 1000",
};
const struct db_part audit_part = { "audit", sql, N_SQL };

static void
put(struct buf *b, struct str s)
{
	buf_int(b, (int64_t)s.n);
	buf_char(b, ':');
	buf_put(b, s);
}

static bool
link_of(const struct vault *v, struct str before, const struct audit_row *r,
    uint8_t out[static VAULT_HASH])
{
	struct buf b = BUF_HEAP(1 << 20);
	bool ok;

	put(&b, before);
	buf_int(&b, r->id);
	buf_char(&b, ' ');
	buf_int(&b, r->at);
	buf_char(&b, ' ');
	put(&b, r->actor);
	put(&b, r->action);
	put(&b, r->object);
	put(&b, r->detail);
	ok = !b.full;
	vault_mac(v, "audit", buf_str(&b), out);
	buf_release(&b);
	return ok;
}

bool
audit_add(struct db *db, const struct vault *v, struct str actor,
    struct str action, struct str object, struct str detail)
{
	struct audit_row r = { .id = 1, .at = db_now(db), .actor = actor,
		.action = action, .object = object, .detail = detail };
	struct str before = S("");
	uint8_t chain[VAULT_HASH];
	struct row *row;
	int n = db_one(db, &audit_part, LAST, &row, "");

	if (n < 0)
		return false;
	if (n == 1) {
		r.id = row_int(row, 0) + 1;
		before = row_bytes(row, 1);
	}
	return link_of(v, before, &r, chain) &&
	    db_run(db, &audit_part, ADD, "iissssb", r.id, r.at, actor, action,
		object, detail, chain, sizeof(chain)) == 1;
}

static void
read_row(struct arena *a, struct row *row, struct audit_row *r)
{
	*r = (struct audit_row){
		.id = row_int(row, 0),
		.at = row_int(row, 1),
		.actor = arena_str(a, row_str(row, 2)),
		.action = arena_str(a, row_str(row, 3)),
		.object = arena_str(a, row_str(row, 4)),
		.detail = arena_str(a, row_str(row, 5)),
	};
}

int
audit_list(struct db *db, struct arena *a, int64_t before,
    struct audit_row **list)
{
	struct row *row = db_each(db, &audit_part, LIST, "i",
	    before ? before : INT64_MAX);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

int
audit_check(struct db *db, const struct vault *v, int64_t *bad)
{
	uint8_t chain[VAULT_HASH];
	struct str before = S("");
	int64_t last = 0;
	int n;

	do {
		struct row *row = db_each(db, &audit_part, ALL, "i", last);
		int got;

		for (n = 0; (got = db_next(row)) == 1; n++) {
			struct audit_row r;
			struct arena a;
			bool good;

			arena_init(&a);
			read_row(&a, row, &r);
			good = r.id == last + 1 &&
			    link_of(v, before, &r, chain) &&
			    str_eq(row_bytes(row, 6),
				str_from(chain, sizeof(chain)));
			arena_release(&a);
			last = r.id;
			before = str_from(chain, sizeof(chain));
			if (!good) {
				*bad = r.id;
				db_reset(row);
				return 0;
			}
		}
		if (got < 0)
			return -1;
	} while (n == 1000);
	return 1;
}
