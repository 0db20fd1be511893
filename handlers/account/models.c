/* SPDX-License-Identifier: MIT */
/* models.c - models and what they cost; see models.h. */
#include "handlers/account/models.h"

#include "db/account.h"
#include "db/catalogue.h"
#include "db/key.h"
#include "db/money.h"
#include "fcgi/base/mem.h"
#include "handlers/page/kit.h"

/* A rate times a share, in nano-dollars, rounded up. */
static int64_t
shared(int64_t rate, int64_t ppm)
{
	return (int64_t)(((__int128)rate * ppm + PPM - 1) / PPM);
}

static const struct { enum bucket bucket; const char *name; } columns[] = {
	{ BUCKET_INPUT, "input" }, { BUCKET_CACHE_READ, "cache_read" },
	{ BUCKET_CACHE_WRITE, "cache_write" }, { BUCKET_OUTPUT, "output" },
};

static void
put_rates(struct page *p, json_t *row, const struct terms *t, bool priced)
{
	struct buf more = BUF(&p->arena, 4096);

	for (size_t i = 0; i < countof(columns); i++) {
		bool there = priced && t->price->priced &
		    1u << columns[i].bucket;

		put_maybe(row, columns[i].name, there ?
		    money_text(&p->arena, shared(
		    t->price->rate[columns[i].bucket], t->share_ppm)) :
		    S(""));
	}
	for (int b = BUCKET_CACHE_WRITE_1H; priced && b < N_BUCKETS; b++)
		if (b != BUCKET_OUTPUT && t->price->given & 1u << b)
			buf_printf(&more, "%s%s %.*s", more.n ? ", " : "",
			    bucket_names[b], STR_ARGS(money_text(&p->arena,
			    shared(t->price->rate[b], t->share_ppm))));
	if (priced && t->price->n_tiers)
		buf_printf(&more, "%stiers from %lld tokens", more.n ? ", " :
		    "", (long long)t->price->tiers[0].above);
	put_maybe(row, "more", buf_str(&more));
}

/* Which channels that are on serve it, of a group's (0: of any). */
static struct str
served_by(struct page *p, const struct catalogue *cat, const struct model *m,
    int64_t group)
{
	struct buf b = BUF(&p->arena, 65536);

	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];

		if (ch->enabled && (!group || channel_has_group(ch, group)) &&
		    channel_serves(ch, m->name))
			buf_printf(&b, "%s%.*s", b.n ? ", " : "",
			    STR_ARGS(ch->name));
	}
	return buf_str(&b);
}

static void
put_model(struct page *p, json_t *list, const struct catalogue *cat,
    const struct model *m, const struct group *group, const struct key *as)
{
	struct terms t = { .price = &m->price, .share_ppm = PPM };
	struct str by = served_by(p, cat, m, group ? group->id : 0);
	bool priced = m->priced;
	json_t *row;

	if (group) {
		t = catalogue_terms(cat, group, as, m);
		priced |= t.fixed;
		if (!m->enabled || !by.n || !(priced || m->free))
			return;
	}
	row = put_row(list);
	put_str(row, "name", m->name);
	if (m->context)
		put_int(row, "context", m->context);
	else
		put_maybe(row, "context", S(""));
	if (m->max_output)
		put_int(row, "max_output", m->max_output);
	else
		put_maybe(row, "max_output", S(""));
	put_bool(row, "free", m->free);
	put_rates(p, row, &t, priced);
	if (group)
		return;
	put_bool(row, "priced", priced);
	put_bool(row, "enabled", m->enabled);
	put_maybe(row, "channels", by);
}

/* At what this account buys; *as is what catalogue_terms wants of a key. */
static int
terms_of(struct page *p, struct key *as)
{
	struct account_row a;
	int found = account_get(p->db, &p->arena, p->who->account, &a);

	*as = (struct key){ .account = a.id, .group = a.grp,
	    .own_markup = a.markup_ppm >= 0, .markup_ppm = a.markup_ppm };
	return found;
}

/* From the catalogue in memory; p->after is a place in it. */
static bool
rows(struct page *p, json_t *list, int most)
{
	const struct catalogue *cat;
	const struct group *group = NULL;
	struct key as = { 0 };
	int64_t at = 0;

	str_int(p->after, &at);
	p->after = S("");
	if (p->who->account && terms_of(p, &as) != 1)
		return kit_failed(p);
	cat = catalogue_take();
	if (p->who->account)
		group = catalogue_group(cat, as.group);
	for (size_t i = at < 0 ? 0 : (size_t)at; i < cat->n_models &&
	    (group || !p->who->account); i++) {
		if ((int)json_array_size(list) == most) {
			p->after = arena_int(&p->arena, (int64_t)i);
			break;
		}
		put_model(p, list, cat, &cat->models[i], group, &as);
	}
	catalogue_give(cat);
	return true;
}

static bool
show(struct page *p)
{
	put_bool(p->data, "site", p->who->account == 0);
	return kit_rows(p);
}

const struct leaf leaf_models = {
	.template = "models", .nav = "models", .show = show, .rows = rows,
};
