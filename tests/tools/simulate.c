/* SPDX-License-Identifier: MIT */
/*
 * simulate.c - two hours of routing in a second, on a clock of its own.
 *
 *	simulate [--seed N] [--seeds N] [--no-probes] [--show MS] [--cost]
 *
 * Drives the product's plan.c, pick.c, health.c, affinity.c and budget.c with
 * a trace of calls and the upstreams of simworld.c, whose script of faults is
 * written there.  What is done here as choose.c and send.c do it: at most
 * three attempts, the retry budget, back-off with full jitter, whom not to ask
 * again, the clock of the first content (pick_first_ms) and the one resend of
 * a call that is not streamed.  Probes are tiny calls to those that are out,
 * every 15 s, to revoked keys after 10 min and then ever later.
 *
 * Beside it, on the same trace, the same upstreams, attempts, budget and
 * clocks: a choice at random by 1/price^2, where whoever failed is left alone
 * for 5 s.
 *
 * Prints, for each: how many calls were served (their first content came; an
 * unstreamed one's whole answer), the time from their arrival to it, how many
 * attempts a call took and what it cost (of attempts given up the prompt is
 * paid where the upstream was at work).  Exit status 1 when a target is missed
 * with the product's rules: served >= 99.99 %, first content within 9.5 s for
 * 99.9 % of the streamed, attempts a call <= 1.03.
 *
 * --seeds N: that many traces (2), the first of them --seed's.  --show MS:
 * each call that was not served or took that long.  --cost: see simcost.c.
 */
#include <stdio.h>
#include <stdlib.h>

#include "db/money.h"
#include "fcgi/base/limits.h"
#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/affinity.h"
#include "handlers/relay/budget.h"
#include "handlers/relay/pick.h"
#include "tests/tools/simcost.h"
#include "tests/tools/simworld.h"

static const int64_t EPOCH = INT64_C(1800000000000);	/* UTC ms, made up */

enum {
	SECOND = 1000,
	MINUTE = 60 * SECOND,
	BACK_OFF_MS = 50,
	UNSTREAMED_LEAST_MS = MINUTE,
	COOL_MS = 5 * SECOND,		/* of the other way to route */
	PROBE_EVERY_MS = 15 * SECOND,
	PROBE_MS = 10 * SECOND,		/* it fails after that */
	BARRED_MS = 10 * MINUTE,
	BARRED_MOST_MS = 120 * MINUTE,
	MOST_DUE = 16
};

enum way { BY_RULES, BY_PRICE };

struct options {
	uint64_t seed;
	int seeds;
	bool probes;
	int64_t show_ms;		/* 0: nothing */
};

/* --- A list of times ------------------------------------------------------ */

struct times {
	int32_t *at;
	size_t n, room;
};

static void
note(struct times *t, int64_t ms)
{
	if (t->n == t->room) {
		t->room = t->room ? t->room * 2 : 4096;
		t->at = xresize(t->at, sizeof(*t->at) * t->room);
	}
	t->at[t->n++] = (int32_t)ms;
}

static int
by_time(const void *a, const void *b)
{
	const int32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* So many thousandths came within; sorts. */
static int64_t
within(struct times *t, size_t thousandths)
{
	size_t i = t->n * thousandths / 1000;

	if (t->n == 0)
		return 0;
	qsort(t->at, t->n, sizeof(*t->at), by_time);
	return t->at[i < t->n ? i : t->n - 1];
}

/* --- What happens --------------------------------------------------------- */

struct sim;
struct call;

struct event {
	int64_t at;			/* ms since the start */
	uint64_t order;			/* of those at the same ms */
	void (*happen)(struct sim *s, void *of);
	void *of;
};

struct sim {
	enum way way;
	const struct options *options;
	enum routing routing;
	int64_t now;
	struct event *heap;
	size_t n, room;
	uint64_t order, dice;
	struct health *health;
	struct affinity *affinity;
	int64_t cool[WORLD_CHANNELS][WORLD_KEYS];	/* until then */
	int64_t barred[WORLD_CHANNELS][WORLD_KEYS];	/* between probes */
	/* what came of it */
	int64_t calls, served, attempts, probes;
	int64_t cost_nano;
	struct times first, whole;
};

static bool
sooner(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void
later(struct sim *s, int64_t ms, void (*happen)(struct sim *s, void *of),
    void *of)
{
	struct event e = { s->now + ms, s->order++, happen, of };
	size_t i = s->n++;

	if (s->n > s->room) {
		s->room = s->room ? s->room * 2 : 1024;
		s->heap = xresize(s->heap, sizeof(*s->heap) * s->room);
	}
	for (; i && sooner(&e, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = e;
}

static struct event
take_first(struct sim *s)
{
	struct event first = s->heap[0], last = s->heap[--s->n];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < s->n; i = child) {
		if (child + 1 < s->n && sooner(&s->heap[child + 1],
		    &s->heap[child]))
			child++;
		if (!sooner(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
	}
	s->heap[i] = last;
	return first;
}

static int64_t
utc(const struct sim *s)
{
	return EPOCH + s->now;
}

/* --- A call --------------------------------------------------------------- */

struct call {
	struct world_call asks;
	struct arena arena;
	struct plan plan;
	struct candidate *with;		/* of the attempt that runs */
	struct world_fate fate;
	int64_t began, sent;		/* the call, the attempt */
	int64_t due;			/* when its first content is late */
	int attempts, ambiguous;
	int64_t back_off_ms;
	bool transient;
	char told[64];			/* what its attempts met */
	size_t told_n;
};

static void
tell(struct call *c, char letter)
{
	if (c->told_n + 3 >= sizeof(c->told))
		return;
	c->told[c->told_n++] = c->with->channel->name.p[0];
	c->told[c->told_n++] = letter;
	c->told[c->told_n++] = ' ';
}

static void
call_over(struct sim *s, struct call *c, bool served)
{
	int64_t ms = s->now - c->began;

	s->served += served;
	s->attempts += c->attempts;
	if (served)
		note(c->asks.stream ? &s->first : &s->whole, ms);
	if (s->options->show_ms && s->way == BY_RULES && (!served ||
	    (c->asks.stream && ms >= s->options->show_ms)))
		printf("%8.1f s: %s after %lld ms: %.*s\n",
		    (double)c->began / SECOND, served ? "served" :
		    "not served", (long long)ms, (int)c->told_n, c->told);
}

static void
call_free(struct call *c)
{
	arena_release(&c->arena);
	free(c);
}

/* What is paid for an answer, or its prompt alone. */
static int64_t
cost_of(const struct call *c, bool whole)
{
	struct buckets use = { { 0 } };
	int64_t nano = 0;

	use.n[BUCKET_INPUT] = c->asks.prompt;
	use.n[BUCKET_OUTPUT] = whole ? c->asks.output : 0;
	price_charge(&c->with->model->price, &use, c->with->channel->cost_ppm,
	    &nano);
	return nano;
}

/* --- Whom it is given to -------------------------------------------------- */

static int64_t *
cell(int64_t cells[WORLD_CHANNELS][WORLD_KEYS], const struct candidate *k)
{
	return &cells[k->channel->id - 1][k->credential->id % 10 - 1];
}

/* The other way: at random by 1/price^2; those that cool last. */
static struct candidate *
by_price(struct sim *s, struct call *c, bool cooling)
{
	uint64_t sum = 0, dice, weights[LIMIT_CANDIDATES];

	for (int i = 0; i < c->plan.n; i++) {
		struct candidate *k = &c->plan.list[i];
		int64_t price = k->channel->cost_ppm / 1000;
		bool left = !k->tries && !k->avoid &&
		    (*cell(s->cool, k) > s->now) == cooling;

		weights[i] = left ? (uint64_t)(1000000000000 / price / price) :
		    0;
		sum += weights[i];
	}
	if (sum == 0)
		return cooling ? NULL : by_price(s, c, true);
	dice = world_roll(&s->dice) % sum;
	for (int i = 0;; i++) {
		if (dice < weights[i])
			return &c->plan.list[i];
		dice -= weights[i];
	}
}

static struct pick
how(struct sim *s, struct call *c)
{
	struct pick p = { .health = s->health, .now = utc(s),
		.dice = c->asks.session ? c->asks.session :
		world_roll(&s->dice),
		.routing = c->attempts ? ROUTING_FAST : s->routing };

	p.use.n[BUCKET_INPUT] = c->asks.prompt;
	p.use.n[BUCKET_OUTPUT] = 4096;
	if (c->asks.session)
		p.sticky = affinity_find(s->affinity, c->asks.session, s->now);
	return p;
}

static bool
another_is_left(struct sim *s, struct call *c)
{
	if (c->attempts >= LIMIT_ATTEMPTS)
		return false;
	if (s->way == BY_RULES)
		return pick_any(&c->plan, s->health, utc(s));
	for (int i = 0; i < c->plan.n; i++)
		if (!c->plan.list[i].tries && !c->plan.list[i].avoid)
			return true;
	return false;
}

static struct candidate *
next_one(struct sim *s, struct call *c, const struct pick *p)
{
	if (c->attempts && !(another_is_left(s, c) &&
	    budget_retry(c->plan.asked->id)))
		return NULL;
	return s->way == BY_RULES ? pick_next(&c->plan, p) :
	    by_price(s, c, false);
}

static struct candidate *
once_more(struct sim *s, struct call *c, const struct pick *p)
{
	struct candidate *k = NULL;

	if (!c->transient || c->attempts >= LIMIT_ATTEMPTS)
		return NULL;
	if (s->way == BY_RULES)
		k = pick_again(&c->plan, p);
	for (int i = 0; s->way == BY_PRICE && i < c->plan.n; i++)
		if (!k || c->plan.list[i].tries < k->tries)
			k = &c->plan.list[i];
	return k && budget_retry(c->plan.asked->id) ? k : NULL;
}

static void attempt(struct sim *s, void *of);

static void
choose(struct sim *s, struct call *c)
{
	struct pick p = how(s, c);
	int64_t wait = 0;

	c->with = next_one(s, c, &p);
	if (!c->with) {
		c->with = once_more(s, c, &p);
		c->back_off_ms = c->back_off_ms ? 2 * c->back_off_ms :
		    BACK_OFF_MS;
		wait = (int64_t)(world_roll(&s->dice) %
		    (uint64_t)(c->back_off_ms + 1));
	}
	if (!c->with) {
		call_over(s, c, false);
		call_free(c);
		return;
	}
	later(s, wait, attempt, c);
}

/* --- An attempt ----------------------------------------------------------- */

static bool
trial(const struct call *c)
{
	return c->with->standing != STANDS;
}

/* It is over: what it said of its upstream, in both ways. */
static void
ends(struct sim *s, struct call *c, enum verdict says)
{
	if (s->way == BY_PRICE) {
		if (says != SAYS_GOOD && says != SAYS_NOTHING)
			*cell(s->cool, c->with) = s->now + COOL_MS;
		says = SAYS_NOTHING;
	}
	health_end(s->health, &c->with->about, says, trial(c), utc(s));
}

static void
answer_ends(struct sim *s, void *of)
{
	struct call *c = of;

	if (!c->asks.stream) {
		health_whole(s->health, c->with->upstream_model, 4096,
		    s->now - c->sent);
		call_over(s, c, true);
		if (c->asks.session)
			affinity_keep(s->affinity, c->asks.session,
			    c->with->credential->id, s->now);
	}
	s->cost_nano += cost_of(c, true);
	ends(s, c, SAYS_GOOD);
	call_free(c);
}

static void
content_begins(struct sim *s, void *of)
{
	struct call *c = of;

	health_first(s->health, &c->with->about, s->now - c->sent,
	    s->way == BY_RULES && trial(c), utc(s));
	c->with->standing = STANDS;
	if (c->asks.session)
		affinity_keep(s->affinity, c->asks.session,
		    c->with->credential->id, s->now);
	call_over(s, c, true);
	later(s, c->fate.rest_ms, answer_ends, c);
}

static void
error_comes(struct sim *s, void *of)
{
	struct call *c = of;
	enum verdict says = SAYS_FAILED;

	tell(c, 'E');
	if (s->way == BY_RULES)
		says = health_learn(s->health, &c->with->about, c->fate.class,
		    c->fate.hint_ms, utc(s));
	c->transient = c->fate.class == UP_SERVER;
	ends(s, c, says);
	choose(s, c);
}

static void
not_reached(struct sim *s, void *of)
{
	struct call *c = of;

	tell(c, 'R');
	c->transient = true;
	for (int i = 0; i < c->plan.n; i++)
		c->plan.list[i].avoid |= c->plan.list[i].channel ==
		    c->with->channel;
	ends(s, c, SAYS_UNREACHED);
	choose(s, c);
}

static void
whole_late(struct sim *s, void *of)
{
	struct call *c = of;

	tell(c, 'W');
	ends(s, c, SAYS_LATE);
	call_over(s, c, false);
	call_free(c);
}

static void waits(struct sim *s, struct call *c);

/* The moment when its answer is given up for another's, or waited for. */
static void
first_late(struct sim *s, void *of)
{
	struct call *c = of;
	const struct channel *ch = c->with->channel;
	int64_t most = c->asks.stream ? ch->stream_ms : ch->whole_ms;
	int64_t comes = c->sent + c->fate.after_ms + (c->asks.stream ? 0 :
	    c->fate.rest_ms);

	if (c->asks.stream && s->now < c->sent + pick_first_ms(c->with,
	    s->health, c->asks.prompt, false, utc(s))) {
		waits(s, c);
		return;
	}
	tell(c, 'L');
	if (another_is_left(s, c) && (c->asks.stream || c->ambiguous == 0)) {
		c->ambiguous += !c->asks.stream;
		c->transient = false;
		if (c->fate.how == MEETS_ANSWER)
			s->cost_nano += cost_of(c, false);
		ends(s, c, SAYS_LATE);
		choose(s, c);
	} else if (c->fate.how == MEETS_ANSWER) {
		later(s, comes - s->now, c->asks.stream ? content_begins :
		    answer_ends, c);
	} else {
		later(s, c->began + most - s->now, whole_late, c);
	}
}

/* How long a first content is waited for, before that is looked at again. */
static int64_t
look_ms(struct sim *s, const struct call *c)
{
	int64_t waited = s->now - c->sent;
	int64_t left = pick_first_ms(c->with, s->health, c->asks.prompt,
	    false, utc(s)) - waited;
	int64_t look = FIRST_LEAST_MS - waited;

	if (look < FIRST_LOOK_MS)
		look = FIRST_LOOK_MS;
	return left < look ? left : look;
}

/* The same of an answer that is not streamed. */
static int64_t
whole_ms(struct sim *s, const struct call *c)
{
	int64_t late = 4 * health_whole_late(s->health,
	    c->with->upstream_model, 4096);

	if (late == 0)
		return c->with->channel->whole_ms;
	return late > UNSTREAMED_LEAST_MS ? late : UNSTREAMED_LEAST_MS;
}

static void
waits(struct sim *s, struct call *c)
{
	int64_t limit = c->asks.stream ? look_ms(s, c) : whole_ms(s, c);
	int64_t comes = c->sent + c->fate.after_ms - s->now;

	if (!c->asks.stream)
		comes += c->fate.rest_ms;
	if (c->fate.how == MEETS_SILENCE || comes > limit)
		later(s, limit, first_late, c);
	else
		later(s, comes, c->asks.stream ? content_begins : answer_ends,
		    c);
}

static void
attempt(struct sim *s, void *of)
{
	struct call *c = of;

	c->fate = world_meets(&c->asks, c->with->channel->id,
	    c->with->credential->id, s->now, c->attempts++);
	c->with->tries++;
	c->sent = s->now;
	c->transient = false;
	health_begin(s->health, &c->with->about, c->asks.stream, utc(s));
	if (c->fate.how == MEETS_ERROR)
		later(s, c->fate.after_ms, error_comes, c);
	else if (c->fate.how == MEETS_REFUSAL)
		later(s, c->fate.after_ms ? c->fate.after_ms :
		    c->with->channel->connect_ms, not_reached, c);
	else
		waits(s, c);
}

static void
call_comes(struct sim *s, const struct world_call *asks)
{
	struct wanted w = { .group = 1, .model = world_model(),
		.tokens = asks->prompt, .now = utc(s) };
	struct call *c = xnew(struct call);
	struct fault f = { 0 };

	c->asks = *asks;
	c->began = s->now;
	s->calls++;
	if (!plan_make(&c->arena, world_catalogue(), s->health, &w,
	    &c->plan, &f) || c->plan.n == 0) {
		call_over(s, c, false);
		call_free(c);
		return;
	}
	budget_call(c->plan.asked->id);
	choose(s, c);
}

/* --- Probes --------------------------------------------------------------- */

struct probe {
	struct health_due of;
	int64_t credential;		/* that it is made with */
	struct world_fate fate;
	struct arena arena;
};

static void
probe_ends(struct sim *s, void *of)
{
	struct probe *p = of;
	int64_t *pause = &s->barred[p->of.channel - 1][p->credential % 10 - 1];

	if (p->fate.how == MEETS_ANSWER && p->fate.after_ms <= PROBE_MS) {
		*pause = 0;
		health_lift(s->health, p->of.channel, p->of.credential,
		    p->of.model, utc(s));
	} else {
		*pause = *pause ? *pause * 2 : BARRED_MS;
		if (*pause > BARRED_MOST_MS)
			*pause = BARRED_MOST_MS;
		health_still(s->health, p->of.channel, p->of.credential,
		    p->of.model, utc(s) + *pause, utc(s));
	}
	arena_release(&p->arena);
	free(p);
}

static void
probe(struct sim *s, const struct health_due *d)
{
	struct world_call asks = { .dice = world_roll(&s->dice),
		.stream = true, .prompt = 10, .output = 16 };
	struct probe *p = xnew(struct probe);
	int64_t ms;

	p->of = *d;
	p->of.model = arena_str(&p->arena, d->model);
	p->credential = d->credential ? d->credential : d->channel * 10 + 1 +
	    (int64_t)(asks.dice % WORLD_KEYS);
	p->fate = world_meets(&asks, d->channel, p->credential, s->now, 0);
	s->probes++;
	ms = p->fate.after_ms;
	if (p->fate.how == MEETS_SILENCE || ms > PROBE_MS)
		ms = PROBE_MS;
	else if (ms == 0)
		ms = 3 * SECOND;
	later(s, ms, probe_ends, p);
}

/* Once a second: what the keeper does, and who waits for a probe. */
static void
look_around(struct sim *s, void *of)
{
	struct health_due due[MOST_DUE];
	struct arena a;
	int n = 0;

	(void)of;
	arena_init(&a);
	health_share(s->health, utc(s));
	if (s->options->probes && s->way == BY_RULES)
		n = health_due(s->health, PROBE_EVERY_MS, utc(s), &a, due,
		    MOST_DUE);
	for (int i = 0; i < n; i++)
		probe(s, &due[i]);
	arena_release(&a);
	if (s->now < WORLD_MS)
		later(s, SECOND, look_around, NULL);
}

/* --- A run ---------------------------------------------------------------- */

static void
run(struct sim *s, enum way way, const struct options *o, uint64_t seed)
{
	struct world_trace trace = { .dice = seed };
	struct world_call asks;

	*s = (struct sim){ .way = way, .options = o, .dice = ~seed,
		.health = health_new(NULL, seed),
		.affinity = affinity_new() };
	budget_fill();
	look_around(s, NULL);
	for (int64_t ms = 0; ms < WORLD_MS || s->n; ms++) {
		while (s->n && s->heap[0].at <= ms) {
			struct event e = take_first(s);

			s->now = e.at;
			e.happen(s, e.of);
		}
		s->now = ms;
		if (ms < WORLD_MS && world_next(&trace, &asks))
			call_comes(s, &asks);
	}
	health_free(s->health);
	affinity_free(s->affinity);
	free(s->heap);
}

static double
share(int64_t part, int64_t of)
{
	return of ? (double)part / (double)of : 0;
}

/* False: it misses a target. */
static bool
report(struct sim *s)
{
	double served = 100 * share(s->served, s->calls);
	double attempts = share(s->attempts, s->calls);
	int64_t rare = within(&s->first, 999);

	printf("%-18s %7lld %9.4f %6lld %6lld %6lld %6lld %6lld %8.4f %8.3f "
	    "%6lld\n", s->way == BY_RULES ? "the rules" : "random by price",
	    (long long)s->calls, served, (long long)within(&s->first, 500),
	    (long long)within(&s->first, 990), (long long)rare,
	    (long long)within(&s->whole, 500),
	    (long long)within(&s->whole, 990), attempts,
	    share(s->cost_nano, s->calls) / (NANO / 1000),
	    (long long)s->probes);
	free(s->first.at);
	free(s->whole.at);
	return served >= 99.99 && rare <= 9500 && attempts <= 1.03;
}

static bool
simulate(const struct options *o)
{
	bool good = true;

	for (int i = 0; i < o->seeds; i++) {
		uint64_t seed = o->seed + (uint64_t)i;
		struct sim s;

		printf("seed %llu\n%18s %7s %9s %20s %13s %8s %8s %6s\n"
		    "%18s %7s %9s %6s %6s %6s %6s %6s %8s %8s\n",
		    (unsigned long long)seed, "", "calls", "served",
		    "first content, ms:", "unstreamed:", "attempts",
		    "USD a", "probes", "", "", "%", "p50", "p99", "p99.9",
		    "p50", "p99", "a call", "thousand");
		run(&s, BY_RULES, o, seed);
		good &= report(&s);
		run(&s, BY_PRICE, o, seed);
		report(&s);
	}
	if (!good)
		printf("missed: served >= 99.99 %%, p99.9 of the first content "
		    "<= 9500 ms, attempts a call <= 1.03\n");
	return good;
}

int
main(int argc, char **argv)
{
	struct options o = { .seed = 1, .seeds = 2, .probes = true };

	log_mute(true);
	world_make();
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--cost") == 0) {
			return simcost();
		} else if (strcmp(argv[i], "--no-probes") == 0) {
			o.probes = false;
		} else if (more && strcmp(argv[i], "--seed") == 0) {
			o.seed = strtoull(argv[++i], NULL, 10);
		} else if (more && strcmp(argv[i], "--seeds") == 0) {
			o.seeds = atoi(argv[++i]);
		} else if (more && strcmp(argv[i], "--show") == 0) {
			o.show_ms = atoll(argv[++i]);
		} else {
			fprintf(stderr, "usage: simulate [--seed N] "
			    "[--seeds N] [--no-probes] [--show MS] "
			    "[--cost]\n");
			return 2;
		}
	}
	return !simulate(&o);
}
