/* SPDX-License-Identifier: MIT */
/*
 * apply_alias.c - does every alias mean one model?
 *
 * A name may move from one model to another in a change, whichever comes
 * first in its text: so all names of the store are looked at when everything
 * was written.  Models that are off keep their names.
 */
#include <stdlib.h>

#include "db/group.h"
#include "db/model.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/apply.h"
#include "handlers/ctl/kind.h"

struct called {
	struct str name;		/* first, for by_name */
	struct str model;		/* whose; the same: it is its own */
};

struct callings {
	struct arena *arena;
	struct called *list;
	size_t n, room;
	bool aliases;			/* there are some */
};

static void
add(struct callings *k, struct str name, struct str model)
{
	struct called *more;

	if (k->n == k->room) {
		k->room = k->room * 2 + 256;
		more = arena_alloc(k->arena, k->room * sizeof(*more));
		if (k->n)
			memcpy(more, k->list, k->n * sizeof(*more));
		k->list = more;
	}
	k->list[k->n++] = (struct called){ name, model };
}

static void
take(struct callings *k, const struct model_row *m)
{
	struct json_each each = json_each(m->aliases);

	add(k, m->name, m->name);
	while (json_next(&each)) {
		k->aliases = true;
		add(k, json_text(k->arena, each.value), m->name);
	}
}

static bool
read_all(struct db *db, struct callings *k)
{
	struct str after = S("");
	struct model_row *page;
	int n;

	do {
		n = model_list(db, k->arena, after, &page);
		for (int i = 0; i < n; i++)
			take(k, &page[i]);
		if (n > 0)
			after = page[n - 1].name;
	} while (n == LIST_MAX);
	return n >= 0;
}

static bool
is_alias(const struct called *c)
{
	return !str_eq(c->name, c->model);
}

static bool
twice(struct apply *a, const struct place *root, const struct called *x,
    const struct called *y)
{
	struct place at = place_in(root, S("models"));

	if (!is_alias(x) && !is_alias(y))
		return wrong(&a->r, &at, "model \"%.*s\" has its own name "
		    "among its aliases: take it out", STR_ARGS(x->name));
	if (!is_alias(x)) {
		const struct called *own = x;

		x = y;
		y = own;
	}
	if (!is_alias(y))
		return wrong(&a->r, &at, "\"%.*s\" is a model, so model "
		    "\"%.*s\" cannot have it among its aliases",
		    STR_ARGS(x->name), STR_ARGS(x->model));
	return wrong(&a->r, &at, "the models \"%.*s\" and \"%.*s\" both have "
	    "the alias \"%.*s\": leave it to one", STR_ARGS(x->model),
	    STR_ARGS(y->model), STR_ARGS(x->name));
}

bool
apply_alias(struct apply *a, const struct place *root)
{
	struct callings k = { .arena = a->r.arena };

	if (!read_all(a->r.db, &k))
		return lost(&a->r);
	if (!k.aliases)
		return true;
	qsort(k.list, k.n, sizeof(*k.list), by_name);
	for (size_t i = 1; i < k.n; i++)
		if (str_eq(k.list[i - 1].name, k.list[i].name))
			return twice(a, root, &k.list[i - 1], &k.list[i]);
	return true;
}
