/* SPDX-License-Identifier: MIT */
/*
 * channel_test.c - weirctl channel test: one tiny real call to an upstream
 * with each of its credentials, straight, with the time of each part, what it
 * used and what that costs; of an error its class, and what the relay would
 * do about it.
 */
#include "db/money.h"
#include "db/setting.h"
#include "handlers/ctl/channel.h"
#include "handlers/relay/health.h"
#include "handlers/relay/trial.h"

struct testing {
	struct upstream up;
	struct trial trial;
	int tried, answered;
	struct buf b;			/* JSON */
};

struct outcome {
	const struct credential *with;
	struct trial trial;
	bool stream;			/* asked for */
	bool good;
	struct said s;
	struct trial_verdict v;		/* of a 200 */
};

/* --- which model ---------------------------------------------------------- */

static int
choose_model(struct testing *t)
{
	struct ctl *c = t->up.c;
	const struct channel *ch = t->up.ch;
	struct str name = c->n_words > 1 ? str_of(c->words[1]) : S("");
	enum trial_choice choice;

	if (c->n_words > 1 && !name_valid(name))
		return misused(c, "\"%.*s\" is no model name: 1 to 64 of A-Z "
		    "a-z 0-9 . _ : / @ -", STR_ARGS(name));
	t->trial = (struct trial){ .cat = t->up.cat, .ch = ch,
		.dialect = t->up.dialect };
	choice = trial_choose(&t->trial, name);
	if (choice == TRIAL_NONE)
		return failed(c, "channel %.*s serves no model by name that "
		    "has a price here and makes text: name one, weirctl "
		    "channel test %.*s MODEL, or set its test_model",
		    STR_ARGS(ch->name), STR_ARGS(ch->name));
	if (choice == TRIAL_DEAR)
		return failed(c, "%.*s makes no text and is not priced by its "
		    "input: a call of it would be neither tiny nor cheap; "
		    "name another model", STR_ARGS(t->trial.name));
	return EXIT_DONE;
}

/* --- what to say of it ---------------------------------------------------- */

static const char *const scopes[] = { [HEALTH_NOTHING] = "nothing",
	[HEALTH_KEY] = "key", [HEALTH_PAIR] = "pair",
	[HEALTH_ROUTE] = "route", [HEALTH_CHANNEL] = "channel" };

static void
put_us(struct buf *b, const char *name, int64_t us)
{
	out_member(b, name);
	if (us < 0)
		buf_put(b, S("null"));
	else
		buf_int(b, us);
}

static void
put_timing(struct buf *b, const struct timing *t)
{
	out_member(b, "us");
	buf_char(b, '{');
	put_us(b, "name", t->name_us);
	put_us(b, "connect", t->connect_us);
	put_us(b, "tls", t->tls_us);
	put_us(b, "first_byte", t->first_us);
	put_us(b, "total", t->total_us);
	buf_char(b, '}');
}

static void
put_verdict(struct buf *b, const struct health_verdict *v)
{
	out_member(b, "relay");
	buf_char(b, '{');
	out_str(b, "parks", str_of(scopes[v->out]));
	out_int(b, "park_ms", v->out == HEALTH_NOTHING ? 0 : v->ms);
	out_bool(b, "alert", v->alert);
	buf_char(b, '}');
}

static void
put_use(struct buf *b, const struct outcome *o)
{
	if (o->v.tokens.in_total >= 0) {
		out_member(b, "usage");
		buf_char(b, '{');
		out_int(b, "input", o->v.tokens.in_total);
		out_int(b, "output", o->v.tokens.out_total < 0 ? 0 :
		    o->v.tokens.out_total);
		buf_char(b, '}');
	}
	if (o->v.cost >= 0)
		out_usd(b, "cost", o->v.cost);
}

static void
tell_json(struct testing *t, const struct outcome *o,
    const struct park *parked, const struct health_verdict *v)
{
	struct buf *b = &t->b;

	buf_put(b, t->tried ? S(",{") : S("{"));
	out_str(b, "credential", o->with->name);
	out_bool(b, "stream", o->stream);
	out_bool(b, "answered", o->good);
	out_int(b, "status", o->s.h.status);
	out_str(b, "outcome", str_of(o->s.outcome));
	if (o->s.kind != UP_OK)
		out_str(b, "class", str_of(up_class_name(o->s.kind)));
	if (o->s.words.n)
		out_str(b, "message", o->s.words);
	if (o->s.cure.n)
		out_str(b, "cure", o->s.cure);
	if (o->s.hint_ms)
		out_int(b, "retry_after_ms", o->s.hint_ms);
	put_timing(b, &o->s.h.timing);
	if (o->good)
		out_bool(b, "streamed", o->v.streamed);
	put_use(b, o);
	if (!o->good)
		put_verdict(b, v);
	if (o->trial.completion)
		out_str(b, "limit", S("max_completion_tokens"));
	if (o->v.model.n && !str_starts(o->v.model, t->trial.as))
		out_str(b, "answered_by", o->v.model);
	if (parked)
		out_time(b, "parked_until", parked->until);
	buf_char(b, '}');
}

static void
print_ms(const char *name, int64_t us, bool more)
{
	if (us >= 0)
		printf("%s%s %lld.%lld ms", more ? ", " : "", name,
		    (long long)us / 1000, (long long)us % 1000 / 100);
}

static void
print_timing(const struct timing *t)
{
	printf("      ");
	print_ms("name", t->name_us, false);
	print_ms("connect", t->connect_us, t->name_us >= 0);
	print_ms("TLS", t->tls_us, true);
	print_ms("first byte", t->first_us, true);
	print_ms("total", t->total_us, t->name_us >= 0);
	printf("\n");
}

static void
print_use(struct testing *t, const struct outcome *o)
{
	struct arena *a = &t->up.c->arena;

	if (o->v.tokens.in_total < 0) {
		printf("      it reports no usage: calls would be charged by "
		    "an estimate\n");
		return;
	}
	printf("      %lld tokens in, %lld out; ",
	    (long long)o->v.tokens.in_total, (long long)(o->v.tokens.out_total <
	    0 ? 0 : o->v.tokens.out_total));
	if (o->v.cost >= 0)
		printf("it cost %.*s USD\n", STR_ARGS(money_text(a,
		    o->v.cost)));
	else
		printf("what it cost is unknown: %.*s has no price here\n",
		    STR_ARGS(t->trial.name));
}

static void
print_verdict(struct testing *t, const struct outcome *o,
    const struct health_verdict *v)
{
	struct arena *a = &t->up.c->arena;

	bool whole = v->out == HEALTH_ROUTE || v->out == HEALTH_CHANNEL;
	bool model = v->out == HEALTH_ROUTE || v->out == HEALTH_PAIR;

	if (v->out == HEALTH_NOTHING)
		printf("      the relay would park nothing for it");
	else
		printf("      the relay would park %.*s%s%.*s%s%.*s for %.*s%s",
		    STR_ARGS(t->up.ch->name), whole ? "" : "/",
		    STR_ARGS(whole ? S("") : o->with->name),
		    model ? ", for " : ", for every model,",
		    STR_ARGS(model ? arena_printf(a, "%.*s only,",
		    STR_ARGS(t->trial.name)) : S("")),
		    STR_ARGS(span_text(a, v->ms)), v->kind == PARK_BARRED ?
		    " and until a probe succeeds" : "");
	if (o->s.hint_ms)
		printf(" (it asks for %.*s)", STR_ARGS(span_text(a,
		    o->s.hint_ms)));
	printf("%s\n", v->alert ? ", and say so in its log" : "");
}

static void
tell_text(struct testing *t, const struct outcome *o,
    const struct park *parked, const struct health_verdict *v)
{
	struct arena *a = &t->up.c->arena;

	printf("%s %.*s/%.*s, %s: %.*s%s%.*s\n", o->good ? "✓" : "✗",
	    STR_ARGS(t->up.ch->name), STR_ARGS(o->with->name),
	    o->stream ? "streamed" : "plain",
	    STR_ARGS(said_name(a, &o->s)), o->s.words.n ? ": " : "",
	    STR_ARGS(o->s.words));
	if (o->s.h.timing.total_us > 0)
		print_timing(&o->s.h.timing);
	if (o->good)
		print_use(t, o);
	else
		print_verdict(t, o, v);
	if (o->s.cure.n)
		printf("      %.*s\n", STR_ARGS(o->s.cure));
	if (o->trial.completion)
		printf("      it takes its limit as max_completion_tokens "
		    "only\n");
	if (o->good && o->stream && !o->v.streamed)
		printf("      it did not stream\n");
	if (o->v.model.n && !str_starts(o->v.model, t->trial.as))
		printf("      the answer calls its model %.*s\n",
		    STR_ARGS(o->v.model));
	if (parked)
		printf("      %s until %.*s: %.*s\n",
		    park_kinds[parked->kind], STR_ARGS(time_short(a,
		    parked->until)), STR_ARGS(parked->reason));
	fflush(stdout);
}

static void
try_one(struct testing *t, const struct credential *k, bool stream)
{
	struct outcome o = { .with = k, .stream = stream, .trial = t->trial };
	const struct park *parked = upstream_park(&t->up, k, t->trial.as);
	struct health_verdict v;

	o.good = upstream_try(&t->up, k, &o.trial, stream, &o.s, &o.v);
	o.v.model = upstream_clean(&t->up, o.v.model);
	v = health_judge(o.s.kind, o.s.hint_ms);
	if (t->up.c->json)
		tell_json(t, &o, parked, &v);
	else
		tell_text(t, &o, parked, &v);
	t->tried++;
	t->answered += o.good;
}

/* --- the command ---------------------------------------------------------- */

static void
begin(struct testing *t)
{
	const struct channel *ch = t->up.ch;

	if (t->up.c->json) {
		buf_char(&t->b, '{');
		out_str(&t->b, "channel", ch->name);
		out_str(&t->b, "model", t->trial.name);
		out_str(&t->b, "upstream_model", t->trial.as);
		out_bool(&t->b, "served", t->trial.serves != NULL);
		out_member(&t->b, "tries");
		buf_char(&t->b, '[');
		return;
	}
	printf("%.*s as %.*s, %s%s%s\n", STR_ARGS(t->trial.name),
	    STR_ARGS(t->trial.as), !endpoint_embeds(t->trial.endpoint) ?
	    "one sentence" : "one embedding",
	    t->trial.serves ? "" : " (the channel does not serve it)",
	    ch->enabled ? "" : " (the channel is off)");
}

static int
test(struct testing *t)
{
	struct ctl *c = t->up.c;
	const struct channel *ch = t->up.ch;
	int status = choose_model(t);

	if (status != EXIT_DONE)
		return status;
	begin(t);
	for (size_t i = 0; i < ch->n_credentials; i++) {
		if (!upstream_uses(&t->up, &ch->credentials[i]))
			continue;
		try_one(t, &ch->credentials[i], false);
		if (opt(c, "stream") && !endpoint_embeds(t->trial.endpoint))
			try_one(t, &ch->credentials[i], true);
	}
	if (c->json) {
		buf_char(&t->b, ']');
		out_bool(&t->b, "answered", t->answered == t->tried);
		buf_put(&t->b, S("}\n"));
		print(&t->b);
	}
	return t->answered == t->tried ? EXIT_DONE : EXIT_REFUSED;
}

static int
run(struct ctl *c)
{
	struct testing t = { .b = BUF(&c->arena, 16 << 20) };
	int status;

	if (opt(c, "last"))
		return channel_last(c);
	status = upstream_open(c, &t.up);
	if (status == EXIT_DONE)
		status = test(&t);
	upstream_close(&t.up);
	return status;
}

const struct command command_channel_test = {
	.name = "channel test",
	.usage = "NAME [MODEL] [--credential K] [--stream | --last]",
	.summary = "one tiny real call to an upstream, with timings",
	.help =
"Straight to the upstream, with each credential of the channel that is on, or\n"
"the one that is named; nothing is parked by it and no account is charged, the\n"
"provider wants its few tokens.  MODEL is a name that callers use; else the\n"
"channel's test_model, else the cheapest it serves.  Shown are the times for\n"
"name, connection and TLS, until the first byte and in all, what it used and\n"
"what that costs; of an error its class, and what the relay would do about it.\n"
"  --stream        also streamed\n"
"  --credential K  only this one, even if it is off\n"
"  --last          asks nobody: prints what weir's own probes have shown, of\n"
"                  each credential the newest 20, with what they cost\n"
"Exit status 1 when one of them did not answer.\n",
	.options = "credential= stream last", .least = 1, .most = 2, .run = run,
};
