/* SPDX-License-Identifier: MIT */
/*
 * price_import.c - weirctl price import: a public price file as a difference
 * to look at, and then as prices from now on.
 *
 * A file knows rates and tiers, not what an operator multiplies them by: the
 * multipliers of a price stay where the file has none.
 */
#include "db/model.h"
#include "db/money.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/offers.h"

enum { SKIPPED_SHOWN = 20 };

enum change { UNCHANGED, NEW, CHANGED, SKIPPED, N_CHANGES };
static const char *const changes[N_CHANGES] = { "unchanged", "new",
	"changed", "skipped" };

struct difference {
	enum change kind;
	const struct offer *offer;
	struct prices was;
};

struct importing {
	struct offers offers;
	struct str pattern;
	struct difference *list;
	size_t n, count[N_CHANGES];
	bool write;
};

static bool
wanted(struct str pattern, struct str name)
{
	if (pattern.n == 0)
		return true;
	if (!str_ends(pattern, S("*")))
		return str_eq(pattern, name);
	return str_starts(name, str_from(pattern.p, pattern.n - 1));
}

/* --- what differs --------------------------------------------------------- */

static bool
same(const struct prices *a, const struct prices *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (a->list[i].from_ms != b->list[i].from_ms ||
		    a->list[i].until_ms != b->list[i].until_ms ||
		    !price_words_eq(&a->list[i].say, &b->list[i].say))
			return false;
	return a->n == b->n;
}

/* What the operator multiplies by stays. */
static void
keep_multipliers(struct offer *o, const struct prices *was)
{
	for (size_t i = 0; i < o->prices.n && was->n > 0; i++)
		if (o->prices.list[i].say.multipliers.n == 0)
			o->prices.list[i].say.multipliers =
			    was->list[0].say.multipliers;
}

/* A new model with what the file says of it. */
static bool
add_model(struct db *db, struct offer *o, struct model_row *m)
{
	model_blank(m, o->name);
	m->context = o->context;
	m->max_output = o->max_output;
	return model_put(db, m);
}

static bool
take_offer(struct ctl *c, struct db *db, struct importing *k, struct offer *o)
{
	struct difference *d = &k->list[k->n++];
	struct model_row m;
	int found = model_find(db, &c->arena, o->name, &m);

	*d = (struct difference){ .kind = SKIPPED, .offer = o };
	if (found < 0)
		return false;
	if (o->why_not.n == 0) {
		if (found && !prices_load(db, &c->arena,
		    (struct price_of){ .model = m.id }, &d->was))
			return false;
		keep_multipliers(o, &d->was);
		d->kind = !found ? NEW : same(&o->prices, &d->was) ?
		    UNCHANGED : CHANGED;
	}
	k->count[d->kind]++;
	if (!k->write || (d->kind != NEW && d->kind != CHANGED))
		return true;
	return (found || add_model(db, o, &m)) &&
	    price_replace(db, &c->arena, &(struct price_of){ .model = m.id },
		o->prices.list, (int)o->prices.n) &&
	    noted(c, db, found ? "change" : "create",
		arena_printf(&c->arena, "model %.*s", STR_ARGS(o->name)),
		S("price"));
}

static bool
take_all(struct ctl *c, struct db *db, void *arg)
{
	struct importing *k = arg;

	k->n = 0;
	memset(k->count, 0, sizeof(k->count));
	for (size_t i = 0; i < k->offers.n; i++)
		if (wanted(k->pattern, k->offers.list[i].name) &&
		    !take_offer(c, db, k, &k->offers.list[i]))
			return false;
	return true;
}

/* --- telling -------------------------------------------------------------- */

static struct str
text_of_prices(struct arena *a, const struct prices *p)
{
	struct buf b = BUF(a, 1 << 20);

	kind_price.show(&b, p);
	return buf_str(&b);
}

/* Rates one by one where that is all that differs. */
static bool
rates_alone(const struct prices *a, const struct prices *b)
{
	return a->n == 1 && b->n == 1 &&
	    a->list[0].from_ms == b->list[0].from_ms &&
	    a->list[0].until_ms == b->list[0].until_ms &&
	    str_eq(a->list[0].say.tiers, b->list[0].say.tiers) &&
	    str_eq(a->list[0].say.multipliers, b->list[0].say.multipliers);
}

static struct str
rate(struct arena *a, int64_t nano)
{
	return nano < 0 ? S("none") : money_text(a, nano);
}

static void
tell_changed(struct arena *a, const struct difference *d)
{
	const struct prices *is = &d->offer->prices;
	const char *before = " ";

	if (!rates_alone(&d->was, is)) {
		printf(" %.*s -> %.*s\n", STR_ARGS(text_of_prices(a, &d->was)),
		    STR_ARGS(text_of_prices(a, is)));
		return;
	}
	for (int b = 0; b < N_BUCKETS; b++) {
		int64_t was = d->was.list[0].say.given[b];
		int64_t now = is->list[0].say.given[b];

		if (was == now)
			continue;
		printf("%s%s %.*s -> %.*s", before, bucket_names[b],
		    STR_ARGS(rate(a, was)), STR_ARGS(rate(a, now)));
		before = ", ";
	}
	printf("\n");
}

static void
tell(struct ctl *c, const struct importing *k)
{
	struct arena *a = &c->arena;
	size_t skipped = 0;

	for (size_t i = 0; i < k->n; i++) {
		const struct difference *d = &k->list[i];
		struct str name = tame(a, d->offer->name);

		if (d->kind == UNCHANGED || (d->kind == SKIPPED &&
		    ++skipped > SKIPPED_SHOWN))
			continue;
		printf("%-9s %.*s:", changes[d->kind], STR_ARGS(name));
		if (d->kind == CHANGED)
			tell_changed(a, d);
		else if (d->kind == NEW)
			printf(" %.*s\n", STR_ARGS(text_of_prices(a,
			    &d->offer->prices)));
		else
			printf(" %.*s\n", STR_ARGS(tame(a,
			    d->offer->why_not)));
	}
	if (skipped > SKIPPED_SHOWN)
		printf("%-9s %zu more: --json lists all\n", "skipped",
		    skipped - SKIPPED_SHOWN);
	printf("%s%zu new, %zu changed, %zu unchanged, %zu skipped\n",
	    k->write ? "" : "dry run, nothing was written: ", k->count[NEW],
	    k->count[CHANGED], k->count[UNCHANGED], k->count[SKIPPED]);
}

static void
put_difference(struct buf *b, struct arena *a, const struct difference *d)
{
	buf_char(b, '{');
	out_str(b, "name", d->offer->name);
	out_str(b, "provider", d->offer->provider);
	if (d->kind == SKIPPED) {
		out_str(b, "reason", d->offer->why_not);
	} else {
		if (d->kind == CHANGED) {
			out_member(b, "from");
			buf_put(b, text_of_prices(a, &d->was));
		}
		out_member(b, "to");
		buf_put(b, text_of_prices(a, &d->offer->prices));
	}
	buf_char(b, '}');
}

static void
tell_json(struct ctl *c, const struct importing *k)
{
	static const enum change shown[] = { NEW, CHANGED, SKIPPED };
	struct buf b = BUF(&c->arena, 256 << 20);

	buf_char(&b, '{');
	out_bool(&b, "dry_run", !k->write);
	out_str(&b, "from", str_of(offer_files[k->offers.file]));
	out_int(&b, "unchanged", (int64_t)k->count[UNCHANGED]);
	for (size_t s = 0; s < countof(shown); s++) {
		bool first = true;

		out_member(&b, changes[shown[s]]);
		buf_char(&b, '[');
		for (size_t i = 0; i < k->n; i++) {
			if (k->list[i].kind != shown[s])
				continue;
			buf_put(&b, first ? S("") : S(",\n"));
			put_difference(&b, &c->arena, &k->list[i]);
			first = false;
		}
		buf_char(&b, ']');
	}
	buf_put(&b, S("}\n"));
	print(&b);
}

/* --- the command ---------------------------------------------------------- */

static int
run(struct ctl *c)
{
	struct importing k = { .write = !opt(c, "dry-run"),
		.offers = { .arena = &c->arena, .now = db_now(c->db) } };
	struct str text, why;

	if (opt(c, "models"))
		k.pattern = str_of(opt(c, "models"));
	if (!read_all(&c->arena, c->words[0], LIMIT_CATALOGUE_BYTES, &text,
	    &why))
		return failed(c, "%.*s", STR_ARGS(why));
	if (!offers_read(&k.offers, text, opt(c, "from"), &why))
		return failed(c, "%s: %.*s", c->words[0], STR_ARGS(why));
	offers_choose(&k.offers, str_of(opt(c, "provider")));
	k.list = arena_alloc(&c->arena, (k.offers.n + 1) * sizeof(*k.list));
	if (k.write ? !change(c, take_all, &k) : !take_all(c, c->db, &k))
		return k.write ? EXIT_REFUSED : failed_read(c);
	if (k.n == 0)
		return failed(c, "%s has no model that this asks for",
		    c->words[0]);
	if (c->json)
		tell_json(c, &k);
	else
		tell(c, &k);
	return EXIT_DONE;
}

const struct command command_price_import = {
	.name = "price import",
	.usage = "FILE|- [--dry-run] [--models PATTERN] [--provider P] "
	    "[--from genai-prices|models.dev|litellm]",
	.summary = "takes list prices over from a public price file",
	.help =
"FILE is data.json of genai-prices, api.json of models.dev, or LiteLLM's\n"
"model_prices_and_context_window.json, known by its shape.  Prints what is\n"
"new, what changes from what to what, and what is skipped and why: what is\n"
"priced by units that weir does not have is not guessed.  Everything is\n"
"written at once, in force from now; what was charged stays.  Models that\n"
"are not there yet are added.  Look first, by --dry-run.\n"
"\n"
"  --dry-run          says what would happen, and changes nothing\n"
"  --models PATTERN   only these: a name, or how names begin: 'gpt-4*'\n"
"  --provider P       prices of this provider, as the file calls it; else of\n"
"                     who makes a model before those who resell it\n"
"  --from KIND        refuses a file of another kind\n",
	.options = "dry-run models= provider= from=", .least = 1, .most = 1,
	.run = run,
};
