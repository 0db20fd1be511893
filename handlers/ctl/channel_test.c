/* SPDX-License-Identifier: MIT */
/*
 * channel_test.c - weirctl channel test: one tiny real call to an upstream
 * with each of its credentials, straight, with the time of each part, what it
 * used and what that costs; of an error its class, and what the relay would
 * do about it.
 */
#include "db/money.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/limits.h"
#include "handlers/ctl/channel.h"
#include "handlers/relay/health.h"
#include "handlers/relay/outward.h"

enum {
	TINY_TOKENS = 16, /* the least that every provider takes */
	GUESS_TOKENS = 16, /* of the prompt, to find the cheapest */
	COUNT_MOST = 1000000000, /* more is no count */
	ANSWER_MOST = 1 << 20
};

struct testing {
	struct upstream up;
	struct str name;		/* of the model, as callers say it */
	const struct model *model;	/* that prices it, or NULL */
	const struct channel_model *serves;	/* or NULL */
	struct str as;			/* the upstream's name for it */
	enum endpoint endpoint;
	int tried, answered;
	struct buf b;			/* JSON */
};

struct outcome {
	const struct credential *with;
	bool stream;			/* asked for */
	bool good;
	bool streamed;			/* it did */
	bool completion;		/* limit as max_completion_tokens */
	struct said s;
	struct tokens tokens;
	struct str model;		/* as the answer names it */
	int64_t cost;			/* nano-dollars; -1: unknown */
};

/* --- which model ---------------------------------------------------------- */

/* The price the operator pays, and what share of it; NULL: none is known. */
static const struct price *
cost_price(const struct testing *t, const struct model *m,
    const struct channel_model *serves, int64_t *share)
{
	*share = serves && serves->cost_known ? PPM : t->up.ch->cost_ppm;
	if (serves && serves->cost_known)
		return &serves->cost;
	return m && (m->priced || m->free) ? &m->price : NULL;
}

/* What a model is tried with; false: it makes no text, it is too dear. */
static bool
endpoint_of(const struct model *m, enum endpoint *e)
{
	unsigned given = m && m->priced ? m->price.given : 0;

	*e = ENDPOINT_CHAT;
	if (!given || m->free || given & BUCKET_BIT(OUTPUT))
		return true;
	if (given & BUCKET_BIT(INPUT))
		*e = ENDPOINT_EMBEDDINGS;
	return given & (BUCKET_BIT(INPUT) | BUCKET_BIT(REQUEST));
}

struct cheapest {
	struct str name;
	enum endpoint endpoint;
	int64_t cost;
};

static void
consider(const struct testing *t, struct str name, struct cheapest *best)
{
	static const struct buckets use = { { [BUCKET_INPUT] = GUESS_TOKENS,
	    [BUCKET_OUTPUT] = TINY_TOKENS, [BUCKET_REQUEST] = 1 } };
	const struct model *m = catalogue_model(t->up.cat, name);
	const struct price *p;
	enum endpoint e;
	int64_t share, cost;

	p = cost_price(t, m, channel_serves(t->up.ch, name), &share);
	if (!m || !p || !endpoint_of(m, &e) ||
	    !price_charge(p, &use, share, &cost))
		return;
	/* A text that is made says more than one that is measured. */
	if (best->name.n && (best->endpoint < e ||
	    (best->endpoint == e && best->cost <= cost)))
		return;
	*best = (struct cheapest){ name, e, cost };
}

/* The cheapest that it serves by a name, its own or the catalogue's. */
static struct str
find_cheapest(const struct testing *t)
{
	const struct channel *ch = t->up.ch;
	struct cheapest best = { { NULL, 0 }, ENDPOINT_CHAT, 0 };

	for (size_t i = 0; i < ch->n_models; i++)
		if (!str_ends(ch->models[i].name, S("*")))
			consider(t, ch->models[i].name, &best);
	for (size_t i = 0; i < t->up.cat->n_models; i++) {
		struct str name = t->up.cat->models[i].name;

		if (!str_ends(name, S("*")) && channel_serves(ch, name))
			consider(t, name, &best);
	}
	return best.name;
}

static int
choose_model(struct testing *t)
{
	struct ctl *c = t->up.c;
	const struct channel *ch = t->up.ch;

	if (c->n_words > 1)
		t->name = str_of(c->words[1]);
	else if (ch->test_model.n)
		t->name = ch->test_model;
	else
		t->name = find_cheapest(t);
	if (!t->name.n)
		return failed(c, "channel %.*s serves no model by name that "
		    "has a price here and makes text: name one, weirctl "
		    "channel test %.*s MODEL, or set its test_model",
		    STR_ARGS(ch->name), STR_ARGS(ch->name));
	if (!name_valid(t->name))
		return misused(c, "\"%.*s\" is no model name: 1 to 64 of A-Z "
		    "a-z 0-9 . _ : / @ -", STR_ARGS(t->name));
	t->model = catalogue_model(t->up.cat, t->name);
	t->serves = channel_serves(ch, t->name);
	t->as = t->serves && t->serves->upstream.p ? t->serves->upstream :
	    t->name;
	if (!endpoint_of(t->model, &t->endpoint))
		return failed(c, "%.*s makes no text and is not priced by its "
		    "input: a call of it would be neither tiny nor cheap; "
		    "name another model", STR_ARGS(t->name));
	return EXIT_DONE;
}

/* --- the call ------------------------------------------------------------- */

/* The body, written as the relay would write it. */
static struct str
body_of(struct testing *t, const struct outcome *o)
{
	struct arena *a = &t->up.c->arena;
	bool chat = t->endpoint == ENDPOINT_CHAT;
	struct edits edits = { .model = t->as, .force_usage = o->stream,
		.cap_output = chat ? TINY_TOKENS : -1,
		.cap_as_completion = o->completion };
	struct buf ours = BUF(a, 4096), out = BUF(a, 8192);
	struct asked asked = { 0 };
	struct fault f = { 0 };

	buf_put(&ours, S("{\"model\":"));
	buf_json(&ours, t->name);
	buf_put(&ours, chat ? S(",\"messages\":[{\"role\":\"user\","
	    "\"content\":\"Say ok.\"}]") : S(",\"input\":\"ok\""));
	if (o->stream)
		buf_put(&ours, S(",\"stream\":true"));
	buf_char(&ours, '}');
	if (!t->up.dialect->read_request(a, t->endpoint, buf_str(&ours),
	    &asked, &f) || !t->up.dialect->write_request(&asked, &edits,
	    &out))
		return S("");
	return buf_str(&out);
}

/* A 200: is it an answer?  As the relay judges it (send.c). */
static bool
read_answer(struct testing *t, struct outcome *o)
{
	struct said *s = &o->s;
	struct asked asked = { .endpoint = t->endpoint, .stream = o->stream };
	enum answer_as as = t->up.dialect->answer_as(&asked, s->h.type);
	struct buf out = BUF_HEAP(LIMIT_FOLD_BYTES);
	struct buf last = BUF_HEAP(LIMIT_EVENT_BYTES + LIMIT_KEEP_BACK);
	struct observer w = { .dialect = t->up.dialect,
		.arena = &t->up.c->arena, .stream = as == AS_EVENTS,
		.endpoint = t->endpoint };
	bool whole;

	if (s->h.encoding.n || as == AS_FOREIGN || as == AS_BYTES)
		return said_bad(s, "not_json", s->h.encoding.n ?
		    S("it is packed, although nobody asked for that") :
		    S("it is no JSON and no stream: something else than an "
		    "API answers there"));
	t->up.dialect->observe(&w);
	t->up.dialect->feed(&w, s->h.body, &out, &last);
	whole = !(w.seen & (SEEN_BAD | SEEN_ERROR)) &&
	    t->up.dialect->finish(&w, &out, &last);
	buf_release(&out);
	buf_release(&last);
	if (w.seen & SEEN_ERROR)
		return said_error(&t->up, s, o->with, &w.error);
	if (!whole)
		return said_bad(s, "bad_answer", w.seen & SEEN_BAD ?
		    S("it is not what was asked for") :
		    S("it ends before it is whole"));
	o->streamed = w.stream;
	o->tokens = w.tokens;
	o->model = w.model;
	return true;
}

static void
charge(const struct testing *t, struct outcome *o)
{
	const struct price *p;
	struct buckets use;
	int64_t share;

	o->cost = -1;
	p = cost_price(t, t->model, t->serves, &share);
	if (!p || o->tokens.in_total < 0)
		return;
	use = outward_use(&o->tokens, COUNT_MOST, COUNT_MOST);
	if (!price_charge(p, &use, share, &o->cost))
		o->cost = -1;
}

/* Newer models take their limit by another name, and say so. */
static bool
wants_other_name(const struct outcome *o)
{
	return !o->completion && o->s.kind == UP_BAD_REQUEST &&
	    (str_eq(o->s.param, S("max_tokens")) ||
	    str_has(o->s.words, S("max_completion_tokens")));
}

static void
call(struct testing *t, struct outcome *o)
{
	const char *path = t->up.dialect->path(t->endpoint);

	o->tokens = TOKENS_ABSENT;
	do {
		if (wants_other_name(o))
			o->completion = true;
		o->good = upstream_ask(&t->up, o->with, path, o->stream,
		    body_of(t, o), ANSWER_MOST, &o->s) && read_answer(t, o);
	} while (!o->good && wants_other_name(o));
	charge(t, o);
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
	if (o->tokens.in_total >= 0) {
		out_member(b, "usage");
		buf_char(b, '{');
		out_int(b, "input", o->tokens.in_total);
		out_int(b, "output", o->tokens.out_total < 0 ? 0 :
		    o->tokens.out_total);
		buf_char(b, '}');
	}
	if (o->cost >= 0)
		out_usd(b, "cost", o->cost);
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
		out_bool(b, "streamed", o->streamed);
	put_use(b, o);
	if (!o->good)
		put_verdict(b, v);
	if (o->completion)
		out_str(b, "limit", S("max_completion_tokens"));
	if (o->model.n && !str_starts(o->model, t->as))
		out_str(b, "answered_by", o->model);
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

	if (o->tokens.in_total < 0) {
		printf("      it reports no usage: calls would be charged by "
		    "an estimate\n");
		return;
	}
	printf("      %lld tokens in, %lld out; ",
	    (long long)o->tokens.in_total, (long long)(o->tokens.out_total <
	    0 ? 0 : o->tokens.out_total));
	if (o->cost >= 0)
		printf("it cost %.*s USD\n", STR_ARGS(money_text(a,
		    o->cost)));
	else
		printf("what it cost is unknown: %.*s has no price here\n",
		    STR_ARGS(t->name));
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
		    STR_ARGS(t->name)) : S("")),
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
	if (o->completion)
		printf("      it takes its limit as max_completion_tokens "
		    "only\n");
	if (o->good && o->stream && !o->streamed)
		printf("      it did not stream\n");
	if (o->model.n && !str_starts(o->model, t->as))
		printf("      the answer calls its model %.*s\n",
		    STR_ARGS(o->model));
	if (parked)
		printf("      %s until %.*s: %.*s\n",
		    park_kinds[parked->kind], STR_ARGS(time_short(a,
		    parked->until)), STR_ARGS(parked->reason));
	fflush(stdout);
}

static void
try_one(struct testing *t, const struct credential *k, bool stream)
{
	struct outcome o = { .with = k, .stream = stream,
		.completion = t->up.ch->max_completion ||
		(t->model && t->model->max_completion) };
	const struct park *parked = upstream_park(&t->up, k, t->as);
	struct health_verdict v;

	call(t, &o);
	o.model = upstream_clean(&t->up, o.model);
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
		out_str(&t->b, "model", t->name);
		out_str(&t->b, "upstream_model", t->as);
		out_bool(&t->b, "served", t->serves != NULL);
		out_member(&t->b, "tries");
		buf_char(&t->b, '[');
		return;
	}
	printf("%.*s as %.*s, %s%s%s\n", STR_ARGS(t->name), STR_ARGS(t->as),
	    t->endpoint == ENDPOINT_CHAT ? "one sentence" : "one embedding",
	    t->serves ? "" : " (the channel does not serve it)",
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
		if (opt(c, "stream") && t->endpoint == ENDPOINT_CHAT)
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
	int status = upstream_open(c, &t.up);

	if (status == EXIT_DONE)
		status = test(&t);
	upstream_close(&t.up);
	return status;
}

const struct command command_channel_test = {
	.name = "channel test",
	.usage = "NAME [MODEL] [--credential K] [--stream]",
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
"Exit status 1 when one of them did not answer.\n",
	.options = "credential= stream", .least = 1, .most = 2, .run = run,
};
