/* SPDX-License-Identifier: MIT */
/* setting.c - named values that all processes share; see setting.h. */
#include "db/setting.h"

#include <arpa/inet.h>
#include <ctype.h>

enum { GET, PUT, DROP, GENERATION, BUMP, N_SQL };
static const char *const sql[N_SQL] = {
	[GET] = "SELECT value FROM setting WHERE name = ?1",
	[PUT] = "INSERT INTO setting(name, value) VALUES (?1, ?2) "
		"ON CONFLICT (name) DO UPDATE SET value = excluded.value",
	[DROP] = "DELETE FROM setting WHERE name = ?1",
	[GENERATION] = "SELECT CAST(value AS INTEGER) FROM setting "
		       "WHERE name = 'generation'",
	[BUMP] = "UPDATE setting SET value = CAST(value AS INTEGER) + 1 "
		 "WHERE name = 'generation'",
};
const struct db_part setting_part = { "setting", sql, N_SQL };

int
setting_get(struct db *db, struct arena *a, struct str name,
    struct str *value)
{
	struct row *row;
	int n = db_one(db, &setting_part, GET, &row, "s", name);

	if (n == 1)
		*value = arena_str(a, row_str(row, 0));
	return n;
}

bool
setting_set(struct db *db, struct str name, struct str value)
{
	int n = value.p
	    ? db_run(db, &setting_part, PUT, "ss", name, value)
	    : db_run(db, &setting_part, DROP, "s", name);

	return n >= 0 && setting_bump(db);
}

int64_t
setting_generation(struct db *db)
{
	struct row *row;

	return db_one(db, &setting_part, GENERATION, &row, "") == 1
	    ? row_int(row, 0)
	    : -1;
}

bool
setting_bump(struct db *db)
{
	return db_run(db, &setting_part, BUMP, "") == 1;
}

bool
name_valid(struct str name)
{
	if (name.n < 1 || name.n > 64)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!name.p[i] || (!isalnum((unsigned char)name.p[i]) &&
			!strchr("._:/@-", name.p[i])))
			return false;
	return true;
}

bool
pattern_valid(struct str name)
{
	if (name.n > 0 && name.p[name.n - 1] == '*')
		return name.n == 1 ||
		    name_valid(str_from(name.p, name.n - 1));
	return name_valid(name);
}

bool
network_valid(struct arena *a, struct str s, struct str *full)
{
	struct str rest = s, host = str_cut(&rest, '/');
	struct str z = arena_str(a, host);
	unsigned char raw[16];
	int64_t bits = 0, prefix;

	if (inet_pton(AF_INET, z.p, raw) == 1)
		bits = 32;
	else if (inet_pton(AF_INET6, z.p, raw) == 1)
		bits = 128;
	prefix = bits;
	if (!bits || z.n != strlen(z.p) || (host.n < s.n &&
	    (!str_int(rest, &prefix) || prefix < 0 || prefix > bits)))
		return false;
	*full = arena_printf(a, "%s/%lld", z.p, (long long)prefix);
	return true;
}
