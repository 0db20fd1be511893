/* SPDX-License-Identifier: MIT */
/*
 * simworld.c - the upstreams of the simulator, and who calls; see simworld.h.
 *
 * Faults concern requests that begin while they last; answers that have begun
 * are finished (after first content no router can help).  A request that
 * meets silence stays silent.  The targets of simulate.c hold for this script:
 * with a slow-down of ten times and not five the p99.9 is 9.8 to 10.6 s, since
 * a choice by cost * first content * load gives the slow ones a part.
 */
#include "tests/tools/simworld.h"

#include "db/money.h"
#include "fcgi/base/mem.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

/* --- Who there is --------------------------------------------------------- */

static const struct {
	const char *name;
	int64_t cost_ppm;		/* of 1 and 4 USD a million tokens */
	int64_t first_ms;		/* the median */
	int64_t token_us;		/* of output */
} makers[WORLD_CHANNELS] = {
	{ "a", 400000, 900, 20000 },
	{ "b", 500000, 700, 15000 },
	{ "c", 700000, 600, 12000 },
	{ "d", 800000, 500, 12000 },
	{ "e", 1000000, 350, 10000 },
	{ "f", 1200000, 300, 8000 },
};

/*
 * The script.  Letters are channels (0: all); key 0: both of it.
 */
enum { ALL = 1000000 };

static const struct trouble {
	int64_t from, until;		/* minutes, of 120 */
	char channel;
	int key;
	enum { HANGS, REFUSES, DEAF, SAYS, SLOW } how;
	enum up_class class;
	int64_t hint_ms;
	int64_t ppm;			/* of the requests */
	int times;			/* slower */
} script[] = {
	/* Whoever hangs takes requests and says nothing. */
	{ 10, 15, 'a', 0, HANGS, UP_OK, 0, ALL, 0 },
	/* Bursts of 503, without a hint. */
	{ 20, 21, 'b', 0, SAYS, UP_OVERLOADED, 0, ALL, 0 },
	{ 22, 23, 'b', 0, SAYS, UP_OVERLOADED, 0, 900000, 0 },
	{ 24, 25, 'b', 0, SAYS, UP_OVERLOADED, 0, 500000, 0 },
	/* Five times slower than usual. */
	{ 30, 40, 'c', 0, SLOW, UP_OK, 0, ALL, 5 },
	/* One key is at its limit: 429 with Retry-After. */
	{ 45, 50, 'd', 1, SAYS, UP_RATE_LIMIT, 20 * SECOND, ALL, 0 },
	/* Dead: nobody listens, and later it is back. */
	{ 55, 70, 'e', 0, REFUSES, UP_OK, 0, ALL, 0 },
	/* The address is there and does not answer a connect. */
	{ 72, 74, 'f', 0, DEAF, UP_OK, 0, ALL, 0 },
	/* A key is revoked, and mended by its owner half an hour later. */
	{ 76, 106, 'a', 1, SAYS, UP_KEY_DEAD, 0, ALL, 0 },
	/* Three of ten requests fail, on both keys. */
	{ 85, 90, 'd', 0, SAYS, UP_SERVER, 0, 300000, 0 },
	/* Two at once, one of them the cheapest that is left. */
	{ 95, 100, 'b', 0, HANGS, UP_OK, 0, ALL, 0 },
	{ 95, 100, 'c', 0, SAYS, UP_OVERLOADED, 5 * SECOND, ALL, 0 },
	/* Half of the requests hang. */
	{ 110, 113, 'a', 2, HANGS, UP_OK, 0, 500000, 0 },
	/* What always is: one request of two thousand fails. */
	{ 0, 120, 0, 0, SAYS, UP_SERVER, 0, 500, 0 },
};

static struct model model = { .id = 1, .name = STR_INIT("*"),
	.max_output = 4096, .enabled = true, .priced = true };
static const struct model *patterns[] = { &model };
static struct channel_model serves[] = { { .name = STR_INIT("large"),
	.upstream = STR_INIT("large-1") } };
static struct credential keys[WORLD_CHANNELS][WORLD_KEYS];
static int64_t groups[] = { 1 };
static struct channel channels[WORLD_CHANNELS];
static struct catalogue catalogue = { .models = &model, .n_models = 1,
	.patterns = patterns, .n_patterns = 1, .channels = channels,
	.n_channels = WORLD_CHANNELS };

const struct catalogue *
world_catalogue(void)
{
	return &catalogue;
}

void
world_make(void)
{
	int64_t given[N_BUCKETS];

	for (int i = 0; i < N_BUCKETS; i++)
		given[i] = -1;
	given[BUCKET_INPUT] = NANO;
	given[BUCKET_OUTPUT] = 4 * NANO;
	price_fill(given, &model.price);
	for (int i = 0; i < WORLD_CHANNELS; i++) {
		for (int k = 0; k < WORLD_KEYS; k++)
			keys[i][k] = (struct credential){
				.id = (i + 1) * 10 + k + 1, .enabled = true };
		channels[i] = (struct channel){ .id = i + 1,
			.name = str_of(makers[i].name), .dialect = S("openai"),
			.weight = 1, .cost_ppm = makers[i].cost_ppm,
			.connect_ms = 3 * SECOND, .first_ms = MINUTE,
			.idle_ms = 2 * MINUTE, .whole_ms = 10 * MINUTE,
			.stream_ms = 60 * MINUTE, .enabled = true,
			.models = serves, .n_models = 1,
			.credentials = keys[i], .n_credentials = WORLD_KEYS,
			.groups = groups, .n_groups = 1 };
	}
}

struct str
world_model(void)
{
	return S("large");
}

/* --- Chance --------------------------------------------------------------- */

uint64_t
world_roll(uint64_t *dice)
{
	uint64_t x = *dice += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* A value of a distribution that is given by its quantiles. */
struct quantile {
	int thousandth;
	int64_t value;
};

static int64_t
draw(const struct quantile *q, uint64_t *dice)
{
	int64_t at = (int64_t)(world_roll(dice) % 1000000);

	while (at >= q[1].thousandth * 1000)
		q++;
	return q->value + (q[1].value - q->value) *
	    (at - q->thousandth * 1000) /
	    ((q[1].thousandth - q->thousandth) * 1000);
}

/* First contents in thousandths of the median: a long tail. */
static const struct quantile spread[] = { { 0, 350 }, { 100, 580 },
	{ 250, 750 }, { 500, 1000 }, { 750, 1350 }, { 900, 1800 },
	{ 950, 2200 }, { 990, 3200 }, { 999, 5000 }, { 1000, 6000 } };
static const struct quantile prompts[] = { { 0, 20 }, { 500, 600 },
	{ 900, 4000 }, { 990, 20000 }, { 1000, 60000 } };
static const struct quantile outputs[] = { { 0, 5 }, { 500, 150 },
	{ 900, 700 }, { 1000, 2000 } };

/* --- Who calls ------------------------------------------------------------ */

enum {
	PER_SECOND = 20,		/* calls: one ms has one with 20 of
					 * 1,000, which is Poisson's trace */
	IN_TALKS = 60,			/* percent of calls */
	TURNS = 8,			/* of a conversation, on average */
	STREAMED = 80			/* percent of calls */
};

bool
world_next(struct world_trace *t, struct world_call *c)
{
	uint64_t *dice = &t->dice;
	uint64_t *talk;

	if (world_roll(dice) % 1000 >= PER_SECOND)
		return false;
	talk = &t->talks[world_roll(dice) % WORLD_TALKS];
	*c = (struct world_call){ .dice = world_roll(dice),
		.stream = world_roll(dice) % 100 < STREAMED,
		.prompt = draw(prompts, dice), .output = draw(outputs, dice) };
	if (world_roll(dice) % 100 >= IN_TALKS)
		return true;
	if (world_roll(dice) % TURNS == 0 || *talk == 0)
		*talk = world_roll(dice) | 1;
	c->session = *talk;
	return true;
}

/* --- What a request meets ------------------------------------------------- */

static bool
concerns(const struct trouble *f, int64_t channel, int64_t credential,
    int64_t at, uint64_t *dice)
{
	return at >= f->from * MINUTE && at < f->until * MINUTE &&
	    (!f->channel || f->channel - 'a' + 1 == channel) &&
	    (!f->key || channel * 10 + f->key == credential) &&
	    world_roll(dice) % ALL < (uint64_t)f->ppm;
}

struct world_fate
world_meets(const struct world_call *c, int64_t channel, int64_t credential,
    int64_t at, int attempt)
{
	uint64_t dice = c->dice ^ (uint64_t)(attempt + 1) << 56;
	int64_t way = 20 + (int64_t)(world_roll(&dice) % 60);
	int64_t first = makers[channel - 1].first_ms * draw(spread, &dice) /
	    1000;
	struct world_fate f = { .how = MEETS_ANSWER };

	/* A long prompt is read at some 10,000 tokens a second. */
	first += c->prompt / 10;
	for (size_t i = 0; i < countof(script); i++) {
		const struct trouble *x = &script[i];

		if (!concerns(x, channel, credential, at, &dice))
			continue;
		switch (x->how) {
		case HANGS:
			return (struct world_fate){ .how = MEETS_SILENCE };
		case REFUSES:
			return (struct world_fate){ .how = MEETS_REFUSAL,
				.after_ms = 1 };
		case DEAF:
			return (struct world_fate){ .how = MEETS_REFUSAL };
		case SAYS:
			return (struct world_fate){ .how = MEETS_ERROR,
				.after_ms = way, .class = x->class,
				.hint_ms = x->hint_ms };
		case SLOW:
			first *= x->times;
			break;
		}
	}
	f.after_ms = way + first;
	f.rest_ms = c->output * makers[channel - 1].token_us / 1000;
	return f;
}
