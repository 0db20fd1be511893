/* SPDX-License-Identifier: MIT */
/* target.c - where alerts are told; see target.h. */
#include "db/target.h"

#include <inttypes.h>

#include "db/group.h"
#include "db/setting.h"

enum { SEALED_MOST = 512 };

#define COLUMNS \
	"id, name, account, url, email, sealed, enabled, note FROM target "

enum { FIND, LIST, ADD, PUT, SEAL, MAIL, MAIL_DROP, MAIL_PUT, N_SQL };
static const char *const sql[N_SQL] = {
	[FIND] = "SELECT " COLUMNS "WHERE name = ?1",
	[LIST] = "SELECT " COLUMNS "WHERE name > ?1 ORDER BY name LIMIT 1000",
	[ADD] = "INSERT INTO target(name, account, url, email, enabled, note) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[PUT] = "UPDATE target SET name = ?1, account = ?2, url = ?3, "
		"email = ?4, enabled = ?5, note = ?6 WHERE id = ?7",
	[SEAL] = "UPDATE target SET sealed = ?2 WHERE id = ?1",
	[MAIL] = "SELECT url, sender, user, sealed FROM mail WHERE id = 1",
	[MAIL_DROP] = "DELETE FROM mail WHERE id = 1",
	[MAIL_PUT] = "INSERT INTO mail(id, url, sender, user, sealed) "
		     "VALUES (1, ?1, ?2, ?3, ?4)",
};
const struct db_part target_part = { "target", sql, N_SQL };

static const struct str none = { NULL, 0 };

static void
read_row(struct arena *a, struct row *row, struct target_row *t)
{
	*t = (struct target_row){
		.id = row_int(row, 0),
		.name = arena_str(a, row_str(row, 1)),
		.account = row_int(row, 2),
		.url = arena_str(a, row_str(row, 3)),
		.email = arena_str(a, row_str(row, 4)),
		.sealed = arena_str(a, row_bytes(row, 5)),
		.enabled = row_int(row, 6),
		.note = arena_str(a, row_str(row, 7)),
	};
}

void
target_blank(struct target_row *t, struct str name)
{
	*t = (struct target_row){ .name = name, .enabled = true };
}

int
target_find(struct db *db, struct arena *a, struct str name,
    struct target_row *t)
{
	struct row *row;
	int n = db_one(db, &target_part, FIND, &row, "s", name);

	if (n == 1)
		read_row(a, row, t);
	return n;
}

bool
target_put(struct db *db, struct target_row *t)
{
	const int64_t *account = t->account ? &t->account : NULL;
	struct str url = t->url.n ? t->url : none;
	struct str email = t->email.n ? t->email : none;
	bool ok;

	if (t->id) {
		ok = db_run(db, &target_part, PUT, "sISSisi", t->name, account,
			 url, email, (int64_t)t->enabled, t->note,
			 t->id) == 1;
	} else {
		ok = db_run(db, &target_part, ADD, "sISSis", t->name, account,
			 url, email, (int64_t)t->enabled, t->note) == 1;
		t->id = ok ? db_last_id(db) : 0;
	}
	return ok && setting_bump(db);
}

int
target_list(struct db *db, struct arena *a, struct str after,
    struct target_row **list)
{
	struct row *row = db_each(db, &target_part, LIST, "s", after);
	int n = 0;

	*list = arena_alloc(a, LIST_MAX * sizeof(**list));
	while (n < LIST_MAX && db_next(row) == 1)
		read_row(a, row, &(*list)[n++]);
	db_reset(row);
	return db_failed(db) ? -1 : n;
}

/* --- secrets -------------------------------------------------------------- */

static struct str
bound_row(int64_t id, struct buf *b)
{
	buf_printf(b, "target %" PRId64, id);
	return buf_str(b);
}

static struct str
seal(const struct vault *v, struct arena *a, struct str bound,
    struct str secret)
{
	struct buf b = BUF(a, SEALED_MOST);

	vault_seal_text(v, bound, secret, &b);
	return buf_str(&b);
}

bool
target_seal(struct db *db, const struct vault *v, struct target_row *t,
    struct str secret)
{
	struct buf bound = BUF_HEAP(64);
	struct arena a;
	struct str s;
	bool ok;

	arena_init(&a);
	s = seal(v, &a, bound_row(t->id, &bound), secret);
	ok = db_run(db, &target_part, SEAL, "ib", t->id, s.p, s.n) == 1;
	arena_release(&a);
	buf_release(&bound);
	return ok;
}

int
target_open(const struct vault *v, int64_t id, struct str sealed,
    char out[static TARGET_SECRET_MOST])
{
	struct buf bound = BUF_HEAP(64);
	int n = vault_open_text(v, bound_row(id, &bound), sealed, out,
	    TARGET_SECRET_MOST);

	buf_release(&bound);
	return n;
}

bool
target_same(const struct vault *v, const struct target_row *t,
    struct str secret)
{
	char is[TARGET_SECRET_MOST];
	int n = target_open(v, t->id, t->sealed, is);
	bool same = n >= 0 && str_eq(str_from(is, (size_t)n), secret);

	vault_wipe(is, sizeof(is));
	return same;
}

int
target_key(struct str secret, char key[static TARGET_SECRET_MOST])
{
	enum { LEAST = 24, MOST = 64 };
	int n;

	if (!str_starts(secret, S("whsec_"))) {
		if (secret.n > TARGET_SECRET_MOST)
			return -1;
		memcpy(key, secret.p, secret.n);
		return (int)secret.n;
	}
	n = vault_base64(str_skip(secret, 6), key, TARGET_SECRET_MOST);
	return n < LEAST || n > MOST ? -1 : n;
}

/* --- the server that takes mail ------------------------------------------- */

static struct str
bound_mail(const struct mail_row *m, struct buf *b)
{
	buf_printf(b, "mail %.*s %.*s", STR_ARGS(m->user), STR_ARGS(m->url));
	return buf_str(b);
}

int
mail_get(struct db *db, struct arena *a, struct mail_row *m)
{
	struct row *row;
	int n = db_one(db, &target_part, MAIL, &row, "");

	*m = (struct mail_row){ S(""), S(""), S(""), S("") };
	if (n == 1)
		*m = (struct mail_row){
			.url = arena_str(a, row_str(row, 0)),
			.sender = arena_str(a, row_str(row, 1)),
			.user = arena_str(a, row_str(row, 2)),
			.sealed = arena_str(a, row_bytes(row, 3)),
		};
	return n;
}

bool
mail_put(struct db *db, const struct mail_row *m)
{
	if (db_run(db, &target_part, MAIL_DROP, "") < 0)
		return false;
	return (m->url.n == 0 || db_run(db, &target_part, MAIL_PUT, "sssb",
	    m->url, m->sender, m->user, m->sealed.p ? m->sealed.p : "",
	    m->sealed.n) == 1) && setting_bump(db);
}

void
mail_seal(const struct vault *v, struct arena *a, struct mail_row *m,
    struct str password)
{
	struct buf bound = BUF_HEAP(4096);

	m->sealed = seal(v, a, bound_mail(m, &bound), password);
	buf_release(&bound);
}

int
mail_open(const struct vault *v, const struct mail_row *m,
    char out[static TARGET_SECRET_MOST])
{
	struct buf bound = BUF_HEAP(4096);
	int n = m->sealed.n == 0 ? 0 : vault_open_text(v,
	    bound_mail(m, &bound), m->sealed, out, TARGET_SECRET_MOST);

	buf_release(&bound);
	return n;
}

/* --- a new data key ------------------------------------------------------- */

static int
reseal_mail(struct db *db, struct arena *a, const struct vault *was,
    const struct vault *is, struct str *bad)
{
	char secret[TARGET_SECRET_MOST];
	struct mail_row m;
	int n, got = mail_get(db, a, &m);

	if (got != 1 || m.sealed.n == 0)
		return got < 0 ? -1 : 0;
	n = mail_open(was, &m, secret);
	if (n < 0) {
		*bad = S("the mail server's password");
		return -1;
	}
	mail_seal(is, a, &m, str_from(secret, (size_t)n));
	vault_wipe(secret, sizeof(secret));
	return mail_put(db, &m) ? 1 : -1;
}

int
targets_reseal(struct db *db, struct arena *a, const struct vault *was,
    const struct vault *is, struct str *bad)
{
	char secret[TARGET_SECRET_MOST];
	struct target_row *list;
	struct str after = S("");
	int n, done = 0, mail;

	do {
		n = target_list(db, a, after, &list);
		for (int i = 0; i < n; i++) {
			int len;

			after = list[i].name;
			if (list[i].sealed.n == 0)
				continue;
			len = target_open(was, list[i].id, list[i].sealed,
			    secret);
			if (len < 0) {
				*bad = arena_printf(a, "target %.*s",
				    STR_ARGS(after));
				return -1;
			}
			if (!target_seal(db, is, &list[i], str_from(secret,
			    (size_t)len)))
				return -1;
			vault_wipe(secret, sizeof(secret));
			done++;
		}
	} while (n == LIST_MAX);
	mail = n < 0 ? -1 : reseal_mail(db, a, was, is, bad);
	return mail < 0 ? -1 : done + mail;
}
