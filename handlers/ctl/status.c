/* SPDX-License-Identifier: MIT */
/*
 * status.c - weirctl status: who serves, what is held, can weir hold money,
 * is a channel usable?
 */
#include "db/alert.h"
#include "db/catalogue.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/process.h"
#include "db/setting.h"
#include "handlers/ctl/ctl.h"
#include "handlers/ctl/outs.h"
#include "handlers/relay/plan.h"

enum { OUT_SHOWN = 20 };

struct state {
	int64_t generation;
	size_t models, priced, channels, usable, credentials, groups;
	struct outs outs;
	struct out {			/* of these, those in force */
		const struct park *park;
		struct str channel, credential;	/* names; empty: each */
	} *out;
	int n_out;
	int64_t soonest;		/* UTC ms: the first of them ends */
	struct process_row *processes;
	int n_processes;
	struct str frozen, trouble;
	int alerts;			/* that stand; at most a page */
};

/* By the rule of the plan, which /healthz goes by as well. */
static void
count_channels(struct state *s, const struct catalogue *cat)
{
	struct health *h = outs_health(&s->outs);

	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];

		for (size_t j = 0; j < ch->n_credentials; j++)
			s->credentials += plan_key_usable(ch,
			    &ch->credentials[j], h, s->outs.now);
		s->usable += plan_usable(ch, h, s->outs.now);
	}
	health_free(h);
}

/* Names live in the catalogue, which goes. */
static void
name_out(struct arena *a, const struct catalogue *cat, struct out *o)
{
	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];

		if (ch->id != o->park->channel)
			continue;
		o->channel = arena_str(a, ch->name);
		for (size_t j = 0; j < ch->n_credentials; j++)
			if (ch->credentials[j].id == o->park->credential)
				o->credential = arena_str(a,
				    ch->credentials[j].name);
	}
}

static void
list_out(struct ctl *c, struct state *s, const struct catalogue *cat)
{
	s->out = arena_zero(&c->arena,
	    sizeof(*s->out) * ((size_t)s->outs.n + 1));
	for (int i = 0; i < s->outs.n; i++) {
		const struct park *p = &s->outs.list[i];
		int64_t ends = p->until > s->outs.now ? p->until : p->trial;

		if (!park_holds(p, s->outs.now))
			continue;
		s->out[s->n_out].park = p;
		name_out(&c->arena, cat, &s->out[s->n_out++]);
		if (p->kind != PARK_BARRED && (!s->soonest ||
		    ends < s->soonest))
			s->soonest = ends;
	}
}

static bool
look(struct ctl *c, struct state *s)
{
	struct catalogue *cat = catalogue_load(c->db);
	bool read = cat && outs_load(c, &s->outs);
	struct occurrence *standing;

	if (!cat)
		return false;
	s->generation = setting_generation(c->db);
	s->models = cat->n_models;
	for (size_t i = 0; i < cat->n_models; i++)
		s->priced += cat->models[i].enabled &&
		    (cat->models[i].priced || cat->models[i].free);
	s->channels = cat->n_channels;
	s->groups = cat->n_groups;
	if (read) {
		count_channels(s, cat);
		list_out(c, s, cat);
	}
	catalogue_give(cat);
	if (ledger_frozen(c->db, &c->arena, &s->frozen))
		s->trouble = arena_printf(&c->arena, "billing is stopped "
		    "(%.*s): weirctl ledger check shows the difference",
		    STR_ARGS(s->frozen));
	else if (s->channels == 0)
		s->trouble = S("there is no channel: weirctl apply makes one");
	else if (s->usable == 0)
		s->trouble = S("no channel is usable: weirctl channel list and "
		    "weirctl credential list say which are off or out");
	else if (s->priced == 0)
		s->trouble = S("no model has a price: weirctl apply gives "
		    "prices");
	s->n_processes = process_list(c->store, c->db, &c->arena,
	    &s->processes);
	s->alerts = alert_standing(c->db, &c->arena, 0, &standing);
	return read && s->generation >= 0 && s->n_processes >= 0 &&
	    s->alerts >= 0;
}

/* Nothing is written: it shows that a write lock can be had. */
static bool
touch(struct db *db, void *arg)
{
	(void)db;
	(void)arg;
	return true;
}

static void
tell_json(struct ctl *c, const struct state *s)
{
	struct buf b = BUF(&c->arena, 1 << 20);

	buf_char(&b, '{');
	out_bool(&b, "good", s->trouble.n == 0);
	out_str(&b, "trouble", s->trouble);
	out_str(&b, "data", str_of(store_dir(c->store)));
	out_int(&b, "generation", s->generation);
	out_int(&b, "models", (int64_t)s->models);
	out_int(&b, "models_priced", (int64_t)s->priced);
	out_int(&b, "channels", (int64_t)s->channels);
	out_int(&b, "channels_usable", (int64_t)s->usable);
	out_int(&b, "credentials_usable", (int64_t)s->credentials);
	out_int(&b, "groups", (int64_t)s->groups);
	out_int(&b, "alerts_standing", s->alerts);
	out_int(&b, "parks", s->n_out);
	out_member(&b, "out");
	buf_char(&b, '[');
	for (int i = 0; i < s->n_out; i++) {
		const struct out *o = &s->out[i];

		buf_put(&b, i ? S(",{") : S("{"));
		out_str(&b, "channel", o->channel);
		out_maybe(&b, "credential", o->credential);
		out_maybe(&b, "upstream_model", o->park->model);
		out_json(&b, o->park, s->outs.now);
		buf_char(&b, '}');
	}
	buf_char(&b, ']');
	out_member(&b, "processes");
	buf_char(&b, '[');
	for (int i = 0; i < s->n_processes; i++) {
		const struct process_row *p = &s->processes[i];

		buf_put(&b, i ? S(",{") : S("{"));
		out_str(&b, "program", p->program);
		out_int(&b, "pid", p->pid);
		out_time(&b, "started", p->started);
		out_bool(&b, "alive", p->alive);
		out_int(&b, "calls", p->holds);
		out_usd(&b, "held", p->held);
		buf_char(&b, '}');
	}
	buf_put(&b, S("]}\n"));
	print(&b);
}

static void
tell_out(struct ctl *c, const struct state *s)
{
	struct table t = { .arena = &c->arena, .columns = 5 };

	if (!s->n_out)
		return;
	printf("out       %d", s->n_out);
	if (s->soonest)
		printf("; the first is back in %.*s",
		    STR_ARGS(span(&c->arena, s->soonest - s->outs.now)));
	printf("\n");
	for (int i = 0; i < s->n_out && i < OUT_SHOWN; i++) {
		const struct out *o = &s->out[i];

		table_add(&t, arena_printf(&c->arena, "  %.*s%s%.*s",
		    STR_ARGS(o->channel), o->credential.n ? "/" : "",
		    STR_ARGS(o->credential)));
		table_add(&t, o->park->model.n ? o->park->model :
		    S("every model"));
		table_add(&t, str_of(park_state(o->park, s->outs.now)));
		table_add(&t, o->park->reason);
		table_add(&t, out_until(&c->arena, o->park, s->outs.now));
	}
	table_print(&t);
	if (s->n_out > OUT_SHOWN)
		printf("  and %d more\n", s->n_out - OUT_SHOWN);
}

static void
tell(struct ctl *c, const struct state *s)
{
	printf("data      %s, catalogue %lld\n", store_dir(c->store),
	    (long long)s->generation);
	printf("models    %zu of %zu usable (on, with a price or free)\n",
	    s->priced, s->models);
	printf("channels  %zu of %zu usable, with %zu credentials\n",
	    s->usable, s->channels, s->credentials);
	for (int i = 0; i < s->n_processes; i++) {
		const struct process_row *p = &s->processes[i];

		printf("process   %.*s %lld, %s %.*s, %lld calls hold %.*s "
		    "USD\n", STR_ARGS(p->program), (long long)p->pid,
		    p->alive ? "since" : "died; started",
		    STR_ARGS(time_short(&c->arena, p->started)),
		    (long long)p->holds,
		    STR_ARGS(money_text(&c->arena, p->held)));
	}
	if (s->n_processes == 0)
		printf("process   none serves\n");
	if (s->alerts)
		printf("alerts    %d stand: weirctl alert standing\n",
		    s->alerts);
	tell_out(c, s);
}

static int
run(struct ctl *c)
{
	struct state s = { 0 };

	if (!look(c, &s))
		return failed_read(c);
	if (!store_write(c->store, false, touch, NULL))
		s.trouble = S("the database cannot be written: is the disk "
		    "full, or the file system read-only?");
	if (c->json) {
		tell_json(c, &s);
		return s.trouble.n ? EXIT_REFUSED : EXIT_DONE;
	}
	tell(c, &s);
	if (s.trouble.n)
		return failed(c, "%.*s", STR_ARGS(s.trouble));
	printf("well\n");
	return EXIT_DONE;
}

const struct command command_status = {
	.name = "status", .usage = "",
	.summary = "who serves, what is held, who is out; is all well?",
	.help =
"Of the channels and credentials that are out: what they are out for, how,\n"
"why and until when; --json has all of them, and 20 are shown.  Exit status\n"
"1, and the reason, when calls could not be served.\n",
	.run = run,
};
