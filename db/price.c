/* SPDX-License-Identifier: MIT */
/* price.c - what a call costs; see price.h. */
#include "db/price.h"

#include <assert.h>

#include "db/money.h"
#include "fcgi/base/json.h"
#include "fcgi/base/mem.h"

const char *const bucket_names[N_BUCKETS] = {
	[BUCKET_INPUT] = "input",
	[BUCKET_CACHE_READ] = "cache_read",
	[BUCKET_CACHE_WRITE] = "cache_write",
	[BUCKET_CACHE_WRITE_1H] = "cache_write_1h",
	[BUCKET_OUTPUT] = "output",
	[BUCKET_REASONING] = "reasoning",
	[BUCKET_REQUEST] = "request",
	[BUCKET_AUDIO_IN] = "audio_in",
	[BUCKET_AUDIO_OUT] = "audio_out",
	[BUCKET_IMAGE_IN] = "image_in",
	[BUCKET_IMAGE_OUT] = "image_out",
	[BUCKET_CHARACTER] = "character",
	[BUCKET_IMAGE] = "image",
	[BUCKET_SECOND] = "second",
	[BUCKET_SEARCH] = "search",
};

static int64_t
sum_of(const struct buckets *use, unsigned which)
{
	int64_t sum = 0;

	for (int b = 0; b < N_BUCKETS; b++)
		if (which & 1u << b)
			sum += use->n[b];
	return sum;
}

int64_t
buckets_in(const struct buckets *use)
{
	return sum_of(use, BUCKETS_IN);
}

int64_t
buckets_out(const struct buckets *use)
{
	return sum_of(use, BUCKETS_OUT);
}

/* The last part whose quotient by PPM is within MONEY_MAX: no division. */
static const __int128 part_max = (__int128)MONEY_MAX * PPM + PPM - 1;

/* The rates for a request of so much input. */
static const int64_t *
rates_of(const struct price *p, const struct buckets *use)
{
	const int64_t *rate = p->rate;
	int64_t input;

	if (p->n_tiers == 0)
		return rate;
	input = buckets_in(use);
	for (int i = 0; i < p->n_tiers && input > p->tiers[i].above; i++)
		rate = p->tiers[i].rate;
	return rate;
}

/*
 * The sum is kept in units of 1e-6 nano-dollars: a token's rate is per
 * million.  The limits on its terms keep it below 2^86.
 */
static bool
sum_up(const struct price *p, const struct buckets *use, __int128 *sum)
{
	const int64_t *rate = rates_of(p, use);

	*sum = 0;
	for (int b = 0; b < N_BUCKETS; b++) {
		__int128 part = (__int128)rate[b] * use->n[b];

		assert(rate[b] >= 0 && use->n[b] >= 0);
		if (part == 0)
			continue;
		if (part > part_max)
			return false;
		if (BUCKETS_ONES & 1u << b)
			part *= PPM;
		if (part > part_max)
			return false;
		*sum += part;
	}
	return true;
}

bool
price_charge(const struct price *p, const struct buckets *use,
    int64_t share_ppm, int64_t *nano)
{
	__int128 sum;

	assert(share_ppm >= 0);
	if (!sum_up(p, use, &sum))
		return false;
	if (share_ppm > 0 &&
	    sum / PPM > ((__int128)MONEY_MAX * PPM) / share_ppm)
		return false;
	sum *= share_ppm;
	sum = (sum + (__int128)PPM * PPM - 1) / ((__int128)PPM * PPM);
	if (sum > MONEY_MAX)
		return false;
	*nano = (int64_t)sum;
	return true;
}

/* n (64 bits a place, the lowest first) / by, rounded up. */
static void
divide_up(uint64_t n[static 3], uint64_t by)
{
	unsigned __int128 rest = 0;

	for (int i = 2; i >= 0; i--) {
		rest = rest << 64 | n[i];
		n[i] = (uint64_t)(rest / by);
		rest %= by;
	}
	for (int i = 0; rest && i < 3; i++)
		rest = ++n[i] == 0;
}

/*
 * Two shares make a product of up to 149 bits; it is divided by 10^18 in two
 * steps, each rounded up, which is the same as once.
 */
bool
price_charge_times(const struct price *p, const struct buckets *use,
    int64_t share_ppm, int64_t times_ppm, int64_t *nano)
{
	unsigned __int128 low, high;
	uint64_t n[3];
	int64_t share;
	__int128 sum;

	assert(share_ppm >= 0 && times_ppm >= 0);
	if (times_ppm == PPM)
		return price_charge(p, use, share_ppm, nano);
	if (!sum_up(p, use, &sum) ||
	    __builtin_mul_overflow(share_ppm, times_ppm, &share))
		return false;
	low = (unsigned __int128)(uint64_t)sum * (uint64_t)share;
	high = (unsigned __int128)(uint64_t)(sum >> 64) * (uint64_t)share +
	    (low >> 64);
	n[0] = (uint64_t)low;
	n[1] = (uint64_t)high;
	n[2] = (uint64_t)(high >> 64);
	divide_up(n, (uint64_t)(PPM * NANO / 1000));
	divide_up(n, (uint64_t)PPM);
	if (n[2] || n[1] || n[0] > (uint64_t)MONEY_MAX)
		return false;
	*nano = (int64_t)n[0];
	return true;
}

int64_t
price_at_least(int64_t charge, int64_t minimum, int64_t cost, int64_t bound)
{
	if (charge < minimum)
		charge = minimum;
	if (charge < cost)
		charge = cost;
	return charge < bound ? charge : bound;
}

bool
price_multiplier(const struct price *p, struct str name, int64_t *ppm)
{
	for (int i = 0; i < p->n_multipliers; i++)
		if (str_eq(p->multipliers[i].name, name)) {
			*ppm = p->multipliers[i].ppm;
			return true;
		}
	return false;
}

int64_t
price_multiplier_most(const struct price *p)
{
	int64_t most = PPM;

	for (int i = 0; i < p->n_multipliers; i++)
		if (p->multipliers[i].ppm > most)
			most = p->multipliers[i].ppm;
	return most;
}

static int64_t
dearest(const int64_t rate[static N_BUCKETS], unsigned which, int64_t most)
{
	for (int b = 0; b < N_BUCKETS; b++)
		if (which & 1u << b && rate[b] > most)
			most = rate[b];
	return most;
}

int64_t
price_dearest(const struct price *p, unsigned which, int64_t input_most)
{
	int64_t most = dearest(p->rate, which, 0);

	for (int i = 0; i < p->n_tiers && input_most > p->tiers[i].above; i++)
		most = dearest(p->tiers[i].rate, which, most);
	return most;
}

/* --- words ---------------------------------------------------------------- */

bool
price_fill(const int64_t given[static N_BUCKETS], struct price *p)
{
	int64_t r[N_BUCKETS];
	bool tokens = given[BUCKET_INPUT] >= 0 || given[BUCKET_OUTPUT] >= 0;

	for (int b = 0; b < N_BUCKETS; b++)
		r[b] = given[b];
	if (!tokens && r[BUCKET_REQUEST] < 0 && r[BUCKET_IMAGE] < 0 &&
	    r[BUCKET_SECOND] < 0 && r[BUCKET_CHARACTER] < 0 &&
	    r[BUCKET_SEARCH] < 0)
		return false;
	if (tokens && r[BUCKET_INPUT] < 0)
		return false;
	if (!tokens)
		r[BUCKET_INPUT] = r[BUCKET_OUTPUT] = 0;
	if (r[BUCKET_CACHE_READ] < 0)
		r[BUCKET_CACHE_READ] = r[BUCKET_INPUT];
	if (r[BUCKET_CACHE_WRITE] < 0)
		r[BUCKET_CACHE_WRITE] = r[BUCKET_INPUT];
	if (r[BUCKET_IMAGE_IN] < 0)
		r[BUCKET_IMAGE_IN] = r[BUCKET_INPUT];
	if (r[BUCKET_CACHE_WRITE_1H] < 0)
		r[BUCKET_CACHE_WRITE_1H] = r[BUCKET_CACHE_WRITE];
	if (r[BUCKET_REASONING] < 0)
		r[BUCKET_REASONING] = r[BUCKET_OUTPUT];
	if (r[BUCKET_REQUEST] < 0)
		r[BUCKET_REQUEST] = 0;
	p->priced = p->given = 0;
	p->n_tiers = p->n_multipliers = 0;
	p->tiers = NULL;
	p->multipliers = NULL;
	for (int b = 0; b < N_BUCKETS; b++) {
		if (given[b] >= 0)
			p->given |= 1u << b;
		if (r[b] >= 0)
			p->priced |= 1u << b;
		p->rate[b] = r[b] >= 0 ? r[b] : 0;
	}
	return true;
}

void
price_words_blank(struct price_words *w)
{
	for (int b = 0; b < N_BUCKETS; b++)
		w->given[b] = -1;
	w->tiers = w->multipliers = S("");
}

bool
price_given(const int64_t given[static N_BUCKETS])
{
	for (int b = 0; b < N_BUCKETS; b++)
		if (given[b] >= 0)
			return true;
	return false;
}

bool
price_words_eq(const struct price_words *a, const struct price_words *b)
{
	for (int i = 0; i < N_BUCKETS; i++)
		if (a->given[i] != b->given[i])
			return false;
	return str_eq(a->tiers, b->tiers) &&
	    str_eq(a->multipliers, b->multipliers);
}

/* Takes the closing bracket back, or opens: so lists grow by their end. */
static void
grow(struct buf *text, char open)
{
	if (text->n == 0) {
		buf_char(text, open);
		return;
	}
	text->n--;
	buf_char(text, ',');
}

void
price_put_tier(struct buf *text, int64_t above,
    const int64_t given[static N_BUCKETS])
{
	struct arena a;

	arena_init(&a);
	grow(text, '[');
	buf_put(text, S("{\"above\":"));
	buf_int(text, above);
	for (int b = 0; b < N_BUCKETS; b++) {
		if (given[b] < 0)
			continue;
		buf_printf(text, ",\"%s\":", bucket_names[b]);
		buf_json(text, money_text(&a, given[b]));
	}
	buf_put(text, S("}]"));
	arena_release(&a);
}

void
price_put_multiplier(struct buf *text, struct str name, int64_t ppm)
{
	struct arena a;

	arena_init(&a);
	grow(text, '{');
	buf_json(text, name);
	buf_char(text, ':');
	buf_json(text, share_text(&a, ppm));
	buf_char(text, '}');
	arena_release(&a);
}

/* Between the quotes of a string without escapes. */
static struct str
bare(struct str value)
{
	return value.n >= 2 ? str_from(value.p + 1, value.n - 2) : S("");
}

bool
price_read_tier(struct str object, int64_t *above,
    int64_t given[static N_BUCKETS])
{
	struct json_each m = json_each(object);

	*above = -1;
	for (int b = 0; b < N_BUCKETS; b++)
		given[b] = -1;
	while (json_next(&m)) {
		int b = 0;

		if (str_eq(m.name, S("above"))) {
			if (!json_int(m.value, above))
				return false;
			continue;
		}
		while (b < N_BUCKETS && !str_eq(m.name,
		    str_of(bucket_names[b])))
			b++;
		if (b == N_BUCKETS || !money_read(bare(m.value), &given[b]) ||
		    given[b] < 0)
			return false;
	}
	return *above >= 0;
}

/* A tier's rates: what it gives, over what the price gives.  Pictures that it
 * has a rate for must be told apart from other input. */
static bool
fill_tier(const struct price_words *w, struct str object,
    struct price_tier *t, unsigned *named)
{
	int64_t given[N_BUCKETS];
	struct price merged;

	if (!price_read_tier(object, &t->above, given))
		return false;
	for (int b = 0; b < N_BUCKETS; b++)
		if (given[b] < 0)
			given[b] = w->given[b];
	if (!price_fill(given, &merged))
		return false;
	memcpy(t->rate, merged.rate, sizeof(t->rate));
	*named |= merged.given & BUCKET_BIT(IMAGE_IN);
	return true;
}

static bool
read_tiers(struct arena *a, const struct price_words *w, struct price *p)
{
	struct json_each each = json_each(w->tiers);
	struct price_tier *list;

	if (w->tiers.n == 0)
		return true;
	p->tiers = list = arena_zero(a, PRICE_TIERS * sizeof(*list));
	while (json_next(&each)) {
		int i = p->n_tiers;

		if (i == PRICE_TIERS || !fill_tier(w, each.value, &list[i],
		    &p->given) ||
		    (i > 0 && list[i].above <= list[i - 1].above))
			return false;
		p->n_tiers++;
	}
	return p->n_tiers > 0;
}

static bool
read_multipliers(struct arena *a, const struct price_words *w,
    struct price *p)
{
	struct json_each each = json_each(w->multipliers);
	struct multiplier *list;

	if (w->multipliers.n == 0)
		return true;
	p->multipliers = list = arena_zero(a,
	    PRICE_MULTIPLIERS * sizeof(*list));
	while (json_next(&each)) {
		struct multiplier *m = &list[p->n_multipliers];

		if (p->n_multipliers == PRICE_MULTIPLIERS ||
		    !share_read(bare(each.value), &m->ppm))
			return false;
		m->name = arena_str(a, each.name);
		p->n_multipliers++;
	}
	return p->n_multipliers > 0;
}

bool
price_read(struct arena *a, const struct price_words *w, struct price *p)
{
	return price_fill(w->given, p) && read_tiers(a, w, p) &&
	    read_multipliers(a, w, p);
}
