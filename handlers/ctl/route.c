/* SPDX-License-Identifier: MIT */
/*
 * route.c - weirctl route: who would serve a model, in what order, and why.
 *
 * It makes the plan and picks with the relay's own code (handlers/relay/plan.h
 * and pick.h), on the same catalogue, parks and scores; what the plan left
 * out is explained beside it.  What only a running process knows is not seen
 * here: how many of its calls run, and which sessions it remembers.
 */
#include "handlers/ctl/route.h"

#include "db/account.h"
#include "db/key.h"
#include "db/model.h"
#include "db/score.h"
#include "fcgi/base/json.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/noun.h"
#include "handlers/relay/affinity.h"

enum {
	TOKENS = 1000,			/* of the prompt, unless told */
	TOKENS_MOST = 1000000000,
	SCORES_MS = 3600 * 1000		/* older ones tell nothing */
};

/* --- For whom ------------------------------------------------------------- */

/* The key's group, models and id; false: refuse() said why not. */
static bool
look_at_key(struct route *r)
{
	struct ctl *c = r->c;
	const char *word = opt(c, "key");
	struct account_row account;
	struct key_row row;
	struct found f;

	if (!key_pick(c, &f) ||
	    account_find(c->db, &c->arena, f.path[0], &account) != 1 ||
	    key_find(c->db, &c->arena, f.up.project, f.path[2], &row) != 1)
		return false;
	if (!account.enabled || !row.enabled || row.revoked)
		return refuse(c, "key %s would be refused: %s", word,
		    row.revoked ? "it is revoked" : row.enabled ?
		    "its account is off" : "it is off");
	if (row.expires && row.expires <= r->outs.now)
		return refuse(c, "key %s would be refused: it has expired",
		    word);
	if (!plan_allowed(row.models, r->name))
		return refuse(c, "key %s may not use %.*s: its models are "
		    "%.*s", word, STR_ARGS(r->name), STR_ARGS(row.models));
	r->key = found_name(&c->arena, &f);
	r->key_id = row.id;
	r->strict = row.strict;
	r->wanted.allowed = row.models;
	r->wanted.group = account.grp;
	return true;
}

static bool
look_at_group(struct route *r)
{
	if (opt(r->c, "key") && !look_at_key(r))
		return false;
	for (size_t i = 0; i < r->cat->n_groups; i++)
		if (r->wanted.group ? r->cat->groups[i].id ==
		    r->wanted.group : str_eq(r->cat->groups[i].name,
		    S("default")))
			r->group = &r->cat->groups[i];
	if (!r->group)
		return refuse(r->c, "there is no group default");
	r->wanted.group = r->group->id;
	return true;
}

/* --- The models ----------------------------------------------------------- */

static const char *
why_unknown(const struct route *r, struct str name, bool *failed)
{
	struct model_row row;
	int found = model_find(r->c->db, &r->c->arena, name, &row);

	*failed |= found < 0;
	return found == 1 && row.enabled ? "it cannot stand in" :
	    found == 1 ? "it is off" : "there is no such model any more";
}

static void
add_fallback(struct route *r, const struct model *asked, struct str name,
    bool *failed)
{
	struct route_link *l = &r->links[r->n_links++];

	*l = (struct route_link){ .name = name, .chain = -1 };
	for (size_t i = 0; i < asked->n_fallback; i++)
		if (str_eq(asked->fallback[i]->name, name)) {
			l->model = asked->fallback[i];
			l->chain = (int)i + 1;
			l->why = plan_unfit(l->model, &r->wanted);
		}
	if (!l->model)
		l->why = why_unknown(r, name, failed);
}

/* The asked one and its list, with those that are off: the snapshot has
 * left these out already. */
static bool
list_links(struct route *r)
{
	const struct model *asked = catalogue_model(r->cat, r->name);
	struct json_each each;
	struct model_row row;
	bool failed = false;

	r->links = arena_zero(&r->c->arena,
	    sizeof(*r->links) * (FALLBACK_MOST + 1));
	r->links[r->n_links++] = (struct route_link){ .name = r->name,
		.model = asked };
	if (!asked)
		return true;
	r->links[0].name = model_called(asked, r->name);
	if (model_find(r->c->db, &r->c->arena, asked->name, &row) != 1)
		return false;
	each = json_each(row.fallback);
	while (r->n_links <= FALLBACK_MOST && json_next(&each))
		add_fallback(r, asked, json_text(&r->c->arena, each.value),
		    &failed);
	return !failed;
}

/* --- What the plan has ---------------------------------------------------- */

/* The fourth root: scores are compared by their fourth power. */
static double
root(double x)
{
	for (int twice = 0; twice < 2; twice++) {
		double of = x, y = x > 1 ? x : 1;

		for (int i = 0; i < 200; i++)
			y = (y + of / y) / 2;
		x = y;
	}
	return x;
}

/* The candidates from one on that are of its tier, as a plan of their own. */
static struct plan
tier_of(const struct plan *p, int from)
{
	struct plan t = *p;

	t.list += from;
	t.n = 1;
	while (from + t.n < p->n && t.list[t.n].chain == t.list->chain &&
	    t.list[t.n].channel->priority == t.list->channel->priority)
		t.n++;
	return t;
}

static void
explain_tier(struct route *r, struct plan *t, struct route_choice *list,
    int tier)
{
	double chance[LIMIT_CANDIDATES], best = 0;
	uint64_t weight = 0;

	pick_chances(t, &r->how, chance);
	for (int i = 0; i < t->n; i++) {
		const struct candidate *k = &t->list[i];

		weight += k->weight;
		list[i] = (struct route_choice){ .with = k, .tier = tier,
			.chance = chance[i],
			.score = pick_score(t, k, &r->how),
			.sight = health_sight(r->how.health, &k->about,
			    r->outs.now),
			.clock_ms = pick_first_ms(k, r->how.health,
			    r->wanted.tokens, false, r->outs.now),
			.known = route_know(r, k) };
		if (i == 0 || list[i].score.score < best)
			best = list[i].score.score;
	}
	for (int i = 0; i < t->n; i++) {
		list[i].relative = root(list[i].score.score / best);
		list[i].percent = weight ? (int)(list[i].with->weight * 100 /
		    weight) : 100 / t->n;
	}
}

/* The two that the session draws, and which of them is tried first. */
static void
explain_session(struct route *r)
{
	struct candidate *two[2], *first;
	int n = pick_two(&r->plan, &r->how, two);

	for (int i = 0; i < n; i++)
		r->choices[two[i] - r->plan.list].drawn = true;
	first = pick_next(&r->plan, &r->how);
	if (first)
		r->choices[first - r->plan.list].first = true;
}

static void
explain_plan(struct route *r)
{
	int tier = 0;

	r->choices = arena_zero(&r->c->arena,
	    sizeof(*r->choices) * ((size_t)r->plan.n + 1));
	for (int i = 0; i < r->plan.n; ) {
		struct plan t = tier_of(&r->plan, i);

		tier = i && t.list->chain == r->plan.list[i - 1].chain ?
		    tier + 1 : 1;
		explain_tier(r, &t, &r->choices[i], tier);
		for (int k = 0; k < r->n_links; k++)
			if (r->links[k].chain == t.list->chain) {
				r->links[k].tiers = tier;
				r->links[k].candidates += t.n;
			}
		i += t.n;
	}
	if (r->session.n)
		explain_session(r);
}

/* --- What it left out ----------------------------------------------------- */

static bool
concerns(const struct park *p, int64_t channel, int64_t credential,
    struct str model)
{
	return p->channel == channel && (p->credential == 0 ||
	    p->credential == credential) && (p->model.n == 0 ||
	    str_eq(p->model, model));
}

bool
route_concerns(const struct park *p, const struct candidate *k)
{
	return concerns(p, k->channel->id, k->credential->id,
	    k->upstream_model);
}

bool
route_concerns_left(const struct park *p, const struct route_left *l)
{
	return l->credential && concerns(p, l->channel->id,
	    l->credential->id, l->upstream_model);
}

/* Each reason for which it is out now. */
static struct str
reasons(const struct route *r, const struct route_left *l)
{
	struct arena *a = &r->c->arena;
	struct buf b = BUF(a, 1 << 16);

	for (int i = 0; i < r->outs.n; i++)
		if (route_concerns_left(&r->outs.list[i], l) &&
		    park_holds(&r->outs.list[i], r->outs.now))
			buf_printf(&b, "%s%.*s", b.n ? "; " : "",
			    STR_ARGS(out_words(a, &r->outs.list[i],
			    r->outs.now)));
	return buf_str(&b);
}

static void
leave(struct route *r, const struct route_link *link,
    const struct channel *ch, struct str why)
{
	r->left[r->n_left++] = (struct route_left){ .chain = link->chain,
		.channel = ch, .why = why };
}

static bool
is_planned(const struct route *r, const struct route_link *link,
    const struct credential *k)
{
	for (int i = 0; i < r->plan.n; i++)
		if (r->plan.list[i].credential == k &&
		    r->plan.list[i].chain == link->chain)
			return true;
	return false;
}

static void
leave_keys(struct route *r, const struct route_link *link,
    const struct channel *ch, struct str upstream_model)
{
	for (size_t i = 0; i < ch->n_credentials; i++) {
		const struct credential *k = &ch->credentials[i];
		struct route_left *l = &r->left[r->n_left];
		struct str out;

		if (is_planned(r, link, k))
			continue;
		leave(r, link, ch, S("is off"));
		l->credential = k;
		l->upstream_model = upstream_model;
		out = reasons(r, l);
		l->out = k->enabled && out.n;
		if (l->out)
			l->why = out;
		else if (k->enabled)
			l->why = r->plan.n < LIMIT_CANDIDATES ?
			    S("the model has no price") :
			    S("there are enough candidates before it");
	}
}

static void
leave_channel(struct route *r, const struct route_link *link,
    const struct channel *ch)
{
	const struct channel_model *serves = channel_serves(ch, link->name);

	if (!serves) {
		/* Of a fallback nobody asks who does not have it. */
		if (link->chain)
			return;
		leave(r, link, ch, S("does not have the model"));
		r->left[r->n_left - 1].no_model = true;
	} else if (!ch->enabled) {
		leave(r, link, ch, S("is off"));
	} else if (!channel_has_group(ch, r->group->id)) {
		leave(r, link, ch, S("is not for this group"));
	} else if (!dialect_find(ch->dialect)) {
		leave(r, link, ch, S("has a dialect that this weir does not "
		    "know"));
	} else if (ch->n_credentials == 0) {
		leave(r, link, ch, S("has no credential"));
	} else {
		leave_keys(r, link, ch, serves->upstream.p ?
		    serves->upstream : link->name);
	}
}

static void
explain_left(struct route *r)
{
	size_t room = r->cat->n_channels + r->cat->n_credentials;

	r->left = arena_zero(&r->c->arena, sizeof(*r->left) * (room + 1) *
	    (size_t)r->n_links);
	for (int i = 0; i < r->n_links; i++)
		for (size_t j = 0; r->links[i].model && !r->links[i].why &&
		    j < r->cat->n_channels; j++)
			leave_channel(r, &r->links[i], &r->cat->channels[j]);
}

/* --- The command ---------------------------------------------------------- */

/* A call of that size: of a model without a price for text, one of what it
 * is sold by. */
static struct buckets
usual_call(const struct route *r)
{
	static const enum bucket units[] = { BUCKET_IMAGE, BUCKET_SECOND,
		BUCKET_CHARACTER, BUCKET_SEARCH };
	const struct model *m = catalogue_model(r->cat, r->name);
	struct buckets use = { { 0 } };

	use.n[BUCKET_INPUT] = r->wanted.tokens;
	use.n[BUCKET_OUTPUT] = ROUTE_OUTPUT;
	use.n[BUCKET_REQUEST] = 1;
	for (size_t i = 0; m && i < countof(units); i++)
		if (m->price.given & 1u << units[i])
			use.n[units[i]] = 1;
	return use;
}

static bool
load_scores(struct route *r)
{
	struct score_row *list;
	int n = score_load(r->c->db, r->outs.now - SCORES_MS, &r->c->arena,
	    &list);

	if (n > 0)
		health_load_scores(r->how.health, list, n);
	return n >= 0;
}

static int
run_with(struct route *r)
{
	struct ctl *c = r->c;

	r->wanted.now = r->how.now = r->outs.now;
	if (!look_at_group(r) || !list_links(r) || !load_scores(r))
		return failed_read(c);
	r->how.routing = r->cat->routing;
	r->how.use = usual_call(r);
	r->how.dice = affinity_session(r->key_id, r->name, r->session, 0);
	r->planned = plan_make(&c->arena, r->cat, r->how.health, &r->wanted,
	    &r->plan, &r->fault);
	if (!r->planned)
		r->plan.n = 0;
	explain_left(r);
	explain_plan(r);
	route_tell(r);
	if (!r->planned)
		return failed(c, "%.*s", STR_ARGS(r->fault.text));
	if (r->plan.n == 0)
		return failed(c, "all %d candidates are out; the first is "
		    "back at %.*s", r->plan.out,
		    STR_ARGS(time_short(&c->arena, r->plan.soonest_ms)));
	return EXIT_DONE;
}

static int
run(struct ctl *c)
{
	struct route r = { .c = c, .name = str_of(c->words[0]),
		.session = str_of(opt(c, "session") ? opt(c, "session") : "") };
	int status;

	r.wanted.model = r.name;
	r.wanted.tokens = TOKENS;
	if (!opt_count(c, "tokens", 0, &r.wanted.tokens))
		return EXIT_USAGE;
	if (r.wanted.tokens > TOKENS_MOST)
		return misused(c, "--tokens: at most %d", TOKENS_MOST);
	if (opt(c, "session") && (!r.session.n || !opt(c, "key")))
		return misused(c, "--session: a name, and --key beside it: "
		    "each key has sessions of its own");
	if (!outs_load(c, &r.outs))
		return failed_read(c);
	r.cat = catalogue_load(c->db);
	if (!r.cat)
		return failed_read(c);
	r.how.health = outs_health(&r.outs);
	status = run_with(&r);
	health_free(r.how.health);
	catalogue_give(r.cat);
	return status;
}

const struct command command_route = {
	.name = "route",
	.usage = "MODEL [--key K [--account A [--project P]] [--session S]] "
	    "[--tokens N]",
	.summary = "who would serve a model now, and why not the others",
	.help =
"A tier is used when those before it are exhausted, a fallback model when the\n"
"tiers of those before it are.  Within a tier two are drawn by weight, and the\n"
"one with the clearly better score is tried first.  The score, 1 is the tier's\n"
"best and more is worse, is of what the call costs us, how soon its first\n"
"content comes and how many calls are good, as the site's routing weighs them.\n"
"\n"
"  --key K      for this key; else what the group default would get\n"
"  --session S  the session so named (x-weir-session): which two it draws.\n"
"               A process that served it in the last five minutes stays with\n"
"               the credential it had\n"
"  --tokens N   tokens of the prompt (1000); 500 are taken to be answered\n"
"\n"
"Below them stands what is known of the model there (weirctl channel\n"
"capabilities has the words), and what its channel changes in requests.\n"
"\n"
"Exit status 1 when nobody would serve it.\n",
	.options = "key= account= project= session= tokens=",
	.least = 1, .most = 1, .run = run,
};
