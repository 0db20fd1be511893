/* SPDX-License-Identifier: MIT */
/*
 * catalogue_ask.c - what is found in a snapshot; see catalogue.h.
 */
#include "db/catalogue_part.h"
#include "db/key.h"
#include "db/money.h"

/* --- how it is sorted ----------------------------------------------------- */

size_t
catalogue_name_at(const struct catalogue *c, struct str name)
{
	size_t low = 0, high = c->n_names;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (str_cmp(c->names[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int
catalogue_sale_order(const struct sale *x, int64_t account, int64_t group,
    int64_t model)
{
	if (x->account != account)
		return x->account < account ? -1 : 1;
	if (x->group != group)
		return x->group < group ? -1 : 1;
	return x->model < model ? -1 : x->model > model;
}

/* --- asking --------------------------------------------------------------- */

static bool
matches(struct str pattern, struct str name)
{
	return str_starts(name, str_from(pattern.p, pattern.n - 1));
}

const struct model *
catalogue_model(const struct catalogue *c, struct str name)
{
	size_t low = catalogue_name_at(c, name);

	if (low < c->n_names && str_eq(c->names[low].name, name))
		return c->names[low].model;
	for (size_t i = 0; i < c->n_patterns; i++)
		if (matches(c->patterns[i]->name, name))
			return c->patterns[i];
	return NULL;
}

struct str
catalogue_alias(const struct catalogue *c, size_t i)
{
	return i < c->n_names && c->names[i].alias ? c->names[i].name :
	    (struct str){ NULL, 0 };
}

const struct channel_model *
channel_serves(const struct channel *ch, struct str model)
{
	const struct channel_model *best = NULL;
	size_t low = 0, high = ch->n_models;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (str_cmp(ch->models[middle].name, model) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < ch->n_models && str_eq(ch->models[low].name, model))
		return &ch->models[low];
	for (size_t i = 0; i < ch->n_models; i++) {
		struct str name = ch->models[i].name;

		if (str_ends(name, S("*")) && matches(name, model) &&
		    (!best || name.n > best->name.n))
			best = &ch->models[i];
	}
	return best;
}

const struct group *
catalogue_group(const struct catalogue *c, int64_t id)
{
	for (size_t i = 0; i < c->n_groups; i++)
		if (c->groups[i].id == id)
			return &c->groups[i];
	return NULL;
}

static const struct price *
sale_of(const struct catalogue *c, int64_t account, int64_t group,
    int64_t model)
{
	size_t low = 0, high = c->n_sales;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int d = catalogue_sale_order(&c->sales[middle], account,
		    group, model);

		if (d == 0)
			return c->sales[middle].priced
			    ? &c->sales[middle].price
			    : NULL;
		if (d < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct terms
catalogue_terms(const struct catalogue *c, const struct group *g,
    const struct key *k, const struct model *m)
{
	struct terms t = { .price = NULL, .share_ppm = PPM, .fixed = true };

	if (c->n_sales) {
		t.price = sale_of(c, k->account, 0, m->id);
		if (!t.price)
			t.price = sale_of(c, 0, g->id, m->id);
	}
	if (!t.price)
		t = (struct terms){ .price = &m->price,
			.share_ppm = k->own_markup ? k->markup_ppm
						   : g->markup_ppm };
	return t;
}

bool
channel_has_group(const struct channel *ch, int64_t group)
{
	for (size_t i = 0; i < ch->n_groups; i++)
		if (ch->groups[i] == group)
			return true;
	return false;
}
