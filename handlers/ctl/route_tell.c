/* SPDX-License-Identifier: MIT */
/* route_tell.c - a choice explained, for people and as JSON; see route.h. */
#include "db/money.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/route.h"

enum { NAMES_SHOWN = 8 };

/* What the shown call costs us there. */
static int64_t
cost_of(const struct route_choice *k)
{
	/* The score counts nothing as a nano-dollar. */
	return k->score.cost_nano > 1 ? (int64_t)k->score.cost_nano : 0;
}

/* --- JSON ----------------------------------------------------------------- */

static void
put_decimal(struct buf *b, const char *name, double value)
{
	out_member(b, name);
	buf_printf(b, "%.3f", value);
}

static void
put_count(struct buf *b, const char *name, int64_t value)
{
	out_member(b, name);
	if (value)
		buf_int(b, value);
	else
		buf_put(b, S("null"));
}

/* The model's place in the plan. */
static void
put_chain(struct buf *b, int chain)
{
	out_member(b, "chain");
	if (chain >= 0)
		buf_int(b, chain);
	else
		buf_put(b, S("null"));
}

static void
put_link(struct buf *b, const struct route_link *l)
{
	buf_char(b, '{');
	put_chain(b, l->chain);
	out_str(b, "model", l->name);
	out_maybe(b, "priced_by", l->model ? l->model->name : S(""));
	out_bool(b, "free", l->model && l->model->free);
	out_int(b, "tiers", l->tiers);
	out_int(b, "candidates", l->candidates);
	out_maybe(b, "why_not", str_of(l->why ? l->why : ""));
	buf_char(b, '}');
}

/* The rows of the store about it that are in force or on trial. */
static void
put_rows(struct buf *b, const struct route *r, const struct candidate *k,
    const struct route_left *l)
{
	bool first = true;

	out_member(b, "out");
	buf_char(b, '[');
	for (int i = 0; i < r->outs.n; i++) {
		const struct park *p = &r->outs.list[i];

		if (k ? !route_concerns(p, k) : !route_concerns_left(p, l))
			continue;
		buf_put(b, first ? S("{") : S(",{"));
		first = false;
		out_json(b, p, r->outs.now);
		buf_char(b, '}');
	}
	buf_char(b, ']');
}

static void
put_known(struct buf *b, const struct route_known *k)
{
	out_maybe(b, "preset", k->preset);
	out_list(b, "capabilities", k->list);
	out_list(b, "drop", k->drop);
	out_member(b, "set");
	buf_put(b, k->set);
	out_list(b, "headers", k->sent);
	out_list(b, "headers_not_sent", k->unsent);
}

static void
put_choice(struct buf *b, const struct route *r, const struct route_choice *k)
{
	static const char *const states[] = { [STANDS] = "on",
		[STANDS_TRIAL] = "trial", [STANDS_EJECTED] = "ejected",
		[STANDS_PARKED] = "parked", [STANDS_BARRED] = "barred" };
	const struct candidate *with = k->with;

	buf_char(b, '{');
	put_chain(b, with->chain);
	out_str(b, "model", with->name);
	out_int(b, "tier", k->tier);
	out_int(b, "priority", with->channel->priority);
	out_int(b, "percent", k->percent);
	out_str(b, "channel", with->channel->name);
	out_str(b, "credential", with->credential->name);
	out_str(b, "upstream_model", with->upstream_model);
	out_str(b, "state", str_of(states[with->standing]));
	put_decimal(b, "chance", k->chance);
	put_decimal(b, "score", k->relative);
	out_int(b, "cost_nano", cost_of(k));
	put_count(b, "first_content_ms", (int64_t)k->sight.first_ms);
	put_decimal(b, "ok", k->sight.ok);
	out_int(b, "first_content_limit_ms", k->clock_ms);
	put_count(b, "rpm", with->credential->rpm);
	put_count(b, "tpm", with->credential->tpm);
	put_count(b, "concurrency", with->credential->concurrency);
	put_known(b, &k->known);
	if (r->session.n) {
		out_bool(b, "drawn", k->drawn);
		out_bool(b, "first", k->first);
	}
	put_rows(b, r, with, NULL);
	buf_char(b, '}');
}

static void
put_left(struct buf *b, const struct route *r, const struct route_left *l)
{
	buf_char(b, '{');
	put_chain(b, l->chain);
	out_str(b, "channel", l->channel->name);
	if (l->credential)
		out_str(b, "credential", l->credential->name);
	if (l->credential)
		out_str(b, "upstream_model", l->upstream_model);
	out_str(b, "why", l->why);
	if (l->credential)
		put_rows(b, r, NULL, l);
	buf_char(b, '}');
}

static void
tell_json(const struct route *r)
{
	struct buf b = BUF(&r->c->arena, 64 << 20);

	buf_char(&b, '{');
	out_str(&b, "model", r->name);
	out_bool(&b, "served", r->plan.n > 0);
	out_maybe(&b, "why_not", r->fault.text);
	out_str(&b, "routing", str_of(routing_names[r->how.routing]));
	out_str(&b, "group", r->group->name);
	out_maybe(&b, "key", r->key);
	out_maybe(&b, "session", r->session);
	out_int(&b, "tokens", r->wanted.tokens);
	out_int(&b, "output_tokens", ROUTE_OUTPUT);
	out_bool(&b, "last_resort", r->plan.resort);
	out_member(&b, "models");
	for (int i = 0; i < r->n_links; i++) {
		buf_char(&b, i ? ',' : '[');
		put_link(&b, &r->links[i]);
	}
	buf_char(&b, ']');
	out_member(&b, "candidates");
	buf_char(&b, '[');
	for (int i = 0; i < r->plan.n; i++) {
		buf_put(&b, i ? S(",") : S(""));
		put_choice(&b, r, &r->choices[i]);
	}
	buf_char(&b, ']');
	out_member(&b, "left_out");
	buf_char(&b, '[');
	for (size_t i = 0; i < r->n_left; i++) {
		buf_put(&b, i ? S(",") : S(""));
		put_left(&b, r, &r->left[i]);
	}
	buf_put(&b, S("]}\n"));
	print(&b);
}

/* --- For people ----------------------------------------------------------- */

static struct str
ms_text(struct arena *a, int64_t ms)
{
	if (ms < 10000)
		return arena_printf(a, "%lld ms", (long long)ms);
	return span(a, ms);
}

/* What must be known about it beside the figures. */
static struct str
notes(const struct route *r, const struct route_choice *k)
{
	const struct credential *key = k->with->credential;
	struct arena *a = &r->c->arena;
	struct buf b = BUF(a, 1 << 16);

	if (key->rpm)
		buf_printf(&b, ", rpm %lld", (long long)key->rpm);
	if (key->tpm)
		buf_printf(&b, ", tpm %lld", (long long)key->tpm);
	if (key->concurrency)
		buf_printf(&b, ", %lld at a time",
		    (long long)key->concurrency);
	for (int i = 0; i < r->outs.n; i++)
		if (route_concerns(&r->outs.list[i], k->with))
			buf_printf(&b, ", %.*s", STR_ARGS(out_words(a,
			    &r->outs.list[i], r->outs.now)));
	return str_skip(buf_str(&b), b.n ? 2 : 0);
}

static void
table_heads(struct table *t)
{
	static const char *const heads[] = { "  candidate", "as", "weight",
		"tried first", "score", "cost USD", "content after",
		"at most", "good", "" };

	t->columns = countof(heads);
	t->right = 0x7f << 2;
	for (size_t i = 0; i < countof(heads); i++)
		table_add(t, str_of(heads[i]));
}

static void
table_choice(struct table *t, const struct route *r,
    const struct route_choice *k)
{
	struct arena *a = t->arena;

	table_add(t, arena_printf(a, "  %.*s/%.*s",
	    STR_ARGS(k->with->channel->name),
	    STR_ARGS(k->with->credential->name)));
	table_add(t, k->with->upstream_model);
	table_add(t, arena_printf(a, "%d %%", k->percent));
	table_add(t, arena_printf(a, "%.0f %%", k->chance * 100));
	table_add(t, arena_printf(a, "%.2f", k->relative));
	table_add(t, money_text(a, cost_of(k)));
	table_add(t, k->sight.first_ms > 0 ? ms_text(a,
	    (int64_t)k->sight.first_ms) : S("-"));
	table_add(t, ms_text(a, k->clock_ms));
	table_add(t, arena_printf(a, "%.1f %%", k->sight.ok * 100));
	table_add(t, notes(r, k));
}

/* "  up as gpt-5: …", unless there is nothing to be said. */
static void
tell_known(const struct route *r, const struct route_choice *k)
{
	struct arena *a = &r->c->arena;
	struct buf b = BUF(a, 1 << 18);
	const struct route_known *w = &k->known;
	const struct {
		const char *words;
		struct str what;
	} parts[] = {
		{ "", w->list }, { "preset ", w->preset },
		{ "leaves out ", w->drop },
		{ "sets ", str_eq(w->set, S("{}")) ? S("") : w->set },
		{ "sends ", w->sent }, { "does not send ", w->unsent },
	};

	for (size_t i = 0; i < countof(parts); i++)
		if (parts[i].what.n)
			buf_printf(&b, "%s%s%.*s", b.n ? "; " : "",
			    parts[i].words, STR_ARGS(parts[i].what));
	if (b.n)
		printf("  %.*s as %.*s: %.*s\n",
		    STR_ARGS(k->with->channel->name),
		    STR_ARGS(k->with->upstream_model),
		    STR_ARGS(tame(a, buf_str(&b))));
}

/* Is it known already: with another credential of the channel? */
static bool
is_told(const struct route *r, int i)
{
	const struct candidate *k = r->choices[i].with;

	for (int j = 0; j < i; j++) {
		const struct candidate *was = r->choices[j].with;

		if (was->channel == k->channel && was->chain == k->chain)
			return true;
	}
	return false;
}

static void
tell_tier(const struct route *r, int chain, int tier)
{
	struct table t = { .arena = &r->c->arena };
	bool begun = false;

	for (int i = 0; i < r->plan.n; i++) {
		const struct route_choice *k = &r->choices[i];

		if (k->with->chain != chain || k->tier != tier)
			continue;
		if (!begun) {
			printf("tier %d, priority %lld\n", tier,
			    (long long)k->with->channel->priority);
			table_heads(&t);
		}
		begun = true;
		table_choice(&t, r, k);
	}
	table_print(&t);
	for (int i = 0; i < r->plan.n; i++)
		if (r->choices[i].with->chain == chain &&
		    r->choices[i].tier == tier && !is_told(r, i))
			tell_known(r, &r->choices[i]);
}

static void
tell_session(const struct route *r)
{
	const struct route_choice *first = NULL, *other = NULL;

	for (int i = 0; i < r->plan.n; i++) {
		if (r->choices[i].first)
			first = &r->choices[i];
		else if (r->choices[i].drawn)
			other = &r->choices[i];
	}
	if (!first)
		return;
	printf("session %.*s tries %.*s/%.*s first", STR_ARGS(r->session),
	    STR_ARGS(first->with->channel->name),
	    STR_ARGS(first->with->credential->name));
	if (other)
		printf("; it drew %.*s/%.*s as well",
		    STR_ARGS(other->with->channel->name),
		    STR_ARGS(other->with->credential->name));
	printf("\n");
}

/* Those without the model, in one line. */
static void
tell_without(const struct route *r, int chain)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_left; i++) {
		const struct route_left *l = &r->left[i];

		if (l->chain != chain || !l->no_model)
			continue;
		if (n < NAMES_SHOWN)
			printf("%s%.*s", n ? ", " : "  without the model: ",
			    STR_ARGS(l->channel->name));
		n++;
	}
	if (n > NAMES_SHOWN)
		printf(" and %zu more", n - NAMES_SHOWN);
	if (n)
		printf("\n");
}

static void
tell_left(const struct route *r, int chain)
{
	struct table t = { .arena = &r->c->arena, .columns = 2 };
	bool any = false;

	for (size_t i = 0; i < r->n_left; i++) {
		const struct route_left *l = &r->left[i];

		any |= l->chain == chain;
		if (l->chain != chain || l->no_model)
			continue;
		table_add(&t, arena_printf(t.arena, "  %.*s%s%.*s",
		    STR_ARGS(l->channel->name), l->credential ? "/" : "",
		    STR_ARGS(l->credential ? l->credential->name : S(""))));
		table_add(&t, l->why);
	}
	if (any)
		printf("left out\n");
	table_print(&t);
	tell_without(r, chain);
}

static void
tell_link(const struct route *r, const struct route_link *l, int place)
{
	if (place)
		printf("\nfallback %d, %.*s: ", place, STR_ARGS(l->name));
	if (l->why) {
		printf("passed over, %s\n", l->why);
		return;
	}
	if (!place && l->model && (l->model->priced || l->model->free))
		printf("%.*s is priced by model %.*s%s\n", STR_ARGS(l->name),
		    STR_ARGS(l->model->name), l->model->free ?
		    ", which is free" : "");
	else if (place)
		printf("%s\n", l->candidates ? "when nobody above is left" :
		    "nobody serves it");
	for (int tier = 1; tier <= l->tiers; tier++)
		tell_tier(r, l->chain, tier);
	if (!place && r->session.n)
		tell_session(r);
	tell_left(r, l->chain);
}

void
route_tell(const struct route *r)
{
	if (r->c->json) {
		tell_json(r);
		return;
	}
	printf("routing %s; %lld tokens in, %d out, for %s%.*s%sgroup %.*s\n",
	    routing_names[r->how.routing], (long long)r->wanted.tokens,
	    ROUTE_OUTPUT, r->key.n ? "key " : "", STR_ARGS(r->key),
	    r->key.n ? " of " : "", STR_ARGS(r->group->name));
	if (r->plan.resort && r->plan.n)
		printf("all are ejected: they are tried all the same\n");
	for (int i = 0; i < r->n_links; i++)
		tell_link(r, &r->links[i], i);
}
