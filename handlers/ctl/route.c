/* SPDX-License-Identifier: MIT */
/*
 * route.c - weirctl route: who would serve a model, in what order, and why.
 *
 * It makes the plan with the relay's own code (handlers/relay/plan.h), on the
 * same catalogue and parks; what the plan left out is explained beside it.
 */
#include "db/account.h"
#include "db/key.h"
#include "db/park.h"
#include "fcgi/base/clock.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/noun.h"
#include "handlers/relay/health.h"
#include "handlers/relay/plan.h"

struct question {
	struct ctl *c;
	struct catalogue *cat;
	struct str name;		/* as asked */
	int64_t group, now;
	struct health *health;
	struct plan plan;
	struct fault fault;
	struct buf b;			/* JSON */
	struct table served, left;
	size_t n_left;
};

/* --- the key -------------------------------------------------------------- */

/* The group of a key's account; false: refuse() said why not. */
static bool
group_of_key(struct question *k)
{
	struct ctl *c = k->c;
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
	if (row.expires && row.expires <= k->now)
		return refuse(c, "key %s would be refused: it has expired",
		    word);
	if (!plan_allowed(row.models, k->name))
		return refuse(c, "key %s may not use %.*s: its models are "
		    "%.*s", word, STR_ARGS(k->name), STR_ARGS(row.models));
	k->group = account.grp;
	return true;
}

static bool
group_default(struct question *k)
{
	for (size_t i = 0; i < k->cat->n_groups; i++)
		if (str_eq(k->cat->groups[i].name, S("default")))
			k->group = k->cat->groups[i].id;
	return k->group != 0 || refuse(k->c, "there is no group default");
}

/* --- what the plan has ---------------------------------------------------- */

/* Its share of the calls of its tier, in percent. */
static int
share(const struct plan *p, const struct candidate *one)
{
	uint64_t sum = 0;

	for (int i = 0; i < p->n; i++)
		if (p->list[i].channel->priority == one->channel->priority)
			sum += p->list[i].weight;
	return sum ? (int)(one->weight * 100 / sum) : 100;
}

static void
put_served(struct question *k, const struct candidate *one, int tier)
{
	struct arena *a = &k->c->arena;
	int percent = share(&k->plan, one);

	if (k->c->json) {
		buf_put(&k->b, one == k->plan.list ? S("{") : S(",{"));
		out_int(&k->b, "tier", tier);
		out_int(&k->b, "priority", one->channel->priority);
		out_int(&k->b, "percent", percent);
		out_str(&k->b, "channel", one->channel->name);
		out_str(&k->b, "credential", one->credential->name);
		out_str(&k->b, "upstream_model", one->upstream_model);
		buf_char(&k->b, '}');
		return;
	}
	table_add(&k->served, arena_printf(a, "%d", tier));
	table_add(&k->served, arena_printf(a, "priority %lld",
	    (long long)one->channel->priority));
	table_add(&k->served, arena_printf(a, "%d %%", percent));
	table_add(&k->served, arena_printf(a, "%.*s/%.*s",
	    STR_ARGS(one->channel->name), STR_ARGS(one->credential->name)));
	table_add(&k->served, arena_printf(a, "as %.*s",
	    STR_ARGS(one->upstream_model)));
}

/* --- what it left out ----------------------------------------------------- */

static void
put_left(struct question *k, const struct channel *ch,
    const struct credential *one, struct str why)
{
	if (k->c->json) {
		buf_put(&k->b, k->n_left ? S(",{") : S("{"));
		out_str(&k->b, "channel", ch->name);
		if (one)
			out_str(&k->b, "credential", one->name);
		out_str(&k->b, "why", why);
		buf_char(&k->b, '}');
	} else {
		table_add(&k->left, arena_printf(&k->c->arena, "%.*s%s%.*s",
		    STR_ARGS(ch->name), one ? "/" : "",
		    STR_ARGS(one ? one->name : S(""))));
		table_add(&k->left, why);
	}
	k->n_left++;
}

static bool
is_served(const struct question *k, const struct credential *one)
{
	for (int i = 0; i < k->plan.n; i++)
		if (k->plan.list[i].credential == one)
			return true;
	return false;
}

static void
explain(struct question *k, const struct channel *ch)
{
	const struct channel_model *serves = channel_serves(ch, k->name);

	if (!serves) {
		put_left(k, ch, NULL, S("does not have the model"));
	} else if (!ch->enabled) {
		put_left(k, ch, NULL, S("is off"));
	} else if (!channel_has_group(ch, k->group)) {
		put_left(k, ch, NULL, S("is not for this group"));
	} else if (ch->n_credentials == 0) {
		put_left(k, ch, NULL, S("has no credential"));
	} else for (size_t i = 0; i < ch->n_credentials; i++) {
		const struct credential *one = &ch->credentials[i];
		struct subject about = { ch->id, one->id, serves->upstream.p ?
			serves->upstream : k->name, false };
		struct health_told told = health_tell(k->health, &about,
		    k->now);

		if (is_served(k, one))
			continue;
		put_left(k, ch, one, !one->enabled ? S("is off") : told.until ?
		    arena_printf(&k->c->arena, "is out until %.*s (%s: %s)",
		    STR_ARGS(time_short(&k->c->arena, told.until)), told.what,
		    told.reason) :
		    S("there is no price, or too many candidates"));
	}
}

/* --- the command ---------------------------------------------------------- */

static void
tell(struct question *k, bool planned)
{
	int tier = 0;

	if (k->c->json) {
		buf_char(&k->b, '{');
		out_str(&k->b, "model", k->name);
		out_bool(&k->b, "served", planned && k->plan.n > 0);
		out_member(&k->b, "candidates");
		buf_char(&k->b, '[');
	}
	for (int i = 0; planned && i < k->plan.n; i++) {
		if (i == 0 || k->plan.list[i].channel->priority !=
		    k->plan.list[i - 1].channel->priority)
			tier++;
		put_served(k, &k->plan.list[i], tier);
	}
	if (k->c->json) {
		buf_char(&k->b, ']');
		out_member(&k->b, "left_out");
		buf_char(&k->b, '[');
	}
	for (size_t i = 0; i < k->cat->n_channels; i++)
		explain(k, &k->cat->channels[i]);
	if (k->c->json) {
		buf_put(&k->b, S("]}\n"));
		print(&k->b);
		return;
	}
	if (planned)
		printf("%.*s is priced by model %.*s%s\n", STR_ARGS(k->name),
		    STR_ARGS(k->plan.model->name),
		    k->plan.model->free ? ", which is free" : "");
	table_print(&k->served);
	if (k->n_left)
		printf("left out:\n");
	table_print(&k->left);
}

static int
run_with(struct question *k)
{
	struct ctl *c = k->c;
	struct park *parks;
	int n = park_load(c->db, k->now, &c->arena, &parks);
	struct wanted w = { .model = k->name, .now = k->now };
	bool planned;

	if (n < 0 || !(opt(c, "key") ? group_of_key(k) :
	    group_default(k)))
		return failed_read(c);
	w.group = k->group;
	health_load_parks(k->health, parks, n, k->now);
	planned = plan_make(&c->arena, k->cat, k->health, &w, &k->plan,
	    &k->fault);
	if (!planned)
		k->plan.n = 0;
	tell(k, planned);
	if (!planned)
		return failed(c, "%.*s", STR_ARGS(k->fault.text));
	if (k->plan.n == 0)
		return failed(c, "all %d candidates are out; the first is "
		    "back at %.*s", k->plan.out,
		    STR_ARGS(time_short(&c->arena, k->plan.soonest_ms)));
	return EXIT_DONE;
}

static int
run(struct ctl *c)
{
	struct question k = { .c = c, .name = str_of(c->words[0]),
		.now = clock_utc_ms(), .b = BUF(&c->arena, 64 << 20),
		.served = { .arena = &c->arena, .columns = 5, .right = 4 },
		.left = { .arena = &c->arena, .columns = 2 } };
	int status;

	k.cat = catalogue_load(c->db);
	if (!k.cat)
		return failed_read(c);
	k.health = health_new(NULL, 1);
	status = run_with(&k);
	health_free(k.health);
	catalogue_give(k.cat);
	return status;
}

const struct command command_route = {
	.name = "route", .usage = "MODEL [--key K [--account A [--project P]]]",
	.summary = "who would serve a model now, and why not the others",
	.help =
"A tier is used when those before it are exhausted; within a tier calls are\n"
"spread by weight.  Without --key: what the group default would get.\n"
"Exit status 1 when nobody would serve it.\n",
	.options = "key= account= project=", .least = 1, .most = 1, .run = run,
};
