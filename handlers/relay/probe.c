/* SPDX-License-Identifier: MIT */
/* probe.c - who is tried with a tiny call, and what it changes; see probe.h. */
#include "handlers/relay/probe.h"

#include <stdlib.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"

enum {
	MINUTE = 60 * 1000,
	AGAIN_MS = MINUTE,		/* nothing was learned about the key */
	STILL_LEAST_MS = 10 * MINUTE,	/* still refused: after that, … */
	STILL_MOST_MS = 120 * MINUTE	/* … doubling to that */
};

struct probe_want
probe_wanted(const struct health_due *due)
{
	return (struct probe_want){ due->channel, due->credential, due->model,
		due->kind == PARK_BARRED ? PROBE_BARRED : PROBE_EJECTED,
		due->kind == PARK_BARRED ? due->waited : 0 };
}

/* --- Which one ------------------------------------------------------------ */

static const struct channel *
find_channel(const struct catalogue *cat, int64_t id)
{
	for (size_t i = 0; i < cat->n_channels; i++)
		if (cat->channels[i].id == id)
			return &cat->channels[i];
	return NULL;
}

static struct subject
subject_of(const struct probing *p, const struct credential *k)
{
	const struct channel *ch = p->trial.ch;
	size_t usable = 0;

	for (size_t i = 0; i < ch->n_credentials; i++)
		usable += ch->credentials[i].enabled;
	return (struct subject){ ch->id, k->id, p->trial.as, usable == 1 };
}

/* The one that is meant, or of any the first that is not out itself; NULL:
 * there is none that is on. */
static const struct credential *
find_credential(const struct probing *p, struct health *h, int64_t now)
{
	const struct channel *ch = p->trial.ch;
	const struct credential *resort = NULL;

	for (size_t i = 0; i < ch->n_credentials; i++) {
		const struct credential *k = &ch->credentials[i];
		struct subject s = subject_of(p, k);
		int64_t until;

		if (!k->enabled || (p->want.credential &&
		    k->id != p->want.credential))
			continue;
		if (p->want.credential || health_standing(h, &s, now,
		    &until) <= STANDS_EJECTED)
			return k;
		if (!resort)
			resort = k;
	}
	return resort;
}

/* Is it out as it was said, and not for longer for another reason? */
static bool
wants_probe(const struct probing *p, struct health *h, int64_t now)
{
	int64_t until;
	enum stance how = health_standing(h, &p->about, now, &until);

	switch (p->want.why) {
	case PROBE_BARRED:
		return true;
	case PROBE_EJECTED:
		return how <= STANDS_EJECTED;
	default:
		return how == STANDS;
	}
}

bool
probe_choose(const struct catalogue *cat, struct health *h,
    const struct probe_want *want, int64_t now, struct probing *p)
{
	const struct channel *ch = find_channel(cat, want->channel);

	*p = (struct probing){ .want = *want };
	if (!ch || !ch->enabled)
		return false;
	p->trial = (struct trial){ .cat = cat, .ch = ch,
		.dialect = dialect_find(ch->dialect) };
	if (!p->trial.dialect)
		return false;
	if (trial_choose_as(&p->trial, want->model) != TRIAL_CHOSEN ||
	    !trial_priced(&p->trial)) {
		if (want->why == PROBE_BARRED && want->waited)
			health_lift(h, ch->id, want->credential, want->model,
			    now);
		return false;
	}
	p->with = find_credential(p, h, now);
	if (!p->with)
		return false;
	p->about = subject_of(p, p->with);
	memcpy(p->id, "probe-", PROBE_ID_CHARS - ID_CHARS);
	id_make(now, p->id + PROBE_ID_CHARS - ID_CHARS);
	return wants_probe(p, h, now);
}

/* --- What came of it ------------------------------------------------------ */

static bool
passing(enum up_class kind)
{
	return kind == UP_OK || kind == UP_SERVER || kind == UP_OVERLOADED ||
	    kind == UP_TIMEOUT || kind == UP_RATE_LIMIT;
}

static int64_t
within(int64_t least, int64_t v, int64_t most)
{
	return v < least ? least : v > most ? most : v;
}

/* A bar stays; when its next probe is due. */
static void
still_barred(const struct probing *p, const struct probe_result *r,
    struct health *h, int64_t now)
{
	int64_t ms = STILL_LEAST_MS;

	if (!p->want.waited)
		return;
	if (health_judge(r->kind, 0).kind == PARK_BARRED)
		ms = within(STILL_LEAST_MS, 2 * p->want.waited,
		    STILL_MOST_MS);
	else if (passing(r->kind))
		ms = within(AGAIN_MS, r->hint_ms, STILL_MOST_MS);
	health_still(h, p->about.channel, p->want.credential, p->want.model,
	    now + ms, now);
	log_warn("channel %.*s, credential %.*s: still out (%s), the next "
	    "probe is in %lld s", STR_ARGS(p->trial.ch->name),
	    STR_ARGS(p->with->name), r->outcome, (long long)ms / 1000);
}

/* No answer, or one that is a failure of the upstream. */
static bool
failed(const struct probe_result *r)
{
	return r->kind == UP_OK || health_judge(r->kind, 0).says == SAYS_FAILED;
}

static void
learn(const struct probing *p, const struct probe_result *r,
    struct health *h, int64_t now)
{
	bool whole = !p->want.credential && !p->want.model.n;

	if (p->want.why == PROBE_BARRED) {
		still_barred(p, r, h, now);
		return;
	}
	/* A channel was ejected because it could not be reached. */
	if (p->want.why == PROBE_EJECTED && whole && r->status)
		health_lift(h, p->about.channel, 0, S(""), now);
	else if (p->want.why == PROBE_EJECTED && failed(r))
		health_still(h, p->about.channel, p->want.credential,
		    p->want.model, 0, now);
	if (r->kind != UP_OK && (p->want.why == PROBE_IDLE ||
	    health_judge(r->kind, r->hint_ms).out != HEALTH_NOTHING))
		health_learn(h, &p->about, r->kind, r->hint_ms, now);
}

static void
kept(struct op *op)
{
	struct probe_put *put = holder(op, struct probe_put, op);

	arena_release(&put->arena);
	free(put);
}

static void
keep(const struct probing *p, const struct probe_result *r, struct writer *w)
{
	struct probe_put *put = xnew(struct probe_put);
	struct arena *a = &put->arena;

	/* Its cost is money: it stays queued until it is booked. */
	put->op = (struct op){ .run = probe_put_run, .done = kept,
		.must = true };
	put->id = arena_str(a, str_from(p->id, PROBE_ID_CHARS));
	put->probe = (struct probe){
		.at = r->at,
		.channel = p->about.channel,
		.credential = p->about.credential,
		.model = arena_str(a, p->about.model),
		.why = p->want.why,
		.status = r->status,
		.outcome = str_of(r->outcome),
		.ms = r->ms,
		.first_ms = r->first_ms,
		.input = r->tokens.in_total < 0 ? 0 : r->tokens.in_total,
		.output = r->tokens.out_total < 0 ? 0 : r->tokens.out_total,
		.cost = r->cost < 0 ? 0 : r->cost,
	};
	writer_put(w, &put->op);
}

void
probe_end(const struct probing *p, const struct probe_result *r,
    struct health *h, struct writer *w, int64_t now)
{
	if (r->good) {
		health_lift(h, p->about.channel, p->about.credential,
		    p->about.model, now);
		if (p->want.why != PROBE_IDLE)
			log_info("channel %.*s, credential %.*s, model %.*s: "
			    "a probe was answered, calls may use it again",
			    STR_ARGS(p->trial.ch->name),
			    STR_ARGS(p->with->name),
			    STR_ARGS(p->about.model));
	} else {
		learn(p, r, h, now);
	}
	keep(p, r, w);
}
