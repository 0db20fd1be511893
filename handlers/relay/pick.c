/* SPDX-License-Identifier: MIT */
/* pick.c - which candidate is next; see pick.h. */
#include "handlers/relay/pick.h"

#include <stdlib.h>

#include "db/money.h"
#include "fcgi/base/limits.h"

/* cost^a (first * load)^b ok^-c, the exponents in quarters: what is compared
 * is the fourth power of it, which needs no roots. */
static const struct exponents {
	int cost, first, ok;
} dials[] = {
	[ROUTING_BALANCED] = { 2, 2, 8 },
	[ROUTING_CHEAP] = { 4, 1, 8 },
	[ROUTING_FAST] = { 1, 4, 8 },
};

static const double LEAST_OK = 0.01;

/* First contents that come sooner are all the same to callers: what a
 * neighbour's few milliseconds more cost decides nothing. */
static const double LEAST_FIRST_MS = 50;

/* A session keeps to the first one drawn unless the other is that much
 * better: small changes of the averages must not send it back and forth. */
static const double CLEARLY = 0.8 * 0.8 * 0.8 * 0.8;

/* It leaves the one that served it last, and what he keeps of its prompt, for
 * one that is better by that much: he has become slow, or fails. */
static const double FAR = 0.5 * 0.5 * 0.5 * 0.5;

/* --- Who is left ---------------------------------------------------------- */

/* *how: as it stands now. */
static bool
usable(const struct plan *p, const struct candidate *k, struct health *health,
    int64_t now, enum stance *how)
{
	int64_t until;

	if (k->full_until > now)
		return false;
	/* As in the plan, when nothing has happened since. */
	*how = p->changes == health_changes(health) ? k->standing :
	    health_standing(health, &k->about, now, &until);
	return *how <= (p->resort ? STANDS_EJECTED : STANDS_TRIAL);
}

static bool
same_tier(const struct candidate *a, const struct candidate *b)
{
	return a->chain == b->chain &&
	    a->channel->priority == b->channel->priority;
}

bool
pick_any(const struct plan *p, struct health *health, int64_t now)
{
	enum stance standing;

	for (int i = 0; i < p->n; i++)
		if (!p->list[i].tries && !p->list[i].avoid &&
		    usable(p, &p->list[i], health, now, &standing))
			return true;
	return false;
}

int64_t
pick_soonest(const struct plan *p, struct health *health, int64_t now)
{
	int64_t soonest = p->soonest_ms;

	for (int i = 0; i < p->n; i++) {
		const struct candidate *k = &p->list[i];
		int64_t until;

		health_standing(health, &k->about, now, &until);
		if (k->full_until > until)
			until = k->full_until;
		if (until > now && (!soonest || until < soonest))
			soonest = until;
	}
	return soonest;
}

/* --- The score ------------------------------------------------------------ */

/* What the call would cost us there. */
static double
cost_of(const struct candidate *k, const struct buckets *use)
{
	int64_t nano;
	bool own = k->serves->cost_known;

	if (!price_charge(own ? &k->serves->cost : &k->model->price, use,
	    own ? PPM : k->channel->cost_ppm, &nano))
		nano = MONEY_MAX;
	return nano > 1 ? (double)nano : 1;
}

static int
by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median of the tier's averages, for those without any; 0: none has. */
static double
usual_first(const struct plan *p, const struct candidate *of,
    const struct pick *how)
{
	double list[LIMIT_CANDIDATES];
	size_t n = 0;

	for (int i = 0; i < p->n; i++) {
		const struct candidate *k = &p->list[i];
		double ms = same_tier(k, of) ? health_sight(how->health,
		    &k->about, how->now).first_ms : 0;

		if (ms > 0)
			list[n++] = ms;
	}
	if (n == 0)
		return 0;
	qsort(list, n, sizeof(*list), by_size);
	return list[n / 2];
}

static double
power(double x, int e)
{
	double y = 1;

	for (; e > 0; e--)
		y *= x;
	return y;
}

static struct pick_score
score(const struct candidate *k, const struct sight *sight,
    const struct pick *how, double usual)
{
	const struct exponents *e = &dials[how->routing];
	struct pick_score s = {
		.cost_nano = cost_of(k, &how->use),
		.first_ms = sight->first_ms > 0 ? sight->first_ms : usual,
		.load = 1 + sight->running,
		.ok = sight->ok > LEAST_OK && !sight->silent ? sight->ok :
		    LEAST_OK,
	};
	double wait = s.first_ms > LEAST_FIRST_MS ? s.first_ms :
	    LEAST_FIRST_MS;

	s.score = power(s.cost_nano, e->cost) *
	    power(wait * s.load, e->first) / power(s.ok, e->ok);
	return s;
}

struct pick_score
pick_score(const struct plan *p, const struct candidate *k,
    const struct pick *how)
{
	struct sight sight = health_sight(how->health, &k->about, how->now);

	return score(k, &sight, how, usual_first(p, k, how));
}

/* Does the second of two that were drawn displace the first? */
static bool
displaces(double second, double first, double by)
{
	return second < first * by;
}

/* The better of two; the medians that scores are measured by cancel out. */
static struct candidate *
better(const struct plan *p, struct candidate *a, struct candidate *b,
    double by, const struct pick *how)
{
	struct sight of_a = health_sight(how->health, &a->about, how->now);
	struct sight of_b = health_sight(how->health, &b->about, how->now);
	/* Where both have none it cancels out too. */
	double usual = (of_a.first_ms > 0) == (of_b.first_ms > 0) ? 0 :
	    usual_first(p, a, how);

	return displaces(score(b, &of_b, how, usual).score,
	    score(a, &of_a, how, usual).score, by) ? b : a;
}

/* --- The draw ------------------------------------------------------------- */

static uint64_t
stir(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

struct urn {
	struct candidate *list[LIMIT_CANDIDATES];
	int n;
	uint64_t weight;
};

/* By weight; those without any when nobody has. */
static struct candidate *
draw(const struct urn *u, uint64_t dice)
{
	if (u->weight == 0)
		return u->list[dice % (uint64_t)u->n];
	dice %= u->weight;
	for (int i = 0; i < u->n; i++) {
		if (dice < u->list[i]->weight)
			return u->list[i];
		dice -= u->list[i]->weight;
	}
	return u->list[0];
}

/* May b be drawn after a?  Keys of one channel share its fate, so that two of
 * them are no choice; foreign: there are others. */
static bool
is_second(const struct urn *u, const struct candidate *a,
    const struct candidate *b, bool foreign)
{
	return a != b && (u->weight == 0 || b->weight) &&
	    (a->channel != b->channel) == foreign;
}

/* A second one: of another channel, else another of the same, else NULL. */
static struct candidate *
draw_other(const struct urn *u, const struct candidate *first, uint64_t dice)
{
	struct urn rest = { .n = 0 };

	for (int pass = 0; pass < 2 && rest.n == 0; pass++)
		for (int i = 0; i < u->n; i++) {
			if (!is_second(u, first, u->list[i], pass == 0))
				continue;
			rest.list[rest.n++] = u->list[i];
			rest.weight += u->list[i]->weight;
		}
	return rest.n ? draw(&rest, dice) : NULL;
}

/* One or two; a trial is alone: its averages are of the bad time. */
static int
draw_two(const struct urn *u, const struct pick *how,
    struct candidate *two[static 2])
{
	two[0] = draw(u, stir(how->dice));
	two[1] = two[0]->standing == STANDS_TRIAL ? NULL :
	    draw_other(u, two[0], stir(how->dice + 1));
	return two[1] ? 2 : 1;
}

/* Who served the session last, if he is well. */
static struct candidate *
last_of_session(const struct urn *u, const struct pick *how)
{
	for (int i = 0; how->sticky && i < u->n; i++)
		if (u->list[i]->credential->id == how->sticky)
			return u->list[i]->standing == STANDS ? u->list[i] :
			    NULL;
	return NULL;
}

static struct candidate *
choose_of(const struct plan *p, struct urn *u, const struct pick *how)
{
	struct candidate *two[2], *best, *last = last_of_session(u, how);

	best = draw_two(u, how, two) == 2 ? better(p, two[0], two[1], CLEARLY,
	    how) : two[0];
	if (!last || best->standing == STANDS_TRIAL)
		return last ? last : best;
	return better(p, last, best, FAR, how);
}

/* The first tier with somebody left. */
static void
fill(const struct plan *p, const struct pick *how, struct urn *u)
{
	u->n = 0;
	u->weight = 0;
	for (int i = 0; i < p->n; i++) {
		struct candidate *k = &p->list[i];

		if (u->n && !same_tier(k, u->list[0]))
			return;
		if (k->tries || k->avoid || !usable(p, k, how->health,
		    how->now, &k->standing))
			continue;
		u->list[u->n++] = k;
		u->weight += k->weight;
	}
}

/* How long a trial may keep others away. */
static int64_t
trial_ms(const struct candidate *k)
{
	return k->channel->connect_ms + k->channel->first_ms;
}

struct candidate *
pick_next(struct plan *p, const struct pick *how)
{
	struct urn u;

	for (;;) {
		struct candidate *k;

		fill(p, how, &u);
		if (u.n == 0)
			return NULL;
		k = choose_of(p, &u, how);
		if (k->standing != STANDS_TRIAL || health_try(how->health,
		    &k->about, trial_ms(k), how->now))
			return k;
		/* Somebody was quicker. */
		k->standing = STANDS_EJECTED;
	}
}

struct candidate *
pick_again(struct plan *p, const struct pick *how)
{
	struct candidate *best = NULL;

	for (int i = 0; i < p->n; i++) {
		struct candidate *k = &p->list[i];

		/* Half-open ones are tried by whoever takes the trial. */
		if (usable(p, k, how->health, how->now, &k->standing) &&
		    (k->standing != STANDS_TRIAL || p->resort) &&
		    (!best || k->tries < best->tries))
			best = k;
	}
	return best;
}

/* --- What is told of it --------------------------------------------------- */

int
pick_two(struct plan *p, const struct pick *how,
    struct candidate *two[static 2])
{
	struct urn u;

	fill(p, how, &u);
	return u.n ? draw_two(&u, how, two) : 0;
}

/* Weights as they count: all the same when nobody has any. */
static double
weight_in(const struct urn *u, int i)
{
	return u->weight ? (double)u->list[i]->weight : 1;
}

void
pick_chances(struct plan *p, const struct pick *how, double *chance)
{
	double scores[LIMIT_CANDIDATES], sum = 0, usual;
	struct urn u;

	for (int i = 0; i < p->n; i++)
		chance[i] = 0;
	fill(p, how, &u);
	usual = u.n ? usual_first(p, u.list[0], how) : 0;
	for (int i = 0; i < u.n; i++) {
		struct sight sight = health_sight(how->health,
		    &u.list[i]->about, how->now);

		scores[i] = score(u.list[i], &sight, how, usual).score;
		sum += weight_in(&u, i);
	}
	for (int i = 0; i < u.n; i++) {
		double mine = weight_in(&u, i), left = mine / sum;
		bool alone = u.list[i]->standing == STANDS_TRIAL;

		double others = 0;
		bool foreign;

		for (int j = 0; j < u.n; j++)
			others += is_second(&u, u.list[i], u.list[j], true) ?
			    weight_in(&u, j) : 0;
		foreign = others > 0;
		for (int j = 0; j < u.n && !foreign; j++)
			others += is_second(&u, u.list[i], u.list[j], false) ?
			    weight_in(&u, j) : 0;
		/* Of those drawn after it, who displaces it takes its part. */
		for (int j = 0; j < u.n && !alone && mine > 0; j++) {
			double part;

			if (!is_second(&u, u.list[i], u.list[j], foreign) ||
			    !displaces(scores[j], scores[i], CLEARLY))
				continue;
			part = mine / sum * weight_in(&u, j) / others;
			chance[u.list[j] - p->list] += part;
			left -= part;
		}
		chance[u.list[i] - p->list] += left;
	}
}

/* --- Its clock ------------------------------------------------------------ */

enum {
	FIRST_STEP_TOKENS = 50000,	/* of a prompt: as long again */
	REASONING_TIMES = 5		/* who is to think first has so long */
};

int64_t
pick_first_ms(const struct candidate *k, struct health *health,
    int64_t tokens, bool reasons, int64_t now)
{
	int64_t most = k->channel->first_ms;
	struct sight sight = health_sight(health, &k->about, now);
	int64_t late = sight.late_ms * (sight.silent ? 2 : 4);

	if (late && late < FIRST_LEAST_MS)
		late = FIRST_LEAST_MS;
	if (!late || late > most)
		late = most;
	/* Most calls are short: what they took says little of this one, and
	 * three in a row that are given up put it out for everybody. */
	late *= reasons ? REASONING_TIMES : 1;
	return late + late * tokens / FIRST_STEP_TOKENS;
}
