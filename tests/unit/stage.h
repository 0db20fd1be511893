/* SPDX-License-Identifier: MIT */
/*
 * stage.h - a store for each test, and catalogues that are applied to it: what
 * the tests of apply share.
 */
#ifndef WEIR_TEST_STAGE_H
#define WEIR_TEST_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/setting.h"
#include "db/store.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/apply.h"

struct stage {
	struct arena arena;
	char dir[64];
	struct store *store;
	struct db *db;
	struct apply last;
	bool prune;
};

static inline int
set_up(void **state)
{
	struct stage *s = xnew(struct stage);
	struct str why = S("");

	snprintf(s->dir, sizeof(s->dir), "/tmp/weir-apply-XXXXXX");
	if (!mkdtemp(s->dir) || !store_init(s->dir, NULL, &s->arena, &why))
		goto out;
	s->store = store_open(s->dir, NULL, "weirctl", &s->arena, &why);
	s->db = s->store ? store_reader(s->store, &s->arena, &why) : NULL;
out:
	if (!s->db)
		fprintf(stderr, "%.*s\n", STR_ARGS(why));
	*state = s;
	return s->db ? 0 : -1;
}

static inline int
tear_down(void **state)
{
	struct stage *s = *state;
	DIR *d = opendir(s->dir);
	struct dirent *e;

	db_close(s->db);
	store_close(s->store);
	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(s->dir);
	arena_release(&s->arena);
	free(s);
	return 0;
}

static inline bool
work(struct db *db, void *arg)
{
	struct stage *s = arg;

	s->last.r.db = db;
	s->last.r.now = db_now(db);
	return apply_text(&s->last);
}

/* NULL when it was applied, else what was wrong. */
static inline const char *
apply(struct stage *s, const char *text)
{
	s->last = (struct apply){ .prune = s->prune, .actor = S("test"),
		.r = { .arena = &s->arena, .file = S("cat"),
		.text = str_of(text), .vault = store_vault(s->store) } };
	if (store_write(s->store, false, work, s))
		return NULL;
	return arena_str(&s->arena, s->last.r.why.n ? s->last.r.why :
	    S("the database failed")).p;
}

static inline void
good(struct stage *s, const char *text, size_t created, size_t changed,
    size_t off, size_t left)
{
	const char *why = apply(s, text);

	if (why)
		fail_msg("%s", why);
	assert_int_equal(s->last.count[FATE_CREATED], created);
	assert_int_equal(s->last.count[FATE_CHANGED], changed);
	assert_int_equal(s->last.count[FATE_OFF], off);
	assert_int_equal(s->last.count[FATE_LEFT], left);
}

/* Refused with these words, and nothing changed. */
static inline void
bad(struct stage *s, const char *text, const char *words)
{
	int64_t generation = setting_generation(s->db);
	const char *why = apply(s, text);

	if (!why)
		fail_msg("it was taken: %s", text);
	if (!strstr(why, words))
		fail_msg("not \"%s\" but \"%s\" for %s", words, why, text);
	assert_int_equal(setting_generation(s->db), generation);
}

#endif
