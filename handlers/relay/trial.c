/* SPDX-License-Identifier: MIT */
/* trial.c - a tiny call that shows whether an upstream works; see trial.h. */
#include "handlers/relay/trial.h"

#include "db/money.h"
#include "fcgi/base/limits.h"
#include "handlers/relay/outward.h"

enum {
	GUESS_TOKENS = 16,	/* of the prompt, to find the cheapest */
	COUNT_MOST = 1000000000	/* more is no count */
};

/* --- Which model ---------------------------------------------------------- */

/* The price the operator pays, and what share of it; NULL: none is known. */
static const struct price *
cost_price(const struct channel *ch, const struct model *m,
    const struct channel_model *serves, int64_t *share)
{
	*share = serves && serves->cost_known ? PPM : ch->cost_ppm;
	if (serves && serves->cost_known)
		return &serves->cost;
	return m && (m->priced || m->free) ? &m->price : NULL;
}

/* What a model is tried with; false: it makes no text, it is too dear. */
static bool
endpoint_of(const struct trial *t, const struct model *m, enum endpoint *e)
{
	unsigned given = m && m->priced ? m->price.given : 0;

	*e = t->dialect->converse;
	if (!given || m->free || given & BUCKET_BIT(OUTPUT))
		return true;
	if (given & BUCKET_BIT(INPUT))
		*e = t->dialect->embeds;
	return *e != N_ENDPOINTS &&
	    given & (BUCKET_BIT(INPUT) | BUCKET_BIT(REQUEST));
}

struct cheapest {
	struct str name;
	enum endpoint endpoint;
	int64_t cost;
};

static void
consider(const struct trial *t, struct str name, struct cheapest *best)
{
	static const struct buckets use = { { [BUCKET_INPUT] = GUESS_TOKENS,
	    [BUCKET_OUTPUT] = TRIAL_TOKENS, [BUCKET_REQUEST] = 1 } };
	const struct model *m = catalogue_model(t->cat, name);
	const struct price *p;
	enum endpoint e;
	int64_t share, cost;

	p = cost_price(t->ch, m, channel_serves(t->ch, name), &share);
	if (!m || !p || !endpoint_of(t, m, &e) ||
	    !price_charge(p, &use, share, &cost))
		return;
	/* A text that is made says more than one that is measured. */
	if (best->name.n && (best->endpoint < e ||
	    (best->endpoint == e && best->cost <= cost)))
		return;
	*best = (struct cheapest){ name, e, cost };
}

/* The cheapest that it serves by a name, its own or the catalogue's. */
static struct str
find_cheapest(const struct trial *t)
{
	struct cheapest best = { { NULL, 0 }, ENDPOINT_CHAT, 0 };

	for (size_t i = 0; i < t->ch->n_models; i++)
		if (!str_ends(t->ch->models[i].name, S("*")))
			consider(t, t->ch->models[i].name, &best);
	for (size_t i = 0; i < t->cat->n_models; i++) {
		struct str name = t->cat->models[i].name;

		if (!str_ends(name, S("*")) && channel_serves(t->ch, name))
			consider(t, name, &best);
	}
	return best.name;
}

enum trial_choice
trial_choose(struct trial *t, struct str name)
{
	if (!name.n)
		name = t->ch->test_model.n ? t->ch->test_model :
		    find_cheapest(t);
	if (!name.n)
		return TRIAL_NONE;
	t->name = name;
	t->model = catalogue_model(t->cat, name);
	t->serves = channel_serves(t->ch, name);
	t->as = t->serves && t->serves->upstream.p ? t->serves->upstream :
	    name;
	t->completion = outward_target(t->ch, t->model, t->as).max_completion;
	return endpoint_of(t, t->model, &t->endpoint) ? TRIAL_CHOSEN :
	    TRIAL_DEAR;
}

/* Does the channel call this name so? */
static bool
called_so(const struct trial *t, struct str name, struct str as)
{
	const struct channel_model *serves = channel_serves(t->ch, name);

	return serves && str_eq(serves->upstream.p ? serves->upstream : name,
	    as);
}

enum trial_choice
trial_choose_as(struct trial *t, struct str as)
{
	if (!as.n || called_so(t, as, as))
		return trial_choose(t, as);
	for (size_t i = 0; i < t->ch->n_models; i++) {
		struct str name = t->ch->models[i].name;

		if (!str_ends(name, S("*")) && called_so(t, name, as))
			return trial_choose(t, name);
	}
	for (size_t i = 0; i < t->cat->n_models; i++) {
		struct str name = t->cat->models[i].name;

		if (!str_ends(name, S("*")) && called_so(t, name, as))
			return trial_choose(t, name);
	}
	return TRIAL_NONE;
}

bool
trial_priced(const struct trial *t)
{
	int64_t share;

	return cost_price(t->ch, t->model, t->serves, &share) != NULL;
}

/* --- The call ------------------------------------------------------------- */

/* As the channel wants it. */
static struct str
edited(const struct trial *t, struct str body, struct arena *a)
{
	struct body_edit list[OUTWARD_EDITS];
	int n = outward_edits(t->ch, !endpoint_embeds(t->endpoint),
	    list);

	for (int i = 0; i < n; i++) {
		struct buf out = BUF(a, body_edit_most(body, &list[i]));

		if (!body_edit(body, &list[i], &out))
			return S("");
		body = buf_str(&out);
	}
	return body;
}

struct str
trial_body(const struct trial *t, bool stream, struct arena *a)
{
	bool chat = !endpoint_embeds(t->endpoint);
	struct edits edits = { .model = t->as, .force_usage = stream,
		.cap_output = chat ? TRIAL_TOKENS : -1,
		.cap_as_completion = t->completion };
	struct buf ours = BUF(a, 4096), out = BUF(a, 8192);
	struct asked asked = { .by_path = { t->name, stream, false } };
	struct fault f = { 0 };

	buf_char(&ours, '{');
	if (!t->dialect->model_in_path) {
		buf_put(&ours, S("\"model\":"));
		buf_json(&ours, t->name);
		buf_put(&ours, stream ? S(",\"stream\":true,") : S(","));
	}
	buf_put(&ours, str_of(chat ? t->dialect->trial :
	    t->dialect->trial_embed));
	buf_char(&ours, '}');
	if (!t->dialect->read_request(a, t->endpoint, buf_str(&ours), &asked,
	    &f) || !t->dialect->write_request(&asked, &edits, &out))
		return S("");
	return edited(t, buf_str(&out), a);
}

struct str
trial_path(const struct trial *t, bool stream, struct arena *a)
{
	return outward_path(a, t->ch, t->dialect->path(t->endpoint, stream),
	    t->as);
}

/* --- What came of it ------------------------------------------------------ */

static int64_t
cost_of(const struct trial *t, const struct tokens *tokens)
{
	const struct price *p;
	struct buckets use;
	int64_t share, cost;

	p = cost_price(t->ch, t->model, t->serves, &share);
	if (!p || tokens->in_total < 0)
		return -1;
	use = outward_use(tokens, COUNT_MOST, COUNT_MOST);
	return price_charge(p, &use, share, &cost) ? cost : -1;
}

static void
error_told(struct trial_verdict *v)
{
	v->kind = v->error.kind == UP_OK ? UP_SERVER : v->error.kind;
	v->error.kind = v->kind;
	v->outcome = up_class_name(v->kind);
}

static void
no_answer(struct trial_verdict *v, const char *outcome, struct str words)
{
	v->outcome = outcome;
	v->words = words;
}

/* A 200: is it an answer? */
static void
read_answer(const struct trial *t, const struct trial_answer *answer,
    struct arena *a, struct trial_verdict *v)
{
	struct asked asked = { .endpoint = t->endpoint,
		.stream = answer->stream };
	enum answer_as as = t->dialect->answer_as(&asked, answer->type);
	struct buf out = BUF_HEAP(LIMIT_FOLD_BYTES);
	struct buf last = BUF_HEAP(LIMIT_EVENT_BYTES + LIMIT_KEEP_BACK);
	struct observer w = { .dialect = t->dialect, .arena = a,
		.stream = as == AS_EVENTS, .endpoint = t->endpoint };
	bool whole;

	if (answer->encoding.n || as == AS_FOREIGN || as == AS_BYTES) {
		no_answer(v, "not_json", answer->encoding.n ?
		    S("it is packed, although nobody asked for that") :
		    S("it is no JSON and no stream: something else than an "
		    "API answers there"));
		return;
	}
	t->dialect->observe(&w);
	t->dialect->feed(&w, answer->body, &out, &last);
	whole = !(w.seen & (SEEN_BAD | SEEN_ERROR)) &&
	    t->dialect->finish(&w, &out, &last);
	buf_release(&out);
	buf_release(&last);
	if (w.seen & SEEN_ERROR) {
		v->error = w.error;
		error_told(v);
		return;
	}
	if (!whole) {
		no_answer(v, w.seen & SEEN_EMPTY ? "empty_answer" :
		    "bad_answer", w.seen & SEEN_EMPTY ?
		    S("it has neither text nor a call in it, and no reason "
		    "why it ended") : w.seen & SEEN_BAD ?
		    S("it is not what was asked for") :
		    S("it ends before it is whole"));
		return;
	}
	v->outcome = "ok";
	v->good = true;
	v->streamed = w.stream;
	v->tokens = w.tokens;
	v->model = w.model;
	v->cost = cost_of(t, &v->tokens);
}

void
trial_judge(const struct trial *t, const struct trial_answer *answer,
    struct arena *a, struct trial_verdict *v)
{
	*v = (struct trial_verdict){ .tokens = TOKENS_ABSENT, .cost = -1 };
	if (answer->status == 200) {
		read_answer(t, answer, a, v);
		return;
	}
	t->dialect->read_error(a, answer->status, answer->type, answer->body,
	    &v->error);
	error_told(v);
}

bool
trial_other_limit(const struct trial *t, enum up_class kind,
    struct str param, struct str words)
{
	return !t->completion && kind == UP_BAD_REQUEST &&
	    (str_eq(param, S("max_tokens")) ||
	    str_has(words, S("max_completion_tokens")));
}
