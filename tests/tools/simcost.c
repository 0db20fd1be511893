/* SPDX-License-Identifier: MIT */
/* simcost.c - what a decision costs, and the memory; see simcost.h. */
#include "tests/tools/simcost.h"

#include <stdio.h>
#include <time.h>

#include "db/money.h"
#include "fcgi/base/mem.h"
#include "handlers/relay/pick.h"

static const int64_t NOW = INT64_C(1800000000000);

enum {
	CANDIDATES = 50,
	LOOPS = 100000,
	PARTS = 10,			/* the best of them counts */
	MOST_NS = 5000,
	SITE_CHANNELS = 1000,
	SITE_MODELS = 20,
	MOST_BYTES = 8 << 20
};

static struct model model = { .id = 1, .name = STR_INIT("*"),
	.enabled = true, .priced = true };
static const struct model *patterns[] = { &model };
static struct channel_model serves[] = { { .name =
	STR_INIT("claude-sonnet-4-5"),
	.upstream = STR_INIT("claude-sonnet-4-5-20250929") } };
static struct credential keys[CANDIDATES];
static int64_t groups[] = { 1 };
static struct channel channels[CANDIDATES];
static struct catalogue catalogue = { .models = &model, .n_models = 1,
	.patterns = patterns, .n_patterns = 1, .channels = channels,
	.n_channels = CANDIDATES };

static void
make_catalogue(void)
{
	int64_t given[N_BUCKETS];

	for (int i = 0; i < N_BUCKETS; i++)
		given[i] = -1;
	given[BUCKET_INPUT] = 3 * NANO;
	given[BUCKET_OUTPUT] = 15 * NANO;
	price_fill(given, &model.price);
	for (int i = 0; i < CANDIDATES; i++) {
		keys[i] = (struct credential){ .id = i + 1, .enabled = true };
		channels[i] = (struct channel){ .id = i + 1,
			.dialect = S("openai"), .weight = 1,
			.cost_ppm = 500000 + i * 10000, .connect_ms = 3000,
			.first_ms = 60000, .enabled = true, .models = serves,
			.n_models = 1, .credentials = &keys[i],
			.n_credentials = 1, .groups = groups, .n_groups = 1 };
	}
}

static struct subject
subject(int i)
{
	return (struct subject){ channels[i].id, keys[i].id,
		serves[0].upstream, true };
}

/* Calls to the first of them: seen; then so many of these are out. */
static struct health *
seen(int known, int out)
{
	struct health *h = health_new(NULL, 1);

	for (int i = 0; i < known; i++) {
		struct subject s = subject(i);

		for (int n = 0; n < 30; n++) {
			health_begin(h, &s, true, NOW);
			health_first(h, &s, 300 + 10 * i, false, NOW);
			health_end(h, &s, SAYS_GOOD, false, NOW);
		}
	}
	for (int i = 0; i < out; i++) {
		struct subject s = subject(i);

		health_learn(h, &s, i % 2 ? UP_RATE_LIMIT : UP_OVERLOADED,
		    i % 2 ? 60000 : 0, NOW);
	}
	return h;
}

static int64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
decide(struct health *h, struct arena *a, uint64_t dice)
{
	struct wanted w = { .group = 1, .model = serves[0].name,
		.tokens = 1000, .now = NOW };
	struct pick how = { .health = h, .dice = dice, .now = NOW };
	struct fault f = { 0 };
	struct plan p;

	how.use.n[BUCKET_INPUT] = 1000;
	how.use.n[BUCKET_OUTPUT] = 4096;
	if (!plan_make(a, &catalogue, h, &w, &p, &f) || !pick_next(&p, &how))
		printf("nobody was found\n");
}

/* The best part of all loops, ns a decision. */
static int64_t
measure(struct health *h)
{
	int64_t best = INT64_MAX;

	for (int part = 0; part < PARTS; part++) {
		int64_t began = cpu_ns(), ns;
		struct arena a;

		arena_init(&a);
		for (int i = 0; i < LOOPS / PARTS; i++) {
			decide(h, &a, (uint64_t)(part * LOOPS + i));
			arena_release(&a);
		}
		ns = (cpu_ns() - began) / (LOOPS / PARTS);
		if (ns < best)
			best = ns;
	}
	return best;
}

static size_t
site_bytes(void)
{
	struct health *h = health_new(NULL, 1);
	size_t bytes;

	for (int c = 1; c <= SITE_CHANNELS; c++)
		for (int m = 0; m < SITE_MODELS; m++) {
			char name[64];
			int n = snprintf(name, sizeof(name),
			    "some-model-of-a-usual-length-%d", m);
			struct subject s = { c, c, str_from(name, (size_t)n),
				true };

			health_begin(h, &s, true, NOW);
			health_first(h, &s, 500, false, NOW);
			health_end(h, &s, SAYS_GOOD, false, NOW);
		}
	health_share(h, NOW + 1000);
	bytes = health_bytes(h);
	health_free(h);
	return bytes;
}

int
simcost(void)
{
	static const struct {
		const char *what;
		int known, out;
	} rows[] = {
		{ "all have been used", CANDIDATES, 0 },
		{ "10 of them are out", CANDIDATES, 10 },
		{ "half of them never used", CANDIDATES / 2, 0 },
		{ "none used yet", 0, 0 },
	};
	size_t bytes = site_bytes();
	bool good = bytes <= MOST_BYTES;

	make_catalogue();
	for (size_t i = 0; i < countof(rows); i++) {
		struct health *h = seen(rows[i].known, rows[i].out);
		int64_t ns = measure(h);

		printf("a decision among %d, %-24s %5.2f us\n", CANDIDATES,
		    rows[i].what, (double)ns / 1000);
		good &= ns <= MOST_NS;
		health_free(h);
	}
	printf("health of %d channels with %d models: %.2f MiB\n",
	    SITE_CHANNELS, SITE_MODELS, (double)bytes / (1 << 20));
	if (!good)
		printf("missed: 5 us a decision, 8 MiB\n");
	return !good;
}
