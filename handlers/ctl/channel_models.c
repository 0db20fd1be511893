/* SPDX-License-Identifier: MIT */
/*
 * channel_models.c - weirctl channel models: what the upstream lists against
 * what the channel serves; --add serves what has a price here.
 *
 * A name is served when the channel has it, a pattern that fits it, or another
 * name for it.  A model without a price is never added: it would be refused.
 */
#include <stdlib.h>

#include "db/channel.h"
#include "db/setting.h"
#include "fcgi/base/json.h"
#include "handlers/ctl/channel.h"
#include "handlers/dialect/redact.h"
#include "handlers/relay/outward.h"

enum { LIST_MOST = 16 << 20, JSON_MOST = 64 << 20, NAME_SHOWN = 256 };

struct listed {
	struct str name;
	bool usable;			/* as a name here */
	const struct model *price;	/* that prices it, or NULL */
};

struct listing {
	struct upstream up;
	struct listed *list;		/* by name, each once */
	size_t n, n_added, n_served, n_new, n_unpriced, n_foreign;
	bool more;			/* the upstream has a next page */
	struct str with;		/* the credential that answered */
	struct buf b;			/* JSON */
};

/* --- what the upstream lists ---------------------------------------------- */

static int
by_listed_name(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

/* OpenAI's {"data": [{"id"}]}; others have a bare list, or `models`, `name`. */
static struct str
list_in(struct str body)
{
	struct str list = json_get(body, S("data"));

	if (json_kind(list) != JSON_IS_ARRAY)
		list = json_get(body, S("models"));
	return json_kind(body) == JSON_IS_ARRAY ? body : list;
}

static struct str
name_in(struct arena *a, struct str item)
{
	struct str name = json_text(a, item);

	if (!name.n)
		name = json_text(a, json_get(item, S("id")));
	if (!name.n)
		name = json_text(a, json_get(item, S("name")));
	if (str_starts(name, S("models/")))
		name = str_skip(name, 7); /* a resource of Gemini's */
	return name;
}

/* Is it a price a call could be charged by? */
static const struct model *
priced_by(const struct listing *l, struct str name)
{
	const struct model *m = catalogue_model(l->up.cat, name);

	return m && (m->priced || m->free) ? m : NULL;
}

static void
take(struct listing *l, struct str name)
{
	struct arena *a = &l->up.c->arena;
	struct str shown = redact_secret(a, name, l->up.key);
	bool usable = name_valid(name) && str_eq(shown, name);

	if (!usable)
		shown = redact(a, shown, NAME_SHOWN);
	l->list[l->n++] = (struct listed){ shown, usable,
		usable ? priced_by(l, name) : NULL };
}

/* False: it is no list. */
static bool
read_list(struct listing *l, struct said *s)
{
	struct arena *a = &l->up.c->arena;
	struct str list = list_in(s->h.body);
	struct json_each each;
	struct json_error wrong;
	size_t n = 0, kept = 0;

	if (!json_valid(s->h.body, &wrong))
		return said_bad(s, "not_json", S("it is no JSON: something "
		    "else than an API answers there"));
	if (json_kind(list) != JSON_IS_ARRAY)
		return said_bad(s, "bad_answer", S("it is no list of models: "
		    "{\"data\": [{\"id\": …}]} is expected"));
	for (each = json_each(list); json_next(&each); n++)
		;
	l->list = arena_alloc(a, (n + 1) * sizeof(*l->list));
	for (each = json_each(list); json_next(&each);) {
		struct str name = name_in(a, each.value);

		if (name.n)
			take(l, name);
	}
	if (l->n)
		qsort(l->list, l->n, sizeof(*l->list), by_listed_name);
	for (size_t i = 0; i < l->n; i++)
		if (!kept || !str_eq(l->list[i].name, l->list[kept - 1].name))
			l->list[kept++] = l->list[i];
	l->n = kept;
	l->more = json_yes(json_get(s->h.body, S("has_more")));
	return true;
}

static bool
ask_with(struct listing *l, const struct credential *k)
{
	struct ctl *c = l->up.c;
	struct said s;
	struct up_error e;

	if (upstream_ask(&l->up, k, outward_path(&c->arena, l->up.ch,
	    l->up.dialect->models_path, S("")), false,
	    S(""), LIST_MOST, &s)) {
		struct str error = json_get(s.h.body, S("error"));

		if (json_kind(error) == JSON_IS_OBJECT) {
			l->up.dialect->read_error(&c->arena, 200, s.h.type,
			    s.h.body, &e);
			said_error(&l->up, &s, k, &e);
		} else if (read_list(l, &s)) {
			l->with = k->name;
			return true;
		}
	}
	failed(c, "%.*s/%.*s: %.*s%s%.*s%s%.*s", STR_ARGS(l->up.ch->name),
	    STR_ARGS(k->name), STR_ARGS(said_name(&c->arena, &s)),
	    s.words.n ? ": " : "", STR_ARGS(s.words), s.cure.n ? "; " : "",
	    STR_ARGS(s.cure));
	return false;
}

/* One key that works is enough. */
static bool
ask(struct listing *l)
{
	const struct channel *ch = l->up.ch;

	for (size_t i = 0; i < ch->n_credentials; i++)
		if (upstream_uses(&l->up, &ch->credentials[i]) &&
		    ask_with(l, &ch->credentials[i]))
			return true;
	return false;
}

/* --- against what is served ----------------------------------------------- */

static bool
fits(const struct channel_model *m, struct str name)
{
	if (m->upstream.p)
		return str_eq(m->upstream, name);
	if (str_ends(m->name, S("*")))
		return str_starts(name, str_from(m->name.p, m->name.n - 1));
	return str_eq(m->name, name);
}

static bool
is_served(const struct listing *l, struct str name)
{
	for (size_t i = 0; i < l->up.ch->n_models; i++)
		if (fits(&l->up.ch->models[i], name))
			return true;
	return false;
}

/* Could it be served? */
static bool
is_new(const struct listing *l, const struct listed *one)
{
	return one->price && !is_served(l, one->name);
}

static bool
is_listed(const struct listing *l, const struct channel_model *m)
{
	for (size_t i = 0; i < l->n; i++)
		if (fits(m, l->list[i].name))
			return true;
	return false;
}

static void
count(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct listed *one = &l->list[i];

		if (is_served(l, one->name))
			l->n_served++;
		else if (!one->usable)
			l->n_foreign++;
		l->n_new += is_new(l, one);
		if (one->usable && !one->price)
			l->n_unpriced++;
	}
}

/* --- --add ---------------------------------------------------------------- */

static bool
has(const struct channel_serve *list, size_t n, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i].name, name))
			return true;
	return false;
}

static bool
add(struct ctl *c, struct db *db, void *arg)
{
	struct listing *l = arg;
	struct channel_serve *was, *list;
	int found = channel_models(db, &c->arena, l->up.ch->id, &was);
	size_t n = 0;

	if (found < 0)
		return false;
	list = arena_alloc(&c->arena, ((size_t)found + l->n + 1) *
	    sizeof(*list));
	for (; n < (size_t)found; n++)
		list[n] = was[n];
	for (size_t i = 0; i < l->n; i++) {
		const struct listed *one = &l->list[i];

		if (is_new(l, one) &&
		    !has(was, (size_t)found, one->name))
			list[n++] = (struct channel_serve){ .name = one->name };
	}
	l->n_added = n - (size_t)found;
	if (l->n_added == 0)
		return true;
	return channel_models_set(db, l->up.ch->id, list, n) &&
	    noted(c, db, "change", arena_printf(&c->arena, "channel %.*s",
	    STR_ARGS(l->up.ch->name)), S("models"));
}

/* --- what to say of it ---------------------------------------------------- */

static void
put_listed(struct listing *l)
{
	struct buf *b = &l->b;
	const char *sep = "";

	for (size_t i = 0; i < l->n; i++) {
		const struct listed *one = &l->list[i];
		bool served = is_served(l, one->name);

		if (served && (one->price || !one->usable))
			continue;
		if (l->n_added && is_new(l, one))
			continue;
		buf_printf(b, "%s{", sep);
		sep = ",";
		out_str(b, "name", one->name);
		out_bool(b, "served", served);
		out_bool(b, "usable", one->usable);
		out_member(b, "price");
		if (one->price)
			buf_json(b, one->price->name);
		else
			buf_put(b, S("null"));
		buf_char(b, '}');
	}
}

static void
put_unlisted(struct listing *l)
{
	struct buf *b = &l->b;
	const char *sep = "";

	for (size_t i = 0; i < l->up.ch->n_models; i++) {
		const struct channel_model *m = &l->up.ch->models[i];

		if (is_listed(l, m))
			continue;
		buf_printf(b, "%s{", sep);
		sep = ",";
		out_str(b, "name", m->name);
		out_str(b, "upstream", m->upstream.p ? m->upstream : m->name);
		buf_char(b, '}');
	}
}

static void
tell_json(struct listing *l)
{
	struct buf *b = &l->b;

	buf_char(b, '{');
	out_str(b, "channel", l->up.ch->name);
	out_str(b, "credential", l->with);
	out_int(b, "listed", (int64_t)l->n);
	out_int(b, "listed_and_served", (int64_t)l->n_served);
	out_bool(b, "more", l->more);
	out_member(b, "not_served_or_not_priced");
	buf_char(b, '[');
	put_listed(l);
	buf_put(b, S("]"));
	out_member(b, "served_not_listed");
	buf_char(b, '[');
	put_unlisted(l);
	buf_put(b, S("]"));
	out_member(b, "added");
	buf_char(b, '[');
	for (size_t i = 0; l->n_added && i < l->n; i++)
		if (is_new(l, &l->list[i])) {
			buf_put(b, b->p[b->n - 1] == '[' ? S("") : S(","));
			buf_json(b, l->list[i].name);
		}
	buf_put(b, S("]}\n"));
	print(b);
}

static void
show_new(struct listing *l, bool added)
{
	if (l->n_new == 0)
		return;
	printf(added ? "served from now on:\n" :
	    "listed, not served, and there is a price:\n");
	for (size_t i = 0; i < l->n; i++) {
		const struct listed *one = &l->list[i];

		if (is_new(l, one))
			printf("  + %.*s   priced by %.*s%s\n",
			    STR_ARGS(one->name), STR_ARGS(one->price->name),
			    one->price->free ? ", free" : "");
	}
	if (!added)
		printf("  weirctl channel models %.*s --add serves %s\n",
		    STR_ARGS(l->up.ch->name), l->n_new == 1 ? "it" : "them");
}

static void
show_unpriced(struct listing *l)
{
	struct str first = { 0 };

	if (l->n_unpriced == 0)
		return;
	printf("listed, without a price here (calls are refused):\n");
	for (size_t i = 0; i < l->n; i++) {
		const struct listed *one = &l->list[i];

		if (!one->usable || one->price)
			continue;
		if (!first.n)
			first = one->name;
		printf("  ? %.*s%s\n", STR_ARGS(one->name), is_served(l,
		    one->name) ? "   served" : "");
	}
	printf("  a price, in USD per million tokens, then --add:\n"
	    "  echo '{\"models\":[{\"name\":\"%.*s\",\"price\":{\"input\":"
	    "\"…\",\"output\":\"…\"}}]}' | weirctl apply -\n",
	    STR_ARGS(first));
}

static void
show_foreign(struct listing *l)
{
	if (l->n_foreign == 0)
		return;
	printf("listed by a name that cannot be one here; give it another in "
	    "the channel's models:\n");
	for (size_t i = 0; i < l->n; i++)
		if (!l->list[i].usable && !is_served(l, l->list[i].name))
			printf("  ! %.*s\n", STR_ARGS(l->list[i].name));
}

static void
show_unlisted(struct listing *l)
{
	bool any = false;

	for (size_t i = 0; i < l->up.ch->n_models; i++) {
		const struct channel_model *m = &l->up.ch->models[i];

		if (is_listed(l, m))
			continue;
		if (!any)
			printf("served, but not listed%s:\n", l->more ?
			    " (on this page)" : "");
		any = true;
		printf("  - %.*s%s%.*s\n", STR_ARGS(m->name), m->upstream.p ?
		    "   as " : "", STR_ARGS(m->upstream));
	}
}

static void
tell_text(struct listing *l, bool added)
{
	printf("%.*s lists %zu model%s, %zu of them %s served\n",
	    STR_ARGS(l->up.ch->name), l->n, l->n == 1 ? "" : "s", l->n_served,
	    l->n_served == 1 ? "is" : "are");
	if (l->more)
		printf("it says that it has more than these\n");
	show_new(l, added);
	show_unpriced(l);
	show_foreign(l);
	show_unlisted(l);
	if (added && l->n_added == 0)
		printf("nothing was added\n");
}

/* --- the command ---------------------------------------------------------- */

static int
list(struct listing *l)
{
	struct ctl *c = l->up.c;
	bool adds = opt(c, "add") != NULL;

	if (!ask(l))
		return EXIT_REFUSED;
	count(l);
	if (adds && l->n_new && !change(c, add, l))
		return EXIT_REFUSED;
	if (c->json)
		tell_json(l);
	else
		tell_text(l, adds);
	return EXIT_DONE;
}

static int
run(struct ctl *c)
{
	struct listing l = { .b = BUF(&c->arena, JSON_MOST) };
	int status = upstream_open(c, &l.up);

	if (status == EXIT_DONE)
		status = list(&l);
	upstream_close(&l.up);
	return status;
}

const struct command command_channel_models = {
	.name = "channel models", .usage = "NAME [--add] [--credential K]",
	.summary = "what an upstream lists against what the channel serves",
	.help =
"Asks GET base_url/models with the first credential that works, or the one\n"
"that is named.  + is listed and not served, ? is listed and has no price, -\n"
"is served and not listed.\n"
"  --add           serves what is listed and has a price here, of its own or\n"
"                  by a pattern; nothing is ever taken away\n"
"  --credential K  asks with this one\n",
	.options = "add credential=", .least = 1, .most = 1, .run = run,
};
