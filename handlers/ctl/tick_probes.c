/* SPDX-License-Identifier: MIT */
/*
 * tick_probes.c - the probes of weirctl tick: what the prober of a weir.fcgi
 * does (handlers/relay/probe.h), one after another, where none is running, or
 * when the operator does not want to wait for it.
 */
#include "handlers/ctl/tick_probes.h"

#include "db/lock.h"
#include "db/setting.h"
#include "fcgi/base/clock.h"
#include "fcgi/base/log.h"
#include "handlers/ctl/channel.h"
#include "handlers/relay/probe.h"

enum {
	MOST = 1000,			/* at once */
	TIME_MS = 60000,		/* those that are left: the next time */
	WRITE_MS = 10000
};

struct ticking {
	struct ctl *c;
	struct ticked *told;
	struct upstream up;
	struct health *health;
	struct writer *writer;
	struct probe_want want[MOST];
	int n;
};

/* --- Who is due ----------------------------------------------------------- */

/* Ejected and barred ones, whether their time has come or not. */
static void
list_all(struct ticking *t, int64_t now)
{
	for (int i = 0; i < t->up.n_parks && t->n < MOST; i++) {
		const struct park *p = &t->up.parks[i];
		bool barred = p->kind == PARK_BARRED;

		if (p->kind == PARK_TIMED)
			continue;
		t->want[t->n++] = (struct probe_want){ p->channel,
			p->credential, p->model,
			barred ? PROBE_BARRED : PROBE_EJECTED,
			barred && p->until <= now ? p->until - p->since : 0 };
	}
}

static bool
list_idle(struct ticking *t, int64_t now)
{
	int64_t idle = t->c->conf.number[CONF_PROBE_IDLE_S] * 1000;
	struct probe_idle list[PROBE_IDLES];
	int n = idle ? probe_idle(t->c->db, now - idle, 0, list) : 0;

	for (int i = 0; i < n && t->n < MOST; i++)
		t->want[t->n++] = (struct probe_want){
			.channel = list[i].channel,
			.credential = list[i].credential,
			.model = S(""), .why = PROBE_IDLE };
	return n >= 0;
}

static bool
list_due(struct ticking *t, int64_t now)
{
	struct health_due *list = arena_alloc(&t->c->arena,
	    sizeof(*list) * MOST);
	int n = health_due(t->health, PROBE_EVERY_MS, now, &t->c->arena, list,
	    MOST);

	for (int i = 0; i < n; i++)
		t->want[t->n++] = probe_wanted(&list[i]);
	return list_idle(t, now);
}

/* --- One of them ---------------------------------------------------------- */

static void
tell(struct ticking *t, const struct probing *p, const struct said *s,
    bool good)
{
	struct arena *a = &t->c->arena;
	struct buf *b = &t->told->json;

	buf_put(b, t->told->made ? S(",{") : S("{"));
	out_str(b, "channel", p->trial.ch->name);
	out_str(b, "credential", p->with->name);
	out_str(b, "model", p->about.model);
	out_str(b, "why", str_of(probe_whys[p->want.why]));
	out_bool(b, "answered", good);
	out_int(b, "status", s->h.status);
	out_str(b, "outcome", str_of(s->outcome));
	buf_char(b, '}');
	buf_printf(&t->told->text, "  %s %.*s/%.*s, %.*s (%s): %.*s\n",
	    good ? "✓" : "✗", STR_ARGS(p->trial.ch->name),
	    STR_ARGS(p->with->name), STR_ARGS(tame(a, p->about.model)),
	    probe_whys[p->want.why], STR_ARGS(said_name(a, s)));
}

static void
probe_one(struct ticking *t, const struct probe_want *want)
{
	struct probing p;
	struct trial_verdict v;
	struct said s;
	struct probe_result r = { .at = clock_utc_ms() };
	bool good;

	if (!probe_choose(t->up.cat, t->health, want, r.at, &p))
		return;
	t->up.ch = p.trial.ch;
	t->up.dialect = p.trial.dialect;
	t->up.request_id = str_from(p.id, PROBE_ID_CHARS);
	good = upstream_try(&t->up, p.with, &p.trial, false, &s, &v);
	r.status = s.h.status;
	r.good = good;
	r.outcome = s.outcome;
	r.kind = s.kind;
	r.hint_ms = s.hint_ms;
	r.tokens = v.tokens;
	r.cost = v.cost;
	r.ms = s.h.timing.total_us / 1000;
	r.first_ms = s.h.timing.first_us < 0 ? -1 :
	    s.h.timing.first_us / 1000;
	probe_end(&p, &r, t->health, t->writer, clock_utc_ms());
	tell(t, &p, &s, good);
	t->told->made++;
	t->told->good += good;
}

/* --- All of them ---------------------------------------------------------- */

static bool
probe_each(struct ticking *t, bool all)
{
	int64_t now = clock_utc_ms(), end = clock_ms() + TIME_MS;

	health_load_parks(t->health, t->up.parks, t->up.n_parks, now);
	if (all)
		list_all(t, now);
	else if (!list_due(t, now))
		return failed_read(t->c), false;
	for (int i = 0; i < t->n; i++)
		if (clock_ms() < end)
			probe_one(t, &t->want[i]);
		else
			t->told->left++;
	if (!writer_drain(t->writer, WRITE_MS))
		return failed(t->c, "what the probes have shown cannot be "
		    "written: is the disk full, or another process at the "
		    "store?"), false;
	return true;
}

/* The store is written as a serving process does it. */
static bool
with_health(struct ticking *t, bool all)
{
	bool ok;

	t->up.answer_ms = PROBE_ANSWER_MS;
	t->writer = writer_start(t->c->store);
	if (!t->writer)
		return failed(t->c, "the system allows no more threads"),
		    false;
	t->health = health_new(t->writer, (uint64_t)clock_us());
	log_mute(true);
	ok = probe_each(t, all);
	writer_stop(t->writer);
	log_mute(false);
	health_free(t->health);
	return ok;
}

bool
tick_probes(struct ctl *c, bool all, struct ticked *told)
{
	struct ticking *t = arena_new(&c->arena, struct ticking);
	int lock = store_lock(c->store);
	bool mine = lock_take(lock, BYTE_PROBE, 0), ok = true;

	*told = (struct ticked){ .json = BUF(&c->arena, 1 << 20),
		.text = BUF(&c->arena, 1 << 20) };
	told->elsewhere = !mine;
	if (!mine && !all)
		return true;
	t->c = c;
	t->told = told;
	ok = upstream_begin(c, &t->up) == EXIT_DONE && with_health(t, all);
	upstream_close(&t->up);
	if (mine)
		lock_give(lock, BYTE_PROBE);
	return ok;
}
