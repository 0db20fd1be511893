/* SPDX-License-Identifier: MIT */
/*
 * units.c - pictures, sound, characters and searches as money; see units.h.
 *
 * Figures of tokens are those of today's models, with room: a picture of the
 * largest size and best quality is 6,240; speech is about 21 a second and 1.4
 * a character; sound that is listened to about 10 a second, and about 5 of
 * text come of it.
 */
#include "handlers/relay/units.h"

#include <assert.h>

enum {
	PICTURE_TOKENS = 6240,
	PICTURE_MOST = 25000,
	SPOKEN_CHAR = 2,		/* tokens a character, held */
	SPOKEN_CHAR_MOST = 16,		/* at the slowest speed */
	SPOKEN_MORE = 2000,
	HEARD_SECOND = 10,
	HEARD_SECOND_MOST = 50,
	WRITTEN_SECOND = 5,
	WRITTEN_SECOND_MOST = 25,
	WRITTEN_MORE = 1024
};

/* How an endpoint is charged: by its unit, or by these tokens. */
static const struct bill_by {
	const char *name;
	enum bucket unit;		/* REQUEST: none of its own */
	enum bucket tokens;		/* … instead of the unit */
	unsigned reach;			/* tokens, beside those of text */
} bill_by[N_ENDPOINTS] = {
	[ENDPOINT_CHAT] = { "chat", BUCKET_REQUEST, BUCKET_INPUT, 0 },
	[ENDPOINT_COMPLETIONS] = { "completions", BUCKET_REQUEST,
		BUCKET_INPUT, 0 },
	[ENDPOINT_MESSAGES] = { "messages", BUCKET_REQUEST, BUCKET_INPUT, 0 },
	[ENDPOINT_GENERATE] = { "generate", BUCKET_REQUEST, BUCKET_INPUT, 0 },
	[ENDPOINT_EMBED] = { "embeddings", BUCKET_REQUEST, BUCKET_INPUT, 0 },
	[ENDPOINT_EMBED_BATCH] = { "embeddings", BUCKET_REQUEST,
		BUCKET_INPUT, 0 },
	[ENDPOINT_RESPONSES] = { "responses", BUCKET_REQUEST, BUCKET_INPUT,
		0 },
	[ENDPOINT_COMPACT] = { "compact", BUCKET_REQUEST, BUCKET_INPUT, 0 },
	[ENDPOINT_STORED] = { "stored", BUCKET_REQUEST, BUCKET_INPUT, 0 },
	[ENDPOINT_COUNT_TOKENS] = { "count_tokens", BUCKET_REQUEST,
		BUCKET_INPUT, 0 },
	[ENDPOINT_EMBEDDINGS] = { "embeddings", BUCKET_REQUEST,
		BUCKET_INPUT, 0 },
	[ENDPOINT_MODERATIONS] = { "moderations", BUCKET_REQUEST,
		BUCKET_INPUT, 0 },
	[ENDPOINT_IMAGES] = { "generations", BUCKET_IMAGE, BUCKET_IMAGE_OUT,
		BUCKET_BIT(IMAGE_IN) | BUCKET_BIT(IMAGE_OUT) },
	[ENDPOINT_IMAGE_EDITS] = { "edits", BUCKET_IMAGE, BUCKET_IMAGE_OUT,
		BUCKET_BIT(IMAGE_IN) | BUCKET_BIT(IMAGE_OUT) },
	[ENDPOINT_IMAGE_VARIATIONS] = { "variations", BUCKET_IMAGE,
		BUCKET_IMAGE_OUT,
		BUCKET_BIT(IMAGE_IN) | BUCKET_BIT(IMAGE_OUT) },
	[ENDPOINT_SPEECH] = { "speech", BUCKET_CHARACTER, BUCKET_AUDIO_OUT,
		BUCKET_BIT(AUDIO_OUT) },
	[ENDPOINT_TRANSCRIPTIONS] = { "transcriptions", BUCKET_SECOND,
		BUCKET_AUDIO_IN, BUCKET_BIT(AUDIO_IN) },
	[ENDPOINT_TRANSLATIONS] = { "translations", BUCKET_SECOND,
		BUCKET_AUDIO_IN, BUCKET_BIT(AUDIO_IN) },
	[ENDPOINT_RERANK] = { "rerank", BUCKET_SEARCH, BUCKET_INPUT, 0 },
	[ENDPOINT_RERANK_V2] = { "rerank", BUCKET_SEARCH, BUCKET_INPUT, 0 },
};

const char *
endpoint_name(enum endpoint e)
{
	return bill_by[e].name;
}

static const struct bill_by *
by(const struct call *c)
{
	return &bill_by[c->asked.endpoint];
}

static bool
listens(const struct call *c)
{
	return c->asked.endpoint == ENDPOINT_TRANSCRIPTIONS ||
	    c->asked.endpoint == ENDPOINT_TRANSLATIONS;
}

/* --- Before the call ---------------------------------------------------- */

static bool
lacks(struct call *c, const char *members)
{
	c->fault.param = S("model");
	return fail(c, FAULT_MODEL_UNKNOWN, "The model '%.*s' has no price for "
	    "%s here: it cannot be used for %s.", STR_ARGS(c->asked.model),
	    members, by(c)->name);
}

static bool
no_sound(struct call *c, const char *param, const char *member)
{
	c->fault.param = str_of(param);
	return fail(c, FAULT_UNSUPPORTED_VALUE, "Sound in '%s' is not "
	    "available for the model '%.*s': it has no price for %s here.",
	    param, STR_ARGS(c->asked.model), member);
}

/* A price by the unit is enough; by tokens, text must have one beside. */
bool
units_priced(struct call *c, const struct model *m, const struct price *p)
{
	const struct bill_by *b = by(c);
	bool writes = c->asked.endpoint < ENDPOINT_EMBEDDINGS;

	if (costs_nothing(c, m))
		return true;
	if (c->asked.sound_in && !(p->priced & BUCKET_BIT(AUDIO_IN)))
		return no_sound(c, "messages", "audio_in");
	if (c->asked.sound_out && !(p->priced & BUCKET_BIT(AUDIO_OUT)))
		return no_sound(c, "modalities", "audio_out");
	if (writes && !(p->priced & BUCKET_BIT(OUTPUT)))
		return lacks(c, "output");
	if (p->given & 1u << b->unit)
		return true;
	if (!(p->given & 1u << b->tokens))
		return lacks(c, b->unit == BUCKET_REQUEST ? "input" :
		    arena_printf(c->arena, "%s (or %s)",
		    bucket_names[b->unit], bucket_names[b->tokens]).p);
	if (!(p->given & BUCKET_BIT(INPUT)))
		return lacks(c, "input");
	return !listens(c) || p->priced & BUCKET_BIT(OUTPUT) ||
	    lacks(c, "output");
}

static int64_t
at_most(int64_t n, int64_t most)
{
	return most && n > most ? most : n;
}

static void
plan_listening(struct call *c)
{
	struct asked *k = &c->asked;

	c->units = k->seconds;
	c->units_bound = k->seconds_most;
	c->heard_tokens = k->seconds * HEARD_SECOND;
	k->prompt_tokens += c->heard_tokens;
	k->prompt_bound += k->seconds_most * HEARD_SECOND_MOST;
}

void
units_plan(struct call *c)
{
	c->unit = by(c)->unit;
	switch (c->unit) {
	case BUCKET_IMAGE:
		c->units = c->units_bound = c->asked.pictures;
		break;
	case BUCKET_CHARACTER:
		c->units = c->units_bound = c->asked.characters;
		break;
	case BUCKET_SECOND:
		plan_listening(c);
		break;
	case BUCKET_SEARCH:
		c->units = c->asked.searches;
		c->units_bound = c->asked.searches_most;
		break;
	default:
		break;
	}
}

void
units_output(const struct call *c, const struct model *m, int64_t *planned,
    int64_t *bound)
{
	int64_t max = m->max_output, n = c->units;

	*planned = *bound = 0;
	switch (c->unit) {
	case BUCKET_IMAGE:
		*planned = at_most(PICTURE_TOKENS, max) * n;
		*bound = (max ? max : PICTURE_MOST) * n;
		break;
	case BUCKET_CHARACTER:
		*planned = at_most(n * SPOKEN_CHAR, max);
		*bound = at_most(n * SPOKEN_CHAR_MOST + SPOKEN_MORE, max);
		break;
	case BUCKET_SECOND:
		*planned = at_most(n * WRITTEN_SECOND, max);
		*bound = at_most(c->units_bound * WRITTEN_SECOND_MOST +
		    WRITTEN_MORE, max);
		break;
	default:
		break;
	}
}

unsigned
units_reach(const struct call *c)
{
	unsigned text = BUCKET_BIT(INPUT) | BUCKET_BIT(CACHE_READ) |
	    BUCKET_BIT(CACHE_WRITE) | BUCKET_BIT(CACHE_WRITE_1H) |
	    BUCKET_BIT(OUTPUT) | BUCKET_BIT(REASONING);

	return text | by(c)->reach |
	    (c->asked.images ? BUCKET_BIT(IMAGE_IN) : 0) |
	    (c->asked.sound_in ? BUCKET_BIT(AUDIO_IN) : 0) |
	    (c->asked.sound_out ? BUCKET_BIT(AUDIO_OUT) : 0);
}

/* --- After it ----------------------------------------------------------- */

/* Moves up to n of what is counted in one bucket to another. */
static void
move(struct buckets *b, enum bucket from, enum bucket to, int64_t n)
{
	if (n > b->n[from])
		n = b->n[from];
	if (n <= 0)
		return;
	b->n[from] -= n;
	b->n[to] += n;
}

void
units_part(const struct call *c, const struct tokens *t, struct buckets *b)
{
	unsigned apart = by(c)->reach | c->quote->terms.price->given;

	if (apart & BUCKET_BIT(AUDIO_IN))
		move(b, BUCKET_INPUT, BUCKET_AUDIO_IN, t->in_audio);
	if (apart & BUCKET_BIT(IMAGE_IN))
		move(b, BUCKET_INPUT, BUCKET_IMAGE_IN, t->in_image);
	if (apart & BUCKET_BIT(AUDIO_OUT))
		move(b, BUCKET_OUTPUT, BUCKET_AUDIO_OUT, t->out_audio);
	if (apart & BUCKET_BIT(IMAGE_OUT))
		move(b, BUCKET_OUTPUT, BUCKET_IMAGE_OUT, t->out_image);
}

/* Counts of ours that cost nothing are not written down as if told. */
static void
guess(const struct call *c, struct buckets *b, enum bucket which, int64_t n,
    bool *estimated)
{
	if (c->quote->terms.price->rate[which] == 0 || n <= 0)
		return;
	b->n[which] += n;
	*estimated = true;
}

static int64_t
clamp(int64_t n, int64_t most)
{
	return n < 0 ? 0 : n > most ? most : n;
}

/* Tokens read, as told or as we count them. */
static void
use_input(const struct call *c, const struct tokens *told, struct buckets *b,
    bool *estimated)
{
	int64_t n;

	if (told && told->in_total >= 0) {
		n = clamp(told->in_total, c->quote->input_bound);
		b->n[BUCKET_INPUT] = n;
		move(b, BUCKET_INPUT, BUCKET_CACHE_READ, told->cache_read);
		return;
	}
	guess(c, b, BUCKET_INPUT, c->asked.prompt_tokens - c->heard_tokens,
	    estimated);
	guess(c, b, BUCKET_AUDIO_IN, c->heard_tokens, estimated);
}

/* Tokens made. */
static void
use_output(const struct call *c, const struct tokens *told, bool whole,
    struct buckets *b, bool *estimated)
{
	const struct attempt *a = c->attempt;
	int64_t forwarded = (a->observer.out_milli + 999) / 1000;
	enum bucket which = BUCKET_OUTPUT;

	if (told && told->out_total >= 0) {
		b->n[BUCKET_OUTPUT] = clamp(told->out_total,
		    c->quote->output_bound);
		return;
	}
	if (by(c)->reach & BUCKETS_OUT)
		which = by(c)->tokens;
	if (which == BUCKET_IMAGE_OUT && whole)
		forwarded = c->quote->output_planned;
	guess(c, b, which, clamp(forwarded, c->quote->output_bound), estimated);
}

/*
 * The unit.  Pictures are charged as they came, at least one of a call that
 * began; characters, seconds and searches are what was sent.
 */
static void
use_unit(const struct call *c, const struct tokens *told, bool whole,
    struct buckets *b, bool *estimated)
{
	int64_t n = c->units, came = -1;

	switch (c->unit) {
	case BUCKET_IMAGE:
		came = told ? told->pictures : -1;
		if (came >= 0 || !whole)
			n = came > 1 ? came : 1;
		break;
	case BUCKET_SECOND:
		came = told ? told->seconds : -1;
		break;
	case BUCKET_SEARCH:
		came = told ? told->searches : -1;
		break;
	default:
		return;
	}
	if (came >= 0 && c->unit != BUCKET_IMAGE)
		n = came;
	if (came < 0 && c->unit != BUCKET_IMAGE &&
	    c->quote->terms.price->rate[c->unit])
		*estimated = true;
	b->n[c->unit] = clamp(n, c->units_bound);
}

void
units_used(const struct call *c, struct buckets *b, bool *estimated)
{
	const struct attempt *a = c->attempt;
	const struct tokens *told = c->content ? &a->observer.tokens : NULL;
	bool whole = a->complete;

	*b = (struct buckets){ .n = { [BUCKET_REQUEST] = 1 } };
	*estimated = !whole;
	use_input(c, told, b, estimated);
	use_output(c, told, whole, b, estimated);
	if (told)
		units_part(c, told, b);
	if (c->unit == BUCKET_CHARACTER)
		b->n[BUCKET_CHARACTER] = c->units;
	else
		use_unit(c, told, whole, b, estimated);
}

void
units_sent(const struct call *c, struct buckets *b)
{
	b->n[BUCKET_INPUT] += c->asked.prompt_tokens - c->heard_tokens;
	b->n[BUCKET_AUDIO_IN] += c->heard_tokens;
	if (c->unit != BUCKET_IMAGE && c->unit != BUCKET_REQUEST)
		b->n[c->unit] += c->units;
}
