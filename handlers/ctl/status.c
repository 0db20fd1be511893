/* SPDX-License-Identifier: MIT */
/*
 * status.c - weirctl status: who serves, what is held, can weir hold money,
 * is a channel usable?
 */
#include "db/catalogue.h"
#include "db/ledger.h"
#include "db/money.h"
#include "db/park.h"
#include "db/process.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "handlers/ctl/ctl.h"

struct health {
	int64_t generation;
	size_t models, priced, channels, usable, credentials, groups;
	int parks;
	int64_t soonest;		/* UTC ms, of the parks */
	struct process_row *processes;
	int n_processes;
	struct str frozen, trouble;
};

static bool
is_parked(const struct park *parks, int n, int64_t credential)
{
	for (int i = 0; i < n; i++)
		if (parks[i].credential == credential &&
		    parks[i].model.n == 0)
			return true;
	return false;
}

static void
count_channels(struct health *h, const struct catalogue *cat,
    const struct park *parks)
{
	for (size_t i = 0; i < cat->n_channels; i++) {
		const struct channel *ch = &cat->channels[i];
		size_t good = 0;

		for (size_t j = 0; j < ch->n_credentials; j++)
			good += ch->credentials[j].enabled && !is_parked(
			    parks, h->parks, ch->credentials[j].id);
		h->credentials += good;
		h->usable += ch->enabled && good && ch->n_models;
	}
}

static bool
look(struct ctl *c, struct health *h)
{
	struct catalogue *cat = catalogue_load(c->db);
	struct park *parks;

	if (!cat)
		return false;
	h->parks = park_load(c->db, clock_utc_ms(), &c->arena, &parks);
	h->generation = setting_generation(c->db);
	h->models = cat->n_models;
	for (size_t i = 0; i < cat->n_models; i++)
		h->priced += cat->models[i].enabled &&
		    (cat->models[i].priced || cat->models[i].free);
	h->channels = cat->n_channels;
	h->groups = cat->n_groups;
	if (h->parks >= 0)
		count_channels(h, cat, parks);
	for (int i = 0; i < h->parks; i++)
		if (!h->soonest || parks[i].until < h->soonest)
			h->soonest = parks[i].until;
	catalogue_give(cat);
	if (ledger_frozen(c->db, &c->arena, &h->frozen))
		h->trouble = arena_printf(&c->arena, "billing is stopped "
		    "(%.*s): weirctl ledger check shows the difference",
		    STR_ARGS(h->frozen));
	else if (h->channels == 0)
		h->trouble = S("there is no channel: weirctl apply makes one");
	else if (h->usable == 0)
		h->trouble = S("no channel is usable: weirctl channel list and "
		    "weirctl credential list say which are off");
	else if (h->priced == 0)
		h->trouble = S("no model has a price: weirctl apply gives "
		    "prices");
	h->n_processes = process_list(c->store, c->db, &c->arena,
	    &h->processes);
	return h->parks >= 0 && h->generation >= 0 && h->n_processes >= 0;
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
tell_json(struct ctl *c, const struct health *h)
{
	struct buf b = BUF(&c->arena, 1 << 20);

	buf_char(&b, '{');
	out_bool(&b, "good", h->trouble.n == 0);
	out_str(&b, "trouble", h->trouble);
	out_str(&b, "data", str_of(store_dir(c->store)));
	out_int(&b, "generation", h->generation);
	out_int(&b, "models", (int64_t)h->models);
	out_int(&b, "models_priced", (int64_t)h->priced);
	out_int(&b, "channels", (int64_t)h->channels);
	out_int(&b, "channels_usable", (int64_t)h->usable);
	out_int(&b, "credentials_usable", (int64_t)h->credentials);
	out_int(&b, "groups", (int64_t)h->groups);
	out_int(&b, "parks", h->parks);
	out_member(&b, "processes");
	buf_char(&b, '[');
	for (int i = 0; i < h->n_processes; i++) {
		const struct process_row *p = &h->processes[i];

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
tell(struct ctl *c, const struct health *h)
{
	printf("data      %s, catalogue %lld\n", store_dir(c->store),
	    (long long)h->generation);
	printf("models    %zu of %zu usable (on, with a price or free)\n",
	    h->priced, h->models);
	printf("channels  %zu of %zu usable, with %zu credentials\n",
	    h->usable, h->channels, h->credentials);
	if (h->parks)
		printf("parked    %d; the first is back at %.*s\n", h->parks,
		    STR_ARGS(time_short(&c->arena, h->soonest)));
	for (int i = 0; i < h->n_processes; i++) {
		const struct process_row *p = &h->processes[i];

		printf("process   %.*s %lld, %s %.*s, %lld calls hold %.*s "
		    "USD\n", STR_ARGS(p->program), (long long)p->pid,
		    p->alive ? "since" : "died; started",
		    STR_ARGS(time_short(&c->arena, p->started)),
		    (long long)p->holds,
		    STR_ARGS(money_text(&c->arena, p->held)));
	}
	if (h->n_processes == 0)
		printf("process   none serves\n");
}

static int
run(struct ctl *c)
{
	struct health h = { 0 };

	if (!look(c, &h))
		return failed_read(c);
	if (!store_write(c->store, false, touch, NULL))
		h.trouble = S("the database cannot be written: is the disk "
		    "full, or the file system read-only?");
	if (c->json) {
		tell_json(c, &h);
		return h.trouble.n ? EXIT_REFUSED : EXIT_DONE;
	}
	tell(c, &h);
	if (h.trouble.n)
		return failed(c, "%.*s", STR_ARGS(h.trouble));
	printf("well\n");
	return EXIT_DONE;
}

const struct command command_status = {
	.name = "status", .usage = "",
	.summary = "who serves, what is held and parked; is all well?",
	.help =
"Exit status 1, and the reason, when calls could not be served.\n",
	.run = run,
};
