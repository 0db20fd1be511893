/* SPDX-License-Identifier: MIT */
/* state.c - how channels and credentials are; see state.h. */
#include "handlers/admin/state.h"

#include "fcgi/base/clock.h"

enum { HOUR_MS = 3600000, HALF = 500, MOST = 950, LEAST = 1 };

bool
state_look(struct page *p, struct states *h)
{
	h->now = clock_utc_ms();
	h->n_parks = park_load(p->db, h->now, &p->arena, &h->parks);
	h->n_scores = score_load(p->db, h->now - HOUR_MS, &p->arena,
	    &h->scores);
	return h->n_parks >= 0 && h->n_scores >= 0;
}

/* The worst that keeps all of it out, and how much of it is out otherwise. */
static const struct park *
worst(const struct states *h, int64_t channel, int64_t credential,
    int *models, int *keys)
{
	const struct park *found = NULL;

	*models = *keys = 0;
	for (int i = 0; i < h->n_parks; i++) {
		const struct park *p = &h->parks[i];

		if (p->channel != channel || !park_holds(p, h->now))
			continue;
		if (p->credential && p->credential != credential) {
			*keys += !credential && !p->model.n;
			continue;
		}
		if (p->model.n)
			++*models;
		else if (!found || p->kind == PARK_BARRED)
			found = p;
	}
	return found;
}

static void
put_calls(struct page *p, const struct states *h, json_t *row,
    int64_t channel, int64_t credential)
{
	struct score sum = { .at = h->now };
	int64_t p50, p95;

	for (int i = 0; i < h->n_scores; i++) {
		struct score one = h->scores[i].score;

		if ((channel && h->scores[i].channel != channel) ||
		    (credential && h->scores[i].credential != credential))
			continue;
		score_age(&one, h->now);
		score_sum(&sum, &one);
	}
	put_maybe(row, "ok_text", sum.good + sum.bad < SCORE_CALL / 2 ?
	    S("") : text_share(&p->arena, sum.good, sum.good + sum.bad));
	p50 = score_within(sum.times, HALF, LEAST);
	p95 = score_within(sum.times, MOST, LEAST);
	put_maybe(row, "p50_ms", p50 ? arena_int(&p->arena, p50) : S(""));
	put_maybe(row, "p95_ms", p95 ? arena_int(&p->arena, p95) : S(""));
}

static struct str
partly(struct page *p, int models, int keys)
{
	if (keys)
		return kit_say(p, "health.keys", arena_int(&p->arena, keys));
	if (models)
		return kit_say(p, "health.models", arena_int(&p->arena,
		    models));
	return kit_say(p, "state.on");
}

void
state_put(struct page *p, const struct states *h, json_t *row,
    int64_t channel, int64_t credential, bool on)
{
	int models, keys;
	const struct park *out = worst(h, channel, credential, &models,
	    &keys);
	const char *state = !on ? "off" : out ? park_state(out, h->now) :
	    "on";
	bool whole = on && !out && !models && !keys;

	put_str(row, "state", str_of(state));
	put_str(row, "state_text", on && !out ? partly(p, models, keys) :
	    kit_word(p, "state", str_of(state)));
	put_str(row, "tone", !on ? S("soft") : whole ? S("ok") :
	    out ? S("out") : S("part"));
	put_bool(row, "is_on", on);
	put_bool(row, "recovers", on && !whole);
	put_maybe(row, "reason", on && out ? out->reason : S(""));
	put_time(row, "until", on && out ? out->until : 0);
	put_maybe(row, "left_text", on && out && out->until > h->now ?
	    text_span(&p->arena, out->until - h->now) : S(""));
	put_calls(p, h, row, channel, credential);
}
