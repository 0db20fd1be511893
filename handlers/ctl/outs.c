/* SPDX-License-Identifier: MIT */
/* outs.c - who is out, in words; see outs.h. */
#include "handlers/ctl/outs.h"

#include "fcgi/base/clock.h"
#include "handlers/relay/health.h"

bool
outs_load(struct ctl *c, struct outs *o)
{
	o->now = clock_utc_ms();
	o->n = park_load(c->db, o->now, &c->arena, &o->list);
	return o->n >= 0;
}

struct health *
outs_health(const struct outs *o)
{
	struct health *h = health_new(NULL, 1);

	health_load_parks(h, o->list, o->n, o->now);
	return h;
}

/* --- One of them ---------------------------------------------------------- */

const char *
out_scope(const struct park *p)
{
	return p->credential ? p->model.n ? "pair" : "key" :
	    p->model.n ? "route" : "channel";
}

struct str
span(struct arena *a, int64_t ms)
{
	int64_t s = (ms + 999) / 1000;

	if (s < 120)
		return arena_printf(a, "%lld s", (long long)s);
	if (s < 7200)
		return arena_printf(a, "%lld min", (long long)(s + 59) / 60);
	return arena_printf(a, "%lld h %lld min", (long long)(s / 3600),
	    (long long)(s % 3600 / 60));
}

static struct str
moment(struct arena *a, int64_t at, int64_t now)
{
	return arena_printf(a, "%.*s (in %.*s)", STR_ARGS(time_short(a, at)),
	    STR_ARGS(span(a, at - now)));
}

struct str
out_until(struct arena *a, const struct park *p, int64_t now)
{
	if (p->kind == PARK_BARRED && p->until <= now)
		return S("until a probe succeeds; the next is due");
	if (p->kind == PARK_BARRED)
		return arena_printf(a, "until a probe succeeds, the next at "
		    "%.*s", STR_ARGS(moment(a, p->until, now)));
	if (p->until <= now)
		return S("until a call that tries it is over");
	return arena_printf(a, "until %.*s%.*s",
	    STR_ARGS(moment(a, p->until, now)), STR_ARGS(p->times > 1 ?
	    arena_printf(a, ", %lld times in a row", (long long)p->times) :
	    S("")));
}

struct str
out_words(struct arena *a, const struct park *p, int64_t now)
{
	if (park_half_open(p, now))
		return arena_printf(a, "half-open, one call at a time may "
		    "try it: %.*s (%s)", STR_ARGS(p->reason), out_scope(p));
	return arena_printf(a, "%s %.*s: %.*s (%s)", park_state(p, now),
	    STR_ARGS(out_until(a, p, now)), STR_ARGS(p->reason),
	    out_scope(p));
}

void
out_json(struct buf *b, const struct park *p, int64_t now)
{
	out_str(b, "scope", str_of(out_scope(p)));
	out_str(b, "state", str_of(park_state(p, now)));
	out_str(b, "reason", p->reason);
	out_time(b, "since", p->since);
	out_time(b, "until", p->until);
	out_int(b, "times", p->times);
}

/* --- A channel, a credential ---------------------------------------------- */

/* The worst of those about each model, and how many are about one. */
static const struct park *
worst_of(const struct outs *o, int64_t channel, int64_t credential,
    int *models)
{
	const struct park *worst = NULL;

	for (int i = 0; i < o->n; i++) {
		const struct park *p = &o->list[i];

		if (p->channel != channel || !park_holds(p, o->now) ||
		    (p->credential && p->credential != credential))
			continue;
		if (p->model.n)
			++*models;
		else if (!worst || p->kind == PARK_BARRED ||
		    (p->kind == PARK_TIMED && worst->kind == PARK_EJECTED))
			worst = p;
	}
	return worst;
}

/* A channel's credentials that are out for every model.  Rows are in order
 * of the credential. */
static int
keys_out(const struct outs *o, int64_t channel)
{
	int64_t last = 0;
	int n = 0;

	for (int i = 0; i < o->n; i++) {
		const struct park *p = &o->list[i];

		if (p->channel != channel || p->model.n ||
		    p->credential == last || !park_holds(p, o->now))
			continue;
		last = p->credential;
		n++;
	}
	return n;
}

static void
put_state(const struct outs *o, struct buf *b, int64_t channel,
    int64_t credential, bool on, const struct park *worst)
{
	bool first = true;

	out_str(b, "state", str_of(!on ? "off" : worst ?
	    park_state(worst, o->now) : "on"));
	out_member(b, "out");
	buf_char(b, '[');
	for (int i = 0; i < o->n; i++) {
		const struct park *p = &o->list[i];

		if (p->channel != channel || !park_holds(p, o->now) ||
		    (p->credential && p->credential != credential))
			continue;
		buf_put(b, first ? S("{") : S(",{"));
		first = false;
		if (p->model.n)
			out_str(b, "upstream_model", p->model);
		out_json(b, p, o->now);
		buf_char(b, '}');
	}
	buf_char(b, ']');
	if (!credential)
		out_int(b, "credentials_out", keys_out(o, channel));
}

/* "on, 2 models out, 1 credential out" */
static struct str
partly(struct arena *a, int models, int keys)
{
	struct buf b = BUF(a, 128);

	buf_put(&b, S("on"));
	if (models)
		buf_printf(&b, ", %d model%s out", models,
		    models == 1 ? "" : "s");
	if (keys)
		buf_printf(&b, ", %d credential%s out", keys,
		    keys == 1 ? "" : "s");
	return buf_str(&b);
}

struct str
outs_state(const struct outs *o, struct arena *a, int64_t channel,
    int64_t credential, bool on, struct buf *json)
{
	int models = 0;
	const struct park *worst = worst_of(o, channel, credential, &models);

	if (json)
		put_state(o, json, channel, credential, on, worst);
	if (!on)
		return S("off");
	if (worst && worst->kind == PARK_BARRED)
		return arena_printf(a, "barred (%.*s)",
		    STR_ARGS(worst->reason));
	if (worst)
		return arena_printf(a, "%s until %.*s (%.*s)",
		    park_state(worst, o->now), STR_ARGS(time_short(a,
		    worst->until > o->now ? worst->until : worst->trial)),
		    STR_ARGS(worst->reason));
	return partly(a, models, credential ? 0 : keys_out(o, channel));
}
