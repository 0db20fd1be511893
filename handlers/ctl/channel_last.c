/* SPDX-License-Identifier: MIT */
/*
 * channel_last.c - weirctl channel test --last: what weir's own tiny calls
 * have shown of a channel's credentials, newest first.
 */
#include "db/channel.h"
#include "db/money.h"
#include "db/probe.h"
#include "fcgi/base/mem.h"
#include "handlers/ctl/channel.h"

struct last {
	struct ctl *c;
	struct channel_row channel;
	const char *only;		/* of --credential, or NULL */
	int shown, probes;
	struct buf b;			/* JSON */
	struct table table;
};

static void
tell_json(struct last *l, const struct probe *p, bool first)
{
	struct buf *b = &l->b;

	buf_put(b, first ? S("{") : S(",{"));
	out_time(b, "at", p->at);
	out_str(b, "model", p->model);
	out_str(b, "why", str_of(probe_whys[p->why]));
	out_int(b, "status", p->status);
	out_str(b, "outcome", p->outcome);
	out_int(b, "ms", p->ms);
	out_member(b, "first_ms");
	if (p->first_ms < 0)
		buf_put(b, S("null"));
	else
		buf_int(b, p->first_ms);
	out_int(b, "input", p->input);
	out_int(b, "output", p->output);
	out_usd(b, "cost", p->cost);
	buf_char(b, '}');
}

static void
tell_text(struct last *l, struct str name, const struct probe *p)
{
	struct arena *a = &l->c->arena;
	struct table *t = &l->table;

	table_add(t, time_short(a, p->at));
	table_add(t, name);
	table_add(t, tame(a, p->model));
	table_add(t, str_of(probe_whys[p->why]));
	table_add(t, p->status ? arena_printf(a, "%d %.*s", p->status,
	    STR_ARGS(p->outcome)) : p->outcome);
	table_add(t, arena_printf(a, "%lld", (long long)p->ms));
	table_add(t, money_text(a, p->cost));
}

static bool
tell(struct last *l, const struct credential_row *k)
{
	struct probe *list;
	int n = probe_list(l->c->db, &l->c->arena, k->id, &list);

	buf_put(&l->b, l->shown++ ? S(",{") : S("{"));
	out_str(&l->b, "credential", k->name);
	out_member(&l->b, "probes");
	buf_char(&l->b, '[');
	for (int i = 0; i < n; i++) {
		tell_json(l, &list[i], i == 0);
		tell_text(l, k->name, &list[i]);
	}
	buf_put(&l->b, S("]}"));
	l->probes += n > 0 ? n : 0;
	return n >= 0;
}

static int
show(struct last *l)
{
	struct ctl *c = l->c;

	if (l->only && !l->shown)
		return failed(c, "channel %.*s has no credential %s; weirctl "
		    "credential list %.*s shows what there is",
		    STR_ARGS(l->channel.name), l->only,
		    STR_ARGS(l->channel.name));
	buf_put(&l->b, S("]}\n"));
	if (c->json)
		print(&l->b);
	else if (l->probes)
		table_print(&l->table);
	else
		printf("no probe was made of %.*s yet: weir probes what is "
		    "out, and keys that nobody uses\n",
		    STR_ARGS(l->channel.name));
	return EXIT_DONE;
}

int
channel_last(struct ctl *c)
{
	static const char *const heads[] = { "TIME", "CREDENTIAL", "MODEL",
		"WHY", "OUTCOME", "MS", "COST" };
	struct last l = { .c = c, .only = opt(c, "credential"),
		.b = BUF(&c->arena, 16 << 20),
		.table = { .arena = &c->arena, .columns = 7,
		    .right = 1u << 5 | 1u << 6 } };
	struct credential_row *list;
	int n;

	if (c->n_words > 1 || opt(c, "stream"))
		return misused(c, "--last asks nobody: no MODEL, no --stream");
	n = channel_find(c->db, &c->arena, str_of(c->words[0]), &l.channel);
	if (n == 0)
		return failed(c, "there is no channel %s; weirctl channel "
		    "list shows what there is", c->words[0]);
	if (n > 0)
		n = credential_list(c->db, &c->arena, l.channel.id, &list);
	if (n < 0)
		return failed_read(c);
	buf_char(&l.b, '{');
	out_str(&l.b, "channel", l.channel.name);
	out_member(&l.b, "credentials");
	buf_char(&l.b, '[');
	for (size_t i = 0; i < countof(heads); i++)
		table_add(&l.table, str_of(heads[i]));
	for (int i = 0; i < n; i++)
		if ((!l.only || str_eq(list[i].name, str_of(l.only))) &&
		    !tell(&l, &list[i]))
			return failed_read(c);
	return show(&l);
}
