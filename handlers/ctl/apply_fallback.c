/* SPDX-License-Identifier: MIT */
/*
 * apply_fallback.c - are all fallbacks of models ones that can serve?
 *
 * A model's list may come before the models it names, and another change may
 * take away what a list stands on: so all lists of the store are looked at,
 * after everything was written.  Each model that is named must be there, have
 * a price or be free, and be served by a channel, and no chain of lists may
 * come back to where it began.  The switches of models and channels do not
 * matter: an operator may throw them at any time, and callers pass over what
 * is off.
 */
#include "handlers/ctl/apply.h"

#include <stdlib.h>

#include "db/catalogue.h"
#include "db/group.h"
#include "db/model.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/kind.h"

/* A model that has a list, and how far the search for circles came there. */
struct chain {
	struct str name;		/* first, for by_name */
	struct str to[FALLBACK_MOST];
	size_t n;
	enum { CHAIN_NEW, CHAIN_OPEN, CHAIN_DONE } state;
	size_t next;			/* of `to` */
	struct chain *up;		/* from which it was reached */
};

struct chains {
	struct reading *r;
	const struct place *root;
	struct chain *list;		/* in order of name */
	size_t n;
	struct str *served;		/* names and patterns, in order */
	size_t n_served;
};

/* --- where to point ------------------------------------------------------- */

/* The object of a model in the text, or NULL. */
static const struct place *
object_of(struct chains *k, struct str name)
{
	struct arena *a = k->r->arena;
	struct place *list = arena_zero(a, sizeof(*list));
	struct json_each each;
	struct place *at;

	*list = place_in(k->root, S("models"));
	if (json_kind(list->value) != JSON_IS_ARRAY)
		return NULL;
	each = json_each(list->value);
	for (size_t i = 0; json_next(&each); i++) {
		if (!str_eq(json_text(a, json_get(each.value, S("name"))),
		    name))
			continue;
		at = arena_zero(a, sizeof(*at));
		*at = (struct place){ .up = list, .index = i,
			.value = each.value };
		return at;
	}
	return NULL;
}

/* The list of a model in the text, or NULL. */
static const struct place *
list_of_model(struct chains *k, struct str name)
{
	const struct place *object = object_of(k, name);
	struct place *list;

	if (!object || json_kind(json_get(object->value, S("fallback"))) !=
	    JSON_IS_ARRAY)
		return NULL;
	list = arena_zero(k->r->arena, sizeof(*list));
	*list = place_in(object, S("fallback"));
	return list;
}

/* Fallback i of a model; where the text does not have that list, it changed
 * the model which the list names, or a channel. */
static struct place
place_of(struct chains *k, const struct chain *from, size_t i)
{
	const struct place *list = list_of_model(k, from->name);
	const struct place *object = object_of(k, from->to[i]);
	struct json_each each;

	if (!list)
		return object ? *object : *k->root;
	each = json_each(list->value);
	for (size_t j = 0; json_next(&each); j++)
		if (j == i)
			break;
	return (struct place){ .up = list, .index = i, .value = each.value };
}

/* --- each fallback by itself ---------------------------------------------- */

static bool
is_served(const struct chains *k, struct str name)
{
	if (k->n_served && bsearch(&name, k->served, k->n_served,
	    sizeof(*k->served), by_name))
		return true;
	for (size_t i = 0; i < k->n_served; i++) {
		struct str each = k->served[i];

		if (str_ends(each, S("*")) &&
		    str_starts(name, str_from(each.p, each.n - 1)))
			return true;
	}
	return false;
}

/* 1: it has a price or is free; 0, or -1 as the database failed. */
static int
is_priced(const struct chains *k, const struct model_row *m)
{
	struct price_row p;
	int found;

	if (m->free)
		return 1;
	found = price_find(k->r->db, k->r->arena, m->id, 0,
	    k->r->now, &p);
	return found == 1 ? price_given(p.say.given) : found;
}

static bool
check_one(struct chains *k, const struct chain *from, size_t i)
{
	struct str to = from->to[i];
	const char *trouble = NULL;
	struct model_row m;
	struct place at;
	int good = model_find(k->r->db, k->r->arena, to, &m);

	if (good == 0)
		trouble = "of which there is none: add it to models";
	if (good == 1) {
		good = is_priced(k, &m);
		if (good == 0)
			trouble = "which has no price and is not free: give "
			    "it a price";
	}
	if (good < 0)
		return lost(k->r);
	if (!trouble && !is_served(k, to))
		trouble = "which no channel serves: add it to the models of "
		    "a channel";
	if (!trouble)
		return true;
	at = place_of(k, from, i);
	return wrong(k->r, &at, "the fallbacks of model \"%.*s\" name "
	    "\"%.*s\", %s, or take it out of that list",
	    STR_ARGS(from->name), STR_ARGS(to), trouble);
}

/* --- circles -------------------------------------------------------------- */

static struct chain *
chain_of(const struct chains *k, struct str name)
{
	return bsearch(&name, k->list, k->n, sizeof(*k->list), by_name);
}

/* From `first` the lists lead to `last`, and back to `first`. */
static bool
circle(struct chains *k, const struct chain *first, const struct chain *last)
{
	enum { SHOWN = 12 };
	const struct place *at = NULL;
	struct buf b = BUF(k->r->arena, 4096);
	const struct chain *shown[SHOWN];
	size_t n = 0;

	/* It is met from its end; of a long one that end is enough. */
	for (const struct chain *each = last; ; each = each->up) {
		if (n < SHOWN)
			shown[n] = each;
		n++;
		if (!at)
			at = list_of_model(k, each->name);
		if (each == first)
			break;
	}
	buf_printf(&b, "%.*s -> ", STR_ARGS(first->name));
	if (n > SHOWN)
		buf_put(&b, S("… -> "));
	for (size_t i = n > SHOWN ? SHOWN : n - 1; i-- > 0; )
		buf_printf(&b, "%.*s -> ", STR_ARGS(shown[i]->name));
	return wrong(k->r, at ? at : k->root, "the fallbacks go round in a "
	    "circle, %.*s%.*s: take one of them out of its list",
	    STR_ARGS(buf_str(&b)), STR_ARGS(first->name));
}

/* Goes down every list, without recursion: chains may be long. */
static bool
check_circles(struct chains *k)
{
	for (size_t i = 0; i < k->n; i++) {
		struct chain *at = &k->list[i];

		if (at->state != CHAIN_NEW)
			continue;
		at->state = CHAIN_OPEN;
		while (at) {
			struct chain *to;

			if (at->next == at->n) {
				at->state = CHAIN_DONE;
				at = at->up;
				continue;
			}
			to = chain_of(k, at->to[at->next++]);
			if (to && to->state == CHAIN_OPEN)
				return circle(k, to, at);
			if (!to || to->state == CHAIN_DONE)
				continue;
			to->state = CHAIN_OPEN;
			to->up = at;
			at = to;
		}
	}
	return true;
}

/* --- all of them ---------------------------------------------------------- */

static void
take(struct chains *k, const struct model_row *m)
{
	struct chain *chain = &k->list[k->n++];
	struct json_each each = json_each(m->fallback);

	chain->name = m->name;
	while (chain->n < FALLBACK_MOST && json_next(&each))
		chain->to[chain->n++] = json_text(k->r->arena, each.value);
}

/* Every model of the store that has a list. */
static bool
read_chains(struct chains *k)
{
	struct arena *a = k->r->arena;
	struct str after = S("");
	struct model_row *page;
	struct chain *more;
	int n;

	do {
		n = model_fallbacks(k->r->db, a, after, &page);
		if (n <= 0)
			break;
		more = arena_zero(a, (k->n + (size_t)n) * sizeof(*more));
		if (k->n)
			memcpy(more, k->list, k->n * sizeof(*more));
		k->list = more;
		for (int i = 0; i < n; i++)
			take(k, &page[i]);
		after = page[n - 1].name;
	} while (n == LIST_MAX);
	return n >= 0;
}

bool
apply_fallback(struct apply *a, const struct place *root)
{
	struct chains k = { .r = &a->r, .root = root };
	int n;

	if (!read_chains(&k))
		return lost(&a->r);
	if (k.n == 0)
		return true;
	n = channel_served(a->r.db, a->r.arena, &k.served);
	if (n < 0)
		return lost(&a->r);
	k.n_served = (size_t)n;
	for (size_t i = 0; i < k.n; i++)
		for (size_t j = 0; j < k.list[i].n; j++)
			if (!check_one(&k, &k.list[i], j))
				return false;
	return check_circles(&k);
}
