/* SPDX-License-Identifier: MIT */
/*
 * health.c - how upstreams are doing: what calls tell of them, and who is put
 * out for it; see health.h.
 *
 * Not here: who is out (health_out.c), the table of records
 * (health_record.c), what the store's rows change (health_share.c), whole
 * answers (health_whole.c), probes (health_probe.c).
 */
#include "handlers/relay/health.h"

#include <assert.h>
#include <stdlib.h>

#include "fcgi/base/log.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/health_part.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

/* Ejection. */
enum {
	FAILURES = 5,			/* in a row */
	LATES = 3,			/* in a row */
	SHARE_CALLS = 20,		/* in the window, to judge by share */
	OUT_MS = 30 * SECOND,		/* times the number of ejections */
	OUT_MOST_MS = 300 * SECOND,
	JITTER = 10,			/* percent, both ways */
	GOOD_AGAIN_MS = 10 * MINUTE,	/* so long back: ejections begin anew */
	LEAST_FIRST = SCORE_CALL / 2	/* of them, after decay, to know the
					 * average: it may be fast again */
};

/* So many calls in a row that wait longer than most first contents took. */
enum {
	SILENT_LEAST_MS = SECOND,
	SILENT_MOST_MS = MINUTE		/* what is older tells nothing */
};

static const struct health_verdict rules[N_UP_CLASSES] = {
	[UP_BAD_REQUEST]    = { .says = SAYS_ALIVE },
	[UP_CONTEXT_LENGTH] = { .says = SAYS_ALIVE },
	[UP_TOO_LARGE]      = { .says = SAYS_ALIVE },
	[UP_CONTENT_POLICY] = { .says = SAYS_ALIVE },
	[UP_SIGNATURE]      = { .says = SAYS_ALIVE },
	[UP_KEY_TOO_SMALL]  = { .says = SAYS_ALIVE },
	[UP_MODEL_MISSING]  = { HEALTH_PAIR, PARK_TIMED, 10 * MINUTE, false,
	    SAYS_ALIVE },
	[UP_KEY_DEAD]       = { HEALTH_KEY, PARK_BARRED, 10 * MINUTE, true,
	    SAYS_ALIVE },
	[UP_KEY_BROKE]      = { HEALTH_KEY, PARK_BARRED, 30 * MINUTE, true,
	    SAYS_ALIVE },
	[UP_NO_PERMISSION]  = { HEALTH_PAIR, PARK_TIMED, 10 * MINUTE, true,
	    SAYS_ALIVE },
	[UP_REGION_BLOCKED] = { HEALTH_CHANNEL, PARK_TIMED, 10 * MINUTE, true,
	    SAYS_ALIVE },
	[UP_RATE_LIMIT]     = { HEALTH_PAIR, PARK_TIMED, 20 * SECOND, false,
	    SAYS_ALIVE },
	[UP_QUOTA_DAILY]    = { HEALTH_PAIR, PARK_TIMED, HOUR, false,
	    SAYS_ALIVE },
	/* Not a park: it may be over at once, and nobody else may be there. */
	[UP_OVERLOADED]     = { HEALTH_PAIR, PARK_EJECTED, 10 * SECOND, false,
	    SAYS_FAILED },
	[UP_SERVER]         = { .says = SAYS_FAILED },
	[UP_TIMEOUT]        = { .says = SAYS_FAILED },
	[UP_WRONG_BASE]     = { .alert = true, .says = SAYS_FAILED },
};

static const char *const own_reasons[] = { "failures", "late", "share",
	"unreached", "other" };

const char *
health_reason(enum reason r)
{
	return (int)r < N_UP_CLASSES ? up_class_name((enum up_class)r) :
	    own_reasons[r - N_UP_CLASSES];
}

/* --- Counting ------------------------------------------------------------- */

/* A call into the window of a minute. */
static void
count_window(struct record *r, bool bad, int64_t now)
{
	int32_t slot = (int32_t)(now / SLOT_MS);

	if (slot < r->slot || slot - r->slot >= SLOTS) {
		memset(r->calls, 0, sizeof(r->calls));
		memset(r->bad, 0, sizeof(r->bad));
		r->slot = slot;
	}
	while (r->slot < slot) {
		r->slot++;
		r->calls[r->slot % SLOTS] = r->bad[r->slot % SLOTS] = 0;
	}
	if (r->calls[slot % SLOTS] == UINT16_MAX)
		return;
	r->calls[slot % SLOTS]++;
	r->bad[slot % SLOTS] += bad;
}

/* Fewer than half of at least twenty calls of the last minute were good. */
static bool
share_is_bad(const struct record *r)
{
	int calls = 0, bad = 0;

	for (int i = 0; i < SLOTS; i++) {
		calls += r->calls[i];
		bad += r->bad[i];
	}
	return calls >= SHARE_CALLS && 2 * bad > calls;
}

struct score
health_score(const struct record *r, int64_t now)
{
	struct score s = r->known, more;

	score_age(&s, now);
	if (r->news) {
		more = r->news->score;
		score_age(&more, now);
		if (r->news->anew)
			score_forget(&s);
		score_sum(&s, &more);
		s.failures = more.failures +
		    (r->news->ended_failures ? 0 : s.failures);
		s.late = more.late + (r->news->ended_late ? 0 : s.late);
	}
	return s;
}

void
health_forget(struct record *r, int64_t now)
{
	memset(r->calls, 0, sizeof(r->calls));
	memset(r->bad, 0, sizeof(r->bad));
	r->n_asked = 0;
	score_forget(&r->known);
	if (r->news)
		score_forget(&r->news->score);
	r->mixed = false;
	r->blamed = 0;
	r->back = now;
}

/* --- Out, and back -------------------------------------------------------- */

static int64_t
jitter(struct health *h, int64_t ms)
{
	h->dice = h->dice * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return ms * (100 - JITTER + (int64_t)((h->dice >> 33) %
	    (2 * JITTER + 1))) / 100;
}

void
health_eject(struct health *h, struct record *r, enum reason why, int64_t now)
{
	int64_t ms;

	if (r->back && now - r->back > GOOD_AGAIN_MS)
		r->times = 0;
	if (r->times < OUT_MOST_MS / OUT_MS)
		r->times++;
	ms = jitter(h, OUT_MS * r->times);
	r->trial = 0;
	r->probed = now;	/* a first probe takes its time */
	log_warn("channel %lld, credential %lld, model %.*s: out for %lld s "
	    "(%s)", (long long)r->channel, (long long)r->credential,
	    (int)r->name_n, r->name, (long long)ms / SECOND,
	    health_reason(why));
	health_put(h, r, PARK_EJECTED, why, now + ms, now);
}

/* Its ejections end; it starts afresh. */
void
health_back(struct health *h, const struct subject *s, int64_t now)
{
	for (int level = 0; level < N_LEVELS; level++) {
		struct record *r = h->n_out[level] ? health_of(h, s,
		    (enum level)level, false) : NULL;

		if (r && health_stance(r, PARK_BARRED, now) == STANDS_EJECTED)
			health_put(h, r, PARK_BARRED, REASON_OTHER, 0, now);
		if (!r || !r->until[PARK_EJECTED])
			continue;
		r->trial = 0;
		health_put(h, r, PARK_EJECTED, REASON_OTHER, 0, now);
		health_forget(r, now);
		if (r->level == LEVEL_PAIR)
			health_news(h, r, now)->anew = true;
	}
}

/* Whoever tried it failed: out for longer. */
static void
trial_failed(struct health *h, const struct subject *s, int64_t now)
{
	struct record *list[N_LEVELS];
	int n = health_half_open(h, s, now, list);

	for (int i = 0; i < n; i++)
		health_eject(h, list[i], list[i]->reason[PARK_EJECTED], now);
}

static void
judge(struct health *h, struct record *r, int64_t now)
{
	struct score s = health_score(r, now);

	if (health_ejected(r, now))
		return;
	if (s.failures >= FAILURES)
		health_eject(h, r, REASON_FAILURES, now);
	else if (s.late >= LATES)
		health_eject(h, r, REASON_LATE, now);
	else if (share_is_bad(r))
		health_eject(h, r, REASON_SHARE, now);
}

/* Failures of several keys in a row are the route's. */
static void
blame_route(struct health *h, const struct subject *s, int64_t now)
{
	struct record *r = s->alone ? NULL : health_of(h, s, LEVEL_ROUTE,
	    true);

	if (!r)
		return;
	r->mixed |= r->blamed && r->blamed != s->credential;
	r->blamed = s->credential;
	r->known.at = now;
	if (++r->known.failures >= FAILURES && r->mixed &&
	    !health_ejected(r, now))
		health_eject(h, r, REASON_FAILURES, now);
}

static void
blame_channel(struct health *h, const struct subject *s, int64_t now)
{
	struct record *r = health_of(h, s, LEVEL_CHANNEL, true);

	if (!r)
		return;
	r->known.at = now;
	if (++r->known.failures >= FAILURES && !health_ejected(r, now))
		health_eject(h, r, REASON_UNREACHED, now);
}

/* Something came from it: its channel can be reached; a good answer clears
 * its route too. */
static void
praise(struct health *h, const struct subject *s, bool good)
{
	struct record *r = h->n_channels ? health_of(h, s, LEVEL_CHANNEL,
	    false) : NULL;

	if (r)
		r->known.failures = 0;
	r = good && !s->alone ? health_of(h, s, LEVEL_ROUTE, false) : NULL;
	if (r) {
		r->known.failures = 0;
		r->mixed = false;
		r->blamed = 0;
	}
}

/* --- What calls tell ------------------------------------------------------ */

void
health_begin(struct health *h, const struct subject *s, bool stream,
    int64_t now)
{
	struct record *r;

	pthread_mutex_lock(&h->lock);
	r = health_of(h, s, LEVEL_PAIR, true);
	if (r) {
		r->running++;
		if (stream && r->n_asked < SILENT_CALLS)
			r->asked[r->n_asked++] = now;
	}
	pthread_mutex_unlock(&h->lock);
}

/*
 * Have several calls been waiting longer than 95 of 100 did, without a sign
 * of life since they began?  Long before the first of them is late it is
 * better to ask somebody else.
 */
static bool
is_silent(const struct record *r, int64_t late_ms, int64_t now)
{
	int64_t waits;

	if (r->n_asked < SILENT_CALLS || !late_ms)
		return false;
	waits = now - r->asked[SILENT_CALLS - 1];
	return waits > late_ms && waits > SILENT_LEAST_MS &&
	    waits < SILENT_MOST_MS;
}

void
health_first(struct health *h, const struct subject *s, int64_t ms,
    bool trial, int64_t now)
{
	struct record *r;

	pthread_mutex_lock(&h->lock);
	if (trial)
		health_back(h, s, now);
	r = health_of(h, s, LEVEL_PAIR, true);
	if (r) {
		struct news *n = health_news(h, r, now);

		r->n_asked = 0;
		score_first(&n->score, ms < 0 ? 0 : ms);
		n->score.late = 0;
		n->ended_late = true;
	}
	praise(h, s, true);
	pthread_mutex_unlock(&h->lock);
}

/* A call more, good or bad, of the pair. */
static void
count(struct health *h, struct record *r, enum verdict verdict, int64_t now)
{
	bool bad = verdict != SAYS_GOOD;
	struct news *n = health_news(h, r, now);

	count_window(r, bad, now);
	if (bad) {
		n->score.bad += SCORE_CALL;
		n->score.failures++;
		n->score.late += verdict == SAYS_LATE;
		return;
	}
	n->score.good += SCORE_CALL;
	n->score.failures = n->score.late = 0;
	n->ended_failures = n->ended_late = true;
}

static void
hear(struct health *h, const struct subject *s, struct record *r,
    enum verdict verdict, bool trial, int64_t now)
{
	switch (verdict) {
	case SAYS_NOTHING:
		break;
	case SAYS_ALIVE:
		praise(h, s, false);
		break;
	case SAYS_GOOD:
		if (trial)
			health_back(h, s, now);
		praise(h, s, true);
		count(h, r, verdict, now);
		return;
	case SAYS_FAILED:
	case SAYS_LATE:
	case SAYS_UNREACHED:
		if (verdict == SAYS_UNREACHED)
			blame_channel(h, s, now);
		else
			praise(h, s, false);
		if (verdict == SAYS_FAILED)
			blame_route(h, s, now);
		count(h, r, verdict, now);
		if (trial)
			trial_failed(h, s, now);
		judge(h, r, now);
		return;
	}
	/* It told nothing: another call may try. */
	if (trial)
		health_set_trial(h, s, 0, now);
}

void
health_end(struct health *h, const struct subject *s, enum verdict verdict,
    bool trial, int64_t now)
{
	struct record *r;

	pthread_mutex_lock(&h->lock);
	r = health_of(h, s, LEVEL_PAIR, false);
	if (r) {
		if (r->running > 0)
			r->running--;
		/* An error is a sign of life; the end of a good answer says
		 * nothing of those that were asked after it. */
		if (verdict == SAYS_NOTHING && r->n_asked > 0)
			r->n_asked--;
		else if (verdict != SAYS_LATE && verdict != SAYS_GOOD)
			r->n_asked = 0;
		hear(h, s, r, verdict, trial, now);
	}
	pthread_mutex_unlock(&h->lock);
}

struct health_verdict
health_judge(enum up_class class, int64_t hint_ms)
{
	struct health_verdict v = rules[class];

	if (hint_ms > 0 && (class == UP_RATE_LIMIT ||
	    class == UP_QUOTA_DAILY || class == UP_OVERLOADED)) {
		v.kind = PARK_TIMED;
		v.ms = hint_ms < HOUR ? hint_ms : HOUR;
	}
	return v;
}

/* Is it out already, so that this verdict changes nothing? */
static bool
is_out_so(const struct record *r, const struct health_verdict *v, int64_t now)
{
	/* A bar keeps the time of its next probe; of somebody ejected the
	 * end of its trial decides. */
	if (v->kind == PARK_BARRED)
		return health_stance(r, v->kind, now) == STANDS_BARRED;
	if (v->kind == PARK_EJECTED)
		return health_stance(r, v->kind, now) != STANDS;
	/* Many calls may be refused at once: nearly the same end is no news
	 * for all processes. */
	return health_stance(r, PARK_TIMED, now) == STANDS_PARKED &&
	    r->until[PARK_TIMED] >= now + v->ms - v->ms / 8;
}

enum verdict
health_learn(struct health *h, const struct subject *s, enum up_class class,
    int64_t hint_ms, int64_t now)
{
	static const enum level levels[] = {
		[HEALTH_PAIR] = LEVEL_PAIR, [HEALTH_KEY] = LEVEL_KEY,
		[HEALTH_ROUTE] = LEVEL_ROUTE, [HEALTH_CHANNEL] = LEVEL_CHANNEL,
	};
	struct health_verdict v = health_judge(class, hint_ms);
	struct record *r;

	if (v.alert)
		log_warn("channel %lld, credential %lld: %s; look at it",
		    (long long)s->channel, (long long)s->credential,
		    up_class_name(class));
	if (v.out == HEALTH_NOTHING)
		return v.says;
	pthread_mutex_lock(&h->lock);
	r = health_of(h, s, levels[v.out], true);
	if (r && !is_out_so(r, &v, now)) {
		if (v.kind == PARK_EJECTED)
			r->trial = 0;
		health_put(h, r, v.kind, (enum reason)class, now + v.ms, now);
	}
	pthread_mutex_unlock(&h->lock);
	return v.says;
}

/* --- What chooses and clocks ask ------------------------------------------ */

struct sight
health_sight(struct health *h, const struct subject *s, int64_t now)
{
	struct sight sight = { .ok = 1 };
	struct record *r;
	struct score c;

	pthread_mutex_lock(&h->lock);
	r = health_of(h, s, LEVEL_PAIR, false);
	if (r) {
		c = health_score(r, now);
		/* As if one good call had been seen before all others. */
		sight.ok = (double)(c.good + SCORE_CALL) /
		    (double)(c.good + c.bad + SCORE_CALL);
		if (c.first_n >= LEAST_FIRST)
			sight.first_ms = (double)c.first_ms /
			    (double)c.first_n;
		sight.late_ms = score_within(c.times, 950, LATE_CALLS);
		sight.running = r->running;
		sight.silent = is_silent(r, sight.late_ms, now);
	}
	pthread_mutex_unlock(&h->lock);
	return sight;
}
