/* SPDX-License-Identifier: MIT */
/*
 * find.c - walking over the objects of a noun, and picking one by its name.
 *
 * An object that stands in another (a key in a project of an account) is
 * named by its own name where that is enough, else by the names from the top.
 */
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"

struct walk {
	struct db *db;
	struct arena *arena;
	const struct noun *chain[DEEPEST];	/* from the top */
	int last;
	const struct str *want;
	bool (*visit)(void *arg, const struct found *f);
	void *arg;
};

static bool
step(struct walk *w, int level, struct found *f)
{
	const struct noun *n = w->chain[level];
	void *object = arena_zero(w->arena, n->size);
	const struct above up = f->up;
	struct names names = { 0 };

	if (w->want[level].n) {
		names.list = arena_alloc(w->arena, sizeof(*names.list));
		names.list[names.n++] = w->want[level];
	} else if (!n->names(w->db, w->arena, &up, &names)) {
		return false;
	}
	for (size_t i = 0; i < names.n; i++) {
		int found = n->load(w->db, w->arena, &up, names.list[i],
		    object);

		if (found < 0)
			return false;
		if (found == 0)
			continue;
		f->path[level] = names.list[i];
		f->up = up;
		if (level == w->last) {
			f->object = object;
			if (!w->visit(w->arg, f))
				return false;
		} else if (!n->enter(w->db, w->arena, object, &f->up) ||
		    !step(w, level + 1, f)) {
			return false;
		}
	}
	return true;
}

bool
noun_walk(struct db *db, struct arena *a, const struct noun *n,
    const struct str path[static DEEPEST],
    bool (*visit)(void *arg, const struct found *f), void *arg)
{
	struct walk w = { .db = db, .arena = a, .want = path, .visit = visit,
		.arg = arg };
	struct found f = { .noun = n };

	for (const struct noun *p = n; p->parent; p = p->parent)
		w.last++;
	f.depth = w.last + 1;
	for (int level = w.last; level >= 0; level--, n = n->parent)
		w.chain[level] = n;
	return step(&w, 0, &f);
}

struct str
found_name(struct arena *a, const struct found *f)
{
	struct buf b = BUF(a, 1024);

	for (int i = 0; i < f->depth; i++) {
		/* The project default goes without saying. */
		if (i == 1 && f->depth == 3 && str_eq(f->path[1],
		    S("default")))
			continue;
		if (b.n)
			buf_char(&b, '/');
		buf_put(&b, f->path[i]);
	}
	return buf_str(&b);
}

/* --- picking one ---------------------------------------------------------- */

struct pick {
	struct ctl *c;
	struct found *f;
	int n;
	struct buf all;			/* what fits, for the error */
};

static bool
pick_one(void *arg, const struct found *f)
{
	struct pick *p = arg;
	void *copy;

	buf_printf(&p->all, "%s\"", p->n ? ", " : "");
	for (int i = 0; i < f->depth; i++)
		buf_printf(&p->all, "%s%.*s", i ? " " : "",
		    STR_ARGS(f->path[i]));
	buf_char(&p->all, '"');
	if (p->n++ == 0) {
		copy = arena_alloc(&p->c->arena, f->noun->size);
		memcpy(copy, f->object, f->noun->size);
		*p->f = *f;
		p->f->object = copy;
	}
	return p->n < 10;
}

bool
noun_pick(struct ctl *c, struct db *db, const struct noun *n,
    const char *const *words, int n_words, struct found *f)
{
	struct pick p = { .c = c, .f = f, .all = BUF(&c->arena, 4096) };
	struct str path[DEEPEST] = { { 0 } };
	int depth = 1;

	for (const struct noun *up = n->parent; up; up = up->parent)
		depth++;
	if (n_words > depth)
		return refuse(c, "a %s is named by %d words at most",
		    n->word, depth);
	for (int i = 0; i < n_words - 1; i++)
		path[i] = str_of(words[i]);
	path[depth - 1] = str_of(words[n_words - 1]);
	if (!noun_walk(db, &c->arena, n, path, pick_one, &p) && p.n < 2)
		return false;
	if (p.n == 0)
		return refuse(c, "there is no %s %s%s%s%s%s; weirctl %s list "
		    "shows what there is", n->word, words[0],
		    n_words > 1 ? " " : "", n_words > 1 ? words[1] : "",
		    n_words > 2 ? " " : "", n_words > 2 ? words[2] : "",
		    n->word);
	if (p.n > 1)
		return refuse(c, "\"%s\" could be %s: say which one",
		    words[n_words - 1], buf_text(&p.all));
	return true;
}

bool
key_pick(struct ctl *c, struct found *f)
{
	const char *account = opt(c, "account"), *project = opt(c, "project");
	const char *words[DEEPEST];
	int n = 0;

	if (project && !account)
		return refuse(c, "--project needs --account: whose project?");
	if (account)
		words[n++] = account;
	if (project)
		words[n++] = project;
	words[n++] = opt(c, "key");
	return noun_pick(c, c->db, &noun_key, words, n, f);
}
