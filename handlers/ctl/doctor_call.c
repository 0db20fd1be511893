/* SPDX-License-Identifier: MIT */
/*
 * doctor_call.c - streams, as a caller sees them, and one real call.
 *
 * What a web server does to a stream is seen on GET /v1/doctor, which costs
 * nothing; the real call then shows that the house behind it works, and what
 * that cost.
 */
#include "fcgi/base/json.h"
#include "handlers/ctl/doctor.h"

enum {
	EVENTS = 3,		/* of GET /v1/doctor, */
	SPREAD_MS = 600,	/* from the first to the last */
	SPARE_MS = 20000,	/* for an answer, beside its silence */
	CALL_MS = 120000
};

/* --- streams -------------------------------------------------------------- */

static void
hear_stream(struct doctor *d, int64_t silence_s, struct heard *h)
{
	struct arena *a = &d->c->arena;
	struct ask ask = { .key = d->key, .key_head = d->key_head,
		.patience_ms = silence_s * 1000 + SPARE_MS };

	ask.url = silence_s ? arena_printf(a, "%.*s/v1/doctor?silence=%lld",
	    STR_ARGS(d->url), (long long)silence_s) : arena_printf(a,
	    "%.*s/v1/doctor", STR_ARGS(d->url));
	hear(d->client, &ask, h);
}

static struct str
seconds(struct doctor *d, int64_t ms)
{
	return arena_printf(&d->c->arena, "%lld.%lld s", (long long)ms / 1000,
	    (long long)ms % 1000 / 100);
}

/* False: there is no stream to look at, and it was said why. */
static bool
is_stream(struct doctor *d, const char *name, const struct heard *h)
{
	if (h->status == 200 && h->n_events)
		return true;
	if (h->by_weir && h->status == 404)
		say(d, STATE_SKIPPED, name, "this weir is too old to be asked "
		    "for a stream");
	else if (h->by_weir && h->status != 200)
		say(d, STATE_SKIPPED, name, "weir answers %d: %.*s",
		    h->status, STR_ARGS(h->error));
	else
		return true;
	return false;
}

void
check_stream(struct doctor *d)
{
	struct heard h;
	int64_t spread;

	hear_stream(d, 0, &h);
	if (!is_stream(d, "streaming", &h))
		return;
	spread = h.n_events ? h.at_ms[h.n_events - 1] - h.at_ms[0] : 0;
	if (h.n_events < EVENTS) {
		cure(d, CURE_STREAM);
		say(d, STATE_BAD, "streaming", "%d of %d events came, then "
		    "the answer was cut (%d): %.*s", h.n_events, EVENTS,
		    h.status, STR_ARGS(h.why));
	} else if (spread < SPREAD_MS / 2) {
		cure(d, CURE_STREAM);
		say(d, STATE_BAD, "streaming", "all events came at once, after "
		    "%.*s: the web server holds them back",
		    STR_ARGS(seconds(d, h.at_ms[0])));
	} else {
		say(d, STATE_GOOD, "streaming", "the first of %d events came "
		    "%.*s before the last", EVENTS,
		    STR_ARGS(seconds(d, spread)));
	}
}

void
check_silence(struct doctor *d)
{
	struct heard h;

	hear_stream(d, d->silence_s, &h);
	if (!is_stream(d, "silence", &h))
		return;
	if (h.n_events == 2) {
		say(d, STATE_GOOD, "silence", "a stream survives %lld s "
		    "without a byte", (long long)d->silence_s);
		return;
	}
	cure(d, CURE_SILENCE);
	say(d, STATE_BAD, "silence", "a stream that is silent for %lld s is "
	    "cut after %.*s", (long long)d->silence_s,
	    STR_ARGS(seconds(d, h.ended_ms - h.asked_ms)));
}

/* --- which model ---------------------------------------------------------- */

/* "0.00000015" USD a token in 1e-15 USD; what is smaller is left out. */
static int64_t
rate(struct str s)
{
	int64_t n = 0;
	int places = -1;

	for (size_t i = 0; i < s.n && places < 15 && n < 1LL << 58; i++) {
		if (s.p[i] == '.') {
			places = 0;
			continue;
		}
		n = n * 10 + (s.p[i] - '0');
		places += places >= 0;
	}
	for (places = places < 0 ? 0 : places; places < 15 && n < 1LL << 58;
	    places++)
		n *= 10;
	return n;
}

/* Whose name says that it does not chat. */
static bool
is_no_chat(struct str name)
{
	static const char words[] = "embed instruct codex guard moderation "
	    "whisper tts image audio realtime rerank transcribe dall search "
	    "video";
	struct str rest = str_of(words);

	while (rest.n)
		if (str_has_nocase(name, str_cut(&rest, ' ')))
			return true;
	return false;
}

/* Pictures, seconds, characters …: not what a word costs. */
static bool
has_units(struct str model)
{
	struct json_each m = json_each(json_get(json_get(model, S("weir")),
	    S("pricing")));

	while (json_next(&m))
		if (!str_eq(m.name, S("request")))
			return true;
	return false;
}

/* The cheapest model that chats; empty: the key has none. */
static struct str
cheapest(struct doctor *d)
{
	struct arena *a = &d->c->arena;
	struct ask ask = { .key = d->key, .key_head = d->key_head,
		.url = arena_printf(a, "%.*s/v1/models", STR_ARGS(d->url)) };
	struct str best = S("");
	int64_t least = INT64_MAX;
	struct json_each m;
	struct heard h;

	hear(d->client, &ask, &h);
	m = json_each(json_get(h.body, S("data")));
	while (h.status == 200 && json_next(&m)) {
		struct str name = json_text(a, json_get(m.value, S("id")));
		struct str p = json_get(m.value, S("pricing"));
		int64_t in = rate(json_text(a, json_get(p, S("prompt"))));
		int64_t out = rate(json_text(a, json_get(p,
		    S("completion"))));

		/* What makes no tokens has a price for its prompt alone. */
		if (is_no_chat(name) || has_units(m.value) ||
		    (in && !out) || in + out >= least)
			continue;
		least = in + out;
		best = name;
	}
	return best;
}

/* --- the call ------------------------------------------------------------- */

/* What weir has written down of it. */
static void
say_called(struct doctor *d, struct str model, const struct heard *call)
{
	struct arena *a = &d->c->arena;
	struct ask ask = { .key = d->key, .key_head = d->key_head,
		.url = arena_printf(a, "%.*s/v1/calls/%.*s", STR_ARGS(d->url),
		STR_ARGS(call->request_id)) };
	struct heard h;
	struct str cost;

	hear(d->client, &ask, &h);
	cost = json_text(a, json_get(h.body, S("cost")));
	if (h.status != 200 || !cost.n) {
		say(d, STATE_BAD, "call", "%.*s answered, but its record "
		    "cannot be read: %.*s", STR_ARGS(model),
		    STR_ARGS(h.error));
		return;
	}
	say(d, STATE_GOOD, "call", "%.*s answered, the first event after %.*s, "
	    "the last after %.*s; it cost %.*s USD, %.*s ms of it were weir's",
	    STR_ARGS(model), STR_ARGS(seconds(d, call->at_ms[0])),
	    STR_ARGS(seconds(d, call->at_ms[call->n_events - 1])),
	    STR_ARGS(cost), STR_ARGS(json_get(h.body, S("weir_ms"))));
}

static void
say_refused(struct doctor *d, struct str model, const struct heard *h)
{
	if (h->status == 429 && str_has(h->body, S("insufficient_quota")))
		fix(d, "weirctl grant ACCOUNT 5.00 --reason …");
	else if (h->status >= 500)
		fix(d, "weirctl route %.*s   (who would serve it, and why not "
		    "the others)", STR_ARGS(model));
	say(d, STATE_BAD, "call", "%.*s: %d %.*s", STR_ARGS(model),
	    h->status, STR_ARGS(h->error.n ? h->error : h->why));
}

void
check_call(struct doctor *d, const char *word)
{
	struct arena *a = &d->c->arena;
	struct str model = word ? str_of(word) : cheapest(d);
	struct buf body = BUF(a, 4096);
	struct ask ask = { .key = d->key, .key_head = d->key_head,
		.patience_ms = CALL_MS, .url = arena_printf(a,
		"%.*s/v1/chat/completions", STR_ARGS(d->url)) };
	struct heard h;

	if (!model.n) {
		say(d, STATE_SKIPPED, "call", "the key has no model that "
		    "chats; --model M names one");
		return;
	}
	buf_put(&body, S("{\"model\":"));
	buf_json(&body, model);
	buf_put(&body, S(",\"stream\":true,\"messages\":[{\"role\":\"user\","
	    "\"content\":\"Answer with the one word: ok\"}]}"));
	ask.json = buf_str(&body);
	hear(d->client, &ask, &h);
	if (h.status == 200 && h.n_events &&
	    str_has(h.body, S("data: [DONE]")))
		say_called(d, model, &h);
	else
		say_refused(d, model, &h);
}
